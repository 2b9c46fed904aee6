"""Binding: a tree and the types of its fields become a typed form that can be evaluated.

All literals are converted here, once; evaluation afterwards compares integers with integers.
Nothing is coerced silently, and every mistake is reported, not the first only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from crmcore.columns import Value
from crmcore.conditions import bound as typed
from crmcore.conditions import tree
from crmcore.conditions.bound import (
    Bound,
    BoundBetween,
    BoundCompare,
    BoundConstant,
    BoundIn,
    BoundKnown,
    BoundNot,
    BoundPair,
    BoundTerms,
)
from crmcore.conditions.literals import (
    Edge,
    FieldType,
    RefusedLiteralError,
    Suggestions,
    a_field,
    convert,
)
from crmcore.conditions.printer import operand_text, to_text
from crmcore.conditions.tree import ComparisonOp, Condition, LiteralValue, Operand
from crmcore.errors import Problem

__all__ = ["GIVEN", "bind"]

GIVEN: Final[Mapping[str, FieldType]] = {
    "as_of": FieldType("instant"),
    "last_evaluated_at": FieldType("instant"),
}
"""Names every condition may use beside the fields."""

_MIRRORED: Final[Mapping[ComparisonOp, ComparisonOp]] = {
    "==": "==",
    "!=": "!=",
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
}
_INTEGERS: Final = frozenset(["int", "money", "date", "instant"])


def bind(
    condition: Condition,
    fields: Mapping[str, FieldType],
    path: str,
    suggestions: Suggestions | None = None,
) -> tuple[Bound | None, list[Problem]]:
    """Check a condition against the fields there are, and make it ready to evaluate.

    Parameters
    ----------
    condition
        The tree.
    fields
        The type of each field; ``as_of`` and ``last_evaluated_at`` are added as instants.
    path
        Where the condition stands in the policy, for the problems.
    suggestions
        Where nearest names are looked up; shared by the conditions of one document.

    Returns
    -------
    The bound condition and no problem, or ``None`` and every problem.

    Examples
    --------
    >>> from crmcore.conditions import parse
    >>> bound, problems = bind(parse("sale_cout > 3"), {"sale_count": FieldType("int")}, "class")
    >>> print(problems[0])
    class: no such field; given sale_cout (did you mean 'sale_count'?) [unknown_name]
    """
    too_large = tree.size_problem(condition)
    if too_large:
        return None, [Problem("too_large", too_large, path)]
    binder = _Binder({**GIVEN, **fields}, path, suggestions or Suggestions())
    bound = binder.bind(condition)
    return (None if binder.problems else bound), list(dict.fromkeys(binder.problems))


@dataclass
class _Binder:
    fields: Mapping[str, FieldType]
    path: str
    suggestions: Suggestions
    problems: list[Problem] = field(default_factory=list)

    def bind(self, node: Condition) -> Bound | None:
        match node:
            case tree.BoolValue():
                return BoundConstant(to_text(node), node.value)
            case tree.FieldRef():
                return self._flag(node)
            case tree.Comparison():
                return self._compare(node, node.op, node.left, node.right)
            case tree.Between():
                return self._between(node)
            case tree.Membership():
                return self._membership(node)
            case tree.KnownTest():
                type_ = self._type(node.item)
                if type_ is None:
                    return None
                return BoundKnown(to_text(node), node.op, node.item.name, type_)
            case tree.And() | tree.Or():
                terms = [self.bind(term) for term in node.terms]
                return BoundTerms(to_text(node), node.op, tuple(t for t in terms if t is not None))
            case _:
                term = self.bind(node.term)
                return None if term is None else BoundNot(to_text(node), term)

    def _flag(self, node: tree.FieldRef) -> BoundCompare | None:
        type_ = self._type(node)
        if type_ is None:
            return None
        if type_.kind != "bool":
            message = f"{a_field(type_.kind)} alone is not a condition: compare it"
            self._problem("type_mismatch", message, node.name)
            return None
        return BoundCompare(node.name, "==", node.name, type_, True, "==", True)

    def _compare(
        self, node: Condition, op: ComparisonOp, left: Operand, right: Operand
    ) -> BoundCompare | BoundPair | None:
        if not isinstance(left, tree.FieldRef) and isinstance(right, tree.FieldRef):
            return self._compare(node, _MIRRORED[op], right, left)
        if not isinstance(left, tree.FieldRef):
            self._problem("type_mismatch", "a comparison needs a field", to_text(node))
            return None
        if isinstance(right, tree.FieldRef):
            return self._pair(node, op, left, right)
        type_ = self._type(left)
        if type_ is None or not self._orders(op, type_, node):
            return None
        converted = self._convert(right, type_)
        if converted is None:
            return None
        return _compare(to_text(node), op, left.name, type_, *converted)

    def _pair(
        self, node: Condition, op: ComparisonOp, left: tree.FieldRef, right: tree.FieldRef
    ) -> BoundPair | None:
        types = self._type(left), self._type(right)
        if types[0] is None or types[1] is None:
            return None
        message = _pair_mismatch(types[0], types[1])
        if message:
            self._problem("type_mismatch", message, to_text(node))
            return None
        if not self._orders(op, types[0], node) or not self._orders(op, types[1], node):
            return None
        return BoundPair(to_text(node), op, left.name, right.name, types[0], types[1])

    def _between(self, node: tree.Between) -> BoundBetween | None:
        low = self._compare(node, ">=", node.item, node.low)
        high = self._compare(node, "<=", node.item, node.high)
        if low is None or high is None:
            return None
        if _reversed(low, high):
            message = "nothing lies between these edges: the lower one stands first"
            self._problem("reversed_edges", message, to_text(node))
            return None
        return BoundBetween(to_text(node), low, high)

    def _membership(self, node: tree.Membership) -> BoundIn | None:
        type_ = self._type(node.item)
        if type_ is None:
            return None
        converted = [self._convert(item, type_) for item in node.items]
        pairs = [pair for pair in converted if pair is not None]
        if len(pairs) < len(converted):
            return None
        literals = tuple(literal for literal, _ in pairs)
        edges = frozenset(edge for _, edge in pairs)
        return BoundIn(
            to_text(node),
            node.op,
            node.item.name,
            type_,
            literals,
            edges,
            typed.member_numbers(edges, type_),
            typed.member_table(node.op, edges, type_.categories),
        )

    def _type(self, ref: tree.FieldRef) -> FieldType | None:
        type_ = self.fields.get(ref.name)
        if type_ is None:
            suggestion = self.suggestions.nearest(ref.name, self.fields)
            self._problem("unknown_name", "no such field", ref.name, suggestion=suggestion)
        return type_

    def _orders(self, op: ComparisonOp, type_: FieldType, node: Condition) -> bool:
        unordered = type_.kind in ("bool", "text") or (type_.kind == "label" and not type_.ordered)
        if unordered and op not in ("==", "!="):
            message = f"values of this {type_.kind} field have no order"
            self._problem("not_ordered", message, to_text(node), "== or !=, in, not in")
            return False
        return True

    def _convert(self, literal: LiteralValue, type_: FieldType) -> tuple[Value, Edge] | None:
        try:
            return convert(literal, type_)
        except RefusedLiteralError as refused:
            suggestion = None
            if refused.code == "unknown_label":
                suggestion = self.suggestions.nearest(str(literal.value), type_.categories)
            given = operand_text(literal)
            self._problem(refused.code, refused.message, given, refused.allowed, suggestion)
            return None

    def _problem(
        self,
        code: str,
        message: str,
        given: str,
        allowed: str | None = None,
        suggestion: str | None = None,
    ) -> None:
        self.problems.append(Problem(code, message, self.path, given, allowed, suggestion))


def _pair_mismatch(left: FieldType, right: FieldType) -> str | None:
    if "ratio" in (left.kind, right.kind):
        return "an exact ratio is compared with numbers only, not with another field"
    if left.kind != right.kind:
        return f"{a_field(left.kind)} is not compared with {a_field(right.kind)}"
    if left.exponent != right.exponent:
        return "amounts of different minor units are not compared"
    if left.kind == "label" and (left.categories != right.categories or not left.categories):
        return "labels are compared only between fields that list the same labels"
    return None


def _compare(
    text: str, op: ComparisonOp, name: str, type_: FieldType, literal: Value, edge: Edge
) -> BoundCompare:
    if type_.kind == "label":
        table = typed.comparison_table(type_, op, str(edge), type_.categories)
        return BoundCompare(text, op, name, type_, literal, op, edge, table)
    if type_.kind not in _INTEGERS:
        return BoundCompare(text, op, name, type_, literal, op, edge)
    assert isinstance(edge, Fraction)
    if edge.denominator == 1:
        return BoundCompare(text, op, name, type_, literal, op, edge.numerator)
    if op in ("==", "!="):
        return BoundCompare(text, op, name, type_, literal, op, None)
    # Between two integers: above the edge is above the lower of them.
    test: ComparisonOp = ">" if op in (">", ">=") else "<="
    return BoundCompare(text, op, name, type_, literal, test, edge.numerator // edge.denominator)


def _reversed(low: BoundCompare | BoundPair, high: BoundCompare | BoundPair) -> bool:
    if not isinstance(low, BoundCompare) or not isinstance(high, BoundCompare):
        return False
    edges = [_rank(bound) for bound in (low, high)]
    return edges[0] > edges[1]


def _rank(bound: BoundCompare) -> Fraction | float:
    if bound.type.kind == "label":
        return bound.type.categories.index(str(bound.literal))
    assert isinstance(bound.edge, (int, float, Fraction))
    return bound.edge
