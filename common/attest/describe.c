/* describe.c - see describe.h. */
#include "common/attest/describe.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_SIZE = 512 };

void tally_describe_say(const struct tally_describe *to, bool good, const char *fix,
                        const char *fmt, ...)
{
    char line[LINE_SIZE];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    to->say(to->ctx, good, line, good ? "" : fix);
}
