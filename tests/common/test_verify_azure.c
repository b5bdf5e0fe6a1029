/* test_verify_azure.c - common/attest/verify_azure.c: the published Azure evidence, layer by layer
 * (ATTESTATION.md C4, D.6). What is simulated is in test_verify_azure_sim.c. */
#include <stdlib.h>
#include <string.h>

#include "common/attest/verdict.h"
#include "common/attest/verify_azure.h"
#include "common/text.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/tpm_vectors.h"
#include "tests/lib/vectors.h"

static struct tally_verdict verdict;
static struct tally_tpm_policy tpm_integrity, tpm_strict;
static struct tally_snp_policy snp_integrity;

static uint64_t at(const char *time)
{
    uint64_t s;

    ck_assert_int_eq(tally_time_parse(time, &s), TALLY_OK);
    return s;
}

static struct tally_azure_input input(const struct tpm_vector *v, const char *snp)
{
    char path[128];
    struct tally_azure_input in = {.hcl = v->hcl, .tdx = v->report_type == 4, .tpm = v->in};

    if (snp == NULL) return in;
    (void)snprintf(path, sizeof path, "%s/vek.der", snp);
    in.snp.vek = snp_vector_file(path);
    in.snp.issuer = snp_vector_file("roots/milan_ask.der");
    return in;
}

static enum tally_status judge(const struct tally_azure_input *in,
                               const struct tally_tpm_policy *policy, struct tally_expect e)
{
    const struct tally_azure_snp_policy p = {&snp_integrity, policy};
    uint32_t n;
    const struct tally_anchor *anchors = tpm_vector_anchors(&n);

    if (e.now_s == 0) e.now_s = at("2026-01-01T00:00:00Z");
    return tally_verify_azure_snp(in, anchors, n, &p, &e, &verdict);
}

static const struct {
    const char *name, *snp;
} chains[] = {
    {"azure_snp_milan_v1",  "milan_v2_azure_hcl"},
    {"azure_snp_milan_v3a", "milan_v3_azure_v0" }  /* another report under the same VCEK */
};

START_TEST(every_real_snp_chain_holds_from_the_chip_to_the_pcrs)
{
    static const uint8_t zeros[64];

    for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
        const struct tpm_vector *v = tpm_vector_named(chains[i].name);
        struct tally_azure_input in = input(v, chains[i].snp);
        struct tally_expect e = {.nonce = v->nonce, .report_data = zeros};
        ck_assert_msg(judge(&in, &tpm_integrity, e) == TALLY_OK, "%s: %s", v->name, tally_why());
        ck_assert(verdict.authentic && verdict.trust == TALLY_TRUST_HARDWARE);
        ck_assert_str_eq(verdict.product, "Milan");
        ck_assert_uint_eq(tpm_claim(&verdict, "tpm_firmware")->number, v->firmware);
        ck_assert_uint_eq(tpm_claim(&verdict, "hcl_secure_boot")->number, 1);
        ck_assert_uint_eq(tpm_claim(&verdict, "hcl_console")->number, 1);
        ck_assert_ptr_nonnull(tpm_claim(&verdict, "measurement"));
        ck_assert_mem_eq(tpm_claim(&verdict, "tpm_pcr_4")->bytes, v->in.pcrs.at + 4 * 32, 32);
        in.tpm.ak = (struct tally_slice){0}; /* the blob names the key */
        ck_assert_int_eq(judge(&in, &tpm_integrity, e), TALLY_OK);
        in.tpm.attest = (struct tally_slice){0};
        ck_assert_int_eq(judge(&in, &tpm_integrity, e), TALLY_OK);
        ck_assert_ptr_null(tpm_claim(&verdict, "tpm_firmware"));
    }
}
END_TEST

START_TEST(the_strict_policy_refuses_the_console_and_misses_values)
{
    const struct tpm_vector *v = tpm_vector_named("azure_snp_milan_v1");
    struct tally_azure_input in = input(v, "milan_v2_azure_hcl");
    const struct tally_expect none = {0}, nonce = {.nonce = v->nonce};

    ck_assert_int_eq(judge(&in, &tpm_strict, none), TALLY_E_UNTRUSTED);
    ck_assert(verdict.failed_n == 1 && tpm_failed(&verdict, TALLY_R_E_POLICY_FLAG));
    struct tally_tpm_policy p = tpm_strict;
    p.allow_console = true;
    ck_assert_int_eq(judge(&in, &p, none), TALLY_E_UNDECIDED);
    ck_assert_uint_eq(verdict.missing_n, 3); /* user-data, nonce, values */
    ck_assert(tpm_missing(&verdict, TALLY_R_E_REPORT_DATA) &&
              tpm_missing(&verdict, TALLY_R_E_MEASUREMENT));
    static const uint8_t zeros[64];
    struct tally_expect all = nonce;
    all.report_data = zeros;
    p.values_n = 1;
    p.values[0].pcr = 7;
    memcpy(p.values[0].value, v->in.pcrs.at + 7 * 32, 32);
    ck_assert_msg(judge(&in, &p, all) == TALLY_OK, "%s", tally_why());
    in.tpm.attest = (struct tally_slice){0};
    ck_assert_int_eq(judge(&in, &p, all), TALLY_E_UNDECIDED);
    ck_assert(verdict.missing_n == 1 && tpm_missing(&verdict, TALLY_R_E_MEASUREMENT));
    p.allow_missing_quote = true;
    ck_assert_int_eq(judge(&in, &p, all), TALLY_OK);
}
END_TEST

START_TEST(parts_of_two_machines_do_not_fit)
{
    const struct tpm_vector *a = tpm_vector_named(chains[0].name);
    const struct tpm_vector *b = tpm_vector_named(chains[1].name);
    struct tally_azure_input in = input(a, chains[0].snp);
    struct tally_expect e = {.nonce = a->nonce};

    in.tpm.ak = b->in.ak; /* the key of another paravisor */
    ck_assert_int_eq(judge(&in, &tpm_integrity, e), TALLY_E_UNTRUSTED);
    ck_assert(verdict.failed_n == 1 && tpm_failed(&verdict, TALLY_R_E_KEY));
    ck_assert_ptr_null(tpm_claim(&verdict, "tpm_firmware"));
    in.tpm.ak = tpm_vector_file("tpm/ak_certs/azure_ak_01.der"); /* whose issuer is not known */
    ck_assert_int_eq(judge(&in, &tpm_integrity, e), TALLY_E_UNTRUSTED);
    ck_assert(!verdict.undecided && tpm_failed(&verdict, TALLY_R_E_KEY));
    in.tpm = b->in; /* its quote too */
    ck_assert_int_eq(judge(&in, &tpm_integrity, e), TALLY_E_UNTRUSTED);
    ck_assert(verdict.failed_n == 1 && tpm_failed(&verdict, TALLY_R_E_KEY));
    in.tpm.ak = (struct tally_slice){0}; /* without saying so */
    ck_assert_int_eq(judge(&in, &tpm_integrity, e), TALLY_E_AUTH);
    ck_assert(verdict.failed_n == 1 && tpm_failed(&verdict, TALLY_R_E_SIGNATURE));
    in = input(a, chains[0].snp);
    in.hcl = b->hcl; /* the blob of another machine: its report is not of this chip */
    ck_assert_int_ne(judge(&in, &tpm_integrity, e), TALLY_OK);
    ck_assert(!verdict.authentic && verdict.claims_n == 0);
    const uint8_t other[64] = {1};
    in = input(a, chains[0].snp);
    e.report_data = other;
    ck_assert_int_eq(judge(&in, &tpm_integrity, e), TALLY_E_UNTRUSTED);
    ck_assert(verdict.failed_n == 1 && tpm_failed(&verdict, TALLY_R_E_REPORT_DATA));
    e.report_data = NULL;
    in.tdx = true; /* the wrapper for SNP judges SNP: the blob's own type is what counts */
    ck_assert_int_eq(judge(&in, &tpm_integrity, e), TALLY_OK);
    in.hcl = tpm_vector_named("azure_tdx_v1")->hcl;
    ck_assert_int_eq(judge(&in, &tpm_integrity, e), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TEE_TYPE);
}
END_TEST

/* Blobs published for their form: the certificate beside the SNP one is not of its key. */
START_TEST(a_report_that_its_certificate_does_not_fit_is_refused)
{
    const struct tpm_vector *v = tpm_vector_named("azure_snp_hcl_kinvolk");
    struct tally_azure_input in = input(v, NULL);
    uint8_t buf[16384];
    struct tally_slice der[3];
    size_t n = 0;

    ck_assert_msg(tally_pem_chain(tpm_vector_file("tpm/azure_snp_hcl_kinvolk/vcek_chain.pem"), buf,
                                  sizeof buf, der, 3, &n) == TALLY_OK,
                  "%s", tally_why());
    in.snp.vek = der[0];
    in.snp.issuer = der[1];
    ck_assert_int_ne(judge(&in, &tpm_integrity, (struct tally_expect){0}), TALLY_OK);
    ck_assert(!verdict.authentic && tpm_failed(&verdict, TALLY_R_E_SIGNATURE));
    ck_assert_uint_eq(verdict.claims_n, 0);
}
END_TEST

START_TEST(every_byte_of_the_json_and_the_report_counts)
{
    enum { JSON_AT = 1236, SIGNED_AT = 32, SIGNED = 0x2a0 };
    const struct tpm_vector *v = tpm_vector_named(chains[0].name);
    struct tally_azure_input in = input(v, chains[0].snp);
    size_t step = getenv("TALLY_LONG") ? 1 : 23;
    uint8_t *b = tpm_copy(v->hcl);

    in.hcl.at = b;
    for (size_t i = 0; i < v->json.len; i += step) {
        b[JSON_AT + i] ^= 1;
        ck_assert_int_ne(judge(&in, &tpm_integrity, (struct tally_expect){0}), TALLY_OK);
        enum tally_reason r = verdict.failed[0].reason;
        ck_assert(r == TALLY_R_E_REPORT_DATA || r == TALLY_R_E_FORMAT || r == TALLY_R_E_KEY);
        ck_assert_ptr_null(tpm_claim(&verdict, "hcl_version"));
        b[JSON_AT + i] ^= 1;
    }
    for (size_t i = SIGNED_AT; i < SIGNED_AT + SIGNED; i += step) {
        b[i] ^= 1;
        ck_assert_int_ne(judge(&in, &tpm_integrity, (struct tally_expect){0}), TALLY_OK);
        ck_assert(!verdict.authentic);
        b[i] ^= 1;
    }
    ck_assert_int_eq(judge(&in, &tpm_integrity, (struct tally_expect){0}), TALLY_OK);
    free(b);
}
END_TEST

/* Plays the TDX verifier: the quote's REPORTDATA is all that this test asks of it. */
struct quote {
    struct tally_slice bytes;
    unsigned asked;
};

static enum tally_status hardware(void *ctx, const struct tally_hcl *h,
                                  const uint8_t report_data[64], struct tally_verdict *v)
{
    enum { REPORT_DATA_AT = 48 + 520 };
    struct quote *q = ctx;

    q->asked++;
    ck_assert_int_eq(h->type, TALLY_HCL_TDX);
    tally_verdict_init(v);
    v->authentic = true;
    v->trust = TALLY_TRUST_HARDWARE;
    tally_verdict_window(v, 1, 2000000000);
    if (memcmp(q->bytes.at + REPORT_DATA_AT, report_data, 32) != 0)
        tally_verdict_fail(v, TALLY_R_E_CHANNEL_BINDING, "first half");
    return tally_verdict_end(v);
}

START_TEST(a_real_tdx_chain_holds_when_the_quote_carries_the_same)
{
    const struct tpm_vector *v = tpm_vector_named("azure_tdx_v1");
    struct quote q = {.bytes = tpm_vector_file("tdx/quotes/spr_v4_azure_coco.bin")};
    struct tally_azure_judge j = {.hardware = hardware, .ctx = &q, .policy = &tpm_integrity};
    struct tally_azure_input in = input(v, NULL);
    struct tally_expect e = {.nonce = v->nonce, .now_s = 5};

    ck_assert_msg(tally_verify_azure_with(&in, &j, &e, &verdict) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(q.asked, 1);
    ck_assert(tpm_claim(&verdict, "hcl_tpm_persisted") && tpm_claim(&verdict, "tpm_firmware"));
    in.tpm = (struct tally_tpm_input){0};
    in.hcl = tpm_vector_named("azure_tdx_openpcc")->hcl; /* not this quote's */
    ck_assert_int_eq(tally_verify_azure_with(&in, &j, &e, &verdict), TALLY_E_UNTRUSTED);
    ck_assert(verdict.failed_n == 1 && tpm_failed(&verdict, TALLY_R_E_REPORT_DATA));
    ck_assert_ptr_null(tpm_claim(&verdict, "hcl_version"));
    /* the quote fits the JSON, the TDREPORT between them does not */
    uint8_t *b = tpm_copy(v->hcl);
    in.hcl = tally_slice_of(b, v->hcl.len);
    b[32 + TALLY_TDREPORT_DATA_AT] ^= 1;
    ck_assert_int_eq(tally_verify_azure_with(&in, &j, &e, &verdict), TALLY_E_UNTRUSTED);
    ck_assert(verdict.failed_n == 1 && tpm_failed(&verdict, TALLY_R_E_REPORT_DATA));
    free(b);
    /* an SNP blob where TDX was declared, and the other way round: no hardware is asked */
    q.asked = 0;
    in.hcl = tpm_vector_named("azure_snp_milan_v1")->hcl;
    ck_assert_int_eq(tally_verify_azure_with(&in, &j, &e, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TEE_TYPE);
    in.hcl = v->hcl;
    in.tdx = false;
    ck_assert_int_eq(tally_verify_azure_with(&in, &j, &e, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TEE_TYPE);
    ck_assert_uint_eq(q.asked, 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("verify_azure");

    tally_vectors_need();
    tally_tpm_policy_integrity(&tpm_integrity);
    tally_tpm_policy_strict(&tpm_strict);
    tally_snp_policy_integrity(&snp_integrity);
    tcase_add_test(t, every_real_snp_chain_holds_from_the_chip_to_the_pcrs);
    tcase_add_test(t, the_strict_policy_refuses_the_console_and_misses_values);
    tcase_add_test(t, parts_of_two_machines_do_not_fit);
    tcase_add_test(t, a_report_that_its_certificate_does_not_fit_is_refused);
    tcase_add_test(t, every_byte_of_the_json_and_the_report_counts);
    tcase_add_test(t, a_real_tdx_chain_holds_when_the_quote_carries_the_same);
    return tally_suite_run("verify_azure", t);
}
