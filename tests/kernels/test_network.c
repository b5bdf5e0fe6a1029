/* test_network.c - kernels/network.c in double: vectors/model/mlp_fwd_bwd.json (PyTorch 1.13) and
 * finite differences. */
#include "kernels/network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/random.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

enum { PARAMS_MAX = 400, ROWS_MAX = 32 };

static void check_near(double got, double want, double within)
{
    ck_assert_msg(fabs(got - want) <= within, "%.17g, wanted %.17g within %g", got, want, within);
}

/* All numbers below j, in reading order. */
static size_t flatten(double *to, const json_t *j)
{
    size_t used = 0;
    size_t i;
    json_t *item;

    if (!json_is_array(j)) {
        *to = json_number_value(j);
        return 1;
    }
    json_array_foreach(j, i, item) used += flatten(to + used, item);
    return used;
}

/* W0, b0, W1, b1, ... from the vectors' two lists. */
static size_t flatten_params(double *to, const json_t *c, const char *weights, const char *biases)
{
    size_t used = 0;
    size_t i;
    json_t *w;

    json_array_foreach(json_object_get(c, weights), i, w)
    {
        used += flatten(to + used, w);
        used += flatten(to + used, json_array_get(json_object_get(c, biases), i));
    }
    return used;
}

static struct tally_model model_of(const json_t *dims)
{
    struct tally_model m = {.n = (uint32_t)json_array_size(dims) - 2};

    m.inputs = (uint32_t)json_integer_value(json_array_get(dims, 0));
    for (uint32_t i = 0; i < m.n; i++)
        m.hidden[i] = (uint32_t)json_integer_value(json_array_get(dims, i + 1));
    return m;
}

static void check_case(const json_t *c)
{
    struct tally_model m = model_of(json_object_get(c, "dims"));
    struct tally_network net = {0};
    size_t rows = (size_t)json_integer_value(json_object_get(c, "batch"));
    const json_t *factor = json_object_get(c, "pos_weight");
    double params[PARAMS_MAX];
    double want[PARAMS_MAX];
    double logits[ROWS_MAX];
    double labels[ROWS_MAX];
    float y[ROWS_MAX];

    ck_assert_int_eq(tally_network_init(&net, &tally_backend_ref64, &m, rows, true), TALLY_OK);
    ck_assert_uint_eq(flatten_params(params, c, "W", "b"), net.params);
    ck_assert_uint_eq(flatten(net.act[0], json_object_get(c, "X")), rows * m.inputs);
    ck_assert_uint_eq(flatten(labels, json_object_get(c, "y")), rows);
    ck_assert_uint_eq(flatten(logits, json_object_get(c, "logits")), rows);
    for (size_t i = 0; i < rows; i++) y[i] = (float)labels[i];

    tally_network_prepare(&net, params);
    const double *z = tally_network_forward(&net, rows);
    for (size_t i = 0; i < rows; i++) check_near(z[i], logits[i], 1e-11);
    double *grad = tally_backend_ref64.alloc(net.params);
    const struct tally_batch batch = {.y = y,
                                      .positive =
                                          json_is_null(factor) ? 1 : json_number_value(factor),
                                      .scale = 1 / (double)rows,
                                      .rows = rows};
    check_near(tally_network_gradient(&net, grad, &(struct tally_pass){.batch = &batch}),
               json_number_value(json_object_get(c, "mean_loss")), 1e-11);
    ck_assert_uint_eq(flatten_params(want, c, "dW", "db"), net.params);
    for (size_t i = 0; i < net.params; i++) check_near(grad[i], want[i], 1e-11);
    tally_backend_ref64.release(grad);
    tally_network_free(&net);
}

START_TEST(published_networks_with_relu_match)
{
    json_t *j = tally_vectors_json("vectors/model/mlp_fwd_bwd.json");
    size_t checked = 0;
    size_t i;
    json_t *c;

    json_array_foreach(json_object_get(j, "cases"), i, c)
    {
        const char *act = json_string_value(json_object_get(c, "act"));
        if (strcmp(act, "relu") != 0) {
            (void)printf("skipped: case %zu, activation %s\n", i, act);
            continue;
        }
        check_case(c);
        checked++;
    }
    ck_assert_uint_eq(checked, 3);
    json_decref(j);
}
END_TEST

static const struct tally_model MODELS[] = {
    {.inputs = 3, .hidden = {0},             .n = 0},
    {.inputs = 4, .hidden = {5},             .n = 1},
    {.inputs = 3, .hidden = {6, 1, 4},       .n = 3},
    {.inputs = 1, .hidden = {3, 3, 3, 3, 3}, .n = 5},
};

/* Central differences: error about h^2 + rounding / h; a ReLU within h of its corner would show
 * as a large one, which these seeds do not have. */
START_TEST(gradients_match_finite_differences)
{
    enum { ROWS = 9 };
    const double h = 1e-5;
    const int model = _i / 2;
    const int with = _i % 2; /* the focal loss and dropout */
    const double focal = with * 1.7;
    struct tally_network net = {0};
    float start[PARAMS_MAX];
    double params[PARAMS_MAX];
    double grad[PARAMS_MAX];
    double unused[PARAMS_MAX];
    float y[ROWS];
    float weight[ROWS];
    struct tally_random r = tally_random_from(2, 0, (uint64_t)model);

    ck_assert_int_eq(tally_network_init(&net, &tally_backend_ref64, &MODELS[model], ROWS, true),
                     TALLY_OK);
    ck_assert_int_eq(tally_model_init(start, &MODELS[model], 0.3, 4), TALLY_OK);
    for (size_t i = 0; i < net.params; i++)
        params[i] = (double)start[i] + 0.1 * (double)tally_random_symmetric(&r);
    for (size_t i = 0; i < ROWS * net.layer[0].in; i++)
        ((double *)net.act[0])[i] = (double)tally_random_symmetric(&r);
    for (size_t i = 0; i < ROWS; i++) {
        y[i] = i % 3 == 0 ? 1.0F : 0.0F;
        weight[i] = (float)(i % 4);
    }
    const struct tally_batch batch = {
        .y = y, .weight = weight, .positive = 2.5, .scale = 0.2, .focal = focal, .rows = ROWS};
    const struct tally_dropout dropout = {.seed = 8, .step = 1, .below = 20000};
    const struct tally_pass pass = {.batch = &batch, .dropout = with != 0 ? &dropout : NULL};
    tally_network_prepare(&net, params);
    (void)tally_network_gradient(&net, grad, &pass);
    for (size_t i = 0; i < net.params; i++) {
        double at = params[i];
        params[i] = at + h;
        double up = tally_network_gradient(&net, unused, &pass);
        params[i] = at - h;
        double down = tally_network_gradient(&net, unused, &pass);
        params[i] = at;
        check_near((up - down) / (2 * h), grad[i], 1e-8);
    }
    tally_network_free(&net);
}
END_TEST

/* dp/ghost_clip_mlp and ghost_clip_grouped: the clipped sum, which per-example autograd of
 * PyTorch made, from ghost norms alone. `units`: first rows of the units, NULL for rows. */
static void check_clipped(const json_t *mlp, const json_t *want_in, const uint32_t *start,
                          uint32_t units)
{
    struct tally_model m = model_of(json_object_get(mlp, "dims"));
    struct tally_network net = {0};
    const size_t rows = 6;
    double params[PARAMS_MAX];
    double want[PARAMS_MAX];
    double norms[6];
    double labels[6];
    float y[6];

    ck_assert_int_eq(tally_network_init(&net, &tally_backend_ref64, &m, rows, true), TALLY_OK);
    ck_assert_uint_eq(flatten_params(params, mlp, "W", "b"), net.params);
    ck_assert_uint_eq(flatten(net.act[0], json_object_get(mlp, "X")), rows * m.inputs);
    ck_assert_uint_eq(flatten(labels, json_object_get(mlp, "y")), rows);
    for (size_t i = 0; i < rows; i++) y[i] = (float)labels[i];
    tally_network_prepare(&net, params);
    double *grad = tally_backend_ref64.alloc(net.params);
    const struct tally_batch batch = {.y = y, .positive = 1, .scale = 1, .rows = rows};
    const struct tally_clip clip = {.norm = json_number_value(json_object_get(want_in, "clip_C")),
                                    .start = start,
                                    .units = units};
    (void)tally_network_gradient(&net, grad, &(struct tally_pass){.batch = &batch, .clip = &clip});
    ck_assert_uint_eq(flatten_params(want, want_in, "clipped_sum_dW", "clipped_sum_db"),
                      net.params);
    for (size_t i = 0; i < net.params; i++) check_near(grad[i], want[i], 1e-10);
    size_t count = flatten(
        norms, json_object_get(want_in, start == NULL ? "per_example_grad_norm" : "group_norm"));
    ck_assert_uint_eq(count, start == NULL ? rows : units);
    for (size_t i = 0; i < count; i++)
        check_near(sqrt(net.norm[start == NULL ? i : start[i]]), norms[i], 1e-10);
    ck_assert_uint_eq(net.lost, 0);
    tally_backend_ref64.release(grad);
    tally_network_free(&net);
}

START_TEST(ghost_clipping_gives_the_published_sums)
{
    static const uint32_t start[] = {0, 2, 3, 6};
    json_t *rows = tally_vectors_json("vectors/dp/ghost_clip_mlp.json");
    json_t *customers = tally_vectors_json("vectors/dp/ghost_clip_grouped.json");

    check_clipped(rows, rows, NULL, 0);
    check_clipped(rows, customers, start, 3);
    json_decref(rows);
    json_decref(customers);
}
END_TEST

/* Units of 1 to 5 rows over several blocks and any threads: the sum of each unit alone, clipped by
 * its own norm in double. */
START_TEST(clipped_units_may_lie_anywhere_in_a_batch)
{
    enum { ROWS = 700, INPUTS = 1500, PARAMS = INPUTS * 3 + 3 + 3 + 1 };
    const struct tally_backend *b = tally_backend_named(_i == 0 ? "ref" : "cpu");
    const struct tally_model m = {.inputs = INPUTS, .hidden = {3}, .n = 1};
    static float table[ROWS * INPUTS];
    static float start[PARAMS];
    static uint32_t pick[ROWS];
    static uint32_t first[ROWS + 1];
    static float y[ROWS];
    static double sum[PARAMS];
    static double got[PARAMS];
    struct tally_network net = {0};
    struct tally_random r = tally_random_from(3, 1, 2);
    uint32_t units = 0;

    for (size_t i = 0; i < ROWS * INPUTS; i++) table[i] = tally_random_symmetric(&r) / 8;
    for (uint32_t i = 0; i < ROWS; i++) {
        pick[i] = i;
        y[i] = i % 2 == 0 ? 1.0F : 0.0F;
    }
    for (uint32_t at = 0; at < ROWS; at += 1 + units % 5) first[units++] = at;
    first[units] = ROWS;
    ck_assert_int_eq(tally_model_init(start, &m, 0.3, 4), TALLY_OK);
    ck_assert_int_eq(tally_network_init(&net, b, &m, ROWS, true), TALLY_OK);
    ck_assert_uint_lt(net.block, ROWS);
    ck_assert_int_eq(tally_pool_new(&net.pool, 3), TALLY_OK);
    void *params = b->alloc(PARAMS);
    void *grad = b->alloc(PARAMS);
    b->put(params, start, PARAMS);
    tally_network_prepare(&net, params);
    memset(sum, 0, sizeof sum);
    const struct tally_clip clip = {.norm = 0.4, .start = first, .units = units};
    for (uint32_t u = 0; u < units; u++) {
        const struct tally_batch one = {
            .y = y + first[u], .positive = 1, .scale = 1, .rows = first[u + 1] - first[u]};
        (void)tally_network_gradient(
            &net, grad,
            &(struct tally_pass){.batch = &one, .table = table, .rows = pick + first[u]});
        b->get(got, grad, PARAMS);
        double square = 0;
        for (size_t i = 0; i < PARAMS; i++) square += got[i] * got[i];
        double factor = sqrt(square) > clip.norm ? clip.norm / sqrt(square) : 1;
        for (size_t i = 0; i < PARAMS; i++) sum[i] += factor * got[i] / ROWS;
    }
    const struct tally_batch all = {.y = y, .positive = 1, .scale = 1.0 / ROWS, .rows = ROWS};
    (void)tally_network_gradient(
        &net, grad,
        &(struct tally_pass){.batch = &all, .table = table, .rows = pick, .clip = &clip});
    b->get(got, grad, PARAMS);
    for (size_t i = 0; i < PARAMS; i++) check_near(got[i], sum[i], 1e-6);
    table[5 * INPUTS] = INFINITY; /* its unit is left out and counted */
    (void)tally_network_gradient(
        &net, grad,
        &(struct tally_pass){.batch = &all, .table = table, .rows = pick, .clip = &clip});
    ck_assert_uint_eq(net.lost, 1);
    tally_pool_destroy(&net.pool);
    b->release(params);
    b->release(grad);
    tally_network_free(&net);
}
END_TEST

/* 1500 rows of a wide net are several blocks; the same rows in pieces of at most a block, added up,
 * give the same gradient, and every parameter is finished once. */
enum { WIDE_ROWS = 1500, WIDE_PARAMS = 1800 * 5 + 5 + 5 + 1 };

static void count_finished(void *context, uint32_t part, size_t first, size_t n)
{
    (void)part;
    for (size_t i = first; i < first + n; i++) ((uint32_t *)context)[i]++;
}

static double wide_gradient(struct tally_network *net, void *grad, size_t from, size_t rows)
{
    static float table[100 * 1800];
    static uint32_t pick[WIDE_ROWS];
    static float y[WIDE_ROWS];
    static uint32_t finished[WIDE_PARAMS];

    for (uint32_t i = 0; i < 100 * 1800; i++) table[i] = (float)(i * 7919 % 1009) / 1009.0F - 0.5F;
    for (uint32_t i = 0; i < WIDE_ROWS; i++) pick[i] = i * 37 % 100;
    for (uint32_t i = 0; i < WIDE_ROWS; i++) y[i] = i % 3 == 0 ? 1.0F : 0.0F;
    memset(finished, 0, sizeof finished);
    const struct tally_batch batch = {
        .y = y + from, .positive = 1, .scale = 1.0 / WIDE_ROWS, .rows = rows};
    double loss = tally_network_gradient(net, grad,
                                         &(struct tally_pass){.batch = &batch,
                                                              .table = table,
                                                              .rows = pick + from,
                                                              .finish = count_finished,
                                                              .context = finished});
    for (size_t i = 0; i < WIDE_PARAMS; i++) ck_assert_uint_eq(finished[i], 1);
    return loss;
}

START_TEST(a_batch_of_several_blocks_is_the_sum_of_its_rows)
{
    static const char *const names[] = {"ref", "cpu"};
    const struct tally_backend *b = tally_backend_named(names[_i]);
    const struct tally_model m = {.inputs = 1800, .hidden = {5}, .n = 1};
    static float start[WIDE_PARAMS];
    static double whole[WIDE_PARAMS];
    static double part[WIDE_PARAMS];
    static double sum[WIDE_PARAMS];
    struct tally_network net = {0};
    double loss = 0;

    ck_assert_int_eq(tally_network_init(&net, b, &m, WIDE_ROWS, true), TALLY_OK);
    ck_assert_uint_lt(net.block, WIDE_ROWS);
    ck_assert_uint_eq(net.params, WIDE_PARAMS);
    ck_assert_int_eq(tally_model_init(start, &m, 0.3, 4), TALLY_OK);
    void *params = b->alloc(WIDE_PARAMS);
    void *grad = b->alloc(WIDE_PARAMS);
    b->put(params, start, WIDE_PARAMS);
    tally_network_prepare(&net, params);
    double at_once = wide_gradient(&net, grad, 0, WIDE_ROWS);
    b->get(whole, grad, WIDE_PARAMS);
    memset(sum, 0, sizeof sum);
    for (size_t from = 0; from < WIDE_ROWS; from += 400) {
        loss += wide_gradient(&net, grad, from, WIDE_ROWS - from < 400 ? WIDE_ROWS - from : 400);
        b->get(part, grad, WIDE_PARAMS);
        for (size_t i = 0; i < WIDE_PARAMS; i++) sum[i] += part[i];
    }
    check_near(at_once, loss, 1e-6);
    for (size_t i = 0; i < WIDE_PARAMS; i++) check_near(whole[i], sum[i], 1e-6);
    b->release(params);
    b->release(grad);
    tally_network_free(&net);
}
END_TEST

static void *no_memory(size_t n)
{
    (void)n;
    return NULL;
}

START_TEST(a_network_without_memory_or_shape_is_refused_and_left_empty)
{
    struct tally_backend poor = tally_backend_ref;
    struct tally_network net = {0};
    struct tally_model m = MODELS[1];

    poor.alloc = no_memory;
    ck_assert_int_eq(tally_network_init(&net, &poor, &m, 8, true), TALLY_E_NOMEM);
    ck_assert_ptr_null(net.memory);
    m.hidden[0] = 0;
    ck_assert_int_eq(tally_network_init(&net, &tally_backend_ref, &m, 8, true), TALLY_E_CONFIG);
    ck_assert_ptr_null(net.memory);
    tally_network_free(&net);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("network");

    tcase_add_test(t, published_networks_with_relu_match);
    tcase_add_loop_test(t, gradients_match_finite_differences, 0,
                        2 * (int)(sizeof MODELS / sizeof MODELS[0]));
    tcase_add_test(t, ghost_clipping_gives_the_published_sums);
    tcase_add_loop_test(t, clipped_units_may_lie_anywhere_in_a_batch, 0, 2);
    tcase_add_loop_test(t, a_batch_of_several_blocks_is_the_sum_of_its_rows, 0, 2);
    tcase_add_test(t, a_network_without_memory_or_shape_is_refused_and_left_empty);
    return tally_suite_run("network", t);
}
