/* fuzz_moments.c - any bytes as round 0's payload: what is accepted encodes to the same bytes and
 * merges to a preprocessing. */
#include <stdlib.h>
#include <string.h>

#include "common/prep.h"
#include "tests/common/schema_for_tests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tally_column columns[TEST_COLUMNS];
    struct tally_schema s = tally_test_schema(columns);
    struct tally_moments m = {0}, all = {0};
    struct tally_prep p = {0};
    const uint8_t job[32] = {0};
    uint8_t *bytes = NULL;
    size_t len = 0;

    if (tally_moments_decode(tally_slice_of(data, size), &s, &m) != TALLY_OK) return 0;
    if (tally_moments_encode(&m, &bytes, &len) != TALLY_OK) abort();
    if (len != size || memcmp(bytes, data, size) != 0) abort();
    if (tally_moments_init(&s, &all) != TALLY_OK) abort();
    if (tally_moments_merge(&all, &m) != TALLY_OK || tally_moments_merge(&all, &m) != TALLY_OK)
        abort();
    if (tally_prep_make(&s, &all, job, &p) != TALLY_OK) abort();
    for (uint32_t i = 0; i < p.columns_n; i++)
        if (p.columns[i].kind == TALLY_COLUMN_NUMERIC && !(p.columns[i].sd > 0)) abort();
    tally_prep_free(&p);
    tally_moments_free(&all);
    tally_moments_free(&m);
    free(bytes);
    return 0;
}
