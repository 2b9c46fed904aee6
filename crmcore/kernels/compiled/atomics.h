/* Memory written by several threads at once. What has no atomic operations gets one thread. */

#ifndef CRMCORE_ATOMICS_H
#define CRMCORE_ATOMICS_H

#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define HAS_ATOMICS 1
#define ATOMIC_READ(place) __atomic_load_n((place), __ATOMIC_ACQUIRE)
#define ATOMIC_WRITE(place, value) __atomic_store_n((place), (value), __ATOMIC_RELEASE)
#define ATOMIC_ADD(place, value) __atomic_add_fetch((place), (value), __ATOMIC_ACQ_REL)
/* Write `value` where 0 stands; return what stood there. */
static inline uint64_t atomic_claim(uint64_t *place, uint64_t value) {
    uint64_t found = 0;
    __atomic_compare_exchange_n(place, &found, value, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    return found;
}
#elif defined(_MSC_VER)
#include <intrin.h>
#define HAS_ATOMICS 1
#define ATOMIC_READ(place) ((uint64_t)_InterlockedOr64((volatile __int64 *)(place), 0))
#define ATOMIC_WRITE(place, value) \
    ((void)_InterlockedExchange64((volatile __int64 *)(place), (__int64)(value)))
#define ATOMIC_ADD(place, value) \
    (_InterlockedExchangeAdd64((volatile __int64 *)(place), (value)) + (value))
static inline uint64_t atomic_claim(uint64_t *place, uint64_t value) {
    return (uint64_t)_InterlockedCompareExchange64((volatile __int64 *)place, (__int64)value, 0);
}
#else
#define HAS_ATOMICS 0
#define ATOMIC_READ(place) (*(place))
#define ATOMIC_WRITE(place, value) ((void)(*(place) = (value)))
#define ATOMIC_ADD(place, value) (*(place) += (value))
static inline uint64_t atomic_claim(uint64_t *place, uint64_t value) {
    uint64_t found = *place;
    if (found == 0) *place = value;
    return found;
}
#endif

#endif
