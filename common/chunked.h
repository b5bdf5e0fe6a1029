/* chunked.h - bulk encryption: C2SP chunked encryption (c2sp.org/chunked-encryption@v1) in the form
 * "Cobblestone-256": HKDF-Expand-SHA-512 and AES-256-GCM (CHANNEL.md section 1).
 *
 *   file = salt[24] || commitment[32] || chunks of 16,384 bytes + tag[16]; the last one strictly
 *   shorter, perhaps empty; nonce of chunk k = base nonce XOR k, no associated data
 *
 * Cutting, swapping and lengthening fail, the key is committed to, and each chunk opens alone. One
 * key is for one file. The writer and the two readers keep one cipher context each, allocate
 * nothing per chunk and belong to one thread at a time. */
#pragma once

#include "common/aead.h"
#include "common/bytes.h"

enum {
    TALLY_CHUNKED_KEY_BYTES = 32,
    TALLY_CHUNKED_SALT_BYTES = 24,
    TALLY_CHUNKED_COMMITMENT_BYTES = 32,
    TALLY_CHUNKED_HEADER_BYTES = TALLY_CHUNKED_SALT_BYTES + TALLY_CHUNKED_COMMITMENT_BYTES,
    TALLY_CHUNK_BYTES = 16384,
    TALLY_CHUNK_SEALED_BYTES = TALLY_CHUNK_BYTES + TALLY_AEAD_TAG_BYTES,
    TALLY_CHUNKED_CONTEXT_MAX = 512, /* bytes */
};
#define TALLY_CHUNKS_MAX        (UINT64_C(1) << 38) /* of the specification: 4 PiB */
#define TALLY_CHUNKED_PLAIN_MAX (TALLY_CHUNKS_MAX * TALLY_CHUNK_BYTES - 1)

/* Size of the file with that much plaintext; TALLY_E_LIMIT above TALLY_CHUNKED_PLAIN_MAX. */
TALLY_RESULT tally_chunked_file_bytes(uint64_t plain_bytes, uint64_t *file_bytes);
/* And back; TALLY_E_WIRE for a size that no file has, TALLY_E_LIMIT for one too large. */
TALLY_RESULT tally_chunked_plain_bytes(uint64_t file_bytes, uint64_t *plain_bytes);

/* What the key gives for one salt and context. */
struct tally_chunked {
    struct tally_aead aead;
    uint8_t base_nonce[TALLY_AEAD_NONCE_BYTES];
    uint8_t commitment[TALLY_CHUNKED_COMMITMENT_BYTES];
};
TALLY_RESULT tally_chunked_init(struct tally_chunked *c, const uint8_t key[TALLY_CHUNKED_KEY_BYTES],
                                struct tally_slice context,
                                const uint8_t salt[TALLY_CHUNKED_SALT_BYTES]);
void tally_chunked_free(struct tally_chunked *c); /* wipes; idempotent */

/* Where bytes go; a failure of put ends the writer or reader with that status. */
struct tally_sink {
    enum tally_status (*put)(void *to, struct tally_slice bytes);
    void *to;
};

/* Plaintext in, file out: init puts the header, add any lengths, end puts the last chunk. After a
 * failure everything more is TALLY_E_STATE. salt: fresh random bytes. */
struct tally_chunked_writer {
    struct tally_chunked keys;
    struct tally_sink sink;
    uint64_t chunk; /* number of the next one */
    size_t used;    /* bytes waiting in plain */
    bool live;
    uint8_t plain[TALLY_CHUNK_BYTES];
    uint8_t sealed[TALLY_CHUNK_SEALED_BYTES];
};
TALLY_RESULT tally_chunked_writer_init(struct tally_chunked_writer *w,
                                       const uint8_t key[TALLY_CHUNKED_KEY_BYTES],
                                       struct tally_slice context,
                                       const uint8_t salt[TALLY_CHUNKED_SALT_BYTES],
                                       struct tally_sink sink);
TALLY_RESULT tally_chunked_writer_add(struct tally_chunked_writer *w, struct tally_slice plain);
TALLY_RESULT tally_chunked_writer_end(struct tally_chunked_writer *w);
void tally_chunked_writer_free(struct tally_chunked_writer *w); /* wipes; idempotent */

/* A whole file at once; file has the size tally_chunked_file_bytes(plain.len). */
TALLY_RESULT tally_chunked_seal(const uint8_t key[TALLY_CHUNKED_KEY_BYTES],
                                struct tally_slice context,
                                const uint8_t salt[TALLY_CHUNKED_SALT_BYTES],
                                struct tally_slice plain, uint8_t *file);

/* File in, plaintext out, each chunk once its tag fits. What the sink got may have been cut short:
 * nothing may be done with it before end returned TALLY_OK. E_AUTH for every changed, cut, swapped
 * or lengthened file, wrong key and wrong context; then everything more is TALLY_E_STATE. */
struct tally_chunked_reader {
    struct tally_chunked keys;
    struct tally_sink sink;
    uint64_t chunk;
    size_t used; /* bytes waiting in sealed: of the header, then of a chunk */
    enum { TALLY_CHUNKED_DEAD, TALLY_CHUNKED_HEADER, TALLY_CHUNKED_BODY } at;
    uint8_t key[TALLY_CHUNKED_KEY_BYTES];
    uint8_t context[TALLY_CHUNKED_CONTEXT_MAX];
    size_t context_len;
    uint8_t sealed[TALLY_CHUNK_SEALED_BYTES];
    uint8_t plain[TALLY_CHUNK_BYTES];
};
TALLY_RESULT tally_chunked_reader_init(struct tally_chunked_reader *r,
                                       const uint8_t key[TALLY_CHUNKED_KEY_BYTES],
                                       struct tally_slice context, struct tally_sink sink);
TALLY_RESULT tally_chunked_reader_add(struct tally_chunked_reader *r, struct tally_slice file);
TALLY_RESULT tally_chunked_reader_end(struct tally_chunked_reader *r);
void tally_chunked_reader_free(struct tally_chunked_reader *r); /* wipes; idempotent */

/* Where a file's bytes come from: memory, or a call that reads exactly len bytes at offset. */
struct tally_chunked_source {
    struct tally_slice memory; /* if memory.at is not NULL */
    enum tally_status (*read)(void *from, uint64_t offset, uint8_t *to, size_t len);
    void *from;
};

/* Random access. Opening checks the size, the commitment and the last chunk's tag, so the length is
 * authentic; every chunk is checked when it is opened. */
struct tally_chunked_file {
    struct tally_chunked keys;
    struct tally_chunked_source source;
    uint64_t file_bytes, plain_bytes;
    uint64_t chunks; /* at least 1 */
    uint8_t sealed[TALLY_CHUNK_SEALED_BYTES];
    uint8_t plain[TALLY_CHUNK_BYTES];
};
TALLY_RESULT tally_chunked_file_open(struct tally_chunked_file *f,
                                     const uint8_t key[TALLY_CHUNKED_KEY_BYTES],
                                     struct tally_slice context, struct tally_chunked_source source,
                                     uint64_t file_bytes);
/* Bytes of chunk k: TALLY_CHUNK_BYTES but for the last. */
size_t tally_chunked_file_chunk_bytes(const struct tally_chunked_file *f, uint64_t k);
/* Plaintext of chunk k, k < chunks, to `to`, which has room for its bytes; E_AUTH leaves zeros. */
TALLY_RESULT tally_chunked_file_chunk(struct tally_chunked_file *f, uint64_t k, uint8_t *to);
/* Plaintext bytes offset to offset + len: the same coordinates of many updates at once.
 * TALLY_E_LIMIT past the end; on failure `to` is zeros. */
TALLY_RESULT tally_chunked_file_range(struct tally_chunked_file *f, uint64_t offset, size_t len,
                                      uint8_t *to);
void tally_chunked_file_close(struct tally_chunked_file *f); /* wipes; idempotent */
