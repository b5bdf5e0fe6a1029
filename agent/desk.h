/* desk.h - the agent's process: what its parts share, and who calls whom.
 *
 *   run.c       the command: one tour after another until there is a reason to end
 *   tour.c      a tour: documents, keys, device and memory loaded, the loop run, all put away
 * again. A new federation version, a revocation or a job to join begins the next tour line.c the
 * connection: handshakes, the session, messages in and out papers.c    documents: federation,
 * revocations, jobs and grants rounds.c    what the job is at: OPEN, SET, versions, and what is to
 * be done next lineages.c  from the newest version known to the newest one announced download.c
 * objects coming down under credit work.c      a round's work and its evidence, in the work actor
 *   upload.c    the update going up
 *
 * Everything here belongs to the loop's thread; the trainer belongs to the work actor, and the
 * device to it while work is under way or a handshake waits for its quote. Small records (the
 * memory) are written in the loop: an agent has one peer, and nothing may be sent before they are
 * durable. */
#pragma once

#include "agent/conf.h"
#include "agent/flow.h"
#include "agent/memory.h"
#include "agent/points.h"
#include "agent/trainer.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/instance.h"
#include "common/jobdoc.h"
#include "common/mailbox.h"
#include "common/software.h"
#include "common/transport.h"
#include "proto/handshake.h"
#include "proto/message.h"

enum {
    TALLY_DESK_WHY_MAX = 256,
    TALLY_DESK_PATH_MAX = 1200,
    TALLY_DESK_FRAME_MAX = 640 * 1024, /* any frame, in or out */
    TALLY_DESK_OFFERS_MAX = 64,        /* jobs seen in one session */
    TALLY_ATTEMPT_MS = 40 * 1000,      /* for a handshake */
    TALLY_HOLD_MIN_MS = 200,           /* after a failed session, doubling */
    TALLY_HOLD_MAX_MS = 15 * 1000,
    TALLY_HELLO_MS = 30 * 1000,       /* for the aggregator's first message */
    TALLY_SILENCE_MS = 5 * 60 * 1000, /* then a new handshake shows whether anybody is there */
    TALLY_MODELS_BACK_MAX = 8,        /* versions looked back at to remove old files */
    TALLY_STATUS_EVERY_MS = 200,
    TALLY_CHECK_MS = 15 * 1000,   /* for `check` to reach the aggregator */
    TALLY_CHECK_OFFERS_MS = 1000, /* for the offers to come */
    TALLY_AGENT_TASKS_MAX = 64,
};
/* Bytes of a model file: its parameters and its header. */
#define TALLY_MODEL_BYTES_MAX ((UINT64_C(4) << 28) + (UINT64_C(64) << 20))

enum tally_outcome {
    TALLY_OUTCOME_NONE,
    TALLY_OUTCOME_AGAIN, /* documents changed or a job can be joined: all is loaded again */
    TALLY_OUTCOME_DONE,  /* the job's last version is taken */
    TALLY_OUTCOME_STOP,  /* asked to stop */
    TALLY_OUTCOME_FATAL,
};

/* The connection and its session. */
struct tally_line {
    bool up, established, greeted;
    uint64_t id;                   /* of this attempt; never used twice */
    uint64_t began_ms, heard_ms;   /* loop time */
    uint64_t hold_ms;              /* how long the next failure holds us back */
    uint64_t retry;                /* timer */
    struct tally_secret handshake; /* struct tally_handshake; empty once established */
    struct tally_secret records;   /* struct tally_records; empty before */
    struct tally_peer peer;        /* verified, once established */
};

/* An object on its way down. */
struct tally_download {
    bool live, sized; /* sized: OBJECT came */
    enum tally_object_kind kind;
    uint8_t digest[32];
    uint64_t total;                /* bytes */
    uint32_t next, promised;       /* pieces: next to come; up to which credit was given */
    struct tally_file_draft draft; /* of a model; its part stays for a later session */
    uint8_t *memory;               /* of a lineage; owned */
    struct tally_hasher hash;
};

struct tally_upload {
    bool live; /* UPLOAD or REWRAP sent in this session */
    struct tally_flow flow;
    int fd;          /* of the sealed file; -1: none */
    bool owed;       /* it may be there under an older key: REWRAP until that is acknowledged */
    bool rewrapping; /* REWRAP sent */
    uint8_t wrap[TALLY_WRAP_BYTES]; /* for this session's aggregator */
};

struct tally_work; /* work.c */

/* What outlives a tour where the TEE has no sealing key: one for each process, zero at its start.
 */
struct tally_held {
    struct tally_instance_held instance;
    struct tally_secret key;   /* the content key of the newest update */
    uint8_t key_statement[32]; /* that update's */
};
void tally_held_free(struct tally_held *h); /* wipes */

struct tally_desk {
    struct tally_agent_conf *conf;
    struct tally_held *held; /* the process's */
    struct tally_place place;
    struct tally_loop *loop;
    struct tally_client *client;
    struct tally_mailbox *work_box, *device_box;
    struct tally_device *device;
    struct tally_attest_cache *verified; /* chains and collateral; the loop's thread alone */
    struct tally_federation *federation;
    struct tally_revocations *revoked;
    const struct tally_node *self, *aggregator;
    struct tally_seal_name seal_name;
    struct tally_secret session_key, instance; /* tally_sign_key, tally_instance */
    uint8_t kb[TALLY_KEY_BLOCK_BYTES_MAX];
    size_t kb_len;
    bool has_job, until_done;
    struct tally_job job;
    struct tally_memory memory;
    struct tally_update update;
    struct tally_line line;
    struct tally_download download;
    struct tally_upload upload;
    /* what this session said of the job */
    bool announced, announced_done;
    uint64_t announced_round;
    uint8_t announced_digest[32];
    bool open_here, set_here; /* not judged yet */
    bool current;             /* the OPEN was judged: it is the member's round */
    struct tally_opening opening;
    uint8_t opening_bytes[TALLY_OPENING_BYTES], opening_sig[64];
    uint8_t set_bytes[TALLY_SET_BYTES_MAX];
    size_t set_len;
    /* versions between the newest verified one and the one announced, newest first */
    uint8_t (*chain)[32];
    uint32_t chain_n;
    uint64_t chain_round;          /* claimed, of the oldest so far */
    struct tally_work *work;       /* under way; NULL: none */
    struct tally_trainer *trainer; /* the work actor's; NULL: table not read yet */
    bool work_failed;              /* not tried again in this tour */
    uint64_t said_ms;
    uint64_t clock_floor_ms;
    uint8_t offers[TALLY_DESK_OFFERS_MAX][32]; /* jobs that wait for our bank's signature */
    uint32_t offers_n;
    bool checking; /* `check`: no training; ends after the first session */
    struct tally_points *points;
    struct {
        bool connected, proven;
        char endpoint[128], measurement[97], key_id[65];
        uint64_t began_ms, greeted_ms; /* loop time */
    } checked;
    uint8_t *in, *out; /* TALLY_DESK_FRAME_MAX each */
    enum tally_outcome outcome;
    char why[TALLY_DESK_WHY_MAX]; /* FATAL */
};

static inline const struct tally_instance *tally_desk_instance(const struct tally_desk *d)
{
    return (const struct tally_instance *)(const void *)d->instance.at;
}

/* ---- tour.c ---- */
/* A desk for one tour, its configuration and what is held borrowed; NULL: out of memory. */
struct tally_desk *tally_desk_new(struct tally_agent_conf *conf, struct tally_held *held);
void tally_desk_free(struct tally_desk *d);
/* Loads everything for the job to join (NULL: documents only), runs the loop, puts all away. */
TALLY_RESULT tally_tour(struct tally_desk *d, const uint8_t *job);
/* Ends the tour. The first outcome counts, but FATAL and STOP replace the others. */
void tally_desk_end(struct tally_desk *d, enum tally_outcome outcome);
/* Ends the program saying why: a disk or a device failed. */
void tally_desk_fatal(struct tally_desk *d, const char *what, const char *why);
/* Appraisal time: never before what signed documents and earlier starts have shown. */
uint64_t tally_desk_now_ms(const struct tally_desk *d);

/* ---- line.c ---- */
void tally_line_up(void *desk);
void tally_line_down(void *desk);
void tally_line_bytes(void *desk, struct tally_slice bytes);
void tally_line_report(void *desk, const struct tally_link_report *r);
void tally_line_tick(struct tally_desk *d); /* once a second */
void tally_line_wipe(struct tally_desk *d); /* at the end of a tour */
/* Ends the session and connects anew after a while; `why` is logged. */
void tally_line_end(struct tally_desk *d, const char *why);
/* False when the session ended over it. */
bool tally_line_send(struct tally_desk *d, const struct tally_message *m);
/* The piece lies at tally_line_piece(d). */
uint8_t *tally_line_piece(struct tally_desk *d);
bool tally_line_send_chunk(struct tally_desk *d, const uint8_t digest[32], uint32_t index,
                           size_t len);
/* REFUSED with the thread's last refusal; also logged. */
bool tally_line_refuse(struct tally_desk *d, const char *event, const uint8_t digest[32]);
void tally_line_good(struct tally_desk *d); /* the session is of use: nothing to hold back for */
void tally_line_status(struct tally_desk *d, enum tally_phase phase, uint32_t first,
                       uint32_t total);

/* ---- papers.c ---- */
void tally_papers_document(struct tally_desk *d, const struct tally_message *m);
void tally_papers_poll(struct tally_desk *d); /* once a second: grants made by hand */
/* Another federation document came into force beside us: `federation sign`. */
bool tally_papers_stale(const struct tally_desk *d);
/* A job that can be joined: all signatures there, not done, not expired. False: none. */
bool tally_papers_choose(struct tally_desk *d, uint8_t digest[32]);
TALLY_RESULT tally_papers_load(struct tally_desk *d, const uint8_t digest[32]);

/* ---- rounds.c ---- */
void tally_rounds_message(struct tally_desk *d, const struct tally_message *m);
void tally_rounds_lost(struct tally_desk *d); /* the session is over */
/* Does the next thing that can be done. */
void tally_rounds_advance(struct tally_desk *d);
void tally_model_path(const struct tally_desk *d, const uint8_t digest[32], char *out);

/* ---- lineages.c ---- */
/* True when the announced version is our newest verified one; else a step towards it is under
 * way, or the session has ended. */
bool tally_lineages_caught_up(struct tally_desk *d);
void tally_lineages_take(struct tally_desk *d, const uint8_t digest[32], struct tally_slice object);
/* Its kept lineage says that this is another job's version. */
bool tally_lineages_foreign(const struct tally_desk *d, const uint8_t digest[32]);
/* Removes model files that are further back than the version before the newest. */
void tally_lineages_prune(const struct tally_desk *d);

/* ---- download.c ---- */
void tally_download_begin(struct tally_desk *d, enum tally_object_kind kind,
                          const uint8_t digest[32]);
void tally_download_object(struct tally_desk *d, const struct tally_message *m);
void tally_download_chunk(struct tally_desk *d, struct tally_slice body);
void tally_download_end(struct tally_desk *d); /* idempotent */

/* ---- work.c ---- */
void tally_work_start(struct tally_desk *d);
void tally_work_cancel(struct tally_desk *d); /* what is under way is of no use any more */
void tally_work_tick(struct tally_desk *d);   /* says how far it is */

/* ---- upload.c ---- */
/* The update's content key wrapped for the aggregator of this session. */
TALLY_RESULT tally_upload_wrap(const struct tally_desk *d, struct tally_update *u);
void tally_upload_start(struct tally_desk *d);
void tally_upload_message(struct tally_desk *d, const struct tally_message *m);
void tally_upload_refused(struct tally_desk *d); /* the aggregator will not have it */
void tally_upload_end(struct tally_desk *d);     /* the session is over */
