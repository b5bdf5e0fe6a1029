/* test_fixed.c - kernels/fixed.c: vectors/opt/fedavg_exact.json correctly rounded, and sums that no
 * order, instruction set or number of threads changes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/combine.h"
#include "kernels/fixed.h"
#include "kernels/random.h"
#include "tests/lib/fault.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

enum { SITES = 24, N = 1037 };

static float from_hex(const json_t *text)
{
    uint32_t bits = (uint32_t)strtoul(json_string_value(text), NULL, 16);
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

static size_t lanes_here(const struct tally_robust_lanes *lanes[3])
{
    size_t n = 0;

    lanes[n++] = &tally_robust_base;
    if (__builtin_cpu_supports("avx2")) lanes[n++] = &tally_robust_avx2;
    if (__builtin_cpu_supports("avx512f")) lanes[n++] = &tally_robust_avx512;
    return n;
}

/* In range and above 2^-60, the published exact means come out; a weight of 2^29 and more and a
 * value of 10^30 are refused. */
static void check_fedavg(const json_t *c)
{
    const json_t *examples = json_object_get(c, "examples");
    const json_t *want = json_object_get(c, "expected_f32_hex");
    const char *name = json_string_value(json_object_get(c, "name"));
    bool heavy = strcmp(name, "huge_weights") == 0;
    bool far = strcmp(name, "cancellation") == 0;
    size_t n = json_array_size(want);
    struct tally_fixed f = {0};
    float values[8], out[8];
    uint64_t total = 0;
    size_t s;
    json_t *j;

    ck_assert_uint_le(n, 8);
    ck_assert_int_eq(tally_fixed_init(&f, n), TALLY_OK);
    json_array_foreach(examples, s, j)
    {
        uint32_t weight = (uint32_t)json_integer_value(j);
        const json_t *row = json_array_get(json_object_get(c, "updates_hex"), s);
        for (size_t i = 0; i < n; i++) values[i] = from_hex(json_array_get(row, i));
        const struct tally_fixed_part p = {.delta = values, .weight = weight, .n = n};
        enum tally_status status = tally_fixed_add(&f, &p);
        if (weight >= TALLY_COMBINE_WEIGHT_END) ck_assert_int_eq(status, TALLY_E_LIMIT);
        if (far && s < 2) ck_assert_int_eq(status, TALLY_E_UNTRUSTED);
        if (!heavy && !far) ck_assert_msg(status == TALLY_OK, "%s: %s", name, tally_why());
        total += weight;
    }
    const struct tally_fixed_mean m = {.weight = total, .n = n};
    ck_assert_int_eq(tally_fixed_mean(out, &f, &m), TALLY_OK);
    for (size_t i = 0; !heavy && !far && i < n; i++) {
        float w = from_hex(json_array_get(want, i));
        if (fabsf(w) < 0x1p-61F) w = 0; /* not a multiple of 2^-60 */
        ck_assert_msg(memcmp(&out[i], &w, sizeof w) == 0, "%s %zu: %a, not %a", name, i,
                      (double)out[i], (double)w);
    }
    tally_fixed_free(&f);
}

START_TEST(published_means_are_correctly_rounded)
{
    json_t *j = tally_vectors_json("vectors/opt/fedavg_exact.json");
    size_t i;
    json_t *c;

    ck_assert_uint_eq(json_array_size(json_object_get(j, "cases")), 5);
    json_array_foreach(json_object_get(j, "cases"), i, c) check_fedavg(c);
    json_decref(j);
}
END_TEST

/* ---- sums ---- */

static float values[SITES][N];
static uint32_t weights[SITES];

static void fill(void)
{
    struct tally_random r = tally_random_from(21, 0, 0);

    for (size_t s = 0; s < SITES; s++) {
        weights[s] = 1 + tally_random_below(&r, 1U << (1 + s));
        for (size_t i = 0; i < N; i++)
            values[s][i] = ldexpf(tally_random_symmetric(&r), (int)tally_random_below(&r, 50) - 40);
    }
}

static struct tally_fixed_part part_of(size_t s)
{
    return (struct tally_fixed_part){.delta = values[s], .weight = weights[s], .n = N};
}

static struct tally_fixed sum_of(const uint32_t order[SITES],
                                 const struct tally_robust_lanes *lanes)
{
    struct tally_fixed f = {0};

    ck_assert_int_eq(tally_fixed_init(&f, N), TALLY_OK);
    if (lanes != NULL) f.lanes = lanes;
    for (size_t k = 0; k < SITES; k++) {
        const struct tally_fixed_part p = part_of(order[k]);
        ck_assert_int_eq(tally_fixed_add(&f, &p), TALLY_OK);
    }
    return f;
}

static void same(const struct tally_fixed *a, const struct tally_fixed *b)
{
    ck_assert_mem_eq(a->sum.high, b->sum.high, N * sizeof(int64_t));
    ck_assert_mem_eq(a->sum.low, b->sum.low, N * sizeof(int64_t));
}

START_TEST(no_order_and_no_instruction_set_changes_a_bit)
{
    const struct tally_robust_lanes *lanes[3];
    size_t sets = lanes_here(lanes);
    uint32_t order[SITES];
    struct tally_random r = tally_random_from(4, 0, 0);

    fill();
    for (uint32_t s = 0; s < SITES; s++) order[s] = s;
    struct tally_fixed want = sum_of(order, NULL);
    for (size_t k = 0; k < 6; k++) {
        tally_random_shuffle(&r, order, SITES);
        struct tally_fixed got = sum_of(order, lanes[k % sets]);
        same(&got, &want);
        tally_fixed_free(&got);
    }
    tally_fixed_free(&want);
}
END_TEST

START_TEST(parts_of_any_length_and_alignment_give_the_same_sum)
{
    static const size_t lengths[] = {1, 5, 64, 333};
    uint32_t order[SITES];

    fill();
    for (uint32_t s = 0; s < SITES; s++) order[s] = s;
    struct tally_fixed want = sum_of(order, NULL);
    for (size_t k = 0; k < 4; k++) {
        struct tally_fixed f = {0};
        ck_assert_int_eq(tally_fixed_init(&f, N), TALLY_OK);
        for (size_t at = 0; at < N * SITES; at += N) {
            for (size_t i = 0; i < N; i += lengths[k]) {
                struct tally_fixed_part p = part_of(at / N);
                p.delta += i;
                p.first = i;
                p.n = N - i < lengths[k] ? N - i : lengths[k];
                ck_assert_int_eq(tally_fixed_add(&f, &p), TALLY_OK);
            }
        }
        same(&f, &want);
        tally_fixed_free(&f);
    }
    tally_fixed_free(&want);
}
END_TEST

START_TEST(a_site_that_is_taken_out_was_never_there)
{
    uint32_t order[SITES];

    fill();
    for (uint32_t s = 0; s < SITES; s++) order[s] = s;
    struct tally_fixed f = sum_of(order, NULL);
    struct tally_fixed rest = {0};
    ck_assert_int_eq(tally_fixed_init(&rest, N), TALLY_OK);
    for (size_t s = SITES; s-- > 0;) {
        const struct tally_fixed_part p = part_of(s);
        if (s % 3 == 0)
            ck_assert_int_eq(tally_fixed_remove(&f, &p), TALLY_OK);
        else
            ck_assert_int_eq(tally_fixed_add(&rest, &p), TALLY_OK);
    }
    same(&f, &rest);
    tally_fixed_free(&f);
    tally_fixed_free(&rest);
}
END_TEST

/* The quotient in 113 or 64 bits of significand, which decides unless it is a near tie. */
START_TEST(the_mean_is_the_nearest_float)
{
    uint32_t order[SITES];
    static float out[N], base[N];
    uint64_t total = 0;

    fill();
    for (uint32_t s = 0; s < SITES; s++) {
        order[s] = s;
        total += weights[s];
    }
    struct tally_fixed f = sum_of(order, NULL);
    struct tally_fixed_mean m = {.weight = total, .n = N};
    ck_assert_int_eq(tally_fixed_mean(out, &f, &m), TALLY_OK);
    for (size_t i = 0; i < N; i++) {
        long double sum = (long double)f.sum.high[i] / 256 + (long double)f.sum.low[i] * 0x1p-60L;
        long double exact = sum / (long double)total;
        long double off = fabsl((long double)out[i] - exact);
        ck_assert(off <= fabsl((long double)nextafterf(out[i], INFINITY) - exact));
        ck_assert(off <= fabsl((long double)nextafterf(out[i], -INFINITY) - exact));
        base[i] = 1.5F;
    }
    m.base = base;
    ck_assert_int_eq(tally_fixed_mean(base, &f, &m), TALLY_OK);
    for (size_t i = 0; i < N; i++) {
        float want = (float)(1.5 + (double)out[i]);
        ck_assert_mem_eq(&base[i], &want, sizeof want);
    }
    tally_fixed_free(&f);
}
END_TEST

static float mean_of(int64_t high, int64_t low, uint64_t weight)
{
    int64_t limbs[] = {high, low};
    const struct tally_fixed f = {
        .sum = {.high = &limbs[0], .low = &limbs[1]},
          .n = 1
    };
    const struct tally_fixed_mean m = {.weight = weight, .n = 1};
    float out;

    ck_assert_int_eq(tally_fixed_mean(&out, &f, &m), TALLY_OK);
    return out;
}

static void expect(int64_t high, int64_t low, uint64_t weight, float want)
{
    float got = mean_of(high, low, weight);

    ck_assert_msg(memcmp(&got, &want, sizeof want) == 0, "%a, not %a", (double)got, (double)want);
    got = mean_of(-high, -low, weight);
    want = 0.0F - want;
    ck_assert_msg(memcmp(&got, &want, sizeof want) == 0, "%a, not %a", (double)got, (double)want);
}

START_TEST(ties_go_to_even_and_the_least_bit_below_breaks_them)
{
    expect(0, 0, 7, 0);
    expect(256, 0, 1, 1);
    expect(((int64_t)1 << 32) + 128, 0, 1, 0x1p24F);         /* 2^24 + 1/2 */
    expect(((int64_t)1 << 32) + 256, 0, 1, 0x1p24F);         /* 2^24 + 1: a tie, to even */
    expect(((int64_t)1 << 32) + 256, 1, 1, 0x1.000002p24F);  /* and 2^-60 */
    expect(((int64_t)1 << 32) + 256, -1, 1, 0x1p24F);        /* and less 2^-60 */
    expect(((int64_t)1 << 32) + 768, 0, 1, 0x1.000004p24F);  /* 2^24 + 3: a tie, to even */
    expect(((int64_t)1 << 32) + 768, -1, 1, 0x1.000002p24F); /* and less 2^-60 */
    expect(0, 1, 1, 0x1p-60F);
    expect(0, 1, (uint64_t)1 << 39, 0x1p-99F);
    expect(1, -((int64_t)1 << 52), 5, 0); /* limbs that cancel */
    expect(1, 1 - ((int64_t)1 << 52), 1, 0x1p-60F);
    expect(1, 3 - ((int64_t)1 << 52), 3, 0x1p-60F);
    expect((int64_t)1 << 61, 0, 1, 0x1p53F);
}
END_TEST

/* ---- refusals ---- */

START_TEST(a_value_out_of_range_is_refused_and_the_sum_is_as_before)
{
    const struct tally_robust_lanes *lanes[3];
    size_t sets = lanes_here(lanes);
    const float bad[] = {NAN, INFINITY, -INFINITY, 0x1p43F, -0x1p43F, 0x1.fffffep127F};
    uint32_t order[SITES];

    fill();
    for (uint32_t s = 0; s < SITES; s++) order[s] = s;
    for (size_t k = 0; k < sets; k++) {
        struct tally_fixed want = sum_of(order, lanes[k]);
        struct tally_fixed f = sum_of(order, lanes[k]);
        for (size_t b = 0; b < sizeof bad / sizeof bad[0]; b++) {
            float kept = values[1][N - 1 - 13 * b];
            values[1][N - 1 - 13 * b] = bad[b];
            struct tally_fixed_part p = part_of(1);
            p.weight = 1;
            ck_assert_int_eq(tally_fixed_add(&f, &p), TALLY_E_UNTRUSTED);
            ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
            ck_assert_int_eq(tally_fixed_remove(&f, &p), TALLY_E_UNTRUSTED);
            same(&f, &want);
            values[1][N - 1 - 13 * b] = kept;
        }
        tally_fixed_free(&f);
        tally_fixed_free(&want);
    }
}
END_TEST

START_TEST(the_largest_products_of_the_most_sites_fit)
{
    const float most[] = {0x1.fffffep42F, -0x1.fffffep42F};
    const struct tally_fixed_part p = {.delta = most, .weight = 1, .n = 2};
    struct tally_fixed f = {0};
    float out[2];

    ck_assert_int_eq(tally_fixed_init(&f, 2), TALLY_OK);
    for (int s = 0; s < TALLY_FIXED_SITES_MAX; s++)
        ck_assert_int_eq(tally_fixed_add(&f, &p), TALLY_OK);
    const struct tally_fixed_mean m = {.weight = TALLY_FIXED_SITES_MAX, .n = 2};
    ck_assert_int_eq(tally_fixed_mean(out, &f, &m), TALLY_OK);
    ck_assert_mem_eq(out, most, sizeof out);
    tally_fixed_free(&f);
}
END_TEST

START_TEST(parts_and_weights_beyond_the_limits_are_refused)
{
    const float x[4] = {1, 2, 3, 4};
    float out[4];
    struct tally_fixed f = {0};
    struct tally_fixed_part p = {.delta = x, .weight = TALLY_COMBINE_WEIGHT_END, .n = 3};
    struct tally_fixed_mean m = {.weight = 1, .first = 1, .n = 3};

    ck_assert_int_eq(tally_fixed_init(&f, 3), TALLY_OK);
    ck_assert_int_eq(tally_fixed_add(&f, &p), TALLY_E_LIMIT);
    p.weight = 1;
    p.n = 4;
    ck_assert_int_eq(tally_fixed_add(&f, &p), TALLY_E_LIMIT);
    p.n = 3;
    p.first = SIZE_MAX;
    ck_assert_int_eq(tally_fixed_add(&f, &p), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_fixed_mean(out, &f, &m), TALLY_E_LIMIT);
    m.first = 0;
    m.weight = 0;
    ck_assert_int_eq(tally_fixed_mean(out, &f, &m), TALLY_E_STATE);
    m.weight = ((uint64_t)1 << 39) + 1;
    ck_assert_int_eq(tally_fixed_mean(out, &f, &m), TALLY_E_STATE);
    m.weight = 1;
    const float base[3] = {0, NAN, 0};
    m.base = base;
    ck_assert_int_eq(tally_fixed_mean(out, &f, &m), TALLY_E_STATE);
    tally_fixed_free(&f);
    TALLY_EACH_FAULT(tally_fixed_init(&f, 3), tally_fixed_free(&f));
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("fixed");

    tcase_add_test(t, published_means_are_correctly_rounded);
    tcase_add_test(t, no_order_and_no_instruction_set_changes_a_bit);
    tcase_add_test(t, parts_of_any_length_and_alignment_give_the_same_sum);
    tcase_add_test(t, a_site_that_is_taken_out_was_never_there);
    tcase_add_test(t, the_mean_is_the_nearest_float);
    tcase_add_test(t, ties_go_to_even_and_the_least_bit_below_breaks_them);
    tcase_add_test(t, a_value_out_of_range_is_refused_and_the_sum_is_as_before);
    tcase_add_test(t, the_largest_products_of_the_most_sites_fit);
    tcase_add_test(t, parts_and_weights_beyond_the_limits_are_refused);
    return tally_suite_run("fixed", t);
}
