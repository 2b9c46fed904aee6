"""Rows on their way through a stream, and as Arrow tables: numbers read, ids as they came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmcore.calendars import Zone
from crmcore.columns import Ints, Mask
from crmcore.records.arrow import raw_columns
from crmcore.records.draft import Draft
from crmcore.records.folding import Lines, lines_of
from crmcore.records.intake import Intake
from crmcore.records.preparing import Prepared, coded, settled
from crmcore.records.reading import Standard

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["AS_GIVEN", "Rows", "Settled"]

AS_GIVEN = (
    *("order_id", "customer_id", "line_id", "returns_order_id", "product_id", "category"),
    *("channel", "promotion", "version", "currency"),
)
"""Standard columns that are stored as they came."""
_NUMBERS = ("placed_us", "amount_minor", "status", "status_us", "known_us")
_OF_LINES = ("product_id", "category")
_FOR_SETTLING = ("line_id", "version", "currency")


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Usable rows, not yet single: they may repeat, contradict and belong to each other.

    Parameters
    ----------
    draft
        The rows.
    given, positions
        The columns of `AS_GIVEN` that there are, of these rows and maybe of more, and where in
        the stream each of them stood.
    """

    draft: Draft
    given: Mapping[str, pa.ChunkedArray]
    positions: Ints

    @classmethod
    def from_table(cls, table: pa.Table, zone: Zone) -> Rows:
        """Return rows as `to_table` stored them."""
        draft = _draft(table, zone)
        given = {name: table[name] for name in AS_GIVEN if name in table.column_names}
        assert draft.positions is not None
        return cls(draft, given, draft.positions)

    def to_table(self) -> pa.Table:
        """Return all that settling needs."""
        return _table(self.draft, self.at(self.draft.positions, AS_GIVEN))

    def at(self, positions: Ints | None, names: tuple[str, ...]) -> dict[str, pa.ChunkedArray]:
        """Return columns as they came, of the rows at some positions of the stream."""
        import pyarrow as pa

        assert positions is not None
        columns = {name: column for name, column in self.given.items() if name in names}
        if np.array_equal(positions, self.positions):
            return {name: _plain(column) for name, column in columns.items()}
        order = np.argsort(self.positions)
        places = pa.array(order[np.searchsorted(self.positions, positions, sorter=order)])
        return {name: _plain(column.take(places)) for name, column in columns.items()}

    def settled(self, *, by_line: bool) -> tuple[Settled, int]:
        """Return the orders and returns, each single, and how many of the rows are in them."""
        draft, lines, kept = settled(self.draft, by_line=by_line)
        return Settled(draft, lines, self), kept


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """Orders and returns, each single, with their lines; `rows` are those they come from."""

    draft: Draft
    lines: Lines
    rows: Rows

    @classmethod
    def from_table(cls, table: pa.Table, zone: Zone) -> Settled:
        """Return orders as `to_table` stored them."""
        rows = Rows.from_table(table, zone)
        return cls(coded(rows.draft, by_line=False), _lines(table, rows.draft.rows), rows)

    def to_table(self) -> pa.Table:
        """Return all that an evaluation needs."""
        folded = self.lines.row is not None
        left = {*_FOR_SETTLING, *(_OF_LINES if folded else ())}
        names = tuple(name for name in AS_GIVEN if name not in left)
        table = _table(self.draft, self.rows.at(self.draft.positions, names))
        return table.append_column("lines", self._lists()) if folded else table

    def _lists(self) -> pa.Array:
        """Return the lines of each order as a list."""
        import pyarrow as pa

        lines = self.lines
        assert lines.row is not None
        assert lines.positions is not None
        order = np.argsort(lines.row, kind="stable")
        columns = {"amount_minor": pa.array(lines.amount_minor[order])}
        if lines.quantity is not None:
            known = None if lines.quantity_known is None else lines.quantity_known[order]
            columns["quantity"] = _with_nulls(lines.quantity[order], known)
        given = self.rows.at(lines.positions[order], _OF_LINES)
        columns |= {name: column.combine_chunks() for name, column in given.items()}
        ends = np.cumsum(np.bincount(lines.row, minlength=self.draft.rows.rows))
        items = pa.StructArray.from_arrays(list(columns.values()), list(columns))
        return pa.LargeListArray.from_arrays(pa.array(np.append(0, ends)), items)

    def prepared(self) -> Prepared:
        """Return the orders as a table of orders is made of them, with an account of nothing."""
        draft = self.draft
        account = Intake(draft.rows.rows, draft.rows.rows)
        return Prepared(draft.rows, self.lines, draft.order, draft.return_of, draft.until, account)


def _table(draft: Draft, given: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    import pyarrow as pa

    rows = draft.rows
    numbers = {name: getattr(rows, name) for name in _NUMBERS}
    numbers |= {"position": draft.positions, "until": draft.until}
    columns = {name: pa.array(values) for name, values in numbers.items() if values is not None}
    if rows.quantity is not None:
        columns["quantity"] = _with_nulls(rows.quantity, rows.quantity_known)
    return pa.table({**columns, **given})


def _draft(table: pa.Table, zone: Zone) -> Draft:
    raw = raw_columns(table)
    columns: dict[str, Any] = {name: _values(table, name) for name in (*_NUMBERS, "quantity")}
    columns |= {name: raw[name] for name in AS_GIVEN if name in raw}
    rows = Standard(table.num_rows, quantity_known=_known(table, "quantity"), **columns)
    return Draft(rows, _values(table, "position"), [], {}, zone, until=_values(table, "until"))


def _lines(table: pa.Table, rows: Standard) -> Lines:
    """Return the lines in the lists of a table; without lists each row is its own line."""
    if "lines" not in table.column_names:
        return lines_of(rows, None)
    import pyarrow as pa

    lists = table["lines"].combine_chunks()
    items = pa.Table.from_struct_array(lists.flatten())
    raw = raw_columns(items)
    row = np.repeat(np.arange(table.num_rows), lists.value_lengths().to_numpy())
    return Lines(
        row,
        items["amount_minor"].to_numpy(),
        _values(items, "quantity"),
        _known(items, "quantity"),
        raw.get("product_id"),
        raw.get("category"),
    )


def _with_nulls(values: Ints, known: Mask | None) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, mask=None if known is None else ~known)


def _values(table: pa.Table, name: str) -> Ints | None:
    if name not in table.column_names:
        return None
    column = table[name]
    values: Ints = (column.fill_null(0) if column.null_count else column).to_numpy()
    return values


def _known(table: pa.Table, name: str) -> Mask | None:
    if name not in table.column_names or not table[name].null_count:
        return None
    known: Mask = table[name].is_valid().to_numpy()
    return known


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without a dictionary, which would differ from batch to batch."""
    import pyarrow as pa

    is_coded = pa.types.is_dictionary(column.type)
    return column.cast(column.type.value_type) if is_coded else column
