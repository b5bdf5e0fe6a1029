/* tpm_quote.c - see tpm_quote.h. */
#include "common/attest/tpm_quote.h"

#include <string.h>

#define R_(x) TALLY_R_E_##x

/* Reserved bits of TPMA_OBJECT; x509sign (19) counts as one: such a key is no AK. */
#define ATTRIBUTES_RESERVED UINT32_C(0xfff8f309)

enum { KEY_BYTES_MAX = 1024, SIGNATURE_MAX = 2 * KEY_BYTES_MAX, PUBLIC_MAX = 2 * KEY_BYTES_MAX };

/* TPM2B: 16 bits of length, at most max, and the bytes. *over: too long for what it holds. */
static struct tally_slice sized(struct tally_rd *r, size_t max, bool *over, const char *field)
{
    uint16_t n = tally_rd_be16(r, field);

    if (n > max) *over = true;
    return tally_rd_bytes(r, n, field);
}

static void put_sized(struct tally_wr *w, struct tally_slice s)
{
    TALLY_ASSERT(s.len <= UINT16_MAX);
    tally_wr_be16(w, (uint16_t)s.len);
    tally_wr_bytes(w, s);
}

/* All that every structure is asked at its end. */
static enum tally_status end(const struct tally_rd *r, bool over, const char *what)
{
    TALLY_REFUSE_UNLESS(!over, R_(FORMAT), "%s: a field longer than its kind may be", what);
    TALLY_REFUSE_UNLESS(r->bad == NULL, R_(TRUNCATED), "%s ends early: %s", what, r->bad);
    TALLY_REFUSE_UNLESS(r->left == 0, R_(TRAILING), "%zu bytes after %s", r->left, what);
    return TALLY_OK;
}

size_t tally_tpm_hash_bytes(uint16_t hash)
{
    switch (hash) {
    case TALLY_TPM_SHA256: return 32;
    case TALLY_TPM_SHA384: return 48;
    case TALLY_TPM_SHA512: return 64;
    default: return 0;
    }
}

static void read_selections(struct tally_rd *r, struct tally_tpm_quote *q, bool *over)
{
    uint32_t n = tally_rd_be32(r, "pcrSelect");

    if (n > TALLY_TPM_SELECTIONS_MAX) {
        *over = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct tally_tpm_selection *s = &q->selections[i];
        s->hash = tally_rd_be16(r, "hash");
        s->bytes = tally_rd_u8(r, "sizeofSelect");
        if (s->bytes > TALLY_TPM_SELECT_BYTES_MAX) {
            *over = true;
            return;
        }
        for (unsigned k = 0; k < s->bytes; k++)
            s->mask |= (uint32_t)tally_rd_u8(r, "pcrSelect") << 8 * k;
    }
    q->selections_n = n;
}

enum tally_status tally_tpm_quote_decode(struct tally_slice in, struct tally_tpm_quote *out)
{
    struct tally_rd r = tally_rd_from(in);
    struct tally_tpm_quote q = {0};
    bool over = false;

    TALLY_REFUSE_UNLESS(in.len <= TALLY_TPM_ATTEST_MAX, R_(OVERSIZE), "a quote of %zu bytes",
                        in.len);
    q.magic = tally_rd_be32(&r, "magic");
    q.type = tally_rd_be16(&r, "type");
    TALLY_REFUSE_UNLESS(r.bad != NULL || q.magic == TALLY_TPM_GENERATED, R_(FORMAT),
                        "magic %08x: not made by a TPM", q.magic);
    TALLY_REFUSE_UNLESS(r.bad != NULL || q.type == TALLY_TPM_ST_QUOTE, R_(FORMAT),
                        "type %04x: no quote", q.type);
    q.signer = sized(&r, TALLY_TPM_NAME_MAX, &over, "qualifiedSigner");
    q.extra = sized(&r, TALLY_TPM_DIGEST_MAX + 2, &over, "extraData");
    q.clock_ms = tally_rd_be64(&r, "clock");
    q.reset_count = tally_rd_be32(&r, "resetCount");
    q.restart_count = tally_rd_be32(&r, "restartCount");
    q.safe = tally_rd_u8(&r, "safe");
    q.firmware = tally_rd_be64(&r, "firmwareVersion");
    read_selections(&r, &q, &over);
    if (!over) q.digest = sized(&r, TALLY_TPM_DIGEST_MAX, &over, "pcrDigest");
    TALLY_TRY(end(&r, over, "the quote"));
    TALLY_REFUSE_UNLESS(q.safe <= 1, R_(FORMAT), "safe is %u", q.safe);
    *out = q;
    return TALLY_OK;
}

void tally_tpm_quote_encode(const struct tally_tpm_quote *q, struct tally_wr *w)
{
    tally_wr_be32(w, q->magic);
    tally_wr_be16(w, q->type);
    put_sized(w, q->signer);
    put_sized(w, q->extra);
    tally_wr_be64(w, q->clock_ms);
    tally_wr_be32(w, q->reset_count);
    tally_wr_be32(w, q->restart_count);
    tally_wr_u8(w, q->safe);
    tally_wr_be64(w, q->firmware);
    tally_wr_be32(w, q->selections_n);
    for (uint32_t i = 0; i < q->selections_n && i < TALLY_TPM_SELECTIONS_MAX; i++) {
        const struct tally_tpm_selection *s = &q->selections[i];
        tally_wr_be16(w, s->hash);
        tally_wr_u8(w, s->bytes);
        for (unsigned k = 0; k < s->bytes && k < TALLY_TPM_SELECT_BYTES_MAX; k++)
            tally_wr_u8(w, (uint8_t)(s->mask >> 8 * k));
    }
    put_sized(w, q->digest);
}

enum tally_status tally_tpm_signature_decode(struct tally_slice in, struct tally_tpm_signature *out)
{
    struct tally_rd r = tally_rd_from(in);
    struct tally_tpm_signature s = {0};
    bool over = false;

    TALLY_REFUSE_UNLESS(in.len <= SIGNATURE_MAX, R_(OVERSIZE), "a signature of %zu bytes", in.len);
    s.scheme = tally_rd_be16(&r, "sigAlg");
    s.hash = tally_rd_be16(&r, "hash");
    if (r.bad == NULL) {
        bool known = s.scheme == TALLY_TPM_RSASSA || s.scheme == TALLY_TPM_RSAPSS ||
                     s.scheme == TALLY_TPM_ECDSA;
        TALLY_REFUSE_UNLESS(known && tally_tpm_hash_bytes(s.hash) != 0, R_(ALGORITHM),
                            "a signature of scheme %04x with hash %04x", s.scheme, s.hash);
    }
    if (s.scheme == TALLY_TPM_ECDSA) {
        s.r = sized(&r, KEY_BYTES_MAX, &over, "r");
        s.s = sized(&r, KEY_BYTES_MAX, &over, "s");
    } else {
        s.rsa = sized(&r, KEY_BYTES_MAX, &over, "signature");
    }
    TALLY_TRY(end(&r, over, "the signature"));
    *out = s;
    return TALLY_OK;
}

void tally_tpm_signature_encode(const struct tally_tpm_signature *s, struct tally_wr *w)
{
    tally_wr_be16(w, s->scheme);
    tally_wr_be16(w, s->hash);
    if (s->scheme == TALLY_TPM_ECDSA) {
        put_sized(w, s->r);
        put_sized(w, s->s);
    } else {
        put_sized(w, s->rsa);
    }
}

/* Scheme and its hash; a null scheme has none. */
static bool read_scheme(struct tally_rd *r, struct tally_tpm_public *p)
{
    bool rsa = p->type == TALLY_TPM_RSA;

    p->scheme = tally_rd_be16(r, "scheme");
    if (r->bad != NULL || p->scheme == TALLY_TPM_NULL) return true;
    if (rsa && p->scheme != TALLY_TPM_RSASSA && p->scheme != TALLY_TPM_RSAPSS) return false;
    if (!rsa && p->scheme != TALLY_TPM_ECDSA) return false;
    p->scheme_hash = tally_rd_be16(r, "hash of the scheme");
    return r->bad != NULL || tally_tpm_hash_bytes(p->scheme_hash) != 0;
}

static enum tally_status read_public(struct tally_rd *r, struct tally_tpm_public *p, bool *over)
{
    p->type = tally_rd_be16(r, "type");
    p->name_hash = tally_rd_be16(r, "nameAlg");
    bool rsa = p->type == TALLY_TPM_RSA;
    TALLY_REFUSE_UNLESS(r->bad != NULL || rsa || p->type == TALLY_TPM_ECC, R_(ALGORITHM),
                        "a key of type %04x", p->type);
    p->attributes = tally_rd_be32(r, "objectAttributes");
    p->policy = sized(r, TALLY_TPM_DIGEST_MAX, over, "authPolicy");
    uint16_t cipher = tally_rd_be16(r, "symmetric");
    TALLY_REFUSE_UNLESS(r->bad != NULL || cipher == TALLY_TPM_NULL, R_(ALGORITHM),
                        "a key that encrypts other keys");
    TALLY_REFUSE_UNLESS(read_scheme(r, p), R_(ALGORITHM), "a key for scheme %04x with hash %04x",
                        p->scheme, p->scheme_hash);
    p->bits_or_curve = tally_rd_be16(r, rsa ? "keyBits" : "curveID");
    if (rsa) {
        p->exponent = tally_rd_be32(r, "exponent");
        p->n = sized(r, KEY_BYTES_MAX, over, "n");
        return TALLY_OK;
    }
    uint16_t kdf = tally_rd_be16(r, "kdf");
    TALLY_REFUSE_UNLESS(r->bad != NULL || kdf == TALLY_TPM_NULL, R_(ALGORITHM),
                        "a key that derives other keys");
    p->x = sized(r, KEY_BYTES_MAX, over, "x");
    p->y = sized(r, KEY_BYTES_MAX, over, "y");
    return TALLY_OK;
}

enum tally_status tally_tpm_public_decode(struct tally_slice in, struct tally_tpm_public *out)
{
    struct tally_rd r = tally_rd_from(in), peek = r;
    struct tally_tpm_public p = {0};
    bool over = false;

    TALLY_REFUSE_UNLESS(in.len <= PUBLIC_MAX, R_(OVERSIZE), "a public key of %zu bytes", in.len);
    /* A type is never the length of what follows it, so the two forms cannot be confused. */
    if (tally_rd_be16(&peek, "size") == in.len - 2 && peek.bad == NULL) r = peek;
    TALLY_TRY(read_public(&r, &p, &over));
    TALLY_TRY(end(&r, over, "the public key"));
    TALLY_REFUSE_UNLESS((p.attributes & ATTRIBUTES_RESERVED) == 0, R_(RESERVED_NONZERO),
                        "attributes %08x", p.attributes);
    *out = p;
    return TALLY_OK;
}

void tally_tpm_public_encode(const struct tally_tpm_public *p, struct tally_wr *w)
{
    tally_wr_be16(w, p->type);
    tally_wr_be16(w, p->name_hash);
    tally_wr_be32(w, p->attributes);
    put_sized(w, p->policy);
    tally_wr_be16(w, TALLY_TPM_NULL);
    tally_wr_be16(w, p->scheme);
    if (p->scheme != TALLY_TPM_NULL) tally_wr_be16(w, p->scheme_hash);
    tally_wr_be16(w, p->bits_or_curve);
    if (p->type == TALLY_TPM_RSA) {
        tally_wr_be32(w, p->exponent);
        put_sized(w, p->n);
        return;
    }
    tally_wr_be16(w, TALLY_TPM_NULL);
    put_sized(w, p->x);
    put_sized(w, p->y);
}
