/* slabs.c - see slabs.h. */
#include "kernels/cuda/slabs.h"

#include <string.h>

static const struct tally_cuda_runtime *const rt = &tally_cuda_runtime;

static size_t row_floats(const struct tally_takeover *t)
{
    return t->width + 1 + (t->weight != NULL);
}

/* `used` begins with the zeroing of new memory, which is on the computing stream, too. */
static bool open_events(struct tally_cuda *d, struct tally_cuda_slabs *s)
{
    for (int i = 0; i < 2; i++)
        if (!tally_cuda_ok(d, rt->event_new(&s->filled[i]), "an event") ||
            !tally_cuda_ok(d, rt->event_new(&s->used[i]), "an event") ||
            !tally_cuda_ok(d, rt->event_record(s->used[i], d->stream), "an event"))
            return false;
    return tally_cuda_ok(d, rt->stream_new(&s->copies), "the copying stream");
}

bool tally_cuda_slabs_open(struct tally_cuda *d, struct tally_cuda_slabs *s,
                           const struct tally_takeover *task, size_t bytes)
{
    size_t row = row_floats(task) * sizeof(float);
    size_t rows = bytes / row < task->rows ? bytes / row : task->rows;

    s->task = task;
    if (rows < task->batch) return false;
    s->rows = rows;
    for (int i = 0; i < 2; i++) {
        void *host = NULL;
        s->device[i] = tally_cuda_alloc(d, rows * row);
        if (s->device[i] == NULL) return false;
        int code = rt->host_alloc(&host, rows * row);
        s->host[i] = host;
        if (code == TALLY_CUDA_NO_MEMORY) (void)rt->clear();
        if (code == TALLY_CUDA_NO_MEMORY || !tally_cuda_ok(d, code, "pinned memory")) return false;
    }
    return open_events(d, s);
}

void tally_cuda_slabs_close(struct tally_cuda *d, struct tally_cuda_slabs *s)
{
    if (s->copies != NULL) (void)rt->stream_sync(s->copies);
    for (int i = 0; i < 2; i++) {
        tally_cuda_release(d, s->device[i]);
        if (s->host[i] != NULL) (void)rt->host_release(s->host[i]);
        if (s->filled[i] != NULL) (void)rt->event_release(s->filled[i]);
        if (s->used[i] != NULL) (void)rt->event_release(s->used[i]);
    }
    if (s->copies != NULL) (void)rt->stream_release(s->copies);
    *s = (struct tally_cuda_slabs){0};
}

struct tally_k_source tally_cuda_slabs_source(const struct tally_cuda_slabs *s, int i)
{
    const float *y = s->device[i] + s->rows * s->task->width;

    return (struct tally_k_source){
        .x = s->device[i], .y = y, .weight = s->task->weight != NULL ? y + s->rows : NULL};
}

void tally_cuda_slabs_plan(const struct tally_cuda_slabs *s, struct tally_cuda_read *reads,
                           struct tally_k_turn *sent, size_t n)
{
    uint32_t slab = 0;
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        if (used + reads[i].rows > s->rows) {
            slab++;
            used = 0;
        }
        reads[i].slab = slab;
        sent[i].source = slab % 2;
        sent[i].first = (uint32_t)used;
        used += reads[i].rows;
    }
}

/* The rows of the slab that begins with turn i, side by side in its pinned buffer. */
static size_t collect(const struct tally_cuda_slabs *s, const struct tally_cuda_read *reads,
                      size_t n, size_t i, const uint32_t *order)
{
    const struct tally_takeover *t = s->task;
    float *x = s->host[reads[i].slab % 2];
    float *y = x + s->rows * t->width;
    float *weight = y + s->rows;
    size_t used = 0;

    for (size_t k = i; k < n && reads[k].slab == reads[i].slab; k++) {
        for (size_t r = 0; r < reads[k].rows; r++, used++) {
            size_t row = order[reads[k].first + r];
            memcpy(x + used * t->width, t->x + row * t->width, t->width * sizeof *x);
            y[used] = t->y[row];
            if (t->weight != NULL) weight[used] = t->weight[row];
        }
    }
    return used;
}

static bool copy_part(struct tally_cuda *d, const struct tally_cuda_slabs *s, uint32_t buffer,
                      size_t from, size_t floats)
{
    return tally_cuda_ok(d,
                         rt->copy(s->device[buffer] + from, s->host[buffer] + from,
                                  floats * sizeof(float), TALLY_CUDA_TO_DEVICE, s->copies),
                         "copy");
}

static void send(struct tally_cuda *d, struct tally_cuda_slabs *s,
                 const struct tally_cuda_read *reads, size_t n, size_t i, const uint32_t *order)
{
    uint32_t buffer = reads[i].slab % 2;
    size_t width = s->task->width;

    if (!tally_cuda_up(d) ||
        !tally_cuda_ok(d, rt->event_sync(s->filled[buffer]), "waiting for a copy"))
        return;
    size_t rows = collect(s, reads, n, i, order);
    bool sent = tally_cuda_ok(d, rt->stream_wait(s->copies, s->used[buffer]), "an event") &&
                copy_part(d, s, buffer, 0, rows * width) &&
                copy_part(d, s, buffer, s->rows * width, rows);
    if (sent && s->task->weight != NULL)
        sent = copy_part(d, s, buffer, s->rows * (width + 1), rows);
    if (sent) (void)tally_cuda_ok(d, rt->event_record(s->filled[buffer], s->copies), "an event");
}

void tally_cuda_slabs_before(struct tally_cuda *d, struct tally_cuda_slabs *s,
                             const struct tally_cuda_read *reads, size_t n, size_t i,
                             const uint32_t *order)
{
    if (i > 0 && reads[i - 1].slab == reads[i].slab) return;
    if (i == 0) send(d, s, reads, n, 0, order);
    if (tally_cuda_up(d))
        (void)tally_cuda_ok(d, rt->stream_wait(d->stream, s->filled[reads[i].slab % 2]),
                            "an event");
}

void tally_cuda_slabs_after(struct tally_cuda *d, struct tally_cuda_slabs *s,
                            const struct tally_cuda_read *reads, size_t n, size_t i,
                            const uint32_t *order)
{
    bool last = i + 1 == n;

    if (!tally_cuda_up(d) || (!last && reads[i + 1].slab == reads[i].slab)) return;
    if (!tally_cuda_ok(d, rt->event_record(s->used[reads[i].slab % 2], d->stream), "an event"))
        return;
    if (!last) send(d, s, reads, n, i + 1, order);
}
