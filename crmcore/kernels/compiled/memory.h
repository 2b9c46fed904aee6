/* Temporary tables: zeroed, aligned to a cache line, on huge pages where the system has them.

   A table that is looked into at random spends more time on translating addresses than on memory,
   unless its pages are large. Every table taken is given back by the function that took it. */

#ifndef CRMCORE_MEMORY_H
#define CRMCORE_MEMORY_H

#if defined(__linux__) && !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE
#endif
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

enum { TABLE_LINE = 64 };
#define TABLE_HUGE ((size_t)1 << 21)

/* Stands in the cache line before a table. */
typedef struct {
    void *block;
    size_t mapped; /* bytes of a mapping; 0: the block is from the heap */
} TableHead;

static inline void *table_within(void *block, size_t mapped) {
    uintptr_t start = ((uintptr_t)block + sizeof(TableHead) + TABLE_LINE - 1) / TABLE_LINE;
    TableHead *table = (TableHead *)(start * TABLE_LINE);
    table[-1].block = block;
    table[-1].mapped = mapped;
    return table;
}

/* Return room for `count` items of `size` bytes, all zero; NULL where there is no such room. */
static inline void *table_take(size_t count, size_t size) {
    size_t room = sizeof(TableHead) + TABLE_LINE;
    if (size != 0 && count > (SIZE_MAX - room - TABLE_HUGE) / size) return NULL;
    size_t bytes = count * size + room;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (bytes >= 2 * TABLE_HUGE) {
        bytes = (bytes + TABLE_HUGE - 1) / TABLE_HUGE * TABLE_HUGE;
        void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED) return NULL;
        madvise(block, bytes, MADV_HUGEPAGE); /* a wish: without it, it only takes longer */
        return table_within(block, bytes);
    }
#endif
    void *block = calloc(bytes, 1);
    return block == NULL ? NULL : table_within(block, 0);
}

/* Give a table back; NULL is no table. */
static inline void table_give(void *table) {
    if (table == NULL) return;
    TableHead head = ((TableHead *)table)[-1];
#if defined(__linux__)
    if (head.mapped != 0) {
        munmap(head.block, head.mapped);
        return;
    }
#endif
    free(head.block);
}

#endif
