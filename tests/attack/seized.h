/* seized.h - an aggregator's disk in the hands of its host: a round with its set frozen, the
 * program down, its state kept aside; shared by the programs that attack through the disk. */
#pragma once

#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "common/loop.h"
#include "tests/attack/arena.h"
#include "tests/attack/expect.h"

static const struct arena_job disk_job = {
    .name = "disk", .hidden = "[8]", .rounds = 2, .seconds = 120, .cohort = 2};

/* Round 1, every update counted, its set frozen, one vote of two there, the aggregator down. */
struct stage {
    struct arena arena;
    struct tally_job job;
    struct tally_opening open;
    struct attacker crowd[ARENA_BANKS];
    struct attacker_update updates[ARENA_BANKS];
    uint8_t key_id[32]; /* that the updates' wraps are for */
    char version[65];   /* that comes of it where nothing is changed */
};

static inline void run(const struct stage *s, const char *command)
{
    EXPECT(arena_run(&s->arena, (const char *[]){"sh", "-c", command, NULL}) == 0, "%s", command);
}

static inline void begin(struct stage *s, bool vote)
{
    struct tally_slice plain;
    struct tally_set *set = malloc(sizeof *set);

    EXPECT(set != NULL, "memory");
    arena_open(&s->arena);
    arena_serve(&s->arena);
    arena_submit(&s->arena, &disk_job, &s->job);
    arena_crowd(&s->arena, s->crowd);
    arena_join(&s->arena, s->crowd, &s->job, &s->open);
    arena_round0(&s->arena, s->crowd, &s->job, &s->open);
    plain = attacker_delta(arena_params(&s->job), 0.125F);
    for (int i = 0; i < ARENA_BANKS; i++) {
        attacker_update_make(&s->crowd[i], &s->open, plain, 100 + (uint32_t)i, &s->updates[i]);
        attacker_upload(&s->crowd[i], &s->updates[i]);
    }
    free((void *)(uintptr_t)plain.at);
    memcpy(s->key_id, s->crowd[0].server_key_id, 32);
    struct tally_message m;
    if (vote)
        attacker_vote(&s->crowd[0], set);
    else
        EXPECT(attacker_await(&s->crowd[0], TALLY_MSG_SET, &m, ATTACKER_WAIT_MS), "no SET");
    EXPECT(!vote || attacker_session_lives(&s->crowd[0]), "the vote ended the session");
    (void)usleep(50 * 1000); /* the vote is durable */
    arena_stop(&s->arena, SIGTERM);
    run(s, "cp -a owner/state state.good");
    free(set);
}

static inline void restore(struct stage *s)
{
    arena_stop(&s->arena, SIGKILL);
    run(s, "rm -rf owner/state && cp -a state.good owner/state");
}

static inline void end(struct stage *s)
{
    for (int i = 0; i < ARENA_BANKS; i++) attacker_update_free(&s->updates[i]);
    arena_crowd_free(s->crowd);
    tally_job_free(&s->job);
    arena_close(&s->arena);
}

static inline sqlite3 *open_store(const struct stage *s)
{
    char path[1024];
    sqlite3 *db;

    arena_path(&s->arena, "owner/state/store.db", path);
    EXPECT(sqlite3_open(path, &db) == SQLITE_OK, "%s", path);
    EXPECT(sqlite3_exec(db, "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON", NULL,
                        NULL, NULL) == SQLITE_OK,
           "%s", sqlite3_errmsg(db));
    return db;
}

static inline int sql(sqlite3 *db, const char *text)
{
    EXPECT(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", text,
           sqlite3_errmsg(db));
    return sqlite3_changes(db);
}
