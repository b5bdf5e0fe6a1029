/* chunked_open.c - the two readers of chunked.h. */
#include <sodium.h>
#include <string.h>

#include "common/chunked.h"
#include "common/chunked_keys.h"
#include "common/secret.h"

/* Keys from a file's header, and the commitment checked before any chunk. */
static enum tally_status accept_header(struct tally_chunked *c, const uint8_t key[32],
                                       struct tally_slice context,
                                       const uint8_t header[TALLY_CHUNKED_HEADER_BYTES])
{
    struct tally_slice claimed =
        tally_slice_of(header + TALLY_CHUNKED_SALT_BYTES, TALLY_CHUNKED_COMMITMENT_BYTES);

    TALLY_TRY(tally_chunked_init(c, key, context, header));
    if (!tally_secret_equal(claimed, TALLY_SLICE(c->commitment))) {
        tally_chunked_free(c);
        return TALLY_REFUSE(TALLY_R_E_AUTH, "the file is sealed under another key or context");
    }
    return TALLY_OK;
}

enum tally_status tally_chunked_reader_init(struct tally_chunked_reader *r,
                                            const uint8_t key[TALLY_CHUNKED_KEY_BYTES],
                                            struct tally_slice context, struct tally_sink sink)
{
    r->keys = (struct tally_chunked){0};
    r->sink = sink;
    r->chunk = 0;
    r->used = 0;
    r->at = TALLY_CHUNKED_DEAD;
    TALLY_ENSURE(context.len <= sizeof r->context, TALLY_E_LIMIT, "context of %zu bytes",
                 context.len);
    memcpy(r->key, key, sizeof r->key);
    if (context.len != 0) memcpy(r->context, context.at, context.len);
    r->context_len = context.len;
    r->at = TALLY_CHUNKED_HEADER;
    return TALLY_OK;
}

static enum tally_status take_header(struct tally_chunked_reader *r)
{
    TALLY_TRY(
        accept_header(&r->keys, r->key, tally_slice_of(r->context, r->context_len), r->sealed));
    sodium_memzero(r->key, sizeof r->key);
    return TALLY_OK;
}

static enum tally_status take_chunk(struct tally_chunked_reader *r, struct tally_slice sealed)
{
    TALLY_TRY(tally_chunked_open_chunk_(&r->keys, r->chunk, sealed, r->plain));
    r->chunk++;
    return r->sink.put(r->sink.to, tally_slice_of(r->plain, sealed.len - TALLY_AEAD_TAG_BYTES));
}

/* A chunk of full size is never the last, so it can be opened as soon as it is here. */
static enum tally_status read_some(struct tally_chunked_reader *r, struct tally_rd *in)
{
    size_t room = sizeof r->sealed - r->used, n = in->left < room ? in->left : room;

    if (r->used == 0 && n == TALLY_CHUNK_SEALED_BYTES)
        return take_chunk(r, tally_rd_bytes(in, n, "chunk"));
    tally_rd_copy(in, r->sealed + r->used, n, "chunk");
    r->used += n;
    if (r->used < sizeof r->sealed) return TALLY_OK;
    r->used = 0;
    return take_chunk(r, TALLY_SLICE(r->sealed));
}

static enum tally_status read_header(struct tally_chunked_reader *r, struct tally_rd *in,
                                     bool *whole)
{
    size_t room = TALLY_CHUNKED_HEADER_BYTES - r->used, n = in->left < room ? in->left : room;

    tally_rd_copy(in, r->sealed + r->used, n, "header");
    r->used += n;
    *whole = r->used == TALLY_CHUNKED_HEADER_BYTES;
    if (!*whole) return TALLY_OK;
    r->used = 0;
    return take_header(r);
}

enum tally_status tally_chunked_reader_add(struct tally_chunked_reader *r, struct tally_slice file)
{
    struct tally_rd in = tally_rd_from(file);
    bool body = r->at == TALLY_CHUNKED_BODY;

    TALLY_ENSURE(r->at != TALLY_CHUNKED_DEAD, TALLY_E_STATE, "the sealed file is ended");
    r->at = TALLY_CHUNKED_DEAD;
    if (!body) TALLY_TRY(read_header(r, &in, &body));
    while (in.left > 0) TALLY_TRY(read_some(r, &in));
    r->at = body ? TALLY_CHUNKED_BODY : TALLY_CHUNKED_HEADER;
    return TALLY_OK;
}

enum tally_status tally_chunked_reader_end(struct tally_chunked_reader *r)
{
    bool body = r->at == TALLY_CHUNKED_BODY;

    TALLY_ENSURE(r->at != TALLY_CHUNKED_DEAD, TALLY_E_STATE, "the sealed file is ended");
    r->at = TALLY_CHUNKED_DEAD;
    TALLY_REFUSE_UNLESS(body && r->used >= TALLY_AEAD_TAG_BYTES, TALLY_R_E_AUTH,
                        "the sealed file is cut short");
    return take_chunk(r, tally_slice_of(r->sealed, r->used));
}

void tally_chunked_reader_free(struct tally_chunked_reader *r)
{
    tally_chunked_free(&r->keys);
    sodium_memzero(r->key, sizeof r->key);
    sodium_memzero(r->plain, sizeof r->plain);
    r->at = TALLY_CHUNKED_DEAD;
}

/* len bytes of the file at offset, which lie in it: in place, or read to `room`. */
static enum tally_status fetch(struct tally_chunked_file *f, uint64_t offset, size_t len,
                               uint8_t *room, struct tally_slice *out)
{
    if (f->source.memory.at != NULL) {
        struct tally_rd r = tally_rd_from(f->source.memory);
        (void)tally_rd_bytes(&r, offset, "sealed file");
        *out = tally_rd_bytes(&r, len, "sealed file");
        TALLY_ASSERT(r.bad == NULL);
        return TALLY_OK;
    }
    TALLY_TRY(f->source.read(f->source.from, offset, room, len));
    *out = tally_slice_of(room, len);
    return TALLY_OK;
}

static enum tally_status check_ends(struct tally_chunked_file *f, const uint8_t key[32],
                                    struct tally_slice context)
{
    struct tally_slice header;

    TALLY_TRY(fetch(f, 0, TALLY_CHUNKED_HEADER_BYTES, f->sealed, &header));
    TALLY_TRY(accept_header(&f->keys, key, context, header.at));
    return tally_chunked_file_chunk(f, f->chunks - 1, f->plain);
}

enum tally_status tally_chunked_file_open(struct tally_chunked_file *f,
                                          const uint8_t key[TALLY_CHUNKED_KEY_BYTES],
                                          struct tally_slice context,
                                          struct tally_chunked_source source, uint64_t file_bytes)
{
    f->keys = (struct tally_chunked){0};
    f->source = source;
    f->file_bytes = file_bytes;
    f->plain_bytes = f->chunks = 0;
    TALLY_ENSURE(source.memory.at == NULL || source.memory.len == file_bytes, TALLY_E_WIRE,
                 "%zu bytes in memory, not %llu", source.memory.len,
                 (unsigned long long)file_bytes);
    TALLY_TRY(tally_chunked_plain_bytes(file_bytes, &f->plain_bytes));
    f->chunks = f->plain_bytes / TALLY_CHUNK_BYTES + 1;
    enum tally_status s = check_ends(f, key, context);
    if (s != TALLY_OK) tally_chunked_file_close(f);
    return s;
}

size_t tally_chunked_file_chunk_bytes(const struct tally_chunked_file *f, uint64_t k)
{
    TALLY_ASSERT(k < f->chunks);
    return k + 1 < f->chunks ? TALLY_CHUNK_BYTES : (size_t)(f->plain_bytes % TALLY_CHUNK_BYTES);
}

enum tally_status tally_chunked_file_chunk(struct tally_chunked_file *f, uint64_t k, uint8_t *to)
{
    size_t n = tally_chunked_file_chunk_bytes(f, k);
    struct tally_slice sealed;

    TALLY_TRY(fetch(f, TALLY_CHUNKED_HEADER_BYTES + k * TALLY_CHUNK_SEALED_BYTES,
                    n + TALLY_AEAD_TAG_BYTES, f->sealed, &sealed));
    return tally_chunked_open_chunk_(&f->keys, k, sealed, to);
}

/* What one chunk has of the range: a whole one straight to `to`, a part through f->plain. */
static enum tally_status read_part(struct tally_chunked_file *f, uint64_t offset, size_t n,
                                   uint8_t *to)
{
    uint64_t k = offset / TALLY_CHUNK_BYTES;
    struct tally_rd r = tally_rd_from(TALLY_SLICE(f->plain));

    if (n == tally_chunked_file_chunk_bytes(f, k)) return tally_chunked_file_chunk(f, k, to);
    TALLY_TRY(tally_chunked_file_chunk(f, k, f->plain));
    (void)tally_rd_bytes(&r, offset % TALLY_CHUNK_BYTES, "plaintext");
    tally_rd_copy(&r, to, n, "plaintext");
    return TALLY_OK;
}

static enum tally_status read_range(struct tally_chunked_file *f, uint64_t offset, size_t len,
                                    uint8_t *to)
{
    for (size_t done = 0, n; done < len; done += n) {
        size_t room = TALLY_CHUNK_BYTES - (offset + done) % TALLY_CHUNK_BYTES;
        n = len - done < room ? len - done : room;
        TALLY_TRY(read_part(f, offset + done, n, to + done));
    }
    return TALLY_OK;
}

enum tally_status tally_chunked_file_range(struct tally_chunked_file *f, uint64_t offset,
                                           size_t len, uint8_t *to)
{
    TALLY_ENSURE(offset <= f->plain_bytes && len <= f->plain_bytes - offset, TALLY_E_LIMIT,
                 "%zu bytes at %llu of %llu", len, (unsigned long long)offset,
                 (unsigned long long)f->plain_bytes);
    enum tally_status s = read_range(f, offset, len, to);
    if (s != TALLY_OK) sodium_memzero(to, len);
    return s;
}

void tally_chunked_file_close(struct tally_chunked_file *f)
{
    tally_chunked_free(&f->keys);
    sodium_memzero(f->plain, sizeof f->plain);
    f->chunks = f->plain_bytes = f->file_bytes = 0;
}
