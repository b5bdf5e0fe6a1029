/* test_store.c - aggregator/store*.c: what is unique stays so, what was said to be kept is kept. */
#include <sqlite3.h>

#include "tests/aggregator/store_fixture.h"

static int rows;
static char text[256];

/* ---- opening ---- */

START_TEST(a_second_process_is_refused_and_a_reader_is_not)
{
    struct tally_store *other = NULL, *reader = NULL;

    ck_assert_int_eq(tally_store_open(&other, dir, false), TALLY_E_STATE);
    ck_assert_ptr_null(other);
    ck_assert_int_eq(tally_store_open(&reader, dir, true), TALLY_OK);
    ck_assert_int_eq(tally_store_mark_raise(reader, "clock", 7), TALLY_E_STATE);
    ck_assert_int_eq(tally_store_begin(reader), TALLY_E_STATE);
    ck_assert_int_eq(tally_store_mark_raise(store, "clock", 7), TALLY_OK);
    uint64_t v = 0;
    ck_assert_int_eq(tally_store_mark(reader, "clock", &v), TALLY_OK);
    ck_assert_uint_eq(v, 7);
    tally_store_close(&reader);
    tally_store_close(&store);
    ck_assert_int_eq(tally_store_open(&reader, dir, true), TALLY_OK); /* nobody writes */
    ck_assert_int_eq(tally_store_mark(reader, "clock", &v), TALLY_OK);
    tally_store_close(&reader);
}
END_TEST

START_TEST(a_reader_of_nothing_is_told_so)
{
    struct tally_store *reader = NULL;

    ck_assert_int_eq(tally_store_open(&reader, "/nonexistent/store", true), TALLY_E_CONFIG);
    ck_assert_ptr_null(reader);
}
END_TEST

START_TEST(a_store_of_another_version_is_refused_and_left_alone)
{
    char path[96];
    sqlite3 *db = NULL;

    tally_store_close(&store);
    (void)snprintf(path, sizeof path, "%s/store.db", dir);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    ck_assert_int_eq(tally_store_open(&store, dir, false), TALLY_E_CONFIG);
    ck_assert_ptr_null(store);
}
END_TEST

START_TEST(a_file_that_is_no_database_is_refused)
{
    char path[96];

    tally_store_close(&store);
    (void)snprintf(path, sizeof path, "%s/store.db", dir);
    FILE *f = fopen(path, "we");
    for (int i = 0; i < 1000; i++) ck_assert_int_ge(fputs("garbage", f), 0);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_ne(tally_store_open(&store, dir, false), TALLY_OK);
    ck_assert_ptr_null(store);
}
END_TEST

START_TEST(a_mark_only_rises)
{
    uint64_t v = 99;

    ck_assert_int_eq(tally_store_mark(store, "clock", &v), TALLY_OK);
    ck_assert_uint_eq(v, 0);
    ck_assert_int_eq(tally_store_mark_raise(store, "clock", 7), TALLY_OK);
    ck_assert_int_eq(tally_store_mark_raise(store, "clock", 5), TALLY_OK);
    restart();
    ck_assert_int_eq(tally_store_mark(store, "clock", &v), TALLY_OK);
    ck_assert_uint_eq(v, 7);
    ck_assert_int_eq(tally_store_mark_raise(store, "clock", UINT64_MAX), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_store_mark_raise(store, "Bad name", 1), TALLY_E_LIMIT);
}
END_TEST

/* ---- documents, nodes, instances ---- */

static enum tally_status see_document(void *ctx, const struct tally_store_document *d)
{
    (void)ctx;
    rows++;
    ck_assert_int_eq(d->type, TALLY_DOCUMENT_JOB);
    (void)snprintf(text, sizeof text, "%u:%.*s:%u", d->digest[0], (int)d->envelope.len,
                   (const char *)d->envelope.at, (unsigned)d->created_ms);
    return TALLY_OK;
}

START_TEST(documents_come_back_as_they_were_put)
{
    struct tally_store_document d = {.type = TALLY_DOCUMENT_JOB,
                                     .digest = {1},
                                     .envelope = tally_slice_str("one"),
                                     .created_ms = 10};

    ck_assert_int_eq(tally_store_document_put(store, &d), TALLY_OK);
    d.envelope = tally_slice_str("one, signed twice");
    ck_assert_int_eq(tally_store_document_put(store, &d), TALLY_OK);
    d.digest[0] = 2;
    d.envelope = tally_slice_str("two");
    ck_assert_int_eq(tally_store_document_put(store, &d), TALLY_OK);
    d.type = TALLY_DOCUMENT_GRANT; /* the same digest, another type */
    ck_assert_int_eq(tally_store_document_put(store, &d), TALLY_OK);
    restart();
    rows = 0;
    ck_assert_int_eq(tally_store_documents(store, TALLY_DOCUMENT_JOB, NULL, see_document, NULL),
                     TALLY_OK);
    ck_assert_int_eq(rows, 2);
    ck_assert_str_eq(text, "2:two:10");
    const uint8_t one[32] = {1}, none[32] = {9};
    ck_assert_int_eq(tally_store_documents(store, TALLY_DOCUMENT_JOB, one, see_document, NULL),
                     TALLY_OK);
    ck_assert_int_eq(rows, 3);
    ck_assert_str_eq(text, "1:one, signed twice:10");
    ck_assert_int_eq(tally_store_documents(store, TALLY_DOCUMENT_JOB, none, see_document, NULL),
                     TALLY_OK);
    ck_assert_int_eq(rows, 3);
}
END_TEST

START_TEST(a_blob_above_the_limit_is_refused)
{
    uint8_t *big = calloc(1, TALLY_STORE_BLOB_MAX + 1);
    struct tally_store_document d = {.type = TALLY_DOCUMENT_JOB};

    d.envelope = tally_slice_of(big, TALLY_STORE_BLOB_MAX + 1);
    ck_assert_int_eq(tally_store_document_put(store, &d), TALLY_E_LIMIT);
    d.envelope.len = TALLY_STORE_BLOB_MAX;
    ck_assert_int_eq(tally_store_document_put(store, &d), TALLY_OK);
    free(big);
}
END_TEST

static enum tally_status see_node(void *ctx, const struct tally_store_node *n)
{
    (void)ctx;
    rows++;
    (void)snprintf(text, sizeof text, "%s/%s %u %s %s %u", n->org, n->node,
                   (unsigned)n->last_seen_ms, n->last_reason, n->last_why, (unsigned)n->accepted_n);
    return TALLY_OK;
}

START_TEST(a_node_shows_its_last_state_and_how_many_updates_are_held)
{
    struct tally_store_node n = {.org = "bank1", .node = "n1", .last_seen_ms = 1};
    struct tally_store_ack ack;

    ck_assert_int_eq(tally_store_node_put(store, &n), TALLY_OK);
    n.last_seen_ms = 2;
    n.last_reason = "E_CHIP";
    n.last_why = "not in the list";
    ck_assert_int_eq(tally_store_node_put(store, &n), TALLY_OK);
    put_file("sealed/a", 77);
    for (uint64_t r = 1; r <= 2; r++) {
        const struct tally_store_update u = update_of("bank1", r, 1);
        ck_assert_int_eq(open_round(r, "open"), TALLY_OK);
        ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_OK);
        ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_OK);
    }
    rows = 0;
    ck_assert_int_eq(tally_store_nodes(store, see_node, NULL), TALLY_OK);
    ck_assert_int_eq(rows, 1);
    ck_assert_str_eq(text, "bank1/n1 2 E_CHIP not in the list 2");
    n.org = "../etc";
    ck_assert_int_eq(tally_store_node_put(store, &n), TALLY_E_LIMIT);
}
END_TEST

static enum tally_status see_instance(void *ctx, const struct tally_store_instance *i)
{
    (void)ctx;
    rows++;
    (void)snprintf(text, sizeof text, "%02x %.*s", i->key_id[0], (int)i->ev.len,
                   (const char *)i->ev.at);
    return TALLY_OK;
}

START_TEST(instances_of_the_past_stay)
{
    rows = 0;
    restart();
    ck_assert_int_eq(tally_store_instances(store, NULL, see_instance, NULL), TALLY_OK);
    ck_assert_int_eq(rows, 2);
    ck_assert_str_eq(text, "11 ev"); /* the oldest comes last */
    ck_assert_int_eq(tally_store_instances(store, key_id2, see_instance, NULL), TALLY_OK);
    ck_assert_int_eq(rows, 3);
    ck_assert_str_eq(text, "22 ev");
}
END_TEST

/* ---- groups ---- */

START_TEST(a_failure_in_a_group_takes_nothing_else_with_it)
{
    const struct tally_store_update u = update_of("bank1", 1, 1), other = update_of("bank1", 1, 2);
    struct tally_store_ack ack;
    uint64_t v = 0;

    put_file("sealed/a", 77);
    ck_assert_int_eq(open_round(1, "open"), TALLY_OK);
    ck_assert_int_eq(tally_store_begin(store), TALLY_OK);
    ck_assert_int_eq(tally_store_begin(store), TALLY_E_STATE);
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_OK);
    ck_assert_int_eq(tally_store_update_add(store, &other, &ack), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_UPDATE_CONFLICT);
    ck_assert_int_eq(tally_store_mark_raise(store, "clock", 3), TALLY_OK);
    ck_assert_int_eq(tally_store_commit(store), TALLY_OK);
    ck_assert_int_eq(tally_store_commit(store), TALLY_E_STATE);
    restart();
    ck_assert_int_eq(tally_store_mark(store, "clock", &v), TALLY_OK);
    ck_assert_uint_eq(v, 3);
    ck_assert_int_eq(tally_store_update_add(store, &u, &ack), TALLY_OK);
    ck_assert(ack.already);
}
END_TEST

START_TEST(a_group_that_is_not_committed_never_was)
{
    uint64_t v = 1;

    ck_assert_int_eq(tally_store_begin(store), TALLY_OK);
    ck_assert_int_eq(tally_store_mark_raise(store, "clock", 3), TALLY_OK);
    if (_i == 0) tally_store_rollback(store);
    restart(); /* or closes an open group */
    ck_assert_int_eq(tally_store_mark(store, "clock", &v), TALLY_OK);
    ck_assert_uint_eq(v, 0);
}
END_TEST

static enum tally_status write_meanwhile(void *ctx, const struct tally_store_instance *i)
{
    (void)i;
    rows++;
    *(enum tally_status *)ctx = tally_store_mark_raise(store, "clock", 1);
    return TALLY_FAIL(TALLY_E_LIMIT, "enough");
}

START_TEST(a_callback_may_stop_but_not_write)
{
    enum tally_status s = TALLY_OK;

    rows = 0;
    ck_assert_int_eq(tally_store_instances(store, NULL, write_meanwhile, &s), TALLY_E_LIMIT);
    ck_assert_int_eq(rows, 1);
    ck_assert_int_eq(s, TALLY_E_STATE);
    ck_assert_int_eq(tally_store_mark_raise(store, "clock", 1), TALLY_OK);
}
END_TEST

/* ---- versions ---- */

static enum tally_status see_version(void *ctx, const struct tally_store_version *v)
{
    (void)ctx;
    rows++;
    (void)snprintf(text, sizeof text, "%u %u %s %.*s", v->digest[0], (unsigned)v->round, v->path,
                   (int)v->lineage.len, (const char *)v->lineage.at);
    return TALLY_OK;
}

START_TEST(versions_are_one_a_round_and_the_newest_comes_first)
{
    struct tally_store_version v = {.path = "models/v", .lineage = tally_slice_str("lin")};

    memcpy(v.job, job, 32);
    for (uint8_t r = 0; r < 3; r++) {
        v.round = r;
        v.digest[0] = (uint8_t)(100 + r);
        ck_assert_int_eq(tally_store_version_add(store, &v), TALLY_OK);
        ck_assert_int_eq(tally_store_version_add(store, &v), TALLY_OK);
    }
    v.digest[0] = 99;
    ck_assert_int_eq(tally_store_version_add(store, &v), TALLY_E_STATE);
    v.round = 7;
    v.path = "../models/v";
    ck_assert_int_eq(tally_store_version_add(store, &v), TALLY_E_LIMIT);
    restart();
    rows = 0;
    ck_assert_int_eq(tally_store_versions(store, NULL, false, see_version, NULL), TALLY_OK);
    ck_assert_int_eq(rows, 3);
    ck_assert_str_eq(text, "100 0 models/v lin");
    ck_assert_int_eq(tally_store_versions(store, job, true, see_version, NULL), TALLY_OK);
    ck_assert_int_eq(rows, 4);
    ck_assert_str_eq(text, "102 2 models/v lin");
    const uint8_t one[32] = {101}, none[32] = {9};
    ck_assert_int_eq(tally_store_version(store, one, see_version, NULL), TALLY_OK);
    ck_assert_str_eq(text, "101 1 models/v lin");
    ck_assert_int_eq(tally_store_version(store, none, see_version, NULL), TALLY_OK);
    ck_assert_int_eq(rows, 5);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("store");

    tcase_add_checked_fixture(t, store_up, store_down);
    tcase_add_test(t, a_second_process_is_refused_and_a_reader_is_not);
    tcase_add_test(t, a_reader_of_nothing_is_told_so);
    tcase_add_test(t, a_store_of_another_version_is_refused_and_left_alone);
    tcase_add_test(t, a_file_that_is_no_database_is_refused);
    tcase_add_test(t, a_mark_only_rises);
    tcase_add_test(t, documents_come_back_as_they_were_put);
    tcase_add_test(t, a_blob_above_the_limit_is_refused);
    tcase_add_test(t, a_node_shows_its_last_state_and_how_many_updates_are_held);
    tcase_add_test(t, instances_of_the_past_stay);
    tcase_add_test(t, a_failure_in_a_group_takes_nothing_else_with_it);
    tcase_add_loop_test(t, a_group_that_is_not_committed_never_was, 0, 2);
    tcase_add_test(t, a_callback_may_stop_but_not_write);
    tcase_add_test(t, versions_are_one_a_round_and_the_newest_comes_first);
    return tally_suite_run("aggregator/store", t);
}
