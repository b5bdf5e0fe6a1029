/* lineage.c - see lineage.h. */
#include "common/lineage.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

static const char *const status_names[] = {"counted", "excluded", "absent"};

const char *tally_lineage_type(enum tally_mode mode)
{
    return mode == TALLY_MODE_TEST ? "application/vnd.tally.version-test+json"
                                   : "application/vnd.tally.version+json";
}

enum tally_status tally_lineage_init(struct tally_lineage *l, uint32_t sites_n, uint32_t votes_n)
{
    TALLY_ENSURE(sites_n <= TALLY_NODES_MAX && votes_n <= TALLY_NODES_MAX, TALLY_E_LIMIT,
                 "%u sites, %u votes", sites_n, votes_n);
    memset(l, 0, sizeof *l);
    l->sites = calloc(sites_n + 1, sizeof *l->sites);
    l->votes = calloc(votes_n + 1, sizeof *l->votes);
    if (l->sites == NULL || l->votes == NULL) {
        tally_lineage_free(l);
        return TALLY_FAIL(TALLY_E_NOMEM, "lineage");
    }
    l->sites_n = sites_n;
    l->votes_n = votes_n;
    return TALLY_OK;
}

void tally_lineage_free(struct tally_lineage *l)
{
    for (uint32_t i = 0; i < l->sites_n; i++) json_decref(l->sites[i].histogram);
    free(l->sites);
    free(l->votes);
    memset(l, 0, sizeof *l);
}

static json_t *hex(const uint8_t *at, size_t n)
{
    char text[2 * 64 + 1];

    tally_hex(tally_slice_of(at, n), text);
    return json_string(text);
}

static json_t *base64(const uint8_t *at, size_t n)
{
    char text[TALLY_BASE64_SIZE(TALLY_LINEAGE_KB_MAX)];

    tally_base64(tally_slice_of(at, n), text);
    return json_string(text);
}

static json_t *site_json(const struct tally_lineage_site *s)
{
    json_t *j =
        json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I}", "org", s->org, "node", s->node,
                  "status", status_names[s->status], "statement", hex(s->statement, 32), "seal",
                  hex(s->seal, 32), "evidence", hex(s->evidence, 32), "examples",
                  (json_int_t)s->examples, "weight", (json_int_t)s->weight);

    if (s->reason[0] != '\0') (void)json_object_set_new(j, "reason", json_string(s->reason));
    if (s->histogram != NULL)
        (void)json_object_set_new(j, "evaluation",
                                  json_pack("{s:I, s:I, s:O}", "rows", (json_int_t)s->rows,
                                            "positives", (json_int_t)s->positives, "histogram",
                                            s->histogram));
    return j;
}

enum tally_status tally_lineage_encode(const struct tally_lineage *l, char **json)
{
    json_t *votes = json_array(), *sites = json_array();

    for (uint32_t i = 0; i < l->votes_n; i++) {
        const struct tally_lineage_vote *v = &l->votes[i];
        (void)json_array_append_new(
            votes, json_pack("{s:s, s:s, s:o, s:o, s:o}", "org", v->org, "node", v->node,
                             "key_block", base64(v->key_block, v->key_block_bytes), "evidence",
                             hex(v->evidence, 32), "signature", base64(v->signature, 64)));
    }
    for (uint32_t i = 0; i < l->sites_n; i++)
        (void)json_array_append_new(sites, site_json(&l->sites[i]));
    json_t *root = json_pack(
        "{s:s, s:o, s:o, s:I, s:o*, s:o, s:o, s:o, s:o, s:{s:o, s:o}}", "type", "version",
        "federation", hex(l->federation, 32), "job", hex(l->job, 32), "round", (json_int_t)l->round,
        "parent", l->has_parent ? hex(l->parent, 32) : NULL, "model", hex(l->model, 32), "set",
        hex(l->set, 32), "votes", votes, "sites", sites, "aggregator", "key_block",
        base64(l->key_block, l->key_block_bytes), "evidence", hex(l->evidence, 32));
    TALLY_ENSURE(root != NULL, TALLY_E_NOMEM, "lineage");
    *json = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    TALLY_ENSURE(*json != NULL, TALLY_E_NOMEM, "lineage");
    return TALLY_OK;
}

static enum tally_status copy_name(const char *from, char to[TALLY_NAME_MAX + 1])
{
    TALLY_ENSURE(tally_name_ok(tally_slice_str(from)), TALLY_E_WIRE, "\"%s\" is no name", from);
    memcpy(to, from, strlen(from) + 1);
    return TALLY_OK;
}

static enum tally_status key_block(const char *text, uint8_t *out, uint32_t *bytes)
{
    size_t n;

    TALLY_TRY(tally_unbase64(text, strlen(text), out, TALLY_LINEAGE_KB_MAX, &n));
    *bytes = (uint32_t)n;
    return TALLY_OK;
}

static enum tally_status decode_vote(json_t *j, struct tally_lineage_vote *v)
{
    const char *org, *node, *kb, *evidence, *signature;
    json_error_t e;
    size_t n;

    TALLY_ENSURE(json_unpack_ex(j, &e, 0, "{s:s, s:s, s:s, s:s, s:s !}", "org", &org, "node", &node,
                                "key_block", &kb, "evidence", &evidence, "signature",
                                &signature) == 0,
                 TALLY_E_WIRE, "vote: %s", e.text);
    TALLY_TRY(copy_name(org, v->org));
    TALLY_TRY(copy_name(node, v->node));
    TALLY_TRY(key_block(kb, v->key_block, &v->key_block_bytes));
    TALLY_TRY(tally_unhex(evidence, v->evidence, 32));
    TALLY_TRY(tally_unbase64(signature, strlen(signature), v->signature, 64, &n));
    TALLY_ENSURE(n == 64, TALLY_E_WIRE, "vote: a signature of %zu bytes", n);
    return TALLY_OK;
}

static enum tally_status decode_evaluation(json_t *j, struct tally_lineage_site *s)
{
    json_int_t rows, positives;
    json_t *histogram, *item;
    json_error_t e;
    size_t i;

    TALLY_ENSURE(json_unpack_ex(j, &e, 0, "{s:I, s:I, s:o !}", "rows", &rows, "positives",
                                &positives, "histogram", &histogram) == 0,
                 TALLY_E_WIRE, "evaluation: %s", e.text);
    TALLY_ENSURE(rows >= 0 && positives >= 0 && positives <= rows && json_is_array(histogram) &&
                     json_array_size(histogram) % 3 == 0,
                 TALLY_E_WIRE, "evaluation: counts do not fit");
    json_array_foreach(histogram, i, item)
        TALLY_ENSURE(json_is_integer(item) && json_integer_value(item) >= 0 &&
                         json_integer_value(item) <= UINT32_MAX,
                     TALLY_E_WIRE, "evaluation: item %zu", i);
    s->rows = (uint64_t)rows;
    s->positives = (uint64_t)positives;
    s->histogram = json_incref(histogram);
    return TALLY_OK;
}

static enum tally_status site_status(const char *name, enum tally_lineage_status *out)
{
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, status_names[i]) != 0) continue;
        *out = (enum tally_lineage_status)i;
        return TALLY_OK;
    }
    return TALLY_FAIL(TALLY_E_WIRE, "site: status \"%s\"", name);
}

static enum tally_status decode_site(json_t *j, struct tally_lineage_site *s)
{
    const char *org, *node, *status, *statement, *seal, *evidence, *reason = "";
    json_int_t examples, weight;
    json_t *evaluation = NULL;
    json_error_t e;

    TALLY_ENSURE(json_unpack_ex(j, &e, 0, "{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s?s, s?o !}",
                                "org", &org, "node", &node, "status", &status, "statement",
                                &statement, "seal", &seal, "evidence", &evidence, "examples",
                                &examples, "weight", &weight, "reason", &reason, "evaluation",
                                &evaluation) == 0,
                 TALLY_E_WIRE, "site: %s", e.text);
    TALLY_TRY(copy_name(org, s->org));
    TALLY_TRY(copy_name(node, s->node));
    TALLY_TRY(site_status(status, &s->status));
    TALLY_TRY(tally_unhex(statement, s->statement, 32));
    TALLY_TRY(tally_unhex(seal, s->seal, 32));
    TALLY_TRY(tally_unhex(evidence, s->evidence, 32));
    TALLY_ENSURE(examples >= 0 && examples <= UINT32_MAX && weight >= 0 && weight <= examples &&
                     strlen(reason) < sizeof s->reason,
                 TALLY_E_WIRE, "site: counts do not fit");
    s->examples = (uint32_t)examples;
    s->weight = (uint32_t)weight;
    memcpy(s->reason, reason, strlen(reason) + 1);
    if (evaluation != NULL) TALLY_TRY(decode_evaluation(evaluation, s));
    return TALLY_OK;
}

static enum tally_status decode_root(json_t *root, struct tally_lineage *l)
{
    const char *type, *federation, *job, *parent = NULL, *model, *set, *kb, *evidence;
    json_t *votes, *sites;
    json_int_t round;
    json_error_t e;

    TALLY_ENSURE(json_unpack_ex(
                     root, &e, 0, "{s:s, s:s, s:s, s:I, s?s, s:s, s:s, s:o, s:o, s:{s:s, s:s !} !}",
                     "type", &type, "federation", &federation, "job", &job, "round", &round,
                     "parent", &parent, "model", &model, "set", &set, "votes", &votes, "sites",
                     &sites, "aggregator", "key_block", &kb, "evidence", &evidence) == 0,
                 TALLY_E_WIRE, "lineage: %s", e.text);
    TALLY_ENSURE(strcmp(type, "version") == 0 && round >= 0 && json_is_array(votes) &&
                     json_is_array(sites),
                 TALLY_E_WIRE, "lineage: not a version");
    TALLY_ENSURE(json_array_size(sites) <= TALLY_NODES_MAX &&
                     json_array_size(votes) <= TALLY_NODES_MAX,
                 TALLY_E_WIRE, "lineage: too many sites or votes");
    TALLY_TRY(
        tally_lineage_init(l, (uint32_t)json_array_size(sites), (uint32_t)json_array_size(votes)));
    l->round = (uint64_t)round;
    l->has_parent = parent != NULL;
    if (parent != NULL) TALLY_TRY(tally_unhex(parent, l->parent, 32));
    TALLY_TRY(tally_unhex(federation, l->federation, 32));
    TALLY_TRY(tally_unhex(job, l->job, 32));
    TALLY_TRY(tally_unhex(model, l->model, 32));
    TALLY_TRY(tally_unhex(set, l->set, 32));
    TALLY_TRY(key_block(kb, l->key_block, &l->key_block_bytes));
    TALLY_TRY(tally_unhex(evidence, l->evidence, 32));
    for (uint32_t i = 0; i < l->votes_n; i++)
        TALLY_TRY(decode_vote(json_array_get(votes, i), &l->votes[i]));
    for (uint32_t i = 0; i < l->sites_n; i++)
        TALLY_TRY(decode_site(json_array_get(sites, i), &l->sites[i]));
    return TALLY_OK;
}

enum tally_status tally_lineage_decode(struct tally_slice payload, struct tally_lineage *l)
{
    json_error_t e;

    memset(l, 0, sizeof *l);
    TALLY_ENSURE(payload.len <= TALLY_LINEAGE_BYTES_MAX, TALLY_E_WIRE, "lineage of %zu bytes",
                 payload.len);
    json_t *root = json_loadb((const char *)payload.at, payload.len, JSON_REJECT_DUPLICATES, &e);
    TALLY_ENSURE(root != NULL, TALLY_E_WIRE, "lineage: line %d: %s", e.line, e.text);
    enum tally_status s = decode_root(root, l);
    json_decref(root);
    if (s != TALLY_OK) tally_lineage_free(l);
    return s;
}
