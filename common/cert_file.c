/* cert_file.c - certificates as people keep them; see cert.h. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "common/cert.h"

/* True if the whole text is one PEM block with this label. */
static bool decode(struct tally_slice file, const char *label, uint8_t **der, long *len)
{
    char *name = NULL, *header = NULL, c;
    BIO *b = BIO_new_mem_buf(file.at, (int)file.len);
    bool good = b != NULL && PEM_read_bio(b, &name, &header, der, len) == 1 &&
                strcmp(name, label) == 0 && *header == '\0';

    while (good && BIO_read(b, &c, 1) == 1) good = strchr(" \t\r\n", c) != NULL && c != '\0';
    OPENSSL_free(name);
    OPENSSL_free(header);
    BIO_free(b);
    ERR_clear_error();
    return good;
}

/* Text that comes to a PEM block, perhaps behind lines of comment as openssl prints them. */
static bool is_text(struct tally_slice file, const char *begin)
{
    const uint8_t *at = memmem(file.at, file.len, begin, strlen(begin));

    for (const uint8_t *p = file.at; at != NULL && p < at; p++) {
        if ((*p < 0x20 && strchr("\t\r\n", *p) == NULL) || *p > 0x7e || *p == 0) return false;
    }
    return at != NULL && (at == file.at || at[-1] == '\n');
}

enum tally_status tally_cert_from_file(struct tally_slice file, const char *label, uint8_t *out,
                                       size_t cap, size_t *len)
{
    static const char begin[] = "-----BEGIN ";
    uint8_t *der = NULL;
    long der_len = 0;
    struct tally_slice use = file;

    TALLY_ENSURE(file.len <= 4 * cap, TALLY_E_LIMIT, "%zu bytes where one %s belongs", file.len,
                 label);
    if (is_text(file, begin) && decode(file, label, &der, &der_len))
        use = tally_slice_of(der, (size_t)der_len);
    bool fits = use.len <= cap;
    if (fits && use.len != 0) memcpy(out, use.at, use.len);
    *len = fits ? use.len : 0;
    OPENSSL_free(der);
    TALLY_ENSURE(fits, TALLY_E_LIMIT, "%s of more than %zu bytes", label, cap);
    return TALLY_OK;
}
