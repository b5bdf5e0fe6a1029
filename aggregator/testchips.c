/* testchips.c - see testchips.h. */
#include "aggregator/testchips.h"

#include <stdio.h>
#include <string.h>

#include "common/attest/sim_chip.h"
#include "common/attest/sim_tdx.h"
#include "common/file.h"
#include "common/text.h"

static void root_path(const char *dir, enum tally_evidence_kind tee, char out[TALLY_KEY_PATH_MAX])
{
    (void)snprintf(out, TALLY_KEY_PATH_MAX, "%s/%s", dir,
                   tee == TALLY_EVIDENCE_TDX ? "test-root-tdx.key" : "test-root.key");
}

static void copy_root(const struct tally_sim_bytes *der, struct tally_testroot *out)
{
    TALLY_ASSERT(der->len <= sizeof out->at);
    memcpy(out->at, der->at, der->len);
    out->len = der->len;
}

static void describe(const struct tally_sim_chip *c, struct tally_testchip *out)
{
    uint8_t digest[TALLY_CHIP_DIGEST_BYTES];

    tally_sim_chip_digest(c, digest);
    tally_hex(TALLY_SLICE(digest), out->digest);
    copy_root(&c->ark, &out->root);
}

static void describe_tdx(const struct tally_sim_tdx_chip *c, struct tally_testchip *out)
{
    uint8_t digest[TALLY_CHIP_DIGEST_BYTES];

    tally_sim_tdx_chip_digest(c, digest);
    tally_hex(TALLY_SLICE(digest), out->digest);
    copy_root(&c->root, &out->root);
}

enum tally_status tally_testchips_found(const char *dir, uint64_t now_s, struct tally_testroot *snp)
{
    TALLY_CLEANUP(tally_sim_root_free) struct tally_sim_root *root = NULL;
    char path[TALLY_KEY_PATH_MAX];

    root_path(dir, TALLY_EVIDENCE_SNP, path);
    TALLY_TRY(tally_sim_root_new(now_s, &root));
    TALLY_TRY(tally_sim_root_save(root, path));
    copy_root(&root->ark, snp);
    return TALLY_OK;
}

static enum tally_status tdx_root(const char *dir, uint64_t now_s, struct tally_sim_tdx_root **out)
{
    char path[TALLY_KEY_PATH_MAX];

    root_path(dir, TALLY_EVIDENCE_TDX, path);
    if (tally_file_exists(path)) return tally_sim_tdx_root_load(path, out);
    TALLY_TRY(tally_sim_tdx_root_new(now_s, out));
    return tally_sim_tdx_root_save(*out, path);
}

enum tally_status tally_testchips_tdx_root(const char *dir, uint64_t now_s,
                                           struct tally_testroot *tdx)
{
    TALLY_CLEANUP(tally_sim_tdx_root_free) struct tally_sim_tdx_root *root = NULL;

    TALLY_TRY(tdx_root(dir, now_s, &root));
    copy_root(&root->certs[0], tdx);
    return TALLY_OK;
}

static enum tally_status issue_tdx(const char *dir, uint64_t now_s, struct tally_testchip *out)
{
    TALLY_CLEANUP(tally_sim_tdx_root_free) struct tally_sim_tdx_root *root = NULL;
    TALLY_CLEANUP(tally_sim_tdx_chip_free) struct tally_sim_tdx_chip *chip = NULL;

    TALLY_TRY(tdx_root(dir, now_s, &root));
    TALLY_TRY(tally_sim_tdx_chip_new(root, now_s, &chip));
    TALLY_TRY(tally_sim_tdx_chip_save(chip, out->path));
    describe_tdx(chip, out);
    return TALLY_OK;
}

static enum tally_status issue_snp(const char *dir, uint64_t now_s, struct tally_testchip *out)
{
    TALLY_CLEANUP(tally_sim_root_free) struct tally_sim_root *root = NULL;
    TALLY_CLEANUP(tally_sim_chip_free) struct tally_sim_chip *chip = NULL;
    char path[TALLY_KEY_PATH_MAX];

    root_path(dir, TALLY_EVIDENCE_SNP, path);
    TALLY_TRY(tally_sim_root_load(path, &root));
    TALLY_TRY(tally_sim_chip_new(root, now_s, &chip));
    TALLY_TRY(tally_sim_chip_save(chip, out->path));
    describe(chip, out);
    return TALLY_OK;
}

/* The file that is there already. */
static enum tally_status issued_before(struct tally_testchip *out)
{
    TALLY_CLEANUP(tally_sim_chip_free) struct tally_sim_chip *chip = NULL;
    TALLY_CLEANUP(tally_sim_tdx_chip_free) struct tally_sim_tdx_chip *tdx = NULL;
    bool is_tdx;

    TALLY_TRY(tally_sim_tdx_chip_is(out->path, &is_tdx));
    TALLY_ENSURE(is_tdx == (out->tee == TALLY_EVIDENCE_TDX), TALLY_E_STATE,
                 "%s is another kind of machine already: say the same --tee, or remove it",
                 out->path);
    if (is_tdx) {
        TALLY_TRY(tally_sim_tdx_chip_load(out->path, &tdx));
        describe_tdx(tdx, out);
    } else {
        TALLY_TRY(tally_sim_chip_load(out->path, &chip));
        describe(chip, out);
    }
    return TALLY_OK;
}

static enum tally_status issue(const char *dir, uint64_t now_s, struct tally_testchip *out)
{
    return out->tee == TALLY_EVIDENCE_TDX ? issue_tdx(dir, now_s, out) : issue_snp(dir, now_s, out);
}

enum tally_status tally_testchips_own(const char *dir, enum tally_evidence_kind tee, uint64_t now_s,
                                      struct tally_testchip *out)
{
    out->tee = tee;
    (void)snprintf(out->path, sizeof out->path, "%s/chip", dir);
    return issue(dir, now_s, out);
}

enum tally_status tally_testchips_issue(const char *dir, const char *org, const char *node,
                                        enum tally_evidence_kind tee, uint64_t now_s,
                                        struct tally_testchip *out)
{
    char path[TALLY_KEY_PATH_MAX];

    out->tee = tee;
    (void)snprintf(path, sizeof path, "%s/chips", dir);
    TALLY_TRY(tally_file_make_dirs(path, TALLY_FILE_DIR_MODE_PRIVATE));
    (void)snprintf(out->path, sizeof out->path, "%s/chips/%s.%s.chip", dir, org, node);
    return tally_file_exists(out->path) ? issued_before(out) : issue(dir, now_s, out);
}
