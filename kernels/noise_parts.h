/* noise_parts.h - what noise.c and lattice.c are made of; their tests look at it too. */
#pragma once

#include "kernels/isa.h"
#include "kernels/lattice.h"
#include "kernels/noise.h"

/* TALLY_LATTICE_VALUE_MAX as a double, as bits. */
#define TALLY_LATTICE_VALUE_BITS UINT64_C(0x42f0000000000000)

enum { TALLY_NOISE_BLOCK = 1024 }; /* samples proposed at a time */

/* The first proposals of a block: their columns, and 1 where the word does not settle that the
 * proposal is kept. */
struct tally_noise_first {
    uint32_t columns[TALLY_NOISE_BLOCK];
    uint8_t open[TALLY_NOISE_BLOCK];
};

/* The vector loops, compiled from noise.inc for three instruction sets: the same bits on all. */
struct tally_noise_loops {
    const char *name;
    /* n proposals from a word each; n is at most TALLY_NOISE_BLOCK. */
    void (*propose)(int64_t *out, struct tally_noise_first *first, const struct tally_noise *t,
                    const uint64_t *words, size_t n);
    /* tally_lattice_put and _get without their checks; false if something is out of range. */
    bool (*put)(int64_t *out, const float *x, double factor, double step, size_t n);
    bool (*get)(float *out, const int64_t *sum, const int64_t *noise, double scale, size_t n);
    double (*squares)(const float *x, size_t n);
};
extern const struct tally_noise_loops tally_noise_base, tally_noise_avx2, tally_noise_avx512;
const struct tally_noise_loops *tally_noise_loops(enum tally_isa isa);

TALLY_RESULT tally_noise_fill_with(int64_t *out, const struct tally_noise *t,
                                   struct tally_stream *s, size_t n,
                                   const struct tally_noise_loops *loops);

enum tally_noise_answer { TALLY_NOISE_DROP, TALLY_NOISE_KEEP, TALLY_NOISE_UNKNOWN };

/* p = C 2^up f(x) / weight, x the absolute value of a sample: a proposal to be judged. */
struct tally_noise_odds {
    uint64_t x;
    uint32_t column;
    uint32_t up; /* 0 but in the tail */
};

/* U < p, where 2^64 U is in [u, u + 1); not for the tail. */
enum tally_noise_answer tally_noise_judge(const struct tally_noise *t,
                                          const struct tally_noise_odds *odds, uint64_t u);
/* The same to any precision; u: (limbs), least first. */
enum tally_noise_answer tally_noise_judge_long(const struct tally_noise *t,
                                               const struct tally_noise_odds *odds,
                                               const uint64_t *u, size_t limbs);
/* The same until known: u and then the stream's words are U. */
TALLY_RESULT tally_noise_judge_exact(bool *keep, const struct tally_noise *t,
                                     const struct tally_noise_odds *odds, uint64_t u,
                                     struct tally_stream *s);
