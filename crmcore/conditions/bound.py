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
from crmcore.conditions.literals import Edge, FieldType
from crmcore.conditions.tree import ComparisonOp

__all__ = [
    "Bound",
    "BoundBetween",
    "BoundCompare",
    "BoundConstant",
    "BoundIn",
    "BoundKnown",
    "BoundNot",
    "BoundPair",
    "BoundTerms",
    "thresholds",
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
    """Whether the field is known (``is_known``) or not (``is_unknown``)."""

    text: str
    op: Literal["is_known", "is_unknown"]
    name: str
    type: FieldType


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
    """A field against a field of the same kind."""

    text: str
    op: ComparisonOp
    left: str
    right: str
    left_type: FieldType
    right_type: FieldType


@dataclass(frozen=True, slots=True)
class BoundBetween:
    """Two comparisons of one field, both edges inclusive."""

    text: str
    low: BoundCompare | BoundPair
    high: BoundCompare | BoundPair


@dataclass(frozen=True, slots=True, eq=False)
class BoundIn:
    """A field against a list: `literals` as written, `edges` as compared.

    `numbers` are the edges in ascending order, for kinds held as plain numbers. `table` says for
    each declared label, and in one last entry for none, whether it holds; it belongs to labels.
    """

    text: str
    op: Literal["in", "not_in"]
    name: str
    type: FieldType
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


def thresholds(bound: Bound) -> list[tuple[str, Value]]:
    """Return each field with each literal it is compared with, in the order written.

    A true-or-false field alone counts as compared with ``True``.

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
            yield from ((bound.name, literal) for literal in bound.literals)
        case BoundBetween():
            yield from _thresholds(bound.low)
            yield from _thresholds(bound.high)
        case BoundTerms():
            for term in bound.terms:
                yield from _thresholds(term)
        case BoundNot():
            yield from _thresholds(bound.term)


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
