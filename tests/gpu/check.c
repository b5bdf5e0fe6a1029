/* check.c - trains and combines on a GPU, compares with cpu and ref64, and times it. One line per
 * result: what, how it went, a number with its unit. Without a GPU it exits 77.
 *
 *   check [--quick] [LIBRARY]   LIBRARY: libtally-cuda.so, by its path; none: the simulated device,
 *                               whose times mean nothing and are not taken */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/combine.h"
#include "kernels/module.h"
#include "kernels/random.h"
#include "kernels/train.h"
#include "tests/cudashim/shim.h"

enum { SKIPPED = 77, REPEATS = 5 };

static const struct tally_backend *gpu;
static bool quick, timed;
static unsigned failures;

static void line(const char *what, bool good, double number, const char *unit)
{
    (void)printf("%-58s %-6s %14.4g %s\n", what, good ? "ok" : "FAILED", number, unit);
    failures += !good;
}

static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *need(void *p)
{
    if (p != NULL) return p;
    (void)fprintf(stderr, "out of memory\n");
    exit(1);
}

/* A table with one positive in about six, and what training it comes to. */
struct problem {
    struct tally_model model;
    struct tally_table table;
    struct tally_plan plan;
    float *x, *y, *base, *delta;
    size_t params;
    struct tally_trained out;
};

static struct problem problem_of(struct tally_model model, size_t rows)
{
    struct problem p = {.model = model, .plan = tally_plan_default()};
    struct tally_random r = tally_random_from(1, 2, 3);
    size_t width = model.inputs;

    if (tally_model_layers(&model, NULL, &p.params) != TALLY_OK) exit(1);
    p.x = need(malloc(rows * width * sizeof *p.x));
    p.y = need(malloc(rows * sizeof *p.y));
    p.base = need(malloc(p.params * sizeof *p.base));
    p.delta = need(calloc(p.params, sizeof *p.delta));
    for (size_t i = 0; i < rows * width; i++) p.x[i] = tally_random_symmetric(&r);
    for (size_t i = 0; i < rows; i++)
        p.y[i] = p.x[i * width] + p.x[i * width + 1] > 0.8F ? 1.0F : 0.0F;
    if (tally_model_init(p.base, &model, 0.16, 4) != TALLY_OK) exit(1);
    p.table = (struct tally_table){.rows = rows, .features = width, .x = p.x, .y = p.y};
    p.plan.threads = 1;
    return p;
}

static void drop(struct problem *p)
{
    free(p->x);
    free(p->y);
    free(p->base);
    free(p->delta);
}

static bool train(struct problem *p, const struct tally_backend *b)
{
    const struct tally_training t = {
        .backend = b, .model = &p->model, .base = p->base, .table = &p->table, .plan = &p->plan};

    if (tally_train(p->delta, &p->out, &t) == TALLY_OK) return true;
    (void)printf("  %s\n", tally_why());
    return false;
}

static const struct tally_model SMALL = {
    .inputs = 30, .hidden = {64, 33},
         .n = 2
};

static const struct variant {
    const char *name;
    enum tally_optimizer optimizer;
    double prox, focal, dropout, clip_row, clip_norm;
} VARIANTS[] = {
    {"sgd",                     TALLY_SGD,      0,    0, 0,    0,   0   },
    {"momentum, prox",          TALLY_MOMENTUM, 0.05, 0, 0,    0,   0   },
    {"adam, dropout",           TALLY_ADAM,     0,    0, 0.25, 0,   0   },
    {"adamw, focal, clip_norm", TALLY_ADAMW,    0,    2, 0,    0,   0.05},
    {"sgd, clip_row",           TALLY_SGD,      0,    0, 0,    0.4, 0   },
};

static void set(struct tally_plan *p, const struct variant *v)
{
    p->optimizer = v->optimizer;
    p->prox_mu = v->prox;
    p->focal_gamma = v->focal;
    p->dropout = v->dropout;
    p->clip_row = v->clip_row;
    p->clip_norm = v->clip_norm;
    p->weight_decay = v->optimizer == TALLY_ADAMW ? 0.01 : 0;
    p->learning_rate = v->optimizer >= TALLY_ADAM ? 1e-3 : 0.05;
    p->batch = 128;
    p->epochs = 2;
}

static double farthest(const float *a, const float *b, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

static void check_variant(const struct variant *v)
{
    struct problem p = problem_of(SMALL, 1000);
    float *want = need(malloc(p.params * sizeof *want));
    char what[80];

    set(&p.plan, v);
    bool good = train(&p, &tally_backend_ref64);
    memcpy(want, p.delta, p.params * sizeof *want);
    good = train(&p, gpu) && good;
    double apart = farthest(p.delta, want, p.params);
    (void)snprintf(what, sizeof what, "train %s: largest distance to ref64", v->name);
    line(what, good && apart < 2e-4, apart, "");
    memcpy(want, p.delta, p.params * sizeof *want);
    good = train(&p, gpu) && memcmp(want, p.delta, p.params * sizeof *want) == 0;
    (void)snprintf(what, sizeof what, "train %s: again, the same bits", v->name);
    line(what, good, 1, "");
    free(want);
    drop(&p);
}

/* Takes the device's memory until less than `left` bytes can be had in one piece. */
struct hog {
    void *held[256];
    size_t n;
};

static struct hog take_memory(size_t left)
{
    struct hog h = {.n = 0};
    size_t bytes = (size_t)1 << 36;

    while (bytes >= left && h.n < 256) {
        void *p = gpu->alloc(bytes / sizeof(float));
        if (p != NULL)
            h.held[h.n++] = p;
        else
            bytes /= 2;
    }
    return h;
}

/* Rows several times as large as what is left of the device's memory. */
static void check_streaming(void)
{
    size_t rows = timed && !quick ? 400000 : 20000;
    struct problem p = problem_of(SMALL, rows);
    float *want = need(malloc(p.params * sizeof *want));

    p.plan.batch = 256;
    bool good = train(&p, gpu);
    memcpy(want, p.delta, p.params * sizeof *want);
    struct hog h = take_memory(rows * 30 * sizeof(float) / 2);
    double began = now_s();
    good = train(&p, gpu) && good && memcmp(want, p.delta, p.params * sizeof *want) == 0;
    double took = now_s() - began;
    for (size_t i = 0; i < h.n; i++) gpu->release(h.held[i]);
    line("train with little memory left: the same bits", good, (double)rows / took, "rows/s");
    free(want);
    drop(&p);
}

static void check_mean(void)
{
    enum { SITES = 10 };
    size_t n = quick ? 100000 : 10000000;
    const float *deltas[SITES];
    uint32_t weights[SITES];
    float *all = need(malloc(SITES * n * sizeof *all));
    float *want = need(malloc(n * sizeof *want));
    float *got = need(malloc(n * sizeof *got));
    struct tally_random r = tally_random_from(9, 9, 9);
    struct tally_combine c = {.backend = tally_backend_named("cpu"),
                              .deltas = deltas,
                              .weights = weights,
                              .sites = SITES,
                              .threads = 1};

    for (size_t i = 0; i < SITES * n; i++) all[i] = tally_random_symmetric(&r);
    for (uint32_t s = 0; s < SITES; s++) {
        deltas[s] = all + s * n;
        weights[s] = 1000 + s;
    }
    bool good = tally_combine_mean(want, NULL, &c, n) == TALLY_OK;
    c.backend = gpu;
    double began = now_s();
    good = tally_combine_mean(got, NULL, &c, n) == TALLY_OK && good;
    double took = now_s() - began;
    good = good && memcmp(got, want, n * sizeof *got) == 0 && gpu->failed() == NULL;
    line("mean of 10 sites from host memory: cpu's bits", good, took / (double)n * 1e9,
         "ns/coordinate");
    free(all);
    free(want);
    free(got);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double flops_per_row(const struct problem *p)
{
    struct tally_layer l[TALLY_LAYERS_MAX];
    double sum = 0;

    if (tally_model_layers(&p->model, l, NULL) != TALLY_OK) exit(1);
    for (uint32_t i = 0; i <= p->model.n; i++) sum += 6.0 * (double)(l[i].in * l[i].out);
    return sum - 2.0 * (double)(l[0].in * l[0].out);
}

/* Median seconds of an epoch: a training of six less one of one, so that what comes before and
 * after does not count. */
static double epoch_s(struct problem *p, const struct tally_backend *b)
{
    double took[REPEATS];

    for (int i = 0; i < REPEATS; i++) {
        double at[3];
        at[0] = now_s();
        p->plan.epochs = 1;
        if (!train(p, b)) return (double)NAN;
        at[1] = now_s();
        p->plan.epochs = 6;
        if (!train(p, b)) return (double)NAN;
        at[2] = now_s();
        took[i] = (at[2] - at[1] - (at[1] - at[0])) / 5;
    }
    qsort(took, REPEATS, sizeof took[0], by_size);
    return took[REPEATS / 2];
}

static void time_training(const char *net, struct tally_model model, uint32_t batch, bool clipped)
{
    struct problem p = problem_of(model, 1 << 17);
    double rows = (double)p.table.rows;
    char what[80];

    p.plan.batch = batch;
    p.plan.clip_row = clipped ? 1 : 0;
    double s = epoch_s(&p, gpu);
    (void)snprintf(what, sizeof what, "%s, batch %u%s: cuda", net, batch,
                   clipped ? ", clipped" : "");
    line(what, s > 0, rows / s, "rows/s");
    line("  that is", s > 0, flops_per_row(&p) * rows / s * 1e-9, "GFLOP/s");
    double cpu = epoch_s(&p, tally_backend_named("cpu"));
    line("  cpu, one thread, is slower by", cpu > 0, cpu / s, "times");
    drop(&p);
}

/* What a product of this size reaches, bias and ReLU included: the limit to hold the rest to. */
static void time_gemm(void)
{
    const size_t n = 8192;
    void *x = gpu->alloc(n * n);
    void *w = gpu->alloc(n * n);
    void *z = gpu->alloc(n * n);
    double last;
    double took = (double)NAN;

    for (int i = 0; i < 2 && x != NULL && w != NULL && z != NULL; i++) {
        double began = now_s();
        for (int k = 0; k < 10; k++)
            gpu->dense(z, x, (struct tally_weights){.w = w, .bias = w},
                       (struct tally_dense){.rows = n, .in = n, .out = n}, true);
        gpu->get(&last, z, 1);
        took = (now_s() - began) / 10;
    }
    line("product of 8192 x 8192, float32", took > 0, 2e-9 * (double)(n * n * n) / took, "GFLOP/s");
    gpu->release(x);
    gpu->release(w);
    gpu->release(z);
}

static void time_all(void)
{
    static const uint32_t batches[] = {256, 1024, 8192};
    const struct tally_model small = {
        .inputs = 30, .hidden = {256, 256},
             .n = 2
    };
    const struct tally_model large = {
        .inputs = 100, .hidden = {512, 512, 512},
             .n = 3
    };

    time_gemm();
    for (size_t i = 0; i < 3; i++) {
        time_training("30-256-256-1", small, batches[i], false);
        time_training("30-256-256-1", small, batches[i], true);
        time_training("100-512-512-512-1", large, batches[i], false);
        time_training("100-512-512-512-1", large, batches[i], true);
    }
}

int main(int argc, char **argv)
{
    const char *library = NULL;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            quick = true;
        else
            library = argv[i];
    }
    timed = library != NULL;
    if (!timed) {
        gpu = tally_cuda_shim();
    } else if (tally_module_load(&gpu, TALLY_CUDA_DRIVER, library) != TALLY_OK) {
        (void)printf("no GPU that can be used: %s\n", tally_why_text());
        return SKIPPED;
    }
    for (size_t i = 0; i < sizeof VARIANTS / sizeof VARIANTS[0]; i++) check_variant(&VARIANTS[i]);
    check_streaming();
    check_mean();
    if (timed && !quick) time_all();
    return failures == 0 ? 0 : 1;
}
