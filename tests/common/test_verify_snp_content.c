/* test_verify_snp_content.c - what an authentic report may not say: each rule of ATTESTATION.md
 * C1.3 (7 to 18), with reports that a simulated chip signed. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/simulated.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"

static struct tally_verdict verdict;

START_TEST(a_simulated_report_meets_the_strict_policy)
{
    struct simulated s;

    simulated_init(&s);
    ck_assert_msg(simulated_judge(&s, &verdict) == TALLY_OK, "%s", tally_why());
    ck_assert(verdict.authentic && verdict.trust == TALLY_TRUST_TEST && verdict.failed_n == 0);
    ck_assert_str_eq(verdict.product, "Genoa");
    ck_assert_mem_eq(verdict.chip, s.chip[0], sizeof verdict.chip);
    ck_assert_mem_eq(verdict.measurement, s.measurement[0], sizeof verdict.measurement);
}
END_TEST

/* What is changed in the report, and the name of the refusal. */
#define FIELD(f) offsetof(struct tally_snp_report, f)
/* clang-format off */
static const struct {
    size_t at;
    uint8_t flip;
    enum tally_reason reason;
} reports[] = {
    {FIELD(policy) + 2, 0x08, TALLY_R_E_POLICY_DEBUG},
    {FIELD(policy) + 2, 0x04, TALLY_R_E_POLICY_MIGRATION},
    {FIELD(policy) + 2, 0x20, TALLY_R_E_POLICY_FLAG}, /* CXL */
    {FIELD(policy) + 2, 0x01, TALLY_R_E_PLATFORM_FLAG}, /* SMT forbidden, and on */
    {FIELD(platform_info), 0x20, TALLY_R_E_PLATFORM_FLAG},
    {FIELD(vmpl), 1, TALLY_R_E_VMPL},
    {FIELD(vmpl), 4, TALLY_R_E_VMPL},
    {FIELD(measurement), 1, TALLY_R_E_MEASUREMENT},
    {FIELD(measurement) + 47, 0x80, TALLY_R_E_MEASUREMENT},
    {FIELD(report_data), 1, TALLY_R_E_CHANNEL_BINDING},
    {FIELD(report_data) + 31, 0x80, TALLY_R_E_CHANNEL_BINDING},
    {FIELD(report_data) + 32, 1, TALLY_R_E_REPORT_DATA},
    {FIELD(report_data) + 63, 0x80, TALLY_R_E_REPORT_DATA},
    {FIELD(report_id_ma) + 5, 1, TALLY_R_E_POLICY_MIGRATION},
    {FIELD(chip_id), 1, TALLY_R_E_CHIP_BINDING},
    {FIELD(chip_id) + 63, 0x80, TALLY_R_E_CHIP_BINDING},
    {FIELD(reported.raw) + 6, 1, TALLY_R_E_TCB_BINDING},
    {FIELD(reported.raw) + 2, 1, TALLY_R_E_TCB_BINDING},
    {FIELD(committed.raw) + 7, 0x04, TALLY_R_E_TCB_ORDER}, /* below what is reported */
    {FIELD(committed.raw) + 7, 0x08, TALLY_R_E_TCB_ORDER}, /* above what is current */
    {FIELD(committed.raw) + 4, 0x01, TALLY_R_E_RESERVED_NONZERO},
    {FIELD(current.raw) + 7, 0x08, TALLY_R_E_TCB_ORDER}, /* provisional */
    {FIELD(current_fw.minor), 0x40, TALLY_R_E_TCB_ORDER},
    {FIELD(launch.raw) + 7, 0x08, TALLY_R_E_TCB_ORDER},
    {FIELD(cpuid_model), 0x10, TALLY_R_E_PRODUCT}, /* Milan's, with a Genoa chain */
    {FIELD(cpuid_model), 0x20, TALLY_R_E_PRODUCT}, /* nobody's */
    {FIELD(version), 1, TALLY_R_E_RESERVED_NONZERO},
    {FIELD(key_flags), 4, TALLY_R_E_CERT_TYPE},
};
/* clang-format on */

START_TEST(each_wrong_field_is_refused_by_its_name)
{
    struct simulated s;

    simulated_init(&s);
    ((uint8_t *)&s.report)[reports[_i].at] ^= reports[_i].flip;
    ck_assert_int_ne(simulated_judge(&s, &verdict), TALLY_OK);
    ck_assert_msg(snp_failed(&verdict, reports[_i].reason), "%d: first is %s", _i, tally_why());
    /* Whatever else it breaks comes after, in the fixed order; here it is alone or first. */
    ck_assert_msg(tally_reason() == reports[_i].reason || reports[_i].at == FIELD(policy) + 2,
                  "%d: first is %s", _i, tally_why());
}
END_TEST

START_TEST(each_bit_of_report_data_counts)
{
    struct simulated s;
    int step = getenv("TALLY_LONG") ? 1 : 19;

    for (int bit = 0; bit < 512; bit += step) {
        simulated_init(&s);
        s.report.report_data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
        ck_assert_int_eq(tally_reason(),
                         bit < 256 ? TALLY_R_E_CHANNEL_BINDING : TALLY_R_E_REPORT_DATA);
        ck_assert_uint_eq(verdict.failed_n, 1);
    }
}
END_TEST

START_TEST(all_failures_are_listed_in_order)
{
    struct simulated s;

    simulated_init(&s);
    s.report.policy |= TALLY_SNP_POLICY_DEBUG;
    s.report.vmpl = 2;
    s.report.measurement[0] ^= 1;
    s.report.report_data[0] ^= 1;
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_uint_eq(verdict.failed_n, 4);
    ck_assert_int_eq(verdict.failed[0].reason, TALLY_R_E_POLICY_DEBUG);
    ck_assert_int_eq(verdict.failed[1].reason, TALLY_R_E_VMPL);
    ck_assert_int_eq(verdict.failed[2].reason, TALLY_R_E_CHANNEL_BINDING);
    ck_assert_int_eq(verdict.failed[3].reason, TALLY_R_E_MEASUREMENT);
}
END_TEST

START_TEST(content_is_not_appraised_after_a_failed_signature)
{
    struct simulated s;

    simulated_init(&s);
    s.report.policy |= TALLY_SNP_POLICY_DEBUG;
    ck_assert_int_ne(simulated_judge(&s, &verdict), TALLY_OK);
    s.signed_report[0x2a0] ^= 1;
    ck_assert_int_eq(tally_verify_snp(&s.in, simulated_anchor(), 1, &s.policy, &s.expect, &verdict),
                     TALLY_E_AUTH);
    ck_assert_uint_eq(verdict.failed_n, 1);
    ck_assert_int_eq(verdict.failed[0].reason, TALLY_R_E_SIGNATURE);
    ck_assert(!verdict.authentic);
}
END_TEST

START_TEST(revoked_chips_and_programs_are_refused)
{
    struct simulated s;

    simulated_init(&s);
    s.expect.revoked_chips = s.expect.chips;
    s.expect.revoked_chips_n = 1;
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_DENYLIST);
    simulated_init(&s);
    s.expect.revoked_measurements = s.expect.measurements;
    s.expect.revoked_measurements_n = 1;
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_REVOKED);
}
END_TEST

START_TEST(a_machine_must_be_one_of_the_nodes)
{
    static const uint8_t other[1][TALLY_CHIP_DIGEST_BYTES] = {{1}};
    static const uint8_t keys[1][TALLY_ID_KEY_BYTES] = {{7}};
    struct simulated s;

    simulated_init(&s);
    s.expect.chips = other;
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CHIP);

    s.expect.chips_n = 0; /* nothing to compare with */
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNDECIDED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CHIP);
    s.expect.any_chip = true;
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_OK);

    s.expect.any_chip = false;
    s.expect.id_keys = keys;
    s.expect.id_keys_n = 1;
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_ID_BLOCK);
    s.report.id_key_digest[0] = 7;
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_OK);
}
END_TEST

START_TEST(what_is_not_compared_is_undecided)
{
    for (int k = 0; k < 5; k++) {
        struct simulated s;
        const enum tally_reason want[] = {TALLY_R_E_TRUST_CLASS, TALLY_R_E_REPORT_DATA,
                                          TALLY_R_E_MEASUREMENT, TALLY_R_E_CHIP,
                                          TALLY_R_E_CRL_MISSING};
        simulated_init(&s);
        if (k == 0) s.expect.trust = 0;
        if (k == 1) s.expect.report_data = NULL;
        if (k == 2) s.expect.measurements_n = 0;
        if (k == 3) s.expect.chips_n = 0;
        if (k == 4) s.in.crls_n = 0;
        ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNDECIDED);
        ck_assert(verdict.undecided && verdict.failed_n == 0 && snp_missing(&verdict, want[k]));
        s.report.vmpl = 1; /* a failure beats what is missing */
        ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
        ck_assert(!verdict.undecided && snp_failed(&verdict, TALLY_R_E_VMPL));
    }
}
END_TEST

START_TEST(a_test_root_is_no_hardware)
{
    struct simulated s;

    simulated_init(&s);
    s.expect.trust = TALLY_TRUST_HARDWARE;
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TRUST_CLASS);
}
END_TEST

/* Each knob of the policy, and what a plain report then lacks. */
static void demand(struct tally_snp_policy *p, int k)
{
    if (k == 0) p->allow_smt = false;
    if (k == 1) p->require_ciphertext_hiding = true;
    if (k == 2) p->require_single_socket = true;
    if (k == 3) p->require_page_swap_disable = true;
    if (k == 4) p->require_aes_256_xts = true;
    if (k == 5) p->require_rapl_disable = true;
    if (k == 6) p->abi_min = 0x0137;
    if (k == 7) p->platform_required = 2;
    if (k == 8) p->platform_forbidden = 1;
    if (k == 9) p->guest_svn_min = 1;
    if (k == 10) p->mit_vector = 1;
    if (k == 11) p->floors[0].microcode = 0x55;
    if (k == 12) p->floors[0].boot_loader = 11;
    if (k == 13) p->floors_n = 0;
    if (k == 14) p->floors[0].model_last = 0x10;
}

START_TEST(each_knob_of_the_policy_refuses)
{
    static const enum tally_reason want[] = {
        TALLY_R_E_POLICY_SMT,  TALLY_R_E_POLICY_FLAG,   TALLY_R_E_POLICY_FLAG,
        TALLY_R_E_POLICY_FLAG, TALLY_R_E_POLICY_FLAG,   TALLY_R_E_POLICY_FLAG,
        TALLY_R_E_POLICY_FLAG, TALLY_R_E_PLATFORM_FLAG, TALLY_R_E_PLATFORM_FLAG,
        TALLY_R_E_SVN,         TALLY_R_E_MIT_VECTOR,    TALLY_R_E_TCB_MIN,
        TALLY_R_E_TCB_MIN,     TALLY_R_E_TCB_MIN,       TALLY_R_E_TCB_MIN};
    struct simulated s;

    simulated_init(&s);
    demand(&s.policy, _i);
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_msg(tally_reason() == want[_i], "%d: %s", _i, tally_why());
}
END_TEST

/* An old TCB's signing key with the current TCB in the report, and the honest old TCB. */
START_TEST(the_key_of_an_old_tcb_cannot_claim_a_new_one)
{
    const struct tally_snp_tcb old = {
        {9, 0, 0, 0, 0, 0, 21, 70}
    };
    struct tally_snp_tcb now = simulated_chip()->tcb;
    struct simulated s;

    ck_assert_int_eq(tally_sim_chip_set_tcb(simulated_chip(), simulated_root(), &old, SIM_NOW_S),
                     TALLY_OK);
    simulated_init(&s);
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TCB_MIN);
    s.report.reported = s.report.committed = s.report.current = now;
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TCB_BINDING);
    s.report.reported = old; /* forged COMMITTED_TCB alone */
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_TCB_MIN);
}
END_TEST

START_TEST(a_masked_chip_id_needs_the_policys_leave)
{
    struct simulated s;

    simulated_init(&s);
    memset(s.report.chip_id, 0, sizeof s.report.chip_id);
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CHIP_BINDING);
    s.report.key_flags = 2;
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CHIP_BINDING);
    s.policy.allow_masked_chip_id = true;
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_CHIP); /* it names no chip */
    s.expect.chips_n = 0;
    s.expect.any_chip = true;
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_OK);
}
END_TEST

START_TEST(host_data_is_compared_where_given)
{
    struct simulated s;
    uint8_t host[32] = {1};

    simulated_init(&s);
    s.expect.host_data = host;
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_HOST_DATA);
    s.report.host_data[0] = 1;
    ck_assert_int_eq(simulated_judge(&s, &verdict), TALLY_OK);
}
END_TEST

int main(void)
{
    simulated_setup();
    TCase *t = tcase_create("verify_snp_content");

    tcase_add_test(t, a_simulated_report_meets_the_strict_policy);
    tcase_add_loop_test(t, each_wrong_field_is_refused_by_its_name, 0,
                        (int)(sizeof reports / sizeof reports[0]));
    tcase_add_test(t, each_bit_of_report_data_counts);
    tcase_add_test(t, all_failures_are_listed_in_order);
    tcase_add_test(t, content_is_not_appraised_after_a_failed_signature);
    tcase_add_test(t, revoked_chips_and_programs_are_refused);
    tcase_add_test(t, a_machine_must_be_one_of_the_nodes);
    tcase_add_test(t, what_is_not_compared_is_undecided);
    tcase_add_test(t, a_test_root_is_no_hardware);
    tcase_add_loop_test(t, each_knob_of_the_policy_refuses, 0, 15);
    tcase_add_test(t, the_key_of_an_old_tcb_cannot_claim_a_new_one);
    tcase_add_test(t, a_masked_chip_id_needs_the_policys_leave);
    tcase_add_test(t, host_data_is_compared_where_given);
    return tally_suite_run("common/verify_snp_content", t);
}
