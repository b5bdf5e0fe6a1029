/* cmd_evidence_result.c - `tally-agent evidence result`: a relying party's check of a token. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cmd_evidence.h"
#include "common/attest/ear.h"
#include "common/cli.h"
#include "common/cmd_documents.h"
#include "common/file.h"
#include "common/jsonread.h"
#include "common/secret.h"
#include "common/text.h"

struct values {
    const char *key, *nonce, *audience, *at;
    bool json;
};

#define AT(member) offsetof(struct values, member)
static const struct tally_cli_option options[] = {
    TALLY_CLI_OPT_NEED("key", "FILE", AT(key), "the verifier's public key, PEM"),
    TALLY_CLI_OPT_TEXT("nonce", "HEX", AT(nonce), "the nonce that was asked with"),
    TALLY_CLI_OPT_TEXT("audience", "TEXT", AT(audience), "whom the token must be for"),
    TALLY_CLI_OPT_TEXT("at", "TIME", AT(at), "2026-01-31T00:00:00Z (default: now)"),
    TALLY_CLI_OPT_FLAG("json", AT(json), "one JSON object on stdout"),
};
static const struct tally_cli_spec spec = {
    .about = "Checks an attestation result (EAR token). Exit 0: genuine, in force and affirming.",
    .options = options,
    .options_n = sizeof options / sizeof options[0],
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1};

static void free_bytes(uint8_t **b)
{
    free(*b);
}

static enum tally_status check(const struct values *v, const char *path, json_t **claims,
                               const char **status)
{
    enum { KEY_MAX = 4096 };
    TALLY_CLEANUP(free_bytes) uint8_t *token = NULL;
    TALLY_CLEANUP(free_bytes) uint8_t *key = NULL;
    uint8_t nonce[TALLY_CLAIM_BYTES_MAX];
    struct tally_ear_expect e = {.now_s = tally_now_s(), .audience = v->audience};
    size_t token_len = 0, key_len = 0;

    if (v->at != NULL) TALLY_TRY(tally_time_parse(v->at, &e.now_s));
    if (v->nonce != NULL) {
        size_t len = strlen(v->nonce) / 2;
        TALLY_ENSURE(len <= sizeof nonce, TALLY_E_WIRE, "a nonce of %zu bytes", len);
        TALLY_TRY(tally_unhex(v->nonce, nonce, len));
        e.nonce = tally_slice_of(nonce, len);
    }
    TALLY_TRY(tally_file_read(path, 2 * TALLY_EAR_TEXT_MAX, &token, &token_len));
    TALLY_TRY(tally_file_read(v->key, KEY_MAX, &key, &key_len));
    while (token_len > 0 && token[token_len - 1] == '\n') token_len--;
    e.key_pem = tally_slice_of(key, key_len);
    return tally_ear_check(tally_slice_of(token, token_len), &e, claims, status);
}

int tally_cmd_evidence_result(int argc, char **argv)
{
    TALLY_CLEANUP(tally_json_free) json_t *claims = NULL;
    struct values v = {0};
    const char *status = NULL;
    int code = tally_cli_options(argc, argv, &spec, &v, NULL);

    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = check(&v, argv[1], &claims, &status);
    if (s != TALLY_OK) return tally_cli_fail(s, v.json, "evidence result", NULL);
    bool good = strcmp(status, "affirming") == 0;
    if (v.json) {
        int rc = tally_cli_json(json_pack("{s:s, s:O}", "status", status, "claims", claims));
        return rc == TALLY_EXIT_DONE && good ? TALLY_EXIT_DONE : TALLY_EXIT_FAILED;
    }
    tally_cli_say(false, "%s", status);
    return good ? TALLY_EXIT_DONE : TALLY_EXIT_FAILED;
}
