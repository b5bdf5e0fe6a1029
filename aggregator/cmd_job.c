/* cmd_job.c - `tally-aggregator job submit|show`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/commands.h"
#include "aggregator/conf.h"
#include "common/file.h"
#include "common/jobdoc.h"
#include "common/jsonread.h"

struct values {
    bool json;
    const char *dir;
};

#define AT(member) offsetof(struct values, member)
static const struct tally_cli_option options[] = {
    TALLY_CLI_OPT_TEXT("dir", "DIR", AT(dir), "the aggregator's folder (default: this one)"),
    TALLY_CLI_OPT_FLAG("json", AT(json), "one JSON object on stdout"),
};
static const struct tally_cli_spec submit_spec = {
    .about = "Checks a job, signs exactly the bytes of the file and keeps it: a serving aggregator "
             "then\noffers it to the banks.",
    .options = options,
    .options_n = sizeof options / sizeof options[0],
    .operands = "JOB.json",
    .operands_min = 1,
    .operands_max = 1};
static const struct tally_cli_spec show_spec = {
    .about = "Shows the jobs that are kept and who signed them.",
    .options = options,
    .options_n = sizeof options / sizeof options[0]};

/* Signs exactly these bytes; signatures that the kept envelope has already stay. */
static enum tally_status keep(const struct tally_inforce *i, struct tally_slice payload,
                              struct tally_dsse *d)
{
    char type[TALLY_DOCUMENT_TYPE_SIZE], path[TALLY_FEDSTORE_PATH_MAX];

    tally_document_type("job", i->f->mode, type);
    TALLY_TRY(tally_dsse_new(type, payload, d));
    tally_job_path(&i->place, "jobs", d->digest, path);
    if (tally_file_exists(path)) {
        tally_dsse_free(d);
        TALLY_TRY(tally_envelope_read(path, TALLY_JOB_BYTES_MAX, d));
    }
    TALLY_TRY(tally_place_sign(&i->place, i->f->id, d));
    char folder[TALLY_FEDSTORE_PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s/jobs", i->place.store.dir);
    TALLY_TRY(tally_file_make_dirs(folder, TALLY_FILE_DIR_MODE_PRIVATE));
    return tally_envelope_write(path, d);
}

static enum tally_status submit(const char *file, const struct tally_inforce *i,
                                struct tally_dsse *d, json_t **summary)
{
    struct tally_job job = {0};
    uint8_t *bytes = NULL;
    size_t len = 0;

    TALLY_TRY(tally_file_read(file, TALLY_JOB_BYTES_MAX, &bytes, &len));
    enum tally_status s = tally_job_parse(tally_slice_of(bytes, len), &job);
    if (s == TALLY_OK) s = tally_job_fits(&job, i->f, tally_now_s());
    if (s == TALLY_OK) s = keep(i, tally_slice_of(bytes, len), d);
    if (s == TALLY_OK) *summary = tally_job_summary(&job, d, i->f, i->revoked);
    tally_job_free(&job);
    free(bytes);
    return s;
}

int tally_cmd_job_submit(int argc, char **argv)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    TALLY_CLEANUP(tally_inforce_free) struct tally_inforce i = {0};
    struct values v = {.dir = "."};
    json_t *summary = NULL;
    size_t n = 0;

    int code = tally_cli_options(argc, argv, &submit_spec, &v, &n);
    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = tally_inforce_load(v.dir, tally_aggregator_place, &i);
    if (s == TALLY_OK) s = submit(argv[1], &i, &d, &summary);
    if (s != TALLY_OK) return tally_cli_fail(s, v.json, argv[1], NULL);
    if (v.json) return tally_cli_json(summary);
    tally_job_print(summary);
    tally_cli_say(false,
                  "kept; each bank signs it with\n"
                  "  tally-agent grant sign --expect %s",
                  json_string_value(json_object_get(summary, "digest")));
    json_decref(summary);
    return TALLY_EXIT_DONE;
}

int tally_cmd_job_show(int argc, char **argv)
{
    TALLY_CLEANUP(tally_inforce_free) struct tally_inforce i = {0};
    struct values v = {.dir = "."};
    json_t *list = NULL;

    int code = tally_cli_options(argc, argv, &show_spec, &v, NULL);
    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = tally_inforce_load(v.dir, tally_aggregator_place, &i);
    if (s == TALLY_OK) s = tally_jobs_list(&i.place, "jobs", i.f, i.revoked, &list);
    if (s != TALLY_OK) return tally_cli_fail(s, v.json, "job show", NULL);
    if (v.json) return tally_cli_json(json_pack("{s:o}", "jobs", list));
    if (json_array_size(list) == 0) tally_cli_say(false, "no job is kept here");
    for (size_t k = 0; k < json_array_size(list); k++) tally_job_print(json_array_get(list, k));
    json_decref(list);
    return TALLY_EXIT_DONE;
}
