/* test_tpm_quote.c - common/attest/tpm_quote.c: every published quote, signature and public key,
 * and what is none (ATTESTATION.md C4.2, D.6). */
#include <stdlib.h>
#include <string.h>

#include "common/attest/tpm_quote.h"
#include "tests/lib/suite.h"
#include "tests/lib/tpm_vectors.h"
#include "tests/lib/vectors.h"

enum { SIGNER_AT = 6, NAME = 34, EXTRA_AT = SIGNER_AT + 2 + NAME };

static enum tally_status decode(const uint8_t *p, size_t n, struct tally_tpm_quote *q)
{
    uint8_t *exact = tpm_copy(tally_slice_of(p, n));
    enum tally_status s = tally_tpm_quote_decode(tally_slice_of(exact, n), q);

    free(exact);
    return s;
}

static void check_refused(const uint8_t *p, size_t n, enum tally_reason want)
{
    struct tally_tpm_quote q;

    ck_assert_int_ne(decode(p, n, &q), TALLY_OK);
    ck_assert_msg(tally_reason() == want, "%s, not %s: %s", tally_reason_name(tally_reason()),
                  tally_reason_name(want), tally_why());
}

START_TEST(every_real_quote_decodes_and_encodes_to_the_same_bytes)
{
    size_t n, quotes = 0;
    const struct tpm_vector *v = tpm_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        struct tally_tpm_quote q;
        uint8_t again[TALLY_TPM_ATTEST_MAX];
        struct tally_wr w = tally_wr_to(again, sizeof again);
        if (v[i].in.attest.at == NULL) continue;
        ck_assert_msg(tally_tpm_quote_decode(v[i].in.attest, &q) == TALLY_OK, "%s", tally_why());
        ck_assert(tally_slice_equal(q.extra, v[i].nonce));
        ck_assert_uint_eq(q.firmware, v[i].firmware);
        ck_assert_uint_eq(q.selections_n, 1);
        ck_assert_uint_eq(q.selections[0].hash, TALLY_TPM_SHA256);
        ck_assert_uint_eq(q.selections[0].mask, 0xffffff);
        ck_assert_uint_eq(q.safe, 1);
        tally_tpm_quote_encode(&q, &w);
        ck_assert(!w.full && tally_slice_equal(v[i].in.attest, tally_slice_of(again, w.used)));
        quotes++;
    }
    ck_assert_uint_eq(quotes, 6);
}
END_TEST

START_TEST(every_prefix_is_truncated_and_every_byte_more_trails)
{
    struct tally_slice s = tpm_vector_named("azure_snp_milan_v1")->in.attest;
    uint8_t *more = malloc(2 * TALLY_TPM_ATTEST_MAX);

    ck_assert_ptr_nonnull(more);
    for (size_t n = 0; n < s.len; n++) check_refused(s.at, n, TALLY_R_E_TRUNCATED);
    memset(more, 0, (size_t)2 * TALLY_TPM_ATTEST_MAX);
    memcpy(more, s.at, s.len);
    check_refused(more, s.len + 1, TALLY_R_E_TRAILING);
    check_refused(more, TALLY_TPM_ATTEST_MAX, TALLY_R_E_TRAILING);
    check_refused(more, TALLY_TPM_ATTEST_MAX + 1, TALLY_R_E_OVERSIZE);
    more[s.len] = 1;
    check_refused(more, s.len + 1, TALLY_R_E_TRAILING);
    free(more);
}
END_TEST

START_TEST(another_magic_another_type_and_lengths_that_lie_are_refused)
{
    const struct {
        size_t at;
        uint8_t value;
        enum tally_reason want;
    } cases[] = {
        {0,                     0xfe, TALLY_R_E_FORMAT   }, /* magic */
        {3,                     0x48, TALLY_R_E_FORMAT   },
        {5,                     0x14, TALLY_R_E_FORMAT   }, /* 8014: CERTIFY */
        {5,                     0x17, TALLY_R_E_FORMAT   },
        {4,                     0x00, TALLY_R_E_FORMAT   },
        {SIGNER_AT + 1,         67,   TALLY_R_E_FORMAT   }, /* names of 67 bytes are none */
        {SIGNER_AT,             0xff, TALLY_R_E_FORMAT   },
        {EXTRA_AT + 1,          67,   TALLY_R_E_FORMAT   },
        {EXTRA_AT,              0x80, TALLY_R_E_FORMAT   },
        {EXTRA_AT + 2 + 9 + 16, 2,    TALLY_R_E_FORMAT   }, /* safe */
        {EXTRA_AT + 2 + 9 + 25, 0x80, TALLY_R_E_FORMAT   }, /* count of selections */
        {EXTRA_AT + 2 + 9 + 28, 17,   TALLY_R_E_FORMAT   },
        {EXTRA_AT + 2 + 9 + 28, 2,    TALLY_R_E_FORMAT   }, /* runs into the digest */
        {EXTRA_AT + 2 + 9 + 28, 0,    TALLY_R_E_TRAILING },
        {EXTRA_AT + 2 + 9 + 31, 5,    TALLY_R_E_FORMAT   }, /* sizeofSelect */
        {EXTRA_AT + 2 + 9 + 35, 0x01, TALLY_R_E_FORMAT   }, /* digest of 288 bytes */
        {EXTRA_AT + 2 + 9 + 36, 33,   TALLY_R_E_TRUNCATED},
        {EXTRA_AT + 2 + 9 + 36, 31,   TALLY_R_E_TRAILING }
    };
    struct tally_slice s = tpm_vector_named("azure_snp_milan_v1")->in.attest;
    uint8_t *b = tpm_copy(s);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t was = b[cases[i].at];
        ck_assert_uint_ne(was, cases[i].value);
        b[cases[i].at] = cases[i].value;
        check_refused(b, s.len, cases[i].want);
        b[cases[i].at] = was;
    }
    free(b);
}
END_TEST

static void check_signature(const uint8_t *p, size_t n, enum tally_reason want)
{
    struct tally_tpm_signature sig;
    uint8_t *exact = tpm_copy(tally_slice_of(p, n));

    ck_assert_int_ne(tally_tpm_signature_decode(tally_slice_of(exact, n), &sig), TALLY_OK);
    ck_assert_msg(tally_reason() == want, "%s", tally_why());
    free(exact);
}

START_TEST(a_signature_decodes_and_encodes_and_is_refused_otherwise)
{
    struct tally_slice s = tpm_vector_named("gce_cos85_no_nonce")->in.sig;
    struct tally_tpm_signature sig;
    uint8_t again[512], *b = tpm_copy(s), big[2100] = {0, 0x14, 0, 0x0b};
    struct tally_wr w = tally_wr_to(again, sizeof again);

    ck_assert_int_eq(tally_tpm_signature_decode(s, &sig), TALLY_OK);
    ck_assert_uint_eq(sig.scheme, TALLY_TPM_RSASSA);
    ck_assert_uint_eq(sig.hash, TALLY_TPM_SHA256);
    tally_tpm_signature_encode(&sig, &w);
    ck_assert(tally_slice_equal(s, tally_slice_of(again, w.used)));
    for (size_t n = 0; n < s.len; n++) check_signature(s.at, n, TALLY_R_E_TRUNCATED);
    memcpy(again, s.at, s.len);
    again[s.len] = 0;
    check_signature(again, s.len + 1, TALLY_R_E_TRAILING);
    check_signature(big, sizeof big, TALLY_R_E_OVERSIZE);
    b[3] = TALLY_TPM_SHA1;
    check_signature(b, s.len, TALLY_R_E_ALGORITHM);
    b[3] = TALLY_TPM_SHA256;
    b[1] = 0x05; /* HMAC */
    check_signature(b, s.len, TALLY_R_E_ALGORITHM);
    b[1] = 0x1a; /* ECDAA */
    check_signature(b, s.len, TALLY_R_E_ALGORITHM);
    b[1] = TALLY_TPM_RSASSA;
    b[4] = 0xff;
    check_signature(b, s.len, TALLY_R_E_FORMAT);
    free(b);

    const uint8_t r[] = {1, 2, 3}, s_[] = {4};
    const struct tally_tpm_signature ec = {.scheme = TALLY_TPM_ECDSA,
                                           .hash = TALLY_TPM_SHA384,
                                           .r = TALLY_SLICE(r),
                                           .s = TALLY_SLICE(s_)};
    w = tally_wr_to(again, sizeof again);
    tally_tpm_signature_encode(&ec, &w);
    for (size_t n = 0; n < w.used; n++) check_signature(again, n, TALLY_R_E_TRUNCATED);
    ck_assert_int_eq(tally_tpm_signature_decode(tally_slice_of(again, w.used), &sig), TALLY_OK);
    ck_assert(tally_slice_equal(sig.r, ec.r) && tally_slice_equal(sig.s, ec.s));
}
END_TEST

static void check_public(const uint8_t *p, size_t n, enum tally_reason want)
{
    struct tally_tpm_public k;
    uint8_t *exact = tpm_copy(tally_slice_of(p, n));

    ck_assert_int_ne(tally_tpm_public_decode(tally_slice_of(exact, n), &k), TALLY_OK);
    ck_assert_msg(tally_reason() == want, "%zu bytes: %s, not %s", n, tally_why(),
                  tally_reason_name(want));
    free(exact);
}

START_TEST(a_public_key_decodes_and_encodes_and_is_refused_otherwise)
{
    enum { ATTRIBUTES_AT = 4, SYMMETRIC_AT = 10, SCHEME_AT = 12 };
    struct tally_slice s = tpm_vector_named("gce_cos85_no_nonce")->public;
    struct tally_tpm_public k;
    uint8_t again[2200] = {0}, *b = tpm_copy(s);
    struct tally_wr w = tally_wr_to(again, sizeof again);

    ck_assert_msg(tally_tpm_public_decode(s, &k) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(k.type, TALLY_TPM_RSA);
    ck_assert_uint_eq(k.attributes & TALLY_TPM_AK_ATTRIBUTES, TALLY_TPM_AK_ATTRIBUTES);
    ck_assert_uint_eq(k.attributes & TALLY_TPM_DECRYPT, 0);
    ck_assert_uint_eq(k.scheme, TALLY_TPM_RSASSA);
    ck_assert_uint_eq(k.bits_or_curve, 2048);
    tally_wr_be16(&w, (uint16_t)s.len); /* TPM2B_PUBLIC */
    tally_tpm_public_encode(&k, &w);
    ck_assert(tally_slice_equal(s, tally_slice_of(again + 2, w.used - 2)));
    ck_assert_int_eq(tally_tpm_public_decode(tally_slice_of(again, w.used), &k), TALLY_OK);
    ck_assert_uint_eq(k.n.len, 256);

    for (size_t n = 0; n < s.len; n++) check_public(s.at, n, TALLY_R_E_TRUNCATED);
    memcpy(again, s.at, s.len);
    again[s.len] = 0;
    check_public(again, s.len + 1, TALLY_R_E_TRAILING);
    check_public(again, sizeof again, TALLY_R_E_OVERSIZE);
    for (unsigned i = 0; i < 32; i++) {
        if (!(UINT32_C(0xfff8f309) & 1U << i)) continue;
        b[ATTRIBUTES_AT + 3 - i / 8] ^= (uint8_t)(1U << i % 8);
        check_public(b, s.len, TALLY_R_E_RESERVED_NONZERO);
        b[ATTRIBUTES_AT + 3 - i / 8] ^= (uint8_t)(1U << i % 8);
    }
    const struct {
        size_t at;
        uint8_t value;
    } algs[] = {
        {1,                0x08}, /* keyed hash */
        {1,                0x25}, /* a cipher's key */
        {SYMMETRIC_AT + 1, 0x06}, /* AES: a storage key */
        {SCHEME_AT + 1,    0x18}, /* ECDSA by an RSA key */
        {SCHEME_AT + 1,    0x15}, /* RSAES */
        {SCHEME_AT + 3,    0x04}  /* SHA-1 */
    };
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        uint8_t was = b[algs[i].at];
        b[algs[i].at] = algs[i].value;
        check_public(b, s.len, TALLY_R_E_ALGORITHM);
        b[algs[i].at] = was;
    }
    free(b);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("tpm_quote");

    tally_vectors_need();
    tcase_add_test(t, every_real_quote_decodes_and_encodes_to_the_same_bytes);
    tcase_add_test(t, every_prefix_is_truncated_and_every_byte_more_trails);
    tcase_add_test(t, another_magic_another_type_and_lengths_that_lie_are_refused);
    tcase_add_test(t, a_signature_decodes_and_encodes_and_is_refused_otherwise);
    tcase_add_test(t, a_public_key_decodes_and_encodes_and_is_refused_otherwise);
    return tally_suite_run("tpm_quote", t);
}
