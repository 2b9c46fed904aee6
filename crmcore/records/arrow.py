"""Arrow data and pandas columns as raw columns.

Needs the extra ``crmcore[frames]``; pyarrow is imported when first used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Ints, Mask
from crmcore.errors import DataError
from crmcore.records.frames import (
    arrow_table,
    frame_kind,
    needs_arrow,
    once,
    pandas_columns,
    unwrapped,
)
from crmcore.records.raw import Coded, Raw, raw_column
from crmcore.texts import Offsets, Texts

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["ArrowColumns", "are_whole", "raw_columns"]

_NO_BYTES = np.empty((0, 16), np.uint8)
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

    Nothing is converted before it is asked for. Of a column in one chunk, 64-bit numbers, times
    in microseconds and codes are shared where nothing is missing; text with offsets (not the
    views of polars) and UUIDs also where some are. The rest is copied once: several chunks,
    decimals, truth values, dates, numbers of fewer bits, and what has gaps. Times finer than a
    microsecond are rounded down; decimals are exact.

    Parameters
    ----------
    frame
        A pandas frame, whose named index levels are columns too; a polars frame, pyarrow table,
        batch or reader, DuckDB relation or narwhals frame; or anything that offers an Arrow
        stream or a struct as an Arrow array. Lazy frames are collected.
    text_numbers
        Whether text columns that hold nothing but whole numbers, without superfluous zeros, are
        read as whole numbers.

    Raises
    ------
    DataError
        It is no frame, two columns have one name, or a chunk has other columns than the ones
        before, by name or by type; and when a column is asked for whose type or values cannot be
        read. Values are never quoted.
    MissingExtraError
        pyarrow is not installed.

    Examples
    --------
    >>> import pyarrow as pa
    >>> columns = raw_columns(pa.table({"order_id": ["a", None], "quantity": [1, 2]}))
    >>> columns["order_id"].kind, columns["quantity"].values.tolist()
    ('text', [1, 2])
    """
    frame = unwrapped(frame)
    if frame_kind(frame) == "pandas":
        return _of_pandas(cast("pd.DataFrame", frame))
    table = arrow_table(frame)
    once(table.column_names)
    columns = zip(table.column_names, table.columns, strict=True)
    return ArrowColumns(
        {name: partial(_converted, name, column, text_numbers) for name, column in columns}
    )


def _of_pandas(frame: pd.DataFrame) -> ArrowColumns:
    """Return pandas' columns; those of Python objects may hold several types."""
    arrow, columns = needs_arrow(), pandas_columns(frame)
    once([name for name, _ in columns])

    def converted(name: str, series: pd.Series) -> Raw:
        try:
            given = None if series.dtype == object else arrow.array(series)
        except arrow.ArrowException:
            given = None  # Arrow has neither sparse columns nor categories of several types
        if given is None:
            return raw_column(name, series.to_numpy())
        return _converted(name, arrow.chunked_array(given), False)

    return ArrowColumns({name: partial(converted, name, series) for name, series in columns})


def _converted(name: str, column: pa.ChunkedArray, text_numbers: bool) -> Raw:
    """Return one Arrow column; what Arrow says of its values may quote them, and is not told."""
    import pyarrow as pa

    try:
        column.validate()
        return _raw(name, column, text_numbers)
    except pa.ArrowMemoryError:
        raise
    except pa.ArrowException:
        message = f"{column.type} with values that cannot be read"
        raise DataError(message, column=name) from None


def _raw(name: str, column: pa.ChunkedArray, text_numbers: bool) -> Raw:
    import pyarrow as pa
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind):
        if not _is_text(kind.value_type) and not types.is_integer(kind.value_type):
            return _raw(name, column.cast(kind.value_type), text_numbers)
        return _dictionary(name, column, text_numbers)
    if _is_text(kind):
        if text_numbers:
            return _dictionary(name, column.dictionary_encode(), text_numbers)
        return Raw.of_texts(Texts.joined(map(_texts, column.chunks)))
    if isinstance(kind, pa.UuidType):
        return _uuids(column)
    if types.is_null(kind):
        return raw_column(name, [None] * len(column))
    if types.is_decimal(kind):
        return _decimals(name, column)
    return _fixed(name, _one(column))


def _fixed(name: str, array: pa.Array) -> Raw:
    """Return values of a fixed width: numbers, truth values, times and dates."""
    import pyarrow as pa
    from pyarrow import types

    kind = array.type
    if isinstance(kind, pa.Bool8Type):
        return _with_nulls(name, array.storage.cast(pa.bool_()))
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return _with_nulls(name, array)
    if types.is_timestamp(kind):
        raw = _with_nulls(name, array.view(pa.int64()), f"M8[{kind.unit}]")
        return replace(raw, aware=kind.tz is not None)
    if types.is_date(kind):
        days = array if types.is_date32(kind) else _whole_days(name, array)
        return _with_nulls(name, days.view(pa.int32()).cast(pa.int64()), "M8[D]")
    raise DataError(f"values of type {kind} cannot be read", column=name)


def _whole_days(name: str, array: pa.Array) -> pa.Array:
    """Return dates in milliseconds as days; a time of day is refused, as it is in batches."""
    import pyarrow as pa

    days = array.cast(pa.timestamp("ms")).cast(pa.date32())
    if not days.cast(array.type).equals(array):
        message = f"{array.type} with values that {days.type} does not hold"
        raise DataError(message, column=name)
    return days


def _one(column: pa.ChunkedArray) -> pa.Array:
    """Return the column in one piece; a single chunk is not copied."""
    import pyarrow as pa

    chunks = column.chunks or [pa.nulls(0, column.type)]
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)


def _nulls(array: pa.Array | pa.ChunkedArray) -> Mask | None:
    if not array.null_count:
        return None
    nulls = array.is_null()
    chunks = nulls.chunks if hasattr(nulls, "chunks") else [nulls]
    mask: Mask = np.concatenate([chunk.to_numpy(zero_copy_only=False) for chunk in chunks])
    return mask


def _with_nulls(name: str, array: pa.Array, ticks: str | None = None) -> Raw:
    """Return fixed-width values, shared when there are no nulls; integers may be `ticks`."""
    missing = _nulls(array)
    if missing is not None:
        array = array.fill_null(False if array.type == "bool" else 0)
    values: NDArray[np.generic] = array.to_numpy(zero_copy_only=False)
    raw = raw_column(name, values if ticks is None else values.view(ticks))
    return raw if missing is None else raw.also_missing(missing)


# Text and codes


def _is_text(kind: pa.DataType) -> bool:
    from pyarrow import types

    found: bool = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return found


def _texts(array: pa.Array) -> Texts:
    """Return the text of an array, shared; nulls are empty."""
    import pyarrow as pa

    if len(array) == 0:
        return Texts.joined([])
    # Do offsets lead out of the data? Whether it is UTF-8 is told later, with the rows.
    array.view(str(array.type).replace("string", "binary")).validate(full=True)
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_string())
    width = 8 if pa.types.is_large_string(array.type) else 4
    _, offsets, data = array.buffers()
    ends: Offsets = np.frombuffer(offsets, f"i{width}", len(array) + 1, width * array.offset)
    # Where all text is empty, there need not be any bytes.
    texts = Texts(np.frombuffer(data or b"", np.uint8), ends)
    missing = _nulls(array)
    if missing is None or not (missing & ~texts.empty()).any():
        return texts
    return _texts(array.fill_null(""))  # something stands behind a null


def _dictionary(name: str, column: pa.ChunkedArray, text_numbers: bool) -> Raw:
    import pyarrow as pa

    if column.num_chunks > 1 or any(chunk.dictionary.null_count for chunk in column.chunks):
        column = pa.chunked_array(map(_unifiable, column.chunks)).unify_dictionaries()
    array = _one(column)
    codes, distinct = _codes(array.indices), array.dictionary
    if not _is_text(distinct.type):
        return raw_column(name, Coded(codes, distinct.to_pylist()))
    if text_numbers and are_whole(distinct):
        numbers = np.append(distinct.cast("int64").to_numpy(), 0)  # the last serves code -1
        return raw_column(name, numbers[codes]).also_missing(codes < 0)
    return raw_column(name, Coded(codes, _texts(distinct)))


def _unifiable(array: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return an array in codes with room for the values of all chunks, and none beyond its own.

    Its dictionary has no null: what was coded to one is a null itself. Arrow neither unifies
    these nor widens codes, and does not look whether a code leads out of the dictionary.
    """
    import pyarrow as pa

    values = array.dictionary
    if pa.types.is_string_view(values.type):  # of which Arrow drops nothing
        values = values.cast(pa.large_string())
    known = values.is_valid().to_numpy(zero_copy_only=False)
    places = pa.array(np.cumsum(known) - 1, pa.int32(), mask=~known)
    return pa.DictionaryArray.from_arrays(places.take(array.indices), values.drop_null())


def _codes(indices: pa.Array) -> NDArray[np.integer]:
    """Return codes, -1 for nulls; shared when there are none."""
    import pyarrow as pa

    if indices.null_count:
        indices = indices.cast(pa.int64()).fill_null(-1)
    codes: NDArray[np.integer] = indices.to_numpy()
    return codes


def are_whole(distinct: pa.Array) -> bool:
    """Tell whether texts are whole numbers without superfluous zeros; no texts are not."""
    import pyarrow.compute as pc

    fits = pc.all(pc.match_substring_regex(distinct, _INTEGER_TEXT), min_count=1)
    return fits.as_py() is True


def _uuids(column: pa.ChunkedArray) -> Raw:
    """Return UUIDs as their bytes, shared where they are in one chunk."""
    chunks = [_bytes(chunk.storage) for chunk in column.chunks if len(chunk)]
    values = chunks[0] if len(chunks) == 1 else np.concatenate([_NO_BYTES, *chunks])
    return Raw("uuid", values, _nulls(column))


def _bytes(array: pa.Array) -> NDArray[np.uint8]:
    values = np.frombuffer(array.buffers()[1], np.uint8)
    return values[16 * array.offset : 16 * (array.offset + len(array))].reshape(-1, 16)


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
    flat = np.frombuffer(array.buffers()[1], "<i8", 2 * len(array), 16 * array.offset)
    words = flat.reshape(-1, 2)
    return np.ascontiguousarray(words[:, 0]), words[:, 1]
