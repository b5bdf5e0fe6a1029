/* keys.c - see keys.h. */
#include "proto/keys.h"

#include <string.h>

#include <sodium.h>

#include "proto/frames.h"

/* A label with its zero byte: the array's own. */
#define LABEL(text) TALLY_SLICE(text)
#define SUITE_LABEL "tally/as/v1 "

static void put_be32(uint8_t to[4], size_t v)
{
    struct tally_wr w = tally_wr_to(to, 4);

    tally_wr_be32(&w, (uint32_t)v);
}

void tally_transcript_start(uint8_t t0[32])
{
    static const uint8_t suite[] = {TALLY_SUITE >> 8, TALLY_SUITE & 0xff};

    TALLY_SHA256_OF(t0, LABEL("tally/as/v1"), TALLY_SLICE(suite));
}

void tally_transcript_add(const uint8_t from[32], struct tally_slice frame, uint8_t to[32])
{
    uint8_t len[4];

    put_be32(len, frame.len);
    TALLY_SHA256_OF(to, tally_slice_of(from, 32), TALLY_SLICE(len), frame);
}

/* Expand(prk, "tally/as/v1 " || label || 00 || t, n); label includes its zero byte. */
static void expand(const uint8_t prk[32], struct tally_slice label, const uint8_t t[32],
                   uint8_t *out, size_t n)
{
    uint8_t info[64];
    struct tally_wr w = tally_wr_to(info, sizeof info);

    tally_wr_bytes(&w, tally_slice_str(SUITE_LABEL));
    tally_wr_bytes(&w, label);
    tally_wr_put(&w, t, 32);
    TALLY_ASSERT(!w.full);
    tally_hkdf_expand(TALLY_SHA256, tally_slice_of(prk, 32), tally_slice_of(info, w.used), out, n);
}

enum tally_status tally_keys_derive(const uint8_t e_secret[32], const uint8_t e_peer[32],
                                    const uint8_t t2[32], struct tally_handshake_keys *k)
{
    enum tally_status s = tally_kex(e_secret, e_peer, k->dh);

    if (s != TALLY_OK) {
        tally_keys_wipe(k);
        return s;
    }
    tally_hkdf_extract(TALLY_SHA256, tally_slice_of(t2, 32), TALLY_SLICE(k->dh), k->prk1);
    expand(k->prk1, LABEL("hs s"), t2, k->hs_s, sizeof k->hs_s);
    expand(k->prk1, LABEL("hs c"), t2, k->hs_c, sizeof k->hs_c);
    expand(k->prk1, LABEL("bind"), t2, k->bk, sizeof k->bk);
    expand(k->prk1, LABEL("next"), t2, k->nx, sizeof k->nx);
    return TALLY_OK;
}

void tally_keys_wipe(struct tally_handshake_keys *k)
{
    sodium_memzero(k, sizeof *k);
}

void tally_keys_binder(const struct tally_handshake_keys *k, enum tally_side side,
                       const uint8_t t[32], uint8_t binder[32])
{
    expand(k->bk, side == TALLY_SIDE_SERVER ? LABEL("bind s") : LABEL("bind c"), t, binder, 32);
}

void tally_session_keys_derive(const uint8_t nx[32], const uint8_t t4[32],
                               struct tally_session_keys *k)
{
    tally_hkdf_extract(TALLY_SHA256, tally_slice_of(t4, 32), tally_slice_of(nx, 32), k->prk2);
    expand(k->prk2, LABEL("ap s"), t4, k->ap_s, sizeof k->ap_s);
    expand(k->prk2, LABEL("ap c"), t4, k->ap_c, sizeof k->ap_c);
    expand(k->prk2, LABEL("fin"), t4, k->fin, sizeof k->fin);
}

void tally_session_keys_wipe(struct tally_session_keys *k)
{
    sodium_memzero(k, sizeof *k);
}

void tally_session_keys_fin(const struct tally_session_keys *k, const uint8_t t4[32],
                            uint8_t fin[32])
{
    tally_hmac(TALLY_SHA256, TALLY_SLICE(k->fin), tally_slice_of(t4, 32), fin);
}

void tally_binding_body(const struct tally_binding *b, uint8_t body[TALLY_BINDING_BYTES])
{
    static const uint8_t no_devices[TALLY_GPU_SET_HASH_BYTES];
    struct tally_wr w = tally_wr_to(body, TALLY_BINDING_BYTES);

    tally_wr_u8(&w, (uint8_t)b->side);
    tally_wr_u8(&w, (uint8_t)b->mode);
    tally_wr_u8(&w, (uint8_t)b->role);
    tally_wr_put(&w, b->federation, 32);
    tally_wr_put(&w, b->job, 32);
    tally_wr_put(&w, b->krp, 32);
    tally_wr_put(&w, b->binder, 32);
    tally_wr_put(&w, b->peer_nonce, 32);
    tally_wr_put(&w, b->t, 32);
    tally_wr_bytes(&w, TALLY_SLICE(no_devices));
    TALLY_ASSERT(!w.full && w.used == TALLY_BINDING_BYTES);
}

enum { SIGNED_BYTES = 16 + 3 + 3 * 32 };

static struct tally_slice signed_text(const struct tally_binding *b, struct tally_slice ev,
                                      struct tally_slice key_block, uint8_t text[SIGNED_BYTES])
{
    struct tally_wr w = tally_wr_to(text, SIGNED_BYTES);
    uint8_t digest[32];

    tally_wr_bytes(&w, LABEL("tally/as/v1 sig"));
    tally_wr_u8(&w, (uint8_t)b->side);
    tally_wr_u8(&w, (uint8_t)b->mode);
    tally_wr_u8(&w, (uint8_t)b->role);
    tally_wr_put(&w, b->t, 32);
    TALLY_SHA256_OF(digest, ev);
    tally_wr_bytes(&w, TALLY_SLICE(digest));
    TALLY_SHA256_OF(digest, key_block);
    tally_wr_bytes(&w, TALLY_SLICE(digest));
    TALLY_ASSERT(!w.full);
    return tally_slice_of(text, w.used);
}

enum tally_status tally_session_sign(const struct tally_sign_key *key,
                                     const struct tally_binding *b, struct tally_slice ev,
                                     struct tally_slice key_block,
                                     uint8_t sig[TALLY_SIGNATURE_BYTES])
{
    uint8_t text[SIGNED_BYTES];

    return tally_sign(key, TALLY_SLICES(signed_text(b, ev, key_block, text)), 1, sig);
}

enum tally_status tally_session_verify(const uint8_t public_key[TALLY_SIGN_PUBLIC_BYTES],
                                       const struct tally_binding *b, struct tally_slice ev,
                                       struct tally_slice key_block,
                                       const uint8_t sig[TALLY_SIGNATURE_BYTES])
{
    uint8_t text[SIGNED_BYTES];

    return tally_sign_verify(public_key, TALLY_SLICES(signed_text(b, ev, key_block, text)), 1, sig);
}
