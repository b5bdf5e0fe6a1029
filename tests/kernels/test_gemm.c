/* test_gemm.c - kernels/gemm.h on every instruction set that runs here: against a sum in double,
 * cut anywhere with the same bits, and never a float too far. */
#include "kernels/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/lanes.h"
#include "kernels/random.h"
#include "tests/lib/suite.h"

/* n floats in (-1, 1) in a block of exactly their size, one float off any alignment. */
static float *some(size_t n, uint64_t name)
{
    struct tally_random r = tally_random_from(7, name, n);
    float *block = malloc((n + 1) * sizeof *block);

    ck_assert_ptr_nonnull(block);
    for (size_t i = 0; i <= n; i++) block[i] = tally_random_symmetric(&r);
    return block + 1;
}

static void drop(float *x)
{
    free(x - 1);
}

static void same(float got, float want)
{
    ck_assert_msg(!(got < want) && !(got > want) && isnan(got) == isnan(want), "%g, wanted %g",
                  (double)got, (double)want);
}

static const struct tally_lanes *sets[3];
static size_t set_count;

static void find_sets(void)
{
    set_count = 0;
    sets[set_count++] = &tally_lanes_base;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        sets[set_count++] = &tally_lanes_avx2;
    if (tally_lanes_here() == &tally_lanes_avx512) sets[set_count++] = &tally_lanes_avx512;
}

static const size_t SIZES[] = {0, 1, 2, 3, 7, 8, 16, 17, 33, 70};
enum { SIZE_COUNT = sizeof SIZES / sizeof SIZES[0] };

/* a_row and a_k for a as (m, k) or, turned, as (k, m). */
static struct tally_gemm shape(size_t m, size_t n, size_t k, bool turned)
{
    return (struct tally_gemm){.m = m,
                               .n = n,
                               .k = k,
                               .c_row = n,
                               .b_k = n,
                               .a_row = turned ? 1 : k,
                               .a_k = turned ? m : 1};
}

static double product(const struct tally_gemm *g, size_t i, size_t j, double *size)
{
    double sum = 0;

    *size = 0;
    for (size_t l = 0; l < g->k; l++) {
        double term = (double)g->a[i * g->a_row + l * g->a_k] * (double)g->b[l * g->b_k + j];
        sum += term;
        *size += fabs(term);
    }
    return sum;
}

static void check_product(const struct tally_gemm *g, const float *before)
{
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = 0; j < g->n; j++) {
            double size;
            double want = product(g, i, j, &size);
            double start = g->accumulate     ? (double)before[i * g->n + j]
                           : g->bias != NULL ? (double)g->bias[j]
                                             : 0;
            want += start;
            if (g->relu && want < 0) want = 0;
            if (g->gate != NULL && !(g->gate[i * g->c_row + j] > 0)) want = 0;
            double got = (double)g->c[i * g->c_row + j];
            double within = 0x1p-24 * (double)(g->k + 1) * (size + fabs(start));
            ck_assert_msg(fabs(got - want) <= within, "%zu %zu of %zu %zu %zu: %.9g, wanted %.9g",
                          i, j, g->m, g->n, g->k, got, want);
        }
    }
}

static void check_shape(const struct tally_lanes *lanes, struct tally_gemm g, int how)
{
    size_t cells = g.m * g.n;
    float *a = some(g.m * g.k, 1);
    float *b = some(g.k * g.n, 2);
    float *c = some(cells, 3);
    float *before = some(cells, 3);
    float *bias = some(g.n, 4);
    float *gate = some(cells, 5);

    g.a = a;
    g.b = b;
    g.c = c;
    g.accumulate = how == 1;
    if (how == 2) g.bias = bias;
    g.relu = how == 2;
    if (how == 3) g.gate = gate;
    lanes->gemm(&g);
    check_product(&g, before);
    float *const all[] = {a, b, c, before, bias, gate};
    for (size_t i = 0; i < 6; i++) drop(all[i]);
}

START_TEST(products_of_every_size_are_right)
{
    size_t m = SIZES[_i];

    for (size_t s = 0; s < set_count; s++)
        for (size_t j = 0; j < SIZE_COUNT; j++)
            for (size_t k = 0; k < SIZE_COUNT; k += 1 + j % 2)
                check_shape(sets[s], shape(m, SIZES[j], SIZES[k], (j + k) % 2 != 0),
                            (int)((j + k) % 4));
}
END_TEST

/* Deeper than one pass over b, and wide enough for the tile of a single row. */
START_TEST(long_sums_and_single_rows_are_right)
{
    static const size_t shapes[][3] = {
        {9, 35,  511 },
        {9, 35,  512 },
        {9, 35,  513 },
        {3, 17,  1500},
        {1, 300, 600 },
        {1, 129, 1024}
    };

    for (size_t s = 0; s < set_count; s++)
        for (size_t i = 0; i < 6; i++)
            for (int how = 0; how < 4; how++)
                check_shape(sets[s], shape(shapes[i][0], shapes[i][1], shapes[i][2], how % 2 != 0),
                            how);
}
END_TEST

/* Every range of rows and of columns, computed alone, has the bits of the whole. */
START_TEST(a_piece_has_the_bits_of_the_whole)
{
    enum { M = 37, N = 150, K = 600 };
    float *a = some((size_t)M * K, 1);
    float *b = some((size_t)K * N, 2);
    float *whole = some((size_t)M * N, 3);
    float *pieces = some((size_t)M * N, 4);

    for (size_t s = 0; s < set_count; s++) {
        struct tally_gemm g = shape(M, N, K, false);
        g.a = a;
        g.b = b;
        g.c = whole;
        sets[s]->gemm(&g);
        for (size_t step = 1; step < M; step += 5) {
            for (size_t i = 0; i < M; i += step) {
                for (size_t j = 0; j < N; j += 3 * step) {
                    struct tally_gemm p = g;
                    p.m = M - i < step ? M - i : step;
                    p.n = N - j < 3 * step ? N - j : 3 * step;
                    p.a = a + i * K;
                    p.b = b + j;
                    p.c = pieces + i * N + j;
                    sets[s]->gemm(&p);
                }
            }
            ck_assert_mem_eq(pieces, whole, (size_t)M * N * sizeof *whole);
        }
    }
    float *const all[] = {a, b, whole, pieces};
    for (size_t i = 0; i < 4; i++) drop(all[i]);
}
END_TEST

START_TEST(what_is_no_number_stays_where_it_is)
{
    for (size_t s = 0; s < set_count; s++) {
        struct tally_gemm g = shape(2, 40, 1, false);
        float a[2] = {NAN, 1};
        float b[40];
        float c[80];
        for (size_t j = 0; j < 40; j++) b[j] = j % 2 == 0 ? 1.0F : -1.0F;
        b[7] = INFINITY;
        g.a = a;
        g.b = b;
        g.c = c;
        g.relu = true;
        sets[s]->gemm(&g);
        for (size_t j = 0; j < 40; j++) ck_assert(isnan(c[j]));
        for (size_t j = 0; j < 40; j++)
            same(c[40 + j], j == 7 ? INFINITY : j % 2 == 0 ? 1.0F : 0.0F);
        float gate[80];
        for (size_t j = 0; j < 80; j++) gate[j] = j % 3 == 0 ? NAN : j % 3 == 1 ? 1.0F : -0.0F;
        g.relu = false;
        g.gate = gate;
        sets[s]->gemm(&g);
        for (size_t j = 0; j < 40; j++) ck_assert(isnan(c[j]) == (j % 3 == 1));
        for (size_t j = 0; j < 40; j++) same(c[40 + j], (40 + j) % 3 == 1 ? b[j] : 0.0F);
    }
}
END_TEST

START_TEST(column_sums_and_dot_products_are_right)
{
    size_t n = SIZES[_i];

    for (size_t s = 0; s < set_count; s++) {
        for (size_t i = 0; i < SIZE_COUNT; i++) {
            size_t rows = SIZES[i];
            const struct tally_grid grid = {.rows = rows, .columns = n, .row = n + 3};
            float *a = some(rows * (n + 3), 1);
            float *w = some(n, 2);
            float *sums = some(n, 3);
            float *z = some(rows, 4);
            for (int add = 0; add < 2; add++) {
                float *before = some(n, 3);
                memcpy(sums, before, n * sizeof *sums);
                sets[s]->columns(sums, a, grid, add != 0);
                for (size_t j = 0; j < n; j++) {
                    double want = add != 0 ? (double)before[j] : 0;
                    for (size_t r = 0; r < rows; r++) want += (double)a[r * (n + 3) + j];
                    ck_assert_double_eq_tol((double)sums[j], want,
                                            0x1p-24 * (double)(rows + 1) * 8);
                }
                drop(before);
            }
            sets[s]->dots(z, a, w, 0.5F, grid);
            for (size_t r = 0; r < rows; r++) {
                double want = 0.5;
                for (size_t j = 0; j < n; j++) want += (double)a[r * (n + 3) + j] * (double)w[j];
                ck_assert_double_eq_tol((double)z[r], want, 0x1p-24 * (double)(n + 1) * 8);
            }
            float *const all[] = {a, w, sums, z};
            for (size_t k = 0; k < 4; k++) drop(all[k]);
        }
    }
}
END_TEST

START_TEST(a_transposed_matrix_has_every_element_in_its_place)
{
    size_t rows = SIZES[_i];

    for (size_t s = 0; s < set_count; s++) {
        for (size_t i = 0; i < SIZE_COUNT; i++) {
            size_t columns = SIZES[i];
            const struct tally_grid grid = {.rows = rows, .columns = columns, .row = columns};
            size_t to_row = rows + 2;
            float *from = some(rows * columns, 1);
            float *to = some(columns * to_row, 2);
            float *before = some(columns * to_row, 2);
            sets[s]->transpose(to, to_row, from, grid);
            for (size_t j = 0; j < columns; j++)
                for (size_t r = 0; r < to_row; r++)
                    same(to[j * to_row + r],
                         r < rows ? from[r * columns + j] : before[j * to_row + r]);
            float *const all[] = {from, to, before};
            for (size_t k = 0; k < 3; k++) drop(all[k]);
        }
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("gemm");

    find_sets();
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, products_of_every_size_are_right, 0, SIZE_COUNT);
    tcase_add_test(t, long_sums_and_single_rows_are_right);
    tcase_add_test(t, a_piece_has_the_bits_of_the_whole);
    tcase_add_test(t, what_is_no_number_stays_where_it_is);
    tcase_add_loop_test(t, column_sums_and_dot_products_are_right, 0, SIZE_COUNT);
    tcase_add_loop_test(t, a_transposed_matrix_has_every_element_in_its_place, 0, SIZE_COUNT);
    return tally_suite_run("gemm", t);
}
