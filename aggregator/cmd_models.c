/* cmd_models.c - `models` lists the versions in the store, beside a running aggregator. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/commands.h"
#include "aggregator/conf.h"
#include "aggregator/store.h"
#include "common/cli.h"
#include "common/text.h"

struct options {
    const char *dir;
    bool json;
};

struct listing {
    const struct tally_aggregator_conf *conf;
    const struct options *o;
    json_t *list;
    uint32_t found;
};

static enum tally_status open_for_reading(const char *dir, struct tally_aggregator_conf **conf,
                                          struct tally_store **store)
{
    *store = NULL;
    *conf = calloc(1, sizeof **conf);
    TALLY_ENSURE(*conf != NULL, TALLY_E_NOMEM, "configuration");
    TALLY_TRY(tally_aggregator_conf_load(dir, *conf));
    return tally_store_open(store, (*conf)->state_dir, true);
}

static enum tally_status list_one(void *ctx, const struct tally_store_version *v)
{
    struct listing *l = ctx;
    char digest[65], job[65], time[TALLY_TIME_TEXT_SIZE];

    tally_hex(TALLY_SLICE(v->digest), digest);
    tally_hex(TALLY_SLICE(v->job), job);
    tally_time_text(v->published_ms / 1000, time);
    l->found++;
    if (!l->o->json) {
        (void)printf("%s  round %-5llu job %.12s  %s  %s\n", digest, (unsigned long long)v->round,
                     job, time, v->path);
        return TALLY_OK;
    }
    json_t *item = json_pack("{s:s, s:s, s:I, s:s, s:o}", "digest", digest, "job", job, "round",
                             (json_int_t)v->round, "published", time, "file",
                             json_sprintf("%s/%s", l->conf->state_dir, v->path));
    TALLY_ENSURE(item != NULL && json_array_append_new(l->list, item) == 0, TALLY_E_NOMEM,
                 "models");
    return TALLY_OK;
}

static const struct tally_cli_option options[] = {
    {.name = "dir",
     .value = "DIR",
     .type = TALLY_CLI_TEXT,
     .at = offsetof(struct options, dir),
     .help = "the aggregator's folder (default: here)"},
    {.name = "json",
     .type = TALLY_CLI_FLAG,
     .at = offsetof(struct options, json),
     .help = "one JSON object on stdout"},
};

int tally_cmd_models(int argc, char **argv)
{
    static const struct tally_cli_spec spec = {
        .about = "List the published versions, newest round first.",
        .options = options,
        .options_n = sizeof options / sizeof options[0]};
    struct options o = {.dir = "."};
    struct tally_store *store;
    struct listing l = {.o = &o};
    struct tally_aggregator_conf *conf;
    int code = tally_cli_options(argc, argv, &spec, &o, NULL);

    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = open_for_reading(o.dir, &conf, &store);
    l.conf = conf;
    l.list = json_array();
    if (s == TALLY_OK) s = tally_store_versions(store, NULL, false, list_one, &l);
    if (store != NULL) tally_store_close(&store);
    if (s != TALLY_OK)
        code = tally_cli_fail(s, o.json, "models", NULL);
    else if (o.json)
        code = tally_cli_json(json_pack("{s:O}", "versions", l.list));
    else
        code = TALLY_EXIT_DONE;
    if (s == TALLY_OK && !o.json && l.found == 0) (void)puts("no version is published yet");
    json_decref(l.list);
    free(conf);
    return code;
}
