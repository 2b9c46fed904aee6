"""Binding of values: literals take the type of what stands beside them, all else has its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final, Literal

from crmcore.calendars import Zone
from crmcore.columns import Kind, Value
from crmcore.conditions.language import tree
from crmcore.conditions.language.printer import to_text
from crmcore.conditions.language.tree import Condition, LiteralValue, Operand
from crmcore.conditions.typed import arithmetic
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
    fields_of,
)
from crmcore.conditions.typed.lookup import Lookup
from crmcore.conditions.typed.room import Operation, no_room, way_out
from crmcore.conditions.typed.types import FieldType, alike

__all__ = ["Values"]

_MEASURED: Final = ("int", "money", "ratio", "float", "date", "instant")
_INTEGERS: Final = ("int", "money", "ratio", "date", "instant")
_WHOLE: Final = ("int", "money", "date", "instant")
_MIXED: Final = "exact numbers and floats are not mixed: nothing exact becomes inexact in silence"
_UNLIKE: Final = "an amount is added to an amount, a plain number to a plain number"
_TIMES: Final = "an amount times an amount means nothing: one of the two is a plain number"
_PER: Final = "a number divided by an amount means nothing: divide an amount"
_NO_NUMBER: Final[Mapping[str, str]] = {
    "date": "dates are not calculated with: days_between(start, end) counts days, "
    "shift_days(day, count) and shift_months(day, count) move a day",
    "bool": "true and false are no numbers: write case(x: 1, else: 0)",
    "label": "a label is no number: write case(x == …: 1, else: 0)",
    "text": "text is no number: write case(x == …: 1, else: 0)",
}


@dataclass(frozen=True, slots=True)
class Values:
    """Binds the values of one condition; the conditions inside a case are bound by `condition`."""

    lookup: Lookup
    condition: Callable[[Condition], Bound | None]
    _open_cases: dict[int, bool] = field(default_factory=dict)

    def bind(
        self, node: Operand, beside: FieldType | None = None, *, checked: bool = False
    ) -> BoundValue | None:
        """Return the value, or ``None`` when something in it is wrong.

        Parameters
        ----------
        node
            The value.
        beside
            The type that an open value takes; ``None``: a plain number or text.
        checked
            Whether it takes part in a calculation.
        """
        match node:
            case tree.FieldRef():
                type_ = self.lookup.type_of(node)
                return None if type_ is None else BoundField(node.name, type_, checked)
            case tree.Arithmetic():
                return self._sum(node) if node.op != "*" else self._product(node)
            case tree.Divide():
                return self._divide(node)
            case tree.DaysBetween():
                return self._days(node)
            case tree.Shift():
                return self._shift(node)
            case tree.Band():
                return self._band(node)
            case tree.Case():
                return self._case(node, beside, checked)
            case _:
                return self.literal(node, beside)

    def both(
        self, left: Operand, right: Operand, *, checked: bool = False, plain: bool = False
    ) -> tuple[BoundValue, BoundValue] | None:
        """Return two values that stand beside each other, an open one in the terms of the other.

        In a calculation (`checked`) only numbers lend their terms, and with `plain` only floats.
        """
        flipped = self._is_open(left) and not self._is_open(right)
        first, second = (right, left) if flipped else (left, right)
        one = self.bind(first, checked=checked)
        if one is None:
            self.check(second)
            return None
        beside = one.type if self._is_open(second) else None
        if beside is not None and checked and beside.kind != "float":
            beside = beside if beside.is_exact and not plain else None
        other = self.bind(second, beside, checked=checked)
        if other is None:
            return None
        return (other, one) if flipped else (one, other)

    def check(self, *nodes: Operand) -> None:
        """Note what is wrong with values, whatever is wrong with what they stand beside."""
        for node in nodes:
            if not self._is_open(node):
                self.bind(node)
            elif isinstance(node, tree.Case):
                for condition, value in node.rows:
                    self.condition(condition)
                    self.check(value)

    def _is_open(self, node: Operand) -> bool:
        """Tell whether a value takes its type from what it is compared or calculated with."""
        if isinstance(node, tree.Case):
            known = self._open_cases.get(id(node))  # else cases in cases are looked through often
            if known is None:
                last = [] if node.otherwise is None else [node.otherwise]
                known = all(map(self._is_open, [*(value for _, value in node.rows), *last]))
                self._open_cases[id(node)] = known
            return known
        return isinstance(node, (tree.IntegerValue, tree.DecimalValue, tree.TextValue))

    def literal(self, node: LiteralValue, beside: FieldType | None = None) -> BoundLiteral | None:
        """Return a literal in the terms of a type, or of its own."""
        if beside is None or isinstance(node, tree.BoolValue):
            beside = FieldType(_own_kind(node))
        converted = self.lookup.convert(node, beside)
        if converted is None:
            return None
        literal, edge = converted
        beside = replace(beside, nullable=False, personal=False)
        type_: FieldType | None = beside
        if beside.is_exact:
            assert isinstance(edge, Fraction)  # as of all exact numbers
            type_ = arithmetic.literal_type(edge, beside)
        elif isinstance(edge, Fraction):
            type_ = replace(beside, low=edge.numerator, high=edge.numerator)
        if type_ is None:
            self._refuse(node, "no number here has so many digits", "out_of_range")
            return None
        return BoundLiteral(to_text(node), type_, literal, edge)

    # Numbers

    def _sum(self, node: tree.Arithmetic) -> BoundSum | None:
        pair = self._numbers(node, self.both(node.left, node.right, checked=True))
        if pair is None or node.op == "*":
            return None
        left, right = pair
        if left.type.amount != right.type.amount:
            self._refuse(node, _UNLIKE)
            return None
        type_ = _float(*pair) or arithmetic.sum_type(left.type, right.type, node.op)
        if type_ is None:
            self._no_room(node, node.op, left, right)
            return None
        return BoundSum(to_text(node), node.op, left, right, type_)

    def _product(self, node: tree.Arithmetic) -> BoundProduct | None:
        pair = self._numbers(node, self.both(node.left, node.right, checked=True, plain=True))
        if pair is None:
            return None
        left, right = pair
        if left.type.amount and right.type.amount:
            self._refuse(node, _TIMES)
            return None
        type_ = _float(*pair) or arithmetic.product_type(left.type, right.type)
        if type_ is None:
            self._no_room(node, "*", left, right)
            return None
        return BoundProduct(to_text(node), left, right, type_)

    def _divide(self, node: tree.Divide) -> BoundDivide | None:
        pair = self.both(node.dividend, node.divisor, checked=True, plain=True)
        pair = self._numbers(node, pair)
        if pair is None:
            return None
        types = pair[0].type, pair[1].type
        if types[1].amount and not types[0].amount:
            self._refuse(node, _PER)
            return None
        result = _float(*pair) or arithmetic.quotient_type(*types, None)
        zero = None
        if result is not None and node.zero != "unknown":
            zero = self.literal(node.zero, result)
            if zero is None:
                return None
            if isinstance(zero.edge, Fraction):
                result = arithmetic.quotient_type(*types, zero.edge)
        if result is None:
            self._no_room(node, "divide", *pair)
            return None
        return BoundDivide(to_text(node), *pair, zero, result)

    def _numbers(
        self, node: Operand, pair: tuple[BoundValue, BoundValue] | None
    ) -> tuple[BoundValue, BoundValue] | None:
        """Return two operands if they are numbers that may be calculated with each other."""
        for one in pair or ():
            if one.type.kind not in ("int", "money", "ratio", "float"):
                kind = "date" if one.type.kind == "instant" else one.type.kind
                self._refuse(node, _NO_NUMBER[kind])
                return None
        if pair is None:
            return None
        if [one.type.kind for one in pair].count("float") == 1:
            self._refuse(node, _MIXED)
            return None
        exponents = {one.type.exponent for one in pair if one.type.amount}
        if len(exponents) > 1:
            self._refuse(node, "amounts of different minor units are not mixed")
            return None
        return pair

    # Days

    def _days(self, node: tree.DaysBetween) -> BoundDays | None:
        start, end = self._day(node.start), self._day(node.end)
        if start is None or end is None:
            return None
        type_ = arithmetic.days_type(start.type, end.type)
        return BoundDays(to_text(node), start, end, self._zone(start, end), type_)

    def _shift(self, node: tree.Shift) -> BoundShift | None:
        day, count = self._day(node.day), self.bind(node.count, checked=True)
        if count is not None and count.type.kind != "int":
            message = "days and months are moved by a whole number"
            self._refuse(node.count, message)
            return None
        if day is None or count is None:
            return None
        unit: Literal["days", "months"] = "days" if node.op == "shift_days" else "months"
        type_ = arithmetic.shift_type(day.type, count.type, unit)
        if type_ is None:
            self._no_room(node, "shift", day, count)
            return None
        return BoundShift(to_text(node), unit, day, count, self._zone(day), type_)

    def _day(self, node: Operand) -> BoundValue | None:
        day = self.bind(node, FieldType("date"), checked=True)
        if day is None:
            return None
        if day.type.kind not in ("date", "instant"):
            self._refuse(node, "a date or an instant is needed here")
            return None
        if day.type.kind == "instant" and self.lookup.zone is None:
            self._refuse(node, "an instant has no local day here, as there is no zone")
            return None
        return day

    def _zone(self, *days: BoundValue) -> Zone | None:
        return self.lookup.zone if any(day.type.kind == "instant" for day in days) else None

    # Tables

    def _band(self, node: tree.Band) -> BoundBand | None:
        value = self.bind(node.item)
        if value is not None and value.type.kind not in _MEASURED:
            self._refuse(node.item, "bands measure numbers, amounts and dates")
            value = None
        rows = self._edges(node, None if value is None else value.type)
        if value is None or rows is None:
            return None
        literals, edges = zip(*rows, strict=True)
        if value.type.kind in _WHOLE:
            edges = tuple(math.ceil(edge) for edge in edges)
        points = tuple(points for _, points in node.bands)
        last = () if node.otherwise is None else (node.otherwise,)
        type_ = FieldType(
            "int",
            personal=value.type.personal,
            nullable=not last or value.type.nullable,
            low=min(points + last),
            high=max(points + last),
        )
        return BoundBand(to_text(node), value, edges, points, node.otherwise, literals, type_)

    def _edges(
        self, node: tree.Band, type_: FieldType | None
    ) -> list[tuple[Value, Fraction | float]] | None:
        """Return the edges of a band as written and as computed with, if they ascend."""
        rows: list[tuple[Value, Fraction | float]] = []
        before: Fraction | float | None = None
        is_right = True
        for literal, _ in node.bands:
            value, edge = self._edge(literal, type_)
            if edge is None:
                is_right = False
                continue
            if before is not None and not before < edge:
                message = "edges ascend: this one is not above the one before"
                self._refuse(literal, message, "not_ascending")
                is_right = False
            rows.append((value, edge))
            before = edge
        return rows if is_right else None

    def _edge(
        self, literal: LiteralValue, type_: FieldType | None
    ) -> tuple[Value, Fraction | float | None]:
        """Return an edge as written and as computed with; without a type, a number as it is."""
        if type_ is None:
            is_number = isinstance(literal, (tree.IntegerValue, tree.DecimalValue))
            return literal.value, Fraction(literal.value) if is_number else None
        value, edge = self.lookup.convert(literal, type_) or (None, None)
        assert not isinstance(edge, str)  # as of all that is measured
        return value, edge

    def _case(self, node: tree.Case, beside: FieldType | None, checked: bool) -> BoundCase | None:
        conditions = [self.condition(condition) for condition, _ in node.rows]
        values = self._case_values(node, beside, checked)
        known = [condition for condition in conditions if condition is not None]
        type_ = None if values is None else self._common(node, values)
        if values is None or type_ is None or len(known) < len(conditions):
            return None
        asked = [one for condition in known for one in fields_of(condition).values()]
        type_ = replace(type_, personal=type_.personal or any(one.personal for one in asked))
        rows = tuple(zip(known, values, strict=False))
        otherwise = None if node.otherwise is None else values[-1]
        return BoundCase(to_text(node), rows, otherwise, type_)

    def _case_values(
        self, node: tree.Case, beside: FieldType | None, checked: bool
    ) -> list[BoundValue] | None:
        """Return the values of the rows and the last one, open ones in the terms of the others."""
        nodes = [value for _, value in node.rows]
        if node.otherwise is not None:
            nodes.append(node.otherwise)
        bound: dict[int, BoundValue] = {}
        for at in sorted(range(len(nodes)), key=lambda at: self._is_open(nodes[at])):
            value = self.bind(nodes[at], beside, checked=checked)
            if value is not None:
                bound[at] = value
                beside = beside if self._is_open(nodes[at]) else value.type
        return None if len(bound) < len(nodes) else [bound[at] for at in range(len(nodes))]

    def _common(self, node: tree.Case, values: Sequence[BoundValue]) -> FieldType | None:
        """Return the type that all values of a case have."""
        types = [value.type for value in values]
        first = types[0]
        if any(not alike(first, other) for other in types[1:]):
            self._refuse(node, "the values of a case are of one kind and one unit")
            return None
        if first.kind == "label" and not first.categories:
            self._refuse(node, "a case gives labels only where the policy lists them all")
            return None
        common = replace(
            first,
            nullable=node.otherwise is None or any(type_.nullable for type_ in types),
            personal=any(type_.personal for type_ in types),
        )
        return arithmetic.union_type(common, types) if first.kind in _INTEGERS else common

    def _no_room(self, node: Operand, op: Operation, left: BoundValue, right: BoundValue) -> None:
        message, instead = no_room(left, right), way_out(op, left, right)
        self.lookup.refuse("may_overflow", message, node, instead)

    def _refuse(self, node: Operand, message: str, code: str = "type_mismatch") -> None:
        self.lookup.refuse(code, message, node)


def _own_kind(node: LiteralValue) -> Kind:
    match node:
        case tree.BoolValue():
            return "bool"
        case tree.TextValue():
            return "text"
        case _:
            return "int"


def _float(left: BoundValue, right: BoundValue) -> FieldType | None:
    if left.type.kind != "float":
        return None
    return FieldType("float", personal=left.type.personal or right.type.personal)
