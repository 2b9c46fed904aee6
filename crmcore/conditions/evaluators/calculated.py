"""The values of expressions for one customer: each node becomes a function of a row.

Exact numbers are Python ints or fractions, in the unit of the node's type (minor units of money),
so nothing is rounded and nothing can overflow. All other kinds are as a host gives them.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import isfinite
from typing import Any, TypeAlias

import numpy as np

from crmcore.calendars import Zone, day_number, instant_us, to_date, to_datetime
from crmcore.columns import Value
from crmcore.conditions.evaluators.domains import OUTSIDE, is_held
from crmcore.conditions.evaluators.given import reader
from crmcore.conditions.typed.bound import (
    Bound,
    BoundBand,
    BoundCase,
    BoundDays,
    BoundDivide,
    BoundField,
    BoundLiteral,
    BoundProduct,
    BoundShift,
    BoundSum,
    BoundValue,
)
from crmcore.conditions.typed.types import FieldType
from crmcore.errors import DataError

__all__ = ["Get", "calculated"]

Get: TypeAlias = Callable[[Mapping[str, Value]], Any]
_Test: TypeAlias = Callable[[Mapping[str, Value]], bool | None]
_Compile: TypeAlias = Callable[[Bound], _Test]
_LAST_ORDINAL = date.max.toordinal()


def calculated(node: BoundValue, test_of: _Compile) -> Get:
    """Return an expression as a function of one customer; ``None`` is what is not known.

    Parameters
    ----------
    node
        The expression.
    test_of
        What makes functions of the conditions inside.
    """
    match node:
        case BoundField():
            return _field(node)
        case BoundLiteral():
            value = _literal(node)
            return lambda row: value
        case BoundCase():
            return _case(node, test_of)
        case BoundBand():
            return _band(node, calculated(node.value, test_of))
        case BoundSum() | BoundProduct():
            left, right = calculated(node.left, test_of), calculated(node.right, test_of)
            return _arithmetic(node, left, right)
        case BoundDivide():
            dividend = calculated(node.dividend, test_of)
            return _quotient(node, dividend, calculated(node.divisor, test_of))
        case BoundDays():
            start, end = calculated(node.start, test_of), calculated(node.end, test_of)
            return _days(node.zone, start, end)
        case _:
            day = calculated(node.day, test_of)
            return _shifted(node, day, calculated(node.count, test_of))


def _literal(node: BoundLiteral) -> Any:
    if node.type.is_exact:
        assert isinstance(node.edge, Fraction)
        return node.edge.numerator if node.edge.denominator == 1 else node.edge
    return node.literal if node.type.kind in ("date", "instant") else node.edge


def _field(node: BoundField) -> Get:
    name, in_unit = node.name, _in_unit(node)
    read = reader(name, node.type)

    def get(row: Mapping[str, Value]) -> Any:
        value = read(row[name])
        return None if value is None else in_unit(value)

    return _checked(node, get) if is_held(node) else get


def _in_unit(node: BoundField) -> Callable[[Any], Any]:
    match node.type.kind:
        case "money":
            return _minor(node)
        case "ratio":
            scale = 10**node.type.exponent
            return lambda value: value * scale
        case "label" if node.type.categories:
            return _declared(node)
        case _:
            return lambda value: value


def _minor(node: BoundField) -> Callable[[Decimal], int]:
    scale = 10**node.type.exponent

    def minor(value: Decimal) -> int:
        numerator, denominator = value.as_integer_ratio()
        found: int = numerator * scale // denominator  # whole, as reading has seen to
        return found

    return minor


def _declared(node: BoundField) -> Callable[[str], str]:
    labels, name = frozenset(node.type.categories), node.name

    def declared(value: str) -> str:
        if value not in labels:
            raise DataError("the label has no declared order", column=name)
        return value

    return declared


def _checked(node: BoundField, get: Get) -> Get:
    low, high = _plain_domain(node.type)
    most = node.type.greatest_divisor
    ratio, name = node.type.kind == "ratio", node.name

    def checked(row: Mapping[str, Value]) -> Any:
        value = get(row)
        if value is None:
            return None
        number = value.numerator if ratio else value
        if number < low or number > high or (ratio and value.denominator > most):
            raise DataError(OUTSIDE, column=name)
        return value

    return checked


def _plain_domain(type_: FieldType) -> tuple[Any, Any]:
    low, high = type_.domain
    match type_.kind:
        case "date":
            return to_date(low), to_date(high)
        case "instant":
            return to_datetime(low), to_datetime(high)
        case _:
            return low, high


def _arithmetic(node: BoundSum | BoundProduct, left: Get, right: Get) -> Get:
    symbol = "*" if isinstance(node, BoundProduct) else node.op
    operation = {"+": operator.add, "-": operator.sub, "*": operator.mul}[symbol]

    def get(row: Mapping[str, Value]) -> Any:
        a, b = left(row), right(row)
        return None if a is None or b is None else operation(a, b)

    return _finite(get) if node.type.kind == "float" else get


def _finite(get: Get) -> Get:
    def finite(row: Mapping[str, Value]) -> Any:
        value = get(row)
        return value if value is not None and isfinite(value) else None

    return finite


def _quotient(node: BoundDivide, dividend: Get, divisor: Get) -> Get:
    zero = None if node.zero is None else _literal(node.zero)
    over = operator.truediv if node.type.kind == "float" else Fraction

    def get(row: Mapping[str, Value]) -> Any:
        below = divisor(row)
        if below is None:
            return None
        if below == 0:
            return zero
        above = dividend(row)
        return None if above is None else over(above, below)

    return _finite(get) if node.type.kind == "float" else get


def _case(node: BoundCase, test_of: _Compile) -> Get:
    rows = [(test_of(condition), calculated(value, test_of)) for condition, value in node.rows]
    otherwise = None if node.otherwise is None else calculated(node.otherwise, test_of)

    def get(row: Mapping[str, Value]) -> Any:
        for test, value in rows:
            if test(row):
                return value(row)
        return None if otherwise is None else otherwise(row)

    return get


def _band(node: BoundBand, get: Get) -> Get:
    edges, points = node.edges, (node.otherwise, *node.points)
    number: Callable[[Any], Any] = {"date": day_number, "instant": instant_us}.get(
        node.value.type.kind, lambda value: value
    )

    def band(row: Mapping[str, Value]) -> Any:
        value = get(row)
        return None if value is None else points[bisect_right(edges, number(value))]

    return band


def _days(zone: Zone | None, start: Get, end: Get) -> Get:
    def get(row: Mapping[str, Value]) -> Any:
        first, last = start(row), end(row)
        if first is None or last is None:
            return None
        return (_day(last, zone) - _day(first, zone)).days

    return get


def _shifted(node: BoundShift, day: Get, count: Get) -> Get:
    move = _days_later if node.unit == "days" else _months_later

    def get(row: Mapping[str, Value]) -> Any:
        start, number = day(row), count(row)
        if start is None or number is None:
            return None
        return move(_day(start, node.zone), number)

    return get


def _day(value: date | datetime, zone: Zone | None) -> date:
    if not isinstance(value, datetime):
        return value
    assert zone is not None  # as binding has seen to
    return _local_day(zone, value)


@lru_cache(maxsize=1024)
def _local_day(zone: Zone, moment: datetime) -> date:
    return to_date(zone.local_days(np.array([instant_us(moment)], np.int64))[0])


def _days_later(day: date, count: int) -> date | None:
    ordinal = day.toordinal() + count
    return date.fromordinal(ordinal) if 1 <= ordinal <= _LAST_ORDINAL else None


def _months_later(day: date, count: int) -> date | None:
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    if not 1 <= year <= 9999:
        return None
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
