/* What differs between compilers, under one name each. */

#ifndef CRMCORE_PORTABLE_H
#define CRMCORE_PORTABLE_H

#include <stdint.h>

/* Ask for a cache line that will soon be read or written; never needed for the result. */
#if defined(__GNUC__) || defined(__clang__)
#define PREFETCH_READ(address) __builtin_prefetch((address), 0)
#define PREFETCH_WRITE(address) __builtin_prefetch((address), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define PREFETCH_READ(address) ((void)(address))
#define PREFETCH_WRITE(address) ((void)(address))
#define UNLIKELY(condition) (condition)
#endif

/* So many bytes from an address, which may be beyond what lies there: to ask for, not to read. */
#define PAST(address, bytes) ((const void *)((uintptr_t)(address) + (uintptr_t)(bytes)))

#if defined(__GNUC__) || defined(__clang__)
#define RESTRICT __restrict__
#elif defined(_MSC_VER)
#define RESTRICT __restrict
#else
#define RESTRICT restrict
#endif

/* For functions whose loops differ by a constant argument: one loop for each constant. */
#if defined(__GNUC__) || defined(__clang__)
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#elif defined(_MSC_VER)
#define ALWAYS_INLINE static __forceinline
#else
#define ALWAYS_INLINE static inline
#endif

/* A function built twice; the processor tells which is used. Newer ones do several rows at once. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define CLONED __attribute__((target_clones("avx2", "default")))
#else
#define CLONED
#endif

/* Newer processors bring the marked of 64 bytes together at once. */
#if defined(__x86_64__) && defined(__GNUC__) && __GNUC__ >= 8 && !defined(__clang__) && \
    !defined(__MINGW32__)
#include <immintrin.h>
#define SEVERAL_MARKS 1
static inline int lists_several(void) { return __builtin_cpu_supports("avx512vbmi2") != 0; }
#else
static inline int lists_several(void) { return 0; }
#endif

/* What is written for these processors by hand, and used where the one at work has it. */
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(__MINGW32__)
#define BY_HAND_AVX2 1
#define AVX2 __attribute__((target("avx2")))
#define HAS_AVX2() __builtin_cpu_supports("avx2")
#else
#define BY_HAND_AVX2 0
#define HAS_AVX2() 0
#endif

/* The 128-bit product of two numbers: its low half is returned, its high half stored. */
#if defined(__SIZEOF_INT128__)
static inline uint64_t multiply_wide(uint64_t left, uint64_t right, uint64_t *high) {
    __extension__ unsigned __int128 product = (unsigned __int128)left * right;
    *high = (uint64_t)(product >> 64);
    return (uint64_t)product;
}
#else
static inline uint64_t multiply_wide(uint64_t left, uint64_t right, uint64_t *high) {
    uint64_t left_low = (uint32_t)left, left_high = left >> 32;
    uint64_t right_low = (uint32_t)right, right_high = right >> 32;
    uint64_t low = left_low * right_low;
    uint64_t middle = left_high * right_low + (low >> 32);
    uint64_t other = left_low * right_high + (uint32_t)middle;
    *high = left_high * right_high + (middle >> 32) + (other >> 32);
    return (other << 32) | (uint32_t)low;
}
#endif

#endif
