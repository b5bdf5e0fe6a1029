/* payload.h - the plaintext of a sealed update, by payload kind (CHANNEL.md section 3).
 *
 *   01 | kind u8 | 00 00 | LP evaluation | LP moments | values u64 | values x f32 little-endian
 *
 * Kind 1 carries moments, kind 2 a model delta and the evaluation of its base, kind 3 an
 * evaluation alone; what a kind does not carry is empty. An evaluation is
 *
 *   rows u64 | positives u64 | entries u32 | entries x (bin u16 | negatives u32 | positives u32)
 *
 * over the 4096 logit bins of kernels/metrics.h, bins ascending, no empty entry. */
#pragma once

#include "proto/roundframes.h"

enum {
    TALLY_EVALUATION_BINS = 4096,
    TALLY_EVALUATION_BYTES_MAX = 20 + TALLY_EVALUATION_BINS * 10,
    TALLY_MOMENTS_BYTES_MAX = 8 << 20,
    /* Longest start of a delta payload before its values. */
    TALLY_PAYLOAD_HEAD_MAX = 4 + 4 + TALLY_EVALUATION_BYTES_MAX + 4 + 8,
};

/* Counts of one site's held-out rows per logit bin. */
struct tally_evaluation {
    uint64_t rows, positives;
    uint32_t negative[TALLY_EVALUATION_BINS], positive[TALLY_EVALUATION_BINS];
};

void tally_evaluation_encode(struct tally_wr *w, const struct tally_evaluation *e);
/* TALLY_E_WIRE unless the counts add up to rows and positives. */
TALLY_RESULT tally_evaluation_decode(struct tally_slice in, struct tally_evaluation *e);

struct tally_payload {
    enum tally_payload_kind kind;
    struct tally_slice evaluation; /* encoded; empty: none */
    struct tally_slice moments;    /* encoded */
    uint64_t values;               /* float32 values that follow the head */
};

/* Everything before the values. */
void tally_payload_encode_head(struct tally_wr *w, const struct tally_payload *p);

/* Decodes the head from a prefix of the plaintext that holds it whole; *head_bytes is its length
 * and plaintext_bytes, the whole length, must be head + 4 x values. */
TALLY_RESULT tally_payload_decode_head(struct tally_slice prefix, uint64_t plaintext_bytes,
                                       struct tally_payload *p, size_t *head_bytes);
