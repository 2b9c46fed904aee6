"""Frames of other packages, recognised and taken over as Arrow data.

Every frame hands its columns over through one interface, the Arrow C stream; no package but
pyarrow is imported here. Needs the extra ``crmcore[frames]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from crmcore.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = [
    "FrameKind",
    "arrow_batches",
    "arrow_table",
    "frame_kind",
    "needs_arrow",
    "once",
    "pandas_columns",
    "unwrapped",
]

FrameKind: TypeAlias = Literal["pyarrow", "polars", "polars.LazyFrame", "pandas", "duckdb"]

_CLASSES: Mapping[str, FrameKind] = {
    "polars.DataFrame": "polars",
    "polars.LazyFrame": "polars.LazyFrame",
    "pandas.DataFrame": "pandas",
    "duckdb.DuckDBPyRelation": "duckdb",
}
_WRAPPERS = frozenset({"narwhals.DataFrame", "narwhals.LazyFrame"})


def needs_arrow() -> ModuleType:
    """Return pyarrow; raises `MissingExtraError` where it is not installed."""
    try:
        return import_module("pyarrow")
    except ImportError:
        raise MissingExtraError("pyarrow", extra="frames") from None


def frame_kind(frame: object) -> str:
    """Return the kind of frame that a result in the same kind is.

    A `FrameKind`; with ``narwhals.`` before it for a narwhals frame around one. Arrow streams and
    all else are ``"pyarrow"``. Nothing is imported to find out: classes are known by name.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame_kind(pa.table({"order_id": [1]}))
    'pyarrow'
    """
    inner = unwrapped(frame)
    if inner is not frame:
        return f"narwhals.{frame_kind(inner)}"
    return next((_CLASSES[name] for name in _classes(frame) if name in _CLASSES), "pyarrow")


def unwrapped(frame: Any) -> object:
    """Return the frame inside a narwhals frame; any other frame itself."""
    return frame if _WRAPPERS.isdisjoint(_classes(frame)) else frame.to_native()


def _classes(frame: object) -> list[str]:
    """Return the classes of an object as package and name, so that subclasses are known too."""
    return [
        f"{one.__module__.partition('.')[0].lstrip('_')}.{one.__name__}"
        for one in type(frame).__mro__
    ]


def once(names: list[str]) -> None:
    """Refuse two columns of one name."""
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError("two columns of this name", column=twice)


def pandas_columns(frame: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    """Return the columns of a pandas frame, before them the levels of its index that have names."""
    levels = [level for level, name in enumerate(frame.index.names) if name is not None]
    if levels:
        frame = frame.reset_index(level=levels, allow_duplicates=True)
    return [(str(name), series) for name, series in frame.items()]


def arrow_table(frame: object) -> pa.Table:
    """Return a frame as a pyarrow table, its memory shared wherever the frame allows it.

    Raises
    ------
    DataError
        As `arrow_batches`.
    MissingExtraError
        pyarrow is not installed.
    """
    arrow, frame = needs_arrow(), unwrapped(frame)
    if isinstance(frame, arrow.Table):
        return frame
    schema, batches = arrow_batches(frame)
    return arrow.Table.from_batches(list(batches), schema)


def arrow_batches(frame: object) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the columns of a frame, and its rows chunk by chunk as they are asked for.

    An error of the caller's own, from a generator behind a pyarrow reader, passes on unchanged
    (but for an `OSError`, which may be Arrow's). Behind the interface of C every error has become
    one of Arrow's.

    Raises
    ------
    DataError
        It is no frame; and while it is read, for a chunk that Arrow cannot read or that has
        other columns. Chunks count from 1.
    """
    arrow, offered = needs_arrow(), _offered(unwrapped(frame))
    try:
        reader = _reader(offered)
    except (arrow.ArrowException, OSError) as error:
        message = f"no table that can be taken over as Arrow data ({type(error).__name__})"
        raise DataError(f"{message}: {type(frame).__name__}") from None
    return reader.schema, _checked(reader)


def _offered(frame: Any) -> object:
    """Return what offers Arrow data: the frame itself, or what it is when it is collected."""
    found = frame if _offers_arrow(frame) or not hasattr(frame, "collect") else frame.collect()
    if _offers_arrow(found):
        return found
    message = f"not a frame, and it offers no Arrow stream: {type(frame).__name__}"
    others = "evaluate_batches takes frames one after the other, from_arrays a dict of columns"
    raise DataError(f"{message}; {others}")


def _offers_arrow(frame: object) -> bool:
    return hasattr(frame, "__arrow_c_stream__") or hasattr(frame, "__arrow_c_array__")


def _reader(frame: object) -> pa.RecordBatchReader:
    import pyarrow as pa

    # Behind the interface of C, chunks have no types of their own that could be compared.
    if isinstance(frame, pa.RecordBatchReader):
        return frame
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(frame)
    batch = pa.record_batch(frame)
    return pa.RecordBatchReader.from_batches(batch.schema, [batch])


def _checked(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield chunks in the types of the stream, and say which one is not."""
    import pyarrow as pa

    number = 1
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError) as error:
            # Their messages may quote what stands in the rows.
            raise DataError(f"chunk {number} cannot be read ({type(error).__name__})") from None
        _compare(number, batch.schema, reader.schema)
        yield pa.RecordBatch.from_arrays(batch.columns, schema=reader.schema)
        number += 1


def _compare(number: int, found: pa.Schema, stream: pa.Schema) -> None:
    """Refuse a chunk with other columns than the stream says."""
    if found.equals(stream):
        return
    for name in (*stream.names, *found.names):
        if found.names.count(name) != stream.names.count(name):
            raise DataError(f"chunk {number} has other columns than the stream", column=name)
    for now, before in zip(found, stream, strict=True):
        if now.name != before.name:
            raise DataError(f"chunk {number} has it in another place", column=now.name)
        if now.type != before.type:
            message = f"{now.type} in chunk {number}, but {before.type} in the stream"
            raise DataError(message, column=now.name)
