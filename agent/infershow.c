/* infershow.c - tally_inferred_job and tally_inferred_show (infer.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/infer.h"

enum {
    JOB_ROUNDS = 40,
    JOB_ROUND_SECONDS = 600,
    JOB_SHARE_CAP_PERMILLE = 400,
    JOB_BATCH_SMALL = 256,
    JOB_BATCH = 1024,
    JOB_BATCH_ROWS = 50000, /* rows of the mean bank from which the larger batch is taken */
};

enum tally_status tally_inferred_job(const struct tally_inferred *i, struct tally_job *out)
{
    struct tally_job j = {
        .name = "tables",
        .participants_n = i->banks_n,
        .cohort_min = i->banks_n < TALLY_INFER_COHORT ? i->banks_n : TALLY_INFER_COHORT,
        .share_cap_permille = JOB_SHARE_CAP_PERMILLE,
        .rounds = JOB_ROUNDS,
        .round_seconds = JOB_ROUND_SECONDS,
        .model = {.kind = TALLY_MODEL_MLP, .hidden = {64, 32}, .hidden_n = 2},
        .training = { .rule = TALLY_TRAINING_FEDAVG,
                  .optimizer = TALLY_JOB_ADAM,
                  .learning_rate = 0.001,
                  .local_epochs = 1,
                  .seed = 1,
                  .positive_weight = 1},
        .combine = TALLY_COMBINE_MEAN,
    };
    uint64_t rows = 0;

    for (uint32_t k = 0; k < i->banks_n; k++) {
        memcpy(j.participants[k], i->banks[k], sizeof j.participants[k]);
        rows += i->rows[k];
    }
    j.training.batch = rows < (uint64_t)JOB_BATCH_ROWS * i->banks_n ? JOB_BATCH_SMALL : JOB_BATCH;
    TALLY_TRY(tally_schema_copy(&i->schema, &j.schema));
    *out = j;
    return TALLY_OK;
}

static void show_column(FILE *f, const struct tally_infer_column *c)
{
    static const char *const roles[] = {"label",    "time",   "numeric",
                                        "category", "hashed", "ignored"};
    char distinct[24];
    double missing = c->rows > 0 ? 100 * (double)c->missing / (double)c->rows : 0;

    (void)snprintf(distinct, sizeof distinct, "%s%llu", c->distinct_more ? "> " : "",
                   (unsigned long long)c->distinct);
    (void)fprintf(f, "%-28s %-9s %8s %8.2f%%  %-20s", c->name, roles[c->role], distinct, missing,
                  c->example);
    if (c->transform != TALLY_TRANSFORM_NONE)
        (void)fprintf(f, "  %s", tally_transform_words[c->transform]);
    (void)fprintf(f, "%s%s\n", *c->note != '\0' ? "  " : "", c->note);
}

enum tally_status tally_inferred_show(const struct tally_inferred *i, char **text)
{
    char *made = NULL;
    size_t len = 0;
    uint64_t rows = 0;
    FILE *f = open_memstream(&made, &len);

    TALLY_ENSURE(f != NULL, TALLY_E_NOMEM, "the schema's table");
    for (uint32_t k = 0; k < i->banks_n; k++) rows += i->rows[k];
    (void)fprintf(f, "%u tables, %llu rows, %llu with %s = %s\n\n", i->banks_n,
                  (unsigned long long)rows, (unsigned long long)i->positives, i->schema.label,
                  i->schema.positive);
    (void)fprintf(f, "%-28s %-9s %8s %9s  %s\n", "column", "kind", "distinct", "missing",
                  "example");
    for (uint32_t k = 0; k < i->columns_n; k++) show_column(f, &i->columns[k]);
    bool good = ferror(f) == 0;
    if (fclose(f) != 0 || !good) {
        free(made);
        return TALLY_FAIL(TALLY_E_NOMEM, "the schema's table");
    }
    *text = made;
    return TALLY_OK;
}
