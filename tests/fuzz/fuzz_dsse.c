/* fuzz_dsse.c - any bytes as a signed document: refused, or the same document after a round trip.
 */
#include <stdlib.h>
#include <string.h>

#include "common/dsse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tally_dsse d, again;
    char *text;

    if (tally_dsse_parse(tally_slice_of(data, size), 4096, &d) != TALLY_OK) return 0;
    if (tally_dsse_text(&d, &text) != TALLY_OK) abort();
    if (tally_dsse_parse(tally_slice_str(text), 4096, &again) != TALLY_OK) abort();
    if (memcmp(d.digest, again.digest, sizeof d.digest) != 0 ||
        d.signatures_n != again.signatures_n)
        abort();
    free(text);
    tally_dsse_free(&d);
    tally_dsse_free(&again);
    return 0;
}
