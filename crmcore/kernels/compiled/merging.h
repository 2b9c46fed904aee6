/* Two ascending columns of distinct values as one: where each value of either stands in it. */

#ifndef CRMCORE_MERGING_H
#define CRMCORE_MERGING_H

#include <stdint.h>
#include <string.h>

#include "reading.h"

enum { INTS = 0, FIXED = 1, TEXTS = 2 };

static inline int compare(int kind, const Column *left, int64_t at, const Column *right, int64_t to) {
    if (kind == TEXTS) return compare_texts(left, at, right, to);
    if (kind == FIXED) return memcmp(left->data + 16 * at, right->data + 16 * to, 16);
    int64_t one = ((const int64_t *)(const void *)left->data)[at];
    int64_t other = ((const int64_t *)(const void *)right->data)[to];
    return (one > other) - (one < other);
}

/* Write the places in the union; return how many values that has. */
static inline int64_t merge_kind(
    int kind, const Column *left, int64_t lefts, const Column *right, int64_t rights,
    int64_t *place_of_left, int64_t *place_of_right
) {
    int64_t at = 0, to = 0, place = 0;
    for (; at < lefts && to < rights; place++) {
        int order = compare(kind, left, at, right, to);
        place_of_left[at] = place;
        place_of_right[to] = place;
        at += order <= 0;
        to += order >= 0;
    }
    for (; at < lefts; at++) place_of_left[at] = place++;
    for (; to < rights; to++) place_of_right[to] = place++;
    return place;
}

static int64_t merge_places(
    int kind, const Column *left, int64_t lefts, const Column *right, int64_t rights,
    int64_t *place_of_left, int64_t *place_of_right
) {
    switch (kind) {
        case INTS: return merge_kind(INTS, left, lefts, right, rights, place_of_left, place_of_right);
        case FIXED: return merge_kind(FIXED, left, lefts, right, rights, place_of_left, place_of_right);
        default: return merge_kind(TEXTS, left, lefts, right, rights, place_of_left, place_of_right);
    }
}

#endif
