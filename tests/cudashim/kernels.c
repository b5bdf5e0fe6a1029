/* kernels.c - kernels.cu on the host: blocks and threads are loops. */
#include "kernels/cuda/kernels.h"

#include <string.h>

#include "tests/cudashim/shim.h"
#include "tests/cudashim/stream.h"

struct place {
    unsigned x;
};

static struct place gridDim, blockDim, blockIdx, threadIdx;

/* Place i of n in the order of the day. */
static unsigned turn(unsigned i, unsigned n)
{
    return tally_shim.backwards ? n - 1 - i : i;
}

#define TALLY_GLOBAL     static
#define TALLY_DEVICE     static
#define TALLY_LAUNCHED() 0
#define TALLY_LAUNCH(kernel, type, l)                      \
    do {                                                   \
        const struct type *a_ = (l)->args;                 \
        gridDim.x = (l)->grid;                             \
        blockDim.x = (l)->block;                           \
        for (unsigned b_ = 0; b_ < (l)->grid; b_++) {      \
            blockIdx.x = turn(b_, (l)->grid);              \
            for (unsigned t_ = 0; t_ < (l)->block; t_++) { \
                threadIdx.x = turn(t_, (l)->block);        \
                kernel(*a_);                               \
            }                                              \
        }                                                  \
    } while (0)

#include "kernels/cuda/kernels.cu"

void shim_run_kernel(void *launch)
{
    struct tally_launch l;

    memcpy(&l, launch, sizeof l);
    l.args = (const char *)launch + sizeof l;
    (void)tally_kernels_launch(&l);
}
