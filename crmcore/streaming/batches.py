"""What is streamed: frames one after the other, or a file, all with the same columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias
from typing import cast as typed

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
from crmcore.streaming.kinds import Kinds, canonical, cast

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Batches", "OfTables", "Stream", "Tell", "frames_of", "of_batch", "stream_of"]

Tables: TypeAlias = "Generator[pa.Table, None, None]"
Batches: TypeAlias = "str | Path | Iterable[object] | Callable[[], Iterable[object]]"
Tell: TypeAlias = Callable[[int, "int | None", str], None]
"""Told how much is done, of how much if that is known, and of what."""

_AHEAD = 1 << 26
"""So many bytes are held back at the start of a stream while a column has held nothing."""


class Stream(Protocol):
    """Rows in tables of one schema, read once or as often as is asked for."""

    again: bool
    schema: pa.Schema
    kind: str

    def tables(self, columns: Collection[str], tell: Tell) -> Tables:
        """Return all rows in tables of any size, with these columns."""

    def close(self) -> None:
        """Let go of what is open."""


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
    kind = "pyarrow"

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
        wanted = {name: canonical(self.schema.field(name).type) for name in columns}
        wanted |= self._whole
        with closing(self._file.batches(columns, said("reading"))) as batches:
            for batch in batches:
                yield cast(pa.Table.from_batches([batch]), wanted)

    def close(self) -> None:
        """Leave it: a file is closed after each reading."""


class _OfFrames:
    """Frames from an iterable, which is opened anew for each reading where that is possible."""

    def __init__(self, given: Iterable[object] | Callable[[], Iterable[object]]) -> None:
        if _is_frame(given):
            given = [given]
        elif not callable(given) and not isinstance(given, Iterable):
            raise DataError(f"no batches, and no file: {type(given).__name__}")
        self.again = callable(given) or _opens_anew(given)
        self._given, self._rows, self._ended = given, 0, False
        self._frames: Iterator[object] | None = None
        self.kind = ""
        self._kinds: Kinds | None = None
        self._opened = self._open()
        self._ahead = [one for one in (next(self._opened, None),) if one is not None]
        if not self._ahead:
            raise DataError("there is not one batch, so that nothing tells the columns")
        self.schema = self._ahead[0][1].schema
        once(self.schema.names)

    def tables(self, columns: Collection[str], tell: Tell) -> Tables:
        ahead, self._ahead = self._ahead, []
        if not ahead:
            self._opened = self._open()
        # What was learned at the first reading holds for the second.
        kinds = self._kinds = self._kinds or Kinds(self.schema, columns)
        done, before, ended = 0, self._rows, self._ended
        with closing(self._opened):
            for table in _alike(chain(ahead, self._opened), kinds):
                done += table.num_rows
                self._rows = max(self._rows, done)
                yield table
                tell(done, None, "reading")
        self._ended = True
        if done < before or (ended and done > before):
            first = f"{before} rows" if ended else f"at least {before} rows"
            counts = f"{first} when they were first read, and then {done}"
            raise DataError(f"the batches gave {counts}; {_ANEW}")

    def close(self) -> None:
        """Close the generator that gives the batches."""
        self._opened.close()

    def _open(self) -> Generator[tuple[str, pa.Table], None, None]:
        frames = _opened(self._given)
        if frames is self._frames:
            raise DataError(f"the batches were given once, and are needed again; {_ANEW}")
        reading = "" if self._frames is None else " at the second reading"
        self._frames = frames
        try:
            for number, frame in enumerate(frames, 1):
                self.kind, batch = self.kind or frame_kind(frame), f"batch {number}{reading}"
                with of_batch(batch):
                    yield from ((batch, table) for table in _tables_of(frame))
        finally:
            if isinstance(frames, Generator):
                frames.close()


class OfTables:
    """Tables as they come, once; they have the columns that are read, in types of their own."""

    again = False
    kind = "pyarrow"

    def __init__(self, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
        self.schema, self._tables = schema, tables

    def tables(self, columns: Collection[str], tell: Tell) -> Tables:
        """Return all rows."""
        yield from self._tables

    def close(self) -> None:
        """Leave them to whoever gave them."""


def frames_of(given: object) -> Iterator[object]:
    """Return the frames of what is given: itself, or those that are in it."""
    return iter([given] if _is_frame(given) or not isinstance(given, Iterable) else given)


_ANEW = "give a callable that opens them anew"


def _opens_anew(given: Iterable[object]) -> bool:
    """Tell whether an iterable starts from the beginning each time, and its frames do too."""
    if iter(given) is iter(given):
        return False
    return not isinstance(given, Sequence) or all(map(_can_be_read_again, given))


def _opened(given: Iterable[object] | Callable[[], Iterable[object]]) -> Iterator[object]:
    if not callable(given):
        return iter(given)
    found = given()
    if _is_frame(found) or isinstance(found, str | Path) or not isinstance(found, Iterable):
        name = type(found).__name__
        raise DataError(f"the callable must return an iterable of frames, and it returned: {name}")
    return iter(found)


def _alike(given: Iterable[tuple[str, pa.Table]], kinds: Kinds) -> Iterator[pa.Table]:
    """Return the tables in the same kinds; the first ones wait until all kinds are known."""
    held: list[tuple[str, pa.Table]] = []
    size = 0
    for batch, table in given:
        kinds.see(batch, table)
        held.append((batch, table.select(list(kinds.wanted))))
        size += held[-1][1].nbytes
        if size > _AHEAD:
            kinds.settle()
        if kinds.known:
            yield from _cast(held, kinds)
            held, size = [], 0
    kinds.settle()
    yield from _cast(held, kinds)


def _cast(given: Iterable[tuple[str, pa.Table]], kinds: Kinds) -> Iterator[pa.Table]:
    for batch, table in given:
        with of_batch(batch):
            fitting = cast(table, kinds.wanted)
        yield fitting


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
        yield _of_pandas(typed("pd.DataFrame", frame))
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
def of_batch(batch: str) -> Iterator[None]:
    """Say of which batch a refusal speaks, such as ``batch 2``."""
    import pyarrow as pa

    try:
        yield
    except pa.ArrowException as error:
        raise DataError(f"{batch} cannot be read ({type(error).__name__})") from None
    except DataError as error:
        message = f"{batch}: {error.message}"
        raise DataError(
            message, column=error.column, count=error.count, positions=error.positions
        ) from None
