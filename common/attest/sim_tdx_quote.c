/* sim_tdx_quote.c - quotes of simulated TDX machines; see sim_tdx.h. */
#include <string.h>

#include "common/attest/sim_tdx.h"
#include "common/hash.h"

/* What Intel's QE puts there: 0, 1, 2, ... */
static const uint8_t auth_data[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                      11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                      22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
/* The signer of Intel's enclaves. */
static const uint8_t intel[32] = {0xdc, 0x9e, 0x2a, 0x7c, 0x6f, 0x94, 0x8f, 0x17, 0x47, 0x4e, 0x34,
                                  0xa7, 0xfc, 0x43, 0xed, 0x03, 0x0f, 0x7c, 0x15, 0x63, 0xf1, 0xba,
                                  0xbd, 0xdf, 0x63, 0x40, 0xc8, 0x2e, 0x0e, 0x54, 0xa8, 0xc5};
/* x87, SSE, AVX, AVX-512, PKRU and CET, as Google's TDs have. */
enum { XFAM = 0x602e7 };

void tally_sim_tdx_quote_init(const struct tally_sim_tdx_pck *pck, struct tally_tdx_quote *q)
{
    const uint8_t svn[] = {6, 1, 3}; /* TDX 1, its sixth; microcode 3 */

    *q = (struct tally_tdx_quote){.version = 5,
                                  .key_type = TALLY_TDX_KEY_TYPE_P256,
                                  .tee_type = TALLY_TDX_TEE_TDX,
                                  .body_type = TALLY_TDX_TYPE_TD15,
                                  .td_attributes = TALLY_TDX_ATTR_SEPT_VE_DISABLE,
                                  .xfam = XFAM,
                                  .auth = TALLY_SLICE(auth_data)};
    memcpy(q->tee_tcb_svn, svn, sizeof svn);
    memcpy(q->tee_tcb_svn2, svn, sizeof svn);
    q->qe.attributes[0] = 0x15; /* initialised, 64 bit, provisioning key */
    q->qe.attributes[8] = 0xe7; /* its XFRM */
    q->qe.isv_prod_id = 2;
    q->qe.isv_svn = 4;
    memcpy(q->vendor, tally_tdx_vendor, sizeof q->vendor);
    memcpy(q->user_data, pck->instance_id, sizeof pck->instance_id);
    memset(q->mr_seam, 0x5e, sizeof q->mr_seam);
    memcpy(q->qe.cpu_svn, pck->cpusvn, sizeof q->qe.cpu_svn);
    memset(q->qe.mr_enclave, 0xe5, sizeof q->qe.mr_enclave);
    memcpy(q->qe.mr_signer, intel, sizeof intel);
}

void tally_sim_tdx_quote_bind(struct tally_tdx_quote *q, struct evp_pkey_st *ak)
{
    tally_sim_tdx_point(ak, q->ak);
    memset(q->qe.report_data, 0, sizeof q->qe.report_data);
    TALLY_SHA256_OF(q->qe.report_data, TALLY_SLICE(q->ak), q->auth);
}

enum tally_status tally_sim_tdx_quote_sign(struct tally_tdx_quote *q, struct evp_pkey_st *ak,
                                           struct evp_pkey_st *pck_key)
{
    uint8_t bytes[1024];
    struct tally_wr qe = tally_wr_to(bytes, sizeof bytes);
    struct tally_slice part;

    tally_tdx_qe_encode(&q->qe, &qe);
    TALLY_TRY(tally_wr_end(&qe, &part));
    TALLY_TRY(tally_sim_tdx_sign(pck_key, part, q->qe_signature));
    struct tally_wr body = tally_wr_to(bytes, sizeof bytes);
    tally_tdx_signed_encode(q, &body);
    TALLY_TRY(tally_wr_end(&body, &part));
    return tally_sim_tdx_sign(ak, part, q->signature);
}

enum tally_status tally_sim_tdx_quote(const struct tally_sim_tdx_chip *c,
                                      const struct tally_tdx_quote *values, struct tally_wr *w)
{
    struct tally_tdx_quote q = *values;
    uint8_t pem[3 * 2048];
    struct tally_wr chain = tally_wr_to(pem, sizeof pem);

    tally_sim_tdx_pem(tally_slice_of(c->leaf.at, c->leaf.len), &chain);
    tally_sim_tdx_pem(tally_slice_of(c->ca.at, c->ca.len), &chain);
    tally_sim_tdx_pem(tally_slice_of(c->root.at, c->root.len), &chain);
    tally_wr_u8(&chain, 0); /* Intel's QE ends the text so */
    TALLY_TRY(tally_wr_end(&chain, &q.pck_pem));
    tally_sim_tdx_quote_bind(&q, c->ak);
    TALLY_TRY(tally_sim_tdx_quote_sign(&q, c->ak, c->pck_key));
    tally_tdx_quote_encode(&q, w);
    return TALLY_OK;
}
