/* testchips.c - see testchips.h. */
#include "aggregator/testchips.h"

#include <stdio.h>
#include <string.h>

#include "common/attest/sim_chip.h"
#include "common/file.h"
#include "common/text.h"

static void describe(const struct tally_sim_chip *c, struct tally_testchip *out)
{
    uint8_t digest[TALLY_CHIP_DIGEST_BYTES];

    tally_sim_chip_digest(c, digest);
    tally_hex(TALLY_SLICE(digest), out->digest);
    memcpy(out->root, c->ark.at, c->ark.len);
    out->root_len = c->ark.len;
}

static enum tally_status issue(const struct tally_sim_root *root, uint64_t now_s,
                               struct tally_testchip *out)
{
    TALLY_CLEANUP(tally_sim_chip_free) struct tally_sim_chip *chip = NULL;

    TALLY_TRY(tally_sim_chip_new(root, now_s, &chip));
    TALLY_TRY(tally_sim_chip_save(chip, out->path));
    describe(chip, out);
    return TALLY_OK;
}

static void root_path(const char *dir, char out[TALLY_KEY_PATH_MAX])
{
    (void)snprintf(out, TALLY_KEY_PATH_MAX, "%s/test-root.key", dir);
}

enum tally_status tally_testchips_found(const char *dir, uint64_t now_s, struct tally_testchip *out)
{
    TALLY_CLEANUP(tally_sim_root_free) struct tally_sim_root *root = NULL;
    char path[TALLY_KEY_PATH_MAX];

    root_path(dir, path);
    (void)snprintf(out->path, sizeof out->path, "%s/chip", dir);
    TALLY_TRY(tally_sim_root_new(now_s, &root));
    TALLY_TRY(tally_sim_root_save(root, path));
    return issue(root, now_s, out);
}

enum tally_status tally_testchips_issue(const char *dir, const char *org, const char *node,
                                        uint64_t now_s, struct tally_testchip *out)
{
    TALLY_CLEANUP(tally_sim_root_free) struct tally_sim_root *root = NULL;
    TALLY_CLEANUP(tally_sim_chip_free) struct tally_sim_chip *chip = NULL;
    char path[TALLY_KEY_PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/chips", dir);
    TALLY_TRY(tally_file_make_dirs(path, TALLY_FILE_DIR_MODE_PRIVATE));
    (void)snprintf(out->path, sizeof out->path, "%s/chips/%s.%s.chip", dir, org, node);
    if (tally_file_exists(out->path)) {
        TALLY_TRY(tally_sim_chip_load(out->path, &chip));
        describe(chip, out);
        return TALLY_OK;
    }
    root_path(dir, path);
    TALLY_TRY(tally_sim_root_load(path, &root));
    return issue(root, now_s, out);
}
