/* mean.c - the weighted mean on the device, chunk by chunk (combine.h). */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "kernels/cuda/device.h"

enum { CHUNK_BYTES = 256 << 20, CHUNK_MAX = 1 << 22 };

/* What a device gone missing leaves over: the same sums in the same order. */
static bool mean_here(float *out, const struct tally_mean *in, size_t first, size_t n)
{
    bool finite = true;

    for (size_t i = first; i < first + n; i++) {
        double sum = 0;
        for (uint32_t s = 0; s < in->sites; s++)
            sum += (double)in->deltas[s][i] * (double)in->weights[s];
        float mean = (float)(sum / (double)in->total);
        if (in->base != NULL) mean = (float)((double)in->base[i] + (double)mean) + 0.0F;
        finite = finite && fabsf(mean) <= FLT_MAX;
        out[i] = mean;
    }
    return finite;
}

struct mean_run {
    struct tally_cuda *d;
    const struct tally_mean *in;
    void *memory;
    struct tally_k_mean args; /* base: where it goes if there is one */
    float *deltas, *base;
    double *weights;
    float *host; /* a chunk's results, so that `out` changes only when they are all there */
    size_t chunk;
};

static void release(struct mean_run *r)
{
    tally_cuda_release(r->d, r->memory);
    free(r->host);
}

static bool open(struct mean_run *r, size_t n)
{
    const struct tally_mean *in = r->in;
    size_t chunk = CHUNK_BYTES / sizeof(float) / (in->sites + 2);

    if (chunk > CHUNK_MAX) chunk = CHUNK_MAX;
    if (chunk > n) chunk = n;
    r->chunk = chunk;
    size_t weights = in->sites * sizeof(double);
    r->host = malloc(chunk * sizeof *r->host + sizeof(uint32_t));
    double *w = malloc(weights);
    if (r->host != NULL && w != NULL)
        r->memory = tally_cuda_alloc(r->d, weights + 8 + chunk * (in->sites + 2) * sizeof(float));
    if (r->memory != NULL) {
        r->weights = r->memory;
        r->args.bad = (uint32_t *)(r->weights + in->sites);
        r->deltas = (float *)(r->args.bad + 2);
        r->base = r->deltas + chunk * in->sites;
        r->args.out = r->base + chunk;
        for (uint32_t s = 0; s < in->sites; s++) w[s] = (double)in->weights[s];
        (void)tally_cuda_upload(r->d, r->weights, w, weights);
    }
    free(w);
    return r->memory != NULL && tally_cuda_up(r->d);
}

/* out[0..n) are coordinates `at` on; false if the device failed, and out is as it was. */
static bool run_chunk(struct mean_run *r, float *out, size_t at, size_t n, bool *finite)
{
    struct tally_k_mean a = r->args;
    uint32_t bad = 0;

    a.deltas = r->deltas;
    a.weights = r->weights;
    a.base = r->in->base != NULL ? r->base : NULL;
    a.total = (double)r->in->total;
    a.n = n;
    a.sites = r->in->sites;
    for (uint32_t s = 0; s < r->in->sites; s++)
        (void)tally_cuda_upload(r->d, r->deltas + s * n, r->in->deltas[s] + at, n * sizeof(float));
    if (a.base != NULL) (void)tally_cuda_upload(r->d, r->base, r->in->base + at, n * sizeof(float));
    tally_cuda_launch(r->d, TALLY_K_MEAN, &a, sizeof a, n);
    if (!tally_cuda_download(r->d, r->host, a.out, n * sizeof(float)) ||
        !tally_cuda_download(r->d, &bad, a.bad, sizeof bad))
        return false;
    for (size_t i = 0; i < n; i++) out[i] = r->host[i];
    *finite = bad == 0;
    return true;
}

bool tally_cuda_mean(float *out, const struct tally_mean *in, size_t first, size_t n)
{
    TALLY_CUDA_ENTER(d);
    struct mean_run r __attribute__((cleanup(release))) = {.d = d, .in = in};
    size_t done = 0;
    bool finite = true;

    if (n == 0) return true;
    bool up = open(&r, n);
    while (up && done < n) {
        size_t part = n - done < r.chunk ? n - done : r.chunk;
        up = run_chunk(&r, out + first + done, first + done, part, &finite);
        if (up) done += part;
    }
    return mean_here(out, in, first + done, n - done) && finite;
}
