/* device.c - see device.h. */
#include "kernels/cuda/device.h"

#include <math.h>
#include <stdio.h>

static struct tally_cuda device;
static pthread_mutex_t lock;
static pthread_once_t lock_made = PTHREAD_ONCE_INIT;

static const struct tally_cuda_runtime *const rt = &tally_cuda_runtime;

static void make_lock(void)
{
    pthread_mutexattr_t recursive;

    (void)pthread_mutexattr_init(&recursive);
    (void)pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(&lock, &recursive);
    (void)pthread_mutexattr_destroy(&recursive);
}

static bool remember(struct tally_cuda *d, const char *name, const char *what)
{
    if (tally_cuda_up(d))
        (void)snprintf(d->failed, sizeof d->failed, "%s from %s", name != NULL ? name : "an error",
                       what);
    return false;
}

bool tally_cuda_ok(struct tally_cuda *d, int code, const char *what)
{
    return code == 0 ? tally_cuda_up(d) : remember(d, rt->name(code), what);
}

bool tally_cublas_ok(struct tally_cuda *d, int code, const char *what)
{
    return code == 0 ? tally_cuda_up(d) : remember(d, tally_cublas.name(code), what);
}

/* On a lost device these fail, which changes nothing. */
static void shut(struct tally_cuda *d)
{
    tally_cuda_forget_shapes();
    if (d->stream != NULL) (void)rt->stream_sync(d->stream);
    if (d->blas != NULL) (void)tally_cublas.release(d->blas);
    if (d->lt != NULL) (void)tally_cublaslt.release(d->lt);
    if (d->workspace != NULL) (void)rt->release(d->workspace);
    if (d->part != NULL) (void)rt->release(d->part);
    if (d->stage != NULL) (void)rt->host_release(d->stage);
    if (d->stream != NULL) (void)rt->stream_release(d->stream);
    (void)rt->clear();
    *d = (struct tally_cuda){0};
}

static bool find(struct tally_cuda *d)
{
    int n = 0;
    int major = 0;

    if (!tally_cuda_ok(d, rt->devices(&n), "looking for devices")) return false;
    if (n < 1) return tally_cuda_ok(d, TALLY_CUDA_NO_DEVICE, "looking for devices");
    if (!tally_cuda_ok(d, rt->attribute(&major, TALLY_CUDA_MAJOR, 0), "its attributes"))
        return false;
    if (major >= TALLY_CUDA_MAJOR_MIN) return true;
    return remember(d, "a compute capability below 8.0", "the device");
}

static bool start_blas(struct tally_cuda *d)
{
    const struct tally_cublas *blas = &tally_cublas;

    return tally_cublas_ok(d, blas->create(&d->blas), "cuBLAS") &&
           tally_cublas_ok(d, blas->stream(d->blas, d->stream), "cuBLAS") &&
           tally_cublas_ok(d, blas->workspace(d->blas, d->workspace, TALLY_CUDA_WORKSPACE),
                           "cuBLAS") &&
           tally_cublas_ok(d, tally_cublaslt.create(&d->lt), "cuBLASLt");
}

static void start(struct tally_cuda *d)
{
    d->open = find(d) && tally_cuda_ok(d, rt->wait_asleep(), "its settings") &&
              tally_cuda_ok(d, rt->stream_new(&d->stream), "its stream") &&
              tally_cuda_ok(d, rt->alloc(&d->workspace, TALLY_CUDA_WORKSPACE), "its workspace") &&
              tally_cuda_ok(d, rt->alloc(&d->part, TALLY_CUDA_STAGE), "its workspace") &&
              tally_cuda_ok(d, rt->host_alloc(&d->stage, TALLY_CUDA_STAGE), "pinned memory") &&
              start_blas(d);
}

struct tally_cuda *tally_cuda_enter(void)
{
    (void)pthread_once(&lock_made, make_lock);
    (void)pthread_mutex_lock(&lock);
    return &device;
}

void tally_cuda_leave(struct tally_cuda **d)
{
    (void)d;
    (void)pthread_mutex_unlock(&lock);
}

const char *tally_cuda_failed(void)
{
    TALLY_CUDA_ENTER(d);

    return tally_cuda_up(d) ? NULL : d->failed;
}

/* What failed is tried again only when nothing of it is left. */
static bool wake(struct tally_cuda *d)
{
    if (d->open && tally_cuda_up(d)) return true;
    if (d->live > 0) return false;
    shut(d);
    start(d);
    return d->open;
}

/* A memory that is full is the caller's to report and leaves the device as it is. */
void *tally_cuda_alloc(struct tally_cuda *d, size_t bytes)
{
    void *p = NULL;

    if (!wake(d)) return NULL;
    if (bytes == 0) bytes = 1;
    int code = rt->alloc(&p, bytes);
    if (code == TALLY_CUDA_NO_MEMORY) {
        (void)rt->clear();
        return NULL;
    }
    if (!tally_cuda_ok(d, code, "alloc")) return NULL;
    if (!tally_cuda_ok(d, rt->fill(p, 0, bytes, d->stream), "fill")) {
        (void)rt->release(p);
        return NULL;
    }
    d->live++;
    return p;
}

void tally_cuda_release(struct tally_cuda *d, void *p)
{
    if (p == NULL) return;
    int code = rt->release(p);
    if (tally_cuda_up(d)) (void)tally_cuda_ok(d, code, "release");
    d->live--;
}

bool tally_cuda_upload(struct tally_cuda *d, void *to, const void *from, size_t bytes)
{
    if (!tally_cuda_up(d)) return false;
    return bytes == 0 ||
           tally_cuda_ok(d, rt->copy(to, from, bytes, TALLY_CUDA_TO_DEVICE, d->stream), "copy");
}

bool tally_cuda_download(struct tally_cuda *d, void *to, const void *from, size_t bytes)
{
    if (!tally_cuda_up(d)) return false;
    if (bytes == 0) return true;
    return tally_cuda_ok(d, rt->copy(to, from, bytes, TALLY_CUDA_TO_HOST, d->stream), "copy") &&
           tally_cuda_ok(d, rt->stream_sync(d->stream), "waiting for the device");
}

void tally_cuda_get(struct tally_cuda *d, double *to, const float *from, size_t n)
{
    const float *stage = d->stage;
    const size_t most = TALLY_CUDA_STAGE / sizeof *stage;

    for (size_t at = 0; at < n; at += most) {
        size_t part = n - at < most ? n - at : most;
        bool got = tally_cuda_download(d, d->stage, from + at, part * sizeof *stage);
        for (size_t i = 0; i < part; i++) to[at + i] = got ? (double)stage[i] : (double)NAN;
    }
}

static const char *kernel_name(enum tally_kernel kernel)
{
    switch (kernel) {
    case TALLY_K_GATHER: return "gather";
    case TALLY_K_BIAS_RELU: return "bias_relu";
    case TALLY_K_COLUMNS: return "columns";
    case TALLY_K_COLUMNS_SUM: return "columns_sum";
    case TALLY_K_MASK: return "mask";
    case TALLY_K_BCE: return "bce";
    case TALLY_K_DROPOUT: return "dropout";
    case TALLY_K_SQUARES: return "squares";
    case TALLY_K_GHOST: return "ghost";
    case TALLY_K_CLIP: return "clip";
    case TALLY_K_SCALE_ROWS: return "scale_rows";
    case TALLY_K_SCALE: return "scale";
    case TALLY_K_SQUARE: return "square";
    case TALLY_K_ADD_UP: return "add_up";
    case TALLY_K_PROX: return "prox";
    case TALLY_K_STEP: return "step";
    case TALLY_K_MEAN: return "mean";
    }
    return "a kernel";
}

static void send(struct tally_cuda *d, struct tally_launch l)
{
    l.stream = d->stream;
    if (tally_cuda_up(d)) (void)tally_cuda_ok(d, rt->launch(&l), kernel_name(l.kernel));
}

void tally_cuda_launch(struct tally_cuda *d, enum tally_kernel kernel, const void *args,
                       size_t args_bytes, size_t threads)
{
    size_t grid = (threads + TALLY_CUDA_BLOCK - 1) / TALLY_CUDA_BLOCK;

    if (threads == 0) return;
    if (grid > TALLY_CUDA_GRID_MAX) grid = TALLY_CUDA_GRID_MAX;
    send(d, (struct tally_launch){.kernel = kernel,
                                  .grid = (unsigned)grid,
                                  .block = TALLY_CUDA_BLOCK,
                                  .args = args,
                                  .args_bytes = args_bytes});
}

void tally_cuda_launch_rows(struct tally_cuda *d, enum tally_kernel kernel, const void *args,
                            size_t args_bytes, size_t rows, size_t width)
{
    size_t block = (width + 31) / 32 * 32;

    if (rows == 0) return;
    if (block > TALLY_CUDA_BLOCK) block = TALLY_CUDA_BLOCK;
    send(d, (struct tally_launch){.kernel = kernel,
                                  .grid = (unsigned)rows,
                                  .block = (unsigned)block,
                                  .args = args,
                                  .args_bytes = args_bytes});
}
