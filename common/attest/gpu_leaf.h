/* gpu_leaf.h - what the extensions of a device's leaf certificate say (ATTESTATION.md C3.2). Not
 * true before the chain verified. */
#pragma once

#include "common/attest/gpu_report.h"
#include "common/cert.h"

/* The otherName 1.3.6.1.4.1.412.274.1, "NVIDIA:GH100:48B02DB73E52137E", for this chip.
 * E_CERT_PARSE; E_CERT_EXT_MISSING; E_CERT_SHAPE for another chip's. */
TALLY_RESULT tally_gpu_leaf_device_id(const struct tally_cert *leaf, const char *chip,
                                      uint8_t out[TALLY_GPU_ID_BYTES]);

/* The digest of the firmware that holds the leaf's key: from 2.23.133.5.4.1 (a composite device
 * id; Hopper and switches) or 2.23.133.5.4.1.1 (DiceTcbInfo, its first digest; Blackwell). *has is
 * false where the leaf has neither; both are E_CERT_EXT_DUP, another form is E_CERT_PARSE. */
TALLY_RESULT tally_gpu_leaf_fwid(const struct tally_cert *leaf, bool *has,
                                 uint8_t out[TALLY_GPU_FWID_BYTES]);
