/* random.c - see random.h. */
#include "kernels/random.h"

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct tally_random tally_random_from(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint64_t key = mix(seed + UINT64_C(0x9e3779b97f4a7c15));

    key = mix(key ^ mix(stream + UINT64_C(0xd1b54a32d192ed03)));
    key = mix(key ^ mix(index + UINT64_C(0x8cb92ba72f3d8dd7)));
    return (struct tally_random){.key = key};
}

uint64_t tally_random_u64(struct tally_random *r)
{
    r->counter++;
    return mix(r->key + r->counter * UINT64_C(0x9e3779b97f4a7c15));
}

/* Lemire 2019: the high half of a product, drawn again in the few cases that would bias it. */
uint32_t tally_random_below(struct tally_random *r, uint32_t n)
{
    uint64_t product = (tally_random_u64(r) >> 32) * n;

    if ((uint32_t)product < n) {
        uint32_t least = (0U - n) % n;
        while ((uint32_t)product < least) product = (tally_random_u64(r) >> 32) * n;
    }
    return (uint32_t)(product >> 32);
}

float tally_random_symmetric(struct tally_random *r)
{
    int32_t k = (int32_t)(tally_random_u64(r) >> 40); /* 24 bits */

    return (float)(2 * k + 1 - (1 << 24)) * 0x1p-24F;
}

void tally_random_shuffle(struct tally_random *r, uint32_t *items, uint32_t n)
{
    for (uint32_t left = n; left > 1; left--) {
        uint32_t pick = tally_random_below(r, left);
        uint32_t last = items[left - 1];
        items[left - 1] = items[pick];
        items[pick] = last;
    }
}
