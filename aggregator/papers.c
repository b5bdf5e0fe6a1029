/* papers.c - documents (hub.h): jobs lie as envelopes in the state directory, where `job submit`
 * puts them; agents come for them in sessions without a job and bring their banks' signatures.
 * A job with all its signatures becomes a course. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/hub.h"
#include "common/file.h"
#include "common/log.h"
#include "common/revocation.h"

enum { ENVELOPE_MAX = 2 << 20, ENTRY_MAX = 80 };

static const char *job_type(enum tally_mode mode)
{
    return mode == TALLY_MODE_TEST ? "application/vnd.tally.job-test+json"
                                   : "application/vnd.tally.job+json";
}

static void free_bytes(uint8_t **p)
{
    free(*p);
}

/* An envelope of a job of this federation, signed by its owner. */
static enum tally_status read_job(struct tally_hub *h, const char *path, struct tally_dsse *d,
                                  struct tally_job *job)
{
    TALLY_CLEANUP(free_bytes) uint8_t *bytes = NULL;
    size_t len;

    TALLY_TRY(tally_file_read(path, ENVELOPE_MAX, &bytes, &len));
    TALLY_TRY(tally_dsse_parse(tally_slice_of(bytes, len), TALLY_JOB_BYTES_MAX, d));
    enum tally_status s = TALLY_OK;
    if (strcmp(d->payload_type, job_type(h->federation->mode)) != 0)
        s = TALLY_FAIL(TALLY_E_CONFIG, "%s is no job of this mode", path);
    if (s == TALLY_OK) s = tally_job_parse(tally_slice_of(d->payload, d->payload_len), job);
    if (s != TALLY_OK) {
        tally_dsse_free(d);
        return s;
    }
    if (memcmp(job->federation, h->federation->id, 32) == 0 &&
        job->federation_version <= h->federation->version &&
        tally_party_signed(h->federation, h->documents, h->self->org, d, UINT64_MAX))
        return TALLY_OK;
    tally_dsse_free(d);
    tally_job_free(job);
    return TALLY_FAIL(TALLY_E_CONFIG, "%s is of another federation or not signed by its owner",
                      path);
}

static bool complete(const struct tally_hub *h, const struct tally_job *job,
                     const struct tally_dsse *d)
{
    for (uint32_t i = 0; i < job->participants_n; i++) {
        if (!tally_party_signed(h->federation, h->documents, job->participants[i], d, UINT64_MAX))
            return false;
    }
    return true;
}

/* fn for each job envelope in the state directory. */
static void each_job(struct tally_hub *h,
                     void (*fn)(struct tally_hub *h, const char *path, struct tally_dsse *d,
                                struct tally_job *job, void *ctx),
                     void *ctx)
{
    char dir[2 * TALLY_HUB_PATH_MAX], path[2 * TALLY_HUB_PATH_MAX + ENTRY_MAX + 2];
    struct dirent *entry;

    (void)snprintf(dir, sizeof dir, "%s/jobs", h->dir);
    DIR *list = opendir(dir);
    if (list == NULL) return;
    while ((entry = readdir(list)) != NULL) {
        struct tally_dsse d = {0};
        struct tally_job job = {0};
        size_t n = strlen(entry->d_name);
        if (n != 64 + 5 || strcmp(entry->d_name + 64, ".json") != 0) continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (read_job(h, path, &d, &job) == TALLY_OK) {
            fn(h, path, &d, &job, ctx);
            tally_dsse_free(&d);
            tally_job_free(&job);
        } else {
            TALLY_LOG(TALLY_LOG_WARN, "job_ignored", tally_log_str("why", tally_why_text()));
        }
    }
    (void)closedir(list);
}

/* ---- complete jobs become courses ---- */

struct document_task {
    struct tally_task task;
    struct tally_hub *hub;
    struct tally_course *course;
    struct tally_store_document document;
    char *envelope;
};

static enum tally_status document_run(struct tally_task *task)
{
    struct document_task *t = (struct document_task *)task;

    TALLY_TRY(tally_store_document_put(t->hub->store, &t->document));
    return tally_recover_read(t->course);
}

static void tell_offer(struct tally_hub *h, const struct tally_course *c);

static void document_done(struct tally_task *task)
{
    struct document_task *t = (struct document_task *)task;

    struct tally_hub *h = t->hub;

    h->taking = false;
    if (task->status == TALLY_E_IO) {
        tally_hub_fatal(h, "a job cannot be kept", task->why);
        tally_course_free(&t->course);
    } else {
        h->courses[h->courses_n++] = t->course;
        tell_offer(h, t->course);
        if (task->status == TALLY_OK)
            tally_recover_start(t->course);
        else
            tally_course_stop(t->course, task->why);
    }
    free(t->envelope);
    free(t);
}

static void take(struct tally_hub *h, const char *path, struct tally_dsse *d, struct tally_job *job,
                 void *ctx)
{
    struct tally_course *c;
    struct document_task *t;

    (void)ctx;
    if (h->taking || tally_course_by_digest(h, job->digest) != NULL ||
        h->courses_n == TALLY_COURSES_MAX || !complete(h, job, d))
        return;
    if (tally_course_new(h, tally_slice_of(d->payload, d->payload_len), &c) != TALLY_OK) {
        TALLY_LOG(TALLY_LOG_ERROR, "job_refused", tally_log_str("file", path),
                  tally_log_str("why", tally_why_text()));
        return;
    }
    t = calloc(1, sizeof *t);
    if (t == NULL || tally_dsse_text(d, &t->envelope) != TALLY_OK) {
        free(t);
        tally_course_free(&c);
        tally_hub_fatal(h, "a job cannot be kept", "out of memory");
        return;
    }
    t->task.run = document_run;
    t->task.done = document_done;
    t->hub = h;
    t->course = c;
    t->document = (struct tally_store_document){.type = TALLY_DOCUMENT_JOB,
                                                .envelope = tally_slice_str(t->envelope),
                                                .created_ms = tally_wall_ms()};
    memcpy(t->document.digest, job->digest, 32);
    struct tally_task *task = &t->task;
    h->taking = tally_mailbox_post(h->store_box, &task) == TALLY_OK;
    if (h->taking) return;
    tally_hub_fatal(h, "a job cannot be kept", tally_why());
    free(t->envelope);
    free(t);
    tally_course_free(&c);
}

void tally_papers_poll(struct tally_hub *h)
{
    each_job(h, take, NULL);
}

/* ---- sessions without a job ---- */

struct telling {
    struct tally_hub *hub;
    uint64_t link;                   /* to this one ... */
    const struct tally_course *only; /* ... or to all, this job */
};

static bool tell(struct tally_session *l, const struct tally_dsse *d, enum tally_document_kind kind)
{
    struct tally_message m = {.type = TALLY_MSG_DOCUMENT, .kind = kind};
    char *text;

    if (tally_dsse_text(d, &text) != TALLY_OK) return false;
    m.body = tally_slice_str(text);
    bool sent = tally_session_send(l, &m);
    free(text);
    return sent;
}

static void offer(struct tally_hub *h, const char *path, struct tally_dsse *d,
                  struct tally_job *job, void *ctx)
{
    const struct telling *t = ctx;
    enum tally_document_kind kind =
        tally_course_by_digest(h, job->digest) != NULL ? TALLY_DOC_JOB : TALLY_DOC_OFFER;

    (void)path;
    for (uint32_t i = 0; i < h->federation->nodes_n; i++) {
        struct tally_session *l = h->guests[i].live;
        if (l == NULL || l->course != NULL || !l->greeted ||
            !tally_job_has(job, l->guest->node->org))
            continue;
        if (t->only != NULL ? memcmp(t->only->job.digest, job->digest, 32) == 0 : l->id == t->link)
            (void)tell(l, d, kind);
    }
}

static void tell_offer(struct tally_hub *h, const struct tally_course *c)
{
    struct telling t = {.hub = h, .only = c};

    each_job(h, offer, &t);
}

bool tally_papers_revocations(struct tally_session *l)
{
    char dir[2 * TALLY_HUB_PATH_MAX], path[2 * TALLY_HUB_PATH_MAX + ENTRY_MAX + 2];
    struct dirent *entry;
    bool live = true;

    (void)snprintf(dir, sizeof dir, "%s/revocations", l->hub->dir);
    DIR *list = opendir(dir);
    while (list != NULL && live && (entry = readdir(list)) != NULL) {
        struct tally_message m = {.type = TALLY_MSG_DOCUMENT, .kind = TALLY_DOC_REVOCATION};
        TALLY_CLEANUP(free_bytes) uint8_t *bytes = NULL;
        size_t len;
        if (strlen(entry->d_name) != 64 + 5) continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (tally_file_read(path, TALLY_MSG_DOCUMENT_MAX, &bytes, &len) != TALLY_OK) continue;
        m.body = tally_slice_of(bytes, len);
        live = tally_session_send(l, &m);
    }
    if (list != NULL) (void)closedir(list);
    return live;
}

void tally_papers_greet(struct tally_session *l)
{
    struct telling t = {.hub = l->hub, .link = l->id};

    each_job(l->hub, offer, &t);
}

/* Adds the bank's signature to the envelope we keep. */
static enum tally_status add_signature(struct tally_session *l, const struct tally_message *m)
{
    struct tally_hub *h = l->hub;
    const char *org = l->guest->node->org;
    char path[2 * TALLY_HUB_PATH_MAX], hex[65], *text = NULL;
    struct tally_dsse theirs = {0}, ours = {0};
    struct tally_job job = {0};

    tally_hex(TALLY_SLICE(m->digest), hex);
    (void)snprintf(path, sizeof path, "%s/jobs/%s.json", h->dir, hex);
    TALLY_TRY(read_job(h, path, &ours, &job));
    enum tally_status s = tally_dsse_parse(m->body, TALLY_JOB_BYTES_MAX, &theirs);
    if (s == TALLY_OK &&
        (memcmp(theirs.digest, ours.digest, 32) != 0 || !tally_job_has(&job, org) ||
         !tally_party_signed(h->federation, h->documents, org, &theirs, UINT64_MAX)))
        s = TALLY_REFUSE(TALLY_R_E_SIGNATURE, "the grant is not %s's signature on this job", org);
    for (uint32_t i = 0; s == TALLY_OK && i < theirs.signatures_n; i++) {
        struct tally_dsse one = theirs; /* borrows the payload */
        one.signatures[0] = theirs.signatures[i];
        one.signatures_n = 1;
        if (!tally_party_signed(h->federation, h->documents, org, &one, UINT64_MAX)) continue;
        if (tally_party_signed(h->federation, h->documents, org, &ours, UINT64_MAX)) break;
        if (ours.signatures_n == TALLY_DSSE_SIGNATURES_MAX) break;
        ours.signatures[ours.signatures_n++] = theirs.signatures[i];
    }
    if (s == TALLY_OK) s = tally_dsse_text(&ours, &text);
    if (s == TALLY_OK) s = tally_file_write(path, tally_slice_str(text), TALLY_FILE_MODE_PUBLIC);
    free(text);
    tally_dsse_free(&theirs);
    tally_dsse_free(&ours);
    tally_job_free(&job);
    return s;
}

void tally_papers_grant(struct tally_session *l, const struct tally_message *m)
{
    struct tally_hub *h = l->hub;

    if (add_signature(l, m) != TALLY_OK) {
        tally_session_refuse(l, m->digest);
        return;
    }
    TALLY_LOG(TALLY_LOG_INFO, "granted", tally_log_str("org", l->guest->node->org),
              tally_log_hex("job", m->digest, 32));
    tally_papers_poll(h);
}
