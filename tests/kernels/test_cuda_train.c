/* test_cuda_train.c - training on a device (tests/cudashim/shim.h): like ref64, with the same bits
 * however the device runs and wherever the rows are, without a wait inside an epoch, and with any
 * call failing or the device lost, a clear error and nothing changed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/combine.h"
#include "kernels/random.h"
#include "kernels/train.h"
#include "tests/cudashim/shim.h"
#include "tests/lib/suite.h"

enum { ROWS = 700, FEATURES = 7, BATCH = 64, PARAMS_MAX = 400 };

static const struct tally_model NET = {
    .inputs = FEATURES, .hidden = {16, 9},
         .n = 2
};

static float x[ROWS * FEATURES], y[ROWS], weight[ROWS], base[PARAMS_MAX], delta[PARAMS_MAX];
static struct tally_table table;
static struct tally_plan plan;
static struct tally_training in;
static struct tally_trained out;
static size_t params;

static void fresh(void)
{
    struct tally_random r = tally_random_from(1, 1, 1);

    tally_shim_reset();
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = 0; k < FEATURES; k++) x[i * FEATURES + k] = tally_random_symmetric(&r);
        y[i] = x[i * FEATURES] * x[i * FEATURES] + x[i * FEATURES + 1] > 0.3F ? 1.0F : 0.0F;
        weight[i] = (float)(i % 4);
    }
    ck_assert_int_eq(tally_model_layers(&NET, NULL, &params), TALLY_OK);
    ck_assert_uint_le(params, PARAMS_MAX);
    ck_assert_int_eq(tally_model_init(base, &NET, 0.3, 3), TALLY_OK);
    memset(delta, 0x5a, sizeof delta);
    memset(&out, 0x5a, sizeof out);
    table = (struct tally_table){.rows = ROWS, .features = FEATURES, .x = x, .y = y};
    plan = tally_plan_default();
    plan.learning_rate = 0.01;
    plan.batch = BATCH;
    plan.epochs = 3;
    in = (struct tally_training){
        .backend = tally_cuda_shim(), .model = &NET, .base = base, .table = &table, .plan = &plan};
}

static void train(void)
{
    ck_assert_msg(tally_train(delta, &out, &in) == TALLY_OK, "%s", tally_why());
}

/* Optimisers, with and without weights, the proximal term, and what else a plan can ask for. */
static void variant(int i)
{
    plan.optimizer = (enum tally_optimizer)(TALLY_SGD + i % 4);
    plan.prox_mu = i % 2 == 0 ? 0 : 0.05;
    plan.positive_weight = 2.5;
    table.weight = i / 3 % 2 == 0 ? NULL : weight;
    plan.weight_decay = i % 4 == 3 ? 0.02 : 0;
    plan.focal_gamma = i % 3 == 1 ? 1.5 : 0;
    plan.dropout = i % 5 == 1 ? 0.25 : 0;
    plan.clip_row = i % 7 == 1 || i % 7 == 3 ? 0.4 : 0;
    plan.clip_norm = i % 5 == 2 || i % 7 == 3 ? 0.05 : 0;
}
enum { VARIANTS = 16 };

START_TEST(a_training_is_ref64_s)
{
    float want[PARAMS_MAX];

    fresh();
    variant(_i);
    in.backend = tally_backend_named("ref64");
    train();
    struct tally_trained trained = out;
    memcpy(want, delta, sizeof want);
    in.backend = tally_cuda_shim();
    train();
    for (size_t i = 0; i < params; i++)
        ck_assert_double_eq_tol((double)delta[i], (double)want[i], 1e-4);
    ck_assert_double_eq_tol(out.first_loss, trained.first_loss, 1e-5);
    ck_assert_double_eq_tol(out.last_loss, trained.last_loss, 1e-5);
    ck_assert_uint_eq(out.steps, trained.steps);
    ck_assert_uint_eq(out.examples, trained.examples);
}
END_TEST

/* The least memory that variant i trains in: too little for the rows, which are streamed. */
static size_t least_memory(int i)
{
    for (size_t bytes = 33U << 20;; bytes += 1U << 12) {
        ck_assert_uint_lt(bytes, 34U << 20);
        fresh();
        variant(i);
        tally_shim.memory_bytes = bytes;
        if (tally_train(delta, &out, &in) == TALLY_OK) return bytes;
    }
}

START_TEST(order_threads_and_streaming_change_no_bit)
{
    float want[PARAMS_MAX];
    size_t least = least_memory(_i);

    fresh();
    variant(_i);
    train();
    struct tally_trained trained = out;
    size_t waits = tally_shim_waits();
    memcpy(want, delta, sizeof want);
    for (int how = 1; how < 8; how++) {
        fresh();
        variant(_i);
        tally_shim.eager = (how & 1) != 0;
        tally_shim.backwards = (how & 2) != 0;
        if ((how & 4) != 0) tally_shim.memory_bytes = least;
        train();
        ck_assert_int_eq(tally_shim_waits() > waits, (how & 4) != 0);
        ck_assert_mem_eq(delta, want, params * sizeof *want);
        ck_assert_mem_eq(&out, &trained, sizeof out);
    }
}
END_TEST

START_TEST(without_room_for_two_batches_there_is_no_memory)
{
    bool streamed = false;
    bool refused = false;
    struct tally_trained kept;
    float before[PARAMS_MAX];

    fresh();
    memcpy(before, delta, sizeof before);
    kept = out;
    for (size_t kib = 0; kib < 256; kib += 4) {
        fresh();
        tally_shim.memory_bytes = (33U << 20) + (kib << 10);
        enum tally_status s = tally_train(delta, &out, &in);
        streamed = streamed || (s == TALLY_OK && tally_shim_waits() > 3 + 8);
        if (s == TALLY_OK) continue;
        refused = true;
        ck_assert_int_eq(s, TALLY_E_NOMEM);
        ck_assert_mem_eq(delta, before, sizeof before);
        ck_assert_mem_eq(&out, &kept, sizeof out);
    }
    ck_assert(streamed && refused);
}
END_TEST

/* A wait at each epoch's end, some for what comes back at the end; none that grows with steps.
 * Graph launches: every full batch but the first. */
START_TEST(nothing_waits_inside_an_epoch)
{
    size_t waits[2];

    for (size_t i = 0; i < 2; i++) {
        fresh();
        plan.batch = i == 0 ? BATCH : 8;
        train();
        waits[i] = tally_shim_waits();
        ck_assert_uint_eq(tally_shim_graph_launches(), 3 * (ROWS / plan.batch) - 1);
    }
    ck_assert_uint_eq(waits[0], waits[1]);
    fresh();
    plan.epochs = 13;
    train();
    ck_assert_uint_le(tally_shim_waits(), waits[0] + 2 * 10);
}
END_TEST

START_TEST(batches_without_weight_are_skipped)
{
    fresh();
    table.weight = weight;
    memset(weight, 0, sizeof weight);
    weight[5] = 2;
    plan.batch = 1;
    train();
    ck_assert_uint_eq(out.steps, 3 * ROWS);
    ck_assert_uint_eq(tally_shim_graph_launches(), 2);
    ck_assert(isfinite(out.last_loss));
    ck_assert_mem_ne(delta, base, sizeof delta);
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
}

START_TEST(training_that_diverges_is_told_at_the_epoch_s_end)
{
    fresh();
    plan.optimizer = TALLY_SGD;
    plan.learning_rate = 1e30;
    check_refused(TALLY_E_STATE, "is no longer finite in epoch");
    fresh();
    plan.optimizer = TALLY_SGD;
    plan.learning_rate = 1e300;
    plan.epochs = 1;
    plan.batch = ROWS;
    check_refused(TALLY_E_STATE, "a weight is no longer finite in epoch 1 of 1, step 1 of 1");
    fresh(); /* the device is none the worse for it */
    train();
}
END_TEST

/* Where rows are streamed, too (i & 1), `least` being what they need for that. */
static void fresh_for_failure(int i, size_t least)
{
    fresh();
    variant(5);
    plan.epochs = 2;
    plan.clip_row = 0.4;
    plan.clip_norm = 0.1;
    plan.dropout = 0.25;
    if ((i & 1) != 0) tally_shim.memory_bytes = least;
}

static size_t least_for_failure(void)
{
    for (size_t bytes = 33U << 20;; bytes += 1U << 12) {
        fresh_for_failure(1, bytes);
        if (tally_train(delta, &out, &in) == TALLY_OK) return bytes;
    }
}

/* Every call in turn: the error has the vendor's name, the outputs are as they were, nothing is
 * left over, and the next training works, with the same bits. */
START_TEST(any_failing_call_is_an_error_with_its_name)
{
    float want[PARAMS_MAX];
    size_t least = least_for_failure();

    fresh_for_failure(_i, least);
    train();
    memcpy(want, delta, sizeof want);
    size_t live = tally_shim_live();
    int n = 0;
    for (;; n++) {
        fresh_for_failure(_i, least);
        tally_shim_fail(n, TALLY_SHIM_CALL_FAILS);
        bool done = tally_train(delta, &out, &in) == TALLY_OK;
        if (done) ck_assert_mem_eq(delta, want, params * sizeof *want);
        if (done && tally_shim_failed()) continue; /* the wait before everything is released */
        if (done) break;
        ck_assert(tally_shim_failed());
        ck_assert_msg(strstr(tally_why(), "cuda-shim: cudaErrorLaunchFailure from ") != NULL ||
                          strstr(tally_why(), "cuda-shim: CUBLAS_STATUS_EXECUTION_FAILED") != NULL,
                      "%s", tally_why());
        float untouched[PARAMS_MAX];
        memset(untouched, 0x5a, sizeof untouched);
        ck_assert_mem_eq(delta, untouched, sizeof delta);
    }
    ck_assert_int_gt(n, 150);
    ck_assert_uint_eq(tally_shim_live(), live);
}
END_TEST

/* One that belongs to the device itself keeps it from opening. */
START_TEST(any_failing_allocation_is_no_memory_or_makes_do)
{
    int statuses[TALLY_E_LIB + 1] = {0};
    size_t least = least_for_failure();

    for (int n = 0; n < 20; n++) {
        fresh();
        tally_shim_fail(0, TALLY_SHIM_DEVICE_LOST); /* so that it has to be opened */
        ck_assert_int_eq(tally_train(delta, &out, &in), TALLY_E_STATE);
        fresh_for_failure(_i, least);
        tally_shim_fail(n, TALLY_SHIM_NO_MEMORY);
        enum tally_status s = tally_train(delta, &out, &in);
        statuses[s]++;
        if (s == TALLY_E_STATE)
            ck_assert_msg(strstr(tally_why(), "cudaErrorMemoryAllocation") != NULL ||
                              strstr(tally_why(), "CUBLAS_STATUS_ALLOC_FAILED") != NULL,
                          "%s", tally_why());
    }
    ck_assert_int_eq(statuses[TALLY_OK] + statuses[TALLY_E_STATE] + statuses[TALLY_E_NOMEM], 20);
    ck_assert(statuses[TALLY_E_STATE] == 5 && statuses[TALLY_E_NOMEM] > 0);
    fresh_for_failure(_i, least);
    train();
}
END_TEST

/* Lost at every call: this training fails, so does the next one, and when the device is back (a
 * new process in truth) all is well. */
START_TEST(a_lost_device_is_an_error_until_it_is_back)
{
    size_t least = least_for_failure();

    fresh();
    train();
    size_t live = tally_shim_live();
    for (int n = 0;; n += 3) {
        fresh_for_failure(_i, least);
        tally_shim_fail(n, TALLY_SHIM_DEVICE_LOST);
        bool done = tally_train(delta, &out, &in) == TALLY_OK;
        if (done && tally_shim_failed()) continue;
        if (done) break;
        for (int again = 0; again < 2; again++) {
            ck_assert_msg(strstr(tally_why(), "cudaErrorECCUncorrectable") != NULL ||
                              strstr(tally_why(), "CUBLAS_STATUS_EXECUTION_FAILED") != NULL,
                          "%s", tally_why());
            memset(delta, 0x5a, sizeof delta);
            memset(&out, 0x5a, sizeof out);
            check_refused(TALLY_E_STATE, "cudaErrorECCUncorrectable");
        }
        ck_assert_uint_eq(tally_shim_live(), 0);
    }
    fresh();
    train();
    ck_assert_uint_eq(tally_shim_live(), live);
}
END_TEST

START_TEST(a_device_that_is_none_or_too_old_is_refused)
{
    fresh();
    tally_shim.devices = 0;
    check_refused(TALLY_E_STATE, "cudaErrorNoDevice");
    tally_shim.devices = 1;
    tally_shim.major = 7;
    check_refused(TALLY_E_STATE, "compute capability below 8.0");
    tally_shim.major = 8;
    train();
}
END_TEST

START_TEST(scores_are_cpu_s_and_fail_with_the_device)
{
    static float got[ROWS], want[ROWS];
    struct tally_scoring s = {.model = &NET, .params = base, .x = x, .rows = ROWS};

    fresh();
    s.backend = tally_backend_named("cpu");
    ck_assert_int_eq(tally_model_score(want, &s), TALLY_OK);
    s.backend = tally_cuda_shim();
    ck_assert_int_eq(tally_model_score(got, &s), TALLY_OK);
    for (size_t i = 0; i < ROWS; i++)
        ck_assert_double_eq_tol((double)got[i], (double)want[i], 1e-5);
    int n = 0;
    for (;; n++) {
        tally_shim_fail(n, TALLY_SHIM_CALL_FAILS);
        enum tally_status status = tally_model_score(got, &s);
        if (!tally_shim_failed()) break;
        ck_assert_int_eq(status, TALLY_E_STATE);
        ck_assert_ptr_nonnull(strstr(tally_why(), "cuda-shim: "));
    }
    ck_assert_int_gt(n, 20);
}
END_TEST

/* Whatever call fails, and in place: the sum that comes out is the whole one. */
START_TEST(a_mean_survives_the_loss_of_its_device)
{
    enum { SITES = 5, N = 300 };
    static float deltas[SITES][N], want[N], got[N], start[N];
    const float *rows[SITES];
    const uint32_t weights[SITES] = {3, 1, 4, 1, 5};
    struct tally_random r = tally_random_from(3, 3, 3);

    fresh();
    for (size_t i = 0; i < N; i++) start[i] = tally_random_symmetric(&r);
    for (size_t s = 0; s < SITES; s++) {
        for (size_t i = 0; i < N; i++) deltas[s][i] = tally_random_symmetric(&r);
        rows[s] = deltas[s];
    }
    struct tally_combine c = {.backend = tally_backend_named("ref"),
                              .deltas = rows,
                              .weights = weights,
                              .sites = SITES,
                              .base = start,
                              .threads = 1};
    ck_assert_int_eq(tally_combine_mean(want, NULL, &c, N), TALLY_OK);
    c.backend = tally_cuda_shim();
    c.base = got;
    for (int n = 0; n < 60; n++) {
        tally_shim_reset();
        tally_shim_fail(n, _i == 0 ? TALLY_SHIM_DEVICE_LOST : TALLY_SHIM_CALL_FAILS);
        memcpy(got, start, sizeof got);
        ck_assert_int_eq(tally_combine_mean(got, NULL, &c, N), TALLY_OK);
        ck_assert_mem_eq(got, want, sizeof got);
    }
    ck_assert(!tally_shim_failed());
}
END_TEST

struct seen {
    uint32_t calls;
    double loss;
    atomic_bool *cancel;
};

static void look(void *context, const struct tally_progress *p)
{
    struct seen *s = context;

    ck_assert(isfinite(p->loss));
    s->loss = p->loss;
    if (++s->calls == 2 && s->cancel != NULL) atomic_store(s->cancel, true);
}

START_TEST(progress_and_cancelling_reach_through)
{
    atomic_bool cancel = false;
    struct seen s = {0};
    struct tally_watch watch = {.progress = look, .context = &s, .every = 5, .cancel = &cancel};

    fresh();
    in.watch = &watch;
    train(); /* 11 steps an epoch: 5 10 11 | 15 20 22 | 25 30 33 */
    ck_assert_uint_eq(s.calls, 9);
    ck_assert_double_eq_tol(s.loss, out.last_loss, 1e-15);
    fresh();
    s = (struct seen){.cancel = &cancel};
    in.watch = &watch;
    check_refused(TALLY_E_STATE, "cancelled in epoch 1 of 3, after step 10");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("cuda_train");

    tcase_add_loop_test(t, a_training_is_ref64_s, 0, VARIANTS);
    tcase_add_loop_test(t, order_threads_and_streaming_change_no_bit, 0, VARIANTS);
    tcase_add_test(t, without_room_for_two_batches_there_is_no_memory);
    tcase_add_test(t, nothing_waits_inside_an_epoch);
    tcase_add_test(t, batches_without_weight_are_skipped);
    tcase_add_test(t, training_that_diverges_is_told_at_the_epoch_s_end);
    tcase_add_loop_test(t, any_failing_call_is_an_error_with_its_name, 0, 2);
    tcase_add_loop_test(t, any_failing_allocation_is_no_memory_or_makes_do, 0, 2);
    tcase_add_loop_test(t, a_lost_device_is_an_error_until_it_is_back, 0, 2);
    tcase_add_test(t, a_device_that_is_none_or_too_old_is_refused);
    tcase_add_test(t, scores_are_cpu_s_and_fail_with_the_device);
    tcase_add_loop_test(t, a_mean_survives_the_loss_of_its_device, 0, 2);
    tcase_add_test(t, progress_and_cancelling_reach_through);
    return tally_suite_run("cuda_train", t);
}
