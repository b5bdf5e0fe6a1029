/* tdx_crl.c - Intel's revocation lists; see tdx_cert.h. */
#include "common/attest/tdx_x509.h"

#define IS(slice, array) tally_slice_equal((slice), TALLY_SLICE(array))

/* The rows' serial numbers are read when one is looked for; here they are shown to be readable. */
static enum tally_status check_rows(struct tally_slice rows)
{
    struct tally_rd r = tally_rd_from(rows);

    while (r.left > 0) {
        struct tally_rd row = tally_tdx_der_into(&r, TALLY_DER_SEQUENCE, "a revoked certificate");
        (void)tally_der_value(&row, TALLY_DER_INTEGER, "a revoked serial number");
        (void)tally_tdx_der_time(&row, "a date of revocation");
        struct tally_slice exts = {0};
        if (row.bad == NULL && row.left > 0)
            exts = tally_der_value(&row, TALLY_DER_SEQUENCE, "a revocation's extensions");
        TALLY_TRY(tally_tdx_x509_end(&row, "a revoked certificate"));
        TALLY_TRY(tally_tdx_x509_exts(exts, false));
    }
    return TALLY_OK;
}

/* version, algorithm, issuer, dates, rows, extensions. */
static enum tally_status read_crl(struct tally_slice tbs, struct tally_tdx_crl *c)
{
    static const uint8_t v2[] = {1};
    struct tally_rd r = tally_rd_from(tbs);
    struct tally_rd in = tally_tdx_der_into(&r, TALLY_DER_SEQUENCE, "the signed part");

    TALLY_REFUSE_UNLESS(IS(tally_der_value(&in, TALLY_DER_INTEGER, "version"), v2),
                        TALLY_R_E_CERT_PARSE, "not a version 2 CRL");
    TALLY_TRY(tally_tdx_x509_alg(&in));
    c->issuer = tally_der_whole(&in, TALLY_DER_SEQUENCE, "an issuer");
    c->this_update_s = tally_tdx_der_time(&in, "thisUpdate");
    TALLY_REFUSE_UNLESS(in.bad != NULL || tally_der_next_is(&in, TALLY_DER_UTC_TIME) ||
                            tally_der_next_is(&in, TALLY_DER_TIME),
                        TALLY_R_E_CRL_EXPIRED, "the CRL does not say until when it holds");
    c->next_update_s = tally_tdx_der_time(&in, "nextUpdate");
    if (tally_der_next_is(&in, TALLY_DER_SEQUENCE))
        c->rows = tally_der_value(&in, TALLY_DER_SEQUENCE, "revoked certificates");
    struct tally_rd exts = tally_rd_from(tally_slice_of(NULL, 0));
    if (in.bad == NULL && in.left > 0)
        exts = tally_tdx_der_into(&in, TALLY_DER_CONTEXT, "extensions");
    struct tally_slice list = {0};
    if (exts.left > 0) list = tally_der_value(&exts, TALLY_DER_SEQUENCE, "extensions");
    TALLY_TRY(tally_tdx_x509_end(&exts, "extensions"));
    TALLY_TRY(tally_tdx_x509_end(&in, "a CRL"));
    TALLY_TRY(tally_tdx_x509_name(c->issuer));
    TALLY_TRY(tally_tdx_x509_exts(list, false));
    return check_rows(c->rows);
}

enum tally_status tally_tdx_crl_parse(struct tally_slice der, struct tally_tdx_crl *out)
{
    struct tally_tdx_crl c = {0};

    TALLY_REFUSE_UNLESS(der.len <= TALLY_CRL_BYTES_MAX, TALLY_R_E_OVERSIZE, "CRL of %zu bytes",
                        der.len);
    TALLY_TRY(tally_der_check(der));
    TALLY_TRY(tally_tdx_x509_open(der, &c.tbs, c.sig));
    TALLY_TRY(read_crl(c.tbs, &c));
    *out = c;
    return TALLY_OK;
}

enum tally_status tally_tdx_crl_signed_by(const struct tally_tdx_crl *c,
                                          const struct tally_tdx_cert *issuer,
                                          struct tally_tdx_sig *with)
{
    TALLY_REFUSE_UNLESS(tally_slice_equal(c->issuer, issuer->subject), TALLY_R_E_CRL_ISSUER,
                        "the CRL is another issuer's");
    return tally_tdx_x509_verify(c->tbs, c->sig, issuer, with);
}

bool tally_tdx_crl_lists(struct tally_slice rows, struct tally_slice serial)
{
    struct tally_rd r = tally_rd_from(rows);

    while (r.left > 0 && r.bad == NULL) {
        struct tally_rd row = tally_tdx_der_into(&r, TALLY_DER_SEQUENCE, "");
        if (tally_slice_equal(tally_der_value(&row, TALLY_DER_INTEGER, ""), serial)) return true;
    }
    return false;
}
