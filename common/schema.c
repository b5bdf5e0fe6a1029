/* schema.c - see schema.h. */
#include "common/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const tally_kind_words[TALLY_COLUMN_KINDS] = {"numeric", "category"};
const char *const tally_missing_words[TALLY_MISSING_RULES] = {"mean", "zero", "own"};
const char *const tally_transform_words[TALLY_TRANSFORMS] = {"none", "log1p", "asinh"};
static const char *const held_out_words[] = {"time", "hash"};
static const char *const bad_rows_words[] = {"refuse", "skip"};

double tally_transform(enum tally_transform t, double x)
{
    switch (t) {
    case TALLY_TRANSFORM_LOG1P: return copysign(log1p(fabs(x)), x);
    case TALLY_TRANSFORM_ASINH: return asinh(x);
    case TALLY_TRANSFORM_NONE: break;
    }
    return x;
}

static TALLY_RESULT read_label(const struct tally_json_at *at, struct tally_schema *s)
{
    TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("column", "positive")));
    struct tally_json_at column = tally_json_member(at, "column");
    struct tally_json_at positive = tally_json_member(at, "positive");
    TALLY_TRY(tally_json_text(&column, s->label, sizeof s->label));
    return tally_json_text(&positive, s->positive, sizeof s->positive);
}

static TALLY_RESULT read_held_out(const struct tally_json_at *at, struct tally_schema *s)
{
    size_t by = 0;
    uint64_t permille = 0;

    TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("by", "permille")));
    struct tally_json_at by_at = tally_json_member(at, "by");
    struct tally_json_at permille_at = tally_json_member(at, "permille");
    TALLY_TRY(tally_json_choice(&by_at, held_out_words, 2, &by));
    TALLY_TRY(tally_json_uint(&permille_at, 1, TALLY_HELD_OUT_PERMILLE_MAX, &permille));
    s->held_out_by = (enum tally_held_out)(by + 1);
    s->held_out_permille = (uint32_t)permille;
    if (s->held_out_by == TALLY_HELD_OUT_TIME && *s->time == '\0')
        return tally_json_refuse(&by_at,
                                 "is \"time\", so expected a \"time\" column in the schema");
    return TALLY_OK;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* A list of distinct texts. */
static TALLY_RESULT read_texts(const struct tally_json_at *at, size_t min, size_t max,
                               char (**out)[TALLY_CELL_TEXT_MAX + 1], uint32_t *n)
{
    char(*sorted)[TALLY_CELL_TEXT_MAX + 1] = NULL;
    enum tally_status status = TALLY_OK;
    size_t count = 0;

    TALLY_TRY(tally_json_array(at, min, max, &count));
    *out = calloc(count > 0 ? count : 1, sizeof **out);
    TALLY_ENSURE(*out != NULL, TALLY_E_NOMEM, "a list of texts");
    *n = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct tally_json_at item = tally_json_item(at, i);
        TALLY_TRY(tally_json_text(&item, (*out)[i], sizeof(*out)[i]));
    }
    if (count < 2) return TALLY_OK;
    sorted = malloc(count * sizeof *sorted);
    TALLY_ENSURE(sorted != NULL, TALLY_E_NOMEM, "a list of texts");
    memcpy(sorted, *out, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_texts);
    for (size_t i = 1; i < count && status == TALLY_OK; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            status = tally_json_refuse(at, "lists \"%s\" twice", sorted[i]);
    free(sorted);
    return status;
}

static TALLY_RESULT read_numeric(const struct tally_json_at *at, struct tally_column *c)
{
    size_t missing = 0, transform = 0;

    TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("name", "kind", "missing", "transform?")));
    struct tally_json_at missing_at = tally_json_member(at, "missing");
    struct tally_json_at transform_at = tally_json_member(at, "transform");
    TALLY_TRY(tally_json_choice(&missing_at, tally_missing_words, 3, &missing));
    c->missing = (enum tally_missing)(missing + 1);
    if (transform_at.value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_choice(&transform_at, tally_transform_words + 1, 2, &transform));
    c->transform = (enum tally_transform)(transform + 1);
    return TALLY_OK;
}

static TALLY_RESULT read_category(const struct tally_json_at *at, struct tally_column *c)
{
    uint64_t buckets = 0;

    TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("name", "kind", "values?", "hash_buckets?")));
    struct tally_json_at values = tally_json_member(at, "values");
    struct tally_json_at hashed = tally_json_member(at, "hash_buckets");
    if (values.value != NULL && hashed.value != NULL)
        return tally_json_refuse(at, "has values and hash_buckets; expected at most one of them");
    if (values.value != NULL)
        TALLY_TRY(read_texts(&values, 1, TALLY_VALUES_MAX, &c->values, &c->values_n));
    if (hashed.value != NULL)
        TALLY_TRY(
            tally_json_uint(&hashed, TALLY_HASH_BUCKETS_MIN, TALLY_HASH_BUCKETS_MAX, &buckets));
    c->hash_buckets = (uint32_t)buckets;
    return TALLY_OK;
}

static TALLY_RESULT read_column(const struct tally_json_at *at, struct tally_column *c)
{
    size_t kind = 0;

    if (!json_is_object(at->value)) return tally_json_refuse(at, "expected an object");
    struct tally_json_at name = tally_json_member(at, "name");
    struct tally_json_at kind_at = tally_json_member(at, "kind");
    TALLY_TRY(tally_json_text(&name, c->name, sizeof c->name));
    TALLY_TRY(tally_json_choice(&kind_at, tally_kind_words, 2, &kind));
    c->kind = (enum tally_column_kind)(kind + 1);
    return c->kind == TALLY_COLUMN_NUMERIC ? read_numeric(at, c) : read_category(at, c);
}

static TALLY_RESULT read_columns(const struct tally_json_at *at, struct tally_schema *s)
{
    size_t n = 0;

    TALLY_TRY(tally_json_array(at, 1, TALLY_COLUMNS_MAX, &n));
    s->columns = calloc(n, sizeof *s->columns);
    TALLY_ENSURE(s->columns != NULL, TALLY_E_NOMEM, "the schema's columns");
    s->columns_n = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(at, i);
        TALLY_TRY(read_column(&item, &s->columns[i]));
    }
    return TALLY_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each name has one role. */
static TALLY_RESULT check_roles(const struct tally_json_at *at, const struct tally_schema *s)
{
    enum { ROLES_MAX = 3 + TALLY_IGNORE_MAX + TALLY_COLUMNS_MAX };
    const char *names[ROLES_MAX];
    size_t n = 0;

    names[n++] = s->label;
    if (*s->time != '\0') names[n++] = s->time;
    if (*s->weight != '\0') names[n++] = s->weight;
    for (uint32_t i = 0; i < s->ignore_n; i++) names[n++] = s->ignore[i];
    for (uint32_t i = 0; i < s->columns_n; i++) names[n++] = s->columns[i].name;
    qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 1; i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return tally_json_refuse(at,
                                     "names the column \"%s\" twice; expected each once among "
                                     "label, time, weight, ignore and columns",
                                     names[i]);
    return TALLY_OK;
}

static TALLY_RESULT read_all(const struct tally_json_at *at, struct tally_schema *s)
{
    size_t bad_rows = 0;

    TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("label", "time?", "weight?", "ignore", "held_out",
                                                  "bad_rows", "columns")));
    struct tally_json_at label = tally_json_member(at, "label");
    struct tally_json_at time = tally_json_member(at, "time");
    struct tally_json_at weight = tally_json_member(at, "weight");
    struct tally_json_at ignore = tally_json_member(at, "ignore");
    struct tally_json_at held_out = tally_json_member(at, "held_out");
    struct tally_json_at bad_rows_at = tally_json_member(at, "bad_rows");
    struct tally_json_at columns = tally_json_member(at, "columns");
    TALLY_TRY(read_label(&label, s));
    if (time.value != NULL) TALLY_TRY(tally_json_text(&time, s->time, sizeof s->time));
    if (weight.value != NULL) TALLY_TRY(tally_json_text(&weight, s->weight, sizeof s->weight));
    TALLY_TRY(read_texts(&ignore, 0, TALLY_IGNORE_MAX, &s->ignore, &s->ignore_n));
    TALLY_TRY(read_held_out(&held_out, s));
    TALLY_TRY(tally_json_choice(&bad_rows_at, bad_rows_words, 2, &bad_rows));
    s->bad_rows = (enum tally_bad_rows)(bad_rows + 1);
    TALLY_TRY(read_columns(&columns, s));
    return check_roles(at, s);
}

enum tally_status tally_schema_read(const struct tally_json_at *at, struct tally_schema *out)
{
    struct tally_schema s = {0};
    enum tally_status status = read_all(at, &s);

    if (status == TALLY_OK)
        *out = s;
    else
        tally_schema_free(&s);
    return status;
}

void tally_schema_free(struct tally_schema *s)
{
    for (uint32_t i = 0; i < s->columns_n; i++) free(s->columns[i].values);
    free(s->columns);
    free(s->ignore);
    *s = (struct tally_schema){0};
}

static json_t *texts_json(const char (*texts)[TALLY_CELL_TEXT_MAX + 1], uint32_t n)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < n; i++)
        if (json_array_append_new(list, json_string(texts[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *column_json(const struct tally_column *c)
{
    json_t *j = json_pack("{s:s, s:s}", "name", c->name, "kind", tally_kind_words[c->kind - 1]);
    int bad = j == NULL;

    if (c->kind == TALLY_COLUMN_NUMERIC) {
        bad |= json_object_set_new(j, "missing", json_string(tally_missing_words[c->missing - 1]));
        if (c->transform != TALLY_TRANSFORM_NONE)
            bad |= json_object_set_new(j, "transform",
                                       json_string(tally_transform_words[c->transform]));
    }
    if (c->values_n > 0)
        bad |= json_object_set_new(
            j, "values",
            texts_json((const char(*)[TALLY_CELL_TEXT_MAX + 1]) c->values, c->values_n));
    if (c->hash_buckets > 0)
        bad |= json_object_set_new(j, "hash_buckets", json_integer(c->hash_buckets));
    if (bad == 0) return j;
    json_decref(j);
    return NULL;
}

json_t *tally_schema_json(const struct tally_schema *s)
{
    TALLY_CLEANUP(tally_json_free) json_t *columns = json_array();
    json_t *j = json_pack("{s:{s:s, s:s}}", "label", "column", s->label, "positive", s->positive);
    int bad = j == NULL || columns == NULL;

    if (*s->time != '\0') bad |= json_object_set_new(j, "time", json_string(s->time));
    if (*s->weight != '\0') bad |= json_object_set_new(j, "weight", json_string(s->weight));
    bad |= json_object_set_new(
        j, "ignore", texts_json((const char(*)[TALLY_CELL_TEXT_MAX + 1]) s->ignore, s->ignore_n));
    bad |= json_object_set_new(j, "held_out",
                               json_pack("{s:s, s:i}", "by", held_out_words[s->held_out_by - 1],
                                         "permille", (int)s->held_out_permille));
    bad |= json_object_set_new(j, "bad_rows", json_string(bad_rows_words[s->bad_rows - 1]));
    for (uint32_t i = 0; i < s->columns_n; i++)
        bad |= json_array_append_new(columns, column_json(&s->columns[i]));
    bad |= json_object_set(j, "columns", columns);
    if (bad == 0) return j;
    json_decref(j);
    return NULL;
}

static TALLY_RESULT copy_texts(char (**to)[TALLY_CELL_TEXT_MAX + 1],
                               const char (*from)[TALLY_CELL_TEXT_MAX + 1], uint32_t n)
{
    *to = NULL;
    if (from == NULL) return TALLY_OK;
    *to = calloc(n > 0 ? n : 1, sizeof **to);
    TALLY_ENSURE(*to != NULL, TALLY_E_NOMEM, "a copy of the schema");
    memcpy(*to, from, n * sizeof **to);
    return TALLY_OK;
}

static TALLY_RESULT copy_into(const struct tally_schema *from, struct tally_schema *s)
{
    *s = *from;
    s->columns = NULL;
    s->columns_n = 0;
    TALLY_TRY(copy_texts(&s->ignore, (const char(*)[TALLY_CELL_TEXT_MAX + 1]) from->ignore,
                         from->ignore_n));
    s->columns = calloc(from->columns_n > 0 ? from->columns_n : 1, sizeof *s->columns);
    TALLY_ENSURE(s->columns != NULL, TALLY_E_NOMEM, "a copy of the schema");
    for (; s->columns_n < from->columns_n; s->columns_n++) {
        struct tally_column *c = &s->columns[s->columns_n];
        const struct tally_column *f = &from->columns[s->columns_n];
        *c = *f;
        TALLY_TRY(copy_texts(&c->values, (const char(*)[TALLY_CELL_TEXT_MAX + 1]) f->values,
                             f->values_n));
    }
    return TALLY_OK;
}

enum tally_status tally_schema_copy(const struct tally_schema *from, struct tally_schema *out)
{
    struct tally_schema s;
    enum tally_status status = copy_into(from, &s);

    if (status == TALLY_OK)
        *out = s;
    else
        tally_schema_free(&s);
    return status;
}
