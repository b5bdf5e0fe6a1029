/* cmd_grant.c - `tally-agent grant show|sign`. */
#include <stdio.h>
#include <stdlib.h>

#include "agent/commands.h"
#include "agent/conf.h"
#include "agent/grant.h"
#include "common/file.h"
#include "common/jsonread.h"

struct values {
    bool json;
    const char *dir, *expect, *in;
};

#define AT(member) offsetof(struct values, member)
static const struct tally_cli_option show_options[] = {
    TALLY_CLI_OPT_TEXT("dir", "DIR", AT(dir), "the agent's folder (default: this one)"),
    TALLY_CLI_OPT_FLAG("json", AT(json), "one JSON object on stdout"),
};
static const struct tally_cli_option sign_options[] = {
    TALLY_CLI_OPT_NEED("expect", "sha256:HEX", AT(expect), "the job's digest, as show prints it"),
    TALLY_CLI_OPT_TEXT("in", "FILE", AT(in),
                       "the job's envelope, where no running agent has fetched it"),
    TALLY_CLI_OPT_TEXT("dir", "DIR", AT(dir), "the agent's folder (default: this one)"),
    TALLY_CLI_OPT_FLAG("json", AT(json), "one JSON object on stdout"),
};
static const struct tally_cli_spec show_spec = {
    .about = "Shows the jobs that were offered to this bank: what they read and do, who signed.",
    .options = show_options,
    .options_n = sizeof show_options / sizeof show_options[0]};
static const struct tally_cli_spec sign_spec = {
    .about = "Signs a job with the bank's document key: from then on it may use the bank's rows.",
    .options = sign_options,
    .options_n = sizeof sign_options / sizeof sign_options[0]};

static void print_all(const char *title, const json_t *list)
{
    if (json_array_size(list) > 0) tally_cli_say(false, "%s", title);
    for (size_t k = 0; k < json_array_size(list); k++) tally_job_print(json_array_get(list, k));
}

/* Offered jobs that this bank has signed are listed as granted alone. */
static void drop_granted(const struct tally_place *p, json_t *offered)
{
    for (size_t k = json_array_size(offered); k-- > 0;) {
        const char *digest =
            json_string_value(json_object_get(json_array_get(offered, k), "digest"));
        char path[TALLY_FEDSTORE_PATH_MAX];
        uint8_t raw[32];
        if (digest == NULL || tally_digest_parse(digest, raw) != TALLY_OK) continue;
        tally_job_path(p, "grants", raw, path);
        if (tally_file_exists(path)) (void)json_array_remove(offered, k);
    }
}

int tally_cmd_grant_show(int argc, char **argv)
{
    TALLY_CLEANUP(tally_inforce_free) struct tally_inforce i = {0};
    TALLY_CLEANUP(tally_json_free) json_t *offered = NULL;
    TALLY_CLEANUP(tally_json_free) json_t *granted = NULL;
    struct values v = {.dir = "."};

    int code = tally_cli_options(argc, argv, &show_spec, &v, NULL);
    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = tally_inforce_load(v.dir, tally_agent_place, &i);
    if (s == TALLY_OK) s = tally_jobs_list(&i.place, "jobs", i.f, i.revoked, &offered);
    if (s == TALLY_OK) s = tally_jobs_list(&i.place, "grants", i.f, i.revoked, &granted);
    if (s != TALLY_OK) return tally_cli_fail(s, v.json, "grant show", NULL);
    drop_granted(&i.place, offered);
    if (v.json)
        return tally_cli_json(json_pack("{s:O, s:O}", "waiting", offered, "granted", granted));
    if (json_array_size(offered) + json_array_size(granted) == 0)
        tally_cli_say(false, "no job has been offered to this agent");
    print_all("waiting for this bank's signature (grant sign --expect DIGEST):", offered);
    print_all("granted:", granted);
    return TALLY_EXIT_DONE;
}

static enum tally_status sign(const struct values *v, const struct tally_inforce *i,
                              uint8_t digest[32])
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    uint64_t now = tally_now_s();

    TALLY_TRY(tally_digest_parse(v->expect, digest));
    if (v->in != NULL) {
        TALLY_TRY(tally_envelope_read(v->in, TALLY_JOB_BYTES_MAX, &d));
        TALLY_TRY(tally_grant_offer(&i->place, &d, i->f, i->revoked, now));
    }
    return tally_grant_sign(&i->place, digest, i->f, i->revoked, now);
}

int tally_cmd_grant_sign(int argc, char **argv)
{
    TALLY_CLEANUP(tally_inforce_free) struct tally_inforce i = {0};
    struct values v = {.dir = "."};
    uint8_t digest[32];
    char path[TALLY_FEDSTORE_PATH_MAX], text[72];

    int code = tally_cli_options(argc, argv, &sign_spec, &v, NULL);
    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = tally_inforce_load(v.dir, tally_agent_place, &i);
    if (s == TALLY_OK) s = sign(&v, &i, digest);
    if (s != TALLY_OK) return tally_cli_fail(s, v.json, "grant sign", NULL);
    tally_job_path(&i.place, "grants", digest, path);
    tally_digest_text(digest, text);
    if (v.json) return tally_cli_json(json_pack("{s:s, s:s}", "digest", text, "file", path));
    tally_cli_say(false, "granted %s; a running agent takes it from %s", text, path);
    return TALLY_EXIT_DONE;
}
