/* slabs.h - rows that do not fit the device, streamed through two buffers there.
 *
 * An epoch's rows are cut into slabs, each some turns long. While the device computes with one,
 * the host collects the next one's rows in pinned memory and a second stream copies them. A buffer
 * is filled again when the turns that read it are done (an event for the copying stream) and its
 * pinned side when the copy is (the only thing the host waits for inside an epoch). */
#pragma once

#include "kernels/cuda/device.h"

struct tally_cuda_slabs {
    const struct tally_takeover *task;
    size_t rows; /* of a slab; 0: not in use */
    float *host[2], *device[2];
    void *copies;              /* stream */
    void *filled[2], *used[2]; /* events */
};

/* What turn i reads, in host memory. */
struct tally_cuda_read {
    uint32_t first, rows; /* of the epoch's order */
    uint32_t slab;
};

/* Buffers of at most `bytes` each. False without memory for one batch, or on failure; *s is to be
 * closed either way. */
bool tally_cuda_slabs_open(struct tally_cuda *d, struct tally_cuda_slabs *s,
                           const struct tally_takeover *task, size_t bytes);
void tally_cuda_slabs_close(struct tally_cuda *d, struct tally_cuda_slabs *s);

/* Where buffer i's rows are on the device. */
struct tally_k_source tally_cuda_slabs_source(const struct tally_cuda_slabs *s, int i);

/* Gives turns their slab, and in `sent` the buffer and their place in it. */
void tally_cuda_slabs_plan(const struct tally_cuda_slabs *s, struct tally_cuda_read *reads,
                           struct tally_k_turn *sent, size_t n);

/* Around turn i of n: before it is sent to the device, and after. */
void tally_cuda_slabs_before(struct tally_cuda *d, struct tally_cuda_slabs *s,
                             const struct tally_cuda_read *reads, size_t n, size_t i,
                             const uint32_t *order);
void tally_cuda_slabs_after(struct tally_cuda *d, struct tally_cuda_slabs *s,
                            const struct tally_cuda_read *reads, size_t n, size_t i,
                            const uint32_t *order);
