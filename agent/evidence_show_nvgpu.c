/* evidence_show_nvgpu.c - see evidence_show.h: the report of an NVIDIA GPU or NVSwitch. */
#include <stdio.h>
#include <string.h>

#include "agent/evidence_show.h"
#include "common/attest/gpu_links.h"
#include "common/attest/gpu_report.h"
#include "common/text.h"

/* Where things stand (gpu_report.h). */
enum { RESPONSE = 37, BLOCKS_N = 41, LENGTH = 42, RECORD = 45, BLOCK = 55, VALUE = 7 };

enum form { BYTES, TEXT, SWITCH, MODE, VBIOS, LINKS };
/* clang-format off */
static const struct field {
    uint16_t type;
    enum form form;
    const char *name, *meaning;
} fields[] = {
    {1, BYTES, "CERT_ISSUER_NAME", "of the certificate that signed"},
    {2, BYTES, "CERT_AUTHORITY_KEY_ID", "of the certificate that signed"},
    {TALLY_GPU_DRIVER, TEXT, "DRIVER_VERSION", "driver that runs on the node"},
    {4, BYTES, "GPU_INFO", "kind of GPU"},
    {5, BYTES, "SKU", "product number"},
    {TALLY_GPU_VBIOS, VBIOS, "VBIOS_VERSION", "firmware of the GPU, or of the switch"},
    {7, BYTES, "MANUFACTURER_ID", "who made it"},
    {8, BYTES, "TAMPER_DETECTION", "what noticed tampering"},
    {9, BYTES, "SMC", "state of the management controller"},
    {10, BYTES, "VPR", "video protected region"},
    {TALLY_GPU_NVDEC0, SWITCH, "NVDEC0_STATUS", "is the video decoder on; off: 36 is not compared"},
    {12, BYTES, "MSRSCNT", "how often each measurement was extended"},
    {13, BYTES, "CPRINFO", "compute protected region"},
    {14, BYTES, "BOARD_ID", "of the board"},
    {TALLY_GPU_CHIP_SKU, TEXT, "CHIP_SKU", "third part of the SKU"},
    {16, TEXT, "CHIP_SKU_MOD", "modifier of the chip SKU"},
    {TALLY_GPU_PROJECT, TEXT, "PROJECT", "first part of the SKU"},
    {TALLY_GPU_PROJECT_SKU, TEXT, "PROJECT_SKU", "second part of the SKU"},
    {19, TEXT, "PROJECT_SKU_MOD", "modifier of the project SKU"},
    {TALLY_GPU_FWID, BYTES, "FWID", "SHA-384 of the firmware that holds the signing key"},
    {TALLY_GPU_PPCIE, SWITCH, "PROTECTED_PCIE_STATUS", "is protected PCIe on"},
    {TALLY_GPU_SWITCHES, LINKS, "SWITCH_ID", "GPU: its switches, bytes reversed; switch: its own"},
    {23, BYTES, "DISABLED_PORTS", "ports of the switch that are fused off"},
    {24, BYTES, "POSITION_ID", "of the switch on its board"},
    {25, BYTES, "LOCK_STATUS", "of the switch"},
    {TALLY_GPU_PEERS, LINKS, "GPU_IDS", "the switch's GPUs, then its map of ports"},
    {32, BYTES, "GPU_LINK_CONNECTION", "links of the GPU"},
    {33, BYTES, "SYS_ENABLE", "parts of the chip that are enabled"},
    {34, BYTES, "OPAQUE_DATA_VERSION", "of this list"},
    {35, BYTES, "CHIP_INFO", "kind of chip"},
    {TALLY_GPU_FEATURE, MODE, "FEATURE_FLAG", "how the node uses its GPUs"},
};
/* clang-format on */
enum { FIELDS = sizeof fields / sizeof fields[0] };

static void show_links(json_t *list, size_t at, const struct field *f, size_t size,
                       const struct tally_gpu_report *r)
{
    char text[200] = "", hex[2 * TALLY_GPU_ID_BYTES + 1];
    struct tally_gpu_links links;
    size_t used = 0;

    tally_gpu_links(r, &links);
    for (uint32_t i = 0; i < links.n && used + sizeof hex + 1 < sizeof text; i++) {
        tally_hex(TALLY_SLICE(links.ids[i]), hex);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? " " : "", hex);
    }
    evidence_field(list, at, size, f->name, f->meaning, "%s", text);
}

static void show_opaque(json_t *list, size_t at, const struct field *f,
                        const struct tally_gpu_opaque *o, const struct tally_gpu_report *r)
{
    char text[TALLY_GPU_TEXT_SIZE];
    struct tally_slice s = tally_gpu_text(r, (enum tally_gpu_field)o->type);
    bool own_id = f->type == TALLY_GPU_SWITCHES && tally_gpu_is_switch(r);

    switch (f->form) {
    case TEXT:
        evidence_field(list, at, o->value.len, f->name, f->meaning, "%.*s", (int)s.len,
                       (const char *)s.at);
        break;
    case SWITCH:
        evidence_field(list, at, o->value.len, f->name, f->meaning, "%s",
                       tally_gpu_is_on(r, (enum tally_gpu_field)o->type) ? "on" : "off");
        break;
    case MODE:
        evidence_field(list, at, o->value.len, f->name, f->meaning, "%s",
                       tally_gpu_mode_name(tally_gpu_mode(r)));
        break;
    case VBIOS:
        tally_gpu_vbios(r, text);
        evidence_field(list, at, o->value.len, f->name, f->meaning, "%s", text);
        break;
    case LINKS:
        if (own_id)
            evidence_field_hex(list, at, f->name, f->meaning, o->value);
        else
            show_links(list, at, f, o->value.len, r);
        break;
    case BYTES: evidence_field_hex(list, at, f->name, f->meaning, o->value); break;
    }
}

/* Text that was not checked when the report was read may be anything. */
static bool printable(struct tally_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < 0x20 || s.at[i] >= 0x7f) return false;
    }
    return true;
}

static void show_fields(json_t *list, size_t at, const struct tally_gpu_report *r)
{
    for (uint32_t i = 0; i < r->opaque_n; i++) {
        const struct tally_gpu_opaque *o = &r->opaque[i];
        struct field f = {o->type, BYTES, "UNKNOWN", "a field that is not known here"};
        for (size_t k = 0; k < FIELDS; k++) {
            if (fields[k].type == o->type) f = fields[k];
        }
        if (f.form == TEXT && !printable(tally_gpu_text(r, (enum tally_gpu_field)o->type)))
            f.form = BYTES;
        show_opaque(list, at + 4, &f, o, r);
        at += 4 + o->value.len;
    }
}

static void show_blocks(json_t *list, const struct tally_gpu_report *r)
{
    char name[32];

    for (unsigned i = 0; i < r->blocks_n; i++) {
        (void)snprintf(name, sizeof name, "MEASUREMENT_%u", i + 1);
        evidence_field_hex(list, RECORD + BLOCK * i + VALUE, name,
                           "SHA-384; a manifest counts from 0", TALLY_SLICE(r->digests[i]));
    }
}

static void show_head(json_t *list, const struct tally_gpu_report *r)
{
    evidence_field(list, 0, 1, "REQUEST_VERSION", "SPDM version of the request", "%u.%u",
                   (unsigned)(r->request.version >> 4), r->request.version & 15U);
    evidence_field(list, 1, 1, "REQUEST_CODE", "0xe0: GET_MEASUREMENTS", "0x%02x", r->request.code);
    evidence_field(list, 2, 1, "REQUEST_PARAM1", "1: a signature is asked for", "%u",
                   r->request.param1);
    evidence_field(list, 3, 1, "REQUEST_PARAM2", "0xff: all measurements", "0x%02x",
                   r->request.param2);
    evidence_field_hex(list, 4, "REQUEST_NONCE", "what the asker bound to this report",
                       TALLY_SLICE(r->request.nonce));
    evidence_field(list, 36, 1, "REQUEST_SLOT", "of the certificate chain", "%u", r->request.slot);
    evidence_field(list, RESPONSE, 1, "RESPONSE_VERSION", "SPDM version of the response", "%u.%u",
                   (unsigned)(r->response.version >> 4), r->response.version & 15U);
    evidence_field(list, RESPONSE + 1, 1, "RESPONSE_CODE", "0x60: MEASUREMENTS", "0x%02x",
                   r->response.code);
    evidence_field(list, RESPONSE + 2, 1, "RESPONSE_PARAM1", "reserved", "%u", r->response.param1);
    evidence_field(list, RESPONSE + 3, 1, "RESPONSE_SLOT", "of the certificate chain", "%u",
                   r->response.param2);
    evidence_field(list, BLOCKS_N, 1, "MEASUREMENTS", "how many: 64 of a GPU, 31 of a switch", "%u",
                   r->blocks_n);
    evidence_field(list, LENGTH, 3, "RECORD_LENGTH", "of the measurements, in bytes", "%u",
                   (unsigned)r->blocks_n * BLOCK);
}

enum tally_status evidence_show_nvgpu(struct tally_slice file, json_t *list)
{
    struct tally_gpu_report r;

    TALLY_TRY(tally_gpu_report_decode(file, false, &r));
    size_t nonce = RECORD + (size_t)r.blocks_n * BLOCK;
    size_t opaque = nonce + TALLY_GPU_NONCE_BYTES;
    show_head(list, &r);
    show_blocks(list, &r);
    evidence_field_hex(list, nonce, "RESPONSE_NONCE", "the device's own, random",
                       TALLY_SLICE(r.response.nonce));
    evidence_field(list, opaque, 2, "OPAQUE_LENGTH", "of the vendor's fields, in bytes", "%zu",
                   r.signed_part.len - opaque - 2);
    show_fields(list, opaque + 2, &r);
    evidence_field_hex(list, r.signed_part.len, "SIGNATURE",
                       "r and s, big-endian: ECDSA P-384 with SHA-384", TALLY_SLICE(r.signature));
    return TALLY_OK;
}
