/* fuzz_job.c - any bytes as a job or a preprocessing: what is accepted writes and reads back. */
#include <stdlib.h>
#include <string.h>

#include "common/job.h"
#include "common/prep.h"

static void try_job(struct tally_slice in)
{
    struct tally_job a = {0}, b = {0};
    char *text = NULL;

    if (tally_job_parse(in, &a) != TALLY_OK) return;
    if (tally_job_write(&a, &text) != TALLY_OK) abort();
    if (tally_job_parse(tally_slice_str(text), &b) != TALLY_OK) abort();
    free(text);
    tally_job_free(&a);
    tally_job_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tally_prep p = {0}, q = {0};
    char *text = NULL;

    try_job(tally_slice_of(data, size));
    if (tally_prep_parse(tally_slice_of(data, size), &p) != TALLY_OK) return 0;
    if (tally_prep_write(&p, &text) != TALLY_OK) abort();
    if (tally_prep_parse(tally_slice_str(text), &q) != TALLY_OK || p.features != q.features)
        abort();
    free(text);
    tally_prep_free(&p);
    tally_prep_free(&q);
    return 0;
}
