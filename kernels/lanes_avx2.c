/* lanes_avx2.c - see lanes.h. */
#define LANES  tally_lanes_avx2
#define NAME   "avx2"
#define ROBUST tally_robust_avx2
#include "kernels/lanes.inc"
