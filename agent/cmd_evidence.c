/* cmd_evidence.c - see cmd_evidence.h: which options each kind takes, and what is done with them.
 */
#include "agent/cmd_evidence.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cmd_collect.h"
#include "agent/evidence_case.h"
#include "agent/evidence_show.h"
#include "agent/evidence_verdict.h"
#include "common/secret.h"

#define AT(field)                      offsetof(struct evidence_options, field)
#define TEXT(name, value, field, help) TALLY_CLI_OPT_TEXT(name, value, AT(field), help)
#define NEED(name, value, field, help) TALLY_CLI_OPT_NEED(name, value, AT(field), help)
#define LIST(name, value, field, help) TALLY_CLI_OPT_LIST(name, value, AT(field), help)
#define FLAG(name, field, help)        TALLY_CLI_OPT_FLAG(name, AT(field), help)

/* clang-format off */
#define COMMON                                                                                      \
    TEXT("at", "TIME", at, "appraisal time, 2026-01-31T00:00:00Z (default: now)"),                  \
    TEXT("federation", "FILE", federation, "judge by a federation document's policy and roots"),    \
    LIST("anchor", "FILE", anchors, "a root to trust instead of the vendors' built-in ones"),       \
    TEXT("policy", "NAME|FILE", policy, "strict (default), integrity, or a signed policy"),         \
    LIST("policy-key", "BASE64", policy_keys, "a key that must have signed the policy file"),       \
    LIST("set", "KEY=VALUE", sets, "change one rule of the policy for this call"),                  \
    FLAG("padded", padded, "allow zeros after a report or quote"),                                  \
    FLAG("explain", explain, "say of each rule what it wants and what it saw"),                     \
    TEXT("ear", "FILE", ear, "write the verdict as an EAR token (JWT)"),                            \
    TEXT("ear-key", "FILE", ear_key, "private key for --ear: Ed25519 or P-384, PEM"),               \
    TEXT("audience", "TEXT", audience, "whom the token is for"),                                    \
    FLAG("json", json, "print one JSON object")
#define REPORT_DATA TEXT("report-data", "HEX", report_data, "what REPORT_DATA must be (64 bytes)")
#define MEASUREMENT TEXT("measurement", "HEX", measurement, "what the measurement must be (48 bytes)")
#define TPM_FILES(quote)                                                                            \
    quote("attest", "FILE", attest, "TPMS_ATTEST"),                                                 \
    quote("sig", "FILE", sig, "its signature, raw or TPMT"),                                        \
    quote("pcrs", "FILE", pcrs, "24 SHA-256 PCR values, 32 bytes each"),                            \
    LIST("ak-issuer", "FILE", ak_issuers, "issuer of the attestation key's certificate"),           \
    TEXT("eventlog", "FILE", eventlog, "TCG event log, replayed to the PCRs"),                      \
    quote("nonce", "HEX", nonce, "what the quote must answer")

static const struct tally_cli_option snp_options[] = {
    NEED("report", "FILE", report, "attestation report"),
    NEED("vek", "FILE", vek, "VCEK or VLEK certificate"),
    TEXT("issuer", "FILE", issuer, "ASK or ASVK certificate (default: the built-in one)"),
    LIST("crl", "FILE", crls, "revocation list (default: the built-in one while it is in force)"),
    REPORT_DATA, MEASUREMENT, COMMON};
static const struct tally_cli_option tdx_options[] = {
    NEED("quote", "FILE", quote, "TDX quote"),
    TEXT("collateral", "DIR", collateral, "TCB info, QE identity, chain and CRLs by file name"),
    TEXT("eventlog", "FILE", eventlog, "CCEL event log, replayed to the RTMRs"),
    REPORT_DATA, MEASUREMENT, COMMON};
static const struct tally_cli_option gpu_options[] = {
    NEED("report", "FILE", report, "SPDM measurement report: request and response"),
    NEED("chain", "FILE", chain, "device certificates, PEM, leaf first"),
    NEED("nonce", "HEX", nonce, "the nonce that was asked for (32 bytes)"),
    LIST("rim", "FILE", rims, "reference manifest of the driver or the VBIOS"),
    LIST("ocsp", "FILE", ocsps, "OCSP response, DER"), COMMON};
static const struct tally_cli_option azure_options[] = {
    NEED("hcl", "FILE", hcl, "HCL report from the vTPM's NV index"),
    TEXT("vek", "FILE", vek, "VCEK certificate (SEV-SNP)"),
    TEXT("issuer", "FILE", issuer, "ASK certificate (default: the built-in one)"),
    LIST("crl", "FILE", crls, "revocation list"),
    TEXT("quote", "FILE", quote, "TDX quote"),
    TEXT("collateral", "DIR", collateral, "collateral of the TDX quote"),
    TPM_FILES(TEXT), TEXT("ak", "FILE", ak, "attestation key, to be the paravisor's: as for tpm"),
    REPORT_DATA, MEASUREMENT, COMMON};
static const struct tally_cli_option tpm_options[] = {
    TPM_FILES(NEED), NEED("ak", "FILE", ak, "attestation key: public key, certificate or TPMT_PUBLIC"),
    COMMON};
/* clang-format on */

#define SPEC(text, rows)                                                                  \
    {                                                                                     \
        .about = (text), .options = (rows), .options_n = sizeof(rows) / sizeof((rows)[0]) \
    }
static const struct tally_cli_spec specs[EVIDENCE_KINDS] = {
    [EVIDENCE_SNP] = SPEC("Judge an AMD SEV-SNP report, offline.", snp_options),
    [EVIDENCE_TDX] = SPEC("Judge an Intel TDX quote, offline.", tdx_options),
    [EVIDENCE_NVGPU] = SPEC("Judge an NVIDIA GPU's report, offline.", gpu_options),
    [EVIDENCE_NVSWITCH] = SPEC("Judge an NVIDIA NVSwitch's report, offline.", gpu_options),
    [EVIDENCE_AZURE] =
        SPEC("Judge Azure's paravisor report and its vTPM quote, offline.", azure_options),
    [EVIDENCE_TPM] = SPEC("Judge a TPM quote, offline.", tpm_options),
};

/* NULL, or what is wrong with the options together. */
static const char *wrong(enum evidence_kind kind, const struct evidence_options *o)
{
    int tpm = (o->attest != NULL) + (o->sig != NULL) + (o->pcrs != NULL);

    if (o->federation != NULL && o->anchors.n > 0) return "give one of --federation and --anchor";
    if (o->federation != NULL && o->policy != NULL)
        return "a federation judges by its own policy, never by another";
    if ((o->ear == NULL) != (o->ear_key == NULL)) return "--ear and --ear-key belong together";
    if (o->audience != NULL && o->ear == NULL) return "--audience is for --ear";
    if (o->policy_keys.n > 0 && (o->policy == NULL || strcmp(o->policy, "strict") == 0 ||
                                 strcmp(o->policy, "integrity") == 0))
        return "--policy-key is for a --policy file";
    if (kind != EVIDENCE_AZURE) return NULL;
    if ((o->vek == NULL) == (o->quote == NULL)) return "give one of --vek and --quote";
    if (o->collateral != NULL && o->quote == NULL) return "--collateral is for --quote";
    if ((o->issuer != NULL || o->crls.n > 0) && o->vek == NULL)
        return "--issuer and --crl are for --vek";
    if (tpm != 0 && tpm != 3) return "--attest, --sig and --pcrs belong together";
    if (o->ak_issuers.n > 0 && o->ak == NULL) return "--ak-issuer is for --ak";
    if (tpm == 0 && (o->nonce != NULL || o->eventlog != NULL))
        return "--nonce and --eventlog are for a quote: --attest, --sig and --pcrs";
    return NULL;
}

static int usage(const char *why)
{
    (void)fprintf(stderr, "tally-agent evidence: %s\n", why);
    return TALLY_EXIT_USAGE;
}

static void free_case(struct evidence_case **c)
{
    free(*c);
}

static void free_verdict(struct tally_verdict **v)
{
    free(*v);
}

/* Was a verdict reached, or could something not be read? */
static bool judged(enum tally_status s)
{
    return s == TALLY_OK || s == TALLY_E_UNDECIDED || s == TALLY_E_UNTRUSTED || s == TALLY_E_AUTH;
}

static int report(const struct evidence_case *c, int rc, const struct tally_verdict *v)
{
    if (c->options->ear != NULL) {
        enum tally_status s = evidence_write_ear(c, v);
        if (s != TALLY_OK) return tally_cli_fail(s, c->options->json, "writing the token", NULL);
    }
    if (c->options->json)
        return tally_cli_json(evidence_verdict_json(c, rc, v)) == TALLY_EXIT_DONE
                   ? rc
                   : TALLY_EXIT_FAILED;
    evidence_verdict_print(c, rc, v);
    return fflush(stdout) == 0 ? rc : TALLY_EXIT_FAILED;
}

static int verify(enum evidence_kind kind, int argc, char **argv)
{
    struct evidence_options o = {0};
    TALLY_CLEANUP(free_case) struct evidence_case *c = calloc(1, sizeof *c);
    TALLY_CLEANUP(free_verdict) struct tally_verdict *v = calloc(1, sizeof *v);
    int go = tally_cli_options(argc, argv, &specs[kind], &o, NULL);

    if (go != TALLY_CLI_GO) return go;
    const char *bad = wrong(kind, &o);
    if (bad != NULL) return usage(bad);
    if (c == NULL || v == NULL)
        return tally_cli_fail(TALLY_E_NOMEM, o.json, "evidence", "give this process more memory");
    c->kind = kind;
    c->options = &o;
    if (evidence_case_values(c) != TALLY_OK) return usage(tally_why_text());
    enum tally_status s = evidence_case_rules(c);
    if (s != TALLY_OK)
        return s == TALLY_E_CONFIG && o.sets.n > 0 && o.federation == NULL
                   ? usage(tally_why_text())
                   : tally_cli_fail(s, o.json, "the policy", NULL);
    s = evidence_case_judge(c, v);
    if (!judged(s)) return tally_cli_fail(s, o.json, "the evidence", NULL);
    return report(c, evidence_exit(s), v);
}

/* ---- show ---- */

struct show_options {
    bool json;
};

static const struct tally_cli_option show_rows[] = {
    TALLY_CLI_OPT_FLAG("json", offsetof(struct show_options, json), "print one JSON object")};
static const struct tally_cli_spec show_spec = {
    .about = "Show every field of evidence, decoded, with its offset and meaning.",
    .options = show_rows,
    .options_n = 1,
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1};

static int print_fields(json_t *fields)
{
    size_t i;
    json_t *f;

    json_array_foreach(fields, i, f)
    {
        (void)printf("0x%04x %-20s %s\n%7s%s\n",
                     (unsigned)json_integer_value(json_object_get(f, "offset")),
                     json_string_value(json_object_get(f, "field")),
                     json_string_value(json_object_get(f, "value")), "",
                     json_string_value(json_object_get(f, "meaning")));
    }
    json_decref(fields);
    return fflush(stdout) == 0 ? TALLY_EXIT_DONE : TALLY_EXIT_FAILED;
}

static int show(enum tally_status (*decode)(struct tally_slice, json_t *), int argc, char **argv)
{
    struct show_options o = {false};
    TALLY_CLEANUP(free_case) struct evidence_case *c = calloc(1, sizeof *c);
    struct tally_slice file = {0};
    json_t *fields = json_array();
    int go = tally_cli_options(argc, argv, &show_spec, &o, NULL);
    enum tally_status s = TALLY_E_NOMEM;

    if (go == TALLY_CLI_GO && c != NULL && fields != NULL) s = evidence_file(c, argv[1], &file);
    if (go == TALLY_CLI_GO && s == TALLY_OK) s = decode(file, fields);
    if (go != TALLY_CLI_GO || s != TALLY_OK) {
        json_decref(fields);
        return go != TALLY_CLI_GO ? go : tally_cli_fail(s, o.json, argv[1], NULL);
    }
    return o.json ? tally_cli_json(json_pack("{s:o}", "fields", fields)) : print_fields(fields);
}

/* ---- the group ---- */

#define VERIFY(name, kind)                 \
    static int name(int argc, char **argv) \
    {                                      \
        return verify((kind), argc, argv); \
    }
VERIFY(verify_snp, EVIDENCE_SNP)
VERIFY(verify_tdx, EVIDENCE_TDX)
VERIFY(verify_nvgpu, EVIDENCE_NVGPU)
VERIFY(verify_nvswitch, EVIDENCE_NVSWITCH)
VERIFY(verify_azure, EVIDENCE_AZURE)
VERIFY(verify_tpm, EVIDENCE_TPM)

#define SHOW(name, decode)                 \
    static int name(int argc, char **argv) \
    {                                      \
        return show((decode), argc, argv); \
    }
SHOW(show_snp, evidence_show_snp)
SHOW(show_tdx, evidence_show_tdx)
SHOW(show_nvgpu, evidence_show_nvgpu)
SHOW(show_rim, evidence_show_rim)
SHOW(show_tpm, evidence_show_tpm)
SHOW(show_azure, evidence_show_azure)
SHOW(show_eventlog, evidence_show_eventlog)

#define CMD TALLY_CLI_COMMAND
static const struct tally_cli_command verifies[] = {
    CMD("snp", verify_snp, "an AMD SEV-SNP report"),
    CMD("tdx", verify_tdx, "an Intel TDX quote"),
    CMD("nvgpu", verify_nvgpu, "an NVIDIA GPU's report"),
    CMD("nvswitch", verify_nvswitch, "an NVIDIA NVSwitch's report"),
    CMD("azure", verify_azure, "Azure's paravisor report and vTPM quote"),
    CMD("tpm", verify_tpm, "a TPM quote"),
};
static const struct tally_cli_command shows[] = {
    CMD("snp", show_snp, "an AMD SEV-SNP report"),
    CMD("tdx", show_tdx, "an Intel TDX quote"),
    CMD("nvgpu", show_nvgpu, "an NVIDIA GPU's report"),
    CMD("nvswitch", show_nvgpu, "an NVIDIA NVSwitch's report"),
    CMD("rim", show_rim, "a reference manifest of driver or VBIOS"),
    CMD("azure", show_azure, "an HCL report"),
    CMD("tpm", show_tpm, "a TPMS_ATTEST"),
    CMD("eventlog", show_eventlog, "a CCEL or TPM event log"),
};
static const struct tally_cli_command policies[] = {
    CMD("new", tally_cmd_evidence_policy_new, "the strict policy as a document to begin from"),
    CMD("sign", tally_cmd_evidence_policy_sign, "sign a policy with a document key"),
    CMD("show", tally_cmd_evidence_policy_show, "what a policy says and who signed it"),
};
static const struct tally_cli_command commands[] = {
    TALLY_CLI_GROUP("verify", verifies, "judge evidence: 0 trusted, 1 refused, 3 undecided"),
    TALLY_CLI_GROUP("show", shows, "every field of evidence, decoded"),
    CMD("collect", tally_cmd_evidence_collect, "this machine's evidence, as files for verify"),
    TALLY_CLI_GROUP("policy", policies, "rules and reference values as signed documents"),
    CMD("result", tally_cmd_evidence_result, "check a token that --ear wrote"),
};

int tally_cmd_evidence(int argc, char **argv)
{
    static const struct tally_cli_program program = {
        .name = "tally-agent evidence",
        .about = "judges and shows attestation evidence, offline",
        .commands = commands,
        .commands_n = sizeof commands / sizeof commands[0]};

    return tally_cli_main(&program, argc, argv);
}
