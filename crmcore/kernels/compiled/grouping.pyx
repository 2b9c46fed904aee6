# cython: language_level=3, boundscheck=False, freethreading_compatible=True
"""Grouping and aggregation over rows coded to dense groups; in C.

Described in `crmcore.kernels.plain.grouping`. Rows are shared out among threads either in runs,
each with a table of its own, which are joined, or in buckets of neighbouring groups.
"""

from bisect import bisect_left
from functools import partial

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

import numpy as np

from crmcore.kernels import threads
from crmcore.kernels.compiled.arrays import in_a_row
from crmcore.kernels.plain import grouping as plain

cdef extern from "grouping.h" nogil:
    ctypedef enum Take:
        COUNT, SUM, MAGNITUDE, SMALLEST, LARGEST
    ctypedef enum Figure:
        MEDIAN, SPREAD, DISTINCT
    ctypedef struct Parted:
        const int64_t *starts
        const uint32_t *members
        int64_t *values
        uint64_t groups
        int shift
        size_t *ends
        int64_t *gathered
    bint fill(Take, bint, const void *, const int64_t *, size_t, uint64_t, uint64_t *)
    void join(Take, uint64_t *, const uint64_t *, size_t)
    uint64_t reach(const int64_t *, size_t)
    bint count_buckets(
        bint, const void *, const int64_t *, int64_t, size_t, uint64_t, int, int64_t *
    )
    void part(
        bint, const void *, const int64_t *, int64_t, size_t, uint64_t, int, int64_t *,
        uint32_t *, int64_t *
    )
    void figures(Figure, const Parted *, size_t, size_t, void *)
    size_t gaps_of(const Parted *, size_t, size_t, bint, void *)

_INT64_MAX = 2**63 - 1
_INT64_MIN = -(2**63)

_CODES = {np.dtype(np.int32), np.dtype(np.int64)}

# Buckets are few enough to be written to at once, and large enough to be worth it.
_MOST_BUCKETS = 512
_ROWS_OF_A_BUCKET = 4096
# With more groups, sorting takes less memory.
_GROUPS_OF_A_ROW = 16


def count(codes, groups):
    return _table(COUNT, codes, None, groups, 0)


def add(codes, values, groups):
    return _table(SUM, codes, values, groups, 0)


def overflows(codes, values, groups):
    values = in_a_row(values, np.int64)
    runs = _runs(len(values))
    reached = threads.run([partial(_reach, values[run]) for run in runs])
    if max(reached) * len(values) <= _INT64_MAX:
        return np.empty(0, np.int64)
    sums = _table(MAGNITUDE, codes, values, groups, 0)
    return np.flatnonzero(sums < 0)


def smallest(codes, values, groups):
    return _table(SMALLEST, codes, values, groups, _INT64_MAX)


def largest(codes, values, groups):
    return _table(LARGEST, codes, values, groups, _INT64_MIN)


def lower_median(codes, values, groups):
    return _figures(MEDIAN, codes, values, groups, _INT64_MIN, np.int64)


def spread(codes, values, groups):
    return _figures(SPREAD, codes, values, groups, _INT64_MIN, np.float64)


def distinct(codes, items, groups):
    return _figures(DISTINCT, codes, items, groups, 0, np.int64)


def gaps(codes, days):
    codes, days = _rows(codes, days)
    groups = int(codes.max()) + 1 if len(codes) else 0
    if groups > _GROUPS_OF_A_ROW * len(codes) + 1024:
        return plain.gaps(codes, days)
    buckets = _Buckets(codes, days, groups, _INT64_MIN)
    group = np.empty_like(codes)
    end = 0
    for start, found in threads.run([partial(share.gaps, group) for share in buckets.shares()]):
        if start > end:
            for array in (group, buckets.values):
                array[end : end + found] = array[start : start + found]
        end += found
    return group[:end], buckets.values[:end]


# ---- Tables: one place for each group ----


def _table(Take take, codes, values, groups, start):
    codes, values = _rows(codes, values)
    runs = _runs(len(codes), groups)
    tables = [np.empty(groups + 1, np.int64) for _ in runs]
    for table in tables:
        table.fill(start)
    ok = threads.run(
        [
            partial(_fill, take, codes[run], None if values is None else values[run], groups, table)
            for run, table in zip(runs, tables)
        ]
    )
    _check(ok)
    first = tables[0]
    for other in tables[1:]:
        threads.run([partial(_join, take, first[run], other[run]) for run in _runs(groups + 1)])
    return first[:groups]


def _fill(Take take, codes, const int64_t[::1] values, uint64_t groups, int64_t[::1] table):
    cdef const unsigned char[::1] raw = codes.view(np.uint8)
    cdef bint wide = codes.itemsize == 8, ok
    cdef size_t rows = len(codes)
    cdef const int64_t *given = NULL
    if take != COUNT:
        given = &values[0]
    with nogil:
        ok = fill(take, wide, &raw[0], given, rows, groups, <uint64_t *>&table[0])
    return ok


def _join(Take take, int64_t[::1] table, const int64_t[::1] other):
    with nogil:
        join(take, <uint64_t *>&table[0], <const uint64_t *>&other[0], table.shape[0])


def _reach(const int64_t[::1] values):
    cdef uint64_t found
    with nogil:
        found = reach(&values[0], values.shape[0])
    return found


# ---- Buckets: rows brought together by neighbouring groups ----


def _figures(Figure figure, codes, values, groups, lowest, kind):
    codes, values = _rows(codes, values)
    buckets = _Buckets(codes, values, groups, lowest)
    result = np.empty(groups, kind)
    threads.run([partial(share.figures, figure, result) for share in buckets.shares()])
    return result


class _Buckets:
    """Rows in buckets of neighbouring groups: their number within the bucket, and their value."""

    def __init__(self, codes, values, groups, lowest):
        self.groups = groups
        self.shift = _shift(len(codes), groups)
        self.width = 1 << self.shift
        buckets = -(-groups // self.width)
        runs = _runs(len(codes))
        self.members = np.empty(len(codes), np.uint32)
        self.values = np.empty(len(codes), np.int64)
        self.starts = np.empty(buckets + 2, np.int64)
        places = np.zeros((len(runs), buckets + 1), np.int64)
        given = [
            (codes[run], values[run], lowest, groups, self.shift, row)
            for run, row in zip(runs, places)
        ]
        _check(threads.run([partial(_count, *one) for one in given]))
        _place(places, self.starts)
        threads.run([partial(_part, *one, self.members, self.values) for one in given])

    def shares(self):
        """Return the buckets of each thread, with about as many rows each."""
        runs = _runs(int(self.starts[-2]))
        low = [0, *(bisect_left(self.starts, run.start) for run in runs[1:])]
        return [_Share(self, *both) for both in zip(low, [*low[1:], len(self.starts) - 2])]


def _place(int64_t[:, ::1] counts, int64_t[::1] starts):
    """Turn the counts of each run and bucket into places: by bucket, then by run."""
    cdef int64_t place = 0, count
    cdef Py_ssize_t run, bucket
    for bucket in range(counts.shape[1]):
        starts[bucket] = place
        for run in range(counts.shape[0]):
            count = counts[run, bucket]
            counts[run, bucket] = place
            place += count
    starts[counts.shape[1]] = place


def _count(
    codes, const int64_t[::1] values, int64_t lowest, uint64_t groups, int shift,
    int64_t[::1] counts,
):
    cdef const unsigned char[::1] raw = codes.view(np.uint8)
    cdef bint wide = codes.itemsize == 8, ok
    with nogil:
        ok = count_buckets(
            wide, &raw[0], &values[0], lowest, values.shape[0], groups, shift, &counts[0]
        )
    return ok


def _part(
    codes, const int64_t[::1] values, int64_t lowest, uint64_t groups, int shift,
    int64_t[::1] places, uint32_t[::1] members, int64_t[::1] parted,
):
    cdef const unsigned char[::1] raw = codes.view(np.uint8)
    cdef bint wide = codes.itemsize == 8
    with nogil:
        part(
            wide, &raw[0], &values[0], lowest, values.shape[0], groups, shift, &places[0],
            &members[0], &parted[0],
        )


cdef class _Share:
    """The buckets of one thread, and room for the largest of them."""

    cdef const int64_t[::1] starts
    cdef const uint32_t[::1] members
    cdef int64_t[::1] values, gathered
    cdef size_t[::1] ends
    cdef size_t low, high
    cdef Parted all

    def __init__(self, buckets, low, high):
        self.starts, self.members, self.values = buckets.starts, buckets.members, buckets.values
        cdef int64_t most = 0
        cdef Py_ssize_t bucket
        for bucket in range(low, high):
            most = max(most, self.starts[bucket + 1] - self.starts[bucket])
        self.gathered = np.empty(most, np.int64)
        self.ends = np.empty(min(buckets.width, buckets.groups), np.uintp)
        self.low, self.high = low, high
        self.all.starts, self.all.members = &self.starts[0], &self.members[0]
        self.all.values, self.all.gathered = &self.values[0], &self.gathered[0]
        self.all.ends = &self.ends[0]
        self.all.groups, self.all.shift = buckets.groups, buckets.shift

    def figures(self, Figure figure, result):
        cdef unsigned char[::1] raw = result.view(np.uint8)
        with nogil:
            figures(figure, &self.all, self.low, self.high, &raw[0])

    def gaps(self, group):
        """Write the gaps over the values, and their groups; return from where on, how many."""
        cdef unsigned char[::1] raw = group.view(np.uint8)
        cdef bint wide = group.itemsize == 8
        cdef size_t found, start = self.starts[self.low]
        with nogil:
            found = gaps_of(&self.all, self.low, self.high, wide, &raw[0])
        return start, found


# ---- What is given, and how it is shared out ----


def _rows(codes, values):
    """Return codes as they are read in C, with one value for each of them."""
    codes = in_a_row(codes)
    if codes.dtype not in _CODES:
        codes = codes.astype(np.int64)
    if values is None:
        return codes, None
    values = in_a_row(values, np.int64)
    if len(values) != len(codes):
        raise ValueError("codes and values differ in length")
    return codes, values


def _runs(rows, groups=0):
    """Return the rows of each thread, twice as many as groups: then 4 bytes a row hold the tables."""
    number = min(threads.workers(rows), max(1, rows // (2 * groups + 1)))
    return [slice(*span) for span in threads.spans(rows, number)]


def _shift(rows, groups):
    """Return the bits of a code that tell the groups of one bucket apart."""
    buckets = min(_MOST_BUCKETS, max(1, rows // _ROWS_OF_A_BUCKET))
    return (max(groups - 1, 0) // buckets).bit_length()


def _check(ok):
    if not all(ok):
        raise IndexError("a code is beyond the groups")
