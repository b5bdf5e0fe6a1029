/* noise.h - the discrete Gaussian on the integers with sigma exactly 2^k, exact, in bulk.
 *
 *   P(x) = f(x) / sum of f over the integers,   f(x) = exp(-x^2 / 2^(2k+1))
 *
 * holds for every integer x without any error of approximation, given that the stream's words are
 * independent and uniform; samples are independent. (The tail ends at 136 sigma: what would lie
 * beyond, less than e^-9000 of all, is refused, as is what 1024 bits cannot decide.) Why sigma is a
 * power of two, what the lattice is and what it costs in privacy: lattice.h, ALGORITHMS.md 3.4.
 *
 * How (rejection from a histogram; Walker's alias, von Neumann's rejection, comparisons of a lazy
 * uniform as in Karney 2016). The half-lines x >= 0 and x < 0 are cut into columns of sigma / 64
 * (single integers while k <= 6), up to 511/64 sigma; on each half-line one more column stands for
 * the tail. Column c has an integer weight w_c >= C f(x) for all its x, C an integer, and the
 * weights add up to 2^32. Then
 *   1. a column is chosen with probability exactly w_c / 2^32: an alias table in 32 bits;
 *   2. x is chosen uniformly in it, bits as they come. In the tail, x is v sigma further out with
 *      probability 2^-(v+1), and uniform in the sigma from there;
 *   3. x is kept with probability exactly C f(x) / w_c (times 2^(v+1) min(2^k, 64) in the tail:
 * what it was proposed too rarely by), else all starts again. So x is proposed and kept with
 * probability C f(x) / 2^32 / (width of a column), the same factor of f(x) everywhere: what is kept
 * has the distribution above. Step 3 compares a uniform real U with a real number p, both to be had
 * to any precision: if U's first bits are below a bound of the column's smallest p, which is a
 * table, x is kept (98.8 %); else 64 bits of U are compared with p by fixed-point arithmetic of
 * proven error; else, once in 2^59, U and p are refined until they differ. The tables are worked
 * out in integers as well: nothing here is a float, and the samples have the same bits on every
 * compiler and instruction set.
 *
 * Time depends on the noise: what the first word does not settle costs some 50 ns more. Fill a buffer before the sum is
 * known and release at a fixed time (Jin et al. 2022); never sample on a request's path. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/stream.h"

enum {
    TALLY_NOISE_K_MAX = 31,
    TALLY_NOISE_COLUMNS_MAX = 1024, /* two half-lines of 512 */
};

/* Tables for one k: 20 KiB in the caller's storage, constant after init, shared by threads. */
struct tally_noise {
    uint32_t k;
    uint32_t place_bits;  /* log2 of a column's width: k - 6, or 0 */
    uint32_t column_bits; /* log2 of the number of columns; column 2j + 1 is below 0 */
    uint32_t scale;       /* C */
    uint32_t weight[TALLY_NOISE_COLUMNS_MAX];
    uint32_t choice[TALLY_NOISE_COLUMNS_MAX]; /* alias table: least number | other column */
    uint32_t sure[TALLY_NOISE_COLUMNS_MAX];   /* 2^32 p is above, for every x of the column */
    uint64_t ratio[TALLY_NOISE_COLUMNS_MAX];  /* 2^64 p at the x nearest 0, less than 2 too low */
};

/* k: 0 to TALLY_NOISE_K_MAX, else TALLY_E_LIMIT. Takes about 3 ms. */
TALLY_RESULT tally_noise_init(struct tally_noise *t, uint32_t k);

/* n samples. The stream gives a word for each of up to 1024 samples at a time and then, one by one,
 * what those need that the first word does not settle: 1.02 words a sample. Equal calls on equal
 * streams give equal samples. TALLY_E_LIMIT when the stream ends (or at the odds above); out is
 * then wiped. n may be 0. */
TALLY_RESULT tally_noise_fill(int64_t *out, const struct tally_noise *t, struct tally_stream *s,
                              size_t n);
