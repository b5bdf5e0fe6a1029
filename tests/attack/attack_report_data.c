/* attack_report_data.c - REPORT_DATA with one bit changed, the report signed again by the chip and
 * the frame by the session key (A5). The knock quota (proto/limits.h) bounds what goes over a
 * socket: all 512 bits are tried against the handshake in this process, some of them (--long: all)
 * against a serving aggregator, with a good handshake in between. */
#include <sodium.h>

#include "tests/attack/cases.h"
#include "tests/attack/duel.h"

/* ---- A5: REPORT_DATA ---- */

static void flip(struct attacker *a, struct tally_snp_report *r)
{
    unsigned bit = *(unsigned *)a->tricks.ctx;

    r->report_data[bit / 8] ^= (uint8_t)(1U << bit % 8);
}

/* A server's handshake in this process in place of a socket. */
struct inside {
    struct tally_handshake *h;
    uint8_t *out, *frame;
    struct {
        uint8_t *at;
        size_t len;
    } queue[2];
    unsigned head, tail;
    enum tally_status last;
    struct attacker *server; /* whose keys and chip the server has */
};

static void inside_step(struct inside *in, struct tally_handshake_event *ev)
{
    struct tally_handshake_effects e;

    ev->now_ms = tally_wall_ms();
    ev->out = in->out;
    ev->out_cap = TALLY_SEALED_FRAME_BYTES_MAX;
    in->last = tally_handshake_step(in->h, ev, &e);
    if (e.send.len != 0 && in->tail < 2) {
        memcpy(in->queue[in->tail].at, e.send.at, e.send.len);
        in->queue[in->tail++].len = e.send.len;
    }
    if (e.quote.len == 0 || in->last != TALLY_OK) return;
    struct attacker *me = in->server;
    uint8_t bytes[TALLY_SNP_REPORT_BYTES], evb[2048], enb[16384];
    struct tally_wr we = tally_wr_to(evb, sizeof evb), wn = tally_wr_to(enb, sizeof enb);
    struct tally_handshake_event q = {.type = TALLY_HANDSHAKE_QUOTED};
    struct tally_snp_report r;

    tally_sim_report_init(me->chip, &r);
    memcpy(r.measurement, me->measurement, sizeof r.measurement);
    tally_report_data(TALLY_QUOTE_SESSION, &e.quote, 1, tally_slice_of(me->kb_bytes, me->kb_len),
                      r.report_data);
    EXPECT_OK(tally_sim_report_sign(me->chip, &r, bytes));
    tally_evidence_encode(
        &we, &(struct tally_evidence){.kind = TALLY_EVIDENCE_SNP, .report = TALLY_SLICE(bytes)});
    tally_sim_endorsements(me->chip, &wn);
    EXPECT_OK(tally_wr_end(&we, &q.ev));
    EXPECT_OK(tally_wr_end(&wn, &q.endorsements));
    inside_step(in, &q);
}

static void inside_send(struct attacker *a, const uint8_t *at, size_t len)
{
    struct inside *in = a->wire.ctx;
    struct tally_handshake_event ev = {
        .type = TALLY_HANDSHAKE_FRAME, .frame = in->frame, .frame_len = len};

    memcpy(in->frame, at, len);
    inside_step(in, &ev);
}

static size_t inside_receive(struct attacker *a, uint8_t *to, size_t cap, int wait_ms)
{
    struct inside *in = a->wire.ctx;

    (void)wait_ms;
    if (in->head == in->tail) return 0;
    size_t len = in->queue[in->head].len;
    EXPECT(len <= cap, "room");
    memcpy(to, in->queue[in->head++].at, len);
    return len;
}

static void inside_begin(struct inside *in, const struct attacker *client)
{
    static const struct tally_revocations none;
    struct tally_handshake_params p = {
        .side = TALLY_SIDE_SERVER,
        .federation = in->server->federation,
        .self = in->server->self,
        .session_key = &in->server->keys.session,
        .key_block = tally_slice_of(in->server->kb_bytes, in->server->kb_len),
        .revoked = &none,
        .appraiser = {tally_peer_appraise, NULL}
    };
    struct tally_handshake_fresh fresh;

    p.peer = tally_federation_node(in->server->federation, client->self->org, client->self->node);
    randombytes_buf(&fresh, sizeof fresh);
    EXPECT_OK(tally_handshake_init(in->h, &p, &fresh));
    in->head = in->tail = 0;
}

static void every_bit_inside(struct stage *s)
{
    struct attacker server;
    struct inside in = {
        .h = malloc(sizeof *in.h),
        .out = malloc(TALLY_SEALED_FRAME_BYTES_MAX),
        .frame = malloc(TALLY_SEALED_FRAME_BYTES_MAX),
        .queue = {{malloc(TALLY_SEALED_FRAME_BYTES_MAX), 0},
                  {malloc(TALLY_SEALED_FRAME_BYTES_MAX), 0}},
        .server = &server
    };
    struct attacker_wire socket = s->evil.wire;
    unsigned bit;
    char dir[1024];

    arena_path(&s->arena, "owner", dir);
    attacker_load(&server, dir, "owner", "aggregator");
    s->evil.wire = (struct attacker_wire){inside_send, inside_receive, &in};
    for (bit = 0; bit <= 512; bit++) { /* 512: none, so that the rest is seen to be right */
        enum tally_reason expected = bit < 256 ? TALLY_R_E_CHANNEL_BINDING : TALLY_R_E_REPORT_DATA;
        inside_begin(&in, &s->evil);
        s->evil.tricks = (struct attacker_tricks){.report = bit < 512 ? flip : NULL, .ctx = &bit};
        hello(&s->evil);
        attacker_prove(&s->evil);
        EXPECT((in.last == TALLY_OK) == (bit == 512), "bit %u: %s", bit, tally_why());
        EXPECT(bit == 512 || in.h->reason == expected, "bit %u: %s", bit,
               tally_reason_name(in.h->reason));
        tally_handshake_wipe(in.h);
    }
    s->evil.wire = socket;
    attacker_free(&server);
    free(in.h);
    free(in.out);
    free(in.frame);
    free(in.queue[0].at);
    free(in.queue[1].at);
}

static void every_bit_of_report_data(void)
{
    struct stage s;
    unsigned step = attack_long ? 1 : 16, n = 0;

    begin(&s);
    every_bit_inside(&s);
    for (unsigned at = 0; at < 512; at += step, n++) {
        unsigned bit = attack_long ? at : at + (at / 16 * 5) % 16; /* other bits of other bytes */
        s.evil.tricks = (struct attacker_tricks){.report = flip, .ctx = &bit};
        refused(&s, bit < 256 ? "E_CHANNEL_BINDING" : "E_REPORT_DATA");
        pace(&s, n);
    }
    end(&s);
}

int main(int argc, char **argv)
{
    static const struct attack_case cases[] = {
        CASE(every_bit_of_report_data),
    };

    return attack_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
