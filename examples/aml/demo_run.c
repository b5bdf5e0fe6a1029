/* demo_run.c - see demo_run.h. */
#include "examples/aml/demo_run.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "examples/aml/demo_process.h"

enum { POLL_MS = 100, FAST_MS = 30, START_MS = 30 * 1000, WORDS_MAX_ = 400 };

struct crew {
    struct tally_process at[TALLY_DEMO_BANKS_MAX + 2]; /* aggregator, agents, the cheat last */
    size_t n;
};

static void crew_stop(struct crew *c)
{
    tally_process_stop_all(c->at, c->n);
}

static void pause_ms(long ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000};

    (void)nanosleep(&t, NULL);
}

static enum tally_status start(const struct tally_demo *d, struct crew *c, const char *program,
                               const char *verb, const char *dir)
{
    char log[TALLY_DEMO_PATH_MAX];
    const char *argv[] = {program, verb, "--dir", dir, NULL};
    const char *name = strrchr(dir, '/');

    TALLY_TRY(tally_demo_path(log, "%s/logs%s.log", d->root, name != NULL ? name : "/party"));
    return tally_process_start(argv, log, &c->at[c->n++]);
}

/* The cheat may end; nobody else may. */
static enum tally_status check_alive(const struct tally_demo *d, struct crew *c)
{
    char words[WORDS_MAX_];

    for (size_t i = 0; i < c->n; i++) {
        bool cheat = i == (size_t)d->banks_n + 1;
        if (!tally_process_ended(&c->at[i]) || cheat) continue;
        tally_process_last_words(&c->at[i], words, sizeof words);
        return TALLY_FAIL(TALLY_E_STATE, "%s %s", i == 0 ? "the aggregator" : d->bank[i - 1].name,
                          words);
    }
    return TALLY_OK;
}

static enum tally_status start_aggregator(const struct tally_demo *d, struct crew *c,
                                          const char *socket)
{
    TALLY_TRY(start(d, c, d->aggregator, "serve", d->owner));
    for (int waited = 0; waited < START_MS; waited += FAST_MS) {
        json_t *status = NULL;
        TALLY_TRY(tally_process_go_on());
        TALLY_TRY(check_alive(d, c));
        if (tally_demo_status(socket, &status) == TALLY_OK) {
            json_decref(status);
            return TALLY_OK;
        }
        pause_ms(FAST_MS);
    }
    return TALLY_FAIL(TALLY_E_STATE, "the aggregator does not answer; see %s", c->at[0].log);
}

static enum tally_status start_agents(const struct tally_demo *d, struct crew *c)
{
    for (uint32_t i = 0; i < d->banks_n; i++)
        TALLY_TRY(start(d, c, d->agent, "run", d->bank[i].dir));
    return start(d, c, d->cheat_agent, "run", d->cheat_dir);
}

static bool over(const json_t *status)
{
    const json_t *job = json_array_get(json_object_get(status, "jobs"), 0);
    const char *stopped = json_string_value(json_object_get(job, "stopped"));

    return json_is_true(json_object_get(job, "done")) || (stopped != NULL && *stopped != '\0');
}

static enum tally_status follow(const struct tally_demo *d, struct crew *c, const char *socket,
                                struct tally_demo_progress *p, json_t **last)
{
    for (;;) {
        json_t *status = NULL;
        TALLY_TRY(tally_process_go_on());
        TALLY_TRY(check_alive(d, c));
        TALLY_TRY(tally_demo_status(socket, &status));
        tally_demo_progress_show(p, status);
        if (over(status)) {
            *last = status;
            return TALLY_OK;
        }
        json_decref(status);
        pause_ms(POLL_MS);
    }
}

enum tally_status tally_demo_run(const struct tally_demo *d, struct tally_demo_progress *p,
                                 json_t **status)
{
    char socket[TALLY_DEMO_PATH_MAX];
    struct crew *c = calloc(1, sizeof *c);

    TALLY_ENSURE(c != NULL, TALLY_E_NOMEM, "processes");
    enum tally_status s = tally_demo_path(socket, "%s/state/status.sock", d->owner);
    if (s == TALLY_OK) s = start_aggregator(d, c, socket);
    if (s == TALLY_OK) s = start_agents(d, c);
    if (s == TALLY_OK) s = follow(d, c, socket, p, status);
    tally_demo_progress_end(p);
    crew_stop(c);
    free(c);
    return s;
}
