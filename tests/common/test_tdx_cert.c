/* test_tdx_cert.c - common/attest/tdx_cert.c, tdx_crl.c and tdx_pck.c, with OpenSSL as second
 * opinion: what is read here it reads too, and to the same values. */
#include <openssl/asn1.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/attest/tdx_pck.h"
#include "common/secret.h"
#include "tests/lib/suite.h"
#include "tests/lib/tdx_rows.h"
#include "tests/lib/vectors.h"

enum { CERTS_MAX = 80, CHAIN = 3 };

/* Every certificate of every quote and signing chain. */
static struct tally_slice certs[CERTS_MAX];
static size_t certs_n;

static void take(struct tally_slice pem)
{
    static uint8_t der[CHAIN * TALLY_CERT_BYTES_MAX];
    struct tally_slice list[CHAIN];
    size_t n = 0;

    if (pem.at[pem.len - 1] == 0) pem.len--;
    ck_assert_int_eq(tally_pem_chain(pem, der, sizeof der, list, CHAIN, &n), TALLY_OK);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_lt(certs_n, CERTS_MAX);
        certs[certs_n++] = tdx_copy(list[i]);
    }
}

static void collect(void)
{
    size_t n;
    const struct tdx_row *rows = tdx_rows(&n);

    certs_n = 0;
    for (size_t i = 0; i < n; i++) {
        struct tally_tdx_quote q;
        if (rows[i].version == 3) continue;
        ck_assert_int_eq(tally_tdx_quote_decode(rows[i].quote, &q), TALLY_OK);
        take(q.pck_pem);
    }
    const struct tdx_bundle *bundles = tdx_bundles(&n);
    for (size_t i = 0; i < n; i++) take(bundles[i].collateral.tcb_sign_chain);
}

static uint64_t seconds(const ASN1_TIME *t)
{
    struct tm tm;

    ck_assert_int_eq(ASN1_TIME_to_tm(t, &tm), 1);
    return (uint64_t)timegm(&tm);
}

static bool same_bytes(struct tally_slice a, const uint8_t *b, int n)
{
    return n >= 0 && tally_slice_equal(a, tally_slice_of(b, (size_t)n));
}

START_TEST(every_published_certificate_reads_as_openssl_reads_it)
{
    collect();
    ck_assert_uint_eq(certs_n, 15 * 3 + 7 * 2);
    for (size_t i = 0; i < certs_n; i++) {
        const uint8_t *p = certs[i].at;
        X509 *x = d2i_X509(NULL, &p, (long)certs[i].len);
        struct tally_tdx_cert c;
        uint8_t *tbs = NULL, *key = NULL;
        ck_assert_msg(x != NULL && tally_tdx_cert_parse(certs[i], &c) == TALLY_OK, "%zu: %s", i,
                      tally_why());
        int n = i2d_re_X509_tbs(x, &tbs);
        ck_assert(same_bytes(c.tbs, tbs, n));
        OPENSSL_free(tbs);
        ck_assert_uint_eq(c.not_before_s, seconds(X509_get0_notBefore(x)));
        ck_assert_uint_eq(c.not_after_s, seconds(X509_get0_notAfter(x)));
        const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
        struct tally_slice s = c.serial;
        while (s.len > 1 && s.at[0] == 0) s = tally_slice_of(s.at + 1, s.len - 1);
        ck_assert(same_bytes(s, ASN1_STRING_get0_data(serial), ASN1_STRING_length(serial)));
        n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &key);
        ck_assert_int_ge(n, TALLY_TDX_KEY_BYTES);
        ck_assert_mem_eq(key + n - TALLY_TDX_KEY_BYTES, c.key, TALLY_TDX_KEY_BYTES);
        ck_assert_int_eq(c.ca, (X509_get_extension_flags(x) & EXFLAG_CA) != 0);
        ck_assert_int_eq(c.pathlen, (int)X509_get_pathlen(x));
        OPENSSL_free(key);
        X509_free(x);
    }
}
END_TEST

/* Whoever reads more than the common reader reads something that is no certificate. */
START_TEST(what_is_read_of_a_changed_certificate_the_common_reader_reads_too)
{
    size_t step = getenv("TALLY_LONG") != NULL ? 1 : 3, both = 0, ours = 0;

    collect();
    const size_t picks[] = {0, 1, 2, certs_n - 2};
    for (size_t k = 0; k < 4; k++) {
        struct tally_slice der = certs[picks[k]];
        uint8_t *bytes = malloc(der.len);
        ck_assert_ptr_nonnull(bytes);
        for (size_t bit = 0; bit < der.len * 8; bit += step) {
            struct tally_tdx_cert c;
            struct tally_cert common;
            memcpy(bytes, der.at, der.len);
            bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
            struct tally_slice in = tally_slice_of(bytes, der.len);
            if (tally_tdx_cert_parse(in, &c) != TALLY_OK) continue;
            ours++;
            if (tally_cert_parse(in, &common) == TALLY_OK) {
                both++;
                ck_assert(common.not_before_s == c.not_before_s);
                ck_assert(common.not_after_s == c.not_after_s);
            }
            tally_cert_free(&common);
        }
        free(bytes);
    }
    ck_assert_uint_gt(both, 100);
    ck_assert_uint_eq(ours, both);
}
END_TEST

START_TEST(every_prefix_of_a_certificate_or_list_is_refused)
{
    struct tally_slice crl = tdx_bundle_named("2025-10_00806f05")->collateral.pck_crl;
    struct tally_tdx_crl list;
    struct tally_tdx_cert c;

    collect();
    for (size_t n = 0; n < certs[0].len; n++) {
        struct tally_slice s = tdx_copy(tally_slice_of(certs[0].at, n));
        ck_assert_int_ne(tally_tdx_cert_parse(s, &c), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_PARSE);
    }
    for (size_t n = 0; n < crl.len; n += 5) {
        struct tally_slice s = tdx_copy(tally_slice_of(crl.at, n));
        ck_assert_int_ne(tally_tdx_crl_parse(s, &list), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_PARSE);
    }
}
END_TEST

START_TEST(bytes_behind_a_certificate_or_list_are_refused)
{
    static uint8_t bytes[TALLY_CERT_BYTES_MAX + 1];
    struct tally_slice crl = tdx_bundle_named("2025-10_00806f05")->collateral.root_crl;
    struct tally_tdx_crl list;
    struct tally_tdx_cert c;

    collect();
    memcpy(bytes, certs[0].at, certs[0].len);
    ck_assert_int_ne(tally_tdx_cert_parse(tally_slice_of(bytes, certs[0].len + 1), &c), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_NONCANONICAL);
    ck_assert_int_ne(tally_tdx_cert_parse(tally_slice_of(bytes, sizeof bytes), &c), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OVERSIZE);
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, crl.at, crl.len);
    ck_assert_int_ne(tally_tdx_crl_parse(tally_slice_of(bytes, crl.len + 1), &list), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_NONCANONICAL);
}
END_TEST

START_TEST(other_vendors_certificates_are_refused_by_algorithm_and_key)
{
    size_t n;
    struct tally_tdx_cert c;
    uint8_t *der = tally_vectors_bytes("vectors/snp/roots/genoa_ark.der", &n);

    ck_assert_int_ne(tally_tdx_cert_parse(tally_slice_of(der, n), &c), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_ALG);
    free(der);
}
END_TEST

START_TEST(every_published_list_reads_as_openssl_reads_it)
{
    size_t n, rows_n = 0;
    const struct tdx_bundle *bundles = tdx_bundles(&n);

    for (size_t i = 0; i < n * 2; i++) {
        struct tally_slice der =
            i % 2 ? bundles[i / 2].collateral.pck_crl : bundles[i / 2].collateral.root_crl;
        const uint8_t *p = der.at;
        X509_CRL *x = d2i_X509_CRL(NULL, &p, (long)der.len);
        struct tally_tdx_crl c;
        ck_assert(x != NULL && tally_tdx_crl_parse(der, &c) == TALLY_OK);
        ck_assert_uint_eq(c.this_update_s, seconds(X509_CRL_get0_lastUpdate(x)));
        ck_assert_uint_eq(c.next_update_s, seconds(X509_CRL_get0_nextUpdate(x)));
        STACK_OF(X509_REVOKED) *rows = X509_CRL_get_REVOKED(x);
        for (int k = 0; k < sk_X509_REVOKED_num(rows); k++, rows_n++) {
            const ASN1_INTEGER *s = X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(rows, k));
            uint8_t *full = NULL;
            int len = i2d_ASN1_INTEGER(s, &full); /* tag and length are one byte each */
            ck_assert_int_gt(len, 2);
            ck_assert(tally_tdx_crl_lists(c.rows, tally_slice_of(full + 2, (size_t)len - 2)));
            full[len - 1] ^= 0x55;
            ck_assert(!tally_tdx_crl_lists(c.rows, tally_slice_of(full + 2, (size_t)len - 2)));
            OPENSSL_free(full);
        }
        X509_CRL_free(x);
    }
    ck_assert_uint_gt(rows_n, 50);
}
END_TEST

START_TEST(every_pck_certificate_says_its_platform)
{
    size_t n, seen = 0;
    const struct tdx_row *rows = tdx_rows(&n);

    collect();
    for (size_t i = 0; i < n; i++) {
        struct tally_tdx_cert c;
        struct tally_tdx_pck p;
        if (rows[i].results_n == 0) continue;
        ck_assert_int_eq(tally_tdx_cert_parse(certs[3 * seen++], &c), TALLY_OK);
        ck_assert_int_eq(tally_tdx_pck_decode(&c, &p), TALLY_OK);
        ck_assert_mem_eq(p.fmspc, rows[i].results[0].bundle->fmspc, sizeof p.fmspc);
        ck_assert(p.pce_svn == 11 || p.pce_svn == 13);
        ck_assert(p.has_instance && p.has_configuration && p.smt);
        ck_assert(p.pce_id[0] == 0 && p.pce_id[1] == 0 && p.sgx_type == 1);
    }
    struct tally_tdx_cert ca;
    struct tally_tdx_pck p;
    ck_assert_int_eq(tally_tdx_cert_parse(certs[1], &ca), TALLY_OK);
    ck_assert_int_ne(tally_tdx_pck_decode(&ca, &p), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_EXT_MISSING);
}
END_TEST

START_TEST(names_constraints_and_signatures_are_those_of_the_chain)
{
    TALLY_CLEANUP(tally_tdx_sig_free) struct tally_tdx_sig with = {0};
    struct tally_tdx_cert c[3];

    collect();
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(tally_tdx_cert_parse(certs[i], &c[i]), TALLY_OK);
    ck_assert_int_eq(tally_tdx_cert_is(&c[0], "Intel SGX PCK Certificate"), TALLY_OK);
    ck_assert_int_eq(tally_tdx_cert_is(&c[2], "Intel SGX Root CA"), TALLY_OK);
    ck_assert_int_ne(tally_tdx_cert_is(&c[2], "Intel SGX Root C"), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_SHAPE);
    ck_assert_int_eq(tally_tdx_cert_is_leaf(&c[0]), TALLY_OK);
    ck_assert_int_ne(tally_tdx_cert_is_leaf(&c[1]), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_CONSTRAINT);
    ck_assert_int_eq(tally_tdx_cert_is_ca(&c[1], 0), TALLY_OK);
    ck_assert_int_eq(tally_tdx_cert_is_ca(&c[2], -1), TALLY_OK);
    ck_assert_int_ne(tally_tdx_cert_is_ca(&c[2], 0), TALLY_OK);
    ck_assert_int_ne(tally_tdx_cert_is_ca(&c[0], -1), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_CONSTRAINT);
    ck_assert_int_eq(tally_tdx_cert_signed_by(&c[0], &c[1], &with), TALLY_OK);
    ck_assert_int_eq(tally_tdx_cert_signed_by(&c[1], &c[2], &with), TALLY_OK);
    ck_assert_int_eq(tally_tdx_cert_signed_by(&c[2], &c[2], &with), TALLY_OK);
    ck_assert_int_ne(tally_tdx_cert_signed_by(&c[0], &c[2], &with), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_SHAPE);
    memset(c[0].sig, 0, 32);
    ck_assert_int_ne(tally_tdx_cert_signed_by(&c[0], &c[1], &with), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("tdx_cert");

    tcase_add_test(t, every_published_certificate_reads_as_openssl_reads_it);
    tcase_add_test(t, what_is_read_of_a_changed_certificate_the_common_reader_reads_too);
    tcase_add_test(t, every_prefix_of_a_certificate_or_list_is_refused);
    tcase_add_test(t, bytes_behind_a_certificate_or_list_are_refused);
    tcase_add_test(t, other_vendors_certificates_are_refused_by_algorithm_and_key);
    tcase_add_test(t, every_published_list_reads_as_openssl_reads_it);
    tcase_add_test(t, every_pck_certificate_says_its_platform);
    tcase_add_test(t, names_constraints_and_signatures_are_those_of_the_chain);
    return tally_suite_run("common/tdx_cert", t);
}
