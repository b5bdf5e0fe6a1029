/* transport.h - messages between programs: an aggregator's listener and an agent's connection, with
 * every setting ZeroMQ needs to be safe in one place. No ZeroMQ name leaves transport_zmq.c.
 *
 * What it promises: only holders of a CURVE key in the table get a word in; each message comes with
 * the table's name for that key ("org/node"), never with a name the peer chose; what peers can make
 * a server hold is bounded (TALLY_HELD_MAX and what arrives in a tenth of a second); nothing
 * blocks. What it does not: a message that was sent, or received and not yet delivered, may be lost
 * with its connection, so whoever needs to know waits for an answer. Trust rests on the attested
 * session above (CHANNEL.md), not on CURVE. Everything is called in the loop's thread. */
#pragma once

#include "common/loop.h"
#include "common/z85.h"

enum {
    TALLY_TRANSPORT_CHUNK = 512 * 1024,
    TALLY_MESSAGE_MAX =
        TALLY_TRANSPORT_CHUNK + 4096 - 64,           /* what a payload may have; CURVE adds 33 */
    TALLY_MAXMSGSIZE = TALLY_TRANSPORT_CHUNK + 4096, /* a larger frame ends its connection */
    TALLY_WINDOW_DEFAULT = 8,                        /* chunks under credit; 4 MiB a peer */
    TALLY_WINDOW_MAX = 256,
    TALLY_HANDSHAKE_MS = 3000,
    TALLY_HEARTBEAT_MS = 15 * 1000,
    TALLY_HEARTBEAT_TIMEOUT_MS = 45 * 1000,
    TALLY_HEARTBEAT_TTL_MS = 60 * 1000,
    TALLY_RECONNECT_MIN_MS = 1000,
    TALLY_RECONNECT_MAX_MS = 60 * 1000,
    TALLY_CONNECT_MS = 15 * 1000, /* TCP, proxy and CURVE together */
    TALLY_BACKLOG = 1024,
    TALLY_LINGER_MS = 2000,
    TALLY_FILES_WANTED = 65536,
    TALLY_CURVE_ENTRIES_MAX = 256,
    TALLY_CONNECTIONS_MAX = 4096,       /* of a server; 40 KiB each */
    TALLY_HELD_MAX = 512 * 1024 * 1024, /* bytes received and not delivered, over all connections */
    TALLY_USER_MAX = 127,               /* "org/node" */
    TALLY_ENDPOINT_MAX = 255,
};

/* First thing in main, before any thread: sets malloc up for reuse of large blocks, raises the
 * limit of open files as far as it goes, and makes the process's ZeroMQ context. *files is the
 * limit reached; below TALLY_FILES_WANTED a server should warn. ZeroMQ installs no signal handler
 * and reads no environment. */
TALLY_RESULT tally_transport_start(uint64_t *files);
/* After the last server and client are gone; waits at most TALLY_LINGER_MS for what was sent. */
void tally_transport_stop(void);

/* A fresh CURVE key pair; the secret belongs into guarded memory. */
void tally_curve_keypair(uint8_t public_key[TALLY_CURVE_KEY_BYTES],
                         uint8_t secret[TALLY_CURVE_KEY_BYTES]);

/* What became of a send. */
enum tally_sent {
    TALLY_SENT,      /* ZeroMQ has it, in order after what was sent before */
    TALLY_SENT_FULL, /* not taken: the peer's queue is full, or there is no connection yet */
    TALLY_SENT_GONE, /* not taken and never will be: that peer has left */
};

/* What happened on a connection, for the log and metrics; each kind is reported at most
 * TALLY_LINK_BURST times at once and TALLY_LINK_PER_S a second, `suppressed` says how many of the
 * kind were left out before this one. */
enum { TALLY_LINK_BURST = 16, TALLY_LINK_PER_S = 4 };
enum tally_link {
    TALLY_LINK_UP,              /* TCP and CURVE are through */
    TALLY_LINK_DOWN,            /* it ended; detail 0 */
    TALLY_LINK_AUTH_FAILED,     /* detail: the ZAP status, 400 for a key not in the table */
    TALLY_LINK_PROTOCOL_FAILED, /* detail: ZeroMQ's protocol error */
    TALLY_LINK_FAILED,          /* handshake broke off or timed out; detail: errno */
    TALLY_LINK_NO_USER,         /* message dropped: no authenticated name, or its key was removed */
    TALLY_LINK_SHAPE, /* message dropped: not one part, or a routing id chosen by the peer */
    TALLY_LINK_EMPTY, /* message dropped: no bytes in it */
    TALLY_LINK_FLOOD, /* ended by us: it held too much; detail: how many at once */
    TALLY_LINKS
};
const char *tally_link_name(enum tally_link link); /* "auth_failed" */
struct tally_link_report {
    enum tally_link link;
    uint32_t detail;
    const char *user; /* "org/node" where known, else "" */
    uint64_t suppressed;
};

/* ---- server ---- */

struct tally_server;

/* A message: `bytes` and `user` live until the callback returns. `peer` names the connection, not
 * the node: a reconnect gives another, and one is not used again while the process lives (but for
 * a wrap after 2^32). A session therefore belongs to (peer, user). */
struct tally_arrival {
    uint32_t peer;
    const char *user;
    struct tally_slice bytes; /* 1 to TALLY_MAXMSGSIZE */
};

/* Who may connect: a CURVE public key in Z85 and the name its messages carry. */
struct tally_curve_entry {
    char key[TALLY_Z85_KEY_CHARS + 1];
    char user[TALLY_USER_MAX + 1];
};

struct tally_server_config {
    const char *endpoint;        // "tcp://*:7411"; port * takes any
    const uint8_t *curve_secret; /* 32 bytes; may be wiped after tally_server_new */
    const struct tally_curve_entry *keys;
    size_t keys_n;   /* at most TALLY_CURVE_ENTRIES_MAX; 0: nobody */
    uint32_t window; /* chunks a peer may have under way; 0: TALLY_WINDOW_DEFAULT */
    void (*on_message)(void *ctx, const struct tally_arrival *message);
    void (*on_gone)(void *ctx, uint32_t peer);                          /* may be NULL; see below */
    void (*on_link)(void *ctx, const struct tally_link_report *report); /* may be NULL */
    void *ctx;
};

/* on_gone: a connection that had sent a message has ended. A hint that comes soon after most ends
 * but not surely after every one; TALLY_SENT_GONE and the session's own silence timer are sure.
 *
 * Listens. The handler that admits keys is up before the port is. E_CONFIG for a bad endpoint, key
 * or name, or one key twice; E_IO if the port is taken. One server in a process at a time
 * (E_STATE). */
TALLY_RESULT tally_server_new(struct tally_server **server, struct tally_loop *loop,
                              const struct tally_server_config *config);
void tally_server_destroy(struct tally_server **server);

/* Replaces the whole table. When it returns, handshakes are judged by the new one, and messages of
 * live connections whose key is no longer there (or has another name now) are dropped. On failure
 * the old one stays. */
TALLY_RESULT tally_server_keys(struct tally_server *server, const struct tally_curve_entry *keys,
                               size_t n);

/* The address in use, with the port that "*" became. */
const char *tally_server_endpoint(const struct tally_server *server);

/* Copies. At most TALLY_MESSAGE_MAX bytes (a broken invariant otherwise). */
__attribute__((warn_unused_result)) enum tally_sent
tally_server_send(struct tally_server *server, uint32_t peer, struct tally_slice bytes);

/* Ends that connection; what is queued for it may be lost, and messages that it has sent may still
 * come. on_gone follows. Nothing happens where it is not known. */
void tally_server_cut(struct tally_server *server, uint32_t peer);

/* ---- client ---- */

struct tally_client;

struct tally_client_config {
    const char *endpoint;        /* "tcp://aggregator.example:7411" */
    const char *server_key;      /* Z85, pinned */
    const uint8_t *curve_secret; /* 32 bytes; kept in guarded memory for reconnects */
    const char *socks_proxy;     /* "host:port" or NULL; the proxy resolves names */
    uint32_t window;             /* chunks under way; 0: TALLY_WINDOW_DEFAULT */
    uint32_t reconnect_min_ms, reconnect_max_ms; /* 0: the defaults */
    void (*on_message)(void *ctx, struct tally_slice bytes);
    void (*on_up)(void *ctx);   /* connected: begin a session */
    void (*on_down)(void *ctx); /* the connection, and so the session, is over; it tries again */
    void (*on_link)(void *ctx, const struct tally_link_report *report); /* may be NULL */
    void *ctx;
};

/* Connects, and again whenever the connection ends, waiting a random time between half and all of
 * a delay that doubles from reconnect_min_ms to reconnect_max_ms and starts over after a message
 * was received. Each connection is a new socket: no byte of one session reaches the next. on_up and
 * on_down alternate, on_up first; no message comes outside the two. */
TALLY_RESULT tally_client_new(struct tally_client **client, struct tally_loop *loop,
                              const struct tally_client_config *config);
void tally_client_destroy(struct tally_client **client); /* no callback from here on */

/* Copies; TALLY_SENT_FULL while down. */
__attribute__((warn_unused_result)) enum tally_sent tally_client_send(struct tally_client *client,
                                                                      struct tally_slice bytes);

/* Ends the connection now (a session that failed, say); on_down follows from the loop, then it
 * connects again after the usual wait. */
void tally_client_drop(struct tally_client *client);
