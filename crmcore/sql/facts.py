"""The facts in SQL: one row a customer.

Every column holds what the package's own column holds: counts, minor units, microseconds, days
since 1970-01-01. Beside a fact ``x`` stand ``x divisor`` where it is a ratio, and ``x us``, its
instant, where it is a day or a number of days.
"""

from __future__ import annotations

from collections.abc import Mapping

from crmcore.facts import Fact
from crmcore.policy import Policy
from crmcore.sql import nodes
from crmcore.sql.days import local_day
from crmcore.sql.inputs import Inputs
from crmcore.sql.nodes import Node, Query

__all__ = ["days_within", "divisor_of", "figures", "instant_of", "totals"]


def divisor_of(name: str) -> str:
    """Return the name of the column with the divisor of a ratio."""
    return f"{name} divisor"


def instant_of(name: str) -> str:
    """Return the name of the column with the instant of a day."""
    return f"{name} us"


def days_within(policy: Policy, inputs: Inputs) -> tuple[int, int] | None:
    """Return between which instants the facts ask for local days, ``None`` when none does."""
    asked = [fact for name, fact in policy.facts.items() if _is_day(name, fact)]
    windows = [None if one.window is None else policy.windows[one.window] for one in asked]
    return inputs.reach(windows) if windows else None


def _is_day(name: str, fact: Fact) -> bool:
    kind = fact.field_type(name, 0).kind
    return fact.take.startswith("days_since") or (fact.take in ("first", "last") and kind == "date")


# From the rows of a customer


def totals(policy: Policy, inputs: Inputs) -> Query:
    """Return the aggregates of each customer with counted rows."""
    rows = inputs.part("counted rows")
    customer = nodes.column("customer_id", rows)
    columns = {"customer_id": customer}
    for name, fact in policy.facts.items():
        columns |= _aggregates(name, fact, _Rows(rows, fact, policy, inputs))
    return nodes.select(columns, nodes.table(rows)).group_by(customer)


class _Rows:
    """The rows that a fact looks at."""

    def __init__(self, table: str, fact: Fact, policy: Policy, inputs: Inputs) -> None:
        self.table = table
        self.of = fact.of
        self.dialect = inputs.dialect
        window = None if fact.window is None else policy.windows[fact.window]
        self.bounds = None if window is None else inputs.window(window)

    @property
    def placed(self) -> Node:
        return nodes.column("placed_us", self.table)

    @property
    def value(self) -> Node:
        """The value of a row: of an order its amount, of a sale what is left of it."""
        if self.of == "sale":
            return nodes.column("left_minor", self.table)
        amount = nodes.column("amount_minor", self.table)
        if self.of == "order":
            return amount
        return nodes.compute(self.dialect.wide_number(0), "-", self.dialect.wide(amount))

    @property
    def counted(self) -> Node:
        """Whether a row counts."""
        if self.of != "sale":
            return self._within([nodes.column(f"is_{self.of}", self.table)])
        something = nodes.compare(nodes.column("left_minor", self.table), ">", nodes.number(0))
        return self._within([nodes.column("is_sold", self.table), something])

    @property
    def summed(self) -> Node:
        """Whether a row enters the sum: for sales also rests below 0 and unlinked returns."""
        if self.of != "sale":
            return self.counted
        either = [nodes.column(name, self.table) for name in ("is_sold", "is_unlinked")]
        return self._within([nodes.any_of(either)])

    def _within(self, terms: list[Node]) -> Node:
        if self.bounds is not None:
            low, high = self.bounds
            placed = self.placed
            terms += [nodes.compare(placed, ">=", low), nodes.compare(placed, "<=", high)]
        return nodes.all_of(terms)


def _aggregates(name: str, fact: Fact, rows: _Rows) -> Mapping[str, Node]:
    match fact.take:
        case "count":
            return {name: nodes.count_rows(rows.counted)}
        case "sum":
            return {name: _sum(name, rows)}
        case "mean":
            count = nodes.count_rows(rows.counted)
            some = nodes.compare(count, ">", nodes.number(0))
            return {name: _sum(name, rows, some), divisor_of(name): count}
        case "min" | "max":
            found = nodes.aggregate(
                "MIN" if fact.take == "min" else "MAX", rows.value, rows.counted
            )
            return {name: rows.dialect.narrow(found)}
    first = fact.take in ("first", "days_since_first")
    found = nodes.aggregate("MIN" if first else "MAX", rows.placed, rows.counted)
    return {instant_of(name) if _is_day(name, fact) else name: found}


def _sum(name: str, rows: _Rows, where: Node | None = None) -> Node:
    """Return an exact sum, missing where `where` does not hold; refuse what leaves 64 bits."""
    dialect = rows.dialect
    wide = dialect.wide(rows.value)
    total = nodes.cast(nodes.aggregate("SUM", wide, rows.summed), "bigint")
    absolute = nodes.aggregate("SUM", nodes.call("ABS", wide), rows.summed)
    beyond = nodes.compare(absolute, ">", dialect.wide_number(nodes.INT64_MAX))
    message = f"the absolute amounts of a customer add up beyond 64 bits (column {name})"
    cases = [(beyond, dialect.refuse(message, total))]
    if where is not None:
        cases.append((nodes.negate(where), nodes.nothing("bigint")))
    return nodes.choose(cases, total)


# Of everybody


def figures(policy: Policy, inputs: Inputs) -> Query:
    """Return the facts and attributes of everybody."""
    people = inputs.part("everybody")
    columns = {"customer_id": nodes.column("customer_id", people)}
    for name, fact in policy.facts.items():
        columns |= _figure(name, fact, inputs)
    query = nodes.select({**columns, **_attributes(policy, inputs)}, nodes.table(people))
    query = _joined(query, people, inputs.part("totals"))
    if inputs.customers is not None:
        query = _joined(query, people, inputs.part("customers"))
    for name in (name for name, fact in policy.facts.items() if _is_day(name, fact)):
        run = _run(name)
        # Everybody is in one run, who has no instant too: not every engine has outer joins by
        # comparison.
        instant = nodes.coalesce(nodes.column(instant_of(name), inputs.part("totals")), inputs.at)
        inside = [
            nodes.compare(instant, ">=", nodes.column("start_us", run)),
            nodes.compare(instant, "<=", nodes.column("end_us", run)),
        ]
        days = nodes.table(inputs.part("days"), run)
        query = query.join(days, on=nodes.all_of(inside), copy=False)
    return query


def _run(name: str) -> str:
    return f"{name} run"


def _joined(query: Query, people: str, table: str) -> Query:
    ids = [nodes.column("customer_id", one) for one in (people, table)]
    return query.join(nodes.table(table), on=nodes.compare(ids[0], "==", ids[1]), join_type="left")


def _figure(name: str, fact: Fact, inputs: Inputs) -> Mapping[str, Node]:
    table = inputs.part("totals")
    if _is_day(name, fact):
        instant = nodes.column(instant_of(name), table)
        day = local_day(instant, _run(name), inputs.dialect)
        if fact.take.startswith("days_since"):
            day = nodes.compute(inputs.day, "-", day)
        return {name: day, instant_of(name): instant}
    found = nodes.column(name, table)
    match fact.take:
        case "count" | "sum":
            return {name: nodes.coalesce(found, nodes.number(0))}
        case "mean":
            return {name: found, divisor_of(name): nodes.column(divisor_of(name), table)}
        case _:
            return {name: found}


def _attributes(policy: Policy, inputs: Inputs) -> Mapping[str, Node]:
    """Return whether a customer is blocked, if that is asked: what nobody stated is false."""
    if "blocked" not in policy.attributes:
        return {}
    if inputs.customers is None or "blocked" not in inputs.columns:
        return {"blocked": nodes.truth(False)}
    given = nodes.column("blocked", inputs.part("customers"))
    return {"blocked": nodes.coalesce(given, nodes.truth(False))}
