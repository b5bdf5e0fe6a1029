/* test_moments.c - common/moments.c: Welford and Chan against exact values
 * (vectors/prep/welford_chan.json, 50-digit arithmetic), and payloads that lie. */
#include <math.h>
#include <stdio.h>

#include "common/moments.h"
#include "tests/common/schema_for_tests.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static double real(const json_t *j, const char *key)
{
    return json_number_value(json_object_get(j, key));
}

static void near(double got, double want, double relative)
{
    ck_assert_msg(fabs(got - want) <= relative * fabs(want) + 1e-300, "%.17g, not %.17g", got,
                  want);
}

START_TEST(welford_and_chan_agree_with_the_exact_values)
{
    json_t *j = tally_vectors_json("vectors/prep/welford_chan.json");
    const json_t *cases = json_object_get(j, "cases");
    struct tally_column column = {.name = "x", .kind = TALLY_COLUMN_NUMERIC};
    struct tally_schema s = {.columns = &column, .columns_n = 1};

    ck_assert_uint_gt(json_array_size(cases), 3);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i), *sites = json_object_get(c, "sites");
        struct tally_moments all;
        ck_assert_int_eq(tally_moments_init(&s, &all), TALLY_OK);
        for (size_t k = 0; k < json_array_size(sites); k++) {
            const json_t *rows = json_array_get(sites, k);
            const json_t *want = json_array_get(json_object_get(c, "per_site"), k);
            struct tally_moments m;
            ck_assert_int_eq(tally_moments_init(&s, &m), TALLY_OK);
            m.sites = 1;
            for (size_t r = 0; r < json_array_size(rows); r++)
                tally_moments_add(&m.columns[0], json_number_value(json_array_get(rows, r)));
            near(m.columns[0].mean, real(want, "mean"), 1e-12);
            near(m.columns[0].m2, real(want, "M2"), 1e-12);
            ck_assert_int_eq(tally_moments_merge(&all, &m), TALLY_OK);
            tally_moments_free(&m);
        }
        const json_t *merged = json_object_get(c, "merged");
        ck_assert_uint_eq(all.columns[0].n,
                          (uint64_t)json_integer_value(json_object_get(merged, "n")));
        ck_assert_uint_eq(all.sites, json_array_size(sites));
        near(all.columns[0].mean, real(merged, "mean"), 1e-12);
        near(all.columns[0].m2, real(merged, "M2"), 1e-12);
        tally_moments_free(&all);
    }
    json_decref(j);
}
END_TEST

/* 100 rows, 9 positives, two values of channel. */
static struct tally_moments sample(const struct tally_schema *s)
{
    struct tally_moments m;

    ck_assert_int_eq(tally_moments_init(s, &m), TALLY_OK);
    m.rows = 100, m.positives = 9, m.weight = 150.5, m.positive_weight = 12.25, m.sites = 1;
    for (int i = 0; i < 90; i++) tally_moments_add(&m.columns[0], i * 0.37 - 5);
    tally_moments_add(&m.columns[1], 41.5);
    m.columns[2].n = 97;
    m.columns[2].values = calloc(2, sizeof *m.columns[2].values);
    m.columns[2].values_n = 2;
    m.columns[2].values[0] = (struct tally_value_count){"atm", 10, 1};
    m.columns[2].values[1] = (struct tally_value_count){"web \xe2\x82\xac", 60, 1};
    return m;
}

struct payload {
    uint8_t *bytes;
    size_t len;
};

static struct payload encoded(const struct tally_schema *s)
{
    struct tally_moments m = sample(s);
    struct payload p = {0};

    ck_assert_int_eq(tally_moments_encode(&m, &p.bytes, &p.len), TALLY_OK);
    tally_moments_free(&m);
    return p;
}

START_TEST(what_is_encoded_comes_back_bit_by_bit)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    struct tally_moments a = sample(&s), b = {0};
    struct payload p = encoded(&s), q = {0};

    ck_assert_int_eq(tally_moments_decode(tally_slice_of(p.bytes, p.len), &s, &b), TALLY_OK);
    ck_assert_uint_eq(b.rows, 100);
    ck_assert_uint_eq(b.positives, 9);
    ck_assert_mem_eq(&b.columns[0].m2, &a.columns[0].m2, sizeof a.columns[0].m2);
    ck_assert_mem_eq(&b.columns[0].mean, &a.columns[0].mean, sizeof a.columns[0].mean);
    ck_assert_str_eq(b.columns[2].values[1].value, "web \xe2\x82\xac");
    ck_assert_uint_eq(b.columns[2].values[1].rows, 60);
    ck_assert_int_eq(tally_moments_encode(&b, &q.bytes, &q.len), TALLY_OK);
    ck_assert_uint_eq(p.len, q.len);
    ck_assert_mem_eq(p.bytes, q.bytes, p.len);
    free(p.bytes);
    free(q.bytes);
    tally_moments_free(&a);
    tally_moments_free(&b);
}
END_TEST

START_TEST(every_prefix_and_every_longer_payload_is_refused)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    struct payload p = encoded(&s);
    struct tally_moments m = {0};

    for (size_t n = 0; n < p.len + 2; n++) {
        if (n == p.len) continue;
        uint8_t *exact = calloc(1, n > 0 ? n : 1);
        memcpy(exact, p.bytes, n < p.len ? n : p.len);
        ck_assert_int_eq(tally_moments_decode(tally_slice_of(exact, n), &s, &m), TALLY_E_WIRE);
        ck_assert_ptr_null(m.columns);
        free(exact);
    }
    free(p.bytes);
}
END_TEST

/* A changed bit is refused or makes another valid payload, never one that encodes otherwise. */
START_TEST(no_two_payloads_decode_to_the_same_moments)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    struct payload p = encoded(&s), q = {0};
    unsigned refused = 0;

    for (size_t bit = 0; bit < p.len * 8; bit++) {
        struct tally_moments m = {0};
        p.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (tally_moments_decode(tally_slice_of(p.bytes, p.len), &s, &m) == TALLY_OK) {
            ck_assert_int_eq(tally_moments_encode(&m, &q.bytes, &q.len), TALLY_OK);
            ck_assert_uint_eq(p.len, q.len);
            ck_assert_mem_eq(p.bytes, q.bytes, p.len);
            free(q.bytes);
        } else {
            refused++;
        }
        tally_moments_free(&m);
        p.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    ck_assert_uint_gt(refused, 100);
    free(p.bytes);
}
END_TEST

static void put_f64(uint8_t *at, double v)
{
    uint64_t bits = 0;

    memcpy(&bits, &v, sizeof bits);
    for (int i = 0; i < 8; i++) at[i] = (uint8_t)(bits >> (56 - 8 * i));
}

static void put_u64(uint8_t *at, uint64_t v)
{
    for (int i = 0; i < 8; i++) at[i] = (uint8_t)(v >> (56 - 8 * i));
}

enum {
    AT_ROWS = 1,
    AT_POSITIVES = 9,
    AT_WEIGHT = 17,
    AT_POSITIVE_WEIGHT = 25,
    AT_COLUMNS = 33,
    AT_FIRST = 37, /* kind, n, mean, mean low, m2 */
    AT_SECOND = 70,
    AT_CHANNEL = 103, /* kind, n, count, then LP "atm" | rows, LP "web ..." | rows */
    AT_ATM = AT_CHANNEL + 13,
    AT_ATM_ROWS = AT_ATM + 4 + 3,
    AT_WEB = AT_ATM_ROWS + 8,
};

static const struct {
    size_t at;
    char how; /* d: f64, u: u64, b: one byte */
    double value;
    const char *field;
} lies[] = {
    {0,                  'b', 2,                "version"                    },
    {AT_ROWS,            'u', 0,                "rows"                       },
    {AT_ROWS,            'u', 8,                "positives"                  },
    {AT_ROWS,            'u', 1e13,             "rows"                       },
    {AT_ROWS,            'u', 89,               "rows with a number"         },
    {AT_POSITIVES,       'u', 101,              "positives"                  },
    {AT_POSITIVES,       'u', 0,                "positive weight"            },
    {AT_WEIGHT,          'd', -1,               "weight"                     },
    {AT_WEIGHT,          'd', 0,                "weight"                     },
    {AT_WEIGHT,          'd', (double)NAN,      "weight"                     },
    {AT_WEIGHT,          'd', 1e300,            "weight"                     },
    {AT_POSITIVE_WEIGHT, 'd', 151,              "positive weight"            },
    {AT_POSITIVE_WEIGHT, 'd', -0.0,             "positive weight"            },
    {AT_COLUMNS + 3,     'b', 5,                "columns"                    },
    {AT_FIRST,           'b', 2,                "kind of column"             },
    {AT_FIRST + 1,       'u', 101,              "rows with a number"         },
    {AT_FIRST + 1,       'u', 0,                "mean"                       },
    {AT_FIRST + 9,       'd', (double)INFINITY, "mean"                       },
    {AT_FIRST + 9,       'd', 1.1e100,          "mean"                       },
    {AT_FIRST + 17,      'd', 1e-3,             "mean low"                   },
    {AT_FIRST + 17,      'd', (double)NAN,      "mean low"                   },
    {AT_FIRST + 25,      'd', -1e-9,            "sum of squared deviations"  },
    {AT_FIRST + 25,      'd', (double)INFINITY, "sum of squared deviations"  },
    {AT_SECOND + 25,     'd', 1,                "sum of squared deviations"  },
    {AT_CHANNEL + 1,     'u', 69,               "rows of the values together"},
    {AT_CHANNEL + 9,     'b', 0xff,             "values"                     },
    {AT_ATM + 3,         'b', 0,                "value"                      },
    {AT_ATM + 4,         'b', 0xff,             "value"                      },
    {AT_ATM + 4,         'b', 'x',              "order of the values"        },
    {AT_ATM_ROWS,        'u', 9,                "rows of a value"            },
    {AT_WEB + 3,         'b', 200,              "value"                      },
};

START_TEST(each_lie_is_refused_by_its_field)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    struct payload p = encoded(&s);
    struct tally_moments m = {0};

    if (lies[_i].how == 'd') put_f64(p.bytes + lies[_i].at, lies[_i].value);
    if (lies[_i].how == 'u') put_u64(p.bytes + lies[_i].at, (uint64_t)lies[_i].value);
    if (lies[_i].how == 'b') p.bytes[lies[_i].at] = (uint8_t)lies[_i].value;
    ck_assert_int_eq(tally_moments_decode(tally_slice_of(p.bytes, p.len), &s, &m), TALLY_E_WIRE);
    ck_assert_msg(strstr(tally_why(), lies[_i].field) != NULL, "%s", tally_why());
    free(p.bytes);
}
END_TEST

START_TEST(values_of_two_sites_are_united_in_order)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    struct tally_moments all, a = sample(&s), b = sample(&s);
    struct tally_value_count *v = b.columns[2].values;

    memcpy(v[1].value, "bank", 5);
    ck_assert_int_eq(tally_moments_init(&s, &all), TALLY_OK);
    ck_assert_int_eq(tally_moments_merge(&all, &a), TALLY_OK);
    ck_assert_int_eq(tally_moments_merge(&all, &b), TALLY_OK);
    ck_assert_uint_eq(all.rows, 200);
    ck_assert_uint_eq(all.sites, 2);
    ck_assert_uint_eq(all.columns[2].values_n, 3);
    ck_assert_str_eq(all.columns[2].values[0].value, "atm");
    ck_assert_uint_eq(all.columns[2].values[0].rows, 20);
    ck_assert_uint_eq(all.columns[2].values[0].sites, 2);
    ck_assert_str_eq(all.columns[2].values[1].value, "bank");
    ck_assert_uint_eq(all.columns[2].values[1].sites, 1);
    ck_assert_uint_eq(all.columns[2].n, 194);
    ck_assert_uint_eq(all.columns[1].n, 2);
    ck_assert_double_eq_tol(all.columns[1].m2, 0, 1e-12);
    all.columns_n--;
    ck_assert_int_eq(tally_moments_merge(&all, &b), TALLY_E_CONFIG);
    all.columns_n++;
    tally_moments_free(&all);
    tally_moments_free(&a);
    tally_moments_free(&b);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("moments");

    tally_vectors_need();
    tcase_add_test(t, welford_and_chan_agree_with_the_exact_values);
    tcase_add_test(t, what_is_encoded_comes_back_bit_by_bit);
    tcase_add_test(t, every_prefix_and_every_longer_payload_is_refused);
    tcase_add_test(t, no_two_payloads_decode_to_the_same_moments);
    tcase_add_loop_test(t, each_lie_is_refused_by_its_field, 0, sizeof lies / sizeof *lies);
    tcase_add_test(t, values_of_two_sites_are_united_in_order);
    return tally_suite_run("moments", t);
}
