/* sim_hcl.c - see sim_tpm.h: the paravisor's report. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/attest/sim_tpm.h"
#include "common/text.h"

enum { NV_BYTES = 2600, RUNTIME_AT = 1216, JSON_AT = 1236 };

static void put_text(struct tally_wr *w, const char *s)
{
    tally_wr_bytes(w, tally_slice_str(s));
}

static void put_key(struct tally_wr *w, const char *kid, const char *op,
                    const struct tally_tpm_key *k)
{
    uint8_t n[TALLY_HCL_KEY_BYTES_MAX];
    char text[2 * TALLY_HCL_KEY_BYTES_MAX], head[128];
    BIGNUM *b = NULL;

    TALLY_ASSERT(k->rsa && k->bytes <= sizeof n &&
                 EVP_PKEY_get_bn_param(k->key, OSSL_PKEY_PARAM_RSA_N, &b) == 1 &&
                 BN_bn2binpad(b, n, (int)k->bytes) == (int)k->bytes);
    BN_free(b);
    (void)sodium_bin2base64(text, sizeof text, n, k->bytes,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    (void)snprintf(head, sizeof head,
                   "{\"kid\":\"%s\",\"key_ops\":[\"%s\"],\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"",
                   kid, op);
    put_text(w, head);
    put_text(w, text);
    put_text(w, "\"}");
}

void tally_sim_hcl_json(const struct tally_sim_tpm *t, const struct tally_sim_hcl_config *c,
                        struct tally_wr *w)
{
    char hex[2 * TALLY_HCL_USER_DATA_BYTES + 1];

    put_text(w, "{\"keys\":[");
    put_key(w, "HCLAkPub", "sign", &t->ak);
    put_text(w, ",");
    put_key(w, "HCLEkPub", "encrypt", &t->ek);
    put_text(w, "],\"vm-configuration\":{\"console-enabled\":");
    put_text(w, c->console ? "true" : "false");
    put_text(w, ",\"secure-boot\":");
    put_text(w, c->secure_boot ? "true" : "false");
    put_text(w, ",\"tpm-enabled\":true,\"vmUniqueId\":\"00000000-0000-4000-8000-000000000001\"},"
                "\"user-data\":\"");
    tally_hex(TALLY_SLICE(c->user_data), hex);
    put_text(w, hex);
    put_text(w, "\"}");
}

void tally_sim_hcl_init(enum tally_hcl_report type, struct tally_slice report,
                        struct tally_slice json, struct tally_sim_hcl *h)
{
    enum { AK_CERT = 2 };
    uint32_t json_size = (uint32_t)json.len;

    TALLY_ASSERT(report.len <= TALLY_HCL_REPORT_BYTES && json.len <= TALLY_SIM_JSON_MAX);
    *h = (struct tally_sim_hcl){.version = type == TALLY_HCL_SNP ? 1 : 2,
                                .size = JSON_AT + json_size,
                                .request = AK_CERT,
                                .data_size = JSON_AT - RUNTIME_AT + json_size,
                                .data_version = 1,
                                .type = type,
                                .hash = 1,
                                .json_size = json_size,
                                .report = report,
                                .json = json,
                                .nv_bytes = NV_BYTES};
}

static void put_zeros(struct tally_wr *w, size_t n)
{
    for (size_t i = 0; i < n; i++) tally_wr_u8(w, 0);
}

void tally_sim_hcl_encode(const struct tally_sim_hcl *h, struct tally_wr *w)
{
    enum { RESERVED = 12 };
    size_t start = w->used;

    put_text(w, "HCLA");
    tally_wr_le32(w, h->version);
    tally_wr_le32(w, h->size);
    tally_wr_le32(w, h->request);
    tally_wr_le32(w, h->status);
    put_zeros(w, RESERVED);
    tally_wr_bytes(w, h->report);
    put_zeros(w, TALLY_HCL_REPORT_BYTES - h->report.len);
    tally_wr_le32(w, h->data_size);
    tally_wr_le32(w, h->data_version);
    tally_wr_le32(w, h->type);
    tally_wr_le32(w, h->hash);
    tally_wr_le32(w, h->json_size);
    tally_wr_bytes(w, h->json);
    size_t used = w->used - start;
    if (used < h->nv_bytes) put_zeros(w, h->nv_bytes - used);
}

void tally_sim_tdreport(const uint8_t report_data[64], uint8_t out[TALLY_TDREPORT_BYTES])
{
    enum { TDX = 0x81, TCB_AT = 256, TCB = 239, INFO_AT = 512, INFO = 512 };
    const struct tally_slice tcb = {out + TCB_AT, TCB}, info = {out + INFO_AT, INFO};

    memset(out, 0, TALLY_TDREPORT_BYTES);
    out[0] = TDX;
    memcpy(out + TALLY_TDREPORT_DATA_AT, report_data, 64);
    memset(out + TCB_AT, 1, TCB);
    memset(out + INFO_AT, 2, INFO);
    tally_hash(TALLY_SHA384, &tcb, 1, out + 32);
    tally_hash(TALLY_SHA384, &info, 1, out + 80);
}
