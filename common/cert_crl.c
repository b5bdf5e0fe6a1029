/* cert_crl.c - revocation lists; see cert.h. */
#include <stdlib.h>
#include <string.h>

#include "common/cert.h"
#include "common/der.h"
#include "common/x509.h"

enum { VERSION_2 = 1 };

/* One row of revokedCertificates: the serial number, and nothing critical said of it. */
static enum tally_status read_row(struct tally_slice row, struct tally_slice *serial, bool *plain)
{
    struct tally_cert_ext exts[TALLY_CERT_EXTS_MAX];
    struct tally_rd r = tally_rd_from(row);
    uint64_t date_s;
    int n = 0;

    *serial = tally_der_value(&r, TALLY_DER_INTEGER, "userCertificate");
    TALLY_TRY(tally_x509_time(&r, &date_s));
    struct tally_slice list = r.left > 0
                                  ? tally_der_whole(&r, TALLY_DER_SEQUENCE, "crlEntryExtensions")
                                  : (struct tally_slice){0};
    TALLY_REFUSE_UNLESS(r.bad == NULL && r.left == 0, TALLY_R_E_CERT_PARSE, "not a CRL");
    if (list.at == NULL) return TALLY_OK;
    TALLY_TRY(tally_x509_exts(list, exts, &n, plain));
    return tally_x509_check_exts(exts, n, false);
}

static enum tally_status read_rows(struct tally_slice rows, bool *plain)
{
    struct tally_rd r = tally_rd_from(rows);
    struct tally_slice serial;

    while (r.left > 0) {
        struct tally_slice row = tally_der_value(&r, TALLY_DER_SEQUENCE, "revokedCertificates");
        TALLY_REFUSE_UNLESS(r.bad == NULL, TALLY_R_E_CERT_PARSE, "not a CRL");
        TALLY_TRY(read_row(row, &serial, plain));
    }
    return TALLY_OK;
}

static enum tally_status read_exts(struct tally_slice list, bool *plain)
{
    struct tally_cert_ext exts[TALLY_CERT_EXTS_MAX];
    int n = 0;

    TALLY_TRY(tally_x509_exts(list, exts, &n, plain));
    return tally_x509_check_exts(exts, n, false);
}

static bool next_is_time(const struct tally_rd *r)
{
    return tally_der_next_is(r, TALLY_DER_UTC_TIME) || tally_der_next_is(r, TALLY_DER_TIME);
}

static enum tally_status read_tbs(struct tally_slice tbs, struct tally_crl *c, bool *plain)
{
    struct tally_rd r = tally_rd_from(tbs);
    struct tally_x509_crl *x = c->crl;
    struct tally_slice version = tally_der_value(&r, TALLY_DER_INTEGER, "version"), exts = {0};
    bool next = false;

    x->inner_alg = tally_x509_alg(&r, "signature");
    x->issuer = tally_x509_name(&r, "issuer", plain);
    TALLY_TRY(tally_x509_time(&r, &c->this_update_s));
    next = next_is_time(&r);
    if (next) TALLY_TRY(tally_x509_time(&r, &c->next_update_s));
    if (tally_der_next_is(&r, TALLY_DER_SEQUENCE))
        x->rows = tally_der_value(&r, TALLY_DER_SEQUENCE, "revokedCertificates");
    if (r.left > 0) exts = tally_der_value(&r, TALLY_DER_CONTEXT, "crlExtensions");
    TALLY_REFUSE_UNLESS(r.bad == NULL && r.left == 0 && version.len == 1 &&
                            version.at[0] == VERSION_2,
                        TALLY_R_E_CERT_PARSE, "not a CRL");
    if (exts.at != NULL) TALLY_TRY(read_exts(exts, plain));
    TALLY_TRY(read_rows(x->rows, plain));
    TALLY_REFUSE_UNLESS(*plain, TALLY_R_E_CERT_NONCANONICAL, "re-encodes to other bytes");
    TALLY_REFUSE_UNLESS(next, TALLY_R_E_CRL_EXPIRED, "the CRL does not say until when it holds");
    return TALLY_OK;
}

static enum tally_status parse(struct tally_slice der, struct tally_crl *c)
{
    struct tally_x509_crl *x = c->crl;
    bool plain = true;

    TALLY_TRY(tally_der_check(der));
    struct tally_slice tbs = tally_x509_outer(der, &x->tbs, &x->alg, &x->signature);
    TALLY_REFUSE_UNLESS(tbs.at != NULL, TALLY_R_E_CERT_PARSE, "not a CRL");
    return read_tbs(tbs, c, &plain);
}

enum tally_status tally_crl_parse(struct tally_slice der, struct tally_crl *c)
{
    *c = (struct tally_crl){0};
    TALLY_REFUSE_UNLESS(der.len <= TALLY_CRL_BYTES_MAX, TALLY_R_E_OVERSIZE, "CRL of %zu bytes",
                        der.len);
    struct tally_crl got = {.crl = malloc(sizeof *got.crl + der.len)};
    TALLY_ENSURE(got.crl != NULL, TALLY_E_NOMEM, "CRL");
    *got.crl = (struct tally_x509_crl){.rows = {0}};
    if (der.len > 0) memcpy(got.crl->der, der.at, der.len);
    enum tally_status s = parse(tally_slice_of(got.crl->der, der.len), &got);
    if (s == TALLY_OK)
        *c = got;
    else
        tally_crl_free(&got);
    return s;
}

void tally_crl_free(struct tally_crl *c)
{
    free(c->crl);
    *c = (struct tally_crl){0};
}

enum tally_status tally_crl_alg_is(const struct tally_crl *c, enum tally_cert_alg alg)
{
    return tally_x509_alg_is(c->crl->alg, c->crl->inner_alg, alg);
}

bool tally_crl_names(const struct tally_crl *c, const struct tally_cert *issuer)
{
    return tally_slice_equal(c->crl->issuer, issuer->x509->subject);
}

enum tally_status tally_crl_signed_by(const struct tally_crl *c, const struct tally_cert *issuer,
                                      enum tally_cert_alg want)
{
    const struct tally_x509_signed s = {c->crl->tbs, c->crl->inner_alg, c->crl->alg,
                                        c->crl->signature};

    TALLY_REFUSE_UNLESS(tally_crl_names(c, issuer), TALLY_R_E_CRL_ISSUER,
                        "the CRL is another issuer's");
    return tally_x509_verify(&s, issuer->x509, want);
}

enum tally_status tally_crl_valid_at(const struct tally_crl *c, uint64_t now_s)
{
    TALLY_REFUSE_UNLESS(now_s >= c->this_update_s, TALLY_R_E_CRL_EXPIRED,
                        "the CRL is from the future");
    TALLY_REFUSE_UNLESS(now_s <= c->next_update_s, TALLY_R_E_CRL_EXPIRED, "the CRL has expired");
    return TALLY_OK;
}

enum tally_status tally_crl_clears(const struct tally_crl *c, const struct tally_cert *cert)
{
    struct tally_rd r = tally_rd_from(c->crl->rows);

    while (r.left > 0) {
        struct tally_rd row = tally_der_into(&r, TALLY_DER_SEQUENCE, "revokedCertificates");
        struct tally_slice serial = tally_der_value(&row, TALLY_DER_INTEGER, "userCertificate");
        TALLY_REFUSE_UNLESS(!tally_slice_equal(serial, cert->x509->serial), TALLY_R_E_REVOKED,
                            "the CRL lists the issuer's certificate");
    }
    return TALLY_OK;
}
