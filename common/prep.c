/* prep.c - see prep.h. */
#include "common/prep.h"

#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"

_Static_assert(TALLY_PREP_KEY_BYTES == crypto_shorthash_KEYBYTES, "SipHash's key");

void tally_prep_key(const uint8_t job_digest[32], uint8_t key[TALLY_PREP_KEY_BYTES])
{
    static const char label[] = "tally/prep-hash/v1"; /* with its zero */
    uint8_t digest[TALLY_SHA256_BYTES];

    TALLY_SHA256_OF(digest, TALLY_SLICE(label), tally_slice_of(job_digest, 32));
    memcpy(key, digest, TALLY_PREP_KEY_BYTES);
}

uint32_t tally_prep_bucket(const uint8_t key[TALLY_PREP_KEY_BYTES], struct tally_slice value,
                           uint32_t buckets)
{
    uint8_t hash[crypto_shorthash_BYTES];

    (void)crypto_shorthash(hash, value.at, value.len, key);
    struct tally_rd r = tally_rd_from(TALLY_SLICE(hash));
    return (uint32_t)((uint64_t)tally_rd_le32(&r, "hash") * buckets >> 32);
}

static int compare_bytes(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int compare_frequent(const void *a, const void *b)
{
    const struct tally_value_count *x = a, *y = b;

    if (x->rows != y->rows) return x->rows > y->rows ? -1 : 1;
    return strcmp(x->value, y->value);
}

static TALLY_RESULT room_for(struct tally_prep_column *p, uint32_t n)
{
    p->values = calloc(n > 0 ? n : 1, sizeof *p->values);
    TALLY_ENSURE(p->values != NULL, TALLY_E_NOMEM, "%s: %u values", p->name, n);
    return TALLY_OK;
}

/* The values of an open category that enough rows and sites have, the most frequent first. */
static TALLY_RESULT choose_values(const struct tally_column_moments *m, uint32_t sites,
                                  struct tally_prep_column *p)
{
    uint32_t sites_min = sites < TALLY_PREP_SITES_MIN ? sites : TALLY_PREP_SITES_MIN, n = 0;
    struct tally_value_count *kept = calloc((size_t)m->values_n + 1, sizeof *kept);

    TALLY_ENSURE(kept != NULL, TALLY_E_NOMEM, "%s: %u values", p->name, m->values_n);
    for (uint32_t i = 0; i < m->values_n; i++)
        if (m->values[i].rows >= TALLY_PREP_COUNT_MIN && m->values[i].sites >= sites_min)
            kept[n++] = m->values[i];
    qsort(kept, n, sizeof *kept, compare_frequent);
    if (n > TALLY_PREP_VALUES_MAX) n = TALLY_PREP_VALUES_MAX;
    enum tally_status status = room_for(p, n);
    for (uint32_t i = 0; i < n && status == TALLY_OK; i++)
        memcpy(p->values[p->values_n++], kept[i].value, sizeof kept[i].value);
    free(kept);
    return status;
}

static TALLY_RESULT make_column(const struct tally_column *s, const struct tally_column_moments *m,
                                uint32_t sites, struct tally_prep_column *p)
{
    memcpy(p->name, s->name, sizeof p->name);
    p->kind = s->kind;
    p->missing = s->missing;
    p->transform = s->transform;
    p->hash_buckets = s->hash_buckets;
    if (s->kind == TALLY_COLUMN_NUMERIC) {
        p->mean = m->mean;
        p->sd = m->n > 0 ? sqrt(m->m2 / (double)m->n) : 0;
        if (!(p->sd > 0)) p->sd = 1;
        return TALLY_OK;
    }
    if (tally_moments_open(s))
        TALLY_TRY(choose_values(m, sites, p));
    else if (s->values_n > 0)
        TALLY_TRY(room_for(p, s->values_n));
    for (; p->values_n < s->values_n; p->values_n++)
        memcpy(p->values[p->values_n], s->values[p->values_n], sizeof *s->values);
    if (p->values_n > 0) qsort(p->values, p->values_n, sizeof *p->values, compare_bytes);
    return TALLY_OK;
}

enum tally_status tally_prep_lay_out(struct tally_prep *p)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < p->columns_n; i++) {
        struct tally_prep_column *c = &p->columns[i];
        if (c->kind == TALLY_COLUMN_NUMERIC)
            c->features = c->missing == TALLY_MISSING_OWN ? 2 : 1;
        else
            c->features = (c->hash_buckets > 0 ? c->hash_buckets : c->values_n) + 1;
        c->first = (uint32_t)n;
        n += c->features;
        TALLY_ENSURE(n <= TALLY_FEATURES_MAX, TALLY_E_CONFIG,
                     "column %s: more than %d features in all", c->name, TALLY_FEATURES_MAX);
    }
    p->features = (uint32_t)n;
    return TALLY_OK;
}

enum tally_status tally_prep_make(const struct tally_schema *s, const struct tally_moments *merged,
                                  const uint8_t job_digest[32], struct tally_prep *out)
{
    TALLY_CLEANUP(tally_prep_free) struct tally_prep p = {0};

    TALLY_ENSURE(merged->columns_n == s->columns_n, TALLY_E_CONFIG,
                 "moments of %u columns for a schema of %u", merged->columns_n, s->columns_n);
    TALLY_ENSURE(merged->rows > 0 && merged->weight > 0, TALLY_E_CONFIG, "moments of no rows");
    p.columns = calloc(s->columns_n, sizeof *p.columns);
    TALLY_ENSURE(p.columns != NULL, TALLY_E_NOMEM, "preprocessing of %u columns", s->columns_n);
    p.columns_n = s->columns_n;
    for (uint32_t i = 0; i < s->columns_n; i++)
        TALLY_TRY(make_column(&s->columns[i], &merged->columns[i], merged->sites, &p.columns[i]));
    TALLY_TRY(tally_prep_lay_out(&p));
    double prior = merged->positive_weight / merged->weight;
    p.prior = fmin(fmax(prior, TALLY_PREP_PRIOR_MIN), 1 - TALLY_PREP_PRIOR_MIN);
    memcpy(p.job, job_digest, sizeof p.job);
    tally_prep_key(p.job, p.key);
    *out = p;
    p = (struct tally_prep){0};
    return TALLY_OK;
}

void tally_prep_free(struct tally_prep *p)
{
    for (uint32_t i = 0; i < p->columns_n; i++) free(p->columns[i].values);
    free(p->columns);
    *p = (struct tally_prep){0};
}

void tally_prep_number(const struct tally_prep_column *c, bool missing, double x, float *out)
{
    bool mean = missing && c->missing != TALLY_MISSING_ZERO;
    double z = mean ? 0 : (tally_transform(c->transform, missing ? 0 : x) - c->mean) / c->sd;

    out[0] = fmaxf(-TALLY_PREP_CLIP, fminf(TALLY_PREP_CLIP, (float)z));
    if (c->missing == TALLY_MISSING_OWN) out[1] = missing ? 1 : 0;
}

uint32_t tally_prep_slot(const struct tally_prep *p, const struct tally_prep_column *c,
                         bool missing, struct tally_slice text)
{
    char key[TALLY_CELL_TEXT_MAX + 1] = "";

    if (c->hash_buckets > 0)
        return missing ? c->hash_buckets : tally_prep_bucket(p->key, text, c->hash_buckets);
    if (missing || text.len > TALLY_CELL_TEXT_MAX || c->values_n == 0) return c->values_n;
    memcpy(key, text.at, text.len);
    const char(*found)[TALLY_CELL_TEXT_MAX + 1] =
        bsearch(key, c->values, c->values_n, sizeof *c->values, compare_bytes);
    if (found == NULL) return c->values_n;
    return (uint32_t)(found - (const char(*)[TALLY_CELL_TEXT_MAX + 1]) c->values);
}

void tally_prep_row(const struct tally_prep *p, const struct tally_prep_value *values, float *out)
{
    for (uint32_t i = 0; i < p->columns_n; i++) {
        const struct tally_prep_column *c = &p->columns[i];
        const struct tally_prep_value *v = &values[i];
        if (c->kind == TALLY_COLUMN_NUMERIC) {
            tally_prep_number(c, v->missing, v->number, out + c->first);
            continue;
        }
        for (uint32_t k = 0; k < c->features; k++) out[c->first + k] = 0;
        out[c->first + tally_prep_slot(p, c, v->missing, v->text)] = 1;
    }
}

void tally_prep_feature_name(const struct tally_prep *p, uint32_t feature,
                             char out[TALLY_FEATURE_NAME_MAX + 1])
{
    const struct tally_prep_column *c = p->columns;
    size_t cap = TALLY_FEATURE_NAME_MAX + 1;

    TALLY_ASSERT(feature < p->features);
    while (feature >= c->first + c->features) c++;
    uint32_t k = feature - c->first;
    if (c->kind == TALLY_COLUMN_NUMERIC)
        (void)snprintf(out, cap, "%s%s", c->name, k > 0 ? " missing" : "");
    else if (k + 1 == c->features)
        (void)snprintf(out, cap, "%s %s", c->name, c->hash_buckets > 0 ? "missing" : "other");
    else if (c->hash_buckets > 0)
        (void)snprintf(out, cap, "%s#%u", c->name, k);
    else
        (void)snprintf(out, cap, "%s=%s", c->name, c->values[k]);
}
