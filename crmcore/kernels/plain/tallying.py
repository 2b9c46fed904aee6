"""Many counts, sums and extremes per group in one pass over the rows; in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Codes, Ints, Mask
from crmcore.kernels.plain.grouping import add, largest, smallest

__all__ = ["Choice", "Measure", "Rows", "Take", "tally"]

Take: TypeAlias = Literal["count", "sum", "smallest", "largest"]

_STATUSES = 256
_NOTHING = {
    "count": 0,
    "sum": 0,
    "smallest": int(np.iinfo(np.int64).max),
    "largest": int(np.iinfo(np.int64).min),
}


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Columns of the rows to tally, all of one length.

    Parameters
    ----------
    codes
        The group of each row; a row whose code is negative or not below the number of groups
        belongs to nobody.
    placed
        When each row took place: an instant.
    status
        A small code for each row.
    values
        Columns that measures and choices name by their position here.
    """

    codes: Codes
    placed: Ints
    status: NDArray[np.uint8]
    values: Sequence[Ints] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Which rows count: those that pass every test.

    Parameters
    ----------
    statuses
        Whether a status is chosen, by its code; 256 at most, codes beyond are not chosen.
    low, high
        The row took place between these instants; both belong.
    positive
        Which of `Rows.values` must be above 0; -1: none has to be.
    marked
        Which rows may count at all; ``None``: all.
    """

    statuses: Mask
    low: int
    high: int
    positive: int = -1
    marked: Mask | None = None

    def by_status(self) -> Mask:
        """Return for each code of a status, 0 to 255, whether it is chosen.

        Raises
        ------
        ValueError
            There are more statuses than codes.
        """
        given = np.asarray(self.statuses, np.bool_)
        if given.ndim != 1 or len(given) > _STATUSES:
            raise ValueError("a choice names each of 256 statuses at most")
        chosen = np.zeros(_STATUSES, np.bool_)
        chosen[: len(given)] = given
        return chosen


class Measure(NamedTuple):
    """What to make of the rows chosen.

    Parameters
    ----------
    choice
        The position of the choice among those given.
    take
        The number of rows, the sum of a value, or its smallest or largest.
    of
        Which of `Rows.values`; -1: `Rows.placed`. Ignored by ``count``.
    """

    choice: int
    take: Take
    of: int = -1


def tally(
    rows: Rows,
    choices: Sequence[Choice],
    measures: Sequence[Measure],
    groups: int,
    place: Ints | None = None,
    size: int | None = None,
) -> list[Ints]:
    """Return one int64 array a measure: what it comes to in each group.

    Counts and sums of no rows are 0, the smallest of none is the largest int64, the largest of
    none the smallest int64. A sum that leaves 64 bits wraps: ask `overflows` first.

    Parameters
    ----------
    rows, choices, measures
        What to tally.
    groups
        Number of groups.
    place, size
        Where each group stands, ascending, in results of that size; the other places hold what
        comes of no rows. Without them, the results hold the groups one by one.

    Raises
    ------
    IndexError
        A measure or choice names what is not there, or places do not ascend or lie outside the
        results.
    ValueError
        A choice has more than 256 statuses, or a measure takes something else.

    Notes
    -----
    Cost: a pass over the rows a choice and one over the rows chosen a measure. The compiled
    kernel makes one pass over the rows in all.
    """
    _check(rows, choices, measures)
    belongs = (rows.codes >= 0) & (rows.codes < groups)
    results: list[Ints] = [np.empty(0, np.int64)] * len(measures)
    for at, choice in enumerate(choices):
        chosen = belongs & _chosen(rows, choice)
        codes = rows.codes[chosen]
        for row, measure in enumerate(measures):
            if measure.choice == at:
                values = _column(rows, measure.of)
                found = _taken(measure.take, codes, values, chosen, groups)
                results[row] = found if place is None else _placed(found, measure, place, size)
    return results


def _check(rows: Rows, choices: Sequence[Choice], measures: Sequence[Measure]) -> None:
    named = [measure.of for measure in measures] + [choice.positive for choice in choices]
    if any(not -1 <= of < len(rows.values) for of in named):
        raise IndexError("a measure or choice names values that are not there")
    if any(not 0 <= measure.choice < len(choices) for measure in measures):
        raise IndexError("a measure names a choice that is not there")
    for measure in measures:
        if measure.take not in _NOTHING:
            raise ValueError(f"a measure cannot take {measure.take}")


def _column(rows: Rows, of: int) -> Ints:
    return rows.placed if of < 0 else rows.values[of]


def _chosen(rows: Rows, choice: Choice) -> Mask:
    chosen = choice.by_status()[rows.status]
    chosen &= rows.placed >= choice.low
    chosen &= rows.placed <= choice.high
    if choice.positive >= 0:
        chosen &= rows.values[choice.positive] > 0
    if choice.marked is not None:
        chosen &= choice.marked
    return chosen


def _taken(take: Take, codes: Codes, values: Ints, chosen: Mask, groups: int) -> Ints:
    match take:
        case "count":
            return np.bincount(codes, minlength=groups)
        case "sum":
            return add(codes, values[chosen], groups)
        case "smallest":
            return smallest(codes, values[chosen], groups)
        case _:
            return largest(codes, values[chosen], groups)


def _placed(found: Ints, measure: Measure, place: Ints, size: int | None) -> Ints:
    size = size or 0
    if np.any(np.diff(place, prepend=-1, append=size) < 1):
        raise IndexError("places should ascend, and lie within the results")
    result = np.full(size, _NOTHING[measure.take])
    result[place] = found
    return result
