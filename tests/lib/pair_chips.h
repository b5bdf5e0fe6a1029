/* pair_chips.h - the pair of pair.h with evidence of simulated chips and the real appraisal. */
#pragma once

#include "tests/lib/pair.h"
#include "tests/lib/simulated.h"

/* A guest on a chip: pair_side.chip. */
struct pair_guest {
    struct tally_sim_chip *chip;
    uint64_t policy;     /* bits beside the usual */
    uint8_t measurement; /* each byte of it: 0x33 the aggregator's, 0x44 the agent's */
};
struct pair_guest *pair_guest(const struct pair_side *side);

/* First line of main(): simulated_setup() and three chips, one for each side and a strange one. */
void pair_chips_setup(void);
struct tally_sim_chip *pair_strange_chip(void);

/* As pair_init; both sides run what the federation lists, where it lists it. */
void pair_chips_init(struct pair *p);
/* How often evidence was looked at. */
extern unsigned pair_chips_appraised;
