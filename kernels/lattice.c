/* lattice.c - see lattice.h. */
#include "kernels/lattice.h"

#include <math.h>
#include <string.h>

#include "kernels/noise_parts.h"
#include "kernels/wide.h"

#define ROUNDING 0x1.2p-1      /* 1/2 + 2^-4 */
#define UP       (1 + 0x1p-40) /* more than a few roundings of float64 */
#define CLIPPED  (1 - 0x1p-10) /* of the clip norm */
#define PART_MIN 0x1p-100
#define PART_MAX 0x1p100

static bool is_part(double v)
{
    return v >= PART_MIN && v <= PART_MAX; /* not NaN */
}

TALLY_RESULT tally_lattice_init(struct tally_lattice *l, double multiplier, double clip, uint32_t k)
{
    TALLY_ENSURE(is_part(multiplier) && is_part(clip) && k <= TALLY_LATTICE_K_MAX, TALLY_E_CONFIG,
                 "a lattice for noise multiplier %g, clip norm %g and sigma 2^%u", multiplier, clip,
                 k);
    l->multiplier = multiplier;
    l->clip = clip;
    l->k = k;
    l->step = ldexp(nextafter(multiplier * clip, HUGE_VAL), -(int)k);
    return TALLY_OK;
}

double tally_lattice_sensitivity(const struct tally_lattice *l, size_t dim)
{
    return (l->clip + l->step * 2 * ROUNDING * sqrt((double)dim)) * UP;
}

double tally_lattice_factor(const struct tally_lattice *l, const float *x, size_t n)
{
    double norm = sqrt(tally_noise_loops(tally_isa_best())->squares(x, n));
    double most = l->clip * CLIPPED;

    if (!isfinite(norm)) return 0;
    return norm > most ? most / norm : 1;
}

TALLY_RESULT tally_lattice_put(int64_t *out, const struct tally_lattice *l, const float *x,
                               double factor, size_t n)
{
    if (tally_noise_loops(tally_isa_best())->put(out, x, factor, l->step, n)) return TALLY_OK;
    size_t at = 0;
    while (fabs((double)x[at] * factor / l->step) <= (double)TALLY_LATTICE_VALUE_MAX) at++;
    memset(out, 0, n * sizeof *out);
    return TALLY_REFUSE(TALLY_R_E_UPDATE, "value %zu is %g: not on the lattice of step %g", at,
                        (double)x[at], l->step);
}

TALLY_RESULT tally_lattice_check(const struct tally_lattice *l, const int64_t *r, size_t n)
{
    double norm = (l->clip / l->step + ROUNDING * sqrt((double)n)) * UP;
    uint64_t most =
        norm < (double)TALLY_LATTICE_VALUE_MAX ? (uint64_t)norm : (uint64_t)TALLY_LATTICE_VALUE_MAX;
    tally_wide left = (tally_wide)(most + 1) * (most + 1) - 1; /* of the sum of squares */

    for (size_t i = 0; i < n; i++) {
        uint64_t size = r[i] < 0 ? 0 - (uint64_t)r[i] : (uint64_t)r[i];
        TALLY_REFUSE_UNLESS(size <= most && (tally_wide)size * size <= left, TALLY_R_E_UPDATE,
                            "the norm on the lattice is above %g", norm);
        left -= (tally_wide)size * size;
    }
    return TALLY_OK;
}

TALLY_RESULT tally_lattice_get(float *out, const struct tally_lattice *l, const int64_t *sum,
                               const int64_t *noise, double divisor, size_t n)
{
    double scale = l->step / divisor;

    TALLY_ENSURE(divisor > 0 && isfinite(divisor) && isfinite(scale), TALLY_E_LIMIT,
                 "a sum divided by %g", divisor);
    TALLY_ENSURE(tally_noise_loops(tally_isa_best())->get(out, sum, noise, scale, n), TALLY_E_LIMIT,
                 "a sum or its float is out of range");
    return TALLY_OK;
}
