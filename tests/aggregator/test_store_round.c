/* test_store_round.c - aggregator/store_round.c and store_update.c: one OPEN, one set, one outcome,
 * and of each node one update and one vote. */
#include "tests/aggregator/store_fixture.h"

static int rows;
static struct tally_store_round seen;
static char text[256];

static void expect_reason(enum tally_status s, enum tally_reason reason)
{
    ck_assert_int_eq(s, TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), reason);
}

static enum tally_status see_round(void *ctx, const struct tally_store_round *r)
{
    (void)ctx;
    rows++;
    seen = *r;
    (void)snprintf(text, sizeof text, "%.*s %.*s", (int)r->open.len, (const char *)r->open.at,
                   (int)r->set.len, (const char *)r->set.at);
    return TALLY_OK;
}

static void read_rounds(uint64_t from, int want)
{
    rows = 0;
    ck_assert_int_eq(tally_store_rounds(store, job, from, see_round, NULL), TALLY_OK);
    ck_assert_int_eq(rows, want);
}

START_TEST(a_round_is_opened_once)
{
    ck_assert_int_eq(open_round(1, "open one"), TALLY_OK);
    ck_assert_int_eq(open_round(1, "open one"), TALLY_OK);
    expect_reason(open_round(1, "open another"), TALLY_R_ROUND_REUSED);
    ck_assert_int_eq(open_round(2, "open two"), TALLY_OK);
    restart();
    expect_reason(open_round(1, "open another"), TALLY_R_ROUND_REUSED);
    read_rounds(0, 2);
    read_rounds(2, 1);
    ck_assert_str_eq(text, "open two ");
    ck_assert(seen.round == 2 && seen.kind == 2 && seen.state == 3 && seen.opened_ms == 100 &&
              seen.deadline_ms == 200 && seen.outcome == TALLY_ROUND_OPEN && seen.set.len == 0);
    ck_assert_mem_eq(seen.open_key_id, key_id, 32);
    ck_assert_int_eq(tally_store_round_state(store, job, 2, 9), TALLY_OK);
    ck_assert_int_eq(tally_store_round_state(store, job, 3, 9), TALLY_E_STATE);
    read_rounds(2, 1);
    ck_assert_uint_eq(seen.state, 9);
}
END_TEST

START_TEST(an_open_of_an_unknown_instance_is_refused)
{
    struct tally_store_round r = {.round = 1, .open = tally_slice_str("x"), .open_key_id = {99}};

    memcpy(r.job, job, 32);
    ck_assert_int_eq(tally_store_round_open(store, &r), TALLY_E_STATE);
    read_rounds(0, 0);
}
END_TEST

static enum tally_status see_open(void *ctx, const uint8_t id[32], struct tally_slice open)
{
    (void)ctx;
    rows++;
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%02x:%.*s ", id[0],
                   (int)open.len, (const char *)open.at);
    return TALLY_OK;
}

START_TEST(a_new_instance_reopens_and_the_old_record_stays)
{
    ck_assert_int_eq(open_round(1, "one"), TALLY_OK);
    ck_assert_int_eq(tally_store_round_reopen(store, job, 1, tally_slice_str("two"), key_id2),
                     TALLY_OK);
    ck_assert_int_eq(tally_store_round_reopen(store, job, 1, tally_slice_str("odd"), key_id2),
                     TALLY_E_STATE); /* one instance, two records */
    ck_assert_int_eq(tally_store_round_reopen(store, job, 2, tally_slice_str("two"), key_id2),
                     TALLY_E_STATE);
    restart();
    read_rounds(0, 1);
    ck_assert_str_eq(text, "two ");
    ck_assert_mem_eq(seen.open_key_id, key_id2, 32);
    /* the first instance is back */
    ck_assert_int_eq(tally_store_round_reopen(store, job, 1, tally_slice_str("one"), key_id),
                     TALLY_OK);
    rows = 0;
    text[0] = '\0';
    ck_assert_int_eq(tally_store_opens(store, job, 1, see_open, NULL), TALLY_OK);
    ck_assert_str_eq(text, "11:one 22:two ");
}
END_TEST

START_TEST(a_set_is_frozen_once_whatever_happens_after)
{
    ck_assert_int_eq(freeze_round(1, 5), TALLY_E_STATE); /* no round */
    ck_assert_int_eq(open_round(1, "open"), TALLY_OK);
    ck_assert_int_eq(freeze_round(1, 5), TALLY_OK);
    ck_assert_int_eq(freeze_round(1, 5), TALLY_OK);
    expect_reason(freeze_round(1, 6), TALLY_R_SET_CONFLICT);
    restart();
    expect_reason(freeze_round(1, 6), TALLY_R_SET_CONFLICT);
    const uint8_t version[32] = {7};
    ck_assert_int_eq(tally_store_round_end(store, job, 1, TALLY_ROUND_VERSION, version), TALLY_OK);
    expect_reason(freeze_round(1, 6), TALLY_R_SET_CONFLICT);
    read_rounds(0, 1);
    ck_assert_str_eq(text, "open set5");
    ck_assert(seen.set_digest[0] == 5 && seen.set_kept_ms == 300);
}
END_TEST

START_TEST(a_round_ends_once_and_not_without_a_set)
{
    const uint8_t a[32] = {7}, b[32] = {8};

    ck_assert_int_eq(open_round(1, "open"), TALLY_OK);
    ck_assert_int_eq(tally_store_round_end(store, job, 1, TALLY_ROUND_ABORT, NULL), TALLY_E_STATE);
    ck_assert_int_eq(freeze_round(1, 5), TALLY_OK);
    ck_assert_int_eq(tally_store_round_end(store, job, 1, TALLY_ROUND_VERSION, a), TALLY_OK);
    ck_assert_int_eq(tally_store_round_end(store, job, 1, TALLY_ROUND_VERSION, a), TALLY_OK);
    ck_assert_int_eq(tally_store_round_end(store, job, 1, TALLY_ROUND_VERSION, b), TALLY_E_STATE);
    ck_assert_int_eq(tally_store_round_end(store, job, 1, TALLY_ROUND_ABORT, NULL), TALLY_E_STATE);
    ck_assert_int_eq(tally_store_round_reopen(store, job, 1, tally_slice_str("two"), key_id2),
                     TALLY_E_STATE);
    restart();
    read_rounds(0, 1);
    ck_assert(seen.outcome == TALLY_ROUND_VERSION && seen.outcome_digest[0] == 7);
}
END_TEST

/* ---- updates ---- */

static struct tally_store_update last;

static enum tally_status see_update(void *ctx, const struct tally_store_update *u)
{
    (void)ctx;
    rows++;
    last = *u;
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s/%s:%.*s ", u->key.org,
                   u->key.node, (int)u->wrap.len, (const char *)u->wrap.at);
    return TALLY_OK;
}

static void round_with_file(void)
{
    put_file("sealed/a", 77);
    ck_assert_int_eq(open_round(1, "open"), TALLY_OK);
}

START_TEST(an_update_counts_once_and_its_ack_is_the_first_one)
{
    struct tally_store_update u = update_of("bank1", 1, 1);
    struct tally_store_ack ack = {0};

    round_with_file();
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_OK);
    ck_assert(!ack.already);
    ck_assert_mem_eq(ack.ack, u.ack, 64);
    restart();
    u.ack[1] = 0x55; /* signed anew */
    memcpy(u.ack_key_id, key_id2, 32);
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_OK);
    ck_assert(ack.already);
    ck_assert_uint_eq(ack.ack[1], 9);
    ck_assert_mem_eq(ack.ack_key_id, key_id, 32);
    u = update_of("bank1", 1, 2);
    memset(&ack, 0xee, sizeof ack);
    expect_reason(tally_store_update_add(store, &u, &ack), TALLY_R_UPDATE_CONFLICT);
    ck_assert_uint_eq(ack.ack[0], 0xee); /* filled on success only */
}
END_TEST

START_TEST(an_update_without_its_file_round_or_instance_is_refused)
{
    struct tally_store_update u = update_of("bank1", 1, 1);
    struct tally_store_ack ack;

    put_file("sealed/a", 77);
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_E_STATE); /* no round */
    ck_assert_int_eq(open_round(1, "open"), TALLY_OK);
    put_file("sealed/a", 76);
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_E_STATE); /* short */
    u.path = "sealed/b";
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_E_STATE); /* not there */
    u.path = "../../etc/passwd";
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_E_LIMIT);
    u.path = "sealed"; /* a folder */
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_E_STATE);
    put_file("sealed/a", 77);
    u = update_of("bank1", 1, 1);
    u.ack_key_id[0] = 0x99;
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_E_STATE);
    u = update_of("Bank/1", 1, 1);
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_E_LIMIT);
    u = update_of("bank1", 1, 1);
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_OK);
}
END_TEST

START_TEST(after_the_set_only_what_is_there_is_acknowledged)
{
    const struct tally_store_update u = update_of("bank1", 1, 1), late = update_of("bank2", 1, 1);
    struct tally_store_ack ack;

    round_with_file();
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_OK);
    ck_assert_int_eq(freeze_round(1, 5), TALLY_OK);
    ck_assert_int_eq(tally_store_update_add(store, &late, &ack), TALLY_E_STATE);
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_OK);
    ck_assert(ack.already);
}
END_TEST

START_TEST(updates_come_in_order_of_identity_and_whole)
{
    const char *orgs[] = {"bank2", "bank10", "bank1", "a-bank"};
    struct tally_store_ack ack;

    round_with_file();
    for (size_t i = 0; i < 4; i++) {
        const struct tally_store_update u = update_of(orgs[i], 1, (uint8_t)i);
        ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_OK);
    }
    restart();
    rows = 0;
    text[0] = '\0';
    ck_assert_int_eq(tally_store_updates(store, job, 1, see_update, NULL), TALLY_OK);
    ck_assert_str_eq(text, "a-bank/n1:wrap bank1/n1:wrap bank10/n1:wrap bank2/n1:wrap ");
    ck_assert(last.st_digest[0] == 0 && last.ev_digest[0] == 2 && last.seal_digest[0] == 3 &&
              last.head.len == 4 && last.key_block.len == 8 && last.appraised_ms == 150 &&
              last.ack[1] == 9 && last.sealed_bytes == 77 && last.examples == 1000 &&
              last.accepted_ms == 160);
    const struct tally_store_update one = update_of("bank10", 1, 1);
    rows = 0;
    ck_assert_int_eq(tally_store_update(store, &one.key, see_update, NULL), TALLY_OK);
    ck_assert(rows == 1 && last.st_digest[0] == 1);
    ck_assert_int_eq(tally_store_updates(store, job, 2, see_update, NULL), TALLY_OK);
    ck_assert_int_eq(rows, 1);
}
END_TEST

START_TEST(a_new_wrap_changes_nothing_else)
{
    const struct tally_store_update u = update_of("bank1", 1, 1);
    struct tally_store_ack ack;
    const uint8_t other[32] = {2};

    round_with_file();
    ck_assert_int_eq(
        tally_store_update_wrap(store, &u.key, u.st_digest, tally_slice_str("new"), key_id2),
        TALLY_E_STATE);
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_OK);
    ck_assert_int_eq(tally_store_update_wrap(store, &u.key, other, tally_slice_str("new"), key_id2),
                     TALLY_E_STATE);
    ck_assert_int_eq(freeze_round(1, 5), TALLY_OK);
    ck_assert_int_eq(
        tally_store_update_wrap(store, &u.key, u.st_digest, tally_slice_str("new"), key_id2),
        TALLY_OK);
    text[0] = '\0';
    ck_assert_int_eq(tally_store_updates(store, job, 1, see_update, NULL), TALLY_OK);
    ck_assert_str_eq(text, "bank1/n1:new ");
    ck_assert_mem_eq(last.wrap_key_id, key_id2, 32);
    ck_assert_mem_eq(last.ack_key_id, key_id, 32);
    ck_assert_mem_eq(last.ack, u.ack, 64);
}
END_TEST

/* ---- votes and refusals ---- */

static struct tally_store_vote vote_of(const char *org, uint8_t set)
{
    struct tally_store_vote v = {
        .key = {.round = 1, .org = org, .node = "n1"},
        .set_digest = {set         },
        .signature = {set,        1                 },
        .key_block = tally_slice_str("kb"),
        .ev = tally_slice_str("ev"),
        .at_ms = 400
    };
    memcpy(v.key.job, job, 32);
    return v;
}

static enum tally_status see_vote(void *ctx, const struct tally_store_vote *v)
{
    (void)ctx;
    rows++;
    ck_assert(v->set_digest[0] == 5 && v->signature[0] == 5 && v->ev.len == 2 && v->at_ms == 400);
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", v->key.org);
    return TALLY_OK;
}

START_TEST(a_node_votes_once_and_for_the_set)
{
    const struct tally_store_vote v = vote_of("bank2", 5), other = vote_of("bank2", 6);
    const struct tally_store_vote b = vote_of("bank1", 5), wrong = vote_of("bank3", 6);

    ck_assert_int_eq(tally_store_vote_add(store, &v), TALLY_E_STATE); /* no round */
    ck_assert_int_eq(open_round(1, "open"), TALLY_OK);
    ck_assert_int_eq(tally_store_vote_add(store, &v), TALLY_E_STATE); /* no set */
    ck_assert_int_eq(freeze_round(1, 5), TALLY_OK);
    ck_assert_int_eq(tally_store_vote_add(store, &v), TALLY_OK);
    ck_assert_int_eq(tally_store_vote_add(store, &v), TALLY_OK);
    expect_reason(tally_store_vote_add(store, &other), TALLY_R_SET_CONFLICT);
    ck_assert_int_eq(tally_store_vote_add(store, &wrong), TALLY_E_STATE);
    ck_assert_int_eq(tally_store_vote_add(store, &b), TALLY_OK);
    restart();
    expect_reason(tally_store_vote_add(store, &other), TALLY_R_SET_CONFLICT);
    text[0] = '\0';
    ck_assert_int_eq(tally_store_votes(store, job, 1, see_vote, NULL), TALLY_OK);
    ck_assert_str_eq(text, "bank1 bank2 ");
}
END_TEST

static enum tally_status see_refusal(void *ctx, const struct tally_store_refusal *r)
{
    (void)ctx;
    rows++;
    (void)snprintf(text, sizeof text, "%s %s %zu %u", r->key.org, tally_reason_name(r->reason),
                   strlen(r->why), (unsigned)r->at_ms);
    return TALLY_OK;
}

START_TEST(the_last_refusal_of_a_node_stays_and_is_cut)
{
    char why[TALLY_STORE_WHY_MAX + 100];
    struct tally_store_refusal r = {
        .key = {.round = 1, .org = "bank1", .node = "n1"},
        .reason = TALLY_R_E_MEASUREMENT,
        .why = "x",
        .at_ms = 1
    };

    memset(why, 'y', sizeof why - 1);
    why[sizeof why - 1] = '\0';
    memcpy(r.key.job, job, 32);
    ck_assert_int_eq(tally_store_refusal_put(store, &r), TALLY_E_STATE); /* no round */
    ck_assert_int_eq(open_round(1, "open"), TALLY_OK);
    ck_assert_int_eq(tally_store_refusal_put(store, &r), TALLY_OK);
    r.reason = TALLY_R_deadline;
    r.why = why;
    r.at_ms = 2;
    ck_assert_int_eq(tally_store_refusal_put(store, &r), TALLY_OK);
    restart();
    rows = 0;
    ck_assert_int_eq(tally_store_refusals(store, job, 1, see_refusal, NULL), TALLY_OK);
    ck_assert_int_eq(rows, 1);
    ck_assert_str_eq(text, "bank1 deadline 512 2");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("store_round");

    tcase_add_checked_fixture(t, store_up, store_down);
    tcase_add_test(t, a_round_is_opened_once);
    tcase_add_test(t, an_open_of_an_unknown_instance_is_refused);
    tcase_add_test(t, a_new_instance_reopens_and_the_old_record_stays);
    tcase_add_test(t, a_set_is_frozen_once_whatever_happens_after);
    tcase_add_test(t, a_round_ends_once_and_not_without_a_set);
    tcase_add_test(t, an_update_counts_once_and_its_ack_is_the_first_one);
    tcase_add_test(t, an_update_without_its_file_round_or_instance_is_refused);
    tcase_add_test(t, after_the_set_only_what_is_there_is_acknowledged);
    tcase_add_test(t, updates_come_in_order_of_identity_and_whole);
    tcase_add_test(t, a_new_wrap_changes_nothing_else);
    tcase_add_test(t, a_node_votes_once_and_for_the_set);
    tcase_add_test(t, the_last_refusal_of_a_node_stays_and_is_cut);
    return tally_suite_run("aggregator/store_round", t);
}
