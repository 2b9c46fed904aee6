"""From a policy to one query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from importlib.util import find_spec
from typing import Final

from crmcore.calendars import moments
from crmcore.conditions import FieldType
from crmcore.errors import MissingExtraError, PolicyError
from crmcore.policy import Policy
from crmcore.sql import nodes
from crmcore.sql.conditions import Scope
from crmcore.sql.days import day_table
from crmcore.sql.decisions import decision
from crmcore.sql.dialects import DIALECTS, Dialect
from crmcore.sql.facts import days_within, divisor_of, figures, totals
from crmcore.sql.inputs import Inputs
from crmcore.sql.nodes import Node, Query
from crmcore.sql.refusals import problems_of
from crmcore.sql.rows import (
    checks,
    clean_customers,
    clean_rows,
    counted_rows,
    everybody,
    linked_returns,
)

__all__ = ["to_sql"]

_LEADING: Final = ("class", "segment", "stage", "grade")
# As in the frames that `Evaluation.to_frame` gives.
_MONEY_WIDTH: Final = 19
_RATIO_WIDTH: Final = 38
_RATIO_DIGITS: Final = 6
_WIDTH: Final = 120


def to_sql(
    policy: Policy,
    *,
    dialect: str = "duckdb",
    orders: str = "orders",
    customers: str | None = None,
    as_of: date,
    last_evaluated_at: date | None = None,
    columns: Mapping[str, str | None] | None = None,
) -> str:
    """Return a policy as one SQL query over canonical orders.

    The query gives the rows and columns of ``evaluate(…).to_frame()``: one row a customer, by
    ascending id, with everything equal cell by cell. It fails, as `evaluate` does, where the
    amounts of a customer exceed 64 bits, and where the relations are not what they must be.

    Parameters
    ----------
    policy
        The policy.
    dialect
        ``"duckdb"``, ``"postgres"``, ``"spark"`` or ``"bigquery"``.
    orders
        Name of the relation of orders and returns, each once: ``customer_id`` (whole numbers,
        text or UUIDs; missing for anonymous rows), ``placed_us`` (UTC microseconds),
        ``amount_minor`` (whole minor units of the policy's currency, negative for returns),
        ``order_id`` and ``returns_order_id`` (of one type), and ``status`` (a standard one).
    customers
        Name of the relation of customers, each once: ``customer_id`` and ``blocked``
        (``BOOLEAN``). Without it, everybody who ever ordered.
    as_of
        An aware datetime; or a date, which means the end of that local day.
    last_evaluated_at
        A first-ever order after it makes a customer new. By default nobody is new.
    columns
        Names of columns by their standard names, where they differ; ``None`` for one of
        ``order_id``, ``status``, ``returns_order_id`` and ``blocked`` that there is not.

    Returns
    -------
    str
        The query. Every moment, window and edge in it is a literal: as of another moment it is
        another query.

    Raises
    ------
    PolicyError
        Something in the policy, each with its place, has no SQL form (``not_in_sql``).
    DataError
        A naive datetime, a column that is none of the standard ones, or a name that the engine
        would not take as it is.
    MissingExtraError
        SQLGlot is not installed.

    Examples
    --------
    >>> import duckdb
    >>> import crmcore as crm
    >>> con = duckdb.connect()
    >>> _ = con.execute('''create table sales as select 'C1' as customer_id,
    ...     1740794400000000 as placed_us, 30000 as amount_minor''')
    >>> missing = dict.fromkeys(["order_id", "status", "returns_order_id"])
    >>> query = to_sql(
    ...     crm.presets.load("classic"), orders="sales", columns=missing, as_of=date(2025, 4, 1)
    ... )
    >>> con.sql(query).select("customer_id, class, score, mean_sale").fetchall()
    [('C1', 'bronze', 16, Decimal('300.00'))]
    """
    if find_spec("sqlglot") is None:
        raise MissingExtraError("sqlglot", extra="sql")
    problems = problems_of(policy, dialect)
    if problems:
        raise PolicyError(problems)
    last = last_evaluated_at
    last_us = None if last is None else int(moments([last], policy.zone).at[0])
    now = moments([as_of], policy.zone)
    engine = DIALECTS[dialect]
    inputs = Inputs.of(engine, orders, customers, columns, policy.zone, now, last_us)
    return engine.write(_query(policy, inputs), _WIDTH)


def _query(policy: Policy, inputs: Inputs) -> Query:
    parts = dict(_parts(policy, inputs))
    last = inputs.part("facts")
    for step in policy.steps:
        node = decision(step, Scope(last, inputs))
        whole = nodes.select({step.name: node}, nodes.table(last), nodes.every_column(last))
        last = inputs.part(f"with {step.name}")
        parts[last] = inputs.dialect.step(whole)
    query = nodes.select(dict(_outputs(policy, last, inputs.dialect)), nodes.table(last))
    query = query.where(*checks(inputs, policy, last))
    ids = inputs.dialect.in_order(nodes.column("customer_id", last))
    query = query.order_by(*map(nodes.ascending, ids))
    for name, part in parts.items():
        query = query.with_(nodes.identifier(name), as_=part, copy=False)
    return query


def _parts(policy: Policy, inputs: Inputs) -> Iterator[tuple[str, Node]]:
    """Yield the parts up to the facts, each after what it reads."""
    yield inputs.part("rows"), clean_rows(inputs)
    if inputs.customers is not None:
        yield inputs.part("customers"), clean_customers(inputs, policy)
    if inputs.linked:
        yield inputs.part("linked returns"), linked_returns(inputs)
    yield inputs.part("counted rows"), counted_rows(inputs, policy)
    yield inputs.part("totals"), totals(policy, inputs)
    yield inputs.part("everybody"), everybody(inputs)
    within = days_within(policy, inputs)
    if within is not None:
        yield inputs.part("days"), day_table(policy.zone, *within)
    yield inputs.part("facts"), figures(policy, inputs)


def _outputs(policy: Policy, table: str, dialect: Dialect) -> Iterator[tuple[str, Node]]:
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
