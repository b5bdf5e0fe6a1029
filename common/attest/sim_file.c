/* sim_file.c - see sim_file.h. */
#include "common/attest/sim_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0) (void)close(*fd);
}

static enum tally_status put(int fd, struct tally_slice b, const char *path)
{
    while (b.len > 0) {
        ssize_t n = write(fd, b.at, b.len);
        if (n < 0 && errno == EINTR) continue;
        TALLY_ENSURE(n > 0, TALLY_E_IO, "writing %s: %s", path, strerror(errno));
        b.at += n;
        b.len -= (size_t)n;
    }
    TALLY_ENSURE(fsync(fd) == 0, TALLY_E_IO, "syncing %s: %s", path, strerror(errno));
    return TALLY_OK;
}

enum tally_status tally_sim_file_write(const char *path, struct tally_slice bytes)
{
    TALLY_CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    TALLY_ENSURE(fd >= 0, TALLY_E_IO, "creating %s: %s", path, strerror(errno));
    enum tally_status s = put(fd, bytes, path);
    if (s != TALLY_OK) (void)unlink(path);
    return s;
}

enum tally_status tally_sim_file_read(const char *path, struct tally_secret *out)
{
    TALLY_CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    TALLY_CLEANUP(tally_secret_free) struct tally_secret buf = {0};
    size_t used = 0;
    ssize_t n = 1;

    TALLY_ENSURE(fd >= 0, TALLY_E_IO, "opening %s: %s", path, strerror(errno));
    TALLY_TRY(tally_secret_new(&buf, TALLY_SIM_FILE_MAX));
    while (n > 0 && used < buf.len) {
        n = read(fd, buf.at + used, buf.len - used);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            used += (size_t)n;
    }
    TALLY_ENSURE(n == 0, TALLY_E_IO, "reading %s: %s", path,
                 n < 0 ? strerror(errno) : "longer than any such file");
    TALLY_TRY(tally_secret_new(out, used ? used : 1));
    if (used != 0) memcpy(out->at, buf.at, used);
    out->len = used;
    return TALLY_OK;
}
