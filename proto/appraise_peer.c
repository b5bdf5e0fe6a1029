/* appraise_peer.c - the real appraiser of peer.h, apart so that tests need not link it. */
#include "proto/peer.h"

enum tally_status tally_peer_appraise(void *ctx, struct tally_slice ev,
                                      struct tally_slice endorsements,
                                      const struct tally_federation *f,
                                      const struct tally_expect *expect, struct tally_verdict *v)
{
    struct tally_expect e = *expect;

    e.cache = ctx;
    return tally_appraise(ev, endorsements, f->anchors, f->anchors_n, &f->policy, &e, v);
}
