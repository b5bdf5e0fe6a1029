/* test_draft.c - aggregator/draft.c: what follows from the parties, and what a hand set stays. */
#include "aggregator/draft.h"

#include <stdio.h>
#include <string.h>

#include "common/file.h"
#include "common/hash.h"
#include "tests/lib/documents.h"
#include "tests/lib/suite.h"

static json_t *document, *draft; /* a whole document, and a draft that gets its parties */
static struct tally_federation fed;
static char dir[64];

static json_t *party(size_t i)
{
    return json_array_get(json_object_get(document, "parties"), i);
}

static void setup(void)
{
    uint8_t root[4] = {1, 2, 3, 4};

    (void)snprintf(dir, sizeof dir, "%s", tally_test_dir());
    document = tally_test_federation(5);
    ck_assert_int_eq(tally_draft_new(TALLY_MODE_TEST, "demo", party(0), TALLY_SLICE(root), &draft),
                     TALLY_OK);
}

static void teardown(void)
{
    json_decref(draft);
    json_decref(document);
}

static int vote(const char *key)
{
    return (int)json_integer_value(json_object_get(json_object_get(draft, "votes"), key));
}

static size_t needed(void)
{
    return json_array_size(json_object_get(json_object_get(draft, "changes"), "needs"));
}

static void add(size_t i)
{
    ck_assert_msg(tally_draft_add_party(draft, party(i), TALLY_MODE_TEST) == TALLY_OK, "%s",
                  tally_why());
}

START_TEST(votes_and_signers_follow_the_parties)
{
    static const int quorum[] = {1, 1, 2, 2, 3, 3};

    for (size_t i = 1; i <= 5; i++) {
        add(i);
        ck_assert_int_eq(vote("quorum"), quorum[i]);
        ck_assert_uint_eq(needed(), i + 1);
    }
    add(3); /* again: in place of the first */
    ck_assert_uint_eq(json_array_size(json_object_get(draft, "parties")), 6);
    ck_assert_int_eq(vote("quorum"), 3);
}
END_TEST

START_TEST(production_tolerates_one_from_the_start)
{
    json_t *live = NULL;

    ck_assert_int_eq(
        tally_draft_new(TALLY_MODE_PRODUCTION, "demo", party(0), (struct tally_slice){0}, &live),
        TALLY_OK);
    for (size_t i = 1; i <= 5; i++)
        ck_assert_int_eq(tally_draft_add_party(live, party(i), TALLY_MODE_PRODUCTION), TALLY_OK);
    json_t *votes = json_object_get(live, "votes");
    ck_assert_int_eq(json_integer_value(json_object_get(votes, "quorum")), 4);
    ck_assert_int_eq(json_integer_value(json_object_get(votes, "tolerated")), 1);
    ck_assert_ptr_null(json_object_get(live, "test_root"));
    ck_assert_uint_eq(json_array_size(json_object_get(live, "anchors")), 2);
    json_decref(live);
}
END_TEST

START_TEST(what_a_hand_set_stays)
{
    add(1);
    json_object_set_new(draft, "votes", json_pack("{s:i,s:i}", "quorum", 5, "tolerated", 2));
    json_object_set_new(draft, "changes", json_pack("{s:[s]}", "needs", "owner"));
    add(2);
    ck_assert_int_eq(vote("quorum"), 5);
    ck_assert_int_eq(vote("tolerated"), 2);
    ck_assert_uint_eq(needed(), 1);
}
END_TEST

START_TEST(a_party_that_no_document_could_hold_is_refused)
{
    json_t *bad = json_deep_copy(party(1));
    json_t *node = json_array_get(json_object_get(bad, "nodes"), 0);

    json_object_del(node, "chips");
    ck_assert_int_eq(tally_draft_add_party(draft, bad, TALLY_MODE_TEST), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "nodes[0]: expected either"));
    ck_assert_uint_eq(json_array_size(json_object_get(draft, "parties")), 1);
    json_decref(bad);
}
END_TEST

START_TEST(a_program_is_measured_as_the_simulated_chip_does)
{
    char what[128], hex[97], path[96];
    uint8_t digest[48];
    const json_t *list = json_object_get(draft, "measurements");

    (void)snprintf(path, sizeof path, "%s/program", dir);
    ck_assert_int_eq(tally_file_write(path, tally_slice_str("code"), TALLY_FILE_MODE_PUBLIC),
                     TALLY_OK);
    (void)snprintf(what, sizeof what, "agent:%s", path);
    ck_assert_int_eq(
        tally_draft_add_measurement(draft, TALLY_MODE_TEST, TALLY_EVIDENCE_SNP, what, "1.0"),
        TALLY_OK);
    struct tally_slice code = tally_slice_str("code");
    tally_hash(TALLY_SHA384, &code, 1, digest);
    tally_hex(TALLY_SLICE(digest), hex);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "digest")), hex);
    (void)snprintf(what, sizeof what, "agent:%s", hex);
    ck_assert_int_eq(
        tally_draft_add_measurement(draft, TALLY_MODE_TEST, TALLY_EVIDENCE_SNP, what, "1.0"),
        TALLY_OK); /* once */
    ck_assert_uint_eq(json_array_size(list), 1);
    ck_assert_int_eq(
        tally_draft_add_measurement(draft, TALLY_MODE_TEST, TALLY_EVIDENCE_SNP, "agent", "1.0"),
        TALLY_E_CONFIG);
    ck_assert_int_eq(tally_draft_add_measurement(draft, TALLY_MODE_TEST, TALLY_EVIDENCE_SNP,
                                                 "agent:/nonexistent", "1.0"),
                     TALLY_E_IO);
}
END_TEST

static const json_t *item(const char *list, size_t i)
{
    return json_array_get(json_object_get(draft, list), i);
}

static const char *said(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static bool has_rules(const char *part)
{
    return json_object_get(json_object_get(draft, "policy"), part) != NULL;
}

static void measured(enum tally_mode mode, enum tally_evidence_kind tee, char digit)
{
    char what[104] = "agent:";

    memset(what + 6, digit, 96);
    ck_assert_msg(tally_draft_add_measurement(draft, mode, tee, what, "1.0") == TALLY_OK, "%s",
                  tally_why());
}

START_TEST(a_test_draft_of_snp_alone_is_as_it_always_was)
{
    measured(TALLY_MODE_TEST, TALLY_EVIDENCE_SNP, '1');
    ck_assert(has_rules("snp") && !has_rules("tdx") && !has_rules("nvgpu"));
    ck_assert_ptr_null(json_object_get(draft, "test_roots"));
    ck_assert_uint_eq(json_array_size(json_object_get(draft, "measurements")), 1);
    ck_assert_uint_eq(json_object_size(item("measurements", 0)), 4);
}
END_TEST

START_TEST(tdx_in_a_test_draft_is_root_rules_and_a_twin_of_each_measurement)
{
    static const uint8_t root[] = {9, 8, 7};

    measured(TALLY_MODE_TEST, TALLY_EVIDENCE_SNP, '1');
    for (int i = 0; i < 2; i++) { /* once */
        ck_assert_int_eq(tally_draft_add_tdx(draft, TALLY_MODE_TEST, TALLY_SLICE(root)), TALLY_OK);
        ck_assert(has_rules("snp") && has_rules("tdx"));
        ck_assert_uint_eq(json_array_size(json_object_get(draft, "test_roots")), 1);
        ck_assert_str_eq(json_string_value(item("test_roots", 0)), "CQgH");
        ck_assert_uint_eq(json_array_size(json_object_get(draft, "measurements")), 2);
        ck_assert_str_eq(said(item("measurements", 1), "tee"), "tdx");
        ck_assert_str_eq(said(item("measurements", 1), "mrtd"),
                         said(item("measurements", 0), "digest"));
    }
    /* from now on both, whichever is asked for */
    measured(TALLY_MODE_TEST, TALLY_EVIDENCE_TDX, '2');
    ck_assert_uint_eq(json_array_size(json_object_get(draft, "measurements")), 4);
    measured(TALLY_MODE_TEST, TALLY_EVIDENCE_SNP, '2');
    ck_assert_uint_eq(json_array_size(json_object_get(draft, "measurements")), 4);
    ck_assert_ptr_null(json_object_get(draft, "anchors"));
}
END_TEST

START_TEST(tdx_in_a_production_draft_is_intels_root_and_measurements_as_they_are_given)
{
    json_t *kept = draft;

    ck_assert_int_eq(
        tally_draft_new(TALLY_MODE_PRODUCTION, "demo", party(0), (struct tally_slice){0}, &draft),
        TALLY_OK);
    measured(TALLY_MODE_PRODUCTION, TALLY_EVIDENCE_SNP, '1');
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(tally_draft_add_tdx(draft, TALLY_MODE_PRODUCTION, (struct tally_slice){0}),
                         TALLY_OK);
    measured(TALLY_MODE_PRODUCTION, TALLY_EVIDENCE_TDX, '2');
    ck_assert_uint_eq(json_array_size(json_object_get(draft, "anchors")), 3);
    ck_assert_str_eq(json_string_value(item("anchors", 2)), "intel-sgx");
    ck_assert_ptr_null(json_object_get(draft, "test_roots"));
    ck_assert_uint_eq(json_array_size(json_object_get(draft, "measurements")), 2);
    ck_assert_str_eq(said(item("measurements", 0), "tee"), "snp");
    ck_assert_str_eq(said(item("measurements", 1), "tee"), "tdx");
    ck_assert(has_rules("tdx"));
    json_decref(draft);
    draft = kept;
}
END_TEST

START_TEST(gpus_are_rules_and_roots)
{
    static const uint8_t a[] = {1, 1, 1}, b[] = {2, 2, 2};

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(tally_draft_add_gpus(draft), TALLY_OK);
        ck_assert_int_eq(tally_draft_add_root(draft, TALLY_SLICE(a)), TALLY_OK);
        ck_assert_int_eq(tally_draft_add_root(draft, TALLY_SLICE(b)), TALLY_OK);
    }
    ck_assert(has_rules("nvgpu"));
    ck_assert_uint_eq(json_array_size(json_object_get(draft, "test_roots")), 2);
    ck_assert_str_eq(said(json_object_get(json_object_get(draft, "policy"), "nvgpu"), "rim"),
                     "required");
    /* rules that a hand wrote stay */
    (void)json_object_set_new(json_object_get(draft, "policy"), "nvgpu",
                              json_pack("{s:i}", "gpus", 2));
    ck_assert_int_eq(tally_draft_add_gpus(draft), TALLY_OK);
    ck_assert_uint_eq(json_object_size(json_object_get(json_object_get(draft, "policy"), "nvgpu")),
                      1);
}
END_TEST

START_TEST(a_tee_has_one_of_two_names)
{
    enum tally_evidence_kind tee;

    ck_assert(tally_draft_tee(NULL, &tee) == TALLY_OK && tee == TALLY_EVIDENCE_SNP);
    ck_assert(tally_draft_tee("snp", &tee) == TALLY_OK && tee == TALLY_EVIDENCE_SNP);
    ck_assert(tally_draft_tee("tdx", &tee) == TALLY_OK && tee == TALLY_EVIDENCE_TDX);
    ck_assert_int_eq(tally_draft_tee("TDX", &tee), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_draft_tee("", &tee), TALLY_E_CONFIG);
}
END_TEST

START_TEST(freezing_checks_the_whole_and_sets_the_dates)
{
    struct tally_dsse d = {0};

    add(1);
    ck_assert_int_eq(tally_draft_freeze(draft, TALLY_MODE_TEST, 1000, 500, &d, &fed),
                     TALLY_E_CONFIG); /* no measurements yet */
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "measurements"));
    json_object_set(draft, "measurements", json_object_get(document, "measurements"));
    ck_assert_msg(tally_draft_freeze(draft, TALLY_MODE_TEST, 1000, 500, &d, &fed) == TALLY_OK, "%s",
                  tally_why());
    ck_assert_uint_eq(fed.issued_s, 1000);
    ck_assert_uint_eq(fed.expires_s, 1500);
    ck_assert_str_eq(fed.name, "demo");
    ck_assert_mem_eq(fed.digest, d.digest, 32);
    ck_assert_int_eq(json_integer_value(json_object_get(draft, "issued")), 0);
    tally_dsse_free(&d);
}
END_TEST

START_TEST(a_draft_survives_on_disk_and_the_next_one_follows_what_is_in_force)
{
    struct tally_place p = {.store.mode = TALLY_MODE_TEST, .store.org = "owner"};
    json_t *back = NULL;
    uint64_t now = tally_now_s();
    char hex[65];

    (void)snprintf(p.store.dir, sizeof p.store.dir, "%s/state", dir);
    ck_assert_int_eq(tally_draft_open(&p, dir, &back), TALLY_E_STATE);
    ck_assert_int_eq(tally_draft_save(dir, draft), TALLY_OK);
    ck_assert_int_eq(tally_draft_open(&p, dir, &back), TALLY_OK);
    ck_assert(json_equal(back, draft));
    json_decref(back);

    json_object_set_new(document, "issued", json_integer((json_int_t)now));
    json_object_set_new(document, "expires", json_integer((json_int_t)now + 1000));
    struct tally_dsse d = tally_test_envelope("federation", TALLY_MODE_TEST, document, 63);
    char *text = NULL;
    ck_assert_int_eq(tally_dsse_text(&d, &text), TALLY_OK);
    ck_assert_int_eq(tally_fedstore_take(&p.store, tally_slice_str(text), d.digest, now, &fed),
                     TALLY_OK);
    char path[96];
    (void)snprintf(path, sizeof path, "%s/" TALLY_DRAFT_FILE, dir);
    ck_assert_int_eq(tally_file_remove(path), TALLY_OK);
    ck_assert_int_eq(tally_draft_open(&p, dir, &back), TALLY_OK);
    tally_hex(TALLY_SLICE(fed.digest), hex);
    ck_assert_int_eq(json_integer_value(json_object_get(back, "version")), 2);
    ck_assert_str_eq(json_string_value(json_object_get(back, "id")), hex);
    ck_assert_str_eq(json_string_value(json_object_get(back, "prev")), hex);
    free(text);
    tally_dsse_free(&d);
    json_decref(back);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("draft");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, votes_and_signers_follow_the_parties);
    tcase_add_test(t, production_tolerates_one_from_the_start);
    tcase_add_test(t, what_a_hand_set_stays);
    tcase_add_test(t, a_party_that_no_document_could_hold_is_refused);
    tcase_add_test(t, a_program_is_measured_as_the_simulated_chip_does);
    tcase_add_test(t, a_test_draft_of_snp_alone_is_as_it_always_was);
    tcase_add_test(t, tdx_in_a_test_draft_is_root_rules_and_a_twin_of_each_measurement);
    tcase_add_test(t, tdx_in_a_production_draft_is_intels_root_and_measurements_as_they_are_given);
    tcase_add_test(t, gpus_are_rules_and_roots);
    tcase_add_test(t, a_tee_has_one_of_two_names);
    tcase_add_test(t, freezing_checks_the_whole_and_sets_the_dates);
    tcase_add_test(t, a_draft_survives_on_disk_and_the_next_one_follows_what_is_in_force);
    return tally_suite_run("aggregator/draft", t);
}
