/* epochs.h - a training on the device, shared by epochs.c (its epochs), takeover.c (its memory) and
 * pass.c (its step). */
#pragma once

#include "kernels/cuda/slabs.h"
#include "kernels/model.h"

struct tally_cuda_training {
    struct tally_takeover task;
    struct tally_layer layer[TALLY_LAYERS_MAX]; /* w and b each at a multiple of ALIGN_BYTES */
    size_t padded;                              /* floats of a parameter vector so laid out */
    size_t turns_max;
    /* On the device, in one allocation. m, v and base NULL where the task needs none. */
    void *memory;
    float *w, *g, *m, *v, *base;
    float *act[TALLY_LAYERS_MAX + 1], *dz[TALLY_LAYERS_MAX], *y;
    double *cost, *loss; /* (batch) */
    /* For clip_row: sums of squares, factors, rows lost (batch each); for clip_norm: the square of
     * the gradient, one number. Scratch for both. NULL where the task has none. */
    double *square, *factor, *norm, *parts;
    uint64_t *lost;
    float *row_parts;
    struct tally_k_turn *turns;
    uint32_t *at, *order;
    /* Rows: all of them in `rows` on the device, or two slabs. */
    void *rows;
    struct tally_cuda_slabs slabs;
    struct tally_k_source from[2];
    /* In host memory: the epoch at hand. */
    struct tally_cuda_read *reads;
    struct tally_k_turn *sent;
    double *sums; /* (batch) */
    uint64_t *lost_sums;
    const uint32_t *host_order;
    size_t n;
    unsigned full_turns; /* that have run */
    void *exec;          /* the recorded step */
};

/* takeover.c; backend.h, tally_epochs, says what these do. */
void *tally_cuda_training_open(const struct tally_takeover *takeover);
void tally_cuda_training_close(void *training);

/* pass.c: sends one step over `rows` rows, everything from gather to the optimiser. */
void tally_cuda_training_step(struct tally_cuda *d, const struct tally_cuda_training *t,
                              size_t rows);
