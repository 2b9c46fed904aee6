"""Partial aggregates: one row a customer and local day, and facts merged from such rows.

Windows begin and end with local days, so that whole days of the policy's zone are enough. The
columns of a day: counts, sums with their absolute values, the smallest and the largest, of each
fact without its window; and `changed_us`, when something last happened that they rest on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from crmcore.calendars import FIRST_INSTANT
from crmcore.errors import Problem
from crmcore.facts import Fact
from crmcore.policy import Policy
from crmcore.sql import nodes
from crmcore.sql.days import day_table, local_day
from crmcore.sql.facts import gives_day, instant_of
from crmcore.sql.holistic import needs_all
from crmcore.sql.inputs import Inputs
from crmcore.sql.nodes import Node, Query
from crmcore.sql.rows import BINARY, collated, customer_wrongs
from crmcore.sql.selected import Selected, rows_scope
from crmcore.sql.values import divisor_of

__all__ = ["CHANGED", "daily_days", "daily_problems", "daily_totals", "daily_wrongs", "day_parts"]

CHANGED: Final = "changed_us"
_DAY: Final = "day"
_RUN: Final = "run"


def daily_problems(policy: Policy) -> Iterator[Problem]:
    """Yield what of a policy does not merge from days."""
    every = policy.evaluation.every
    if every is not None:
        message = "a held evaluation needs days as of two moments"
        yield Problem("not_in_sql", message, "evaluation", every.text)
    for name, fact in policy.facts.items():
        if needs_all(fact) or fact.take == "distinct":
            message = f"{fact.take} does not merge from days"
            yield Problem("not_in_sql", message, f"facts.{name}.take", fact.take)


def _whole(policy: Policy) -> dict[str, str]:
    """Return for each fact the one whose columns it is merged from: alike but for the window."""
    first: dict[Fact, str] = {}
    whole = {name: fact.model_copy(update={"window": None}) for name, fact in policy.facts.items()}
    return {name: first.setdefault(fact, name) for name, fact in whole.items()}


def _absolute_of(name: str) -> str:
    return f"{name} absolute"


# From rows to days


def day_parts(policy: Policy, inputs: Inputs) -> Iterator[tuple[str, Query]]:
    """Yield the parts of a query for the days, the last of which is theirs."""
    scope = rows_scope(inputs)
    columns: dict[str, Node] = {}
    for name in dict.fromkeys(_whole(policy).values()):
        fact = policy.facts[name].model_copy(update={"window": None})
        columns |= _of_day(name, fact, Selected(fact, policy, scope))
    yield inputs.part("days"), day_table(policy.zone, FIRST_INSTANT, inputs.edges.until)
    last = scope.table
    for name, part in scope.parts(scope.table):
        yield name, part
        last = name
    placed, customer = (nodes.column(name, scope.table) for name in ("placed_us", "customer_id"))
    day = local_day(placed, _RUN, inputs.dialect)
    keys = {"customer_id": customer, _DAY: inputs.dialect.date(day)}
    changed = nodes.aggregate("MAX", nodes.column(CHANGED, scope.table))
    query = nodes.select({**keys, **columns, CHANGED: changed}, nodes.table(last, scope.table))
    inside = [
        nodes.compare(placed, ">=", nodes.column("start_us", _RUN)),
        nodes.compare(placed, "<=", nodes.column("end_us", _RUN)),
    ]
    query = query.join(nodes.table(inputs.part("days"), _RUN), on=nodes.all_of(inside))
    yield inputs.part("daily"), query.group_by(*(key.copy() for key in keys.values()))


def _of_day(name: str, fact: Fact, rows: Selected) -> Mapping[str, Node]:
    count = nodes.count_rows(rows.counted)
    match fact.take:
        case "count":
            return {name: count}
        case "share":
            stated = nodes.negate(nodes.is_missing(nodes.column(fact.measure, rows.table)))
            found = nodes.count_rows(nodes.all_of([rows.counted, stated]))
            return {name: found, divisor_of(name): count}
        case "sum":
            return _added(name, rows)
        case "mean":
            return {**_added(name, rows), divisor_of(name): count}
        case "min" | "max":
            least = fact.take == "min"
            found = nodes.aggregate("MIN" if least else "MAX", rows.value, rows.counted)
            return {name: rows.dialect.narrow(found)}
    return {instant_of(name): nodes.aggregate(_end(fact), rows.placed, rows.counted)}


def _added(name: str, rows: Selected) -> Mapping[str, Node]:
    """Return a sum, and that of absolute values, which tells when it leaves 64 bits."""
    dialect = rows.dialect
    total, absolute = (nodes.coalesce(one, dialect.wide_number(0)) for one in rows.total)
    beyond = nodes.compare(absolute, ">", dialect.wide_number(nodes.INT64_MAX))
    message = f"the absolute amounts of a customer add up beyond 64 bits (column {name})"
    columns = {}
    for key, value in ((name, total), (_absolute_of(name), absolute)):
        fits = nodes.cast(value.copy(), "bigint")
        columns[key] = nodes.choose([(beyond.copy(), dialect.refuse(message, fits))], fits)
    return columns


def _moment(name: str, fact: Fact) -> str:
    return instant_of(name) if gives_day(name, fact) else name


def _end(fact: Fact) -> nodes.Aggregate:
    return "MIN" if fact.take in ("first", "days_since_first") else "MAX"


# From days to facts


def daily_days(inputs: Inputs) -> Query:
    """Return the rows of the days, as they are given."""
    return nodes.select({}, nodes.table(inputs.orders, "given"), nodes.every_column("given"))


def daily_totals(policy: Policy, inputs: Inputs) -> Query:
    """Return the aggregates of each customer, merged from days."""
    days = inputs.part("daily")
    columns = {"customer_id": nodes.column("customer_id", days)}
    whole = _whole(policy)
    for name, fact in policy.facts.items():
        columns |= _merged(name, whole[name], fact, _Days(fact, policy, inputs))
    return nodes.select(columns, nodes.table(days)).group_by(columns["customer_id"].copy())


def daily_wrongs(inputs: Inputs) -> Iterator[tuple[Node, str]]:
    """Yield what may be wrong with the days as a whole, each with its message."""
    days = inputs.part("daily")
    someone, day = nodes.column("customer_id", days), nodes.column(_DAY, days)
    several = nodes.compare(nodes.count_rows(), ">", nodes.number(1))
    twice = nodes.select({"customer_id": someone}, nodes.table(days)).group_by(someone, day)
    yield nodes.exists(twice.having(several)), "a customer has several rows of one day"
    yield collated("customer_id", days, inputs), BINARY
    if inputs.customers is not None:
        yield from customer_wrongs(inputs, days)


class _Days:
    """The days that a fact looks at."""

    def __init__(self, fact: Fact, policy: Policy, inputs: Inputs) -> None:
        self.table, self.dialect = inputs.part("daily"), inputs.dialect
        window = None if fact.window is None else policy.windows[fact.window]
        day = inputs.dialect.day_number(nodes.column(_DAY, self.table))
        first, last = (None, inputs.day) if window is None else inputs.window_days(window)
        self.inside = [nodes.compare(day, "<=", last)]
        if first is not None:
            self.inside.append(nodes.compare(day.copy(), ">=", first))
        self.late = nodes.compare(nodes.column(CHANGED, self.table), ">", inputs.at)

    def value(self, name: str) -> Node:
        """Return a column of the days inside, once nothing of them is known only later."""
        value = nodes.column(name, self.table)
        message = "a sale was returned later: the days are no longer as of this moment"
        late = nodes.all_of([one.copy() for one in (*self.inside, self.late)])
        inside = nodes.all_of([one.copy() for one in self.inside])
        refused = self.dialect.refuse(message, value)
        return nodes.choose([(late, refused), (inside, value.copy())])

    def aggregate(self, take: nodes.Aggregate, name: str) -> Node:
        """Return an aggregate of the days inside."""
        return nodes.aggregate(take, self.value(name))

    def total(self, name: str) -> Node:
        """Return a wide sum of the days inside."""
        found = nodes.aggregate("SUM", self.dialect.wide(self.value(name)))
        return nodes.coalesce(found, self.dialect.wide_number(0))


def _merged(name: str, source: str, fact: Fact, days: _Days) -> Mapping[str, Node]:
    match fact.take:
        case "count":
            return {name: days.dialect.narrow(days.total(source))}
        case "share" | "mean" | "sum":
            return _summed(name, source, fact, days)
        case "min" | "max":
            return {name: days.aggregate("MIN" if fact.take == "min" else "MAX", source)}
    return {_moment(name, fact): days.aggregate(_end(fact), instant_of(source))}


def _summed(name: str, source: str, fact: Fact, days: _Days) -> Mapping[str, Node]:
    dialect = days.dialect
    cases, fits = [], nodes.cast(days.total(source), "bigint")
    if fact.take != "share":
        most = dialect.wide_number(nodes.INT64_MAX)
        beyond = nodes.compare(days.total(_absolute_of(source)), ">", most)
        message = f"the absolute amounts of a customer add up beyond 64 bits (column {name})"
        cases.append((beyond, dialect.refuse(message, fits)))
    if fact.take == "sum":
        return {name: nodes.choose(cases, fits)}
    count = dialect.narrow(days.total(divisor_of(source)))
    nobody = nodes.compare(count.copy(), "==", nodes.number(0))
    cases.append((nobody, nodes.nothing("bigint")))
    return {name: nodes.choose(cases, fits), divisor_of(name): count}
