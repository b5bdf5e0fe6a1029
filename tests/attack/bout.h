/* bout.h - a job in a round, its three banks played by this program, bank-1 the attacker; shared by
 * the programs that attack rounds. In each attack the round goes on without it. */
#pragma once

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "common/loop.h"
#include "tests/attack/arena.h"
#include "tests/attack/expect.h"

struct stage {
    struct arena arena;
    struct tally_job job;
    struct tally_opening open;
    struct attacker crowd[ARENA_BANKS];
    struct attacker *evil; /* bank-1 */
    size_t params;
};

static inline void free_slice(struct tally_slice s)
{
    free((void *)(uintptr_t)s.at);
}

/* A job at round `round` (0 or 1), all banks in session. */
static inline void begin(struct stage *s, const struct arena_job *j, unsigned round)
{
    arena_open(&s->arena);
    arena_serve(&s->arena);
    arena_submit(&s->arena, j, &s->job);
    arena_crowd(&s->arena, s->crowd);
    arena_join(&s->arena, s->crowd, &s->job, &s->open);
    if (round == 1) arena_round0(&s->arena, s->crowd, &s->job, &s->open);
    s->evil = &s->crowd[0];
    s->params = arena_params(&s->job);
    arena_mark(&s->arena);
}

static const struct arena_job small = {
    .name = "small", .hidden = "[300,200]", .rounds = 3, .seconds = 120, .cohort = 2};

static inline void upload_delta(struct stage *s, struct attacker *a, float value)
{
    struct tally_slice plain = attacker_delta(s->params, value);
    struct attacker_update u;

    attacker_update_make(a, &s->open, plain, 100, &u);
    attacker_upload(a, &u);
    attacker_update_free(&u);
    free_slice(plain);
}

/* The other banks finish the round without the attacker's update; the set says why. */
static inline void others_go_on(struct stage *s, const char *reason)
{
    struct tally_set *set = malloc(sizeof *set);
    struct tally_slice moments = attacker_moments(&s->job, 300);
    struct tally_opening next;

    EXPECT(set != NULL, "memory");
    for (int i = 1; i < ARENA_BANKS; i++) {
        struct attacker_update u;
        if (s->open.kind == TALLY_PAYLOAD_DELTA) {
            upload_delta(s, &s->crowd[i], 0.01F);
            continue;
        }
        attacker_update_make(&s->crowd[i], &s->open, moments, 300, &u);
        attacker_upload(&s->crowd[i], &u);
        attacker_update_free(&u);
    }
    for (int i = 1; i < ARENA_BANKS; i++) attacker_vote(&s->crowd[i], set);
    const struct tally_set_row *row = tally_set_find(set, "bank-1", "agent-1");
    EXPECT(row != NULL, "no row of bank-1");
    if (reason != NULL)
        EXPECT(row->status == TALLY_ROW_EXCLUDED &&
                   strcmp(tally_reason_name(row->reason), reason) == 0,
               "bank-1 is %d with %s, not %s", (int)row->status, tally_reason_name(row->reason),
               reason);
    attacker_await_open(&s->crowd[1], &next);
    EXPECT(next.round == s->open.round + 1 && memcmp(next.base, s->open.base, 32) != 0,
           "no new version");
    free(set);
    free_slice(moments);
}

static inline unsigned files_in(const struct stage *s, const char *folder)
{
    char path[1024];
    struct dirent *e;
    unsigned n = 0;

    arena_path(&s->arena, folder, path);
    DIR *d = opendir(path);
    EXPECT(d != NULL, "%s", path);
    while ((e = readdir(d)) != NULL) n += e->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

static inline void end(struct stage *s)
{
    arena_crowd_free(s->crowd);
    tally_job_free(&s->job);
    arena_close(&s->arena);
}

/* The agent is told: REFUSED with that reason. */
static inline void told(struct stage *s, const char *reason)
{
    struct tally_message m;

    EXPECT(attacker_await(s->evil, TALLY_MSG_REFUSED, &m, ATTACKER_WAIT_MS), "no REFUSED");
    EXPECT(m.reason.len == strlen(reason) && memcmp(m.reason.at, reason, m.reason.len) == 0,
           "%.*s (%.*s), not %s", (int)m.reason.len, (const char *)m.reason.at, (int)m.text.len,
           (const char *)m.text.at, reason);
    arena_expect_refused(&s->arena, "update_refused", reason);
    arena_mark(&s->arena);
}

static inline void rejoin(struct stage *s)
{
    attacker_connect(s->evil, s->arena.port);
    attacker_join(s->evil, s->job.digest);
    attacker_await_open(s->evil, &s->open);
}

static inline void ended(struct stage *s, const char *why)
{
    EXPECT(arena_logged(&s->arena, ARENA_LOG_MS, "\"event\":\"session_end\"", "bank-1", why),
           "the session goes on");
    arena_mark(&s->arena);
}
