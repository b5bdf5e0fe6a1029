/* transport_guard.c - see transport_guard.h. A descriptor may have been closed and taken again when
 * we shut it: then an innocent connection has to be made again, no more. */
#include "common/transport_guard.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

void tally_guard_init(struct tally_guard *g, uint32_t window)
{
    *g = (struct tally_guard){
        .each_max = (uint64_t)(window + TALLY_GUARD_SPARE_MESSAGES) * TALLY_MAXMSGSIZE,
        .total_max = TALLY_HELD_MAX,
    };
}

void tally_guard_free(struct tally_guard *g)
{
    free(g->conns);
    *g = (struct tally_guard){0};
}

static bool grow(struct tally_guard *g, size_t fd)
{
    const size_t n = (fd / 256 + 1) * 256;

    if (fd < g->n) return true;
    struct tally_guard_conn *more = realloc(g->conns, n * sizeof *more);
    if (!more) return false;
    memset(more + g->n, 0, (n - g->n) * sizeof *more);
    g->conns = more;
    g->n = n;
    return true;
}

void tally_guard_accepted(struct tally_guard *g, uint32_t fd, uint64_t now_ms)
{
    if (g->live_n >= TALLY_CONNECTIONS_MAX || !grow(g, fd)) {
        (void)shutdown((int)fd, SHUT_RDWR);
        return;
    }
    if (!g->conns[fd].live) g->live_n++;
    g->conns[fd] = (struct tally_guard_conn){.live = true, .since_ms = now_ms};
}

bool tally_guard_ended(struct tally_guard *g, uint32_t fd, uint32_t *peer)
{
    if (fd >= g->n || !g->conns[fd].live) return false;
    const struct tally_guard_conn was = g->conns[fd];
    g->conns[fd] = (struct tally_guard_conn){0};
    g->live_n--;
    *peer = was.peer;
    return was.known;
}

void tally_guard_took(struct tally_guard *g, int fd, uint32_t peer, size_t bytes, size_t parts)
{
    if (fd < 0 || (size_t)fd >= g->n || !g->conns[fd].live) return;
    g->conns[fd].known = true;
    g->conns[fd].peer = peer;
    g->conns[fd].taken += bytes + parts * TALLY_GUARD_FRAME;
}

/* Bytes that ZeroMQ has read from the kernel and not handed to us. */
static uint64_t held(const struct tally_guard_conn *c, int fd, uint64_t now_ms)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof info;
    int unread = 0;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0) return 0;
    if (ioctl(fd, FIONREAD, &unread) != 0 || unread < 0) unread = 0;
    const uint64_t accounted = c->taken + (uint64_t)unread + TALLY_GUARD_SLACK +
                               (now_ms - c->since_ms) * TALLY_GUARD_BYTES_PER_S / 1000;
    return info.tcpi_bytes_received > accounted ? info.tcpi_bytes_received - accounted : 0;
}

static void shut(struct tally_guard *g, size_t fd)
{
    g->conns[fd].cut = true;
    (void)shutdown((int)fd, SHUT_RDWR);
}

struct look {
    uint64_t total, most;
    size_t most_at, cut;
};

static void look_at(struct tally_guard *g, size_t fd, uint64_t now_ms, struct look *l)
{
    const struct tally_guard_conn *c = &g->conns[fd];
    const uint64_t bytes = held(c, (int)fd, now_ms);

    /* the first message of a session is short */
    if (bytes > (c->known ? g->each_max : TALLY_MAXMSGSIZE)) {
        shut(g, fd);
        l->cut++;
        return;
    }
    l->total += bytes;
    if (bytes > l->most) {
        l->most = bytes;
        l->most_at = fd;
    }
}

size_t tally_guard_look(struct tally_guard *g, uint64_t now_ms)
{
    struct look l = {0};

    for (size_t fd = 0; fd < g->n; fd++) {
        if (g->conns[fd].live && !g->conns[fd].cut) look_at(g, fd, now_ms, &l);
    }
    if (l.total > g->total_max) { /* the greatest now, the next one at the next look */
        shut(g, l.most_at);
        l.cut++;
    }
    return l.cut;
}

bool tally_guard_cut(struct tally_guard *g, uint32_t peer)
{
    for (size_t fd = 0; fd < g->n; fd++) {
        if (!g->conns[fd].live || !g->conns[fd].known || g->conns[fd].peer != peer) continue;
        shut(g, fd);
        return true;
    }
    return false;
}
