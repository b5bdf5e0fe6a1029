/* tdx_chain.h - what verified once may be believed again (cache.h): a quote's PCK chain, and the
 * collateral of a platform. For verify_tdx.c; both own their bytes, and neither holds a verdict on
 * dates: those are asked for at every use. */
#pragma once

#include "common/attest/tdx_collateral.h"
#include "common/attest/tdx_tcb.h"
#include "common/ecdsa.h"

/* PCK, its CA, root. */
enum { TALLY_TDX_LEAF, TALLY_TDX_CA, TALLY_TDX_ROOT, TALLY_TDX_CHAIN };

struct tally_tdx_chain {
    struct tally_ecdsa place; /* for all keys of an appraisal */
    struct tally_tdx_pck pck;
    struct tally_cert certs[TALLY_TDX_CHAIN];
};

/* The chain of a quote as far as its bytes go: three certificates with the names, keys and
 * constraints that Intel's have, and the platform in the leaf. E_CERT_*, E_KEY. The caller frees
 * *out also on failure. */
TALLY_RESULT tally_tdx_chain_read(struct tally_slice pem, struct tally_tdx_chain **out);
/* Its signatures; the root, which must be an anchor's bytes, is not asked for its own. */
TALLY_RESULT tally_tdx_chain_verify(struct tally_tdx_chain *c);
void tally_tdx_chain_free(void *chain); /* NULL is nothing; the cache's kind of it */

/* Everything of the collateral that was given. */
struct tally_tdx_endorsed {
    bool has_json, has_root_crl, has_pck_crl;
    struct tally_tdx_tcb_info info;
    struct tally_tdx_qe_identity qe;
    struct tally_cert signer; /* Intel SGX TCB Signing */
    struct tally_crl root_crl, pck_crl;
    uint8_t *own;
};

/* Verifies what is there against the chain's root and CA: E_CERT_*, E_ROOT_UNTRUSTED,
 * E_SIGNATURE, E_CRL_ISSUER, E_COLLATERAL_SIG, E_COLLATERAL_MISMATCH (id), E_VERSION, E_FORMAT,
 * E_OVERSIZE. has_json needs the first five parts of c. The caller frees *out also on failure. */
TALLY_RESULT tally_tdx_endorsed_verify(const struct tally_tdx_collateral *c,
                                       struct tally_tdx_chain *chain,
                                       struct tally_tdx_endorsed **out);
void tally_tdx_endorsed_free(void *endorsed);

/* The names of both in the cache. */
void tally_tdx_chain_digest(struct tally_slice pem, uint8_t out[32]);
void tally_tdx_endorsed_digest(const struct tally_tdx_collateral *c,
                               const struct tally_tdx_chain *chain, uint8_t out[32]);
