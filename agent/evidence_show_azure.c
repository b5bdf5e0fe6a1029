/* evidence_show_azure.c - see evidence_show.h: an HCL blob with the runtime data in it. */
#include <inttypes.h>
#include <string.h>

#include "agent/evidence_show.h"
#include "common/attest/hcl.h"

enum { REPORT_AT = 32, RUNTIME_AT = 1216, JSON_AT = 1236 };

static void add_head(json_t *fields, const struct tally_hcl *h)
{
    bool tdx = h->type == TALLY_HCL_TDX;
    static const char *const hashes[] = {"SHA-256", "SHA-384", "SHA-512"};

    evidence_field(fields, 0, 4, "signature", "of the paravisor's blob", "HCLA");
    evidence_field(fields, 4, 4, "version", "of the blob", "%" PRIu32, h->version);
    evidence_field(fields, 8, 4, "report size", "up to the runtime data's end", "%zu",
                   JSON_AT + h->json.len);
    evidence_field(fields, REPORT_AT, h->hardware.len, tdx ? "TDREPORT" : "SNP report",
                   tdx ? "its quote stands in a file of its own" : "see `evidence show snp`",
                   "%zu bytes", h->hardware.len);
    evidence_field_hex(fields, (size_t)(h->report_data.at - h->hardware.at) + REPORT_AT,
                       tdx ? "REPORTDATA" : "REPORT_DATA", "of that report", h->report_data);
    evidence_field(fields, RUNTIME_AT + 8, 4, "report type", "2: SNP, 4: TDX", "%d", (int)h->type);
    evidence_field(fields, RUNTIME_AT + 12, 4, "hash type", "of the runtime data", "%s",
                   hashes[h->hash]);
    evidence_field(fields, RUNTIME_AT + 16, 4, "runtime data size", "", "%zu", h->json.len);
}

static void add_binding(json_t *fields, const struct tally_hcl *h)
{
    uint8_t want[64];

    tally_hcl_report_data(h, want);
    bool same = tally_slice_equal(h->report_data, TALLY_SLICE(want));
    evidence_field_hex(fields, JSON_AT, "runtime data's hash",
                       same ? "is what the report carries" : "is NOT what the report carries",
                       TALLY_SLICE(want));
}

static void add_fact(json_t *fields, const char *name, const char *meaning, enum tally_hcl_fact f)
{
    if (f != TALLY_HCL_UNSAID)
        evidence_field(fields, JSON_AT, 0, name, meaning, "%s", f == TALLY_HCL_YES ? "yes" : "no");
}

static void add_text(json_t *fields, const char *name, const char *meaning, const char *text)
{
    if (*text != '\0') evidence_field(fields, JSON_AT, 0, name, meaning, "%s", text);
}

static void add_config(json_t *fields, const struct tally_hcl_config *c)
{
    add_fact(fields, "secure-boot", "the guest's firmware checks what it starts", c->secure_boot);
    add_fact(fields, "console-enabled", "the host has a serial console", c->console);
    add_fact(fields, "interactive-console-enabled", "and may type there", c->interactive_console);
    add_fact(fields, "ipmi-enabled", "", c->ipmi);
    add_fact(fields, "tpm-enabled", "", c->tpm);
    add_fact(fields, "tpm-persisted", "the vTPM outlives a boot", c->tpm_persisted);
    add_fact(fields, "filtered-vpci-devices-allowed", "", c->filtered_vpci);
    add_text(fields, "vmUniqueId", "", c->vm_id);
    add_text(fields, "root-cert-thumbprint", "", c->root_thumbprint);
    add_text(fields, "tpm-version", "", c->tpm_version);
    add_text(fields, "hardware-sealing-policy", "", c->sealing_policy);
    if (c->current_time_s != 0)
        evidence_field(fields, JSON_AT, 0, "current-time", "the host's, seconds since 1970",
                       "%" PRIu64, c->current_time_s);
}

enum tally_status evidence_show_azure(struct tally_slice file, json_t *fields)
{
    struct tally_hcl h;

    TALLY_TRY(tally_hcl_decode(file, &h));
    add_head(fields, &h);
    add_binding(fields, &h);
    evidence_field_hex(fields, JSON_AT, "HCLAkPub.n", "RSA key of the vTPM's quotes, e 65537",
                       tally_slice_of(h.ak_n, h.ak_n_len));
    evidence_field(fields, JSON_AT, 0, "HCLAkPub.key_ops", "", "%s",
                   h.ak_signs ? "sign" : "encrypt");
    add_config(fields, &h.config);
    if (h.has_user_data)
        evidence_field_hex(fields, JSON_AT, "user-data", "what the guest bound to this report",
                           TALLY_SLICE(h.user_data));
    return TALLY_OK;
}
