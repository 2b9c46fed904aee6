"""What is streamed: frames one after the other, or a file, all with the same columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from crmcore.errors import DataError
from crmcore.files import RowFile
from crmcore.records.frames import (
    arrow_batches,
    arrow_table,
    frame_kind,
    needs_arrow,
    once,
    pandas_columns,
    unwrapped,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Batches", "Stream", "Tell", "stream_of"]

Tables: TypeAlias = "Generator[pa.Table, None, None]"
Batches: TypeAlias = "str | Path | Iterable[object] | Callable[[], Iterable[object]]"
Tell: TypeAlias = Callable[[int, "int | None", str], None]
"""Told how much is done, of how much if that is known, and of what."""


class Stream(Protocol):
    """Rows in tables of one schema, read once or as often as is asked for."""

    again: bool
    schema: pa.Schema

    def tables(self, columns: Collection[str], tell: Tell) -> Tables:
        """Return all rows in tables of any size, with these columns."""


def stream_of(batches: Batches) -> Stream:
    """Return what is given as a stream.

    Raises
    ------
    DataError
        It is none, there is not one batch, or the file or the first batch cannot be read.
    """
    needs_arrow()
    return _OfFile(batches) if isinstance(batches, str | Path) else _OfFrames(batches)


class _OfFile:
    """The rows of a file."""

    again = True

    def __init__(self, path: str | Path) -> None:
        self._file = RowFile.of(path)
        self._whole: Mapping[str, pa.DataType] | None = None
        self.schema = self._file.schema
        once(self.schema.names)

    def tables(self, columns: Collection[str], tell: Tell) -> Tables:
        import pyarrow as pa

        def said(phase: str) -> Callable[[int, int], None]:
            return lambda done, total: tell(done, total, phase)

        if self._whole is None:
            found = self._file.whole_numbers(columns, said("looking for whole numbers"))
            self._whole = dict.fromkeys(found, pa.int64())
        with closing(self._file.batches(columns, said("reading"))) as batches:
            for batch in batches:
                yield _cast(pa.Table.from_batches([batch]), self._whole)


class _OfFrames:
    """Frames from an iterable, which is opened anew for each reading where that is possible."""

    def __init__(self, given: Iterable[object] | Callable[[], Iterable[object]]) -> None:
        if _is_frame(given):
            given = [given]
        elif not callable(given) and not isinstance(given, Iterable):
            raise DataError(f"no batches, and no file: {type(given).__name__}")
        self.again = callable(given) or not (
            isinstance(given, Iterator)
            or (isinstance(given, Sequence) and not all(map(_can_be_read_again, given)))
        )
        self._given, self._rows = given, -1
        opened = self._open()
        first = next(opened, None)
        if first is None:
            raise DataError("there is not one batch, so that nothing tells the columns")
        self.schema = first[1].schema
        once(self.schema.names)
        self._opened: Iterator[tuple[int, pa.Table]] | None = chain([first], opened)

    def tables(self, columns: Collection[str], tell: Tell) -> Tables:
        opened, self._opened = self._opened or self._open(), None
        wanted = {name: _canonical(self.schema.field(name).type) for name in columns}
        done = 0
        for number, table in opened:
            _check(number, table.schema, self.schema, wanted)
            with _of_batch(number):
                yield _cast(table.select(list(wanted)), wanted)
            done += table.num_rows
            tell(done, None, "reading")
        if self._rows not in (-1, done):
            counts = f"{self._rows} rows when they were first read, and then {done}"
            raise DataError(f"the batches gave {counts}; give a callable that opens them anew")
        self._rows = done

    def _open(self) -> Iterator[tuple[int, pa.Table]]:
        given = self._given
        for number, frame in enumerate(given() if callable(given) else given, 1):
            with _of_batch(number):
                yield from ((number, table) for table in _tables_of(frame))


def _is_frame(given: object) -> bool:
    """Tell whether what is given as batches is a single frame."""
    return any(
        hasattr(given, name) for name in ("__arrow_c_stream__", "__arrow_c_array__", "collect")
    )


def _can_be_read_again(frame: object) -> bool:
    """Tell whether a frame gives its rows as often as is asked; a stream may do so only once."""
    import pyarrow as pa

    return frame_kind(frame) != "pyarrow" or isinstance(frame, pa.Table | pa.RecordBatch)


def _tables_of(frame: object) -> Iterator[pa.Table]:
    """Return a frame in tables: what is a stream itself is not read at once."""
    import pyarrow as pa

    frame = unwrapped(frame)
    if frame_kind(frame) == "pandas":
        yield _of_pandas(cast("pd.DataFrame", frame))
    elif isinstance(frame, pa.Table | pa.RecordBatch) or not hasattr(frame, "__arrow_c_stream__"):
        yield arrow_table(frame)
    else:
        schema, batches = arrow_batches(frame)
        yield schema.empty_table()  # a stream of nothing has columns all the same
        yield from (pa.Table.from_batches([batch]) for batch in batches)


def _of_pandas(frame: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    columns, arrays = pandas_columns(frame), []
    for name, series in columns:
        try:
            arrays.append(pa.array(series))
        except pa.ArrowException:
            message = "values of several types, or of one that Arrow does not have"
            raise DataError(message, column=name) from None
    return pa.table(arrays, [name for name, _ in columns])


@contextmanager
def _of_batch(number: int) -> Iterator[None]:
    """Say of which batch a refusal speaks."""
    import pyarrow as pa

    try:
        yield
    except pa.ArrowException as error:
        raise DataError(f"batch {number} cannot be read ({type(error).__name__})") from None
    except DataError as error:
        raise DataError(f"batch {number}: {error.message}", column=error.column) from None


# Columns


def _check(
    number: int, found: pa.Schema, first: pa.Schema, wanted: Mapping[str, pa.DataType]
) -> None:
    """Refuse a batch whose columns are not those of the first one."""
    for name in (*first.names, *found.names):
        if found.names.count(name) != 1:
            raise DataError(f"batch {number} does not have it once, as batch 1", column=name)
        if name not in first.names:
            raise DataError(f"batch {number} has it, and batch 1 has not", column=name)
    for name, kind in wanted.items():
        now = found.field(name).type
        if str(now) != "null" and _canonical(now, like=kind) != kind:
            before = first.field(name).type
            raise DataError(f"{now} in batch {number}, but {before} in batch 1", column=name)


def _canonical(kind: pa.DataType, like: pa.DataType | None = None) -> pa.DataType:
    """Return the type for all columns that differ from it in width or form only.

    Text of any form becomes that of the type it is to be `like`, if that is text.
    """
    import pyarrow as pa
    from pyarrow import types

    if types.is_integer(kind):
        return pa.int64()
    if types.is_floating(kind):
        return pa.float64()
    if types.is_decimal(kind):
        wide = kind.bit_width > 128
        return pa.decimal256(76, kind.scale) if wide else pa.decimal128(38, kind.scale)
    if types.is_date(kind):
        return pa.date32()
    if types.is_timestamp(kind):
        return pa.timestamp(kind.unit, None if kind.tz is None else "UTC")
    coded = types.is_dictionary(kind)
    value = kind.value_type if coded else kind
    if types.is_string(value) or types.is_large_string(value) or types.is_string_view(value):
        text = pa.dictionary(pa.int32(), pa.string()) if coded else pa.large_string()
        forms = (pa.dictionary(pa.int32(), pa.string()), pa.large_string())
        return like if like in forms else text
    return kind


def _cast(table: pa.Table, wanted: Mapping[str, pa.DataType]) -> pa.Table:
    for at, name in enumerate(table.column_names):
        column, kind = table.column(at), wanted.get(name, table.schema.field(at).type)
        if column.type != kind:
            table = table.set_column(at, name, _as(column, kind, name))
    return table


def _as(column: pa.ChunkedArray, kind: pa.DataType, name: str) -> pa.ChunkedArray:
    import pyarrow as pa

    if pa.types.is_null(column.type):
        return pa.chunked_array([pa.nulls(len(column), kind)])
    if pa.types.is_dictionary(column.type):
        # Arrow does not decode the views that polars has, but it makes them text.
        column = column.cast(pa.dictionary(pa.int32(), pa.string()))
    if pa.types.is_dictionary(kind) or pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        if not pa.types.is_integer(kind):
            raise
        message = "whole numbers beyond 64 bits; give them as text"
        raise DataError(message, column=name) from None
