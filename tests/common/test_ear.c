/* test_ear.c - common/attest/ear.c and ear_jwt.c: verdicts as tokens, and tokens that lie. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/ear.h"
#include "common/attest/verdict.h"
#include "common/jsonread.h"
#include "common/secret.h"
#include "tests/lib/suite.h"

enum { NOW = 1795500000 };
static const uint8_t nonce[32] = {1, 2, 3};
static struct tally_verdict verdict;

struct keys {
    char secret[512], public[512];
};

static struct tally_slice pem_of(BIO *b, char *to)
{
    char *at = NULL;
    long n = BIO_get_mem_data(b, &at);

    ck_assert(n > 0 && n < 512);
    memcpy(to, at, (size_t)n);
    to[n] = '\0';
    BIO_free(b);
    return tally_slice_str(to);
}

static struct keys make_keys(const char *type)
{
    EVP_PKEY *k = strcmp(type, "ED25519") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                               : EVP_PKEY_Q_keygen(NULL, NULL, "EC", type);
    struct keys out;
    BIO *s = BIO_new(BIO_s_mem()), *p = BIO_new(BIO_s_mem());

    ck_assert_ptr_nonnull(k);
    ck_assert_int_eq(PEM_write_bio_PrivateKey(s, k, NULL, NULL, 0, NULL, NULL), 1);
    ck_assert_int_eq(PEM_write_bio_PUBKEY(p, k), 1);
    (void)pem_of(s, out.secret);
    (void)pem_of(p, out.public);
    EVP_PKEY_free(k);
    return out;
}

static enum tally_trust_class trust = TALLY_TRUST_HARDWARE;
static bool integrity;

static json_t *claims_of(enum tally_reason failed, bool measured)
{
    struct tally_ear_part part = {"cpu", "strict", &verdict, measured, integrity};
    struct tally_ear_request r = {.now_s = NOW,
                                  .build = "1",
                                  .audience = "bank",
                                  .nonce = TALLY_SLICE(nonce),
                                  .evidence = tally_slice_str("report"),
                                  .parts = &part,
                                  .parts_n = 1};

    tally_verdict_init(&verdict);
    verdict.authentic = true;
    verdict.trust = trust;
    tally_verdict_window(&verdict, NOW - 10, NOW + 100);
    if (failed != TALLY_R_NONE) tally_verdict_fail(&verdict, failed, "x");
    tally_claim_word(&verdict, "tee", "snp");
    tally_claim_number(&verdict, "n", 1);
    tally_claim_number(&verdict, "n", 2);
    ck_assert_int_eq(tally_verdict_end(&verdict) == TALLY_OK, failed == TALLY_R_NONE);
    return tally_ear_claims(&r);
}

static char *token(const struct keys *k)
{
    json_t *c = claims_of(TALLY_R_NONE, true);
    char *jwt = NULL;

    ck_assert_int_eq(tally_ear_sign(c, tally_slice_str(k->secret), &jwt), TALLY_OK);
    json_decref(c);
    return jwt;
}

static enum tally_reason check(const char *jwt, const struct keys *k, uint64_t now_s,
                               const char *audience, struct tally_slice n)
{
    struct tally_ear_expect e = {now_s, audience, n, tally_slice_str(k->public)};
    json_t *c = NULL;
    const char *status = NULL;
    enum tally_status s = tally_ear_check(tally_slice_str(jwt), &e, &c, &status);

    if (s == TALLY_OK) ck_assert_str_eq(status, "affirming");
    json_decref(c);
    return s == TALLY_OK ? TALLY_R_NONE : tally_reason();
}

START_TEST(a_token_of_either_algorithm_is_good_for_its_audience_nonce_and_time)
{
    static const char *const types[] = {"ED25519", "P-384"};

    for (size_t i = 0; i < 2; i++) {
        struct keys k = make_keys(types[i]), other = make_keys(types[i]);
        char *t = token(&k);
        struct tally_slice n = TALLY_SLICE(nonce);
        static const uint8_t wrong[32] = {9};
        ck_assert_int_eq(check(t, &k, NOW, "bank", n), TALLY_R_NONE);
        ck_assert_int_eq(check(t, &k, NOW + 100, "bank", n), TALLY_R_NONE);
        ck_assert_int_eq(check(t, &k, NOW + 101, "bank", n), TALLY_R_E_CERT_EXPIRED);
        ck_assert_int_eq(check(t, &k, NOW - 1, "bank", n), TALLY_R_E_CERT_NOT_YET_VALID);
        ck_assert_int_eq(check(t, &k, NOW, "shop", n), TALLY_R_E_IDENTITY);
        ck_assert_int_eq(check(t, &k, NOW, NULL, n), TALLY_R_E_IDENTITY);
        ck_assert_int_eq(check(t, &k, NOW, "bank", TALLY_SLICE(wrong)), TALLY_R_E_REPORT_DATA);
        ck_assert_int_eq(check(t, &other, NOW, "bank", n), TALLY_R_E_SIGNATURE);
        free(t);
    }
}
END_TEST

/* header {"alg":alg,"typ":"JWT"} with the payload of a good token and this signature. */
static char *forged(const char *good, const char *alg, const uint8_t *sig, size_t sig_len)
{
    const char *dot = strchr(good, '.'), *last = strrchr(good, '.');
    char header[64], b64[128], *out = malloc(strlen(good) + 256);

    ck_assert_ptr_nonnull(out);
    (void)snprintf(header, sizeof header, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", alg);
    (void)sodium_bin2base64(b64, sizeof b64, (const uint8_t *)header, strlen(header),
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    int n = sprintf(out, "%s%.*s.", b64, (int)(last - dot), dot);
    (void)sodium_bin2base64(out + n, 200, sig, sig_len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return out;
}

START_TEST(no_other_algorithm_is_taken_for_the_keys_own)
{
    static const char *const algs[] = {"none",  "HS256", "HS384", "ES256",
                                       "ES384", "eddsa", "RS256"};
    struct keys k = make_keys("ED25519");
    char *t = token(&k);
    uint8_t mac[32] = {0};

    /* HS256 with the public key's text as the secret: the classic confusion. */
    (void)HMAC(EVP_sha256(), k.public, (int)strlen(k.public), (const uint8_t *)t, 10, mac, NULL);
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        char *f = forged(t, algs[i], mac, i == 0 ? 0 : sizeof mac);
        ck_assert_int_eq(check(f, &k, NOW, "bank", TALLY_SLICE(nonce)), TALLY_R_E_ALGORITHM);
        free(f);
    }
    char *f = forged(t, "EdDSA", mac, sizeof mac);
    ck_assert_int_eq(check(f, &k, NOW, "bank", TALLY_SLICE(nonce)), TALLY_R_E_SIGNATURE);
    free(f);
    free(t);
}
END_TEST

START_TEST(a_header_with_more_than_alg_and_typ_is_refused)
{
    static const char header[] = "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"../../etc/keys\"}";
    struct keys k = make_keys("ED25519");
    char *t = token(&k), b64[128], *f = malloc(strlen(t) + 128);

    ck_assert_ptr_nonnull(f);
    (void)sodium_bin2base64(b64, sizeof b64, (const uint8_t *)header, sizeof header - 1,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    (void)sprintf(f, "%s%s", b64, strchr(t, '.'));
    ck_assert_int_eq(check(f, &k, NOW, "bank", TALLY_SLICE(nonce)), TALLY_R_E_ALGORITHM);
    free(f);
    free(t);
}
END_TEST

START_TEST(every_prefix_and_every_changed_character_is_refused)
{
    struct keys k = make_keys("ED25519");
    char *t = token(&k);
    size_t len = strlen(t);

    for (size_t i = 0; i < len; i++) {
        char c = t[i];
        t[i] = '\0';
        ck_assert_int_ne(check(t, &k, NOW, "bank", TALLY_SLICE(nonce)), TALLY_R_NONE);
        if (i + 1 < len) { /* the last character has bits that encode nothing */
            t[i] = c == 'A' ? 'B' : 'A';
            ck_assert_int_ne(check(t, &k, NOW, "bank", TALLY_SLICE(nonce)), TALLY_R_NONE);
        }
        t[i] = c;
    }
    ck_assert_int_eq(check(t, &k, NOW, "bank", TALLY_SLICE(nonce)), TALLY_R_NONE);
    free(t);
}
END_TEST

static int vector(json_t *c, const char *dimension)
{
    json_t *part = json_object_get(json_object_get(c, "submods"), "cpu");

    return (int)json_integer_value(
        json_object_get(json_object_get(part, "ear_trustworthiness_vector"), dimension));
}

static const char *status(json_t *c)
{
    json_t *part = json_object_get(json_object_get(c, "submods"), "cpu");

    return json_string_value(json_object_get(part, "ear_status"));
}

START_TEST(every_failed_check_is_contraindicated_whatever_it_is)
{
    for (int r = TALLY_R_NONE + 1; r < TALLY_REASONS; r++) {
        json_t *c = claims_of((enum tally_reason)r, true);
        ck_assert_str_eq(status(c), "contraindicated");
        json_decref(c);
    }
}
END_TEST

START_TEST(dimensions_say_what_was_wrong)
{
    json_t *c = claims_of(TALLY_R_E_POLICY_DEBUG, true);

    ck_assert_int_eq(vector(c, "configuration"), 96);
    ck_assert_int_eq(vector(c, "hardware"), 2);
    json_decref(c);
    c = claims_of(TALLY_R_E_SIGNATURE, true);
    ck_assert_int_eq(vector(c, "instance-identity"), 99);
    json_decref(c);
    c = claims_of(TALLY_R_NONE, false); /* nothing known of what runs */
    ck_assert_int_eq(vector(c, "executables"), 33);
    ck_assert_str_eq(status(c), "warning");
    json_decref(c);
    c = claims_of(TALLY_R_NONE, true);
    ck_assert_str_eq(status(c), "affirming");
    json_t *part = json_object_get(json_object_get(c, "submods"), "cpu");
    json_t *own = json_object_get(part, "ear_verifier_claims");
    ck_assert_str_eq(json_string_value(json_object_get(own, "verdict")), "trusted");
    ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(own, "claims"), "n")), 2);
    json_decref(c);
}
END_TEST

/* A token claims no more than was looked at, nor of any machine that it is a vendor's. */
START_TEST(integrity_and_other_roots_affirm_less)
{
    integrity = true;
    json_t *c = claims_of(TALLY_R_NONE, true);
    ck_assert_int_eq(vector(c, "instance-identity"), 2);
    ck_assert_int_eq(vector(c, "configuration"), 0);
    ck_assert_int_eq(vector(c, "hardware"), 0);
    ck_assert_int_eq(vector(c, "runtime-opaque"), 0);
    json_decref(c);
    integrity = false;
    for (trust = TALLY_TRUST_TEST; trust <= TALLY_TRUST_GIVEN; trust++) {
        c = claims_of(TALLY_R_NONE, true);
        ck_assert_int_eq(vector(c, "hardware"), 32);
        ck_assert_str_eq(status(c), "warning");
        json_decref(c);
    }
    trust = TALLY_TRUST_HARDWARE;
}
END_TEST

START_TEST(only_the_two_kinds_of_key_sign)
{
    struct keys k = make_keys("P-256");
    json_t *c = claims_of(TALLY_R_NONE, true);
    char *jwt = NULL;

    ck_assert_int_eq(tally_ear_sign(c, tally_slice_str(k.secret), &jwt), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_ear_sign(c, tally_slice_str("no key"), &jwt), TALLY_E_CONFIG);
    ck_assert_ptr_null(jwt);
    json_decref(c);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("ear");

    tcase_add_test(t, a_token_of_either_algorithm_is_good_for_its_audience_nonce_and_time);
    tcase_add_test(t, no_other_algorithm_is_taken_for_the_keys_own);
    tcase_add_test(t, a_header_with_more_than_alg_and_typ_is_refused);
    tcase_add_test(t, every_prefix_and_every_changed_character_is_refused);
    tcase_add_test(t, every_failed_check_is_contraindicated_whatever_it_is);
    tcase_add_test(t, dimensions_say_what_was_wrong);
    tcase_add_test(t, integrity_and_other_roots_affirm_less);
    tcase_add_test(t, only_the_two_kinds_of_key_sign);
    return tally_suite_run("common/attest/ear", t);
}
