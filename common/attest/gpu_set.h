/* gpu_set.h - the GPUs and NVSwitches of one node as one set, and how the set is bound to the CPU's
 * evidence (ATTESTATION.md C3.1, C5.1). */
#pragma once

#include "common/attest/verify_gpu.h"

/* Judges every device, its failures beginning "gpu 0: " or "switch 1: " (numbered by kind, in the
 * order given), then the set, if every report is authentic:
 *
 *   E_GPU_COUNT      none, more than TALLY_GPU_SET_MAX, or not as many GPUs or switches as the
 *                    policy, the GPUs or the switches say
 *   E_GPU_TOPOLOGY   a device twice; some GPUs in PPCIE mode and some not; switches beside GPUs
 *                    that are not; a GPU that does not name exactly these switches; switches that
 *                    do not name exactly these GPUs; a switch whose id is not its chip's
 *   E_REPORT_DATA    reports over different nonces
 *   E_TRUST_CLASS    roots of different classes
 *
 * The verdict's claims are the set's: numbers of devices, gpu_set_hash, and of every device in
 * order chip, product, vbios_version and, of GPUs, driver_version. v->product is the first's. */
TALLY_RESULT tally_verify_gpu_set(const struct tally_gpu_input *devices, uint32_t n,
                                  const struct tally_anchor *anchors, uint32_t anchors_n,
                                  const struct tally_gpu_policy *policy,
                                  const struct tally_expect *expect, struct tally_verdict *v);

/* The nonce that a node's GPUs are asked with: SHA-256("tally/v1/gpu" 0x00 || the verifier's nonce
 * || SHA-512(key block)). Known before the CPU's report, and commits to who asks. */
void tally_gpu_nonce(const uint8_t verifier_nonce[32], struct tally_slice key_block,
                     uint8_t out[32]);

/* One device's evidence, as bytes: the report up to its signature's end, without padding. */
struct tally_gpu_device {
    struct tally_slice report;
    struct tally_slice chain[TALLY_GPU_CERTS]; /* DER, leaf first */
};

/* What the CPU's REPORT_DATA commits to: SHA-384 over LP(report || SHA-256(chain)) of every device,
 * in ascending order of their BROM's SubjectPublicKeyInfo; chain: the five certificates one after
 * the other, LP: a 32-bit big-endian length. n is 1 to TALLY_GPU_SET_MAX: else E_GPU_COUNT. The
 * parser's classes where a BROM certificate does not parse; E_GPU_TOPOLOGY for one key twice.
 * Says nothing about whether the evidence is good. */
TALLY_RESULT tally_gpu_set_hash(const struct tally_gpu_device *devices, uint32_t n,
                                uint8_t out[48]);
