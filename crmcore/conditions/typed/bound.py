"""The typed form: what a condition asks of columns, all literals converted.

A closed set of frozen nodes; evaluation, explanation and translation each walk them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Mask, Value
from crmcore.conditions.language.tree import ComparisonOp
from crmcore.conditions.typed.literals import Edge
from crmcore.conditions.typed.types import FieldType
from crmcore.conditions.typed.values import (
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
    parts_of,
)

__all__ = [
    "Bound",
    "BoundBand",
    "BoundBetween",
    "BoundCase",
    "BoundCompare",
    "BoundConstant",
    "BoundDays",
    "BoundDivide",
    "BoundField",
    "BoundIn",
    "BoundKnown",
    "BoundLiteral",
    "BoundNot",
    "BoundPair",
    "BoundProduct",
    "BoundShift",
    "BoundSum",
    "BoundTerms",
    "BoundValue",
    "Leaf",
    "fields_of",
    "guarded_fields",
    "leaves_of",
    "note_fields",
    "parts_of",
    "subject_of",
    "thresholds",
    "values_of",
]

COMPARE: Final[dict[ComparisonOp, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class BoundConstant:
    """``true`` or ``false``."""

    text: str
    value: bool


@dataclass(frozen=True, slots=True)
class BoundKnown:
    """Whether a value is known (``is_known``) or not (``is_unknown``)."""

    text: str
    op: Literal["is_known", "is_unknown"]
    item: BoundValue


@dataclass(frozen=True, slots=True, eq=False)
class BoundCompare:
    """A field against a literal.

    `op` and `literal` are as written, the field standing left. `test` and `edge` are what is
    computed: on integers, ``x >= 2.5`` tests ``x > 2``; an `edge` of ``None`` is never met.
    `table` says for each declared label, and in one last entry for none, whether it holds.
    """

    text: str
    op: ComparisonOp
    name: str
    type: FieldType
    literal: Value
    test: ComparisonOp
    edge: Edge | int | None
    table: Mask | None = None


@dataclass(frozen=True, slots=True)
class BoundPair:
    """A value against a value; a field against a literal is a `BoundCompare` instead.

    Both are exact numbers of one unit (compared exactly, whatever their divisors), or both are of
    the same other kind; labels then list the same categories and compare by their places.
    """

    text: str
    op: ComparisonOp
    left: BoundValue
    right: BoundValue


@dataclass(frozen=True, slots=True)
class BoundBetween:
    """Two comparisons of one value: it is above `low` and below `high`.

    Which edges belong is said by the two: ``>=`` or ``>``, ``<=`` or ``<``. Both have the value on
    the left.
    """

    text: str
    low: BoundCompare | BoundPair
    high: BoundCompare | BoundPair


@dataclass(frozen=True, slots=True, eq=False)
class BoundIn:
    """A value against a list: `literals` as written, `edges` as compared.

    `numbers` are the edges in ascending order, for kinds held as plain numbers. `table` says for
    each declared label, and in one last entry for none, whether it holds; it belongs to labels.
    """

    text: str
    op: Literal["in", "not_in"]
    item: BoundValue
    literals: tuple[Value, ...]
    edges: frozenset[Edge]
    numbers: NDArray[np.generic] | None
    table: Mask


@dataclass(frozen=True, slots=True)
class BoundTerms:
    """All (``and``) or any (``or``) of the terms."""

    text: str
    op: Literal["and", "or"]
    terms: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class BoundNot:
    """The opposite of the term."""

    text: str
    term: Bound


Bound: TypeAlias = (
    BoundConstant
    | BoundKnown
    | BoundCompare
    | BoundPair
    | BoundBetween
    | BoundIn
    | BoundTerms
    | BoundNot
)


Leaf: TypeAlias = BoundKnown | BoundCompare | BoundPair | BoundBetween | BoundIn
"""The nodes that ask about a value."""


def subject_of(leaf: Leaf) -> BoundValue:
    """Return the value that a node asks about."""
    match leaf:
        case BoundCompare():
            return BoundField(leaf.name, leaf.type)
        case BoundPair():
            return leaf.left
        case BoundBetween():
            return subject_of(leaf.low)
        case _:
            return leaf.item


def leaves_of(bound: Bound) -> Iterator[Leaf]:
    """Yield the nodes that ask about values, in the order written, not those inside a case."""
    match bound:
        case BoundTerms():
            for term in bound.terms:
                yield from leaves_of(term)
        case BoundNot():
            yield from leaves_of(bound.term)
        case BoundConstant():
            pass
        case _:
            yield bound


def fields_of(bound: Bound) -> dict[str, FieldType]:
    """Return every field that a condition reads, with its type, in the order written.

    Examples
    --------
    >>> from crmcore.conditions import bind, parse
    >>> fields = {"total": FieldType("money", 2), "count": FieldType("int")}
    >>> bound, _ = bind(parse("divide(total, count, 0) > 3 or count == 0"), fields, "class")
    >>> list(fields_of(bound))
    ['total', 'count']
    """
    found: dict[str, FieldType] = {}
    for leaf in leaves_of(bound):
        for value in values_of(leaf):
            note_fields(value, found)
    return found


def guarded_fields(bound: Bound) -> frozenset[str]:
    """Return the personal fields, and those that a comparison reads together with one of them.

    Where such a comparison turns depends on what is personal, and so would tell it.

    Examples
    --------
    >>> from crmcore.conditions import bind, parse
    >>> fields = {"income": FieldType("int", personal=True), "visits": FieldType("int")}
    >>> fields["spent"] = FieldType("int")
    >>> bound, _ = bind(parse("spent > income * 2 and visits > 3"), fields, "class")
    >>> sorted(guarded_fields(bound))
    ['income', 'spent']
    """
    found: set[str] = set()
    for leaf in leaves_of(bound):
        read: dict[str, FieldType] = {}
        for value in values_of(leaf):
            note_fields(value, read)
        if any(type_.personal for type_ in read.values()):
            found.update(read)
    return frozenset(found)


def values_of(leaf: Leaf) -> Iterator[BoundValue]:
    """Yield the values that a node compares; of a field and a literal, the field."""
    match leaf:
        case BoundPair():
            yield from (leaf.left, leaf.right)
        case BoundBetween():
            yield from values_of(leaf.low)
            yield from values_of(leaf.high)
        case _:
            yield subject_of(leaf)


def note_fields(value: BoundValue, found: dict[str, FieldType]) -> None:
    """Add every field that a value reads to those found."""
    if isinstance(value, BoundField):
        found.setdefault(value.name, value.type)
    if isinstance(value, BoundCase):
        for condition, _ in value.rows:
            found.update(fields_of(condition))
    for part in parts_of(value):
        note_fields(part, found)


def thresholds(bound: Bound) -> list[tuple[str, Value]]:
    """Return each field with each literal it is compared with alone, in the order written.

    The edges of a ``band`` over a field count, and so do the conditions of a ``case``. A
    true-or-false field alone counts as compared with ``True``.

    Examples
    --------
    >>> from crmcore.conditions import bind, parse
    >>> fields = {"mean_sale": FieldType("money", 2), "blocked": FieldType("bool")}
    >>> bound, _ = bind(parse("blocked or mean_sale between 1 and 2.50"), fields, "class")
    >>> thresholds(bound)
    [('blocked', True), ('mean_sale', Decimal('1.00')), ('mean_sale', Decimal('2.50'))]
    """
    return list(_thresholds(bound))


def _thresholds(bound: Bound) -> Iterator[tuple[str, Value]]:
    match bound:
        case BoundCompare():
            yield bound.name, bound.literal
        case BoundIn():
            if isinstance(bound.item, BoundField):
                yield from ((bound.item.name, literal) for literal in bound.literals)
            yield from _inside(bound.item)
        case BoundKnown():
            yield from _inside(bound.item)
        case BoundPair():
            yield from _inside(bound.left)
            yield from _inside(bound.right)
        case BoundBetween():
            yield from _thresholds(bound.low)
            yield from _thresholds(bound.high)
        case BoundTerms():
            for term in bound.terms:
                yield from _thresholds(term)
        case BoundNot():
            yield from _thresholds(bound.term)


def _inside(value: BoundValue) -> Iterator[tuple[str, Value]]:
    match value:
        case BoundBand(value=BoundField() as field):
            yield from ((field.name, literal) for literal in value.literals)
        case BoundCase():
            for condition, _ in value.rows:
                yield from _thresholds(condition)
    for part in parts_of(value):
        yield from _inside(part)


def comparison_table(
    type_: FieldType, op: ComparisonOp, edge: str, categories: tuple[str, ...]
) -> Mask:
    """Return for each category, and in one last entry for none, whether it compares true."""
    if op in ("==", "!="):
        return _table([COMPARE[op](label, edge) for label in categories])
    rank = {label: position for position, label in enumerate(type_.categories)}
    return _table([COMPARE[op](rank[label], rank[edge]) for label in categories])


def member_table(
    op: Literal["in", "not_in"], edges: Collection[Edge], categories: tuple[str, ...]
) -> Mask:
    """Return for each category, and in one last entry for none, whether it is wanted."""
    return _table([(label in edges) == (op == "in") for label in categories])


def member_numbers(edges: Collection[Edge], type_: FieldType) -> NDArray[np.generic] | None:
    """Return the edges in ascending order, for kinds held as plain numbers."""
    match type_.kind:
        case "float" | "bool":
            return np.array(sorted(edge for edge in edges if isinstance(edge, (float, bool))))
        case "int" | "money" | "date" | "instant":
            # An integer never equals the other literals.
            whole = [e.numerator for e in edges if isinstance(e, Fraction) and e.denominator == 1]
            return np.array(sorted(whole), np.int64)
        case _:
            return None


def _table(holds: list[bool]) -> Mask:
    return np.array([*holds, False], np.bool_)
