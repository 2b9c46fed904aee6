"""The moments of a query: every number that depends on them, written in one of three ways.

All edges (the moment itself, its local day, where windows begin and end) are whole numbers that
are computed here. A query has them as literals, as parameters, or as columns of a small table
with one row a date.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Final, TypeAlias

import numpy as np

from crmcore.calendars import FIRST_INSTANT, Moments, Zone, day_number, moments
from crmcore.columns import Ints
from crmcore.errors import DataError
from crmcore.sql import nodes
from crmcore.sql.dialects import Dialect
from crmcore.sql.nodes import Node, Query
from crmcore.sql.spine import DateSpine, asked_days, distinct_days

__all__ = [
    "DAY",
    "AsOf",
    "Dates",
    "Edges",
    "Literals",
    "Measure",
    "Parameter",
    "Parameters",
    "at",
    "day",
    "edges_of",
    "refuse_part_of_day",
    "refuse_several",
]

Measure: TypeAlias = Callable[[Moments], Ints]
"""What an edge is, computed from moments."""
Schedule: TypeAlias = Callable[[Moments], Moments]
"""What gives the scheduled evaluation at or before each moment."""
DAY: Final = "as_of date"
"""The column that tells dates apart; no fact has such a name."""
_NOW: Final = "as_of"
_TODAY: Final = "as_of_day"
_LAST: Final = "last_evaluated_at"


@dataclass(frozen=True, slots=True)
class Parameter:
    """Says that a moment is a parameter of the query, given when it is run.

    Parameters
    ----------
    until
        The last local day that can be given. The query holds the zone's changes of the clock up
        to it, so that a later one makes the query longer.

    Examples
    --------
    >>> import duckdb
    >>> import crmcore as crm
    >>> con = duckdb.connect()
    >>> _ = con.execute('''create table orders as select 'C1' as customer_id,
    ...     1740794400000000 as placed_us, 30000 as amount_minor''')
    >>> missing = dict.fromkeys(["order_id", "status", "returns_order_id"])
    >>> policy = crm.presets.load("classic")
    >>> query = policy.to_sql("duckdb", as_of=Parameter(), columns=missing)
    >>> for year in (2025, 2027):
    ...     graded = con.sql(query, params=query.parameters(date(year, 4, 1)))
    ...     graded.select("customer_id, class").fetchall()
    [('C1', 'bronze')]
    [('C1', 'no_order')]
    """

    until: date = date(2099, 12, 31)


AsOf: TypeAlias = date | Sequence[date] | DateSpine | Parameter
"""A moment; several dates, each with rows of its own; or a moment that is given later."""


class Edges(ABC):
    """The numbers of a query that depend on its moments."""

    @abstractmethod
    def edge(self, key: str, measure: Measure) -> Node:
        """Return an edge. A key says what is measured: the same key is the same edge."""

    @abstractmethod
    def last(self, measure: Measure) -> Node:
        """Return what is measured of the evaluation before, or missing."""

    @property
    @abstractmethod
    def span(self) -> Moments | None:
        """All moments; ``None`` when any moment up to `until` may come."""

    @property
    @abstractmethod
    def until(self) -> int:
        """The last instant that is looked at."""

    def earliest(self, measure: Measure) -> int:
        """Return the least that an edge may be."""
        return FIRST_INSTANT if self.span is None else int(np.min(measure(self.span)))


@dataclass(frozen=True, slots=True)
class _Known(Edges):
    """Moments that are known when the query is written.

    Parameters
    ----------
    now
        The moments.
    before
        The evaluation before, if any: the same for all.
    """

    now: Moments
    before: Moments | None

    def last(self, measure: Measure) -> Node:
        """Return a number, or missing."""
        if self.before is None:
            return nodes.nothing("bigint")
        return nodes.number(int(measure(self.before)[0]))

    @property
    def span(self) -> Moments:
        """The moments."""
        return self.now

    @property
    def until(self) -> int:
        """The last moment."""
        return int(self.now.at.max())


@dataclass(frozen=True, slots=True)
class Literals(_Known):
    """One moment, written into the query."""

    def edge(self, key: str, measure: Measure) -> Node:
        """Return a number."""
        del key
        return nodes.number(int(measure(self.now)[0]))


@dataclass(frozen=True, slots=True)
class Dates(_Known):
    """The ends of several local days: a table with a row a date.

    Parameters
    ----------
    days
        The dates, ascending, as days since 1970-01-01.
    table
        The name of the part of the query with the dates.
    spine
        The table that says which of the dates are asked for; ``None``: all are.
    held
        What gives the evaluation before, where a policy holds its results.
    made
        The edges so far, by name.
    """

    days: Ints
    table: str
    spine: DateSpine | None = None
    held: Schedule | None = None
    made: dict[str, Measure] = field(default_factory=dict)

    def edge(self, key: str, measure: Measure) -> Node:
        """Return a column of the dates."""
        self.made.setdefault(key, measure)
        return nodes.column(_name(key, self.made), self.table)

    def last(self, measure: Measure) -> Node:
        """Return a number, or missing; of what is held, a column of the dates."""
        if self.before is None and self.held is not None:
            return self.edge(f"last {measure.__name__}", partial(_held, measure, self.held))
        return _Known.last(self, measure)

    def rows(self, dialect: Dialect) -> Query:
        """Return the table of dates, with the edges made so far."""
        measured = {_name(key, self.made): one(self.now) for key, one in self.made.items()}
        # A day that a zone skipped is a date with the moment of the one before.
        columns = {DAY: self.days, **measured}
        rows = zip(*(values.tolist() for values in columns.values()), strict=True)
        source = nodes.rows_of(list(columns), rows, "given")
        typed = {name: nodes.cast(nodes.column(name, "given"), "bigint") for name in columns}
        query = nodes.select(typed, source)
        if self.spine is None:
            return query
        asked = nodes.subselect(asked_days(self.spine, DAY, dialect), "asked")
        return query.join(asked, on=nodes.compare(nodes.column(DAY, "asked"), "==", typed[DAY]))


@dataclass(frozen=True, slots=True)
class Parameters(Edges):
    """A moment that is given when the query is run.

    Parameters
    ----------
    last_moment
        The last one that can be given.
    held
        As for `Dates`.
    made
        The edges so far, by name.
    before
        What is asked of the evaluation before, by name.
    """

    last_moment: Moments
    held: Schedule | None = None
    made: dict[str, Measure] = field(default_factory=dict)
    before: dict[str, Measure] = field(default_factory=dict)

    def edge(self, key: str, measure: Measure) -> Node:
        """Return a parameter."""
        self.made.setdefault(key, measure)
        return _parameter(_name(key, self.made))

    def last(self, measure: Measure) -> Node:
        """Return a parameter."""
        name = _LAST if measure is at else f"{_LAST}_day"
        self.before[name] = measure
        return _parameter(name)

    @property
    def span(self) -> None:
        """Return nothing: any moment may come."""
        return

    @property
    def until(self) -> int:
        """The last moment that can be given."""
        return int(self.last_moment.at[0])

    def values(self, now: Moments, before: Moments | None) -> dict[str, int | None]:
        """Return the values of the parameters for a moment."""
        if int(now.at[0]) > self.until:
            raise DataError("the query was made for earlier moments", column=_NOW)
        values: dict[str, int | None] = {
            _name(key, self.made): int(one(now)[0]) for key, one in self.made.items()
        }
        if before is None and self.held is not None:
            before = self.held(now)
        for name, measure in self.before.items():
            values[name] = None if before is None else int(measure(before)[0])
        return values


@dataclass(frozen=True, slots=True)
class Held(Edges):
    """The same edges as of the scheduled evaluation whose results are held.

    Parameters
    ----------
    edges
        The edges as of the moments themselves.
    held
        What gives the scheduled evaluation of each moment.
    """

    edges: Edges
    held: Schedule

    def edge(self, key: str, measure: Measure) -> Node:
        """Return an edge of the others."""
        return self.edges.edge(f"held {key}", partial(_held, measure, self.held))

    def last(self, measure: Measure) -> Node:
        """Return what the others do."""
        return self.edges.last(measure)

    @property
    def span(self) -> Moments | None:
        """The scheduled evaluations."""
        return None if self.edges.span is None else self.held(self.edges.span)

    @property
    def until(self) -> int:
        """The last instant of the others: no evaluation is later."""
        return self.edges.until


def edges_of(
    as_of: AsOf, last: date | None, zone: Zone, table: str, held: Schedule | None = None
) -> Edges:
    """Return the edges as of what a user asks for; `table` is to have the dates, if any.

    Where results are `held`, the evaluation before is the scheduled one, unless it is given.
    """
    before = None if last is None else moments([last], zone)
    if isinstance(as_of, Parameter):
        if before is not None:
            message = "a parameter too, where as_of is one: give it to `parameters`"
            raise DataError(message, column=_LAST)
        return Parameters(moments([as_of.until], zone), held)
    if not isinstance(as_of, Sequence | DateSpine):
        now = moments([as_of], zone)
        return Literals(now, held(now) if before is None and held is not None else before)
    spine = as_of if isinstance(as_of, DateSpine) else None
    days = distinct_days(as_of) if isinstance(as_of, Sequence) else as_of.days()
    now = moments(days, zone)
    numbers = np.array([day_number(day) for day in days], np.int64)
    return Dates(now, before, numbers, table, spine, held)


def refuse_several(as_of: AsOf, message: str) -> None:
    """Refuse dates where there is one moment."""
    if isinstance(as_of, Sequence | DateSpine):
        raise DataError(message, column=_NOW)


def refuse_part_of_day(now: Moments, zone: Zone) -> None:
    """Refuse moments that are not the ends of local days."""
    if not np.array_equal(zone.day_ends(now.day), now.at):
        raise DataError("days merge as of the end of a local day: give a date", column=_NOW)


def at(moments: Moments) -> Ints:
    """Measure the moments themselves."""
    return moments.at


def day(moments: Moments) -> Ints:
    """Measure the local days of moments."""
    return moments.day


def _held(measure: Measure, held: Schedule, now: Moments) -> Ints:
    return measure(held(now))


def _parameter(name: str) -> Node:
    return nodes.cast(nodes.parameter(name), "bigint")


def _name(key: str, made: Mapping[str, Measure]) -> str:
    """Return the name of an edge: of a window its place, as a key is any text."""
    return key if key in (_NOW, _TODAY) else f"edge_{list(made).index(key)}"
