/* model.c - see model.h. */
#include "kernels/model.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "kernels/random.h"
#include "kernels/scorer.h"

enum { INIT_STREAM = 1 };

static const double PRIOR_MIN = 1e-6;

static enum tally_status check_shape(const struct tally_model *m)
{
    TALLY_ENSURE(m->inputs >= 1 && m->inputs <= TALLY_INPUTS_MAX, TALLY_E_CONFIG,
                 "a model of %u inputs: 1 to %d are possible", m->inputs, TALLY_INPUTS_MAX);
    TALLY_ENSURE(m->n <= TALLY_HIDDEN_MAX, TALLY_E_CONFIG, "%u hidden layers: at most %d", m->n,
                 TALLY_HIDDEN_MAX);
    for (uint32_t i = 0; i < m->n; i++)
        TALLY_ENSURE(m->hidden[i] >= 1 && m->hidden[i] <= TALLY_WIDTH_MAX, TALLY_E_CONFIG,
                     "hidden layer %u has %u units: 1 to %d are possible", i + 1, m->hidden[i],
                     TALLY_WIDTH_MAX);
    return TALLY_OK;
}

enum tally_status tally_model_layers(const struct tally_model *m,
                                     struct tally_layer layers[TALLY_LAYERS_MAX], size_t *params)
{
    TALLY_TRY(check_shape(m));

    struct tally_layer made[TALLY_LAYERS_MAX];
    uint64_t total = 0; /* in 64 bits the limits above cannot overflow one layer's product */
    uint64_t in = m->inputs;
    for (uint32_t i = 0; i <= m->n; i++) {
        uint64_t out = i < m->n ? m->hidden[i] : 1;
        uint64_t bias = total + in * out;
        TALLY_ENSURE(bias + out <= TALLY_PARAMS_MAX, TALLY_E_CONFIG,
                     "more than %d parameters from layer %u on", TALLY_PARAMS_MAX, i + 1);
        made[i] = (struct tally_layer){
            .in = (size_t)in, .out = (size_t)out, .w = (size_t)total, .b = (size_t)bias};
        total = bias + out;
        in = out;
    }
    if (layers != NULL) memcpy(layers, made, (m->n + 1) * sizeof made[0]);
    if (params != NULL) *params = (size_t)total;
    return TALLY_OK;
}

/* bound is one correctly rounded root and every weight one product, so no compiler can differ. */
static void init_layer(float *params, const struct tally_layer *l, double bound, uint64_t seed)
{
    struct tally_random r = tally_random_from(seed, INIT_STREAM, l->w);

    for (size_t i = 0; i < l->in * l->out; i++)
        params[l->w + i] = (float)((double)tally_random_symmetric(&r) * bound);
    for (size_t i = 0; i < l->out; i++) params[l->b + i] = 0;
}

enum tally_status tally_model_init(float *params, const struct tally_model *m, double prior,
                                   uint64_t seed)
{
    struct tally_layer layers[TALLY_LAYERS_MAX];

    TALLY_TRY(tally_model_layers(m, layers, NULL));
    TALLY_ENSURE(prior >= 0 && prior <= 1, TALLY_E_CONFIG,
                 "the share of positives is %g: it lies between 0 and 1", prior);
    for (uint32_t i = 0; i < m->n; i++)
        init_layer(params, &layers[i], sqrt(6.0 / (double)layers[i].in), seed);

    const struct tally_layer *last = &layers[m->n];
    init_layer(params, last, m->n == 0 ? 0 : sqrt(6.0 / (double)(last->in + 1)), seed);
    if (m->n == 0) memset(params, 0, last->in * sizeof *params); /* no -0 */
    double p = fmin(fmax(prior, PRIOR_MIN), 1 - PRIOR_MIN);
    params[last->b] = (float)log(p / (1 - p));
    return TALLY_OK;
}

enum tally_status tally_model_score(float *logits, const struct tally_scoring *s)
{
    struct tally_scorer scorer __attribute__((cleanup(tally_scorer_free))) = {0};

    TALLY_TRY(tally_scorer_init(&scorer, s->backend, s->model, s->params));
    return tally_scorer_run(&scorer, logits, s->x, s->rows);
}
