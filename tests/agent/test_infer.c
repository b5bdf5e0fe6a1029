/* test_infer.c - agent/infer.c: schemas from tables as banks hold them. */
#include "agent/infer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/suite.h"

static char folder[] = "infer-XXXXXX";
static struct tally_points points;
static struct tally_inferred out;

static void make_folder(void)
{
    memcpy(folder, "infer-XXXXXX", sizeof folder);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    out = (struct tally_inferred){0};
}

static void remove_folder(void)
{
    static const char *const names[] = {"bank-1", "bank-2", "bank-3", "Bad Name"};
    char path[64];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/%s.csv", folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
    tally_inferred_free(&out);
}

static FILE *table(const char *name)
{
    char path[64];

    (void)snprintf(path, sizeof path, "%s/%s.csv", folder, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    return f;
}

static void write_table(const char *name, const char *text)
{
    FILE *f = table(name);

    (void)fputs(text, f);
    (void)fclose(f);
}

/* 300 rows with a column of every sort; the second bank writes its own dialect. */
static void write_rows(const char *name, bool german, unsigned from)
{
    FILE *f = table(name);
    char sep = german ? ';' : ',';

    (void)fprintf(
        f, german ? "\xef\xbb\xbftx;amount;small;code;flag;when;memo;const;merchant;fraud\r\n"
                  : "tx,amount,small,code,flag,when,memo,const,merchant,fraud\n");
    for (unsigned k = 0; k < 300; k++) {
        unsigned i = from + k;
        (void)fprintf(f, "%u%c", i, sep);
        if (k % 50 != 7)
            (void)fprintf(f, "%u%c%02u", i % 100 == 0 ? 900000 : i % 97, german ? ',' : '.',
                          i % 100);
        (void)fprintf(f, "%c%u%c%c%u%c", sep, i % 40, sep, "ABC"[i % 3], i % 5, sep);
        (void)fprintf(f, "%s%c2026-01-%02u%cnote %u%c1%cm%u%c%u%s", i % 2 ? "1" : "1.0", sep,
                      1 + i % 28, sep, i, sep, sep, i % 1400, sep, i % 13 == 0,
                      german ? "\r\n" : "\n");
    }
    (void)fclose(f);
}

static const struct tally_infer_column *column(const char *name)
{
    for (uint32_t i = 0; i < out.columns_n; i++)
        if (strcmp(out.columns[i].name, name) == 0) return &out.columns[i];
    ck_abort_msg("no column %s", name);
    return NULL;
}

static enum tally_status infer(const struct tally_infer_options *o)
{
    return tally_infer_folder(folder, o, &points, &out);
}

START_TEST(each_column_gets_its_role)
{
    const struct tally_infer_options o = {.label = "fraud"};
    char *text = NULL;

    write_rows("bank-2", true, 1);
    write_rows("bank-1", false, 200);
    write_rows("bank-3", false, 900);
    FILE *f = table("bank-3");
    (void)fputs("tx,amount,small,code,flag,when,memo,const,merchant,fraud\n", f);
    for (unsigned i = 0; i < 1400; i++)
        (void)fprintf(f, "%u,1.5,%u,A1,1,2026-02-01,memo %u,1,m%u,%u\n", 5000 + i, i % 40, i,
                      i % 1200, i % 13 == 0);
    (void)fclose(f);
    ck_assert_msg(infer(&o) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(out.banks_n, 3);
    ck_assert_str_eq(out.banks[0], "bank-1");
    ck_assert_uint_eq(out.rows[1], 300);
    ck_assert_str_eq(out.schema.positive, "1");
    ck_assert_int_eq(column("fraud")->role, TALLY_INFER_LABEL);
    ck_assert_int_eq(column("tx")->role, TALLY_INFER_IGNORED);
    ck_assert_ptr_nonnull(strstr(column("tx")->note, "numbers the rows"));
    ck_assert_int_eq(column("amount")->role, TALLY_INFER_NUMERIC);
    ck_assert_int_eq(column("amount")->transform, TALLY_TRANSFORM_LOG1P);
    ck_assert_uint_eq(column("amount")->missing, 12);
    ck_assert_int_eq(column("small")->role, TALLY_INFER_NUMERIC);
    ck_assert_int_eq(column("small")->transform, TALLY_TRANSFORM_NONE);
    ck_assert_int_eq(column("code")->role, TALLY_INFER_CATEGORY);
    ck_assert_int_eq(column("flag")->role, TALLY_INFER_NUMERIC); /* 1 and 1.0 */
    ck_assert_int_eq(column("when")->role, TALLY_INFER_IGNORED);
    ck_assert_int_eq(column("memo")->role, TALLY_INFER_IGNORED);
    ck_assert_int_eq(column("const")->role, TALLY_INFER_IGNORED);
    ck_assert_int_eq(column("merchant")->role, TALLY_INFER_HASHED);
    ck_assert_uint_eq(out.schema.columns_n, 5);
    ck_assert_int_eq(out.schema.columns[0].missing, TALLY_MISSING_OWN);
    ck_assert_int_eq(out.schema.columns[1].missing, TALLY_MISSING_MEAN);
    ck_assert_int_eq(out.schema.held_out_by, TALLY_HELD_OUT_HASH);
    ck_assert_int_eq(tally_inferred_show(&out, &text), TALLY_OK);
    ck_assert_ptr_nonnull(strstr(text, "merchant"));
    ck_assert_ptr_nonnull(strstr(text, "another text in every row"));
    free(text);
}
END_TEST

START_TEST(the_job_reads_back_and_fits_the_tables)
{
    static const char *const ignore[] = {"memo", NULL};
    const struct tally_infer_options o = {.label = "fraud", .time = "when", .ignore = ignore};
    TALLY_CLEANUP(tally_job_free) struct tally_job j = {0}, back = {0};
    char *text = NULL;

    write_rows("bank-1", false, 0);
    write_rows("bank-2", true, 300);
    ck_assert_msg(infer(&o) == TALLY_OK, "%s", tally_why());
    ck_assert_str_eq(column("memo")->note, "--ignore");
    ck_assert_int_eq(out.schema.held_out_by, TALLY_HELD_OUT_TIME);
    ck_assert_int_eq(tally_inferred_job(&out, &j), TALLY_OK);
    j.federation_version = 1;
    j.expires_s = 1;
    ck_assert_int_eq(tally_job_write(&j, &text), TALLY_OK);
    ck_assert_msg(tally_job_parse(tally_slice_str(text), &back) == TALLY_OK, "%s\n%s", tally_why(),
                  text);
    ck_assert_uint_eq(back.participants_n, 2);
    ck_assert_str_eq(back.participants[1], "bank-2");
    ck_assert_uint_eq(back.cohort_min, 2);
    ck_assert_str_eq(back.schema.time, "when");
    ck_assert_uint_eq(back.schema.columns_n, j.schema.columns_n);
    tally_job_free(&back);
    free(text);
}
END_TEST

static const struct {
    const char *one, *two, *label, *positive, *time, *ignore, *want;
} refused[] = {
    {"a,y\n1,0\n2,1\n",    "a,b,y\n1,2,0\n",  "y", NULL, NULL, NULL, "has a column \"b\""                 },
    {"a,b,y\n1,2,0\n",     "a,y\n1,0\n2,1\n", "y", NULL, NULL, NULL, "lacks the column \"b\""             },
    {"a,a,y\n1,2,0\n",     "a,a,y\n1,2,1\n",  "y", NULL, NULL, NULL, "more than one column \"a\""         },
    {"a,y\n1,0\n2,1\n",    "a,y\n1,0\n",      "z", NULL, NULL, NULL, "--label: the tables have no column" },
    {"a,y\n1,0\n2,0\n",    "a,y\n1,0\n",      "y", NULL, NULL, NULL, "has 1 values"                       },
    {"a,y\n1,0\n2,1\n",    "a,y\n1,2\n",      "y", NULL, NULL, NULL, "more than two values"               },
    {"a,y\n1,0\n2,1\n",    "a,y\n1,2\n",      "y", "7",  NULL, NULL, "has no value \"7\""                 },
    {"a,y\n1,0\n2,1\n",    "a,y\nx,0\n",      "y", NULL, "a",  NULL, "values that are no times"           },
    {"a,y\n1,0\n2,1\n",    "a,y\n1,0\n",      "y", NULL, NULL, "q",  "--ignore: the tables have no column"},
    {"a,y\n1,0\n1,1\n",    "a,y\n1,0\n",      "y", NULL, NULL, NULL, "0 columns to learn from"            },
    {"a,y\n1,0\n2,1\n",    "a,y\n",           "y", NULL, NULL, NULL, "has no rows"                        },
    {"a,y\n1,0\n2\n3,1\n", "a,y\n1,0\n",      "y", NULL, NULL, NULL, "1 rows do not fit"                  },
};

START_TEST(what_cannot_be_inferred_is_said_with_its_fix)
{
    const char *const ignore[] = {refused[_i].ignore, NULL};
    const struct tally_infer_options o = {.label = refused[_i].label,
                                          .positive = refused[_i].positive,
                                          .time = refused[_i].time,
                                          .ignore = ignore};

    write_table("bank-1", refused[_i].one);
    write_table("bank-2", refused[_i].two);
    ck_assert_int_eq(infer(&o), TALLY_E_CONFIG);
    ck_assert_msg(strstr(tally_why(), refused[_i].want) != NULL, "%s", tally_why());
    ck_assert_ptr_null(out.columns);
}
END_TEST

START_TEST(the_positive_value_is_1_or_the_rarer_or_the_named_one)
{
    struct tally_infer_options o = {.label = "y"};

    write_table("bank-1", "a,y\n1,no\n2,no\n3,yes\n4.5,no\n");
    ck_assert_msg(infer(&o) == TALLY_OK, "%s", tally_why());
    ck_assert_str_eq(out.schema.positive, "yes");
    ck_assert_uint_eq(out.positives, 1);
    tally_inferred_free(&out);
    o.positive = "no";
    ck_assert_int_eq(infer(&o), TALLY_OK);
    ck_assert_str_eq(out.schema.positive, "no");
    tally_inferred_free(&out);
    o.positive = NULL;
    write_table("bank-1", "a,y\n1,1\n2,1.0\n3,0\n4.5,01\n");
    ck_assert_msg(infer(&o) == TALLY_OK, "%s", tally_why());
    ck_assert_uint_eq(out.positives, 3);
    tally_inferred_free(&out);
    o.positive = "fraud";
    write_table("bank-1", "a,y\n1,unkn\n2,ok\n3,fraud\n4.5,unkn\n");
    ck_assert_msg(infer(&o) == TALLY_OK, "%s", tally_why());
    ck_assert(points.n == 1 && points.list[0].note);
}
END_TEST

START_TEST(a_folder_without_tables_or_with_bad_names_is_refused)
{
    const struct tally_infer_options o = {.label = "y"};

    ck_assert_int_eq(infer(&o), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why(), "has no tables"));
    write_table("Bad Name", "a,y\n1,0\n");
    ck_assert_int_eq(infer(&o), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why(), "is no name for a bank"));
    ck_assert_int_eq(tally_infer_folder("/nowhere", &o, &points, &out), TALLY_E_IO);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("infer");

    tcase_add_checked_fixture(t, make_folder, remove_folder);
    tcase_add_test(t, each_column_gets_its_role);
    tcase_add_test(t, the_job_reads_back_and_fits_the_tables);
    tcase_add_loop_test(t, what_cannot_be_inferred_is_said_with_its_fix, 0,
                        sizeof refused / sizeof *refused);
    tcase_add_test(t, the_positive_value_is_1_or_the_rarer_or_the_named_one);
    tcase_add_test(t, a_folder_without_tables_or_with_bad_names_is_refused);
    return tally_suite_run("infer", t);
}
