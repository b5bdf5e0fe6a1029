/* module.h - backends that come as shared objects, so that an image without their vendor's
 * libraries runs all the same.
 *
 * Such an object shows one symbol, whose name ends in the version of the table, and needs none of
 * ours. It is loaded once and stays. Memory and threads it starts are its own affair; it must
 * come from where the program itself comes from, since it runs with the program's rights: a path
 * with a slash, or a name to be found beside the program, is for the caller to decide. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/backend.h"

enum { TALLY_BACKEND_VERSION = 1 }; /* of struct tally_backend and what it points to */
#define TALLY_BACKEND_MODULE tally_backend_module_1
#define TALLY_BACKEND_SYMBOL "tally_backend_module_1"
#define TALLY_CUDA_LIBRARY   "libtally-cuda.so"
#define TALLY_CUDA_DRIVER    "libcuda.so.1"

struct tally_backend_module {
    uint32_t version;
    uint32_t table_bytes; /* sizeof(struct tally_backend) */
    const struct tally_backend *backend;
    const char *(*start)(void); /* NULL: the device is there and works, else what is wrong */
};

/* The backend in `library`, started; out is untouched on failure. driver: a library that must be
 * loadable first, as a cheap question whether there can be a device at all; NULL: none.
 * TALLY_E_UNDECIDED without driver or library, TALLY_E_LIB when the symbol, its version or size
 * is another, TALLY_E_STATE when the device does not start. */
TALLY_RESULT tally_module_load(const struct tally_backend **out, const char *driver,
                               const char *library);

/* The cuda backend of this machine, or NULL, decided once per process: libtally-cuda.so beside the
 * program or where the linker looks. Why there is none: tally_module_why, "" if there is one. */
const struct tally_backend *tally_module_cuda(void);
const char *tally_module_why(void);
