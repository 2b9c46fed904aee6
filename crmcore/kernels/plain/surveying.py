"""What one pass over a column of integers tells, and columns made in one pass; in NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Ints

__all__ = ["Survey", "above", "survey", "translate"]


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of a column after one look; of no values, all of it is 0.

    Parameters
    ----------
    least, greatest
        The extreme values.
    zeros, negatives
        How many values are 0, and how many are below it.
    negative_rows
        The rows of those below 0, ascending, where they were asked for.
    """

    least: int = 0
    greatest: int = 0
    zeros: int = 0
    negatives: int = 0
    negative_rows: Ints | None = field(default=None, compare=False, repr=False)

    @property
    def reach(self) -> int:
        """The greatest absolute value; that of the lowest int64 is no int64."""
        return max(self.greatest, -self.least, 0)


def survey(values: Ints, *, listed: bool = False) -> Survey:
    """Look at a column once; `listed`: list the rows of the values below 0."""
    rows = np.flatnonzero(values < 0) if listed else None
    if len(values) == 0:
        return Survey(negative_rows=rows)
    least, greatest = int(values.min()), int(values.max())
    inside = least <= 0 <= greatest
    return Survey(
        least,
        greatest,
        len(values) - int(np.count_nonzero(values)) if inside else 0,
        int(np.count_nonzero(values < 0)) if least < 0 else 0,
        rows,
    )


def above(values: Ints, bound: int) -> int:
    """Return how many values are greater than the bound."""
    return int(np.count_nonzero(values > bound))


def translate(codes: NDArray[np.integer], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the entry of the table for each code.

    Parameters
    ----------
    codes
        Integers of any width: positions in the table, -1 that of its last entry.
    table
        One entry a code.

    Raises
    ------
    IndexError
        A code has no entry.
    """
    if len(codes) and not -1 <= codes.min() <= codes.max() < len(table):
        raise IndexError("a code has no entry in the table")
    found: NDArray[np.uint8] = table[codes]
    return found
