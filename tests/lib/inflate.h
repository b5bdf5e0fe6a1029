/* inflate.h - zlib streams (RFC 1950, 1951) of published vectors, which are trusted: a wrong stream
 * aborts the test. */
#pragma once

#include "common/bytes.h"

/* Fresh bytes, exactly want of them; the caller frees. */
uint8_t *tally_test_inflate(struct tally_slice zlib, size_t want);
