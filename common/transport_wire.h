/* transport_wire.h - one ZeroMQ socket with every option set, its monitor, and the handler that
 * admits CURVE keys: the seam between transport.c, which decides, and transport_zmq.c, which alone
 * knows ZeroMQ. Not for others. */
#pragma once

#include "common/transport_keys.h"

struct tally_wire;
struct tally_gate;

TALLY_RESULT tally_wire_start(void); /* the context; E_STATE if there is one */
void tally_wire_stop(void);

/* The ZAP handler (ZeroMQ RFC 27) in a thread of its own. Takes the table. One in a process. */
TALLY_RESULT tally_gate_new(struct tally_gate **gate, struct tally_keys **keys);
/* Takes the table and returns when it is in force. */
void tally_gate_replace(struct tally_gate *gate, struct tally_keys **keys);
void tally_gate_destroy(struct tally_gate **gate);

struct tally_wire_config {
    const char *endpoint;
    const uint8_t *curve_secret; /* 32 bytes */
    const uint8_t *server_key;   /* 32 bytes, client only */
    const char *socks_proxy;     /* client only, may be NULL */
    uint32_t window;             /* chunks */
};
TALLY_RESULT tally_wire_listen(struct tally_wire **wire, const struct tally_wire_config *config);
TALLY_RESULT tally_wire_connect(struct tally_wire **wire, const struct tally_wire_config *config);
void tally_wire_close(struct tally_wire **wire);

/* For poll; they report changes only, so ask `ready` before waiting. */
int tally_wire_fd(struct tally_wire *wire);
bool tally_wire_ready(struct tally_wire *wire);
int tally_wire_events_fd(struct tally_wire *wire);
bool tally_wire_events_ready(struct tally_wire *wire);

const char *tally_wire_endpoint(const struct tally_wire *wire); /* where it listens */

/* peer: the server's side only. */
enum tally_sent tally_wire_send(struct tally_wire *wire, uint32_t peer, struct tally_slice bytes);

/* The next message, false if there is none. It lives until the next call. */
struct tally_wire_in {
    uint32_t peer;
    bool shape_ok;    /* one part, and a routing id of ZeroMQ's own making */
    const char *user; /* as the handler said, NULL: never authenticated */
    const char *key;  /* likewise, Z85 */
    int fd;           /* the connection's, -1 if unknown */
    size_t total;     /* bytes of all parts */
    size_t parts;
    struct tally_slice bytes;
};
bool tally_wire_recv(struct tally_wire *wire, struct tally_wire_in *in);

/* The next event, false if there is none. */
struct tally_wire_event {
    bool accepted; /* a connection began: detail is its descriptor, link means nothing */
    enum tally_link link;
    uint32_t detail; /* as in transport.h; DOWN: the connection's descriptor */
};
bool tally_wire_event(struct tally_wire *wire, struct tally_wire_event *event);
