/* test_csv.c - common/csv.c: what banks export is read exactly, what is broken is told with its
 * line. Inputs are exact-size heap blocks, so a sanitizer sees one byte too far. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/csv.h"
#include "tests/lib/suite.h"

static char *copy;

static enum tally_status over(const char *bytes, size_t len, struct tally_csv **c)
{
    free(copy);
    copy = malloc(len > 0 ? len : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, len);
    return tally_csv_over(tally_slice_of(copy, len), "t.csv", c);
}

/* The rows as one text: fields in brackets, "!" and the problem for bad rows, "@line" first. */
static void render(struct tally_csv *c, char *out, size_t cap)
{
    const struct tally_csv_row *row = NULL;
    FILE *f = fmemopen(out, cap, "w");

    for (;;) {
        if (tally_csv_next(c, &row) != TALLY_OK) {
            (void)fprintf(f, "ERROR %s", tally_why_text());
            break;
        }
        if (row == NULL) break;
        (void)fprintf(f, "@%llu", (unsigned long long)row->line);
        if (row->problem != NULL) (void)fprintf(f, "!%s!", row->problem);
        for (uint32_t i = 0; i < row->fields_n && row->problem == NULL; i++) {
            (void)fputc('[', f);
            (void)fwrite(row->fields[i].at, 1, row->fields[i].len, f);
            (void)fputc(']', f);
        }
    }
    (void)fputc('\0', f);
    (void)fclose(f);
}

static const struct {
    const char *bytes;
    size_t len; /* 0: up to the zero */
    const char *want;
} tables[] = {
    {"a,b\n1,2\n3,4\n",                            0,  "@2[1][2]@3[3][4]"                                     },
    {"a,b\r\n1,2\r\n3,4",                          0,  "@2[1][2]@3[3][4]"                                     },
    {"a,b\n1,2\r",                                 0,  "@2[1][2]"                                             },
    {"\xef\xbb\xbf"
     "a;b\r\n1,5;2\r\n",                      0,  "@2[1,5][2]"                                           },
    {"a\tb\n 1 \t\"x\ty\"\n",                      0,  "@2[1][x\ty]"                                          },
    {"\"a\",\"b\"\n\"x, y\",\"say \"\"hi\"\"\"\n", 0,  "@2[x, y][say \"hi\"]"                                 },
    {"a,b\n\"two\nlines\",2\n3,4\n",               0,  "@2[two\nlines][2]@4[3][4]"                            },
    {"a,b\n\"\"\"\",\"\"\n",                       0,  "@2[\"][]"                                             },
    {"a,b\n\n1,2\n\r\n3,4\n\n",                    0,  "@3[1][2]@5[3][4]"                                     },
    {"a,b\n , \n,\n",                              0,  "@2[][]@3[][]"                                         },
    {"a,b\n5\"x,it's\n",                           0,  "@2[5\"x][it's]"                                       },
    {"a,b\n  \"q\"  , 7 \n",                       0,  "@2[q][7]"                                             },
    {"a\n1\n2",                                    0,  "@2[1]@3[2]"                                           },
    {"a,b",                                        0,  ""                                                     },
    {"a,b\n1\n1,2,3\n1,2\n",                       0,
     "@2!has 1 fields; the header has 2!@3!has 3 fields; the header has 2!@4[1][2]"                           },
    {"a,b\n\"x\"y,2\n1,2\n",                       0,  "@2!has text after a closing quote!@3[1][2]"           },
    {"a,b\n1\0x,2\n1,2\n",                         14, "@2!holds a NUL byte!@3[1][2]"                         },
    {"a,b\n\"1\0\",2\n1,2\n",                      15, "@2!holds a NUL byte!@3[1][2]"                         },
    {"a,b\n1\rx,2\n1,2\n",                         0,  "@2!holds a carriage return that ends no line!@3[1][2]"},
    {"a,b\n1,2\n\"open,2\n3,4\n",                  0,
     "@2[1][2]ERROR t.csv:3: a quote opened in this row is not closed"                                        },
};

START_TEST(each_table_reads_as_it_should)
{
    TALLY_CLEANUP(tally_csv_close) struct tally_csv *c = NULL;
    size_t len = tables[_i].len > 0 ? tables[_i].len : strlen(tables[_i].bytes);
    char got[512] = "";

    ck_assert_int_eq(over(tables[_i].bytes, len, &c), TALLY_OK);
    render(c, got, sizeof got);
    ck_assert_str_eq(got, tables[_i].want);
}
END_TEST

static const struct {
    const char *bytes;
    size_t len;
    const char *why;
} headers[] = {
    {"",                  0,  "is empty"                   },
    {"\n\n",              2,  "is empty"                   },
    {"a;b,c\n1;2\n",      10, "one separator"              },
    {"a,\xff\n1,2\n",     8,  "not 1 to 127 bytes of UTF-8"},
    {"a,b\0\n1,2\n",      9,  "NUL byte"                   },
    {"a,\"b\n",           5,  "not closed"                 },
    {"\xff\xfe"
     "a\0,\0b\0",    8,  "UTF-16"                     },
    {"a\rb\rc",           5,  "carriage return"            },
    {"a,\"x\ny\"\n1,2\n", 12, "UTF-8 text"                 },
};

START_TEST(a_header_that_cannot_be_used_ends_the_reading)
{
    struct tally_csv *c = NULL;

    ck_assert_int_eq(over(headers[_i].bytes, headers[_i].len, &c), TALLY_E_CONFIG);
    ck_assert_ptr_null(c);
    ck_assert_msg(strstr(tally_why(), headers[_i].why) != NULL, "%s", tally_why());
    ck_assert_ptr_nonnull(strstr(tally_why(), "t.csv"));
}
END_TEST

START_TEST(unnamed_columns_get_their_number_and_names_are_found)
{
    TALLY_CLEANUP(tally_csv_close) struct tally_csv *c = NULL;
    static const char text[] = ",Account,x,Account,\n";

    ck_assert_int_eq(over(text, sizeof text - 1, &c), TALLY_OK);
    ck_assert_uint_eq(tally_csv_columns(c), 5);
    ck_assert_str_eq(tally_csv_column(c, 0), "#1");
    ck_assert_str_eq(tally_csv_column(c, 4), "#5");
    ck_assert_int_eq(tally_csv_find(c, "x"), 2);
    ck_assert_int_eq(tally_csv_find(c, "y"), -1);
    ck_assert_int_eq(tally_csv_find(c, "Account"), -2);
}
END_TEST

START_TEST(a_row_longer_than_the_limit_ends_the_reading)
{
    size_t len = 4 + TALLY_CSV_LINE_MAX + 16;
    char *bytes = malloc(len);
    struct tally_csv *c = NULL;
    const struct tally_csv_row *row = NULL;

    ck_assert_ptr_nonnull(bytes);
    memset(bytes, '7', len);
    memcpy(bytes, "a,b\n", 4);
    bytes[len - 2] = ',';
    ck_assert_int_eq(over(bytes, len, &c), TALLY_OK);
    ck_assert_int_eq(tally_csv_next(c, &row), TALLY_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(tally_why(), "t.csv:2"));
    ck_assert_int_eq(tally_csv_next(c, &row), TALLY_OK);
    ck_assert_ptr_null(row);
    tally_csv_close(&c);
    bytes[4 + TALLY_CSV_LINE_MAX - 3] = ',';
    bytes[4 + TALLY_CSV_LINE_MAX - 1] = '\n';
    ck_assert_int_eq(over(bytes, 4 + TALLY_CSV_LINE_MAX, &c), TALLY_OK);
    ck_assert_int_eq(tally_csv_next(c, &row), TALLY_OK);
    ck_assert_ptr_nonnull(row);
    ck_assert_ptr_null(row->problem);
    tally_csv_close(&c);
    memset(bytes, 'h', len);
    ck_assert_int_eq(over(bytes, len, &c), TALLY_E_LIMIT);
    free(bytes);
}
END_TEST

START_TEST(more_fields_than_the_limit_are_refused)
{
    size_t len = TALLY_CSV_FIELDS_MAX * 2 + 2;
    char *bytes = malloc(len);
    struct tally_csv *c = NULL;

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < len; i += 2) bytes[i] = 'a', bytes[i + 1] = ',';
    bytes[len - 1] = '\n';
    ck_assert_int_eq(over(bytes, len, &c), TALLY_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(tally_why(), "more fields"));
    bytes[len - 3] = '\n';
    ck_assert_int_eq(over(bytes, len - 2, &c), TALLY_OK);
    ck_assert_uint_eq(tally_csv_columns(c), TALLY_CSV_FIELDS_MAX);
    tally_csv_close(&c);
    free(bytes);
}
END_TEST

/* Rows of many shapes over several refills of the buffer, from bytes and from a file. */
START_TEST(rows_survive_every_refill_of_the_buffer)
{
    char *text = NULL, path[] = "csv-XXXXXX";
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    enum { ROWS = 60000 };

    (void)fputs("n;text;x\r\n", f);
    for (unsigned i = 0; i < ROWS; i++)
        (void)fprintf(f, "%u;\"a \"\"%u\"\"%s\";%u,%03u%s", i, i, i % 7 ? "" : "\r\nmore", i,
                      i % 1000, i % 3 ? "\n" : "\r\n");
    (void)fclose(f);
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
    (void)close(fd);
    for (int from_file = 0; from_file < 2; from_file++) {
        struct tally_csv *c = NULL;
        const struct tally_csv_row *row = NULL;
        uint64_t line = 2;
        ck_assert_int_eq(from_file ? tally_csv_open(path, &c) : over(text, len, &c), TALLY_OK);
        ck_assert_int_eq(tally_csv_separator(c), ';');
        for (unsigned i = 0; i < ROWS; i++, line += i % 7 == 1 ? 2 : 1) {
            char want[64];
            double x = 0;
            ck_assert_int_eq(tally_csv_next(c, &row), TALLY_OK);
            ck_assert_ptr_nonnull(row);
            ck_assert_ptr_null(row->problem);
            ck_assert_uint_eq(row->line, line);
            (void)snprintf(want, sizeof want, "a \"%u\"%s", i, i % 7 ? "" : "\r\nmore");
            ck_assert(tally_slice_equal(row->fields[1], tally_slice_str(want)));
            ck_assert_int_eq(tally_csv_number(c, row->fields[2], &x), TALLY_CELL_OK);
            ck_assert_double_eq_tol(x, i + i % 1000 / 1000.0, 1e-9);
        }
        ck_assert_int_eq(tally_csv_next(c, &row), TALLY_OK);
        ck_assert_ptr_null(row);
        tally_csv_close(&c);
    }
    (void)unlink(path);
    free(text);
}
END_TEST

START_TEST(a_comma_is_a_decimal_mark_only_where_it_separates_nothing)
{
    struct tally_csv *c = NULL;
    double x = 0;

    ck_assert_int_eq(over("a,b\n", 4, &c), TALLY_OK);
    ck_assert_int_eq(tally_csv_number(c, tally_slice_str("1,234"), &x), TALLY_CELL_BAD);
    tally_csv_close(&c);
    ck_assert_int_eq(over("a\tb\n", 4, &c), TALLY_OK);
    ck_assert_int_eq(tally_csv_number(c, tally_slice_str("1,25"), &x), TALLY_CELL_OK);
    ck_assert_int_eq(tally_csv_number(c, tally_slice_str("1.25"), &x), TALLY_CELL_OTHER_MARK);
    tally_csv_close(&c);
}
END_TEST

START_TEST(what_cannot_be_opened_says_so)
{
    struct tally_csv *c = NULL;

    ck_assert_int_eq(tally_csv_open("/nowhere/t.csv", &c), TALLY_E_IO);
    ck_assert_ptr_nonnull(strstr(tally_why(), "/nowhere/t.csv"));
    ck_assert_int_eq(tally_csv_open("/", &c), TALLY_E_IO);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("csv");

    tcase_add_loop_test(t, each_table_reads_as_it_should, 0, sizeof tables / sizeof *tables);
    tcase_add_loop_test(t, a_header_that_cannot_be_used_ends_the_reading, 0,
                        sizeof headers / sizeof *headers);
    tcase_add_test(t, unnamed_columns_get_their_number_and_names_are_found);
    tcase_add_test(t, a_row_longer_than_the_limit_ends_the_reading);
    tcase_add_test(t, more_fields_than_the_limit_are_refused);
    tcase_add_test(t, rows_survive_every_refill_of_the_buffer);
    tcase_add_test(t, a_comma_is_a_decimal_mark_only_where_it_separates_nothing);
    tcase_add_test(t, what_cannot_be_opened_says_so);
    return tally_suite_run("csv", t);
}
