/* stream.c - the shim's CUDA runtime: streams, events, graphs, copies, failure. */
#include "tests/cudashim/stream.h"

#include <stdlib.h>
#include <string.h>

#include "common/status.h"
#include "kernels/cuda/api.h"
#include "kernels/cuda/kernels.h"
#include "tests/cudashim/memory.h"
#include "tests/cudashim/shim.h"

struct graph {
    struct shim_op *first, **end;
};

struct stream {
    struct shim_op *first, **end;
    uint64_t submitted, done;
    struct graph *recording;
    bool invalid; /* recording, and spoilt */
};

struct event {
    struct stream *stream; /* NULL: never recorded */
    uint64_t upto;         /* done when the stream has done so many */
};

static const struct tally_shim AT_FIRST = {
    .memory_bytes = TALLY_SHIM_MEMORY, .devices = 1, .major = 9};
struct tally_shim tally_shim = {.memory_bytes = TALLY_SHIM_MEMORY, .devices = 1, .major = 9};

static int fail_in = -1;
static enum tally_shim_failure fail_how;
static bool failed, lost;
static size_t live, waits, launches;
static struct stream *recorder; /* the one stream that records */

void tally_shim_reset(void)
{
    tally_shim = AT_FIRST;
    fail_in = -1;
    failed = lost = false;
    waits = launches = 0;
}

void tally_shim_fail(int n, enum tally_shim_failure how)
{
    fail_in = n;
    fail_how = how;
    failed = false;
}

bool tally_shim_failed(void)
{
    return failed;
}

size_t tally_shim_live(void)
{
    return live;
}

size_t tally_shim_waits(void)
{
    return waits;
}

size_t tally_shim_graph_launches(void)
{
    return launches;
}

void shim_made(void)
{
    live++;
}

void shim_gone(void)
{
    TALLY_ASSERT(live > 0);
    live--;
}

static int count(bool allocation)
{
    if (lost) return TALLY_CUDA_ECC;
    if (fail_in < 0 || (fail_how == TALLY_SHIM_NO_MEMORY && !allocation)) return 0;
    if (fail_in-- > 0) return 0;
    failed = true;
    if (fail_how == TALLY_SHIM_NO_MEMORY) return TALLY_CUDA_NO_MEMORY;
    lost = fail_how == TALLY_SHIM_DEVICE_LOST;
    return lost ? TALLY_CUDA_ECC : TALLY_CUDA_LAUNCH_FAILURE;
}

int shim_call(void)
{
    return count(false);
}

int shim_allocation(void)
{
    return count(true);
}

int shim_cleanup(void)
{
    return lost ? TALLY_CUDA_ECC : 0;
}

/* What may not happen while a stream records spoils the recording. */
static bool forbidden(void)
{
    if (recorder == NULL) return false;
    recorder->invalid = true;
    return true;
}

static void free_ops(struct shim_op *op)
{
    while (op != NULL) {
        struct shim_op *next = op->next;
        free(op->owned);
        free(op);
        op = next;
    }
}

static void run_until(struct stream *s, uint64_t upto)
{
    shim_unlock();
    while (s->first != NULL && s->done < upto) {
        struct shim_op *op = s->first;
        s->first = op->next;
        if (s->first == NULL) s->end = &s->first;
        if (!lost) op->run(op->args);
        s->done++;
        op->next = NULL;
        free_ops(op);
    }
    shim_lock();
}

static struct shim_op *new_op(void (*run)(void *), const void *args, size_t bytes, void *owned)
{
    struct shim_op *op = calloc(1, sizeof *op);

    TALLY_ASSERT(op != NULL && bytes <= sizeof op->args);
    op->run = run;
    op->bytes = bytes;
    op->owned = owned;
    memcpy(op->args, args, bytes);
    return op;
}

int shim_submit(void *stream, void (*run)(void *), const void *args, size_t bytes, void *owned)
{
    struct stream *s = stream;
    struct shim_op *op = new_op(run, args, bytes, owned);

    if (s->recording != NULL) {
        *s->recording->end = op;
        s->recording->end = &op->next;
        return 0;
    }
    *s->end = op;
    s->end = &op->next;
    s->submitted++;
    if (tally_shim.eager) run_until(s, s->submitted);
    return 0;
}

bool shim_recording(void *stream)
{
    return ((const struct stream *)stream)->recording != NULL;
}

static int devices(int *n)
{
    int code = shim_call();

    *n = tally_shim.devices;
    return code != 0 ? code : *n == 0 ? TALLY_CUDA_NO_DEVICE : 0;
}

static int attribute(int *value, int which, int device)
{
    TALLY_ASSERT(which == TALLY_CUDA_MAJOR && device == 0);
    *value = tally_shim.major;
    return shim_call();
}

static int wait_asleep(void)
{
    return shim_call();
}

static int room(size_t *available, size_t *total)
{
    *total = tally_shim.memory_bytes;
    *available = *total > shim_memory_used() ? *total - shim_memory_used() : 0;
    return shim_call();
}

static int alloc(void **device, size_t bytes)
{
    int code = shim_allocation();

    if (code == 0 && forbidden()) code = TALLY_CUDA_CAPTURE_UNSUPPORTED;
    if (code != 0) return code;
    *device = shim_memory_take(bytes);
    if (*device == NULL) return TALLY_CUDA_NO_MEMORY;
    shim_made();
    return 0;
}

static struct stream *streams[8];

static void drain_all(void)
{
    for (size_t i = 0; i < 8; i++)
        if (streams[i] != NULL) run_until(streams[i], streams[i]->submitted);
}

static int release(void *device)
{
    if (forbidden()) return TALLY_CUDA_CAPTURE_UNSUPPORTED;
    drain_all(); /* as the device does */
    TALLY_ASSERT(shim_memory_return(device));
    shim_gone();
    return shim_cleanup();
}

static int host_alloc(void **host, size_t bytes)
{
    int code = shim_allocation();

    if (code != 0) return code;
    *host = shim_pinned_take(bytes);
    if (*host == NULL) return TALLY_CUDA_NO_MEMORY;
    shim_made();
    return 0;
}

static int host_release(void *host)
{
    drain_all();
    shim_pinned_return(host);
    shim_gone();
    return shim_cleanup();
}

struct copying {
    void *to;
    const void *from;
    size_t bytes;
};

static void run_copy(void *args)
{
    const struct copying *c = args;

    memcpy(c->to, c->from, c->bytes);
}

static int copy_down(void *stream, const struct copying *c)
{
    TALLY_ASSERT(shim_memory_holds(c->from, c->bytes));
    int code = shim_submit(stream, run_copy, c, sizeof *c, NULL);
    if (shim_pinned_holds(c->to, c->bytes)) return code;
    struct stream *s = stream;
    waits++;
    run_until(s, s->submitted);
    return code;
}

static int copy(void *to, const void *from, size_t bytes, int kind, void *stream)
{
    struct copying c = {to, from, bytes};
    void *staged = NULL;
    int code = shim_call();

    if (code != 0) return code;
    if (kind == TALLY_CUDA_TO_HOST) return copy_down(stream, &c);
    TALLY_ASSERT(kind == TALLY_CUDA_TO_DEVICE && shim_memory_holds(to, bytes));
    if (!shim_pinned_holds(from, bytes)) {
        if (shim_recording(stream) && forbidden()) return TALLY_CUDA_CAPTURE_UNSUPPORTED;
        staged = malloc(bytes + 1);
        TALLY_ASSERT(staged != NULL);
        memcpy(staged, from, bytes);
        c.from = staged;
    }
    return shim_submit(stream, run_copy, &c, sizeof c, staged);
}

struct filling {
    void *to;
    int byte;
    size_t bytes;
};

static void run_fill(void *args)
{
    const struct filling *f = args;

    memset(f->to, f->byte, f->bytes);
}

static int fill(void *to, int byte, size_t bytes, void *stream)
{
    const struct filling f = {to, byte, bytes};
    int code = shim_call();

    TALLY_ASSERT(shim_memory_holds(to, bytes));
    return code != 0 ? code : shim_submit(stream, run_fill, &f, sizeof f, NULL);
}

static int stream_new(void **stream)
{
    int code = shim_call();
    struct stream *s = code == 0 ? calloc(1, sizeof *s) : NULL;

    if (code != 0) return code;
    TALLY_ASSERT(s != NULL);
    s->end = &s->first;
    for (size_t i = 0; i < 8; i++) {
        if (streams[i] != NULL) continue;
        streams[i] = s;
        break;
    }
    *stream = s;
    shim_made();
    return 0;
}

static int stream_release(void *stream)
{
    struct stream *s = stream;

    run_until(s, s->submitted);
    for (size_t i = 0; i < 8; i++)
        if (streams[i] == s) streams[i] = NULL;
    free(s);
    shim_gone();
    return shim_cleanup();
}

static int stream_sync(void *stream)
{
    struct stream *s = stream;
    int code = shim_call();

    if (code == 0 && forbidden()) code = TALLY_CUDA_CAPTURE_UNSUPPORTED;
    if (code != 0) return code;
    waits++;
    run_until(s, s->submitted);
    return 0;
}

static int event_new(void **event)
{
    int code = shim_call();

    if (code != 0) return code;
    *event = calloc(1, sizeof(struct event));
    TALLY_ASSERT(*event != NULL);
    shim_made();
    return 0;
}

static int event_release(void *event)
{
    drain_all();
    free(event);
    shim_gone();
    return shim_cleanup();
}

static int event_record(void *event, void *stream)
{
    struct event *e = event;
    struct stream *s = stream;
    int code = shim_call();

    TALLY_ASSERT(s->recording == NULL);
    if (code != 0) return code;
    *e = (struct event){.stream = s, .upto = s->submitted};
    return 0;
}

static void run_wait(void *args)
{
    const struct event *e = args;

    run_until(e->stream, e->upto);
}

static int stream_wait(void *stream, void *event)
{
    const struct event *e = event;
    int code = shim_call();

    TALLY_ASSERT(!shim_recording(stream));
    if (code != 0 || e->stream == NULL) return code;
    return shim_submit(stream, run_wait, e, sizeof *e, NULL);
}

static int event_sync(void *event)
{
    const struct event *e = event;
    int code = shim_call();

    if (code != 0) return code;
    waits++;
    if (e->stream != NULL) run_until(e->stream, e->upto);
    return 0;
}

static int capture_begin(void *stream)
{
    struct stream *s = stream;
    int code = shim_call();

    TALLY_ASSERT(s->recording == NULL && recorder == NULL);
    if (code != 0) return code;
    s->recording = calloc(1, sizeof *s->recording);
    TALLY_ASSERT(s->recording != NULL);
    s->recording->end = &s->recording->first;
    recorder = s;
    return 0;
}

static int graph_release(void *graph)
{
    struct graph *g = graph;

    free_ops(g->first);
    free(g);
    shim_gone();
    return shim_cleanup();
}

static int capture_end(void *stream, void **graph)
{
    struct stream *s = stream;
    int code = shim_call();
    struct graph *g = s->recording;

    TALLY_ASSERT(g != NULL);
    if (code == 0 && s->invalid) code = TALLY_CUDA_CAPTURE_INVALIDATED;
    s->recording = NULL;
    s->invalid = false;
    recorder = NULL;
    shim_made();
    if (code != 0)
        (void)graph_release(g);
    else
        *graph = g;
    return code;
}

static int exec_new(void **exec, void *graph)
{
    const struct graph *from = graph;
    int code = shim_call();

    if (code != 0) return code;
    struct graph *g = calloc(1, sizeof *g);
    TALLY_ASSERT(g != NULL);
    g->end = &g->first;
    for (const struct shim_op *op = from->first; op != NULL; op = op->next) {
        TALLY_ASSERT(op->owned == NULL);
        *g->end = new_op(op->run, op->args, op->bytes, NULL);
        g->end = &(*g->end)->next;
    }
    *exec = g;
    shim_made();
    return 0;
}

static int exec_launch(void *exec, void *stream)
{
    const struct graph *g = exec;
    int code = shim_call();

    TALLY_ASSERT(!shim_recording(stream));
    if (code != 0) return code;
    launches++;
    for (const struct shim_op *op = g->first; op != NULL; op = op->next)
        (void)shim_submit(stream, op->run, op->args, op->bytes, NULL);
    return 0;
}

static int clear(void)
{
    return shim_cleanup();
}

static int launch(const struct tally_launch *l)
{
    unsigned char args[SHIM_ARGS_MAX];
    int code = shim_call();

    if (code != 0) return code;
    TALLY_ASSERT(l->grid > 0 && l->block > 0 && l->block <= 1024);
    TALLY_ASSERT(sizeof *l + l->args_bytes <= sizeof args);
    memcpy(args, l, sizeof *l);
    memcpy(args + sizeof *l, l->args, l->args_bytes);
    return shim_submit(l->stream, shim_run_kernel, args, sizeof *l + l->args_bytes, NULL);
}

static const char *name(int code)
{
    switch (code) {
    case TALLY_CUDA_NO_MEMORY: return "cudaErrorMemoryAllocation";
    case TALLY_CUDA_NO_DEVICE: return "cudaErrorNoDevice";
    case TALLY_CUDA_ECC: return "cudaErrorECCUncorrectable";
    case TALLY_CUDA_LAUNCH_FAILURE: return "cudaErrorLaunchFailure";
    case TALLY_CUDA_CAPTURE_UNSUPPORTED: return "cudaErrorStreamCaptureUnsupported";
    case TALLY_CUDA_CAPTURE_INVALIDATED: return "cudaErrorStreamCaptureInvalidated";
    default: return "unrecognized error code";
    }
}

const struct tally_cuda_runtime tally_cuda_runtime = {
    .devices = devices,
    .attribute = attribute,
    .wait_asleep = wait_asleep,
    .room = room,
    .alloc = alloc,
    .release = release,
    .host_alloc = host_alloc,
    .host_release = host_release,
    .copy = copy,
    .fill = fill,
    .stream_new = stream_new,
    .stream_release = stream_release,
    .stream_sync = stream_sync,
    .stream_wait = stream_wait,
    .event_new = event_new,
    .event_release = event_release,
    .event_record = event_record,
    .event_sync = event_sync,
    .capture_begin = capture_begin,
    .capture_end = capture_end,
    .graph_release = graph_release,
    .exec_new = exec_new,
    .exec_launch = exec_launch,
    .exec_release = graph_release,
    .clear = clear,
    .launch = launch,
    .name = name,
};
