/* cpu.c - the cpu backend: OpenBLAS for matrix products, lanes.h for the rest. */
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"
#include "kernels/lanes.h"

static const struct tally_lanes *lanes(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        return &tally_lanes_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &tally_lanes_avx2;
#endif
    return &tally_lanes_base;
}

static void *cpu_alloc(size_t n)
{
    return tally_backend_ref.alloc(n);
}

static void cpu_put(void *to, const float *from, size_t n)
{
    memcpy(to, from, n * sizeof *from);
}

static void cpu_get(double *to, const void *from, size_t n)
{
    tally_backend_ref.get(to, from, n);
}

enum { GATHER_AHEAD = 16 }; /* rows: about one memory latency */

static void cpu_gather(void *x, const float *table, const uint32_t *rows, size_t n, size_t width)
{
    for (size_t i = 0; i < n; i++) {
        const float *ahead = i + GATHER_AHEAD < n ? table + rows[i + GATHER_AHEAD] * width : table;
        for (size_t k = 0; k < width; k += 16) __builtin_prefetch(ahead + k);
        memcpy((float *)x + i * width, table + rows[i] * width, width * sizeof *table);
    }
}

static void cpu_dense(void *z, const void *x, const void *w, const void *bias, struct tally_dense s,
                      bool relu)
{
    int rows = (int)s.rows;
    int in = (int)s.in;
    int out = (int)s.out;

    if (out == 1)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, rows, in, 1, x, in, w, 1, 0, z, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, out, in, 1, x, in, w, in, 0, z,
                    out);
    lanes()->bias_relu(z, bias, s.rows, s.out, relu);
}

static void cpu_dense_dw(void *dw, void *dbias, const void *dz, const void *x, struct tally_dense s)
{
    int rows = (int)s.rows;
    int in = (int)s.in;
    int out = (int)s.out;

    if (out == 1)
        cblas_sgemv(CblasRowMajor, CblasTrans, rows, in, 1, x, in, dz, 1, 0, dw, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, rows, 1, dz, out, x, in, 0,
                    dw, in);
    lanes()->columns(dbias, dz, s.rows, s.out);
}

static void cpu_dense_dx(void *dx, const void *dz, const void *w, const void *x,
                         struct tally_dense s)
{
    if (s.out == 1) {
        lanes()->outer_mask(dx, dz, w, x, s);
        return;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)s.rows, (int)s.in, (int)s.out, 1,
                dz, (int)s.out, w, (int)s.in, 0, dx, (int)s.in);
    lanes()->mask(dx, x, s.rows * s.in);
}

static double cpu_bce(void *dz, const void *z, const struct tally_batch *b)
{
    return lanes()->bce(dz, z, b);
}

static void cpu_prox(void *g, const void *w, const void *base, double mu, size_t n)
{
    lanes()->prox(g, w, base, (float)mu, n);
}

static void cpu_step(struct tally_step_arrays a, const struct tally_step *s, size_t n)
{
    lanes()->step(a, s, n);
}

static bool cpu_mean(float *out, const struct tally_mean *in, size_t first, size_t n)
{
    return lanes()->mean(out, in, first, n);
}

const struct tally_backend tally_backend_cpu = {
    .name = "cpu",
    .real_bytes = sizeof(float),
    .alloc = cpu_alloc,
    .release = free,
    .put = cpu_put,
    .get = cpu_get,
    .gather = cpu_gather,
    .dense = cpu_dense,
    .dense_dw = cpu_dense_dw,
    .dense_dx = cpu_dense_dx,
    .bce = cpu_bce,
    .prox = cpu_prox,
    .step = cpu_step,
    .mean = cpu_mean,
};
