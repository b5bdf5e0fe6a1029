/* fixed.c - see fixed.h. */
#include "kernels/fixed.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/combine.h"

enum { HIGH_BITS = 8, LOW_BITS = 60 }; /* fraction bits of the limbs */
#define WEIGHT_MOST ((uint64_t)1 << 39)

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 unsigned_wide;

enum tally_status tally_fixed_init(struct tally_fixed *f, size_t n)
{
    struct tally_fixed made = {.lanes = tally_robust_lanes(), .n = n};

    made.sum.high = calloc(n + 1, sizeof *made.sum.high);
    made.sum.low = calloc(n + 1, sizeof *made.sum.low);
    if (made.sum.high == NULL || made.sum.low == NULL) {
        tally_fixed_free(&made);
        return TALLY_FAIL(TALLY_E_NOMEM, "a sum of %zu coordinates", n);
    }
    *f = made;
    return TALLY_OK;
}

void tally_fixed_free(struct tally_fixed *f)
{
    free(f->sum.high);
    free(f->sum.low);
    *f = (struct tally_fixed){0};
}

static enum tally_status check_range(const struct tally_fixed *f, size_t first, size_t n)
{
    TALLY_ENSURE(first <= f->n && n <= f->n - first, TALLY_E_LIMIT, "coordinates %zu to %zu of %zu",
                 first, first + n, f->n);
    return TALLY_OK;
}

static enum tally_status add(struct tally_fixed *f, const struct tally_fixed_part *part,
                             bool remove)
{
    struct tally_limbs_part p = {.weight = part->weight, .n = part->n, .remove = remove};
    struct tally_limbs at;

    TALLY_TRY(check_range(f, part->first, part->n));
    TALLY_ENSURE(part->weight < TALLY_COMBINE_WEIGHT_END, TALLY_E_LIMIT,
                 "a site weighs %u: less than 2^29 is exact", part->weight);
    at.high = f->sum.high + part->first;
    at.low = f->sum.low + part->first;
    if (f->lanes->fixed(at, part->delta, p)) return TALLY_OK;
    /* Whatever was added, the same again is taken out: integers wrap. */
    p.remove = !remove;
    (void)f->lanes->fixed(at, part->delta, p);
    return TALLY_REFUSE(TALLY_R_E_UPDATE,
                        "a value is not a finite number, or 2^43 and more with weight %u",
                        part->weight);
}

enum tally_status tally_fixed_add(struct tally_fixed *f, const struct tally_fixed_part *part)
{
    return add(f, part, false);
}

enum tally_status tally_fixed_remove(struct tally_fixed *f, const struct tally_fixed_part *part)
{
    return add(f, part, true);
}

/* sum / weight, rounded once. At least 2^-99 if not 0, so never subnormal. */
static float divide_exactly(int64_t high, int64_t low, uint64_t weight)
{
    wide sum = (wide)high * ((wide)1 << (LOW_BITS - HIGH_BITS)) + low;
    unsigned_wide size = sum < 0 ? -(unsigned_wide)sum : (unsigned_wide)sum;
    int exponent = -LOW_BITS;

    if (size == 0) return 0;
    for (; size >> 126 == 0; size <<= 1) exponent--;
    unsigned_wide quotient = size / weight;
    bool inexact = size % weight != 0;
    for (; quotient >> 40 != 0; quotient >>= 1, exponent++)
        inexact = inexact || (quotient & 1) != 0;
    /* The lowest of 41 bits says whether anything is below: enough to round 24 by. */
    double value = ldexp((double)(uint64_t)(quotient << 1 | inexact), exponent - 1);
    return (float)(sum < 0 ? -value : value);
}

/* In float64 with the most it can be off by; exactly only where that leaves two answers. */
static float divide(int64_t high, int64_t low, uint64_t weight)
{
    double h = (double)high * 0x1p-8;
    double l = (double)low * 0x1p-60;
    double off = (fabs(h) + fabs(l)) * 0x1p-50;
    float from = (float)((h + l - off) / (double)weight);
    float to = (float)((h + l + off) / (double)weight);

    if (from >= to && from <= to && fabsf(to) >= 0x1p-100F) return to;
    return divide_exactly(high, low, weight);
}

enum tally_status tally_fixed_mean(float *out, const struct tally_fixed *f,
                                   const struct tally_fixed_mean *m)
{
    bool finite = true;

    TALLY_TRY(check_range(f, m->first, m->n));
    TALLY_ENSURE(m->weight >= 1 && m->weight <= WEIGHT_MOST, TALLY_E_STATE,
                 "the sites weigh %llu together: 1 to 2^39 is possible",
                 (unsigned long long)m->weight);
    for (size_t i = 0; i < m->n; i++) {
        float mean = divide(f->sum.high[m->first + i], f->sum.low[m->first + i], m->weight);
        if (m->base != NULL) mean = (float)((double)m->base[i] + (double)mean) + 0.0F;
        finite = finite && isfinite(mean);
        out[i] = mean;
    }
    TALLY_ENSURE(finite, TALLY_E_STATE, "the base is not finite, or the sum leaves float32");
    return TALLY_OK;
}
