"""Small changes of policies: which there are, and which the tests notice."""

from __future__ import annotations

from datetime import date

import pytest

import crmcore as crm
from crmcore.conditions import FieldType, parse, to_text
from crmcore.workbench.testing import MutationReport, generate, mutate
from crmcore.workbench.testing.mutants import mutants_of
from crmcore.workbench.testing.rewriting import rewritten

HEAD = """\
format = 1
name = "shop"
zone = "Europe/Berlin"
currency = { code = "EUR", exponent = 2 }
sale_statuses = ["paid"]
"""
SEGMENT = """\
[facts]
sales = { of = "sale", take = "count" }
[segment]
first = [["sales >= 5", "many"], ["sales >= 1", "some"]]
otherwise = "none"
"""
FIELDS = {
    "n": FieldType("int"),
    "m": FieldType("money", 2),
    "q": FieldType("ratio"),
    "d": FieldType("date"),
    "t": FieldType("instant"),
    "l": FieldType("label", categories=("a", "b", "c"), ordered=True),
    "x": FieldType("float"),
    "b": FieldType("bool"),
}


def changes(text: str) -> list[tuple[str, str, str]]:
    policy = crm.load_policy(HEAD + text)
    found = mutants_of(policy, date(2025, 12, 31))
    return [(one.path, one.before, one.after) for one in found]


def changed(text: str, path: str) -> list[str]:
    return [after for where, _, after in changes(text) if where == path]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("n > 3", ["n >= 3", "n > 4", "n > 2"]),
        ("n >= 3", ["n > 3", "n >= 4", "n >= 2"]),
        ("n == 3", ["n != 3", "n == 4", "n == 2"]),
        ("m < 3", ["m <= 3", "m < 3.01", "m < 2.99"]),
        ('m <= "3.00"', ['m < "3.00"', 'm <= "3.01"', 'm <= "2.99"']),
        ("q > 0.5", ["q >= 0.5", "q > 0.51", "q > 0.49"]),
        ("x > 0.50", ["x >= 0.50", "x > 0.51", "x > 0.49"]),
        ('d > "2025-01-31"', ['d >= "2025-01-31"', 'd > "2025-02-01"', 'd > "2025-01-30"']),
        (
            't > "2025-01-01T00:00:00+01:00"',
            [
                't >= "2025-01-01T00:00:00+01:00"',
                't > "2025-01-01T00:00:01+01:00"',
                't > "2024-12-31T23:59:59+01:00"',
            ],
        ),
        ('l >= "b"', ['l > "b"', 'l >= "a"', 'l >= "c"']),
        ("b", []),
        ("not b", ["b"]),
        ("b == true", ["b != true", "b == false"]),
        ("n is known", ["n is unknown"]),
        ("n in [1, 5]", ["n not in [1, 5]", "n in [5]", "n in [1]",
                         "n in [2, 5]", "n in [0, 5]", "n in [1, 6]", "n in [1, 4]"]),
        ("n between 1 and 3", ["n between 1 and below 3", "n between above 1 and 3",
                               "n between 2 and 3", "n between 0 and 3",
                               "n between 1 and 4", "n between 1 and 2"]),
        ("b and n > m", ["b or n > m", "n > m", "b", "b and n >= m"]),
        ("b or n > m or x > n", ["b and n > m and x > n", "n > m or x > n", "b or x > n",
                                 "b or n > m", "b or n >= m or x > n", "b or n > m or x >= n"]),
        ("n + 1 > n - 2", ["n + 1 >= n - 2", "n - 1 > n - 2", "n + 2 > n - 2", "n + 0 > n - 2",
                           "n + 1 > n + 2", "n + 1 > n - 3", "n + 1 > n - 1"]),
        ("band(n, 1: 1) == 2", ["band(n, 1: 1) != 2", "band(n, 1: 2) == 2", "band(n, 1: 0) == 2",
                                "band(n, 2: 1) == 2", "band(n, 0: 1) == 2", "band(n, 1: 1) == 3",
                                "band(n, 1: 1) == 1"]),
    ],
    ids=str,
)  # fmt: skip
def test_conditions_change_in_one_thing(condition: str, expected: list[str]) -> None:
    found = [to_text(one) for one in rewritten(parse(condition), FIELDS)]  # type: ignore[arg-type]
    assert sorted(found) == sorted(expected)


def test_lists_change_row_by_row() -> None:
    found = [one for one in changes(SEGMENT) if one[0].startswith("segment")]
    first, second = '["sales >= 5", "many"]', '["sales >= 1", "some"]'
    assert found == [
        ("segment.first.0.0", "sales >= 5", "sales > 5"),
        ("segment.first.0.0", "sales >= 5", "sales >= 6"),
        ("segment.first.0.0", "sales >= 5", "sales >= 4"),
        ("segment.first.0.0", "sales >= 5", "not sales >= 5"),
        ("segment.first.0.1", "many", "some"),
        ("segment.first.0", first, ""),
        ("segment.first.0", "row 0 before row 1", "row 0 after row 1"),
        ("segment.first.1.0", "sales >= 1", "sales > 1"),
        ("segment.first.1.0", "sales >= 1", "sales >= 2"),
        ("segment.first.1.0", "sales >= 1", "sales >= 0"),
        ("segment.first.1.0", "sales >= 1", "not sales >= 1"),
        ("segment.first.1.1", "some", "many"),
        ("segment.first.1", second, ""),
        ("segment.otherwise", "none", ""),
        ("segment.otherwise", "none", "some"),
        ("segment.unknown", "skip", "default"),
        ("segment.unknown", "skip", "error"),
    ]


SCORES = """\
[facts]
last = { of = "sale", take = "count" }
mean = { of = "sale", take = "mean" }
day_on = { of = "sale", take = "last" }
[attributes]
weight = "float"
[scores.a]
fact = "mean"
from = [["5.00", 1], ["10.00", 2]]
below = 0
[scores.b]
fact = "last"
from = [[5, 1]]
missing = 3
[scores.c]
fact = "weight"
from = [[0.5, 1]]
[scores.d]
fact = "day_on"
within = [["1 month", 2], ["30 weeks", 1]]
[scores.e]
weights = { a = 2, b = 1 }
[scores.g]
cell = ["a", "b"]
[grade]
score = "e"
from = [[1, "low"], [3, "mid"], [5, "top"]]
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("scores.a.from.0.0", ["5.01", "4.99"]),
        ("scores.a.from.1.1", ["3", "1"]),
        ("scores.a.from.1", [""]),
        ("scores.a.below", ["1", "-1", ""]),
        ("scores.b.from.0.0", ["6", "4"]),
        ("scores.b.missing", ["4", "2", ""]),
        ("scores.c.from.0.0", ["0.6", "0.4"]),
        ("scores.d.within.0.0", ["32 days", "30 days"]),
        ("scores.d.within.1.0", ["211 days", "209 days"]),
        ("scores.e.weights.a", ["3", "1"]),
        ("scores.e.weights.b", ["2", "0"]),
        ("scores.g.cell", ['["b", "a"]']),
        ("grade.from.0.0", ["2", "0"]),
        ("grade.from.0.1", ["mid"]),
        ("grade.from.1.1", ["top"]),
        ("grade.from.2.1", ["mid"]),
    ],
)
def test_scores_change_in_one_thing(path: str, expected: list[str]) -> None:
    assert changed(SCORES, path) == expected


FACTS = """\
windows.year = "1 year"
windows.tile = { tiles = "1 month" }
windows.quarter = { calendar = "quarter", back = 1 }
[facts]
n = { of = "sale", take = "count", in = "year", where = 'channel == "web"' }
m = { of = "order", take = "mean", in = "tile" }
l = { of = "return", take = "min", in = "quarter" }
[scores.p]
fact = "n"
from = [[1, 1]]
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("windows.year", ["366 days", "364 days", '{ tiles = "1 year" }']),
        ("windows.tile.tiles", ["32 days", "30 days"]),
        ("windows.quarter.back", ["2", "0"]),
        ("facts.n.of", ["order"]),
        ("facts.n.in", [""]),
        ("facts.n.take", []),
        ("facts.n.where", ["", 'channel != "web"']),
        ("facts.m.take", ["sum"]),
        ("facts.m.of", ["sale"]),
        ("facts.l.take", ["max"]),
        ("facts.l.of", []),
        ("returns", ["refuse"]),
        ("sale_statuses", ['["paid", "placed"]', "[]", '["paid", "shipped"]',
                           '["paid", "delivered"]']),
    ],
)  # fmt: skip
def test_what_facts_mean_changes_too(path: str, expected: list[str]) -> None:
    assert changed(FACTS, path) == expected


def test_bands_inside_a_score_change() -> None:
    text = (
        SCORES.partition("[grade]")[0] + '[scores.n]\nfact = "last"\ninside = "b"\n[scores.n.by]\n'
    )
    text += "0 = { from = [[1, 1]] }\n1 = { from = [[2, 2]] }\n3 = { from = [[3, 3]] }\n"
    assert changed(text, "scores.n.by.1.from.0.0") == ["3", "1"]


def test_conditions_given_as_trees_change_like_text() -> None:
    left, right = '{ op = "field", name = "sales" }', '{ op = "integer", value = 5 }'
    tree = f'{{ op = ">=", left = {left}, right = {right} }}'
    text = SEGMENT.replace('"sales >= 5"', tree)
    assert changed(text, "segment.first.0.0") == changed(SEGMENT, "segment.first.0.0")


def mutated(text: str, *cases: str) -> MutationReport:
    written = "".join(f'[[case]]\nname = "{at}"\n{one}\n' for at, one in enumerate(cases))
    return mutate(HEAD + text, f"as_of = 2025-12-31\n{written}")


def given(sales: int, segment: str) -> str:
    return f'given = {{ sales = {sales} }}\nexpect = {{ segment = "{segment}" }}'


EDGES = [given(5, "many"), given(4, "some"), given(1, "some"), given(0, "none")]


def test_tests_at_both_sides_of_each_edge_notice_everything_but_facts() -> None:
    report = mutated(SEGMENT, *EDGES)
    assert [str(one) for one in report.unnoticed if not one.of_facts] == []
    assert all(one.of_facts for one in report.unnoticed)
    assert len(report.unnoticed) == 5  # three statuses more, returns, of = "sale"


@pytest.mark.parametrize(
    ("left_out", "unnoticed"),
    [
        (0, ["sales >= 5 → sales > 5", "sales >= 5 → sales >= 6"]),
        (1, ["sales >= 5 → sales >= 4"]),
        (2, ["sales >= 1 → sales > 1", "sales >= 1 → sales >= 2"]),
        (3, ["sales >= 1 → sales >= 0", "(nothing)"]),
    ],
)
def test_a_side_left_out_lets_its_changes_pass(left_out: int, unnoticed: list[str]) -> None:
    report = mutated(SEGMENT, *EDGES[:left_out], *EDGES[left_out + 1 :])
    found = [str(one) for one in report.unnoticed if not one.of_facts]
    for text in unnoticed:
        if text != "(nothing)":
            assert any(text in one for one in found)
    assert found


def test_changes_that_make_no_difference_are_set_apart() -> None:
    text = SEGMENT.replace('["sales >= 1", "some"]', '["sales < 5", "some"]')
    report = mutated(text, given(5, "many"), given(4, "some"))
    apart = [str(one) for one in report.equivalent]
    assert "segment.first.1.0: sales < 5 → sales <= 5" in apart
    assert "segment.otherwise: none → (left out)" in apart
    assert "segment.unknown: skip → error" in apart
    assert not [one for one in report.unnoticed if not one.of_facts]


def test_cases_by_orders_notice_what_facts_mean() -> None:
    order = '{{ placed_at = 2025-06-01, amount = "10.00", status = "{}" }}'
    orders = ", ".join(
        order.format(status) for status in ("paid", "placed", "shipped", "delivered")
    )
    returned = '{ placed_at = 2025-07-01, amount = "-1.00" }'
    report = mutated(SEGMENT, *EDGES, f"orders = [{orders}, {returned}]\nexpect = {{ sales = 1 }}")
    assert report.unnoticed == ()
    assert report.noticed == report.total


def test_the_report_is_the_same_on_every_run_and_plain() -> None:
    one, other = mutated(SEGMENT, *EDGES[:2]), mutated(SEGMENT, *EDGES[:2])
    assert one == other
    data = one.to_dict()
    assert (data["noticed"], data["of"]) == (one.noticed, one.total)
    assert isinstance(data["unnoticed"], list)
    assert len(data["unnoticed"]) == len(one.unnoticed)


def test_tests_have_to_pass_first() -> None:
    with pytest.raises(ValueError, match="all of them have to pass"):
        mutated(SEGMENT, given(5, "some"))
    with pytest.raises(ValueError, match="needs tests"):
        mutated(SEGMENT)


def test_cases_are_made_for_changes_too() -> None:
    policy = crm.load_policy("rf_grid")
    few = mutate(policy, generate(policy))
    all_there = mutate(policy, generate(policy, changes=True))
    assert [one for one in few.unnoticed if not one.of_facts]
    assert not [one for one in all_there.unnoticed if not one.of_facts]


HELD = """\
[evaluation]
every = "1 month"
anchor = 2024-01-31
[windows]
y = { within = "1 year" }
tile = { tiles = "1 month" }
[facts]
l_on = { of = "sale", take = "last", in = "y" }
items = { of = "line", take = "sum", field = "quantity", in = "tile" }
[scores.r]
fact = "l_on"
within = [["1 month", 2], ["6 months", 1]]
[segment]
first = [["items >= 2", "a"]]
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("evaluation.every", ["32 days", "30 days"]),
        ("evaluation.anchor", ["2024-02-01", "2024-01-30"]),
        ("windows.y.within", ["366 days", "364 days"]),
        ("windows.y", ['{ tiles = "1 year" }']),
        ("windows.tile", ['{ within = "1 month" }']),
        ("facts.items.field", ["value"]),
        ("scores.r.within.0.0", ["32 days", "30 days"]),
        ("scores.r.within.1.0", ["183 days", "181 days"]),
    ],
)
def test_schedules_windows_and_measures_change(path: str, expected: list[str]) -> None:
    policy = crm.load_policy(HEAD + HELD)
    found = mutants_of(policy, date(2025, 7, 15), date(2025, 6, 30))
    assert [one.after for one in found if one.path == path] == expected


def test_spans_of_held_facts_are_counted_from_the_scheduled_day() -> None:
    days = {30: 2, 29: 1}
    cases = [
        f"given = {{ l_on = 2025-05-{day} }}\nexpect = {{ r = {points} }}"
        for day, points in days.items()
    ]
    cases = [f"as_of = 2025-07-15\n{one}" for one in cases]
    report = mutated(HELD, *cases)
    found = [*map(str, report.unnoticed), *map(str, report.equivalent)]
    assert not [one for one in found if "within.0.0" in one]


@pytest.mark.parametrize(
    "text",
    [
        '[segment]\nfirst = [["mean_sale > 100.00", "big"], ["sale_count > 3", "freq"]]\n'
        'otherwise = "rest"\nunknown = "error"',
        '[segment]\nfirst = [["mean_sale > 100.00", "big"], ["sale_count > 3", "freq"]]\n'
        'otherwise = "rest"\nunknown = "default"',
        '[segment]\nfirst = [["divide(sale_count, order_count, 0) >= 0.5", "a"]]',
        '[facts]\nnet = { of = "sale", take = "sum" }\n'
        '[segment]\nfirst = [["net - max_sale < 200.00 and sale_count > 1", "one"], '
        '["divide(net, sale_count, unknown) > 50.00", "b"]]',
        HELD,
    ],
    ids=["error", "default", "share", "calculated", "held"],
)
def test_no_change_that_a_customer_shows_passes_the_cases_made(text: str) -> None:
    policy = crm.load_policy(HEAD + text)
    report = mutate(policy, generate(policy, changes=True))
    assert [str(one) for one in report.unnoticed if not one.of_facts] == []


def test_a_row_for_buyers_only_is_missed_when_it_is_left_out() -> None:
    text = """\
[scores.m]
fact = "mean_sale"
below = 1
from = [["100.00", 2]]
[segment]
first = [["sale_count >= 3 and m == 2", "a"], ["m is unknown", "never"]]
otherwise = "x"
"""
    buyers = [
        f'given = {{ sale_count = {count}, mean_sale = "{mean}" }}\n'
        f'expect = {{ segment = "{label}" }}'
        for count, mean, label in ((3, "100.00", "a"), (2, "100.00", "x"), (3, "99.99", "x"))
    ]
    report = mutated(text, *buyers)
    assert "segment.first.1" in [one.path for one in report.unnoticed]
    assert "segment.first.1" not in [one.path for one in report.equivalent]


# The presets


@pytest.mark.parametrize("name", crm.presets.names())
def test_presets_are_fully_tested(name: str) -> None:
    report = crm.run_tests(name)
    assert report.failures == ()
    assert report.coverage.uncovered == ()
    assert report.coverage.is_whole
    assert report.contradictory == ()
    assert len(report.cases) >= 15
    assert mutate(name).unnoticed == ()


def test_the_worked_example_is_among_the_cases_of_classic() -> None:
    case = next(case for case in crm.run_tests("classic").cases if "worked example" in case.name)
    assert case.expect["score"] == 24
    assert case.expect["class"] == "silver"


def test_classic_has_one_change_that_makes_no_difference() -> None:
    report = mutate("classic")
    assert [str(one) for one in report.equivalent] == ["grade.from.0.0: 8 → 7"]
    assert report.noticed > 130
