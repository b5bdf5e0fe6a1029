/* transport_zmq.c - see transport.h and transport_wire.h. Raw libzmq, so neither CZMQ's signal
 * handlers nor its ZSYS_* environment exist. Each option is there because its default is unsafe. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "common/transport_wire.h"

#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93 /* behind DRAFT in the header, in force in the library */
#endif

#define ZAP_ENDPOINT  "inproc://zeromq.zap.01"
#define GATE_ENDPOINT "inproc://tally.gate"

enum {
    IO_THREADS = 1,
    ROUTING_ID_BYTES = 5, /* a zero and 32 bits: what ZeroMQ makes itself */
    KEEPALIVE_IDLE_S = 60,
    KEEPALIVE_INTERVAL_S = 15,
    KEEPALIVE_COUNT = 4,
    MAX_RETRANSMIT_MS = 60 * 1000,
    SPARE_MESSAGES = 4, /* of the queue, beyond the window: control beside bulk */
    EVENTS = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
             ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
             ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED,
};

static void *context;

/* ---- process ---- */

enum tally_status tally_wire_start(void)
{
    TALLY_ENSURE(context == NULL, TALLY_E_STATE, "the transport was started already");
    context = zmq_ctx_new();
    TALLY_ENSURE(context != NULL, TALLY_E_LIB, "zmq_ctx_new: %s", zmq_strerror(errno));
    TALLY_ENSURE(zmq_ctx_set(context, ZMQ_IO_THREADS, IO_THREADS) == 0, TALLY_E_LIB,
                 "ZMQ_IO_THREADS");
    return TALLY_OK;
}

void tally_wire_stop(void)
{
    if (!context) return;
    while (zmq_ctx_term(context) != 0) TALLY_ASSERT(errno == EINTR);
    context = NULL;
}

/* ---- small calls that a signal may interrupt ---- */

static int send_part(void *sock, const void *bytes, size_t n, int flags)
{
    int rc;

    do {
        rc = zmq_send(sock, bytes, n, flags);
    } while (rc < 0 && errno == EINTR);
    return rc;
}

static int recv_part(void *sock, zmq_msg_t *msg, int flags)
{
    int rc;

    do {
        rc = zmq_msg_recv(msg, sock, flags);
    } while (rc < 0 && errno == EINTR);
    return rc;
}

static bool set_int(void *sock, int option, int value)
{
    return zmq_setsockopt(sock, option, &value, sizeof value) == 0;
}

static int fd_of(void *sock)
{
    int fd = -1;
    size_t n = sizeof fd;

    TALLY_ASSERT(zmq_getsockopt(sock, ZMQ_FD, &fd, &n) == 0);
    return fd;
}

static bool readable(void *sock)
{
    int events = 0;
    size_t n = sizeof events;

    while (zmq_getsockopt(sock, ZMQ_EVENTS, &events, &n) != 0) TALLY_ASSERT(errno == EINTR);
    return events & ZMQ_POLLIN;
}

/* ---- gate: the ZAP handler ---- */

struct tally_gate {
    pthread_t thread;
    void *control;           /* the loop's end */
    struct tally_keys *keys; /* the thread's alone while it runs */
};

static void read_request(void *sock, struct tally_zap *q)
{
    int more = 1;

    for (q->n = 0; more; q->n++) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        TALLY_ASSERT(recv_part(sock, &part, 0) >= 0);
        more = zmq_msg_more(&part);
        const size_t len = zmq_msg_size(&part);
        if (q->n < TALLY_ZAP_PARTS_MAX) {
            q->parts[q->n].len = len; /* one too long for us matches nothing below */
            memcpy(q->parts[q->n].bytes, zmq_msg_data(&part),
                   len < TALLY_ZAP_PART_MAX ? len : TALLY_ZAP_PART_MAX);
        }
        zmq_msg_close(&part);
    }
}

static void answer_request(void *sock, const struct tally_keys *keys)
{
    struct tally_zap q = {.n = 0};
    uint8_t buf[TALLY_ZAP_PROPERTIES_MAX];
    struct tally_slice properties = {0};

    read_request(sock, &q);
    const struct tally_curve_entry *e = tally_keys_judge(keys, &q);
    const char *status = e ? "200" : "400", *text = e ? "OK" : "not in the table";
    const char *user = e ? e->user : "";
    if (e) properties = tally_keys_properties(e, buf);
    const struct tally_slice id = tally_zap_id(&q);
    (void)send_part(sock, "1.0", 3, ZMQ_SNDMORE);
    (void)send_part(sock, id.at, id.len, ZMQ_SNDMORE);
    (void)send_part(sock, status, 3, ZMQ_SNDMORE);
    (void)send_part(sock, text, strlen(text), ZMQ_SNDMORE);
    (void)send_part(sock, user, strlen(user), ZMQ_SNDMORE);
    (void)send_part(sock, properties.at, properties.len, 0);
}

/* A table or, to stop, NULL; each is answered when it is in force. False: stop. */
static bool take_order(struct tally_gate *gate, void *control)
{
    struct tally_keys *keys = NULL;

    TALLY_ASSERT(zmq_recv(control, &keys, sizeof keys, 0) == sizeof keys);
    if (!keys) return false;
    free(gate->keys);
    gate->keys = keys;
    TALLY_ASSERT(send_part(control, "", 0, 0) == 0);
    return true;
}

/* Answers 0 or errno once it is up, then works until it is told to stop. */
static void *gate_thread(void *arg)
{
    struct tally_gate *gate = arg;
    void *control = zmq_socket(context, ZMQ_PAIR), *zap = zmq_socket(context, ZMQ_REP);

    TALLY_ASSERT(control && zap && set_int(control, ZMQ_LINGER, 0) && set_int(zap, ZMQ_LINGER, 0));
    TALLY_ASSERT(zmq_connect(control, GATE_ENDPOINT) == 0);
    int err = zmq_bind(zap, ZAP_ENDPOINT) == 0 ? 0 : errno;
    TALLY_ASSERT(send_part(control, &err, sizeof err, 0) == sizeof err);
    for (bool on = err == 0; on;) {
        zmq_pollitem_t items[] = {
            {control, 0, ZMQ_POLLIN, 0},
            {zap,     0, ZMQ_POLLIN, 0}
        };
        if (zmq_poll(items, 2, -1) < 0) continue;
        if (items[0].revents) on = take_order(gate, control);
        if (on && items[1].revents) answer_request(zap, gate->keys);
    }
    (void)zmq_unbind(zap, ZAP_ENDPOINT); /* closing alone would free the name only later */
    zmq_close(zap);
    zmq_close(control);
    return NULL;
}

static int wait_answer(void *control, void *to, size_t n)
{
    int rc;

    do {
        rc = zmq_recv(control, to, n, 0);
    } while (rc < 0 && errno == EINTR);
    return rc;
}

enum tally_status tally_gate_new(struct tally_gate **gate, struct tally_keys **keys)
{
    struct tally_gate *g = calloc(1, sizeof *g);
    sigset_t all, old;
    int err = 0;

    TALLY_ENSURE(g != NULL, TALLY_E_NOMEM, "gate");
    g->control = zmq_socket(context, ZMQ_PAIR);
    if (!g->control || zmq_bind(g->control, GATE_ENDPOINT) != 0) {
        err = errno;
        if (g->control) zmq_close(g->control);
        free(g);
        return TALLY_FAIL(err == EADDRINUSE ? TALLY_E_STATE : TALLY_E_LIB, "gate: %s",
                          zmq_strerror(err));
    }
    g->keys = *keys;
    *keys = NULL;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    TALLY_ASSERT(pthread_create(&g->thread, NULL, gate_thread, g) == 0);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    TALLY_ASSERT(wait_answer(g->control, &err, sizeof err) == sizeof err);
    TALLY_ASSERT(err == 0); /* the endpoint is ours alone in our own context */
    *gate = g;
    return TALLY_OK;
}

void tally_gate_replace(struct tally_gate *gate, struct tally_keys **keys)
{
    uint8_t none;

    TALLY_ASSERT(send_part(gate->control, keys, sizeof *keys, 0) == sizeof *keys);
    *keys = NULL;
    TALLY_ASSERT(wait_answer(gate->control, &none, sizeof none) == 0);
}

void tally_gate_destroy(struct tally_gate **gate)
{
    struct tally_gate *g = *gate;
    struct tally_keys *stop = NULL;

    if (!g) return;
    TALLY_ASSERT(send_part(g->control, &stop, sizeof stop, 0) == sizeof stop);
    (void)pthread_join(g->thread, NULL);
    (void)zmq_unbind(g->control, GATE_ENDPOINT);
    zmq_close(g->control);
    free(g->keys);
    free(g);
    *gate = NULL;
}

/* ---- wire ---- */

struct tally_wire {
    void *sock, *monitor;
    bool listens;
    zmq_msg_t msg; /* the message handed out last */
    char endpoint[TALLY_ENDPOINT_MAX + 1];
};

static bool set_common(void *sock, const struct tally_wire_config *c)
{
    /* ZeroMQ tells the sender of what was taken only by the half queue, so that half is not there
     * to count on: without it, a sender that keeps to its window meets a full queue. */
    const int queue = (int)(c->window + SPARE_MESSAGES), twice = 2 * queue;
    const int64_t largest = TALLY_MAXMSGSIZE;
    const struct {
        int option, value;
    } ints[] = {
        {ZMQ_LINGER,              TALLY_LINGER_MS           },
        {ZMQ_SNDHWM,              twice                     },
        {ZMQ_RCVHWM,              queue                     },
        {ZMQ_HANDSHAKE_IVL,       TALLY_HANDSHAKE_MS        },
        {ZMQ_HEARTBEAT_IVL,       TALLY_HEARTBEAT_MS        },
        {ZMQ_HEARTBEAT_TIMEOUT,   TALLY_HEARTBEAT_TIMEOUT_MS},
        {ZMQ_HEARTBEAT_TTL,       TALLY_HEARTBEAT_TTL_MS    },
        {ZMQ_TCP_KEEPALIVE,       1                         },
        {ZMQ_TCP_KEEPALIVE_IDLE,  KEEPALIVE_IDLE_S          },
        {ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_INTERVAL_S      },
        {ZMQ_TCP_KEEPALIVE_CNT,   KEEPALIVE_COUNT           },
        {ZMQ_TCP_MAXRT,           MAX_RETRANSMIT_MS         },
        {ZMQ_IPV6,                1                         },
    };

    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        if (!set_int(sock, ints[i].option, ints[i].value)) return false;
    }
    return zmq_setsockopt(sock, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0 &&
           zmq_setsockopt(sock, ZMQ_CURVE_SECRETKEY, c->curve_secret, TALLY_CURVE_KEY_BYTES) == 0;
}

static bool set_server(void *sock)
{
    return set_int(sock, ZMQ_CURVE_SERVER, 1) &&
           zmq_setsockopt(sock, ZMQ_ZAP_DOMAIN, TALLY_ZAP_DOMAIN, sizeof TALLY_ZAP_DOMAIN - 1) ==
               0 &&
           set_int(sock, ZMQ_ZAP_ENFORCE_DOMAIN, 1) && set_int(sock, ZMQ_ROUTER_MANDATORY, 1) &&
           set_int(sock, ZMQ_ROUTER_HANDOVER, 0) && set_int(sock, ZMQ_BACKLOG, TALLY_BACKLOG);
}

/* No ZMQ_ROUTING_ID, ever. A socket serves one connection; transport.c makes the next one. */
static bool set_client(void *sock, const struct tally_wire_config *c)
{
    uint8_t public_key[TALLY_CURVE_KEY_BYTES];

    return crypto_scalarmult_base(public_key, c->curve_secret) == 0 &&
           zmq_setsockopt(sock, ZMQ_CURVE_PUBLICKEY, public_key, sizeof public_key) == 0 &&
           zmq_setsockopt(sock, ZMQ_CURVE_SERVERKEY, c->server_key, TALLY_CURVE_KEY_BYTES) == 0 &&
           set_int(sock, ZMQ_IMMEDIATE, 1) && set_int(sock, ZMQ_RECONNECT_IVL, -1) &&
           set_int(sock, ZMQ_CONNECT_TIMEOUT, TALLY_CONNECT_MS) &&
           (!c->socks_proxy ||
            zmq_setsockopt(sock, ZMQ_SOCKS_PROXY, c->socks_proxy, strlen(c->socks_proxy)) == 0);
}

static enum tally_status watch(struct tally_wire *w)
{
    char endpoint[64];

    (void)snprintf(endpoint, sizeof endpoint, "inproc://tally.monitor.%p", (void *)w);
    w->monitor = zmq_socket(context, ZMQ_PAIR);
    /* Unlimited: ZeroMQ would block its own I/O thread on a full monitor. */
    TALLY_ENSURE(w->monitor && set_int(w->monitor, ZMQ_LINGER, 0) &&
                     set_int(w->monitor, ZMQ_RCVHWM, 0) &&
                     zmq_socket_monitor(w->sock, endpoint, EVENTS) == 0 &&
                     zmq_connect(w->monitor, endpoint) == 0,
                 TALLY_E_LIB, "monitor: %s", zmq_strerror(errno));
    return TALLY_OK;
}

static enum tally_status open_wire(struct tally_wire *w, const struct tally_wire_config *c)
{
    size_t n = sizeof w->endpoint;

    TALLY_ASSERT(context != NULL);
    w->sock = zmq_socket(context, w->listens ? ZMQ_ROUTER : ZMQ_DEALER);
    TALLY_ENSURE(w->sock != NULL, TALLY_E_LIB, "socket: %s", zmq_strerror(errno));
    TALLY_ENSURE(set_common(w->sock, c) &&
                     (w->listens ? set_server(w->sock) : set_client(w->sock, c)),
                 TALLY_E_LIB, "ZeroMQ refused an option: %s", zmq_strerror(errno));
    TALLY_TRY(watch(w));
    int rc = w->listens ? zmq_bind(w->sock, c->endpoint) : zmq_connect(w->sock, c->endpoint);
    const bool ours = errno == EINVAL || errno == EPROTONOSUPPORT;
    TALLY_ENSURE(rc == 0, ours ? TALLY_E_CONFIG : TALLY_E_IO, "%s: %s", c->endpoint,
                 zmq_strerror(errno));
    TALLY_ENSURE(zmq_getsockopt(w->sock, ZMQ_LAST_ENDPOINT, w->endpoint, &n) == 0, TALLY_E_LIB,
                 "last endpoint");
    return TALLY_OK;
}

static enum tally_status new_wire(struct tally_wire **wire, const struct tally_wire_config *c,
                                  bool listens)
{
    struct tally_wire *w = calloc(1, sizeof *w);

    TALLY_ENSURE(w != NULL, TALLY_E_NOMEM, "socket");
    w->listens = listens;
    zmq_msg_init(&w->msg);
    enum tally_status s = open_wire(w, c);
    if (s != TALLY_OK) {
        tally_wire_close(&w);
        return s;
    }
    *wire = w;
    return TALLY_OK;
}

enum tally_status tally_wire_listen(struct tally_wire **wire,
                                    const struct tally_wire_config *config)
{
    return new_wire(wire, config, true);
}

enum tally_status tally_wire_connect(struct tally_wire **wire,
                                     const struct tally_wire_config *config)
{
    return new_wire(wire, config, false);
}

void tally_wire_close(struct tally_wire **wire)
{
    struct tally_wire *w = *wire;

    if (!w) return;
    zmq_msg_close(&w->msg);
    if (w->sock && w->monitor) (void)zmq_socket_monitor(w->sock, NULL, 0);
    if (w->monitor) zmq_close(w->monitor);
    if (w->sock) zmq_close(w->sock);
    free(w);
    *wire = NULL;
}

int tally_wire_fd(struct tally_wire *wire)
{
    return fd_of(wire->sock);
}

bool tally_wire_ready(struct tally_wire *wire)
{
    return readable(wire->sock);
}

int tally_wire_events_fd(struct tally_wire *wire)
{
    return fd_of(wire->monitor);
}

bool tally_wire_events_ready(struct tally_wire *wire)
{
    return readable(wire->monitor);
}

const char *tally_wire_endpoint(const struct tally_wire *wire)
{
    return wire->endpoint;
}

enum tally_sent tally_wire_send(struct tally_wire *wire, uint32_t peer, struct tally_slice bytes)
{
    const uint8_t id[ROUTING_ID_BYTES] = {0, (uint8_t)(peer >> 24), (uint8_t)(peer >> 16),
                                          (uint8_t)(peer >> 8), (uint8_t)peer};

    TALLY_ASSERT(bytes.len >= 1 && bytes.len <= TALLY_MESSAGE_MAX);
    if (wire->listens && send_part(wire->sock, id, sizeof id, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        TALLY_ASSERT(errno == EAGAIN || errno == EHOSTUNREACH);
        return errno == EAGAIN ? TALLY_SENT_FULL : TALLY_SENT_GONE;
    }
    if (send_part(wire->sock, bytes.at, bytes.len, ZMQ_DONTWAIT) < 0) {
        TALLY_ASSERT(errno == EAGAIN || errno == EHOSTUNREACH);
        return wire->listens ? TALLY_SENT_GONE : TALLY_SENT_FULL;
    }
    return TALLY_SENT;
}

/* The parts after the one that counts. */
static void skip_rest(struct tally_wire *w, struct tally_wire_in *in)
{
    zmq_msg_t rest;

    zmq_msg_init(&rest);
    for (bool more = zmq_msg_more(&w->msg); more; more = zmq_msg_more(&rest)) {
        in->shape_ok = false;
        if (recv_part(w->sock, &rest, ZMQ_DONTWAIT) < 0) break;
        in->total += zmq_msg_size(&rest);
        in->parts++;
    }
    zmq_msg_close(&rest);
}

/* The name is read from the payload: 4.3.4 loses the routing id's properties after a poll. */
bool tally_wire_recv(struct tally_wire *w, struct tally_wire_in *in)
{
    *in = (struct tally_wire_in){.shape_ok = true, .fd = -1};
    if (recv_part(w->sock, &w->msg, ZMQ_DONTWAIT) < 0) return false;
    if (w->listens) {
        struct tally_rd r =
            tally_rd_from(tally_slice_of(zmq_msg_data(&w->msg), zmq_msg_size(&w->msg)));
        in->shape_ok = tally_rd_u8(&r, "zero") == 0;
        in->peer = tally_rd_be32(&r, "id");
        in->shape_ok = in->shape_ok && tally_rd_end(&r) == TALLY_OK;
        TALLY_ASSERT(zmq_msg_more(&w->msg) && recv_part(w->sock, &w->msg, ZMQ_DONTWAIT) >= 0);
    }
    in->user = zmq_msg_gets(&w->msg, "User-Id");
    in->key = zmq_msg_gets(&w->msg, TALLY_ZAP_KEY_PROPERTY);
    in->fd = zmq_msg_get(&w->msg, ZMQ_SRCFD);
    in->bytes = tally_slice_of(zmq_msg_data(&w->msg), zmq_msg_size(&w->msg));
    in->total = in->bytes.len;
    in->parts = 1;
    skip_rest(w, in);
    return true;
}

static enum tally_link link_of(unsigned event)
{
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) return TALLY_LINK_UP;
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) return TALLY_LINK_AUTH_FAILED;
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) return TALLY_LINK_PROTOCOL_FAILED;
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) return TALLY_LINK_FAILED;
    return TALLY_LINK_DOWN;
}

/* Two parts: event u16 and value u32 in the machine's order, then the address. */
bool tally_wire_event(struct tally_wire *w, struct tally_wire_event *event)
{
    zmq_msg_t msg;
    bool got = false;

    zmq_msg_init(&msg);
    if (recv_part(w->monitor, &msg, ZMQ_DONTWAIT) >= 0) {
        uint16_t number = 0;
        TALLY_ASSERT(zmq_msg_size(&msg) == sizeof number + sizeof event->detail);
        memcpy(&number, zmq_msg_data(&msg), sizeof number);
        memcpy(&event->detail, (const uint8_t *)zmq_msg_data(&msg) + sizeof number,
               sizeof event->detail);
        event->link = link_of(number);
        event->accepted = number == ZMQ_EVENT_ACCEPTED;
        got = true;
        while (zmq_msg_more(&msg) && recv_part(w->monitor, &msg, ZMQ_DONTWAIT) >= 0) continue;
    }
    zmq_msg_close(&msg);
    return got;
}
