"""Whole numbers that lie close together, with a bit for each number there could be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from crmcore.columns import Ints
from crmcore.kernels.compiled import hashing
from crmcore.kernels.compiled.tables import Codes32, Words, each

__all__ = ["all_differ", "encode", "rising"]

_LEAST, _GREATEST = -(2**63), 2**63 - 1
# Threads that have bits of their own for all numbers.
_MOST_BITS = 8


def encode(values: Ints, sample: Ints) -> tuple[Codes32, Ints] | None:
    """Code numbers; None where they do not lie close together."""
    found = _marks(values, sample, len(values) + len(values) // 4 + 1024)
    if found is None:
        return None
    low, marks = found
    groups = np.empty((len(marks), 2), np.uint64)
    distinct = np.empty(hashing.group(marks, groups), np.int64)
    each(len(groups), partial(hashing.list_groups, groups, low, distinct))
    codes = np.empty(len(values), np.int32)
    lowest, highest = int(distinct[0]), int(distinct[-1])
    if highest - lowest == len(distinct) - 1:
        each(len(values), partial(hashing.count_from, values, lowest, codes))
    else:
        each(len(values), partial(hashing.rank_rows, values, low, groups, codes))
    return codes, distinct


def all_differ(values: Ints, sample: Ints) -> bool | None:
    """Tell whether no number occurs twice; None where they do not lie close together."""
    found = _marks(values, sample, 16 * len(values))
    if found is None:
        return None
    _, marks = found
    return sum(each(len(marks), partial(hashing.count_marks, marks))) == len(values)


def rising(values: Ints) -> bool:
    """Tell whether each number is above the one before."""
    return all(each(len(values), partial(hashing.rising, values)))


def _marks(values: Ints, sample: Ints, most: int) -> tuple[int, Words] | None:
    """Return a bit for each number from some low one on; None for numbers too far apart."""
    for low, high in _ranges(values, sample, most):
        marks = _mark(values, low, high)
        if marks is not None:
            return low, marks
    return None


def _ranges(values: Ints, sample: Ints, most: int) -> Iterator[tuple[int, int]]:
    """Guess by a sample from where to where the numbers go; then look at all of them."""
    low, high = int(sample.min()), int(sample.max())
    if high - low >= most:
        return
    beyond = (high - low) // 8 + 1024
    yield max(low - beyond, _LEAST), min(high + beyond, _GREATEST)
    ends = each(len(values), partial(hashing.ends_of, values))
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    if high - low < most:
        yield low, high


def _mark(values: Ints, low: int, high: int) -> Words | None:
    """Mark the numbers there are, each thread its own; None where one is out of the range."""
    together = np.zeros((high - low) // 64 + 1, np.uint64)

    def own(first: int, last: int) -> Words | None:
        marks = together if first == 0 else np.zeros_like(together)
        return marks if hashing.mark(values, low, high, marks, first, last) else None

    for marks in each(len(values), own, most=_MOST_BITS):
        if marks is None:
            return None
        if marks is not together:
            together |= marks
    return together
