/* store_sql.h - the store's way to SQLite (the store_*.c files' own).
 *
 * A query binds its parameters in order and its first failure is sticky, so that a function reads
 * like the statement it runs and asks once. */
#pragma once

#include <sqlite3.h>

#include "aggregator/store.h"
#include "common/secret.h"

struct tally_store {
    sqlite3 *db;
    int dir_fd, lock_fd;
    bool read_only, in_group, broken;
    int readers; /* callbacks under way: no writing */
};

struct tally_query {
    struct tally_store *store;
    sqlite3_stmt *st;
    int bound; /* parameters so far */
    enum tally_status status;
};

/* Finalized when it leaves scope:  TALLY_QUERY(q, store, "SELECT ..."); */
#define TALLY_QUERY(name, store, sql) \
    TALLY_CLEANUP(tally_query_free) struct tally_query name = tally_query_of((store), (sql))
struct tally_query tally_query_of(struct tally_store *store, const char *sql);
void tally_query_free(struct tally_query *q);

void tally_query_u64(struct tally_query *q, uint64_t v); /* E_LIMIT from 2^63 on */
void tally_query_blob(struct tally_query *q, struct tally_slice s);
void tally_query_digest(struct tally_query *q, const uint8_t *digest); /* 32 bytes, NULL: NULL */
void tally_query_text(struct tally_query *q, const char *text, size_t max); /* cut at max */
void tally_query_name(struct tally_query *q, const char *name); /* E_LIMIT unless a name */
void tally_query_key(struct tally_query *q, const struct tally_store_key *key); /* four of them */

/* One row, or none: *row says which. */
TALLY_RESULT tally_query_step(struct tally_query *q, bool *row);
/* A statement without rows. */
TALLY_RESULT tally_query_do(struct tally_query *q);
/* fn for each row; writing to the store is refused meanwhile. */
TALLY_RESULT tally_query_each(struct tally_query *q,
                              enum tally_status (*fn)(struct tally_query *q, void *arg), void *arg);

uint64_t tally_column_u64(const struct tally_query *q, int i);
struct tally_slice tally_column_blob(const struct tally_query *q, int i);
const char *tally_column_text(const struct tally_query *q, int i);               /* "" for NULL */
void tally_column_fixed(const struct tally_query *q, int i, void *to, size_t n); /* else zeros */

/* fn(store, arg) in a transaction of its own or, in a group, in a savepoint: all of it or nothing.
 * Refuses while broken, read-only or reading. */
TALLY_RESULT tally_store_atomic(struct tally_store *store,
                                enum tally_status (*fn)(struct tally_store *store, void *arg),
                                void *arg);
/* For one statement without rows. */
TALLY_RESULT tally_query_write(struct tally_query *q);

/* A relative path without "..": E_LIMIT otherwise. */
TALLY_RESULT tally_store_path_check(const char *path);
