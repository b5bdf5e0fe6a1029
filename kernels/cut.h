/* cut.h - how a network's work is cut into tasks: what network.c and gradient.c share. */
#pragma once

#include "kernels/network.h"

static inline void *tally_cut_at(const struct tally_network *net, void *reals, size_t index)
{
    return tally_real_at(net->backend, reals, index);
}

static inline uint32_t tally_cut_tasks(size_t n, size_t step)
{
    return (uint32_t)((n + step - 1) / step);
}

static inline struct tally_dense tally_cut_shape(const struct tally_layer *l, size_t rows)
{
    return (struct tally_dense){.rows = rows, .in = l->in, .out = l->out};
}

/* Rows of a task of the first phase. */
size_t tally_cut_rows(const struct tally_network *net);

/* Every task once, on the pool's threads if there are any and the backend allows it. */
void tally_cut_share(const struct tally_network *net, void (*work)(void *context, uint32_t task),
                     void *context, uint32_t tasks);

struct tally_weights tally_cut_weights(const struct tally_network *net, uint32_t layer);

/* w_t of slice number `task` from w. */
void tally_cut_transpose(void *context, uint32_t task);

/* Dropout of the hidden layers; `row` is the first row's number in the whole batch. */
struct tally_masks {
    const struct tally_dropout *dropout; /* NULL: none */
    size_t row;
};

/* Rows from to from + n of the block through all layers. */
void tally_cut_forward(struct tally_network *net, size_t from, size_t n, struct tally_masks m);
