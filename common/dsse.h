/* dsse.h - signed documents: DSSE envelopes (Dead Simple Signing Envelope v1) with Ed25519.
 *
 * What is signed is PAE(payloadType, payload) =
 *   "DSSEv1" SP len(type) SP type SP len(payload) SP payload        (lengths in decimal)
 * over the payload's exact bytes, which are never parsed or re-encoded here; their SHA-256 names
 * the document (DOCUMENTS.md). A parsed envelope is not yet trusted: ask tally_dsse_signed_by() for
 * every key that must have signed. The text is JSON:
 *   {"payloadType":"...","payload":"<base64>","signatures":[{"keyid":"...","sig":"<base64>"}]} */
#pragma once

#include "common/bytes.h"
#include "common/sign.h"

enum {
    TALLY_DSSE_SIGNATURES_MAX = 64,
    TALLY_DSSE_TYPE_SIZE = 96,  /* with the final zero; printable ASCII, not empty */
    TALLY_DSSE_KEYID_SIZE = 65, /* with the final zero */
    TALLY_DSSE_PAYLOAD_MAX = TALLY_SIGN_TEXT_MAX - 256, /* so that every PAE can be signed */
};

struct tally_dsse {
    char payload_type[TALLY_DSSE_TYPE_SIZE];
    uint8_t *payload; /* owned; exactly the bytes signed; NULL: empty struct */
    size_t payload_len;
    uint8_t digest[32]; /* SHA-256 of the payload */
    struct {
        char keyid[TALLY_DSSE_KEYID_SIZE]; /* a hint, never a proof; "" if there was none */
        uint8_t sig[TALLY_SIGNATURE_BYTES];
    } signatures[TALLY_DSSE_SIGNATURES_MAX];
    uint32_t signatures_n;
};

/* An envelope from outside, its payload of at most payload_max bytes (and TALLY_DSSE_PAYLOAD_MAX).
 * Strict: unknown, missing or repeated keys, other base64, 65 signatures or bytes after the JSON
 * are TALLY_E_WIRE, a payload or text too long TALLY_E_LIMIT. No signature is checked; none at all
 * is a document not signed yet. *out is filled only on success; free it. */
TALLY_RESULT tally_dsse_parse(struct tally_slice json, size_t payload_max, struct tally_dsse *out);

/* An unsigned envelope round a copy of the payload. TALLY_E_LIMIT if a field is too long,
 * TALLY_E_CONFIG if the type is empty or not printable ASCII. */
TALLY_RESULT tally_dsse_new(const char *payload_type, struct tally_slice payload,
                            struct tally_dsse *out);

/* Adds the key's signature with keyid = lower-case hex SHA-256 of its public key. Signing twice
 * with one key leaves one signature; a signature under that keyid that does not verify is replaced.
 * TALLY_E_LIMIT when 64 others have signed. */
TALLY_RESULT tally_dsse_sign(struct tally_dsse *d, const struct tally_sign_key *key);

/* Is there a valid signature of this key? Every signature is tried, whatever its keyid says. */
bool tally_dsse_signed_by(const struct tally_dsse *d,
                          const uint8_t public_key[TALLY_SIGN_PUBLIC_BYTES]);

/* The envelope as JSON text on one line with a final newline; the caller frees *json_out. */
TALLY_RESULT tally_dsse_text(const struct tally_dsse *d, char **json_out);

void tally_dsse_free(struct tally_dsse *d); /* idempotent */
