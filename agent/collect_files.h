/* collect_files.h - evidence and endorsements as files that `evidence verify` takes, one by one;
 * for cmd_collect.c.
 *
 *   report.bin or quote.bin     the CPU's evidence
 *   vek.der issuer.der crl-N.der     SNP: certificates and revocation lists
 *   collateral/NAME             TDX: Intel's collateral under the names it came with
 *   gpu-N-report.bin gpu-N-chain.pem     each GPU's, and switch-N-... each NVSwitch's; leaf first
 *   manifest-N.xml              reference manifests
 *   endorsements.bin ev.bin     both whole, as they travel (CHANNEL.md section 2); ev.bin comes
 * last
 *
 * N counts from 0. No file is ever replaced. */
#pragma once

#include <jansson.h>

#include "common/attest/evidence.h"

struct collect_files {
    struct tally_evidence evidence; /* borrows ev */
    json_t *names;                  /* of the files below the folder; owned */
};

/* Into this folder, made if missing; TALLY_E_STATE if a file is there already, E_FORMAT and its
 * like for bytes that are no evidence, before anything is written. */
TALLY_RESULT collect_files_write(const char *dir, struct tally_slice ev,
                                 struct tally_slice endorsements, struct collect_files *out);
void collect_files_free(struct collect_files *c); /* idempotent */

/* Is this one of the names? */
bool collect_files_has(const struct collect_files *c, const char *name);

/* What the GPUs were asked with where the CPU was asked with this, and no key block. */
void collect_gpu_nonce(const uint8_t nonce[32], uint8_t out[32]);
