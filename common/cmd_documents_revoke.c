/* cmd_documents_revoke.c - `federation revoke`: make a revocation, add a signature to another's,
 * take it into use. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cmd_documents.h"
#include "common/secret.h"

struct values {
    bool json;
    const char *dir, *in, *out, *why, *expect;
    const char *what[TALLY_REVOCATION_KINDS]; /* by kind */
};

#define WHAT(kind) (offsetof(struct values, what) + (kind) * sizeof(const char *))
static const struct tally_cli_option options[] = {
    TALLY_CLI_OPT_TEXT("measurement", "HEX", WHAT(TALLY_REVOKE_MEASUREMENT),
                       "a program, by its launch measurement"),
    TALLY_CLI_OPT_TEXT("chip", "HEX", WHAT(TALLY_REVOKE_CHIP), "a machine, by its chip digest"),
    TALLY_CLI_OPT_TEXT("node", "ORG/NODE", WHAT(TALLY_REVOKE_NODE), "a node, by name"),
    TALLY_CLI_OPT_TEXT("session-key", "BASE64", WHAT(TALLY_REVOKE_SESSION_KEY),
                       "a node, by its session key"),
    TALLY_CLI_OPT_TEXT("document-key", "BASE64", WHAT(TALLY_REVOKE_DOCUMENT_KEY),
                       "a party's document key"),
    TALLY_CLI_OPT_TEXT("why", "TEXT", offsetof(struct values, why),
                       "the reason, for everybody who reads it"),
    TALLY_CLI_OPT_TEXT("in", "FILE", offsetof(struct values, in),
                       "a revocation made by others: take it into use"),
    TALLY_CLI_OPT_TEXT("expect", "sha256:HEX", offsetof(struct values, expect),
                       "with --in: add this party's signature if it is this document"),
    TALLY_CLI_OPT_TEXT(
        "out", "FILE", offsetof(struct values, out),
        "where the signed revocation goes (default: revocation.json, or the file of --in)"),
    TALLY_CLI_OPT_TEXT("dir", "DIR", offsetof(struct values, dir),
                       "the program's folder (default: this one)"),
    TALLY_CLI_OPT_FLAG("json", offsetof(struct values, json), "one JSON object on stdout"),
};
static const struct tally_cli_spec spec = {
    .about = "Takes a measurement, chip, node or key out of use at once. The owner of a key, node "
             "or chip\nmay do so alone; any party a measurement, for its own taking part; all who "
             "sign changes, anything.",
    .options = options,
    .options_n = sizeof options / sizeof options[0]};

/* The one thing named on the command line. */
static enum tally_status the_one(const struct values *v, enum tally_revocation_kind *kind)
{
    unsigned n = 0;

    for (unsigned i = 0; i < TALLY_REVOCATION_KINDS; i++) {
        if (v->what[i] == NULL) continue;
        *kind = (enum tally_revocation_kind)i;
        n++;
    }
    TALLY_ENSURE(n == (v->in == NULL ? 1 : 0), TALLY_E_CONFIG,
                 "name exactly one of --measurement, --chip, --node, --session-key, --document-key "
                 "or --in");
    TALLY_ENSURE(v->in != NULL || v->why != NULL, TALLY_E_CONFIG, "--why TEXT is missing");
    return TALLY_OK;
}

static enum tally_status make(const struct tally_place *p, const struct values *v,
                              enum tally_revocation_kind kind, const struct tally_federation *f,
                              struct tally_dsse *d)
{
    char type[TALLY_DOCUMENT_TYPE_SIZE], *payload = NULL;

    TALLY_TRY(tally_revocation_make(f, kind, v->what[kind], v->why, tally_now_s(), &payload));
    tally_document_type("revocation", f->mode, type);
    enum tally_status s = tally_dsse_new(type, tally_slice_str(payload), d);
    free(payload);
    TALLY_TRY(s);
    return tally_place_sign(p, f->id, d);
}

static enum tally_status countersign(const struct tally_place *p, const struct values *v,
                                     const struct tally_federation *f, struct tally_dsse *d)
{
    uint8_t expect[32];

    TALLY_TRY(tally_envelope_read(v->in, TALLY_REVOCATION_BYTES_MAX, d));
    if (v->expect == NULL) return TALLY_OK;
    TALLY_TRY(tally_digest_parse(v->expect, expect));
    TALLY_REFUSE_UNLESS(memcmp(expect, d->digest, sizeof expect) == 0, TALLY_R_E_FEDERATION,
                        "%s is another document than the expected one", v->in);
    return tally_place_sign(p, f->id, d);
}

static int report(const struct values *v, const struct tally_dsse *d, const char *out, bool taken,
                  bool binds)
{
    char digest[72];

    tally_digest_text(d->digest, digest);
    if (v->json)
        return tally_cli_json(json_pack("{s:s, s:s, s:b, s:b}", "digest", digest, "file", out,
                                        "valid", taken, "binds_here", taken && binds));
    tally_cli_say(false, "%s is in %s", digest, out);
    if (!taken)
        tally_cli_say(false,
                      "its signatures do not suffice yet (%s): have the others add theirs "
                      "with --in %s --expect %s",
                      tally_why_text(), out, digest);
    else
        tally_cli_say(false, "in use here%s; hand the file to the other parties",
                      binds ? "" : ", where it stops nothing (it is another party's own decision)");
    return TALLY_EXIT_DONE;
}

static enum tally_status revoke(const struct tally_place *p, const struct values *v,
                                enum tally_revocation_kind kind, struct tally_dsse *d,
                                const char *out)
{
    struct tally_federation *f = calloc(1, sizeof *f);

    TALLY_ENSURE(f != NULL, TALLY_E_NOMEM, "no memory to read the federation");
    enum tally_status s = tally_fedstore_latest(&p->store, f, NULL);
    if (s == TALLY_OK) s = v->in != NULL ? countersign(p, v, f, d) : make(p, v, kind, f, d);
    if (s == TALLY_OK && (v->in == NULL || v->expect != NULL)) s = tally_envelope_write(out, d);
    free(f);
    return s;
}

static enum tally_status take(const struct tally_place *p, const struct tally_dsse *d, bool *taken,
                              bool *binds)
{
    struct tally_revocation r;
    char *text = NULL;

    TALLY_TRY(tally_dsse_text(d, &text));
    enum tally_status s = tally_fedstore_revoke(&p->store, tally_slice_str(text), &r, binds);
    free(text);
    *taken = s == TALLY_OK;
    return s == TALLY_E_AUTH ? TALLY_OK : s; /* more signatures may follow */
}

int tally_documents_revoke(int argc, char **argv,
                           enum tally_status (*open_place)(const char *dir, struct tally_place *p))
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    enum tally_revocation_kind kind = TALLY_REVOKE_MEASUREMENT;
    struct values v = {.dir = "."};
    struct tally_place place;
    bool taken = false, binds = false;

    int code = tally_cli_options(argc, argv, &spec, &v, NULL);
    if (code != TALLY_CLI_GO) return code;
    const char *out = v.out != NULL ? v.out : v.in != NULL ? v.in : "revocation.json";
    enum tally_status s = the_one(&v, &kind);
    if (s != TALLY_OK) {
        (void)tally_cli_fail(s, v.json, "federation revoke", NULL);
        return TALLY_EXIT_USAGE;
    }
    s = open_place(v.dir, &place);
    if (s == TALLY_OK) s = revoke(&place, &v, kind, &d, out);
    if (s == TALLY_OK) s = take(&place, &d, &taken, &binds);
    if (s != TALLY_OK) return tally_cli_fail(s, v.json, "federation revoke", NULL);
    return report(&v, &d, out, taken, binds);
}
