/* anchors.h - the vendors' roots of trust by their compiled-in names. A production document can
 * say a name of this table and nothing else; a test root must equal none of them. */
#pragma once

#include "common/attest/trust.h"

/* The root of that name. TALLY_E_CONFIG for a name that no vendor root has;
 * TALLY_E_UNDECIDED for one that is known but whose root this build does not hold. */
TALLY_RESULT tally_anchor_named(const char *name, struct tally_anchor *out);

/* Is this certificate (DER) one of the vendors' roots? */
bool tally_anchor_is_vendor(struct tally_slice der);
