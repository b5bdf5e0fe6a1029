/* hash.c - see hash.h. */
#include "common/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

static const EVP_MD *md(enum tally_hash_alg alg)
{
    switch (alg) {
    case TALLY_SHA256: return EVP_sha256();
    case TALLY_SHA384: return EVP_sha384();
    case TALLY_SHA512: return EVP_sha512();
    }
    return NULL;
}

void tally_hasher_init(struct tally_hasher *h, enum tally_hash_alg alg)
{
    h->ctx = EVP_MD_CTX_new();
    TALLY_ASSERT(h->ctx != NULL && EVP_DigestInit_ex(h->ctx, md(alg), NULL) == 1);
}

void tally_hasher_add(struct tally_hasher *h, struct tally_slice s)
{
    TALLY_ASSERT(EVP_DigestUpdate(h->ctx, s.at, s.len) == 1);
}

void tally_hasher_end(struct tally_hasher *h, uint8_t *out)
{
    TALLY_ASSERT(EVP_DigestFinal_ex(h->ctx, out, NULL) == 1);
    tally_hasher_free(h);
}

void tally_hasher_free(struct tally_hasher *h)
{
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

void tally_hash(enum tally_hash_alg alg, const struct tally_slice *parts, size_t n, uint8_t *out)
{
    struct tally_hasher h;

    tally_hasher_init(&h, alg);
    for (size_t i = 0; i < n; i++) tally_hasher_add(&h, parts[i]);
    tally_hasher_end(&h, out);
}

void tally_hmac(enum tally_hash_alg alg, struct tally_slice key, struct tally_slice text,
                uint8_t *out)
{
    static const uint8_t none;

    TALLY_ASSERT(HMAC(md(alg), key.len ? key.at : &none, (int)key.len, text.len ? text.at : &none,
                      text.len, out, NULL) != NULL);
}

void tally_hkdf_extract(enum tally_hash_alg alg, struct tally_slice salt, struct tally_slice ikm,
                        uint8_t *prk)
{
    tally_hmac(alg, salt, ikm, prk);
}

/* T(i) = HMAC(prk, T(i-1) || info || i), RFC 5869 section 2.3. */
void tally_hkdf_expand(enum tally_hash_alg alg, struct tally_slice prk, struct tally_slice info,
                       uint8_t *out, size_t out_len)
{
    enum { INFO_MAX = 1024 };
    uint8_t block[TALLY_SHA512_BYTES + INFO_MAX + 1], t[TALLY_SHA512_BYTES];
    size_t size = (size_t)EVP_MD_get_size(md(alg)), done = 0, t_len = 0;

    TALLY_ASSERT(info.len <= INFO_MAX && out_len <= 255 * size);
    for (uint8_t i = 1; done < out_len; i++) {
        if (t_len != 0) memcpy(block, t, t_len);
        if (info.len != 0) memcpy(block + t_len, info.at, info.len);
        block[t_len + info.len] = i;
        tally_hmac(alg, prk, tally_slice_of(block, t_len + info.len + 1), t);
        t_len = size;
        size_t n = out_len - done < size ? out_len - done : size;
        memcpy(out + done, t, n);
        done += n;
    }
    OPENSSL_cleanse(block, sizeof block);
    OPENSSL_cleanse(t, sizeof t);
}
