"""Comparing policies: their text, their decisions, their customers; git; facts to be shared."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crmcore as crm
from crmcore.analysis import Space, fact_table, witness_row
from crmcore.calendars import day_number, parse_span, shift_days
from crmcore.cli import main
from crmcore.cli.factfiles import read_facts, write_facts
from crmcore.cli.fromgit import is_in_git
from crmcore.conditions import parse, to_text
from crmcore.sample import sample_shop
from crmcore.workbench.diffing import PolicyDiff, pseudonymised
from crmcore.workbench.diffing.elimination import eliminated
from crmcore.workbench.diffing.grid import Grid, replayed
from crmcore.workbench.diffing.markdown import code_span
from crmcore.workbench.diffing.scenes import scenes
from crmcore.workbench.diffing.structure import aligned, edits

CLASSIC = crm.presets.load("classic")
SOURCE = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
CLASSES = CLASSIC.document["class"]["first"]  # type: ignore[index, call-overload]


def shop(**changes: Any) -> crm.Policy:
    """The classic policy with some tables of its own."""
    return crm.load_policy({"extends": "classic", "name": "shop", **changes})


def listed(first: list[Any], **more: Any) -> crm.Policy:
    """The classic policy with another list of classes."""
    return shop(**{"class": {"first": first, "otherwise": "@grade"}}, **more)


def told(before: crm.Policy, after: crm.Policy) -> list[str]:
    return [str(edit) for edit in edits(before, after) if edit.path != "name"]


def verdicts(found: PolicyDiff) -> dict[str, str]:
    return {one.name: one.verdict for one in found.decisions}


# What stands otherwise


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"zone": "Europe/Berlin"}, ['zone: "Asia/Shanghai" → "Europe/Berlin"']),
        ({"windows": {"period": "6 months"}}, ['windows.period.within: "1 year" → "6 months"']),
        (
            {"windows": {"month": "1 month"}},
            ['windows.month: added { within = "1 month" }'],
        ),
        (
            {"facts": {"bulk": {"of": "sale", "take": "count", "where": "amount  >= 500"}}},
            ['facts.bulk: added { of = "sale", take = "count", where = "amount >= 500" }'],
        ),
        (
            {"scores": {"score": {"weights": {"recency_points": 2, "frequency_points": 3}}}},
            [
                "scores.score.weights.recency_points: 1 → 2",
                "scores.score.weights.monetary_points: removed 4",
            ],
        ),
        (
            {"grade": {"from": [[8, "bronze"], [20, "silver"], [36, "gold"]]}},
            [
                "grade.from.1.0: 17 → 20",
                'grade.from.2: removed [26, "gold"]',
                'grade.from.2.1: "platinum" → "gold"',
            ],
        ),
        (
            {"internal": ["score"], "labels": {"en": {"gold": "Golden"}}},
            ['internal: added ["score"]', 'labels.en.gold: "Gold" → "Golden"'],
        ),
    ],
)
def test_edits_are_told_by_places_of_the_policy(
    changes: dict[str, Any], expected: list[str]
) -> None:
    assert sorted(told(CLASSIC, shop(**changes))) == sorted(expected)


def test_rows_of_a_list_are_told_as_added_removed_changed_and_moved() -> None:
    ever, blocked, new, order, sale = CLASSES
    after = listed([blocked, ever, [new[0], "fresh"], sale, ["order_count < 2", "few"]])
    assert told(CLASSIC, after) == [
        "class.first.0: moved, it was row 1",
        'class.first.2.1: "new" → "fresh"',
        'class.first.3: removed ["order_count == 0", "no_order"]',
        'class.first.4: added ["order_count < 2", "few"]',
    ]
    assert order[1] == "no_order"


def test_what_is_spelled_otherwise_is_the_same() -> None:
    spelled = [[f"( {condition} )", label] for condition, label in CLASSES]
    statuses = ["delivered", "shipped", "paid"]
    assert told(CLASSIC, listed(spelled, sale_statuses=statuses)) == []
    months = crm.diff(CLASSIC, shop(windows={"period": "12 months"}))
    assert (len(months.edits), months.facts, months.decides_alike) == (2, (), True)


def test_wording_is_set_apart_from_what_decides() -> None:
    after = shop(labels={"en": {"gold": "Golden"}}, internal=["grade"])
    found = crm.diff(CLASSIC, after)
    assert {edit.path for edit in found.wording} == {"name", "labels.en.gold", "internal"}
    assert found.edits == found.wording
    assert found.decides_alike is True
    assert CLASSIC.hash == after.hash


def test_rows_find_each_other() -> None:
    assert aligned([["a", 1], ["b", 2]], [["b", 2], ["a", 1]]) == [(1, 0), (0, 1)]
    assert aligned([["a", 1]], []) == [(0, None)]
    assert aligned([["a", 1], ["b", 1]], [["b", 3]]) == [(0, None), (1, 0)]
    assert aligned([["a", 1], ["b", 2]], [["x", 2], ["y", 1]]) == [(1, 0), (0, 1)]


# Whether they decide alike


def test_a_policy_decides_as_itself() -> None:
    found = crm.diff(CLASSIC, crm.load_policy(CLASSIC.to_toml()))
    assert set(verdicts(found).values()) == {"equivalent"}
    assert (found.edits, found.facts, found.rows, found.decides_alike) == ((), (), (), True)


def test_another_edge_is_shown_by_a_customer_between_the_two() -> None:
    after = shop(grade={"from": [[8, "bronze"], [18, "silver"], [26, "gold"], [36, "platinum"]]})
    found = crm.diff(CLASSIC, after)
    assert verdicts(found) == {
        "recency_points": "equivalent",
        "frequency_points": "equivalent",
        "monetary_points": "equivalent",
        "score": "equivalent",
        "grade": "differs",
        "class": "differs",
    }
    witness = found["grade"].witness
    assert witness is not None
    assert (witness.before, witness.after) == ("silver", "bronze")
    scene = {"as_of": witness.as_of, "last_evaluated_at": witness.last_evaluated_at}
    for policy, grade in ((CLASSIC, "silver"), (after, "bronze")):
        facts = fact_table(policy, [dict(witness.customer)])
        result = crm.evaluate_facts(policy, facts, **scene)[0]
        assert (result["grade"], result["score"]) == (grade, 17)
    assert set(witness.given) == {"last_sale_on", "mean_sale", "sale_count"}


def test_rules_written_otherwise_may_decide_alike() -> None:
    ever, blocked, new, order, sale = CLASSES
    after = listed(
        [["not orders_ever >= 1", ever[1]], blocked, new, ["order_count < 1", order[1]], sale]
    )
    found = crm.diff(CLASSIC, after)
    assert CLASSIC.hash != after.hash
    assert found.decides_alike is True
    assert [row.relation for row in found.rows] == ["equivalent", "equivalent"]


def test_impossible_customers_are_no_difference() -> None:
    ever, blocked, new, order, sale = CLASSES
    # Nobody has sales without orders, so asking for both is asking for the sales.
    asked = ["sale_count == 0 or order_count == 0", sale[1]]
    found = crm.diff(CLASSIC, listed([ever, blocked, new, order, asked]))
    assert verdicts(found)["class"] == "equivalent"
    assert [row.relation for row in found.rows] == ["equivalent"]


@pytest.mark.parametrize(
    ("before", "after", "relation"),
    [
        ("sale_count > 3", "sale_count >= 4", "equivalent"),
        ("sale_count > 3", "sale_count > 2", "implies"),
        ("sale_count > 3", "sale_count > 3 and not blocked", "implied_by"),
        ("sale_count > 3", "sale_count < 2", "disjoint"),
        ("sale_count > 3", "mean_sale > 100", "overlaps"),
        ("mean_sale > 100", "mean_sale is known", "implies"),
        ('grade == "gold"', "score between 26 and 35", "equivalent"),
        ("not (mean_sale > 100)", "mean_sale <= 100", "equivalent"),
        ("not (mean_sale > 100)", "mean_sale <= 100 or mean_sale is unknown", "implies"),
    ],
)
def test_conditions_are_put_in_relation(before: str, after: str, relation: str) -> None:
    then, now = (listed([[text, "asked"]]) for text in (before, after))
    row = crm.diff(then, now).rows[0]
    texts = tuple(to_text(parse(text)) for text in (before, after))
    assert (row.path, row.label, row.before, row.after) == ("class.first.0", "asked", *texts)
    assert row.relation == relation
    backwards = {"implies": "implied_by", "implied_by": "implies"}
    assert crm.diff(now, then).rows[0].relation == backwards.get(relation, relation)
    for witness, truths in ((row.only_before, (True, False)), (row.only_after, (False, True))):
        if witness is not None:
            assert (witness.before is True, witness.after is True) == truths


def test_added_and_removed_decisions_are_said_to_be() -> None:
    stage = {"first": [["sale_count == 0", "asleep"]], "otherwise": "awake"}
    assert verdicts(crm.diff(CLASSIC, shop(stage=stage)))["stage"] == "added"
    assert verdicts(crm.diff(shop(stage=stage), CLASSIC))["stage"] == "removed"


def test_spans_of_days_and_of_months_come_apart_on_some_day() -> None:
    days = [["30 days", 5], ["3 months", 4], ["4 months", 3], ["7 months", 2], ["1 year", 1]]
    after = shop(scores={"recency_points": {"within": days}})
    assert verdicts(crm.diff(CLASSIC, after))["recency_points"] == "differs"
    # After a month of 30 days the two mean the same.
    assert verdicts(crm.diff(CLASSIC, after, as_of=date(2025, 5, 1)))["recency_points"] == (
        "equivalent"
    )


def within(span: str) -> crm.Policy:
    return crm.load_policy(
        {**BARE, "scores": {"recency": {"fact": "last_sale_on", "within": [[span, 1]]}}}
    )


def shifted(condition: str) -> crm.Policy:
    return crm.load_policy(
        {**BARE, "stage": {"first": [[condition, "late"]], "otherwise": "early"}}
    )


BARE: dict[str, Any] = {
    "format": 1,
    "name": "bare",
    "zone": "Europe/Berlin",
    "currency": {"code": "EUR", "exponent": 2},
    "sale_statuses": ["paid"],
}


@pytest.mark.parametrize("months", [1, 2, 3, 11, 12, 23, 24, 36, 48, 60, 95, 96, 108, 120])
def test_no_span_of_months_is_one_of_days(months: int) -> None:
    then = within(f"{months} months")
    for days in lengths(months):
        assert crm.diff(then, within(f"{days} days"))["recency"].verdict == "differs", days


@pytest.mark.parametrize("months", [1, 12, 24, 48, 120])
def test_no_shift_by_months_is_one_by_days(months: int) -> None:
    then = shifted(f"shift_months(first_sale_on, {months}) > shift_days(as_of, 0)")
    for days in lengths(months):
        now = shifted(f"shift_days(first_sale_on, {days}) > shift_days(as_of, 0)")
        assert crm.diff(then, now)["stage"].verdict == "differs", days


@pytest.mark.parametrize("months", range(1, 121))
def test_every_length_of_a_span_is_met_as_of_some_day(months: int) -> None:
    days = [scene.as_of for scene in scenes(CLASSIC, CLASSIC, None)]
    numbers = np.array([day_number(day) for day in days])
    found = numbers - shift_days(numbers, parse_span(f"{months} months"), -1)
    assert {found.min(), found.max()} == {min(lengths(months)), max(lengths(months))}


def lengths(months: int) -> range:
    """How many days so many months may have, by the whole cycle of the calendar."""
    every = np.arange(day_number(date(2000, 1, 1)), day_number(date(2400, 1, 1)))
    found = every - shift_days(every, parse_span(f"{months} months"), -1)
    return range(int(found.min()), int(found.max()) + 1)


def test_a_fact_defined_otherwise_is_a_difference_of_its_own() -> None:
    found = crm.diff(CLASSIC, shop(windows={"period": "6 months"}, sale_statuses=["paid"]))
    because = {one.name: one.because for one in found.facts}
    assert because["sale_count"] == ("windows.period", "sale_statuses")
    assert because["order_count"] == ("windows.period",)
    assert "orders_ever" not in because
    assert set(verdicts(found).values()) == {"equivalent"}
    assert found.decides_alike is False


def test_a_fact_taken_otherwise_is_named() -> None:
    ever = {"orders_ever": {"of": "order", "take": "count", "where": "amount >= 10"}}
    found = crm.diff(CLASSIC, shop(facts=ever))
    assert [(one.name, one.because) for one in found.facts] == [
        ("orders_ever", ("facts.orders_ever",))
    ]
    assert found.decides_alike is False


def test_bands_of_a_held_fact_count_from_another_day() -> None:
    held = {"evaluation": {"every": "1 year", "anchor": date(2025, 1, 1)}}
    then = shop(**held)
    now = crm.load_policy(then.to_toml().replace('take = "last", in = "period"', 'take = "last"'))
    assert now.facts["last_sale_on"].window is None
    found = crm.diff(then, now, as_of=date(2025, 6, 30))
    assert found.edits[0].path == "facts.last_sale_on.in"
    assert verdicts(found)["recency_points"] == "differs"


def test_facts_of_two_kinds_are_not_compared() -> None:
    summed = {"mean_sale": {"of": "sale", "take": "sum", "in": "period"}}
    found = crm.diff(CLASSIC, shop(facts=summed))
    assert verdicts(found)["frequency_points"] == "equivalent"
    assert found["monetary_points"].verdict == "not_decided"
    assert "mean_sale" in (found["monetary_points"].reason or "")


class Host:
    inputs = ("sale_count",)

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def score(self, facts: Any) -> Any:
        return facts["sale_count"].values * float(self.factor)


def test_the_score_of_a_host_is_not_looked_into() -> None:
    table = {"extends": "classic", "name": "shop", "scores": {"alive": {"scorer": "host"}}}
    one = crm.load_policy(table, scorers={"host": Host(1)})
    other = crm.load_policy(table, scorers={"host": Host(1)})
    assert verdicts(crm.diff(one, other))["alive"] == "not_decided"
    assert crm.diff(one, other).decides_alike is None
    assert verdicts(crm.diff(one, one))["alive"] == "equivalent"
    third = crm.load_policy(table, scorers={"host": Host(2)})
    assert verdicts(crm.diff(one, third))["alive"] == "differs"


# Who moves

NAMES = ("order_id", "customer_id", "placed_at", "amount")
ROWS = [
    *((f"a{n}", "A", f"2025-0{n}-10", "300.00") for n in range(1, 4)),
    ("b1", "B", "2025-03-10", "2500.00"),
    ("c1", "C", "2025-03-20", "10.00"),
]
ORDERS = crm.OrderTable.from_rows(ROWS, SOURCE, columns=NAMES)
TOTAL = {"net_sales": {"of": "sale", "take": "sum", "in": "period"}}


def test_customers_are_followed_from_label_to_label() -> None:
    grade = {"from": [[8, "bronze"], [15, "silver"], [22, "gold"], [36, "platinum"]]}
    after = shop(grade=grade, facts=TOTAL)
    found = crm.diff(CLASSIC, after, orders=ORDERS, as_of=date(2025, 4, 1))
    scores = crm.evaluate(CLASSIC, ORDERS, as_of=date(2025, 4, 1)).columns["score"].to_list()
    assert scores == [22, 28, 12]
    moves = found.movement("grade")
    assert (moves.customers, moves.moved, moves.unchanged) == (3, 1, 2)
    assert (moves.upgraded, moves.downgraded) == (1, 0)
    assert moves.labels == ("bronze", "silver", "gold", "platinum")
    assert moves.matrix == ((1, 0, 0, 0), (0, 0, 1, 0), (0, 0, 1, 0), (0, 0, 0, 0))
    assert (moves.sales_fact, moves.sales_moved, moves.sales) == (
        "net_sales",
        Decimal("900.00"),
        Decimal("3410.00"),
    )
    assert [(one.customer_id, one.before, one.after) for one in moves.movers()] == [
        ("A", "silver", "gold")
    ]
    assert not found.movement("score")
    assert sum(map(sum, moves.matrix)) == moves.customers


def test_decisions_that_move_nobody_are_only_counted() -> None:
    grade = {"from": [[8, "bronze"], [15, "silver"], [22, "gold"], [36, "platinum"]]}
    found = crm.diff(CLASSIC, shop(grade=grade), orders=ORDERS, as_of=date(2025, 4, 1))
    data = found.to_dict()
    assert [one["name"] for one in data["movements"]] == ["class", "grade"]  # type: ignore[attr-defined]
    alike = ["recency_points", "frequency_points", "monetary_points", "score"]
    assert data["without_movement"] == alike
    text = found.to_markdown()
    assert "| 4 without movement | 3 | 3 | 0 |" in text
    assert "`score` |" not in text


def test_labels_that_came_or_went_stand_in_their_place() -> None:
    grade = {"from": [[8, "bronze"], [13, "iron"], [26, "gold"], [36, "platinum"]]}
    found = crm.diff(CLASSIC, shop(grade=grade), orders=ORDERS, as_of=date(2025, 4, 1))
    moves = found.movement("grade")
    assert moves.labels == ("bronze", "silver", "iron", "gold", "platinum")
    assert moves.moved == 1
    assert moves.upgraded == 1


def test_missing_labels_have_a_row_and_are_neither_up_nor_down() -> None:
    grade = {"from": [[13, "silver"], [26, "gold"]]}
    found = crm.diff(CLASSIC, shop(grade=grade), orders=ORDERS, as_of=date(2025, 4, 1))
    moves = found.movement("grade")
    assert moves.labels[-1] is None
    assert (moves.moved, moves.upgraded, moves.downgraded) == (1, 0, 0)
    assert moves.sales_fact is None


def test_a_changed_window_moves_customers_of_orders_but_not_of_given_facts() -> None:
    after = shop(windows={"period": "1 month"})
    by_orders = crm.diff(CLASSIC, after, orders=ORDERS, as_of=date(2025, 4, 1))
    assert by_orders.movement("frequency_points").downgraded == 1
    facts = crm.evaluate(CLASSIC, ORDERS, as_of=date(2025, 4, 1)).facts
    by_facts = crm.diff(CLASSIC, after, facts=facts, as_of=date(2025, 4, 1))
    assert by_facts.given == "facts"
    assert not any(by_facts.movements or ())


def test_what_is_asked_must_fit_together() -> None:
    facts = crm.evaluate(CLASSIC, ORDERS, as_of=date(2025, 4, 1)).facts
    with pytest.raises(crm.DataError, match="not both"):
        crm.diff(CLASSIC, CLASSIC, orders=ORDERS, facts=facts, as_of=date(2025, 4, 1))
    with pytest.raises(crm.DataError, match="moment"):
        crm.diff(CLASSIC, CLASSIC, orders=ORDERS)
    with pytest.raises(KeyError):
        crm.diff(CLASSIC, CLASSIC)["nothing"]
    with pytest.raises(KeyError):
        crm.diff(CLASSIC, CLASSIC).movement("class")


def test_the_data_form_is_plain() -> None:
    after = shop(grade={"from": [[8, "bronze"], [18, "silver"]]})
    found = crm.diff(CLASSIC, after, orders=ORDERS, as_of=date(2025, 4, 1))
    plain = found.to_dict(movers=5)
    assert json.loads(json.dumps(plain)) == plain
    assert plain["format"] == 1
    assert plain["decides_alike"] is False


# Markdown


def test_markdown_lets_nothing_through_that_acts() -> None:
    nasty = "<script>alert(1)</script> @everyone `x` | [a](javascript:b)"
    after = shop(labels={"en": {"gold": nasty}})
    text = crm.diff(CLASSIC, after).to_markdown()
    outside = re.sub(r"(`+) ?.*?[^`] ?\1(?!`)", "", text)
    assert "script" in text
    assert "script" not in outside
    assert "@everyone" not in outside
    tags = re.findall(r"<[^>]*>", outside)
    assert set(tags) <= {"<details>", "<summary>", "</summary>", "</details>"}
    rows = [line for line in text.splitlines() if "alert" in line]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)


def test_long_tables_are_cut_in_a_comment() -> None:
    words = {f"label_{n}": "x" for n in range(150)}
    found = crm.diff(CLASSIC, shop(labels={"fr": words}))
    text = found.to_markdown()
    assert "Wording that stands otherwise (151)" in text
    assert "| … and 51 more |  |  |" in text
    assert len(text.splitlines()) < 120


def test_code_spans_hold_any_text() -> None:
    assert code_span("a``b") == "```a``b```"
    assert code_span("`") == "`` ` ``"
    assert code_span("a\nb\x1b") == "`a b `" or code_span("a\nb\x1b") == "` a b  `"
    assert code_span("") == "`   `"


# The command

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command in a folder of its own, with files of a shop."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    lines = [",".join(NAMES), *(",".join(row) for row in ROWS)]
    Path("orders.csv").write_text("\n".join(lines) + "\n")
    Path("same.toml").write_text('extends = "classic"\nname = "same"\n')
    grade = 'from = [[8, "bronze"], [15, "silver"], [22, "gold"], [36, "platinum"]]'
    Path("shop.toml").write_text(f'extends = "classic"\nname = "shop"\n[grade]\n{grade}\n')

    def runner(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        out, err = capfd.readouterr()
        return status, out, err

    return runner


def test_the_status_says_whether_anything_decides_otherwise(run: Run) -> None:
    status, out, _ = run("diff", "classic", "same.toml")
    assert (status, "only wording differs" in out) == (0, True)
    status, out, _ = run("diff", "classic", "shop.toml")
    assert (status, "decide otherwise: grade, class" in out) == (1, True)
    assert run("diff", "classic", "classic")[:2] == (
        0,
        "Policy classic → classic\nBoth are the same.\n",
    )


def test_movers_are_named_only_on_request(run: Run) -> None:
    call = ("diff", "classic", "shop.toml", "--orders", "orders.csv", "--as-of", "2025-04-01")
    status, out, _ = run(*call)
    assert status == 1
    assert "1 of 1 who move" not in out
    assert "1 of 1 who move" in run(*call, "--list", "2")[1]
    assert json.loads(run(*call, "--format", "json")[1])["movements"][0]["movers"] == []
    listed = json.loads(run(*call, "--format", "json", "--list", "2")[1])["movements"]
    assert listed[0]["movers"] == [{"customer_id": "A", "before": "silver", "after": "gold"}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--orders", "orders.csv"), "--orders needs --as-of"),
        (("--facts", "orders.csv", "--customers", "c.csv"), "--customers goes with --orders"),
        (("--facts", "orders.csv", "--known-at", "2025-01-01"), "--known-at goes with --orders"),
        (("--map", "amount=total"), "--map goes with --orders"),
        (("--list", "3"), "--list goes with --orders F or --facts F"),
        (("--last-evaluated", "2025-01-01"), "--last-evaluated goes with --orders F or --facts F"),
    ],
)
def test_wrong_calls_are_refused(run: Run, options: tuple[str, ...], message: str) -> None:
    status, out, err = run("diff", "classic", "shop.toml", *options)
    assert (status, out) == (2, "")
    assert message in err


def test_what_is_too_wide_for_a_table_is_told_in_lines(run: Run) -> None:
    long = " or ".join(f"sale_count == {n}" for n in range(20, 40))
    rows = f'[["{long}", "many"], ["sale_count == 0", "none"]]'
    Path("long.toml").write_text(f'extends = "classic"\nname = "long"\nclass.first = {rows}\n')
    status, out, _ = run("diff", "long.toml", "classic")
    assert status == 1
    removed = f'["{long}", "many"]'
    assert f"  class.first.0\n    before: {removed}\n" in out
    assert "…" not in out


# Facts to be shared


def sample(customers: int = 300) -> crm.Evaluation:
    shop = sample_shop(customers)
    orders = crm.OrderTable.from_arrays(shop.orders, SOURCE)
    table = crm.CustomerTable.from_arrays(shop.customers)
    attributes = {"city": {"type": "label", "personal": False}, "birthday_city": "text"}
    policy = crm.load_policy(
        {
            "extends": "classic",
            "name": "shop",
            "attributes": attributes,
            "facts": {"spread": {"of": "sale", "take": "spread"}, **TOTAL},
            "stage": {"first": [['city in ["Shanghai"]', "here"]], "otherwise": "there"},
        }
    )
    return crm.evaluate(
        policy, orders, table, as_of=shop.as_of, last_evaluated_at=shop.last_evaluated_at
    )


def test_shared_facts_lead_to_the_same_results(tmp_path: Path) -> None:
    result = sample()
    shared = pseudonymised(result, key=b"secret")
    path = tmp_path / "facts.csv"
    write_facts(result, shared, path)
    file = read_facts(str(path))
    assert file.policy_hash == result.policy.hash
    assert file.as_of is not None
    again = crm.evaluate_facts(
        result.policy,
        file.table(result.policy),
        as_of=file.as_of,
        last_evaluated_at=file.last_evaluated_at,
    )
    assert len(again) == len(result)
    for name in ("class", "stage", *result.policy.facts):
        theirs = again.columns[name].to_list()
        if name != "first_order_at":  # which is cut off to the day
            ours = result.columns[name].to_list()
            assert sorted(map(str, theirs)) == sorted(map(str, ours)), name
        assert theirs == [crm_value(shared, again, name, row) for row in range(len(again))]
    assert len(set(again.columns["class"].to_list())) > 5


def crm_value(shared: crm.FactTable, again: crm.Evaluation, name: str, row: int) -> Any:
    return shared.columns[name][row] if name in shared.columns else again.columns[name][row]


def test_shared_facts_hold_no_ids_and_nothing_personal(tmp_path: Path) -> None:
    result = sample()
    shared = pseudonymised(result, key=b"secret", sample=50)
    assert shared.ids.tolist() == list(range(1, 51))
    assert "city" in shared.columns
    assert "birthday_city" not in shared.columns
    path = tmp_path / "facts.csv"
    write_facts(result, shared, path)
    assert "C-0" not in path.read_text("utf-8")


def test_the_key_alone_decides_the_order() -> None:
    result = sample()
    column = "net_sales"
    one, same, other = (
        pseudonymised(result, key=key).columns[column].to_list() for key in (b"a", b"a", b"b")
    )
    assert one == same
    assert one != other
    assert sorted(map(str, one)) == sorted(map(str, other))
    assert one != result.columns[column].to_list()


def test_the_file_of_facts_carries_its_moments(run: Run) -> None:
    common = ("orders.csv", "--policy", "classic", "--as-of", "2025-04-01", "--out", "facts.csv")
    status, out, _ = run("facts", *common, "--sample", "2")
    assert (status, out.splitlines()[0]) == (0, "Written to facts.csv: 2 of 3 customers")
    status, out, _ = run("diff", "classic", "shop.toml", "--facts", "facts.csv")
    assert status == 1
    assert "Customers as of 2025-04-01 23:59:59+08:00, by facts that are given" in out


def test_facts_by_another_policy_are_said_to_be(run: Run) -> None:
    run("facts", "orders.csv", "--policy", "classic", "--as-of", "2025-04-01", "--out", "facts.csv")
    assert run("diff", "classic", "shop.toml", "--facts", "facts.csv")[2] == ""
    status, _, err = run("diff", "shop.toml", "shop.toml", "--facts", "facts.csv")
    assert (status, err) == (0, "crmcore: facts.csv was written by another policy than these\n")


def test_facts_of_others_need_the_moment(run: Run) -> None:
    run("facts", "orders.csv", "--policy", "classic", "--as-of", "2025-04-01", "--out", "facts.csv")
    head, _, rest = Path("facts.csv").read_text("utf-8").partition("\n")
    assert head.startswith("# crmcore facts 1 ")
    Path("facts.csv").write_text(rest)
    status, _, err = run("diff", "classic", "shop.toml", "--facts", "facts.csv")
    assert (status, "does not say as of when" in err) == (2, True)
    assert (
        run("diff", "classic", "shop.toml", "--facts", "facts.csv", "--as-of", "2025-04-01")[0] == 1
    )
    Path("facts.csv").write_text("# crmcore facts 1 {}\n" + rest)
    status, _, err = run("diff", "classic", "shop.toml", "--facts", "facts.csv")
    assert (status, "first line" in err) == (4, True)


def test_facts_that_are_missing_are_named(run: Run) -> None:
    run("facts", "orders.csv", "--policy", "classic", "--as-of", "2025-04-01", "--out", "facts.csv")
    Path("more.toml").write_text(
        'extends = "classic"\nname = "more"\n[stage]\nfirst = [["tenure_days > 9", "old"]]\n'
    )
    status, _, err = run("diff", "classic", "more.toml", "--facts", "facts.csv")
    assert (status, "facts are missing: tenure_days" in err) == (4, True)


def test_facts_are_written_as_csv_only(run: Run) -> None:
    common = ("orders.csv", "--policy", "classic", "--as-of", "2025-04-01")
    status, _, err = run("facts", *common, "--out", "facts.parquet")
    assert (status, "must end in .csv" in err) == (2, True)


# Policies in git


def git(*arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(run: Run) -> Run:
    """A repository with a policy in a folder, in two versions; the files are gone since."""
    git("init", "-q", "-b", "main")
    Path("policies").mkdir()
    Path("policies/base.toml").write_text('extends = "classic"\nname = "base"\n')
    Path("policies/shop.toml").write_text('extends = "base.toml"\nname = "first"\n')
    git("add", "policies")
    git("commit", "-qm", "one")
    Path("policies/shop.toml").write_text('extends = "base.toml"\nname = "second"\nzne = 1\n')
    git("add", "policies")
    git("commit", "-qm", "two")
    Path("policies/base.toml").unlink()
    Path("policies/shop.toml").unlink()
    Path("policies").rmdir()
    return run


def test_a_policy_is_read_at_a_commit_with_what_it_extends(repository: Run) -> None:
    status, out, _ = repository("diff", "classic", "HEAD~1:policies/shop.toml")
    assert (status, "classic → first" in out) == (0, True)


def test_problems_name_the_file_at_the_commit(repository: Run) -> None:
    status, _, err = repository("diff", "classic", "main:policies/shop.toml")
    assert (status, "main:policies/shop.toml:3" in err) == (3, True)


def test_a_policy_is_read_from_the_index(repository: Run) -> None:
    Path("policies").mkdir()
    for name in ("base", "shop"):
        Path(f"policies/{name}.toml").write_text('extends = "classic"\nname = "staged"\n')
    git("add", "policies")
    Path("policies/shop.toml").write_text("later")
    status, out, _ = repository("diff", "classic", ":policies/shop.toml")
    assert (status, "classic → staged" in out) == (0, True)


def test_nothing_of_a_reference_steers_the_terminal(repository: Run) -> None:
    status, _, err = repository("diff", "classic", "\x1b[31mred\nline\u202e:policies/shop.toml")
    assert (status, "[31mred" in err) == (2, True)
    assert len(err.splitlines()) == 1
    assert err.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("main:policies/none.toml", "no such file at 'main'"),
        (":policies/none.toml", "no such file in git's index"),
        ("nowhere:policies/shop.toml", "git knows no commit, branch or tag 'nowhere'"),
        ("main:../shop.toml", "main:"),
    ],
)
def test_what_git_does_not_have_is_said(repository: Run, name: str, message: str) -> None:
    status, out, err = repository("diff", "classic", name)
    assert (status, out) == (2, "")
    assert message in err


def test_a_reference_is_never_an_option(repository: Run) -> None:
    status, _, err = repository("diff", "classic", "--", "--output=x:policies/shop.toml")
    assert (status, "begins with '-'" in err) == (2, True)
    assert not Path("x").exists()


def test_outside_a_repository_it_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    status, _, err = run("diff", "classic", "main:shop.toml")
    assert (status, "in no git repository" in err) == (2, True)


def test_without_git_it_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    status, _, err = run("diff", "classic", "main:shop.toml")
    assert (status, "git is not installed" in err) == (2, True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("main:shop.toml", True),
        (":shop.toml", True),
        ("HEAD~1:policies/shop.json", True),
        (r"C:\policies\shop.toml", False),
        ("C:/policies/shop.toml", False),
        ("shop.toml", False),
        ("classic", False),
        ("main:shop", False),
    ],
)
def test_names_in_git_are_told_from_paths(name: str, expected: bool) -> None:
    assert is_in_git(name) is expected


# Customers too many to be listed


def large(first_edge: int, weight: int = 1) -> crm.Policy:
    """A policy over ten facts of seven bands each: seven to the tenth kinds of customers."""
    numbers = range(10)
    facts = {
        f"count_{n}": {"of": "sale", "take": "count", "where": f"amount >= {n + 1}00"}
        for n in numbers
    }
    scores: dict[str, Any] = {
        f"points_{n}": {
            "fact": f"count_{n}",
            "below": 0,
            "from": [[edge, edge] for edge in range(1 if n else first_edge, 7)],
        }
        for n in numbers
    }
    scores["total"] = {"weights": {f"points_{n}": n + weight for n in numbers}}
    grade = {"score": "total", "from": [[0, "low"], [100, "mid"], [300, "high"]]}
    return shop(facts=facts, scores=scores, grade=grade)


def test_many_facts_are_compared_at_once() -> None:
    found = crm.diff(large(1), large(2), as_of=date(2025, 4, 1))
    assert verdicts(found)["points_0"] == "differs"
    assert verdicts(found)["grade"] == "differs"
    witness = found["grade"].witness
    assert witness is not None
    assert len(witness.given) == 10


def test_many_facts_are_shown_to_be_alike_at_once() -> None:
    rewritten = large(1).document
    scores: Any = rewritten["scores"]
    total = scores.pop("total")
    # The same sum, by way of two others.
    halves = [dict(list(total["weights"].items())[at::2]) for at in (0, 1)]
    scores["even"], scores["odd"] = ({"weights": half} for half in halves)
    scores["total"] = {"weights": {"even": 1, "odd": 1}}
    found = crm.diff(large(1), crm.load_policy(rewritten), as_of=date(2025, 4, 1))
    assert (found["total"].verdict, found["grade"].verdict) == ("equivalent", "equivalent")
    assert verdicts(found)["even"] == "added"


PAIRS: list[dict[str, Any]] = [
    {"grade": {"from": [[8, "bronze"], [18, "silver"], [26, "gold"], [36, "platinum"]]}},
    {"class": {"first": CLASSES[:-1], "otherwise": "@grade"}},
    {"class": {"first": CLASSES, "otherwise": "none_of_them"}},
    {"class": {"first": CLASSES}},
    {"class": {"first": CLASSES[::-1], "otherwise": "@grade", "unknown": "default"}},
    {"scores": {"score": {"weights": {"recency_points": 1, "monetary_points": 4}}}},
    {
        "class": {
            "first": [["not orders_ever > 0", "non_ordering"], *CLASSES[1:]],
            "otherwise": "@grade",
        }
    },
]


@pytest.mark.parametrize("changes", PAIRS)
@pytest.mark.parametrize("name", ["class", "grade"])
def test_all_at_once_comes_to_the_same_as_one_by_one(changes: dict[str, Any], name: str) -> None:
    space = Space.of([CLASSIC, shop(**changes)])
    grid = Grid.of(space, (frozenset([name]), frozenset([name])))
    listed = {*zip(*(columns[name].to_list() for columns in grid.columns), strict=True)}
    found = eliminated(space, name)
    at_once = {*zip(found.before.to_list(), found.after.to_list(), strict=True)}
    assert at_once == listed
    assert len(found.before) < len(grid.possible) / 5
    # Each stands for somebody of whom both policies make just this.
    for row in range(len(found.before)):
        cells = {axis: int(cell[row]) for axis, cell in found.cells.items()}
        customer = witness_row(space, cells)
        if customer is not None:
            results = tuple(one.columns[name][0] for one in replayed(space, customer))
            assert results == (found.before[row], found.after[row])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("net_sales + max_sale > 300.00", "net_sales + max_sale > 300.01"),
        ("divide(net_sales, sale_count, 0) > 50.00", "divide(net_sales, sale_count, 0) >= 50.00"),
        ("net_sales * 3 > max_sale * 7 + 1.00", "net_sales * 3 > max_sale * 7 + 2.00"),
    ],
)
def test_calculations_are_tried_about_their_edges(before: str, after: str) -> None:
    found = crm.diff(shifted(before), shifted(after))["stage"]
    assert found.verdict == "differs"


def test_whoever_shows_a_difference_is_no_oddity() -> None:
    pair = [shifted(f"first_sale_on {sign} last_order_on") for sign in ("<", "<=")]
    witness = crm.diff(*pair)["stage"].witness
    assert witness is not None
    day = witness.given["first_sale_on"]
    assert isinstance(day, date)
    assert day.year > 1970


def strict(edge: int, unknown: str = "error", *, asked: bool = True) -> crm.Policy:
    """Means above an edge; without a sale there is none, which a row before may have asked."""
    rows = [["sale_count == 0", "none"]] if asked else []
    rows.append([f"mean_sale > {edge}", "big"])
    return shop(stage={"first": rows, "otherwise": "small", "unknown": unknown})


def test_a_list_that_refuses_the_unknown_is_compared_where_it_cannot_strike() -> None:
    found = crm.diff(strict(100), strict(200))["stage"]
    assert found.witness is not None
    assert (found.witness.before, found.witness.after) == ("big", "small")
    assert found.witness.refused is None
    assert crm.diff(strict(100), strict(100, "skip"))["stage"].verdict == "equivalent"


def test_who_is_refused_by_one_policy_only_shows_a_difference() -> None:
    pair = strict(100, asked=False), strict(100, "skip", asked=False)
    for policies, refused in ((pair, "before"), (pair[::-1], "after")):
        found = crm.diff(*policies)
        witness = found["stage"].witness
        assert witness is not None
        assert witness.refused == refused
        assert witness.given == {"mean_sale": None}
        assert {witness.before, witness.after} == {None, "small"}
        assert "(refused)" in found.to_markdown()
    # Those whom both refuse are no difference; the others show one where they can.
    same = crm.diff(pair[0], strict(100, asked=False))
    assert same["stage"].verdict == "equivalent"
    witness = crm.diff(pair[0], strict(200, "skip", asked=False))["stage"].witness
    assert witness is not None
    assert witness.refused is None


def test_whom_a_list_refuses_is_not_eliminated() -> None:
    with pytest.raises(crm.DataError):
        eliminated(Space.of([strict(1, asked=False), strict(2, asked=False)]), "stage")


def skin(values: list[str], edge: int, **more: Any) -> crm.Policy:
    """A stage by skin, a segment by sales alone."""
    return shop(
        attributes={"skin": {"type": "label", "values": values, **more}},
        stage={"first": [['skin == "dry"', "care"]], "otherwise": "other"},
        segment={"first": [[f"sale_count > {edge}", "regular"]], "otherwise": "other"},
    )


def test_one_more_label_value_concerns_those_who_ask_for_it_only() -> None:
    found = crm.diff(skin(["dry", "oily"], 3), skin(["dry", "oily", "mixed"], 4))
    assert verdicts(found)["segment"] == "differs"
    witness = found["stage"].witness
    assert witness is not None
    assert (witness.given, witness.refused) == ({"skin": "mixed"}, "before")
    assert verdicts(found)["class"] == "equivalent"
    swapped = crm.diff(skin(["dry", "oily"], 3), skin(["oily", "dry"], 3))
    assert verdicts(swapped)["stage"] == "equivalent"


def test_the_order_of_labels_is_that_of_each_policy() -> None:
    pair = [
        shop(
            attributes={"skin": {"type": "label", "values": values, "ordered": True}},
            stage={"first": [['skin >= "b"', "high"]], "otherwise": "low"},
        )
        for values in (["a", "b", "c"], ["c", "b", "a"])
    ]
    witness = crm.diff(*pair)["stage"].witness
    assert witness is not None
    assert {witness.before, witness.after} == {"high", "low"}
    assert witness.given["skin"] in ("a", "c")


def test_an_attribute_of_two_kinds_is_no_matter_to_others() -> None:
    pair = [
        shop(
            attributes={"mark": kind},
            stage={"first": [[f"sale_count > {edge}", "regular"]], "otherwise": "other"},
        )
        for kind, edge in (("int", 3), ("text", 4))
    ]
    assert verdicts(crm.diff(*pair))["stage"] == "differs"


def marked(condition: str, most: int) -> crm.Policy:
    kind = {"type": "int", "min": 0, "max": most}
    stage = {"first": [[condition, "many"]], "otherwise": "few"}
    return shop(attributes={"marks": kind}, stage=stage)


def test_values_that_a_policy_does_not_allow_are_nobodys() -> None:
    both = "marks > 5 and marks < 11"
    assert verdicts(crm.diff(marked("marks > 5", 10), marked(both, 10)))["stage"] == "equivalent"
    assert verdicts(crm.diff(marked("marks > 5", 11), marked(both, 11)))["stage"] == "differs"
    witness = crm.diff(marked("marks > 5", 10), marked("marks > 5", 20))["stage"].witness
    assert witness is not None
    assert (witness.given, witness.refused) == ({"marks": 11}, "before")
    with pytest.raises(crm.DataError):
        eliminated(Space.of([marked(both, 10), marked(both, 20)]), "stage")
