"""Plain Python values as a host gives them for one customer, read for the kinds of fields.

Each kind has one type of Python value, the one that `Column` gives. A value that is missing is
``None`` or a NaN. Anything else is data outside the schema, whatever it might be converted to.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction
from typing import Any, Final, TypeAlias

import numpy as np

from crmcore.columns import Kind, Value
from crmcore.conditions.typed.types import FieldType
from crmcore.errors import DataError

__all__ = ["PLAIN", "Read", "reader"]

Read: TypeAlias = Callable[[Value], Value]
"""A value as given to the same value as it is compared; ``None`` for a missing one."""

PLAIN: Final[dict[Kind, type]] = {
    "bool": bool,
    "int": int,
    "money": Decimal,
    "ratio": Fraction,
    "float": float,
    "date": date,
    "instant": datetime,
    "label": str,
    "text": str,
}
"""The Python type of each kind's values."""


def reader(name: str, type_: FieldType) -> Read:
    """Return what reads the values of a field.

    Examples
    --------
    >>> read = reader("sale_count", FieldType("int"))
    >>> read(3), read(float("nan"))
    (3, None)
    >>> read(True)
    Traceback (most recent call last):
    ...
    crmcore.errors.DataError: give an int, or None (column 'sale_count')
    """
    plain: Any = PLAIN[type_.kind]
    kind = type_.kind
    exactly, unit = _EXACTLY.get(plain), Decimal(1).scaleb(-type_.exponent)
    refused = f"give {'an' if plain is int else 'a'} {plain.__name__}, or None"

    def read(value: Value) -> Value:
        if plain is Decimal and isinstance(value, Decimal):
            return None if value.is_nan() else _amount(value, unit, name)
        if value is None or _is_nan(value):
            return None
        if not isinstance(value, plain) or isinstance(value, _NOT.get(kind, ())):
            raise DataError(refused, column=name)
        if isinstance(value, datetime):
            return _in_utc(value, name)
        return exactly(value) if exactly is not None else value

    return read


_NOT: Final[dict[Kind, type]] = {"int": bool, "date": datetime}
_EXACTLY: Final[dict[type, Callable[[Any], Value]]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
}
"""Subclasses, such as those of NumPy and of enums, would answer in their own way."""
_AMOUNT: Final = Context(prec=19, traps=[Inexact, InvalidOperation])
"""As many digits as 64 bits hold; whatever they do not hold is refused before it takes time."""


def _is_nan(value: Value) -> bool:
    if isinstance(value, Decimal):
        return value.is_nan()
    # The NaT of pandas is a datetime that is not equal to itself.
    return isinstance(value, (float, np.floating, datetime)) and bool(value != value)


def _amount(value: Decimal, unit: Decimal, name: str) -> Decimal:
    try:
        return _AMOUNT.quantize(value, unit)
    except Inexact:
        raise DataError("an amount has more digits than its currency", column=name) from None
    except InvalidOperation:
        raise DataError("give an amount that fits 64 bits, or None", column=name) from None


def _in_utc(moment: datetime, name: str) -> datetime:
    """Return the moment in UTC: in one zone Python would compare what the clocks show."""
    if moment.utcoffset() is None:
        raise DataError("give a datetime with its time zone", column=name)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise DataError("outside the years 1 to 9999", column=name) from None
