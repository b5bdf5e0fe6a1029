/* dataset.c - see dataset.h: reading a table. What is made of it stands in design.c. */
#include "agent/dataset.h"

#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/dictionary.h"
#include "common/hash.h"

enum { ROWS_START = 4096, SHOWN_MAX = 48 };

/* One reading: where each column of the schema is in the table. */
struct load {
    struct tally_csv *csv;
    const struct tally_schema *s;
    struct tally_points *points;
    struct tally_dataset *d;
    uint64_t cap; /* rows there is room for */
    int label, time, weight;
    int columns[TALLY_COLUMNS_MAX];
    uint8_t hash_key[TALLY_PREP_KEY_BYTES], split_key[crypto_shorthash_KEYBYTES];
    bool row_bad; /* the row at hand; its first fault is told */
    char first_bad[TALLY_POINT_TEXT_MAX];
};

static const char fix_row[] = "correct the row, or let the job say \"bad_rows\": \"skip\"";

/* Held out or not, for rows without a time: a key of its own per job. */
static void split_key(const uint8_t job[32], uint8_t key[crypto_shorthash_KEYBYTES])
{
    static const char label[] = "tally/held-out/v1"; /* with its zero */
    uint8_t digest[TALLY_SHA256_BYTES];

    TALLY_SHA256_OF(digest, TALLY_SLICE(label), tally_slice_of(job, 32));
    memcpy(key, digest, crypto_shorthash_KEYBYTES);
}

static bool held_out_by_hash(const struct load *l, struct tally_slice raw)
{
    uint8_t hash[crypto_shorthash_BYTES];

    (void)crypto_shorthash(hash, raw.at, raw.len, l->split_key);
    struct tally_rd r = tally_rd_from(TALLY_SLICE(hash));
    return (uint64_t)tally_rd_le32(&r, "hash") * 1000 >> 32 < l->s->held_out_permille;
}

/* A name in the table that differs in case alone; NULL: none. */
static const char *nearly(const struct tally_csv *csv, const char *name)
{
    for (uint32_t i = 0; i < tally_csv_columns(csv); i++)
        if (strcasecmp(tally_csv_column(csv, i), name) == 0) return tally_csv_column(csv, i);
    return NULL;
}

static int place(struct load *l, const char *role, const char *name)
{
    int at = tally_csv_find(l->csv, name);
    const char *near = nearly(l->csv, name), *file = tally_csv_name(l->csv);
    char fix[TALLY_POINT_TEXT_MAX];

    if (at >= 0) return at;
    if (at == -2) {
        tally_points_add(l->points, false, "give each column a name of its own",
                         "%s:1: has more than one column \"%s\"", file, name);
        return at;
    }
    if (near != NULL)
        (void)snprintf(fix, sizeof fix, "rename the column \"%s\" to \"%s\"", near, name);
    else
        (void)snprintf(fix, sizeof fix, "add the column to the table, or take it out of the job");
    tally_points_add(l->points, false, fix, "%s:1: lacks the %s column \"%s\"", file, role, name);
    return at;
}

static bool named(const struct tally_schema *s, const char *name)
{
    if (strcmp(s->label, name) == 0 || strcmp(s->time, name) == 0 || strcmp(s->weight, name) == 0)
        return true;
    for (uint32_t i = 0; i < s->columns_n; i++)
        if (strcmp(s->columns[i].name, name) == 0) return true;
    for (uint32_t i = 0; i < s->ignore_n; i++)
        if (strcmp(s->ignore[i], name) == 0) return true;
    return false;
}

static TALLY_RESULT place_columns(struct load *l)
{
    const struct tally_schema *s = l->s;

    l->label = place(l, "label", s->label);
    l->time = *s->time != '\0' ? place(l, "time", s->time) : -1;
    l->weight = *s->weight != '\0' ? place(l, "weight", s->weight) : -1;
    for (uint32_t i = 0; i < s->columns_n; i++)
        l->columns[i] = place(l, tally_kind_words[s->columns[i].kind - 1], s->columns[i].name);
    for (uint32_t i = 0; i < tally_csv_columns(l->csv); i++)
        if (!named(s, tally_csv_column(l->csv, i)))
            tally_points_add(l->points, false,
                             "list the column in the job's schema.ignore, or take it out of the "
                             "table",
                             "%s:1: the column \"%s\" is not in the job's schema",
                             tally_csv_name(l->csv), tally_csv_column(l->csv, i));
    return tally_points_result(l->points);
}

/* The row does not fit: told with everything needed to find it. */
static void bad(struct load *l, const struct tally_csv_row *row, int column, const char *expected)
{
    char what[TALLY_POINT_TEXT_MAX], shown[SHOWN_MAX];
    const char *file = tally_csv_name(l->csv);
    unsigned long long line = row->line;

    if (l->row_bad) return;
    l->row_bad = true;
    if (column < 0)
        (void)snprintf(what, sizeof what, "%s:%llu: column %u: %s", file, line,
                       row->problem_field + 1, expected);
    else
        (void)snprintf(what, sizeof what, "%s:%llu: column \"%s\": \"%s\" %s", file, line,
                       tally_csv_column(l->csv, (uint32_t)column),
                       tally_cell_show(row->fields[column], shown, sizeof shown), expected);
    if (*l->first_bad == '\0') memcpy(l->first_bad, what, sizeof what);
    if (l->s->bad_rows == TALLY_BAD_ROWS_REFUSE)
        tally_points_add(l->points, false, fix_row, "%s", what);
}

static TALLY_RESULT take_number(struct load *l, const struct tally_csv_row *row, int column,
                                double *out)
{
    enum tally_cell cell = tally_csv_number(l->csv, row->fields[column], out);
    char shown[SHOWN_MAX];

    if (cell == TALLY_CELL_OK) return TALLY_OK;
    *out = (double)NAN;
    if (cell == TALLY_CELL_BAD) bad(l, row, column, "is not a number");
    if (cell != TALLY_CELL_OTHER_MARK) return TALLY_OK;
    tally_cell_show(row->fields[column], shown, sizeof shown);
    tally_points_add(l->points, false, "write all fractions of the table with one decimal mark",
                     "%s:%llu: column \"%s\": \"%s\" has another decimal mark than the numbers "
                     "before it",
                     tally_csv_name(l->csv), (unsigned long long)row->line,
                     tally_csv_column(l->csv, (uint32_t)column), shown);
    return tally_points_result(l->points);
}

static TALLY_RESULT take_category(struct load *l, const struct tally_csv_row *row, uint32_t i)
{
    const struct tally_column *c = &l->s->columns[i];
    struct tally_slice text = row->fields[l->columns[i]];
    struct tally_series *series = &l->d->series[i];
    uint32_t *code = &series->code[l->d->rows];

    *code = 0;
    if (c->hash_buckets > 0) {
        if (!tally_cell_missing(text))
            *code = 1 + tally_prep_bucket(l->hash_key, text, c->hash_buckets);
        return TALLY_OK;
    }
    *code = tally_dictionary_find(series->dictionary, text);
    /* Not among the listed values: "other", as if missing. */
    if (*code > 0 || c->values_n > 0 || tally_cell_missing(text)) return TALLY_OK;
    if (!tally_cell_text_ok(text)) {
        bad(l, row, l->columns[i], "is not 1 to 127 bytes of UTF-8 text (hash_buckets takes any)");
        return TALLY_OK;
    }
    if (tally_dictionary_size(series->dictionary) < TALLY_DICTIONARY_MAX)
        return tally_dictionary_add(series->dictionary, text, TALLY_DICTIONARY_MAX, code);
    tally_points_add(l->points, false, "give the column hash_buckets in the job",
                     "%s:%llu: column \"%s\": more than %d distinct values", tally_csv_name(l->csv),
                     (unsigned long long)row->line, c->name, TALLY_DICTIONARY_MAX);
    return tally_points_result(l->points);
}

static void take_label(struct load *l, const struct tally_csv_row *row)
{
    struct tally_slice text = row->fields[l->label], positive = tally_slice_str(l->s->positive);
    bool is = tally_slice_equal(text, positive);

    if (!is && tally_cell_missing(text)) bad(l, row, l->label, "is no label");
    l->d->label[l->d->rows] = is || tally_cell_same(text, positive);
}

static void take_time(struct load *l, const struct tally_csv_row *row)
{
    double *at = &l->d->time_s[l->d->rows];

    if (tally_cell_time(row->fields[l->time], at) != TALLY_CELL_OK)
        bad(l, row, l->time, "is no time (seconds since 1970, or YYYY-MM-DD hh:mm:ss)");
}

static TALLY_RESULT take_weight(struct load *l, const struct tally_csv_row *row)
{
    double w = 0;

    TALLY_TRY(take_number(l, row, l->weight, &w));
    if (!(w > 0 && w <= TALLY_WEIGHT_MAX))
        bad(l, row, l->weight, "is no weight (above 0, at most 1e6)");
    l->d->weight[l->d->rows] = w;
    return TALLY_OK;
}

static TALLY_RESULT take_row(struct load *l, const struct tally_csv_row *row)
{
    struct tally_dataset *d = l->d;

    if (row->problem != NULL) {
        bad(l, row, -1, row->problem);
        return TALLY_OK;
    }
    take_label(l, row);
    if (l->time >= 0) take_time(l, row);
    if (l->weight >= 0) TALLY_TRY(take_weight(l, row));
    for (uint32_t i = 0; i < l->s->columns_n && !l->row_bad; i++) {
        if (l->s->columns[i].kind == TALLY_COLUMN_NUMERIC)
            TALLY_TRY(take_number(l, row, l->columns[i], &d->series[i].number[d->rows]));
        else
            TALLY_TRY(take_category(l, row, i));
    }
    d->held_out[d->rows] =
        l->s->held_out_by == TALLY_HELD_OUT_HASH && held_out_by_hash(l, row->raw);
    return TALLY_OK;
}

static TALLY_RESULT resize(void *array, uint64_t rows, size_t item)
{
    void *old = NULL;

    memcpy(&old, array, sizeof old);
    void *fresh = realloc(old, (size_t)rows * item);
    TALLY_ENSURE(fresh != NULL, TALLY_E_NOMEM, "a table of %llu rows", (unsigned long long)rows);
    memcpy(array, &fresh, sizeof fresh);
    return TALLY_OK;
}

static TALLY_RESULT grow(struct load *l)
{
    struct tally_dataset *d = l->d;
    uint64_t cap = l->cap > 0 ? l->cap * 2 : ROWS_START;

    TALLY_ENSURE(cap <= TALLY_DATASET_ROWS_MAX, TALLY_E_LIMIT, "%s: more than %llu rows",
                 tally_csv_name(l->csv), (unsigned long long)TALLY_DATASET_ROWS_MAX);
    TALLY_TRY(resize(&d->label, cap, sizeof *d->label));
    TALLY_TRY(resize(&d->held_out, cap, sizeof *d->held_out));
    if (l->time >= 0) TALLY_TRY(resize(&d->time_s, cap, sizeof *d->time_s));
    if (l->weight >= 0) TALLY_TRY(resize(&d->weight, cap, sizeof *d->weight));
    for (uint32_t i = 0; i < d->series_n; i++) {
        struct tally_series *s = &d->series[i];
        if (l->s->columns[i].kind == TALLY_COLUMN_NUMERIC)
            TALLY_TRY(resize(&s->number, cap, sizeof *s->number));
        else
            TALLY_TRY(resize(&s->code, cap, sizeof *s->code));
    }
    l->cap = cap;
    return TALLY_OK;
}

static TALLY_RESULT take_rows(struct load *l)
{
    const struct tally_csv_row *row = NULL;

    for (;;) {
        TALLY_TRY(tally_csv_next(l->csv, &row));
        if (row == NULL) return TALLY_OK;
        if (l->d->rows == l->cap) TALLY_TRY(grow(l));
        l->row_bad = false;
        TALLY_TRY(take_row(l, row));
        l->d->rows += !l->row_bad;
        l->d->skipped += l->row_bad;
    }
}

/* Codes 1 to values_n are the listed values, in the schema's order. */
static TALLY_RESULT prepare_series(struct load *l)
{
    const struct tally_schema *s = l->s;
    uint32_t code = 0;

    l->d->series = calloc(s->columns_n, sizeof *l->d->series);
    TALLY_ENSURE(l->d->series != NULL, TALLY_E_NOMEM, "a table of %u columns", s->columns_n);
    l->d->series_n = s->columns_n;
    for (uint32_t i = 0; i < s->columns_n; i++) {
        const struct tally_column *c = &s->columns[i];
        struct tally_series *series = &l->d->series[i];
        if (c->kind == TALLY_COLUMN_NUMERIC || c->hash_buckets > 0) continue;
        TALLY_TRY(tally_dictionary_new(&series->dictionary));
        for (uint32_t k = 0; k < c->values_n; k++)
            TALLY_TRY(tally_dictionary_add(series->dictionary, tally_slice_str(c->values[k]),
                                           TALLY_VALUES_MAX, &code));
    }
    return TALLY_OK;
}

static int compare_times(const void *a, const void *b)
{
    double x = 0, y = 0;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static TALLY_RESULT split_by_time(struct tally_dataset *d, uint32_t permille)
{
    uint64_t held = d->rows * permille / 1000;

    if (held == 0) return TALLY_OK;
    double *sorted = malloc(d->rows * sizeof *sorted);
    TALLY_ENSURE(sorted != NULL, TALLY_E_NOMEM, "%llu times", (unsigned long long)d->rows);
    memcpy(sorted, d->time_s, d->rows * sizeof *sorted);
    qsort(sorted, d->rows, sizeof *sorted, compare_times);
    d->cut_s = sorted[d->rows - held];
    free(sorted);
    for (uint64_t i = 0; i < d->rows; i++) d->held_out[i] = d->time_s[i] >= d->cut_s;
    return TALLY_OK;
}

/* Counts, and what people should know about them. */
static void conclude(struct load *l)
{
    struct tally_dataset *d = l->d;
    const char *file = tally_csv_name(l->csv);

    for (uint64_t i = 0; i < d->rows; i++) {
        d->held_rows += d->held_out[i];
        d->positives += d->label[i];
        d->held_positives += d->held_out[i] & d->label[i];
    }
    if (d->skipped > 0 && l->s->bad_rows == TALLY_BAD_ROWS_SKIP)
        tally_points_add(l->points, true, "",
                         "%llu rows do not fit and are left out; the first: %s",
                         (unsigned long long)d->skipped, l->first_bad);
    if (d->rows == d->held_rows)
        tally_points_add(l->points, false, "check the table, and schema.held_out in the job",
                         "%s: has %llu rows and none to train on", file,
                         (unsigned long long)d->rows);
    else if (d->positives == d->held_positives)
        tally_points_add(l->points, true, "check the label column and its positive value",
                         "%s: no row to train on has the label \"%s\"", file, l->s->positive);
    if (d->held_positives == 0)
        tally_points_add(l->points, true, "", "%s: no held-out row has the label \"%s\"", file,
                         l->s->positive);
}

static TALLY_RESULT read_into(struct load *l)
{
    tally_prep_key(l->d->job, l->hash_key);
    split_key(l->d->job, l->split_key);
    TALLY_TRY(place_columns(l));
    TALLY_TRY(prepare_series(l));
    TALLY_TRY(take_rows(l));
    if (l->s->held_out_by == TALLY_HELD_OUT_TIME)
        TALLY_TRY(split_by_time(l->d, l->s->held_out_permille));
    conclude(l);
    return tally_points_result(l->points);
}

enum tally_status tally_dataset_read(struct tally_csv *csv, const struct tally_schema *s,
                                     const uint8_t job_digest[32], struct tally_points *points,
                                     struct tally_dataset *out)
{
    TALLY_CLEANUP(tally_dataset_free) struct tally_dataset d = {.cut_s = (double)NAN};
    struct load l = {.csv = csv, .s = s, .points = points, .d = &d};

    *points = (struct tally_points){0};
    memcpy(d.job, job_digest, sizeof d.job);
    enum tally_status status = read_into(&l);
    if (status != TALLY_OK && tally_points_bad(points) == 0)
        tally_points_add(points, false, "", "%s", tally_why_text());
    if (status != TALLY_OK) return status;
    *out = d;
    d = (struct tally_dataset){0};
    return TALLY_OK;
}

enum tally_status tally_dataset_load(const char *path, const struct tally_schema *s,
                                     const uint8_t job_digest[32], struct tally_points *points,
                                     struct tally_dataset *out)
{
    TALLY_CLEANUP(tally_csv_close) struct tally_csv *csv = NULL;

    *points = (struct tally_points){0};
    enum tally_status status = tally_csv_open(path, &csv);
    if (status != TALLY_OK)
        tally_points_add(points, false, "check the table's path and form", "%s", tally_why_text());
    if (status != TALLY_OK) return status;
    return tally_dataset_read(csv, s, job_digest, points, out);
}

void tally_dataset_free(struct tally_dataset *d)
{
    for (uint32_t i = 0; i < d->series_n; i++) {
        free(d->series[i].number);
        free(d->series[i].code);
        tally_dictionary_free(&d->series[i].dictionary);
    }
    free(d->series);
    free(d->label);
    free(d->held_out);
    free(d->weight);
    free(d->time_s);
    *d = (struct tally_dataset){0};
}
