/* sim_cert.h - makes certificates and CRLs in AMD's exact shapes, for simulated chips and for
 * tests of the verifier: names, extensions and algorithms are all the caller's choice. */
#pragma once

#include "common/attest/snp_report.h"
#include "common/cert.h"

struct evp_pkey_st;

/* An extension as it will stand in the certificate: value is the content of its OCTET STRING. */
struct tally_sim_ext {
    const char *oid;
    bool critical;
    struct tally_slice value;
};

/* RSASSA-PSS; all zero means SHA-384, MGF1-SHA-384, salt 48. */
struct tally_sim_pss {
    const char *hash, *mgf1; /* "SHA256" */
    int salt;
};

/* Names have AMD's O, OU, L, ST and C; subject and issuer are the CNs. */
struct tally_sim_cert {
    const char *subject, *issuer;
    uint32_t serial;
    uint64_t not_before_s, not_after_s;
    struct evp_pkey_st *key, *signer; /* the subject's, and the issuer's RSA key */
    struct tally_sim_pss pss;
    const struct tally_sim_ext *exts;
    size_t exts_n;
};
TALLY_RESULT tally_sim_cert_make(const struct tally_sim_cert *c, struct tally_wr *der);

struct tally_sim_crl {
    const char *issuer;
    struct evp_pkey_st *signer;
    struct tally_sim_pss pss;
    uint64_t this_update_s, next_update_s; /* next 0: none */
    uint32_t number;
    const uint32_t *revoked; /* serial numbers */
    size_t revoked_n;
};
TALLY_RESULT tally_sim_crl_make(const struct tally_sim_crl *c, struct tally_wr *der);

/* AMD's extensions with room for their values; entries may be changed before use. */
enum { TALLY_SIM_EXTS_MAX = 16, TALLY_SIM_EXT_BYTES = 80 };
struct tally_sim_exts {
    struct tally_sim_ext list[TALLY_SIM_EXTS_MAX];
    size_t n;
    uint8_t store[TALLY_SIM_EXTS_MAX][TALLY_SIM_EXT_BYTES];
};
/* Of a Milan or Genoa VCEK: structVersion, productName, the eight components, hwID. */
void tally_sim_vcek_exts(const char *product, const uint8_t chip_id[TALLY_SNP_CHIP_ID_BYTES],
                         const struct tally_snp_tcb *tcb, struct tally_sim_exts *out);
/* Of an ARK (root) or an ASK under it. */
void tally_sim_ca_exts(struct evp_pkey_st *key, struct evp_pkey_st *issuer, const char *crl_url,
                       struct tally_sim_exts *out);
/* Appends a copy. */
void tally_sim_exts_add(struct tally_sim_exts *e, const char *oid, bool critical,
                        struct tally_slice value);
