/* aml-demo: five banks and an aggregator train one model, a cheat is refused, and the result is
 * judged. examples/aml/run builds and starts it. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/text.h"
#include "examples/aml/demo_process.h"
#include "examples/aml/demo_run.h"
#include "examples/aml/generate.h"

#define VERSION_BYTES_MAX ((size_t)1 << 31)

struct values {
    struct tally_demo_options o;
    const char *ignore;
    char *ignore_text; /* the copy that o.ignore points into; owned */
};

#define AT(member) offsetof(struct values, member)
static const struct tally_cli_option options[] = {
    TALLY_CLI_OPT_INT("banks", "N", AT(o.banks), TALLY_DEMO_BANKS_MIN, TALLY_WORLD_BANKS_MAX,
                      "banks whose transactions are made (default: 5)"),
    TALLY_CLI_OPT_INT("rounds", "N", AT(o.rounds), 1, TALLY_DEMO_ROUNDS_MAX,
                      "training rounds (default: 20; with --csv 40)"),
    TALLY_CLI_OPT_INT("seed", "N", AT(o.seed), 0, INT64_MAX,
                      "of the transactions and the training (default: 1)"),
    TALLY_CLI_OPT_TEXT(
        "keep", "DIR", AT(o.keep),
        "where everything goes, an empty folder or none yet (default: build/demo/N)"),
    TALLY_CLI_OPT_TEXT("csv", "DIR", AT(o.csv),
                       "your own tables instead: one CSV file per bank, its name the bank's"),
    TALLY_CLI_OPT_TEXT("label", "COLUMN", AT(o.label), "with --csv: the column to predict"),
    TALLY_CLI_OPT_TEXT("positive", "V", AT(o.positive),
                       "the label's value that counts as 1 (default: 1, or the rarer of two)"),
    TALLY_CLI_OPT_TEXT("time", "COLUMN", AT(o.time),
                       "hold out the last 30 % by this column (default: 30 % by a keyed hash)"),
    TALLY_CLI_OPT_TEXT("ignore", "A,B", AT(ignore), "columns to leave out"),
    TALLY_CLI_OPT_FLAG("json", AT(o.json), "one JSON object on stdout"),
};
static const struct tally_cli_spec spec = {
    .about = "Runs a federation of banks and an aggregator as separate processes with simulated\n"
             "TEEs, and shows what the federated model is worth to each bank.",
    .options = options,
    .options_n = sizeof options / sizeof options[0]};

static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the command line ---- */

static enum tally_status split_ignore(struct values *v)
{
    size_t n = 0;

    if (v->ignore == NULL) return TALLY_OK;
    v->ignore_text = strdup(v->ignore);
    TALLY_ENSURE(v->ignore_text != NULL, TALLY_E_NOMEM, "--ignore");
    for (char *at = v->ignore_text; at != NULL;) {
        char *comma = strchr(at, ',');
        if (comma != NULL) *comma = '\0';
        TALLY_ENSURE(*at != '\0', TALLY_E_CONFIG, "--ignore %s: a name is empty", v->ignore);
        TALLY_ENSURE(n < TALLY_DEMO_IGNORE_MAX, TALLY_E_CONFIG, "--ignore: at most %d columns",
                     TALLY_DEMO_IGNORE_MAX);
        v->o.ignore[n++] = at;
        at = comma != NULL ? comma + 1 : NULL;
    }
    return TALLY_OK;
}

static enum tally_status check_options(const struct values *v)
{
    const struct tally_demo_options *o = &v->o;

    TALLY_ENSURE(o->csv == NULL || o->label != NULL, TALLY_E_CONFIG,
                 "--csv needs --label COLUMN: the column to predict");
    TALLY_ENSURE(o->csv == NULL || o->banks == 0, TALLY_E_CONFIG,
                 "--banks is for made transactions; with --csv each table is a bank");
    TALLY_ENSURE(o->csv != NULL || (!o->label && !o->positive && !o->time && !v->ignore),
                 TALLY_E_CONFIG, "--label, --positive, --time and --ignore go with --csv DIR");
    return TALLY_OK;
}

/* ---- the end ---- */

static enum tally_status take_version(const struct tally_demo *d, struct tally_demo_outcome *o,
                                      struct tally_slice *map)
{
    const json_t *job = json_array_get(json_object_get(o->status, "jobs"), 0);
    const json_t *v = json_object_get(job, "version");
    const char *digest = json_string_value(json_object_get(v, "digest"));
    uint8_t raw[32];

    TALLY_ENSURE(digest != NULL, TALLY_E_STATE, "no version was published");
    TALLY_TRY(tally_demo_export(d, digest, o->file));
    o->round = (uint64_t)json_integer_value(json_object_get(v, "round"));
    TALLY_TRY(tally_file_map(o->file, VERSION_BYTES_MAX, map));
    TALLY_SHA256_OF(raw, *map);
    tally_hex(TALLY_SLICE(raw), o->digest);
    TALLY_ENSURE(strcmp(o->digest, digest) == 0, TALLY_E_STATE,
                 "%s has another digest than the version that was published", o->file);
    return TALLY_OK;
}

static void show_training(void *progress, uint32_t done, uint32_t total)
{
    tally_demo_progress_work(progress, "training the models alone and pooled", done, total);
}

static enum tally_status judge(const struct tally_demo *d, struct tally_slice version,
                               struct tally_demo_progress *p, struct tally_demo_judgement *out)
{
    const char *tables[TALLY_DEMO_BANKS_MAX];
    const uint8_t *unknown[TALLY_DEMO_BANKS_MAX];
    uint64_t unknown_n[TALLY_DEMO_BANKS_MAX];

    for (uint32_t i = 0; i < d->banks_n; i++) {
        tables[i] = d->bank[i].table;
        unknown[i] = d->bank[i].unknown;
        unknown_n[i] = d->bank[i].unknown_n;
    }
    struct tally_demo_case c = {.job = &d->job,
                                .tables = tables,
                                .unknown = d->options.csv != NULL ? NULL : unknown,
                                .unknown_n = unknown_n,
                                .banks_n = d->banks_n,
                                .version = version,
                                .progress = show_training,
                                .context = p};
    enum tally_status s = tally_demo_judge(&c, out);
    tally_demo_progress_end(p);
    return s;
}

static enum tally_status conclude(const struct tally_demo *d, struct tally_demo_progress *p,
                                  struct tally_demo_outcome *o)
{
    struct tally_slice map = {0};

    TALLY_TRY(tally_demo_report_check(d, o->status));
    enum tally_status s = take_version(d, o, &map);
    /* No process is left and nothing is open: from here on a signal may simply end us. */
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    if (s == TALLY_OK) s = tally_process_go_on();
    if (s == TALLY_OK) s = judge(d, map, p, &o->judgement);
    tally_file_unmap(&map);
    return s;
}

static enum tally_status keep_result(const struct tally_demo *d, const json_t *result)
{
    char path[TALLY_DEMO_PATH_MAX];
    char *text = json_dumps(result, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

    TALLY_ENSURE(text != NULL, TALLY_E_NOMEM, "the result");
    enum tally_status s = tally_demo_path(path, "%s/result.json", d->root);
    if (s == TALLY_OK) s = tally_file_write(path, tally_slice_str(text), TALLY_FILE_MODE_PUBLIC);
    free(text);
    return s;
}

static enum tally_status demo(struct tally_demo *d, json_t **result)
{
    TALLY_CLEANUP(tally_demo_outcome_free) struct tally_demo_outcome o = {0};
    struct tally_demo_progress p;
    double start = now_s();

    tally_demo_progress_init(&p, d->to, d->tty);
    TALLY_TRY(tally_demo_look(d));
    TALLY_TRY(tally_demo_places(d));
    (void)fprintf(d->to, "%severything goes to %s\n", d->options.csv != NULL ? "\n" : "", d->root);
    (void)fflush(d->to);
    TALLY_TRY(tally_demo_tables(d));
    TALLY_TRY(tally_process_go_on());
    (void)fprintf(d->to, "\nsetting up %u banks, the owner and a cheat\n", d->banks_n);
    (void)fflush(d->to);
    TALLY_TRY(tally_demo_setup(d));
    TALLY_TRY(tally_demo_run(d, &p, &o.status));
    TALLY_TRY(conclude(d, &p, &o));
    o.seconds = now_s() - start;
    if (!d->options.json) tally_demo_report_print(d, &o, d->to);
    *result = tally_demo_report_json(d, &o);
    TALLY_ENSURE(*result != NULL, TALLY_E_NOMEM, "the result");
    return keep_result(d, *result);
}

static int finish(const struct tally_demo *d, enum tally_status s, json_t *result)
{
    char logs[TALLY_DEMO_PATH_MAX + 16];

    if (s == TALLY_OK && d->options.json) return tally_cli_json(result);
    json_decref(result);
    if (s == TALLY_OK) return fflush(d->to) == 0 ? TALLY_EXIT_DONE : TALLY_EXIT_FAILED;
    (void)snprintf(logs, sizeof logs, "logs: %s/logs", d->root);
    (void)tally_cli_fail(s, d->options.json, "the demo", d->bank[0].dir[0] != '\0' ? logs : NULL);
    return TALLY_EXIT_FAILED;
}

int main(int argc, char **argv)
{
    static char name[] = "examples/aml/run";
    struct values v = {.o = {.seed = 1}};
    struct tally_demo *d = calloc(1, sizeof *d);
    json_t *result = NULL;

    argv[0] = name;
    int code = tally_cli_options(argc, argv, &spec, &v, NULL);

    if (code == TALLY_CLI_GO) {
        TALLY_ASSERT(d != NULL);
        tally_process_signals();
        enum tally_status s = check_options(&v);
        if (s == TALLY_OK) s = split_ignore(&v);
        d->options = v.o;
        if (d->options.banks == 0) d->options.banks = 5;
        d->to = v.o.json ? stderr : stdout;
        d->tty = isatty(fileno(d->to)) != 0;
        if (s == TALLY_OK) s = demo(d, &result);
        code = finish(d, s, result);
        tally_demo_free(d);
    }
    free(v.ignore_text);
    free(d);
    return code == TALLY_EXIT_DONE ? TALLY_EXIT_DONE : TALLY_EXIT_FAILED;
}
