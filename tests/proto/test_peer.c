/* test_peer.c - proto/peer.c: what the one question asks of an appraisal, and when no answer of it
 * is good enough. The real appraisal: test_handshake_proof.c. */
#include <string.h>

#include "common/attest/verdict.h"
#include "proto/peer.h"
#include "tests/lib/suite.h"

enum { NOW_S = 1795000000 };

static struct tally_federation f;
static struct tally_revocations revoked;
static struct tally_peer_question q;
static struct tally_verdict verdict;

/* What the appraiser was asked, by value, and what it answers. */
static struct {
    unsigned times;
    struct tally_expect expect;
    uint8_t measurements[TALLY_MEASUREMENTS_MAX][TALLY_MEASUREMENT_BYTES];
    uint8_t report_data[TALLY_REPORT_DATA_BYTES];
    struct tally_slice ev, endorsements;
} asked;
static struct tally_verdict answer;
static enum tally_status status;

static enum tally_status appraise(void *ctx, struct tally_slice ev, struct tally_slice endorsements,
                                  const struct tally_federation *of,
                                  const struct tally_expect *expect, struct tally_verdict *v)
{
    ck_assert_ptr_eq(ctx, &asked);
    ck_assert_ptr_eq(of, &f);
    asked.times++;
    asked.expect = *expect;
    ck_assert_uint_le(expect->measurements_n, TALLY_MEASUREMENTS_MAX);
    memcpy(asked.measurements, expect->measurements,
           expect->measurements_n * TALLY_MEASUREMENT_BYTES);
    memcpy(asked.report_data, expect->report_data, sizeof asked.report_data);
    asked.ev = ev;
    asked.endorsements = endorsements;
    *v = answer;
    return status;
}

static void set_up(void)
{
    memset(&f, 0, sizeof f);
    memset(&revoked, 0, sizeof revoked);
    memset(&asked, 0, sizeof asked);
    f.mode = TALLY_MODE_TEST;
    f.expires_s = NOW_S + 1;
    f.nodes_n = 1;
    f.nodes[0] = (struct tally_node){.role = TALLY_ROLE_AGENT, .org = "bank-1", .node = "agent-1"};
    memset(f.nodes[0].session_key, 5, 32);
    f.nodes[0].chips_n = 2;
    memset(f.nodes[0].chips[1], 6, TALLY_CHIP_DIGEST_BYTES);
    f.measurements_n = 3;
    for (uint8_t i = 0; i < 3; i++)
        memset(f.measurements[i].digest, 0x10 + i, TALLY_MEASUREMENT_BYTES);
    f.measurements[0].role = f.measurements[2].role = TALLY_ROLE_AGENT;
    f.measurements[1].role = TALLY_ROLE_AGGREGATOR;
    answer = (struct tally_verdict){
        .trust = TALLY_TRUST_TEST, .not_before_s = NOW_S - 1, .not_after_s = NOW_S + 1};
    status = TALLY_OK;
    q = (struct tally_peer_question){
        .by = {appraise, &asked},
        .federation = &f,
        .entry = &f.nodes[0],
        .revoked = &revoked,
        .now_s = NOW_S
    };
    memset(q.report_data, 0x77, sizeof q.report_data);
}

static enum tally_status judge(void)
{
    return tally_peer_judge(&q, tally_slice_str("ev"), tally_slice_str("hints"), &verdict);
}

static void refused(enum tally_reason why)
{
    ck_assert_int_ne(judge(), TALLY_OK);
    ck_assert_int_eq(tally_reason(), why);
}

START_TEST(the_appraisal_compares_with_what_the_document_says_of_this_entry)
{
    ck_assert_int_eq(judge(), TALLY_OK);
    ck_assert_uint_eq(asked.times, 1);
    ck_assert_uint_eq(asked.expect.now_s, NOW_S);
    ck_assert_int_eq(asked.expect.trust, TALLY_TRUST_TEST);
    ck_assert_mem_eq(asked.report_data, q.report_data, sizeof q.report_data);
    ck_assert_uint_eq(asked.expect.measurements_n, 2); /* of its role */
    ck_assert_uint_eq(asked.measurements[0][47], 0x10);
    ck_assert_uint_eq(asked.measurements[1][0], 0x12);
    ck_assert_uint_eq(asked.expect.chips_n, 2);
    ck_assert_uint_eq(asked.expect.chips[1][0], 6);
    ck_assert(!asked.expect.any_chip && asked.expect.id_keys_n == 0);
    ck_assert(tally_slice_equal(asked.ev, tally_slice_str("ev")));
    ck_assert(tally_slice_equal(asked.endorsements, tally_slice_str("hints")));
}
END_TEST

START_TEST(a_production_document_wants_hardware)
{
    f.mode = TALLY_MODE_PRODUCTION;
    ck_assert_int_eq(judge(), TALLY_OK);
    ck_assert_int_eq(asked.expect.trust, TALLY_TRUST_HARDWARE);
}
END_TEST

START_TEST(revocations_are_passed_on)
{
    memset(revoked.measurements[0], 1, TALLY_MEASUREMENT_BYTES);
    memset(revoked.chips[1], 2, TALLY_CHIP_DIGEST_BYTES);
    revoked.measurements_n = 1;
    revoked.chips_n = 2;
    ck_assert_int_eq(judge(), TALLY_OK);
    ck_assert_uint_eq(asked.expect.revoked_measurements_n, 1);
    ck_assert_uint_eq(asked.expect.revoked_measurements[0][0], 1);
    ck_assert_uint_eq(asked.expect.revoked_chips_n, 2);
    ck_assert_uint_eq(asked.expect.revoked_chips[1][31], 2);
}
END_TEST

START_TEST(what_the_appraisal_refuses_stays_refused)
{
    static const enum tally_status bad[] = {TALLY_E_UNTRUSTED, TALLY_E_UNDECIDED, TALLY_E_AUTH,
                                            TALLY_E_NOMEM, TALLY_E_WIRE};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        status = bad[i];
        ck_assert_int_eq(judge(), bad[i]);
    }
}
END_TEST

START_TEST(a_good_status_with_a_bad_verdict_is_not_believed)
{
    answer.failed_n = 1;
    ck_assert_int_eq(judge(), TALLY_E_UNTRUSTED);
    answer.failed_n = 0;
    answer.undecided = true;
    ck_assert_int_eq(judge(), TALLY_E_UNTRUSTED);
}
END_TEST

START_TEST(a_verdict_holds_in_its_window)
{
    answer.not_before_s = answer.not_after_s = NOW_S;
    ck_assert_int_eq(judge(), TALLY_OK);
    answer.not_before_s = answer.not_after_s = NOW_S + 1;
    refused(TALLY_R_E_CERT_EXPIRED);
    answer.not_before_s = answer.not_after_s = NOW_S - 1;
    refused(TALLY_R_E_CERT_EXPIRED);
    answer.not_before_s = answer.not_after_s = 0; /* none */
    refused(TALLY_R_E_CERT_EXPIRED);
}
END_TEST

/* Before anything is spent on evidence. */
START_TEST(an_empty_list_never_means_that_nothing_is_compared)
{
    f.nodes[0].chips_n = 0;
    refused(TALLY_R_E_CHIP);
    f.nodes[0].any_chip = true;
    ck_assert_int_eq(judge(), TALLY_OK);
    ck_assert(asked.expect.any_chip);
    f.nodes[0].any_chip = false;
    f.nodes[0].id_keys_n = 1;
    ck_assert_int_eq(judge(), TALLY_OK);
    ck_assert_uint_eq(asked.expect.id_keys_n, 1);
    asked.times = 0;
    f.measurements[0].role = f.measurements[2].role = TALLY_ROLE_AGGREGATOR;
    refused(TALLY_R_E_MEASUREMENT);
    ck_assert_uint_eq(asked.times, 0);
}
END_TEST

START_TEST(an_expired_document_lets_nobody_in)
{
    f.expires_s = NOW_S;
    refused(TALLY_R_E_FEDERATION);
    ck_assert_uint_eq(asked.times, 0);
}
END_TEST

START_TEST(a_revoked_node_is_refused_by_name_or_by_session_key)
{
    memcpy(revoked.nodes[0].org, "bank-1", 7);
    memcpy(revoked.nodes[0].node, "agent-2", 8);
    memcpy(revoked.nodes[1].org, "bank-2", 7);
    memcpy(revoked.nodes[1].node, "agent-1", 8);
    revoked.nodes_n = 2;
    memset(revoked.session_keys[0], 4, 32);
    revoked.session_keys_n = 1;
    ck_assert_int_eq(judge(), TALLY_OK); /* others */
    memcpy(revoked.nodes[1].org, "bank-1", 7);
    refused(TALLY_R_E_REVOKED);
    revoked.nodes_n = 1;
    ck_assert_int_eq(judge(), TALLY_OK);
    memset(revoked.session_keys[0], 5, 32);
    refused(TALLY_R_E_REVOKED);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("peer");

    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, the_appraisal_compares_with_what_the_document_says_of_this_entry);
    tcase_add_test(t, a_production_document_wants_hardware);
    tcase_add_test(t, revocations_are_passed_on);
    tcase_add_test(t, what_the_appraisal_refuses_stays_refused);
    tcase_add_test(t, a_good_status_with_a_bad_verdict_is_not_believed);
    tcase_add_test(t, a_verdict_holds_in_its_window);
    tcase_add_test(t, an_empty_list_never_means_that_nothing_is_compared);
    tcase_add_test(t, an_expired_document_lets_nobody_in);
    tcase_add_test(t, a_revoked_node_is_refused_by_name_or_by_session_key);
    return tally_suite_run("proto/peer", t);
}
