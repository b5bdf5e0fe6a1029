/* rim_vectors.c - see rim_vectors.h. */
#include "tests/lib/rim_vectors.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/anchors.h"
#include "common/text.h"
#include "tests/lib/vectors.h"

enum { DAY_S = 86400 };

struct tally_anchor rim_vector_anchors[TALLY_ANCHORS_MAX];
uint32_t rim_vector_anchors_n;
static json_t *expected;

void rim_vectors_setup(void)
{
    rim_vector_anchors_n = tally_anchors_all(rim_vector_anchors);
    expected = tally_vectors_json("vectors/nvgpu/expected.json");
}

void rim_vectors_teardown(void)
{
    json_decref(expected);
}

/* An exact-size copy, so a sanitizer sees one byte too far. */
struct tally_slice rim_vector_load(const char *name)
{
    char path[256];
    size_t len;

    (void)snprintf(path, sizeof path, "vectors/nvgpu/%s", name);
    uint8_t *bytes = tally_vectors_bytes(path, &len), *exact = malloc(len);
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, bytes, len);
    free(bytes);
    return tally_slice_of(exact, len);
}

struct tally_slice rim_vector(const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof path, "rims/%.200s", name);
    return rim_vector_load(path);
}

void rim_vector_drop(struct tally_slice s)
{
    free((void *)(uintptr_t)s.at);
}

uint64_t rim_vector_time(const char *text)
{
    uint64_t s;

    ck_assert_int_eq(tally_time_parse(text, &s), TALLY_OK);
    return s;
}

/* A time at which the signing certificate holds. */
uint64_t rim_vector_in_force(const json_t *row)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%.10sT00:00:00Z",
                   json_string_value(json_array_get(json_object_get(row, "leaf"), 1)));
    return rim_vector_time(text) + DAY_S;
}

enum tally_status rim_vector_verify(struct tally_slice xml, uint64_t now_s, struct tally_rim *out)
{
    const struct tally_expect e = {.now_s = now_s};

    return tally_rim_verify(xml, rim_vector_anchors, rim_vector_anchors_n, &e, false, out);
}

json_t *rim_vectors_table(const char *key)
{
    return json_object_get(expected, key);
}
