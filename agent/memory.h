/* memory.h - what an agent keeps of a job between starts, in files that a crash leaves whole.
 *
 *   memory/<job>.member            the member (proto/member.h), and whether the job is done; a
 *                                  checksum at the end tells a cut file from a whole one
 *   updates/<job>-<round>.sealed   the sealed update, as it is uploaded
 *   updates/<job>-<round>.head     all that goes with it: OPEN, ST, EV, endorsements, signature,
 *                                  wrap, and the content key, sealed by the TEE device
 *   updates/<job>-<round>.ack      the aggregator's signature for it
 *
 * Order: sealed file, head, member with the statement; only then is anything sent. So a member
 * with a statement has its files, and files without one are either taken up (the head is there)
 * or made again. An update is removed when its round has its verified version or voted abort. */
#pragma once

#include "common/attest/device.h"
#include "common/secret.h"
#include "proto/member.h"
#include "proto/roundframes.h"

enum { TALLY_MEMORY_DIR_MAX = 1024, TALLY_MEMORY_PATH_MAX = TALLY_MEMORY_DIR_MAX + 128 };

struct tally_memory {
    char dir[TALLY_MEMORY_DIR_MAX]; /* state directory */
    struct tally_member member;
    bool done; /* the job's last version is taken */
};

/* The member of this job, or a fresh one if there is no file. TALLY_E_STATE for a file that is cut,
 * changed, or of another job or node: an agent that forgot must not go on as if it were new. */
TALLY_RESULT tally_memory_open(struct tally_memory *m, const char *dir, const uint8_t job[32],
                               const char *org, const char *node);
/* The member becomes `next`, durably, or stays what it was. */
TALLY_RESULT tally_memory_save(struct tally_memory *m, const struct tally_member *next, bool done);

/* The update of the member's round. */
struct tally_update {
    bool here; /* the rest means something */
    struct tally_statement st;
    uint8_t st_bytes[TALLY_STATEMENT_BYTES_MAX];
    size_t st_len;
    uint8_t st_digest[32], ev_digest[32];
    uint8_t *ev, *endorsements; /* owned */
    size_t ev_len, endorsements_len;
    uint8_t opening[TALLY_OPENING_BYTES], opening_sig[TALLY_SIGNATURE_BYTES];
    uint8_t sig[TALLY_SIGNATURE_BYTES];
    uint8_t attested_key[TALLY_SIGN_PUBLIC_BYTES]; /* ours that signed it: of which instance */
    uint8_t wrap_key_id[32], wrap[TALLY_WRAP_BYTES];
    uint8_t sealed_key[32 + TALLY_SEAL_EXTRA_BYTES];
    struct tally_secret key; /* the content key; empty where it does not unseal */
};
void tally_update_free(struct tally_update *u); /* idempotent */

/* Path of the sealed file. out: TALLY_MEMORY_PATH_MAX bytes. */
void tally_memory_sealed_path(const struct tally_memory *m, uint64_t round, char *out);

/* Keeps the head; the sealed file is there already. */
TALLY_RESULT tally_memory_keep(const struct tally_memory *m, const struct tally_update *u);

/* The update kept for the member's round, checked against the member, its signature and the sealed
 * file; the content key unsealed if the device can. TALLY_E_STATE where there is none that fits,
 * TALLY_E_IO where one cannot be read: *u is then empty. */
TALLY_RESULT tally_memory_update(const struct tally_memory *m, struct tally_device *d,
                                 const struct tally_seal_name *name, struct tally_update *u);

/* The aggregator's ack for the update. */
TALLY_RESULT tally_memory_keep_ack(const struct tally_memory *m, const struct tally_update *u,
                                   const uint8_t key_id[32],
                                   const uint8_t ack[TALLY_SIGNATURE_BYTES]);

/* Removes what is kept of rounds of this job before `round`. */
TALLY_RESULT tally_memory_forget(const struct tally_memory *m, uint64_t round);
