/* combine.c - see combine.h. */
#include "kernels/combine.h"

#include <pthread.h>

#include "kernels/values.h"

static enum tally_status check_counts(const struct tally_combine *c)
{
    TALLY_ENSURE(c->sites >= 1 && c->sites <= TALLY_COMBINE_SITES_MAX, TALLY_E_LIMIT,
                 "%u sites: 1 to %d can be combined", c->sites, TALLY_COMBINE_SITES_MAX);
    TALLY_ENSURE(c->threads >= 1 && c->threads <= TALLY_COMBINE_THREADS_MAX, TALLY_E_LIMIT,
                 "%u threads: 1 to %d are possible", c->threads, TALLY_COMBINE_THREADS_MAX);
    return TALLY_OK;
}

static enum tally_status weigh(uint64_t *total, const struct tally_combine *c)
{
    *total = 0;
    for (uint32_t s = 0; s < c->sites; s++) {
        TALLY_ENSURE(c->weights[s] < TALLY_COMBINE_WEIGHT_END, TALLY_E_LIMIT,
                     "site %u weighs %u: less than 2^29 is exact", s, c->weights[s]);
        *total += c->weights[s];
    }
    TALLY_ENSURE(*total > 0, TALLY_E_STATE, "every site weighs nothing");
    return TALLY_OK;
}

struct share {
    pthread_t thread;
    const struct tally_backend *backend;
    const struct tally_mean *in;
    float *out;
    size_t first, n;
    bool started, finite;
};

static void *run(void *arg)
{
    struct share *s = arg;

    s->finite = s->backend->mean(s->out, s->in, s->first, s->n);
    return NULL;
}

/* A thread that cannot be started costs time, not the result: its share is done here. */
static bool run_shares(struct share *shares, uint32_t n)
{
    bool finite = true;

    for (uint32_t i = 1; i < n; i++)
        shares[i].started = pthread_create(&shares[i].thread, NULL, run, &shares[i]) == 0;
    for (uint32_t i = 0; i < n; i++)
        if (!shares[i].started) (void)run(&shares[i]);
    for (uint32_t i = 0; i < n; i++) {
        if (shares[i].started) (void)pthread_join(shares[i].thread, NULL);
        finite = finite && shares[i].finite;
    }
    return finite;
}

static bool mean_on_threads(float *out, const struct tally_combine *c, const struct tally_mean *in,
                            size_t n)
{
    struct share shares[TALLY_COMBINE_THREADS_MAX];
    size_t threads = n / TALLY_COMBINE_THREAD_MIN;

    if (threads > c->threads) threads = c->threads;
    if (threads <= 1) return c->backend->mean(out, in, 0, n);
    for (size_t i = 0; i < threads; i++) {
        size_t first = n * i / threads;
        shares[i] = (struct share){.backend = c->backend,
                                   .in = in,
                                   .out = out,
                                   .first = first,
                                   .n = n * (i + 1) / threads - first};
    }
    return run_shares(shares, (uint32_t)threads);
}

/* Looks again, slowly, for who is to blame. */
static enum tally_status blame(uint32_t *site, const struct tally_combine *c, size_t n)
{
    size_t at;

    for (uint32_t s = 0; s < c->sites; s++) {
        if (tally_values_finite(c->deltas[s], n, &at)) continue;
        if (site != NULL) *site = s;
        return TALLY_REFUSE(TALLY_R_E_UPDATE, "value %zu of site %u is not a finite number", at, s);
    }
    return TALLY_FAIL(TALLY_E_STATE, "the base is not finite, or the sum leaves float32");
}

enum tally_status tally_combine_mean(float *out, uint32_t *site, const struct tally_combine *c,
                                     size_t n)
{
    struct tally_mean in = {
        .deltas = c->deltas, .weights = c->weights, .sites = c->sites, .base = c->base};

    TALLY_TRY(check_counts(c));
    TALLY_TRY(weigh(&in.total, c));
    if (!mean_on_threads(out, c, &in, n)) return blame(site, c, n);
    return TALLY_OK;
}
