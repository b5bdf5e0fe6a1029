/* attack_session.c - a bank whose session is good says things twice, votes for others, and sends
 * messages and records that are malformed or out of order. */
#include "tests/attack/bout.h"
#include "tests/attack/cases.h"

/* ---- twice ---- */

static void a_second_different_update(void)
{
    struct tally_slice plain;
    struct attacker_update u;
    struct tally_set *set = malloc(sizeof *set);
    struct tally_message m;
    struct stage s;

    EXPECT(set != NULL, "memory");
    begin(&s, &small, 1);
    plain = attacker_delta(s.params, 0.5F);
    attacker_update_make(s.evil, &s.open, plain, 100, &u);
    attacker_upload(s.evil, &u);
    attacker_update_head(s.evil, &u); /* the same again: the same answer */
    EXPECT(attacker_await(s.evil, TALLY_MSG_ACK, &m, ATTACKER_WAIT_MS), "no second ACK");
    uint8_t first[32];
    memcpy(first, u.st_digest, 32);
    attacker_update_free(&u);
    attacker_update_make(s.evil, &s.open, plain, 100000, &u); /* more weight */
    attacker_update_head(s.evil, &u);
    told(&s, "UPDATE_CONFLICT");
    attacker_update_free(&u);
    free_slice(plain);
    for (int i = 1; i < ARENA_BANKS; i++) upload_delta(&s, &s.crowd[i], 0.01F);
    attacker_vote(&s.crowd[1], set);
    const struct tally_set_row *row = tally_set_find(set, "bank-1", "agent-1");
    EXPECT(row->status == TALLY_ROW_COUNTED && memcmp(row->statement, first, 32) == 0,
           "the first update does not count");
    free(set);
    end(&s);
}

/* One bank's vote, again and again, is one vote: the quorum is two. */
static void a_vote_counted_twice(void)
{
    struct tally_set *set = malloc(sizeof *set);
    struct tally_message m, vote = {.type = TALLY_MSG_VOTE};
    struct tally_opening next;
    struct stage s;

    EXPECT(set != NULL, "memory");
    begin(&s, &small, 1);
    for (int i = 0; i < ARENA_BANKS; i++) upload_delta(&s, &s.crowd[i], 0.01F);
    EXPECT(attacker_await(s.evil, TALLY_MSG_SET, &m, ATTACKER_WAIT_MS), "no SET");
    TALLY_SHA256_OF(vote.digest, m.body);
    EXPECT_OK(tally_vote_sign(&s.evil->attested, vote.digest, vote.signature));
    for (int i = 0; i < 5; i++) attacker_send_message(s.evil, &vote);
    attacker_connect(s.evil, s.arena.port); /* and once more as a new instance of the same bank */
    attacker_new_instance(s.evil);
    attacker_join(s.evil, s.job.digest);
    EXPECT_OK(tally_vote_sign(&s.evil->attested, vote.digest, vote.signature));
    attacker_send_message(s.evil, &vote);
    EXPECT(!attacker_await(s.evil, TALLY_MSG_VERSION, &m, 10) || m.round == 0, "published");
    EXPECT(!arena_logged(&s.arena, 500, "round_published", "\"round\":1", NULL),
           "one bank's vote was enough");
    attacker_vote(&s.crowd[1], set);
    attacker_await_open(&s.crowd[1], &next);
    EXPECT(next.round == 2, "round %llu", (unsigned long long)next.round);
    free(set);
    end(&s);
}

static void a_vote_of_another_key(void)
{
    struct tally_message m, vote = {.type = TALLY_MSG_VOTE};
    struct stage s;

    begin(&s, &small, 1);
    for (int i = 0; i < ARENA_BANKS; i++) upload_delta(&s, &s.crowd[i], 0.01F);
    EXPECT(attacker_await(s.evil, TALLY_MSG_SET, &m, ATTACKER_WAIT_MS), "no SET");
    TALLY_SHA256_OF(vote.digest, m.body);
    EXPECT_OK(tally_vote_sign(&s.crowd[1].attested, vote.digest, vote.signature));
    attacker_send_message(s.evil, &vote);
    ended(&s, "its vote does not verify");
    end(&s);
}

/* ---- messages ---- */

static void a_record_again(struct stage *s)
{
    uint8_t frame[64 + TALLY_RECORD_EXTRA_BYTES];
    struct tally_message m = {.type = TALLY_MSG_CREDIT, .count = 1};
    struct tally_wr w = tally_wr_to(frame + TALLY_RECORD_BODY_AT, 64);
    struct tally_slice body;
    size_t n;

    tally_message_encode(&w, &m);
    EXPECT_OK(tally_wr_end(&w, &body));
    EXPECT_OK(tally_record_seal(&s->evil->records, TALLY_RECORD_MESSAGE, tally_wall_ms(), frame,
                                body.len, &n));
    attacker_send(s->evil, frame, n);
    attacker_send(s->evil, frame, n);
}

static void a_record_with_a_bit_changed(struct stage *s)
{
    uint8_t frame[64] = {TALLY_FRAME_RECORD, 9, 9, 9};

    attacker_send(s->evil, frame, sizeof frame);
}

static void bytes_that_are_no_message(struct stage *s)
{
    attacker_send_record(s->evil, TALLY_RECORD_MESSAGE, tally_slice_str("\xc1nothing"));
}

static void a_message_cut_short(struct stage *s)
{
    attacker_send_record(s->evil, TALLY_RECORD_MESSAGE,
                         (struct tally_slice){(const uint8_t *)"\x94\x05\x01", 3});
}

static void a_count_of_billions(struct stage *s)
{
    attacker_send_record(s->evil, TALLY_RECORD_MESSAGE,
                         (struct tally_slice){(const uint8_t *)"\xdd\xff\xff\xff\xff\x01", 6});
}

static void a_message_of_the_server(struct stage *s)
{
    struct tally_message m = {.type = TALLY_MSG_ACK};

    attacker_send_message(s->evil, &m);
}

static void hello_again(struct stage *s)
{
    struct tally_message m = {.type = TALLY_MSG_HELLO, .time_ms = tally_wall_ms()};

    attacker_send_message(s->evil, &m);
}

static void a_grant_inside_a_job(struct stage *s)
{
    struct tally_message m = {.type = TALLY_MSG_GRANT, .body = tally_slice_str("{}")};

    attacker_send_message(s->evil, &m);
}

static void a_chunk_of_nothing(struct stage *s)
{
    attacker_send_record(s->evil, TALLY_RECORD_CHUNK, tally_slice_str("short"));
}

static void a_second_upload_beside_the_first(struct stage *s)
{
    struct tally_slice plain = attacker_delta(s->params, 0.5F);
    struct attacker_update u;

    attacker_update_make(s->evil, &s->open, plain, 100, &u);
    attacker_update_head(s->evil, &u);
    attacker_update_head(s->evil, &u);
    attacker_update_free(&u);
    free_slice(plain);
}

static void a_credit_of_billions(struct stage *s)
{
    struct tally_message m = {
        .type = TALLY_MSG_FETCH, .kind = TALLY_OBJECT_MODEL, .count = UINT32_MAX};

    memcpy(m.digest, s->open.base, 32);
    attacker_send_message(s->evil, &m);
    m.type = TALLY_MSG_CREDIT;
    attacker_send_message(s->evil, &m);
    a_chunk_of_nothing(s);
}

static void messages_that_end_the_session(void)
{
    static void (*const all[])(struct stage *) = {
        a_record_again,
        a_record_with_a_bit_changed,
        bytes_that_are_no_message,
        a_message_cut_short,
        a_count_of_billions,
        a_message_of_the_server,
        hello_again,
        a_grant_inside_a_job,
        a_chunk_of_nothing,
        a_credit_of_billions,
        a_second_upload_beside_the_first,
    };
    struct stage s;

    begin(&s, &small, 1);
    uint64_t before_kib = arena_peak_kib(s.arena.server);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        all[i](&s);
        EXPECT(arena_logged(&s.arena, ARENA_LOG_MS, "\"event\":\"session_end\"", "bank-1", NULL),
               "message %zu was taken", i);
        (void)usleep(300 * 1000); /* one line of a kind each 200 ms */
        arena_mark(&s.arena);
        rejoin(&s);
        arena_mark(&s.arena);
    }
    EXPECT(arena_peak_kib(s.arena.server) - before_kib < 128 * 1024, "memory");
    EXPECT(attacker_session_lives(&s.crowd[1]), "another bank's session ended");
    end(&s);
}

int main(int argc, char **argv)
{
    static const struct attack_case cases[] = {
        CASE(a_second_different_update),
        CASE(a_vote_counted_twice),
        CASE(a_vote_of_another_key),
        CASE(messages_that_end_the_session),
    };

    return attack_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
