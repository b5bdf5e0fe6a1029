/* demo_setup.c - the federation as its parties would set it up, each command a process (demo.h). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cmd_documents.h"
#include "common/file.h"
#include "common/text.h"
#include "examples/aml/demo.h"
#include "examples/aml/demo_process.h"

enum {
    WORDS_MAX = 32 + TALLY_DEMO_BANKS_MAX,
    PORT_MIN = 20000, /* below those that systems hand out */
    PORT_MAX = 32000,
    PORT_TRIES = 200,
    FILE_MAX = 1 << 20,
    PROGRAM_MAX = 1 << 28,
    JOB_DAYS = 30,
    DAY_S = 86400,
};

/* ---- commands ---- */

struct words {
    const char *at[WORDS_MAX + 1];
    size_t n;
};

static void say(struct words *w, const char *word)
{
    TALLY_ASSERT(w->n < WORDS_MAX);
    w->at[w->n++] = word;
    w->at[w->n] = NULL;
}

static void note(const struct tally_demo *d, const struct words *w)
{
    char path[TALLY_DEMO_PATH_MAX];

    if (tally_demo_path(path, "%s/logs/commands.txt", d->root) != TALLY_OK) return;
    FILE *f = fopen(path, "ae");
    if (f == NULL) return;
    for (size_t i = 0; i < w->n; i++) (void)fprintf(f, "%s%s", i > 0 ? " " : "", w->at[i]);
    (void)fputc('\n', f);
    (void)fclose(f);
}

/* Runs it with --json; *result (may be NULL) is what it printed. */
static enum tally_status command(const struct tally_demo *d, struct words *w, json_t **result)
{
    char log[TALLY_DEMO_PATH_MAX], *text = NULL;

    TALLY_TRY(tally_demo_path(log, "%s/logs/setup.log", d->root));
    note(d, w);
    say(w, "--json");
    TALLY_TRY(tally_process_run(w->at, log, &text));
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    TALLY_ENSURE(j != NULL, TALLY_E_STATE, "%s %s printed no JSON object", w->at[0], w->at[1]);
    if (result != NULL)
        *result = j;
    else
        json_decref(j);
    return TALLY_OK;
}

static struct words words_of(const char *first, ...)
{
    struct words w = {0};
    va_list args;

    va_start(args, first);
    for (const char *s = first; s != NULL; s = va_arg(args, const char *)) say(&w, s);
    va_end(args);
    return w;
}

static enum tally_status copy(const char *from, const char *to, mode_t mode, const char *add)
{
    uint8_t *bytes = NULL;
    size_t len = 0, more = strlen(add);

    TALLY_TRY(tally_file_read(from, PROGRAM_MAX, &bytes, &len));
    struct tally_file_draft draft = TALLY_FILE_DRAFT_EMPTY;
    enum tally_status s = tally_file_draft_begin(&draft, to, mode);
    if (s == TALLY_OK) s = tally_file_draft_add(&draft, tally_slice_of(bytes, len));
    if (s == TALLY_OK && more > 0) s = tally_file_draft_add(&draft, tally_slice_str(add));
    if (s == TALLY_OK) s = tally_file_draft_commit(&draft);
    tally_file_draft_abandon(&draft);
    free(bytes);
    return s;
}

/* from/name to to/name. */
static enum tally_status hand(const char *from, const char *to, const char *name, mode_t mode)
{
    char a[TALLY_DEMO_PATH_MAX], b[TALLY_DEMO_PATH_MAX];

    TALLY_TRY(tally_demo_path(a, "%s/%s", from, name));
    TALLY_TRY(tally_demo_path(b, "%s/%s", to, name));
    return copy(a, b, mode, "");
}

/* ---- everybody's own folder ---- */

/* A port of 127.0.0.1 that nobody listens on now. */
static enum tally_status free_port(uint32_t *port)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        uint32_t random = 0;
        TALLY_ENSURE(getrandom(&random, sizeof random, 0) == sizeof random, TALLY_E_IO,
                     "getrandom: %s", strerror(errno));
        *port = PORT_MIN + random % (PORT_MAX - PORT_MIN);
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)*port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof a) == 0;
        if (fd >= 0) (void)close(fd);
        if (ok) return TALLY_OK;
    }
    return TALLY_FAIL(TALLY_E_IO, "no port of 127.0.0.1 between %d and %d can be bound: %s",
                      PORT_MIN, PORT_MAX, strerror(errno));
}

static enum tally_status init_owner(const struct tally_demo *d)
{
    char endpoint[64];
    uint32_t port = 0;

    TALLY_TRY(free_port(&port));
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port);
    struct words w = words_of(d->aggregator, "init", "--test", "--name", "demo", "--dir", d->owner,
                              "--endpoint", endpoint, "--bind", endpoint, NULL);
    return command(d, &w, NULL);
}

static enum tally_status init_agent(const struct tally_demo *d, const struct tally_demo_place *p,
                                    const char *dir, const char *node)
{
    struct words w = words_of(d->agent, "init", "--test", "--dir", dir, "--org", p->name, "--node",
                              node, "--data", p->table, "--threads", "1", NULL);
    return command(d, &w, NULL);
}

static enum tally_status read_json(const char *dir, const char *name, json_t **out)
{
    char path[TALLY_DEMO_PATH_MAX];
    uint8_t *bytes = NULL;
    size_t len = 0;

    TALLY_TRY(tally_demo_path(path, "%s/%s", dir, name));
    TALLY_TRY(tally_file_read(path, FILE_MAX, &bytes, &len));
    enum tally_status s = tally_json_parse(tally_slice_of(bytes, len), FILE_MAX, path, out);
    free(bytes);
    return s;
}

/* The last bank's second machine: one document key for both, and both in the bank's one file for
 * the owner. Its program is changed by one byte at the end. */
static enum tally_status init_cheat(const struct tally_demo *d)
{
    TALLY_CLEANUP(tally_json_free) json_t *bank = NULL;
    TALLY_CLEANUP(tally_json_free) json_t *second = NULL;
    const struct tally_demo_place *p = &d->bank[d->banks_n - 1];
    char path[TALLY_DEMO_PATH_MAX];

    TALLY_TRY(init_agent(d, p, d->cheat_dir, TALLY_DEMO_CHEAT));
    TALLY_TRY(hand(p->dir, d->cheat_dir, "document.key", TALLY_FILE_MODE_SECRET));
    TALLY_TRY(read_json(p->dir, "agent.pub.json", &bank));
    TALLY_TRY(read_json(d->cheat_dir, "agent.pub.json", &second));
    TALLY_ENSURE(
        json_array_extend(json_object_get(bank, "nodes"), json_object_get(second, "nodes")) == 0,
        TALLY_E_STATE, "agent.pub.json has no list of nodes");
    TALLY_TRY(tally_demo_path(path, "%s/agent.pub.json", p->dir));
    char *text = json_dumps(bank, JSON_INDENT(2));
    TALLY_ENSURE(text != NULL, TALLY_E_NOMEM, "agent.pub.json");
    enum tally_status s = tally_file_write(path, tally_slice_str(text), TALLY_FILE_MODE_PUBLIC);
    free(text);
    TALLY_TRY(s);
    return copy(d->agent, d->cheat_agent, 0755, "\n");
}

/* ---- the federation document ---- */

/* The owner adds programs and banks, and issues the banks' simulated chips. */
static enum tally_status add_parties(const struct tally_demo *d)
{
    char aggregator[TALLY_DEMO_PATH_MAX], agent[TALLY_DEMO_PATH_MAX];
    char(*files)[TALLY_DEMO_PATH_MAX] = calloc(d->banks_n, sizeof *files);

    TALLY_ENSURE(files != NULL, TALLY_E_NOMEM, "paths");
    enum tally_status s = tally_demo_path(aggregator, "aggregator:%s", d->aggregator);
    if (s == TALLY_OK) s = tally_demo_path(agent, "agent:%s", d->agent);
    struct words w = words_of(d->aggregator, "federation", "add", "--dir", d->owner,
                              "--measurement", aggregator, "--measurement", agent, NULL);
    for (uint32_t i = 0; s == TALLY_OK && i < d->banks_n; i++) {
        s = tally_demo_path(files[i], "%s/agent.pub.json", d->bank[i].dir);
        say(&w, files[i]);
    }
    if (s == TALLY_OK) s = command(d, &w, NULL);
    free(files);
    return s;
}

static enum tally_status hand_chip(const struct tally_demo *d, const char *org, const char *node,
                                   const char *dir)
{
    char from[TALLY_DEMO_PATH_MAX], to[TALLY_DEMO_PATH_MAX];

    TALLY_TRY(tally_demo_path(from, "%s/chips/%s.%s.chip", d->owner, org, node));
    TALLY_TRY(tally_demo_path(to, "%s/chip", dir));
    return copy(from, to, TALLY_FILE_MODE_SECRET, "");
}

static enum tally_status hand_chips(const struct tally_demo *d)
{
    for (uint32_t i = 0; i < d->banks_n; i++)
        TALLY_TRY(hand_chip(d, d->bank[i].name, "agent-1", d->bank[i].dir));
    return hand_chip(d, d->bank[d->banks_n - 1].name, TALLY_DEMO_CHEAT, d->cheat_dir);
}

/* The agent reads the owner's federation.json and signs it, or, once all have, takes it into use:
 * one command, and *in_force says which. */
static enum tally_status sign_at(const struct tally_demo *d, const char *dir, const char *digest,
                                 bool *in_force)
{
    char file[TALLY_DEMO_PATH_MAX];
    json_t *result = NULL;

    TALLY_TRY(hand(d->owner, dir, "federation.json", TALLY_FILE_MODE_PUBLIC));
    TALLY_TRY(tally_demo_path(file, "%s/federation.json", dir));
    struct words w = words_of(d->agent, "federation", "sign", "--dir", dir, "--in", file,
                              "--expect", digest, NULL);
    TALLY_TRY(command(d, &w, &result));
    *in_force = json_is_true(json_object_get(result, "in_force"));
    json_decref(result);
    return TALLY_OK;
}

static enum tally_status sign_by_banks(const struct tally_demo *d, const char *digest)
{
    bool in_force;

    for (uint32_t i = 0; i < d->banks_n; i++) {
        char file[TALLY_DEMO_PATH_MAX];
        TALLY_TRY(sign_at(d, d->bank[i].dir, digest, &in_force));
        TALLY_TRY(tally_demo_path(file, "%s/federation.json", d->bank[i].dir));
        struct words w =
            words_of(d->aggregator, "federation", "add", "--dir", d->owner, file, NULL);
        TALLY_TRY(command(d, &w, NULL));
    }
    for (uint32_t i = 0; i <= d->banks_n; i++) {
        const char *dir = i < d->banks_n ? d->bank[i].dir : d->cheat_dir;
        TALLY_TRY(sign_at(d, dir, digest, &in_force));
        TALLY_ENSURE(in_force, TALLY_E_STATE, "%s: the federation is not in force there", dir);
    }
    return TALLY_OK;
}

/* *digest: "sha256:...". */
static enum tally_status sign_by_owner(const struct tally_demo *d, char digest[72])
{
    json_t *result = NULL;
    struct words w = words_of(d->aggregator, "federation", "sign", "--dir", d->owner, NULL);

    TALLY_TRY(command(d, &w, &result));
    const char *text = json_string_value(json_object_get(result, "digest"));
    (void)snprintf(digest, 72, "%s", text != NULL ? text : "");
    json_decref(result);
    return TALLY_OK;
}

/* ---- the job ---- */

static enum tally_status write_job(struct tally_demo *d, const char *federation, const char *file)
{
    char *text = NULL;

    TALLY_TRY(tally_digest_parse(federation, d->job.federation));
    d->job.federation_version = 1;
    d->job.issued_s = tally_now_s();
    d->job.expires_s = d->job.issued_s + (uint64_t)JOB_DAYS * DAY_S;
    TALLY_TRY(tally_job_write(&d->job, &text));
    enum tally_status s = tally_file_write(file, tally_slice_str(text), TALLY_FILE_MODE_PUBLIC);
    free(text);
    return s;
}

/* The job that is run is the one that was signed: read back from its bytes. */
static enum tally_status reread_job(struct tally_demo *d, const char *file)
{
    uint8_t *bytes = NULL;
    struct tally_job job;
    size_t len = 0;

    TALLY_TRY(tally_file_read(file, TALLY_JOB_BYTES_MAX, &bytes, &len));
    enum tally_status s = tally_job_parse(tally_slice_of(bytes, len), &job);
    free(bytes);
    TALLY_TRY(s);
    tally_job_free(&d->job);
    d->job = job;
    return TALLY_OK;
}

static enum tally_status grant(const struct tally_demo *d, const char *digest)
{
    char envelope[TALLY_DEMO_PATH_MAX], hex[65];

    tally_hex(TALLY_SLICE(d->job.digest), hex);
    TALLY_TRY(tally_demo_path(envelope, "%s/state/jobs/%s.json", d->owner, hex));
    for (uint32_t i = 0; i <= d->banks_n; i++) {
        const char *dir = i < d->banks_n ? d->bank[i].dir : d->cheat_dir;
        struct words w = words_of(d->agent, "grant", "sign", "--dir", dir, "--in", envelope,
                                  "--expect", digest, NULL);
        TALLY_TRY(command(d, &w, NULL));
    }
    return TALLY_OK;
}

static enum tally_status submit(struct tally_demo *d, const char *federation)
{
    char file[TALLY_DEMO_PATH_MAX], digest[72];

    TALLY_TRY(tally_demo_path(file, "%s/job.json", d->root));
    TALLY_TRY(write_job(d, federation, file));
    struct words w = words_of(d->aggregator, "job", "submit", "--dir", d->owner, file, NULL);
    TALLY_TRY(command(d, &w, NULL));
    TALLY_TRY(reread_job(d, file));
    tally_digest_text(d->job.digest, digest);
    return grant(d, digest);
}

enum tally_status tally_demo_setup(struct tally_demo *d)
{
    char federation[72];

    TALLY_TRY(init_owner(d));
    for (uint32_t i = 0; i < d->banks_n; i++)
        TALLY_TRY(init_agent(d, &d->bank[i], d->bank[i].dir, "agent-1"));
    TALLY_TRY(init_cheat(d));
    TALLY_TRY(add_parties(d));
    TALLY_TRY(hand_chips(d));
    TALLY_TRY(sign_by_owner(d, federation));
    TALLY_TRY(sign_by_banks(d, federation));
    return submit(d, federation);
}

enum tally_status tally_demo_export(const struct tally_demo *d, const char *digest,
                                    char file[TALLY_DEMO_PATH_MAX])
{
    char evidence[TALLY_DEMO_PATH_MAX];

    TALLY_TRY(tally_demo_path(file, "%s/model.safetensors", d->root));
    TALLY_TRY(tally_demo_path(evidence, "%s/evidence", d->root));
    struct words w = words_of(d->aggregator, "export", "--dir", d->owner, "--version", digest,
                              "--out", file, "--evidence", evidence, NULL);
    return command(d, &w, NULL);
}
