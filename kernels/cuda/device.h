/* device.h - the process's one device: its stream, its libraries, its first failure.
 *
 * Everything runs on one stream in the order of the calls; a recursive lock makes any thread's
 * calls safe and lets one thread hold the stream while it records a graph. After the first failing
 * call nothing is sent any more (tally_cuda_ok) until every array is released; then the next one
 * opens the device anew, which a lost one refuses. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernels/backend.h"
#include "kernels/cuda/api.h"
#include "kernels/cuda/kernels.h"

enum {
    TALLY_CUDA_WORKSPACE = 32 << 20, /* bytes, what cuBLAS asks for on sm_90 */
    TALLY_CUDA_STAGE = 1 << 20,      /* bytes of pinned memory for small transfers */
    TALLY_CUDA_BLOCK = 256,          /* threads */
    TALLY_CUDA_GRID_MAX = 4096,      /* blocks of an elementwise kernel */
    TALLY_CUDA_MAJOR_MIN = 8,        /* compute capability */
};

struct tally_cuda {
    bool open;
    char failed[160]; /* "" while all is well */
    size_t live;      /* arrays and trainings */
    void *stream;
    void *blas, *lt;
    void *workspace;
    void *stage; /* pinned */
    void *part;  /* device: partial column sums, TALLY_CUDA_STAGE bytes */
};

/* Locks; opens the device if it is not, or no longer, and nothing lives. `failed` tells. */
struct tally_cuda *tally_cuda_enter(void);
void tally_cuda_leave(struct tally_cuda **d);
#define TALLY_CUDA_ENTER(d) \
    struct tally_cuda *d __attribute__((cleanup(tally_cuda_leave))) = tally_cuda_enter()

/* True if code is 0 and nothing failed before; remembers the first failure by its name. */
bool tally_cuda_ok(struct tally_cuda *d, int code, const char *what);
bool tally_cublas_ok(struct tally_cuda *d, int code, const char *what);
static inline bool tally_cuda_up(const struct tally_cuda *d)
{
    return d->failed[0] == '\0';
}

const char *tally_cuda_failed(void); /* backend.h, failed */

/* Device memory, zeroed, NULL if there is none or the device failed. release accepts NULL and
 * works on a failed device. */
void *tally_cuda_alloc(struct tally_cuda *d, size_t bytes);
void tally_cuda_release(struct tally_cuda *d, void *device);
/* Host memory may be pageable: it is read before the call returns. */
bool tally_cuda_upload(struct tally_cuda *d, void *to, const void *from, size_t bytes);
/* Waits. */
bool tally_cuda_download(struct tally_cuda *d, void *to, const void *from, size_t bytes);
/* Floats as doubles, through the stage; NaN on failure. Waits. */
void tally_cuda_get(struct tally_cuda *d, double *to, const float *from, size_t n);

/* args: the kernel's struct (kernels.h). `threads` are what there is to do, one element each. */
void tally_cuda_launch(struct tally_cuda *d, enum tally_kernel kernel, const void *args,
                       size_t args_bytes, size_t threads);
/* One block per row; width: what the threads of a block share. */
void tally_cuda_launch_rows(struct tally_cuda *d, enum tally_kernel kernel, const void *args,
                            size_t args_bytes, size_t rows, size_t width);

/* Frees what gemm.c keeps per shape. */
void tally_cuda_forget_shapes(void);

/* gemm.c: the table's operations on a device that is entered, each one matrix product with its
 * epilogue where cuBLASLt has one for the shape and alignment, else with a kernel of ours after
 * it. rows, in and out > 0. */
struct tally_cuda_layer {
    const float *x, *w, *bias; /* (rows, in), (out, in), (out) */
    struct tally_dense s;      /* out_row as the table has it */
};
void tally_cuda_dense(struct tally_cuda *d, float *z, const struct tally_cuda_layer *l, bool relu);
void tally_cuda_dense_dw(struct tally_cuda *d, float *dw, float *dbias, const float *dz,
                         const struct tally_cuda_layer *l, bool add); /* w, bias not used */
void tally_cuda_dense_dx(struct tally_cuda *d, float *dx, const float *dz,
                         const struct tally_cuda_layer *l,
                         double gain); /* times gain; bias is not used */

/* clip.c: a row's ghost norm of one layer added to square (rows), part being scratch of (2, rows,
 * TALLY_K_LANES); the sum of squares of g (n) to *square, part being scratch of TALLY_CUDA_PARTS
 * and TALLY_CUDA_PARTS_EACH more. */
enum { TALLY_CUDA_PARTS = 1 << 14, TALLY_CUDA_PARTS_EACH = 1 << 7 };
void tally_cuda_ghost(struct tally_cuda *d, double *square, const float *dz,
                      const struct tally_cuda_layer *l, float *part);
void tally_cuda_square(struct tally_cuda *d, double *square, const float *g, size_t n,
                       double *part);
void tally_cuda_scale_rows(struct tally_cuda *d, float *dz, const double *factor,
                           struct tally_dense s);
void tally_cuda_dropout(struct tally_cuda *d, float *x, const struct tally_dropout *o,
                        const struct tally_k_dropout *where, struct tally_dense s);

/* mean.c; backend.h says what it does. */
bool tally_cuda_mean(float *out, const struct tally_mean *in, size_t first, size_t n);

struct tally_k_turn tally_cuda_turn(const struct tally_turn *t);
extern const struct tally_epochs tally_cuda_epochs;   /* epochs.c */
extern const struct tally_backend tally_backend_cuda; /* table.c */
