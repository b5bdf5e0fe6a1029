/* snp_vectors.c - see snp_vectors.h. */
#include "tests/lib/snp_vectors.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "tests/lib/vectors.h"

/* Files live to the end of the test; the leak checker finds them here. */
enum { KEPT_MAX = 256 };
static uint8_t *kept[KEPT_MAX];
static size_t kept_n;

struct tally_slice snp_vector_file(const char *below_snp)
{
    char name[256];
    size_t len;

    (void)snprintf(name, sizeof name, "vectors/snp/%s", below_snp);
    uint8_t *bytes = tally_vectors_bytes(name, &len);
    uint8_t *exact = malloc(len);
    ck_assert_ptr_nonnull(exact);
    ck_assert_uint_lt(kept_n, KEPT_MAX);
    memcpy(exact, bytes, len);
    free(bytes);
    kept[kept_n++] = exact;
    return tally_slice_of(exact, len);
}

static void join(char path[256], const char *name, const char *file)
{
    (void)snprintf(path, 256, "%.63s%s", name, file);
}

static void load(const json_t *j, struct snp_vector *v)
{
    char path[256];
    const char *issuer = json_string_value(json_object_get(j, "issuer"));
    const char *at = json_string_value(json_object_get(j, "at"));

    (void)snprintf(v->name, sizeof v->name, "%s", json_string_value(json_object_get(j, "name")));
    v->integrity = json_string_value(json_object_get(j, "integrity"));
    v->strict_fails = json_string_value(json_object_get(j, "strict_failed_includes"));
    join(path, v->name, "/report.bin");
    v->report = snp_vector_file(path);
    if (issuer == NULL) return;
    ck_assert_int_eq(tally_time_parse(at, &v->at_s), TALLY_OK);
    join(path, v->name, "/vek.der");
    v->vek = snp_vector_file(path);
    (void)snprintf(path, sizeof path, "roots/%.60s.der", issuer);
    v->issuer = snp_vector_file(path);
}

const struct snp_vector *snp_vectors(size_t *n)
{
    static struct snp_vector list[SNP_VECTORS_MAX];
    static size_t loaded;
    static json_t *all; /* kept: the list points to its strings */

    if (loaded == 0) {
        all = tally_vectors_json("vectors/snp/expected.json");
        size_t count = json_array_size(all);
        ck_assert_uint_ge(count, 20);
        ck_assert_uint_le(count, SNP_VECTORS_MAX);
        for (size_t i = 0; i < count; i++) load(json_array_get(all, i), &list[i]);
        loaded = count;
    }
    *n = loaded;
    return list;
}

const struct tally_anchor *snp_vector_anchors(uint32_t *n)
{
    static struct tally_anchor anchors[3];
    static const char *const names[] = {"milan", "genoa", "turin"};
    char path[64];

    for (size_t i = 0; i < 3 && anchors[i].root.at == NULL; i++) {
        (void)snprintf(path, sizeof path, "roots/%s_ark.der", names[i]);
        (void)snprintf(anchors[i].name, sizeof anchors[i].name, "amd-%s", names[i]);
        anchors[i].trust = TALLY_TRUST_HARDWARE;
        anchors[i].root = snp_vector_file(path);
    }
    *n = 3;
    return anchors;
}

const struct snp_vector *snp_vector_named(const char *name)
{
    size_t n;
    const struct snp_vector *v = snp_vectors(&n);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i].name, name) == 0) return &v[i];
    }
    ck_abort_msg("no vector %s", name);
}

enum tally_status snp_vector_judge(const struct snp_vector *v, struct tally_slice report,
                                   const struct tally_snp_policy *policy, uint64_t at_s,
                                   struct tally_verdict *verdict)
{
    struct tally_snp_policy integrity;
    uint32_t n;
    const struct tally_anchor *anchors = snp_vector_anchors(&n);
    const struct tally_snp_input in = {.report = report, .vek = v->vek, .issuer = v->issuer};
    const struct tally_expect expect = {.now_s = at_s};

    tally_snp_policy_integrity(&integrity);
    return tally_verify_snp(&in, anchors, n, policy ? policy : &integrity, &expect, verdict);
}

const char *snp_reasons(const struct tally_failure *list, uint32_t n)
{
    static char text[1024];
    size_t used = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s ",
                                 tally_reason_name(list[i].reason));
    return text;
}

static bool holds(const struct tally_failure *list, uint32_t n, enum tally_reason r)
{
    for (uint32_t i = 0; i < n; i++) {
        if (list[i].reason == r) return true;
    }
    return false;
}

bool snp_failed(const struct tally_verdict *v, enum tally_reason r)
{
    return holds(v->failed, v->failed_n, r);
}

bool snp_missing(const struct tally_verdict *v, enum tally_reason r)
{
    return holds(v->missing, v->missing_n, r);
}
