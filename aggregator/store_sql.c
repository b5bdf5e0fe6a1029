/* store_sql.c - see store_sql.h. */
#include "aggregator/store_sql.h"

#include <string.h>

/* What a failed write leaves behind is unknown, so the store takes no other. */
static enum tally_status failed(struct tally_store *s, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM: return TALLY_FAIL(TALLY_E_NOMEM, "store: %s", sqlite3_errmsg(s->db));
    case SQLITE_CONSTRAINT:
    case SQLITE_READONLY:
    case SQLITE_BUSY: return TALLY_FAIL(TALLY_E_STATE, "store: %s", sqlite3_errmsg(s->db));
    case SQLITE_TOOBIG: return TALLY_FAIL(TALLY_E_LIMIT, "store: %s", sqlite3_errmsg(s->db));
    default:
        s->broken = true;
        return TALLY_FAIL(TALLY_E_IO, "store: %s (%d)", sqlite3_errmsg(s->db),
                          sqlite3_extended_errcode(s->db));
    }
}

struct tally_query tally_query_of(struct tally_store *store, const char *sql)
{
    struct tally_query q = {.store = store};
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &q.st, NULL);

    if (rc != SQLITE_OK) q.status = failed(store, rc);
    return q;
}

void tally_query_free(struct tally_query *q)
{
    (void)sqlite3_finalize(q->st);
    q->st = NULL;
}

static void bound(struct tally_query *q, int rc)
{
    if (rc != SQLITE_OK) q->status = failed(q->store, rc);
}

void tally_query_u64(struct tally_query *q, uint64_t v)
{
    q->bound++;
    if (q->status != TALLY_OK) return;
    if (v > INT64_MAX) {
        q->status = TALLY_FAIL(TALLY_E_LIMIT, "store: number %d is above 2^63", q->bound);
        return;
    }
    bound(q, sqlite3_bind_int64(q->st, q->bound, (sqlite3_int64)v));
}

void tally_query_blob(struct tally_query *q, struct tally_slice s)
{
    q->bound++;
    if (q->status != TALLY_OK) return;
    if (s.len > TALLY_STORE_BLOB_MAX) {
        q->status = TALLY_FAIL(TALLY_E_LIMIT, "store: %zu bytes in one field", s.len);
        return;
    }
    bound(q, s.len ? sqlite3_bind_blob(q->st, q->bound, s.at, (int)s.len, SQLITE_STATIC)
                   : sqlite3_bind_zeroblob(q->st, q->bound, 0));
}

void tally_query_digest(struct tally_query *q, const uint8_t *digest)
{
    if (digest) {
        tally_query_blob(q, tally_slice_of(digest, 32));
    } else {
        q->bound++; /* unbound is NULL */
    }
}

void tally_query_text(struct tally_query *q, const char *text, size_t max)
{
    q->bound++;
    if (q->status != TALLY_OK) return;
    bound(q, sqlite3_bind_text(q->st, q->bound, text, (int)strnlen(text, max), SQLITE_STATIC));
}

void tally_query_name(struct tally_query *q, const char *name)
{
    if (q->status == TALLY_OK && !tally_name_ok(tally_slice_str(name)))
        q->status = TALLY_FAIL(TALLY_E_LIMIT, "store: not a name");
    tally_query_text(q, name, TALLY_NAME_MAX);
}

void tally_query_key(struct tally_query *q, const struct tally_store_key *key)
{
    tally_query_digest(q, key->job);
    tally_query_u64(q, key->round);
    tally_query_name(q, key->org);
    tally_query_name(q, key->node);
}

enum tally_status tally_query_step(struct tally_query *q, bool *row)
{
    if (q->status != TALLY_OK) return q->status;
    int rc = sqlite3_step(q->st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        q->status = failed(q->store, rc);
        return q->status;
    }
    *row = rc == SQLITE_ROW;
    return TALLY_OK;
}

enum tally_status tally_query_do(struct tally_query *q)
{
    bool row = false;

    TALLY_TRY(tally_query_step(q, &row));
    TALLY_ASSERT(!row);
    return TALLY_OK;
}

enum tally_status tally_query_each(struct tally_query *q,
                                   enum tally_status (*fn)(struct tally_query *q, void *arg),
                                   void *arg)
{
    bool row = false;

    q->store->readers++;
    enum tally_status s = tally_query_step(q, &row);
    while (s == TALLY_OK && row) {
        s = fn(q, arg);
        if (s == TALLY_OK) s = tally_query_step(q, &row);
    }
    q->store->readers--;
    return s;
}

uint64_t tally_column_u64(const struct tally_query *q, int i)
{
    return (uint64_t)sqlite3_column_int64(q->st, i);
}

struct tally_slice tally_column_blob(const struct tally_query *q, int i)
{
    const void *at = sqlite3_column_blob(q->st, i);

    return tally_slice_of(at, (size_t)sqlite3_column_bytes(q->st, i));
}

const char *tally_column_text(const struct tally_query *q, int i)
{
    const void *text = sqlite3_column_text(q->st, i);

    return text ? text : "";
}

void tally_column_fixed(const struct tally_query *q, int i, void *to, size_t n)
{
    const struct tally_slice s = tally_column_blob(q, i);

    memset(to, 0, n);
    if (s.len == n) memcpy(to, s.at, n);
}

static enum tally_status exec(struct tally_store *s, const char *sql)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? TALLY_OK : failed(s, rc);
}

enum tally_status tally_store_atomic(struct tally_store *store,
                                     enum tally_status (*fn)(struct tally_store *store, void *arg),
                                     void *arg)
{
    const bool group = store->in_group;

    TALLY_ENSURE(!store->broken, TALLY_E_IO, "the store failed before and takes nothing more");
    TALLY_ENSURE(!store->read_only, TALLY_E_STATE, "the store is open for reading only");
    TALLY_ENSURE(store->readers == 0, TALLY_E_STATE, "the store is being read");
    TALLY_TRY(exec(store, group ? "SAVEPOINT one" : "BEGIN IMMEDIATE"));
    enum tally_status s = fn(store, arg);
    if (s == TALLY_OK) s = exec(store, group ? "RELEASE one" : "COMMIT");
    if (s != TALLY_OK) {
        (void)sqlite3_exec(store->db, group ? "ROLLBACK TO one; RELEASE one" : "ROLLBACK", NULL,
                           NULL, NULL);
        if (group && sqlite3_get_autocommit(store->db))
            store->broken = true; /* the group is lost */
    }
    return s;
}

static enum tally_status write_one(struct tally_store *store, void *arg)
{
    (void)store;
    return tally_query_do(arg);
}

enum tally_status tally_query_write(struct tally_query *q)
{
    if (q->status != TALLY_OK) return q->status;
    return tally_store_atomic(q->store, write_one, q);
}

enum tally_status tally_store_begin(struct tally_store *store)
{
    TALLY_ENSURE(!store->broken, TALLY_E_IO, "the store failed before and takes nothing more");
    TALLY_ENSURE(!store->read_only && !store->in_group, TALLY_E_STATE,
                 "a group is open already, or the store is open for reading only");
    TALLY_TRY(exec(store, "BEGIN IMMEDIATE"));
    store->in_group = true;
    return TALLY_OK;
}

enum tally_status tally_store_commit(struct tally_store *store)
{
    TALLY_ENSURE(store->in_group, TALLY_E_STATE, "no group is open");
    TALLY_ENSURE(!store->broken, TALLY_E_IO, "the store failed before and takes nothing more");
    enum tally_status s = exec(store, "COMMIT");
    if (s != TALLY_OK) {
        store->broken = true;
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    }
    store->in_group = false;
    return s;
}

void tally_store_rollback(struct tally_store *store)
{
    if (!store->in_group) return;
    (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    store->in_group = false;
}

enum tally_status tally_store_path_check(const char *path)
{
    const size_t len = strnlen(path, TALLY_STORE_PATH_MAX + 1);

    TALLY_ENSURE(len > 0 && len <= TALLY_STORE_PATH_MAX && path[0] != '/' && !strstr(path, ".."),
                 TALLY_E_LIMIT, "store: \"%.80s\" is no path below its folder", path);
    return TALLY_OK;
}
