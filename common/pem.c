/* pem.c - certificate chains inside evidence; see cert.h. */
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

enum { SKIP = 64, PAD, NONE };

/* The value of a character: 0 to 63, a line feed, padding, or none. Certificates are no secrets. */
static unsigned sextet(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z') return (unsigned)(c - 'a' + 26);
    if (c >= '0' && c <= '9') return (unsigned)(c - '0' + 52);
    if (c == '+') return 62;
    if (c == '/') return 63;
    if (c == '\n') return SKIP;
    return c == '=' ? PAD : NONE;
}

/* Standard base64 with line feeds alone skipped: padded to fours, spare bits zero. */
static bool decode(struct tally_slice in, uint8_t *out, size_t cap, size_t *len)
{
    uint32_t bits = 0;
    unsigned have = 0, pads = 0;
    size_t used = 0, signs = 0;

    for (size_t i = 0; i < in.len; i++) {
        unsigned v = sextet(in.at[i]);
        if (v == SKIP) continue;
        signs++;
        if (v == PAD) {
            pads++;
            continue;
        }
        if (v == NONE || pads > 0) return false;
        bits = (bits << 6 | v) & 0xfff;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        if (used == cap) return false;
        out[used++] = (uint8_t)(bits >> have & 0xff);
    }
    *len = used;
    return signs % 4 == 0 && pads == have / 2 && have < 6 && (bits & ((1U << have) - 1)) == 0;
}

/* One block. */
static enum tally_status block(struct tally_slice *text, uint8_t *out, size_t cap, size_t *len)
{
    TALLY_REFUSE_UNLESS(take(text, begin), TALLY_R_E_CERT_PARSE,
                        "no certificate in PEM where one belongs");
    const uint8_t *dash = memchr(text->at, '-', text->len);
    size_t body = dash == NULL ? text->len : (size_t)(dash - text->at);
    TALLY_REFUSE_UNLESS(body <= (size_t)2 * TALLY_CERT_BYTES_MAX && body <= 2 * cap,
                        TALLY_R_E_OVERSIZE, "a certificate of %zu characters", body);
    TALLY_REFUSE_UNLESS(decode(tally_slice_of(text->at, body), out, cap, len) && *len > 0,
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
