/* store_update.c - see store.h: updates, votes and refusals of a round. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "aggregator/store_sql.h"

/* ---- updates ---- */

#define UPDATE_COLUMNS                                                                 \
    "job, round, org, node, st_digest, ev_digest, seal_digest, head, key_block,"       \
    " appraised_ms, wrap, wrap_key_id, ack, ack_key_id, path, sealed_bytes, examples," \
    " accepted_ms"

struct add {
    const struct tally_store_update *update;
    struct tally_store_ack ack;
};

static enum tally_status sealed_file_is_there(const struct tally_store *s,
                                              const struct tally_store_update *u)
{
    struct stat st;

    TALLY_TRY(tally_store_path_check(u->path));
    TALLY_ENSURE(fstatat(s->dir_fd, u->path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                     S_ISREG(st.st_mode) && (uint64_t)st.st_size == u->sealed_bytes,
                 TALLY_E_STATE, "%s is not there with %llu bytes", u->path,
                 (unsigned long long)u->sealed_bytes);
    return TALLY_OK;
}

/* Sets ack->already where that very statement is there. */
static enum tally_status find_same(struct tally_store *s, struct add *a)
{
    TALLY_QUERY(q, s,
                "SELECT st_digest, ack, ack_key_id FROM updates"
                " WHERE job = ? AND round = ? AND org = ? AND node = ?");
    uint8_t st_digest[32];
    bool row = false;

    tally_query_key(&q, &a->update->key);
    TALLY_TRY(tally_query_step(&q, &row));
    if (!row) return TALLY_OK;
    tally_column_fixed(&q, 0, st_digest, sizeof st_digest);
    TALLY_REFUSE_UNLESS(memcmp(st_digest, a->update->st_digest, sizeof st_digest) == 0,
                        TALLY_R_UPDATE_CONFLICT, "%s/%s sent another update before",
                        a->update->key.org, a->update->key.node);
    a->ack.already = true;
    tally_column_fixed(&q, 1, a->ack.ack, sizeof a->ack.ack);
    tally_column_fixed(&q, 2, a->ack.ack_key_id, sizeof a->ack.ack_key_id);
    return TALLY_OK;
}

static enum tally_status round_takes_updates(struct tally_store *s,
                                             const struct tally_store_key *key)
{
    TALLY_QUERY(q, s, "SELECT set_digest IS NULL FROM rounds WHERE job = ? AND round = ?");
    bool row = false;

    tally_query_digest(&q, key->job);
    tally_query_u64(&q, key->round);
    TALLY_TRY(tally_query_step(&q, &row));
    TALLY_ENSURE(row && tally_column_u64(&q, 0), TALLY_E_STATE,
                 "round %llu is not there or has its set", (unsigned long long)key->round);
    return TALLY_OK;
}

static enum tally_status insert_update(struct tally_store *s, const struct tally_store_update *u)
{
    TALLY_QUERY(q, s,
                "INSERT INTO updates (" UPDATE_COLUMNS
                ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

    tally_query_key(&q, &u->key);
    tally_query_digest(&q, u->st_digest);
    tally_query_digest(&q, u->ev_digest);
    tally_query_digest(&q, u->seal_digest);
    tally_query_blob(&q, u->head);
    tally_query_blob(&q, u->key_block);
    tally_query_u64(&q, u->appraised_ms);
    tally_query_blob(&q, u->wrap);
    tally_query_digest(&q, u->wrap_key_id);
    tally_query_blob(&q, tally_slice_of(u->ack, sizeof u->ack));
    tally_query_digest(&q, u->ack_key_id);
    tally_query_text(&q, u->path, TALLY_STORE_PATH_MAX);
    tally_query_u64(&q, u->sealed_bytes);
    tally_query_u64(&q, u->examples);
    tally_query_u64(&q, u->accepted_ms);
    return tally_query_do(&q);
}

static enum tally_status add(struct tally_store *s, void *arg)
{
    struct add *a = arg;

    TALLY_TRY(find_same(s, a));
    if (a->ack.already) return TALLY_OK;
    TALLY_TRY(round_takes_updates(s, &a->update->key));
    TALLY_TRY(sealed_file_is_there(s, a->update));
    TALLY_TRY(insert_update(s, a->update));
    memcpy(a->ack.ack, a->update->ack, sizeof a->ack.ack);
    memcpy(a->ack.ack_key_id, a->update->ack_key_id, sizeof a->ack.ack_key_id);
    return TALLY_OK;
}

enum tally_status tally_store_update_add(struct tally_store *store,
                                         const struct tally_store_update *update,
                                         struct tally_store_ack *ack)
{
    struct add a = {.update = update};

    TALLY_TRY(tally_store_atomic(store, add, &a));
    *ack = a.ack;
    return TALLY_OK;
}

struct rewrap {
    const struct tally_store_key *key;
    const uint8_t *st_digest, *wrap_key_id;
    struct tally_slice wrap;
};

static enum tally_status rewrap(struct tally_store *s, void *arg)
{
    const struct rewrap *r = arg;
    TALLY_QUERY(q, s,
                "UPDATE updates SET wrap = ?6, wrap_key_id = ?7 WHERE job = ?1 AND round = ?2"
                " AND org = ?3 AND node = ?4 AND st_digest = ?5");

    tally_query_key(&q, r->key);
    tally_query_digest(&q, r->st_digest);
    tally_query_blob(&q, r->wrap);
    tally_query_digest(&q, r->wrap_key_id);
    TALLY_TRY(tally_query_do(&q));
    TALLY_ENSURE(sqlite3_changes(s->db) == 1, TALLY_E_STATE, "there is no such update");
    return TALLY_OK;
}

enum tally_status tally_store_update_wrap(struct tally_store *store,
                                          const struct tally_store_key *key,
                                          const uint8_t st_digest[32], struct tally_slice wrap,
                                          const uint8_t wrap_key_id[32])
{
    struct rewrap r = {
        .key = key, .st_digest = st_digest, .wrap_key_id = wrap_key_id, .wrap = wrap};

    return tally_store_atomic(store, rewrap, &r);
}

static void read_key(const struct tally_query *q, struct tally_store_key *key)
{
    tally_column_fixed(q, 0, key->job, sizeof key->job);
    key->round = tally_column_u64(q, 1);
    key->org = tally_column_text(q, 2);
    key->node = tally_column_text(q, 3);
}

struct visit_update {
    enum tally_status (*fn)(void *ctx, const struct tally_store_update *);
    void *ctx;
};

static enum tally_status visit_update(struct tally_query *q, void *arg)
{
    const struct visit_update *v = arg;
    struct tally_store_update u = {
        .head = tally_column_blob(q, 7),
        .key_block = tally_column_blob(q, 8),
        .appraised_ms = tally_column_u64(q, 9),
        .wrap = tally_column_blob(q, 10),
        .path = tally_column_text(q, 14),
        .sealed_bytes = tally_column_u64(q, 15),
        .examples = (uint32_t)tally_column_u64(q, 16),
        .accepted_ms = tally_column_u64(q, 17),
    };

    read_key(q, &u.key);
    tally_column_fixed(q, 4, u.st_digest, sizeof u.st_digest);
    tally_column_fixed(q, 5, u.ev_digest, sizeof u.ev_digest);
    tally_column_fixed(q, 6, u.seal_digest, sizeof u.seal_digest);
    tally_column_fixed(q, 11, u.wrap_key_id, sizeof u.wrap_key_id);
    tally_column_fixed(q, 12, u.ack, sizeof u.ack);
    tally_column_fixed(q, 13, u.ack_key_id, sizeof u.ack_key_id);
    return v->fn(v->ctx, &u);
}

enum tally_status
tally_store_updates(struct tally_store *store, const uint8_t job[32], uint64_t round,
                    enum tally_status (*fn)(void *ctx, const struct tally_store_update *),
                    void *ctx)
{
    TALLY_QUERY(q, store,
                "SELECT " UPDATE_COLUMNS " FROM updates WHERE job = ? AND round = ?"
                " ORDER BY org, node");
    struct visit_update v = {fn, ctx};

    tally_query_digest(&q, job);
    tally_query_u64(&q, round);
    return tally_query_each(&q, visit_update, &v);
}

enum tally_status
tally_store_update(struct tally_store *store, const struct tally_store_key *key,
                   enum tally_status (*fn)(void *ctx, const struct tally_store_update *), void *ctx)
{
    TALLY_QUERY(q, store,
                "SELECT " UPDATE_COLUMNS " FROM updates"
                " WHERE job = ? AND round = ? AND org = ? AND node = ?");
    struct visit_update v = {fn, ctx};

    tally_query_key(&q, key);
    return tally_query_each(&q, visit_update, &v);
}

/* ---- votes ---- */

static enum tally_status had_voted(struct tally_store *s, const struct tally_store_vote *v,
                                   bool *already)
{
    TALLY_QUERY(q, s,
                "SELECT set_digest FROM votes"
                " WHERE job = ? AND round = ? AND org = ? AND node = ?");
    uint8_t before[32];

    tally_query_key(&q, &v->key);
    TALLY_TRY(tally_query_step(&q, already));
    if (!*already) return TALLY_OK;
    tally_column_fixed(&q, 0, before, sizeof before);
    TALLY_REFUSE_UNLESS(memcmp(before, v->set_digest, sizeof before) == 0, TALLY_R_SET_CONFLICT,
                        "%s/%s voted for another set before", v->key.org, v->key.node);
    return TALLY_OK;
}

static enum tally_status is_the_set(struct tally_store *s, const struct tally_store_vote *v)
{
    TALLY_QUERY(q, s, "SELECT set_digest IS ?3 FROM rounds WHERE job = ?1 AND round = ?2");
    bool row = false;

    tally_query_digest(&q, v->key.job);
    tally_query_u64(&q, v->key.round);
    tally_query_digest(&q, v->set_digest);
    TALLY_TRY(tally_query_step(&q, &row));
    TALLY_ENSURE(row && tally_column_u64(&q, 0), TALLY_E_STATE, "that is not the round's set");
    return TALLY_OK;
}

static enum tally_status vote(struct tally_store *s, void *arg)
{
    const struct tally_store_vote *v = arg;
    bool already = false;

    TALLY_TRY(had_voted(s, v, &already));
    if (already) return TALLY_OK;
    TALLY_TRY(is_the_set(s, v));
    TALLY_QUERY(q, s, "INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    tally_query_key(&q, &v->key);
    tally_query_digest(&q, v->set_digest);
    tally_query_blob(&q, tally_slice_of(v->signature, sizeof v->signature));
    tally_query_blob(&q, v->key_block);
    tally_query_blob(&q, v->ev);
    tally_query_u64(&q, v->at_ms);
    return tally_query_do(&q);
}

enum tally_status tally_store_vote_add(struct tally_store *store,
                                       const struct tally_store_vote *new_vote)
{
    struct tally_store_vote v = *new_vote;

    return tally_store_atomic(store, vote, &v);
}

struct visit_vote {
    enum tally_status (*fn)(void *ctx, const struct tally_store_vote *);
    void *ctx;
};

static enum tally_status visit_vote(struct tally_query *q, void *arg)
{
    const struct visit_vote *visit = arg;
    struct tally_store_vote v = {.key_block = tally_column_blob(q, 6),
                                 .ev = tally_column_blob(q, 7),
                                 .at_ms = tally_column_u64(q, 8)};

    read_key(q, &v.key);
    tally_column_fixed(q, 4, v.set_digest, sizeof v.set_digest);
    tally_column_fixed(q, 5, v.signature, sizeof v.signature);
    return visit->fn(visit->ctx, &v);
}

enum tally_status
tally_store_votes(struct tally_store *store, const uint8_t job[32], uint64_t round,
                  enum tally_status (*fn)(void *ctx, const struct tally_store_vote *), void *ctx)
{
    TALLY_QUERY(q, store,
                "SELECT job, round, org, node, set_digest, signature, key_block, ev, at_ms"
                " FROM votes WHERE job = ? AND round = ? ORDER BY org, node");
    struct visit_vote v = {fn, ctx};

    tally_query_digest(&q, job);
    tally_query_u64(&q, round);
    return tally_query_each(&q, visit_vote, &v);
}

/* ---- refusals ---- */

enum tally_status tally_store_refusal_put(struct tally_store *store,
                                          const struct tally_store_refusal *refusal)
{
    TALLY_QUERY(q, store,
                "INSERT INTO refusals VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " reason = excluded.reason, why = excluded.why, at_ms = excluded.at_ms");

    tally_query_key(&q, &refusal->key);
    tally_query_text(&q, tally_reason_name(refusal->reason), TALLY_REASON_NAME_MAX);
    tally_query_text(&q, refusal->why ? refusal->why : "", TALLY_STORE_WHY_MAX);
    tally_query_u64(&q, refusal->at_ms);
    return tally_query_write(&q);
}

struct visit_refusal {
    enum tally_status (*fn)(void *ctx, const struct tally_store_refusal *);
    void *ctx;
};

static enum tally_status visit_refusal(struct tally_query *q, void *arg)
{
    const struct visit_refusal *v = arg;
    struct tally_store_refusal r = {.reason = tally_reason_named(tally_column_text(q, 4)),
                                    .why = tally_column_text(q, 5),
                                    .at_ms = tally_column_u64(q, 6)};

    read_key(q, &r.key);
    return v->fn(v->ctx, &r);
}

enum tally_status
tally_store_refusals(struct tally_store *store, const uint8_t job[32], uint64_t round,
                     enum tally_status (*fn)(void *ctx, const struct tally_store_refusal *),
                     void *ctx)
{
    TALLY_QUERY(q, store,
                "SELECT job, round, org, node, reason, why, at_ms FROM refusals"
                " WHERE job = ? AND round = ? ORDER BY org, node");
    struct visit_refusal v = {fn, ctx};

    tally_query_digest(&q, job);
    tally_query_u64(&q, round);
    return tally_query_each(&q, visit_refusal, &v);
}
