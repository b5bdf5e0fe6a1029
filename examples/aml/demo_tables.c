/* demo_tables.c - what is trained on, and how (demo.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/infer.h"
#include "common/file.h"
#include "examples/aml/demo.h"
#include "examples/aml/generate.h"

enum {
    BATCH_MIN = 32,
    BATCH_MAX = 1024,
    STEPS_MIN = 16, /* of an epoch */
    ROUND_SECONDS = 120,
    CAP_PERMILLE = 400,
    SCHEMA_BYTES_MAX = 1 << 20,
};
#define LEARNING_RATE 0.001

uint32_t tally_demo_batch(uint64_t rows)
{
    uint32_t batch = BATCH_MIN;

    while (batch < BATCH_MAX && (uint64_t)batch * 2 * STEPS_MIN <= rows) batch *= 2;
    return batch;
}

/* Everything but schema and federation. A round does without one bank where there are others. */
static void plan(struct tally_demo *d)
{
    struct tally_job *j = &d->job;
    uint64_t train = d->rows / d->banks_n * (1000 - j->schema.held_out_permille) / 1000;

    (void)snprintf(j->name, sizeof j->name, "%s", d->options.csv != NULL ? "tables" : "aml");
    j->participants_n = d->banks_n;
    for (uint32_t i = 0; i < d->banks_n; i++)
        memcpy(j->participants[i], d->bank[i].name, sizeof j->participants[i]);
    j->cohort_min = d->banks_n > 2 ? d->banks_n - 1 : 2;
    j->share_cap_permille = CAP_PERMILLE;
    j->rounds = (uint32_t)d->options.rounds;
    if (j->rounds == 0)
        j->rounds = d->options.csv != NULL ? TALLY_DEMO_ROUNDS_TABLES : TALLY_DEMO_ROUNDS;
    j->round_seconds = ROUND_SECONDS;
    j->model.kind = TALLY_MODEL_MLP;
    j->model.hidden[0] = 64;
    j->model.hidden[1] = 32;
    j->model.hidden_n = 2;
    j->training.rule = TALLY_TRAINING_FEDAVG;
    j->training.optimizer = TALLY_JOB_ADAM;
    j->training.learning_rate = LEARNING_RATE;
    j->training.batch = tally_demo_batch(train);
    j->training.local_epochs = 1;
    j->training.seed = (uint64_t)d->options.seed;
    j->training.positive_weight = 1;
    j->combine = TALLY_COMBINE_MEAN;
}

/* ---- the generator's ---- */

/* The table of a bank is the world's transactions that it sees, in their order. */
static enum tally_status mark_unknown(const struct tally_world *w,
                                      const struct tally_generate_bank *b, uint32_t bank,
                                      struct tally_demo_place *p)
{
    uint64_t rows = b->train.rows + b->test.rows, r = 0;

    p->unknown = calloc(rows, 1);
    TALLY_ENSURE(p->unknown != NULL, TALLY_E_NOMEM, "%llu rows", (unsigned long long)rows);
    p->unknown_n = rows;
    for (size_t i = 0; i < w->tx_n && r < rows; i++) {
        const struct tally_world_tx *tx = &w->tx[i];
        if (tx->ts < TALLY_WORLD_ROWS_START_S || !tally_world_sees(w, tx, bank)) continue;
        p->unknown[r++] =
            tx->pattern != 0 && tally_generate_lacking(b, (enum tally_typology)tx->typology);
    }
    return TALLY_OK;
}

static enum tally_status read_schema(const char *path, struct tally_schema *out)
{
    uint8_t *bytes = NULL;
    json_t *j = NULL;
    size_t len = 0;

    TALLY_TRY(tally_file_read(path, SCHEMA_BYTES_MAX, &bytes, &len));
    enum tally_status s = tally_json_parse(tally_slice_of(bytes, len), SCHEMA_BYTES_MAX, path, &j);
    free(bytes);
    TALLY_TRY(s);
    struct tally_json_at at = tally_json_root(j);
    s = tally_schema_read(&at, out);
    json_decref(j);
    return s;
}

static enum tally_status fill_made(struct tally_demo *d, const struct tally_world *w,
                                   const struct tally_generate_summary *s, const char *dir)
{
    d->banks_n = w->config.banks;
    for (uint32_t i = 0; i < d->banks_n; i++) {
        struct tally_demo_place *p = &d->bank[i];
        (void)snprintf(p->name, sizeof p->name, "bank-%u", i + 1);
        TALLY_TRY(tally_demo_path(p->table, "%s/%s.csv", dir, p->name));
        TALLY_TRY(mark_unknown(w, &s->bank[i], i, p));
        d->rows += p->unknown_n;
    }
    return TALLY_OK;
}

static enum tally_status make_tables(struct tally_demo *d)
{
    TALLY_CLEANUP(tally_world_free) struct tally_world w = {0};
    struct tally_world_config c = {
        .banks = (uint32_t)d->options.banks, .seed = (uint64_t)d->options.seed, .scale = 1};
    struct tally_generate_summary s;
    char dir[TALLY_DEMO_PATH_MAX], schema[TALLY_DEMO_PATH_MAX];

    TALLY_TRY(tally_demo_path(dir, "%s/tables", d->root));
    TALLY_TRY(tally_demo_path(schema, "%s/schema.json", dir));
    TALLY_TRY(tally_generate_world(&c, &w));
    TALLY_TRY(tally_generate_summarise(&w, &s));
    TALLY_TRY(tally_generate_write(&w, &s, dir));
    TALLY_TRY(fill_made(d, &w, &s, dir));
    TALLY_TRY(read_schema(schema, &d->job.schema));
    tally_generate_print(&w, &s, 0, d->to);
    return TALLY_OK;
}

/* ---- the user's ---- */

static enum tally_status show(const struct tally_inferred *i, FILE *to)
{
    char *text = NULL;

    TALLY_TRY(tally_inferred_show(i, &text));
    (void)fputs(text, to);
    free(text);
    return TALLY_OK;
}

static enum tally_status fill_inferred(struct tally_demo *d, const struct tally_inferred *in)
{
    char *dir = realpath(d->options.csv, NULL);
    enum tally_status s = TALLY_OK;

    TALLY_ENSURE(dir != NULL, TALLY_E_IO, "--csv %s cannot be read", d->options.csv);
    d->banks_n = in->banks_n;
    for (uint32_t i = 0; s == TALLY_OK && i < d->banks_n; i++) {
        struct tally_demo_place *p = &d->bank[i];
        memcpy(p->name, in->banks[i], sizeof p->name);
        s = tally_demo_path(p->table, "%s/%s.csv", dir, p->name);
        d->rows += in->rows[i];
    }
    free(dir);
    TALLY_TRY(s);
    return tally_schema_copy(&in->schema, &d->job.schema);
}

/* Names that this federation uses for something else. */
static enum tally_status check_names(const struct tally_inferred *in)
{
    static const char *const taken[] = {"owner", "logs", "tables", "job.json", "result.json"};

    for (uint32_t i = 0; i < in->banks_n; i++) {
        for (size_t k = 0; k < sizeof taken / sizeof taken[0]; k++)
            TALLY_ENSURE(strcmp(in->banks[i], taken[k]) != 0, TALLY_E_CONFIG,
                         "%s.csv: a bank cannot be called that here; rename the file", taken[k]);
    }
    return TALLY_OK;
}

static enum tally_status infer_tables(struct tally_demo *d)
{
    TALLY_CLEANUP(tally_inferred_free) struct tally_inferred in = {0};
    struct tally_points points;
    const struct tally_demo_options *o = &d->options;
    struct tally_infer_options ask = {
        .label = o->label, .positive = o->positive, .time = o->time, .ignore = o->ignore};

    TALLY_TRY(tally_infer_folder(o->csv, &ask, &points, &in));
    TALLY_ENSURE(in.banks_n >= TALLY_DEMO_BANKS_MIN, TALLY_E_CONFIG,
                 "%s has one table; a federation needs at least %d banks, one CSV file each",
                 o->csv, TALLY_DEMO_BANKS_MIN);
    TALLY_ENSURE(in.banks_n <= TALLY_DEMO_BANKS_MAX, TALLY_E_CONFIG,
                 "%s has %u tables; at most %d banks take part", o->csv, in.banks_n,
                 TALLY_DEMO_BANKS_MAX);
    TALLY_TRY(check_names(&in));
    TALLY_TRY(show(&in, d->to));
    return fill_inferred(d, &in);
}

enum tally_status tally_demo_look(struct tally_demo *d)
{
    return d->options.csv != NULL ? infer_tables(d) : TALLY_OK;
}

enum tally_status tally_demo_tables(struct tally_demo *d)
{
    if (d->options.csv == NULL) TALLY_TRY(make_tables(d));
    for (uint32_t i = 0; i < d->banks_n; i++)
        TALLY_TRY(tally_demo_path(d->bank[i].dir, "%s/%s", d->root, d->bank[i].name));
    TALLY_TRY(tally_demo_path(d->cheat_dir, "%s/%s." TALLY_DEMO_CHEAT, d->root,
                              d->bank[d->banks_n - 1].name));
    TALLY_TRY(tally_demo_path(d->cheat_agent, "%s/tally-agent", d->cheat_dir));
    plan(d);
    return TALLY_OK;
}
