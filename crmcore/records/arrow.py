"""Arrow data, and every frame that can give it, as raw columns.

Needs the extra ``crmcore[frames]``; pyarrow is imported when first used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Ints, Mask
from crmcore.errors import DataError, MissingExtraError
from crmcore.records.raw import Coded, Raw, raw_column

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["ArrowColumns", "arrow_table", "raw_columns"]

_INTEGER_TEXT = r"^(0|-?[1-9][0-9]{0,17})$"


class ArrowColumns(Mapping[str, Raw]):
    """The columns of a frame; each is converted when it is first asked for.

    Columns that nothing reads therefore cost nothing, whatever they hold.
    """

    def __init__(self, columns: Mapping[str, Callable[[], Raw]]) -> None:
        self._columns = dict(columns)
        self._converted: dict[str, Raw] = {}

    def __getitem__(self, name: str) -> Raw:
        if name not in self._converted:
            self._converted[name] = self._columns[name]()
        return self._converted[name]

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def raw_columns(frame: object, *, text_numbers: bool = False) -> ArrowColumns:
    """Return the columns of a frame.

    Whole numbers, floats, times in microseconds, and codes are shared where nothing is missing.
    Times finer than a microsecond are rounded down; decimals are exact; text is coded.

    Parameters
    ----------
    frame
        A pandas or polars frame (lazy ones are collected), a pyarrow table or reader, a DuckDB
        relation, or anything that offers an Arrow stream.
    text_numbers
        Whether text columns that hold nothing but whole numbers, without superfluous zeros, are
        read as whole numbers.

    Raises
    ------
    DataError
        It is no frame, or two columns have one name; and when a column is asked for whose type
        cannot be read.
    MissingExtraError
        pyarrow is not installed.

    Examples
    --------
    >>> import pyarrow as pa
    >>> columns = raw_columns(pa.table({"order_id": ["a", None], "quantity": [1, 2]}))
    >>> columns["order_id"].kind, columns["quantity"].values.tolist()
    ('coded', [1, 2])
    """
    if type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "dtypes"):
        return _of_pandas(cast("pd.DataFrame", frame))
    table = arrow_table(frame)
    _once(table.column_names)
    columns = zip(table.column_names, table.columns, strict=True)
    return ArrowColumns(
        {name: partial(_converted, name, column, text_numbers) for name, column in columns}
    )


def arrow_table(frame: object) -> pa.Table:
    """Return a frame as a pyarrow table, without copying where the frame allows it."""
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingExtraError("pyarrow", extra="frames") from None
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    if not hasattr(frame, "__arrow_c_stream__") and hasattr(frame, "collect"):
        frame = frame.collect()
    if not hasattr(frame, "__arrow_c_stream__"):
        message = f"not a frame, and it offers no Arrow stream: {type(frame).__name__}"
        raise DataError(message)
    return pa.RecordBatchReader.from_stream(frame).read_all()


def _once(names: list[str]) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError("two columns of this name", column=twice)


def _of_pandas(frame: pd.DataFrame) -> ArrowColumns:
    """Return pandas' columns; those of Python objects may hold several types."""
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingExtraError("pyarrow", extra="frames") from None
    names = [str(name) for name in frame.columns]
    _once(names)

    def column(at: int) -> Raw:
        series = frame.iloc[:, at]
        if series.dtype == object:
            return raw_column(names[at], series.to_numpy())
        return _converted(names[at], pa.chunked_array(pa.array(series)), False)

    return ArrowColumns({name: partial(column, at) for at, name in enumerate(names)})


def _converted(name: str, column: pa.ChunkedArray, text_numbers: bool) -> Raw:
    """Return one Arrow column."""
    import pyarrow as pa
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind):
        return _dictionary(name, column, text_numbers and types.is_string(kind.value_type))
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return _text(name, column, text_numbers)
    if isinstance(kind, pa.UuidType):
        return _uuids(name, column)
    if types.is_null(kind):
        return raw_column(name, [None] * len(column))
    if types.is_decimal(kind):
        return _decimals(name, column)
    array = _one(column)
    if types.is_integer(kind) or types.is_floating(kind):
        return _with_nulls(name, array)
    if types.is_boolean(kind):
        return _with_nulls(name, array)
    if types.is_timestamp(kind):
        raw = _with_nulls(name, array.view(pa.int64()), f"M8[{kind.unit}]")
        return replace(raw, aware=kind.tz is not None)
    if types.is_date(kind):
        days = array.cast(pa.date32()).view(pa.int32()).cast(pa.int64())
        return _with_nulls(name, days, "M8[D]")
    raise DataError(f"values of type {kind} cannot be read", column=name)


def _one(column: pa.ChunkedArray) -> pa.Array:
    """Return the column in one piece; a single chunk is not copied."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _nulls(array: pa.Array) -> Mask | None:
    if not array.null_count:
        return None
    mask: Mask = array.is_null().to_numpy(zero_copy_only=False)
    return mask


def _with_nulls(name: str, array: pa.Array, ticks: str | None = None) -> Raw:
    """Return fixed-width values, shared when there are no nulls; integers may be `ticks`."""
    missing = _nulls(array)
    if missing is not None:
        array = array.fill_null(False if array.type == "bool" else 0)
    values: NDArray[np.generic] = array.to_numpy(zero_copy_only=False)
    raw = raw_column(name, values if ticks is None else values.view(ticks))
    return raw if missing is None else raw.also_missing(missing)


# Codes


def _text(name: str, column: pa.ChunkedArray, text_numbers: bool) -> Raw:
    import pyarrow as pa

    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    return _dictionary(name, column.dictionary_encode(), text_numbers)


def _dictionary(name: str, column: pa.ChunkedArray, text_numbers: bool = False) -> Raw:
    import pyarrow as pa

    array = _one(column.unify_dictionaries() if column.num_chunks > 1 else column)
    codes, distinct = _codes(array.indices), array.dictionary
    if text_numbers and _are_whole(distinct):
        numbers = np.append(distinct.cast(pa.int64()).to_numpy(), 0)  # the last serves code -1
        return raw_column(name, numbers[codes]).also_missing(codes < 0)
    return raw_column(name, Coded(codes, distinct.to_pylist()))


def _codes(indices: pa.Array) -> NDArray[np.integer]:
    """Return codes, -1 for nulls; shared when there are none."""
    import pyarrow as pa

    if indices.null_count:
        indices = indices.cast(pa.int64()).fill_null(-1)
    codes: NDArray[np.integer] = indices.to_numpy()
    return codes


def _are_whole(distinct: pa.Array) -> bool:
    import pyarrow.compute as pc

    fits = pc.all(pc.match_substring_regex(distinct, _INTEGER_TEXT), min_count=1)
    return fits.as_py() is True


def _uuids(name: str, column: pa.ChunkedArray) -> Raw:
    import pyarrow as pa

    storage = pa.chunked_array([chunk.storage for chunk in column.chunks], pa.binary(16))
    array = _one(storage.dictionary_encode())
    uuids = [UUID(bytes=value) for value in array.dictionary.to_pylist()]
    return raw_column(name, Coded(_codes(array.indices), uuids))


# Decimals


def _decimals(name: str, column: pa.ChunkedArray) -> Raw:
    """Return scaled integers, exactly; what 64 bits do not hold is read by distinct value."""
    import pyarrow as pa

    kind = column.type
    if kind.bit_width == 128 and 0 <= kind.scale <= 18:
        array = _one(column)
        low, high = _halves(array)
        missing = _nulls(array)
        if missing is not None:
            low, high = np.where(missing, 0, low), np.where(missing, 0, high)
        if (high == low >> 63).all():
            return Raw("decimal" if kind.scale else "int", low, missing, kind.scale)
    array = _one(column).cast(pa.decimal256(76, kind.scale)).dictionary_encode()
    codes = _codes(array.indices)
    # One more value at the end, for code -1.
    return raw_column(name, [*array.dictionary.to_pylist(), None]).take(codes)


def _halves(array: pa.Array) -> tuple[Ints, Ints]:
    """Return the lower and upper 64 bits of 128-bit decimals."""
    buffer = array.buffers()[1]
    words = np.frombuffer(buffer, "<i8").reshape(-1, 2)[array.offset : array.offset + len(array)]
    return np.ascontiguousarray(words[:, 0]), words[:, 1]
