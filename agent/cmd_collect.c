/* cmd_collect.c - see cmd_collect.h. */
#include "agent/cmd_collect.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/collect_files.h"
#include "agent/conf.h"
#include "common/attest/device.h"
#include "common/cli.h"
#include "common/secret.h"
#include "common/text.h"

enum { NONCE = 32, COMMAND = 8 * 1024 };

struct values {
    const char *dir, *nonce, *out;
    bool json;
};

/* One collection: what is asked and what came of it. */
struct collection {
    struct tally_agent_conf conf;
    struct tally_inforce inforce;
    struct tally_device *device;
    uint8_t nonce[NONCE], report_data[TALLY_REPORT_DATA_BYTES];
    uint8_t ev[TALLY_EV_MAX], endorsements[TALLY_ENDORSEMENTS_MAX];
    struct collect_files files;
};

static void free_collection(struct collection **c)
{
    if (*c == NULL) return;
    tally_device_close(&(*c)->device);
    tally_inforce_free(&(*c)->inforce);
    collect_files_free(&(*c)->files);
    free(*c);
}

/* As a running agent opens it. A simulated guest carries the federation's id; hardware can be asked
 * before there is a federation, whose document is to name it. */
static enum tally_status open_device(struct collection *c, const char *dir)
{
    TALLY_TRY(tally_agent_conf_load(dir, &c->conf));
    TALLY_TRY(tally_agent_place(dir, &c->inforce.place));
    if (tally_fedstore_has(&c->inforce.place.store))
        TALLY_TRY(tally_inforce_load(dir, tally_agent_place, &c->inforce));
    return tally_device_conf_open(&c->conf.device, c->inforce.f, &c->device);
}

static enum tally_status collect(struct collection *c, const struct values *v)
{
    struct tally_wr ev = tally_wr_to(c->ev, sizeof c->ev);
    struct tally_wr endorsements = tally_wr_to(c->endorsements, sizeof c->endorsements);
    const struct tally_quote_ask ask = {TALLY_QUOTE_COLLECT, TALLY_SLICE(c->nonce), c->nonce, {0}};

    TALLY_TRY(open_device(c, v->dir));
    TALLY_TRY(tally_device_quote(c->device, &ask, &ev, &endorsements));
    tally_report_data(ask.label, &ask.body, 1, ask.key_block, c->report_data);
    return collect_files_write(v->out, tally_slice_of(c->ev, ev.used),
                               tally_slice_of(c->endorsements, endorsements.used), &c->files);
}

/* A command line that grows; what does not fit is cut, as it is for people to read. */
struct command {
    char text[COMMAND];
    size_t used;
};

static void add(struct command *c, const char *fmt, ...) TALLY_PRINTF(2, 3);
static void add(struct command *c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(c->text + c->used, sizeof c->text - c->used, fmt, args);
    va_end(args);
    if (n > 0) c->used += (size_t)n;
    if (c->used >= sizeof c->text) c->used = sizeof c->text - 1;
}

static void add_file(struct command *line, const struct collection *c, const struct values *v,
                     const char *option, const char *name)
{
    if (collect_files_has(&c->files, name)) add(line, " %s %s/%s", option, v->out, name);
}

static json_t *cpu_command(const struct collection *c, const struct values *v)
{
    const struct tally_federation *f = c->inforce.f;
    struct command line = {.used = 0};
    char name[64], hex[2 * TALLY_REPORT_DATA_BYTES + 1], document[TALLY_FEDSTORE_PATH_MAX];

    if (c->files.evidence.kind == TALLY_EVIDENCE_TDX) {
        add(&line,
            "tally-agent evidence verify tdx --quote %s/quote.bin --collateral %s/collateral",
            v->out, v->out);
    } else {
        add(&line, "tally-agent evidence verify snp --report %s/report.bin", v->out);
        add_file(&line, c, v, "--vek", "vek.der");
        add_file(&line, c, v, "--issuer", "issuer.der");
        for (unsigned i = 0; i < TALLY_ENDORSEMENTS_ITEMS_MAX; i++) {
            (void)snprintf(name, sizeof name, "crl-%u.der", i);
            add_file(&line, c, v, "--crl", name);
        }
    }
    tally_hex(TALLY_SLICE(c->report_data), hex);
    if (f != NULL) {
        tally_fedstore_path(&c->inforce.place.store, f->version, f->digest, document);
        add(&line, " --federation %s", document);
    }
    add(&line, " --report-data %s", hex);
    return json_string(line.text);
}

static json_t *device_command(const struct collection *c, const struct values *v, const char *kind,
                              const char *verb, unsigned n)
{
    struct command line = {.used = 0};
    uint8_t nonce[NONCE];
    char name[64], hex[2 * NONCE + 1];

    (void)snprintf(name, sizeof name, "%s-%u-report.bin", kind, n);
    if (!collect_files_has(&c->files, name)) return NULL;
    collect_gpu_nonce(c->nonce, nonce);
    tally_hex(TALLY_SLICE(nonce), hex);
    add(&line,
        "tally-agent evidence verify %s --report %s/%s-%u-report.bin --chain %s/%s-%u-chain.pem",
        verb, v->out, kind, n, v->out, kind, n);
    for (unsigned i = 0; i < TALLY_ENDORSEMENTS_ITEMS_MAX; i++) {
        (void)snprintf(name, sizeof name, "manifest-%u.xml", i);
        add_file(&line, c, v, "--rim", name);
    }
    add(&line, " --nonce %s", hex);
    return json_string(line.text);
}

static json_t *commands(const struct collection *c, const struct values *v)
{
    json_t *list = json_array(), *one;

    (void)json_array_append_new(list, cpu_command(c, v));
    for (unsigned i = 0; i < TALLY_DEVICES_MAX; i++)
        if ((one = device_command(c, v, "gpu", "nvgpu", i)) != NULL)
            (void)json_array_append_new(list, one);
    for (unsigned i = 0; i < TALLY_DEVICES_MAX; i++)
        if ((one = device_command(c, v, "switch", "nvswitch", i)) != NULL)
            (void)json_array_append_new(list, one);
    return list;
}

static int tell(const struct collection *c, const struct values *v)
{
    char nonce[2 * NONCE + 1], data[2 * TALLY_REPORT_DATA_BYTES + 1];
    json_t *verify = commands(c, v), *line;
    size_t i;

    tally_hex(TALLY_SLICE(c->nonce), nonce);
    tally_hex(TALLY_SLICE(c->report_data), data);
    if (v->json)
        return tally_cli_json(
            json_pack("{s:s, s:s, s:s, s:s, s:O, s:o}", "out", v->out, "tee",
                      c->files.evidence.kind == TALLY_EVIDENCE_TDX ? "tdx" : "snp", "nonce", nonce,
                      "report_data", data, "files", c->files.names, "verify", verify));
    (void)printf("evidence over the nonce %s\nis in %s: %zu files. To verify it:\n", nonce, v->out,
                 json_array_size(c->files.names));
    json_array_foreach(verify, i, line)
    {
        (void)printf("  %s\n", json_string_value(line));
    }
    json_decref(verify);
    return fflush(stdout) == 0 ? TALLY_EXIT_DONE : TALLY_EXIT_FAILED;
}

#define AT(member) offsetof(struct values, member)
static const struct tally_cli_option options[] = {
    TALLY_CLI_OPT_TEXT("nonce", "HEX", AT(nonce),
                       "32 bytes that the verifier chose (default: random)"),
    TALLY_CLI_OPT_TEXT("out", "DIR", AT(out), "folder for the files (default: evidence)"),
    TALLY_CLI_OPT_TEXT("dir", "DIR", AT(dir), "the agent's folder (default: this one)"),
    TALLY_CLI_OPT_FLAG("json", AT(json), "one JSON object on stdout"),
};
static const struct tally_cli_spec spec = {
    .about = "Collects this machine's evidence over a nonce, as files for `evidence verify`.",
    .options = options,
    .options_n = sizeof options / sizeof options[0]};

int tally_cmd_evidence_collect(int argc, char **argv)
{
    TALLY_CLEANUP(free_collection) struct collection *c = calloc(1, sizeof *c);
    struct values v = {.dir = ".", .out = "evidence"};
    int code = tally_cli_options(argc, argv, &spec, &v, NULL);

    if (code != TALLY_CLI_GO) return code;
    if (c == NULL) return TALLY_EXIT_FAILED;
    randombytes_buf(c->nonce, sizeof c->nonce);
    if (v.nonce != NULL && tally_unhex(v.nonce, c->nonce, sizeof c->nonce) != TALLY_OK) {
        (void)fprintf(stderr, "tally-agent: --nonce is 32 bytes as 64 hex digits\n");
        return TALLY_EXIT_USAGE;
    }
    enum tally_status s = collect(c, &v);
    if (s != TALLY_OK) return tally_cli_fail(s, v.json, "evidence collect", NULL);
    return tell(c, &v);
}
