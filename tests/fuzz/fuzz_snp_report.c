/* fuzz_snp_report.c - what decodes encodes to the same bytes; evidence and endorsements. */
#include <string.h>

#include "common/attest/evidence.h"
#include "common/attest/snp_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct tally_snp_report r;
    struct tally_evidence e;
    struct tally_endorsements list;
    uint8_t again[TALLY_SNP_REPORT_BYTES];
    struct tally_slice in = tally_slice_of(p, n);

    if (tally_snp_report_decode(in, &r) == TALLY_OK) {
        tally_snp_report_encode(&r, again);
        TALLY_ASSERT(memcmp(again, p, sizeof again) == 0);
    }
    if (tally_evidence_decode(in, &e) == TALLY_OK) TALLY_ASSERT(e.report.len < n);
    if (tally_endorsements_decode(in, &list) == TALLY_OK)
        TALLY_ASSERT(list.n <= TALLY_ENDORSEMENTS_ITEMS_MAX);
    return 0;
}
