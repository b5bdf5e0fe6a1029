/* spool.c - see spool.h. */
#include "aggregator/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/secret.h"

enum { NAME_SIZE = 64 + sizeof ".part" };

struct part {
    bool used;
    uint8_t digest[32];
    char owner[TALLY_SPOOL_OWNER_MAX + 1];
    uint64_t have_bytes, sealed_bytes;
    int64_t touched_ns; /* of the file as found: the oldest goes first */
    int fd;             /* -1 until begun */
};

struct tally_spool {
    int spool_fd, sealed_fd;
    struct tally_spool_caps caps;
    bool broken;
    struct part parts[TALLY_SPOOL_PARTS_MAX];
};

static enum tally_status broke(struct tally_spool *sp, const char *what)
{
    sp->broken = true;
    return TALLY_FAIL(TALLY_E_IO, "spool: %s: %s", what, strerror(errno));
}

static void part_name(const uint8_t digest[32], char name[NAME_SIZE])
{
    tally_hex(tally_slice_of(digest, 32), name);
    memcpy(name + 64, ".part", sizeof ".part");
}

static struct part *find(struct tally_spool *sp, const uint8_t digest[32])
{
    for (size_t i = 0; i < TALLY_SPOOL_PARTS_MAX; i++) {
        struct part *p = &sp->parts[i];
        if (p->used && memcmp(p->digest, digest, sizeof p->digest) == 0) return p;
    }
    return NULL;
}

static struct part *free_slot(struct tally_spool *sp)
{
    for (size_t i = 0; i < TALLY_SPOOL_PARTS_MAX; i++) {
        if (!sp->parts[i].used) return &sp->parts[i];
    }
    return NULL;
}

static void forget(struct part *p)
{
    if (p->fd >= 0) (void)close(p->fd);
    *p = (struct part){.fd = -1};
}

static enum tally_status remove_part(struct tally_spool *sp, struct part *p)
{
    char name[NAME_SIZE];

    part_name(p->digest, name);
    if (unlinkat(sp->spool_fd, name, 0) != 0 && errno != ENOENT) return broke(sp, "unlink");
    forget(p);
    return TALLY_OK;
}

/* ---- opening ---- */

/* The digest of "<64 lower-case hex>.part". */
static bool parse_name(const char *name, uint8_t digest[32])
{
    char hex[65] = "", again[NAME_SIZE];

    if (strlen(name) != NAME_SIZE - 1) return false;
    memcpy(hex, name, 64);
    if (tally_unhex(hex, digest, 32) != TALLY_OK) return false;
    part_name(digest, again);
    return strcmp(name, again) == 0;
}

static enum tally_status take_in(struct tally_spool *sp, const char *name)
{
    uint8_t digest[32];
    struct stat st;
    struct part *p = free_slot(sp);

    if (fstatat(sp->spool_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return broke(sp, name);
    if (!p || !S_ISREG(st.st_mode) || !parse_name(name, digest)) {
        if (unlinkat(sp->spool_fd, name, 0) != 0) return broke(sp, name);
        return TALLY_OK;
    }
    *p = (struct part){.used = true,
                       .have_bytes = (uint64_t)st.st_size / TALLY_SPOOL_PIECE * TALLY_SPOOL_PIECE,
                       .touched_ns = st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
                       .fd = -1};
    memcpy(p->digest, digest, sizeof p->digest);
    return TALLY_OK;
}

static void close_dir(DIR **d)
{
    if (*d) (void)closedir(*d);
}

static enum tally_status scan(struct tally_spool *sp)
{
    int fd = openat(sp->spool_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return broke(sp, "open");
    TALLY_CLEANUP(close_dir) DIR *d = fdopendir(fd);
    if (!d) {
        (void)close(fd);
        return broke(sp, "opendir");
    }
    for (const struct dirent *e; (e = readdir(d)) != NULL;) { // NOLINT(concurrency-mt-unsafe)
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        TALLY_TRY(take_in(sp, e->d_name));
    }
    return TALLY_OK;
}

static enum tally_status open_folder(const char *dir, const char *name, int *fd)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);

    TALLY_ENSURE(n > 0 && (size_t)n < sizeof path, TALLY_E_CONFIG, "the path is too long");
    TALLY_ENSURE(mkdir(path, 0700) == 0 || errno == EEXIST, TALLY_E_IO, "%s: %s", path,
                 strerror(errno));
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    TALLY_ENSURE(*fd >= 0, TALLY_E_IO, "%s: %s", path, strerror(errno));
    return TALLY_OK;
}

static enum tally_status open_spool(struct tally_spool *sp, const char *dir)
{
    TALLY_TRY(open_folder(dir, "spool", &sp->spool_fd));
    TALLY_TRY(open_folder(dir, "sealed", &sp->sealed_fd));
    return scan(sp);
}

enum tally_status tally_spool_open(struct tally_spool **spool, const char *dir,
                                   struct tally_spool_caps caps)
{
    struct tally_spool *sp = calloc(1, sizeof *sp);

    TALLY_ENSURE(sp != NULL, TALLY_E_NOMEM, "spool");
    sp->caps = caps;
    sp->spool_fd = sp->sealed_fd = -1;
    for (size_t i = 0; i < TALLY_SPOOL_PARTS_MAX; i++) sp->parts[i].fd = -1;
    enum tally_status s = open_spool(sp, dir);
    if (s != TALLY_OK) {
        tally_spool_close(&sp);
        return s;
    }
    *spool = sp;
    return TALLY_OK;
}

void tally_spool_close(struct tally_spool **spool)
{
    struct tally_spool *sp = *spool;

    if (!sp) return;
    for (size_t i = 0; i < TALLY_SPOOL_PARTS_MAX; i++) forget(&sp->parts[i]);
    if (sp->spool_fd >= 0) (void)close(sp->spool_fd);
    if (sp->sealed_fd >= 0) (void)close(sp->sealed_fd);
    free(sp);
    *spool = NULL;
}

/* ---- room ---- */

static uint64_t reserved(const struct part *p)
{
    return p->owner[0] ? p->sealed_bytes : p->have_bytes;
}

static uint64_t in_use(const struct tally_spool *sp, const char *owner, const struct part *but)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < TALLY_SPOOL_PARTS_MAX; i++) {
        const struct part *p = &sp->parts[i];
        if (!p->used || p == but || (owner && strcmp(p->owner, owner) != 0)) continue;
        sum += reserved(p);
    }
    return sum;
}

static struct part *oldest_without_owner(struct tally_spool *sp, const struct part *but)
{
    struct part *oldest = NULL;

    for (size_t i = 0; i < TALLY_SPOOL_PARTS_MAX; i++) {
        struct part *p = &sp->parts[i];
        if (!p->used || p->owner[0] || p == but) continue;
        if (!oldest || p->touched_ns < oldest->touched_ns) oldest = p;
    }
    return oldest;
}

static bool fits(uint64_t used, uint64_t more, uint64_t cap)
{
    return more <= cap && used <= cap - more;
}

static enum tally_status make_room(struct tally_spool *sp, const struct part *but,
                                   const char *owner, uint64_t bytes)
{
    struct part *p;

    TALLY_ENSURE(fits(in_use(sp, owner, but), bytes, sp->caps.node_bytes), TALLY_E_LIMIT,
                 "%s has no room for %llu more bytes", owner, (unsigned long long)bytes);
    while (!fits(in_use(sp, NULL, but), bytes, sp->caps.total_bytes)) {
        p = oldest_without_owner(sp, but);
        TALLY_ENSURE(p != NULL, TALLY_E_LIMIT, "the spool has no room for %llu more bytes",
                     (unsigned long long)bytes);
        TALLY_TRY(remove_part(sp, p));
    }
    if (but || free_slot(sp)) return TALLY_OK;
    p = oldest_without_owner(sp, but);
    TALLY_ENSURE(p != NULL, TALLY_E_LIMIT, "%d uploads are under way", TALLY_SPOOL_PARTS_MAX);
    return remove_part(sp, p);
}

/* ---- parts ---- */

static bool is_full(int err)
{
    return err == ENOSPC || err == EDQUOT || err == EFBIG;
}

/* Opens the file, cuts what is not a whole piece, and claims the blocks to come, so that a full
 * disk is met here; the size stays what has arrived. */
static enum tally_status claim(struct tally_spool *sp, struct part *p)
{
    char name[NAME_SIZE];

    part_name(p->digest, name);
    p->fd = openat(sp->spool_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (p->fd < 0) return broke(sp, "open part");
    if (ftruncate(p->fd, (off_t)p->have_bytes) != 0) return broke(sp, "truncate");
    if (fallocate(p->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)p->sealed_bytes) == 0) return TALLY_OK;
    TALLY_ENSURE(!is_full(errno), TALLY_E_LIMIT, "no room on disk for %llu bytes",
                 (unsigned long long)p->sealed_bytes);
    if (errno != EOPNOTSUPP) return broke(sp, "allocate");
    return TALLY_OK;
}

static enum tally_status begin_part(struct tally_spool *sp, const struct part *wanted,
                                    struct part **out)
{
    struct part *p = find(sp, wanted->digest);

    TALLY_TRY(make_room(sp, p, wanted->owner, wanted->sealed_bytes));
    const uint64_t have = p && p->have_bytes <= wanted->sealed_bytes ? p->have_bytes : 0;
    if (!p) p = free_slot(sp);
    TALLY_ASSERT(p != NULL);
    *p = *wanted;
    p->have_bytes = have;
    enum tally_status s = claim(sp, p);
    if (s == TALLY_OK) {
        *out = p;
    } else if (!sp->broken) {
        TALLY_TRY(remove_part(sp, p));
    }
    return s;
}

enum tally_status tally_spool_begin(struct tally_spool *spool, const uint8_t digest[32],
                                    const char *owner, uint64_t sealed_bytes, uint64_t *have_bytes)
{
    struct part *p = find(spool, digest);
    struct part wanted = {.used = true, .sealed_bytes = sealed_bytes, .fd = -1};
    const size_t owner_len = strlen(owner);

    TALLY_ENSURE(!spool->broken, TALLY_E_IO, "the spool failed before");
    TALLY_ENSURE(sealed_bytes > 0 && sealed_bytes <= INT64_MAX, TALLY_E_LIMIT, "%llu sealed bytes",
                 (unsigned long long)sealed_bytes);
    TALLY_ENSURE(owner_len > 0 && owner_len <= TALLY_SPOOL_OWNER_MAX, TALLY_E_LIMIT,
                 "an owner of %zu bytes", owner_len);
    if (p && p->owner[0]) {
        TALLY_ENSURE(strcmp(p->owner, owner) == 0 && p->sealed_bytes == sealed_bytes, TALLY_E_STATE,
                     "%s has begun that upload with %llu bytes", p->owner,
                     (unsigned long long)p->sealed_bytes);
    } else {
        memcpy(wanted.digest, digest, sizeof wanted.digest);
        memcpy(wanted.owner, owner, owner_len + 1);
        TALLY_TRY(begin_part(spool, &wanted, &p));
    }
    *have_bytes = p->have_bytes;
    return TALLY_OK;
}

static enum tally_status begun(struct tally_spool *sp, const uint8_t digest[32], struct part **out)
{
    struct part *p = find(sp, digest);

    TALLY_ENSURE(!sp->broken, TALLY_E_IO, "the spool failed before");
    TALLY_ENSURE(p && p->owner[0], TALLY_E_STATE, "that upload was not begun");
    *out = p;
    return TALLY_OK;
}

enum tally_status tally_spool_append(struct tally_spool *spool, const uint8_t digest[32],
                                     uint64_t offset, struct tally_slice bytes)
{
    struct part *p = NULL;

    TALLY_TRY(begun(spool, digest, &p));
    const uint64_t left = p->sealed_bytes - p->have_bytes;
    const uint64_t want = left < TALLY_SPOOL_PIECE ? left : TALLY_SPOOL_PIECE;
    TALLY_ENSURE(offset == p->have_bytes && bytes.len == want && want > 0, TALLY_E_STATE,
                 "%zu bytes at %llu, expected %llu at %llu", bytes.len, (unsigned long long)offset,
                 (unsigned long long)want, (unsigned long long)p->have_bytes);
    for (size_t done = 0; done < bytes.len;) {
        ssize_t n = pwrite(p->fd, bytes.at + done, bytes.len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        TALLY_ENSURE(n >= 0 || !is_full(errno), TALLY_E_LIMIT, "the disk is full");
        if (n < 0) return broke(spool, "write");
        done += (size_t)n;
    }
    /* no promise, only a start, so that the fsync at the end finds little left */
    (void)sync_file_range(p->fd, (off_t)offset, (off_t)bytes.len, SYNC_FILE_RANGE_WRITE);
    p->have_bytes += bytes.len;
    return TALLY_OK;
}

enum tally_status tally_spool_read(struct tally_spool *spool, const uint8_t digest[32],
                                   uint64_t offset, void *to, size_t len)
{
    struct part *p = NULL;

    TALLY_TRY(begun(spool, digest, &p));
    TALLY_ENSURE(fits(offset, len, p->have_bytes), TALLY_E_STATE, "%zu bytes at %llu of %llu", len,
                 (unsigned long long)offset, (unsigned long long)p->have_bytes);
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(p->fd, (uint8_t *)to + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return broke(spool, "read");
        done += (size_t)n;
    }
    return TALLY_OK;
}

enum tally_status tally_spool_finish(struct tally_spool *spool, const uint8_t digest[32],
                                     char path[TALLY_SPOOL_PATH_SIZE])
{
    char name[NAME_SIZE], hex[65];
    struct part *p = NULL;

    TALLY_TRY(begun(spool, digest, &p));
    TALLY_ENSURE(p->have_bytes == p->sealed_bytes, TALLY_E_STATE, "%llu of %llu bytes are there",
                 (unsigned long long)p->have_bytes, (unsigned long long)p->sealed_bytes);
    part_name(digest, name);
    tally_hex(tally_slice_of(digest, 32), hex);
    if (fsync(p->fd) != 0) return broke(spool, "fsync");
    if (renameat(spool->spool_fd, name, spool->sealed_fd, hex) != 0) return broke(spool, "rename");
    if (fsync(spool->sealed_fd) != 0 || fsync(spool->spool_fd) != 0)
        return broke(spool, "fsync of the folder");
    forget(p);
    (void)snprintf(path, TALLY_SPOOL_PATH_SIZE, "sealed/%s", hex);
    return TALLY_OK;
}

enum tally_status tally_spool_drop(struct tally_spool *spool, const uint8_t digest[32])
{
    struct part *p = find(spool, digest);

    TALLY_ENSURE(!spool->broken, TALLY_E_IO, "the spool failed before");
    return p ? remove_part(spool, p) : TALLY_OK;
}

enum tally_status tally_spool_remove_sealed(struct tally_spool *spool, const uint8_t digest[32])
{
    char hex[65];

    tally_hex(tally_slice_of(digest, 32), hex);
    if (unlinkat(spool->sealed_fd, hex, 0) != 0 && errno != ENOENT) return broke(spool, "unlink");
    return TALLY_OK;
}

void tally_spool_parts(const struct tally_spool *spool,
                       void (*fn)(void *ctx, const struct tally_spool_part *part), void *ctx)
{
    for (size_t i = 0; i < TALLY_SPOOL_PARTS_MAX; i++) {
        const struct part *p = &spool->parts[i];
        struct tally_spool_part shown = {
            .owner = p->owner, .have_bytes = p->have_bytes, .sealed_bytes = p->sealed_bytes};
        if (!p->used) continue;
        memcpy(shown.digest, p->digest, sizeof shown.digest);
        fn(ctx, &shown);
    }
}
