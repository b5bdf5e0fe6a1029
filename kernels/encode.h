/* encode.h - the three forms in which an update travels, and what is found while it is decoded.
 *
 *   f32   4 bytes a value: little-endian IEEE 754
 *   bf16  2 bytes a value: the upper half of the float, rounded to nearest, ties to even
 *   int8  blocks of TALLY_ENCODE_BLOCK values (the last may be shorter), each its scale s, a
 *         little-endian float, and a signed byte q a value, which stands for q s:
 *         s = max|x| / 127 in float32, q = floor(x / s + u) held within -127 and 127, u uniform in
 *         [0, 1) with 32 bits. On average q s is x, but for what the holding cuts (at most 2^-23 of
 *         max|x|) and u's 2^-32; a block whose s is 0 or subnormal (max|x| < 2^-119) is exact to
 *         2^-142 only.
 *
 * Any n from a multiple of TALLY_ENCODE_BLOCK on can be decoded alone: slices need no more than
 * tally_encode_bytes() of what lies before. Decoding looks for NaN and infinity in the same pass,
 * gives +0 for -0, and writes no value that it did not check before it answers. All loops give the
 * same bits on every instruction set and compiler. Pointers to bytes need no alignment. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/stream.h"

enum tally_encoding { TALLY_ENCODE_F32 = 1, TALLY_ENCODE_BF16, TALLY_ENCODE_INT8 };

enum { TALLY_ENCODE_BLOCK = 256 };

/* Bytes of n encoded values; 0 for an unknown encoding. n is below 2^60. */
size_t tally_encode_bytes(enum tally_encoding e, size_t n);

/* out: tally_encode_bytes(e, n). int8 draws 128 words a block (half as many as values, rounded up,
 * in the last) from s; the others need none (s may be NULL). Refused as E_UPDATE with its index: a
 * value that is not finite, or that would not be finite when decoded (bf16: from 2^128 - 2^119;
 * int8: where 127 s overflows). TALLY_E_LIMIT: the stream ends. out is meaningless after a failure.
 */
TALLY_RESULT tally_encode(uint8_t *out, const float *x, enum tally_encoding e,
                          struct tally_stream *s, size_t n);

/* out: (n) from `bytes` bytes of peers. TALLY_E_WIRE when that is not tally_encode_bytes(e, n), or
 * in int8 for a q of -128 or a scale below 0; refused as E_UPDATE with its index: a value that is
 * not finite. out is meaningless after a failure. */
TALLY_RESULT tally_decode(float *out, const uint8_t *in, size_t bytes, enum tally_encoding e,
                          size_t n);

/* One float to bfloat16 as above; infinity when it is too large, NaN to a quiet NaN. */
uint16_t tally_encode_bf16(float x);

/* One block of up to TALLY_ENCODE_BLOCK finite values: q: (n), u: (n) random numbers times 2^32. */
void tally_encode_int8(int8_t *q, float *scale, const float *x, const uint32_t *u, size_t n);
