/* demo_progress.h - how far the rounds are, for people: from the aggregator's status object (what
 * `tally-aggregator status --json` prints) to lines.
 *
 * On a terminal the open round is one line that changes in place, a bar and who is at what; once
 * the round is over it stays as one line with the outcome and the metrics of the version that the
 * round began with. Elsewhere only lines that stay are printed: who connected, who was refused and
 * why, and every round. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/federation.h"
#include "common/status.h"

struct tally_demo_progress {
    FILE *to;
    bool tty;
    uint32_t width; /* columns of the terminal */
    bool open;      /* a line that changes is on the screen */
    size_t rounds;  /* finished rounds printed */
    bool connected[TALLY_NODES_MAX], refused[TALLY_NODES_MAX];
};

void tally_demo_progress_init(struct tally_demo_progress *p, FILE *to, bool tty);
/* Prints what is new in a status. Fields that are missing are passed over. */
void tally_demo_progress_show(struct tally_demo_progress *p, const json_t *status);
/* A line of work that no status tells of: "models alone and pooled  3/6". */
void tally_demo_progress_work(struct tally_demo_progress *p, const char *what, uint32_t done,
                              uint32_t total);
/* Takes the changing line away. */
void tally_demo_progress_end(struct tally_demo_progress *p);

/* The status object of the aggregator whose socket is at `path`. TALLY_E_IO if nobody answers. The
 * caller decrefs *out. */
TALLY_RESULT tally_demo_status(const char *path, json_t **out);
