/* grant.h - a bank's signature on a job: state/jobs/<digest>.json is what the aggregator offered,
 * state/grants/<digest>.json the same with this bank's signature. */
#pragma once

#include "common/jobdoc.h"

/* Keeps an offered envelope under state/jobs if it is a job for this bank that its owner signed;
 * whatever it is named, its digest names the file. */
TALLY_RESULT tally_grant_offer(const struct tally_place *p, const struct tally_dsse *d,
                               const struct tally_federation *f,
                               const struct tally_revocations *revoked, uint64_t now_s);

/* Signs the kept job of that digest with the bank's document key and writes it to state/grants.
 * TALLY_E_STATE if no such job is kept. What `grant sign` does, and `run` under grants: auto. */
TALLY_RESULT tally_grant_sign(const struct tally_place *p, const uint8_t digest[32],
                              const struct tally_federation *f,
                              const struct tally_revocations *revoked, uint64_t now_s);

/* The granted envelope of that digest; E_SIGNATURE unless this bank's signature counts. The caller
 * frees *d and *job. */
TALLY_RESULT tally_grant_read(const struct tally_place *p, const uint8_t digest[32],
                              const struct tally_federation *f,
                              const struct tally_revocations *revoked, uint64_t now_s,
                              struct tally_dsse *d, struct tally_job *job);
