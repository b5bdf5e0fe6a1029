/* revocation.c - see revocation.h. */
#include "common/revocation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/jsonread.h"

const char *const tally_revocation_kind_names[] = {"measurement", "chip",         "node",
                                                   "session_key", "document_key", NULL};

/* "org/node" */
static enum tally_status read_node(const struct tally_json_at *at, struct tally_revocation *r)
{
    const char *s = json_string_value(at->value);
    const char *slash = s != NULL ? strchr(s, '/') : NULL;

    if (slash == NULL || !tally_name_ok(tally_slice_of(s, (size_t)(slash - s))) ||
        !tally_name_ok(tally_slice_str(slash + 1)))
        return tally_json_refuse(at, "expected \"ORG/NODE\"");
    (void)snprintf(r->org, sizeof r->org, "%.*s", (int)(slash - s), s);
    (void)snprintf(r->node, sizeof r->node, "%s", slash + 1);
    return TALLY_OK;
}

static enum tally_status read_revokes(const struct tally_json_at *at, struct tally_revocation *r)
{
    size_t kind = 0;

    TALLY_TRY(tally_json_keys(
        at, TALLY_JSON_KEYS("measurement?", "chip?", "node?", "session_key?", "document_key?")));
    if (json_object_size(at->value) != 1) return tally_json_refuse(at, "expected exactly one key");
    while (json_object_get(at->value, tally_revocation_kind_names[kind]) == NULL) kind++;
    struct tally_json_at value = tally_json_member(at, tally_revocation_kind_names[kind]);
    r->kind = (enum tally_revocation_kind)kind;
    switch (r->kind) {
    case TALLY_REVOKE_MEASUREMENT: return tally_json_hex(&value, r->value, TALLY_MEASUREMENT_BYTES);
    case TALLY_REVOKE_CHIP: return tally_json_hex(&value, r->value, TALLY_CHIP_DIGEST_BYTES);
    case TALLY_REVOKE_NODE: return read_node(&value, r);
    case TALLY_REVOKE_SESSION_KEY:
    case TALLY_REVOKE_DOCUMENT_KEY: return tally_json_base64(&value, r->value, 32);
    case TALLY_REVOCATION_KINDS: break;
    }
    return tally_json_refuse(at, "is of an unknown kind");
}

static enum tally_status read_document(const struct tally_json_at *root, struct tally_revocation *r)
{
    struct tally_json_at type = tally_json_member(root, "type");
    struct tally_json_at federation = tally_json_member(root, "federation");
    struct tally_json_at issued = tally_json_member(root, "issued");
    struct tally_json_at revokes = tally_json_member(root, "revokes");
    struct tally_json_at why = tally_json_member(root, "why");

    TALLY_TRY(
        tally_json_keys(root, TALLY_JSON_KEYS("type", "federation", "issued", "revokes", "why")));
    TALLY_TRY(tally_json_exact(&type, "revocation"));
    TALLY_TRY(tally_json_hex(&federation, r->federation, sizeof r->federation));
    TALLY_TRY(tally_json_uint(&issued, 1, UINT64_C(253402300799), &r->issued_s));
    TALLY_TRY(tally_json_text(&why, r->why, sizeof r->why));
    return read_revokes(&revokes, r);
}

enum tally_status tally_revocation_decode(const char *payload_type, struct tally_slice payload,
                                          struct tally_revocation *out)
{
    TALLY_CLEANUP(tally_json_free) json_t *j = NULL;
    struct tally_revocation r = {0};

    TALLY_TRY(tally_document_mode("revocation", payload_type, &r.mode));
    TALLY_SHA256_OF(r.digest, payload);
    TALLY_TRY(tally_json_parse(payload, TALLY_REVOCATION_BYTES_MAX, "revocation", &j));
    struct tally_json_at root = tally_json_root(j);
    TALLY_TRY(read_document(&root, &r));
    *out = r;
    return TALLY_OK;
}

enum tally_status tally_revocation_make(const struct tally_federation *f,
                                        enum tally_revocation_kind kind, const char *value,
                                        const char *why, uint64_t now_s, char **payload)
{
    char id[65], type[TALLY_DOCUMENT_TYPE_SIZE];
    struct tally_revocation check;

    tally_hex(TALLY_SLICE(f->id), id);
    TALLY_CLEANUP(tally_json_free)
    json_t *j = json_pack("{s:s, s:s, s:I, s:{s:s}, s:s}", "type", "revocation", "federation", id,
                          "issued", (json_int_t)now_s, "revokes", tally_revocation_kind_names[kind],
                          value, "why", why);
    TALLY_ENSURE(j != NULL, TALLY_E_CONFIG, "a revocation's value and reason are UTF-8 text");
    char *text = json_dumps(j, JSON_INDENT(2));
    TALLY_ENSURE(text != NULL, TALLY_E_NOMEM, "no memory for a revocation");
    tally_document_type("revocation", f->mode, type);
    enum tally_status s = tally_revocation_decode(type, tally_slice_str(text), &check);
    if (s != TALLY_OK) {
        free(text);
        return s;
    }
    *payload = text;
    return TALLY_OK;
}

static bool lists_chip(const struct tally_node *n, const uint8_t chip[TALLY_CHIP_DIGEST_BYTES])
{
    for (uint32_t i = 0; i < n->chips_n; i++) {
        if (memcmp(n->chips[i], chip, TALLY_CHIP_DIGEST_BYTES) == 0) return true;
    }
    return false;
}

/* Is what r revokes this party's own? */
static bool owns(const struct tally_federation *f, const struct tally_party *p,
                 const struct tally_revocation *r)
{
    if (r->kind == TALLY_REVOKE_DOCUMENT_KEY) return memcmp(p->document_key, r->value, 32) == 0;
    for (uint32_t i = 0; i < f->nodes_n; i++) {
        const struct tally_node *n = &f->nodes[i];
        if (strcmp(n->org, p->name) != 0) continue;
        if (r->kind == TALLY_REVOKE_CHIP && lists_chip(n, r->value)) return true;
        if (r->kind == TALLY_REVOKE_SESSION_KEY && memcmp(n->session_key, r->value, 32) == 0)
            return true;
        if (r->kind == TALLY_REVOKE_NODE && strcmp(n->org, r->org) == 0 &&
            strcmp(n->node, r->node) == 0)
            return true;
    }
    return false;
}

static bool all_needed_signed(const struct tally_federation *f, const struct tally_dsse *d)
{
    for (uint32_t i = 0; i < f->needs_n; i++) {
        if (!tally_party_signed(f, NULL, f->needs[i], d, 0)) return false;
    }
    return true;
}

enum tally_status tally_revocation_authority(const struct tally_revocation *r,
                                             const struct tally_dsse *d,
                                             const struct tally_federation *f, const char *org,
                                             bool *binds)
{
    bool anyone = false;

    TALLY_REFUSE_UNLESS(r->mode == f->mode && memcmp(r->federation, f->id, sizeof f->id) == 0,
                        TALLY_R_E_FEDERATION, "the revocation is of another federation");
    *binds = true;
    if (all_needed_signed(f, d)) return TALLY_OK;
    for (uint32_t i = 0; i < f->parties_n; i++) {
        if (!tally_party_signed(f, NULL, f->parties[i].name, d, 0)) continue;
        anyone = true;
        if (owns(f, &f->parties[i], r)) return TALLY_OK;
    }
    *binds = tally_party_signed(f, NULL, org, d, 0);
    TALLY_REFUSE_UNLESS(anyone && r->kind == TALLY_REVOKE_MEASUREMENT, TALLY_R_E_SIGNATURE,
                        "neither the owner of this %s nor all who sign changes have signed",
                        tally_revocation_kind_names[r->kind]);
    return TALLY_OK;
}

/* Appends item to a list of n items of that size unless it is there. */
static enum tally_status append(void *list, uint32_t *n, const void *item, size_t size)
{
    for (uint32_t i = 0; i < *n; i++) {
        if (memcmp((uint8_t *)list + i * size, item, size) == 0) return TALLY_OK;
    }
    TALLY_ENSURE(*n < TALLY_REVOCATIONS_MAX, TALLY_E_LIMIT, "more than %d revocations of a kind",
                 TALLY_REVOCATIONS_MAX);
    memcpy((uint8_t *)list + *n * size, item, size);
    *n += 1;
    return TALLY_OK;
}

/* Of two revocations of one key the earlier counts. */
static enum tally_status add_document_key(struct tally_revocations *v,
                                          const struct tally_revocation *r)
{
    for (uint32_t i = 0; i < v->document_keys_n; i++) {
        if (memcmp(v->document_keys[i], r->value, 32) != 0) continue;
        if (r->issued_s < v->document_keys_from_s[i]) v->document_keys_from_s[i] = r->issued_s;
        return TALLY_OK;
    }
    TALLY_TRY(append(v->document_keys, &v->document_keys_n, r->value, 32));
    v->document_keys_from_s[v->document_keys_n - 1] = r->issued_s;
    return TALLY_OK;
}

enum tally_status tally_revocations_add(struct tally_revocations *v,
                                        const struct tally_revocation *r)
{
    switch (r->kind) {
    case TALLY_REVOKE_MEASUREMENT:
        return append(v->measurements, &v->measurements_n, r->value, TALLY_MEASUREMENT_BYTES);
    case TALLY_REVOKE_CHIP: return append(v->chips, &v->chips_n, r->value, TALLY_CHIP_DIGEST_BYTES);
    case TALLY_REVOKE_SESSION_KEY: return append(v->session_keys, &v->session_keys_n, r->value, 32);
    case TALLY_REVOKE_DOCUMENT_KEY: return add_document_key(v, r);
    case TALLY_REVOKE_NODE: {
        uint8_t name[sizeof v->nodes[0]] = {0};
        (void)snprintf((char *)name, sizeof r->org, "%s", r->org);
        (void)snprintf((char *)name + sizeof r->org, sizeof r->node, "%s", r->node);
        return append(v->nodes, &v->nodes_n, name, sizeof name);
    }
    case TALLY_REVOCATION_KINDS: break;
    }
    return TALLY_FAIL(TALLY_E_CONFIG, "a revocation of an unknown kind");
}

enum tally_status tally_revocations_resolve(struct tally_revocations *v,
                                            const struct tally_federation *f)
{
    for (uint32_t i = 0; i < f->nodes_n; i++) {
        uint32_t k = 0;
        if (!tally_revocations_node(v, &f->nodes[i])) continue;
        while (k < v->session_keys_n &&
               memcmp(v->session_keys[k], f->nodes[i].session_key, 32) != 0)
            k++;
        TALLY_ENSURE(k < sizeof v->session_keys / sizeof v->session_keys[0], TALLY_E_LIMIT,
                     "too many revoked session keys");
        memcpy(v->session_keys[k], f->nodes[i].session_key, 32);
        if (k == v->session_keys_n) v->session_keys_n++;
    }
    return TALLY_OK;
}

bool tally_revocations_node(const struct tally_revocations *v, const struct tally_node *n)
{
    for (uint32_t i = 0; v != NULL && i < v->nodes_n; i++) {
        if (strcmp(v->nodes[i].org, n->org) == 0 && strcmp(v->nodes[i].node, n->node) == 0)
            return true;
    }
    for (uint32_t i = 0; v != NULL && i < v->session_keys_n; i++) {
        if (memcmp(v->session_keys[i], n->session_key, 32) == 0) return true;
    }
    return false;
}

bool tally_revocations_document_key(const struct tally_revocations *v, const uint8_t key[32],
                                    uint64_t issued_s)
{
    for (uint32_t i = 0; v != NULL && i < v->document_keys_n; i++) {
        if (memcmp(v->document_keys[i], key, 32) == 0)
            return issued_s >= v->document_keys_from_s[i];
    }
    return false;
}

bool tally_party_signed(const struct tally_federation *f, const struct tally_revocations *revoked,
                        const char *party, const struct tally_dsse *d, uint64_t issued_s)
{
    const struct tally_party *p = tally_federation_party(f, party);

    return p != NULL && !tally_revocations_document_key(revoked, p->document_key, issued_s) &&
           tally_dsse_signed_by(d, p->document_key);
}
