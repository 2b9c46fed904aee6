"""From a policy to one query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from importlib.util import find_spec
from typing import Final, TypedDict

from crmcore.errors import DataError, MissingExtraError, PolicyError
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
from crmcore.sql.facts import days_within, fact_parts, figures
from crmcore.sql.inputs import Inputs
from crmcore.sql.mapping import BadRows, Reading
from crmcore.sql.moments import DAY, AsOf, Dates, Literals, Parameter, refuse_part_of_day
from crmcore.sql.nodes import Node, Query
from crmcore.sql.outputs import outputs
from crmcore.sql.refusals import problems_of
from crmcore.sql.rewriting import lifted, reads
from crmcore.sql.rows import (
    checks,
    clean_customers,
    clean_rows,
    counted_rows,
    everybody,
    linked_returns,
    row_wrongs,
)
from crmcore.sql.selected import asked_columns
from crmcore.sql.statement import Statement

__all__ = ["ReadOptions", "SqlOptions", "to_sql", "to_sql_daily"]

_WIDTH: Final = 120


class ReadOptions(TypedDict, total=False):
    """How `to_sql` is told to read the relations; see there."""

    last_evaluated_at: date | None
    columns: Mapping[str, str | None] | None
    scores: Mapping[str, str] | None


class SqlOptions(ReadOptions, total=False):
    """What `to_sql` is told of the relations; see there."""

    orders: str
    customers: str | None
    facts: str | None
    daily: str | None


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
    facts
        Name of a relation of facts that were worked out elsewhere, in place of the orders and
        the customers: one row a customer, with ``customer_id`` and each fact and attribute of
        the policy under its name. Counts are whole numbers, money exact decimals in major units,
        days ``DATE``, instants have a zone; a mean is two columns of whole numbers, the sum in
        minor units and, with ``.divisor`` after its name, the count. The query then gives what
        `evaluate_facts` gives.
    daily
        Name of a relation of what `to_sql_daily` gives, in place of the orders.
    as_of
        An aware datetime; or a date, which means the end of that local day. Several dates: the
        rows of each, by date, with a first column ``as_of``. A `Parameter`: the moment is given
        when the query is run, by `Statement.parameters`.
    last_evaluated_at
        A first-ever order after it makes a customer new. By default nobody is new.
    columns
        Names of columns by their standard names, where they differ; ``None`` for one of
        ``order_id``, ``status``, ``returns_order_id``, ``quantity``, ``channel``, ``promotion`` and
        of the attributes that there is not. An attribute with the name of a column of the orders
        is always under its own name.
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
    problems = problems_of(policy, dialect, scores or ())
    if facts is not None:
        _refuse_beside(as_of, customers, columns)
        # Of a fact that is given only the name matters.
        problems = [one for one in problems if not one.path.startswith("facts.")]
        problems += declared_problems(policy)
    if daily is not None:
        problems += daily_problems(policy)
    if problems:
        raise PolicyError(problems)
    engine = DIALECTS[dialect]
    given: list[tuple[str, Node]] = []
    if source is not None:
        reading = Reading.of(source, kinds, engine, orders, customers, bad_rows)
        reading.check_currency(policy.currency)
        given, orders = list(reading.parts()), reading.given
        columns = {**reading.columns, **({} if columns is None else columns)}
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
        None if calendar.every is None else lambda now: calendar.held(now, policy.zone),
    )
    parts, wrongs = _of_rows(policy, inputs), row_wrongs(inputs, policy)
    if facts is not None:
        name = inputs.part("facts")
        parts = iter([(name, declared_facts(policy, inputs))])
        wrongs = declared_wrongs(inputs, name)
    elif daily is not None:
        if isinstance(inputs.edges, Literals):
            refuse_part_of_day(inputs.edges.now, policy.zone)
        parts, wrongs = _of_days(policy, inputs), daily_wrongs(inputs)
    query = _query(policy, inputs, [*given, *parts], wrongs)
    return _stated(query, policy, inputs, whole_days=daily is not None)


def to_sql_daily(
    policy: Policy,
    *,
    dialect: str = "duckdb",
    orders: str = "orders",
    as_of: date | Parameter,
    columns: Mapping[str, str | None] | None = None,
) -> Statement:
    """Return the query for partial aggregates: one row a customer and local day.

    `to_sql` with ``daily=`` merges such rows to the facts of any day that is over, equal to
    those of the orders. So a warehouse can keep them in a table of its own, and add days to it.

    Parameters
    ----------
    policy
        The policy. Facts that differ in their window only share columns.
    dialect, orders, columns
        As for `to_sql`.
    as_of
        Up to when orders and returns are looked at; or a `Parameter`.

    Returns
    -------
    Statement
        The query. Its rows are told apart by ``customer_id`` and ``day``, a ``DATE`` of the
        policy's zone. ``changed_us`` is the instant (UTC microseconds) of the last order or
        return that a row rests on: a return of a sale changes the row of the day of the sale.

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
    if find_spec("sqlglot") is None:
        raise MissingExtraError("sqlglot", extra="sql")
    problems = [*problems_of(policy, dialect), *daily_problems(policy)]
    if problems:
        raise PolicyError(problems)
    asked = asked_columns(policy)
    inputs = Inputs.of(DIALECTS[dialect], orders, None, columns, policy.zone, as_of, None, asked)
    parts: dict[str, Node] = {inputs.part("rows"): clean_rows(inputs)}
    if inputs.linked:
        parts[inputs.part("linked returns")] = linked_returns(inputs)
    parts[inputs.part("counted rows")] = counted_rows(inputs, policy)
    parts |= day_parts(policy, inputs)
    last = inputs.part("daily")
    query = nodes.select({}, nodes.table(last), nodes.every_column(last))
    query = query.where(*checks(row_wrongs(inputs, policy), inputs, last))
    return _stated(_with(query, parts, inputs), policy, inputs)


def _stated(query: Query, policy: Policy, inputs: Inputs, *, whole_days: bool = False) -> Statement:
    text, names = inputs.dialect.write(query, _WIDTH), query.named_selects
    return Statement(text, inputs.edges, policy.zone, names, reads(query), whole_days)


def _refuse_beside(
    as_of: AsOf,
    customers: str | None,
    columns: Mapping[str, str | None] | None,
) -> None:
    """Refuse what makes no sense beside a table of facts."""
    if customers is not None or columns is not None:
        raise DataError("a table of facts has all facts and attributes, each under its own name")
    if isinstance(as_of, Sequence):
        raise DataError("facts are as of one moment", column="as_of")


def _query(
    policy: Policy,
    inputs: Inputs,
    up_to_facts: Iterable[tuple[str, Node]],
    wrongs: Iterable[tuple[Node, str]],
) -> Query:
    parts = dict(up_to_facts)
    last = inputs.part("facts")
    for step in policy.steps:
        for name, part in decided(step, last, inputs):
            parts[name] = part
            last = name
    edges, columns = inputs.edges, dict(outputs(policy, last, inputs.dialect))
    order = list(inputs.dialect.in_order(nodes.column("customer_id", last)))
    if isinstance(edges, Dates):
        parts = {edges.table: edges.rows(), **lifted(parts, edges.table, DAY)}
        order = [nodes.column(DAY, last), *order]
        columns = {"as_of": inputs.dialect.date(nodes.column(DAY, last)), **columns}
    query = nodes.select(columns, nodes.table(last))
    query = query.where(*checks(wrongs, inputs, last))
    query = query.order_by(*map(nodes.ascending, order))
    return _with(query, parts, inputs)


def _with(query: Query, parts: Mapping[str, Node], inputs: Inputs) -> Query:
    """Return the query with its parts before it."""
    of_rows = {inputs.part(name) for name in ("rows", "counted rows")}
    for name, part in parts.items():
        again = False if inputs.dialect.reads_again and name in of_rows else None
        query = query.with_(nodes.identifier(name), as_=part, materialized=again, copy=False)
    return query


def _of_days(policy: Policy, inputs: Inputs) -> Iterator[tuple[str, Node]]:
    """Yield the parts up to the facts, each after what it reads, where days are given."""
    yield inputs.part("daily"), daily_days(inputs)
    if inputs.customers is not None:
        yield inputs.part("customers"), clean_customers(inputs, policy)
    yield inputs.part("totals"), daily_totals(policy, inputs)
    within = days_within(policy, inputs)
    if within is not None:
        yield inputs.part("days"), day_table(policy.zone, *within)
    yield inputs.part("everybody"), everybody(inputs)
    yield inputs.part("facts"), figures(policy, inputs)


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
    yield inputs.part("everybody"), everybody(inputs)
    yield inputs.part("facts"), figures(policy, inputs)
