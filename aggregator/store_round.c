/* store_round.c - see store.h: rounds, their OPEN and SET records and outcomes. */
#include <string.h>

#include "aggregator/store_sql.h"

#define ROUND_COLUMNS                                                     \
    "job, round, kind, state, open, open_key_id, opened_ms, deadline_ms," \
    " set_record, set_digest, set_kept_ms, outcome, outcome_digest"

struct visit {
    enum tally_status (*fn)(void *ctx, const struct tally_store_round *);
    void *ctx;
};

static enum tally_status visit(struct tally_query *q, void *arg)
{
    const struct visit *v = arg;
    struct tally_store_round r = {
        .round = tally_column_u64(q, 1),
        .kind = (uint8_t)tally_column_u64(q, 2),
        .state = (uint8_t)tally_column_u64(q, 3),
        .open = tally_column_blob(q, 4),
        .opened_ms = tally_column_u64(q, 6),
        .deadline_ms = tally_column_u64(q, 7),
        .set = tally_column_blob(q, 8),
        .set_kept_ms = tally_column_u64(q, 10),
        .outcome = (enum tally_round_outcome)tally_column_u64(q, 11),
    };

    tally_column_fixed(q, 0, r.job, sizeof r.job);
    tally_column_fixed(q, 5, r.open_key_id, sizeof r.open_key_id);
    tally_column_fixed(q, 9, r.set_digest, sizeof r.set_digest);
    tally_column_fixed(q, 12, r.outcome_digest, sizeof r.outcome_digest);
    return v->fn(v->ctx, &r);
}

enum tally_status
tally_store_rounds(struct tally_store *store, const uint8_t *job, uint64_t from,
                   enum tally_status (*fn)(void *ctx, const struct tally_store_round *), void *ctx)
{
    TALLY_QUERY(q, store,
                "SELECT " ROUND_COLUMNS
                " FROM rounds WHERE round >= ?1 AND (?2 IS NULL OR job = ?2)"
                " ORDER BY job, round");
    struct visit v = {fn, ctx};

    tally_query_u64(&q, from);
    tally_query_digest(&q, job);
    return tally_query_each(&q, visit, &v);
}

/* What decides over a change of a round. */
struct look {
    bool there, frozen;
    uint64_t outcome;
    uint8_t set_digest[32], outcome_digest[32];
    bool same_open;
};

static enum tally_status look_up(struct tally_store *s, const uint8_t job[32], uint64_t round,
                                 struct tally_slice open, struct look *found)
{
    TALLY_QUERY(q, s,
                "SELECT set_digest IS NOT NULL, outcome, set_digest, outcome_digest, open = ?3"
                " FROM rounds WHERE job = ?1 AND round = ?2");

    *found = (struct look){0};
    tally_query_digest(&q, job);
    tally_query_u64(&q, round);
    tally_query_blob(&q, open);
    TALLY_TRY(tally_query_step(&q, &found->there));
    if (!found->there) return TALLY_OK;
    found->frozen = tally_column_u64(&q, 0) != 0;
    found->outcome = tally_column_u64(&q, 1);
    tally_column_fixed(&q, 2, found->set_digest, sizeof found->set_digest);
    tally_column_fixed(&q, 3, found->outcome_digest, sizeof found->outcome_digest);
    found->same_open = tally_column_u64(&q, 4) != 0;
    return TALLY_OK;
}

static enum tally_status keep_open(struct tally_store *s, const struct tally_store_round *r)
{
    TALLY_QUERY(q, s,
                "INSERT INTO opens (job, round, key_id, record) VALUES (?, ?, ?, ?) ON CONFLICT"
                " DO UPDATE SET record = excluded.record WHERE record = excluded.record");

    tally_query_digest(&q, r->job);
    tally_query_u64(&q, r->round);
    tally_query_digest(&q, r->open_key_id);
    tally_query_blob(&q, r->open);
    TALLY_TRY(tally_query_do(&q));
    TALLY_ENSURE(sqlite3_changes(s->db) == 1, TALLY_E_STATE,
                 "that instance signed another OPEN of round %llu", (unsigned long long)r->round);
    return TALLY_OK;
}

static enum tally_status open_round(struct tally_store *s, void *arg)
{
    const struct tally_store_round *r = arg;
    struct look found;

    TALLY_TRY(look_up(s, r->job, r->round, r->open, &found));
    if (found.there && found.same_open) return TALLY_OK;
    TALLY_REFUSE_UNLESS(!found.there, TALLY_R_ROUND_REUSED, "round %llu was opened before",
                        (unsigned long long)r->round);
    TALLY_QUERY(q, s,
                "INSERT INTO rounds (job, round, kind, state, open, open_key_id, opened_ms,"
                " deadline_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    tally_query_digest(&q, r->job);
    tally_query_u64(&q, r->round);
    tally_query_u64(&q, r->kind);
    tally_query_u64(&q, r->state);
    tally_query_blob(&q, r->open);
    tally_query_digest(&q, r->open_key_id);
    tally_query_u64(&q, r->opened_ms);
    tally_query_u64(&q, r->deadline_ms);
    TALLY_TRY(tally_query_do(&q));
    return keep_open(s, r);
}

enum tally_status tally_store_round_open(struct tally_store *store,
                                         const struct tally_store_round *round)
{
    struct tally_store_round r = *round;

    return tally_store_atomic(store, open_round, &r);
}

static enum tally_status reopen(struct tally_store *s, void *arg)
{
    const struct tally_store_round *r = arg;
    struct look found;

    TALLY_TRY(look_up(s, r->job, r->round, r->open, &found));
    TALLY_ENSURE(found.there && found.outcome == TALLY_ROUND_OPEN, TALLY_E_STATE,
                 "round %llu is not open", (unsigned long long)r->round);
    if (found.same_open) return TALLY_OK;
    TALLY_TRY(keep_open(s, r));
    TALLY_QUERY(q, s,
                "UPDATE rounds SET open = ?3, open_key_id = ?4 WHERE job = ?1 AND round = ?2");
    tally_query_digest(&q, r->job);
    tally_query_u64(&q, r->round);
    tally_query_blob(&q, r->open);
    tally_query_digest(&q, r->open_key_id);
    return tally_query_do(&q);
}

enum tally_status tally_store_round_reopen(struct tally_store *store, const uint8_t job[32],
                                           uint64_t round, struct tally_slice open,
                                           const uint8_t key_id[32])
{
    struct tally_store_round r = {.round = round, .open = open};

    memcpy(r.job, job, sizeof r.job);
    memcpy(r.open_key_id, key_id, sizeof r.open_key_id);
    return tally_store_atomic(store, reopen, &r);
}

static enum tally_status set_state(struct tally_store *s, void *arg)
{
    const struct tally_store_round *r = arg;
    TALLY_QUERY(q, s, "UPDATE rounds SET state = ?3 WHERE job = ?1 AND round = ?2");

    tally_query_digest(&q, r->job);
    tally_query_u64(&q, r->round);
    tally_query_u64(&q, r->state);
    TALLY_TRY(tally_query_do(&q));
    TALLY_ENSURE(sqlite3_changes(s->db) == 1, TALLY_E_STATE, "there is no such round");
    return TALLY_OK;
}

enum tally_status tally_store_round_state(struct tally_store *store, const uint8_t job[32],
                                          uint64_t round, uint8_t state)
{
    struct tally_store_round r = {.round = round, .state = state};

    memcpy(r.job, job, sizeof r.job);
    return tally_store_atomic(store, set_state, &r);
}

static enum tally_status freeze(struct tally_store *s, void *arg)
{
    const struct tally_store_round *r = arg;
    struct look found;

    TALLY_TRY(look_up(s, r->job, r->round, tally_slice_str(""), &found));
    TALLY_ENSURE(found.there, TALLY_E_STATE, "there is no such round");
    if (found.frozen) {
        TALLY_REFUSE_UNLESS(memcmp(found.set_digest, r->set_digest, 32) == 0, TALLY_R_SET_CONFLICT,
                            "round %llu has another set", (unsigned long long)r->round);
        return TALLY_OK;
    }
    TALLY_QUERY(q, s,
                "UPDATE rounds SET set_record = ?3, set_digest = ?4, set_kept_ms = ?5"
                " WHERE job = ?1 AND round = ?2");
    tally_query_digest(&q, r->job);
    tally_query_u64(&q, r->round);
    tally_query_blob(&q, r->set);
    tally_query_digest(&q, r->set_digest);
    tally_query_u64(&q, r->set_kept_ms);
    return tally_query_do(&q);
}

enum tally_status tally_store_round_freeze(struct tally_store *store, const uint8_t job[32],
                                           uint64_t round, const uint8_t set_digest[32],
                                           struct tally_slice set, uint64_t kept_ms)
{
    struct tally_store_round r = {.round = round, .set = set, .set_kept_ms = kept_ms};

    memcpy(r.job, job, sizeof r.job);
    memcpy(r.set_digest, set_digest, sizeof r.set_digest);
    return tally_store_atomic(store, freeze, &r);
}

static enum tally_status end_round(struct tally_store *s, void *arg)
{
    const struct tally_store_round *r = arg;
    struct look found;

    TALLY_TRY(look_up(s, r->job, r->round, tally_slice_str(""), &found));
    TALLY_ENSURE(found.there && found.frozen, TALLY_E_STATE, "the round has no set");
    if (found.outcome != TALLY_ROUND_OPEN) {
        TALLY_ENSURE(found.outcome == r->outcome &&
                         memcmp(found.outcome_digest, r->outcome_digest, 32) == 0,
                     TALLY_E_STATE, "round %llu has another outcome", (unsigned long long)r->round);
        return TALLY_OK;
    }
    TALLY_QUERY(
        q, s, "UPDATE rounds SET outcome = ?3, outcome_digest = ?4 WHERE job = ?1 AND round = ?2");
    tally_query_digest(&q, r->job);
    tally_query_u64(&q, r->round);
    tally_query_u64(&q, r->outcome);
    tally_query_digest(&q, r->outcome_digest);
    return tally_query_do(&q);
}

enum tally_status tally_store_round_end(struct tally_store *store, const uint8_t job[32],
                                        uint64_t round, enum tally_round_outcome outcome,
                                        const uint8_t *digest)
{
    struct tally_store_round r = {.round = round, .outcome = outcome};

    TALLY_ASSERT(outcome == TALLY_ROUND_ABORT || (outcome == TALLY_ROUND_VERSION && digest));
    memcpy(r.job, job, sizeof r.job);
    if (digest) memcpy(r.outcome_digest, digest, sizeof r.outcome_digest);
    return tally_store_atomic(store, end_round, &r);
}

struct visit_open {
    enum tally_status (*fn)(void *ctx, const uint8_t key_id[32], struct tally_slice open);
    void *ctx;
};

static enum tally_status visit_open(struct tally_query *q, void *arg)
{
    const struct visit_open *v = arg;
    uint8_t key_id[32];

    tally_column_fixed(q, 0, key_id, sizeof key_id);
    return v->fn(v->ctx, key_id, tally_column_blob(q, 1));
}

enum tally_status tally_store_opens(struct tally_store *store, const uint8_t job[32],
                                    uint64_t round,
                                    enum tally_status (*fn)(void *ctx, const uint8_t key_id[32],
                                                            struct tally_slice open),
                                    void *ctx)
{
    TALLY_QUERY(q, store,
                "SELECT key_id, record FROM opens WHERE job = ? AND round = ? ORDER BY rowid");
    struct visit_open v = {fn, ctx};

    tally_query_digest(&q, job);
    tally_query_u64(&q, round);
    return tally_query_each(&q, visit_open, &v);
}
