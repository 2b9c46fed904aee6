"""Axes: the values of one fact or attribute, cut where anything in a policy could change.

Between two cuts all values are decided alike, as far as they are compared with literals or banded.
So one value of each cell stands for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np

from crmcore.columns import Column, Value
from crmcore.conditions import FieldType

__all__ = ["WHOLE", "Axis", "Cell", "Cut", "Raw", "axis_of", "unit_of"]

Raw: TypeAlias = int | float | Fraction | str
"""A value in the unit of its column: whole numbers, minor units, days, microseconds, label text."""
Cut: TypeAlias = tuple[Fraction, int]
"""A number, and 0 where the cut is just below it, 1 where it is just above."""
Ends: TypeAlias = tuple[int | Fraction, int | Fraction]

WHOLE: Final = frozenset(["int", "money", "date", "instant"])
"""The kinds whose values are whole numbers of a unit."""

_OTHER: Final = "another"
_SECOND_US: Final = 10**6
_CENT: Final = Fraction(1, 100)
_NEAR: Final = Fraction(1, 10**6)


def unit_of(type_: FieldType, at: Fraction) -> Fraction:
    """Return how far apart two values beside each other are: one on a cut, one off it.

    A second for instants, and for floats a millionth, as people write them.
    """
    match type_.kind:
        case "instant":
            return Fraction(_SECOND_US)
        case "ratio" if not type_.exponent:
            return _CENT
        case "float":
            return _NEAR * max(abs(at), Fraction(1))
    return Fraction(1)


@dataclass(frozen=True, slots=True)
class Cell:
    """Values of one axis that a policy does not tell apart.

    Parameters
    ----------
    samples
        Some of the values, the one that stands for all first; none where the value is missing.
    low, high
        For whole numbers: the least and the greatest of the values.
    edges
        For numbers and moments: those of the values just beside a cut.
    """

    samples: tuple[Raw, ...]
    low: int | None = None
    high: int | None = None
    edges: tuple[Raw, ...] = ()

    @property
    def is_missing(self) -> bool:
        """Whether this is the cell of the missing value."""
        return not self.samples

    @property
    def value(self) -> Raw | None:
        """The value that stands for all; ``None`` for missing."""
        return self.samples[0] if self.samples else None

    def holds(self, value: int) -> bool:
        """Whether a whole number is one of the values."""
        return self.low is not None and self.high is not None and self.low <= value <= self.high

    @property
    def is_negative(self) -> bool:
        """Whether the value that stands for all is a number below 0."""
        return isinstance(self.value, int | float | Fraction) and self.value < 0


@dataclass(frozen=True, slots=True)
class Axis:
    """The cells of one fact or attribute: ascending, missing last.

    Parameters
    ----------
    name
        The fact or attribute.
    type
        What it holds.
    cells
        Its cells.
    settable
        Whether a customer can be given such a value; not so for a host's score, which only its
        own code can tell.

    Examples
    --------
    >>> axis = axis_of("sale_count", FieldType("int"), {(Fraction(3), 0)}, (0, 9))
    >>> [cell.samples for cell in axis.cells]
    [(0, 1, 2), (3, 4, 8, 9), ()]
    >>> axis.column([0, 5, None]).to_list()
    [0, 5, None]
    """

    name: str
    type: FieldType
    cells: tuple[Cell, ...]
    settable: bool = True

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def values(self) -> tuple[Value, ...]:
        """Values worth trying: at each edge, beside it, between, and missing; as Python values."""
        raw: list[Raw | None] = []
        for cell in self.cells:
            raw += cell.samples or (None,)
        return tuple(self.column(raw))

    @property
    def beside(self) -> tuple[Raw | None, ...]:
        """The values on both sides of each cut; where there is none, of each cell its own."""
        return tuple(one for cell in self.cells for one in cell.edges or (cell.value,))

    def cell_of(self, sample: Raw | None) -> int:
        """Return the place of the cell of which a value is a sample."""
        return next(at for at, cell in enumerate(self.cells) if sample in (cell.samples or (None,)))

    def only(self, raw: Iterable[Raw | None]) -> Axis:
        """Return an axis on which each of some values is a cell of its own."""
        values = dict.fromkeys(raw)
        known: list[Raw] = [one for one in values if one is not None]
        if self.type.kind not in ("label", "text"):
            known.sort()
        is_whole = self.type.kind in WHOLE
        cells = [Cell((one,), int(one), int(one)) if is_whole else Cell((one,)) for one in known]
        return replace(self, cells=(*cells, *([Cell(())] if None in values else [])))

    def column(self, raw: Sequence[Raw | None]) -> Column:
        """Return a column of values in the column's own unit, ``None`` for missing."""
        known = np.array([one is not None for one in raw], np.bool_)
        kind, exponent = self.type.kind, self.type.exponent
        if kind == "ratio":
            exact = [Fraction(0 if one is None else one) for one in raw]
            top = np.array([one.numerator for one in exact], np.int64)
            bottom = np.array([one.denominator for one in exact], np.int64)
            return Column(kind, top, known, bottom, exponent)
        if kind == "text":
            texts = np.empty(len(raw), np.object_)
            texts[:] = ["" if one is None else one for one in raw]
            return Column(kind, texts, known)
        if kind == "label":
            labels = self.type.categories or self._labels
            codes = [0 if one is None else labels.index(str(one)) for one in raw]
            return Column(kind, np.array(codes, np.int64), known, categories=labels)
        dtype = {"float": np.float64, "bool": np.bool_}.get(kind, np.int64)
        return Column(kind, np.array([one or 0 for one in raw], dtype), known, exponent=exponent)

    @property
    def _labels(self) -> tuple[str, ...]:
        return tuple(str(cell.value) for cell in self.cells if not cell.is_missing)


def axis_of(
    name: str,
    type_: FieldType,
    cuts: Iterable[Cut],
    ends: Ends,
    texts: Iterable[str] = (),
    *,
    settable: bool = True,
) -> Axis:
    """Return the axis of a field.

    Parameters
    ----------
    name, type_
        The field.
    cuts
        Where it is cut, for numbers and moments.
    ends
        The least and the greatest value it can have, both possible; of labels and texts nothing.
        Where the first is above the second it is always missing.
    texts
        The labels or texts that the policy names, where the type does not list them.
    settable
        As for `Axis`.
    """
    if type_.kind == "bool":
        cells = [Cell((False,)), Cell((True,))]
    elif type_.kind in ("label", "text"):
        cells = [Cell((one,)) for one in type_.categories or _texts(texts)]
    elif type_.kind in WHOLE:
        cells = list(_whole(type_, cuts, int(ends[0]), int(ends[1])))
    else:
        cells = list(_dense(type_, cuts, Fraction(ends[0]), Fraction(ends[1])))
    if type_.nullable or not cells:
        cells.append(Cell(()))
    return Axis(name, type_, tuple(cells), settable)


def _texts(named: Iterable[str]) -> Iterator[str]:
    """Yield the texts named, and one that nobody names."""
    distinct = sorted(set(named))
    yield from distinct
    other = _OTHER
    while other in distinct:
        other += "_"
    yield other


def _whole(type_: FieldType, cuts: Iterable[Cut], low: int, high: int) -> Iterator[Cell]:
    if low > high:
        return
    # Of two cuts at one place the one that lies on a value written so is kept: 3 of > 2 and >= 3.
    places = {math.floor(at) + 1 if side else math.ceil(at): (at, side) for at, side in
              sorted(cuts, key=lambda cut: -cut[1])}  # fmt: skip
    starts = [low, *sorted(place for place in places if low < place <= high), high + 1]
    # Of moments the latest stands for all, of numbers the one nearest to zero.
    zero = high if type_.kind in ("date", "instant") else 0
    for start, after in pairwise(starts):
        end = after - 1
        near = min(max(zero, start), end)
        samples = dict.fromkeys([near, start, start + 1, end - 1, end])
        edges = _edges(type_, places.get(start), places.get(after))
        inside = dict.fromkeys(min(max(math.floor(one), start), end) for one in edges)
        usable = _usable(type_, [one for one in samples if start <= one <= end])
        yield Cell(usable, start, end, tuple(inside))


def _dense(type_: FieldType, cuts: Iterable[Cut], low: Fraction, high: Fraction) -> Iterator[Cell]:
    if low > high:
        return
    known = set(cuts)
    inner = sorted(cut for cut in known if (low, 0) < cut < (high, 1))
    for start, end in pairwise([(low, 0), *inner, (high, 1)]):
        samples = list(_samples(type_, start, end))
        if samples:  # no float lies between two neighbours
            own = [cut if cut in known else None for cut in (start, end)]
            near = [_raw(type_, one) for one in _edges(type_, *own)]
            edges = (one if _lies(one, start, end) else samples[-1] for one in near)
            yield Cell(_usable(type_, samples), edges=tuple(dict.fromkeys(edges)))


def _edges(type_: FieldType, start: Cut | None, end: Cut | None) -> Iterator[Fraction]:
    """Yield the values beside the cuts before and after a cell, where there are any."""
    if start is not None:
        at, side = start
        yield at + unit_of(type_, at) * side
    if end is not None:
        at, side = end
        yield at - unit_of(type_, at) * (1 - side)


def _raw(type_: FieldType, value: Fraction) -> Raw:
    return float(value) if type_.kind == "float" else value


def _lies(value: Raw, start: Cut, end: Cut) -> bool:
    exact = Fraction(value)
    return start <= (exact, 0) and (exact, 1) <= end


def _usable(type_: FieldType, samples: Sequence[Raw]) -> tuple[Raw, ...]:
    """Return the samples that calculations take, if there are any."""
    low, high = type_.domain
    most = type_.greatest_divisor
    inside = [
        one
        for one in samples
        if isinstance(one, int | Fraction)
        and low <= one.numerator <= high
        and one.denominator <= most
    ]
    return tuple(inside or samples)


def _samples(type_: FieldType, start: Cut, end: Cut) -> Iterator[Raw]:
    (low, _), (high, _) = start, end
    wanted = [Fraction(0), low, low + 1, (low + high) / 2, high - 1, high]
    seen: set[Raw] = set()
    for one in wanted:
        raw = _raw(type_, one)
        if _lies(raw, start, end) and raw not in seen:
            seen.add(raw)
            yield raw
