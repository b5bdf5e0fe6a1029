/* fuzz_frames.c - any bytes as any structure of the channel: the first byte says which. What is
 * accepted comes out as it went in; messages and the agent's memory, which have more than one
 * form, come out as something that reads the same again. */
#include <stdlib.h>
#include <string.h>

#include "tests/proto/codecs.h"

enum { OUT_BYTES = 1 << 20 };

static enum tally_status any_message(struct tally_slice in, struct tally_wr *w)
{
    struct tally_message m, again;
    struct tally_slice out;

    TALLY_TRY(tally_message_decode(in, &m));
    tally_message_encode(w, &m);
    if (tally_wr_end(w, &out) != TALLY_OK || tally_message_decode(out, &again) != TALLY_OK) abort();
    w->used = 0;
    tally_wr_bytes(w, in);
    return TALLY_OK;
}

static enum tally_status any_member(struct tally_slice in, struct tally_wr *w)
{
    struct tally_member m;
    uint8_t out[TALLY_MEMBER_BYTES];

    TALLY_TRY(tally_member_decode(in, &m));
    tally_member_encode(&m, out);
    if (tally_member_decode(TALLY_SLICE(out), &m) != TALLY_OK) abort();
    tally_wr_bytes(w, in);
    return TALLY_OK;
}

static const struct codec codecs[] = {
    {"m1",             codec_m1            },
    {"m2",             codec_m2            },
    {"key block",      codec_key_block     },
    {"proof",          codec_proof         },
    {"refusal",        codec_refusal       },
    {"chunk",          codec_chunk         },
    {"opening",        codec_opening       },
    {"payload header", codec_payload_header},
    {"statement",      codec_statement     },
    {"upload head",    codec_upload_head   },
    {"set",            codec_set           },
    {"evaluation",     codec_evaluation    },
    {"payload",        codec_payload       },
    {"message",        any_message         },
    {"member",         any_member          },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[OUT_BYTES];
    struct tally_wr w = tally_wr_to(out, sizeof out);

    if (size == 0 || size > OUT_BYTES) return 0;
    const struct codec *c = &codecs[data[0] % (sizeof codecs / sizeof *codecs)];
    struct tally_slice in = tally_slice_of(data + 1, size - 1);
    enum tally_status s = c->again(in, &w);
    if (s != TALLY_OK) return 0;
    if (w.full || w.used != in.len || memcmp(out, in.at, in.len) != 0) abort();
    return 0;
}
