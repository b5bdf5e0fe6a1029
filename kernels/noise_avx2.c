/* noise_avx2.c - see noise_parts.h. */
#define LOOPS tally_noise_avx2
#define NAME  "avx2"
#include "kernels/noise.inc"
