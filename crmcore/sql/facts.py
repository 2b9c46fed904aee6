"""The facts in SQL: one row a customer.

Every column holds what the package's own column holds: counts, minor units, microseconds, days
since 1970-01-01. Beside a fact ``x`` stand ``x divisor`` where it is a ratio, and ``x us``, its
instant, where it is a day or a number of days; beside an instant that is counted from, ``x day``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from crmcore.facts import Fact
from crmcore.policy import Policy
from crmcore.sql import nodes
from crmcore.sql.attributes import attributes
from crmcore.sql.days import in_run, local_day
from crmcore.sql.holistic import needs_all, whole_part, whole_parts
from crmcore.sql.inputs import Inputs
from crmcore.sql.nodes import Node, Query
from crmcore.sql.reading import counted_from
from crmcore.sql.selected import Selected, exact_sum, rows_scope
from crmcore.sql.values import TYPES, day_of, divisor_of

__all__ = ["days_within", "fact_parts", "figure_parts", "gives_day", "instant_of", "is_there"]


def instant_of(name: str) -> str:
    """Return the name of the column with the instant of a day."""
    return f"{name} us"


def days_within(policy: Policy, inputs: Inputs) -> tuple[int, int] | None:
    """Return between which instants the facts ask for local days, ``None`` when none does."""
    gaps = [name for name, fact in policy.facts.items() if fact.measure == "gap_days"]
    asked = [policy.facts[name] for name in [*_with_days(policy), *gaps]]
    windows = [None if one.window is None else policy.windows[one.window] for one in asked]
    return inputs.reach(windows) if windows else None


def gives_day(name: str, fact: Fact) -> bool:
    """Return whether a fact is a local day, or counts days from one."""
    kind = fact.field_type(name, 0).kind
    return fact.take.startswith("days_since") or (fact.take in ("first", "last") and kind == "date")


def _with_days(policy: Policy) -> list[str]:
    """Return the facts that are instants whose local day is asked for."""
    counted = counted_from(policy)
    return [name for name, fact in policy.facts.items() if gives_day(name, fact) or name in counted]


def is_there(fact: Fact, inputs: Inputs) -> bool:
    """Return whether there is the column that a fact is about: without it nobody has the fact."""
    return fact.measure in ("value", "gap_days") or fact.measure in inputs.columns


def _is_here(fact: Fact, inputs: Inputs) -> bool:
    """Return whether a fact is worked out as of this moment."""
    is_held = inputs.schedule is not None and fact.window is not None
    return is_held is inputs.is_held and is_there(fact, inputs)


# From the rows of a customer


def fact_parts(policy: Policy, inputs: Inputs) -> Iterator[tuple[str, Query]]:
    """Yield the parts of the query with the facts of each customer, each after what it reads."""
    scope = rows_scope(inputs)
    there = {name: fact for name, fact in policy.facts.items() if _is_here(fact, inputs)}
    rows = {name: Selected(fact, policy, scope) for name, fact in there.items()}
    columns = {"customer_id": nodes.column("customer_id", scope.table)}
    for name in (name for name, fact in there.items() if not needs_all(fact)):
        columns |= _aggregates(name, there[name], rows[name])
    counted = {name: rows[name].counted for name, fact in there.items() if needs_all(fact)}
    last = scope.table
    for part_name, part in scope.parts(last):
        yield part_name, part
        last = part_name
    customer = nodes.column("customer_id", scope.table)
    query = nodes.select(columns, nodes.table(last, scope.table)).group_by(customer)
    yield inputs.part("totals"), query
    for name in counted:
        yield from whole_parts(name, there[name], rows[name], last, inputs)


def _aggregates(name: str, fact: Fact, rows: Selected) -> Mapping[str, Node]:
    match fact.take:
        case "count":
            return {name: nodes.count_rows(rows.counted)}
        case "distinct" | "share":
            return _of_labels(name, fact, rows)
        case "sum":
            return {name: exact_sum(name, rows.total, rows.dialect)}
        case "mean":
            count = nodes.count_rows(rows.counted)
            some = nodes.compare(count, ">", nodes.number(0))
            total = exact_sum(name, rows.total, rows.dialect, some)
            return {name: total, divisor_of(name): count}
        case "min" | "max":
            found = nodes.aggregate(
                "MIN" if fact.take == "min" else "MAX", rows.value, rows.counted
            )
            return {name: rows.dialect.narrow(found)}
    first = fact.take in ("first", "days_since_first")
    found = nodes.aggregate("MIN" if first else "MAX", rows.placed, rows.counted)
    return {instant_of(name) if gives_day(name, fact) else name: found}


def _of_labels(name: str, fact: Fact, rows: Selected) -> Mapping[str, Node]:
    """Return how many different labels there are, or in how many rows there is one."""
    label = nodes.column(fact.measure, rows.table)
    if fact.take == "distinct":
        return {name: nodes.count_different(nodes.choose([(rows.counted, label)]))}
    stated = nodes.negate(nodes.is_missing(label))
    count = nodes.count_rows(rows.counted)
    some = nodes.compare(count, ">", nodes.number(0))
    found = nodes.count_rows(nodes.all_of([rows.counted, stated]))
    return {name: nodes.choose([(some, found)]), divisor_of(name): count}


# Of everybody


def figure_parts(policy: Policy, inputs: Inputs) -> Iterator[tuple[str, Query]]:
    """Yield the part with the facts of the customers of the orders, and that of everybody."""
    found = _figures(policy, inputs)
    yield inputs.part("figures"), found
    yield inputs.part("facts"), _of_everybody(policy, inputs, found.named_selects)


def _figures(policy: Policy, inputs: Inputs) -> Query:
    totals, *others = (moment.part("totals") for moment in inputs.moments())
    customer = nodes.column("customer_id", totals)
    columns = {"customer_id": customer}
    for name, fact in policy.facts.items():
        columns |= _figure(name, fact, policy, inputs)
        if needs_all(fact) and is_there(fact, inputs):
            others.append(whole_part(name, inputs))
    query = nodes.select(columns, nodes.table(totals))
    for other in others:
        same = nodes.compare(customer, "==", nodes.column("customer_id", other))
        query = query.join(nodes.table(other), on=same, join_type="left")
    for name in _with_days(policy):
        query = _with_run(query, name, policy.facts[name], inputs)
    return query


def _with_run(query: Query, name: str, fact: Fact, inputs: Inputs) -> Query:
    """Join the run of days that a fact's instant lies in."""
    run, column = _run(name), instant_of(name) if gives_day(name, fact) else name
    # Everybody is in one run, who has no instant too: not every engine has outer joins by
    # comparison.
    inputs = inputs.moment(windowed=fact.window is not None)
    instant = nodes.coalesce(nodes.column(column, inputs.part("totals")), inputs.at)
    days = nodes.table(inputs.part("days"), run)
    return query.join(days, on=in_run(instant, run), copy=False)


def _run(name: str) -> str:
    return f"{name} run"


def _figure(name: str, fact: Fact, policy: Policy, inputs: Inputs) -> Mapping[str, Node]:
    type_ = policy.fields[name]
    if not is_there(fact, inputs):
        nothing = nodes.nothing(TYPES.get(type_.kind, "bigint"))
        return {name: nothing} | ({divisor_of(name): nothing} if type_.kind == "ratio" else {})
    inputs = inputs.moment(windowed=fact.window is not None)
    table = whole_part(name, inputs) if needs_all(fact) else inputs.part("totals")
    if name in _with_days(policy):
        return _dated(name, fact, table, inputs)
    found = nodes.column(name, table)
    if type_.kind == "ratio":
        return {name: found, divisor_of(name): nodes.column(divisor_of(name), table)}
    return {name: found}


def _dated(name: str, fact: Fact, table: str, inputs: Inputs) -> Mapping[str, Node]:
    """Return an instant with its local day, or the day, or the days since then, and the instant."""
    is_day = gives_day(name, fact)
    instant = nodes.column(instant_of(name) if is_day else name, table)
    day = local_day(instant, _run(name), inputs.dialect)
    if not is_day:
        return {name: instant, day_of(name): day}
    if fact.take.startswith("days_since"):
        day = nodes.compute(inputs.day, "-", day)
    return {name: day}


def _of_everybody(policy: Policy, inputs: Inputs, names: Iterable[str]) -> Query:
    """Return figures and attributes, where customers are given those of all of them too."""
    table, given = inputs.part("figures"), inputs.part("customers")
    columns = {name: nodes.column(name, table) for name in names}
    for name, fact in policy.facts.items():
        if is_there(fact, inputs) and not policy.fields[name].nullable:
            columns[name] = nodes.coalesce(columns[name], nodes.number(0))
    columns |= attributes(policy, inputs)
    if inputs.customers is None:
        return nodes.select(columns, nodes.table(table))
    own, other = nodes.column("customer_id", given), columns["customer_id"]
    other = inputs.dialect.beside(other, own)
    columns["customer_id"] = nodes.coalesce(own, other)
    query = nodes.select(columns, nodes.table(given))
    return query.join(nodes.table(table), on=nodes.compare(own, "==", other), join_type="full")
