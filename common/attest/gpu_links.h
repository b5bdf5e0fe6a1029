/* gpu_links.h - whom a GPU or switch says it is linked to (ATTESTATION.md C3.1).
 *
 * A GPU lists one switch per NVLink, each id with its bytes in reverse; a switch lists its GPUs.
 * Both are the lower bytes of the other's BROM certificate serial number (gpu_chain.h). */
#pragma once

#include "common/attest/gpu_report.h"

struct tally_gpu_links {
    uint8_t ids[TALLY_GPU_LINKS_MAX][TALLY_GPU_ID_BYTES]; /* every one once, as the other has it */
    uint32_t n;
};

/* Of a decoded report; none where it does not say. */
void tally_gpu_links(const struct tally_gpu_report *r, struct tally_gpu_links *out);
bool tally_gpu_links_has(const struct tally_gpu_links *l, const uint8_t id[TALLY_GPU_ID_BYTES]);
