"""Cuts: the places in a policy's values where a decision turns, and what lies just beside them.

Beside a cut lie the nearest values on either side: the neighbours of whole numbers, money and
days; of a ratio the edge itself, and what is at most a minor unit away; of instants what is less
than a second away. Of a score it is the nearest values that can occur at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from crmcore.analysis.axes import unit_of
from crmcore.calendars import DAY_US, day_number
from crmcore.columns import Column, Mask
from crmcore.conditions import (
    Bound,
    BoundBetween,
    BoundCompare,
    BoundField,
    BoundPair,
    BoundValue,
    FieldType,
)
from crmcore.conditions.evaluators.evaluation import operand
from crmcore.conditions.evaluators.exact import Exact, compare, difference, exact_of
from crmcore.scoring import BandStep
from crmcore.timing import Timing
from crmcore.workbench.testing.values import as_text

__all__ = ["Cut", "Ends", "Sides", "cuts_of_atom", "cuts_of_bands", "equals"]

_ORDER: Final = ("<", "<=", ">", ">=")
_EXACT: Final = ("int", "money", "ratio", "date", "instant")


class Ends(NamedTuple):
    """The nearest values below and above a cut that can occur; ``None``: there is none."""

    lower: int | None
    upper: int | None


class Sides(NamedTuple):
    """Which rows lie just below a cut, and which just above."""

    lower: Mask
    upper: Mask


@dataclass(frozen=True, slots=True)
class Cut:
    """A place between two values of a field, or of an expression.

    Parameters
    ----------
    below, above
        What is said of a value just below the cut, and of one just above.
    item, type
        What is cut, and what kind of value that is.
    at, belongs_below
        The edge in the field's own unit, and whether it lies below the cut itself (as with ``>``).
    other
        What `item` is compared with where that is no literal; `at` is 0 then.
    by_day
        Whether whole local days lie beside the cut.
    """

    below: str
    above: str
    item: BoundValue
    type: FieldType
    at: Fraction
    belongs_below: bool = False
    other: BoundValue | None = None
    by_day: bool = False

    @property
    def name(self) -> str | None:
        """The field that is cut; ``None`` for an expression."""
        return self.item.name if isinstance(self.item, BoundField) else None

    @property
    def near(self) -> tuple[Fraction, Fraction]:
        """How far from the edge a value may be on the edge's own side, and on the other."""
        if self.by_day and self.type.kind == "instant":
            return Fraction(DAY_US - 1), Fraction(DAY_US)
        unit = unit_of(self.type, self.at)
        return unit - 1 if self.type.kind == "instant" else Fraction(0), unit

    def sides(self, columns: Mapping[str, Column], rows: int) -> Sides:
        """Return the rows whose value lies just beside the cut."""
        values, known = self._values(columns)
        own, beyond = self.near
        at = self.at
        if self.belongs_below:
            lower = _within(values, at - own, at)
            upper = _within(values, at, at + beyond) & ~_within(values, at, at)
        else:
            upper = _within(values, at, at + own)
            lower = _within(values, at - beyond, at) & ~_within(values, at, at)
        return Sides(_spread(lower, known, rows), _spread(upper, known, rows))

    def ends(self, columns: Mapping[str, Column], among: Mask) -> Ends:
        """Return the nearest whole numbers on either side that some of the rows have."""
        column = operand(self.item, columns)
        values = np.unique(column.values[among & column.is_known()]).tolist()
        below = [one for one in values if one < self.at or (self.belongs_below and one == self.at)]
        above = [one for one in values if one not in set(below)]
        return Ends(max(below, default=None), min(above, default=None))

    def _values(self, columns: Mapping[str, Column]) -> tuple[Exact | Column, Mask | None]:
        column = operand(self.item, columns)
        if self.type.kind == "float":
            return column, column.known
        if self.other is None:
            return exact_of(column), column.known
        other = operand(self.other, columns)
        both = column.is_known() & other.is_known()
        return difference(exact_of(column), exact_of(other)), both


def _within(values: Exact | Column, low: Fraction, high: Fraction) -> Mask:
    if isinstance(values, Column):
        floats = cast(NDArray[np.float64], values.values)
        return (floats >= float(low)) & (floats <= float(high))
    least = Exact(low.numerator, low.denominator)
    greatest = Exact(high.numerator, high.denominator)
    return compare(">=", values, least) & compare("<=", values, greatest)


def _spread(mask: Mask, known: Mask | None, rows: int) -> Mask:
    return np.broadcast_to(mask if known is None else mask & known, rows)


def equals(column: Column, value: int | None, rows: int) -> Mask:
    """Return the rows of a whole-number column that have a value."""
    if value is None:
        return np.zeros(rows, np.bool_)
    return np.broadcast_to((column.values == value) & column.is_known(), rows)


def cuts_of_atom(atom: Bound, edge: str = "the edge") -> Iterator[Cut]:
    """Yield where a comparison by order turns; equality has no edge beside its own value."""
    match atom:
        case BoundBetween():
            yield from cuts_of_atom(atom.low, "the low edge")
            yield from cuts_of_atom(atom.high, "the high edge")
        case BoundCompare() if atom.test in _ORDER and atom.type.kind in (*_EXACT, "float"):
            if isinstance(atom.edge, Fraction | int | float):
                item = BoundField(atom.name, atom.type)
                yield _of_test(atom, edge, item, atom.type, Fraction(atom.edge))
        case BoundPair() if atom.op in _ORDER and atom.left.type.kind in _EXACT:
            type_ = atom.left.type
            if atom.right.type.kind == "ratio":
                type_ = atom.right.type
            yield _of_test(atom, edge, atom.left, type_, Fraction(0), atom.right)


def _of_test(
    atom: BoundCompare | BoundPair,
    edge: str,
    item: BoundValue,
    type_: FieldType,
    at: Fraction,
    other: BoundValue | None = None,
) -> Cut:
    belongs_below = (atom.test if isinstance(atom, BoundCompare) else atom.op) in (">", "<=")
    words = f"{edge} of {atom.text}"
    below, above = (f"at {words}", f"just above {words}") if belongs_below else (
        f"just below {words}", f"at {words}")  # fmt: skip
    return Cut(below, above, item, type_, at, belongs_below, other)


def cuts_of_bands(step: BandStep, timing: Timing) -> Iterator[Cut]:
    """Yield the edges of bands, ascending; those of ``within`` as of a moment."""
    bands = step.bands
    item = BoundField(step.source, FieldType(bands.kind, bands.exponent))
    values = bands.edge_values(timing.of(windowed=step.windowed))
    if not bands.spans:
        for edge, value in zip(bands.edges.tolist(), values, strict=True):
            at, text = Fraction(edge) / bands.scale, as_text(value)
            below, above = f"just below {text}", f"at {text}"
            yield Cut(below, above, item, item.type, at)
        return
    for span, day in zip(bands.spans, values, strict=True):
        assert isinstance(day, date)  # as the edges of spans are
        first = day_number(day)
        if bands.kind == "instant":
            first = int(timing.zone.day_starts(np.array([first], np.int64))[0])
        below, above = f"a day longer ago than {span}", f"just {span} ago"
        yield Cut(below, above, item, item.type, Fraction(first), by_day=True)
