/* Temporary tables: zeroed, aligned to a cache line, on huge pages where the system has them.

   A table that is looked into at random spends more time on translating addresses than on memory,
   unless its pages are large. The room is the C library's, so that a host that chose an allocator
   which keeps memory has its choice here too. Every table taken is given back by the function that
   took it. */

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

enum { TABLE_LINE = 64, TABLE_PAGE = 4096 };
#define TABLE_HUGE ((size_t)1 << 21)

/* Ask for huge pages; a wish: without them, it only takes longer. */
static inline void table_advise(char *block, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const size_t before = (size_t)(-(uintptr_t)block & (TABLE_PAGE - 1));
    if (bytes >= 2 * TABLE_HUGE) {
        madvise(block + before, (bytes - before) & ~(size_t)(TABLE_PAGE - 1), MADV_HUGEPAGE);
    }
#else
    (void)block;
    (void)bytes;
#endif
}

/* Return room for `count` items of `size` bytes, all zero; NULL where there is no such room. */
static inline void *table_take(size_t count, size_t size) {
    const size_t room = sizeof(void *) + TABLE_LINE;
    if (size != 0 && count > (SIZE_MAX - room) / size) return NULL;
    char *block = calloc(count * size + room, 1);
    if (block == NULL) return NULL;
    table_advise(block, count * size + room);
    /* What was taken stands before the table. */
    uintptr_t start = (uintptr_t)block + sizeof(void *) + TABLE_LINE - 1;
    void **table = (void **)(start / TABLE_LINE * TABLE_LINE);
    table[-1] = block;
    return table;
}

/* Keep so many bytes of a table and give the rest back; return where the table is now. */
static inline void *table_keep(void *table, size_t bytes) {
    char *block = ((void **)table)[-1];
    const size_t before = (size_t)((char *)table - block);
    char *kept = realloc(block, before + bytes);
    if (kept == NULL) return table;
    void **moved = (void **)(kept + before);
    moved[-1] = kept;
    return moved;
}

/* Give a table back; NULL is no table. */
static inline void table_give(void *table) {
    if (table != NULL) free(((void **)table)[-1]);
}

#endif
