"""The relations and moments of one query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from crmcore.calendars import FIRST_INSTANT, Moments, Span, Window, Zone, shift_days
from crmcore.errors import DataError
from crmcore.sql import nodes
from crmcore.sql.dialects import Dialect
from crmcore.sql.nodes import Node

__all__ = ["Inputs"]

_OPTIONAL: Final = ("order_id", "status", "returns_order_id", "blocked")
_COLUMNS: Final = ("customer_id", "placed_us", "amount_minor", *_OPTIONAL)
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
    columns
        The name of each column there is, by its standard name.
    zone
        The shop's zone.
    now
        The one moment.
    last_us
        The evaluation before, if any.
    """

    dialect: Dialect
    orders: str
    customers: str | None
    columns: Mapping[str, str]
    zone: Zone
    now: Moments
    last_us: int | None

    @classmethod
    def of(
        cls,
        dialect: Dialect,
        orders: str,
        customers: str | None,
        columns: Mapping[str, str | None] | None,
        zone: Zone,
        now: Moments,
        last_us: int | None,
    ) -> Inputs:
        """Return the inputs, with every column that is not named under its standard name."""
        named = {} if columns is None else dict(columns)
        for name, given in named.items():
            if name not in _COLUMNS:
                raise DataError(
                    f"no such standard column; allowed: {', '.join(_COLUMNS)}", column=name
                )
            if given is None and name not in _OPTIONAL:
                raise DataError("this column is needed", column=name)
        full = {name: named.get(name, name) for name in _COLUMNS}
        chosen = {name: given for name, given in full.items() if given is not None}
        for name in (orders, *(() if customers is None else (customers,)), *chosen.values()):
            dialect.check_name(name)
        return cls(dialect, orders, customers, chosen, zone, now, last_us)

    @property
    def at(self) -> Node:
        """The moment, in UTC microseconds."""
        return nodes.number(int(self.now.at[0]))

    @property
    def day(self) -> Node:
        """The moment's local day."""
        return nodes.number(int(self.now.day[0]))

    @property
    def last(self) -> Node:
        """The evaluation before, in UTC microseconds, or missing."""
        return nodes.nothing("bigint") if self.last_us is None else nodes.number(self.last_us)

    def window(self, window: Window) -> tuple[Node, Node]:
        """Return the first and the last instant of a window."""
        low, high = window.bounds(self.now, self.zone)
        return nodes.number(int(low[0])), nodes.number(int(high[0]))

    def back(self, span: Span) -> Node:
        """Return the start of the local day that lies a span before the moment's."""
        return nodes.number(int(self.zone.day_starts(shift_days(self.now.day, span, -1))[0]))

    def reach(self, windows: Iterable[Window | None]) -> tuple[int, int]:
        """Return from when on windows look, ``None`` being no window, and the moment."""
        lows = [
            FIRST_INSTANT if one is None else int(np.min(one.bounds(self.now, self.zone)[0]))
            for one in windows
        ]
        return min(lows), int(self.now.at[0])

    @property
    def linked(self) -> bool:
        """Whether returns can name the order they return."""
        return {"order_id", "returns_order_id"} <= self.columns.keys()

    def part(self, name: str) -> str:
        """Return the name of a part of the query: never one of the relations."""
        prefix = _PREFIX
        taken = [one.casefold() for one in (self.orders, self.customers) if one is not None]
        while any(one.startswith(prefix) for one in taken):
            prefix = f"_{prefix}"
        return f"{prefix}{name}"
