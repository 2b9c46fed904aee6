/* Texts of different rows in order, beside each other, and against what they were coded to. */

#ifndef CRMCORE_TEXTS_H
#define CRMCORE_TEXTS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "reading.h"
#include "sorting.h"

/* Texts that begin alike for longer than this are left to the caller. */
enum { DEEPEST = 1 << 12 };

/* The eight bytes of a text after `depth`; zeros where it has ended. */
static inline uint64_t text_word(const Column *texts, int64_t row, int64_t depth) {
    int64_t start = offset(texts, row) + depth, end = offset(texts, row + 1);
    return end <= start ? 0 : load_part(texts->data + start, end - start);
}

/* How many bytes the texts of some rows, and that of the first row of all, begin with alike. */
static int64_t common_start(
    const Column *texts, const int32_t *rows, int64_t first, int64_t last
) {
    int64_t common = offset(texts, rows[0] + 1) - offset(texts, rows[0]);
    const uint8_t *start = texts->data + offset(texts, rows[0]);
    enum { AHEAD = 16 };
    for (int64_t i = first; i < last && common > 0; i++) {
        if (i + AHEAD < last) PREFETCH_READ(texts->data + offset(texts, rows[i + AHEAD]));
        const uint8_t *text = texts->data + offset(texts, rows[i]);
        int64_t length = offset(texts, rows[i] + 1) - offset(texts, rows[i]), same = 0;
        if (length < common) common = length;
        while (same < common && text[same] == start[same]) same++;
        common = same;
    }
    return common;
}

static void text_words(
    const Column *texts, const int32_t *rows, int64_t first, int64_t last, int64_t depth,
    uint64_t *words
) {
    enum { AHEAD = 16 };
    for (int64_t i = first; i < last; i++) {
        if (i + AHEAD < last) {
            PREFETCH_READ(PAST(texts->data + offset(texts, rows[i + AHEAD]), depth));
        }
        words[i] = text_word(texts, rows[i], depth);
    }
}

/* Put the texts that have ended before `end` to the front, by length; return how many they are.
   Those of a run are alike to where they end, so that no two are of the same length. */
static size_t ended_first(const Column *texts, Entry *entries, size_t count, int64_t end) {
    size_t ended = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t row = (int64_t)entries[i].place;
        int64_t length = offset(texts, row + 1) - offset(texts, row);
        if (length > end) continue;
        Entry entry = entries[i];
        entries[i] = entries[ended];
        entry.word = (uint64_t)length;
        entries[ended++] = entry;
    }
    sort_few(entries, ended);
    return ended;
}

/* Sort texts that are in order of their eight bytes after `depth`; return 0 where that goes too
   deep. An entry's place is its row. */
static int sort_texts(
    const Column *texts, Entry *entries, Entry *other, size_t count, int64_t depth, int level
) {
    if (level > DEEPEST / 8) return 0;
    for (size_t first = 0, last; first < count; first = last) {
        uint64_t word = entries[first].word;
        for (last = first + 1; last < count && entries[last].word == word;) last++;
        if (last - first == 1) continue;
        size_t ended = ended_first(texts, entries + first, last - first, depth + 8);
        Entry *rest = entries + first + ended;
        size_t left = last - first - ended;
        for (size_t i = 0; i < left; i++) {
            rest[i].word = text_word(texts, (int64_t)rest[i].place, depth + 8);
        }
        sort_entries(rest, other, left);
        if (!sort_texts(texts, rest, other, left, depth + 8, level + 1)) return 0;
    }
    return 1;
}

/* Copy the texts of some rows to where `ends` says they begin. */
static void copy_texts(
    const Column *texts, const int32_t *rows, int64_t first, int64_t last, const int64_t *ends,
    uint8_t *data
) {
    enum { AHEAD = 16 };
    for (int64_t i = first; i < last; i++) {
        if (i + AHEAD < last) PREFETCH_READ(texts->data + offset(texts, rows[i + AHEAD]));
        size_t length = (size_t)(ends[i + 1] - ends[i]);
        if (length > 0) memcpy(data + ends[i], texts->data + offset(texts, rows[i]), length);
    }
}

/* Copy each text to where the text at its place ends up. */
static void place_texts(
    const Column *texts, const int64_t *places, int64_t first, int64_t last, const int64_t *ends,
    uint8_t *data
) {
    for (int64_t i = first; i < last; i++) {
        int64_t at = ends[places[i]];
        size_t length = (size_t)(ends[places[i] + 1] - at);
        if (length > 0) memcpy(data + at, texts->data + offset(texts, i), length);
    }
}

/* Tell whether two stretches of bytes are the same: most are short, and a call takes longer. */
static inline int same_bytes(const uint8_t *left, const uint8_t *right, int64_t length) {
    if (length < 8) {
        int64_t at = 0;
        while (at < length && left[at] == right[at]) at++;
        return at == length;
    }
    uint64_t differ = load(left + length - 8) ^ load(right + length - 8);
    for (int64_t at = 0; at + 8 < length && differ == 0; at += 8) {
        differ = load(left + at) ^ load(right + at);
    }
    return differ == 0;
}

static inline int same_text(
    const Column *left, int64_t left_row, const Column *right, int64_t right_row
) {
    int64_t start = offset(left, left_row), other = offset(right, right_row);
    int64_t length = offset(left, left_row + 1) - start;
    return length == offset(right, right_row + 1) - other &&
           same_bytes(left->data + start, right->data + other, length);
}

/* Tell whether every row is the text it is coded to; -1 is coded to none. Where `forget` is set,
   a row that is another text is given the code -1, and all is well. */
static int same_texts(
    const Column *texts, int64_t first, int64_t last, int32_t *codes, const Column *distinct,
    int forget
) {
    enum { NEAR = 16, FAR = 32 };
    for (int64_t row = first; row < last; row++) {
        if (row + FAR < last && codes[row + FAR] >= 0) {
            int32_t code = codes[row + FAR];
            PREFETCH_READ(
                distinct->offsets != NULL ? (const void *)(distinct->offsets + code)
                                          : (const void *)(distinct->long_offsets + code)
            );
        }
        if (row + NEAR < last && codes[row + NEAR] >= 0) {
            const uint8_t *text = distinct->data + offset(distinct, codes[row + NEAR]);
            PREFETCH_READ(text);
            PREFETCH_READ(PAST(text, 32));
        }
        if (codes[row] < 0 || same_text(texts, row, distinct, codes[row])) continue;
        if (!forget) return 0;
        codes[row] = -1;
    }
    return 1;
}

/* Write keys of two words as the texts they were read from. */
static void write_short(const uint64_t *keys, int64_t first, int64_t last, const int64_t *ends,
                        uint8_t *data) {
    for (int64_t i = first; i < last; i++) {
        uint8_t bytes[16];
        store_high(bytes, keys[2 * i]);
        store_high(bytes + 8, keys[2 * i + 1]);
        memcpy(data + ends[i], bytes, (size_t)(ends[i + 1] - ends[i]));
    }
}

/* Write the upper or the lower half of a word as eight digits. */
static inline void write_half(uint64_t half, uint8_t *digits) {
    half &= UINT64_C(0x00000000FFFFFFFF);
    half = (half | half << 16) & UINT64_C(0x0000FFFF0000FFFF);
    half = (half | half << 8) & UINT64_C(0x00FF00FF00FF00FF);
    half = (half | half << 4) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    store_high(digits, hex_digits(half));
}

static void write_uuids(const uint64_t *keys, int64_t first, int64_t last, uint8_t *data) {
    for (int64_t i = first; i < last; i++) {
        uint8_t digits[32], *text = data + UUID_TEXT * i;
        for (int half = 0; half < 4; half++) {
            write_half(keys[2 * i + half / 2] >> (half % 2 ? 0 : 32), digits + 8 * half);
        }
        memcpy(text, digits, 8);
        memcpy(text + 9, digits + 8, 4);
        memcpy(text + 14, digits + 12, 4);
        memcpy(text + 19, digits + 16, 4);
        memcpy(text + 24, digits + 20, 12);
        text[8] = text[13] = text[18] = text[23] = '-';
    }
}

#endif
