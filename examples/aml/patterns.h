/* patterns.h - the crimes: eight typologies of laundering and fraud, each across banks.
 *
 * In the training part a bank meets only two or three of the eight (with two banks: four); in
 * the test part it meets all, by one row at least. A training pattern's members are customers of
 * banks that know the typology and of institutions outside the federation, so no other bank has a
 * row of it. A pair (bank, typology) absent from training is *lacking*. No pattern has legs on both
 * sides of the gap between the parts; so the two slow typologies are as long as the test part
 * allows: gather-scatter 9 to 22 days, a compromised merchant 18 to 24. */
#pragma once

#include "examples/aml/shapes.h"

/* Does `bank` meet typology t in training? Depends on the number of banks alone, and every
 * typology is met by at least one bank. */
int tally_patterns_present(uint32_t banks, uint32_t bank, enum tally_typology t);

/* Adds patterns until about TALLY_PATTERNS_PREVALENCE of every part's rows are illicit, evenly
 * over the typologies. Traffic and look-alikes are added before: they set the number of rows. */
#define TALLY_PATTERNS_PREVALENCE 0.0047
TALLY_RESULT tally_patterns_add(struct tally_world *w);

/* First and last second (exclusive) of the patterns of the training and the test part. */
int64_t tally_patterns_start_s(int test);
int64_t tally_patterns_end_s(int test);
