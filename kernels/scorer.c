/* scorer.c - see scorer.h. */
#include "kernels/scorer.h"

#include <math.h>

#include "kernels/values.h"

enum tally_status tally_scorer_init(struct tally_scorer *s, const struct tally_backend *backend,
                                    const struct tally_model *model, const float *params)
{
    struct tally_scorer made __attribute__((cleanup(tally_scorer_free))) = {0};
    size_t at;

    TALLY_TRY(tally_network_init(&made.net, backend, model, TALLY_SCORE_BATCH, false));
    TALLY_ENSURE(tally_values_finite(params, made.net.params, &at), TALLY_E_CONFIG,
                 "parameter %zu of the model is not a finite number", at);
    made.params = backend->alloc(made.net.params);
    if (made.params == NULL) TALLY_TRY(tally_backend_check(backend));
    TALLY_ENSURE(made.params != NULL, TALLY_E_NOMEM, "%zu parameters", made.net.params);
    backend->put(made.params, params, made.net.params);
    tally_network_prepare(&made.net, made.params);
    *s = made;
    made = (struct tally_scorer){0};
    return TALLY_OK;
}

void tally_scorer_free(struct tally_scorer *s)
{
    if (s->net.backend != NULL) s->net.backend->release(s->params);
    tally_network_free(&s->net);
    s->params = NULL;
}

static enum tally_status score_batch(struct tally_scorer *s, float *logits, const float *x,
                                     size_t rows)
{
    double out[TALLY_SCORE_BATCH] __attribute__((uninitialized)); /* dear to fill for one row */
    const struct tally_backend *b = s->net.backend;

    b->put(s->net.act[0], x, rows * s->net.layer[0].in);
    const void *z = tally_network_forward(&s->net, rows);
    b->get(out, z, rows);
    TALLY_TRY(tally_backend_check(b));
    for (size_t i = 0; i < rows; i++) {
        logits[i] = (float)out[i];
        TALLY_ENSURE(isfinite(logits[i]), TALLY_E_STATE, "a score is beyond float");
    }
    return TALLY_OK;
}

enum tally_status tally_scorer_run(struct tally_scorer *s, float *logits, const float *x,
                                   size_t rows)
{
    size_t width = s->net.layer[0].in;
    size_t at;

    for (size_t from = 0; from < rows; from += TALLY_SCORE_BATCH) {
        size_t n = rows - from < TALLY_SCORE_BATCH ? rows - from : TALLY_SCORE_BATCH;
        const float *part = x + from * width;
        TALLY_ENSURE(tally_values_finite(part, n * width, &at), TALLY_E_CONFIG,
                     "row %zu, feature %zu is not a finite number", from + at / width, at % width);
        TALLY_TRY(score_batch(s, logits + from, part, n));
    }
    return TALLY_OK;
}
