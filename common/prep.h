/* prep.h - the frozen preprocessing: from a row as it stands in a table to the features that the
 * model reads. Made once, of round 0's merged moments; it travels in the safetensors metadata, so
 * that a model scores by itself.
 *
 * Features, in the schema's order of columns:
 *   numeric    f(x) standardised: (f(x) - mean) / sd, clipped to +-TALLY_PREP_CLIP; missing: 0, or
 *              f(0) standardised under the rule "zero"; under "own" a second feature, 1 if missing
 *   category   one feature per value (ascending by bytes), 1 if it is the row's; and one, "other",
 *              1 if the value is missing or none of them
 *   hashed     hash_buckets features, 1 at the value's bucket; and "missing"
 * The bucket is SipHash-2-4(key, value) scaled to hash_buckets; the key comes of the job's digest
 * (tally_prep_key), and key id is the start of the key's SHA-256.
 *
 * The values of an open category are the union over the sites of those that at least
 * TALLY_PREP_COUNT_MIN rows and TALLY_PREP_SITES_MIN sites have (one site if only one took part);
 * the most frequent TALLY_PREP_VALUES_MAX if there are more. */
#pragma once

#include "common/moments.h"

enum {
    TALLY_PREP_COUNT_MIN = 20,
    TALLY_PREP_SITES_MIN = 2,
    TALLY_PREP_VALUES_MAX = 1024, /* found in round 0, of one column; listed: TALLY_VALUES_MAX */
    TALLY_FEATURES_MAX = 65536,
    TALLY_PREP_KEY_BYTES = 16,
    TALLY_PREP_KEY_ID_BYTES = 8,
    TALLY_PREP_JSON_MAX = 64 << 20,
    TALLY_FEATURE_NAME_MAX = 2 * TALLY_CELL_TEXT_MAX + 16,
};
#define TALLY_PREP_CLIP 8.0F

/* The prior stays this far from 0 and 1, so that its logit is finite. */
#define TALLY_PREP_PRIOR_MIN 1e-6

struct tally_prep_column {
    char name[TALLY_CELL_TEXT_MAX + 1];
    enum tally_column_kind kind;
    enum tally_missing missing;              /* numeric */
    enum tally_transform transform;          /* numeric */
    double mean, sd;                         /* numeric; sd > 0 (a constant column has 1) */
    char (*values)[TALLY_CELL_TEXT_MAX + 1]; /* category; ascending by bytes */
    uint32_t values_n;
    uint32_t hash_buckets;
    uint32_t first, features; /* its features are first .. first + features - 1 */
};

struct tally_prep {
    uint8_t job[32]; /* digest; the hash key comes of it */
    uint8_t key[TALLY_PREP_KEY_BYTES];
    double prior; /* weighted share of positives */
    struct tally_prep_column *columns;
    uint32_t columns_n;
    uint32_t features; /* of all columns */
};

/* One field of a row. */
struct tally_prep_value {
    bool missing;
    double number;           /* numeric: as in the table, before the transform */
    struct tally_slice text; /* category */
};

/* TALLY_E_CONFIG if there are no rows, the columns differ or the features are too many. */
TALLY_RESULT tally_prep_make(const struct tally_schema *s, const struct tally_moments *merged,
                             const uint8_t job_digest[32], struct tally_prep *out);
void tally_prep_free(struct tally_prep *p); /* idempotent */

/* Sets first and features of the columns, and features; TALLY_E_CONFIG if they are too many. */
TALLY_RESULT tally_prep_lay_out(struct tally_prep *p);

/* The key for hashed categories of a job: 16 bytes of SHA-256("tally/prep-hash/v1" || 00 || job).
 */
void tally_prep_key(const uint8_t job_digest[32], uint8_t key[TALLY_PREP_KEY_BYTES]);
uint32_t tally_prep_bucket(const uint8_t key[TALLY_PREP_KEY_BYTES], struct tally_slice value,
                           uint32_t buckets);

/* Features of one field to out[0 .. c->features). The row form takes columns_n values and gives
 * p->features floats. */
void tally_prep_number(const struct tally_prep_column *c, bool missing, double x, float *out);
/* Which feature of a category's column is 1. */
uint32_t tally_prep_slot(const struct tally_prep *p, const struct tally_prep_column *c,
                         bool missing, struct tally_slice text);
void tally_prep_row(const struct tally_prep *p, const struct tally_prep_value *values, float *out);

/* "amount", "amount missing", "country=DE", "country other", "merchant#17". */
void tally_prep_feature_name(const struct tally_prep *p, uint32_t feature,
                             char out[TALLY_FEATURE_NAME_MAX + 1]);

/* JSON both ways; every double and every byte comes back the same. The caller frees *text with
 * free(), *out with tally_prep_free. Reading is as strict as for a document. */
TALLY_RESULT tally_prep_write(const struct tally_prep *p, char **text);
TALLY_RESULT tally_prep_parse(struct tally_slice text, struct tally_prep *out);
