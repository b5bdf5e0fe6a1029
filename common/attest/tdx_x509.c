/* tdx_x509.c - see tdx_x509.h. */
#include "common/attest/tdx_x509.h"

#include <string.h>

#include "common/oid.h"

/* ecdsa-with-SHA256, whole. */
static const uint8_t alg_ecdsa_sha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                           0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
const uint8_t tally_tdx_oid_basic_constraints[3] = {0x55, 0x1d, 0x13};
const uint8_t tally_tdx_oid_key_usage[3] = {0x55, 0x1d, 0x0f};

#define IS(slice, array) tally_slice_equal((slice), TALLY_SLICE(array))

enum tally_status tally_tdx_x509_readable(const struct tally_rd *r)
{
    TALLY_REFUSE_UNLESS(r->bad == NULL, TALLY_R_E_CERT_PARSE, "no X.509 where %s belongs", r->bad);
    return TALLY_OK;
}

enum tally_status tally_tdx_x509_end(const struct tally_rd *r, const char *what)
{
    TALLY_TRY(tally_tdx_x509_readable(r));
    TALLY_REFUSE_UNLESS(r->left == 0, TALLY_R_E_CERT_PARSE, "more in %s than belongs there", what);
    return TALLY_OK;
}

/* INTEGER as 32 big-endian bytes; false if it is negative, longer, or not minimal. */
static bool number(struct tally_rd *r, uint8_t out[32])
{
    struct tally_slice v = tally_der_value(r, TALLY_DER_INTEGER, "signature");

    if (r->bad != NULL || v.len == 0 || (v.at[0] & 0x80) != 0) return false;
    if (v.len > 1 && v.at[0] == 0) {
        if ((v.at[1] & 0x80) == 0) return false;
        v = tally_slice_of(v.at + 1, v.len - 1);
    }
    if (v.len > 32) return false;
    memset(out, 0, 32);
    memcpy(out + 32 - v.len, v.at, v.len);
    return true;
}

/* What is no ECDSA signature becomes r = s = 0, which verifies nothing. */
static void read_signature(struct tally_slice bits, uint8_t out[TALLY_TDX_SIG_BYTES])
{
    struct tally_rd r = tally_rd_from(bits);

    if (tally_rd_u8(&r, "unused bits") != 0) tally_rd_fail(&r, "unused bits");
    struct tally_rd in = tally_tdx_der_into(&r, TALLY_DER_SEQUENCE, "signature");
    bool good = number(&in, out) && number(&in, out + 32) && tally_rd_end(&in) == TALLY_OK &&
                tally_rd_end(&r) == TALLY_OK;
    if (!good) memset(out, 0, TALLY_TDX_SIG_BYTES);
}

/* The outer form of certificates and CRLs: what is signed, how, and the signature. */
enum tally_status tally_tdx_x509_open(struct tally_slice der, struct tally_slice *tbs,
                                      uint8_t sig[TALLY_TDX_SIG_BYTES])
{
    struct tally_rd r = tally_rd_from(der);
    struct tally_rd in = tally_tdx_der_into(&r, TALLY_DER_SEQUENCE, "a SEQUENCE");

    *tbs = tally_der_whole(&in, TALLY_DER_SEQUENCE, "the signed part");
    struct tally_slice alg = tally_der_whole(&in, TALLY_DER_SEQUENCE, "an algorithm");
    struct tally_slice bits = tally_der_value(&in, TALLY_DER_BITS, "a signature");
    TALLY_TRY(tally_tdx_x509_end(&in, "a certificate"));
    TALLY_REFUSE_UNLESS(IS(alg, alg_ecdsa_sha256), TALLY_R_E_CERT_ALG,
                        "signed otherwise than with ECDSA with SHA-256");
    read_signature(bits, sig);
    return TALLY_OK;
}

/* The algorithm is said again inside. */
enum tally_status tally_tdx_x509_alg(struct tally_rd *r)
{
    struct tally_slice alg = tally_der_whole(r, TALLY_DER_SEQUENCE, "the inner algorithm");

    TALLY_TRY(tally_tdx_x509_readable(r));
    TALLY_REFUSE_UNLESS(IS(alg, alg_ecdsa_sha256), TALLY_R_E_CERT_ALG,
                        "the two algorithms of the certificate differ");
    return TALLY_OK;
}

enum tally_status tally_tdx_x509_ext(struct tally_rd *r, struct tally_tdx_ext *e)
{
    struct tally_rd in = tally_tdx_der_into(r, TALLY_DER_SEQUENCE, "an extension");

    *e = (struct tally_tdx_ext){.oid = tally_der_value(&in, TALLY_DER_OID, "an extension's OID")};
    if (tally_der_next_is(&in, TALLY_DER_BOOLEAN)) {
        struct tally_slice b = tally_der_value(&in, TALLY_DER_BOOLEAN, "critical");
        e->critical = true;
        TALLY_REFUSE_UNLESS(in.bad == NULL && b.at[0] == 0xff, TALLY_R_E_CERT_NONCANONICAL,
                            "an extension that says it is not critical");
    }
    e->value = tally_der_value(&in, TALLY_DER_OCTETS, "an extension's value");
    if (!tally_oid_is_sound(e->oid)) tally_rd_fail(&in, "an extension's OID");
    return tally_tdx_x509_end(&in, "an extension");
}

/* Is this OID among the extensions before `until`? */
static bool stands_before(struct tally_slice exts, const uint8_t *until, struct tally_slice oid)
{
    struct tally_rd r = tally_rd_from(tally_slice_of(exts.at, (size_t)(until - exts.at)));
    struct tally_tdx_ext e;

    while (r.left > 0 && r.bad == NULL) {
        struct tally_rd in = tally_tdx_der_into(&r, TALLY_DER_SEQUENCE, "");
        e.oid = tally_der_value(&in, TALLY_DER_OID, "");
        if (tally_slice_equal(e.oid, oid)) return true;
    }
    return false;
}

/* All of a list; a CRL may have no critical one. */
enum tally_status tally_tdx_x509_exts(struct tally_slice exts, bool of_cert)
{
    struct tally_rd r = tally_rd_from(exts);
    struct tally_tdx_ext e;

    for (int n = 0; r.left > 0; n++) {
        const uint8_t *here = r.at;
        TALLY_REFUSE_UNLESS(n < TALLY_CERT_EXTS_MAX, TALLY_R_E_OVERSIZE, "too many extensions");
        TALLY_TRY(tally_tdx_x509_ext(&r, &e));
        bool known = of_cert && (IS(e.oid, tally_tdx_oid_basic_constraints) ||
                                 IS(e.oid, tally_tdx_oid_key_usage));
        TALLY_REFUSE_UNLESS(known || !e.critical, TALLY_R_E_CERT_CRITICAL_EXT,
                            "unknown critical extension");
        TALLY_REFUSE_UNLESS(!stands_before(exts, here, e.oid), TALLY_R_E_CERT_EXT_DUP,
                            "an extension stands twice");
        if (known) TALLY_TRY(tally_der_check(e.value));
    }
    return TALLY_OK;
}

/* Intel's names are lists of single attributes; so no SET has an order that could be wrong. */
enum tally_status tally_tdx_x509_name(struct tally_slice name)
{
    struct tally_rd r = tally_rd_from(name);
    struct tally_rd names = tally_tdx_der_into(&r, TALLY_DER_SEQUENCE, "a name");

    while (names.bad == NULL && names.left > 0) {
        struct tally_rd set = tally_tdx_der_into(&names, TALLY_DER_SET, "a name");
        struct tally_rd pair = tally_tdx_der_into(&set, TALLY_DER_SEQUENCE, "a name");
        struct tally_slice oid = tally_der_value(&pair, TALLY_DER_OID, "a name");
        bool utf8 = tally_der_next_is(&pair, TALLY_DER_UTF8);
        struct tally_slice text =
            tally_der_value(&pair, utf8 ? TALLY_DER_UTF8 : TALLY_DER_PRINTABLE, "a name's text");
        for (size_t i = 0; i < text.len; i++) {
            if (text.at[i] < 0x20 || text.at[i] >= 0x7f) tally_rd_fail(&pair, "a name in ASCII");
        }
        TALLY_TRY(tally_tdx_x509_end(&pair, "a name"));
        TALLY_REFUSE_UNLESS(set.left == 0, TALLY_R_E_CERT_SHAPE, "a name of two in one");
        TALLY_REFUSE_UNLESS(tally_oid_is_sound(oid), TALLY_R_E_CERT_PARSE, "a name's OID");
    }
    return tally_tdx_x509_readable(&names);
}

enum tally_status tally_tdx_x509_verify(struct tally_slice tbs, const uint8_t *sig,
                                        const struct tally_tdx_cert *issuer,
                                        struct tally_tdx_sig *with)
{
    enum tally_status s = tally_tdx_sig_verify(with, issuer->key, tbs, sig);

    TALLY_REFUSE_UNLESS(s == TALLY_OK || tally_reason() == TALLY_R_E_KEY, TALLY_R_E_SIGNATURE,
                        "the certificate's or CRL's signature does not verify");
    return s;
}
