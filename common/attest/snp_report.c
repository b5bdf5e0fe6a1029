/* snp_report.c - see snp_report.h. */
#include "common/attest/snp_report.h"

#include <string.h>

enum { FAMILY_ZEN3_4 = 0x19, FAMILY_ZEN5 = 0x1a };

static const struct {
    enum tally_snp_product product;
    uint8_t family, first, last;
} models[] = {
    {TALLY_SNP_MILAN, FAMILY_ZEN3_4, 0x00, 0x0f},
    {TALLY_SNP_GENOA, FAMILY_ZEN3_4, 0x10, 0x1f},
    {TALLY_SNP_GENOA, FAMILY_ZEN3_4, 0xa0, 0xaf}, /* Bergamo and Siena */
    {TALLY_SNP_TURIN, FAMILY_ZEN5,   0x00, 0x11},
};
enum { MODELS = sizeof models / sizeof models[0] };

const char *tally_snp_product_name(enum tally_snp_product p)
{
    static const char *const names[] = {"unknown", "Milan", "Genoa", "Turin"};
    return names[p];
}

enum tally_snp_product tally_snp_product_of(uint8_t family, uint8_t model)
{
    for (size_t i = 0; i < MODELS; i++) {
        if (models[i].family == family && model >= models[i].first && model <= models[i].last)
            return models[i].product;
    }
    return TALLY_SNP_UNKNOWN;
}

bool tally_snp_product_models(enum tally_snp_product p, int i, uint8_t *family, uint8_t range[2])
{
    for (size_t k = 0; k < MODELS; k++) {
        if (models[k].product != p || i-- > 0) continue;
        *family = models[k].family;
        range[0] = models[k].first;
        range[1] = models[k].last;
        return true;
    }
    return false;
}

struct tally_snp_tcb_parts tally_snp_tcb_parts(enum tally_snp_product p,
                                               const struct tally_snp_tcb *tcb)
{
    const uint8_t *b = tcb->raw;

    if (p == TALLY_SNP_TURIN)
        return (struct tally_snp_tcb_parts){b[0], b[1], b[2],
                                            b[3], b[7], (b[4] | b[5] | b[6]) == 0};
    return (struct tally_snp_tcb_parts){0,    b[0], b[1],
                                        b[6], b[7], (b[2] | b[3] | b[4] | b[5]) == 0};
}

bool tally_snp_tcb_at_most(enum tally_snp_product p, const struct tally_snp_tcb *a,
                           const struct tally_snp_tcb *b)
{
    struct tally_snp_tcb_parts x = tally_snp_tcb_parts(p, a), y = tally_snp_tcb_parts(p, b);

    return x.fmc <= y.fmc && x.boot_loader <= y.boot_loader && x.tee <= y.tee && x.snp <= y.snp &&
           x.microcode <= y.microcode;
}

static void read_firmware(struct tally_rd *r, struct tally_snp_firmware *f, const char *field)
{
    f->build = tally_rd_u8(r, field);
    f->minor = tally_rd_u8(r, field);
    f->major = tally_rd_u8(r, field);
    tally_rd_zero(r, 1, field);
}

#define COPY(field) tally_rd_copy(&r, out->field, sizeof out->field, #field)
#define TCB(field)  tally_rd_copy(&r, out->field.raw, TALLY_SNP_TCB_BYTES, #field)

/* All fields in order; the name of the first reserved field that is not zero, or NULL. */
static const char *read_fields(struct tally_slice in, struct tally_snp_report *out)
{
    struct tally_rd r = tally_rd_from(in);

    out->version = tally_rd_le32(&r, "VERSION");
    out->guest_svn = tally_rd_le32(&r, "GUEST_SVN");
    out->policy = tally_rd_le64(&r, "POLICY");
    COPY(family_id);
    COPY(image_id);
    out->vmpl = tally_rd_le32(&r, "VMPL");
    out->signature_algo = tally_rd_le32(&r, "SIGNATURE_ALGO");
    TCB(current);
    out->platform_info = tally_rd_le64(&r, "PLATFORM_INFO");
    out->key_flags = tally_rd_le32(&r, "key flags");
    tally_rd_zero(&r, 4, "reserved 0x4c");
    COPY(report_data);
    COPY(measurement);
    COPY(host_data);
    COPY(id_key_digest);
    COPY(author_key_digest);
    COPY(report_id);
    COPY(report_id_ma);
    TCB(reported);
    out->cpuid_family = tally_rd_u8(&r, "CPUID_FAM_ID");
    out->cpuid_model = tally_rd_u8(&r, "CPUID_MOD_ID");
    out->cpuid_step = tally_rd_u8(&r, "CPUID_STEP");
    tally_rd_zero(&r, 21, "reserved 0x18b");
    COPY(chip_id);
    TCB(committed);
    read_firmware(&r, &out->current_fw, "reserved 0x1eb");
    read_firmware(&r, &out->committed_fw, "reserved 0x1ef");
    TCB(launch);
    out->launch_mit = tally_rd_le64(&r, "LAUNCH_MIT_VECTOR");
    out->current_mit = tally_rd_le64(&r, "CURRENT_MIT_VECTOR");
    tally_rd_zero(&r, 152, "reserved 0x208");
    COPY(r);
    COPY(s);
    tally_rd_zero(&r, 368, "reserved 0x330");
    return r.bad;
}

static enum tally_status check(const struct tally_snp_report *r, const char *reserved)
{
    static const uint8_t zero[48];
    uint32_t key = TALLY_SNP_SIGNING_KEY(r->key_flags);

    TALLY_REFUSE_UNLESS(r->version >= 2 && r->version <= 5, TALLY_R_E_VERSION, "report version %u",
                        r->version);
    TALLY_REFUSE_UNLESS(r->signature_algo == 1, TALLY_R_E_ALGORITHM, "SIGNATURE_ALGO %u",
                        r->signature_algo);
    TALLY_REFUSE_UNLESS(reserved == NULL, TALLY_R_E_RESERVED_NONZERO, "%s is not zero", reserved);
    TALLY_REFUSE_UNLESS(r->policy >> 26 == 0, TALLY_R_E_RESERVED_NONZERO, "POLICY above bit 25");
    TALLY_REFUSE_UNLESS(r->key_flags >> 5 == 0, TALLY_R_E_RESERVED_NONZERO, "key flags above 4");
    TALLY_REFUSE_UNLESS(r->version >= 3 || (r->cpuid_family | r->cpuid_model | r->cpuid_step) == 0,
                        TALLY_R_E_RESERVED_NONZERO, "CPUID fields in a version 2 report");
    TALLY_REFUSE_UNLESS(r->version >= 5 || (r->launch_mit | r->current_mit) == 0,
                        TALLY_R_E_RESERVED_NONZERO, "mitigation vectors before version 5");
    TALLY_REFUSE_UNLESS(r->policy & TALLY_SNP_POLICY_ONE, TALLY_R_E_FORMAT, "POLICY bit 17 is 0");
    TALLY_REFUSE_UNLESS(r->vmpl <= 3, TALLY_R_E_VMPL, "VMPL %u", r->vmpl);
    TALLY_REFUSE_UNLESS(key == TALLY_SNP_KEY_VCEK || key == TALLY_SNP_KEY_VLEK, TALLY_R_E_CERT_TYPE,
                        "signing key %u is neither VCEK nor VLEK", key);
    TALLY_REFUSE_UNLESS(TALLY_SNP_AUTHOR_KEY_EN(r->key_flags) ||
                            memcmp(r->author_key_digest, zero, sizeof zero) == 0,
                        TALLY_R_E_FORMAT, "AUTHOR_KEY_DIGEST without AUTHOR_KEY_EN");
    return TALLY_OK;
}

enum tally_status tally_snp_report_decode(struct tally_slice in, struct tally_snp_report *out)
{
    struct tally_snp_report r;

    TALLY_REFUSE_UNLESS(in.len >= TALLY_SNP_REPORT_BYTES, TALLY_R_E_TRUNCATED,
                        "report of %zu bytes, not %d", in.len, TALLY_SNP_REPORT_BYTES);
    TALLY_REFUSE_UNLESS(in.len == TALLY_SNP_REPORT_BYTES, TALLY_R_E_TRAILING,
                        "report of %zu bytes, not %d", in.len, TALLY_SNP_REPORT_BYTES);
    TALLY_TRY(check(&r, read_fields(in, &r)));
    *out = r;
    return TALLY_OK;
}

static void zeros(struct tally_wr *w, size_t n)
{
    static const uint8_t zero[368];
    tally_wr_put(w, zero, n);
}

static void write_firmware(struct tally_wr *w, const struct tally_snp_firmware *f)
{
    tally_wr_u8(w, f->build);
    tally_wr_u8(w, f->minor);
    tally_wr_u8(w, f->major);
    tally_wr_u8(w, 0);
}

#define PUT(field)     tally_wr_put(&w, r->field, sizeof r->field)
#define PUT_TCB(field) tally_wr_put(&w, r->field.raw, TALLY_SNP_TCB_BYTES)

void tally_snp_report_encode(const struct tally_snp_report *r, uint8_t out[TALLY_SNP_REPORT_BYTES])
{
    struct tally_wr w = tally_wr_to(out, TALLY_SNP_REPORT_BYTES);

    tally_wr_le32(&w, r->version);
    tally_wr_le32(&w, r->guest_svn);
    tally_wr_le64(&w, r->policy);
    PUT(family_id);
    PUT(image_id);
    tally_wr_le32(&w, r->vmpl);
    tally_wr_le32(&w, r->signature_algo);
    PUT_TCB(current);
    tally_wr_le64(&w, r->platform_info);
    tally_wr_le32(&w, r->key_flags);
    zeros(&w, 4);
    PUT(report_data);
    PUT(measurement);
    PUT(host_data);
    PUT(id_key_digest);
    PUT(author_key_digest);
    PUT(report_id);
    PUT(report_id_ma);
    PUT_TCB(reported);
    tally_wr_u8(&w, r->cpuid_family);
    tally_wr_u8(&w, r->cpuid_model);
    tally_wr_u8(&w, r->cpuid_step);
    zeros(&w, 21);
    PUT(chip_id);
    PUT_TCB(committed);
    write_firmware(&w, &r->current_fw);
    write_firmware(&w, &r->committed_fw);
    PUT_TCB(launch);
    tally_wr_le64(&w, r->launch_mit);
    tally_wr_le64(&w, r->current_mit);
    zeros(&w, 152);
    PUT(r);
    PUT(s);
    zeros(&w, 368);
    TALLY_ASSERT(!w.full && w.used == TALLY_SNP_REPORT_BYTES);
}
