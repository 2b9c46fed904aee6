"""Conditions in SQL: AND, OR and NOT there know true, false and unknown as they do here."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from crmcore.conditions import (
    Bound,
    BoundBetween,
    BoundCompare,
    BoundIn,
    BoundKnown,
    BoundNot,
    BoundPair,
    BoundTerms,
    BoundValue,
)
from crmcore.conditions.language.tree import ComparisonOp
from crmcore.sql import nodes
from crmcore.sql.facts import divisor_of
from crmcore.sql.inputs import Inputs
from crmcore.sql.nodes import Node

__all__ = ["Scope", "condition"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where names are looked up: the columns so far, and the moments."""

    table: str
    inputs: Inputs

    def value(self, name: str) -> Node:
        """Return the value of a name."""
        if name == "as_of":
            return self.inputs.at
        if name == "last_evaluated_at":
            return self.inputs.last
        return nodes.column(name, self.table)


def condition(bound: Bound, scope: Scope) -> Node:
    """Return a condition as SQL: missing where it is unknown."""
    match bound:
        case BoundCompare():
            return _compare(bound, scope)
        case BoundTerms():
            terms = [condition(term, scope) for term in bound.terms]
            return nodes.all_of(terms) if bound.op == "and" else nodes.any_of(terms)
        case BoundIn():
            return _member(bound, scope)
        case BoundPair():
            return nodes.compare(_rank(bound.left, scope), bound.op, _rank(bound.right, scope))
        case BoundBetween():
            return nodes.all_of([condition(bound.low, scope), condition(bound.high, scope)])
        case BoundKnown():
            missing = nodes.is_missing(scope.value(bound.item.text))
            return missing if bound.op == "is_unknown" else nodes.negate(missing)
        case BoundNot():
            return nodes.negate(condition(bound.term, scope))
        case _:
            return nodes.truth(bound.value)


def _always(value: Node, holds: bool) -> Node:
    """Return what is the same for every value, and unknown for a missing one."""
    unknown = nodes.nothing("boolean")
    return nodes.choose([(nodes.is_missing(value), unknown)], nodes.truth(holds))


def _compare(bound: BoundCompare, scope: Scope) -> Node:
    value = scope.value(bound.name)
    edge = bound.edge
    if bound.table is not None:
        labels = zip(bound.type.categories, bound.table.tolist(), strict=False)
        return _one_of(value, [nodes.text(label) for label, holds in labels if holds])
    if edge is None:
        return _always(value, bound.op == "!=")
    if isinstance(edge, Fraction):
        return _ratio(bound.name, bound.test, edge, scope)
    if isinstance(edge, bool):
        return nodes.compare(value, bound.test, nodes.truth(edge))
    assert isinstance(edge, int)  # no text or float field comes this far
    return nodes.compare(value, bound.test, nodes.number(edge))


def _ratio(name: str, op: ComparisonOp, edge: Fraction, scope: Scope) -> Node:
    """Compare sum / count with n / d as sum * d with n * count: wide whole numbers."""
    dialect = scope.inputs.dialect
    left = dialect.wide(scope.value(name))
    right = dialect.wide(scope.value(divisor_of(name)))
    if edge.denominator != 1:
        left = nodes.compute(left, "*", dialect.wide_number(edge.denominator))
    edges = nodes.compute(dialect.wide_number(edge.numerator), "*", right)
    return nodes.compare(left, op, edges)


def _one_of(value: Node, items: list[Node]) -> Node:
    return nodes.among(value, items) if items else _always(value, False)


def _member(bound: BoundIn, scope: Scope) -> Node:
    value = scope.value(bound.item.text)
    kind = bound.item.type.kind
    if kind == "ratio":
        edges = sorted(edge for edge in bound.edges if isinstance(edge, Fraction))
        found = nodes.any_of([_ratio(bound.item.text, "==", edge, scope) for edge in edges])
    elif kind == "label":
        found = _one_of(value, [nodes.text(str(edge)) for edge in sorted(map(str, bound.edges))])
    else:
        assert bound.numbers is not None  # as for all other kinds
        make = nodes.truth if kind == "bool" else nodes.number
        found = _one_of(value, [make(edge) for edge in bound.numbers.tolist()])
    return found if bound.op == "in" else nodes.negate(found)


def _rank(field: BoundValue, scope: Scope) -> Node:
    """Return what a field is compared by: of a label its place."""
    value = scope.value(field.text)  # no calculation comes this far
    if field.type.kind != "label":
        return value
    places = enumerate(field.type.categories)
    cases = [
        (nodes.compare(value, "==", nodes.text(label)), nodes.number(place))
        for place, label in places
    ]
    return nodes.choose(cases, nodes.nothing("bigint"))
