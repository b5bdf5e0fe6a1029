/* test_robust.c - kernels/robust.c: vectors/robust, and every rule against its definition written
 * out in float64. With TALLY_BENCH set it prints a table of speeds instead (bench_robust.inc). */
#include <stdio.h>

#include "tests/kernels/robust_fixture.inc"

#include "tests/kernels/bench_robust.inc"
#include "tests/lib/vectors.h"

static double value(const struct fixture *f, uint32_t s, size_t i)
{
    return (double)f->deltas[s][i];
}

/* ---- published vectors ---- */

static struct fixture *from_case(const json_t *c)
{
    const json_t *updates = json_object_get(c, "updates");
    uint32_t sites = (uint32_t)json_array_size(updates);
    size_t n = json_array_size(json_array_get(updates, 0));
    struct fixture *f = make(sites, n);

    for (uint32_t s = 0; s < sites; s++) {
        const json_t *row = json_array_get(updates, s);
        for (size_t i = 0; i < n; i++)
            f->values[s * n + i] = (float)json_number_value(json_array_get(row, i));
        f->weights[s] =
            (uint32_t)json_number_value(json_array_get(json_object_get(c, "weights"), s));
    }
    return f;
}

static void expect(struct fixture *f, struct tally_robust_settings settings, const json_t *want,
                   const char *what)
{
    const struct tally_robust_lanes *lanes[3];
    size_t sets = lanes_here(lanes);
    double scale = 0;

    ck_assert_uint_eq(json_array_size(want), f->n);
    for (size_t i = 0; i < f->n; i++)
        scale = fmax(scale, fabs(json_number_value(json_array_get(want, i))));
    for (size_t k = 0; k < sets; k++) {
        f->lanes = lanes[k];
        ck_assert_int_eq(combine(f, settings), TALLY_OK);
        for (size_t i = 0; i < f->n; i++) {
            double w = json_number_value(json_array_get(want, i));
            ck_assert_msg(fabs((double)f->out[i] - w) <= 1e-6 * scale, "%s %s %zu: %.9g, not %.9g",
                          what, lanes[k]->name, i, (double)f->out[i], w);
        }
    }
}

static void uniform(struct fixture *f)
{
    for (uint32_t s = 0; s < f->setup.sites; s++) f->weights[s] = 1;
}

static void check_iterative(struct fixture *f, const json_t *c)
{
    const json_t *clip = json_object_get(c, "centered_clipping");
    const json_t *iters = json_object_get(clip, "iters");
    const json_t *steps = json_object_get(c, "rfa_nu1e-6_iterates");
    struct tally_robust_settings s = {.rule = TALLY_ROBUST_GEOMETRIC_MEDIAN};
    size_t i;
    json_t *want;

    expect(f, s, json_object_get(c, "geometric_median"), "geometric median");
    json_array_foreach(steps, i, want)
    {
        s.rounds = (uint32_t)i + 1;
        expect(f, s, want, "Weiszfeld");
    }
    s = (struct tally_robust_settings){.rule = TALLY_ROBUST_NORM_BOUND};
    expect(f, s, json_object_get(json_object_get(c, "norm_bounding"), "result"), "norm, median");
    s.tau = json_number_value(json_object_get(json_object_get(c, "norm_bounding"), "tau"));
    expect(f, s, json_object_get(json_object_get(c, "norm_bounding"), "result"), "norm");
    uniform(f);
    s = (struct tally_robust_settings){.rule = TALLY_ROBUST_GEOMETRIC_MEDIAN};
    expect(f, s, json_object_get(c, "geometric_median_unweighted"), "unweighted median");
    s = (struct tally_robust_settings){.rule = TALLY_ROBUST_CENTERED_CLIPPING,
                                       .tau = json_number_value(json_object_get(clip, "tau"))};
    expect(f, s, json_object_get(iters, "3"), "clipping");
    s.rounds = 1;
    expect(f, s, json_object_get(iters, "1"), "clipping once");
}

static void check_krum(struct fixture *f, const json_t *c, uint32_t bad)
{
    const json_t *krum = json_object_get(c, "krum");
    const json_t *scores = json_object_get(krum, "scores");
    const json_t *chosen = json_object_get(krum, "multikrum_selected");
    uint32_t picks = (uint32_t)json_integer_value(json_object_get(krum, "multikrum_m"));
    uint32_t winner = (uint32_t)json_integer_value(json_object_get(krum, "winner"));
    struct tally_robust_settings s = {.rule = TALLY_ROBUST_KRUM, .bad = bad};
    struct tally_robust r = {0};
    size_t i;
    json_t *j;

    ck_assert_int_eq(combine(f, s), TALLY_OK);
    ck_assert_mem_eq(f->out, f->deltas[winner], f->n * sizeof(float));
    s.rule = TALLY_ROBUST_MULTI_KRUM;
    expect(f, s, json_object_get(krum, "multikrum_mean"), "default picks");
    s.picks = picks;
    expect(f, s, json_object_get(krum, "multikrum_mean"), "Multi-Krum");
    f->setup.settings = s;
    ck_assert_int_eq(tally_robust_init(&r, &f->setup), TALLY_OK);
    ck_assert_int_eq(passes(f, &r), TALLY_OK);
    json_array_foreach(scores, i, j)
    {
        double want = json_number_value(j);
        ck_assert_double_eq_tol(r.score[i], want, 1e-12 * fmax(1, want));
    }
    ck_assert_uint_eq(json_array_size(chosen), picks);
    double sum = 0;
    for (uint32_t k = 0; k < f->setup.sites; k++) sum += r.coefficient[k];
    ck_assert_double_eq_tol(sum, picks, 1e-15);
    json_array_foreach(chosen, i, j)
        ck_assert_double_eq_tol(r.coefficient[json_integer_value(j)], 1, 1e-15);
    tally_robust_free(&r);
}

START_TEST(published_aggregates_come_out_on_every_instruction_set)
{
    json_t *j = tally_vectors_json("vectors/robust/aggregators.json");
    size_t i;
    json_t *c, *want;
    const char *b;

    ck_assert_uint_eq(json_array_size(json_object_get(j, "cases")), 7);
    json_array_foreach(json_object_get(j, "cases"), i, c)
    {
        struct fixture *f = from_case(c);
        uint32_t bad = (uint32_t)json_integer_value(json_object_get(c, "f"));
        struct tally_robust_settings s = {.rule = TALLY_ROBUST_MEAN};
        expect(f, s, json_object_get(c, "mean_weighted"), "mean");
        s.rule = TALLY_ROBUST_MEDIAN;
        expect(f, s, json_object_get(c, "median"), "median");
        s.rule = TALLY_ROBUST_TRIMMED_MEAN;
        json_object_foreach(json_object_get(c, "trimmed_mean"), b, want)
        {
            s.bad = (uint32_t)strtoul(b, NULL, 10);
            expect(f, s, want, "trimmed mean");
        }
        check_krum(f, c, bad);
        check_iterative(f, c);
        drop(f);
    }
    json_decref(j);
}
END_TEST

START_TEST(published_mixtures_of_nearest_neighbours_come_out)
{
    json_t *a = tally_vectors_json("vectors/robust/aggregators.json");
    json_t *j = tally_vectors_json("vectors/robust/nnm.json");
    size_t i;
    json_t *c;

    ck_assert_uint_eq(json_array_size(json_object_get(j, "cases")), 7);
    json_array_foreach(json_object_get(j, "cases"), i, c)
    {
        struct fixture *f = from_case(json_array_get(json_object_get(a, "cases"), i));
        uint32_t bad = (uint32_t)json_integer_value(json_object_get(c, "f"));
        struct tally_robust_settings s = {.rule = TALLY_ROBUST_MEDIAN, .bad = bad, .mix = true};
        expect(f, s, json_object_get(c, "nnm_median"), "mixed median");
        s.rule = TALLY_ROBUST_TRIMMED_MEAN;
        expect(f, s, json_object_get(c, "nnm_trimmed"), "mixed trimmed mean");
        drop(f);
    }
    json_decref(a);
    json_decref(j);
}
END_TEST

/* Two colluding steps below the mean, as far as the published z says a majority still covers. */
static void attack(struct fixture *f, uint32_t bad, double z)
{
    uint32_t honest = f->setup.sites - bad;

    for (size_t i = 0; i < f->n; i++) {
        double mean = 0;
        double square = 0;
        for (uint32_t s = 0; s < honest; s++) mean += value(f, s, i) / honest;
        for (uint32_t s = 0; s < honest; s++) square += pow(value(f, s, i) - mean, 2);
        for (uint32_t s = honest; s < f->setup.sites; s++)
            f->values[s * f->n + i] = (float)(mean - z * sqrt(square / (honest - 1)));
    }
}

START_TEST(an_attack_just_inside_the_spread_moves_no_coordinate_beyond_the_honest)
{
    json_t *j = tally_vectors_json("vectors/robust/alie_zmax.json");
    size_t i;
    json_t *c;

    ck_assert_uint_eq(json_array_size(json_object_get(j, "rows")), 30);
    json_array_foreach(json_object_get(j, "rows"), i, c)
    {
        uint32_t n = (uint32_t)json_integer_value(json_object_get(c, "n"));
        uint32_t m = (uint32_t)json_integer_value(json_object_get(c, "m"));
        double z = json_number_value(json_object_get(c, "z_max"));
        double cdf = json_number_value(json_object_get(c, "cdf"));
        ck_assert_double_eq_tol(erfc(-z / sqrt(2)) / 2, cdf, 1e-9);
        if (n > SITES_MAX || 2 * m >= n) continue;
        struct fixture *f = make(n, 37);
        attack(f, m, z);
        for (int rule = TALLY_ROBUST_MEDIAN; rule <= TALLY_ROBUST_TRIMMED_MEAN; rule++) {
            struct tally_robust_settings s = {.rule = (enum tally_robust_rule)rule, .bad = m};
            ck_assert_int_eq(combine(f, s), TALLY_OK);
            for (size_t k = 0; k < f->n; k++) {
                double low = HUGE_VAL;
                double high = -HUGE_VAL;
                for (uint32_t h = 0; h < n - m; h++) low = fmin(low, value(f, h, k));
                for (uint32_t h = 0; h < n - m; h++) high = fmax(high, value(f, h, k));
                ck_assert((double)f->out[k] >= low && (double)f->out[k] <= high);
            }
        }
        drop(f);
    }
    json_decref(j);
}
END_TEST

/* ---- definitions ---- */

static int ascending(const void *a, const void *b)
{
    const float *x = a;
    const float *y = b;

    return (*x > *y) - (*x < *y);
}

/* The rule's own words: sort, drop, add from the lowest, divide, round. */
static float trimmed(const struct fixture *f, size_t i, uint32_t drop)
{
    float sorted[SITES_MAX];
    double sum = 0;

    for (uint32_t s = 0; s < f->setup.sites; s++) sorted[s] = f->deltas[s][i] + 0.0F;
    qsort(sorted, f->setup.sites, sizeof *sorted, ascending);
    for (uint32_t s = drop; s < f->setup.sites - drop; s++) sum += (double)sorted[s];
    return (float)(sum / (f->setup.sites - 2 * drop));
}

START_TEST(ranks_are_those_of_a_sort_for_every_number_of_sites)
{
    const struct tally_robust_lanes *lanes[3];
    size_t sets = lanes_here(lanes);
    uint32_t sites = (uint32_t)_i;

    for (size_t n = 1; n <= 70; n += 23) {
        struct fixture *f = make(sites, n);
        for (uint32_t s = 0; s < sites; s += 3) f->values[s * n] = s % 2 == 0 ? -0.0F : 0.0F;
        for (uint32_t s = 1; s < sites; s += 4) f->values[s * n + n / 2] = f->values[n / 2];
        for (uint32_t bad = 0; 2 * bad < sites; bad = 2 * bad + 1) {
            for (size_t k = 0; k < sets; k++) {
                f->lanes = lanes[k];
                struct tally_robust_settings s = {.rule = TALLY_ROBUST_TRIMMED_MEAN, .bad = bad};
                ck_assert_int_eq(combine(f, s), TALLY_OK);
                for (size_t i = 0; i < n; i++) {
                    float want = trimmed(f, i, bad);
                    ck_assert_mem_eq(&f->out[i], &want, sizeof want);
                }
                ck_assert_int_eq(
                    combine(f, (struct tally_robust_settings){.rule = TALLY_ROBUST_MEDIAN}),
                    TALLY_OK);
                float want = trimmed(f, 0, (sites - 1) / 2);
                ck_assert_mem_eq(&f->out[0], &want, sizeof want);
            }
        }
        drop(f);
    }
}
END_TEST

static double distance(const struct fixture *f, uint32_t s, const double *z)
{
    double sum = 0;

    for (size_t i = 0; i < f->n; i++) sum += pow(value(f, s, i) - z[i], 2);
    return sqrt(sum);
}

static void expect_close(const struct fixture *f, const double *want)
{
    double scale = 0;

    for (size_t i = 0; i < f->setup.sites * f->n; i++)
        scale = fmax(scale, fabs((double)f->values[i]));
    for (size_t i = 0; i < f->n; i++)
        ck_assert_double_eq_tol((double)f->out[i], want[i], 1e-6 * scale);
}

START_TEST(clipping_around_a_centre_is_its_definition)
{
    struct fixture *f = make(9 + (uint32_t)_i * 20, 301);
    double *v = calloc(f->n, sizeof *v);
    float *centre = malloc(f->n * sizeof *centre);
    double *next = calloc(f->n, sizeof *next);
    double total = 0;
    const double tau = 5;

    for (uint32_t s = 0; s < f->setup.sites; s++) total += f->weights[s];
    for (size_t i = 0; i < f->n; i++) {
        centre[i] = (float)(i % 11) * .125F;
        v[i] = (double)centre[i];
    }
    for (int t = 0; t < 4; t++) {
        memcpy(next, v, f->n * sizeof *v);
        for (uint32_t s = 0; s < f->setup.sites; s++) {
            double cut = fmin(1, tau / distance(f, s, v));
            for (size_t i = 0; i < f->n; i++)
                next[i] += f->weights[s] / total * cut * (value(f, s, i) - v[i]);
        }
        memcpy(v, next, f->n * sizeof *v);
    }
    f->setup.centre = true;
    f->x.centre = centre;
    struct tally_robust_settings s = {
        .rule = TALLY_ROBUST_CENTERED_CLIPPING, .rounds = 4, .tau = tau};
    ck_assert_int_eq(combine(f, s), TALLY_OK);
    expect_close(f, v);
    free(v);
    free(next);
    free(centre);
    drop(f);
}
END_TEST

START_TEST(at_the_geometric_median_the_pulls_balance)
{
    struct fixture *f = make(5 + (uint32_t)_i * 17, 257);
    double force2 = 0;
    double total = 0;

    uniform(f); /* no site outweighs the others, so it lies between them */
    ck_assert_int_eq(
        combine(f, (struct tally_robust_settings){.rule = TALLY_ROBUST_GEOMETRIC_MEDIAN}),
        TALLY_OK);
    double *z = malloc(f->n * sizeof *z);
    for (size_t i = 0; i < f->n; i++) z[i] = (double)f->out[i];
    for (uint32_t s = 0; s < f->setup.sites; s++) total += f->weights[s];
    for (size_t i = 0; i < f->n; i++) {
        double force = 0;
        for (uint32_t s = 0; s < f->setup.sites; s++)
            force += f->weights[s] * (value(f, s, i) - z[i]) / distance(f, s, z);
        force2 += force * force;
    }
    ck_assert_double_le(sqrt(force2) / total, 1e-6);
    free(z);
    drop(f);
}
END_TEST

START_TEST(a_site_with_most_of_the_weight_is_the_geometric_median_bit_for_bit)
{
    struct fixture *f = make(6, 50);

    f->weights[2] = 10000;
    ck_assert_int_eq(
        combine(f, (struct tally_robust_settings){.rule = TALLY_ROBUST_GEOMETRIC_MEDIAN}),
        TALLY_OK);
    ck_assert_mem_eq(f->out, f->deltas[2], f->n * sizeof(float));
    drop(f);
}
END_TEST

START_TEST(the_mean_has_the_bits_of_tally_combine_mean)
{
    struct fixture *f = make(1 + (uint32_t)_i * 9, 4001);
    float *want = malloc(f->n * sizeof *want);
    const struct tally_combine c = {.backend = tally_backend_named("ref"),
                                    .deltas = f->deltas,
                                    .weights = f->weights,
                                    .sites = f->setup.sites,
                                    .base = f->values,
                                    .threads = 1};

    ck_assert_int_eq(tally_combine_mean(want, NULL, &c, f->n), TALLY_OK);
    f->x.base = f->values;
    ck_assert_int_eq(combine(f, (struct tally_robust_settings){.rule = TALLY_ROBUST_MEAN}),
                     TALLY_OK);
    ck_assert_mem_eq(f->out, want, f->n * sizeof *want);
    free(want);
    drop(f);
}
END_TEST

int main(void)
{
    if (getenv("TALLY_BENCH") != NULL) return bench_robust();
    tally_vectors_need();
    TCase *t = tcase_create("robust");

    tcase_add_test(t, published_aggregates_come_out_on_every_instruction_set);
    tcase_add_test(t, published_mixtures_of_nearest_neighbours_come_out);
    tcase_add_test(t, an_attack_just_inside_the_spread_moves_no_coordinate_beyond_the_honest);
    tcase_add_loop_test(t, ranks_are_those_of_a_sort_for_every_number_of_sites, 1, SITES_MAX + 1);
    tcase_add_loop_test(t, clipping_around_a_centre_is_its_definition, 0, 3);
    tcase_add_loop_test(t, at_the_geometric_median_the_pulls_balance, 0, 4);
    tcase_add_test(t, a_site_with_most_of_the_weight_is_the_geometric_median_bit_for_bit);
    tcase_add_loop_test(t, the_mean_has_the_bits_of_tally_combine_mean, 0, 5);
    return tally_suite_run("robust", t);
}
