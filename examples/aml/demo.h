/* demo.h - the demo as one run: what was asked for, where everything lies, who takes part.
 *
 * One folder per party below `root`, as each would have on its own machine, and the programs' own
 * commands run as separate processes; nothing is set up behind their backs:
 *
 *   tables/     the generator's tables, schema and truth (absent with --csv)
 *   owner/      the aggregator's folder; its state/ has updates, evidence, lineages, versions
 *   BANK/       each agent's folder; BANK.agent-2/ the cheat's, with its changed program
 *   job.json    the job's bare payload
 *   model.safetensors, model.safetensors.lineage.json   the last version
 *   evidence/   that version's updates' evidence, as `tally-agent evidence verify snp` takes it
 *   logs/       what every process wrote; commands.txt: the commands in order
 *   result.json what --json prints */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "common/job.h"

enum {
    TALLY_DEMO_PATH_MAX = 1024,
    TALLY_DEMO_BANKS_MIN = 2,
    TALLY_DEMO_BANKS_MAX = TALLY_PARTIES_MAX - 1, /* and the owner */
    TALLY_DEMO_ROUNDS = 20,
    TALLY_DEMO_ROUNDS_TABLES = 40, /* with --csv: such tables are small */
    TALLY_DEMO_ROUNDS_MAX = 1000,
    TALLY_DEMO_IGNORE_MAX = 64,
};
#define TALLY_DEMO_CHEAT "agent-2"

struct tally_demo_options {
    bool json;
    int64_t banks, rounds, seed; /* rounds 0: the default */
    const char *keep;            /* NULL: a fresh folder under the build tree */
    const char *csv, *label, *positive, *time;
    const char *ignore[TALLY_DEMO_IGNORE_MAX + 1]; /* NULL-terminated */
};

struct tally_demo_place {
    char name[TALLY_NAME_MAX + 1]; /* the bank's */
    char table[TALLY_DEMO_PATH_MAX], dir[TALLY_DEMO_PATH_MAX];
    uint8_t
        *unknown; /* (unknown_n) per row: 1 on crimes of kinds the bank lacks; NULL: not known */
    uint64_t unknown_n;
};

struct tally_demo {
    struct tally_demo_options options;
    char root[TALLY_DEMO_PATH_MAX];  /* absolute */
    char build[TALLY_DEMO_PATH_MAX]; /* where the programs are */
    char agent[TALLY_DEMO_PATH_MAX], aggregator[TALLY_DEMO_PATH_MAX];
    char owner[TALLY_DEMO_PATH_MAX];
    char cheat_dir[TALLY_DEMO_PATH_MAX], cheat_agent[TALLY_DEMO_PATH_MAX];
    struct tally_demo_place bank[TALLY_DEMO_BANKS_MAX];
    uint32_t banks_n;
    uint64_t rows; /* of all tables */
    struct tally_job job;
    FILE *to; /* what is for people: stdout, or stderr when stdout is --json's */
    bool tty;
};
void tally_demo_free(struct tally_demo *d);

/* A path (or text) that must fit; TALLY_E_LIMIT. */
TALLY_RESULT tally_demo_path(char out[TALLY_DEMO_PATH_MAX], const char *fmt, ...)
    TALLY_PRINTF(2, 3);

/* ---- demo_place.c: folders ---- */

/* root, build and the programs. TALLY_E_CONFIG if --keep names a folder with something in it. */
TALLY_RESULT tally_demo_places(struct tally_demo *d);

/* ---- demo_tables.c: what is trained on ---- */

/* With --csv: infers the schema of the user's tables and shows it; writes nothing. */
TALLY_RESULT tally_demo_look(struct tally_demo *d);
/* Then, once there are folders: makes the tables where there are none, and plans the job, all of it
 * but what names the federation. */
TALLY_RESULT tally_demo_tables(struct tally_demo *d);

/* Rows of a mean bank's training part to the rows of a batch: a power of two, 32 to 1024, that
 * leaves an epoch at least sixteen steps where it can. */
uint32_t tally_demo_batch(uint64_t rows);

/* ---- demo_setup.c: the federation ---- */

/* Keys and folders of everybody, the document with all signatures in force everywhere, the job
 * signed by owner and banks; the cheat is enrolled like the others. */
TALLY_RESULT tally_demo_setup(struct tally_demo *d);

/* Once the rounds are over: the version with that digest to root/model.safetensors (*file), its
 * lineage beside it, and the evidence of its updates to root/evidence. */
TALLY_RESULT tally_demo_export(const struct tally_demo *d, const char *digest,
                               char file[TALLY_DEMO_PATH_MAX]);
