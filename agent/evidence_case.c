/* evidence_case.c - see evidence_case.h: what the evidence is judged against. */
#include "agent/evidence_case.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/anchors.h"
#include "common/attest/snp_report.h"
#include "common/text.h"

static enum tally_status read_hex(const char *text, uint8_t *out, size_t len)
{
    return tally_unhex(text, out, len);
}

enum tally_status evidence_case_values(struct evidence_case *c)
{
    const struct evidence_options *o = c->options;
    struct tally_expect *e = &c->expect;

    e->now_s = (uint64_t)time(NULL);
    e->padded = o->padded;
    e->whole_report_data = true;
    e->any_chip = true; /* a federation's lists are asked afterwards: evidence_case_machine */
    if (o->at != NULL) TALLY_TRY(tally_time_parse(o->at, &e->now_s));
    if (o->report_data != NULL) {
        TALLY_TRY(read_hex(o->report_data, c->report_data, sizeof c->report_data));
        e->report_data = c->report_data;
    }
    if (o->nonce != NULL) {
        size_t len = strlen(o->nonce) / 2;
        /* A TPM may have been asked without a nonce: then "" is what its quote must answer. */
        TALLY_ENSURE(len <= sizeof c->nonce && (len > 0 || c->kind == EVIDENCE_TPM), TALLY_E_WIRE,
                     "a nonce of %zu bytes", len);
        TALLY_TRY(read_hex(o->nonce, c->nonce, len));
        e->nonce = tally_slice_of(c->nonce, len);
    }
    if (o->measurement == NULL) return TALLY_OK;
    TALLY_TRY(read_hex(o->measurement, c->measurements[0], TALLY_MEASUREMENT_BYTES));
    memcpy(c->td[0].mrtd, c->measurements[0], TALLY_MEASUREMENT_BYTES);
    e->measurements_n = e->td_measurements_n = 1;
    return TALLY_OK;
}

/* Roots that the caller named; nothing is known of them but that. */
static enum tally_status use_anchors(struct evidence_case *c)
{
    const struct tally_cli_list *list = &c->options->anchors;

    if (list->n == 0) {
        c->anchors_n = tally_anchors_all(c->anchors);
        c->expect.trust = TALLY_TRUST_HARDWARE;
        return TALLY_OK;
    }
    TALLY_ENSURE(list->n <= TALLY_ANCHORS_MAX, TALLY_E_LIMIT, "more than %d --anchor",
                 TALLY_ANCHORS_MAX);
    for (size_t i = 0; i < list->n; i++) {
        struct tally_anchor *a = &c->anchors[c->anchors_n++];
        TALLY_TRY(evidence_file_der(c, list->items[i], "CERTIFICATE", &a->root));
        a->trust = TALLY_TRUST_GIVEN;
        (void)snprintf(a->name, sizeof a->name, "given");
    }
    c->expect.trust = TALLY_TRUST_GIVEN;
    return TALLY_OK;
}

static enum tally_status use_document(struct evidence_case *c)
{
    const struct tally_cli_list *list = &c->options->policy_keys;
    uint8_t keys[TALLY_CLI_LIST_MAX][TALLY_SIGN_PUBLIC_BYTES];
    struct tally_slice file;
    size_t len = 0;

    for (size_t i = 0; i < list->n; i++) {
        TALLY_TRY(
            tally_unbase64(list->items[i], strlen(list->items[i]), keys[i], sizeof keys[i], &len));
        TALLY_ENSURE(len == sizeof keys[i], TALLY_E_WIRE, "a --policy-key of %zu bytes", len);
    }
    TALLY_TRY(evidence_file(c, c->options->policy, &file));
    TALLY_TRY(tally_policydoc_open(file, (const uint8_t(*)[TALLY_SIGN_PUBLIC_BYTES])keys, list->n,
                                   c->expect.now_s, &c->document));
    c->policy = c->document.policy;
    tally_hex(TALLY_SLICE(c->document.digest), c->policy_id);
    if (c->options->measurement != NULL) return TALLY_OK;
    memcpy(c->measurements, c->document.snp, sizeof c->document.snp);
    memcpy(c->td, c->document.tdx, sizeof c->document.tdx);
    c->expect.measurements_n = c->document.snp_n;
    c->expect.td_measurements_n = c->document.tdx_n;
    return TALLY_OK;
}

static enum tally_status use_federation(struct evidence_case *c)
{
    struct tally_federation *f = &c->federation;

    TALLY_TRY(tally_federation_load_file(c->options->federation, f));
    c->policy = f->policy;
    tally_hex(TALLY_SLICE(f->digest), c->policy_id);
    memcpy(c->anchors, f->anchors, sizeof c->anchors);
    c->anchors_n = f->anchors_n;
    c->expect.trust = f->mode == TALLY_MODE_PRODUCTION ? TALLY_TRUST_HARDWARE : TALLY_TRUST_TEST;
    for (uint32_t i = 0; c->options->measurement == NULL && i < f->measurements_n; i++) {
        const struct tally_measurement *m = &f->measurements[i];
        if (m->tee == TALLY_EVIDENCE_TDX)
            c->td[c->expect.td_measurements_n++] = m->td;
        else
            memcpy(c->measurements[c->expect.measurements_n++], m->digest, TALLY_MEASUREMENT_BYTES);
    }
    return TALLY_OK;
}

enum tally_policy_part evidence_case_part(enum evidence_kind kind)
{
    static const enum tally_policy_part parts[EVIDENCE_KINDS] = {
        TALLY_POLICY_SNP, TALLY_POLICY_TDX, TALLY_POLICY_GPU,
        TALLY_POLICY_GPU, TALLY_POLICY_SNP, TALLY_POLICY_TPM};

    return parts[kind];
}

unsigned evidence_case_parts(const struct evidence_case *c)
{
    if (c->kind != EVIDENCE_AZURE) return evidence_case_part(c->kind);
    return TALLY_POLICY_TPM | (c->options->quote != NULL ? TALLY_POLICY_TDX : TALLY_POLICY_SNP);
}

/* A setting of Azure evidence may be the hardware's or the TPM's. */
static enum tally_status set_rule(struct evidence_case *c, const char *setting)
{
    enum tally_policy_part part = evidence_case_part(c->kind);

    TALLY_ENSURE(part != TALLY_POLICY_GPU ||
                     (strncmp(setting, "gpus=", 5) != 0 && strncmp(setting, "switches=", 9) != 0),
                 TALLY_E_CONFIG, "\"%.60s\" is a rule for all devices of a node, not for one",
                 setting);
    if (c->kind == EVIDENCE_AZURE && c->options->quote != NULL) part = TALLY_POLICY_TDX;
    enum tally_status s = tally_policy_set(&c->policy, part, setting);
    if (s == TALLY_OK || c->kind != EVIDENCE_AZURE) return s;
    return tally_policy_set(&c->policy, TALLY_POLICY_TPM, setting);
}

static enum tally_status use_policy(struct evidence_case *c)
{
    const char *name = c->options->policy == NULL ? "strict" : c->options->policy;

    TALLY_TRY(use_anchors(c));
    if (strcmp(name, "strict") == 0)
        tally_policy_strict(&c->policy);
    else if (strcmp(name, "integrity") == 0)
        tally_policy_integrity(&c->policy);
    else
        return use_document(c);
    (void)snprintf(c->policy_id, sizeof c->policy_id, "%s", name);
    return TALLY_OK;
}

enum tally_status evidence_case_rules(struct evidence_case *c)
{
    TALLY_TRY(c->options->federation != NULL ? use_federation(c) : use_policy(c));
    if (c->policy.integrity) c->expect.trust = 0; /* reported, not judged */
    for (size_t i = 0; i < c->options->sets.n; i++)
        TALLY_TRY(set_rule(c, c->options->sets.items[i]));
    c->expect.measurements = (const uint8_t(*)[TALLY_MEASUREMENT_BYTES])c->measurements;
    c->expect.td_measurements = c->td;
    return TALLY_OK;
}
