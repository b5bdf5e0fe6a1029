/* tdx_cert.h - Intel's certificates and CRLs by their bytes: ECDSA P-256 with SHA-256 alone, as
 * slices of the DER. What common/cert.h asks of any certificate is asked here too, with the same
 * reasons; it is apart because making and checking OpenSSL's objects costs as much as two
 * signatures each, and a quote comes with five certificates and two CRLs. */
#pragma once

#include "common/attest/tdx_sig.h"
#include "common/cert.h"

struct tally_tdx_cert {
    struct tally_slice tbs;             /* what is signed */
    struct tally_slice serial;          /* of the INTEGER */
    struct tally_slice issuer, subject; /* names, with tag and length */
    struct tally_slice exts;            /* the extensions, one after the other */
    uint64_t not_before_s, not_after_s;
    uint8_t key[TALLY_TDX_KEY_BYTES];
    uint8_t sig[TALLY_TDX_SIG_BYTES];
    bool ca;
    int pathlen;     /* -1: none */
    unsigned usages; /* TALLY_KU_*; 0 without keyUsage */
};

/* Borrows der. E_OVERSIZE, E_CERT_PARSE, E_CERT_NONCANONICAL, E_CERT_SHAPE (not version 3),
 * E_CERT_ALG, E_KEY (not the named curve P-256, a compressed point), E_CERT_EXT_DUP,
 * E_CERT_CRITICAL_EXT, E_CERT_CONSTRAINT (basicConstraints or keyUsage that cannot be read). */
TALLY_RESULT tally_tdx_cert_parse(struct tally_slice der, struct tally_tdx_cert *out);

/* Is the one CN of the subject this? Else E_CERT_SHAPE. */
TALLY_RESULT tally_tdx_cert_is(const struct tally_tdx_cert *c, const char *cn);
/* A CA with this path length (-1: none asked for) that may sign certificates and CRLs; a leaf that
 * may sign. E_CERT_CONSTRAINT. */
TALLY_RESULT tally_tdx_cert_is_ca(const struct tally_tdx_cert *c, int pathlen);
TALLY_RESULT tally_tdx_cert_is_leaf(const struct tally_tdx_cert *c);
/* Names (E_CERT_SHAPE) and signature (E_SIGNATURE). */
TALLY_RESULT tally_tdx_cert_signed_by(const struct tally_tdx_cert *c,
                                      const struct tally_tdx_cert *issuer,
                                      struct tally_tdx_sig *with);
/* The value of the extension with this OID, as its DER value bytes; at == NULL if absent. */
struct tally_slice tally_tdx_cert_ext(const struct tally_tdx_cert *c, struct tally_slice oid);

struct tally_tdx_crl {
    struct tally_slice tbs, issuer;
    struct tally_slice rows; /* the revoked certificates, one after the other */
    uint64_t this_update_s, next_update_s;
    uint8_t sig[TALLY_TDX_SIG_BYTES];
};

/* As tally_crl_parse: E_OVERSIZE, E_CERT_PARSE, E_CERT_NONCANONICAL, E_CERT_ALG,
 * E_CERT_CRITICAL_EXT, E_CERT_EXT_DUP, E_CRL_EXPIRED (without nextUpdate). */
TALLY_RESULT tally_tdx_crl_parse(struct tally_slice der, struct tally_tdx_crl *out);
/* E_CRL_ISSUER, E_SIGNATURE. */
TALLY_RESULT tally_tdx_crl_signed_by(const struct tally_tdx_crl *c,
                                     const struct tally_tdx_cert *issuer,
                                     struct tally_tdx_sig *with);
/* Is this serial number among the rows? */
bool tally_tdx_crl_lists(struct tally_slice rows, struct tally_slice serial);
