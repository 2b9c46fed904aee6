/* Keys read from columns: numbers, 16 bytes, and texts in UTF-8, as words that ascend alike. */

#ifndef CRMCORE_READING_H
#define CRMCORE_READING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "hashing.h"
#include "portable.h"
#if BY_HAND_AVX2
#include <immintrin.h>
#endif

/* Numbers and 16 bytes each are their bytes, without offsets. */
typedef struct {
    const uint8_t *data;
    int64_t size;
    const int32_t *offsets; /* one of the two is NULL */
    const int64_t *long_offsets;
    const uint64_t *seed; /* of the hash */
} Column;

enum { SHORT_TEXT = 15, UUID_TEXT = 36 };

static inline int64_t offset(const Column *texts, int64_t row) {
    return texts->offsets != NULL ? texts->offsets[row] : texts->long_offsets[row];
}

/* Find the bytes of a text; return its length, -1 where the offsets lead out of the data. */
static inline int64_t text_at(const Column *texts, int64_t row, const uint8_t **text) {
    int64_t start = offset(texts, row), end = offset(texts, row + 1);
    if (start < 0 || end < start || end > texts->size) return -1;
    *text = texts->data + start;
    return end - start;
}

/* Eight bytes as a number that ascends as they do. */
static inline uint64_t load_high(const uint8_t *bytes) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return __builtin_bswap64(word);
#else
    uint64_t word = 0;
    for (int i = 0; i < 8; i++) word = word << 8 | bytes[i];
    return word;
#endif
}

static inline void store_high(uint8_t *bytes, uint64_t word) {
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(word >> (56 - 8 * i));
}

/* Up to eight bytes, the rest 0. */
static inline uint64_t load_part(const uint8_t *bytes, int64_t length) {
    if (length >= 8) return load_high(bytes);
    uint64_t word = 0;
    for (int64_t i = 0; i < length; i++) word |= (uint64_t)bytes[i] << (56 - 8 * i);
    return word;
}

static int read_ints(const void *source, int64_t row, int count, uint64_t *words) {
    const uint8_t *bytes = ((const Column *)source)->data + 8 * row;
    memcpy(words, bytes, (size_t)count * sizeof *words);
    return 1;
}

static int read_fixed(const void *source, int64_t row, int count, uint64_t *words) {
    const uint8_t *bytes = ((const Column *)source)->data + 16 * row;
    for (int i = 0; i < 2 * count; i++) words[i] = load_high(bytes + 8 * i);
    return 1;
}

/* Texts of up to 15 bytes: the bytes, zeros and, in the last byte, how many they are. */
static int read_short(const void *source, int64_t row, int count, uint64_t *words) {
    const Column *texts = source;
    for (int i = 0; i < count; i++) {
        const uint8_t *text;
        int64_t length = text_at(texts, row + i, &text);
        if ((uint64_t)length > SHORT_TEXT) return 0;
        uint64_t high, low;
        if (texts->size - (text - texts->data) >= 16) { /* what follows is read and cut off */
            int bits = 8 * (int)length;
            high = load_high(text);
            low = load_high(text + 8);
            high = bits >= 64 ? high : bits == 0 ? 0 : high >> (64 - bits) << (64 - bits);
            low = bits <= 64 ? 0 : low >> (128 - bits) << (128 - bits);
        } else {
            high = load_part(text, length);
            low = length > 8 ? load_part(text + 8, length - 8) : 0;
        }
        words[2 * i] = high;
        words[2 * i + 1] = low | (uint64_t)length;
    }
    return 1;
}

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Write the four bits in each byte as a digit 0-9a-f. */
static inline uint64_t hex_digits(uint64_t values) {
    uint64_t letter = ((values + EACH_BYTE(6)) >> 4) & EACH_BYTE(1);
    return values + EACH_BYTE('0') + ('a' - '9' - 1) * letter;
}

/* Turn eight digits 0-9a-f, the first one highest, into a number below 2^32; set bits in `bad`
   where they are none. */
static inline uint64_t hex_value(uint64_t digits, uint64_t *bad) {
    uint64_t letter = (digits >> 6) & EACH_BYTE(1);
    uint64_t value = (digits & EACH_BYTE(15)) + 9 * letter;
    *bad |= hex_digits(value) ^ digits; /* written again, they must be the same */
    *bad |= value & EACH_BYTE(0xF0);
    value = (value | value >> 4) & UINT64_C(0x00FF00FF00FF00FF);
    value = (value | value >> 8) & UINT64_C(0x0000FFFF0000FFFF);
    return (value | value >> 16) & UINT64_C(0x00000000FFFFFFFF);
}

/* UUIDs as RFC 9562 writes them, in lower case: their 16 bytes. */
static int read_uuid_anywhere(const void *source, int64_t row, int count, uint64_t *words) {
    uint64_t bad = 0;
    for (int i = 0; i < count; i++) {
        const uint8_t *text;
        if (text_at(source, row + i, &text) != UUID_TEXT) return 0;
        uint64_t second = load_high(text + 9), third = load_high(text + 19);
        uint64_t four = UINT64_C(0xFFFFFFFF);
        second = (second & ~four) | (load_high(text + 10) & four);
        third = (third & ~four) | (load_high(text + 20) & four);
        words[2 * i] = hex_value(load_high(text), &bad) << 32 | hex_value(second, &bad);
        words[2 * i + 1] = hex_value(third, &bad) << 32 | hex_value(load_high(text + 28), &bad);
        bad |= (uint64_t)((text[8] ^ '-') | (text[13] ^ '-') | (text[18] ^ '-') | (text[23] ^ '-'));
    }
    return bad == 0;
}

#if BY_HAND_AVX2
/* The same, all digits of a row at once. Bytes 0 to 31 and 4 to 35 of the text lie in two halves
   of 16 each; out of these come the digits of the first and of the second word. */
AVX2 static int read_uuid_avx2(const void *source, int64_t row, int count, uint64_t *words) {
    const char no = -1; /* in its place comes 0 */
    const __m256i from_start = _mm256_setr_epi8(
        0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, no, no,
        3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, no, no, no, no
    );
    const __m256i from_end = _mm256_setr_epi8(
        no, no, no, no, no, no, no, no, no, no, no, no, no, no, 12, 13,
        no, no, no, no, no, no, no, no, no, no, no, no, 12, 13, 14, 15
    );
    const __m256i is_dash = _mm256_setr_epi8(
        0, 0, 0, 0, 0, 0, 0, 0, no, 0, 0, 0, 0, no, 0, 0,
        0, 0, no, 0, 0, 0, 0, no, 0, 0, 0, 0, 0, 0, 0, 0
    );
    const __m256i written = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'
    ));
    const __m256i highest_last = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        14, 12, 10, 8, 6, 4, 2, 0, no, no, no, no, no, no, no, no
    ));
    __m256i bad = _mm256_setzero_si256();
    for (int i = 0; i < count; i++) {
        const uint8_t *text;
        if (text_at(source, row + i, &text) != UUID_TEXT) return 0;
        __m256i start = _mm256_loadu_si256((const __m256i *)text);
        __m256i end = _mm256_loadu_si256((const __m256i *)(text + 4));
        __m256i digits = _mm256_or_si256(
            _mm256_shuffle_epi8(start, from_start), _mm256_shuffle_epi8(end, from_end)
        );
        __m256i letter = _mm256_cmpgt_epi8(digits, _mm256_set1_epi8('9'));
        __m256i value = _mm256_sub_epi8(
            _mm256_sub_epi8(digits, _mm256_set1_epi8('0')),
            _mm256_and_si256(letter, _mm256_set1_epi8('a' - '9' - 1))
        );
        /* Written again, they must be the same. */
        __m256i again = _mm256_shuffle_epi8(written, value);
        bad = _mm256_or_si256(bad, _mm256_xor_si256(again, digits));
        bad = _mm256_or_si256(bad, _mm256_and_si256(value, _mm256_set1_epi8((char)0xF0)));
        __m256i dashes = _mm256_xor_si256(start, _mm256_set1_epi8('-'));
        bad = _mm256_or_si256(bad, _mm256_and_si256(dashes, is_dash));
        __m256i bytes = _mm256_maddubs_epi16(value, _mm256_set1_epi16(0x0110));
        bytes = _mm256_shuffle_epi8(bytes, highest_last);
        words[2 * i] = (uint64_t)_mm256_extract_epi64(bytes, 0);
        words[2 * i + 1] = (uint64_t)_mm256_extract_epi64(bytes, 2);
    }
    return _mm256_testz_si256(bad, bad);
}
#endif

static Reader uuid_reader(void) {
#if BY_HAND_AVX2
    if (HAS_AVX2()) return read_uuid_avx2;
#endif
    return read_uuid_anywhere;
}

static inline uint64_t load(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static inline uint64_t load_half(const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* The keyed hash of some bytes: no part of it is known without the seed. */
static inline uint64_t hash_bytes(const uint8_t *text, int64_t length, const uint64_t *seed) {
    uint64_t hash = fold(seed[1] ^ (uint64_t)length, seed[2]), left = 0, right = 0;
    int64_t rest = length;
    for (; rest > 16; rest -= 16, text += 16) {
        hash = fold(load(text) ^ seed[2], load(text + 8) ^ hash);
    }
    if (rest >= 8) {
        left = load(text);
        right = load(text + rest - 8);
    } else if (rest >= 4) {
        left = load_half(text);
        right = load_half(text + rest - 4);
    } else if (rest > 0) {
        left = (uint64_t)text[0] << 16 | (uint64_t)text[rest >> 1] << 8 | text[rest - 1];
    }
    return fold(fold(left ^ seed[2], right ^ hash) ^ seed[3], UINT64_C(0xA0761D6478BD642F));
}

/* Texts of any length as a hash: different hashes tell different texts, not the other way round. */
static int read_hashed(const void *source, int64_t row, int count, uint64_t *words) {
    const Column *texts = source;
    for (int i = 0; i < count; i++) {
        const uint8_t *text;
        int64_t length = text_at(texts, row + i, &text);
        if (length < 0) return 0;
        words[i] = hash_bytes(text, length, texts->seed);
    }
    return 1;
}

static int read_fixed_hashed(const void *source, int64_t row, int count, uint64_t *words) {
    const Column *column = source;
    for (int i = 0; i < count; i++) {
        words[i] = hash_bytes(column->data + 16 * (row + i), 16, column->seed);
    }
    return 1;
}

/* Compare two texts by their bytes; a text comes after what it begins with. */
static inline int compare_texts(
    const Column *left, int64_t left_row, const Column *right, int64_t right_row
) {
    int64_t start = offset(left, left_row), other_start = offset(right, right_row);
    int64_t length = offset(left, left_row + 1) - start;
    int64_t other_length = offset(right, right_row + 1) - other_start;
    int64_t both = length < other_length ? length : other_length;
    int order = memcmp(left->data + start, right->data + other_start, (size_t)both);
    if (order != 0) return order;
    return (length > other_length) - (length < other_length);
}

#endif
