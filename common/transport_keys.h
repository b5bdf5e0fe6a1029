/* transport_keys.h - the table of CURVE keys that may connect (transport.c's own). */
#pragma once

#include "common/transport.h"

struct tally_keys_row {
    uint8_t key[TALLY_CURVE_KEY_BYTES];
    struct tally_curve_entry entry;
};
struct tally_keys {
    size_t n;
    struct tally_keys_row rows[TALLY_CURVE_ENTRIES_MAX];
};

/* A table on the heap, free() frees it. E_CONFIG for a bad key, a name that is not "org/node", or
 * one key twice; E_LIMIT for too many. */
TALLY_RESULT tally_keys_new(struct tally_keys **keys, const struct tally_curve_entry *entries,
                            size_t n);

/* NULL where the key is not there. */
const struct tally_keys_row *tally_keys_find(const struct tally_keys *keys, const uint8_t *key);
const struct tally_keys_row *tally_keys_find_text(const struct tally_keys *keys, const char *key);

/* A request to the handler (ZeroMQ RFC 27) as its parts; one longer than TALLY_ZAP_PART_MAX is cut,
 * its length is not. */
enum { TALLY_ZAP_PARTS_MAX = 8, TALLY_ZAP_PART_MAX = 256, TALLY_ZAP_PROPERTIES_MAX = 64 };
#define TALLY_ZAP_DOMAIN       "tally" /* an empty one would switch the enforcement off */
#define TALLY_ZAP_KEY_PROPERTY "X-Key"
struct tally_zap {
    size_t n; /* parts, also those beyond TALLY_ZAP_PARTS_MAX */
    struct {
        uint8_t bytes[TALLY_ZAP_PART_MAX];
        size_t len;
    } parts[TALLY_ZAP_PARTS_MAX];
};

/* The entry to let in, NULL: refuse. */
const struct tally_curve_entry *tally_keys_judge(const struct tally_keys *keys,
                                                 const struct tally_zap *request);
struct tally_slice tally_zap_id(const struct tally_zap *request); /* goes back as it came */

/* What every message of that connection will carry besides the name: its key. So a key taken out of
 * the table is cut off at once and not only at its next handshake. */
struct tally_slice tally_keys_properties(const struct tally_curve_entry *entry,
                                         uint8_t to[TALLY_ZAP_PROPERTIES_MAX]);
