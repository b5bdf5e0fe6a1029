/* study.h - what one column looks like over all tables, gathered value by value (infer.h). */
#pragma once

#include "common/csv.h"

enum {
    TALLY_STUDY_DISTINCT_MAX = 1000,  /* texts counted over all tables */
    TALLY_STUDY_UNIQUE_MAX = 1 << 16, /* values of one table compared with each other */
    TALLY_STUDY_SPELLINGS_MAX = 16,   /* values told apart by their meaning, with counts */
    TALLY_STUDY_EXAMPLE_MAX = 40,
};

/* A growing set of 64-bit fingerprints. */
struct tally_study_set {
    uint64_t *slots;
    uint32_t slots_n, size;
};

struct tally_study_value {
    char text[TALLY_CELL_TEXT_MAX + 1];
    uint64_t rows;
};

struct tally_study {
    uint64_t rows, missing;
    bool numbers, fractions, whole, times, texts_ok; /* of every value so far */
    bool repeats;                                    /* some table has a value twice */
    bool rising;                                     /* each value above the one before it */
    double min, max, abs_sum, last;
    enum tally_mark mark;                                       /* of the table at hand */
    struct tally_study_set distinct;                            /* by spelling, over all tables */
    struct tally_study_set unique;                              /* of the table at hand */
    struct tally_study_value values[TALLY_STUDY_SPELLINGS_MAX]; /* by meaning: 1 is 1.0 */
    uint32_t values_n;                                          /* one above the room: more */
    char example[TALLY_STUDY_EXAMPLE_MAX];
};

void tally_study_init(struct tally_study *s);
void tally_study_free(struct tally_study *s); /* idempotent */

/* A table begins. */
void tally_study_table(struct tally_study *s, char separator);
TALLY_RESULT tally_study_add(struct tally_study *s, struct tally_slice field);

/* Every value that is there is a number. */
bool tally_study_numeric(const struct tally_study *s);
/* More different spellings than different values: 1 and 1.0. */
bool tally_study_spelt_variously(const struct tally_study *s);
/* Whole numbers that only number the rows. */
bool tally_study_row_number(const struct tally_study *s);
