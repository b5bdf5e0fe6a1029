/* server.c - see server.h. */
#include "kernels/server.h"

#include <string.h>

#include "kernels/combine.h"

struct tally_server tally_server_of(enum tally_server_rule rule)
{
    struct tally_server s = {.rate = 1, .add_m = 1};

    switch (rule) {
    case TALLY_SERVER_FEDAVG: break;
    case TALLY_SERVER_FEDAVGM:
        s.rate = .3;
        s.keep_m = .9;
        break;
    case TALLY_SERVER_FEDADAGRAD:
        s.rate = .1;
        s.keep_v = s.add_v = 1;
        break;
    case TALLY_SERVER_FEDADAM:
    case TALLY_SERVER_FEDYOGI:
        s.rate = .01;
        s.keep_m = .9;
        s.add_m = 1 - .9;
        s.yogi = rule == TALLY_SERVER_FEDYOGI;
        s.keep_v = s.yogi ? 1 : .99;
        s.add_v = 1 - .99;
        break;
    }
    s.adaptive = s.add_v > 0;
    s.tau = s.adaptive ? 1e-3 : 0;
    return s;
}

static bool is_coefficient(double x)
{
    return isfinite(x) && x >= 0;
}

static enum tally_status check(const struct tally_server_arrays *a, const struct tally_server *s)
{
    TALLY_ENSURE(is_coefficient(s->rate) && is_coefficient(s->keep_m) && is_coefficient(s->add_m) &&
                     is_coefficient(s->keep_v) && is_coefficient(s->add_v) &&
                     is_coefficient(s->tau),
                 TALLY_E_CONFIG, "a coefficient of the server's step is negative or not finite");
    TALLY_ENSURE(!s->adaptive || s->tau > 0, TALLY_E_CONFIG, "an adaptive step needs tau above 0");
    TALLY_ENSURE(!(s->keep_m > 0 && a->m == NULL) && !(s->adaptive && a->v == NULL), TALLY_E_CONFIG,
                 "the server's step has nowhere to keep its moments");
    return TALLY_OK;
}

enum { BLOCK = 512 };

/* A block with its own memory, so that the compiler sees what does not overlap. */
struct block {
    double x[BLOCK], m[BLOCK], v[BLOCK];
    float d[BLOCK];
};

static void widen(double *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = (double)from[i];
}

/* True if all are finite in float32. */
static bool narrow(float *to, const double *from, size_t n)
{
    uint32_t bad = 0;

    for (size_t i = 0; i < n; i++) {
        float f = (float)from[i] + 0.0F;
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        bad |= (bits & 0x7f800000U) == 0x7f800000U;
        if (to != NULL) to[i] = f;
    }
    return bad == 0;
}

static void step_block(struct block *b, const struct tally_server *s, size_t n)
{
    const struct tally_server own = *s; /* hoisted: the choices below are per block */

    for (size_t i = 0; i < n; i++)
        tally_server_one(&b->x[i], &b->m[i], &b->v[i], (double)b->d[i], &own);
}

enum tally_status tally_server_step(struct tally_server_arrays a, const struct tally_server *s,
                                    size_t n)
{
    struct block b = {0};
    bool finite = true;

    TALLY_TRY(check(&a, s));
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t len = n - at < BLOCK ? n - at : BLOCK;
        widen(b.x, a.x + at, len);
        if (a.m != NULL) widen(b.m, a.m + at, len);
        if (s->adaptive) widen(b.v, a.v + at, len);
        memcpy(b.d, a.d + at, len * sizeof *b.d);
        step_block(&b, s, len);
        finite = narrow(a.x + at, b.x, len) && finite;
        finite = narrow(a.m != NULL ? a.m + at : NULL, b.m, len) && finite;
        if (s->adaptive) finite = narrow(a.v + at, b.v, len) && finite;
    }
    TALLY_ENSURE(finite, TALLY_E_STATE, "the server's step leaves float32");
    return TALLY_OK;
}

static double effective_steps(uint32_t steps, double rho)
{
    return (steps - rho * (1 - pow(rho, steps)) / (1 - rho)) / (1 - rho);
}

enum tally_status tally_server_nova(double *weight, double *rate, const struct tally_nova *nova)
{
    double examples = 0;
    double longer = 0;
    double shorter = 0;

    TALLY_ENSURE(nova->momentum >= 0 && nova->momentum < 1, TALLY_E_CONFIG,
                 "local momentum %g: 0 to below 1 is possible", nova->momentum);
    for (uint32_t s = 0; s < nova->sites; s++) {
        weight[s] = 0;
        if (nova->examples[s] == 0) continue;
        TALLY_ENSURE(nova->steps[s] > 0, TALLY_E_CONFIG, "site %u has examples but made no step",
                     s);
        double a = effective_steps(nova->steps[s], nova->momentum);
        examples += nova->examples[s];
        longer += nova->examples[s] * a;
        weight[s] = nova->examples[s] / a;
        shorter += weight[s];
    }
    TALLY_ENSURE(examples > 0, TALLY_E_STATE, "no site has examples");
    for (uint32_t s = 0; s < nova->sites; s++) weight[s] /= shorter;
    *rate = longer / examples * (shorter / examples);
    return TALLY_OK;
}

void tally_server_weights(uint32_t *to, const double *weight, uint32_t sites)
{
    double most = 0;

    for (uint32_t s = 0; s < sites; s++) most = weight[s] > most ? weight[s] : most;
    for (uint32_t s = 0; s < sites; s++)
        to[s] = most > 0 ? (uint32_t)rint(weight[s] / most * (TALLY_COMBINE_WEIGHT_END - 1)) : 0;
}
