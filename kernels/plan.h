/* plan.h - what a training is asked to do, apart from the model and the data; train.h has the
 * formulas. */
#pragma once

#include <stdint.h>

#include "common/status.h"
#include "kernels/backend.h"
#include "kernels/pool.h"

enum {
    TALLY_BATCH_MAX = 1 << 16,
    TALLY_EPOCHS_MAX = 10000,
    TALLY_ROWS_MAX = 1 << 30,
};

struct tally_plan {
    enum tally_optimizer optimizer;
    double learning_rate;   /* > 0 */
    double momentum;        /* [0, 1) */
    double beta1, beta2;    /* [0, 1) */
    double epsilon;         /* > 0 */
    double prox_mu;         /* >= 0; 0 is FedAvg */
    double positive_weight; /* > 0 */
    double weight_decay;    /* >= 0, AdamW only */
    double focal_gamma;     /* >= 0; 0: plain logistic loss */
    double dropout;         /* share of hidden units, [0, 1), rounded to a 65536th */
    double clip_row;        /* >= 0; 0: rows are not clipped */
    double clip_norm;       /* >= 0; 0: the gradient is not clipped */
    uint32_t batch;         /* rows, 1 to TALLY_BATCH_MAX */
    uint32_t epochs;        /* 1 to TALLY_EPOCHS_MAX */
    uint64_t seed;          /* of the job */
    uint32_t round;         /* with the seed and the epoch it gives the order of the rows */
    uint32_t threads;       /* at most TALLY_THREADS_MAX; 0: the cores there are (pool.h). The */
                            /* result does not depend on it */
};

/* Adam, rate .001, momentum .9, betas .9 and .999, epsilon 1e-8, batch 1024, one epoch. */
struct tally_plan tally_plan_default(void);

/* TALLY_E_CONFIG names the first number out of its range. */
TALLY_RESULT tally_plan_check(const struct tally_plan *p);
