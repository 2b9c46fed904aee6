"""What is told of a calculation that could leave 64 bits: what is too large, and what would fit."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, TypeAlias

from crmcore.calendars import to_date, to_datetime
from crmcore.conditions.typed.arithmetic import MOST
from crmcore.conditions.typed.types import FieldType
from crmcore.conditions.typed.values import BoundLiteral, BoundValue

__all__ = ["Operation", "no_room", "way_out"]

Operation: TypeAlias = Literal["+", "-", "*", "divide", "shift"]

_LONG: Final = 60
_SHIFT: Final = "a count from a smaller calculation"
_PARTS: Final = "what the ratio is made of: sums and counts, such as net_sales and sale_count"
_SMALLER: Final = "a fact or an attribute with a smaller range: attributes have min and max"


def no_room(left: BoundValue, right: BoundValue) -> str:
    """Return the message: the operands, but for literals, and what each of them may be."""
    parts = [one for one in (left, right) if not isinstance(one, BoundLiteral)]
    ranges = {f"{_short(one)} is {_range(one.type)}": None for one in parts}
    return f"this could leave 64 bits: {', '.join(ranges)}"


def way_out(op: Operation, left: BoundValue, right: BoundValue) -> str:
    """Return what may be written instead.

    Comparing needs no room of its own: so a difference or a quotient that is only compared may
    stand on both sides instead.
    """
    a, b = _short(left), _short(right)
    match op:
        case "+":
            return f"{a} > 9 - {b} in place of {a} + {b} > 9"
        case "-":
            return f"{a} > {b} in place of {a} - {b} > 0"
        case "*":
            return _smaller_factor(left, right)
        case "divide" if left.type.amount == right.type.amount:
            return f"{a} > {b} * 0.5 in place of divide({a}, {b}, 0) > 0.5, if {b} is above 0"
        case "divide":
            return _PARTS
        case _:
            return _SHIFT


def _smaller_factor(left: BoundValue, right: BoundValue) -> str:
    if isinstance(left, BoundLiteral):
        left, right = right, left
    most = MOST // max(*map(abs, left.type.domain), 1)
    below = MOST // left.type.greatest_divisor
    if isinstance(right, BoundLiteral) and min(most, below) >= 10:
        return f"a factor of at most {len(str(min(most, below))) - 1} digits"
    if right.type.kind == "int" and most > 0:
        return f"{_short(right)} up to {most}, as its min and max if it is an attribute"
    return _SMALLER


def _short(value: BoundValue) -> str:
    return value.text if len(value.text) <= _LONG else value.text[:_LONG] + "…"


def _range(type_: FieldType) -> str:
    low, high = (_written(end, type_) for end in type_.domain)
    ends = f"±{high}" if low == f"-{high}" else f"{low} to {high}"
    return ends if type_.kind != "ratio" else f"{ends} over 1 to {type_.greatest_divisor}"


def _written(number: int, type_: FieldType) -> str:
    match type_.kind:
        case "date":
            return str(to_date(number))
        case "instant":
            return str(to_datetime(number))
        case _:
            return format(Decimal(number).scaleb(-type_.exponent), "f")
