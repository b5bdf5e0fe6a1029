/* table.h - rows ready to train on: what a loader hands to a trainer. */
#pragma once

#include <stddef.h>
#include <stdlib.h>

struct tally_table {
    size_t rows, features;
    float *x;      /* (rows, features) f32 row-major, finite, standardised */
    float *y;      /* (rows) 0 or 1 */
    float *weight; /* (rows) finite, >= 0, not all 0; NULL: all 1 */
};

static inline void tally_table_free(struct tally_table *t) /* idempotent */
{
    free(t->x);
    free(t->y);
    free(t->weight);
    *t = (struct tally_table){0};
}
