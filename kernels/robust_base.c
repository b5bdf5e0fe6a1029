/* robust_base.c - see robust_lanes.h. */
#define ROBUST tally_robust_base
#define NAME   "base"
#include "kernels/robust.inc"
