/* z85.c - see z85.h. */
#include "common/z85.h"

#include <string.h>

static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               ".-:+=^!/*?&<>()[]{}@%$#";
enum { BASE = 85, GROUP_BYTES = 4, GROUP_CHARS = 5, GROUPS = TALLY_CURVE_KEY_BYTES / GROUP_BYTES };

void tally_z85_key(const uint8_t key[TALLY_CURVE_KEY_BYTES], char out[TALLY_Z85_KEY_CHARS + 1])
{
    struct tally_rd r = tally_rd_from(tally_slice_of(key, TALLY_CURVE_KEY_BYTES));

    for (size_t g = 0; g < GROUPS; g++) {
        uint32_t v = tally_rd_be32(&r, "key");
        for (size_t i = GROUP_CHARS; i-- > 0; v /= BASE) {
            out[g * GROUP_CHARS + i] = alphabet[v % BASE];
        }
    }
    out[TALLY_Z85_KEY_CHARS] = '\0';
}

enum tally_status tally_z85_key_parse(const char *text, uint8_t key[TALLY_CURVE_KEY_BYTES])
{
    uint8_t bytes[TALLY_CURVE_KEY_BYTES];
    struct tally_wr w = tally_wr_to(bytes, sizeof bytes);

    TALLY_ENSURE(strnlen(text, TALLY_Z85_KEY_CHARS + 1) == TALLY_Z85_KEY_CHARS, TALLY_E_WIRE,
                 "a CURVE key has %d characters", TALLY_Z85_KEY_CHARS);
    for (size_t g = 0; g < GROUPS; g++) {
        uint64_t v = 0;
        for (size_t i = 0; i < GROUP_CHARS; i++) {
            const char *at = strchr(alphabet, text[g * GROUP_CHARS + i]);
            TALLY_ENSURE(at != NULL, TALLY_E_WIRE, "character %zu is not Z85",
                         g * GROUP_CHARS + i + 1);
            v = v * BASE + (uint64_t)(at - alphabet);
        }
        TALLY_ENSURE(v <= UINT32_MAX, TALLY_E_WIRE, "group %zu is too large", g + 1);
        tally_wr_be32(&w, (uint32_t)v);
    }
    memcpy(key, bytes, sizeof bytes);
    return TALLY_OK;
}
