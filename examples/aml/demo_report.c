/* demo_report.c - see demo_report.h. */
#include "examples/aml/demo_report.h"

#include <math.h>
#include <string.h>

enum { NAME_COLUMNS = 14 };

void tally_demo_outcome_free(struct tally_demo_outcome *o)
{
    json_decref(o->status);
    o->status = NULL;
}

static const char *text_of(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s != NULL ? s : "";
}

static const json_t *history_of(const json_t *status)
{
    return json_object_get(json_array_get(json_object_get(status, "jobs"), 0), "history");
}

/* ---- JSON ---- */

static json_t *scores_json(const struct tally_demo_scores *s)
{
    if (isnan(s->auc_pr)) return json_null();
    return json_pack("{s:f, s:f, s:f}", "auc_pr", s->auc_pr, "roc_auc", s->roc_auc,
                     "recall_at_1pct_fpr", s->recall);
}

static json_t *models_json(const struct tally_demo_scores of[TALLY_DEMO_MODELS])
{
    json_t *j = json_object();

    for (uint32_t m = 0; m < TALLY_DEMO_MODELS; m++)
        (void)json_object_set_new(j, tally_demo_model_names[m], scores_json(&of[m]));
    return j;
}

static json_t *banks_json(const struct tally_demo *d, const struct tally_demo_judgement *g)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < g->banks_n; i++) {
        const struct tally_demo_bank *b = &g->bank[i];
        json_t *bank = json_pack("{s:s, s:{s:I, s:I, s:I}}", "name", d->bank[i].name, "rows",
                                 "train", (json_int_t)b->train, "test", (json_int_t)b->test,
                                 "test_positives", (json_int_t)b->test_positives);
        json_t *models = models_json(b->of);
        (void)json_object_update(bank, models);
        json_decref(models);
        (void)json_array_append_new(list, bank);
    }
    return list;
}

static json_t *lacking_json(const struct tally_demo_lacking *l)
{
    if (l->positives == 0) return json_null();
    json_t *j = json_pack("{s:I}", "positives", (json_int_t)l->positives);
    for (uint32_t m = 0; m < TALLY_DEMO_MODELS; m++)
        (void)json_object_set_new(j, tally_demo_model_names[m], json_real(l->recall[m]));
    return j;
}

static json_t *refused_json(const json_t *status)
{
    const json_t *nodes = json_object_get(status, "nodes"), *node;
    json_t *list = json_array();
    size_t i;

    json_array_foreach(nodes, i, node)
    {
        const char *agent = text_of(node, "agent"), *reason = text_of(node, "reason");
        if (*reason == '\0') continue;
        (void)json_array_append_new(list, json_pack("{s:s, s:s%, s:s, s:s}", "agent", agent, "bank",
                                                    agent, strcspn(agent, "/"), "reason", reason,
                                                    "why", text_of(node, "why")));
    }
    return list;
}

static json_t *rounds_json(const json_t *status)
{
    static const char *const keys[] = {"round", "accepted", "excluded", "seconds"};
    const json_t *history = history_of(status), *round;
    json_t *list = json_array();
    size_t i;

    json_array_foreach(history, i, round)
    {
        json_t *j = json_object();
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
            (void)json_object_set(j, keys[k], json_object_get(round, keys[k]));
        (void)json_array_append_new(list, j);
    }
    return list;
}

json_t *tally_demo_report_json(const struct tally_demo *d, const struct tally_demo_outcome *o)
{
    const struct tally_demo_judgement *g = &o->judgement;

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:{s:s, s:I, s:s}, s:I, s:f}", "banks",
                     banks_json(d, g), "mean", models_json(g->mean), "lacking",
                     lacking_json(&g->lacking), "refused", refused_json(o->status), "rounds",
                     rounds_json(o->status), "version", "digest", o->digest, "round",
                     (json_int_t)o->round, "file", o->file, "seed", (json_int_t)d->options.seed,
                     "seconds", o->seconds);
}

/* ---- for people ---- */

static void put_row(FILE *to, const char *name, const struct tally_demo_scores of[])
{
    (void)fprintf(to, "%-*.*s", NAME_COLUMNS, NAME_COLUMNS, name);
    for (int k = 0; k < 3; k++) {
        for (uint32_t m = 0; m < TALLY_DEMO_MODELS; m++) {
            double v = k == 0 ? of[m].auc_pr : k == 1 ? of[m].roc_auc : of[m].recall;
            if (isnan(v))
                (void)fprintf(to, "%s%10s", m == 0 ? " " : "", "-");
            else
                (void)fprintf(to, "%s%10.4f", m == 0 ? " " : "", v);
        }
    }
    (void)fputc('\n', to);
}

static void put_table(const struct tally_demo *d, const struct tally_demo_judgement *g, FILE *to)
{
    (void)fprintf(to, "\n%-*s %30s %30s %30s\n%-*s", NAME_COLUMNS, "own held-out", "AUC-PR",
                  "ROC-AUC", "recall at 1 % false positives", NAME_COLUMNS, "rows");
    for (int k = 0; k < 3; k++) {
        for (uint32_t m = 0; m < TALLY_DEMO_MODELS; m++)
            (void)fprintf(to, "%s%10s", m == 0 ? " " : "", tally_demo_model_names[m]);
    }
    (void)fputc('\n', to);
    for (uint32_t i = 0; i < g->banks_n; i++) put_row(to, d->bank[i].name, g->bank[i].of);
    put_row(to, "mean", g->mean);
}

static void put_places(const struct tally_demo *d, const struct tally_demo_outcome *o, FILE *to)
{
    const char *tables = d->options.csv != NULL ? d->options.csv : "tables/";

    (void)fprintf(to,
                  "\nversion    %s (round %llu)\n           %s\n"
                  "files      %s\n"
                  "  federation      owner/federation.json\n"
                  "  job             job.json; as signed: owner/state/jobs/\n"
                  "  tables          %s\n"
                  "  evidence        evidence/ (of the last version's updates)\n"
                  "  sealed updates  owner/state/sealed/\n"
                  "  lineage         model.safetensors.lineage.json\n"
                  "  versions        owner/state/models/ (tally-aggregator models, export)\n"
                  "  logs            logs/; commands.txt: every command of the set-up\n"
                  "%.1f s in all\n",
                  o->digest, (unsigned long long)o->round, o->file, d->root, tables, o->seconds);
}

void tally_demo_report_print(const struct tally_demo *d, const struct tally_demo_outcome *o,
                             FILE *to)
{
    const struct tally_demo_lacking *l = &o->judgement.lacking;
    json_t *refused = refused_json(o->status);
    const json_t *item;
    size_t i;

    put_table(d, &o->judgement, to);
    if (l->positives > 0)
        (void)fprintf(to,
                      "\nkinds of crime that a bank had never seen in training: %llu held-out "
                      "rows, found at 1 %% false positives\n"
                      "  alone %.1f %%, federated %.1f %%, pooled %.1f %%\n",
                      (unsigned long long)l->positives, 100 * l->recall[TALLY_DEMO_ALONE],
                      100 * l->recall[TALLY_DEMO_FEDERATED], 100 * l->recall[TALLY_DEMO_POOLED]);
    (void)fputc('\n', to);
    json_array_foreach(refused, i, item)
    {
        (void)fprintf(to, "refused    %s: %s: %s\n", text_of(item, "agent"),
                      text_of(item, "reason"), text_of(item, "why"));
    }
    json_decref(refused);
    put_places(d, o, to);
}

/* ---- was it as promised ---- */

static enum tally_status check_refused(const struct tally_demo *d, const json_t *status)
{
    char cheat[2 * TALLY_NAME_MAX + 2];
    const json_t *nodes = json_object_get(status, "nodes"), *node;
    bool found = false;
    size_t i;

    (void)snprintf(cheat, sizeof cheat, "%s/%s", d->bank[d->banks_n - 1].name, TALLY_DEMO_CHEAT);
    json_array_foreach(nodes, i, node)
    {
        const char *agent = text_of(node, "agent"), *reason = text_of(node, "reason");
        bool is_cheat = strcmp(agent, cheat) == 0;
        TALLY_ENSURE(is_cheat || *reason == '\0', TALLY_E_STATE, "%s was refused: %s: %s", agent,
                     reason, text_of(node, "why"));
        found = found || (is_cheat && strcmp(reason, "E_MEASUREMENT") == 0);
    }
    TALLY_ENSURE(found, TALLY_E_STATE, "%s, whose program was changed, was not refused", cheat);
    return TALLY_OK;
}

enum tally_status tally_demo_report_check(const struct tally_demo *d, const json_t *status)
{
    const json_t *job = json_array_get(json_object_get(status, "jobs"), 0);
    const json_t *history = history_of(status), *round;
    size_t i;

    json_array_foreach(history, i, round)
    {
        TALLY_ENSURE(strcmp(text_of(round, "outcome"), "version") == 0, TALLY_E_STATE,
                     "round %lld was aborted",
                     (long long)json_integer_value(json_object_get(round, "round")));
    }
    TALLY_ENSURE(json_is_true(json_object_get(job, "done")), TALLY_E_STATE,
                 "the job stopped after %zu rounds: %s", json_array_size(history),
                 text_of(job, "stopped"));
    return check_refused(d, status);
}
