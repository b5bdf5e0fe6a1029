/* schema.h - job.schema (DOCUMENTS.md): what every bank's table must hold and how it is read.
 * One decoded value without pointers into JSON. A column plays exactly one role: label, time,
 * weight, feature, or ignored. */
#pragma once

#include "common/cell.h"
#include "common/jsonread.h"

enum {
    TALLY_COLUMNS_MAX = 1024, /* features of a schema */
    TALLY_IGNORE_MAX = 1024,
    TALLY_VALUES_MAX = 4096, /* listed values of a column */
    TALLY_HASH_BUCKETS_MIN = 2,
    TALLY_HASH_BUCKETS_MAX = 65536,
    TALLY_HELD_OUT_PERMILLE_MAX = 900,
};

enum tally_column_kind { TALLY_COLUMN_NUMERIC = 1, TALLY_COLUMN_CATEGORY };

/* A number that is missing. MEAN: the column's mean stands for it. ZERO: the value 0 does, before
 * the transform, and counts in the mean. OWN: the mean, and a feature of its own that is 1 where
 * the value is missing. A category that is missing has the column's "other" feature. */
enum tally_missing { TALLY_MISSING_MEAN = 1, TALLY_MISSING_ZERO, TALLY_MISSING_OWN };

/* LOG1P is sign(x) log(1 + |x|), so that refunds and debts have a value too. */
enum tally_transform { TALLY_TRANSFORM_NONE, TALLY_TRANSFORM_LOG1P, TALLY_TRANSFORM_ASINH };

enum tally_held_out { TALLY_HELD_OUT_TIME = 1, TALLY_HELD_OUT_HASH };
enum tally_bad_rows { TALLY_BAD_ROWS_REFUSE = 1, TALLY_BAD_ROWS_SKIP };

/* A category has listed values, or hash_buckets, or neither: then round 0 finds its values. */
struct tally_column {
    char name[TALLY_CELL_TEXT_MAX + 1];
    enum tally_column_kind kind;
    enum tally_missing missing;     /* numeric */
    enum tally_transform transform; /* numeric */
    char (*values)[TALLY_CELL_TEXT_MAX + 1];
    uint32_t values_n;
    uint32_t hash_buckets; /* 0: not hashed */
};

struct tally_schema {
    char label[TALLY_CELL_TEXT_MAX + 1], positive[TALLY_CELL_TEXT_MAX + 1];
    char time[TALLY_CELL_TEXT_MAX + 1], weight[TALLY_CELL_TEXT_MAX + 1]; /* "": none */
    char (*ignore)[TALLY_CELL_TEXT_MAX + 1];
    uint32_t ignore_n;
    enum tally_held_out held_out_by;
    uint32_t held_out_permille;
    enum tally_bad_rows bad_rows;
    struct tally_column *columns;
    uint32_t columns_n;
};

/* Reads and checks the value at `at`; refusals say where and what was expected
 * ("schema.columns[3].hash_buckets: is 1; expected 2 to 65536"). The caller frees *out. */
TALLY_RESULT tally_schema_read(const struct tally_json_at *at, struct tally_schema *out);
void tally_schema_free(struct tally_schema *s); /* idempotent */

/* The schema as a fresh JSON object that tally_schema_read reads back equal; NULL: out of memory.
 */
json_t *tally_schema_json(const struct tally_schema *s);

/* A deep copy. */
TALLY_RESULT tally_schema_copy(const struct tally_schema *from, struct tally_schema *out);

/* The document's words: missing and kind by enum value less one, transform by value ("none" stands
 * in no job: there the key is absent). */
enum { TALLY_MISSING_RULES = 3, TALLY_TRANSFORMS = 3, TALLY_COLUMN_KINDS = 2 };
extern const char *const tally_missing_words[TALLY_MISSING_RULES];
extern const char *const tally_transform_words[TALLY_TRANSFORMS];
extern const char *const tally_kind_words[TALLY_COLUMN_KINDS];

/* f(x) for a finite x; finite. */
double tally_transform(enum tally_transform t, double x);
