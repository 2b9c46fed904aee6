"""The rows that `score` writes: one for each customer, for files and for other programs."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from crmcore.cli.statuses import UsageError
from crmcore.cli.terminal import plain
from crmcore.columns import Column
from crmcore.errors import DataError
from crmcore.evaluation import Evaluation
from crmcore.frames import to_frame, write_file

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check_path", "columns_of", "markdown", "scores_of", "write_out", "write_rows"]

_SUFFIXES: Final = (".csv", ".csv.gz", ".parquet", ".arrow", ".json")
_BATCH: Final = 10_000


def scores_of(result: Evaluation) -> tuple[str, ...]:
    """Return the names of the policy's scores, in the order written."""
    scores = result.policy.document.get("scores", {})
    assert isinstance(scores, dict)  # or the policy had been refused
    return tuple(scores)


def columns_of(result: Evaluation) -> dict[str, Column]:
    """Return the columns written: class, scores, grade and stage, then the facts.

    Class, grade and stage are there, empty, when the policy has none; attributes of customers
    are not.
    """
    segment = ("segment",) if "segment" in result.columns else ()
    decisions = ("class", *scores_of(result), "grade", *segment, "stage")
    nothing = Column("label", np.zeros(len(result), np.int64), np.zeros(len(result), np.bool_))
    found = {name: result.columns.get(name, nothing) for name in decisions}
    return found | {name: result.columns[name] for name in result.policy.facts}


def check_path(
    name: str, inputs: Iterable[str | None], suffixes: tuple[str, ...] = _SUFFIXES
) -> None:
    """Refuse a place to write to before any work is done, such as one of the files read."""
    path = Path(name)
    if not path.name.lower().endswith(suffixes):
        raise UsageError(f"--out: {name}: the name must end in {', '.join(suffixes)}")
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"--out: {name}: there is no folder to write this file to")
    if path.exists() and any(one and Path(one).exists() and path.samefile(one) for one in inputs):
        raise UsageError(f"--out: {name}: this file is read; it would be overwritten")


def write_out(result: Evaluation, name: str) -> None:
    """Write the rows to a file by its suffix."""
    try:
        write_file(to_frame(columns_of(result), result.ids), name)
    except DataError as error:
        raise UsageError(f"--out: {name}: {error}") from None


def write_rows(result: Evaluation, form: str) -> None:
    """Write the rows to standard output as ``json``, ``csv``, ``parquet`` or ``markdown``."""
    table = cast("pa.Table", to_frame(columns_of(result), result.ids))
    if form == "markdown":
        for line in markdown(table.column_names, _cells(table)):
            print(line)
        return
    if form == "parquet" and sys.stdout.isatty():
        raise UsageError("Parquet is not for the terminal: use --out, or send it to a file")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{form}"
        write_file(table, path)
        with path.open("rb") as written:
            shutil.copyfileobj(written, sys.stdout.buffer)


def markdown(names: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    for cells in chain([names, ["---"] * len(names)], rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _cells(table: pa.Table) -> Iterator[list[str]]:
    for batch in table.to_batches(_BATCH):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield ["" if value is None else plain(value) for value in row]
