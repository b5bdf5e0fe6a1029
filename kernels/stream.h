/* stream.h - the random words that noise and stochastic rounding are drawn from: the ChaCha20
 * keystream (RFC 8439, counter from 0) as little-endian 64-bit words, by OpenSSL, whose vector
 * code makes three times what libsodium's does.
 *
 * Words come strictly in order and each is given out once, however they are asked for. A stream
 * ends after words_max words; what asks for more is refused and gets nothing, and the stream stays
 * ended: noise that runs short must stop a release, never repeat or thin out.
 *
 * Who calls owes the key: fresh for every round from the system's generator, never stored, never
 * in a checkpoint (a machine that is rolled back and draws the same noise for two inputs tells
 * their difference). Threads take a stream each: one key, and the number of the slice as nonce. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

enum {
    TALLY_STREAM_KEY_BYTES = 32,
    TALLY_STREAM_NONCE_BYTES = 12,
};
/* 2^32 blocks of 64 bytes: then RFC 8439's counter is used up. */
#define TALLY_STREAM_WORDS_MAX (UINT64_C(1) << 35)

struct tally_stream;

/* words_max: 1 to TALLY_STREAM_WORDS_MAX, else TALLY_E_LIMIT. */
TALLY_RESULT tally_stream_new(struct tally_stream **out, const uint8_t key[TALLY_STREAM_KEY_BYTES],
                              const uint8_t nonce[TALLY_STREAM_NONCE_BYTES], uint64_t words_max);
/* A stream of a copy of these n words (n may be 0): published traces and tests, never noise. */
TALLY_RESULT tally_stream_given(struct tally_stream **out, const uint64_t *words, size_t n);
/* Wipes what it held; accepts empty and leaves empty. */
void tally_stream_destroy(struct tally_stream **s);

/* The next n words. TALLY_E_LIMIT if fewer are left, TALLY_E_LIB if the cipher fails; after either
 * the stream is ended. n may be 0. */
TALLY_RESULT tally_stream_fill(uint64_t *words, struct tally_stream *s, size_t n);
/* The next word; as fill. */
TALLY_RESULT tally_stream_next(uint64_t *word, struct tally_stream *s);
/* Words given out so far. */
uint64_t tally_stream_drawn(const struct tally_stream *s);
