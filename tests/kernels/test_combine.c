/* test_combine.c - kernels/combine.c: vectors/opt/fedavg_exact.json bit for bit, and the same bits
 * on every backend, instruction set, compiler, slice and number of threads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/text.h"
#include "kernels/combine.h"
#include "kernels/lanes.h"
#include "kernels/random.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

enum { SITES_MAX = 64 };

static const char *const BACKENDS[] = {"ref", "cpu", "ref64"};

static uint32_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float from_bits(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

static float from_hex(const json_t *text)
{
    return from_bits((uint32_t)strtoul(json_string_value(text), NULL, 16));
}

static void check_fedavg(const json_t *c, const struct tally_backend *b)
{
    float values[SITES_MAX][8];
    const float *deltas[SITES_MAX];
    uint32_t weights[SITES_MAX];
    float out[8];
    const json_t *want = json_object_get(c, "sequential_f64_then_f32_hex");
    size_t n = json_array_size(want);
    size_t sites = json_array_size(json_object_get(c, "examples"));
    bool huge = strcmp(json_string_value(json_object_get(c, "name")), "huge_weights") == 0;

    ck_assert_uint_le(sites, SITES_MAX);
    ck_assert_uint_le(n, 8);
    for (size_t s = 0; s < sites; s++) {
        const json_t *row = json_array_get(json_object_get(c, "updates_hex"), s);
        for (size_t i = 0; i < n; i++) values[s][i] = from_hex(json_array_get(row, i));
        deltas[s] = values[s];
        weights[s] =
            (uint32_t)json_integer_value(json_array_get(json_object_get(c, "examples"), s));
    }
    const struct tally_combine in = {
        .backend = b, .deltas = deltas, .weights = weights, .sites = (uint32_t)sites, .threads = 1};
    enum tally_status status = tally_combine_mean(out, NULL, &in, n);
    ck_assert_int_eq(status, huge ? TALLY_E_LIMIT : TALLY_OK);
    for (size_t i = 0; !huge && i < n; i++)
        ck_assert_msg(bits_of(out[i]) == bits_of(from_hex(json_array_get(want, i))), "%s %zu: %08x",
                      json_string_value(json_object_get(c, "name")), i, bits_of(out[i]));
}

START_TEST(published_means_match_bit_for_bit_and_huge_weights_are_refused)
{
    json_t *j = tally_vectors_json("vectors/opt/fedavg_exact.json");
    size_t i;
    json_t *c;

    ck_assert_uint_eq(json_array_size(json_object_get(j, "cases")), 5);
    json_array_foreach(json_object_get(j, "cases"), i, c)
        check_fedavg(c, tally_backend_named(BACKENDS[_i]));
    json_decref(j);
}
END_TEST

/* Deltas of every exponent and sign, subnormals and zeros among them, made from bits alone. */
struct fixture {
    float *values, *base, *out;
    const float *deltas[SITES_MAX];
    uint32_t weights[SITES_MAX];
    struct tally_combine in;
    size_t n;
};

static void fill(float *x, size_t n, uint32_t site)
{
    struct tally_random r = tally_random_from(11, site, n);

    for (size_t i = 0; i < n; i++) {
        uint64_t u = tally_random_u64(&r);
        uint32_t exponent = (uint32_t)(u >> 32) % 8 == 0 ? (uint32_t)(u >> 40) % 255
                                                         : 110 + (uint32_t)(u >> 40) % 16;
        x[i] = from_bits(((uint32_t)u & 0x807fffffU) | exponent << 23);
        if (exponent > 250) x[i] = from_bits((uint32_t)u & 0x80000000U); /* both zeros */
    }
}

static struct fixture make(uint32_t sites, size_t n)
{
    struct fixture f = {.n = n};

    f.values = malloc((sites * n + 1) * sizeof(float));
    f.base = malloc((n + 1) * sizeof(float));
    f.out = malloc((n + 1) * sizeof(float));
    ck_assert(f.values != NULL && f.base != NULL && f.out != NULL);
    for (uint32_t s = 0; s < sites; s++) {
        fill(f.values + s * n, n, s);
        f.deltas[s] = f.values + s * n;
        f.weights[s] = (uint32_t)(TALLY_COMBINE_WEIGHT_END - 1) >> s % 29;
    }
    fill(f.base, n, 999);
    f.in = (struct tally_combine){
        .backend = tally_backend_named("ref"), .sites = sites, .base = f.base, .threads = 1};
    return f;
}

/* The fixture moves when returned, so its own arrays are pointed at late. */
static enum tally_status combine(struct fixture *f)
{
    f->in.deltas = f->deltas;
    f->in.weights = f->weights;
    return tally_combine_mean(f->out, NULL, &f->in, f->n);
}

static void drop(struct fixture *f)
{
    free(f->values);
    free(f->base);
    free(f->out);
}

static void digest(char hex[65], const struct fixture *f)
{
    uint8_t d[32];

    TALLY_SHA256_OF(d, tally_slice_of(f->out, f->n * sizeof(float)));
    tally_hex(tally_slice_of(d, sizeof d), hex);
}

/* What the rule in combine.h gives for these inputs, worked out in Python's floats as well; every
 * compiler, backend, processor and number of threads must land here. */
static const struct {
    uint32_t sites;
    size_t n;
    const char *sha256;
} FIXED[] = {
    {5,  100003, "b55c1d4797b7fef376aa87b84e2d57a7482cd2e30bb196e051bcce88386db2c8"},
    {32, 100003, "ded3929705b1c3f02ac2688408440ccd85a2a6cc70c3283c31fe9920a6261663"},
    {1,  17,     "a59f71ec7d00f1c0643bce53de2fceafdf5cd5dcaf9d7aeed2fe172995215119"},
};

START_TEST(the_bits_are_those_written_down_here)
{
    for (size_t i = 0; i < sizeof FIXED / sizeof FIXED[0]; i++) {
        struct fixture f = make(FIXED[i].sites, FIXED[i].n);
        char hex[65];
        f.in.backend = tally_backend_named(BACKENDS[_i]);
        for (f.in.threads = 1; f.in.threads <= 3; f.in.threads++) {
            memset(f.out, 0xee, f.n * sizeof(float));
            ck_assert_int_eq(combine(&f), TALLY_OK);
            digest(hex, &f);
            ck_assert_str_eq(hex, FIXED[i].sha256);
        }
        drop(&f);
    }
}
END_TEST

START_TEST(every_instruction_set_gives_the_bits_of_ref)
{
    static const size_t sizes[] = {1, 7, 16, 1023, 1025, 8191, 8193, 20011};
    const struct tally_lanes *lanes[3] = {&tally_lanes_base};
    size_t sets = 1;

    if (__builtin_cpu_supports("avx2")) lanes[sets++] = &tally_lanes_avx2;
    if (__builtin_cpu_supports("avx512f")) lanes[sets++] = &tally_lanes_avx512;
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        struct fixture f = make(1 + (uint32_t)(k * 9 + (size_t)_i) % 33, sizes[k]);
        if (_i % 2 == 1) f.in.base = NULL;
        ck_assert_int_eq(combine(&f), TALLY_OK);
        float *want = malloc(f.n * sizeof(float));
        memcpy(want, f.out, f.n * sizeof(float));
        struct tally_mean in = {
            .deltas = f.deltas, .weights = f.weights, .sites = f.in.sites, .base = f.in.base};
        for (uint32_t s = 0; s < in.sites; s++) in.total += f.weights[s];
        for (size_t i = 0; i < sets; i++) {
            memset(f.out, 0xee, f.n * sizeof(float));
            ck_assert(lanes[i]->mean(f.out, &in, 0, f.n));
            ck_assert_mem_eq(f.out, want, f.n * sizeof(float));
        }
        free(want);
        drop(&f);
    }
}
END_TEST

START_TEST(slices_of_any_length_and_alignment_give_the_same_bits)
{
    struct fixture f = make(6, 5001);
    static const size_t lengths[] = {1, 3, 64, 777, 4999};

    ck_assert_int_eq(combine(&f), TALLY_OK);
    float *want = malloc(f.n * sizeof(float));
    memcpy(want, f.out, f.n * sizeof(float));
    f.in.backend = tally_backend_named("cpu");
    for (size_t k = 0; k < 5; k++) {
        memset(f.out, 0xee, f.n * sizeof(float));
        for (size_t at = 0; at < f.n; at += lengths[k]) {
            const float *deltas[6];
            for (size_t s = 0; s < 6; s++) deltas[s] = f.deltas[s] + at;
            struct tally_combine part = f.in;
            part.deltas = deltas;
            part.weights = f.weights;
            part.base = f.base + at;
            size_t n = f.n - at < lengths[k] ? f.n - at : lengths[k];
            ck_assert_int_eq(tally_combine_mean(f.out + at, NULL, &part, n), TALLY_OK);
        }
        ck_assert_mem_eq(f.out, want, f.n * sizeof(float));
    }
    free(want);
    drop(&f);
}
END_TEST

START_TEST(the_base_may_be_overwritten_in_place)
{
    struct fixture f = make(4, 3000);

    f.in.backend = tally_backend_named(BACKENDS[_i]);
    ck_assert_int_eq(combine(&f), TALLY_OK);
    f.in.deltas = f.deltas;
    f.in.weights = f.weights;
    ck_assert_int_eq(tally_combine_mean(f.base, NULL, &f.in, f.n), TALLY_OK);
    ck_assert_mem_eq(f.base, f.out, f.n * sizeof(float));
    drop(&f);
}
END_TEST

START_TEST(a_value_that_is_not_finite_is_refused_with_the_lowest_site)
{
    static const uint32_t bad[] = {0x7f800000U, 0xff800000U, 0x7fc00000U, 0x7f800001U, 0xffffffffU};

    for (size_t k = 0; k < 5; k++) {
        struct fixture f = make(7, 70000);
        uint32_t site = 99;
        f.in.backend = tally_backend_named(BACKENDS[_i]);
        f.in.threads = 2;
        f.in.deltas = f.deltas;
        f.in.weights = f.weights;
        f.weights[3] = 0; /* a site that weighs nothing is still judged */
        f.values[5 * f.n + 2] = from_bits(bad[k]);
        f.values[3 * f.n + 69999] = from_bits(bad[k]);
        ck_assert_int_eq(tally_combine_mean(f.out, &site, &f.in, f.n), TALLY_E_UNTRUSTED);
        ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
        ck_assert_uint_eq(site, 3);
        f.values[3 * f.n + 69999] = 0;
        ck_assert_int_eq(tally_combine_mean(f.out, &site, &f.in, f.n), TALLY_E_UNTRUSTED);
        ck_assert_uint_eq(site, 5);
        drop(&f);
    }
}
END_TEST

START_TEST(a_base_or_sum_beyond_float_is_no_site_s_fault)
{
    const float big[] = {0x1.fffffep127F};
    const float *deltas[] = {big};
    const uint32_t weights[] = {3};
    float base[] = {0x1.fffffep127F};
    float out;
    uint32_t site = 99;
    const struct tally_combine in = {.backend = tally_backend_named(BACKENDS[_i]),
                                     .deltas = deltas,
                                     .weights = weights,
                                     .sites = 1,
                                     .base = base,
                                     .threads = 1};

    ck_assert_int_eq(tally_combine_mean(&out, &site, &in, 1), TALLY_E_STATE);
    base[0] = NAN;
    ck_assert_int_eq(tally_combine_mean(&out, &site, &in, 1), TALLY_E_STATE);
    ck_assert_uint_eq(site, 99);
    base[0] = -0x1.fffffep127F;
    ck_assert_int_eq(tally_combine_mean(&out, &site, &in, 1), TALLY_OK);
    ck_assert_uint_eq(bits_of(out), 0);
}
END_TEST

START_TEST(minus_zero_becomes_zero)
{
    const float zero[] = {-0.0F};
    const float *deltas[] = {zero, zero};
    const uint32_t weights[] = {3, 1};
    const float base[] = {-0.0F};
    float out = 1;
    struct tally_combine in = {.backend = tally_backend_named(BACKENDS[_i]),
                               .deltas = deltas,
                               .weights = weights,
                               .sites = 2,
                               .base = base,
                               .threads = 1};

    ck_assert_int_eq(tally_combine_mean(&out, NULL, &in, 1), TALLY_OK);
    ck_assert_uint_eq(bits_of(out), 0);
    in.base = NULL;
    ck_assert_int_eq(tally_combine_mean(&out, NULL, &in, 1), TALLY_OK);
    ck_assert_uint_eq(bits_of(out), 0);
    /* A quarter of the least number rounds to -0 by itself, and to 0 with a base of -0. */
    const float least[] = {-0x1p-149F};
    deltas[1] = least;
    ck_assert_int_eq(tally_combine_mean(&out, NULL, &in, 1), TALLY_OK);
    ck_assert_uint_eq(bits_of(out), 0x80000000U);
    in.base = base;
    ck_assert_int_eq(tally_combine_mean(&out, NULL, &in, 1), TALLY_OK);
    ck_assert_uint_eq(bits_of(out), 0);
}
END_TEST

START_TEST(weights_and_counts_beyond_the_limits_are_refused)
{
    struct fixture f = make(3, 4);

    f.weights[1] = TALLY_COMBINE_WEIGHT_END;
    ck_assert_int_eq(combine(&f), TALLY_E_LIMIT);
    f.weights[1] = UINT32_MAX;
    ck_assert_int_eq(combine(&f), TALLY_E_LIMIT);
    f.weights[0] = f.weights[1] = f.weights[2] = 0;
    ck_assert_int_eq(combine(&f), TALLY_E_STATE);
    f.weights[1] = 1;
    ck_assert_int_eq(combine(&f), TALLY_OK);
    f.in.sites = 0;
    ck_assert_int_eq(combine(&f), TALLY_E_LIMIT);
    f.in.sites = TALLY_COMBINE_SITES_MAX + 1;
    ck_assert_int_eq(combine(&f), TALLY_E_LIMIT);
    f.in.sites = 3;
    f.in.threads = 0;
    ck_assert_int_eq(combine(&f), TALLY_E_LIMIT);
    f.in.threads = TALLY_COMBINE_THREADS_MAX + 1;
    ck_assert_int_eq(combine(&f), TALLY_E_LIMIT);
    f.in.threads = 1;
    f.n = 0;
    f.out[0] = 7;
    ck_assert_int_eq(combine(&f), TALLY_OK);
    ck_assert_uint_eq(bits_of(f.out[0]), bits_of(7));
    drop(&f);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("combine");

    tcase_add_loop_test(t, published_means_match_bit_for_bit_and_huge_weights_are_refused, 0, 3);
    tcase_add_loop_test(t, the_bits_are_those_written_down_here, 0, 3);
    tcase_add_loop_test(t, every_instruction_set_gives_the_bits_of_ref, 0, 6);
    tcase_add_test(t, slices_of_any_length_and_alignment_give_the_same_bits);
    tcase_add_loop_test(t, the_base_may_be_overwritten_in_place, 0, 3);
    tcase_add_loop_test(t, a_value_that_is_not_finite_is_refused_with_the_lowest_site, 0, 3);
    tcase_add_loop_test(t, a_base_or_sum_beyond_float_is_no_site_s_fault, 0, 3);
    tcase_add_loop_test(t, minus_zero_becomes_zero, 0, 3);
    tcase_add_test(t, weights_and_counts_beyond_the_limits_are_refused);
    return tally_suite_run("combine", t);
}
