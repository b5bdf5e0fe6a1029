/* values.h - what numbers from outside must be before any arithmetic sees them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/status.h"

/* True if all n are finite; else *at (may be NULL) is the first that is not. */
bool tally_values_finite(const float *x, size_t n, size_t *at);

/* y: (rows), each exactly 0 or 1; weight: (rows), finite and >= 0, or NULL. TALLY_E_CONFIG names
 * the first row that is not so. */
TALLY_RESULT tally_values_rows(const float *y, const float *weight, size_t rows);
