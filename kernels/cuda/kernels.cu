/* kernels.cu - see kernels.h. C in a form that is CUDA C++, too: nvcc compiles it for the device;
 * a C compiler does for the host when the includer has defined TALLY_GLOBAL and TALLY_LAUNCH, and
 * threadIdx, blockIdx, blockDim and gridDim as variables. */
#include "kernels/cuda/kernels.h"

#include <float.h>
#include <math.h>

#include "kernels/philox.h"

#if defined(__CUDACC__)
#define TALLY_GLOBAL static __global__
#define TALLY_DEVICE static __device__
#define TALLY_LAUNCH(kernel, type, l)                               \
    kernel<<<(l)->grid, (l)->block, 0, (cudaStream_t)(l)->stream>>>( \
        *static_cast<const struct type *>((l)->args))
#define TALLY_LAUNCHED() ((int)cudaGetLastError())
#endif

TALLY_DEVICE size_t my_index(void)
{
    return (size_t)blockIdx.x * blockDim.x + threadIdx.x;
}

TALLY_DEVICE size_t all_threads(void)
{
    return (size_t)gridDim.x * blockDim.x;
}

TALLY_DEVICE struct tally_k_turn turn_of(const struct tally_k_now *now)
{
    return now->turns != NULL ? now->turns[now->at[1]] : now->one;
}

TALLY_GLOBAL void gather(struct tally_k_gather a)
{
    const uint32_t begun = a.now.at[0];
    const struct tally_k_turn turn = a.now.turns[begun];
    const struct tally_k_source from = a.from[turn.source];

    for (size_t r = blockIdx.x; r < turn.rows; r += gridDim.x) {
        const size_t row = a.order != NULL ? a.order[turn.first + r] : turn.first + r;
        for (size_t k = threadIdx.x; k < a.width; k += blockDim.x)
            a.x[r * a.width + k] = from.x[row * a.width + k];
        if (threadIdx.x != 0) continue;
        const float y = from.y[row];
        const double weight = from.weight != NULL ? (double)from.weight[row] : 1.0;
        a.y[r] = y;
        a.cost[r] = y > 0.5F ? weight * a.positive : weight;
    }
    if (my_index() == 0) a.now.at[1] = begun;
}

TALLY_GLOBAL void bias_relu(struct tally_k_bias_relu a)
{
    float *z = a.z + (size_t)blockIdx.x * a.stride;

    for (size_t i = threadIdx.x; i < a.n; i += blockDim.x) {
        const float v = z[i] + a.bias[i];
        z[i] = a.relu && v < 0 ? 0 : v; /* NaN stays */
    }
}

TALLY_GLOBAL void columns(struct tally_k_columns a)
{
    for (size_t t = my_index(); t < a.slices * a.n; t += all_threads()) {
        const size_t slice = t / a.n;
        const size_t end = a.rows * (slice + 1) / a.slices;
        float sum = 0;
        for (size_t r = a.rows * slice / a.slices; r < end; r++) sum += a.a[r * a.stride + t % a.n];
        a.part[t] = sum;
    }
}

TALLY_GLOBAL void columns_sum(struct tally_k_columns a)
{
    for (size_t i = my_index(); i < a.n; i += all_threads()) {
        float sum = a.add ? a.sums[i] : 0;
        for (size_t s = 0; s < a.slices; s++) sum += a.part[s * a.n + i];
        a.sums[i] = sum;
    }
}

TALLY_GLOBAL void mask(struct tally_k_mask a)
{
    for (size_t i = my_index(); i < a.n; i += all_threads())
        a.dx[i] = a.x[i] > 0 ? a.dx[i] * a.gain : 0;
}

/* With t = z for a negative and -z for a positive the loss is log(1 + e^t) and its slope in t
 * e^t / (1 + e^t), both written with e^-|t|, so that nothing overflows or cancels. The focal factor
 * is slope^focal; its own derivative is focal factor (1 - slope). */
TALLY_DEVICE float loss_of(float *slope, float t, float focal)
{
    const float e = expf(-fabsf(t));
    const float log_part = log1pf(e);
    const float over = 1.0F / (1.0F + e);
    const float rise = t < 0 ? e * over : over;
    const float loss = (t < 0 ? 0.0F : t) + log_part;

    *slope = rise;
    if (!(focal > 0)) return loss;
    const float factor = expf(-focal * ((t < 0 ? -t : 0.0F) + log_part));
    const float fall = t < 0 ? over : e * over;
    const float bounded = loss > 200.0F ? 200.0F : loss; /* fall is 0 from there on */
    *slope = factor * (rise + focal * fall * bounded);
    return factor * loss;
}

TALLY_GLOBAL void bce(struct tally_k_bce a)
{
    const struct tally_k_turn turn = turn_of(&a.now);

    for (size_t r = my_index(); r < turn.rows; r += all_threads()) {
        const int positive = a.y[r] > 0.5F;
        const float t = positive ? -a.z[r] : a.z[r];
        const float cost = (float)(a.scaled ? a.cost[r] * turn.scale : a.cost[r]);
        float slope;
        const float loss = loss_of(&slope, t, a.focal);
        slope *= cost;
        a.dz[r] = positive ? -slope : slope;
        a.loss[r] += (double)loss * a.cost[r];
    }
    if (a.now.turns != NULL && my_index() == 0) a.now.at[0] = a.now.at[1] + 1;
}

/* A thread makes the masks of eight neighbours from one draw. */
TALLY_GLOBAL void dropout(struct tally_k_dropout a)
{
    const struct tally_k_turn turn = turn_of(&a.now);
    float *x = a.x + (size_t)blockIdx.x * a.stride;

    for (size_t k = threadIdx.x; k * 8 < a.n; k += blockDim.x) {
        uint32_t c[4];
        c[0] = (uint32_t)k;
        c[1] = (uint32_t)(a.first + blockIdx.x);
        c[2] = (uint32_t)turn.number;
        c[3] = (uint32_t)(turn.number >> 32) << 8 | a.layer;
        tally_philox(c, (uint32_t)a.seed, (uint32_t)(a.seed >> 32));
        for (size_t i = 0; i < 8 && k * 8 + i < a.n; i++) {
            const uint32_t draw = c[i / 2] >> (i % 2 * 16) & 0xffffU;
            x[k * 8 + i] = draw < a.below ? 0 : x[k * 8 + i] * a.gain;
        }
    }
}

TALLY_GLOBAL void squares(struct tally_k_squares a)
{
    for (size_t t = my_index(); t < a.rows * TALLY_K_LANES; t += all_threads()) {
        const float *row = a.a + t / TALLY_K_LANES * a.stride;
        float sum = 0;
        for (size_t i = t % TALLY_K_LANES; i < a.n; i += TALLY_K_LANES) sum += row[i] * row[i];
        a.part[t] = sum;
    }
}

TALLY_GLOBAL void ghost(struct tally_k_ghost a)
{
    for (size_t r = my_index(); r < a.rows; r += all_threads()) {
        double dz = 0;
        double x = 0;
        for (size_t i = r * TALLY_K_LANES; i < (r + 1) * TALLY_K_LANES; i++) {
            dz += (double)a.dz[i];
            x += (double)a.x[i];
        }
        a.square[r] += dz * (x + 1);
    }
}

TALLY_GLOBAL void clip(struct tally_k_clip a)
{
    const struct tally_k_turn turn = turn_of(&a.now);

    for (size_t r = my_index(); r < turn.rows; r += all_threads()) {
        const double norm = sqrt(a.square[r]);
        const int lost = !(norm <= DBL_MAX);
        double factor = lost ? 0 : turn.scale;
        if (norm > a.norm) factor *= a.norm / norm;
        a.factor[r] = factor;
        if (lost) a.lost[r]++;
    }
}

TALLY_GLOBAL void scale_rows(struct tally_k_scale_rows a)
{
    const double factor = a.factor[blockIdx.x];
    float *dz = a.dz + (size_t)blockIdx.x * a.stride;

    for (size_t i = threadIdx.x; i < a.n; i += blockDim.x)
        dz[i] = factor > 0 ? (float)((double)dz[i] * factor) : 0;
}

TALLY_GLOBAL void scale(struct tally_k_scale a)
{
    for (size_t i = my_index(); i < a.n; i += all_threads()) a.g[i] *= a.factor;
}

TALLY_GLOBAL void square(struct tally_k_square a)
{
    for (size_t p = my_index(); p < a.parts; p += all_threads()) {
        double sum = 0;
        for (size_t i = p; i < a.n; i += a.parts) sum += (double)a.g[i] * (double)a.g[i];
        a.part[p] = sum;
    }
}

TALLY_GLOBAL void add_up(struct tally_k_add_up a)
{
    for (size_t i = my_index(); i < a.n; i += all_threads()) {
        double sum = 0;
        for (size_t k = i * a.each; k < (i + 1) * a.each; k++) sum += a.from[k];
        a.to[i] = sum;
    }
}

TALLY_GLOBAL void prox(struct tally_k_prox a)
{
    for (size_t i = my_index(); i < a.n; i += all_threads()) a.g[i] += a.mu * (a.w[i] - a.base[i]);
}

TALLY_GLOBAL void step(struct tally_k_step a)
{
    const struct tally_k_turn s = turn_of(&a.now);
    const double norm = a.square != NULL ? sqrt(*a.square) : 0;
    const float factor = norm > a.clip ? (float)(a.clip / norm) : 1.0F;

    for (size_t i = my_index(); i < a.n; i += all_threads()) {
        float along = a.g[i] * factor;
        if (s.kind == 2) { /* momentum */
            along += s.momentum * a.m[i];
            a.m[i] = along;
        } else if (s.kind >= 3) { /* Adam, AdamW */
            const float m = s.keep1 * a.m[i] + s.add1 * along;
            const float v = s.keep2 * a.v[i] + s.add2 * along * along;
            a.m[i] = m;
            a.v[i] = v;
            along = m / (sqrtf(v) * s.root_v + s.epsilon);
        }
        a.w[i] = a.w[i] * s.keep_w - s.rate * along;
    }
}

/* Weight times delta is exact (combine.h), so a fused multiply-add changes no bit. */
TALLY_GLOBAL void mean(struct tally_k_mean a)
{
    for (size_t i = my_index(); i < a.n; i += all_threads()) {
        double sum = 0;
        for (size_t s = 0; s < a.sites; s++) sum += (double)a.deltas[s * a.n + i] * a.weights[s];
        float at = (float)(sum / a.total);
        if (a.base != NULL) at = (float)((double)a.base[i] + (double)at) + 0.0F;
        if (!(fabsf(at) <= FLT_MAX)) *a.bad = 1;
        a.out[i] = at;
    }
}

int tally_kernels_launch(const struct tally_launch *l)
{
    switch (l->kernel) {
    case TALLY_K_GATHER: TALLY_LAUNCH(gather, tally_k_gather, l); break;
    case TALLY_K_BIAS_RELU: TALLY_LAUNCH(bias_relu, tally_k_bias_relu, l); break;
    case TALLY_K_COLUMNS: TALLY_LAUNCH(columns, tally_k_columns, l); break;
    case TALLY_K_COLUMNS_SUM: TALLY_LAUNCH(columns_sum, tally_k_columns, l); break;
    case TALLY_K_MASK: TALLY_LAUNCH(mask, tally_k_mask, l); break;
    case TALLY_K_BCE: TALLY_LAUNCH(bce, tally_k_bce, l); break;
    case TALLY_K_DROPOUT: TALLY_LAUNCH(dropout, tally_k_dropout, l); break;
    case TALLY_K_SQUARES: TALLY_LAUNCH(squares, tally_k_squares, l); break;
    case TALLY_K_GHOST: TALLY_LAUNCH(ghost, tally_k_ghost, l); break;
    case TALLY_K_CLIP: TALLY_LAUNCH(clip, tally_k_clip, l); break;
    case TALLY_K_SCALE_ROWS: TALLY_LAUNCH(scale_rows, tally_k_scale_rows, l); break;
    case TALLY_K_SCALE: TALLY_LAUNCH(scale, tally_k_scale, l); break;
    case TALLY_K_SQUARE: TALLY_LAUNCH(square, tally_k_square, l); break;
    case TALLY_K_ADD_UP: TALLY_LAUNCH(add_up, tally_k_add_up, l); break;
    case TALLY_K_PROX: TALLY_LAUNCH(prox, tally_k_prox, l); break;
    case TALLY_K_STEP: TALLY_LAUNCH(step, tally_k_step, l); break;
    case TALLY_K_MEAN: TALLY_LAUNCH(mean, tally_k_mean, l); break;
    }
    return TALLY_LAUNCHED();
}
