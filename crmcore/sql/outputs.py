"""The columns of a result, as they are shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crmcore.conditions import FieldType
from crmcore.policy import Policy
from crmcore.sql import nodes
from crmcore.sql.dialects import Dialect
from crmcore.sql.nodes import Node
from crmcore.sql.values import divisor_of

__all__ = ["outputs"]

_LEADING: Final = ("class", "segment", "stage", "grade")
# As in the frames that `Evaluation.to_frame` gives.
_MONEY_WIDTH: Final = 19
_RATIO_WIDTH: Final = 38
_RATIO_DIGITS: Final = 6


def outputs(policy: Policy, table: str, dialect: Dialect) -> Iterator[tuple[str, Node]]:
    """Yield the columns in the order of a result: the decisions that matter most first."""
    yield "customer_id", nodes.column("customer_id", table)
    steps = [step.name for step in policy.steps]
    leading = [name for name in _LEADING if name in steps]
    for name in dict.fromkeys([*leading, *policy.facts, *policy.attributes, *steps]):
        yield name, _shown(name, policy.fields[name], table, dialect)


def _shown(name: str, type_: FieldType, table: str, dialect: Dialect) -> Node:
    """Return a column as it is shown: money in major units, days as dates."""
    value = nodes.column(name, table)
    match type_.kind:
        case "money":
            return dialect.decimal(value, _MONEY_WIDTH, type_.exponent)
        case "ratio":
            return _ratio(value, nodes.column(divisor_of(name), table), type_.exponent, dialect)
        case "date":
            return dialect.date(value)
        case "instant":
            return dialect.instant(value)
        case _:
            return value


def _ratio(value: Node, divisor: Node, exponent: int, dialect: Dialect) -> Node:
    """Return a mean rounded down: to the minor unit, or where there is none to 6 digits."""
    mean, rest = dialect.floor(value, divisor)
    width, digits = (_MONEY_WIDTH, exponent) if exponent else (_RATIO_WIDTH, _RATIO_DIGITS)
    if not exponent:
        unit = 10**digits
        parts = dialect.quotient(nodes.compute(rest, "*", nodes.number(unit)), divisor)
        units = nodes.compute(dialect.wide(mean), "*", dialect.wide_number(unit))
        mean = nodes.compute(units, "+", parts)
    # What is missing is divided by nothing: not every engine lets 0 be the divisor then.
    known = nodes.negate(nodes.is_missing(value))
    return dialect.decimal(nodes.choose([(known, mean)]), width, digits)
