/* One pass over a column of integers. */

#ifndef CRMCORE_SURVEYING_H
#define CRMCORE_SURVEYING_H

#include <stddef.h>
#include <stdint.h>

#include "portable.h"

typedef struct {
    int64_t least;
    int64_t greatest;
    int64_t zeros;
    int64_t negatives;
} Survey;

/* Look at `size` values, at least one. */
CLONED static Survey survey_values(const int64_t *values, ptrdiff_t size) {
    int64_t least = values[0], greatest = values[0], zeros = 0, negatives = 0;
    for (ptrdiff_t at = 0; at < size; at++) {
        int64_t value = values[at];
        least = value < least ? value : least;
        greatest = value > greatest ? value : greatest;
        zeros += value == 0;
        negatives += value < 0;
    }
    Survey found = {least, greatest, zeros, negatives};
    return found;
}

static inline Survey both(Survey one, Survey other) {
    Survey found = {
        one.least < other.least ? one.least : other.least,
        one.greatest > other.greatest ? one.greatest : other.greatest,
        one.zeros + other.zeros,
        one.negatives + other.negatives,
    };
    return found;
}

CLONED static int64_t count_above(const int64_t *values, ptrdiff_t size, int64_t bound) {
    int64_t count = 0;
    for (ptrdiff_t at = 0; at < size; at++) count += values[at] > bound;
    return count;
}

/* Store the rows of negative values, of which the first is row `first`; return how many.
   There must be room for as many rows as values. */
static ptrdiff_t negative_rows(const int64_t *values, ptrdiff_t size, int64_t first,
                               int64_t *rows) {
    enum { AT_ONCE = 16 };
    ptrdiff_t count = 0;
    for (ptrdiff_t at = 0, stop; at < size; at = stop) {
        int64_t signs = 0;
        stop = size - at < AT_ONCE ? size : at + AT_ONCE;
        for (ptrdiff_t i = at; i < stop; i++) signs |= values[i];
        if (signs >= 0) continue;
        for (ptrdiff_t i = at; i < stop; i++) {
            rows[count] = first + i;
            count += values[i] < 0;
        }
    }
    return count;
}

enum { TRANSLATED_AT_ONCE = 4096 };

/* Store the entry of each code, `table[code + 1]`. Return 1, having stored some of them, where a
   code has none. */
#define TRANSLATE(NAME, CODE)                                                                    \
    CLONED static int NAME(const CODE *codes, ptrdiff_t size, const uint8_t *table,              \
                           uint64_t entries, uint8_t *found) {                                   \
        for (ptrdiff_t at = 0, stop; at < size; at = stop) {                                     \
            stop = size - at < TRANSLATED_AT_ONCE ? size : at + TRANSLATED_AT_ONCE;              \
            int strange = 0;                                                                     \
            for (ptrdiff_t i = at; i < stop; i++) strange |= (uint64_t)codes[i] + 1 >= entries;  \
            if (strange) return 1;                                                               \
            for (ptrdiff_t i = at; i < stop; i++) found[i] = table[(uint64_t)codes[i] + 1];      \
        }                                                                                        \
        return 0;                                                                                \
    }
TRANSLATE(translate_int8, int8_t)
TRANSLATE(translate_int16, int16_t)
TRANSLATE(translate_int32, int32_t)
TRANSLATE(translate_int64, int64_t)
TRANSLATE(translate_uint8, uint8_t)
TRANSLATE(translate_uint16, uint16_t)
TRANSLATE(translate_uint32, uint32_t)

#endif
