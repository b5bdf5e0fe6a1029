/* moments.c - see moments.h. */
#include "common/moments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_NUMERIC = 1, TAG_OPEN = 2, TAG_FIXED = 3 };
enum {
    HEAD_BYTES = 1 + 8 * 4 + 4,
    NUMERIC_BYTES = 1 + 8 * 4,
    OPEN_BYTES = 1 + 8 + 4,
    VALUE_BYTES_MIN = 4 + 1 + 8,
};

bool tally_moments_open(const struct tally_column *c)
{
    return c->kind == TALLY_COLUMN_CATEGORY && c->values_n == 0 && c->hash_buckets == 0;
}

enum tally_status tally_moments_init(const struct tally_schema *s, struct tally_moments *out)
{
    struct tally_moments m = {.columns_n = s->columns_n};

    m.columns = calloc(s->columns_n > 0 ? s->columns_n : 1, sizeof *m.columns);
    TALLY_ENSURE(m.columns != NULL, TALLY_E_NOMEM, "moments of %u columns", s->columns_n);
    for (uint32_t i = 0; i < s->columns_n; i++) m.columns[i].kind = s->columns[i].kind;
    *out = m;
    return TALLY_OK;
}

void tally_moments_free(struct tally_moments *m)
{
    for (uint32_t i = 0; i < m->columns_n; i++) free(m->columns[i].values);
    free(m->columns);
    *m = (struct tally_moments){0};
}

/* a + b = *sum + *low exactly (Knuth). */
static void two_sum(double a, double b, double *sum, double *low)
{
    double s = a + b, t = s - a;

    *low = (a - (s - t)) + (b - t);
    *sum = s;
}

static void move_mean(struct tally_column_moments *c, double step)
{
    double sum = 0, low = 0;

    two_sum(c->mean, step, &sum, &low);
    two_sum(sum, c->mean_low + low, &c->mean, &c->mean_low);
}

/* How far x + x_low lies above the mean. */
static double above_mean(const struct tally_column_moments *c, double x, double x_low)
{
    double d = 0, low = 0;

    two_sum(x, -c->mean, &d, &low);
    return d + (low + (x_low - c->mean_low));
}

void tally_moments_add(struct tally_column_moments *c, double x)
{
    double d = above_mean(c, x, 0), step = d / (double)++c->n;

    move_mean(c, step);
    c->m2 += d * (d - step);
}

static void put_f64(struct tally_wr *w, double v)
{
    uint64_t bits = 0;

    memcpy(&bits, &v, sizeof bits);
    tally_wr_be64(w, bits);
}

static size_t encoded_bytes(const struct tally_moments *m)
{
    size_t n = HEAD_BYTES;

    for (uint32_t i = 0; i < m->columns_n; i++) {
        const struct tally_column_moments *c = &m->columns[i];
        n += c->kind == TALLY_COLUMN_NUMERIC ? NUMERIC_BYTES : OPEN_BYTES;
        for (uint32_t k = 0; k < c->values_n; k++) n += 4 + strlen(c->values[k].value) + 8;
    }
    return n;
}

static void put_column(struct tally_wr *w, const struct tally_column_moments *c)
{
    if (c->kind == TALLY_COLUMN_NUMERIC) {
        tally_wr_u8(w, TAG_NUMERIC);
        tally_wr_be64(w, c->n);
        put_f64(w, c->mean);
        put_f64(w, c->mean_low);
        put_f64(w, c->m2);
        return;
    }
    tally_wr_u8(w, c->values == NULL ? TAG_FIXED : TAG_OPEN);
    if (c->values == NULL) return;
    tally_wr_be64(w, c->n);
    tally_wr_be32(w, c->values_n);
    for (uint32_t k = 0; k < c->values_n; k++) {
        tally_wr_vec(w, tally_slice_str(c->values[k].value));
        tally_wr_be64(w, c->values[k].rows);
    }
}

enum tally_status tally_moments_encode(const struct tally_moments *m, uint8_t **bytes, size_t *len)
{
    size_t cap = encoded_bytes(m);
    uint8_t *to = malloc(cap);
    struct tally_slice made;

    TALLY_ENSURE(to != NULL, TALLY_E_NOMEM, "moments: %zu bytes", cap);
    struct tally_wr w = tally_wr_to(to, cap);
    tally_wr_u8(&w, TALLY_MOMENTS_VERSION);
    tally_wr_be64(&w, m->rows);
    tally_wr_be64(&w, m->positives);
    put_f64(&w, m->weight);
    put_f64(&w, m->positive_weight);
    tally_wr_be32(&w, m->columns_n);
    for (uint32_t i = 0; i < m->columns_n; i++) put_column(&w, &m->columns[i]);
    enum tally_status status = tally_wr_end(&w, &made);
    if (status != TALLY_OK) {
        free(to);
        return status;
    }
    *bytes = to;
    *len = made.len;
    return TALLY_OK;
}

/* A finite number of magnitude up to max; its sign bit only where it is below zero. */
static double take_f64(struct tally_rd *r, double min, double max, const char *field)
{
    uint64_t bits = tally_rd_be64(r, field);
    double v = 0;

    memcpy(&v, &bits, sizeof v);
    if (isfinite(v) && v >= min && v <= max && (v < 0 || !signbit(v))) return v;
    tally_rd_fail(r, field);
    return 0;
}

/* An integer in [min, max]. */
static uint64_t take_u64(struct tally_rd *r, uint64_t min, uint64_t max, const char *field)
{
    uint64_t v = tally_rd_be64(r, field);

    if (v >= min && v <= max) return v;
    tally_rd_fail(r, field);
    return min;
}

static void take_numeric(struct tally_rd *r, uint64_t rows, struct tally_column_moments *c)
{
    const double abs_max = TALLY_CELL_NUMBER_ABS_MAX;

    c->n = take_u64(r, 0, rows, "rows with a number");
    c->mean = take_f64(r, c->n > 0 ? -abs_max : 0, c->n > 0 ? abs_max : 0, "mean");
    c->mean_low = take_f64(r, -abs_max, abs_max, "mean low");
    double sum = c->mean + c->mean_low;
    if (sum < c->mean || sum > c->mean) tally_rd_fail(r, "mean low");
    /* Each deviation is at most twice the largest number; one number has none. */
    double m2_max = c->n > 1 ? 4 * abs_max * abs_max * (double)c->n : 0;
    c->m2 = take_f64(r, 0, m2_max, "sum of squared deviations");
}

static TALLY_RESULT take_values(struct tally_rd *r, uint64_t rows, struct tally_column_moments *c)
{
    uint64_t left = 0;

    left = c->n = take_u64(r, 0, rows, "rows with a category");
    uint32_t n = tally_rd_count(r, TALLY_MOMENTS_VALUES_MAX, VALUE_BYTES_MIN, "values");
    c->values = calloc(n > 0 ? n : 1, sizeof *c->values);
    TALLY_ENSURE(c->values != NULL, TALLY_E_NOMEM, "moments of %u values", n);
    for (; c->values_n < n && r->bad == NULL; c->values_n++) {
        struct tally_value_count *v = &c->values[c->values_n];
        struct tally_slice text = tally_rd_vec(r, TALLY_CELL_TEXT_MAX, "value");
        if (r->bad == NULL && !tally_cell_text_ok(text)) tally_rd_fail(r, "value");
        if (r->bad != NULL) break;
        memcpy(v->value, text.at, text.len);
        v->sites = 1;
        v->rows = take_u64(r, TALLY_MOMENTS_COUNT_MIN, UINT64_MAX, "rows of a value");
        if (v->rows > left) tally_rd_fail(r, "rows of the values together");
        left -= v->rows <= left ? v->rows : 0;
        if (c->values_n > 0 && strcmp(v[-1].value, v->value) >= 0)
            tally_rd_fail(r, "order of the values");
    }
    return TALLY_OK;
}

static TALLY_RESULT take_column(struct tally_rd *r, const struct tally_column *s, uint64_t rows,
                                struct tally_column_moments *c)
{
    bool open = tally_moments_open(s);
    uint8_t expected = s->kind == TALLY_COLUMN_NUMERIC ? TAG_NUMERIC : open ? TAG_OPEN : TAG_FIXED;

    if (tally_rd_u8(r, "kind of column") != expected) tally_rd_fail(r, "kind of column");
    if (expected == TAG_NUMERIC) take_numeric(r, rows, c);
    return expected == TAG_OPEN ? take_values(r, rows, c) : TALLY_OK;
}

enum tally_status tally_moments_decode(struct tally_slice in, const struct tally_schema *s,
                                       struct tally_moments *out)
{
    TALLY_CLEANUP(tally_moments_free) struct tally_moments m = {0};
    struct tally_rd r = tally_rd_from(in);

    TALLY_TRY(tally_moments_init(s, &m));
    m.sites = 1;
    if (tally_rd_u8(&r, "version") != TALLY_MOMENTS_VERSION) tally_rd_fail(&r, "version");
    m.rows = take_u64(&r, 1, TALLY_MOMENTS_ROWS_MAX, "rows");
    m.positives = take_u64(&r, 0, m.rows, "positives");
    m.weight = take_f64(&r, DBL_MIN, TALLY_WEIGHT_MAX * (double)m.rows, "weight");
    m.positive_weight = take_f64(&r, 0, m.positives > 0 ? m.weight : 0, "positive weight");
    if (tally_rd_be32(&r, "columns") != s->columns_n) tally_rd_fail(&r, "columns");
    for (uint32_t i = 0; i < s->columns_n && r.bad == NULL; i++)
        TALLY_TRY(take_column(&r, &s->columns[i], m.rows, &m.columns[i]));
    TALLY_TRY(tally_rd_end(&r));
    *out = m;
    m = (struct tally_moments){0};
    return TALLY_OK;
}

/* Chan, Golub, LeVeque (1979). */
static void merge_numeric(struct tally_column_moments *a, const struct tally_column_moments *b)
{
    if (b->n == 0) return;
    if (a->n == 0) {
        a->mean = b->mean;
        a->mean_low = b->mean_low;
        a->m2 = b->m2;
    } else {
        double na = (double)a->n, nb = (double)b->n, n = na + nb;
        double d = above_mean(a, b->mean, b->mean_low);
        a->m2 = a->m2 + b->m2 + d * d * na * nb / n;
        move_mean(a, d * nb / n);
    }
    a->n += b->n;
}

/* The union of two ascending lists. */
static TALLY_RESULT merge_values(struct tally_column_moments *a,
                                 const struct tally_column_moments *b)
{
    uint32_t i = 0, k = 0, n = 0;
    struct tally_value_count *all = calloc((size_t)a->values_n + b->values_n + 1, sizeof *all);

    TALLY_ENSURE(all != NULL, TALLY_E_NOMEM, "moments of %u values", a->values_n + b->values_n);
    while (i < a->values_n || k < b->values_n) {
        int order = i == a->values_n   ? 1
                    : k == b->values_n ? -1
                                       : strcmp(a->values[i].value, b->values[k].value);
        all[n] = order <= 0 ? a->values[i++] : b->values[k++];
        if (order == 0) {
            all[n].rows += b->values[k].rows;
            all[n].sites += b->values[k++].sites;
        }
        n++;
    }
    free(a->values);
    a->values = all;
    a->values_n = n;
    a->n += b->n;
    return TALLY_OK;
}

enum tally_status tally_moments_merge(struct tally_moments *into, const struct tally_moments *site)
{
    TALLY_ENSURE(into->columns_n == site->columns_n, TALLY_E_CONFIG,
                 "moments of %u columns beside moments of %u", site->columns_n, into->columns_n);
    TALLY_ENSURE(into->sites <= TALLY_MOMENTS_SITES_MAX, TALLY_E_LIMIT, "moments of %u sites",
                 into->sites);
    for (uint32_t i = 0; i < into->columns_n; i++) {
        struct tally_column_moments *a = &into->columns[i];
        const struct tally_column_moments *b = &site->columns[i];
        TALLY_ENSURE(a->kind == b->kind, TALLY_E_CONFIG, "moments of two kinds in column %u", i);
        if (a->kind == TALLY_COLUMN_NUMERIC)
            merge_numeric(a, b);
        else if (b->values != NULL)
            TALLY_TRY(merge_values(a, b));
    }
    into->rows += site->rows;
    into->positives += site->positives;
    into->weight += site->weight;
    into->positive_weight += site->positive_weight;
    into->sites += site->sites;
    return TALLY_OK;
}
