# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""What one pass over a column of integers tells, and columns made in one pass; in C."""

from functools import partial

import numpy as np

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport (
    int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t,
)

from crmcore.kernels.compiled.arrays import in_a_row
from crmcore.kernels.plain import surveying as plain
from crmcore.kernels.plain.surveying import Survey
from crmcore.kernels.threads import each

__all__ = ["Survey", "above", "survey", "translate"]

cdef extern from "surveying.h" nogil:
    ctypedef struct Found "Survey":
        int64_t least
        int64_t greatest
        int64_t zeros
        int64_t negatives
    Found survey_values(const int64_t *values, ptrdiff_t size)
    int64_t count_above(const int64_t *values, ptrdiff_t size, int64_t bound)
    Found both(Found one, Found other)
    ptrdiff_t negative_rows_of "negative_rows"(
        const int64_t *values, ptrdiff_t size, int64_t first, int64_t *rows
    )
    int translate_int8(
        const int8_t *codes, ptrdiff_t size, const uint8_t *table, uint64_t entries, uint8_t *found
    )
    int translate_int16(
        const int16_t *codes, ptrdiff_t size, const uint8_t *table, uint64_t entries, uint8_t *found
    )
    int translate_int32(
        const int32_t *codes, ptrdiff_t size, const uint8_t *table, uint64_t entries, uint8_t *found
    )
    int translate_int64(
        const int64_t *codes, ptrdiff_t size, const uint8_t *table, uint64_t entries, uint8_t *found
    )
    int translate_uint8(
        const uint8_t *codes, ptrdiff_t size, const uint8_t *table, uint64_t entries, uint8_t *found
    )
    int translate_uint16(
        const uint16_t *codes, ptrdiff_t size, const uint8_t *table, uint64_t entries, uint8_t *found
    )
    int translate_uint32(
        const uint32_t *codes, ptrdiff_t size, const uint8_t *table, uint64_t entries, uint8_t *found
    )

ctypedef fused Code:
    int8_t
    int16_t
    int32_t
    int64_t
    uint8_t
    uint16_t
    uint32_t

# Rows looked at twice in a row: they should stay near the processor.
cdef enum:
    BLOCK = 1 << 15


def _ints(values):
    return in_a_row(values, np.int64)


def survey(values, *, listed=False):
    values = _ints(values)
    if len(values) == 0:
        return plain.survey(values, listed=listed)
    parts = each(len(values), partial(_survey, values, listed))
    least, greatest, zeros, negatives, rows = zip(*parts)
    negative_rows = np.concatenate(sum(rows, [])) if listed else None
    return Survey(min(least), max(greatest), sum(zeros), sum(negatives), negative_rows)


def _survey(const int64_t[::1] values, bint listed, ptrdiff_t start, ptrdiff_t stop):
    """Look at some rows, at least one; the rows found to be negative are told block by block."""
    cdef Found found, all_found
    cdef ptrdiff_t size, count, first = start
    room = np.empty(min(BLOCK, stop - start), np.int64)
    cdef int64_t[::1] rows = room
    negative_rows = [room[:0]]
    while start < stop:
        size = min(<ptrdiff_t>BLOCK, stop - start)
        with nogil:
            found = survey_values(&values[start], size)
            count = 0
            if listed and found.negatives:
                count = negative_rows_of(&values[start], size, start, &rows[0])
            if start > first:
                found = both(all_found, found)
            all_found = found
        if count:
            negative_rows.append(room[:count].copy())
        start += size
    return found.least, found.greatest, found.zeros, found.negatives, negative_rows


def above(values, bound):
    values = _ints(values)
    return sum(each(len(values), partial(_above, values, bound)))


def _above(const int64_t[::1] values, int64_t bound, ptrdiff_t start, ptrdiff_t stop):
    cdef int64_t count = 0
    if start < stop:
        with nogil:
            count = count_above(&values[start], stop - start, bound)
    return count


def translate(codes, table):
    codes = in_a_row(codes)
    if codes.dtype == np.uint64 or not codes.dtype.isnative or len(table) == 0:
        return plain.translate(codes, table)
    found = np.empty(len(codes), np.uint8)
    shifted = np.concatenate([table[len(table) - 1 :], table])
    if any(each(len(codes), partial(_translate, codes, shifted, found))):
        raise IndexError("a code has no entry in the table")
    return found


def _translate(
    const Code[::1] codes,
    const uint8_t[::1] table,
    uint8_t[::1] found,
    ptrdiff_t start,
    ptrdiff_t stop,
):
    cdef int strange = 0
    cdef ptrdiff_t size = stop - start
    cdef uint64_t entries = table.shape[0]
    if size == 0:
        return 0
    with nogil:
        if Code is int8_t:
            strange = translate_int8(&codes[start], size, &table[0], entries, &found[start])
        elif Code is int16_t:
            strange = translate_int16(&codes[start], size, &table[0], entries, &found[start])
        elif Code is int32_t:
            strange = translate_int32(&codes[start], size, &table[0], entries, &found[start])
        elif Code is int64_t:
            strange = translate_int64(&codes[start], size, &table[0], entries, &found[start])
        elif Code is uint8_t:
            strange = translate_uint8(&codes[start], size, &table[0], entries, &found[start])
        elif Code is uint16_t:
            strange = translate_uint16(&codes[start], size, &table[0], entries, &found[start])
        else:
            strange = translate_uint32(&codes[start], size, &table[0], entries, &found[start])
    return strange
