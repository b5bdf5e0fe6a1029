/* fedstore.h - the federation documents that a program has taken into use, kept in its state
 * directory, and what has been revoked.
 *
 *   federation/<version>-<digest>.json   every version taken, as signed
 *   federation/current                   the one in force: "<version> <digest>"
 *   revocations/<digest>.json            every revocation taken
 *   conflicts/<version>-<digest>.json    signed documents that were refused: proof against
 *                                        whoever signed them
 *
 * The disk is the host's: on every load each version is verified again from the first one on, and
 * each revocation with it. The first document is taken only with the digest given by hand and all
 * its parties' signatures; each further one as federation_change.h says. What widens access is
 * taken only if this program's own organisation signed it. */
#pragma once

#include "common/federation.h"
#include "common/revocation.h"

enum {
    TALLY_FEDSTORE_DIR_MAX = 1024,
    TALLY_FEDSTORE_PATH_MAX = 1200,
    TALLY_FEDSTORE_VERSIONS_MAX = 1000,
    TALLY_FEDSTORE_CONFLICTS_MAX = 64,
    TALLY_ENVELOPE_BYTES_MAX = 1024 * 1024, /* a federation's envelope with 64 signatures */
    TALLY_CLOCK_SLACK_S = 300,              /* a document from further ahead is refused */
};

struct tally_fedstore {
    char dir[TALLY_FEDSTORE_DIR_MAX]; /* the state directory */
    enum tally_mode mode;             /* what the program's own configuration says */
    char org[TALLY_NAME_MAX + 1];     /* whose program this is; "" for an auditor's */
};

/* Is any federation document in force here? */
bool tally_fedstore_has(const struct tally_fedstore *s);

/* Takes an envelope into use. `expect`: the digest given by hand, without which the first one is
 * never taken; may be NULL later. What is in force already is taken again without effect. Refused
 * with E_FEDERATION (other mode, other federation, lower version, second document of a version,
 * expired, issued more than TALLY_CLOCK_SLACK_S ahead, not the expected digest, widens without the
 * own organisation's signature) or E_SIGNATURE. What a party signed and is refused as lower,
 * expired or second is kept under conflicts/, beside the one in force. */
TALLY_RESULT tally_fedstore_take(const struct tally_fedstore *s, struct tally_slice envelope,
                                 const uint8_t *expect, uint64_t now_s,
                                 struct tally_federation *out);

/* The document in force and what is revoked for this organisation, all verified again. E_FEDERATION
 * if it has expired at now_s. TALLY_E_STATE if there is none yet. `revoked` may be NULL. */
TALLY_RESULT tally_fedstore_load(const struct tally_fedstore *s, uint64_t now_s,
                                 struct tally_federation *out, struct tally_revocations *revoked);

/* The same without asking for its dates: to show it, and to make and take the next version. No
 * program serves or connects on it. */
TALLY_RESULT tally_fedstore_latest(const struct tally_fedstore *s, struct tally_federation *out,
                                   struct tally_revocations *revoked);

/* Takes a revocation: E_FEDERATION or E_SIGNATURE unless it has authority in the document in force.
 * *binds: it stops something for this organisation's own programs; only then is it kept. */
TALLY_RESULT tally_fedstore_revoke(const struct tally_fedstore *s, struct tally_slice envelope,
                                   struct tally_revocation *out, bool *binds);

/* Is this the digest of a version that is or was in force here? A round that was opened under an
 * earlier one goes on; evidence is judged by the one in force. */
bool tally_fedstore_knows(const struct tally_fedstore *s, const struct tally_federation *in_force,
                          const uint8_t digest[32]);

/* The envelope of version/digest as kept. out: TALLY_FEDSTORE_PATH_MAX bytes. */
void tally_fedstore_path(const struct tally_fedstore *s, uint32_t version, const uint8_t digest[32],
                         char *out);
