/* federation.c - see federation.h. */
#include "common/federation.h"

#include <stdio.h>
#include <string.h>

#include "common/anchors.h"
#include "common/federation_parts.h"
#include "common/hash.h"
#include "common/jsonread.h"

void tally_document_type(const char *type, enum tally_mode mode, char out[TALLY_DOCUMENT_TYPE_SIZE])
{
    (void)snprintf(out, TALLY_DOCUMENT_TYPE_SIZE, "application/vnd.tally.%s%s+json", type,
                   mode == TALLY_MODE_TEST ? "-test" : "");
}

enum tally_status tally_document_mode(const char *type, const char *payload_type,
                                      enum tally_mode *mode)
{
    static const enum tally_mode modes[] = {TALLY_MODE_PRODUCTION, TALLY_MODE_TEST};
    char expected[TALLY_DOCUMENT_TYPE_SIZE];

    for (size_t i = 0; i < 2; i++) {
        tally_document_type(type, modes[i], expected);
        if (strcmp(expected, payload_type) == 0) {
            *mode = modes[i];
            return TALLY_OK;
        }
    }
    return TALLY_FAIL(TALLY_E_CONFIG, "payloadType \"%.80s\": expected a %s document", payload_type,
                      type);
}

const struct tally_node *tally_federation_node(const struct tally_federation *f, const char *org,
                                               const char *node)
{
    for (uint32_t i = 0; i < f->nodes_n; i++) {
        if (strcmp(f->nodes[i].org, org) == 0 && strcmp(f->nodes[i].node, node) == 0)
            return &f->nodes[i];
    }
    return NULL;
}

const struct tally_party *tally_federation_party(const struct tally_federation *f, const char *name)
{
    for (uint32_t i = 0; i < f->parties_n; i++) {
        if (strcmp(f->parties[i].name, name) == 0) return &f->parties[i];
    }
    return NULL;
}

const struct tally_node *tally_federation_aggregator(const struct tally_federation *f)
{
    for (uint32_t i = 0; i < f->nodes_n; i++) {
        if (f->nodes[i].role == TALLY_ROLE_AGGREGATOR) return &f->nodes[i];
    }
    return NULL;
}

const struct tally_node *tally_federation_curve_key(const struct tally_federation *f,
                                                    const char *z85)
{
    for (uint32_t i = 0; i < f->nodes_n; i++) {
        const struct tally_node *n = &f->nodes[i];
        for (uint32_t k = 0; k < n->curve_keys_n; k++) {
            if (strcmp(n->curve_keys[k], z85) == 0) return n;
        }
    }
    return NULL;
}

const char *tally_mode_name(enum tally_mode mode)
{
    return mode == TALLY_MODE_TEST ? "test" : "production";
}

const char *tally_role_name(enum tally_role role)
{
    return tally_role_names[role - TALLY_ROLE_AGENT];
}

/* Version 1 is named by its own digest and follows nothing. */
static enum tally_status read_versions(const struct tally_json_at *root, struct tally_federation *f)
{
    struct tally_json_at version = tally_json_member(root, "version");
    struct tally_json_at id = tally_json_member(root, "id");
    struct tally_json_at prev = tally_json_member(root, "prev");
    uint64_t v = 0;

    TALLY_TRY(tally_json_uint(&version, 1, INT32_MAX, &v));
    f->version = (uint32_t)v;
    if (f->version == 1) {
        if (id.value != NULL || prev.value != NULL)
            return tally_json_refuse(root, "version 1 has neither \"id\" nor \"prev\"");
        memcpy(f->id, f->digest, sizeof f->id);
        return TALLY_OK;
    }
    TALLY_TRY(tally_json_hex(&id, f->id, sizeof f->id));
    TALLY_TRY(tally_json_hex(&prev, f->prev, sizeof f->prev));
    if (f->version == 2 && memcmp(f->id, f->prev, sizeof f->id) != 0)
        return tally_json_refuse(&prev, "version 2 follows version 1, whose digest is the id");
    return TALLY_OK;
}

static enum tally_status read_times(const struct tally_json_at *root, struct tally_federation *f)
{
    struct tally_json_at issued = tally_json_member(root, "issued");
    struct tally_json_at expires = tally_json_member(root, "expires");

    TALLY_TRY(tally_json_uint(&issued, 1, UINT64_C(253402300799), &f->issued_s));
    TALLY_TRY(tally_json_uint(&expires, 1, UINT64_C(253402300799), &f->expires_s));
    if (f->expires_s <= f->issued_s) return tally_json_refuse(&expires, "is not after \"issued\"");
    return TALLY_OK;
}

static enum tally_status read_policy(const struct tally_json_at *at, struct tally_federation *f)
{
    /* A node's evidence has no vTPM part: rules for one must not look as if they were applied. */
    TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("snp?", "tdx?", "nvgpu?")));
    return tally_policy_from_json(at->value, &f->policy);
}

static enum tally_status read_votes(const struct tally_json_at *at, struct tally_federation *f)
{
    uint64_t quorum = 0, tolerated = 0;

    TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("quorum", "tolerated")));
    struct tally_json_at q = tally_json_member(at, "quorum");
    struct tally_json_at t = tally_json_member(at, "tolerated");
    TALLY_TRY(tally_json_uint(&q, 1, TALLY_PARTIES_MAX, &quorum));
    TALLY_TRY(tally_json_uint(&t, 0, TALLY_PARTIES_MAX, &tolerated));
    f->quorum = (uint32_t)quorum;
    f->tolerated = (uint32_t)tolerated;
    return TALLY_OK;
}

static enum tally_status read_needs(const struct tally_json_at *at, struct tally_federation *f)
{
    size_t n = 0;

    TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("needs")));
    struct tally_json_at needs = tally_json_member(at, "needs");
    TALLY_TRY(tally_json_array(&needs, 1, TALLY_PARTIES_MAX, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at name = tally_json_item(&needs, i);
        TALLY_TRY(tally_json_name(&name, f->needs[i]));
    }
    f->needs_n = (uint32_t)n;
    return TALLY_OK;
}

static enum tally_status read_anchors(const struct tally_json_at *root, struct tally_federation *f)
{
    struct tally_json_at list = tally_json_member(root, "anchors");
    char name[TALLY_NAME_MAX + 1];
    size_t n = 0;

    TALLY_TRY(tally_json_array(&list, 1, TALLY_ANCHORS_MAX, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at at = tally_json_item(&list, i);
        TALLY_TRY(tally_json_name(&at, name));
        for (size_t k = 0; k < i; k++) {
            if (strcmp(f->anchors[k].name, name) == 0)
                return tally_json_refuse(&at, "is listed twice");
        }
        TALLY_TRY(tally_anchor_named(name, &f->anchors[i]));
        f->anchors_n++;
    }
    return TALLY_OK;
}

/* The one difference between the modes: what a document can say about roots. */
static enum tally_status read_roots(const struct tally_json_at *root, struct tally_federation *f)
{
    if (f->mode != TALLY_MODE_TEST) return read_anchors(root, f);
#ifdef TALLY_WITHOUT_TEST_DOCUMENTS
    return TALLY_FAIL(TALLY_E_CONFIG, "this build has no parser of test documents");
#else
    return tally_federation_read_test_root(root, f);
#endif
}

static void count_organisations(struct tally_federation *f)
{
    const struct tally_node *agg = tally_federation_aggregator(f);

    for (uint32_t p = 0; p < f->parties_n; p++) {
        bool votes = false;
        for (uint32_t i = 0; i < f->nodes_n && !votes; i++)
            votes = f->nodes[i].role == TALLY_ROLE_AGENT &&
                    strcmp(f->nodes[i].org, f->parties[p].name) == 0;
        f->organisations += votes;
        if (agg != NULL && strcmp(agg->org, f->parties[p].name) == 0) f->owner = p;
    }
}

#define DOCUMENT_KEYS                                                                          \
    "type", "name", "version", "id?", "prev?", "issued", "expires", "parties", "measurements", \
        "policy", "votes", "changes", "ledger?"

static enum tally_status read_document(const struct tally_json_at *root, struct tally_federation *f)
{
    struct tally_json_at type = tally_json_member(root, "type");
    struct tally_json_at name = tally_json_member(root, "name");
    struct tally_json_at parties = tally_json_member(root, "parties");
    struct tally_json_at measurements = tally_json_member(root, "measurements");
    struct tally_json_at policy = tally_json_member(root, "policy");
    struct tally_json_at votes = tally_json_member(root, "votes");
    struct tally_json_at changes = tally_json_member(root, "changes");
    struct tally_json_at ledger = tally_json_member(root, "ledger");

    TALLY_TRY(tally_json_keys(root, f->mode == TALLY_MODE_TEST
                                        ? TALLY_JSON_KEYS(DOCUMENT_KEYS, "test_root", "test_roots?")
                                        : TALLY_JSON_KEYS(DOCUMENT_KEYS, "anchors")));
    if (ledger.value != NULL) return tally_json_refuse(&ledger, "this build keeps no ledger");
    TALLY_TRY(tally_json_exact(&type, "federation"));
    TALLY_TRY(tally_json_name(&name, f->name));
    TALLY_TRY(read_versions(root, f));
    TALLY_TRY(read_times(root, f));
    TALLY_TRY(tally_federation_read_parties(&parties, f));
    TALLY_TRY(tally_federation_read_measurements(&measurements, f));
    TALLY_TRY(read_policy(&policy, f));
    TALLY_TRY(read_votes(&votes, f));
    TALLY_TRY(read_needs(&changes, f));
    count_organisations(f);
    TALLY_TRY(tally_federation_check(f));
    return read_roots(root, f);
}

enum tally_status tally_federation_decode(const char *payload_type, struct tally_slice payload,
                                          struct tally_federation *out)
{
    TALLY_CLEANUP(tally_json_free) json_t *j = NULL;

    memset(out, 0, sizeof *out);
    TALLY_TRY(tally_document_mode("federation", payload_type, &out->mode));
    TALLY_SHA256_OF(out->digest, payload);
    enum tally_status s =
        tally_json_parse(payload, TALLY_FEDERATION_BYTES_MAX, "federation document", &j);
    if (s == TALLY_OK) {
        struct tally_json_at root = tally_json_root(j);
        s = read_document(&root, out);
    }
    if (s != TALLY_OK) memset(out, 0, sizeof *out);
    return s;
}
