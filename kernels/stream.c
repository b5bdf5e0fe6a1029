/* stream.c - see stream.h. */
#include "kernels/stream.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    AHEAD = 512,           /* words made at once for who asks one by one */
    UPDATE_BYTES = 1 << 20 /* of one call of the cipher, whose lengths are ints */
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are read as they lie in memory");

struct tally_stream {
    EVP_CIPHER_CTX *cipher; /* NULL: the words are given */
    uint64_t *given;
    uint64_t given_n;
    uint64_t left;  /* words not yet given out */
    uint64_t drawn; /* given out */
    size_t at, end; /* ahead[at..end) was made and not given out */
    uint64_t ahead[AHEAD];
};

static TALLY_RESULT start(struct tally_stream *s, const uint8_t *key, const uint8_t *nonce)
{
    uint8_t iv[16] = {0}; /* the counter, then the nonce */

    memcpy(iv + 4, nonce, TALLY_STREAM_NONCE_BYTES);
    s->cipher = EVP_CIPHER_CTX_new();
    TALLY_ENSURE(s->cipher != NULL, TALLY_E_NOMEM, "no memory for a stream's cipher");
    TALLY_ENSURE(EVP_EncryptInit_ex(s->cipher, EVP_chacha20(), NULL, key, iv) == 1, TALLY_E_LIB,
                 "ChaCha20 does not start");
    return TALLY_OK;
}

TALLY_RESULT tally_stream_new(struct tally_stream **out, const uint8_t key[TALLY_STREAM_KEY_BYTES],
                              const uint8_t nonce[TALLY_STREAM_NONCE_BYTES], uint64_t words_max)
{
    TALLY_ENSURE(words_max > 0 && words_max <= TALLY_STREAM_WORDS_MAX, TALLY_E_LIMIT,
                 "a stream of %llu words: 1 to 2^35 are possible", (unsigned long long)words_max);
    struct tally_stream *s = calloc(1, sizeof *s);
    TALLY_ENSURE(s != NULL, TALLY_E_NOMEM, "no memory for a stream");
    s->left = words_max;
    enum tally_status made = start(s, key, nonce);
    if (made != TALLY_OK) {
        tally_stream_destroy(&s);
        return made;
    }
    *out = s;
    return TALLY_OK;
}

TALLY_RESULT tally_stream_given(struct tally_stream **out, const uint64_t *words, size_t n)
{
    struct tally_stream *s = calloc(1, sizeof *s);

    TALLY_ENSURE(s != NULL, TALLY_E_NOMEM, "no memory for a stream");
    s->given = calloc(n + 1, sizeof *words);
    if (s->given == NULL) {
        tally_stream_destroy(&s);
        return TALLY_FAIL(TALLY_E_NOMEM, "no memory for a stream of %zu words", n);
    }
    if (n > 0) memcpy(s->given, words, n * sizeof *words);
    s->given_n = n;
    s->left = n;
    *out = s;
    return TALLY_OK;
}

void tally_stream_destroy(struct tally_stream **s)
{
    struct tally_stream *it = *s;

    if (it == NULL) return;
    EVP_CIPHER_CTX_free(it->cipher);
    if (it->given != NULL) sodium_memzero(it->given, it->given_n * sizeof *it->given);
    free(it->given);
    sodium_memzero(it, sizeof *it);
    free(it);
    *s = NULL;
}

/* n more words from the source. */
static TALLY_RESULT make(uint64_t *words, struct tally_stream *s, size_t n)
{
    unsigned char *to = (unsigned char *)words;
    size_t bytes = n * sizeof *words;

    if (s->cipher == NULL) {
        memcpy(words, s->given + s->drawn + (s->end - s->at), bytes);
        return TALLY_OK;
    }
    memset(to, 0, bytes);
    while (bytes > 0) {
        int part = bytes < UPDATE_BYTES ? (int)bytes : UPDATE_BYTES;
        int done = 0;
        if (EVP_EncryptUpdate(s->cipher, to, &done, to, part) != 1 || done != part) {
            s->left = 0;
            return TALLY_FAIL(TALLY_E_LIB, "ChaCha20 fails");
        }
        to += part;
        bytes -= (size_t)part;
    }
    return TALLY_OK;
}

static TALLY_RESULT claim(struct tally_stream *s, size_t n)
{
    if (n <= s->left) return TALLY_OK;
    uint64_t left = s->left;
    s->left = 0;
    return TALLY_FAIL(TALLY_E_LIMIT, "the stream ends: %zu words asked, %llu left", n,
                      (unsigned long long)left);
}

TALLY_RESULT tally_stream_fill(uint64_t *words, struct tally_stream *s, size_t n)
{
    TALLY_TRY(claim(s, n));
    if (n == 0) return TALLY_OK;
    size_t ready = s->end - s->at < n ? s->end - s->at : n;
    if (ready > 0) memcpy(words, s->ahead + s->at, ready * sizeof *words);
    TALLY_TRY(make(words + ready, s, n - ready));
    s->at += ready;
    s->left -= n;
    s->drawn += n;
    return TALLY_OK;
}

TALLY_RESULT tally_stream_next(uint64_t *word, struct tally_stream *s)
{
    TALLY_TRY(claim(s, 1));
    if (s->at == s->end) {
        size_t n = s->left < AHEAD ? (size_t)s->left : AHEAD;
        s->at = 0;
        s->end = 0;
        TALLY_TRY(make(s->ahead, s, n));
        s->end = n;
    }
    *word = s->ahead[s->at++];
    s->left--;
    s->drawn++;
    return TALLY_OK;
}

uint64_t tally_stream_drawn(const struct tally_stream *s)
{
    return s->drawn;
}
