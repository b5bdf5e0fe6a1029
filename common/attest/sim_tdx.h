/* sim_tdx.h - the simulated TDX machine: byte-exact quotes, PCK chain and collateral under a test
 * root (ATTESTATION.md C7). A verifier treats it as any machine: only the anchor is another.
 *
 * The owner of a test federation makes one root, keeps its file, and issues a chip file per node:
 *
 *   root file   "tally-sim-tdx-root/1 test\n" | seed[32] | LP certificate of each authority: root,
 *               Platform CA, Processor CA, TCB signing
 *   chip file   "tally-sim-tdx-chip/1 test\n" | seed[32] | ppid[16] | components[16] | pcesvn u16 |
 *               fmspc[6] | instance id[16] | LP PCK leaf | LP its CA | LP root |
 *               LP bytes of each collateral file
 *
 * Both are secret (mode 0600) and never overwritten. Every key follows from the seed. */
#pragma once

#include "common/attest/sim_chip.h"
#include "common/attest/sim_tdx_cert.h"
#include "common/attest/sim_tdx_json.h"
#include "common/attest/tdx_quote.h"
#include "common/secret.h"

struct tally_sim_tdx_root {
    struct tally_secret seed; /* 32 bytes */
    struct evp_pkey_st *keys[TALLY_SIM_TDX_PCK];
    struct tally_sim_bytes certs[TALLY_SIM_TDX_PCK]; /* DER; the first is the anchor */
};
/* New keys; the root for 25 years from a day before now_s, the CAs for 15, TCB signing for 7. */
TALLY_RESULT tally_sim_tdx_root_new(uint64_t now_s, struct tally_sim_tdx_root **out);
TALLY_RESULT tally_sim_tdx_root_save(const struct tally_sim_tdx_root *r, const char *path);
TALLY_RESULT tally_sim_tdx_root_load(const char *path, struct tally_sim_tdx_root **out);
void tally_sim_tdx_root_free(struct tally_sim_tdx_root **r);

/* Collateral, by the names that files of it have. */
enum tally_sim_tdx_file {
    TALLY_SIM_TDX_TCB_INFO,    /* tcb_info_response.json */
    TALLY_SIM_TDX_QE_IDENTITY, /* qe_identity_response.json */
    TALLY_SIM_TDX_TCB_CHAIN,   /* tcb_sign_chain.pem */
    TALLY_SIM_TDX_ROOT_CRL,    /* root_ca_crl.der */
    TALLY_SIM_TDX_PCK_CRL,     /* pck_crl.der */
    TALLY_SIM_TDX_FILES,
};
const char *tally_sim_tdx_file_name(enum tally_sim_tdx_file f);
struct tally_sim_tdx_blob {
    uint8_t at[32 * 1024];
    size_t len;
};

/* A machine's certificates and collateral before they are signed: every field may be changed. */
struct tally_sim_tdx_spec {
    struct tally_sim_tdx_pck pck;
    char fmspc[13];
    struct tally_sim_tdx_cert certs[TALLY_SIM_TDX_ROLES];
    struct tally_sim_tdx_crl root_crl, pck_crl;
    struct tally_sim_tdx_tcb_info tcb_info;
    struct tally_sim_tdx_qe_identity qe_identity;
    struct evp_pkey_st *json_key; /* signs the two above: that of TCB signing */
};
/* A machine of that identity whose leaf (pck_key's) the role `ca` issued: certificates as
 * tally_sim_tdx_root_new and for 7 years the leaf, collateral from a day before now_s for a year.
 */
void tally_sim_tdx_spec_init(const struct tally_sim_tdx_root *r,
                             const struct tally_sim_tdx_pck *pck, struct evp_pkey_st *pck_key,
                             enum tally_sim_tdx_role ca, uint64_t now_s,
                             struct tally_sim_tdx_spec *s);
/* Signs the certificates, each alone: signatures are never the same twice, so who has an anchor
 * keeps its bytes. */
TALLY_RESULT tally_sim_tdx_spec_certs(const struct tally_sim_tdx_spec *s,
                                      struct tally_sim_bytes certs[TALLY_SIM_TDX_ROLES]);
/* Signs the collateral; certs: those of TCB signing and the root. */
TALLY_RESULT tally_sim_tdx_spec_files(const struct tally_sim_tdx_spec *s,
                                      const struct tally_sim_bytes certs[TALLY_SIM_TDX_PCK],
                                      struct tally_sim_tdx_blob files[TALLY_SIM_TDX_FILES]);

struct tally_sim_tdx_chip {
    struct tally_secret seed; /* 32 bytes */
    struct tally_sim_tdx_pck pck;
    struct evp_pkey_st *pck_key, *ak;      /* of seed alone */
    struct tally_sim_bytes leaf, ca, root; /* DER */
    struct tally_sim_tdx_blob files[TALLY_SIM_TDX_FILES];
};
/* An Emerald Rapids part with random ids and today's TCB, under the Platform CA. */
TALLY_RESULT tally_sim_tdx_chip_new(const struct tally_sim_tdx_root *r, uint64_t now_s,
                                    struct tally_sim_tdx_chip **out);
/* Fresh certificate and collateral for the chip as c->pck now says. */
TALLY_RESULT tally_sim_tdx_chip_renew(struct tally_sim_tdx_chip *c,
                                      const struct tally_sim_tdx_root *r, uint64_t now_s);
TALLY_RESULT tally_sim_tdx_chip_save(const struct tally_sim_tdx_chip *c, const char *path);
TALLY_RESULT tally_sim_tdx_chip_load(const char *path, struct tally_sim_tdx_chip **out);
void tally_sim_tdx_chip_free(struct tally_sim_tdx_chip **c);
/* As a federation document lists it: of "tdx" and the PPID. */
void tally_sim_tdx_chip_digest(const struct tally_sim_tdx_chip *c,
                               uint8_t out[TALLY_CHIP_DIGEST_BYTES]);
/* Is this file a machine's (and not, say, an SNP chip's)? TALLY_E_IO. */
TALLY_RESULT tally_sim_tdx_chip_is(const char *path, bool *is);
/* The collateral, as endorsements. */
void tally_sim_tdx_endorsements(const struct tally_sim_tdx_chip *c, struct tally_wr *w);

/* A quote that the strict policy accepts but for MRTD and REPORTDATA, which are zero: version 5
 * with a TD report 1.5, of the machine `pck`, auth data as Intel's QE has it, no chain yet. */
void tally_sim_tdx_quote_init(const struct tally_sim_tdx_pck *pck, struct tally_tdx_quote *q);
/* Puts ak in, and its digest with the auth data into the QE report. */
void tally_sim_tdx_quote_bind(struct tally_tdx_quote *q, struct evp_pkey_st *ak);
/* Signs both parts as they are. */
TALLY_RESULT tally_sim_tdx_quote_sign(struct tally_tdx_quote *q, struct evp_pkey_st *ak,
                                      struct evp_pkey_st *pck_key);
/* The chip's quote of these values: its chain, bound, signed and encoded. */
TALLY_RESULT tally_sim_tdx_quote(const struct tally_sim_tdx_chip *c,
                                 const struct tally_tdx_quote *values, struct tally_wr *w);

/* A TD as the host started it. */
struct tally_sim_td {
    uint64_t attributes; /* TDATTRIBUTES */
    uint8_t mrtd[TALLY_MEASUREMENT_BYTES], rtmr[4][TALLY_MEASUREMENT_BYTES];
};

/* As tally_device_open_simulated with a machine's file, with a TD of one's own making: what a host
 * can do to a program (debug, another image), for attack tests. */
TALLY_RESULT tally_device_sim_tdx_boot(const char *chip_file, const struct tally_sim_td *td,
                                       struct tally_device **out);
