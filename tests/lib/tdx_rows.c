/* tdx_rows.c - see tdx_rows.h. */
#include "tests/lib/tdx_rows.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "tests/lib/vectors.h"

/* Blocks live to the end of the test; the leak checker finds them here. */
struct kept {
    struct kept *next;
    uint8_t *bytes;
};
static struct kept *kept;
static json_t *expected;

struct tally_slice tdx_copy(struct tally_slice s)
{
    struct kept *k = malloc(sizeof *k);
    uint8_t *bytes = malloc(s.len > 0 ? s.len : 1);

    ck_assert(k != NULL && bytes != NULL);
    if (s.len > 0) memcpy(bytes, s.at, s.len);
    *k = (struct kept){kept, bytes};
    kept = k;
    return tally_slice_of(bytes, s.len);
}

struct tally_slice tdx_file(const char *below_tdx)
{
    char name[256];
    size_t len;

    (void)snprintf(name, sizeof name, "vectors/tdx/%s", below_tdx);
    uint8_t *bytes = tally_vectors_bytes(name, &len);
    struct tally_slice s = tdx_copy(tally_slice_of(bytes, len));
    free(bytes);
    return s;
}

static const json_t *table(const char *name)
{
    if (expected == NULL) expected = tally_vectors_json("vectors/tdx/expected.json");
    const json_t *list = json_object_get(expected, name);
    ck_assert_uint_gt(json_array_size(list), 0);
    return list;
}

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void load_bundle(const json_t *j, struct tdx_bundle *b)
{
    static const char *const files[] = {
        "tcb_info_response.json", "qe_identity_response.json", "tcb_info.json",
        "tcb_info.sig.hex",       "qe_identity.json",          "qe_identity.sig.hex",
        "tcb_sign_chain.pem",     "root_ca_crl.der",           "pck_crl.der"};
    char path[160];

    (void)snprintf(b->name, sizeof b->name, "%s", text(j, "name"));
    ck_assert_int_eq(tally_unhex(text(j, "fmspc"), b->fmspc, sizeof b->fmspc), TALLY_OK);
    b->evaluation = (uint32_t)json_integer_value(json_object_get(j, "eval"));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(path, sizeof path, "collateral/%.31s/%s", b->name, files[i]);
        ck_assert_int_eq(
            tally_tdx_collateral_put(&b->collateral, tally_slice_str(files[i]), tdx_file(path)),
            TALLY_OK);
    }
}

const struct tdx_bundle *tdx_bundles(size_t *n)
{
    static struct tdx_bundle list[TDX_BUNDLES_MAX];
    static size_t loaded;

    if (loaded == 0) {
        const json_t *all = table("b");
        ck_assert_uint_le(json_array_size(all), TDX_BUNDLES_MAX);
        for (size_t i = 0; i < json_array_size(all); i++)
            load_bundle(json_array_get(all, i), &list[i]);
        loaded = json_array_size(all);
    }
    *n = loaded;
    return list;
}

const struct tdx_bundle *tdx_bundle_named(const char *name)
{
    size_t n;
    const struct tdx_bundle *list = tdx_bundles(&n);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i].name, name) == 0) return &list[i];
    }
    ck_abort_msg("no bundle %s", name);
    return NULL;
}

static uint64_t time_in(const json_t *list, size_t i)
{
    uint64_t s = 0;

    ck_assert_int_eq(tally_time_parse(json_string_value(json_array_get(list, i)), &s), TALLY_OK);
    return s;
}

static void load_result(const char *bundle, const json_t *j, struct tdx_result *r)
{
    const json_t *detail = json_object_get(j, "detail"), *window = json_object_get(j, "window");

    r->bundle = tdx_bundle_named(bundle);
    r->final = text(j, "final");
    r->platform = text(detail, "platform");
    r->module = text(detail, "module");
    r->qe = text(detail, "qe");
    r->tcb_date = text(detail, "tcbDate");
    r->svn2 = text(j, "svn2");
    r->advisories = json_object_get(j, "adv");
    r->from_s = time_in(window, 0);
    r->until_s = time_in(window, 1);
    r->pck_in_window = json_is_true(json_object_get(j, "pck_valid_inside_window"));
}

static void load_row(const json_t *j, struct tdx_row *row)
{
    const char *key, *trail = text(j, "trail");
    char path[160];
    json_t *results = json_object_get(j, "results"), *value;

    (void)snprintf(row->name, sizeof row->name, "%s", text(j, "name"));
    (void)snprintf(path, sizeof path, "quotes/%.63s.bin", row->name);
    row->quote = tdx_file(path);
    row->quote_len = (size_t)json_integer_value(json_object_get(j, "quote_len"));
    row->text_follows = trail != NULL && strstr(trail, "NON-ZERO") != NULL;
    row->version = (unsigned)json_integer_value(json_object_get(j, "ver"));
    json_object_foreach(results, key, value)
    {
        ck_assert_uint_lt(row->results_n, TDX_RESULTS_MAX);
        load_result(key, value, &row->results[row->results_n++]);
    }
}

const struct tdx_row *tdx_rows(size_t *n)
{
    static struct tdx_row list[TDX_ROWS_MAX];
    static size_t loaded;

    if (loaded == 0) {
        const json_t *all = table("rows");
        ck_assert_uint_le(json_array_size(all), TDX_ROWS_MAX);
        for (size_t i = 0; i < json_array_size(all); i++)
            load_row(json_array_get(all, i), &list[i]);
        loaded = json_array_size(all);
    }
    *n = loaded;
    return list;
}

const struct tdx_row *tdx_row_named(const char *name)
{
    size_t n;
    const struct tdx_row *list = tdx_rows(&n);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i].name, name) == 0) return &list[i];
    }
    ck_abort_msg("no quote %s", name);
    return NULL;
}

unsigned tdx_each_quote(unsigned (*each)(const char *name, const struct tally_tdx_quote *q,
                                         struct tally_slice bytes))
{
    size_t rows;
    const struct tdx_row *r = tdx_rows(&rows);
    struct tally_tdx_quote q;
    unsigned n = 0;

    for (size_t i = 0; i < rows; i++) {
        if (r[i].version == 3) continue; /* of an SGX enclave */
        ck_assert_int_eq(tally_tdx_quote_decode(r[i].quote, &q), TALLY_OK);
        n += each(r[i].name, &q, r[i].quote);
    }
    return n;
}

static bool holds(const struct tally_failure *list, uint32_t n, enum tally_reason r)
{
    for (uint32_t i = 0; i < n; i++) {
        if (list[i].reason == r) return true;
    }
    return false;
}

bool tdx_failed(const struct tally_verdict *v, enum tally_reason r)
{
    return holds(v->failed, v->failed_n, r);
}

bool tdx_missing(const struct tally_verdict *v, enum tally_reason r)
{
    return holds(v->missing, v->missing_n, r);
}
