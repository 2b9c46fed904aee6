"""The relations and moments of one query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crmcore.calendars import Moments
from crmcore.errors import DataError

__all__ = ["Inputs"]

_OPTIONAL: Final = ("order_id", "status", "returns_order_id", "blocked")
_COLUMNS: Final = ("customer_id", "placed_us", "amount_minor", *_OPTIONAL)
_PREFIX: Final = "crm "


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the query reads, and as of when.

    Parameters
    ----------
    orders, customers
        Names of the relations.
    columns
        The name of each column there is, by its standard name.
    now
        The one moment.
    last_us
        The evaluation before, if any.
    """

    orders: str
    customers: str | None
    columns: Mapping[str, str]
    now: Moments
    last_us: int | None

    @classmethod
    def of(
        cls,
        orders: str,
        customers: str | None,
        columns: Mapping[str, str | None] | None,
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
            if not name or "\0" in name:
                raise DataError("a relation or column needs a name")
        return cls(orders, customers, chosen, now, last_us)

    @property
    def at_us(self) -> int:
        """The moment, in UTC microseconds."""
        return int(self.now.at[0])

    @property
    def day(self) -> int:
        """The moment's local day."""
        return int(self.now.day[0])

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
