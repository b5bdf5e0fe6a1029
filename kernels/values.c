/* values.c - see values.h. */
#include "kernels/values.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

bool tally_values_finite(const float *x, size_t n, size_t *at)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        if ((bits & 0x7f800000U) != 0x7f800000U) continue;
        if (at != NULL) *at = i;
        return false;
    }
    return true;
}

static bool is_label(float y)
{
    return !(y < 0) && !(y > 1) && (!(y > 0) || !(y < 1)) && isfinite(y);
}

static enum tally_status check_row(float y, float weight, size_t row)
{
    TALLY_ENSURE(is_label(y), TALLY_E_CONFIG, "row %zu: the label is %g, not 0 or 1", row,
                 (double)y);
    TALLY_ENSURE(isfinite(weight) && weight >= 0, TALLY_E_CONFIG,
                 "row %zu: the weight is %g: a finite number from 0 is possible", row,
                 (double)weight);
    return TALLY_OK;
}

enum tally_status tally_values_rows(const float *y, const float *weight, size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        TALLY_TRY(check_row(y[r], weight != NULL ? weight[r] : 1.0F, r));
    return TALLY_OK;
}
