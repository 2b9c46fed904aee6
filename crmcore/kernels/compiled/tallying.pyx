# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""Many counts, sums and extremes per group in one pass over the rows; in C.

Described in `crmcore.kernels.plain.tallying`. Where the groups are few beside the rows, each
thread tallies a run of rows in a table of all groups, and the tables are added up. Else these would
cost too much memory: each thread has a table of some groups, and looks at all rows for them.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free

from crmcore.kernels import threads
from crmcore.kernels.compiled.arrays import in_a_row
from crmcore.kernels.plain.tallying import Choice, Measure, Rows, Take

__all__ = ["Choice", "Measure", "Rows", "Take", "tally"]

cdef enum:
    MOST_THREADS = 64

cdef extern from "tallying.h" nogil:
    ctypedef enum TallyTake:
        TALLY_COUNT, TALLY_COUNT_WIDE, TALLY_SUM, TALLY_SMALLEST, TALLY_LARGEST
    ctypedef struct TallyChoice:
        int run_count
        uint8_t first[128]
        uint8_t more[128]
        int64_t low, high
        const int64_t *positive
        const uint8_t *marked
        int measures_end
    ctypedef struct TallyMeasure:
        TallyTake take
        const int64_t *values
        int64_t *result
        size_t at
        bint counted
    ctypedef struct Tally:
        int64_t start, end
        bint wide
        const void *codes
        const int64_t *placed
        const uint8_t *status
        int choice_count, measure_count
        TallyChoice *choices
        TallyMeasure *measures
        size_t cell
        char *cells
        int64_t groups
        const int64_t *place
        int64_t size
        bint several
    bint lists_several()
    void tally_groups(const Tally *, int64_t, int64_t)
    bint tally_results(const Tally *, char *const *, int, int64_t, int64_t, int64_t)
    void *table_take(size_t, size_t)
    void *table_keep(void *, size_t)
    void table_give(void *)

_TAKES = {
    "count": TALLY_COUNT,
    "sum": TALLY_SUM,
    "smallest": TALLY_SMALLEST,
    "largest": TALLY_LARGEST,
}

# Whether the processor can list several rows at once.
SEVERAL_AT_ONCE = bool(lists_several())
# So many rows are counted in 32 bits.
MOST_NARROW = 2**32 - 1
# The tables of all threads together may take so many bytes a row.
BYTES_A_ROW = 5
# Groups brought into the results before their cells are given back: many huge pages.
GROUPS_AT_ONCE = 2**18
_SAMPLE = 4096


def tally(rows, choices, measures, groups, place=None, size=None):
    parts = min(MOST_THREADS, threads.workers(len(rows.codes)))
    job = _Job(rows, list(choices), list(measures), groups, place, size)
    if parts * groups * job.cell <= BYTES_A_ROW * len(rows.codes):
        done = _by_rows(job, len(rows.codes), groups, parts)
    else:
        done = _by_groups(job, groups, parts)
    if not all(done):
        raise IndexError("places should ascend, and lie within the results")
    return job.results


def _by_rows(job, rows, groups, parts):
    """Let each thread tally some rows in a table of its own, and add the tables up."""

    def own(first, last):
        table = _Table(groups, job.cell)
        job.count(table, first, last, 0, groups)
        return table

    tables = threads.each(rows, own, parts)
    shares = threads.spans(groups, parts)
    return threads.run([partial(job.finish, tables, 0, *share) for share in shares])


def _by_groups(job, groups, parts):
    """Let each thread tally some groups, and look at all rows for them."""
    return threads.run([partial(job.share, *one) for one in _shares(job.codes, groups, parts)])


def _shares(codes, groups, parts):
    """Return the first group of each thread, and its end: as many rows to each by a sample."""
    if parts == 1:
        return [(0, groups)]
    sample = np.sort(codes[:: -(-len(codes) // _SAMPLE)])
    inner = sample[[len(sample) * part // parts for part in range(1, parts)]]
    cuts = {0, *np.clip(inner, 0, groups).tolist(), groups}
    return list(pairwise(sorted(cuts))) if groups else [(0, 0)]


cdef class _Table:
    """Cells of groups, empty at first."""

    cdef char *cells

    def __cinit__(self, int64_t groups, size_t cell):
        with nogil:
            self.cells = <char *>table_take(groups, cell)
        if self.cells == NULL:
            raise MemoryError

    def __dealloc__(self):
        with nogil:
            table_give(self.cells)

    def keep(self, size_t size):
        """Keep the first so many bytes, and give the rest back."""
        with nogil:
            self.cells = <char *>table_keep(self.cells, size)


cdef class _Job:
    """What is to be tallied, the cells of the groups, and the results."""

    cdef Tally tally
    cdef readonly size_t cell
    cdef readonly object codes
    cdef readonly list results
    cdef list kept, columns

    def __cinit__(self, rows, choices, measures, int64_t groups, place, size):
        kind = np.int32 if rows.codes.dtype == np.int32 else np.int64
        self.kept = []
        self.codes = in_a_row(rows.codes, kind)
        self.tally.end = len(rows.codes)
        self.tally.wide = kind is np.int64
        self.tally.codes = self._address(self.codes, kind, self.tally.end)
        self.tally.placed = <const int64_t *>self._address(rows.placed, np.int64, self.tally.end)
        self.tally.status = <const uint8_t *>self._address(rows.status, np.uint8, self.tally.end)
        self.columns = [rows.placed, *rows.values]
        self.tally.groups = self.tally.size = groups
        self.tally.several = SEVERAL_AT_ONCE
        if place is not None:
            self.tally.size = size or 0
            self.tally.place = <const int64_t *>self._address(place, np.int64, groups)
        self._ask(choices, measures)

    def __dealloc__(self):
        free(self.tally.choices)
        free(self.tally.measures)

    def count(self, _Table table, int64_t start, int64_t end, int64_t low, int64_t high):
        """Tally those of some rows that are of the groups from `low` up to `high`."""
        cdef Tally own = self.tally
        own.start, own.end, own.cells = start, end, table.cells
        with nogil:
            tally_groups(&own, low, high)

    def finish(self, list tables, int64_t lowest, int64_t low, int64_t high):
        """Bring some groups into the results; tell whether each has its place.

        The tables begin with the group `lowest`.
        """
        cdef char *cells[MOST_THREADS]
        cdef int count = 0
        cdef bint placed
        for table in tables:
            cells[count] = (<_Table?>table).cells
            count += 1
        with nogil:
            placed = tally_results(&self.tally, cells, count, lowest, low, high)
        return placed

    def share(self, int64_t low, int64_t high):
        """Tally some groups, and bring them into the results; tell whether each has its place."""
        cdef bint placed = True
        cdef int64_t start, at_once = GROUPS_AT_ONCE
        table = _Table(high - low, self.cell)
        self.count(table, 0, self.tally.end, low, high)
        while high > low:  # from the end, as it is there that room can be given back
            start = max(low, high - at_once)
            placed &= self.finish([table], low, start, high)
            table.keep((start - low) * self.cell)
            high = start
        return placed

    cdef int _ask(self, list choices, list measures) except -1:
        """Set out the choices window by window, and the measures choice by choice."""
        self.results = [None] * len(measures)
        self.tally.choices = <TallyChoice *>calloc(len(choices) + 1, sizeof(TallyChoice))
        self.tally.measures = <TallyMeasure *>calloc(len(measures) + 1, sizeof(TallyMeasure))
        if self.tally.choices == NULL or self.tally.measures == NULL:
            raise MemoryError
        for at in sorted(range(len(choices)), key=lambda at: (choices[at].low, choices[at].high)):
            rows = [row for row, measure in enumerate(measures) if measure.choice == at]
            self._measures(measures, sorted(rows, key=lambda row: measures[row].take == "count"))
            self._choice(&self.tally.choices[self.tally.choice_count], choices[at])
            self.tally.choice_count += 1
        if self.tally.measure_count < len(measures):
            raise IndexError("a measure names a choice that is not there")
        self._lay_out()
        return 0

    cdef int _choice(self, TallyChoice *choice, given) except -1:
        # A status joins the run that ends before it.
        for code in np.flatnonzero(given.by_status()).tolist():
            last = choice.run_count - 1
            if last >= 0 and code == choice.first[last] + choice.more[last] + 1:
                choice.more[last] += 1
            else:
                choice.first[choice.run_count] = code
                choice.run_count += 1
        choice.low = given.low
        choice.high = given.high
        choice.measures_end = self.tally.measure_count
        if given.positive != -1:
            choice.positive = self._values(given.positive)
        if given.marked is not None:
            choice.marked = <const uint8_t *>self._address(given.marked, np.bool_, self.tally.end)
        return 0

    cdef int _measures(self, list measures, list rows) except -1:
        """Set out the measures of one choice, counts last: one is taken with what is before it."""
        cdef TallyMeasure *measure
        for place, row in enumerate(rows):
            measure = &self.tally.measures[self.tally.measure_count]
            self._measure(measure, measures[row], row)
            self.tally.measure_count += 1
            if place and measure.take == TALLY_COUNT:
                (measure - 1).counted = (measure - 1).take != TALLY_COUNT
        return 0

    cdef int _measure(self, TallyMeasure *measure, given, row) except -1:
        self.results[row] = result = np.empty(self.tally.size, np.int64)
        measure.result = <int64_t *>self._address(result, np.int64, self.tally.size)
        measure.values = self._values(given.of)
        if given.take not in _TAKES:
            raise ValueError(f"a measure cannot take {given.take}")
        measure.take = _TAKES[given.take]
        if measure.take == TALLY_COUNT and self.tally.end > MOST_NARROW:
            measure.take = TALLY_COUNT_WIDE
        return 0

    cdef void _lay_out(self) noexcept:
        """Give each measure its place in a cell, those of 64 bits first."""
        cdef size_t end = 0
        cdef int i
        for narrow in range(2):
            for i in range(self.tally.measure_count):
                if (self.tally.measures[i].take == TALLY_COUNT) == narrow:
                    self.tally.measures[i].at = end
                    end += 4 if narrow else 8
        self.cell = self.tally.cell = (end + 7) // 8 * 8

    cdef const int64_t *_values(self, int of) except? NULL:
        if not -1 <= of < len(self.columns) - 1:
            raise IndexError("a measure or choice names values that are not there")
        return <const int64_t *>self._address(self.columns[of + 1], np.int64, self.tally.end)

    cdef const void *_address(self, given, kind, Py_ssize_t size) except? NULL:
        """Return where the values of an array stand, which is kept as long as the job."""
        cdef Py_buffer view
        array = in_a_row(given, kind)
        if array.shape != (size,):
            raise ValueError(f"values of shape {array.shape} where {size} are needed")
        self.kept.append(array)
        PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
        PyBuffer_Release(&view)
        return view.buf
