/* attack_restore.c - state brought back or from elsewhere by the aggregator's host: sealed keys
 * lost or of others, and a snapshot of the frozen set restored to combine another one (A33, A37).
 */
#include <sys/stat.h>

#include "tests/attack/cases.h"
#include "tests/attack/seized.h"

/* ---- keys lost again and again ---- */

static void keys_lost_twice_over_a_frozen_set(void)
{
    struct stage s;

    begin(&s, true);
    for (int i = 0; i < 3; i++) {
        run(&s, "rm owner/state/instance.sealed");
        arena_serve(&s.arena);
        EXPECT(!arena_logged(&s.arena, 400, "\"event\":\"job_stopped\"", NULL, NULL),
               "the job stopped after %d losses: %s", i + 1, s.arena.log);
        arena_stop(&s.arena, SIGKILL);
    }
    end(&s);
}

/* ---- A37: seals ---- */

static void seal_of_another_guest(void)
{
    struct stage s;
    struct attacker me;
    char dir[1024], path[1024];
    uint8_t plain[4096];
    size_t len;

    begin(&s, false);
    arena_path(&s.arena, "owner", dir);
    attacker_load(&me, dir, "owner", "aggregator");
    char *sealed = arena_text(&s.arena, "owner/state/instance.sealed", &len);
    EXPECT(len < sizeof plain, "%zu bytes", len);
    arena_path(&s.arena, "owner/chip", path);
    for (int i = 0; i < 6; i++) {
        struct tally_sim_guest g = {.policy = TALLY_SIM_GUEST_POLICY};
        struct tally_seal_name name = {.mode = TALLY_MODE_TEST,
                                       .role = TALLY_ROLE_AGGREGATOR,
                                       .org = tally_slice_str("owner"),
                                       .node = tally_slice_str("aggregator")};
        struct tally_device *d = NULL;
        memcpy(g.measurement, me.measurement, sizeof g.measurement);
        memcpy(name.federation_id, me.federation->id, 32);
        if (i == 1) g.policy |= TALLY_SNP_POLICY_DEBUG;
        if (i == 2) g.measurement[0] ^= 1;
        if (i == 3) g.vmpl = 1;
        if (i == 4) name.federation_id[0] ^= 1;
        if (i == 5) name.role = TALLY_ROLE_AGENT;
        EXPECT_OK(tally_device_sim_boot(path, &g, &d));
        enum tally_status status =
            tally_device_unseal(d, &name, tally_slice_of((const uint8_t *)sealed, len), plain);
        EXPECT((status == TALLY_OK) == (i == 0), "guest %d: %s", i, tally_why());
        EXPECT(i == 0 || tally_reason() == TALLY_R_E_AUTH, "guest %d: %s", i,
               tally_reason_name(tally_reason()));
        tally_device_close(&d);
    }
    free(sealed);
    attacker_free(&me);
    end(&s);
}

/* The sealed keys of another chip's aggregator, on this disk: put aside, and a new instance. */
static void seal_of_another_folder(void)
{
    struct stage s;
    char path[1024];
    struct stat st;

    begin(&s, false);
    /* The same program of the same federation on another chip makes a seal of its own ... */
    run(&s, "mv owner/chip chip.own && cp owner/chips/bank-1.agent-1.chip owner/chip && "
            "rm owner/state/instance.sealed");
    arena_serve(&s.arena);
    arena_stop(&s.arena, SIGKILL);
    /* ... which is of no use on this one. */
    run(&s, "mv chip.own owner/chip");
    arena_serve(&s.arena);
    EXPECT(arena_logged(&s.arena, 0, "\"event\":\"new_instance\"", NULL, NULL), "it was opened");
    arena_path(&s.arena, "owner/state/instance.sealed.lost", path);
    EXPECT(stat(path, &st) == 0, "no %s", path);
    end(&s);
}

/* ---- A33: another set of the same updates, with agents that keep their word ---- */

/* The round under way has a set and no outcome, in the copy of the state just made. */
static bool frozen(const struct stage *s, unsigned *round)
{
    char path[1024];
    sqlite3 *db;
    sqlite3_stmt *q;
    bool yes = false;

    arena_path(&s->arena, "snapshot/store.db", path);
    EXPECT(sqlite3_open(path, &db) == SQLITE_OK, "%s", path);
    if (sqlite3_prepare_v2(db,
                           "SELECT round FROM rounds WHERE set_record IS NOT NULL AND outcome = 0 "
                           "AND kind = 2 AND (SELECT count(*) FROM updates u WHERE u.round = "
                           "rounds.round) = 3",
                           -1, &q, NULL) == SQLITE_OK) {
        yes = sqlite3_step(q) == SQLITE_ROW;
        *round = yes ? (unsigned)sqlite3_column_int(q, 0) : 0;
    }
    (void)sqlite3_finalize(q);
    (void)sqlite3_close(db);
    return yes;
}

static void begin_with_agents(struct stage *s)
{
    static const struct arena_job job = {
        .name = "again", .hidden = "[64]", .rounds = 9000, .seconds = 4, .cohort = 2};

    *s = (struct stage){0};
    arena_open(&s->arena);
    arena_fix_port(&s->arena);
    arena_serve(&s->arena);
    arena_submit(&s->arena, &job, &s->job);
    for (int i = 1; i <= ARENA_BANKS; i++)
        EXPECT(arena_agent(&s->arena, i), "this build's agent does not run");
    EXPECT(arena_logged(&s->arena, 30000, "round_published", "\"round\":2,", NULL), "no rounds: %s",
           s->arena.log);
}

/* A copy of the state at a moment with a frozen set; its round. */
static unsigned snapshot_frozen(const struct stage *s)
{
    unsigned round;

    for (int tries = 0; tries < 3000; tries++) {
        (void)kill(s->arena.server, SIGSTOP);
        run(s, "rm -rf snapshot && mkdir snapshot && cp -a owner/state/store.db* snapshot");
        if (frozen(s, &round)) {
            run(s, "rm -rf snapshot && cp -a owner/state snapshot");
            if (frozen(s, &round)) return round; /* the caller lets it go on */
        }
        (void)kill(s->arena.server, SIGCONT);
        (void)usleep(3000 + 700 * (useconds_t)(tries % 11));
    }
    EXPECT(false, "no moment with a frozen set");
    return 0;
}

/* Each agent is held as soon as it has voted. True: the round was combined, and no agent has it. */
static bool combined_out_of_sight(struct stage *s, unsigned round)
{
    char event[64], published[64];
    bool held[ARENA_BANKS] = {false}, seen = false, published_it;

    (void)snprintf(event, sizeof event, "\"round\":%u,", round);
    (void)snprintf(published, sizeof published, "\"round\":%u,", round);
    for (int waited_ms = 0; waited_ms < 3000 && !(held[0] && held[1] && held[2]); waited_ms++) {
        for (int i = 0; i < ARENA_BANKS; i++) {
            if (held[i] || !arena_file_has(s->arena.agent_log[i], 0, "\"event\":\"vote\"", event))
                continue;
            (void)kill(s->arena.agents[i], SIGSTOP);
            held[i] = true;
        }
        (void)usleep(500);
    }
    published_it = arena_logged(&s->arena, 3000, "\"event\":\"round_published\"", published, NULL);
    for (int i = 0; i < ARENA_BANKS; i++)
        seen = seen || arena_file_has(s->arena.agent_log[i], 0, "\"event\":\"version\"", event);
    if (published_it && !seen) return true;
    for (int i = 0; i < ARENA_BANKS; i++) (void)kill(s->arena.agents[i], SIGCONT);
    return false;
}

/* Back to the snapshot, without bank-1's update, its vote round undone. */
static void restore_without_bank_1(struct stage *s, unsigned round)
{
    char text[256];

    arena_stop(&s->arena, SIGKILL);
    run(s, "rm -rf owner/state && cp -a snapshot owner/state && chmod 700 owner/state");
    sqlite3 *db = open_store(s);
    (void)snprintf(text, sizeof text, "DELETE FROM votes WHERE round = %u", round);
    (void)sql(db, text);
    (void)snprintf(text, sizeof text, "DELETE FROM updates WHERE round = %u AND org = 'bank-1'",
                   round);
    EXPECT(sql(db, text) == 1, "no update to remove");
    (void)snprintf(text, sizeof text,
                   "UPDATE rounds SET set_record = NULL, set_digest = NULL, deadline_ms = %llu "
                   "WHERE round = %u",
                   (unsigned long long)tally_wall_ms() + 3000, round);
    EXPECT(sql(db, text) == 1, "no round");
    (void)sqlite3_close(db);
    arena_serve(&s->arena);
}

static void not_combined_again(struct stage *s, unsigned round)
{
    char text[64];

    (void)snprintf(text, sizeof text, "\"round\":%u,", round);
    EXPECT(!arena_logged(&s->arena, 0, "round_published", text, NULL), "combined a second time");
    tally_job_free(&s->job);
    arena_close(&s->arena);
}

/* The host keeps the version to itself and wants a second one of the same round. */
static void agents_refuse_a_second_set(void)
{
    struct stage s;
    unsigned round;
    bool away = false;

    begin_with_agents(&s);
    for (int tries = 0; !away; tries++) {
        EXPECT(tries < 20, "the agents always have the version in time");
        round = snapshot_frozen(&s);
        (void)kill(s.arena.server, SIGCONT);
        away = combined_out_of_sight(&s, round);
    }
    for (int i = 1; i <= ARENA_BANKS; i++) arena_agent_stop(&s.arena, i, SIGKILL);
    restore_without_bank_1(&s, round);
    for (int i = 2; i <= ARENA_BANKS; i++) EXPECT(arena_agent(&s.arena, i), "no agent");
    EXPECT(arena_logged(&s.arena, 60000, "\"event\":\"job_stopped\"", "SET_QUORUM", NULL),
           "no SET_QUORUM: %s", s.arena.log);
    EXPECT(arena_file_has(s.arena.agent_log[1], 0, "SET_CONFLICT", NULL) &&
               arena_file_has(s.arena.agent_log[2], 0, "SET_CONFLICT", NULL),
           "the agents do not say SET_CONFLICT");
    not_combined_again(&s, round);
}

/* The same after the agents have taken the version: they do not go back. */
static void agents_refuse_an_older_version(void)
{
    struct stage s;
    char text[64];
    unsigned round;

    begin_with_agents(&s);
    round = snapshot_frozen(&s);
    (void)kill(s.arena.server, SIGCONT);
    (void)snprintf(text, sizeof text, "\"round\":%u,", round);
    for (int i = 1; i < ARENA_BANKS; i++)
        EXPECT(arena_file_has(s.arena.agent_log[i], 20000, "\"event\":\"version\"", text),
               "round %u was not combined", round);
    arena_agent_stop(&s.arena, 1, SIGKILL); /* the host keeps bank-1 away */
    restore_without_bank_1(&s, round);
    for (int i = 1; i < ARENA_BANKS; i++)
        EXPECT(arena_file_has(s.arena.agent_log[i], 20000, "AGGREGATOR_ROLLED_BACK", NULL),
               "an agent goes back");
    (void)sleep(4); /* past the deadline that the host has set */
    not_combined_again(&s, round);
}

int main(int argc, char **argv)
{
    static const struct attack_case cases[] = {
        CASE(keys_lost_twice_over_a_frozen_set),
        CASE(seal_of_another_guest),
        CASE(seal_of_another_folder),
        CASE(agents_refuse_a_second_set),
        CASE(agents_refuse_an_older_version),
    };

    return attack_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
