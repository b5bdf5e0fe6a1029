/* test_prep.c - common/prep.c, common/prepjson.c: features from a row, and the same from a model's
 * metadata, to the bit. */
#include <math.h>
#include <stdio.h>

#include "common/prep.h"
#include "tests/common/schema_for_tests.h"
#include "tests/lib/suite.h"

static void near(float got, float want)
{
    ck_assert_msg(fabsf(got - want) < 1e-6F, "%f, not %f", (double)got, (double)want);
}

static const uint8_t job[32] = {7, 7, 7};

/* Two sites; channel: "atm" at both often, "rare" at both seldom, "own" at one site alone. */
static void fill(struct tally_moments *m, const struct tally_schema *s, int site)
{
    ck_assert_int_eq(tally_moments_init(s, m), TALLY_OK);
    m->rows = 100, m->positives = 10, m->weight = 100, m->positive_weight = 10, m->sites = 1;
    for (int i = 0; i < 100; i++) tally_moments_add(&m->columns[0], (i % 10) * 0.1 + site);
    for (int i = 0; i < 50; i++) tally_moments_add(&m->columns[1], 33);
    struct tally_column_moments *c = &m->columns[2];
    c->n = 100;
    c->values = calloc(4, sizeof *c->values);
    c->values[c->values_n++] = (struct tally_value_count){"atm", 30, 1};
    if (site == 1) c->values[c->values_n++] = (struct tally_value_count){"own", 40, 1};
    c->values[c->values_n++] = (struct tally_value_count){"rare", 9, 1};
    c->values[c->values_n++] = (struct tally_value_count){"web", 10, 1};
}

static void make(const struct tally_schema *s, int sites, struct tally_prep *p)
{
    struct tally_moments all;

    ck_assert_int_eq(tally_moments_init(s, &all), TALLY_OK);
    for (int i = 0; i < sites; i++) {
        struct tally_moments m;
        fill(&m, s, i);
        ck_assert_int_eq(tally_moments_merge(&all, &m), TALLY_OK);
        tally_moments_free(&m);
    }
    ck_assert_int_eq(tally_prep_make(s, &all, job, p), TALLY_OK);
    tally_moments_free(&all);
}

START_TEST(values_need_rows_and_sites)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    TALLY_CLEANUP(tally_prep_free) struct tally_prep p = {0};
    char name[TALLY_FEATURE_NAME_MAX + 1];
    static const char *const names[] = {"amount",      "age",         "age missing",
                                        "channel=atm", "channel=web", "channel other",
                                        "country=DE",  "country=FR",  "country other"};

    make(&s, 2, &p);
    ck_assert_uint_eq(p.features, sizeof names / sizeof *names);
    for (uint32_t i = 0; i < p.features; i++) {
        tally_prep_feature_name(&p, i, name);
        ck_assert_str_eq(name, names[i]);
    }
    ck_assert_double_eq_tol(p.prior, 0.1, 1e-12);
    ck_assert_double_eq_tol(p.columns[0].mean, 0.95, 1e-12);
    ck_assert_double_eq_tol(p.columns[1].sd, 1, 1e-12);
    tally_prep_free(&p);
    make(&s, 1, &p); /* one site alone: its own frequent values */
    ck_assert_uint_eq(p.columns[2].values_n, 1);
}
END_TEST

START_TEST(a_row_becomes_its_features)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    TALLY_CLEANUP(tally_prep_free) struct tally_prep p = {0};
    float x[9];
    struct tally_prep_value row[] = {{.number = 1e90},
                                     {.missing = true},
                                     {.text = tally_slice_str("web")},
                                     {.text = tally_slice_str("DE")}};
    static const float want[] = {8, 0, 1, 0, 1, 0, 1, 0, 0};

    make(&s, 2, &p);
    tally_prep_row(&p, row, x);
    for (int i = 0; i < 9; i++) near(x[i], want[i]);
    row[0].number = expm1(p.columns[0].mean + p.columns[0].sd);
    row[1] = (struct tally_prep_value){.number = 35};
    row[2] = (struct tally_prep_value){.missing = true};
    row[3].text = tally_slice_str("D");
    static const float second[] = {1, 2, 0, 0, 0, 1, 0, 0, 1};
    tally_prep_row(&p, row, x);
    for (int i = 0; i < 9; i++) near(x[i], second[i]);
}
END_TEST

START_TEST(a_missing_number_follows_its_rule)
{
    struct tally_prep_column c = {.kind = TALLY_COLUMN_NUMERIC, .mean = 10, .sd = 5};
    float x[2] = {-1, -1};

    c.missing = TALLY_MISSING_MEAN;
    tally_prep_number(&c, true, (double)NAN, x);
    near(x[0], 0);
    near(x[1], -1);
    c.missing = TALLY_MISSING_ZERO;
    tally_prep_number(&c, true, (double)NAN, x);
    near(x[0], -2);
    c.missing = TALLY_MISSING_OWN;
    tally_prep_number(&c, true, (double)NAN, x);
    near(x[0], 0);
    near(x[1], 1);
    tally_prep_number(&c, false, 15, x);
    near(x[0], 1);
    near(x[1], 0);
}
END_TEST

START_TEST(hashing_is_keyed_by_the_job_and_spreads)
{
    uint8_t key[TALLY_PREP_KEY_BYTES], other[TALLY_PREP_KEY_BYTES];
    const uint8_t job2[32] = {8};
    unsigned seen[16] = {0}, differ = 0;
    char text[16];

    tally_prep_key(job, key);
    tally_prep_key(job2, other);
    for (unsigned i = 0; i < 1600; i++) {
        (void)snprintf(text, sizeof text, "m%u", i);
        uint32_t b = tally_prep_bucket(key, tally_slice_str(text), 16);
        ck_assert_uint_lt(b, 16);
        seen[b]++;
        differ += b != tally_prep_bucket(other, tally_slice_str(text), 16);
    }
    for (int i = 0; i < 16; i++) ck_assert(seen[i] > 50 && seen[i] < 160);
    ck_assert_uint_gt(differ, 1300);
}
END_TEST

START_TEST(json_brings_back_every_bit)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    TALLY_CLEANUP(tally_prep_free) struct tally_prep p = {0};
    TALLY_CLEANUP(tally_prep_free) struct tally_prep q = {0};
    static const double hard[] = {0.1,
                                  -1.0 / 3,
                                  4.9406564584124654e-324,
                                  1e100,
                                  -0.0,
                                  3,
                                  1e22,
                                  2.2250738585072014e-308,
                                  123456789.123456789};
    char *text = NULL;

    columns[2].hash_buckets = 5;
    make(&s, 2, &p);
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
        p.columns[0].mean = hard[i];
        p.columns[0].sd = fabs(hard[i]) > 0 ? fabs(hard[i]) : 1;
        ck_assert_int_eq(tally_prep_write(&p, &text), TALLY_OK);
        ck_assert_msg(tally_prep_parse(tally_slice_str(text), &q) == TALLY_OK, "%s: %s",
                      tally_why(), text);
        ck_assert_mem_eq(&p.columns[0].mean, &q.columns[0].mean, sizeof(double));
        ck_assert_mem_eq(&p.columns[0].sd, &q.columns[0].sd, sizeof(double));
        ck_assert_mem_eq(&p.prior, &q.prior, sizeof(double));
        ck_assert_mem_eq(p.key, q.key, sizeof p.key);
        ck_assert_uint_eq(p.features, q.features);
        free(text);
        tally_prep_free(&q);
    }
}
END_TEST

static const struct {
    const char *from, *to, *why;
} changes[] = {
    {"\"type\":\"prep\"",     "\"type\":\"job\"",     "type"                                   },
    {"\"hash\":\"siphash",    "\"hash\":\"xxhash",    "hash"                                   },
    {"\"job\":\"07",          "\"job\":\"08",         "key_id: is not the key"                 },
    {"\"prior\":",            "\"prior\":-",          "prior: is -"                            },
    {"\"prior\":",            "\"x\":1,\"prior\":",   "unknown key \"x\""                      },
    {"\"sd\":1.0",            "\"sd\":0.0",           "columns[1].sd: is 0"                    },
    {"\"sd\":1.0",            "\"sd\":1e300",         "columns[1].sd"                          },
    {"\"sd\":1.0",            "\"sd\":1",             "expected a decimal"                     },
    {"\"mean\":33.0",         "\"mean\":1e999",       "not JSON"                               },
    {"\"log1p\"",             "\"log\"",              "columns[0].transform"                   },
    {"\"atm\",\"web\"",       "\"web\",\"atm\"",      "columns[2].values[1]: expected above"   },
    {"\"atm\",\"web\"",       "\"atm\",\"atm\"",      "columns[2].values[1]: expected above"   },
    {"\"name\":\"age\"",      "\"name\":\"amount\"",  "columns[1].name: names \"amount\" again"},
    {"\"kind\":\"category\"", "\"kind\":\"numeric\"", "columns[2]"                             },
};

START_TEST(changed_json_is_refused_with_its_place)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    TALLY_CLEANUP(tally_prep_free) struct tally_prep p = {0};
    struct tally_prep q = {0};
    char *text = NULL, changed[4096];

    make(&s, 2, &p);
    ck_assert_int_eq(tally_prep_write(&p, &text), TALLY_OK);
    const char *at = strstr(text, changes[_i].from);
    ck_assert_msg(at != NULL, "%s", text);
    (void)snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, changes[_i].to,
                   at + strlen(changes[_i].from));
    ck_assert_int_eq(tally_prep_parse(tally_slice_str(changed), &q), TALLY_E_CONFIG);
    ck_assert_msg(strstr(tally_why(), changes[_i].why) != NULL, "%s", tally_why());
    for (size_t n = 0; n < strlen(text); n++)
        ck_assert_int_eq(tally_prep_parse(tally_slice_of(text, n), &q), TALLY_E_CONFIG);
    free(text);
}
END_TEST

START_TEST(no_rows_and_too_many_features_make_no_preprocessing)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    struct tally_moments m;
    struct tally_prep p = {0};

    ck_assert_int_eq(tally_moments_init(&s, &m), TALLY_OK);
    ck_assert_int_eq(tally_prep_make(&s, &m, job, &p), TALLY_E_CONFIG);
    m.rows = 1, m.weight = 1;
    ck_assert_int_eq(tally_prep_make(&s, &m, job, &p), TALLY_OK);
    ck_assert_double_eq_tol(p.prior, TALLY_PREP_PRIOR_MIN, 1e-12);
    tally_prep_free(&p);
    columns[2].hash_buckets = TALLY_HASH_BUCKETS_MAX;
    ck_assert_int_eq(tally_prep_make(&s, &m, job, &p), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why(), "channel"));
    tally_moments_free(&m);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("prep");

    tcase_add_test(t, values_need_rows_and_sites);
    tcase_add_test(t, a_row_becomes_its_features);
    tcase_add_test(t, a_missing_number_follows_its_rule);
    tcase_add_test(t, hashing_is_keyed_by_the_job_and_spreads);
    tcase_add_test(t, json_brings_back_every_bit);
    tcase_add_loop_test(t, changed_json_is_refused_with_its_place, 0,
                        sizeof changes / sizeof *changes);
    tcase_add_test(t, no_rows_and_too_many_features_make_no_preprocessing);
    return tally_suite_run("prep", t);
}
