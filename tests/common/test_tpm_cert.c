/* test_tpm_cert.c - common/attest/tpm_cert.c: Azure's and Google's chains of attestation keys, and
 * chains made here in which one thing is another (ATTESTATION.md C4.2, D.6). */
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/sim_tpm.h"
#include "common/attest/verdict.h"
#include "common/attest/verify_tpm.h"
#include "common/text.h"
#include "tests/lib/suite.h"
#include "tests/lib/tpm_vectors.h"
#include "tests/lib/vectors.h"

enum { NOW_S = 1795000000, DAY_S = 86400, BUF = 4096 };

static struct tally_verdict verdict;

/* Azure's PEM files begin with a comment, which is no part of a PEM block. */
static struct tally_slice file(const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof path, "tpm/ak_certs/%s", name);
    struct tally_slice s = tpm_vector_file(path);
    const uint8_t *pem = memmem(s.at, s.len, "-----BEGIN", 10);
    return pem == NULL ? s : tally_slice_of(pem, s.len - (size_t)(pem - s.at));
}

static uint64_t at(const char *time)
{
    uint64_t s;

    ck_assert_int_eq(tally_time_parse(time, &s), TALLY_OK);
    return s;
}

/* The chain alone, into a verdict that is otherwise empty. */
static bool walk(struct tally_slice leaf, struct tally_slice issuer, uint64_t now_s)
{
    const struct tally_slice issuers[TALLY_TPM_ISSUERS_MAX] = {issuer};
    struct tally_cert c;
    uint32_t n;
    const struct tally_anchor *anchors = tpm_vector_anchors(&n);

    tally_verdict_init(&verdict);
    ck_assert_msg(tally_tpm_cert_parse(leaf, &c) == TALLY_OK, "%s", tally_why());
    bool good = tally_tpm_cert_chain(&c, issuers, anchors, n, now_s, &verdict);
    tally_cert_free(&c);
    return good;
}

START_TEST(the_real_chains_hold_in_their_time)
{
    struct tally_slice azure = file("azure_tpm_intermediate_03.pem");
    uint64_t now = at("2026-01-01T00:00:00Z");

    ck_assert_msg(walk(file("azure_ak_01.der"), azure, now), "%s", tally_why());
    ck_assert(verdict.failed_n == 0 && verdict.trust == TALLY_TRUST_HARDWARE);
    ck_assert_uint_eq(verdict.not_before_s, at("2025-10-30T00:00:00Z"));
    ck_assert_uint_eq(verdict.not_after_s, at("2026-10-29T00:00:00Z"));
    ck_assert(walk(file("azure_ak_03_padded4096.bin"), azure, now) && verdict.failed_n == 0);
    ck_assert_msg(walk(file("gce_ak.der"), file("gce_ak_intermediate.der"), now), "%s",
                  tally_why());
    ck_assert(verdict.failed_n == 0);
    ck_assert_uint_eq(verdict.not_after_s, at("2055-05-11T13:58:19Z"));
}
END_TEST

START_TEST(outside_their_time_they_are_refused_to_the_second)
{
    struct tally_slice leaf = file("azure_ak_01.der");
    struct tally_slice azure = file("azure_tpm_intermediate_03.pem");

    ck_assert(walk(leaf, azure, at("2025-10-30T00:00:00Z")) && verdict.failed_n == 0);
    ck_assert(walk(leaf, azure, at("2025-10-29T23:59:59Z")));
    ck_assert(tpm_failed(&verdict, TALLY_R_E_CERT_NOT_YET_VALID) && verdict.failed_n == 1);
    ck_assert(walk(leaf, azure, at("2026-10-29T00:00:00Z")) && verdict.failed_n == 0);
    ck_assert(walk(leaf, azure, at("2026-10-29T00:00:01Z")));
    ck_assert(tpm_failed(&verdict, TALLY_R_E_CERT_EXPIRED) && verdict.failed_n == 1);
}
END_TEST

START_TEST(issuers_that_are_others_or_missing)
{
    struct tally_slice leaf = file("azure_ak_01.der"), none = {0};
    uint64_t now = at("2026-01-01T00:00:00Z");

    ck_assert(!walk(leaf, none, now));
    ck_assert(verdict.failed_n == 0 && tpm_missing(&verdict, TALLY_R_E_CERT_SHAPE));
    ck_assert(!walk(leaf, file("azure_tpm_intermediate_01.pem"), now)); /* another CA of Azure's */
    ck_assert(tpm_failed(&verdict, TALLY_R_E_CERT_SHAPE));
    ck_assert(!walk(leaf, file("gce_ak_intermediate.der"), now));
    ck_assert(tpm_failed(&verdict, TALLY_R_E_CERT_SHAPE));
    ck_assert(!walk(leaf, leaf, now)); /* its own issuer */
    ck_assert(tpm_failed(&verdict, TALLY_R_E_ROOT_UNTRUSTED));
    ck_assert(!walk(leaf, TALLY_SLICE("no certificate"), now));
    ck_assert_uint_eq(verdict.failed_n, 1);
}
END_TEST

START_TEST(a_certificates_padding_is_zero)
{
    struct tally_slice padded = file("azure_ak_03_padded4096.bin");
    uint8_t *b = tpm_copy(padded), *big = calloc(1, 16 * 1024 + 1);
    struct tally_cert c;

    size_t len = 4 + (size_t)(b[2] << 8 | b[3]);
    ck_assert_uint_lt(len, padded.len);
    for (size_t i = len; i < padded.len; i += 97) {
        b[i] = 1;
        ck_assert_int_ne(tally_tpm_cert_parse(tally_slice_of(b, padded.len), &c), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_TRAILING);
        b[i] = 0;
    }
    for (size_t n = 0; n < len; n += 7) {
        uint8_t *cut = tpm_copy(tally_slice_of(b, n));
        ck_assert_int_ne(tally_tpm_cert_parse(tally_slice_of(cut, n), &c), TALLY_OK);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_PARSE);
        free(cut);
    }
    ck_assert_ptr_nonnull(big);
    memcpy(big, b, len);
    ck_assert_int_eq(tally_tpm_cert_parse(tally_slice_of(big, 16 * 1024), &c), TALLY_OK);
    tally_cert_free(&c);
    ck_assert_int_ne(tally_tpm_cert_parse(tally_slice_of(big, 16 * 1024 + 1), &c), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_OVERSIZE);
    memset(big, 0, 64);
    big[0] = 0x30;
    big[1] = 0x80; /* an indefinite length is no DER */
    ck_assert_int_ne(tally_tpm_cert_parse(tally_slice_of(big, 64), &c), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CERT_NONCANONICAL);
    free(big);
    free(b);
}
END_TEST

/* A chain made here: root <- upper <- lower <- leaf; what stands in `faults` is another. */
enum level { ROOT, UPPER, LOWER, LEAF, LEVELS };
struct made {
    EVP_PKEY *keys[LEVELS];
    uint8_t der[LEVELS][BUF];
    size_t len[LEVELS];
    const char *constraints[LEVELS], *usage[LEVELS], *purposes[LEVELS];
    const EVP_MD *md[LEVELS];
    EVP_PKEY *signer[LEVELS];
};

static EVP_PKEY *keys[LEVELS + 1]; /* RSA; the last is nobody's */
static struct tally_sim_tpm *tpm;

static void made_init(struct made *m)
{
    *m = (struct made){
        .constraints = {"critical,CA:TRUE", "critical,CA:TRUE,pathlen:1",
                        "critical,CA:TRUE,pathlen:0", NULL}
    };
    for (int i = 0; i < LEVELS; i++) {
        m->keys[i] = i == LEAF ? tpm->ak.key : keys[i];
        m->signer[i] = i == ROOT ? keys[ROOT] : keys[i - 1];
        m->usage[i] = i == LEAF ? "critical,digitalSignature" : "critical,keyCertSign";
        m->md[i] = EVP_sha256();
    }
    m->purposes[LEAF] = "2.23.133.8.3";
}

static void add_ext(X509 *x, int nid, const char *value)
{
    if (value == NULL) return;
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    ck_assert(e != NULL && X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
}

static void add_name(X509_NAME *name, int level)
{
    static const char *const names[] = {"Root", "Upper", "Lower", "Leaf"};

    ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)names[level], -1, -1, 0),
                     1);
}

static void build(struct made *m)
{
    for (int i = 0; i < LEVELS; i++) {
        X509 *x = X509_new();
        uint8_t *p = m->der[i];
        ck_assert(x != NULL && X509_set_version(x, X509_VERSION_3) == 1);
        ck_assert_int_eq(ASN1_INTEGER_set(X509_get_serialNumber(x), i + 1), 1);
        add_name(X509_get_subject_name(x), i);
        add_name(X509_get_issuer_name(x), i == ROOT ? ROOT : i - 1);
        ck_assert_ptr_nonnull(ASN1_TIME_set(X509_getm_notBefore(x), NOW_S - DAY_S));
        ck_assert_ptr_nonnull(ASN1_TIME_set(X509_getm_notAfter(x), NOW_S + DAY_S));
        ck_assert_int_eq(X509_set_pubkey(x, m->keys[i]), 1);
        add_ext(x, NID_basic_constraints, m->constraints[i]);
        add_ext(x, NID_key_usage, m->usage[i]);
        add_ext(x, NID_ext_key_usage, m->purposes[i]);
        ck_assert_int_gt(X509_sign(x, m->signer[i], m->md[i]), 0);
        int len = i2d_X509(x, &p);
        ck_assert(len > 0 && len <= BUF);
        m->len[i] = (size_t)len;
        X509_free(x);
    }
}

/* A quote under the chain, judged by the strict policy with everything to compare. */
static enum tally_status judge(struct made *m, const char *anchor, enum tally_trust_class trust)
{
    struct tally_anchor a = {
        .trust = trust, .root = {m->der[ROOT], m->len[ROOT]}
    };
    struct tally_tpm_input in = {
        .pcrs = tally_slice_of(tpm->pcrs, TALLY_PCR_LIST_BYTES),
        .ak = {m->der[LEAF],                   m->len[LEAF]                  },
        .ak_issuers = {{m->der[LOWER], m->len[LOWER]}, {m->der[UPPER], m->len[UPPER]}}
    };
    uint8_t digest[64], attest[1024], sig[1024];
    struct tally_wr w = tally_wr_to(attest, sizeof attest), s = tally_wr_to(sig, sizeof sig);
    struct tally_expect e = {.now_s = NOW_S, .trust = trust, .nonce = TALLY_SLICE("nonce")};
    struct tally_tpm_policy p;
    struct tally_tpm_quote q;

    build(m);
    a.root = tally_slice_of(m->der[ROOT], m->len[ROOT]);
    in.ak = tally_slice_of(m->der[LEAF], m->len[LEAF]);
    in.ak_issuers[0] = tally_slice_of(m->der[LOWER], m->len[LOWER]);
    in.ak_issuers[1] = tally_slice_of(m->der[UPPER], m->len[UPPER]);
    (void)snprintf(a.name, sizeof a.name, "%s", anchor);
    tally_tpm_policy_strict(&p);
    p.values_n = 1;
    tally_sim_quote_init(tpm, digest, &q);
    q.extra = e.nonce;
    tally_tpm_quote_encode(&q, &w);
    in.attest = tally_slice_of(attest, w.used);
    ck_assert_int_eq(tally_sim_tpm_sign(tpm, TALLY_TPM_RSASSA, TALLY_TPM_SHA256, in.attest, &s),
                     TALLY_OK);
    in.sig = tally_slice_of(sig, s.used);
    return tally_verify_tpm(&in, &a, 1, &p, &e, &verdict);
}

static void check_refused(struct made *m, enum tally_reason want)
{
    ck_assert_int_ne(judge(m, "test", TALLY_TRUST_TEST), TALLY_OK);
    ck_assert_msg(verdict.failed_n == 1 && verdict.failed[0].reason == want, "%s, not %s: %s",
                  tally_reason_name(verdict.failed[0].reason), tally_reason_name(want),
                  verdict.failed[0].why);
    ck_assert(!verdict.authentic && verdict.claims_n == 0);
}

START_TEST(a_quote_under_a_chain_is_trusted_strictly)
{
    struct made m;

    made_init(&m);
    ck_assert_msg(judge(&m, "test", TALLY_TRUST_TEST) == TALLY_OK, "%s", tally_why());
    ck_assert(verdict.authentic && verdict.trust == TALLY_TRUST_TEST);
    ck_assert_uint_eq(verdict.not_before_s, NOW_S - DAY_S);
    ck_assert_uint_eq(verdict.not_after_s, NOW_S + DAY_S);
    ck_assert_int_eq(judge(&m, "azure-vtpm", TALLY_TRUST_HARDWARE), TALLY_OK);
    ck_assert_int_ne(judge(&m, "intel-sgx", TALLY_TRUST_HARDWARE), TALLY_OK); /* no TPMs */
    ck_assert(tpm_failed(&verdict, TALLY_R_E_ROOT_UNTRUSTED));
    m.md[LEAF] = m.md[LOWER] = EVP_sha384();
    m.purposes[LEAF] = NULL;
    ck_assert_int_eq(judge(&m, "test", TALLY_TRUST_TEST), TALLY_OK);
    m.purposes[LEAF] = "serverAuth,2.23.133.8.3";
    ck_assert_int_eq(judge(&m, "test", TALLY_TRUST_TEST), TALLY_OK);
}
END_TEST

START_TEST(a_chain_in_which_one_thing_is_another_is_refused)
{
    struct made m;

    made_init(&m);
    m.signer[LEAF] = keys[LEVELS];
    check_refused(&m, TALLY_R_E_SIGNATURE);
    made_init(&m);
    m.signer[UPPER] = keys[LEVELS];
    check_refused(&m, TALLY_R_E_SIGNATURE);
    made_init(&m);
    m.md[LEAF] = EVP_sha1();
    check_refused(&m, TALLY_R_E_CERT_ALG);
    made_init(&m);
    m.md[LOWER] = EVP_sha512();
    check_refused(&m, TALLY_R_E_CERT_ALG);
    made_init(&m);
    m.constraints[UPPER] = "critical,CA:TRUE,pathlen:0"; /* with a CA under it */
    check_refused(&m, TALLY_R_E_CERT_CONSTRAINT);
    made_init(&m);
    m.constraints[ROOT] = "critical,CA:TRUE,pathlen:1"; /* with two */
    check_refused(&m, TALLY_R_E_CERT_CONSTRAINT);
    made_init(&m);
    m.constraints[LOWER] = "critical,CA:FALSE";
    check_refused(&m, TALLY_R_E_CERT_CONSTRAINT);
    made_init(&m);
    m.usage[LOWER] = "critical,digitalSignature";
    check_refused(&m, TALLY_R_E_CERT_CONSTRAINT);
    made_init(&m);
    m.constraints[LEAF] = "critical,CA:TRUE";
    check_refused(&m, TALLY_R_E_CERT_CONSTRAINT);
    made_init(&m);
    m.usage[LEAF] = "critical,keyEncipherment"; /* an endorsement key */
    check_refused(&m, TALLY_R_E_CERT_CONSTRAINT);
    made_init(&m);
    m.purposes[LEAF] = "2.23.133.8.1";
    check_refused(&m, TALLY_R_E_CERT_CONSTRAINT);
    made_init(&m);
    m.purposes[LEAF] = "serverAuth";
    check_refused(&m, TALLY_R_E_CERT_CONSTRAINT);
    made_init(&m);
    EVP_PKEY *small = EVP_RSA_gen(1024);
    m.keys[LOWER] = m.signer[LEAF] = small;
    check_refused(&m, TALLY_R_E_KEY);
    made_init(&m);
    m.keys[LEAF] = small;
    check_refused(&m, TALLY_R_E_KEY);
    EVP_PKEY_free(small);
    made_init(&m);
    m.keys[LEAF] = keys[LEVELS]; /* certified is another key than the one that signed */
    check_refused(&m, TALLY_R_E_SIGNATURE);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("tpm_cert");

    tally_vectors_need();
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        keys[i] = EVP_RSA_gen(2048);
        if (keys[i] == NULL) return 1;
    }
    if (tally_sim_tpm_new(TALLY_TPM_RSA, &tpm) != TALLY_OK) return 1;
    tcase_add_test(t, the_real_chains_hold_in_their_time);
    tcase_add_test(t, outside_their_time_they_are_refused_to_the_second);
    tcase_add_test(t, issuers_that_are_others_or_missing);
    tcase_add_test(t, a_certificates_padding_is_zero);
    tcase_add_test(t, a_quote_under_a_chain_is_trusted_strictly);
    tcase_add_test(t, a_chain_in_which_one_thing_is_another_is_refused);
    return tally_suite_run("tpm_cert", t);
}
