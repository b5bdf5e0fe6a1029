/* file.h - whole files: read under a cap, written so that a crash leaves the old or the new one.
 *
 * Failures are TALLY_E_IO with the path, what the system said and what to do about it; a file over
 * its cap is TALLY_E_LIMIT. Only regular files are read. Blocking: for the store, the commands and
 * start-up, not for an event loop. A process that may meet a size limit ignores SIGXFSZ. */
#pragma once

#include <sys/types.h>

#include "common/bytes.h"

enum {
    TALLY_FILE_PATH_MAX = 4096,    /* bytes with the final zero */
    TALLY_FILE_MODE_PUBLIC = 0644, /* whatever the umask */
    TALLY_FILE_MODE_SECRET = 0600,
    TALLY_FILE_DIR_MODE_PRIVATE = 0700,
};

bool tally_file_exists(const char *path);

/* Fresh bytes, a zero byte after them, for the caller to free; at most max of them. */
TALLY_RESULT tally_file_read(const char *path, size_t max, uint8_t **bytes, size_t *len);
/* Exactly len bytes into the caller's memory, with no copy elsewhere: secrets. TALLY_E_CONFIG if
 * the file has another size; `to` is then zeros. */
TALLY_RESULT tally_file_read_exact(const char *path, void *to, size_t len);

/* The file becomes these bytes with this mode, or stays what it was: written beside it under a
 * ".tmp" name, fsynced, renamed, its folder fsynced. */
TALLY_RESULT tally_file_write(const char *path, struct tally_slice bytes, mode_t mode);

/* The same piece by piece: begin, add, commit; abandon (idempotent, also after commit) removes what
 * was not committed. The disk begins to write while pieces are added, so that the fsync at the end
 * finds little left. */
struct tally_file_draft {
    int fd;             /* -1: empty */
    off_t added, begun; /* bytes; up to which the disk was told to write */
    char path[TALLY_FILE_PATH_MAX], tmp[TALLY_FILE_PATH_MAX];
};
#define TALLY_FILE_DRAFT_EMPTY ((struct tally_file_draft){.fd = -1})
TALLY_RESULT tally_file_draft_begin(struct tally_file_draft *d, const char *path, mode_t mode);
TALLY_RESULT tally_file_draft_add(struct tally_file_draft *d, struct tally_slice bytes);
TALLY_RESULT tally_file_draft_commit(struct tally_file_draft *d);
void tally_file_draft_abandon(struct tally_file_draft *d);

/* Appends and fsyncs; makes the file with this mode if there is none. On failure the file has its
 * old length again, as far as the disk allows. One writer at a time. */
TALLY_RESULT tally_file_append(const char *path, struct tally_slice bytes, mode_t mode);

/* The folder and all above it that are missing. */
TALLY_RESULT tally_file_make_dirs(const char *path, mode_t mode);

/* Gone, durably; a file that was not there is gone too. */
TALLY_RESULT tally_file_remove(const char *path);

/* Read-only map of a regular file, at most max bytes; an empty file is an empty slice. Whoever maps
 * a file sees to it that nobody cuts it meanwhile (that would be SIGBUS). */
TALLY_RESULT tally_file_map(const char *path, size_t max, struct tally_slice *out);
void tally_file_unmap(struct tally_slice *map); /* leaves it empty; idempotent */
