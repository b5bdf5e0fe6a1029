/* store.c - see store.h: opening, the tables, and the marks. */
#include "aggregator/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregator/store_sql.h"

/* Whatever is unique, once only or complete is so by the tables too, not by the code alone. */
static const char schema[] =
    "CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;"
    "CREATE TABLE documents (type INTEGER NOT NULL, digest BLOB NOT NULL CHECK (length(digest) = 32),"
    " envelope BLOB NOT NULL, created_ms INTEGER NOT NULL, PRIMARY KEY (type, digest)) STRICT;"
    "CREATE TABLE nodes (org TEXT NOT NULL, node TEXT NOT NULL, last_seen_ms INTEGER NOT NULL,"
    " last_reason TEXT NOT NULL, last_why TEXT NOT NULL, key_block BLOB NOT NULL,"
    " ev_digest BLOB NOT NULL, PRIMARY KEY (org, node)) STRICT;"
    "CREATE TABLE instances (key_id BLOB PRIMARY KEY NOT NULL CHECK (length(key_id) = 32),"
    " key_block BLOB NOT NULL, ev BLOB NOT NULL, endorsements BLOB NOT NULL,"
    " created_ms INTEGER NOT NULL) STRICT;"
    "CREATE TABLE rounds (job BLOB NOT NULL CHECK (length(job) = 32), round INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, state INTEGER NOT NULL, open BLOB NOT NULL,"
    " open_key_id BLOB NOT NULL REFERENCES instances, opened_ms INTEGER NOT NULL,"
    " deadline_ms INTEGER NOT NULL, set_record BLOB, set_digest BLOB, set_kept_ms INTEGER,"
    " outcome INTEGER NOT NULL DEFAULT 0 CHECK (outcome IN (0, 1, 2)), outcome_digest BLOB,"
    " PRIMARY KEY (job, round), CHECK ((set_record IS NULL) = (set_digest IS NULL)),"
    " CHECK (outcome = 0 OR set_digest IS NOT NULL)) STRICT;"
    "CREATE TABLE opens (job BLOB NOT NULL, round INTEGER NOT NULL,"
    " key_id BLOB NOT NULL REFERENCES instances, record BLOB NOT NULL,"
    " UNIQUE (job, round, key_id), FOREIGN KEY (job, round) REFERENCES rounds) STRICT;"
    "CREATE TABLE refusals (job BLOB NOT NULL, round INTEGER NOT NULL, org TEXT NOT NULL,"
    " node TEXT NOT NULL, reason TEXT NOT NULL, why TEXT NOT NULL, at_ms INTEGER NOT NULL,"
    " PRIMARY KEY (job, round, org, node), FOREIGN KEY (job, round) REFERENCES rounds) STRICT;"
    "CREATE TABLE updates (job BLOB NOT NULL, round INTEGER NOT NULL, org TEXT NOT NULL,"
    " node TEXT NOT NULL, st_digest BLOB NOT NULL CHECK (length(st_digest) = 32),"
    " ev_digest BLOB NOT NULL, seal_digest BLOB NOT NULL, head BLOB NOT NULL,"
    " key_block BLOB NOT NULL, appraised_ms INTEGER NOT NULL, wrap BLOB NOT NULL,"
    " wrap_key_id BLOB NOT NULL REFERENCES instances, ack BLOB NOT NULL CHECK (length(ack) = 64),"
    " ack_key_id BLOB NOT NULL REFERENCES instances, path TEXT NOT NULL,"
    " sealed_bytes INTEGER NOT NULL, examples INTEGER NOT NULL, accepted_ms INTEGER NOT NULL,"
    " PRIMARY KEY (job, round, org, node), FOREIGN KEY (job, round) REFERENCES rounds) STRICT;"
    "CREATE INDEX updates_by_node ON updates (org, node);"
    "CREATE TABLE votes (job BLOB NOT NULL, round INTEGER NOT NULL, org TEXT NOT NULL,"
    " node TEXT NOT NULL, set_digest BLOB NOT NULL CHECK (length(set_digest) = 32),"
    " signature BLOB NOT NULL CHECK (length(signature) = 64), key_block BLOB NOT NULL,"
    " ev BLOB NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (job, round, org, node),"
    " FOREIGN KEY (job, round) REFERENCES rounds) STRICT;"
    "CREATE TABLE versions (digest BLOB NOT NULL CHECK (length(digest) = 32),"
    " job BLOB NOT NULL CHECK (length(job) = 32), round INTEGER NOT NULL, parent BLOB NOT NULL,"
    " path TEXT NOT NULL, lineage BLOB NOT NULL, published_ms INTEGER NOT NULL,"
    " PRIMARY KEY (job, round)) STRICT;"
    "CREATE INDEX versions_by_digest ON versions (digest);"
    "PRAGMA user_version = 1;";
_Static_assert(TALLY_STORE_VERSION == 1, "the schema ends with its version");

static enum tally_status exec(struct tally_store *s, const char *sql)
{
    TALLY_ENSURE(sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK, TALLY_E_IO, "store: %s",
                 sqlite3_errmsg(s->db));
    return TALLY_OK;
}

static enum tally_status pragma(struct tally_store *s, const char *sql, const char *want)
{
    TALLY_QUERY(q, s, sql);
    bool row = false;

    TALLY_TRY(tally_query_step(&q, &row));
    TALLY_ENSURE(row && strcmp(tally_column_text(&q, 0), want) == 0, TALLY_E_LIB,
                 "SQLite answers \"%s\" to %s", row ? tally_column_text(&q, 0) : "", sql);
    return TALLY_OK;
}

static enum tally_status version_of(struct tally_store *s, uint64_t *version)
{
    TALLY_QUERY(q, s, "PRAGMA user_version");
    bool row = false;

    TALLY_TRY(tally_query_step(&q, &row));
    TALLY_ASSERT(row);
    *version = tally_column_u64(&q, 0);
    return TALLY_OK;
}

static enum tally_status make_tables(struct tally_store *s, void *arg)
{
    (void)arg;
    return exec(s, schema);
}

static enum tally_status set_up(struct tally_store *s)
{
    uint64_t version;

    (void)sqlite3_extended_result_codes(s->db, 1);
    (void)sqlite3_busy_timeout(s->db, TALLY_STORE_BUSY_MS);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    TALLY_TRY(exec(s, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
                      "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;"));
    TALLY_TRY(pragma(s, "PRAGMA foreign_keys", "1"));
    TALLY_TRY(pragma(s, "PRAGMA synchronous", "2"));
    if (!s->read_only) TALLY_TRY(pragma(s, "PRAGMA journal_mode = WAL", "wal"));
    TALLY_TRY(version_of(s, &version));
    if (version == 0 && !s->read_only) {
        TALLY_TRY(tally_store_atomic(s, make_tables, NULL));
        TALLY_TRY(version_of(s, &version));
    }
    TALLY_ENSURE(version == TALLY_STORE_VERSION, TALLY_E_CONFIG,
                 "the store has version %llu, this program knows %d", (unsigned long long)version,
                 TALLY_STORE_VERSION);
    return TALLY_OK;
}

static enum tally_status lock(struct tally_store *s)
{
    s->lock_fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    TALLY_ENSURE(s->lock_fd >= 0, TALLY_E_IO, "store lock: %s", strerror(errno));
    TALLY_ENSURE(flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0, TALLY_E_STATE,
                 "another process works with this store");
    return TALLY_OK;
}

static enum tally_status open_store(struct tally_store *s, const char *dir)
{
    char path[4096];
    const int flags =
        s->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;

    TALLY_ENSURE(s->read_only || mkdir(dir, 0700) == 0 || errno == EEXIST, TALLY_E_IO, "%s: %s",
                 dir, strerror(errno));
    s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    TALLY_ENSURE(s->dir_fd >= 0, TALLY_E_CONFIG, "%s: %s", dir, strerror(errno));
    int n = snprintf(path, sizeof path, "%s/store.db", dir);
    TALLY_ENSURE(n > 0 && (size_t)n < sizeof path, TALLY_E_CONFIG, "the path is too long");
    if (!s->read_only) TALLY_TRY(lock(s));
    int rc = sqlite3_open_v2(path, &s->db, flags, NULL);
    TALLY_ENSURE(rc == SQLITE_OK, s->read_only ? TALLY_E_CONFIG : TALLY_E_IO, "%s: %s", path,
                 sqlite3_errstr(rc));
    return set_up(s);
}

enum tally_status tally_store_open(struct tally_store **store, const char *dir, bool read_only)
{
    struct tally_store *s = calloc(1, sizeof *s);

    TALLY_ENSURE(s != NULL, TALLY_E_NOMEM, "store");
    *s = (struct tally_store){.dir_fd = -1, .lock_fd = -1, .read_only = read_only};
    enum tally_status status = open_store(s, dir);
    if (status != TALLY_OK) {
        tally_store_close(&s);
        return status;
    }
    *store = s;
    return TALLY_OK;
}

void tally_store_close(struct tally_store **store)
{
    struct tally_store *s = *store;

    if (!s) return;
    tally_store_rollback(s);
    TALLY_ASSERT(sqlite3_close(s->db) == SQLITE_OK);
    if (s->lock_fd >= 0) (void)close(s->lock_fd);
    if (s->dir_fd >= 0) (void)close(s->dir_fd);
    free(s);
    *store = NULL;
}

enum tally_status tally_store_mark_raise(struct tally_store *store, const char *name,
                                         uint64_t value)
{
    TALLY_QUERY(q, store,
                "INSERT INTO marks VALUES (?, ?) ON CONFLICT DO UPDATE"
                " SET value = max(value, excluded.value)");

    tally_query_name(&q, name);
    tally_query_u64(&q, value);
    return tally_query_write(&q);
}

enum tally_status tally_store_mark(struct tally_store *store, const char *name, uint64_t *value)
{
    TALLY_QUERY(q, store, "SELECT value FROM marks WHERE name = ?");
    bool row = false;

    tally_query_name(&q, name);
    TALLY_TRY(tally_query_step(&q, &row));
    *value = row ? tally_column_u64(&q, 0) : 0;
    return TALLY_OK;
}
