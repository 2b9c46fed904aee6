# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""The steps of coding, each over a range of rows, slots or entries: thin covers of the headers.

They check nothing; `crmcore.kernels.compiled.coding` makes the arrays and takes the steps. None
of them takes an empty array.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t


cdef extern from "reading.h" nogil:
    enum: HAS_ATOMICS
    ctypedef struct Column:
        const uint8_t *data
        int64_t size
        const int32_t *offsets
        const int64_t *long_offsets
        const uint64_t *seed
    ctypedef int (*Reader)(const void *, int64_t, int, uint64_t *)
    ctypedef struct Table:
        uint64_t *slots
        uint64_t capacity
        int64_t room
        int64_t *state
        uint64_t seed[4]
        int32_t *rows
        int wide
        int shared
        int task
    void table_run(const Table *, Reader, const void *, int64_t, int64_t, int32_t *)
    int read_ints(const void *, int64_t, int, uint64_t *)
    int read_fixed(const void *, int64_t, int, uint64_t *)
    int read_fixed_hashed(const void *, int64_t, int, uint64_t *)
    int read_short(const void *, int64_t, int, uint64_t *)
    int read_uuid_anywhere(const void *, int64_t, int, uint64_t *)
    int read_hashed(const void *, int64_t, int, uint64_t *)
    Reader uuid_reader()

cdef extern from "sorting.h" nogil:
    ctypedef struct Entry:
        uint64_t word
        uint64_t place
    void sort_entries(Entry *, Entry *, size_t)
    void sort_second(Entry *, Entry *, size_t, const uint64_t *, uint64_t)
    void words_bits(
        const uint64_t *, int64_t, int64_t, int, const int32_t *, uint64_t, uint64_t *)
    void words_count(
        const uint64_t *, int64_t, int64_t, int, const int32_t *, uint64_t, int, uint64_t,
        int64_t *)
    void words_gather(
        const uint64_t *, int64_t, int64_t, int, const int32_t *, uint64_t, int, uint64_t,
        int64_t *, Entry *)
    void entries_rank(
        const Entry *, int64_t, int64_t, const uint64_t *, int, uint64_t, int32_t *, uint64_t *)
    void ranked(int32_t *, int64_t, int64_t, const int32_t *)

cdef extern from "texts.h" nogil:
    int64_t c_common_start "common_start"(const Column *, const int32_t *, int64_t, int64_t)
    void c_text_words "text_words"(
        const Column *, const int32_t *, int64_t, int64_t, int64_t, uint64_t *)
    int sort_texts(const Column *, Entry *, Entry *, size_t, int64_t, int)
    void c_copy_texts "copy_texts"(
        const Column *, const int32_t *, int64_t, int64_t, const int64_t *, uint8_t *)
    void c_place_texts "place_texts"(
        const Column *, const int64_t *, int64_t, int64_t, const int64_t *, uint8_t *)
    int c_same_texts "same_texts"(const Column *, int64_t, int64_t, int32_t *, const Column *, int)
    void c_write_short "write_short"(
        const uint64_t *, int64_t, int64_t, const int64_t *, uint8_t *)
    void c_write_uuids "write_uuids"(const uint64_t *, int64_t, int64_t, uint8_t *)

cdef extern from "dense.h" nogil:
    ctypedef struct Group:
        uint64_t bits
        uint64_t before
    int c_rising "rising"(const int64_t *, int64_t, int64_t)
    void c_ends_of "ends_of"(const int64_t *, int64_t, int64_t, int64_t *)
    int c_mark "mark"(const int64_t *, int64_t, int64_t, int64_t, uint64_t, uint64_t *)
    int64_t c_count_marks "count_marks"(const uint64_t *, int64_t, int64_t)
    int64_t c_group "group"(const uint64_t *, int64_t, Group *)
    void c_list_groups "list_groups"(const Group *, int64_t, int64_t, int64_t, int64_t *)
    void c_rank_rows "rank_rows"(
        const int64_t *, int64_t, int64_t, int64_t, const Group *, int32_t *)
    void c_count_from "count_from"(const int64_t *, int64_t, int64_t, int64_t, int32_t *)

cdef extern from "merging.h" nogil:
    int64_t merge_places(
        int, const Column *, int64_t, const Column *, int64_t, int64_t *, int64_t *)


SHARED = bool(HAS_ATOMICS)

# The last one is there to be tested where another one reads UUIDs.
cdef Reader[7] READERS = [
    read_ints, read_fixed, read_short, uuid_reader(), read_hashed, read_fixed_hashed,
    read_uuid_anywhere]


cdef class Source:
    """A column to read keys from, in one of the ways of READERS; texts have offsets."""

    cdef Column column
    cdef Reader reader
    cdef object kept

    def __init__(self, int way, const uint8_t[::1] data, offsets, const uint64_t[::1] seed):
        cdef const int32_t[::1] offsets_32
        cdef const int64_t[::1] offsets_64
        self.kept = data, offsets, seed
        self.reader = READERS[way]
        self.column.data = &data[0]
        self.column.size = data.shape[0]
        self.column.seed = &seed[0]
        if offsets is None:
            return
        if offsets.itemsize == 4:
            offsets_32 = offsets
            self.column.offsets = &offsets_32[0]
        else:
            offsets_64 = offsets
            self.column.long_offsets = &offsets_64[0]

    def sample(self, int64_t step, uint64_t[:, ::1] words):
        """Read every so many rows; tell whether all are of the kind."""
        cdef int64_t i
        cdef bint fit = True
        with nogil:
            for i in range(words.shape[0]):
                fit = fit and self.reader(&self.column, i * step, 1, &words[i, 0])
        return fit

    def common_start(self, const int32_t[::1] rows, int64_t first, int64_t last):
        cdef int64_t common
        with nogil:
            common = c_common_start(&self.column, &rows[0], first, last)
        return common

    def words(self, const int32_t[::1] rows, int64_t first, int64_t last, int64_t depth,
              uint64_t[::1] words):
        with nogil:
            c_text_words(&self.column, &rows[0], first, last, depth, &words[0])

    def copy(self, const int32_t[::1] rows, int64_t first, int64_t last,
             const int64_t[::1] ends, uint8_t[::1] data):
        with nogil:
            c_copy_texts(&self.column, &rows[0], first, last, &ends[0], &data[0])

    def place(self, const int64_t[::1] places, const int64_t[::1] ends, uint8_t[::1] data,
              int64_t first, int64_t last):
        with nogil:
            c_place_texts(&self.column, &places[0], first, last, &ends[0], &data[0])

    def same(self, int64_t first, int64_t last, int32_t[::1] codes, Source distinct, bint forget):
        cdef bint same
        with nogil:
            same = c_same_texts(
                &self.column, first, last, &codes[0], &distinct.column, forget)
        return same


cdef class Slots:
    """A table of keys; see hashing.h."""

    cdef Table table
    cdef object kept

    def __init__(self, uint64_t[:, ::1] slots, int64_t[::1] state, const uint64_t[::1] seed,
                 int32_t[::1] rows, bint shared, int task, int64_t room):
        self.kept = slots, state, rows
        self.table.slots = &slots[0, 0]
        self.table.capacity = slots.shape[0]
        self.table.wide = slots.shape[1] == 2
        self.table.room = room
        self.table.state = &state[0]
        for i in range(4):
            self.table.seed[i] = seed[i]
        if rows is not None:
            self.table.rows = &rows[0]
        self.table.shared = shared
        self.table.task = task

    def run(self, Source source, int32_t[::1] codes, int64_t first, int64_t last):
        """Give the keys of the rows their slots; `state` tells how that went."""
        cdef int32_t *out = NULL
        if codes is not None:
            out = &codes[0]
        with nogil:
            table_run(&self.table, source.reader, &source.column, first, last, out)


cdef class Order:
    """Entries by the words of slots, or of rows, sorted in parts; see sorting.h."""

    cdef const uint64_t[:, ::1] slots
    cdef const int32_t[::1] rows
    cdef uint64_t flip
    cdef int words

    def __init__(self, const uint64_t[:, ::1] slots, const int32_t[::1] rows, uint64_t flip):
        self.slots, self.rows, self.flip = slots, rows, flip
        self.words = slots.shape[1]

    cdef const int32_t *places(self):
        if self.rows is None:
            return NULL
        return &self.rows[0]

    def bits(self, int64_t first, int64_t last):
        cdef uint64_t bits[2]
        cdef const int32_t *rows = self.places()
        with nogil:
            words_bits(&self.slots[0, 0], first, last, self.words, rows, self.flip, bits)
        return bits[0], bits[1]

    def count(self, int64_t first, int64_t last, int shift, int64_t[::1] counts):
        cdef uint64_t mask = counts.shape[0] - 1
        cdef const int32_t *rows = self.places()
        with nogil:
            words_count(&self.slots[0, 0], first, last, self.words, rows, self.flip, shift,
                        mask, &counts[0])

    def gather(self, int64_t first, int64_t last, int shift, int64_t[::1] places,
               uint64_t[:, ::1] entries):
        cdef uint64_t mask = places.shape[0] - 1
        cdef const int32_t *rows = self.places()
        with nogil:
            words_gather(&self.slots[0, 0], first, last, self.words, rows, self.flip, shift,
                         mask, &places[0], <Entry *>&entries[0, 0])

    def sort(self, uint64_t[:, ::1] entries, const int64_t[::1] ends, int64_t first,
             int64_t last, uint64_t[:, ::1] other, Source texts, int64_t depth):
        """Sort the parts from `first` to `last`, part i going from ends[i] to ends[i + 1].

        With texts, they are in order when it returns True, and too much alike otherwise.
        """
        cdef int64_t part, size
        cdef Entry *start
        cdef Entry *room = <Entry *>&other[0, 0]
        cdef bint done = True
        cdef bint deep = texts is not None
        with nogil:
            for part in range(first, last):
                size = ends[part + 1] - ends[part]
                if size < 2:
                    continue
                start = <Entry *>&entries[ends[part], 0]
                sort_entries(start, room, size)
                if deep:
                    done = done and sort_texts(&texts.column, start, room, size, depth, 0)
                elif self.words == 2:
                    sort_second(start, room, size, &self.slots[0, 0], self.flip)
        return done

    def rank(self, const uint64_t[:, ::1] entries, int64_t first, int64_t last, uint64_t mask,
             int32_t[::1] ranks, uint64_t[:, ::1] keys):
        with nogil:
            entries_rank(<const Entry *>&entries[0, 0], first, last, &self.slots[0, 0],
                         self.words, mask, &ranks[0], &keys[0, 0])


def rerank(int32_t[::1] codes, const int32_t[::1] ranks, int64_t first, int64_t last):
    with nogil:
        ranked(&codes[0], first, last, &ranks[0])


def write_short(const uint64_t[:, ::1] keys, const int64_t[::1] ends, uint8_t[::1] data,
                int64_t first, int64_t last):
    with nogil:
        c_write_short(&keys[0, 0], first, last, &ends[0], &data[0])


def write_uuids(const uint64_t[:, ::1] keys, uint8_t[::1] data, int64_t first, int64_t last):
    with nogil:
        c_write_uuids(&keys[0, 0], first, last, &data[0])


def rising(const int64_t[::1] values, int64_t first, int64_t last):
    cdef bint rises
    with nogil:
        rises = c_rising(&values[0], first, last)
    return rises


def ends_of(const int64_t[::1] values, int64_t first, int64_t last):
    cdef int64_t ends[2]
    with nogil:
        c_ends_of(&values[0], first, last, ends)
    return ends[0], ends[1]


def mark(const int64_t[::1] values, int64_t low, int64_t high, uint64_t[::1] marks,
         int64_t first, int64_t last):
    cdef uint64_t span = <uint64_t>high - <uint64_t>low + 1
    cdef bint all_marked
    with nogil:
        all_marked = c_mark(&values[0], first, last, low, span, &marks[0])
    return all_marked


def count_marks(const uint64_t[::1] marks, int64_t first, int64_t last):
    cdef int64_t count
    with nogil:
        count = c_count_marks(&marks[0], first, last)
    return count


def group(const uint64_t[::1] marks, uint64_t[:, ::1] groups):
    cdef int64_t count
    with nogil:
        count = c_group(&marks[0], groups.shape[0], <Group *>&groups[0, 0])
    return count


def list_groups(const uint64_t[:, ::1] groups, int64_t low, int64_t[::1] numbers,
                int64_t first, int64_t last):
    with nogil:
        c_list_groups(<const Group *>&groups[0, 0], first, last, low, &numbers[0])


def rank_rows(const int64_t[::1] values, int64_t low, const uint64_t[:, ::1] groups,
              int32_t[::1] codes, int64_t first, int64_t last):
    with nogil:
        c_rank_rows(&values[0], first, last, low, <const Group *>&groups[0, 0], &codes[0])


def count_from(const int64_t[::1] values, int64_t low, int32_t[::1] codes, int64_t first,
               int64_t last):
    with nogil:
        c_count_from(&values[0], first, last, low, &codes[0])


def merge(int kind, Source left, int64_t lefts, Source right, int64_t rights,
          int64_t[::1] place_of_left, int64_t[::1] place_of_right):
    cdef int64_t size
    with nogil:
        size = merge_places(kind, &left.column, lefts, &right.column, rights,
                            &place_of_left[0], &place_of_right[0])
    return size
