/* memory.c - see memory.h. */
#include "agent/memory.h"

#include <dirent.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/hash.h"
#include "common/sealtree.h"

enum {
    MEMBER_FILE_BYTES = TALLY_MEMBER_BYTES + 1 + 32,
    HEAD_BYTES_MAX = TALLY_UPLOAD_HEAD_BYTES_MAX + 1024,
    PREFIX_CHARS = 64 + 1, /* job digest in hex, '-' */
};
static const char member_label[] = "tally/agent-memory/v1", head_label[] = "tally/agent-update/v1";

static void free_bytes(uint8_t **p)
{
    free(*p);
}

static void member_path(const struct tally_memory *m, char out[TALLY_MEMORY_PATH_MAX])
{
    char hex[65];

    tally_hex(TALLY_SLICE(m->member.job), hex);
    (void)snprintf(out, TALLY_MEMORY_PATH_MAX, "%s/memory/%s.member", m->dir, hex);
}

static void update_path(const struct tally_memory *m, uint64_t round, const char *what,
                        char out[TALLY_MEMORY_PATH_MAX])
{
    char hex[65];

    tally_hex(TALLY_SLICE(m->member.job), hex);
    (void)snprintf(out, TALLY_MEMORY_PATH_MAX, "%s/updates/%s-%llu.%s", m->dir, hex,
                   (unsigned long long)round, what);
}

void tally_memory_sealed_path(const struct tally_memory *m, uint64_t round, char *out)
{
    update_path(m, round, "sealed", out);
}

/* The system failed us, rather than the file being none of ours. */
static bool system_failed(enum tally_status s)
{
    return s == TALLY_E_IO || s == TALLY_E_NOMEM || s == TALLY_E_LIB;
}

/* ---- the member ---- */

static void checksum(const char *label, struct tally_slice bytes, uint8_t out[32])
{
    TALLY_SHA256_OF(out, tally_slice_of(label, strlen(label) + 1), bytes);
}

static enum tally_status decode_member(struct tally_memory *m, struct tally_slice file)
{
    struct tally_member got;
    uint8_t sum[32];

    TALLY_ENSURE(file.len == MEMBER_FILE_BYTES, TALLY_E_STATE, "it has %zu bytes, not %d", file.len,
                 (int)MEMBER_FILE_BYTES);
    checksum(member_label, tally_slice_of(file.at, file.len - 32), sum);
    TALLY_ENSURE(memcmp(sum, file.at + file.len - 32, 32) == 0, TALLY_E_STATE,
                 "it does not have its checksum");
    TALLY_TRY(tally_member_decode(tally_slice_of(file.at, TALLY_MEMBER_BYTES), &got));
    TALLY_ENSURE(memcmp(got.job, m->member.job, 32) == 0 && file.at[TALLY_MEMBER_BYTES] <= 1 &&
                     strcmp(got.org, m->member.org) == 0 && strcmp(got.node, m->member.node) == 0,
                 TALLY_E_STATE, "it is of %s/%s or of another job", got.org, got.node);
    m->member = got;
    m->done = file.at[TALLY_MEMBER_BYTES] == 1;
    return TALLY_OK;
}

enum tally_status tally_memory_open(struct tally_memory *m, const char *dir, const uint8_t job[32],
                                    const char *org, const char *node)
{
    TALLY_CLEANUP(free_bytes) uint8_t *bytes = NULL;
    char path[TALLY_MEMORY_PATH_MAX];
    size_t len = 0;
    struct tally_memory got = {0};

    TALLY_ENSURE(strlen(dir) < sizeof got.dir, TALLY_E_LIMIT, "%s: the path is too long", dir);
    memcpy(got.dir, dir, strlen(dir));
    tally_member_init(&got.member, job, org, node);
    (void)snprintf(path, sizeof path, "%s/memory", dir);
    TALLY_TRY(tally_file_make_dirs(path, TALLY_FILE_DIR_MODE_PRIVATE));
    (void)snprintf(path, sizeof path, "%s/updates", dir);
    TALLY_TRY(tally_file_make_dirs(path, TALLY_FILE_DIR_MODE_PRIVATE));
    member_path(&got, path);
    if (tally_file_exists(path)) {
        enum tally_status s = tally_file_read(path, MEMBER_FILE_BYTES, &bytes, &len);
        if (s == TALLY_OK) s = decode_member(&got, tally_slice_of(bytes, len));
        if (system_failed(s)) return s;
        TALLY_ENSURE(s == TALLY_OK, TALLY_E_STATE,
                     "%s is not this agent's memory of the job (%s); without it the agent cannot "
                     "know what it voted for: restore the file",
                     path, tally_why_text());
    }
    *m = got;
    return TALLY_OK;
}

enum tally_status tally_memory_save(struct tally_memory *m, const struct tally_member *next,
                                    bool done)
{
    uint8_t file[MEMBER_FILE_BYTES];
    char path[TALLY_MEMORY_PATH_MAX];

    tally_member_encode(next, file);
    file[TALLY_MEMBER_BYTES] = done;
    checksum(member_label, tally_slice_of(file, sizeof file - 32), file + sizeof file - 32);
    member_path(m, path);
    TALLY_TRY(tally_file_write(path, TALLY_SLICE(file), TALLY_FILE_MODE_SECRET));
    m->member = *next;
    m->done = done;
    return TALLY_OK;
}

/* ---- the update ---- */

void tally_update_free(struct tally_update *u)
{
    free(u->ev);
    free(u->endorsements);
    tally_secret_free(&u->key);
    *u = (struct tally_update){0};
}

static void write_head(struct tally_wr *w, const struct tally_update *u)
{
    tally_wr_put(w, u->opening, sizeof u->opening);
    tally_wr_put(w, u->opening_sig, sizeof u->opening_sig);
    tally_wr_vec(w, tally_slice_of(u->st_bytes, u->st_len));
    tally_wr_vec(w, tally_slice_of(u->ev, u->ev_len));
    tally_wr_vec(w, tally_slice_of(u->endorsements, u->endorsements_len));
    tally_wr_put(w, u->sig, sizeof u->sig);
    tally_wr_put(w, u->attested_key, sizeof u->attested_key);
    tally_wr_put(w, u->wrap_key_id, sizeof u->wrap_key_id);
    tally_wr_put(w, u->wrap, sizeof u->wrap);
    tally_wr_put(w, u->sealed_key, sizeof u->sealed_key);
}

enum tally_status tally_memory_keep(const struct tally_memory *m, const struct tally_update *u)
{
    TALLY_CLEANUP(free_bytes) uint8_t *file = malloc(HEAD_BYTES_MAX);
    char path[TALLY_MEMORY_PATH_MAX];
    struct tally_slice out;
    uint8_t sum[32];

    TALLY_ENSURE(file != NULL, TALLY_E_NOMEM, "update");
    struct tally_wr w = tally_wr_to(file, HEAD_BYTES_MAX);
    write_head(&w, u);
    TALLY_TRY(tally_wr_end(&w, &out));
    checksum(head_label, out, sum);
    tally_wr_put(&w, sum, sizeof sum);
    TALLY_TRY(tally_wr_end(&w, &out));
    update_path(m, u->st.round, "head", path);
    return tally_file_write(path, out, TALLY_FILE_MODE_SECRET);
}

static enum tally_status copy_slice(struct tally_slice s, uint8_t **to, size_t *len)
{
    *to = malloc(s.len + 1);
    TALLY_ENSURE(*to != NULL, TALLY_E_NOMEM, "update");
    if (s.len != 0) memcpy(*to, s.at, s.len);
    *len = s.len;
    return TALLY_OK;
}

static enum tally_status read_head(struct tally_slice file, struct tally_update *u)
{
    uint8_t sum[32];

    TALLY_ENSURE(file.len > sizeof sum, TALLY_E_STATE, "the update's head is cut");
    struct tally_slice body = {file.at, file.len - sizeof sum};
    checksum(head_label, body, sum);
    TALLY_ENSURE(memcmp(sum, file.at + body.len, sizeof sum) == 0, TALLY_E_STATE,
                 "the update's head does not have its checksum");
    struct tally_rd r = tally_rd_from(body);
    tally_rd_copy(&r, u->opening, sizeof u->opening, "opening");
    tally_rd_copy(&r, u->opening_sig, sizeof u->opening_sig, "opening's signature");
    struct tally_slice st = tally_rd_vec(&r, sizeof u->st_bytes, "statement"),
                       ev = tally_rd_vec(&r, TALLY_EV_MAX, "evidence"),
                       endorsements = tally_rd_vec(&r, TALLY_ENDORSEMENTS_MAX, "endorsements");
    tally_rd_copy(&r, u->sig, sizeof u->sig, "signature");
    tally_rd_copy(&r, u->attested_key, sizeof u->attested_key, "attested key");
    tally_rd_copy(&r, u->wrap_key_id, sizeof u->wrap_key_id, "key id");
    tally_rd_copy(&r, u->wrap, sizeof u->wrap, "wrap");
    tally_rd_copy(&r, u->sealed_key, sizeof u->sealed_key, "content key");
    TALLY_TRY(tally_rd_end(&r));
    TALLY_TRY(tally_statement_decode(st, &u->st));
    memcpy(u->st_bytes, st.at, st.len);
    u->st_len = st.len;
    TALLY_SHA256_OF(u->st_digest, st);
    TALLY_SHA256_OF(u->ev_digest, ev);
    TALLY_TRY(copy_slice(ev, &u->ev, &u->ev_len));
    return copy_slice(endorsements, &u->endorsements, &u->endorsements_len);
}

/* The sealed file is, byte for byte, the one whose digest the statement states. */
static enum tally_status check_sealed(const struct tally_memory *m, const struct tally_update *u)
{
    uint8_t sh_bytes[TALLY_PAYLOAD_HEADER_BYTES_MAX], digest[32];
    struct tally_wr w = tally_wr_to(sh_bytes, sizeof sh_bytes);
    char path[TALLY_MEMORY_PATH_MAX];
    struct tally_payload_header h;
    struct tally_slice sh, file;

    tally_statement_header(&u->st, &h);
    TALLY_TRY(tally_payload_header_encode(&h, &w, &sh));
    tally_memory_sealed_path(m, u->st.round, path);
    TALLY_ENSURE(tally_file_exists(path), TALLY_E_STATE, "%s is gone", path);
    TALLY_TRY(tally_file_map(path, SIZE_MAX, &file));
    bool same = file.len == u->st.sealed_bytes;
    if (same) tally_sealtree_digest(sh, file, digest);
    tally_file_unmap(&file);
    TALLY_ENSURE(same && memcmp(digest, u->st.seal_digest, 32) == 0, TALLY_E_STATE,
                 "%s is not the file it was", path);
    return TALLY_OK;
}

static enum tally_status check_update(const struct tally_memory *m, const struct tally_update *u)
{
    const struct tally_member *me = &m->member;
    const struct tally_statement *st = &u->st;

    TALLY_ENSURE(st->round == me->round && memcmp(st->job, me->job, 32) == 0 &&
                     memcmp(st->challenge, me->challenge, 32) == 0 &&
                     memcmp(st->base, me->base, 32) == 0 && (uint8_t)st->kind == me->kind &&
                     strcmp(st->org, me->org) == 0 && strcmp(st->node, me->node) == 0,
                 TALLY_E_STATE, "the update kept is of another round or job");
    TALLY_ENSURE(!me->has_statement || memcmp(me->statement, u->st_digest, 32) == 0, TALLY_E_STATE,
                 "the update kept is not the one that was stated");
    TALLY_TRY(tally_update_verify(u->attested_key, tally_slice_of(u->st_bytes, u->st_len),
                                  tally_slice_of(u->ev, u->ev_len), u->sig));
    return check_sealed(m, u);
}

static enum tally_status unseal_key(struct tally_device *d, const struct tally_seal_name *name,
                                    struct tally_update *u)
{
    TALLY_TRY(tally_secret_new(&u->key, 32));
    if (tally_device_unseal(d, name, TALLY_SLICE(u->sealed_key), u->key.at) != TALLY_OK)
        tally_secret_free(&u->key); /* another machine or program: what is wrapped stays good */
    return TALLY_OK;
}

static enum tally_status read_update(const struct tally_memory *m, struct tally_update *u)
{
    TALLY_CLEANUP(free_bytes) uint8_t *file = NULL;
    char path[TALLY_MEMORY_PATH_MAX];
    size_t len = 0;

    TALLY_ENSURE(m->member.has_open, TALLY_E_STATE, "no round was opened");
    update_path(m, m->member.round, "head", path);
    TALLY_ENSURE(tally_file_exists(path), TALLY_E_STATE, "no update was kept");
    TALLY_TRY(tally_file_read(path, HEAD_BYTES_MAX, &file, &len));
    TALLY_TRY(read_head(tally_slice_of(file, len), u));
    return check_update(m, u);
}

enum tally_status tally_memory_update(const struct tally_memory *m, struct tally_device *d,
                                      const struct tally_seal_name *name, struct tally_update *u)
{
    TALLY_CLEANUP(tally_update_free) struct tally_update got = {0};

    *u = (struct tally_update){0};
    enum tally_status s = read_update(m, &got);
    if (system_failed(s)) return s;
    TALLY_ENSURE(s == TALLY_OK, TALLY_E_STATE, "%s", tally_why_text());
    TALLY_TRY(unseal_key(d, name, &got));
    got.here = true;
    *u = got;
    got = (struct tally_update){0};
    return TALLY_OK;
}

enum tally_status tally_memory_keep_ack(const struct tally_memory *m, const struct tally_update *u,
                                        const uint8_t key_id[32],
                                        const uint8_t ack[TALLY_SIGNATURE_BYTES])
{
    uint8_t file[32 * 3 + TALLY_SIGNATURE_BYTES];
    struct tally_wr w = tally_wr_to(file, sizeof file);
    char path[TALLY_MEMORY_PATH_MAX];

    tally_wr_put(&w, u->st_digest, 32);
    tally_wr_put(&w, u->ev_digest, 32);
    tally_wr_put(&w, key_id, 32);
    tally_wr_put(&w, ack, TALLY_SIGNATURE_BYTES);
    update_path(m, u->st.round, "ack", path);
    return tally_file_write(path, TALLY_SLICE(file), TALLY_FILE_MODE_SECRET);
}

/* Is it a file of this job's round below `round`? */
static bool is_old(const char *name, const char *prefix, uint64_t round)
{
    char *end;

    if (strncmp(name, prefix, PREFIX_CHARS) != 0 || name[PREFIX_CHARS] < '0' ||
        name[PREFIX_CHARS] > '9')
        return false;
    unsigned long long n = strtoull(name + PREFIX_CHARS, &end, 10);
    return *end == '.' && n < round;
}

enum tally_status tally_memory_forget(const struct tally_memory *m, uint64_t round)
{
    char dir[TALLY_MEMORY_PATH_MAX], prefix[PREFIX_CHARS + 1], path[TALLY_FILE_PATH_MAX];
    const struct dirent *e;

    (void)snprintf(dir, sizeof dir, "%s/updates", m->dir);
    tally_hex(TALLY_SLICE(m->member.job), prefix);
    prefix[PREFIX_CHARS - 1] = '-';
    prefix[PREFIX_CHARS] = '\0';
    DIR *d = opendir(dir);
    TALLY_ENSURE(d != NULL, TALLY_E_IO, "%s cannot be listed", dir);
    while ((e = readdir(d)) != NULL) {
        if (!is_old(e->d_name, prefix, round)) continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        (void)unlink(path); /* what stays costs room, nothing else */
    }
    (void)closedir(d);
    return TALLY_OK;
}
