"""Binding: a tree and the types of its fields become a typed form that can be evaluated.

All literals are converted here, once; evaluation afterwards compares integers with integers.
Nothing is coerced silently, and every mistake is reported, not the first only.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from crmcore.calendars import Zone
from crmcore.columns import Value
from crmcore.conditions.language import tree
from crmcore.conditions.language.printer import to_text
from crmcore.conditions.language.tree import ComparisonOp, Condition, Operand
from crmcore.conditions.typed import bound as typed
from crmcore.conditions.typed.bound import (
    Bound,
    BoundBetween,
    BoundCompare,
    BoundConstant,
    BoundField,
    BoundIn,
    BoundKnown,
    BoundLiteral,
    BoundNot,
    BoundPair,
    BoundTerms,
    BoundValue,
)
from crmcore.conditions.typed.expressions import Values
from crmcore.conditions.typed.literals import Edge
from crmcore.conditions.typed.lookup import Lookup
from crmcore.conditions.typed.types import GIVEN, FieldType, a_field, alike
from crmcore.errors import Problem
from crmcore.suggestions import Suggestions

__all__ = ["bind"]

_MIRRORED: Final[Mapping[ComparisonOp, ComparisonOp]] = {
    "==": "==",
    "!=": "!=",
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
}
_INTEGERS: Final = frozenset(["int", "money", "date", "instant"])


_LOW: Final[Mapping[str, ComparisonOp]] = {"both": ">=", "low": ">=", "high": ">", "neither": ">"}
_HIGH: Final[Mapping[str, ComparisonOp]] = {"both": "<=", "low": "<", "high": "<=", "neither": "<"}
_NO_FIELD: Final = "this is the same for everybody: a field is needed"


def bind(
    condition: Condition,
    fields: Mapping[str, FieldType | None],
    path: str,
    suggestions: Suggestions | None = None,
    *,
    zone: Zone | None = None,
    given: Mapping[str, FieldType] = GIVEN,
) -> tuple[Bound | None, list[Problem]]:
    """Check a condition against the fields there are, and make it ready to evaluate.

    Parameters
    ----------
    condition
        The tree.
    fields
        The type of each field; ``None`` where it is not known because something is wrong with it.
        Nothing is said then of what rests on it.
    path
        Where the condition stands in the policy, for the problems.
    suggestions
        Where nearest names are looked up; shared by the conditions of one document.
    zone
        Whose local days instants have. Without it a calculation with the day of an instant is
        refused.
    given
        What may be named beside the fields: the moments ``as_of`` and ``last_evaluated_at``.

    Returns
    -------
    The bound condition and no problem, or ``None`` and every problem. Each knows its place in the
    text where the condition was read from text.

    Examples
    --------
    >>> from crmcore.conditions import parse
    >>> bound, problems = bind(parse("sale_cout > 3"), {"sale_count": FieldType("int")}, "class")
    >>> print(problems[0])
    class: no such field (at character 1); given sale_cout (did you mean 'sale_count'?) \
[unknown_name]
    >>> problems[0].span
    (0, 9)
    """
    too_large = tree.size_problem(condition)
    if too_large:
        return None, [Problem("too_large", too_large, path)]
    lookup = Lookup({**given, **fields}, path, suggestions or Suggestions(), zone)
    bound, problems = _Binder(lookup).bind(condition), lookup.problems
    return (bound if lookup.is_complete and not problems else None), problems


class _Binder:
    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self.values = Values(lookup, self.bind)

    def bind(self, node: Condition) -> Bound | None:
        match node:
            case tree.BoolValue():
                return BoundConstant(to_text(node), node.value)
            case tree.FieldRef():
                return self._flag(node)
            case tree.Comparison():
                return self._comparison(node)
            case tree.Between():
                return self._between(node)
            case tree.Membership():
                return self._membership(node)
            case tree.KnownTest():
                item = self._asked(node, node.item)
                return None if item is None else BoundKnown(to_text(node), node.op, item)
            case tree.And() | tree.Or():
                terms = [self.bind(term) for term in node.terms]
                return BoundTerms(to_text(node), node.op, tuple(t for t in terms if t is not None))
            case _:
                term = self.bind(node.term)
                return None if term is None else BoundNot(to_text(node), term)

    def _flag(self, node: tree.FieldRef) -> BoundCompare | None:
        type_ = self.lookup.type_of(node)
        if type_ is None:
            return None
        if type_.kind != "bool":
            message = f"{a_field(type_.kind)} alone is not a condition: compare it"
            self.lookup.refuse("type_mismatch", message, node)
            return None
        return BoundCompare(node.name, "==", node.name, type_, True, "==", True)

    def _asked(self, node: Condition, item: Operand) -> BoundValue | None:
        """Return what a test asks about: never something without a field."""
        if not isinstance(item, tree.FieldRef) and not tree.names(item):
            self.lookup.refuse("type_mismatch", _NO_FIELD, node)
            return None
        return self.values.bind(item)

    def _comparison(self, node: tree.Comparison) -> BoundCompare | BoundPair | None:
        left, right, op = node.left, node.right, node.op
        if isinstance(left, tree.LITERALS):
            left, right, op = right, left, _MIRRORED[op]
        if isinstance(left, tree.FieldRef) and isinstance(right, tree.LITERALS):
            value = self.values.bind(left)
            return None if value is None else self._against(node, op, value, right)
        if not tree.names(node):
            self.lookup.refuse("type_mismatch", _NO_FIELD, node)
            return None
        pair = self.values.both(left, right)
        return None if pair is None else self._pair(node, op, *pair)

    def _against(
        self, node: Condition, op: ComparisonOp, value: BoundValue, other: Operand
    ) -> BoundCompare | BoundPair | None:
        """Return a value compared with something: a field with a literal is the usual case."""
        if not isinstance(value, BoundField) or not isinstance(other, tree.LITERALS):
            right = self.values.bind(other, value.type)
            return None if right is None else self._pair(node, op, value, right)
        if not self._has_order(op, value.type, node):
            return None
        converted = self.lookup.convert(other, value.type)
        if converted is None:
            return None
        return _compare(to_text(node), op, value.name, value.type, *converted)

    def _pair(
        self, node: Condition, op: ComparisonOp, left: BoundValue, right: BoundValue
    ) -> BoundPair | None:
        message = _mismatch(left, right)
        if message:
            self.lookup.refuse("type_mismatch", message, node)
            return None
        if not (self._has_order(op, left.type, node) and self._has_order(op, right.type, node)):
            return None
        return BoundPair(to_text(node), op, left, right)

    def _between(self, node: tree.Between) -> BoundBetween | None:
        item = self._asked(node, node.item)
        if item is None:
            self.values.check(node.low, node.high)
            return None
        low = self._against(node, _LOW[node.edges], item, node.low)
        high = self._against(node, _HIGH[node.edges], item, node.high)
        if low is None or high is None:
            return None
        if _crossed(low, high, node.edges):
            message = "nothing lies between these edges: the lower one stands first"
            self.lookup.refuse("reversed_edges", message, node)
            return None
        return BoundBetween(to_text(node), low, high)

    def _membership(self, node: tree.Membership) -> BoundIn | None:
        item = self._asked(node, node.item)
        if item is None:
            return None
        type_ = item.type
        converted = [self.lookup.convert(literal, type_) for literal in node.items]
        pairs = [pair for pair in converted if pair is not None]
        if len(pairs) < len(converted):
            return None
        edges = frozenset(edge for _, edge in pairs)
        return BoundIn(
            to_text(node),
            node.op,
            item,
            tuple(literal for literal, _ in pairs),
            edges,
            typed.member_numbers(edges, type_),
            typed.member_table(node.op, edges, type_.categories),
        )

    def _has_order(self, op: ComparisonOp, type_: FieldType, node: Condition) -> bool:
        unordered = type_.kind in ("bool", "text") or (type_.kind == "label" and not type_.ordered)
        if unordered and op not in ("==", "!="):
            message = f"values of this {type_.kind} field have no order"
            self.lookup.refuse("not_ordered", message, node, "== or !=, in, not in")
            return False
        return True


def _mismatch(left: BoundValue, right: BoundValue) -> str | None:
    ours, theirs = left.type, right.type
    kinds = {ours.kind, theirs.kind}
    if ours.is_exact and theirs.is_exact and ours.amount != theirs.amount:
        return "an amount is compared with an amount, a plain number with a plain number"
    if ours.amount and theirs.amount and ours.exponent != theirs.exponent:
        return "amounts of different minor units are not compared"
    if kinds == {"date", "instant"}:
        return "a date is not compared with an instant: shift_days(x, 0) is the instant's local day"
    if kinds & {"date", "instant"} and (ours.is_exact or theirs.is_exact):
        return "a date stands in quotes, and days are counted with days_between(start, end)"
    if ours.kind != theirs.kind and not (ours.is_exact and theirs.is_exact):
        return f"{a_field(ours.kind)} is not compared with {a_field(theirs.kind)}"
    if ours.kind == "label" and (not alike(ours, theirs) or not ours.categories):
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


def _crossed(low: BoundCompare | BoundPair, high: BoundCompare | BoundPair, edges: str) -> bool:
    """Tell whether nothing can lie between two edges that are known before there is data."""
    ends = _end(low), _end(high)
    if ends[0] is None or ends[1] is None:
        return False
    low_end, high_end = ends
    crossed = low_end > high_end  # type: ignore[operator]  # both are literals of one type by now
    return crossed or (low_end == high_end and edges != "both")


def _end(bound: BoundCompare | BoundPair) -> Value:
    literal = bound if isinstance(bound, BoundCompare) else bound.right
    if not isinstance(literal, (BoundCompare, BoundLiteral)):
        return None
    if literal.type.kind == "label":
        return literal.type.categories.index(str(literal.literal))
    return literal.literal
