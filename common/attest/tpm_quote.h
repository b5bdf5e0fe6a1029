/* tpm_quote.h - what a TPM 2.0 says when it quotes: TPMS_ATTEST, TPMT_SIGNATURE and the TPMT_PUBLIC
 * of the key that signed (TPM 2.0 Library part 2, ATTESTATION.md C4.2). Big-endian; decode then
 * encode gives the same bytes. Slices point into what was decoded. Nothing is true before the
 * signature verified, and nothing of a TPMT_PUBLIC unless somebody vouches for it. */
#pragma once

#include "common/bytes.h"

/* TPM_ALG_ID and TPM_ECC_CURVE. */
enum tally_tpm_alg {
    TALLY_TPM_RSA = 0x0001,
    TALLY_TPM_SHA1 = 0x0004,
    TALLY_TPM_SHA256 = 0x000b,
    TALLY_TPM_SHA384 = 0x000c,
    TALLY_TPM_SHA512 = 0x000d,
    TALLY_TPM_NULL = 0x0010,
    TALLY_TPM_RSASSA = 0x0014,
    TALLY_TPM_RSAPSS = 0x0016,
    TALLY_TPM_ECDSA = 0x0018,
    TALLY_TPM_ECC = 0x0023,
};
enum { TALLY_TPM_P256 = 0x0003, TALLY_TPM_P384 = 0x0004 };

#define TALLY_TPM_GENERATED                                              \
    UINT32_C(0xff544347) /* what the TPM alone puts before what it signs \
                          */
enum {
    TALLY_TPM_ST_QUOTE = 0x8018,
    TALLY_TPM_ST_CERTIFY = 0x8014, /* not for us */
    TALLY_TPM_ATTEST_MAX = 1024,
    TALLY_TPM_SELECTIONS_MAX = 16,
    TALLY_TPM_SELECT_BYTES_MAX = 4,
    TALLY_TPM_DIGEST_MAX = 64,
    TALLY_TPM_NAME_MAX = 66,
};

/* PCRs of one bank: bit i of mask is PCR i. bytes: how long the mask is written, 3 as a rule. */
struct tally_tpm_selection {
    uint16_t hash;
    uint8_t bytes;
    uint32_t mask;
};

/* TPMS_ATTEST of a quote. */
struct tally_tpm_quote {
    uint32_t magic;
    uint16_t type;
    struct tally_slice signer; /* qualifiedSigner: the key's qualified name */
    struct tally_slice extra;  /* extraData: the nonce */
    uint64_t clock_ms;
    uint32_t reset_count, restart_count;
    uint8_t safe; /* 1: the clock never ran backwards */
    uint64_t firmware;
    struct tally_tpm_selection selections[TALLY_TPM_SELECTIONS_MAX];
    uint32_t selections_n;
    struct tally_slice digest; /* of the selected PCRs, in ascending order */
};

/* E_TRUNCATED, E_TRAILING, E_OVERSIZE; E_FORMAT for another magic, another type than a quote, more
 * than a field may hold. */
TALLY_RESULT tally_tpm_quote_decode(struct tally_slice in, struct tally_tpm_quote *out);
/* The bytes of any values, right or wrong. */
void tally_tpm_quote_encode(const struct tally_tpm_quote *q, struct tally_wr *w);

/* TPMT_SIGNATURE. */
struct tally_tpm_signature {
    uint16_t scheme, hash;
    struct tally_slice rsa;  /* RSASSA and RSAPSS */
    struct tally_slice r, s; /* ECDSA */
};

/* E_TRUNCATED, E_TRAILING, E_OVERSIZE; E_ALGORITHM for other schemes, or a hash below SHA-256. */
TALLY_RESULT tally_tpm_signature_decode(struct tally_slice in, struct tally_tpm_signature *out);
void tally_tpm_signature_encode(const struct tally_tpm_signature *s, struct tally_wr *w);
/* Bytes of SHA-256, SHA-384, SHA-512; 0 for any other. */
size_t tally_tpm_hash_bytes(uint16_t hash);

/* Bits of objectAttributes. */
#define TALLY_TPM_FIXED_TPM    (UINT32_C(1) << 1)
#define TALLY_TPM_FIXED_PARENT (UINT32_C(1) << 4)
#define TALLY_TPM_ORIGIN       (UINT32_C(1) << 5) /* sensitiveDataOrigin: made in the TPM */
#define TALLY_TPM_RESTRICTED   (UINT32_C(1) << 16)
#define TALLY_TPM_DECRYPT      (UINT32_C(1) << 17)
#define TALLY_TPM_SIGN         (UINT32_C(1) << 18)
/* A key that the TPM made, never gives away and lets sign nothing but the TPM's own words. */
#define TALLY_TPM_AK_ATTRIBUTES                                                               \
    (TALLY_TPM_FIXED_TPM | TALLY_TPM_FIXED_PARENT | TALLY_TPM_ORIGIN | TALLY_TPM_RESTRICTED | \
     TALLY_TPM_SIGN)

/* TPMT_PUBLIC of a signing key. */
struct tally_tpm_public {
    uint16_t type, name_hash;
    uint32_t attributes;
    struct tally_slice policy;
    uint16_t scheme, scheme_hash; /* TALLY_TPM_NULL, 0: chosen at every signature */
    uint16_t bits_or_curve;       /* RSA: bits; ECC: TALLY_TPM_P256 or P384 */
    uint32_t exponent;            /* RSA: 0 stands for 65537 */
    struct tally_slice n, x, y;   /* RSA: n; ECC: x, y */
};

/* Also a TPM2B_PUBLIC, which is the same with its length before it. E_TRUNCATED, E_TRAILING,
 * E_OVERSIZE, E_RESERVED_NONZERO (attributes); E_ALGORITHM for other types, schemes and a key with
 * a cipher. */
TALLY_RESULT tally_tpm_public_decode(struct tally_slice in, struct tally_tpm_public *out);
void tally_tpm_public_encode(const struct tally_tpm_public *p, struct tally_wr *w);
