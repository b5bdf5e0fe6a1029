/* test_verify_tpm_content.c - common/attest/verify_tpm_content.c: selections, values, nonces, logs
 * (ATTESTATION.md C4.2, D.6). */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/suite.h"
#include "tests/lib/tpm_quoted.h"
#include "tests/lib/tpm_vectors.h"
#include "tests/lib/vectors.h"

static struct tally_tpm_policy integrity(void)
{
    struct tally_tpm_policy p;

    tally_tpm_policy_integrity(&p);
    return p;
}

START_TEST(any_other_selection_than_the_policys_is_refused)
{
    static const struct {
        uint32_t n;
        struct tally_tpm_selection list[3];
    } cases[] = {
        {1, {{TALLY_TPM_SHA1, 3, 0xffffff}}                                }, /* SHA-1 */
        {1, {{TALLY_TPM_SHA384, 3, 0xffffff}}                              }, /* another bank */
        {1, {{TALLY_TPM_SHA256, 3, 0xfffffe}}                              }, /* smaller */
        {1, {{TALLY_TPM_SHA256, 3, 0x000001}}                              },
        {1, {{TALLY_TPM_SHA256, 3, 0}}                                     }, /* none */
        {1, {{TALLY_TPM_SHA256, 0, 0}}                                     },
        {0, {{0, 0, 0}}                                                    },
        {1, {{TALLY_TPM_SHA256, 4, 0xffffff}}                              }, /* larger */
        {1, {{TALLY_TPM_SHA256, 4, 0x1ffffff}}                             },
        {2, {{TALLY_TPM_SHA1, 3, 0xff}, {TALLY_TPM_SHA256, 3, 0xffffff}}   }, /* two banks */
        {2, {{TALLY_TPM_SHA256, 3, 0xffffff}, {TALLY_TPM_SHA1, 3, 0}}      },
        {2, {{TALLY_TPM_SHA256, 3, 0xfff000}, {TALLY_TPM_SHA256, 3, 0xfff}}}, /* permuted */
        {2, {{TALLY_TPM_SHA256, 3, 0xfff}, {TALLY_TPM_SHA256, 3, 0xfff000}}}
    };
    struct quoted s;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        quoted_begin(&s);
        s.q.selections_n = cases[i].n;
        memcpy(s.q.selections, cases[i].list, sizeof cases[i].list);
        tally_sim_quote_digest(quoted_tpm, TALLY_TPM_SHA256, s.digest, &s.q);
        quoted_refused(&s, TALLY_R_E_PCR_SELECTION);
    }
    /* the same PCRs by number, moved: 1 to 8 where 0 to 7 are asked for */
    quoted_begin(&s);
    s.policy.pcrs = 0xff;
    s.q.selections[0].mask = 0x1fe;
    tally_sim_quote_digest(quoted_tpm, TALLY_TPM_SHA256, s.digest, &s.q);
    quoted_refused(&s, TALLY_R_E_PCR_SELECTION);
    s.q.selections[0].mask = 0xff;
    tally_sim_quote_digest(quoted_tpm, TALLY_TPM_SHA256, s.digest, &s.q);
    quoted_good(&s);
    ck_assert_ptr_nonnull(tpm_claim(&quoted_verdict, "tpm_pcr_7"));
    ck_assert_ptr_null(tpm_claim(&quoted_verdict, "tpm_pcr_8")); /* not quoted, so not true */
}
END_TEST

START_TEST(values_are_taken_by_number_and_not_by_place)
{
    struct quoted s;

    /* A quote over PCRs 8 to 15, and their values offered as those of 0 to 7. */
    quoted_begin(&s);
    s.policy.pcrs = 0;
    s.q.selections[0].mask = 0xff00;
    tally_sim_quote_digest(quoted_tpm, TALLY_TPM_SHA256, s.digest, &s.q);
    quoted_good(&s);
    memcpy(s.pcrs, quoted_tpm->pcrs[8], (size_t)8 * 32);
    quoted_good(&s); /* 8 to 15 are still right, and 0 to 7 are not believed */
    ck_assert_ptr_null(tpm_claim(&quoted_verdict, "tpm_pcr_0"));
    memset(s.pcrs + (size_t)8 * 32, 0, (size_t)8 * 32);
    quoted_refused(&s, TALLY_R_E_PCR_DIGEST);

    quoted_begin(&s); /* permuted */
    memcpy(s.pcrs, quoted_tpm->pcrs[1], 32);
    memcpy(s.pcrs + 32, quoted_tpm->pcrs[0], 32);
    quoted_refused(&s, TALLY_R_E_PCR_DIGEST);
    quoted_begin(&s);
    s.in.pcrs.len -= 32;
    quoted_refused(&s, TALLY_R_E_TRUNCATED);
    quoted_begin(&s);
    s.in.pcrs = tally_slice_of(s.attest, 769);
    quoted_refused(&s, TALLY_R_E_TRAILING);
    quoted_begin(&s);
    s.q.digest.len = 31;
    quoted_refused(&s, TALLY_R_E_PCR_DIGEST);
    quoted_begin(&s);
    s.q.digest.len = 0;
    quoted_refused(&s, TALLY_R_E_PCR_DIGEST);
}
END_TEST

START_TEST(the_nonce_is_compared_whole)
{
    struct quoted s;

    quoted_begin(&s);
    s.q.extra.len--; /* the prefix */
    quoted_refused(&s, TALLY_R_E_REPORT_DATA);
    quoted_begin(&s);
    s.nonce.len--;
    quoted_refused(&s, TALLY_R_E_REPORT_DATA);
    quoted_begin(&s);
    s.q.extra.len = 0;
    quoted_refused(&s, TALLY_R_E_REPORT_DATA);
    quoted_begin(&s);
    s.nonce = tally_slice_str("");
    quoted_refused(&s, TALLY_R_E_REPORT_DATA);
    quoted_begin(&s);
    s.q.extra.len = 0;
    s.nonce = tally_slice_str("");
    quoted_good(&s);
    quoted_begin(&s);
    s.nonce = (struct tally_slice){0};
    quoted_good(&s);
    s.policy.integrity_only = false;
    ck_assert_int_eq(quoted_finish(&s), TALLY_E_UNDECIDED);
    ck_assert(tpm_missing(&quoted_verdict, TALLY_R_E_REPORT_DATA));
}
END_TEST

START_TEST(the_policys_values_clock_and_trust)
{
    struct quoted s;

    quoted_begin(&s);
    s.policy.values_n = 2;
    s.policy.values[0].pcr = s.policy.values[1].pcr = 4;
    memset(s.policy.values[0].value, 0x99, 32);
    memset(s.policy.values[1].value, 4, 32);
    quoted_good(&s); /* one of two */
    s.policy.values_n = 1;
    quoted_refused(&s, TALLY_R_E_MEASUREMENT);
    quoted_begin(&s);
    s.q.safe = 0;
    quoted_good(&s);
    s.policy.integrity_only = false;
    ck_assert_int_eq(quoted_finish(&s), TALLY_E_UNTRUSTED);
    ck_assert(quoted_verdict.failed_n == 1 && tpm_failed(&quoted_verdict, TALLY_R_E_POLICY_FLAG));
    s.policy.allow_unsafe_clock = true;
    ck_assert_int_eq(quoted_finish(&s), TALLY_E_UNDECIDED);
    quoted_begin(&s);
    ck_assert_int_eq(quoted_finish(&s), TALLY_OK);
    const struct tally_expect e = {.now_s = 0, .nonce = s.nonce, .trust = TALLY_TRUST_HARDWARE};
    ck_assert_int_ne(tally_verify_tpm(&s.in, NULL, 0, &s.policy, &e, &quoted_verdict), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TRUST_CLASS);
    const struct tally_expect given = {.now_s = 0, .nonce = s.nonce, .trust = TALLY_TRUST_GIVEN};
    ck_assert_int_eq(tally_verify_tpm(&s.in, NULL, 0, &s.policy, &given, &quoted_verdict),
                     TALLY_OK);
}
END_TEST

START_TEST(an_event_log_has_to_replay_to_what_was_quoted)
{
    const struct tpm_vector *v = tpm_vector_named("gce_cos85_no_nonce");
    struct tally_tpm_policy p = integrity();
    struct tally_tpm_input in = v->in;
    uint8_t *log = tpm_copy(v->in.eventlog);

    in.eventlog.at = log;
    ck_assert_int_eq(quoted_judge(&in, &p, v->nonce), TALLY_OK);
    ck_assert_uint_eq(tpm_claim(&quoted_verdict, "tpm_eventlog")->number, 1);
    in.eventlog.len = 23808; /* one event less: PCR 5 */
    ck_assert_int_eq(quoted_judge(&in, &p, v->nonce), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_EVENTLOG);
    p.eventlog_pcrs = 0x3ff & ~(1U << 5);
    ck_assert_int_eq(quoted_judge(&in, &p, v->nonce), TALLY_OK);
    in.eventlog.len = 73; /* no event at all: zeros, as a machine that measured nothing */
    ck_assert_int_eq(quoted_judge(&in, &p, v->nonce), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_EVENTLOG);
    in.eventlog.len = 100;
    ck_assert_int_eq(quoted_judge(&in, &p, v->nonce), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_EVENTLOG);
    in.eventlog.len = v->in.eventlog.len;
    log[73 + 12 + 2 + 20 + 2] ^= 1; /* the first event's SHA-256 digest */
    p.eventlog_pcrs = 0x3ff;
    ck_assert_int_eq(quoted_judge(&in, &p, v->nonce), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_EVENTLOG);
    p.eventlog_pcrs = 0;
    ck_assert_int_eq(quoted_judge(&in, &p, v->nonce), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_EVENTLOG);
    in.eventlog = (struct tally_slice){0};
    p.require_eventlog = true;
    ck_assert_int_eq(quoted_judge(&in, &p, v->nonce), TALLY_E_UNDECIDED);
    ck_assert(tpm_missing(&quoted_verdict, TALLY_R_E_EVENTLOG));
    free(log);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("verify_tpm_content");

    tally_vectors_need();
    quoted_setup();
    tcase_add_test(t, any_other_selection_than_the_policys_is_refused);
    tcase_add_test(t, values_are_taken_by_number_and_not_by_place);
    tcase_add_test(t, the_nonce_is_compared_whole);
    tcase_add_test(t, the_policys_values_clock_and_trust);
    tcase_add_test(t, an_event_log_has_to_replay_to_what_was_quoted);
    return tally_suite_run("verify_tpm_content", t);
}
