/* hcl.c - see hcl.h: the blob round the JSON. */
#include "common/attest/hcl.h"

#include <string.h>

#include "common/attest/snp_report.h"

#define R_(x) TALLY_R_E_##x

enum {
    REQUEST_AK_CERT = 2,
    HEADER = 32,
    RUNTIME_AT = HEADER + TALLY_HCL_REPORT_BYTES,
    JSON_AT = RUNTIME_AT + 20,
    SNP_REPORT_DATA_AT = 0x50,
};
_Static_assert((int)TALLY_HCL_REPORT_BYTES == (int)TALLY_SNP_REPORT_BYTES, "one report's room");

/* The fields before and after the report. */
struct head {
    struct tally_slice magic;
    uint32_t version, size, request, status;
    struct tally_slice report;
    uint32_t data_size, data_version, type, hash, json_size;
};

static enum tally_status read_head(struct tally_slice in, struct head *h)
{
    enum { RESERVED = 12 };
    struct tally_rd r = tally_rd_from(in), reserved;

    TALLY_REFUSE_UNLESS(in.len <= TALLY_HCL_BYTES_MAX, R_(OVERSIZE), "an HCL report of %zu bytes",
                        in.len);
    h->magic = tally_rd_bytes(&r, 4, "signature");
    h->version = tally_rd_le32(&r, "version");
    h->size = tally_rd_le32(&r, "report size");
    h->request = tally_rd_le32(&r, "request type");
    h->status = tally_rd_le32(&r, "status");
    reserved = tally_rd_from(tally_rd_bytes(&r, RESERVED, "reserved"));
    h->report = tally_rd_bytes(&r, TALLY_HCL_REPORT_BYTES, "hardware report");
    h->data_size = tally_rd_le32(&r, "data size");
    h->data_version = tally_rd_le32(&r, "data version");
    h->type = tally_rd_le32(&r, "report type");
    h->hash = tally_rd_le32(&r, "hash type");
    h->json_size = tally_rd_le32(&r, "variable data size");
    TALLY_REFUSE_UNLESS(r.bad == NULL, R_(TRUNCATED), "the HCL report ends early: %s", r.bad);
    tally_rd_zero(&reserved, RESERVED, "reserved");
    TALLY_REFUSE_UNLESS(reserved.bad == NULL, R_(RESERVED_NONZERO), "the HCL header's tail");
    return TALLY_OK;
}

static enum tally_status check_head(const struct head *h)
{
    TALLY_REFUSE_UNLESS(memcmp(h->magic.at, "HCLA", 4) == 0, R_(FORMAT), "no HCL report");
    TALLY_REFUSE_UNLESS((h->version == 1 || h->version == 2) && h->data_version == 1, R_(VERSION),
                        "HCL version %u with data version %u", h->version, h->data_version);
    TALLY_REFUSE_UNLESS(h->request == REQUEST_AK_CERT && h->status == 0, R_(FORMAT),
                        "HCL request type %u, status %u", h->request, h->status);
    TALLY_REFUSE_UNLESS(h->type == TALLY_HCL_SNP || h->type == TALLY_HCL_TDX, R_(TEE_TYPE),
                        "HCL report type %u", h->type);
    TALLY_REFUSE_UNLESS(h->hash >= 1 && h->hash <= 3, R_(ALGORITHM), "HCL hash type %u", h->hash);
    return TALLY_OK;
}

/* The JSON's bytes; then nothing but zeros to the end. */
static enum tally_status find_json(struct tally_slice in, const struct head *h,
                                   struct tally_slice *json)
{
    uint8_t any = 0;

    TALLY_REFUSE_UNLESS(h->json_size <= in.len - JSON_AT, R_(TRUNCATED),
                        "runtime data of %u bytes in %zu", h->json_size, in.len - JSON_AT);
    TALLY_REFUSE_UNLESS(h->data_size == JSON_AT - RUNTIME_AT + h->json_size &&
                            h->size == JSON_AT + h->json_size,
                        R_(FORMAT), "HCL sizes %u and %u for runtime data of %u bytes", h->size,
                        h->data_size, h->json_size);
    *json = tally_slice_of(in.at + JSON_AT, h->json_size);
    for (size_t i = JSON_AT + h->json_size; i < in.len; i++) any |= in.at[i];
    TALLY_REFUSE_UNLESS(any == 0, R_(TRAILING), "bytes other than zero after the runtime data");
    return TALLY_OK;
}

/* REPORTTYPE 81 (TDX), and the two hashes that the processor's MAC is over are of their parts. */
static enum tally_status check_tdreport(struct tally_slice t)
{
    enum { TDX = 0x81, TCB_AT = 256, TCB = 239, INFO_AT = 512, INFO = 512 };
    uint8_t hash[TALLY_SHA384_BYTES];
    const struct tally_slice tcb = {t.at + TCB_AT, TCB}, info = {t.at + INFO_AT, INFO};

    TALLY_REFUSE_UNLESS(t.at[0] == TDX && t.at[1] == 0, R_(TEE_TYPE), "no TDREPORT: type %02x",
                        t.at[0]);
    tally_hash(TALLY_SHA384, &tcb, 1, hash);
    bool good = memcmp(hash, t.at + 32, sizeof hash) == 0;
    tally_hash(TALLY_SHA384, &info, 1, hash);
    good = good && memcmp(hash, t.at + 80, sizeof hash) == 0;
    TALLY_REFUSE_UNLESS(good, R_(FORMAT), "the TDREPORT's hashes are not of its parts");
    return TALLY_OK;
}

static enum tally_status take_report(const struct head *h, struct tally_hcl *out)
{
    const uint8_t *at = h->report.at;
    uint8_t any = 0;

    if (h->type == TALLY_HCL_SNP) {
        out->hardware = h->report;
        out->report_data = tally_slice_of(at + SNP_REPORT_DATA_AT, 64);
        return TALLY_OK;
    }
    out->hardware = tally_slice_of(at, TALLY_TDREPORT_BYTES);
    out->report_data = tally_slice_of(at + TALLY_TDREPORT_DATA_AT, 64);
    for (size_t i = TALLY_TDREPORT_BYTES; i < TALLY_HCL_REPORT_BYTES; i++) any |= at[i];
    TALLY_REFUSE_UNLESS(any == 0, R_(RESERVED_NONZERO), "bytes after the TDREPORT");
    return check_tdreport(out->hardware);
}

enum tally_status tally_hcl_decode(struct tally_slice in, struct tally_hcl *out)
{
    static const enum tally_hash_alg hashes[] = {TALLY_SHA256, TALLY_SHA384, TALLY_SHA512};
    struct tally_hcl hcl = {0};
    struct head h = {0};

    TALLY_TRY(read_head(in, &h));
    TALLY_TRY(check_head(&h));
    TALLY_TRY(find_json(in, &h, &hcl.json));
    hcl.version = h.version;
    hcl.type = (enum tally_hcl_report)h.type;
    hcl.hash = hashes[h.hash - 1];
    TALLY_TRY(take_report(&h, &hcl));
    TALLY_TRY(tally_hcl_json_read(hcl.json, &hcl));
    *out = hcl;
    return TALLY_OK;
}

void tally_hcl_report_data(const struct tally_hcl *h, uint8_t out[64])
{
    memset(out, 0, 64);
    tally_hash(h->hash, &h->json, 1, out);
}
