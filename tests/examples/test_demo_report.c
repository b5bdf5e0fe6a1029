/* test_demo_report.c - examples/aml/demo_report.c: the object, the table and the check. */
#include "examples/aml/demo_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/suite.h"

static struct tally_demo *demo;
static struct tally_demo_outcome *outcome;

static const char good[] =
    "{\"nodes\":[{\"agent\":\"bank-1/agent-1\",\"reason\":\"\",\"why\":\"\"},"
    "{\"agent\":\"bank-2/agent-1\",\"reason\":\"\",\"why\":\"\"},"
    "{\"agent\":\"bank-2/agent-2\",\"reason\":\"E_MEASUREMENT\",\"why\":\"another program\"}],"
    "\"jobs\":[{\"done\":true,\"stopped\":\"\",\"history\":[{\"round\":0,\"kind\":\"moments\","
    "\"outcome\":\"version\",\"seconds\":0.25,\"accepted\":[\"bank-1/agent-1\"],\"excluded\":[{"
    "\"agent\":\"bank-2/agent-2\",\"reason\":\"E_MEASUREMENT\"}],\"absent\":[],\"base\":null}]}]}";

static void setup(void)
{
    demo = calloc(1, sizeof *demo);
    outcome = calloc(1, sizeof *outcome);
    demo->banks_n = 2;
    demo->options.seed = 9;
    (void)snprintf(demo->bank[0].name, sizeof demo->bank[0].name, "bank-1");
    (void)snprintf(demo->bank[1].name, sizeof demo->bank[1].name, "bank-2");
    (void)snprintf(demo->root, sizeof demo->root, "/kept");
    outcome->status = json_loads(good, 0, NULL);
    outcome->judgement.banks_n = 2;
    for (uint32_t b = 0; b < 2; b++) {
        struct tally_demo_bank *k = &outcome->judgement.bank[b];
        *k = (struct tally_demo_bank){.train = 70, .test = 30, .test_positives = 3};
        for (uint32_t m = 0; m < TALLY_DEMO_MODELS; m++)
            k->of[m] = (struct tally_demo_scores){0.1 * (m + 1), 0.5 + 0.1 * m, 0.25};
    }
    memcpy(outcome->judgement.mean, outcome->judgement.bank[0].of, sizeof outcome->judgement.mean);
    memset(outcome->digest, 'a', 64);
    outcome->round = 3;
    (void)snprintf(outcome->file, sizeof outcome->file, "/kept/model.safetensors");
    outcome->seconds = 1.5;
}

static void teardown(void)
{
    tally_demo_outcome_free(outcome);
    free(outcome);
    free(demo);
}

static void same(const json_t *j, const char *expected)
{
    json_t *e = json_loads(expected, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(e);
    ck_assert_msg(json_equal(j, e), "not %s", expected);
    json_decref(e);
}

START_TEST(the_object_has_every_field)
{
    outcome->judgement.lacking.positives = 12;
    outcome->judgement.lacking.recall[TALLY_DEMO_FEDERATED] = 0.5;
    json_t *j = tally_demo_report_json(demo, outcome);

    ck_assert_uint_eq(json_object_size(j), 8);
    same(json_object_get(j, "lacking"),
         "{\"positives\":12,\"alone\":0.0,\"federated\":0.5,\"pooled\":0.0}");
    same(json_object_get(j, "refused"),
         "[{\"agent\":\"bank-2/agent-2\",\"bank\":\"bank-2\",\"reason\":\"E_MEASUREMENT\",\"why\":"
         "\"another program\"}]");
    same(json_object_get(j, "rounds"),
         "[{\"round\":0,\"accepted\":[\"bank-1/agent-1\"],\"excluded\":[{\"agent\":"
         "\"bank-2/agent-2\",\"reason\":\"E_MEASUREMENT\"}],\"seconds\":0.25}]");
    same(json_object_get(json_object_get(j, "version"), "round"), "3");
    same(json_object_get(j, "seed"), "9");
    same(json_object_get(j, "seconds"), "1.5");
    const json_t *bank = json_array_get(json_object_get(j, "banks"), 1);
    same(json_object_get(bank, "name"), "\"bank-2\"");
    same(json_object_get(bank, "rows"), "{\"train\":70,\"test\":30,\"test_positives\":3}");
    same(json_object_get(bank, "alone"),
         "{\"auc_pr\":0.1,\"roc_auc\":0.5,\"recall_at_1pct_fpr\":0.25}");
    ck_assert_uint_eq(json_object_size(json_object_get(j, "mean")), 3);
    json_decref(j);
}
END_TEST

START_TEST(what_is_not_known_is_null)
{
    outcome->judgement.bank[0].of[0] = (struct tally_demo_scores){(double)NAN, 0, 0};
    json_t *j = tally_demo_report_json(demo, outcome);

    ck_assert_ptr_nonnull(j);
    ck_assert(json_is_null(json_object_get(j, "lacking")));
    ck_assert(
        json_is_null(json_object_get(json_array_get(json_object_get(j, "banks"), 0), "alone")));
    json_decref(j);
}
END_TEST

START_TEST(the_table_names_banks_digest_and_files)
{
    static const char *const words[] = {"bank-1 ",        "bank-2 ",
                                        "mean ",          "federated",
                                        "0.1000",         "E_MEASUREMENT: another program",
                                        "aaaa (round 3)", "/kept/model.safetensors",
                                        "job.json"};
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    tally_demo_report_print(demo, outcome, f);
    (void)fclose(f);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        ck_assert_msg(strstr(text, words[i]) != NULL, "%s is missing", words[i]);
    free(text);
}
END_TEST

/* The good status with one text replaced, and what the check says. */
static void refuse(const char *from, const char *to, const char *why)
{
    char text[sizeof good + 64];
    const char *at = strstr(good, from);

    ck_assert_ptr_nonnull(at);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    json_t *j = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(j);
    ck_assert_int_eq(tally_demo_report_check(demo, j), TALLY_E_STATE);
    ck_assert_msg(strstr(tally_why(), why) != NULL, "%s", tally_why());
    json_decref(j);
}

START_TEST(only_a_run_as_promised_passes)
{
    ck_assert_int_eq(tally_demo_report_check(demo, outcome->status), TALLY_OK);
    refuse("\"outcome\":\"version\"", "\"outcome\":\"abort\"", "round 0 was aborted");
    refuse("\"done\":true,\"stopped\":\"\"", "\"done\":false,\"stopped\":\"it expired\"",
           "it expired");
    refuse("\"reason\":\"E_MEASUREMENT\",\"why\"", "\"reason\":\"\",\"why\"", "was not refused");
    refuse("\"reason\":\"E_MEASUREMENT\",\"why\"", "\"reason\":\"E_CHIP\",\"why\"",
           "was not refused");
    refuse("\"reason\":\"\"", "\"reason\":\"E_UPDATE\"", "bank-1/agent-1 was refused: E_UPDATE");
}
END_TEST

START_TEST(batches_fit_the_tables)
{
    ck_assert_uint_eq(tally_demo_batch(0), 32);
    ck_assert_uint_eq(tally_demo_batch(1023), 32);
    ck_assert_uint_eq(tally_demo_batch(1024), 64);
    ck_assert_uint_eq(tally_demo_batch(4200), 256);
    ck_assert_uint_eq(tally_demo_batch(UINT64_C(1) << 40), 1024);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("demo_report");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_object_has_every_field);
    tcase_add_test(t, what_is_not_known_is_null);
    tcase_add_test(t, the_table_names_banks_digest_and_files);
    tcase_add_test(t, only_a_run_as_promised_passes);
    tcase_add_test(t, batches_fit_the_tables);
    return tally_suite_run("demo_report", t);
}
