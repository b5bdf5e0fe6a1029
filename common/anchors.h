/* anchors.h - the vendors' roots of trust by their compiled-in names: "amd-milan", "amd-genoa",
 * "amd-turin", "intel-sgx", "nvidia-device", "nvidia-rim", "azure-vtpm", "gce-vtpm". A production
 * document can say a name of this list and nothing else; a test root must equal none of them. */
#pragma once

#include "common/attest/trust.h"

/* The root of that name, of class HARDWARE; TALLY_E_CONFIG for a name that no vendor root has. */
TALLY_RESULT tally_anchor_named(const char *name, struct tally_anchor *out);
/* All of them; gives how many. */
uint32_t tally_anchors_all(struct tally_anchor out[TALLY_ANCHORS_MAX]);

/* Is this certificate (DER) one of the vendors' roots? */
bool tally_anchor_is_vendor(struct tally_slice der);
