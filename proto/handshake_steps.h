/* handshake_steps.h - the steps that handshake.c drives; of no use to anyone else. Each adds the
 * frame it made or read to the transcript h->t, and none moves the state. */
#pragma once

#include <string.h>

#include "proto/handshake.h"

static inline bool tally_handshake_is_server(const struct tally_handshake *h)
{
    return h->p.side == TALLY_SIDE_SERVER;
}

static inline bool tally_handshake_same_name(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static inline void tally_handshake_add(struct tally_handshake *h, struct tally_slice frame)
{
    tally_transcript_add(h->t, frame, h->t);
}

/* handshake_hello.c. A refused M1 leaves in *code the hint that the peer gets. */
TALLY_RESULT tally_handshake_send_m1(struct tally_handshake *h, struct tally_wr *w,
                                     struct tally_slice *frame);
TALLY_RESULT tally_handshake_read_m1(struct tally_handshake *h, struct tally_slice frame,
                                     enum tally_refusal *code);
TALLY_RESULT tally_handshake_send_m2(struct tally_handshake *h, struct tally_wr *w,
                                     struct tally_slice *frame);
TALLY_RESULT tally_handshake_read_m2(struct tally_handshake *h, struct tally_slice frame);
/* The handshake's keys at T2; the ephemeral secret dies here. */
TALLY_RESULT tally_handshake_derive(struct tally_handshake *h);

/* handshake_proof.c. KB names the entry, in this federation and mode. */
TALLY_RESULT tally_handshake_key_block_fits(const struct tally_key_block *kb,
                                            const struct tally_federation *f,
                                            const struct tally_node *entry);
/* What the evidence of `side` is bound to, at the transcript as it stands. Borrows from h. */
struct tally_binding tally_handshake_binding(const struct tally_handshake *h, enum tally_side side,
                                             const uint8_t binder[32]);
TALLY_RESULT tally_handshake_send_proof(struct tally_handshake *h,
                                        const struct tally_handshake_event *ev,
                                        struct tally_slice *frame);
TALLY_RESULT tally_handshake_read_proof(struct tally_handshake *h,
                                        const struct tally_handshake_event *ev,
                                        struct tally_handshake_effects *out);
