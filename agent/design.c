/* design.c - what is made of a table (dataset.h): round 0's moments, and the rows as a model
 * reads them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/dataset.h"
#include "agent/dictionary.h"

enum { HUGE_PAGE = 2 << 20 };

static int compare_frequent(const void *a, const void *b)
{
    const struct tally_value_count *x = a, *y = b;

    if (x->rows != y->rows) return x->rows > y->rows ? -1 : 1;
    return strcmp(x->value, y->value);
}

static int compare_values(const void *a, const void *b)
{
    return strcmp(((const struct tally_value_count *)a)->value,
                  ((const struct tally_value_count *)b)->value);
}

static void add_numbers(const struct tally_dataset *d, const struct tally_series *s,
                        const struct tally_column *c, struct tally_column_moments *m)
{
    for (uint64_t i = 0; i < d->rows; i++) {
        double x = s->number[i];
        if (d->held_out[i]) continue;
        if (isnan(x) && c->missing != TALLY_MISSING_ZERO) continue;
        tally_moments_add(m, tally_transform(c->transform, isnan(x) ? 0 : x));
    }
}

/* The frequent values of an open category. */
static TALLY_RESULT add_values(const struct tally_dataset *d, const struct tally_series *s,
                               struct tally_column_moments *m)
{
    uint32_t size = tally_dictionary_size(s->dictionary), n = 0;
    uint64_t *counts = calloc((size_t)size + 1, sizeof *counts);
    struct tally_value_count *v = calloc((size_t)size + 1, sizeof *v);

    if (counts == NULL || v == NULL) {
        free(counts);
        free(v);
        return TALLY_FAIL(TALLY_E_NOMEM, "counts of %u values", size);
    }
    for (uint64_t i = 0; i < d->rows; i++)
        if (!d->held_out[i]) counts[s->code[i]]++;
    for (uint32_t code = 1; code <= size; code++) {
        m->n += counts[code];
        if (counts[code] < TALLY_MOMENTS_COUNT_MIN) continue;
        struct tally_slice text = tally_dictionary_text(s->dictionary, code);
        memcpy(v[n].value, text.at, text.len);
        v[n].rows = counts[code];
        v[n++].sites = 1;
    }
    free(counts);
    qsort(v, n, sizeof *v, compare_frequent);
    if (n > TALLY_MOMENTS_VALUES_MAX) n = TALLY_MOMENTS_VALUES_MAX;
    qsort(v, n, sizeof *v, compare_values);
    m->values = v;
    m->values_n = n;
    return TALLY_OK;
}

enum tally_status tally_dataset_moments(const struct tally_dataset *d, const struct tally_schema *s,
                                        struct tally_moments *out)
{
    TALLY_CLEANUP(tally_moments_free) struct tally_moments m = {0};

    TALLY_ENSURE(s->columns_n == d->series_n, TALLY_E_STATE, "a table of another schema");
    TALLY_TRY(tally_moments_init(s, &m));
    m.sites = 1;
    for (uint64_t i = 0; i < d->rows; i++) {
        double w = d->weight != NULL ? d->weight[i] : 1;
        if (d->held_out[i]) continue;
        m.rows++;
        m.positives += d->label[i];
        m.weight += w;
        m.positive_weight += d->label[i] ? w : 0;
    }
    for (uint32_t i = 0; i < s->columns_n; i++) {
        const struct tally_column *c = &s->columns[i];
        if (c->kind == TALLY_COLUMN_NUMERIC)
            add_numbers(d, &d->series[i], c, &m.columns[i]);
        else if (tally_moments_open(c))
            TALLY_TRY(add_values(d, &d->series[i], &m.columns[i]));
    }
    *out = m;
    m = (struct tally_moments){0};
    return TALLY_OK;
}

/* Room that faults in few pages: a table is written once, from one end to the other. */
static TALLY_RESULT room(size_t items, float **out)
{
    size_t bytes = (items * sizeof **out + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *p = NULL;

    if (items * sizeof **out < HUGE_PAGE) {
        p = malloc(items > 0 ? items * sizeof **out : 1);
    } else if (posix_memalign(&p, HUGE_PAGE, bytes) == 0) {
        (void)madvise(p, bytes, MADV_HUGEPAGE);
    } else {
        p = NULL;
    }
    TALLY_ENSURE(p != NULL, TALLY_E_NOMEM, "a table of %zu numbers", items);
    *out = p;
    return TALLY_OK;
}

/* A category column's codes to the feature, within the column, that is 1. */
static TALLY_RESULT slots(const struct tally_prep *p, const struct tally_prep_column *c,
                          const struct tally_series *s, uint32_t **out)
{
    uint32_t size = s->dictionary != NULL ? tally_dictionary_size(s->dictionary) : c->hash_buckets;
    uint32_t *map = malloc(((size_t)size + 1) * sizeof *map);

    TALLY_ENSURE(map != NULL, TALLY_E_NOMEM, "%s: %u values", c->name, size);
    map[0] = c->features - 1;
    for (uint32_t code = 1; code <= size; code++)
        map[code] = s->dictionary == NULL
                        ? code - 1
                        : tally_prep_slot(p, c, false, tally_dictionary_text(s->dictionary, code));
    *out = map;
    return TALLY_OK;
}

static bool in_half(const struct tally_dataset *d, enum tally_half half, uint64_t row)
{
    return half == TALLY_HALF_ALL || (d->held_out[row] != 0) == (half == TALLY_HALF_HELD_OUT);
}

/* One map per category column, NULL for numeric ones. */
struct maps {
    uint32_t **of;
    uint32_t n;
};

static void maps_free(struct maps *m)
{
    for (uint32_t i = 0; i < m->n; i++) free(m->of[i]);
    free(m->of);
}

static TALLY_RESULT maps_make(const struct tally_dataset *d, const struct tally_prep *p,
                              struct maps *m)
{
    m->of = calloc(p->columns_n, sizeof *m->of);
    TALLY_ENSURE(m->of != NULL, TALLY_E_NOMEM, "maps of %u columns", p->columns_n);
    m->n = p->columns_n;
    for (uint32_t i = 0; i < m->n; i++)
        if (p->columns[i].kind == TALLY_COLUMN_CATEGORY)
            TALLY_TRY(slots(p, &p->columns[i], &d->series[i], &m->of[i]));
    return TALLY_OK;
}

static void fill_row(const struct tally_dataset *d, const struct tally_prep *p,
                     const struct maps *m, uint64_t row, float *x)
{
    memset(x, 0, p->features * sizeof *x);
    for (uint32_t i = 0; i < p->columns_n; i++) {
        const struct tally_prep_column *c = &p->columns[i];
        const struct tally_series *s = &d->series[i];
        if (m->of[i] != NULL)
            x[c->first + m->of[i][s->code[row]]] = 1;
        else
            tally_prep_number(c, isnan(s->number[row]), s->number[row], x + c->first);
    }
}

/* Is the preprocessing one of this table's job and schema? */
static TALLY_RESULT check(const struct tally_dataset *d, const struct tally_prep *p)
{
    TALLY_ENSURE(memcmp(p->job, d->job, sizeof d->job) == 0 && p->columns_n == d->series_n,
                 TALLY_E_STATE, "preprocessing of another job");
    for (uint32_t i = 0; i < p->columns_n; i++) {
        const struct tally_prep_column *c = &p->columns[i];
        bool numeric = d->series[i].number != NULL, hashed = d->series[i].dictionary == NULL;
        TALLY_ENSURE(numeric == (c->kind == TALLY_COLUMN_NUMERIC) &&
                         (numeric || hashed == (c->hash_buckets > 0)),
                     TALLY_E_STATE, "%s: the table holds it as another kind", c->name);
    }
    return TALLY_OK;
}

enum tally_status tally_dataset_design(const struct tally_dataset *d, const struct tally_prep *p,
                                       enum tally_half half, struct tally_table *out)
{
    TALLY_CLEANUP(tally_table_free) struct tally_table t = {.features = p->features};
    TALLY_CLEANUP(maps_free) struct maps maps = {0};
    size_t r = 0;

    TALLY_TRY(check(d, p));
    for (uint64_t i = 0; i < d->rows; i++) t.rows += in_half(d, half, i);
    TALLY_TRY(room(t.rows * t.features, &t.x));
    TALLY_TRY(room(t.rows, &t.y));
    if (d->weight != NULL) TALLY_TRY(room(t.rows, &t.weight));
    TALLY_TRY(maps_make(d, p, &maps));
    for (uint64_t i = 0; i < d->rows; i++) {
        if (!in_half(d, half, i)) continue;
        fill_row(d, p, &maps, i, t.x + r * t.features);
        t.y[r] = d->label[i];
        if (t.weight != NULL) t.weight[r] = (float)d->weight[i];
        r++;
    }
    *out = t;
    t = (struct tally_table){0};
    return TALLY_OK;
}
