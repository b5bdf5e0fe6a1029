/* pass.c - one step of a training on the device, call by call. */
#include "kernels/cuda/epochs.h"

static struct tally_k_now now_of(const struct tally_cuda_training *e)
{
    return (struct tally_k_now){.turns = e->turns, .at = e->at};
}

static void load(struct tally_cuda *d, const struct tally_cuda_training *e, size_t rows)
{
    struct tally_k_gather a = {.now = now_of(e),
                               .order = e->order,
                               .width = e->task.width,
                               .positive = e->task.positive,
                               .x = e->act[0],
                               .y = e->y,
                               .cost = e->cost};

    a.from[0] = e->from[0];
    a.from[1] = e->from[1];
    tally_cuda_launch_rows(d, TALLY_K_GATHER, &a, sizeof a, rows, e->task.width);
}

static struct tally_cuda_layer layer_of(const struct tally_cuda_training *e, uint32_t i,
                                        size_t rows)
{
    const struct tally_layer *l = &e->layer[i];
    struct tally_cuda_layer at = {.x = e->act[i], .w = e->w + l->w, .bias = e->w + l->b};

    at.s = (struct tally_dense){.rows = rows, .in = l->in, .out = l->out};
    return at;
}

static void forward(struct tally_cuda *d, const struct tally_cuda_training *e, size_t rows)
{
    const struct tally_k_dropout now = {.now = now_of(e)};

    for (uint32_t i = 0; i < e->task.layer_count; i++) {
        struct tally_cuda_layer l = layer_of(e, i, rows);
        bool hidden = i + 1 < e->task.layer_count;
        tally_cuda_dense(d, e->act[i + 1], &l, hidden);
        if (!hidden || e->task.dropout.below == 0) continue;
        struct tally_dropout o = e->task.dropout;
        o.layer = i;
        tally_cuda_dropout(d, e->act[i + 1], &o, &now, l.s);
    }
}

/* The gate of dense_dx is shut where dropout made a unit 0; the gain is what is left to do. */
static void backward(struct tally_cuda *d, const struct tally_cuda_training *e, size_t rows)
{
    uint32_t last = e->task.layer_count - 1;
    uint32_t below = e->task.dropout.below;
    double gain = below > 0 ? tally_dropout_gain(below) : 1;
    struct tally_k_bce a = {.now = now_of(e),
                            .z = e->act[last + 1],
                            .y = e->y,
                            .cost = e->cost,
                            .dz = e->dz[last],
                            .loss = e->loss,
                            .focal = (float)e->task.focal,
                            .scaled = e->square == NULL};

    tally_cuda_launch(d, TALLY_K_BCE, &a, sizeof a, rows);
    for (uint32_t i = last; i > 0; i--) {
        struct tally_cuda_layer l = layer_of(e, i, rows);
        tally_cuda_dense_dx(d, e->dz[i - 1], e->dz[i], &l, gain);
    }
}

/* Norms without the batch's scale, which comes in with the factors. */
static void clip_rows(struct tally_cuda *d, const struct tally_cuda_training *e, size_t rows)
{
    struct tally_k_clip a = {.now = now_of(e),
                             .square = e->square,
                             .factor = e->factor,
                             .lost = e->lost,
                             .norm = e->task.clip_row};

    if (!tally_cuda_up(d)) return;
    (void)tally_cuda_ok(
        d, tally_cuda_runtime.fill(e->square, 0, rows * sizeof *e->square, d->stream), "fill");
    for (uint32_t i = 0; i < e->task.layer_count; i++) {
        struct tally_cuda_layer l = layer_of(e, i, rows);
        tally_cuda_ghost(d, e->square, e->dz[i], &l, e->row_parts);
    }
    tally_cuda_launch(d, TALLY_K_CLIP, &a, sizeof a, rows);
    for (uint32_t i = 0; i < e->task.layer_count; i++)
        tally_cuda_scale_rows(d, e->dz[i], e->factor, layer_of(e, i, rows).s);
}

void tally_cuda_training_step(struct tally_cuda *d, const struct tally_cuda_training *e,
                              size_t rows)
{
    struct tally_k_prox p = {
        .g = e->g, .w = e->w, .base = e->base, .mu = (float)e->task.prox_mu, .n = e->padded};
    struct tally_k_step s = {.now = now_of(e),
                             .w = e->w,
                             .m = e->m,
                             .v = e->v,
                             .g = e->g,
                             .square = e->norm,
                             .clip = e->task.clip_norm,
                             .n = e->padded};

    load(d, e, rows);
    forward(d, e, rows);
    backward(d, e, rows);
    if (e->square != NULL) clip_rows(d, e, rows);
    for (uint32_t i = 0; i < e->task.layer_count; i++) {
        struct tally_cuda_layer l = layer_of(e, i, rows);
        tally_cuda_dense_dw(d, e->g + e->layer[i].w, e->g + e->layer[i].b, e->dz[i], &l, false);
    }
    if (e->base != NULL) tally_cuda_launch(d, TALLY_K_PROX, &p, sizeof p, p.n);
    if (e->norm != NULL) tally_cuda_square(d, e->norm, e->g, e->padded, e->parts);
    tally_cuda_launch(d, TALLY_K_STEP, &s, sizeof s, s.n);
}
