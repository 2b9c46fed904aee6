"""Files of rows: read whole as raw columns, or in batches of Arrow data.

Needs the extra ``crmcore[frames]``; pyarrow is imported when used.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from crmcore.errors import DataError
from crmcore.records.arrow import ArrowColumns, are_whole, raw_columns
from crmcore.records.frames import needs_arrow

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RowFile", "read_file"]

Progress: TypeAlias = Callable[[int, int], None]
RecordBatches: TypeAlias = "Generator[pa.RecordBatch, None, None]"
Steps: TypeAlias = "Generator[tuple[pa.RecordBatch, int | Fraction], None, None]"
"""Batches, each with the bytes or the part of the file that are done with it."""
Format: TypeAlias = Literal["text", "parquet", "arrow"]

_BLOCK_BYTES = 1 << 22
_BATCH_ROWS = 1 << 17
# What may stand between the fields of a .csv file; the first that the header has counts.
_SEPARATORS = ",;\t|"
_BAD_ROW = re.compile(r"CSV parse error:(?: Row #(\d+):)? Expected \d+ columns")
_NOT_UTF8 = "the file is not UTF-8 text; save it as UTF-8"


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
    arrow, file = needs_arrow(), RowFile.of(path)
    batches = list(file.batches(progress=progress))
    table = arrow.Table.from_batches(batches, batches[0].schema if batches else file.schema)
    return raw_columns(table, text_numbers=file.format == "text")


@dataclass(frozen=True, slots=True, eq=False)
class RowFile:
    """A file of rows, opened anew each time it is read.

    Parameters
    ----------
    path, format
        The file.
    schema
        The columns; those of text files are text.
    delimiter
        What stands between the fields of a text file.
    """

    path: Path
    format: Format
    schema: pa.Schema
    delimiter: str = ""

    @classmethod
    def of(cls, path: str | Path) -> RowFile:
        """Look at the first bytes of a file; raises as `read_file`."""
        path, _ = Path(path), needs_arrow()
        name = path.name.lower().removesuffix(".gz")
        with _reading():
            if name.endswith((".csv", ".tsv")):
                names, delimiter = _header(path, "\t" if name.endswith(".tsv") else _SEPARATORS)
                return cls(path, "text", _text_schema(names), delimiter)
            if path.suffix.lower() == ".parquet":
                return cls(path, "parquet", import_module("pyarrow.parquet").read_schema(path))
            if path.suffix.lower() in {".arrow", ".feather"}:
                with _arrow_reader(path) as (reader, _):
                    return cls(path, "arrow", reader.schema)
        known = ".csv, .tsv (also .gz), .parquet, .arrow or .feather"
        raise DataError(f"unknown type of file {path.suffix!r}; give {known}")

    def batches(
        self, columns: Collection[str] | None = None, progress: Progress | None = None
    ) -> RecordBatches:
        """Return the rows in batches, never more than a few of them in memory.

        A batch has about 4 MB of a text file, at most 131,072 rows of a Parquet file, and is what
        the writer of an Arrow file made it; those files are mapped into memory.

        Parameters
        ----------
        columns
            Only these are read; by default all.
        progress
            Called after each batch with the bytes done and the bytes there are.
        """
        read = {"text": _text, "parquet": _parquet, "arrow": _arrow}[self.format]
        names = [name for name in self.schema.names if columns is None or name in columns]
        tell, step = progress or _silent, None
        with _reading():
            total = self.path.stat().st_size
        with closing(read(self, names)) as found:
            while True:
                with _reading():  # and not what the caller does with a batch, or with progress
                    step = next(found, None)
                if step is None:
                    return
                batch, done = step
                yield batch
                tell(done if isinstance(done, int) else int(total * done), total)

    def whole_numbers(
        self, columns: Collection[str], progress: Progress | None = None
    ) -> frozenset[str]:
        """Return the columns of a text file that hold nothing but whole numbers.

        The file is read until no column is left that may be one, which most often is its end.
        """
        if self.format != "text":
            return frozenset()
        first = next(self.batches(columns), None)
        names = set() if first is None else set(columns) - _others(first)
        seen: set[str] = set()
        for batch in self.batches(names, progress) if names else ():
            seen |= {name for name in names if len(batch[name].dictionary)}
            names -= _others(batch.select(sorted(names)))
            if not names:
                break
        return frozenset(names & seen)


def _others(batch: pa.RecordBatch) -> set[str]:
    """Return the columns that hold something that is no whole number."""
    distinct = {name: batch[name].dictionary for name in batch.schema.names}
    return {name for name, values in distinct.items() if len(values) and not are_whole(values)}


def _silent(done: int, total: int) -> None:
    """Show no progress."""


@contextmanager
def _reading() -> Iterator[None]:
    """Say what is wrong with a file, without repeating what stands in it."""
    arrow = import_module("pyarrow")
    try:
        yield
    except UnicodeDecodeError:
        raise DataError(_NOT_UTF8) from None
    except (OSError, EOFError, csv.Error, arrow.ArrowException) as error:
        raise DataError(f"the file cannot be read ({type(error).__name__})") from None


# Text


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


def _text_schema(names: list[str]) -> pa.Schema:
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([(name, text) for name in names])


def _text(file: RowFile, names: list[str]) -> Steps:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    options = (
        arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        # Without a handler of bad rows: Arrow would call it, or let go of it, in a thread of its
        # own, which aborts the process when that happens while Python ends.
        arrow_csv.ParseOptions(delimiter=file.delimiter, newlines_in_values=True),
        arrow_csv.ConvertOptions(
            column_types={one.name: one.type for one in file.schema},
            include_columns=None if names == file.schema.names else names,
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    try:
        with ExitStack() as opened:
            raw = opened.enter_context(pa.OSFile(str(file.path)))
            stream = raw
            if file.path.suffix.lower() == ".gz":
                stream = opened.enter_context(pa.CompressedInputStream(raw, "gzip"))
            for batch in opened.enter_context(arrow_csv.open_csv(stream, *options)):
                yield batch, raw.tell()
    except pa.ArrowInvalid as error:
        raise _bad_text(str(error)) or error from None


def _bad_text(message: str) -> DataError | None:
    if "invalid UTF8" in message:
        return DataError(_NOT_UTF8)
    found = _BAD_ROW.search(message)
    if found is None:
        return None
    positions = [] if found[1] is None else [max(int(found[1]) - 2, 0)]
    what = "a row has more or fewer fields than the first line"
    return DataError(what, count=1, positions=positions)


# Parquet and Arrow


def _parquet(file: RowFile, names: list[str]) -> Steps:
    from pyarrow import parquet

    # By default Arrow keeps all that it has read of the file until that is closed.
    sparing = {"pre_buffer": False, "buffer_size": 1 << 20}
    with parquet.ParquetFile(file.path, **sparing) as opened:
        rows, seen = max(opened.metadata.num_rows, 1), 0
        columns = None if names == file.schema.names else names
        for batch in opened.iter_batches(_BATCH_ROWS, columns=columns):
            seen += batch.num_rows
            yield batch, Fraction(seen, rows)


@contextmanager
def _arrow_reader(
    path: Path,
) -> Iterator[tuple[pa.RecordBatchReader | pa.ipc.RecordBatchFileReader, pa.NativeFile]]:
    """Open either of Arrow's two formats: a file starts with ARROW1, a stream does not."""
    import pyarrow as pa

    with path.open("rb") as head:
        is_file = head.read(6) == b"ARROW1"
    opened = pa.ipc.open_file if is_file else pa.ipc.open_stream
    with pa.memory_map(str(path)) as stream, opened(stream) as reader:
        yield reader, stream


def _arrow(file: RowFile, names: list[str]) -> Steps:
    with _arrow_reader(file.path) as (reader, stream):
        count = getattr(reader, "num_record_batches", None)
        found = reader if count is None else map(reader.get_batch, range(count))
        for at, batch in enumerate(found, 1):
            chosen = batch if names == file.schema.names else batch.select(names)
            yield chosen, stream.tell() if count is None else Fraction(at, count)
