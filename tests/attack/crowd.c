/* crowd.c - see arena.h: a job, and three banks that this program plays. */
#include <string.h>

#include "common/hash.h"
#include "common/loop.h"
#include "kernels/model.h"
#include "tests/attack/arena.h"
#include "tests/attack/expect.h"

static void write_job(const struct arena *ar, const struct arena_job *j)
{
    char path[1024], model[128];
    size_t len;
    char *digest = arena_text(ar, "digest", &len);
    unsigned long long now_s = tally_wall_ms() / 1000;

    digest[64] = '\0';
    if (j->hidden != NULL)
        (void)snprintf(model, sizeof model, "{\"kind\":\"mlp\",\"hidden\":%s}", j->hidden);
    else
        (void)snprintf(model, sizeof model, "{\"kind\":\"logistic\"}");
    arena_path(ar, "job.json", path);
    FILE *f = fopen(path, "we");
    EXPECT(f != NULL, "%s", path);
    (void)fprintf(
        f,
        "{\"type\":\"job\",\"name\":\"%s\",\"federation\":\"%s\",\"federation_version\":1,"
        "\"issued\":%llu,\"expires\":%llu,\"participants\":[\"bank-1\",\"bank-2\",\"bank-3\"],"
        "\"cohort_min\":%u,\"share_cap_permille\":1000,\"rounds\":%u,\"round_seconds\":%u,"
        "\"schema\":{\"label\":{\"column\":\"label\",\"positive\":\"1\"},"
        "\"held_out\":{\"by\":\"hash\",\"permille\":300},\"bad_rows\":\"refuse\",\"ignore\":[],"
        "\"columns\":[{\"name\":\"x\",\"kind\":\"numeric\",\"missing\":\"mean\"}]},\"model\":%s,"
        "\"training\":{\"rule\":\"fedavg\",\"optimizer\":\"sgd\",\"learning_rate\":0.1,"
        "\"batch\":64,\"local_epochs\":1,\"seed\":7},\"combine\":{\"rule\":\"mean\"}}",
        j->name, digest, now_s, now_s + 86400, j->cohort, j->rounds, j->seconds, model);
    EXPECT(fclose(f) == 0, "%s", path);
    free(digest);
}

void arena_submit(struct arena *ar, const struct arena_job *j, struct tally_job *out)
{
    char program[1024], agent[1024], digest[80], kept[128], folder[16];
    size_t len;

    write_job(ar, j);
    char *text = arena_text(ar, "job.json", &len);
    EXPECT_OK(tally_job_parse(tally_slice_of((uint8_t *)text, len), out));
    free(text);
    (void)snprintf(digest, sizeof digest, "sha256:");
    tally_hex(TALLY_SLICE(out->digest), digest + 7);
    (void)snprintf(program, sizeof program, "%s/tally-aggregator", arena_bin());
    (void)snprintf(agent, sizeof agent, "%s/tally-agent", arena_bin());
    EXPECT(arena_run(ar, (const char *[]){program, "job", "submit", "--dir", "owner", "job.json",
                                          NULL}) == 0,
           "job submit: see %s/commands.log", ar->dir);
    (void)snprintf(kept, sizeof kept, "owner/state/jobs/%s.json", digest + 7);
    for (int i = 1; i <= ARENA_BANKS; i++) {
        (void)snprintf(folder, sizeof folder, "bank-%d", i);
        EXPECT(arena_run(ar, (const char *[]){agent, "grant", "sign", "--dir", folder, "--in", kept,
                                              "--expect", digest, NULL}) == 0,
               "grant sign: see %s/commands.log", ar->dir);
    }
}

void arena_crowd(struct arena *ar, struct attacker crowd[ARENA_BANKS])
{
    for (int i = 0; i < ARENA_BANKS; i++) {
        char dir[1024], org[16];
        (void)snprintf(org, sizeof org, "bank-%d", i + 1);
        arena_path(ar, org, dir);
        attacker_load(&crowd[i], dir, org, "agent-1");
        if (ar->port != 0) attacker_connect(&crowd[i], ar->port);
    }
}

void arena_crowd_free(struct attacker crowd[ARENA_BANKS])
{
    for (int i = 0; i < ARENA_BANKS; i++) attacker_free(&crowd[i]);
}

static void hand_in_grant(struct arena *ar, struct attacker *a, const struct tally_job *job)
{
    struct tally_message m = {.type = TALLY_MSG_GRANT};
    char hex[65], file[160], org[128];
    size_t len;

    tally_hex(TALLY_SLICE(job->digest), hex);
    (void)snprintf(file, sizeof file, "%s/state/grants/%s.json", a->self->org, hex);
    (void)snprintf(org, sizeof org, "\"org\":\"%s\"", a->self->org);
    char *text = arena_text(ar, file, &len);
    attacker_join(a, NULL);
    memcpy(m.digest, job->digest, 32);
    m.body = tally_slice_of((uint8_t *)text, len);
    attacker_send_message(a, &m);
    EXPECT(arena_logged(ar, ARENA_LOG_MS, "\"event\":\"granted\"", org, hex), "%s has not granted",
           a->self->org);
    free(text);
}

void arena_join(struct arena *ar, struct attacker crowd[ARENA_BANKS], const struct tally_job *job,
                struct tally_opening *o)
{
    struct tally_message m = {.kind = TALLY_DOC_OFFER};

    for (int i = 0; i < ARENA_BANKS; i++) hand_in_grant(ar, &crowd[i], job);
    while (m.kind != TALLY_DOC_JOB) /* with all its signatures it can be joined */
        EXPECT(attacker_await(&crowd[0], TALLY_MSG_DOCUMENT, &m, ATTACKER_WAIT_MS), "no job");
    for (int i = 0; i < ARENA_BANKS; i++) {
        attacker_connect(&crowd[i], ar->port);
        attacker_join(&crowd[i], job->digest);
        attacker_await_open(&crowd[i], o);
    }
}

void arena_round0(struct arena *ar, struct attacker crowd[ARENA_BANKS], const struct tally_job *job,
                  struct tally_opening *o)
{
    struct tally_set *set = malloc(sizeof *set);
    struct tally_slice plain = attacker_moments(job, 400);
    struct attacker_update u;

    (void)ar;
    EXPECT(set != NULL, "memory");
    for (int i = 0; i < ARENA_BANKS; i++) {
        attacker_update_make(&crowd[i], o, plain, 400, &u);
        attacker_upload(&crowd[i], &u);
        attacker_update_free(&u);
    }
    for (int i = 0; i < ARENA_BANKS; i++) attacker_vote(&crowd[i], set);
    for (int i = 0; i < ARENA_BANKS; i++) {
        attacker_await_open(&crowd[i], o);
        EXPECT(o->round == 1, "round %llu", (unsigned long long)o->round);
    }
    free(set);
    free((void *)(uintptr_t)plain.at);
}

size_t arena_params(const struct tally_job *job)
{
    struct tally_model m = {.inputs = 1, .n = job->model.hidden_n};
    size_t n;

    memcpy(m.hidden, job->model.hidden, job->model.hidden_n * sizeof(uint32_t));
    EXPECT_OK(tally_model_layers(&m, NULL, &n));
    return n;
}
