/* Values against edges, row by row. */

#ifndef CRMCORE_BANDING_H
#define CRMCORE_BANDING_H

#include <stdint.h>
#include <string.h>

#include "portable.h"

enum { BANDING_CHUNK = 1024, BANDING_MANY_EDGES = 24 };

/* How numbers are stored. */
enum { IS_INT64, IS_INT32, IS_FLOAT64 };

/* A signed number of 128 bits. */
typedef struct {
    int64_t high;
    uint64_t low;
} Wide;

/* The product with a number that is not negative. */
static inline Wide wide_product(int64_t left, int64_t right) {
    uint64_t high, low = multiply_wide((uint64_t)left, (uint64_t)right, &high);
    Wide product = {(int64_t)(left < 0 ? high - (uint64_t)right : high), low};
    return product;
}

static inline int wide_reaches(Wide value, Wide edge) {
    return (value.high > edge.high) | ((value.high == edge.high) & (value.low >= edge.low));
}

/* Count the edges that are reached by halving the part where the last of them may be; every row
   takes the same steps, so that nothing has to be foreseen. */
#define COUNT_REACHED(PLACE, COUNT, REACHES)                               \
    do {                                                                   \
        int64_t base_ = 0, left_ = (COUNT);                                \
        while (left_ > 0) {                                                \
            int64_t half_ = (left_ + 1) / 2;                               \
            base_ += half_ & -(int64_t)(REACHES(base_ + half_ - 1));       \
            left_ -= half_;                                                \
        }                                                                  \
        (PLACE) = base_;                                                   \
    } while (0)

/* Few edges are all looked at, which processors do for several rows at once. */
#define REACHED(NAME, TYPE)                                                                   \
    static inline void NAME(const TYPE *RESTRICT values, int64_t rows,                        \
                            const TYPE *RESTRICT edges, int64_t count,                        \
                            int64_t *RESTRICT places) {                                       \
        if (count > BANDING_MANY_EDGES) {                                                     \
            for (int64_t row = 0; row < rows; row++)                                          \
                COUNT_REACHED(places[row], count, REACHES);                                   \
            return;                                                                           \
        }                                                                                     \
        for (int64_t row = 0; row < rows; row++) places[row] = 0;                             \
        int64_t at = 0;                                                                       \
        for (; at + 3 < count; at += 4) {                                                     \
            TYPE one = edges[at], two = edges[at + 1], three = edges[at + 2];                 \
            TYPE four = edges[at + 3];                                                        \
            for (int64_t row = 0; row < rows; row++)                                          \
                places[row] += (int64_t)(values[row] >= one) + (values[row] >= two) +         \
                               (values[row] >= three) + (values[row] >= four);                \
        }                                                                                     \
        for (; at < count; at++) {                                                            \
            TYPE one = edges[at];                                                             \
            for (int64_t row = 0; row < rows; row++) places[row] += values[row] >= one;       \
        }                                                                                     \
    }
#define REACHES(AT) (values[row] >= edges[AT])
REACHED(reached_ints, int64_t)
REACHED(reached_floats, double)
#undef REACHES
#undef REACHED

/* A ratio times the scale reaches an edge where its numerator times the scale reaches the edge
   times its divisor. */
static inline void reached_ratios(const int64_t *values, const int64_t *divisors, int64_t scale,
                                  int64_t rows, const int64_t *edges, int64_t count,
                                  int64_t *RESTRICT places) {
    for (int64_t row = 0; row < rows; row++) {
        int64_t divisor = divisors[row] < 1 ? 1 : divisors[row];
        Wide value = wide_product(values[row], scale);
#define REACHES(AT) wide_reaches(value, wide_product(edges[AT], divisor))
        COUNT_REACHED(places[row], count, REACHES);
#undef REACHES
    }
}

/* Round ratios times the scale down, which is enough to compare with whole edges; tell whether
   their numerators times the scale fit in 64 bits, so that this was possible. */
static inline int rounded_down(const int64_t *values, const int64_t *divisors, int64_t scale,
                               int64_t rows, int64_t *RESTRICT whole) {
    int64_t most = INT64_MAX / scale, far = 0;
    for (int64_t row = 0; row < rows; row++)
        far |= (scale > 1) & ((values[row] > most) | (values[row] < -most));
    if (far) return 0;
    for (int64_t row = 0; row < rows; row++) {
        int64_t value = values[row] * scale, divisor = divisors[row] < 1 ? 1 : divisors[row];
        int64_t quotient = value / divisor;
        whole[row] = quotient - (value - quotient * divisor < 0);
    }
    return 1;
}

typedef struct {
    const void *edges;
    int64_t count;
    const void *outcomes; /* one more than edges, and one for what is not known */
    int width;            /* bytes of an outcome */
    const uint8_t *there; /* entry by entry as the outcomes; NULL: not asked for */
    int64_t scale;
} Bands;

typedef struct {
    const void *values;
    int kind;
    const int64_t *divisors; /* NULL: no ratios */
    const uint8_t *known;    /* NULL: everywhere */
} Banded;

/* Return how many edges each row reaches, and one more than all for what is not known. */
static inline void places_of(const Bands *bands, const Banded *rows, int64_t first, int64_t size,
                             int64_t *RESTRICT places) {
    int64_t made[BANDING_CHUNK];
    const int64_t *edges = (const int64_t *)bands->edges, *values = made;
    if (rows->kind == IS_FLOAT64) {
        reached_floats((const double *)rows->values + first, size, (const double *)bands->edges,
                       bands->count, places);
    } else {
        if (rows->kind == IS_INT64) values = (const int64_t *)rows->values + first;
        else
            for (int64_t row = 0; row < size; row++)
                made[row] = ((const int32_t *)rows->values)[first + row];
        const int64_t *divisors = rows->divisors == NULL ? NULL : rows->divisors + first;
        if (divisors != NULL && !rounded_down(values, divisors, bands->scale, size, made))
            reached_ratios(values, divisors, bands->scale, size, edges, bands->count, places);
        else
            reached_ints(divisors == NULL ? values : made, size, edges, bands->count, places);
    }
    if (rows->known != NULL)
        for (int64_t row = 0; row < size; row++) {
            int64_t known = -(int64_t)(rows->known[first + row] != 0);
            places[row] = (places[row] & known) | ((bands->count + 1) & ~known);
        }
}

#define GIVE(TYPE)                                                                         \
    for (int64_t row = 0; row < size; row++)                                               \
        ((TYPE *)found)[first + row] = ((const TYPE *)bands->outcomes)[places[row]]

/* Fill in the outcomes of the rows from `first` to `last`, and where there is one. */
CLONED static void band_rows(const Bands *bands, const Banded *rows, int64_t first, int64_t last,
                             void *found, uint8_t *has) {
    int64_t places[BANDING_CHUNK];
    for (; first < last; first += BANDING_CHUNK) {
        int64_t size = last - first < BANDING_CHUNK ? last - first : BANDING_CHUNK;
        places_of(bands, rows, first, size, places);
        switch (bands->width) {
        case 1: GIVE(uint8_t); break;
        case 2: GIVE(uint16_t); break;
        case 4: GIVE(uint32_t); break;
        default: GIVE(uint64_t);
        }
        if (bands->there != NULL)
            for (int64_t row = 0; row < size; row++) has[first + row] = bands->there[places[row]];
    }
}

#undef GIVE

/* Add a column times its weight; what leaves 64 bits wraps. */
static inline void add_weighed(const void *values, int kind, int64_t first, int64_t size,
                               int64_t weight, uint64_t *RESTRICT total) {
    if (kind == IS_INT32)
        for (int64_t row = 0; row < size; row++)
            total[row] +=
                (uint64_t)(int64_t)((const int32_t *)values)[first + row] * (uint64_t)weight;
    else
        for (int64_t row = 0; row < size; row++)
            total[row] += (uint64_t)((const int64_t *)values)[first + row] * (uint64_t)weight;
}

typedef struct {
    const void *values;
    int kind;
    int64_t weight;
} Weighed;

CLONED static void weigh_rows(const Weighed *columns, int64_t count, int64_t first, int64_t last,
                              void *found, int kind) {
    uint64_t total[BANDING_CHUNK];
    for (; first < last; first += BANDING_CHUNK) {
        int64_t size = last - first < BANDING_CHUNK ? last - first : BANDING_CHUNK;
        memset(total, 0, sizeof total);
        for (int64_t at = 0; at < count; at++)
            add_weighed(columns[at].values, columns[at].kind, first, size, columns[at].weight,
                        total);
        if (kind == IS_INT32)
            for (int64_t row = 0; row < size; row++)
                ((int32_t *)found)[first + row] = (int32_t)(uint32_t)total[row];
        else
            memcpy((int64_t *)found + first, total, (size_t)size * sizeof *total);
    }
}

typedef struct {
    const int64_t *cuts;
    int64_t count;
    const int64_t *offsets;
    const int64_t *floors; /* NULL: not needed */
    int64_t last;
} Offsets;

#define DAY_US INT64_C(86400000000)

static inline int64_t day_of(int64_t instant, int64_t offset) {
    int64_t wall = (int64_t)((uint64_t)instant + (uint64_t)offset);
    return wall / DAY_US - (wall % DAY_US < 0);
}

CLONED static void days_of_rows(const Offsets *zone, const int64_t *instants, int64_t first,
                                int64_t last, int64_t *days) {
    int64_t places[BANDING_CHUNK];
    for (; first < last; first += BANDING_CHUNK) {
        int64_t size = last - first < BANDING_CHUNK ? last - first : BANDING_CHUNK;
        reached_ints(instants + first, size, zone->cuts, zone->count, places);
        for (int64_t row = 0; row < size; row++) {
            int64_t day = day_of(instants[first + row], zone->offsets[places[row]]);
            if (zone->floors != NULL && day < zone->floors[places[row]])
                day = zone->floors[places[row]];
            days[first + row] = day > zone->last ? zone->last : day;
        }
    }
}

#undef DAY_US
#undef COUNT_REACHED

#endif
