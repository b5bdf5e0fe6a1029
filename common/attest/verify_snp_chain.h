/* verify_snp_chain.h - the chain of one SNP report: VEK <- issuer <- root, and what the CRLs say
 * (ATTESTATION.md C1.3, 4 to 6). For verify_snp.c.
 *
 * What neither a date nor a policy can change is verified once and may be kept in a cache, under
 * the SHA-256 of every byte that went into it. Dates, policy and report are the caller's, each
 * time. Where the caller gives no issuer or no CRL and the root is the vendor's own, the built-in
 * ones stand in. */
#pragma once

#include "common/attest/verify_snp.h"
#include "common/cert.h"

/* A CRL of the root, well signed, that does not list the issuer. */
struct tally_snp_crl {
    uint64_t this_update_s, next_update_s;
};

struct tally_snp_chain {
    struct tally_cert vek, issuer, root; /* issuer.x509 == NULL after linking: there is none */
    struct tally_snp_vek says;           /* what the VEK says */
    struct tally_snp_crl crls[TALLY_SNP_CRLS_MAX];
    uint32_t crls_n;
    struct tally_snp_crl own; /* dates of the built-in CRL; once own_seen */
    bool own_seen;
    bool vendor;        /* the root is the one that the program is built with */
    uint8_t digest[32]; /* of all the bytes; once linked */
};

/* The complete chain that these bytes under one of these anchors gave before, NULL if none is
 * kept; *trust is that anchor's. Borrowed from the cache. */
struct tally_snp_chain *tally_snp_chain_kept(const struct tally_snp_input *in,
                                             const struct tally_anchor *anchors, uint32_t anchors_n,
                                             struct tally_attest_cache *cache,
                                             enum tally_trust_class *trust);

/* Parses the VEK into a new chain; *out is the caller's. */
TALLY_RESULT tally_snp_chain_start(const struct tally_snp_input *in, struct tally_snp_chain **out);
void tally_snp_chain_free(void *chain);

/* Finds the root of the VEK's product by its name among anchors of any kind, and the issuer, and
 * verifies their shapes and signatures: E_ROOT_UNTRUSTED and the reasons of cert.h. */
TALLY_RESULT tally_snp_chain_link(const struct tally_snp_input *in,
                                  const struct tally_anchor *anchors, uint32_t anchors_n,
                                  struct tally_snp_chain *chain, enum tally_trust_class *trust);

/* Reads the given CRLs: those of another issuer count for nothing, E_REVOKED for one that lists the
 * chain's issuer, whatever its date. */
TALLY_RESULT tally_snp_chain_crls(const struct tally_snp_input *in, struct tally_snp_chain *chain);
/* Where none was given: reads the built-in one if it is in force then or lists the issuer. Asked
 * again for a chain that was kept, since time has gone on. */
TALLY_RESULT tally_snp_chain_own_crl(struct tally_snp_chain *chain, uint64_t now_s);

/* Gives a chain with its CRLs read to the cache, which owns it from now on. */
void tally_snp_chain_keep(struct tally_attest_cache *cache, struct tally_snp_chain *chain);
