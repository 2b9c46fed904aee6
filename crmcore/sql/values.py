"""Values in SQL: fields, literals and what conditions calculate from them.

Nothing is rounded and nothing can overflow: binding has shown that whole numbers fit 64 bits as
long as the fields keep to what they may hold, which the query checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final, TypeAlias

import numpy as np

from crmcore.columns import Kind
from crmcore.conditions import (
    GIVEN,
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
from crmcore.conditions.evaluators.domains import checked_fields
from crmcore.conditions.language.tree import ComparisonOp
from crmcore.conditions.typed.literals import Edge
from crmcore.conditions.typed.types import FIRST_DAY, LAST_DAY
from crmcore.sql import nodes
from crmcore.sql.inputs import Inputs
from crmcore.sql.nodes import Node, Query, Type

__all__ = [
    "TYPES",
    "Number",
    "Scope",
    "compared",
    "day_of",
    "divisor_of",
    "of_edge",
    "outside",
    "value_of",
]

TYPES: Final[Mapping[Kind, Type]] = {
    "bool": "boolean",
    "float": "double",
    "text": "varchar",
    "label": "varchar",
}
"""How kinds are held, if not as whole numbers of 64 bits."""
_FIRST_MONTH, _LAST_MONTH = 12, 12 * 9999 + 11
"""Months since the year 0: January of the year 1, and December of 9999."""
_MOST_MONTHS: Final = 12 * 10_000
"""No day is left of the calendar after so many months."""


def divisor_of(name: str) -> str:
    """Return the name of the column with the divisor of a ratio."""
    return f"{name} divisor"


def day_of(name: str) -> str:
    """Return the name of the column with the local day of an instant."""
    return f"{name} day"


@dataclass(frozen=True, slots=True)
class Number:
    """A value; of an exact number that need not be whole, what it is divided by.

    It is missing where `top` is. Elsewhere `bottom` is above 0; none stands for 1.
    """

    top: Node
    bottom: Node | None = None


@dataclass(slots=True)
class Scope:
    """Where names are looked up: the columns of a part of the query, and the moments.

    Parameters
    ----------
    table
        The name under which the columns stand.
    inputs
        The moments, and the engine.
    names
        Names of columns where they differ from those of the fields.
    levels
        What was worked out before, so that it is computed once: columns by name, those of each
        level from the columns of the ones before.
    """

    table: str
    inputs: Inputs
    names: Mapping[str, str] = field(default_factory=dict)
    levels: list[dict[str, Node]] = field(default_factory=list)

    def value(self, name: str) -> Node:
        """Return the value of a name."""
        if name == "as_of":
            return self.inputs.at
        if name == "last_evaluated_at":
            return self.inputs.last
        return nodes.column(self.names.get(name, name), self.table)

    def day(self, name: str) -> Node:
        """Return the local day of an instant."""
        if name == "as_of":
            return self.inputs.day
        if name == "last_evaluated_at":
            return self.inputs.last_day
        return nodes.column(day_of(name), self.table)

    def once(self, value: Node) -> Node:
        """Return a value for several uses: what is computed becomes a column of its own."""
        used = nodes.columns_of(value)
        if not used or nodes.is_column(value):
            return value
        for columns in self.levels:
            for name, kept in columns.items():
                if kept == value:
                    return nodes.column(name, self.table)
        at = max((1 + at for at, kept in enumerate(self.levels) if used & kept.keys()), default=0)
        if at == len(self.levels):
            self.levels.append({})
        name = f"{self.table} value {sum(map(len, self.levels)) + 1}"
        self.levels[at][name] = value
        return nodes.column(name, self.table)

    def parts(self, last: str) -> Iterator[tuple[str, Query]]:
        """Yield the parts of the query that work out the columns, each after what it reads.

        `last` is the part that the columns stand in. The last part given is read in its place,
        under the name of the scope.
        """
        for at, columns in enumerate(self.levels, start=1):
            source = nodes.table(last, self.table)
            query = nodes.select(columns, source, nodes.every_column(self.table))
            last = f"{self.table} {at}"
            yield last, self.inputs.dialect.step(query)


Decide: TypeAlias = Callable[[Bound, Scope], Node]
"""The truth of a condition inside a case."""


def value_of(node: BoundValue, scope: Scope, decide: Decide) -> Number:
    """Return the value of an expression."""
    match node:
        case BoundField():
            is_ratio = node.type.kind == "ratio"
            bottom = scope.value(divisor_of(node.name)) if is_ratio else None
            return Number(scope.value(node.name), bottom)
        case BoundLiteral():
            return of_edge(node.edge)
        case BoundCase():
            return _case(node, scope, decide)
        case BoundBand():
            return Number(_band(node, scope, decide))
        case BoundDays():
            first, last = (_day(one, scope, decide) for one in (node.start, node.end))
            return Number(nodes.compute(last, "-", first))
        case BoundShift():
            return Number(_shifted(node, scope, decide))
    left, right = (value_of(one, scope, decide) for one in _operands(node))
    match node:
        case BoundSum():
            return _kept(_sum(node, left, right), scope)
        case BoundProduct():
            found = Number(nodes.compute(left.top, "*", right.top), _both(left, right))
            return _kept(found, scope)
        case _:
            return _kept(_quotient(node, left, replace(right, top=scope.once(right.top))), scope)


def _operands(node: BoundSum | BoundProduct | BoundDivide) -> tuple[BoundValue, BoundValue]:
    if isinstance(node, BoundDivide):
        return node.dividend, node.divisor
    return node.left, node.right


def of_edge(edge: Edge) -> Number:
    """Return a literal."""
    match edge:
        case Fraction():
            top, bottom = edge.as_integer_ratio()
            return Number(nodes.number(top), None if bottom == 1 else nodes.number(bottom))
        case bool():
            return Number(nodes.truth(edge))
        case str():
            return Number(nodes.text(edge))
        case _:
            return Number(nodes.double(edge))


def compared(left: Number, op: ComparisonOp, right: Number, scope: Scope) -> Node:
    """Compare two values: ratios by multiplying both sides, in wide whole numbers."""
    if left.bottom is None and right.bottom is None:
        return nodes.compare(left.top, op, right.top)
    dialect = scope.inputs.dialect
    ours, theirs = dialect.wide(left.top), dialect.wide(right.top)
    if right.bottom is not None:
        ours = nodes.compute(ours, "*", dialect.wide(right.bottom))
    if left.bottom is not None:
        theirs = nodes.compute(theirs, "*", dialect.wide(left.bottom))
    return nodes.compare(ours, op, theirs)


def outside(conditions: Iterable[Bound], scope: Scope) -> dict[str, Node]:
    """Return when a field that is calculated with is outside what it may hold there, by name."""
    found: dict[str, Node] = {}
    for one in checked_fields(conditions):
        if one.name in GIVEN or one.type.kind == "instant":
            continue  # no moment is outside, and where one comes from it was checked
        low, high = one.type.domain
        value = scope.value(one.name)
        terms = [
            nodes.compare(value, "<", nodes.number(low)),
            nodes.compare(value, ">", nodes.number(high)),
        ]
        if one.type.kind == "ratio":
            known = nodes.negate(nodes.is_missing(value))
            divisor = scope.value(divisor_of(one.name))
            most = nodes.number(one.type.greatest_divisor)
            terms.append(nodes.all_of([known, nodes.compare(divisor, ">", most)]))
        found[one.name] = nodes.any_of(terms)
    return found


# Exact numbers


def _kept(found: Number, scope: Scope) -> Number:
    """Keep both numbers of what may be used more than once."""
    if found.bottom is None:
        return found
    return Number(scope.once(found.top), scope.once(found.bottom))


def _both(left: Number, right: Number) -> Node | None:
    """Return the product of the divisors."""
    if left.bottom is None or right.bottom is None:
        return left.bottom if right.bottom is None else right.bottom
    return nodes.compute(left.bottom, "*", right.bottom)


def _times(value: Node, factor: Node | None) -> Node:
    return value if factor is None else nodes.compute(value, "*", factor)


def _sum(node: BoundSum, left: Number, right: Number) -> Number:
    ours, theirs = _times(left.top, right.bottom), _times(right.top, left.bottom)
    return Number(nodes.compute(ours, node.op, theirs), _both(left, right))


def _quotient(node: BoundDivide, left: Number, right: Number) -> Number:
    """Divide: where the divisor is below 0, the signs of both parts are turned."""
    zero = nodes.number(0)
    above, below = (nodes.compare(right.top, op, zero) for op in _SIGNS)
    top, bottom = _times(left.top, right.bottom), _times(right.top, left.bottom)
    tops = [(above, top), (below, nodes.compute(zero, "-", top))]
    bottoms = [(above, bottom), (below, nodes.compute(zero, "-", bottom))]
    if node.zero is not None:
        other = of_edge(node.zero.edge)
        nought = nodes.compare(right.top, "==", zero)
        tops.append((nought, other.top))
        bottoms.append((nought, other.bottom or nodes.number(1)))
    return Number(nodes.choose(tops), nodes.choose(bottoms))


_SIGNS: Final[tuple[ComparisonOp, ComparisonOp]] = (">", "<")


# Cases and bands


def _case(node: BoundCase, scope: Scope, decide: Decide) -> Number:
    holds = [decide(condition, scope) for condition, _ in node.rows]
    values = [value_of(value, scope, decide) for _, value in node.rows]
    otherwise = None if node.otherwise is None else value_of(node.otherwise, scope, decide)
    nothing = nodes.nothing(TYPES.get(node.type.kind, "bigint"))
    tops = zip(holds, [value.top for value in values], strict=True)
    top = nodes.choose(tops, nothing if otherwise is None else otherwise.top)
    if node.type.kind != "ratio":
        return Number(top)
    one = nodes.number(1)
    bottoms = zip(holds, [value.bottom or one for value in values], strict=True)
    bottom = nodes.choose(bottoms, one if otherwise is None else otherwise.bottom or one)
    return _kept(Number(top, bottom), scope)


def _band(node: BoundBand, scope: Scope, decide: Decide) -> Node:
    value = value_of(node.value, scope, decide)
    value = Number(scope.once(value.top), value.bottom)
    lowest = nodes.nothing("bigint")
    if node.otherwise is not None:
        lowest = nodes.number(node.otherwise)
    cases = [(nodes.is_missing(value.top), nodes.nothing("bigint"))]
    for edge, points in reversed([*zip(node.edges, node.points, strict=True)]):
        found = of_edge(Fraction(edge) if isinstance(edge, int) else edge)
        cases.append((compared(value, ">=", found, scope), nodes.number(points)))
    return nodes.choose(cases, lowest)


# Days


def _day(node: BoundValue, scope: Scope, decide: Decide) -> Node:
    """Return the local day of a date or an instant."""
    if node.type.kind == "date":
        return value_of(node, scope, decide).top
    match node:
        case BoundField():
            return scope.day(node.name)
        case BoundCase():
            rows = [(decide(test, scope), _day(value, scope, decide)) for test, value in node.rows]
            nothing = nodes.nothing("bigint")
            last = nothing if node.otherwise is None else _day(node.otherwise, scope, decide)
            return nodes.choose(rows, last)
    assert isinstance(node, BoundLiteral)  # as nothing else gives instants
    assert isinstance(node.edge, Fraction)
    instant = np.array([node.edge.numerator], np.int64)
    return nodes.number(int(scope.inputs.zone.local_days(instant)[0]))


def _shifted(node: BoundShift, scope: Scope, decide: Decide) -> Node:
    day, count = _day(node.day, scope, decide), node.count
    moved = value_of(count, scope, decide).top
    if node.unit == "days":
        found = scope.once(nodes.compute(day, "+", moved))
        return nodes.choose([(_between(found, FIRST_DAY, LAST_DAY), found)])
    if isinstance(count, BoundLiteral):
        assert isinstance(count.edge, Fraction)  # as of whole numbers
        if abs(count.edge) > _MOST_MONTHS:
            return nodes.nothing("bigint")
    dialect = scope.inputs.dialect
    day, moved = scope.once(day), scope.once(moved)
    months = scope.once(nodes.compute(_month(dialect.date(day)), "+", moved))
    later = dialect.months_later(dialect.date(day), nodes.cast(moved, "int"))
    inside = _between(months, _FIRST_MONTH, _LAST_MONTH)
    return nodes.choose([(inside, dialect.day_number(later))])


def _month(day: Node) -> Node:
    """Return the month of a date, counted from the year 0."""
    year, month = (nodes.cast(nodes.extract(part, day), "bigint") for part in ("YEAR", "MONTH"))
    years = nodes.compute(year, "*", nodes.number(12))
    return nodes.compute(nodes.compute(years, "+", month), "-", nodes.number(1))


def _between(value: Node, low: int, high: int) -> Node:
    ends: Sequence[Node] = [
        nodes.compare(value, ">=", nodes.number(low)),
        nodes.compare(value, "<=", nodes.number(high)),
    ]
    return nodes.all_of(ends)
