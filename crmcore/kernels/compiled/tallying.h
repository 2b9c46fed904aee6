/* Counts, sums and extremes of groups in one pass over the rows.

   The figures of a group stand together in one cell, so that a row touches one place in memory,
   asked for while the block of rows before it is worked on. For each choice the rows of a block
   are marked, several at once; the marks become a list, and each measure runs over the list of
   its choice. No loop branches on data.

   A cell of zeros holds nothing: extremes are kept as the largest of numbers turned so that
   nothing is 0. */

#ifndef CRMCORE_TALLYING_H
#define CRMCORE_TALLYING_H

#include <string.h>

#include "memory.h"
#include "portable.h"

/* Rows of a block, whose numbers fit a byte; marks looked at at once; groups copied to the results
   at a time. */
enum { TALLY_BLOCK = 256, TALLY_MARKS = 64, TALLY_COPIED = 1024 };
/* Rows are counted in 32 bits, or in 64 bits where there are too many of them. */
typedef enum {
    TALLY_COUNT,
    TALLY_COUNT_WIDE,
    TALLY_SUM,
    TALLY_SMALLEST,
    TALLY_LARGEST
} TallyTake;

/* Measures are given choice by choice: those of a choice end before `measures_end`. */
typedef struct {
    int run_count;           /* runs of chosen statuses */
    uint8_t first[128];      /* of each run */
    uint8_t more[128];       /* statuses after it */
    int64_t low, high;       /* both belong */
    const int64_t *positive; /* NULL: no test */
    const uint8_t *marked;   /* NULL: no test */
    int measures_end;
} TallyChoice;

typedef struct {
    TallyTake take;
    const int64_t *values;
    int64_t *result;
    size_t at;   /* of its figure in a cell */
    int counted; /* the next measure counts the same rows: the two are taken together */
} TallyMeasure;

typedef struct {
    int64_t start, end; /* rows */
    int wide;           /* codes are int64, not int32 */
    const void *codes;
    const int64_t *placed;
    const uint8_t *status;
    int choice_count, measure_count;
    TallyChoice *choices;
    TallyMeasure *measures;
    size_t cell; /* bytes, a multiple of 8 */
    char *cells; /* of the groups tallied, from the lowest on */
    int64_t groups;
    const int64_t *place; /* NULL: each group at its own number */
    int64_t size;
    int several; /* the processor can list several marks at once */
} Tally;

/* Consecutive rows, and where the cell of each begins, counted from that of the lowest group. */
typedef struct {
    int64_t first;
    int64_t count;
    uint8_t own[TALLY_BLOCK]; /* 1: of a wanted group; the cell of any other row is the lowest */
    uint64_t cells[TALLY_BLOCK];
} TallyBlock;

/* The rows of a block that are marked, by their number in it. */
typedef struct {
    size_t count;
    uint8_t rows[TALLY_BLOCK + TALLY_MARKS];
} TallyList;

static const uint64_t TALLY_TOP = (uint64_t)1 << 63;

/* What turns numbers so that the largest, unsigned, is the one looked for, and 0 is nothing. */
static inline uint64_t tally_turn(TallyTake take) {
    if (take == TALLY_LARGEST) return TALLY_TOP;
    return take == TALLY_SMALLEST ? ~TALLY_TOP : 0;
}

static inline uint64_t tally_greater(uint64_t one, uint64_t other) {
    return one > other ? one : other;
}

/* Mark the rows of a block that are of the groups from `low` up to `high`. */
#define TALLY_FIND(code, number)                                            \
    do {                                                                    \
        const code *codes = (const code *)tally->codes + block->first;      \
        const number width = (number)(high - low), lowest = (number)low;    \
        const uint32_t cell = (uint32_t)tally->cell;                        \
        const int64_t count = block->count;                                 \
        for (int64_t i = 0; i < count; i++) {                               \
            const number group = (number)codes[i] - lowest;                 \
            own[i] = group < width;                                         \
            cells[i] = (uint64_t)(group < width ? group : 0) * cell;        \
        }                                                                   \
    } while (0)

CLONED static void tally_find_narrow(const Tally *tally, int64_t low, int64_t high,
                                     const TallyBlock *block, uint8_t *RESTRICT own,
                                     uint64_t *RESTRICT cells) {
    TALLY_FIND(int32_t, uint32_t);
}

CLONED static void tally_find_wide(const Tally *tally, int64_t low, int64_t high,
                                   const TallyBlock *block, uint8_t *RESTRICT own,
                                   uint64_t *RESTRICT cells) {
    TALLY_FIND(int64_t, uint64_t);
}

/* Set out the block of rows from `first` on, and ask for their cells. */
static void tally_open(const Tally *tally, int64_t first, int64_t low, int64_t high,
                       TallyBlock *block) {
    const char *cells = tally->cells;
    block->first = first;
    block->count = tally->end - first < TALLY_BLOCK ? tally->end - first : TALLY_BLOCK;
    if (tally->wide) {
        tally_find_wide(tally, low, high, block, block->own, block->cells);
    } else {
        tally_find_narrow(tally, low, high, block, block->own, block->cells);
    }
    for (int64_t i = 0; i < block->count; i++) {
        PREFETCH_WRITE(cells + block->cells[i]);
        PREFETCH_WRITE(PAST(cells + block->cells[i], tally->cell - 1));
    }
}

/* Mark the rows of a block that lie in the window of a choice. */
CLONED static void tally_within(const Tally *tally, const TallyChoice *choice,
                                const TallyBlock *block, uint8_t *RESTRICT marks) {
    const int64_t *placed = tally->placed + block->first;
    const uint64_t low = (uint64_t)choice->low, width = (uint64_t)choice->high - low;
    const uint8_t *own = block->own;
    const int64_t count = choice->low <= choice->high ? block->count : 0;
    for (int64_t i = 0; i < count; i++) {
        marks[i] = own[i] & ((uint64_t)placed[i] - low <= width);
    }
    memset(marks + count, 0, (size_t)(TALLY_BLOCK - count));
}

/* Of the rows within its window, mark those of a choice. */
CLONED static void tally_choose(const Tally *tally, const TallyChoice *choice,
                                const TallyBlock *block, const uint8_t *within,
                                uint8_t *RESTRICT marks) {
    const uint8_t *status = tally->status + block->first;
    const int64_t count = block->count;
    memset(marks, 0, (size_t)count);
    for (int run = 0; run < choice->run_count; run++) {
        const uint8_t first = choice->first[run], more = choice->more[run];
        for (int64_t i = 0; i < count; i++) {
            marks[i] |= within[i] & ((uint8_t)(status[i] - first) <= more);
        }
    }
    if (choice->positive != NULL) {
        const int64_t *positive = choice->positive + block->first;
        for (int64_t i = 0; i < count; i++) marks[i] &= positive[i] > 0;
    }
    if (choice->marked != NULL) {
        const uint8_t *marked = choice->marked + block->first;
        for (int64_t i = 0; i < count; i++) marks[i] &= marked[i] != 0;
    }
}

#if defined(SEVERAL_MARKS)
/* As below, with an instruction that brings the marked of 64 numbers together. */
__attribute__((target("avx512f,avx512bw,avx512vbmi2"))) static void tally_list_several(
    const uint8_t *marks, TallyList *list) {
    static const uint8_t numbers[TALLY_MARKS] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    __m512i rows = _mm512_loadu_si512(numbers);
    list->count = 0;
    for (int at = 0; at < TALLY_BLOCK; at += TALLY_MARKS) {
        const __m512i given = _mm512_loadu_si512(marks + at);
        const __mmask64 kept = _mm512_test_epi8_mask(given, given);
        _mm512_storeu_si512(list->rows + list->count, _mm512_maskz_compress_epi8(kept, rows));
        list->count += (size_t)__builtin_popcountll(kept);
        rows = _mm512_add_epi8(rows, _mm512_set1_epi8(TALLY_MARKS));
    }
}
#endif

/* List the rows that are marked. */
static inline void tally_list(const Tally *tally, const uint8_t *marks, TallyList *list) {
#if defined(SEVERAL_MARKS)
    if (tally->several) {
        tally_list_several(marks, list);
        return;
    }
#endif
    (void)tally;
    size_t kept = 0;
    for (int i = 0; i < TALLY_BLOCK; i++) {
        list->rows[kept] = (uint8_t)i;
        kept += marks[i];
    }
    list->count = kept;
}

/* Do something with the `figure` of each `row` of a list, and count the row where that is asked. */
#define TALLY_EACH(type, action)                                               \
    do {                                                                       \
        if (counts == NULL) {                                                  \
            for (size_t i = 0; i < list->count; i++) {                         \
                const size_t row = list->rows[i];                              \
                type *figure = (type *)(figures + block->cells[row]);          \
                action;                                                        \
            }                                                                  \
        } else {                                                               \
            for (size_t i = 0; i < list->count; i++) {                         \
                const size_t row = list->rows[i];                              \
                type *figure = (type *)(figures + block->cells[row]);          \
                action;                                                        \
                *(uint32_t *)(counts + block->cells[row]) += 1;                \
            }                                                                  \
        }                                                                      \
    } while (0)

static inline void tally_measure(const Tally *tally, const TallyMeasure *measure,
                                 const TallyBlock *block, const TallyList *list) {
    char *figures = tally->cells + measure->at;
    char *counts = measure->counted ? tally->cells + measure[1].at : NULL;
    const int64_t *values = measure->values + block->first;
    const uint64_t turn = tally_turn(measure->take);
    if (measure->take == TALLY_COUNT) {
        TALLY_EACH(uint32_t, *figure += 1);
    } else if (measure->take == TALLY_COUNT_WIDE) {
        TALLY_EACH(uint64_t, *figure += 1);
    } else if (measure->take == TALLY_SUM) {
        TALLY_EACH(uint64_t, *figure += (uint64_t)values[row]);
    } else {
        TALLY_EACH(uint64_t, *figure = tally_greater(*figure, (uint64_t)values[row] ^ turn));
    }
}

static void tally_block(const Tally *tally, const TallyBlock *block) {
    uint8_t within[TALLY_BLOCK], marks[TALLY_BLOCK];
    TallyList list;
    int measure = 0;
    memset(marks, 0, sizeof marks); /* also after the last row */
    for (int i = 0; i < tally->choice_count; i++) {
        const TallyChoice *choice = &tally->choices[i];
        if (i == 0 || choice->low != choice[-1].low || choice->high != choice[-1].high) {
            tally_within(tally, choice, block, within);
        }
        tally_choose(tally, choice, block, within, marks);
        tally_list(tally, marks, &list);
        while (measure < choice->measures_end) {
            tally_measure(tally, &tally->measures[measure], block, &list);
            measure += 1 + tally->measures[measure].counted;
        }
    }
}

/* Tally those of the rows that are of the groups from `low` up to `high`, whose cells nobody else
   writes at the time. */
static inline void tally_groups(const Tally *tally, int64_t low, int64_t high) {
    TallyBlock blocks[2];
    int now = 0;
    if (low == high) return;
    for (int64_t row = tally->start; row < tally->end; row += TALLY_BLOCK, now ^= 1) {
        tally_open(tally, row, low, high, &blocks[now]);
        if (row > tally->start) tally_block(tally, &blocks[now ^ 1]);
    }
    if (tally->start < tally->end) tally_block(tally, &blocks[now ^ 1]);
}

static void tally_fill(const Tally *tally, int64_t start, int64_t end) {
    for (int i = 0; i < tally->measure_count; i++) {
        const TallyMeasure *measure = &tally->measures[i];
        for (int64_t at = start; at < end; at++) {
            measure->result[at] = (int64_t)tally_turn(measure->take);
        }
    }
}

/* Fill the places before those of some groups that no group has, and those after the last group.
   0: a place is not above the one before, or not in the results. */
static int tally_gaps(const Tally *tally, int64_t low, int64_t high) {
    int64_t last = low == 0 ? -1 : tally->place[low - 1];
    if (low > 0 && last < 0) return 0;
    for (int64_t group = low; group < high; group++) {
        int64_t place = tally->place[group];
        if (place <= last || place >= tally->size) return 0;
        if (place > last + 1) tally_fill(tally, last + 1, place);
        last = place;
    }
    if (high == tally->groups) tally_fill(tally, last + 1, tally->size);
    return 1;
}

static void tally_copy(const Tally *tally, const char *cells, int64_t low, int64_t high) {
    for (int i = 0; i < tally->measure_count; i++) {
        const TallyMeasure *measure = &tally->measures[i];
        const char *figure = cells + measure->at;
        const uint64_t turn = tally_turn(measure->take);
        for (int64_t group = low; group < high; group++, figure += tally->cell) {
            uint64_t held = measure->take == TALLY_COUNT ? *(const uint32_t *)figure
                                                         : *(const uint64_t *)figure ^ turn;
            measure->result[tally->place == NULL ? group : tally->place[group]] = (int64_t)held;
        }
    }
}

/* Add the cells that another thread filled for as many groups to those of this one. */
static void tally_join(const Tally *tally, char *cells, const char *others, int64_t groups) {
    for (int i = 0; i < tally->measure_count; i++) {
        const TallyMeasure *measure = &tally->measures[i];
        const size_t end = (size_t)groups * tally->cell;
        for (size_t at = measure->at; at < end; at += tally->cell) {
            char *into = cells + at;
            const uint64_t *wide = (const uint64_t *)(others + at);
            if (measure->take == TALLY_COUNT) {
                *(uint32_t *)into += *(const uint32_t *)(others + at);
            } else if (measure->take == TALLY_COUNT_WIDE || measure->take == TALLY_SUM) {
                *(uint64_t *)into += *wide;
            } else {
                *(uint64_t *)into = tally_greater(*(uint64_t *)into, *wide);
            }
        }
    }
}

/* Bring the groups from `low` up to `high` into the results, from tables that begin with the cell
   of the group `lowest`. 0: a place is not above the one before, or not in the results. */
static inline int tally_results(const Tally *tally, char *const *tables, int count, int64_t lowest,
                                int64_t low, int64_t high) {
    int64_t start = low, end;
    do { /* once also without groups: there may be places to fill */
        const size_t at = (size_t)(start - lowest) * tally->cell;
        end = high - start > TALLY_COPIED ? start + TALLY_COPIED : high;
        for (int i = 1; i < count; i++) {
            tally_join(tally, tables[0] + at, tables[i] + at, end - start);
        }
        if (tally->place != NULL && !tally_gaps(tally, start, end)) return 0;
        tally_copy(tally, tables[0] + at, start, end);
        start = end;
    } while (start < high);
    return 1;
}

#endif
