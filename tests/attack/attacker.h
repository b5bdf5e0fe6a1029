/* attacker.h - a client that may lie: the agent's side of the channel, step by step, with a place
 * to change whatever it says. It owns a node's folder (keys, chip) as an insider or a thief would,
 * and talks to a built aggregator over its own ZeroMQ socket, or to a handshake in this process.
 *
 * Left alone it is a correct agent without a table: it joins a job, sends updates that it is told
 * to send, and votes. Failures of its own end the program (expect.h). */
#pragma once

#include "common/attest/sim_chip.h"
#include "common/attest/sim_tdx.h"
#include "common/job.h"
#include "common/nodekeys.h"
#include "common/revocation.h"
#include "proto/handshake.h"
#include "proto/message.h"
#include "proto/payload.h"
#include "proto/set.h"

enum {
    ATTACKER_FRAME_MAX = 640 * 1024,
    ATTACKER_WAIT_MS = 10000, /* for an answer that must come */
    ATTACKER_QUIET_MS = 60,   /* for one that must not */
};

struct attacker;

/* What goes wrong on purpose; NULL: nothing. Each is called at its place in the handshake. */
struct attacker_tricks {
    void (*m1)(struct attacker *a, uint8_t *frame, size_t *len);
    void (*report)(struct attacker *a, struct tally_snp_report *r); /* before the chip signs it */
    void (*proof)(struct attacker *a, struct tally_proof *p);    /* after the session signature */
    void (*m4)(struct attacker *a, uint8_t *frame, size_t *len); /* sealed */
    const struct tally_sign_key *session_key;                    /* signs instead of its own */
    const struct tally_sim_chip *chip;                           /* quotes instead of its own */
    struct tally_device *device;                                 /* or this */
    void *ctx;
};

/* Where frames go; the default is a DEALER under CURVE. */
struct attacker_wire {
    void (*send)(struct attacker *a, const uint8_t *at, size_t len);
    size_t (*receive)(struct attacker *a, uint8_t *to, size_t cap, int wait_ms); /* 0: nothing */
    void *ctx;
};

struct attacker {
    struct tally_federation *federation;
    const struct tally_node *self, *server;
    struct tally_nodekeys keys;
    struct tally_sim_chip *chip;  /* NULL on a TDX machine */
    struct tally_device *machine; /* NULL on an SNP chip */
    char chip_file[1024];
    uint8_t measurement[TALLY_MEASUREMENT_BYTES]; /* of its role in the document */
    struct tally_sign_key attested;
    struct tally_key_block kb;
    uint8_t kb_bytes[TALLY_KEY_BLOCK_BYTES_MAX];
    size_t kb_len;
    uint8_t job[32];
    struct attacker_tricks tricks;
    struct attacker_wire wire;
    void *context, *socket;
    int wait_ms; /* for M2 and M3 */
    /* the handshake under way */
    uint8_t e_secret[32], nonce[32], server_nonce[32], t2[32], t[32];
    struct tally_handshake_keys hs;
    uint8_t m1[TALLY_M1_BYTES_MAX], *m3, *m4, *m3_plain;
    size_t m1_len, m3_len, m4_len;
    /* the session */
    struct tally_records records;
    struct tally_proof server_proof; /* slices into m3_plain */
    struct tally_key_block server_kb;
    uint8_t server_key_id[32];
    uint8_t *frame;
};

/* The node org/node with the folder `dir` (its keys, chip and federation document). */
void attacker_load(struct attacker *a, const char *dir, const char *org, const char *node);
/* The TDX machine of that folder, as its host started it: td's attributes, and its MRTD XORed to
 * that of the program. The caller closes it. */
struct tally_device *attacker_boot(const struct attacker *a, const struct tally_sim_td *td);
/* A fresh connection to 127.0.0.1:port; the old one is closed. */
void attacker_connect(struct attacker *a, unsigned port);
void attacker_disconnect(struct attacker *a);
void attacker_free(struct attacker *a);
/* New instance keys and the key block of them. */
void attacker_new_instance(struct attacker *a);

void attacker_send(struct attacker *a, const uint8_t *at, size_t len);
/* Bytes of the next frame in a->frame; 0 if none comes. */
size_t attacker_receive(struct attacker *a, int wait_ms);

/* ---- the handshake in three steps ---- */

/* Sends M1; with M2 and M3 there, true. False: a refusal (in *refused) or silence. */
bool attacker_hello(struct attacker *a, enum tally_refusal *refused);
/* Sends M1 and takes nothing. */
void attacker_send_m1(struct attacker *a);
bool attacker_take_m2_m3(struct attacker *a, enum tally_refusal *refused);
void attacker_prove(struct attacker *a); /* M4 */
bool attacker_established(struct attacker *a, int wait_ms);
/* All three, and it must succeed. */
void attacker_handshake(struct attacker *a);

/* The report that an honest device makes for this handshake, unsigned: REPORT_DATA is set. */
void attacker_report(struct attacker *a, struct tally_snp_report *r);

/* ---- a session ---- */

void attacker_send_record(struct attacker *a, enum tally_record_kind kind, struct tally_slice body);
void attacker_send_message(struct attacker *a, const struct tally_message *m);
/* The next message of that type, others skipped; slices point into a->frame. False: none came. */
bool attacker_await(struct attacker *a, enum tally_message_type type, struct tally_message *m,
                    int wait_ms);
/* The next message that is one of these types (bits), whatever it is. False: none came. */
#define ATTACKER_TYPE(t) (UINT32_C(1) << (t))
bool attacker_await_any(struct attacker *a, uint32_t types, struct tally_message *m, int wait_ms);
/* A handshake for the job (NULL: none) and HELLO both ways. */
void attacker_join(struct attacker *a, const uint8_t *job);
/* Is the session still answered? Sends a FETCH of nothing and waits for its refusal. */
bool attacker_session_lives(struct attacker *a);

/* ---- rounds ---- */

struct attacker_update {
    struct tally_statement st;
    uint8_t key[32];
    uint8_t *sealed;
    size_t sealed_len;
    uint8_t wrap[TALLY_WRAP_BYTES];
    bool wrapped; /* wrap is used as it is */
    uint8_t st_digest[32];
    void (*report)(struct attacker *a, struct tally_snp_report *r); /* changes the quote */
};
/* Seals the payload for the open round as its statement; the statement may then be changed. */
void attacker_update_make(struct attacker *a, const struct tally_opening *o,
                          struct tally_slice plain, uint32_t examples, struct attacker_update *u);
void attacker_update_free(struct attacker_update *u);
/* Quotes, signs, wraps and sends the head of the statement as it now is. */
void attacker_update_head(struct attacker *a, struct attacker_update *u);
/* One piece as chunk `index`, whatever its length. */
void attacker_send_chunk(struct attacker *a, const uint8_t digest[32], uint32_t index,
                         struct tally_slice piece);
/* All pieces from `first` under credit, after a GO. */
void attacker_send_pieces(struct attacker *a, const struct attacker_update *u,
                          const struct tally_message *go);
/* Head, pieces and the signed ACK: the honest way. */
void attacker_upload(struct attacker *a, struct attacker_update *u);
/* Payloads. The caller frees. */
struct tally_slice attacker_moments(const struct tally_job *job, uint64_t rows);
struct tally_slice attacker_delta(size_t params, float value);

/* The next OPEN, its signature checked. */
void attacker_await_open(struct attacker *a, struct tally_opening *o);
/* The next SET; votes for it. */
void attacker_vote(struct attacker *a, struct tally_set *set);
void attacker_wrap(struct attacker *a, const uint8_t key[32], const uint8_t seal_digest[32],
                   uint8_t wrap[TALLY_WRAP_BYTES]);
