/* cpu.c - the cpu backend: gemm.h and lanes.h for the processor that is there. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/backend.h"
#include "kernels/lanes.h"

const struct tally_lanes *tally_lanes_here(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        return &tally_lanes_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &tally_lanes_avx2;
#endif
    return &tally_lanes_base;
}

enum { HUGE = 1 << 21, HUGE_FROM = HUGE / 2 };

/* Large arrays are aligned and marked for huge pages: first use and address translation of small
 * ones cost more than the arithmetic on them. */
static void *cpu_alloc(size_t n)
{
    size_t bytes = n * sizeof(float);

    if (bytes < HUGE_FROM) return tally_backend_ref.alloc(n);
    bytes = (bytes + HUGE - 1) / HUGE * HUGE;
    void *p = aligned_alloc(HUGE, bytes);
    if (p == NULL) return NULL;
    (void)madvise(p, bytes, MADV_HUGEPAGE); /* without them it is only slower */
    return memset(p, 0, bytes);
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

static size_t out_row(struct tally_dense s)
{
    return s.out_row != 0 ? s.out_row : s.out;
}

static void cpu_dense(void *z, const void *x, struct tally_weights w, struct tally_dense s,
                      bool relu)
{
    if (s.out == 1 && out_row(s) == 1 && !relu) {
        const struct tally_grid rows = {.rows = s.rows, .columns = s.in, .row = s.in};
        tally_lanes_here()->dots(z, x, w.w, *(const float *)w.bias, rows);
        return;
    }
    tally_lanes_here()->gemm(&(struct tally_gemm){.c = z,
                                                  .a = x,
                                                  .b = s.out == 1 ? w.w : w.w_t,
                                                  .m = s.rows,
                                                  .n = s.out,
                                                  .k = s.in,
                                                  .c_row = out_row(s),
                                                  .a_row = s.in,
                                                  .a_k = 1,
                                                  .b_k = out_row(s),
                                                  .bias = w.bias,
                                                  .relu = relu});
}

static void cpu_transpose(void *w_t, const void *w, struct tally_dense s)
{
    const struct tally_grid units = {.rows = s.out, .columns = s.in, .row = s.in};

    tally_lanes_here()->transpose(w_t, out_row(s), w, units);
}

static void cpu_dense_dw(void *dw, void *dbias, const void *dz, const void *x, struct tally_dense s,
                         bool add)
{
    const struct tally_grid rows = {.rows = s.rows, .columns = s.out, .row = out_row(s)};

    tally_lanes_here()->gemm(&(struct tally_gemm){.c = dw,
                                                  .a = dz,
                                                  .b = x,
                                                  .m = s.out,
                                                  .n = s.in,
                                                  .k = s.rows,
                                                  .c_row = s.in,
                                                  .a_row = 1,
                                                  .a_k = out_row(s),
                                                  .b_k = s.in,
                                                  .accumulate = add});
    tally_lanes_here()->columns(dbias, dz, rows, add);
}

static void cpu_dense_dx(void *dx, const void *dz, const void *w, const void *x,
                         struct tally_dense s)
{
    if (s.out == 1 && out_row(s) == 1) {
        tally_lanes_here()->outer_mask(dx, dz, w, x, s);
        return;
    }
    tally_lanes_here()->gemm(&(struct tally_gemm){.c = dx,
                                                  .a = dz,
                                                  .b = w,
                                                  .m = s.rows,
                                                  .n = s.in,
                                                  .k = s.out,
                                                  .c_row = s.in,
                                                  .a_row = out_row(s),
                                                  .a_k = 1,
                                                  .b_k = s.in,
                                                  .gate = x});
}

static double cpu_bce(void *dz, const void *z, const struct tally_batch *b)
{
    return tally_lanes_here()->bce(dz, z, b);
}

static struct tally_dense strided(struct tally_dense s)
{
    s.out_row = out_row(s);
    return s;
}

static void cpu_dropout(void *x, const struct tally_dropout *d, size_t first, struct tally_dense s)
{
    tally_lanes_here()->dropout(x, d, first, strided(s));
}

static void cpu_ghost_rows(double *square, const void *dz, const void *x, struct tally_dense s)
{
    tally_lanes_here()->ghost_rows(square, dz, x, strided(s));
}

static double cpu_ghost_group(const void *dz, const void *x, struct tally_dense s)
{
    return tally_lanes_here()->ghost_group(dz, x, strided(s));
}

static void cpu_scale_rows(void *dz, const double *factor, struct tally_dense s)
{
    tally_lanes_here()->scale_rows(dz, factor, strided(s));
}

static double cpu_square(const void *g, size_t n)
{
    return tally_lanes_here()->square(g, n);
}

static void cpu_scale(void *g, double factor, size_t n)
{
    tally_lanes_here()->scale(g, (float)factor, n);
}

static void cpu_prox(void *g, const void *w, const void *base, double mu, size_t n)
{
    tally_lanes_here()->prox(g, w, base, (float)mu, n);
}

static void cpu_step(struct tally_step_arrays a, const struct tally_step *s, size_t n)
{
    tally_lanes_here()->step(a, s, n);
}

static bool cpu_mean(float *out, const struct tally_mean *in, size_t first, size_t n)
{
    return tally_lanes_here()->mean(out, in, first, n);
}

const struct tally_backend tally_backend_cpu = {
    .name = "cpu",
    .real_bytes = sizeof(float),
    .threads = true,
    .alloc = cpu_alloc,
    .release = free,
    .put = cpu_put,
    .get = cpu_get,
    .gather = cpu_gather,
    .dense = cpu_dense,
    .transpose = cpu_transpose,
    .dense_dw = cpu_dense_dw,
    .dense_dx = cpu_dense_dx,
    .bce = cpu_bce,
    .dropout = cpu_dropout,
    .ghost_rows = cpu_ghost_rows,
    .ghost_group = cpu_ghost_group,
    .scale_rows = cpu_scale_rows,
    .square = cpu_square,
    .scale = cpu_scale,
    .prox = cpu_prox,
    .step = cpu_step,
    .mean = cpu_mean,
};
