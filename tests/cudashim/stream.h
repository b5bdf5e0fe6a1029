/* stream.h - inside of the shim: operations, streams, failure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHIM_ARGS_MAX = 512 };

/* One operation as its stream keeps it: a function and a copy of its arguments. */
struct shim_op {
    struct shim_op *next;
    void (*run)(void *args);
    size_t bytes;
    void *owned; /* freed with the operation */
    _Alignas(16) unsigned char args[SHIM_ARGS_MAX];
};

/* On to a stream, or into the graph that it records. Returns a cudaError_t. */
int shim_submit(void *stream, void (*run)(void *), const void *args, size_t bytes, void *owned);
/* Counts a call; nonzero if it is the one to fail, or the device is lost. */
int shim_call(void);
int shim_cleanup(void); /* a call that is not counted */
int shim_allocation(void);
void shim_made(void); /* a handle more, one less */
void shim_gone(void);
bool shim_device_range(const void *p, size_t bytes);
bool shim_recording(void *stream);

/* kernels.c: runs a kernel of kernels.cu, struct tally_launch with its arguments behind it. */
void shim_run_kernel(void *launch);
