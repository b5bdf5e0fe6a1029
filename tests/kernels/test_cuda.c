/* test_cuda.c - the cuda backend on a device made of host memory (tests/cudashim/shim.h), or, as
 * tests/gpu/run does it, on a real one: every operation against ref with the tolerance of
 * backend.h, the mean bit for bit. */
#include "kernels/backend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/random.h"
#include "tests/cudashim/shim.h"
#include "tests/lib/suite.h"

static const double TOLERANCE = 2e-6; /* backend.h: of the sum of absolute terms */

/* The ways in which the device may run, and what cuBLASLt may not know. */
static const struct {
    bool eager, backwards, no_fusion, no_lt;
} MODES[] = {
    {false, false, false, false},
    {true,  true,  false, false},
    {false, false, true,  false},
    {false, true,  false, true },
};
enum { MODES_N = sizeof MODES / sizeof MODES[0] };

static const struct tally_backend *cuda, *ref;

static void in_mode(int i)
{
    tally_shim_reset();
    tally_shim.eager = MODES[i].eager;
    tally_shim.backwards = MODES[i].backwards;
    tally_shim.no_fusion = MODES[i].no_fusion;
    tally_shim.no_lt = MODES[i].no_lt;
}

static void check_alive(void)
{
    ck_assert_msg(cuda->failed() == NULL, "%s", cuda->failed());
}

/* n floats in (-1, 1); some are zero. */
static float *some(size_t n, uint64_t name)
{
    struct tally_random r = tally_random_from(5, name, n);
    float *x = malloc((n != 0 ? n : 1) * sizeof *x);

    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < n; i++) {
        x[i] = tally_random_symmetric(&r);
        if (tally_random_below(&r, 8) == 0) x[i] = 0;
    }
    return x;
}

/* An array on the backend with these floats, the first one `shift` floats off its beginning. */
struct array {
    void *memory, *at;
    size_t n;
};

static struct array up(const float *from, size_t n, size_t shift)
{
    struct array a = {.memory = cuda->alloc(n + shift), .n = n};

    ck_assert_ptr_nonnull(a.memory);
    a.at = tally_real_at(cuda, a.memory, shift);
    cuda->put(a.at, from, n);
    return a;
}

static double *down(const struct array *a)
{
    double *to = malloc((a->n != 0 ? a->n : 1) * sizeof *to);

    ck_assert_ptr_nonnull(to);
    cuda->get(to, a->at, a->n);
    check_alive();
    return to;
}

/* Each element within the tolerance times what the sum of its absolute terms is. */
static void check_sums(const struct array *a, const float *want, const float *sizes)
{
    double *got = down(a);

    size_t i = 0;
    while (i < a->n && fabs(got[i] - (double)want[i]) <= TOLERANCE * (double)sizes[i]) i++;
    if (i < a->n)
        ck_abort_msg("element %zu of %zu: %.9g, wanted %.9g of %g", i, a->n, got[i],
                     (double)want[i], (double)sizes[i]);
    free(got);
}

static const struct tally_dense SHAPES[] = {
    {1,   1,  1,  0 },
    {1,   7,  1,  0 },
    {3,   1,  5,  0 },
    {17,  31, 1,  0 },
    {33,  15, 17, 0 },
    {64,  50, 64, 0 },
    {129, 65, 33, 0 },
    {300, 3,  2,  5 },
    {20,  16, 4,  48},
};

/* One layer: what goes in, the same without signs, and room for what comes out. */
struct layer {
    struct tally_dense s;
    size_t z; /* floats of z and dz, strides included */
    float *x, *w, *bias, *dz, *abs_x, *abs_w, *abs_bias, *abs_dz, *want, *size;
};

static float *absolute(const float *x, size_t n)
{
    float *to = malloc((n != 0 ? n : 1) * sizeof *to);

    ck_assert_ptr_nonnull(to);
    for (size_t i = 0; i < n; i++) to[i] = fabsf(x[i]);
    return to;
}

static struct layer layer_of(struct tally_dense s)
{
    size_t row = s.out_row != 0 ? s.out_row : s.out;
    struct layer l = {.s = s, .z = (s.rows - 1) * row + s.out};
    size_t most = l.z + s.rows * s.in + s.out * (s.in + 1);

    l.x = some(s.rows * s.in, 1);
    l.w = some(s.out * s.in, 2);
    l.bias = some(s.out, 3);
    l.dz = some(l.z, 4);
    l.abs_x = absolute(l.x, s.rows * s.in);
    l.abs_w = absolute(l.w, s.out * s.in);
    l.abs_bias = absolute(l.bias, s.out);
    l.abs_dz = absolute(l.dz, l.z);
    l.want = calloc(most, sizeof *l.want);
    l.size = calloc(most, sizeof *l.size);
    ck_assert(l.want != NULL && l.size != NULL);
    return l;
}

static void drop(struct layer *l)
{
    float *const all[] = {l->x,     l->w,        l->bias,   l->dz,   l->abs_x,
                          l->abs_w, l->abs_bias, l->abs_dz, l->want, l->size};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
}

static void check_forward(struct layer *l, const struct array *x, const struct array *w,
                          const struct array *bias)
{
    const struct tally_weights on = {.w = w->at, .bias = bias->at};
    const struct tally_weights here = {.w = l->w, .bias = l->bias};
    const struct tally_weights sizes = {.w = l->abs_w, .bias = l->abs_bias};

    ref->dense(l->size, l->abs_x, sizes, l->s, false);
    for (int relu = 0; relu < 2; relu++) {
        memset(l->want, 0, l->z * sizeof *l->want);
        struct array z = up(l->want, l->z, 0);
        cuda->dense(z.at, x->at, on, l->s, relu != 0);
        ref->dense(l->want, l->x, here, l->s, relu != 0);
        check_sums(&z, l->want, l->size);
        cuda->release(z.memory);
    }
}

static void check_weights(struct layer *l, const struct array *x, const struct array *dz)
{
    size_t n = l->s.out * l->s.in;
    struct array dw = up(l->want, n + l->s.out, 0);

    for (int add = 0; add < 2; add++) {
        cuda->dense_dw(dw.at, tally_real_at(cuda, dw.at, n), dz->at, x->at, l->s, add != 0);
        ref->dense_dw(l->want, l->want + n, l->dz, l->x, l->s, add != 0);
        ref->dense_dw(l->size, l->size + n, l->abs_dz, l->abs_x, l->s, add != 0);
        check_sums(&dw, l->want, l->size);
    }
    cuda->release(dw.memory);
}

static void check_inputs(struct layer *l, const struct array *x, const struct array *w,
                         const struct array *dz)
{
    struct array dx = up(l->want, l->s.rows * l->s.in, 0);

    cuda->dense_dx(dx.at, dz->at, w->at, x->at, l->s);
    ref->dense_dx(l->want, l->dz, l->w, l->x, l->s);
    ref->dense_dx(l->size, l->abs_dz, l->abs_w, l->abs_x, l->s);
    check_sums(&dx, l->want, l->size);
    cuda->release(dx.memory);
}

/* Twice, so that the second time finds the shape known; with weights on an odd address, too. */
START_TEST(layers_match_ref)
{
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        for (size_t shift = 0; shift < 3; shift++) {
            in_mode(_i);
            struct layer l = layer_of(SHAPES[i]);
            struct array x = up(l.x, l.s.rows * l.s.in, 0);
            struct array w = up(l.w, l.s.out * l.s.in, shift);
            struct array bias = up(l.bias, l.s.out, shift);
            struct array dz = up(l.dz, l.z, 0);
            check_forward(&l, &x, &w, &bias);
            check_forward(&l, &x, &w, &bias);
            check_weights(&l, &x, &dz);
            check_inputs(&l, &x, &w, &dz);
            struct array *const all[] = {&x, &w, &bias, &dz};
            for (size_t k = 0; k < 4; k++) cuda->release(all[k]->memory);
            drop(&l);
        }
    }
}
END_TEST

START_TEST(layers_without_rows_do_nothing)
{
    const float one[6] = {1, 2, 3, 4, 5, 6};
    const struct tally_dense s = {.rows = 0, .in = 2, .out = 2};
    const float none[6] = {0};
    float want[6];

    in_mode(_i);
    struct array a = up(one, 6, 0);
    struct array x = up(one, 6, 0);
    cuda->dense(a.at, x.at, (struct tally_weights){.w = x.at, .bias = x.at}, s, true);
    cuda->dense_dx(a.at, x.at, x.at, x.at, s);
    cuda->dense_dw(a.at, tally_real_at(cuda, a.at, 4), x.at, x.at, s, true);
    memcpy(want, one, sizeof want);
    check_sums(&a, want, none);
    cuda->dense_dw(a.at, tally_real_at(cuda, a.at, 4), x.at, x.at, s, false);
    check_sums(&a, none, none);
    cuda->release(a.memory);
    cuda->release(x.memory);
}
END_TEST

static const size_t LENGTHS[] = {0, 1, 3, 8, 63, 64, 65, 255, 256, 257, 1000};
enum { LENGTHS_N = sizeof LENGTHS / sizeof LENGTHS[0] };

static void check_loss(size_t n, const float *weight, double focal)
{
    float *z = some(n, 1);
    float *y = some(n, 2);
    float *want = some(n, 5);
    float *size = some(n, 6);

    for (size_t i = 0; i < n; i++) {
        z[i] *= i % 7 == 0 ? 3e38F : 30;
        y[i] = y[i] > 0 ? 1.0F : 0.0F;
        size[i] = 3.5F;
    }
    const struct tally_batch b = {
        .y = y, .weight = weight, .positive = 3.5, .scale = 0.25, .focal = focal, .rows = n};
    struct array on = up(z, n, 0);
    struct array dz = up(z, n, 1);
    double want_loss = ref->bce(want, z, &b);
    double loss = cuda->bce(dz.at, on.at, &b);
    ck_assert_msg(fabs(loss - want_loss) <= TOLERANCE * want_loss, "%.17g, wanted %.17g", loss,
                  want_loss);
    check_sums(&dz, want, size);
    cuda->release(on.memory);
    cuda->release(dz.memory);
    float *const all[] = {z, y, want, size};
    for (size_t i = 0; i < 4; i++) free(all[i]);
}

START_TEST(the_loss_matches_ref)
{
    for (size_t i = 0; i < LENGTHS_N; i++) {
        float *weight = some(LENGTHS[i], 3);
        for (size_t k = 0; k < LENGTHS[i]; k++) weight[k] = fabsf(weight[k]);
        in_mode(_i);
        check_loss(LENGTHS[i], NULL, 0);
        check_loss(LENGTHS[i], weight, 0);
        check_loss(LENGTHS[i], weight, 2);
        free(weight);
    }
}
END_TEST

static void check_steps(enum tally_optimizer kind, size_t n)
{
    const struct tally_step s = {.kind = kind,
                                 .rate = 0.01,
                                 .momentum = 0.9,
                                 .beta1 = 0.9,
                                 .beta2 = 0.999,
                                 .root_v = 3,
                                 .decay = 0.001,
                                 .epsilon = 1e-8};
    float *host[5]; /* w, m, v, g, size */
    struct array on[4];

    for (uint64_t i = 0; i < 5; i++) host[i] = some(n, i);
    for (size_t i = 0; i < n; i++) {
        host[2][i] = 0.01F + fabsf(host[2][i]);
        host[4][i] = 1;
    }
    for (size_t i = 0; i < 4; i++) on[i] = up(host[i], n, i);
    for (int t = 0; t < 5; t++) {
        cuda->prox(on[3].at, on[0].at, on[2].at, 0.3, n);
        ref->prox(host[3], host[0], host[2], 0.3, n);
        cuda->step((struct tally_step_arrays){on[0].at, on[3].at, on[1].at, on[2].at}, &s, n);
        ref->step((struct tally_step_arrays){host[0], host[3], host[1], host[2]}, &s, n);
    }
    for (size_t i = 0; i < 4; i++) check_sums(&on[i], host[i], host[4]);
    for (size_t i = 0; i < 4; i++) cuda->release(on[i].memory);
    for (size_t i = 0; i < 5; i++) free(host[i]);
}

START_TEST(steps_match_ref)
{
    for (int kind = TALLY_SGD; kind <= TALLY_ADAMW; kind++) {
        for (size_t i = 0; i < LENGTHS_N; i++) {
            in_mode(_i);
            check_steps((enum tally_optimizer)kind, LENGTHS[i]);
        }
    }
}
END_TEST

/* Near the double result over the whole range of a float, and never NaN. */
START_TEST(the_loss_is_stable_from_end_to_end)
{
    in_mode(_i);
    void *on = cuda->alloc(1);
    for (float z = -3e38F; z < 3e38F; z = z < -1e-6F  ? z * 0.8F
                                          : z > 1e-6F ? z * 1.2F
                                                      : z + 3e-7F) {
        for (int k = 0; k < 4; k++) {
            float y = (float)(k % 2);
            double wide = (double)z;
            double want_dz;
            double dz;
            const struct tally_batch b = {
                .y = &y, .positive = 3, .scale = 0.5, .focal = k / 2 * 2, .rows = 1};
            cuda->put(on, &z, 1);
            double loss = cuda->bce(on, on, &b);
            double want = tally_backend_ref64.bce(&want_dz, &wide, &b);
            cuda->get(&dz, on, 1);
            ck_assert_msg(fabs(loss - want) <= 2e-6 * fabs(want) + 1e-36, "%g: %.9g not %.9g", wide,
                          loss, want);
            ck_assert_msg(fabs(dz - want_dz) <= 2e-6 * fabs(want_dz) + 1e-36, "%g: %.9g not %.9g",
                          wide, dz, want_dz);
        }
    }
    cuda->release(on);
}
END_TEST

/* The same units for the same seed, step, layer and row, whoever asks and for which rows. */
START_TEST(dropout_has_ref_s_masks)
{
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        in_mode(_i);
        struct layer l = layer_of(SHAPES[i]);
        const struct tally_dropout o = {
            .seed = 0x123456789abcdefU, .step = 0x55aa00ff11U, .layer = 3, .below = 20000};
        struct array x = up(l.dz, l.z, 0);
        cuda->dropout(x.at, &o, 7, l.s);
        memcpy(l.want, l.dz, l.z * sizeof *l.want);
        ref->dropout(l.want, &o, 7, l.s);
        check_sums(&x, l.want, l.abs_dz);
        cuda->release(x.memory);
        drop(&l);
    }
}
END_TEST

static void check_near(double got, double want, double size)
{
    ck_assert_msg(fabs(got - want) <= TOLERANCE * size, "%.17g, wanted %.17g", got, want);
}

START_TEST(norms_and_clipping_match_ref)
{
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        in_mode(_i);
        struct layer l = layer_of(SHAPES[i]);
        struct array x = up(l.x, l.s.rows * l.s.in, 0);
        struct array dz = up(l.dz, l.z, 1);
        double got[300];
        double want[300];
        for (size_t r = 0; r < l.s.rows; r++) got[r] = want[r] = (double)r;
        cuda->ghost_rows(got, dz.at, x.at, l.s);
        ref->ghost_rows(want, l.dz, l.x, l.s);
        for (size_t r = 0; r < l.s.rows; r++) check_near(got[r], want[r], want[r]);
        check_near(cuda->ghost_group(dz.at, x.at, l.s), ref->ghost_group(l.dz, l.x, l.s),
                   ref->ghost_group(l.abs_dz, l.abs_x, l.s));
        check_near(cuda->square(dz.at, l.z), ref->square(l.dz, l.z), ref->square(l.dz, l.z));
        for (size_t r = 0; r < l.s.rows; r++) want[r] = r % 5 == 0 ? 0 : 1.0 / (double)(r + 1);
        l.dz[0] = NAN; /* in a row with factor 0 */
        cuda->put(dz.at, l.dz, l.z);
        cuda->scale_rows(dz.at, want, l.s);
        ref->scale_rows(l.dz, want, l.s);
        cuda->scale(dz.at, 0.3, l.z);
        ref->scale(l.dz, 0.3, l.z);
        check_sums(&dz, l.dz, l.abs_dz);
        check_alive();
        cuda->release(x.memory);
        cuda->release(dz.memory);
        drop(&l);
    }
}
END_TEST

/* And all works again when what is left of it has been released. */
START_TEST(an_operation_without_memory_is_a_failure)
{
    const float one = 1;
    double number = 1;
    const struct tally_dense s = {1, 1, 1, 0};
    const struct tally_batch b = {.y = &one, .positive = 1, .scale = 1, .rows = 1};

    for (int i = 0; i < 4; i++) {
        in_mode(_i);
        struct array a = up(&one, 1, 0);
        tally_shim_fail(0, TALLY_SHIM_NO_MEMORY);
        if (i == 0) (void)cuda->bce(a.at, a.at, &b);
        if (i == 1) cuda->ghost_rows(&number, a.at, a.at, s);
        if (i == 2) cuda->scale_rows(a.at, &number, s);
        if (i == 3) (void)cuda->square(a.at, 1);
        ck_assert_int_eq(tally_backend_check(cuda), TALLY_E_STATE);
        ck_assert_ptr_nonnull(strstr(tally_why(), "cudaErrorMemoryAllocation"));
        cuda->release(a.memory);
    }
    struct array a = up(&one, 1, 0);
    check_alive();
    cuda->release(a.memory);
}
END_TEST

START_TEST(the_square_of_a_long_vector_matches_ref)
{
    for (size_t n = 0; n < 200000; n = n * 5 + 1) {
        float *g = some(n, 1);
        in_mode(_i);
        struct array on = up(g, n, 0);
        check_near(cuda->square(on.at, n), ref->square(g, n), ref->square(g, n));
        cuda->release(on.memory);
        free(g);
    }
}
END_TEST

/* Widths about the size of the staging memory, too: a row that fills it, and one beyond. */
START_TEST(gathered_rows_are_the_rows_asked_for)
{
    static const size_t widths[] = {1, 19, 1 << 17, 1 << 18, (1 << 18) + 1};

    for (size_t k = 0; k < 5; k++) {
        enum { ROWS = 4, TAKEN = 7 };
        size_t width = widths[k];
        float *table = some(ROWS * width, 1);
        uint32_t rows[TAKEN];
        float *zeros = calloc(TAKEN * width, sizeof *zeros);
        float *want = calloc(TAKEN * width, sizeof *want);
        in_mode(_i);
        struct array x = up(zeros, TAKEN * width, 0);
        for (uint32_t i = 0; i < TAKEN; i++) {
            rows[i] = (i * 7 + 3) % ROWS;
            memcpy(want + i * width, table + rows[i] * width, width * sizeof *want);
        }
        cuda->gather(x.at, table, rows, TAKEN, width);
        check_sums(&x, want, zeros);
        cuda->release(x.memory);
        free(table);
        free(zeros);
        free(want);
    }
}
END_TEST

START_TEST(numbers_come_back_as_they_went)
{
    const size_t n = (1 << 18) + 3; /* more than one stage */
    float *x = some(n, 1);
    float *zeros = calloc(n, sizeof *zeros);

    in_mode(_i);
    void *fresh = cuda->alloc(n);
    struct array a = {.memory = fresh, .at = fresh, .n = n};
    check_sums(&a, zeros, zeros);
    x[0] = 0x1p-149F;
    x[1] = 3.4028235e38F;
    cuda->put(a.at, x, n);
    check_sums(&a, x, zeros);
    cuda->release(fresh);
    cuda->release(NULL);
    free(x);
    free(zeros);
}
END_TEST

enum { SITES_MAX = 33, COORDINATES = 1000 };

struct sites {
    float *delta[SITES_MAX], *base;
    const float *deltas[SITES_MAX];
    uint32_t weights[SITES_MAX];
    struct tally_mean in;
};

static void make_sites(struct sites *t, uint32_t sites, bool base)
{
    static const float factor[] = {1, 1e30F, 1e-38F, 3e8F};

    t->base = some(COORDINATES, 99);
    t->in = (struct tally_mean){
        .deltas = t->deltas, .weights = t->weights, .sites = sites, .base = base ? t->base : NULL};
    for (uint32_t s = 0; s < sites; s++) {
        t->delta[s] = some(COORDINATES, s);
        for (size_t i = 0; i < COORDINATES; i++) t->delta[s][i] *= factor[(i + s) % 4];
        t->deltas[s] = t->delta[s];
        t->weights[s] = s * 7919U * 65537U % (1U << 29);
        t->in.total += t->weights[s];
    }
    if (t->in.total == 0) t->in.total = t->weights[0] = 3;
}

static void drop_sites(struct sites *t)
{
    for (uint32_t s = 0; s < t->in.sites; s++) free(t->delta[s]);
    free(t->base);
}

/* Over all sizes and a range in the middle, with what is outside untouched; in place, too. */
START_TEST(the_mean_has_the_bits_of_ref_and_cpu)
{
    static const uint32_t counts[] = {1, 2, 3, 4, 8, 9, 10, 32, 33};
    float want[COORDINATES];
    float got[COORDINATES];
    struct sites t = {0};

    for (size_t i = 0; i < 18; i++) {
        in_mode(_i);
        make_sites(&t, counts[i / 2], i % 2 == 0);
        for (size_t n = 0; n <= COORDINATES; n = n * 3 + 1) {
            memset(want, 0x55, sizeof want);
            memset(got, 0x55, sizeof got);
            size_t first = (COORDINATES - n) / 2;
            ck_assert(ref->mean(want, &t.in, first, n));
            ck_assert(cuda->mean(got, &t.in, first, n));
            ck_assert_mem_eq(got, want, sizeof got);
        }
        ck_assert(tally_backend_cpu.mean(want, &t.in, 0, COORDINATES));
        ck_assert(cuda->mean(t.base, &t.in, 0, COORDINATES));
        ck_assert_mem_eq(t.base, want, sizeof want);
        check_alive();
        drop_sites(&t);
    }
}
END_TEST

START_TEST(a_mean_that_is_not_finite_is_told)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    float out[COORDINATES];
    struct sites t = {0};

    in_mode(_i);
    make_sites(&t, 5, true);
    ck_assert(cuda->mean(out, &t.in, 0, COORDINATES));
    for (size_t i = 0; i < 3; i++) {
        t.delta[3][COORDINATES - 1] = bad[i];
        ck_assert(!cuda->mean(out, &t.in, 0, COORDINATES));
        ck_assert(cuda->mean(out, &t.in, 0, COORDINATES - 1));
    }
    check_alive();
    drop_sites(&t);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("cuda");

    cuda = tally_cuda_shim();
    bool simulated = strcmp(cuda->name, "cuda-shim") == 0;
    ref = tally_backend_named("ref");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, layers_match_ref, 0, MODES_N);
    tcase_add_loop_test(t, layers_without_rows_do_nothing, 0, MODES_N);
    tcase_add_loop_test(t, the_loss_matches_ref, 0, MODES_N);
    tcase_add_loop_test(t, the_loss_is_stable_from_end_to_end, 0, MODES_N);
    tcase_add_loop_test(t, dropout_has_ref_s_masks, 0, MODES_N);
    tcase_add_loop_test(t, norms_and_clipping_match_ref, 0, MODES_N);
    tcase_add_loop_test(t, an_operation_without_memory_is_a_failure, 0, simulated ? 1 : 0);
    tcase_add_loop_test(t, the_square_of_a_long_vector_matches_ref, 0, MODES_N);
    tcase_add_loop_test(t, steps_match_ref, 0, MODES_N);
    tcase_add_loop_test(t, gathered_rows_are_the_rows_asked_for, 0, MODES_N);
    tcase_add_loop_test(t, numbers_come_back_as_they_went, 0, MODES_N);
    tcase_add_loop_test(t, the_mean_has_the_bits_of_ref_and_cpu, 0, MODES_N);
    tcase_add_loop_test(t, a_mean_that_is_not_finite_is_told, 0, MODES_N);
    return tally_suite_run("cuda", t);
}
