/* gpu_vectors.c - see gpu_vectors.h. */
#include "tests/lib/gpu_vectors.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/anchors.h"
#include "common/text.h"
#include "tests/lib/vectors.h"

/* Files live to the end of the test; the leak checker finds them here. */
enum { KEPT_MAX = 512, CHAIN_BYTES = 16 * 1024 };
static uint8_t *kept[KEPT_MAX];
static size_t kept_n;
static json_t *expected;

static struct tally_slice keep(const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(exact);
    ck_assert_uint_lt(kept_n, KEPT_MAX);
    memcpy(exact, bytes, len);
    kept[kept_n++] = exact;
    return tally_slice_of(exact, len);
}

struct tally_slice gpu_vector_file(const char *below_nvgpu)
{
    char name[256];
    size_t len;

    (void)snprintf(name, sizeof name, "vectors/nvgpu/%s", below_nvgpu);
    uint8_t *bytes = tally_vectors_bytes(name, &len);
    struct tally_slice s = keep(bytes, len);
    free(bytes);
    return s;
}

uint32_t gpu_vector_chain(const char *below_nvgpu, struct tally_slice *chain, uint32_t max)
{
    static uint8_t store[CHAIN_BYTES];
    size_t n = 0;
    struct tally_slice text = gpu_vector_file(below_nvgpu);

    ck_assert_msg(tally_pem_chain(text, store, sizeof store, chain, max, &n) == TALLY_OK, "%s: %s",
                  below_nvgpu, tally_why());
    for (size_t i = 0; i < n; i++) chain[i] = keep(chain[i].at, chain[i].len);
    return (uint32_t)n;
}

const char *gpu_vector_text(const struct gpu_vector *v, const char *key)
{
    const char *s = json_string_value(json_object_get(v->row, key));
    return s == NULL ? "" : s;
}

static void load(json_t *row, const char *folder, struct gpu_vector *v)
{
    char path[256];

    v->row = row;
    v->in.nvswitch = strcmp(gpu_vector_text(v, "kind"), "switch") == 0;
    v->good = json_is_true(json_object_get(row, "sig")) &&
              json_is_true(json_object_get(row, "chain")) &&
              json_is_true(json_object_get(row, "root"));
    (void)snprintf(path, sizeof path, "%s/%.63s/report.bin", folder, v->name);
    v->in.report = gpu_vector_file(path);
    (void)snprintf(path, sizeof path, "%s/%.63s/cert_chain.pem", folder, v->name);
    v->in.chain_n = gpu_vector_chain(path, v->in.chain, TALLY_GPU_CERTS);
    ck_assert_int_eq(tally_unhex(gpu_vector_text(v, "nonce"), v->nonce, sizeof v->nonce), TALLY_OK);
}

static void drop_expected(void)
{
    json_decref(expected);
}

const struct gpu_vector *gpu_vectors(size_t *n)
{
    static struct gpu_vector list[GPU_VECTORS_MAX];
    static size_t loaded;
    char path[128];

    if (expected == NULL) {
        expected = tally_vectors_json("vectors/nvgpu/expected.json");
        (void)atexit(drop_expected);
        json_t *rows = json_object_get(expected, "rows");
        for (size_t i = 0; i < json_array_size(rows); i++) {
            json_t *row = json_array_get(rows, i);
            const char *name = json_string_value(json_object_get(row, "name"));
            const char *kind = json_string_value(json_object_get(row, "kind"));
            const char *folder = strcmp(kind, "switch") == 0 ? "switch" : "reports";
            (void)snprintf(path, sizeof path, "vectors/nvgpu/%s/%.63s/report.bin", folder, name);
            if (access(tally_vectors_path(path), R_OK) != 0) continue;
            ck_assert_uint_lt(loaded, GPU_VECTORS_MAX);
            struct gpu_vector *v = &list[loaded++];
            (void)snprintf(v->name, sizeof v->name, "%s", name);
            load(row, folder, v);
        }
    }
    *n = loaded;
    return list;
}

const struct gpu_vector *gpu_vector(const char *name)
{
    size_t n;
    const struct gpu_vector *v = gpu_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i].name, name) == 0) return &v[i];
    }
    ck_abort_msg("no vector %s", name);
}

const struct tally_anchor *gpu_vector_anchors(uint32_t *n)
{
    static struct tally_anchor list[TALLY_ANCHORS_MAX];

    *n = tally_anchors_all(list);
    return list;
}

enum tally_status gpu_vector_judge(const struct gpu_vector *v, const struct tally_gpu_input *in,
                                   const struct gpu_vector_terms *t, struct tally_verdict *out)
{
    struct tally_gpu_policy integrity;
    uint32_t n;
    const struct tally_anchor *anchors = gpu_vector_anchors(&n);
    const struct tally_expect expect = {.now_s = t->at_s,
                                        .trust = TALLY_TRUST_HARDWARE,
                                        .nonce = TALLY_SLICE(v->nonce),
                                        .padded = true,
                                        .cache = t->cache};

    tally_gpu_policy_integrity(&integrity);
    return tally_verify_gpu(in, anchors, n, t->policy ? t->policy : &integrity, &expect, out);
}

static bool holds(const struct tally_failure *list, uint32_t n, enum tally_reason r)
{
    for (uint32_t i = 0; i < n; i++) {
        if (list[i].reason == r) return true;
    }
    return false;
}

bool gpu_failed(const struct tally_verdict *v, enum tally_reason r)
{
    return holds(v->failed, v->failed_n, r);
}

bool gpu_missing(const struct tally_verdict *v, enum tally_reason r)
{
    return holds(v->missing, v->missing_n, r);
}
