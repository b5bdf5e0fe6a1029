/* cache.h - what has been verified and may be believed again: chains, collateral and manifests, by
 * the SHA-256 of every byte that went into it (leaf, issuers, CRLs, anchor). Dates are checked anew
 * on every hit by whoever keeps a value here. Never kept: verdicts on reports, nonces, failures,
 * and nothing is keyed by a signature. Bounded: the value unused for longest goes. One thread. */
#pragma once

#include "common/bytes.h"

enum { TALLY_CACHE_VALUES_MAX = 256 };

struct tally_attest_cache;
TALLY_RESULT tally_attest_cache_new(struct tally_attest_cache **out);
void tally_attest_cache_destroy(struct tally_attest_cache **c);

/* The value under this digest, NULL if there is none; borrowed until the next put. `kind` is the
 * address of the kind's free function: values of another kind are never given out. */
void *tally_attest_cache_find(struct tally_attest_cache *c, const uint8_t digest[32],
                              void (*kind)(void *value));
/* Takes over value, whatever happens; `kind` frees it. c may be NULL: then it is freed at once. */
void tally_attest_cache_put(struct tally_attest_cache *c, const uint8_t digest[32],
                            void (*kind)(void *value), void *value);
