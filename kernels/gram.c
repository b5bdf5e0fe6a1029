/* gram.c - see gram.h. */
#include "kernels/gram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/combine.h"
#include "kernels/shares.h"

enum { PARTS_BYTES = 2 << 20, BLOCKS_MAX = 64, BLOCKS_LEAST = 8 /* worth a thread */ };

static double *doubles(size_t n)
{
    return aligned_alloc(64, (n * sizeof(double) + 63) / 64 * 64);
}

enum tally_status tally_gram_init(struct tally_gram *g, uint32_t sites, uint32_t threads,
                                  bool norms_only)
{
    struct tally_gram made = {.lanes = tally_robust_lanes(),
                              .sites = sites,
                              .threads = threads,
                              .norms_only = norms_only};

    TALLY_ENSURE(sites >= 1 && sites <= TALLY_GRAM_SITES_MAX, TALLY_E_LIMIT,
                 "%u sites: 1 to %d can be compared", sites, TALLY_GRAM_SITES_MAX);
    TALLY_ENSURE(threads >= 1 && threads <= TALLY_SHARES_THREADS_MAX, TALLY_E_LIMIT,
                 "%u threads: 1 to %d are possible", threads, TALLY_SHARES_THREADS_MAX);
    size_t all = (size_t)sites * sites;
    size_t room = norms_only ? 1 : threads * TALLY_LANES_GRAM_ROOM(sites);
    size_t blocks = PARTS_BYTES / (all * sizeof(double));
    made.blocks = blocks < BLOCKS_MAX ? (uint32_t)blocks : BLOCKS_MAX;
    made.products = doubles(all);
    made.parts = doubles(made.blocks * all);
    made.room = doubles(room);
    if (made.products == NULL || made.parts == NULL || made.room == NULL) {
        tally_gram_free(&made);
        return TALLY_FAIL(TALLY_E_NOMEM, "the products of %u sites", sites);
    }
    memset(made.products, 0, all * sizeof *made.products);
    *g = made;
    return TALLY_OK;
}

void tally_gram_free(struct tally_gram *g)
{
    free(g->products);
    free(g->parts);
    free(g->room);
    *g = (struct tally_gram){0};
}

struct work {
    const struct tally_gram *g;
    const float *const *deltas;
    size_t first, n;
};

/* Blocks first to first + n of the work's coordinates, each into its own part. */
static bool multiply(void *context, uint32_t share, size_t first, size_t n)
{
    const struct work *w = context;
    const struct tally_gram *g = w->g;
    size_t all = (size_t)g->sites * g->sites;

    for (size_t b = first; b < first + n; b++) {
        size_t at = w->first + b * TALLY_GRAM_BLOCK;
        size_t left = w->first + w->n - at;
        size_t len = left < TALLY_GRAM_BLOCK ? left : TALLY_GRAM_BLOCK;
        double *part = g->parts + b * all;
        if (g->norms_only)
            g->lanes->squares(part, w->deltas, g->sites, at, len);
        else
            g->lanes->gram(part, g->room + share * TALLY_LANES_GRAM_ROOM(g->sites), w->deltas,
                           g->sites, at, len);
    }
    return true;
}

static void gather(struct tally_gram *g, const double *part)
{
    for (uint32_t i = 0; i < g->sites; i++) {
        double *row = g->products + (size_t)i * g->sites;
        if (g->norms_only) row[i] += part[i];
        for (uint32_t j = 0; !g->norms_only && j <= i; j++) row[j] += part[i * g->sites + j];
    }
}

enum tally_status tally_gram_add(struct tally_gram *g, uint32_t *site, const float *const *deltas,
                                 size_t n)
{
    size_t all = (size_t)g->sites * g->sites;
    size_t most = (size_t)g->blocks * TALLY_GRAM_BLOCK;

    for (size_t at = 0; at < n; at += most) {
        struct work w = {.g = g, .deltas = deltas, .first = at};
        w.n = n - at < most ? n - at : most;
        size_t blocks = (w.n + TALLY_GRAM_BLOCK - 1) / TALLY_GRAM_BLOCK;
        (void)tally_shares_run(multiply, &w, blocks, BLOCKS_LEAST, g->threads);
        for (size_t b = 0; b < blocks; b++) gather(g, g->parts + b * all);
    }
    for (uint32_t s = 0; s < g->sites; s++) {
        if (!isfinite(g->products[s * g->sites + s]))
            return tally_combine_blame(site, deltas, g->sites, n);
    }
    return TALLY_OK;
}

double tally_gram_product(const struct tally_gram *g, uint32_t i, uint32_t j)
{
    return i < j ? g->products[j * g->sites + i] : g->products[i * g->sites + j];
}

double tally_gram_distance2(const struct tally_gram *g, uint32_t i, uint32_t j)
{
    double d =
        tally_gram_product(g, i, i) + tally_gram_product(g, j, j) - 2 * tally_gram_product(g, i, j);

    return i == j || d < 0 ? 0 : d;
}
