/* intake.h - one upload, between its head and chunks (intake.c) and its acceptance (accept.c). */
#pragma once

#include "aggregator/hub.h"
#include "common/merkle.h"

/* An upload under way. The loop's part, and the store actor's, which alone touches the spool; the
 * two meet in jobs. */
struct tally_intake {
    struct tally_hub *hub;
    uint64_t link;
    uint32_t users; /* jobs under way, and the link while it has it */
    struct tally_statement st;
    uint8_t st_digest[32], ev_digest[32];
    uint8_t *head; /* the upload's head, encoded */
    size_t head_len;
    struct tally_upload_head parts; /* slices into head */
    uint8_t kb[TALLY_KEY_BLOCK_BYTES_MAX];
    size_t kb_len;
    uint64_t appraised_ms;
    size_t params;                     /* values a delta must have */
    const struct tally_schema *schema; /* of the course's job: moments must be of it */
    uint32_t next, credit;             /* pieces: next to come, how many more may */
    /* the store actor's */
    struct tally_merkle tree;
    uint64_t have_bytes;
    char path[TALLY_SPOOL_PATH_SIZE];
};

struct intake_job {
    struct tally_task task;
    struct tally_intake *in;
    struct tally_store_ack found;
    uint8_t ack[TALLY_SIGNATURE_BYTES];
    size_t len;
    uint8_t bytes[]; /* a chunk */
};

/* A task of the store actor for this upload, with a copy of the bytes. */
TALLY_RESULT tally_intake_post(struct tally_intake *in,
                               enum tally_status (*run)(struct tally_task *),
                               void (*done)(struct tally_task *), struct tally_slice bytes);
void tally_intake_release(struct tally_intake *in); /* by each of its users */
/* Its session, if it still is this upload's. */
struct tally_session *tally_intake_session(const struct tally_intake *in);
/* Makes a task's failure the thread's last one again, with a name for SET and people. */
void tally_intake_fail_as(const struct tally_task *task);
/* The thread's last failure ends the upload: said to the agent, and to the round if it is its. */
void tally_intake_refuse(struct tally_session *l, const uint8_t st_digest[32], bool of_round);

/* ---- accept.c ---- */
void tally_intake_acknowledge(struct tally_session *l, const uint8_t st_digest[32],
                              const uint8_t ack[TALLY_SIGNATURE_BYTES]);
/* The task at the end of the chunks. */
TALLY_RESULT tally_intake_finish_run(struct tally_task *task);
void tally_intake_finish_done(struct tally_task *task);
