/* infer.h - a schema from the banks' tables themselves, looked at together: what `--csv` needs.
 *
 * A column is numeric if all its values are numbers and it has fractions, or more than
 * TALLY_INFER_CATEGORY_MAX distinct ones, or numbers spelt in several ways; else a category (more
 * than TALLY_INFER_VALUES_MAX distinct texts: hashed to TALLY_INFER_BUCKETS). Left out with a note:
 * columns that are constant, that number the rows, that hold another text in every row, and times
 * that --time does not name. Money-like columns (largest magnitude above TALLY_INFER_SKEW times the
 * mean one) get log1p. Missing values get a feature of their own. */
#pragma once

#include "agent/points.h"
#include "common/job.h"

enum {
    TALLY_INFER_FILES_MAX = TALLY_PARTIES_MAX,
    TALLY_INFER_CATEGORY_MAX = 12,
    TALLY_INFER_VALUES_MAX = 1000,
    TALLY_INFER_BUCKETS = 64,
    TALLY_INFER_SKEW = 10,
    TALLY_INFER_COHORT = 3,
};

struct tally_infer_options {
    const char *label;
    const char *positive;      /* NULL: "1" if it is one of two values, else the rarer one */
    const char *time;          /* NULL: held out by hash */
    const char *const *ignore; /* NULL-terminated; NULL: none */
};

enum tally_infer_role {
    TALLY_INFER_LABEL,
    TALLY_INFER_TIME,
    TALLY_INFER_NUMERIC,
    TALLY_INFER_CATEGORY,
    TALLY_INFER_HASHED,
    TALLY_INFER_IGNORED,
};

/* A column as people are shown it. */
struct tally_infer_column {
    char name[TALLY_CELL_TEXT_MAX + 1];
    enum tally_infer_role role;
    uint64_t rows, missing, distinct;
    bool distinct_more; /* there are more than `distinct` */
    char example[40];
    char note[80]; /* why ignored; "" if none */
    enum tally_transform transform;
};

struct tally_inferred {
    char banks[TALLY_INFER_FILES_MAX][TALLY_NAME_MAX + 1]; /* sorted; the files' names */
    uint64_t rows[TALLY_INFER_FILES_MAX];
    uint32_t banks_n;
    struct tally_infer_column *columns; /* in the order of the first file */
    uint32_t columns_n;
    struct tally_schema schema;
    uint64_t positives; /* over all files */
};

/* Reads every *.csv of `folder`. TALLY_E_CONFIG with everything found in *points (cleared first):
 * no tables, names that are no names, columns that some tables lack, a label with one value or with
 * many and no --positive. The caller frees *out. */
TALLY_RESULT tally_infer_folder(const char *folder, const struct tally_infer_options *o,
                                struct tally_points *points, struct tally_inferred *out);
void tally_inferred_free(struct tally_inferred *i); /* idempotent */

/* A job over these banks with settings to start from: everything but federation, federation
 * version, issued and expires. The caller frees *out. */
TALLY_RESULT tally_inferred_job(const struct tally_inferred *i, struct tally_job *out);

/* The table for people: column, kind, distinct values, missing, example, note. The caller frees
 * *text with free(). */
TALLY_RESULT tally_inferred_show(const struct tally_inferred *i, char **text);
