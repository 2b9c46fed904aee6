"""Conditions in SQL: AND, OR and NOT there know true, false and unknown as they do here."""

from __future__ import annotations

from fractions import Fraction

from crmcore.conditions import (
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
from crmcore.conditions.language.tree import ComparisonOp
from crmcore.sql import nodes
from crmcore.sql.nodes import Node
from crmcore.sql.values import Number, Scope, compared, of_edge, value_of

__all__ = ["condition"]


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
            left, right = _ranked(bound.left, scope), _ranked(bound.right, scope)
            return compared(left, bound.op, right, scope)
        case BoundBetween():
            return nodes.all_of([condition(one, scope) for one in (bound.low, bound.high)])
        case BoundKnown():
            missing = nodes.is_missing(_value(bound.item, scope).top)
            return missing if bound.op == "is_unknown" else nodes.negate(missing)
        case BoundNot():
            return nodes.negate(condition(bound.term, scope))
        case _:
            return nodes.truth(bound.value)


def _value(node: BoundValue, scope: Scope) -> Number:
    """Return a value that may be used more than once."""
    found = value_of(node, scope, condition)
    return Number(scope.once(found.top), found.bottom)


def _always(value: Node, holds: bool) -> Node:
    """Return what is the same for every value, and unknown for a missing one."""
    unknown = nodes.nothing("boolean")
    return nodes.choose([(nodes.is_missing(value), unknown)], nodes.truth(holds))


def _compare(bound: BoundCompare, scope: Scope) -> Node:
    value = scope.value(bound.name)
    edge = bound.edge
    if edge is None:
        return _always(value, bound.op == "!=")
    if bound.table is not None and bound.type.categories:
        labels = zip(bound.type.categories, bound.table.tolist(), strict=False)
        return _one_of(value, [nodes.text(label) for label, holds in labels if holds])
    if isinstance(edge, Fraction):
        return _ratio(_value(BoundField(bound.name, bound.type), scope), bound.test, edge, scope)
    if isinstance(edge, int) and not isinstance(edge, bool):
        return nodes.compare(value, bound.test, nodes.number(edge))
    return nodes.compare(value, bound.test, of_edge(edge).top)


def _ratio(value: Number, op: ComparisonOp, edge: Fraction, scope: Scope) -> Node:
    """Compare sum / count with n / d as sum * d with n * count: wide whole numbers."""
    dialect = scope.inputs.dialect
    left = dialect.wide(value.top)
    if edge.denominator != 1:
        left = nodes.compute(left, "*", dialect.wide_number(edge.denominator))
    right = dialect.wide_number(edge.numerator)
    if value.bottom is not None:
        right = nodes.compute(right, "*", dialect.wide(value.bottom))
    return nodes.compare(left, op, right)


def _one_of(value: Node, items: list[Node]) -> Node:
    return nodes.among(value, items) if items else _always(value, False)


def _member(bound: BoundIn, scope: Scope) -> Node:
    value = _value(bound.item, scope)
    match bound.item.type.kind:
        case "ratio":
            edges = sorted(edge for edge in bound.edges if isinstance(edge, Fraction))
            found = nodes.any_of([_ratio(value, "==", edge, scope) for edge in edges])
        case "label" | "text":
            found = _one_of(value.top, [*map(nodes.text, sorted(map(str, bound.edges)))])
        case kind:
            assert bound.numbers is not None  # as for all other kinds
            make = {"bool": nodes.truth, "float": nodes.double}.get(kind, nodes.number)
            found = _one_of(value.top, [make(edge) for edge in bound.numbers.tolist()])
    return found if bound.op == "in" else nodes.negate(found)


def _ranked(node: BoundValue, scope: Scope) -> Number:
    """Return what a value is compared by: of a label its place."""
    value = _value(node, scope)
    if node.type.kind != "label":
        return value
    places = enumerate(node.type.categories)
    cases = [
        (nodes.compare(value.top, "==", nodes.text(label)), nodes.number(place))
        for place, label in places
    ]
    return Number(nodes.choose(cases, nodes.nothing("bigint")))
