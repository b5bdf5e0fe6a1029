/* pack.c - see pack.h. */
#include "common/pack.h"

#include <msgpack.h>
#include <string.h>

static int write_to(void *data, const char *buf, size_t len)
{
    tally_wr_put(data, buf, len);
    return 0;
}

static msgpack_packer packer(struct tally_wr *w)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, w, write_to);
    return pk;
}

void tally_pack_array(struct tally_wr *w, uint32_t n)
{
    msgpack_packer pk = packer(w);
    (void)msgpack_pack_array(&pk, n);
}

void tally_pack_uint(struct tally_wr *w, uint64_t v)
{
    msgpack_packer pk = packer(w);
    (void)msgpack_pack_uint64(&pk, v);
}

void tally_pack_bool(struct tally_wr *w, bool v)
{
    msgpack_packer pk = packer(w);
    (void)(v ? msgpack_pack_true(&pk) : msgpack_pack_false(&pk));
}

void tally_pack_bin(struct tally_wr *w, struct tally_slice s)
{
    msgpack_packer pk = packer(w);
    (void)msgpack_pack_bin(&pk, s.len);
    if (s.len != 0) (void)msgpack_pack_bin_body(&pk, s.at, s.len);
}

void tally_pack_str(struct tally_wr *w, struct tally_slice s)
{
    msgpack_packer pk = packer(w);
    (void)msgpack_pack_str(&pk, s.len);
    if (s.len != 0) (void)msgpack_pack_str_body(&pk, s.at, s.len);
}

static uint64_t be(struct tally_rd *r, unsigned bytes, const char *field)
{
    switch (bytes) {
    case 1: return tally_rd_u8(r, field);
    case 2: return tally_rd_be16(r, field);
    case 4: return tally_rd_be32(r, field);
    default: return tally_rd_be64(r, field);
    }
}

void tally_unpack_array(struct tally_rd *r, uint32_t n, const char *field)
{
    if (tally_unpack_list(r, n, field) != n) tally_rd_fail(r, field);
}

uint32_t tally_unpack_list(struct tally_rd *r, uint32_t max, const char *field)
{
    uint8_t tag = tally_rd_u8(r, field);
    uint64_t n = 0;

    if (tag >> 4 == 9)
        n = tag & 15;
    else if (tag == 0xdc)
        n = be(r, 2, field);
    else if (tag == 0xdd)
        n = be(r, 4, field);
    else
        tally_rd_fail(r, field);
    if (n > max || n > r->left) tally_rd_fail(r, field);
    return r->bad ? 0 : (uint32_t)n;
}

uint64_t tally_unpack_uint(struct tally_rd *r, uint64_t max, const char *field)
{
    uint8_t tag = tally_rd_u8(r, field);
    uint64_t v = tag;

    if (tag >= 0xcc && tag <= 0xcf)
        v = be(r, 1U << (tag - 0xcc), field);
    else if (tag > 0x7f)
        tally_rd_fail(r, field);
    if (v > max) tally_rd_fail(r, field);
    return r->bad ? 0 : v;
}

bool tally_unpack_bool(struct tally_rd *r, const char *field)
{
    uint8_t tag = tally_rd_u8(r, field);

    if (tag != 0xc2 && tag != 0xc3) tally_rd_fail(r, field);
    return !r->bad && tag == 0xc3;
}

static struct tally_slice body(struct tally_rd *r, uint64_t n, size_t max, const char *field)
{
    if (n > max) tally_rd_fail(r, field);
    return tally_rd_bytes(r, r->bad ? 0 : (size_t)n, field);
}

struct tally_slice tally_unpack_bin(struct tally_rd *r, size_t max, const char *field)
{
    uint8_t tag = tally_rd_u8(r, field);

    if (tag < 0xc4 || tag > 0xc6) tally_rd_fail(r, field);
    return body(r, be(r, 1U << ((tag - 0xc4) & 3), field), max, field);
}

struct tally_slice tally_unpack_str(struct tally_rd *r, size_t max, const char *field)
{
    uint8_t tag = tally_rd_u8(r, field);

    if (tag >> 5 == 5) return body(r, tag & 31, max, field);
    if (tag < 0xd9 || tag > 0xdb) tally_rd_fail(r, field);
    return body(r, be(r, 1U << ((tag - 0xd9) & 3), field), max, field);
}

void tally_unpack_fixed(struct tally_rd *r, void *to, size_t n, const char *field)
{
    struct tally_slice s = tally_unpack_bin(r, n, field);

    memset(to, 0, n);
    if (s.len != n)
        tally_rd_fail(r, field);
    else
        memcpy(to, s.at, n);
}
