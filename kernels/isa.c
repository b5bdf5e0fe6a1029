/* isa.c - see isa.h. */
#include "kernels/isa.h"

enum tally_isa tally_isa_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        return TALLY_ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return TALLY_ISA_AVX2;
#endif
    return TALLY_ISA_BASE;
}
