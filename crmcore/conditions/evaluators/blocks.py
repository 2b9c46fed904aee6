"""Rows in blocks, so that what a condition makes of one block stays in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Column
from crmcore.kernels.threads import each, workers

__all__ = ["BLOCK", "Block", "by_blocks"]

Found = TypeVar("Found")

BLOCK = 2**16
"""Rows evaluated at a time; the results are the same for any size."""


class Block(dict[str, Column]):
    """Some rows of columns, each column cut out when it is first asked for.

    A column of length 1 stands for all rows and stays as it is. `rows` are those of the columns,
    `count` is how many there are.
    """

    def __init__(
        self, columns: Mapping[str, Column], rows: slice | NDArray[np.intp], count: int
    ) -> None:
        super().__init__()
        self._columns = columns
        self.rows = rows
        self.count = count

    def __missing__(self, name: str) -> Column:
        column = self._columns[name]
        if len(column) > 1:
            column = column.take(self.rows)
        self[name] = column
        return column


def by_blocks(
    task: Callable[[Block], Found], columns: Mapping[str, Column], rows: int
) -> list[Found]:
    """Do a task for each block of the columns, at least one; return what it gives, in row order."""
    starts = range(0, max(rows, 1), BLOCK)

    def share(first: int, last: int) -> list[Found]:
        taken = starts[first:last]
        return [task(_block(columns, start, min(BLOCK, rows - start))) for start in taken]

    parts = each(len(starts), share, workers(rows))
    return [found for part in parts for found in part]


def _block(columns: Mapping[str, Column], start: int, count: int) -> Block:
    return Block(columns, slice(start, start + count), count)
