/* runtime.c - the tables of api.h from the vendor's libraries. The only file that needs their
 * headers; the numbers that api.h repeats are held against them here. */
#include "kernels/cuda/api.h"

#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include "kernels/cuda/kernels.h"

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #theirs)
SAME(TALLY_CUDA_NO_MEMORY, cudaErrorMemoryAllocation);
SAME(TALLY_CUDA_NO_DEVICE, cudaErrorNoDevice);
SAME(TALLY_CUDA_ECC, cudaErrorECCUncorrectable);
SAME(TALLY_CUDA_LAUNCH_FAILURE, cudaErrorLaunchFailure);
SAME(TALLY_CUDA_CAPTURE_UNSUPPORTED, cudaErrorStreamCaptureUnsupported);
SAME(TALLY_CUDA_CAPTURE_INVALIDATED, cudaErrorStreamCaptureInvalidated);
SAME(TALLY_CUBLAS_NOT_INITIALIZED, CUBLAS_STATUS_NOT_INITIALIZED);
SAME(TALLY_CUBLAS_ALLOC_FAILED, CUBLAS_STATUS_ALLOC_FAILED);
SAME(TALLY_CUBLAS_INVALID_VALUE, CUBLAS_STATUS_INVALID_VALUE);
SAME(TALLY_CUBLAS_EXECUTION_FAILED, CUBLAS_STATUS_EXECUTION_FAILED);
SAME(TALLY_CUBLAS_NOT_SUPPORTED, CUBLAS_STATUS_NOT_SUPPORTED);
SAME(TALLY_CUDA_TO_DEVICE, cudaMemcpyHostToDevice);
SAME(TALLY_CUDA_TO_HOST, cudaMemcpyDeviceToHost);
SAME(TALLY_CUDA_MAJOR, cudaDevAttrComputeCapabilityMajor);
SAME(TALLY_CUBLAS_N, CUBLAS_OP_N);
SAME(TALLY_CUBLAS_T, CUBLAS_OP_T);
SAME(TALLY_LT_TRANSA, CUBLASLT_MATMUL_DESC_TRANSA);
SAME(TALLY_LT_TRANSB, CUBLASLT_MATMUL_DESC_TRANSB);
SAME(TALLY_LT_EPILOGUE, CUBLASLT_MATMUL_DESC_EPILOGUE);
SAME(TALLY_LT_BIAS, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
SAME(TALLY_LT_DEFAULT, CUBLASLT_EPILOGUE_DEFAULT);
SAME(TALLY_LT_WITH_BIAS, CUBLASLT_EPILOGUE_BIAS);
SAME(TALLY_LT_RELU_BIAS, CUBLASLT_EPILOGUE_RELU_BIAS);
SAME(TALLY_LT_BGRADB, CUBLASLT_EPILOGUE_BGRADB);
SAME(TALLY_LT_WORKSPACE, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
SAME(TALLY_LT_REDUCTION, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
SAME(TALLY_LT_ALIGN_A, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
SAME(TALLY_LT_ALIGN_B, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
SAME(TALLY_LT_ALIGN_C, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
SAME(TALLY_LT_ALIGN_D, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
SAME(TALLY_LT_ORDERED,
     CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE);
_Static_assert(sizeof(struct tally_lt_algo) == sizeof(cublasLtMatmulAlgo_t), "algorithm");

static int devices(int *n)
{
    return (int)cudaGetDeviceCount(n);
}

static int attribute(int *value, int which, int device)
{
    return (int)cudaDeviceGetAttribute(value, (enum cudaDeviceAttr)which, device);
}

static int wait_asleep(void)
{
    return (int)cudaSetDeviceFlags(cudaDeviceScheduleBlockingSync);
}

static int room(size_t *available, size_t *total)
{
    return (int)cudaMemGetInfo(available, total);
}

static int alloc(void **device, size_t bytes)
{
    return (int)cudaMalloc(device, bytes);
}

static int release(void *device)
{
    return (int)cudaFree(device);
}

static int host_alloc(void **host, size_t bytes)
{
    return (int)cudaMallocHost(host, bytes);
}

static int host_release(void *host)
{
    return (int)cudaFreeHost(host);
}

static int copy(void *to, const void *from, size_t bytes, int kind, void *stream)
{
    return (int)cudaMemcpyAsync(to, from, bytes, (enum cudaMemcpyKind)kind, stream);
}

static int fill(void *to, int byte, size_t bytes, void *stream)
{
    return (int)cudaMemsetAsync(to, byte, bytes, stream);
}

static int stream_new(void **stream)
{
    cudaStream_t s = NULL;
    int code = (int)cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);

    *stream = s;
    return code;
}

static int stream_release(void *stream)
{
    return (int)cudaStreamDestroy(stream);
}

static int stream_sync(void *stream)
{
    return (int)cudaStreamSynchronize(stream);
}

static int stream_wait(void *stream, void *event)
{
    return (int)cudaStreamWaitEvent(stream, event, 0);
}

static int event_new(void **event)
{
    cudaEvent_t e = NULL;
    int code = (int)cudaEventCreateWithFlags(&e, cudaEventDisableTiming | cudaEventBlockingSync);

    *event = e;
    return code;
}

static int event_release(void *event)
{
    return (int)cudaEventDestroy(event);
}

static int event_record(void *event, void *stream)
{
    return (int)cudaEventRecord(event, stream);
}

static int event_sync(void *event)
{
    return (int)cudaEventSynchronize(event);
}

static int capture_begin(void *stream)
{
    return (int)cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
}

static int capture_end(void *stream, void **graph)
{
    cudaGraph_t g = NULL;
    int code = (int)cudaStreamEndCapture(stream, &g);

    *graph = g;
    return code;
}

static int graph_release(void *graph)
{
    return (int)cudaGraphDestroy(graph);
}

static int exec_new(void **exec, void *graph)
{
    cudaGraphExec_t e = NULL;
    int code = (int)cudaGraphInstantiate(&e, graph, 0);

    *exec = e;
    return code;
}

static int exec_launch(void *exec, void *stream)
{
    return (int)cudaGraphLaunch(exec, stream);
}

static int exec_release(void *exec)
{
    return (int)cudaGraphExecDestroy(exec);
}

static int clear(void)
{
    return (int)cudaGetLastError();
}

static const char *error_name(int code)
{
    return cudaGetErrorName((cudaError_t)code);
}

const struct tally_cuda_runtime tally_cuda_runtime = {
    .devices = devices,
    .attribute = attribute,
    .wait_asleep = wait_asleep,
    .room = room,
    .alloc = alloc,
    .release = release,
    .host_alloc = host_alloc,
    .host_release = host_release,
    .copy = copy,
    .fill = fill,
    .stream_new = stream_new,
    .stream_release = stream_release,
    .stream_sync = stream_sync,
    .stream_wait = stream_wait,
    .event_new = event_new,
    .event_release = event_release,
    .event_record = event_record,
    .event_sync = event_sync,
    .capture_begin = capture_begin,
    .capture_end = capture_end,
    .graph_release = graph_release,
    .exec_new = exec_new,
    .exec_launch = exec_launch,
    .exec_release = exec_release,
    .clear = clear,
    .launch = tally_kernels_launch,
    .name = error_name,
};

static int blas_create(void **handle)
{
    cublasHandle_t h = NULL;
    int code = (int)cublasCreate(&h);

    *handle = h;
    return code;
}

static int blas_release(void *handle)
{
    return (int)cublasDestroy(handle);
}

static int blas_stream(void *handle, void *stream)
{
    return (int)cublasSetStream(handle, stream);
}

static int blas_workspace(void *handle, void *device, size_t bytes)
{
    return (int)cublasSetWorkspace(handle, device, bytes);
}

static int blas_sgemm(void *handle, const struct tally_sgemm *g)
{
    const float alpha = 1;

    return (int)cublasSgemm(handle, (cublasOperation_t)g->op_a, (cublasOperation_t)g->op_b, g->m,
                            g->n, g->k, &alpha, g->a, g->lda, g->b, g->ldb, &g->beta, g->c, g->ldc);
}

static const char *blas_name(int code)
{
    return cublasGetStatusName((cublasStatus_t)code);
}

const struct tally_cublas tally_cublas = {
    .create = blas_create,
    .release = blas_release,
    .stream = blas_stream,
    .workspace = blas_workspace,
    .sgemm = blas_sgemm,
    .name = blas_name,
};

static int lt_create(void **handle)
{
    cublasLtHandle_t h = NULL;
    int code = (int)cublasLtCreate(&h);

    *handle = h;
    return code;
}

static int lt_release(void *handle)
{
    return (int)cublasLtDestroy(handle);
}

static int desc_new(void **desc)
{
    cublasLtMatmulDesc_t d = NULL;
    int code = (int)cublasLtMatmulDescCreate(&d, CUBLAS_COMPUTE_32F, CUDA_R_32F);

    *desc = d;
    return code;
}

static int desc_set(void *desc, int which, const void *value, size_t bytes)
{
    return (int)cublasLtMatmulDescSetAttribute(desc, (cublasLtMatmulDescAttributes_t)which, value,
                                               bytes);
}

static int desc_release(void *desc)
{
    return (int)cublasLtMatmulDescDestroy(desc);
}

static int layout_new(void **layout, uint64_t rows, uint64_t columns, int64_t ld)
{
    cublasLtMatrixLayout_t l = NULL;
    int code = (int)cublasLtMatrixLayoutCreate(&l, CUDA_R_32F, rows, columns, ld);

    *layout = l;
    return code;
}

static int layout_release(void *layout)
{
    return (int)cublasLtMatrixLayoutDestroy(layout);
}

static int preference_new(void **preference)
{
    cublasLtMatmulPreference_t p = NULL;
    int code = (int)cublasLtMatmulPreferenceCreate(&p);

    *preference = p;
    return code;
}

static int preference_set(void *preference, int which, const void *value, size_t bytes)
{
    return (int)cublasLtMatmulPreferenceSetAttribute(
        preference, (cublasLtMatmulPreferenceAttributes_t)which, value, bytes);
}

static int preference_release(void *preference)
{
    return (int)cublasLtMatmulPreferenceDestroy(preference);
}

static int heuristic(void *handle, const struct tally_lt_problem *p, void *preference,
                     struct tally_lt_algo *algo, int *found)
{
    cublasLtMatmulHeuristicResult_t best;
    int code = (int)cublasLtMatmulAlgoGetHeuristic(handle, p->desc, p->a, p->b, p->d, p->d,
                                                   preference, 1, &best, found);

    if (code == 0 && *found > 0 && best.state != CUBLAS_STATUS_SUCCESS) *found = 0;
    if (code == 0 && *found > 0)
        for (int i = 0; i < 8; i++) algo->data[i] = best.algo.data[i];
    return code;
}

static int matmul(void *handle, const struct tally_lt_call *c)
{
    const float alpha = 1;
    const float beta = 0;
    cublasLtMatmulAlgo_t algo;

    for (int i = 0; i < 8; i++) algo.data[i] = c->algo->data[i];
    return (int)cublasLtMatmul(handle, c->p.desc, &alpha, c->a, c->p.a, c->b, c->p.b, &beta, c->d,
                               c->p.d, c->d, c->p.d, &algo, c->workspace, c->workspace_bytes,
                               c->stream);
}

const struct tally_cublaslt tally_cublaslt = {
    .create = lt_create,
    .release = lt_release,
    .desc_new = desc_new,
    .desc_set = desc_set,
    .desc_release = desc_release,
    .layout_new = layout_new,
    .layout_release = layout_release,
    .preference_new = preference_new,
    .preference_set = preference_set,
    .preference_release = preference_release,
    .heuristic = heuristic,
    .matmul = matmul,
};
