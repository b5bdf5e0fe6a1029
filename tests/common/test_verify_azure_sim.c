/* test_verify_azure_sim.c - common/attest/verify_azure.c over a simulated chip, paravisor and vTPM,
 * each signing anew what was changed (ATTESTATION.md C4, C7, D.6). */
#include <stdlib.h>
#include <string.h>

#include "common/attest/sim_tpm.h"
#include "common/attest/verify_azure.h"
#include "tests/lib/simulated.h"
#include "tests/lib/suite.h"
#include "tests/lib/tpm_vectors.h"

static struct tally_sim_tpm *tpm, *other;
static struct tally_verdict verdict;

/* A machine that the strict policy trusts, and what may be changed about it. */
struct machine {
    struct simulated chip;
    struct tally_sim_hcl_config config;
    struct tally_tpm_policy policy;
    struct tally_azure_input in;
    struct tally_tpm_quote quote;
    struct tally_sim_hcl sim;
    uint32_t hash; /* type that the blob names */
    const struct tally_sim_tpm *signer;
    uint8_t json[TALLY_SIM_JSON_MAX], blob[8192], digest[64], attest[1024], sig[1024];
    size_t json_len;
};

static void begin(struct machine *m)
{
    *m = (struct machine){.signer = tpm, .hash = 1};
    struct tally_wr w = tally_wr_to(m->json, sizeof m->json);

    simulated_init(&m->chip);
    m->config.secure_boot = true;
    memcpy(m->config.user_data, m->chip.report_data, sizeof m->config.user_data);
    tally_sim_hcl_json(tpm, &m->config, &w);
    ck_assert(!w.full);
    m->json_len = w.used;
    tally_tpm_policy_strict(&m->policy);
    m->policy.values_n = 1;
    m->policy.values[0].pcr = 9;
    memset(m->policy.values[0].value, 9, TALLY_PCR_BYTES);
    tally_sim_quote_init(tpm, m->digest, &m->quote);
    m->chip.expect.nonce = TALLY_SLICE(m->chip.report_data);
    m->quote.extra = m->chip.expect.nonce;
    m->in.snp = m->chip.in;
    m->in.tpm.pcrs = tally_slice_of(tpm->pcrs, TALLY_PCR_LIST_BYTES);
}

/* The chip signs the JSON's hash by the type that the blob names. */
static void bind_json(struct machine *m)
{
    static const enum tally_hash_alg algs[] = {TALLY_SHA256, TALLY_SHA384, TALLY_SHA512};
    const struct tally_slice json = {m->json, m->json_len};

    memset(m->chip.report.report_data, 0, 64);
    tally_hash(algs[m->hash - 1], &json, 1, m->chip.report.report_data);
}

/* Signs, encodes and judges it as it now is. */
static enum tally_status finish(struct machine *m)
{
    struct tally_wr a = tally_wr_to(m->attest, sizeof m->attest);
    struct tally_wr s = tally_wr_to(m->sig, sizeof m->sig);
    struct tally_wr b = tally_wr_to(m->blob, sizeof m->blob);
    const struct tally_azure_snp_policy p = {&m->chip.policy, &m->policy};

    ck_assert_int_eq(
        tally_sim_report_sign(simulated_chip(), &m->chip.report, m->chip.signed_report), TALLY_OK);
    tally_sim_hcl_init(TALLY_HCL_SNP, TALLY_SLICE(m->chip.signed_report),
                       tally_slice_of(m->json, m->json_len), &m->sim);
    m->sim.hash = m->hash;
    tally_sim_hcl_encode(&m->sim, &b);
    m->in.hcl = tally_slice_of(m->blob, b.used);
    tally_tpm_quote_encode(&m->quote, &a);
    m->in.tpm.attest = tally_slice_of(m->attest, a.used);
    ck_assert_int_eq(
        tally_sim_tpm_sign(m->signer, TALLY_TPM_RSASSA, TALLY_TPM_SHA256, m->in.tpm.attest, &s),
        TALLY_OK);
    m->in.tpm.sig = tally_slice_of(m->sig, s.used);
    return tally_verify_azure_snp(&m->in, simulated_anchor(), 1, &p, &m->chip.expect, &verdict);
}

static void check_good(struct machine *m)
{
    ck_assert_msg(finish(m) == TALLY_OK, "%s", tally_why());
    ck_assert(verdict.authentic && verdict.trust == TALLY_TRUST_TEST);
}

static void check_refused(struct machine *m, enum tally_reason want)
{
    ck_assert_int_ne(finish(m), TALLY_OK);
    ck_assert_uint_ge(verdict.failed_n, 1);
    for (uint32_t i = 0; i < verdict.failed_n; i++)
        ck_assert_msg(verdict.failed[i].reason == want, "%s, not %s: %s",
                      tally_reason_name(verdict.failed[i].reason), tally_reason_name(want),
                      verdict.failed[i].why);
}

/* The first `from` in the JSON, replaced by `to` of any length. */
static void edit(struct machine *m, const char *from, const char *to)
{
    uint8_t *at = memmem(m->json, m->json_len, from, strlen(from));

    ck_assert_ptr_nonnull(at);
    size_t tail = m->json_len - (size_t)(at - m->json) - strlen(from);
    memmove(at + strlen(to), at + strlen(from), tail);
    memcpy(at, to, strlen(to));
    m->json_len += strlen(to) - strlen(from);
}

START_TEST(a_whole_machine_is_trusted_strictly)
{
    struct machine m;

    begin(&m);
    bind_json(&m);
    check_good(&m);
    ck_assert_mem_eq(tpm_claim(&verdict, "hcl_user_data")->bytes, m.config.user_data, 64);
    ck_assert_uint_eq(tpm_claim(&verdict, "tpm_pcrs")->number, 0xffffff);
    ck_assert_uint_ge(TALLY_CLAIMS_MAX, verdict.claims_n + 16);
    m.chip.expect.trust = TALLY_TRUST_HARDWARE;
    check_refused(&m, TALLY_R_E_TRUST_CLASS);
    ck_assert_uint_eq(verdict.failed_n, 1);
}
END_TEST

START_TEST(json_that_the_chip_did_not_sign_is_not_believed)
{
    struct machine m;

    begin(&m); /* white space alone */
    bind_json(&m);
    edit(&m, "{\"keys\":[", "{\"keys\": [");
    check_refused(&m, TALLY_R_E_REPORT_DATA);
    ck_assert_ptr_null(tpm_claim(&verdict, "hcl_version"));
    begin(&m); /* another machine's vTPM */
    bind_json(&m);
    struct tally_wr w = tally_wr_to(m.json, sizeof m.json);
    tally_sim_hcl_json(other, &m.config, &w);
    m.json_len = w.used;
    m.signer = other;
    check_refused(&m, TALLY_R_E_REPORT_DATA);
    begin(&m); /* bytes behind the hash */
    bind_json(&m);
    m.chip.report.report_data[63] = 1;
    check_refused(&m, TALLY_R_E_REPORT_DATA);
}
END_TEST

START_TEST(the_hash_has_the_length_of_its_type)
{
    struct machine m;

    for (uint32_t type = 1; type <= 3; type++) {
        begin(&m);
        m.hash = type;
        bind_json(&m);
        check_good(&m);
        if (type == 1) continue;
        m.hash = 1; /* bound by another hash than the blob says */
        check_refused(&m, TALLY_R_E_REPORT_DATA);
        begin(&m);
        bind_json(&m); /* 32 bytes of SHA-256 and a type of 48 or 64 */
        m.hash = type;
        check_refused(&m, TALLY_R_E_REPORT_DATA);
    }
}
END_TEST

START_TEST(two_attestation_keys_are_none)
{
    struct machine m;

    begin(&m);
    edit(&m, "HCLEkPub", "HCLAkPub");
    bind_json(&m);
    check_refused(&m, TALLY_R_E_KEY);
    begin(&m);
    edit(&m, "\"sign\"", "\"encrypt\"");
    bind_json(&m);
    check_refused(&m, TALLY_R_E_KEY);
    m.policy.integrity_only = true;
    check_good(&m);
}
END_TEST

START_TEST(the_quote_is_by_the_key_that_the_chip_vouches_for)
{
    uint8_t pub[1024];
    struct machine m;

    begin(&m);
    bind_json(&m);
    m.signer = other;
    check_refused(&m, TALLY_R_E_SIGNATURE);
    struct tally_wr w = tally_wr_to(pub, sizeof pub);
    tally_sim_tpm_spki(other, &w);
    m.in.tpm.ak = tally_slice_of(pub, w.used); /* given beside the blob */
    check_refused(&m, TALLY_R_E_KEY);
    begin(&m);
    bind_json(&m);
    w = tally_wr_to(pub, sizeof pub);
    tally_sim_tpm_public(tpm, TALLY_TPM_AK_ATTRIBUTES, TALLY_TPM_NULL, &w);
    m.in.tpm.ak = tally_slice_of(pub, w.used);
    check_good(&m);
    w = tally_wr_to(pub, sizeof pub);
    tally_sim_tpm_public(tpm, TALLY_TPM_AK_ATTRIBUTES & ~TALLY_TPM_RESTRICTED, TALLY_TPM_NULL, &w);
    m.in.tpm.ak = tally_slice_of(pub, w.used);
    check_refused(&m, TALLY_R_E_KEY);
    m.in.tpm.ak = tally_slice_of(pub, w.used - 1);
    check_refused(&m, TALLY_R_E_TRUNCATED);
}
END_TEST

START_TEST(what_the_paravisor_says_is_judged_by_the_policy)
{
    static const struct {
        const char *from, *to;
        enum tally_reason want;
    } cases[] = {
        {"\"secure-boot\":true",      "\"secure-boot\":false",                                     TALLY_R_E_POLICY_FLAG},
        {"\"console-enabled\":false", "\"console-enabled\":true",                                  TALLY_R_E_POLICY_FLAG},
        {"\"tpm-enabled\":true",      "\"tpm-enabled\":true,\"interactive-console-enabled\":true",
         TALLY_R_E_POLICY_FLAG                                                                                          },
        {"\"tpm-enabled\":true",      "\"tpm-enabled\":true,\"ipmi-enabled\":true",
         TALLY_R_E_POLICY_FLAG                                                                                          },
        {"\"user-data\":\"5a",        "\"user-data\":\"5b",                                        TALLY_R_E_REPORT_DATA},
        {",\"user-data\":\"",         ",\"user-data\":\"\",\"x\":\"",                              TALLY_R_E_FORMAT     }
    };
    struct machine m;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(&m);
        edit(&m, cases[i].from, cases[i].to);
        bind_json(&m);
        check_refused(&m, cases[i].want);
        ck_assert_uint_eq(verdict.failed_n, 1);
    }
    begin(&m);
    edit(&m, "\"secure-boot\":true", "\"secure-boot\":false");
    edit(&m, "\"console-enabled\":false", "\"console-enabled\":true");
    bind_json(&m);
    m.policy.allow_console = true;
    m.policy.require_secure_boot = false;
    check_good(&m);
}
END_TEST

START_TEST(what_the_quote_says_is_judged_too)
{
    struct machine m;

    begin(&m);
    bind_json(&m);
    m.quote.extra.len--;
    check_refused(&m, TALLY_R_E_REPORT_DATA);
    begin(&m);
    bind_json(&m);
    m.quote.selections[0].mask = 0xff;
    tally_sim_quote_digest(tpm, TALLY_TPM_SHA256, m.digest, &m.quote);
    check_refused(&m, TALLY_R_E_PCR_SELECTION);
    begin(&m);
    bind_json(&m);
    m.policy.values[0].value[0] ^= 1;
    check_refused(&m, TALLY_R_E_MEASUREMENT);
    begin(&m);
    bind_json(&m);
    m.quote.type = TALLY_TPM_ST_CERTIFY;
    check_refused(&m, TALLY_R_E_FORMAT);
}
END_TEST

START_TEST(the_hardware_is_judged_by_its_own_policy)
{
    struct machine m;

    begin(&m);
    bind_json(&m);
    m.chip.report.policy |= TALLY_SNP_POLICY_DEBUG;
    check_refused(&m, TALLY_R_E_POLICY_DEBUG);
    ck_assert_ptr_nonnull(tpm_claim(&verdict, "tpm_firmware")); /* authentic all the same */
    begin(&m);
    bind_json(&m);
    m.in.snp.crls_n = 0;
    m.chip.expect.nonce = (struct tally_slice){0};
    ck_assert_int_eq(finish(&m), TALLY_E_UNDECIDED);
    ck_assert(tpm_missing(&verdict, TALLY_R_E_CRL_MISSING) &&
              tpm_missing(&verdict, TALLY_R_E_REPORT_DATA));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("verify_azure_sim");

    simulated_setup();
    if (tally_sim_tpm_new(TALLY_TPM_RSA, &tpm) != TALLY_OK ||
        tally_sim_tpm_new(TALLY_TPM_RSA, &other) != TALLY_OK)
        return 1;
    tcase_add_test(t, a_whole_machine_is_trusted_strictly);
    tcase_add_test(t, json_that_the_chip_did_not_sign_is_not_believed);
    tcase_add_test(t, the_hash_has_the_length_of_its_type);
    tcase_add_test(t, two_attestation_keys_are_none);
    tcase_add_test(t, the_quote_is_by_the_key_that_the_chip_vouches_for);
    tcase_add_test(t, what_the_paravisor_says_is_judged_by_the_policy);
    tcase_add_test(t, what_the_quote_says_is_judged_too);
    tcase_add_test(t, the_hardware_is_judged_by_its_own_policy);
    return tally_suite_run("verify_azure_sim", t);
}
