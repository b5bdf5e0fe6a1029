/* transport_server.c - see transport.h: the listening side. */
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "common/transport_guard.h"
#include "common/transport_link.h"
#include "common/transport_wire.h"

enum { MESSAGES_A_TURN = 32 }; /* then timers and other sources have their turn */

struct tally_server {
    struct tally_loop *loop;
    struct tally_gate *gate;
    struct tally_keys *keys; /* the loop's copy of the gate's table */
    struct tally_wire *wire;
    uint64_t messages, events, look; /* sources, timer */
    void (*on_message)(void *ctx, const struct tally_arrival *message);
    void (*on_gone)(void *ctx, uint32_t peer);
    void *ctx;
    struct tally_link_out links;
    struct tally_guard guard;
};

static void tell(struct tally_server *s, enum tally_link link, uint32_t detail, const char *user)
{
    tally_link_tell(
        &s->links, tally_loop_now_ms(s->loop),
        (struct tally_link_report){.link = link, .detail = detail, .user = user ? user : ""});
}

static bool events_ready(void *ctx)
{
    struct tally_server *s = ctx;

    return tally_wire_events_ready(s->wire);
}

static void take_events(void *ctx)
{
    struct tally_server *s = ctx;

    for (struct tally_wire_event e; tally_wire_event(s->wire, &e);) {
        uint32_t peer = 0;
        if (e.accepted) {
            tally_guard_accepted(&s->guard, e.detail, tally_loop_now_ms(s->loop));
            continue;
        }
        const bool down = e.link == TALLY_LINK_DOWN;
        const bool gone = down && tally_guard_ended(&s->guard, e.detail, &peer);
        tell(s, e.link, down ? 0 : e.detail, NULL);
        if (gone && s->on_gone) s->on_gone(s->ctx, peer);
    }
}

static void look(void *ctx)
{
    struct tally_server *s = ctx;
    const size_t cut = tally_guard_look(&s->guard, tally_loop_now_ms(s->loop));

    if (cut) tell(s, TALLY_LINK_FLOOD, (uint32_t)cut, NULL);
}

static void deliver(struct tally_server *s, const struct tally_wire_in *in)
{
    if (!in->user || !in->key) {
        tell(s, TALLY_LINK_NO_USER, 0, NULL);
        return;
    }
    const struct tally_keys_row *row = tally_keys_find_text(s->keys, in->key);
    if (!row || strcmp(row->entry.user, in->user) != 0) {
        tell(s, TALLY_LINK_NO_USER, 0, in->user);
    } else if (!in->shape_ok) {
        tell(s, TALLY_LINK_SHAPE, 0, in->user);
    } else if (in->bytes.len == 0) {
        tell(s, TALLY_LINK_EMPTY, 0, in->user);
    } else {
        const struct tally_arrival m = {.peer = in->peer, .user = in->user, .bytes = in->bytes};
        s->on_message(s->ctx, &m);
    }
}

static bool messages_ready(void *ctx)
{
    struct tally_server *s = ctx;

    return tally_wire_ready(s->wire);
}

/* Events first: they were there before the message, and a descriptor may serve a second peer. */
static void take_messages(void *ctx)
{
    struct tally_server *s = ctx;
    struct tally_wire_in in;

    for (int i = 0; i < MESSAGES_A_TURN && tally_wire_recv(s->wire, &in); i++) {
        take_events(s);
        tally_guard_took(&s->guard, in.fd, in.peer, in.total, in.parts);
        deliver(s, &in);
    }
}

static void free_keys(struct tally_keys **keys)
{
    free(*keys);
}

/* The gate is up before the port is: without it ZeroMQ would let anybody in. */
static enum tally_status open_server(struct tally_server *s, const struct tally_server_config *c)
{
    TALLY_CLEANUP(free_keys) struct tally_keys *keys = NULL;
    struct tally_wire_config wire = {.endpoint = c->endpoint,
                                     .curve_secret = c->curve_secret,
                                     .window = c->window ? c->window : TALLY_WINDOW_DEFAULT};

    TALLY_ENSURE(wire.window <= TALLY_WINDOW_MAX, TALLY_E_CONFIG, "window %u is above %d",
                 wire.window, TALLY_WINDOW_MAX);
    TALLY_TRY(tally_keys_new(&s->keys, c->keys, c->keys_n));
    TALLY_TRY(tally_keys_new(&keys, c->keys, c->keys_n));
    TALLY_TRY(tally_gate_new(&s->gate, &keys));
    tally_guard_init(&s->guard, wire.window);
    TALLY_TRY(tally_wire_listen(&s->wire, &wire));
    struct tally_loop_source messages = {
        .fd = tally_wire_fd(s->wire), .ready = messages_ready, .run = take_messages, .ctx = s};
    struct tally_loop_source events = {
        .fd = tally_wire_events_fd(s->wire), .ready = events_ready, .run = take_events, .ctx = s};
    const struct tally_loop_timer often = {
        .delay_ms = TALLY_GUARD_MS, .period_ms = TALLY_GUARD_MS, .fn = look, .ctx = s};
    TALLY_TRY(tally_loop_add(s->loop, &messages, &s->messages));
    TALLY_TRY(tally_loop_add(s->loop, &events, &s->events));
    return tally_loop_timer(s->loop, &often, &s->look);
}

enum tally_status tally_server_new(struct tally_server **server, struct tally_loop *loop,
                                   const struct tally_server_config *config)
{
    struct tally_server *s = calloc(1, sizeof *s);

    TALLY_ENSURE(s != NULL, TALLY_E_NOMEM, "server");
    s->loop = loop;
    s->on_message = config->on_message;
    s->on_gone = config->on_gone;
    s->ctx = config->ctx;
    s->links = (struct tally_link_out){.fn = config->on_link, .ctx = config->ctx};
    enum tally_status status = open_server(s, config);
    if (status != TALLY_OK) {
        tally_server_destroy(&s);
        return status;
    }
    *server = s;
    return TALLY_OK;
}

void tally_server_destroy(struct tally_server **server)
{
    struct tally_server *s = *server;

    if (!s) return;
    tally_loop_remove(s->loop, &s->messages);
    tally_loop_remove(s->loop, &s->events);
    tally_loop_cancel(s->loop, &s->look);
    tally_wire_close(&s->wire); /* before the gate: nobody asks it any more */
    tally_gate_destroy(&s->gate);
    free(s->keys);
    tally_guard_free(&s->guard);
    free(s);
    *server = NULL;
}

enum tally_status tally_server_keys(struct tally_server *server,
                                    const struct tally_curve_entry *keys, size_t n)
{
    TALLY_CLEANUP(free_keys) struct tally_keys *ours = NULL;
    TALLY_CLEANUP(free_keys) struct tally_keys *gates = NULL;

    TALLY_TRY(tally_keys_new(&ours, keys, n));
    TALLY_TRY(tally_keys_new(&gates, keys, n));
    tally_gate_replace(server->gate, &gates);
    free(server->keys);
    server->keys = ours;
    ours = NULL;
    return TALLY_OK;
}

const char *tally_server_endpoint(const struct tally_server *server)
{
    return tally_wire_endpoint(server->wire);
}

enum tally_sent tally_server_send(struct tally_server *server, uint32_t peer,
                                  struct tally_slice bytes)
{
    return tally_wire_send(server->wire, peer, bytes);
}

void tally_server_cut(struct tally_server *server, uint32_t peer)
{
    (void)tally_guard_cut(&server->guard, peer);
}
