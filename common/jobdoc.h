/* jobdoc.h - job documents as the parties keep them: envelopes <digest>.json in a folder, judged
 * against the federation document in force. */
#pragma once

#include "common/cmd_documents.h"
#include "common/job.h"

/* Fits the job the federation? Same federation, a version that is in force, participants that have
 * agents, a quorum they can reach, dates. E_FEDERATION or TALLY_E_CONFIG. */
TALLY_RESULT tally_job_fits(const struct tally_job *job, const struct tally_federation *f,
                            uint64_t now_s);

/* A job's envelope: payloadType of f's mode, payload, fit, and the owner's signature. Which
 * participants signed is asked with tally_party_signed(). The caller frees *job. */
TALLY_RESULT tally_job_open(const struct tally_dsse *d, const struct tally_federation *f,
                            const struct tally_revocations *revoked, uint64_t now_s,
                            struct tally_job *job);

/* "<state directory>/<folder>/<digest>.json" */
void tally_job_path(const struct tally_place *p, const char *folder, const uint8_t digest[32],
                    char out[TALLY_FEDSTORE_PATH_MAX]);

/* {"digest","name","rounds","participants","signed","missing","columns",...}, for show commands;
 * the caller owns it. */
json_t *tally_job_summary(const struct tally_job *job, const struct tally_dsse *d,
                          const struct tally_federation *f,
                          const struct tally_revocations *revoked);
/* The same for people, on stdout. */
void tally_job_print(const json_t *summary);

/* The job envelopes of a folder in byte order of their digests, each as a summary (those that do
 * not open as {"file","error"}); the caller owns *list. */
TALLY_RESULT tally_jobs_list(const struct tally_place *p, const char *folder,
                             const struct tally_federation *f,
                             const struct tally_revocations *revoked, json_t **list);
