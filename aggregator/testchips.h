/* testchips.h - a test federation's simulated hardware, as its owner makes and issues it:
 * <dir>/test-root.key (SNP), <dir>/test-root-tdx.key once there is a TDX machine, the owner's own
 * chip in <dir>/chip, and <dir>/chips/<org>.<node>.chip for each node of the others. Chip files are
 * secret; whoever has one is that machine. */
#pragma once

#include "common/attest/evidence.h"
#include "common/attest/trust.h"
#include "common/nodekeys.h"

/* DER, as a document holds it. */
struct tally_testroot {
    uint8_t at[2048];
    size_t len;
};

struct tally_testchip {
    enum tally_evidence_kind tee;
    char digest[2 * TALLY_CHIP_DIGEST_BYTES + 1]; /* hex, as a document lists it */
    struct tally_testroot root;                   /* that vouches for it */
    char path[TALLY_KEY_PATH_MAX];
};

/* SNP's root (seconds of work), which every test document has. TALLY_E_IO if there is one. */
TALLY_RESULT tally_testchips_found(const char *dir, uint64_t now_s, struct tally_testroot *snp);

/* TDX's root: made now, or as it was made before. */
TALLY_RESULT tally_testchips_tdx_root(const char *dir, uint64_t now_s, struct tally_testroot *tdx);

/* The owner's own chip. */
TALLY_RESULT tally_testchips_own(const char *dir, enum tally_evidence_kind tee, uint64_t now_s,
                                 struct tally_testchip *out);

/* The chip of org/node: issued now, or as it was issued before; TALLY_E_STATE where that is one of
 * another kind. */
TALLY_RESULT tally_testchips_issue(const char *dir, const char *org, const char *node,
                                   enum tally_evidence_kind tee, uint64_t now_s,
                                   struct tally_testchip *out);
