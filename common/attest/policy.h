/* policy.h - the rules for every kind of evidence together: what a federation document, a policy
 * document or the command line judges by. Each part's keys are listed where it is declared
 * (trust.h, tdx_policy.h, gpu_policy.h, tpm_policy.h). */
#pragma once

#include <jansson.h>

#include "common/attest/gpu_policy.h"
#include "common/attest/tdx_policy.h"
#include "common/attest/tpm_policy.h"
#include "common/attest/trust.h"

enum tally_policy_part {
    TALLY_POLICY_SNP = 1,
    TALLY_POLICY_TDX = 2,
    TALLY_POLICY_GPU = 4,
    TALLY_POLICY_TPM = 8,
};

struct tally_policy {
    unsigned parts; /* which of them it has rules for; evidence of another kind: E_TEE_TYPE */
    struct tally_snp_policy snp;
    struct tally_tdx_policy tdx;
    struct tally_gpu_policy gpu; /* a node's evidence must then have GPUs */
    struct tally_tpm_policy tpm;
    bool integrity; /* every part looks at integrity alone; in no document */
};

void tally_policy_strict(struct tally_policy *p);
void tally_policy_integrity(struct tally_policy *p);

/* {"snp"?, "tdx"?, "nvgpu"?, "tpm"?}: at least a part for a CPU. TALLY_E_CONFIG says which key is
 * wrong. */
TALLY_RESULT tally_policy_from_json(const json_t *object, struct tally_policy *p);
/* The same object with every key spelled out, or one part of it; the caller owns it, NULL when out
 * of memory. */
json_t *tally_policy_to_json(const struct tally_policy *p);
json_t *tally_policy_part_to_json(const struct tally_policy *p, enum tally_policy_part part);

/* One rule changed, for one call, and no other: "smt=false", "status=[\"UpToDate\"]"; what is no
 * JSON is text. Under integrity the rule is asked beside what integrity asks. TALLY_E_CONFIG for a
 * key that the part has not, a value that it refuses, and a rule that integrity never asks. */
TALLY_RESULT tally_policy_set(struct tally_policy *p, enum tally_policy_part part,
                              const char *setting);
