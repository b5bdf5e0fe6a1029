/* simulated_tdx.h - a test root and a TDX machine under it, made once per test program at a fixed
 * time, and an appraisal of it whose every field can be changed before it is signed. */
#pragma once

#include "common/attest/appraise.h"
#include "common/attest/sim_tdx.h"
#include "common/attest/verify_tdx.h"

enum { SIM_TDX_NOW_S = 1795000000 };

/* First line of main(). */
void simulated_tdx_setup(void);
struct tally_sim_tdx_root *simulated_tdx_root(void);
struct tally_sim_tdx_chip *simulated_tdx_chip(void);
/* A key that follows from its name alone, but "p384": a new one of that curve. Kept to the end. */
struct evp_pkey_st *simulated_tdx_key(const char *name);

/* What was just made, when the hook is called. */
enum simulated_tdx_stage {
    SIM_TDX_CERTS, /* certs: DER */
    SIM_TDX_CHAIN, /* pem: of the leaf, its CA and the root, as the quote will have it */
    SIM_TDX_FILES, /* files: the collateral */
    SIM_TDX_BOUND, /* quote: AK and its binding; unsigned */
    SIM_TDX_DONE,  /* bytes: the quote, signed and encoded */
};

/* A byte to change (^=) before its part is signed. */
struct simulated_tdx_flip {
    size_t at;
    uint8_t x; /* 0: none */
};
/* Text to change once before it is signed. */
struct simulated_tdx_edit {
    const char *find, *with; /* NULL: none */
};

struct simulated_tdx {
    struct tally_sim_tdx_spec spec;
    struct tally_tdx_quote quote;
    enum tally_sim_tdx_role ca; /* whose certificate stands over the leaf */
    struct evp_pkey_st *ak, *pck;
    struct simulated_tdx_flip body, qe; /* of header and body; of the QE report */
    struct simulated_tdx_edit tcb_info, qe_identity;
    void (*hook)(struct simulated_tdx *s, enum simulated_tdx_stage stage);
    struct tally_tdx_policy policy;
    struct tally_expect expect;
    bool absent[TALLY_SIM_TDX_FILES]; /* not given to the verifier */
    /* made */
    struct tally_sim_bytes certs[TALLY_SIM_TDX_ROLES];
    struct tally_sim_tdx_blob files[TALLY_SIM_TDX_FILES], pem;
    uint8_t bytes[80 * 1024];
    size_t bytes_n;
    /* what expect points to */
    uint8_t report_data[TALLY_REPORT_DATA_BYTES];
    uint8_t chip[1][TALLY_CHIP_DIGEST_BYTES];
    struct tally_td_measurement td;
};

/* Everything good. */
void simulated_tdx_init(struct simulated_tdx *s);
/* The leaf from the Processor CA, with that CA's list. */
void simulated_tdx_processor(struct simulated_tdx *s);
/* Signs everything as it now is. */
void simulated_tdx_make(struct simulated_tdx *s);
/* Judges what was made. */
TALLY_RESULT simulated_tdx_verify(struct simulated_tdx *s, struct tally_verdict *v);
/* Both. */
TALLY_RESULT simulated_tdx_judge(struct simulated_tdx *s, struct tally_verdict *v);

/* One change and what must come of it: NONE is trusted. */
struct simulated_tdx_case {
    const char *name;
    enum tally_reason reason;
    void (*change)(struct simulated_tdx *s);
};
/* Tables of them are written X(name, reason, change of *s), once for both expansions. */
#define SIM_TDX_CHANGE(name, reason, ...)     \
    static void name(struct simulated_tdx *s) \
    {                                         \
        __VA_ARGS__;                          \
    }
#define SIM_TDX_ROW(name, reason, ...) {#name, TALLY_R_##reason, name},
/* Each case alone, from a good appraisal: exactly this reason, first of all, and never trusted;
 * with a cache as without one. TALLY_EMIT=DIR keeps them as files: DIR/<case>/quote.bin, root.der,
 * expected, and the collateral by its names; the time is SIM_TDX_NOW_S. */
void simulated_tdx_cases(const struct simulated_tdx_case *cases, size_t n);
