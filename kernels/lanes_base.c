/* lanes_base.c - see lanes.h. */
#define LANES  tally_lanes_base
#define NAME   "base"
#define ROBUST tally_robust_base
#include "kernels/lanes.inc"
