/* encode_avx2.c - see encode_parts.h. */
#define LOOPS tally_encode_avx2
#define NAME  "avx2"
#include "kernels/encode.inc"
