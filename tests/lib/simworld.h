/* simworld.h - whole simulated chains of each product and signer: what simulated.h makes for one
 * Genoa chip, with every certificate to be changed before it is judged. */
#pragma once

#include "tests/lib/simulated.h"

enum { SIM_MILAN, SIM_GENOA, SIM_TURIN, SIM_LINES };
struct sim_line {
    const char *name;
    uint8_t family, model;
    struct tally_snp_tcb tcb;
};
extern const struct sim_line sim_lines[SIM_LINES];

/* Root, issuer, VEK, CRL and report; good for a day round SIM_NOW_S. */
struct sim_world {
    struct simulated s;
    char ark_cn[32], ask_cn[32];
    struct tally_sim_exts ark_exts, ask_exts, exts;
    struct tally_sim_cert ark, ask, vek;
    struct tally_sim_crl crl;
};
void sim_world(struct sim_world *w, int line);
/* The same under a VLEK, which names the provider "CN=cc.net" in the chip's place. */
void sim_world_vlek(struct sim_world *w, int line);
/* NONE where it passes. An issuer or CRL that w->s.in does not have is left out. */
enum tally_reason sim_world_judge(struct sim_world *w, struct tally_verdict *v);

/* Takes the one extension of that name out; adds INTEGER n, below 128. */
void sim_exts_drop(struct tally_sim_exts *e, const char *oid);
void sim_exts_add_number(struct tally_sim_exts *e, const char *oid, uint8_t n);
