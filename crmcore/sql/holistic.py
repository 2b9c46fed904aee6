"""Facts that need all rows of a customer at once: medians, and gaps between neighbouring days."""

from __future__ import annotations

from collections.abc import Iterator

from crmcore.facts import Fact
from crmcore.sql import nodes
from crmcore.sql.days import in_run, local_day
from crmcore.sql.inputs import Inputs
from crmcore.sql.nodes import Node, Query
from crmcore.sql.selected import Selected
from crmcore.sql.values import divisor_of

__all__ = ["needs_all", "whole_part", "whole_parts"]

_VALUE = "value"


def needs_all(fact: Fact) -> bool:
    """Return whether a fact needs all rows of a customer at once."""
    return fact.take == "median" or fact.measure == "gap_days"


def whole_part(name: str, inputs: Inputs) -> str:
    """Return the name of the part of the query with such a fact."""
    return inputs.part(f"{name} found")


def whole_parts(
    name: str, fact: Fact, rows: Selected, last: str, inputs: Inputs
) -> Iterator[tuple[str, Query]]:
    """Yield the parts of the query that work a fact out, the last with a row a customer.

    `last` is the part with the rows that are looked at.
    """
    source = nodes.table(last, rows.table)
    values = inputs.part(f"{name} values")
    if fact.measure == "gap_days":
        days = inputs.part(f"{name} days")
        yield days, _days(source, rows, inputs)
        yield values, _gaps(days)
    else:
        columns = {"customer_id": rows.customer, _VALUE: inputs.dialect.narrow(rows.value)}
        yield values, nodes.select(columns, source).where(rows.counted)
    if fact.take == "median":
        places = inputs.part(f"{name} places")
        yield places, _placed(values)
        yield whole_part(name, inputs), _median(name, places)
    else:
        yield whole_part(name, inputs), _aggregated(name, fact, values, inputs)


def _days(source: Node, rows: Selected, inputs: Inputs) -> Query:
    """Return the local day of each row."""
    run = f"{rows.table} run"
    columns = {"customer_id": rows.customer, "day": local_day(rows.placed, run, inputs.dialect)}
    days = nodes.table(inputs.part("days"), run)
    query = nodes.select(columns, source)
    return query.join(days, on=in_run(rows.placed, run), copy=False).where(rows.counted)


def _gaps(days: str) -> Query:
    """Return the days from each day to the next: of a customer's first day, nothing."""
    customer, day = nodes.column("customer_id", days), nodes.column("day", days)
    before = nodes.over(nodes.call("LAG", day), [customer], [day])
    columns = {"customer_id": customer, _VALUE: nodes.compute(day, "-", before)}
    return nodes.select(columns, nodes.table(days))


def _placed(values: str) -> Query:
    """Return each value with its place, from 1, and how many values its customer has."""
    customer, value = (nodes.column(name, values) for name in ("customer_id", _VALUE))
    columns = {
        "customer_id": customer,
        _VALUE: value,
        "place": nodes.over(nodes.call("ROW_NUMBER"), [customer], [value]),
        "places": nodes.over(nodes.count_rows(), [customer]),
    }
    known = nodes.negate(nodes.is_missing(value))
    return nodes.select(columns, nodes.table(values)).where(known)


def _median(name: str, places: str) -> Query:
    """Return the value in the middle: of two, the lower."""
    twice = nodes.compute(nodes.column("place", places), "*", nodes.number(2))
    count = nodes.column("places", places)
    middle = [count, nodes.compute(count, "+", nodes.number(1))]
    columns = {
        "customer_id": nodes.column("customer_id", places),
        name: nodes.column(_VALUE, places),
    }
    return nodes.select(columns, nodes.table(places)).where(nodes.among(twice, middle))


def _aggregated(name: str, fact: Fact, values: str, inputs: Inputs) -> Query:
    customer, value = (nodes.column(one, values) for one in ("customer_id", _VALUE))
    columns = {"customer_id": customer}
    match fact.take:
        case "min":
            columns[name] = nodes.aggregate("MIN", value)
        case "max":
            columns[name] = nodes.aggregate("MAX", value)
        case _:
            columns[name] = nodes.cast(inputs.dialect.total(value), "bigint")
    if fact.take == "mean":
        columns[divisor_of(name)] = nodes.count_rows()
    known = nodes.negate(nodes.is_missing(value))
    return nodes.select(columns, nodes.table(values)).where(known).group_by(customer)
