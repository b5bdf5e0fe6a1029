/* jobdoc.c - see jobdoc.h. */
#include "common/jobdoc.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/secret.h"

enum { DIGEST_FILE = 64 + 5 }; /* "<hex>.json" */

static bool has_agent(const struct tally_federation *f, const char *org)
{
    for (uint32_t i = 0; i < f->nodes_n; i++) {
        if (f->nodes[i].role == TALLY_ROLE_AGENT && strcmp(f->nodes[i].org, org) == 0) return true;
    }
    return false;
}

enum tally_status tally_job_fits(const struct tally_job *job, const struct tally_federation *f,
                                 uint64_t now_s)
{
    char id[65];

    tally_hex(TALLY_SLICE(f->id), id);
    TALLY_REFUSE_UNLESS(memcmp(job->federation, f->id, sizeof f->id) == 0, TALLY_R_E_FEDERATION,
                        "federation: the job is of another federation; this one's id is %s", id);
    TALLY_REFUSE_UNLESS(job->federation_version <= f->version, TALLY_R_E_FEDERATION,
                        "federation_version: the job needs version %u, and version %u is in force",
                        job->federation_version, f->version);
    for (uint32_t i = 0; i < job->participants_n; i++)
        TALLY_ENSURE(has_agent(f, job->participants[i]), TALLY_E_CONFIG,
                     "participants[%u]: %s has no agent in the federation", i,
                     job->participants[i]);
    TALLY_ENSURE(f->quorum <= job->participants_n, TALLY_E_CONFIG,
                 "participants: %u can never give the %u votes that the federation needs",
                 job->participants_n, f->quorum);
    TALLY_ENSURE(2 * f->quorum > job->participants_n + f->tolerated, TALLY_E_CONFIG,
                 "participants: 2 x %u votes are not above %u organisations + %u tolerated",
                 f->quorum, job->participants_n, f->tolerated);
    TALLY_REFUSE_UNLESS(now_s < job->expires_s, TALLY_R_E_FEDERATION, "expires: it has expired");
    TALLY_REFUSE_UNLESS(job->issued_s <= now_s + TALLY_CLOCK_SLACK_S, TALLY_R_E_FEDERATION,
                        "issued: it is from the future; check this machine's clock");
    return TALLY_OK;
}

enum tally_status tally_job_open(const struct tally_dsse *d, const struct tally_federation *f,
                                 const struct tally_revocations *revoked, uint64_t now_s,
                                 struct tally_job *job)
{
    enum tally_mode mode = TALLY_MODE_PRODUCTION;

    TALLY_TRY(tally_document_mode("job", d->payload_type, &mode));
    TALLY_REFUSE_UNLESS(mode == f->mode, TALLY_R_E_FEDERATION, "it is a job of mode %s",
                        tally_mode_name(mode));
    TALLY_REFUSE_UNLESS(tally_party_signed(f, revoked, f->parties[f->owner].name, d, UINT64_MAX),
                        TALLY_R_E_SIGNATURE, "%s, the owner, has not signed the job",
                        f->parties[f->owner].name);
    TALLY_TRY(tally_job_parse(tally_slice_of(d->payload, d->payload_len), job));
    enum tally_status s = tally_job_fits(job, f, now_s);
    if (s != TALLY_OK) tally_job_free(job);
    return s;
}

void tally_job_path(const struct tally_place *p, const char *folder, const uint8_t digest[32],
                    char out[TALLY_FEDSTORE_PATH_MAX])
{
    char hex[65];

    tally_hex(tally_slice_of(digest, 32), hex);
    (void)snprintf(out, TALLY_FEDSTORE_PATH_MAX, "%s/%s/%s.json", p->store.dir, folder, hex);
}

json_t *tally_job_summary(const struct tally_job *job, const struct tally_dsse *d,
                          const struct tally_federation *f, const struct tally_revocations *revoked)
{
    json_t *all = json_array(), *have = json_array(), *missing = json_array();
    char digest[72], expires[TALLY_TIME_TEXT_SIZE];

    tally_digest_text(d->digest, digest);
    tally_time_text(job->expires_s, expires);
    for (uint32_t i = 0; i < job->participants_n; i++) {
        const char *name = job->participants[i];
        bool yes = tally_party_signed(f, revoked, name, d, UINT64_MAX);
        (void)json_array_append_new(all, json_string(name));
        (void)json_array_append_new(yes ? have : missing, json_string(name));
    }
    json_t *document =
        json_loadb((const char *)d->payload, d->payload_len, JSON_REJECT_DUPLICATES, NULL);
    return json_pack("{s:s, s:s, s:i, s:i, s:s, s:o, s:o, s:o, s:o}", "digest", digest, "name",
                     job->name, "rounds", (int)job->rounds, "cohort_min", (int)job->cohort_min,
                     "expires", expires, "participants", all, "signed", have, "missing", missing,
                     "document", document);
}

static void print_names(const char *title, const json_t *names)
{
    if (json_array_size(names) == 0) return;
    (void)printf("  %s", title);
    for (size_t i = 0; i < json_array_size(names); i++)
        (void)printf("%s %s", i > 0 ? "," : "", json_string_value(json_array_get(names, i)));
    (void)printf("\n");
}

static void print_columns(const json_t *schema)
{
    const json_t *columns = json_object_get(schema, "columns");

    (void)printf("  columns it reads:");
    for (size_t i = 0; i < json_array_size(columns); i++)
        (void)printf("%s %s", i > 0 ? "," : "",
                     json_string_value(json_object_get(json_array_get(columns, i), "name")));
    (void)printf("; label %s\n",
                 json_string_value(json_object_get(json_object_get(schema, "label"), "column")));
}

static void print_part(const json_t *document, const char *key)
{
    char *text = json_dumps(json_object_get(document, key), JSON_COMPACT);

    if (text != NULL) (void)printf("  %s: %s\n", key, text);
    free(text);
}

void tally_job_print(const json_t *summary)
{
    const json_t *document = json_object_get(summary, "document");

    if (json_object_get(summary, "error") != NULL) {
        (void)printf("%s: %s\n", json_string_value(json_object_get(summary, "file")),
                     json_string_value(json_object_get(summary, "error")));
        return;
    }
    (void)printf("job %s %s\n", json_string_value(json_object_get(summary, "name")),
                 json_string_value(json_object_get(summary, "digest")));
    (void)printf("  %lld rounds, at least %lld organisations in each, until %s\n",
                 (long long)json_integer_value(json_object_get(summary, "rounds")),
                 (long long)json_integer_value(json_object_get(summary, "cohort_min")),
                 json_string_value(json_object_get(summary, "expires")));
    print_columns(json_object_get(document, "schema"));
    print_part(document, "model");
    print_part(document, "training");
    print_part(document, "combine");
    print_names("participants:", json_object_get(summary, "participants"));
    print_names("signed by:", json_object_get(summary, "signed"));
    print_names("not signed yet by:", json_object_get(summary, "missing"));
}

static json_t *summarise_file(const char *path, const struct tally_federation *f,
                              const struct tally_revocations *revoked)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    TALLY_CLEANUP(tally_job_free) struct tally_job job = {0};

    enum tally_status s = tally_envelope_read(path, TALLY_JOB_BYTES_MAX, &d);
    if (s == TALLY_OK) s = tally_job_open(&d, f, revoked, tally_now_s(), &job);
    if (s != TALLY_OK) return json_pack("{s:s, s:s}", "file", path, "error", tally_why_text());
    return tally_job_summary(&job, &d, f, revoked);
}

static int is_job_file(const struct dirent *e)
{
    return strlen(e->d_name) == DIGEST_FILE && strcmp(e->d_name + 64, ".json") == 0;
}

enum tally_status tally_jobs_list(const struct tally_place *p, const char *folder,
                                  const struct tally_federation *f,
                                  const struct tally_revocations *revoked, json_t **list)
{
    char dir[TALLY_FEDSTORE_PATH_MAX], path[TALLY_FEDSTORE_PATH_MAX + DIGEST_FILE + 2];
    struct dirent **entries = NULL;
    json_t *out = json_array();

    (void)snprintf(dir, sizeof dir, "%s/%s", p->store.dir, folder);
    int n = scandir(dir, &entries, is_job_file, alphasort);
    for (int i = 0; i < n; i++) {
        (void)snprintf(path, sizeof path, "%s/%.*s", dir, DIGEST_FILE, entries[i]->d_name);
        (void)json_array_append_new(out, summarise_file(path, f, revoked));
        free(entries[i]);
    }
    free(entries);
    TALLY_ENSURE(out != NULL, TALLY_E_NOMEM, "no memory to list jobs");
    *list = out;
    return TALLY_OK;
}
