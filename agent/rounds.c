/* rounds.c - what the job is at, and what is to be done next (desk.h). Messages only note what was
 * said; advance() does one thing after another as far as it can: catch up with the versions, judge
 * the open round, have its work done and sent, judge the set and vote. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/desk.h"
#include "common/file.h"
#include "common/log.h"

void tally_model_path(const struct tally_desk *d, const uint8_t digest[32], char *out)
{
    char hex[65];

    tally_hex(tally_slice_of(digest, 32), hex);
    (void)snprintf(out, TALLY_DESK_PATH_MAX, "%s/models/%s.safetensors", d->conf->state_dir, hex);
}

void tally_rounds_lost(struct tally_desk *d)
{
    tally_download_end(d);
    tally_upload_end(d);
    d->announced = d->open_here = d->set_here = d->current = false;
    d->chain_n = 0;
}

/* This job's model files but the base's and the one before it; lineages stay, and so does what
 * other jobs made: the last version of one that is done. */
static void prune(const struct tally_desk *d, const uint8_t base[32], const uint8_t before[32])
{
    char dir[TALLY_DESK_PATH_MAX], path[TALLY_DESK_PATH_MAX + 300], keep[2][80], hex[65];
    struct dirent *entry;

    tally_hex(tally_slice_of(base, 32), hex);
    (void)snprintf(keep[0], sizeof keep[0], "%s.safetensors", hex);
    tally_hex(tally_slice_of(before, 32), hex);
    (void)snprintf(keep[1], sizeof keep[1], "%s.safetensors", hex);
    (void)snprintf(dir, sizeof dir, "%s/models", d->conf->state_dir);
    DIR *list = opendir(dir);
    while (list != NULL && (entry = readdir(list)) != NULL) {
        size_t n = strlen(entry->d_name);
        if (n != strlen(keep[0]) || strcmp(entry->d_name + 64, keep[0] + 64) != 0 ||
            strcmp(entry->d_name, keep[0]) == 0 || strcmp(entry->d_name, keep[1]) == 0)
            continue;
        uint8_t digest[32];
        (void)snprintf(hex, sizeof hex, "%.64s", entry->d_name);
        if (tally_unhex(hex, digest, 32) != TALLY_OK || tally_lineages_foreign(d, digest)) continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        (void)unlink(path);
    }
    if (list != NULL) (void)closedir(list);
}

/* ---- the open round ---- */

static enum tally_status judge_open(struct tally_desk *d)
{
    struct tally_member next = d->memory.member;
    const struct tally_opening *o = &d->opening;

    TALLY_REFUSE_UNLESS(o->mode == d->federation->mode &&
                            tally_fedstore_knows(&d->place.store, d->federation, o->federation),
                        TALLY_R_E_FEDERATION, "the round is of another federation document");
    TALLY_REFUSE_UNLESS(memcmp(o->job, d->job.digest, 32) == 0 &&
                            memcmp(o->krp, d->line.peer.krp, 32) == 0 &&
                            memcmp(o->instance, d->line.peer.kb.instance, 16) == 0,
                        TALLY_R_E_IDENTITY, "the round is of another job or instance");
    TALLY_TRY(tally_member_open(&next, o));
    bool fresh = !d->memory.member.has_open || next.round != d->memory.member.round;
    if (fresh) prune(d, next.base, d->memory.member.base);
    TALLY_TRY(tally_memory_save(&d->memory, &next, d->memory.done));
    if (!fresh) return TALLY_OK;
    TALLY_LOG(TALLY_LOG_INFO, "round", tally_log_u64("round", next.round),
              tally_log_u64("kind", next.kind));
    tally_work_cancel(d);
    tally_upload_end(d);
    tally_update_free(&d->update);
    return tally_memory_forget(&d->memory, next.round);
}

/* False when the session or the program ends over it. */
static bool take_open(struct tally_desk *d)
{
    uint8_t digest[32];
    enum tally_status s = judge_open(d);

    d->open_here = false;
    d->current = s == TALLY_OK;
    if (d->current) {
        tally_line_good(d);
        return true;
    }
    if (s == TALLY_E_IO) {
        tally_desk_fatal(d, "the round cannot be remembered", tally_why_text());
        return false;
    }
    TALLY_SHA256_OF(digest, TALLY_SLICE(d->opening_bytes));
    if (tally_line_refuse(d, "round_refused", digest)) tally_line_end(d, "the round was refused");
    return false;
}

/* The base's file, or a step towards it. */
static bool have_base(struct tally_desk *d)
{
    static const uint8_t none[32];
    char path[TALLY_DESK_PATH_MAX];

    if (memcmp(d->memory.member.base, none, 32) == 0) return true;
    tally_model_path(d, d->memory.member.base, path);
    if (tally_file_exists(path)) return true;
    tally_download_begin(d, TALLY_OBJECT_MODEL, d->memory.member.base);
    return false;
}

/* The update as it was kept, with its content key if the device or this process has it. */
static enum tally_status recall(struct tally_desk *d)
{
    struct tally_update *u = &d->update;
    const struct tally_held *h = d->held;

    TALLY_TRY(tally_memory_update(&d->memory, d->device, &d->seal_name, u));
    if (u->key.at != NULL || h->key.at == NULL || memcmp(h->key_statement, u->st_digest, 32) != 0)
        return TALLY_OK;
    TALLY_TRY(tally_secret_new(&u->key, h->key.len));
    memcpy(u->key.at, h->key.at, h->key.len);
    return TALLY_OK;
}

/* Work, or what it made going up. */
static void answer_round(struct tally_desk *d)
{
    struct tally_member *m = &d->memory.member;

    if (m->voted || d->checking) return;
    if (!d->update.here && m->has_statement && recall(d) != TALLY_OK) {
        tally_desk_fatal(d, "the update of the open round is lost", tally_why_text());
        return;
    }
    if (d->update.here && m->has_statement)
        tally_upload_start(d);
    else if (have_base(d))
        tally_work_start(d);
}

/* ---- the set ---- */

/* Only the job's participants, and enough of them: what its banks signed. */
static enum tally_status check_cohort(const struct tally_desk *d, const struct tally_set *s)
{
    const char *last = "";
    uint32_t orgs = 0;

    for (uint32_t i = 0; i < s->rows_n; i++) {
        const struct tally_set_row *row = &s->rows[i];
        TALLY_REFUSE_UNLESS(tally_job_has(&d->job, row->org), TALLY_R_E_IDENTITY,
                            "the set has a row of %s, which is no participant", row->org);
        if (row->status != TALLY_ROW_COUNTED || strcmp(row->org, last) == 0) continue;
        last = row->org;
        orgs++;
    }
    TALLY_REFUSE_UNLESS(!s->combine || orgs >= d->job.cohort_min, TALLY_R_E_UPDATE,
                        "the set counts %u organisations, the job asks for %u", orgs,
                        d->job.cohort_min);
    return TALLY_OK;
}

static enum tally_status judge_set(struct tally_desk *d, const uint8_t digest[32],
                                   struct tally_message *vote)
{
    static struct tally_set set; /* large; the loop's */
    struct tally_member next = d->memory.member;

    TALLY_TRY(tally_set_decode(tally_slice_of(d->set_bytes, d->set_len), &set));
    TALLY_REFUSE_UNLESS(set.mode == d->federation->mode &&
                            memcmp(set.federation, d->opening.federation, 32) == 0,
                        TALLY_R_E_FEDERATION, "the set is of another federation document");
    TALLY_TRY(check_cohort(d, &set));
    TALLY_TRY(tally_member_set(&next, &set, digest, d->job.share_cap_permille));
    TALLY_TRY(tally_memory_save(&d->memory, &next, d->memory.done)); /* then, and only then */
    return tally_vote_sign(&tally_desk_instance(d)->attested, digest, vote->signature);
}

static void vote(struct tally_desk *d)
{
    struct tally_message m = {.type = TALLY_MSG_VOTE};
    struct tally_slice bytes = {d->set_bytes, d->set_len};

    TALLY_SHA256_OF(m.digest, bytes);
    d->set_here = false;
    enum tally_status s = judge_set(d, m.digest, &m);
    if (s == TALLY_E_IO) {
        tally_desk_fatal(d, "the vote cannot be kept", tally_why_text());
    } else if (s != TALLY_OK) {
        (void)tally_line_refuse(d, "set_refused", m.digest);
    } else {
        tally_work_cancel(d);
        TALLY_LOG(TALLY_LOG_INFO, "vote", tally_log_u64("round", d->memory.member.round),
                  tally_log_hex("set", m.digest, 8));
        if (tally_line_send(d, &m)) tally_line_status(d, TALLY_PHASE_VOTING, 0, 0);
    }
}

/* ---- the end of a job ---- */

static void finish_job(struct tally_desk *d)
{
    char path[TALLY_DESK_PATH_MAX];

    tally_model_path(d, d->announced_digest, path);
    if (!tally_file_exists(path)) {
        tally_download_begin(d, TALLY_OBJECT_MODEL, d->announced_digest);
        return;
    }
    if (!d->memory.done) {
        if (tally_memory_save(&d->memory, &d->memory.member, true) != TALLY_OK) {
            tally_desk_fatal(d, "the job's end cannot be kept", tally_why_text());
            return;
        }
        (void)!tally_memory_forget(&d->memory, UINT64_MAX);
        TALLY_LOG(TALLY_LOG_INFO, "job_done", tally_log_str("job", d->job.name),
                  tally_log_str("model", path));
    }
    tally_desk_end(d, d->until_done ? TALLY_OUTCOME_DONE : TALLY_OUTCOME_AGAIN);
}

void tally_rounds_advance(struct tally_desk *d)
{
    if (!d->line.greeted || !d->has_job || d->outcome != TALLY_OUTCOME_NONE) return;
    if (!tally_lineages_caught_up(d)) return;
    if (d->announced && d->announced_done) {
        finish_job(d);
        return;
    }
    if (d->open_here && !take_open(d)) return;
    if (!d->current || d->outcome != TALLY_OUTCOME_NONE) return;
    if (d->set_here) {
        /* an update whose ack was lost on the way is known again before the set is judged */
        if (!d->update.here && d->memory.member.has_statement) (void)!recall(d);
        vote(d);
        if (d->update.here && d->memory.member.acked && d->line.greeted) tally_upload_start(d);
        return;
    }
    answer_round(d);
}

/* ---- what the aggregator says ---- */

static void opened(struct tally_desk *d, const struct tally_message *m)
{
    if (m->body.len != TALLY_OPENING_BYTES ||
        tally_opening_verify(d->line.peer.kb.attested_key, m->body, m->signature) != TALLY_OK ||
        tally_opening_decode(m->body, &d->opening) != TALLY_OK) {
        tally_line_end(d, tally_why_text());
        return;
    }
    memcpy(d->opening_bytes, m->body.at, TALLY_OPENING_BYTES);
    memcpy(d->opening_sig, m->signature, sizeof d->opening_sig);
    d->open_here = true;
    d->current = d->set_here = false;
}

static void frozen(struct tally_desk *d, const struct tally_message *m)
{
    static const char label[] = "tally/frozen/v1";
    uint8_t digest[32];

    TALLY_SHA256_OF(digest, m->body);
    if (m->body.len > sizeof d->set_bytes ||
        tally_sign_verify(d->line.peer.kb.attested_key,
                          TALLY_SLICES(TALLY_SLICE(label), TALLY_SLICE(digest)), 2,
                          m->signature) != TALLY_OK) {
        tally_line_end(d, "a set that the aggregator did not sign");
        return;
    }
    memcpy(d->set_bytes, m->body.at, m->body.len);
    d->set_len = m->body.len;
    d->set_here = true;
}

static void refused(struct tally_desk *d, const struct tally_message *m)
{
    char reason[TALLY_REASON_NAME_MAX + 1], text[TALLY_MSG_TEXT_MAX + 1];

    (void)snprintf(reason, sizeof reason, "%.*s", (int)m->reason.len, (const char *)m->reason.at);
    (void)snprintf(text, sizeof text, "%.*s", (int)m->text.len, (const char *)m->text.at);
    TALLY_LOG(TALLY_LOG_ERROR, "refused", tally_log_str("reason", reason),
              tally_log_str("why", text), tally_log_hex("digest", m->digest, 8));
    if (d->download.live && memcmp(m->digest, d->download.digest, 32) == 0)
        tally_line_end(d, "the aggregator has not got what it announced");
    if (d->upload.live && memcmp(m->digest, d->update.st_digest, 32) == 0) tally_upload_refused(d);
}

void tally_rounds_message(struct tally_desk *d, const struct tally_message *m)
{
    if (!d->has_job && m->type != TALLY_MSG_REFUSED) {
        tally_line_end(d, "a round in a session without a job");
        return;
    }
    switch ((int)m->type) {
    case TALLY_MSG_OPEN: opened(d, m); break;
    case TALLY_MSG_SET: frozen(d, m); break;
    case TALLY_MSG_REFUSED: refused(d, m); break;
    default:
        d->announced = true;
        d->announced_done = m->done;
        d->announced_round = m->round;
        memcpy(d->announced_digest, m->digest, 32);
        break;
    }
    if (d->line.greeted) tally_rounds_advance(d);
}
