/* test_lineage.c - common/lineage.c: what was written is read, and nothing else. */
#include <string.h>

#include "common/lineage.h"
#include "tests/lib/suite.h"

static char *sample(void)
{
    struct tally_lineage l;
    char *json = NULL;

    ck_assert_int_eq(tally_lineage_init(&l, 2, 1), TALLY_OK);
    l.round = 7;
    l.has_parent = true;
    memset(l.parent, 5, 32);
    memset(l.set, 6, 32);
    l.key_block_bytes = 100;
    memcpy(l.sites[0].org, "bank-1", 7);
    memcpy(l.sites[0].node, "agent-1", 8);
    l.sites[0].examples = 12345;
    l.sites[0].weight = 12000;
    l.sites[0].histogram = json_pack("[i, i, i]", 3, 5000, 41);
    l.sites[0].rows = 5041;
    l.sites[0].positives = 41;
    memcpy(l.sites[1].org, "bank-2", 7);
    memcpy(l.sites[1].node, "agent-1", 8);
    l.sites[1].status = TALLY_LINEAGE_EXCLUDED;
    memcpy(l.sites[1].reason, "E_CHIP", 7);
    memcpy(l.votes[0].org, "bank-1", 7);
    memcpy(l.votes[0].node, "agent-1", 8);
    l.votes[0].key_block_bytes = 10;
    ck_assert_int_eq(tally_lineage_encode(&l, &json), TALLY_OK);
    tally_lineage_free(&l);
    return json;
}

START_TEST(what_was_written_is_read)
{
    char *json = sample(), *again = NULL;
    struct tally_lineage l;

    ck_assert_int_eq(tally_lineage_decode(tally_slice_str(json), &l), TALLY_OK);
    ck_assert_uint_eq(l.round, 7);
    ck_assert_str_eq(l.sites[1].reason, "E_CHIP");
    ck_assert_int_eq((int)l.sites[1].status, TALLY_LINEAGE_EXCLUDED);
    ck_assert_uint_eq(l.sites[0].positives, 41);
    ck_assert_int_eq(tally_lineage_encode(&l, &again), TALLY_OK);
    ck_assert_str_eq(json, again);
    tally_lineage_free(&l);
    free(json);
    free(again);
}
END_TEST

START_TEST(every_prefix_is_refused)
{
    char *json = sample();
    struct tally_lineage l;

    for (size_t n = 0; n < strlen(json); n++)
        ck_assert_int_eq(tally_lineage_decode(tally_slice_of(json, n), &l), TALLY_E_WIRE);
    free(json);
}
END_TEST

static void refused_with(const char *from, const char *to)
{
    char *json = sample(), changed[8192];
    struct tally_lineage l;
    char *at = strstr(json, from);

    ck_assert_ptr_nonnull(at);
    (void)snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - json), json, to,
                   at + strlen(from));
    ck_assert_int_eq(tally_lineage_decode(tally_slice_str(changed), &l), TALLY_E_WIRE);
    ck_assert_ptr_null(l.sites);
    free(json);
}

START_TEST(anything_else_is_refused)
{
    refused_with("\"type\":\"version\"", "\"type\":\"federation\"");
    refused_with("\"round\":7", "\"round\":-1");
    refused_with("\"round\":7", "\"round\":7.5");
    refused_with("\"round\":7", "\"round\":7,\"round\":7");
    refused_with("\"round\":7", "\"round\":7,\"extra\":1");
    refused_with("\"weight\":12000", "\"weight\":12346");
    refused_with("\"status\":\"counted\"", "\"status\":\"perhaps\"");
    refused_with("bank-1", "Bank 1");
    refused_with("[3,5000,41]", "[3,5000]");
    refused_with("[3,5000,41]", "[3,5000,-41]");
    refused_with("\"positives\":41", "\"positives\":5042");
    refused_with("0606", "06");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("lineage");

    tcase_add_test(t, what_was_written_is_read);
    tcase_add_test(t, every_prefix_is_refused);
    tcase_add_test(t, anything_else_is_refused);
    return tally_suite_run("common/lineage", t);
}
