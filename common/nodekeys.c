/* nodekeys.c - see nodekeys.h. */
#include "common/nodekeys.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/file.h"
#include "common/secret.h"

static const char magic[] = "tally-key/1\n";
enum { MAGIC = sizeof magic - 1, FILE_BYTES = MAGIC + 4 + 32 + 32 };

struct key_file {
    uint8_t federation[32]; /* zeros: not bound */
    uint8_t secret[32];
};

static void wipe_file(struct key_file *f)
{
    sodium_memzero(f, sizeof *f);
}

static const char *kind_name(enum tally_key_kind kind)
{
    if (kind == TALLY_KEY_DOCUMENT) return "document key";
    return kind == TALLY_KEY_SESSION ? "session key" : "CURVE key";
}

static enum tally_status write_file(const char *path, enum tally_key_kind kind,
                                    enum tally_mode mode, const struct key_file *f)
{
    uint8_t bytes[FILE_BYTES];
    struct tally_wr w = tally_wr_to(bytes, sizeof bytes);
    struct tally_slice whole;

    tally_wr_put(&w, magic, MAGIC);
    tally_wr_u8(&w, (uint8_t)kind);
    tally_wr_u8(&w, (uint8_t)mode);
    tally_wr_be16(&w, 0);
    tally_wr_put(&w, f->federation, sizeof f->federation);
    tally_wr_put(&w, f->secret, sizeof f->secret);
    enum tally_status s = tally_wr_end(&w, &whole);
    if (s == TALLY_OK) s = tally_file_write(path, whole, TALLY_FILE_MODE_SECRET);
    sodium_memzero(bytes, sizeof bytes);
    return s;
}

static enum tally_status parse_file(const char *path, const uint8_t bytes[FILE_BYTES],
                                    enum tally_key_kind kind, enum tally_mode mode,
                                    struct key_file *f)
{
    struct tally_rd r = tally_rd_from(tally_slice_of(bytes, FILE_BYTES));
    struct tally_slice head = tally_rd_bytes(&r, MAGIC, "magic");

    TALLY_ENSURE(memcmp(head.at, magic, MAGIC) == 0, TALLY_E_CONFIG, "%s is no key file", path);
    uint8_t found = tally_rd_u8(&r, "kind"), found_mode = tally_rd_u8(&r, "mode");
    tally_rd_zero(&r, 2, "reserved");
    tally_rd_copy(&r, f->federation, sizeof f->federation, "federation");
    tally_rd_copy(&r, f->secret, sizeof f->secret, "secret");
    TALLY_ENSURE(tally_rd_end(&r) == TALLY_OK, TALLY_E_CONFIG, "%s is no key file", path);
    TALLY_ENSURE(found == kind, TALLY_E_CONFIG, "%s holds no %s", path, kind_name(kind));
    TALLY_REFUSE_UNLESS(found_mode == mode, TALLY_R_E_FEDERATION,
                        "%s was made for mode %s, and the configuration says mode: %s", path,
                        found_mode == TALLY_MODE_TEST ? "test" : "production",
                        tally_mode_name(mode));
    return TALLY_OK;
}

static enum tally_status read_file(const char *path, enum tally_key_kind kind, enum tally_mode mode,
                                   struct key_file *f)
{
    uint8_t bytes[FILE_BYTES];

    TALLY_TRY(tally_file_read_exact(path, bytes, sizeof bytes));
    enum tally_status s = parse_file(path, bytes, kind, mode, f);
    sodium_memzero(bytes, sizeof bytes);
    if (s != TALLY_OK) wipe_file(f);
    return s;
}

static bool is_bound(const struct key_file *f)
{
    return sodium_is_zero(f->federation, sizeof f->federation) == 0;
}

static enum tally_status check_bound(const char *path, const struct key_file *f,
                                     const uint8_t federation_id[32])
{
    TALLY_REFUSE_UNLESS(!is_bound(f) || memcmp(f->federation, federation_id, 32) == 0,
                        TALLY_R_E_FEDERATION, "%s belongs to another federation", path);
    return TALLY_OK;
}

static void public_of(enum tally_key_kind kind, const uint8_t secret[32], uint8_t out[32])
{
    struct tally_sign_key k;

    if (kind == TALLY_KEY_CURVE) {
        tally_kex_public(secret, out);
        return;
    }
    tally_sign_key_from_seed(&k, secret);
    memcpy(out, tally_sign_public(&k), 32);
    tally_sign_key_wipe(&k);
}

enum tally_status tally_key_make(const char *path, enum tally_key_kind kind, enum tally_mode mode,
                                 uint8_t public_key[32])
{
    TALLY_CLEANUP(wipe_file) struct key_file f = {0};

    TALLY_ENSURE(!tally_file_exists(path), TALLY_E_STATE,
                 "%s is there already and is never overwritten", path);
    randombytes_buf(f.secret, sizeof f.secret);
    TALLY_TRY(write_file(path, kind, mode, &f));
    public_of(kind, f.secret, public_key);
    return TALLY_OK;
}

enum tally_status tally_key_bind(const char *path, enum tally_key_kind kind, enum tally_mode mode,
                                 const uint8_t federation_id[32])
{
    TALLY_CLEANUP(wipe_file) struct key_file f = {0};

    TALLY_TRY(read_file(path, kind, mode, &f));
    TALLY_TRY(check_bound(path, &f, federation_id));
    if (is_bound(&f)) return TALLY_OK;
    memcpy(f.federation, federation_id, sizeof f.federation);
    return write_file(path, kind, mode, &f);
}

enum tally_status tally_document_key_load(const char *path, enum tally_mode mode,
                                          const uint8_t *federation_id, struct tally_sign_key *out)
{
    TALLY_CLEANUP(wipe_file) struct key_file f = {0};

    TALLY_TRY(read_file(path, TALLY_KEY_DOCUMENT, mode, &f));
    if (federation_id != NULL) TALLY_TRY(check_bound(path, &f, federation_id));
    tally_sign_key_from_seed(out, f.secret);
    return TALLY_OK;
}

/* ---- the keys of a node ---- */

static const struct {
    const char *name;
    enum tally_key_kind kind;
} files[] = {
    {"session.key", TALLY_KEY_SESSION},
    {"curve.key",   TALLY_KEY_CURVE  },
};
enum { SESSION, CURVE, FILES };

static void file_path(const char *dir, size_t i, char out[TALLY_KEY_PATH_MAX])
{
    (void)snprintf(out, TALLY_KEY_PATH_MAX, "%s/%s", dir, files[i].name);
}

void tally_nodekeys_wipe(struct tally_nodekeys *k)
{
    sodium_memzero(k, sizeof *k);
}

enum tally_status tally_nodekeys_make(const char *dir, enum tally_mode mode,
                                      struct tally_nodekeys_public *out)
{
    char path[TALLY_KEY_PATH_MAX];
    uint8_t keys[FILES][32];

    TALLY_TRY(tally_file_make_dirs(dir, TALLY_FILE_DIR_MODE_PRIVATE));
    for (size_t i = 0; i < FILES; i++) {
        file_path(dir, i, path);
        TALLY_TRY(tally_key_make(path, files[i].kind, mode, keys[i]));
    }
    memcpy(out->session, keys[SESSION], sizeof out->session);
    tally_z85_key(keys[CURVE], out->curve);
    return TALLY_OK;
}

enum tally_status tally_nodekeys_bind(const char *dir, enum tally_mode mode,
                                      const uint8_t federation_id[32])
{
    char path[TALLY_KEY_PATH_MAX];

    for (size_t i = 0; i < FILES; i++) {
        file_path(dir, i, path);
        TALLY_TRY(tally_key_bind(path, files[i].kind, mode, federation_id));
    }
    return TALLY_OK;
}

static enum tally_status load_one(const char *dir, size_t i, enum tally_mode mode,
                                  const uint8_t federation_id[32], struct key_file *f)
{
    char path[TALLY_KEY_PATH_MAX];

    file_path(dir, i, path);
    TALLY_TRY(read_file(path, files[i].kind, mode, f));
    TALLY_REFUSE_UNLESS(is_bound(f), TALLY_R_E_FEDERATION,
                        "%s is bound to no federation yet: none has been taken into use", path);
    return check_bound(path, f, federation_id);
}

enum tally_status tally_nodekeys_load(const char *dir, enum tally_mode mode,
                                      const uint8_t federation_id[32], struct tally_nodekeys *out)
{
    TALLY_CLEANUP(wipe_file) struct key_file session = {0};
    TALLY_CLEANUP(wipe_file) struct key_file curve = {0};
    uint8_t curve_public[32];

    TALLY_TRY(load_one(dir, SESSION, mode, federation_id, &session));
    TALLY_TRY(load_one(dir, CURVE, mode, federation_id, &curve));
    tally_sign_key_from_seed(&out->session, session.secret);
    memcpy(out->curve_secret, curve.secret, sizeof out->curve_secret);
    public_of(TALLY_KEY_CURVE, curve.secret, curve_public);
    tally_z85_key(curve_public, out->curve_public);
    return TALLY_OK;
}

enum tally_status tally_nodekeys_show(const char *dir, enum tally_mode mode,
                                      struct tally_nodekeys_public *out)
{
    char path[TALLY_KEY_PATH_MAX];
    uint8_t keys[FILES][32];

    for (size_t i = 0; i < FILES; i++) {
        TALLY_CLEANUP(wipe_file) struct key_file f = {0};
        file_path(dir, i, path);
        TALLY_TRY(read_file(path, files[i].kind, mode, &f));
        public_of(files[i].kind, f.secret, keys[i]);
    }
    memcpy(out->session, keys[SESSION], sizeof out->session);
    tally_z85_key(keys[CURVE], out->curve);
    return TALLY_OK;
}

enum tally_status tally_nodekeys_listed(const struct tally_nodekeys_public *k,
                                        const struct tally_node *n)
{
    bool curve = false;

    TALLY_REFUSE_UNLESS(memcmp(k->session, n->session_key, sizeof k->session) == 0,
                        TALLY_R_E_IDENTITY, "the document lists another session key for %s/%s",
                        n->org, n->node);
    for (uint32_t i = 0; i < n->curve_keys_n; i++)
        curve = curve || strcmp(k->curve, n->curve_keys[i]) == 0;
    TALLY_REFUSE_UNLESS(curve, TALLY_R_E_IDENTITY, "the document lists another CURVE key for %s/%s",
                        n->org, n->node);
    return TALLY_OK;
}
