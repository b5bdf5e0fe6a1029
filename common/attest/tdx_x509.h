/* tdx_x509.h - what Intel's certificates and CRLs have in common; for tdx_cert.c and tdx_crl.c. */
#pragma once

#include "common/attest/tdx_cert.h"
#include "common/attest/tdx_der.h"

/* E_CERT_PARSE where the reader failed; where more follows in `what`. */
TALLY_RESULT tally_tdx_x509_readable(const struct tally_rd *r);
TALLY_RESULT tally_tdx_x509_end(const struct tally_rd *r, const char *what);
/* The outer form: what is signed, how (E_CERT_ALG) and the signature; one that is no ECDSA
 * signature becomes r = s = 0, which verifies nothing. */
TALLY_RESULT tally_tdx_x509_open(struct tally_slice der, struct tally_slice *tbs,
                                 uint8_t sig[TALLY_TDX_SIG_BYTES]);
/* The algorithm, which is said again inside. */
TALLY_RESULT tally_tdx_x509_alg(struct tally_rd *r);
/* A list of single attributes in ASCII, as Intel's names are; so no SET has an order that could be
 * wrong, and no text a spelling. */
TALLY_RESULT tally_tdx_x509_name(struct tally_slice name);

struct tally_tdx_ext {
    struct tally_slice oid, value;
    bool critical;
};
TALLY_RESULT tally_tdx_x509_ext(struct tally_rd *r, struct tally_tdx_ext *e);
/* All of a list: none twice, and critical only basicConstraints and keyUsage of a certificate. */
TALLY_RESULT tally_tdx_x509_exts(struct tally_slice exts, bool of_cert);

/* E_SIGNATURE, whatever is wrong with the signature; E_KEY. */
TALLY_RESULT tally_tdx_x509_verify(struct tally_slice tbs, const uint8_t *sig,
                                   const struct tally_tdx_cert *issuer, struct tally_tdx_sig *with);

extern const uint8_t tally_tdx_oid_basic_constraints[3], tally_tdx_oid_key_usage[3];
