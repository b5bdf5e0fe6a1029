/* attack_update.c - updates of a bank whose session is good: pieces and sealed bytes changed,
 * payloads and statements that lie (A23, A24). */
#include <math.h>

#include "common/moments.h"
#include "common/sealtree.h"
#include "tests/attack/bout.h"
#include "tests/attack/cases.h"

/* ---- A23: pieces ---- */

enum piece_trick { DROPPED, REORDERED, TWICE, SHORT, LONG, PAST_THE_END, OF_ANOTHER_FILE };

static void send_badly(struct stage *s, const struct attacker_update *u, enum piece_trick t)
{
    const uint8_t *digest = u->st.seal_digest;
    struct tally_slice one = {u->sealed, TALLY_PIECE_BYTES_MAX}, cut = one;
    uint8_t other[32] = {1};

    cut.len--;
    switch (t) {
    case DROPPED: attacker_send_chunk(s->evil, digest, 1, one); break;
    case REORDERED:
        attacker_send_chunk(s->evil, digest, 0, one);
        attacker_send_chunk(s->evil, digest, 2, one);
        break;
    case TWICE:
        attacker_send_chunk(s->evil, digest, 0, one);
        attacker_send_chunk(s->evil, digest, 0, one);
        break;
    case SHORT: attacker_send_chunk(s->evil, digest, 0, cut); break;
    case LONG: /* the last piece with a byte too many */
        attacker_send_chunk(s->evil, digest, 0, one);
        attacker_send_chunk(s->evil, digest, 1,
                            tally_slice_of(u->sealed, u->sealed_len - TALLY_PIECE_BYTES_MAX + 1));
        break;
    case PAST_THE_END: attacker_send_chunk(s->evil, digest, UINT32_MAX, one); break;
    case OF_ANOTHER_FILE: attacker_send_chunk(s->evil, other, 0, one); break;
    }
}

static void pieces_out_of_order(void)
{
    static const struct arena_job job = {
        .name = "pieces", .hidden = "[500,400]", .rounds = 2, .seconds = 120, .cohort = 2};
    struct tally_slice plain;
    struct attacker_update u;
    struct tally_message m;
    struct stage s;

    begin(&s, &job, 1);
    plain = attacker_delta(s.params, 0.5F);
    attacker_update_make(s.evil, &s.open, plain, 100, &u);
    for (int t = DROPPED; t <= OF_ANOTHER_FILE; t++) {
        attacker_update_head(s.evil, &u);
        EXPECT(attacker_await(s.evil, TALLY_MSG_GO, &m, ATTACKER_WAIT_MS), "no GO");
        if (t == REORDERED || t == TWICE || t == LONG) EXPECT(m.first <= 1, "pieces there");
        send_badly(&s, &u, (enum piece_trick)t);
        ended(&s, "chunk");
        rejoin(&s);
        attacker_update_free(&u); /* another file: a resumed one would not begin at piece 0 */
        attacker_update_make(s.evil, &s.open, plain, 100, &u);
    }
    attacker_upload(s.evil, &u); /* and the honest way still counts */
    attacker_update_free(&u);
    free_slice(plain);
    for (int i = 1; i < ARENA_BANKS; i++) upload_delta(&s, &s.crowd[i], 0.01F);
    struct tally_set *set = malloc(sizeof *set);
    EXPECT(set != NULL, "memory");
    attacker_vote(&s.crowd[1], set);
    EXPECT(tally_set_find(set, "bank-1", "agent-1")->status == TALLY_ROW_COUNTED, "not counted");
    free(set);
    end(&s);
}

/* ---- A24: the last chunk ---- */

static void corrupt(struct stage *s, size_t at, bool digest_too)
{
    struct tally_slice plain = attacker_delta(s->params, 0.5F);
    struct tally_payload_header h;
    uint8_t sh_bytes[TALLY_PAYLOAD_HEADER_BYTES_MAX];
    struct tally_wr w = tally_wr_to(sh_bytes, sizeof sh_bytes);
    struct attacker_update u;
    struct tally_message m;
    struct tally_slice sh;

    attacker_update_make(s->evil, &s->open, plain, 100, &u);
    u.sealed[at < u.sealed_len ? at : u.sealed_len - 1] ^= 1;
    if (digest_too) {
        tally_statement_header(&u.st, &h);
        EXPECT_OK(tally_payload_header_encode(&h, &w, &sh));
        tally_sealtree_digest(sh, tally_slice_of(u.sealed, u.sealed_len), u.st.seal_digest);
    }
    attacker_update_head(s->evil, &u);
    EXPECT(attacker_await(s->evil, TALLY_MSG_GO, &m, ATTACKER_WAIT_MS), "no GO");
    attacker_send_pieces(s->evil, &u, &m);
    attacker_update_free(&u);
    free_slice(plain);
}

static void the_last_chunk_of_64_mb_is_corrupt(void)
{
    static const struct arena_job job = {
        .name = "large", .hidden = "[4096,4000]", .rounds = 2, .seconds = 300, .cohort = 2};
    struct stage s;

    begin(&s, &job, 1);
    EXPECT(s.params * sizeof(float) >= 64000000, "%zu parameters", s.params);
    unsigned sealed = files_in(&s, "owner/state/sealed"),
             models = files_in(&s, "owner/state/models");
    corrupt(&s, SIZE_MAX, false); /* not what its digest says */
    told(&s, "E_UPDATE");
    EXPECT(files_in(&s, "owner/state/spool") == 0, "the file is still there");
    corrupt(&s, SIZE_MAX, true); /* what its digest says, and its tag does not fit */
    told(&s, "E_AUTH");
    EXPECT(files_in(&s, "owner/state/spool") == 0, "the file is still there");
    EXPECT(files_in(&s, "owner/state/sealed") == sealed, "it was kept");
    EXPECT(files_in(&s, "owner/state/models") == models, "a model was made of it");
    others_go_on(&s, "E_AUTH");
    end(&s);
}

static void any_sealed_byte_is_changed(void)
{
    static const size_t at[] = {0, 24, 56, 16384, 200000};
    struct stage s;

    begin(&s, &small, 1);
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        corrupt(&s, at[i], true);
        told(&s, "E_AUTH");
    }
    others_go_on(&s, "E_AUTH");
    end(&s);
}

static void a_wrap_of_another_key(void)
{
    struct tally_slice plain;
    struct attacker_update u;
    struct tally_message m;
    struct stage s;
    uint8_t key[32] = {7};

    begin(&s, &small, 1);
    plain = attacker_delta(s.params, 0.5F);
    attacker_update_make(s.evil, &s.open, plain, 100, &u);
    attacker_wrap(s.evil, key, u.st.seal_digest, u.wrap); /* the commitment tells */
    u.wrapped = true;
    attacker_update_head(s.evil, &u);
    EXPECT(attacker_await(s.evil, TALLY_MSG_GO, &m, ATTACKER_WAIT_MS), "no GO");
    attacker_send_pieces(s.evil, &u, &m);
    told(&s, "E_AUTH");
    attacker_update_free(&u);
    free_slice(plain);
    others_go_on(&s, "E_AUTH");
    end(&s);
}

/* A key renewed for no reason, by one that does not open the file that counts. */
static void a_rewrap_of_another_key(void)
{
    struct tally_slice plain;
    struct attacker_update u;
    struct tally_message m = {.type = TALLY_MSG_REWRAP};
    struct tally_set *set = malloc(sizeof *set);
    struct stage s;
    uint8_t key[32] = {7};

    EXPECT(set != NULL, "memory");
    begin(&s, &small, 1);
    plain = attacker_delta(s.params, 0.5F);
    attacker_update_make(s.evil, &s.open, plain, 100, &u);
    attacker_upload(s.evil, &u);
    memcpy(m.digest, u.st_digest, 32);
    memcpy(m.key_id, s.evil->server_key_id, 32);
    attacker_wrap(s.evil, key, u.st.seal_digest, m.wrap);
    attacker_send_message(s.evil, &m);
    EXPECT(!attacker_await(s.evil, TALLY_MSG_ACK, &m, 300), "it was acknowledged");
    for (int i = 1; i < ARENA_BANKS; i++) upload_delta(&s, &s.crowd[i], 0.01F);
    for (int i = 1; i < ARENA_BANKS; i++) attacker_vote(&s.crowd[i], set);
    attacker_await_open(&s.crowd[1], &s.open); /* the round was published */
    EXPECT(tally_set_find(set, "bank-1", "agent-1")->status == TALLY_ROW_COUNTED,
           "the update that was acknowledged does not count");
    attacker_update_free(&u);
    free_slice(plain);
    free(set);
    end(&s);
}

/* ---- payloads that are sealed as they should be ---- */

static void sealed_properly(struct stage *s, struct tally_slice plain, const char *reason)
{
    struct attacker_update u;
    struct tally_message m;

    attacker_update_make(s->evil, &s->open, plain, 100, &u);
    attacker_update_head(s->evil, &u);
    EXPECT(attacker_await(s->evil, TALLY_MSG_GO, &m, ATTACKER_WAIT_MS), "no GO");
    attacker_send_pieces(s->evil, &u, &m);
    told(s, reason);
    attacker_update_free(&u);
}

static void values_that_are_not_finite(void)
{
    struct stage s;

    begin(&s, &small, 1);
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tally_slice plain = attacker_delta(s.params, 0.25F);
        uint8_t *last = (uint8_t *)(uintptr_t)plain.at + plain.len - sizeof(float);
        memcpy(last, &bad[i], sizeof(float)); /* the very last one */
        sealed_properly(&s, plain, "E_UPDATE");
        free_slice(plain);
    }
    others_go_on(&s, "E_UPDATE");
    end(&s);
}

static void lying_counts(void)
{
    struct stage s;

    begin(&s, &small, 1);
    for (int i = 0; i < 5; i++) {
        struct tally_slice plain = attacker_delta(s.params - (i == 0), 0.25F);
        uint8_t *p = (uint8_t *)(uintptr_t)plain.at;
        if (i == 1) p[4] ^= 0x80;   /* length of the evaluation */
        if (i == 2) p[8 + 7] ^= 1;  /* its rows */
        if (i == 3) p[8 + 19] ^= 4; /* its entries */
        if (i == 4) p[1] = TALLY_PAYLOAD_EVALUATION;
        sealed_properly(&s, plain, "E_UPDATE");
        free_slice(plain);
    }
    others_go_on(&s, "E_UPDATE");
    end(&s);
}

static void moments_that_cannot_be_true(void)
{
    struct stage s;

    begin(&s, &small, 0);
    for (int i = 0; i < 4; i++) {
        struct tally_slice plain = attacker_moments(&s.job, 300);
        uint8_t *m = (uint8_t *)(uintptr_t)plain.at + 4 + 4 + 4; /* version of the moments */
        static const uint8_t nan_be[8] = {0x7f, 0xf8};
        EXPECT(*m == TALLY_MOMENTS_VERSION, "the layout");
        if (i == 0) m[1 + 8] = 0x40;                                /* more positives than rows */
        if (i == 1) memcpy(m + 1 + 16 + 16 + 4 + 1 + 8, nan_be, 8); /* the mean */
        if (i == 2) m[1 + 16 + 16 + 3] = 9;                         /* columns */
        if (i == 3) m[0] = 9;
        sealed_properly(&s, plain, "E_UPDATE");
        free_slice(plain);
    }
    others_go_on(&s, "E_UPDATE");
    end(&s);
}

/* ---- statements ---- */

static void another_challenge(struct tally_statement *st)
{
    st->challenge[0] ^= 1;
}
static void another_round(struct tally_statement *st)
{
    st->round++;
}
static void another_job(struct tally_statement *st)
{
    st->job[3] ^= 1;
}
static void another_base(struct tally_statement *st)
{
    st->base[31] ^= 1;
}
static void another_federation(struct tally_statement *st)
{
    st->federation[0] ^= 1;
}
static void another_name(struct tally_statement *st)
{
    (void)snprintf(st->org, sizeof st->org, "bank-2");
}
static void another_kind(struct tally_statement *st)
{
    st->kind = TALLY_PAYLOAD_EVALUATION;
}
static void a_far_larger_payload(struct tally_statement *st)
{
    st->plaintext_bytes = UINT64_C(1) << 34;
    st->sealed_bytes = tally_statement_sealed_bytes(st->plaintext_bytes);
}

static void debug_quote(struct attacker *a, struct tally_snp_report *r)
{
    (void)a;
    r->policy |= TALLY_SNP_POLICY_DEBUG;
}
static void changed_quote(struct attacker *a, struct tally_snp_report *r)
{
    (void)a;
    r->report_data[9] ^= 1;
}
static void other_keys_quote(struct attacker *a, struct tally_snp_report *r)
{
    (void)a;
    r->report_data[40] ^= 1;
}

static void statements_that_lie(void)
{
    static const struct {
        void (*change)(struct tally_statement *);
        void (*report)(struct attacker *, struct tally_snp_report *);
        const char *reason;
    } all[] = {
        {another_challenge,    NULL,             "E_UPDATE"         },
        {another_round,        NULL,             "E_UPDATE"         },
        {another_job,          NULL,             "E_UPDATE"         },
        {another_base,         NULL,             "E_UPDATE"         },
        {another_federation,   NULL,             "E_FEDERATION"     },
        {another_name,         NULL,             "E_IDENTITY"       },
        {another_kind,         NULL,             "E_UPDATE"         },
        {a_far_larger_payload, NULL,             "E_OVERSIZE"       },
        {NULL,                 debug_quote,      "E_POLICY_DEBUG"   },
        {NULL,                 changed_quote,    "E_CHANNEL_BINDING"},
        {NULL,                 other_keys_quote, "E_REPORT_DATA"    },
    };
    struct tally_slice plain;
    struct stage s;

    begin(&s, &small, 1);
    plain = attacker_delta(s.params, 0.25F);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct attacker_update u;
        attacker_update_make(s.evil, &s.open, plain, 100, &u);
        if (all[i].change != NULL) all[i].change(&u.st);
        u.report = all[i].report;
        attacker_update_head(s.evil, &u);
        told(&s, all[i].reason);
        attacker_update_free(&u);
        EXPECT(files_in(&s, "owner/state/spool") == 0, "case %zu was spooled", i);
    }
    free_slice(plain);
    others_go_on(&s, "E_REPORT_DATA");
    end(&s);
}

int main(int argc, char **argv)
{
    static const struct attack_case cases[] = {
        CASE(pieces_out_of_order),
        CASE(the_last_chunk_of_64_mb_is_corrupt),
        CASE(any_sealed_byte_is_changed),
        CASE(a_wrap_of_another_key),
        CASE(a_rewrap_of_another_key),
        CASE(values_that_are_not_finite),
        CASE(lying_counts),
        CASE(moments_that_cannot_be_true),
        CASE(statements_that_lie),
    };

    return attack_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
