/* arena.h - a federation of real processes to attack: a copy of the folder that make_arena.sh made,
 * a serving aggregator (and agents), its log, and the end of it all by process id. */
#pragma once

#include <sys/types.h>

#include "tests/attack/attacker.h"

enum { ARENA_BANKS = 3, ARENA_LOG_MS = 10000 };

struct arena {
    char dir[512];
    char log[1024], agent_log[ARENA_BANKS][1024];
    pid_t server, agents[ARENA_BANKS];
    unsigned port;
    long mark;            /* lines of the log before it are not looked at */
    const char *faketime; /* "+400d": the aggregator's clock, by faketime; NULL: none */
};

/* A fresh copy below $TMPDIR; removed at a good end of the program, kept after a failure. */
void arena_open(struct arena *ar);
void arena_close(struct arena *ar);
/* Starts `tally-aggregator serve` and waits until it serves; the port is the log's. */
void arena_serve(struct arena *ar);
/* The same where it may refuse to start: false, and it has ended. */
bool arena_try_serve(struct arena *ar);
void arena_stop(struct arena *ar, int signal); /* and waits */
/* bind: the port that agents know, instead of any. Before arena_serve. */
void arena_fix_port(struct arena *ar);
/* `tally-agent run` of bank-i, i from 1. False: this build has no such command. */
bool arena_agent(struct arena *ar, int bank);
void arena_agent_stop(struct arena *ar, int bank, int signal);

/* From here on only new lines of the aggregator's log count. */
void arena_mark(struct arena *ar);
/* A line after the mark with all of the texts (NULL: any) within the time. */
bool arena_logged(const struct arena *ar, int wait_ms, const char *a, const char *b, const char *c);
/* The same in any file, from its start. */
bool arena_file_has(const char *path, int wait_ms, const char *a, const char *b);
/* {"event":"refused"|"update_refused", "reason": r} in the log. */
void arena_expect_refused(const struct arena *ar, const char *event, const char *reason);

/* Runs a command in the arena's folder to its end; its exit code. Its output goes to
 * `commands.log`. The words end with NULL. */
int arena_run(const struct arena *ar, const char *const *words);
const char *arena_bin(void); /* the folder of the programs */
char *arena_text(const struct arena *ar, const char *file, size_t *len); /* the caller frees */
void arena_path(const struct arena *ar, const char *file, char out[1024]);
uint64_t arena_peak_kib(pid_t pid); /* VmHWM */

/* ---- three banks that this program plays ---- */

struct arena_job {
    const char *name;
    const char *hidden; /* "[8]"; NULL: logistic */
    unsigned rounds, seconds, cohort;
};
/* Submits the job and has every bank's signature made; its digest, and the parsed job. */
void arena_submit(struct arena *ar, const struct arena_job *j, struct tally_job *out);
/* Loads the banks' folders. */
void arena_crowd(struct arena *ar, struct attacker crowd[ARENA_BANKS]);
void arena_crowd_free(struct attacker crowd[ARENA_BANKS]);
/* Hands in all grants, then joins all banks to the job and takes round 0's OPEN. */
void arena_join(struct arena *ar, struct attacker crowd[ARENA_BANKS], const struct tally_job *job,
                struct tally_opening *o);
/* A whole round 0: uploads, votes; all banks then have round 1's OPEN in *o. */
void arena_round0(struct arena *ar, struct attacker crowd[ARENA_BANKS], const struct tally_job *job,
                  struct tally_opening *o);
/* Parameters of the job's model: its inputs are one numeric column. */
size_t arena_params(const struct tally_job *job);
