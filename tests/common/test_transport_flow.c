/* test_transport_flow.c - common/transport*.c over real sockets on loopback: how connections end,
 * what a bad peer costs, and how fast bulk flows. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/common/transport_fixture.h"

#include "tests/common/curve_peer.h"

/* In a process of its own: n sockets that connect and say nothing, then a client that says hello
 * until it is killed. */
static void knock_and_say_hello(uint16_t port, int n)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct seen a = {0};
    char endpoint[64];
    uint64_t files;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)usleep(200 * 1000); /* the server is up by then */
    for (int i = 0; i < n; i++) {
        int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(s, (struct sockaddr *)&to, sizeof to);
    }
    (void)usleep(200 * 1000);
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
    if (tally_transport_start(&files) || tally_loop_new(&loop)) _exit(1);
    struct tally_client *c = client_of(&nodes[A], endpoint, &a);
    while (!reaches(&a.up, 1, PATIENCE_MS)) continue;
    for (;;) {
        (void)say(c, "hello");
        idle(100);
    }
}

/* The server alone has few descriptors, fewer than the sockets that knock. */
START_TEST(idle_connections_do_not_keep_a_good_client_out)
{
    const struct rlimit few = {.rlim_cur = 200, .rlim_max = 200};
    const uint16_t port = (uint16_t)(10000 + getpid() % 20000);
    char endpoint[64];
    uint64_t files;

    without_transport();
    pid_t child = fork();
    if (child == 0) knock_and_say_hello(port, 256);
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
    ck_assert_int_eq(tally_transport_start(&files), TALLY_OK);
    ck_assert_int_eq(tally_loop_new(&loop), TALLY_OK);
    at_server.echo = false;
    listen_on(endpoint, 2);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    const uint64_t start = tally_loop_now_ms(loop);
    ck_assert(reaches(&at_server.messages, 1, 5 * TALLY_HANDSHAKE_MS));
    (void)fprintf(stderr, "with 256 idle connections served after %d ms\n",
                  (int)(tally_loop_now_ms(loop) - start - 400));
    ck_assert_int_ge(at_server.links[TALLY_LINK_FAILED], 1); /* the idle ones were ended */
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

START_TEST(a_peer_that_left_is_reported_and_sends_to_it_say_gone)
{
    struct seen a = {0}, again = {0};
    struct tally_client *c = good_client(&nodes[A], &a);
    const uint32_t old = at_server.peer[A];
    enum tally_sent sent = TALLY_SENT;

    tally_client_destroy(&c);
    ck_assert(reaches(&at_server.gone, 1, PATIENCE_MS));
    ck_assert_uint_eq(at_server.gone_peer, old);
    /* libzmq says that a connection ended before its socket forgets the peer. */
    for (int i = 0; i < PATIENCE_MS / 10 && sent != TALLY_SENT_GONE; i++) {
        sent = tally_server_send(server, old, tally_slice_str("x"));
        if (sent != TALLY_SENT_GONE) idle(10);
    }
    ck_assert_int_eq(sent, TALLY_SENT_GONE);
    ck_assert_int_eq(tally_server_send(server, old + 7, tally_slice_str("x")), TALLY_SENT_GONE);
    c = good_client(&nodes[A], &again);
    ck_assert_uint_ne(at_server.peer[A], old);
    ck_assert_int_eq(tally_server_send(server, old, tally_slice_str("x")), TALLY_SENT_GONE);
    ck_assert_int_eq(at_server.gone, 1);
    tally_client_destroy(&c);
}
END_TEST

START_TEST(a_peer_that_does_not_read_fills_up_and_holds_up_nobody)
{
    struct seen b = {0};
    static uint8_t chunk[TALLY_TRANSPORT_CHUNK];
    void *deaf = raw_peer(&nodes[A], NULL);
    const int hwm = 1;
    enum tally_sent sent = TALLY_SENT;
    int n = 0;

    ck_assert_int_eq(zmq_setsockopt(deaf, ZMQ_RCVHWM, &hwm, sizeof hwm), 0);
    at_server.echo = false;
    ck_assert_int_eq(zmq_send(deaf, "hello", 5, 0), 5);
    ck_assert(reaches(&at_server.messages, 1, PATIENCE_MS));
    for (int turns = 0; turns < 200 && sent == TALLY_SENT; turns++) {
        for (; sent == TALLY_SENT && n < 100000; n++)
            sent = tally_server_send(server, at_server.peer[A], TALLY_SLICE(chunk));
        idle(10);
        if (sent == TALLY_SENT_FULL && turns < 20) sent = TALLY_SENT; /* the kernel takes some */
    }
    ck_assert_int_eq(sent, TALLY_SENT_FULL);
    ck_assert_int_lt(n, 2000);
    at_server.echo = true;
    struct tally_client *c = good_client(&nodes[B], &b);
    tally_client_destroy(&c);
    zmq_close(deaf);
    zmq_ctx_term(raw_context);
}
END_TEST

START_TEST(a_client_finds_a_server_that_comes_back)
{
    struct seen a = {0};
    char endpoint[64];
    struct tally_client *c = good_client(&nodes[A], &a);

    (void)snprintf(endpoint, sizeof endpoint, "%s", tally_server_endpoint(server));
    tally_server_destroy(&server);
    ck_assert(reaches(&a.down, 1, PATIENCE_MS));
    ck_assert_int_eq(say(c, "into the void"), TALLY_SENT_FULL);
    idle(300); /* several attempts are refused */
    ck_assert_int_eq(a.up, 1);
    listen_on(endpoint, 2);
    ck_assert(reaches(&a.up, 2, PATIENCE_MS));
    ck_assert_int_eq(say(c, "hello"), TALLY_SENT);
    ck_assert(reaches(&a.messages, 2, PATIENCE_MS));
    ck_assert_int_eq(a.down, 1);
    tally_client_destroy(&c);
}
END_TEST

/* A member that announces part after part: ZeroMQ would keep them all. */
START_TEST(a_message_without_an_end_costs_bounded_memory)
{
    const uint16_t port =
        (uint16_t)strtoul(strrchr(tally_server_endpoint(server), ':') + 1, NULL, 10);
    struct seen b = {0};
    int p[2], sent = 0;

    struct tally_client *c = good_client(&nodes[B], &b);
    ck_assert_int_eq(pipe(p), 0);
    pid_t child = fork();
    if (child == 0) {
        struct curve_peer peer;
        peer_open(&peer, port, owner.public_key, &nodes[A]);
        if (_i && !peer_part(&peer, 10, false)) _exit(1); /* a good message first */
        while (sent < 2000 && peer_part(&peer, TALLY_TRANSPORT_CHUNK, true)) {
            sent++;
            (void)usleep(2000); /* 250 MB/s */
        }
        ck_assert_int_eq(write(p[1], &sent, sizeof sent), sizeof sent);
        _exit(0);
    }
    ck_assert(reaches(&at_server.links[TALLY_LINK_FLOOD], 1, 20 * 1000));
    ck_assert_int_eq(read(p[0], &sent, sizeof sent), sizeof sent);
    (void)fprintf(stderr, "a message without an end was cut after %d MB\n", sent / 2);
    ck_assert_int_lt(sent, 400); /* of 2000: window, kernel buffers and one look's worth */
    ck_assert_int_eq(at_server.messages, 1 + _i);
    ck_assert_int_eq(say(c, "still here"), TALLY_SENT);
    ck_assert(reaches(&b.messages, 2, PATIENCE_MS));
    ck_assert_int_eq(b.down, 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    tally_client_destroy(&c);
}
END_TEST

START_TEST(a_peer_can_be_cut)
{
    struct seen a = {0}, b = {0};
    struct tally_client *ca = good_client(&nodes[A], &a), *cb = good_client(&nodes[B], &b);

    tally_server_cut(server, at_server.peer[A] + 99); /* nobody */
    tally_server_cut(server, at_server.peer[A]);
    ck_assert(reaches(&a.down, 1, PATIENCE_MS));
    ck_assert(reaches(&at_server.gone, 1, PATIENCE_MS));
    ck_assert_uint_eq(at_server.gone_peer, at_server.peer[A]);
    ck_assert(reaches(&a.up, 2, PATIENCE_MS));
    ck_assert_int_eq(b.down, 0);
    tally_client_destroy(&ca);
    tally_client_destroy(&cb);
}
END_TEST

/* ---- bulk: 64 MiB in chunks under credit, from a process of its own ---- */

enum { BULK_CHUNKS = 128 };
struct bulk {
    struct tally_client *client;
    int sent, credit;
};

static void pump(struct bulk *b)
{
    static uint8_t chunk[TALLY_TRANSPORT_CHUNK];

    while (b->credit > 0 && b->sent < BULK_CHUNKS &&
           tally_client_send(b->client, TALLY_SLICE(chunk)) == TALLY_SENT) {
        b->sent++;
        b->credit--;
    }
}

static void bulk_up(void *ctx)
{
    struct bulk *b = ctx;

    b->credit = TALLY_WINDOW_DEFAULT;
    pump(b);
}

static void bulk_credit(void *ctx, struct tally_slice bytes)
{
    struct bulk *b = ctx;

    (void)bytes;
    b->credit++;
    pump(b);
}

static void bulk_down(void *ctx)
{
    (void)ctx;
    tally_loop_stop(loop);
}

static void send_bulk(const char *endpoint)
{
    struct bulk b = {0};
    uint64_t files;
    const struct tally_client_config config = {.endpoint = endpoint,
                                               .server_key = owner.z85,
                                               .curve_secret = nodes[A].secret,
                                               .on_message = bulk_credit,
                                               .on_up = bulk_up,
                                               .on_down = bulk_down,
                                               .ctx = &b};
    if (tally_transport_start(&files) || tally_loop_new(&loop) ||
        tally_client_new(&b.client, loop, &config) || tally_loop_run(loop))
        _exit(1);
    _exit(0);
}

START_TEST(bulk_flows_in_chunks_under_credit)
{
    char endpoint[] = "tcp://127.0.0.1:17411";
    struct timespec t0, t1;

    without_transport();
    (void)snprintf(endpoint + strlen("tcp://127.0.0.1:"), 6, "%d", 10000 + getpid() % 20000);
    pid_t child = fork();
    if (child == 0) send_bulk(endpoint);
    uint64_t files;
    ck_assert_int_eq(tally_transport_start(&files), TALLY_OK);
    ck_assert_int_eq(tally_loop_new(&loop), TALLY_OK);
    listen_on(endpoint, 2);
    ck_assert(reaches(&at_server.messages, 1, PATIENCE_MS));
    (void)clock_gettime(CLOCK_MONOTONIC, &t0);
    const int first = at_server.messages;
    ck_assert(reaches(&at_server.messages, BULK_CHUNKS, 60 * 1000));
    (void)clock_gettime(CLOCK_MONOTONIC, &t1);
    const double s = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) * 1e-9;
    (void)fprintf(stderr, "bulk with CURVE: %.0f MB/s\n",
                  (double)(BULK_CHUNKS - first) * TALLY_TRANSPORT_CHUNK / s / 1e6);
    ck_assert_uint_eq(at_server.bytes, (size_t)BULK_CHUNKS * TALLY_TRANSPORT_CHUNK);
    tally_server_destroy(&server);
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("transport_flow");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, idle_connections_do_not_keep_a_good_client_out);
    tcase_add_test(t, a_peer_that_left_is_reported_and_sends_to_it_say_gone);
    tcase_add_test(t, a_peer_that_does_not_read_fills_up_and_holds_up_nobody);
    tcase_add_test(t, a_client_finds_a_server_that_comes_back);
    tcase_add_test(t, bulk_flows_in_chunks_under_credit);
    tcase_add_loop_test(t, a_message_without_an_end_costs_bounded_memory, 0, 2);
    tcase_add_test(t, a_peer_can_be_cut);
    return tally_suite_run("common/transport_flow", t);
}
