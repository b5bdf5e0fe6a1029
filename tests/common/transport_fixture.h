/* transport_fixture.h - a server in a loop, clients beside it, and a peer that keeps to nothing but
 * ZeroMQ. */
#pragma once

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "common/transport_wire.h"
#include "tests/lib/suite.h"

enum { PATIENCE_MS = 10 * 1000, A = 0, B = 1, STRANGER = 2, NODES = 3 };

struct node {
    uint8_t public_key[32], secret[32];
    char z85[41];
};

/* What one client saw. */
struct seen {
    int up, down, messages, links[TALLY_LINKS];
    uint32_t detail;
    char last[64];
};

static struct node owner, nodes[NODES];
static struct tally_curve_entry table[NODES];
static struct tally_loop *loop;
static struct tally_server *server;
static struct {
    int messages, gone, links[TALLY_LINKS];
    uint32_t detail[TALLY_LINKS], gone_peer, peer[NODES];
    size_t bytes;
    char user[128], last[64];
    bool echo;
} at_server;

static inline void new_node(struct node *n)
{
    tally_curve_keypair(n->public_key, n->secret);
    tally_z85_key(n->public_key, n->z85);
}

static inline void on_message(void *ctx, const struct tally_arrival *m)
{
    (void)ctx;
    at_server.messages++;
    at_server.bytes += m->bytes.len;
    (void)snprintf(at_server.user, sizeof at_server.user, "%s", m->user);
    (void)snprintf(at_server.last, sizeof at_server.last, "%.*s", (int)(m->bytes.len & 31),
                   (const char *)m->bytes.at);
    for (int i = 0; i < NODES; i++) {
        if (strcmp(m->user, table[i].user) == 0) at_server.peer[i] = m->peer;
    }
    if (at_server.echo)
        ck_assert_int_eq(tally_server_send(server, m->peer, tally_slice_str(m->user)), TALLY_SENT);
}

static inline void on_gone(void *ctx, uint32_t peer)
{
    (void)ctx;
    at_server.gone++;
    at_server.gone_peer = peer;
}

static inline void on_server_link(void *ctx, const struct tally_link_report *r)
{
    (void)ctx;
    at_server.links[r->link]++;
    at_server.detail[r->link] = r->detail;
    if (r->user[0]) (void)snprintf(at_server.user, sizeof at_server.user, "%s", r->user);
}

static inline void listen_on(const char *endpoint, size_t keys)
{
    const struct tally_server_config c = {.endpoint = endpoint,
                                          .curve_secret = owner.secret,
                                          .keys = table,
                                          .keys_n = keys,
                                          .on_message = on_message,
                                          .on_gone = on_gone,
                                          .on_link = on_server_link};
    enum tally_status st = tally_server_new(&server, loop, &c);

    /* libzmq closes a listener in its own thread, some time after zmq_close: a port that the test
     * has just left may still be taken. */
    for (int i = 0; i < PATIENCE_MS / 10 && st == TALLY_E_IO; i++) {
        (void)usleep(10 * 1000);
        st = tally_server_new(&server, loop, &c);
    }
    ck_assert_msg(st == TALLY_OK, "%s", tally_why());
}

static inline void set_up(void)
{
    uint64_t files;

    memset(&at_server, 0, sizeof at_server);
    at_server.echo = true;
    ck_assert_int_eq(tally_transport_start(&files), TALLY_OK);
    ck_assert_uint_ge(files, 1024);
    ck_assert_int_eq(tally_loop_new(&loop), TALLY_OK);
    new_node(&owner);
    for (int i = 0; i < NODES; i++) {
        new_node(&nodes[i]);
        (void)snprintf(table[i].key, sizeof table[i].key, "%s", nodes[i].z85);
        (void)snprintf(table[i].user, sizeof table[i].user, "bank%d/n1", i);
    }
    listen_on("tcp://127.0.0.1:*", 2); /* A and B, not the stranger */
}

static inline void tear_down(void)
{
    tally_server_destroy(&server);
    tally_loop_destroy(&loop);
    tally_transport_stop();
}

static inline void on_up(void *ctx)
{
    ((struct seen *)ctx)->up++;
}

static inline void on_down(void *ctx)
{
    ((struct seen *)ctx)->down++;
}

static inline void on_reply(void *ctx, struct tally_slice bytes)
{
    struct seen *s = ctx;

    s->messages++;
    (void)snprintf(s->last, sizeof s->last, "%.*s", (int)bytes.len & 63, (const char *)bytes.at);
}

static inline void on_client_link(void *ctx, const struct tally_link_report *r)
{
    struct seen *s = ctx;

    s->links[r->link]++;
    if (r->link == TALLY_LINK_AUTH_FAILED) s->detail = r->detail;
}

static inline struct tally_client *client_of(const struct node *n, const char *endpoint,
                                             struct seen *seen)
{
    struct tally_client *c;
    const struct tally_client_config config = {.endpoint = endpoint,
                                               .server_key = owner.z85,
                                               .curve_secret = n->secret,
                                               .reconnect_min_ms = 20,
                                               .reconnect_max_ms = 100,
                                               .on_message = on_reply,
                                               .on_up = on_up,
                                               .on_down = on_down,
                                               .on_link = on_client_link,
                                               .ctx = seen};
    ck_assert_int_eq(tally_client_new(&c, loop, &config), TALLY_OK);
    return c;
}

/* ---- running the loop until something holds ---- */

static const int *watched;
static int wanted;

static inline void stop(void *ctx)
{
    (void)ctx;
    tally_loop_stop(loop);
}

static inline void look(void *ctx)
{
    (void)ctx;
    if (*watched >= wanted) tally_loop_stop(loop);
}

/* True when *value reached least within ms. */
static inline bool reaches(const int *value, int least, uint64_t ms)
{
    const struct tally_loop_timer often = {.delay_ms = 0, .period_ms = 1, .fn = look};
    const struct tally_loop_timer end = {.delay_ms = ms, .fn = stop};
    uint64_t a, b;

    watched = value;
    wanted = least;
    ck_assert_int_eq(tally_loop_timer(loop, &often, &a), TALLY_OK);
    ck_assert_int_eq(tally_loop_timer(loop, &end, &b), TALLY_OK);
    ck_assert_int_eq(tally_loop_run(loop), TALLY_OK);
    tally_loop_cancel(loop, &a);
    tally_loop_cancel(loop, &b);
    return *value >= least;
}

static inline void idle(uint64_t ms)
{
    static const int never;

    (void)reaches(&never, 1, ms);
}

static inline enum tally_sent say(struct tally_client *c, const char *text)
{
    return tally_client_send(c, tally_slice_str(text));
}

/* A client of n that is up and has been answered. */
static inline struct tally_client *good_client(const struct node *n, struct seen *seen)
{
    struct tally_client *c = client_of(n, tally_server_endpoint(server), seen);
    const int before = seen->messages;

    ck_assert(reaches(&seen->up, seen->up + 1, PATIENCE_MS));
    ck_assert_int_eq(say(c, "hello"), TALLY_SENT);
    ck_assert(reaches(&seen->messages, before + 1, PATIENCE_MS));
    return c;
}

/* ---- a peer that keeps to nothing but ZeroMQ and CURVE ---- */

static void *raw_context;

static inline void *raw_peer(const struct node *n, const char *routing_id)
{
    const int zero = 0;
    if (!raw_context) raw_context = zmq_ctx_new();
    void *s = zmq_socket(raw_context, ZMQ_DEALER);

    ck_assert_int_eq(zmq_setsockopt(s, ZMQ_LINGER, &zero, sizeof zero), 0);
    ck_assert_int_eq(zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, owner.public_key, 32), 0);
    ck_assert_int_eq(zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, n->public_key, 32), 0);
    ck_assert_int_eq(zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, n->secret, 32), 0);
    if (routing_id)
        ck_assert_int_eq(zmq_setsockopt(s, ZMQ_ROUTING_ID, routing_id, strlen(routing_id)), 0);
    ck_assert_int_eq(zmq_connect(s, tally_server_endpoint(server)), 0);
    return s;
}

/* Undoes set_up as far as a child needs that starts a transport of its own. */
static inline void without_transport(void)
{
    tally_server_destroy(&server);
    tally_loop_destroy(&loop);
    tally_transport_stop();
}
