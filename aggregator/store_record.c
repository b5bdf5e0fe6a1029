/* store_record.c - see store.h: documents, nodes, instances and versions. */
#include <string.h>

#include "aggregator/store_sql.h"

/* ---- documents ---- */

enum tally_status tally_store_document_put(struct tally_store *store,
                                           const struct tally_store_document *document)
{
    TALLY_QUERY(q, store,
                "INSERT INTO documents VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
                " SET envelope = excluded.envelope");

    tally_query_u64(&q, document->type);
    tally_query_digest(&q, document->digest);
    tally_query_blob(&q, document->envelope);
    tally_query_u64(&q, document->created_ms);
    return tally_query_write(&q);
}

struct visit_document {
    enum tally_status (*fn)(void *ctx, const struct tally_store_document *);
    void *ctx;
};

static enum tally_status visit_document(struct tally_query *q, void *arg)
{
    const struct visit_document *v = arg;
    struct tally_store_document d = {.type = (enum tally_document_type)tally_column_u64(q, 0),
                                     .envelope = tally_column_blob(q, 2),
                                     .created_ms = tally_column_u64(q, 3)};

    tally_column_fixed(q, 1, d.digest, sizeof d.digest);
    return v->fn(v->ctx, &d);
}

enum tally_status tally_store_documents(
    struct tally_store *store, enum tally_document_type type, const uint8_t *digest,
    enum tally_status (*fn)(void *ctx, const struct tally_store_document *), void *ctx)
{
    TALLY_QUERY(q, store,
                "SELECT type, digest, envelope, created_ms FROM documents"
                " WHERE type = ?1 AND (?2 IS NULL OR digest = ?2) ORDER BY rowid");
    struct visit_document v = {fn, ctx};

    tally_query_u64(&q, type);
    tally_query_digest(&q, digest);
    return tally_query_each(&q, visit_document, &v);
}

/* ---- nodes ---- */

enum tally_status tally_store_node_put(struct tally_store *store,
                                       const struct tally_store_node *node)
{
    TALLY_QUERY(q, store,
                "INSERT INTO nodes VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " last_seen_ms = excluded.last_seen_ms, last_reason = excluded.last_reason,"
                " last_why = excluded.last_why, key_block = excluded.key_block,"
                " ev_digest = excluded.ev_digest");

    tally_query_name(&q, node->org);
    tally_query_name(&q, node->node);
    tally_query_u64(&q, node->last_seen_ms);
    tally_query_text(&q, node->last_reason ? node->last_reason : "", TALLY_REASON_NAME_MAX);
    tally_query_text(&q, node->last_why ? node->last_why : "", TALLY_STORE_WHY_MAX);
    tally_query_blob(&q, node->key_block);
    tally_query_digest(&q, node->ev_digest);
    return tally_query_write(&q);
}

struct visit_node {
    enum tally_status (*fn)(void *ctx, const struct tally_store_node *);
    void *ctx;
};

static enum tally_status visit_node(struct tally_query *q, void *arg)
{
    const struct visit_node *v = arg;
    struct tally_store_node n = {.org = tally_column_text(q, 0),
                                 .node = tally_column_text(q, 1),
                                 .last_seen_ms = tally_column_u64(q, 2),
                                 .last_reason = tally_column_text(q, 3),
                                 .last_why = tally_column_text(q, 4),
                                 .key_block = tally_column_blob(q, 5),
                                 .accepted_n = tally_column_u64(q, 7)};

    tally_column_fixed(q, 6, n.ev_digest, sizeof n.ev_digest);
    return v->fn(v->ctx, &n);
}

enum tally_status
tally_store_nodes(struct tally_store *store,
                  enum tally_status (*fn)(void *ctx, const struct tally_store_node *), void *ctx)
{
    TALLY_QUERY(q, store,
                "SELECT org, node, last_seen_ms, last_reason, last_why, key_block, ev_digest,"
                " (SELECT count(*) FROM updates u WHERE u.org = n.org AND u.node = n.node)"
                " FROM nodes n ORDER BY org, node");
    struct visit_node v = {fn, ctx};

    return tally_query_each(&q, visit_node, &v);
}

/* ---- instances ---- */

enum tally_status tally_store_instance_put(struct tally_store *store,
                                           const struct tally_store_instance *instance)
{
    TALLY_QUERY(q, store,
                "INSERT INTO instances VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " ev = excluded.ev, endorsements = excluded.endorsements");

    tally_query_digest(&q, instance->key_id);
    tally_query_blob(&q, instance->key_block);
    tally_query_blob(&q, instance->ev);
    tally_query_blob(&q, instance->endorsements);
    tally_query_u64(&q, instance->created_ms);
    return tally_query_write(&q);
}

struct visit_instance {
    enum tally_status (*fn)(void *ctx, const struct tally_store_instance *);
    void *ctx;
};

static enum tally_status visit_instance(struct tally_query *q, void *arg)
{
    const struct visit_instance *v = arg;
    struct tally_store_instance i = {.key_block = tally_column_blob(q, 1),
                                     .ev = tally_column_blob(q, 2),
                                     .endorsements = tally_column_blob(q, 3),
                                     .created_ms = tally_column_u64(q, 4)};

    tally_column_fixed(q, 0, i.key_id, sizeof i.key_id);
    return v->fn(v->ctx, &i);
}

enum tally_status
tally_store_instances(struct tally_store *store, const uint8_t *key_id,
                      enum tally_status (*fn)(void *ctx, const struct tally_store_instance *),
                      void *ctx)
{
    TALLY_QUERY(q, store,
                "SELECT key_id, key_block, ev, endorsements, created_ms FROM instances"
                " WHERE ?1 IS NULL OR key_id = ?1 ORDER BY rowid DESC");
    struct visit_instance v = {fn, ctx};

    tally_query_digest(&q, key_id);
    return tally_query_each(&q, visit_instance, &v);
}

/* ---- versions ---- */

static enum tally_status add_version(struct tally_store *s, void *arg)
{
    const struct tally_store_version *v = arg;
    TALLY_QUERY(old, s, "SELECT digest FROM versions WHERE job = ? AND round = ?");
    uint8_t digest[32];
    bool row = false;

    tally_query_digest(&old, v->job);
    tally_query_u64(&old, v->round);
    TALLY_TRY(tally_query_step(&old, &row));
    if (row) {
        tally_column_fixed(&old, 0, digest, sizeof digest);
        TALLY_ENSURE(memcmp(digest, v->digest, sizeof digest) == 0, TALLY_E_STATE,
                     "round %llu has another version", (unsigned long long)v->round);
        return TALLY_OK;
    }
    TALLY_QUERY(q, s, "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?)");
    tally_query_digest(&q, v->digest);
    tally_query_digest(&q, v->job);
    tally_query_u64(&q, v->round);
    tally_query_digest(&q, v->parent);
    tally_query_text(&q, v->path, TALLY_STORE_PATH_MAX);
    tally_query_blob(&q, v->lineage);
    tally_query_u64(&q, v->published_ms);
    return tally_query_do(&q);
}

enum tally_status tally_store_version_add(struct tally_store *store,
                                          const struct tally_store_version *version)
{
    struct tally_store_version v = *version;

    TALLY_TRY(tally_store_path_check(version->path));
    return tally_store_atomic(store, add_version, &v);
}

struct visit_version {
    enum tally_status (*fn)(void *ctx, const struct tally_store_version *);
    void *ctx;
};

static enum tally_status visit_version(struct tally_query *q, void *arg)
{
    const struct visit_version *visit = arg;
    struct tally_store_version v = {.round = tally_column_u64(q, 2),
                                    .path = tally_column_text(q, 4),
                                    .lineage = tally_column_blob(q, 5),
                                    .published_ms = tally_column_u64(q, 6)};

    tally_column_fixed(q, 0, v.digest, sizeof v.digest);
    tally_column_fixed(q, 1, v.job, sizeof v.job);
    tally_column_fixed(q, 3, v.parent, sizeof v.parent);
    return visit->fn(visit->ctx, &v);
}

#define VERSION_COLUMNS "digest, job, round, parent, path, lineage, published_ms"

enum tally_status
tally_store_versions(struct tally_store *store, const uint8_t *job, bool newest_only,
                     enum tally_status (*fn)(void *ctx, const struct tally_store_version *),
                     void *ctx)
{
    TALLY_QUERY(q, store,
                "SELECT " VERSION_COLUMNS " FROM versions WHERE ?1 IS NULL OR job = ?1"
                " ORDER BY job, round DESC LIMIT ?2");
    struct visit_version v = {fn, ctx};

    tally_query_digest(&q, job);
    tally_query_u64(&q, newest_only ? 1 : INT64_MAX);
    return tally_query_each(&q, visit_version, &v);
}

enum tally_status tally_store_version(struct tally_store *store, const uint8_t digest[32],
                                      enum tally_status (*fn)(void *ctx,
                                                              const struct tally_store_version *),
                                      void *ctx)
{
    TALLY_QUERY(q, store,
                "SELECT " VERSION_COLUMNS " FROM versions WHERE digest = ?"
                " ORDER BY round DESC LIMIT 1");
    struct visit_version v = {fn, ctx};

    tally_query_digest(&q, digest);
    return tally_query_each(&q, visit_version, &v);
}
