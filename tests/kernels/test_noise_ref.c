/* test_noise_ref.c - kernels/noise_ref.c: vectors/dp/dgauss_pow2_trace.json and
 * discrete_gaussian.json sample for sample and word for word, and the exact distribution. */
#include "kernels/noise_ref.h"

#include <math.h>

#include "kernels/random.h"
#include "tests/lib/chi2.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

enum { WORDS = 4096, SAMPLES = 64 };

/* The generator of the traces: SplitMix64 from their seed. */
static struct tally_stream *scripted(uint64_t seed, size_t n)
{
    struct tally_random r = {.key = seed};
    uint64_t *words = calloc(n, sizeof *words);
    struct tally_stream *s = NULL;

    ck_assert_ptr_nonnull(words);
    for (size_t i = 0; i < n; i++) words[i] = tally_random_u64(&r);
    ck_assert_int_eq(tally_stream_given(&s, words, n), TALLY_OK);
    free(words);
    return s;
}

static uint64_t integer(const json_t *of, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(of, key));
}

static void check_samples(const int64_t *out, const json_t *want)
{
    const json_t *one;
    size_t i;

    json_array_foreach(want, i, one)
    {
        ck_assert_int_eq(out[i], json_integer_value(one));
    }
}

START_TEST(traces_of_powers_of_two_are_exact)
{
    json_t *file = tally_vectors_json("vectors/dp/dgauss_pow2_trace.json"), *trace;
    int64_t out[SAMPLES];
    size_t i;

    ck_assert_uint_eq(json_array_size(file), 6);
    json_array_foreach(file, i, trace)
    {
        const json_t *want = json_object_get(trace, "samples");
        size_t n = json_array_size(want);
        uint32_t k = (uint32_t)integer(trace, "k");
        uint64_t words = integer(trace, "u64_draws");
        struct tally_stream *s = scripted(integer(trace, "seed"), words);
        ck_assert_uint_le(n, SAMPLES);
        ck_assert_int_eq(tally_noise_ref(out, s, k, n), TALLY_OK);
        check_samples(out, want);
        ck_assert_uint_eq(tally_stream_drawn(s), words);
        ck_assert_int_eq(tally_noise_ref(out, s, k, 1), TALLY_E_LIMIT);
        tally_stream_destroy(&s);
    }
    json_decref(file);
}
END_TEST

START_TEST(traces_of_rational_variances_are_exact)
{
    json_t *file = tally_vectors_json("vectors/dp/discrete_gaussian.json"), *trace;
    int64_t out[SAMPLES];
    size_t i;

    ck_assert_uint_eq(json_array_size(json_object_get(file, "trace")), 6);
    json_array_foreach(json_object_get(file, "trace"), i, trace)
    {
        const json_t *want = json_object_get(trace, "samples");
        const json_t *variance = json_object_get(trace, "sigma2");
        size_t n = json_array_size(want);
        struct tally_stream *s = scripted(integer(trace, "seed"), WORDS);
        ck_assert_uint_le(n, SAMPLES);
        ck_assert_int_eq(tally_noise_ref_rational(
                             out, s, (uint64_t)json_integer_value(json_array_get(variance, 0)),
                             (uint64_t)json_integer_value(json_array_get(variance, 1)), n),
                         TALLY_OK);
        check_samples(out, want);
        ck_assert_uint_eq(tally_stream_drawn(s), integer(trace, "u64_draws_used"));
        tally_stream_destroy(&s);
    }
    json_decref(file);
}
END_TEST

START_TEST(the_published_probabilities_are_met)
{
    enum { N = 40000 };
    static int64_t out[N];
    json_t *file = tally_vectors_json("vectors/dp/discrete_gaussian.json"), *table;
    size_t i;

    ck_assert_uint_eq(json_array_size(json_object_get(file, "pmf")), 4);
    json_array_foreach(json_object_get(file, "pmf"), i, table)
    {
        double variance = json_real_value(json_object_get(table, "sigma2"));
        const char *key;
        json_t *p;
        json_object_foreach(json_object_get(table, "pmf"), key, p)
        {
            double want = json_real_value(p);
            double got = chi2_mass(strtod(key, NULL), variance);
            ck_assert(fabs(got - want) <= 1e-12 * want + 1e-300);
        }
        struct tally_stream *s = scripted(i, (size_t)64 * N);
        ck_assert_int_eq(tally_noise_ref_rational(out, s, (uint64_t)(variance * 4), 4, N),
                         TALLY_OK);
        ck_assert(fabs(chi2_gaussian(out, N, variance)) < 5);
        ck_assert(fabs(chi2_gaussian(out, N, variance * 1.1)) > 5); /* it can tell */
        tally_stream_destroy(&s);
    }
    json_decref(file);
}
END_TEST

START_TEST(what_is_out_of_range_is_refused)
{
    struct tally_stream *s = scripted(1, 10);
    int64_t out;

    ck_assert_int_eq(tally_noise_ref(&out, s, TALLY_NOISE_REF_K_MAX + 1, 1), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_noise_ref_rational(&out, s, 0, 1, 1), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_noise_ref_rational(&out, s, 1, 0, 1), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_noise_ref_rational(&out, s, TALLY_NOISE_REF_PART_MAX + 1, 1, 1),
                     TALLY_E_LIMIT);
    ck_assert_int_eq(tally_noise_ref_rational(&out, s, 1, TALLY_NOISE_REF_PART_MAX + 1, 1),
                     TALLY_E_LIMIT);
    ck_assert_int_eq(tally_noise_ref(NULL, s, 3, 0), TALLY_OK);
    ck_assert_uint_eq(tally_stream_drawn(s), 0);
    tally_stream_destroy(&s);
}
END_TEST

START_TEST(the_largest_parts_are_possible)
{
    struct tally_stream *s = scripted(77, 100000);
    int64_t out[100];

    ck_assert_int_eq(tally_noise_ref_rational(out, s, TALLY_NOISE_REF_PART_MAX,
                                              TALLY_NOISE_REF_PART_MAX - 1, 100),
                     TALLY_OK);
    ck_assert_int_eq(tally_noise_ref_rational(out, s, 1, TALLY_NOISE_REF_PART_MAX, 100), TALLY_OK);
    for (int i = 0; i < 100; i++) ck_assert_int_eq(out[i], 0);
    ck_assert_int_eq(tally_noise_ref_rational(out, s, TALLY_NOISE_REF_PART_MAX, 1, 100), TALLY_OK);
    ck_assert_int_eq(tally_noise_ref(out, s, TALLY_NOISE_REF_K_MAX, 100), TALLY_OK);
    tally_stream_destroy(&s);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("noise_ref");

    tcase_add_test(t, traces_of_powers_of_two_are_exact);
    tcase_add_test(t, traces_of_rational_variances_are_exact);
    tcase_add_test(t, the_published_probabilities_are_met);
    tcase_add_test(t, what_is_out_of_range_is_refused);
    tcase_add_test(t, the_largest_parts_are_possible);
    return tally_suite_run("noise_ref", t);
}
