/* fuzz_conf.c - any bytes as a configuration: refused with a line, or values that are written and
 * read back the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tally_agent_conf a, b;
    char *text = NULL;

    if (tally_conf_parse(&tally_agent_conf_table, "a.yaml", tally_slice_of(data, size), &a) !=
        TALLY_OK) {
        if (strncmp(tally_why_text(), "a.yaml:", 7) != 0) abort();
        return 0;
    }
    if (a.threads < 1 || a.threads > 256) abort();
    if (tally_conf_text(&tally_agent_conf_table, &a, &text) != TALLY_OK) abort();
    if (tally_conf_parse(&tally_agent_conf_table, "a.yaml", tally_slice_str(text), &b) != TALLY_OK)
        abort();
    if (memcmp(&a, &b, sizeof a) != 0) abort();
    free(text);
    return 0;
}
