/* tpm_vectors.h - the published TPM quotes and HCL blobs, as verifier input. */
#pragma once

#include "common/attest/hcl.h"
#include "common/attest/verify_tpm.h"

enum { TPM_VECTORS_MAX = 16 };

struct tpm_vector {
    char name[64];
    unsigned report_type;      /* of the blob; 0: there is none */
    bool quoted;               /* there is a quote; its signature and digest are good */
    struct tally_tpm_input in; /* fresh heap bytes of exact size, kept to the end; ak: PEM */
    struct tally_slice nonce;
    uint64_t firmware;
    struct tally_slice hcl, json, public; /* public: TPMT_PUBLIC; at == NULL: none */
    const char *user_data;                /* first digits, "None", or NULL */
};

/* All of them; loaded once. */
const struct tpm_vector *tpm_vectors(size_t *n);
const struct tpm_vector *tpm_vector_named(const char *name);

/* A file below vectors/, exact-size heap bytes, kept. */
struct tally_slice tpm_vector_file(const char *below_vectors);

/* The n vendors' roots. */
const struct tally_anchor *tpm_vector_anchors(uint32_t *n);

/* Failed or missing for this reason. */
bool tpm_failed(const struct tally_verdict *v, enum tally_reason r);
bool tpm_missing(const struct tally_verdict *v, enum tally_reason r);
/* The claim of that name, NULL if there is none. */
const struct tally_claim *tpm_claim(const struct tally_verdict *v, const char *name);

/* The exact-size heap copy of some bytes; the caller frees. */
uint8_t *tpm_copy(struct tally_slice s);
