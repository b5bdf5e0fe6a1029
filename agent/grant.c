/* grant.c - see grant.h. */
#include "agent/grant.h"

#include <stdio.h>

#include "common/file.h"
#include "common/secret.h"

static enum tally_status write_to(const struct tally_place *p, const char *folder,
                                  const struct tally_dsse *d)
{
    char path[TALLY_FEDSTORE_PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/%s", p->store.dir, folder);
    TALLY_TRY(tally_file_make_dirs(path, TALLY_FILE_DIR_MODE_PRIVATE));
    tally_job_path(p, folder, d->digest, path);
    return tally_envelope_write(path, d);
}

/* A job that asks for this bank's rows. */
static enum tally_status check(const struct tally_place *p, const struct tally_dsse *d,
                               const struct tally_federation *f,
                               const struct tally_revocations *revoked, uint64_t now_s,
                               struct tally_job *job)
{
    TALLY_TRY(tally_job_open(d, f, revoked, now_s, job));
    if (tally_job_has(job, p->store.org)) return TALLY_OK;
    tally_job_free(job);
    return TALLY_REFUSE(TALLY_R_E_IDENTITY, "%s is no participant of the job", p->store.org);
}

enum tally_status tally_grant_offer(const struct tally_place *p, const struct tally_dsse *d,
                                    const struct tally_federation *f,
                                    const struct tally_revocations *revoked, uint64_t now_s)
{
    TALLY_CLEANUP(tally_job_free) struct tally_job job = {0};
    char path[TALLY_FEDSTORE_PATH_MAX];

    TALLY_TRY(check(p, d, f, revoked, now_s, &job));
    tally_job_path(p, "jobs", d->digest, path);
    if (tally_file_exists(path)) return TALLY_OK;
    return write_to(p, "jobs", d);
}

enum tally_status tally_grant_sign(const struct tally_place *p, const uint8_t digest[32],
                                   const struct tally_federation *f,
                                   const struct tally_revocations *revoked, uint64_t now_s)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    TALLY_CLEANUP(tally_job_free) struct tally_job job = {0};
    char path[TALLY_FEDSTORE_PATH_MAX];

    tally_job_path(p, "jobs", digest, path);
    TALLY_ENSURE(tally_file_exists(path), TALLY_E_STATE,
                 "no job of that digest has been offered to this agent (%s)", path);
    TALLY_TRY(tally_envelope_read(path, TALLY_JOB_BYTES_MAX, &d));
    TALLY_REFUSE_UNLESS(tally_slice_equal(TALLY_SLICE(d.digest), tally_slice_of(digest, 32)),
                        TALLY_R_E_FEDERATION, "%s holds another document", path);
    TALLY_TRY(check(p, &d, f, revoked, now_s, &job));
    TALLY_TRY(tally_place_sign(p, f->id, &d));
    TALLY_REFUSE_UNLESS(tally_party_signed(f, revoked, p->store.org, &d, UINT64_MAX),
                        TALLY_R_E_IDENTITY, "%s is not the document key of %s in the federation",
                        p->document_key, p->store.org);
    return write_to(p, "grants", &d);
}

enum tally_status tally_grant_read(const struct tally_place *p, const uint8_t digest[32],
                                   const struct tally_federation *f,
                                   const struct tally_revocations *revoked, uint64_t now_s,
                                   struct tally_dsse *d, struct tally_job *job)
{
    char path[TALLY_FEDSTORE_PATH_MAX];

    tally_job_path(p, "grants", digest, path);
    TALLY_TRY(tally_envelope_read(path, TALLY_JOB_BYTES_MAX, d));
    TALLY_REFUSE_UNLESS(tally_slice_equal(TALLY_SLICE(d->digest), tally_slice_of(digest, 32)),
                        TALLY_R_E_FEDERATION, "%s holds another document", path);
    TALLY_REFUSE_UNLESS(tally_party_signed(f, revoked, p->store.org, d, UINT64_MAX),
                        TALLY_R_E_SIGNATURE, "%s has not signed the job in %s", p->store.org, path);
    return check(p, d, f, revoked, now_s, job);
}
