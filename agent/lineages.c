/* lineages.c - from the newest version we verified to the newest one announced (desk.h): lineages
 * are fetched backwards along their parents, then judged and remembered oldest first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/desk.h"
#include "agent/versions.h"
#include "common/file.h"
#include "common/log.h"

/* Lineage objects are kept beside the models: an auditor finds the evidence there. */
static void object_path(const struct tally_desk *d, const uint8_t digest[32], char *out)
{
    char hex[65];

    tally_hex(tally_slice_of(digest, 32), hex);
    (void)snprintf(out, TALLY_DESK_PATH_MAX, "%s/models/%s.lineage", d->conf->state_dir, hex);
}

/* A job has at most the versions of its rounds, of round 0 and of the last evaluation. */
static uint32_t chain_max(const struct tally_desk *d)
{
    return d->job.rounds + 2;
}

bool tally_lineages_caught_up(struct tally_desk *d)
{
    const struct tally_member *m = &d->memory.member;

    if (!d->announced || (m->has_version && memcmp(m->version, d->announced_digest, 32) == 0))
        return true;
    if (d->download.live) return false;
    d->chain_n = 0;
    if (d->chain == NULL) d->chain = calloc(chain_max(d), 32);
    if (d->chain == NULL)
        tally_desk_fatal(d, "lineages", "out of memory");
    else
        tally_download_begin(d, TALLY_OBJECT_LINEAGE, d->announced_digest);
    return false;
}

/* One version, verified on its own, against what we remember. */
static enum tally_status accept(struct tally_desk *d, const uint8_t digest[32])
{
    struct tally_lineage_question q = {
        .by = {tally_peer_appraise, NULL},
        .federation = d->federation,
        .revoked = d->revoked,
        .job = &d->job,
        .key_block = tally_peer_key_block(&d->line.peer),
        .now_s = tally_desk_now_ms(d) / 1000,
        .model = digest
    };
    struct tally_member next = d->memory.member;
    struct tally_lineage l = {0};
    char path[TALLY_DESK_PATH_MAX];
    uint8_t *object;
    size_t len;

    object_path(d, digest, path);
    TALLY_TRY(tally_file_read(path, TALLY_LINEAGE_OBJECT_MAX, &object, &len));
    enum tally_status s = tally_lineage_judge(&q, tally_slice_of(object, len), &l);
    free(object);
    if (s == TALLY_OK) s = tally_member_version(&next, &l);
    uint64_t round = l.round;
    tally_lineage_free(&l);
    TALLY_TRY(s);
    TALLY_TRY(tally_memory_save(&d->memory, &next, d->memory.done));
    TALLY_LOG(TALLY_LOG_INFO, "version", tally_log_u64("round", round),
              tally_log_hex("digest", digest, 32));
    return TALLY_OK;
}

/* Oldest first; a refusal is said to the aggregator and ends the session. */
static void accept_chain(struct tally_desk *d)
{
    while (d->chain_n > 0) {
        uint8_t digest[32];
        memcpy(digest, d->chain[--d->chain_n], 32);
        enum tally_status s = accept(d, digest);
        if (s == TALLY_OK) continue;
        if (s == TALLY_E_IO) {
            tally_desk_fatal(d, "a version cannot be remembered", tally_why_text());
            return;
        }
        if (tally_line_refuse(d, "version_refused", digest))
            tally_line_end(d, "a version was refused");
        return;
    }
    tally_rounds_advance(d);
}

void tally_lineages_take(struct tally_desk *d, const uint8_t digest[32], struct tally_slice object)
{
    const struct tally_member *m = &d->memory.member;
    struct tally_lineage_object parts;
    struct tally_lineage l = {0};
    char path[TALLY_DESK_PATH_MAX];
    uint8_t parent[32];

    enum tally_status s = tally_lineage_object_decode(object, &parts);
    if (s == TALLY_OK) s = tally_lineage_claimed(&parts, d->federation->mode, &l);
    if (s == TALLY_OK &&
        (d->chain_n == chain_max(d) || (d->chain_n > 0 && l.round >= d->chain_round)))
        s = TALLY_REFUSE(TALLY_R_E_UPDATE, "more versions than the job can have, or in a circle");
    if (s != TALLY_OK) {
        tally_lineage_free(&l);
        tally_line_end(d, tally_why_text());
        return;
    }
    d->chain_round = l.round;
    object_path(d, digest, path);
    bool more = m->has_version && l.has_parent && memcmp(l.parent, m->version, 32) != 0 &&
                l.round > m->version_round;
    memcpy(parent, l.parent, 32);
    tally_lineage_free(&l);
    if (tally_file_write(path, object, TALLY_FILE_MODE_PUBLIC) != TALLY_OK) {
        tally_desk_fatal(d, "a lineage cannot be kept", tally_why_text());
        return;
    }
    memcpy(d->chain[d->chain_n++], digest, 32);
    if (more)
        tally_download_begin(d, TALLY_OBJECT_LINEAGE, parent);
    else
        accept_chain(d);
}

/* What the kept lineage of this version says; false where that is not here. */
static bool kept(const struct tally_desk *d, const uint8_t digest[32], struct tally_lineage *l)
{
    struct tally_lineage_object parts;
    char path[TALLY_DESK_PATH_MAX];
    uint8_t *object = NULL;
    size_t len = 0;

    object_path(d, digest, path);
    bool has = tally_file_exists(path) &&
               tally_file_read(path, TALLY_LINEAGE_OBJECT_MAX, &object, &len) == TALLY_OK &&
               tally_lineage_object_decode(tally_slice_of(object, len), &parts) == TALLY_OK &&
               tally_lineage_claimed(&parts, d->federation->mode, l) == TALLY_OK;
    free(object);
    return has;
}

bool tally_lineages_foreign(const struct tally_desk *d, const uint8_t digest[32])
{
    struct tally_lineage l = {0};
    bool foreign = kept(d, digest, &l) && memcmp(l.job, d->job.digest, 32) != 0;

    tally_lineage_free(&l);
    return foreign;
}

/* The version before this one. */
static bool parent_of(const struct tally_desk *d, const uint8_t digest[32], uint8_t parent[32])
{
    struct tally_lineage l = {0};
    bool has = kept(d, digest, &l) && l.has_parent;

    if (has) memcpy(parent, l.parent, 32);
    tally_lineage_free(&l);
    return has;
}

void tally_lineages_prune(const struct tally_desk *d)
{
    uint8_t digest[32];
    char path[TALLY_DESK_PATH_MAX];

    memcpy(digest, d->memory.member.version, 32);
    for (int back = 1; back <= TALLY_MODELS_BACK_MAX && parent_of(d, digest, digest); back++) {
        if (back == 1) continue;
        tally_model_path(d, digest, path);
        (void)unlink(path); /* what stays costs room, nothing else */
        (void)snprintf(path + strlen(path), sizeof path - strlen(path), ".part");
        (void)unlink(path);
    }
}
