/* combine.h - one combining, between the work actor and publishing (hub.h). */
#pragma once

#include "aggregator/hub.h"
#include "aggregator/sealed.h"
#include "kernels/metrics.h"

/* What combining needs of one counted site. */
struct tally_contribution {
    uint32_t site;
    struct tally_statement st;
    uint8_t wrap[TALLY_WRAP_BYTES];
    char path[2 * TALLY_HUB_PATH_MAX];
    uint32_t weight;
    struct tally_sealed sealed;
    float *slice;
    json_t *histogram; /* of its evaluation; NULL: none, or withheld */
    uint64_t rows, positives;
};

struct tally_combining {
    struct tally_task task;
    struct tally_course *course;
    enum tally_payload_kind kind;
    uint64_t round;
    struct tally_contribution *sites;
    uint32_t sites_n;
    uint8_t base_digest[32];
    char base[2 * TALLY_HUB_PATH_MAX], path[TALLY_HUB_PATH_MAX], full[2 * TALLY_HUB_PATH_MAX];
    struct tally_histogram sum; /* of the base, over the sites' held-out rows */
    uint64_t evaluated_n;
    uint8_t digest[32]; /* of what it wrote, and what that is */
    uint64_t bytes;
    struct tally_model model;
    size_t params;
};

void tally_combining_free(struct tally_combining *t);
