/* tdx_quote.c - see tdx_quote.h. */
#include "common/attest/tdx_quote.h"

#include <string.h>

enum { CERT_QE_REPORT = 6, CERT_PCK_CHAIN = 5, VERSION_SGX = 3, TYPE_SGX = 1 };

const uint8_t tally_tdx_vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                      0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

/* What ends before its length says. */
static enum tally_status whole(const struct tally_rd *r)
{
    TALLY_REFUSE_UNLESS(r->bad == NULL, TALLY_R_E_TRUNCATED, "a TDX quote that ends in \"%s\"",
                        r->bad);
    return TALLY_OK;
}

static enum tally_status decode_header(struct tally_rd *r, struct tally_tdx_quote *q)
{
    q->version = tally_rd_le16(r, "version");
    q->key_type = tally_rd_le16(r, "attestation key type");
    q->tee_type = tally_rd_le32(r, "TEE type");
    q->qe_svn = tally_rd_le16(r, "QE SVN");
    q->pce_svn = tally_rd_le16(r, "PCE SVN");
    tally_rd_copy(r, q->vendor, sizeof q->vendor, "QE vendor");
    tally_rd_copy(r, q->user_data, sizeof q->user_data, "user data");
    TALLY_TRY(whole(r));
    TALLY_REFUSE_UNLESS(q->version != VERSION_SGX, TALLY_R_E_TEE_TYPE,
                        "version 3 is a quote of an SGX enclave");
    TALLY_REFUSE_UNLESS(q->version == 4 || q->version == 5, TALLY_R_E_VERSION,
                        "quote version %u, not 4 or 5", q->version);
    TALLY_REFUSE_UNLESS(q->tee_type == TALLY_TDX_TEE_TDX, TALLY_R_E_TEE_TYPE,
                        "TEE type 0x%x, not TDX's 0x81", q->tee_type);
    TALLY_REFUSE_UNLESS(q->key_type == TALLY_TDX_KEY_TYPE_P256, TALLY_R_E_ALGORITHM,
                        "attestation key type %u, not ECDSA P-256", q->key_type);
    TALLY_REFUSE_UNLESS(memcmp(q->vendor, tally_tdx_vendor, sizeof q->vendor) == 0,
                        TALLY_R_E_VENDOR, "the quoting enclave is not Intel's");
    return TALLY_OK;
}

/* Version 5 says what body follows; version 4 has one kind. */
static enum tally_status decode_type(struct tally_rd *r, struct tally_tdx_quote *q)
{
    q->body_type = TALLY_TDX_TYPE_TD10;
    if (q->version == 4) return TALLY_OK;
    q->body_type = tally_rd_le16(r, "body type");
    uint32_t size = tally_rd_le32(r, "body size");
    TALLY_TRY(whole(r));
    TALLY_REFUSE_UNLESS(q->body_type != TYPE_SGX, TALLY_R_E_TEE_TYPE,
                        "body type 1 is an SGX enclave's report");
    TALLY_REFUSE_UNLESS(q->body_type != TALLY_TDX_TYPE_TD15_EXT, TALLY_R_E_VERSION,
                        "body type 4 (TD report 1.5, extended) is not judged");
    TALLY_REFUSE_UNLESS(q->body_type == TALLY_TDX_TYPE_TD10 || q->body_type == TALLY_TDX_TYPE_TD15,
                        TALLY_R_E_VERSION, "unknown body type %u", q->body_type);
    uint32_t want =
        q->body_type == TALLY_TDX_TYPE_TD10 ? TALLY_TDX_BODY_BYTES : TALLY_TDX_BODY_15_BYTES;
    TALLY_REFUSE_UNLESS(size == want, TALLY_R_E_FORMAT, "a body of %u bytes, not %u", size, want);
    return TALLY_OK;
}

static void decode_body(struct tally_rd *r, struct tally_tdx_quote *q)
{
    tally_rd_copy(r, q->tee_tcb_svn, sizeof q->tee_tcb_svn, "TEE_TCB_SVN");
    tally_rd_copy(r, q->mr_seam, sizeof q->mr_seam, "MRSEAM");
    tally_rd_copy(r, q->mr_signer_seam, sizeof q->mr_signer_seam, "MRSIGNERSEAM");
    q->seam_attributes = tally_rd_le64(r, "SEAMATTRIBUTES");
    q->td_attributes = tally_rd_le64(r, "TDATTRIBUTES");
    q->xfam = tally_rd_le64(r, "XFAM");
    tally_rd_copy(r, q->mrtd, sizeof q->mrtd, "MRTD");
    tally_rd_copy(r, q->mr_config_id, sizeof q->mr_config_id, "MRCONFIGID");
    tally_rd_copy(r, q->mr_owner, sizeof q->mr_owner, "MROWNER");
    tally_rd_copy(r, q->mr_owner_config, sizeof q->mr_owner_config, "MROWNERCONFIG");
    tally_rd_copy(r, q->rtmr, sizeof q->rtmr, "RTMR");
    tally_rd_copy(r, q->report_data, sizeof q->report_data, "REPORTDATA");
    if (q->body_type != TALLY_TDX_TYPE_TD15) return;
    tally_rd_copy(r, q->tee_tcb_svn2, sizeof q->tee_tcb_svn2, "TEE_TCB_SVN2");
    tally_rd_copy(r, q->mr_service_td, sizeof q->mr_service_td, "MRSERVICETD");
}

/* 384 bytes, so nothing but a reserved byte can be wrong. */
static enum tally_status decode_qe(struct tally_slice in, struct tally_tdx_qe_report *q)
{
    struct tally_rd r = tally_rd_from(in);

    tally_rd_copy(&r, q->cpu_svn, sizeof q->cpu_svn, "CPUSVN");
    q->misc_select = tally_rd_le32(&r, "MISCSELECT");
    tally_rd_zero(&r, 28, "after MISCSELECT");
    tally_rd_copy(&r, q->attributes, sizeof q->attributes, "ATTRIBUTES");
    tally_rd_copy(&r, q->mr_enclave, sizeof q->mr_enclave, "MRENCLAVE");
    tally_rd_zero(&r, 32, "after MRENCLAVE");
    tally_rd_copy(&r, q->mr_signer, sizeof q->mr_signer, "MRSIGNER");
    tally_rd_zero(&r, 96, "after MRSIGNER");
    q->isv_prod_id = tally_rd_le16(&r, "ISVPRODID");
    q->isv_svn = tally_rd_le16(&r, "ISVSVN");
    tally_rd_zero(&r, 60, "after ISVSVN");
    tally_rd_copy(&r, q->report_data, sizeof q->report_data, "REPORTDATA");
    TALLY_REFUSE_UNLESS(r.bad == NULL, TALLY_R_E_RESERVED_NONZERO,
                        "QE report: reserved bytes %s are not zero", r.bad);
    return TALLY_OK;
}

/* The certification data: the QE's report and who vouches for it. */
static enum tally_status decode_certification(struct tally_slice in, struct tally_tdx_quote *q)
{
    struct tally_rd r = tally_rd_from(in);

    q->qe_part = tally_rd_bytes(&r, TALLY_TDX_QE_REPORT_BYTES, "QE report");
    tally_rd_copy(&r, q->qe_signature, sizeof q->qe_signature, "QE report signature");
    q->auth = tally_rd_bytes(&r, tally_rd_le16(&r, "auth size"), "QE auth data");
    uint16_t type = tally_rd_le16(&r, "inner type");
    q->pck_pem = tally_rd_bytes(&r, tally_rd_le32(&r, "chain size"), "PCK chain");
    TALLY_REFUSE_UNLESS(tally_rd_end(&r) == TALLY_OK, TALLY_R_E_FORMAT,
                        "certification data: %s does not fit", r.bad == NULL ? "its end" : r.bad);
    TALLY_REFUSE_UNLESS(type == CERT_PCK_CHAIN, TALLY_R_E_FORMAT,
                        "inner certification data of type %u, not a PCK chain", type);
    return decode_qe(q->qe_part, &q->qe);
}

/* The lengths inside must meet the length outside exactly. */
static enum tally_status decode_auth(struct tally_slice in, struct tally_tdx_quote *q)
{
    struct tally_rd r = tally_rd_from(in);

    tally_rd_copy(&r, q->signature, sizeof q->signature, "signature");
    tally_rd_copy(&r, q->ak, sizeof q->ak, "attestation key");
    uint16_t type = tally_rd_le16(&r, "certification type");
    struct tally_slice data =
        tally_rd_bytes(&r, tally_rd_le32(&r, "certification size"), "certification data");
    TALLY_REFUSE_UNLESS(tally_rd_end(&r) == TALLY_OK, TALLY_R_E_FORMAT,
                        "signature data: %s does not fit", r.bad == NULL ? "its end" : r.bad);
    TALLY_REFUSE_UNLESS(type == CERT_QE_REPORT, TALLY_R_E_FORMAT,
                        "certification data of type %u, not a QE report", type);
    return decode_certification(data, q);
}

static enum tally_status decode(struct tally_rd *r, struct tally_tdx_quote *q)
{
    const uint8_t *from = r->at;

    TALLY_TRY(decode_header(r, q));
    TALLY_TRY(decode_type(r, q));
    decode_body(r, q);
    q->signed_part = tally_slice_of(from, (size_t)(r->at - from));
    struct tally_slice auth =
        tally_rd_bytes(r, tally_rd_le32(r, "signature data size"), "signature data");
    TALLY_TRY(whole(r));
    q->padding = tally_slice_of(r->at, r->left);
    return decode_auth(auth, q);
}

enum tally_status tally_tdx_quote_decode(struct tally_slice in, struct tally_tdx_quote *out)
{
    struct tally_tdx_quote q = {0};
    struct tally_rd r = tally_rd_from(in);

    TALLY_REFUSE_UNLESS(in.len <= TALLY_TDX_QUOTE_BYTES_MAX, TALLY_R_E_OVERSIZE,
                        "a TDX quote of %zu bytes", in.len);
    TALLY_TRY(decode(&r, &q));
    *out = q;
    return TALLY_OK;
}

enum tally_status tally_tdx_quote_padding(const struct tally_tdx_quote *q, bool zeros_allowed)
{
    const struct tally_slice *p = &q->padding;

    if (p->len == 0) return TALLY_OK;
    bool zeros = p->at[0] == 0 && memcmp(p->at, p->at + 1, p->len - 1) == 0;
    TALLY_REFUSE_UNLESS(zeros, TALLY_R_E_TRAILING, "%zu bytes after the quote", p->len);
    TALLY_REFUSE_UNLESS(zeros_allowed, TALLY_R_E_TRAILING, "%zu zero bytes after the quote",
                        p->len);
    return TALLY_OK;
}

static void le16(struct tally_wr *w, uint16_t v)
{
    tally_wr_u8(w, (uint8_t)(v & 0xff));
    tally_wr_u8(w, (uint8_t)(v >> 8));
}

static void zeros(struct tally_wr *w, size_t n)
{
    for (size_t i = 0; i < n; i++) tally_wr_u8(w, 0);
}

void tally_tdx_signed_encode(const struct tally_tdx_quote *q, struct tally_wr *w)
{
    bool td15 = q->body_type == TALLY_TDX_TYPE_TD15;

    le16(w, q->version);
    le16(w, q->key_type);
    tally_wr_le32(w, q->tee_type);
    le16(w, q->qe_svn);
    le16(w, q->pce_svn);
    tally_wr_put(w, q->vendor, sizeof q->vendor);
    tally_wr_put(w, q->user_data, sizeof q->user_data);
    if (q->version > 4) {
        le16(w, q->body_type);
        tally_wr_le32(w, td15 ? TALLY_TDX_BODY_15_BYTES : TALLY_TDX_BODY_BYTES);
    }
    tally_wr_put(w, q->tee_tcb_svn, sizeof q->tee_tcb_svn);
    tally_wr_put(w, q->mr_seam, sizeof q->mr_seam);
    tally_wr_put(w, q->mr_signer_seam, sizeof q->mr_signer_seam);
    tally_wr_le64(w, q->seam_attributes);
    tally_wr_le64(w, q->td_attributes);
    tally_wr_le64(w, q->xfam);
    tally_wr_put(w, q->mrtd, sizeof q->mrtd);
    tally_wr_put(w, q->mr_config_id, sizeof q->mr_config_id);
    tally_wr_put(w, q->mr_owner, sizeof q->mr_owner);
    tally_wr_put(w, q->mr_owner_config, sizeof q->mr_owner_config);
    tally_wr_put(w, q->rtmr, sizeof q->rtmr);
    tally_wr_put(w, q->report_data, sizeof q->report_data);
    if (!td15) return;
    tally_wr_put(w, q->tee_tcb_svn2, sizeof q->tee_tcb_svn2);
    tally_wr_put(w, q->mr_service_td, sizeof q->mr_service_td);
}

void tally_tdx_qe_encode(const struct tally_tdx_qe_report *r, struct tally_wr *w)
{
    tally_wr_put(w, r->cpu_svn, sizeof r->cpu_svn);
    tally_wr_le32(w, r->misc_select);
    zeros(w, 28);
    tally_wr_put(w, r->attributes, sizeof r->attributes);
    tally_wr_put(w, r->mr_enclave, sizeof r->mr_enclave);
    zeros(w, 32);
    tally_wr_put(w, r->mr_signer, sizeof r->mr_signer);
    zeros(w, 96);
    le16(w, r->isv_prod_id);
    le16(w, r->isv_svn);
    zeros(w, 60);
    tally_wr_put(w, r->report_data, sizeof r->report_data);
}

void tally_tdx_quote_encode(const struct tally_tdx_quote *q, struct tally_wr *w)
{
    enum { TYPE_AND_SIZE = 6 };
    uint32_t inner = TALLY_TDX_QE_REPORT_BYTES + TALLY_TDX_SIG_BYTES + 2 + (uint32_t)q->auth.len +
                     TYPE_AND_SIZE + (uint32_t)q->pck_pem.len;

    tally_tdx_signed_encode(q, w);
    tally_wr_le32(w, TALLY_TDX_SIG_BYTES + TALLY_TDX_KEY_BYTES + TYPE_AND_SIZE + inner);
    tally_wr_put(w, q->signature, sizeof q->signature);
    tally_wr_put(w, q->ak, sizeof q->ak);
    le16(w, CERT_QE_REPORT);
    tally_wr_le32(w, inner);
    tally_tdx_qe_encode(&q->qe, w);
    tally_wr_put(w, q->qe_signature, sizeof q->qe_signature);
    le16(w, (uint16_t)q->auth.len);
    tally_wr_bytes(w, q->auth);
    le16(w, CERT_PCK_CHAIN);
    tally_wr_le32(w, (uint32_t)q->pck_pem.len);
    tally_wr_bytes(w, q->pck_pem);
}
