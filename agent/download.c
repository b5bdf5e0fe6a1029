/* download.c - objects coming down under our credit, one at a time (desk.h): a model into a part
 * file that gets its name only when its digest is right and that a later session goes on with, a
 * lineage into memory. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/desk.h"
#include "agent/versions.h"

enum { WINDOW = 8 };

void tally_download_end(struct tally_desk *d)
{
    struct tally_download *x = &d->download;

    if (x->live) {
        if (x->draft.fd >= 0) (void)close(x->draft.fd);
        tally_hasher_free(&x->hash);
        free(x->memory);
    }
    *x = (struct tally_download){.draft = TALLY_FILE_DRAFT_EMPTY};
}

/* Pieces that an earlier session left, hashed. The last one comes again: it may be cut, and a fetch
 * behind the end would bring nothing. */
static enum tally_status take_up(struct tally_download *x, uint8_t *piece)
{
    struct stat st;

    TALLY_ENSURE(x->draft.fd >= 0 && fstat(x->draft.fd, &st) == 0, TALLY_E_IO,
                 "%s cannot be opened", x->draft.tmp);
    uint64_t pieces = st.st_size > 0 ? ((uint64_t)st.st_size - 1) / TALLY_PIECE_BYTES_MAX : 0;
    if (pieces * TALLY_PIECE_BYTES_MAX > TALLY_MODEL_BYTES_MAX) pieces = 0;
    for (; x->next < pieces; x->next++) {
        ssize_t n = pread(x->draft.fd, piece, TALLY_PIECE_BYTES_MAX,
                          (off_t)x->next * TALLY_PIECE_BYTES_MAX);
        TALLY_ENSURE(n == TALLY_PIECE_BYTES_MAX, TALLY_E_IO, "%s cannot be read", x->draft.tmp);
        tally_hasher_add(&x->hash, tally_slice_of(piece, TALLY_PIECE_BYTES_MAX));
    }
    off_t at = (off_t)x->next * TALLY_PIECE_BYTES_MAX;
    TALLY_ENSURE(ftruncate(x->draft.fd, at) == 0 && lseek(x->draft.fd, at, SEEK_SET) == at,
                 TALLY_E_IO, "%s cannot be taken up again", x->draft.tmp);
    return TALLY_OK;
}

static enum tally_status open_part(struct tally_desk *d)
{
    struct tally_download *x = &d->download;

    tally_model_path(d, x->digest, x->draft.path);
    int n = snprintf(x->draft.tmp, sizeof x->draft.tmp, "%s.part", x->draft.path);
    TALLY_ENSURE(n > 0 && (size_t)n < sizeof x->draft.tmp, TALLY_E_LIMIT, "path too long");
    x->draft.fd = open(x->draft.tmp, O_RDWR | O_CREAT | O_CLOEXEC, TALLY_FILE_MODE_PUBLIC);
    return take_up(x, tally_line_piece(d));
}

/* The part is not what it should be: the next session begins anew. */
static void give_up(struct tally_desk *d, const char *why)
{
    (void)unlink(d->download.draft.tmp);
    tally_download_end(d);
    tally_line_end(d, why);
}

void tally_download_begin(struct tally_desk *d, enum tally_object_kind kind,
                          const uint8_t digest[32])
{
    struct tally_download *x = &d->download;
    struct tally_message m = {.type = TALLY_MSG_FETCH, .kind = kind, .count = WINDOW};

    if (x->live && x->kind == kind && memcmp(x->digest, digest, 32) == 0) return; /* on its way */
    tally_download_end(d);
    x->live = true;
    x->kind = kind;
    memcpy(x->digest, digest, 32);
    tally_hasher_init(&x->hash, TALLY_SHA256);
    if (kind == TALLY_OBJECT_MODEL && open_part(d) != TALLY_OK) {
        tally_desk_fatal(d, "a model cannot be kept", tally_why_text());
        return;
    }
    m.first = x->next;
    x->promised = x->next + WINDOW;
    memcpy(m.digest, digest, 32);
    (void)tally_line_send(d, &m);
}

void tally_download_object(struct tally_desk *d, const struct tally_message *m)
{
    struct tally_download *x = &d->download;
    uint64_t most =
        x->kind == TALLY_OBJECT_MODEL ? TALLY_MODEL_BYTES_MAX : (uint64_t)TALLY_LINEAGE_OBJECT_MAX;

    if (!x->live || x->sized || m->kind != (uint32_t)x->kind ||
        memcmp(m->digest, x->digest, 32) != 0 || m->total == 0 || m->total > most) {
        tally_line_end(d, "an object that was not asked for, or of a size that none can have");
        return;
    }
    x->sized = true;
    x->total = m->total;
    if (x->kind == TALLY_OBJECT_LINEAGE) {
        x->memory = malloc((size_t)m->total);
        if (x->memory == NULL) tally_desk_fatal(d, "a lineage", "out of memory");
        return;
    }
    if ((uint64_t)x->next * TALLY_PIECE_BYTES_MAX >= x->total)
        give_up(d, "a model is shorter than what came of it before");
}

static void finish(struct tally_desk *d)
{
    struct tally_download *x = &d->download;
    uint8_t digest[32], found[32];

    memcpy(digest, x->digest, 32);
    if (x->kind == TALLY_OBJECT_LINEAGE) {
        uint8_t *object = x->memory;
        size_t len = (size_t)x->total;
        x->memory = NULL;
        tally_download_end(d);
        tally_lineages_take(d, digest, tally_slice_of(object, len));
        free(object);
        return;
    }
    tally_hasher_end(&x->hash, found);
    if (memcmp(found, digest, 32) != 0) {
        give_up(d, "the model's bytes do not have its digest");
        return;
    }
    if (tally_file_draft_commit(&x->draft) != TALLY_OK) {
        tally_desk_fatal(d, "a model cannot be kept", tally_why_text());
        return;
    }
    tally_download_end(d);
    tally_lineages_prune(d);
    tally_rounds_advance(d);
}

/* The piece into its place. False when the disk failed. */
static bool take(struct tally_desk *d, struct tally_slice bytes, uint64_t at)
{
    struct tally_download *x = &d->download;

    if (x->kind == TALLY_OBJECT_LINEAGE) {
        memcpy(x->memory + at, bytes.at, bytes.len);
        return true;
    }
    tally_hasher_add(&x->hash, bytes);
    if (tally_file_draft_add(&x->draft, bytes) == TALLY_OK) return true;
    tally_desk_fatal(d, "a model cannot be kept", tally_why_text());
    return false;
}

void tally_download_chunk(struct tally_desk *d, struct tally_slice body)
{
    struct tally_download *x = &d->download;
    struct tally_chunk c;

    if (tally_chunk_decode(body, &c) != TALLY_OK) {
        tally_line_end(d, tally_why_text());
        return;
    }
    if (!x->live || memcmp(c.seal_digest, x->digest, 32) != 0) return; /* of one given up */
    uint64_t at = (uint64_t)x->next * TALLY_PIECE_BYTES_MAX;
    uint64_t left = x->sized && at < x->total ? x->total - at : 0;
    uint64_t want = left < TALLY_PIECE_BYTES_MAX ? left : TALLY_PIECE_BYTES_MAX;
    if (c.index != x->next || x->next == x->promised || c.bytes.len != want || want == 0) {
        tally_line_end(d, "a chunk out of order, without credit or of another size");
        return;
    }
    if (!take(d, c.bytes, at)) return;
    x->next++;
    if (left == want) {
        finish(d);
        return;
    }
    struct tally_message m = {.type = TALLY_MSG_CREDIT, .count = 1};
    memcpy(m.digest, x->digest, 32);
    x->promised++;
    (void)tally_line_send(d, &m);
}
