/* encode_parts.h - the loops of encode.c, compiled from encode.inc for three instruction sets. */
#pragma once

#include <stdbool.h>

#include "kernels/encode.h"
#include "kernels/isa.h"

struct tally_encode_loops {
    const char *name;
    /* From bytes; false if a value is not finite or, in int8, not of the form. */
    bool (*from_f32)(float *out, const uint8_t *in, size_t n);
    bool (*from_bf16)(float *out, const uint8_t *in, size_t n);
    bool (*from_int8)(float *out, const uint8_t *in, size_t n);
    /* To bytes; false if a value is not finite, or too large. */
    bool (*to_f32)(uint8_t *out, const float *x, size_t n);
    bool (*to_bf16)(uint8_t *out, const float *x, size_t n);
    /* One block of int8. */
    void (*to_int8)(int8_t *q, float *scale, const float *x, const uint32_t *u, size_t n);
};
extern const struct tally_encode_loops tally_encode_base, tally_encode_avx2, tally_encode_avx512;
const struct tally_encode_loops *tally_encode_loops(enum tally_isa isa);
