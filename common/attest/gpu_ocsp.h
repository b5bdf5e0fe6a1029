/* gpu_ocsp.h - OCSP responses that were stapled to GPU evidence (RFC 6960; ATTESTATION.md C3.2).
 * They may speak of certificates 1 to 3 of a device's chain; the leaf is the device's own. */
#pragma once

#include "common/attest/gpu_chain.h"

enum { TALLY_OCSP_BYTES_MAX = 16 * 1024, TALLY_OCSP_CERTS_MAX = 4, TALLY_OCSP_SINGLES_MAX = 8 };

struct tally_gpu_ocsp {
    bool good[TALLY_GPU_CERTS]; /* by place in the chain; set, never cleared */
    uint64_t from_s, until_s;   /* of what was read and of the responders' certificates */
};

/* Judges one response and adds to *sum (window: starts as 0 and UINT64_MAX). E_OVERSIZE;
 * E_OCSP_FORMAT: not a canonical, successful, basic response, an unknown critical extension, or
 * one that speaks of no certificate of this chain; E_OCSP_SIG: not signed by the issuer or by a
 * responder that this issuer delegated to (EKU OCSPSigning, no CA, in force), or not verifying;
 * E_OCSP_EXPIRED: now is outside thisUpdate to nextUpdate, or it has no end; E_OCSP_STATUS: on
 * hold or unknown; E_REVOKED. */
TALLY_RESULT tally_gpu_ocsp_check(struct tally_slice response, const struct tally_gpu_chain *chain,
                                  uint64_t now_s, struct tally_gpu_ocsp *sum);
