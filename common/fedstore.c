/* fedstore.c - see fedstore.h. */
#include "common/fedstore.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/federation_change.h"
#include "common/fedstore_parts.h"
#include "common/file.h"
#include "common/secret.h"

static enum tally_status make_folder(const struct tally_fedstore *s, const char *folder)
{
    char path[TALLY_FEDSTORE_PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/%s", s->dir, folder);
    return tally_file_make_dirs(path, TALLY_FILE_DIR_MODE_PRIVATE);
}

static enum tally_status write_current(const struct tally_fedstore *s,
                                       const struct tally_federation *f)
{
    char path[TALLY_FEDSTORE_PATH_MAX], text[128], hex[65];

    tally_hex(TALLY_SLICE(f->digest), hex);
    (void)snprintf(text, sizeof text, "%" PRIu32 " %s\n", f->version, hex);
    tally_fedstore_current_path(s, path);
    return tally_file_write(path, tally_slice_str(text), TALLY_FILE_MODE_PUBLIC);
}

static enum tally_status copy_file(const char *from, const char *to)
{
    TALLY_CLEANUP(tally_fedstore_free_bytes) uint8_t *bytes = NULL;
    size_t len = 0;

    TALLY_TRY(tally_file_read(from, TALLY_ENVELOPE_BYTES_MAX, &bytes, &len));
    return tally_file_write(to, tally_slice_of(bytes, len), TALLY_FILE_MODE_PUBLIC);
}

static uint32_t count_files(const struct tally_fedstore *s, const char *folder)
{
    char path[TALLY_FEDSTORE_PATH_MAX];
    uint32_t n = 0;

    (void)snprintf(path, sizeof path, "%s/%s", s->dir, folder);
    DIR *dir = opendir(path);
    if (dir == NULL) return 0;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) n += e->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

static bool signed_by_anyone(const struct tally_federation *f, const struct tally_dsse *d)
{
    for (uint32_t i = 0; i < f->parties_n; i++) {
        if (tally_party_signed(f, NULL, f->parties[i].name, d, 0)) return true;
    }
    return false;
}

/* Keeps both documents; what no party signed is proof of nothing and is not kept. */
static enum tally_status keep_proof(const struct tally_fedstore *s,
                                    const struct tally_federation *current,
                                    const struct tally_federation *refused,
                                    const struct tally_dsse *d, struct tally_slice envelope)
{
    char from[TALLY_FEDSTORE_PATH_MAX], to[TALLY_FEDSTORE_PATH_MAX];

    if (!signed_by_anyone(current, d) ||
        count_files(s, "conflicts") + 2 > (uint32_t)TALLY_FEDSTORE_CONFLICTS_MAX)
        return TALLY_OK;
    TALLY_TRY(make_folder(s, "conflicts"));
    tally_fedstore_path(s, current->version, current->digest, from);
    tally_fedstore_document_path(s, "conflicts", current->version, current->digest, to);
    TALLY_TRY(copy_file(from, to));
    tally_fedstore_document_path(s, "conflicts", refused->version, refused->digest, to);
    return tally_file_write(to, envelope, TALLY_FILE_MODE_PUBLIC);
}

static enum tally_status check_next(const struct tally_fedstore *s,
                                    const struct tally_federation *current,
                                    const struct tally_federation *f, const struct tally_dsse *d,
                                    const struct tally_revocations *revoked)
{
    char what[TALLY_CHANGE_TEXT];

    TALLY_REFUSE_UNLESS(memcmp(f->id, current->id, sizeof f->id) == 0, TALLY_R_E_FEDERATION,
                        "it belongs to another federation");
    TALLY_REFUSE_UNLESS(f->version >= current->version, TALLY_R_E_FEDERATION,
                        "it is version %u, and version %u is in force: rolled back", f->version,
                        current->version);
    TALLY_REFUSE_UNLESS(f->version > current->version, TALLY_R_E_FEDERATION,
                        "it is a second document of version %u", f->version);
    TALLY_TRY(tally_federation_follows(current, f, d, revoked, true));
    if (*s->org == '\0' || tally_party_signed(current, revoked, s->org, d, UINT64_MAX))
        return TALLY_OK;
    TALLY_REFUSE_UNLESS(!tally_federation_widens(current, f, what), TALLY_R_E_FEDERATION,
                        "it widens access (%s) and %s has not signed it", what, s->org);
    return TALLY_OK;
}

static enum tally_status check_dates(const struct tally_federation *f, uint64_t now_s)
{
    TALLY_TRY(tally_fedstore_check_expiry(f, now_s));
    TALLY_REFUSE_UNLESS(f->issued_s <= now_s + TALLY_CLOCK_SLACK_S, TALLY_R_E_FEDERATION,
                        "it was issued in the future; check this machine's clock");
    return TALLY_OK;
}

static enum tally_status take_first(const struct tally_fedstore *s,
                                    const struct tally_federation *f, const struct tally_dsse *d,
                                    const uint8_t *expect, uint64_t now_s)
{
    TALLY_REFUSE_UNLESS(expect != NULL, TALLY_R_E_FEDERATION,
                        "the first document is taken only with its digest given by hand");
    TALLY_REFUSE_UNLESS(*s->org == '\0' || tally_federation_party(f, s->org) != NULL,
                        TALLY_R_E_FEDERATION, "%s is no party of it", s->org);
    TALLY_TRY(tally_federation_founded(f, d));
    return check_dates(f, now_s);
}

static enum tally_status take_next(const struct tally_fedstore *s, struct tally_federation *f,
                                   const struct tally_dsse *d, struct tally_slice envelope,
                                   uint64_t now_s)
{
    TALLY_CLEANUP(tally_fedstore_free_federation) struct tally_federation *current = NULL;
    struct tally_revocations *revoked = calloc(1, sizeof *revoked);
    enum tally_status status = TALLY_E_NOMEM;

    TALLY_ENSURE(revoked != NULL, TALLY_E_NOMEM, "no memory to read the federation");
    if (tally_fedstore_new_federation(&current) == TALLY_OK)
        status = tally_fedstore_latest(s, current, revoked);
    if (status == TALLY_OK && memcmp(current->digest, f->digest, 32) != 0) {
        status = check_next(s, current, f, d, revoked);
        bool stale = memcmp(f->id, current->id, sizeof f->id) == 0 &&
                     (f->version <= current->version || now_s >= f->expires_s);
        if (status == TALLY_OK) status = check_dates(f, now_s);
        if (status != TALLY_OK && stale) {
            char why[512];
            enum tally_reason reason = tally_reason();
            (void)snprintf(why, sizeof why, "%s", tally_why_text());
            enum tally_status kept = keep_proof(s, current, f, d, envelope);
            status = kept == TALLY_OK ? TALLY_REFUSE(reason, "%s", why) : kept;
        }
    }
    free(revoked);
    return status;
}

static enum tally_status take(const struct tally_fedstore *s, struct tally_slice envelope,
                              const uint8_t *expect, uint64_t now_s, struct tally_federation *f)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    char path[TALLY_FEDSTORE_PATH_MAX];

    TALLY_TRY(tally_fedstore_open(s, envelope, &d, f));
    TALLY_REFUSE_UNLESS(expect == NULL || memcmp(f->digest, expect, sizeof f->digest) == 0,
                        TALLY_R_E_FEDERATION, "its digest is not the expected one");
    if (tally_fedstore_has(s))
        TALLY_TRY(take_next(s, f, &d, envelope, now_s));
    else
        TALLY_TRY(take_first(s, f, &d, expect, now_s));
    tally_fedstore_path(s, f->version, f->digest, path);
    if (tally_file_exists(path)) return write_current(s, f);
    TALLY_TRY(make_folder(s, "federation"));
    TALLY_TRY(tally_file_write(path, envelope, TALLY_FILE_MODE_PUBLIC));
    return write_current(s, f);
}

enum tally_status tally_fedstore_take(const struct tally_fedstore *s, struct tally_slice envelope,
                                      const uint8_t *expect, uint64_t now_s,
                                      struct tally_federation *out)
{
    enum tally_status status = take(s, envelope, expect, now_s, out);

    if (status != TALLY_OK) memset(out, 0, sizeof *out);
    return status;
}

enum tally_status tally_fedstore_revoke(const struct tally_fedstore *s, struct tally_slice envelope,
                                        struct tally_revocation *out, bool *binds)
{
    TALLY_CLEANUP(tally_fedstore_free_federation) struct tally_federation *f = NULL;
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    struct tally_revocation r;
    char path[TALLY_FEDSTORE_PATH_MAX], hex[65];

    TALLY_TRY(tally_fedstore_new_federation(&f));
    TALLY_TRY(tally_fedstore_latest(s, f, NULL));
    TALLY_TRY(tally_dsse_parse(envelope, TALLY_REVOCATION_BYTES_MAX, &d));
    TALLY_TRY(
        tally_revocation_decode(d.payload_type, tally_slice_of(d.payload, d.payload_len), &r));
    TALLY_TRY(tally_revocation_authority(&r, &d, f, s->org, binds));
    *out = r;
    if (!*binds) return TALLY_OK;
    TALLY_ENSURE(count_files(s, "revocations") < TALLY_REVOCATIONS_MAX, TALLY_E_LIMIT,
                 "%d revocations are kept already", TALLY_REVOCATIONS_MAX);
    TALLY_TRY(make_folder(s, "revocations"));
    tally_hex(TALLY_SLICE(r.digest), hex);
    (void)snprintf(path, sizeof path, "%s/revocations/%s.json", s->dir, hex);
    return tally_file_write(path, envelope, TALLY_FILE_MODE_PUBLIC);
}

bool tally_fedstore_knows(const struct tally_fedstore *s, const struct tally_federation *in_force,
                          const uint8_t digest[32])
{
    char path[TALLY_FEDSTORE_PATH_MAX];

    if (memcmp(in_force->digest, digest, 32) == 0) return true;
    for (uint32_t v = 1; v < in_force->version; v++) {
        tally_fedstore_path(s, v, digest, path);
        if (tally_file_exists(path)) return true;
    }
    return false;
}
