/* fuzz_message.c - any bytes, by the first one, as a message, a payload's head, an evaluation, a
 * lineage or a lineage object: refused, or what was read encodes to something that reads the same.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/versions.h"
#include "proto/message.h"
#include "proto/payload.h"

enum { ROOM = 1 << 16 };

static uint8_t room[ROOM];

static bool inside(struct tally_slice part, struct tally_slice whole)
{
    return part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

static void try_message(struct tally_slice in)
{
    struct tally_message m, again;
    struct tally_wr w = tally_wr_to(room, sizeof room);
    struct tally_slice out;

    if (tally_message_decode(in, &m) != TALLY_OK) return;
    if (!inside(m.body, in) || !inside(m.evidence, in) || !inside(m.endorsements, in) ||
        !inside(m.reason, in) || !inside(m.text, in))
        abort();
    tally_message_encode(&w, &m);
    if (tally_wr_end(&w, &out) != TALLY_OK) {
        if (in.len <= ROOM / 2) abort();
        return;
    }
    if (tally_message_decode(out, &again) != TALLY_OK || again.type != m.type ||
        !tally_slice_equal(again.body, m.body) || !tally_slice_equal(again.text, m.text) ||
        memcmp(again.digest, m.digest, 32) != 0 || again.total != m.total)
        abort();
}

/* The last 8 bytes say how long the plaintext is. */
static void try_payload(struct tally_slice in)
{
    struct tally_payload p;
    struct tally_wr w = tally_wr_to(room, sizeof room);
    struct tally_slice out;
    uint64_t plain;
    size_t head = 0;

    if (in.len < sizeof plain) return;
    memcpy(&plain, in.at + in.len - sizeof plain, sizeof plain);
    in.len -= sizeof plain;
    if (tally_payload_decode_head(in, plain, &p, &head) != TALLY_OK) return;
    if (head > in.len || !inside(p.evaluation, in) || !inside(p.moments, in)) abort();
    if (head + 4 * p.values != plain || p.values > UINT64_MAX / 4) abort();
    tally_payload_encode_head(&w, &p);
    if (tally_wr_end(&w, &out) == TALLY_OK &&
        !tally_slice_equal(out, (struct tally_slice){in.at, head}))
        abort();
}

static void try_evaluation(struct tally_slice in)
{
    static struct tally_evaluation e;
    struct tally_wr w = tally_wr_to(room, sizeof room);
    struct tally_slice out;

    if (tally_evaluation_decode(in, &e) != TALLY_OK) return;
    if (e.positives > e.rows) abort();
    tally_evaluation_encode(&w, &e);
    if (tally_wr_end(&w, &out) != TALLY_OK || !tally_slice_equal(out, in)) abort();
}

static void try_lineage(struct tally_slice in)
{
    struct tally_lineage a, b;
    char *text = NULL, *again = NULL;

    if (tally_lineage_decode(in, &a) != TALLY_OK) return;
    if (a.key_block_bytes > TALLY_LINEAGE_KB_MAX) abort();
    if (tally_lineage_encode(&a, &text) != TALLY_OK) abort();
    if (strlen(text) <= TALLY_LINEAGE_BYTES_MAX) {
        if (tally_lineage_decode(tally_slice_str(text), &b) != TALLY_OK) abort();
        if (tally_lineage_encode(&b, &again) != TALLY_OK || strcmp(text, again) != 0) abort();
        tally_lineage_free(&b);
        free(again);
    }
    free(text);
    tally_lineage_free(&a);
}

static void try_object(struct tally_slice in)
{
    struct tally_lineage_object o;
    struct tally_lineage l;

    if (tally_lineage_object_decode(in, &o) != TALLY_OK) return;
    if (!inside(o.envelope, in) || !inside(o.key_block, in) || !inside(o.ev, in) ||
        !inside(o.endorsements, in))
        abort();
    if (tally_lineage_claimed(&o, TALLY_MODE_TEST, &l) == TALLY_OK) tally_lineage_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    struct tally_slice in = tally_slice_of(data + 1, size - 1);
    switch (data[0] % 5) {
    case 0: try_message(in); break;
    case 1: try_payload(in); break;
    case 2: try_evaluation(in); break;
    case 3: try_lineage(in); break;
    default: try_object(in); break;
    }
    return 0;
}
