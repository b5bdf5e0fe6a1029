/* gpu_chain.h - the certificates of an NVIDIA device: always five, P-384, ECDSA with SHA-384
 * (ATTESTATION.md C3.2).
 *
 *   0  leaf      "GH100 A01 GSP FMC LF"            made by the device, signs reports
 *   1  BROM      "GH100 A01 GSP BROM"              the chip's own key: its identity
 *   2  ICA       "NVIDIA GH100 Provisioner ICA 1"
 *   3  identity  "NVIDIA GH100 Identity"
 *   4  root      "NVIDIA Device Identity CA"       equal to an anchor, byte for byte
 *
 * The same chip at every level, except that switches (LS_10) are under GH100's identity. */
#pragma once

#include "common/attest/cache.h"
#include "common/attest/gpu_report.h"
#include "common/attest/trust.h"
#include "common/cert.h"

enum { TALLY_GPU_CERTS = 5 };

enum tally_gpu_chip { TALLY_GPU_GH100, TALLY_GPU_GB100, TALLY_GPU_LS10, TALLY_GPU_CHIPS };
/* "GH100", "GB100", "LS10": as manifests and verdicts name it. */
const char *tally_gpu_chip_name(enum tally_gpu_chip c);
/* "HOPPER", "BLACKWELL", "LS10". */
const char *tally_gpu_architecture(enum tally_gpu_chip c);

struct tally_gpu_chain {
    struct tally_cert certs[TALLY_GPU_CERTS]; /* leaf first */
    enum tally_trust_class trust;             /* of the anchor */
    enum tally_gpu_chip chip;
    bool has_fwid;
    uint8_t fwid[TALLY_GPU_FWID_BYTES];
    uint8_t device_id[TALLY_GPU_ID_BYTES]; /* of the leaf's alternative name */
    /* The lower eight bytes of the BROM certificate's serial number: the id by which switches
     * name their GPUs, and a switch itself. */
    uint8_t chip_id[TALLY_GPU_ID_BYTES];
    uint8_t brom[TALLY_CHIP_DIGEST_BYTES]; /* SHA-256 of the BROM's SubjectPublicKeyInfo */
};

/* Structure, names, keys, constraints, every signature and the pinned root; of dates nothing.
 * With a cache (NULL: none) the same five certificates are verified once; the root is compared
 * with the anchors every time. E_CERT_SHAPE (not five, another order, names of no chip or of two),
 * E_ROOT_UNTRUSTED (the last is a root, but no anchor of that name), E_PRODUCT (a chip that is not
 * known), the parser's classes, E_KEY, E_CERT_CONSTRAINT, E_CERT_ALG, E_SIGNATURE,
 * E_CERT_EXT_MISSING (no alternative name), E_CERT_EXT_DUP (two firmware ids). The caller frees
 * *out. */
TALLY_RESULT tally_gpu_chain_verify(const struct tally_slice *der, uint32_t n,
                                    const struct tally_anchor *anchors, uint32_t anchors_n,
                                    struct tally_attest_cache *cache, struct tally_gpu_chain *out);
void tally_gpu_chain_free(struct tally_gpu_chain *c); /* idempotent */

/* The SubjectPublicKeyInfo of one certificate, DER. E_OVERSIZE where out is too small. */
TALLY_RESULT tally_gpu_spki(const struct tally_cert *c, struct tally_wr *out);
