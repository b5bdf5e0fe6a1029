/* revocation.h - a signed document that takes one thing out of use at once (DOCUMENTS.md): a
 * measurement, chip, node, session key or document key.
 *
 * Who may: the key's, node's or chip's own party alone; any party for a measurement, then only for
 * its own taking part; all of `changes.needs` for everything and everybody. What is revoked stays
 * revoked by its value in every later version of the federation. */
#pragma once

#include "common/dsse.h"
#include "common/federation.h"

enum { TALLY_REVOCATIONS_MAX = 128, TALLY_REVOCATION_BYTES_MAX = 4096 };

enum tally_revocation_kind {
    TALLY_REVOKE_MEASUREMENT,
    TALLY_REVOKE_CHIP,
    TALLY_REVOKE_NODE,
    TALLY_REVOKE_SESSION_KEY,
    TALLY_REVOKE_DOCUMENT_KEY,
    TALLY_REVOCATION_KINDS,
};
/* The words of the document: "measurement" ... */
extern const char *const tally_revocation_kind_names[];

struct tally_revocation {
    enum tally_mode mode;
    enum tally_revocation_kind kind;
    uint8_t value[TALLY_MEASUREMENT_BYTES]; /* measurement (48), chip or key (32); not for a node */
    char org[TALLY_NAME_MAX + 1], node[TALLY_NAME_MAX + 1]; /* of a node */
    uint8_t federation[32];                                 /* its id */
    uint64_t issued_s;
    char why[200];
    uint8_t digest[32]; /* of the payload as signed */
};

TALLY_RESULT tally_revocation_decode(const char *payload_type, struct tally_slice payload,
                                     struct tally_revocation *out);

/* The payload text of a revocation that `value` describes as the document writes it (hex, base64,
 * "org/node"); checked by decoding it. The caller frees *payload. */
TALLY_RESULT tally_revocation_make(const struct tally_federation *f,
                                   enum tally_revocation_kind kind, const char *value,
                                   const char *why, uint64_t now_s, char **payload);

/* What is out of use for one organisation's programs, by kind; zero is none. */
struct tally_revocations {
    uint8_t measurements[TALLY_REVOCATIONS_MAX][TALLY_MEASUREMENT_BYTES];
    uint8_t chips[TALLY_REVOCATIONS_MAX][TALLY_CHIP_DIGEST_BYTES];
    uint8_t session_keys[TALLY_REVOCATIONS_MAX + TALLY_NODES_MAX][32];
    uint8_t document_keys[TALLY_REVOCATIONS_MAX][32];
    uint64_t document_keys_from_s[TALLY_REVOCATIONS_MAX]; /* issued then or later: not counted */
    struct {
        char org[TALLY_NAME_MAX + 1], node[TALLY_NAME_MAX + 1];
    } nodes[TALLY_REVOCATIONS_MAX];
    uint32_t measurements_n, chips_n, session_keys_n, document_keys_n, nodes_n;
};

/* May whoever signed `d` revoke this in federation f? E_SIGNATURE if not, E_FEDERATION if it is
 * another federation's. *binds: does it bind the programs of `org`? */
TALLY_RESULT tally_revocation_authority(const struct tally_revocation *r,
                                        const struct tally_dsse *d,
                                        const struct tally_federation *f, const char *org,
                                        bool *binds);

/* Adds it (once). TALLY_E_LIMIT when TALLY_REVOCATIONS_MAX of a kind are there. */
TALLY_RESULT tally_revocations_add(struct tally_revocations *revoked,
                                   const struct tally_revocation *r);

/* Adds the session keys of the nodes that are revoked by name, so that the lists of measurements,
 * chips and session keys say it all to whoever judges a peer. */
TALLY_RESULT tally_revocations_resolve(struct tally_revocations *revoked,
                                       const struct tally_federation *f);

/* Is the node out of use, by name or by session key? `revoked` may be NULL: nothing is. */
bool tally_revocations_node(const struct tally_revocations *revoked, const struct tally_node *n);
/* Does this document key no longer count under a document issued at that time? */
bool tally_revocations_document_key(const struct tally_revocations *revoked, const uint8_t key[32],
                                    uint64_t issued_s);

/* The one question that documents ask: has this party signed `d`, by the key that f lists for it
 * and that is not revoked for a document issued then? UINT64_MAX: for one taken into use now. */
bool tally_party_signed(const struct tally_federation *f, const struct tally_revocations *revoked,
                        const char *party, const struct tally_dsse *d, uint64_t issued_s);
