/* takeover.c - what a training has on the device, and how its rows get there. */
#include <stdlib.h>

#include "kernels/cuda/epochs.h"

enum {
    ALIGN_BYTES = 256,
    SLAB_BYTES = 256 << 20, /* at most, of each of the two buffers */
    ROOM_SHARE = 4,         /* a quarter of what is free stays so, or is a slab */
};

static const struct tally_cuda_runtime *const rt = &tally_cuda_runtime;

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
}

static size_t aligned_floats(size_t n)
{
    return aligned(n * sizeof(float)) / sizeof(float);
}

static void lay_out(struct tally_cuda_training *e)
{
    for (uint32_t i = 0; i < e->task.layer_count; i++) {
        struct tally_layer *l = &e->layer[i];
        *l = e->task.layers[i];
        l->w = e->padded;
        l->b = l->w + aligned_floats(l->in * l->out);
        e->padded = l->b + aligned_floats(l->out);
    }
}

/* Takes bytes off the block at *used; with no memory yet it only counts. */
static void *take(const struct tally_cuda_training *e, size_t *used, size_t bytes)
{
    void *p = e->memory != NULL ? (char *)e->memory + *used : NULL;

    *used += aligned(bytes);
    return p;
}

static void take_layers(struct tally_cuda_training *e, size_t *used)
{
    e->act[0] = take(e, used, e->task.batch * e->layer[0].in * sizeof(float));
    for (uint32_t i = 0; i < e->task.layer_count; i++) {
        e->act[i + 1] = take(e, used, e->task.batch * e->layer[i].out * sizeof(float));
        e->dz[i] = take(e, used, e->task.batch * e->layer[i].out * sizeof(float));
    }
}

static void take_clips(struct tally_cuda_training *e, size_t *used)
{
    size_t batch = e->task.batch;

    if (e->task.clip_row > 0) {
        e->square = take(e, used, batch * sizeof(double));
        e->factor = take(e, used, batch * sizeof(double));
        e->lost = take(e, used, batch * sizeof *e->lost);
        e->row_parts = take(e, used, 2 * batch * TALLY_K_LANES * sizeof(float));
    }
    if (e->task.clip_norm > 0) {
        e->norm = take(e, used, sizeof(double));
        e->parts = take(e, used, (TALLY_CUDA_PARTS + TALLY_CUDA_PARTS_EACH) * sizeof(double));
    }
}

static size_t carve(struct tally_cuda_training *e)
{
    const struct tally_takeover *t = &e->task;
    size_t vector = e->padded * sizeof(float);
    size_t used = 0;

    e->w = take(e, &used, vector);
    e->g = take(e, &used, vector);
    if (t->optimizer != TALLY_SGD) e->m = take(e, &used, vector);
    if (t->optimizer >= TALLY_ADAM) e->v = take(e, &used, vector);
    if (t->prox_mu > 0) e->base = take(e, &used, vector);
    take_layers(e, &used);
    take_clips(e, &used);
    e->y = take(e, &used, t->batch * sizeof(float));
    e->cost = take(e, &used, t->batch * sizeof(double));
    e->loss = take(e, &used, t->batch * sizeof(double));
    e->turns = take(e, &used, e->turns_max * sizeof *e->turns);
    e->at = take(e, &used, 2 * sizeof *e->at);
    return used;
}

/* A host vector in model.h's order to the padded one. */
static void put_params(struct tally_cuda *d, const struct tally_cuda_training *e, float *to,
                       const float *from)
{
    for (uint32_t i = 0; i < e->task.layer_count; i++) {
        const struct tally_layer *l = &e->layer[i];
        const struct tally_layer *flat = &e->task.layers[i];
        (void)tally_cuda_upload(d, to + l->w, from + flat->w, l->in * l->out * sizeof *to);
        (void)tally_cuda_upload(d, to + l->b, from + flat->b, l->out * sizeof *to);
    }
}

static bool hold_rows(struct tally_cuda *d, struct tally_cuda_training *e)
{
    const struct tally_takeover *t = &e->task;
    size_t values = aligned_floats(t->rows * t->width);
    size_t column = aligned_floats(t->rows);
    float *x = tally_cuda_alloc(d, (values + 3 * column) * sizeof *x);

    e->rows = x;
    if (x == NULL) return false;
    float *y = x + values;
    float *weight = t->weight != NULL ? y + column : NULL;
    e->order = (uint32_t *)(y + 2 * column);
    e->from[0] = (struct tally_k_source){.x = x, .y = y, .weight = weight};
    return tally_cuda_upload(d, x, t->x, t->rows * t->width * sizeof *x) &&
           tally_cuda_upload(d, y, t->y, t->rows * sizeof *x) &&
           (weight == NULL || tally_cuda_upload(d, weight, t->weight, t->rows * sizeof *x));
}

static bool stream_rows(struct tally_cuda *d, struct tally_cuda_training *e, size_t room)
{
    size_t bytes = room / ROOM_SHARE < SLAB_BYTES ? room / ROOM_SHARE : SLAB_BYTES;

    if (!tally_cuda_slabs_open(d, &e->slabs, &e->task, bytes)) return false;
    for (int i = 0; i < 2; i++) e->from[i] = tally_cuda_slabs_source(&e->slabs, i);
    return true;
}

static bool open_rows(struct tally_cuda *d, struct tally_cuda_training *e)
{
    const struct tally_takeover *t = &e->task;
    size_t need =
        aligned(t->rows * t->width * sizeof(float)) + 3 * aligned(t->rows * sizeof(float));
    size_t room = 0;
    size_t total = 0;

    if (!tally_cuda_ok(d, rt->room(&room, &total), "asking for free memory")) return false;
    if (need <= room - room / ROOM_SHARE && hold_rows(d, e)) return true;
    return tally_cuda_up(d) && stream_rows(d, e, room);
}

static bool open_memory(struct tally_cuda *d, struct tally_cuda_training *e)
{
    size_t bytes = carve(e);

    e->reads = calloc(e->turns_max, sizeof *e->reads);
    e->sent = calloc(e->turns_max, sizeof *e->sent);
    e->sums = calloc(e->task.batch, sizeof *e->sums);
    e->lost_sums = calloc(e->task.batch, sizeof *e->lost_sums);
    if (e->reads == NULL || e->sent == NULL || e->sums == NULL || e->lost_sums == NULL)
        return false;
    e->memory = tally_cuda_alloc(d, bytes);
    if (e->memory == NULL) return false;
    (void)carve(e);
    put_params(d, e, e->w, e->task.base);
    if (e->base != NULL) put_params(d, e, e->base, e->task.base);
    return open_rows(d, e);
}

void tally_cuda_training_close(void *training)
{
    struct tally_cuda_training *e = training;

    if (e == NULL) return;
    TALLY_CUDA_ENTER(d);
    if (d->stream != NULL) (void)rt->stream_sync(d->stream);
    if (e->exec != NULL) (void)rt->exec_release(e->exec);
    tally_cuda_slabs_close(d, &e->slabs);
    tally_cuda_release(d, e->rows);
    tally_cuda_release(d, e->memory);
    free(e->reads);
    free(e->sent);
    free(e->sums);
    free(e->lost_sums);
    free(e);
}

void *tally_cuda_training_open(const struct tally_takeover *task)
{
    struct tally_cuda_training *e = calloc(1, sizeof *e);

    if (e == NULL) return NULL;
    TALLY_CUDA_ENTER(d);
    e->task = *task;
    e->turns_max = (task->rows + task->batch - 1) / task->batch;
    lay_out(e);
    if (open_memory(d, e) && tally_cuda_up(d)) return e;
    tally_cuda_training_close(e);
    return NULL;
}
