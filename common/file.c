/* file.c - see file.h. */
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/secret.h"

static void close_fd(const int *fd)
{
    if (*fd >= 0) (void)close(*fd);
}

static const char *advice(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT: return ": free space on that disk and start again";
    case EFBIG: return ": raise the file size limit (ulimit -f)";
    case EACCES:
    case EPERM: return ": give this user the right to it, or name another path";
    case EROFS: return ": the disk is mounted read-only; name another path";
    case ENOENT: return ": check the path";
    case ENOTDIR: return ": a part of the path is not a folder";
    case EMFILE:
    case ENFILE: return ": raise the limit of open files (ulimit -n)";
    case EIO: return ": the disk fails; look at the system log";
    default: return "";
    }
}

/* TALLY_E_IO for errno as it stands. */
static enum tally_status failed(const char *what, const char *path)
{
    int error = errno;
    char text[128];

    return TALLY_FAIL(TALLY_E_IO, "cannot %s %s: %s%s", what, path,
                      strerror_r(error, text, sizeof text), advice(error));
}

bool tally_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* O_NONBLOCK: a FIFO at the path must not hold us before fstat has seen it. */
static enum tally_status open_regular(const char *path, int *fd, size_t *len)
{
    struct stat st;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0 || fstat(*fd, &st) != 0) return failed("read", path);
    TALLY_ENSURE(S_ISREG(st.st_mode), TALLY_E_IO, "cannot read %s: it is not a regular file", path);
    *len = (size_t)st.st_size;
    return TALLY_OK;
}

static enum tally_status open_capped(const char *path, size_t max, int *fd, size_t *len)
{
    TALLY_TRY(open_regular(path, fd, len));
    TALLY_ENSURE(*len <= max && *len < SSIZE_MAX, TALLY_E_LIMIT,
                 "%s has %zu bytes, more than the %zu allowed", path, *len, max);
    return TALLY_OK;
}

/* Up to cap bytes, until the end of the file. */
static enum tally_status read_up_to(int fd, const char *path, uint8_t *to, size_t cap, size_t *len)
{
    size_t done = 0;

    while (done < cap) {
        ssize_t n = read(fd, to + done, cap - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed("read", path);
        if (n == 0) break;
        done += (size_t)n;
    }
    *len = done;
    return TALLY_OK;
}

static void free_bytes(uint8_t **p)
{
    free(*p);
}

/* One byte more than fstat said is asked for, so a file that grows meanwhile is noticed. */
enum tally_status tally_file_read(const char *path, size_t max, uint8_t **bytes, size_t *len)
{
    TALLY_CLEANUP(close_fd) int fd = -1;
    TALLY_CLEANUP(free_bytes) uint8_t *p = NULL;
    size_t size = 0, got = 0;

    TALLY_TRY(open_capped(path, max, &fd, &size));
    p = malloc(size + 1);
    TALLY_ENSURE(p != NULL, TALLY_E_NOMEM, "%zu bytes for %s", size, path);
    TALLY_TRY(read_up_to(fd, path, p, size + 1, &got));
    TALLY_ENSURE(got <= size, TALLY_E_IO, "cannot read %s: it grew meanwhile", path);
    p[got] = '\0';
    *bytes = p;
    *len = got;
    p = NULL;
    return TALLY_OK;
}

enum tally_status tally_file_read_exact(const char *path, void *to, size_t len)
{
    TALLY_CLEANUP(close_fd) int fd = -1;
    size_t size = 0, got = 0;

    memset(to, 0, len);
    TALLY_TRY(open_regular(path, &fd, &size));
    TALLY_ENSURE(size == len, TALLY_E_CONFIG, "%s has %zu bytes, not %zu", path, size, len);
    enum tally_status s = read_up_to(fd, path, to, len, &got);
    if (s == TALLY_OK && got != len) s = TALLY_FAIL(TALLY_E_IO, "%s was cut meanwhile", path);
    if (s != TALLY_OK) memset(to, 0, len);
    return s;
}

/* The folder that holds path: all before the last slash. */
static enum tally_status parent_of(const char *path, char parent[TALLY_FILE_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);

    TALLY_ENSURE(n < TALLY_FILE_PATH_MAX, TALLY_E_LIMIT, "path too long: %.64s...", path);
    memcpy(parent, slash == NULL ? "." : path, n);
    parent[n] = '\0';
    return TALLY_OK;
}

/* A name is durable once its folder is. */
static enum tally_status sync_parent(const char *path)
{
    TALLY_CLEANUP(close_fd) int fd = -1;
    char parent[TALLY_FILE_PATH_MAX];

    TALLY_TRY(parent_of(path, parent));
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) return failed("make durable the folder of", path);
    return TALLY_OK;
}

static enum tally_status write_all(int fd, const char *path, struct tally_slice bytes)
{
    size_t done = 0;

    while (done < bytes.len) {
        ssize_t n = write(fd, bytes.at + done, bytes.len - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed("write", path);
        done += (size_t)n;
    }
    return TALLY_OK;
}

enum tally_status tally_file_draft_begin(struct tally_file_draft *d, const char *path, mode_t mode)
{
    *d = TALLY_FILE_DRAFT_EMPTY;
    int n = snprintf(d->path, sizeof d->path, "%s", path);
    int m = snprintf(d->tmp, sizeof d->tmp, "%s.XXXXXX.tmp", path);
    TALLY_ENSURE(n > 0 && m > 0 && (size_t)m < sizeof d->tmp, TALLY_E_LIMIT,
                 "path empty or too long: %.64s", path);
    d->fd = mkostemps(d->tmp, 4, O_CLOEXEC);
    if (d->fd < 0) return failed("write", path);
    if (fchmod(d->fd, mode) != 0) {
        enum tally_status s = failed("set the mode of", path);
        tally_file_draft_abandon(d);
        return s;
    }
    return TALLY_OK;
}

enum tally_status tally_file_draft_add(struct tally_file_draft *d, struct tally_slice bytes)
{
    enum { BEGIN_BYTES = 4 << 20 };

    TALLY_ENSURE(d->fd >= 0, TALLY_E_STATE, "no draft of a file is open");
    TALLY_TRY(write_all(d->fd, d->path, bytes));
    d->added += (off_t)bytes.len;
    if (d->added - d->begun < BEGIN_BYTES) return TALLY_OK;
    /* no promise, only a start: commit's fsync is what counts */
    (void)sync_file_range(d->fd, d->begun, d->added - d->begun, SYNC_FILE_RANGE_WRITE);
    d->begun = d->added;
    return TALLY_OK;
}

enum tally_status tally_file_draft_commit(struct tally_file_draft *d)
{
    TALLY_ENSURE(d->fd >= 0, TALLY_E_STATE, "no draft of a file is open");
    if (fsync(d->fd) != 0) return failed("write", d->path);
    if (rename(d->tmp, d->path) != 0) return failed("replace", d->path);
    (void)close(d->fd);
    d->fd = -1;
    return sync_parent(d->path);
}

void tally_file_draft_abandon(struct tally_file_draft *d)
{
    if (d->fd < 0) return;
    (void)unlink(d->tmp);
    (void)close(d->fd);
    d->fd = -1;
}

enum tally_status tally_file_write(const char *path, struct tally_slice bytes, mode_t mode)
{
    TALLY_CLEANUP(tally_file_draft_abandon) struct tally_file_draft d = TALLY_FILE_DRAFT_EMPTY;

    TALLY_TRY(tally_file_draft_begin(&d, path, mode));
    TALLY_TRY(tally_file_draft_add(&d, bytes));
    return tally_file_draft_commit(&d);
}

/* A torn tail would be read as a record: take it back. */
static enum tally_status append_at(int fd, const char *path, off_t old, struct tally_slice bytes)
{
    enum tally_status s = write_all(fd, path, bytes);

    if (s == TALLY_OK && fsync(fd) != 0) s = failed("write", path);
    if (s != TALLY_OK && ftruncate(fd, old) == 0) (void)fsync(fd);
    return s;
}

enum tally_status tally_file_append(const char *path, struct tally_slice bytes, mode_t mode)
{
    TALLY_CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
    bool made = false;
    struct stat st;

    if (fd < 0 && errno == ENOENT) {
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        made = true;
    }
    if (fd < 0 || fstat(fd, &st) != 0) return failed("write", path);
    TALLY_ENSURE(S_ISREG(st.st_mode), TALLY_E_IO, "cannot append to %s: not a regular file", path);
    if (made && fchmod(fd, mode) != 0) return failed("set the mode of", path);
    TALLY_TRY(append_at(fd, path, st.st_size, bytes));
    return made ? sync_parent(path) : TALLY_OK;
}

static enum tally_status make_dir(const char *path, mode_t mode)
{
    struct stat st;

    if (mkdir(path, mode) == 0) return sync_parent(path);
    if (errno != EEXIST) return failed("make the folder", path);
    if (stat(path, &st) != 0) return failed("make the folder", path);
    TALLY_ENSURE(S_ISDIR(st.st_mode), TALLY_E_IO,
                 "cannot make the folder %s: there is something else of that name", path);
    return TALLY_OK;
}

enum tally_status tally_file_make_dirs(const char *path, mode_t mode)
{
    char part[TALLY_FILE_PATH_MAX];
    size_t len = strlen(path);

    TALLY_ENSURE(len > 0 && len < sizeof part, TALLY_E_LIMIT, "path empty or too long: %.64s",
                 path);
    memcpy(part, path, len + 1);
    while (len > 1 && part[len - 1] == '/') part[--len] = '\0';
    for (size_t i = 1; i < len; i++) {
        if (part[i] != '/') continue;
        part[i] = '\0';
        TALLY_TRY(make_dir(part, mode));
        part[i] = '/';
    }
    return make_dir(part, mode);
}

enum tally_status tally_file_remove(const char *path)
{
    if (unlink(path) != 0) return errno == ENOENT ? TALLY_OK : failed("remove", path);
    return sync_parent(path);
}

enum tally_status tally_file_map(const char *path, size_t max, struct tally_slice *out)
{
    TALLY_CLEANUP(close_fd) int fd = -1;
    size_t size = 0;

    TALLY_TRY(open_capped(path, max, &fd, &size));
    if (size == 0) {
        *out = tally_slice_of(NULL, 0);
        return TALLY_OK;
    }
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) return failed("map", path);
    *out = tally_slice_of(p, size);
    return TALLY_OK;
}

void tally_file_unmap(struct tally_slice *map)
{
    union {
        const uint8_t *read_only;
        void *p;
    } at = {.read_only = map->at};

    if (map->len != 0) (void)munmap(at.p, map->len);
    *map = tally_slice_of(NULL, 0);
}
