"""Probing: where a test of a calculated value turns, found by trying.

A plain field against a literal turns at the literal. For ``divide(net_sales, sale_count, 0) > 9``
one field at a time is moved over its whole range, the others held, and where the answer changes the
place is narrowed down to two neighbouring values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crmcore.calendars import DAY_US
from crmcore.columns import Column, Mask
from crmcore.conditions import (
    Bound,
    BoundBand,
    BoundBetween,
    BoundCase,
    BoundCompare,
    BoundField,
    BoundIn,
    BoundKnown,
    BoundPair,
    BoundValue,
    FieldType,
    evaluate,
    parts_of,
)
from crmcore.conditions.typed.literals import Edge
from crmcore.workbench.testing.values import column_of

__all__ = ["Found", "is_calculated", "probed"]

_SETTINGS: Final = 6
_STEPS: Final = 64
_NUMBERS: Final = ("int", "money", "ratio")
_MOMENTS: Final = ("date", "instant")
_Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """A value of a field beside which a test turns, or at which another field was held."""

    name: str
    edge: Edge


def is_calculated(atom: Bound) -> bool:
    """Whether a test looks at more than one plain field and literals."""
    return any(not isinstance(value, BoundField) for value in _values(atom))


def _values(atom: Bound) -> Iterator[BoundValue]:
    match atom:
        case BoundBetween():
            yield from _values(atom.low)
            yield from _values(atom.high)
        case BoundPair():
            yield from (atom.left, atom.right)
        case BoundIn() | BoundKnown():
            yield atom.item


def _fields(value: BoundValue) -> Iterator[BoundField]:
    if isinstance(value, BoundField):
        yield value
    if isinstance(value, BoundCase):
        for condition, _ in value.rows:
            yield from _fields_of(condition)
    for part in parts_of(value):
        yield from _fields(part)


def _fields_of(atom: Bound) -> Iterator[BoundField]:
    if isinstance(atom, BoundCompare):
        yield BoundField(atom.name, atom.type)
    for value in _values(atom):
        yield from _fields(value)


def probed(
    atom: Bound,
    pools: Mapping[str, Sequence[Edge]],
    given: Mapping[str, Column],
    today: int,
) -> Iterator[Found]:
    """Yield values of the fields beside which a test of a calculated value turns.

    Parameters
    ----------
    atom
        The test.
    pools
        For each field values at which it may be held.
    given
        The moments that conditions may name.
    today
        The day of the evaluation, in days since 1970-01-01.
    """
    for value in _values(atom):
        yield from _of_bands(value)
    types = {one.name: one.type for one in _fields_of(atom) if one.name not in given}
    for name, type_ in types.items():
        if type_.kind not in (*_NUMBERS, *_MOMENTS):
            continue
        others = {one: _pool(pools.get(one, ()), of, today) for one, of in types.items()}
        longest = max(map(len, others.values()))
        for setting in range(min(_SETTINGS, longest)):
            held = {
                one: pool[setting % len(pool)]
                for one, pool in others.items()
                if one != name and pool
            }
            probe = _Probe(atom, name, types, held, given)
            ends = list(probe.turns(_ladder(type_, today)))
            if ends:
                yield from (Found(name, Fraction(one)) for one in ends)
                yield from (Found(one, edge) for one, edge in held.items())


def _of_bands(value: BoundValue) -> Iterator[Found]:
    """Yield both neighbours of the edges of bands over a field, wherever they stand."""
    if isinstance(value, BoundBand) and isinstance(value.value, BoundField):
        for edge in value.edges:
            if isinstance(edge, int | Fraction):
                yield from (Found(value.value.name, Fraction(edge) + step) for step in (-1, 0))
    for part in parts_of(value):
        yield from _of_bands(part)


def _pool(pool: Sequence[Edge], type_: FieldType, today: int) -> list[Edge]:
    """Return values at which a field may be held: some given ones, or else some of its own."""
    if pool:
        return list(pool)
    match type_.kind:
        case "bool":
            return [False, True]
        case "label" | "text":
            return [*type_.categories] or ["another"]
        case "float":
            return [0.0, 1.0]
        case "date" | "instant":
            unit = 1 if type_.kind == "date" else DAY_US
            return [Fraction((today - days) * unit) for days in (400, 40, 4)]
    return [Fraction(one * 10**type_.exponent) for one in (0, 1, 3)]


def _ladder(type_: FieldType, today: int) -> _Numbers:
    """Return numbers over the whole range of a field, close together where they are small."""
    low, high = type_.domain
    steps = {sign * 2**power + more for power in range(44) for sign in (1, -1) for more in (0, 1)}
    if type_.kind in _MOMENTS:
        unit = 1 if type_.kind == "date" else DAY_US
        steps = {(today + step) * unit for step in steps if abs(step) < 2**20}
    return np.array(sorted(one for one in {0, *steps} if low <= one <= high), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Probe:
    """One test as a question about one field, all others held."""

    atom: Bound
    name: str
    types: Mapping[str, FieldType]
    held: Mapping[str, Edge]
    given: Mapping[str, Column]

    def turns(self, ladder: _Numbers) -> Iterator[int]:
        """Yield both neighbours of each place between the numbers where the answer changes."""
        answers = self.answers(ladder)
        at = np.flatnonzero(answers[1:] != answers[:-1])
        low, high, first = ladder[at], ladder[at + 1], answers[at]
        for _ in range(_STEPS):
            if not len(low) or (high - low).max() <= 1:
                break
            middle = low + (high - low) // 2
            same = self.answers(middle) == first
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        yield from low.tolist()
        yield from high.tolist()

    def answers(self, numbers: _Numbers) -> NDArray[np.int8]:
        """Return 1 where the test holds, 0 where not, -1 where it is unknown."""
        rows = len(numbers)
        columns = {
            name: column_of([self.held[name]] * rows, type_)
            for name, type_ in self.types.items()
            if name != self.name
        }
        columns[self.name] = self._moved(numbers)
        truth = evaluate(self.atom, {**self.given, **columns}, rows)
        known: Mask = np.ones(rows, np.bool_) if truth.known is None else truth.known
        return np.where(known, truth.true.astype(np.int8), np.int8(-1))

    def _moved(self, numbers: _Numbers) -> Column:
        type_ = self.types[self.name]
        divisor = np.ones(len(numbers), np.int64) if type_.kind == "ratio" else None
        return Column(type_.kind, numbers, None, divisor, type_.exponent)
