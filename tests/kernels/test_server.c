/* test_server.c - kernels/server.c against vectors/opt/{fedopt,fednova}.json. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/combine.h"
#include "kernels/random.h"
#include "kernels/server.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

enum { N = 5, SITES = 4 };

static void read_doubles(double *to, const json_t *j, size_t n)
{
    ck_assert_uint_eq(json_array_size(j), n);
    for (size_t i = 0; i < n; i++) to[i] = json_number_value(json_array_get(j, i));
}

static void expect(const double *got, const json_t *want, double tolerance, const char *what)
{
    ck_assert_uint_eq(json_array_size(want), N);
    for (size_t i = 0; i < N; i++) {
        double w = json_number_value(json_array_get(want, i));
        ck_assert_msg(fabs(got[i] - w) <= tolerance, "%s %zu: %.17g, not %.17g", what, i, got[i],
                      w);
    }
}

/* ---- the optimisers ---- */

static const struct {
    const char *name;
    enum tally_server_rule rule;
} RULES[] = {
    {"fedavgm_eta1_b0_9", TALLY_SERVER_FEDAVGM   },
    {"fedadagrad",        TALLY_SERVER_FEDADAGRAD},
    {"fedyogi",           TALLY_SERVER_FEDYOGI   },
    {"fedyogi_v0_tau2",   TALLY_SERVER_FEDYOGI   },
    {"fedadam_paper",     TALLY_SERVER_FEDADAM   },
};

static void widen(double *to, const float *from)
{
    for (size_t i = 0; i < N; i++) to[i] = (double)from[i];
}

/* In float64 to 1e-12, and in float32 arrays to what that holds. */
static void check_trace(const json_t *file, const json_t *trace, struct tally_server s, double v0)
{
    double x[N], m[N] = {0}, v[N], d[N], got[N];
    float fx[N], fm[N] = {0}, fv[N], fd[N];
    size_t t;
    json_t *want;

    read_doubles(x, json_object_get(file, "x0"), N);
    for (size_t i = 0; i < N; i++) {
        v[i] = v0;
        fv[i] = (float)v0;
        fx[i] = (float)x[i];
    }
    json_array_foreach(trace, t, want)
    {
        read_doubles(d, json_array_get(json_object_get(file, "pseudo_gradients_delta"), t), N);
        for (size_t i = 0; i < N; i++) {
            fd[i] = (float)d[i];
            tally_server_one(&x[i], &m[i], &v[i], d[i], &s);
        }
        struct tally_server_arrays a = {.x = fx, .m = fm, .v = fv, .d = fd};
        ck_assert_int_eq(tally_server_step(a, &s, N), TALLY_OK);
        expect(x, json_object_get(want, "x"), 1e-12, "x");
        expect(m, json_object_get(want, "m"), 1e-12, "m");
        if (s.adaptive) expect(v, json_object_get(want, "v"), 1e-12, "v");
        widen(got, fx);
        expect(got, json_object_get(want, "x"), 1e-6, "float32 x");
        widen(got, fm);
        expect(got, json_object_get(want, "m"), 1e-6, "float32 m");
        widen(got, fv);
        if (s.adaptive) expect(got, json_object_get(want, "v"), 1e-6, "float32 v");
    }
    ck_assert_uint_eq(t, 4);
}

START_TEST(published_traces_come_out)
{
    json_t *file = tally_vectors_json("vectors/opt/fedopt.json");
    const json_t *j = json_object_get(file, RULES[_i].name);
    struct tally_server s = tally_server_of(RULES[_i].rule);
    double v0 = 0;

    if (RULES[_i].rule == TALLY_SERVER_FEDAVGM) {
        s.rate = 1;
        check_trace(file, j, s, 0);
    } else {
        v0 = json_number_value(json_object_get(j, "v0"));
        ck_assert_double_eq_tol(s.rate, json_number_value(json_object_get(j, "eta")), 1e-15);
        ck_assert_double_eq_tol(s.tau, json_number_value(json_object_get(j, "tau")), 1e-15);
        check_trace(file, json_object_get(j, "trace"), s, v0);
    }
    json_decref(file);
}
END_TEST

START_TEST(the_bias_correction_of_some_libraries_is_not_made)
{
    json_t *file = tally_vectors_json("vectors/opt/fedopt.json");
    const json_t *other = json_object_get(json_object_get(file, "fedadam_bias_corrected"), "trace");
    const json_t *ours = json_object_get(json_object_get(file, "fedadam_paper"), "trace");
    double x[N], y[N];

    read_doubles(x, json_object_get(json_array_get(ours, 3), "x"), N);
    read_doubles(y, json_object_get(json_array_get(other, 3), "x"), N);
    ck_assert_double_gt(fabs(x[0] - y[0]), 1e-6);
    json_decref(file);
}
END_TEST

START_TEST(fedavg_adds_the_mean)
{
    float x[] = {1, -2, 0.5F};
    const float d[] = {0.25F, 2, -0.5F};
    const struct tally_server s = tally_server_of(TALLY_SERVER_FEDAVG);

    ck_assert_int_eq(tally_server_step((struct tally_server_arrays){.x = x, .d = d}, &s, 3),
                     TALLY_OK);
    const float want[] = {1.25F, 0, 0};
    ck_assert_mem_eq(x, want, sizeof x);
}
END_TEST

START_TEST(yogi_leaves_v_where_it_meets_the_square)
{
    const struct tally_server s = tally_server_of(TALLY_SERVER_FEDYOGI);
    double x = 0, m = 0, v = .25;

    tally_server_one(&x, &m, &v, .5, &s);
    ck_assert_double_eq_tol(v, .25, 1e-300);
    tally_server_one(&x, &m, &v, 1, &s);
    ck_assert_double_eq_tol(v, .26, 1e-15);
    tally_server_one(&x, &m, &v, .1, &s);
    ck_assert_double_eq_tol(v, .2599, 1e-15);
}
END_TEST

/* One long step in float32 equals the coordinate by itself, rounded: every length, no alignment. */
START_TEST(long_steps_are_the_single_one_for_every_coordinate)
{
    enum { MOST = 1100 };
    static float x[MOST], m[MOST], v[MOST], d[MOST];
    const size_t n = (size_t)_i * 157;
    struct tally_random r = tally_random_from(1, n, 0);
    struct tally_server s = tally_server_of((enum tally_server_rule)(1 + _i % 5));
    double want[3][MOST];

    for (size_t i = 0; i < n; i++) {
        x[i] = tally_random_symmetric(&r);
        m[i] = tally_random_symmetric(&r);
        v[i] = fabsf(tally_random_symmetric(&r));
        d[i] = i % 9 == 0 ? 0 : tally_random_symmetric(&r);
        want[0][i] = (double)x[i];
        want[1][i] = (double)m[i];
        want[2][i] = (double)v[i];
        tally_server_one(&want[0][i], &want[1][i], &want[2][i], (double)d[i], &s);
    }
    struct tally_server_arrays a = {.x = x, .m = m, .v = v, .d = d};
    ck_assert_int_eq(tally_server_step(a, &s, n), TALLY_OK);
    for (size_t i = 0; i < n; i++) {
        float rounded[] = {(float)want[0][i], (float)want[1][i], (float)want[2][i]};
        ck_assert_mem_eq(&x[i], &rounded[0], sizeof x[i]);
        ck_assert_mem_eq(&m[i], &rounded[1], sizeof m[i]);
        if (s.adaptive) ck_assert_mem_eq(&v[i], &rounded[2], sizeof v[i]);
    }
}
END_TEST

START_TEST(coefficients_and_arrays_that_make_no_sense_change_nothing)
{
    float x[] = {1}, m[] = {2}, v[] = {3};
    const float d[] = {4};
    const struct tally_server_arrays all = {.x = x, .m = m, .v = v, .d = d};
    struct tally_server s = tally_server_of(TALLY_SERVER_FEDADAM);
    double *const fields[] = {&s.rate, &s.keep_m, &s.add_m, &s.keep_v, &s.add_v, &s.tau};
    const double bad[] = {-1, (double)NAN, HUGE_VAL};

    for (size_t f = 0; f < 6; f++) {
        for (size_t b = 0; b < 3; b++) {
            double good = *fields[f];
            *fields[f] = bad[b];
            ck_assert_int_eq(tally_server_step(all, &s, 1), TALLY_E_CONFIG);
            *fields[f] = good;
        }
    }
    struct tally_server_arrays part = all;
    part.v = NULL;
    ck_assert_int_eq(tally_server_step(part, &s, 1), TALLY_E_CONFIG);
    part = all;
    part.m = NULL;
    ck_assert_int_eq(tally_server_step(part, &s, 1), TALLY_E_CONFIG);
    s.tau = 0;
    ck_assert_int_eq(tally_server_step(all, &s, 1), TALLY_E_CONFIG);
    ck_assert(fabsf(x[0] - 1) + fabsf(m[0] - 2) + fabsf(v[0] - 3) <= 0);
}
END_TEST

START_TEST(a_result_that_is_not_finite_is_refused)
{
    static float x[700], m[700], v[700], d[700];
    struct tally_server s = tally_server_of((enum tally_server_rule)(_i + 1));
    struct tally_server_arrays a = {.x = x, .m = m, .v = v, .d = d};

    d[600] = NAN;
    ck_assert_int_eq(tally_server_step(a, &s, 700), TALLY_E_STATE);
    memset(x, 0, sizeof x);
    memset(m, 0, sizeof m);
    memset(v, 0, sizeof v);
    d[600] = 0x1.fffffep127F;
    x[600] = 0x1.fffffep127F;
    ck_assert_int_eq(tally_server_step(a, &s, 700), TALLY_E_STATE);
    ck_assert_int_eq(tally_server_step(a, &s, 0), TALLY_OK);
}
END_TEST

/* ---- FedNova ---- */

struct quadratics {
    double a[SITES][N], c[SITES][N], x[N], eta;
    uint32_t n[SITES], steps[SITES];
};

static struct quadratics read_quadratics(const json_t *j)
{
    struct quadratics q = {.eta = json_number_value(json_object_get(j, "eta"))};

    read_doubles(q.x, json_object_get(j, "x0"), N);
    for (size_t s = 0; s < SITES; s++) {
        read_doubles(q.a[s], json_array_get(json_object_get(j, "a"), s), N);
        read_doubles(q.c[s], json_array_get(json_object_get(j, "c"), s), N);
        q.n[s] = (uint32_t)json_integer_value(json_array_get(json_object_get(j, "n"), s));
        q.steps[s] = (uint32_t)json_integer_value(json_array_get(json_object_get(j, "taus"), s));
    }
    return q;
}

/* What site s changes from x by its steps of SGD with heavy ball momentum. */
static void local_delta(double *delta, const struct quadratics *q, size_t s, double rho)
{
    for (size_t i = 0; i < N; i++) {
        double y = q->x[i];
        double ball = 0;
        for (uint32_t t = 0; t < q->steps[s]; t++) {
            ball = rho * ball + q->a[s][i] * (y - q->c[s][i]);
            y -= q->eta * ball;
        }
        delta[i] = y - q->x[i];
    }
}

START_TEST(fednova_is_a_weighted_mean_and_a_rate)
{
    json_t *j = tally_vectors_json("vectors/opt/fednova.json");
    const json_t *trace =
        json_object_get(json_object_get(j, "trace"), _i == 0 ? "rho_0" : "rho_0.9");
    const double rho = _i == 0 ? 0 : .9;
    struct quadratics q = read_quadratics(j);
    const struct tally_nova nova = {
        .examples = q.n, .steps = q.steps, .sites = SITES, .momentum = rho};
    size_t t;
    json_t *want;

    json_array_foreach(trace, t, want)
    {
        double weight[SITES], delta[N], mean[N] = {0}, rate, m = 0, v = 0;
        struct tally_server s = tally_server_of(TALLY_SERVER_FEDAVG);
        ck_assert_int_eq(tally_server_nova(weight, &rate, &nova), TALLY_OK);
        for (size_t k = 0; k < SITES; k++) {
            local_delta(delta, &q, k, rho);
            for (size_t i = 0; i < N; i++) mean[i] += weight[k] * delta[i];
        }
        s.rate = rate;
        for (size_t i = 0; i < N; i++) tally_server_one(&q.x[i], &m, &v, mean[i], &s);
        expect(q.x, json_object_get(want, "x"), 1e-12, "x");
    }
    ck_assert_uint_eq(t, 3);
    json_decref(j);
}
END_TEST

START_TEST(equal_steps_make_fednova_fedavg)
{
    const uint32_t examples[] = {100, 300, 0, 50};
    const uint32_t steps[] = {7, 7, 0, 7};
    const struct tally_nova nova = {
        .examples = examples, .steps = steps, .sites = 4, .momentum = .5};
    double weight[4], rate;
    uint32_t weights[4];

    ck_assert_int_eq(tally_server_nova(weight, &rate, &nova), TALLY_OK);
    ck_assert_double_eq_tol(rate, 1, 1e-15);
    for (size_t s = 0; s < 4; s++) ck_assert_double_eq_tol(weight[s], examples[s] / 450.0, 1e-15);
    tally_server_weights(weights, weight, 4);
    ck_assert_uint_eq(weights[1], TALLY_COMBINE_WEIGHT_END - 1);
    ck_assert_uint_eq(weights[0], (TALLY_COMBINE_WEIGHT_END - 1) / 3);
    ck_assert_uint_eq(weights[2], 0);
}
END_TEST

START_TEST(fednova_without_sense_is_refused)
{
    uint32_t examples[] = {1, 2};
    uint32_t steps[] = {1, 0};
    struct tally_nova nova = {.examples = examples, .steps = steps, .sites = 2};
    double weight[2] = {0}, rate;
    uint32_t weights[2] = {7, 7};

    ck_assert_int_eq(tally_server_nova(weight, &rate, &nova), TALLY_E_CONFIG);
    steps[1] = 3;
    const double bad[] = {-.1, 1, (double)NAN};
    for (size_t i = 0; i < 3; i++) {
        nova.momentum = bad[i];
        ck_assert_int_eq(tally_server_nova(weight, &rate, &nova), TALLY_E_CONFIG);
    }
    nova.momentum = 0;
    ck_assert_int_eq(tally_server_nova(weight, &rate, &nova), TALLY_OK);
    examples[0] = examples[1] = 0;
    ck_assert_int_eq(tally_server_nova(weight, &rate, &nova), TALLY_E_STATE);
    tally_server_weights(weights, weight, 2);
    ck_assert_uint_eq(weights[0] + weights[1], 0);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("server");

    tcase_add_loop_test(t, published_traces_come_out, 0, 5);
    tcase_add_test(t, the_bias_correction_of_some_libraries_is_not_made);
    tcase_add_test(t, fedavg_adds_the_mean);
    tcase_add_test(t, yogi_leaves_v_where_it_meets_the_square);
    tcase_add_loop_test(t, long_steps_are_the_single_one_for_every_coordinate, 0, 8);
    tcase_add_test(t, coefficients_and_arrays_that_make_no_sense_change_nothing);
    tcase_add_loop_test(t, a_result_that_is_not_finite_is_refused, 0, 5);
    tcase_add_loop_test(t, fednova_is_a_weighted_mean_and_a_rate, 0, 2);
    tcase_add_test(t, equal_steps_make_fednova_fedavg);
    tcase_add_test(t, fednova_without_sense_is_refused);
    return tally_suite_run("server", t);
}
