/* draft.c - see draft.h. */
#include "aggregator/draft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/hash.h"
#include "common/jsonread.h"
#include "common/nodefile.h"

enum { PROGRAM_BYTES_MAX = 1 << 30 };

/* As documents say it, of a measurement and of the rules. */
static const char *tee_name(enum tally_evidence_kind tee)
{
    return tee == TALLY_EVIDENCE_TDX ? "tdx" : "snp";
}

/* ---- what follows from the parties ---- */

static bool has_agent(const json_t *party)
{
    const json_t *nodes = json_object_get(party, "nodes");

    for (size_t i = 0; i < json_array_size(nodes); i++) {
        const char *role = json_string_value(json_object_get(json_array_get(nodes, i), "role"));
        if (role != NULL && strcmp(role, "agent") == 0) return true;
    }
    return false;
}

/* The least that the rule 2 x quorum > organisations + tolerated allows. */
static json_t *votes_for(const json_t *parties, enum tally_mode mode)
{
    int organisations = 0, tolerated = mode == TALLY_MODE_TEST ? 0 : 1;

    for (size_t i = 0; i < json_array_size(parties); i++)
        organisations += has_agent(json_array_get(parties, i));
    return json_pack("{s:i, s:i}", "quorum", (organisations + tolerated) / 2 + 1, "tolerated",
                     tolerated);
}

static json_t *needs_of(const json_t *parties)
{
    json_t *names = json_array();

    for (size_t i = 0; i < json_array_size(parties); i++)
        (void)json_array_append(names, json_object_get(json_array_get(parties, i), "name"));
    return json_pack("{s:o}", "needs", names);
}

/* Sets draft.key to what follows from the parties now, if it is what followed before. */
static enum tally_status follow(json_t *draft, const char *key, json_t *before, json_t *now)
{
    bool untouched = json_equal(json_object_get(draft, key), before) == 1;
    int bad = now == NULL || (untouched && json_object_set(draft, key, now) != 0);

    json_decref(before);
    json_decref(now);
    TALLY_ENSURE(!bad, TALLY_E_NOMEM, "no memory for the draft");
    return TALLY_OK;
}

/* ---- a new draft ---- */

static json_t *default_policy(void)
{
    struct tally_snp_policy strict;

    tally_snp_policy_strict(&strict);
    return json_pack("{s:o}", "snp", tally_snp_policy_to_json(&strict));
}

static int set_roots(json_t *draft, enum tally_mode mode, struct tally_slice test_root)
{
    if (mode != TALLY_MODE_TEST)
        return json_object_set_new(draft, "anchors", json_pack("[s, s]", "amd-genoa", "amd-turin"));
    char *text = malloc(TALLY_BASE64_SIZE(test_root.len));
    if (text == NULL) return -1;
    tally_base64(test_root, text);
    int bad = json_object_set_new(draft, "test_root", json_string(text));
    free(text);
    return bad;
}

enum tally_status tally_draft_new(enum tally_mode mode, const char *name, json_t *party,
                                  struct tally_slice test_root, json_t **draft)
{
    TALLY_CLEANUP(tally_json_free) json_t *parties = json_pack("[O]", party);
    json_t *j = json_pack("{s:s, s:s, s:i, s:i, s:i, s:O, s:[], s:o}", "type", "federation", "name",
                          name, "version", 1, "issued", 0, "expires", 0, "parties", parties,
                          "measurements", "policy", default_policy());

    if (j == NULL || set_roots(j, mode, test_root) != 0 ||
        json_object_set_new(j, "votes", votes_for(parties, mode)) != 0 ||
        json_object_set_new(j, "changes", needs_of(parties)) != 0) {
        json_decref(j);
        return TALLY_FAIL(TALLY_E_NOMEM, "no memory for the draft");
    }
    *draft = j;
    return TALLY_OK;
}

/* ---- on disk ---- */

static void draft_path(const char *dir, char out[TALLY_KEY_PATH_MAX])
{
    (void)snprintf(out, TALLY_KEY_PATH_MAX, "%s/%s", dir, TALLY_DRAFT_FILE);
}

/* The payload in force as a draft of the version after it. */
static enum tally_status next_version(const struct tally_place *p, json_t **draft)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    char path[TALLY_FEDSTORE_PATH_MAX], prev[65], id[65];
    struct tally_federation *f = calloc(1, sizeof *f);

    TALLY_ENSURE(f != NULL, TALLY_E_NOMEM, "no memory to read the federation");
    enum tally_status s = tally_fedstore_latest(&p->store, f, NULL);
    if (s == TALLY_OK) {
        tally_fedstore_path(&p->store, f->version, f->digest, path);
        s = tally_envelope_read(path, TALLY_FEDERATION_BYTES_MAX, &d);
    }
    uint32_t version = f->version;
    tally_hex(TALLY_SLICE(f->digest), prev);
    tally_hex(TALLY_SLICE(f->id), id);
    free(f);
    TALLY_TRY(s);
    TALLY_TRY(tally_json_parse(tally_slice_of(d.payload, d.payload_len), TALLY_FEDERATION_BYTES_MAX,
                               path, draft));
    json_t *head = json_pack("{s:i, s:s, s:s, s:i, s:i}", "version", (int)version + 1, "id", id,
                             "prev", prev, "issued", 0, "expires", 0);
    int bad = head == NULL || json_object_update(*draft, head) != 0;
    json_decref(head);
    if (bad) tally_json_free(draft);
    TALLY_ENSURE(!bad, TALLY_E_NOMEM, "no memory for the draft");
    return TALLY_OK;
}

enum tally_status tally_draft_open(const struct tally_place *p, const char *dir, json_t **draft)
{
    uint8_t *bytes = NULL;
    char path[TALLY_KEY_PATH_MAX];
    size_t len = 0;

    draft_path(dir, path);
    if (!tally_file_exists(path)) return next_version(p, draft);
    TALLY_TRY(tally_file_read(path, TALLY_FEDERATION_BYTES_MAX, &bytes, &len));
    enum tally_status s =
        tally_json_parse(tally_slice_of(bytes, len), TALLY_FEDERATION_BYTES_MAX, path, draft);
    free(bytes);
    return s;
}

enum tally_status tally_draft_save(const char *dir, const json_t *draft)
{
    char path[TALLY_KEY_PATH_MAX];

    draft_path(dir, path);
    return tally_json_write(path, draft);
}

/* ---- changes ---- */

enum tally_status tally_draft_add_party(json_t *draft, json_t *party, enum tally_mode mode)
{
    json_t *parties = json_object_get(draft, "parties");
    const char *name = json_string_value(json_object_get(party, "name"));
    size_t i = 0, n = json_array_size(parties);

    TALLY_TRY(tally_federation_check_party(party));
    TALLY_ENSURE(json_is_array(parties), TALLY_E_CONFIG, "the draft's parties are no list");
    json_t *votes = votes_for(parties, mode), *needs = needs_of(parties);
    for (; i < n; i++) {
        const char *other = json_string_value(json_object_get(json_array_get(parties, i), "name"));
        if (other != NULL && strcmp(other, name) == 0) break;
    }
    int bad = i < n ? json_array_set(parties, i, party) : json_array_append(parties, party);
    enum tally_status a = follow(draft, "votes", votes, votes_for(parties, mode));
    enum tally_status b = follow(draft, "changes", needs, needs_of(parties));
    TALLY_ENSURE(bad == 0 && a == TALLY_OK && b == TALLY_OK, TALLY_E_NOMEM,
                 "no memory for the draft");
    return TALLY_OK;
}

enum tally_status tally_draft_tee(const char *name, enum tally_evidence_kind *out)
{
    *out = TALLY_EVIDENCE_SNP;
    if (name == NULL || strcmp(name, tee_name(TALLY_EVIDENCE_SNP)) == 0) return TALLY_OK;
    *out = TALLY_EVIDENCE_TDX;
    TALLY_ENSURE(strcmp(name, tee_name(TALLY_EVIDENCE_TDX)) == 0, TALLY_E_CONFIG,
                 "--tee %.40s: expected snp or tdx", name);
    return TALLY_OK;
}

/* A program's launch measurement as a simulated chip takes it: SHA-384 of the file. */
static enum tally_status measure(const char *file, char hex[2 * TALLY_MEASUREMENT_BYTES + 1])
{
    struct tally_slice map = {0};
    uint8_t digest[TALLY_MEASUREMENT_BYTES];

    TALLY_TRY(tally_file_map(file, PROGRAM_BYTES_MAX, &map));
    tally_hash(TALLY_SHA384, &map, 1, digest);
    tally_file_unmap(&map);
    tally_hex(TALLY_SLICE(digest), hex);
    return TALLY_OK;
}

/* Where an entry of "measurements" says what was measured. */
static const char *digest_key(enum tally_evidence_kind tee)
{
    return tee == TALLY_EVIDENCE_TDX ? "mrtd" : "digest";
}

/* Appends it unless there is one of the same role, TEE and digest. Takes m over. */
static enum tally_status append_measurement(json_t *list, enum tally_evidence_kind tee, json_t *m)
{
    const char *keys[] = {"role", "tee", digest_key(tee)};

    for (size_t i = 0; m != NULL && i < json_array_size(list); i++) {
        const json_t *old = json_array_get(list, i);
        size_t k = 0;
        while (k < 3 && json_equal(json_object_get(old, keys[k]), json_object_get(m, keys[k]))) k++;
        if (k < 3) continue;
        json_decref(m);
        return TALLY_OK;
    }
    TALLY_ENSURE(m != NULL && json_array_append_new(list, m) == 0, TALLY_E_NOMEM,
                 "no memory for the draft");
    return TALLY_OK;
}

static bool has_rules(const json_t *draft, const char *part)
{
    return json_object_get(json_object_get(draft, "policy"), part) != NULL;
}

enum tally_status tally_draft_add_measurement(json_t *draft, enum tally_mode mode,
                                              enum tally_evidence_kind tee, const char *what,
                                              const char *software)
{
    static const enum tally_evidence_kind tees[] = {TALLY_EVIDENCE_SNP, TALLY_EVIDENCE_TDX};
    json_t *list = json_object_get(draft, "measurements");
    const char *colon = strchr(what, ':');
    char hex[2 * TALLY_MEASUREMENT_BYTES + 1];
    uint8_t digest[TALLY_MEASUREMENT_BYTES];

    TALLY_ENSURE(colon != NULL && json_is_array(list), TALLY_E_CONFIG,
                 "\"%.80s\": expected ROLE:FILE or ROLE: and 96 hex digits", what);
    if (tally_unhex(colon + 1, digest, sizeof digest) == TALLY_OK)
        tally_hex(TALLY_SLICE(digest), hex);
    else
        TALLY_TRY(measure(colon + 1, hex));
    for (size_t i = 0; i < 2; i++) {
        const char *name = tee_name(tees[i]);
        if (mode == TALLY_MODE_TEST ? !has_rules(draft, name) : tees[i] != tee) continue;
        json_t *m = json_pack("{s:s%, s:s, s:s, s:s}", "role", what, (size_t)(colon - what), "tee",
                              name, digest_key(tees[i]), hex, "software", software);
        TALLY_ENSURE(m != NULL, TALLY_E_CONFIG, "\"%.80s\" is not text", what);
        TALLY_TRY(append_measurement(list, tees[i], m));
    }
    return TALLY_OK;
}

/* ---- more than SNP ---- */

/* The part's strict rules, unless the draft has rules for it. */
static enum tally_status add_rules(json_t *draft, const char *part, json_t *strict)
{
    json_t *policy = json_object_get(draft, "policy");
    int bad = has_rules(draft, part) ? 0 : json_object_set(policy, part, strict);

    json_decref(strict);
    TALLY_ENSURE(json_is_object(policy), TALLY_E_CONFIG, "the draft's policy is no object");
    TALLY_ENSURE(bad == 0, TALLY_E_NOMEM, "no memory for the draft");
    return TALLY_OK;
}

static enum tally_status add_text_once(json_t *draft, const char *key, const char *text)
{
    json_t *list = json_object_get(draft, key), *item = json_string(text);
    size_t i = 0;

    if (list == NULL && json_object_set_new(draft, key, json_array()) == 0)
        list = json_object_get(draft, key);
    while (i < json_array_size(list) && !json_equal(json_array_get(list, i), item)) i++;
    int bad = i < json_array_size(list) ? 0 : json_array_append(list, item);
    json_decref(item);
    TALLY_ENSURE(bad == 0, TALLY_E_CONFIG, "the draft's \"%s\" is no list", key);
    return TALLY_OK;
}

enum tally_status tally_draft_add_root(json_t *draft, struct tally_slice test_root)
{
    char *text = malloc(TALLY_BASE64_SIZE(test_root.len));

    TALLY_ENSURE(text != NULL, TALLY_E_NOMEM, "no memory for the draft");
    tally_base64(test_root, text);
    enum tally_status s = add_text_once(draft, "test_roots", text);
    free(text);
    return s;
}

/* What a simulated TDX machine measures of a program that a simulated SNP chip may run. */
static enum tally_status add_twins(json_t *draft)
{
    json_t *list = json_object_get(draft, "measurements");
    size_t n = json_array_size(list);

    for (size_t i = 0; i < n; i++) {
        const json_t *m = json_array_get(list, i);
        const char *tee = json_string_value(json_object_get(m, "tee"));
        if (tee == NULL || strcmp(tee, tee_name(TALLY_EVIDENCE_SNP)) != 0) continue;
        TALLY_TRY(append_measurement(
            list, TALLY_EVIDENCE_TDX,
            json_pack("{s:O, s:s, s:O, s:O}", "role", json_object_get(m, "role"), "tee",
                      tee_name(TALLY_EVIDENCE_TDX), "mrtd", json_object_get(m, "digest"),
                      "software", json_object_get(m, "software"))));
    }
    return TALLY_OK;
}

enum tally_status tally_draft_add_tdx(json_t *draft, enum tally_mode mode,
                                      struct tally_slice test_root)
{
    struct tally_tdx_policy strict;

    tally_tdx_policy_strict(&strict);
    TALLY_TRY(add_rules(draft, "tdx", tally_tdx_policy_to_json(&strict)));
    if (mode != TALLY_MODE_TEST) return add_text_once(draft, "anchors", "intel-sgx");
    TALLY_TRY(tally_draft_add_root(draft, test_root));
    return add_twins(draft);
}

enum tally_status tally_draft_add_gpus(json_t *draft)
{
    struct tally_gpu_policy strict;

    tally_gpu_policy_strict(&strict);
    return add_rules(draft, "nvgpu", tally_gpu_policy_to_json(&strict));
}

enum tally_status tally_draft_freeze(const json_t *draft, enum tally_mode mode, uint64_t now_s,
                                     uint64_t valid_s, struct tally_dsse *d,
                                     struct tally_federation *f)
{
    TALLY_CLEANUP(tally_json_free) json_t *j = json_deep_copy(draft);
    char type[TALLY_DOCUMENT_TYPE_SIZE];

    TALLY_ENSURE(
        j != NULL && json_object_set_new(j, "issued", json_integer((json_int_t)now_s)) == 0 &&
            json_object_set_new(j, "expires", json_integer((json_int_t)(now_s + valid_s))) == 0,
        TALLY_E_NOMEM, "no memory for the document");
    char *text = json_dumps(j, JSON_INDENT(2));
    TALLY_ENSURE(text != NULL, TALLY_E_NOMEM, "no memory for the document");
    tally_document_type("federation", mode, type);
    enum tally_status s = tally_federation_decode(type, tally_slice_str(text), f);
    if (s == TALLY_OK) s = tally_dsse_new(type, tally_slice_str(text), d);
    free(text);
    return s;
}
