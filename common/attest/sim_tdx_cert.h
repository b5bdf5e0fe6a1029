/* sim_tdx_cert.h - makes certificates and CRLs in Intel's exact shapes (SGX root, PCK CAs, TCB
 * signing, PCK leaf), for simulated TDX machines and for tests of the verifier: made with the
 * names, dates and public keys of real ones, the signed part comes out the same byte for byte.
 * Every field is the caller's to change before it is signed. */
#pragma once

#include "common/bytes.h"

struct evp_pkey_st;

enum { TALLY_SIM_TDX_SERIAL_BYTES = 20, TALLY_SIM_TDX_KEY_ID_BYTES = 20 };

/* A P-256 key that follows from seed and label alone; the caller frees it. */
TALLY_RESULT tally_sim_tdx_key(struct tally_slice seed, const char *label,
                               struct evp_pkey_st **out);
/* SHA-1 of the whole SubjectPublicKeyInfo, as Intel's identifiers are: an identifier, no
 * signature. */
void tally_sim_tdx_key_id(struct evp_pkey_st *key, uint8_t out[TALLY_SIM_TDX_KEY_ID_BYTES]);
/* x || y of a P-256 key. */
void tally_sim_tdx_point(struct evp_pkey_st *key, uint8_t out[64]);
/* r || s, big-endian, over text with SHA-256. */
TALLY_RESULT tally_sim_tdx_sign(struct evp_pkey_st *key, struct tally_slice text, uint8_t out[64]);

/* Extensions, a plain value: each is a range of the store, its value the content of the OCTET
 * STRING. */
enum { TALLY_SIM_TDX_EXTS_MAX = 12, TALLY_SIM_TDX_EXT_BYTES = 1536 };
struct tally_sim_tdx_ext {
    const char *oid;
    bool critical;
    uint16_t at, len;
};
struct tally_sim_tdx_exts {
    struct tally_sim_tdx_ext list[TALLY_SIM_TDX_EXTS_MAX];
    uint32_t n;
    uint16_t used;
    uint8_t store[TALLY_SIM_TDX_EXT_BYTES];
};
void tally_sim_tdx_ext_add(struct tally_sim_tdx_exts *e, const char *oid, bool critical,
                           struct tally_slice value);
/* Puts another value in its place; adds it where there is none. */
void tally_sim_tdx_ext_set(struct tally_sim_tdx_exts *e, const char *oid, bool critical,
                           struct tally_slice value);
/* Takes it out; nothing happens where there is none. */
void tally_sim_tdx_ext_drop(struct tally_sim_tdx_exts *e, const char *oid);

enum tally_sim_tdx_role {
    TALLY_SIM_TDX_ROOT,
    TALLY_SIM_TDX_PLATFORM,
    TALLY_SIM_TDX_PROCESSOR,
    TALLY_SIM_TDX_TCB,
    TALLY_SIM_TDX_PCK,
    TALLY_SIM_TDX_ROLES,
};
const char *tally_sim_tdx_cn(enum tally_sim_tdx_role role); /* "Intel SGX PCK Platform CA" */

struct tally_sim_tdx_cert {
    const char *subject, *issuer; /* CNs; O, L, ST and C are Intel's */
    uint8_t serial[TALLY_SIM_TDX_SERIAL_BYTES];
    uint64_t not_before_s, not_after_s;
    struct evp_pkey_st *key, *signer; /* the subject's, and whose signature it bears */
    const char *hash;                 /* "SHA256" */
    struct tally_sim_tdx_exts exts;
};
/* What Intel would issue in this role: the serial is the key's id, the extensions are all there
 * but a PCK leaf's own, and dates are the caller's to set. `ca` is the issuer's role: the root,
 * or one of the PCK CAs for a leaf. */
void tally_sim_tdx_cert_init(struct tally_sim_tdx_cert *c, enum tally_sim_tdx_role role,
                             struct evp_pkey_st *key, enum tally_sim_tdx_role ca,
                             struct evp_pkey_st *ca_key);
TALLY_RESULT tally_sim_tdx_cert_make(const struct tally_sim_tdx_cert *c, struct tally_wr *der);

/* A machine, as its PCK leaf tells it (ATTESTATION.md C2.1). */
struct tally_sim_tdx_pck {
    uint8_t ppid[16], components[16], cpusvn[16], pceid[2], fmspc[6], instance_id[16];
    uint16_t pcesvn;
    uint8_t sgx_type; /* 0 standard, 1 scalable */
    bool platform;    /* false: a Processor CA's leaf, without the fields below */
    bool dynamic_platform, cached_keys, smt_enabled;
    uint32_t without, tcb_without; /* bit n: part .n, or .2.n, is left out */
};
#define TALLY_SIM_TDX_PCK_OID "1.2.840.113741.1.13.1"
/* The extension of TALLY_SIM_TDX_PCK_OID. */
void tally_sim_tdx_pck_encode(const struct tally_sim_tdx_pck *p, struct tally_wr *w);
void tally_sim_tdx_pck_add(const struct tally_sim_tdx_pck *p, struct tally_sim_tdx_exts *e);

struct tally_sim_tdx_crl {
    const char *issuer;
    struct evp_pkey_st *issuer_key, *signer; /* the AKI's, and whose signature it bears */
    const char *hash;
    uint64_t this_update_s, next_update_s;
    uint32_t number;
    const uint8_t (*revoked)[TALLY_SIM_TDX_SERIAL_BYTES];
    size_t revoked_n;
};
void tally_sim_tdx_crl_init(struct tally_sim_tdx_crl *c, enum tally_sim_tdx_role ca,
                            struct evp_pkey_st *ca_key);
TALLY_RESULT tally_sim_tdx_crl_make(const struct tally_sim_tdx_crl *c, struct tally_wr *der);

/* "-----BEGIN CERTIFICATE-----", base64 in lines of 64 and the end line, each with LF. */
void tally_sim_tdx_pem(struct tally_slice der, struct tally_wr *w);
