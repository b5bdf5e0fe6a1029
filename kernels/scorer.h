/* scorer.h - a model made ready to score rows: parameters checked, copied and laid out once, so
 * that one row costs little more than its arithmetic. One thread at a time may use a scorer. */
#pragma once

#include "kernels/network.h"

struct tally_scorer {
    struct tally_network net;
    void *params;
};

/* params: floats as model.h lays them out, copied. TALLY_E_CONFIG when one is not finite or the
 * shape is bad, TALLY_E_NOMEM. *s must be zero or freed. */
TALLY_RESULT tally_scorer_init(struct tally_scorer *s, const struct tally_backend *backend,
                               const struct tally_model *model, const float *params);
void tally_scorer_free(struct tally_scorer *s);

/* logits: (rows), from x: (rows, inputs) row-major, in batches of TALLY_SCORE_BATCH. TALLY_E_CONFIG
 * when a feature is not finite, TALLY_E_STATE when a logit is not; nothing is promised about logits
 * then. rows may be 0. No memory is taken. A row's logit does not depend on the others. */
TALLY_RESULT tally_scorer_run(struct tally_scorer *s, float *logits, const float *x, size_t rows);
