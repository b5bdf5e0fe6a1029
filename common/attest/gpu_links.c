/* gpu_links.c - see gpu_links.h. */
#include "common/attest/gpu_links.h"

#include <string.h>

bool tally_gpu_links_has(const struct tally_gpu_links *l, const uint8_t id[TALLY_GPU_ID_BYTES])
{
    for (uint32_t i = 0; i < l->n; i++) {
        if (memcmp(l->ids[i], id, TALLY_GPU_ID_BYTES) == 0) return true;
    }
    return false;
}

static void add(struct tally_gpu_links *l, const uint8_t id[TALLY_GPU_ID_BYTES])
{
    if (!tally_gpu_links_has(l, id) && l->n < TALLY_GPU_LINKS_MAX)
        memcpy(l->ids[l->n++], id, TALLY_GPU_ID_BYTES);
}

void tally_gpu_links(const struct tally_gpu_report *r, struct tally_gpu_links *out)
{
    static const uint8_t none[TALLY_GPU_ID_BYTES] = {0xff, 0xff, 0xff, 0xff,
                                                     0xff, 0xff, 0xff, 0xff};
    bool nvswitch = tally_gpu_is_switch(r);
    struct tally_slice v = tally_gpu_field(r, nvswitch ? TALLY_GPU_PEERS : TALLY_GPU_SWITCHES);
    size_t n = nvswitch ? TALLY_GPU_PEERS_MAX : v.len / TALLY_GPU_ID_BYTES;

    out->n = 0;
    for (size_t i = 0; v.at != NULL && i < n; i++) {
        uint8_t id[TALLY_GPU_ID_BYTES] = {0};
        for (size_t k = 0; k < sizeof id; k++)
            id[nvswitch ? k : sizeof id - 1 - k] = v.at[i * sizeof id + k];
        if (memcmp(id, none, sizeof id) != 0) add(out, id);
    }
}
