"""Distinct keys of a column, found by a table in C and ranked: what all coding rests on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crmcore.kernels import threads
from crmcore.kernels.compiled.hashing import SHARED, Order, Slots, Source, rerank

__all__ = [
    "Codes32",
    "Found",
    "Words",
    "arrange",
    "each",
    "estimate",
    "fill",
    "look_up",
    "rank",
    "seeds",
    "step_of_sample",
]

Codes32 = NDArray[np.int32]
Words = NDArray[np.uint64]
Result = TypeVar("Result")

# What a table is for, and how it ended; see hashing.h.
INSERT, INSERT_ONCE, LOOK_UP = 0, 1, 2
GOES_ON, FULL, GIVEN_UP, FOUND_TWICE = 0, 1, 2, 3

SIGN = 1 << 63
# Codes of 32 bits number the slots; a table has a few more than are asked for.
_MOST_SLOTS = 2**31 - 8
_SAMPLE = 2**17
_DIGITS = 11


def seeds() -> Words:
    """Return the mask of the slots and the key of the hash: nobody who makes ids knows them."""
    return np.frombuffer(os.urandom(32), np.uint64)


def each(
    count: int, step: Callable[[int, int], Result], *, rows: int | None = None, most: int = 64
) -> list[Result]:
    """Take a step over all of `count` in parts, as many as there are threads for the rows."""
    return threads.each(count, step, min(most, _parts(count if rows is None else rows)))


def _parts(rows: int) -> int:
    return threads.workers(rows) if SHARED else 1


# How many there may be


def estimate(sample: NDArray[np.int64] | Words, count: int) -> int:
    """Guess how many different values there are.

    A larger sample shows more of the values that are seldom: as the guess grew from a quarter of
    the sample to all of it, so it would go on.
    """
    whole, quarter = _seen(sample), _seen(sample[::4])
    growth = min(2.0, max(1.0, whole / quarter))
    return min(count, int(whole * growth * growth))


def _seen(sample: NDArray[np.int64] | Words) -> int:
    """Guess by the values that a sample has once, and those it has twice (Chao's estimate)."""
    ascending = np.sort(sample)
    first = np.flatnonzero(np.append(True, ascending[1:] != ascending[:-1]))
    times = np.diff(np.append(first, len(ascending)))
    once, twice = int((times == 1).sum()), int((times == 2).sum())
    return len(first) + once * (once - 1) // (2 * (twice + 1))


def step_of_sample(count: int) -> int:
    """Return the distance of the rows that make a sample."""
    return max(1, count // min(max(1024, count // 64), _SAMPLE))


# Tables


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A table that holds every key of a column; a row's code is still the number of its slot."""

    slots: Words
    keys: int
    seed: Words
    rows: Codes32 | None


def fill(
    source: Source,
    count: int,
    expected: int,
    *,
    words: int,
    codes: Codes32 | None,
    task: int = INSERT,
    with_rows: bool = False,
) -> Found | None:
    """Put the keys of all rows into a table; None where it gave up, or a key is there twice.

    None as well where there would be more slots than codes can number.

    It begins anew in a larger one when there are more keys than expected.
    """
    room = min(count, expected + expected // 4 + 1024)
    while True:
        size = room + room // 2 + 4096
        if size > _MOST_SLOTS:
            return None
        slots = _slots(size, words)
        rows = np.empty(len(slots), np.int32) if with_rows else None
        state, seed = np.zeros(2, np.int64), seeds()
        table = Slots(slots, state, seed, rows, _parts(count) > 1, task, room)
        each(count, partial(table.run, source, codes))
        if state[1] == GOES_ON:
            return Found(slots, int(state[0]), seed, rows)
        if state[1] != FULL:
            return None
        del table
        room = min(count, 4 * room)


def _slots(size: int, words: int) -> Words:
    """Return empty slots in whole lines of the cache."""
    line = 8 // words
    memory = np.zeros((size // line + 2) * 8, np.uint64)
    start = -(memory.ctypes.data // 8) % 8
    return memory[start : len(memory) - 8 + start].reshape(-1, words)


def look_up(source: Source, count: int, found: Found) -> Codes32 | None:
    """Return the slot of each row's key, -1 where it has none; None where the table gave up."""
    codes = np.full(count, -1, np.int32)
    state = np.zeros(2, np.int64)
    table = Slots(found.slots, state, found.seed, None, False, LOOK_UP, found.keys)
    each(count, partial(table.run, source, codes))
    return codes if state[1] == GOES_ON else None


# Order


def arrange(order: Order, size: int, keys: int, texts: Source | None, depth: int) -> Words | None:
    """Return an entry (word, place) for each key, ascending; None for texts too much alike.

    The entries are dealt out by their highest digit that is not the same in all, and each thread
    sorts those of some digits.
    """
    shift = _shift(each(size, order.bits))
    parts = threads.spans(size, _parts(size))
    counts = np.zeros((len(parts), 1 << _DIGITS), np.int64)
    threads.run(
        [partial(order.count, *part, shift, own) for part, own in zip(parts, counts, strict=True)]
    )
    # Where the entries of each thread begin, for each digit.
    starts = np.ascontiguousarray((np.cumsum(counts.T).reshape(counts.T.shape) - counts.T).T)
    ends = np.append(starts[0], keys)
    entries = np.empty((keys, 2), np.uint64)
    threads.run(
        [
            partial(order.gather, *part, shift, own, entries)
            for part, own in zip(parts, starts, strict=True)
        ]
    )
    room = int(np.diff(ends).max())

    def sort(first: int, last: int) -> bool:
        other = np.empty((room, 2), np.uint64)
        return order.sort(entries, ends, first, last, other, texts, depth)

    middle = np.searchsorted(ends, [last for _, last in threads.spans(keys, len(parts))][:-1])
    cuts = pairwise([0, *middle.tolist(), 1 << _DIGITS])
    done = threads.run([partial(sort, first, last) for first, last in cuts])
    return entries if all(done) else None


def _shift(found: list[tuple[int, int]]) -> int:
    """Return where the highest digit begins that is not the same in all words."""
    any_word, all_words = 0, 2 * SIGN - 1
    for one, every in found:
        any_word |= one
        all_words &= every
    return max(0, (any_word & ~all_words).bit_length() - _DIGITS)


def rank(found: Found, codes: Codes32, sign: int = 0) -> Words:
    """Turn slots into ranks, in place, and return the ascending keys; `sign` is a flipped bit."""
    mask, size = int(found.seed[0]), len(found.slots)
    order = Order(found.slots, None, mask ^ sign)
    entries = arrange(order, size, found.keys, None, 0)
    assert entries is not None
    ranks = np.empty(size, np.int32)
    keys = np.empty((found.keys, found.slots.shape[1]), np.uint64)
    each(
        found.keys,
        lambda first, last: order.rank(entries, first, last, mask, ranks, keys),
        rows=size,
    )
    each(len(codes), partial(rerank, codes, ranks))
    return keys
