/* device.h - the TEE as a program sees it: it quotes and it seals.
 *
 * No call takes REPORT_DATA: its first half is always SHA-256(label || 00 || body) with one of
 * three labels, its second the key block's hash (CHANNEL.md, "No raw REPORT_DATA"). Who could
 * ask a TEE for a report over bytes of his choice could impersonate it completely. */
#pragma once

#include "common/attest/evidence.h"
#include "common/attest/trust.h"
#include "common/bytes.h"

enum tally_quote_label {
    TALLY_QUOTE_SESSION, /* "tally/rd/v1": the body is the session binding */
    TALLY_QUOTE_UPDATE,  /* "tally/up/v1": the body is LP ST || gpu_set_hash */
    TALLY_QUOTE_COLLECT, /* "tally/ev/v1": the body is a nonce */
};

/* REPORT_DATA for label, body (n parts, concatenated) and key block. */
void tally_report_data(enum tally_quote_label label, const struct tally_slice *body, size_t n,
                       struct tally_slice key_block, uint8_t out[TALLY_REPORT_DATA_BYTES]);

struct tally_device;

/* A simulated SNP chip, from the file that `init --test` or `federation add` wrote; `program` is
 * the running executable, whose SHA-384 is the launch measurement; `host_data` is the federation
 * id. Real devices get constructors of their own beside this one. */
TALLY_RESULT tally_device_open_simulated(const char *chip_file, const char *program,
                                         const uint8_t host_data[32], struct tally_device **out);
void tally_device_close(struct tally_device **d);

/* EV (CHANNEL.md section 2) and the encoded list of endorsements, each into the caller's buffer. */
TALLY_RESULT tally_device_quote(struct tally_device *d, enum tally_quote_label label,
                                const struct tally_slice *body, size_t n,
                                struct tally_slice key_block, struct tally_wr *ev,
                                struct tally_wr *endorsements);

/* Who seals: mixed into the key with policy, measurement and VMPL (DESIGN.md, Restart). */
struct tally_seal_name {
    uint8_t mode, role;
    uint8_t federation_id[32];
    struct tally_slice org, node;
};
enum { TALLY_SEAL_EXTRA_BYTES = 1 + 32 + 16, TALLY_SEALED_MAX = 64 * 1024 };

/* sealed: plain.len + TALLY_SEAL_EXTRA_BYTES bytes. */
TALLY_RESULT tally_device_seal(struct tally_device *d, const struct tally_seal_name *name,
                               struct tally_slice plain, uint8_t *sealed);
/* plain: sealed.len - TALLY_SEAL_EXTRA_BYTES bytes. E_AUTH for another chip, policy, measurement,
 * VMPL, name or federation, or a changed byte. */
TALLY_RESULT tally_device_unseal(struct tally_device *d, const struct tally_seal_name *name,
                                 struct tally_slice sealed, uint8_t *plain);

/* What this device would be listed as in a federation document. */
TALLY_RESULT tally_device_identity(struct tally_device *d, uint8_t chip[TALLY_CHIP_DIGEST_BYTES],
                                   uint8_t measurement[TALLY_MEASUREMENT_BYTES]);
