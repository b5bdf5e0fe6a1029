/* tpm_vectors.c - see tpm_vectors.h. */
#include "tests/lib/tpm_vectors.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/anchors.h"
#include "tests/lib/vectors.h"

/* Files live to the end of the test; the leak checker finds them here. */
enum { PATH = 256, KEPT_MAX = 256 };
static uint8_t *kept[KEPT_MAX];
static size_t kept_n;

uint8_t *tpm_copy(struct tally_slice s)
{
    uint8_t *p = malloc(s.len ? s.len : 1);

    ck_assert_ptr_nonnull(p);
    if (s.len != 0) memcpy(p, s.at, s.len);
    return p;
}

struct tally_slice tpm_vector_file(const char *below_vectors)
{
    char path[PATH];
    size_t n;

    (void)snprintf(path, sizeof path, "vectors/%s", below_vectors);
    uint8_t *p = tally_vectors_bytes(path, &n);
    uint8_t *exact = tpm_copy(tally_slice_of(p, n));
    free(p);
    ck_assert_uint_lt(kept_n, KEPT_MAX);
    kept[kept_n++] = exact;
    return tally_slice_of(exact, n);
}

static struct tally_slice optional(const struct tpm_vector *v, const char *file)
{
    char path[PATH];

    (void)snprintf(path, sizeof path, "vectors/tpm/%s/%s", v->name, file);
    FILE *f = fopen(tally_vectors_path(path), "rb");
    if (f == NULL) return (struct tally_slice){0};
    (void)fclose(f);
    return tpm_vector_file(path + strlen("vectors/"));
}

static void load(const json_t *j, struct tpm_vector *v)
{
    const char *nonce = json_string_value(json_object_get(j, "nonce"));
    const char *fw = json_string_value(json_object_get(j, "fw"));

    (void)snprintf(v->name, sizeof v->name, "%s", json_string_value(json_object_get(j, "name")));
    v->report_type = (unsigned)json_integer_value(json_object_get(j, "rtype"));
    v->quoted = json_is_true(json_object_get(j, "sig")) && json_is_true(json_object_get(j, "pcr"));
    v->user_data = json_string_value(json_object_get(j, "userdata"));
    v->firmware = fw == NULL ? 0 : strtoull(fw, NULL, 16);
    v->in.attest = optional(v, "quote.attest");
    v->in.sig = optional(v, "quote.sig");
    if (v->in.sig.at == NULL) v->in.sig = optional(v, "quote.tpmt_signature");
    v->in.pcrs = optional(v, "pcrs_sha256.bin");
    v->in.ak = optional(v, "ak_pub.pem");
    v->in.eventlog = optional(v, "tcg_event_log.bin");
    v->hcl = optional(v, "hcl_report.bin");
    v->json = optional(v, "runtime_data.json");
    v->public = optional(v, "ak_tpmt_public.bin");
    if (nonce == NULL) return;
    v->nonce.at = tally_test_unhex(nonce, &v->nonce.len);
}

const struct tpm_vector *tpm_vectors(size_t *n)
{
    static struct tpm_vector list[TPM_VECTORS_MAX];
    static size_t loaded;
    static json_t *all; /* kept: the list points to its strings */

    if (loaded == 0) {
        all = tally_vectors_json("vectors/tpm/expected.json");
        size_t count = json_array_size(all);
        ck_assert_uint_ge(count, 9);
        ck_assert_uint_le(count, TPM_VECTORS_MAX);
        for (size_t i = 0; i < count; i++) load(json_array_get(all, i), &list[i]);
        loaded = count;
    }
    *n = loaded;
    return list;
}

const struct tpm_vector *tpm_vector_named(const char *name)
{
    size_t n;
    const struct tpm_vector *v = tpm_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i].name, name) == 0) return &v[i];
    }
    ck_abort_msg("no vector %s", name);
}

const struct tally_anchor *tpm_vector_anchors(uint32_t *n)
{
    static struct tally_anchor all[TALLY_ANCHORS_MAX];

    *n = tally_anchors_all(all);
    return all;
}

static bool holds(const struct tally_failure *list, uint32_t n, enum tally_reason r)
{
    for (uint32_t i = 0; i < n; i++) {
        if (list[i].reason == r) return true;
    }
    return false;
}

bool tpm_failed(const struct tally_verdict *v, enum tally_reason r)
{
    return holds(v->failed, v->failed_n, r);
}

bool tpm_missing(const struct tally_verdict *v, enum tally_reason r)
{
    return holds(v->missing, v->missing_n, r);
}

const struct tally_claim *tpm_claim(const struct tally_verdict *v, const char *name)
{
    for (uint32_t i = 0; i < v->claims_n; i++) {
        if (strcmp(v->claims[i].name, name) == 0) return &v->claims[i];
    }
    return NULL;
}
