/* encode_base.c - see encode_parts.h. */
#define LOOPS tally_encode_base
#define NAME  "base"
#include "kernels/encode.inc"
