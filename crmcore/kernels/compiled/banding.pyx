# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""Values against edges, row by row; in C."""

from functools import partial

import numpy as np

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc

from crmcore.kernels.compiled.arrays import in_a_row
from crmcore.kernels.plain import banding as plain
from crmcore.kernels.threads import each

__all__ = ["banded", "local_days", "weighed"]

cdef extern from "banding.h" nogil:
    ctypedef struct Bands:
        const void *edges
        int64_t count
        const void *outcomes
        int width
        const uint8_t *there
        int64_t scale
    ctypedef struct Banded:
        const void *values
        int kind
        const int64_t *divisors
        const uint8_t *known
    ctypedef struct Weighed:
        const void *values
        int kind
        int64_t weight
    ctypedef struct Offsets:
        const int64_t *cuts
        int64_t count
        const int64_t *offsets
        const int64_t *floors
        int64_t last
    void band_rows(
        const Bands *bands, const Banded *rows, int64_t first, int64_t last, void *found,
        uint8_t *has,
    )
    void weigh_rows(
        const Weighed *columns, int64_t count, int64_t first, int64_t last, void *found, int kind
    )
    void days_of_rows(
        const Offsets *zone, const int64_t *instants, int64_t first, int64_t last, int64_t *days
    )

# As the header numbers them.
_KINDS = {np.dtype(np.int64): 0, np.dtype(np.int32): 1, np.dtype(np.float64): 2}
# Bytes of an outcome that can be copied as one.
_WIDTHS = (1, 2, 4, 8)


def _numbers(values):
    values = in_a_row(values)
    if values.dtype in _KINDS:
        return values
    return values.astype(np.float64 if values.dtype.kind == "f" else np.int64)


def _whole(values):
    values = _numbers(values)
    return values if values.dtype.kind == "i" else values.astype(np.int64)


def _ints(values):
    return None if values is None else in_a_row(values, np.int64)


def _bytes(values):
    """Return any array as its bytes."""
    return in_a_row(values).view(np.uint8)


def _flags(values):
    return None if values is None else in_a_row(values, np.bool_).view(np.uint8)


cdef const uint8_t *_start(const uint8_t[::1] values) noexcept:
    return &values[0] if values is not None and values.shape[0] else NULL


cdef const int64_t *_first(const int64_t[::1] values) noexcept:
    return &values[0] if values is not None and values.shape[0] else NULL


def banded(values, edges, outcomes, there=None, known=None, divisors=None, scale=1):
    if outcomes.dtype.itemsize not in _WIDTHS or outcomes.dtype.hasobject or scale < 1:
        return plain.banded(values, edges, outcomes, there, known, divisors, scale)
    values = _numbers(values)
    edges = in_a_row(edges, np.float64 if values.dtype == np.float64 else np.int64)
    if divisors is not None:
        values, divisors = _ints(values), _ints(divisors)
    if len(outcomes) != len(edges) + 2 or there is not None and len(there) != len(outcomes):
        raise ValueError("bands need an outcome for each edge, and two more")
    _check_lengths(len(values), known, divisors)
    found = np.empty(len(values), outcomes.dtype)
    has = None if there is None else np.empty(len(values), np.bool_)
    if len(values):
        each(len(values), partial(
            _banded, _KINDS[values.dtype], _bytes(values), _bytes(edges), len(edges),
            _bytes(outcomes), outcomes.dtype.itemsize, _flags(there), _flags(known), divisors,
            scale, _bytes(found), _flags(has),
        ))
    return found, has


def _check_lengths(rows, *columns):
    if any(column is not None and len(column) != rows for column in columns):
        raise ValueError("columns differ in length")


def _banded(
    int kind, const uint8_t[::1] values, const uint8_t[::1] edges, int64_t count,
    const uint8_t[::1] outcomes, int width, const uint8_t[::1] there, const uint8_t[::1] known,
    const int64_t[::1] divisors, int64_t scale, uint8_t[::1] found, uint8_t[::1] has,
    int64_t first, int64_t last,
):
    cdef Bands bands = Bands(
        _start(edges), count, _start(outcomes), width, _start(there), scale
    )
    cdef Banded rows = Banded(_start(values), kind, _first(divisors), _start(known))
    cdef uint8_t *mask = &has[0] if has is not None else NULL
    with nogil:
        band_rows(&bands, &rows, first, last, &found[0], mask)


def weighed(columns, weights, dtype):
    columns = [_whole(column) for column in columns]
    _check_lengths(len(columns[0]), *columns)
    if len(columns) != len(weights):
        raise ValueError("a weight for each column is needed")
    found = np.empty(len(columns[0]), dtype)
    if len(found):
        kinds = [_KINDS[column.dtype] for column in columns]
        given = [_bytes(column) for column in columns]
        each(len(found), partial(
            _weighed, given, kinds, weights, _bytes(found), _KINDS[found.dtype]
        ))
    return found


def _weighed(
    list columns, list kinds, weights, uint8_t[::1] found, int kind, int64_t first, int64_t last
):
    cdef const uint8_t[::1] column
    cdef int64_t count = len(columns)
    cdef Weighed *given = <Weighed *>malloc(count * sizeof(Weighed))
    if given == NULL:
        raise MemoryError
    try:
        for at in range(count):
            column = columns[at]
            given[at] = Weighed(&column[0], kinds[at], weights[at])
        with nogil:
            weigh_rows(given, count, first, last, &found[0], kind)
    finally:
        free(given)


def local_days(instants, cuts, offsets, floors, last):
    instants = _ints(instants)
    if any(each is not None and len(each) != len(cuts) + 1 for each in (offsets, floors)):
        raise ValueError("an offset is needed before the first cut and from each one on")
    days = np.empty(len(instants), np.int64)
    if len(days):
        each(len(days), partial(
            _local_days, instants, _ints(cuts), _ints(offsets), _ints(floors), last, days
        ))
    return days


def _local_days(
    const int64_t[::1] instants, const int64_t[::1] cuts, const int64_t[::1] offsets,
    const int64_t[::1] floors, int64_t latest, int64_t[::1] days, int64_t first, int64_t last,
):
    cdef Offsets zone = Offsets(
        _first(cuts), cuts.shape[0], _first(offsets), _first(floors), latest
    )
    with nogil:
        days_of_rows(&zone, &instants[0], first, last, &days[0])
