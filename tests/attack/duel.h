/* duel.h - a serving aggregator, a bank that attacks its handshake and one that keeps its word;
 * shared by the programs that attack handshakes. */
#pragma once

#include <unistd.h>

#include "common/loop.h"
#include "tests/attack/arena.h"
#include "tests/attack/expect.h"

/* One bank as the attacker, and a second one that keeps its word. */
struct stage {
    struct arena arena;
    struct attacker evil, good;
};

static inline void load(struct stage *s, struct attacker *a, const char *org)
{
    char dir[1024];

    arena_path(&s->arena, org, dir);
    attacker_load(a, dir, org, "agent-1");
    attacker_connect(a, s->arena.port);
}

static inline void begin(struct stage *s)
{
    arena_open(&s->arena);
    arena_serve(&s->arena);
    load(s, &s->evil, "bank-1");
    load(s, &s->good, "bank-2");
    arena_mark(&s->arena);
}

/* Whatever was tried, the other bank is served; and so is the first one's good behaviour. */
static inline void end(struct stage *s)
{
    attacker_handshake(&s->good);
    s->evil.tricks = (struct attacker_tricks){0};
    attacker_connect(&s->evil, s->arena.port);
    attacker_handshake(&s->evil);
    attacker_free(&s->evil);
    attacker_free(&s->good);
    arena_close(&s->arena);
}

static inline void hello(struct attacker *a)
{
    enum tally_refusal r;

    EXPECT(attacker_hello(a, &r), "M1 was refused: %s", tally_refusal_text(r));
}

/* A node has three knocks at once and six a minute. */
static inline void knocks_come_back(struct stage *s)
{
    attacker_connect(&s->evil, s->arena.port);
    (void)sleep(60 / TALLY_KNOCKS_PER_MINUTE + 1);
}

/* M1 to M4 with the tricks set: this reason in the log, and no session. */
static inline void refused(struct stage *s, const char *reason)
{
    hello(&s->evil);
    attacker_prove(&s->evil);
    arena_expect_refused(&s->arena, "refused", reason);
    EXPECT(!attacker_established(&s->evil, ATTACKER_QUIET_MS), "a session nevertheless");
    arena_mark(&s->arena);
}

/* A good handshake gives a node its knocks back; a line of the log is one of 20 at once and five a
 * second (common/log.h), so what is looked for there must wait its turn. */
static inline void pace(struct stage *s, unsigned attempt)
{
    if (attempt % 2 == 1) {
        s->evil.tricks = (struct attacker_tricks){0};
        attacker_connect(&s->evil, s->arena.port);
        attacker_handshake(&s->evil);
        attacker_connect(&s->evil, s->arena.port);
    }
    if (attempt > 16) (void)usleep(220 * 1000);
}

static inline struct tally_sim_chip *new_chip(const struct stage *s)
{
    TALLY_CLEANUP(tally_sim_root_free) struct tally_sim_root *root = NULL;
    struct tally_sim_chip *chip;
    char path[1024];

    arena_path(&s->arena, "owner/test-root.key", path);
    EXPECT_OK(tally_sim_root_load(path, &root));
    EXPECT_OK(tally_sim_chip_new(root, tally_wall_ms() / 1000, &chip));
    return chip;
}
