/* cert.c - see cert.h. */
#include "common/cert.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/der.h"
#include "common/oid.h"
#include "common/x509.h"

enum { VERSION_3 = 2, UNKNOWN = -1 };

/* INTEGER 0..127 in one byte, as versions and path lengths are; else UNKNOWN. */
static int small(struct tally_slice v)
{
    return v.len == 1 && v.at[0] < 0x80 ? v.at[0] : UNKNOWN;
}

static void read_spki(struct tally_rd *r, struct tally_x509 *x)
{
    x->spki = tally_der_whole(r, TALLY_DER_SEQUENCE, "public key");
    struct tally_rd in = tally_rd_from(x->spki);
    struct tally_rd key = tally_der_into(&in, TALLY_DER_SEQUENCE, "public key");
    x->key_alg = tally_x509_alg(&key, "public key");
    x->key_bits = tally_x509_bits(&key, "public key");
    if (in.bad != NULL || key.bad != NULL || key.left > 0) tally_rd_fail(r, "public key");
}

/* The fields of TBSCertificate in order; `plain` becomes false where a default is written out or a
 * SET is out of order: then another spelling is the canonical one. */
static enum tally_status read_tbs(struct tally_slice tbs, struct tally_x509 *x,
                                  struct tally_cert *c, int *version, bool *plain)
{
    struct tally_rd r = tally_rd_from(tbs), v = {0};

    *version = 0;
    if (tally_der_next_is(&r, TALLY_DER_CONTEXT)) {
        v = tally_der_into(&r, TALLY_DER_CONTEXT, "version");
        *version = small(tally_der_value(&v, TALLY_DER_INTEGER, "version"));
    }
    x->serial = tally_der_value(&r, TALLY_DER_INTEGER, "serialNumber");
    x->inner_alg = tally_x509_alg(&r, "signature");
    x->issuer = tally_x509_name(&r, "issuer", plain);
    struct tally_rd dates = tally_der_into(&r, TALLY_DER_SEQUENCE, "validity");
    x->subject = tally_x509_name(&r, "subject", plain);
    read_spki(&r, x);
    bool exts = tally_der_next_is(&r, TALLY_DER_CONTEXT + 3);
    struct tally_slice list =
        exts ? tally_der_value(&r, TALLY_DER_CONTEXT + 3, "extensions") : (struct tally_slice){0};
    TALLY_REFUSE_UNLESS(r.bad == NULL && r.left == 0 && v.bad == NULL && v.left == 0,
                        TALLY_R_E_CERT_PARSE, "not an X.509 certificate");
    if (exts) TALLY_TRY(tally_x509_exts(list, x->exts, &x->exts_n, plain));
    TALLY_TRY(tally_x509_time(&dates, &c->not_before_s));
    TALLY_TRY(tally_x509_time(&dates, &c->not_after_s));
    TALLY_REFUSE_UNLESS(dates.left == 0, TALLY_R_E_CERT_PARSE, "validity");
    return TALLY_OK;
}

static enum tally_status parse(struct tally_slice der, struct tally_cert *c)
{
    struct tally_x509 *x = c->x509;
    int version = 0;
    bool plain = true;

    TALLY_TRY(tally_der_check(der));
    struct tally_slice tbs = tally_x509_outer(der, &x->tbs, &x->alg, &x->signature);
    TALLY_REFUSE_UNLESS(tbs.at != NULL, TALLY_R_E_CERT_PARSE, "not an X.509 certificate");
    TALLY_TRY(read_tbs(tbs, x, c, &version, &plain));
    TALLY_REFUSE_UNLESS(plain, TALLY_R_E_CERT_NONCANONICAL, "re-encodes to other bytes");
    TALLY_REFUSE_UNLESS(version == VERSION_3, TALLY_R_E_CERT_SHAPE, "not a version 3 certificate");
    return tally_x509_check_exts(x->exts, x->exts_n, true);
}

enum tally_status tally_cert_parse(struct tally_slice der, struct tally_cert *c)
{
    *c = (struct tally_cert){0};
    TALLY_REFUSE_UNLESS(der.len <= TALLY_CERT_BYTES_MAX, TALLY_R_E_OVERSIZE,
                        "certificate of %zu bytes", der.len);
    struct tally_cert got = {.x509 = malloc(sizeof *got.x509 + der.len)};
    TALLY_ENSURE(got.x509 != NULL, TALLY_E_NOMEM, "certificate");
    *got.x509 = (struct tally_x509){.der_len = der.len};
    if (der.len > 0) memcpy(got.x509->der, der.at, der.len);
    enum tally_status s = parse(tally_slice_of(got.x509->der, der.len), &got);
    if (s == TALLY_OK)
        *c = got;
    else
        tally_cert_free(&got);
    return s;
}

void tally_cert_free(struct tally_cert *c)
{
    struct tally_x509 *x = c->x509;

    *c = (struct tally_cert){0};
    if (x == NULL || x->owners-- > 0) return;
    EVP_PKEY_free(x->key);
    free(x);
}

void tally_cert_share(const struct tally_cert *c, struct tally_cert *out)
{
    c->x509->owners++;
    *out = *c;
}

void tally_cert_place(struct tally_cert *c, struct tally_ecdsa *place)
{
    c->x509->place = place;
}

struct tally_slice tally_cert_der(const struct tally_cert *c)
{
    return tally_slice_of(c->x509->der, c->x509->der_len);
}

struct tally_slice tally_cert_serial(const struct tally_cert *c)
{
    return c->x509->serial;
}

struct tally_slice tally_cert_spki(const struct tally_cert *c)
{
    return c->x509->spki;
}

static bool is_cn(struct tally_slice type)
{
    static const uint8_t cn[] = {0x55, 0x04, 0x03};

    return tally_slice_equal(type, TALLY_SLICE(cn));
}

/* The value of the one CN with its tag; at == NULL where there is none or another. */
static struct tally_slice find_cn(struct tally_slice name, uint8_t *tag)
{
    struct tally_rd in = tally_rd_from(name);
    struct tally_rd sets = tally_der_into(&in, TALLY_DER_SEQUENCE, "name");
    struct tally_slice found = {0};

    while (sets.left > 0) {
        struct tally_rd set = tally_der_into(&sets, TALLY_DER_SET, "name");
        while (set.left > 0) {
            struct tally_rd pair = tally_der_into(&set, TALLY_DER_SEQUENCE, "name");
            if (!is_cn(tally_der_value(&pair, TALLY_DER_OID, "name"))) continue;
            if (found.at != NULL || pair.left == 0) return (struct tally_slice){0};
            *tag = pair.at[0];
            found = tally_der_value(&pair, *tag, "name");
        }
    }
    return found;
}

static enum tally_status common_name(struct tally_slice name, char out[TALLY_CERT_CN_SIZE])
{
    uint8_t tag = 0;
    struct tally_slice cn = find_cn(name, &tag);

    TALLY_REFUSE_UNLESS(cn.at != NULL, TALLY_R_E_CERT_SHAPE, "a name without exactly one CN");
    TALLY_REFUSE_UNLESS(cn.len > 0 && cn.len < TALLY_CERT_CN_SIZE &&
                            (tag == TALLY_DER_UTF8 || tag == TALLY_DER_PRINTABLE),
                        TALLY_R_E_CERT_SHAPE, "CN of %zu bytes", cn.len);
    for (size_t k = 0; k < cn.len; k++)
        TALLY_REFUSE_UNLESS(cn.at[k] >= 0x20 && cn.at[k] < 0x7f, TALLY_R_E_CERT_SHAPE,
                            "CN not ASCII");
    memcpy(out, cn.at, cn.len);
    out[cn.len] = '\0';
    return TALLY_OK;
}

enum tally_status tally_cert_subject_cn(const struct tally_cert *c, char out[TALLY_CERT_CN_SIZE])
{
    return common_name(c->x509->subject, out);
}

enum tally_status tally_cert_issuer_cn(const struct tally_cert *c, char out[TALLY_CERT_CN_SIZE])
{
    return common_name(c->x509->issuer, out);
}

enum tally_status tally_cert_valid_at(const struct tally_cert *c, uint64_t now_s)
{
    TALLY_REFUSE_UNLESS(now_s >= c->not_before_s, TALLY_R_E_CERT_NOT_YET_VALID,
                        "the certificate begins later");
    TALLY_REFUSE_UNLESS(now_s <= c->not_after_s, TALLY_R_E_CERT_EXPIRED,
                        "the certificate has expired");
    return TALLY_OK;
}

static const struct tally_cert_ext *find(const struct tally_cert *c, struct tally_slice oid)
{
    for (int i = 0; i < c->x509->exts_n; i++) {
        if (tally_slice_equal(c->x509->exts[i].oid, oid)) return &c->x509->exts[i];
    }
    return NULL;
}

static bool key_usages(const struct tally_cert *c, unsigned usages)
{
    static const struct {
        unsigned usage;
        uint8_t bit; /* in the first byte, as all that are asked for */
    } bits[] = {
        {TALLY_KU_SIGN,      0x80},
        {TALLY_KU_CERT_SIGN, 0x04},
        {TALLY_KU_CRL_SIGN,  0x02}
    };
    const struct tally_cert_ext *e = find(c, TALLY_SLICE(tally_oid_key_usage));
    struct tally_rd r = tally_rd_from(e == NULL ? (struct tally_slice){0} : e->value);
    struct tally_slice ku = tally_der_value(&r, TALLY_DER_BITS, "keyUsage");
    bool may = ku.len >= 2 && r.left == 0;

    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
        may = may && (!(usages & bits[i].usage) || (ku.at[1] & bits[i].bit) != 0);
    return may;
}

struct constraints {
    bool given, sound, ca;
    int pathlen; /* UNKNOWN: none */
};

static struct constraints constraints(const struct tally_cert *c)
{
    const struct tally_cert_ext *e = find(c, TALLY_SLICE(tally_oid_basic_constraints));
    struct constraints got = {.given = e != NULL, .pathlen = UNKNOWN};

    if (e == NULL) return got;
    struct tally_rd file = tally_rd_from(e->value);
    struct tally_rd r = tally_der_into(&file, TALLY_DER_SEQUENCE, "basicConstraints");
    if (tally_der_next_is(&r, TALLY_DER_BOOLEAN)) {
        struct tally_slice ca = tally_der_value(&r, TALLY_DER_BOOLEAN, "cA");
        got.ca = ca.len == 1 && ca.at[0] != 0;
    }
    if (r.left > 0) {
        got.pathlen = small(tally_der_value(&r, TALLY_DER_INTEGER, "pathLen"));
        if (got.pathlen == UNKNOWN || !got.ca) tally_rd_fail(&r, "pathLen");
    }
    got.sound = file.bad == NULL && file.left == 0 && r.bad == NULL && r.left == 0;
    return got;
}

enum tally_status tally_cert_is_ca(const struct tally_cert *c, int pathlen, unsigned usages)
{
    struct constraints bc = constraints(c);

    TALLY_REFUSE_UNLESS(
        bc.sound && bc.ca && (pathlen < 0 || bc.pathlen == pathlen) && key_usages(c, usages),
        TALLY_R_E_CERT_CONSTRAINT, "basicConstraints or keyUsage do not allow what it signed");
    return TALLY_OK;
}

enum tally_status tally_cert_is_leaf(const struct tally_cert *c, unsigned usages)
{
    struct constraints bc = constraints(c);

    TALLY_REFUSE_UNLESS((!bc.given || (bc.sound && !bc.ca)) && key_usages(c, usages),
                        TALLY_R_E_CERT_CONSTRAINT,
                        "a CA's certificate, or a key that may not sign");
    return TALLY_OK;
}

bool tally_cert_names(const struct tally_cert *c, const struct tally_cert *issuer)
{
    return tally_slice_equal(c->x509->issuer, issuer->x509->subject);
}

enum tally_status tally_cert_alg_is(const struct tally_cert *c, enum tally_cert_alg alg)
{
    return tally_x509_alg_is(c->x509->alg, c->x509->inner_alg, alg);
}

enum tally_status tally_cert_signed_by(const struct tally_cert *c, const struct tally_cert *issuer,
                                       enum tally_cert_alg want)
{
    const struct tally_x509_signed s = {c->x509->tbs, c->x509->inner_alg, c->x509->alg,
                                        c->x509->signature};

    TALLY_REFUSE_UNLESS(tally_cert_names(c, issuer), TALLY_R_E_CERT_SHAPE,
                        "the issuer's name is another one");
    return tally_x509_verify(&s, issuer->x509, want);
}

struct tally_slice tally_cert_ext(const struct tally_cert *c, const char *oid)
{
    uint8_t der[TALLY_OID_BYTES_MAX];
    size_t len = 0;
    const struct tally_cert_ext *e = NULL;

    if (tally_oid_from_text(oid, der, &len)) e = find(c, tally_slice_of(der, len));
    return e == NULL ? (struct tally_slice){0} : e->value;
}

bool tally_cert_ext_oid(const struct tally_cert *c, int i, char *out, size_t size)
{
    if (i >= c->x509->exts_n) return false;
    if (!tally_oid_to_text(c->x509->exts[i].oid, out, size) && size > 0) out[0] = '\0';
    return true;
}

bool tally_cert_ext_at(const struct tally_cert *c, int i, struct tally_cert_ext *out)
{
    if (i >= c->x509->exts_n) return false;
    *out = c->x509->exts[i];
    return true;
}
