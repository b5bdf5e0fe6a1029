/* verify_gpu.h - judges the report of one NVIDIA GPU or NVSwitch, in the order of ATTESTATION.md
 * C3.4:
 *
 *   structure   the SPDM request and response
 *   nonce       the request's is the expected one
 *   chain       five certificates to a pinned root, dates, deny-list, stapled OCSP
 *   signature   of the report by the leaf
 *   content     FWID, architecture, mode, manifests, measurements, versions, SKU, class of trust
 *
 * A signature, structure or chain that fails ends it; the rest is collected. Pure: no clock, no
 * file, no network. */
#pragma once

#include "common/attest/appraise.h"
#include "common/attest/gpu_chain.h"
#include "common/attest/gpu_policy.h"
#include "common/attest/gpu_report.h"

enum { TALLY_GPU_RIMS_MAX = 8, TALLY_GPU_OCSP_MAX = 8 };

struct tally_gpu_input {
    struct tally_slice report;
    struct tally_slice chain[TALLY_GPU_CERTS]; /* DER, leaf first */
    uint32_t chain_n;                          /* as many as were given; more than 5 is refused */
    struct tally_slice rims[TALLY_GPU_RIMS_MAX];
    uint32_t rims_n;
    struct tally_slice ocsp[TALLY_GPU_OCSP_MAX];
    uint32_t ocsp_n;
    bool nvswitch; /* a switch is expected here, else a GPU */
};

/* As tally_appraise. Of expect: now_s, trust, nonce, padded, cache, revoked_chips (digests of BROM
 * keys). v->chip is the digest of the BROM key, v->product "GH100", "GB100" or "LS10". */
TALLY_RESULT tally_verify_gpu(const struct tally_gpu_input *in, const struct tally_anchor *anchors,
                              uint32_t anchors_n, const struct tally_gpu_policy *policy,
                              const struct tally_expect *expect, struct tally_verdict *v);

/* For gpu_set.c: the same, keeping what was read. The caller frees the chain. */
struct tally_gpu_terms {
    const struct tally_anchor *anchors;
    uint32_t anchors_n;
    const struct tally_gpu_policy *policy;
    const struct tally_expect *expect;
};
struct tally_gpu_device_state {
    struct tally_gpu_report report; /* blocks_n 0: did not decode */
    struct tally_gpu_chain chain;
};
TALLY_RESULT tally_verify_gpu_device(const struct tally_gpu_input *in,
                                     const struct tally_gpu_terms *terms,
                                     struct tally_gpu_device_state *state, struct tally_verdict *v);

/* What an authentic report says; for verify_gpu.c. */
void tally_verify_gpu_claims(const struct tally_gpu_report *r, const struct tally_gpu_chain *c,
                             struct tally_verdict *v);
