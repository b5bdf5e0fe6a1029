/* tdx_chain.c - see tdx_chain.h. */
#include "common/attest/tdx_chain.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"

static const char root_cn[] = "Intel SGX Root CA";

/* TCB signing, root. */
enum { SIGNERS = 2 };
static const size_t signers_bytes_max = (size_t)SIGNERS * TALLY_CERT_BYTES_MAX;

/* A PEM block ends in a newline; one zero may follow the last (C2.1). */
static struct tally_slice without_zero(struct tally_slice pem)
{
    return pem.len > 0 && pem.at[pem.len - 1] == 0 ? tally_slice_of(pem.at, pem.len - 1) : pem;
}

static enum tally_status check_ca_name(const struct tally_tdx_cert *ca)
{
    if (tally_tdx_cert_is(ca, "Intel SGX PCK Platform CA") == TALLY_OK) return TALLY_OK;
    return tally_tdx_cert_is(ca, "Intel SGX PCK Processor CA");
}

static enum tally_status read_chain(struct tally_slice pem, struct tally_tdx_chain *c)
{
    size_t n = 0;

    TALLY_TRY(
        tally_pem_chain(without_zero(pem), c->own, sizeof c->own, c->der, TALLY_TDX_CHAIN, &n));
    TALLY_REFUSE_UNLESS(n == TALLY_TDX_CHAIN, TALLY_R_E_CERT_SHAPE,
                        "a PCK chain of %zu certificates, not 3", n);
    for (size_t i = 0; i < TALLY_TDX_CHAIN; i++)
        TALLY_TRY(tally_tdx_cert_parse(c->der[i], &c->certs[i]));
    TALLY_TRY(tally_tdx_cert_is(&c->certs[TALLY_TDX_LEAF], "Intel SGX PCK Certificate"));
    TALLY_TRY(check_ca_name(&c->certs[TALLY_TDX_CA]));
    TALLY_TRY(tally_tdx_cert_is(&c->certs[TALLY_TDX_ROOT], root_cn));
    TALLY_TRY(tally_tdx_cert_is_leaf(&c->certs[TALLY_TDX_LEAF]));
    TALLY_TRY(tally_tdx_cert_is_ca(&c->certs[TALLY_TDX_CA], 0));
    TALLY_TRY(tally_tdx_cert_is_ca(&c->certs[TALLY_TDX_ROOT], -1));
    return tally_tdx_pck_decode(&c->certs[TALLY_TDX_LEAF], &c->pck);
}

enum tally_status tally_tdx_chain_read(struct tally_slice pem, struct tally_tdx_chain **out)
{
    *out = malloc(sizeof **out);
    TALLY_ENSURE(*out != NULL, TALLY_E_NOMEM, "PCK chain");
    (*out)->sig.key = NULL;
    return read_chain(pem, *out);
}

enum tally_status tally_tdx_chain_verify(struct tally_tdx_chain *c)
{
    TALLY_TRY(
        tally_tdx_cert_signed_by(&c->certs[TALLY_TDX_CA], &c->certs[TALLY_TDX_ROOT], &c->sig));
    return tally_tdx_cert_signed_by(&c->certs[TALLY_TDX_LEAF], &c->certs[TALLY_TDX_CA], &c->sig);
}

void tally_tdx_chain_free(void *chain)
{
    struct tally_tdx_chain *c = chain;

    if (c == NULL) return;
    tally_tdx_sig_free(&c->sig);
    free(c);
}

static int nibble(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Over the exact bytes; whatever is wrong with a signature, the collateral's is not good. */
static enum tally_status check_json(struct tally_slice json, struct tally_slice hex,
                                    const struct tally_tdx_cert *signer, struct tally_tdx_sig *with)
{
    uint8_t sig[TALLY_TDX_SIG_BYTES];

    TALLY_REFUSE_UNLESS(hex.len == TALLY_TDX_SIG_HEX, TALLY_R_E_FORMAT,
                        "a collateral signature of %zu characters, not %d", hex.len,
                        TALLY_TDX_SIG_HEX);
    for (size_t i = 0; i < sizeof sig; i++) {
        int high = nibble(hex.at[2 * i]), low = nibble(hex.at[2 * i + 1]);
        TALLY_REFUSE_UNLESS(high >= 0 && low >= 0, TALLY_R_E_FORMAT,
                            "a collateral signature that is not hex");
        sig[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
    }
    TALLY_REFUSE_UNLESS(tally_tdx_sig_verify(with, signer->key, json, sig) == TALLY_OK,
                        TALLY_R_E_COLLATERAL_SIG,
                        "the signature of the collateral does not verify");
    return TALLY_OK;
}

static enum tally_status read_signer(struct tally_slice pem, struct tally_tdx_chain *chain,
                                     uint8_t *own, struct tally_tdx_cert *signer)
{
    struct tally_slice der[SIGNERS];
    size_t n = 0;

    TALLY_TRY(tally_pem_chain(without_zero(pem), own, signers_bytes_max, der, SIGNERS, &n));
    TALLY_REFUSE_UNLESS(n == SIGNERS, TALLY_R_E_CERT_SHAPE,
                        "a TCB signing chain of %zu certificates, not 2", n);
    TALLY_TRY(tally_tdx_cert_parse(der[0], signer));
    TALLY_REFUSE_UNLESS(tally_slice_equal(der[1], chain->der[TALLY_TDX_ROOT]),
                        TALLY_R_E_ROOT_UNTRUSTED, "the TCB signing chain is under another root");
    TALLY_TRY(tally_tdx_cert_is(signer, "Intel SGX TCB Signing"));
    TALLY_TRY(tally_tdx_cert_is_leaf(signer));
    return tally_tdx_cert_signed_by(signer, &chain->certs[TALLY_TDX_ROOT], &chain->sig);
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
                                     struct tally_tdx_chain *chain, uint8_t **own,
                                     struct tally_tdx_endorsed *e)
{
    uint8_t *certs = *own;

    *own += signers_bytes_max;
    TALLY_TRY(read_signer(c->tcb_sign_chain, chain, certs, &e->signer));
    TALLY_TRY(check_json(c->tcb_info, c->tcb_info_sig, &e->signer, &chain->sig));
    TALLY_TRY(check_json(c->qe_identity, c->qe_identity_sig, &e->signer, &chain->sig));
    TALLY_TRY(tally_tdx_tcb_info_read(keep(own, c->tcb_info), &e->info));
    return tally_tdx_qe_identity_read(keep(own, c->qe_identity), &e->qe);
}

static enum tally_status verify_crl(struct tally_slice der, const struct tally_tdx_cert *issuer,
                                    struct tally_tdx_sig *with, struct tally_tdx_crl *out)
{
    TALLY_TRY(tally_tdx_crl_parse(der, out));
    return tally_tdx_crl_signed_by(out, issuer, with);
}

static enum tally_status verify(const struct tally_tdx_collateral *c, struct tally_tdx_chain *chain,
                                struct tally_tdx_endorsed *e)
{
    uint8_t *own = e->own;

    if (e->has_json) TALLY_TRY(verify_json(c, chain, &own, e));
    if (e->has_root_crl)
        TALLY_TRY(verify_crl(keep(&own, c->root_crl), &chain->certs[TALLY_TDX_ROOT], &chain->sig,
                             &e->root_crl));
    if (!e->has_pck_crl) return TALLY_OK;
    return verify_crl(keep(&own, c->pck_crl), &chain->certs[TALLY_TDX_CA], &chain->sig,
                      &e->pck_crl);
}

enum tally_status tally_tdx_endorsed_verify(const struct tally_tdx_collateral *c,
                                            struct tally_tdx_chain *chain,
                                            struct tally_tdx_endorsed **out)
{
    struct tally_tdx_endorsed *e = malloc(sizeof *e);

    *out = e;
    TALLY_ENSURE(e != NULL, TALLY_E_NOMEM, "TDX collateral");
    e->own = NULL;
    TALLY_REFUSE_UNLESS(c->tcb_info.len <= TALLY_TDX_JSON_BYTES_MAX &&
                            c->qe_identity.len <= TALLY_TDX_JSON_BYTES_MAX &&
                            c->tcb_sign_chain.len <= TALLY_TDX_PEM_BYTES_MAX &&
                            c->root_crl.len <= TALLY_CRL_BYTES_MAX &&
                            c->pck_crl.len <= TALLY_CRL_BYTES_MAX,
                        TALLY_R_E_OVERSIZE, "TDX collateral is too large");
    e->own = malloc(signers_bytes_max + c->tcb_info.len + c->qe_identity.len + c->root_crl.len +
                    c->pck_crl.len);
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
                                        chain->der[TALLY_TDX_ROOT],
                                        chain->der[TALLY_TDX_CA]};
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
