/* dataset.h - a bank's table in memory, by the job's schema: columns of doubles and of codes,
 * labels, weights, and which rows are held out. Everything here stays at the bank; what leaves is
 * made of it by tally_dataset_moments and by training.
 *
 * Held out, by time: the rows at or after one cut time, the smallest such that about `permille`
 * of the rows are (all rows of the cut's own time are). By hash: the rows whose SipHash-2-4 of the
 * row's bytes, keyed with a key that comes of the job's digest, falls below permille; so the split
 * does not depend on the order of the rows, and equal rows lie on one side. */
#pragma once

#include "agent/points.h"
#include "common/csv.h"
#include "common/prep.h"
#include "common/table.h"

enum {
    TALLY_DICTIONARY_MAX = 1 << 20, /* distinct values of a category column */
};
#define TALLY_DATASET_ROWS_MAX (UINT64_C(1) << 29)

enum tally_half { TALLY_HALF_TRAIN, TALLY_HALF_HELD_OUT, TALLY_HALF_ALL };

struct tally_dictionary; /* distinct texts, numbered from 1 */

struct tally_series {
    double *number; /* (rows) numeric; NaN: missing */
    uint32_t *code; /* (rows) category; 0: missing; hashed: 1 + bucket; else its dictionary's */
    struct tally_dictionary *dictionary; /* category that is not hashed */
};

struct tally_dataset {
    uint64_t rows, held_rows;
    uint64_t positives, held_positives; /* of all rows; of the held-out ones */
    uint64_t skipped;                   /* rows that did not fit, where the job says skip */
    double cut_s;                       /* by time: the cut; else NaN */
    struct tally_series *series;        /* one per column of the schema */
    uint32_t series_n;
    uint8_t *label;    /* (rows) 0 or 1 */
    uint8_t *held_out; /* (rows) 0 or 1 */
    double *weight;    /* (rows), NULL: all 1 */
    double *time_s;    /* (rows), NULL: the schema names no time */
    uint8_t job[32];
};

/* Reads the table at `path`. What does not fit is collected in *points (cleared first), each with
 * file, line, column and value where there is one: columns missing or unknown, bad rows (up to the
 * list's room), no rows to train on; also notes, such as rows skipped. TALLY_E_CONFIG if any is an
 * obstacle, with the first one as the reason. The caller frees *out. */
TALLY_RESULT tally_dataset_load(const char *path, const struct tally_schema *s,
                                const uint8_t job_digest[32], struct tally_points *points,
                                struct tally_dataset *out);
/* The same from an open reader, which it reads to the end. */
TALLY_RESULT tally_dataset_read(struct tally_csv *csv, const struct tally_schema *s,
                                const uint8_t job_digest[32], struct tally_points *points,
                                struct tally_dataset *out);
void tally_dataset_free(struct tally_dataset *d); /* idempotent */

/* Payload of round 0: over the training rows. The caller frees *out. */
TALLY_RESULT tally_dataset_moments(const struct tally_dataset *d, const struct tally_schema *s,
                                   struct tally_moments *out);

/* The rows of one half as the model reads them, in the table's order. `p` must be of the same job
 * and schema. The caller frees *out with tally_table_free. */
TALLY_RESULT tally_dataset_design(const struct tally_dataset *d, const struct tally_prep *p,
                                  enum tally_half half, struct tally_table *out);
