/* test_dataset.c - agent/dataset.c, agent/design.c: a bank's table by the job's schema. */
#include "agent/dataset.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/common/schema_for_tests.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static const uint8_t job[32] = {1, 2, 3};
static struct tally_points points;

static enum tally_status load(const char *text, const struct tally_schema *s,
                              struct tally_dataset *d)
{
    size_t len = strlen(text);
    char *exact = malloc(len);
    struct tally_csv *csv = NULL;

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, text, len);
    ck_assert_int_eq(tally_csv_over(tally_slice_of(exact, len), "t.csv", &csv), TALLY_OK);
    enum tally_status status = tally_dataset_read(csv, s, job, &points, d);
    tally_csv_close(&csv);
    free(exact);
    return status;
}

/* n good rows of the test schema, in the order of `order`: 0 up, 1 down. */
static char *rows(unsigned n, int order)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    (void)fputs("amount,age,channel,country,fraud\n", f);
    for (unsigned k = 0; k < n; k++) {
        unsigned i = order ? n - 1 - k : k;
        (void)fprintf(f, "%u.25,%s,%s,%s,%d\n", i, i % 5 ? "40" : "", i % 3 ? "web" : "atm",
                      i % 4 ? "DE" : "XX", i % 10 == 0);
    }
    (void)fclose(f);
    return text;
}

START_TEST(a_messy_table_reads_as_meant)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    TALLY_CLEANUP(tally_dataset_free) struct tally_dataset d = {0};
    static const char text[] = "\xef\xbb\xbf\"fraud\";amount; age ;\"channel\";country\r\n"
                               "1.0;000000000012,95;;\"A \"\"T\"\" M\";DE\r\n"
                               "01;\" 7 \";NULL; web ;\"FR\"\r\n"
                               "0;-1,5e1;33;n/a;GB\r\n"
                               "no;1;+2,0;web;\r\n";
    static const double amounts[] = {12.95, 7, -15, 1};

    s.held_out_permille = 1;
    ck_assert_msg(load(text, &s, &d) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(d.rows, 4);
    ck_assert_uint_eq(d.positives, 2);
    for (int i = 0; i < 4; i++) ck_assert_double_eq_tol(d.series[0].number[i], amounts[i], 1e-12);
    ck_assert(isnan(d.series[1].number[0]) && isnan(d.series[1].number[1]));
    ck_assert_uint_eq(d.series[2].code[0], 1);
    ck_assert_uint_eq(d.series[2].code[1], 2);
    ck_assert_uint_eq(d.series[2].code[2], 0);
    ck_assert_uint_eq(d.series[2].code[3], 2);
    ck_assert_uint_eq(d.series[3].code[0], 2); /* listed as FR, DE */
    ck_assert_uint_eq(d.series[3].code[1], 1);
    ck_assert_uint_eq(d.series[3].code[2] + d.series[3].code[3], 0);
}
END_TEST

static const struct {
    const char *row, *why;
} bad_rows[] = {
    {"1,x,web,DE,0",       "t.csv:3: column \"age\": \"x\" is not a number"               },
    {"1e101,4,web,DE,0",   "t.csv:3: column \"amount\": \"1e101\" is not a number"        },
    {"\"1,5\",4,web,DE,0", "t.csv:3: column \"amount\": \"1,5\" is not a number"          },
    {"1,4,web,DE,",        "t.csv:3: column \"fraud\": \"\" is no label"                  },
    {"1,4,web,DE,NA",      "t.csv:3: column \"fraud\": \"NA\" is no label"                },
    {"1,4,web,DE",         "t.csv:3: column 5: has 4 fields; the header has 5"            },
    {"1,4,web,DE,0,7",     "t.csv:3: column 7: has 6 fields; the header has 5"            },
    {"1,4,Z\xfcrich,DE,0", "t.csv:3: column \"channel\": \"Z?rich\" is not 1 to 127 bytes"},
    {"1,4,\"w\"eb,DE,0",   "t.csv:3: column 3: has text after a closing quote"            },
};

START_TEST(a_bad_row_is_refused_with_its_place_or_skipped_and_counted)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    TALLY_CLEANUP(tally_dataset_free) struct tally_dataset d = {0};
    char text[512];

    (void)snprintf(text, sizeof text,
                   "amount,age,channel,country,fraud\n1,2,web,DE,1\n%s\n3,4,atm,FR,0\n",
                   bad_rows[_i].row);
    s.held_out_permille = 1;
    ck_assert_int_eq(load(text, &s, &d), TALLY_E_CONFIG);
    ck_assert_msg(strstr(tally_why(), bad_rows[_i].why) != NULL, "%s", tally_why());
    ck_assert_uint_eq(points.n, 1 + (points.n > 1));
    ck_assert_ptr_nonnull(strstr(points.list[0].fix, "bad_rows"));
    ck_assert_ptr_null(d.series);
    s.bad_rows = TALLY_BAD_ROWS_SKIP;
    ck_assert_msg(load(text, &s, &d) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(d.rows, 2);
    ck_assert_uint_eq(d.skipped, 1);
    ck_assert_double_eq_tol(d.series[0].number[1], 3, 1e-12);
    ck_assert(points.list[0].note);
    ck_assert_ptr_nonnull(strstr(points.list[0].what, bad_rows[_i].why));
}
END_TEST

START_TEST(every_fault_is_listed_with_its_fix)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    struct tally_dataset d = {0};

    ck_assert_int_eq(load("Amount,channel,channel,country,fraud,extra\n1,2,3,4,5,6\n", &s, &d),
                     TALLY_E_CONFIG);
    ck_assert_uint_eq(tally_points_bad(&points), 5);
    ck_assert_ptr_nonnull(strstr(points.list[0].what, "lacks the numeric column \"amount\""));
    ck_assert_str_eq(points.list[0].fix, "rename the column \"Amount\" to \"amount\"");
    ck_assert_ptr_nonnull(strstr(points.list[1].what, "\"age\""));
    ck_assert_ptr_nonnull(strstr(points.list[2].what, "more than one column \"channel\""));
    ck_assert_ptr_nonnull(strstr(points.list[3].what, "\"Amount\" is not in the job's schema"));
    ck_assert_ptr_nonnull(strstr(points.list[4].what, "\"extra\" is not in the job's schema"));
    ck_assert_ptr_nonnull(strstr(points.list[4].fix, "ignore"));
    ck_assert_ptr_nonnull(strstr(tally_why(), "and 4 more"));
}
END_TEST

START_TEST(more_faults_than_the_list_holds_are_counted)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    struct tally_dataset d = {0};
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    (void)fputs("amount,age,channel,country,fraud\n", f);
    for (int i = 0; i < 1000; i++) (void)fputs("?,1,web,DE,0\n", f);
    (void)fclose(f);
    ck_assert_int_eq(load(text, &s, &d), TALLY_E_CONFIG);
    ck_assert_uint_eq(points.n, TALLY_POINTS_MAX);
    ck_assert_uint_ge(tally_points_bad(&points), 1000);
    free(text);
}
END_TEST

START_TEST(two_decimal_marks_in_a_table_are_refused_even_where_rows_may_be_skipped)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    struct tally_dataset d = {0};

    s.bad_rows = TALLY_BAD_ROWS_SKIP;
    ck_assert_int_eq(load("amount;age;channel;country;fraud\n1,5;2;web;DE;1\n"
                          "1.5;2;web;DE;0\n",
                          &s, &d),
                     TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why(), "t.csv:3: column \"amount\": \"1.5\" has another"));
}
END_TEST

START_TEST(weights_are_above_zero)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    struct tally_dataset d = {0};
    static const char *const bad[] = {"0", "-1", "", "1e7", "x"};
    struct tally_moments m;

    memcpy(s.weight, "w", 2);
    s.held_out_permille = 1;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "amount,age,channel,country,fraud,w\n1,2,web,DE,1,%s\n",
                       bad[i]);
        ck_assert_int_eq(load(text, &s, &d), TALLY_E_CONFIG);
        ck_assert_ptr_nonnull(strstr(tally_why(), "column \"w\""));
    }
    ck_assert_int_eq(load("amount,age,channel,country,fraud,w\n1,2,web,DE,1,0.5\n"
                          "1,2,web,DE,0,22.545\n",
                          &s, &d),
                     TALLY_OK);
    ck_assert_int_eq(tally_dataset_moments(&d, &s, &m), TALLY_OK);
    ck_assert_double_eq_tol(m.weight, 23.045, 1e-12);
    ck_assert_double_eq_tol(m.positive_weight, 0.5, 1e-12);
    tally_moments_free(&m);
    tally_dataset_free(&d);
}
END_TEST

START_TEST(the_hash_split_follows_the_rows_not_their_order)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    TALLY_CLEANUP(tally_dataset_free) struct tally_dataset a = {0}, b = {0}, c = {0};
    enum { N = 3000 };
    char *up = rows(N, 0), *down = rows(N, 1);
    struct tally_csv *csv = NULL;
    const uint8_t job2[32] = {9};
    unsigned differ = 0;

    ck_assert_int_eq(load(up, &s, &a), TALLY_OK);
    ck_assert_int_eq(load(down, &s, &b), TALLY_OK);
    for (unsigned i = 0; i < N; i++) ck_assert_uint_eq(a.held_out[i], b.held_out[N - 1 - i]);
    ck_assert(a.held_rows > N * 27 / 100 && a.held_rows < N * 33 / 100);
    ck_assert_int_eq(tally_csv_over(tally_slice_str(up), "t.csv", &csv), TALLY_OK);
    ck_assert_int_eq(tally_dataset_read(csv, &s, job2, &points, &c), TALLY_OK);
    for (unsigned i = 0; i < N; i++) differ += a.held_out[i] != c.held_out[i];
    ck_assert_uint_gt(differ, N / 4);
    tally_csv_close(&csv);
    tally_dataset_free(&b);
    tally_dataset_free(&c);
    free(up);
    free(down);
}
END_TEST

START_TEST(the_time_split_cuts_once)
{
    struct tally_column column = {
        .name = "x", .kind = TALLY_COLUMN_NUMERIC, .missing = TALLY_MISSING_MEAN};
    struct tally_schema s = {.label = "y",
                             .positive = "1",
                             .time = "t",
                             .held_out_by = TALLY_HELD_OUT_TIME,
                             .held_out_permille = 300,
                             .bad_rows = TALLY_BAD_ROWS_REFUSE,
                             .columns = &column,
                             .columns_n = 1};
    TALLY_CLEANUP(tally_dataset_free) struct tally_dataset d = {0};
    static const char text[] = "t,x,y\n2026-01-09,1,0\n2026-01-01,1,1\n2026-01-05,1,0\n"
                               "2026-01-08 00:00:00,1,0\n2026-01-02,1,0\n2026-01-08T00:00Z,1,0\n"
                               "2026-01-03,1,0\n2026-01-04,1,0\n2026-01-10,1,1\n2026-01-06,1,0\n";

    ck_assert_msg(load(text, &s, &d) == TALLY_OK, "%s", tally_why());
    ck_assert_double_eq_tol(d.cut_s, 1767830400, 0.5); /* the 8th, and both its rows */
    ck_assert_uint_eq(d.held_rows, 4);
    ck_assert_uint_eq(d.held_positives, 1);
    for (uint64_t i = 0; i < d.rows; i++) ck_assert_uint_eq(d.held_out[i], d.time_s[i] >= d.cut_s);
    tally_dataset_free(&d);
    ck_assert_int_eq(load("t,x,y\n5,1,0\n5,1,1\n5,2,0\n5,2,0\n", &s, &d), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why(), "none to train on"));
    ck_assert_int_eq(load("t,x,y\nsoon,1,0\n", &s, &d), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why(), "t.csv:2: column \"t\": \"soon\" is no time"));
}
END_TEST

START_TEST(an_empty_table_is_refused)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    struct tally_dataset d = {0};

    ck_assert_int_eq(load("amount,age,channel,country,fraud\n", &s, &d), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why(), "has 0 rows"));
    ck_assert_int_eq(tally_dataset_load("/nowhere/t.csv", &s, job, &points, &d), TALLY_E_IO);
    ck_assert_uint_eq(tally_points_bad(&points), 1);
}
END_TEST

START_TEST(only_frequent_values_of_training_rows_leave)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    TALLY_CLEANUP(tally_dataset_free) struct tally_dataset d = {0};
    TALLY_CLEANUP(tally_moments_free) struct tally_moments m = {0};
    char *text = rows(600, 0);
    char *more = NULL;
    uint64_t counts[3] = {0}, n = 0;

    ck_assert_int_ge(asprintf(&more, "%s1,1,zelle,DE,0\n2,1,zelle,DE,0\n", text), 0);
    ck_assert_int_eq(load(more, &s, &d), TALLY_OK);
    ck_assert_int_eq(tally_dataset_moments(&d, &s, &m), TALLY_OK);
    double mean = 0;
    for (uint64_t i = 0; i < d.rows; i++) {
        if (d.held_out[i]) continue;
        if (d.series[2].code[i] < 3) counts[d.series[2].code[i]]++;
        mean += log1p(d.series[0].number[i]);
        n++;
    }
    ck_assert_uint_eq(m.rows, n);
    ck_assert_uint_eq(m.rows, d.rows - d.held_rows);
    ck_assert_uint_eq(m.positives, d.positives - d.held_positives);
    ck_assert_double_eq_tol(m.columns[0].mean, mean / (double)n, 1e-9);
    ck_assert_uint_lt(m.columns[1].n, n);
    ck_assert_uint_eq(m.columns[2].values_n, 2);
    ck_assert_str_eq(m.columns[2].values[0].value, "atm");
    ck_assert_uint_eq(m.columns[2].values[0].rows, counts[1]);
    ck_assert_uint_eq(m.columns[2].values[1].rows, counts[2]);
    ck_assert_ptr_null(m.columns[3].values);
    free(text);
    free(more);
}
END_TEST

START_TEST(the_design_equals_the_rows_one_by_one)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    TALLY_CLEANUP(tally_dataset_free) struct tally_dataset d = {0};
    TALLY_CLEANUP(tally_moments_free) struct tally_moments m = {0};
    TALLY_CLEANUP(tally_prep_free) struct tally_prep p = {0};
    TALLY_CLEANUP(tally_table_free) struct tally_table t = {0};
    char *text = rows(700, 0);
    float want[16];

    ck_assert_int_eq(load(text, &s, &d), TALLY_OK);
    ck_assert_int_eq(tally_dataset_moments(&d, &s, &m), TALLY_OK);
    ck_assert_int_eq(tally_prep_make(&s, &m, job, &p), TALLY_OK);
    ck_assert_uint_eq(p.features, 1 + 2 + 3 + 3);
    for (int half = TALLY_HALF_TRAIN; half <= TALLY_HALF_ALL; half++) {
        size_t r = 0;
        ck_assert_int_eq(tally_dataset_design(&d, &p, (enum tally_half)half, &t), TALLY_OK);
        ck_assert_ptr_null(t.weight);
        for (unsigned i = 0; i < 700; i++) {
            if (half != TALLY_HALF_ALL && d.held_out[i] != (half == TALLY_HALF_HELD_OUT)) continue;
            struct tally_prep_value v[] = {
                {.number = i + 0.25   },
                {.missing = i % 5 == 0, .number = 40},
                {.text = tally_slice_str(i % 3 ? "web" : "atm")                    },
                {.text = tally_slice_str(i % 4 ? "DE" : "XX")}
            };
            tally_prep_row(&p, v, want);
            ck_assert_mem_eq(t.x + r * t.features, want, t.features * sizeof *want);
            ck_assert_int_eq((int)t.y[r], i % 10 == 0);
            r++;
        }
        ck_assert_uint_eq(t.rows, r);
        tally_table_free(&t);
    }
    p.job[0]++;
    ck_assert_int_eq(tally_dataset_design(&d, &p, TALLY_HALF_ALL, &t), TALLY_E_STATE);
    free(text);
}
END_TEST

START_TEST(hashed_columns_take_any_bytes_and_agree_with_the_row_form)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    TALLY_CLEANUP(tally_dataset_free) struct tally_dataset d = {0};
    TALLY_CLEANUP(tally_moments_free) struct tally_moments m = {0};
    TALLY_CLEANUP(tally_prep_free) struct tally_prep p = {0};
    TALLY_CLEANUP(tally_table_free) struct tally_table t = {0};
    struct tally_slice merchant = tally_slice_str("Z\xfcrich");

    columns[2].hash_buckets = 7;
    s.held_out_permille = 1;
    ck_assert_int_eq(
        load("amount,age,channel,country,fraud\n1,2,Z\xfcrich,DE,1\n1,2,,DE,0\n", &s, &d),
        TALLY_OK);
    ck_assert_int_eq(tally_dataset_moments(&d, &s, &m), TALLY_OK);
    ck_assert_int_eq(tally_prep_make(&s, &m, job, &p), TALLY_OK);
    ck_assert_int_eq(tally_dataset_design(&d, &p, TALLY_HALF_ALL, &t), TALLY_OK);
    uint32_t slot = tally_prep_slot(&p, &p.columns[2], false, merchant);
    ck_assert_uint_lt(slot, 7);
    ck_assert_int_eq((int)t.x[p.columns[2].first + slot], 1);
    ck_assert_int_eq((int)t.x[t.features + p.columns[2].first + 7], 1);
}
END_TEST

/* The real table, through xz where it is installed. */
START_TEST(the_credit_table_has_its_rows_and_positives)
{
    static const char *const numeric[] = {"LIMIT_BAL", "AGE", "BILL_AMT1", "PAY_AMT1"};
    static const char *const ignored[] = {
        "ID",       "BILL_AMT2", "BILL_AMT3", "BILL_AMT4", "BILL_AMT5", "BILL_AMT6", "PAY_AMT2",
        "PAY_AMT3", "PAY_AMT4",  "PAY_AMT5",  "PAY_AMT6",  "SEX",       "EDUCATION", "MARRIAGE",
        "PAY_2",    "PAY_3",     "PAY_4",     "PAY_5",     "PAY_6"};
    enum { IGNORED = sizeof ignored / sizeof *ignored };
    struct tally_column columns[5] = {
        {.name = "PAY_0", .kind = TALLY_COLUMN_CATEGORY}
    };
    char ignore[IGNORED][TALLY_CELL_TEXT_MAX + 1] = {{0}};
    struct tally_schema s = {.label = "default.payment.next.month",
                             .positive = "1",
                             .ignore = ignore,
                             .ignore_n = IGNORED,
                             .held_out_by = TALLY_HELD_OUT_HASH,
                             .held_out_permille = 300,
                             .bad_rows = TALLY_BAD_ROWS_REFUSE,
                             .columns = columns,
                             .columns_n = 5};
    TALLY_CLEANUP(tally_dataset_free) struct tally_dataset d = {0};
    TALLY_CLEANUP(tally_moments_free) struct tally_moments m = {0};
    char command[8192], path[] = "uci-XXXXXX";

    for (size_t i = 0; i < IGNORED; i++)
        (void)snprintf(ignore[i], sizeof ignore[i], "%s", ignored[i]);
    for (size_t i = 0; i < 4; i++) {
        columns[i + 1].kind = TALLY_COLUMN_NUMERIC;
        columns[i + 1].missing = TALLY_MISSING_MEAN;
        (void)snprintf(columns[i + 1].name, sizeof columns[0].name, "%s", numeric[i]);
    }
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    (void)snprintf(command, sizeof command, "xz -dc '%s' > '%s' 2>/dev/null",
                   tally_vectors_path("data/uci_default/UCI_Credit_Card.csv.xz"), path);
    FILE *xz = popen(command, "r");
    int unpacked = xz != NULL ? pclose(xz) : -1;
    if (unpacked == 0) {
        ck_assert_msg(tally_dataset_load(path, &s, job, &points, &d) == TALLY_OK, "%s",
                      tally_why());
        ck_assert_uint_eq(d.rows, 30000);
        ck_assert_uint_eq(d.positives, 6636);
        ck_assert(d.held_rows > 8700 && d.held_rows < 9300);
        ck_assert_int_eq(tally_dataset_moments(&d, &s, &m), TALLY_OK);
        ck_assert_double_eq_tol(m.columns[2].mean, 35.4855, 0.2); /* AGE over all rows */
    }
    (void)unlink(path);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("dataset");

    tally_vectors_need();
    tcase_add_test(t, a_messy_table_reads_as_meant);
    tcase_add_loop_test(t, a_bad_row_is_refused_with_its_place_or_skipped_and_counted, 0,
                        sizeof bad_rows / sizeof *bad_rows);
    tcase_add_test(t, every_fault_is_listed_with_its_fix);
    tcase_add_test(t, more_faults_than_the_list_holds_are_counted);
    tcase_add_test(t, two_decimal_marks_in_a_table_are_refused_even_where_rows_may_be_skipped);
    tcase_add_test(t, weights_are_above_zero);
    tcase_add_test(t, the_hash_split_follows_the_rows_not_their_order);
    tcase_add_test(t, the_time_split_cuts_once);
    tcase_add_test(t, an_empty_table_is_refused);
    tcase_add_test(t, only_frequent_values_of_training_rows_leave);
    tcase_add_test(t, the_design_equals_the_rows_one_by_one);
    tcase_add_test(t, hashed_columns_take_any_bytes_and_agree_with_the_row_form);
    tcase_add_test(t, the_credit_table_has_its_rows_and_positives);
    return tally_suite_run("dataset", t);
}
