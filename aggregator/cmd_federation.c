/* cmd_federation.c - `tally-aggregator federation add|sign|show|revoke`: the draft, the document
 * that goes round for signatures (federation.json), and taking it into use. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/commands.h"
#include "aggregator/conf.h"
#include "aggregator/draft.h"
#include "aggregator/testchips.h"
#include "common/cert.h"
#include "common/federation_change.h"
#include "common/federation_show.h"
#include "common/file.h"
#include "common/jsonread.h"
#include "common/nodefile.h"
#include "common/software.h"

static void free_bytes(uint8_t **p)
{
    free(*p);
    *p = NULL;
}

static void free_federation(struct tally_federation **p)
{
    free(*p);
    *p = NULL;
}

static void free_revocations(struct tally_revocations **p)
{
    free(*p);
    *p = NULL;
}

static enum tally_status new_federation(struct tally_federation **f)
{
    *f = calloc(1, sizeof **f);
    TALLY_ENSURE(*f != NULL, TALLY_E_NOMEM, "no memory for a federation document");
    return TALLY_OK;
}

/* What a command did, for people and for JSON. */
struct outcome {
    char digest[72];
    json_t *missing, *chips; /* owned */
    bool signed_here, in_force;
};

static void outcome_free(struct outcome *o)
{
    json_decref(o->missing);
    json_decref(o->chips);
}

static int report(const struct outcome *o, const char *dir, bool json)
{
    if (json)
        return tally_cli_json(json_pack("{s:s*, s:b, s:O, s:O}", "digest",
                                        *o->digest != '\0' ? o->digest : NULL, "in_force",
                                        o->in_force, "missing", o->missing, "chips", o->chips));
    for (size_t i = 0; i < json_array_size(o->chips); i++)
        tally_cli_say(false, "issued %s: give it to that agent as its chip file",
                      json_string_value(json_array_get(o->chips, i)));
    if (*o->digest == '\0') {
        tally_cli_say(false, "the draft is in %s/" TALLY_DRAFT_FILE "; next: federation sign", dir);
        return TALLY_EXIT_DONE;
    }
    tally_cli_say(false, "%s/federation.json is %s", dir, o->digest);
    for (size_t i = 0; i < json_array_size(o->missing); i++)
        tally_cli_say(false, "%s has not signed yet",
                      json_string_value(json_array_get(o->missing, i)));
    if (o->in_force)
        tally_cli_say(false, "every signature is there: it is in force here; hand the file to "
                             "every party, to run the same on it:");
    tally_cli_say(false, "  tally-agent federation sign --expect %s --in federation.json",
                  o->digest);
    return TALLY_EXIT_DONE;
}

/* ---- the document that goes round ---- */

static void pending_path(const char *dir, char out[TALLY_KEY_PATH_MAX])
{
    (void)snprintf(out, TALLY_KEY_PATH_MAX, "%s/federation.json", dir);
}

/* Takes it into use if nothing is missing; the draft has then done its work. */
static enum tally_status settle(const struct tally_place *p, const char *dir,
                                const struct tally_dsse *d, struct tally_federation *f,
                                struct outcome *o)
{
    TALLY_CLEANUP(free_federation) struct tally_federation *prev = NULL;
    TALLY_CLEANUP(free_revocations) struct tally_revocations *revoked = NULL;
    const char *missing[2 * TALLY_PARTIES_MAX];
    char path[TALLY_KEY_PATH_MAX];

    tally_digest_text(d->digest, o->digest);
    TALLY_TRY(tally_place_compare(p, f, &prev, &revoked));
    o->in_force = prev == NULL && tally_fedstore_has(&p->store);
    if (o->in_force) return TALLY_OK;
    uint32_t n = tally_federation_missing(prev, f, d, revoked, missing);
    for (uint32_t i = 0; i < n; i++)
        (void)json_array_append_new(o->missing, json_string(missing[i]));
    if (n > 0) return TALLY_OK;
    TALLY_TRY(tally_place_take(p, d, d->digest, f));
    o->in_force = true;
    (void)snprintf(path, sizeof path, "%s/%s", dir, TALLY_DRAFT_FILE);
    return tally_file_remove(path);
}

/* Is signature i of d one by a key that f or what is in force lists? */
static bool counts(const struct tally_dsse *d, uint32_t i, const struct tally_federation *f)
{
    struct tally_dsse one = *d; /* borrows the payload */

    one.signatures[0] = d->signatures[i];
    one.signatures_n = 1;
    for (uint32_t k = 0; f != NULL && k < f->parties_n; k++) {
        if (tally_dsse_signed_by(&one, f->parties[k].document_key)) return true;
    }
    return false;
}

static enum tally_status merge_into(struct tally_dsse *ours, const struct tally_dsse *theirs,
                                    const struct tally_federation *f,
                                    const struct tally_federation *prev)
{
    for (uint32_t i = 0; i < theirs->signatures_n; i++) {
        bool there = false;
        for (uint32_t k = 0; k < ours->signatures_n; k++)
            there = there || memcmp(ours->signatures[k].sig, theirs->signatures[i].sig,
                                    TALLY_SIGNATURE_BYTES) == 0;
        if (there || (!counts(theirs, i, f) && !counts(theirs, i, prev))) continue;
        TALLY_ENSURE(ours->signatures_n < TALLY_DSSE_SIGNATURES_MAX, TALLY_E_LIMIT,
                     "a document holds at most %d signatures", TALLY_DSSE_SIGNATURES_MAX);
        ours->signatures[ours->signatures_n++] = theirs->signatures[i];
    }
    return TALLY_OK;
}

/* Adds the signatures of a signed copy to federation.json. */
static enum tally_status merge(const struct tally_place *p, const char *dir,
                               struct tally_slice envelope, struct outcome *o)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse ours = {0};
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse theirs = {0};
    TALLY_CLEANUP(free_federation) struct tally_federation *f = NULL;
    TALLY_CLEANUP(free_federation) struct tally_federation *prev = NULL;
    TALLY_CLEANUP(free_revocations) struct tally_revocations *revoked = NULL;
    char path[TALLY_KEY_PATH_MAX];

    pending_path(dir, path);
    TALLY_TRY(new_federation(&f));
    TALLY_TRY(tally_dsse_parse(envelope, TALLY_FEDERATION_BYTES_MAX, &theirs));
    TALLY_TRY(tally_envelope_read(path, TALLY_FEDERATION_BYTES_MAX, &ours));
    TALLY_REFUSE_UNLESS(memcmp(ours.digest, theirs.digest, sizeof ours.digest) == 0 &&
                            strcmp(ours.payload_type, theirs.payload_type) == 0,
                        TALLY_R_E_FEDERATION, "it is a signed copy of another document than %s",
                        path);
    TALLY_TRY(tally_federation_decode(ours.payload_type,
                                      tally_slice_of(ours.payload, ours.payload_len), f));
    TALLY_TRY(tally_place_compare(p, f, &prev, &revoked));
    TALLY_TRY(merge_into(&ours, &theirs, f, prev));
    TALLY_TRY(tally_envelope_write(path, &ours));
    (void)json_array_clear(o->missing);
    return settle(p, dir, &ours, f, o);
}

/* ---- add ---- */

struct add_values {
    bool json;
    const char *dir, *software, *tee_name, *gpu_root, *rim_root;
    struct tally_cli_list measurements;
    enum tally_evidence_kind tee;
};

#define AT(member) offsetof(struct add_values, member)
static const struct tally_cli_option add_options[] = {
    TALLY_CLI_OPT_LIST("measurement", "ROLE:FILE|HEX", AT(measurements),
                       "a program that may run: the file itself, or its measurement"),
    TALLY_CLI_OPT_TEXT("software", "VERSION", AT(software),
                       "its version (default: this program's own)"),
    TALLY_CLI_OPT_TEXT("tee", "snp|tdx", AT(tee_name),
                       "what these nodes and measurements are of (default: snp)"),
    TALLY_CLI_OPT_TEXT("gpu-root", "FILE", AT(gpu_root),
                       "test: every node has GPUs, under this root of simulated ones"),
    TALLY_CLI_OPT_TEXT("rim-root", "FILE", AT(rim_root),
                       "test: the root of their reference manifests"),
    TALLY_CLI_OPT_TEXT("dir", "DIR", AT(dir), "the aggregator's folder (default: this one)"),
    TALLY_CLI_OPT_FLAG("json", AT(json), "one JSON object on stdout"),
};
static const struct tally_cli_spec add_spec = {
    .about = "Adds to the federation document: a bank's agent.pub.json, a program's measurement,\n"
             "or the signatures of a signed copy of federation.json.",
    .options = add_options,
    .options_n = sizeof add_options / sizeof add_options[0],
    .operands = "[FILE...]",
    .operands_max = TALLY_PARTIES_MAX};

/* In a test federation the owner issues the chips. */
static enum tally_status issue_chips(const struct add_values *v, json_t *party, struct outcome *o)
{
    const char *org = json_string_value(json_object_get(party, "name"));
    json_t *nodes = json_object_get(party, "nodes");
    struct tally_testchip chip;

    for (size_t i = 0; i < json_array_size(nodes); i++) {
        json_t *node = json_array_get(nodes, i);
        const char *name = json_string_value(json_object_get(node, "name"));
        if (json_object_get(node, "chips") != NULL || json_object_get(node, "id_keys") != NULL)
            continue;
        TALLY_TRY(tally_testchips_issue(v->dir, org, name, v->tee, tally_now_s(), &chip));
        TALLY_ENSURE(json_object_set_new(node, "chips", json_pack("[s]", chip.digest)) == 0 &&
                         json_array_append_new(o->chips, json_string(chip.path)) == 0,
                     TALLY_E_NOMEM, "no memory for a chip");
    }
    return TALLY_OK;
}

static enum tally_status add_party(const struct tally_place *p, const struct add_values *v,
                                   struct tally_slice text, const char *file, struct outcome *o)
{
    TALLY_CLEANUP(tally_json_free) json_t *party = NULL;
    TALLY_CLEANUP(tally_json_free) json_t *draft = NULL;

    TALLY_TRY(tally_nodefile_read(text, file, p->store.mode, &party));
    TALLY_TRY(tally_draft_open(p, v->dir, &draft));
    if (p->store.mode == TALLY_MODE_TEST) TALLY_TRY(issue_chips(v, party, o));
    TALLY_TRY(tally_draft_add_party(draft, party, p->store.mode));
    return tally_draft_save(v->dir, draft);
}

static enum tally_status add_file(const struct tally_place *p, const struct add_values *v,
                                  const char *file, struct outcome *o)
{
    TALLY_CLEANUP(free_bytes) uint8_t *bytes = NULL;
    TALLY_CLEANUP(tally_json_free) json_t *j = NULL;
    size_t len = 0;

    TALLY_TRY(tally_file_read(file, TALLY_ENVELOPE_BYTES_MAX, &bytes, &len));
    struct tally_slice text = tally_slice_of(bytes, len);
    TALLY_TRY(tally_json_parse(text, TALLY_ENVELOPE_BYTES_MAX, file, &j));
    if (json_object_get(j, "payloadType") != NULL) return merge(p, v->dir, text, o);
    return add_party(p, v, text, file, o);
}

static enum tally_status add_root(json_t *draft, const char *file)
{
    TALLY_CLEANUP(free_bytes) uint8_t *bytes = NULL;
    TALLY_CLEANUP(tally_cert_free) struct tally_cert cert = {0};
    struct tally_testroot root;
    size_t len = 0;

    if (file == NULL) return TALLY_OK;
    TALLY_TRY(tally_file_read(file, 4 * sizeof root.at, &bytes, &len));
    TALLY_TRY(tally_cert_from_file(tally_slice_of(bytes, len), "CERTIFICATE", root.at,
                                   sizeof root.at, &root.len));
    TALLY_TRY(tally_cert_parse(tally_slice_of(root.at, root.len), &cert));
    return tally_draft_add_root(draft, tally_slice_of(root.at, root.len));
}

/* Rules, roots and measurements. */
static enum tally_status add_machines(const struct tally_place *p, const struct add_values *v)
{
    TALLY_CLEANUP(tally_json_free) json_t *draft = NULL;
    enum tally_mode mode = p->store.mode;
    struct tally_testroot tdx = {.len = 0};
    bool gpus = v->gpu_root != NULL || v->rim_root != NULL;

    if (v->measurements.n == 0 && v->tee != TALLY_EVIDENCE_TDX && !gpus) return TALLY_OK;
    TALLY_ENSURE(!gpus || mode == TALLY_MODE_TEST, TALLY_E_CONFIG,
                 "--gpu-root, --rim-root: a production document names NVIDIA's roots");
    TALLY_TRY(tally_draft_open(p, v->dir, &draft));
    if (v->tee == TALLY_EVIDENCE_TDX) {
        if (mode == TALLY_MODE_TEST)
            TALLY_TRY(tally_testchips_tdx_root(v->dir, tally_now_s(), &tdx));
        TALLY_TRY(tally_draft_add_tdx(draft, mode, tally_slice_of(tdx.at, tdx.len)));
    }
    if (v->gpu_root != NULL) TALLY_TRY(tally_draft_add_gpus(draft));
    TALLY_TRY(add_root(draft, v->gpu_root));
    TALLY_TRY(add_root(draft, v->rim_root));
    for (size_t i = 0; i < v->measurements.n; i++)
        TALLY_TRY(tally_draft_add_measurement(draft, mode, v->tee, v->measurements.items[i],
                                              v->software));
    return tally_draft_save(v->dir, draft);
}

static bool something(const struct add_values *v, size_t files)
{
    return files != 0 || v->measurements.n != 0 || v->gpu_root != NULL || v->rim_root != NULL;
}

int tally_cmd_federation_add(int argc, char **argv)
{
    struct add_values v = {.dir = ".", .software = TALLY_SOFTWARE};
    TALLY_CLEANUP(outcome_free)
    struct outcome o = {.missing = json_array(), .chips = json_array()};
    struct tally_place place;
    size_t files = 0;

    int code = tally_cli_options(argc, argv, &add_spec, &v, &files);
    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = tally_aggregator_place(v.dir, &place);
    if (s == TALLY_OK) s = tally_draft_tee(v.tee_name, &v.tee);
    if (s == TALLY_OK && !something(&v, files))
        s = TALLY_FAIL(TALLY_E_CONFIG, "nothing to add: give a file or --measurement");
    for (size_t i = 1; s == TALLY_OK && i <= files; i++) {
        s = add_file(&place, &v, argv[i], &o);
        if (s != TALLY_OK) return tally_cli_fail(s, v.json, argv[i], NULL);
    }
    if (s == TALLY_OK) s = add_machines(&place, &v);
    if (s != TALLY_OK) return tally_cli_fail(s, v.json, "federation add", NULL);
    return report(&o, v.dir, v.json);
}

/* ---- sign ---- */

struct sign_values {
    bool json, replace;
    const char *dir;
    int64_t days;
};

#undef AT
#define AT(member) offsetof(struct sign_values, member)
static const struct tally_cli_option sign_options[] = {
    TALLY_CLI_OPT_INT("days", "N", AT(days), 1, 3650, "how long the document holds (default: 365)"),
    TALLY_CLI_OPT_FLAG("replace", AT(replace),
                       "although federation.json is of this version already: it is void then"),
    TALLY_CLI_OPT_TEXT("dir", "DIR", AT(dir), "the aggregator's folder (default: this one)"),
    TALLY_CLI_OPT_FLAG("json", AT(json), "one JSON object on stdout"),
};
static const struct tally_cli_spec sign_spec = {
    .about = "Makes the draft the document federation.json, with the owner's signature, to be\n"
             "handed to every party.",
    .options = sign_options,
    .options_n = sizeof sign_options / sizeof sign_options[0]};

/* A second document of one version is what everybody refuses; so it is not made by mistake. */
static enum tally_status check_pending(const char *dir, const json_t *draft, bool replace)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    TALLY_CLEANUP(free_federation) struct tally_federation *f = NULL;
    char path[TALLY_KEY_PATH_MAX];
    json_int_t version = json_integer_value(json_object_get(draft, "version"));

    pending_path(dir, path);
    if (replace || !tally_file_exists(path)) return TALLY_OK;
    TALLY_TRY(new_federation(&f));
    TALLY_TRY(tally_envelope_read(path, TALLY_FEDERATION_BYTES_MAX, &d));
    TALLY_TRY(tally_federation_decode(d.payload_type, tally_slice_of(d.payload, d.payload_len), f));
    TALLY_ENSURE((json_int_t)f->version != version, TALLY_E_STATE,
                 "%s is version %u already; hand it out, or void it with --replace", path,
                 f->version);
    return TALLY_OK;
}

static enum tally_status sign(const struct tally_place *p, const struct sign_values *v,
                              struct outcome *o)
{
    enum { DAY_S = 86400 };
    TALLY_CLEANUP(tally_json_free) json_t *draft = NULL;
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    TALLY_CLEANUP(free_federation) struct tally_federation *f = NULL;
    char path[TALLY_KEY_PATH_MAX];

    TALLY_TRY(new_federation(&f));
    TALLY_TRY(tally_draft_open(p, v->dir, &draft));
    TALLY_TRY(check_pending(v->dir, draft, v->replace));
    TALLY_TRY(
        tally_draft_freeze(draft, p->store.mode, tally_now_s(), (uint64_t)v->days * DAY_S, &d, f));
    TALLY_TRY(tally_place_sign(p, f->id, &d));
    TALLY_REFUSE_UNLESS(tally_party_signed(f, NULL, p->store.org, &d, UINT64_MAX),
                        TALLY_R_E_IDENTITY, "the draft lists another document key for %s",
                        p->store.org);
    pending_path(v->dir, path);
    TALLY_TRY(tally_envelope_write(path, &d));
    return settle(p, v->dir, &d, f, o);
}

int tally_cmd_federation_sign(int argc, char **argv)
{
    struct sign_values v = {.dir = ".", .days = 365};
    TALLY_CLEANUP(outcome_free)
    struct outcome o = {.missing = json_array(), .chips = json_array()};
    struct tally_place place;

    int code = tally_cli_options(argc, argv, &sign_spec, &v, NULL);
    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = tally_aggregator_place(v.dir, &place);
    if (s == TALLY_OK) s = sign(&place, &v, &o);
    if (s != TALLY_OK) return tally_cli_fail(s, v.json, "federation sign", NULL);
    return report(&o, v.dir, v.json);
}

int tally_cmd_federation_show(int argc, char **argv)
{
    return tally_documents_show(argc, argv, tally_aggregator_place);
}

int tally_cmd_federation_revoke(int argc, char **argv)
{
    return tally_documents_revoke(argc, argv, tally_aggregator_place);
}
