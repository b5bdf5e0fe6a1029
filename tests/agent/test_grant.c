/* test_grant.c - agent/grant.c and agent/conf.c: only the bank's own signature lets a job in. */
#include "agent/grant.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/conf.h"
#include "common/file.h"
#include "tests/lib/documents.h"
#include "tests/lib/jobs.h"
#include "tests/lib/suite.h"

enum { OWNER = 1, BANK1 = 2, BANK2 = 4, NOW = TALLY_TEST_ISSUED + 100 };

static struct tally_federation fed;
static struct tally_place place;
static json_t *job_json;
static uint8_t own_key[32];

/* bank-1's own folder; its document key is a new one, and the document lists it. */
static void setup(void)
{
    json_t *j = tally_test_federation(3);
    char key[TALLY_BASE64_SIZE(32)];

    place = (struct tally_place){.store.mode = TALLY_MODE_TEST, .store.org = "bank-1"};
    (void)snprintf(place.store.dir, sizeof place.store.dir, "%s", tally_test_dir());
    (void)snprintf(place.document_key, sizeof place.document_key, "%s/document.key",
                   place.store.dir);
    ck_assert_int_eq(
        tally_key_make(place.document_key, TALLY_KEY_DOCUMENT, TALLY_MODE_TEST, own_key), TALLY_OK);
    tally_base64(TALLY_SLICE(own_key), key);
    json_object_set_new(json_array_get(json_object_get(j, "parties"), 1), "document_key",
                        json_string(key));
    char *text = tally_test_payload(j);
    ck_assert_int_eq(tally_federation_decode("application/vnd.tally.federation-test+json",
                                             tally_slice_str(text), &fed),
                     TALLY_OK);
    free(text);
    json_decref(j);
    job_json = tally_test_job(fed.id, 3, TALLY_TEST_ISSUED);
}

static void teardown(void)
{
    json_decref(job_json);
}

START_TEST(an_offered_job_is_kept_signed_and_read_back)
{
    struct tally_dsse d = tally_test_envelope("job", TALLY_MODE_TEST, job_json, OWNER), back = {0};
    struct tally_job job = {0};

    ck_assert_int_eq(tally_grant_sign(&place, d.digest, &fed, NULL, NOW), TALLY_E_STATE);
    ck_assert_msg(tally_grant_offer(&place, &d, &fed, NULL, NOW) == TALLY_OK, "%s", tally_why());
    ck_assert_int_ne(tally_grant_read(&place, d.digest, &fed, NULL, NOW, &back, &job), TALLY_OK);
    ck_assert_msg(tally_grant_sign(&place, d.digest, &fed, NULL, NOW) == TALLY_OK, "%s",
                  tally_why());
    ck_assert_int_eq(tally_grant_read(&place, d.digest, &fed, NULL, NOW, &back, &job), TALLY_OK);
    ck_assert(tally_dsse_signed_by(&back, own_key));
    ck_assert_mem_eq(back.digest, d.digest, 32);
    ck_assert_str_eq(job.name, "cards");
    tally_job_free(&job);
    tally_dsse_free(&back);
    tally_dsse_free(&d);
}
END_TEST

START_TEST(a_job_without_the_owner_or_without_us_is_not_kept)
{
    struct tally_dsse d = tally_test_envelope("job", TALLY_MODE_TEST, job_json, BANK2);

    ck_assert_int_eq(tally_grant_offer(&place, &d, &fed, NULL, NOW), TALLY_E_AUTH);
    tally_dsse_free(&d);
    json_array_remove(json_object_get(job_json, "participants"), 0);
    d = tally_test_envelope("job", TALLY_MODE_TEST, job_json, OWNER);
    ck_assert_int_eq(tally_grant_offer(&place, &d, &fed, NULL, NOW), TALLY_E_UNTRUSTED);
    ck_assert_str_eq(tally_why_text(), "bank-1 is no participant of the job");
    tally_dsse_free(&d);
}
END_TEST

START_TEST(a_grant_without_our_signature_or_of_another_job_is_no_grant)
{
    struct tally_dsse d = tally_test_envelope("job", TALLY_MODE_TEST, job_json, OWNER | BANK2);
    struct tally_dsse back = {0};
    struct tally_job job = {0};
    char path[TALLY_FEDSTORE_PATH_MAX];
    uint8_t other[32] = {9};

    ck_assert_int_eq(tally_grant_offer(&place, &d, &fed, NULL, NOW), TALLY_OK);
    ck_assert_int_eq(tally_grant_sign(&place, d.digest, &fed, NULL, NOW), TALLY_OK);
    tally_job_path(&place, "grants", d.digest, path);
    ck_assert_int_eq(tally_envelope_write(path, &d), TALLY_OK); /* as the host could put it */
    ck_assert_int_eq(tally_grant_read(&place, d.digest, &fed, NULL, NOW, &back, &job),
                     TALLY_E_AUTH);
    tally_dsse_free(&back);
    tally_job_path(&place, "grants", other, path);
    ck_assert_int_eq(tally_envelope_write(path, &d), TALLY_OK);
    ck_assert_int_eq(tally_grant_read(&place, other, &fed, NULL, NOW, &back, &job),
                     TALLY_E_UNTRUSTED);
    tally_dsse_free(&back);
    tally_job_path(&place, "jobs", other, path);
    ck_assert_int_eq(tally_envelope_write(path, &d), TALLY_OK);
    ck_assert_int_eq(tally_grant_sign(&place, other, &fed, NULL, NOW), TALLY_E_UNTRUSTED);
    tally_dsse_free(&d);
}
END_TEST

START_TEST(a_key_that_the_document_does_not_list_grants_nothing)
{
    struct tally_dsse d = tally_test_envelope("job", TALLY_MODE_TEST, job_json, OWNER);
    char path[TALLY_FEDSTORE_PATH_MAX];

    ck_assert_int_eq(tally_grant_offer(&place, &d, &fed, NULL, NOW), TALLY_OK);
    fed.parties[1].document_key[0] ^= 1;
    ck_assert_int_eq(tally_grant_sign(&place, d.digest, &fed, NULL, NOW), TALLY_E_UNTRUSTED);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_IDENTITY);
    tally_job_path(&place, "grants", d.digest, path);
    ck_assert(!tally_file_exists(path));
    tally_dsse_free(&d);
}
END_TEST

static void write_conf(const char *text)
{
    char path[TALLY_FEDSTORE_PATH_MAX + 16];

    (void)snprintf(path, sizeof path, "%s/" TALLY_AGENT_CONF_FILE, place.store.dir);
    ck_assert_int_eq(tally_file_write(path, tally_slice_str(text), TALLY_FILE_MODE_PUBLIC),
                     TALLY_OK);
}

START_TEST(grants_are_automatic_in_test_mode_only)
{
    struct tally_agent_conf c;
    struct tally_place p;

    write_conf("org: bank-1\ngrants: auto\n");
    ck_assert_int_eq(tally_agent_conf_load(place.store.dir, &c), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why_text(), "grants: expected manual"));
    write_conf("org: bank-1\nmode: test\ngrants: auto\n");
    ck_assert_int_eq(tally_agent_conf_load(place.store.dir, &c), TALLY_OK);
    write_conf("org: bank-1\n");
    ck_assert_int_eq(tally_agent_conf_load(place.store.dir, &c), TALLY_OK);
    ck_assert_str_eq(c.mode, "production"); /* where nothing is said */
    ck_assert_str_eq(c.grants, "manual");
    tally_agent_place_of(&c, &p);
    ck_assert_int_eq(p.store.mode, TALLY_MODE_PRODUCTION);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("grant");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_offered_job_is_kept_signed_and_read_back);
    tcase_add_test(t, a_job_without_the_owner_or_without_us_is_not_kept);
    tcase_add_test(t, a_grant_without_our_signature_or_of_another_job_is_no_grant);
    tcase_add_test(t, a_key_that_the_document_does_not_list_grants_nothing);
    tcase_add_test(t, grants_are_automatic_in_test_mode_only);
    return tally_suite_run("agent/grant", t);
}
