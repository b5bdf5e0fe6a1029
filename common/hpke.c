/* hpke.c - see hpke.h; names after RFC 9180 sections 4.1 and 5.1. */
#include "common/hpke.h"

#include <sodium.h>
#include <string.h>

#include "common/aead.h"
#include "common/hash.h"
#include "common/secret.h"

enum { HASH = TALLY_SHA256_BYTES, LABELED_MAX = 64 + TALLY_HPKE_INFO_MAX };

static const struct tally_slice kem_suite = {(const uint8_t *)"KEM\x00\x20", 5};
static const struct tally_slice hpke_suite = {(const uint8_t *)"HPKE\x00\x20\x00\x01\x00\x02", 10};
static const struct tally_slice nothing = {(const uint8_t *)"", 0};

/* Key and nonce of one message; wiped on every way out. */
struct secrets {
    uint8_t dh[TALLY_KEX_BYTES];
    uint8_t shared[HASH], secret[HASH];
    uint8_t key[TALLY_AEAD_KEY_BYTES], nonce[TALLY_AEAD_NONCE_BYTES];
};

static void wipe(struct secrets *s)
{
    sodium_memzero(s, sizeof *s);
}

static void extract(struct tally_slice suite, struct tally_slice salt, const char *label,
                    struct tally_slice ikm, uint8_t prk[HASH])
{
    uint8_t text[LABELED_MAX];
    struct tally_slice labeled;
    struct tally_wr w = tally_wr_to(text, sizeof text);

    tally_wr_put(&w, "HPKE-v1", 7);
    tally_wr_bytes(&w, suite);
    tally_wr_bytes(&w, tally_slice_str(label));
    tally_wr_bytes(&w, ikm);
    TALLY_ASSERT(tally_wr_end(&w, &labeled) == TALLY_OK);
    tally_hkdf_extract(TALLY_SHA256, salt, labeled, prk);
    sodium_memzero(text, sizeof text);
}

/* to: an array whose size is L. */
static void expand(struct tally_slice suite, const uint8_t prk[HASH], const char *label,
                   struct tally_slice info, uint8_t *to, uint16_t to_len)
{
    uint8_t text[LABELED_MAX];
    struct tally_slice labeled;
    struct tally_wr w = tally_wr_to(text, sizeof text);

    tally_wr_be16(&w, to_len);
    tally_wr_put(&w, "HPKE-v1", 7);
    tally_wr_bytes(&w, suite);
    tally_wr_bytes(&w, tally_slice_str(label));
    tally_wr_bytes(&w, info);
    TALLY_ASSERT(tally_wr_end(&w, &labeled) == TALLY_OK);
    tally_hkdf_expand(TALLY_SHA256, tally_slice_of(prk, HASH), labeled, to, to_len);
}

/* ExtractAndExpand, section 4.1. */
static void derive_shared(struct secrets *s, const uint8_t enc[32], const uint8_t receiver[32])
{
    uint8_t prk[HASH], context[2 * TALLY_KEX_BYTES];

    memcpy(context, enc, TALLY_KEX_BYTES);
    memcpy(context + TALLY_KEX_BYTES, receiver, TALLY_KEX_BYTES);
    extract(kem_suite, nothing, "eae_prk", TALLY_SLICE(s->dh), prk);
    expand(kem_suite, prk, "shared_secret", TALLY_SLICE(context), s->shared, HASH);
    sodium_memzero(prk, sizeof prk);
}

/* KeySchedule of mode Base, section 5.1. */
static void schedule(struct secrets *s, struct tally_slice info)
{
    uint8_t context[1 + 2 * HASH] = {0};

    extract(hpke_suite, nothing, "psk_id_hash", nothing, context + 1);
    extract(hpke_suite, nothing, "info_hash", info, context + 1 + HASH);
    extract(hpke_suite, TALLY_SLICE(s->shared), "secret", nothing, s->secret);
    expand(hpke_suite, s->secret, "key", TALLY_SLICE(context), s->key, sizeof s->key);
    expand(hpke_suite, s->secret, "base_nonce", TALLY_SLICE(context), s->nonce, sizeof s->nonce);
}

enum tally_status tally_hpke_seal(const uint8_t receiver_public[TALLY_KEX_BYTES],
                                  const uint8_t ephemeral_secret[TALLY_KEX_BYTES],
                                  struct tally_slice info, struct tally_slice aad,
                                  struct tally_slice plain, uint8_t *sealed)
{
    TALLY_CLEANUP(wipe) struct secrets s = {0};
    TALLY_CLEANUP(tally_aead_free) struct tally_aead aead = {0};
    uint8_t enc[TALLY_HPKE_ENC_BYTES];

    TALLY_ENSURE(info.len <= TALLY_HPKE_INFO_MAX, TALLY_E_LIMIT, "info of %zu bytes", info.len);
    TALLY_TRY(tally_kex(ephemeral_secret, receiver_public, s.dh));
    tally_kex_public(ephemeral_secret, enc);
    derive_shared(&s, enc, receiver_public);
    schedule(&s, info);
    TALLY_TRY(tally_aead_init(&aead, s.key));
    TALLY_TRY(tally_aead_seal(&aead, s.nonce, aad, plain, sealed + TALLY_HPKE_ENC_BYTES));
    memcpy(sealed, enc, sizeof enc);
    return TALLY_OK;
}

enum tally_status tally_hpke_open(const uint8_t receiver_secret[TALLY_KEX_BYTES],
                                  struct tally_slice info, struct tally_slice aad,
                                  struct tally_slice sealed, uint8_t *plain)
{
    TALLY_CLEANUP(wipe) struct secrets s = {0};
    TALLY_CLEANUP(tally_aead_free) struct tally_aead aead = {0};
    uint8_t receiver_public[TALLY_KEX_BYTES];
    struct tally_rd r = tally_rd_from(sealed);

    TALLY_ENSURE(info.len <= TALLY_HPKE_INFO_MAX, TALLY_E_LIMIT, "info of %zu bytes", info.len);
    TALLY_REFUSE_UNLESS(sealed.len >= TALLY_HPKE_OVERHEAD_BYTES, TALLY_R_E_AUTH,
                        "%zu bytes are too few to be sealed", sealed.len);
    struct tally_slice enc = tally_rd_bytes(&r, TALLY_HPKE_ENC_BYTES, "enc");
    struct tally_slice ct = tally_rd_bytes(&r, r.left, "ciphertext");
    TALLY_TRY(tally_kex(receiver_secret, enc.at, s.dh));
    tally_kex_public(receiver_secret, receiver_public);
    derive_shared(&s, enc.at, receiver_public);
    schedule(&s, info);
    TALLY_TRY(tally_aead_init(&aead, s.key));
    return tally_aead_open(&aead, s.nonce, aad, ct, plain);
}
