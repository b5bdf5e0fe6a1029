/* lanes_avx512.c - see lanes.h. */
#define LANES  tally_lanes_avx512
#define NAME   "avx512"
#define ROBUST tally_robust_avx512
#include "kernels/lanes.inc"
