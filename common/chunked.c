/* chunked.c - see chunked.h: sizes, keys and the writer; chunked_open.c has the readers. */
#include "common/chunked.h"

#include <sodium.h>
#include <string.h>

#include "common/chunked_keys.h"
#include "common/hash.h"
#include "common/secret.h"

static const char label[] = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM"; /* zero included */

enum tally_status tally_chunked_file_bytes(uint64_t plain_bytes, uint64_t *file_bytes)
{
    TALLY_ENSURE(plain_bytes <= TALLY_CHUNKED_PLAIN_MAX, TALLY_E_LIMIT,
                 "%llu bytes are too many for one file", (unsigned long long)plain_bytes);
    *file_bytes = TALLY_CHUNKED_HEADER_BYTES + plain_bytes +
                  (plain_bytes / TALLY_CHUNK_BYTES + 1) * TALLY_AEAD_TAG_BYTES;
    return TALLY_OK;
}

enum tally_status tally_chunked_plain_bytes(uint64_t file_bytes, uint64_t *plain_bytes)
{
    TALLY_ENSURE(file_bytes >= TALLY_CHUNKED_HEADER_BYTES, TALLY_E_WIRE,
                 "%llu bytes: shorter than a header", (unsigned long long)file_bytes);
    uint64_t body = file_bytes - TALLY_CHUNKED_HEADER_BYTES;
    uint64_t full = body / TALLY_CHUNK_SEALED_BYTES, rest = body % TALLY_CHUNK_SEALED_BYTES;
    TALLY_ENSURE(rest >= TALLY_AEAD_TAG_BYTES, TALLY_E_WIRE,
                 "%llu bytes: the last chunk is cut short", (unsigned long long)file_bytes);
    TALLY_ENSURE(full < TALLY_CHUNKS_MAX, TALLY_E_LIMIT, "%llu bytes are too many for one file",
                 (unsigned long long)file_bytes);
    *plain_bytes = full * TALLY_CHUNK_BYTES + rest - TALLY_AEAD_TAG_BYTES;
    return TALLY_OK;
}

enum tally_status tally_chunked_init(struct tally_chunked *c,
                                     const uint8_t key[TALLY_CHUNKED_KEY_BYTES],
                                     struct tally_slice context,
                                     const uint8_t salt[TALLY_CHUNKED_SALT_BYTES])
{
    uint8_t text[sizeof label + TALLY_CHUNKED_SALT_BYTES + TALLY_CHUNKED_CONTEXT_MAX];
    uint8_t derived[TALLY_AEAD_KEY_BYTES + TALLY_AEAD_NONCE_BYTES + TALLY_CHUNKED_COMMITMENT_BYTES];
    struct tally_slice info;
    struct tally_wr w = tally_wr_to(text, sizeof text);

    TALLY_ENSURE(context.len <= TALLY_CHUNKED_CONTEXT_MAX, TALLY_E_LIMIT, "context of %zu bytes",
                 context.len);
    tally_wr_put(&w, label, sizeof label);
    tally_wr_put(&w, salt, TALLY_CHUNKED_SALT_BYTES);
    tally_wr_bytes(&w, context);
    TALLY_TRY(tally_wr_end(&w, &info));
    tally_hkdf_expand(TALLY_SHA512, tally_slice_of(key, TALLY_CHUNKED_KEY_BYTES), info, derived,
                      sizeof derived);
    enum tally_status s = tally_aead_init(&c->aead, derived);
    struct tally_rd r = tally_rd_from(TALLY_SLICE(derived));
    (void)tally_rd_bytes(&r, TALLY_AEAD_KEY_BYTES, "key");
    tally_rd_copy(&r, c->base_nonce, sizeof c->base_nonce, "base nonce");
    tally_rd_copy(&r, c->commitment, sizeof c->commitment, "commitment");
    sodium_memzero(derived, sizeof derived);
    return s;
}

void tally_chunked_free(struct tally_chunked *c)
{
    tally_aead_free(&c->aead);
    sodium_memzero(c, sizeof *c);
}

/* base nonce XOR k, big-endian. */
static void nonce_of(const struct tally_chunked *c, uint64_t k,
                     uint8_t nonce[TALLY_AEAD_NONCE_BYTES])
{
    memcpy(nonce, c->base_nonce, TALLY_AEAD_NONCE_BYTES);
    for (size_t i = 0; i < sizeof k; i++)
        nonce[TALLY_AEAD_NONCE_BYTES - 1 - i] ^= (uint8_t)(k >> 8 * i);
}

enum tally_status tally_chunked_seal_chunk_(struct tally_chunked *c, uint64_t k,
                                            struct tally_slice plain, uint8_t *sealed)
{
    uint8_t nonce[TALLY_AEAD_NONCE_BYTES];

    TALLY_ENSURE(k < TALLY_CHUNKS_MAX, TALLY_E_LIMIT, "too many bytes for one file");
    nonce_of(c, k, nonce);
    return tally_aead_seal(&c->aead, nonce, tally_slice_of(NULL, 0), plain, sealed);
}

enum tally_status tally_chunked_open_chunk_(struct tally_chunked *c, uint64_t k,
                                            struct tally_slice sealed, uint8_t *plain)
{
    uint8_t nonce[TALLY_AEAD_NONCE_BYTES];

    TALLY_ENSURE(k < TALLY_CHUNKS_MAX, TALLY_E_LIMIT, "too many bytes for one file");
    nonce_of(c, k, nonce);
    return tally_aead_open(&c->aead, nonce, tally_slice_of(NULL, 0), sealed, plain);
}

static enum tally_status write_header(struct tally_chunked_writer *w,
                                      const uint8_t salt[TALLY_CHUNKED_SALT_BYTES])
{
    TALLY_TRY(w->sink.put(w->sink.to, tally_slice_of(salt, TALLY_CHUNKED_SALT_BYTES)));
    return w->sink.put(w->sink.to, TALLY_SLICE(w->keys.commitment));
}

enum tally_status tally_chunked_writer_init(struct tally_chunked_writer *w,
                                            const uint8_t key[TALLY_CHUNKED_KEY_BYTES],
                                            struct tally_slice context,
                                            const uint8_t salt[TALLY_CHUNKED_SALT_BYTES],
                                            struct tally_sink sink)
{
    w->keys = (struct tally_chunked){0};
    w->sink = sink;
    w->chunk = 0;
    w->used = 0;
    w->live = false;
    TALLY_TRY(tally_chunked_init(&w->keys, key, context, salt));
    enum tally_status s = write_header(w, salt);
    if (s != TALLY_OK) tally_chunked_free(&w->keys);
    w->live = s == TALLY_OK;
    return s;
}

static enum tally_status write_chunk(struct tally_chunked_writer *w, struct tally_slice plain)
{
    TALLY_TRY(tally_chunked_seal_chunk_(&w->keys, w->chunk, plain, w->sealed));
    w->chunk++;
    return w->sink.put(w->sink.to, tally_slice_of(w->sealed, plain.len + TALLY_AEAD_TAG_BYTES));
}

/* A full chunk is never the last, so it goes out at once; whole ones straight from the caller. */
static enum tally_status write_some(struct tally_chunked_writer *w, struct tally_rd *in)
{
    size_t room = sizeof w->plain - w->used, n = in->left < room ? in->left : room;

    if (w->used == 0 && n == TALLY_CHUNK_BYTES)
        return write_chunk(w, tally_rd_bytes(in, n, "plaintext"));
    tally_rd_copy(in, w->plain + w->used, n, "plaintext");
    w->used += n;
    if (w->used < sizeof w->plain) return TALLY_OK;
    w->used = 0;
    return write_chunk(w, TALLY_SLICE(w->plain));
}

enum tally_status tally_chunked_writer_add(struct tally_chunked_writer *w, struct tally_slice plain)
{
    struct tally_rd in = tally_rd_from(plain);

    TALLY_ENSURE(w->live, TALLY_E_STATE, "the sealed file is ended");
    w->live = false;
    while (in.left > 0) TALLY_TRY(write_some(w, &in));
    w->live = true;
    return TALLY_OK;
}

enum tally_status tally_chunked_writer_end(struct tally_chunked_writer *w)
{
    TALLY_ENSURE(w->live, TALLY_E_STATE, "the sealed file is ended");
    w->live = false;
    return write_chunk(w, tally_slice_of(w->plain, w->used));
}

void tally_chunked_writer_free(struct tally_chunked_writer *w)
{
    tally_chunked_free(&w->keys);
    sodium_memzero(w->plain, sizeof w->plain);
    w->live = false;
}

enum tally_status tally_chunked_seal(const uint8_t key[TALLY_CHUNKED_KEY_BYTES],
                                     struct tally_slice context,
                                     const uint8_t salt[TALLY_CHUNKED_SALT_BYTES],
                                     struct tally_slice plain, uint8_t *file)
{
    TALLY_CLEANUP(tally_chunked_free) struct tally_chunked c = {0};
    struct tally_rd r = tally_rd_from(plain);
    size_t n = TALLY_CHUNK_BYTES;

    TALLY_TRY(tally_chunked_init(&c, key, context, salt));
    memcpy(file, salt, TALLY_CHUNKED_SALT_BYTES);
    memcpy(file + TALLY_CHUNKED_SALT_BYTES, c.commitment, sizeof c.commitment);
    file += TALLY_CHUNKED_HEADER_BYTES;
    for (uint64_t k = 0; n == TALLY_CHUNK_BYTES; k++) {
        n = r.left < TALLY_CHUNK_BYTES ? r.left : TALLY_CHUNK_BYTES;
        TALLY_TRY(tally_chunked_seal_chunk_(&c, k, tally_rd_bytes(&r, n, "plaintext"), file));
        file += n + TALLY_AEAD_TAG_BYTES;
    }
    return TALLY_OK;
}
