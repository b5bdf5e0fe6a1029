/* nodefile.h - what a party hands to the federation's owner: agent.pub.json, aggregator.pub.json.
 *
 *   { "type": "node", "mode": "test", "organisation": "bank-1", "document_key": "<base64>",
 *     "nodes": [ { "name", "role", "endpoint"?, "session_key", "curve_keys",
 *                  "chips"?, "id_keys"? } ] }
 *
 * Nothing in it is secret, and nothing in it is believed: the parties compare digests of the
 * document that it ends up in. A test federation's owner issues the chips, so there they may be
 * absent. */
#pragma once

#include <jansson.h>

#include "common/federation.h"
#include "common/nodekeys.h"

enum { TALLY_NODEFILE_BYTES_MAX = 64 * 1024 };

/* What a new node says of itself. */
struct tally_nodefile {
    enum tally_mode mode;
    const char *org, *node, *endpoint; /* endpoint NULL: it only connects out */
    enum tally_role role;
    uint8_t document_key[TALLY_SIGN_PUBLIC_BYTES];
    struct tally_nodekeys_public keys;
    const char *const *chips; /* digests as hex */
    size_t chips_n;
    const char *const *id_keys; /* as hex */
    size_t id_keys_n;
    bool any_chip;
};

/* The file's JSON; the caller owns it. NULL when out of memory. */
json_t *tally_nodefile_json(const struct tally_nodefile *n);
/* Writes JSON for people, indented, with a final newline. */
TALLY_RESULT tally_json_write(const char *path, const json_t *j);

/* Reads a node file of this mode into a party entry for a federation document (name, document_key,
 * nodes); the caller owns *party. Nodes without chips and id_keys are left so. */
TALLY_RESULT tally_nodefile_read(struct tally_slice text, const char *what, enum tally_mode mode,
                                 json_t **party);
