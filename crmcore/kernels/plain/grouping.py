"""Grouping and aggregation over rows coded to dense groups; in NumPy.

``codes`` are group numbers from 0 to ``groups - 1``, one a row, int32 or int64; a row that belongs
to no group has the number ``groups``. Every result has ``groups`` entries. Codes outside of 0 to
``groups`` are a mistake of the caller's: C refuses them with an `IndexError`, NumPy takes a
negative one for a position from the end.

Integer results do not depend on the order of the rows. Floats are computed from values sorted
within their group, left to right, so that they do not depend on it either.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Codes, Ints

__all__ = [
    "add",
    "count",
    "distinct",
    "gaps",
    "largest",
    "lower_median",
    "overflows",
    "smallest",
    "spread",
]

_INT64_MAX = int(np.iinfo(np.int64).max)
_INT64_MIN = int(np.iinfo(np.int64).min)
_LOW_32 = np.uint64(0xFFFFFFFF)


def count(codes: Codes, groups: int) -> Ints:
    """Return the number of rows of each group."""
    return np.bincount(codes, minlength=groups + 1)[:groups]


def add(codes: Codes, values: Ints, groups: int) -> Ints:
    """Return the sum of each group. Ask `overflows` first: a sum that leaves int64 wraps."""
    total = np.zeros(groups + 1, np.int64)
    np.add.at(total, codes, values)
    return total[:groups]


def overflows(codes: Codes, values: Ints, groups: int) -> Ints:
    """Return the groups whose sum of absolute values exceeds int64.

    The sum of absolute values bounds every partial sum, so the answer cannot depend on the order
    of the rows. Cost: two passes, unless a bound over all groups is not enough.
    """
    none = np.empty(0, np.int64)
    if len(values) == 0:
        return none
    bound = max(int(values.max()), -int(values.min()))
    if bound * len(values) <= _INT64_MAX:
        return none
    if bound * int(np.bincount(codes, minlength=1).max()) <= _INT64_MAX:
        return none
    magnitude = np.where(values < 0, -values.view(np.uint64), values.view(np.uint64))
    low = np.zeros(groups + 1, np.uint64)
    high = np.zeros(groups + 1, np.uint64)
    np.add.at(low, codes, magnitude & _LOW_32)
    np.add.at(high, codes, magnitude >> np.uint64(32))
    high += low >> np.uint64(32)
    return np.flatnonzero(high[:groups] >> np.uint64(31))


def smallest(codes: Codes, values: Ints, groups: int) -> Ints:
    """Return the smallest value of each group; the largest int64 where it has no row."""
    result = np.full(groups + 1, _INT64_MAX)
    np.minimum.at(result, codes, values)
    return result[:groups]


def largest(codes: Codes, values: Ints, groups: int) -> Ints:
    """Return the largest value of each group; the smallest int64 where it has no row."""
    result = np.full(groups + 1, _INT64_MIN)
    np.maximum.at(result, codes, values)
    return result[:groups]


def lower_median(codes: Codes, values: Ints, groups: int) -> Ints:
    """Return the lower median of each group: the value at position (n - 1) // 2; 0 for no row."""
    ordered, counts, starts = _sorted(codes, values, groups)
    result = np.zeros(groups, np.int64)
    filled = counts > 0
    result[filled] = ordered[(starts + (counts - 1) // 2)[filled]]
    return result


def spread(codes: Codes, values: Ints, groups: int) -> NDArray[np.float64]:
    """Return the sample standard deviation of each group; 0 where it has under two rows.

    The values are sorted within their group, and the squared deviations from the mean added from
    the smallest value to the largest.
    """
    ordered, counts, _ = _sorted(codes, values, groups)
    total = add(codes, values, groups)
    mean = total / np.maximum(counts, 1)
    group = np.repeat(np.arange(groups), counts)
    deviation = ordered[: len(group)] - mean[group]
    squares = np.bincount(group, weights=deviation * deviation, minlength=groups)[:groups]
    result: NDArray[np.float64] = np.sqrt(squares / np.maximum(counts - 1, 1))
    result[counts < 2] = 0.0
    return result


def distinct(codes: Codes, items: Ints, groups: int) -> Ints:
    """Return the number of different items of each group; negative items do not count."""
    counted = items >= 0
    codes, items = codes[counted], items[counted]
    if len(codes) == 0:
        return np.zeros(groups, np.int64)
    width = int(items.max()) + 1
    if (groups + 1) * width > _INT64_MAX:
        _, items = np.unique(items, return_inverse=True)
        width = int(items.max()) + 1
    pairs = np.unique(codes.astype(np.int64) * width + items)
    return count(pairs // width, groups)


def gaps(codes: Codes, days: Ints) -> tuple[Codes, Ints]:
    """Return the gaps between neighbouring days of each group, and the group of each gap."""
    order = np.lexsort((days, codes))
    codes, days = codes[order], days[order]
    same = codes[1:] == codes[:-1]
    return codes[1:][same], np.diff(days)[same]


def _sorted(codes: Codes, values: Ints, groups: int) -> tuple[Ints, Ints, Ints]:
    """Return the values sorted by group and value, and each group's count and first position."""
    ordered = values[np.lexsort((values, codes))]
    counts = count(codes, groups)
    return ordered, counts, np.cumsum(counts) - counts
