/* Loops over rows coded to groups.

   Codes are int32 or int64 (`wide`), from 0 to `groups`; the last one means no group. A function
   that looks into a table by code returns 0 when a code is beyond it, and has then read and written
   nothing outside. Sums are of unsigned numbers, which wrap without being undefined. */

#ifndef CRMCORE_GROUPING_H
#define CRMCORE_GROUPING_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "portable.h"

typedef enum { COUNT, SUM, MAGNITUDE, SMALLEST, LARGEST } Take;
typedef enum { MEDIAN, SPREAD, DISTINCT } Figure;

/* Rows whose places in a table are fetched ahead of being changed. */
enum { BLOCK = 256 };

/* Up to this length insertion is the quickest sort. */
enum { SHORT_RUN = 64 };

/* A sum of magnitudes beyond int64 is only known to be so: this stands for all of them. */
#define BEYOND ((uint64_t)1 << 63)

ALWAYS_INLINE uint64_t code_of(const void *codes, int wide, size_t row) {
    return (uint64_t)(wide ? ((const int64_t *)codes)[row] : ((const int32_t *)codes)[row]);
}

static inline uint64_t magnitude(int64_t value) {
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

/* ---- One number for each group ---- */

ALWAYS_INLINE uint64_t joined(Take take, uint64_t left, uint64_t right) {
    uint64_t sum = left + right;
    switch (take) {
    case MAGNITUDE:
        return sum < left || sum > BEYOND ? BEYOND : sum;
    case SMALLEST:
        return (int64_t)right < (int64_t)left ? right : left;
    case LARGEST:
        return (int64_t)right > (int64_t)left ? right : left;
    default:
        return sum;
    }
}

ALWAYS_INLINE uint64_t taken(Take take, const int64_t *values, size_t row) {
    if (take == COUNT) return 1;
    return take == MAGNITUDE ? magnitude(values[row]) : (uint64_t)values[row];
}

ALWAYS_INLINE int fill_as(Take take, int wide, const void *codes, const int64_t *values,
                          size_t rows, uint64_t groups, uint64_t *table) {
    for (size_t from = 0; from < rows; from += BLOCK) {
        size_t until = rows - from < BLOCK ? rows : from + BLOCK;
        int bad = 0;
        for (size_t row = from; row < until; row++) bad |= code_of(codes, wide, row) > groups;
        if (bad) return 0;
        for (size_t row = from; row < until; row++)
            PREFETCH_WRITE(&table[code_of(codes, wide, row)]);
        for (size_t row = from; row < until; row++) {
            uint64_t *place = &table[code_of(codes, wide, row)];
            *place = joined(take, *place, taken(take, values, row));
        }
    }
    return 1;
}

#define FILL(take)                                                             \
    case take:                                                                 \
        return wide ? fill_as(take, 1, codes, values, rows, groups, table)     \
                    : fill_as(take, 0, codes, values, rows, groups, table);

/* Take rows into a table of `groups` + 1 places that holds what is taken of nothing. */
static int fill(Take take, int wide, const void *codes, const int64_t *values, size_t rows,
                uint64_t groups, uint64_t *table) {
    switch (take) {
        FILL(COUNT)
        FILL(SUM)
        FILL(MAGNITUDE)
        FILL(SMALLEST)
        FILL(LARGEST)
    }
    return 0;
}

/* Take a table of other rows into the first one. */
static void join(Take take, uint64_t *table, const uint64_t *other, size_t places) {
    for (size_t i = 0; i < places; i++) table[i] = joined(take, table[i], other[i]);
}

/* The greatest magnitude among values. */
static uint64_t reach(const int64_t *values, size_t rows) {
    int64_t least = 0, most = 0;
    for (size_t row = 0; row < rows; row++) {
        least = values[row] < least ? values[row] : least;
        most = values[row] > most ? values[row] : most;
    }
    return magnitude(least) > (uint64_t)most ? magnitude(least) : (uint64_t)most;
}

/* ---- Rows brought together by group: first into buckets of neighbouring groups ---- */

/* The rows of no group, and those with a value below `floor`, stand in a last bucket of their own,
   so that no branch depends on them. */
ALWAYS_INLINE size_t bucket_of(uint64_t code, int64_t value, int64_t floor, uint64_t groups,
                               int shift) {
    size_t none = (size_t)((groups + ((uint64_t)1 << shift) - 1) >> shift);
    return code < groups && value >= floor ? (size_t)(code >> shift) : none;
}

ALWAYS_INLINE int count_as(int wide, const void *codes, const int64_t *values, int64_t floor,
                           size_t rows, uint64_t groups, int shift, int64_t *counts) {
    int bad = 0;
    for (size_t row = 0; row < rows; row++) {
        uint64_t code = code_of(codes, wide, row);
        bad |= code > groups;
        counts[bucket_of(code, values[row], floor, groups, shift)]++;
    }
    return !bad;
}

/* Count the rows of each bucket. */
static int count_buckets(int wide, const void *codes, const int64_t *values, int64_t floor,
                         size_t rows, uint64_t groups, int shift, int64_t *counts) {
    return wide ? count_as(1, codes, values, floor, rows, groups, shift, counts)
                : count_as(0, codes, values, floor, rows, groups, shift, counts);
}

ALWAYS_INLINE void part_as(int wide, const void *codes, const int64_t *values, int64_t floor,
                           size_t rows, uint64_t groups, int shift, int64_t *places,
                           uint32_t *members, int64_t *parted) {
    uint64_t mask = ((uint64_t)1 << shift) - 1;
    for (size_t row = 0; row < rows; row++) {
        uint64_t code = code_of(codes, wide, row);
        int64_t place = places[bucket_of(code, values[row], floor, groups, shift)]++;
        members[place] = (uint32_t)(code & mask);
        parted[place] = values[row];
    }
}

/* Bring rows into their buckets, from `places` on: the number within the bucket, and the value. */
static void part(int wide, const void *codes, const int64_t *values, int64_t floor, size_t rows,
                 uint64_t groups, int shift, int64_t *places, uint32_t *members,
                 int64_t *parted) {
    if (wide)
        part_as(1, codes, values, floor, rows, groups, shift, places, members, parted);
    else
        part_as(0, codes, values, floor, rows, groups, shift, places, members, parted);
}

/* Bring the rows of one bucket together by group; `ends` says where each group ends. */
static void gather(const uint32_t *members, const int64_t *values, size_t rows, size_t width,
                   size_t *ends, int64_t *gathered) {
    memset(ends, 0, width * sizeof *ends);
    for (size_t row = 0; row < rows; row++) ends[members[row]]++;
    size_t before = 0;
    for (size_t group = 0; group < width; group++) {
        size_t count = ends[group];
        ends[group] = before;
        before += count;
    }
    for (size_t row = 0; row < rows; row++) gathered[ends[members[row]]++] = values[row];
}

/* ---- Sorting the values of one group: linear in their number, whatever they are ---- */

static void sort_short(int64_t *run, size_t length) {
    for (size_t i = 1; i < length; i++) {
        int64_t value = run[i];
        size_t place = i;
        for (; place > 0 && run[place - 1] > value; place--) run[place] = run[place - 1];
        run[place] = value;
    }
}

/* Sort by one digit of what each value is above the least; return 0 when all have the same. */
static int sort_digit(const int64_t *run, size_t length, uint64_t least, int shift,
                      int64_t *sorted) {
    size_t places[256] = {0}, before = 0;
    for (size_t i = 0; i < length; i++) places[((uint64_t)run[i] - least) >> shift & 255]++;
    if (places[((uint64_t)run[0] - least) >> shift & 255] == length) return 0;
    for (size_t digit = 0; digit < 256; digit++) {
        size_t count = places[digit];
        places[digit] = before;
        before += count;
    }
    for (size_t i = 0; i < length; i++)
        sorted[places[((uint64_t)run[i] - least) >> shift & 255]++] = run[i];
    return 1;
}

static void sort_long(int64_t *run, size_t length, int64_t *spare) {
    int64_t least = run[0], most = run[0], *from = run, *to = spare;
    int ascending = 1;
    for (size_t i = 1; i < length; i++) {
        ascending &= run[i] >= run[i - 1];
        least = run[i] < least ? run[i] : least;
        most = run[i] > most ? run[i] : most;
    }
    if (ascending) return;
    uint64_t span = (uint64_t)most - (uint64_t)least;
    for (int shift = 0; shift < 64 && span >> shift != 0; shift += 8) {
        if (!sort_digit(from, length, (uint64_t)least, shift, to)) continue;
        int64_t *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != run) memcpy(run, from, length * sizeof *run);
}

/* Sort a run of values, with as much room to spare. */
static void sort_run(int64_t *run, size_t length, int64_t *spare) {
    if (length <= SHORT_RUN)
        sort_short(run, length);
    else
        sort_long(run, length, spare);
}

/* ---- Figures of ascending values ---- */

static double spread_of(const int64_t *run, size_t length) {
    if (length < 2) return 0.0;
    uint64_t total = 0;
    for (size_t i = 0; i < length; i++) total += (uint64_t)run[i];
    double mean = (double)(int64_t)total / (double)length, squares = 0.0;
    for (size_t i = 0; i < length; i++) {
        double deviation = (double)run[i] - mean;
        squares += deviation * deviation;
    }
    return sqrt(squares / (double)(length - 1));
}

static int64_t distinct_of(const int64_t *run, size_t length) {
    int64_t found = length > 0;
    for (size_t i = 1; i < length; i++) found += run[i] != run[i - 1];
    return found;
}

/* Buckets of rows as `part` leaves them, and the room for one of them. */
typedef struct {
    const int64_t *starts; /* where each bucket begins; one more: where the last one ends */
    const uint32_t *members;
    int64_t *values; /* used as room to spare once they are gathered */
    uint64_t groups;
    int shift;
    size_t *ends;      /* room for each group of a bucket */
    int64_t *gathered; /* room for each row of a bucket */
} Parted;

/* Bring one bucket together; return the number of its groups. */
static size_t open_bucket(const Parted *all, size_t bucket, uint64_t *first) {
    int64_t from = all->starts[bucket];
    *first = (uint64_t)bucket << all->shift;
    uint64_t width = (uint64_t)1 << all->shift;
    if (all->groups - *first < width) width = all->groups - *first;
    gather(all->members + from, all->values + from, (size_t)(all->starts[bucket + 1] - from),
           (size_t)width, all->ends, all->gathered);
    return (size_t)width;
}

/* Work out the figure of each group in the buckets from `low` to before `high`. */
static void figures(Figure figure, const Parted *all, size_t low, size_t high, void *result) {
    for (size_t bucket = low; bucket < high; bucket++) {
        uint64_t first;
        size_t width = open_bucket(all, bucket, &first), start = 0;
        int64_t *spare = all->values + all->starts[bucket];
        for (size_t group = 0; group < width; start = all->ends[group++]) {
            int64_t *run = all->gathered + start;
            size_t length = all->ends[group] - start;
            sort_run(run, length, spare + start);
            if (figure == SPREAD)
                ((double *)result)[first + group] = spread_of(run, length);
            else if (figure == DISTINCT)
                ((int64_t *)result)[first + group] = distinct_of(run, length);
            else
                ((int64_t *)result)[first + group] = length ? run[(length - 1) / 2] : 0;
        }
    }
}

/* Write the gaps of the groups in some buckets over their values, and the group of each gap into
   `codes`, both from where the first bucket begins; return their number. */
static size_t gaps_of(const Parted *all, size_t low, size_t high, int wide, void *codes) {
    size_t begin = (size_t)all->starts[low], place = begin;
    for (size_t bucket = low; bucket < high; bucket++) {
        uint64_t first;
        size_t width = open_bucket(all, bucket, &first), start = 0;
        int64_t *spare = all->values + all->starts[bucket];
        for (size_t group = 0; group < width; start = all->ends[group++]) {
            int64_t *run = all->gathered + start;
            size_t length = all->ends[group] - start;
            sort_run(run, length, spare + start);
            for (size_t i = 1; i < length; i++, place++) {
                all->values[place] = (int64_t)((uint64_t)run[i] - (uint64_t)run[i - 1]);
                if (wide)
                    ((int64_t *)codes)[place] = (int64_t)(first + group);
                else
                    ((int32_t *)codes)[place] = (int32_t)(first + group);
            }
        }
    }
    return place - begin;
}

#endif
