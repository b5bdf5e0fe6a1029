/* train.c - training in rows a second and as a share of the matrix product's peak in the same run.
 *
 *   bench_train [CORE [CORE [WORD]]]   default: cores 0 and 1; a second thread runs on the second.
 *                                      WORD: only cells whose line has it, as "256 Adam"
 *
 * The peak is oneDNN's sgemm at n = 2048 where libdnnl.so.2 is installed, else our own product on
 * matrices in the cache. Every cell takes turns with it; medians of ROUNDS. A round in which other
 * programs had more than OTHERS of these cores is made again, at most AGAIN times. FLOP per row of
 * a net: 6 sum(in out) - 2 in0 out0. */
#include <dlfcn.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "kernels/lanes.h"
#include "kernels/random.h"
#include "kernels/scorer.h"
#include "kernels/train.h"

enum { ROUNDS = 5, PEAK_N = 2048, OWN_N = 512, TABLE_ROWS = 1 << 15, THREADS = 2, AGAIN = 3 };
static const double OTHERS = 0.05;

static int cores[THREADS] = {0, 1};
static int disturbed;

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void pin(int threads)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    for (int i = 0; i < threads; i++) CPU_SET((size_t)cores[i], &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) perror("sched_setaffinity");
}

/* Seconds that the first `threads` cores have been busy, less this process's own. */
static double others(int threads)
{
    char line[256];
    struct rusage own;
    double busy = 0;
    FILE *f = fopen("/proc/stat", "re");

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        int core = -1;
        double user = 0;
        double nice = 0;
        double system = 0;
        if (sscanf(line, "cpu%d %lf %lf %lf", &core, &user, &nice, &system) < 4) continue;
        for (int i = 0; i < threads; i++)
            if (cores[i] == core) busy += user + nice + system;
    }
    if (f != NULL) (void)fclose(f);
    (void)getrusage(RUSAGE_SELF, &own);
    return busy / (double)sysconf(_SC_CLK_TCK) -
           (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) -
           1e-6 * (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, compare);
    return x[n / 2];
}

static float *numbers(size_t n)
{
    struct tally_random r = tally_random_from(1, 2, n);
    float *x = tally_backend_cpu.alloc(n);

    if (x == NULL) abort();
    for (size_t i = 0; i < n; i++) x[i] = tally_random_symmetric(&r);
    return x;
}

typedef int dnnl_sgemm(char, char, long, long, long, float, const float *, long, const float *,
                       long, float, float *, long);
typedef void set_threads(int);

static struct {
    dnnl_sgemm *sgemm;
    set_threads *threads;
    float *a, *b, *c;
} peak;

static void prepare_peak(void)
{
    (void)setenv("OMP_WAIT_POLICY", "passive", 1);
    void *lib = dlopen("libdnnl.so.2", RTLD_NOW);
    void *omp = dlopen("libgomp.so.1", RTLD_NOW);

    if (lib != NULL && omp != NULL) {
        *(void **)&peak.sgemm = dlsym(lib, "dnnl_sgemm");
        *(void **)&peak.threads = dlsym(omp, "omp_set_num_threads");
    }
    (void)printf("peak: %s\n", peak.sgemm != NULL ? "oneDNN, n = 2048" : "our own, one thread's");
    peak.a = numbers((size_t)PEAK_N * PEAK_N);
    peak.b = numbers((size_t)PEAK_N * PEAK_N);
    peak.c = numbers((size_t)PEAK_N * PEAK_N);
}

/* GFLOP/s of one product. */
static double gemm_rate(int threads)
{
    double start = now();

    if (peak.sgemm != NULL) {
        const long n = PEAK_N;
        peak.threads(threads);
        (void)peak.sgemm('N', 'N', n, n, n, 1, peak.a, n, peak.b, n, 0, peak.c, n);
        return 2.0 * PEAK_N * PEAK_N * PEAK_N / (now() - start) / 1e9;
    }
    const size_t n = OWN_N;
    const struct tally_gemm g = {.c = peak.c,
                                 .a = peak.a,
                                 .b = peak.b,
                                 .m = n,
                                 .n = n,
                                 .k = n,
                                 .c_row = n,
                                 .a_row = n,
                                 .a_k = 1,
                                 .b_k = n};
    for (int i = 0; i < 16; i++) tally_lanes_here()->gemm(&g);
    return 16 * 2.0 * OWN_N * OWN_N * OWN_N / (now() - start) / 1e9 * threads;
}

struct cell {
    const char *name;
    struct tally_model model;
    uint32_t batch;
    enum tally_optimizer optimizer;
    bool clipped; /* every row's gradient, timed beside the plain training */
};

static double flops(const struct tally_model *m)
{
    double sum = 0;
    double in = m->inputs;

    for (uint32_t i = 0; i <= m->n; i++) {
        double out = i < m->n ? m->hidden[i] : 1;
        sum += 6 * in * out - (i == 0 ? 2 * in * out : 0);
        in = out;
    }
    return sum;
}

static struct tally_table table_of(size_t features)
{
    float *y = numbers(TABLE_ROWS);

    for (size_t i = 0; i < TABLE_ROWS; i++) y[i] = y[i] > 0.8F ? 1.0F : 0.0F;
    return (struct tally_table){
        .rows = TABLE_ROWS, .features = features, .x = numbers(TABLE_ROWS * features), .y = y};
}

/* Rows a second of one training; what is fixed per training is a small part of TABLE_ROWS. */
static double train_rate(const struct cell *c, const struct tally_table *t, int threads)
{
    struct tally_plan plan = tally_plan_default();
    struct tally_trained trained;
    size_t params = 0;

    plan.batch = c->batch;
    plan.epochs = c->model.inputs < 64 ? 4 : 1;
    plan.optimizer = c->optimizer;
    plan.threads = (uint32_t)threads;
    plan.clip_row = c->clipped ? 1 : 0;
    if (tally_model_layers(&c->model, NULL, &params) != TALLY_OK) abort();
    float *base = numbers(params);
    float *delta = numbers(params);
    if (tally_model_init(base, &c->model, 0.1, 1) != TALLY_OK) abort();
    const struct tally_training in = {.backend = tally_backend_named("cpu"),
                                      .model = &c->model,
                                      .base = base,
                                      .table = t,
                                      .plan = &plan};
    double start = now();
    if (tally_train(delta, &trained, &in) != TALLY_OK) {
        (void)fprintf(stderr, "%s\n", tally_why());
        abort();
    }
    double took = now() - start;
    tally_backend_cpu.release(base);
    tally_backend_cpu.release(delta);
    return (double)plan.epochs * TABLE_ROWS / took;
}

struct turn {
    double rows, share, of_plain;
};

static struct turn measure_once(const struct cell *c, const struct tally_table *t, int threads)
{
    struct turn turn = {0};
    struct cell clipped = *c;

    clipped.clipped = true;
    pin(threads);
    for (int again = 0; again <= AGAIN; again++) {
        double start = now();
        double busy = others(threads);
        double before = gemm_rate(threads);
        turn.rows = train_rate(c, t, threads);
        double limit = (before + gemm_rate(threads)) / 2;
        turn.of_plain = train_rate(&clipped, t, threads) / turn.rows;
        turn.share = turn.rows * flops(&c->model) / 1e9 / limit;
        if (others(threads) - busy < OTHERS * threads * (now() - start)) break;
        disturbed++;
    }
    return turn;
}

static void measure(const struct cell *c, const struct tally_table *t)
{
    double rows[THREADS][ROUNDS];
    double share[THREADS][ROUNDS];
    double of_plain[THREADS][ROUNDS];
    double gain[ROUNDS];

    disturbed = 0;
    for (int r = 0; r < ROUNDS; r++) {
        for (int k = 0; k < THREADS; k++) {
            struct turn turn = measure_once(c, t, k + 1);
            rows[k][r] = turn.rows;
            share[k][r] = turn.share;
            of_plain[k][r] = turn.of_plain;
        }
        gain[r] = rows[1][r] / rows[0][r];
    }
    (void)printf("%-18s %5u %-5s", c->name, c->batch, c->optimizer == TALLY_SGD ? "SGD" : "Adam");
    for (int k = 0; k < THREADS; k++)
        (void)printf("  %dT %8.0f rows/s %.3f of GEMM, clipped %.3f", k + 1,
                     median(rows[k], ROUNDS), median(share[k], ROUNDS),
                     median(of_plain[k], ROUNDS));
    (void)printf("  2T/1T %.2f  again %d\n", median(gain, ROUNDS), disturbed);
    (void)fflush(stdout);
}

/* Microseconds for one row of a scorer, median over many. */
static void measure_one_row(const struct tally_model *m)
{
    enum { TIMES = 2001 };
    static double took[TIMES];
    struct tally_scorer s = {0};
    size_t params = 0;
    float logit = 0;

    if (tally_model_layers(m, NULL, &params) != TALLY_OK) abort();
    float *w = numbers(params);
    float *x = numbers(m->inputs);
    if (tally_scorer_init(&s, tally_backend_named("cpu"), m, w) != TALLY_OK) abort();
    for (int i = 0; i < TIMES; i++) {
        double start = now();
        if (tally_scorer_run(&s, &logit, x, 1) != TALLY_OK) abort();
        took[i] = 1e6 * (now() - start);
    }
    (void)printf("one row scored, %u inputs: %.2f us\n", m->inputs, median(took, TIMES));
    tally_scorer_free(&s);
    tally_backend_cpu.release(w);
    tally_backend_cpu.release(x);
}

static bool wanted(const struct cell *c, const char *only)
{
    char line[128];

    (void)snprintf(line, sizeof line, "%s batch %u %s", c->name, c->batch,
                   c->optimizer == TALLY_SGD ? "SGD" : "Adam");
    return strstr(line, only) != NULL;
}

int main(int argc, char **argv)
{
    static const uint32_t batches[] = {256, 1024, 8192};
    struct cell cells[] = {
        {.name = "30-256-256-1",      .model = {.inputs = 30, .hidden = {256, 256}, .n = 2}      },
        {.name = "100-512-512-512-1", .model = {.inputs = 100, .hidden = {512, 512, 512}, .n = 3}},
    };

    const char *only = argc > THREADS + 1 ? argv[THREADS + 1] : "";
    for (int i = 1; i < argc && i <= THREADS; i++) cores[i - 1] = atoi(argv[i]);
    pin(THREADS);
    prepare_peak();
    (void)gemm_rate(2);
    for (size_t n = 0; n < 2; n++) {
        measure_one_row(&cells[n].model);
        struct tally_table t = table_of(cells[n].model.inputs);
        for (size_t b = 0; b < 3; b++) {
            for (int adam = 0; adam < 2; adam++) {
                cells[n].batch = batches[b];
                cells[n].optimizer = adam != 0 ? TALLY_ADAM : TALLY_SGD;
                if (wanted(&cells[n], only)) measure(&cells[n], &t);
            }
        }
    }
    return 0;
}
