/* encode_avx512.c - see encode_parts.h. */
#define LOOPS tally_encode_avx512
#define NAME  "avx512"
#include "kernels/encode.inc"
