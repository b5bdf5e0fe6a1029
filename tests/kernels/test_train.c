/* test_train.c - kernels/train.c: it learns, it repeats itself bit for bit, and what it cannot use
 * it refuses by name. */
#include "kernels/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/metrics.h"
#include "kernels/random.h"
#include "tests/lib/suite.h"

static void check_equal(double got, double want)
{
    ck_assert_msg(!(got < want) && !(got > want), "%.17g, wanted %.17g", got, want);
}

enum { ROWS = 2000, FEATURES = 7, PARAMS_MAX = 400 };

static const struct tally_model LOGISTIC = {.inputs = FEATURES};
static const struct tally_model NET = {
    .inputs = FEATURES, .hidden = {16, 9},
         .n = 2
};

static float x[ROWS * FEATURES], y[ROWS], weight[ROWS], base[PARAMS_MAX], delta[PARAMS_MAX];
static struct tally_table table;
static struct tally_plan plan;
static struct tally_training in;
static struct tally_trained out;

/* About one positive in six; linear for LOGISTIC, a ring besides for the network. */
static void label(size_t r, bool ring)
{
    const float *v = x + r * FEATURES;
    float score = ring ? v[0] * v[0] + v[1] * v[1] - 1.15F : v[0] + v[1] - 0.5F * v[2] - 0.8F;

    y[r] = score > 0 ? 1.0F : 0.0F;
}

static void fresh(const struct tally_model *m, const char *backend)
{
    struct tally_random r = tally_random_from(1, 1, 1);

    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = 0; k < FEATURES; k++) x[i * FEATURES + k] = tally_random_symmetric(&r);
        label(i, m->n > 0);
        weight[i] = 1;
    }
    ck_assert_int_eq(tally_model_init(base, m, 0.16, 3), TALLY_OK);
    memset(delta, 0, sizeof delta);
    out = (struct tally_trained){0};
    table = (struct tally_table){.rows = ROWS, .features = FEATURES, .x = x, .y = y};
    plan = tally_plan_default();
    plan.learning_rate = 0.01;
    plan.batch = 64;
    plan.epochs = 3;
    plan.seed = 77;
    in = (struct tally_training){.backend = tally_backend_named(backend),
                                 .model = m,
                                 .base = base,
                                 .table = &table,
                                 .plan = &plan};
}

static size_t params_of(const struct tally_model *m)
{
    size_t params;

    ck_assert_int_eq(tally_model_layers(m, NULL, &params), TALLY_OK);
    ck_assert_uint_le(params, PARAMS_MAX);
    return params;
}

static void train(void)
{
    ck_assert_msg(tally_train(delta, &out, &in) == TALLY_OK, "%s", tally_why());
}

static double auc(void)
{
    static float logits[ROWS];
    float trained[PARAMS_MAX];
    struct tally_metrics m;

    for (size_t i = 0; i < params_of(in.model); i++) trained[i] = base[i] + delta[i];
    ck_assert_int_eq(tally_model_score(logits, &(struct tally_scoring){.backend = in.backend,
                                                                       .model = in.model,
                                                                       .params = trained,
                                                                       .x = x,
                                                                       .rows = ROWS}),
                     TALLY_OK);
    ck_assert_int_eq(tally_metrics_exact(
                         &m, &(struct tally_scored){.rows = ROWS, .logit = logits, .y = y}, 0.01),
                     TALLY_OK);
    return m.roc_auc;
}

static const struct {
    const char *backend;
    const struct tally_model *model;
    enum tally_optimizer optimizer;
    double rate;
} LEARNERS[] = {
    {"cpu",   &LOGISTIC, TALLY_SGD,      0.5 },
    {"ref",   &LOGISTIC, TALLY_MOMENTUM, 0.1 },
    {"ref64", &LOGISTIC, TALLY_ADAM,     0.05},
    {"cpu",   &NET,      TALLY_MOMENTUM, 0.1 },
    {"cpu",   &NET,      TALLY_ADAM,     0.01},
    {"ref",   &NET,      TALLY_ADAM,     0.01},
};

START_TEST(separable_data_is_learnt)
{
    fresh(LEARNERS[_i].model, LEARNERS[_i].backend);
    plan.optimizer = LEARNERS[_i].optimizer;
    plan.learning_rate = LEARNERS[_i].rate;
    plan.epochs = 12;
    train();
    ck_assert_double_gt(auc(), 0.99);
    ck_assert_double_lt(out.last_loss, 0.5 * out.first_loss);
    ck_assert_uint_eq(out.examples, ROWS);
    ck_assert_uint_gt(out.positives, ROWS / 20);
    ck_assert_uint_eq(out.steps, 12 * ((ROWS + 63) / 64));
}
END_TEST

START_TEST(the_same_arguments_give_the_same_bits)
{
    static const char *const names[] = {"ref", "ref64", "cpu"};
    float first[PARAMS_MAX];
    size_t bytes = params_of(&NET) * sizeof *first;

    fresh(&NET, names[_i]);
    plan.prox_mu = 0.01;
    train();
    struct tally_trained metrics = out;
    memcpy(first, delta, bytes);
    fresh(&NET, names[_i]);
    plan.prox_mu = 0.01;
    train();
    ck_assert_mem_eq(delta, first, bytes);
    ck_assert_mem_eq(&out, &metrics, sizeof out);
    plan.round = 1;
    train();
    ck_assert_mem_ne(delta, first, bytes);
    plan.round = 0;
    plan.seed = 78;
    train();
    ck_assert_mem_ne(delta, first, bytes);
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    static const char *const names[] = {"ref", "cpu"};
    static const uint32_t batches[] = {1, 50, 777, ROWS};
    float first[PARAMS_MAX];

    for (size_t b = _i == 0 ? 2 : 0; b < 4; b++) {
        for (uint32_t threads = 1; threads <= 7; threads += 2) {
            fresh(&NET, names[_i]);
            plan.threads = threads;
            plan.batch = batches[b];
            plan.epochs = b == 0 ? 1 : 3;
            train();
            if (threads == 1) memcpy(first, delta, sizeof first);
            ck_assert_mem_eq(delta, first, params_of(&NET) * sizeof *first);
        }
    }
}
END_TEST

static void everything_on(void)
{
    plan.optimizer = TALLY_ADAMW;
    plan.weight_decay = 0.1;
    plan.focal_gamma = 1.5;
    plan.dropout = 0.2;
    plan.clip_row = 0.5;
    plan.clip_norm = 0.05;
    plan.prox_mu = 0.01;
}

START_TEST(every_option_at_once_gives_the_same_bits_on_any_threads)
{
    float first[PARAMS_MAX];
    float other[PARAMS_MAX];

    for (uint32_t threads = 1; threads <= 4; threads += 3) {
        fresh(&NET, "cpu");
        everything_on();
        plan.threads = threads;
        train();
        if (threads == 1) memcpy(first, delta, sizeof first);
        ck_assert_mem_eq(delta, first, params_of(&NET) * sizeof *first);
    }
    ck_assert_uint_eq(out.lost, 0);
    double *const options[] = {&plan.weight_decay, &plan.focal_gamma, &plan.dropout,
                               &plan.clip_row,     &plan.clip_norm,   &plan.prox_mu};
    for (size_t i = 0; i < 6; i++) { /* each of them matters */
        fresh(&NET, "cpu");
        everything_on();
        *options[i] *= 0.5;
        train();
        memcpy(other, delta, sizeof other);
        ck_assert_mem_ne(other, first, params_of(&NET) * sizeof *first);
    }
    fresh(&NET, "ref");
    everything_on();
    plan.epochs = 1;
    train();
    memcpy(first, delta, sizeof first);
    in.backend = tally_backend_named("cpu");
    train();
    for (size_t i = 0; i < params_of(&NET); i++)
        ck_assert_double_eq_tol((double)delta[i], (double)first[i], 2e-4);
}
END_TEST

/* One SGD step over all rows: no longer than the rate times the bound, in its plain direction. */
START_TEST(clipped_steps_are_as_long_as_the_bound)
{
    float plain[PARAMS_MAX];
    double length[2] = {0};
    double along = 0;
    size_t params = params_of(&NET);

    for (int clipped = 0; clipped < 2; clipped++) {
        fresh(&NET, "cpu");
        plan.optimizer = TALLY_SGD;
        plan.batch = ROWS;
        plan.epochs = 1;
        plan.learning_rate = 1;
        plan.clip_norm = clipped * 0.001;
        train();
        for (size_t i = 0; i < params; i++) length[clipped] += (double)(delta[i] * delta[i]);
        for (size_t i = 0; i < params && clipped != 0; i++) along += (double)(delta[i] * plain[i]);
        memcpy(plain, delta, sizeof plain);
    }
    ck_assert_double_gt(sqrt(length[0]), 0.002);
    ck_assert_double_eq_tol(sqrt(length[1]), 0.001, 1e-6);
    ck_assert_double_eq_tol(along / sqrt(length[0] * length[1]), 1, 1e-4);
    fresh(&NET, "cpu");
    plan.optimizer = TALLY_SGD;
    plan.batch = ROWS;
    plan.epochs = 1;
    plan.learning_rate = 1;
    plan.clip_row = 0.001;
    train();
    length[0] = 0;
    for (size_t i = 0; i < params; i++) length[0] += (double)(delta[i] * delta[i]);
    ck_assert_double_lt(sqrt(length[0]), 0.001 * (1 + 1e-5)); /* a mean of rows so bounded */
    ck_assert_double_gt(sqrt(length[0]), 1e-5);
}
END_TEST

START_TEST(dropout_and_focal_loss_still_learn)
{
    fresh(&NET, "cpu");
    plan.dropout = 0.1;
    plan.epochs = 20;
    train();
    ck_assert_double_gt(auc(), 0.97);
    fresh(&NET, "cpu");
    plan.focal_gamma = 2;
    plan.optimizer = TALLY_ADAMW;
    plan.weight_decay = 0.001;
    plan.epochs = 20;
    train();
    ck_assert_double_gt(auc(), 0.97);
}
END_TEST

START_TEST(backends_agree_on_a_short_run)
{
    float want[PARAMS_MAX];
    size_t params = params_of(&NET);

    fresh(&NET, "ref64");
    plan.optimizer = TALLY_MOMENTUM;
    train();
    memcpy(want, delta, sizeof want);
    double loss = out.last_loss;
    static const char *const names[] = {"ref", "cpu"};
    in.backend = tally_backend_named(names[_i]);
    train();
    for (size_t i = 0; i < params; i++)
        ck_assert_double_eq_tol((double)delta[i], (double)want[i], 1e-4);
    ck_assert_double_eq_tol(out.last_loss, loss, 1e-5);
}
END_TEST

START_TEST(a_row_s_weight_counts_as_copies)
{
    fresh(&LOGISTIC, "ref64");
    plan.optimizer = TALLY_SGD;
    plan.batch = ROWS;
    table.rows = 30;
    table.weight = weight;
    for (size_t i = 0; i < 30; i++) weight[i] = (float)(i % 3);
    train();
    float weighted[FEATURES + 1];
    memcpy(weighted, delta, sizeof weighted);
    ck_assert_uint_eq(out.examples, 20);

    float copies_x[30 * FEATURES];
    float copies_y[30];
    size_t n = 0;
    for (size_t i = 0; i < 30; i++) {
        for (size_t k = 0; k < i % 3; k++, n++) {
            memcpy(copies_x + n * FEATURES, x + i * FEATURES, FEATURES * sizeof *x);
            copies_y[n] = y[i];
        }
    }
    table = (struct tally_table){.rows = n, .features = FEATURES, .x = copies_x, .y = copies_y};
    train();
    for (size_t i = 0; i <= FEATURES; i++)
        ck_assert_double_eq_tol((double)delta[i], (double)weighted[i], 1e-7);
}
END_TEST

START_TEST(batches_whose_weights_are_zero_are_skipped)
{
    fresh(&NET, "cpu");
    table.weight = weight;
    plan.batch = 1;
    plan.epochs = 1;
    memset(weight, 0, sizeof weight);
    weight[5] = 2;
    train();
    ck_assert_uint_eq(out.examples, 1);
    ck_assert_uint_eq(out.steps, ROWS);
    ck_assert(isfinite(out.last_loss));
    for (size_t i = 0; i < params_of(&NET); i++) ck_assert(isfinite(delta[i]));
}
END_TEST

/* One full batch by hand: w -= rate * mean((sigmoid(z) - y) x). */
START_TEST(one_step_is_the_formula_s)
{
    fresh(&LOGISTIC, "ref64");
    plan.optimizer = TALLY_SGD;
    plan.batch = ROWS + 5; /* more than there are */
    plan.epochs = 1;
    plan.positive_weight = 4;
    train();
    ck_assert_uint_eq(out.steps, 1);
    double want[FEATURES + 1] = {0};
    for (size_t r = 0; r < ROWS; r++) {
        double z = (double)base[FEATURES];
        double cost = y[r] > 0 ? 4 : 1;
        double slope = (1 / (1 + exp(-z)) - (double)y[r]) * cost / ROWS;
        for (size_t k = 0; k < FEATURES; k++) want[k] += slope * (double)x[r * FEATURES + k];
        want[FEATURES] += slope;
    }
    for (size_t k = 0; k <= FEATURES; k++)
        ck_assert_double_eq_tol((double)delta[k], -plan.learning_rate * want[k], 1e-8);
}
END_TEST

/* Bias correction makes Adam's first step the rate times the gradient's sign, and with a constant
 * gradient, as one row of one class and a tiny rate have it, every later step too. */
START_TEST(adam_s_steps_have_the_length_of_the_rate)
{
    fresh(&LOGISTIC, "ref64");
    table.rows = 1;
    plan.learning_rate = 1e-6;
    for (uint32_t steps = 1; steps <= 4; steps++) {
        plan.epochs = steps;
        train();
        for (size_t k = 0; k <= FEATURES; k++)
            ck_assert_double_eq_tol(fabs((double)delta[k]), 1e-6 * steps, 1e-9);
    }
}
END_TEST

START_TEST(the_proximal_term_holds_the_model_near_its_base)
{
    double norm[2] = {0};

    fresh(&NET, "cpu");
    plan.optimizer = TALLY_SGD;
    plan.learning_rate = 0.1;
    for (int k = 0; k < 2; k++) {
        plan.prox_mu = k;
        train();
        for (size_t i = 0; i < params_of(&NET); i++) norm[k] += (double)(delta[i] * delta[i]);
    }
    ck_assert_double_lt(norm[1], 0.6 * norm[0]);
}
END_TEST

START_TEST(one_class_one_row_and_odd_sizes_train)
{
    static const size_t rows[] = {1, 2, 63, 64, 65, 127};

    for (size_t i = 0; i < 6; i++) {
        fresh(&NET, "cpu");
        for (size_t r = 0; r < ROWS; r++) y[r] = i % 2 == 0 ? 0.0F : 1.0F;
        table.rows = rows[i];
        train();
        ck_assert_uint_eq(out.examples, rows[i]);
        ck_assert_uint_eq(out.positives, i % 2 == 0 ? 0 : rows[i]);
        ck_assert_uint_eq(out.steps, 3 * ((rows[i] + 63) / 64));
    }
}
END_TEST

static void check_refused(enum tally_status want, const char *why)
{
    float before[PARAMS_MAX];
    struct tally_trained kept = out;

    memcpy(before, delta, sizeof before);
    ck_assert_int_eq(tally_train(delta, &out, &in), want);
    ck_assert_msg(strstr(tally_why(), why) != NULL, "%s", tally_why());
    ck_assert_mem_eq(delta, before, sizeof before);
    ck_assert_mem_eq(&out, &kept, sizeof out);
    if (want == TALLY_E_CONFIG) ck_assert_int_eq(tally_train_check(&in), want);
}

START_TEST(values_that_are_no_numbers_are_refused_by_row_and_column)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};

    for (size_t i = 0; i < 3; i++) {
        fresh(&NET, "cpu");
        x[5 * FEATURES + 2] = bad[i];
        check_refused(TALLY_E_CONFIG, "row 5, feature 2");
        fresh(&NET, "cpu");
        base[3] = bad[i];
        check_refused(TALLY_E_CONFIG, "parameter 3");
        fresh(&NET, "cpu");
        table.weight = weight;
        weight[9] = bad[i];
        check_refused(TALLY_E_CONFIG, "row 9: the weight");
        fresh(&NET, "cpu");
        y[9] = bad[i];
        check_refused(TALLY_E_CONFIG, "row 9: the label");
    }
}
END_TEST

START_TEST(tables_that_do_not_fit_are_refused)
{
    static const float labels[] = {0.5F, -1, 2, 1.0000001F};

    for (size_t i = 0; i < 4; i++) {
        fresh(&NET, "cpu");
        y[ROWS - 1] = labels[i];
        check_refused(TALLY_E_CONFIG, "row 1999: the label");
    }
    fresh(&NET, "cpu");
    table.rows = 0;
    check_refused(TALLY_E_CONFIG, "0 rows");
    table.rows = (size_t)TALLY_ROWS_MAX + 1;
    check_refused(TALLY_E_CONFIG, "rows");
    fresh(&NET, "cpu");
    table.features = FEATURES - 1;
    check_refused(TALLY_E_CONFIG, "6 features, the model 7");
    fresh(&NET, "cpu");
    table.weight = weight;
    weight[0] = -1;
    check_refused(TALLY_E_CONFIG, "row 0: the weight");
    memset(weight, 0, sizeof weight);
    check_refused(TALLY_E_CONFIG, "every row");
}
END_TEST

/* Each number of the plan, out of its range in turn. */
START_TEST(plans_out_of_range_are_refused)
{
    double *const above_zero[] = {&plan.learning_rate, &plan.epsilon, &plan.positive_weight};
    double *const fractions[] = {&plan.momentum, &plan.beta1, &plan.beta2, &plan.dropout};
    static const double not_above[] = {0, -1, (double)NAN, (double)INFINITY};
    static const double no_fraction[] = {1, -0.1, (double)NAN, (double)INFINITY};

    for (size_t i = 0; i < 12; i++) {
        fresh(&NET, "cpu");
        *above_zero[i / 4] = not_above[i % 4];
        check_refused(TALLY_E_CONFIG, "above 0");
    }
    for (size_t i = 0; i < 16; i++) {
        fresh(&NET, "cpu");
        *fractions[i / 4] = no_fraction[i % 4];
        check_refused(TALLY_E_CONFIG, "below 1");
    }
    double *const from_zero[] = {&plan.prox_mu, &plan.focal_gamma, &plan.clip_row, &plan.clip_norm,
                                 &plan.weight_decay};
    for (size_t i = 0; i < 15; i++) {
        fresh(&NET, "cpu");
        *from_zero[i / 3] = not_above[1 + i % 3];
        check_refused(TALLY_E_CONFIG, "0 or more");
    }
    fresh(&NET, "cpu");
    plan.optimizer = (enum tally_optimizer)0;
    check_refused(TALLY_E_CONFIG, "optimizer");
    plan.optimizer = (enum tally_optimizer)(TALLY_ADAMW + 1);
    check_refused(TALLY_E_CONFIG, "optimizer");
    fresh(&NET, "cpu");
    plan.threads = TALLY_THREADS_MAX + 1;
    check_refused(TALLY_E_CONFIG, "257 threads");
    static const uint32_t batches[] = {0, TALLY_BATCH_MAX + 1, UINT32_MAX};
    static const uint32_t epochs[] = {0, TALLY_EPOCHS_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        fresh(&NET, "cpu");
        plan.batch = batches[i];
        check_refused(TALLY_E_CONFIG, "batch");
        fresh(&NET, "cpu");
        plan.epochs = epochs[i];
        check_refused(TALLY_E_CONFIG, "epochs");
    }
}
END_TEST

START_TEST(training_that_diverges_says_where_and_what_to_do)
{
    static const char *const names[] = {"ref", "cpu"};

    fresh(&NET, names[_i]);
    plan.optimizer = TALLY_SGD;
    plan.learning_rate = 1e30;
    check_refused(TALLY_E_STATE, "epoch 1 of 3, step");
    ck_assert_ptr_nonnull(strstr(tally_why(), "lower learning_rate"));
    fresh(&NET, names[_i]); /* only the last step leaves float: no loss sees it */
    plan.optimizer = TALLY_SGD;
    plan.learning_rate = 1e300;
    plan.epochs = 1;
    plan.batch = ROWS;
    check_refused(TALLY_E_STATE, "a weight is no longer finite in epoch 1 of 1, step 1 of 1");
}
END_TEST

struct seen {
    uint32_t calls, last_epoch;
    uint64_t last_step;
    double loss;
    atomic_bool *cancel;
    uint32_t cancel_at;
};

static void look(void *context, const struct tally_progress *p)
{
    struct seen *s = context;

    ck_assert_uint_gt(p->step, s->last_step);
    ck_assert_uint_le(p->step, p->steps);
    ck_assert_uint_le(p->epoch, p->epochs);
    ck_assert_uint_ge(p->epoch, s->last_epoch);
    ck_assert(isfinite(p->loss));
    s->calls++;
    s->last_step = p->step;
    s->last_epoch = p->epoch;
    s->loss = p->loss;
    if (s->calls == s->cancel_at) atomic_store(s->cancel, true);
}

START_TEST(progress_is_told_every_so_often_and_at_each_epoch_s_end)
{
    struct seen s = {0};
    struct tally_watch watch = {.progress = look, .context = &s, .every = 10};

    fresh(&NET, "cpu");
    in.watch = &watch;
    train(); /* 32 steps an epoch: 10 20 30 32 | 40 50 60 64 | 70 80 90 96 */
    ck_assert_uint_eq(s.calls, 12);
    ck_assert_uint_eq(s.last_step, 96);
    ck_assert_uint_eq(s.last_epoch, 3);
    check_equal(s.loss, out.last_loss);
}
END_TEST

START_TEST(a_cancelled_training_stops_and_leaves_the_outputs)
{
    atomic_bool cancel = false;
    struct seen s = {.cancel = &cancel, .cancel_at = 2};
    struct tally_watch watch = {.progress = look, .context = &s, .every = 10, .cancel = &cancel};

    fresh(&NET, "cpu");
    in.watch = &watch;
    check_refused(TALLY_E_STATE, "cancelled in epoch 1 of 3, after step 20");
    ck_assert_uint_eq(s.calls, 2);
}
END_TEST

static int allocations_left;

static void *scarce(size_t n)
{
    return allocations_left-- > 0 ? tally_backend_ref.alloc(n) : NULL;
}

START_TEST(every_failing_allocation_is_an_error_and_leaks_nothing)
{
    struct tally_backend poor = tally_backend_ref;

    poor.alloc = scarce;
    fresh(&NET, "ref");
    in.backend = &poor;
    plan.prox_mu = 0.1;
    for (int have = 0; have < 6; have++) {
        allocations_left = have;
        check_refused(TALLY_E_NOMEM, have == 0 ? "numbers" : "parameters");
    }
    allocations_left = 6;
    train();
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("train");

    tcase_add_loop_test(t, separable_data_is_learnt, 0, sizeof LEARNERS / sizeof LEARNERS[0]);
    tcase_add_loop_test(t, the_same_arguments_give_the_same_bits, 0, 3);
    tcase_add_loop_test(t, any_number_of_threads_gives_the_same_bits, 0, 2);
    tcase_add_test(t, every_option_at_once_gives_the_same_bits_on_any_threads);
    tcase_add_test(t, clipped_steps_are_as_long_as_the_bound);
    tcase_add_test(t, dropout_and_focal_loss_still_learn);
    tcase_add_loop_test(t, backends_agree_on_a_short_run, 0, 2);
    tcase_add_test(t, a_row_s_weight_counts_as_copies);
    tcase_add_test(t, batches_whose_weights_are_zero_are_skipped);
    tcase_add_test(t, one_step_is_the_formula_s);
    tcase_add_test(t, adam_s_steps_have_the_length_of_the_rate);
    tcase_add_test(t, the_proximal_term_holds_the_model_near_its_base);
    tcase_add_test(t, one_class_one_row_and_odd_sizes_train);
    tcase_add_test(t, values_that_are_no_numbers_are_refused_by_row_and_column);
    tcase_add_test(t, tables_that_do_not_fit_are_refused);
    tcase_add_test(t, plans_out_of_range_are_refused);
    tcase_add_loop_test(t, training_that_diverges_says_where_and_what_to_do, 0, 2);
    tcase_add_test(t, progress_is_told_every_so_often_and_at_each_epoch_s_end);
    tcase_add_test(t, a_cancelled_training_stops_and_leaves_the_outputs);
    tcase_add_test(t, every_failing_allocation_is_an_error_and_leaks_nothing);
    return tally_suite_run("train", t);
}
