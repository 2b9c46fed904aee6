"""Values of test files: from what stands there to columns, and from columns to text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final, cast

from crmcore.analysis import Axis, Cell, Raw
from crmcore.calendars import Zone, to_datetime
from crmcore.columns import Column, Ints, Value
from crmcore.conditions import FieldType
from crmcore.conditions.language.tree import (
    BoolValue,
    DecimalValue,
    IntegerValue,
    LiteralValue,
    TextValue,
)
from crmcore.conditions.typed.literals import Edge, RefusedLiteralError, convert
from crmcore.documents import Plain
from crmcore.errors import DataError
from crmcore.records.instants import read_instants
from crmcore.records.raw import raw_column
from crmcore.workbench.testing.documents import Single

__all__ = [
    "MISSING",
    "as_plain",
    "as_text",
    "column_of",
    "edge_at",
    "edge_of",
    "moment_of",
    "raw_of",
]

MISSING: Final = "(missing)"
_FRACTION: Final = re.compile(r"-?[0-9]{1,18}/[1-9][0-9]{0,17}")


def edge_of(given: Single, type_: FieldType, zone: Zone) -> Edge:
    """Return a value in the terms of the field's column.

    Raises
    ------
    RefusedLiteralError
        It does not fit the field.
    """
    if type_.kind == "instant" and isinstance(given, date | str):
        return Fraction(_instant(given, zone))
    if type_.kind == "ratio" and isinstance(given, str) and _FRACTION.fullmatch(given):
        return Fraction(given) * int(10**type_.exponent)
    try:
        literal = _literal(given)
    except ValueError:
        allowed = "at most 38 digits"
        raise RefusedLiteralError("out_of_range", "this is too much", allowed) from None
    edge = convert(literal, type_)[1]
    if type_.kind == "int" and isinstance(edge, Fraction) and edge.denominator > 1:
        raise RefusedLiteralError("type_mismatch", "this does not fit an int field", "such as 3")
    return edge


def moment_of(given: date | str, zone: Zone) -> date:
    """Return a date as it is, and text as an aware datetime; see `edge_of` for errors."""
    return given if isinstance(given, date) else to_datetime(_instant(given, zone))


def _instant(given: date | str, zone: Zone) -> int:
    """Return a date's first instant, or a time's, in the policy's zone unless it says another."""
    text = given if isinstance(given, str) else given.isoformat()
    allowed = 'such as "2025-12-31T18:00" or "2025-12-31T18:00:00+08:00"'
    try:
        found = read_instants("moment", raw_column("moment", [text]), zone.name, None)
    except DataError:
        raise RefusedLiteralError("bad_instant", "this is no time", allowed) from None
    if found.faults:
        raise RefusedLiteralError("bad_instant", "there is no such moment", allowed)
    return int(found.values[0])


def _literal(given: Single) -> LiteralValue:
    match given:
        case bool():
            return BoolValue(value=given)
        case int():
            return IntegerValue(value=given)
        case Decimal():
            return DecimalValue(value=given)
        case date():
            return TextValue(value=given.isoformat())
        case _:
            return TextValue(value=given)


def column_of(edges: Sequence[Edge | None], type_: FieldType) -> Column:
    """Return a column of values in its own terms; ``None`` is missing."""
    raw = [raw_of(edge, type_) for edge in edges]
    labels = sorted({edge for edge in edges if isinstance(edge, str)})
    return Axis("", type_, tuple(Cell((label,)) for label in labels)).column(raw)


def raw_of(edge: Edge | None, type_: FieldType) -> Raw | None:
    """Return a value in the unit of its column, as axes have it."""
    return int(edge) if isinstance(edge, Fraction) and type_.kind != "ratio" else edge


def edge_at(column: Column, row: int) -> Edge | None:
    """Return one value of a column in its own terms; ``None`` when it is missing."""
    if column.known is not None and not column.known[row]:
        return None
    match column.kind:
        case "ratio":
            assert column.divisor is not None  # as every ratio has
            return Fraction(int(column.values[row]), int(column.divisor[row]))
        case "label":
            return column.categories[int(cast(Ints, column.values)[row])]
        case "text" | "bool" | "float":
            found: Edge = column.values[row : row + 1].tolist()[0]
            return found
        case _:
            return Fraction(int(column.values[row]))


def as_plain(value: Value) -> Plain:
    """Return a value as it is written in a test file."""
    match value:
        case bool() | int() | str():
            return value
        case datetime():
            return value.isoformat()
        case date():
            return value
        case Decimal():
            return f"{value:f}"
        case Fraction():
            return _written(value)
        case float():
            return Decimal(repr(value))
    return MISSING


def _written(value: Fraction) -> str:
    """Return a ratio as a decimal where it is one, else as a fraction."""
    scale = next((n for n in range(19) if 10**n % value.denominator == 0), None)
    if scale is None:
        return str(value)
    digits = max(scale, 2)
    return f"{Decimal(int(value * 10**digits)).scaleb(-digits):f}"


def as_text(value: Value) -> str:
    """Return a value as reports show it."""
    match value:
        case bool():
            return "true" if value else "false"
        case date() if not isinstance(value, datetime):
            return value.isoformat()
    return str(as_plain(value))
