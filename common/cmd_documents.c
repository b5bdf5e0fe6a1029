/* cmd_documents.c - see cmd_documents.h. */
#include "common/cmd_documents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/federation_change.h"
#include "common/federation_show.h"
#include "common/file.h"
#include "common/secret.h"

uint64_t tally_now_s(void)
{
    return (uint64_t)time(NULL);
}

enum tally_status tally_digest_parse(const char *text, uint8_t out[32])
{
    const char *hex = strncmp(text, "sha256:", 7) == 0 ? text + 7 : text;

    TALLY_ENSURE(tally_unhex(hex, out, 32) == TALLY_OK, TALLY_E_CONFIG,
                 "\"%.80s\": expected sha256: and 64 hex digits", text);
    return TALLY_OK;
}

void tally_digest_text(const uint8_t digest[32], char out[72])
{
    (void)snprintf(out, 72, "sha256:");
    tally_hex(tally_slice_of(digest, 32), out + 7);
}

static void free_bytes(uint8_t **p)
{
    free(*p);
    *p = NULL;
}

static void free_text(char **p)
{
    free(*p);
    *p = NULL;
}

enum tally_status tally_envelope_read(const char *path, size_t payload_max, struct tally_dsse *d)
{
    TALLY_CLEANUP(free_bytes) uint8_t *bytes = NULL;
    size_t len = 0;

    TALLY_TRY(tally_file_read(path, (size_t)2 * TALLY_ENVELOPE_BYTES_MAX, &bytes, &len));
    return tally_dsse_parse(tally_slice_of(bytes, len), payload_max, d);
}

enum tally_status tally_envelope_write(const char *path, const struct tally_dsse *d)
{
    TALLY_CLEANUP(free_text) char *text = NULL;

    TALLY_TRY(tally_dsse_text(d, &text));
    return tally_file_write(path, tally_slice_str(text), TALLY_FILE_MODE_PUBLIC);
}

enum tally_status tally_place_sign(const struct tally_place *p, const uint8_t *federation_id,
                                   struct tally_dsse *d)
{
    TALLY_CLEANUP(tally_sign_key_wipe) struct tally_sign_key key = {0};

    TALLY_TRY(tally_document_key_load(p->document_key, p->store.mode, federation_id, &key));
    return tally_dsse_sign(d, &key);
}

enum tally_status tally_place_take(const struct tally_place *p, const struct tally_dsse *d,
                                   const uint8_t *expect, struct tally_federation *f)
{
    TALLY_CLEANUP(free_text) char *text = NULL;

    TALLY_TRY(tally_dsse_text(d, &text));
    TALLY_TRY(tally_fedstore_take(&p->store, tally_slice_str(text), expect, tally_now_s(), f));
    TALLY_TRY(tally_nodekeys_bind(p->keys_dir, p->store.mode, f->id));
    if (!tally_file_exists(p->document_key)) return TALLY_OK;
    return tally_key_bind(p->document_key, TALLY_KEY_DOCUMENT, p->store.mode, f->id);
}

enum tally_status tally_place_compare(const struct tally_place *p, const struct tally_federation *f,
                                      struct tally_federation **prev,
                                      struct tally_revocations **revoked)
{
    struct tally_federation *current = calloc(1, sizeof *current);
    struct tally_revocations *r = calloc(1, sizeof *r);
    enum tally_status s = TALLY_OK;

    if (current == NULL || r == NULL)
        s = TALLY_FAIL(TALLY_E_NOMEM, "no memory to read the federation");
    if (s == TALLY_OK && tally_fedstore_has(&p->store))
        s = tally_fedstore_latest(&p->store, current, r);
    if (s != TALLY_OK || current->version == 0 || memcmp(current->digest, f->digest, 32) == 0) {
        free(current);
        current = NULL;
    }
    if (s != TALLY_OK) {
        free(r);
        return s;
    }
    *prev = current;
    *revoked = r;
    return TALLY_OK;
}

void tally_inforce_free(struct tally_inforce *i)
{
    free(i->f);
    free(i->revoked);
    i->f = NULL;
    i->revoked = NULL;
}

enum tally_status tally_inforce_load(const char *dir,
                                     enum tally_status (*open_place)(const char *dir,
                                                                     struct tally_place *p),
                                     struct tally_inforce *out)
{
    TALLY_TRY(open_place(dir, &out->place));
    out->f = calloc(1, sizeof *out->f);
    out->revoked = calloc(1, sizeof *out->revoked);
    TALLY_ENSURE(out->f != NULL && out->revoked != NULL, TALLY_E_NOMEM,
                 "no memory to read the federation");
    return tally_fedstore_load(&out->place.store, tally_now_s(), out->f, out->revoked);
}

/* ---- show ---- */

struct shown {
    json_t *signers, *missing, *changes, *warnings; /* owned */
    char digest[72];
    bool in_force;
};

static void shown_free(struct shown *s)
{
    json_decref(s->signers);
    json_decref(s->missing);
    json_decref(s->changes);
    json_decref(s->warnings);
}

static enum tally_status collect(const struct tally_place *p, const struct tally_dsse *d,
                                 const struct tally_federation *f, struct shown *s)
{
    const char *missing[2 * TALLY_PARTIES_MAX];
    struct tally_federation *prev = NULL;
    struct tally_revocations *revoked = NULL;

    TALLY_TRY(tally_place_compare(p, f, &prev, &revoked));
    tally_digest_text(f->digest, s->digest);
    s->in_force = prev == NULL && tally_fedstore_has(&p->store);
    s->signers = json_array();
    s->missing = json_array();
    s->warnings = tally_federation_warnings(f);
    s->changes = prev != NULL ? tally_federation_changes(prev, f) : json_array();
    for (uint32_t i = 0; i < f->parties_n; i++) {
        if (tally_party_signed(f, revoked, f->parties[i].name, d, UINT64_MAX))
            (void)json_array_append_new(s->signers, json_string(f->parties[i].name));
    }
    uint32_t n = s->in_force ? 0 : tally_federation_missing(prev, f, d, revoked, missing);
    for (uint32_t i = 0; i < n; i++)
        (void)json_array_append_new(s->missing, json_string(missing[i]));
    free(prev);
    free(revoked);
    return TALLY_OK;
}

static void print_list(const char *title, const json_t *list, const char *separator)
{
    if (json_array_size(list) == 0) return;
    (void)printf("%s", title);
    for (size_t i = 0; i < json_array_size(list); i++)
        (void)printf("%s%s", i > 0 ? separator : "", json_string_value(json_array_get(list, i)));
    (void)printf("\n");
}

static int show_json(const struct tally_dsse *d, const struct shown *s)
{
    json_t *document =
        json_loadb((const char *)d->payload, d->payload_len, JSON_REJECT_DUPLICATES, NULL);

    return tally_cli_json(json_pack("{s:s, s:b, s:O, s:O, s:O, s:O, s:o}", "digest", s->digest,
                                    "in_force", s->in_force, "signed", s->signers, "missing",
                                    s->missing, "warnings", s->warnings, "changes", s->changes,
                                    "document", document));
}

int tally_place_show(const struct tally_place *p, const struct tally_dsse *d,
                     const struct tally_federation *f, bool json)
{
    TALLY_CLEANUP(shown_free) struct shown s = {0};
    TALLY_CLEANUP(free_text) char *text = NULL;

    enum tally_status status = collect(p, d, f, &s);
    if (status == TALLY_OK) status = tally_federation_text(f, &text);
    if (status != TALLY_OK) return tally_cli_fail(status, json, "federation show", NULL);
    for (size_t i = 0; i < json_array_size(s.warnings); i++)
        tally_cli_warn("%s", json_string_value(json_array_get(s.warnings, i)));
    if (json) return show_json(d, &s);
    (void)printf("%s%s\n", text, s.in_force ? "in force here" : "not in force here");
    print_list("signed by ", s.signers, ", ");
    print_list("still missing: the signature of ", s.missing, ", ");
    print_list("changed against the version in force:\n  ", s.changes, "\n  ");
    return TALLY_EXIT_DONE;
}

struct show_values {
    bool json;
    const char *dir, *in;
};

static enum tally_status read_shown(const struct tally_place *p, const char *in,
                                    struct tally_dsse *d, struct tally_federation *f)
{
    char path[TALLY_FEDSTORE_PATH_MAX];

    if (in == NULL) {
        TALLY_TRY(tally_fedstore_latest(&p->store, f, NULL));
        tally_fedstore_path(&p->store, f->version, f->digest, path);
        in = path;
    }
    TALLY_TRY(tally_envelope_read(in, TALLY_FEDERATION_BYTES_MAX, d));
    return tally_federation_decode(d->payload_type, tally_slice_of(d->payload, d->payload_len), f);
}

int tally_documents_show(int argc, char **argv,
                         enum tally_status (*open_place)(const char *dir, struct tally_place *p))
{
    static const struct tally_cli_option options[] = {
        TALLY_CLI_OPT_TEXT("dir", "DIR", offsetof(struct show_values, dir),
                           "the program's folder (default: this one)"),
        TALLY_CLI_OPT_TEXT("in", "FILE", offsetof(struct show_values, in),
                           "an envelope; without it, what is in force"),
        TALLY_CLI_OPT_FLAG("json", offsetof(struct show_values, json), "one JSON object on stdout"),
    };
    static const struct tally_cli_spec spec = {
        .about = "Shows a federation document: what it says, who signed, what changed.",
        .options = options,
        .options_n = sizeof options / sizeof options[0]};
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    struct show_values v = {.dir = "."};
    struct tally_place place;

    int code = tally_cli_options(argc, argv, &spec, &v, NULL);
    if (code != TALLY_CLI_GO) return code;
    struct tally_federation *f = calloc(1, sizeof *f);
    enum tally_status s = f != NULL ? open_place(v.dir, &place) : TALLY_E_NOMEM;
    if (s == TALLY_OK) s = read_shown(&place, v.in, &d, f);
    code = s == TALLY_OK ? tally_place_show(&place, &d, f, v.json)
                         : tally_cli_fail(s, v.json, "federation show", NULL);
    free(f);
    return code;
}
