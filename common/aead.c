/* aead.c - see aead.h. */
#include "common/aead.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum tally_status tally_aead_init(struct tally_aead *a, const uint8_t key[TALLY_AEAD_KEY_BYTES])
{
    a->ctx = EVP_CIPHER_CTX_new();
    TALLY_ENSURE(a->ctx != NULL, TALLY_E_NOMEM, "cipher context");
    if (EVP_CipherInit_ex(a->ctx, EVP_aes_256_gcm(), NULL, key, NULL, 1) != 1) {
        tally_aead_free(a);
        return TALLY_FAIL(TALLY_E_LIB, "AES-256-GCM key");
    }
    return TALLY_OK;
}

void tally_aead_free(struct tally_aead *a)
{
    EVP_CIPHER_CTX_free(a->ctx);
    a->ctx = NULL;
}

static bool run(EVP_CIPHER_CTX *ctx, struct tally_slice aad, struct tally_slice in, uint8_t *out)
{
    static const uint8_t none;
    int n = 0;

    if (aad.len != 0 && EVP_CipherUpdate(ctx, NULL, &n, aad.at, (int)aad.len) != 1) return false;
    return EVP_CipherUpdate(ctx, out, &n, in.len ? in.at : &none, (int)in.len) == 1;
}

enum tally_status tally_aead_seal(struct tally_aead *a, const uint8_t nonce[TALLY_AEAD_NONCE_BYTES],
                                  struct tally_slice aad, struct tally_slice plain, uint8_t *out)
{
    int n = 0;

    TALLY_ENSURE(plain.len <= INT_MAX - 64, TALLY_E_LIMIT, "%zu bytes in one piece", plain.len);
    TALLY_ENSURE(EVP_CipherInit_ex(a->ctx, NULL, NULL, NULL, nonce, 1) == 1 &&
                     run(a->ctx, aad, plain, out) &&
                     EVP_CipherFinal_ex(a->ctx, out + plain.len, &n) == 1 &&
                     EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_GET_TAG, TALLY_AEAD_TAG_BYTES,
                                         out + plain.len) == 1,
                 TALLY_E_LIB, "AES-256-GCM seal");
    return TALLY_OK;
}

enum tally_status tally_aead_open(struct tally_aead *a, const uint8_t nonce[TALLY_AEAD_NONCE_BYTES],
                                  struct tally_slice aad, struct tally_slice sealed, uint8_t *out)
{
    uint8_t tag[TALLY_AEAD_TAG_BYTES], end[TALLY_AEAD_TAG_BYTES];
    int n = 0;

    TALLY_REFUSE_UNLESS(sealed.len >= sizeof tag, TALLY_R_E_AUTH, "shorter than its tag");
    TALLY_ENSURE(sealed.len <= INT_MAX, TALLY_E_LIMIT, "%zu bytes in one piece", sealed.len);
    struct tally_slice body = {sealed.at, sealed.len - sizeof tag};
    memcpy(tag, sealed.at + body.len, sizeof tag);
    if (EVP_CipherInit_ex(a->ctx, NULL, NULL, NULL, nonce, 0) != 1 ||
        !run(a->ctx, aad, body, out) ||
        EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) != 1) {
        OPENSSL_cleanse(out, body.len);
        return TALLY_FAIL(TALLY_E_LIB, "AES-256-GCM open");
    }
    if (EVP_CipherFinal_ex(a->ctx, end, &n) != 1) {
        OPENSSL_cleanse(out, body.len);
        return TALLY_REFUSE(TALLY_R_E_AUTH, "the tag does not fit");
    }
    return TALLY_OK;
}
