/* quote_nvml_fixture.h - for the tests of common/attest/quote_nvml.c: genuine reports behind the
 * driver's stand-in. */
#pragma once

#include <string.h>

#include "common/attest/quote_nvml.h"
#include "common/text.h"
#include "tests/lib/stub_nvml.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static inline void gpus_are(const char *const *names, size_t n)
{
    char list[8 * 1024] = "", name[128];

    for (size_t i = 0; i < n; i++) {
        (void)snprintf(name, sizeof name, "vectors/nvgpu/reports/%s", names[i]);
        (void)snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i == 0 ? "" : ":",
                       tally_vectors_path(name));
    }
    ck_assert_int_eq(setenv("TALLY_STUB_GPUS", list, 1), 0);
}

/* The file below the report's folder; the caller frees. */
static inline uint8_t *part(const char *folder, const char *file, size_t *len)
{
    char name[160];

    (void)snprintf(name, sizeof name, "vectors/nvgpu/reports/%s/%s", folder, file);
    return tally_vectors_bytes(name, len);
}

static inline void nonce_of(const char *folder, uint8_t nonce[32])
{
    size_t len;
    uint8_t *hex = part(folder, "nonce.hex", &len);
    char text[65];

    ck_assert_uint_ge(len, 64);
    (void)snprintf(text, sizeof text, "%.64s", (const char *)hex);
    ck_assert_int_eq(tally_unhex(text, nonce, 32), TALLY_OK);
    free(hex);
}

static inline struct tally_nvml *opened(void)
{
    struct tally_nvml *n = NULL;

    stub_nvml_load(TALLY_STUB_NVML);
    ck_assert_msg(tally_nvml_open(&n) == TALLY_OK, "%s", tally_why());
    return n;
}
