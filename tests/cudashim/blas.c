/* blas.c - the shim's cuBLAS and cuBLASLt: plain column-major loops, sums in double. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/status.h"
#include "kernels/cuda/device.h"
#include "kernels/module.h"
#include "tests/cudashim/memory.h"
#include "tests/cudashim/shim.h"
#include "tests/cudashim/stream.h"

enum { HANDLE = 0x6b1a5, ALGO = 0xa190, ALIGN_DEFAULT = 256, WORKSPACE_MIN = 1 << 20 };

struct handle {
    int magic;
    void *stream;
};

static int status(int code)
{
    if (code == TALLY_CUDA_NO_MEMORY) return TALLY_CUBLAS_ALLOC_FAILED;
    return code != 0 ? TALLY_CUBLAS_EXECUTION_FAILED : 0;
}

static int create(void **handle)
{
    int code = shim_allocation();
    struct handle *h = code == 0 ? calloc(1, sizeof *h) : NULL;

    if (code != 0) return status(code);
    TALLY_ASSERT(h != NULL);
    h->magic = HANDLE;
    *handle = h;
    shim_made();
    return 0;
}

static int release(void *handle)
{
    free(handle);
    shim_gone();
    return status(shim_cleanup());
}

static int set_stream(void *handle, void *stream)
{
    struct handle *h = handle;

    TALLY_ASSERT(h->magic == HANDLE);
    h->stream = stream;
    return status(shim_call());
}

static int set_workspace(void *handle, void *device, size_t bytes)
{
    TALLY_ASSERT(((struct handle *)handle)->magic == HANDLE);
    TALLY_ASSERT(((uintptr_t)device & 255) == 0 && shim_memory_holds(device, bytes));
    return status(shim_call());
}

/* A product and what follows it. */
struct product {
    struct tally_sgemm g;
    uint32_t epilogue;
    float *bias;
};

static float element(const float *p, int ld, int op, int i, int j)
{
    return op == TALLY_CUBLAS_T ? p[(size_t)i * (size_t)ld + (size_t)j]
                                : p[(size_t)j * (size_t)ld + (size_t)i];
}

static float finish(const struct product *p, int i, double sum)
{
    float v = (float)sum;

    if (p->epilogue == TALLY_LT_WITH_BIAS || p->epilogue == TALLY_LT_RELU_BIAS) v += p->bias[i];
    return p->epilogue == TALLY_LT_RELU_BIAS ? fmaxf(v, 0) : v; /* fmaxf(NaN, 0) is 0 */
}

static void run_product(void *args)
{
    const struct product *p = args;
    const struct tally_sgemm *g = &p->g;

    for (int j = 0; j < g->n; j++) {
        double column = 0;
        for (int k = 0; k < g->k; k++) column += (double)element(g->b, g->ldb, g->op_b, k, j);
        if (p->epilogue == TALLY_LT_BGRADB) p->bias[j] = (float)column;
        for (int i = 0; i < g->m; i++) {
            double sum = 0;
            for (int k = 0; k < g->k; k++)
                sum += (double)element(g->a, g->lda, g->op_a, i, k) *
                       (double)element(g->b, g->ldb, g->op_b, k, j);
            float *c = &g->c[(size_t)j * (size_t)g->ldc + (size_t)i];
            if (g->beta > 0) sum += (double)g->beta * (double)*c; /* at 0, c may hold anything */
            *c = finish(p, i, sum);
        }
    }
}

static bool matrix_fits(const float *p, int rows, int columns, int ld)
{
    if (rows <= 0 || columns <= 0 || ld < rows) return false;
    return shim_memory_holds(p,
                             ((size_t)(columns - 1) * (size_t)ld + (size_t)rows) * sizeof(float));
}

static bool fits(const struct tally_sgemm *g)
{
    bool ta = g->op_a == TALLY_CUBLAS_T;
    bool tb = g->op_b == TALLY_CUBLAS_T;

    return matrix_fits(g->a, ta ? g->k : g->m, ta ? g->m : g->k, g->lda) &&
           matrix_fits(g->b, tb ? g->n : g->k, tb ? g->k : g->n, g->ldb) &&
           matrix_fits(g->c, g->m, g->n, g->ldc);
}

static int sgemm(void *handle, const struct tally_sgemm *g)
{
    const struct handle *h = handle;
    const struct product p = {.g = *g, .epilogue = TALLY_LT_DEFAULT};
    int code = shim_call();

    TALLY_ASSERT(h->magic == HANDLE && h->stream != NULL);
    if (code != 0) return status(code);
    if (!fits(g)) return TALLY_CUBLAS_INVALID_VALUE;
    return shim_submit(h->stream, run_product, &p, sizeof p, NULL);
}

static const char *name(int code)
{
    switch (code) {
    case TALLY_CUBLAS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case TALLY_CUBLAS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
    case TALLY_CUBLAS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case TALLY_CUBLAS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case TALLY_CUBLAS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    default: return "an unknown status";
    }
}

const struct tally_cublas tally_cublas = {
    .create = create,
    .release = release,
    .stream = set_stream,
    .workspace = set_workspace,
    .sgemm = sgemm,
    .name = name,
};

struct desc {
    int32_t op_a, op_b;
    uint32_t epilogue;
    float *bias;
};

struct layout {
    uint64_t rows, columns;
    int64_t ld;
};

struct preference {
    uint64_t workspace;
    uint32_t reduction;
    uint32_t align[4]; /* of a, b, c, d */
};

static int make(void **to, size_t bytes)
{
    int code = shim_call();

    if (code != 0) return status(code);
    *to = calloc(1, bytes);
    TALLY_ASSERT(*to != NULL);
    shim_made();
    return 0;
}

static int desc_new(void **desc)
{
    int code = make(desc, sizeof(struct desc));

    if (code == 0) ((struct desc *)*desc)->epilogue = TALLY_LT_DEFAULT;
    return code;
}

static int desc_set(void *desc, int attribute, const void *value, size_t bytes)
{
    struct desc *d = desc;
    void *const to[] = {[TALLY_LT_TRANSA] = &d->op_a,
                        [TALLY_LT_TRANSB] = &d->op_b,
                        [TALLY_LT_EPILOGUE] = &d->epilogue,
                        [TALLY_LT_BIAS] = &d->bias};
    int code = shim_call();

    if (code != 0) return status(code);
    TALLY_ASSERT(attribute >= TALLY_LT_TRANSA && attribute <= TALLY_LT_BIAS);
    TALLY_ASSERT(to[attribute] != NULL && bytes == (attribute == TALLY_LT_BIAS ? 8 : 4));
    memcpy(to[attribute], value, bytes);
    return 0;
}

static int layout_new(void **layout, uint64_t rows, uint64_t columns, int64_t ld)
{
    int code = make(layout, sizeof(struct layout));

    if (code == 0) *(struct layout *)*layout = (struct layout){rows, columns, ld};
    return code;
}

static int preference_new(void **preference)
{
    int code = make(preference, sizeof(struct preference));

    if (code == 0)
        *(struct preference *)*preference = (struct preference){
            .reduction = UINT32_MAX,
            .align = {ALIGN_DEFAULT, ALIGN_DEFAULT, ALIGN_DEFAULT, ALIGN_DEFAULT}
        };
    return code;
}

static int preference_set(void *preference, int attribute, const void *value, size_t bytes)
{
    struct preference *p = preference;
    int code = shim_call();

    if (code != 0) return status(code);
    if (attribute == TALLY_LT_WORKSPACE) {
        TALLY_ASSERT(bytes == sizeof p->workspace);
        memcpy(&p->workspace, value, bytes);
        return 0;
    }
    TALLY_ASSERT(bytes == sizeof(uint32_t));
    TALLY_ASSERT(attribute == TALLY_LT_REDUCTION ||
                 (attribute >= TALLY_LT_ALIGN_A && attribute <= TALLY_LT_ALIGN_D));
    memcpy(attribute == TALLY_LT_REDUCTION ? &p->reduction
                                           : &p->align[attribute - TALLY_LT_ALIGN_A],
           value, bytes);
    return 0;
}

/* The vendor's release of descriptors counts as clean-up, too. */
static int drop(void *p)
{
    free(p);
    shim_gone();
    return status(shim_cleanup());
}

/* Shapes that do not belong together have no algorithm. */
static bool agree(const struct tally_lt_problem *p, struct tally_sgemm *g)
{
    const struct desc *desc = p->desc;
    const struct layout *a = p->a;
    const struct layout *b = p->b;
    const struct layout *d = p->d;
    uint64_t k = desc->op_a == TALLY_CUBLAS_T ? a->rows : a->columns;

    *g = (struct tally_sgemm){.op_a = desc->op_a,
                              .op_b = desc->op_b,
                              .m = (int)d->rows,
                              .n = (int)d->columns,
                              .k = (int)k,
                              .lda = (int)a->ld,
                              .ldb = (int)b->ld,
                              .ldc = (int)d->ld};
    return (desc->op_a == TALLY_CUBLAS_T ? a->columns : a->rows) == d->rows &&
           (desc->op_b == TALLY_CUBLAS_T ? b->rows : b->columns) == d->columns &&
           (desc->op_b == TALLY_CUBLAS_T ? b->columns : b->rows) == k;
}

static int heuristic(void *handle, const struct tally_lt_problem *p, void *preference,
                     struct tally_lt_algo *algo, int *found)
{
    const struct preference *wish = preference;
    const struct desc *desc = p->desc;
    struct tally_sgemm g;
    int code = shim_call();

    TALLY_ASSERT(((const struct handle *)handle)->magic == HANDLE);
    if (code != 0) return status(code);
    TALLY_ASSERT((wish->reduction & 1) == 0 && wish->align[2] == wish->align[3]);
    *found = 0;
    if (tally_shim.no_lt || !agree(p, &g)) return TALLY_CUBLAS_NOT_SUPPORTED;
    if (tally_shim.no_fusion && desc->epilogue != TALLY_LT_DEFAULT) return 0;
    *algo = (struct tally_lt_algo){
        {ALGO, wish->align[0], wish->align[1], wish->align[3], desc->epilogue, wish->workspace}
    };
    *found = 1;
    return 0;
}

static bool is_aligned(const void *p, uint64_t bytes)
{
    return (uintptr_t)p % bytes == 0;
}

static int matmul(void *handle, const struct tally_lt_call *c)
{
    const struct desc *desc = c->p.desc;
    struct product p = {.epilogue = desc->epilogue, .bias = desc->bias};
    int code = shim_call();

    TALLY_ASSERT(((const struct handle *)handle)->magic == HANDLE);
    if (code != 0) return status(code);
    if (!agree(&c->p, &p.g)) return TALLY_CUBLAS_INVALID_VALUE;
    p.g.a = c->a;
    p.g.b = c->b;
    p.g.c = c->d;
    if (!fits(&p.g)) return TALLY_CUBLAS_INVALID_VALUE;
    TALLY_ASSERT(c->algo->data[0] == ALGO && c->algo->data[4] == desc->epilogue);
    TALLY_ASSERT(is_aligned(c->a, c->algo->data[1]) && is_aligned(c->b, c->algo->data[2]));
    TALLY_ASSERT(is_aligned(c->d, c->algo->data[3]) && c->workspace_bytes >= c->algo->data[5]);
    TALLY_ASSERT(shim_memory_holds(c->workspace, c->workspace_bytes));
    if (desc->epilogue != TALLY_LT_DEFAULT) {
        size_t n = (size_t)(desc->epilogue == TALLY_LT_BGRADB ? p.g.n : p.g.m);
        if (desc->bias == NULL || !shim_memory_holds(desc->bias, n * sizeof(float)))
            return TALLY_CUBLAS_INVALID_VALUE;
        TALLY_ASSERT(is_aligned(desc->bias, c->algo->data[3]));
    }
    return shim_submit(c->stream, run_product, &p, sizeof p, NULL);
}

const struct tally_cublaslt tally_cublaslt = {
    .create = create,
    .release = release,
    .desc_new = desc_new,
    .desc_set = desc_set,
    .desc_release = drop,
    .layout_new = layout_new,
    .layout_release = drop,
    .preference_new = preference_new,
    .preference_set = preference_set,
    .preference_release = drop,
    .heuristic = heuristic,
    .matmul = matmul,
};

/* A real device, for tests/gpu/run. */
static const struct tally_backend *real_device(const char *library)
{
    static const struct tally_backend *backend;

    if (backend == NULL && tally_module_load(&backend, TALLY_CUDA_DRIVER, library) != TALLY_OK)
        (void)fprintf(stderr, "%s\n", tally_why());
    TALLY_ASSERT(backend != NULL);
    return backend;
}

const struct tally_backend *tally_cuda_shim(void)
{
    static struct tally_backend backend;
    const char *library = getenv("TALLY_TEST_CUDA");

    if (library != NULL) return real_device(library);

    backend = tally_backend_cuda;
    backend.name = "cuda-shim";
    return &backend;
}

const struct tally_backend *tally_shim_backend_named(const char *name)
{
    return strcmp(name, "cpu") == 0 ? tally_cuda_shim() : tally_backend_named(name);
}
