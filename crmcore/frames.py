"""Results as frames and files.

Needs the extra ``crmcore[frames]``; pyarrow and the frame libraries are imported when used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from decimal import Context, Decimal
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Column, Mask
from crmcore.errors import DataError, MissingExtraError
from crmcore.records.frames import FrameKind, arrow_table, needs_arrow
from crmcore.records.ids import Ids
from crmcore.texts import Texts

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["to_frame", "write_file"]

# An exact ratio that is no money gets so many digits.
_RATIO_DIGITS = 6
_MONEY_PRECISION = 19
_WIDE = Context(prec=60)


# Tables out


def to_frame(columns: Mapping[str, Column], ids: Ids, kind: str = "pyarrow") -> object:
    """Return result columns as a frame, one row a customer.

    Money becomes exact decimals; an exact ratio is rounded down to the minor unit, and to six
    digits when it has none; labels become a dictionary; instants are in UTC; what is not known
    is null. Ids are whole numbers or text; UUIDs are written as text. Where ids of several kinds
    stand together, a column ``customer_id_kind`` tells 1 from "1".

    Parameters
    ----------
    columns
        By name, all as long as `ids`.
    ids
        The customers' ids, in row order.
    kind
        ``pyarrow``; ``polars`` or ``polars.LazyFrame``; ``pandas`` (with Arrow types, so that
        nothing turns into floats or objects); ``duckdb``, a relation on its default connection;
        or ``narwhals.`` and one of these, such as ``narwhals.polars``.

    Raises
    ------
    DataError
        `kind` is another one.
    MissingExtraError
        The library asked for is not installed.

    Examples
    --------
    >>> columns = {"spend": Column("money", np.array([150000]), exponent=2)}
    >>> to_frame(columns, Ids.of([7])).to_pylist()
    [{'customer_id': 7, 'spend': Decimal('1500.00')}]
    """
    arrow, inner = needs_arrow(), kind.removeprefix("narwhals.")
    if inner not in get_args(FrameKind):
        kinds = ", ".join(get_args(FrameKind))
        message = f"unknown kind of frame {kind!r}; give {kinds}, or one of them after 'narwhals.'"
        raise DataError(message)
    arrays = {**_ids(ids), **{name: _array(column) for name, column in columns.items()}}
    frame = _of_kind(inner, arrow.table(arrays))
    return frame if inner == kind else _library("narwhals").from_native(frame)


def _of_kind(kind: str, table: pa.Table) -> object:
    match kind:
        case "polars":
            return _library("polars").from_arrow(table)
        case "polars.LazyFrame":
            return _library("polars").from_arrow(table).lazy()
        case "pandas":
            return table.to_pandas(types_mapper=_library("pandas").ArrowDtype)
        case "duckdb":
            return _library("duckdb").from_arrow(table)
    return table


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtraError(name) from None


def _ids(ids: Ids) -> dict[str, pa.Array]:
    import pyarrow as pa

    kinds = ids.kinds
    if kinds.keys() <= {"int"}:
        return {"customer_id": pa.array(ids.numbers)}
    found = {"customer_id": _text(ids.as_texts())}
    if len(kinds) > 1:
        codes = np.repeat(np.arange(len(kinds), dtype=np.int32), list(kinds.values()))
        found["customer_id_kind"] = pa.DictionaryArray.from_arrays(codes, list(kinds))
    return found


def _text(texts: Texts) -> pa.Array:
    """Return text as an Arrow array, its bytes shared."""
    import pyarrow as pa

    wide = int(texts.offsets[-1]) >= 2**31
    offsets = texts.offsets.astype(np.int64 if wide else np.int32, copy=False)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(texts.data)]
    return pa.Array.from_buffers(pa.large_string() if wide else pa.string(), len(texts), buffers)


def _array(column: Column) -> pa.Array:
    """Return one column as an Arrow array of its own type."""
    import pyarrow as pa

    values = column.values
    unknown = None if column.known is None else ~column.known
    match column.kind:
        case "money":
            return _decimals(values, column.exponent, unknown)
        case "ratio":
            return _ratio(column, unknown)
        case "date":
            return pa.array(values.astype(np.int32), pa.date32(), mask=unknown)
        case "instant":
            return pa.array(values, pa.timestamp("us", tz="UTC"), mask=unknown)
        case "label":
            codes = pa.array(values.astype(np.int32), mask=unknown)
            return pa.DictionaryArray.from_arrays(codes, pa.array(column.categories, pa.string()))
        case "text":
            return pa.array(values.tolist(), pa.string(), mask=unknown)
        case "int":
            return pa.array(values.astype(np.int64, copy=False), mask=unknown)
        case _:
            return pa.array(values, mask=unknown)


def _decimals(values: NDArray[np.generic], digits: int, unknown: Mask | None) -> pa.Array:
    """Return integers over ``10**digits``: 128-bit decimals are two words, low and high."""
    import pyarrow as pa

    low = values.astype("<i8")
    words = np.stack([low, low >> 63], axis=1)
    array = pa.Array.from_buffers(
        pa.decimal128(_MONEY_PRECISION, digits), len(low), [None, pa.py_buffer(words)]
    )
    return array if unknown is None else _masked(array, unknown)


def _masked(array: pa.Array, unknown: Mask) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pa.array(unknown), pa.scalar(None, array.type), array)


def _ratio(column: Column, unknown: Mask | None) -> pa.Array:
    """Return the quotients, rounded down."""
    import pyarrow as pa

    assert column.divisor is not None
    known = np.ones(len(column), np.bool_) if unknown is None else ~unknown
    digits = column.exponent or _RATIO_DIGITS
    scale = 1 if column.exponent else 10**_RATIO_DIGITS
    above, below = np.where(known, column.values, 0), np.where(known, column.divisor, 1)
    reach = max(-int(above.min(initial=0)), int(above.max(initial=0)))
    if reach * scale < 2**63:
        return _decimals(above.astype(np.int64) * scale // below, digits, unknown)
    pairs = zip(above.tolist(), below.tolist(), strict=True)
    exact = [Decimal(one * scale // other).scaleb(-digits, _WIDE) for one, other in pairs]
    return pa.array(exact, pa.decimal128(38, digits), mask=unknown)


# Files out


def write_file(table: object, path: str | Path) -> None:
    """Write a frame to a file, by its suffix.

    ``.csv`` (also ``.csv.gz``), ``.parquet``, ``.arrow``, ``.feather`` or ``.json``. JSON is a
    list of objects; decimals are text there, so that they stay exact, and dates and instants are
    in ISO form.

    Raises
    ------
    DataError
        The type of file is another one, or it cannot be written.
    MissingExtraError
        pyarrow is not installed.
    """
    path = Path(path)
    data = arrow_table(table)
    name = path.name.lower().removesuffix(".gz")
    writers = {".csv": _write_csv, ".parquet": _write_parquet, ".json": _write_json}
    writers |= dict.fromkeys((".arrow", ".feather"), _write_arrow)
    suffix = Path(name).suffix
    if suffix not in writers or (name != path.name.lower() and suffix != ".csv"):
        raise DataError(f"unknown type of file {path.suffix!r}; give {', '.join(writers)}")
    try:
        writers[suffix](data, path)
    except OSError as error:
        raise DataError(f"the file cannot be written ({type(error).__name__})") from None


def _write_csv(table: pa.Table, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    plain = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    options = arrow_csv.WriteOptions(quoting_style="needed")
    with pa.output_stream(str(path)) as stream:
        arrow_csv.write_csv(pa.table(plain, table.column_names), stream, options)


def _write_parquet(table: pa.Table, path: Path) -> None:
    from pyarrow import parquet

    parquet.write_table(table, path)


def _write_arrow(table: pa.Table, path: Path) -> None:
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as stream, pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)


def _write_json(table: pa.Table, path: Path) -> None:
    rows = json.dumps(table.to_pylist(), default=_plain, ensure_ascii=False, indent=1)
    path.write_text(rows + "\n", encoding="utf-8")


def _plain(value: object) -> str:
    """Return what JSON has no type for as text."""
    return value.isoformat() if isinstance(value, date) else str(value)
