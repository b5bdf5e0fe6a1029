/* api.h - the calls of the CUDA runtime, cuBLAS and cuBLASLt that the backend makes, as tables.
 *
 * runtime.c fills them from the vendor's libraries; the tests do with a simulation on the host.
 * Nothing else of the backend names a vendor's header, so it is built and tested where there is
 * none. A function stands for the vendor's call of the name beside it and has its meaning; results
 * are the vendor's codes (cudaError_t in `runtime`, cublasStatus_t in the other two), 0 is success,
 * handles are void pointers. The numbers below are checked against the headers by runtime.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct tally_launch;

enum tally_cuda_code { /* cudaError_t */
                       TALLY_CUDA_NO_MEMORY = 2,
                       TALLY_CUDA_NO_DEVICE = 100,
                       TALLY_CUDA_ECC = 214, /* "uncorrectable": one of those after which a process
                                                has no device */
                       TALLY_CUDA_LAUNCH_FAILURE = 719,
                       TALLY_CUDA_CAPTURE_UNSUPPORTED = 900,
                       TALLY_CUDA_CAPTURE_INVALIDATED = 901,
};

enum tally_cublas_code { /* cublasStatus_t */
                         TALLY_CUBLAS_NOT_INITIALIZED = 1,
                         TALLY_CUBLAS_ALLOC_FAILED = 3,
                         TALLY_CUBLAS_INVALID_VALUE = 7,
                         TALLY_CUBLAS_EXECUTION_FAILED = 13,
                         TALLY_CUBLAS_NOT_SUPPORTED = 15,
};

enum tally_cuda_copy { TALLY_CUDA_TO_DEVICE = 1, TALLY_CUDA_TO_HOST = 2 }; /* cudaMemcpyKind */

enum tally_cuda_attribute { TALLY_CUDA_MAJOR = 75 }; /* of the compute capability */

struct tally_cuda_runtime {
    int (*devices)(int *n);                                  /* cudaGetDeviceCount */
    int (*attribute)(int *value, int attribute, int device); /* cudaDeviceGetAttribute */
    int (*wait_asleep)(void); /* cudaSetDeviceFlags: who waits for the device sleeps */
    int (*room)(size_t *available, size_t *total); /* cudaMemGetInfo */
    int (*alloc)(void **device, size_t bytes);     /* cudaMalloc: 256-byte aligned */
    int (*release)(void *device);                  /* cudaFree */
    int (*host_alloc)(void **host, size_t bytes);  /* cudaMallocHost: pinned */
    int (*host_release)(void *host);               /* cudaFreeHost */
    int (*copy)(void *to, const void *from, size_t bytes, int kind,
                void *stream);                                   /* cudaMemcpyAsync */
    int (*fill)(void *to, int byte, size_t bytes, void *stream); /* cudaMemsetAsync */
    int (*stream_new)(void **stream);               /* cudaStreamCreateWithFlags, non-blocking */
    int (*stream_release)(void *stream);            /* cudaStreamDestroy */
    int (*stream_sync)(void *stream);               /* cudaStreamSynchronize */
    int (*stream_wait)(void *stream, void *event);  /* cudaStreamWaitEvent */
    int (*event_new)(void **event);                 /* cudaEventCreateWithFlags, without timing */
    int (*event_release)(void *event);              /* cudaEventDestroy */
    int (*event_record)(void *event, void *stream); /* cudaEventRecord */
    int (*event_sync)(void *event);                 /* cudaEventSynchronize */
    int (*capture_begin)(void *stream); /* cudaStreamBeginCapture, this thread's calls */
    int (*capture_end)(void *stream, void **graph); /* cudaStreamEndCapture */
    int (*graph_release)(void *graph);              /* cudaGraphDestroy */
    int (*exec_new)(void **exec, void *graph);      /* cudaGraphInstantiate */
    int (*exec_launch)(void *exec, void *stream);   /* cudaGraphLaunch */
    int (*exec_release)(void *exec);                /* cudaGraphExecDestroy */
    int (*clear)(void);                          /* cudaGetLastError: forgets what is not lasting */
    int (*launch)(const struct tally_launch *l); /* a kernel of kernels.cu */
    const char *(*name)(int code);               /* cudaGetErrorName */
};

/* Column-major throughout: element (i, j) of a matrix with leading dimension ld is at i + j ld. */
enum tally_cublas_op { TALLY_CUBLAS_N = 0, TALLY_CUBLAS_T = 1 };

struct tally_sgemm { /* c (m, n) = op(a) (m, k) op(b) (k, n) + beta c */
    int op_a, op_b, m, n, k;
    const float *a, *b;
    float *c;
    int lda, ldb, ldc;
    float beta;
};

struct tally_cublas {
    int (*create)(void **handle);              /* cublasCreate; pointers to scalars: host */
    int (*release)(void *handle);              /* cublasDestroy */
    int (*stream)(void *handle, void *stream); /* cublasSetStream */
    int (*workspace)(void *handle, void *device, size_t bytes); /* cublasSetWorkspace */
    int (*sgemm)(void *handle, const struct tally_sgemm *g);    /* cublasSgemm */
    const char *(*name)(int code);                              /* cublasGetStatusName */
};

enum tally_lt_attribute {                        /* cublasLtMatmulDescAttributes_t */
                          TALLY_LT_TRANSA = 3,   /* int32, tally_cublas_op */
                          TALLY_LT_TRANSB = 4,   /* int32 */
                          TALLY_LT_EPILOGUE = 7, /* uint32 */
                          TALLY_LT_BIAS = 8,     /* void *: read by *_BIAS, written by BGRADB */
};
enum tally_lt_epilogue { /* cublasLtEpilogue_t; d is (m, n) */
                         TALLY_LT_DEFAULT = 1,
                         TALLY_LT_WITH_BIAS = 4, /* bias (m), one per row of d */
                         TALLY_LT_RELU_BIAS = 6, /* then max(d, 0) */
                         TALLY_LT_BGRADB = 512,  /* bias (n) = the sums of op(b) over k */
};
enum tally_lt_preference {                         /* cublasLtMatmulPreferenceAttributes_t */
                           TALLY_LT_WORKSPACE = 1, /* uint64, bytes at most */
                           TALLY_LT_REDUCTION =
                               3, /* uint32, mask of allowed schemes; none is always allowed */
                           TALLY_LT_ALIGN_A =
                               5, /* uint32, bytes that a's address is a multiple of; default 256 */
                           TALLY_LT_ALIGN_B = 6,
                           TALLY_LT_ALIGN_C = 7,
                           TALLY_LT_ALIGN_D = 8,
};
/* cublasLtReductionScheme_t: the two that add up in a fixed order, so that a run can be repeated
 * bit for bit. The third, in place, adds in the order of arrival. */
enum { TALLY_LT_ORDERED = 2 | 4 };

struct tally_lt_algo { /* cublasLtMatmulAlgo_t, opaque */
    uint64_t data[8];
};

struct tally_lt_problem { /* descriptors; c is d, alpha 1, beta 0 */
    void *desc, *a, *b, *d;
};

struct tally_lt_call {
    struct tally_lt_problem p;
    const float *a, *b;
    float *d;
    const struct tally_lt_algo *algo;
    void *workspace;
    size_t workspace_bytes;
    void *stream;
};

struct tally_cublaslt {
    int (*create)(void **handle); /* cublasLtCreate */
    int (*release)(void *handle); /* cublasLtDestroy */
    int (*desc_new)(void **desc); /* cublasLtMatmulDescCreate: compute and scale float32, no TF32 */
    int (*desc_set)(void *desc, int attribute, const void *value,
                    size_t bytes); /* cublasLtMatmulDescSetAttribute */
    int (*desc_release)(void *desc);
    int (*layout_new)(void **layout, uint64_t rows, uint64_t columns,
                      int64_t ld); /* cublasLtMatrixLayoutCreate, float32 */
    int (*layout_release)(void *layout);
    int (*preference_new)(void **preference);
    int (*preference_set)(void *preference, int attribute, const void *value, size_t bytes);
    int (*preference_release)(void *preference);
    int (*heuristic)(void *handle, const struct tally_lt_problem *p, void *preference,
                     struct tally_lt_algo *algo,
                     int *found); /* cublasLtMatmulAlgoGetHeuristic, the best one */
    int (*matmul)(void *handle, const struct tally_lt_call *c); /* cublasLtMatmul */
};

/* The tables of this build: the vendor's or the simulation's. */
extern const struct tally_cuda_runtime tally_cuda_runtime;
extern const struct tally_cublas tally_cublas;
extern const struct tally_cublaslt tally_cublaslt;
