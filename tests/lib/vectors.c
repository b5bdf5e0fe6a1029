/* vectors.c - see vectors.h. */
#include "tests/lib/vectors.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"

static const char *folder(void)
{
    const char *env = getenv("TALLY_SHARED");
    return env != NULL && *env != '\0' ? env : TALLY_SHARED_DEFAULT;
}

void tally_vectors_need(void)
{
    if (access(tally_vectors_path("vectors"), R_OK) == 0) return;
    (void)fprintf(stderr, "%s: no %s/vectors: set TALLY_SHARED\n",
                  getenv("CI") ? "FAILED" : "skipped", folder());
    exit(getenv("CI") ? 1 : 77);
}

const char *tally_vectors_path(const char *name)
{
    static char path[4096];

    (void)snprintf(path, sizeof path, "%s/%s", folder(), name);
    return path;
}

json_t *tally_vectors_json(const char *name)
{
    json_error_t e;
    json_t *j = json_load_file(tally_vectors_path(name), JSON_ALLOW_NUL, &e);

    ck_assert_msg(j != NULL, "%s: %s", tally_vectors_path(name), e.text);
    return j;
}

uint8_t *tally_vectors_bytes(const char *name, size_t *len)
{
    FILE *f = fopen(tally_vectors_path(name), "rb");
    ck_assert_msg(f != NULL, "%s", tally_vectors_path(name));
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    long n = ftell(f);
    ck_assert_int_ge(n, 0);
    rewind(f);
    uint8_t *p = malloc((size_t)n + 1);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq(fread(p, 1, (size_t)n, f), (size_t)n);
    (void)fclose(f);
    *len = (size_t)n;
    return p;
}

uint8_t *tally_test_unhex(const char *hex, size_t *len)
{
    *len = strlen(hex) / 2;
    uint8_t *p = malloc(*len ? *len : 1);
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(tally_unhex(hex, p, *len), TALLY_OK);
    return p;
}
