/* test_federation.c - common/federation.c: every rule that a document must meet in itself. */
#include "common/federation.h"

#include <stdio.h>
#include <string.h>

#include "common/anchors.h"
#include "common/hash.h"
#include "tests/lib/documents.h"
#include "tests/lib/suite.h"

static struct tally_federation fed; /* 300 KB: not on the stack */

#define TEST_TYPE "application/vnd.tally.federation-test+json"
#define LIVE_TYPE "application/vnd.tally.federation+json"

static enum tally_status decode(const char *type, const json_t *j)
{
    char *text = tally_test_payload(j);
    size_t n = strlen(text);
    uint8_t *exact = malloc(n);

    memcpy(exact, text, n);
    enum tally_status s = tally_federation_decode(type, tally_slice_of(exact, n), &fed);
    free(exact);
    free(text);
    return s;
}

START_TEST(a_good_document_is_read_whole)
{
    json_t *j = tally_test_federation(3);
    char *text = tally_test_payload(j);
    uint8_t digest[32];

    ck_assert_msg(decode(TEST_TYPE, j) == TALLY_OK, "%s", tally_why());
    TALLY_SHA256_OF(digest, tally_slice_str(text));
    ck_assert_mem_eq(fed.digest, digest, 32);
    ck_assert_mem_eq(fed.id, digest, 32);
    ck_assert_int_eq(fed.mode, TALLY_MODE_TEST);
    ck_assert_str_eq(fed.name, "test");
    ck_assert_uint_eq(fed.version, 1);
    ck_assert_uint_eq(fed.parties_n, 4);
    ck_assert_uint_eq(fed.nodes_n, 4);
    ck_assert_uint_eq(fed.organisations, 3);
    ck_assert_uint_eq(fed.owner, 0);
    ck_assert_uint_eq(fed.quorum, 2);
    ck_assert_uint_eq(fed.measurements_n, 2);
    ck_assert_uint_eq(fed.needs_n, 4);
    ck_assert_uint_eq(fed.anchors_n, 1);
    ck_assert_int_eq(fed.anchors[0].trust, TALLY_TRUST_TEST);
    ck_assert_ptr_eq(fed.anchors[0].root.at, fed.test_roots[0]);
    ck_assert_str_eq(tally_federation_aggregator(&fed)->endpoint, "tcp://127.0.0.1:7700");
    const struct tally_node *n = tally_federation_node(&fed, "bank-2", "agent-1");
    ck_assert_ptr_nonnull(n);
    ck_assert_int_eq(n->role, TALLY_ROLE_AGENT);
    ck_assert_uint_eq(n->chips_n, 1);
    ck_assert_ptr_eq(tally_federation_curve_key(&fed, n->curve_keys[0]), n);
    ck_assert_ptr_null(tally_federation_node(&fed, "bank-2", "agent-2"));
    ck_assert_ptr_null(tally_federation_party(&fed, "bank-9"));
    free(text);
    json_decref(j);
}
END_TEST

/* Rows as calls, which the formatter keeps within the page. */
#define ROW(...)    \
    {               \
        __VA_ARGS__ \
    }

/* One change each: the value at `path` becomes `json` (NULL: removed), and the reason. */
static const struct {
    const char *path, *json, *why;
} changes[] = {
    ROW("type", "\"job\"", "type: expected \"federation\""),
    ROW("name", "\"No Such\"", "name: expected a name"),
    ROW("name", NULL, "lacks \"name\""),
    ROW("extra", "1", "unknown key \"extra\""),
    ROW("version", "0", "version: is 0"),
    ROW("version", "1.0", "version: expected an integer"),
    ROW("version", "2", "id: expected 64"),
    ROW("id", "\"00\"", "version 1 has neither"),
    ROW("prev", "\"00\"", "version 1 has neither"),
    ROW("issued", "-1", "issued: is -1"),
    ROW("expires", "1795000000", "expires: is not after"),
    ROW("parties", "[]", "parties: has 0 items"),
    ROW("parties.0.name", "\"bank-1\"", "\"bank-1\" is listed twice"),
    ROW("parties.0.document_key", "\"AAAA\"", "parties[0].document_key: expected standard base64"),
    ROW("parties.0.document_key", "\"ioAwkBhEcWdP3vOdDBtnjYN0vLCqM1bdbXAV4iRgK14=\"", ""),
    ROW("parties.0.nodes.0.role", "\"agent\"", "only connects out"),
    ROW("parties.0.nodes.0.role", "\"boss\"", "expected one of \"agent\""),
    ROW("parties.0.nodes.0.role", "\"kms\"", "no node has the role \"aggregator\""),
    ROW("parties.0.nodes.0.endpoint", NULL, "endpoint: expected text"),
    ROW("parties.0.nodes.0.endpoint", "\"tcp://:7700\"", "expected tcp://HOST:PORT"),
    ROW("parties.0.nodes.0.endpoint", "\"tcp://host:0\"", "expected tcp://HOST:PORT"),
    ROW("parties.0.nodes.0.endpoint", "\"tcp://host:65536\"", "expected tcp://HOST:PORT"),
    ROW("parties.0.nodes.0.endpoint", "\"ipc:///x:1\"", "expected tcp://HOST:PORT"),
    ROW("parties.0.nodes.0.endpoint", "\"tcp://h;x:1\"", "expected tcp://HOST:PORT"),
    ROW("parties.1.nodes.0.endpoint", "\"tcp://h:1\"", "only connects out"),
    ROW("parties.1.nodes.0.session_key", "\"\"", "parties[1].nodes[0].session_key"),
    ROW("parties.1.nodes.0.session_key", "\"gYKC\"", "base64 of 32 bytes"),
    ROW("parties.1.nodes.0.session_key", "\"gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIA=\"",
        "have one session_key"),
    ROW("parties.1.nodes.0.curve_keys", "[]", "curve_keys: has 0 items"),
    ROW("parties.1.nodes.0.curve_keys.0", "\"short\"", "40 characters of Z85"),
    ROW("parties.1.nodes.0.curve_keys", "@parties.0.nodes.0.curve_keys", "is listed twice"),
    ROW("parties.1.nodes.0.chips", NULL, "either \"chips\" or \"id_keys\""),
    ROW("parties.1.nodes.0.id_keys", "[]", "either \"chips\" or \"id_keys\""),
    ROW("parties.1.nodes.0.chips", "\"all\"", "chips: expected \"any\""),
    ROW("parties.1.nodes.0.chips", "[]", "chips: has 0 items"),
    ROW("parties.1.nodes.0.chips.0", "\"0A\"", "chips[0]: expected 64 lower-case hex"),
    ROW("parties.1.nodes.0.chip", "[]", "unknown key \"chip\""),
    ROW("measurements", "[]", "measurements: has 0 items"),
    ROW("measurements.0.tee", "\"tdx\"", "lacks \"mrtd\""),
    ROW("measurements.0.tee", "\"sgx\"", "expected one of \"snp\", \"tdx\""),
    ROW("measurements.0.digest", "\"aa\"", "expected 96 lower-case hex"),
    ROW("measurements.0.software", "\"1 0\"", "expected 1 to 63 of"),
    ROW("measurements.0.role", "\"kms\"", "none for the role \"agent\""),
    ROW("measurements.0", "@measurements.1", "measurements[1]: is listed twice"),
    ROW("policy", "{}", "policy: neither \"snp\" nor \"tdx\""),
    ROW("policy.tdx", "{\"debug\":true}", "debug"),
    ROW("policy.nvgpu", "{\"debug\":true}", "debug"),
    ROW("policy.tpm", "{}", "unknown key \"tpm\""),
    ROW("policy.other", "{}", "unknown key \"other\""),
    ROW("anchors", "[\"amd-genoa\"]", "unknown key \"anchors\""),
    ROW("test_root", NULL, "lacks \"test_root\""),
    ROW("test_root", "[\"cm9vdA==\",\"cm9vdA==\"]", "test_root: expected standard base64"),
    ROW("test_root", "\"\"", "test_root: expected standard base64"),
    ROW("votes.quorum", "1", "2 x 1 is not above 3 organisations + 0"),
    ROW("votes.quorum", "4", "only 3 organisations"),
    ROW("votes.tolerated", "1", "2 x 2 is not above 3 organisations + 1"),
    ROW("votes.extra", "1", "unknown key"),
    ROW("changes.needs", "[]", "changes.needs: has 0 items"),
    ROW("changes.needs.0", "\"bank-1\"", "changes.needs[1]: \"bank-1\" is listed twice"),
    ROW("changes.needs.0", "\"bank-7\"", "\"bank-7\" is no party"),
    ROW("ledger", "{}", "keeps no ledger"),
};
enum { CHANGES = sizeof changes / sizeof changes[0] };

static json_t *child(json_t *j, const char *step)
{
    return json_is_array(j) ? json_array_get(j, (size_t)strtoul(step, NULL, 10))
                            : json_object_get(j, step);
}

/* The parent of the path's last step; *last is that step. */
static json_t *parent_of(json_t *j, const char *path, char *buf, const char **last)
{
    (void)snprintf(buf, 128, "%s", path);
    char *dot = NULL;
    while ((dot = strchr(buf, '.')) != NULL) {
        *dot = '\0';
        j = child(j, buf);
        ck_assert_ptr_nonnull(j);
        buf = dot + 1;
    }
    *last = buf;
    return j;
}

static void change(json_t *j, const char *path, const char *json)
{
    char buf[128], from_buf[128];
    const char *last = NULL, *from_last = NULL;
    json_t *parent = parent_of(j, path, buf, &last), *value = NULL;

    if (json == NULL) {
        ck_assert_int_eq(json_object_del(parent, last), 0);
        return;
    }
    if (*json == '@') {
        json_t *from = parent_of(j, json + 1, from_buf, &from_last);
        value = json_deep_copy(child(from, from_last));
    } else {
        value = json_loads(json, JSON_DECODE_ANY, NULL);
    }
    ck_assert_ptr_nonnull(value);
    if (json_is_array(parent))
        ck_assert_int_eq(json_array_set_new(parent, (size_t)strtoul(last, NULL, 10), value), 0);
    else
        ck_assert_int_eq(json_object_set_new(parent, last, value), 0);
}

START_TEST(one_wrong_value_is_refused_by_name)
{
    json_t *j = tally_test_federation(3);
    static const struct tally_federation zero;

    change(j, changes[_i].path, changes[_i].json);
    enum tally_status s = decode(TEST_TYPE, j);
    if (*changes[_i].why == '\0') {
        ck_assert_int_eq(s, TALLY_OK); /* another key is another key */
    } else {
        ck_assert_msg(s == TALLY_E_CONFIG, "%s = %s was accepted", changes[_i].path,
                      changes[_i].json);
        ck_assert_msg(strstr(tally_why_text(), changes[_i].why) != NULL, "%s: \"%s\"",
                      changes[_i].path, tally_why_text());
        ck_assert_mem_eq(&fed, &zero, sizeof fed);
    }
    json_decref(j);
}
END_TEST

START_TEST(two_parties_with_one_document_key_are_refused)
{
    json_t *j = tally_test_federation(2);

    change(j, "parties.1.document_key", "@parties.2.document_key");
    ck_assert_int_eq(decode(TEST_TYPE, j), TALLY_E_CONFIG);
    ck_assert_str_eq(tally_why_text(), "parties: bank-1 and bank-2 have one document_key");
    json_decref(j);
}
END_TEST

START_TEST(a_document_key_is_no_session_key)
{
    json_t *j = tally_test_federation(2);

    change(j, "parties.1.nodes.0.session_key", "@parties.2.document_key");
    ck_assert_int_eq(decode(TEST_TYPE, j), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "is the document_key of bank-2"));
    json_decref(j);
}
END_TEST

START_TEST(two_owners_are_refused)
{
    json_t *j = tally_test_federation(2);

    change(j, "parties.1.nodes.0.role", "\"aggregator\"");
    change(j, "parties.1.nodes.0.endpoint", "\"tcp://b:1\"");
    change(j, "votes.quorum", "1");
    ck_assert_int_eq(decode(TEST_TYPE, j), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "one owner does"));
    json_decref(j);
}
END_TEST

START_TEST(any_chip_is_accepted_only_when_spelled_out_and_is_remembered)
{
    json_t *j = tally_test_federation(2);

    change(j, "parties.1.nodes.0.chips", "\"any\"");
    ck_assert_int_eq(decode(TEST_TYPE, j), TALLY_OK);
    ck_assert(tally_federation_node(&fed, "bank-1", "agent-1")->any_chip);
    ck_assert(!tally_federation_node(&fed, "bank-2", "agent-1")->any_chip);
    json_decref(j);
}
END_TEST

/* A production document differs in what it can say about roots, and must tolerate one bank. */
static json_t *production(void)
{
    json_t *j = tally_test_federation(3);

    change(j, "test_root", NULL);
    change(j, "anchors", "[\"amd-genoa\"]");
    change(j, "votes", "{\"quorum\":3,\"tolerated\":1}");
    return j;
}

START_TEST(production_names_roots_that_are_compiled_in_and_cannot_hold_one)
{
    json_t *j = production();

    ck_assert_int_eq(decode(LIVE_TYPE, j), TALLY_OK);
    ck_assert_int_eq(fed.anchors[0].trust, TALLY_TRUST_HARDWARE);
    ck_assert_uint_gt(fed.anchors[0].root.len, 1000);
    change(j, "anchors", "[\"acme\"]");
    ck_assert_int_eq(decode(LIVE_TYPE, j), TALLY_E_CONFIG);
    ck_assert_str_eq(tally_why_text(), "\"acme\" names no vendor's root");
    change(j, "anchors", "[]");
    ck_assert_int_eq(decode(LIVE_TYPE, j), TALLY_E_CONFIG);
    change(j, "test_root", "\"cm9vdA==\"");
    ck_assert_int_eq(decode(LIVE_TYPE, j), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "unknown key \"test_root\""));
    json_decref(j);
}
END_TEST

START_TEST(production_tolerates_one_bank_in_league_with_the_owner)
{
    json_t *j = production();

    change(j, "votes", "{\"quorum\":3,\"tolerated\":0}");
    ck_assert_int_eq(decode(LIVE_TYPE, j), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "votes.tolerated"));
    change(j, "votes", "{\"quorum\":2,\"tolerated\":1}");
    ck_assert_int_eq(decode(LIVE_TYPE, j), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "2 x 2 is not above 3"));
    json_decref(j);
}
END_TEST

START_TEST(the_payload_type_alone_says_what_it_is)
{
    json_t *j = tally_test_federation(3);

    ck_assert_int_eq(decode(LIVE_TYPE, j), TALLY_E_CONFIG);
    ck_assert_int_eq(decode("application/vnd.tally.job-test+json", j), TALLY_E_CONFIG);
    ck_assert_int_eq(decode("application/vnd.tally.federation-tests+json", j), TALLY_E_CONFIG);
    ck_assert_int_eq(decode("", j), TALLY_E_CONFIG);
    json_decref(j);
}
END_TEST

START_TEST(later_versions_name_what_they_follow)
{
    json_t *j = tally_test_federation(3);
    uint8_t id[32], other[32];

    memset(id, 7, sizeof id);
    memset(other, 8, sizeof other);
    tally_test_next(j, id, other);
    ck_assert_int_eq(decode(TEST_TYPE, j), TALLY_E_CONFIG); /* 2 follows 1 */
    change(j, "version", "1");
    tally_test_next(j, id, id);
    ck_assert_int_eq(decode(TEST_TYPE, j), TALLY_OK);
    ck_assert_mem_eq(fed.id, id, 32);
    tally_test_next(j, id, other);
    ck_assert_int_eq(decode(TEST_TYPE, j), TALLY_OK);
    ck_assert_mem_eq(fed.prev, other, 32);
    json_decref(j);
}
END_TEST

START_TEST(a_document_cut_short_anywhere_is_refused)
{
    json_t *j = tally_test_federation(1);
    char *text = json_dumps(j, JSON_COMPACT);
    size_t len = strlen(text);

    for (size_t n = 0; n < len; n++) {
        uint8_t *exact = malloc(n + (n == 0));
        memcpy(exact, text, n);
        ck_assert_int_ne(tally_federation_decode(TEST_TYPE, tally_slice_of(exact, n), &fed),
                         TALLY_OK);
        free(exact);
    }
    ck_assert_int_eq(tally_federation_decode(TEST_TYPE, tally_slice_str(text), &fed), TALLY_OK);
    free(text);
    json_decref(j);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("federation");

    tcase_add_test(t, a_good_document_is_read_whole);
    tcase_add_loop_test(t, one_wrong_value_is_refused_by_name, 0, CHANGES);
    tcase_add_test(t, two_parties_with_one_document_key_are_refused);
    tcase_add_test(t, a_document_key_is_no_session_key);
    tcase_add_test(t, two_owners_are_refused);
    tcase_add_test(t, any_chip_is_accepted_only_when_spelled_out_and_is_remembered);
    tcase_add_test(t, production_names_roots_that_are_compiled_in_and_cannot_hold_one);
    tcase_add_test(t, production_tolerates_one_bank_in_league_with_the_owner);
    tcase_add_test(t, the_payload_type_alone_says_what_it_is);
    tcase_add_test(t, later_versions_name_what_they_follow);
    tcase_add_test(t, a_document_cut_short_anywhere_is_refused);
    return tally_suite_run("common/federation", t);
}
