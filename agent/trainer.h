/* trainer.h - from a job, a bank's table and a model version to what a round asks for: moments, a
 * delta, an evaluation. The seam to kernels/train.h; free of sockets, keys and files but the table
 * itself, so a bank's own model ("alone") and one over all rows ("pooled") come of the same code.
 *
 * A round trains local_epochs over the training rows with fresh optimiser state; its number goes
 * into the order of the rows. The rows as the model reads them are laid out once and kept while
 * the preprocessing stays the same. One thread at a time. */
#pragma once

#include "agent/dataset.h"
#include "common/job.h"
#include "kernels/train.h"
#include "kernels/version.h"
#include "proto/payload.h"

struct tally_trainer {
    const struct tally_job *job; /* borrowed */
    const struct tally_backend *backend; /* NULL: cpu; may be set after load */
    struct tally_dataset data;
    bool laid_out;
    uint8_t prep[32];               /* digest of the preprocessing laid out */
    struct tally_table train, held; /* (rows, features) */
};

/* The plan of one round of the job. */
TALLY_RESULT tally_trainer_plan(const struct tally_job *job, uint64_t round,
                                struct tally_plan *out);
/* The model's shape over that many features. */
struct tally_model tally_trainer_model(const struct tally_job *job, uint32_t features);

/* Reads the table at `path`; what does not fit is in *points, as tally_dataset_load says. The job
 * outlives the trainer. The caller frees *out. */
TALLY_RESULT tally_trainer_load(const struct tally_job *job, const char *path,
                                struct tally_points *points, struct tally_trainer *out);
void tally_trainer_free(struct tally_trainer *t); /* idempotent */

/* Round 0: the moments, encoded, for the caller to free(); *examples: the rows to train on. */
TALLY_RESULT tally_trainer_moments(const struct tally_trainer *t, uint8_t **bytes, size_t *len,
                                   uint32_t *examples);

/* A model to start from or to judge. params: as many floats as the model has parameters. */
struct tally_trainer_base {
    const struct tally_model *model;
    const struct tally_prep *prep;
    const float *params;
};
/* The base of a version of this job: E_UPDATE unless shape and preprocessing are the job's. */
TALLY_RESULT tally_trainer_base(const struct tally_trainer *t, const struct tally_version *v,
                                struct tally_trainer_base *out);

/* delta: (params) f32. *examples: training rows whose weight is not 0. TALLY_E_STATE when cancelled
 * or diverged. */
TALLY_RESULT tally_trainer_delta(struct tally_trainer *t, const struct tally_trainer_base *base,
                                 uint64_t round, const struct tally_watch *watch, float *delta,
                                 uint32_t *examples);
/* Counts of the held-out rows per logit bin; no such rows are an evaluation of 0 rows. */
TALLY_RESULT tally_trainer_evaluate(struct tally_trainer *t, const struct tally_trainer_base *base,
                                    struct tally_evaluation *out);

/* All rounds 1 to job->rounds on one table, each adding its delta to params as a round with one
 * site does: the same bits. */
TALLY_RESULT tally_trainer_rounds(const struct tally_job *job, const struct tally_model *model,
                                  const struct tally_table *table, const struct tally_watch *watch,
                                  float *params);
