/* Tables of distinct keys of one or two words (64 bits), open to several threads at once.

   A key is looked for from the slot its hash names, around the cache line of that slot, then in
   the lines after it. A slot holds a key and nothing else; the number of the slot is the code of
   the key until all are known and ranked. An empty slot is 0: keys are stored under a random
   mask, and a key that meets the mask makes the table give up, as does a table whose keys crowd
   together. Then the caller sorts. The hash is keyed by the seed: whoever chooses the ids does
   not know it.

   A key of two words is written word by word: whoever finds the first one waits for the second. */

#ifndef CRMCORE_HASHING_H
#define CRMCORE_HASHING_H

#include <stdint.h>
#include <string.h>

#include "atomics.h"
#include "portable.h"

enum { BLOCK = 64, WORDS_OF_A_LINE = 8 };
/* More steps than these beside the rows' own, and a table is too crowded to go on. */
enum { STEPS_OF_A_ROW = 16, STEPS_AT_ONCE = 1 << 16 };
/* What made a table stop. */
enum { GOES_ON = 0, FULL = 1, GIVEN_UP = 2, FOUND_TWICE = 3 };
/* What to do with a row: give its key a slot, a slot of its own, or only look for it. */
enum { INSERT = 0, INSERT_ONCE = 1, LOOK_UP = 2 };

typedef struct {
    uint64_t *slots;
    uint64_t capacity; /* slots, of one or two words each, in whole lines */
    int64_t room;      /* keys */
    int64_t *state;    /* keys there are, and what made the table stop */
    uint64_t seed[4];  /* the mask of stored words, and three numbers of the hash */
    int32_t *rows;     /* for each slot a row that has its key; or NULL */
    int wide;          /* keys of two words */
    int shared;        /* several threads */
    int task;
} Table;

/* Fills the words of some rows; returns 0 where a row is not of the kind it reads. */
typedef int (*Reader)(const void *source, int64_t row, int count, uint64_t *words);

static inline uint64_t fold(uint64_t left, uint64_t right) {
    uint64_t high, low = multiply_wide(left, right, &high);
    return low ^ high;
}

static inline uint32_t slot_of(const Table *table, const uint64_t *word, int wide) {
    const uint64_t *seed = table->seed;
    uint64_t hash = fold(word[0] ^ seed[1], wide ? word[1] ^ seed[2] : seed[2]);
    hash = fold(hash ^ seed[3], UINT64_C(0x9E3779B97F4A7C15));
    return (uint32_t)(((hash >> 32) * table->capacity) >> 32);
}

/* Mask the words of a block, find where each is to stand, and fetch the slots.
   Return 0 for a key that an empty slot could be taken for. */
static inline int aim(const Table *table, uint64_t *words, uint32_t *slots, int count) {
    uint64_t zero = 0;
    if (table->wide) {
        for (int i = 0; i < count; i++) {
            slots[i] = slot_of(table, words + 2 * i, 1);
            PREFETCH_WRITE(table->slots + 2 * (uint64_t)slots[i]);
            words[2 * i] ^= table->seed[0];
            words[2 * i + 1] ^= table->seed[0];
            zero |= (words[2 * i] == 0) | (words[2 * i + 1] == 0);
        }
    } else {
        for (int i = 0; i < count; i++) {
            slots[i] = slot_of(table, words + i, 0);
            PREFETCH_WRITE(table->slots + slots[i]);
            words[i] ^= table->seed[0];
            zero |= words[i] == 0;
        }
    }
    return zero == 0;
}

/* The second word of a key whose first is there. */
static inline uint64_t second_word(const uint64_t *place, int shared) {
    uint64_t word = shared ? ATOMIC_READ(place + 1) : place[1];
    while (word == 0) word = ATOMIC_READ(place + 1); /* another thread is about to write it */
    return word;
}

static inline int has_key(const uint64_t *place, const uint64_t *key, int wide, int shared) {
    int same = (shared ? ATOMIC_READ(place) : *place) == key[0];
    return wide ? same & ((shared ? ATOMIC_READ(place + 1) : place[1]) == key[1]) : same;
}

/* Return the slot of a key, -1 where it is absent and not to be inserted. */
static inline int64_t settle_one(
    const Table *table, const uint64_t *word, uint64_t slot, int64_t *fresh, int64_t *steps,
    int wide, int shared, int task
) {
    const uint64_t words = wide ? 2 : 1, line = WORDS_OF_A_LINE / words;
    for (uint64_t turn = 0;; *steps += 1) {
        uint64_t at = slot ^ turn, *place = table->slots + at * words;
        uint64_t found = shared ? ATOMIC_READ(place) : *place;
        if (found == 0) {
            if (task == LOOK_UP) return -1;
            if (shared) {
                found = atomic_claim(place, word[0]);
            } else {
                *place = word[0];
            }
            if (found == 0) {
                if (wide) ATOMIC_WRITE(place + 1, word[1]);
                *fresh += 1;
                return (int64_t)at;
            }
        }
        if (found == word[0] && (!wide || second_word(place, shared) == word[1])) {
            return (int64_t)at;
        }
        if (++turn < line) continue;
        turn = 0;
        slot = slot + line < table->capacity ? slot + line : slot % line;
    }
}

/* Give each row of a block the slot of its key. Return the number of keys that were new.
   Most keys stand in the first two slots, which are tried without a branch. */
static inline int64_t settle(
    const Table *table, const uint64_t *keys, const uint32_t *slots, int64_t row, int count,
    int32_t *codes, int64_t *steps, int wide, int shared, int task
) {
    const uint64_t words = wide ? 2 : 1;
    int32_t unwanted[BLOCK], *out = codes == NULL ? unwanted : codes + row;
    int late[BLOCK], lates = 0;
    int64_t fresh = 0;
    for (int i = 0; i < count; i++) {
        const uint64_t *key = keys + (uint64_t)i * words, slot = slots[i];
        int first = has_key(table->slots + slot * words, key, wide, shared);
        int second = has_key(table->slots + (slot ^ 1) * words, key, wide, shared);
        out[i] = (int32_t)(slot ^ (uint64_t)second);
        late[lates] = i;
        lates += !(first | second);
    }
    for (int j = 0; j < lates; j++) {
        int i = late[j];
        int64_t before = fresh;
        const uint64_t *key = keys + (uint64_t)i * words;
        int64_t slot = settle_one(table, key, slots[i], &fresh, steps, wide, shared, task);
        out[i] = (int32_t)slot;
        if (fresh != before && table->rows != NULL) table->rows[slot] = (int32_t)(row + i);
    }
    return fresh;
}

/* The same, in a loop of its own for each kind of table. */
static int64_t settle_block(
    const Table *table, const uint64_t *words, const uint32_t *slots, int64_t row, int count,
    int32_t *codes, int64_t *steps
) {
    switch (4 * (table->task == LOOK_UP) + 2 * (table->shared != 0) + (table->wide != 0)) {
        case 0: return settle(table, words, slots, row, count, codes, steps, 0, 0, INSERT);
        case 1: return settle(table, words, slots, row, count, codes, steps, 1, 0, INSERT);
        case 2: return settle(table, words, slots, row, count, codes, steps, 0, 1, INSERT);
        case 3: return settle(table, words, slots, row, count, codes, steps, 1, 1, INSERT);
        case 4:
        case 6: return settle(table, words, slots, row, count, codes, steps, 0, 0, LOOK_UP);
        default: return settle(table, words, slots, row, count, codes, steps, 1, 0, LOOK_UP);
    }
}

/* Add what a block found to what is known of the table; say whether and why to stop. */
static inline int64_t judge(const Table *table, int64_t fresh, int count, int64_t steps) {
    int64_t keys = ATOMIC_ADD(table->state, fresh);
    if (table->task == INSERT_ONCE && fresh < count) return FOUND_TWICE;
    if (keys > table->room) return FULL;
    return steps > 0 ? GIVEN_UP : (int64_t)ATOMIC_READ(table->state + 1);
}

/* Give the rows from `first` to `last` their slots, a block ahead in fetching them. */
static void table_run(
    const Table *table, Reader read, const void *source, int64_t first, int64_t last,
    int32_t *codes
) {
    uint64_t words[2][2 * BLOCK];
    uint32_t slots[2][BLOCK];
    int64_t steps = -STEPS_AT_ONCE;
    int turn = 0, count = 0;
    for (int64_t row = first; row < last || count > 0;) {
        int next = last - row < BLOCK ? (int)(last - row) : BLOCK;
        if (next > 0 && !(read(source, row, next, words[turn]) &&
                          aim(table, words[turn], slots[turn], next))) {
            ATOMIC_WRITE(table->state + 1, GIVEN_UP);
            return;
        }
        turn ^= 1;
        if (count > 0) {
            int64_t fresh = settle_block(
                table, words[turn], slots[turn], row - count, count, codes, &steps
            );
            steps -= (int64_t)STEPS_OF_A_ROW * count;
            if (steps < -STEPS_AT_ONCE) steps = -STEPS_AT_ONCE;
            int64_t stop = judge(table, fresh, count, steps);
            if (stop != GOES_ON) {
                ATOMIC_WRITE(table->state + 1, stop);
                return;
            }
        }
        row += next;
        count = next;
    }
}

#endif
