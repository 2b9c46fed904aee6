"""Types of calculations: dimensions, and intervals that show that no result can leave 64 bits.

An exact number is numerator / divisor in some unit, the numerator from `FieldType.domain`, the
divisor from 1 to `FieldType.greatest_divisor`. Each function here gives the type of a result, or
``None`` where one of the whole numbers that it is made of could leave int64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final, Literal, TypeAlias, TypedDict

from crmcore.calendars.zones import DAY_US
from crmcore.columns import Kind
from crmcore.conditions.typed.types import FIRST_DAY, LAST_DAY, FieldType

__all__ = [
    "MOST",
    "days_type",
    "literal_type",
    "product_type",
    "quotient_type",
    "shift_type",
    "sum_type",
    "union_type",
]

Interval: TypeAlias = tuple[int, int]

MOST: Final = 2**63 - 1
"""How far from zero a whole number of 64 bits goes."""


def literal_type(edge: Fraction, like: FieldType) -> FieldType | None:
    """Return the type of one exact number in the unit of another."""
    kind = like.kind if edge.denominator == 1 and like.kind != "ratio" else "ratio"
    ends = edge.numerator, edge.numerator
    return _exact(ends, edge.denominator, like.exponent, like.amount, kind=kind, nullable=False)


def sum_type(left: FieldType, right: FieldType, op: Literal["+", "-"]) -> FieldType | None:
    """Return the type of a sum or difference of two exact numbers of one unit."""
    ours = _times(left.domain, (1, right.greatest_divisor))
    theirs = _times(right.domain, (1, left.greatest_divisor))
    low, high = (theirs[0], theirs[1]) if op == "+" else (-theirs[1], -theirs[0])
    if not (_fits(ours) and _fits(theirs)):
        return None
    return _exact(
        (ours[0] + low, ours[1] + high),
        left.greatest_divisor * right.greatest_divisor,
        left.exponent,
        left.amount,
        kind=_kind(left, right),
        **_marks(left, right),
    )


def product_type(left: FieldType, right: FieldType) -> FieldType | None:
    """Return the type of a product of two exact numbers, at most one of them money."""
    return _exact(
        _times(left.domain, right.domain),
        left.greatest_divisor * right.greatest_divisor,
        max(left.exponent, right.exponent),
        left.amount or right.amount,
        kind=_kind(left, right),
        **_marks(left, right),
    )


def quotient_type(
    dividend: FieldType, divisor: FieldType, zero: Fraction | None
) -> FieldType | None:
    """Return the type of a quotient of two exact numbers that is `zero` for a zero divisor."""
    low, high = _times(dividend.domain, (1, divisor.greatest_divisor))
    least, greatest = divisor.domain
    if least < 0:  # then both signs are turned
        low, high = min(low, -high), max(high, -low)
    below = dividend.greatest_divisor * max(abs(least), abs(greatest), 1)
    marks = _marks(dividend, divisor)
    if zero is not None:
        low, high = min(low, zero.numerator), max(high, zero.numerator)
        below = max(below, zero.denominator)
    elif least <= 0 <= greatest:
        marks["nullable"] = True
    amount = dividend.amount and not divisor.amount
    exponent = dividend.exponent if amount else 0
    return _exact((low, high), below, exponent, amount, kind="ratio", **marks)


def days_type(start: FieldType, end: FieldType) -> FieldType:
    """Return the type of the local days between two dates or instants."""
    first, last = _days(start), _days(end)
    marks = _marks(start, end)
    return FieldType("int", low=last[0] - first[1], high=last[1] - first[0], **marks)


def shift_type(
    day: FieldType, count: FieldType, unit: Literal["days", "months"]
) -> FieldType | None:
    """Return the type of a local day moved by a whole number of days or months."""
    day_low, day_high = _days(day)
    low, high = count.domain
    if not _fits((day_low + low, day_high + high)):
        return None
    if unit == "months":  # of 28 to 31 days, and the day of the month may be clamped
        low, high = min(31 * low, 28 * low) - 3, max(31 * high, 28 * high) + 3
    low, high = day_low + low, day_high + high
    marks = _marks(day, count)
    if low < FIRST_DAY or high > LAST_DAY:
        marks["nullable"] = True
    inside = max(low, FIRST_DAY), min(high, LAST_DAY)
    return FieldType("date", low=min(inside), high=max(inside), **marks)


def union_type(like: FieldType, types: Sequence[FieldType]) -> FieldType:
    """Return a type that holds the values of several of its unit, or of its kind of time."""
    ratio = any(type_.kind == "ratio" for type_ in types)
    return replace(
        like,
        kind="ratio" if ratio else like.kind,
        low=min(type_.domain[0] for type_ in types),
        high=max(type_.domain[1] for type_ in types),
        divisor=max(type_.greatest_divisor for type_ in types) if ratio else None,
    )


class _Marks(TypedDict):
    personal: bool
    nullable: bool


def _marks(*parts: FieldType) -> _Marks:
    return {
        "personal": any(part.personal for part in parts),
        "nullable": any(part.nullable for part in parts),
    }


def _kind(left: FieldType, right: FieldType) -> Kind:
    kinds = {left.kind, right.kind}
    return "ratio" if "ratio" in kinds else "money" if "money" in kinds else "int"


def _exact(
    ends: Interval,
    divisor: int,
    exponent: int,
    amount: bool,
    *,
    kind: Kind,
    nullable: bool,
    personal: bool = False,
) -> FieldType | None:
    if not _fits(ends) or divisor > MOST:
        return None
    return FieldType(
        kind,
        exponent,
        personal=personal,
        nullable=nullable,
        low=ends[0],
        high=ends[1],
        amount=amount,
        divisor=divisor if kind == "ratio" else None,
    )


def _times(left: Interval, right: Interval) -> Interval:
    corners = [one * other for one in left for other in right]
    return min(corners), max(corners)


def _fits(interval: Interval) -> bool:
    return interval[0] >= -MOST and interval[1] <= MOST


def _days(type_: FieldType) -> Interval:
    low, high = type_.domain
    if type_.kind != "instant":
        return low, high
    # The local day of an instant is at most one off the day it has in UTC.
    return max(low // DAY_US - 1, FIRST_DAY), min(high // DAY_US + 1, LAST_DAY)
