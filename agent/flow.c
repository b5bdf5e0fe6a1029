/* flow.c - see flow.h. */
#include "agent/flow.h"

enum tally_status tally_flow_begin(struct tally_flow *f, uint64_t bytes)
{
    uint64_t pieces = bytes / TALLY_PIECE_BYTES_MAX + (bytes % TALLY_PIECE_BYTES_MAX != 0);

    TALLY_ENSURE(pieces >= 1 && pieces < UINT32_MAX, TALLY_E_LIMIT, "a file of %llu bytes",
                 (unsigned long long)bytes);
    *f = (struct tally_flow){.bytes = bytes, .pieces = (uint32_t)pieces};
    return TALLY_OK;
}

enum tally_status tally_flow_go(struct tally_flow *f, uint64_t first, uint64_t credit)
{
    TALLY_ENSURE(f->bytes != 0 && first <= f->pieces && credit <= TALLY_FLOW_WINDOW, TALLY_E_WIRE,
                 "GO from piece %llu of %u with credit %llu", (unsigned long long)first, f->pieces,
                 (unsigned long long)credit);
    f->next = (uint32_t)first;
    f->credit = (uint32_t)credit;
    return TALLY_OK;
}

enum tally_status tally_flow_credit(struct tally_flow *f, uint64_t more)
{
    TALLY_ENSURE(f->bytes != 0 && more <= TALLY_FLOW_WINDOW - (uint64_t)f->credit, TALLY_E_WIRE,
                 "credit for %llu pieces beside %u, beyond the window of %d",
                 (unsigned long long)more, f->credit, TALLY_FLOW_WINDOW);
    f->credit += (uint32_t)more;
    return TALLY_OK;
}

bool tally_flow_take(struct tally_flow *f, struct tally_flow_piece *out)
{
    if (f->bytes == 0 || f->credit == 0 || f->next == f->pieces) return false;
    out->index = f->next;
    out->offset = (uint64_t)f->next * TALLY_PIECE_BYTES_MAX;
    uint64_t left = f->bytes - out->offset;
    out->len = left < TALLY_PIECE_BYTES_MAX ? (size_t)left : TALLY_PIECE_BYTES_MAX;
    f->next++;
    f->credit--;
    return true;
}
