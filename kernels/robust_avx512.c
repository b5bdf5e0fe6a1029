/* robust_avx512.c - see robust_lanes.h. */
#define ROBUST tally_robust_avx512
#define NAME   "avx512"
#include "kernels/robust.inc"
