/* roundframes.h - the signed structures of a round (CHANNEL.md section 3): OPEN, SH, ST, the
 * upload's head, their signatures and what they are signed over. SET and votes: proto/set.h.
 *
 * Encoders write to the caller's buffer and give the written part; decoders are strict (version,
 * known kinds and modes, zero reserved bytes, names, lengths, nothing trailing): TALLY_E_WIRE.
 * A verify is E_AUTH unless the signature is that key's. Outputs are filled only on success.
 *
 * base is zeros in rounds of moments, and only there: round 0, and its repetitions when aborted. */
#pragma once

#include "proto/frames.h"
#include "proto/keys.h"

enum tally_payload_kind {
    TALLY_PAYLOAD_MOMENTS = 1, /* moments and categories, round 0 */
    TALLY_PAYLOAD_DELTA,       /* model delta, and the evaluation of its base */
    TALLY_PAYLOAD_EVALUATION,
    TALLY_PAYLOAD_HISTOGRAM,
    TALLY_PAYLOAD_COUNTERS, /* entity counters */
};

/* OPEN */
struct tally_opening {
    enum tally_payload_kind kind;
    enum tally_mode mode;
    uint8_t federation[32], job[32], krp[32], instance[16];
    uint64_t round;
    uint8_t challenge[32], base[32];
    uint64_t opened_ms, deadline_ms; /* since 1970; opened before deadline */
};
TALLY_RESULT tally_opening_encode(const struct tally_opening *o, uint8_t out[TALLY_OPENING_BYTES]);
TALLY_RESULT tally_opening_decode(struct tally_slice in, struct tally_opening *o);
TALLY_RESULT tally_opening_sign(const struct tally_sign_key *attested, struct tally_slice opening,
                                uint8_t sig[TALLY_SIGNATURE_BYTES]);
TALLY_RESULT tally_opening_verify(const uint8_t attested[32], struct tally_slice opening,
                                  const uint8_t sig[TALLY_SIGNATURE_BYTES]);
/* Equal in all but `instance`: a new instance continues the round. */
bool tally_opening_same(const struct tally_opening *a, const struct tally_opening *b);

/* SH, leaf 0 of the seal digest and the context of the sealed file */
struct tally_payload_header {
    enum tally_payload_kind kind;
    enum tally_mode mode;
    uint8_t federation[32], job[32];
    uint64_t round;
    uint8_t base[32];
    uint64_t plaintext_bytes;
    char org[TALLY_NAME_MAX + 1], node[TALLY_NAME_MAX + 1];
};
TALLY_RESULT tally_payload_header_encode(const struct tally_payload_header *h, struct tally_wr *w,
                                         struct tally_slice *out);
TALLY_RESULT tally_payload_header_decode(struct tally_slice in, struct tally_payload_header *h);

/* ST. sealed_bytes must be what Cobblestone-256 makes of plaintext_bytes, and examples 1 to
 * TALLY_EXAMPLES_MAX: an update that speaks for no row has no weight. */
struct tally_statement {
    enum tally_payload_kind kind;
    enum tally_mode mode;
    uint8_t federation[32], job[32], krp[32];
    uint64_t round;
    uint8_t challenge[32], base[32], seal_digest[32];
    uint64_t sealed_bytes, plaintext_bytes;
    uint32_t examples;
    char org[TALLY_NAME_MAX + 1], node[TALLY_NAME_MAX + 1];
};
TALLY_RESULT tally_statement_encode(const struct tally_statement *s, struct tally_wr *w,
                                    struct tally_slice *out);
TALLY_RESULT tally_statement_decode(struct tally_slice in, struct tally_statement *s);
/* Bytes of the sealed file for a plaintext of at most TALLY_PAYLOAD_BYTES_MAX. */
uint64_t tally_statement_sealed_bytes(uint64_t plaintext_bytes);
/* SH that belongs to ST. */
void tally_statement_header(const struct tally_statement *s, struct tally_payload_header *h);
/* Answers `o`, from org/node. E_IDENTITY for mode or names, E_FEDERATION for the federation,
 * E_UPDATE for job, krp, kind, round, challenge or base. */
TALLY_RESULT tally_statement_check(const struct tally_statement *s, const struct tally_opening *o,
                                   const char *org, const char *node);

/* The body of the update's quote (TALLY_QUOTE_UPDATE): LP ST || gpu_set_hash, zeros here. */
enum { TALLY_UPDATE_BODY_MAX = 4 + TALLY_STATEMENT_BYTES_MAX + TALLY_GPU_SET_HASH_BYTES };
struct tally_slice tally_update_body(struct tally_slice st, uint8_t buf[TALLY_UPDATE_BODY_MAX]);

/* What REPORT_DATA and the GPUs' nonce must be in the evidence of an update; as
 * tally_quote_expected. */
struct tally_update_quote {
    struct tally_slice st, key_block, ev;
    const uint8_t *challenge; /* of the round, 32 bytes */
};
TALLY_RESULT tally_update_expected(const struct tally_update_quote *u,
                                   uint8_t report_data[TALLY_REPORT_DATA_BYTES],
                                   uint8_t gpu_nonce[32]);

/* The agent's attested key over ST and EV. */
TALLY_RESULT tally_update_sign(const struct tally_sign_key *attested, struct tally_slice st,
                               struct tally_slice ev, uint8_t sig[TALLY_SIGNATURE_BYTES]);
TALLY_RESULT tally_update_verify(const uint8_t attested[32], struct tally_slice st,
                                 struct tally_slice ev, const uint8_t sig[TALLY_SIGNATURE_BYTES]);
/* The aggregator's attested key over the digests of ST and EV. */
TALLY_RESULT tally_ack_sign(const struct tally_sign_key *attested, const uint8_t st_digest[32],
                            const uint8_t ev_digest[32], uint8_t sig[TALLY_SIGNATURE_BYTES]);
TALLY_RESULT tally_ack_verify(const uint8_t attested[32], const uint8_t st_digest[32],
                              const uint8_t ev_digest[32],
                              const uint8_t sig[TALLY_SIGNATURE_BYTES]);

/* key id: names the KEM key that a content key is wrapped for. */
void tally_key_id(struct tally_slice key_block, uint8_t id[32]);
/* HPKE info of the wrap; its aad is the seal digest. */
void tally_wrap_info(const uint8_t key_id[32], uint8_t info[TALLY_WRAP_INFO_BYTES]);

/* The head of an upload. Slices point into the bytes decoded. */
struct tally_upload_head {
    struct tally_slice st, ev, endorsements;
    uint8_t sig[TALLY_SIGNATURE_BYTES];
    uint8_t wrap[TALLY_WRAP_BYTES]; /* outside the evidence: may be renewed alone */
};
TALLY_RESULT tally_upload_head_encode(const struct tally_upload_head *u, struct tally_wr *w,
                                      struct tally_slice *out);
TALLY_RESULT tally_upload_head_decode(struct tally_slice in, struct tally_upload_head *u);
