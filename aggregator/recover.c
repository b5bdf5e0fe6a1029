/* recover.c - after a start: what the store has, verified again before it counts (DESIGN.md,
 * Restart). SQLite only says where to look; documents count by their signatures, updates by
 * statement, signature and evidence, our own records by the key of the instance that signed them
 * and the evidence kept for it. Reading belongs to the store actor, before the loop knows the
 * course. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/hub.h"
#include "aggregator/sealed.h"
#include "common/attest/evidence.h"
#include "common/attest/snp_report.h"
#include "common/file.h"
#include "common/log.h"
#include "common/sealtree.h"
#include "kernels/version.h"

/* ---- whose record it is ---- */

struct signer {
    struct tally_hub *hub;
    bool found;
    uint8_t attested[TALLY_SIGN_PUBLIC_BYTES];
};

/* Evidence kept from an instance's start: genuine, of an allowed program on our machine, and over
 * that key block. */
static enum tally_status check_instance(struct tally_hub *h, const struct tally_store_instance *i,
                                        struct tally_key_block *kb)
{
    struct tally_verdict *v = calloc(1, sizeof *v);
    struct tally_peer_question q = {
        .by = {tally_peer_appraise, NULL},
        .federation = h->federation,
        .entry = h->self,
        .revoked = h->documents,
        .now_s = i->created_ms / 1000
    };

    TALLY_ENSURE(v != NULL, TALLY_E_NOMEM, "verdict");
    enum tally_status s = tally_key_block_decode(i->key_block, kb);
    if (s == TALLY_OK) s = tally_own_expected(i->key_block, i->ev, q.report_data, q.gpu_nonce);
    if (s == TALLY_OK) s = tally_peer_judge(&q, i->ev, i->endorsements, v);
    free(v);
    return s;
}

static enum tally_status take_signer(void *ctx, const struct tally_store_instance *i)
{
    struct signer *out = ctx;
    struct tally_key_block kb;
    const struct tally_node *self = out->hub->self;

    TALLY_TRY(check_instance(out->hub, i, &kb));
    TALLY_ENSURE(strcmp(kb.org, self->org) == 0 && strcmp(kb.node, self->node) == 0 &&
                     memcmp(kb.federation_id, out->hub->federation->id, 32) == 0,
                 TALLY_E_STATE, "an instance of another node");
    memcpy(out->attested, kb.attested_key, sizeof out->attested);
    out->found = true;
    return TALLY_OK;
}

/* The attested key of one of our instances, past or present. */
static enum tally_status signer_of(struct tally_hub *h, const uint8_t key_id[32],
                                   uint8_t attested[TALLY_SIGN_PUBLIC_BYTES])
{
    struct signer s = {.hub = h};

    if (memcmp(key_id, h->key_id, 32) == 0) {
        memcpy(attested, tally_sign_public(&tally_hub_instance(h)->attested), 32);
        return TALLY_OK;
    }
    TALLY_TRY(tally_store_instances(h->store, key_id, take_signer, &s));
    TALLY_ENSURE(s.found, TALLY_E_STATE, "a record is signed by an instance that was never ours");
    memcpy(attested, s.attested, 32);
    return TALLY_OK;
}

/* ---- updates ---- */

static enum tally_status check_update(struct tally_course *c, const struct tally_store_update *u,
                                      const struct tally_node *node, struct tally_accepted *a)
{
    struct tally_upload_head head;
    struct tally_statement st;
    struct tally_key_block kb;
    struct tally_verdict *v;
    struct tally_peer_question q = {
        .by = {tally_peer_appraise, NULL},
        .federation = c->hub->federation,
        .entry = node,
        .revoked = c->hub->documents,
        .now_s = u->appraised_ms / 1000
    };
    uint8_t digest[32];

    TALLY_TRY(tally_upload_head_decode(u->head, &head));
    TALLY_TRY(tally_statement_decode(head.st, &st));
    TALLY_SHA256_OF(digest, head.st);
    TALLY_REFUSE_UNLESS(memcmp(digest, u->st_digest, 32) == 0 && st.examples == u->examples &&
                            u->wrap.len == TALLY_WRAP_BYTES,
                        TALLY_R_E_UPDATE, "its row is not its statement's");
    TALLY_TRY(tally_statement_check(&st, &c->opening, node->org, node->node));
    TALLY_TRY(tally_key_block_decode(u->key_block, &kb));
    TALLY_REFUSE_UNLESS(strcmp(kb.org, node->org) == 0 && strcmp(kb.node, node->node) == 0,
                        TALLY_R_E_IDENTITY, "its key block is another node's");
    TALLY_TRY(tally_update_verify(kb.attested_key, head.st, head.ev, head.sig));
    v = calloc(1, sizeof *v);
    TALLY_ENSURE(v != NULL, TALLY_E_NOMEM, "verdict");
    const struct tally_update_quote quote = {head.st, u->key_block, head.ev, st.challenge};
    enum tally_status s = tally_update_expected(&quote, q.report_data, q.gpu_nonce);
    if (s == TALLY_OK) s = tally_peer_judge(&q, head.ev, head.endorsements, v);
    free(v);
    TALLY_TRY(s);
    TALLY_ENSURE(head.st.len <= sizeof a->st && strlen(u->path) < sizeof a->path, TALLY_E_STATE,
                 "its row is too long");
    a->st_len = head.st.len;
    memcpy(a->st, head.st.at, head.st.len);
    memcpy(a->seal, st.seal_digest, 32);
    TALLY_SHA256_OF(a->ev_digest, head.ev);
    memcpy(a->wrap, u->wrap.at, TALLY_WRAP_BYTES);
    (void)snprintf(a->path, sizeof a->path, "%s", u->path);
    return TALLY_OK;
}

/* The sealed file is, byte for byte, the one whose digest the statement states. */
static enum tally_status check_file(const struct tally_course *c, const struct tally_accepted *a)
{
    char path[2 * TALLY_HUB_PATH_MAX];
    uint8_t sh_bytes[TALLY_PAYLOAD_HEADER_BYTES_MAX], digest[32];
    struct tally_wr w = tally_wr_to(sh_bytes, sizeof sh_bytes);
    struct tally_payload_header h;
    struct tally_statement st;
    struct tally_slice sh, file;

    TALLY_TRY(tally_statement_decode(tally_slice_of(a->st, a->st_len), &st));
    tally_statement_header(&st, &h);
    TALLY_TRY(tally_payload_header_encode(&h, &w, &sh));
    (void)snprintf(path, sizeof path, "%s/%s", c->hub->dir, a->path);
    TALLY_TRY(tally_file_map(path, SIZE_MAX, &file));
    tally_sealtree_digest(sh, file, digest);
    tally_file_unmap(&file);
    TALLY_REFUSE_UNLESS(memcmp(digest, a->seal, 32) == 0, TALLY_R_E_UPDATE,
                        "%s is not the file it was", path);
    return TALLY_OK;
}

static uint32_t site_named(const struct tally_course *c, const char *org, const char *node)
{
    uint32_t i = 0;

    while (i < c->sites_n && (strcmp(c->guests[i]->node->org, org) != 0 ||
                              strcmp(c->guests[i]->node->node, node) != 0))
        i++;
    return i;
}

/* Whose key a wrap is for, only the wrap itself can tell. One that says ours and does not open is
 * left: combining says so. */
static bool wrap_lost(const struct tally_course *c, const struct tally_store_update *u,
                      const struct tally_accepted *a)
{
    TALLY_CLEANUP(tally_secret_free) struct tally_secret key = {0};

    return memcmp(u->wrap_key_id, c->hub->key_id, 32) != 0 &&
           tally_sealed_key(tally_hub_instance(c->hub)->kem_secret, c->hub->key_id, a->wrap,
                            a->seal, &key) != TALLY_OK;
}

static enum tally_status take_update(void *ctx, const struct tally_store_update *u)
{
    struct tally_course *c = ctx;
    uint32_t site = site_named(c, u->key.org, u->key.node);

    if (site == c->sites_n) return TALLY_OK;
    struct tally_accepted *a = &c->accepted[site];
    enum tally_status s = check_update(c, u, c->guests[site]->node, a);
    if (s == TALLY_OK) s = check_file(c, a);
    if (s != TALLY_OK) { /* it does not count; who sent it will send the same bytes again */
        TALLY_LOG_WHY(TALLY_LOG_ERROR, "kept_update_refused", s, tally_log_str("org", u->key.org),
                      tally_log_str("node", u->key.node), tally_log_u64("round", u->key.round));
        return TALLY_OK;
    }
    struct tally_round_site *row = &c->round.sites[site];
    row->status = TALLY_SITE_ACCEPTED;
    row->examples = u->examples;
    memcpy(row->statement, u->st_digest, 32);
    row->wrap_lost = wrap_lost(c, u, a);
    return TALLY_OK;
}

/* ---- set and votes ---- */

/* It may have been frozen by any instance of ours: the round's opening is signed again by each
 * later one, the set never is. */
struct set_signer {
    struct signer of;
    const struct tally_course *course;
};

static enum tally_status try_set_signer(void *ctx, const struct tally_store_instance *i)
{
    static const char label[] = "tally/frozen/v1";
    struct set_signer *s = ctx;
    struct signer one = {.hub = s->of.hub};

    if (s->of.found || take_signer(&one, i) != TALLY_OK) return TALLY_OK;
    s->of.found =
        tally_sign_verify(one.attested,
                          TALLY_SLICES(TALLY_SLICE(label), TALLY_SLICE(s->course->set_digest)), 2,
                          s->course->set_sig) == TALLY_OK;
    return TALLY_OK;
}

/* The kept set, as it was signed; its rows against the updates that still verify. */
static enum tally_status take_set(struct tally_course *c, const struct tally_store_round *r)
{
    TALLY_ENSURE(r->set.len > 64 && r->set.len - 64 <= sizeof c->set_bytes, TALLY_E_STATE,
                 "the kept set has no size of ours");
    c->set_len = r->set.len - 64;
    memcpy(c->set_bytes, r->set.at, c->set_len);
    memcpy(c->set_sig, r->set.at + c->set_len, 64);
    struct tally_slice bytes = {c->set_bytes, c->set_len};
    TALLY_SHA256_OF(c->set_digest, bytes);
    struct set_signer signer = {.of = {.hub = c->hub}, .course = c};
    TALLY_TRY(tally_store_instances(c->hub->store, NULL, try_set_signer, &signer));
    TALLY_ENSURE(signer.of.found, TALLY_E_STATE, "the kept set of round %llu is not ours",
                 (unsigned long long)r->round);
    TALLY_TRY(tally_set_decode(bytes, &c->set));
    c->round.abort = !c->set.combine;
    TALLY_ENSURE(!c->set.combine || c->set.rows_n == c->sites_n, TALLY_E_STATE,
                 "the kept set is over other nodes than the federation lists now");
    for (uint32_t i = 0; c->set.combine && i < c->sites_n; i++) {
        struct tally_round_site *site = &c->round.sites[i];
        const struct tally_set_row *row =
            tally_set_find(&c->set, c->guests[i]->node->org, c->guests[i]->node->node);
        TALLY_ENSURE(row == &c->set.rows[i], TALLY_E_STATE, "the kept set lacks a node");
        if (row->status == TALLY_ROW_COUNTED) {
            TALLY_ENSURE(site->status == TALLY_SITE_ACCEPTED &&
                             memcmp(site->statement, row->statement, 32) == 0,
                         TALLY_E_STATE,
                         "the voted update of %s/%s is not on this disk any more, or does not "
                         "verify: the job ends at its last version",
                         row->org, row->node);
        } else {
            bool excluded = row->status == TALLY_ROW_EXCLUDED;
            site->status = excluded ? TALLY_SITE_REFUSED : TALLY_SITE_WAITING;
            site->reason = row->reason;
        }
    }
    return tally_course_sign_set(&tally_hub_instance(c->hub)->attested, c->set_digest, c->set_sig);
}

static enum tally_status take_vote(void *ctx, const struct tally_store_vote *v)
{
    struct tally_course *c = ctx;
    uint32_t site = site_named(c, v->key.org, v->key.node);
    struct tally_key_block kb;

    if (site == c->sites_n || memcmp(v->set_digest, c->set_digest, 32) != 0) return TALLY_OK;
    struct tally_ballot *b = &c->ballots[site];
    if (tally_key_block_decode(v->key_block, &kb) != TALLY_OK || v->ev.len != 32 ||
        strcmp(kb.org, v->key.org) != 0 || strcmp(kb.node, v->key.node) != 0 ||
        memcmp(kb.federation_id, c->hub->federation->id, 32) != 0 ||
        tally_vote_verify(kb.attested_key, v->set_digest, v->signature) != TALLY_OK)
        return TALLY_OK; /* no vote; its agent is asked again */
    b->cast = true;
    b->kb_len = v->key_block.len;
    memcpy(b->kb, v->key_block.at, v->key_block.len);
    memcpy(b->ev_digest, v->ev.at, 32);
    memcpy(b->signature, v->signature, 64);
    c->round.sites[site].voted = true;
    return TALLY_OK;
}

/* ---- rounds ---- */

static enum tally_status take_open(struct tally_course *c, const struct tally_store_round *r)
{
    uint8_t attested[32], ours[16];

    TALLY_ENSURE(r->open.len == TALLY_OPENING_BYTES + 64, TALLY_E_STATE,
                 "the kept round.open has no size of ours");
    struct tally_slice bytes = {r->open.at, TALLY_OPENING_BYTES};
    TALLY_TRY(signer_of(c->hub, r->open_key_id, attested));
    TALLY_ENSURE(tally_opening_verify(attested, bytes, r->open.at + TALLY_OPENING_BYTES) ==
                     TALLY_OK,
                 TALLY_E_STATE, "the kept round.open of round %llu is not ours",
                 (unsigned long long)r->round);
    TALLY_TRY(tally_opening_decode(bytes, &c->opening));
    TALLY_ENSURE(c->opening.round == r->round && (uint8_t)c->opening.kind == r->kind &&
                     memcmp(c->opening.job, c->job.digest, 32) == 0,
                 TALLY_E_STATE, "the kept round.open is of another round or kind");
    TALLY_ENSURE(
        tally_fedstore_knows(&c->hub->documents_at, c->hub->federation, c->opening.federation),
        TALLY_E_STATE, "round %llu was opened under a federation that was never in force",
        (unsigned long long)r->round);
    memcpy(ours, tally_hub_instance(c->hub)->id, 16);
    bool moved = memcmp(c->opening.instance, ours, 16) != 0;
    memcpy(c->opening.instance, ours, 16);
    TALLY_TRY(tally_opening_encode(&c->opening, c->opening_bytes));
    TALLY_TRY(tally_opening_sign(&tally_hub_instance(c->hub)->attested,
                                 TALLY_SLICE(c->opening_bytes), c->opening_sig));
    c->reopened = moved;
    return TALLY_OK;
}

/* Our own OPEN of a round that an earlier instance opened, kept beside its. */
static enum tally_status keep_reopened(struct tally_course *c)
{
    uint8_t record[TALLY_OPENING_BYTES + 64];

    memcpy(record, c->opening_bytes, TALLY_OPENING_BYTES);
    memcpy(record + TALLY_OPENING_BYTES, c->opening_sig, 64);
    return tally_store_round_reopen(c->hub->store, c->job.digest, c->round.number,
                                    TALLY_SLICE(record), c->hub->key_id);
}

static enum tally_status take_history(struct tally_course *c, const struct tally_store_round *r)
{
    if (c->history_n == TALLY_HISTORY_MAX) return TALLY_OK;
    struct tally_set *set = calloc(1, sizeof *set);
    struct tally_history *h = &c->history[c->history_n];

    TALLY_ENSURE(set != NULL, TALLY_E_NOMEM, "history");
    h->round = r->round;
    h->kind = r->kind;
    h->aborted = r->outcome == TALLY_ROUND_ABORT;
    if (r->set.len > 64 &&
        tally_set_decode(tally_slice_of(r->set.at, r->set.len - 64), set) == TALLY_OK) {
        h->rows = calloc(set->rows_n + 1, sizeof *h->rows);
        if (h->rows != NULL) memcpy(h->rows, set->rows, set->rows_n * sizeof *h->rows);
        h->rows_n = h->rows != NULL ? set->rows_n : 0;
        h->seconds = (double)(r->set_kept_ms - r->opened_ms) / 1000.0;
        c->history_n++;
    }
    free(set);
    return TALLY_OK;
}

static enum tally_status take_round(void *ctx, const struct tally_store_round *r)
{
    struct tally_course *c = ctx;

    c->round.number = r->round;
    c->round.kind = (enum tally_payload_kind)r->kind;
    c->round.deadline_ms = r->deadline_ms;
    c->was_open = r->outcome == TALLY_ROUND_OPEN;
    if (c->was_open) {
        TALLY_TRY(take_open(c, r));
        TALLY_TRY(tally_store_updates(c->hub->store, c->job.digest, r->round, take_update, c));
        c->was_frozen = r->set.len != 0;
        if (!c->was_frozen) return TALLY_OK;
        TALLY_TRY(take_set(c, r));
        return tally_store_votes(c->hub->store, c->job.digest, r->round, take_vote, c);
    }
    if (r->outcome == TALLY_ROUND_VERSION) {
        if (r->kind == TALLY_PAYLOAD_DELTA) c->deltas_done++;
        if (r->kind == TALLY_PAYLOAD_EVALUATION) c->done = true;
    }
    TALLY_ENSURE(r->outcome != TALLY_ROUND_VERSION ||
                     (c->has_version && r->round <= c->version_round),
                 TALLY_E_STATE, "the version of round %llu is not on this disk any more",
                 (unsigned long long)r->round);
    return take_history(c, r);
}

/* The newest version: its shape and size, its file compared with its digest. */
static enum tally_status take_version(struct tally_course *c, const char *path,
                                      const uint8_t digest[32], uint64_t round)
{
    char full[2 * TALLY_HUB_PATH_MAX];
    struct tally_slice file = {0};
    struct tally_version v;
    uint8_t found[32];

    (void)snprintf(full, sizeof full, "%s/%s", c->hub->dir, path);
    TALLY_TRY(tally_file_map(full, SIZE_MAX, &file));
    TALLY_SHA256_OF(found, file);
    enum tally_status s = memcmp(found, digest, 32) == 0
                              ? tally_version_read(file, &v)
                              : TALLY_FAIL(TALLY_E_STATE, "%s is not the version it was", full);
    if (s == TALLY_OK) {
        c->model = v.model;
        c->params = v.params_n;
        c->has_version = true;
        c->version_round = round;
        c->version_bytes = file.len;
        memcpy(c->version, digest, 32);
        (void)snprintf(c->version_path, sizeof c->version_path, "%s", path);
        tally_version_free(&v);
    }
    tally_file_unmap(&file);
    return s;
}

/* The newest version: its lineage signed by one of ours, its file of that digest. */
static enum tally_status take_newest(void *ctx, const struct tally_store_version *v)
{
    struct tally_course *c = ctx;
    struct tally_dsse d = {0};
    struct tally_lineage l = {0};
    uint8_t key_id[32], attested[32];

    TALLY_TRY(tally_dsse_parse(v->lineage, TALLY_LINEAGE_BYTES_MAX, &d));
    enum tally_status s = tally_lineage_decode(tally_slice_of(d.payload, d.payload_len), &l);
    if (s == TALLY_OK) {
        tally_key_id(tally_slice_of(l.key_block, l.key_block_bytes), key_id);
        s = signer_of(c->hub, key_id, attested);
    }
    if (s == TALLY_OK && (!tally_dsse_signed_by(&d, attested) || memcmp(l.model, v->digest, 32) ||
                          memcmp(l.job, c->job.digest, 32) != 0 || l.round != v->round))
        s = TALLY_FAIL(TALLY_E_STATE, "the lineage of the newest version is not ours");
    tally_lineage_free(&l);
    tally_dsse_free(&d);
    TALLY_TRY(s);
    return take_version(c, v->path, v->digest, v->round);
}

enum tally_status tally_recover_read(struct tally_course *c)
{
    struct tally_store *store = c->hub->store;

    TALLY_TRY(tally_store_versions(store, c->job.digest, true, take_newest, c));
    TALLY_TRY(tally_store_rounds(store, c->job.digest, 0, take_round, c));
    return c->reopened ? keep_reopened(c) : TALLY_OK;
}

void tally_recover_start(struct tally_course *c)
{
    struct tally_round_effects e;
    uint64_t now_ms = tally_hub_now_ms(c->hub);

    c->opened_mono_ms = tally_loop_now_ms(c->hub->loop);
    if (c->was_open) {
        TALLY_LOG(TALLY_LOG_INFO, "round_resumed", tally_log_str("job", c->job.name),
                  tally_log_u64("round", c->round.number));
        tally_round_resume(&c->round, c->was_frozen ? TALLY_ROUND_VOTING : TALLY_ROUND_COLLECTING,
                           now_ms, &e);
        tally_course_effects(c, &e);
        return;
    }
    if (c->history_n != 0) tally_round_resume(&c->round, TALLY_ROUND_PUBLISHED, now_ms, &e);
    tally_course_start(c);
}
