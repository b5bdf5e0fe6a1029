/* evidence_explain.c - each rule of a policy beside what the evidence said; see evidence_verdict.h.
 * A test holds the table against the policies: no rule without a row. */
#include <string.h>

#include "agent/evidence_verdict.h"
#include "common/attest/ear.h"
#include "common/text.h"

/* The key in a policy's part, the claim that it is about (NULL: none), the check it fails with.
 * Many rules share a check: `words` are then in the failures of this one alone (NULL: in all). */
struct row {
    enum tally_policy_part part;
    const char *key, *claim;
    enum tally_reason reason;
    const char *words;
};

#define SNP(key, claim, reason, words)                          \
    {                                                           \
        TALLY_POLICY_SNP, key, claim, TALLY_R_E_##reason, words \
    }
#define TDX(key, claim, reason, words)                          \
    {                                                           \
        TALLY_POLICY_TDX, key, claim, TALLY_R_E_##reason, words \
    }
#define GPU(key, claim, reason, words)                          \
    {                                                           \
        TALLY_POLICY_GPU, key, claim, TALLY_R_E_##reason, words \
    }
#define TPM(key, claim, reason, words)                          \
    {                                                           \
        TALLY_POLICY_TPM, key, claim, TALLY_R_E_##reason, words \
    }
/* clang-format off */
static const struct row rows[] = {
    SNP("tcb", "reported_tcb", TCB_MIN, NULL),
    SNP("launch_tcb", "launch_tcb", TCB_MIN, "LAUNCH_TCB"),
    SNP("products", "product", PRODUCT, "the policy takes no"),
    SNP("versions", "version", VERSION, "the policy takes no"),
    SNP("crl", NULL, CRL_MISSING, NULL),
    SNP("crl_max_age_days", NULL, CRL_EXPIRED, NULL),
    SNP("smt", "smt", POLICY_SMT, NULL),
    SNP("provisional", "current_tcb", TCB_ORDER, "provisional"),
    SNP("vcek", "signer", CERT_TYPE, "does not allow a VCEK"),
    SNP("vlek", "signer", CERT_TYPE, "does not allow a VLEK"),
    SNP("csp", "csp", CERT_TYPE, "the VLEK is one of"),
    SNP("masked_chip_id", "chip", CHIP_BINDING, "hides"),
    SNP("alias_check", "platform_info", PLATFORM_FLAG, "ALIAS_CHECK"),
    SNP("ciphertext_hiding", "policy", POLICY_FLAG, "CIPHERTEXT_HIDING"),
    SNP("single_socket", "policy", POLICY_FLAG, "SINGLE_SOCKET"),
    SNP("page_swap_disable", "policy", POLICY_FLAG, "PAGE_SWAP_DISABLE"),
    SNP("aes_256_xts", "policy", POLICY_FLAG, "AES_256_XTS"),
    SNP("rapl_disable", "policy", POLICY_FLAG, "RAPL_DIS"),
    SNP("cxl", "policy", POLICY_FLAG, "CXL"),
    SNP("vmpl_max", "vmpl", VMPL, NULL),
    SNP("guest_svn_min", "guest_svn", SVN, NULL),
    SNP("abi_min", "policy", POLICY_FLAG, "ABI"),
    SNP("platform_required", "platform_info", PLATFORM_FLAG, "PLATFORM_INFO"),
    SNP("platform_forbidden", "platform_info", PLATFORM_FLAG, "PLATFORM_INFO"),
    SNP("mit_vector", "current_mit_vector", MIT_VECTOR, NULL),
    SNP("family_ids", "family_id", ID_BLOCK, "FAMILY_ID"),
    SNP("image_ids", "image_id", ID_BLOCK, "IMAGE_ID"),
    SNP("id_keys", "id_key_digest", ID_BLOCK, "ID_KEY_DIGEST"),
    SNP("author_keys", "author_key_digest", ID_BLOCK, "AUTHOR_KEY_DIGEST"),
    SNP("host_data", "host_data", HOST_DATA, NULL),
    SNP("deny_keys", NULL, DENYLIST, "this key"),
    SNP("deny_chips", "chip", DENYLIST, "the policy denies this chip"),

    TDX("status", "tcb_status", TCB_STATUS, "the TCB is"),
    TDX("advisories", "advisory", TCB_STATUS, "advisory"),
    TDX("grace_days", "tcb_date", TCB_STATUS, "the TCB is OutOfDate"),
    TDX("evaluation_min", "evaluation", COLLATERAL_ROLLBACK, NULL),
    TDX("crl", NULL, CRL_MISSING, NULL),
    TDX("attributes_required", "td_attributes", POLICY_FLAG, "TDATTRIBUTES lacks"),
    TDX("attributes_forbidden", "td_attributes", POLICY_FLAG, "TDATTRIBUTES has"),
    TDX("xfam", "xfam", POLICY_FLAG, "XFAM"),
    TDX("mr_seam", "mr_seam", MODULE_IDENTITY, "the policy does not list"),
    TDX("mr_config_id", "mr_config_id", ID_BLOCK, "MRCONFIGID"),
    TDX("mr_owner", "mr_owner", ID_BLOCK, "MROWNER is"),
    TDX("mr_owner_config", "mr_owner_config", ID_BLOCK, "MROWNERCONFIG"),
    TDX("service_td", "service_td", POLICY_MIGRATION, "service TD"),
    TDX("smt", "smt", POLICY_SMT, NULL),
    TDX("dynamic_platform", "dynamic_platform", PLATFORM_FLAG, NULL),
    TDX("fmspc", "fmspc", PRODUCT, NULL),
    TDX("denied", "chip", DENYLIST, NULL),

    GPU("architectures", "architecture", PRODUCT, "the policy accepts no"),
    GPU("modes", "mode", POLICY_FLAG, NULL),
    GPU("fwid", "fwid", FWID, NULL),
    GPU("rim", NULL, RIM_MISSING, NULL),
    GPU("rim_expired", NULL, RIM_EXPIRED, NULL),
    GPU("ocsp", NULL, OCSP_MISSING, NULL),
    GPU("drivers", "driver_version", SVN, "driver"),
    GPU("driver_min", "driver_version", SVN, "is below"),
    GPU("vbioses", "vbios_version", SVN, "VBIOS"),
    GPU("skus", "sku", PRODUCT, "SKU"),
    GPU("gpus", NULL, GPU_COUNT, NULL),
    GPU("switches", NULL, GPU_COUNT, NULL),
    GPU("denied", "chip", DENYLIST, NULL),

    TPM("pcrs", "tpm_pcrs", PCR_SELECTION, NULL),
    TPM("values", "tpm_pcr_digest", MEASUREMENT, "PCR"),
    TPM("quote", NULL, MEASUREMENT, "no TPM quote"),
    TPM("eventlog", "tpm_eventlog", EVENTLOG, "no event log"),
    TPM("eventlog_pcrs", "tpm_eventlog", EVENTLOG, "PCR"),
    TPM("secure_boot", "hcl_secure_boot", POLICY_FLAG, "secure boot"),
    TPM("console", "hcl_console", POLICY_FLAG, "console"),
    TPM("unrestricted_key", "tpm_ak_attributes", KEY, "attributes"),
    TPM("unsafe_clock", "tpm_clock_safe", POLICY_FLAG, "clock"),
};
/* clang-format on */
enum { ROWS = sizeof rows / sizeof rows[0] };

/* One explanation: what was asked of what, and the answers so far. */
struct table {
    const struct evidence_case *c;
    const struct tally_verdict *v;
    json_t *claims, *list;
};

static bool holds(const struct tally_failure *list, uint32_t n, const struct row *r)
{
    for (uint32_t i = 0; i < n; i++) {
        if (list[i].reason == r->reason &&
            (r->words == NULL || strstr(list[i].why, r->words) != NULL))
            return true;
    }
    return false;
}

/* Takes over wants and saw; NULL is null. Nothing is well with evidence that is not authentic. */
static void put(const struct table *t, const struct row *r, json_t *wants, json_t *saw)
{
    const struct tally_verdict *v = t->v;
    bool bad = holds(v->failed, v->failed_n, r) || holds(v->missing, v->missing_n, r);

    (void)json_array_append_new(t->list,
                                json_pack("{s:s, s:o?, s:o?, s:s, s:b}", "rule", r->key, "wants",
                                          wants, "saw", saw, "check", tally_reason_name(r->reason),
                                          "ok", (int)(v->authentic && !bad)));
}

static json_t *claim(const struct table *t, const char *name)
{
    return name == NULL ? NULL : json_incref(json_object_get(t->claims, name));
}

static json_t *hex(struct tally_slice bytes)
{
    char text[2 * TALLY_REPORT_DATA_BYTES + 1];

    if (bytes.at == NULL || bytes.len >= sizeof text / 2) return NULL;
    tally_hex(bytes, text);
    return json_string(text);
}

static bool is_tdx(const struct evidence_case *c)
{
    return (evidence_case_parts(c) & TALLY_POLICY_TDX) != 0;
}

static bool is_gpu(const struct evidence_case *c)
{
    return (evidence_case_parts(c) & TALLY_POLICY_GPU) != 0;
}

/* The measurements that were given, a TD's by its MRTD; null: none. */
static json_t *measurements(const struct evidence_case *c)
{
    const struct tally_expect *e = &c->expect;
    uint32_t n = is_tdx(c) ? e->td_measurements_n : e->measurements_n;
    json_t *list = n == 0 ? NULL : json_array();

    for (uint32_t i = 0; i < n; i++)
        (void)json_array_append_new(
            list, hex(is_tdx(c) ? TALLY_SLICE(c->td[i].mrtd) : TALLY_SLICE(c->measurements[i])));
    return list;
}

/* What no policy turns off, of a guest; integrity looks at bindings alone. */
static void put_guest(const struct table *t)
{
    static const struct row debug = {0, "debug", "debug", TALLY_R_E_POLICY_DEBUG, NULL};
    static const struct row migration = {0, "migration", "migration", TALLY_R_E_POLICY_MIGRATION,
                                         "migrat"};
    static const struct row given = {0, "measurement", NULL, TALLY_R_E_MEASUREMENT, "program"};
    static const struct row not_given = {0, "measurement", NULL, TALLY_R_E_MEASUREMENT, "compare"};
    static const struct row report_data = {0, "report_data", "report_data", TALLY_R_E_REPORT_DATA,
                                           "REPORT_DATA"};
    static const struct row user_data = {0, "user_data", "hcl_user_data", TALLY_R_E_REPORT_DATA,
                                         "user-data"};
    bool azure = t->c->kind == EVIDENCE_AZURE;
    json_t *wants = measurements(t->c), *never = t->c->policy.integrity ? NULL : json_false();
    struct tally_slice data = {t->c->expect.report_data, TALLY_REPORT_DATA_BYTES};

    put(t, &debug, never, claim(t, debug.claim));
    put(t, &migration, json_incref(never), claim(t, migration.claim));
    put(t, wants == NULL ? &not_given : &given, wants,
        claim(t, is_tdx(t->c) ? "mrtd" : "measurement"));
    put(t, &report_data, azure ? NULL : hex(data), claim(t, report_data.claim));
    if (azure) put(t, &user_data, hex(data), claim(t, user_data.claim));
}

/* The same of all evidence. */
static void put_always(const struct table *t)
{
    static const struct row signature = {0, "signature", NULL, TALLY_R_E_SIGNATURE, NULL};
    static const struct row revoked = {0, "revoked", NULL, TALLY_R_E_REVOKED, NULL};
    static const struct row trust = {0, "trust", "trust", TALLY_R_E_TRUST_CLASS, NULL};
    static const struct row nonce = {0, "nonce", NULL, TALLY_R_E_REPORT_DATA, "nonce"};
    const struct evidence_case *c = t->c;
    const struct tally_verdict *v = t->v;
    bool guest = !is_gpu(c) && c->kind != EVIDENCE_TPM;

    put(t, &signature, json_true(), json_boolean(v->authentic));
    put(t, &revoked, json_false(),
        v->authentic ? json_boolean(holds(v->failed, v->failed_n, &revoked)) : NULL);
    put(t, &trust,
        c->expect.trust == 0 ? NULL : json_string(tally_trust_class_name(c->expect.trust)),
        claim(t, trust.claim));
    if (guest) put_guest(t);
    if (!guest || c->options->attest != NULL)
        put(t, &nonce, hex(c->expect.nonce), claim(t, is_gpu(c) ? "nonce" : "tpm_nonce"));
}

bool evidence_explains(enum tally_policy_part part, const char *key)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].part == part && strcmp(rows[i].key, key) == 0) return true;
    }
    return false;
}

/* Integrity asks none of a policy's rules but those that were set for this call. */
static bool asked(const struct evidence_case *c, const char *key)
{
    size_t len = strlen(key);

    if (!c->policy.integrity) return true;
    for (size_t i = 0; i < c->options->sets.n; i++) {
        const char *setting = c->options->sets.items[i];
        if (strncmp(setting, key, len) == 0 && setting[len] == '=') return true;
    }
    return false;
}

static void put_part(const struct table *t, enum tally_policy_part part)
{
    json_t *policy = tally_policy_part_to_json(&t->c->policy, part);

    for (size_t i = 0; i < ROWS; i++) {
        json_t *rule = rows[i].part == part && asked(t->c, rows[i].key)
                           ? json_object_get(policy, rows[i].key)
                           : NULL;
        if (rule != NULL) put(t, &rows[i], json_incref(rule), claim(t, rows[i].claim));
    }
    json_decref(policy);
}

json_t *evidence_explain(const struct evidence_case *c, const struct tally_verdict *v)
{
    const struct table t = {c, v, tally_claims_json(v), json_array()};

    /* The one thing that evidence says and that is no claim. */
    if (v->tcb.status != NULL)
        (void)json_object_set_new(t.claims, "tcb_status", json_string(v->tcb.status));
    put_always(&t);
    for (unsigned part = TALLY_POLICY_SNP; part <= TALLY_POLICY_TPM; part <<= 1) {
        if (evidence_case_parts(c) & part) put_part(&t, (enum tally_policy_part)part);
    }
    json_decref(t.claims);
    return t.list;
}
