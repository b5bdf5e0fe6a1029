/* test_job.c - common/job.c and common/schema.c: the job of DOCUMENTS.md is read to the letter,
 * anything else is refused with its place. */
#include <string.h>

#include "common/hash.h"
#include "common/job.h"
#include "tests/lib/suite.h"

static const char whole[] =
    "{ \"type\": \"job\", \"name\": \"cards-2026\", \"federation\": "
    "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\", "
    "\"federation_version\": 2, \"issued\": 1795000000, \"expires\": 1800000000, "
    "\"participants\": [\"bank-1\", \"bank-2\", \"bank-3\"], \"cohort_min\": 2, "
    "\"share_cap_permille\": 400, \"rounds\": 40, \"round_seconds\": 600, "
    "\"schema\": { \"label\": { \"column\": \"fraud\", \"positive\": \"1\" }, \"time\": \"ts\", "
    "\"weight\": \"w\", \"ignore\": [\"id\"], \"held_out\": { \"by\": \"time\", \"permille\": 300 }, "
    "\"bad_rows\": \"refuse\", \"columns\": [ { \"name\": \"amount\", \"kind\": \"numeric\", "
    "\"missing\": \"mean\", \"transform\": \"log1p\" }, { \"name\": \"country\", \"kind\": "
    "\"category\", \"values\": [\"DE\", \"FR\"] }, { \"name\": \"merchant\", \"kind\": \"category\", "
    "\"hash_buckets\": 64 }, { \"name\": \"channel\", \"kind\": \"category\" }, { \"name\": \"age\", "
    "\"kind\": \"numeric\", \"missing\": \"own\" } ] }, "
    "\"model\": { \"kind\": \"mlp\", \"hidden\": [64, 32] }, "
    "\"training\": { \"rule\": \"fedprox\", \"prox_mu\": 0.01, \"optimizer\": \"adam\", "
    "\"learning_rate\": 0.001, \"batch\": 1024, \"local_epochs\": 1, \"seed\": 77, "
    "\"positive_weight\": 1 }, \"combine\": { \"rule\": \"mean\" } }";

static enum tally_status parse(const char *text, struct tally_job *j)
{
    size_t len = strlen(text);
    char *exact = malloc(len > 0 ? len : 1);

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, text, len);
    enum tally_status s = tally_job_parse(tally_slice_of(exact, len), j);
    free(exact);
    return s;
}

START_TEST(the_example_is_read_field_by_field)
{
    TALLY_CLEANUP(tally_job_free) struct tally_job j = {0};
    uint8_t digest[32];

    ck_assert_int_eq(parse(whole, &j), TALLY_OK);
    TALLY_SHA256_OF(digest, tally_slice_str(whole));
    ck_assert_mem_eq(j.digest, digest, 32);
    ck_assert_str_eq(j.name, "cards-2026");
    ck_assert_uint_eq(j.federation[1], 0x11);
    ck_assert_uint_eq(j.federation_version, 2);
    ck_assert_uint_eq(j.issued_s, 1795000000);
    ck_assert_uint_eq(j.expires_s, 1800000000);
    ck_assert_uint_eq(j.participants_n, 3);
    ck_assert(tally_job_has(&j, "bank-3"));
    ck_assert(!tally_job_has(&j, "bank-4"));
    ck_assert_uint_eq(j.cohort_min, 2);
    ck_assert_uint_eq(j.share_cap_permille, 400);
    ck_assert_uint_eq(j.rounds, 40);
    ck_assert_uint_eq(j.round_seconds, 600);
    ck_assert_int_eq(j.model.kind, TALLY_MODEL_MLP);
    ck_assert_uint_eq(j.model.hidden_n, 2);
    ck_assert_uint_eq(j.model.hidden[1], 32);
    ck_assert_int_eq(j.training.rule, TALLY_TRAINING_FEDPROX);
    ck_assert_double_eq_tol(j.training.prox_mu, 0.01, 1e-15);
    ck_assert_int_eq(j.training.optimizer, TALLY_JOB_ADAM);
    ck_assert_double_eq_tol(j.training.learning_rate, 0.001, 1e-15);
    ck_assert_uint_eq(j.training.batch, 1024);
    ck_assert_uint_eq(j.training.seed, 77);
    ck_assert_int_eq(j.combine, TALLY_COMBINE_MEAN);
    const struct tally_schema *s = &j.schema;
    ck_assert_str_eq(s->label, "fraud");
    ck_assert_str_eq(s->positive, "1");
    ck_assert_str_eq(s->time, "ts");
    ck_assert_str_eq(s->weight, "w");
    ck_assert_str_eq(s->ignore[0], "id");
    ck_assert_int_eq(s->held_out_by, TALLY_HELD_OUT_TIME);
    ck_assert_uint_eq(s->held_out_permille, 300);
    ck_assert_int_eq(s->bad_rows, TALLY_BAD_ROWS_REFUSE);
    ck_assert_uint_eq(s->columns_n, 5);
    ck_assert_int_eq(s->columns[0].transform, TALLY_TRANSFORM_LOG1P);
    ck_assert_str_eq(s->columns[1].values[1], "FR");
    ck_assert_uint_eq(s->columns[2].hash_buckets, 64);
    ck_assert_uint_eq(s->columns[3].values_n + s->columns[3].hash_buckets, 0);
    ck_assert_int_eq(s->columns[4].missing, TALLY_MISSING_OWN);
}
END_TEST

START_TEST(what_is_written_reads_back_and_is_written_the_same)
{
    TALLY_CLEANUP(tally_job_free) struct tally_job a = {0};
    TALLY_CLEANUP(tally_job_free) struct tally_job b = {0};
    char *first = NULL, *second = NULL;

    ck_assert_int_eq(parse(whole, &a), TALLY_OK);
    ck_assert_int_eq(tally_job_write(&a, &first), TALLY_OK);
    ck_assert_msg(parse(first, &b) == TALLY_OK, "%s\n%s", tally_why(), first);
    ck_assert_int_eq(tally_job_write(&b, &second), TALLY_OK);
    ck_assert_str_eq(first, second);
    ck_assert_ptr_nonnull(strstr(first, "\"learning_rate\": 0.001,"));
    ck_assert_mem_eq(&a.training, &b.training, sizeof a.training);
    ck_assert_mem_eq(a.participants, b.participants, sizeof a.participants);
    ck_assert_uint_eq(b.schema.columns_n, 5);
    free(first);
    free(second);
}
END_TEST

/* The whole job with one text put in another's place. */
static const struct {
    const char *from, *to, *why;
} changes[] = {
    {"\"type\": \"job\"",           "\"type\": \"jobs\"",              "type: expected \"job\""                               },
    {"\"type\": \"job\", ",         "",                                "the document: lacks \"type\""                         },
    {"\"rounds\": 40",              "\"rounds\": 40, \"extra\": 1",    "unknown key \"extra\""                                },
    {"\"rounds\": 40",              "\"rounds\": 40, \"rounds\": 40",  "duplicate"                                            },
    {"\"rounds\": 40",              "\"rounds\": 40.0",                "rounds: expected an integer"                          },
    {"\"rounds\": 40",              "\"rounds\": 0",                   "rounds: is 0"                                         },
    {"\"rounds\": 40",              "\"rounds\": 10001",               "rounds: is 10001"                                     },
    {"\"rounds\": 40",              "\"rounds\": -1",                  "rounds: is -1"                                        },
    {"\"cohort_min\": 2",           "\"cohort_min\": 4",               "cohort_min: is 4; expected 1 to 3"                    },
    {"\"bank-2\"",                  "\"bank-1\"",                      "participants[1]: names \"bank-1\" again"              },
    {"\"bank-2\"",                  "\"Bank 2\"",                      "participants[1]: expected a name"                     },
    {"\"expires\": 1800000000",     "\"expires\": 1795000000",         "expires: expected after issued"                       },
    {"eeff\"",                      "eef\"",                           "federation: expected 64"                              },
    {"\"share_cap_permille\": 400", "\"share_cap_permille\": 1001",    "share_cap_permille"                                   },
    {"\"positive\": \"1\"",         "\"positive\": 1",                 "schema.label.positive: expected text"                 },
    {"\"positive\": \"1\"",         "\"positive\": \"\"",              "schema.label.positive: expected text"                 },
    {"\"time\": \"ts\", ",          "",                                "schema.held_out.by"                                   },
    {"\"permille\": 300",           "\"permille\": 901",               "schema.held_out.permille: is 901"                     },
    {"\"permille\": 300",           "\"permille\": 0",                 "schema.held_out.permille: is 0"                       },
    {"\"refuse\"",                  "\"ignore\"",                      "schema.bad_rows: expected one of \"refuse\", \"skip\""},
    {"[\"id\"]",                    "[\"amount\"]",                    "names the column \"amount\" twice"                    },
    {"[\"id\"]",                    "[\"id\", \"id\"]",                "schema.ignore: lists \"id\" twice"                    },
    {"[\"id\"]",                    "[\"fraud\"]",                     "names the column \"fraud\" twice"                     },
    {"\"country\"",                 "\"amount\"",                      "names the column \"amount\" twice"                    },
    {"\"missing\": \"mean\"",       "\"missing\": \"median\"",         "schema.columns[0].missing"                            },
    {"\"missing\": \"mean\", ",     "",                                "schema.columns[0]: lacks \"missing\""                 },
    {"\"log1p\"",                   "\"none\"",                        "schema.columns[0].transform"                          },
    {"[\"DE\", \"FR\"]",            "[\"DE\", \"DE\"]",                "schema.columns[1].values: lists \"DE\" twice"         },
    {"[\"DE\", \"FR\"]",            "[]",                              "schema.columns[1].values: has 0 items"                },
    {"[\"DE\", \"FR\"]",            "[\"DE\", 7]",                     "schema.columns[1].values[1]"                          },
    {"[\"DE\", \"FR\"]",            "[\"DE\"], \"hash_buckets\": 8",   "schema.columns[1]: has values and"                    },
    {"[\"DE\", \"FR\"]",            "[\"DE\"], \"missing\": \"mean\"", "unknown key \"missing\""                              },
    {"\"hash_buckets\": 64",        "\"hash_buckets\": 1",             "schema.columns[2].hash_buckets: is 1"                 },
    {"\"hash_buckets\": 64",        "\"hash_buckets\": 65537",         "schema.columns[2].hash_buckets"                       },
    {"\"kind\": \"numeric\"",       "\"kind\": \"number\"",            "schema.columns[0].kind"                               },
    {"[64, 32]",                    "[]",                              "model.hidden: has 0 items"                            },
    {"[64, 32]",                    "[64, 0]",                         "model.hidden[1]: is 0"                                },
    {"[64, 32]",                    "[1,1,1,1,1,1,1,1,1]",             "model.hidden: has 9 items"                            },
    {"\"mlp\"",                     "\"logistic\"",                    "model.hidden: has 2 items"                            },
    {"\"mlp\"",                     "\"tree\"",                        "model.kind"                                           },
    {"\"fedprox\"",                 "\"fedavg\"",                      "training.prox_mu: expected with rule"                 },
    {"\"prox_mu\": 0.01, ",         "",                                "training.prox_mu: is missing"                         },
    {"0.01",                        "-0.01",                           "training.prox_mu: is -0.01"                           },
    {"0.001",                       "0",                               "training.learning_rate: is 0; expected above 0"       },
    {"0.001",                       "1e400",                           "not JSON"                                             },
    {"0.001",                       "\"fast\"",                        "training.learning_rate: expected a number"            },
    {"\"seed\": 77",                "\"seed\": -1",                    "training.seed"                                        },
    {"\"positive_weight\": 1 ",     "\"positive_weight\": 0 ",         "training.positive_weight"                             },
    {"\"batch\": 1024",             "\"batch\": 0.5",                  "training.batch: expected an integer"                  },
    {"\"rule\": \"mean\"",          "\"rule\": \"median\"",            "combine.rule"                                         },
    {"\"mean\" } }",                "\"mean\" } } x",                  "not JSON"                                             },
};

START_TEST(each_change_is_refused_with_its_place)
{
    const char *at = strstr(whole, changes[_i].from);
    char text[4096];
    struct tally_job j = {0};

    ck_assert_ptr_nonnull(at);
    int n = snprintf(text, sizeof text, "%.*s%s%s", (int)(at - whole), whole, changes[_i].to,
                     at + strlen(changes[_i].from));
    ck_assert(n > 0 && (size_t)n < sizeof text);
    ck_assert_int_eq(parse(text, &j), TALLY_E_CONFIG);
    ck_assert_msg(strstr(tally_why(), changes[_i].why) != NULL, "%s", tally_why());
    ck_assert_ptr_null(j.schema.columns);
}
END_TEST

START_TEST(every_prefix_is_refused)
{
    char text[sizeof whole];
    struct tally_job j = {0};

    for (size_t n = 0; n + 1 < sizeof whole; n++) {
        memcpy(text, whole, n);
        text[n] = '\0';
        ck_assert_int_eq(parse(text, &j), TALLY_E_CONFIG);
    }
}
END_TEST

START_TEST(a_logistic_model_needs_no_layers)
{
    static const char from[] = "\"mlp\", \"hidden\": [64, 32]";
    const char *at = strstr(whole, from);
    TALLY_CLEANUP(tally_job_free) struct tally_job j = {0};
    char text[4096], *written = NULL;

    (void)snprintf(text, sizeof text, "%.*s\"logistic\"%s", (int)(at - whole), whole,
                   at + sizeof from - 1);
    ck_assert_int_eq(parse(text, &j), TALLY_OK);
    ck_assert_uint_eq(j.model.hidden_n, 0);
    ck_assert_int_eq(tally_job_write(&j, &written), TALLY_OK);
    tally_job_free(&j);
    ck_assert_int_eq(parse(written, &j), TALLY_OK);
    ck_assert_int_eq(j.model.kind, TALLY_MODEL_LOGISTIC);
    free(written);
}
END_TEST

START_TEST(a_copy_of_a_schema_owns_its_lists)
{
    struct tally_job j = {0};
    struct tally_schema copy = {0};

    ck_assert_int_eq(parse(whole, &j), TALLY_OK);
    ck_assert_int_eq(tally_schema_copy(&j.schema, &copy), TALLY_OK);
    tally_job_free(&j);
    ck_assert_str_eq(copy.columns[1].values[0], "DE");
    ck_assert_str_eq(copy.ignore[0], "id");
    tally_schema_free(&copy);
    tally_schema_free(&copy);
}
END_TEST

START_TEST(transforms_are_odd_and_finite)
{
    const double big = TALLY_CELL_NUMBER_ABS_MAX;

    for (int t = TALLY_TRANSFORM_NONE; t <= TALLY_TRANSFORM_ASINH; t++) {
        double up = tally_transform((enum tally_transform)t, big);
        double down = tally_transform((enum tally_transform)t, -big);
        ck_assert(up > 0 && up <= big);
        ck_assert_double_eq_tol(up + down, 0, 1e-9);
    }
    ck_assert_double_eq_tol(tally_transform(TALLY_TRANSFORM_LOG1P, -1), -0.6931471805599453, 1e-15);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("job");

    tcase_add_test(t, the_example_is_read_field_by_field);
    tcase_add_test(t, what_is_written_reads_back_and_is_written_the_same);
    tcase_add_loop_test(t, each_change_is_refused_with_its_place, 0,
                        sizeof changes / sizeof *changes);
    tcase_add_test(t, every_prefix_is_refused);
    tcase_add_test(t, a_logistic_model_needs_no_layers);
    tcase_add_test(t, a_copy_of_a_schema_owns_its_lists);
    tcase_add_test(t, transforms_are_odd_and_finite);
    return tally_suite_run("job", t);
}
