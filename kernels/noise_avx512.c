/* noise_avx512.c - see noise_parts.h. */
#define LOOPS tally_noise_avx512
#define NAME  "avx512"
#include "kernels/noise.inc"
