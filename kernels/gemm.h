/* gemm.h - the matrix product of a dense layer on one thread, with what follows it fused in.
 *
 *   c (m, n) = a (m, k) b (k, n)      c[i c_row + j], a[i a_row + l a_k], b[l b_k + j]
 *
 * One register tile, compiled for three instruction sets (gemm.inc through lanes_*.c): rows of b
 * are read as vectors and elements of a are broadcast, so a may lie either way round and neither
 * is copied. All three products of training have that form once w^T is at hand:
 *
 *   z  = x w^T   a = x (rows, in), b = w^T (in, out)
 *   dw = dz^T x  a = dz read by columns, b = x (rows, in): the sum runs over rows
 *   dx = dz w    a = dz (rows, out), b = w (out, in)
 *
 * Every element is one chain of fused multiply-adds in the order of l, whatever m, n and the
 * position of the element are: a product cut into pieces by rows or columns has the same bits.
 * Within a chain of n terms the rounding error is at most n 2^-24 of the sum of absolute terms.
 * No pointer needs an alignment, nothing outside the matrices is read, nothing is allocated. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct tally_gemm {
    float *c;
    const float *a, *b;
    size_t m, n, k; /* any may be 0; with k = 0 the product is 0 */
    size_t c_row, a_row, a_k, b_k;
    const float *bias; /* (n) what every row starts from; NULL: 0. Not with accumulate */
    const float *gate; /* (m, n), rows c_row apart: c = 0 where gate <= 0 or NaN; NULL: none */
    bool relu;         /* max(c, 0) at the end; NaN stays */
    bool accumulate;   /* c += the product */
};

/* A matrix that rows lie `row` floats apart in. */
struct tally_grid {
    size_t rows, columns, row;
};
