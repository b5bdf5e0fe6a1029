/* fuzz_eventlog.c - a log replays or is refused; its events lie in it, one behind the other. */
#include "common/attest/eventlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct seen {
    size_t next, end;
};

static void each(void *ctx, const struct tally_event *e)
{
    struct seen *s = ctx;

    TALLY_ASSERT(s->next == 0 || e->at == s->next);
    TALLY_ASSERT(e->size >= e->data.len + e->digest.len && e->at + e->size <= s->end);
    s->next = e->at + e->size;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    uint8_t rtmr[TALLY_RTMRS][TALLY_RTMR_BYTES], pcr[TALLY_PCRS][TALLY_PCR_BYTES];
    struct tally_slice in = tally_slice_of(p, n);

    for (enum tally_eventlog_kind k = TALLY_EVENTLOG_CCEL; k <= TALLY_EVENTLOG_TPM; k++) {
        struct seen s = {.end = n};
        enum tally_status good = tally_eventlog_walk(in, k, each, &s);
        enum tally_status same = k == TALLY_EVENTLOG_CCEL ? tally_eventlog_ccel_replay(in, rtmr)
                                                          : tally_eventlog_tpm_replay(in, pcr);
        TALLY_ASSERT(good == TALLY_OK || same != TALLY_OK);
    }
    return 0;
}
