/* attack_flood.c - handshake frames cut and changed, and peers that stall or flood (A30, A38): what
 * they cost is bounded, and another bank does not notice. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/attack/cases.h"
#include "tests/attack/duel.h"

/* ---- frames ---- */

struct damage {
    int cut, add; /* bytes off and onto the end */
    size_t at;    /* this byte ... */
    uint8_t with; /* ... changed by this */
};

static void damage(struct attacker *a, uint8_t *frame, size_t *len)
{
    const struct damage *d = a->tricks.ctx;

    *len -= (size_t)d->cut;
    memset(frame + *len, 0, (size_t)d->add);
    *len += (size_t)d->add;
    if (d->with != 0) frame[d->at % *len] ^= d->with;
}

static void frames_cut_and_changed(void)
{
    static const struct damage all[] = {
        {1,  0, 0,   0   },
        {0,  1, 0,   0   },
        {40, 0, 0,   0   },
        {0,  0, 1,   1   },
        {0,  0, 9,   0x80},
        {0,  0, 100, 4   },
    };
    struct stage s;
    enum tally_refusal r;
    unsigned n = 0;

    begin(&s);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct damage d = all[i];
        s.evil.tricks = (struct attacker_tricks){.m4 = damage, .ctx = &d};
        refused(&s, "E_AUTH");
        pace(&s, n++);
        /* An M1 changed in its key alone is a good one of somebody else: it fails at M4. */
        s.evil.tricks = (struct attacker_tricks){.m1 = damage, .ctx = &d};
        s.evil.wait_ms = 200;
        if (attacker_hello(&s.evil, &r)) attacker_prove(&s.evil);
        s.evil.wait_ms = ATTACKER_WAIT_MS;
        EXPECT(arena_logged(&s.arena, ARENA_LOG_MS, "\"event\":\"refused\"", NULL, NULL),
               "damage %zu to M1 was taken", i);
        arena_mark(&s.arena);
        pace(&s, n++);
    }
    end(&s);
}

/* ---- A38, A30: peers that stall or flood ---- */

static void stalled_handshakes(void)
{
    struct stage s;
    struct attacker more[2];
    enum tally_refusal r;

    begin(&s);
    for (int i = 0; i < 2; i++) {
        load(&s, &more[i], "bank-1");
        hello(&more[i]); /* and never an M4 */
    }
    EXPECT(!attacker_hello(&s.evil, &r) && r == TALLY_REFUSED_BUSY, "a third half-open handshake");
    attacker_handshake(&s.good); /* the others do not notice */
    attacker_connect(&s.good, s.arena.port);
    if (attack_long) (void)sleep(TALLY_HALF_OPEN_MS / 1000 + 2); /* by the clock ... */
    for (int i = 0; i < 2; i++) {
        uint8_t nonsense = TALLY_FRAME_M4;
        if (!attack_long) attacker_send(&more[i], &nonsense, 1); /* ... or by their own hand */
    }
    if (!attack_long) arena_expect_refused(&s.arena, "refused", "E_TRUNCATED");
    knocks_come_back(&s);
    knocks_come_back(&s);
    for (int i = 0; i < 2; i++) attacker_free(&more[i]);
    end(&s);
}

static void flood(const struct stage *s)
{
    struct attacker a;
    static uint8_t junk[400 * 1024];
    char dir[1024];

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    arena_path(&s->arena, "bank-1", dir);
    attacker_load(&a, dir, "bank-1", "agent-1");
    attacker_connect(&a, s->arena.port);
    junk[0] = TALLY_FRAME_M4;
    for (unsigned i = 0;; i++) {
        if (i % 50 == 0)
            attacker_send(&a, junk, sizeof junk);
        else
            attacker_send_m1(&a);
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void a_flood_of_m1(void)
{
    enum { HANDSHAKES = 40, GROWTH_KIB_MAX = 700 * 1024, P99_MS_MAX = 2000 };
    uint64_t took_ms[HANDSHAKES];
    struct stage s;

    begin(&s);
    uint64_t before_kib = arena_peak_kib(s.arena.server);
    pid_t child = fork();
    EXPECT(child >= 0, "fork");
    if (child == 0) flood(&s);
    (void)usleep(500 * 1000);
    for (int i = 0; i < HANDSHAKES; i++) {
        uint64_t at_ms = tally_wall_ms();
        attacker_connect(&s.good, s.arena.port);
        attacker_handshake(&s.good);
        took_ms[i] = tally_wall_ms() - at_ms;
    }
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    uint64_t after_kib = arena_peak_kib(s.arena.server);
    qsort(took_ms, HANDSHAKES, sizeof took_ms[0], by_value);
    (void)printf(
        "flood: another bank's handshake: median %llu ms, worst of %d %llu ms; peak memory "
        "%llu MiB, before %llu MiB\n",
        (unsigned long long)took_ms[HANDSHAKES / 2], HANDSHAKES,
        (unsigned long long)took_ms[HANDSHAKES - 1], (unsigned long long)after_kib / 1024,
        (unsigned long long)before_kib / 1024);
    EXPECT(took_ms[HANDSHAKES - 1] <= P99_MS_MAX, "too slow");
    EXPECT(after_kib - before_kib <= GROWTH_KIB_MAX, "too much memory");
    attacker_connect(&s.good, s.arena.port);
    knocks_come_back(&s);
    end(&s);
}

int main(int argc, char **argv)
{
    static const struct attack_case cases[] = {
        CASE(frames_cut_and_changed),
        CASE(stalled_handshakes),
        CASE(a_flood_of_m1),
    };

    return attack_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
