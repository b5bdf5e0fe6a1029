/* fuzz_pem.c - certificates in PEM: chains inside evidence, and files as people keep them. */
#include <stdlib.h>
#include <string.h>

#include "common/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { CERTS = 6, ROOM = 8 * 1024 };

/* What is taken as a chain has at most as many bytes as base64 gives, one after the other. */
static void check_chain(struct tally_slice in, size_t cap)
{
    uint8_t *out = malloc(cap > 0 ? cap : 1);
    struct tally_slice der[CERTS];
    const uint8_t *at = out;
    size_t n = 0;

    if (out == NULL) abort();
    if (tally_pem_chain(in, out, cap, der, CERTS, &n) == TALLY_OK) {
        TALLY_ASSERT(n >= 1 && n <= CERTS);
        for (size_t i = 0; i < n; i++) {
            TALLY_ASSERT(der[i].at == at && der[i].len > 0);
            at += der[i].len;
        }
        TALLY_ASSERT((size_t)(at - out) <= cap && (size_t)(at - out) <= in.len * 3 / 4);
    } else {
        TALLY_ASSERT(n == 0);
    }
    free(out);
}

static void check_file(struct tally_slice in, const char *label)
{
    uint8_t *out = malloc(ROOM);
    size_t len = 0;

    if (out == NULL) abort();
    if (tally_cert_from_file(in, label, out, ROOM, &len) == TALLY_OK)
        TALLY_ASSERT(len <= ROOM && len <= in.len);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct tally_slice in = tally_slice_of(p, n);

    check_chain(in, ROOM);
    check_chain(in, n / 2);
    check_file(in, "CERTIFICATE");
    check_file(in, "X509 CRL");
    check_file(in, "PUBLIC KEY");
    return 0;
}
