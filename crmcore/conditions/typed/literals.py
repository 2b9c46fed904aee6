"""Literals to the integers of a field: exact, or refused with what would be right."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final, TypeAlias

from crmcore.columns import Kind, Value
from crmcore.conditions.language import tree
from crmcore.conditions.language.tree import LiteralValue
from crmcore.conditions.typed.types import FieldType, a_field

__all__ = [
    "Edge",
    "RefusedLiteralError",
    "convert",
]

Edge: TypeAlias = Fraction | float | str | bool
"""A literal in the field's own terms: a `Fraction` for all kinds kept as integers."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_WIDE = Context(prec=100)
_INT64 = range(-(2**63), 2**63)
_NUMBER = re.compile(f"-?{tree.NUMBER_PATTERN}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    _DATE.pattern + r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
WRITTEN: Final[dict[Kind, str]] = {
    "bool": "true or false",
    "int": "a number, such as 3 or 2.5",
    "money": 'an amount, such as 300 or "300.00"',
    "ratio": "an exact number, such as 0.5",
    "float": "a number, such as 0.5",
    "date": 'a date, such as "2024-01-31"',
    "instant": 'an instant with its offset, such as "2024-01-31T09:00:00+08:00"',
    "label": "one of its labels in quotes",
    "text": "text in quotes",
}


class RefusedLiteralError(Exception):
    """Why a literal does not fit a field; becomes a `Problem`."""

    def __init__(self, code: str, message: str, allowed: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.allowed = allowed


def convert(literal: LiteralValue, type_: FieldType) -> tuple[Value, Edge]:
    """Return a literal as a Python value of the field's kind, and as its edge."""
    match type_.kind, literal:
        case ("bool", tree.BoolValue()):
            return literal.value, literal.value
        case ("int", tree.IntegerValue() | tree.DecimalValue()):
            return literal.value, _in_range(Fraction(literal.value))
        case ("float", tree.IntegerValue() | tree.DecimalValue()):
            return literal.value, float(literal.value)
        case ("money" | "ratio", tree.IntegerValue() | tree.DecimalValue() | tree.TextValue()):
            return _amount(literal.value, type_)
        case ("date", tree.TextValue()):
            return _date(literal.value)
        case ("instant", tree.TextValue()):
            return _instant(literal.value)
        case ("label", tree.TextValue()):
            return _label(literal.value, type_)
        case ("text", tree.TextValue()):
            return literal.value, literal.value
    raise _mismatch(type_.kind)


def _mismatch(kind: Kind) -> RefusedLiteralError:
    return RefusedLiteralError("type_mismatch", f"this does not fit {a_field(kind)}", WRITTEN[kind])


def _amount(given: int | Decimal | str, type_: FieldType) -> tuple[Value, Edge]:
    if isinstance(given, str):
        if len(given) > 2 * tree.MAX_DIGITS or not _NUMBER.fullmatch(given):
            raise _mismatch(type_.kind)
        given = Decimal(given)
    edge = _in_range(Fraction(given) * 10**type_.exponent)
    if type_.kind == "ratio":
        return given, edge
    if edge.denominator != 1:
        digits = f"at most {type_.exponent} digits after the point"
        raise RefusedLiteralError(
            "money_digits", "no amount has so many digits after the point", digits
        )
    return Decimal(edge.numerator).scaleb(-type_.exponent, _WIDE), edge


def _in_range(edge: Fraction) -> Fraction:
    if edge // 1 not in _INT64:
        allowed = "what 64 bits hold, counted in the smallest unit"
        raise RefusedLiteralError("out_of_range", "no value is so far from zero", allowed)
    return edge


def _date(text: str) -> tuple[Value, Edge]:
    if _DATE.fullmatch(text):
        try:
            value = date.fromisoformat(text)
        except ValueError:
            raise RefusedLiteralError(
                "bad_date", "the calendar has no such date", WRITTEN["date"]
            ) from None
        return value, Fraction(value.toordinal() - _EPOCH_DAY)
    raise RefusedLiteralError("bad_date", "a date field is compared with a date", WRITTEN["date"])


def _instant(text: str) -> tuple[Value, Edge]:
    if _INSTANT.fullmatch(text):
        try:
            value = datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            message = "there is no such moment"
            raise RefusedLiteralError("bad_instant", message, WRITTEN["instant"]) from None
        return value, Fraction((value - _EPOCH) // timedelta(microseconds=1))
    message = "an instant field is compared with a moment and its offset from UTC"
    raise RefusedLiteralError("bad_instant", message, WRITTEN["instant"])


def _label(text: str, type_: FieldType) -> tuple[Value, Edge]:
    if type_.categories and text not in type_.categories:
        allowed = ", ".join(type_.categories[:20]) + (", …" if len(type_.categories) > 20 else "")
        raise RefusedLiteralError("unknown_label", "the field never has this label", allowed)
    return text, text
