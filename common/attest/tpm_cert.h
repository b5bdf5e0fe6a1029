/* tpm_cert.h - the certificate of an attestation key and the chain above it: Azure's AK (TPM NV
 * 0x01C101D0, zero-padded there) under "Global Virtual TPM CA - nn" and Microsoft's root, Google's
 * under "EK/AK CA Intermediate" and its root (C4.2). At most two issuers between leaf and anchor.
 * There is no revocation here: neither vendor's lists are part of such evidence. */
#pragma once

#include "common/attest/appraise.h"
#include "common/cert.h"

enum { TALLY_TPM_ISSUERS_MAX = 2 };

/* DER, with zeros after it as in a TPM's memory (other bytes: E_TRAILING), or one PEM block. */
TALLY_RESULT tally_tpm_cert_parse(struct tally_slice in, struct tally_cert *c);

/* Walks leaf <- issuers <- an anchor: names, signatures, CA and path length, and that the leaf is
 * an AK's (digitalSignature; tcg-kp-AIKCertificate where it names its uses). Of the vendors'
 * anchors only those named "...-vtpm" count. False where it ends there, with the failure or what is
 * missing in *v; dates are noted and the window narrowed. Sets v->trust. issuers: leaf's issuer
 * first; at == NULL: none. */
bool tally_tpm_cert_chain(const struct tally_cert *leaf,
                          const struct tally_slice issuers[TALLY_TPM_ISSUERS_MAX],
                          const struct tally_anchor *anchors, uint32_t anchors_n, uint64_t now_s,
                          struct tally_verdict *v);
