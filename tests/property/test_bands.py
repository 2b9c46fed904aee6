"""Bands against an obvious loop over exact fractions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import compress
from random import Random
from typing import Literal

import numpy as np
from dateutil.relativedelta import relativedelta
from hypothesis import example, given
from hypothesis import strategies as st

from crmcore.bands import Best, BoundBands, PointBands, quantile_bands
from crmcore.calendars import Moments, day_number, moments, to_date, zone
from crmcore.columns import Column, Kind

UTC = zone("UTC")
ZONE = zone("Europe/Berlin")
NOW = moments(date(2024, 3, 31), UTC)
EXTREMES = [0, 1, -1, 2**62, -(2**62), 2**62 - 1, 2**63 - 1, -(2**63)]

whole = st.one_of(st.integers(-20, 20), st.sampled_from(EXTREMES), st.integers(-(2**62), 2**62))
points = st.integers(-9, 9)
optional = st.none() | points


@st.composite
def decimals(draw: st.DrawFn, digits: int = 3) -> Decimal:
    places = draw(st.integers(0, digits))
    return Decimal(draw(st.integers(-3000, 3000))).scaleb(-places)


def expected(
    value: Fraction | None,
    edges: Sequence[tuple[Fraction, int]],
    below: int | None,
    missing: int | None,
) -> int | None:
    """Look for the last row whose edge the value reaches."""
    if value is None:
        return missing
    found = below
    for edge, outcome in edges:
        if value >= edge:
            found = outcome
    return found


def bind(kind: Kind, exponent: int, given: dict[str, object]) -> BoundBands | None:
    written = {key: value for key, value in given.items() if value is not None}
    bands, problems = PointBands.model_validate(written).bind(kind, exponent=exponent)
    assert (bands is None) == bool(problems)
    return bands


def check(
    bands: BoundBands,
    column: Column,
    values: Sequence[Fraction | None],
    edges: Sequence[tuple[Fraction, int]],
    below: int | None,
    missing: int | None,
) -> None:
    want = [expected(value, edges, below, missing) for value in values]
    assert bands.apply(column, NOW, UTC).to_list() == want
    # The same by the way taken for very many rows.
    repeats = 1 + 300 // max(len(values), 1)
    many = column.take(np.tile(np.arange(len(values)), repeats))
    assert bands.apply(many, NOW, UTC).to_list() == want * repeats
    for row, value in enumerate(values):
        band = bands.band_of(column, row, NOW, UTC)
        if value is None:
            assert band is None
        else:
            assert band is not None
            assert band.outcome == expected(value, edges, below, None)


@given(st.data(), st.sets(whole, min_size=1, max_size=30), optional, optional)
@example(None, {2**63 - 1, -(2**63)}, None, None).via("the ends of 64 bits")
def test_whole_numbers(
    data: st.DataObject | None, edges: set[int], below: int | None, missing: int | None
) -> None:
    rows = [(edge, at % 10) for at, edge in enumerate(sorted(edges))]
    near = [edge + step for edge in edges for step in (-1, 0, 1)] + EXTREMES
    known = [value for value in near if -(2**63) <= value < 2**63]
    chosen = data.draw(st.lists(st.none() | st.sampled_from(known))) if data else [*known, None]
    bands = bind("int", 0, {"from": rows, "below": below, "missing": missing})
    assert bands is not None
    column = Column(
        "int",
        np.array([v or 0 for v in chosen], np.int64),
        np.array([v is not None for v in chosen], bool),
    )
    exact = [None if value is None else Fraction(value) for value in chosen]
    check(bands, column, exact, [(Fraction(edge), p) for edge, p in rows], below, missing)


@given(st.sets(decimals(), min_size=1, max_size=6), st.lists(st.integers(-40, 40)), optional)
def test_decimal_edges_of_whole_numbers(
    edges: set[Decimal], values: list[int], below: int | None
) -> None:
    rows = [(edge, at) for at, edge in enumerate(sorted(edges))]
    bands = bind("int", 0, {"from": rows, "below": below})
    if bands is None:  # two edges without a whole number between them
        assert len(set(map(math.ceil, edges))) < len(edges)
        return
    column = Column("int", np.array(values, np.int64))
    exact = [(Fraction(edge), p) for edge, p in rows]
    check(bands, column, [Fraction(value) for value in values], exact, below, None)


@given(
    st.sets(decimals(2), min_size=1, max_size=6),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-4000, 4000)),
    optional,
)
def test_money(edges: set[Decimal], values: list[int], below: int | None) -> None:
    rows = [(f"{edge:.2f}", at) for at, edge in enumerate(sorted(edges))]
    bands = bind("money", 2, {"from": rows, "below": below})
    assert bands is not None
    # One minor unit to either side of every edge.
    near = [int(edge * 100) + step for edge in edges for step in (-1, 0, 1)]
    column = Column("money", np.array([*values, *near], np.int64), exponent=2)
    exact = [Fraction(value, 100) for value in [*values, *near]]
    check(bands, column, exact, [(Fraction(edge), p) for edge, p in rows], below, None)


divisors = st.integers(1, 12) | st.integers(1, 2**63 - 1) | st.just(2**62)


@given(
    st.sets(decimals(4), min_size=1, max_size=6),
    st.lists(st.tuples(whole, divisors, st.booleans())),
    st.sampled_from([0, 2]),
    optional,
    optional,
)
@example({Decimal("0.5")}, [(2**62, 2**63 - 1, True), (2**62 - 1, 2**63 - 1, True)], 0, None, None)
def test_ratios(
    edges: set[Decimal],
    fractions: list[tuple[int, int, bool]],
    exponent: int,
    below: int | None,
    missing: int | None,
) -> None:
    rows = [(f"{edge:f}", at) for at, edge in enumerate(sorted(edges))]
    bands = bind("ratio", exponent, {"from": rows, "below": below, "missing": missing})
    assert bands is not None
    # The edge itself as a fraction, and the nearest fractions to either side of it.
    for edge in edges:
        over, under = (Fraction(edge) * 10**exponent).as_integer_ratio()
        steps = [(over * 1000 + step, under * 1000, True) for step in (-1, 0, 1)]
        fractions = [*fractions, *steps]
    column = Column(
        "ratio",
        np.array([over for over, _, _ in fractions], np.int64),
        np.array([known for _, _, known in fractions], bool),
        np.array([under if known else 0 for _, under, known in fractions], np.int64),
        exponent,
    )
    exact = [
        Fraction(over, under * 10**exponent) if known else None for over, under, known in fractions
    ]
    check(bands, column, exact, [(Fraction(edge), p) for edge, p in rows], below, missing)


@given(
    st.sets(decimals(6), min_size=1, max_size=6),
    st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
    optional,
    optional,
)
def test_floats(
    edges: set[Decimal], values: list[float | None], below: int | None, missing: int | None
) -> None:
    rows = [(f"{edge:f}", at) for at, edge in enumerate(sorted(edges))]
    bands = bind("float", 0, {"from": rows, "below": below, "missing": missing})
    assert bands is not None
    for edge in map(float, edges):
        values = [*values, edge, np.nextafter(edge, -np.inf), np.nextafter(edge, np.inf)]
    column = Column(
        "float",
        np.array([np.nan if value is None else value for value in values], np.float64),
        np.array([value is not None for value in values], bool),
    )
    exact = [None if value is None else Fraction(float(value)) for value in values]
    check(bands, column, exact, [(Fraction(edge), p) for edge, p in rows], below, missing)


SPANS = [("1 day", {"days": 1}), ("2 weeks", {"weeks": 2}), ("1 month", {"months": 1})]
SPANS += [("3 months", {"months": 3}), ("1 year", {"years": 1}), ("1000 days", {"days": 1000})]
some_days = st.dates(date(1999, 1, 1), date(2030, 12, 31))


@given(
    some_days,
    st.lists(st.sampled_from(SPANS), unique_by=lambda span: span[0], min_size=1),
    st.lists(st.none() | some_days),
    optional,
    st.booleans(),
)
@example(date(2024, 3, 31), SPANS, [None], None, True)
def test_spans(
    day: date,
    spans: list[tuple[str, dict[str, int]]],
    values: list[date | None],
    missing: int | None,
    separately: bool,
) -> None:
    spans = sorted(spans, key=SPANS.index)
    rows = [(text, 9 - at) for at, (text, _) in enumerate(spans)]
    starts = [day - relativedelta(**length) for _, length in spans]  # type: ignore[arg-type]
    # One day to either side of every edge.
    values += [start + timedelta(days=step) for start in starts for step in (-1, 0, 1)]
    want = [_first(value, starts, missing) for value in values]
    known = np.array([value is not None for value in values], bool)
    numbers = np.array([day_number(value) if value else 0 for value in values], np.int64)
    at = moments(day, ZONE)
    if separately:
        at = Moments(np.repeat(at.at, len(values)), np.repeat(at.day, len(values)))
    for kind in ("date", "instant"):
        bands = bind(kind, 0, {"within": rows, "missing": missing})
        assert bands is not None
        # Of an instant the last moment of its day must do as well as the first.
        for shift in (0, 1) if kind == "instant" else (0,):
            starts_us = ZONE.day_starts(numbers + shift) - shift
            column = Column(kind, numbers if kind == "date" else starts_us, known)
            assert bands.apply(column, at, ZONE).to_list() == want
            for row in (0, len(values) - 1):
                band = bands.band_of(column, row, at, ZONE)
                if band is not None:
                    assert band.outcome == want[row]
                    assert band.value == values[row]
                    assert band.lower is None or band.lower == starts[len(starts) - 1 - band.index]
                    assert band.lower is None or to_date(day_number(band.lower)) <= values[row]  # type: ignore[operator, arg-type]


def _first(value: date | None, starts: Sequence[date], missing: int | None) -> int | None:
    if value is None:
        return missing
    return next((9 - at for at, start in enumerate(starts) if value >= start), None)


# Quantiles: the edges that are frozen give every measured customer the points of the definition.

BEST = st.sampled_from(["high", "low"])
PARTS = st.integers(2, 10)
EXPONENTS = st.sampled_from([0, 2])
# Few different values, so that there are ties; and anything.
numbers = st.integers(-3, 3) | st.integers(-(2**40), 2**40)
tiny_divisors = st.integers(1, 12) | st.integers(1, 2**20)


def by_rank(values: Sequence[Fraction | None], parts: int, best: Best) -> list[int | None]:
    """Count for each value how many of the others are worse, one by one."""
    known = [value for value in values if value is not None]

    def points_of(value: Fraction) -> int:
        worse = sum(one < value if best == "high" else one > value for one in known)
        return 1 + parts * worse // len(known)

    return [None if value is None else points_of(value) for value in values]


def check_quantiles(column: Column, parts: int, best: Best) -> BoundBands:
    values = [None if value is None else Fraction(value) for value in column]  # type: ignore[arg-type]
    written = quantile_bands(column, parts, best)
    bands, problems = written.bind(column.kind, exponent=column.exponent)
    assert problems == []
    assert bands is not None
    assert bands.apply(column, NOW, UTC).to_list() == by_rank(values, parts, best)
    # Whoever comes later falls on a side, and never outside.
    assert bands.points <= set(range(1, parts + 1))
    assert bands.outcomes[0] is not None
    return bands


@given(st.lists(st.none() | numbers, max_size=40), PARTS, BEST)
@example([], 5, "high").via("nobody")
@example([None, None], 5, "low").via("nobody whose value is known")
@example([7], 5, "high").via("one customer")
@example([1] * 8 + [2, 9], 5, "high").via("one order for 80 % of the customers")
@example([1] * 8 + [2, 9], 5, "low").via("the same, the fewest best")
@example([0, 2**63 - 1, -(2**63)], 3, "low").via("the ends of 64 bits")
def test_quantiles_of_whole_numbers(values: list[int | None], parts: int, best: Best) -> None:
    known = np.array([value is not None for value in values], bool)
    column = Column("int", np.array([value or 0 for value in values], np.int64), known)
    bands = check_quantiles(column, parts, best)
    seen = {value for value in values if value is not None}
    assert {int(edge) for edge in bands.edges} <= (seen or {0})


@given(st.lists(numbers, max_size=40), PARTS, BEST, EXPONENTS)
def test_quantiles_of_money(values: list[int], parts: int, best: Best, exponent: int) -> None:
    check_quantiles(Column("money", np.array(values, np.int64), exponent=exponent), parts, best)


@given(st.lists(st.tuples(numbers, tiny_divisors), max_size=40), PARTS, BEST, EXPONENTS)
@example([(1, 3), (2, 6), (1, 2)], 3, "high", 2).via("one ratio in two forms")
@example([(10**6, 10**6 + 1), (10**6 - 1, 10**6)], 2, "high", 2).via("ratios side by side")
def test_quantiles_of_ratios(
    fractions: list[tuple[int, int]], parts: int, best: Best, exponent: int
) -> None:
    over = np.array([over for over, _ in fractions], np.int64)
    under = np.array([under for _, under in fractions], np.int64)
    # Edges with decimals need room beside the largest values; a policy refuses what has none.
    over //= np.where(np.abs(over) > 2**20, under, 1)
    check_quantiles(Column("ratio", over, divisor=under, exponent=exponent), parts, best)


@given(st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 9)), max_size=40), PARTS, BEST)
@example([0.1, 0.3, 0.30000000000000004], 3, "high").via("neighbours")
@example([0.0, -0.0, 1.0], 2, "low").via("two zeros are one value")
def test_quantiles_of_floats(values: list[float], parts: int, best: Best) -> None:
    check_quantiles(Column("float", np.array(values, np.float64)), parts, best)


def told_apart(value: float) -> Fraction:
    """What a float counts as: near to zero, and far away, no edge can tell one from another."""
    return Fraction(0 if abs(value) < 1e-20 else min(max(value, -1e18), 1e18))


@given(st.lists(st.floats(allow_nan=False) | st.floats(-1e-18, 1e-18), max_size=40), PARTS, BEST)
@example([1e-300, 2e-300, 3e-300], 3, "low").via("near to zero")
@example([1e300, 2e300, 3e300], 3, "high").via("far away")
@example([-math.inf, 0.0, math.inf], 3, "high").via("infinity")
@example([math.nextafter(1e-20, 0), 1e-20, math.nextafter(1e-20, 1)], 3, "high").via("the limit")
@example([math.nextafter(1e18, 0), 1e18, math.nextafter(1e18, 1e19)], 3, "low").via("the other")
def test_quantiles_of_floats_of_any_size(values: list[float], parts: int, best: Best) -> None:
    column = Column("float", np.array(values, np.float64))
    bands, problems = quantile_bands(column, parts, best).bind("float")
    assert problems == []
    assert bands is not None
    assert bands.apply(column, NOW, UTC).to_list() == by_rank(
        [told_apart(value) for value in values], parts, best
    )


@given(
    st.lists(st.tuples(st.integers(-(2**62), 2**62), st.integers(1, 2**63 - 1)), max_size=9),
    PARTS,
    BEST,
    EXPONENTS,
)
@example([(2**62 - 1, 2**62), (2**62 - 2, 2**62 - 1)], 2, "high", 2).via("as near as can be")
def test_quantiles_of_any_ratios_are_bands_or_refused(
    fractions: list[tuple[int, int]], parts: int, best: Best, exponent: int
) -> None:
    over, under = (np.array([one[at] for one in fractions], np.int64) for at in (0, 1))
    column = Column("ratio", over, divisor=under, exponent=exponent)
    _, problems = quantile_bands(column, parts, best).bind("ratio", exponent=exponent)
    assert {one.code for one in problems} <= {"out_of_range"}


def as_column(values: Sequence[Fraction | float | None], kind: Literal["ratio", "float"]) -> Column:
    known = np.array([value is not None for value in values], bool)
    if kind == "float":
        return Column("float", np.array([float(value or 0) for value in values]), known)
    pairs = [(value or Fraction(0)).as_integer_ratio() for value in values]
    over, under = (np.array([one[at] for one in pairs], np.int64) for at in (0, 1))
    # Written otherwise from row to row, as means are: 1/2 and 2/4.
    more = 1 + np.arange(len(values)) % 3
    return Column("ratio", over * more, known, under * more, exponent=2)


@given(
    st.lists(st.tuples(st.none() | st.integers(-40, 40), st.integers(1, 4)), max_size=20),
    st.sampled_from(["ratio", "float"]),
    PARTS,
    BEST,
    st.randoms(use_true_random=False),
)
def test_a_row_may_stand_for_several_customers(
    rows: list[tuple[int | None, int]],
    kind: Literal["ratio", "float"],
    parts: int,
    best: Best,
    chance: Random,
) -> None:
    values = [None if value is None else Fraction(value, 8) for value, _ in rows]
    each = [value for value, (_, times) in zip(values, rows, strict=True) for _ in range(times)]
    chance.shuffle(each)
    customers = np.array([times for _, times in rows], np.int64)
    counted = quantile_bands(as_column(values, kind), parts, best, customers)
    assert counted == quantile_bands(as_column(each, kind), parts, best)


@given(st.dictionaries(numbers, st.integers(1, 2**60), min_size=1, max_size=7), PARTS, BEST)
@example({1: 2**62 - 1, 2: 2**62 - 1, 3: 1}, 10, "high").via("as many as there may be")
def test_many_customers_are_counted_exactly(times: dict[int, int], parts: int, best: Best) -> None:
    column = Column("int", np.array(list(times), np.int64))
    written = quantile_bands(column, parts, best, np.array(list(times.values()), np.int64))
    bands, _ = written.bind("int")
    assert bands is not None
    total = sum(times.values())

    def points_of(value: int) -> int:
        worse = [one < value if best == "high" else one > value for one in times]
        return 1 + parts * sum(compress(times.values(), worse)) // total

    assert bands.apply(column, NOW, UTC).to_list() == [points_of(value) for value in times]
