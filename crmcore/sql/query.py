"""From a policy to one query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import partial

from crmcore.errors import PolicyError
from crmcore.policy import Policy
from crmcore.records.source import Source
from crmcore.scoring import ScorerStep
from crmcore.sql import nodes
from crmcore.sql.daily import (
    daily_days,
    daily_problems,
    daily_totals,
    daily_wrongs,
    day_parts,
)
from crmcore.sql.days import day_table
from crmcore.sql.decisions import decided
from crmcore.sql.declared import declared_facts, declared_problems, declared_wrongs
from crmcore.sql.dialects import DIALECTS
from crmcore.sql.facts import days_within, fact_parts, figure_parts
from crmcore.sql.inputs import Inputs
from crmcore.sql.moments import DAY, AsOf, Dates, Literals, Parameter, refuse_part_of_day
from crmcore.sql.nodes import Node, Query
from crmcore.sql.outputs import outputs
from crmcore.sql.refusals import (
    problems_of,
    refuse_beside,
    refuse_unread,
    refuse_without_sqlglot,
)
from crmcore.sql.rows import (
    checks,
    clean_customers,
    clean_rows,
    counted_rows,
    linked_returns,
    row_wrongs,
)
from crmcore.sql.selected import asked_columns
from crmcore.sql.source import BadRows, Reading, given_rows
from crmcore.sql.statement import Statement

__all__ = ["stated", "to_sql", "to_sql_daily", "up_to_facts", "with_parts"]


def to_sql(
    policy: Policy,
    *,
    dialect: str = "duckdb",
    orders: str = "orders",
    customers: str | None = None,
    facts: str | None = None,
    daily: str | None = None,
    as_of: AsOf,
    last_evaluated_at: date | None = None,
    columns: Mapping[str, str | None] | None = None,
    scores: Mapping[str, str] | None = None,
    source: Source | None = None,
    kinds: Mapping[str, str] | None = None,
    bad_rows: BadRows = "refuse",
) -> Statement:
    """Return a policy as one SQL query: over orders, a shop's own rows, facts, or days.

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
    facts
        Name of a relation of facts that were worked out elsewhere, in place of the orders and
        the customers: one row a customer, with ``customer_id`` and each fact and attribute of
        the policy under its name. Counts are whole numbers, money exact decimals in major units,
        days ``DATE``, instants have a zone; a mean is two columns of whole numbers, the sum in
        minor units and, with ``.divisor`` after its name, the count. The query then gives what
        `evaluate_facts` gives.
    daily
        Name of a relation of what `to_sql_daily` gives, in place of the orders. Its columns are
        checked. A fact of sales is an error where a sale of its days was returned after `as_of`.
        Of `columns` of the orders it only matters which there are not.
    as_of
        An aware datetime; or a date, which means the end of that local day. Several dates: the
        rows of each, by date, with a first column ``as_of``; a `DateSpine` says that they stand
        in a table. A `Parameter`: the moment is given when the query is run, by
        `Statement.parameters`.
    last_evaluated_at
        The evaluation before: a first-ever order after it makes a customer new. By default nobody
        is new; in a policy with held results, it is the last scheduled one.
    columns
        Names of columns by their standard names, where they differ; ``None`` for one of
        ``order_id``, ``status``, ``returns_order_id``, ``quantity``, ``channel``, ``promotion`` and
        of the attributes that there is not. An attribute with the name of a column of the orders
        is always under its own name. With a source, those of the customers only.
    scores
        The column of the customers with what each of the host's scorers gave, by the score's name.
    source
        How the shop's own rows are to be read: then `orders` has the shop's columns, not the
        canonical ones.
    kinds
        With a source, what each of the shop's columns holds, by its name: ``"whole"`` numbers,
        ``"decimal"``, ``"text"``, ``"uuid"``, ``"boolean"``, ``"instant"`` (with a zone),
        ``"time"`` (without), ``"date"`` or ``"float"``. A column that is not named is not there.
    bad_rows
        With a source, what happens when a row would be set aside: ``"refuse"`` (the query fails)
        or ``"set_aside"``, and then `to_sql_account` counts such rows.

    Returns
    -------
    Statement
        The query: a `str`. Every moment, window and edge in it is a number, or a parameter.

    Raises
    ------
    PolicyError
        Something in the policy, each with its place, has no SQL form (``not_in_sql``).
    DataError
        A naive datetime, a column that is none of the standard ones, a name that the engine would
        not take as it is, or two of what excludes each other: `facts`, `daily`, `source`.
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
    inputs, parts, wrongs = up_to_facts(
        policy,
        dialect,
        as_of,
        orders=orders,
        customers=customers,
        facts=facts,
        daily=daily,
        last_evaluated_at=last_evaluated_at,
        columns=columns,
        scores=scores,
        source=source,
        kinds=kinds,
        bad_rows=bad_rows,
    )
    query = _query(policy, inputs, dict(parts), wrongs)
    return stated(query, policy, inputs, whole_days=daily is not None)


def up_to_facts(
    policy: Policy,
    dialect: str,
    as_of: AsOf,
    *,
    orders: str = "orders",
    customers: str | None = None,
    facts: str | None = None,
    daily: str | None = None,
    last_evaluated_at: date | None = None,
    columns: Mapping[str, str | None] | None = None,
    scores: Mapping[str, str] | None = None,
    source: Source | None = None,
    kinds: Mapping[str, str] | None = None,
    bad_rows: BadRows = "refuse",
) -> tuple[Inputs, list[tuple[str, Node]], Iterable[tuple[Node, str]]]:
    """Return the inputs, the parts up to the facts, and what may be wrong; see `to_sql`."""
    refuse_without_sqlglot()
    refuse_unread(source, kinds, bad_rows)
    refuse_beside(as_of, customers, columns, facts, daily, source)
    problems = problems_of(policy, dialect, scores or (), facts_given=facts is not None)
    if facts is not None:
        problems += declared_problems(policy, dialect)
    if daily is not None:
        problems += daily_problems(policy, dialect)
    if problems:
        raise PolicyError(problems)
    engine = DIALECTS[dialect]
    given: list[tuple[str, Node]] = []
    if source is not None:
        reading = Reading.of(source, kinds, engine, orders, customers, bad_rows)
        given, orders, columns = given_rows(reading, policy.currency, columns)
    calendar = policy.evaluation
    inputs = Inputs.of(
        engine,
        facts or daily or orders,
        customers,
        columns,
        policy.zone,
        as_of,
        last_evaluated_at,
        asked_columns(policy),
        policy.attributes,
        scores,
        [step.name for step in policy.steps if isinstance(step, ScorerStep)],
        None if calendar.every is None else partial(calendar.held, zone=policy.zone),
    )
    parts = _of_rows(policy, inputs)
    wrongs = row_wrongs(inputs, policy, are_folded=source is not None)
    if facts is not None:
        name = inputs.part("facts")
        parts = iter([(name, declared_facts(policy, inputs))])
        wrongs = declared_wrongs(inputs, name)
    elif daily is not None:
        if isinstance(inputs.edges, Literals):
            refuse_part_of_day(inputs.edges.now, policy.zone)
        parts, wrongs = _of_days(policy, inputs), daily_wrongs(inputs)
    return inputs, [*given, *parts], wrongs


def to_sql_daily(
    policy: Policy,
    *,
    dialect: str = "duckdb",
    orders: str = "orders",
    as_of: date | Parameter,
    columns: Mapping[str, str | None] | None = None,
    source: Source | None = None,
    kinds: Mapping[str, str] | None = None,
    bad_rows: BadRows = "refuse",
) -> Statement:
    """Return the query for partial aggregates: one row a customer and local day.

    `to_sql` with ``daily=`` merges such rows to facts equal to those of the orders as of the same
    day. So a warehouse can keep them in a table of its own, and add days to it. As of an earlier
    day, facts of sales are an error where a sale was returned since; all others are equal.

    Parameters
    ----------
    policy
        The policy. Facts that differ in their window only share columns.
    dialect, orders, columns, source, kinds, bad_rows
        As for `to_sql`.
    as_of
        Up to when orders and returns are looked at; or a `Parameter`.

    Returns
    -------
    Statement
        The query. Its rows are told apart by ``customer_id`` and ``day``, a ``DATE`` of the
        policy's zone. ``changed_us`` is the instant (UTC microseconds) of the last order or
        return that a row rests on: a return of a sale changes the row of the day of the sale.
        What is dated after `as_of` stands on the day after it, as a row in which nothing
        happened; its ``changed_us`` is missing. So is a sum that leaves 64 bits in one day.

    Raises
    ------
    PolicyError, DataError, MissingExtraError
        As by `to_sql`; also where a fact does not merge from days, or the policy holds results.

    Examples
    --------
    >>> import duckdb
    >>> import crmcore as crm
    >>> con = duckdb.connect()
    >>> _ = con.execute('''create table orders as select 'C1' as customer_id,
    ...     1740794400000000 as placed_us, 30000 as amount_minor''')
    >>> missing = dict.fromkeys(["order_id", "status", "returns_order_id"])
    >>> policy = crm.presets.load("classic")
    >>> days = to_sql_daily(policy, columns=missing, as_of=date(2025, 4, 1))
    >>> _ = con.execute(f"create table days as {days}")
    >>> con.sql("select day, sale_count, mean_sale from days").fetchall()
    [(datetime.date(2025, 3, 1), 1, 30000)]
    >>> merged = to_sql(policy, daily="days", as_of=date(2025, 3, 31))
    >>> con.sql(merged).select("customer_id, class").fetchall()
    [('C1', 'bronze')]
    """
    refuse_without_sqlglot()
    refuse_unread(source, kinds, bad_rows)
    problems = [*problems_of(policy, dialect), *daily_problems(policy, dialect)]
    if problems:
        raise PolicyError(problems)
    engine, asked = DIALECTS[dialect], asked_columns(policy)
    parts: dict[str, Node] = {}
    if source is not None:
        reading = Reading.of(source, kinds, engine, orders, bad_rows=bad_rows)
        given, orders, columns = given_rows(reading, policy.currency, columns)
        parts = dict(given)
    inputs = Inputs.of(engine, orders, None, columns, policy.zone, as_of, None, asked)
    parts[inputs.part("rows")] = clean_rows(inputs)
    if inputs.linked:
        parts[inputs.part("linked returns")] = linked_returns(inputs)
    parts[inputs.part("counted rows")] = counted_rows(inputs, policy)
    days = dict(day_parts(policy, inputs))
    parts |= days
    last = inputs.part("daily")
    shown = {name: nodes.column(name, last) for name in days[last].named_selects}
    query = nodes.select(shown, nodes.table(last))
    wrongs = row_wrongs(inputs, policy, are_folded=source is not None)
    query = query.where(*checks(wrongs, inputs, last))
    return stated(with_parts(query, parts, inputs), policy, inputs)


def stated(query: Query, policy: Policy, inputs: Inputs, *, whole_days: bool = False) -> Statement:
    """Return a query as text, with what is known of it."""
    text, names = inputs.dialect.write(query), query.named_selects
    return Statement(text, inputs.edges, policy.zone, names, nodes.reads(query), whole_days)


def _query(
    policy: Policy,
    inputs: Inputs,
    parts: dict[str, Node],
    wrongs: Iterable[tuple[Node, str]],
) -> Query:
    parts |= decided(policy.steps, inputs.part("facts"), inputs)
    last = next(reversed(parts))
    edges, columns = inputs.edges, dict(outputs(policy, last, inputs.dialect))
    order = list(inputs.dialect.in_order(nodes.column("customer_id", last)))
    if isinstance(edges, Dates):
        parts = {edges.table: edges.rows(inputs.dialect), **nodes.lifted(parts, edges.table, DAY)}
        order = [nodes.column(DAY, last), *order]
        columns = {"as_of": inputs.dialect.date(nodes.column(DAY, last)), **columns}
    query = nodes.select(columns, nodes.table(last))
    query = query.where(*checks(wrongs, inputs, last))
    query = query.order_by(*map(nodes.ascending, order))
    return with_parts(query, parts, inputs)


def with_parts(query: Query, parts: Mapping[str, Node], inputs: Inputs) -> Query:
    """Return the query with its parts before it."""
    given = {inputs.part(name) for name in ("rows", "customers", "counted rows")}
    for name, part in parts.items():
        again = False if inputs.dialect.reads_again and name in given else None
        query = query.with_(nodes.identifier(name), as_=part, materialized=again, copy=False)
    return query


def _of_days(policy: Policy, inputs: Inputs) -> Iterator[tuple[str, Node]]:
    """Yield the parts up to the facts, each after what it reads, where days are given."""
    yield inputs.part("daily"), daily_days(policy, inputs)
    if inputs.customers is not None:
        yield inputs.part("customers"), clean_customers(inputs, policy)
    yield inputs.part("totals"), daily_totals(policy, inputs)
    within = days_within(policy, inputs)
    if within is not None:
        yield inputs.part("days"), day_table(policy.zone, *within)
    yield from figure_parts(policy, inputs)


def _of_rows(policy: Policy, inputs: Inputs) -> Iterator[tuple[str, Node]]:
    """Yield the parts up to the facts, each after what it reads."""
    yield inputs.part("rows"), clean_rows(inputs)
    if inputs.customers is not None:
        yield inputs.part("customers"), clean_customers(inputs, policy)
    moments = list(inputs.moments())
    for moment in moments:
        if inputs.linked:
            yield moment.part("linked returns"), linked_returns(moment)
        yield moment.part("counted rows"), counted_rows(moment, policy)
    within = days_within(policy, inputs)
    if within is not None:
        yield inputs.part("days"), day_table(policy.zone, *within)
    for moment in moments:
        yield from fact_parts(policy, moment)
    yield from figure_parts(policy, inputs)
