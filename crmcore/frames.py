"""Files and frames: in as raw columns, out as tables.

Needs the extra ``crmcore[frames]``; pyarrow and the frame libraries are imported when used.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import date
from decimal import Context, Decimal
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Column, Mask
from crmcore.errors import DataError, MissingExtraError
from crmcore.records.arrow import ArrowColumns, arrow_table, raw_columns
from crmcore.records.ids import Ids

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FrameKind", "raw_columns", "read_file", "to_frame", "write_file"]

FrameKind: TypeAlias = Literal["pyarrow", "polars", "pandas"]
Progress: TypeAlias = Callable[[int, int], None]

_BLOCK_BYTES = 1 << 22
_BATCH_ROWS = 1 << 17
# What may stand between the fields of a .csv file; the first that the header has counts.
_SEPARATORS = ",;\t|"
_BAD_ROW = re.compile(r"CSV parse error:(?: Row #(\d+):)? Expected \d+ columns")
# An exact ratio that is no money gets so many digits.
_RATIO_DIGITS = 6
_MONEY_PRECISION = 19
_WIDE = Context(prec=60)


# Files in


def read_file(path: str | Path, progress: Progress | None = None) -> ArrowColumns:
    """Return the columns of a file.

    Parameters
    ----------
    path
        ``.csv`` or ``.tsv``, also with ``.gz``; ``.parquet``; ``.arrow`` or ``.feather``. Text
        is UTF-8, and its first line names the columns. Where that line of a ``.csv`` file has no
        comma between names, but semicolons, tabs or ``|`` (the first of these that it has), that
        sign separates the fields.
    progress
        Called now and then with the bytes done and the bytes there are.

    Returns
    -------
    ArrowColumns
        From text files nothing is guessed: a column is read as text, so that amounts stay exact
        and ``"007"`` stays what it is. Only a column that holds nothing but whole numbers of up
        to 18 digits, without leading zeros, is read as whole numbers. Empty fields are missing.

    Raises
    ------
    DataError
        The file cannot be read, its type is unknown, a row has too many or too few fields, or
        two columns have one name.
    MissingExtraError
        pyarrow is not installed.
    """
    path, arrow, shown = Path(path), _pyarrow(), progress or _silent
    name = path.name.lower().removesuffix(".gz")
    try:
        if name.endswith((".csv", ".tsv")):
            table = _read_text(path, "\t" if name.endswith(".tsv") else _SEPARATORS, shown)
        elif path.suffix.lower() == ".parquet":
            table = _read_parquet(path, shown)
        elif path.suffix.lower() in {".arrow", ".feather"}:
            table = _read_arrow(path, shown)
        else:
            known = ".csv, .tsv (also .gz), .parquet, .arrow or .feather"
            raise DataError(f"unknown type of file {path.suffix!r}; give {known}")
    except UnicodeDecodeError:
        raise DataError("the file is not UTF-8 text; save it as UTF-8") from None
    except (OSError, EOFError, csv.Error, arrow.ArrowException) as error:
        # The message of the error itself would repeat what stands in the file.
        raise DataError(f"the file cannot be read ({type(error).__name__})") from None
    return raw_columns(table, text_numbers=name.endswith((".csv", ".tsv")))


def _silent(done: int, total: int) -> None:
    """Show no progress."""


def _pyarrow() -> ModuleType:
    try:
        return import_module("pyarrow")
    except ImportError:
        raise MissingExtraError("pyarrow", extra="frames") from None


def _read_text(path: Path, separators: str, progress: Progress) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names, delimiter = _header(path, separators)
    total = path.stat().st_size
    text = pa.dictionary(pa.int32(), pa.string())
    options = (
        arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        # Without a handler of bad rows: Arrow would call it, or let go of it, in a thread of its
        # own, which aborts the process when that happens while Python ends.
        arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, text), null_values=[""], strings_can_be_null=True
        ),
    )
    try:
        with ExitStack() as opened:
            raw = opened.enter_context(pa.OSFile(str(path)))
            stream = raw
            if path.suffix.lower() == ".gz":
                stream = opened.enter_context(pa.CompressedInputStream(raw, "gzip"))
            reader = opened.enter_context(arrow_csv.open_csv(stream, *options))
            return _table(reader, lambda: progress(raw.tell(), total))
    except pa.ArrowInvalid as error:
        if "invalid UTF8" in str(error):
            raise DataError("the file is not UTF-8 text; save it as UTF-8") from None
        found = _BAD_ROW.search(str(error))
        if found is None:
            raise
        positions = [] if found[1] is None else [max(int(found[1]) - 2, 0)]
        message = "a row has more or fewer fields than the first line"
        raise DataError(message, count=1, positions=positions) from None


def _table(reader: pa.RecordBatchReader, after: Callable[[], None]) -> pa.Table:
    """Read all batches, and tell after each."""
    import pyarrow as pa

    batches = []
    for batch in reader:
        batches.append(batch)
        after()
    return pa.Table.from_batches(batches, reader.schema)


def _header(path: Path, separators: str) -> tuple[list[str], str]:
    """Return the names in the first line, and what separates them."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as lines:
        found = []
        for separator in separators:
            lines.seek(0)
            found.append((next(csv.reader(lines, delimiter=separator), []), separator))
    if not found[0][0]:
        raise DataError("the file is empty: its first line must name the columns")
    return next((one for one in found if len(one[0]) > 1), found[0])


def _read_parquet(path: Path, progress: Progress) -> pa.Table:
    import pyarrow as pa
    from pyarrow import parquet

    total = path.stat().st_size
    fields = parquet.read_schema(path)
    texts = [one.name for one in fields if one.type in (pa.string(), pa.large_string())]
    with parquet.ParquetFile(path, read_dictionary=texts) as file:
        rows, seen, batches = max(file.metadata.num_rows, 1), 0, []
        for batch in file.iter_batches(_BATCH_ROWS):
            batches.append(batch)
            seen += batch.num_rows
            progress(total * seen // rows, total)
        return pa.Table.from_batches(batches, batches[0].schema if batches else fields)


def _read_arrow(path: Path, progress: Progress) -> pa.Table:
    """Read either of Arrow's two formats: a file starts with ARROW1, a stream does not."""
    import pyarrow as pa

    total = path.stat().st_size
    with path.open("rb") as head:
        is_file = head.read(6) == b"ARROW1"
    with pa.OSFile(str(path)) as stream:
        if not is_file:
            with pa.ipc.open_stream(stream) as reader:
                return _table(reader, lambda: progress(stream.tell(), total))
        with pa.ipc.open_file(stream) as file:
            count, batches = file.num_record_batches, []
            for at in range(count):
                batches.append(file.get_batch(at))
                progress(total * (at + 1) // count, total)
            return pa.Table.from_batches(batches, file.schema)


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
        ``pyarrow``, ``polars`` or ``pandas`` (with Arrow types, so that nothing turns into
        floats).

    Raises
    ------
    DataError
        `kind` is another one.
    MissingExtraError
        The library asked for is not installed.

    Examples
    --------
    >>> columns = {"spend": Column("money", np.array([150000]), exponent=2)}
    >>> to_frame(columns, np.array([7])).to_pylist()
    [{'customer_id': 7, 'spend': Decimal('1500.00')}]
    """
    arrow = _pyarrow()
    if kind not in get_args(FrameKind):
        raise DataError(f"unknown kind of frame {kind!r}; give {', '.join(get_args(FrameKind))}")
    arrays = {**_ids(ids), **{name: _array(column) for name, column in columns.items()}}
    table = arrow.table(arrays)
    if kind == "pyarrow":
        return table
    try:
        library = import_module(kind)
    except ImportError:
        raise MissingExtraError(kind, extra="frames") from None
    if kind == "polars":
        return library.from_arrow(table)
    return table.to_pandas(types_mapper=library.ArrowDtype)


def _ids(ids: Ids) -> dict[str, pa.Array]:
    import pyarrow as pa

    if ids.dtype != np.object_:
        return {"customer_id": pa.array(ids)}
    items = ids.tolist()
    found = {"customer_id": pa.array(list(map(str, items)), pa.string())}
    if len(set(map(type, items))) > 1:
        kinds = [type(item).__name__.lower() for item in items]
        found["customer_id_kind"] = pa.array(kinds).dictionary_encode()
    return found


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
