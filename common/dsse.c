/* dsse.c - see dsse.h. */
#include "common/dsse.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/secret.h"
#include "common/text.h"

enum {
    SIGNATURE_TEXT_MAX = 512, /* one signature with its keyid, key names and indentation */
    ENVELOPE_TEXT_MAX = 4096, /* all else but the payload */
    HEAD_SIZE = 192,          /* of the PAE before the payload */
};

static void free_json(json_t **j)
{
    json_decref(*j);
}

static void free_text(char **p)
{
    free(*p);
}

static bool printable(const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s < 0x20 || *s > 0x7e) return false;
    }
    return true;
}

/* PAE without the payload, which follows it. */
static struct tally_slice pae_head(const struct tally_dsse *d, char head[HEAD_SIZE])
{
    int n = snprintf(head, HEAD_SIZE, "DSSEv1 %zu %s %zu ", strlen(d->payload_type),
                     d->payload_type, d->payload_len);

    TALLY_ASSERT(n > 0 && n < HEAD_SIZE);
    return tally_slice_of(head, (size_t)n);
}

static struct tally_slice payload_of(const struct tally_dsse *d)
{
    return tally_slice_of(d->payload, d->payload_len);
}

static bool verifies(const struct tally_dsse *d, uint32_t i, const uint8_t public_key[32])
{
    char head[HEAD_SIZE];

    return tally_sign_verify(public_key, TALLY_SLICES(pae_head(d, head), payload_of(d)), 2,
                             d->signatures[i].sig) == TALLY_OK;
}

static enum tally_status set_type(struct tally_dsse *d, const char *type, enum tally_status code)
{
    TALLY_ENSURE(*type != '\0' && printable(type), code, "payloadType is empty or not plain text");
    TALLY_ENSURE(strlen(type) < TALLY_DSSE_TYPE_SIZE, TALLY_E_LIMIT,
                 "payloadType is longer than %d bytes", TALLY_DSSE_TYPE_SIZE - 1);
    memcpy(d->payload_type, type, strlen(type) + 1);
    return TALLY_OK;
}

/* Room for the payload; one byte more so that it can be shown as text. */
static enum tally_status make_room(struct tally_dsse *d, size_t len, size_t max)
{
    TALLY_ENSURE(len <= max && len <= TALLY_DSSE_PAYLOAD_MAX, TALLY_E_LIMIT,
                 "a payload of %zu bytes, more than %zu", len,
                 max < TALLY_DSSE_PAYLOAD_MAX ? max : TALLY_DSSE_PAYLOAD_MAX);
    d->payload = calloc(1, len + 1);
    TALLY_ENSURE(d->payload != NULL, TALLY_E_NOMEM, "payload of %zu bytes", len);
    return TALLY_OK;
}

static void move_out(struct tally_dsse *d, struct tally_dsse *out)
{
    TALLY_SHA256_OF(d->digest, payload_of(d));
    *out = *d;
    d->payload = NULL;
}

/* Bytes of a base64 text, before it is decoded. */
static size_t decoded_len(const char *text, size_t len)
{
    size_t pad = 0;

    while (pad < 2 && pad < len && text[len - 1 - pad] == '=') pad++;
    return len / 4 * 3 - (len >= 4 ? pad : 0);
}

static enum tally_status parse_payload(const json_t *j, size_t max, struct tally_dsse *d)
{
    const char *text = json_string_value(j);
    size_t len = json_string_length(j), bytes = decoded_len(text, len);

    TALLY_TRY(make_room(d, bytes, max));
    return tally_unbase64(text, len, d->payload, bytes, &d->payload_len);
}

static enum tally_status parse_keyid(const json_t *j, char keyid[TALLY_DSSE_KEYID_SIZE])
{
    const char *hint = j != NULL ? json_string_value(j) : "";

    TALLY_ENSURE(hint != NULL && strlen(hint) < TALLY_DSSE_KEYID_SIZE && printable(hint),
                 TALLY_E_WIRE, "keyid is not plain text of at most %d bytes",
                 TALLY_DSSE_KEYID_SIZE - 1);
    memcpy(keyid, hint, strlen(hint) + 1);
    return TALLY_OK;
}

static enum tally_status parse_signature(json_t *j, struct tally_dsse *d)
{
    const json_t *keyid = json_object_get(j, "keyid"), *sig = json_object_get(j, "sig");
    uint8_t *to = d->signatures[d->signatures_n].sig;
    size_t len = 0;

    TALLY_ENSURE(json_is_string(sig) && json_object_size(j) == (keyid != NULL ? 2 : 1),
                 TALLY_E_WIRE, "a signature has \"sig\" and perhaps \"keyid\", nothing else");
    TALLY_TRY(parse_keyid(keyid, d->signatures[d->signatures_n].keyid));
    TALLY_TRY(tally_unbase64(json_string_value(sig), json_string_length(sig), to,
                             TALLY_SIGNATURE_BYTES, &len));
    TALLY_ENSURE(len == TALLY_SIGNATURE_BYTES, TALLY_E_WIRE, "a signature of %zu bytes", len);
    d->signatures_n++;
    return TALLY_OK;
}

static enum tally_status parse_signatures(const json_t *array, struct tally_dsse *d)
{
    size_t n = json_array_size(array);

    TALLY_ENSURE(n <= TALLY_DSSE_SIGNATURES_MAX, TALLY_E_WIRE, "%zu signatures", n);
    for (size_t i = 0; i < n; i++) TALLY_TRY(parse_signature(json_array_get(array, i), d));
    return TALLY_OK;
}

static enum tally_status parse_envelope(const json_t *j, size_t max, struct tally_dsse *d)
{
    const json_t *type = json_object_get(j, "payloadType"),
                 *payload = json_object_get(j, "payload"),
                 *signatures = json_object_get(j, "signatures");

    TALLY_ENSURE(json_is_string(type) && json_is_string(payload) && json_is_array(signatures) &&
                     json_object_size(j) == 3,
                 TALLY_E_WIRE,
                 "an envelope has \"payloadType\", \"payload\" and \"signatures\", nothing else");
    TALLY_TRY(set_type(d, json_string_value(type), TALLY_E_WIRE));
    TALLY_TRY(parse_signatures(signatures, d));
    return parse_payload(payload, max, d);
}

enum tally_status tally_dsse_parse(struct tally_slice json, size_t payload_max,
                                   struct tally_dsse *out)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    size_t payload_cap =
        payload_max < TALLY_DSSE_PAYLOAD_MAX ? payload_max : TALLY_DSSE_PAYLOAD_MAX;
    size_t cap = TALLY_BASE64_SIZE(payload_cap) + ENVELOPE_TEXT_MAX +
                 (size_t)SIGNATURE_TEXT_MAX * TALLY_DSSE_SIGNATURES_MAX;
    json_error_t why;

    TALLY_ENSURE(json.len <= cap, TALLY_E_LIMIT, "an envelope of %zu bytes, more than %zu",
                 json.len, cap);
    TALLY_CLEANUP(free_json)
    json_t *j =
        json_loadb(json.len ? (const char *)json.at : "", json.len, JSON_REJECT_DUPLICATES, &why);
    TALLY_ENSURE(j != NULL, TALLY_E_WIRE, "not a signed document: line %d column %d: %s", why.line,
                 why.column, why.text);
    TALLY_TRY(parse_envelope(j, payload_cap, &d));
    move_out(&d, out);
    return TALLY_OK;
}

enum tally_status tally_dsse_new(const char *payload_type, struct tally_slice payload,
                                 struct tally_dsse *out)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};

    TALLY_TRY(set_type(&d, payload_type, TALLY_E_CONFIG));
    TALLY_TRY(make_room(&d, payload.len, TALLY_DSSE_PAYLOAD_MAX));
    if (payload.len != 0) memcpy(d.payload, payload.at, payload.len);
    d.payload_len = payload.len;
    move_out(&d, out);
    return TALLY_OK;
}

enum tally_status tally_dsse_sign(struct tally_dsse *d, const struct tally_sign_key *key)
{
    char keyid[TALLY_DSSE_KEYID_SIZE], head[HEAD_SIZE];
    uint8_t id[TALLY_SHA256_BYTES], sig[TALLY_SIGNATURE_BYTES];
    const uint8_t *public_key = tally_sign_public(key);
    uint32_t i = 0;

    TALLY_SHA256_OF(id, tally_slice_of(public_key, TALLY_SIGN_PUBLIC_BYTES));
    tally_hex(TALLY_SLICE(id), keyid);
    while (i < d->signatures_n && strcmp(d->signatures[i].keyid, keyid) != 0 &&
           !verifies(d, i, public_key))
        i++;
    TALLY_ENSURE(i < TALLY_DSSE_SIGNATURES_MAX, TALLY_E_LIMIT, "the document has %d signatures",
                 TALLY_DSSE_SIGNATURES_MAX);
    TALLY_TRY(tally_sign(key, TALLY_SLICES(pae_head(d, head), payload_of(d)), 2, sig));
    memcpy(d->signatures[i].keyid, keyid, sizeof keyid);
    memcpy(d->signatures[i].sig, sig, sizeof sig);
    if (i == d->signatures_n) d->signatures_n++;
    return TALLY_OK;
}

bool tally_dsse_signed_by(const struct tally_dsse *d,
                          const uint8_t public_key[TALLY_SIGN_PUBLIC_BYTES])
{
    for (uint32_t i = 0; i < d->signatures_n; i++) {
        if (verifies(d, i, public_key)) return true;
    }
    return false;
}

static json_t *signatures_json(const struct tally_dsse *d)
{
    json_t *array = json_array();
    char sig[TALLY_BASE64_SIZE(TALLY_SIGNATURE_BYTES)];

    for (uint32_t i = 0; i < d->signatures_n; i++) {
        tally_base64(TALLY_SLICE(d->signatures[i].sig), sig);
        json_t *one = json_pack("{s:s, s:s}", "keyid", d->signatures[i].keyid, "sig", sig);
        if (json_array_append_new(array, one) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

enum tally_status tally_dsse_text(const struct tally_dsse *d, char **json_out)
{
    TALLY_CLEANUP(free_text) char *payload = malloc(TALLY_BASE64_SIZE(d->payload_len));

    TALLY_ENSURE(payload != NULL, TALLY_E_NOMEM, "document text");
    tally_base64(payload_of(d), payload);
    TALLY_CLEANUP(free_json)
    json_t *j = json_pack("{s:s, s:s, s:o}", "payloadType", d->payload_type, "payload", payload,
                          "signatures", signatures_json(d));
    TALLY_ENSURE(j != NULL, TALLY_E_NOMEM, "document text");
    TALLY_CLEANUP(free_text) char *text = json_dumps(j, JSON_COMPACT | JSON_ENSURE_ASCII);
    TALLY_ENSURE(text != NULL, TALLY_E_NOMEM, "document text");
    size_t len = strlen(text);
    char *line = realloc(text, len + 2);
    TALLY_ENSURE(line != NULL, TALLY_E_NOMEM, "document text");
    text = NULL;
    memcpy(line + len, "\n", 2);
    *json_out = line;
    return TALLY_OK;
}

void tally_dsse_free(struct tally_dsse *d)
{
    free(d->payload);
    *d = (struct tally_dsse){0};
}
