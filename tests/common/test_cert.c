/* test_cert.c - common/cert.c and common/der.c over the vendors' certificates. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cert.h"
#include "common/der.h"
#include "common/secret.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static enum tally_reason parse(const uint8_t *bytes, size_t len)
{
    TALLY_CLEANUP(tally_cert_free) struct tally_cert c = {0};
    uint8_t *exact = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(exact);
    if (len != 0) memcpy(exact, bytes, len);
    enum tally_status s = tally_cert_parse(tally_slice_of(exact, len), &c);
    free(exact);
    ck_assert(s == TALLY_OK || c.x509 == NULL);
    return s == TALLY_OK ? TALLY_R_NONE : tally_reason();
}

START_TEST(every_real_certificate_and_crl_is_canonical)
{
    static const char *const names[] = {
        "roots/milan_ark.der",  "roots/milan_ask.der",  "roots/milan_asvk.der",
        "roots/genoa_ark.der",  "roots/genoa_ask.der",  "roots/genoa_asvk.der",
        "roots/turin_ark.der",  "roots/turin_ask.der",  "roots/turin_asvk.der",
        "genoa_v5_oak/vek.der", "turin_v5_oak/vek.der", "milan_v3_vlek_aws_vmpl1/vek.der"};
    struct tally_crl crl;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct tally_slice f = snp_vector_file(names[i]);
        ck_assert_msg(parse(f.at, f.len) == TALLY_R_NONE, "%s: %s", names[i], tally_why());
    }
    ck_assert_int_eq(tally_crl_parse(snp_vector_file("roots/genoa_vcek_crl.der"), &crl), TALLY_OK);
    tally_crl_free(&crl);
}
END_TEST

START_TEST(a_real_crl_clears_the_new_issuer_and_not_before_its_time)
{
    TALLY_CLEANUP(tally_cert_free) struct tally_cert ark = {0}, ask = {0}, milan = {0};
    TALLY_CLEANUP(tally_crl_free) struct tally_crl crl = {0};

    ck_assert_int_eq(tally_cert_parse(snp_vector_file("roots/genoa_ark.der"), &ark), TALLY_OK);
    ck_assert_int_eq(tally_cert_parse(snp_vector_file("roots/genoa_ask.der"), &ask), TALLY_OK);
    ck_assert_int_eq(tally_cert_parse(snp_vector_file("roots/milan_ark.der"), &milan), TALLY_OK);
    ck_assert_int_eq(tally_crl_parse(snp_vector_file("roots/genoa_vcek_crl.der"), &crl), TALLY_OK);
    ck_assert_int_eq(tally_crl_signed_by(&crl, &ark, TALLY_ALG_PSS_SHA384), TALLY_OK);
    ck_assert_int_eq(tally_crl_clears(&crl, &ask), TALLY_OK); /* 020002; 020001 is listed */
    ck_assert_int_ne(tally_crl_signed_by(&crl, &milan, TALLY_ALG_PSS_SHA384), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CRL_ISSUER);
    ck_assert_int_eq(tally_crl_valid_at(&crl, crl.this_update_s), TALLY_OK);
    ck_assert_int_eq(tally_crl_valid_at(&crl, crl.next_update_s), TALLY_OK);
    ck_assert_int_ne(tally_crl_valid_at(&crl, crl.this_update_s - 1), TALLY_OK);
    ck_assert_int_ne(tally_crl_valid_at(&crl, crl.next_update_s + 1), TALLY_OK);
    ck_assert_int_eq(tally_cert_signed_by(&ark, &ark, TALLY_ALG_PSS_SHA384), TALLY_OK);
    ck_assert_int_eq(tally_cert_signed_by(&ask, &ark, TALLY_ALG_PSS_SHA384), TALLY_OK);
    ck_assert_int_ne(tally_cert_signed_by(&ask, &milan, TALLY_ALG_PSS_SHA384), TALLY_OK);
}
END_TEST

START_TEST(every_prefix_and_every_added_byte_is_refused)
{
    struct tally_slice f = snp_vector_file("roots/genoa_ask.der");
    uint8_t longer[TALLY_CERT_BYTES_MAX + 1] = {0};

    for (size_t len = 0; len < f.len; len++) {
        enum tally_reason r = parse(f.at, len);
        ck_assert(r == TALLY_R_E_CERT_PARSE || r == TALLY_R_E_CERT_NONCANONICAL);
    }
    memcpy(longer, f.at, f.len);
    ck_assert_int_eq(parse(longer, f.len + 1), TALLY_R_E_CERT_NONCANONICAL);
    ck_assert_int_eq(parse(longer, sizeof longer), TALLY_R_E_OVERSIZE);
}
END_TEST

/* No changed bit yields a certificate that passes for the issuer's. */
START_TEST(a_flipped_bit_breaks_the_certificate_or_its_signature)
{
    TALLY_CLEANUP(tally_cert_free) struct tally_cert ask = {0};
    struct tally_slice f = snp_vector_file("genoa_v3_ccf/vek.der");
    uint8_t b[2048];
    unsigned step = getenv("TALLY_LONG") ? 1 : 13;

    memcpy(b, f.at, f.len);
    ck_assert_int_eq(tally_cert_parse(snp_vector_file("roots/genoa_ask.der"), &ask), TALLY_OK);
    for (size_t bit = 0; bit < 8 * f.len; bit += step) {
        TALLY_CLEANUP(tally_cert_free) struct tally_cert c = {0};
        b[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_msg(tally_cert_parse(tally_slice_of(b, f.len), &c) != TALLY_OK ||
                          tally_cert_signed_by(&c, &ask, TALLY_ALG_PSS_SHA384) != TALLY_OK,
                      "bit %zu", bit);
        b[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}
END_TEST

START_TEST(only_der_is_der)
{
    /* clang-format off */
    static const struct {
        const char *bytes;
        size_t len;
        enum tally_reason reason;
    } rows[] = {
        {"\x30\x03\x02\x01\x05", 5, TALLY_R_NONE},
        {"\x30\x80\x02\x01\x05\x00\x00", 7, TALLY_R_E_CERT_NONCANONICAL}, /* indefinite */
        {"\x30\x81\x03\x02\x01\x05", 6, TALLY_R_E_CERT_NONCANONICAL}, /* long length */
        {"\x30\x82\x00\x03\x02\x01\x05", 7, TALLY_R_E_CERT_NONCANONICAL},
        {"\x30\x84\x00\x00\x00\x03\x02\x01\x05", 9, TALLY_R_E_CERT_NONCANONICAL},
        {"\x30\x04\x02\x02\x00\x05", 6, TALLY_R_E_CERT_NONCANONICAL}, /* padded integer */
        {"\x30\x04\x02\x02\xff\x80", 6, TALLY_R_E_CERT_NONCANONICAL},
        {"\x30\x02\x02\x00", 4, TALLY_R_E_CERT_NONCANONICAL},
        {"\x30\x03\x01\x01\x01", 5, TALLY_R_E_CERT_NONCANONICAL}, /* TRUE is ff */
        {"\x30\x04\x03\x02\x01\xff", 6, TALLY_R_E_CERT_NONCANONICAL}, /* spare bits */
        {"\x24\x03\x04\x01\x05", 5, TALLY_R_E_CERT_NONCANONICAL}, /* constructed string */
        {"\x10\x00", 2, TALLY_R_E_CERT_NONCANONICAL}, /* primitive SEQUENCE */
        {"\x1f\x20\x00", 3, TALLY_R_E_CERT_NONCANONICAL}, /* long tag */
        {"\x30\x03\x02\x01\x05\x00", 6, TALLY_R_E_CERT_NONCANONICAL}, /* a byte after */
        {"\x30\x03\x02\x02\x05", 5, TALLY_R_E_CERT_PARSE},
        {"\x30\x04\x02\x01\x05", 5, TALLY_R_E_CERT_PARSE},
        {"\x30\x83\xff\xff\xff", 5, TALLY_R_E_CERT_PARSE},
        {"\x30", 1, TALLY_R_E_CERT_PARSE},
        {"", 0, TALLY_R_E_CERT_PARSE},
    };
    /* clang-format on */

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum tally_status s = tally_der_check(tally_slice_of(rows[i].bytes, rows[i].len));
        ck_assert_msg((s == TALLY_OK ? TALLY_R_NONE : tally_reason()) == rows[i].reason, "row %zu",
                      i);
    }
}
END_TEST

START_TEST(nesting_has_a_limit)
{
    uint8_t deep[2 * 60];

    for (size_t i = 0; i < 60; i++) {
        deep[2 * i] = 0x30;
        deep[2 * i + 1] = (uint8_t)(sizeof deep - 2 * i - 2);
    }
    ck_assert_int_ne(tally_der_check(TALLY_SLICE(deep)), TALLY_OK);
    ck_assert_int_eq(tally_der_check(tally_slice_of(deep + sizeof deep - 2, 2)), TALLY_OK);
}
END_TEST

/* A chain inside evidence has one spelling but for its line feeds. */
START_TEST(base64_with_anything_left_over_is_refused)
{
    static const struct {
        const char *body;
        bool good;
    } rows[] = {
        {"MAA=\n",     true },
        {"MA\nA=\n",   true },
        {"MAAA\n",     true },
        {"MAB=\n",     false}, /* a spare bit */
        {"MAAAA===\n", false}, /* a sextet that is no byte */
        {"MAA\n",      false},
        {"MA==A\n",    false},
        {"MAA=\r\n",   false},
        {"MAA =\n",    false},
        {"\n",         false},
    };
    char text[128];
    uint8_t out[16];
    struct tally_slice der[1];
    size_t n = 0;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)snprintf(text, sizeof text,
                       "-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n", rows[i].body);
        bool good = tally_pem_chain(tally_slice_str(text), out, sizeof out, der, 1, &n) == TALLY_OK;
        ck_assert_msg(good == rows[i].good, "%s", rows[i].body);
    }
}
END_TEST

START_TEST(a_file_is_der_or_one_pem_block)
{
    static uint8_t out[TALLY_CERT_BYTES_MAX], text[8192];
    struct tally_slice der = snp_vector_file("roots/genoa_ask.der");
    struct tally_slice pem = snp_vector_file("roots/genoa_ask.pem");
    size_t len;

    ck_assert_int_eq(tally_cert_from_file(pem, "CERTIFICATE", out, sizeof out, &len), TALLY_OK);
    ck_assert(tally_slice_equal(der, tally_slice_of(out, len)));
    ck_assert_int_eq(tally_cert_from_file(der, "CERTIFICATE", out, sizeof out, &len), TALLY_OK);
    ck_assert(tally_slice_equal(der, tally_slice_of(out, len)));
    /* Another label, text round it, or a second block: taken as it is, and so no certificate. */
    ck_assert_int_eq(tally_cert_from_file(pem, "X509 CRL", out, sizeof out, &len), TALLY_OK);
    ck_assert_int_ne(parse(out, len), TALLY_R_NONE);
    memcpy(text, pem.at, pem.len);
    text[pem.len] = 'x';
    ck_assert_int_eq(tally_cert_from_file(tally_slice_of(text, pem.len + 1), "CERTIFICATE", out,
                                          sizeof out, &len),
                     TALLY_OK);
    ck_assert_int_ne(parse(out, len), TALLY_R_NONE);
    ck_assert_int_eq(
        tally_cert_from_file(tally_slice_of(text, sizeof text), "CERTIFICATE", out, 64, &len),
        TALLY_E_LIMIT);
    /* Lines of comment before it, as openssl and vendors write them; nothing else. */
    for (int bad = 0; bad < 2; bad++) {
        memcpy(text, bad ? "# a\001\n" : "# ask\n", 6);
        memcpy(text + 6 - bad, pem.at, pem.len);
        ck_assert_int_eq(tally_cert_from_file(tally_slice_of(text, 6 - (size_t)bad + pem.len),
                                              "CERTIFICATE", out, sizeof out, &len),
                         TALLY_OK);
        ck_assert_int_eq(parse(out, len) == TALLY_R_NONE, bad == 0);
    }
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("cert");

    tcase_add_test(t, every_real_certificate_and_crl_is_canonical);
    tcase_add_test(t, a_real_crl_clears_the_new_issuer_and_not_before_its_time);
    tcase_add_test(t, every_prefix_and_every_added_byte_is_refused);
    tcase_add_test(t, a_flipped_bit_breaks_the_certificate_or_its_signature);
    tcase_add_test(t, only_der_is_der);
    tcase_add_test(t, nesting_has_a_limit);
    tcase_add_test(t, base64_with_anything_left_over_is_refused);
    tcase_add_test(t, a_file_is_der_or_one_pem_block);
    return tally_suite_run("common/cert", t);
}
