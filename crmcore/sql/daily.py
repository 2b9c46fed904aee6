"""Partial aggregates: one row a customer and local day, and facts merged from such rows.

Windows begin and end with local days, so that whole days of the policy's zone are enough. The
columns of a day, all whole numbers: counts, sums with their absolute values (both missing where
64 bits do not hold them: no window with such a day has a sum), the smallest and the largest, of
each fact without its window; and `changed_us`, when something last happened that they rest on.
Orders after the moment are in the day after it, in which nothing happened: whoever has orders has
a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from crmcore.calendars import FIRST_INSTANT, LAST_INSTANT
from crmcore.errors import DataError, Problem
from crmcore.facts import Fact
from crmcore.policy import Policy
from crmcore.sql import nodes
from crmcore.sql.attributes import read
from crmcore.sql.days import day_table, in_run, local_day
from crmcore.sql.declared import identified
from crmcore.sql.dialects import Dialect
from crmcore.sql.facts import gives_day, instant_of, is_there
from crmcore.sql.inputs import Inputs
from crmcore.sql.moments import Dates
from crmcore.sql.nodes import Node, Query
from crmcore.sql.refusals import Use, refused, too_long
from crmcore.sql.rows import customer_wrongs, id_wrongs
from crmcore.sql.selected import Selected, exact_sum, rows_scope
from crmcore.sql.values import divisor_of

__all__ = ["daily_days", "daily_problems", "daily_totals", "daily_wrongs", "day_parts"]

_CHANGED: Final = "changed_us"
_DAY: Final = "day"
_RUN: Final = "run"
_GIVEN: Final = "given"
_NEEDS_ROWS: Final = ("median", "distinct", "gap_days")


def daily_problems(policy: Policy, dialect: str) -> Iterator[Problem]:
    """Yield what of a policy does not merge from days."""
    for use in (*_uses(policy), *too_long(_columns(policy), dialect)):
        yield from refused(use, dialect)


def _uses(policy: Policy) -> Iterator[Use]:
    every = policy.evaluation.every
    if every is not None:
        yield Use("days", "a held evaluation", "evaluation", every.text)
    for name, fact in policy.facts.items():
        for place, asked in (("take", fact.take), ("field", fact.measure)):
            if asked in _NEEDS_ROWS:
                yield Use("days", asked, f"facts.{name}.{place}", asked)


def _whole(fact: Fact) -> Fact:
    """Return a fact without its window: what days keep of it."""
    return fact.model_copy(update={"window": None})


def _first_names(policy: Policy) -> dict[Fact, str]:
    """Return what days keep, each with the name of the first fact that is like it."""
    first: dict[Fact, str] = {}
    for name, fact in policy.facts.items():
        first.setdefault(_whole(fact), name)
    return first


def _kept(policy: Policy, inputs: Inputs) -> dict[Fact, str]:
    """Return what days keep, each with the name of its columns: the first fact's.

    Without what is not there: nobody has such a fact.
    """
    first = _first_names(policy).items()
    return {fact: _own(name) for fact, name in first if is_there(fact, inputs)}


def _own(name: str) -> str:
    """Return a name that no other column of the days has."""
    return f"{name} value" if name in (_DAY, _CHANGED) else name


def _columns(policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield the columns that are not called like their facts, each with the fact's place."""
    for fact, name in _first_names(policy).items():
        others = _columns_of(_own(name), fact).keys() - {name}
        if others:
            yield f"facts.{name}", max(others, key=len)


def _columns_of(name: str, fact: Fact) -> Mapping[str, bool]:
    """Return the columns of a fact, and whether each is a count, which is always there."""
    match fact.take:
        case "count":
            return {name: True}
        case "share":
            return {name: True, divisor_of(name): True}
        case "sum":
            return {name: False, _absolute_of(name): False}
        case "mean":
            return {name: False, _absolute_of(name): False, divisor_of(name): True}
        case "min" | "max":
            return {name: False}
    return {instant_of(name): False}


def _absolute_of(name: str) -> str:
    return f"{name} absolute"


# From rows to days


def day_parts(policy: Policy, inputs: Inputs) -> Iterator[tuple[str, Query]]:
    """Yield the parts of a query for the days, the last of which is theirs."""
    if isinstance(inputs.edges, Dates):
        raise DataError("days are up to one moment", column="as_of")
    scope = rows_scope(inputs)
    columns: dict[str, Node] = {}
    for fact, name in _kept(policy, inputs).items():
        columns |= _of_day(name, fact, Selected(fact, policy, scope))
    last_moment = inputs.edges.until
    later = min(last_moment + 1, LAST_INSTANT)
    yield inputs.part("days"), day_table(policy.zone, FIRST_INSTANT, later)
    last = scope.table
    for name, part in scope.parts(scope.table):
        yield name, part
        last = name
    placed, customer = (nodes.column(name, scope.table) for name in ("placed_us", "customer_id"))
    happened = nodes.compare(placed, "<=", inputs.at)
    beyond = nodes.compare(placed, ">", nodes.number(last_moment))
    placed = nodes.choose([(beyond, nodes.number(later))], placed)
    day = local_day(placed, _RUN, inputs.dialect)
    keys = {"customer_id": customer, _DAY: inputs.dialect.date(day)}
    changed = nodes.aggregate("MAX", nodes.column(_CHANGED, scope.table), happened)
    query = nodes.select({**keys, **columns, _CHANGED: changed}, nodes.table(last, scope.table))
    query = query.join(nodes.table(inputs.part("days"), _RUN), on=in_run(placed, _RUN))
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
    fits = nodes.compare(absolute, "<=", dialect.wide_number(nodes.INT64_MAX))
    pair = {name: total, _absolute_of(name): absolute}
    return {key: nodes.choose([(fits, nodes.cast(one, "bigint"))]) for key, one in pair.items()}


def _moment(name: str, fact: Fact) -> str:
    return instant_of(name) if gives_day(name, fact) else name


def _end(fact: Fact) -> nodes.Aggregate:
    return "MIN" if fact.take in ("first", "days_since_first") else "MAX"


# From days to facts


def daily_days(policy: Policy, inputs: Inputs) -> Query:
    """Return the rows of the days, as they are given, each column checked; days as numbers."""
    dialect = inputs.dialect
    day = nodes.column(_DAY, _GIVEN)
    found = read(_DAY, "date", day, dialect, strict=True)
    wrong = dialect.refuse("there must be a day in every row", found)
    columns = {
        "customer_id": identified(nodes.column("customer_id", _GIVEN), dialect),
        _DAY: nodes.choose([(nodes.is_missing(day), wrong)], found),
        _CHANGED: _number(_CHANGED, dialect),
    }
    for fact, name in _kept(policy, inputs).items():
        columns |= _numbers(name, fact, dialect)
    return nodes.select(columns, nodes.table(inputs.orders, _GIVEN))


def _numbers(name: str, fact: Fact, dialect: Dialect) -> Mapping[str, Node]:
    """Return the columns of a fact."""
    columns = {}
    for one, is_count in _columns_of(name, fact).items():
        columns[one] = found = _number(one, dialect)
        if is_count:
            wrong = dialect.refuse(f"{one} must be whole numbers", found)
            missing = nodes.is_missing(nodes.column(one, _GIVEN))
            columns[one] = nodes.choose([(missing, wrong)], found)
    return columns


def _number(name: str, dialect: Dialect) -> Node:
    return read(name, "int", nodes.column(name, _GIVEN), dialect)


def daily_totals(policy: Policy, inputs: Inputs) -> Query:
    """Return the aggregates of each customer, merged from days."""
    days, kept = inputs.part("daily"), _kept(policy, inputs)
    columns = {"customer_id": nodes.column("customer_id", days)}
    for name, fact in policy.facts.items():
        if is_there(fact, inputs):
            columns |= _merged(name, kept[_whole(fact)], fact, _Days(fact, policy, inputs))
    return nodes.select(columns, nodes.table(days)).group_by(columns["customer_id"].copy())


def daily_wrongs(inputs: Inputs) -> Iterator[tuple[Node, str]]:
    """Yield what may be wrong with the days as a whole, each with its message."""
    days = inputs.part("daily")
    someone, day = nodes.column("customer_id", days), nodes.column(_DAY, days)
    several = nodes.compare(nodes.count_rows(), ">", nodes.number(1))
    twice = nodes.select({"customer_id": someone}, nodes.table(days)).group_by(someone, day)
    yield nodes.exists(twice.having(several)), "a customer has several rows of one day"
    yield from id_wrongs("customer_id", someone, inputs, days)
    if inputs.customers is not None:
        yield from customer_wrongs(inputs, days)


class _Days:
    """The days that a fact looks at."""

    def __init__(self, fact: Fact, policy: Policy, inputs: Inputs) -> None:
        self.table, self.dialect = inputs.part("daily"), inputs.dialect
        window = None if fact.window is None else policy.windows[fact.window]
        day = nodes.column(_DAY, self.table)
        first, last = (None, inputs.day) if window is None else inputs.window_days(window)
        self.inside = [nodes.compare(day, "<=", last)]
        if first is not None:
            self.inside.append(nodes.compare(day, ">=", first))
        # Orders and returns stay what they are; what is left of a sale does not.
        changed = nodes.column(_CHANGED, self.table)
        self.late = [nodes.compare(changed, ">", inputs.at)] if fact.of == "sale" else []

    def column(self, name: str) -> Node:
        """Return a column of the days."""
        return nodes.column(name, self.table)

    def among(self, value: Node) -> Node:
        """Return a value of the days inside, once nothing of them is known only later."""
        message = "a sale was returned later: the days are no longer as of this moment"
        refused = self.dialect.refuse(message, value)
        cases = [(nodes.all_of([*self.inside, late]), refused) for late in self.late]
        return nodes.choose([*cases, (nodes.all_of(self.inside), value)])

    def aggregate(self, take: nodes.Aggregate, name: str) -> Node:
        """Return an aggregate of the days inside."""
        return nodes.aggregate(take, self.among(self.column(name)))

    def total(self, value: Node) -> Node:
        """Return a wide sum of the days inside."""
        found = nodes.aggregate("SUM", self.dialect.wide(self.among(value)))
        return nodes.coalesce(found, self.dialect.wide_number(0))

    def count(self, name: str) -> Node:
        """Return a sum of counts."""
        return self.dialect.narrow(self.total(self.column(name)))

    def sums(self, name: str) -> tuple[Node, Node]:
        """Return a sum, and that of absolute values: too large where a day has none."""
        pair = [self.column(one) for one in (name, _absolute_of(name))]
        lacking = nodes.any_of([nodes.is_missing(one) for one in pair])
        beyond = self.dialect.wide_number(nodes.INT64_MAX + 1)
        absolute = nodes.choose([(lacking, beyond)], self.dialect.wide(pair[1]))
        return self.total(pair[0]), self.total(absolute)


def _merged(name: str, source: str, fact: Fact, days: _Days) -> Mapping[str, Node]:
    match fact.take:
        case "count":
            return {name: days.count(source)}
        case "sum":
            return {name: exact_sum(name, days.sums(source), days.dialect)}
        case "share" | "mean":
            return _divided(name, source, fact, days)
        case "min" | "max":
            return {name: days.aggregate("MIN" if fact.take == "min" else "MAX", source)}
    return {_moment(name, fact): days.aggregate(_end(fact), instant_of(source))}


def _divided(name: str, source: str, fact: Fact, days: _Days) -> Mapping[str, Node]:
    """Return a mean, or how many of all: missing where there is nothing."""
    count = days.count(divisor_of(source))
    some = nodes.compare(count, ">", nodes.number(0))
    if fact.take == "mean":
        found = exact_sum(name, days.sums(source), days.dialect, some)
    else:
        found = nodes.choose([(some, days.count(source))])
    return {name: found, divisor_of(name): count}
