/* test_backend.c - the operations of every backend: published vectors in double
 * (model/bce_extremes, opt/local_optimizers, opt/fedprox), and cpu, with each instruction set,
 * against ref with the tolerance that backend.h states. */
#include "kernels/backend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/lanes.h"
#include "kernels/philox.h"
#include "kernels/random.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static void check_equal(double got, double want)
{
    ck_assert_msg(!(got < want) && !(got > want), "%.17g, wanted %.17g", got, want);
}

static const double TOLERANCE = 2e-6; /* backend.h: of the sum of absolute terms */

static void check_near(double got, double want, double within, const char *what)
{
    ck_assert_msg(fabs(got - want) <= within, "%s: %.17g, wanted %.17g within %g", what, got, want,
                  within);
}

static double field(const json_t *j, const char *key)
{
    return json_number_value(json_object_get(j, key));
}

static void numbers(double *to, const json_t *from, size_t n)
{
    ck_assert_uint_eq(json_array_size(from), n);
    for (size_t i = 0; i < n; i++) to[i] = json_number_value(json_array_get(from, i));
}

START_TEST(backends_have_these_names)
{
    ck_assert_ptr_eq(tally_backend_named("ref"), &tally_backend_ref);
    ck_assert_ptr_eq(tally_backend_named("ref64"), &tally_backend_ref64);
    ck_assert_ptr_eq(tally_backend_named("cpu"), &tally_backend_cpu);
    ck_assert_ptr_null(tally_backend_named("cuda"));
    ck_assert_ptr_null(tally_backend_named(""));
    ck_assert_ptr_null(tally_backend_named("CPU"));
}
END_TEST

static void check_extreme(const json_t *row)
{
    double z = field(row, "z");
    float y = (float)field(row, "y");
    double dz = -7;
    const struct tally_batch b = {.y = &y, .positive = 1, .scale = 1, .rows = 1};
    double loss = tally_backend_ref64.bce(&dz, &z, &b);
    const json_t *want_loss = json_object_get(row, "loss");
    const json_t *want_dz = json_object_get(row, "dloss_dz");

    ck_assert(isfinite(loss) && isfinite(dz));
    if (!json_is_null(want_loss)) { /* null: not representable; one subnormal step is allowed */
        double want = json_number_value(want_loss);
        check_near(loss, want, 1e-12 * fabs(want) + 0x1p-1074, "loss");
    }
    if (!json_is_null(want_dz)) {
        double want = json_number_value(want_dz);
        check_near(dz, want, 1e-12 * fabs(want) + 0x1p-1074, "slope");
    }
}

START_TEST(the_loss_is_right_at_published_extremes)
{
    json_t *j = tally_vectors_json("vectors/model/bce_extremes.json");
    size_t i;
    json_t *row;

    ck_assert_uint_ge(json_array_size(json_object_get(j, "rows")), 30);
    json_array_foreach(json_object_get(j, "rows"), i, row) check_extreme(row);
    json_decref(j);
}
END_TEST

/* Every float backend: near the double result over the whole range, never NaN. */
START_TEST(the_loss_in_float_is_stable_from_end_to_end)
{
    static const char *const names[] = {"ref", "cpu"};
    const struct tally_backend *backend = tally_backend_named(names[_i % 2]);
    const double focal = _i / 2 * 1.25;         /* 0: the plain loss */
    const double within = _i < 2 ? 1e-6 : 4e-6; /* e^-a has a relative error of a 2^-24 and more */

    for (float z = -3e38F; z < 3e38F; z = z < -1e-6F  ? z * 0.93F
                                          : z > 1e-6F ? z * 1.07F
                                                      : z + 3e-7F) {
        for (int positive = 0; positive < 2; positive++) {
            float y = (float)positive;
            float dz = NAN;
            double wide = (double)z;
            double want_dz;
            const struct tally_batch b = {
                .y = &y, .positive = 3, .scale = 0.5, .focal = focal, .rows = 1};
            double loss = backend->bce(&dz, &z, &b);
            double want = tally_backend_ref64.bce(&want_dz, &wide, &b);
            check_near(loss, want, within * fabs(want) + 1e-35, "loss");
            check_near((double)dz, want_dz, within * fabs(want_dz) + 1e-35, "slope");
        }
    }
}
END_TEST

START_TEST(what_is_not_finite_stays_so)
{
    static const char *const names[] = {"ref", "ref64", "cpu"};
    const struct tally_backend *b = tally_backend_named(names[_i]);
    const float nan_and_zeros[] = {NAN, 0};
    const float one[] = {1};
    const float label[] = {1};
    double out[1];
    void *x = b->alloc(2);
    void *w = b->alloc(1);
    void *z = b->alloc(1);

    b->put(x, nan_and_zeros, 2);
    b->put(w, one, 1);
    b->dense(z, x, (struct tally_weights){.w = w, .bias = tally_real_of(b, x, 1)},
             (struct tally_dense){.rows = 1, .in = 1, .out = 1}, true);
    b->get(out, z, 1);
    ck_assert(isnan(out[0]));
    const struct tally_batch batch = {.y = label, .positive = 1, .scale = 1, .rows = 1};
    ck_assert(!isfinite(b->bce(x, z, &batch)));
    b->release(x);
    b->release(w);
    b->release(z);
    b->release(NULL);
}
END_TEST

enum { STEPS = 6, DIM = 6 };

/* The constants of step t, as PyTorch's documentation has them. */
static struct tally_step step_at(const json_t *how, enum tally_optimizer kind, int t)
{
    struct tally_step s = {.kind = kind,
                           .rate = field(how, "lr"),
                           .momentum = field(how, "momentum"),
                           .epsilon = field(how, "eps"),
                           .root_v = 1,
                           .decay = field(how, "lr") * field(how, "weight_decay")};

    if (kind == TALLY_ADAM || kind == TALLY_ADAMW) {
        s.beta1 = json_number_value(json_array_get(json_object_get(how, "betas"), 0));
        s.beta2 = json_number_value(json_array_get(json_object_get(how, "betas"), 1));
        s.rate /= 1 - pow(s.beta1, t);
        s.root_v = 1 / sqrt(1 - pow(s.beta2, t));
    }
    return s;
}

START_TEST(optimisers_follow_the_published_traces)
{
    static const char *const names[] = {"sgd", "sgd_momentum", "adam", "adamw"};
    json_t *j = tally_vectors_json("vectors/opt/local_optimizers.json");
    const json_t *how = json_object_get(j, names[_i]);
    double w[DIM];
    double m[DIM] = {0};
    double v[DIM] = {0};

    ck_assert_ptr_nonnull(how);
    numbers(w, json_object_get(j, "w0"), DIM);
    ck_assert_uint_eq(json_array_size(json_object_get(how, "trace")), STEPS);
    for (int t = 0; t < STEPS; t++) {
        double g[DIM];
        double want[DIM];
        numbers(g, json_array_get(json_object_get(j, "grads"), (size_t)t), DIM);
        numbers(want, json_array_get(json_object_get(how, "trace"), (size_t)t), DIM);
        struct tally_step s = step_at(how, (enum tally_optimizer)(TALLY_SGD + _i), t + 1);
        tally_backend_ref64.step((struct tally_step_arrays){.w = w, .g = g, .m = m, .v = v}, &s,
                                 DIM);
        for (size_t i = 0; i < DIM; i++) check_near(w[i], want[i], 1e-12, names[_i]);
    }
    json_decref(j);
}
END_TEST

enum { PROX_DIM = 5, PROX_SITES = 4 };

/* Site k runs tau_k steps of plain gradient descent on sum of a (y - c)^2 / 2 plus the proximal
 * term; then y - x is added up by share. */
static void prox_round(double *x, const json_t *j)
{
    double sum[PROX_DIM] = {0};
    double examples[PROX_SITES];
    double total = 0;
    const struct tally_step s = {.kind = TALLY_SGD, .rate = field(j, "eta")};

    numbers(examples, json_object_get(j, "n"), PROX_SITES);
    for (size_t k = 0; k < PROX_SITES; k++) total += examples[k];
    for (size_t k = 0; k < PROX_SITES; k++) {
        double a[PROX_DIM];
        double c[PROX_DIM];
        double y[PROX_DIM];
        numbers(a, json_array_get(json_object_get(j, "a"), k), PROX_DIM);
        numbers(c, json_array_get(json_object_get(j, "c"), k), PROX_DIM);
        memcpy(y, x, sizeof y);
        json_int_t tau = json_integer_value(json_array_get(json_object_get(j, "taus"), k));
        for (json_int_t t = 0; t < tau; t++) {
            double g[PROX_DIM];
            for (size_t i = 0; i < PROX_DIM; i++) g[i] = a[i] * (y[i] - c[i]);
            tally_backend_ref64.prox(g, y, x, field(j, "mu"), PROX_DIM);
            tally_backend_ref64.step((struct tally_step_arrays){.w = y, .g = g}, &s, PROX_DIM);
        }
        for (size_t i = 0; i < PROX_DIM; i++) sum[i] += examples[k] / total * y[i];
    }
    memcpy(x, sum, sizeof sum);
}

START_TEST(the_proximal_term_follows_the_published_rounds)
{
    json_t *j = tally_vectors_json("vectors/opt/fedprox.json");
    const json_t *rounds = json_object_get(j, "x_per_round");
    double x[PROX_DIM];

    numbers(x, json_object_get(j, "x0"), PROX_DIM);
    ck_assert_uint_eq(json_array_size(rounds), 3);
    for (size_t r = 0; r < 3; r++) {
        double want[PROX_DIM];
        numbers(want, json_array_get(rounds, r), PROX_DIM);
        prox_round(x, j);
        for (size_t i = 0; i < PROX_DIM; i++) check_near(x[i], want[i], 1e-12, "x");
    }
    json_decref(j);
}
END_TEST

/* n floats in (-1, 1), exact size so that a sanitizer sees one too far; some are zero. */
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

static void check_all(const float *got, const float *want, size_t n, double scale)
{
    for (size_t i = 0; i < n; i++)
        check_near((double)got[i], (double)want[i], TOLERANCE * scale, "element");
}

static const struct tally_dense SHAPES[] = {
    {1,   1,  1,  0},
    {1,   7,  1,  0},
    {3,   1,  5,  0},
    {2,   3,  2,  0},
    {17,  31, 1,  0},
    {33,  15, 17, 0},
    {64,  50, 64, 0},
    {129, 65, 33, 0},
    {5,   16, 48, 0},
};

/* Each element within the tolerance times what the sum of its absolute terms is. */
static void check_sums(const float *got, const float *want, const float *sizes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_near((double)got[i], (double)want[i], TOLERANCE * (double)sizes[i], "element");
}

struct layer_data {
    float *x, *w, *w_t, *bias, *dz, *out;
};

static struct layer_data layer_data(struct tally_dense s)
{
    return (struct layer_data){.x = some(s.rows * s.in, 1),
                               .w = some(s.out * s.in, 2),
                               .w_t = some(s.out * s.in, 2),
                               .bias = some(s.out, 3),
                               .dz = some(s.rows * s.out, 4),
                               .out = some(s.rows * (s.in + s.out) + s.out * (s.in + 1), 5)};
}

static void drop(struct layer_data *d)
{
    free(d->x);
    free(d->w);
    free(d->w_t);
    free(d->bias);
    free(d->dz);
    free(d->out);
}

static struct tally_weights parts(struct layer_data *d, struct tally_dense s)
{
    tally_backend_cpu.transpose(d->w_t, d->w, s);
    return (struct tally_weights){.w = d->w, .w_t = d->w_t, .bias = d->bias};
}

static void absolute(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = fabsf(x[i]);
}

/* The same layer with every number's sign dropped adds up the absolute terms. */
START_TEST(layers_on_cpu_match_ref)
{
    const struct tally_backend *cpu = tally_backend_named("cpu");
    const struct tally_backend *ref = tally_backend_named("ref");
    const struct tally_dense s = SHAPES[_i];
    size_t weights = s.out * s.in;
    struct layer_data a = layer_data(s); /* cpu's and ref's inputs */
    struct layer_data b = layer_data(s); /* the same, absolute */
    struct layer_data c = layer_data(s);

    absolute(b.x, s.rows * s.in);
    absolute(b.w, weights);
    absolute(b.bias, s.out);
    absolute(b.dz, s.rows * s.out);
    ref->dense(b.out, b.x, parts(&b, s), s, false);
    for (int relu = 0; relu < 2; relu++) {
        cpu->dense(a.out, a.x, parts(&a, s), s, relu != 0);
        ref->dense(c.out, a.x, parts(&a, s), s, relu != 0);
        check_sums(a.out, c.out, b.out, s.rows * s.out);
    }
    cpu->dense_dw(a.out, a.out + weights, a.dz, a.x, s, false);
    ref->dense_dw(c.out, c.out + weights, a.dz, a.x, s, false);
    ref->dense_dw(b.out, b.out + weights, b.dz, b.x, s, false);
    check_sums(a.out, c.out, b.out, weights + s.out);
    cpu->dense_dx(a.out, a.dz, a.w, a.x, s);
    ref->dense_dx(c.out, a.dz, a.w, a.x, s);
    ref->dense_dx(b.out, b.dz, b.w, b.x, s);
    check_sums(a.out, c.out, b.out, s.rows * s.in);
    drop(&a);
    drop(&b);
    drop(&c);
}
END_TEST

static const size_t LENGTHS[] = {0, 1, 3, 8, 15, 63, 64, 65, 127, 1000};

START_TEST(the_loss_on_every_instruction_set_matches_ref)
{
    const struct tally_lanes *lanes[3] = {&tally_lanes_base};
    size_t sets = 1;
    size_t n = LENGTHS[_i];
    float *z = some(n, 1);
    float *y = some(n, 2);
    float *weight = some(n, 3);
    float *got = some(n, 4);
    float *want = some(n, 5);

    if (__builtin_cpu_supports("avx2")) lanes[sets++] = &tally_lanes_avx2;
    if (__builtin_cpu_supports("avx512f")) lanes[sets++] = &tally_lanes_avx512;
    for (size_t i = 0; i < n; i++) {
        z[i] *= 30;
        y[i] = y[i] > 0 ? 1.0F : 0.0F;
        weight[i] = fabsf(weight[i]);
    }
    for (int weighted = 0; weighted < 2; weighted++) {
        const struct tally_batch b = {.y = y,
                                      .weight = weighted != 0 ? weight : NULL,
                                      .positive = 3.5,
                                      .scale = 0.25,
                                      .focal = weighted * 2,
                                      .rows = n};
        double want_loss = tally_backend_ref.bce(want, z, &b);
        for (size_t k = 0; k < sets; k++) {
            check_near(lanes[k]->bce(got, z, &b), want_loss, TOLERANCE * want_loss, "loss");
            check_all(got, want, n, 1);
        }
    }
    float *const all[] = {z, y, weight, got, want};
    for (size_t i = 0; i < 5; i++) free(all[i]);
}
END_TEST

static void check_steps(const struct tally_lanes *lanes, enum tally_optimizer kind, size_t n)
{
    float *g = some(n, 9);
    float *base = some(n, 10);
    float *state[2][3];
    struct tally_step s = {.kind = kind,
                           .rate = 0.01,
                           .momentum = 0.9,
                           .beta1 = 0.9,
                           .beta2 = 0.999,
                           .root_v = 3,
                           .decay = 0.02,
                           .epsilon = 1e-8};

    for (size_t i = 0; i < 6; i++) state[i / 3][i % 3] = some(n, i % 3);
    for (size_t i = 0; i < n; i++) state[0][2][i] = state[1][2][i] = 0.01F + fabsf(state[0][2][i]);
    for (int t = 0; t < 5; t++) {
        for (int side = 0; side < 2; side++) {
            float **a = state[side];
            const struct tally_step_arrays arrays = {.w = a[0], .g = g, .m = a[1], .v = a[2]};
            (side == 0 ? lanes->step : tally_backend_ref.step)(arrays, &s, n);
        }
        for (int k = 0; k < 3; k++) check_all(state[0][k], state[1][k], n, 1);
    }
    lanes->prox(state[0][0], g, base, 0.3F, n);
    tally_backend_ref.prox(state[1][0], g, base, 0.3, n);
    check_all(state[0][0], state[1][0], n, 1);
    for (size_t i = 0; i < 6; i++) free(state[i / 3][i % 3]);
    free(g);
    free(base);
}

START_TEST(steps_on_every_instruction_set_match_ref)
{
    for (int kind = TALLY_SGD; kind <= TALLY_ADAMW; kind++) {
        check_steps(&tally_lanes_base, (enum tally_optimizer)kind, LENGTHS[_i]);
        if (__builtin_cpu_supports("avx2"))
            check_steps(&tally_lanes_avx2, (enum tally_optimizer)kind, LENGTHS[_i]);
        if (__builtin_cpu_supports("avx512f"))
            check_steps(&tally_lanes_avx512, (enum tally_optimizer)kind, LENGTHS[_i]);
    }
}
END_TEST

START_TEST(philox_gives_the_published_numbers)
{
    static const uint32_t known[3][10] = {
        {0,          0,          0,          0,          0,          0,          0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
         0x41c83b0e,                                                                                     0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb,                                                                                     0x5001e420, 0x24126ea1},
    };

    for (size_t i = 0; i < 3; i++) {
        uint32_t c[4];
        memcpy(c, known[i], sizeof c);
        tally_philox(c, known[i][4], known[i][5]);
        ck_assert_mem_eq(c, known[i] + 6, sizeof c);
    }
}
END_TEST

/* The same mask as ref's, bit for bit, however it is cut; about as many dropped as asked for. */
START_TEST(dropout_on_every_instruction_set_is_ref_s)
{
    static const size_t widths[] = {1, 7, 8, 127, 128, 129, 300};
    const struct tally_lanes *lanes[] = {&tally_lanes_base, tally_lanes_here()};
    const struct tally_dropout d = {
        .seed = 0x123456789abcdef0, .step = 0x500000007, .layer = 3, .below = 19661};
    enum { ROWS = 40 };

    for (size_t k = 0; k < 7; k++) {
        const struct tally_dense s = {.rows = ROWS, .out = widths[k], .out_row = widths[k] + 1};
        size_t n = ROWS * s.out_row;
        float *want = some(n, 1);
        tally_backend_ref.dropout(want, &d, 5, s);
        for (size_t l = 0; l < 2; l++) {
            float *got = some(n, 1);
            lanes[l]->dropout(got, &d, 5,
                              (struct tally_dense){.rows = 9, .out = s.out, .out_row = s.out_row});
            lanes[l]->dropout(
                got + 9 * s.out_row, &d, 14,
                (struct tally_dense){.rows = ROWS - 9, .out = s.out, .out_row = s.out_row});
            check_all(got, want, n, 0.5);
            for (size_t i = 0; i < n; i++)
                ck_assert((got[i] > 0 || got[i] < 0) == (want[i] > 0 || want[i] < 0));
            free(got);
        }
        free(want);
    }
    float ones[ROWS * 300];
    size_t dropped = 0;
    for (size_t i = 0; i < ROWS * 300; i++) ones[i] = 1;
    tally_backend_cpu.dropout(ones, &d, 0, (struct tally_dense){.rows = ROWS, .out = 300});
    for (size_t i = 0; i < ROWS * 300; i++) dropped += ones[i] < 1;
    check_near((double)dropped / (ROWS * 300), 0.3, 0.02, "share");
}
END_TEST

START_TEST(ghost_norms_and_sums_match_ref)
{
    const struct tally_dense s = SHAPES[_i];
    struct layer_data a = layer_data(s);
    const struct tally_lanes *lanes[] = {&tally_lanes_base, tally_lanes_here()};
    struct tally_dense strided = s;
    strided.out_row = s.out;

    for (size_t l = 0; l < 2; l++) {
        double got[129] = {0};
        double want[129] = {0};
        lanes[l]->ghost_rows(got, a.dz, a.x, strided);
        tally_backend_ref.ghost_rows(want, a.dz, a.x, s);
        for (size_t r = 0; r < s.rows; r++) check_near(got[r], want[r], 2e-6 * want[r], "row");
        double group = tally_backend_ref.ghost_group(a.dz, a.x, s);
        double whole = 0;
        for (size_t r = 0; r < s.rows; r++) whole += want[r];
        check_near(lanes[l]->ghost_group(a.dz, a.x, strided), group,
                   2e-6 * (group + whole * (double)s.rows), "group");
        size_t n = s.rows * s.out;
        float *x = some(n, 4);
        float *y = some(n, 4);
        for (size_t r = 0; r < s.rows; r++) want[r] = r % 3 == 0 ? 0 : 0.3;
        x[0] = y[0] = NAN;
        lanes[l]->scale_rows(x, want, strided);
        tally_backend_ref.scale_rows(y, want, s);
        check_all(x, y, n, 1);
        check_near(lanes[l]->square(a.x, s.rows * s.in),
                   tally_backend_ref.square(a.x, s.rows * s.in), 1e-12 * (double)(s.rows * s.in),
                   "square");
        lanes[l]->scale(x, 0.7F, n);
        tally_backend_ref.scale(y, 0.7, n);
        check_all(x, y, n, 1);
        free(x);
        free(y);
    }
    drop(&a);
}
END_TEST

START_TEST(gathered_rows_are_the_rows_asked_for)
{
    static const char *const names[] = {"ref", "ref64", "cpu"};
    const struct tally_backend *b = tally_backend_named(names[_i]);
    enum { ROWS = 40, WIDTH = 19, TAKEN = 25 };
    float *table = some((size_t)ROWS * WIDTH, 1);
    uint32_t rows[TAKEN];
    double got[TAKEN * WIDTH];
    void *x = b->alloc((size_t)TAKEN * WIDTH);

    for (uint32_t i = 0; i < TAKEN; i++) rows[i] = (i * 7 + 3) % ROWS;
    b->gather(x, table, rows, TAKEN, WIDTH);
    b->get(got, x, (size_t)TAKEN * WIDTH);
    for (size_t i = 0; i < TAKEN; i++)
        for (size_t k = 0; k < WIDTH; k++)
            check_equal(got[i * WIDTH + k], (double)table[rows[i] * WIDTH + k]);
    b->release(x);
    free(table);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("backend");
    const int lengths = sizeof LENGTHS / sizeof LENGTHS[0];

    tcase_add_test(t, backends_have_these_names);
    tcase_add_test(t, the_loss_is_right_at_published_extremes);
    tcase_add_loop_test(t, the_loss_in_float_is_stable_from_end_to_end, 0, 6);
    tcase_add_loop_test(t, what_is_not_finite_stays_so, 0, 3);
    tcase_add_loop_test(t, optimisers_follow_the_published_traces, 0, 4);
    tcase_add_test(t, the_proximal_term_follows_the_published_rounds);
    tcase_add_loop_test(t, layers_on_cpu_match_ref, 0, sizeof SHAPES / sizeof SHAPES[0]);
    tcase_add_loop_test(t, the_loss_on_every_instruction_set_matches_ref, 0, lengths);
    tcase_add_loop_test(t, steps_on_every_instruction_set_match_ref, 0, lengths);
    tcase_add_test(t, philox_gives_the_published_numbers);
    tcase_add_test(t, dropout_on_every_instruction_set_is_ref_s);
    tcase_add_loop_test(t, ghost_norms_and_sums_match_ref, 0, sizeof SHAPES / sizeof SHAPES[0]);
    tcase_add_loop_test(t, gathered_rows_are_the_rows_asked_for, 0, 3);
    return tally_suite_run("backend", t);
}
