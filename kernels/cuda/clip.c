/* clip.c - norms, clipping and dropout on the device, for a training and for the table. */

#include "kernels/cuda/device.h"

static size_t out_row(struct tally_dense s)
{
    return s.out_row != 0 ? s.out_row : s.out;
}

static void squares(struct tally_cuda *d, float *part, const float *a, struct tally_k_squares s)
{
    s.part = part;
    s.a = a;
    tally_cuda_launch(d, TALLY_K_SQUARES, &s, sizeof s, s.rows * TALLY_K_LANES);
}

void tally_cuda_ghost(struct tally_cuda *d, double *square, const float *dz,
                      const struct tally_cuda_layer *l, float *part)
{
    size_t rows = l->s.rows;
    float *x_part = part + rows * TALLY_K_LANES;
    struct tally_k_ghost a = {.dz = part, .x = x_part, .square = square, .rows = rows};

    squares(d, part, dz,
            (struct tally_k_squares){.rows = rows, .n = l->s.out, .stride = out_row(l->s)});
    squares(d, x_part, l->x,
            (struct tally_k_squares){.rows = rows, .n = l->s.in, .stride = l->s.in});
    tally_cuda_launch(d, TALLY_K_GHOST, &a, sizeof a, rows);
}

/* Sums of sums, each level in an order of its own. */
void tally_cuda_square(struct tally_cuda *d, double *square, const float *g, size_t n, double *part)
{
    const size_t each = TALLY_CUDA_PARTS_EACH;
    double *second = part + TALLY_CUDA_PARTS;
    struct tally_k_square a = {.g = g, .part = part, .n = n, .parts = TALLY_CUDA_PARTS};
    struct tally_k_add_up up = {
        .from = part, .to = second, .n = TALLY_CUDA_PARTS / each, .each = each};

    tally_cuda_launch(d, TALLY_K_SQUARE, &a, sizeof a, a.parts);
    tally_cuda_launch(d, TALLY_K_ADD_UP, &up, sizeof up, up.n);
    up = (struct tally_k_add_up){.from = second, .to = square, .n = 1, .each = each};
    tally_cuda_launch(d, TALLY_K_ADD_UP, &up, sizeof up, up.n);
}

void tally_cuda_scale_rows(struct tally_cuda *d, float *dz, const double *factor,
                           struct tally_dense s)
{
    struct tally_k_scale_rows a = {.dz = dz, .factor = factor, .n = s.out, .stride = out_row(s)};

    tally_cuda_launch_rows(d, TALLY_K_SCALE_ROWS, &a, sizeof a, s.rows, s.out);
}

void tally_cuda_dropout(struct tally_cuda *d, float *x, const struct tally_dropout *o,
                        const struct tally_k_dropout *where, struct tally_dense s)
{
    struct tally_k_dropout a = *where;

    a.x = x;
    a.n = s.out;
    a.stride = out_row(s);
    a.seed = o->seed;
    a.below = o->below;
    a.layer = o->layer;
    a.gain = (float)tally_dropout_gain(o->below);
    tally_cuda_launch_rows(d, TALLY_K_DROPOUT, &a, sizeof a, s.rows, (s.out + 7) / 8);
}
