/* prepjson.c - tally_prep_write and tally_prep_parse (prep.h): the preprocessing as JSON,
 *   { "type": "prep", "job": "<digest>", "hash": "siphash-2-4", "key_id": "<16 hex>", "prior": p,
 *     "columns": [ { "name", "kind": "numeric", "missing", "transform", "mean", "sd" },
 *                  { "name", "kind": "category", "values": [...] },
 *                  { "name", "kind": "category", "hash_buckets": n } ] } */
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/prep.h"
#include "common/text.h"

enum { EXACT_DIGITS = 17 }; /* every double comes back the same */

static const char hash_word[] = "siphash-2-4";

static void key_id(const uint8_t key[TALLY_PREP_KEY_BYTES], uint8_t id[TALLY_PREP_KEY_ID_BYTES])
{
    uint8_t digest[TALLY_SHA256_BYTES];

    TALLY_SHA256_OF(digest, tally_slice_of(key, TALLY_PREP_KEY_BYTES));
    memcpy(id, digest, TALLY_PREP_KEY_ID_BYTES);
}

static json_t *column_json(const struct tally_prep_column *c)
{
    if (c->kind == TALLY_COLUMN_NUMERIC)
        return json_pack("{s:s, s:s, s:s, s:s, s:f, s:f}", "name", c->name, "kind", "numeric",
                         "missing", tally_missing_words[c->missing - 1], "transform",
                         tally_transform_words[c->transform], "mean", c->mean, "sd", c->sd);
    if (c->hash_buckets > 0)
        return json_pack("{s:s, s:s, s:i}", "name", c->name, "kind", "category", "hash_buckets",
                         (int)c->hash_buckets);
    json_t *values = json_array();
    for (uint32_t i = 0; i < c->values_n; i++)
        if (json_array_append_new(values, json_string(c->values[i])) != 0) {
            json_decref(values);
            return NULL;
        }
    return json_pack("{s:s, s:s, s:o}", "name", c->name, "kind", "category", "values", values);
}

enum tally_status tally_prep_write(const struct tally_prep *p, char **text)
{
    uint8_t id[TALLY_PREP_KEY_ID_BYTES];
    char job[65], id_text[2 * TALLY_PREP_KEY_ID_BYTES + 1];
    TALLY_CLEANUP(tally_json_free) json_t *j = NULL;
    json_t *columns = json_array();
    int bad = 0;

    for (uint32_t i = 0; i < p->columns_n; i++)
        bad |= json_array_append_new(columns, column_json(&p->columns[i]));
    key_id(p->key, id);
    tally_hex(TALLY_SLICE(id), id_text);
    tally_hex(TALLY_SLICE(p->job), job);
    j = json_pack("{s:s, s:s, s:s, s:s, s:f, s:o}", "type", "prep", "job", job, "hash", hash_word,
                  "key_id", id_text, "prior", p->prior, "columns", columns);
    char *made =
        bad != 0 || j == NULL
            ? NULL
            : json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(EXACT_DIGITS));
    TALLY_ENSURE(made != NULL, TALLY_E_NOMEM, "the preprocessing's text");
    *text = made;
    return TALLY_OK;
}

static TALLY_RESULT read_real(const struct tally_json_at *at, const char *key, double min,
                              double max, double *out)
{
    struct tally_json_at member = tally_json_member(at, key);

    if (!json_is_real(member.value)) return tally_json_refuse(&member, "expected a decimal");
    double v = json_real_value(member.value);
    if (!(v >= min && v <= max))
        return tally_json_refuse(&member, "is %g; expected %g to %g", v, min, max);
    *out = v;
    return TALLY_OK;
}

static TALLY_RESULT read_numeric(const struct tally_json_at *at, struct tally_prep_column *c)
{
    const double max = TALLY_CELL_NUMBER_ABS_MAX;
    size_t missing = 0, transform = 0;

    TALLY_TRY(
        tally_json_keys(at, TALLY_JSON_KEYS("name", "kind", "missing", "transform", "mean", "sd")));
    struct tally_json_at missing_at = tally_json_member(at, "missing");
    struct tally_json_at transform_at = tally_json_member(at, "transform");
    TALLY_TRY(tally_json_choice(&missing_at, tally_missing_words, 3, &missing));
    TALLY_TRY(tally_json_choice(&transform_at, tally_transform_words, 3, &transform));
    c->missing = (enum tally_missing)(missing + 1);
    c->transform = (enum tally_transform)transform;
    TALLY_TRY(read_real(at, "mean", -max, max, &c->mean));
    /* A square root of a sum of squares is never smaller. */
    return read_real(at, "sd", 4.9406564584124654e-324, 2 * max, &c->sd);
}

static TALLY_RESULT read_values(const struct tally_json_at *at, struct tally_prep_column *c)
{
    size_t n = 0;

    TALLY_TRY(tally_json_array(at, 0, TALLY_VALUES_MAX, &n));
    c->values = calloc(n > 0 ? n : 1, sizeof *c->values);
    TALLY_ENSURE(c->values != NULL, TALLY_E_NOMEM, "%s: %zu values", c->name, n);
    for (size_t i = 0; i < n; i++, c->values_n++) {
        struct tally_json_at item = tally_json_item(at, i);
        TALLY_TRY(tally_json_text(&item, c->values[i], sizeof c->values[i]));
        if (i > 0 && strcmp(c->values[i - 1], c->values[i]) >= 0)
            return tally_json_refuse(&item, "expected above the value before it");
    }
    return TALLY_OK;
}

static TALLY_RESULT read_category(const struct tally_json_at *at, struct tally_prep_column *c)
{
    struct tally_json_at values = tally_json_member(at, "values");
    struct tally_json_at hashed = tally_json_member(at, "hash_buckets");
    uint64_t buckets = 0;

    if (hashed.value == NULL) {
        TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("name", "kind", "values")));
        return read_values(&values, c);
    }
    TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("name", "kind", "hash_buckets")));
    TALLY_TRY(tally_json_uint(&hashed, TALLY_HASH_BUCKETS_MIN, TALLY_HASH_BUCKETS_MAX, &buckets));
    c->hash_buckets = (uint32_t)buckets;
    return TALLY_OK;
}

static TALLY_RESULT read_columns(const struct tally_json_at *at, struct tally_prep *p)
{
    size_t n = 0, kind = 0;

    TALLY_TRY(tally_json_array(at, 1, TALLY_COLUMNS_MAX, &n));
    p->columns = calloc(n, sizeof *p->columns);
    TALLY_ENSURE(p->columns != NULL, TALLY_E_NOMEM, "preprocessing of %zu columns", n);
    p->columns_n = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        struct tally_prep_column *c = &p->columns[i];
        struct tally_json_at item = tally_json_item(at, i);
        if (!json_is_object(item.value)) return tally_json_refuse(&item, "expected an object");
        struct tally_json_at name = tally_json_member(&item, "name");
        struct tally_json_at kind_at = tally_json_member(&item, "kind");
        TALLY_TRY(tally_json_text(&name, c->name, sizeof c->name));
        for (size_t k = 0; k < i; k++)
            if (strcmp(p->columns[k].name, c->name) == 0)
                return tally_json_refuse(&name, "names \"%s\" again", c->name);
        TALLY_TRY(tally_json_choice(&kind_at, tally_kind_words, 2, &kind));
        c->kind = (enum tally_column_kind)(kind + 1);
        TALLY_TRY(c->kind == TALLY_COLUMN_NUMERIC ? read_numeric(&item, c)
                                                  : read_category(&item, c));
    }
    return TALLY_OK;
}

static TALLY_RESULT read_all(const struct tally_json_at *at, struct tally_prep *p)
{
    uint8_t id[TALLY_PREP_KEY_ID_BYTES], expected[TALLY_PREP_KEY_ID_BYTES];

    TALLY_TRY(
        tally_json_keys(at, TALLY_JSON_KEYS("type", "job", "hash", "key_id", "prior", "columns")));
    struct tally_json_at type = tally_json_member(at, "type");
    struct tally_json_at job = tally_json_member(at, "job");
    struct tally_json_at hash = tally_json_member(at, "hash");
    struct tally_json_at id_at = tally_json_member(at, "key_id");
    struct tally_json_at columns = tally_json_member(at, "columns");
    TALLY_TRY(tally_json_exact(&type, "prep"));
    TALLY_TRY(tally_json_hex(&job, p->job, sizeof p->job));
    TALLY_TRY(tally_json_exact(&hash, hash_word));
    TALLY_TRY(tally_json_hex(&id_at, id, sizeof id));
    tally_prep_key(p->job, p->key);
    key_id(p->key, expected);
    if (memcmp(id, expected, sizeof id) != 0)
        return tally_json_refuse(&id_at, "is not the key of this job");
    TALLY_TRY(read_real(at, "prior", TALLY_PREP_PRIOR_MIN, 1 - TALLY_PREP_PRIOR_MIN, &p->prior));
    TALLY_TRY(read_columns(&columns, p));
    return tally_prep_lay_out(p);
}

enum tally_status tally_prep_parse(struct tally_slice text, struct tally_prep *out)
{
    TALLY_CLEANUP(tally_json_free) json_t *document = NULL;
    TALLY_CLEANUP(tally_prep_free) struct tally_prep p = {0};

    TALLY_TRY(tally_json_parse(text, TALLY_PREP_JSON_MAX, "preprocessing", &document));
    struct tally_json_at root = tally_json_root(document);
    TALLY_TRY(read_all(&root, &p));
    *out = p;
    p = (struct tally_prep){0};
    return TALLY_OK;
}
