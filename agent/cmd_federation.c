/* cmd_federation.c - `tally-agent federation sign|show|revoke`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/commands.h"
#include "agent/conf.h"
#include "common/federation_change.h"
#include "common/federation_show.h"
#include "common/secret.h"

struct values {
    bool json;
    const char *dir, *in, *out, *expect;
};

#define AT(member) offsetof(struct values, member)
static const struct tally_cli_option options[] = {
    TALLY_CLI_OPT_NEED("expect", "sha256:HEX", AT(expect),
                       "the document's digest, agreed with the other parties by another way"),
    TALLY_CLI_OPT_NEED("in", "FILE", AT(in), "the document as the owner handed it out"),
    TALLY_CLI_OPT_TEXT("out", "FILE", AT(out),
                       "where the signed document goes (default: the file of --in)"),
    TALLY_CLI_OPT_TEXT("dir", "DIR", AT(dir), "the agent's folder (default: this one)"),
    TALLY_CLI_OPT_FLAG("json", AT(json), "one JSON object on stdout"),
};
static const struct tally_cli_spec spec = {
    .about = "Signs a federation document for this bank; once every signature is there, the same\n"
             "command takes it into use.",
    .options = options,
    .options_n = sizeof options / sizeof options[0]};

/* Is the bank in it as it knows itself? */
static enum tally_status check_self(const struct tally_place *p, const struct tally_federation *f)
{
    struct tally_nodekeys_public keys;
    const struct tally_node *n = tally_federation_node(f, p->store.org, p->node);

    TALLY_REFUSE_UNLESS(n != NULL, TALLY_R_E_IDENTITY, "the document does not list %s/%s",
                        p->store.org, p->node);
    TALLY_TRY(tally_nodekeys_show(p->keys_dir, p->store.mode, &keys));
    return tally_nodekeys_listed(&keys, n);
}

static enum tally_status check_version(const struct tally_federation *prev,
                                       const struct tally_federation *f)
{
    if (prev == NULL) return TALLY_OK;
    TALLY_REFUSE_UNLESS(memcmp(f->id, prev->id, sizeof f->id) == 0, TALLY_R_E_FEDERATION,
                        "this agent belongs to another federation");
    TALLY_REFUSE_UNLESS(
        f->version == prev->version + 1 && memcmp(f->prev, prev->digest, sizeof f->prev) == 0,
        TALLY_R_E_FEDERATION, "it is version %u and does not follow version %u that is in force",
        f->version, prev->version);
    return TALLY_OK;
}

static enum tally_status sign(const struct tally_place *p, const struct values *v,
                              struct tally_dsse *d, struct tally_federation *f,
                              struct tally_federation **prev, struct tally_revocations **revoked)
{
    uint8_t expect[32];
    enum tally_mode mode = TALLY_MODE_PRODUCTION;

    TALLY_TRY(tally_digest_parse(v->expect, expect));
    TALLY_TRY(tally_envelope_read(v->in, TALLY_FEDERATION_BYTES_MAX, d));
    TALLY_REFUSE_UNLESS(memcmp(expect, d->digest, sizeof expect) == 0, TALLY_R_E_FEDERATION,
                        "%s is another document than the expected one", v->in);
    TALLY_TRY(tally_document_mode("federation", d->payload_type, &mode));
    TALLY_REFUSE_UNLESS(mode == p->store.mode, TALLY_R_E_FEDERATION,
                        "it is a %s document, and the configuration says mode: %s",
                        tally_mode_name(mode), tally_mode_name(p->store.mode));
    TALLY_TRY(
        tally_federation_decode(d->payload_type, tally_slice_of(d->payload, d->payload_len), f));
    TALLY_TRY(check_self(p, f));
    TALLY_TRY(tally_place_compare(p, f, prev, revoked));
    TALLY_TRY(check_version(*prev, f));
    if (!tally_party_signed(f, *revoked, p->store.org, d, UINT64_MAX))
        TALLY_TRY(tally_place_sign(p, f->id, d));
    TALLY_REFUSE_UNLESS(tally_party_signed(f, *revoked, p->store.org, d, UINT64_MAX),
                        TALLY_R_E_IDENTITY, "the document lists another document key for %s",
                        p->store.org);
    return tally_envelope_write(v->out != NULL ? v->out : v->in, d);
}

static int report(const struct values *v, const struct tally_dsse *d, const char *const *missing,
                  uint32_t missing_n)
{
    char digest[72];
    const char *out = v->out != NULL ? v->out : v->in;
    json_t *list = json_array();

    tally_digest_text(d->digest, digest);
    for (uint32_t i = 0; i < missing_n; i++)
        (void)json_array_append_new(list, json_string(missing[i]));
    if (v->json)
        return tally_cli_json(json_pack("{s:s, s:s, s:b, s:o}", "digest", digest, "file", out,
                                        "in_force", missing_n == 0, "missing", list));
    tally_cli_say(false, "signed %s in %s", digest, out);
    if (missing_n == 0) tally_cli_say(false, "every signature is there: it is in force here");
    for (uint32_t i = 0; i < missing_n; i++)
        tally_cli_say(false, "%s has not signed yet", missing[i]);
    if (missing_n > 0)
        tally_cli_say(false,
                      "give %s back to the owner; when the complete one comes, run this "
                      "command on it once more",
                      out);
    json_decref(list);
    return TALLY_EXIT_DONE;
}

static void warn(const struct tally_federation *f)
{
    json_t *warnings = tally_federation_warnings(f);

    for (size_t i = 0; i < json_array_size(warnings); i++)
        tally_cli_warn("%s", json_string_value(json_array_get(warnings, i)));
    json_decref(warnings);
}

/* Signs, and takes it into use when nothing is missing. */
static int sign_and_take(const struct tally_place *p, const struct values *v,
                         struct tally_federation *f)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    struct tally_federation *prev = NULL;
    struct tally_revocations *revoked = NULL;
    const char *missing[2 * TALLY_PARTIES_MAX];
    uint32_t n = 0;

    enum tally_status s = sign(p, v, &d, f, &prev, &revoked);
    if (s == TALLY_OK) {
        warn(f);
        bool there = prev == NULL && tally_fedstore_has(&p->store); /* in force already */
        n = there ? 0 : tally_federation_missing(prev, f, &d, revoked, missing);
    }
    if (s == TALLY_OK && n == 0) s = tally_place_take(p, &d, d.digest, f);
    int code = s == TALLY_OK ? report(v, &d, missing, n)
                             : tally_cli_fail(s, v->json, "federation sign", NULL);
    free(prev);
    free(revoked);
    return code;
}

int tally_cmd_federation_sign(int argc, char **argv)
{
    struct values v = {.dir = "."};
    struct tally_place place;

    int code = tally_cli_options(argc, argv, &spec, &v, NULL);
    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = tally_agent_place(v.dir, &place);
    if (s != TALLY_OK) return tally_cli_fail(s, v.json, "federation sign", NULL);
    struct tally_federation *f = calloc(1, sizeof *f);
    if (f == NULL) return tally_cli_fail(TALLY_E_NOMEM, v.json, "federation sign", NULL);
    code = sign_and_take(&place, &v, f);
    free(f);
    return code;
}

int tally_cmd_federation_show(int argc, char **argv)
{
    return tally_documents_show(argc, argv, tally_agent_place);
}

int tally_cmd_federation_revoke(int argc, char **argv)
{
    return tally_documents_revoke(argc, argv, tally_agent_place);
}
