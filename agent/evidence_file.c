/* evidence_file.c - files as the command takes them; see evidence_case.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/evidence_case.h"
#include "common/cert.h"
#include "common/secret.h"

static void close_file(FILE **f)
{
    if (*f != NULL) (void)fclose(*f);
}

enum tally_status evidence_file(struct evidence_case *c, const char *path, struct tally_slice *out)
{
    TALLY_CLEANUP(close_file) FILE *f = fopen(path, "rbe");
    uint8_t *to = c->arena + c->arena_used;
    size_t room = sizeof c->arena - c->arena_used;
    size_t cap = room < EVIDENCE_FILE_MAX ? room : EVIDENCE_FILE_MAX;

    TALLY_ENSURE(f != NULL, TALLY_E_IO, "cannot open %s: %s", path, strerror(errno));
    size_t len = fread(to, 1, cap, f);
    TALLY_ENSURE(ferror(f) == 0, TALLY_E_IO, "cannot read %s: %s", path, strerror(errno));
    TALLY_ENSURE(len < cap || fgetc(f) == EOF, TALLY_E_LIMIT, "%s is larger than %zu bytes", path,
                 cap);
    c->arena_used += len;
    *out = tally_slice_of(to, len);
    return TALLY_OK;
}

enum tally_status evidence_file_der(struct evidence_case *c, const char *path, const char *label,
                                    struct tally_slice *out)
{
    struct tally_slice file;
    size_t len = 0;

    TALLY_TRY(evidence_file(c, path, &file));
    uint8_t *to = c->arena + c->arena_used;
    size_t room = sizeof c->arena - c->arena_used;
    TALLY_TRY(tally_cert_from_file(file, label, to,
                                   room < EVIDENCE_FILE_MAX ? room : EVIDENCE_FILE_MAX, &len));
    c->arena_used += len;
    *out = tally_slice_of(to, len);
    return TALLY_OK;
}
