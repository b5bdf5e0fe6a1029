/* fedstore_load.c - reading back what is in force: everything is verified again. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/federation_change.h"
#include "common/fedstore_parts.h"
#include "common/file.h"
#include "common/secret.h"

void tally_fedstore_free_bytes(uint8_t **p)
{
    free(*p);
    *p = NULL;
}

void tally_fedstore_free_federation(struct tally_federation **p)
{
    free(*p);
    *p = NULL;
}

enum tally_status tally_fedstore_new_federation(struct tally_federation **out)
{
    *out = calloc(1, sizeof **out);
    TALLY_ENSURE(*out != NULL, TALLY_E_NOMEM, "no memory for a federation document");
    return TALLY_OK;
}

void tally_fedstore_document_path(const struct tally_fedstore *s, const char *folder,
                                  uint32_t version, const uint8_t digest[32], char *out)
{
    char hex[65];

    tally_hex(tally_slice_of(digest, 32), hex);
    (void)snprintf(out, TALLY_FEDSTORE_PATH_MAX, "%s/%s/%" PRIu32 "-%s.json", s->dir, folder,
                   version, hex);
}

void tally_fedstore_path(const struct tally_fedstore *s, uint32_t version, const uint8_t digest[32],
                         char *out)
{
    tally_fedstore_document_path(s, "federation", version, digest, out);
}

void tally_fedstore_current_path(const struct tally_fedstore *s, char *out)
{
    (void)snprintf(out, TALLY_FEDSTORE_PATH_MAX, "%s/federation/current", s->dir);
}

bool tally_fedstore_has(const struct tally_fedstore *s)
{
    char path[TALLY_FEDSTORE_PATH_MAX];

    tally_fedstore_current_path(s, path);
    return tally_file_exists(path);
}

/* "<version> <digest>\n" */
static enum tally_status read_current(const struct tally_fedstore *s, uint32_t *version,
                                      uint8_t digest[32])
{
    TALLY_CLEANUP(tally_fedstore_free_bytes) uint8_t *text = NULL;
    char path[TALLY_FEDSTORE_PATH_MAX], *end = NULL;
    size_t len = 0;

    tally_fedstore_current_path(s, path);
    TALLY_ENSURE(tally_file_exists(path), TALLY_E_STATE,
                 "no federation document is in use yet in %s", s->dir);
    TALLY_TRY(tally_file_read(path, 128, &text, &len));
    unsigned long v = strtoul((const char *)text, &end, 10);
    bool shaped = v >= 1 && v <= INT32_MAX && end + 1 + 64 + 1 == (const char *)text + len &&
                  end[0] == ' ' && end[65] == '\n';
    if (shaped) end[65] = '\0';
    TALLY_ENSURE(shaped && tally_unhex(end + 1, digest, 32) == TALLY_OK, TALLY_E_CONFIG,
                 "%s: expected a version and a digest", path);
    *version = (uint32_t)v;
    return TALLY_OK;
}

enum tally_status tally_fedstore_open(const struct tally_fedstore *s, struct tally_slice envelope,
                                      struct tally_dsse *d, struct tally_federation *f)
{
    TALLY_TRY(tally_dsse_parse(envelope, TALLY_FEDERATION_BYTES_MAX, d));
    enum tally_mode mode = TALLY_MODE_PRODUCTION;
    TALLY_TRY(tally_document_mode("federation", d->payload_type, &mode));
    TALLY_REFUSE_UNLESS(mode == s->mode, TALLY_R_E_FEDERATION,
                        "it is a %s document, and the configuration says mode: %s",
                        tally_mode_name(mode), tally_mode_name(s->mode));
    return tally_federation_decode(d->payload_type, tally_slice_of(d->payload, d->payload_len), f);
}

static enum tally_status read_version(const struct tally_fedstore *s, uint32_t version,
                                      const uint8_t digest[32], struct tally_dsse *d,
                                      struct tally_federation *f)
{
    TALLY_CLEANUP(tally_fedstore_free_bytes) uint8_t *bytes = NULL;
    char path[TALLY_FEDSTORE_PATH_MAX];
    size_t len = 0;

    tally_dsse_free(d);
    tally_fedstore_path(s, version, digest, path);
    TALLY_TRY(tally_file_read(path, TALLY_ENVELOPE_BYTES_MAX, &bytes, &len));
    TALLY_TRY(tally_fedstore_open(s, tally_slice_of(bytes, len), d, f));
    TALLY_REFUSE_UNLESS(memcmp(f->digest, digest, 32) == 0 && f->version == version,
                        TALLY_R_E_FEDERATION, "%s holds another document", path);
    return TALLY_OK;
}

struct chain {
    const struct tally_fedstore *s;
    uint8_t (*digests)[32]; /* by version - first */
    uint32_t first, last;
    struct tally_dsse d;
    struct tally_revocations *revoked;
};

static void chain_free(struct chain *c)
{
    free(c->digests);
    free(c->revoked);
    tally_dsse_free(&c->d);
}

/* Walks back from the one in force to the first that is kept here. */
static enum tally_status walk_back(struct chain *c, struct tally_federation *f)
{
    uint32_t version = 0;
    uint8_t digest[32];
    char path[TALLY_FEDSTORE_PATH_MAX];

    TALLY_TRY(read_current(c->s, &version, digest));
    TALLY_ENSURE(version >= 1, TALLY_E_CONFIG, "there is no version 0");
    c->last = version;
    for (;; version--) {
        uint32_t back = c->last - version;
        TALLY_ENSURE(back < TALLY_FEDSTORE_VERSIONS_MAX, TALLY_E_LIMIT,
                     "more than %d versions of the federation", TALLY_FEDSTORE_VERSIONS_MAX);
        memcpy(c->digests[back], digest, 32);
        TALLY_TRY(read_version(c->s, version, digest, &c->d, f));
        memcpy(digest, f->prev, 32);
        c->first = version;
        if (version == 1) return TALLY_OK;
        tally_fedstore_path(c->s, version - 1, digest, path);
        if (!tally_file_exists(path)) return TALLY_OK;
    }
}

static enum tally_status read_revocation(const char *path, struct tally_dsse *d,
                                         struct tally_revocation *r)
{
    TALLY_CLEANUP(tally_fedstore_free_bytes) uint8_t *bytes = NULL;
    size_t len = 0;

    TALLY_TRY(tally_file_read(path, TALLY_ENVELOPE_BYTES_MAX, &bytes, &len));
    TALLY_TRY(tally_dsse_parse(tally_slice_of(bytes, len), TALLY_REVOCATION_BYTES_MAX, d));
    return tally_revocation_decode(d->payload_type, tally_slice_of(d->payload, d->payload_len), r);
}

/* Adds every kept revocation that has authority under this version and binds us. One that has none
 * yet may have it under another version. */
static enum tally_status apply_revocations(struct chain *c, const struct tally_federation *f)
{
    char folder[TALLY_FEDSTORE_PATH_MAX], path[2 * TALLY_FEDSTORE_PATH_MAX];
    enum tally_status s = TALLY_OK;

    (void)snprintf(folder, sizeof folder, "%s/revocations", c->s->dir);
    DIR *dir = opendir(folder);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e != NULL && s == TALLY_OK;
         e = readdir(dir)) {
        struct tally_revocation r;
        struct tally_dsse d = {0};
        bool binds = false;
        size_t len = strlen(e->d_name);
        if (len < 5 || strcmp(e->d_name + len - 5, ".json") != 0) continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        s = read_revocation(path, &d, &r);
        if (s == TALLY_OK && tally_revocation_authority(&r, &d, f, c->s->org, &binds) == TALLY_OK &&
            binds)
            s = tally_revocations_add(c->revoked, &r);
        tally_dsse_free(&d);
    }
    if (dir != NULL) (void)closedir(dir);
    return s;
}

/* Verifies forward; *f ends as the one in force. */
static enum tally_status walk_forward(struct chain *c, struct tally_federation *f)
{
    TALLY_CLEANUP(tally_fedstore_free_federation) struct tally_federation *other = NULL;
    struct tally_federation *prev = NULL, *next = f;

    TALLY_TRY(tally_fedstore_new_federation(&other));
    if ((c->last - c->first) % 2 == 1) next = other; /* so that the last one lands in *f */
    for (uint32_t v = c->first; v <= c->last; v++) {
        TALLY_TRY(read_version(c->s, v, c->digests[c->last - v], &c->d, next));
        if (v == c->first)
            TALLY_TRY(tally_federation_founded(next, &c->d));
        else
            TALLY_TRY(tally_federation_follows(prev, next, &c->d, c->revoked, false));
        char what[TALLY_CHANGE_TEXT];
        bool own = *c->s->org == '\0' || prev == NULL ||
                   tally_party_signed(prev, NULL, c->s->org, &c->d, 0);
        TALLY_REFUSE_UNLESS(own || !tally_federation_widens(prev, next, what), TALLY_R_E_FEDERATION,
                            "version %u widens access (%s) and %s has not signed it", v, what,
                            c->s->org);
        TALLY_TRY(apply_revocations(c, next));
        prev = next;
        next = next == f ? other : f;
    }
    return TALLY_OK;
}

enum tally_status tally_fedstore_latest(const struct tally_fedstore *s,
                                        struct tally_federation *out,
                                        struct tally_revocations *revoked)
{
    TALLY_CLEANUP(chain_free)
    struct chain c = {.s = s,
                      .digests = calloc(TALLY_FEDSTORE_VERSIONS_MAX, 32),
                      .revoked = calloc(1, sizeof *c.revoked)};

    TALLY_ENSURE(c.digests != NULL && c.revoked != NULL, TALLY_E_NOMEM,
                 "no memory to read the federation");
    enum tally_status status = walk_back(&c, out);
    if (status == TALLY_OK) status = walk_forward(&c, out);
    if (status == TALLY_OK) status = tally_revocations_resolve(c.revoked, out);
    if (status != TALLY_OK) {
        memset(out, 0, sizeof *out);
        return status;
    }
    if (revoked != NULL) *revoked = *c.revoked;
    return TALLY_OK;
}

enum tally_status tally_fedstore_check_expiry(const struct tally_federation *f, uint64_t now_s)
{
    char when[TALLY_TIME_TEXT_SIZE];

    tally_time_text(f->expires_s, when);
    TALLY_REFUSE_UNLESS(now_s < f->expires_s, TALLY_R_E_FEDERATION,
                        "version %u of the federation expired on %s", f->version, when);
    return TALLY_OK;
}

enum tally_status tally_fedstore_load(const struct tally_fedstore *s, uint64_t now_s,
                                      struct tally_federation *out,
                                      struct tally_revocations *revoked)
{
    TALLY_TRY(tally_fedstore_latest(s, out, revoked));
    enum tally_status status = tally_fedstore_check_expiry(out, now_s);
    if (status != TALLY_OK) memset(out, 0, sizeof *out);
    return status;
}

enum tally_status tally_federation_load_file(const char *path, struct tally_federation *out)
{
    TALLY_CLEANUP(tally_fedstore_free_bytes) uint8_t *bytes = NULL;
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    size_t len = 0;

    TALLY_TRY(tally_file_read(path, TALLY_ENVELOPE_BYTES_MAX, &bytes, &len));
    TALLY_TRY(tally_dsse_parse(tally_slice_of(bytes, len), TALLY_FEDERATION_BYTES_MAX, &d));
    TALLY_TRY(
        tally_federation_decode(d.payload_type, tally_slice_of(d.payload, d.payload_len), out));
    enum tally_status status = TALLY_OK;
    if (out->version == 1) status = tally_federation_founded(out, &d);
    for (uint32_t i = 0; status == TALLY_OK && i < out->needs_n; i++) {
        if (!tally_party_signed(out, NULL, out->needs[i], &d, 0))
            status = TALLY_REFUSE(TALLY_R_E_SIGNATURE, "%s has not signed", out->needs[i]);
    }
    if (status != TALLY_OK) memset(out, 0, sizeof *out);
    return status;
}
