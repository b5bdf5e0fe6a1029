/* test_member.c - proto/member.c: what an agent remembers, nobody can take back. */
#include <string.h>

#include "proto/member.h"
#include "tests/lib/suite.h"

static const uint8_t job[32] = {7}, st[32] = {1}, other[32] = {2}, zeros[32];
static struct tally_member m;
static struct tally_set s;

static void set_up(void)
{
    tally_member_init(&m, job, "bank-1", "agent-1");
}

static enum tally_status open_round(uint64_t round, uint8_t challenge, const uint8_t base[32])
{
    struct tally_opening o = {.kind = round ? TALLY_PAYLOAD_DELTA : TALLY_PAYLOAD_MOMENTS,
                              .round = round};

    memset(o.challenge, challenge, 32);
    memcpy(o.base, base, 32);
    memcpy(o.job, job, 32);
    return tally_member_open(&m, &o);
}

/* A set of the open round with our row as given and another bank's, weighed. */
static void make_set(enum tally_row_status status, const uint8_t statement[32])
{
    memset(&s, 0, sizeof s);
    s.kind = (enum tally_payload_kind)m.kind;
    s.combine = true;
    s.round = m.round;
    memcpy(s.job, job, 32);
    memcpy(s.challenge, m.challenge, 32);
    memcpy(s.base, m.base, 32);
    s.rows_n = 2;
    memcpy(s.rows[0].org, "bank-1", 7);
    memcpy(s.rows[0].node, "agent-1", 8);
    memcpy(s.rows[1].org, "bank-2", 7);
    memcpy(s.rows[1].node, "agent-1", 8);
    s.rows[0].status = status;
    if (status == TALLY_ROW_COUNTED) {
        memcpy(s.rows[0].statement, statement, 32);
        s.rows[0].examples = 100;
    }
    memset(s.rows[1].statement, 9, 32);
    s.rows[1].examples = 100;
    ck_assert_int_eq(tally_set_weigh(&s, 1000), TALLY_OK);
}

static enum tally_status vote(uint8_t digest)
{
    uint8_t d[32];

    memset(d, digest, 32);
    return tally_member_set(&m, &s, d, 1000);
}

static enum tally_status version(uint64_t round, uint8_t model, const uint8_t *parent, uint8_t set,
                                 const uint8_t *own)
{
    struct tally_lineage l;

    ck_assert_int_eq(tally_lineage_init(&l, 1, 0), TALLY_OK);
    l.round = round;
    memcpy(l.job, job, 32);
    memset(l.model, model, 32);
    memset(l.set, set, 32);
    l.has_parent = parent != NULL;
    if (parent != NULL) memcpy(l.parent, parent, 32);
    memcpy(l.sites[0].org, "bank-1", 7);
    memcpy(l.sites[0].node, "agent-1", 8);
    l.sites[0].status = own ? TALLY_LINEAGE_COUNTED : TALLY_LINEAGE_ABSENT;
    l.sites[0].examples = own ? 100 : 0;
    if (own != NULL) memcpy(l.sites[0].statement, own, 32);
    enum tally_status status = tally_member_version(&m, &l);
    tally_lineage_free(&l);
    return status;
}

static void answered(void)
{
    ck_assert_int_eq(open_round(0, 1, zeros), TALLY_OK);
    ck_assert_int_eq(tally_member_statement(&m, st, 100), TALLY_OK);
    ck_assert_int_eq(tally_member_acked(&m, st), TALLY_OK);
}

#define REFUSED(call, why)                       \
    do {                                         \
        ck_assert_int_ne((call), TALLY_OK);      \
        ck_assert_int_eq(tally_reason(), (why)); \
    } while (0)

START_TEST(a_round_from_open_to_version)
{
    uint8_t v1[32];

    answered();
    make_set(TALLY_ROW_COUNTED, st);
    ck_assert_int_eq(vote(5), TALLY_OK);
    ck_assert_int_eq(vote(5), TALLY_OK); /* the same again */
    ck_assert_int_eq(version(0, 3, NULL, 5, st), TALLY_OK);
    ck_assert(m.settled);
    memset(v1, 3, 32);
    ck_assert_int_eq(open_round(1, 2, v1), TALLY_OK);
    ck_assert(!m.voted && !m.acked);
}
END_TEST

START_TEST(a_second_set_of_a_round_gets_no_vote)
{
    answered();
    make_set(TALLY_ROW_COUNTED, st);
    ck_assert_int_eq(vote(5), TALLY_OK);
    REFUSED(vote(6), TALLY_R_SET_CONFLICT);
    s.combine = false; /* nor an abort afterwards */
    REFUSED(vote(7), TALLY_R_SET_CONFLICT);
}
END_TEST

START_TEST(an_acknowledged_update_cannot_be_left_out)
{
    answered();
    make_set(TALLY_ROW_ABSENT, NULL);
    REFUSED(vote(5), TALLY_R_E_UPDATE);
    make_set(TALLY_ROW_COUNTED, other);
    REFUSED(vote(5), TALLY_R_E_UPDATE);
    ck_assert(!m.voted);
    REFUSED(version(0, 3, NULL, 5, NULL), TALLY_R_AGGREGATOR_ROLLED_BACK);
    REFUSED(version(0, 3, NULL, 5, other), TALLY_R_AGGREGATOR_ROLLED_BACK);
    ck_assert(!m.has_version);
    make_set(TALLY_ROW_ABSENT, NULL); /* but a key that was lost may cost it, by name */
    s.rows[0].status = TALLY_ROW_EXCLUDED;
    s.rows[0].reason = TALLY_R_key_lost;
    ck_assert_int_eq(vote(5), TALLY_OK);
}
END_TEST

START_TEST(weights_that_are_not_the_formulas_get_no_vote)
{
    answered();
    make_set(TALLY_ROW_COUNTED, st);
    s.rows[1].weight--;
    REFUSED(vote(5), TALLY_R_E_UPDATE);
}
END_TEST

START_TEST(a_round_number_is_never_used_twice)
{
    answered();
    ck_assert_int_eq(open_round(0, 1, zeros), TALLY_OK); /* continued by a new instance */
    ck_assert(m.acked);
    REFUSED(open_round(0, 9, zeros), TALLY_R_ROUND_REUSED);
    REFUSED(open_round(0, 1, other), TALLY_R_ROUND_REUSED);
    make_set(TALLY_ROW_COUNTED, st);
    ck_assert_int_eq(vote(5), TALLY_OK);
    ck_assert_int_eq(version(0, 3, NULL, 5, st), TALLY_OK);
    ck_assert_int_eq(open_round(4, 2, m.version), TALLY_OK);
    REFUSED(open_round(3, 2, m.version), TALLY_R_ROUND_REUSED);
}
END_TEST

START_TEST(after_a_vote_only_its_outcome_is_built_upon)
{
    answered();
    make_set(TALLY_ROW_COUNTED, st);
    ck_assert_int_eq(vote(5), TALLY_OK);
    REFUSED(open_round(1, 2, zeros), TALLY_R_SET_CONFLICT);
    REFUSED(version(0, 3, NULL, 6, st), TALLY_R_SET_CONFLICT);
    ck_assert_int_eq(version(0, 3, NULL, 5, st), TALLY_OK);
    REFUSED(open_round(1, 2, zeros), TALLY_R_AGGREGATOR_ROLLED_BACK);
}
END_TEST

START_TEST(a_voted_abort_is_settled_by_the_next_round_on_the_old_base)
{
    answered();
    make_set(TALLY_ROW_COUNTED, st);
    s.combine = false;
    s.rows_n = 0;
    ck_assert_int_eq(vote(5), TALLY_OK);
    ck_assert_int_eq(open_round(1, 2, zeros), TALLY_OK);
}
END_TEST

START_TEST(a_history_that_was_rewritten_is_refused)
{
    uint8_t v1[32], v2[32];

    memset(v1, 3, 32);
    memset(v2, 4, 32);
    ck_assert_int_eq(version(0, 3, NULL, 5, NULL), TALLY_OK); /* joins late */
    ck_assert_int_eq(version(1, 4, v1, 6, NULL), TALLY_OK);
    ck_assert_int_eq(version(1, 4, v1, 6, NULL), TALLY_OK); /* seen before */
    REFUSED(version(1, 5, v1, 6, NULL), TALLY_R_AGGREGATOR_ROLLED_BACK);
    REFUSED(version(0, 3, NULL, 5, NULL), TALLY_R_AGGREGATOR_ROLLED_BACK);
    REFUSED(version(2, 5, v1, 7, NULL), TALLY_R_AGGREGATOR_ROLLED_BACK);
    REFUSED(version(2, 5, NULL, 7, NULL), TALLY_R_AGGREGATOR_ROLLED_BACK);
    ck_assert_int_eq(version(3, 5, v2, 7, NULL), TALLY_OK); /* round 2 was aborted */
}
END_TEST

START_TEST(only_one_statement_is_ever_made_for_a_round)
{
    answered();
    ck_assert_int_eq(tally_member_statement(&m, st, 100), TALLY_OK);
    ck_assert_int_eq(tally_member_statement(&m, other, 100), TALLY_E_STATE);
    ck_assert_int_eq(tally_member_acked(&m, other), TALLY_E_STATE);
}
END_TEST

START_TEST(memory_survives_its_file_and_a_cut_one_is_refused)
{
    uint8_t file[TALLY_MEMBER_BYTES];
    struct tally_member got;

    answered();
    make_set(TALLY_ROW_COUNTED, st);
    ck_assert_int_eq(vote(5), TALLY_OK);
    tally_member_encode(&m, file);
    ck_assert_int_eq(tally_member_decode(TALLY_SLICE(file), &got), TALLY_OK);
    ck_assert_str_eq(got.org, m.org);
    ck_assert(got.voted && got.acked && !got.settled);
    ck_assert_mem_eq(got.voted_set, m.voted_set, 32);
    for (size_t n = 0; n < sizeof file; n++)
        ck_assert_int_eq(tally_member_decode(tally_slice_of(file, n), &got), TALLY_E_WIRE);
    file[0] = 2;
    ck_assert_int_eq(tally_member_decode(TALLY_SLICE(file), &got), TALLY_E_WIRE);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("member");

    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, a_round_from_open_to_version);
    tcase_add_test(t, a_second_set_of_a_round_gets_no_vote);
    tcase_add_test(t, an_acknowledged_update_cannot_be_left_out);
    tcase_add_test(t, weights_that_are_not_the_formulas_get_no_vote);
    tcase_add_test(t, a_round_number_is_never_used_twice);
    tcase_add_test(t, after_a_vote_only_its_outcome_is_built_upon);
    tcase_add_test(t, a_voted_abort_is_settled_by_the_next_round_on_the_old_base);
    tcase_add_test(t, a_history_that_was_rewritten_is_refused);
    tcase_add_test(t, only_one_statement_is_ever_made_for_a_round);
    tcase_add_test(t, memory_survives_its_file_and_a_cut_one_is_refused);
    return tally_suite_run("proto/member", t);
}
