"""Quantile bands: points by rank among measured customers, frozen as plain edges.

Everything is counted in whole numbers, so that equal values always get equal points.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from crmcore.bands.nodes import MAX_DIGITS, Edge, PointBands
from crmcore.columns import Column, Ints, Value

__all__ = ["Best", "quantile_bands"]

Best: TypeAlias = Literal["high", "low"]

_NEAR, _FAR = 1e-20, 1e18
"""Floats nearer to zero are not told apart, nor are floats farther away: no edge could do it."""


def quantile_bands(
    column: Column, parts: int, best: Best = "high", customers: Ints | None = None
) -> PointBands:
    """Return the bands that give each value of a column its points by rank.

    Of n customers whose value is known, with ``best="high"``, a value v gets
    1 + ⌊parts · (customers under v) ÷ n⌋ points; with ``best="low"`` those over v are counted. Each
    edge lies at the least value seen in its band. Under the least value seen the points are those
    of that value.

    Parameters
    ----------
    column
        Whole numbers, money, ratios or floats. What is missing is not measured. Where all values
        are equal, or there are none, there is one band, with 1 point. Values that no edge could
        tell apart count as equal: ratios alike in 38 decimals, floats nearer to zero than 1e-20,
        and floats farther than 1e18.
    parts
        The most points there are.
    best
        Whether high or low values get the most points.
    customers
        For each row how many customers have its value: 1 or more, together at most 2**63 - 1. By
        default one each. The order of rows, and how many of them share a value, does not matter.

    Notes
    -----
    Cost: one sort. Ratios are sorted as exact whole numbers of Python.

    Examples
    --------
    >>> quantile_bands(Column("int", np.array([1, 1, 1, 1, 2, 9])), 3).from_
    ((2, 3),)
    >>> quantile_bands(Column("int", np.array([9, 2, 1])), 3, "high", np.array([1, 1, 4])).from_
    ((2, 3),)
    >>> bands = quantile_bands(Column("int", np.array([3, 10, 40, 90])), 4, best="low")
    >>> bands.below, bands.from_
    (4, ((10, 3), (40, 2), (90, 1)))
    """
    known, levels, rows = _ascending(column)
    _, first = np.unique(levels, return_index=True)
    starts = [int(row) for row in first]
    counts = np.ones(len(column), np.int64) if customers is None else customers
    sizes = np.add.reduceat(counts[rows], first) if starts else np.zeros(0, np.int64)
    total, upto = int(sizes.sum()), sizes.cumsum()
    worse = upto - sizes if best == "high" else total - upto
    # With how many worse ones each further point begins: no product leaves 64 bits.
    steps = np.array([-(-part * total // parts) for part in range(1, parts)], np.int64)
    points = 1 + np.searchsorted(steps, worse, side="right")
    opening = [int(at) + 1 for at in np.flatnonzero(np.diff(points))]
    edges = [(_edge(known, starts[at], known[starts[at] - 1]), int(points[at])) for at in opening]
    below = int(points[0]) if starts else 1
    return PointBands.model_validate({"below": below, "from": edges or [(_only(known), below)]})


def _ascending(column: Column) -> tuple[Column, NDArray[np.generic], Ints]:
    """Return the known values in ascending order, levels, and the rows that they stand in.

    Levels are equal where values count as equal. Between two values of different levels lies an
    edge of at most `MAX_DIGITS` decimals.
    """
    there = np.flatnonzero(column.is_known())
    known = column.take(there)
    levels: NDArray[Any] = known.values
    if column.kind == "float":
        levels = np.clip(cast(NDArray[np.float64], known.values), -_FAR, _FAR)
        known = Column("float", levels)
    if column.kind == "ratio":
        assert known.divisor is not None  # as every ratio has
        scale = 10 ** (MAX_DIGITS - column.exponent)
        levels = levels.astype(object) * scale // known.divisor.astype(object)
    order = np.argsort(levels)
    levels = levels[order]
    if column.kind == "float":
        levels = np.where(np.abs(levels) < _NEAR, 0.0, levels)
    return known.take(order), levels, there[order]


def _only(column: Column) -> Edge:
    """Return the edge of a single band: at the one value seen, or at 0 where there is none."""
    if not len(column):
        zero, one = np.zeros(1, np.int64), np.ones(1, np.int64)
        column = Column(column.kind, zero, divisor=one, exponent=column.exponent)
    return _edge(column, 0, None)


def _edge(column: Column, row: int, under: Value) -> Edge:
    """Return an edge that a row's value reaches and `under` does not, with few decimals.

    It is spelled as in a policy: amounts of money as text.
    """
    value: Any = column[row]
    if column.kind in ("int", "money"):
        return value if column.kind == "int" else format(value, "f")
    digits = max(column.exponent, 1)
    edge = _floor(Fraction(value), digits)
    while under is not None and Fraction(edge) <= Fraction(cast(Fraction, under)):
        digits += 1
        edge = _floor(Fraction(value), digits)
    return format(edge, "f") if column.exponent else edge


def _floor(value: Fraction, digits: int) -> Decimal:
    """Return the greatest decimal with so many digits that is not above a value, exactly."""
    sign, ciphers, _ = Decimal(int(value * 10**digits // 1)).as_tuple()
    return Decimal((sign, ciphers, -digits))
