/* combine.c - see combine.h. */
#include "kernels/combine.h"

#include "kernels/shares.h"
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

struct work {
    const struct tally_backend *backend;
    const struct tally_mean *in;
    float *out;
};

static bool run(void *context, uint32_t share, size_t first, size_t n)
{
    const struct work *w = context;

    (void)share;
    return w->backend->mean(w->out, w->in, first, n);
}

enum tally_status tally_combine_blame(uint32_t *site, const float *const *deltas, uint32_t sites,
                                      size_t n)
{
    size_t at;

    for (uint32_t s = 0; s < sites; s++) {
        if (tally_values_finite(deltas[s], n, &at)) continue;
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
    struct work w = {.backend = c->backend, .in = &in, .out = out};
    if (tally_shares_run(run, &w, n, TALLY_COMBINE_THREAD_MIN, c->threads)) return TALLY_OK;
    return tally_combine_blame(site, c->deltas, c->sites, n);
}
