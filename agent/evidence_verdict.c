/* evidence_verdict.c - see evidence_verdict.h. */
#include "agent/evidence_verdict.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/ear.h"
#include "common/file.h"
#include "common/secret.h"
#include "common/software.h"
#include "common/text.h"

int evidence_exit(enum tally_status s)
{
    if (s == TALLY_OK) return TALLY_EXIT_DONE;
    return s == TALLY_E_UNDECIDED ? TALLY_EXIT_UNDECIDED : TALLY_EXIT_FAILED;
}

const char *evidence_word(int rc)
{
    static const char *const words[] = {"trusted", "refused", "", "undecided"};

    return words[rc];
}

static void put_time(json_t *o, const char *key, uint64_t s)
{
    char text[TALLY_TIME_TEXT_SIZE];

    tally_time_text(s, text);
    (void)json_object_set_new(o, key, s == 0 ? json_null() : json_string(text));
}

static json_t *reasons(const struct tally_failure *list, uint32_t n)
{
    json_t *out = json_array();

    for (uint32_t i = 0; i < n; i++)
        (void)json_array_append_new(out, json_pack("{s:s, s:s}", "check",
                                                   tally_reason_name(list[i].reason), "why",
                                                   list[i].why));
    return out;
}

static json_t *tcb_json(const struct tally_tcb_status *t)
{
    if (t->status == NULL) return json_null();
    return json_pack("{s:s?, s:s?, s:s?, s:s}", "platform", t->platform, "module", t->module, "qe",
                     t->qe, "status", t->status);
}

json_t *evidence_verdict_json(const struct evidence_case *c, int rc, const struct tally_verdict *v)
{
    json_t *o = json_object(), *valid = json_object(), *sets = json_array();

    (void)json_object_set_new(o, "verdict", json_string(evidence_word(rc)));
    (void)json_object_set_new(o, "failed",
                              v->undecided ? reasons(v->missing, v->missing_n)
                                           : reasons(v->failed, v->failed_n));
    (void)json_object_set_new(o, "claims", tally_claims_json(v));
    (void)json_object_set_new(o, "tcb", tcb_json(&v->tcb));
    put_time(valid, "from", v->not_before_s);
    put_time(valid, "until", v->not_after_s);
    (void)json_object_set_new(o, "valid", valid);
    for (size_t i = 0; i < c->options->sets.n; i++)
        (void)json_array_append_new(sets, json_string(c->options->sets.items[i]));
    if (c->options->sets.n > 0) (void)json_object_set(o, "set", sets);
    json_decref(sets);
    if (c->options->explain) (void)json_object_set_new(o, "rules", evidence_explain(c, v));
    return o;
}

static void print_rules(const struct evidence_case *c, const struct tally_verdict *v)
{
    json_t *rules = evidence_explain(c, v), *r;
    size_t i;

    (void)printf("rules (policy %s)\n", c->policy_id);
    json_array_foreach(rules, i, r)
    {
        char *wants = json_dumps(json_object_get(r, "wants"), JSON_COMPACT | JSON_ENCODE_ANY);
        char *saw = json_dumps(json_object_get(r, "saw"), JSON_COMPACT | JSON_ENCODE_ANY);
        (void)printf("  %-6s %-22s wants %s, saw %s\n",
                     json_is_true(json_object_get(r, "ok")) ? "ok" : "FAILED",
                     json_string_value(json_object_get(r, "rule")), wants ? wants : "",
                     saw ? saw : "");
        free(wants);
        free(saw);
    }
    json_decref(rules);
}

void evidence_verdict_print(const struct evidence_case *c, int rc, const struct tally_verdict *v)
{
    char from[TALLY_TIME_TEXT_SIZE], until[TALLY_TIME_TEXT_SIZE];
    const struct tally_failure *list = v->undecided ? v->missing : v->failed;
    uint32_t n = v->undecided ? v->missing_n : v->failed_n;

    (void)printf("%s\n", evidence_word(rc));
    for (uint32_t i = 0; i < n; i++)
        (void)printf("  %s: %s\n", tally_reason_name(list[i].reason), list[i].why);
    if (v->authentic)
        (void)printf("  signed by %s hardware under a root of class \"%s\"\n",
                     v->product == NULL ? "TPM" : v->product, tally_trust_class_name(v->trust));
    if (v->tcb.status != NULL) (void)printf("  TCB status: %s\n", v->tcb.status);
    if (v->not_after_s != 0) {
        tally_time_text(v->not_before_s, from);
        tally_time_text(v->not_after_s, until);
        (void)printf("  holds from %s until %s\n", from, until);
    }
    if (c->options->explain) print_rules(c, v);
}

static bool measured(const struct evidence_case *c)
{
    if (c->kind == EVIDENCE_NVGPU || c->kind == EVIDENCE_NVSWITCH) return c->options->rims.n > 0;
    if (c->kind == EVIDENCE_TPM) return c->options->eventlog != NULL;
    return c->expect.measurements_n + c->expect.td_measurements_n > 0;
}

static void free_text(char **t)
{
    free(*t);
}

static void free_bytes(uint8_t **t)
{
    free(*t);
}

enum tally_status evidence_write_ear(const struct evidence_case *c, const struct tally_verdict *v)
{
    static const char *const names[EVIDENCE_KINDS] = {"cpu", "cpu", "gpu", "switch", "cpu", "tpm"};
    TALLY_CLEANUP(free_text) char *jwt = NULL;
    TALLY_CLEANUP(free_bytes) uint8_t *pem = NULL;
    const struct tally_ear_part part = {names[c->kind], c->policy_id, v, measured(c),
                                        c->policy.integrity};
    const struct tally_ear_request r = {.now_s = c->expect.now_s,
                                        .build = TALLY_SOFTWARE,
                                        .audience = c->options->audience,
                                        .nonce = c->expect.nonce,
                                        .evidence = c->subject,
                                        .parts = &part,
                                        .parts_n = 1};
    TALLY_CLEANUP(tally_json_free) json_t *claims = tally_ear_claims(&r);
    enum { KEY_MAX = 4096, MODE = 0644 };
    size_t len = 0;

    TALLY_ENSURE(claims != NULL, TALLY_E_NOMEM, "attestation result");
    TALLY_TRY(tally_file_read(c->options->ear_key, KEY_MAX, &pem, &len));
    enum tally_status s = tally_ear_sign(claims, tally_slice_of(pem, len), &jwt);
    sodium_memzero(pem, len);
    TALLY_TRY(s);
    return tally_file_write(c->options->ear, tally_slice_str(jwt), MODE);
}
