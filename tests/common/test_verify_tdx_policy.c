/* test_verify_tdx_policy.c - common/attest/verify_tdx.c: every rule of a policy and every expected
 * value, met and not met, on published quotes. */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/suite.h"
#include "tests/lib/tdx_case.h"
#include "tests/lib/vectors.h"

static struct tdx_case c;
/* Trusted under strict, with everything to compare. */
static const char good[] = "spr_v4_oak", good5[] = "emr_v5_google";

static void strict(const char *name)
{
    tdx_case_init(&c, name, 0, true);
}

START_TEST(expected_values_are_compared_or_missing)
{
    static const uint8_t zero[1][TALLY_CHIP_DIGEST_BYTES];
    static const uint8_t key[1][TALLY_ID_KEY_BYTES];

    strict(good5);
    tdx_case_must(&c, TALLY_R_NONE);
    c.report_data[63] ^= 1;
    tdx_case_must(&c, TALLY_R_E_REPORT_DATA);
    c.report_data[63] ^= 1;
    c.report_data[0] ^= 1;
    tdx_case_must(&c, TALLY_R_E_CHANNEL_BINDING);
    c.expect.report_data = NULL;
    tdx_case_must(&c, TALLY_R_E_REPORT_DATA);
    ck_assert(c.v.undecided && tdx_missing(&c.v, TALLY_R_E_REPORT_DATA));

    strict(good5);
    c.expect.any_chip = false;
    tdx_case_must(&c, TALLY_R_E_CHIP);
    ck_assert(c.v.undecided);
    c.expect.chips = zero;
    c.expect.chips_n = 1;
    tdx_case_must(&c, TALLY_R_E_CHIP);
    ck_assert(!c.v.undecided);
    memcpy(c.chip[0], c.v.chip, sizeof c.chip[0]);
    c.expect.chips = (const uint8_t(*)[TALLY_CHIP_DIGEST_BYTES])c.chip;
    tdx_case_must(&c, TALLY_R_NONE);
    c.expect.revoked_chips = c.expect.chips;
    c.expect.revoked_chips_n = 1;
    tdx_case_must(&c, TALLY_R_E_DENYLIST);
    c.expect.revoked_chips_n = 0;
    c.expect.id_keys = key;
    c.expect.id_keys_n = 1;
    tdx_case_must(&c, TALLY_R_E_ID_BLOCK);

    strict(good5);
    c.expect.trust = TALLY_TRUST_TEST;
    tdx_case_must(&c, TALLY_R_E_TRUST_CLASS);
    c.expect.trust = 0;
    tdx_case_must(&c, TALLY_R_E_TRUST_CLASS);
    ck_assert(c.v.undecided);
}
END_TEST

START_TEST(the_chip_is_named_by_its_ppid)
{
    uint8_t digest[TALLY_CHIP_DIGEST_BYTES];
    const struct tally_claim *claim;

    strict(good);
    tdx_case_must(&c, TALLY_R_NONE);
    claim = tdx_case_claim(&c, "chip");
    ck_assert(claim != NULL && claim->len == sizeof digest);
    ck_assert_mem_eq(claim->bytes, c.v.chip, sizeof digest);
    memcpy(digest, c.v.chip, sizeof digest);
    strict("spr_v4_gcp_cos113");
    tdx_case_must(&c, TALLY_R_NONE);
    ck_assert_mem_ne(digest, c.v.chip, sizeof digest);
}
END_TEST

START_TEST(measurements_are_mrtd_and_the_first_rtmrs_of_any_in_the_list)
{
    struct tally_td_measurement list[3];

    strict(good);
    for (int i = 0; i < 5; i++) {
        strict(good);
        if (i == 4)
            c.td.mrtd[47] ^= 1;
        else
            c.td.rtmr[i][47] ^= 1;
        tdx_case_must(&c, TALLY_R_E_MEASUREMENT);
        if (i == 4) continue;
        c.td.rtmr_n = (uint8_t)i;
        tdx_case_must(&c, TALLY_R_NONE);
    }
    for (size_t i = 0; i < 3; i++) list[i] = c.td;
    c.td.mrtd[47] ^= 1;
    c.expect.td_measurements = list;
    c.expect.td_measurements_n = 3;
    tdx_case_must(&c, TALLY_R_E_MEASUREMENT);
    list[2] = c.td;
    tdx_case_must(&c, TALLY_R_NONE);
    c.expect.revoked_measurements = (const uint8_t(*)[TALLY_MEASUREMENT_BYTES])c.td.mrtd;
    c.expect.revoked_measurements_n = 1;
    tdx_case_must(&c, TALLY_R_E_REVOKED);
    c.expect.revoked_measurements_n = 0;
    c.expect.td_measurements_n = 0;
    tdx_case_must(&c, TALLY_R_E_MEASUREMENT);
    ck_assert(c.v.undecided);
}
END_TEST

START_TEST(integrity_compares_what_it_is_given_and_nothing_else)
{
    tdx_case_init(&c, "spr_v4_debug_coco", 0, false);
    c.expect = (struct tally_expect){.now_s = c.expect.now_s, .padded = true};
    tdx_case_must(&c, TALLY_R_NONE);
    ck_assert_uint_eq(tdx_case_claim(&c, "debug")->number, 1);
    uint8_t wrong[TALLY_REPORT_DATA_BYTES] = {0};
    c.expect.report_data = wrong;
    tdx_case_must(&c, TALLY_R_E_CHANNEL_BINDING);
    c.expect.report_data = NULL;
    c.td.mrtd[0] ^= 1;
    c.expect.td_measurements = &c.td;
    c.expect.td_measurements_n = 1;
    tdx_case_must(&c, TALLY_R_E_MEASUREMENT);
}
END_TEST

START_TEST(an_old_tcb_is_accepted_by_word_or_for_a_grace_alone)
{
    enum { DAY = 86400 };

    strict("spr_v4_automata");
    tdx_case_must(&c, TALLY_R_E_TCB_STATUS);
    ck_assert_str_eq(c.v.tcb.status, "OutOfDate");
    c.policy.accepted |= 1U << TALLY_TDX_OUT_OF_DATE;
    tdx_case_must(&c, TALLY_R_NONE);
    c.policy.accepted = 1U << TALLY_TDX_OUT_OF_DATE_CONFIGURATION;
    tdx_case_must(&c, TALLY_R_E_TCB_STATUS);

    strict("spr_v4_automata");
    const uint64_t date_s = 1691539200; /* 2023-08-09, the level's tcbDate */
    c.policy.grace_days = (uint32_t)((c.expect.now_s - date_s) / DAY + 1);
    tdx_case_must(&c, TALLY_R_NONE);
    ck_assert_str_eq(c.v.tcb.status, "OutOfDate");
    c.expect.now_s = date_s + (uint64_t)c.policy.grace_days * DAY;
    tdx_case_must(&c, TALLY_R_NONE);
    ck_assert_uint_eq(c.v.not_after_s, c.expect.now_s); /* the grace ends the window */
    c.expect.now_s++;
    tdx_case_must(&c, TALLY_R_E_TCB_STATUS);
    c.policy.accepted = 1U << TALLY_TDX_SW_HARDENING; /* what it would be is not accepted */
    c.expect.now_s--;
    tdx_case_must(&c, TALLY_R_E_TCB_STATUS);
}
END_TEST

START_TEST(no_word_accepts_what_no_level_supports)
{
    strict("emr_v4_tappd");
    c.policy.accepted = UINT32_MAX;
    c.policy.grace_days = 36500;
    tdx_case_must(&c, TALLY_R_E_TCB_NOT_SUPPORTED);
    ck_assert_str_eq(c.v.tcb.status, "NotSupported");
}
END_TEST

START_TEST(advisories_are_any_or_those_of_the_list)
{
    strict("spr_v4_automata");
    c.policy.accepted |= 1U << TALLY_TDX_OUT_OF_DATE;
    c.policy.has_advisories = true;
    tdx_case_must(&c, TALLY_R_E_TCB_STATUS);
    const json_t *adv = c.row->results[0].advisories;
    for (size_t i = 0; i < json_array_size(adv); i++) {
        ck_assert_int_ne(tdx_case_judge(&c), TALLY_OK);
        const char *name = json_string_value(json_array_get(adv, i));
        memcpy(c.policy.advisories[c.policy.advisories_n++], name, strlen(name) + 1);
    }
    tdx_case_must(&c, TALLY_R_NONE);
    strict(good); /* a level without advisories needs none */
    c.policy.has_advisories = true;
    tdx_case_must(&c, TALLY_R_NONE);
}
END_TEST

START_TEST(the_evaluation_number_has_a_floor)
{
    strict(good);
    c.policy.evaluation_min = 18;
    tdx_case_must(&c, TALLY_R_E_COLLATERAL_ROLLBACK);
    ck_assert_uint_eq(c.v.failed_n, 2); /* TCB info and QE identity */
    c.policy.evaluation_min = 17;
    tdx_case_must(&c, TALLY_R_NONE);
    strict("spr_v4_debug_coco"); /* number 15 */
    c.policy.evaluation_min = 15;
    tdx_case_must(&c, TALLY_R_E_POLICY_DEBUG);
    ck_assert_uint_eq(c.v.failed_n, 1);
    c.policy.allow_debug = true;
    tdx_case_must(&c, TALLY_R_NONE); /* which no document can say */
}
END_TEST

START_TEST(attributes_and_xfam_are_masks)
{
    strict(good);
    c.policy.attributes_required |= TALLY_TDX_ATTR_PKS;
    tdx_case_must(&c, TALLY_R_E_POLICY_FLAG);
    strict(good);
    c.policy.attributes_forbidden |= TALLY_TDX_ATTR_SEPT_VE_DISABLE;
    tdx_case_must(&c, TALLY_R_E_POLICY_FLAG);
    strict(good);
    c.policy.xfam = 3;
    tdx_case_must(&c, TALLY_R_E_POLICY_FLAG);
    c.policy.xfam = c.quote.xfam & ~UINT64_C(3); /* x87 and SSE always are */
    tdx_case_must(&c, TALLY_R_NONE);

    strict("emr_v4_automata");
    ck_assert_int_ne(tdx_case_judge(&c), TALLY_OK);
    ck_assert(tdx_failed(&c.v, TALLY_R_E_POLICY_FLAG));
    c.policy.attributes_forbidden &= ~TALLY_TDX_ATTR_PERFMON;
    ck_assert_int_ne(tdx_case_judge(&c), TALLY_OK);
    ck_assert(!tdx_failed(&c.v, TALLY_R_E_POLICY_FLAG));

    strict("spr_v4_azure_coco"); /* SEPT_VE_DISABLE clear */
    c.policy.accepted |= 1U << TALLY_TDX_OUT_OF_DATE;
    tdx_case_must(&c, TALLY_R_E_POLICY_FLAG);
    c.policy.attributes_required = 0;
    tdx_case_must(&c, TALLY_R_NONE);
}
END_TEST

START_TEST(a_bound_service_td_is_refused_unless_allowed)
{
    strict("emr_v5_servtd_coco");
    ck_assert_int_ne(tdx_case_judge(&c), TALLY_OK);
    ck_assert(tdx_failed(&c.v, TALLY_R_E_POLICY_MIGRATION));
    ck_assert_uint_eq(tdx_case_claim(&c, "service_td")->number, 1);
    c.policy.allow_service_td = true;
    ck_assert_int_ne(tdx_case_judge(&c), TALLY_OK);
    ck_assert(!tdx_failed(&c.v, TALLY_R_E_POLICY_MIGRATION));
}
END_TEST

START_TEST(lists_and_exact_values_are_met_or_refused)
{
    static const enum tally_reason reasons[] = {TALLY_R_E_MODULE_IDENTITY, TALLY_R_E_PRODUCT,
                                                TALLY_R_E_ID_BLOCK, TALLY_R_E_ID_BLOCK,
                                                TALLY_R_E_ID_BLOCK};

    for (size_t i = 0; i < 5; i++) {
        strict(good);
        struct tally_tdx_policy *p = &c.policy;
        uint8_t *const at[] = {p->seams[0], p->fmspcs[0], p->config_id, p->owner, p->owner_config};
        const uint8_t *const own[] = {c.quote.mr_seam, c.row->results[0].bundle->fmspc,
                                      c.quote.mr_config_id, c.quote.mr_owner,
                                      c.quote.mr_owner_config};
        if (i == 0) p->seams_n = 1;
        if (i == 1) p->fmspcs_n = 1;
        p->has_config_id = i == 2;
        p->has_owner = i == 3;
        p->has_owner_config = i == 4;
        memcpy(at[i], own[i], i == 1 ? TALLY_TDX_FMSPC_BYTES : TALLY_MEASUREMENT_BYTES);
        tdx_case_must(&c, TALLY_R_NONE);
        at[i][0] ^= 1;
        tdx_case_must(&c, reasons[i]);
    }
}
END_TEST

START_TEST(platforms_are_refused_by_smt_change_and_name)
{
    strict("emr_v5_google"); /* dynamic, with SMT */
    c.policy.allow_smt = false;
    tdx_case_must(&c, TALLY_R_E_POLICY_SMT);
    strict("emr_v5_google");
    c.policy.allow_dynamic_platform = false;
    tdx_case_must(&c, TALLY_R_E_PLATFORM_FLAG);
    strict("emr_v5_google");
    tdx_case_must(&c, TALLY_R_NONE);
    memcpy(c.policy.denied[0], c.v.chip, sizeof c.v.chip);
    c.policy.denied_n = 1;
    tdx_case_must(&c, TALLY_R_E_DENYLIST);
    c.policy.denied[0][0] ^= 1;
    tdx_case_must(&c, TALLY_R_NONE);
}
END_TEST

static struct tally_slice log_with(struct tally_slice log, size_t at, uint8_t x)
{
    uint8_t *bytes = malloc(log.len);

    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, log.at, log.len);
    bytes[at] ^= x;
    struct tally_slice s = tdx_copy(tally_slice_of(bytes, log.len));
    free(bytes);
    return s;
}

START_TEST(the_event_log_explains_all_four_registers_or_nothing)
{
    struct tally_slice log = tdx_file("extra/gcp_cos113_ccel_data.bin");
    size_t used = log.len;

    while (used > 0 && log.at[used - 1] == 0xff) used--;
    strict("spr_v4_gcp_cos113");
    c.in.eventlog = log;
    tdx_case_must(&c, TALLY_R_NONE);
    c.in.eventlog = tally_slice_of(log.at, used);
    tdx_case_must(&c, TALLY_R_NONE);
    c.in.eventlog = tally_slice_of(log.at, used - 1);
    tdx_case_must(&c, TALLY_R_E_EVENTLOG);
    c.in.eventlog = tally_slice_of(log.at, 0);
    tdx_case_must(&c, TALLY_R_E_EVENTLOG);
    for (size_t k = 0; k < 8; k++) {
        c.in.eventlog = log_with(log, 65 + 14 + k, 1); /* in the first event's digest */
        tdx_case_must(&c, TALLY_R_E_EVENTLOG);
    }
    tdx_case_init(&c, good, 0, false);
    c.in.eventlog = log;
    tdx_case_must(&c, TALLY_R_E_EVENTLOG);
    ck_assert_uint_ge(c.v.failed_n, 1);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("verify_tdx_policy");

    tcase_add_test(t, expected_values_are_compared_or_missing);
    tcase_add_test(t, the_chip_is_named_by_its_ppid);
    tcase_add_test(t, measurements_are_mrtd_and_the_first_rtmrs_of_any_in_the_list);
    tcase_add_test(t, integrity_compares_what_it_is_given_and_nothing_else);
    tcase_add_test(t, an_old_tcb_is_accepted_by_word_or_for_a_grace_alone);
    tcase_add_test(t, no_word_accepts_what_no_level_supports);
    tcase_add_test(t, advisories_are_any_or_those_of_the_list);
    tcase_add_test(t, the_evaluation_number_has_a_floor);
    tcase_add_test(t, attributes_and_xfam_are_masks);
    tcase_add_test(t, a_bound_service_td_is_refused_unless_allowed);
    tcase_add_test(t, lists_and_exact_values_are_met_or_refused);
    tcase_add_test(t, platforms_are_refused_by_smt_change_and_name);
    tcase_add_test(t, the_event_log_explains_all_four_registers_or_nothing);
    return tally_suite_run("common/verify_tdx_policy", t);
}
