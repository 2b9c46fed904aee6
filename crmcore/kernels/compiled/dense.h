/* Whole numbers that lie close together: a bit for each number there could be.

   A number is ranked by how many are there below it: those before its group of 64, which are
   noted for each group, and those before it in its group. */

#ifndef CRMCORE_DENSE_H
#define CRMCORE_DENSE_H

#include <stdint.h>

#include "portable.h"

typedef struct {
    uint64_t bits;
    uint64_t before;
} Group;

/* Tell whether each value is above the one before it; for row 0, there is none. */
CLONED
static int rising(const int64_t *values, int64_t first, int64_t last) {
    enum { AT_ONCE = 1 << 12 };
    int falls = 0;
    if (first == 0) first = 1;
    while (first < last && !falls) {
        int64_t stop = last - first < AT_ONCE ? last : first + AT_ONCE;
        for (; first < stop; first++) falls |= values[first] <= values[first - 1];
    }
    return !falls;
}

/* Leave the smallest and the largest value in `ends`. */
CLONED
static void ends_of(const int64_t *values, int64_t first, int64_t last, int64_t *ends) {
    int64_t low = values[first], high = values[first];
    for (int64_t row = first + 1; row < last; row++) {
        int64_t value = values[row];
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    ends[0] = low;
    ends[1] = high;
}

/* Set the bits of some rows, as far above the lowest number as each is. Return 0, and stop, where
   a row is not among the `span` numbers from there on. */
static int mark(
    const int64_t *values, int64_t first, int64_t last, int64_t low, uint64_t span, uint64_t *marks
) {
    for (int64_t row = first; row < last; row++) {
        uint64_t place = (uint64_t)values[row] - (uint64_t)low;
        if (UNLIKELY(place >= span)) return 0;
        marks[place >> 6] |= UINT64_C(1) << (place & 63);
    }
    return 1;
}

/* Bits are counted by the processor where it can: the clones of the callers know. */
ALWAYS_INLINE uint64_t bits_set(uint64_t bits) {
#if defined(__GNUC__) || defined(__clang__)
    return (uint64_t)__builtin_popcountll(bits);
#else
    bits -= (bits >> 1) & UINT64_C(0x5555555555555555);
    bits = (bits & UINT64_C(0x3333333333333333)) + ((bits >> 2) & UINT64_C(0x3333333333333333));
    bits = (bits + (bits >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    return (bits * UINT64_C(0x0101010101010101)) >> 56;
#endif
}

CLONED
static int64_t count_marks(const uint64_t *marks, int64_t first, int64_t last) {
    uint64_t count = 0;
    for (int64_t i = first; i < last; i++) count += bits_set(marks[i]);
    return (int64_t)count;
}

/* Make groups of the marks; return how many marks there are. */
CLONED
static int64_t group(const uint64_t *marks, int64_t count, Group *groups) {
    uint64_t before = 0;
    for (int64_t i = 0; i < count; i++) {
        groups[i] = (Group){marks[i], before};
        before += bits_set(marks[i]);
    }
    return (int64_t)before;
}

/* Write the marked numbers of some groups. */
static void list_groups(
    const Group *groups, int64_t first, int64_t last, int64_t low, int64_t *numbers
) {
    for (int64_t i = first; i < last; i++) {
        int64_t *next = numbers + groups[i].before;
        uint64_t bits = groups[i].bits, number = (uint64_t)low + 64 * (uint64_t)i;
        if (bits == ~UINT64_C(0)) {
            for (uint64_t bit = 0; bit < 64; bit++) next[bit] = (int64_t)(number + bit);
            continue;
        }
        for (; bits != 0; bits >>= 1, number++) {
            *next = (int64_t)number;
            if (bits & 1) next++;
        }
    }
}

/* Write how many marked numbers are below each row. */
CLONED
static void rank_rows(
    const int64_t *values, int64_t first, int64_t last, int64_t low, const Group *groups,
    int32_t *codes
) {
    for (int64_t row = first; row < last; row++) {
        uint64_t place = (uint64_t)values[row] - (uint64_t)low;
        const Group *group = groups + (place >> 6);
        uint64_t below = group->bits & ((UINT64_C(1) << (place & 63)) - 1);
        codes[row] = (int32_t)(group->before + bits_set(below));
    }
}

/* Write how far above the lowest each row is. */
CLONED
static void count_from(
    const int64_t *values, int64_t first, int64_t last, int64_t low, int32_t *codes
) {
    for (int64_t row = first; row < last; row++) {
        codes[row] = (int32_t)((uint64_t)values[row] - (uint64_t)low);
    }
}

#endif
