/* gemm.c - a layer's matrix products on cuBLASLt.
 *
 * A row-major (r, c) array is a column-major (c, r) matrix with leading dimension c, so with
 * W (out, in), X (rows, in), dZ (rows, out) as they lie in memory:
 *   forward  Z^T  (out, rows) = op T of (in, out) W        times (in, rows) X
 *   weights  dW^T (in, out)   = (in, rows) X               times op T of (out, rows) dZ
 *   inputs   dX^T (in, rows)  = (in, out) W                times (out, rows) dZ
 * The bias runs along the rows of Z^T, and the columns of dW^T are summed over rows of dZ. */
#include "kernels/cuda/device.h"

#include <string.h>

enum product { PLAIN_FORWARD, RELU_FORWARD, WEIGHTS, INPUTS };

enum { SHAPES_MAX = 128, ALIGN_MAX = 256, COLUMN_THREADS = 1 << 15, ROWS_OF_SLICE = 16 };

/* What a product's algorithm depends on. */
struct key {
    enum product product;
    struct tally_dense s;
    uint32_t align[3]; /* of a, b and d, in bytes, powers of two */
};

struct shape {
    struct key key;
    struct tally_lt_problem p;
    struct tally_lt_algo algo;
    bool usable; /* cuBLASLt has an algorithm */
};

static struct shape shapes[SHAPES_MAX];
static size_t shape_count, oldest;

static const struct tally_cublaslt *const lt = &tally_cublaslt;

static void forget(struct shape *s)
{
    if (s->p.desc != NULL) (void)lt->desc_release(s->p.desc);
    if (s->p.a != NULL) (void)lt->layout_release(s->p.a);
    if (s->p.b != NULL) (void)lt->layout_release(s->p.b);
    if (s->p.d != NULL) (void)lt->layout_release(s->p.d);
    *s = (struct shape){0};
}

void tally_cuda_forget_shapes(void)
{
    for (size_t i = 0; i < shape_count; i++) forget(&shapes[i]);
    shape_count = oldest = 0;
}

static uint32_t alignment(const void *p)
{
    uintptr_t low = (uintptr_t)p & (ALIGN_MAX - 1);

    return low == 0 ? ALIGN_MAX : (uint32_t)(low & -low);
}

static size_t out_row(struct tally_dense s)
{
    return s.out_row != 0 ? s.out_row : s.out;
}

/* The product as plain cuBLAS takes it; the descriptors are made from it, too. */
static struct tally_sgemm describe(enum product product, struct tally_dense s)
{
    int rows = (int)s.rows;
    int in = (int)s.in;
    int out = (int)s.out;
    int stride = (int)out_row(s);

    if (product == WEIGHTS)
        return (struct tally_sgemm){.op_b = TALLY_CUBLAS_T,
                                    .m = in,
                                    .n = out,
                                    .k = rows,
                                    .lda = in,
                                    .ldb = stride,
                                    .ldc = in};
    if (product == INPUTS)
        return (struct tally_sgemm){
            .m = in, .n = rows, .k = out, .lda = in, .ldb = stride, .ldc = in};
    return (struct tally_sgemm){
        .op_a = TALLY_CUBLAS_T, .m = out, .n = rows, .k = in, .lda = in, .ldb = in, .ldc = stride};
}

static int set_desc(void *desc, enum product product, const struct tally_sgemm *g)
{
    static const uint32_t epilogues[] = {[PLAIN_FORWARD] = TALLY_LT_WITH_BIAS,
                                         [RELU_FORWARD] = TALLY_LT_RELU_BIAS,
                                         [WEIGHTS] = TALLY_LT_BGRADB,
                                         [INPUTS] = TALLY_LT_DEFAULT};
    const int32_t a = g->op_a;
    const int32_t b = g->op_b;
    int code = lt->desc_set(desc, TALLY_LT_TRANSA, &a, sizeof a);

    if (code == 0) code = lt->desc_set(desc, TALLY_LT_TRANSB, &b, sizeof b);
    if (code == 0)
        code = lt->desc_set(desc, TALLY_LT_EPILOGUE, &epilogues[product], sizeof epilogues[0]);
    return code;
}

static int make_layouts(struct tally_lt_problem *p, const struct tally_sgemm *g)
{
    bool ta = g->op_a == TALLY_CUBLAS_T;
    bool tb = g->op_b == TALLY_CUBLAS_T;
    int code =
        lt->layout_new(&p->a, (uint64_t)(ta ? g->k : g->m), (uint64_t)(ta ? g->m : g->k), g->lda);

    if (code == 0)
        code = lt->layout_new(&p->b, (uint64_t)(tb ? g->n : g->k), (uint64_t)(tb ? g->k : g->n),
                              g->ldb);
    if (code == 0) code = lt->layout_new(&p->d, (uint64_t)g->m, (uint64_t)g->n, g->ldc);
    return code;
}

/* c is d, so it has d's alignment. */
static int set_preference(void *preference, const uint32_t align[3])
{
    static const int attributes[] = {TALLY_LT_ALIGN_A, TALLY_LT_ALIGN_B, TALLY_LT_ALIGN_D};
    const uint64_t workspace = TALLY_CUDA_WORKSPACE;
    const uint32_t ordered = TALLY_LT_ORDERED;
    int code = lt->preference_set(preference, TALLY_LT_WORKSPACE, &workspace, sizeof workspace);

    if (code == 0)
        code = lt->preference_set(preference, TALLY_LT_REDUCTION, &ordered, sizeof ordered);
    for (int i = 0; code == 0 && i < 3; i++)
        code = lt->preference_set(preference, attributes[i], &align[i], sizeof align[i]);
    if (code == 0)
        code = lt->preference_set(preference, TALLY_LT_ALIGN_C, &align[2], sizeof align[2]);
    return code;
}

/* No algorithm is an answer, not a failure: the shape is remembered as unusable. */
static int search(struct tally_cuda *d, struct shape *s)
{
    void *preference = NULL;
    int found = 0;
    int code = lt->preference_new(&preference);

    if (code != 0) return code;
    code = set_preference(preference, s->key.align);
    if (code == 0) code = lt->heuristic(d->lt, &s->p, preference, &s->algo, &found);
    if (code == TALLY_CUBLAS_NOT_SUPPORTED) {
        code = 0;
        found = 0;
    }
    s->usable = code == 0 && found > 0;
    (void)lt->preference_release(preference);
    return code;
}

static bool make(struct tally_cuda *d, struct shape *s, const struct key *key)
{
    struct tally_sgemm g = describe(key->product, key->s);

    s->key = *key;
    int code = lt->desc_new(&s->p.desc);
    if (code == 0) code = set_desc(s->p.desc, key->product, &g);
    if (code == 0) code = make_layouts(&s->p, &g);
    if (code == 0) code = search(d, s);
    return tally_cublas_ok(d, code, "preparing a matrix product");
}

static bool same(const struct key *a, const struct key *b)
{
    return a->product == b->product && a->s.rows == b->s.rows && a->s.in == b->s.in &&
           a->s.out == b->s.out && out_row(a->s) == out_row(b->s) &&
           memcmp(a->align, b->align, sizeof a->align) == 0;
}

static struct shape *look_up(struct tally_cuda *d, const struct key *key)
{
    for (size_t i = 0; i < shape_count; i++)
        if (same(&shapes[i].key, key)) return &shapes[i];
    struct shape *s = &shapes[shape_count < SHAPES_MAX ? shape_count : oldest];
    if (shape_count < SHAPES_MAX) {
        shape_count++;
    } else {
        oldest = (oldest + 1) % SHAPES_MAX;
        forget(s);
    }
    if (make(d, s, key)) return s;
    forget(s);
    return NULL;
}

/* bias is what the epilogue reads or writes, NULL for INPUTS. False if there is no algorithm. */
static bool fused(struct tally_cuda *d, enum product product, struct tally_dense dense,
                  const struct tally_sgemm *g, const float *bias)
{
    struct key key = {
        .product = product,
        .s = dense,
        .align = {alignment(g->a), alignment(g->b), alignment(g->c)}
    };

    /* The epilogue goes along the bias as it does along d. */
    if (bias != NULL && alignment(bias) < key.align[2]) key.align[2] = alignment(bias);
    struct shape *s = look_up(d, &key);
    if (s == NULL || !s->usable) return false;
    if (bias != NULL &&
        !tally_cublas_ok(d, lt->desc_set(s->p.desc, TALLY_LT_BIAS, &bias, sizeof bias),
                         "a matrix product"))
        return false;
    struct tally_lt_call call = {.p = s->p,
                                 .a = g->a,
                                 .b = g->b,
                                 .d = g->c,
                                 .algo = &s->algo,
                                 .workspace = d->workspace,
                                 .workspace_bytes = TALLY_CUDA_WORKSPACE,
                                 .stream = d->stream};
    return tally_cublas_ok(d, lt->matmul(d->lt, &call), "a matrix product");
}

static bool plain(struct tally_cuda *d, const struct tally_sgemm *g)
{
    return tally_cuda_up(d) &&
           tally_cublas_ok(d, tally_cublas.sgemm(d->blas, g), "a matrix product");
}

void tally_cuda_dense(struct tally_cuda *d, float *z, const struct tally_cuda_layer *l, bool relu)
{
    enum product product = relu ? RELU_FORWARD : PLAIN_FORWARD;
    struct tally_sgemm g = describe(product, l->s);

    if (!tally_cuda_up(d)) return;
    g.a = l->w;
    g.b = l->x;
    g.c = z;
    if (fused(d, product, l->s, &g, l->bias) || !plain(d, &g)) return;
    struct tally_k_bias_relu a = {
        .z = z, .bias = l->bias, .n = l->s.out, .stride = out_row(l->s), .relu = relu};
    tally_cuda_launch_rows(d, TALLY_K_BIAS_RELU, &a, sizeof a, l->s.rows, l->s.out);
}

/* Slices for enough threads, as far as the partial sums have room and a slice has rows. */
static void sum_columns(struct tally_cuda *d, float *sums, const float *a, struct tally_dense s,
                        bool add)
{
    size_t slices = COLUMN_THREADS / s.out;
    size_t room = TALLY_CUDA_STAGE / sizeof(float) / s.out;

    if (slices > room) slices = room;
    if (slices > s.rows / ROWS_OF_SLICE) slices = s.rows / ROWS_OF_SLICE;
    if (slices == 0) slices = 1;
    struct tally_k_columns k = {.a = a,
                                .part = d->part,
                                .sums = sums,
                                .rows = s.rows,
                                .n = s.out,
                                .stride = out_row(s),
                                .slices = slices,
                                .add = add};
    tally_cuda_launch(d, TALLY_K_COLUMNS, &k, sizeof k, slices * s.out);
    tally_cuda_launch(d, TALLY_K_COLUMNS_SUM, &k, sizeof k, s.out);
}

void tally_cuda_dense_dw(struct tally_cuda *d, float *dw, float *dbias, const float *dz,
                         const struct tally_cuda_layer *l, bool add)
{
    struct tally_sgemm g = describe(WEIGHTS, l->s);

    if (!tally_cuda_up(d)) return;
    g.a = l->x;
    g.b = dz;
    g.c = dw;
    g.beta = add ? 1 : 0;
    /* What BGRADB writes it overwrites. */
    if ((!add && fused(d, WEIGHTS, l->s, &g, dbias)) || !plain(d, &g)) return;
    sum_columns(d, dbias, dz, l->s, add);
}

void tally_cuda_dense_dx(struct tally_cuda *d, float *dx, const float *dz,
                         const struct tally_cuda_layer *l, double gain)
{
    struct tally_sgemm g = describe(INPUTS, l->s);

    if (!tally_cuda_up(d)) return;
    g.a = l->w;
    g.b = dz;
    g.c = dx;
    if (!fused(d, INPUTS, l->s, &g, NULL) && !plain(d, &g)) return;
    struct tally_k_mask a = {.dx = dx, .x = l->x, .n = l->s.rows * l->s.in, .gain = (float)gain};
    tally_cuda_launch(d, TALLY_K_MASK, &a, sizeof a, a.n);
}
