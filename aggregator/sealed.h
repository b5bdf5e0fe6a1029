/* sealed.h - a sealed update on disk, opened with its content key: its payload's head whole, its
 * values by range. Used once when it arrives, to check all of it, and again when it is combined,
 * slice by slice beside the others. Plaintext lives in guarded memory and the caller's slices. */
#pragma once

#include "common/chunked.h"
#include "common/secret.h"
#include "proto/payload.h"

struct tally_sealed {
    int fd;
    struct tally_secret file;   /* struct tally_chunked_file */
    struct tally_secret head;   /* the plaintext up to the values */
    struct tally_payload parts; /* slices into head */
    uint64_t values_at;         /* where they begin in the plaintext */
};

/* The content key of a wrap for `key_id`, whose KEM secret is ours; E_AUTH if it is not. */
TALLY_RESULT tally_sealed_key(const uint8_t kem_secret[32], const uint8_t key_id[32],
                              const uint8_t wrap[TALLY_WRAP_BYTES], const uint8_t seal_digest[32],
                              struct tally_secret *key);

/* Opens `path` as the file that `st` speaks of. E_UPDATE or E_AUTH if it is not. */
TALLY_RESULT tally_sealed_open(const char *path, const struct tally_secret *key,
                               const struct tally_statement *st, struct tally_sealed *s);
/* Values first to first + n, n at most TALLY_SEALED_SLICE; TALLY_E_LIMIT past the last one. */
enum { TALLY_SEALED_SLICE = 1 << 16 };
TALLY_RESULT tally_sealed_values(struct tally_sealed *s, uint64_t first, size_t n, float *out);
/* Reads all of it: every tag fits, every value is finite, the evaluation adds up. E_UPDATE. */
TALLY_RESULT tally_sealed_check(struct tally_sealed *s);
void tally_sealed_close(struct tally_sealed *s); /* wipes; idempotent on an empty one */
#define TALLY_SEALED_EMPTY ((struct tally_sealed){.fd = -1})
