/* train.h - local training behind one seam: (base, table, plan) -> (delta, examples, metrics).
 * It holds no keys, sockets, files or clock; what it needs is in the arguments, and the same
 * arguments give the same bits on the same backend (backend.h says how far that reaches).
 *
 * Loss: the weighted mean over a batch of c max(z,0) - zy + log1p(e^-|z|), where c is
 * positive_weight on positives and 1 on negatives and rows count by their weight. A batch whose
 * weights are all zero is skipped. The last batch of an epoch may be short. FedProx (Li et al.
 * 2020) adds prox_mu (w - base) to the gradient. Optimisers as in PyTorch: SGD, SGD with
 * momentum (no dampening), Adam (Kingma and Ba 2015, bias-corrected), AdamW (Loshchilov and
 * Hutter 2019). The focal loss (Lin et al. 2017) multiplies a row's loss by (1 - p)^focal_gamma, p
 * the probability given to its label. Dropout (Srivastava et al. 2014) is inverted, after each
 * ReLU, its masks a function of (seed, round, step, layer, row of the batch, unit). clip_row
 * bounds every row's gradient, its weight included, before they are added; clip_norm the norm of
 * the whole gradient, the proximal term included, before the step. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "common/table.h"
#include "kernels/backend.h"
#include "kernels/model.h"
#include "kernels/plan.h"

struct tally_progress {
    uint32_t epoch, epochs; /* epoch counts from 1 */
    uint64_t step, steps;   /* of the whole training, steps done */
    double loss;            /* mean over the batches of this epoch so far; on a device, where */
                            /* steps are handed over ahead, of the last epoch that ended */
};

/* How the caller looks on. Called in the training thread after every `every` steps (0: 64) and at
 * the end of an epoch; cancel is looked at before every step. */
struct tally_watch {
    void (*progress)(void *context, const struct tally_progress *p); /* may be NULL */
    void *context;
    uint32_t every;
    const atomic_bool *cancel; /* may be NULL */
};

struct tally_training {
    const struct tally_backend *backend;
    const struct tally_model *model;
    const float *base; /* parameters, finite */
    const struct tally_table *table;
    const struct tally_plan *plan;
    const struct tally_watch *watch; /* may be NULL */
};

struct tally_trained {
    uint64_t examples;  /* rows whose weight is not 0 */
    uint64_t positives; /* of them */
    uint64_t steps;
    uint64_t lost; /* row gradients that were not finite and so left out; clip_row only */
    double first_loss, last_loss; /* mean training loss over the first and the last epoch */
};

/* TALLY_E_CONFIG when a limit or range above is broken: model, plan, or the table by row and
 * column. Looks at every value of the table once. */
TALLY_RESULT tally_train_check(const struct tally_training *t);

/* delta: as many floats as the model has parameters, trained - base, rounded once, all finite, no
 * -0. Checks as tally_train_check does, then trains. TALLY_E_STATE: the loss or a weight is no
 * longer finite (the reason names epoch and step), or cancelled. Outputs only on success. */
TALLY_RESULT tally_train(float *delta, struct tally_trained *out, const struct tally_training *t);
