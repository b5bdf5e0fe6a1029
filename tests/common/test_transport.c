/* test_transport.c - common/transport*.c over real sockets on loopback: who gets in, whose name a
 * message bears, and what is refused. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/common/transport_fixture.h"

START_TEST(a_message_bears_the_name_of_its_key_and_is_answered)
{
    struct seen a = {0}, b = {0};
    struct tally_client *ca = good_client(&nodes[A], &a), *cb = good_client(&nodes[B], &b);

    ck_assert_str_eq(a.last, "bank0/n1");
    ck_assert_str_eq(b.last, "bank1/n1");
    ck_assert_uint_ne(at_server.peer[A], at_server.peer[B]);
    ck_assert_int_eq(at_server.links[TALLY_LINK_UP], 2);
    tally_client_destroy(&ca);
    tally_client_destroy(&cb);
}
END_TEST

START_TEST(a_key_that_is_not_in_the_table_is_refused_and_told_so)
{
    struct seen s = {0};
    struct tally_client *c = client_of(&nodes[STRANGER], tally_server_endpoint(server), &s);

    ck_assert(reaches(&at_server.links[TALLY_LINK_AUTH_FAILED], 2, PATIENCE_MS)); /* tries again */
    ck_assert_uint_eq(at_server.detail[TALLY_LINK_AUTH_FAILED], 400);
    ck_assert(reaches(&s.links[TALLY_LINK_AUTH_FAILED], 1, PATIENCE_MS));
    ck_assert_uint_eq(s.detail, 400);
    ck_assert_int_eq(s.up, 0);
    ck_assert_int_eq(say(c, "let me in"), TALLY_SENT_FULL);
    ck_assert_int_eq(at_server.messages, 0);
    tally_client_destroy(&c);
}
END_TEST

START_TEST(a_client_refuses_a_server_with_another_key)
{
    struct seen s = {0};
    struct node real = owner;

    new_node(&owner); /* the key that the client pins */
    struct tally_client *c = client_of(&nodes[A], tally_server_endpoint(server), &s);
    idle(500);
    ck_assert_int_eq(s.up, 0);
    ck_assert_int_eq(at_server.links[TALLY_LINK_UP], 0);
    owner = real;
    tally_client_destroy(&c);
}
END_TEST

/* ZeroMQ lets anybody in where no handler is bound: the enforced domain has to stop that. */
START_TEST(without_the_gate_nobody_gets_in)
{
    struct tally_wire *wire;
    const struct tally_wire_config config = {
        .endpoint = "tcp://127.0.0.1:*", .curve_secret = owner.secret, .window = 8};
    struct seen s = {0};
    struct tally_wire_in in;
    int refused = 0;

    tally_server_destroy(&server); /* and the gate with it */
    ck_assert_int_eq(tally_wire_listen(&wire, &config), TALLY_OK);
    struct tally_client *c = client_of(&nodes[A], tally_wire_endpoint(wire), &s);
    for (int i = 0; i < 20; i++) {
        idle(50);
        ck_assert(!tally_wire_recv(wire, &in));
        for (struct tally_wire_event e; tally_wire_event(wire, &e);) {
            ck_assert_int_ne(e.link, TALLY_LINK_UP);
            refused += e.link != TALLY_LINK_DOWN;
        }
    }
    ck_assert_int_eq(s.up, 0);
    ck_assert_int_ge(refused, 1);
    tally_client_destroy(&c);
    tally_wire_close(&wire);
}
END_TEST

/* A handler that lets the key in but gives it no name. */
START_TEST(a_message_without_a_name_is_known_as_such)
{
    struct tally_wire *wire;
    struct tally_gate *gate;
    struct tally_wire_in in = {0};
    struct tally_keys *keys;
    const struct tally_wire_config config = {
        .endpoint = "tcp://127.0.0.1:*", .curve_secret = owner.secret, .window = 8};
    struct seen s = {0};
    bool got = false;

    tally_server_destroy(&server);
    ck_assert_int_eq(tally_keys_new(&keys, table, 1), TALLY_OK);
    keys->rows[0].entry.user[0] = '\0'; /* the table itself refuses that */
    ck_assert_int_eq(tally_gate_new(&gate, &keys), TALLY_OK);
    ck_assert_int_eq(tally_wire_listen(&wire, &config), TALLY_OK);
    struct tally_client *c = client_of(&nodes[A], tally_wire_endpoint(wire), &s);
    ck_assert(reaches(&s.up, 1, PATIENCE_MS));
    ck_assert_int_eq(say(c, "who am I"), TALLY_SENT);
    for (int i = 0; i < 100 && !got; i++) {
        idle(10);
        got = tally_wire_recv(wire, &in);
    }
    ck_assert(got);
    ck_assert(in.user == NULL || in.user[0] == '\0');
    tally_client_destroy(&c);
    tally_wire_close(&wire);
    tally_gate_destroy(&gate);
}
END_TEST

START_TEST(a_chosen_routing_id_steals_nothing)
{
    struct seen b = {0};
    void *thief = raw_peer(&nodes[A], "bank1/n1");

    ck_assert_int_eq(zmq_send(thief, "I am bank1", 10, 0), 10);
    ck_assert(reaches(&at_server.links[TALLY_LINK_SHAPE], 1, PATIENCE_MS));
    ck_assert_str_eq(at_server.user, "bank0/n1"); /* reported under its real name */
    ck_assert_int_eq(at_server.messages, 0);

    struct tally_client *c = good_client(&nodes[B], &b);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(zmq_send(thief, "I am bank1", 10, 0), 10);
        ck_assert_int_eq(tally_server_send(server, at_server.peer[B], tally_slice_str("secret")),
                         TALLY_SENT);
    }
    ck_assert(reaches(&b.messages, 11, PATIENCE_MS));
    char got[64];
    ck_assert_int_eq(zmq_recv(thief, got, sizeof got, ZMQ_DONTWAIT), -1);
    ck_assert_int_eq(at_server.messages, 1);
    tally_client_destroy(&c);
    zmq_close(thief);
    zmq_ctx_term(raw_context);
}
END_TEST

START_TEST(a_message_of_several_parts_or_of_none_is_dropped)
{
    void *peer = raw_peer(&nodes[A], NULL);

    ck_assert_int_eq(zmq_send(peer, "one", 3, ZMQ_SNDMORE), 3);
    ck_assert_int_eq(zmq_send(peer, "two", 3, ZMQ_SNDMORE), 3);
    ck_assert_int_eq(zmq_send(peer, "", 0, 0), 0);
    ck_assert_int_eq(zmq_send(peer, "", 0, 0), 0);
    ck_assert_int_eq(zmq_send(peer, "good", 4, 0), 4);
    ck_assert(reaches(&at_server.messages, 1, PATIENCE_MS));
    ck_assert_str_eq(at_server.last, "good");
    ck_assert_int_eq(at_server.links[TALLY_LINK_SHAPE], 1);
    ck_assert_int_eq(at_server.links[TALLY_LINK_EMPTY], 1);
    zmq_close(peer);
    zmq_ctx_term(raw_context);
}
END_TEST

START_TEST(an_oversized_message_ends_its_connection_and_no_other)
{
    struct seen b = {0};
    struct tally_client *c = good_client(&nodes[B], &b);
    void *peer = raw_peer(&nodes[A], NULL);
    uint8_t *big = calloc(1, TALLY_MAXMSGSIZE + 1);

    at_server.echo = false;
    ck_assert_int_eq(zmq_send(peer, big, TALLY_MESSAGE_MAX, 0), TALLY_MESSAGE_MAX); /* may */
    ck_assert(reaches(&at_server.messages, 2, PATIENCE_MS));
    ck_assert_int_eq(zmq_send(peer, big, TALLY_MAXMSGSIZE + 1, 0), TALLY_MAXMSGSIZE + 1);
    ck_assert(reaches(&at_server.gone, 1, PATIENCE_MS));
    ck_assert_uint_eq(at_server.gone_peer, at_server.peer[A]);
    zmq_close(peer);
    ck_assert_int_eq(at_server.messages, 2);
    at_server.echo = true;
    ck_assert_int_eq(say(c, "still here"), TALLY_SENT);
    ck_assert(reaches(&b.messages, 2, PATIENCE_MS));
    ck_assert_int_eq(b.down, 0);
    free(big);
    tally_client_destroy(&c);
    zmq_ctx_term(raw_context);
}
END_TEST

START_TEST(a_replaced_table_is_in_force_at_once)
{
    struct seen a = {0}, c = {0};
    struct tally_client *ca = good_client(&nodes[A], &a);

    at_server.messages = 0;
    ck_assert_int_eq(tally_server_keys(server, &table[1], 2), TALLY_OK); /* without A */
    ck_assert_int_eq(say(ca, "me again"), TALLY_SENT);
    ck_assert(reaches(&at_server.links[TALLY_LINK_NO_USER], 1, PATIENCE_MS));
    ck_assert_str_eq(at_server.user, "bank0/n1");
    tally_client_drop(ca);
    ck_assert(reaches(&a.links[TALLY_LINK_AUTH_FAILED], 1, PATIENCE_MS));
    ck_assert_int_eq(a.up, 1);
    ck_assert_int_eq(at_server.messages, 0);
    struct tally_client *cc = good_client(&nodes[STRANGER], &c); /* no longer one */
    ck_assert_str_eq(c.last, "bank2/n1");

    ck_assert_int_eq(tally_server_keys(server, table, 3), TALLY_OK); /* A is back */
    ck_assert(reaches(&a.up, 2, PATIENCE_MS));
    tally_client_destroy(&ca);
    tally_client_destroy(&cc);
}
END_TEST

START_TEST(a_key_that_changes_its_name_is_cut_off_until_it_reconnects)
{
    struct seen a = {0};
    struct tally_client *c = good_client(&nodes[A], &a);

    (void)snprintf(table[A].user, sizeof table[A].user, "other/n9");
    ck_assert_int_eq(tally_server_keys(server, table, 2), TALLY_OK);
    ck_assert_int_eq(say(c, "who am I"), TALLY_SENT);
    ck_assert(reaches(&at_server.links[TALLY_LINK_NO_USER], 1, PATIENCE_MS));
    tally_client_drop(c);
    ck_assert(reaches(&a.up, 2, PATIENCE_MS));
    ck_assert_int_eq(say(c, "who am I"), TALLY_SENT);
    ck_assert(reaches(&a.messages, 2, PATIENCE_MS));
    ck_assert_str_eq(a.last, "other/n9");
    tally_client_destroy(&c);
}
END_TEST

START_TEST(a_bad_table_is_refused_and_the_old_one_stays)
{
    struct seen a = {0};
    struct tally_curve_entry bad[2] = {table[0], table[0]};

    ck_assert_int_eq(tally_server_keys(server, bad, 2), TALLY_E_CONFIG); /* one key twice */
    bad[1] = table[1];
    (void)snprintf(bad[1].user, sizeof bad[1].user, "%s", _i ? "noslash" : "Bank/../n1");
    ck_assert_int_eq(tally_server_keys(server, bad, 2), TALLY_E_CONFIG);
    bad[1] = table[1];
    bad[1].key[3] = '~';
    ck_assert_int_eq(tally_server_keys(server, bad, 2), TALLY_E_CONFIG);
    ck_assert_int_eq(tally_server_keys(server, bad, TALLY_CURVE_ENTRIES_MAX + 1), TALLY_E_LIMIT);
    struct tally_client *c = good_client(&nodes[A], &a);
    tally_client_destroy(&c);
}
END_TEST

START_TEST(a_wrong_setting_is_refused)
{
    struct tally_server *second = NULL;
    struct tally_client *c = NULL;
    struct tally_server_config sc = {
        .endpoint = "tcp://127.0.0.1:*", .curve_secret = owner.secret, .on_message = on_message};
    struct tally_client_config cc = {.endpoint = "tcp://127.0.0.1:1",
                                     .server_key = "short",
                                     .curve_secret = nodes[A].secret,
                                     .on_message = on_reply,
                                     .on_up = on_up,
                                     .on_down = on_down};

    ck_assert_int_eq(tally_server_new(&second, loop, &sc), TALLY_E_STATE); /* one is enough */
    char taken[64];
    (void)snprintf(taken, sizeof taken, "%s", tally_server_endpoint(server));
    int holder = socket(AF_INET, SOCK_STREAM, 0);
    tally_server_destroy(&server);
    idle(50);
    struct sockaddr_in at = {.sin_family = AF_INET};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons((uint16_t)strtoul(strrchr(taken, ':') + 1, NULL, 10));
    const int on = 1;
    ck_assert_int_eq(setsockopt(holder, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    ck_assert_int_eq(bind(holder, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(holder, 1), 0);
    sc.endpoint = taken;
    ck_assert_int_eq(tally_server_new(&second, loop, &sc), TALLY_E_IO);
    sc.endpoint = "nonsense";
    ck_assert_int_eq(tally_server_new(&second, loop, &sc), TALLY_E_CONFIG);
    sc.window = TALLY_WINDOW_MAX + 1;
    ck_assert_int_eq(tally_server_new(&second, loop, &sc), TALLY_E_CONFIG);
    ck_assert_ptr_null(second);
    ck_assert_int_eq(tally_client_new(&c, loop, &cc), TALLY_E_CONFIG);
    cc.server_key = owner.z85;
    cc.endpoint = "tcp://";
    ck_assert_int_eq(tally_client_new(&c, loop, &cc), TALLY_E_CONFIG);
    ck_assert_ptr_null(c);
    (void)close(holder);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("transport");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_message_bears_the_name_of_its_key_and_is_answered);
    tcase_add_test(t, a_key_that_is_not_in_the_table_is_refused_and_told_so);
    tcase_add_test(t, a_client_refuses_a_server_with_another_key);
    tcase_add_test(t, without_the_gate_nobody_gets_in);
    tcase_add_test(t, a_message_without_a_name_is_known_as_such);
    tcase_add_test(t, a_chosen_routing_id_steals_nothing);
    tcase_add_test(t, a_message_of_several_parts_or_of_none_is_dropped);
    tcase_add_test(t, an_oversized_message_ends_its_connection_and_no_other);
    tcase_add_test(t, a_replaced_table_is_in_force_at_once);
    tcase_add_test(t, a_key_that_changes_its_name_is_cut_off_until_it_reconnects);
    tcase_add_loop_test(t, a_bad_table_is_refused_and_the_old_one_stays, 0, 2);
    tcase_add_test(t, a_wrong_setting_is_refused);
    return tally_suite_run("common/transport", t);
}
