"""The kinds of columns: one for each column of a stream, whatever form it comes in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from crmcore.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Kinds", "canonical", "cast", "fitted"]


class Kinds:
    """The kinds of the columns that are read, which become known with the rows.

    Parameters
    ----------
    first
        The columns of the first batch.
    names
        Those that are read.
    """

    def __init__(self, first: pa.Schema, names: Iterable[str]) -> None:
        self._first, self._names = first, frozenset(first.names)
        self.wanted = {name: canonical(first.field(name).type) for name in names}
        self._open = set(self.wanted)
        self._agreed: pa.Schema | None = None

    @property
    def known(self) -> bool:
        """Whether each column has held something, or is taken as the first batch says."""
        return not self._open

    def settle(self) -> None:
        """Take what has held nothing as the first batch says."""
        self._open.clear()

    def see(self, batch: str, table: pa.Table) -> None:
        """Enter a batch: refuse other columns, and what does not fit the kinds before.

        `batch` is what refusals call it, such as ``batch 2``.
        """
        if self.known and self._agreed is not None and table.schema.equals(self._agreed):
            return
        self._compare(batch, table.schema.names)
        agreed = True
        for name in self.wanted:
            fits = self._fits(name, table.schema.field(name).type)
            if table[name].null_count == len(table):  # nothing fits any kind
                agreed = agreed and fits
            else:
                self._enter(batch, name, table.schema.field(name).type)
        self._agreed = table.schema if agreed else None

    def _compare(self, batch: str, found: list[str]) -> None:
        names = frozenset(found)
        for name in self._first.names:
            if name not in names:
                raise DataError(f"{batch} has no such column, as batch 1", column=name)
        for name in found:
            if name not in self._names:
                raise DataError(f"{batch} has it, and batch 1 has not", column=name)
        if len(names) < len(found):
            twice = next(name for name in found if found.count(name) > 1)
            raise DataError(f"{batch} has two columns of this name", column=twice)

    def _fits(self, name: str, found: pa.DataType) -> bool:
        wanted = self.wanted[name]
        fits: bool = _common(wanted, canonical(found)) == wanted
        return fits

    def _enter(self, batch: str, name: str, found: pa.DataType) -> None:
        kind = canonical(found)
        if name in self._open:
            self._open.discard(name)
            self.wanted[name] = kind
            return
        common = _common(self.wanted[name], kind)
        if common is None:
            before = self._first.field(name).type
            if str(before) == "null":
                before = self.wanted[name]
            raise DataError(f"{found} in {batch}, but {before} in batch 1", column=name)
        self.wanted[name] = common


def canonical(kind: pa.DataType) -> pa.DataType:
    """Return the type for all columns that differ from it in width or form only."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_integer(kind):
        return pa.int64()
    if types.is_floating(kind):
        return pa.float64()
    if types.is_decimal(kind):
        return _decimal(kind.bit_width, kind.scale)
    if types.is_date(kind):
        return pa.date32()
    if types.is_timestamp(kind):
        return pa.timestamp(kind.unit, None if kind.tz is None else "UTC")
    coded = types.is_dictionary(kind)
    value = kind.value_type if coded else kind
    if types.is_string(value) or types.is_large_string(value) or types.is_string_view(value):
        return _texts()[coded]
    return kind


def _texts() -> tuple[pa.DataType, pa.DataType]:
    import pyarrow as pa

    return pa.large_string(), pa.dictionary(pa.int32(), pa.string())


def _decimal(width: int, scale: int) -> pa.DataType:
    import pyarrow as pa

    return pa.decimal256(76, scale) if width > 128 else pa.decimal128(38, scale)


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the kind that holds the values of both, if one does."""
    import pyarrow as pa
    from pyarrow import types

    if one == other or (one in _texts() and other in _texts()):
        return one
    if types.is_decimal(one) and types.is_decimal(other):
        return _decimal(max(one.bit_width, other.bit_width), max(one.scale, other.scale))
    if types.is_timestamp(one) and types.is_timestamp(other) and one.tz == other.tz:
        return pa.timestamp("us", one.tz)
    return None


def cast(table: pa.Table, wanted: Mapping[str, pa.DataType]) -> pa.Table:
    """Return these columns of a table in these types; raises `DataError` where one cannot be."""
    import pyarrow as pa

    columns = [_as(table[name], kind, name) for name, kind in wanted.items()]
    if not columns:
        return table.select([])
    return pa.table(columns, list(wanted))


def fitted(table: pa.Table, wanted: Mapping[str, pa.DataType]) -> pa.Table:
    """Return these columns of a table in these types, of which it has other forms at most.

    Raises
    ------
    DataError
        A column is missing, stands there twice, or holds something of another kind.
    """
    for name, kind in wanted.items():
        if table.column_names.count(name) != 1:
            raise DataError("this column has to be there, once", column=name)
        column = table[name]
        holds = column.null_count < len(column)
        if holds and _common(canonical(kind), canonical(column.type)) is None:
            raise DataError(f"{column.type}, where {kind} is expected", column=name)
    return cast(table, wanted)


def _as(column: pa.ChunkedArray, kind: pa.DataType, name: str) -> pa.ChunkedArray:
    import pyarrow as pa
    from pyarrow import types

    try:
        return _cast(column, kind)
    except pa.ArrowException:
        message = f"{column.type} with values that {kind} does not hold"
        if types.is_integer(kind):
            message = f"whole numbers beyond {kind.bit_width} bits; give them as text"
        raise DataError(message, column=name) from None


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa
    from pyarrow import compute, types

    if column.type == kind:
        return column
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column), kind)])
    if types.is_dictionary(column.type):
        # Arrow does not decode the views that polars has, but it makes them text.
        column = column.cast(pa.dictionary(pa.int32(), pa.string()))
    if types.is_dictionary(kind) or types.is_dictionary(column.type):
        column = column.cast(pa.string())
    if types.is_timestamp(column.type) and column.type.unit == "ns" != kind.unit:
        # As `from_frame` does: what is finer than a microsecond is rounded down.
        column = compute.floor_temporal(
            column.cast(pa.timestamp("ns", kind.tz)), unit="microsecond"
        )
    return column.cast(kind)
