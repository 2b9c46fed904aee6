"""Rows in blocks, so that what a condition makes of one block stays in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Column

__all__ = ["BLOCK", "Block", "blocks"]

BLOCK = 2**16
"""Rows evaluated at a time; the results are the same for any size."""


class Block(dict[str, Column]):
    """Some rows of columns, each column cut out when it is first asked for.

    A column of length 1 stands for all rows and stays as it is.
    """

    def __init__(
        self, columns: Mapping[str, Column], rows: slice | NDArray[np.intp], count: int
    ) -> None:
        super().__init__()
        self._columns = columns
        self._rows = rows
        self.count = count

    def __missing__(self, name: str) -> Column:
        column = self._columns[name]
        if len(column) > 1:
            column = column.take(self._rows)
        self[name] = column
        return column


def blocks(columns: Mapping[str, Column], rows: int) -> Iterator[Block]:
    """Yield the columns block by block, in row order; at least one block."""
    for start in range(0, max(rows, 1), BLOCK):
        count = min(BLOCK, rows - start)
        yield Block(columns, slice(start, start + count), count)
