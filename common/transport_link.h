/* transport_link.h - reports of what happened on connections, rate-limited (transport.c's own). */
#pragma once

#include "common/transport.h"

struct tally_link_out {
    void (*fn)(void *ctx, const struct tally_link_report *report); /* may be NULL */
    void *ctx;
    struct {
        uint64_t milli_tokens, at_ms, suppressed;
        bool begun;
    } budgets[TALLY_LINKS];
};

void tally_link_tell(struct tally_link_out *out, uint64_t now_ms, struct tally_link_report report);
