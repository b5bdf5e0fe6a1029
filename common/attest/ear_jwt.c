/* ear_jwt.c - the token round an EAR (RFC 7515, compact form); see ear.h. */
#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/ear.h"
#include "common/ecdsa.h"
#include "common/jsonread.h"

enum { ED25519_SIG = 64, P384_SIG = 96, HEADER_MAX = 128 };
static const char profile[] = "tag:ietf.org,2026:rats/ear#04";

static void free_key(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}

static void free_md(EVP_MD_CTX **c)
{
    EVP_MD_CTX_free(*c);
}

static void free_bio(BIO **b)
{
    BIO_free(*b);
}

static void free_text(char **t)
{
    free(*t);
}

/* "EdDSA", "ES384", or NULL for any other key. */
static const char *algorithm(EVP_PKEY *key)
{
    char group[32] = "";

    if (EVP_PKEY_is_a(key, "ED25519")) return "EdDSA";
    if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
        strcmp(group, "secp384r1") == 0)
        return "ES384";
    return NULL;
}

/* DER to r || s, 48 bytes each. */
static bool flatten(const uint8_t *der, size_t len, uint8_t out[P384_SIG])
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    bool good = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, P384_SIG / 2) > 0 &&
                BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + P384_SIG / 2, P384_SIG / 2) > 0;

    ECDSA_SIG_free(sig);
    return good;
}

static enum tally_status sign(EVP_PKEY *key, bool edwards, struct tally_slice text, uint8_t *sig)
{
    TALLY_CLEANUP(free_md) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t raw[P384_SIG + 16];
    size_t len = sizeof raw;
    bool good = ctx != NULL &&
                EVP_DigestSignInit(ctx, NULL, edwards ? NULL : EVP_sha384(), NULL, key) == 1 &&
                EVP_DigestSign(ctx, raw, &len, text.at, text.len) == 1;

    if (good && edwards) {
        good = len == ED25519_SIG;
        memcpy(sig, raw, ED25519_SIG);
    } else if (good) {
        good = flatten(raw, len, sig);
    }
    ERR_clear_error();
    TALLY_ENSURE(good, TALLY_E_CONFIG, "the key does not sign");
    return TALLY_OK;
}

static size_t append(char *to, size_t used, size_t cap, struct tally_slice s)
{
    (void)sodium_bin2base64(to + used, cap - used, s.at, s.len,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return used + strlen(to + used);
}

enum tally_status tally_ear_sign(const json_t *claims, struct tally_slice key_pem, char **jwt)
{
    TALLY_CLEANUP(free_bio) BIO *b = BIO_new_mem_buf(key_pem.at, (int)key_pem.len);
    TALLY_CLEANUP(free_key)
    EVP_PKEY *key = b == NULL ? NULL : PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
    TALLY_CLEANUP(free_text) char *payload = json_dumps(claims, JSON_COMPACT | JSON_SORT_KEYS);
    TALLY_CLEANUP(free_text) char *text = malloc(2 * TALLY_EAR_TEXT_MAX);
    const char *alg = key == NULL ? NULL : algorithm(key);
    char header[HEADER_MAX];
    uint8_t sig[P384_SIG];

    ERR_clear_error();
    TALLY_ENSURE(alg != NULL, TALLY_E_CONFIG,
                 "the signing key is not an Ed25519 or P-384 private key in PEM");
    TALLY_ENSURE(payload != NULL && text != NULL, TALLY_E_NOMEM, "attestation result");
    TALLY_ENSURE(strlen(payload) <= TALLY_EAR_TEXT_MAX, TALLY_E_LIMIT,
                 "an attestation result of %zu bytes", strlen(payload));
    (void)snprintf(header, sizeof header, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", alg);
    size_t used = append(text, 0, 2 * TALLY_EAR_TEXT_MAX, tally_slice_str(header));
    text[used++] = '.';
    used = append(text, used, 2 * TALLY_EAR_TEXT_MAX, tally_slice_str(payload));
    bool edwards = strcmp(alg, "EdDSA") == 0;
    TALLY_TRY(sign(key, edwards, tally_slice_of(text, used), sig));
    text[used++] = '.';
    (void)append(text, used, 2 * TALLY_EAR_TEXT_MAX,
                 tally_slice_of(sig, edwards ? ED25519_SIG : P384_SIG));
    *jwt = text;
    text = NULL;
    return TALLY_OK;
}

/* The three parts of header.payload.signature. */
static enum tally_status split(struct tally_slice jwt, struct tally_slice part[3])
{
    const uint8_t *dot = memchr(jwt.at, '.', jwt.len), *end = jwt.at + jwt.len;
    const uint8_t *last = dot == NULL ? NULL : memchr(dot + 1, '.', (size_t)(end - dot - 1));

    TALLY_REFUSE_UNLESS(last != NULL && memchr(last + 1, '.', (size_t)(end - last - 1)) == NULL,
                        TALLY_R_E_FORMAT, "a token without its three parts");
    part[0] = tally_slice_of(jwt.at, (size_t)(dot - jwt.at));
    part[1] = tally_slice_of(dot + 1, (size_t)(last - dot - 1));
    part[2] = tally_slice_of(last + 1, (size_t)(end - last - 1));
    return TALLY_OK;
}

static enum tally_status unbase(struct tally_slice in, uint8_t *out, size_t cap, size_t *len)
{
    const char *stop = NULL;

    TALLY_REFUSE_UNLESS(sodium_base642bin(out, cap, (const char *)in.at, in.len, NULL, len, &stop,
                                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
                            stop == (const char *)in.at + in.len,
                        TALLY_R_E_FORMAT, "a part of the token is not base64url");
    return TALLY_OK;
}

static enum tally_status load(struct tally_slice text, json_t **out)
{
    *out = json_loadb((const char *)text.at, text.len, JSON_REJECT_DUPLICATES, NULL);
    TALLY_REFUSE_UNLESS(json_is_object(*out), TALLY_R_E_FORMAT, "a part of the token is no object");
    return TALLY_OK;
}

/* The key decides the algorithm; a header that says another is refused before any verification. */
static enum tally_status check_signature(const struct tally_slice part[3], struct tally_slice pem,
                                         struct tally_slice signed_text)
{
    TALLY_CLEANUP(free_bio) BIO *b = BIO_new_mem_buf(pem.at, (int)pem.len);
    TALLY_CLEANUP(free_key)
    EVP_PKEY *key = b == NULL ? NULL : PEM_read_bio_PUBKEY(b, NULL, NULL, NULL);
    TALLY_CLEANUP(free_md) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    TALLY_CLEANUP(tally_json_free) json_t *header = NULL;
    const char *alg = key == NULL ? NULL : algorithm(key), *said = NULL;
    uint8_t text[HEADER_MAX], sig[P384_SIG];
    size_t len = 0;

    ERR_clear_error();
    TALLY_ENSURE(alg != NULL && ctx != NULL, TALLY_E_CONFIG,
                 "the key is not an Ed25519 or P-384 public key in PEM");
    TALLY_TRY(unbase(part[0], text, sizeof text, &len));
    TALLY_TRY(load(tally_slice_of(text, len), &header));
    said = json_string_value(json_object_get(header, "alg"));
    TALLY_REFUSE_UNLESS(said != NULL && strcmp(said, alg) == 0 && json_object_size(header) == 2 &&
                            json_object_get(header, "typ") != NULL,
                        TALLY_R_E_ALGORITHM, "the token's header does not fit the key");
    TALLY_TRY(unbase(part[2], sig, sizeof sig, &len));
    if (strcmp(alg, "ES384") == 0)
        return tally_ecdsa_verify(key, TALLY_KEY_P384, signed_text, tally_slice_of(sig, len));
    bool good = len == ED25519_SIG && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestVerify(ctx, sig, len, signed_text.at, signed_text.len) == 1;
    ERR_clear_error();
    TALLY_REFUSE_UNLESS(good, TALLY_R_E_SIGNATURE, "the token's signature does not verify");
    return TALLY_OK;
}

static enum tally_status check_claims(const json_t *c, const struct tally_ear_expect *e)
{
    const char *aud = json_string_value(json_object_get(c, "aud"));
    const char *have = json_string_value(json_object_get(c, "eat_nonce"));
    const char *says = json_string_value(json_object_get(c, "eat_profile"));
    json_int_t iat = json_integer_value(json_object_get(c, "iat"));
    json_int_t exp = json_integer_value(json_object_get(c, "exp"));
    char want[2 * TALLY_CLAIM_BYTES_MAX];

    TALLY_REFUSE_UNLESS(says != NULL && strcmp(says, profile) == 0, TALLY_R_E_VERSION,
                        "the token is of another profile");
    TALLY_REFUSE_UNLESS(iat > 0 && exp >= iat, TALLY_R_E_FORMAT, "the token's times");
    TALLY_REFUSE_UNLESS(e->now_s >= (uint64_t)iat, TALLY_R_E_CERT_NOT_YET_VALID,
                        "the token begins later");
    TALLY_REFUSE_UNLESS(e->now_s <= (uint64_t)exp, TALLY_R_E_CERT_EXPIRED, "the token has expired");
    TALLY_REFUSE_UNLESS(e->audience == NULL ? json_object_get(c, "aud") == NULL
                                            : aud != NULL && strcmp(aud, e->audience) == 0,
                        TALLY_R_E_IDENTITY, "the token is for another audience");
    if (e->nonce.at == NULL) return TALLY_OK;
    TALLY_REFUSE_UNLESS(e->nonce.len <= TALLY_CLAIM_BYTES_MAX, TALLY_R_E_OVERSIZE, "nonce");
    (void)sodium_bin2base64(want, sizeof want, e->nonce.at, e->nonce.len,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    TALLY_REFUSE_UNLESS(have != NULL && strcmp(have, want) == 0, TALLY_R_E_REPORT_DATA,
                        "the token answers another nonce");
    return TALLY_OK;
}

/* The worst status of all parts; a word that is none of AR4SI's is contraindicated. */
static const char *worst_status(const json_t *claims)
{
    static const char *const words[] = {"affirming", "none", "warning", "contraindicated"};
    size_t worst = 0;
    json_t *parts = json_object_get(claims, "submods"), *part;
    const char *name;

    if (!json_is_object(parts) || json_object_size(parts) == 0) return words[3];
    json_object_foreach(parts, name, part)
    {
        const char *said = json_string_value(json_object_get(part, "ear_status"));
        size_t i = 0;
        while (i < 3 && (said == NULL || strcmp(said, words[i]) != 0)) i++;
        if (i > worst) worst = i;
    }
    return words[worst];
}

enum tally_status tally_ear_check(struct tally_slice jwt, const struct tally_ear_expect *expect,
                                  json_t **claims, const char **status)
{
    struct tally_slice part[3];
    TALLY_CLEANUP(tally_json_free) json_t *c = NULL;
    size_t len = 0;

    TALLY_REFUSE_UNLESS(jwt.len <= 2 * TALLY_EAR_TEXT_MAX, TALLY_R_E_OVERSIZE,
                        "a token of %zu bytes", jwt.len);
    TALLY_TRY(split(jwt, part));
    TALLY_TRY(check_signature(part, expect->key_pem,
                              tally_slice_of(jwt.at, part[0].len + 1 + part[1].len)));
    TALLY_CLEANUP(free_text) char *text = malloc(part[1].len + 1);
    TALLY_ENSURE(text != NULL, TALLY_E_NOMEM, "attestation result");
    TALLY_TRY(unbase(part[1], (uint8_t *)text, part[1].len, &len));
    TALLY_TRY(load(tally_slice_of(text, len), &c));
    TALLY_TRY(check_claims(c, expect));
    *status = worst_status(c);
    *claims = c;
    c = NULL;
    return TALLY_OK;
}
