/* sign.c - see sign.h. */
#include "common/sign.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"

void tally_sign_key_from_seed(struct tally_sign_key *k, const uint8_t seed[TALLY_SIGN_SEED_BYTES])
{
    uint8_t public_key[TALLY_SIGN_PUBLIC_BYTES];

    (void)crypto_sign_seed_keypair(public_key, k->bytes, seed);
}

const uint8_t *tally_sign_public(const struct tally_sign_key *k)
{
    return k->bytes + TALLY_SIGN_SEED_BYTES;
}

void tally_sign_key_wipe(struct tally_sign_key *k)
{
    sodium_memzero(k, sizeof *k);
}

static void free_text(uint8_t **p)
{
    free(*p);
}

/* The parts in one block, as Ed25519 reads its text twice. */
static enum tally_status gather(const struct tally_slice *parts, size_t n, uint8_t **text,
                                size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < n; i++) {
        TALLY_ENSURE(parts[i].len <= TALLY_SIGN_TEXT_MAX - *len, TALLY_E_LIMIT, "text to sign");
        *len += parts[i].len;
    }
    *text = malloc(*len + 1);
    TALLY_ENSURE(*text != NULL, TALLY_E_NOMEM, "text to sign");
    uint8_t *at = *text;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len != 0) memcpy(at, parts[i].at, parts[i].len);
        at += parts[i].len;
    }
    return TALLY_OK;
}

enum tally_status tally_sign(const struct tally_sign_key *k, const struct tally_slice *parts,
                             size_t n, uint8_t sig[TALLY_SIGNATURE_BYTES])
{
    TALLY_CLEANUP(free_text) uint8_t *text = NULL;
    size_t len;

    TALLY_TRY(gather(parts, n, &text, &len));
    (void)crypto_sign_detached(sig, NULL, text, len, k->bytes);
    return TALLY_OK;
}

enum tally_status tally_sign_verify(const uint8_t public_key[TALLY_SIGN_PUBLIC_BYTES],
                                    const struct tally_slice *parts, size_t n,
                                    const uint8_t sig[TALLY_SIGNATURE_BYTES])
{
    TALLY_CLEANUP(free_text) uint8_t *text = NULL;
    size_t len;

    TALLY_TRY(gather(parts, n, &text, &len));
    TALLY_REFUSE_UNLESS(crypto_sign_verify_detached(sig, text, len, public_key) == 0,
                        TALLY_R_E_AUTH, "the signature does not verify");
    return TALLY_OK;
}

void tally_kex_public(const uint8_t secret[TALLY_KEX_BYTES], uint8_t public_key[TALLY_KEX_BYTES])
{
    (void)crypto_scalarmult_base(public_key, secret);
}

enum tally_status tally_kex(const uint8_t secret[TALLY_KEX_BYTES],
                            const uint8_t peer_public[TALLY_KEX_BYTES],
                            uint8_t shared[TALLY_KEX_BYTES])
{
    uint8_t point[TALLY_KEX_BYTES];

    TALLY_REFUSE_UNLESS(crypto_scalarmult(point, secret, peer_public) == 0, TALLY_R_E_AUTH,
                        "the peer's key gives an all-zero secret");
    memcpy(shared, point, sizeof point);
    sodium_memzero(point, sizeof point);
    return TALLY_OK;
}
