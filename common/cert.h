/* cert.h - X.509 certificates and CRLs of TEE vendors, judged piece by piece (ATTESTATION.md C0.6).
 *
 * The vendors' chains have a fixed shape, so nothing here builds a path: a verifier walks its
 * chain and asks one question at a time, each answered by TALLY_OK or a named reason. Parsing
 * takes canonical DER only: one object, nothing after it, and re-encoding gives the same bytes.
 * Pure: time is passed in. */
#pragma once

#include "common/bytes.h"

enum {
    TALLY_CERT_BYTES_MAX = 4096,
    TALLY_CRL_BYTES_MAX = 64 * 1024,
    TALLY_CERT_EXTS_MAX = 24,
    TALLY_CERT_CN_SIZE = 65, /* with the final zero */
};

struct tally_cert {
    struct x509_st *x509; /* NULL: empty */
    uint64_t not_before_s, not_after_s;
};

/* E_OVERSIZE, E_CERT_PARSE, E_CERT_NONCANONICAL (BER forms, trailing bytes), E_CERT_SHAPE (not
 * version 3), E_CERT_EXT_DUP, E_CERT_CRITICAL_EXT (all but basicConstraints and keyUsage). */
TALLY_RESULT tally_cert_parse(struct tally_slice der, struct tally_cert *c);
void tally_cert_free(struct tally_cert *c); /* idempotent */

/* The one CN of the subject or the issuer, printable ASCII; else E_CERT_SHAPE. */
TALLY_RESULT tally_cert_subject_cn(const struct tally_cert *c, char out[TALLY_CERT_CN_SIZE]);
TALLY_RESULT tally_cert_issuer_cn(const struct tally_cert *c, char out[TALLY_CERT_CN_SIZE]);

/* Inclusive at both ends; E_CERT_NOT_YET_VALID, E_CERT_EXPIRED. */
TALLY_RESULT tally_cert_valid_at(const struct tally_cert *c, uint64_t now_s);

/* The public key's type, exactly: secp384r1 as a named curve; RSA of 4096 bits with exponent
 * 65537. Else E_KEY. */
TALLY_RESULT tally_cert_key_is_p384(const struct tally_cert *c);
TALLY_RESULT tally_cert_key_is_rsa4096(const struct tally_cert *c);

/* CA:TRUE, pathlen as said (-1: no limit asked for), and at least these key usages; else
 * E_CERT_CONSTRAINT. */
enum { TALLY_KU_CERT_SIGN = 1, TALLY_KU_CRL_SIGN = 2 };
TALLY_RESULT tally_cert_is_ca(const struct tally_cert *c, int pathlen, unsigned usages);

/* True if issuer's subject is, byte for byte, c's issuer. */
bool tally_cert_names(const struct tally_cert *c, const struct tally_cert *issuer);

/* Names (E_CERT_SHAPE), RSASSA-PSS with SHA-384, MGF1-SHA-384, salt 48 and trailer 1 by decoded
 * values (E_CERT_ALG), signature by the issuer's key (E_SIGNATURE). */
TALLY_RESULT tally_cert_signed_by(const struct tally_cert *c, const struct tally_cert *issuer);

/* Value bytes of the extension with this dotted OID; an empty slice with at == NULL if absent.
 * Lives as long as c. */
struct tally_slice tally_cert_ext(const struct tally_cert *c, const char *oid);
/* Dotted OID of extension i; false past the last. */
bool tally_cert_ext_oid(const struct tally_cert *c, int i, char *out, size_t size);

/* ECDSA P-384 with SHA-384 over `text` by c's key; r and s are 48 bytes, big-endian. E_SIG_RANGE
 * unless both are in [1, n-1]; E_SIGNATURE. */
TALLY_RESULT tally_cert_p384_verify(const struct tally_cert *c, struct tally_slice text,
                                    const uint8_t r[48], const uint8_t s[48]);

struct tally_crl {
    struct X509_crl_st *crl; /* NULL: empty */
    uint64_t this_update_s, next_update_s;
};

/* As tally_cert_parse; a CRL without nextUpdate is E_CRL_EXPIRED, one with a critical extension
 * (delta, indirect) E_CERT_CRITICAL_EXT. */
TALLY_RESULT tally_crl_parse(struct tally_slice der, struct tally_crl *c);
void tally_crl_free(struct tally_crl *c);
bool tally_crl_names(const struct tally_crl *c, const struct tally_cert *issuer);
/* E_CRL_ISSUER, E_CERT_ALG, E_SIGNATURE. */
TALLY_RESULT tally_crl_signed_by(const struct tally_crl *c, const struct tally_cert *issuer);
/* thisUpdate <= now <= nextUpdate, else E_CRL_EXPIRED. */
TALLY_RESULT tally_crl_valid_at(const struct tally_crl *c, uint64_t now_s);
/* E_REVOKED if the CRL lists cert's serial number. */
TALLY_RESULT tally_crl_clears(const struct tally_crl *c, const struct tally_cert *cert);

/* A file as people keep them: one PEM block of this label ("CERTIFICATE", "X509 CRL") with
 * nothing but white space round it is decoded; anything else is copied as it is. For commands
 * alone; TALLY_E_LIMIT over cap. */
TALLY_RESULT tally_cert_from_file(struct tally_slice file, const char *label, uint8_t *out,
                                  size_t cap, size_t *len);
