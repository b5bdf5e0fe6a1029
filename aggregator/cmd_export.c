/* cmd_export.c - `export` writes a version, its lineage and, where asked, everything that an
 * auditor needs to judge its updates offline: statements, key blocks, reports, certificates, CRLs.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/commands.h"
#include "aggregator/conf.h"
#include "aggregator/store.h"
#include "common/attest/evidence.h"
#include "common/cli.h"
#include "common/cmd_documents.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/text.h"
#include "proto/roundframes.h"

enum { PATH_SIZE = 2 * TALLY_CONF_PATH_SIZE };

struct options {
    const char *dir, *out, *digest, *evidence;
    bool json;
};

struct exporting {
    const struct tally_aggregator_conf *conf;
    const struct options *o;
    uint32_t found, updates;
    uint8_t job[32];
    uint64_t round;
};

/* Writes the file only if it still is what its digest says. */
static enum tally_status export_one(void *ctx, const struct tally_store_version *v)
{
    struct exporting *x = ctx;
    char path[PATH_SIZE], lineage[PATH_SIZE];
    struct tally_slice file = {0};
    uint8_t digest[32];

    if (x->found++ != 0) return TALLY_OK;
    memcpy(x->job, v->job, 32);
    x->round = v->round;
    (void)snprintf(path, sizeof path, "%s/%s", x->conf->state_dir, v->path);
    (void)snprintf(lineage, sizeof lineage, "%s.lineage.json", x->o->out);
    TALLY_TRY(tally_file_map(path, SIZE_MAX, &file));
    TALLY_SHA256_OF(digest, file);
    enum tally_status s =
        memcmp(digest, v->digest, 32) == 0
            ? tally_file_write(x->o->out, file, TALLY_FILE_MODE_PUBLIC)
            : TALLY_FAIL(TALLY_E_STATE, "%s is not the version it was: its digest differs", path);
    tally_file_unmap(&file);
    TALLY_TRY(s);
    return tally_file_write(lineage, v->lineage, TALLY_FILE_MODE_PUBLIC);
}

static enum tally_status put(const struct exporting *x, const struct tally_store_update *u,
                             const char *what, struct tally_slice bytes)
{
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof path, "%s/%s.%s.%s", x->o->evidence, u->key.org, u->key.node, what);
    return tally_file_write(path, bytes, TALLY_FILE_MODE_PUBLIC);
}

/* An update's evidence as `evidence verify snp` takes it. */
static enum tally_status export_update(void *ctx, const struct tally_store_update *u)
{
    struct exporting *x = ctx;
    struct tally_upload_head head;
    struct tally_evidence e;
    struct tally_endorsements *list = calloc(1, sizeof *list);
    static const char *const names[] = {"", "vek.der", "issuer.der", "crl.der"};

    TALLY_ENSURE(list != NULL, TALLY_E_NOMEM, "export");
    enum tally_status s = tally_upload_head_decode(u->head, &head);
    if (s == TALLY_OK) s = tally_evidence_decode(head.ev, &e);
    if (s == TALLY_OK) s = tally_endorsements_decode(head.endorsements, list);
    if (s == TALLY_OK) s = put(x, u, "report", e.report);
    if (s == TALLY_OK) s = put(x, u, "statement", head.st);
    if (s == TALLY_OK) s = put(x, u, "keyblock", u->key_block);
    if (s == TALLY_OK) s = put(x, u, "signature", TALLY_SLICE(head.sig));
    for (uint32_t i = 0; s == TALLY_OK && i < list->n; i++) {
        if (list->items[i].kind <= TALLY_ENDORSEMENT_CRL)
            s = put(x, u, names[list->items[i].kind], list->items[i].bytes);
    }
    free(list);
    x->updates++;
    return s;
}

static enum tally_status export_all(struct tally_store *store, struct exporting *x)
{
    uint8_t digest[32];

    if (x->o->digest == NULL) {
        TALLY_TRY(tally_store_versions(store, NULL, true, export_one, x));
    } else {
        TALLY_TRY(tally_digest_parse(x->o->digest, digest));
        TALLY_TRY(tally_store_version(store, digest, export_one, x));
    }
    TALLY_ENSURE(x->found != 0, TALLY_E_STATE, "there is no such version: see `models`");
    if (x->o->evidence == NULL) return TALLY_OK;
    TALLY_TRY(tally_file_make_dirs(x->o->evidence, TALLY_FILE_DIR_MODE_PRIVATE));
    return tally_store_updates(store, x->job, x->round, export_update, x);
}

#define AT(field) offsetof(struct options, field)
static const struct tally_cli_option options[] = {
    TALLY_CLI_OPT_TEXT("dir", "DIR", AT(dir), "the aggregator's folder (default: here)"),
    TALLY_CLI_OPT_NEED("out", "FILE", AT(out),
                       "the model file to write; its lineage goes into FILE.lineage.json"),
    TALLY_CLI_OPT_TEXT("version", "DIGEST", AT(digest),
                       "which one, by SHA-256 (default: the newest)"),
    TALLY_CLI_OPT_TEXT("evidence", "DIR", AT(evidence),
                       "also the evidence of its updates, for `evidence verify`"),
    TALLY_CLI_OPT_FLAG("json", AT(json), "one JSON object on stdout"),
};

static enum tally_status run(const struct options *o, struct exporting *x)
{
    struct tally_aggregator_conf *conf = calloc(1, sizeof *conf);
    struct tally_store *store = NULL;

    TALLY_ENSURE(conf != NULL, TALLY_E_NOMEM, "configuration");
    *x = (struct exporting){.conf = conf, .o = o};
    enum tally_status s = tally_aggregator_conf_load(o->dir, conf);
    if (s == TALLY_OK) s = tally_store_open(&store, conf->state_dir, true);
    if (s == TALLY_OK) s = export_all(store, x);
    if (store != NULL) tally_store_close(&store);
    free(conf);
    return s;
}

int tally_cmd_export(int argc, char **argv)
{
    static const struct tally_cli_spec spec = {
        .about = "Write a version's model file, its lineage and the evidence of its updates.",
        .options = options,
        .options_n = sizeof options / sizeof options[0]};
    struct options o = {.dir = "."};
    struct exporting x;
    int code = tally_cli_options(argc, argv, &spec, &o, NULL);

    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = run(&o, &x);
    if (s != TALLY_OK) return tally_cli_fail(s, o.json, "export", NULL);
    if (o.json)
        return tally_cli_json(
            json_pack("{s:s, s:I}", "file", o.out, "updates", (json_int_t)x.updates));
    (void)printf("%s and %s.lineage.json\n", o.out, o.out);
    if (o.evidence != NULL) (void)printf("evidence of %u updates in %s\n", x.updates, o.evidence);
    return TALLY_EXIT_DONE;
}
