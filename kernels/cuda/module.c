/* module.c - what libtally-cuda.so shows: one symbol (kernels/module.h). */
#include "kernels/module.h"

#include "kernels/cuda/device.h"

/* Opens the device, which is what can be wrong with a machine, and leaves it open. */
static const char *start(void)
{
    tally_backend_cuda.release(tally_backend_cuda.alloc(1));
    return tally_backend_cuda.failed();
}

__attribute__((visibility("default"))) const struct tally_backend_module TALLY_BACKEND_MODULE = {
    .version = TALLY_BACKEND_VERSION,
    .table_bytes = sizeof(struct tally_backend),
    .backend = &tally_backend_cuda,
    .start = start,
};
