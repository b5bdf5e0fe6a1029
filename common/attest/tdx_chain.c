/* tdx_chain.c - see tdx_chain.h. */
#include "common/attest/tdx_chain.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/text.h"

static const char root_cn[] = "Intel SGX Root CA";

/* TCB signing, root. */
enum { SIGNERS = 2 };

/* A PEM block ends in a newline; one zero may follow the last (C2.1). */
static struct tally_slice without_zero(struct tally_slice pem)
{
    return pem.len > 0 && pem.at[pem.len - 1] == 0 ? tally_slice_of(pem.at, pem.len - 1) : pem;
}

static enum tally_status check_name(const struct tally_cert *c, const char *want)
{
    char cn[TALLY_CERT_CN_SIZE];

    TALLY_TRY(tally_cert_subject_cn(c, cn));
    TALLY_REFUSE_UNLESS(strcmp(cn, want) == 0, TALLY_R_E_CERT_SHAPE,
                        "a certificate of another name where \"%s\" belongs", want);
    return TALLY_OK;
}

static enum tally_status check_ca_name(const struct tally_cert *ca)
{
    if (check_name(ca, "Intel SGX PCK Platform CA") == TALLY_OK) return TALLY_OK;
    return check_name(ca, "Intel SGX PCK Processor CA");
}

/* All of Intel's are ECDSA P-256 with SHA-256. */
static enum tally_status read_cert(struct tally_slice der, struct tally_ecdsa *place,
                                   struct tally_cert *c)
{
    TALLY_TRY(tally_cert_parse(der, c));
    tally_cert_place(c, place);
    TALLY_TRY(tally_cert_alg_is(c, TALLY_ALG_ECDSA_SHA256));
    return tally_cert_key_is(c, TALLY_KEY_P256);
}

static enum tally_status read_chain(struct tally_slice pem, struct tally_tdx_chain *c)
{
    const unsigned signs = TALLY_KU_CERT_SIGN | TALLY_KU_CRL_SIGN;
    uint8_t bytes[TALLY_TDX_CHAIN * TALLY_CERT_BYTES_MAX];
    struct tally_slice der[TALLY_TDX_CHAIN];
    size_t n = 0;

    TALLY_TRY(tally_pem_chain(without_zero(pem), bytes, sizeof bytes, der, TALLY_TDX_CHAIN, &n));
    TALLY_REFUSE_UNLESS(n == TALLY_TDX_CHAIN, TALLY_R_E_CERT_SHAPE,
                        "a PCK chain of %zu certificates, not 3", n);
    for (size_t i = 0; i < TALLY_TDX_CHAIN; i++)
        TALLY_TRY(read_cert(der[i], &c->place, &c->certs[i]));
    TALLY_TRY(check_name(&c->certs[TALLY_TDX_LEAF], "Intel SGX PCK Certificate"));
    TALLY_TRY(check_ca_name(&c->certs[TALLY_TDX_CA]));
    TALLY_TRY(check_name(&c->certs[TALLY_TDX_ROOT], root_cn));
    TALLY_TRY(tally_cert_is_leaf(&c->certs[TALLY_TDX_LEAF], TALLY_KU_SIGN));
    TALLY_TRY(tally_cert_is_ca(&c->certs[TALLY_TDX_CA], 0, signs));
    TALLY_TRY(tally_cert_is_ca(&c->certs[TALLY_TDX_ROOT], -1, signs));
    return tally_tdx_pck_decode(&c->certs[TALLY_TDX_LEAF], &c->pck);
}

enum tally_status tally_tdx_chain_read(struct tally_slice pem, struct tally_tdx_chain **out)
{
    *out = calloc(1, sizeof **out);
    TALLY_ENSURE(*out != NULL, TALLY_E_NOMEM, "PCK chain");
    return read_chain(pem, *out);
}

static enum tally_status signed_by(const struct tally_cert *c, const struct tally_cert *issuer)
{
    return tally_cert_signed_by(c, issuer, TALLY_ALG_ECDSA_SHA256);
}

enum tally_status tally_tdx_chain_verify(struct tally_tdx_chain *c)
{
    TALLY_TRY(signed_by(&c->certs[TALLY_TDX_CA], &c->certs[TALLY_TDX_ROOT]));
    return signed_by(&c->certs[TALLY_TDX_LEAF], &c->certs[TALLY_TDX_CA]);
}

void tally_tdx_chain_free(void *chain)
{
    struct tally_tdx_chain *c = chain;

    if (c == NULL) return;
    for (size_t i = 0; i < TALLY_TDX_CHAIN; i++) tally_cert_free(&c->certs[i]);
    tally_ecdsa_free(&c->place);
    free(c);
}

/* Over the exact bytes; whatever is wrong with a signature, the collateral's is not good. */
static enum tally_status check_json(struct tally_slice json, struct tally_slice hex,
                                    const struct tally_cert *signer)
{
    uint8_t sig[TALLY_TDX_SIG_BYTES];

    TALLY_REFUSE_UNLESS(tally_unhex_slice(hex, sig, sizeof sig), TALLY_R_E_FORMAT,
                        "a collateral signature that is not %d digits of hex", TALLY_TDX_SIG_HEX);
    TALLY_REFUSE_UNLESS(
        tally_cert_ecdsa_verify(signer, TALLY_KEY_P256, json, TALLY_SLICE(sig)) == TALLY_OK,
        TALLY_R_E_COLLATERAL_SIG, "the signature of the collateral does not verify");
    return TALLY_OK;
}

static enum tally_status read_signer(struct tally_slice pem, struct tally_tdx_chain *chain,
                                     struct tally_cert *signer)
{
    const struct tally_cert *root = &chain->certs[TALLY_TDX_ROOT];
    uint8_t bytes[SIGNERS * TALLY_CERT_BYTES_MAX];
    struct tally_slice der[SIGNERS];
    size_t n = 0;

    TALLY_TRY(tally_pem_chain(without_zero(pem), bytes, sizeof bytes, der, SIGNERS, &n));
    TALLY_REFUSE_UNLESS(n == SIGNERS, TALLY_R_E_CERT_SHAPE,
                        "a TCB signing chain of %zu certificates, not 2", n);
    TALLY_TRY(read_cert(der[0], &chain->place, signer));
    TALLY_REFUSE_UNLESS(tally_slice_equal(der[1], tally_cert_der(root)), TALLY_R_E_ROOT_UNTRUSTED,
                        "the TCB signing chain is under another root");
    TALLY_TRY(check_name(signer, "Intel SGX TCB Signing"));
    TALLY_TRY(tally_cert_is_leaf(signer, TALLY_KU_SIGN));
    return signed_by(signer, root);
}

/* The parts in one block of our own, so that what is parsed outlives the caller's bytes. */
static struct tally_slice keep(uint8_t **to, struct tally_slice s)
{
    struct tally_slice kept = tally_slice_of(*to, s.len);

    if (s.at != NULL) memcpy(*to, s.at, s.len);
    *to += s.len;
    return kept;
}

static enum tally_status verify_json(const struct tally_tdx_collateral *c,
                                     struct tally_tdx_chain *chain, struct tally_tdx_endorsed *e)
{
    uint8_t *own = e->own;

    TALLY_TRY(read_signer(c->tcb_sign_chain, chain, &e->signer));
    TALLY_TRY(check_json(c->tcb_info, c->tcb_info_sig, &e->signer));
    TALLY_TRY(check_json(c->qe_identity, c->qe_identity_sig, &e->signer));
    tally_cert_place(&e->signer, NULL); /* it may outlive the chain */
    TALLY_TRY(tally_tdx_tcb_info_read(keep(&own, c->tcb_info), &e->info));
    return tally_tdx_qe_identity_read(keep(&own, c->qe_identity), &e->qe);
}

static enum tally_status verify_crl(struct tally_slice der, const struct tally_cert *issuer,
                                    struct tally_crl *out)
{
    TALLY_TRY(tally_crl_parse(der, out));
    TALLY_TRY(tally_crl_alg_is(out, TALLY_ALG_ECDSA_SHA256));
    return tally_crl_signed_by(out, issuer, TALLY_ALG_ECDSA_SHA256);
}

static enum tally_status verify(const struct tally_tdx_collateral *c, struct tally_tdx_chain *chain,
                                struct tally_tdx_endorsed *e)
{
    if (e->has_json) TALLY_TRY(verify_json(c, chain, e));
    if (e->has_root_crl)
        TALLY_TRY(verify_crl(c->root_crl, &chain->certs[TALLY_TDX_ROOT], &e->root_crl));
    if (!e->has_pck_crl) return TALLY_OK;
    return verify_crl(c->pck_crl, &chain->certs[TALLY_TDX_CA], &e->pck_crl);
}

enum tally_status tally_tdx_endorsed_verify(const struct tally_tdx_collateral *c,
                                            struct tally_tdx_chain *chain,
                                            struct tally_tdx_endorsed **out)
{
    struct tally_tdx_endorsed *e = calloc(1, sizeof *e);

    *out = e;
    TALLY_ENSURE(e != NULL, TALLY_E_NOMEM, "TDX collateral");
    TALLY_REFUSE_UNLESS(c->tcb_info.len <= TALLY_TDX_JSON_BYTES_MAX &&
                            c->qe_identity.len <= TALLY_TDX_JSON_BYTES_MAX &&
                            c->tcb_sign_chain.len <= TALLY_TDX_PEM_BYTES_MAX &&
                            c->root_crl.len <= TALLY_CRL_BYTES_MAX &&
                            c->pck_crl.len <= TALLY_CRL_BYTES_MAX,
                        TALLY_R_E_OVERSIZE, "TDX collateral is too large");
    e->own = malloc(c->tcb_info.len + c->qe_identity.len + 1);
    TALLY_ENSURE(e->own != NULL, TALLY_E_NOMEM, "TDX collateral");
    e->has_json = c->tcb_info.at != NULL;
    e->has_root_crl = c->root_crl.at != NULL;
    e->has_pck_crl = c->pck_crl.at != NULL;
    return verify(c, chain, e);
}

void tally_tdx_endorsed_free(void *endorsed)
{
    struct tally_tdx_endorsed *e = endorsed;

    if (e == NULL) return;
    tally_cert_free(&e->signer);
    tally_crl_free(&e->root_crl);
    tally_crl_free(&e->pck_crl);
    free(e->own);
    free(e);
}

void tally_tdx_chain_digest(struct tally_slice pem, uint8_t out[32])
{
    TALLY_SHA256_OF(out, pem);
}

/* Every part behind its length, then the two certificates that it was verified under. */
void tally_tdx_endorsed_digest(const struct tally_tdx_collateral *c,
                               const struct tally_tdx_chain *chain, uint8_t out[32])
{
    const struct tally_slice parts[] = {c->tcb_info,
                                        c->tcb_info_sig,
                                        c->qe_identity,
                                        c->qe_identity_sig,
                                        c->tcb_sign_chain,
                                        c->root_crl,
                                        c->pck_crl,
                                        tally_cert_der(&chain->certs[TALLY_TDX_ROOT]),
                                        tally_cert_der(&chain->certs[TALLY_TDX_CA])};
    struct tally_hasher h;
    uint8_t len[5];

    tally_hasher_init(&h, TALLY_SHA256);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct tally_wr w = tally_wr_to(len, sizeof len);
        tally_wr_u8(&w, parts[i].at != NULL);
        tally_wr_be32(&w, (uint32_t)parts[i].len);
        tally_hasher_add(&h, TALLY_SLICE(len));
        if (parts[i].len > 0) tally_hasher_add(&h, parts[i]);
    }
    tally_hasher_end(&h, out);
}
