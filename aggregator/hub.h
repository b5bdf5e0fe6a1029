/* hub.h - the aggregator's process: what its parts share, and who calls whom.
 *
 *   serve.c    start, configuration, clock, stop
 *   session.c    connections: handshakes, sessions, messages in and out
 *   papers.c   federation, revocations, jobs and grants
 *   course.c   a job's rounds: drives proto/round.h, makes each step durable before it is sent
 *   intake.c   uploads: judged by their head, spooled, opened once, acknowledged
 *   outgo.c    objects going down under credit
 *   publish.c  combining and the lineage, in the work actor
 *   self.c     the evidence that we keep of ourselves
 *   recover.c  what is on disk, verified again, back into memory
 *   report.c   status as JSON on a local socket
 *
 * Everything here belongs to the loop's thread. The store and the spool belong to the store
 * actor, the device to the device actor; their jobs carry copies. */
#pragma once

#include "aggregator/spool.h"
#include "aggregator/store.h"
#include "common/dsse.h"
#include "common/fedstore.h"
#include "common/instance.h"
#include "common/job.h"
#include "common/lineage.h"
#include "common/mailbox.h"
#include "common/prep.h"
#include "common/secret.h"
#include "common/software.h"
#include "common/transport.h"
#include "kernels/model.h"
#include "proto/handshake.h"
#include "proto/message.h"
#include "proto/payload.h"
#include "proto/round.h"
#include "proto/set.h"

enum {
    TALLY_COURSES_MAX = 16,
    TALLY_HUB_WHY_MAX = 160,
    TALLY_HUB_PATH_MAX = 1024,
    TALLY_HUB_FRAME_MAX = 640 * 1024, /* any frame, in or out */
    TALLY_HISTORY_MAX = 20000,        /* rounds kept for status */
    TALLY_SERVER_WINDOW = 16,         /* chunks a session may have under way in ZeroMQ */
    TALLY_ASKED_MAX = 8,              /* questions of a session to the store at once */
    TALLY_ABORTS_MAX = 10,            /* in a row, then the job waits for its operator */
};

struct tally_hub;
struct tally_course;
struct tally_intake;
struct tally_combining;

/* A download under way: one at a time for each session. */
struct tally_outgo {
    uint8_t digest[32];
    int fd;                /* of a model file; -1: memory */
    uint8_t *memory;       /* owned */
    uint64_t total;        /* bytes; 0: none under way */
    uint32_t next, credit; /* pieces */
};

/* One connection of a node: a handshake, then a session. */
struct tally_session {
    struct tally_hub *hub;
    struct tally_guest *guest;
    uint64_t id; /* never used twice */
    uint32_t peer;
    struct tally_secret handshake; /* struct tally_handshake; empty once established */
    struct tally_secret records;   /* struct tally_records; empty before */
    struct tally_peer who;         /* verified, once established */
    struct tally_course *course;   /* NULL: documents only */
    uint32_t site;                 /* in the course */
    bool greeted;
    struct tally_intake *intake;
    struct tally_outgo outgo;
    uint32_t asked; /* fetches and wraps that the store has not answered yet */
};

/* A node of the federation document, connected or not. Same index as federation.nodes. */
struct tally_guest {
    const struct tally_node *node;
    struct tally_session *live;
    struct tally_session *pending[TALLY_PENDING_PER_NODE_MAX];
    double knocks; /* left in its bucket */
    uint64_t knocks_ms;
    enum tally_reason refused; /* its last evidence, while no good one followed */
    char why[TALLY_HUB_WHY_MAX];
    uint32_t phase, first, total; /* what it says it is doing */
    uint64_t seen_ms;
};

/* A site's accepted update, as kept. */
struct tally_accepted {
    uint8_t st[TALLY_STATEMENT_BYTES_MAX];
    size_t st_len;
    uint8_t seal[32], ev_digest[32], wrap[TALLY_WRAP_BYTES];
    char path[TALLY_SPOOL_PATH_SIZE];
};
struct tally_ballot {
    bool cast;
    uint8_t kb[TALLY_KEY_BLOCK_BYTES_MAX];
    size_t kb_len;
    uint8_t ev_digest[32], signature[64];
};

/* A finished round, for status. */
struct tally_history {
    uint64_t round;
    uint8_t kind;
    bool aborted;
    double seconds;
    uint32_t rows_n;
    struct tally_set_row *rows; /* owned */
    bool base_known;            /* metrics of its base */
    double base_auc_pr, base_roc_auc, base_recall;
};

/* A job under way. */
struct tally_course {
    struct tally_hub *hub;
    struct tally_job job;
    struct tally_model model; /* its shape, from round 0 on */
    size_t params;
    uint32_t sites_n;
    struct tally_guest *guests[TALLY_ROUND_SITES_MAX];
    struct tally_round round;
    struct tally_opening opening;
    uint8_t opening_bytes[TALLY_OPENING_BYTES], opening_sig[64];
    struct tally_accepted accepted[TALLY_ROUND_SITES_MAX];
    struct tally_ballot ballots[TALLY_ROUND_SITES_MAX];
    struct tally_set set;
    uint8_t set_bytes[TALLY_SET_BYTES_MAX], set_sig[64], set_digest[32];
    size_t set_len;
    bool has_version, done, stopped;
    bool was_open, was_frozen, reopened; /* as the store left the last round */
    uint8_t version[32];
    uint64_t version_round, version_bytes;
    char version_path[TALLY_HUB_PATH_MAX]; /* relative to the state directory */
    struct tally_combining *combined;      /* publish.c's, between combining and publishing */
    bool base_known; /* metrics of the round's base, from the sites' histograms */
    double base_auc_pr, base_roc_auc, base_recall;
    uint32_t deltas_done, aborts;
    uint64_t opened_mono_ms;
    struct tally_history *history;
    uint32_t history_n;
    char why[TALLY_HUB_WHY_MAX]; /* stopped, or what it waits for */
};

struct tally_hub {
    char dir[TALLY_HUB_PATH_MAX]; /* state directory */
    struct tally_loop *loop;
    struct tally_server *server;
    struct tally_mailbox *store_box, *work_box, *device_box;
    struct tally_store *store;
    struct tally_spool *spool;
    struct tally_device *device;
    struct tally_attest_cache *verified; /* chains and collateral; the loop's thread alone */
    struct tally_fedstore documents_at;
    struct tally_federation *federation; /* in force */
    struct tally_revocations *documents; /* what revocation documents took away */
    const struct tally_node *self;
    struct tally_secret session_key;  /* struct tally_sign_key */
    struct tally_secret instance;     /* struct tally_instance */
    struct tally_instance_held *held; /* the process's */
    uint8_t kb[TALLY_KEY_BLOCK_BYTES_MAX];
    size_t kb_len;
    uint8_t key_id[32];
    uint8_t *own_ev, *own_endorsements; /* kept evidence over our key block */
    size_t own_ev_len, own_endorsements_len;
    struct tally_guest *guests; /* federation->nodes_n of them */
    struct tally_course *courses[TALLY_COURSES_MAX];
    uint32_t courses_n, threads;
    uint64_t next_link, clock_floor_ms;
    uint64_t verified_n;  /* evidence judged since start */
    uint8_t *in, *out;    /* TALLY_HUB_FRAME_MAX each */
    bool taking;          /* a job is being taken up */
    uint8_t in_force[32]; /* what the documents were at the start */
    bool reload;
    int status_fd;
    uint64_t status_source;
    char fatal[TALLY_HUB_WHY_MAX];
};

static inline const struct tally_instance *tally_hub_instance(const struct tally_hub *h)
{
    return (const struct tally_instance *)(const void *)h->instance.at;
}

/* Appraisal time: never before what signed documents and earlier starts have shown. */
uint64_t tally_hub_now_ms(const struct tally_hub *h);
/* The process stops, saying why: a commit failed, or an invariant of the disk. */
void tally_hub_fatal(struct tally_hub *h, const char *what, const char *why);

/* ---- session.c ---- */
void tally_session_arrival(void *hub, const struct tally_arrival *a);
void tally_session_gone(void *hub, uint32_t peer);
void tally_session_report(void *hub, const struct tally_link_report *r);
/* False when the message could not be sent; the link is then ended and must not be used. */
bool tally_session_send(struct tally_session *l, const struct tally_message *m);
bool tally_session_send_chunk(struct tally_session *l, const uint8_t digest[32], uint32_t index,
                              struct tally_slice bytes);
void tally_session_refuse(struct tally_session *l,
                          const uint8_t digest[32]); /* says tally_reason() */
void tally_session_end(struct tally_session *l, const char *why);
void tally_session_sweep(struct tally_hub *h); /* once a second: half-open and old ones */
struct tally_session *tally_session_by_id(struct tally_hub *h, uint64_t id);

/* ---- papers.c ---- */
void tally_papers_greet(struct tally_session *l);
/* Every revocation in force here; false when the session ended. */
bool tally_papers_revocations(struct tally_session *l);
void tally_papers_grant(struct tally_session *l, const struct tally_message *m);
/* Looks for jobs that `job submit` put into the state directory. */
void tally_papers_poll(struct tally_hub *h);

/* ---- roster.c and course.c ---- */
/* A course over the payload of a job with all its signatures; it starts as soon as it can. */
TALLY_RESULT tally_course_new(struct tally_hub *h, struct tally_slice payload,
                              struct tally_course **out);
void tally_course_free(struct tally_course **c);
struct tally_course *tally_course_by_digest(struct tally_hub *h, const uint8_t digest[32]);
/* The site of a guest, or sites_n. */
uint32_t tally_course_site(const struct tally_course *c, const struct tally_guest *g);
void tally_course_start(struct tally_course *c); /* a new job, or one read back */
void tally_course_join(struct tally_session *l); /* a session for this job is up */
/* A node's evidence was refused. */
void tally_course_refused(struct tally_hub *h, const struct tally_guest *g);
/* The frozen set is signed "tally/frozen/v1" || 00 || its digest. */
TALLY_RESULT tally_course_sign_set(const struct tally_sign_key *key, const uint8_t digest[32],
                                   uint8_t sig[64]);
void tally_course_event(struct tally_course *c, struct tally_round_event ev);
void tally_course_effects(struct tally_course *c, const struct tally_round_effects *e);
void tally_course_vote(struct tally_session *l, const struct tally_message *m);
void tally_course_agent_refuses(struct tally_session *l, const struct tally_message *m);
void tally_course_tick(struct tally_hub *h);
void tally_course_stop(struct tally_course *c, const char *why);

/* ---- intake.c ---- */
void tally_intake_head(struct tally_session *l, const struct tally_message *m);
void tally_intake_chunk(struct tally_session *l, struct tally_slice body);
void tally_intake_rewrap(struct tally_session *l, const struct tally_message *m);
void tally_intake_leave(struct tally_session *l); /* the link ends */

/* ---- outgo.c ---- */
void tally_outgo_fetch(struct tally_session *l, const struct tally_message *m);
void tally_outgo_credit(struct tally_session *l, const struct tally_message *m);
void tally_outgo_end(struct tally_session *l);

/* ---- combine.c ---- */
/* Combines the voted set into a model file; then the round's COMBINED event. */
void tally_combine_start(struct tally_course *c);

/* ---- publish.c ---- */
/* Signs and keeps the version, or notes the abort; then PUBLISHED. */
void tally_publish_version(struct tally_course *c);

/* ---- self.c ---- */
/* At start, with device, keys and store open: evidence over our key block, the kept one if there is
 * one that verifies. */
TALLY_RESULT tally_self_keep(struct tally_hub *h);

/* ---- recover.c ---- */
/* In the store actor, on a course that the loop does not know yet: where the store left the job,
 * every record verified again. */
TALLY_RESULT tally_recover_read(struct tally_course *c);
/* In the loop: goes on from there. */
void tally_recover_start(struct tally_course *c);

/* ---- report.c ---- */
TALLY_RESULT tally_report_open(struct tally_hub *h, const char *path);
void tally_report_close(struct tally_hub *h);
