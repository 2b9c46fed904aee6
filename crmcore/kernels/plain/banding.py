"""Values against edges, row by row; in NumPy.

Rows are taken block by block, so that what one block needs stays in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Ints, Mask

__all__ = ["banded", "local_days", "weighed"]

Numbers: TypeAlias = NDArray[np.int64 | np.int32 | np.float64]
Edges: TypeAlias = NDArray[np.int64] | NDArray[np.float64]
Outcome = TypeVar("Outcome", bound=np.generic)
_Places: TypeAlias = NDArray[np.integer]

DAY_US = 86_400_000_000

_INT64_MAX = int(np.iinfo(np.int64).max)
_BLOCK = 2**15
_FEW_ROWS = 256
_MANY_EDGES = 24


def banded(
    values: Numbers,
    edges: Edges,
    outcomes: NDArray[Outcome],
    there: Mask | None = None,
    known: Mask | None = None,
    divisors: Ints | None = None,
    scale: int = 1,
) -> tuple[NDArray[Outcome], Mask | None]:
    """Return the outcome of the band in which each value lies, and where there is one.

    Parameters
    ----------
    values
        Numbers, or with `divisors` the numerators of exact ratios.
    edges
        Ascending; a value that equals one reaches it. Floats where the values are; NaN reaches
        none of them.
    outcomes
        Below the first edge, of each band, of a value that is not known.
    there
        Where there is an outcome at all, entry by entry as in `outcomes`; ``None``: everywhere.
    known
        Where the values are known; ``None``: everywhere.
    divisors
        Of ratios; one below 1 has no meaning and counts as 1.
    scale
        A ratio is multiplied by it, exactly, before it meets the edges; at most 2**62.
    """
    found = np.empty(len(values), outcomes.dtype)
    has = None if there is None else np.empty(len(values), np.bool_)
    for rows in _blocks(len(values)):
        under = None if divisors is None else divisors[rows]
        place = _reached(_scaled(values[rows], under, scale, edges), edges)
        if known is not None:
            place[~known[rows]] = len(edges) + 1
        found[rows] = outcomes[place]
        if has is not None:
            has[rows] = cast(Mask, there)[place]
    return found, has


def weighed(
    columns: Sequence[NDArray[np.int64 | np.int32]],
    weights: Sequence[int],
    dtype: type[np.int64 | np.int32],
) -> NDArray[np.int64 | np.int32]:
    """Return the weighted sums over columns of one length, row by row.

    They are added in 64 bits and wrap silently; the caller knows that they fit `dtype`.
    """
    found = np.empty(len(columns[0]), dtype)
    for rows in _blocks(len(found)):
        total = np.zeros(len(found[rows]), np.int64)
        for column, weight in zip(columns, weights, strict=True):
            total += column[rows].astype(np.int64, copy=False) * weight
        found[rows] = total
    return found


def local_days(instants: Ints, cuts: Ints, offsets: Ints, floors: Ints | None, last: int) -> Ints:
    """Return the local day of each instant, in days since 1970-01-01.

    Parameters
    ----------
    instants
        UTC microseconds since 1970-01-01.
    cuts
        Ascending instants at which the offset changes.
    offsets
        Microseconds to add before the first cut and from each one on.
    floors
        For each offset a day that is not fallen below; ``None``: there is no need.
    last
        A day that is not exceeded.

    Raises
    ------
    ValueError
        There is not one offset more than cuts, or not a floor for each offset.
    """
    if any(each is not None and len(each) != len(cuts) + 1 for each in (offsets, floors)):
        raise ValueError("an offset is needed before the first cut and from each one on")
    found = np.empty(len(instants), np.int64)
    for rows in _blocks(len(instants)):
        days, at = found[rows], _reached(instants[rows], cuts)
        np.add(instants[rows], offsets[at] if len(cuts) else offsets[0], out=days)
        days //= DAY_US
        if floors is not None:
            np.maximum(days, floors[at], out=days)
        np.minimum(days, last, out=days)
    return found


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, rows, _BLOCK))


def _reached(values: Numbers, edges: Edges) -> _Places:
    """Return how many edges each value reaches."""
    if len(values) < _FEW_ROWS or len(edges) > _MANY_EDGES or values.dtype == np.object_:
        found = edges.searchsorted(values, "right")
        if values.dtype.kind == "f":
            found[np.isnan(values)] = 0
        return found
    # A few passes over all rows take less time than a search in each row.
    place = np.zeros(len(values), np.uint8)
    for edge in edges:
        place += values >= edge
    return place


def _scaled(values: Numbers, divisors: Ints | None, scale: int, edges: Edges) -> Numbers:
    """Return ratios, times the scale, rounded down: enough to compare with whole edges.

    What is far outside the edges is brought nearer, so that nothing overflows; where that is not
    enough, they are Python's integers.
    """
    if divisors is None or not len(edges):
        return values
    divisors = np.maximum(divisors, 1)
    whole = cast(Ints, values // divisors)
    if scale == 1:
        return whole
    low, high = int(edges[0]), int(edges[-1])
    fits = low - 2 * scale >= -_INT64_MAX and high + 2 * scale <= _INT64_MAX
    if not fits or int(divisors.max(initial=0)) > _INT64_MAX // scale:
        return cast(Ints, values.astype(object) * scale // divisors.astype(object))
    rest = values - whole * divisors
    np.clip(whole, low // scale - 1, high // scale + 1, out=whole)
    whole *= scale
    whole += rest * scale // divisors
    return whole
