/* codec.h - what every decoder is asked: round trip, every prefix, one byte more, every bit. */
#pragma once

#include "common/bytes.h"

enum { CODEC_BYTES_MAX = 512 * 1024 };

/* `again` is one of tests/proto/codecs.h: it decodes `in` and encodes the value to w. */

/* `good` comes out as it went in; every prefix of it is refused, and so is a byte (0 or 1) more. */
void codec_check_lengths(enum tally_status again(struct tally_slice in, struct tally_wr *w),
                         struct tally_slice good);
/* Each bit of the first `bytes` changed alone: refused, or another value that comes out as it went
 * in. Gives how many changes were refused. */
unsigned codec_check_bits(enum tally_status again(struct tally_slice in, struct tally_wr *w),
                          struct tally_slice good, size_t bytes);
/* One byte at `at` set to each of 256 values: exactly those in `allowed` (n) are accepted. */
void codec_check_byte(enum tally_status again(struct tally_slice in, struct tally_wr *w),
                      struct tally_slice good, size_t at, const uint8_t *allowed, size_t n);
/* The length at `at` (u32) set to anything else is refused. */
void codec_check_length_lies(enum tally_status again(struct tally_slice in, struct tally_wr *w),
                             struct tally_slice good, size_t at);
