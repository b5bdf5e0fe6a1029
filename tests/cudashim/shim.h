/* shim.h - a device made of host memory: the table of kernels/cuda/api.h as functions on the host.
 *
 * It keeps the rules that code on a real device lives by, and punishes what breaks them:
 *   memory   device memory is mapped for the host only while an operation runs: code that reads a
 *            device pointer dies of it. With AddressSanitizer what lies between arrays is poisoned.
 *   streams  an operation runs as late as the rules allow: when someone waits for it. A missing
 *            wait so gives a wrong result. `eager` runs each at once, the other extreme.
 *   copies   from pageable memory are read in the call, from pinned memory when they run.
 *   kernels  run block by block and thread by thread, from the first or (`backwards`) the last.
 *   graphs   hold the arguments of the calls recorded; what may not be recorded invalidates them.
 *   cuBLAS   is column-major sgemm from the BLAS; cuBLASLt checks descriptors, leading dimensions
 *            and the alignment that an algorithm was chosen for, and its ReLU makes 0 of NaN.
 *   failure  the n-th call fails, once or, as when a device is lost, for good. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "kernels/backend.h"

/* The backend "cuda" on this device, under the name "cuda-shim"; with TALLY_TEST_CUDA, the path of
 * libtally-cuda.so, the real one (tests/gpu/run), on which nothing below has an effect. */
const struct tally_backend *tally_cuda_shim(void);

/* As tally_backend_named, with the above for "cpu": other modules' tests run on it so. */
const struct tally_backend *tally_shim_backend_named(const char *name);

struct tally_shim {
    bool eager, backwards;
    bool no_fusion;      /* cuBLASLt knows no algorithm for any epilogue but the default one */
    bool no_lt;          /* nor for anything */
    size_t memory_bytes; /* of the device; at most, and at first, TALLY_SHIM_MEMORY */
    int devices, major;  /* 1 and 9 at first */
};
enum { TALLY_SHIM_MEMORY = 256 << 20 };

extern struct tally_shim tally_shim;

/* Everything as at first; a lost device is there again. */
void tally_shim_reset(void);

enum tally_shim_failure { TALLY_SHIM_CALL_FAILS, TALLY_SHIM_NO_MEMORY, TALLY_SHIM_DEVICE_LOST };

/* The n-th call from now (0: the next one) fails; clean-up calls are not counted, but fail on a
 * lost device. -1: none. NO_MEMORY counts allocations only. */
void tally_shim_fail(int n, enum tally_shim_failure how);
bool tally_shim_failed(void); /* did it? */

/* Arrays, streams, events, graphs, handles and descriptors that exist. */
size_t tally_shim_live(void);
/* Waits by the host: stream_sync and event_sync, and copies that imply one. */
size_t tally_shim_waits(void);
size_t tally_shim_graph_launches(void);
