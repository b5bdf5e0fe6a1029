/* make_gpus.c - tally_make_gpus DIR N: simulated GPUs for a test federation, as files that the stub
 * of the driver's library loads (tests/stub): DIR/gpu-1 to gpu-N under one root, gpu-root.der,
 * rim-root.der, and the manifests that fit them, rims/driver.xml and rims/vbios.xml; and
 * DIR/foreign, a GPU under another root. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/attest/sim_rim.h"
#include "common/file.h"
#include "common/secret.h"
#include "tests/lib/simulated_gpu.h"

enum { PATH = 1024, MANIFEST_MAX = 64 * 1024 };
static const char *dir;

static void must(enum tally_status s)
{
    if (s == TALLY_OK) return;
    (void)fprintf(stderr, "make_gpus: %s\n", tally_why());
    exit(1);
}

static const char *in_dir(const char *name)
{
    static char path[PATH];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void write_public(const char *name, struct tally_slice bytes)
{
    must(tally_file_write(in_dir(name), bytes, TALLY_FILE_MODE_PUBLIC));
}

static void write_manifest(const struct tally_sim_gpu *g, bool driver,
                           const struct tally_sim_rim_signer *s)
{
    static uint8_t text[MANIFEST_MAX];
    struct tally_wr w = tally_wr_to(text, sizeof text);

    simulated_manifest(g, driver, s, &w);
    write_public(driver ? "rims/driver.xml" : "rims/vbios.xml", tally_slice_of(text, w.used));
}

static void make_gpu(const struct tally_sim_gpu_root *root, const char *name,
                     const struct tally_sim_rim_signer *s)
{
    struct tally_sim_gpu *g = NULL;

    must(tally_sim_gpu_new(root, TALLY_GPU_GH100, (uint64_t)time(NULL), &g));
    must(tally_sim_gpu_save(g, in_dir(name)));
    if (s != NULL) {
        write_manifest(g, true, s);
        write_manifest(g, false, s);
    }
    tally_sim_gpu_free(&g);
}

int main(int argc, char **argv)
{
    struct tally_sim_gpu_root *root = NULL, *other = NULL;
    struct tally_sim_rim_signer *signer = NULL;
    uint64_t now_s = (uint64_t)time(NULL);
    char name[32];

    if (argc != 3) return 2;
    dir = argv[1];
    must(tally_secret_setup());
    must(tally_file_make_dirs(in_dir("rims"), TALLY_FILE_DIR_MODE_PRIVATE));
    must(tally_sim_gpu_root_new(now_s, NULL, &root));
    must(tally_sim_gpu_root_new(now_s, NULL, &other));
    must(tally_sim_rim_signer_new(now_s, &signer));
    write_public("gpu-root.der", tally_sim_gpu_root_der(root));
    write_public("rim-root.der", tally_sim_rim_root(signer));
    for (int i = 1; i <= atoi(argv[2]); i++) {
        (void)snprintf(name, sizeof name, "gpu-%d", i);
        make_gpu(root, name, i == 1 ? signer : NULL);
    }
    make_gpu(other, "foreign", NULL);
    tally_sim_gpu_root_free(&root);
    tally_sim_gpu_root_free(&other);
    tally_sim_rim_signer_free(&signer);
    return 0;
}
