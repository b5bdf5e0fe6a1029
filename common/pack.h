/* pack.h - MessagePack (msgpack.org specification) for messages between programs.
 *
 * Written with msgpack-c into a bounded writer; read with our own cursor, because a five-byte
 * header makes msgpack-c's unpacker reserve gigabytes. A message is an array of known length
 * whose items are unsigned integers, booleans, binaries and strings: nothing else is read, so
 * depth is 1 (2 for lists of binaries). */
#pragma once

#include "common/bytes.h"

void tally_pack_array(struct tally_wr *w, uint32_t n);
void tally_pack_uint(struct tally_wr *w, uint64_t v);
void tally_pack_bool(struct tally_wr *w, bool v);
void tally_pack_bin(struct tally_wr *w, struct tally_slice s);
void tally_pack_str(struct tally_wr *w, struct tally_slice s);

/* Readers fail stickily in r, as those of bytes.h. An array of exactly n items. */
void tally_unpack_array(struct tally_rd *r, uint32_t n, const char *field);
/* An array of at most max items; fails unless the bytes left could hold them. */
uint32_t tally_unpack_list(struct tally_rd *r, uint32_t max, const char *field);
uint64_t tally_unpack_uint(struct tally_rd *r, uint64_t max, const char *field);
bool tally_unpack_bool(struct tally_rd *r, const char *field);
struct tally_slice tally_unpack_bin(struct tally_rd *r, size_t max, const char *field);
struct tally_slice tally_unpack_str(struct tally_rd *r, size_t max, const char *field);
/* A binary of exactly n bytes, copied. */
void tally_unpack_fixed(struct tally_rd *r, void *to, size_t n, const char *field);
