/* tdx_quote.h - Intel TDX quotes, versions 4 and 5, with the ECDSA P-256 attestation key
 * (ATTESTATION.md C2.1).
 *
 * One struct, one decoder, one encoder; decode then encode gives the same bytes. The decoder checks
 * structure alone (lengths, versions, kinds, the QE report's reserved bytes) and is as strict as
 * the format allows. Nothing decoded is true before the signatures verified. Decoded slices borrow
 * the quote's bytes. */
#pragma once

#include "common/bytes.h"

enum {
    TALLY_TDX_QUOTE_BYTES_MAX = 16 * 1024, /* with any padding */
    TALLY_TDX_HEADER_BYTES = 48,
    TALLY_TDX_BODY_BYTES = 584,    /* body type 2: TD report 1.0 */
    TALLY_TDX_BODY_15_BYTES = 648, /* body type 3: TD report 1.5 */
    TALLY_TDX_QE_REPORT_BYTES = 384,
    TALLY_TDX_SVN_BYTES = 16,
    TALLY_TDX_DIGEST_BYTES = 48,
    TALLY_TDX_SIG_BYTES = 64, /* r || s, big-endian */
    TALLY_TDX_KEY_BYTES = 64, /* x || y, big-endian */
};

/* Offsets in a body. */
enum {
    TALLY_TDX_BODY_REPORT_DATA = 520,
};

enum {
    TALLY_TDX_TEE_SGX = 0,
    TALLY_TDX_TEE_TDX = 0x81,
    TALLY_TDX_KEY_TYPE_P256 = 2,
    TALLY_TDX_TYPE_TD10 = 2, /* body types of version 5; version 4 has TD10 alone */
    TALLY_TDX_TYPE_TD15 = 3,
    TALLY_TDX_TYPE_TD15_EXT = 4, /* known by name, refused: no evidence of it exists */
};

/* Intel's QE vendor id. */
extern const uint8_t tally_tdx_vendor[16];

/* Bits of TDATTRIBUTES. */
#define TALLY_TDX_ATTR_DEBUG           (UINT64_C(1) << 0)
#define TALLY_TDX_ATTR_TUD             UINT64_C(0xff) /* any of them: the TD is under debug */
#define TALLY_TDX_ATTR_ICSSD           (UINT64_C(1) << 16)
#define TALLY_TDX_ATTR_LASS            (UINT64_C(1) << 27)
#define TALLY_TDX_ATTR_SEPT_VE_DISABLE (UINT64_C(1) << 28)
#define TALLY_TDX_ATTR_MIGRATABLE      (UINT64_C(1) << 29)
#define TALLY_TDX_ATTR_PKS             (UINT64_C(1) << 30)
#define TALLY_TDX_ATTR_KL              (UINT64_C(1) << 31)
#define TALLY_TDX_ATTR_TPA             (UINT64_C(1) << 62)
#define TALLY_TDX_ATTR_PERFMON         (UINT64_C(1) << 63)

/* The quoting enclave's own report; its reserved bytes are zero. */
struct tally_tdx_qe_report {
    uint8_t cpu_svn[16];
    uint32_t misc_select;
    uint8_t attributes[16];
    uint8_t mr_enclave[32], mr_signer[32];
    uint16_t isv_prod_id, isv_svn;
    uint8_t report_data[64]; /* SHA-256(attestation key || auth data) || 32 zeros */
};

struct tally_tdx_quote {
    uint16_t version, key_type;
    uint32_t tee_type;
    uint16_t qe_svn, pce_svn; /* zero on all quotes seen; not appraised */
    uint8_t vendor[16], user_data[20];
    uint16_t body_type; /* TD10 or TD15 */
    /* the TD report */
    uint8_t tee_tcb_svn[TALLY_TDX_SVN_BYTES]; /* at launch: module minor, module id, microcode */
    uint8_t mr_seam[TALLY_TDX_DIGEST_BYTES], mr_signer_seam[TALLY_TDX_DIGEST_BYTES];
    uint64_t seam_attributes, td_attributes, xfam;
    uint8_t mrtd[TALLY_TDX_DIGEST_BYTES], mr_config_id[TALLY_TDX_DIGEST_BYTES];
    uint8_t mr_owner[TALLY_TDX_DIGEST_BYTES], mr_owner_config[TALLY_TDX_DIGEST_BYTES];
    uint8_t rtmr[4][TALLY_TDX_DIGEST_BYTES];
    uint8_t report_data[64];
    uint8_t tee_tcb_svn2[TALLY_TDX_SVN_BYTES];     /* TD15: the module that runs now */
    uint8_t mr_service_td[TALLY_TDX_DIGEST_BYTES]; /* TD15: bound service TDs; 0: none */
    /* what signs it */
    uint8_t signature[TALLY_TDX_SIG_BYTES]; /* by ak over `signed_part` */
    uint8_t ak[TALLY_TDX_KEY_BYTES];
    struct tally_tdx_qe_report qe;
    uint8_t qe_signature[TALLY_TDX_SIG_BYTES]; /* by the PCK over `qe_part` */
    struct tally_slice signed_part;            /* header and body; decoder only */
    struct tally_slice qe_part;                /* the 384 bytes of the QE report; decoder only */
    struct tally_slice auth;                   /* the QE's authentication data */
    struct tally_slice pck_pem;                /* PEM: leaf, CA, root; with a final zero if any */
    struct tally_slice padding;                /* what follows the quote; decoder only */
};

/* E_TRUNCATED, E_OVERSIZE (over 16 KiB), E_TEE_TYPE (SGX, version 3, body type 1), E_VERSION (not
 * 4 or 5; body types other than 2 and 3, type 4 by its name), E_ALGORITHM (another key type),
 * E_VENDOR, E_FORMAT (a length or an inner type that does not fit), E_RESERVED_NONZERO. Bytes
 * after the quote are in `padding`: whether they may be there is for tally_tdx_quote_padding(). */
TALLY_RESULT tally_tdx_quote_decode(struct tally_slice in, struct tally_tdx_quote *out);
/* E_TRAILING unless nothing follows the quote, or, where zeros are allowed, zeros alone. */
TALLY_RESULT tally_tdx_quote_padding(const struct tally_tdx_quote *q, bool zeros_allowed);

/* The bytes of any values, right or wrong; lengths come from the slices. */
void tally_tdx_quote_encode(const struct tally_tdx_quote *q, struct tally_wr *w);
/* Its parts: what the attestation key signs, and what the PCK signs. */
void tally_tdx_signed_encode(const struct tally_tdx_quote *q, struct tally_wr *w);
void tally_tdx_qe_encode(const struct tally_tdx_qe_report *r, struct tally_wr *w);
