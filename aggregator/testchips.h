/* testchips.h - a test federation's simulated hardware, as its owner makes and issues it:
 * <dir>/test-root.key, the owner's own chip in <dir>/chip, and <dir>/chips/<org>.<node>.chip for
 * each node of the others. Chip files are secret; whoever has one is that machine. */
#pragma once

#include "common/attest/trust.h"
#include "common/nodekeys.h"

struct tally_testchip {
    char digest[2 * TALLY_CHIP_DIGEST_BYTES + 1]; /* hex, as a document lists it */
    uint8_t root[2048];                           /* DER of the root that vouches for it */
    size_t root_len;
    char path[TALLY_KEY_PATH_MAX];
};

/* The root (seconds of work) and the owner's own chip. */
TALLY_RESULT tally_testchips_found(const char *dir, uint64_t now_s, struct tally_testchip *out);

/* The chip of org/node: issued now, or as it was issued before. */
TALLY_RESULT tally_testchips_issue(const char *dir, const char *org, const char *node,
                                   uint64_t now_s, struct tally_testchip *out);
