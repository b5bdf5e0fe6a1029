/* test_generator.c - examples/aml/generate.c and below: the data set as a whole. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/text.h"
#include "examples/aml/generate.h"
#include "tests/lib/suite.h"

enum { DAY = 86400, HEX = 2 * TALLY_SHA256_BYTES + 1 };

/* Bank 1's table at scale .03, seed 1: the same from every compiler and C library. */
static const char golden[] = "ce54490f191275051050cf4ca40d58d6345cda2d2c5df9c882b35e1472dd0ef8";

static struct tally_world small_world(uint64_t seed)
{
    struct tally_world_config c = {.banks = 5, .seed = seed, .scale = 0.03};
    struct tally_world w;
    ck_assert_int_eq(tally_generate_world(&c, &w), TALLY_OK);
    return w;
}

/* The default data set without its files. */
static struct tally_world full_world(uint32_t banks, struct tally_generate_summary *s)
{
    struct tally_world_config c = {.banks = banks, .seed = 1, .scale = 1};
    struct tally_world w;
    ck_assert_int_eq(tally_generate_world(&c, &w), TALLY_OK);
    ck_assert_int_eq(tally_generate_summarise(&w, s), TALLY_OK);
    return w;
}

static char *table_text(const struct tally_world *w, uint32_t bank, size_t *len)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, len);
    ck_assert_int_eq(tally_generate_table(w, bank, f), TALLY_OK);
    (void)fclose(f);
    return text;
}

static void table_digest(uint64_t seed, uint32_t bank, char hex[HEX])
{
    struct tally_world w = small_world(seed);
    uint8_t digest[TALLY_SHA256_BYTES];
    size_t len;
    char *text = table_text(&w, bank, &len);
    TALLY_SHA256_OF(digest, tally_slice_of(text, len));
    tally_hex(TALLY_SLICE(digest), hex);
    free(text);
    tally_world_free(&w);
}

START_TEST(the_same_seed_gives_the_same_bytes_everywhere)
{
    char hex[HEX], again[HEX], other_bank[HEX];
    table_digest(1, 0, hex);
    table_digest(1, 0, again);
    table_digest(1, 1, other_bank);
    ck_assert_str_eq(hex, again);
    ck_assert_str_eq(hex, golden);
    ck_assert_str_ne(hex, other_bank);
}
END_TEST

START_TEST(another_seed_gives_other_bytes)
{
    char hex[HEX], other[HEX];
    table_digest(1, 0, hex);
    table_digest(2, 0, other);
    ck_assert_str_ne(hex, other);
}
END_TEST

START_TEST(settings_out_of_range_are_refused)
{
    const struct tally_world_config bad[] = {
        {1,  1, 1          },
        {21, 1, 1          },
        {5,  1, 0          },
        {5,  1, 0.01       },
        {5,  1, 20.5       },
        {5,  1, (double)NAN}
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tally_world w;
        ck_assert_int_eq(tally_generate_world(&bad[i], &w), TALLY_E_CONFIG);
        tally_world_free(&w);
    }
}
END_TEST

START_TEST(a_bank_meets_two_or_three_typologies_and_each_is_met)
{
    uint32_t banks = (uint32_t)_i, met[TALLY_TYPOLOGIES] = {0};
    for (uint32_t b = 0; b < banks; b++) {
        uint32_t n = 0;
        for (uint32_t t = 0; t < TALLY_TYPOLOGIES; t++) {
            int in = tally_patterns_present(banks, b, (enum tally_typology)t);
            n += (uint32_t)in;
            met[t] += (uint32_t)in;
        }
        ck_assert(banks == 2 ? n == 4 : n == 2 || n == 3);
    }
    for (uint32_t t = 0; t < TALLY_TYPOLOGIES; t++) ck_assert_uint_ge(met[t], 1);
}
END_TEST

/* Five banks at full size: as large, as rare and as lopsided as promised. */
START_TEST(the_default_data_set_keeps_its_promises)
{
    struct tally_generate_summary s;
    struct tally_world w = full_world(5, &s);
    size_t train = 0, positives = 0, rows = 0;
    for (uint32_t b = 0; b < 5; b++) {
        const struct tally_generate_bank *k = &s.bank[b];
        train += k->train.rows;
        rows += k->train.rows + k->test.rows;
        positives += k->train.positives + k->test.positives;
        ck_assert_uint_eq(k->test.rows, (k->train.rows + k->test.rows) * 3 / 10);
        for (uint32_t t = 0; t < TALLY_TYPOLOGIES; t++) {
            int present = tally_patterns_present(5, b, (enum tally_typology)t);
            ck_assert_int_eq(!present, tally_generate_lacking(k, (enum tally_typology)t));
            if (present) ck_assert_uint_ge(k->train.of[t], 30);
        }
    }
    ck_assert(train >= 300000 && train <= 450000);
    ck_assert_uint_gt(s.bank[0].train.rows, s.bank[4].train.rows);
    ck_assert(positives * 1000 >= rows * 2 && positives * 1000 <= rows * 5);
    ck_assert_uint_ge(s.lacking_positives, 200);
    tally_world_free(&w);
}
END_TEST

START_TEST(any_number_of_banks_meets_every_typology_after_a_cut_in_the_gap)
{
    struct tally_generate_summary s;
    struct tally_world w = full_world((const uint32_t[]){2, 5, 10, 20}[_i], &s);
    for (uint32_t b = 0; b < w.config.banks; b++) {
        const struct tally_generate_bank *k = &s.bank[b];
        ck_assert_int_ge(k->cut_s, tally_patterns_end_s(0) + DAY / 4);
        ck_assert_int_lt(k->cut_s, tally_patterns_start_s(1) - DAY / 4);
        for (uint32_t t = 0; t < TALLY_TYPOLOGIES; t++) {
            int present = tally_patterns_present(w.config.banks, b, (enum tally_typology)t);
            ck_assert_uint_ge(k->test.of[t], 1);
            ck_assert_int_eq(present, !tally_generate_lacking(k, (enum tally_typology)t));
        }
    }
    ck_assert_uint_ge(s.lacking_positives, 200);
    tally_world_free(&w);
}
END_TEST

START_TEST(no_pattern_straddles_the_gap)
{
    struct tally_world w = small_world(1);
    char *part = calloc(w.patterns_n + 1, 1);
    for (size_t i = 0; i < w.tx_n; i++) {
        const struct tally_world_tx *t = &w.tx[i];
        if (!t->pattern) continue;
        int test = t->ts >= tally_patterns_start_s(1);
        ck_assert(test || t->ts < tally_patterns_end_s(0));
        ck_assert_int_ge(t->ts, TALLY_WORLD_ROWS_START_S);
        ck_assert_int_ne(part[t->pattern], 2 - test);
        part[t->pattern] = (char)(1 + test);
    }
    free(part);
    tally_world_free(&w);
}
END_TEST

START_TEST(both_banks_of_a_transaction_have_its_row)
{
    struct tally_world w = small_world(1);
    uint32_t *tables = calloc(w.tx_n + 1, sizeof *tables), both = 0;
    for (uint32_t b = 0; b < w.config.banks; b++) {
        struct tally_features f;
        struct tally_features_row row;
        ck_assert_int_eq(tally_features_init(&f, &w, b), TALLY_OK);
        while (tally_features_next(&f, &row)) tables[row.tx->id] |= UINT32_C(1) << b;
        tally_features_free(&f);
    }
    for (size_t i = 0; i < w.tx_n; i++) {
        uint32_t from = w.accounts[w.tx[i].payer].bank, to = w.accounts[w.tx[i].payee].bank;
        uint32_t want = (from < 5 ? UINT32_C(1) << from : 0) | (to < 5 ? UINT32_C(1) << to : 0);
        if (w.tx[i].ts < TALLY_WORLD_ROWS_START_S) want = 0;
        ck_assert_uint_eq(tables[w.tx[i].id], want);
        both += want && (want & (want - 1));
    }
    ck_assert_uint_gt(both, w.tx_n / 4);
    free(tables);
    tally_world_free(&w);
}
END_TEST

static size_t count_char(const char *text, char c)
{
    size_t n = 0;
    for (; *text; text++) n += *text == c;
    return n;
}

/* The header, the schema and the number of cells of every row agree; nothing else is told. */
START_TEST(tables_have_the_columns_of_the_schema_and_no_truth)
{
    struct tally_world w = small_world(1);
    size_t len, at = 0;
    char *text = table_text(&w, 0, &len), *schema = NULL, expected[4096] = "ts,tx_id", *rest;
    FILE *f = open_memstream(&schema, &len);
    ck_assert_int_eq(tally_generate_schema(f), TALLY_OK);
    (void)fclose(f);
    json_t *j = json_loads(schema, JSON_REJECT_DUPLICATES, NULL), *column;
    ck_assert_ptr_nonnull(j);
    json_array_foreach(json_object_get(j, "columns"), at, column)
    {
        const char *name = json_string_value(json_object_get(column, "name"));
        ck_assert_ptr_null(strstr(name, "pattern"));
        ck_assert_ptr_null(strstr(name, "typology"));
        size_t used = strlen(expected);
        (void)snprintf(expected + used, sizeof expected - used, ",%s", name);
    }
    ck_assert_uint_eq(at, TALLY_FEATURES);
    ck_assert_str_eq(json_string_value(json_object_get(j, "time")), "ts");
    (void)snprintf(expected + strlen(expected), 8, ",label");
    rest = text;
    char *line = strsep(&rest, "\n");
    ck_assert_str_eq(line, expected);
    size_t commas = count_char(expected, ',');
    while ((line = strsep(&rest, "\n")) && *line) {
        ck_assert_uint_eq(count_char(line, ','), commas);
        ck_assert(line[strlen(line) - 1] == '0' || line[strlen(line) - 1] == '1');
    }
    json_decref(j);
    free(schema);
    free(text);
    tally_world_free(&w);
}
END_TEST

static char *read_all(const char *dir, const char *name)
{
    char path[256], *text = calloc(1, 1 << 22);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_lt(fread(text, 1, (1 << 22) - 1, f), (1 << 22) - 1);
    (void)fclose(f);
    ck_assert_int_eq(unlink(path), 0);
    return text;
}

START_TEST(the_truth_names_every_illicit_row_once)
{
    char dir[] = "tally-generator-XXXXXX", name[32];
    struct tally_world w = small_world(1);
    struct tally_generate_summary s;
    size_t positives = 0, ones = 0;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(tally_generate_summarise(&w, &s), TALLY_OK);
    ck_assert_int_eq(tally_generate_write(&w, &s, dir), TALLY_OK);
    for (uint32_t b = 0; b < 5; b++) {
        positives += s.bank[b].train.positives + s.bank[b].test.positives;
        (void)snprintf(name, sizeof name, "bank-%u.csv", b + 1);
        char *table = read_all(dir, name);
        for (const char *p = table; (p = strstr(p, ",1\n")); p++) ones++;
        free(table);
    }
    char *truth = read_all(dir, "truth/truth.csv"), *lacking = read_all(dir, "truth/lacking.csv");
    free(read_all(dir, "schema.json"));
    ck_assert_uint_eq(ones, positives);
    ck_assert_uint_eq(count_char(truth, '\n'), 1 + positives);
    ck_assert_uint_eq(count_char(lacking, '\n'), 1 + 5 * TALLY_TYPOLOGIES);
    for (uint32_t t = 0; t < TALLY_TYPOLOGIES; t++)
        ck_assert_ptr_nonnull(strstr(truth, tally_typology_name((enum tally_typology)t)));
    free(truth);
    free(lacking);
    tally_world_free(&w);
    char sub[64];
    (void)snprintf(sub, sizeof sub, "%s/truth", dir);
    ck_assert_int_eq(rmdir(sub), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(a_folder_that_cannot_be_made_is_an_error)
{
    struct tally_world w = small_world(1);
    struct tally_generate_summary s;
    ck_assert_int_eq(tally_generate_summarise(&w, &s), TALLY_OK);
    ck_assert_int_eq(tally_generate_write(&w, &s, "/dev/null/x"), TALLY_E_IO);
    tally_world_free(&w);
}
END_TEST

START_TEST(a_disk_that_is_full_is_an_error)
{
    struct tally_world w = small_world(1);
    FILE *full = fopen("/dev/full", "w");
    ck_assert_ptr_nonnull(full);
    ck_assert_int_eq(tally_generate_table(&w, 0, full), TALLY_E_IO);
    (void)fclose(full);
    tally_world_free(&w);
}
END_TEST

/* Traffic that ends early moves every cut out of the gap. */
START_TEST(a_cut_outside_the_gap_is_refused)
{
    struct tally_world w = small_world(1);
    struct tally_generate_summary s;
    while (w.tx[w.tx_n - 1].ts >= TALLY_WORLD_ROWS_START_S + 70 * DAY) w.tx_n--;
    ck_assert_int_eq(tally_generate_summarise(&w, &s), TALLY_E_STATE);
    tally_world_free(&w);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("generator");
    tcase_add_test(t, the_same_seed_gives_the_same_bytes_everywhere);
    tcase_add_test(t, another_seed_gives_other_bytes);
    tcase_add_test(t, settings_out_of_range_are_refused);
    tcase_add_loop_test(t, a_bank_meets_two_or_three_typologies_and_each_is_met,
                        TALLY_WORLD_BANKS_MIN, TALLY_WORLD_BANKS_MAX + 1);
    tcase_add_test(t, the_default_data_set_keeps_its_promises);
    tcase_add_loop_test(t, any_number_of_banks_meets_every_typology_after_a_cut_in_the_gap, 0, 4);
    tcase_add_test(t, no_pattern_straddles_the_gap);
    tcase_add_test(t, both_banks_of_a_transaction_have_its_row);
    tcase_add_test(t, tables_have_the_columns_of_the_schema_and_no_truth);
    tcase_add_test(t, the_truth_names_every_illicit_row_once);
    tcase_add_test(t, a_folder_that_cannot_be_made_is_an_error);
    tcase_add_test(t, a_disk_that_is_full_is_an_error);
    tcase_add_test(t, a_cut_outside_the_gap_is_refused);
    return tally_suite_run("generator", t);
}
