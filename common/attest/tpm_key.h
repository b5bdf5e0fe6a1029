/* tpm_key.h - the attestation key of a TPM, whatever it is given as, and what it signs.
 *
 * RSA of 2048 to 8192 bits with exponent 65537, or a point of P-256 or P-384 by named curve;
 * anything else is E_KEY. Signatures are RSASSA-PKCS1-v1_5, RSASSA-PSS or ECDSA over SHA-256,
 * SHA-384 or SHA-512. */
#pragma once

#include "common/attest/tpm_quote.h"
#include "common/cert.h"

struct evp_pkey_st;

struct tally_tpm_key {
    struct evp_pkey_st *key; /* NULL: empty */
    bool rsa;
    size_t bytes; /* of n, or of one coordinate */
    /* Of a TPMT_PUBLIC: what it says of the key; elsewhere unknown. */
    bool described;
    uint32_t attributes;
    uint16_t scheme, scheme_hash; /* TALLY_TPM_NULL: none */
    bool vouched;                 /* a certificate's chain to an anchor held (verify_tpm.h) */
};

void tally_tpm_key_free(struct tally_tpm_key *k); /* idempotent */

/* A file or slice of evidence: SubjectPublicKeyInfo (PEM or DER), TPMT_PUBLIC or TPM2B_PUBLIC, or a
 * certificate (PEM or DER, tpm_cert.h), which then stands in *cert; else cert->x509 stays NULL.
 * E_KEY, E_CERT_PARSE and what the parts refuse. The caller frees both. */
TALLY_RESULT tally_tpm_key_read(struct tally_slice ak, struct tally_tpm_key *k,
                                struct tally_cert *cert);
/* n and e of a JWK, big-endian. */
TALLY_RESULT tally_tpm_key_rsa(struct tally_slice n, struct tally_slice e, struct tally_tpm_key *k);
/* A new reference to an OpenSSL key. */
TALLY_RESULT tally_tpm_key_of(struct evp_pkey_st *key, struct tally_tpm_key *k);

bool tally_tpm_key_equal(const struct tally_tpm_key *a, const struct tally_tpm_key *b);
/* SHA-256 of the SubjectPublicKeyInfo, DER. */
void tally_tpm_key_digest(const struct tally_tpm_key *k, uint8_t out[32]);

/* A TPMT_SIGNATURE, or the bare signature: n bytes or r || s. A bare one is of the key's own scheme
 * where a TPMT_PUBLIC named it, else RSASSA with SHA-256, ECDSA with SHA-256 (P-256) or SHA-384.
 * Slices point into `in`. E_ALGORITHM where the key is for another scheme. */
TALLY_RESULT tally_tpm_key_signature(const struct tally_tpm_key *k, struct tally_slice in,
                                     struct tally_tpm_signature *out);
/* E_SIGNATURE, E_SIG_RANGE; E_FORMAT for a signature of another length. */
TALLY_RESULT tally_tpm_key_verify(const struct tally_tpm_key *k,
                                  const struct tally_tpm_signature *s, struct tally_slice text);
