/* federation_change.h - from one version of the federation document to the next: who must have
 * signed, and what a change opens up. Pure. */
#pragma once

#include "common/dsse.h"
#include "common/federation.h"
#include "common/revocation.h"

/* A first document: every party that it names has signed it. E_SIGNATURE names who has not. */
TALLY_RESULT tally_federation_founded(const struct tally_federation *f, const struct tally_dsse *d);

/* `next` follows `prev`: same federation and mode, version + 1, prev's digest, not issued before
 * it; signed by all of prev's changes.needs and with every new or changed document key. A revoked
 * key does not count (nothing signed with it counts when `taking`, nothing issued since when read
 * back); its party's part is then done by its new key, together with at least one other signer.
 * E_FEDERATION or E_SIGNATURE otherwise. */
TALLY_RESULT tally_federation_follows(const struct tally_federation *prev,
                                      const struct tally_federation *next,
                                      const struct tally_dsse *d,
                                      const struct tally_revocations *revoked, bool taking);

/* Whose signature is still missing under `next` before it can be taken into use after `prev` (NULL:
 * as the first document). Names, each once, in the documents' order; how many. */
uint32_t tally_federation_missing(const struct tally_federation *prev,
                                  const struct tally_federation *next, const struct tally_dsse *d,
                                  const struct tally_revocations *revoked,
                                  const char *missing[2 * TALLY_PARTIES_MAX]);

/* Does `next` accept anything that `prev` did not: a party or its key, a node or its session key,
 * a machine, a measurement, a root, an aggregator's endpoint, a looser policy, a lower quorum or
 * fewer signers of changes? `what` says which first. */
enum { TALLY_CHANGE_TEXT = 200 };
bool tally_federation_widens(const struct tally_federation *prev,
                             const struct tally_federation *next, char what[TALLY_CHANGE_TEXT]);

/* Every evidence that `next` accepts, `prev` accepts too. */
bool tally_snp_policy_within(const struct tally_snp_policy *prev,
                             const struct tally_snp_policy *next);
