/* store.h - the aggregator's memory: SQLite (WAL, synchronous FULL) beside the files of store
 * directory DIR (store.db, lock; spool/ and sealed/ are spool.h's, models/ the publisher's).
 *
 * One idea: SQLite is an index, never an authority. Each record is kept as the signed bytes, which
 * are opaque here, and whoever reads them after a restart verifies them again. What the store adds
 * is order (durable before sent), uniqueness (one update, one vote, one set) and speed.
 *
 * Functions are synchronous and belong to one thread at a time: the store actor; shells wrap them
 * into mailbox jobs. Each write function is durable when it returns TALLY_OK, or, between begin and
 * commit, when the commit does: then several share one fsync. A write function that fails changed
 * nothing, and in a group leaves the others alone.
 *
 * E_IO from a write or commit (disk full, I/O error) is fatal for the process by contract: the
 * store takes nothing more (E_IO from then on), the process stops, and the next start goes on from
 * what was committed before; nothing acknowledged is lost.
 *
 * Own records name the instance that signed them (key ids of opens, acks and wraps), and that
 * instance has to be there first: E_STATE otherwise. So is the round for what belongs to one.
 *
 * Rows are handed out through a callback; their slices and strings live until it returns. A
 * callback that fails ends the reading with its status; it must not write to the store. Where a
 * single row is asked for, no row means TALLY_OK and the callback is not called. */
#pragma once

#include "common/bytes.h"
#include "common/text.h"

enum {
    TALLY_STORE_VERSION = 1,                /* PRAGMA user_version; another is refused: E_CONFIG */
    TALLY_STORE_BLOB_MAX = 4 * 1024 * 1024, /* any one blob: E_LIMIT */
    TALLY_STORE_WHY_MAX = 512,              /* longer texts are cut */
    TALLY_STORE_PATH_MAX = 255,
    TALLY_STORE_BUSY_MS = 5000,
};

struct tally_store;

/* Makes DIR (0700) and the tables where missing. E_STATE while another process has it open for
 * writing. read_only (status, models, export) needs no lock and sees the last commit; E_CONFIG if
 * nothing is there. */
TALLY_RESULT tally_store_open(struct tally_store **store, const char *dir, bool read_only);
void tally_store_close(struct tally_store **store); /* rolls back an open group */

TALLY_RESULT tally_store_begin(struct tally_store *store); /* E_STATE in a group */
TALLY_RESULT tally_store_commit(struct tally_store *store);
void tally_store_rollback(struct tally_store *store); /* nothing where there is no group */

/* Named numbers that only rise: the appraisal clock, the highest federation version. Raising to
 * less is TALLY_OK and changes nothing. A mark never raised is 0. Names: 1 to 63 characters. */
TALLY_RESULT tally_store_mark_raise(struct tally_store *store, const char *name, uint64_t value);
TALLY_RESULT tally_store_mark(struct tally_store *store, const char *name, uint64_t *value);

/* ---- documents ---- */

enum tally_document_type {
    TALLY_DOCUMENT_FEDERATION = 1,
    TALLY_DOCUMENT_REVOCATION,
    TALLY_DOCUMENT_JOB,
    TALLY_DOCUMENT_GRANT,
};
struct tally_store_document {
    enum tally_document_type type;
    uint8_t digest[32]; /* of the payload: unique with the type */
    struct tally_slice envelope;
    uint64_t created_ms;
};
/* The digest again (perhaps in an envelope with more signatures): replaces the envelope. */
TALLY_RESULT tally_store_document_put(struct tally_store *store,
                                      const struct tally_store_document *document);
/* All of a type, oldest first; or one, with its digest. */
TALLY_RESULT tally_store_documents(
    struct tally_store *store, enum tally_document_type type, const uint8_t *digest,
    enum tally_status (*fn)(void *ctx, const struct tally_store_document *), void *ctx);

/* ---- nodes, for status ---- */

struct tally_store_node {
    const char *org, *node;
    uint64_t last_seen_ms;
    const char *last_reason, *last_why; /* "" while all is well */
    struct tally_slice key_block;
    uint8_t ev_digest[32];
    uint64_t accepted_n; /* out only: updates held of it, over all jobs */
};
TALLY_RESULT tally_store_node_put(struct tally_store *store, const struct tally_store_node *node);
TALLY_RESULT tally_store_nodes(struct tally_store *store,
                               enum tally_status (*fn)(void *ctx, const struct tally_store_node *),
                               void *ctx);

/* ---- own instances: what verifies the records that they signed ---- */

struct tally_store_instance {
    uint8_t key_id[32];
    struct tally_slice key_block, ev, endorsements;
    uint64_t created_ms;
};
/* The same key id again replaces evidence and endorsements (fresher ones). */
TALLY_RESULT tally_store_instance_put(struct tally_store *store,
                                      const struct tally_store_instance *instance);
/* All, newest first; or one, with its key id. */
TALLY_RESULT tally_store_instances(struct tally_store *store, const uint8_t *key_id,
                                   enum tally_status (*fn)(void *ctx,
                                                           const struct tally_store_instance *),
                                   void *ctx);

/* ---- rounds ---- */

enum tally_round_outcome {
    TALLY_ROUND_OPEN = 0,
    TALLY_ROUND_VERSION = 1, /* outcome_digest: the version's */
    TALLY_ROUND_ABORT = 2,
};
struct tally_store_round {
    uint8_t job[32];
    uint64_t round;
    uint8_t kind;
    uint8_t state;           /* the round machine's own number */
    struct tally_slice open; /* OPEN and its signature, of the newest instance that signed it */
    uint8_t open_key_id[32];
    uint64_t opened_ms, deadline_ms;
    struct tally_slice set; /* SET record; empty: not frozen */
    uint8_t set_digest[32];
    uint64_t set_kept_ms;
    enum tally_round_outcome outcome;
    uint8_t outcome_digest[32];
};
/* Before the OPEN is sent. Reads job to deadline_ms. The same open bytes again: TALLY_OK; others
 * for that (job, round): refused, ROUND_REUSED. */
TALLY_RESULT tally_store_round_open(struct tally_store *store,
                                    const struct tally_store_round *round);
/* A new instance's OPEN for a round still open, the caller having checked that it differs in
 * `instance` alone. The old ones are kept (tally_store_opens). E_STATE without the round, or when
 * it has an outcome. */
TALLY_RESULT tally_store_round_reopen(struct tally_store *store, const uint8_t job[32],
                                      uint64_t round, struct tally_slice open,
                                      const uint8_t key_id[32]);
TALLY_RESULT tally_store_round_state(struct tally_store *store, const uint8_t job[32],
                                     uint64_t round, uint8_t state);
/* Before the SET is sent. The same digest again: TALLY_OK, the first record stays; another:
 * refused, SET_CONFLICT, whatever happened since. E_STATE without the round or after its outcome.
 */
TALLY_RESULT tally_store_round_freeze(struct tally_store *store, const uint8_t job[32],
                                      uint64_t round, const uint8_t set_digest[32],
                                      struct tally_slice set, uint64_t kept_ms);
/* Once; the same again is TALLY_OK, another outcome E_STATE. A round ends only with a set. digest
 * may be NULL for an abort. */
TALLY_RESULT tally_store_round_end(struct tally_store *store, const uint8_t job[32], uint64_t round,
                                   enum tally_round_outcome outcome, const uint8_t *digest);
/* All rounds of a job (NULL: of every job) from round `from`, in order. */
TALLY_RESULT
tally_store_rounds(struct tally_store *store, const uint8_t *job, uint64_t from,
                   enum tally_status (*fn)(void *ctx, const struct tally_store_round *), void *ctx);
/* Every OPEN record of a round, oldest first. */
TALLY_RESULT tally_store_opens(struct tally_store *store, const uint8_t job[32], uint64_t round,
                               enum tally_status (*fn)(void *ctx, const uint8_t key_id[32],
                                                       struct tally_slice open),
                               void *ctx);

/* ---- what a node did in a round ---- */

struct tally_store_key {
    uint8_t job[32];
    uint64_t round;
    const char *org, *node;
};

/* Refused or late; a later refusal of the same node replaces the earlier one. */
struct tally_store_refusal {
    struct tally_store_key key;
    enum tally_reason reason;
    const char *why;
    uint64_t at_ms;
};
TALLY_RESULT tally_store_refusal_put(struct tally_store *store,
                                     const struct tally_store_refusal *refusal);
TALLY_RESULT tally_store_refusals(struct tally_store *store, const uint8_t job[32], uint64_t round,
                                  enum tally_status (*fn)(void *ctx,
                                                          const struct tally_store_refusal *),
                                  void *ctx);

struct tally_store_update {
    struct tally_store_key key;
    uint8_t st_digest[32], ev_digest[32], seal_digest[32];
    struct tally_slice head;      /* ST, EV, endorsements, signature as received */
    struct tally_slice key_block; /* the agent's: what verifies the head */
    uint64_t appraised_ms;        /* the time that its evidence was judged at */
    struct tally_slice wrap;      /* 80 bytes today */
    uint8_t wrap_key_id[32];
    uint8_t ack[64];
    uint8_t ack_key_id[32]; /* the instance that signed the ack */
    const char *path;       /* of the sealed file, relative to DIR */
    uint64_t sealed_bytes;  /* that file's size */
    uint32_t examples;
    uint64_t accepted_ms;
};
/* What an insert found. */
struct tally_store_ack {
    bool already; /* this very statement was there: send the stored ack again, count once */
    uint8_t ack[64];
    uint8_t ack_key_id[32];
};
/* After the sealed file was fsynced and renamed (E_STATE unless it is there with its size), before
 * the ack is sent. Another statement of that node for that round: refused, UPDATE_CONFLICT. E_STATE
 * without the round, or when its set is frozen (and this statement is not there). */
TALLY_RESULT tally_store_update_add(struct tally_store *store,
                                    const struct tally_store_update *update,
                                    struct tally_store_ack *ack);
/* A new wrap for the update with that statement; nothing else of it ever changes. E_STATE if it is
 * not there. */
TALLY_RESULT tally_store_update_wrap(struct tally_store *store, const struct tally_store_key *key,
                                     const uint8_t st_digest[32], struct tally_slice wrap,
                                     const uint8_t wrap_key_id[32]);
/* In order of organisation, then node (bytes). */
TALLY_RESULT tally_store_updates(struct tally_store *store, const uint8_t job[32], uint64_t round,
                                 enum tally_status (*fn)(void *ctx,
                                                         const struct tally_store_update *),
                                 void *ctx);
TALLY_RESULT tally_store_update(struct tally_store *store, const struct tally_store_key *key,
                                enum tally_status (*fn)(void *ctx,
                                                        const struct tally_store_update *),
                                void *ctx);

struct tally_store_vote {
    struct tally_store_key key;
    uint8_t set_digest[32];
    uint8_t signature[64];
    struct tally_slice key_block, ev; /* what verifies the signature; ev: bytes or digest */
    uint64_t at_ms;
};
/* A second vote of the node for the same set: TALLY_OK, the first stays; for another set: refused,
 * SET_CONFLICT. E_STATE unless the round's set is frozen and has that digest. */
TALLY_RESULT tally_store_vote_add(struct tally_store *store, const struct tally_store_vote *vote);
TALLY_RESULT tally_store_votes(struct tally_store *store, const uint8_t job[32], uint64_t round,
                               enum tally_status (*fn)(void *ctx, const struct tally_store_vote *),
                               void *ctx);

/* ---- versions ---- */

struct tally_store_version {
    uint8_t digest[32];
    uint8_t job[32];
    uint64_t round;
    uint8_t parent[32]; /* zeros: none */
    const char *path;   /* of the safetensors file, relative to DIR */
    struct tally_slice lineage;
    uint64_t published_ms;
};
/* One for each (job, round); the same digest again: TALLY_OK, another: E_STATE. */
TALLY_RESULT tally_store_version_add(struct tally_store *store,
                                     const struct tally_store_version *version);
/* Of a job (NULL: of every job), newest round first; newest_only gives one. */
TALLY_RESULT tally_store_versions(struct tally_store *store, const uint8_t *job, bool newest_only,
                                  enum tally_status (*fn)(void *ctx,
                                                          const struct tally_store_version *),
                                  void *ctx);
/* The one of that digest. */
TALLY_RESULT tally_store_version(struct tally_store *store, const uint8_t digest[32],
                                 enum tally_status (*fn)(void *ctx,
                                                         const struct tally_store_version *),
                                 void *ctx);
