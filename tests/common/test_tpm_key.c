/* test_tpm_key.c - common/attest/tpm_key.c: the forms a key comes in, keys that are none, and what
 * keys of every kind sign (ATTESTATION.md C4.2). */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/sim_tpm.h"
#include "common/attest/tpm_cert.h"
#include "common/secret.h"
#include "tests/lib/suite.h"
#include "tests/lib/tpm_vectors.h"
#include "tests/lib/vectors.h"

enum { BUF = 4096 };

static struct tally_sim_tpm *tpms[3]; /* RSA, P-256, P-384 */
static const uint16_t kinds[] = {TALLY_TPM_RSA, TALLY_TPM_P256, TALLY_TPM_P384};

static void setup(void)
{
    for (size_t i = 0; i < 3; i++) {
        if (tally_sim_tpm_new(kinds[i], &tpms[i]) != TALLY_OK) exit(1);
    }
}

/* From an exact-size copy. */
static enum tally_status read_key(struct tally_slice in, struct tally_tpm_key *k,
                                  struct tally_cert *cert)
{
    uint8_t *exact = tpm_copy(in);
    enum tally_status s = tally_tpm_key_read(tally_slice_of(exact, in.len), k, cert);

    free(exact);
    if (s != TALLY_OK) ck_assert(k->key == NULL && cert->x509 == NULL);
    return s;
}

static void check_no_key(struct tally_slice in, enum tally_reason want)
{
    struct tally_tpm_key k;
    struct tally_cert cert;

    ck_assert_int_ne(read_key(in, &k, &cert), TALLY_OK);
    ck_assert_msg(tally_reason() == want, "%s, not %s: %s", tally_reason_name(tally_reason()),
                  tally_reason_name(want), tally_why());
}

START_TEST(every_form_of_a_real_key_is_the_same_key)
{
    const struct tpm_vector *v = tpm_vector_named("gce_cos85_no_nonce");
    struct tally_tpm_key pem, tpmt;
    struct tally_cert cert;

    ck_assert_int_eq(read_key(v->in.ak, &pem, &cert), TALLY_OK);
    ck_assert(cert.x509 == NULL && pem.rsa && pem.bytes == 256 && !pem.described);
    ck_assert_int_eq(read_key(v->public, &tpmt, &cert), TALLY_OK);
    ck_assert(tpmt.described && tpmt.scheme == TALLY_TPM_RSASSA);
    ck_assert(tally_tpm_key_equal(&pem, &tpmt));
    tally_tpm_key_free(&pem);
    tally_tpm_key_free(&tpmt);
    tally_tpm_key_free(&tpmt);
    ck_assert_int_eq(read_key(tpm_vector_file("tpm/ak_certs/gce_ak.der"), &pem, &cert), TALLY_OK);
    ck_assert(cert.x509 != NULL && pem.rsa);
    tally_tpm_key_free(&pem);
    tally_cert_free(&cert);
}
END_TEST

START_TEST(the_hcl_names_the_key_of_the_pem_beside_it)
{
    size_t n, keys = 0;
    const struct tpm_vector *v = tpm_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        struct tally_tpm_key pem, jwk;
        struct tally_cert cert;
        struct tally_hcl h;
        if (v[i].hcl.at == NULL) continue;
        ck_assert_msg(tally_hcl_decode(v[i].hcl, &h) == TALLY_OK, "%s", tally_why());
        ck_assert_int_eq(read_key(v[i].in.ak, &pem, &cert), TALLY_OK);
        ck_assert_int_eq(
            tally_tpm_key_rsa(tally_slice_of(h.ak_n, h.ak_n_len), TALLY_SLICE(h.ak_e), &jwk),
            TALLY_OK);
        ck_assert(tally_tpm_key_equal(&pem, &jwk));
        uint8_t a[32], b[32];
        tally_tpm_key_digest(&pem, a);
        tally_tpm_key_digest(&jwk, b);
        ck_assert_mem_eq(a, b, 32);
        tally_tpm_key_free(&pem);
        tally_tpm_key_free(&jwk);
        keys++;
    }
    ck_assert_uint_eq(keys, 6);
}
END_TEST

static struct tally_slice spki_of(EVP_PKEY *key, uint8_t *buf)
{
    int len = i2d_PUBKEY(key, &buf);

    ck_assert_int_gt(len, 0);
    return tally_slice_of(buf - len, (size_t)len);
}

START_TEST(keys_that_are_too_small_or_of_another_kind_are_none)
{
    uint8_t buf[BUF];
    EVP_PKEY *keys[] = {EVP_RSA_gen(1024), EVP_EC_gen("P-224"), EVP_EC_gen("P-521"),
                        EVP_EC_gen("secp256k1"), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        ck_assert_ptr_nonnull(keys[i]);
        check_no_key(spki_of(keys[i], buf), TALLY_R_E_KEY);
        EVP_PKEY_free(keys[i]);
    }
    /* e = 3, and a key for RSA-PSS alone */
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *three = BN_new();
    EVP_PKEY *key = NULL;
    ck_assert(BN_set_word(three, 3) == 1 && EVP_PKEY_keygen_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048) == 1 &&
              EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, three) == 1 &&
              EVP_PKEY_generate(ctx, &key) == 1);
    check_no_key(spki_of(key, buf), TALLY_R_E_KEY);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
    BN_free(three);
    key = NULL;
    ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    ck_assert(EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048) == 1 &&
              EVP_PKEY_generate(ctx, &key) == 1);
    check_no_key(spki_of(key, buf), TALLY_R_E_KEY);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
    /* the right curve, spelt out */
    key = EVP_EC_gen("P-256");
    ck_assert_int_eq(EVP_PKEY_set_utf8_string_param(key, "encoding", "explicit"), 1);
    check_no_key(spki_of(key, buf), TALLY_R_E_KEY);
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(files_that_hold_no_key_are_refused)
{
    static const char lines[] = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    static const char other[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    uint8_t buf[BUF], big[BUF + 64] = "-----BEGIN PUBLIC KEY-----";
    struct tally_slice der = spki_of(tpms[0]->ak.key, buf);

    check_no_key((struct tally_slice){(const uint8_t *)"", 0}, TALLY_R_E_KEY);
    check_no_key(TALLY_SLICE(lines), TALLY_R_E_CERT_NONCANONICAL);
    check_no_key(tally_slice_str(lines), TALLY_R_E_CERT_NONCANONICAL);
    check_no_key(tally_slice_str(other), TALLY_R_E_CERT_NONCANONICAL);
    check_no_key(TALLY_SLICE(big), TALLY_R_E_OVERSIZE);
    for (size_t n = 1; n < der.len; n++) {
        struct tally_tpm_key k;
        struct tally_cert cert;
        ck_assert_int_ne(read_key(tally_slice_of(der.at, n), &k, &cert), TALLY_OK);
        ck_assert_int_ne(tally_reason(), TALLY_R_NONE);
    }
    buf[der.len] = 0;
    check_no_key(tally_slice_of(der.at, der.len + 1), TALLY_R_E_CERT_NONCANONICAL);
}
END_TEST

START_TEST(a_tpmt_public_that_contradicts_itself_is_no_key)
{
    enum { BITS_AT = 16, EXPONENT_AT = 18, N_AT = 24, CURVE_AT = 14 };
    struct tally_slice s = tpm_vector_named("gce_cos85_no_nonce")->public;
    uint8_t *b = tpm_copy(s), buf[BUF];

    b[BITS_AT] = 0x04; /* 1024 bits, 256 bytes */
    check_no_key(tally_slice_of(b, s.len), TALLY_R_E_KEY);
    b[BITS_AT] = s.at[BITS_AT];
    b[EXPONENT_AT + 3] = 3;
    check_no_key(tally_slice_of(b, s.len), TALLY_R_E_KEY);
    b[EXPONENT_AT + 3] = 0;
    b[N_AT] = 0x7f; /* 2047 bits */
    check_no_key(tally_slice_of(b, s.len), TALLY_R_E_KEY);
    free(b);
    struct tally_wr w = tally_wr_to(buf, sizeof buf);
    tally_sim_tpm_public(tpms[1], TALLY_TPM_AK_ATTRIBUTES, TALLY_TPM_NULL, &w);
    struct tally_tpm_key k;
    struct tally_cert cert;
    ck_assert_msg(read_key(tally_slice_of(buf, w.used), &k, &cert) == TALLY_OK, "%s", tally_why());
    ck_assert(tally_tpm_key_equal(&k, &tpms[1]->ak));
    tally_tpm_key_free(&k);
    buf[w.used - 1] ^= 1; /* y: off the curve */
    check_no_key(tally_slice_of(buf, w.used), TALLY_R_E_KEY);
    buf[w.used - 1] ^= 1;
    buf[CURVE_AT + 1] = 0x05; /* P-521 */
    check_no_key(tally_slice_of(buf, w.used), TALLY_R_E_KEY);
    buf[CURVE_AT + 1] = 0x04; /* P-384 with coordinates of P-256 */
    check_no_key(tally_slice_of(buf, w.used), TALLY_R_E_KEY);
}
END_TEST

/* Signs by the simulated TPM and verifies; TALLY_OK or the refusal. */
static enum tally_status try_signature(int tpm, uint16_t scheme, uint16_t hash, bool bare)
{
    static const char text[] = "words of a TPM";
    const struct tally_tpm_key *k = &tpms[tpm]->ak;
    struct tally_tpm_signature s;
    uint8_t buf[BUF];
    struct tally_wr w = tally_wr_to(buf, sizeof buf);

    ck_assert_int_eq(tally_sim_tpm_sign(tpms[tpm], scheme, hash, tally_slice_str(text), &w),
                     TALLY_OK);
    struct tally_slice sig = tally_slice_of(buf, w.used);
    if (bare && k->rsa) sig = tally_slice_of(buf + 6, w.used - 6);
    if (bare && !k->rsa) {
        memmove(buf + 6 + k->bytes, buf + 8 + k->bytes, k->bytes);
        sig = tally_slice_of(buf + 6, 2 * k->bytes);
    }
    TALLY_TRY(tally_tpm_key_signature(k, sig, &s));
    TALLY_TRY(tally_tpm_key_verify(k, &s, tally_slice_str(text)));
    ck_assert_int_ne(tally_tpm_key_verify(k, &s, tally_slice_str("other words")), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);
    return TALLY_OK;
}

START_TEST(every_scheme_and_hash_verifies_and_no_sha1_does)
{
    const uint16_t hashes[] = {TALLY_TPM_SHA256, TALLY_TPM_SHA384, TALLY_TPM_SHA512};

    for (size_t i = 0; i < 3; i++) {
        ck_assert_msg(try_signature(0, TALLY_TPM_RSASSA, hashes[i], false) == TALLY_OK, "%s",
                      tally_why());
        ck_assert_msg(try_signature(0, TALLY_TPM_RSAPSS, hashes[i], false) == TALLY_OK, "%s",
                      tally_why());
    }
    ck_assert_int_eq(try_signature(1, TALLY_TPM_ECDSA, TALLY_TPM_SHA256, false), TALLY_OK);
    ck_assert_int_eq(try_signature(2, TALLY_TPM_ECDSA, TALLY_TPM_SHA384, false), TALLY_OK);
    ck_assert_int_eq(try_signature(0, TALLY_TPM_RSASSA, TALLY_TPM_SHA256, true), TALLY_OK);
    ck_assert_int_eq(try_signature(1, TALLY_TPM_ECDSA, TALLY_TPM_SHA256, true), TALLY_OK);
    ck_assert_int_eq(try_signature(2, TALLY_TPM_ECDSA, TALLY_TPM_SHA384, true), TALLY_OK);
    ck_assert_int_ne(try_signature(0, TALLY_TPM_RSASSA, TALLY_TPM_SHA1, false), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_ALGORITHM);
    ck_assert_int_ne(try_signature(1, TALLY_TPM_ECDSA, TALLY_TPM_SHA512, false), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_ALGORITHM);
    ck_assert_int_ne(try_signature(0, TALLY_TPM_RSASSA, TALLY_TPM_SHA384, true), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);
}
END_TEST

START_TEST(a_signature_of_another_scheme_length_or_range_is_refused)
{
    struct tally_tpm_signature s = {.scheme = TALLY_TPM_ECDSA, .hash = TALLY_TPM_SHA256};
    uint8_t zero[49] = {0}, ones[49], buf[BUF];
    struct tally_slice text = tally_slice_str("text");
    struct tally_wr w = tally_wr_to(buf, sizeof buf);

    memset(ones, 0xff, sizeof ones);
    s.r = s.s = tally_slice_of(zero, 32);
    ck_assert_int_ne(tally_tpm_key_verify(&tpms[1]->ak, &s, text), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIG_RANGE);
    s.r = s.s = tally_slice_of(ones, 32);
    ck_assert_int_ne(tally_tpm_key_verify(&tpms[1]->ak, &s, text), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIG_RANGE);
    s.r = tally_slice_of(ones, 33);
    ck_assert_int_ne(tally_tpm_key_verify(&tpms[1]->ak, &s, text), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_FORMAT);
    s.r = tally_slice_of(ones, 0);
    ck_assert_int_ne(tally_tpm_key_verify(&tpms[1]->ak, &s, text), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_FORMAT);
    /* an ECDSA signature offered for an RSA key, and another than the key's own scheme */
    ck_assert_int_eq(tally_sim_tpm_sign(tpms[1], TALLY_TPM_ECDSA, TALLY_TPM_SHA256, text, &w),
                     TALLY_OK);
    ck_assert_int_ne(tally_tpm_key_signature(&tpms[0]->ak, tally_slice_of(buf, w.used), &s),
                     TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_ALGORITHM);
    w = tally_wr_to(buf, sizeof buf);
    ck_assert_int_eq(tally_sim_tpm_sign(tpms[0], TALLY_TPM_RSAPSS, TALLY_TPM_SHA256, text, &w),
                     TALLY_OK);
    struct tally_tpm_key k = tpms[0]->ak;
    k.scheme = TALLY_TPM_RSASSA;
    k.scheme_hash = TALLY_TPM_SHA256;
    ck_assert_int_ne(tally_tpm_key_signature(&k, tally_slice_of(buf, w.used), &s), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_ALGORITHM);
    buf[1] = TALLY_TPM_RSASSA; /* claims PKCS 1 */
    ck_assert_int_eq(tally_tpm_key_signature(&k, tally_slice_of(buf, w.used), &s), TALLY_OK);
    ck_assert_int_ne(tally_tpm_key_verify(&k, &s, text), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("tpm_key");

    tally_vectors_need();
    setup();
    tcase_add_test(t, every_form_of_a_real_key_is_the_same_key);
    tcase_add_test(t, the_hcl_names_the_key_of_the_pem_beside_it);
    tcase_add_test(t, keys_that_are_too_small_or_of_another_kind_are_none);
    tcase_add_test(t, files_that_hold_no_key_are_refused);
    tcase_add_test(t, a_tpmt_public_that_contradicts_itself_is_no_key);
    tcase_add_test(t, every_scheme_and_hash_verifies_and_no_sha1_does);
    tcase_add_test(t, a_signature_of_another_scheme_length_or_range_is_refused);
    int rc = tally_suite_run("tpm_key", t);
    for (size_t i = 0; i < 3; i++) tally_sim_tpm_free(&tpms[i]);
    return rc;
}
