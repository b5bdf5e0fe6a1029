/* frames.h - the bytes of the handshake: M1, M2, P (inside M3 and M4), the key block KB and the
 * refusal (CHANNEL.md section 2).
 *
 * Encoders write into the caller's buffer and give the written part. Decoders are strict: fixed
 * type, version and suite, known modes and roles, names of [a-z0-9._-], zero reserved bytes,
 * nothing after the last field. What they refuse is TALLY_E_WIRE, but another version is
 * E_VERSION and another suite E_ALGORITHM. Outputs are filled only on success. */
#pragma once

#include "common/federation.h"
#include "common/sign.h"
#include "proto/limits.h"

enum tally_frame_type {
    TALLY_FRAME_M1 = 1,
    TALLY_FRAME_M2,
    TALLY_FRAME_M3,
    TALLY_FRAME_M4,
    TALLY_FRAME_RECORD,
    TALLY_FRAME_REFUSAL,
};

enum { TALLY_FRAME_VERSION = 1, TALLY_SUITE = 0x0001, TALLY_KEM_X25519 = 0x0020 };

/* Names are C strings here: decoded ones hold no zero byte. */
struct tally_m1 {
    enum tally_mode mode;
    enum tally_role role_c, role_s; /* the client's, and the one it wants */
    uint8_t federation[32];         /* digest of the document in force */
    uint8_t job[32], krp[32];       /* zeros: none */
    uint8_t e_c[32], nonce_c[32];
    uint64_t pin_size; /* 0 and zeros: no ledger */
    uint8_t pin_root[32];
    char org_c[TALLY_NAME_MAX + 1], node_c[TALLY_NAME_MAX + 1], org_s[TALLY_NAME_MAX + 1];
};
TALLY_RESULT tally_m1_encode(const struct tally_m1 *m, struct tally_wr *w,
                             struct tally_slice *frame);
TALLY_RESULT tally_m1_decode(struct tally_slice frame, struct tally_m1 *m);

struct tally_m2 {
    enum tally_mode mode;
    enum tally_role role_s;
    uint8_t e_s[32], nonce_s[32], instance_s[16];
    char org_s[TALLY_NAME_MAX + 1];
};
TALLY_RESULT tally_m2_encode(const struct tally_m2 *m, struct tally_wr *w,
                             struct tally_slice *frame);
TALLY_RESULT tally_m2_decode(struct tally_slice frame, struct tally_m2 *m);

/* KB: what evidence vouches for besides the code: whose instance, with which keys. */
struct tally_key_block {
    enum tally_mode mode;
    enum tally_role role;
    uint8_t federation_id[32]; /* digest of version 1 */
    uint8_t instance[16];
    uint8_t attested_key[TALLY_SIGN_PUBLIC_BYTES];
    uint8_t kem_key[TALLY_KEX_BYTES]; /* X25519 */
    char org[TALLY_NAME_MAX + 1], node[TALLY_NAME_MAX + 1];
    char software[TALLY_SOFTWARE_MAX + 1]; /* [A-Za-z0-9._+-] */
};
TALLY_RESULT tally_key_block_encode(const struct tally_key_block *kb, struct tally_wr *w,
                                    struct tally_slice *bytes);
TALLY_RESULT tally_key_block_decode(struct tally_slice bytes, struct tally_key_block *kb);

/* P: a side's evidence. Slices point into the bytes decoded. Ledger proofs are empty. */
struct tally_proof {
    struct tally_slice ev, endorsements, key_block;
    uint8_t sig[TALLY_SIGNATURE_BYTES];
};
/* Appends P to w; w->full says when it had no room. */
void tally_proof_write(const struct tally_proof *p, struct tally_wr *w);
TALLY_RESULT tally_proof_decode(struct tally_slice bytes, struct tally_proof *p);

/* A hint, before keys exist; it changes no durable state. */
enum tally_refusal {
    TALLY_REFUSED_NOT = 0, /* never on the wire */
    TALLY_REFUSED_VERSION,
    TALLY_REFUSED_MODE,
    TALLY_REFUSED_FEDERATION,
    TALLY_REFUSED_ROLE,
    TALLY_REFUSED_BUSY,
    TALLY_REFUSED_NAME,
};
void tally_refusal_encode(enum tally_refusal code, uint8_t frame[TALLY_REFUSAL_BYTES]);
TALLY_RESULT tally_refusal_decode(struct tally_slice frame, enum tally_refusal *code);
const char *tally_refusal_text(enum tally_refusal code); /* "other federation document" */

/* LP name and its strict counterpart, for the other structures of the channel. */
void tally_wr_name(struct tally_wr *w, const char *name);
void tally_rd_name(struct tally_rd *r, char to[TALLY_NAME_MAX + 1], const char *field);
enum tally_mode tally_rd_mode(struct tally_rd *r);
