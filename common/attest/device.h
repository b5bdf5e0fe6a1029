/* device.h - the TEE as a program sees it: it quotes and it seals.
 *
 * No call takes REPORT_DATA: its first half is always SHA-256(label || 00 || body) with one of
 * three labels, its second the key block's hash (CHANNEL.md, "No raw REPORT_DATA"). Who could
 * ask a TEE for a report over bytes of his choice could impersonate it completely. */
#pragma once

#include "common/attest/describe.h"
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

/* A simulated SNP chip or TDX machine, from the file that `init --test` or `federation add` wrote,
 * which says which it is; `program` is the running executable, whose SHA-384 is the launch
 * measurement (MRTD); `host_data` is the federation id (SNP alone has a place for it). */
TALLY_RESULT tally_device_open_simulated(const char *chip_file, const char *program,
                                         const uint8_t host_data[32], struct tally_device **out);
/* What a configuration names for a real TEE: each a path, "" or NULL where there is none. Read
 * again for every quote, so that a renewed file needs no restart. None of them is trusted: they are
 * the endorsements that travel with the evidence. */
struct tally_device_files {
    const char *vek, *issuer; /* SNP, DER or PEM: used where the host gives none that fits */
    const char *crl;          /* SNP, DER or PEM: of the product line, from AMD's key server */
    const char *collateral;   /* TDX: a folder of Intel's collateral */
};

/* The TEE that this machine is: SNP or TDX through configfs-tsm, SNP through /dev/sev-guest where
 * the kernel has no configfs-tsm. Asks it for one report to learn who it is. TALLY_E_STATE where
 * there is none; E_POLICY_DEBUG for a guest that its host may look into; TALLY_E_IO where the
 * kernel or the firmware failed; always with what to do in the text. */
TALLY_RESULT tally_device_open_hardware(const struct tally_device_files *files,
                                        struct tally_device **out);
void tally_device_close(struct tally_device **d);

/* What a quote is asked over. The bodies of sessions and updates end in the place of the GPUs' set
 * hash: zeros, which the device replaces where it has GPUs (CHANNEL.md section 2). */
enum { TALLY_GPU_SET_HASH_BYTES = 48 };
struct tally_quote_ask {
    enum tally_quote_label label;
    struct tally_slice body;
    const uint8_t
        *nonce; /* 32 bytes, the verifier's: GPUs answer one made of it and the key block */
    struct tally_slice key_block;
};

/* EV (CHANNEL.md section 2) and the encoded list of endorsements, each into the caller's buffer. */
TALLY_RESULT tally_device_quote(struct tally_device *d, const struct tally_quote_ask *ask,
                                struct tally_wr *ev, struct tally_wr *endorsements);

/* The verifier's half: what REPORT_DATA and the GPUs' nonce must be in EV that answers this
 * question. The reasons of the parsers where EV or its devices' chains cannot be read. */
TALLY_RESULT tally_quote_expected(const struct tally_quote_ask *ask, struct tally_slice ev,
                                  uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                                  uint8_t gpu_nonce[32]);

/* Who seals: mixed into the key with policy, measurement and VMPL (DESIGN.md, Restart). */
struct tally_seal_name {
    uint8_t mode, role;
    uint8_t federation_id[32];
    struct tally_slice org, node;
};
enum { TALLY_SEAL_EXTRA_BYTES = 1 + 32 + 16, TALLY_SEALED_MAX = 64 * 1024 };

/* sealed: plain.len + TALLY_SEAL_EXTRA_BYTES bytes. */
/* TALLY_E_STATE where this TEE has no key to seal with (TDX): what would be sealed lives as long as
 * the process. */
TALLY_RESULT tally_device_seal(struct tally_device *d, const struct tally_seal_name *name,
                               struct tally_slice plain, uint8_t *sealed);
/* plain: sealed.len - TALLY_SEAL_EXTRA_BYTES bytes. E_AUTH for another chip, policy, measurement,
 * VMPL, name or federation, or a changed byte; TALLY_E_STATE as above. */
TALLY_RESULT tally_device_unseal(struct tally_device *d, const struct tally_seal_name *name,
                                 struct tally_slice sealed, uint8_t *plain);

/* What this device would be listed as in a federation document; zeros where its reports name no
 * chip. */
TALLY_RESULT tally_device_identity(struct tally_device *d, uint8_t chip[TALLY_CHIP_DIGEST_BYTES],
                                   uint8_t measurement[TALLY_MEASUREMENT_BYTES]);

/* What this TEE can prove and what is missing, for `tally-agent check`. */
void tally_device_describe(struct tally_device *d, const struct tally_describe *to);
