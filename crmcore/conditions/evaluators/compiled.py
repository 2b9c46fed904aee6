"""A condition as one Python function of one customer, made of closures over plain values.

Each node becomes a function of a row; a field compared with a literal, which most conditions are
made of, asks only for the class of the value before it compares. No code is generated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

from crmcore.columns import Value
from crmcore.conditions.evaluators.calculated import Get, calculated
from crmcore.conditions.evaluators.given import PLAIN, Read, reader
from crmcore.conditions.typed.bound import (
    COMPARE,
    Bound,
    BoundBetween,
    BoundCompare,
    BoundField,
    BoundIn,
    BoundKnown,
    BoundNot,
    BoundPair,
    BoundTerms,
    BoundValue,
)
from crmcore.errors import DataError

__all__ = ["Row", "Test", "compiled", "no_such_field", "test_of"]

Row: TypeAlias = Mapping[str, Value]
Test: TypeAlias = Callable[[Row], bool | None]


def compiled(bound: Bound) -> Test:
    """Return a condition as a function of one customer's values.

    Parameters
    ----------
    bound
        The condition.

    Returns
    -------
    A function of a mapping from field names to plain Python values: int, `Decimal` (money),
    `Fraction` (ratios), float, date, aware datetime, str (labels and text), bool; ``None`` or NaN
    where a value is missing. It returns True, False, or ``None`` for unknown. A value that decides
    nothing any more is not looked at.

    It raises `DataError`, which names the field and never the value, when a field is not in the
    mapping, when its value is of another Python type (``True`` is no int, a naive datetime no
    instant), when a label has no declared order where order is asked for, or when a number that
    takes part in a calculation is outside the field's domain.

    Examples
    --------
    >>> from crmcore.conditions import FieldType, bind, parse
    >>> fields = {"sale_count": FieldType("int"), "blocked": FieldType("bool")}
    >>> bound, _ = bind(parse("sale_count >= 3 or blocked"), fields, "x")
    >>> holds = compiled(bound)
    >>> holds({"sale_count": 3, "blocked": None}), holds({"sale_count": 2, "blocked": None})
    (True, None)
    """
    test = test_of(bound)

    def holds(row: Row) -> bool | None:
        try:
            return test(row)
        except KeyError as lacking:
            raise no_such_field(lacking) from None

    return holds


def no_such_field(lacking: KeyError) -> DataError:
    """Return what is told of a customer who lacks a field that is asked about."""
    message = "the customer has no such field: give None where it is not known"
    return DataError(message, column=str(lacking.args[0]))


def test_of(bound: Bound) -> Test:
    """Return the function of `compiled`, which here raises `KeyError` for a field not there."""
    match bound:
        case BoundCompare():
            return _compare(bound)
        case BoundTerms():
            terms = [test_of(term) for term in bound.terms]
            return _joined(terms, decided=bound.op == "or")
        case BoundBetween():
            return _joined([test_of(bound.low), test_of(bound.high)], decided=False)
        case BoundNot():
            return _opposite(test_of(bound.term))
        case BoundIn():
            return _member(bound)
        case BoundPair():
            return _pair(bound)
        case BoundKnown():
            return _known(_get(bound.item), known=bound.op == "is_known")
        case _:
            value = bound.value
            return lambda row: value


def _get(node: BoundValue) -> Get:
    return calculated(node, test_of)


def _joined(terms: list[Test], *, decided: bool) -> Test:
    """Return all terms (`decided` by a false one) or any of them (by a true one), after Kleene."""
    if len(terms) == 2:
        return _either(*terms) if decided else _both(*terms)

    def test(row: Row) -> bool | None:
        found: bool | None = not decided
        for term in terms:
            truth = term(row)
            if truth is decided:
                return decided
            if truth is None:
                found = None
        return found

    return test


def _both(first: Test, second: Test) -> Test:
    def test(row: Row) -> bool | None:
        truth = first(row)
        if truth:
            return second(row)
        if truth is None and second(row) is not False:
            return None
        return False

    return test


def _either(first: Test, second: Test) -> Test:
    def test(row: Row) -> bool | None:
        truth = first(row)
        if truth:
            return True
        if truth is None:
            return True if second(row) else None
        return second(row)

    return test


def _opposite(term: Test) -> Test:
    def test(row: Row) -> bool | None:
        truth = term(row)
        return None if truth is None else not truth

    return test


def _known(get: Get, *, known: bool) -> Test:
    return lambda row: (get(row) is not None) is known


# --- a field against a literal -----------------------------------------------------------------


def _compare(bound: BoundCompare) -> Test:
    name, kind = bound.name, bound.type.kind
    read = reader(name, bound.type)
    if bound.edge is None:
        return _never(name, read, bound.op == "!=")
    if kind == "label" and bound.op not in ("==", "!="):
        return _ranked(bound, read)
    edge = _plain_edge(bound)
    if kind in ("money", "float", "instant"):  # their class alone does not say that all is well
        return _read_first(name, read, COMPARE[bound.test], edge)
    return _TESTS[bound.test](name, PLAIN[kind], read, edge)


def _plain_edge(bound: BoundCompare) -> Any:
    """Return the edge as a value that compares with the field's plain values."""
    match bound.type.kind:
        case "money" | "date" | "instant":
            return bound.literal
        case "ratio":
            assert isinstance(bound.edge, Fraction)
            return bound.edge / 10**bound.type.exponent
        case _:
            return bound.edge


def _never(name: str, read: Read, holds: bool) -> Test:
    return lambda row: None if read(row[name]) is None else holds


def _read_first(name: str, read: Read, holds: Callable[[Any, Any], bool], edge: Any) -> Test:
    def test(row: Row) -> bool | None:
        value = read(row[name])
        return None if value is None else holds(value, edge)

    return test


def _ranked(bound: BoundCompare, read: Read) -> Test:
    assert bound.table is not None  # as all labels have
    name = bound.name
    holds: list[bool] = bound.table.tolist()
    table = dict(zip(bound.type.categories, holds, strict=False))

    def test(row: Row) -> bool | None:
        value = row[name]
        if value.__class__ is str and value in table:
            return table[value]
        label: Any = read(value)
        if label is None:
            return None
        if label not in table:
            raise DataError("the label has no declared order", column=name)
        return table[label]

    return test


# The same function six times: calling an operator would take as long as all the rest.


def _equal(name: str, plain: type, read: Read, edge: Any) -> Test:
    def test(row: Row) -> bool | None:
        value: Any = row[name]
        if value.__class__ is not plain:
            value = read(value)
            if value is None:
                return None
        return value == edge  # type: ignore[no-any-return]  # a bool, of plain values

    return test


def _unequal(name: str, plain: type, read: Read, edge: Any) -> Test:
    def test(row: Row) -> bool | None:
        value: Any = row[name]
        if value.__class__ is not plain:
            value = read(value)
            if value is None:
                return None
        return value != edge  # type: ignore[no-any-return]  # a bool, of plain values

    return test


def _less(name: str, plain: type, read: Read, edge: Any) -> Test:
    def test(row: Row) -> bool | None:
        value: Any = row[name]
        if value.__class__ is not plain:
            value = read(value)
            if value is None:
                return None
        return value < edge  # type: ignore[no-any-return]  # a bool, of plain values

    return test


def _at_most(name: str, plain: type, read: Read, edge: Any) -> Test:
    def test(row: Row) -> bool | None:
        value: Any = row[name]
        if value.__class__ is not plain:
            value = read(value)
            if value is None:
                return None
        return value <= edge  # type: ignore[no-any-return]  # a bool, of plain values

    return test


def _more(name: str, plain: type, read: Read, edge: Any) -> Test:
    def test(row: Row) -> bool | None:
        value: Any = row[name]
        if value.__class__ is not plain:
            value = read(value)
            if value is None:
                return None
        return value > edge  # type: ignore[no-any-return]  # a bool, of plain values

    return test


def _at_least(name: str, plain: type, read: Read, edge: Any) -> Test:
    def test(row: Row) -> bool | None:
        value: Any = row[name]
        if value.__class__ is not plain:
            value = read(value)
            if value is None:
                return None
        return value >= edge  # type: ignore[no-any-return]  # a bool, of plain values

    return test


_TESTS = {
    "==": _equal,
    "!=": _unequal,
    "<": _less,
    "<=": _at_most,
    ">": _more,
    ">=": _at_least,
}


# --- other tests -------------------------------------------------------------------------------


def _member(bound: BoundIn) -> Test:
    item, wanted = bound.item, bound.op == "in"
    if isinstance(item, BoundField) and item.type.kind == "label":
        get = _plain_get(item)  # equality needs no declared order
    else:
        get = _get(item)
    in_days = item.type.kind in ("date", "instant")
    members = frozenset(bound.literals if in_days else bound.edges)

    def test(row: Row) -> bool | None:
        value = get(row)
        return None if value is None else (value in members) is wanted

    return test


def _plain_get(field: BoundField) -> Get:
    name, read = field.name, reader(field.name, field.type)
    return lambda row: read(row[name])


def _pair(bound: BoundPair) -> Test:
    left, right = _get(bound.left), _get(bound.right)
    holds = COMPARE[bound.op]
    type_ = bound.left.type
    if type_.kind == "label":
        place = type_.categories.index
        return _both_known(left, right, lambda a, b: holds(place(a), place(b)))
    return _both_known(left, right, holds)


def _both_known(left: Get, right: Get, holds: Callable[[Any, Any], bool]) -> Test:
    def test(row: Row) -> bool | None:
        a, b = left(row), right(row)
        return None if a is None or b is None else holds(a, b)

    return test
