/* evidence_show.c - see evidence_show.h. */
#include "agent/evidence_show.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"

enum { VALUE = 256, HEX_BYTES_MAX = 64 };

void evidence_field(json_t *fields, size_t offset, size_t size, const char *name,
                    const char *meaning, const char *fmt, ...)
{
    char value[VALUE];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    (void)json_array_append_new(
        fields, json_pack("{s:I, s:I, s:s, s:s, s:s}", "offset", (json_int_t)offset, "size",
                          (json_int_t)size, "field", name, "value", value, "meaning", meaning));
}

void evidence_field_hex(json_t *fields, size_t offset, const char *name, const char *meaning,
                        struct tally_slice bytes)
{
    char hex[2 * HEX_BYTES_MAX + 1];
    bool cut = bytes.len > HEX_BYTES_MAX;

    tally_hex(tally_slice_of(bytes.at, cut ? HEX_BYTES_MAX : bytes.len), hex);
    evidence_field(fields, offset, bytes.len, name, meaning, "%s%s", hex, cut ? ".." : "");
}
