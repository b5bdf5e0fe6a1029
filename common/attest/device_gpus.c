/* device_gpus.c - see device_gpus.h. */
#include "common/attest/device_gpus.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/device_ops.h"
#include "common/attest/quote_nvml.h"
#include "common/file.h"
#include "common/secret.h"

enum { MANIFEST_MAX = 128 * 1024 };

struct tally_device_gpus {
    struct tally_nvml *nvml;
    char manifests[TALLY_DEVICE_PATH_SIZE];
};

static void stop(void *ctx)
{
    struct tally_device_gpus *g = ctx;

    tally_nvml_close(&g->nvml);
    free(g);
}

/* All into one block, as the device holds it. */
static enum tally_status gather(const struct tally_gpu_evidence *got, uint32_t n,
                                struct tally_gpu_list *out)
{
    size_t bytes = 0, at = 0;

    for (uint32_t i = 0; i < n; i++) bytes += got[i].device.report.len + got[i].device.chain.len;
    uint8_t *block = malloc(bytes);
    TALLY_ENSURE(block != NULL, TALLY_E_NOMEM, "GPU evidence");
    for (uint32_t i = 0; i < n; i++) {
        const struct tally_device_evidence *d = &got[i].device;
        out->devices[i] = (struct tally_device_evidence){
            d->kind, tally_slice_of(block + at, d->report.len),
            tally_slice_of(block + at + d->report.len, d->chain.len)};
        memcpy(block + at, d->report.at, d->report.len);
        memcpy(block + at + d->report.len, d->chain.at, d->chain.len);
        at += d->report.len + d->chain.len;
    }
    out->owned = block;
    out->n = n;
    return TALLY_OK;
}

static enum tally_status collect(void *ctx, const uint8_t nonce[32], struct tally_gpu_list *out)
{
    struct tally_device_gpus *g = ctx;
    struct tally_gpu_evidence got[TALLY_DEVICES_MAX] = {0};
    uint32_t n = 0;

    TALLY_TRY(tally_nvml_collect(g->nvml, nonce, got, TALLY_DEVICES_MAX, &n));
    enum tally_status s = gather(got, n, out);
    tally_gpu_evidence_free(got, n);
    return s;
}

static bool is_manifest(const char *name)
{
    const char *dot = strrchr(name, '.');

    return *name != '.' && dot != NULL &&
           (strcmp(dot, ".xml") == 0 || strcmp(dot, ".swidtag") == 0) &&
           strlen(name) <= TALLY_ENDORSEMENT_NAME_MAX;
}

static enum tally_status add_manifest(const char *dir, const char *name, struct tally_wr *w)
{
    char path[TALLY_DEVICE_PATH_SIZE + TALLY_ENDORSEMENT_NAME_MAX + 2];
    uint8_t *bytes = NULL;
    size_t len = 0;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    TALLY_TRY(tally_file_read(path, MANIFEST_MAX, &bytes, &len));
    tally_endorsement_encode(w, &(struct tally_endorsement){.kind = TALLY_ENDORSEMENT_MANIFEST,
                                                            .name = tally_slice_str(name),
                                                            .bytes = tally_slice_of(bytes, len)});
    free(bytes);
    TALLY_ENSURE(!w->full, TALLY_E_LIMIT, "%s: manifests of more than %d KiB in all", dir,
                 TALLY_ENDORSEMENTS_MAX / 1024);
    return TALLY_OK;
}

static void close_dir(DIR **d)
{
    if (*d != NULL) (void)closedir(*d);
}

static enum tally_status manifests(void *ctx, struct tally_wr *endorsements)
{
    const struct tally_device_gpus *g = ctx;
    struct dirent *entry;

    if (*g->manifests == '\0') return TALLY_OK;
    TALLY_CLEANUP(close_dir) DIR *list = opendir(g->manifests);
    TALLY_ENSURE(list != NULL, TALLY_E_IO, "reference manifests: %s: %s", g->manifests,
                 strerror(errno));
    while ((entry = readdir(list)) != NULL)
        if (is_manifest(entry->d_name))
            TALLY_TRY(add_manifest(g->manifests, entry->d_name, endorsements));
    return TALLY_OK;
}

static void drop(struct tally_device_gpus **g)
{
    if (*g != NULL) stop(*g);
}

enum tally_status tally_device_add_nvidia(struct tally_device *d, const char *folder,
                                          struct tally_device_gpus **out)
{
    TALLY_CLEANUP(drop) struct tally_device_gpus *g = calloc(1, sizeof *g);
    struct tally_nvml_state state;

    TALLY_ENSURE(g != NULL, TALLY_E_NOMEM, "GPUs");
    if (folder != NULL)
        TALLY_ENSURE(snprintf(g->manifests, sizeof g->manifests, "%s", folder) <
                         (int)sizeof g->manifests,
                     TALLY_E_LIMIT, "reference manifests: too long a path");
    TALLY_TRY(tally_nvml_open(&g->nvml));
    TALLY_TRY(tally_nvml_state(g->nvml, &state));
    struct tally_nvml_trouble t = tally_nvml_trouble(&state);
    TALLY_REFUSE_UNLESS(t.reason == TALLY_R_NONE, t.reason, "%s: %s", t.what, t.fix);
    tally_device_add_gpus(d, &(struct tally_gpu_source){collect, manifests, stop, g});
    if (out != NULL) *out = g;
    g = NULL;
    return TALLY_OK;
}

enum tally_status tally_device_gpus_ready(struct tally_device_gpus *g)
{
    return tally_nvml_set_ready(g->nvml);
}
