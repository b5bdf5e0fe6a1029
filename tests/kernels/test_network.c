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

    const double *z = tally_network_forward(&net, params, rows);
    for (size_t i = 0; i < rows; i++) check_near(z[i], logits[i], 1e-11);
    double *grad = tally_backend_ref64.alloc(net.params);
    const struct tally_batch batch = {.y = y,
                                      .positive =
                                          json_is_null(factor) ? 1 : json_number_value(factor),
                                      .scale = 1 / (double)rows,
                                      .rows = rows};
    check_near(tally_network_gradient(&net, grad, params, &batch),
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
    struct tally_network net = {0};
    float start[PARAMS_MAX];
    double params[PARAMS_MAX];
    double grad[PARAMS_MAX];
    double unused[PARAMS_MAX];
    float y[ROWS];
    float weight[ROWS];
    struct tally_random r = tally_random_from(2, 0, (uint64_t)_i);

    ck_assert_int_eq(tally_network_init(&net, &tally_backend_ref64, &MODELS[_i], ROWS, true),
                     TALLY_OK);
    ck_assert_int_eq(tally_model_init(start, &MODELS[_i], 0.3, 4), TALLY_OK);
    for (size_t i = 0; i < net.params; i++)
        params[i] = (double)start[i] + 0.1 * (double)tally_random_symmetric(&r);
    for (size_t i = 0; i < ROWS * net.layer[0].in; i++)
        ((double *)net.act[0])[i] = (double)tally_random_symmetric(&r);
    for (size_t i = 0; i < ROWS; i++) {
        y[i] = i % 3 == 0 ? 1.0F : 0.0F;
        weight[i] = (float)(i % 4);
    }
    const struct tally_batch batch = {
        .y = y, .weight = weight, .positive = 2.5, .scale = 0.2, .rows = ROWS};
    (void)tally_network_gradient(&net, grad, params, &batch);
    for (size_t i = 0; i < net.params; i++) {
        double at = params[i];
        params[i] = at + h;
        double up = tally_network_gradient(&net, unused, params, &batch);
        params[i] = at - h;
        double down = tally_network_gradient(&net, unused, params, &batch);
        params[i] = at;
        check_near((up - down) / (2 * h), grad[i], 1e-8);
    }
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
    tcase_add_loop_test(t, gradients_match_finite_differences, 0, sizeof MODELS / sizeof MODELS[0]);
    tcase_add_test(t, a_network_without_memory_or_shape_is_refused_and_left_empty);
    return tally_suite_run("network", t);
}
