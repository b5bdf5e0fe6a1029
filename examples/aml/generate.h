/* generate.h - a whole data set: world, traffic, crimes, and the files that come of it.
 *
 *   DIR/bank-1.csv ...      one table per bank: ts, tx_id, the features, label (0/1)
 *   DIR/schema.json         the "schema" member of a job for these tables
 *   DIR/truth/truth.csv     tx_id, bank, pattern, typology, phase, role, part: one line for each
 *                           illicit row of a table; role: payer, payee or both
 *   DIR/truth/lacking.csv   bank, typology, train_rows, test_rows, lacking (0/1): every pair
 *
 * The same configuration gives the same bytes everywhere. tx_id is the same number in both
 * tables that have the transaction. The truth is for judging models, never for training. */
#pragma once

#include <stdio.h>

#include "examples/aml/features.h"
#include "examples/aml/patterns.h"

enum { TALLY_GENERATE_HELD_OUT_PERMILLE = 300, TALLY_GENERATE_PATH_MAX = 4096 };

struct tally_generate_part {
    size_t rows, positives;
    size_t of[TALLY_TYPOLOGIES]; /* positives by typology */
};
struct tally_generate_bank {
    struct tally_generate_part train, test;
    int64_t cut_s; /* time of the first held-out row: rows from here on are the test part */
};
struct tally_generate_summary {
    size_t transactions; /* without the warm-up */
    struct tally_generate_bank bank[TALLY_WORLD_BANKS_MAX];
    size_t lacking_positives; /* test rows of (bank, typology) pairs without a training row */
};

/* Everything but the files. `w` is freed with tally_world_free, also after a failure. */
TALLY_RESULT tally_generate_world(const struct tally_world_config *c, struct tally_world *w);

/* Counts per bank. TALLY_E_STATE if some table's held-out rows do not begin between the training
 * and the test patterns: the world is too small. */
TALLY_RESULT tally_generate_summarise(const struct tally_world *w,
                                      struct tally_generate_summary *s);

/* Writes all files below `dir`, which is made if missing; files of the same names are replaced. */
TALLY_RESULT tally_generate_write(const struct tally_world *w,
                                  const struct tally_generate_summary *s, const char *dir);

/* One bank's table, and the schema fragment, to an open stream. */
TALLY_RESULT tally_generate_table(const struct tally_world *w, uint32_t bank, FILE *to);
TALLY_RESULT tally_generate_schema(FILE *to);

/* The summary for people, or as one JSON object. */
void tally_generate_print(const struct tally_world *w, const struct tally_generate_summary *s,
                          int json, FILE *to);

static inline int tally_generate_lacking(const struct tally_generate_bank *b, enum tally_typology t)
{
    return b->train.of[t] == 0;
}
