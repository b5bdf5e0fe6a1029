/* philox.h - Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): a
 * number for every counter, so that any part of a mask can be made alone and in any order. Checked
 * against the paper's known answers. Not for keys or noise. */
#pragma once

#include <stdint.h>

enum { TALLY_PHILOX_ROUNDS = 10 };

#if defined(__CUDACC__)
#define TALLY_PHILOX_INLINE static __host__ __device__ inline
#else
#define TALLY_PHILOX_INLINE static inline
#endif

/* counter becomes the four output words. */
TALLY_PHILOX_INLINE void tally_philox(uint32_t counter[4], uint32_t key0, uint32_t key1)
{
    for (int i = 0; i < TALLY_PHILOX_ROUNDS; i++) {
        uint64_t even = UINT64_C(0xD2511F53) * counter[0];
        uint64_t odd = UINT64_C(0xCD9E8D57) * counter[2];
        uint32_t second = (uint32_t)odd;
        counter[0] = (uint32_t)(odd >> 32) ^ counter[1] ^ key0;
        counter[2] = (uint32_t)(even >> 32) ^ counter[3] ^ key1;
        counter[1] = second;
        counter[3] = (uint32_t)even;
        key0 += 0x9E3779B9U;
        key1 += 0xBB67AE85U;
    }
}
