/* lanes_base.c - see lanes.h. */
#define LANES tally_lanes_base
#define NAME  "base"
#include "kernels/lanes.inc"
