/* pem.c - certificate chains inside evidence; see cert.h. */
#include <sodium.h>
#include <string.h>

#include "common/cert.h"

static const char begin[] = "-----BEGIN CERTIFICATE-----\n";
static const char end[] = "-----END CERTIFICATE-----";

static bool take(struct tally_slice *text, const char *word)
{
    size_t n = strlen(word);

    if (text->len < n || memcmp(text->at, word, n) != 0) return false;
    *text = tally_slice_of(text->at + n, text->len - n);
    return true;
}

/* One block; the base64 in it decodes in one go, with line feeds alone skipped. */
static enum tally_status block(struct tally_slice *text, uint8_t *out, size_t cap, size_t *len)
{
    const char *stop = NULL;

    TALLY_REFUSE_UNLESS(take(text, begin), TALLY_R_E_CERT_PARSE,
                        "no certificate in PEM where one belongs");
    const uint8_t *dash = memchr(text->at, '-', text->len);
    size_t body = dash == NULL ? text->len : (size_t)(dash - text->at);
    TALLY_REFUSE_UNLESS(body <= 2 * TALLY_CERT_BYTES_MAX && body <= 2 * cap, TALLY_R_E_OVERSIZE,
                        "a certificate of %zu characters", body);
    TALLY_REFUSE_UNLESS(sodium_base642bin(out, cap, (const char *)text->at, body, "\n", len, &stop,
                                          sodium_base64_VARIANT_ORIGINAL) == 0 &&
                            stop == (const char *)text->at + body && *len > 0,
                        TALLY_R_E_CERT_PARSE, "a PEM block is not base64");
    *text = tally_slice_of(text->at + body, text->len - body);
    TALLY_REFUSE_UNLESS(take(text, end), TALLY_R_E_CERT_PARSE, "a PEM block without an end");
    return TALLY_OK;
}

enum tally_status tally_pem_chain(struct tally_slice text, uint8_t *out, size_t cap,
                                  struct tally_slice *der, size_t max, size_t *n)
{
    size_t used = 0, got = 0, len = 0;

    *n = 0;
    while (text.len > 0) {
        TALLY_REFUSE_UNLESS(got < max, TALLY_R_E_CERT_SHAPE, "more than %zu certificates", max);
        TALLY_TRY(block(&text, out + used, cap - used, &len));
        der[got++] = tally_slice_of(out + used, len);
        used += len;
        (void)take(&text, "\n");
    }
    TALLY_REFUSE_UNLESS(got > 0, TALLY_R_E_CERT_SHAPE, "no certificates");
    *n = got;
    return TALLY_OK;
}
