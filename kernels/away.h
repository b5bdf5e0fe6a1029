/* away.h - what train.c keeps of a training whose epochs a device runs (backend.h,
 * tally_epochs), instead of arrays of its own. */
#pragma once

#include "kernels/train.h"

struct tally_away_run {
    const struct tally_backend *backend;
    const struct tally_table *table;
    size_t batch;
    struct tally_layer layer[TALLY_LAYERS_MAX];
    size_t params;
    void *epochs;
    struct tally_turn *turns; /* of the batches whose weight is not zero */
    size_t n, next;           /* turns of this epoch, those handed over */
    double weight;            /* sum over this epoch */
    float *delta;             /* params: a download may fail in the middle */
};

/* Hands the rows and the base to the device. batch: at most the table's rows. dropout: seed and
 * share. TALLY_E_NOMEM;
 * TALLY_E_STATE when the device fails. *d is to be closed either way. */
TALLY_RESULT tally_away_open(struct tally_away_run *d, const struct tally_training *t, size_t batch,
                             const struct tally_dropout *dropout);
void tally_away_close(struct tally_away_run *d); /* accepts zeros */

/* One epoch: plan gives the turns their rows, scale and number, `steps` being those before, and
 * returns how many there are; the caller fills in their optimiser steps; begin; batch for every
 * batch, by its place in the order; end waits, gives the sum of weight times loss and adds the
 * rows lost. TALLY_E_STATE when the device fails. */
size_t tally_away_plan(struct tally_away_run *d, const uint32_t *order, uint64_t steps);
TALLY_RESULT tally_away_begin(struct tally_away_run *d, const uint32_t *order);
TALLY_RESULT tally_away_batch(struct tally_away_run *d, size_t first);
TALLY_RESULT tally_away_end(struct tally_away_run *d, double *loss, uint64_t *lost);
