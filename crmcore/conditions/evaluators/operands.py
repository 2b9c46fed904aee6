"""The values of expressions over columns: each node becomes a column of its own.

A column of length 1 stands for the same value in every row. What stands in rows that are not known
has no meaning; it may be anything, but it never raises and never warns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Final, TypeAlias, cast

import numpy as np

from crmcore.calendars import LAST_DAY, Zone
from crmcore.calendars.spans import day_in_month, month_starts, months_of
from crmcore.columns import Column, Ints, Mask, label_dtype
from crmcore.conditions.evaluators import exact
from crmcore.conditions.evaluators.exact import Exact, exact_of
from crmcore.conditions.evaluators.truth import Truth
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
from crmcore.conditions.typed.literals import Edge
from crmcore.conditions.typed.types import FIRST_DAY, FieldType
from crmcore.errors import DataError

__all__ = ["Decide", "all_known", "column_of", "labels_as", "value_of"]

_Columns: TypeAlias = Mapping[str, Column]
Decide: TypeAlias = Callable[[Bound, _Columns], Truth]
"""The truth of a condition inside a case."""

_MONTHS: Final = months_of(np.array([FIRST_DAY, LAST_DAY], np.int64))


def column_of(columns: _Columns, name: str, type_: FieldType) -> Column:
    """Return the column of a field, or refuse it where it is of another kind."""
    column = columns[name]
    if column.kind != type_.kind or column.exponent != type_.exponent:
        raise DataError(
            f"the column is {column.kind}, the condition needs {type_.kind}", column=name
        )
    return column


def value_of(node: BoundValue, columns: _Columns, decide: Decide) -> Column:
    """Return the values of an expression, of length 1 where they are the same in every row."""
    match node:
        case BoundField():
            return _field(column_of(columns, node.name, node.type), node)
        case BoundLiteral():
            return _literal(node)
        case BoundBand():
            return _band(node, value_of(node.value, columns, decide))
        case BoundCase():
            return _case(node, columns, decide)
        case BoundSum() | BoundProduct():
            left = value_of(node.left, columns, decide)
            right = value_of(node.right, columns, decide)
            return _calculated(node, left, right)
        case BoundDivide():
            dividend = value_of(node.dividend, columns, decide)
            return _quotient(node, dividend, value_of(node.divisor, columns, decide))
        case BoundDays():
            start = value_of(node.start, columns, decide)
            return _between(node, start, value_of(node.end, columns, decide))
        case _:
            day = value_of(node.day, columns, decide)
            return _shifted(node, day, value_of(node.count, columns, decide))


def labels_as(column: Column, categories: tuple[str, ...], name: str) -> Column:
    """Return a label column with these categories; refuse it where it has others."""
    if column.categories == categories:
        return column
    if not set(column.categories) <= set(categories):
        raise DataError("the column has labels without a declared order", column=name)
    given = [*map(categories.index, column.categories), 0]
    places = np.array(given, label_dtype(len(categories)))
    # Codes where nothing is known may be anything; clipping keeps them inside the table.
    codes = places.take(cast(Ints, column.values), mode="clip")
    return Column("label", codes, column.known, categories=categories)


def _field(column: Column, node: BoundField) -> Column:
    if node.type.kind == "label" and node.type.categories:
        return labels_as(column, node.type.categories, node.name)
    return column


def _literal(node: BoundLiteral) -> Column:
    kind, edge = node.type.kind, node.edge
    if isinstance(edge, Fraction):
        numbers = [np.array([part], np.int64) for part in edge.as_integer_ratio()]
        divisor = numbers[1] if kind == "ratio" else None
        return Column(kind, numbers[0], divisor=divisor, exponent=node.type.exponent)
    if kind == "label":
        code = node.type.categories.index(str(edge))
        return Column(kind, np.array([code]), categories=node.type.categories)
    return Column(kind, np.array([edge], np.object_ if kind == "text" else None))


def _calculated(node: BoundSum | BoundProduct, left: Column, right: Column) -> Column:
    known = all_known(left, right)
    op = "*" if isinstance(node, BoundProduct) else node.op
    if node.type.kind == "float":
        return _float(_FLOAT[op], left, right, known)
    return _exact(node.type, _EXACT[op](exact_of(left), exact_of(right)), known)


_EXACT: Final = {"+": exact.total, "-": exact.difference, "*": exact.product}
_FLOAT: Final = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}


def _exact(type_: FieldType, number: Exact, known: Mask | None) -> Column:
    values = cast(Ints, number.numerator)
    if type_.kind != "ratio":
        return Column(type_.kind, values, known, exponent=type_.exponent)
    divisor = np.broadcast_to(np.asarray(number.divisor, np.int64), values.shape)
    return Column("ratio", values, known, divisor, type_.exponent)


def _float(operation: np.ufunc, left: Column, right: Column, known: Mask | None) -> Column:
    with np.errstate(all="ignore"):
        values = operation(left.values, right.values)
    finite = np.isfinite(values)
    return Column("float", values, finite if known is None else finite & known)


def _quotient(node: BoundDivide, dividend: Column, divisor: Column) -> Column:
    zero = divisor.is_known() & (divisor.values == 0)
    usable = divisor.is_known() & ~zero
    one = replace(divisor, values=np.where(usable, divisor.values, 1), known=usable)
    known = dividend.is_known() & usable
    if node.type.kind == "float":
        found = _float(np.divide, dividend, one, known)
    else:
        found = _exact(node.type, exact.quotient(exact_of(dividend), exact_of(one)), known)
    return found if node.zero is None else _chosen(node.type, zero, _literal(node.zero), found)


def _chosen(type_: FieldType, first: Mask, value: Column, other: Column) -> Column:
    """Return `value` where `first` says so, else `other`."""
    known: Mask | None = None
    if value.known is not None or other.known is not None:
        known = np.where(first, value.is_known(), other.is_known())
    divisor: Ints | None = None
    if type_.kind == "ratio":
        divisor = np.where(first, *(exact_of(column).divisor for column in (value, other)))
    values = np.where(first, value.values, other.values)
    return Column(type_.kind, values, known, divisor, type_.exponent, type_.categories)


def _case(node: BoundCase, columns: _Columns, decide: Decide) -> Column:
    def fitted(value: BoundValue) -> Column:
        column = value_of(value, columns, decide)
        if node.type.kind == "label":
            return labels_as(column, node.type.categories, value.text)
        return column

    if node.otherwise is None:
        like = fitted(node.rows[0][1])
        found = replace(like, known=np.zeros(len(like), np.bool_))
    else:
        found = fitted(node.otherwise)
    for condition, value in reversed(node.rows):
        found = _chosen(node.type, decide(condition, columns).true, fitted(value), found)
    return found


def _band(node: BoundBand, column: Column) -> Column:
    places = np.zeros(len(column), np.int16)
    for edge in node.edges:
        places += _reaches(column, edge)
    points = np.array([node.otherwise or 0, *node.points], np.int64)[places]
    known = column.known
    if node.otherwise is None:
        known = _both_known(known, places > 0)
    return Column("int", points, known)


def _reaches(column: Column, edge: Edge) -> Mask:
    if isinstance(edge, Fraction):
        return exact.compare(">=", exact_of(column), Exact(*edge.as_integer_ratio()))
    reached: Mask = column.values >= edge  # type: ignore[operator]  # floats
    return reached


def _between(node: BoundDays, start: Column, end: Column) -> Column:
    days = _days(end, node.zone) - _days(start, node.zone)
    return Column("int", days, all_known(start, end))


def _shifted(node: BoundShift, day: Column, count: Column) -> Column:
    known = all_known(day, count)
    days = _days(day, node.zone)
    numbers = cast(Ints, count.values)
    if node.unit == "days":
        found = days + numbers
        inside = (found >= FIRST_DAY) & (found <= LAST_DAY)
    else:
        months = months_of(days)
        target = months + numbers
        inside = (target >= _MONTHS[0]) & (target <= _MONTHS[1])
        found = day_in_month(np.where(inside, target, 0), days - month_starts(months))
    return Column("date", found, _both_known(known, inside))


def _days(column: Column, zone: Zone | None) -> Ints:
    """Return the local days of a column; 1970-01-01 where nothing is known."""
    values = cast(Ints, column.values)
    if column.known is not None:
        values = np.where(column.known, values, 0)
    if column.kind == "date":
        return values
    assert zone is not None  # as binding has seen to
    return zone.local_days(values)


def all_known(left: Column, right: Column) -> Mask | None:
    """Return where both are known; ``None`` where that is everywhere."""
    return _both_known(left.known, right.known)


def _both_known(left: Mask | None, right: Mask | None) -> Mask | None:
    if left is None or right is None:
        return left if right is None else right
    return left & right
