"""Rows that belong together brought together, on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crmcore.errors import DataError
from crmcore.streaming.hashing import Hashes

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["KEY", "Partitions", "on_disk", "pieces"]

KEY = "(key)"
"""The column by which rows are divided: 64 mixed bits, equal in all rows that belong together."""

_BITS = 6
"""So many bits of a key choose the file: 64 are open at once, of two steps of the work 128."""
_MOST_ROWS = 1 << 20


@contextmanager
def on_disk() -> Iterator[None]:
    """Say what to do where the disk does not take the rows."""
    try:
        yield
    except OSError as error:
        why = type(error).__name__ if error.errno is None else os.strerror(error.errno)
        what = "give folder=, or TMPDIR on the command line"
        raise DataError(f"rows cannot be kept on disk ({why}): {what}") from None


@dataclass(slots=True, eq=False)
class _File:
    """A partition on disk; `least` and `greatest` are of its keys."""

    path: Path
    writer: pa.RecordBatchWriter
    rows: int = 0
    size: int = 0
    least: int = 2**64
    greatest: int = -1

    def write(self, table: pa.Table, keys: Hashes) -> None:
        self.writer.write_table(table)
        self.rows += table.num_rows
        self.size += table.nbytes
        self.least = min(self.least, int(keys.min()))
        self.greatest = max(self.greatest, int(keys.max()))

    def batches(self) -> Generator[pa.RecordBatch, None, None]:
        """Return the rows in the order in which they were written, and remove the file."""
        import pyarrow as pa

        with on_disk():
            with pa.OSFile(str(self.path)) as stream, pa.ipc.open_stream(stream) as reader:
                yield from reader
            self.path.unlink()


class Partitions:
    """Tables put in; out come tables in which all rows of a key stand together.

    Rows keep their order within a key. A context manager, which closes the files.

    Parameters
    ----------
    folder
        Where files go; each is removed when it has been read.
    limit
        The most bytes of a table that is returned, but for the rows of one key.
    level
        Which bits of the keys to look at.
    """

    def __init__(self, folder: Path, limit: int, level: int = 0) -> None:
        self.folder, self.limit, self.level = folder, limit, level
        with on_disk():
            self._own = Path(mkdtemp(dir=folder))
        self._files: dict[int, _File] = {}
        self._opened = ExitStack()
        self._schema: pa.Schema | None = None

    def __enter__(self) -> Partitions:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # whoever needs the rows is told by `tables`
            self._opened.close()

    @property
    def rows(self) -> int:
        """Number of rows put in."""
        return sum(file.rows for file in self._files.values())

    def add(self, table: pa.Table) -> None:
        """Put in rows with their `KEY`; raises `DataError` for columns of other types."""
        changed = () if self._schema is None else set(table.schema) - set(self._schema)
        for column in changed:
            message = f"{column.type} after others; give all batches one type, or text"
            raise DataError(message, column=column.name)
        self._schema = table.schema
        keys = table[KEY].to_numpy()
        place = _place(keys, self.level)
        order = np.argsort(place, kind="stable")
        table, keys = table.take(order), keys[order]
        ends = np.cumsum(np.bincount(place, minlength=1 << _BITS)).tolist()
        for bucket, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            if end > start:
                with on_disk():
                    self._file(bucket).write(table.slice(start, end - start), keys[start:end])

    def _file(self, bucket: int) -> _File:
        import pyarrow as pa

        if bucket not in self._files:
            path = self._own / f"{bucket}.arrows"
            stream = self._opened.enter_context(pa.OSFile(str(path), "wb"))
            writer = self._opened.enter_context(pa.ipc.new_stream(stream, self._schema))
            self._files[bucket] = _File(path, writer)
        return self._files[bucket]

    def tables(self, tell: Callable[[int], None] = lambda rows: None) -> Iterator[pa.Table]:
        """Return all rows, in at least one table; nothing can be added any more.

        `tell` is called with the rows of each table when it is done with.
        """
        with on_disk():
            self._opened.close()
        assert self._schema is not None
        if not self._files:
            yield self._schema.empty_table()
        for table in self._tables():
            yield table
            tell(table.num_rows)

    def _tables(self) -> Iterator[pa.Table]:
        """Read small files together, and divide large ones once more."""
        import pyarrow as pa

        together: list[pa.RecordBatch] = []
        size = 0
        for file in self._files.values():
            if together and size + file.size > self.limit:
                yield pa.Table.from_batches(together)
                together, size = [], 0
            if file.size > self.limit and file.least < file.greatest:
                yield from self._divided(file)
            else:
                together += file.batches()
                size += file.size
        if together:
            yield pa.Table.from_batches(together)

    def _divided(self, file: _File) -> Iterator[pa.Table]:
        """Divide a partition that is too large by the next bits of the keys."""
        with Partitions(self.folder, self.limit, self.level + 1) as parts:
            with closing(file.batches()) as batches:
                for table in pieces(batches, self.limit):
                    parts.add(table)
            yield from parts.tables()


def _place(keys: Hashes, level: int) -> NDArray[np.uint8]:
    """Return the file for each key; when all bits are used up, a file has equal keys only."""
    turned = keys << np.uint64(_BITS * level)
    return (turned >> np.uint64(64 - _BITS)).astype(np.uint8)


def pieces(given: Iterable[pa.RecordBatch | pa.Table], limit: int) -> Iterator[pa.Table]:
    """Return all rows in tables of about so many bytes: small ones joined, large ones cut.

    Tables of different types are not joined.
    """
    import pyarrow as pa

    held: list[pa.Table] = []
    size = rows = 0
    for one in given:
        table = one if isinstance(one, pa.Table) else pa.Table.from_batches([one])
        if held and held[-1].schema != table.schema:
            yield pa.concat_tables(held)
            held, rows, size = [], 0, 0
        each = max(table.nbytes // max(table.num_rows, 1), 1)
        start = 0
        while start < table.num_rows:
            room = max(min((limit - size) // each, _MOST_ROWS - rows), 1)
            part = table.slice(start, room)
            held.append(part)
            start, rows = start + part.num_rows, rows + part.num_rows
            size += part.num_rows * each
            if size + each > limit or rows == _MOST_ROWS:
                yield pa.concat_tables(held)
                held, rows, size = [], 0, 0
    if held:
        yield pa.concat_tables(held)
