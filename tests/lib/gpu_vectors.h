/* gpu_vectors.h - the published reports of NVIDIA GPUs and switches as verifier input, with their
 * rows of expected.json. */
#pragma once

#include <jansson.h>

#include "common/attest/verify_gpu.h"

enum { GPU_VECTORS_MAX = 32 };

struct gpu_vector {
    char name[64];
    json_t *row;               /* of expected.json */
    struct tally_gpu_input in; /* report and chain; fresh heap bytes of exact size */
    uint8_t nonce[TALLY_GPU_NONCE_BYTES];
    bool good; /* signature, chain and root */
};

/* All of them that are at hand; loaded once. */
const struct gpu_vector *gpu_vectors(size_t *n);
const struct gpu_vector *gpu_vector(const char *name);

/* The vendors' roots. */
const struct tally_anchor *gpu_vector_anchors(uint32_t *n);
/* Kept to the end. */
struct tally_slice gpu_vector_file(const char *below_nvgpu);
/* A PEM chain's certificates as DER into in->chain; how many. */
uint32_t gpu_vector_chain(const char *below_nvgpu, struct tally_slice *chain, uint32_t max);
const char *gpu_vector_text(const struct gpu_vector *v, const char *key);

/* Judges under integrity (policy NULL), with the vector's nonce, the vendors' roots and padding
 * allowed. cache: NULL for none. */
struct gpu_vector_terms {
    const struct tally_gpu_policy *policy;
    uint64_t at_s;
    struct tally_attest_cache *cache;
};
enum tally_status gpu_vector_judge(const struct gpu_vector *v, const struct tally_gpu_input *in,
                                   const struct gpu_vector_terms *t, struct tally_verdict *out);

/* Failure or missing list holds this reason. */
bool gpu_failed(const struct tally_verdict *v, enum tally_reason r);
bool gpu_missing(const struct tally_verdict *v, enum tally_reason r);
