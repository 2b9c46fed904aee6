/* Entries in order of their words: by the highest digit that tells them apart, then each part
   by its next one. Digits that are the same in all entries cost nothing. */

#ifndef CRMCORE_SORTING_H
#define CRMCORE_SORTING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "portable.h"

typedef struct {
    uint64_t word;
    uint64_t place;
} Entry;

enum { FEW = 24, DIGITS = 8 };

static inline int width(uint64_t bits) {
    int result = 0;
#if defined(__GNUC__) || defined(__clang__)
    if (bits != 0) result = 64 - __builtin_clzll(bits);
#else
    for (; bits != 0; bits >>= 1) result++;
#endif
    return result;
}

static inline void sort_few(Entry *entries, size_t count) {
    for (size_t i = 1; i < count; i++) {
        Entry entry = entries[i];
        size_t at = i;
        for (; at > 0 && entries[at - 1].word > entry.word; at--) entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

/* Sort entries; `other` has room for as many. Each call looks at further bits: at most 64 deep. */
static void sort_entries(Entry *entries, Entry *other, size_t count) {
    if (count <= FEW) {
        sort_few(entries, count);
        return;
    }
    uint64_t differ = 0;
    for (size_t i = 1; i < count; i++) differ |= entries[i].word ^ entries[0].word;
    int top = width(differ), digits = width(count) - 2;
    if (top == 0) return;
    if (digits > DIGITS) digits = DIGITS;
    if (digits > top) digits = top;
    int shift = top - digits;
    size_t mask = ((size_t)1 << digits) - 1, ends[1 << DIGITS] = {0}, at = 0;
    for (size_t i = 0; i < count; i++) ends[(entries[i].word >> shift) & mask]++;
    for (size_t digit = 0; digit <= mask; digit++) {
        at += ends[digit];
        ends[digit] = at - ends[digit];
    }
    for (size_t i = 0; i < count; i++) other[ends[(entries[i].word >> shift) & mask]++] = entries[i];
    memcpy(entries, other, count * sizeof *entries);
    for (size_t digit = 0, start = 0; digit <= mask && shift > 0; start = ends[digit++]) {
        if (ends[digit] - start > 1) sort_entries(entries + start, other, ends[digit] - start);
    }
}

/* The words of full slots from `first` to `last` of a table of keys of one or two words; with
   `rows`, all words, and each stands for its row. `flip` takes the mask off, and makes signed
   numbers ascend as unsigned ones. */

/* Leave in `bits` the bits that are set in any word, and those set in all of them. */
static void words_bits(
    const uint64_t *slots, int64_t first, int64_t last, int words, const int32_t *rows,
    uint64_t flip, uint64_t *bits
) {
    uint64_t any = 0, all = ~UINT64_C(0), every = rows != NULL;
    for (int64_t slot = first; slot < last; slot++) {
        uint64_t word = slots[slot * words];
        uint64_t there = 0 - ((word != 0) | every);
        any |= (word ^ flip) & there;
        all &= (word ^ flip) | ~there;
    }
    bits[0] = any;
    bits[1] = all;
}

/* Count the words by the digit above `shift`. */
static void words_count(
    const uint64_t *slots, int64_t first, int64_t last, int words, const int32_t *rows,
    uint64_t flip, int shift, uint64_t mask, int64_t *counts
) {
    for (int64_t slot = first; slot < last; slot++) {
        uint64_t word = slots[slot * words];
        counts[((word ^ flip) >> shift) & mask] += (word != 0) | (rows != NULL);
    }
}

/* Write an entry for each word where the entries of its digit go on. */
static void words_gather(
    const uint64_t *slots, int64_t first, int64_t last, int words, const int32_t *rows,
    uint64_t flip, int shift, uint64_t mask, int64_t *places, Entry *entries
) {
    enum { AT_ONCE = 256 };
    int64_t full[AT_ONCE];
    while (first < last) {
        int64_t stop = last - first < AT_ONCE ? last : first + AT_ONCE, found = 0;
        for (; first < stop; first++) {
            full[found] = first;
            found += (slots[first * words] != 0) | (rows != NULL);
        }
        for (int64_t i = 0; i < found; i++) {
            uint64_t word = slots[full[i] * words] ^ flip;
            uint64_t place = (uint64_t)(rows == NULL ? full[i] : rows[full[i]]);
            entries[places[(word >> shift) & mask]++] = (Entry){word, place};
        }
    }
}

/* Sort entries of keys of two words, which are already in order of the first one. */
static void sort_second(
    Entry *entries, Entry *other, size_t count, const uint64_t *slots, uint64_t flip
) {
    for (size_t first = 0, last; first < count; first = last) {
        uint64_t word = entries[first].word;
        for (last = first + 1; last < count && entries[last].word == word;) last++;
        if (last - first == 1) continue;
        for (size_t i = first; i < last; i++) {
            entries[i].word = slots[2 * entries[i].place + 1] ^ flip;
        }
        sort_entries(entries + first, other, last - first);
    }
}

/* Rank the slots of sorted entries, and write their keys. */
static void entries_rank(
    const Entry *entries, int64_t first, int64_t last, const uint64_t *slots, int words,
    uint64_t mask, int32_t *ranks, uint64_t *keys
) {
    enum { AHEAD = 16 };
    for (int64_t i = first; i < last; i++) {
        if (i + AHEAD < last) {
            PREFETCH_READ(slots + entries[i + AHEAD].place * (uint64_t)words);
            PREFETCH_WRITE(ranks + entries[i + AHEAD].place);
        }
        const uint64_t *key = slots + entries[i].place * (uint64_t)words;
        ranks[entries[i].place] = (int32_t)i;
        for (int word = 0; word < words; word++) keys[i * words + word] = key[word] ^ mask;
    }
}

/* Put ranks in the place of slots. */
static void ranked(int32_t *codes, int64_t first, int64_t last, const int32_t *ranks) {
    for (int64_t row = first; row < last; row++) codes[row] = ranks[codes[row]];
}

#endif
