/* test_round.c - proto/round.c, told as traces: what happened > what was asked. */
#include <stdio.h>
#include <string.h>

#include "proto/round.h"
#include "tests/lib/suite.h"

static char trace[4096];
static struct tally_round r;

static const char *const event_names[TALLY_ROUND_EVENTS] = {
    "open", "open_stored", "accepted", "refused",   "returned", "tick",
    "set",  "vote",        "no_vote",  "rewrapped", "combined", "published"};

static void say(const struct tally_round_event *ev, enum tally_status s,
                const struct tally_round_effects *out)
{
    char line[200];

    (void)snprintf(line, sizeof line, "[%4u] %s(%u)%s%s%s%s%s%s%s%s%s -> %s\n",
                   (unsigned)ev->now_ms, event_names[ev->type], ev->site,
                   s == TALLY_OK ? "" : " REFUSED", out->store_open ? " store_open" : "",
                   out->send_open ? " send_open" : "", out->store_set ? " store_set" : "",
                   out->send_set ? " send_set" : "", out->combine ? " combine" : "",
                   out->publish ? " publish" : "", out->announce ? " announce" : "",
                   out->stuck ? " stuck" : "", tally_round_table[r.state].name);
    ck_assert_uint_lt(strlen(trace) + strlen(line), sizeof trace);
    memcpy(trace + strlen(trace), line, strlen(line) + 1);
}

static enum tally_status feed(enum tally_round_event_type type, uint64_t now_ms, uint32_t site)
{
    static const uint8_t statement[32] = {1};
    struct tally_round_event ev = {.type = type,
                                   .now_ms = now_ms,
                                   .site = site,
                                   .statement = statement,
                                   .examples = 10,
                                   .reason = TALLY_R_E_MEASUREMENT,
                                   .number = 3,
                                   .deadline_ms = 1000,
                                   .kind = TALLY_PAYLOAD_DELTA};
    struct tally_round_effects out;
    enum tally_status s = tally_round_step(&r, &ev, &out);
    say(&ev, s, &out);
    return s;
}

/* Three organisations, the last with two nodes; cohort 2, quorum 2. */
static void set_up(void)
{
    static const uint32_t orgs[] = {0, 1, 2, 2};

    trace[0] = '\0';
    ck_assert_int_eq(tally_round_init(&r, orgs, 4, 2, 2), TALLY_OK);
}

static void open_round(void)
{
    ck_assert_int_eq(feed(TALLY_ROUND_EV_OPEN, 0, 0), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_OPEN_STORED, 1, 0), TALLY_OK);
    trace[0] = '\0';
}

static void to_voting(void)
{
    open_round();
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_int_eq(feed(TALLY_ROUND_EV_ACCEPTED, 10, i), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_SET_STORED, 20, 0), TALLY_OK);
    trace[0] = '\0';
}

START_TEST(a_full_round)
{
    ck_assert_int_eq(feed(TALLY_ROUND_EV_OPEN, 0, 0), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_OPEN_STORED, 1, 0), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_ACCEPTED, 10, 0), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_ACCEPTED, 11, 0), TALLY_E_STATE);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_ACCEPTED, 12, 2), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_REFUSED, 13, 3), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_ACCEPTED, 14, 1), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_SET_STORED, 15, 0), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_VOTE, 16, 0), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_VOTE, 17, 2), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_COMBINED, 18, 0), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_PUBLISHED, 19, 0), TALLY_OK);
    ck_assert_str_eq(trace, "[   0] open(0) store_open -> OPENING\n"
                            "[   1] open_stored(0) send_open -> COLLECTING\n"
                            "[  10] accepted(0) -> COLLECTING\n"
                            "[  11] accepted(0) REFUSED -> COLLECTING\n"
                            "[  12] accepted(2) -> COLLECTING\n"
                            "[  13] refused(3) -> COLLECTING\n"
                            "[  14] accepted(1) store_set -> FREEZING\n"
                            "[  15] set(0) send_set -> VOTING\n"
                            "[  16] vote(0) -> VOTING\n"
                            "[  17] vote(2) combine -> COMBINING\n"
                            "[  18] combined(0) publish -> PUBLISHING\n"
                            "[  19] published(0) announce -> PUBLISHED\n");
    ck_assert_int_eq(r.sites[3].reason, TALLY_R_E_MEASUREMENT);
}
END_TEST

START_TEST(two_votes_of_one_organisation_count_once)
{
    to_voting();
    ck_assert_int_eq(feed(TALLY_ROUND_EV_VOTE, 30, 2), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_VOTE, 31, 3), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_VOTE, 32, 3), TALLY_OK);
    ck_assert_uint_eq(r.state, TALLY_ROUND_VOTING);
    ck_assert_uint_eq(tally_round_orgs_voted(&r), 1);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_VOTE, 33, 1), TALLY_OK);
    ck_assert_uint_eq(r.state, TALLY_ROUND_COMBINING);
}
END_TEST

START_TEST(the_deadline_closes_with_the_cohort_minimum)
{
    open_round();
    ck_assert_int_eq(feed(TALLY_ROUND_EV_ACCEPTED, 10, 0), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_ACCEPTED, 11, 1), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_TICK, 999, 0), TALLY_OK);
    ck_assert_uint_eq(r.state, TALLY_ROUND_COLLECTING);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_TICK, 1000, 0), TALLY_OK);
    ck_assert_uint_eq(r.state, TALLY_ROUND_FREEZING);
    ck_assert(!r.abort);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_ACCEPTED, 1001, 2), TALLY_E_STATE); /* too late */
}
END_TEST

START_TEST(too_few_by_the_deadline_is_an_abort_that_is_voted_on)
{
    open_round();
    ck_assert_int_eq(feed(TALLY_ROUND_EV_ACCEPTED, 10, 2), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_ACCEPTED, 11, 3), TALLY_OK); /* one organisation */
    ck_assert_int_eq(feed(TALLY_ROUND_EV_TICK, 1000, 0), TALLY_OK);
    ck_assert(r.abort);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_SET_STORED, 1001, 0), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_VOTE, 1002, 0), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_VOTE, 1003, 1), TALLY_OK);
    ck_assert_uint_eq(r.state, TALLY_ROUND_PUBLISHING);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_PUBLISHED, 1004, 0), TALLY_OK);
    ck_assert_uint_eq(r.state, TALLY_ROUND_ABORTED);
}
END_TEST

START_TEST(all_refused_waits_for_the_deadline)
{
    open_round();
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_int_eq(feed(TALLY_ROUND_EV_REFUSED, 10, i), TALLY_OK);
    ck_assert_uint_eq(r.state, TALLY_ROUND_COLLECTING);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_RETURNED, 11, 1), TALLY_OK);
    ck_assert_int_eq(r.sites[1].status, TALLY_SITE_WAITING);
}
END_TEST

START_TEST(a_refusal_never_takes_back_an_acknowledged_update)
{
    open_round();
    ck_assert_int_eq(feed(TALLY_ROUND_EV_ACCEPTED, 10, 0), TALLY_OK);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_REFUSED, 11, 0), TALLY_OK);
    ck_assert_int_eq(r.sites[0].status, TALLY_SITE_ACCEPTED);
}
END_TEST

START_TEST(a_quorum_out_of_reach_stops_the_round)
{
    to_voting();
    ck_assert_int_eq(feed(TALLY_ROUND_EV_VOTE_REFUSED, 30, 0), TALLY_OK);
    ck_assert_uint_eq(r.state, TALLY_ROUND_VOTING);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_VOTE_REFUSED, 31, 2), TALLY_OK);
    ck_assert_uint_eq(r.state, TALLY_ROUND_VOTING); /* its other node may still vote */
    ck_assert_int_eq(feed(TALLY_ROUND_EV_VOTE_REFUSED, 32, 3), TALLY_OK);
    ck_assert_uint_eq(r.state, TALLY_ROUND_STUCK);
}
END_TEST

START_TEST(a_lost_key_waits_for_the_wrap_and_is_excluded_before_the_set_only)
{
    struct tally_round_effects out;

    open_round();
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_int_eq(feed(TALLY_ROUND_EV_ACCEPTED, 10, i), TALLY_OK);
    r.sites[1].wrap_lost = true; /* as read back with a new KEM key */
    ck_assert_int_eq(feed(TALLY_ROUND_EV_ACCEPTED, 12, 3), TALLY_OK);
    ck_assert_uint_eq(r.state, TALLY_ROUND_COLLECTING);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_TICK, 1000, 0), TALLY_OK);
    ck_assert_int_eq(r.sites[1].reason, TALLY_R_key_lost);

    set_up();
    for (uint32_t i = 0; i < 4; i++) r.sites[i].status = TALLY_SITE_ACCEPTED;
    r.sites[1].wrap_lost = true;
    r.sites[0].voted = r.sites[1].voted = true;
    tally_round_resume(&r, TALLY_ROUND_VOTING, 0, &out);
    ck_assert(!out.combine);
    ck_assert_uint_eq(r.state, TALLY_ROUND_WRAPPING);
    ck_assert_int_eq(feed(TALLY_ROUND_EV_REWRAPPED, 5, 1), TALLY_OK);
    ck_assert_uint_eq(r.state, TALLY_ROUND_COMBINING);
}
END_TEST

START_TEST(every_event_outside_its_states_is_refused_and_changes_nothing)
{
    uint32_t refused = 0;

    for (unsigned state = 0; state < TALLY_ROUND_STATES; state++) {
        for (unsigned ev = 0; ev < TALLY_ROUND_EVENTS; ev++) {
            set_up();
            r.state = state;
            struct tally_round before = r;
            if (feed((enum tally_round_event_type)ev, 5, 0) == TALLY_OK) continue;
            refused++;
            ck_assert_mem_eq(&before, &r, sizeof r);
        }
    }
    ck_assert_uint_eq(refused, TALLY_ROUND_STATES * TALLY_ROUND_EVENTS - 16);
    set_up();
    open_round();
    ck_assert_int_eq(feed(TALLY_ROUND_EV_ACCEPTED, 5, 4), TALLY_E_STATE); /* no such site */
}
END_TEST

START_TEST(a_quorum_must_exclude_two_sets)
{
    ck_assert(tally_quorum_ok(3, 5, 0));
    ck_assert(!tally_quorum_ok(3, 5, 1));
    ck_assert(tally_quorum_ok(4, 5, 1));
    ck_assert(!tally_quorum_ok(1, 2, 0));
    ck_assert(!tally_quorum_ok(6, 5, 0));
    ck_assert(!tally_quorum_ok(0, 0, 0));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("traces");

    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, a_full_round);
    tcase_add_test(t, two_votes_of_one_organisation_count_once);
    tcase_add_test(t, the_deadline_closes_with_the_cohort_minimum);
    tcase_add_test(t, too_few_by_the_deadline_is_an_abort_that_is_voted_on);
    tcase_add_test(t, all_refused_waits_for_the_deadline);
    tcase_add_test(t, a_refusal_never_takes_back_an_acknowledged_update);
    tcase_add_test(t, a_quorum_out_of_reach_stops_the_round);
    tcase_add_test(t, a_lost_key_waits_for_the_wrap_and_is_excluded_before_the_set_only);
    tcase_add_test(t, every_event_outside_its_states_is_refused_and_changes_nothing);
    tcase_add_test(t, a_quorum_must_exclude_two_sets);
    return tally_suite_run("proto/round", t);
}
