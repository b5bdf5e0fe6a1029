/* backend.c - see backend.h. */
#include "kernels/backend.h"

#include <cblas.h>
#include <string.h>

const struct tally_backend *tally_backend_named(const char *name)
{
    if (strcmp(name, "ref") == 0) return &tally_backend_ref;
    if (strcmp(name, "ref64") == 0) return &tally_backend_ref64;
    if (strcmp(name, "cpu") != 0) return NULL;
    openblas_set_num_threads(1);
    return &tally_backend_cpu;
}
