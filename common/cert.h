/* cert.h - X.509 certificates and CRLs of TEE vendors, judged piece by piece (ATTESTATION.md C0.6).
 *
 * The vendors' chains have a fixed shape, so nothing here builds a path: a verifier walks its
 * chain and asks one question at a time, each answered by TALLY_OK or a named reason. Parsing
 * takes canonical DER only: one object, nothing after it, and re-encoding gives the same bytes.
 * Nothing is re-encoded for that: der.h's rules, no default value written out and every SET in
 * order leave one spelling; the tests compare with OpenSSL's encoder. Pure: time is passed in. */
#pragma once

#include "common/bytes.h"

enum {
    TALLY_CERT_BYTES_MAX = 4096,
    TALLY_CRL_BYTES_MAX = 64 * 1024,
    TALLY_CERT_EXTS_MAX = 24,
    TALLY_CERT_CN_SIZE = 65, /* with the final zero */
};

struct tally_cert {
    struct tally_x509 *x509; /* NULL: empty; inside: x509.h */
    uint64_t not_before_s, not_after_s;
};

/* E_OVERSIZE, E_CERT_PARSE, E_CERT_NONCANONICAL (BER forms, trailing bytes), E_CERT_SHAPE (not
 * version 3), E_CERT_EXT_DUP, E_CERT_CRITICAL_EXT (all but basicConstraints and keyUsage). */
TALLY_RESULT tally_cert_parse(struct tally_slice der, struct tally_cert *c);
void tally_cert_free(struct tally_cert *c); /* idempotent */
/* A second owner of the same certificate, in the same thread; each is freed. */
void tally_cert_share(const struct tally_cert *c, struct tally_cert *out);

/* The certificate's own bytes; contents of the serial number's INTEGER; the SubjectPublicKeyInfo.
 */
struct tally_slice tally_cert_der(const struct tally_cert *c);
struct tally_slice tally_cert_serial(const struct tally_cert *c);
struct tally_slice tally_cert_spki(const struct tally_cert *c);

/* The one CN of the subject or the issuer, printable ASCII; else E_CERT_SHAPE. */
TALLY_RESULT tally_cert_subject_cn(const struct tally_cert *c, char out[TALLY_CERT_CN_SIZE]);
TALLY_RESULT tally_cert_issuer_cn(const struct tally_cert *c, char out[TALLY_CERT_CN_SIZE]);

/* Inclusive at both ends; E_CERT_NOT_YET_VALID, E_CERT_EXPIRED. */
TALLY_RESULT tally_cert_valid_at(const struct tally_cert *c, uint64_t now_s);

/* The public key's type, exactly: a named curve; RSA with exponent 65537 of 4096 bits, or of 2048
 * bits or more. Else E_KEY. */
enum tally_cert_key { TALLY_KEY_P256, TALLY_KEY_P384, TALLY_KEY_RSA4096, TALLY_KEY_RSA2048_UP };
TALLY_RESULT tally_cert_key_is(const struct tally_cert *c, enum tally_cert_key kind);

struct tally_ecdsa; /* ecdsa.h */
/* From here on c makes an EC key in this place each time it is asked for, and keeps none: cheaper
 * where each key verifies once or twice. The place outlives c's use; NULL: as before. */
void tally_cert_place(struct tally_cert *c, struct tally_ecdsa *place);

/* CA:TRUE, pathlen as said (-1: no limit asked for), and at least these key usages; else
 * E_CERT_CONSTRAINT. */
enum { TALLY_KU_CERT_SIGN = 1, TALLY_KU_CRL_SIGN = 2, TALLY_KU_SIGN = 4 };
TALLY_RESULT tally_cert_is_ca(const struct tally_cert *c, int pathlen, unsigned usages);
/* No CA (basicConstraints absent or CA:FALSE) and at least these key usages; same reason. */
TALLY_RESULT tally_cert_is_leaf(const struct tally_cert *c, unsigned usages);

/* SHA-256 of the SubjectPublicKeyInfo, DER: names a key in allow- and deny-lists. */
void tally_cert_spki_digest(const struct tally_cert *c, uint8_t out[32]);

/* True if issuer's subject is, byte for byte, c's issuer. */
bool tally_cert_names(const struct tally_cert *c, const struct tally_cert *issuer);

/* How a vendor's certificates and CRLs are signed. PSS: RSASSA-PSS with SHA-384, MGF1-SHA-384,
 * salt 48 and trailer 1, by decoded values. */
enum tally_cert_alg {
    TALLY_ALG_PSS_SHA384,
    TALLY_ALG_ECDSA_SHA256,
    TALLY_ALG_ECDSA_SHA384,
    TALLY_ALG_RSA_SHA256, /* PKCS #1 v1.5 */
    TALLY_ALG_RSA_SHA384,
};

/* Do both its fields say this algorithm? Else E_CERT_ALG; for whoever asks before the issuer. */
TALLY_RESULT tally_cert_alg_is(const struct tally_cert *c, enum tally_cert_alg alg);
/* Names (E_CERT_SHAPE), exactly this algorithm (E_CERT_ALG), signature by the issuer's key
 * (E_SIGNATURE). */
TALLY_RESULT tally_cert_signed_by(const struct tally_cert *c, const struct tally_cert *issuer,
                                  enum tally_cert_alg alg);

/* Value bytes of the extension with this dotted OID; an empty slice with at == NULL if absent.
 * Lives as long as c. */
struct tally_slice tally_cert_ext(const struct tally_cert *c, const char *oid);
/* Dotted OID of extension i; false past the last. */
bool tally_cert_ext_oid(const struct tally_cert *c, int i, char *out, size_t size);
/* Extension i with its OID as DER has it, for whoever walks many; false past the last. */
struct tally_cert_ext {
    struct tally_slice oid, value; /* contents, without tag and length */
    bool critical;
};
bool tally_cert_ext_at(const struct tally_cert *c, int i, struct tally_cert_ext *out);

/* ECDSA over `text` by c's key: P-384 with SHA-384 or P-256 with SHA-256; sig is r || s,
 * big-endian, 48 or 32 bytes each. E_SIG_RANGE unless both are in [1, n-1]; E_SIGNATURE. */
TALLY_RESULT tally_cert_ecdsa_verify(const struct tally_cert *c, enum tally_cert_key curve,
                                     struct tally_slice text, struct tally_slice sig);

struct tally_crl {
    struct tally_x509_crl *crl; /* NULL: empty */
    uint64_t this_update_s, next_update_s;
};

/* As tally_cert_parse, for version 2; a CRL without nextUpdate is E_CRL_EXPIRED, one with a
 * critical extension (delta, indirect) E_CERT_CRITICAL_EXT. */
TALLY_RESULT tally_crl_parse(struct tally_slice der, struct tally_crl *c);
void tally_crl_free(struct tally_crl *c);
TALLY_RESULT tally_crl_alg_is(const struct tally_crl *c, enum tally_cert_alg alg);
bool tally_crl_names(const struct tally_crl *c, const struct tally_cert *issuer);
/* E_CRL_ISSUER, E_CERT_ALG, E_SIGNATURE. */
TALLY_RESULT tally_crl_signed_by(const struct tally_crl *c, const struct tally_cert *issuer,
                                 enum tally_cert_alg alg);
/* thisUpdate <= now <= nextUpdate, else E_CRL_EXPIRED. */
TALLY_RESULT tally_crl_valid_at(const struct tally_crl *c, uint64_t now_s);
/* E_REVOKED if the CRL lists cert's serial number. */
TALLY_RESULT tally_crl_clears(const struct tally_crl *c, const struct tally_cert *cert);

/* A PEM chain as evidence carries it, into der[0..max), leaf or root first as it stands: blocks
 * "CERTIFICATE" of base64 lines ending in LF, nothing before, between or after them but one
 * optional LF. out holds the decoded bytes and must outlive der. E_CERT_PARSE; E_CERT_SHAPE for
 * more than max or none; E_OVERSIZE where out is too small. */
TALLY_RESULT tally_pem_chain(struct tally_slice text, uint8_t *out, size_t cap,
                             struct tally_slice *der, size_t max, size_t *n);

/* A file as people keep them: one PEM block of this label ("CERTIFICATE", "X509 CRL") with lines of
 * text before it and nothing but white space behind it is decoded; anything else is copied as it
 * is. For commands alone; TALLY_E_LIMIT over cap. */
TALLY_RESULT tally_cert_from_file(struct tally_slice file, const char *label, uint8_t *out,
                                  size_t cap, size_t *len);
