/* table.c - the table of operations; see backend.h. Training uses `epochs`; these one by one serve
 * scoring and tests, so what comes from host memory goes up with the call. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/device.h"

static void *table_alloc(size_t n)
{
    TALLY_CUDA_ENTER(d);

    return tally_cuda_alloc(d, n * sizeof(float));
}

static void table_release(void *reals)
{
    TALLY_CUDA_ENTER(d);

    tally_cuda_release(d, reals);
}

static void table_put(void *to, const float *from, size_t n)
{
    TALLY_CUDA_ENTER(d);

    (void)tally_cuda_upload(d, to, from, n * sizeof *from);
}

static void table_get(double *to, const void *from, size_t n)
{
    TALLY_CUDA_ENTER(d);

    tally_cuda_get(d, to, from, n);
}

/* Rows side by side in pinned memory, as many as fit, then up; the wait keeps the next ones from
 * going in before these are out. */
static void table_gather(void *x, const float *table, const uint32_t *rows, size_t n, size_t width)
{
    TALLY_CUDA_ENTER(d);
    const size_t most = TALLY_CUDA_STAGE / sizeof *table / width;
    float *stage = d->stage;

    for (size_t at = 0; at < n && tally_cuda_up(d);) {
        size_t part = n - at < most ? n - at : most;
        if (most == 0) { /* a row longer than the stage */
            (void)tally_cuda_upload(d, (float *)x + at * width, table + rows[at] * width,
                                    width * sizeof *table);
            at++;
            continue;
        }
        for (size_t i = 0; i < part; i++)
            memcpy(stage + i * width, table + rows[at + i] * width, width * sizeof *table);
        (void)tally_cuda_upload(d, (float *)x + at * width, stage, part * width * sizeof *table);
        if (tally_cuda_up(d))
            (void)tally_cuda_ok(d, tally_cuda_runtime.stream_sync(d->stream), "waiting");
        at += part;
    }
}

static void table_dense(void *z, const void *x, struct tally_weights w, struct tally_dense s,
                        bool relu)
{
    TALLY_CUDA_ENTER(d);
    const struct tally_cuda_layer l = {.x = x, .w = w.w, .bias = w.bias, .s = s};

    if (s.rows > 0) tally_cuda_dense(d, z, &l, relu);
}

static void table_dense_dw(void *dw, void *dbias, const void *dz, const void *x,
                           struct tally_dense s, bool add)
{
    TALLY_CUDA_ENTER(d);
    const struct tally_cuda_runtime *rt = &tally_cuda_runtime;
    const struct tally_cuda_layer l = {.x = x, .s = s};

    if (s.rows > 0) {
        tally_cuda_dense_dw(d, dw, dbias, dz, &l, add);
    } else if (!add && tally_cuda_up(d)) { /* sums of nothing */
        (void)tally_cuda_ok(d, rt->fill(dw, 0, s.in * s.out * sizeof(float), d->stream), "fill");
        (void)tally_cuda_ok(d, rt->fill(dbias, 0, s.out * sizeof(float), d->stream), "fill");
    }
}

static void table_dense_dx(void *dx, const void *dz, const void *w, const void *x,
                           struct tally_dense s)
{
    TALLY_CUDA_ENTER(d);
    const struct tally_cuda_layer l = {.x = x, .w = w, .s = s};

    if (s.rows > 0) tally_cuda_dense_dx(d, dx, dz, &l, 1);
}

/* Memory for one operation, which has no other way to say that there is none. */
static void *scratch(struct tally_cuda *d, size_t bytes)
{
    void *p = tally_cuda_alloc(d, bytes);

    if (p == NULL) (void)tally_cuda_ok(d, TALLY_CUDA_NO_MEMORY, "memory for an operation");
    return p;
}

/* cost (rows), then loss (rows), then y (rows), in host memory as on the device. */
static double *costs(const struct tally_batch *b)
{
    double *cost = calloc(b->rows, 2 * sizeof *cost + sizeof(float));

    if (cost == NULL) return NULL;
    for (size_t r = 0; r < b->rows; r++) {
        cost[r] = b->weight != NULL ? (double)b->weight[r] : 1.0;
        if (b->y[r] > 0.5F) cost[r] *= b->positive;
    }
    memcpy(cost + 2 * b->rows, b->y, b->rows * sizeof(float));
    return cost;
}

static double bce_on(struct tally_cuda *d, void *dz, const void *z, const struct tally_batch *b,
                     double *host)
{
    size_t bytes = b->rows * (2 * sizeof *host + sizeof(float));
    double *at = scratch(d, bytes);
    double loss = 0;

    if (at == NULL) return (double)NAN;
    struct tally_k_bce a = {.z = z,
                            .y = (float *)(at + 2 * b->rows),
                            .cost = at,
                            .dz = dz,
                            .loss = at + b->rows,
                            .focal = (float)b->focal,
                            .scaled = true};
    a.now.one.rows = (uint32_t)b->rows;
    a.now.one.scale = b->scale;
    (void)tally_cuda_upload(d, at, host, bytes);
    tally_cuda_launch(d, TALLY_K_BCE, &a, sizeof a, b->rows);
    if (!tally_cuda_download(d, host, at + b->rows, b->rows * sizeof *host)) loss = (double)NAN;
    for (size_t r = 0; r < b->rows; r++) loss += host[r];
    tally_cuda_release(d, at);
    return loss * b->scale;
}

static double table_bce(void *dz, const void *z, const struct tally_batch *b)
{
    TALLY_CUDA_ENTER(d);

    if (b->rows == 0) return 0;
    double *host = costs(b);
    double loss = host != NULL ? bce_on(d, dz, z, b, host) : (double)NAN;
    free(host);
    return loss;
}

static void table_dropout(void *x, const struct tally_dropout *o, size_t first,
                          struct tally_dense s)
{
    TALLY_CUDA_ENTER(d);
    struct tally_k_dropout where = {.first = first};

    where.now.one.number = o->step;
    tally_cuda_dropout(d, x, o, &where, s);
}

static void table_ghost_rows(double *square, const void *dz, const void *x, struct tally_dense s)
{
    TALLY_CUDA_ENTER(d);
    const struct tally_cuda_layer l = {.x = x, .s = s};
    size_t bytes = s.rows * sizeof *square;

    if (s.rows == 0) return;
    double *on = scratch(d, bytes + 2 * s.rows * TALLY_K_LANES * sizeof(float));
    if (on == NULL) return;
    (void)tally_cuda_upload(d, on, square, bytes);
    tally_cuda_ghost(d, on, dz, &l, (float *)(on + s.rows));
    (void)tally_cuda_download(d, square, on, bytes);
    tally_cuda_release(d, on);
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static double group(const double *dz, const double *x, struct tally_dense s, size_t row)
{
    double sum = 0;

    for (size_t t = 0; t < s.rows; t++)
        for (size_t u = 0; u < s.rows; u++)
            sum += dot(dz + t * row, dz + u * row, s.out) *
                   (dot(x + t * s.in, x + u * s.in, s.in) + 1);
    return sum;
}

/* For a few hundred rows at most, and no training's: worked out on the host. */
static double table_ghost_group(const void *dz, const void *x, struct tally_dense s)
{
    TALLY_CUDA_ENTER(d);
    size_t row = s.out_row != 0 ? s.out_row : s.out;
    size_t n = s.rows > 0 ? (s.rows - 1) * row + s.out : 0;
    double *host = calloc(n + s.rows * s.in + 1, sizeof *host);
    double sum = (double)NAN;

    if (host != NULL) {
        tally_cuda_get(d, host, dz, n);
        tally_cuda_get(d, host + n, x, s.rows * s.in);
        sum = group(host, host + n, s, row);
    }
    free(host);
    return sum;
}

static void table_scale_rows(void *dz, const double *factor, struct tally_dense s)
{
    TALLY_CUDA_ENTER(d);
    double *on = s.rows > 0 ? scratch(d, s.rows * sizeof *on) : NULL;

    if (on == NULL) return;
    (void)tally_cuda_upload(d, on, factor, s.rows * sizeof *on);
    tally_cuda_scale_rows(d, dz, on, s);
    tally_cuda_release(d, on);
}

static double table_square(const void *g, size_t n)
{
    TALLY_CUDA_ENTER(d);
    double *on = scratch(d, (1 + TALLY_CUDA_PARTS + TALLY_CUDA_PARTS_EACH) * sizeof *on);
    double sum = (double)NAN;

    if (on == NULL) return sum;
    tally_cuda_square(d, on, g, n, on + 1);
    if (!tally_cuda_download(d, &sum, on, sizeof sum)) sum = (double)NAN;
    tally_cuda_release(d, on);
    return sum;
}

static void table_scale(void *g, double factor, size_t n)
{
    TALLY_CUDA_ENTER(d);
    struct tally_k_scale a = {.g = g, .factor = (float)factor, .n = n};

    tally_cuda_launch(d, TALLY_K_SCALE, &a, sizeof a, n);
}

static void table_prox(void *g, const void *w, const void *base, double mu, size_t n)
{
    TALLY_CUDA_ENTER(d);
    struct tally_k_prox a = {.g = g, .w = w, .base = base, .mu = (float)mu, .n = n};

    tally_cuda_launch(d, TALLY_K_PROX, &a, sizeof a, n);
}

static void table_step(struct tally_step_arrays arrays, const struct tally_step *s, size_t n)
{
    TALLY_CUDA_ENTER(d);
    struct tally_k_step a = {.w = arrays.w, .m = arrays.m, .v = arrays.v, .g = arrays.g, .n = n};

    a.now.one = tally_cuda_turn(&(struct tally_turn){.step = *s});
    tally_cuda_launch(d, TALLY_K_STEP, &a, sizeof a, n);
}

const struct tally_backend tally_backend_cuda = {
    .name = "cuda",
    .real_bytes = sizeof(float),
    .failed = tally_cuda_failed,
    .epochs = &tally_cuda_epochs,
    .alloc = table_alloc,
    .release = table_release,
    .put = table_put,
    .get = table_get,
    .gather = table_gather,
    .dense = table_dense,
    .dense_dw = table_dense_dw,
    .dense_dx = table_dense_dx,
    .bce = table_bce,
    .dropout = table_dropout,
    .ghost_rows = table_ghost_rows,
    .ghost_group = table_ghost_group,
    .scale_rows = table_scale_rows,
    .square = table_square,
    .scale = table_scale,
    .prox = table_prox,
    .step = table_step,
    .mean = tally_cuda_mean,
};
