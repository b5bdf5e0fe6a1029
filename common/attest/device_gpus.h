/* device_gpus.h - this machine's NVIDIA GPUs as part of its device: every quote then carries their
 * evidence, over a nonce that the device derives (ATTESTATION.md C5.1). */
#pragma once

#include "common/attest/device.h"

struct tally_device_gpus; /* lives as long as the device */

/* Starts the driver's library and adds the GPUs to d; refused by name where they can prove nothing
 * (tally_nvml_trouble in quote_nvml.h). manifests: a folder whose files are NVIDIA's reference
 * manifests (.xml, .swidtag), read for every quote, which travel with the evidence and are trusted
 * for nothing; NULL or "": none. *out, if out is not NULL: for tally_device_gpus_ready. */
TALLY_RESULT tally_device_add_nvidia(struct tally_device *d, const char *manifests,
                                     struct tally_device_gpus **out);

/* Lets the GPUs take work. Only after our own verification of evidence that d quoted, GPUs and all,
 * has succeeded; TALLY_E_STATE before the first quote. Needs root. */
TALLY_RESULT tally_device_gpus_ready(struct tally_device_gpus *g);
