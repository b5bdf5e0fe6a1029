/* hash.h - SHA-2, HMAC and HKDF over OpenSSL. A digest cannot fail for anything a
 * peer does, so digests return nothing; a failing library is a broken invariant. */
#pragma once

#include "common/bytes.h"

enum { TALLY_SHA256_BYTES = 32, TALLY_SHA384_BYTES = 48, TALLY_SHA512_BYTES = 64 };
enum tally_hash_alg { TALLY_SHA256, TALLY_SHA384, TALLY_SHA512 };

/* Digest of the concatenation of n parts. */
void tally_hash(enum tally_hash_alg alg, const struct tally_slice *parts, size_t n, uint8_t *out);

/* TALLY_SHA256_OF(out, a, b, ...): SHA-256(a || b || ...) of slices. */
#define TALLY_SLICES(...)   ((const struct tally_slice[]){__VA_ARGS__})
#define TALLY_SLICES_N(...) (sizeof TALLY_SLICES(__VA_ARGS__) / sizeof(struct tally_slice))
#define TALLY_SHA256_OF(out, ...) \
    tally_hash(TALLY_SHA256, TALLY_SLICES(__VA_ARGS__), TALLY_SLICES_N(__VA_ARGS__), (out))

/* A digest fed piece by piece; end() gives the digest and frees, free() is for early exits. */
struct tally_hasher {
    void *ctx;
};
void tally_hasher_init(struct tally_hasher *h, enum tally_hash_alg alg);
void tally_hasher_add(struct tally_hasher *h, struct tally_slice s);
void tally_hasher_end(struct tally_hasher *h, uint8_t *out);
void tally_hasher_free(struct tally_hasher *h);

void tally_hmac(enum tally_hash_alg alg, struct tally_slice key, struct tally_slice text,
                uint8_t *out);

/* HKDF (RFC 5869). `prk` has the hash's size; expand gives out_len bytes, at most 255 hashes. */
void tally_hkdf_extract(enum tally_hash_alg alg, struct tally_slice salt, struct tally_slice ikm,
                        uint8_t *prk);
void tally_hkdf_expand(enum tally_hash_alg alg, struct tally_slice prk, struct tally_slice info,
                       uint8_t *out, size_t out_len);
