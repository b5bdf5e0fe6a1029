/* job.c - see job.h. */
#include "common/job.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"

static const char *const model_words[] = {"logistic", "mlp"};
static const char *const rule_words[] = {"fedavg", "fedprox"};
static const char *const optimizer_words[] = {"sgd", "momentum", "adam"};
static const char *const combine_words[] = {"mean"};

/* A 32-bit member within its range. */
static TALLY_RESULT read_u32(const struct tally_json_at *at, const char *key, uint64_t min,
                             uint64_t max, uint32_t *out)
{
    struct tally_json_at member = tally_json_member(at, key);
    uint64_t v = 0;

    TALLY_TRY(tally_json_uint(&member, min, max, &v));
    *out = (uint32_t)v;
    return TALLY_OK;
}

/* A decimal or integer member in [min, max], or in (0, max] where min is 0 and `open`. */
static TALLY_RESULT read_decimal(const struct tally_json_at *at, bool open, double min, double max,
                                 double *out)
{
    if (!json_is_number(at->value)) return tally_json_refuse(at, "expected a number");
    double v = json_number_value(at->value);
    if (!(v >= min && v <= max) || (open && !(v > min)))
        return tally_json_refuse(at, "is %g; expected %s%g to %g", v, open ? "above " : "", min,
                                 max);
    *out = v;
    return TALLY_OK;
}

/* One of the words of a member, from 1. */
static TALLY_RESULT read_word(const struct tally_json_at *at, const char *key,
                              const char *const *words, size_t n, unsigned *out)
{
    struct tally_json_at member = tally_json_member(at, key);
    size_t which = 0;

    TALLY_TRY(tally_json_choice(&member, words, n, &which));
    *out = (unsigned)which + 1;
    return TALLY_OK;
}

bool tally_job_has(const struct tally_job *j, const char *org)
{
    for (uint32_t i = 0; i < j->participants_n; i++)
        if (strcmp(j->participants[i], org) == 0) return true;
    return false;
}

static TALLY_RESULT read_participants(const struct tally_json_at *at, struct tally_job *j)
{
    size_t n = 0;

    TALLY_TRY(tally_json_array(at, 1, TALLY_PARTIES_MAX, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(at, i);
        char name[TALLY_NAME_MAX + 1];
        TALLY_TRY(tally_json_name(&item, name));
        if (tally_job_has(j, name)) return tally_json_refuse(&item, "names \"%s\" again", name);
        memcpy(j->participants[j->participants_n++], name, sizeof name);
    }
    return TALLY_OK;
}

static TALLY_RESULT read_model(const struct tally_json_at *at, struct tally_job *j)
{
    unsigned kind = 0;
    size_t n = 0;

    TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("kind", "hidden?")));
    TALLY_TRY(read_word(at, "kind", model_words, 2, &kind));
    struct tally_json_at hidden = tally_json_member(at, "hidden");
    j->model.kind = (enum tally_model_kind)kind;
    if (j->model.kind == TALLY_MODEL_LOGISTIC) {
        if (hidden.value != NULL) TALLY_TRY(tally_json_array(&hidden, 0, 0, &n));
        return TALLY_OK;
    }
    TALLY_TRY(tally_json_array(&hidden, 1, TALLY_JOB_LAYERS_MAX, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(&hidden, i);
        uint64_t width = 0;
        TALLY_TRY(tally_json_uint(&item, 1, TALLY_JOB_WIDTH_MAX, &width));
        j->model.hidden[j->model.hidden_n++] = (uint32_t)width;
    }
    return TALLY_OK;
}

static TALLY_RESULT read_prox(const struct tally_json_at *at, struct tally_job *j)
{
    struct tally_json_at mu = tally_json_member(at, "prox_mu");

    if (j->training.rule == TALLY_TRAINING_FEDPROX) {
        if (mu.value == NULL)
            return tally_json_refuse(&mu, "is missing; rule \"fedprox\" needs it");
        return read_decimal(&mu, false, 0, TALLY_JOB_PROX_MU_MAX, &j->training.prox_mu);
    }
    if (mu.value != NULL) return tally_json_refuse(&mu, "expected with rule \"fedprox\" alone");
    return TALLY_OK;
}

static TALLY_RESULT read_training(const struct tally_json_at *at, struct tally_job *j)
{
    unsigned rule = 0, optimizer = 0;

    TALLY_TRY(
        tally_json_keys(at, TALLY_JSON_KEYS("rule", "prox_mu?", "optimizer", "learning_rate",
                                            "batch", "local_epochs", "seed", "positive_weight?")));
    TALLY_TRY(read_word(at, "rule", rule_words, 2, &rule));
    TALLY_TRY(read_word(at, "optimizer", optimizer_words, 3, &optimizer));
    j->training.rule = (enum tally_training_rule)rule;
    j->training.optimizer = (enum tally_job_optimizer)optimizer;
    TALLY_TRY(read_prox(at, j));
    struct tally_json_at learning_rate = tally_json_member(at, "learning_rate");
    TALLY_TRY(read_decimal(&learning_rate, true, 0, TALLY_JOB_LEARNING_RATE_MAX,
                           &j->training.learning_rate));
    TALLY_TRY(read_u32(at, "batch", 1, TALLY_JOB_BATCH_MAX, &j->training.batch));
    TALLY_TRY(read_u32(at, "local_epochs", 1, TALLY_JOB_EPOCHS_MAX, &j->training.local_epochs));
    struct tally_json_at seed = tally_json_member(at, "seed");
    TALLY_TRY(tally_json_uint(&seed, 0, INT64_MAX, &j->training.seed));
    struct tally_json_at positive = tally_json_member(at, "positive_weight");
    j->training.positive_weight = 1;
    if (positive.value == NULL) return TALLY_OK;
    return read_decimal(&positive, false, 1 / TALLY_JOB_POSITIVE_WEIGHT_MAX,
                        TALLY_JOB_POSITIVE_WEIGHT_MAX, &j->training.positive_weight);
}

static TALLY_RESULT read_terms(const struct tally_json_at *at, struct tally_job *j)
{
    struct tally_json_at name = tally_json_member(at, "name");
    struct tally_json_at federation = tally_json_member(at, "federation");
    struct tally_json_at issued = tally_json_member(at, "issued");
    struct tally_json_at expires = tally_json_member(at, "expires");
    struct tally_json_at participants = tally_json_member(at, "participants");

    TALLY_TRY(tally_json_name(&name, j->name));
    TALLY_TRY(tally_json_hex(&federation, j->federation, sizeof j->federation));
    TALLY_TRY(read_u32(at, "federation_version", 1, INT32_MAX, &j->federation_version));
    TALLY_TRY(tally_json_uint(&issued, 0, INT64_MAX, &j->issued_s));
    TALLY_TRY(tally_json_uint(&expires, 0, INT64_MAX, &j->expires_s));
    if (j->expires_s <= j->issued_s) return tally_json_refuse(&expires, "expected after issued");
    TALLY_TRY(read_participants(&participants, j));
    TALLY_TRY(read_u32(at, "cohort_min", 1, j->participants_n, &j->cohort_min));
    TALLY_TRY(read_u32(at, "share_cap_permille", 1, 1000, &j->share_cap_permille));
    TALLY_TRY(read_u32(at, "rounds", 1, TALLY_JOB_ROUNDS_MAX, &j->rounds));
    return read_u32(at, "round_seconds", 1, TALLY_JOB_ROUND_SECONDS_MAX, &j->round_seconds);
}

static TALLY_RESULT read_all(const struct tally_json_at *at, struct tally_job *j)
{
    unsigned combine = 0;

    TALLY_TRY(tally_json_keys(
        at, TALLY_JSON_KEYS("type", "name", "federation", "federation_version", "issued", "expires",
                            "participants", "cohort_min", "share_cap_permille", "rounds",
                            "round_seconds", "schema", "model", "training", "combine")));
    struct tally_json_at type = tally_json_member(at, "type");
    struct tally_json_at schema = tally_json_member(at, "schema");
    struct tally_json_at model = tally_json_member(at, "model");
    struct tally_json_at training = tally_json_member(at, "training");
    struct tally_json_at combine_at = tally_json_member(at, "combine");
    TALLY_TRY(tally_json_exact(&type, "job"));
    TALLY_TRY(read_terms(at, j));
    TALLY_TRY(tally_schema_read(&schema, &j->schema));
    TALLY_TRY(read_model(&model, j));
    TALLY_TRY(read_training(&training, j));
    TALLY_TRY(tally_json_keys(&combine_at, TALLY_JSON_KEYS("rule")));
    TALLY_TRY(read_word(&combine_at, "rule", combine_words, 1, &combine));
    j->combine = (enum tally_combine_rule)combine;
    return TALLY_OK;
}

enum tally_status tally_job_parse(struct tally_slice payload, struct tally_job *out)
{
    TALLY_CLEANUP(tally_json_free) json_t *document = NULL;
    TALLY_CLEANUP(tally_job_free) struct tally_job j = {0};

    TALLY_TRY(tally_json_parse(payload, TALLY_JOB_BYTES_MAX, "job", &document));
    struct tally_json_at root = tally_json_root(document);
    TALLY_TRY(read_all(&root, &j));
    TALLY_SHA256_OF(j.digest, payload);
    *out = j;
    j.schema = (struct tally_schema){0};
    return TALLY_OK;
}

void tally_job_free(struct tally_job *j)
{
    tally_schema_free(&j->schema);
    *j = (struct tally_job){0};
}

/* The shortest decimal that reads back as v. */
static void put_decimal(FILE *f, const char *key, double v)
{
    char text[32];

    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
        double back = strtod(text, NULL);
        if (!(back < v) && !(back > v)) break;
    }
    (void)fprintf(f, "\"%s\": %s", key, text);
}

/* A value on one line. */
static bool put_json(FILE *f, const json_t *j)
{
    return j != NULL && json_dumpf(j, f, JSON_PRESERVE_ORDER | JSON_ENCODE_ANY) == 0;
}

/* The schema with a line for each member and each column, as people edit it. */
static bool put_schema(FILE *f, const struct tally_schema *s)
{
    TALLY_CLEANUP(tally_json_free) json_t *j = tally_schema_json(s);
    const char *key = NULL;
    json_t *value = NULL;
    bool good = j != NULL, first = true;

    (void)fputs("  \"schema\": {", f);
    json_object_foreach(j, key, value)
    {
        if (strcmp(key, "columns") == 0) continue;
        (void)fprintf(f, "%s\n    \"%s\": ", first ? "" : ",", key);
        good = put_json(f, value) && good;
        first = false;
    }
    (void)fputs(",\n    \"columns\": [", f);
    const json_t *columns = json_object_get(j, "columns");
    for (size_t i = 0; i < json_array_size(columns); i++) {
        (void)fputs(i > 0 ? ",\n      " : "\n      ", f);
        good = put_json(f, json_array_get(columns, i)) && good;
    }
    (void)fputs("\n    ]\n  },\n", f);
    return good;
}

static void put_terms(FILE *f, const struct tally_job *j)
{
    char federation[65];

    tally_hex(tally_slice_of(j->federation, sizeof j->federation), federation);
    (void)fprintf(f, "{\n  \"type\": \"job\",\n  \"name\": \"%s\",\n", j->name);
    (void)fprintf(f, "  \"federation\": \"%s\",\n  \"federation_version\": %u,\n", federation,
                  j->federation_version);
    (void)fprintf(f, "  \"issued\": %llu,\n  \"expires\": %llu,\n  \"participants\": [",
                  (unsigned long long)j->issued_s, (unsigned long long)j->expires_s);
    for (uint32_t i = 0; i < j->participants_n; i++)
        (void)fprintf(f, "%s\"%s\"", i > 0 ? ", " : "", j->participants[i]);
    (void)fprintf(f, "],\n  \"cohort_min\": %u,\n  \"share_cap_permille\": %u,\n", j->cohort_min,
                  j->share_cap_permille);
    (void)fprintf(f, "  \"rounds\": %u,\n  \"round_seconds\": %u,\n", j->rounds, j->round_seconds);
}

static void put_learning(FILE *f, const struct tally_job *j)
{
    (void)fprintf(f, "  \"model\": {\"kind\": \"%s\"", model_words[j->model.kind - 1]);
    for (uint32_t i = 0; i < j->model.hidden_n; i++)
        (void)fprintf(f, "%s%u", i > 0 ? ", " : ", \"hidden\": [", j->model.hidden[i]);
    (void)fprintf(f, "%s},\n  \"training\": {\n    \"rule\": \"%s\",\n    ",
                  j->model.hidden_n > 0 ? "]" : "", rule_words[j->training.rule - 1]);
    if (j->training.rule == TALLY_TRAINING_FEDPROX) {
        put_decimal(f, "prox_mu", j->training.prox_mu);
        (void)fputs(",\n    ", f);
    }
    (void)fprintf(f, "\"optimizer\": \"%s\",\n    ", optimizer_words[j->training.optimizer - 1]);
    put_decimal(f, "learning_rate", j->training.learning_rate);
    (void)fprintf(f, ",\n    \"batch\": %u,\n    \"local_epochs\": %u,\n    \"seed\": %llu,\n    ",
                  j->training.batch, j->training.local_epochs,
                  (unsigned long long)j->training.seed);
    put_decimal(f, "positive_weight", j->training.positive_weight);
    (void)fprintf(f, "\n  },\n  \"combine\": {\"rule\": \"%s\"}\n}\n",
                  combine_words[j->combine - 1]);
}

enum tally_status tally_job_write(const struct tally_job *j, char **text)
{
    char *made = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&made, &len);

    TALLY_ENSURE(f != NULL, TALLY_E_NOMEM, "the job's text");
    put_terms(f, j);
    bool good = put_schema(f, &j->schema);
    put_learning(f, j);
    good = ferror(f) == 0 && good;
    if (fclose(f) != 0 || !good) {
        free(made);
        return TALLY_FAIL(TALLY_E_NOMEM, "the job's text");
    }
    *text = made;
    return TALLY_OK;
}
