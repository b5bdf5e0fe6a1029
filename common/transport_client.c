/* transport_client.c - see transport.h: the connecting side. One socket for each connection; the
 * wait between two is ours, because ZeroMQ's own jitter is useless at a minute. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "common/transport_link.h"
#include "common/transport_wire.h"

enum { MESSAGES_A_TURN = 32 };

struct tally_client {
    struct tally_loop *loop;
    struct tally_client_config config; /* the strings are below */
    char endpoint[TALLY_ENDPOINT_MAX + 1], proxy[TALLY_ENDPOINT_MAX + 1];
    uint8_t server_key[TALLY_CURVE_KEY_BYTES];
    struct tally_secret secret;
    struct tally_wire *wire;          /* NULL: waiting */
    uint64_t messages, events, timer; /* timer: the wait, or the limit of a connection attempt */
    uint32_t delay_ms;                /* the next wait's upper end */
    bool up;
    bool over;    /* it ended: hand on what came before */
    bool dropped; /* we end it: hand on nothing more */
    struct tally_link_out links;
};

static void connect_now(void *ctx);

static void tell(struct tally_client *c, enum tally_link link, uint32_t detail)
{
    tally_link_tell(&c->links, tally_loop_now_ms(c->loop),
                    (struct tally_link_report){.link = link, .detail = detail, .user = ""});
}

/* Half of the delay and a random part of the other half. */
static void wait_a_while(struct tally_client *c)
{
    const uint32_t half = c->delay_ms / 2;
    struct tally_loop_timer again = {
        .delay_ms = half + randombytes_uniform(half + 1), .fn = connect_now, .ctx = c};

    c->delay_ms =
        c->delay_ms > c->config.reconnect_max_ms / 2 ? c->config.reconnect_max_ms : c->delay_ms * 2;
    TALLY_ASSERT(tally_loop_timer(c->loop, &again, &c->timer) == TALLY_OK);
}

static void close_wire(struct tally_client *c)
{
    tally_loop_cancel(c->loop, &c->timer);
    tally_loop_remove(c->loop, &c->messages);
    tally_loop_remove(c->loop, &c->events);
    tally_wire_close(&c->wire);
}

static void end_connection(struct tally_client *c)
{
    const bool was_up = c->up;

    close_wire(c);
    c->up = c->over = c->dropped = false;
    wait_a_while(c);
    if (was_up) c->config.on_down(c->config.ctx);
}

static void take_event(struct tally_client *c, const struct tally_wire_event *e)
{
    const bool down = e->link == TALLY_LINK_DOWN;

    tell(c, e->link, down ? 0 : e->detail);
    if (e->link != TALLY_LINK_UP) {
        c->over = true;
        return;
    }
    tally_loop_cancel(c->loop, &c->timer);
    c->up = true;
    c->config.on_up(c->config.ctx);
}

static void take_events(struct tally_client *c)
{
    for (struct tally_wire_event e; tally_wire_event(c->wire, &e);) take_event(c, &e);
}

static void take_message(struct tally_client *c, const struct tally_wire_in *in)
{
    if (!in->shape_ok) {
        tell(c, TALLY_LINK_SHAPE, 0);
    } else if (in->bytes.len == 0) {
        tell(c, TALLY_LINK_EMPTY, 0);
    } else if (c->up) {
        c->delay_ms = c->config.reconnect_min_ms;
        c->config.on_message(c->config.ctx, in->bytes);
    }
}

/* Events first, so that a connection is up before its first message. What ZeroMQ still has of a
 * connection that ended is handed on before the end, unless we ended it. */
static void work(void *ctx)
{
    struct tally_client *c = ctx;
    struct tally_wire_in in;
    int n = 0;

    for (; !c->dropped && n < MESSAGES_A_TURN && tally_wire_recv(c->wire, &in); n++) {
        take_events(c);
        take_message(c, &in);
    }
    take_events(c);
    if (c->dropped || (c->over && n < MESSAGES_A_TURN)) end_connection(c);
}

static bool messages_ready(void *ctx)
{
    struct tally_client *c = ctx;

    return c->over || c->dropped || tally_wire_ready(c->wire);
}

static bool events_ready(void *ctx)
{
    struct tally_client *c = ctx;

    return tally_wire_events_ready(c->wire);
}

static void too_slow(void *ctx)
{
    struct tally_client *c = ctx;

    tell(c, TALLY_LINK_FAILED, 0);
    end_connection(c);
}

static enum tally_status open_client(struct tally_client *c)
{
    const struct tally_wire_config wire = {
        .endpoint = c->endpoint,
        .curve_secret = c->secret.at,
        .server_key = c->server_key,
        .socks_proxy = c->proxy[0] ? c->proxy : NULL,
        .window = c->config.window,
    };
    const struct tally_loop_timer limit = {.delay_ms = TALLY_CONNECT_MS, .fn = too_slow, .ctx = c};

    TALLY_TRY(tally_wire_connect(&c->wire, &wire));
    struct tally_loop_source messages = {
        .fd = tally_wire_fd(c->wire), .ready = messages_ready, .run = work, .ctx = c};
    struct tally_loop_source events = {
        .fd = tally_wire_events_fd(c->wire), .ready = events_ready, .run = work, .ctx = c};
    TALLY_TRY(tally_loop_add(c->loop, &messages, &c->messages));
    TALLY_TRY(tally_loop_add(c->loop, &events, &c->events));
    return tally_loop_timer(c->loop, &limit, &c->timer);
}

/* The first time the caller hears of a failure; later ones are tried again. */
static void connect_now(void *ctx)
{
    struct tally_client *c = ctx;

    c->timer = 0;
    if (open_client(c) == TALLY_OK) return;
    close_wire(c);
    tell(c, TALLY_LINK_FAILED, 0);
    wait_a_while(c);
}

static enum tally_status set_up(struct tally_client *c, const struct tally_client_config *config)
{
    const char *proxy = config->socks_proxy ? config->socks_proxy : "";

    TALLY_ENSURE(strlen(config->endpoint) <= TALLY_ENDPOINT_MAX &&
                     strlen(proxy) <= TALLY_ENDPOINT_MAX,
                 TALLY_E_CONFIG, "an address is longer than %d", TALLY_ENDPOINT_MAX);
    TALLY_ENSURE(tally_z85_key_parse(config->server_key, c->server_key) == TALLY_OK, TALLY_E_CONFIG,
                 "the server's CURVE key: %s", tally_why_text());
    memcpy(c->endpoint, config->endpoint, strlen(config->endpoint));
    memcpy(c->proxy, proxy, strlen(proxy));
    c->config = *config;
    if (!c->config.window) c->config.window = TALLY_WINDOW_DEFAULT;
    if (!c->config.reconnect_min_ms) c->config.reconnect_min_ms = TALLY_RECONNECT_MIN_MS;
    if (!c->config.reconnect_max_ms) c->config.reconnect_max_ms = TALLY_RECONNECT_MAX_MS;
    TALLY_ENSURE(c->config.window <= TALLY_WINDOW_MAX &&
                     c->config.reconnect_min_ms <= c->config.reconnect_max_ms,
                 TALLY_E_CONFIG, "window %u or reconnect times %u to %u ms", c->config.window,
                 c->config.reconnect_min_ms, c->config.reconnect_max_ms);
    c->delay_ms = c->config.reconnect_min_ms;
    c->links = (struct tally_link_out){.fn = config->on_link, .ctx = config->ctx};
    TALLY_TRY(tally_secret_new(&c->secret, TALLY_CURVE_KEY_BYTES));
    memcpy(c->secret.at, config->curve_secret, TALLY_CURVE_KEY_BYTES);
    return open_client(c);
}

enum tally_status tally_client_new(struct tally_client **client, struct tally_loop *loop,
                                   const struct tally_client_config *config)
{
    struct tally_client *c = calloc(1, sizeof *c);

    TALLY_ENSURE(c != NULL, TALLY_E_NOMEM, "client");
    c->loop = loop;
    enum tally_status s = set_up(c, config);
    if (s != TALLY_OK) {
        tally_client_destroy(&c);
        return s;
    }
    *client = c;
    return TALLY_OK;
}

void tally_client_destroy(struct tally_client **client)
{
    struct tally_client *c = *client;

    if (!c) return;
    close_wire(c);
    tally_secret_free(&c->secret);
    free(c);
    *client = NULL;
}

enum tally_sent tally_client_send(struct tally_client *client, struct tally_slice bytes)
{
    if (!client->up || client->over || client->dropped) return TALLY_SENT_FULL;
    return tally_wire_send(client->wire, 0, bytes);
}

void tally_client_drop(struct tally_client *client)
{
    if (client->wire) client->dropped = true;
}
