"""Coverage of policies by their tests, and the cases made for what is not covered."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

import crmcore as crm
from crmcore.columns import Column
from crmcore.policy import Policy
from crmcore.workbench.testing import generate

HEAD = """\
format = 1
name = "shop"
zone = "Europe/Berlin"
currency = { code = "EUR", exponent = 2 }
sale_statuses = ["paid"]
"""
POINTS = """\
[facts]
sales = { of = "sale", take = "count" }
[scores.f]
fact = "sales"
below = 0
from = [[2, 1], [5, 2]]
"""


def policy(text: str) -> Policy:
    return crm.load_policy(HEAD + text)


def reached(text: str, *given: str, extra: str = "") -> dict[str, list[str]]:
    """Return what the cases reach, by part, as ``path: text``."""
    loaded = policy(text)
    names = [step.name for step in loaded.steps]
    cases = "".join(
        f'[[case]]\nname = "{at}"\ngiven = {{ {one} }}\nexpect_missing = ["{names[-1]}"]\n'
        for at, one in enumerate(given)
    )
    coverage = crm.run_tests(loaded, f"as_of = 2025-12-31\n{extra}{cases}").coverage
    found: dict[str, list[str]] = {"rows": [], "conditions": [], "edges": []}
    for point in coverage.points:
        if point.covered:
            found[point.part].append(str(point))
    return found


def test_rows_of_bands() -> None:
    everything = reached(POINTS, "sales = 1", "sales = 3", "sales = 9")
    assert everything["rows"] == [
        "scores.f.from: below all edges",
        "scores.f.from.0: from 2",
        "scores.f.from.1: from 5",
    ]
    assert reached(POINTS, "sales = 3")["rows"] == ["scores.f.from.0: from 2"]


@pytest.mark.parametrize(
    ("sales", "edges"),
    [
        (0, []),
        (1, ["scores.f.from.0: just below 2"]),
        (2, ["scores.f.from.0: at 2"]),
        (3, []),
        (4, ["scores.f.from.1: just below 5"]),
        (5, ["scores.f.from.1: at 5"]),
        (6, []),
    ],
)
def test_edges_of_bands_are_seen_at_the_edge_and_one_below(sales: int, edges: list[str]) -> None:
    assert reached(POINTS, f"sales = {sales}")["edges"] == edges


MEAN = """\
[facts]
mean = { of = "sale", take = "mean" }
[scores.m]
fact = "mean"
from = [["300.00", 1]]
"""


@pytest.mark.parametrize(
    ("mean", "edges"),
    [
        ("299.98", []),
        ("299.99", ["scores.m.from.0: just below 300.00"]),
        ("899.99/3", []),
        ("300.00", ["scores.m.from.0: at 300.00"]),
        ("300.01", []),
    ],
)
def test_edges_of_a_mean_are_seen_within_a_cent(mean: str, edges: list[str]) -> None:
    if "/" in mean:
        mean = "89999/300"  # 299.99 and two thirds of a cent
        edges = ["scores.m.from.0: just below 300.00"]
    assert reached(MEAN, f'mean = "{mean}"')["edges"] == edges


WITHIN = """\
[facts]
last_on = { of = "sale", take = "last" }
last_at = { of = "sale", take = "last" }
[scores.d]
fact = "last_on"
within = [["1 month", 1]]
[scores.i]
fact = "last_at"
within = [["1 month", 1]]
"""


@pytest.mark.parametrize(
    ("given", "edges"),
    [
        ("last_on = 2025-11-29", ["scores.d.within.0: a day longer ago than 1 month"]),
        ("last_on = 2025-11-30", ["scores.d.within.0: just 1 month ago"]),
        ("last_on = 2025-12-01", []),
        ('last_at = "2025-11-29T00:00"', ["scores.i.within.0: a day longer ago than 1 month"]),
        ('last_at = "2025-11-29T23:59:59"', ["scores.i.within.0: a day longer ago than 1 month"]),
        ('last_at = "2025-11-30T00:00"', ["scores.i.within.0: just 1 month ago"]),
        ('last_at = "2025-11-30T23:59:59"', ["scores.i.within.0: just 1 month ago"]),
        ('last_at = "2025-12-01T00:00"', []),
    ],
)
def test_edges_of_spans_are_seen_on_the_day_and_on_the_day_before(
    given: str, edges: list[str]
) -> None:
    assert reached(WITHIN, given)["edges"] == edges


def test_spans_name_their_own_rows() -> None:
    text = WITHIN.replace('[["1 month", 1]]', '[["1 month", 2], ["1 year", 1]]', 1)
    assert reached(text, "last_on = 2025-01-31")["rows"][0] == "scores.d.within.1: within 1 year"


SEGMENT = """\
[facts]
sales = { of = "sale", take = "count" }
net = { of = "sale", take = "sum" }
[segment]
first = [
  ["sales > 3 and (net >= 10 or blocked)", "a"],
  ["sales between 1 and below 3", "b"],
]
otherwise = "c"
"""


def test_conditions_are_seen_true_and_false_where_they_are_asked() -> None:
    found = reached(SEGMENT, "sales = 4", 'sales = 2, net = "10.00"')
    assert found["conditions"] == [
        "segment.first.0: sales > 3 is true",
        "segment.first.0: sales > 3 is false",
        "segment.first.0: net >= 10 is true",
        "segment.first.0: net >= 10 is false",
        "segment.first.0: blocked is false",
        "segment.first.1: sales between 1 and below 3 is true",
        "segment.first.1: sales between 1 and below 3 is false",
    ]
    assert found["rows"] == [
        "segment.first.1: sales between 1 and below 3 → b",
        "segment.otherwise: c",
    ]


def test_who_is_decided_before_reaches_nothing_further_down() -> None:
    found = reached(SEGMENT, 'sales = 4, net = "10.00"')
    assert found["rows"] == ["segment.first.0: sales > 3 and (net >= 10 or blocked) → a"]
    assert not [one for one in found["conditions"] if "first.1" in one]


@pytest.mark.parametrize(
    ("given", "edges"),
    [
        ("sales = 3", ["first.0: at the edge of sales > 3",
                       "first.1: at the high edge of sales between 1 and below 3"]),
        ("sales = 4", ["first.0: just above the edge of sales > 3"]),
        ("sales = 0", ["first.1: just below the low edge of sales between 1 and below 3"]),
        ("sales = 1", ["first.1: at the low edge of sales between 1 and below 3"]),
        ("sales = 2", ["first.1: just below the high edge of sales between 1 and below 3"]),
        ('net = "10.00", sales = 9', ["first.0: at the edge of net >= 10"]),
        ('net = "9.99", sales = 9', ["first.0: just below the edge of net >= 10"]),
        ('net = "10.01", sales = 9', []),
    ],
)  # fmt: skip
def test_edges_of_conditions(given: str, edges: list[str]) -> None:
    found = reached(SEGMENT, given)["edges"]
    assert [one.removeprefix("segment.") for one in found] == edges


def test_scores_are_seen_at_the_nearest_values_that_occur() -> None:
    text = POINTS + "[scores.total]\nweights = { f = 10 }\n[grade]\nscore = 'total'\n"
    text += 'from = [[5, "low"], [15, "high"]]\n'
    found = reached(text, "sales = 2", "sales = 5")
    assert [one for one in found["edges"] if one.startswith("grade")] == [
        "grade.from.0: at 5",
        "grade.from.1: just below 15",
        "grade.from.1: at 15",
    ]


def test_comparisons_of_two_fields_are_seen_at_equality_and_one_step_on() -> None:
    text = """\
[facts]
sales = { of = "sale", take = "count" }
orders = { of = "order", take = "count" }
[segment]
first = [["sales < orders", "a"]]
"""
    edge = "segment.first.0: {} the edge of sales < orders"
    assert reached(text, "sales = 7, orders = 7")["edges"] == [edge.format("at")]
    assert reached(text, "sales = 7, orders = 8")["edges"] == [edge.format("just below")]
    assert reached(text, "sales = 7, orders = 9")["edges"] == []


def test_what_nobody_can_reach_does_not_count() -> None:
    text = '[facts]\nsales = { of = "sale", take = "count" }\n[segment]\nfirst = [\n'
    text += '["sales >= 1", "a"], ["sales >= 2", "b"]]\notherwise = "c"\n'
    loaded = policy(text)
    coverage = crm.run_tests(loaded, generate(loaded)).coverage
    assert coverage.percent == 100
    assert coverage.impossible == 4  # the row, its condition being true, its edge on both sides
    assert not [point for point in coverage.points if "→ b" in point.text]


CHAIN = """\
[windows]
y = "1 year"
[facts]
w = { of = "sale", take = "count", in = "y", where = 'channel == "web"' }
ny = { of = "sale", take = "count", in = "y" }
[segment]
first = [
  ["ny == 0 or ny >= 20", "far"],
  ["w >= 5 and sale_count <= 6", "special"],
  ["w >= 12", "often"],
]
otherwise = "x"
"""


def test_a_fact_between_two_others_leaves_room_for_both() -> None:
    coverage = crm.run_tests(HEAD + CHAIN).coverage
    rows = [point.path for point in coverage.points if point.part == "rows"]
    assert rows == [f"segment.{one}" for one in ("first.0", "first.1", "first.2", "otherwise")]


def test_what_a_preset_adds_to_is_no_less_to_reach() -> None:
    policy = crm.load_policy(
        {
            "extends": "classic",
            "name": "more",
            "class": {"first": [["orders_ever == 0", "none"], ["sale_count == 0", "no_sale"]]},
        }
    )
    case = {"name": "none", "expect": {"class": "none"}}
    report = crm.run_tests(policy, {"as_of": "2025-12-31", "case": [case]})
    assert report.passed
    assert report.coverage.percent < 50


def test_neighbours_of_a_score_are_those_of_possible_customers() -> None:
    text = """\
[scores.f]
fact = "sale_count"
below = 0
from = [[1, 1]]
[scores.m]
fact = "mean_sale"
missing = 0
below = 3
from = [["100.00", 5]]
[scores.t]
weights = { f = 1, m = 1 }
[grade]
score = "t"
from = [[0, "none"], [6, "top"]]
"""  # a mean of 100 without a sale would be 5 points, but four and six are next to each other
    points = map(str, crm.run_tests(HEAD + text).coverage.points)
    assert "grade.from.1: just below 6" in [*points]


def test_without_cases_nothing_is_covered() -> None:
    coverage = crm.run_tests(HEAD + POINTS).coverage
    assert (coverage.percent, coverage.of()) == (0.0, (0, 7))
    assert (coverage.of("rows"), coverage.of("edges")) == ((0, 3), (0, 4))
    assert coverage.to_dict()["rows"] == {"covered": 0, "of": 3}


def test_percent_is_never_rounded_up() -> None:
    coverage = crm.run_tests("classic").coverage
    assert coverage.percent == 100.0
    text = crm.presets.text("classic")
    cases = "as_of = 2025-12-31\n[[case]]\nname = 'x'\nexpect = { class = 'non_ordering' }"
    covered, total = crm.run_tests(text, cases).coverage.of()
    assert crm.run_tests(text, cases).coverage.percent == covered * 1000 // total / 10


def test_refused_cases_reach_nothing() -> None:
    text = SEGMENT.replace('otherwise = "c"', 'unknown = "error"') + "[attributes]\nx = 'int'\n"
    text = text.replace("sales > 3 and", "x > 3 or")
    found = reached(text, "sales = 1", "x = 1, sales = 1")
    assert found["rows"] == ["segment.first.1: sales between 1 and below 3 → b"]
    assert not reached(text, "sales = 1")["rows"]


NESTED = """\
[facts]
sales = { of = "sale", take = "count" }
net = { of = "sale", take = "sum" }
[scores.f]
fact = "sales"
below = 0
from = [[2, 1]]
[scores.m]
fact = "net"
inside = "f"
[scores.m.by]
0 = { from = [["1.00", 1]] }
1 = { from = [["5.00", 2]] }
"""


def test_bands_inside_a_score_are_reached_apart() -> None:
    found = reached(NESTED, 'net = "5.00"', 'net = "4.99", sales = 2')
    rows = [one for one in found["rows"] if one.startswith("scores.m")]
    assert rows == ["scores.m.by.0.from.0: from 1.00", "scores.m.by.1.from: below all edges"]
    assert "scores.m.by.1.from.0: just below 5.00" in found["edges"]


# Cases made for what is not covered

CALCULATED = """\
[attributes]
born = { type = "date", personal = false }
city = { type = "label", values = ["paris", "rome"] }
tier = "label"
weight = "float"
[facts]
sales = { of = "sale", take = "count" }
net = { of = "sale", take = "sum" }
first_at = { of = "order", take = "first" }
[segment]
first = [
  ["divide(net, sales, 0) >= 100 and city in [\\"paris\\"]", "rich"],
  ["days_between(first_at, as_of) < 30", "young"],
  ["band(sales, 1: 1, 5: 2, else: 0) == 2 or weight > 0.5", "many"],
  ["shift_months(born, 12) > \\"2000-01-01\\" and tier == \\"x\\"", "late"],
]
"""


@pytest.mark.parametrize(
    "text",
    [POINTS, MEAN, WITHIN, SEGMENT, NESTED, CALCULATED],
    ids=["points", "mean", "within", "segment", "nested", "calculated"],
)
def test_cases_made_reach_all_there_is_and_pass(text: str) -> None:
    loaded = policy(text)
    made = generate(loaded)
    report = crm.run_tests(loaded, made)
    assert report.passed
    assert report.coverage.uncovered == ()
    assert report.coverage.is_whole == (text != CALCULATED)
    assert generate(loaded) == made
    assert generate(loaded, report.cases).count("[[case]]") == 0


@pytest.mark.parametrize("name", crm.presets.names())
def test_cases_are_made_for_presets(name: str) -> None:
    loaded = crm.presets.load(name)
    report = crm.run_tests(loaded, generate(loaded, named=name))
    assert (report.passed, report.coverage.percent) == (True, 100.0)


def test_cases_made_are_likely_customers() -> None:
    facts = [dict(case.given or {}) for case in made_cases("classic")]
    assert all(_of(one, "sale_count") <= _of(one, "order_count") for one in facts)
    assert all(("last_sale_on" in one) <= (_of(one, "sale_count") > 0) for one in facts)


def made_cases(name: str) -> tuple[object, ...]:
    loaded = crm.presets.load(name)
    return crm.run_tests(loaded, generate(loaded)).cases


def _of(given: Mapping[str, object], name: str) -> int:
    return int(str(given.get(name, 0)))


def test_only_what_is_missing_is_made() -> None:
    loaded = policy(POINTS)
    first = 'as_of = 2025-12-31\n[[case]]\nname = "1"\ngiven = { sales = 1 }\nexpect = { f = 0 }\n'
    report = crm.run_tests(loaded, first)
    assert generate(loaded, report.cases).count("[[case]]") == 3  # 2, 4 and 5


def test_too_many_combinations_are_sampled_and_said_so() -> None:
    names = [f"a{number}" for number in range(12)]
    facts = "".join(f'{name} = "int"\n' for name in names)
    rows = "".join(f'  ["{name} >= {at + 2}", "x{at}"],\n' for at, name in enumerate(names))
    loaded = policy(f"[attributes]\n{facts}[segment]\nfirst = [\n{rows}]\notherwise = 'rest'\n")
    report = crm.run_tests(loaded, generate(loaded))
    assert report.passed
    assert not report.coverage.is_whole
    assert report.coverage.impossible == 0
    assert report.coverage.percent == 100


class InThirds:
    """A scorer of a host: euros by thirds."""

    inputs = ("net",)

    def score(self, facts: Mapping[str, Column]) -> NDArray[np.float64]:
        return facts["net"].values / 300


def test_with_a_host_scorer_nothing_is_said_to_be_out_of_reach() -> None:
    text = """\
[facts]
net = { of = "sale", take = "sum" }
[scores.thirds]
scorer = "thirds"
[scores.p]
score = "thirds"
below = 0
from = [[1.5, 1], [1000000000, 2]]
"""
    loaded = crm.load_policy(HEAD + text, scorers={"thirds": InThirds()})
    report = crm.run_tests(loaded, generate(loaded))
    assert report.passed
    assert not report.coverage.is_whole
    assert "scores.p.from.1: from 1000000000.0" in map(str, report.coverage.uncovered)
    assert "scores.p.from.0: from 1.5" not in map(str, report.coverage.uncovered)
