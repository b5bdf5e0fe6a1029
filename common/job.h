/* job.h - the job document (DOCUMENTS.md): what the banks agree to train. One decoded value,
 * every number within its range; decimals only among the learning settings. The quorum is the
 * federation's, not here. */
#pragma once

#include "common/federation.h"
#include "common/schema.h"

enum {
    TALLY_JOB_BYTES_MAX = 1 << 20,
    TALLY_JOB_ROUNDS_MAX = 10000,
    TALLY_JOB_ROUND_SECONDS_MAX = 7 * 86400,
    TALLY_JOB_LAYERS_MAX = 8,
    TALLY_JOB_WIDTH_MAX = 4096,
    TALLY_JOB_BATCH_MAX = 1 << 16,
    TALLY_JOB_EPOCHS_MAX = 100,
};

/* Bounds of the decimals. */
#define TALLY_JOB_LEARNING_RATE_MAX   10.0 /* above 0 */
#define TALLY_JOB_PROX_MU_MAX         10.0 /* from 0 */
#define TALLY_JOB_POSITIVE_WEIGHT_MAX 1e4  /* from 1 / this */

enum tally_model_kind { TALLY_MODEL_LOGISTIC = 1, TALLY_MODEL_MLP };
enum tally_training_rule { TALLY_TRAINING_FEDAVG = 1, TALLY_TRAINING_FEDPROX };
enum tally_job_optimizer { TALLY_JOB_SGD = 1, TALLY_JOB_MOMENTUM, TALLY_JOB_ADAM };
enum tally_combine_rule { TALLY_COMBINE_MEAN = 1 };

struct tally_job {
    char name[TALLY_NAME_MAX + 1];
    uint8_t digest[32]; /* SHA-256 of the payload as signed; names the job */
    uint8_t federation[32];
    uint32_t federation_version;
    uint64_t issued_s, expires_s;
    char participants[TALLY_PARTIES_MAX][TALLY_NAME_MAX + 1]; /* unique, in the document's order */
    uint32_t participants_n;
    uint32_t cohort_min; /* organisations whose updates a round needs: 1 to participants_n */
    uint32_t share_cap_permille; /* 1 to 1000 */
    uint32_t rounds, round_seconds;
    struct tally_schema schema;
    struct {
        enum tally_model_kind kind;
        uint32_t hidden[TALLY_JOB_LAYERS_MAX];
        uint32_t hidden_n; /* 0 for logistic */
    } model;
    struct {
        enum tally_training_rule rule;
        double prox_mu; /* 0 unless FEDPROX */
        enum tally_job_optimizer optimizer;
        double learning_rate;
        uint32_t batch, local_epochs;
        uint64_t seed;
        double positive_weight; /* 1 where the document has none */
    } training;
    enum tally_combine_rule combine;
};

/* Payload bytes to a job. TALLY_E_CONFIG with the path and what was expected, TALLY_E_LIMIT if
 * longer than TALLY_JOB_BYTES_MAX. The caller frees *out. */
TALLY_RESULT tally_job_parse(struct tally_slice payload, struct tally_job *out);
void tally_job_free(struct tally_job *j); /* idempotent */

/* The job as indented JSON text for people to read and edit; tally_job_parse reads it back equal
 * but for the digest. The caller frees *text with free(). */
TALLY_RESULT tally_job_write(const struct tally_job *j, char **text);

/* Is this organisation one of the participants? */
bool tally_job_has(const struct tally_job *j, const char *org);
