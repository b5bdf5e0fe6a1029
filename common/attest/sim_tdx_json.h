/* sim_tdx_json.h - TCB info and QE identity as Intel's service writes them (ATTESTATION.md C2.2):
 * no white space, keys in its order, and signed over those very bytes. Every real one, read into
 * these structs, is written back byte for byte. Values are not checked: a test may sign anything.
 *
 * Text is borrowed; dates are seconds since 1970. */
#pragma once

#include "common/bytes.h"

struct evp_pkey_st;

enum {
    TALLY_SIM_TDX_COMPONENTS_MAX = 17, /* one more than there are */
    TALLY_SIM_TDX_LEVELS_MAX = 6,
    TALLY_SIM_TDX_IDENTITIES_MAX = 4,
    TALLY_SIM_TDX_JSON_MAX = 64 * 1024,
};

/* What every level says. */
struct tally_sim_tdx_standing {
    uint64_t date_s;
    const char *status;            /* "UpToDate" */
    const char *const *advisories; /* "INTEL-SA-00837"; NULL: no such key */
    uint32_t advisories_n;
};

struct tally_sim_tdx_level {
    uint32_t sgx[TALLY_SIM_TDX_COMPONENTS_MAX], tdx[TALLY_SIM_TDX_COMPONENTS_MAX];
    uint32_t sgx_n, tdx_n; /* 16 */
    uint32_t pcesvn;
    struct tally_sim_tdx_standing is;
};

struct tally_sim_tdx_svn_level {
    uint32_t isvsvn;
    struct tally_sim_tdx_standing is;
};

/* A TDX module: hex as it will stand there. */
struct tally_sim_tdx_module {
    const char *id; /* "TDX_01"; not written of tdxModule */
    const char *mrsigner, *attributes, *attributes_mask;
    struct tally_sim_tdx_svn_level levels[TALLY_SIM_TDX_LEVELS_MAX];
    uint32_t levels_n;
};

struct tally_sim_tdx_tcb_info {
    const char *id, *fmspc, *pce_id; /* "TDX", "90C06F000000", "0000" */
    uint32_t version, tcb_type, evaluation_number;
    uint64_t issue_s, next_s;
    struct tally_sim_tdx_module module; /* tdxModule: its levels are not written */
    struct tally_sim_tdx_module identities[TALLY_SIM_TDX_IDENTITIES_MAX];
    uint32_t identities_n; /* 0: no such key */
    struct tally_sim_tdx_level levels[TALLY_SIM_TDX_LEVELS_MAX];
    uint32_t levels_n;
};

struct tally_sim_tdx_qe_identity {
    const char *id; /* "TD_QE" */
    uint32_t version, evaluation_number, isvprodid;
    uint64_t issue_s, next_s;
    const char *miscselect, *miscselect_mask, *attributes, *attributes_mask, *mrsigner;
    struct tally_sim_tdx_svn_level levels[TALLY_SIM_TDX_LEVELS_MAX];
    uint32_t levels_n;
};

/* As Intel's of February 2026 for a part of that FMSPC: TDX_03 and TDX_01, one good platform
 * level of `pcesvn` and these components, everything UpToDate; and the TD QE of then. */
void tally_sim_tdx_tcb_info_init(struct tally_sim_tdx_tcb_info *t, const char *fmspc,
                                 const uint8_t components[16], uint32_t pcesvn, uint64_t issue_s,
                                 uint64_t next_s);
void tally_sim_tdx_qe_identity_init(struct tally_sim_tdx_qe_identity *q, uint64_t issue_s,
                                    uint64_t next_s);

void tally_sim_tdx_tcb_info_write(const struct tally_sim_tdx_tcb_info *t, struct tally_wr *w);
void tally_sim_tdx_qe_identity_write(const struct tally_sim_tdx_qe_identity *q, struct tally_wr *w);
/* {"<name>":<inner>,"signature":"<hex>"}, signed by key. */
TALLY_RESULT tally_sim_tdx_response_write(const char *name, struct tally_slice inner,
                                          struct evp_pkey_st *key, struct tally_wr *w);
