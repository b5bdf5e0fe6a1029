/* sealed.c - see sealed.h. */
#include "aggregator/sealed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/hpke.h"
#include "kernels/values.h"

static struct tally_chunked_file *file_of(const struct tally_sealed *s)
{
    return (struct tally_chunked_file *)(void *)s->file.at;
}

enum tally_status tally_sealed_key(const uint8_t kem_secret[32], const uint8_t key_id[32],
                                   const uint8_t wrap[TALLY_WRAP_BYTES],
                                   const uint8_t seal_digest[32], struct tally_secret *key)
{
    TALLY_CLEANUP(tally_secret_free) struct tally_secret got = {0};
    uint8_t info[TALLY_WRAP_INFO_BYTES];

    TALLY_TRY(tally_secret_new(&got, TALLY_CHUNKED_KEY_BYTES));
    tally_wrap_info(key_id, info);
    TALLY_TRY(tally_hpke_open(kem_secret, TALLY_SLICE(info), tally_slice_of(seal_digest, 32),
                              tally_slice_of(wrap, TALLY_WRAP_BYTES), got.at));
    *key = tally_secret_move(&got);
    return TALLY_OK;
}

static enum tally_status read_at(void *from, uint64_t offset, uint8_t *to, size_t len)
{
    const struct tally_sealed *s = from;

    TALLY_ENSURE(pread(s->fd, to, len, (off_t)offset) == (ssize_t)len, TALLY_E_IO,
                 "a sealed update cannot be read");
    return TALLY_OK;
}

/* The payload's head: so much of the plaintext as a head of its kind can have. */
static enum tally_status read_head(struct tally_sealed *s, const struct tally_statement *st)
{
    uint64_t cap = st->kind == TALLY_PAYLOAD_MOMENTS ? TALLY_MOMENTS_BYTES_MAX : 0;
    size_t head;

    cap += TALLY_PAYLOAD_HEAD_MAX;
    if (cap > st->plaintext_bytes) cap = st->plaintext_bytes;
    TALLY_TRY(tally_secret_new(&s->head, (size_t)cap));
    TALLY_TRY(tally_chunked_file_range(file_of(s), 0, (size_t)cap, s->head.at));
    TALLY_REFUSE_UNLESS(
        tally_payload_decode_head(tally_slice_of(s->head.at, (size_t)cap), st->plaintext_bytes,
                                  &s->parts, &head) == TALLY_OK &&
            s->parts.kind == st->kind,
        TALLY_R_E_UPDATE, "the payload is not what its statement says: %s", tally_why_text());
    s->values_at = head;
    return TALLY_OK;
}

static enum tally_status open_file(const char *path, const struct tally_secret *key,
                                   const struct tally_statement *st, struct tally_sealed *s)
{
    uint8_t context[32], sh_bytes[TALLY_PAYLOAD_HEADER_BYTES_MAX];
    struct tally_wr w = tally_wr_to(sh_bytes, sizeof sh_bytes);
    struct tally_payload_header h;
    struct tally_slice sh;
    struct stat stat;

    s->fd = open(path, O_RDONLY | O_CLOEXEC);
    TALLY_ENSURE(s->fd >= 0 && fstat(s->fd, &stat) == 0, TALLY_E_IO, "%s cannot be opened", path);
    TALLY_REFUSE_UNLESS((uint64_t)stat.st_size == st->sealed_bytes, TALLY_R_E_UPDATE,
                        "%s: %llu bytes, its statement says %llu", path,
                        (unsigned long long)stat.st_size, (unsigned long long)st->sealed_bytes);
    tally_statement_header(st, &h);
    TALLY_TRY(tally_payload_header_encode(&h, &w, &sh));
    TALLY_SHA256_OF(context, sh);
    TALLY_TRY(tally_secret_new(&s->file, sizeof(struct tally_chunked_file)));
    TALLY_TRY(tally_chunked_file_open(file_of(s), key->at, TALLY_SLICE(context),
                                      (struct tally_chunked_source){.read = read_at, .from = s},
                                      st->sealed_bytes));
    TALLY_REFUSE_UNLESS(file_of(s)->plain_bytes == st->plaintext_bytes, TALLY_R_E_UPDATE,
                        "the plaintext's size is not the statement's");
    return read_head(s, st);
}

enum tally_status tally_sealed_open(const char *path, const struct tally_secret *key,
                                    const struct tally_statement *st, struct tally_sealed *s)
{
    *s = TALLY_SEALED_EMPTY;
    enum tally_status status = open_file(path, key, st, s);
    if (status != TALLY_OK) tally_sealed_close(s);
    return status;
}

enum tally_status tally_sealed_values(struct tally_sealed *s, uint64_t first, size_t n, float *out)
{
    TALLY_ASSERT(n <= TALLY_SEALED_SLICE);
    TALLY_ENSURE(first <= s->parts.values && n <= s->parts.values - first, TALLY_E_LIMIT,
                 "values %llu to +%zu of %llu", (unsigned long long)first, n,
                 (unsigned long long)s->parts.values);
    return tally_chunked_file_range(file_of(s), s->values_at + 4 * first, 4 * n, (uint8_t *)out);
}

static enum tally_status check_evaluation(const struct tally_payload *p)
{
    struct tally_evaluation *e = malloc(sizeof *e);

    TALLY_ENSURE(e != NULL, TALLY_E_NOMEM, "evaluation");
    enum tally_status s = tally_evaluation_decode(p->evaluation, e);
    free(e);
    TALLY_REFUSE_UNLESS(s == TALLY_OK, TALLY_R_E_UPDATE, "its evaluation: %s", tally_why_text());
    return TALLY_OK;
}

/* Finite values alone could make a sum that leaves float32, and one site would stop the job. */
static bool in_bounds(const float *v, size_t n)
{
    bool in = true;

    for (size_t i = 0; i < n; i++) in &= v[i] >= -0x1p64F && v[i] <= 0x1p64F;
    return in;
}

enum tally_status tally_sealed_check(struct tally_sealed *s)
{
    TALLY_CLEANUP(tally_secret_free) struct tally_secret room = {0};

    if (s->parts.evaluation.len != 0) TALLY_TRY(check_evaluation(&s->parts));
    TALLY_TRY(tally_secret_new(&room, TALLY_SEALED_SLICE * sizeof(float)));
    float *block = (float *)(void *)room.at;
    for (uint64_t at = 0; at < s->parts.values; at += TALLY_SEALED_SLICE) {
        uint64_t left = s->parts.values - at;
        size_t n = left < TALLY_SEALED_SLICE ? (size_t)left : TALLY_SEALED_SLICE, bad;
        TALLY_TRY(tally_sealed_values(s, at, n, block));
        TALLY_REFUSE_UNLESS(tally_values_finite(block, n, &bad), TALLY_R_E_UPDATE,
                            "value %llu of the update is not finite",
                            (unsigned long long)(at + bad));
        TALLY_REFUSE_UNLESS(in_bounds(block, n), TALLY_R_E_UPDATE,
                            "a value of the update is beyond 2^64");
    }
    return TALLY_OK;
}

void tally_sealed_close(struct tally_sealed *s)
{
    if (s->file.at != NULL) tally_chunked_file_close(file_of(s));
    tally_secret_free(&s->file);
    tally_secret_free(&s->head);
    if (s->fd >= 0) (void)close(s->fd);
    *s = TALLY_SEALED_EMPTY;
}
