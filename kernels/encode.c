/* encode.c - see encode.h. */
#include "kernels/encode.h"

#include <math.h>
#include <string.h>

#include "kernels/encode_parts.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats travel as they lie in memory");

enum { SCALE_BYTES = 4 };

const struct tally_encode_loops *tally_encode_loops(enum tally_isa isa)
{
    if (isa == TALLY_ISA_AVX512) return &tally_encode_avx512;
    return isa == TALLY_ISA_AVX2 ? &tally_encode_avx2 : &tally_encode_base;
}

static const struct tally_encode_loops *loops(void)
{
    return tally_encode_loops(tally_isa_best());
}

size_t tally_encode_bytes(enum tally_encoding e, size_t n)
{
    switch (e) {
    case TALLY_ENCODE_F32: return 4 * n;
    case TALLY_ENCODE_BF16: return 2 * n;
    case TALLY_ENCODE_INT8:
        return n + (n / TALLY_ENCODE_BLOCK + (n % TALLY_ENCODE_BLOCK != 0)) * SCALE_BYTES;
    }
    return 0;
}

uint16_t tally_encode_bf16(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    if (isnan(x)) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void tally_encode_int8(int8_t *q, float *scale, const float *x, const uint32_t *u, size_t n)
{
    TALLY_ASSERT(n <= TALLY_ENCODE_BLOCK);
    loops()->to_int8(q, scale, x, u, n);
}

/* Names the first value of x that cannot travel. */
static TALLY_RESULT refuse_value(const float *x, float end, size_t n)
{
    size_t at = 0;

    while (at + 1 < n && fabsf(x[at]) < end) at++;
    return TALLY_REFUSE(TALLY_R_E_UPDATE, "value %zu is %g: not to be encoded", at, (double)x[at]);
}

/* The least float whose bf16 is infinite. */
#define BF16_END 0x1.ffp127F

static TALLY_RESULT encode_int8(uint8_t *out, const float *x, struct tally_stream *s, size_t n)
{
    const struct tally_encode_loops *l = loops();

    for (size_t at = 0; at < n; at += TALLY_ENCODE_BLOCK) {
        uint64_t words[TALLY_ENCODE_BLOCK / 2];
        uint32_t u[TALLY_ENCODE_BLOCK];
        int8_t q[TALLY_ENCODE_BLOCK];
        float scale;
        size_t len = n - at < TALLY_ENCODE_BLOCK ? n - at : TALLY_ENCODE_BLOCK;
        TALLY_TRY(tally_stream_fill(words, s, (len + 1) / 2));
        memcpy(u, words, len * sizeof *u);
        l->to_int8(q, &scale, x + at, u, len);
        if (!isfinite(127.0F * scale)) {
            size_t bad = at; /* the largest is too large, or one is not finite */
            while (bad + 1 < at + len && isfinite(127.0F * (fabsf(x[bad]) / 127.0F))) bad++;
            return TALLY_REFUSE(TALLY_R_E_UPDATE, "value %zu is %g: not to be encoded", bad,
                                (double)x[bad]);
        }
        memcpy(out, &scale, SCALE_BYTES);
        memcpy(out + SCALE_BYTES, q, len);
        out += SCALE_BYTES + len;
    }
    return TALLY_OK;
}

TALLY_RESULT tally_encode(uint8_t *out, const float *x, enum tally_encoding e,
                          struct tally_stream *s, size_t n)
{
    switch (e) {
    case TALLY_ENCODE_F32:
        return loops()->to_f32(out, x, n) ? TALLY_OK : refuse_value(x, HUGE_VALF, n);
    case TALLY_ENCODE_BF16:
        return loops()->to_bf16(out, x, n) ? TALLY_OK : refuse_value(x, BF16_END, n);
    case TALLY_ENCODE_INT8: return encode_int8(out, x, s, n);
    }
    return TALLY_FAIL(TALLY_E_CONFIG, "encoding %d", (int)e);
}

/* What the pass over int8 found: form or value. */
static TALLY_RESULT refuse_form(const uint8_t *in, size_t n)
{
    for (size_t at = 0; at < n; at += TALLY_ENCODE_BLOCK) {
        size_t len = n - at < TALLY_ENCODE_BLOCK ? n - at : TALLY_ENCODE_BLOCK;
        uint32_t scale;
        memcpy(&scale, in, sizeof scale);
        TALLY_ENSURE(scale >> 31 == 0, TALLY_E_WIRE, "a scale below 0 at value %zu", at);
        const uint8_t *lowest = memchr(in + SCALE_BYTES, 0x80, len);
        TALLY_ENSURE(lowest == NULL, TALLY_E_WIRE, "-128 among the values from %zu on", at);
        in += SCALE_BYTES + len;
    }
    return TALLY_OK;
}

TALLY_RESULT tally_decode(float *out, const uint8_t *in, size_t bytes, enum tally_encoding e,
                          size_t n)
{
    bool good = false;

    TALLY_ENSURE(n < (size_t)1 << 60 && bytes == tally_encode_bytes(e, n), TALLY_E_WIRE,
                 "%zu bytes of encoding %d are not %zu values", bytes, (int)e, n);
    if (e == TALLY_ENCODE_F32) good = loops()->from_f32(out, in, n);
    if (e == TALLY_ENCODE_BF16) good = loops()->from_bf16(out, in, n);
    if (e == TALLY_ENCODE_INT8) good = loops()->from_int8(out, in, n);
    if (good) return TALLY_OK;
    if (e == TALLY_ENCODE_INT8) TALLY_TRY(refuse_form(in, n));
    size_t at = 0;
    while (at < n && isfinite(out[at])) at++;
    TALLY_ENSURE(at < n, TALLY_E_WIRE, "no encoding %d", (int)e);
    return TALLY_REFUSE(TALLY_R_E_UPDATE, "value %zu is not finite", at);
}
