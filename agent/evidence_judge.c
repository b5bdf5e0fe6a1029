/* evidence_judge.c - one kind of evidence each: its files, then its verifier; see evidence_case.h.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/evidence_case.h"
#include "common/attest/verdict.h"
#include "common/attest/verify_azure.h"
#include "common/attest/verify_gpu.h"
#include "common/attest/verify_snp.h"
#include "common/attest/verify_tdx.h"
#include "common/attest/verify_tpm.h"
#include "common/cert.h"

static const char cert[] = "CERTIFICATE";

static enum tally_status optional(struct evidence_case *c, const char *path,
                                  struct tally_slice *out)
{
    return path == NULL ? TALLY_OK : evidence_file(c, path, out);
}

static enum tally_status optional_cert(struct evidence_case *c, const char *path,
                                       struct tally_slice *out)
{
    return path == NULL ? TALLY_OK : evidence_file_der(c, path, cert, out);
}

/* REPORT_DATA is not known from a federation document: the report's own stands in, so that
 * everything else is judged as a node would. */
static void follow_snp(struct evidence_case *c, const struct tally_snp_report *r)
{
    if (c->options->federation == NULL || c->expect.report_data != NULL) return;
    memcpy(c->report_data, r->report_data, sizeof c->report_data);
    c->expect.report_data = c->report_data;
}

static enum tally_status read_snp(struct evidence_case *c, struct tally_snp_input *in)
{
    const struct evidence_options *o = c->options;

    TALLY_TRY(optional_cert(c, o->vek, &in->vek));
    TALLY_TRY(optional_cert(c, o->issuer, &in->issuer));
    TALLY_ENSURE(o->crls.n <= TALLY_SNP_CRLS_MAX, TALLY_E_LIMIT, "more than %d --crl",
                 TALLY_SNP_CRLS_MAX);
    for (; in->crls_n < o->crls.n; in->crls_n++)
        TALLY_TRY(
            evidence_file_der(c, o->crls.items[in->crls_n], "X509 CRL", &in->crls[in->crls_n]));
    return TALLY_OK;
}

static enum tally_status judge_snp(struct evidence_case *c, struct tally_verdict *v)
{
    struct tally_snp_input in = {0};
    struct tally_snp_report r;

    TALLY_TRY(evidence_file(c, c->options->report, &in.report));
    TALLY_TRY(read_snp(c, &in));
    c->subject = in.report;
    bool padded = c->expect.padded && in.report.len > TALLY_SNP_REPORT_BYTES;
    bool read = tally_snp_report_decode(
                    tally_slice_of(in.report.at, padded ? TALLY_SNP_REPORT_BYTES : in.report.len),
                    &r) == TALLY_OK;
    if (read) follow_snp(c, &r);
    enum tally_status s =
        tally_verify_snp(&in, c->anchors, c->anchors_n, &c->policy.snp, &c->expect, v);
    return evidence_case_machine(c, read ? r.id_key_digest : NULL, s, v);
}

/* The file names of a collateral directory; what is not there is not given. */
static enum tally_status read_collateral(struct evidence_case *c, struct tally_tdx_collateral *out)
{
    static const char *const names[] = {
        "tcb_info_response.json",    "tcb_info.json",    "tcb_info.sig.hex",
        "qe_identity_response.json", "qe_identity.json", "qe_identity.sig.hex",
        "tcb_sign_chain.pem",        "root_ca_crl.der",  "pck_crl.der"};
    char path[4096];
    struct tally_slice bytes;
    uint32_t there = 0;

    if (c->options->collateral == NULL) return TALLY_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int n = snprintf(path, sizeof path, "%s/%s", c->options->collateral, names[i]);
        TALLY_ENSURE(n > 0 && (size_t)n < sizeof path, TALLY_E_LIMIT, "a path too long");
        if (access(path, F_OK) != 0) continue;
        there++;
        TALLY_TRY(evidence_file(c, path, &bytes));
        TALLY_TRY(tally_tdx_collateral_put(out, tally_slice_str(names[i]), bytes));
    }
    TALLY_ENSURE(there > 0, TALLY_E_IO, "%s holds none of the collateral's files, such as %s",
                 c->options->collateral, names[0]);
    return TALLY_OK;
}

static void follow_tdx(struct evidence_case *c, struct tally_slice quote)
{
    struct tally_tdx_quote q;

    if (c->options->federation == NULL || c->expect.report_data != NULL ||
        tally_tdx_quote_decode(quote, &q) != TALLY_OK)
        return;
    memcpy(c->report_data, q.report_data, sizeof c->report_data);
    c->expect.report_data = c->report_data;
}

static enum tally_status read_tdx(struct evidence_case *c, struct tally_tdx_input *in,
                                  struct tally_verdict *v)
{
    TALLY_TRY(evidence_file(c, c->options->quote, &in->quote));
    enum tally_status s = read_collateral(c, &in->collateral);
    if (s == TALLY_E_UNTRUSTED) { /* a response that is none: a verdict, not a file error */
        tally_verdict_init(v);
        (void)tally_verdict_note(v, s);
        return tally_verdict_end(v);
    }
    return s;
}

static enum tally_status judge_tdx(struct evidence_case *c, struct tally_verdict *v)
{
    struct tally_tdx_input in = {0};

    TALLY_TRY(read_tdx(c, &in, v));
    TALLY_TRY(optional(c, c->options->eventlog, &in.eventlog));
    c->subject = in.quote;
    follow_tdx(c, in.quote);
    enum tally_status s =
        tally_verify_tdx(&in, c->anchors, c->anchors_n, &c->policy.tdx, &c->expect, v);
    return evidence_case_machine(c, NULL, s, v);
}

static enum tally_status judge_gpu(struct evidence_case *c, struct tally_verdict *v)
{
    const struct evidence_options *o = c->options;
    struct tally_gpu_input in = {.nvswitch = c->kind == EVIDENCE_NVSWITCH};
    struct tally_slice pem;
    size_t n = 0;

    TALLY_TRY(evidence_file(c, o->report, &in.report));
    TALLY_TRY(evidence_file(c, o->chain, &pem));
    c->subject = in.report;
    enum { ROOM = 64 * 1024, CHAIN = sizeof in.chain / sizeof in.chain[0] };
    uint8_t *room = c->arena + c->arena_used;
    TALLY_ENSURE(sizeof c->arena - c->arena_used >= ROOM, TALLY_E_LIMIT, "too many files");
    enum tally_status s = tally_pem_chain(pem, room, ROOM, in.chain, CHAIN, &n);
    c->arena_used += ROOM;
    if (s != TALLY_OK) {
        tally_verdict_init(v);
        (void)tally_verdict_note(v, s);
        return tally_verdict_end(v);
    }
    in.chain_n = (uint32_t)n;
    TALLY_ENSURE(o->rims.n <= sizeof in.rims / sizeof in.rims[0] &&
                     o->ocsps.n <= sizeof in.ocsp / sizeof in.ocsp[0],
                 TALLY_E_LIMIT, "too many --rim or --ocsp");
    for (; in.rims_n < o->rims.n; in.rims_n++)
        TALLY_TRY(evidence_file(c, o->rims.items[in.rims_n], &in.rims[in.rims_n]));
    for (; in.ocsp_n < o->ocsps.n; in.ocsp_n++)
        TALLY_TRY(evidence_file(c, o->ocsps.items[in.ocsp_n], &in.ocsp[in.ocsp_n]));
    return tally_verify_gpu(&in, c->anchors, c->anchors_n, &c->policy.gpu, &c->expect, v);
}

static enum tally_status read_tpm(struct evidence_case *c, struct tally_tpm_input *in)
{
    const struct evidence_options *o = c->options;

    TALLY_TRY(optional(c, o->attest, &in->attest));
    TALLY_TRY(optional(c, o->sig, &in->sig));
    TALLY_TRY(optional(c, o->pcrs, &in->pcrs));
    TALLY_TRY(optional(c, o->ak, &in->ak));
    TALLY_TRY(optional(c, o->eventlog, &in->eventlog));
    TALLY_ENSURE(o->ak_issuers.n <= sizeof in->ak_issuers / sizeof in->ak_issuers[0], TALLY_E_LIMIT,
                 "too many --ak-issuer");
    for (size_t i = 0; i < o->ak_issuers.n; i++)
        TALLY_TRY(evidence_file_der(c, o->ak_issuers.items[i], cert, &in->ak_issuers[i]));
    return TALLY_OK;
}

static enum tally_status judge_tpm(struct evidence_case *c, struct tally_verdict *v)
{
    struct tally_tpm_input in = {0};

    TALLY_TRY(read_tpm(c, &in));
    c->subject = in.attest;
    return tally_verify_tpm(&in, c->anchors, c->anchors_n, &c->policy.tpm, &c->expect, v);
}

/* The hardware's evidence of an Azure machine: the report in the blob, or a quote beside it. */
struct azure_hardware {
    const struct evidence_case *c;
    struct tally_tdx_input tdx;
};

static enum tally_status judge_azure_tdx(void *ctx, const struct tally_hcl *hcl,
                                         const uint8_t report_data[64], struct tally_verdict *v)
{
    const struct azure_hardware *h = ctx;
    struct tally_expect expect = h->c->expect;

    (void)hcl;
    expect.report_data = report_data;
    return tally_verify_tdx(&h->tdx, h->c->anchors, h->c->anchors_n, &h->c->policy.tdx, &expect, v);
}

static enum tally_status judge_azure(struct evidence_case *c, struct tally_verdict *v)
{
    struct tally_azure_input in = {.tdx = c->options->quote != NULL};
    struct azure_hardware hardware = {.c = c};
    const struct tally_azure_snp_policy snp = {&c->policy.snp, &c->policy.tpm};
    const struct tally_azure_judge by = {.hardware = judge_azure_tdx,
                                         .ctx = &hardware,
                                         .anchors = c->anchors,
                                         .anchors_n = c->anchors_n,
                                         .policy = &c->policy.tpm};

    TALLY_TRY(evidence_file(c, c->options->hcl, &in.hcl));
    TALLY_TRY(read_tpm(c, &in.tpm));
    c->subject = in.hcl;
    if (in.tdx) {
        TALLY_TRY(read_tdx(c, &hardware.tdx, v));
        return tally_verify_azure_with(&in, &by, &c->expect, v);
    }
    TALLY_TRY(read_snp(c, &in.snp));
    return tally_verify_azure_snp(&in, c->anchors, c->anchors_n, &snp, &c->expect, v);
}

enum tally_status evidence_case_judge(struct evidence_case *c, struct tally_verdict *v)
{
    static enum tally_status (*const judges[EVIDENCE_KINDS])(struct evidence_case *,
                                                             struct tally_verdict *) = {
        judge_snp, judge_tdx, judge_gpu, judge_gpu, judge_azure, judge_tpm};
    unsigned parts = evidence_case_parts(c);

    if ((c->policy.parts & parts) != parts) {
        tally_verdict_init(v);
        tally_verdict_fail(v, TALLY_R_E_TEE_TYPE,
                           "the policy has no rules for evidence of this kind");
        return tally_verdict_end(v);
    }
    return judges[c->kind](c, v);
}
