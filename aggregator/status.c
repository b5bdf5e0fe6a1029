/* status.c - see status.h. */
#include "aggregator/status.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum tally_status tally_status_address(const char *path, struct sockaddr_un *a, int *dir)
{
    char folder[4096], name[4096];

    (void)snprintf(folder, sizeof folder, "%s", path);
    (void)snprintf(name, sizeof name, "%s", path);
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    *dir = open(dirname(folder), O_PATH | O_DIRECTORY | O_CLOEXEC);
    TALLY_ENSURE(*dir >= 0, TALLY_E_IO, "%s: its folder: %s", path, strerror(errno));
    int n = snprintf(a->sun_path, sizeof a->sun_path, "/proc/self/fd/%d/%s", *dir, basename(name));
    if (n < 0 || (size_t)n >= sizeof a->sun_path) {
        (void)close(*dir);
        return TALLY_FAIL(TALLY_E_CONFIG, "%s: the name of the socket is too long", path);
    }
    return TALLY_OK;
}

static enum tally_status read_all(int fd, char **text, size_t *len)
{
    size_t cap = 1 << 16;

    *len = 0;
    *text = malloc(cap);
    for (;;) {
        TALLY_ENSURE(*text != NULL && *len < TALLY_STATUS_BYTES_MAX, TALLY_E_NOMEM, "status");
        ssize_t n = read(fd, *text + *len, cap - *len);
        TALLY_ENSURE(n >= 0, TALLY_E_IO, "the status socket: %s", strerror(errno));
        if (n == 0) return TALLY_OK;
        *len += (size_t)n;
        if (*len < cap) continue;
        char *more = realloc(*text, cap *= 2);
        if (more == NULL) free(*text);
        *text = more;
    }
}

enum tally_status tally_status_ask(const char *path, json_t **out)
{
    struct timeval patience = {.tv_sec = TALLY_STATUS_WAIT_MS / 1000};
    struct sockaddr_un a;
    json_error_t e;
    char *text = NULL;
    size_t len = 0;
    int dir;

    TALLY_TRY(tally_status_address(path, &a, &dir));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
              connect(fd, (const struct sockaddr *)&a, sizeof a) == 0;
    (void)close(dir);
    enum tally_status s =
        ok ? read_all(fd, &text, &len)
           : TALLY_FAIL(TALLY_E_IO,
                        "no aggregator answers at %s: is `tally-aggregator serve` "
                        "running there?",
                        path);
    if (fd >= 0) (void)close(fd);
    if (s == TALLY_OK) {
        *out = json_loadb(text, len, 0, &e);
        if (*out == NULL) s = TALLY_FAIL(TALLY_E_IO, "the status was cut off: ask again");
    }
    free(text);
    return s;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    return s != NULL ? s : "";
}

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void print_node(const json_t *n)
{
    const char *reason = text_of(n, "reason");

    (void)printf("  %-28s %-13s %s%s%s\n", text_of(n, "agent"),
                 json_is_true(json_object_get(n, "connected")) ? text_of(n, "phase")
                 : *reason                                     ? "refused"
                                                               : "not connected",
                 reason, *reason ? ": " : "", text_of(n, "why"));
}

static void print_round(const json_t *h)
{
    const json_t *base = json_object_get(h, "base"), *item;
    size_t i;

    (void)printf("  round %-4lld %-10s %-7s %6.2f s  %zu counted", (long long)number_of(h, "round"),
                 text_of(h, "kind"), text_of(h, "outcome"),
                 json_real_value(json_object_get(h, "seconds")),
                 json_array_size(json_object_get(h, "accepted")));
    json_array_foreach(json_object_get(h, "excluded"), i, item)(void)
        printf(", %s %s", text_of(item, "agent"), text_of(item, "reason"));
    if (json_is_object(base))
        (void)printf("  AUC-PR %.3f  ROC %.3f", json_real_value(json_object_get(base, "auc_pr")),
                     json_real_value(json_object_get(base, "roc_auc")));
    (void)printf("\n");
}

static void print_job(const json_t *j)
{
    const json_t *history = json_object_get(j, "history"), *version = json_object_get(j, "version");
    size_t n = json_array_size(history), first = n > 5 ? n - 5 : 0;

    (void)printf("job %s  %lld of %lld rounds  %s%s%s\n", text_of(j, "name"),
                 (long long)number_of(j, "rounds_done"), (long long)number_of(j, "rounds"),
                 json_is_true(json_object_get(j, "done")) ? "done"
                 : *text_of(j, "stopped")                 ? "stopped: "
                                                          : text_of(j, "state"),
                 *text_of(j, "waiting") ? ", " : "",
                 *text_of(j, "stopped") ? text_of(j, "stopped") : text_of(j, "waiting"));
    for (size_t i = first; i < n; i++) print_round(json_array_get(history, i));
    if (json_is_object(version))
        (void)printf("  newest version %s\n    %s\n", text_of(version, "digest"),
                     text_of(version, "file"));
}

void tally_status_print(const json_t *status)
{
    const json_t *federation = json_object_get(status, "federation"), *item;
    size_t i;

    (void)printf("federation %s, version %lld, sha256:%s\n", text_of(federation, "name"),
                 (long long)number_of(federation, "version"), text_of(federation, "digest"));
    json_array_foreach(json_object_get(status, "nodes"), i, item) print_node(item);
    if (json_array_size(json_object_get(status, "jobs")) == 0)
        (void)printf("no job with all its signatures yet\n");
    json_array_foreach(json_object_get(status, "jobs"), i, item) print_job(item);
}
