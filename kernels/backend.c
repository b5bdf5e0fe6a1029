/* backend.c - see backend.h. */
#include "kernels/backend.h"

#include <string.h>

enum tally_status tally_backend_check(const struct tally_backend *b)
{
    const char *why = b->failed != NULL ? b->failed() : NULL;

    TALLY_ENSURE(why == NULL, TALLY_E_STATE, "%s: %s", b->name, why);
    return TALLY_OK;
}

const struct tally_backend *tally_backend_named(const char *name)
{
    if (strcmp(name, "ref") == 0) return &tally_backend_ref;
    if (strcmp(name, "ref64") == 0) return &tally_backend_ref64;
    return strcmp(name, "cpu") == 0 ? &tally_backend_cpu : NULL;
}
