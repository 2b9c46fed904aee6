"""Scores, cells, scorers, grades and lists as steps over columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from numpy.typing import NDArray

from crmcore import presets
from crmcore.calendars import Moments, moments, zone
from crmcore.columns import Column
from crmcore.conditions import FieldType
from crmcore.errors import DataError, PolicyError
from crmcore.evaluation import evaluate_facts
from crmcore.policy import Policy, load_policy
from crmcore.scoring import Cell, Known, NestedStep, Scorecard, SumStep
from crmcore.timing import Timing

UTC = zone("UTC")
HEAD = """
format = 1
name = "shop"
zone = "UTC"
currency = { code = "EUR", exponent = 2 }
sale_statuses = ["paid"]
"""


def timing(now: date, held: date | None = None) -> Timing:
    at = moments(now, UTC)
    return Timing(UTC, at, at if held is None else moments(held, UTC))


NOW = timing(date(2024, 6, 30))


def column(values: Sequence[int | None]) -> Column:
    known = np.array([value is not None for value in values])
    return Column("int", np.array([value or 0 for value in values], np.int64), known)


def days(*texts: str) -> Column:
    return Column("date", np.array(texts, "M8[D]").astype(np.int64))


def run(policy: Policy, columns: dict[str, Column], at: Timing = NOW) -> dict[str, list[object]]:
    """Run all steps; the columns given must be all that is needed."""
    rows = len(next(iter(columns.values())))
    given = dict(columns)
    for step in policy.steps:
        result = step.apply({name: given[name] for name in step.needs}, rows, at)
        assert len(result) == rows
        assert result.kind == step.field_type.kind
        assert result.categories == step.field_type.categories
        given[step.name] = result
    return {step.name: given[step.name].to_list() for step in policy.steps}


def points(**columns: Sequence[int | None]) -> dict[str, Column]:
    return {name: column(values) for name, values in columns.items()}


BANDS = """
attributes.a = "int"
attributes.b = "int"
scores.x = { fact = "a", from = [[0, 1], [10, 2]] }
scores.y = { fact = "b", from = [[0, 1], [10, 9]], missing = 0 }
"""


def test_a_scorecard_adds_weighted_points() -> None:
    policy = load_policy(HEAD + BANDS + "scores.s.weights = { x = 100, y = -3 }")
    found = run(policy, points(a=[0, 10, None, -1], b=[10, None, 3, 3]))
    assert found["x"] == [1, 2, None, None]
    assert found["y"] == [9, 0, 1, 1]
    assert found["s"] == [100 - 27, 200, None, None]
    step = policy.step("s")
    assert isinstance(step, SumStep)
    assert step.range == (100 - 27, 200)


def test_a_sum_of_known_scores_is_known() -> None:
    policy = load_policy(HEAD + BANDS.replace("from = [[0, 1]", "below = 0, from = [[0, 1]"))
    step = load_policy(policy.to_toml() + "[scores.s.weights]\nx = 1\ny = 1").step("s")
    assert step is not None
    known = Column("int", np.array([1, 2]))
    assert step.apply({"x": known, "y": known}, 2, NOW).known is None


def test_a_cell_puts_scores_side_by_side() -> None:
    policy = load_policy(HEAD + BANDS + 'scores.s.cell = ["x", "y", "x"]')
    assert run(policy, points(a=[0, 10, None], b=[10, None, 3]))["s"] == [191, 202, None]


def test_scores_may_rest_on_scores() -> None:
    text = """
        scores.total.weights = { x = 1, y = 1 }
        scores.rank = { score = "total", from = [[2, 1], [5, 2]] }
        scores.both.weights = { total = 10, rank = 1 }
    """
    policy = load_policy(HEAD + BANDS + text)
    assert run(policy, points(a=[0, 10], b=[0, 10]))["both"] == [21, 112]


def test_bands_over_a_windowed_fact_count_from_the_scheduled_evaluation() -> None:
    text = """
        windows.period = "1 year"
        facts.recent_on = { of = "sale", take = "last", in = "period" }
        scores.held = { fact = "recent_on", within = [["1 month", 2], ["1 year", 1]] }
        scores.now = { fact = "last_sale_on", within = [["1 month", 2], ["1 year", 1]] }
    """
    policy = load_policy(HEAD + text)
    given = {"recent_on": days("2024-01-01"), "last_sale_on": days("2024-01-01")}
    at = timing(date(2024, 6, 30), held=date(2024, 1, 31))
    assert run(policy, given, at) == {"held": [2], "now": [1]}


def test_each_customer_may_have_a_moment_of_their_own() -> None:
    text = 'scores.s = { fact = "last_sale_on", within = [["1 month", 2], ["1 year", 1]] }'
    at = Moments.at_end_of(days("2024-06-30", "2024-08-31").values.astype(np.int64), UTC)
    given = {"last_sale_on": days("2024-06-01", "2024-06-01")}
    assert run(load_policy(HEAD + text), given, Timing(UTC, at, at)) == {"s": [2, 1]}


NESTED = """
[scores.n]
fact = "b"
inside = "y"
[scores.n.by]
0 = { from = [[0, 7]], missing = 3 }
1 = { from = [[5, 2]], below = 1 }
9 = { from = [[10, 4], [20, 5]] }
"""


def test_nested_bands_are_those_of_the_other_points() -> None:
    policy = load_policy(HEAD + BANDS + NESTED)
    found = run(policy, points(a=[0] * 7, b=[0, 4, 5, 9, 10, 20, None]))
    assert found["y"] == [1, 1, 1, 1, 9, 9, 0]
    assert found["n"] == [1, 1, 2, 2, 4, 5, 3]
    step = policy.step("n")
    assert isinstance(step, NestedStep)
    assert (step.range, step.field_type) == ((1, 7), FieldType("int", low=1, high=7))


def test_nested_bands_of_a_missing_score_are_missing() -> None:
    policy = load_policy(HEAD + BANDS + NESTED.replace('"y"', '"x"').replace("9 =", "2 ="))
    # Below the first edge of its table there are no points either.
    given = points(a=[-1, 0, 10, 10, 10, None], b=[50, 5, 9, 10, None, 5])
    assert run(policy, given)["n"] == [None, 2, None, 4, None, None]


def test_nested_bands_may_count_back_from_the_evaluation() -> None:
    text = """
        [scores.n]
        fact = "last_sale_on"
        inside = "x"
        [scores.n.by]
        1 = { within = [["1 month", 5], ["1 year", 1]] }
        2 = { within = [["1 year", 4]] }
    """
    policy = load_policy(HEAD + BANDS + text)
    given = points(a=[0, 0, 0, 10, 10], b=[0] * 5)
    given["last_sale_on"] = days(
        "2024-06-01", "2024-05-01", "2023-01-01", "2024-06-01", "2023-01-01"
    )
    assert run(policy, given)["n"] == [5, 1, None, 4, None]


def test_sums_and_cells_know_the_range_of_nested_points() -> None:
    text = NESTED + "[scores.s.weights]\nx = 10\nn = 1\n"
    step = load_policy(HEAD + BANDS + text).step("s")
    assert isinstance(step, SumStep)
    assert step.range == (11, 27)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("9 = ", "8 = "), ["scores.n.by missing_table: none for 9"]),
        (('inside = "y"', 'inside = "z"'), ["scores.n.inside unknown_name: z"]),
        (('inside = "y"', 'inside = "b"'), ["scores.n.inside unknown_name: b"]),
        (('inside = "y"', 'inside = "total"'), ["scores.n.inside type_mismatch: total"]),
        (('inside = "y"', ""), ["scores.n.by one_of: None"]),
        (('inside = "y"', 'inside = "y"\nmissing = 1'), ["scores.n.missing one_of: None"]),
        (
            ("[[10, 4], [20, 5]]", "[[20, 5], [10, 4]]"),
            ["scores.n.by.9.from.1.0 not_ascending: 10 after 20"],
        ),
        (("{ from = [[5, 2]], below = 1 }", "{ below = 1 }"), ["scores.n.by.1 one_of: neither"]),
        (
            ("{ from = [[5, 2]], below = 1 }", "{ frm = [[5, 2]] }"),
            ["scores.n.by.1.frm unknown_key: None"],
        ),
        (("9 = ", "09 = "), ["scores.n.by.09 bad_name: '09'"]),
    ],
)
def test_what_is_wrong_with_nested_bands(change: tuple[str, str], expected: list[str]) -> None:
    text = HEAD + BANDS + "scores.total.weights = { x = 1 }\n" + NESTED.replace(*change)
    with pytest.raises(PolicyError) as caught:
        load_policy(text)
    found = [f"{one.path} {one.code}: {one.given}" for one in caught.value.problems]
    assert found == expected


def test_a_missing_table_says_what_there_must_be() -> None:
    text = HEAD + BANDS + NESTED.replace("1 = ", "7 = ").replace("9 = ", "8 = ")
    with pytest.raises(PolicyError) as caught:
        load_policy(text)
    (problem,) = caught.value.problems
    assert (problem.given, problem.allowed) == ("none for 1, 9", "0, 1, 9")
    assert "each points of 'y' needs its table" in problem.message


def test_nested_bands_are_explained_with_the_score_they_lie_in() -> None:
    policy = load_policy(
        HEAD + BANDS.replace('"int"', '{ type = "int", personal = false }') + NESTED
    )
    facts = {"customer_id": [1, 2, 3], "a": [0, 0, 0], "b": [4, 12, None]}
    result = evaluate_facts(policy, facts, as_of=date(2024, 6, 30))
    low, high, unknown = (result.explain(one)["n"] for one in (1, 2, 3))
    assert (low.value, low.inside, low.source) == (1, ("y", 1), "b")
    assert low.band is not None
    assert (low.band.lower, low.band.upper) == (None, 5)
    assert (high.value, high.inside) == (4, ("y", 9))
    # Under 10 y is another, and so are the bands.
    assert [(flip.needed, flip.becomes) for flip in low.flips] == [(5, 2)]
    assert {(flip.needed, flip.becomes) for flip in high.flips} == {(9, 2), (20, 5)}
    assert (unknown.value, unknown.inside, unknown.band) == (3, ("y", 0), None)
    text = result.explain(2).text()
    assert "by the bands that go with y: 9" in text
    assert "in the band from 10 to under 20" in text
    assert "按y为 9 时的分段" in result.explain(2).text("zh-CN")
    plain = {one["name"]: one for one in result.explain(2).to_dict()["decisions"]}
    assert [node["path"] for node in plain["n"]["nodes"]] == ["scores.n.by.9.from.0"]


def test_nested_bands_without_the_other_score_say_so() -> None:
    policy = load_policy(HEAD + BANDS + NESTED.replace('"y"', '"x"').replace("9 =", "2 ="))
    facts = {"customer_id": [1], "a": [-1], "b": [4]}
    result = evaluate_facts(policy, facts, as_of=date(2024, 6, 30))
    assert "n: nothing, because x is missing" in result.explain(1).text()


class Ratio:
    """A scorer from outside: b out of a."""

    inputs = ("a", "b")

    def __init__(self, result: object = None) -> None:
        self.result = result

    def score(self, facts: Mapping[str, Column]) -> NDArray[np.float64]:
        if self.result is not None:
            return self.result  # type: ignore[return-value]
        assert list(facts) == ["a", "b"]
        a, b = (np.where(one.is_known(), one.values, np.nan) for one in facts.values())  # type: ignore[arg-type]
        return b / a


SCORED = """
attributes.a = "int"
attributes.b = "int"
scores.ratio.scorer = "ratio"
scores.s = { score = "ratio", below = 0, from = [["0.1", 1], ["0.5", 2]] }
"""


def test_a_hosts_scorer_is_one_step_among_others() -> None:
    policy = load_policy(HEAD + SCORED, scorers={"ratio": Ratio()})
    found = run(policy, points(a=[10, 10, 2, 4], b=[1, None, 1, 0]))
    assert found == {"ratio": [0.1, None, 0.5, 0.0], "s": [1, None, 2, 0]}
    assert policy.fields["ratio"] == FieldType("float")


def test_a_hosts_whole_numbers_are_floats() -> None:
    policy = load_policy(HEAD + SCORED, scorers={"ratio": Ratio(np.array([0, 1]))})
    assert run(policy, points(a=[1, 1], b=[1, 1])) == {"ratio": [0.0, 1.0], "s": [0, 2]}


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([0.5, 0.5], "the scorer of 'ratio' returned no int64 or float64 array (column 'ratio')"),
        (np.array(["a", "b"]), "the scorer of 'ratio' returned no int64 or float64 array"),
        (np.array([1, 2], np.int32), "the scorer of 'ratio' returned no int64 or float64 array"),
        (np.zeros(3), "the scorer of 'ratio' returned the shape (3,) for 2 customers"),
        (np.zeros((2, 1)), "the scorer of 'ratio' returned the shape (2, 1) for 2 customers"),
        (
            np.array([0.5, -np.inf]),
            "the scorer of 'ratio' returned an infinite number (column 'ratio'); rows: 1; first "
            "at: 1",
        ),
    ],
)
def test_a_hosts_result_is_checked(result: object, message: str) -> None:
    policy = load_policy(HEAD + SCORED, scorers={"ratio": Ratio(result)})
    with pytest.raises(DataError) as caught:
        run(policy, points(a=[1, 1], b=[1, 1]))
    assert str(caught.value).startswith(message)


def test_the_reach_of_sums_counts_in_64_bits() -> None:
    known = Known({}, {"x": FieldType("int")}, {"x": (-(2**31), 2**31)})
    most = 2**32 - 1
    step, problems = Scorecard(weights={"x": most}).bind_step("s", known, "scores.s")
    assert problems == []
    assert step is not None
    assert step.range == (-(2**31) * most, 2**31 * most)
    _, problems = Scorecard(weights={"x": 2**32}).bind_step("s", known, "scores.s")
    assert [problem.code for problem in problems] == ["out_of_range"]
    assert Scorecard(weights={"x": -(2**32)}).bind_step("s", known, "s")[0] is None


def test_the_longest_cell() -> None:
    known = Known({}, {"x": FieldType("int")}, {"x": (0, 9)})
    step, _ = Cell(cell=("x",) * 9).bind_step("s", known, "scores.s")
    assert step is not None
    assert step.range == (0, 999_999_999)
    assert step.weights == (("x", 111_111_111),)


# The presets, by hand


def classic(day: str, count: int, total: str, **more: int) -> dict[str, list[object]]:
    """Evaluate one customer of the classic scheme, who bought last on that day."""
    last = days(day)
    columns = {
        "last_sale_on": last if count else Column("date", last.values, np.array([False])),
        "sale_count": column([count]),
        "mean_sale": Column(
            "ratio",
            np.array([int(Decimal(total) * 100)]),
            np.array([count > 0]),
            np.array([max(count, 1)]),
            2,
        ),
        "order_count": column([more.get("order_count", count)]),
        "orders_ever": column([more.get("orders_ever", count)]),
        "first_order_at": Column("instant", np.array([1])),
        "last_evaluated_at": Column(
            "instant", np.array([more.get("last", 0)]), np.array(["last" in more])
        ),
        "blocked": Column("bool", np.array([bool(more.get("blocked"))])),
    }
    at = moments(date(2024, 6, 30), zone("Asia/Shanghai"))
    return run(presets.load("classic"), columns, Timing(zone("Asia/Shanghai"), at, at))


def test_the_worked_example_is_silver() -> None:
    found = classic("2024-04-30", 5, "1500.00")
    assert found == {
        "recency_points": [4],
        "frequency_points": [4],
        "monetary_points": [2],
        "score": [24],
        "grade": ["silver"],
        "class": ["silver"],
    }


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        *(("2024-06-30", 5), ("2024-05-30", 5), ("2024-05-29", 4), ("2024-03-30", 4)),
        *(("2024-03-29", 3), ("2024-02-29", 3), ("2024-02-28", 2), ("2023-11-30", 2)),
        *(("2023-11-29", 1), ("2023-06-30", 1), ("2023-06-29", None)),
    ],
)
def test_the_classic_recency(day: str, expected: int | None) -> None:
    assert classic(day, 1, "1.00")["recency_points"] == [expected]


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (6, 5), (99, 5)]
)
def test_the_classic_frequency(count: int, expected: int) -> None:
    assert classic("2024-06-30", count, "1.00")["frequency_points"] == [expected]


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        *(("-50.00", 1), ("299.99", 1), ("300.00", 2), ("499.99", 2), ("500.00", 3)),
        *(("999.99", 3), ("1000.00", 4), ("1999.50", 4), ("1999.99", 4), ("2000.00", 5)),
    ],
)
def test_the_classic_mean(total: str, expected: int) -> None:
    assert classic("2024-06-30", 1, total)["monetary_points"] == [expected]


def test_a_third_of_a_unit_under_an_edge_is_under_it() -> None:
    assert classic("2024-06-30", 3, "899.99")["monetary_points"] == [1]
    assert classic("2024-06-30", 3, "900.00")["monetary_points"] == [2]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"count": 0, "orders_ever": 0}, "non_ordering"),
        ({"count": 0, "orders_ever": 0, "blocked": 1}, "non_ordering"),
        ({"count": 1, "blocked": 1}, "malicious"),
        ({"count": 1, "blocked": 1, "last": 0}, "malicious"),
        ({"count": 1, "last": 0}, "new"),
        ({"count": 1, "last": 1}, "bronze"),
        ({"count": 1}, "bronze"),
        ({"count": 0, "orders_ever": 1, "last": 0}, "new"),
        ({"count": 0, "orders_ever": 1}, "no_order"),
        ({"count": 0, "orders_ever": 2, "order_count": 1}, "no_sale"),
    ],
)
def test_the_classic_classes(given: dict[str, int], expected: str) -> None:
    more = dict(given)
    assert classic("2024-06-30", more.pop("count"), "1.00", **more)["class"] == [expected]


@pytest.mark.parametrize(
    ("day", "count", "total", "score", "grade"),
    [
        ("2023-06-30", 1, "1.00", 8, "bronze"),
        ("2024-06-30", 1, "500.00", 20, "silver"),
        ("2023-12-31", 2, "600.00", 16, "bronze"),
        ("2024-03-29", 2, "600.00", 17, "silver"),
        ("2024-06-30", 4, "1999.99", 25, "silver"),
        ("2024-06-30", 3, "3000.00", 30, "gold"),
        ("2024-06-30", 5, "9999.99", 33, "gold"),
        ("2024-06-30", 6, "11999.99", 36, "platinum"),
        ("2024-06-30", 6, "12000.00", 40, "platinum"),
    ],
)
def test_the_classic_grade(day: str, count: int, total: str, score: int, grade: str) -> None:
    found = classic(day, count, total)
    assert (found["score"], found["grade"]) == ([score], [grade])


SEGMENTS = [
    ("champions", range(5, 6), range(5, 6), range(5, 6)),
    ("potential_loyalist", range(3, 6), range(3, 6), range(2, 6)),
    ("loyal_customers", range(2, 5), range(2, 5), range(2, 5)),
    ("promising", range(3, 5), range(1, 4), range(3, 6)),
    ("new_customers", range(4, 6), range(1, 4), range(1, 6)),
    ("cant_lose_them", range(1, 3), range(3, 5), range(4, 6)),
    ("at_risk", range(1, 3), range(2, 6), range(4, 6)),
    ("need_attention", range(1, 4), range(3, 6), range(3, 6)),
    ("about_to_sleep", range(2, 4), range(1, 4), range(1, 5)),
    ("lost", range(1, 2), range(1, 6), range(1, 6)),
]


def test_the_segments_of_rfm_r_in_all_cells() -> None:
    cells = [(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)]
    columns = {
        # Any value inside the bands will do.
        "days_since_last_order": column([[500, 400, 200, 150, 100][r - 1] for r, _, _ in cells]),
        "order_count": column([[1, 4, 5, 7, 8][f - 1] for _, f, _ in cells]),
        "net_sales": Column(
            "money",
            np.array([[25579, 25580, 38200, 66599, 66600][m - 1] for _, _, m in cells]),
            exponent=2,
        ),
    }
    found = run(presets.load("rfm_r"), columns)
    expected = [
        next((name for name, rs, fs, ms in SEGMENTS if r in rs and f in fs and m in ms), "others")
        for r, f, m in cells
    ]
    assert found["segment"] == expected
    assert found["cell"] == [100 * r + 10 * f + m for r, f, m in cells]
    others = [cell for cell, name in zip(found["cell"], expected, strict=True) if name == "others"]
    assert others == [215, 241, 251, 252, 341, 351, 441, 451, 541, 551]


@pytest.mark.parametrize(
    ("since", "expected"), [(114, 5), (115, 4), (181, 3), (297, 3), (298, 2), (481, 2), (482, 1)]
)
def test_the_recency_of_rfm_r(since: int, expected: int) -> None:
    columns = {
        "days_since_last_order": column([since, None]),
        "order_count": column([1, 0]),
        "net_sales": Column("money", np.array([0, 0]), exponent=2),
    }
    found = run(presets.load("rfm_r"), columns)
    assert found["recency_points"] == [expected, None]
    assert found["cell"][1] is None
    assert found["segment"][1] == "others"
