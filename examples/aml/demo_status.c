/* demo_status.c - asking the running aggregator (demo_progress.h). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "examples/aml/demo_progress.h"

enum { BYTES_MAX = 64 << 20, ROOM_FIRST = 1 << 16, WAIT_MS = 5000 };

/* Through the folder's descriptor: a socket's own path may have no more than 107 bytes. */
static enum tally_status connect_to(const char *path, int *fd)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char folder[4096];
    const char *slash = strrchr(path, '/');

    TALLY_ENSURE(slash != NULL && (size_t)(slash - path) < sizeof folder, TALLY_E_CONFIG,
                 "%s: no place for a socket", path);
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    TALLY_ENSURE(dir >= 0, TALLY_E_IO, "%s: %s", folder, strerror(errno));
    (void)snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d%.64s", dir, slash);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = *fd >= 0 && connect(*fd, (const struct sockaddr *)&a, sizeof a) == 0;
    int why = errno;
    (void)close(dir);
    if (!ok && *fd >= 0) (void)close(*fd);
    TALLY_ENSURE(ok, TALLY_E_IO, "%s: %s", path, strerror(why));
    return TALLY_OK;
}

/* All until the other side closes. */
static enum tally_status read_all(int fd, char **text, size_t *len)
{
    size_t room = 0;

    for (*len = 0;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (room - *len < 2) {
            room = room == 0 ? ROOM_FIRST : room * 2;
            TALLY_ENSURE(room <= BYTES_MAX, TALLY_E_LIMIT, "a status of over %d bytes", BYTES_MAX);
            char *more = realloc(*text, room);
            TALLY_ENSURE(more != NULL, TALLY_E_NOMEM, "a status");
            *text = more;
        }
        if (poll(&p, 1, WAIT_MS) < 0 && errno == EINTR) continue;
        TALLY_ENSURE(p.revents != 0, TALLY_E_IO, "no answer within %d s", WAIT_MS / 1000);
        ssize_t n = read(fd, *text + *len, room - *len - 1);
        if (n < 0 && errno == EINTR) continue;
        TALLY_ENSURE(n >= 0, TALLY_E_IO, "%s", strerror(errno));
        if (n == 0) return TALLY_OK;
        *len += (size_t)n;
    }
}

enum tally_status tally_demo_status(const char *path, json_t **out)
{
    char *text = NULL;
    size_t len;
    int fd = -1;

    TALLY_TRY(connect_to(path, &fd));
    enum tally_status s = read_all(fd, &text, &len);
    (void)close(fd);
    json_t *j = s == TALLY_OK ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    free(text);
    TALLY_TRY(s);
    TALLY_ENSURE(j != NULL, TALLY_E_IO, "the aggregator's status is no JSON");
    *out = j;
    return TALLY_OK;
}
