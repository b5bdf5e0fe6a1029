/* robust_avx2.c - see robust_lanes.h. */
#define ROBUST tally_robust_avx2
#define NAME   "avx2"
#include "kernels/robust.inc"
