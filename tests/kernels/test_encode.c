/* test_encode.c - kernels/encode.c: vectors/quant bit for bit, every value that must not pass, the
 * same bits on every instruction set, and what rounding at random owes. */
#include "kernels/encode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/hash.h"
#include "common/text.h"
#include "kernels/encode_parts.h"
#include "kernels/random.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static const enum tally_encoding ALL[] = {TALLY_ENCODE_F32, TALLY_ENCODE_BF16, TALLY_ENCODE_INT8};
static const size_t SIZES[] = {0, 1, 2, 3, 15, 16, 17, 255, 256, 257, 511, 512, 1000};
enum { SIZES_N = sizeof SIZES / sizeof SIZES[0], SIZE_MAX_N = 1000, KINDS = 3 };

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

static uint32_t hex(const json_t *text)
{
    return (uint32_t)strtoul(json_string_value(text), NULL, 16);
}

static struct tally_stream *fresh(void)
{
    const uint8_t key[TALLY_STREAM_KEY_BYTES] = {6};
    struct tally_stream *s = NULL;

    ck_assert_int_eq(tally_stream_new(&s, key, key, TALLY_STREAM_WORDS_MAX), TALLY_OK);
    return s;
}

/* Values of every size, some of them zero, subnormal or negative zero. */
static float any_value(struct tally_random *r)
{
    switch (tally_random_below(r, 12)) {
    case 0: return 0;
    case 1: return -0.0F;
    case 2: return ldexpf(tally_random_symmetric(r), -130);
    case 3: return ldexpf(tally_random_symmetric(r), 120);
    default: return ldexpf(tally_random_symmetric(r), (int)tally_random_below(r, 20) - 15);
    }
}

START_TEST(bf16_is_the_published_rounding)
{
    json_t *file = tally_vectors_json("vectors/quant/half_conversions.json"), *row;
    size_t i;
    unsigned finite = 0;

    ck_assert_uint_gt(json_array_size(json_object_get(file, "rows")), 30);
    json_array_foreach(json_object_get(file, "rows"), i, row)
    {
        float x = from_bits(hex(json_object_get(row, "f32")));
        uint32_t want = hex(json_object_get(row, "bf16"));
        uint8_t out[2] = {0};
        float back;
        ck_assert_uint_eq(tally_encode_bf16(x), want);
        enum tally_status made = tally_encode(out, &x, TALLY_ENCODE_BF16, NULL, 1);
        bool fits = (want & 0x7f80) != 0x7f80;
        ck_assert_int_eq(made, fits ? TALLY_OK : TALLY_E_UNTRUSTED);
        ck_assert_uint_eq((uint32_t)(out[0] | out[1] << 8), want);
        ck_assert_int_eq(tally_decode(&back, out, 2, TALLY_ENCODE_BF16, 1),
                         fits ? TALLY_OK : TALLY_E_UNTRUSTED);
        if (!fits) continue;
        ck_assert_uint_eq(bits_of(back), want == 0x8000 ? 0 : want << 16);
        finite++;
    }
    ck_assert_uint_gt(finite, 20);
    ck_assert_uint_eq(tally_encode_bf16(from_bits(0x7f800001)), 0x7fc0);
    ck_assert_uint_eq(tally_encode_bf16(from_bits(0xffffffff)), 0xffff);
    json_decref(file);
}
END_TEST

START_TEST(int8_blocks_are_the_published_ones)
{
    json_t *file = tally_vectors_json("vectors/quant/int8_block_stochastic.json");
    const json_t *x_hex = json_object_get(file, "x_f32_hex");
    const json_t *want = json_object_get(file, "q");
    const json_t *dequant = json_object_get(file, "dequant");
    size_t block = (size_t)json_integer_value(json_object_get(file, "block"));
    size_t n = json_array_size(x_hex);

    ck_assert_uint_eq(n, 70);
    for (size_t at = 0; at < n; at += block) {
        float x[16];
        uint32_t u[16];
        int8_t q[16];
        uint8_t bytes[20];
        float scale;
        float back[16];
        size_t len = n - at < block ? n - at : block;
        for (size_t i = 0; i < len; i++) {
            const json_t *random = json_array_get(json_object_get(file, "u"), at + i);
            x[i] = from_bits(hex(json_array_get(x_hex, at + i)));
            u[i] = (uint32_t)(json_real_value(random) * 0x1p32);
        }
        tally_encode_int8(q, &scale, x, u, len);
        ck_assert_uint_eq(bits_of(scale),
                          hex(json_array_get(json_object_get(file, "scale_f32_hex"), at / block)));
        memcpy(bytes, &scale, 4);
        memcpy(bytes + 4, q, len);
        ck_assert_int_eq(tally_decode(back, bytes, len + 4, TALLY_ENCODE_INT8, len), TALLY_OK);
        for (size_t i = 0; i < len; i++) {
            ck_assert_int_eq(q[i], json_integer_value(json_array_get(want, at + i)));
            float value = (float)json_number_value(json_array_get(dequant, at + i));
            ck_assert_uint_eq(bits_of(back[i]), bits_of(value + 0.0F));
        }
    }
    json_decref(file);
}
END_TEST

START_TEST(what_comes_back_is_as_near_as_the_form_allows)
{
    struct tally_random r = tally_random_from(1, 1, 1);
    struct tally_stream *s = fresh();

    for (size_t k = 0; k < KINDS; k++) {
        for (size_t i = 0; i < SIZES_N; i++) {
            size_t n = SIZES[i];
            size_t bytes = tally_encode_bytes(ALL[k], n);
            float *x = malloc((n + 1) * sizeof *x);
            float *y = malloc((n + 1) * sizeof *y);
            uint8_t *wire = malloc(bytes + 1); /* exact, and at an odd address */
            for (size_t j = 0; j < n; j++) x[j] = any_value(&r);
            ck_assert_int_eq(tally_encode(wire + 1, x, ALL[k], s, n), TALLY_OK);
            ck_assert_int_eq(tally_decode(y + 1, wire + 1, bytes, ALL[k], n), TALLY_OK);
            for (size_t j = 0; j < n; j++) {
                float most = 0;
                for (size_t b = j - j % TALLY_ENCODE_BLOCK;
                     b < n && b < j - j % TALLY_ENCODE_BLOCK + TALLY_ENCODE_BLOCK; b++)
                    most = fmaxf(most, fabsf(x[b]));
                float slack = 0;
                if (ALL[k] == TALLY_ENCODE_BF16) slack = fabsf(x[j]) * 0x1p-8F + 0x1p-134F;
                if (ALL[k] == TALLY_ENCODE_INT8) slack = most / 126.9F + 0x1p-141F;
                ck_assert(fabsf(y[j + 1] - x[j]) <= slack);
                ck_assert(bits_of(y[j + 1]) != UINT32_C(0x80000000));
            }
            free(x);
            free(y);
            free(wire);
        }
    }
    tally_stream_destroy(&s);
}
END_TEST

/* Everything that one instruction set's loops make of the same input. */
struct made {
    uint8_t f32[4 * SIZE_MAX_N], bf16[2 * SIZE_MAX_N];
    float from_f32[SIZE_MAX_N], from_bf16[SIZE_MAX_N], from_int8[SIZE_MAX_N];
    int8_t q[TALLY_ENCODE_BLOCK];
    float scale;
};

static void make(struct made *m, const struct tally_encode_loops *l, const float *x,
                 const uint32_t *u, size_t n)
{
    static uint8_t form[2 * SIZE_MAX_N];

    memset(m, 0, sizeof *m);
    for (size_t i = 0; i < sizeof form; i++) form[i] = (uint8_t)(i * 31 % 127);
    ck_assert(l->to_f32(m->f32, x, n));
    ck_assert(l->from_f32(m->from_f32, m->f32, n));
    ck_assert(l->to_bf16(m->bf16, x, n));
    ck_assert(l->from_bf16(m->from_bf16, m->bf16, n));
    ck_assert(l->from_int8(m->from_int8, form, n));
    l->to_int8(m->q, &m->scale, x, u, n < TALLY_ENCODE_BLOCK ? n : TALLY_ENCODE_BLOCK);
}

START_TEST(every_instruction_set_gives_the_same_bits)
{
    struct tally_random r = tally_random_from(2, 2, 2);
    static float x[SIZE_MAX_N];
    static uint32_t u[TALLY_ENCODE_BLOCK];
    static struct made want, got;

    for (size_t round = 0; round < 40; round++) {
        size_t n = SIZES[round % SIZES_N];
        for (size_t i = 0; i < n; i++) x[i] = any_value(&r);
        for (size_t i = 0; i < TALLY_ENCODE_BLOCK; i++) u[i] = (uint32_t)tally_random_u64(&r);
        make(&want, &tally_encode_base, x, u, n);
        for (enum tally_isa isa = TALLY_ISA_AVX2; isa <= tally_isa_best(); isa++) {
            make(&got, tally_encode_loops(isa), x, u, n);
            ck_assert_int_eq(memcmp(&got, &want, sizeof got), 0);
        }
    }
}
END_TEST

START_TEST(a_value_that_is_not_finite_is_found_wherever_it_is)
{
    enum { N = 600 };
    static const uint32_t bad[] = {0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f810000};
    static float x[N], y[N];
    static uint8_t wire[5 * N];
    char place[32];

    for (size_t i = 0; i < N; i++) x[i] = (float)i - 300;
    for (size_t k = 0; k < 2; k++) {
        size_t width = ALL[k] == TALLY_ENCODE_F32 ? 4 : 2;
        ck_assert_int_eq(tally_encode(wire, x, ALL[k], NULL, N), TALLY_OK);
        for (size_t i = 0; i < N; i++) {
            uint8_t was[4];
            uint8_t is[4];
            uint32_t bits = bad[i % 5];
            memcpy(is, &bits, 4);
            memcpy(was, wire + i * width, width);
            memcpy(wire + i * width, is + 4 - width, width);
            (void)snprintf(place, sizeof place, "value %zu is not finite", i);
            ck_assert_int_eq(tally_decode(y, wire, N * width, ALL[k], N), TALLY_E_UNTRUSTED);
            ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
            ck_assert_ptr_nonnull(strstr(tally_why(), place));
            for (enum tally_isa isa = TALLY_ISA_BASE; isa <= tally_isa_best(); isa++) {
                const struct tally_encode_loops *l = tally_encode_loops(isa);
                ck_assert(!(k == 0 ? l->from_f32 : l->from_bf16)(y, wire, N));
                ck_assert((k == 0 ? l->from_f32 : l->from_bf16)(y, wire, i));
            }
            memcpy(wire + i * width, was, width);
        }
    }
}
END_TEST

START_TEST(int8_of_another_form_is_refused)
{
    enum { N = 300, BYTES = N + 8 };
    static float x[N], y[N];
    static uint8_t wire[BYTES];
    static const uint32_t scales[] = {0x7f800000, 0x7fc00000, 0x7f7fffff};
    struct tally_stream *s = fresh();

    for (size_t i = 0; i < N; i++) x[i] = 1;
    ck_assert_uint_eq(tally_encode_bytes(TALLY_ENCODE_INT8, N), BYTES);
    ck_assert_int_eq(tally_encode(wire, x, TALLY_ENCODE_INT8, s, N), TALLY_OK);
    for (size_t i = 4; i < BYTES; i++) {
        if (i >= 260 && i < 264) continue; /* the second scale */
        uint8_t was = wire[i];
        wire[i] = 0x80;
        ck_assert_int_eq(tally_decode(y, wire, BYTES, TALLY_ENCODE_INT8, N), TALLY_E_WIRE);
        wire[i] = was;
    }
    for (size_t k = 0; k < 2; k++) {
        uint8_t *scale = wire + k * 260;
        uint8_t was[4];
        memcpy(was, scale, 4);
        for (size_t i = 0; i < 3; i++) {
            memcpy(scale, &scales[i], 4);
            ck_assert_int_eq(tally_decode(y, wire, BYTES, TALLY_ENCODE_INT8, N), TALLY_E_UNTRUSTED);
            ck_assert_int_eq(tally_reason(), TALLY_R_E_UPDATE);
            ck_assert_ptr_nonnull(
                strstr(tally_why(), k == 0 ? "value 0 is not" : "value 256 is not"));
        }
        memcpy(scale, was, 4);
        scale[3] |= 0x80; /* below 0 */
        ck_assert_int_eq(tally_decode(y, wire, BYTES, TALLY_ENCODE_INT8, N), TALLY_E_WIRE);
        memcpy(scale, was, 4);
    }
    ck_assert_int_eq(tally_decode(y, wire, BYTES, TALLY_ENCODE_INT8, N), TALLY_OK);
    tally_stream_destroy(&s);
}
END_TEST

START_TEST(lengths_and_encodings_must_fit)
{
    uint8_t wire[64] = {0};
    float y[16];

    for (size_t k = 0; k < KINDS; k++) {
        for (size_t bytes = 0; bytes < sizeof wire; bytes++) {
            bool fits = bytes == tally_encode_bytes(ALL[k], 7);
            ck_assert_int_eq(tally_decode(y, wire, bytes, ALL[k], 7),
                             fits ? TALLY_OK : TALLY_E_WIRE);
        }
        ck_assert_int_eq(tally_decode(y, wire, 4, ALL[k], (size_t)1 << 62), TALLY_E_WIRE);
        ck_assert_int_eq(tally_decode(y, wire, 0, ALL[k], 0), TALLY_OK);
    }
    ck_assert_uint_eq(tally_encode_bytes(TALLY_ENCODE_INT8, 256), 260);
    ck_assert_uint_eq(tally_encode_bytes(TALLY_ENCODE_INT8, 257), 265);
    ck_assert_uint_eq(tally_encode_bytes((enum tally_encoding)4, 5), 0);
    ck_assert_int_eq(tally_decode(y, wire, 0, (enum tally_encoding)4, 1), TALLY_E_WIRE);
    ck_assert_int_eq(tally_encode(wire, y, (enum tally_encoding)4, NULL, 0), TALLY_E_CONFIG);
}
END_TEST

START_TEST(what_could_not_be_decoded_is_not_encoded)
{
    static const float over[] = {NAN, INFINITY, -INFINITY};
    uint8_t wire[2048];
    float x[300] = {0};
    struct tally_stream *s = fresh();

    for (size_t k = 0; k < KINDS; k++) {
        for (size_t i = 0; i < 3; i++) {
            x[280] = over[i];
            ck_assert_int_eq(tally_encode(wire, x, ALL[k], s, 300), TALLY_E_UNTRUSTED);
            ck_assert_ptr_nonnull(strstr(tally_why(), "value 280 is"));
            ck_assert_int_eq(tally_encode(wire, x, ALL[k], s, 280), TALLY_OK);
        }
    }
    x[280] = 0x1.fffffep127F;
    ck_assert_int_eq(tally_encode(wire, x, TALLY_ENCODE_F32, NULL, 300), TALLY_OK);
    ck_assert_int_eq(tally_encode(wire, x, TALLY_ENCODE_BF16, NULL, 300), TALLY_E_UNTRUSTED);
    ck_assert_ptr_nonnull(strstr(tally_why(), "value 280 is"));
    x[280] = 0x1.fefffep127F; /* the largest that rounds down */
    ck_assert_int_eq(tally_encode(wire, x, TALLY_ENCODE_BF16, NULL, 300), TALLY_OK);
    for (uint32_t low = 0; low < 64; low++) { /* either refused or decoded */
        float y[300];
        x[280] = from_bits(0x7f7fffff - low);
        enum tally_status made = tally_encode(wire, x, TALLY_ENCODE_INT8, s, 300);
        if (made == TALLY_OK)
            made = tally_decode(y, wire, 308, TALLY_ENCODE_INT8, 300);
        else
            ck_assert_ptr_nonnull(strstr(tally_why(), "value 280 is"));
        ck_assert_int_eq(made,
                         127.0F * (x[280] / 127.0F) < HUGE_VALF ? TALLY_OK : TALLY_E_UNTRUSTED);
    }
    tally_stream_destroy(&s);
    x[280] = 1;
    ck_assert_int_eq(tally_stream_given(&s, (const uint64_t[200]){0}, 149), TALLY_OK);
    ck_assert_int_eq(tally_encode(wire, x, TALLY_ENCODE_INT8, s, 300), TALLY_E_LIMIT);
    tally_stream_destroy(&s);
    ck_assert_int_eq(tally_stream_given(&s, (const uint64_t[200]){0}, 150), TALLY_OK);
    ck_assert_int_eq(tally_encode(wire, x, TALLY_ENCODE_INT8, s, 300), TALLY_OK);
    tally_stream_destroy(&s);
}
END_TEST

START_TEST(int8_is_right_on_average)
{
    enum { N = TALLY_ENCODE_BLOCK, TIMES = 4000 };
    static float x[N], y[N];
    static double sum[N];
    static uint8_t wire[N + 4];
    struct tally_random r = tally_random_from(3, 3, 3);
    struct tally_stream *s = fresh();
    double off = 0;

    for (size_t i = 0; i < N; i++) x[i] = tally_random_symmetric(&r);
    for (int t = 0; t < TIMES; t++) {
        ck_assert_int_eq(tally_encode(wire, x, TALLY_ENCODE_INT8, s, N), TALLY_OK);
        ck_assert_int_eq(tally_decode(y, wire, sizeof wire, TALLY_ENCODE_INT8, N), TALLY_OK);
        for (size_t i = 0; i < N; i++) sum[i] += (double)y[i];
    }
    for (size_t i = 0; i < N; i++) {
        double error = sum[i] / TIMES - (double)x[i];
        ck_assert(fabs(error) < 5 * 0.5 / 127 / sqrt(TIMES)); /* a step is at most 1 / 127 */
        off += error;
    }
    ck_assert(fabs(off) < 5 * 0.5 / 127 / sqrt(TIMES) * sqrt(N));
    tally_stream_destroy(&s);
}
END_TEST

/* The bytes as a program in Python works them out. */
START_TEST(int8_has_the_same_bytes_on_every_compiler)
{
    enum { N = 1000, BYTES = N + 16 };
    static float x[N];
    static uint8_t wire[BYTES];
    uint8_t digest[32];
    char hexes[65];
    struct tally_stream *s = fresh();

    for (uint32_t i = 0; i < N; i++) {
        int32_t v = (int32_t)(i * UINT32_C(2654435761) >> 8) - (1 << 23);
        x[i] = ldexpf((float)v, (int)(i % 40) - 40);
    }
    ck_assert_int_eq(tally_encode(wire, x, TALLY_ENCODE_INT8, s, N), TALLY_OK);
    TALLY_SHA256_OF(digest, tally_slice_of(wire, sizeof wire));
    tally_hex(tally_slice_of(digest, sizeof digest), hexes);
    ck_assert_str_eq(hexes, "4aaa492e491868088d5933d26672899b5d19d1c48fcb513879958dc576273f11");
    tally_stream_destroy(&s);
}
END_TEST

START_TEST(a_slice_decodes_alone)
{
    enum { N = 1000, FROM = 2 * TALLY_ENCODE_BLOCK };
    static float x[N], whole[N], part[N];
    static uint8_t wire[4 * N];
    struct tally_random r = tally_random_from(4, 4, 4);
    struct tally_stream *s = fresh();

    for (size_t i = 0; i < N; i++) x[i] = any_value(&r);
    for (size_t k = 0; k < KINDS; k++) {
        size_t bytes = tally_encode_bytes(ALL[k], N);
        size_t before = tally_encode_bytes(ALL[k], FROM);
        ck_assert_int_eq(tally_encode(wire, x, ALL[k], s, N), TALLY_OK);
        ck_assert_int_eq(tally_decode(whole, wire, bytes, ALL[k], N), TALLY_OK);
        ck_assert_int_eq(tally_decode(part, wire + before, bytes - before, ALL[k], N - FROM),
                         TALLY_OK);
        ck_assert_mem_eq(part, whole + FROM, (N - FROM) * sizeof *part);
    }
    tally_stream_destroy(&s);
}
END_TEST

static double seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void bench_one(const float *x, float *y, uint8_t *wire, struct tally_stream *s, size_t n)
{
    for (size_t k = 0; k < KINDS; k++) {
        size_t bytes = tally_encode_bytes(ALL[k], n);
        double best[3] = {1e9, 1e9, 1e9}; /* copy, decode, encode */
        for (size_t i = 0; i < 7 + (1 << 22) / n; i++) {
            double at[4];
            at[0] = seconds();
            memcpy(y, x, n * sizeof *y);
            at[1] = seconds();
            ck_assert_int_eq(tally_encode(wire, x, ALL[k], s, n), TALLY_OK);
            at[2] = seconds();
            ck_assert_int_eq(tally_decode(y, wire, bytes, ALL[k], n), TALLY_OK);
            at[3] = seconds();
            best[0] = fmin(best[0], at[1] - at[0]);
            best[1] = fmin(best[1], at[3] - at[2]);
            best[2] = fmin(best[2], at[2] - at[1]);
        }
        double copy = 8 * (double)n / best[0] / 1e9;
        double decode = (double)(4 * n + bytes) / best[1] / 1e9;
        (void)printf("n %zu encoding %d: decode %.1f GB/s, %.2f of copy's %.1f; encode %.2f ns\n",
                     n, (int)ALL[k], decode, decode / copy, copy, best[2] / (double)n * 1e9);
    }
}

START_TEST(bench)
{
    enum { N = 1 << 25 };
    float *x = malloc(N * sizeof *x);
    float *y = malloc(N * sizeof *y);
    uint8_t *wire = malloc(N * sizeof *x);
    struct tally_stream *s = fresh();

    memset(y, 0, N * sizeof *y);
    memset(wire, 0, N * sizeof *x);
    for (size_t i = 0; i < N; i++) x[i] = (float)(i % 1000) - 500.5F;
    bench_one(x, y, wire, s, N);
    bench_one(x, y, wire, s, 1 << 14); /* a chunk of 64 KiB, in the cache */
    free(x);
    free(y);
    free(wire);
    tally_stream_destroy(&s);
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("encode");

    tcase_add_test(t, bf16_is_the_published_rounding);
    tcase_add_test(t, int8_blocks_are_the_published_ones);
    tcase_add_test(t, what_comes_back_is_as_near_as_the_form_allows);
    tcase_add_test(t, every_instruction_set_gives_the_same_bits);
    tcase_add_test(t, a_value_that_is_not_finite_is_found_wherever_it_is);
    tcase_add_test(t, int8_of_another_form_is_refused);
    tcase_add_test(t, lengths_and_encodings_must_fit);
    tcase_add_test(t, what_could_not_be_decoded_is_not_encoded);
    tcase_add_test(t, int8_is_right_on_average);
    tcase_add_test(t, int8_has_the_same_bytes_on_every_compiler);
    tcase_add_test(t, a_slice_decodes_alone);
    if (getenv("TALLY_BENCH") != NULL) tcase_add_test(t, bench);
    return tally_suite_run("encode", t);
}
