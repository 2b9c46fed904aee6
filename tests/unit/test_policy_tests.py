"""Tests beside a policy: how they are written, what is refused, and what a failure says."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT

import crmcore as crm
from crmcore.cli import main
from crmcore.workbench.testing import find_tests, load_tests, policy_under_test
from crmcore.workbench.testing.documents import CaseNode, TestDocument

POLICY = """\
format = 1
name = "shop"
zone = "Asia/Shanghai"
currency = { code = "CNY", exponent = 2 }
sale_statuses = ["paid"]
windows.year = "1 year"
attributes.city = { type = "label", values = ["paris", "rome"], personal = false }
attributes.note = "text"
attributes.born = "date"
attributes.weight = "float"
[facts]
sales = { of = "sale", take = "count", in = "year" }
mean = { of = "sale", take = "mean", in = "year" }
net = { of = "sale", take = "sum" }
first_at = { of = "order", take = "first" }
last_on = { of = "order", take = "last" }
[scores.points]
fact = "mean"
below = 0
from = [["100.00", 1], ["200.00", 2]]
[segment]
first = [
  ['city == "paris" and tag:press', "press"],
  ["first_at > last_evaluated_at", "new"],
  ['note == "x" or born < "1970-01-01" or weight > 1.5 or blocked', "odd"],
  ["net >= 300 and last_on is known", "rich"],
]
otherwise = "rest"
"""
HEAD = "as_of = 2025-12-31\n"


def case(body: str, name: str = "it") -> str:
    return f'[[case]]\nname = "{name}"\n{body}\n'


def report(*bodies: str, policy: str = POLICY, head: str = HEAD) -> crm.TestReport:
    text = head + "".join(case(body, f"case {at}") for at, body in enumerate(bodies))
    return crm.run_tests(crm.load_policy(policy), text)


def problems(*bodies: str, head: str = HEAD) -> list[tuple[str, str]]:
    with pytest.raises(crm.TestFileError) as refused:
        report(*bodies, head=head)
    return [(one.code, one.path) for one in refused.value.problems]


@pytest.mark.parametrize(
    ("given", "expect"),
    [
        ("{}", 'segment = "rest", sales = 0, net = "0.00"'),
        ('{ mean = "100.00" }', 'points = 1, mean = "100.00"'),
        ("{ mean = 99.99 }", "points = 0"),
        ('{ mean = "599/3" }', "points = 1"),
        ('{ mean = "600/3" }', "points = 2, mean = 200"),
        ('{ net = "300.00", last_on = 2025-01-01 }', 'segment = "rich"'),
        ('{ net = "299.99", last_on = 2025-01-01 }', 'segment = "rest"'),
        ('{ net = 300, last_on = "2025-01-01" }', 'segment = "rich"'),
        ('{ city = "paris", "tag:press" = true }', 'segment = "press"'),
        ('{ city = "rome", "tag:press" = true }', 'segment = "rest"'),
        ('{ note = "x" }', 'segment = "odd"'),
        ("{ born = 1969-12-31 }", 'segment = "odd"'),
        ("{ born = 1970-01-01 }", 'segment = "rest"'),
        ("{ weight = 1.6 }", 'segment = "odd"'),
        ("{ weight = 1 }", 'segment = "rest"'),
        ("{ blocked = true }", 'segment = "odd"'),
    ],
)
def test_facts_of_every_kind(given: str, expect: str) -> None:
    assert report(f"given = {given}\nexpect = {{ {expect} }}").passed


@pytest.mark.parametrize(
    ("written", "segment"),
    [
        ("2025-07-01", "new"),
        ('"2025-07-01T00:00"', "new"),
        ('"2025-06-30 23:59:59.999999"', "rest"),
        ('"2025-06-30T16:00:00+00:00"', "new"),
        ('"2025-06-30T15:59:59.999999Z"', "rest"),
    ],
)
def test_times_are_those_of_the_shop_and_dates_their_first_moment(
    written: str, segment: str
) -> None:
    body = f'given = {{ first_at = {written} }}\nexpect = {{ segment = "{segment}" }}'
    assert report(body, head=f"{HEAD}last_evaluated_at = 2025-06-30\n").passed


def test_what_nobody_states_is_as_for_one_without_orders() -> None:
    body = 'expect = { sales = 0, net = 0 }\nexpect_missing = ["mean", "last_on", "first_at"]'
    assert report(body, f"orders = []\n{body}", f"given = {{}}\n{body}").passed


def test_orders_go_through_the_whole_pipeline() -> None:
    body = """
    orders = [
      { order_id = "A", placed_at = 2025-01-01, amount = "250.00", status = "paid" },
      { placed_at = "2025-12-31T23:59:59", amount = 150, status = "paid", channel = "web" },
      { placed_at = 2025-05-01, amount = "99.00", status = "placed" },
      { placed_at = 2025-06-01, amount = "-50.00", status = "paid", returns_order_id = "A" },
    ]
    customer = { city = "paris", "tag:press" = true, born = 1990-01-01, weight = 2.5, note = "x" }
    expect = { sales = 2, mean = "175.00", net = "350.00", points = 1, segment = "press" }
    """
    assert report(body).failures == ()


def test_orders_of_one_case_are_no_orders_of_another() -> None:
    order = 'orders = [{ order_id = 1, placed_at = 2025-06-01, amount = "10.00", status = "paid" }]'
    assert report(f"{order}\nexpect = {{ sales = 1 }}", f"{order}\nexpect = {{ sales = 1 }}").passed


def test_every_case_has_its_own_moment() -> None:
    order = '[{ placed_at = 2024-06-30, amount = "10.00", status = "paid" }]'
    day = "as_of = {}\norders = {}\nexpect = {{ sales = {} }}"
    bodies = [
        day.format("2025-06-30", order, 1),
        day.format("2025-07-01", order, 0),
        day.format('"2025-06-30T18:00"', order, 1),
        day.format('"2025-06-30T18:00:00+00:00"', order, 0),
    ]
    assert report(*bodies, head="").passed


def test_each_expectation_is_checked_on_its_own() -> None:
    body = 'given = { mean = "250.00" }\nexpect = { points = 1, segment = "new", sales = 0 }'
    found = report(body, 'expect = { segment = "rest" }')
    assert [(one.case, one.name, one.expected, one.got) for one in found.failures] == [
        ("case 0", "points", 1, 2),
        ("case 0", "segment", "new", "rest"),
    ]
    assert (found.failed, found.passed) == (1, False)


def test_a_failure_says_why() -> None:
    failure = report('given = { mean = "250.00" }\nexpect = { points = 1 }').failures[0]
    assert str(failure).splitlines() == [
        "points: expected 1, got 2",
        "  points: 2, because mean is CNY 250.00",
        "    in the band from CNY 200.00 on: CNY 50.00 above its edge",
    ]


def test_missing_is_expected_by_name() -> None:
    found = report('expect = { points = 1 }\nexpect_missing = ["segment"]')
    assert [(one.name, one.expected, one.got) for one in found.failures] == [
        ("points", 1, None),
        ("segment", None, "rest"),
    ]
    assert str(found.failures[0]).startswith("points: expected 1, got (missing)")


def test_a_mean_is_compared_exactly() -> None:
    orders = ", ".join(
        f'{{ placed_at = 2025-06-0{day}, amount = "{amount}", status = "paid" }}'
        for day, amount in ((1, "100.00"), (2, "100.00"), (3, "100.01"))
    )
    found = report(
        f'orders = [{orders}]\nexpect = {{ mean = "30001/300" }}',
        f'orders = [{orders}]\nexpect = {{ mean = "100.00" }}',
    )
    assert [(one.case, one.got) for one in found.failures] == [("case 1", Fraction(30001, 300))]
    assert "got 30001/300" in str(found.failures[0])


def test_a_policy_that_refuses_a_case_fails_that_case_only() -> None:
    policy = POLICY.replace('otherwise = "rest"', 'unknown = "error"')
    known = 'given = { city = "paris", "tag:press" = true }\nexpect = { segment = "press" }'
    found = report(known, "expect = { sales = 0 }", policy=policy)
    assert [(one.case, one.name) for one in found.failures] == [("case 1", "")]
    assert "unknown" in str(found.failures[0])


ORDER = "orders = [{{ placed_at = 2025-01-01, {} }}]"


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        ("given = { sale = 1 }", "unknown_name", "given.sale"),
        ("given = { points = 1 }", "unknown_name", "given.points"),
        ("customer = { sales = 1 }", "unknown_name", "customer.sales"),
        ("expect = { point = 1 }", "unknown_name", "expect.point"),
        ('expect_missing = ["point"]', "unknown_name", "expect_missing.0"),
        ('expect = { segment = "pres" }', "unknown_label", "expect.segment"),
        ("expect = { points = 1.5 }", "type_mismatch", "expect.points"),
        ("expect = { points = true }", "type_mismatch", "expect.points"),
        ("given = { sales = true }", "type_mismatch", "given.sales"),
        ("given = { sales = [1] }", "wrong_type", "given.sales"),
        ('given = { net = "1.001" }', "money_digits", "given.net"),
        ('given = { last_on = "2025-02-30" }', "bad_date", "given.last_on"),
        ('given = { first_at = "noon" }', "bad_instant", "given.first_at"),
        ("expect = {}", "missing_key", ""),
        ("given = {}\norders = []", "one_of", ""),
        ("expects = { sales = 0 }", "unknown_key", "expects"),
        ('as_of = "soon"', "bad_instant", "as_of"),
        ("orders = [{ amount = 1 }]", "missing_key", "orders.0.placed_at"),
        (ORDER.format('amount = "1.001"'), "money_digits", "orders.0.amount"),
        (ORDER.format('amount = "x"'), "not_a_number", "orders.0.amount"),
        (ORDER.format('amount = 1, status = "sent"'), "not_allowed", "orders.0.status"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(body: str, code: str, path: str) -> None:
    if "expect" not in body or "expects" in body:
        body += "\nexpect = { sales = 0 }"
    assert problems(body) == [(code, f"case.0.{path}".rstrip("."))]


@pytest.mark.parametrize("key", ["given", "customer"])
@pytest.mark.parametrize(
    ("visits", "allowed"), [(-1, "at least 0"), (10, "at most 9"), (0, None), (9, None)]
)
def test_attributes_lie_within_their_range(key: str, visits: int, allowed: str | None) -> None:
    ranged = POLICY.replace("[facts]", 'attributes.visits = {type="int", min=0, max=9}\n[facts]')
    body = f"{key} = {{ visits = {visits} }}\nexpect = {{ points = 0 }}\n"
    if allowed is None:
        assert len(report(body, policy=ranged).cases) == 1
        return
    with pytest.raises(crm.TestFileError) as refused:
        report(body, policy=ranged)
    (problem,) = refused.value.problems
    assert (problem.code, problem.path) == ("out_of_range", f"case.0.{key}.visits")
    assert (problem.line, problem.allowed) == (4, allowed)


def test_every_problem_is_told_at_once_with_its_line_and_the_nearest_name() -> None:
    bodies = ("expect = { segmnt = 1 }", "given = { sals = 1 }\nexpect = { points = 1 }")
    with pytest.raises(crm.TestFileError) as refused:
        report(*bodies)
    found = refused.value.problems
    assert [(one.line, one.suggestion) for one in found] == [(4, "segment"), (7, "sales")]


def test_a_moment_is_needed_and_names_are_given_once() -> None:
    assert problems("expect = { sales = 0 }", head="") == [("missing_key", "case.0")]
    with pytest.raises(crm.TestFileError, match="duplicate_name"):
        crm.run_tests("classic", HEAD + 2 * case('expect = { class = "new" }'))


def test_every_key_is_documented() -> None:
    page = (ROOT / "docs/testing.md").read_text("utf-8")
    for model, heading in ((TestDocument, "| key of the file"), (CaseNode, "| key of a case")):
        rows = page.split(heading)[1].split("\n\n")[0].splitlines()[2:]
        listed = [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]
        assert listed == list(model.model_fields)


# Where tests are found


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.toml").write_text(POLICY, "utf-8")
    (tmp_path / "shop.test.toml").write_text(HEAD + case("expect = { sales = 0 }"), "utf-8")
    body = case('given = { net = 300, last_on = 2025-01-01 }\nexpect = { segment = "rich" }')
    (tmp_path / "shop.rich.test.toml").write_text(HEAD + body, "utf-8")
    (tmp_path / "other.test.toml").write_text('policy = "shop.toml"\n' + HEAD, "utf-8")
    return tmp_path / "shop.toml"


def test_tests_stand_beside_their_policy(shop: Path) -> None:
    files = [text.file.name for text in find_tests(shop) if text.file]
    assert files == ["shop.rich.test.toml", "shop.test.toml"]
    assert len(crm.run_tests(shop).cases) == 2
    assert policy_under_test(shop.with_name("shop.rich.test.toml")).name == "shop"
    assert policy_under_test(shop.with_name("other.test.toml")).name == "shop"


def test_the_longest_name_is_the_policy(shop: Path) -> None:
    shop.with_name("shop.rich.toml").write_text(POLICY.replace('"shop"', '"rich"'), "utf-8")
    assert len(crm.run_tests(shop).cases) == 1
    assert policy_under_test(shop.with_name("shop.rich.test.toml")).name == "rich"


def test_without_a_policy_a_test_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lonely.test.toml"
    path.write_text(HEAD, "utf-8")
    with pytest.raises(crm.TestFileError, match="no policy stands beside"):
        policy_under_test(path)


def test_a_policy_that_is_no_file_has_no_tests_of_its_own() -> None:
    assert crm.run_tests(POLICY).cases == ()
    assert crm.run_tests(crm.load_policy(POLICY)).cases == ()
    assert not crm.run_tests(POLICY).passed


def test_several_files_are_run_together() -> None:
    files = [HEAD + case("expect = { sales = 0 }"), {"as_of": "2025-12-31T12:00", "case": []}]
    assert len(crm.run_tests(POLICY, files).cases) == 1


def test_cases_that_were_loaded_are_plain_to_see() -> None:
    cases = load_tests(HEAD + case('expect_missing = ["points"]'), crm.load_policy(POLICY))
    assert [(one.name, one.given, dict(one.expect)) for one in cases] == [
        ("it", {}, {"points": None})
    ]


# The command


def run(*arguments: object) -> int:
    return main(["test", *map(str, arguments)])


def test_statuses_of_the_command(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shop) == 0
    assert run(shop, shop.with_name("other.test.toml")) == 5
    bad = shop.with_name("bad.test.toml")
    bad.write_text(HEAD + case("expect = { sales = 1 }"), "utf-8")
    assert run(shop, bad) == 1
    bad.write_text(HEAD + case("expect = { sale = 1 }"), "utf-8")
    assert run(shop, bad) == 3
    assert run(shop.with_name("none.toml")) == 3
    assert run(shop, "none.test.toml") == 3
    assert run(shop, "--fail-under", "101") == 2
    assert run(shop, "--fail-under", "5") == 0
    assert run(shop, "--fail-under", "99") == 1
    assert run(shop, "--mutate") == 1
    assert run(shop.with_name("shop.rich.test.toml")) == 0
    assert "there are no tests" in capsys.readouterr().err


def test_data_of_the_command(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shop, "--coverage", "--mutate", "--format", "json") == 1
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (data["policy"], data["cases"], data["failed"]) == ("shop", 2, 0)
    assert 0 < data["coverage"]["percent"] < 100
    assert data["mutation"]["of"] > data["mutation"]["noticed"] > 0
    assert run(shop, "--coverage", "--mutate", "--format", "markdown") == 1
    text = capsys.readouterr().out
    assert text.startswith("**Policy shop: 2 cases, all pass**\n")
    assert "\n| rows | " in text
    assert "\n- `segment." in text


def test_failures_of_the_command(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = shop.with_name("bad.test.toml")
    bad.write_text(HEAD + case("expect = { points = 1 }"), "utf-8")
    assert run(shop, bad, "--mutate") == 1
    text = capsys.readouterr().out
    assert text.startswith("FAILED bad.test.toml: it\n  points: expected 1, got (missing)\n")
    assert "before all cases pass" in text
    assert run(shop, bad, "--format", "markdown") == 1
    assert "- it\n\n      points: expected 1" in capsys.readouterr().out
    assert run(shop, bad, "--format", "json") == 1
    assert json.loads(capsys.readouterr().out)["failures"][0]["expected"] == "1"


def test_a_case_with_several_wrong_expectations_has_one_heading(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = shop.with_name("bad.test.toml")
    bad.write_text(HEAD + case('expect = { points = 1, segment = "rich" }'), "utf-8")
    assert run(shop, bad) == 1
    text = capsys.readouterr().out
    assert text.count("FAILED") == 1
    assert text.count(": expected ") == 2


def test_unnoticed_changes_of_facts_come_last_and_counted(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(shop, "--mutate") == 1
    lines = capsys.readouterr().out.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("only a case given by orders"))
    assert not [line for line in lines[:at] if "unnoticed: facts." in line]
    assert lines[at + 1].startswith("  unnoticed: ")
    assert not [line for line in lines if "makes no difference" in line]


def test_generated_cases_go_to_a_file(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shop, "--generate") == 0
    printed = capsys.readouterr().out
    made = shop.with_name("made.toml")
    assert run(shop, "--generate", "--out", str(made)) == 0
    assert capsys.readouterr().out == ""
    assert made.read_text("utf-8") == printed


def test_facts_that_contradict_each_other_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    few = "given = { sale_count = 2, days_since_last_sale = 3 }\nexpect = { cell = 52 }"
    none = "given = { sale_count = 2 }\nexpect = { frequency_points = 2 }"
    for given, told in ((few, ()), (none, ("it",))):
        text = f'as_of = 2025-12-31\n[[case]]\nname = "it"\n{given}\n'
        report = crm.run_tests("rf_grid", text)
        assert report.passed
        assert tuple(case.name for case in report.contradictory) == told


def test_only_what_was_looked_at_is_told() -> None:
    text = """\
as_of = 2025-12-31
[[case]]
name = "nobody"
expect = { class = "gold" }
"""
    why = "\n".join(crm.run_tests("classic", text).failures[0].why)
    assert "orders_ever == 0: holds" in why
    assert "points" not in why


def test_generated_cases_load_and_pass(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shop, "--generate") == 0
    made = shop.with_name("shop.made.test.toml")
    made.write_text(capsys.readouterr().out, "utf-8")
    assert run(shop, "--coverage", "--fail-under", "100") == 0
    assert run("classic", "--generate") == 0
    assert 'policy = "classic"\n' in capsys.readouterr().out
