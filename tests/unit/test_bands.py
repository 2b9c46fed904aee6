"""Bands: edges belong, missing values reach none, and what is not exact is refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from pydantic import ValidationError

from crmcore.bands import BoundBands, LabelBands, PointBands
from crmcore.calendars import Moments, moments, zone
from crmcore.columns import Column, Kind

UTC = zone("UTC")
SHANGHAI = zone("Asia/Shanghai")
NOW = moments(date(2024, 3, 31), UTC)


def bound(kind: Kind, exponent: int = 0, **given: object) -> BoundBands:
    bands, problems = PointBands.model_validate(given).bind(kind, exponent=exponent)
    assert problems == []
    assert bands is not None
    return bands


def codes(kind: Kind, exponent: int = 0, **given: object) -> list[str]:
    bands, problems = PointBands.model_validate(given).bind(kind, exponent=exponent, path="s")
    assert bands is None
    return [f"{problem.path} {problem.code}" for problem in problems]


def points(bands: BoundBands, column: Column, at: Moments = NOW) -> list[object]:
    return bands.apply(column, at, UTC).to_list()


def ints(*values: int | None) -> Column:
    known = np.array([value is not None for value in values])
    return Column("int", np.array([value or 0 for value in values]), known)


def days(*texts: str) -> Column:
    return Column("date", np.array(texts, "M8[D]").astype(np.int64))


def test_an_edge_belongs_to_the_band_it_opens() -> None:
    bands = bound("int", **{"from": [[1, 10], [4, 20]]})
    assert points(bands, ints(0, 1, 3, 4, 5)) == [None, 10, 10, 20, 20]


def test_below_and_missing_are_not_the_same() -> None:
    bands = bound("int", **{"from": [[1, 10]], "below": 5, "missing": 7})
    assert points(bands, ints(0, 1, None)) == [5, 10, 7]
    bands = bound("int", **{"from": [[1, 10]], "missing": 7})
    assert points(bands, ints(0, 1, None)) == [None, 10, 7]


def test_a_missing_value_never_reaches_the_top_band() -> None:
    column = Column("float", np.array([np.nan, 9.0]), np.array([False, True]))
    assert points(bound("float", **{"from": [[1, 10], [2, 20]]}), column) == [None, 20]


def test_all_known_stays_all_known() -> None:
    column = bound("int", **{"from": [[0, 1]]}).apply(ints(3, 4), NOW, UTC)
    assert column.known is None


def test_decimal_edges_of_whole_numbers_are_rounded_up() -> None:
    bands = bound("int", **{"from": [[Decimal("297.4"), 1]]})
    assert points(bands, ints(297, 298)) == [None, 1]


def test_money_edges_are_minor_units() -> None:
    bands = bound("money", 2, **{"from": [["300.00", 1], ["300.01", 2]]})
    column = Column("money", np.array([29999, 30000, 30001]), exponent=2)
    assert points(bands, column) == [None, 1, 2]


def test_money_without_a_minor_unit_is_text_too() -> None:
    assert codes("money", 0, **{"from": [[300, 1]]}) == ["s.from.0.0 money_as_number"]
    assert bound("money", 0, **{"from": [["300", 1]]}).edges.tolist() == [300]


def test_a_mean_reaches_an_edge_exactly() -> None:
    bands = bound("ratio", 2, **{"from": [["0.00", 1], ["0.01", 2]]})
    # 199/200 and 200/200 of a minor unit; a negative mean rounds down, not towards zero.
    column = Column("ratio", np.array([199, 200, -1]), None, np.array([200, 200, 3]), 2)
    assert points(bands, column) == [1, 2, None]


def test_a_ratio_may_have_finer_edges() -> None:
    bands = bound("ratio", **{"from": [["0", 0], ["0.25", 1], [Decimal("0.5"), 2]]})
    column = Column("ratio", np.array([1, 1, 2, 0]), None, np.array([5, 4, 4, 7]))
    assert points(bands, column) == [0, 1, 2, 0]
    assert bands.scale == 100


def test_the_divisor_of_a_missing_ratio_has_no_meaning() -> None:
    column = Column("ratio", np.array([0, 1]), np.array([False, True]), np.array([0, 1]))
    assert points(bound("ratio", **{"from": [[1, 1]]}), column) == [None, 1]


def test_ratios_beyond_64_bits_are_compared_exactly() -> None:
    bands = bound("ratio", **{"from": [["0.5", 1], ["0.75", 2]]})
    huge = 2**62
    column = Column("ratio", np.array([huge - 1, huge, -huge]), None, np.array([2 * huge - 1] * 3))
    # (2^62 − 1)/(2^63 − 1) is just under a half, 2^62/(2^63 − 1) just over it.
    assert points(bands, column) == [None, 1, None]


def test_a_float_reaches_the_decimal_that_was_written() -> None:
    bands = bound("float", **{"from": [["0.1", 1]]})
    tenth = 0.1  # a little above one tenth
    column = Column("float", np.array([tenth, np.nextafter(tenth, 0)]))
    assert points(bands, column) == [1, None]


def test_a_python_float_means_its_shortest_spelling() -> None:
    assert PointBands.model_validate({"from": [[0.1, 1]]}).from_ == ((Decimal("0.1"), 1),)


@pytest.mark.parametrize("kind", ["date", "instant"])
def test_within_counts_months_from_the_local_day(kind: Kind) -> None:
    bands = bound(kind, within=[["1 month", 5], ["3 months", 4], ["1 year", 1]])
    column = days(
        "2024-03-31", "2024-02-29", "2024-02-28", "2023-12-31", "2023-12-30", "2023-03-31"
    )
    if kind == "instant":
        column = Column("instant", UTC.day_starts(column.values))  # type: ignore[arg-type]
    assert points(bands, column) == [5, 5, 4, 4, 1, 1]
    older = days("2023-03-30")
    if kind == "instant":
        older = Column("instant", UTC.day_starts(older.values + 1) - 1)  # type: ignore[operator]
    assert points(bands, older) == [None]


def test_within_gives_a_later_day_the_nearest_band() -> None:
    assert points(bound("date", within=[["1 month", 5]]), days("2024-05-01")) == [5]


def test_within_counts_from_each_rows_own_moment() -> None:
    bands = bound("date", within=[["1 month", 5], ["2 months", 3]], missing=0)
    each = Moments.at_end_of(days("2024-03-31", "2024-04-01", "2024-06-01").values, UTC)  # type: ignore[arg-type]
    column = days("2024-02-29", "2024-02-29", "2024-02-29")
    assert points(bands, column, each) == [5, 3, None]
    assert bands.band_of(column, 1, each, UTC).outcome == 3  # type: ignore[union-attr]
    instants = Column("instant", UTC.day_starts(column.values))  # type: ignore[arg-type]
    assert points(bound("instant", within=[["1 month", 5], ["2 months", 3]]), instants, each) == [
        *(5, 3, None)
    ]


def test_within_of_an_instant_is_judged_by_the_shops_day() -> None:
    bands = bound("instant", within=[["1 day", 1]])
    at = moments(date(2024, 3, 31), SHANGHAI)
    start = int(SHANGHAI.day_starts(at.day - 1)[0])
    column = Column("instant", np.array([start, start - 1]))
    assert bands.apply(column, at, SHANGHAI).to_list() == [1, None]
    band = bands.band_of(column, 1, at, SHANGHAI)
    assert band is not None
    assert (band.index, band.value, band.upper) == (-1, date(2024, 3, 29), date(2024, 3, 30))


def test_labels_are_ordered_lowest_first() -> None:
    node = LabelBands.model_validate({"from": [[8, "bronze"], [17, "silver"]], "below": "none"})
    bands, problems = node.bind("int")
    assert bands is not None
    assert problems == []
    column = bands.apply(ints(7, 8, 17, None), NOW, UTC)
    assert column.to_list() == ["none", "bronze", "silver", None]
    assert column.categories == ("none", "bronze", "silver")


def test_a_label_may_stand_on_more_than_one_band() -> None:
    node = LabelBands.model_validate({"from": [[0, "low"], [1, "high"], [2, "low"]]})
    bands, _ = node.bind("int")
    assert bands is not None
    column = bands.apply(ints(0, 1, 2, -1), NOW, UTC)
    assert column.to_list() == ["low", "high", "low", None]
    assert column.categories == ("low", "high")


def test_many_edges_and_many_rows_give_the_same() -> None:
    edges = [[3 * edge, edge] for edge in range(40)]
    column = Column("int", np.arange(-5, 995))
    expected = [min(value // 3, 39) if value >= 0 else None for value in range(-5, 995)]
    assert points(bound("int", **{"from": edges}), column) == expected
    few = bound("int", **{"from": edges[:5]})
    assert points(few, column) == [None if e is None else min(e, 4) for e in expected]
    assert points(few, column.take(np.arange(20))) == points(few, column)[:20]


def test_no_rows() -> None:
    assert points(bound("int", **{"from": [[1, 1]]}), Column("int", np.array([], np.int64))) == []
    empty = Column("ratio", np.array([], np.int64), None, np.array([], np.int64))
    assert points(bound("ratio", **{"from": [["0.5", 1]]}), empty) == []


def test_the_band_of_money_is_explained_exactly() -> None:
    bands = bound("money", 2, **{"from": [["300.00", 2], ["500.00", 3]], "below": 1})
    column = Column(
        "money", np.array([29999, 30001, 70000, 0]), np.array([1, 1, 1, 0], bool), exponent=2
    )
    below = bands.band_of(column, 0, NOW, UTC)
    inside = bands.band_of(column, 1, NOW, UTC)
    top = bands.band_of(column, 2, NOW, UTC)
    assert below is not None
    assert inside is not None
    assert top is not None
    assert (below.index, below.lower, below.upper, below.outcome) == (
        -1,
        None,
        Decimal("300.00"),
        1,
    )
    assert below.margin_to_upper == Decimal("0.01")
    assert (inside.lower, inside.upper, inside.outcome) == (Decimal(300), Decimal(500), 2)
    assert (inside.margin_to_lower, inside.margin_to_upper) == (Decimal("0.01"), Decimal("199.99"))
    assert (top.index, top.upper, top.margin_to_upper) == (1, None, None)
    assert bands.band_of(column, 3, NOW, UTC) is None


def test_the_band_of_a_ratio_a_date_and_a_label() -> None:
    ratio = Column("ratio", np.array([100_000]), None, np.array([3]), 2)
    band = bound("ratio", 2, **{"from": [["300.00", 2], ["500.00", 3]]}).band_of(ratio, 0, NOW, UTC)
    assert band is not None
    assert band.margin_to_lower == Fraction(100, 3)
    spans = bound("date", within=[["1 month", 5], ["3 months", 4]])
    day = spans.band_of(days("2024-02-01"), 0, NOW, UTC)
    assert day is not None
    assert (day.lower, day.upper) == (date(2023, 12, 31), date(2024, 2, 29))
    assert (day.margin_to_lower, day.margin_to_upper, day.outcome) == (32, 28, 4)
    grade, _ = LabelBands.model_validate({"from": [[8, "bronze"]]}).bind("int")
    assert grade is not None
    label = grade.band_of(ints(9), 0, NOW, UTC)
    assert label is not None
    assert (label.outcome, label.margin_to_lower) == ("bronze", 1)
    float_band = bound("float", **{"from": [["0.5", 1]]}).band_of(
        Column("float", np.array([0.75])), 0, NOW, UTC
    )
    assert float_band is not None
    assert (float_band.lower, float_band.margin_to_lower) == (0.5, 0.25)


def test_the_range_of_points_counts_all_that_may_come_out() -> None:
    assert bound("int", **{"from": [[1, 3], [2, 9]], "below": -4, "missing": 2}).range == (-4, 9)


@pytest.mark.parametrize(
    "edge", [True, float("nan"), float("inf"), "NaN", "1e3", "1,000", " 1", "01", "", None, [1]]
)
def test_what_is_no_number_is_refused(edge: object) -> None:
    with pytest.raises(ValidationError):
        PointBands.model_validate({"from": [[edge, 1]]})


@pytest.mark.parametrize("edge", [10**38, "1" * 39, Decimal("1e40"), Decimal("1e-39")])
def test_a_number_with_too_many_digits_is_refused(edge: object) -> None:
    with pytest.raises(ValidationError, match="at most 38 digits"):
        PointBands.model_validate({"from": [[edge, 1]]})


@pytest.mark.parametrize("points", [True, 1.0, "1", None, 2**31])
def test_points_are_whole_numbers(points: object) -> None:
    with pytest.raises(ValidationError):
        PointBands.model_validate({"from": [[1, points]]})


def test_edges_ascend() -> None:
    given = {"from": [[2, 1], [2, 2], ["1.5", 3], [4, 4]]}
    assert codes("int", **given) == ["s.from.1.0 not_ascending", "s.from.2.0 not_ascending"]


def test_edges_without_a_whole_number_between_them_are_refused() -> None:
    assert codes("int", **{"from": [["1.2", 1], ["1.8", 2]]}) == ["s.from.1.0 empty_band"]


def test_edges_must_fit() -> None:
    far = str(2**63)
    assert codes("int", **{"from": [[far, 1]]}) == ["s.from.0.0 out_of_range"]
    assert codes("money", 2, **{"from": [[far, 1]]}) == ["s.from.0.0 out_of_range"]
    assert codes("money", 2, **{"from": [["0.005", 1]]}) == ["s.from.0.0 money_digits"]
    assert codes("ratio", **{"from": [["0.1234567890123456789", 1]]}) == ["s.from.0.0 out_of_range"]
    assert bound("int", **{"from": [[2**63 - 1, 1]]}).edges.tolist() == [2**63 - 1]


@pytest.mark.parametrize("kind", ["bool", "label", "text", "date", "instant"])
def test_from_needs_a_number(kind: Kind) -> None:
    assert codes(kind, **{"from": [[1, 1]]}) == ["s.from type_mismatch"]


@pytest.mark.parametrize("kind", ["int", "money", "ratio", "float", "bool", "label", "text"])
def test_within_needs_a_time(kind: Kind) -> None:
    assert codes(kind, within=[["1 day", 1]]) == ["s.within type_mismatch"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1 month", "30 days"),
        ("30 days", "1 month"),
        ("1 year", "12 months"),
        ("2 weeks", "14 days"),
        ("3 months", "90 days"),
        ("365 days", "1 year"),
        ("7 days", "1 day"),
    ],
)
def test_spans_must_grow_whatever_the_month(before: str, after: str) -> None:
    assert codes("date", within=[[before, 2], [after, 1]]) == ["s.within.1.0 not_ascending"]


@pytest.mark.parametrize(
    ("before", "after"),
    [("1 week", "1 month"), ("1 month", "5 weeks"), ("90 days", "1 year"), ("1 year", "400 days")],
)
def test_spans_of_days_and_months_may_mix(before: str, after: str) -> None:
    assert bound("date", within=[[before, 2], [after, 1]]).spans[0].text == after


def test_bands_are_of_one_kind() -> None:
    assert codes("int") == ["s one_of"]
    assert codes("int", **{"from": [[1, 1]], "within": [["1 day", 1]]}) == ["s one_of"]
    assert codes("date", within=[["1 day", 1]], below=2) == ["s.below one_of"]
