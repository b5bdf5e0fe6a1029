/* away.c - see away.h. */
#include "kernels/away.h"

#include <stdlib.h>

enum tally_status tally_away_open(struct tally_away_run *d, const struct tally_training *t,
                                  size_t batch, const struct tally_dropout *dropout)
{
    const struct tally_table *table = t->table;
    size_t batches = (table->rows + batch - 1) / batch;

    d->backend = t->backend;
    d->table = table;
    d->batch = batch;
    TALLY_TRY(tally_model_layers(t->model, d->layer, &d->params));
    const struct tally_takeover takeover = {.layers = d->layer,
                                            .layer_count = t->model->n + 1,
                                            .params = d->params,
                                            .base = t->base,
                                            .x = table->x,
                                            .y = table->y,
                                            .weight = table->weight,
                                            .rows = table->rows,
                                            .width = table->features,
                                            .batch = batch,
                                            .optimizer = t->plan->optimizer,
                                            .positive = t->plan->positive_weight,
                                            .focal = t->plan->focal_gamma,
                                            .prox_mu = t->plan->prox_mu,
                                            .clip_row = t->plan->clip_row,
                                            .clip_norm = t->plan->clip_norm,
                                            .dropout = *dropout};
    d->turns = calloc(batches, sizeof *d->turns);
    d->delta = calloc(d->params, sizeof *d->delta);
    if (d->turns != NULL && d->delta != NULL) {
        d->epochs = d->backend->epochs->open(&takeover);
        TALLY_TRY(tally_backend_check(d->backend));
    }
    TALLY_ENSURE(d->epochs != NULL, TALLY_E_NOMEM, "training %zu parameters on %s, %zu rows",
                 d->params, d->backend->name, table->rows);
    return TALLY_OK;
}

void tally_away_close(struct tally_away_run *d)
{
    if (d->epochs != NULL) d->backend->epochs->close(d->epochs);
    free(d->turns);
    free(d->delta);
    *d = (struct tally_away_run){0};
}

static double weight_of(const struct tally_away_run *d, const uint32_t *rows, size_t n)
{
    double sum = 0;

    if (d->table->weight == NULL) return (double)n;
    for (size_t i = 0; i < n; i++) sum += (double)d->table->weight[rows[i]];
    return sum;
}

size_t tally_away_plan(struct tally_away_run *d, const uint32_t *order, uint64_t steps)
{
    size_t rows = d->table->rows;

    d->n = d->next = 0;
    d->weight = 0;
    for (size_t from = 0; from < rows; from += d->batch) {
        size_t n = rows - from < d->batch ? rows - from : d->batch;
        double weight = weight_of(d, order + from, n);
        if (!(weight > 0)) continue;
        d->weight += weight;
        d->turns[d->n++] = (struct tally_turn){.first = (uint32_t)from,
                                               .rows = (uint32_t)n,
                                               .scale = 1 / weight,
                                               .number = steps + from / d->batch + 1};
    }
    return d->n;
}

enum tally_status tally_away_begin(struct tally_away_run *d, const uint32_t *order)
{
    d->backend->epochs->begin(d->epochs, order, d->turns, d->n);
    return tally_backend_check(d->backend);
}

enum tally_status tally_away_batch(struct tally_away_run *d, size_t first)
{
    if (d->next == d->n || d->turns[d->next].first != first) return TALLY_OK;
    d->backend->epochs->turn(d->epochs, d->next++);
    return tally_backend_check(d->backend);
}

enum tally_status tally_away_end(struct tally_away_run *d, double *loss, uint64_t *lost)
{
    struct tally_epoch epoch;

    d->backend->epochs->end(d->epochs, &epoch);
    TALLY_TRY(tally_backend_check(d->backend));
    *loss = epoch.loss;
    *lost += epoch.lost;
    return TALLY_OK;
}
