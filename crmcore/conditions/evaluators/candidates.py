"""Values of one field that are worth trying: just at and just beside all places where it may turn.

Edges are read off the condition. In calculations, doubling steps and then ever smaller ones find
where a comparison turns; the values next to the one seen are all tried.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final, TypeAlias

import numpy as np

from crmcore.calendars.moments import day_number, instant_us
from crmcore.columns import Column, Ints, Mask, Value
from crmcore.conditions.evaluators.blocks import Block
from crmcore.conditions.evaluators.evaluation import evaluate, operand
from crmcore.conditions.typed.arithmetic import literal_type
from crmcore.conditions.typed.bound import (
    Bound,
    BoundBetween,
    BoundCompare,
    BoundField,
    BoundIn,
    BoundKnown,
    BoundLiteral,
    BoundPair,
    Leaf,
    fields_of,
    leaves_of,
    thresholds,
)
from crmcore.conditions.typed.literals import Edge
from crmcore.conditions.typed.types import FieldType, alike

__all__ = ["Changed", "Raw", "around", "candidates", "changed_column", "with_neighbours"]

_NEAR: Final = 500
_LITERALS: Final = 8
_POINTS: Final = 64
_STEPS: Final = tuple(2**power for power in range(62))
_STEPPED: Final = ("int", "money", "date", "instant", "ratio")

Raw: TypeAlias = tuple[int | float | str, int]
"""A value in the unit of its column, and its divisor: 1 unless the column is a ratio."""


class Changed(dict[str, Column]):
    """The columns of a row, some of them replaced."""

    def __init__(self, here: Block, changed: Mapping[str, Column]) -> None:
        super().__init__(changed)
        self._here = here

    def __missing__(self, name: str) -> Column:
        return self._here[name]


def changed_column(like: Column, values: Iterable[Raw]) -> Column:
    """Return a column of these values, all known."""
    given = list(values)
    dtype = like.values.dtype
    if dtype.kind in "iu":  # points and codes may have fewer bits than what is tried
        dtype = np.dtype(np.int64)
    numbers = np.array([value for value, _ in given], dtype)
    divisor: Ints | None = None
    if like.divisor is not None:
        divisor = np.array([divisor for _, divisor in given], np.int64)
    return replace(like, values=numbers, known=None, divisor=divisor)


def candidates(bound: Bound, name: str, type_: FieldType, here: Block) -> list[Raw]:
    """Return values of a field at and beside which a condition may turn, the nearest first."""
    column = here[name]
    if type_.kind in ("bool", "label"):
        codes = range(len(column.categories) or 2)
        return _ordered([(code, 1) for code in codes], column, type_)
    found: list[Raw] = []
    for field, literal in thresholds(bound):
        if field == name:
            found.extend(around(literal, type_))
    for probe in _probes(bound, name, here):
        found.extend(_sides(probe, type_, here))
        if type_.kind in _STEPPED:
            found.extend(_turns(probe, name, type_, here))
    return _ordered(found, column, type_)


def with_neighbours(
    values: list[Raw], bound: Bound, name: str, type_: FieldType, here: Block
) -> list[Raw]:
    """Return candidates of a field and, where it is calculated with, all next to the one seen."""
    if type_.kind not in _STEPPED or not any(True for _ in _probes(bound, name, here)):
        return values
    start = _start(here[name], type_)
    near = [(value, 1) for value in range(start - _NEAR, start + _NEAR + 1)]
    return _ordered([*values, *near], here[name], type_)


def _ordered(found: Iterable[Raw], column: Column, type_: FieldType) -> list[Raw]:
    seen = _raw(column)
    inside = _inside(dict.fromkeys(found), type_)
    if seen is None:
        return inside
    others = [one for one in inside if one != seen]
    number, divisor = seen
    if divisor == 1 and not isinstance(number, str) and all(one[1] == 1 for one in others):
        return sorted(others, key=lambda one: abs(one[0] - number))  # type: ignore[operator]  # no text
    return sorted(others, key=lambda one: _distance(one, seen))


def _raw(column: Column) -> Raw | None:
    if column.known is not None and not column.known[0]:
        return None
    value: int | float | str = column.values[:1].tolist()[0]
    return value, 1 if column.divisor is None else int(column.divisor[0])


def _number(raw: Raw) -> Fraction:
    assert not isinstance(raw[0], str)
    return Fraction(raw[0]) / raw[1]


def _start(column: Column, type_: FieldType) -> int:
    """Return the whole number from which a value moves; where nothing is known, that nearest 0."""
    seen = _raw(column)
    if seen is not None:
        return math.floor(_number(seen))
    low, high = type_.domain
    return max(low, min(high, 0))


def _distance(one: Raw, other: Raw) -> Fraction | float:
    if isinstance(one[0], str) or isinstance(other[0], str):
        return 0  # no text is nearer than another
    return abs(_number(one) - _number(other))


def _inside(values: Iterable[Raw], type_: FieldType) -> list[Raw]:
    if type_.kind not in _STEPPED:
        return list(values)
    (low, high), most = type_.domain, type_.greatest_divisor
    return [
        (number, divisor)
        for number, divisor in values
        if isinstance(number, str) or (low <= number <= high and divisor <= most)
    ]


# At and beside edges


def around(literal: Value, type_: FieldType) -> Iterator[Raw]:
    """Yield what lies at an edge and just beside it, in the unit of the field."""
    match literal:
        case datetime():
            edge = Fraction(instant_us(literal))
        case date():
            edge = Fraction(day_number(literal))
        case str() if type_.kind == "text":
            yield literal, 1
            return
        case _:
            assert isinstance(literal, (int, float, Decimal, str))  # a ratio's edge may be text
            edge = Fraction(literal) * 10**type_.exponent
    yield from _beside(edge, type_)


def _beside(edge: Fraction, type_: FieldType) -> Iterator[Raw]:
    if type_.kind == "float":
        middle = float(edge)
        below, above = np.nextafter(middle, -np.inf), np.nextafter(middle, np.inf)
        yield from ((value, 1) for value in (middle, float(below), float(above)))
    elif type_.kind == "ratio":
        top, bottom = edge.as_integer_ratio()
        yield from ((value, bottom) for value in (top, top - 1, top + 1))
    else:
        low, high = math.floor(edge), math.ceil(edge)
        yield from ((value, 1) for value in (low, high, high - 1, low + 1))


def _sides(probe: Leaf, type_: FieldType, here: Block) -> Iterator[Raw]:
    """Yield what lies at and beside the sides of a comparison that have the field's unit."""
    if not isinstance(probe, BoundPair) or not alike(probe.left.type, type_):
        return
    for side in (probe.left, probe.right):
        value = _raw(operand(side, here))
        if value is not None and isinstance(value[0], str):
            yield value
        elif value is not None:
            yield from _beside(_number(value), type_)


# Where calculations turn


def _probes(bound: Bound, name: str, here: Block) -> Iterator[Leaf]:
    """Yield comparisons with this field that turn where the condition may, but for plain edges."""
    for leaf in leaves_of(bound):
        for probe in _probes_of(leaf, here):
            if name in fields_of(probe):
                yield probe


def _probes_of(leaf: Leaf, here: Block) -> Iterator[Leaf]:
    match leaf:
        case BoundCompare() | BoundIn(item=BoundField()) | BoundKnown(item=BoundField()):
            return  # its edges are literals
        case BoundBetween():
            yield from _probes_of(leaf.low, here)
            yield from _probes_of(leaf.high, here)
        case BoundIn() if leaf.item.type.kind in _STEPPED:
            for literal in _literals(leaf, here):
                yield from _probes_of(BoundPair(leaf.text, "==", leaf.item, literal), here)
        case BoundPair(op="==" | "!=") if leaf.left.type.kind in _STEPPED:
            # Being equal is too narrow to be met by steps.
            yield from (replace(leaf, op=">="), replace(leaf, op="<="))
        case _:
            yield leaf


def _literals(leaf: BoundIn, here: Block) -> Iterator[BoundLiteral]:
    """Yield the literals of a list that lie nearest to what is asked about."""
    item = leaf.item.type
    seen = _raw(operand(leaf.item, here))
    middle = Fraction(0) if seen is None else _number(seen)

    def distance(edge: Edge) -> Fraction:
        return abs(Fraction(edge) - middle)

    for edge in sorted(leaf.edges, key=distance)[:_LITERALS]:
        assert isinstance(edge, Fraction)  # as of all that is moved in steps
        type_ = literal_type(edge, item) if item.is_exact else replace(item, nullable=False)
        if type_ is not None:
            yield BoundLiteral(str(edge), type_, None, edge)


def _turns(probe: Leaf, name: str, type_: FieldType, here: Block) -> Iterator[Raw]:
    """Yield the nearest values, above and below, at which a comparison is known to be otherwise."""
    start = _start(here[name], type_)
    before = evaluate(probe, here, 1)[0]
    low, high = type_.domain
    for sign, room in ((1, high - start), (-1, start - low)):
        stays = 0
        steps = [*(step for step in _STEPS if step < room), room] if room > 0 else []
        while steps:
            turned = _turned(probe, name, here, [start + sign * step for step in steps], before)
            if not turned.any():
                break
            first = int(turned.argmax())
            stays, turns = steps[first - 1] if first else stays, steps[first]
            if turns - stays == 1:
                yield start + sign * turns, 1
                break
            between = (stays + (turns - stays) * part // _POINTS for part in range(1, _POINTS + 1))
            steps = [step for step in dict.fromkeys(between) if step > stays]


def _turned(probe: Leaf, name: str, here: Block, values: list[int], before: bool | None) -> Mask:
    column = changed_column(here[name], [(value, 1) for value in values])
    truth = evaluate(probe, Changed(here, {name: column}), len(values))
    turned: Mask = truth.is_known() & (truth.true != bool(before))
    return turned
