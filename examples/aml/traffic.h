/* traffic.h - what ordinary customers do, and what ordinary customers do that looks like a crime.
 *
 * Every account pays its contacts (85 %) and strangers, more on weekdays; persons use cards;
 * firms bring their takings in cash. Of credits above 400 that an account receives, 22 % are
 * paid on within a day at .8 to 1.0 of the amount. Look-alikes: salaries (monthly), refunds and
 * prizes to strangers (fan-out), collections of 5 to 20 payers, 60 % of them paid out (fan-in),
 * club treasurers (gather-scatter), split remittances (scatter-gather), savings rings (cycle),
 * quick moves of large sums (chain), bursts of large cash deposits (structuring), sales at shops
 * (compromised merchant). */
#pragma once

#include "examples/aml/world.h"

/* Day-to-day traffic of every account over all days. */
TALLY_RESULT tally_traffic_add(struct tally_world *w);

/* Legitimate look-alikes of all eight typologies. */
TALLY_RESULT tally_lookalikes_add(struct tally_world *w);

/* One payment that its payee may pay on to a contact, and so forth at most three times. */
TALLY_RESULT tally_traffic_pay(struct tally_world *w, struct tally_rng *r,
                               const struct tally_world_tx *tx);
/* A contact of `account`, the first ones most often. */
uint32_t tally_traffic_contact(const struct tally_world *w, struct tally_rng *r, uint32_t account);
/* An account other than `account` at an institution chosen by size. */
uint32_t tally_traffic_stranger(const struct tally_world *w, struct tally_rng *r, uint32_t account);
