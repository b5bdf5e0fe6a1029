/* message.c - see message.h. */
#include "proto/message.h"

#include <stddef.h>
#include <string.h>

#include "common/attest/device.h"
#include "common/pack.h"

enum field_kind { U64, U32, BOOL, FIXED, BIN, STR };

struct field {
    enum field_kind kind;
    size_t at, max; /* offset in the message; largest value, or bytes */
    const char *name;
};

#define AT(f) offsetof(struct tally_message, f)
static const struct field time_ms = {U64, AT(time_ms), 0, "time_ms"},
                          round_ = {U64, AT(round), 0, "round"},
                          total = {U64, AT(total), 0, "total"}, kind = {U32, AT(kind), 0, "kind"},
                          first = {U32, AT(first), 0, "first"},
                          count = {U32, AT(count), 0, "count"}, done = {BOOL, AT(done), 0, "done"},
                          digest = {FIXED, AT(digest), 32, "digest"},
                          key_id = {FIXED, AT(key_id), 32, "key_id"},
                          signature = {FIXED, AT(signature), 64, "signature"},
                          wrap = {FIXED, AT(wrap), 80, "wrap"},
                          body = {BIN, AT(body), TALLY_MSG_DOCUMENT_MAX, "body"},
                          evidence = {BIN, AT(evidence), TALLY_EV_MAX, "evidence"},
                          endorsements = {BIN, AT(endorsements), TALLY_ENDORSEMENTS_MAX,
                                          "endorsements"},
                          reason = {STR, AT(reason), TALLY_REASON_NAME_MAX, "reason"},
                          text = {STR, AT(text), TALLY_MSG_TEXT_MAX, "text"};

enum { FIELDS_MAX = 6 };
static const struct {
    const char *name;
    const struct field *fields[FIELDS_MAX];
} table[TALLY_MSG_TYPES] = {
    [TALLY_MSG_HELLO] = {"HELLO",    {&time_ms, &round_, &digest, &text}                 },
    [TALLY_MSG_DOCUMENT] = {"DOCUMENT", {&kind, &body}                                      },
    [TALLY_MSG_GRANT] = {"GRANT",    {&digest, &body}                                    },
    [TALLY_MSG_OPEN] = {"OPEN",     {&body, &signature}                                 },
    [TALLY_MSG_FETCH] = {"FETCH",    {&kind, &digest, &first, &count}                    },
    [TALLY_MSG_OBJECT] = {"OBJECT",   {&kind, &digest, &total}                            },
    [TALLY_MSG_CREDIT] = {"CREDIT",   {&digest, &count}                                   },
    [TALLY_MSG_REFUSED] = {"REFUSED",  {&digest, &reason, &text}                           },
    [TALLY_MSG_UPLOAD] = {"UPLOAD",   {&body, &evidence, &endorsements, &signature, &wrap}},
    [TALLY_MSG_GO] = {"GO",       {&digest, &first, &count}                           },
    [TALLY_MSG_ACK] = {"ACK",      {&digest, &signature}                               },
    [TALLY_MSG_REWRAP] = {"REWRAP",   {&digest, &key_id, &wrap}                           },
    [TALLY_MSG_SET] = {"SET",      {&body, &signature}                                 },
    [TALLY_MSG_VOTE] = {"VOTE",     {&digest, &signature}                               },
    [TALLY_MSG_VERSION] = {"VERSION",  {&round_, &digest, &total, &done}                   },
    [TALLY_MSG_STATUS] = {"STATUS",   {&round_, &kind, &first, &total, &text}             },
};

static uint32_t fields_of(enum tally_message_type t)
{
    uint32_t n = 0;

    while (n < FIELDS_MAX && table[t].fields[n] != NULL) n++;
    return n;
}

const char *tally_message_name(enum tally_message_type t)
{
    return table[t].name;
}

static void encode_field(struct tally_wr *w, const struct field *f, const struct tally_message *m)
{
    const uint8_t *at = (const uint8_t *)m + f->at;
    uint64_t u64;
    uint32_t u32;
    struct tally_slice s;

    switch (f->kind) {
    case U64:
        memcpy(&u64, at, sizeof u64);
        tally_pack_uint(w, u64);
        break;
    case U32:
        memcpy(&u32, at, sizeof u32);
        tally_pack_uint(w, u32);
        break;
    case BOOL: tally_pack_bool(w, *at != 0); break;
    case FIXED: tally_pack_bin(w, tally_slice_of(at, f->max)); break;
    case BIN:
    case STR:
        memcpy(&s, at, sizeof s);
        if (s.len > f->max) w->full = true;
        if (f->kind == BIN)
            tally_pack_bin(w, s);
        else
            tally_pack_str(w, s);
        break;
    }
}

void tally_message_encode(struct tally_wr *w, const struct tally_message *m)
{
    TALLY_ASSERT(m->type >= TALLY_MSG_HELLO && m->type < TALLY_MSG_TYPES);
    uint32_t n = fields_of(m->type);

    tally_pack_array(w, n + 1);
    tally_pack_uint(w, m->type);
    for (uint32_t i = 0; i < n; i++) encode_field(w, table[m->type].fields[i], m);
}

static void decode_field(struct tally_rd *r, const struct field *f, struct tally_message *m)
{
    uint8_t *at = (uint8_t *)m + f->at;
    uint64_t u64;
    uint32_t u32;
    struct tally_slice s;

    switch (f->kind) {
    case U64:
        u64 = tally_unpack_uint(r, UINT64_MAX, f->name);
        memcpy(at, &u64, sizeof u64);
        break;
    case U32:
        u32 = (uint32_t)tally_unpack_uint(r, UINT32_MAX, f->name);
        memcpy(at, &u32, sizeof u32);
        break;
    case BOOL: *at = tally_unpack_bool(r, f->name); break;
    case FIXED: tally_unpack_fixed(r, at, f->max, f->name); break;
    case BIN:
    case STR:
        s = f->kind == BIN ? tally_unpack_bin(r, f->max, f->name)
                           : tally_unpack_str(r, f->max, f->name);
        memcpy(at, &s, sizeof s);
        break;
    }
}

enum tally_status tally_message_decode(struct tally_slice in, struct tally_message *m)
{
    struct tally_rd r = tally_rd_from(in);
    struct tally_message got = {0};

    uint32_t n = tally_unpack_list(&r, FIELDS_MAX + 1, "message");
    uint64_t type = tally_unpack_uint(&r, TALLY_MSG_TYPES - 1, "type");
    TALLY_ENSURE(r.bad == NULL && type >= TALLY_MSG_HELLO, TALLY_E_WIRE, "no message of ours");
    got.type = (enum tally_message_type)type;
    TALLY_ENSURE(n == fields_of(got.type) + 1, TALLY_E_WIRE, "%s with %u items", table[type].name,
                 n);
    for (uint32_t i = 0; i + 1 < n; i++) decode_field(&r, table[type].fields[i], &got);
    TALLY_TRY(tally_rd_end(&r));
    *m = got;
    return TALLY_OK;
}
