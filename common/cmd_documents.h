/* cmd_documents.h - what the programs' document commands share: a party's folder, envelopes in
 * files, signing with the document key, taking into use, `federation show` and `revoke`. */
#pragma once

#include "common/cli.h"
#include "common/dsse.h"
#include "common/fedstore.h"
#include "common/nodekeys.h"

/* One party's program, as its configuration says. */
struct tally_place {
    struct tally_fedstore store; /* state directory, mode, organisation */
    char node[TALLY_NAME_MAX + 1];
    char keys_dir[TALLY_FEDSTORE_DIR_MAX];
    char document_key[TALLY_KEY_PATH_MAX]; /* the file; may be away: it is kept offline */
};
uint64_t tally_now_s(void);

/* "sha256:<64 hex>", or the hex alone. TALLY_E_CONFIG. */
TALLY_RESULT tally_digest_parse(const char *text, uint8_t out[32]);
void tally_digest_text(const uint8_t digest[32], char out[72]);

/* An envelope in a file; d is freed by the caller. */
TALLY_RESULT tally_envelope_read(const char *path, size_t payload_max, struct tally_dsse *d);
TALLY_RESULT tally_envelope_write(const char *path, const struct tally_dsse *d);

/* Signs with the place's document key. federation_id: NULL before there is one. */
TALLY_RESULT tally_place_sign(const struct tally_place *p, const uint8_t *federation_id,
                              struct tally_dsse *d);

/* Takes a federation envelope into use and binds the key files at this place to it. */
TALLY_RESULT tally_place_take(const struct tally_place *p, const struct tally_dsse *d,
                              const uint8_t *expect, struct tally_federation *f);

/* f and, if something is in force that it is not, what that is: for who is missing and what
 * changed. *prev is NULL where there is none; free both with free(). */
TALLY_RESULT tally_place_compare(const struct tally_place *p, const struct tally_federation *f,
                                 struct tally_federation **prev,
                                 struct tally_revocations **revoked);

/* What is in force at a place, for commands that work under it. */
struct tally_inforce {
    struct tally_place place;
    struct tally_federation *f;        /* owned */
    struct tally_revocations *revoked; /* owned */
};
TALLY_RESULT tally_inforce_load(const char *dir,
                                enum tally_status (*open_place)(const char *dir,
                                                                struct tally_place *p),
                                struct tally_inforce *out);
void tally_inforce_free(struct tally_inforce *i); /* for TALLY_CLEANUP; idempotent */

/* Prints f (as signed in d) for people or as JSON; the exit code. */
int tally_place_show(const struct tally_place *p, const struct tally_dsse *d,
                     const struct tally_federation *f, bool json);

/* The whole commands `federation show` and `federation revoke` of a program; open_place is its own
 * way from --dir to its place. */
int tally_documents_show(int argc, char **argv,
                         enum tally_status (*open_place)(const char *dir, struct tally_place *p));
int tally_documents_revoke(int argc, char **argv,
                           enum tally_status (*open_place)(const char *dir, struct tally_place *p));
