/* robust_lanes.c - see robust_lanes.h. */
#include "kernels/robust_lanes.h"

const struct tally_robust_lanes *tally_robust_lanes(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        return &tally_robust_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &tally_robust_avx2;
#endif
    return &tally_robust_base;
}
