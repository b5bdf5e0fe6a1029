/* fuzz_federation.c - any bytes as a federation document and as a revocation: refused or within its
 * own limits, and nothing is left in the value when refused. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/federation.h"
#include "common/revocation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tally_federation f, zero;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"application/vnd.tally.federation-test+json",
                                        "application/vnd.tally.federation+json"};
    struct tally_revocation r;

    for (size_t i = 0; i < 2; i++) {
        if (tally_federation_decode(types[i], tally_slice_of(data, size), &f) != TALLY_OK) {
            if (memcmp(&f, &zero, sizeof f) != 0) abort();
            continue;
        }
        if (f.parties_n > TALLY_PARTIES_MAX || f.nodes_n > TALLY_NODES_MAX) abort();
        if (2 * f.quorum <= f.organisations + f.tolerated) abort();
        for (uint32_t k = 0; k < f.anchors_n; k++)
            if ((f.mode == TALLY_MODE_TEST) != (f.anchors[k].trust == TALLY_TRUST_TEST)) abort();
        if (tally_federation_aggregator(&f) == NULL) abort();
    }
    if (tally_revocation_decode("application/vnd.tally.revocation-test+json",
                                tally_slice_of(data, size), &r) == TALLY_OK &&
        r.kind >= TALLY_REVOCATION_KINDS)
        abort();
    return 0;
}
