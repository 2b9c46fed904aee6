"""The relations and moments of one query."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Final

from crmcore.calendars import FIRST_INSTANT, Moments, Span, Window, Zone, shift_days
from crmcore.columns import Ints
from crmcore.errors import DataError
from crmcore.sql.dialects import Dialect
from crmcore.sql.moments import AsOf, Edges, Held, Schedule, at, day, edges_of
from crmcore.sql.nodes import Node
from crmcore.sql.spine import DateSpine

__all__ = ["Inputs", "part_name"]

_ASKED: Final = ("quantity", "channel", "promotion")
_OPTIONAL: Final = ("order_id", "status", "returns_order_id", "blocked", *_ASKED)
_COLUMNS: Final = ("customer_id", "placed_us", "amount_minor", *_OPTIONAL)
ROWS: Final = frozenset(_COLUMNS) - {"blocked"}
_APART: Final = ("linked returns", "counted rows", "totals")
"""The parts that there are twice where results are held."""
_PREFIX: Final = "crm "


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the query reads, as of when, and for which engine.

    Every moment in the query comes from here, as a node.

    Parameters
    ----------
    dialect
        How the engine says things.
    orders, customers
        Names of the relations.
    relations
        The names of all relations that the query reads.
    columns
        The name of each column there is, by its standard name.
    zone
        The shop's zone.
    edges
        The numbers that depend on the moments.
    attributes
        The name of the column with each attribute there is, by the name it has in the policy.
    scores
        The name of the column with what each of the host's scorers gave.
    schedule
        What gives the evaluation whose results are held; ``None`` in a live policy.
    is_held
        Whether this is as of that evaluation.
    """

    dialect: Dialect
    orders: str
    customers: str | None
    relations: tuple[str, ...]
    columns: Mapping[str, str]
    zone: Zone
    edges: Edges
    attributes: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, str] = field(default_factory=dict)
    schedule: Schedule | None = None
    is_held: bool = False

    @classmethod
    def of(
        cls,
        dialect: Dialect,
        orders: str,
        customers: str | None,
        columns: Mapping[str, str | None] | None,
        zone: Zone,
        as_of: AsOf,
        last_evaluated_at: date | None,
        asked: Collection[str] = (),
        attributes: Iterable[str] = (),
        scores: Mapping[str, str] | None = None,
        scorers: Collection[str] = (),
        schedule: Schedule | None = None,
    ) -> Inputs:
        """Return the inputs, with every column that is not named under its standard name.

        `asked` are the columns of rows that only some policies ask for, and these do.
        """
        named, attributes = {} if columns is None else dict(columns), tuple(attributes)
        allowed = dict.fromkeys([*_COLUMNS, *attributes])
        for name, given in named.items():
            if name not in allowed:
                raise DataError(
                    f"no such standard column; allowed: {', '.join(allowed)}", column=name
                )
            if given is None and name not in (*_OPTIONAL, *attributes):
                raise DataError("this column is needed", column=name)
        read = [name for name in _COLUMNS if name not in _ASKED or name in asked]
        chosen = _there(read, named)
        # A name of both is the orders': the customers have the attribute under its own.
        of_customers = {one: named[one] for one in named if one not in ROWS}
        known = _there(attributes, of_customers)
        gave = {} if scores is None else dict(scores)
        strange = sorted(gave.keys() - set(scorers))
        if strange:
            raise DataError("the policy has no scorer of this name", column=strange[0])
        if gave and customers is None:
            raise DataError("scores are columns of the customers: name their relation")
        spine = [as_of] if isinstance(as_of, DateSpine) else []
        relations = (orders, *(one.table for one in spine))
        relations += () if customers is None else (customers,)
        days = [one.column for one in spine]
        for name in (*relations, *chosen.values(), *known.values(), *gave.values(), *days):
            dialect.check_name(name)
        dates = part_name("dates", *relations)
        edges = edges_of(as_of, last_evaluated_at, zone, dates, schedule)
        return cls(
            dialect, orders, customers, relations, chosen, zone, edges, known, gave, schedule
        )

    def moment(self, *, windowed: bool) -> Inputs:
        """Return the inputs as of the moment of facts with or without a window."""
        if self.schedule is None or self.is_held or not windowed:
            return self
        return replace(self, edges=Held(self.edges, self.schedule), is_held=True)

    def moments(self) -> Iterator[Inputs]:
        """Yield the inputs as of each moment there is."""
        yield self
        if self.schedule is not None:
            yield self.moment(windowed=True)

    @property
    def at(self) -> Node:
        """The moment, in UTC microseconds."""
        return self.edges.edge("as_of", at)

    @property
    def day(self) -> Node:
        """The moment's local day."""
        return self.edges.edge("as_of_day", day)

    @property
    def last(self) -> Node:
        """The evaluation before, in UTC microseconds, or missing."""
        return self.edges.last(at)

    @property
    def last_day(self) -> Node:
        """The local day of the evaluation before, or missing."""
        return self.edges.last(day)

    def window(self, window: Window) -> tuple[Node, Node]:
        """Return the first and the last instant of a window."""
        low = self.edges.edge(f"first of {window!r}", partial(_end, window, self.zone, 0))
        high = self.edges.edge(f"last of {window!r}", partial(_end, window, self.zone, 1))
        return low, high

    def window_days(self, window: Window) -> tuple[Node, Node]:
        """Return the first and the last local day of a window, as of the end of a day."""
        low = self.edges.edge(f"first day of {window!r}", partial(_end_day, window, self.zone, 0))
        high = self.edges.edge(f"last day of {window!r}", partial(_end_day, window, self.zone, 1))
        return low, high

    def back_day(self, span: Span) -> Node:
        """Return the local day that lies a span before the moment's."""
        return self.edges.edge(f"day {span} back", partial(_back_day, span))

    def back(self, span: Span) -> Node:
        """Return the start of the local day that lies a span before the moment's."""
        return self.edges.edge(f"{span} back", partial(_back, span, self.zone))

    def reach(self, windows: Iterable[Window | None]) -> tuple[int, int]:
        """Return from when on windows look, ``None`` being no window, and the last moment."""
        lows = [FIRST_INSTANT if one is None else self._start(one) for one in windows]
        return min(lows), self.edges.until

    def _start(self, window: Window) -> int:
        edges = self.moment(windowed=True).edges
        return edges.earliest(partial(_end, window, self.zone, 0))

    @property
    def linked(self) -> bool:
        """Whether returns can name the order they return."""
        return {"order_id", "returns_order_id"} <= self.columns.keys()

    def part(self, name: str) -> str:
        """Return the name of a part of the query: never one of the relations."""
        if self.is_held and name in _APART:
            name = f"held {name}"
        return part_name(name, *self.relations)


# What is measured, in functions of their own: a statement is copied with what it measures.


def _end(window: Window, zone: Zone, side: int, now: Moments) -> Ints:
    return window.bounds(now, zone)[side]


def _end_day(window: Window, zone: Zone, side: int, now: Moments) -> Ints:
    return zone.local_days(_end(window, zone, side, now))


def _back_day(span: Span, now: Moments) -> Ints:
    return shift_days(now.day, span, -1)


def _back(span: Span, zone: Zone, now: Moments) -> Ints:
    return zone.day_starts(_back_day(span, now))


def _there(names: Iterable[str], named: Mapping[str, str | None]) -> dict[str, str]:
    """Return the name of each column there is: its own unless it is named."""
    full = {name: named.get(name, name) for name in names}
    return {name: given for name, given in full.items() if given is not None}


def part_name(name: str, *relations: str | None) -> str:
    """Return the name of a part of a query that reads these relations."""
    prefix = _PREFIX
    taken = [one.casefold() for one in relations if one is not None]
    while any(one.startswith(prefix) for one in taken):
        prefix = f"_{prefix}"
    return f"{prefix}{name}"
