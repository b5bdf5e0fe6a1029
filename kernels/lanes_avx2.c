/* lanes_avx2.c - see lanes.h. */
#define LANES tally_lanes_avx2
#define NAME  "avx2"
#include "kernels/lanes.inc"
