/* shares.c - see shares.h. */
#include "kernels/shares.h"

#include <pthread.h>

#include "common/status.h"

struct share {
    pthread_t thread;
    tally_share_fn *run;
    void *context;
    size_t first, n;
    uint32_t number;
    bool started, good;
};

static void *run_share(void *arg)
{
    struct share *s = arg;

    s->good = s->run(s->context, s->number, s->first, s->n);
    return NULL;
}

static size_t cut(size_t n, uint32_t i, uint32_t shares, size_t least)
{
    size_t at = n / shares * i + n % shares * i / shares;

    return i < shares && least >= TALLY_SHARES_ALIGN ? at - at % TALLY_SHARES_ALIGN : at;
}

bool tally_shares_run(tally_share_fn *run, void *context, size_t n, size_t least, uint32_t threads)
{
    struct share shares[TALLY_SHARES_THREADS_MAX];
    uint32_t count = n / least < threads ? (uint32_t)(n / least) : threads;
    bool good = true;

    TALLY_ASSERT(threads >= 1 && threads <= TALLY_SHARES_THREADS_MAX);
    if (count <= 1) return run(context, 0, 0, n);
    for (uint32_t i = 0; i < count; i++) {
        size_t first = cut(n, i, count, least);
        shares[i] = (struct share){.run = run,
                                   .context = context,
                                   .first = first,
                                   .n = cut(n, i + 1, count, least) - first,
                                   .number = i};
    }
    for (uint32_t i = 1; i < count; i++)
        shares[i].started = pthread_create(&shares[i].thread, NULL, run_share, &shares[i]) == 0;
    for (uint32_t i = 0; i < count; i++)
        if (!shares[i].started) (void)run_share(&shares[i]);
    for (uint32_t i = 0; i < count; i++) {
        if (shares[i].started) (void)pthread_join(shares[i].thread, NULL);
        good = good && shares[i].good;
    }
    return good;
}
