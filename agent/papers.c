/* papers.c - documents (desk.h): what the aggregator offers is kept only if it verifies, jobs are
 * signed only by the bank, and a job with all its signatures begins the next tour. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/desk.h"
#include "agent/grant.h"
#include "common/file.h"
#include "common/log.h"

/* Jobs with all signatures lie in state/ready/<digest>.json. */
static void ready_path(const struct tally_desk *d, const uint8_t digest[32],
                       char out[TALLY_FEDSTORE_PATH_MAX])
{
    tally_job_path(&d->place, "ready", digest, out);
}

static bool all_signed(const struct tally_desk *d, const struct tally_job *job,
                       const struct tally_dsse *e)
{
    for (uint32_t i = 0; i < job->participants_n; i++) {
        if (!tally_party_signed(d->federation, d->revoked, job->participants[i], e, UINT64_MAX))
            return false;
    }
    return true;
}

/* A job with every signature, ours included. */
static enum tally_status open_ready(const struct tally_desk *d, const struct tally_dsse *e,
                                    struct tally_job *job)
{
    TALLY_TRY(tally_job_open(e, d->federation, d->revoked, tally_desk_now_ms(d) / 1000, job));
    if (tally_job_has(job, d->place.store.org) && all_signed(d, job, e)) return TALLY_OK;
    tally_job_free(job);
    return TALLY_REFUSE(TALLY_R_E_SIGNATURE, "the job lacks a participant's signature");
}

static enum tally_status keep_ready(struct tally_desk *d, const struct tally_dsse *e)
{
    struct tally_job job = {0};
    char path[TALLY_FEDSTORE_PATH_MAX], dir[TALLY_FEDSTORE_PATH_MAX];

    TALLY_TRY(open_ready(d, e, &job));
    tally_job_free(&job);
    ready_path(d, e->digest, path);
    if (tally_file_exists(path)) return TALLY_OK;
    (void)snprintf(dir, sizeof dir, "%s/ready", d->conf->state_dir);
    TALLY_TRY(tally_file_make_dirs(dir, TALLY_FILE_DIR_MODE_PRIVATE));
    TALLY_TRY(tally_envelope_write(path, e));
    TALLY_LOG(TALLY_LOG_INFO, "job_ready", tally_log_hex("job", e->digest, 32));
    return TALLY_OK;
}

/* Our bank's signature, if there is one, to the aggregator. */
static void send_grant(struct tally_desk *d, const uint8_t digest[32])
{
    struct tally_message m = {.type = TALLY_MSG_GRANT};
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse e = {0};
    TALLY_CLEANUP(tally_job_free) struct tally_job job = {0};
    char *text = NULL;

    if (tally_grant_read(&d->place, digest, d->federation, d->revoked, tally_desk_now_ms(d) / 1000,
                         &e, &job) != TALLY_OK)
        return;
    if (tally_dsse_text(&e, &text) == TALLY_OK) {
        memcpy(m.digest, digest, 32);
        m.body = tally_slice_str(text);
        (void)tally_line_send(d, &m);
    }
    free(text);
}

static enum tally_status offered(struct tally_desk *d, const struct tally_dsse *e)
{
    TALLY_TRY(
        tally_grant_offer(&d->place, e, d->federation, d->revoked, tally_desk_now_ms(d) / 1000));
    if (d->checking) return TALLY_OK;
    bool known = false;
    for (uint32_t i = 0; i < d->offers_n; i++)
        known = known || memcmp(d->offers[i], e->digest, 32) == 0;
    if (!known && d->offers_n < TALLY_DESK_OFFERS_MAX)
        memcpy(d->offers[d->offers_n++], e->digest, 32);
    if (strcmp(d->conf->grants, "auto") == 0 && d->federation->mode == TALLY_MODE_TEST)
        TALLY_TRY(tally_grant_sign(&d->place, e->digest, d->federation, d->revoked,
                                   tally_desk_now_ms(d) / 1000));
    else if (!known)
        TALLY_LOG(TALLY_LOG_INFO, "job_offered", tally_log_hex("job", e->digest, 32),
                  tally_log_str("next", "see `tally-agent grant show`, then `grant sign`"));
    send_grant(d, e->digest);
    return TALLY_OK;
}

static enum tally_status federation(struct tally_desk *d, struct tally_slice envelope)
{
    struct tally_federation *f = calloc(1, sizeof *f);

    TALLY_ENSURE(f != NULL, TALLY_E_NOMEM, "federation");
    enum tally_status s =
        tally_fedstore_take(&d->place.store, envelope, NULL, tally_desk_now_ms(d) / 1000, f);
    if (s == TALLY_OK && memcmp(f->digest, d->federation->digest, 32) != 0)
        tally_desk_end(d, TALLY_OUTCOME_AGAIN);
    free(f);
    return s;
}

static enum tally_status revocation(struct tally_desk *d, struct tally_slice envelope)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse e = {0};
    struct tally_revocation r;
    char path[TALLY_FEDSTORE_PATH_MAX];
    bool binds;

    TALLY_TRY(tally_dsse_parse(envelope, TALLY_REVOCATION_BYTES_MAX, &e));
    tally_job_path(&d->place, "revocations", e.digest, path);
    if (tally_file_exists(path)) return TALLY_OK; /* taken before */
    TALLY_TRY(tally_fedstore_revoke(&d->place.store, envelope, &r, &binds));
    TALLY_LOG(TALLY_LOG_WARN, "revocation", tally_log_str("why", r.why));
    if (binds) tally_desk_end(d, TALLY_OUTCOME_AGAIN);
    return TALLY_OK;
}

void tally_papers_document(struct tally_desk *d, const struct tally_message *m)
{
    struct tally_dsse e = {0};
    enum tally_status s = TALLY_OK;

    if (m->kind == TALLY_DOC_FEDERATION) {
        s = federation(d, m->body);
    } else if (m->kind == TALLY_DOC_REVOCATION) {
        s = revocation(d, m->body);
    } else {
        s = tally_dsse_parse(m->body, TALLY_JOB_BYTES_MAX, &e);
        if (s == TALLY_OK && m->kind == TALLY_DOC_JOB && !d->checking)
            s = keep_ready(d, &e);
        else if (s == TALLY_OK)
            s = offered(d, &e);
        tally_dsse_free(&e);
        uint8_t digest[32];
        if (s == TALLY_OK && !d->has_job && !d->checking && tally_papers_choose(d, digest))
            tally_desk_end(d, TALLY_OUTCOME_AGAIN);
    }
    if (s == TALLY_E_IO)
        tally_desk_fatal(d, "a document cannot be kept", tally_why_text());
    else if (s != TALLY_OK)
        TALLY_LOG_WHY(TALLY_LOG_ERROR, "document_refused", s, tally_log_u64("kind", m->kind));
}

bool tally_papers_stale(const struct tally_desk *d)
{
    struct tally_federation *f = calloc(1, sizeof *f);
    struct tally_revocations *revoked = calloc(1, sizeof *revoked);
    bool stale =
        f != NULL && revoked != NULL &&
        tally_fedstore_load(&d->place.store, tally_desk_now_ms(d) / 1000, f, revoked) == TALLY_OK &&
        memcmp(f->digest, d->federation->digest, 32) != 0;

    free(f);
    free(revoked);
    return stale;
}

/* Grants that `grant sign` has made since. */
void tally_papers_poll(struct tally_desk *d)
{
    char path[TALLY_FEDSTORE_PATH_MAX];

    for (uint32_t i = 0; d->line.greeted && !d->has_job && i < d->offers_n; i++) {
        tally_job_path(&d->place, "grants", d->offers[i], path);
        if (!tally_file_exists(path)) continue;
        uint8_t digest[32];
        memcpy(digest, d->offers[i], 32);
        memcpy(d->offers[i], d->offers[--d->offers_n], 32);
        send_grant(d, digest);
        return;
    }
}

enum tally_status tally_papers_load(struct tally_desk *d, const uint8_t digest[32])
{
    char path[TALLY_FEDSTORE_PATH_MAX];
    struct tally_dsse e = {0};

    ready_path(d, digest, path);
    TALLY_TRY(tally_envelope_read(path, TALLY_JOB_BYTES_MAX, &e));
    enum tally_status s = memcmp(e.digest, digest, 32) == 0
                              ? open_ready(d, &e, &d->job)
                              : TALLY_FAIL(TALLY_E_STATE, "%s holds another job", path);
    tally_dsse_free(&e);
    return s;
}

static bool done_before(const struct tally_desk *d, const uint8_t digest[32])
{
    struct tally_memory *m = calloc(1, sizeof *m);
    bool done = m != NULL &&
                tally_memory_open(m, d->conf->state_dir, digest, d->place.store.org,
                                  d->place.node) == TALLY_OK &&
                m->done;

    free(m);
    return done;
}

bool tally_papers_choose(struct tally_desk *d, uint8_t digest[32])
{
    char dir[TALLY_DESK_PATH_MAX];
    struct dirent *entry;
    bool found = false;

    (void)snprintf(dir, sizeof dir, "%s/ready", d->conf->state_dir);
    DIR *list = opendir(dir);
    while (list != NULL && (entry = readdir(list)) != NULL) {
        char hex[65];
        uint8_t one[32];
        if (strlen(entry->d_name) != 69 || strcmp(entry->d_name + 64, ".json") != 0) continue;
        (void)snprintf(hex, sizeof hex, "%.64s", entry->d_name);
        if (tally_unhex(hex, one, 32) != TALLY_OK || done_before(d, one) ||
            tally_papers_load(d, one) != TALLY_OK)
            continue;
        tally_job_free(&d->job);
        if (!found || memcmp(one, digest, 32) < 0) memcpy(digest, one, 32);
        found = true;
    }
    if (list != NULL) (void)closedir(list);
    return found;
}
