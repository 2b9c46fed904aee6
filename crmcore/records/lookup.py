"""Finding the column that a source means, and saying well when it is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from crmcore.errors import DataError
from crmcore.records.raw import Raw
from crmcore.records.source import Columns

__all__ = ["Lookup"]


class Lookup:
    """The columns given, by *their* names; remembers which were used.

    `rows` is their length, 0 before any was asked for.

    Examples
    --------
    >>> from crmcore.records.raw import raw_column
    >>> raw = {"Customer Id": raw_column("Customer Id", [1])}
    >>> Lookup(raw, Columns()).required("customer_id")
    Traceback (most recent call last):
    ...
    crmcore.errors.DataError: no column 'customer_id'; nearest given: 'Customer Id'; \
say in the source under [columns] what it is called (column 'customer_id')
    """

    def __init__(self, raw: Mapping[str, Raw], columns: Columns) -> None:
        self.raw = raw
        self.rows = 0
        self._columns = columns
        self._used: set[str] = set()

    def optional(self, standard: str) -> Raw | None:
        """Return the column of a standard name; ``None`` when there is none.

        Raises
        ------
        DataError
            The source names a column for it that is not there.
        """
        name = self.name_of(standard)
        return None if name is None else self.raw[name]

    def required(self, standard: str) -> Raw:
        """Return the column of a standard name, which must be there."""
        found = self.optional(standard)
        if found is None:
            raise self._absent(standard, [standard])
        return found

    def name_of(self, standard: str) -> str | None:
        """Return *their* name for a standard column; ``None`` when there is no such column."""
        named = self.named(standard)
        if named is False or (named is None and standard not in self.raw):
            return None
        theirs = standard if named is None else named
        self.theirs([theirs], standard)
        return theirs

    def named(self, standard: str) -> str | Literal[False] | None:
        """Return what the source says about a standard column."""
        found: str | Literal[False] | None = getattr(self._columns, standard)
        return found

    def theirs(self, names: Iterable[str], standard: str) -> None:
        """Mark columns as used by *their* names; all must be there."""
        for name in names:
            if name not in self.raw:
                raise self._absent(standard, [name])
            length = len(self.raw[name])
            if self._used and length != self.rows:
                message = f"not as many rows as other columns: {length}, not {self.rows}"
                raise DataError(message, column=standard)
            self.rows = length
            self._used.add(name)

    def unused(self) -> tuple[str, ...]:
        """Return the names of the columns that nothing has used."""
        return tuple(name for name in self.raw if name not in self._used)

    def no_amount(self) -> DataError:
        """Return the error for rows without any amount."""
        return self._absent("amount", ["amount", "amount_minor", "unit_price with quantity"])

    def _absent(self, standard: str, names: Sequence[str]) -> DataError:
        message = f"no column {' or '.join(map(repr, names))}"
        plain = {_plain(name): name for name in self.raw}
        wanted = [near for name in names for near in _near(_plain(name), plain)]
        if wanted:
            message += f"; nearest given: {plain[wanted[0]]!r}"
        elif self.raw:
            message += f"; given: {_listed(list(self.raw))}"
        message += "; say in the source under [columns] what it is called"
        return DataError(message, column=standard)


def _listed(names: Sequence[str]) -> str:
    """Return the first names, as they are written, and how many more there are."""
    shown = ", ".join(repr(name[:40]) for name in names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _near(name: str, names: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(name, list(names), 1, 0.5)
