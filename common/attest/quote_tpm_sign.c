/* quote_tpm_sign.c - see quote_tpm.h: the attestation key, its quote and the values quoted. */
#include <string.h>
#include <tss2/tss2_mu.h>

#include "common/attest/quote_tpm_parts.h"
#include "common/hash.h"
#include "common/secret.h"

enum { TRIES = 4, ALL_PCRS = 0xffffff };

static const char ak_name[] = "attestation key";

static TPML_PCR_SELECTION selection(uint32_t mask)
{
    return (TPML_PCR_SELECTION){
        .count = 1,
        .pcrSelections = {
            {.hash = TPM2_ALG_SHA256,
             .sizeofSelect = 3,
             .pcrSelect = {(uint8_t)mask, (uint8_t)(mask >> 8), (uint8_t)(mask >> 16)}}}};
}

/* The PCRs in the answer, or 0 if it is none to our question. */
static uint32_t answered(const TPML_PCR_SELECTION *s, const TPML_DIGEST *d, uint32_t asked)
{
    if (s->count != 1 || s->pcrSelections[0].hash != TPM2_ALG_SHA256 ||
        s->pcrSelections[0].sizeofSelect != 3)
        return 0;
    const uint8_t *at = s->pcrSelections[0].pcrSelect;
    uint32_t mask = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
    uint32_t n = (uint32_t)__builtin_popcount(mask);
    for (uint32_t i = 0; i < d->count; i++)
        if (d->digests[i].size != TALLY_VTPM_PCR_BYTES) return 0;
    return (mask & ~asked) == 0 && n == d->count ? mask : 0;
}

/* One call gives eight at most. *steady: no PCR moved between the calls. */
static enum tally_status read_pcrs(struct tally_vtpm *t,
                                   uint8_t out[TALLY_VTPM_PCRS][TALLY_VTPM_PCR_BYTES], bool *steady)
{
    uint32_t first = 0, now = 0, left = ALL_PCRS;

    while (left != 0) {
        TALLY_CLEANUP(tally_vtpm_free_) TPML_PCR_SELECTION *got = NULL;
        TALLY_CLEANUP(tally_vtpm_free_) TPML_DIGEST *values = NULL;
        const TPML_PCR_SELECTION in = selection(left);
        TALLY_TRY(tally_vtpm_judge_("reading PCRs",
                                    Esys_PCR_Read(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                                  &in, &now, &got, &values)));
        uint32_t mask = answered(got, values, left);
        TALLY_ENSURE(mask != 0, TALLY_E_STATE, "the TPM has no bank of 24 SHA-256 PCRs");
        if (left == ALL_PCRS) first = now;
        for (uint32_t pcr = 0, i = 0; pcr < TALLY_VTPM_PCRS; pcr++)
            if ((mask >> pcr & 1) != 0)
                memcpy(out[pcr], values->digests[i++].buffer, TALLY_VTPM_PCR_BYTES);
        left &= ~mask;
    }
    *steady = now == first;
    return TALLY_OK;
}

enum tally_status tally_vtpm_ak_public(struct tally_vtpm *t, uint8_t out[TALLY_VTPM_PUBLIC_MAX],
                                       size_t *len)
{
    TALLY_CLEANUP(tally_vtpm_object_free_) struct tally_vtpm_object ak = {0};
    TALLY_CLEANUP(tally_vtpm_free_) TPM2B_PUBLIC *p = NULL;
    TALLY_CLEANUP(tally_vtpm_free_) TPM2B_NAME *name = NULL;
    TALLY_CLEANUP(tally_vtpm_free_) TPM2B_NAME *qualified = NULL;

    TALLY_TRY(tally_vtpm_object_(t, TALLY_VTPM_AK_HANDLE, ak_name, &ak));
    TALLY_TRY(tally_vtpm_judge_(ak_name, Esys_ReadPublic(t->esys, ak.tr, ESYS_TR_NONE, ESYS_TR_NONE,
                                                         ESYS_TR_NONE, &p, &name, &qualified)));
    *len = 0;
    return tally_vtpm_judge_(
        ak_name, Tss2_MU_TPMT_PUBLIC_Marshal(&p->publicArea, out, TALLY_VTPM_PUBLIC_MAX, len));
}

/* A key without a scheme of its own (an RSA key may have none) signs by PKCS #1 v1.5, SHA-256. */
static enum tally_status scheme_of(struct tally_vtpm *t, const struct tally_vtpm_object *ak,
                                   TPMT_SIG_SCHEME *out)
{
    TALLY_CLEANUP(tally_vtpm_free_) TPM2B_PUBLIC *p = NULL;
    TALLY_CLEANUP(tally_vtpm_free_) TPM2B_NAME *name = NULL;
    TALLY_CLEANUP(tally_vtpm_free_) TPM2B_NAME *qualified = NULL;

    TALLY_TRY(
        tally_vtpm_judge_(ak_name, Esys_ReadPublic(t->esys, ak->tr, ESYS_TR_NONE, ESYS_TR_NONE,
                                                   ESYS_TR_NONE, &p, &name, &qualified)));
    *out = (TPMT_SIG_SCHEME){.scheme = TPM2_ALG_NULL};
    if (p->publicArea.type == TPM2_ALG_RSA &&
        p->publicArea.parameters.rsaDetail.scheme.scheme == TPM2_ALG_NULL)
        *out =
            (TPMT_SIG_SCHEME){.scheme = TPM2_ALG_RSASSA, .details.rsassa.hashAlg = TPM2_ALG_SHA256};
    return TALLY_OK;
}

static enum tally_status quote_once(struct tally_vtpm *t, const struct tally_vtpm_object *ak,
                                    const TPMT_SIG_SCHEME *scheme, const uint8_t extra[32],
                                    struct tally_vtpm_evidence *out)
{
    TALLY_CLEANUP(tally_vtpm_free_) TPM2B_ATTEST *attest = NULL;
    TALLY_CLEANUP(tally_vtpm_free_) TPMT_SIGNATURE *signature = NULL;
    const TPML_PCR_SELECTION all = selection(ALL_PCRS);
    TPM2B_DATA nonce = {.size = TALLY_SHA256_BYTES};

    memcpy(nonce.buffer, extra, TALLY_SHA256_BYTES);
    TALLY_TRY(tally_vtpm_judge_("quoting", Esys_Quote(t->esys, ak->tr, ESYS_TR_PASSWORD,
                                                      ESYS_TR_NONE, ESYS_TR_NONE, &nonce, scheme,
                                                      &all, &attest, &signature)));
    TALLY_ENSURE(attest->size <= sizeof out->attest, TALLY_E_LIB, "TPM: a quote of %u bytes",
                 attest->size);
    memcpy(out->attest, attest->attestationData, attest->size);
    out->attest_len = attest->size;
    out->signature_len = 0;
    return tally_vtpm_judge_("its signature", Tss2_MU_TPMT_SIGNATURE_Marshal(
                                                  signature, out->signature, sizeof out->signature,
                                                  &out->signature_len));
}

/* Whether the quote is over exactly these values: a PCR may have moved between the two. */
static enum tally_status fits(const struct tally_vtpm_evidence *e, bool *out)
{
    uint8_t digest[TALLY_SHA256_BYTES];
    TPMS_ATTEST a = {0};

    TALLY_TRY(tally_vtpm_judge_("its quote",
                                Tss2_MU_TPMS_ATTEST_Unmarshal(e->attest, e->attest_len, NULL, &a)));
    TALLY_ENSURE(a.type == TPM2_ST_ATTEST_QUOTE &&
                     a.attested.quote.pcrDigest.size == TALLY_SHA256_BYTES,
                 TALLY_E_LIB, "TPM: its key does not quote with SHA-256");
    TALLY_SHA256_OF(digest, tally_slice_of(e->pcrs, sizeof e->pcrs));
    *out = memcmp(a.attested.quote.pcrDigest.buffer, digest, sizeof digest) == 0;
    return TALLY_OK;
}

enum tally_status tally_vtpm_quote_(struct tally_vtpm *t, const uint8_t extra[32],
                                    struct tally_vtpm_evidence *out)
{
    TALLY_CLEANUP(tally_vtpm_object_free_) struct tally_vtpm_object ak = {0};
    TPMT_SIG_SCHEME scheme;

    TALLY_TRY(tally_vtpm_object_(t, TALLY_VTPM_AK_HANDLE, ak_name, &ak));
    TALLY_TRY(scheme_of(t, &ak, &scheme));
    for (int i = 0; i < TRIES; i++) {
        bool steady = false, same = false;
        TALLY_TRY(quote_once(t, &ak, &scheme, extra, out));
        TALLY_TRY(read_pcrs(t, out->pcrs, &steady));
        if (steady) TALLY_TRY(fits(out, &same));
        if (same) return TALLY_OK;
    }
    return TALLY_FAIL(TALLY_E_IO, "TPM: its PCRs move while they are quoted: try again");
}

enum tally_status tally_vtpm_maker(struct tally_vtpm *t, char out[TALLY_VTPM_MAKER_SIZE])
{
    TALLY_CLEANUP(tally_vtpm_free_) TPMS_CAPABILITY_DATA *c = NULL;
    TPMI_YES_NO more = 0;

    TALLY_TRY(
        tally_vtpm_judge_("its maker", Esys_GetCapability(t->esys, ESYS_TR_NONE, ESYS_TR_NONE,
                                                          ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES,
                                                          TPM2_PT_MANUFACTURER, 1, &more, &c)));
    TALLY_ENSURE(c->capability == TPM2_CAP_TPM_PROPERTIES && c->data.tpmProperties.count == 1 &&
                     c->data.tpmProperties.tpmProperty[0].property == TPM2_PT_MANUFACTURER,
                 TALLY_E_LIB, "TPM: it does not say who made it");
    uint32_t v = c->data.tpmProperties.tpmProperty[0].value;
    for (int i = 0; i < 4; i++) {
        char ch = (char)(v >> (24 - 8 * i) & 0xff);
        out[i] = ch >= ' ' && ch <= '~' ? ch : ' ';
    }
    out[4] = '\0';
    return TALLY_OK;
}
