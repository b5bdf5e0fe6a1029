/* collect_files.c - see collect_files.h. */
#include "agent/collect_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/gpu_set.h"
#include "common/file.h"
#include "common/text.h"

enum { NAME = 96, CERTS = 8, LINE = 48 /* bytes of 64 characters */ };

struct job {
    const char *dir;
    json_t *names;
};

static enum tally_status write_one(struct job *j, const char *name, struct tally_slice bytes)
{
    char path[TALLY_FILE_PATH_MAX];

    TALLY_ENSURE(snprintf(path, sizeof path, "%s/%s", j->dir, name) < (int)sizeof path,
                 TALLY_E_LIMIT, "%s: too long a path", j->dir);
    TALLY_ENSURE(!tally_file_exists(path), TALLY_E_STATE, "%s is there already", path);
    TALLY_TRY(tally_file_write(path, bytes, TALLY_FILE_MODE_PUBLIC));
    TALLY_ENSURE(json_array_append_new(j->names, json_string(name)) == 0, TALLY_E_NOMEM, "files");
    return TALLY_OK;
}

static void pem_one(struct tally_wr *w, struct tally_slice der)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----\n",
                      end[] = "-----END CERTIFICATE-----\n";
    char line[TALLY_BASE64_SIZE(LINE)];

    tally_wr_put(w, begin, sizeof begin - 1);
    for (size_t at = 0; at < der.len; at += LINE) {
        size_t n = der.len - at < LINE ? der.len - at : LINE;
        tally_base64(tally_slice_of(der.at + at, n), line);
        tally_wr_put(w, line, strlen(line));
        tally_wr_u8(w, '\n');
    }
    tally_wr_put(w, end, sizeof end - 1);
}

static enum tally_status write_chain(struct job *j, const char *name, struct tally_slice chain)
{
    struct tally_slice der[CERTS], text;
    uint8_t pem[2 * TALLY_DEVICE_CHAIN_MAX];
    struct tally_wr w = tally_wr_to(pem, sizeof pem);
    uint32_t n = 0;

    TALLY_TRY(tally_chain_split(chain, der, CERTS, &n));
    for (uint32_t i = 0; i < n; i++) pem_one(&w, der[i]);
    TALLY_TRY(tally_wr_end(&w, &text));
    return write_one(j, name, text);
}

static enum tally_status write_devices(struct job *j, const struct tally_evidence *e)
{
    uint32_t count[TALLY_DEVICE_NVSWITCH + 1] = {0};
    char name[NAME];

    for (uint32_t i = 0; i < e->devices_n; i++) {
        const struct tally_device_evidence *d = &e->devices[i];
        const char *kind = d->kind == TALLY_DEVICE_GPU ? "gpu" : "switch";
        uint32_t n = count[d->kind]++;
        (void)snprintf(name, sizeof name, "%s-%u-report.bin", kind, n);
        TALLY_TRY(write_one(j, name, d->report));
        (void)snprintf(name, sizeof name, "%s-%u-chain.pem", kind, n);
        TALLY_TRY(write_chain(j, name, d->chain));
    }
    return TALLY_OK;
}

/* A name that came with collateral is made a file's only if it can be nothing but one. */
static bool plain(struct tally_slice s)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] == '\0' || strchr(letters, s.at[i]) == NULL) return false;
    return s.len > 0 && s.len <= TALLY_ENDORSEMENT_NAME_MAX && s.at[0] != '.';
}

static enum tally_status name_of(const struct tally_endorsement *e, uint32_t *counts,
                                 char out[NAME])
{
    uint32_t n = counts[e->kind]++;

    switch (e->kind) {
    case TALLY_ENDORSEMENT_VEK: (void)snprintf(out, NAME, "vek.der"); break;
    case TALLY_ENDORSEMENT_ISSUER: (void)snprintf(out, NAME, "issuer.der"); break;
    case TALLY_ENDORSEMENT_CRL: (void)snprintf(out, NAME, "crl-%u.der", n); break;
    case TALLY_ENDORSEMENT_MANIFEST: (void)snprintf(out, NAME, "manifest-%u.xml", n); break;
    case TALLY_ENDORSEMENT_TDX_COLLATERAL:
        TALLY_REFUSE_UNLESS(plain(e->name), TALLY_R_E_FORMAT,
                            "collateral under a name that is none for a file");
        (void)snprintf(out, NAME, "collateral/%.*s", (int)e->name.len, (const char *)e->name.at);
        break;
    }
    return TALLY_OK;
}

static enum tally_status write_endorsements(struct job *j, const struct tally_endorsements *list)
{
    uint32_t counts[TALLY_ENDORSEMENT_MANIFEST + 1] = {0};
    char name[NAME], sub[TALLY_FILE_PATH_MAX];

    for (uint32_t i = 0; i < list->n; i++) {
        const struct tally_endorsement *e = &list->items[i];
        if (e->kind == TALLY_ENDORSEMENT_TDX_COLLATERAL) {
            (void)snprintf(sub, sizeof sub, "%.*s/collateral", TALLY_FILE_PATH_MAX - 16, j->dir);
            TALLY_TRY(tally_file_make_dirs(sub, 0755));
        }
        TALLY_TRY(name_of(e, counts, name));
        TALLY_TRY(write_one(j, name, e->bytes));
    }
    return TALLY_OK;
}

static enum tally_status write_all(struct job *j, const struct tally_evidence *e,
                                   const struct tally_endorsements *list, struct tally_slice ev,
                                   struct tally_slice endorsements)
{
    char last[TALLY_FILE_PATH_MAX];

    TALLY_TRY(tally_file_make_dirs(j->dir, 0755));
    (void)snprintf(last, sizeof last, "%.*s/ev.bin", TALLY_FILE_PATH_MAX - 16, j->dir);
    TALLY_ENSURE(!tally_file_exists(last), TALLY_E_STATE, "%s holds evidence already", j->dir);
    TALLY_TRY(write_one(j, e->kind == TALLY_EVIDENCE_SNP ? "report.bin" : "quote.bin", e->report));
    TALLY_TRY(write_endorsements(j, list));
    TALLY_TRY(write_devices(j, e));
    TALLY_TRY(write_one(j, "endorsements.bin", endorsements));
    return write_one(j, "ev.bin", ev);
}

enum tally_status collect_files_write(const char *dir, struct tally_slice ev,
                                      struct tally_slice endorsements, struct collect_files *out)
{
    struct tally_endorsements *list = malloc(sizeof *list);
    struct job j = {.dir = dir, .names = json_array()};
    struct tally_evidence e;

    enum tally_status s =
        list != NULL && j.names != NULL ? TALLY_OK : TALLY_FAIL(TALLY_E_NOMEM, "evidence as files");
    if (s == TALLY_OK) s = tally_evidence_decode(ev, &e);
    if (s == TALLY_OK) s = tally_endorsements_decode(endorsements, list);
    if (s == TALLY_OK) s = write_all(&j, &e, list, ev, endorsements);
    free(list);
    if (s != TALLY_OK) {
        json_decref(j.names);
        return s;
    }
    *out = (struct collect_files){.evidence = e, .names = j.names};
    return TALLY_OK;
}

void collect_files_free(struct collect_files *c)
{
    json_decref(c->names);
    c->names = NULL;
}

bool collect_files_has(const struct collect_files *c, const char *name)
{
    size_t i;
    json_t *v;

    json_array_foreach(c->names, i, v)
    {
        if (strcmp(json_string_value(v), name) == 0) return true;
    }
    return false;
}

void collect_gpu_nonce(const uint8_t nonce[32], uint8_t out[32])
{
    tally_gpu_nonce(nonce, (struct tally_slice){0}, out);
}
