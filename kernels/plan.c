/* plan.c - see plan.h. */
#include "kernels/plan.h"

#include <math.h>

struct tally_plan tally_plan_default(void)
{
    return (struct tally_plan){.optimizer = TALLY_ADAM,
                               .learning_rate = 1e-3,
                               .momentum = 0.9,
                               .beta1 = 0.9,
                               .beta2 = 0.999,
                               .epsilon = 1e-8,
                               .positive_weight = 1,
                               .batch = 1024,
                               .epochs = 1};
}

static enum tally_status check_positive(const char *name, double value)
{
    TALLY_ENSURE(isfinite(value) && value > 0, TALLY_E_CONFIG, "%s is %g: it must be above 0", name,
                 value);
    return TALLY_OK;
}

static enum tally_status check_not_negative(const char *name, double value)
{
    TALLY_ENSURE(isfinite(value) && value >= 0, TALLY_E_CONFIG, "%s is %g: 0 or more is possible",
                 name, value);
    return TALLY_OK;
}

static enum tally_status check_fraction(const char *name, double value)
{
    TALLY_ENSURE(value >= 0 && value < 1, TALLY_E_CONFIG, "%s is %g: 0 to below 1 is possible",
                 name, value);
    return TALLY_OK;
}

static enum tally_status check_steps(const struct tally_plan *p)
{
    TALLY_TRY(check_positive("learning_rate", p->learning_rate));
    TALLY_TRY(check_fraction("momentum", p->momentum));
    TALLY_TRY(check_fraction("beta1", p->beta1));
    TALLY_TRY(check_fraction("beta2", p->beta2));
    return check_positive("epsilon", p->epsilon);
}

static enum tally_status check_loss(const struct tally_plan *p)
{
    TALLY_TRY(check_not_negative("prox_mu", p->prox_mu));
    TALLY_TRY(check_not_negative("focal_gamma", p->focal_gamma));
    TALLY_TRY(check_not_negative("clip_row", p->clip_row));
    TALLY_TRY(check_not_negative("clip_norm", p->clip_norm));
    TALLY_TRY(check_not_negative("weight_decay", p->weight_decay));
    TALLY_TRY(check_fraction("dropout", p->dropout));
    return check_positive("positive_weight", p->positive_weight);
}

enum tally_status tally_plan_check(const struct tally_plan *p)
{
    TALLY_ENSURE(p->optimizer >= TALLY_SGD && p->optimizer <= TALLY_ADAMW, TALLY_E_CONFIG,
                 "no optimizer has number %d", (int)p->optimizer);
    TALLY_ENSURE(p->batch >= 1 && p->batch <= TALLY_BATCH_MAX, TALLY_E_CONFIG,
                 "batch is %u: 1 to %d rows are possible", p->batch, TALLY_BATCH_MAX);
    TALLY_ENSURE(p->epochs >= 1 && p->epochs <= TALLY_EPOCHS_MAX, TALLY_E_CONFIG,
                 "%u epochs: 1 to %d are possible", p->epochs, TALLY_EPOCHS_MAX);
    TALLY_ENSURE(p->threads <= TALLY_THREADS_MAX, TALLY_E_CONFIG, "%u threads: at most %d",
                 p->threads, TALLY_THREADS_MAX);
    TALLY_TRY(check_steps(p));
    return check_loss(p);
}
