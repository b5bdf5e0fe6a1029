/* snp_vectors.h - the published SNP reports with their certificates, as verifier input. */
#pragma once

#include "common/attest/verify_snp.h"

enum { SNP_VECTORS_MAX = 64 };

struct snp_vector {
    char name[64];
    const char *integrity, *strict_fails; /* "trusted"; "E_VMPL" or NULL */
    uint64_t at_s;
    struct tally_slice report; /* fresh heap bytes of exact size, kept to the end */
    struct tally_slice vek, issuer;
};

/* All of them, those without a certificate too (vek.at == NULL); loaded once. */
const struct snp_vector *snp_vectors(size_t *n);

const struct snp_vector *snp_vector_named(const char *name);

/* Judges `report` with v's certificates; policy NULL: integrity. */
TALLY_RESULT snp_vector_judge(const struct snp_vector *v, struct tally_slice report,
                              const struct tally_snp_policy *policy, uint64_t at_s,
                              struct tally_verdict *verdict);

/* The roots of Milan, Genoa and Turin. */
const struct tally_anchor *snp_vector_anchors(uint32_t *n);

struct tally_slice snp_vector_file(const char *below_snp);

/* "E_VMPL E_CHIP " of a list, in a static buffer. */
const char *snp_reasons(const struct tally_failure *list, uint32_t n);
/* Failure or missing list holds this reason. */
bool snp_failed(const struct tally_verdict *v, enum tally_reason r);
bool snp_missing(const struct tally_verdict *v, enum tally_reason r);
