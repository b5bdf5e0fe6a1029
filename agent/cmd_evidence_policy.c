/* cmd_evidence_policy.c - `tally-agent evidence policy new|sign|show`. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cmd_evidence.h"
#include "common/cmd_documents.h"
#include "common/file.h"
#include "common/policydoc.h"
#include "common/secret.h"
#include "common/text.h"

static const char payload_type[] = "application/vnd.tally.policy+json";

struct values {
    const char *name, *key, *out;
    int64_t days;
    bool json;
};

#define AT(member) offsetof(struct values, member)
static const struct tally_cli_option new_options[] = {
    TALLY_CLI_OPT_NEED("name", "NAME", AT(name), "what the policy is called"),
    TALLY_CLI_OPT_INT("days", "N", AT(days), 1, 3660, "how long it holds (default: 90)"),
};
static const struct tally_cli_spec new_spec = {
    .about = "Prints the built-in strict policy as a payload; edit it, then sign it.",
    .options = new_options,
    .options_n = sizeof new_options / sizeof new_options[0]};
static const struct tally_cli_option sign_options[] = {
    TALLY_CLI_OPT_NEED("key", "FILE", AT(key), "a document key of a production party"),
    TALLY_CLI_OPT_NEED("out", "FILE", AT(out), "where the signed policy goes"),
    TALLY_CLI_OPT_FLAG("json", AT(json), "one JSON object on stdout"),
};
static const struct tally_cli_spec sign_spec = {
    .about = "Signs a policy, or adds a signature to a signed one.",
    .options = sign_options,
    .options_n = sizeof sign_options / sizeof sign_options[0],
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1};
static const struct tally_cli_option show_options[] = {
    TALLY_CLI_OPT_FLAG("json", AT(json), "one JSON object on stdout"),
};
static const struct tally_cli_spec show_spec = {
    .about = "Shows a signed policy: its rules, its reference values, how many signed.",
    .options = show_options,
    .options_n = sizeof show_options / sizeof show_options[0],
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1};

static void free_document(struct tally_policydoc **d)
{
    free(*d);
}

static void free_bytes(uint8_t **b)
{
    free(*b);
}

int tally_cmd_evidence_policy_new(int argc, char **argv)
{
    enum { DAY = 24 * 3600, INDENT = 2 };
    struct values v = {.days = 90};
    int code = tally_cli_options(argc, argv, &new_spec, &v, NULL);

    if (code != TALLY_CLI_GO) return code;
    if (!tally_name_ok(tally_slice_str(v.name))) {
        (void)fprintf(stderr, "tally-agent evidence: \"%.60s\" is not a name of [a-z0-9._-]\n",
                      v.name);
        return TALLY_EXIT_USAGE;
    }
    uint64_t now_s = tally_now_s();
    json_t *o = tally_policydoc_strict(v.name, now_s, now_s + (uint64_t)v.days * DAY);
    int bad = o == NULL || json_dumpf(o, stdout, JSON_INDENT(INDENT)) != 0 || puts("") < 0 ||
              fflush(stdout) != 0;
    json_decref(o);
    return bad ? TALLY_EXIT_FAILED : TALLY_EXIT_DONE;
}

/* An envelope as it is, or a payload in a new one; either must be a policy that can be used. */
static enum tally_status open_either(const char *path, struct tally_dsse *d)
{
    TALLY_CLEANUP(free_document) struct tally_policydoc *doc = calloc(1, sizeof *doc);
    TALLY_CLEANUP(free_bytes) uint8_t *bytes = NULL;
    size_t len = 0;

    TALLY_ENSURE(doc != NULL, TALLY_E_NOMEM, "policy");
    TALLY_TRY(tally_file_read(path, 2 * TALLY_POLICY_BYTES_MAX, &bytes, &len));
    if (tally_dsse_parse(tally_slice_of(bytes, len), TALLY_POLICY_BYTES_MAX, d) != TALLY_OK)
        TALLY_TRY(tally_dsse_new(payload_type, tally_slice_of(bytes, len), d));
    TALLY_ENSURE(strcmp(d->payload_type, payload_type) == 0, TALLY_E_CONFIG,
                 "a document of type \"%s\", not a policy", d->payload_type);
    return tally_policydoc_decode(tally_slice_of(d->payload, d->payload_len), doc);
}

static enum tally_status sign(const struct values *v, const char *path, struct tally_dsse *d,
                              char public_key[TALLY_BASE64_SIZE(TALLY_SIGN_PUBLIC_BYTES)])
{
    struct tally_sign_key key;

    TALLY_TRY(open_either(path, d));
    TALLY_TRY(tally_document_key_load(v->key, TALLY_MODE_PRODUCTION, NULL, &key));
    enum tally_status s = tally_dsse_sign(d, &key);
    tally_base64(tally_slice_of(tally_sign_public(&key), TALLY_SIGN_PUBLIC_BYTES), public_key);
    tally_sign_key_wipe(&key);
    TALLY_TRY(s);
    return tally_envelope_write(v->out, d);
}

int tally_cmd_evidence_policy_sign(int argc, char **argv)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    struct values v = {0};
    char key[TALLY_BASE64_SIZE(TALLY_SIGN_PUBLIC_BYTES)], digest[72];
    int code = tally_cli_options(argc, argv, &sign_spec, &v, NULL);

    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = sign(&v, argv[1], &d, key);
    if (s != TALLY_OK) return tally_cli_fail(s, v.json, "policy sign", NULL);
    tally_digest_text(d.digest, digest);
    if (v.json)
        return tally_cli_json(json_pack("{s:s, s:s, s:i}", "digest", digest, "key", key,
                                        "signatures", (int)d.signatures_n));
    tally_cli_say(false, "%s: %s, %u signature%s", v.out, digest, d.signatures_n,
                  d.signatures_n == 1 ? "" : "s");
    tally_cli_say(false, "verify with: --policy %s --policy-key %s", v.out, key);
    return TALLY_EXIT_DONE;
}

int tally_cmd_evidence_policy_show(int argc, char **argv)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    struct values v = {0};
    char digest[72];
    int code = tally_cli_options(argc, argv, &show_spec, &v, NULL);

    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = open_either(argv[1], &d);
    if (s != TALLY_OK) return tally_cli_fail(s, v.json, "policy show", NULL);
    tally_digest_text(d.digest, digest);
    json_t *payload = json_loadb((const char *)d.payload, d.payload_len, 0, NULL);
    if (v.json)
        return tally_cli_json(json_pack("{s:s, s:i, s:o}", "digest", digest, "signatures",
                                        (int)d.signatures_n, "payload", payload));
    tally_cli_say(false, "%s, %u signature%s (show believes none: verify names the keys)", digest,
                  d.signatures_n, d.signatures_n == 1 ? "" : "s");
    int bad = json_dumpf(payload, stdout, JSON_INDENT(2)) != 0 || puts("") < 0;
    json_decref(payload);
    return bad ? TALLY_EXIT_FAILED : TALLY_EXIT_DONE;
}
