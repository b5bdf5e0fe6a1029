/* epochs.c - training on the device (backend.h, tally_epochs).
 *
 * Every number that changes from step to step is on the device before the epoch starts: the order
 * of the rows, and per turn its place, scale and optimiser constants. Two counters there say which
 * turn it is (kernels.h, tally_k_now). So all turns of a full batch are the same calls with the
 * same arguments: the first one runs as calls, which lets the libraries set themselves up, the
 * second is recorded as a graph, and from then on a turn is one launch of it. */
#include <math.h>

#include "kernels/cuda/epochs.h"

static const struct tally_cuda_runtime *const rt = &tally_cuda_runtime;

struct tally_k_turn tally_cuda_turn(const struct tally_turn *t)
{
    return (struct tally_k_turn){.first = t->first,
                                 .rows = t->rows,
                                 .kind = (uint32_t)t->step.kind,
                                 .number = t->number,
                                 .scale = t->scale,
                                 .rate = (float)t->step.rate,
                                 .momentum = (float)t->step.momentum,
                                 .keep1 = (float)t->step.beta1,
                                 .keep2 = (float)t->step.beta2,
                                 .add1 = (float)(1 - t->step.beta1),
                                 .add2 = (float)(1 - t->step.beta2),
                                 .root_v = (float)t->step.root_v,
                                 .epsilon = (float)t->step.epsilon,
                                 .keep_w = t->step.kind == TALLY_ADAMW ? (float)(1 - t->step.decay)
                                                                       : 1.0F};
}

static void epochs_begin(void *epochs, const uint32_t *order, const struct tally_turn *turns,
                         size_t n)
{
    struct tally_cuda_training *e = epochs;
    TALLY_CUDA_ENTER(d);

    e->host_order = order;
    e->n = n <= e->turns_max ? n : e->turns_max;
    for (size_t i = 0; i < e->n; i++) {
        e->reads[i] = (struct tally_cuda_read){.first = turns[i].first, .rows = turns[i].rows};
        e->sent[i] = tally_cuda_turn(&turns[i]);
    }
    if (e->slabs.rows > 0) tally_cuda_slabs_plan(&e->slabs, e->reads, e->sent, e->n);
    if (e->order != NULL) (void)tally_cuda_upload(d, e->order, order, e->task.rows * sizeof *order);
    (void)tally_cuda_upload(d, e->turns, e->sent, e->n * sizeof *e->sent);
    if (!tally_cuda_up(d)) return;
    (void)tally_cuda_ok(d, rt->fill(e->at, 0, 2 * sizeof *e->at, d->stream), "fill");
    (void)tally_cuda_ok(d, rt->fill(e->loss, 0, e->task.batch * sizeof *e->loss, d->stream),
                        "fill");
    if (e->lost != NULL)
        (void)tally_cuda_ok(d, rt->fill(e->lost, 0, e->task.batch * sizeof *e->lost, d->stream),
                            "fill");
}

/* Whatever happens in between, the stream leaves its recording. */
static void record(struct tally_cuda *d, struct tally_cuda_training *e)
{
    void *graph = NULL;

    if (!tally_cuda_ok(d, rt->capture_begin(d->stream), "recording a step")) return;
    tally_cuda_training_step(d, e, e->task.batch);
    int code = rt->capture_end(d->stream, &graph);
    if (tally_cuda_ok(d, code, "recording a step"))
        (void)tally_cuda_ok(d, rt->exec_new(&e->exec, graph), "recording a step");
    if (graph != NULL) (void)rt->graph_release(graph);
}

static void full_turn(struct tally_cuda *d, struct tally_cuda_training *e)
{
    if (e->full_turns++ == 0) {
        tally_cuda_training_step(d, e, e->task.batch);
        return;
    }
    if (e->exec == NULL) record(d, e);
    if (tally_cuda_up(d))
        (void)tally_cuda_ok(d, rt->exec_launch(e->exec, d->stream), "a recorded step");
}

static void epochs_turn(void *epochs, size_t i)
{
    struct tally_cuda_training *e = epochs;
    TALLY_CUDA_ENTER(d);

    if (i >= e->n || !tally_cuda_up(d)) return;
    bool streamed = e->slabs.rows > 0;
    if (streamed) tally_cuda_slabs_before(d, &e->slabs, e->reads, e->n, i, e->host_order);
    if (!tally_cuda_up(d)) return;
    if (e->reads[i].rows == e->task.batch)
        full_turn(d, e);
    else
        tally_cuda_training_step(d, e, e->reads[i].rows);
    if (streamed) tally_cuda_slabs_after(d, &e->slabs, e->reads, e->n, i, e->host_order);
}

static void epochs_end(void *epochs, struct tally_epoch *out)
{
    struct tally_cuda_training *e = epochs;
    size_t batch = e->task.batch;
    TALLY_CUDA_ENTER(d);

    *out = (struct tally_epoch){.loss = (double)NAN};
    if (!tally_cuda_download(d, e->sums, e->loss, batch * sizeof *e->sums)) return;
    if (e->lost != NULL && !tally_cuda_download(d, e->lost_sums, e->lost, batch * sizeof *e->lost))
        return;
    out->loss = 0;
    for (size_t i = 0; i < batch; i++) {
        out->loss += e->sums[i];
        out->lost += e->lost_sums[i];
    }
}

/* The overlap of [first, first + n) with a run of parameters. */
static void get_run(struct tally_cuda *d, double *to, size_t first, size_t n, const float *run,
                    size_t run_first, size_t run_n)
{
    size_t from = first > run_first ? first : run_first;
    size_t end = first + n < run_first + run_n ? first + n : run_first + run_n;

    if (from < end) tally_cuda_get(d, to + (from - first), run + (from - run_first), end - from);
}

static void epochs_get(void *epochs, double *to, size_t first, size_t n)
{
    const struct tally_cuda_training *e = epochs;
    TALLY_CUDA_ENTER(d);

    for (uint32_t i = 0; i < e->task.layer_count; i++) {
        const struct tally_layer *l = &e->layer[i];
        const struct tally_layer *flat = &e->task.layers[i];
        get_run(d, to, first, n, e->w + l->w, flat->w, l->in * l->out);
        get_run(d, to, first, n, e->w + l->b, flat->b, l->out);
    }
}

const struct tally_epochs tally_cuda_epochs = {
    .open = tally_cuda_training_open,
    .close = tally_cuda_training_close,
    .begin = epochs_begin,
    .turn = epochs_turn,
    .end = epochs_end,
    .get = epochs_get,
};
