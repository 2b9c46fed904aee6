"""The smallest change of a row that would change what a condition says of it.

Values are tried, not solved for: just at and just beside every edge, and, for fields in
calculations, where doubling steps and then halving find the place at which a comparison turns.
Whatever is told was put through the condition itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import combinations, product
from typing import Final, TypeAlias

import numpy as np

from crmcore.calendars.moments import day_number, instant_us
from crmcore.columns import Column, Ints, Mask, Value
from crmcore.conditions.evaluators.blocks import Block
from crmcore.conditions.evaluators.evaluation import evaluate, operand
from crmcore.conditions.typed.binding import GIVEN
from crmcore.conditions.typed.bound import (
    Bound,
    BoundField,
    BoundPair,
    Leaf,
    fields_of,
    leaves_of,
    note_fields,
    thresholds,
    values_of,
)
from crmcore.conditions.typed.expressions import alike
from crmcore.conditions.typed.types import FieldType

__all__ = ["FieldChange", "smallest_change"]

_TRIALS: Final = 50_000
_STEPS: Final = tuple(2**power for power in range(62))
_EQUAL: Final = ("==", "!=")
_STEPPED: Final = ("int", "money", "date", "instant", "ratio")

_Raw: TypeAlias = tuple[int | float, int]
"""A value in the unit of its column, and its divisor: 1 unless the column is a ratio."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field, the value it has and the value it would need."""

    field: str
    seen: Value
    needed: Value


def smallest_change(
    bound: Bound, columns: Mapping[str, Column], row: int, *, most: int | None = None
) -> tuple[FieldChange, ...] | None:
    """Return the fewest fields, and their nearest values, that turn a condition for one row.

    A condition that is true becomes false; one that is false or unknown becomes true. Where
    several fields would do, those named first in the condition are told. Personal fields,
    ``as_of`` and ``last_evaluated_at`` stay as they are, and so do floats in calculations.

    Parameters
    ----------
    bound, columns
        As for `evaluate`.
    row
        Position from 0.
    most
        How many fields may change; by default all.

    Returns
    -------
    The changes, which all are needed; ``None`` when nothing was found within 50,000 trials.

    Examples
    --------
    >>> from crmcore.conditions import bind, parse
    >>> fields = {"total": FieldType("money", 2), "count": FieldType("int", low=0)}
    >>> bound, _ = bind(parse("divide(total, count, 0) >= 300 and count > 1"), fields, "x")
    >>> total = Column("money", np.array([50_000]), exponent=2)
    >>> columns = {"total": total, "count": Column("int", np.array([2]))}
    >>> for change in smallest_change(bound, columns, 0):
    ...     print(change)
    FieldChange(field='total', seen=Decimal('500.00'), needed=Decimal('600.00'))
    """
    here = Block(columns, np.array([row]), 1)
    wanted = evaluate(bound, here, 1)[0] is not True
    types = {
        name: type_
        for name, type_ in fields_of(bound).items()
        if not type_.personal and name not in GIVEN
    }
    tried = {name: _candidates(bound, name, type_, here) for name, type_ in types.items()}
    tried = {name: values for name, values in tried.items() if values}
    left = _TRIALS
    for count in range(1, min(len(tried), most or len(tried)) + 1):
        for names in combinations(tried, count):
            left -= math.prod(len(tried[name]) for name in names)
            if left < 0:
                return None
            found = _try(bound, here, {name: tried[name] for name in names}, wanted)
            if found is not None:
                return found
    return None


def _try(
    bound: Bound, here: Block, tried: Mapping[str, list[_Raw]], wanted: bool
) -> tuple[FieldChange, ...] | None:
    """Return the nearest values of these fields that do."""
    places = list(product(*(range(len(values)) for values in tried.values())))
    trial: dict[str, Column] = {}
    for at, (name, values) in enumerate(tried.items()):
        trial[name] = _column(here[name], [values[place[at]] for place in places])
    truth = evaluate(bound, _Changed(here, trial), len(places))
    holds = np.flatnonzero(truth.is_known() & (truth.true == wanted)).tolist()
    if not holds:
        return None
    best = min(holds, key=lambda one: sum(places[one]))
    return tuple(FieldChange(name, here[name][0], trial[name][best]) for name in tried)


class _Changed(dict[str, Column]):
    """The columns of a row, some of them replaced."""

    def __init__(self, here: Block, changed: Mapping[str, Column]) -> None:
        super().__init__(changed)
        self._here = here

    def __missing__(self, name: str) -> Column:
        return self._here[name]


# Values worth trying


def _candidates(bound: Bound, name: str, type_: FieldType, here: Block) -> list[_Raw]:
    """Return other values of a field, the nearest first."""
    column = here[name]
    seen = _raw(column)
    found: dict[_Raw, None] = {}
    if type_.kind == "bool":
        found.update({(0, 1): None, (1, 1): None})
    elif type_.kind == "label":
        found.update({(code, 1): None for code in range(len(column.categories))})
    elif type_.kind != "text":
        for field, literal in thresholds(bound):
            if field == name:
                found.update(dict.fromkeys(_around(literal, type_)))
        if type_.kind in _STEPPED:
            found.update(dict.fromkeys(_turns(bound, name, type_, here)))
    inside = [value for value in found if value != seen and _is_inside(value, type_)]
    return inside if seen is None else sorted(inside, key=lambda value: _distance(value, seen))


def _raw(column: Column) -> _Raw | None:
    if column.known is not None and not column.known[0]:
        return None
    if column.kind == "text":
        return None
    divisor = 1 if column.divisor is None else int(column.divisor[0])
    return column.values[0].item(), divisor


def _distance(one: _Raw, other: _Raw) -> Fraction:
    return abs(Fraction(one[0]) / one[1] - Fraction(other[0]) / other[1])


def _is_inside(value: _Raw, type_: FieldType) -> bool:
    if type_.kind not in _STEPPED:
        return True
    low, high = type_.domain
    return low <= value[0] <= high and value[1] <= type_.greatest_divisor


def _around(literal: Value, type_: FieldType) -> Iterator[_Raw]:
    """Yield what lies at an edge and just beside it."""
    match literal:
        case datetime():
            edge = Fraction(instant_us(literal))
        case date():
            edge = Fraction(day_number(literal))
        case _:
            assert isinstance(literal, (int, Decimal, str))  # a ratio's edge may be text
            edge = Fraction(literal) * 10**type_.exponent
    yield from _beside(edge, type_)


def _beside(edge: Fraction, type_: FieldType) -> Iterator[_Raw]:
    if type_.kind == "float":
        middle = float(edge)
        below, above = np.nextafter(middle, -np.inf), np.nextafter(middle, np.inf)
        yield from ((value, 1) for value in (middle, float(below), float(above)))
    elif type_.kind == "ratio":
        for value in (edge, edge - 1, edge + 1):
            yield value.numerator, value.denominator
    else:
        low, high = math.floor(edge), math.ceil(edge)
        yield from ((value, 1) for value in (low, high, high - 1, low + 1))


def _turns(bound: Bound, name: str, type_: FieldType, here: Block) -> Iterator[_Raw]:
    """Yield where comparisons that are no plain edges turn, above and below the value seen."""
    seen = _raw(here[name])
    start = 0 if seen is None else math.floor(Fraction(seen[0]) / seen[1])
    for leaf in leaves_of(bound):
        if name not in _calculated(leaf):
            continue
        yield from _opposite(leaf, name, type_, here)
        probe = leaf
        if isinstance(leaf, BoundPair) and leaf.left.type.kind in _STEPPED and leaf.op in _EQUAL:
            probe = replace(leaf, op=">=")  # being equal is too narrow to be met by steps
        for sign in (1, -1):
            value = _turn(probe, name, type_, here, start, sign)
            if value is not None:
                yield value, 1


def _opposite(leaf: Leaf, name: str, type_: FieldType, here: Block) -> Iterator[_Raw]:
    """Yield what lies at and beside the sides of a comparison that have the field's unit."""
    if not isinstance(leaf, BoundPair) or not alike(leaf.left.type, type_):
        return
    for side in (leaf.left, leaf.right):
        value = _raw(operand(side, here))
        if value is not None:
            yield from _beside(Fraction(value[0]) / value[1], type_)


def _calculated(leaf: Leaf) -> dict[str, FieldType]:
    """Return the fields of a comparison that is more than a field with a literal."""
    found: dict[str, FieldType] = {}
    values = list(values_of(leaf))
    for value in values:
        if len(values) > 1 or not isinstance(value, BoundField):
            note_fields(value, found)
    return found


def _turn(
    leaf: Leaf, name: str, type_: FieldType, here: Block, start: int, sign: int
) -> int | None:
    """Return the nearest value on one side at which the comparison is known to be otherwise."""
    low, high = type_.domain
    room = high - start if sign > 0 else start - low
    steps = [step for step in _STEPS if step < room] + ([room] if room > 0 else [])
    if not steps:
        return None
    before = evaluate(leaf, here, 1)[0]
    turned = _turned(leaf, name, here, [start + sign * step for step in steps], before)
    if not turned.any():
        return None
    first = int(turned.argmax())
    stays: int = steps[first - 1] if first else 0
    turns: int = steps[first]
    while turns - stays > 1:
        middle: int = (stays + turns) // 2
        if _turned(leaf, name, here, [start + sign * middle], before)[0]:
            turns = middle
        else:
            stays = middle
    return start + sign * turns


def _turned(leaf: Leaf, name: str, here: Block, values: list[int], before: bool | None) -> Mask:
    column = _column(here[name], [(value, 1) for value in values])
    truth = evaluate(leaf, _Changed(here, {name: column}), len(values))
    turned: Mask = truth.is_known() & (truth.true != bool(before))
    return turned


def _column(like: Column, values: list[_Raw]) -> Column:
    numbers = np.array([value for value, _ in values], like.values.dtype)
    divisor: Ints | None = None
    if like.divisor is not None:
        divisor = np.array([divisor for _, divisor in values], np.int64)
    return replace(like, values=numbers, known=None, divisor=divisor)
