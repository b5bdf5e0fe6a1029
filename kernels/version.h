/* version.h - a model version as a safetensors file that scores by itself (docs/WIRE.md, section
 * 5): the parameters in their flat order, and in the metadata the model's shape and the frozen
 * preprocessing. Works on bytes; files are the caller's. */
#pragma once

#include "common/federation.h"
#include "common/prep.h"
#include "common/safetensors.h"
#include "kernels/model.h"

struct tally_version {
    enum tally_mode mode;
    uint8_t federation[32], job[32];
    uint64_t round;
    struct tally_model model;
    struct tally_prep prep;
    size_t params_n;
    const float *params; /* in the file's bytes, which must outlive this; aligned */
    struct tally_safetensors file; /* the reader's */
};

/* Reads a whole file. TALLY_E_WIRE for anything that is not a version as written here: tensors of
 * other names, order or shape, metadata missing, spelled otherwise or of another shape of model, a
 * preprocessing of another job, parameters not aligned for floats. The caller frees *v;
 * values of parameters are not looked at. */
TALLY_RESULT tally_version_read(struct tally_slice file, struct tally_version *v);
void tally_version_free(struct tally_version *v); /* idempotent on a zeroed one */

/* Everything before the parameters of a version with v's mode, digests, round, model and prep; the
 * parameters follow as little-endian float32. */
TALLY_RESULT tally_version_head(const struct tally_version *v, struct tally_safetensors_head *out);
