"""Fields that take part in calculations keep to their domains, or the data is refused.

Binding has made sure that no calculation leaves 64 bits as long as they do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from crmcore.columns import Column, Mask
from crmcore.conditions.typed.bound import (
    Bound,
    BoundBetween,
    BoundCase,
    BoundField,
    BoundIn,
    BoundKnown,
    BoundNot,
    BoundPair,
    BoundTerms,
    BoundValue,
    parts_of,
)
from crmcore.conditions.typed.types import FieldType
from crmcore.errors import DataError

__all__ = ["OUTSIDE", "checked_fields", "is_held", "refuse_outside"]

OUTSIDE = "outside what the field may hold in a calculation"


def checked_fields(conditions: Iterable[Bound]) -> tuple[BoundField, ...]:
    """Return the fields whose values are held to their domains, each once."""
    found = (field for condition in conditions for field in _in_condition(condition))
    return tuple(dict.fromkeys(field for field in found if is_held(field)))


def is_held(field: BoundField) -> bool:
    """Tell whether the values of a field are held to its domain; floats have none."""
    return field.checked and field.type.kind != "float"


def refuse_outside(fields: Iterable[BoundField], columns: Mapping[str, Column]) -> None:
    """Refuse the data where a known value of these fields is outside its domain.

    Raises
    ------
    DataError
        With how many rows there are; nothing else is told of them.
    """
    for field in fields:
        column = columns[field.name]
        outside = _outside(column, field.type)
        if column.known is not None:
            outside &= column.known
        count = int(np.count_nonzero(outside))
        if count:
            raise DataError(OUTSIDE, column=field.name, count=count)


def _outside(column: Column, type_: FieldType) -> Mask:
    low, high = type_.domain
    values = column.values
    outside: Mask = (values < low) | (values > high)  # type: ignore[operator]  # whole numbers
    if column.divisor is not None:
        outside |= (column.divisor < 1) | (column.divisor > type_.greatest_divisor)
    return outside


def _in_condition(bound: Bound) -> Iterator[BoundField]:
    match bound:
        case BoundTerms():
            for term in bound.terms:
                yield from _in_condition(term)
        case BoundNot():
            yield from _in_condition(bound.term)
        case BoundBetween():
            yield from _in_condition(bound.low)
            yield from _in_condition(bound.high)
        case BoundPair():
            yield from _in_value(bound.left)
            yield from _in_value(bound.right)
        case BoundIn() | BoundKnown():
            yield from _in_value(bound.item)


def _in_value(value: BoundValue) -> Iterator[BoundField]:
    if isinstance(value, BoundField):
        yield value
    for part in parts_of(value):
        yield from _in_value(part)
    if isinstance(value, BoundCase):
        for condition, _ in value.rows:
            yield from _in_condition(condition)
