/* Whole numbers that lie close together: a byte, or a bit, for each number there could be. */

#ifndef CRMCORE_DENSE_H
#define CRMCORE_DENSE_H

#include <stdint.h>

#include "portable.h"

/* Leave the smallest and the largest value in `ends`; return whether each is above the last. */
static int ends_of(const int64_t *values, int64_t first, int64_t last, int64_t *ends) {
    int64_t low = values[first], high = values[first];
    int rising = first == 0 || values[first] > values[first - 1];
    for (int64_t row = first + 1; row < last; row++) {
        int64_t value = values[row];
        rising &= value > values[row - 1];
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    ends[0] = low;
    ends[1] = high;
    return rising;
}

/* Note which numbers there are, and write how far above the lowest each row is.
   Several threads may write the same byte: all of them write 1. */
static void mark(
    const int64_t *values, int64_t first, int64_t last, int64_t low, uint8_t *present,
    int32_t *codes
) {
    for (int64_t row = first; row < last; row++) {
        uint64_t place = (uint64_t)values[row] - (uint64_t)low;
        present[place] = 1;
        codes[row] = (int32_t)place;
    }
}

/* Tell whether a number occurs twice among some rows; a bit for each is set in `bits`. */
static int twice_among(
    const int64_t *values, int64_t first, int64_t last, int64_t low, uint64_t *bits
) {
    enum { AT_ONCE = 1 << 12 };
    uint64_t found = 0;
    while (first < last && found == 0) {
        int64_t stop = last - first < AT_ONCE ? last : first + AT_ONCE;
        for (; first < stop; first++) {
            uint64_t place = (uint64_t)values[first] - (uint64_t)low;
            uint64_t before = bits[place >> 6];
            found |= before >> (place & 63) & 1;
            bits[place >> 6] = before | UINT64_C(1) << (place & 63);
        }
    }
    return found != 0;
}

#endif
