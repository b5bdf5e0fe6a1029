/* demo_process.h - the demo's child processes: commands run to their end, daemons watched and
 * stopped. None outlives the demo: each is stopped by its pid, and asks the kernel for SIGTERM in
 * case the demo itself is killed. A terminal's Ctrl-C reaches the demo alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/status.h"

enum {
    TALLY_PROCESS_OUTPUT_MAX = 4 << 20, /* bytes of a command's stdout */
    TALLY_PROCESS_WAIT_MS = 120 * 1000, /* for a command to end */
    TALLY_PROCESS_STOP_MS = 5 * 1000,   /* between SIGTERM and SIGKILL */
    TALLY_PROCESS_PATH_MAX = 1024,
};

struct tally_process {
    pid_t pid; /* 0: never started */
    bool ended;
    int status;                       /* as waitpid says, once ended */
    char log[TALLY_PROCESS_PATH_MAX]; /* where its output goes */
};

/* SIGINT, SIGTERM and SIGHUP from now on only set a mark. */
void tally_process_signals(void);
bool tally_process_interrupted(void);
/* TALLY_E_STATE "interrupted" if so. */
TALLY_RESULT tally_process_go_on(void);

/* Runs a command to its end; stderr is added to the file `log`. *out: its stdout, zero-terminated,
 * for the caller to free. TALLY_E_STATE unless it exits with 0: the reason is its own JSON "error",
 * or its last line in the log. */
TALLY_RESULT tally_process_run(const char *const *argv, const char *log, char **out);

/* Starts a daemon with both outputs in `log`, which is made. */
TALLY_RESULT tally_process_start(const char *const *argv, const char *log,
                                 struct tally_process *out);

/* Has it ended? Never waits. */
bool tally_process_ended(struct tally_process *p);
/* How it ended and the last line of its log, for a message. */
void tally_process_last_words(const struct tally_process *p, char *out, size_t cap);

/* SIGTERM to all, SIGKILL to who has not ended in time; waits for all. Idempotent. */
void tally_process_stop_all(struct tally_process *list, size_t n);
