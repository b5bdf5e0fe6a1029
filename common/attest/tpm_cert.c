/* tpm_cert.c - see tpm_cert.h. */
#include "common/attest/tpm_cert.h"

#include <string.h>

#include "common/attest/verdict.h"
#include "common/secret.h"

#define R_(x) TALLY_R_E_##x

enum { CHAIN_MAX = TALLY_TPM_ISSUERS_MAX + 2, PADDED_MAX = 16 * 1024 };

/* Length of the DER value at the start; SIZE_MAX where there is no whole one. */
static size_t der_length(struct tally_slice in)
{
    enum { LONG = 0x80, OCTETS_MAX = 3 };
    struct tally_rd r = tally_rd_from(in);

    (void)tally_rd_u8(&r, "tag");
    size_t n = tally_rd_u8(&r, "length");
    if (n >= LONG) {
        size_t octets = n - LONG;
        if (octets == 0 || octets > OCTETS_MAX) return SIZE_MAX;
        n = 0;
        for (size_t i = 0; i < octets; i++) n = n << 8 | tally_rd_u8(&r, "length");
    }
    return r.bad != NULL || n > r.left ? SIZE_MAX : in.len - r.left + n;
}

enum tally_status tally_tpm_cert_parse(struct tally_slice in, struct tally_cert *c)
{
    static const char pem[] = "-----";
    uint8_t der[TALLY_CERT_BYTES_MAX];
    uint8_t any = 0;
    size_t len = 0;

    *c = (struct tally_cert){0};
    TALLY_REFUSE_UNLESS(in.len <= PADDED_MAX, R_(OVERSIZE), "a certificate of %zu bytes", in.len);
    if (in.len > sizeof pem && memcmp(in.at, pem, sizeof pem - 1) == 0) {
        if (tally_cert_from_file(in, "CERTIFICATE", der, sizeof der, &len) != TALLY_OK)
            return TALLY_REFUSE(R_(OVERSIZE), "a certificate of %zu characters", in.len);
        return tally_cert_parse(tally_slice_of(der, len), c);
    }
    size_t n = der_length(in);
    if (n >= in.len) return tally_cert_parse(in, c);
    for (size_t i = n; i < in.len; i++) any |= in.at[i];
    TALLY_REFUSE_UNLESS(any == 0, R_(TRAILING), "bytes other than zero after the certificate");
    return tally_cert_parse(tally_slice_of(in.at, n), c);
}

/* The chain as it is walked; certs[0] is the caller's. */
struct chain {
    struct tally_cert certs[CHAIN_MAX];
    size_t n;
};

static void free_chain(struct chain *c)
{
    for (size_t i = 1; i < CHAIN_MAX; i++) tally_cert_free(&c->certs[i]);
}

/* Any of the ways that a vendor signs; which one, the certificate says. */
static enum tally_status signed_by(const struct tally_cert *c, const struct tally_cert *issuer)
{
    static const enum tally_cert_alg algs[] = {TALLY_ALG_RSA_SHA256, TALLY_ALG_RSA_SHA384,
                                               TALLY_ALG_ECDSA_SHA256, TALLY_ALG_ECDSA_SHA384,
                                               TALLY_ALG_PSS_SHA384};
    enum tally_status s = TALLY_OK;

    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        s = tally_cert_signed_by(c, issuer, algs[i]);
        if (s == TALLY_OK || tally_reason() != R_(CERT_ALG)) return s;
    }
    return s;
}

/* A CA whose key is one that we take, and whose path length allows `below` CAs under it. */
static enum tally_status check_ca(const struct tally_cert *c, size_t below)
{
    static const enum tally_cert_key kinds[] = {TALLY_KEY_P256, TALLY_KEY_P384};
    bool good = tally_cert_key_is(c, TALLY_KEY_RSA2048_UP) == TALLY_OK;

    for (size_t i = 0; !good && i < 2; i++) good = tally_cert_key_is(c, kinds[i]) == TALLY_OK;
    TALLY_REFUSE_UNLESS(good, R_(KEY), "an issuer's key is none that may sign certificates");
    TALLY_TRY(tally_cert_is_ca(c, -1, TALLY_KU_CERT_SIGN));
    for (size_t i = 0; i < below; i++)
        TALLY_REFUSE_UNLESS(tally_cert_is_ca(c, (int)i, TALLY_KU_CERT_SIGN) != TALLY_OK,
                            R_(CERT_CONSTRAINT), "more issuers than the path length allows");
    return TALLY_OK;
}

/* extendedKeyUsage, where it is there, has to name attestation keys (2.23.133.8.3). */
static enum tally_status check_leaf(const struct tally_cert *leaf)
{
    static const uint8_t aik[] = {6, 5, 0x67, 0x81, 5, 8, 3};
    enum { HEAD = 2, SHORT = 0x80 };
    struct tally_slice eku = tally_cert_ext(leaf, "2.5.29.37");
    struct tally_rd r = tally_rd_from(eku);
    bool found = eku.at == NULL;

    TALLY_TRY(tally_cert_is_leaf(leaf, TALLY_KU_SIGN));
    (void)tally_rd_bytes(&r, HEAD, "sequence");
    while (!found && r.bad == NULL && r.left > 0) {
        struct tally_rd whole = r;
        (void)tally_rd_u8(&r, "tag");
        uint8_t n = tally_rd_u8(&r, "length");
        (void)tally_rd_bytes(&r, n < SHORT ? n : SIZE_MAX, "purpose");
        found = r.bad == NULL &&
                tally_slice_equal(tally_slice_of(whole.at, HEAD + (size_t)n), TALLY_SLICE(aik));
    }
    TALLY_REFUSE_UNLESS(found, R_(CERT_CONSTRAINT), "the certificate is not for attestation keys");
    return TALLY_OK;
}

/* Vendors of chips and of GPUs say nothing of TPMs. */
static bool may_vouch(const struct tally_anchor *a)
{
    const char *end = strrchr(a->name, '-');

    return a->trust != TALLY_TRUST_HARDWARE || (end != NULL && strcmp(end, "-vtpm") == 0);
}

/* The anchor that the chain's last certificate names, parsed as the next of the chain. */
static const struct tally_anchor *find_anchor(struct chain *c, const struct tally_anchor *anchors,
                                              uint32_t n)
{
    struct tally_cert *root = &c->certs[c->n];

    for (uint32_t i = 0; i < n; i++) {
        if (!may_vouch(&anchors[i]) || tally_cert_parse(anchors[i].root, root) != TALLY_OK)
            continue;
        if (tally_cert_names(&c->certs[c->n - 1], root)) {
            c->n++;
            return &anchors[i];
        }
        tally_cert_free(root);
    }
    return NULL;
}

static bool parse_issuers(struct chain *c, const struct tally_slice issuers[TALLY_TPM_ISSUERS_MAX],
                          struct tally_verdict *v)
{
    for (size_t i = 0; i < TALLY_TPM_ISSUERS_MAX && issuers[i].at != NULL; i++) {
        if (!tally_verdict_note(v, tally_tpm_cert_parse(issuers[i], &c->certs[c->n]))) return false;
        c->n++;
    }
    return true;
}

static enum tally_status check_links(const struct chain *c)
{
    TALLY_TRY(check_leaf(&c->certs[0]));
    for (size_t i = c->n - 1; i > 0; i--) {
        TALLY_TRY(check_ca(&c->certs[i], i - 1));
        TALLY_TRY(signed_by(&c->certs[i - 1], &c->certs[i]));
    }
    return TALLY_OK;
}

bool tally_tpm_cert_chain(const struct tally_cert *leaf,
                          const struct tally_slice issuers[TALLY_TPM_ISSUERS_MAX],
                          const struct tally_anchor *anchors, uint32_t anchors_n, uint64_t now_s,
                          struct tally_verdict *v)
{
    TALLY_CLEANUP(free_chain) struct chain c = {.certs = {*leaf}, .n = 1};

    if (!parse_issuers(&c, issuers, v)) return false;
    const struct tally_anchor *anchor = find_anchor(&c, anchors, anchors_n);
    if (anchor == NULL && c.n == 1) {
        tally_verdict_miss(v, R_(CERT_SHAPE), "no issuer of the key's certificate was given");
        return false;
    }
    if (anchor == NULL) {
        tally_verdict_fail(v, R_(ROOT_UNTRUSTED), "no root of trust for the key's certificate");
        return false;
    }
    if (!tally_verdict_note(v, check_links(&c))) return false;
    v->trust = anchor->trust;
    for (size_t i = 0; i < c.n; i++) {
        tally_verdict_window(v, c.certs[i].not_before_s, c.certs[i].not_after_s);
        (void)tally_verdict_note(v, tally_cert_valid_at(&c.certs[i], now_s));
    }
    return true;
}
