/* noise_base.c - see noise_parts.h. */
#define LOOPS tally_noise_base
#define NAME  "base"
#include "kernels/noise.inc"
