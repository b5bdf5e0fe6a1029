/* test_revocation.c - common/revocation.c: who may take what out of use, and for whom. */
#include "common/revocation.h"

#include <stdio.h>
#include <string.h>

#include "common/hash.h"
#include "tests/lib/documents.h"
#include "tests/lib/suite.h"

enum { OWNER = 1, BANK1 = 2, BANK2 = 4, BANK3 = 8, ALL = 15, STRANGER = 1 << 9 };

static struct tally_federation fed;

static void setup(void)
{
    json_t *j = tally_test_federation(3);
    char *text = tally_test_payload(j);

    ck_assert_int_eq(tally_federation_decode("application/vnd.tally.federation-test+json",
                                             tally_slice_str(text), &fed),
                     TALLY_OK);
    free(text);
    json_decref(j);
}

static json_t *document(const char *kind, const char *value)
{
    char id[65];

    tally_hex(TALLY_SLICE(fed.id), id);
    return json_pack("{s:s, s:s, s:I, s:{s:s}, s:s}", "type", "revocation", "federation", id,
                     "issued", (json_int_t)TALLY_TEST_ISSUED, "revokes", kind, value, "why",
                     "stolen");
}

/* What bank-1 has, and a measurement that all share. */
static char chip[65], session[64], document_key[64], measurement[97];

static void values(void)
{
    const struct tally_node *n = tally_federation_node(&fed, "bank-1", "agent-1");

    tally_hex(TALLY_SLICE(n->chips[0]), chip);
    tally_base64(TALLY_SLICE(n->session_key), session);
    tally_base64(TALLY_SLICE(fed.parties[1].document_key), document_key);
    tally_hex(TALLY_SLICE(fed.measurements[0].digest), measurement);
}

/* Rows as calls, which the formatter keeps within the page. */
#define ROW(...)    \
    {               \
        __VA_ARGS__ \
    }

/* The table of authority: who signed, may they, and does it bind bank-1, bank-2? */
static const struct {
    const char *kind, *value;
    unsigned signers;
    bool allowed, binds_bank1, binds_bank2;
} rows[] = {
    ROW("chip", chip, BANK1, true, true, true),
    ROW("chip", chip, BANK2, false, false, false),
    ROW("chip", chip, OWNER, false, false, false),
    ROW("chip", chip, OWNER | BANK2 | BANK3, false, false, false),
    ROW("chip", chip, ALL, true, true, true),
    ROW("node", "bank-1/agent-1", BANK1, true, true, true),
    ROW("node", "bank-1/agent-1", BANK2, false, false, false),
    ROW("node", "bank-1/agent-2", BANK1, false, false, false),
    ROW("node", "bank-1/agent-2", ALL, true, true, true),
    ROW("node", "owner/aggregator", OWNER, true, true, true),
    ROW("session_key", session, BANK1, true, true, true),
    ROW("session_key", session, OWNER, false, false, false),
    ROW("session_key", session, ALL, true, true, true),
    ROW("document_key", document_key, BANK1, true, true, true),
    ROW("document_key", document_key, BANK3, false, false, false),
    ROW("document_key", document_key, ALL, true, true, true),
    ROW("measurement", measurement, BANK1, true, true, false),
    ROW("measurement", measurement, BANK2, true, false, true),
    ROW("measurement", measurement, OWNER, true, false, false),
    ROW("measurement", measurement, BANK1 | BANK2 | BANK3, true, true, true),
    ROW("measurement", measurement, ALL, true, true, true),
    ROW("measurement", measurement, STRANGER, false, false, false),
    ROW("measurement", measurement, 0, false, false, false),
    ROW("chip", chip, STRANGER, false, false, false),
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static struct tally_revocation open_revocation(const struct tally_dsse *d)
{
    struct tally_revocation r;

    ck_assert_msg(tally_revocation_decode(
                      d->payload_type, tally_slice_of(d->payload, d->payload_len), &r) == TALLY_OK,
                  "%s", tally_why());
    return r;
}

START_TEST(authority_is_as_the_table_says)
{
    bool one = false, two = false;

    values();
    json_t *j = document(rows[_i].kind, rows[_i].value);
    struct tally_dsse d = tally_test_envelope("revocation", TALLY_MODE_TEST, j, rows[_i].signers);
    struct tally_revocation r = open_revocation(&d);
    enum tally_status s = tally_revocation_authority(&r, &d, &fed, "bank-1", &one);

    if (rows[_i].allowed) {
        ck_assert_int_eq(s, TALLY_OK);
        ck_assert_int_eq(tally_revocation_authority(&r, &d, &fed, "bank-2", &two), TALLY_OK);
        ck_assert_int_eq(one, rows[_i].binds_bank1);
        ck_assert_int_eq(two, rows[_i].binds_bank2);
    } else {
        ck_assert_int_eq(s, TALLY_E_AUTH);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_SIGNATURE);
    }
    tally_dsse_free(&d);
    json_decref(j);
}
END_TEST

START_TEST(a_revocation_of_another_federation_or_mode_is_refused)
{
    bool binds = false;

    values();
    json_t *j = document("chip", chip);
    struct tally_dsse live = tally_test_envelope("revocation", TALLY_MODE_PRODUCTION, j, ALL);
    struct tally_revocation r = open_revocation(&live);
    ck_assert_int_eq(tally_revocation_authority(&r, &live, &fed, "bank-1", &binds),
                     TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_FEDERATION);
    tally_dsse_free(&live);
    json_object_set_new(j, "federation", json_string(chip));
    struct tally_dsse other = tally_test_envelope("revocation", TALLY_MODE_TEST, j, ALL);
    r = open_revocation(&other);
    ck_assert_int_eq(tally_revocation_authority(&r, &other, &fed, "bank-1", &binds),
                     TALLY_E_UNTRUSTED);
    tally_dsse_free(&other);
    json_decref(j);
}
END_TEST

static const struct {
    const char *key, *json, *why;
} changes[] = {
    ROW("type", "\"federation\"", "type: expected \"revocation\""),
    ROW("federation", "\"aa\"", "federation: expected 64"),
    ROW("issued", "0", "issued: is 0"),
    ROW("why", "\"\"", "why: expected text"),
    ROW("extra", "1", "unknown key \"extra\""),
    ROW("revokes", "{}", "revokes: expected exactly one key"),
    ROW("revokes", "{\"node\":\"a/b\",\"chip\":\"00\"}", "revokes: expected exactly one key"),
    ROW("revokes", "{\"party\":\"a\"}", "unknown key \"party\""),
    ROW("revokes", "{\"node\":\"ab\"}", "revokes.node: expected \"ORG/NODE\""),
    ROW("revokes", "{\"node\":\"/b\"}", "revokes.node: expected \"ORG/NODE\""),
    ROW("revokes", "{\"node\":\"a/b/c\"}", "revokes.node: expected \"ORG/NODE\""),
    ROW("revokes", "{\"measurement\":\"aa\"}", "revokes.measurement: expected 96"),
    ROW("revokes", "{\"session_key\":\"aa\"}", "revokes.session_key: expected standard base64"),
};

START_TEST(a_wrong_field_is_refused_by_name)
{
    values();
    json_t *j = document("chip", chip);
    struct tally_revocation r;

    json_object_set_new(j, changes[_i].key, json_loads(changes[_i].json, JSON_DECODE_ANY, NULL));
    char *text = tally_test_payload(j);
    ck_assert_int_eq(tally_revocation_decode("application/vnd.tally.revocation-test+json",
                                             tally_slice_str(text), &r),
                     TALLY_E_CONFIG);
    ck_assert_msg(strstr(tally_why_text(), changes[_i].why) != NULL, "%s", tally_why_text());
    free(text);
    json_decref(j);
}
END_TEST

START_TEST(what_is_made_reads_back)
{
    char *payload = NULL;
    struct tally_revocation r;

    ck_assert_int_eq(
        tally_revocation_make(&fed, TALLY_REVOKE_NODE, "bank-1/agent-1", "sold", 9, &payload),
        TALLY_OK);
    ck_assert_int_eq(tally_revocation_decode("application/vnd.tally.revocation-test+json",
                                             tally_slice_str(payload), &r),
                     TALLY_OK);
    ck_assert_str_eq(r.org, "bank-1");
    ck_assert_str_eq(r.node, "agent-1");
    ck_assert_str_eq(r.why, "sold");
    ck_assert_uint_eq(r.issued_s, 9);
    free(payload);
    ck_assert_int_eq(tally_revocation_make(&fed, TALLY_REVOKE_CHIP, "xy", "w", 9, &payload),
                     TALLY_E_CONFIG);
}
END_TEST

START_TEST(lists_hold_each_thing_once_and_are_bounded)
{
    static struct tally_revocations v;
    struct tally_revocation r = {.kind = TALLY_REVOKE_CHIP};

    memset(&v, 0, sizeof v);
    for (unsigned i = 0; i < TALLY_REVOCATIONS_MAX; i++) {
        r.value[0] = (uint8_t)i;
        ck_assert_int_eq(tally_revocations_add(&v, &r), TALLY_OK);
        ck_assert_int_eq(tally_revocations_add(&v, &r), TALLY_OK);
    }
    ck_assert_uint_eq(v.chips_n, TALLY_REVOCATIONS_MAX);
    r.value[0] = 0xff;
    ck_assert_int_eq(tally_revocations_add(&v, &r), TALLY_E_LIMIT);
}
END_TEST

START_TEST(a_revoked_node_is_found_by_name_and_by_session_key)
{
    static struct tally_revocations v;
    const struct tally_node *one = tally_federation_node(&fed, "bank-1", "agent-1");
    const struct tally_node *two = tally_federation_node(&fed, "bank-2", "agent-1");
    struct tally_revocation r = {.kind = TALLY_REVOKE_NODE, .org = "bank-1", .node = "agent-1"};

    memset(&v, 0, sizeof v);
    ck_assert(!tally_revocations_node(NULL, one) && !tally_revocations_node(&v, one));
    ck_assert_int_eq(tally_revocations_add(&v, &r), TALLY_OK);
    ck_assert_int_eq(tally_revocations_add(&v, &r), TALLY_OK);
    ck_assert_uint_eq(v.nodes_n, 1);
    ck_assert(tally_revocations_node(&v, one) && !tally_revocations_node(&v, two));
    r.kind = TALLY_REVOKE_SESSION_KEY;
    memcpy(r.value, two->session_key, 32);
    ck_assert_int_eq(tally_revocations_add(&v, &r), TALLY_OK);
    ck_assert(tally_revocations_node(&v, two));
}
END_TEST

START_TEST(a_revoked_document_key_counts_only_for_what_was_issued_before)
{
    static struct tally_revocations v;
    struct tally_revocation r = {.kind = TALLY_REVOKE_DOCUMENT_KEY, .issued_s = 100};
    json_t *j = tally_test_federation(3);
    struct tally_dsse d = tally_test_envelope("federation", TALLY_MODE_TEST, j, BANK1);

    memset(&v, 0, sizeof v);
    memcpy(r.value, fed.parties[1].document_key, 32);
    ck_assert_int_eq(tally_revocations_add(&v, &r), TALLY_OK);
    ck_assert(tally_party_signed(&fed, NULL, "bank-1", &d, UINT64_MAX));
    ck_assert(tally_party_signed(&fed, &v, "bank-1", &d, 99));
    ck_assert(!tally_party_signed(&fed, &v, "bank-1", &d, 100));
    ck_assert(!tally_party_signed(&fed, &v, "bank-1", &d, UINT64_MAX));
    ck_assert(!tally_party_signed(&fed, NULL, "bank-2", &d, 99));
    ck_assert(!tally_party_signed(&fed, NULL, "nobody", &d, 99));
    r.issued_s = 50; /* the earlier of two counts */
    ck_assert_int_eq(tally_revocations_add(&v, &r), TALLY_OK);
    ck_assert_uint_eq(v.document_keys_n, 1);
    ck_assert(!tally_party_signed(&fed, &v, "bank-1", &d, 50));
    tally_dsse_free(&d);
    json_decref(j);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("revocation");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_loop_test(t, authority_is_as_the_table_says, 0, ROWS);
    tcase_add_test(t, a_revocation_of_another_federation_or_mode_is_refused);
    tcase_add_loop_test(t, a_wrong_field_is_refused_by_name, 0, sizeof changes / sizeof changes[0]);
    tcase_add_test(t, what_is_made_reads_back);
    tcase_add_test(t, lists_hold_each_thing_once_and_are_bounded);
    tcase_add_test(t, a_revoked_node_is_found_by_name_and_by_session_key);
    tcase_add_test(t, a_revoked_document_key_counts_only_for_what_was_issued_before);
    return tally_suite_run("common/revocation", t);
}
