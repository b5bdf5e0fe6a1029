/* infer.c - see infer.h: reading the tables and deciding. Showing the result stands in
 * infershow.c. */
#include "agent/infer.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/study.h"

enum { BAD_ROWS_MAX_PERMILLE = 100, HELD_OUT_PERMILLE = 300, FILE_SUFFIX = 4 };

/* The tables and what is known of their columns. */
struct infer {
    const struct tally_infer_options *o;
    struct tally_points *points;
    struct tally_inferred *out;
    char (*names)[TALLY_CELL_TEXT_MAX + 1]; /* of the first table */
    struct tally_study *studies;
    uint32_t names_n;
    uint64_t rows, bad_rows;
    char first_bad[TALLY_POINT_TEXT_MAX];
};

static void infer_free(struct infer *n)
{
    for (uint32_t i = 0; n->studies != NULL && i < n->names_n; i++)
        tally_study_free(&n->studies[i]);
    free(n->studies);
    free(n->names);
}

static int is_csv(const struct dirent *e)
{
    size_t len = strlen(e->d_name);

    return e->d_name[0] != '.' && len > FILE_SUFFIX &&
           strcmp(e->d_name + len - FILE_SUFFIX, ".csv") == 0;
}

static int compare_banks(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The banks are the files' names without ".csv". */
static TALLY_RESULT find_banks(struct infer *n, const char *folder)
{
    struct dirent **list = NULL;
    struct tally_inferred *out = n->out;
    int found = scandir(folder, &list, is_csv, NULL);

    TALLY_ENSURE(found >= 0, TALLY_E_IO, "%s: cannot be read: %s", folder, strerrordesc_np(errno));
    for (int i = 0; i < found; i++) {
        size_t len = strlen(list[i]->d_name) - FILE_SUFFIX;
        if (!tally_name_ok(tally_slice_of(list[i]->d_name, len)))
            tally_points_add(n->points, false,
                             "rename the file: 1 to 63 of a-z 0-9 . _ - before .csv",
                             "%s/%s: is no name for a bank", folder, list[i]->d_name);
        else if (out->banks_n == TALLY_INFER_FILES_MAX)
            tally_points_add(n->points, false, "", "%s: more than %d tables", folder,
                             TALLY_INFER_FILES_MAX);
        else
            memcpy(out->banks[out->banks_n++], list[i]->d_name, len);
        free(list[i]);
    }
    free(list);
    qsort(out->banks, out->banks_n, sizeof *out->banks, compare_banks);
    if (out->banks_n == 0 && tally_points_bad(n->points) == 0)
        tally_points_add(n->points, false, "put one .csv file for each bank there",
                         "%s: has no tables", folder);
    return tally_points_result(n->points);
}

static TALLY_RESULT take_names(struct infer *n, const struct tally_csv *csv)
{
    uint32_t count = tally_csv_columns(csv);

    n->names = calloc(count, sizeof *n->names);
    n->studies = calloc(count, sizeof *n->studies);
    TALLY_ENSURE(n->names != NULL && n->studies != NULL, TALLY_E_NOMEM, "%u columns", count);
    n->names_n = count;
    for (uint32_t i = 0; i < count; i++) {
        const char *name = tally_csv_column(csv, i);
        memcpy(n->names[i], name, strlen(name) + 1);
        tally_study_init(&n->studies[i]);
        if (tally_csv_find(csv, name) == -2)
            tally_points_add(n->points, false, "give each column a name of its own",
                             "%s:1: has more than one column \"%s\"", tally_csv_name(csv), name);
    }
    return tally_points_result(n->points);
}

static bool has_name(const struct infer *n, const char *name)
{
    for (uint32_t i = 0; i < n->names_n; i++)
        if (strcmp(n->names[i], name) == 0) return true;
    return false;
}

/* Every table has the columns of the first; where they stand in this one. */
static TALLY_RESULT match_names(struct infer *n, const struct tally_csv *csv, uint32_t *where)
{
    static const char fix[] = "give every table the same columns";

    for (uint32_t i = 0; i < n->names_n; i++) {
        int at = tally_csv_find(csv, n->names[i]);
        where[i] = at < 0 ? 0 : (uint32_t)at;
        if (at < 0)
            tally_points_add(n->points, false, fix, "%s:1: %s the column \"%s\", which %s.csv has",
                             tally_csv_name(csv), at == -1 ? "lacks" : "has twice", n->names[i],
                             n->out->banks[0]);
    }
    for (uint32_t i = 0; i < tally_csv_columns(csv); i++)
        if (!has_name(n, tally_csv_column(csv, i)))
            tally_points_add(n->points, false, fix, "%s:1: has a column \"%s\", which %s.csv lacks",
                             tally_csv_name(csv), tally_csv_column(csv, i), n->out->banks[0]);
    return TALLY_OK;
}

static TALLY_RESULT study_rows(struct infer *n, struct tally_csv *csv, const uint32_t *where,
                               uint64_t *rows)
{
    const struct tally_csv_row *row = NULL;

    for (;;) {
        TALLY_TRY(tally_csv_next(csv, &row));
        if (row == NULL) return TALLY_OK;
        (*rows)++;
        if (row->problem != NULL) {
            if (n->bad_rows++ == 0)
                (void)snprintf(n->first_bad, sizeof n->first_bad, "%s:%llu: %s",
                               tally_csv_name(csv), (unsigned long long)row->line, row->problem);
            continue;
        }
        for (uint32_t i = 0; i < n->names_n; i++)
            TALLY_TRY(tally_study_add(&n->studies[i], row->fields[where[i]]));
    }
}

static TALLY_RESULT study_table(struct infer *n, const char *folder, uint32_t bank)
{
    TALLY_CLEANUP(tally_csv_close) struct tally_csv *csv = NULL;
    uint32_t where[TALLY_CSV_FIELDS_MAX];
    char path[PATH_MAX];

    int len = snprintf(path, sizeof path, "%s/%s.csv", folder, n->out->banks[bank]);
    TALLY_ENSURE(len > 0 && (size_t)len < sizeof path, TALLY_E_CONFIG, "%s: too long a path",
                 folder);
    TALLY_TRY(tally_csv_open(path, &csv));
    if (bank == 0) TALLY_TRY(take_names(n, csv));
    TALLY_TRY(match_names(n, csv, where));
    if (tally_points_bad(n->points) > 0) return TALLY_OK; /* the other tables' names come first */
    for (uint32_t i = 0; i < n->names_n; i++)
        tally_study_table(&n->studies[i], tally_csv_separator(csv));
    TALLY_TRY(study_rows(n, csv, where, &n->out->rows[bank]));
    n->rows += n->out->rows[bank];
    if (n->out->rows[bank] == 0)
        tally_points_add(n->points, false, "take the file away, or give it rows", "%s: has no rows",
                         path);
    return TALLY_OK;
}

static struct tally_study *study_of(struct infer *n, const char *name, const char *option)
{
    for (uint32_t i = 0; i < n->names_n; i++)
        if (strcmp(n->names[i], name) == 0) return &n->studies[i];
    tally_points_add(n->points, false, "name a column of the tables' header line",
                     "%s: the tables have no column \"%s\"", option, name);
    return NULL;
}

/* The value that stands for fraud. */
static const struct tally_study_value *choose_positive(const struct infer *n,
                                                       const struct tally_study *label)
{
    const char *wanted = n->o->positive != NULL ? n->o->positive : "1";
    uint32_t seen = label->values_n;

    if (seen > TALLY_STUDY_SPELLINGS_MAX) seen = TALLY_STUDY_SPELLINGS_MAX;
    for (uint32_t i = 0; i < seen; i++)
        if (tally_cell_same(tally_slice_str(label->values[i].text), tally_slice_str(wanted)))
            return &label->values[i];
    if (n->o->positive != NULL || label->values_n != 2) return NULL;
    return &label->values[label->values[0].rows <= label->values[1].rows ? 0 : 1];
}

static void decide_label(struct infer *n)
{
    const struct tally_study *label = study_of(n, n->o->label, "--label");

    if (label == NULL) return;
    const struct tally_study_value *positive = choose_positive(n, label);
    if (label->values_n < 2)
        tally_points_add(n->points, false, "name a column that tells fraud from the rest",
                         "--label: the column \"%s\" has %u values in all the tables", n->o->label,
                         label->values_n);
    else if (label->values_n > 2 && n->o->positive == NULL)
        tally_points_add(n->points, false, "say which one counts with --positive",
                         "--label: the column \"%s\" has more than two values", n->o->label);
    else if (positive == NULL)
        tally_points_add(n->points, false, "name a value that the column has",
                         "--positive: the column \"%s\" has no value \"%s\"", n->o->label,
                         n->o->positive);
    if (tally_points_bad(n->points) > 0 || positive == NULL) return;
    struct tally_schema *s = &n->out->schema;
    (void)snprintf(s->label, sizeof s->label, "%s", n->o->label);
    (void)snprintf(s->positive, sizeof s->positive, "%s", positive->text);
    n->out->positives = positive->rows;
    if (label->values_n > 2)
        tally_points_add(n->points, true, "", "label \"%s\": every value but \"%s\" is negative",
                         s->label, s->positive);
    n->bad_rows += label->missing;
    if (label->missing > 0 && *n->first_bad == '\0')
        (void)snprintf(n->first_bad, sizeof n->first_bad, "a row without a label");
}

static void decide_time(struct infer *n)
{
    struct tally_schema *s = &n->out->schema;
    const struct tally_study *time = NULL;

    s->held_out_permille = HELD_OUT_PERMILLE;
    s->held_out_by = n->o->time != NULL ? TALLY_HELD_OUT_TIME : TALLY_HELD_OUT_HASH;
    if (n->o->time == NULL) return;
    time = study_of(n, n->o->time, "--time");
    if (time == NULL) return;
    (void)snprintf(s->time, sizeof s->time, "%s", n->o->time);
    if (!time->times || time->missing > 0)
        tally_points_add(n->points, false,
                         "name a column with a time in every row: seconds since 1970, or "
                         "YYYY-MM-DD hh:mm:ss",
                         "--time: the column \"%s\" has values that are no times (such as \"%s\")",
                         n->o->time, time->missing > 0 ? "" : time->example);
}

static bool ignored(const struct infer *n, const char *name)
{
    for (size_t i = 0; n->o->ignore != NULL && n->o->ignore[i] != NULL; i++)
        if (strcmp(n->o->ignore[i], name) == 0) return true;
    return false;
}

/* Why a column is of no use; NULL: it is. */
static const char *useless(const struct tally_study *t)
{
    bool numeric = tally_study_numeric(t), unique = !t->repeats;

    if (t->rows == t->missing) return "empty";
    if (t->distinct.size == 1 && t->missing == 0) return "the same in every row";
    if (tally_study_row_number(t)) return "numbers the rows";
    if (!numeric && t->times) return "a time that --time does not name";
    if (!numeric && unique && t->distinct.size > TALLY_INFER_CATEGORY_MAX)
        return "another text in every row";
    return NULL;
}

static enum tally_infer_role role_of(const struct tally_study *t)
{
    if (tally_study_numeric(t) && (t->fractions || t->distinct.size > TALLY_INFER_CATEGORY_MAX ||
                                   tally_study_spelt_variously(t)))
        return TALLY_INFER_NUMERIC;
    if (t->distinct.size > TALLY_INFER_VALUES_MAX || !t->texts_ok) return TALLY_INFER_HASHED;
    return TALLY_INFER_CATEGORY;
}

static void decide_column(const struct infer *n, uint32_t i, struct tally_infer_column *c)
{
    const struct tally_study *t = &n->studies[i];
    const char *why = useless(t);

    memcpy(c->name, n->names[i], sizeof c->name);
    memcpy(c->example, t->example, sizeof c->example);
    c->rows = t->rows;
    c->missing = t->missing;
    c->distinct_more = t->distinct.size > TALLY_STUDY_DISTINCT_MAX;
    c->distinct = t->distinct.size - c->distinct_more;
    if (strcmp(c->name, n->o->label) == 0) {
        c->role = TALLY_INFER_LABEL;
    } else if (n->o->time != NULL && strcmp(c->name, n->o->time) == 0) {
        c->role = TALLY_INFER_TIME;
    } else if (ignored(n, c->name) || why != NULL) {
        c->role = TALLY_INFER_IGNORED;
        (void)snprintf(c->note, sizeof c->note, "%s", ignored(n, c->name) ? "--ignore" : why);
    } else {
        c->role = role_of(t);
        if (c->role == TALLY_INFER_NUMERIC) {
            double mean = t->abs_sum / (double)(t->rows - t->missing);
            double largest = t->max > -t->min ? t->max : -t->min;
            if (largest > TALLY_INFER_SKEW * mean) c->transform = TALLY_TRANSFORM_LOG1P;
        }
    }
}

static void add_column(struct tally_schema *s, const struct tally_infer_column *from)
{
    struct tally_column *c = &s->columns[s->columns_n];

    if (from->role == TALLY_INFER_IGNORED)
        memcpy(s->ignore[s->ignore_n++], from->name, sizeof from->name);
    if (from->role < TALLY_INFER_NUMERIC || from->role > TALLY_INFER_HASHED) return;
    memcpy(c->name, from->name, sizeof c->name);
    c->kind = from->role == TALLY_INFER_NUMERIC ? TALLY_COLUMN_NUMERIC : TALLY_COLUMN_CATEGORY;
    if (from->role == TALLY_INFER_HASHED) c->hash_buckets = TALLY_INFER_BUCKETS;
    if (from->role == TALLY_INFER_NUMERIC) {
        c->missing = from->missing > 0 ? TALLY_MISSING_OWN : TALLY_MISSING_MEAN;
        c->transform = from->transform;
    }
    s->columns_n++;
}

static TALLY_RESULT decide_columns(struct infer *n)
{
    struct tally_inferred *out = n->out;
    struct tally_schema *s = &out->schema;

    out->columns = calloc(n->names_n, sizeof *out->columns);
    s->columns = calloc(n->names_n, sizeof *s->columns);
    s->ignore = calloc(n->names_n, sizeof *s->ignore);
    TALLY_ENSURE(out->columns != NULL && s->columns != NULL && s->ignore != NULL, TALLY_E_NOMEM,
                 "%u columns", n->names_n);
    out->columns_n = n->names_n;
    for (uint32_t i = 0; i < n->names_n; i++) {
        decide_column(n, i, &out->columns[i]);
        add_column(s, &out->columns[i]);
    }
    for (size_t i = 0; n->o->ignore != NULL && n->o->ignore[i] != NULL; i++)
        (void)study_of(n, n->o->ignore[i], "--ignore");
    if (s->columns_n < 1 || s->columns_n > TALLY_COLUMNS_MAX || s->ignore_n > TALLY_IGNORE_MAX)
        tally_points_add(n->points, false, "",
                         "the tables leave %u columns to learn from; expected 1 to %d",
                         s->columns_n, TALLY_COLUMNS_MAX);
    return TALLY_OK;
}

static void decide_bad_rows(struct infer *n)
{
    n->out->schema.bad_rows = n->bad_rows > 0 ? TALLY_BAD_ROWS_SKIP : TALLY_BAD_ROWS_REFUSE;
    if (n->bad_rows == 0) return;
    bool many = n->bad_rows * 1000 > n->rows * BAD_ROWS_MAX_PERMILLE;
    tally_points_add(n->points, !many, many ? "correct the tables" : "",
                     "%llu rows do not fit%s; the first: %s", (unsigned long long)n->bad_rows,
                     many ? "" : " and are left out", n->first_bad);
}

static TALLY_RESULT infer(struct infer *n, const char *folder)
{
    TALLY_TRY(find_banks(n, folder));
    for (uint32_t i = 0; i < n->out->banks_n; i++) TALLY_TRY(study_table(n, folder, i));
    TALLY_TRY(tally_points_result(n->points));
    decide_label(n);
    decide_time(n);
    TALLY_TRY(decide_columns(n));
    decide_bad_rows(n);
    return tally_points_result(n->points);
}

enum tally_status tally_infer_folder(const char *folder, const struct tally_infer_options *o,
                                     struct tally_points *points, struct tally_inferred *out)
{
    TALLY_CLEANUP(tally_inferred_free) struct tally_inferred made = {0};
    TALLY_CLEANUP(infer_free) struct infer n = {.o = o, .points = points, .out = &made};

    *points = (struct tally_points){0};
    enum tally_status status = infer(&n, folder);
    if (status != TALLY_OK && tally_points_bad(points) == 0)
        tally_points_add(points, false, "", "%s", tally_why_text());
    if (status != TALLY_OK) return status;
    *out = made;
    made = (struct tally_inferred){0};
    return TALLY_OK;
}

void tally_inferred_free(struct tally_inferred *i)
{
    free(i->columns);
    tally_schema_free(&i->schema);
    *i = (struct tally_inferred){0};
}
