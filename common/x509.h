/* x509.h - a certificate and a CRL as slices of their own bytes (RFC 5280); for cert*.c alone.
 *
 * The bytes are kept once, at the end of the object, and everything else points into them: what
 * is hashed for a signature is what was parsed. */
#pragma once

#include "common/cert.h"

struct tally_x509 {
    struct tally_slice tbs, inner_alg, alg, signature; /* algorithms: with tag and length */
    struct tally_slice serial, issuer, subject;        /* names: with tag and length */
    struct tally_slice spki, key_alg, key_bits;        /* spki: with tag and length */
    struct tally_cert_ext exts[TALLY_CERT_EXTS_MAX];
    int exts_n;
    struct evp_pkey_st *key;   /* made when it is first asked for */
    struct tally_ecdsa *place; /* where an EC key is made instead; NULL: nowhere */
    unsigned owners;           /* besides the first */
    size_t der_len;
    uint8_t der[];
};

struct tally_x509_crl {
    struct tally_slice tbs, inner_alg, alg, signature, issuer;
    struct tally_slice rows; /* contents of revokedCertificates; empty: none */
    uint8_t der[];
};

/* The fields that certificate and CRL have in common: tbs, alg, signature of the outer SEQUENCE.
 * An inexact signature (spare bits) is empty, and so verifies under no key. */
struct tally_slice tally_x509_outer(struct tally_slice der, struct tally_slice *tbs,
                                    struct tally_slice *alg, struct tally_slice *signature);
/* The contents of a BIT STRING of whole bytes; empty otherwise. */
struct tally_slice tally_x509_bits(struct tally_rd *r, const char *field);
/* An AlgorithmIdentifier, with tag and length: a sound OID, then NULL, an OID, a
 * SEQUENCE or nothing. */
struct tally_slice tally_x509_alg(struct tally_rd *r, const char *field);
/* A Name, with tag and length; *sorted becomes false where a SET is not in DER's order. */
struct tally_slice tally_x509_name(struct tally_rd *r, const char *field, bool *sorted);
/* UTCTime or GeneralizedTime in DER's one spelling, from 1970 on. */
TALLY_RESULT tally_x509_time(struct tally_rd *r, uint64_t *out_s);
/* At most TALLY_CERT_EXTS_MAX extensions into out; *plain becomes false where "critical FALSE" is
 * written out. E_CERT_PARSE, E_OVERSIZE. */
TALLY_RESULT tally_x509_exts(struct tally_slice list, struct tally_cert_ext *out, int *n,
                             bool *plain);
/* No extension twice, none critical but basicConstraints and keyUsage (which are DER) in `cert`. */
TALLY_RESULT tally_x509_check_exts(const struct tally_cert_ext *exts, int n, bool cert);

/* The signature over tbs by the key of issuer, exactly with this algorithm: E_CERT_ALG,
 * E_SIGNATURE (also where the two algorithm fields differ). */
struct tally_x509_signed {
    struct tally_slice tbs, inner_alg, alg, signature;
};
TALLY_RESULT tally_x509_verify(const struct tally_x509_signed *s, struct tally_x509 *issuer,
                               enum tally_cert_alg alg);

/* E_CERT_ALG unless both fields say this algorithm. */
TALLY_RESULT tally_x509_alg_is(struct tally_slice outer, struct tally_slice inner,
                               enum tally_cert_alg alg);

/* NULL where the key is none of RSA, P-256 and P-384; the certificate's own, or its
 * place's until that is used again. */
struct evp_pkey_st *tally_x509_key(struct tally_x509 *c);

extern const uint8_t tally_oid_basic_constraints[3], tally_oid_key_usage[3];
