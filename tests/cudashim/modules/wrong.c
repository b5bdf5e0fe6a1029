/* wrong.c - a module of another build: version and size are the compile line's. */
#include "kernels/module.h"

static const char *start(void)
{
    return "was started all the same";
}

const struct tally_backend_module TALLY_BACKEND_MODULE = {
    .version = WRONG_VERSION, .table_bytes = WRONG_BYTES, .start = start};
