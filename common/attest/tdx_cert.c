/* tdx_cert.c - see tdx_cert.h. */
#include "common/attest/tdx_cert.h"

#include <string.h>

#include "common/attest/tdx_x509.h"

/* A SubjectPublicKeyInfo of P-256 up to its point. */
static const uint8_t spki_p256[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
static const uint8_t oid_cn[] = {0x55, 0x04, 0x03};

#define IS(slice, array) tally_slice_equal((slice), TALLY_SLICE(array))

static enum tally_status read_key(struct tally_rd *r, uint8_t key[TALLY_TDX_KEY_BYTES])
{
    struct tally_slice spki = tally_der_whole(r, TALLY_DER_SEQUENCE, "the public key");

    TALLY_TRY(tally_tdx_x509_readable(r));
    TALLY_REFUSE_UNLESS(spki.len == sizeof spki_p256 + TALLY_TDX_KEY_BYTES &&
                            memcmp(spki.at, spki_p256, sizeof spki_p256) == 0,
                        TALLY_R_E_KEY, "the key is not of the named curve P-256");
    memcpy(key, spki.at + sizeof spki_p256, TALLY_TDX_KEY_BYTES);
    return TALLY_OK;
}

struct tally_slice tally_tdx_cert_ext(const struct tally_tdx_cert *c, struct tally_slice oid)
{
    struct tally_rd r = tally_rd_from(c->exts);
    struct tally_tdx_ext e;

    while (r.left > 0 && tally_tdx_x509_ext(&r, &e) == TALLY_OK) {
        if (tally_slice_equal(e.oid, oid)) return e.value;
    }
    return (struct tally_slice){0};
}

static enum tally_status read_constraints(struct tally_tdx_cert *c)
{
    struct tally_slice v = tally_tdx_cert_ext(c, TALLY_SLICE(tally_tdx_oid_basic_constraints));
    struct tally_rd r = tally_rd_from(v);

    c->pathlen = -1;
    if (v.at == NULL) return TALLY_OK;
    struct tally_rd in = tally_tdx_der_into(&r, TALLY_DER_SEQUENCE, "basicConstraints");
    if (tally_der_next_is(&in, TALLY_DER_BOOLEAN)) {
        struct tally_slice b = tally_der_value(&in, TALLY_DER_BOOLEAN, "cA");
        c->ca = in.bad == NULL && b.at[0] != 0;
    }
    if (tally_der_next_is(&in, TALLY_DER_INTEGER)) {
        struct tally_slice n = tally_der_value(&in, TALLY_DER_INTEGER, "pathLenConstraint");
        if (in.bad != NULL || n.len != 1 || n.at[0] > 0x7f || !c->ca)
            tally_rd_fail(&in, "pathLenConstraint");
        else
            c->pathlen = n.at[0];
    }
    TALLY_REFUSE_UNLESS(tally_rd_end(&in) == TALLY_OK && tally_rd_end(&r) == TALLY_OK,
                        TALLY_R_E_CERT_CONSTRAINT, "basicConstraints cannot be read");
    return TALLY_OK;
}

static enum tally_status read_usages(struct tally_tdx_cert *c)
{
    struct tally_slice v = tally_tdx_cert_ext(c, TALLY_SLICE(tally_tdx_oid_key_usage));
    struct tally_rd r = tally_rd_from(v);

    if (v.at == NULL) return TALLY_OK;
    struct tally_slice bits = tally_der_value(&r, TALLY_DER_BITS, "keyUsage");
    TALLY_REFUSE_UNLESS(tally_rd_end(&r) == TALLY_OK && bits.len >= 2, TALLY_R_E_CERT_CONSTRAINT,
                        "keyUsage cannot be read");
    if (bits.at[1] & 0x80) c->usages |= TALLY_KU_SIGN;
    if (bits.at[1] & 0x04) c->usages |= TALLY_KU_CERT_SIGN;
    if (bits.at[1] & 0x02) c->usages |= TALLY_KU_CRL_SIGN;
    return TALLY_OK;
}

/* version, serial, algorithm, issuer, dates, subject, key, extensions. */
static enum tally_status read_tbs(struct tally_slice tbs, struct tally_tdx_cert *c)
{
    static const uint8_t v3[] = {TALLY_DER_INTEGER, 1, 2};
    struct tally_rd r = tally_rd_from(tbs);
    struct tally_rd in = tally_tdx_der_into(&r, TALLY_DER_SEQUENCE, "the signed part");

    TALLY_REFUSE_UNLESS(tally_der_next_is(&in, TALLY_DER_CONTEXT) &&
                            IS(tally_der_value(&in, TALLY_DER_CONTEXT, "version"), v3),
                        TALLY_R_E_CERT_SHAPE, "not a version 3 certificate");
    c->serial = tally_der_value(&in, TALLY_DER_INTEGER, "a serial number");
    TALLY_TRY(tally_tdx_x509_alg(&in));
    c->issuer = tally_der_whole(&in, TALLY_DER_SEQUENCE, "an issuer");
    struct tally_rd dates = tally_tdx_der_into(&in, TALLY_DER_SEQUENCE, "dates");
    c->not_before_s = tally_tdx_der_time(&dates, "notBefore");
    c->not_after_s = tally_tdx_der_time(&dates, "notAfter");
    TALLY_TRY(tally_tdx_x509_end(&dates, "dates"));
    c->subject = tally_der_whole(&in, TALLY_DER_SEQUENCE, "a subject");
    TALLY_TRY(read_key(&in, c->key));
    struct tally_rd exts = tally_tdx_der_into(&in, TALLY_DER_CONTEXT + 3, "extensions");
    c->exts = tally_der_value(&exts, TALLY_DER_SEQUENCE, "extensions");
    TALLY_TRY(tally_tdx_x509_end(&exts, "extensions"));
    TALLY_TRY(tally_tdx_x509_end(&in, "a certificate"));
    TALLY_TRY(tally_tdx_x509_name(c->issuer));
    TALLY_TRY(tally_tdx_x509_name(c->subject));
    TALLY_TRY(tally_tdx_x509_exts(c->exts, true));
    TALLY_TRY(read_constraints(c));
    return read_usages(c);
}

enum tally_status tally_tdx_cert_parse(struct tally_slice der, struct tally_tdx_cert *out)
{
    struct tally_tdx_cert c = {0};

    TALLY_REFUSE_UNLESS(der.len <= TALLY_CERT_BYTES_MAX, TALLY_R_E_OVERSIZE,
                        "certificate of %zu bytes", der.len);
    TALLY_TRY(tally_der_check(der));
    TALLY_TRY(tally_tdx_x509_open(der, &c.tbs, c.sig));
    TALLY_TRY(read_tbs(c.tbs, &c));
    *out = c;
    return TALLY_OK;
}

enum tally_status tally_tdx_cert_is(const struct tally_tdx_cert *c, const char *cn)
{
    struct tally_rd r = tally_rd_from(c->subject);
    struct tally_rd names = tally_tdx_der_into(&r, TALLY_DER_SEQUENCE, "a name");
    struct tally_slice found = {0};
    unsigned n = 0;

    while (names.bad == NULL && names.left > 0) {
        struct tally_rd set = tally_tdx_der_into(&names, TALLY_DER_SET, "a name");
        struct tally_rd pair = tally_tdx_der_into(&set, TALLY_DER_SEQUENCE, "a name");
        if (!IS(tally_der_value(&pair, TALLY_DER_OID, "a name"), oid_cn)) continue;
        bool utf8 = tally_der_next_is(&pair, TALLY_DER_UTF8);
        found = tally_der_value(&pair, utf8 ? TALLY_DER_UTF8 : TALLY_DER_PRINTABLE, "a CN");
        n += pair.bad == NULL ? 1 : 2;
    }
    TALLY_REFUSE_UNLESS(names.bad == NULL && n == 1, TALLY_R_E_CERT_SHAPE,
                        "a name without exactly one CN");
    TALLY_REFUSE_UNLESS(tally_slice_equal(found, tally_slice_str(cn)), TALLY_R_E_CERT_SHAPE,
                        "a certificate of another name where \"%s\" belongs", cn);
    return TALLY_OK;
}

enum tally_status tally_tdx_cert_is_ca(const struct tally_tdx_cert *c, int pathlen)
{
    enum { BOTH = TALLY_KU_CERT_SIGN | TALLY_KU_CRL_SIGN };

    TALLY_REFUSE_UNLESS(
        c->ca && (pathlen < 0 || c->pathlen == pathlen) && (c->usages & BOTH) == BOTH,
        TALLY_R_E_CERT_CONSTRAINT, "basicConstraints or keyUsage do not allow what it signed");
    return TALLY_OK;
}

enum tally_status tally_tdx_cert_is_leaf(const struct tally_tdx_cert *c)
{
    TALLY_REFUSE_UNLESS(!c->ca && (c->usages & TALLY_KU_SIGN) != 0, TALLY_R_E_CERT_CONSTRAINT,
                        "a CA's certificate, or a key that may not sign");
    return TALLY_OK;
}

enum tally_status tally_tdx_cert_signed_by(const struct tally_tdx_cert *c,
                                           const struct tally_tdx_cert *issuer,
                                           struct tally_tdx_sig *with)
{
    TALLY_REFUSE_UNLESS(tally_slice_equal(c->issuer, issuer->subject), TALLY_R_E_CERT_SHAPE,
                        "the issuer's name is another one");
    return tally_tdx_x509_verify(c->tbs, c->sig, issuer, with);
}
