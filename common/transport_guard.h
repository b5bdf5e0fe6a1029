/* transport_guard.h - what each connection of a server holds in our memory, and its end where that
 * is too much (transport_server.c's own).
 *
 * ZeroMQ counts queued messages, but a message that announces part after part and never its last
 * one is counted nowhere and grows without end, behind CURVE where no proxy sees it. So we compare
 * what the kernel has handed to ZeroMQ on a connection with what ZeroMQ has handed to us, and shut
 * the connection where the difference passes its limit; ZeroMQ then frees it. */
#pragma once

#include "common/transport.h"

enum {
    TALLY_GUARD_MS = 100,           /* between two looks */
    TALLY_GUARD_SLACK = 64 * 1024,  /* handshake, frames not counted below */
    TALLY_GUARD_BYTES_PER_S = 64,   /* heartbeats, over a connection's life */
    TALLY_GUARD_FRAME = 9 + 33,     /* ZMTP's and CURVE's own bytes of a message */
    TALLY_GUARD_SPARE_MESSAGES = 6, /* beyond the window: as the queue's, and two on the way */
};

struct tally_guard_conn {
    bool live, cut;
    bool known; /* a message came, from `peer` */
    uint32_t peer;
    uint64_t taken; /* bytes that ZeroMQ handed to us */
    uint64_t since_ms;
};
struct tally_guard {
    struct tally_guard_conn *conns; /* by descriptor */
    size_t n, live_n;
    uint64_t each_max, total_max; /* bytes */
};

void tally_guard_init(struct tally_guard *g, uint32_t window);
void tally_guard_free(struct tally_guard *g);

/* From the monitor. Past TALLY_CONNECTIONS_MAX, or without memory, the connection is shut. */
void tally_guard_accepted(struct tally_guard *g, uint32_t fd, uint64_t now_ms);
/* True where a message had come; *peer is whose. */
bool tally_guard_ended(struct tally_guard *g, uint32_t fd, uint32_t *peer);

/* `bytes` in `parts` parts were received from peer on fd. */
void tally_guard_took(struct tally_guard *g, int fd, uint32_t peer, size_t bytes, size_t parts);

/* Shuts what holds too much; how many. */
size_t tally_guard_look(struct tally_guard *g, uint64_t now_ms);

/* Shuts peer's connection; false if it is not known. */
bool tally_guard_cut(struct tally_guard *g, uint32_t peer);
