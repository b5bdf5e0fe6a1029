/* evidence_show_tdx.c - see evidence_show.h: a TDX quote, then the platform in its PCK
 * certificate. Offsets follow the quote's own lengths. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/evidence_show.h"
#include "common/attest/tdx_chain.h"
#include "common/secret.h"
#include "common/text.h"

#define AT(field)   offsetof(struct tally_tdx_quote, field)
#define SIZE(field) sizeof(((struct tally_tdx_quote *)0)->field)

enum show { HEX, U16, U32, MASK };

struct row {
    uint16_t size;
    enum show show;
    size_t at; /* in the struct */
    const char *name, *meaning;
};
#define ROW(show, field, name, meaning)             \
    {                                               \
        SIZE(field), show, AT(field), name, meaning \
    }

/* One table per part, without a gap: each row stands behind the one before. */
/* clang-format off */
static const struct row header[] = {
    ROW(U16, version, "VERSION", "4 or 5"),
    ROW(U16, key_type, "ATT_KEY_TYPE", "2: ECDSA P-256"),
    ROW(U32, tee_type, "TEE_TYPE", "0x81 (129): TDX"),
    ROW(U16, qe_svn, "QE_SVN", "not used"),
    ROW(U16, pce_svn, "PCE_SVN", "not used"),
    ROW(HEX, vendor, "QE_VENDOR_ID", "Intel's"),
    ROW(HEX, user_data, "USER_DATA", "id of the quoting enclave"),
};
static const struct row body[] = {
    ROW(HEX, tee_tcb_svn, "TEE_TCB_SVN", "module minor version, module id, microcode, at launch"),
    ROW(HEX, mr_seam, "MRSEAM", "digest of the TDX module"),
    ROW(HEX, mr_signer_seam, "MRSIGNERSEAM", "who signed the module; zero: Intel"),
    ROW(MASK, seam_attributes, "SEAMATTRIBUTES", "zero: a production module"),
    ROW(MASK, td_attributes, "TDATTRIBUTES", ""),
    ROW(MASK, xfam, "XFAM", "processor features that the TD may use"),
    ROW(HEX, mrtd, "MRTD", "digest of what was launched"),
    ROW(HEX, mr_config_id, "MRCONFIGID", "from the host, at launch"),
    ROW(HEX, mr_owner, "MROWNER", "from the host, at launch"),
    ROW(HEX, mr_owner_config, "MROWNERCONFIG", "from the host, at launch"),
};
static const struct row body15[] = {
    ROW(HEX, tee_tcb_svn2, "TEE_TCB_SVN2", "the same of the module that runs now"),
    ROW(HEX, mr_service_td, "MRSERVICETD", "bound service TDs; zero: none"),
};
static const struct row keys[] = {
    ROW(HEX, signature, "SIGNATURE", "r and s of the quote, by the attestation key"),
    ROW(HEX, ak, "ATTESTATION_KEY", "x and y"),
};
/* clang-format on */
#define N(table) (sizeof(table) / sizeof(table)[0])

static void attributes_text(uint64_t a, char *text, size_t size)
{
    static const struct {
        uint64_t bits;
        const char *name;
    } names[] = {
        {TALLY_TDX_ATTR_TUD,             "DEBUG"          },
        {TALLY_TDX_ATTR_SEPT_VE_DISABLE, "SEPT_VE_DISABLE"},
        {TALLY_TDX_ATTR_MIGRATABLE,      "MIGRATABLE"     },
        {TALLY_TDX_ATTR_PERFMON,         "PERFMON"        },
        {TALLY_TDX_ATTR_PKS,             "PKS"            },
        {TALLY_TDX_ATTR_KL,              "KL"             },
        {TALLY_TDX_ATTR_LASS,            "LASS"           },
        {TALLY_TDX_ATTR_ICSSD,           "ICSSD"          },
        {TALLY_TDX_ATTR_TPA,             "TPA"            },
    };
    int used = snprintf(text, size, "what the TD may do:");

    for (size_t i = 0; i < N(names); i++) {
        if ((a & names[i].bits) == 0) continue;
        used += snprintf(text + used, size - (size_t)used, " %s", names[i].name);
    }
    if (a == 0) (void)snprintf(text + used, size - (size_t)used, " nothing of it");
}

/* The fields of one part from `offset` on; gives where they end. */
static size_t show(json_t *list, const struct row *rows, size_t n, size_t offset,
                   const struct tally_tdx_quote *q)
{
    char text[160];

    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        const void *p = (const char *)q + r->at;
        const char *meaning = r->meaning;
        if (r->at == AT(td_attributes)) {
            attributes_text(q->td_attributes, text, sizeof text);
            meaning = text;
        }
        switch (r->show) {
        case U16:
            evidence_field(list, offset, r->size, r->name, meaning, "%u", *(const uint16_t *)p);
            break;
        case U32:
            evidence_field(list, offset, r->size, r->name, meaning, "%" PRIu32,
                           *(const uint32_t *)p);
            break;
        case MASK:
            evidence_field(list, offset, r->size, r->name, meaning, "0x%" PRIx64,
                           *(const uint64_t *)p);
            break;
        case HEX:
            evidence_field_hex(list, offset, r->name, meaning, tally_slice_of(p, r->size));
            break;
        }
        offset += r->size;
    }
    return offset;
}

static size_t show_rtmrs(json_t *list, size_t offset, const struct tally_tdx_quote *q)
{
    static const char *const names[] = {"RTMR0", "RTMR1", "RTMR2", "RTMR3"};
    static const char *const meanings[] = {"firmware's configuration", "boot loader and kernel",
                                           "what the kernel was given", "for programs in the TD"};

    for (size_t i = 0; i < 4; i++) {
        evidence_field_hex(list, offset, names[i], meanings[i], TALLY_SLICE(q->rtmr[i]));
        offset += TALLY_TDX_DIGEST_BYTES;
    }
    evidence_field_hex(list, offset, "REPORTDATA", "what the guest bound to this quote",
                       TALLY_SLICE(q->report_data));
    return offset + sizeof q->report_data;
}

/* Offsets as in the QE report of 384 bytes that begins at `at`. */
static void show_qe(json_t *list, size_t at, const struct tally_tdx_quote *q)
{
    const struct tally_tdx_qe_report *r = &q->qe;

    evidence_field_hex(list, at, "QE_CPUSVN", "of the quoting enclave", TALLY_SLICE(r->cpu_svn));
    evidence_field(list, at + 16, 4, "QE_MISCSELECT", "", "0x%" PRIx32, r->misc_select);
    evidence_field_hex(list, at + 48, "QE_ATTRIBUTES", "second bit: under debug",
                       TALLY_SLICE(r->attributes));
    evidence_field_hex(list, at + 64, "QE_MRENCLAVE", "which quoting enclave",
                       TALLY_SLICE(r->mr_enclave));
    evidence_field_hex(list, at + 128, "QE_MRSIGNER", "who signed it", TALLY_SLICE(r->mr_signer));
    evidence_field(list, at + 256, 2, "QE_ISVPRODID", "2: for TDX", "%u", r->isv_prod_id);
    evidence_field(list, at + 258, 2, "QE_ISVSVN", "its security version", "%u", r->isv_svn);
    evidence_field_hex(list, at + 320, "QE_REPORTDATA", "SHA-256 of attestation key and auth data",
                       TALLY_SLICE(r->report_data));
    evidence_field_hex(list, at + 384, "QE_SIGNATURE", "r and s of the QE report, by the PCK",
                       TALLY_SLICE(q->qe_signature));
    evidence_field(list, at + 448, 2, "QE_AUTH_SIZE", "", "%zu", q->auth.len);
    evidence_field_hex(list, at + 450, "QE_AUTH_DATA", "chosen by the quoting enclave", q->auth);
}

static void show_pck(json_t *list, size_t at, const struct tally_tdx_pck *p)
{
    evidence_field_hex(list, at, "PPID", "of this chip", TALLY_SLICE(p->ppid));
    evidence_field_hex(list, at, "FMSPC", "platform family", TALLY_SLICE(p->fmspc));
    evidence_field_hex(list, at, "PCEID", "provisioning enclave", TALLY_SLICE(p->pce_id));
    evidence_field_hex(list, at, "SGX_TCB_COMPONENTS", "firmware that the PCK stands for",
                       TALLY_SLICE(p->svn));
    evidence_field(list, at, 0, "PCESVN", "of the provisioning enclave", "%u", p->pce_svn);
    if (p->has_instance)
        evidence_field_hex(list, at, "PLATFORM_INSTANCE_ID", "of this machine",
                           TALLY_SLICE(p->instance));
    if (!p->has_configuration) return;
    evidence_field(list, at, 0, "DYNAMIC_PLATFORM", "may packages be added", "%s",
                   p->dynamic_platform ? "yes" : "no");
    evidence_field(list, at, 0, "SMT_ENABLED", "", "%s", p->smt ? "yes" : "no");
}

static void free_chain(struct tally_tdx_chain **c)
{
    tally_tdx_chain_free(*c);
}

/* Of the chain: whose it is, until when, and what the leaf says. */
static enum tally_status show_chain(json_t *list, size_t at, struct tally_slice pem)
{
    static const char *const names[] = {"PCK_VALID", "PCK_CA_VALID", "ROOT_VALID"};
    TALLY_CLEANUP(free_chain) struct tally_tdx_chain *chain = NULL;
    char from[TALLY_TIME_TEXT_SIZE], until[TALLY_TIME_TEXT_SIZE];

    evidence_field(list, at, pem.len, "PCK_CHAIN", "PEM: PCK certificate, its CA, root",
                   "%zu bytes", pem.len);
    TALLY_TRY(tally_tdx_chain_read(pem, &chain));
    for (size_t i = 0; i < TALLY_TDX_CHAIN; i++) {
        tally_time_text(chain->certs[i].not_before_s, from);
        tally_time_text(chain->certs[i].not_after_s, until);
        evidence_field(list, at, 0, names[i], "the certificate's dates", "%s to %s", from, until);
    }
    show_pck(list, at, &chain->pck);
    return TALLY_OK;
}

enum tally_status evidence_show_tdx(struct tally_slice file, json_t *list)
{
    enum { LENGTH = 4, TYPE_AND_LENGTH = 6, SIG = TALLY_TDX_SIG_BYTES };
    struct tally_tdx_quote q;

    TALLY_TRY(tally_tdx_quote_decode(file, &q));
    size_t at = show(list, header, N(header), 0, &q);
    if (q.version > 4) {
        evidence_field(list, at, 2, "BODY_TYPE", "2: TD report 1.0, 3: TD report 1.5", "%u",
                       q.body_type);
        at += TYPE_AND_LENGTH;
    }
    at = show_rtmrs(list, show(list, body, N(body), at, &q), &q);
    if (q.body_type == TALLY_TDX_TYPE_TD15) at = show(list, body15, N(body15), at, &q);
    at = show(list, keys, N(keys), at + LENGTH, &q) + TYPE_AND_LENGTH;
    show_qe(list, at, &q);
    at += TALLY_TDX_QE_REPORT_BYTES + SIG + 2 + q.auth.len + TYPE_AND_LENGTH;
    TALLY_TRY(show_chain(list, at, q.pck_pem));
    if (q.padding.len > 0)
        evidence_field(list, at + q.pck_pem.len, q.padding.len, "PADDING", "after the quote",
                       "%zu bytes", q.padding.len);
    return TALLY_OK;
}
