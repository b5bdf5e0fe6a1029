/* simulated_rim.c - see simulated_rim.h. */
#include "tests/lib/simulated_rim.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"

static struct tally_sim_rim_signer *signer;

void simulated_rim_setup(void)
{
    if (tally_sim_rim_signer_new(SIM_RIM_NOW_S, &signer) == TALLY_OK) return;
    (void)fprintf(stderr, "%s\n", tally_why());
    exit(1);
}

struct tally_sim_rim_signer *simulated_rim_signer(void)
{
    return signer;
}

struct tally_anchor simulated_rim_anchor(const struct tally_sim_rim_signer *s)
{
    return (struct tally_anchor){
        .trust = TALLY_TRUST_TEST, .name = "test", .root = tally_sim_rim_root(s)};
}

void simulated_rim_hash(uint32_t i, uint32_t k, uint8_t out[TALLY_RIM_HASH_BYTES])
{
    const uint8_t name[] = {(uint8_t)i, (uint8_t)k};

    tally_hash(TALLY_SHA384, TALLY_SLICES(TALLY_SLICE(name)), 1, out);
}

void simulated_rim_init(struct tally_rim *r, const char *version, uint64_t active,
                        uint8_t alternatives)
{
    *r = (struct tally_rim){.product = "GH100", .name = "GH100", .edition = "GPU"};
    (void)snprintf(r->version, sizeof r->version, "%s", version);
    r->kind = strlen(version) == strlen("96.00.74.00.1A") ? TALLY_RIM_VBIOS : TALLY_RIM_DRIVER;
    for (uint32_t i = 0; i < TALLY_RIM_MEASUREMENTS; i++) {
        struct tally_rim_measurement *m = &r->measurements[i];
        m->present = true;
        m->active = active >> i & 1;
        m->alternatives = alternatives;
        for (uint32_t k = 0; k < alternatives; k++) simulated_rim_hash(i, k, m->hashes[k]);
    }
}

void simulated_rim_write(const struct tally_rim *r, const struct tally_sim_rim_signer *s,
                         struct simulated_rim *out)
{
    out->cap = 2 * TALLY_RIM_BYTES_MAX;
    out->at = calloc(1, out->cap);
    ck_assert_ptr_nonnull(out->at);
    struct tally_wr w = tally_wr_to(out->at, out->cap - 1);
    ck_assert_msg(tally_sim_rim_write(r, s, &w) == TALLY_OK, "%s", tally_why());
    out->len = w.used;
}

void simulated_rim_replace(struct simulated_rim *d, const char *find, const char *with)
{
    char *at = strstr(d->at, find);
    size_t old = strlen(find), new = strlen(with);

    ck_assert_msg(at != NULL, "no \"%s\" to replace", find);
    ck_assert_uint_lt(d->len + new - old, d->cap);
    memmove(at + new, at + old, d->len - (size_t)(at - d->at) - old + 1);
    memcpy(at, with, new);
    d->len = d->len + new - old;
}

void simulated_rim_sign(struct simulated_rim *d, const struct tally_sim_rim_signer *s)
{
    ck_assert_msg(tally_sim_rim_sign(s, (uint8_t *)d->at, d->len) == TALLY_OK, "%s", tally_why());
}

enum tally_status simulated_rim_verify(const struct simulated_rim *d,
                                       const struct tally_sim_rim_signer *s, uint64_t now_s,
                                       struct tally_rim *out)
{
    const struct tally_anchor anchor = simulated_rim_anchor(s);
    const struct tally_expect e = {.now_s = now_s};
    uint8_t *exact = malloc(d->len ? d->len : 1);

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, d->at, d->len);
    enum tally_status status =
        tally_rim_verify(tally_slice_of(exact, d->len), &anchor, 1, &e, false, out);
    free(exact);
    return status;
}

void simulated_rim_free(struct simulated_rim *d)
{
    free(d->at);
    *d = (struct simulated_rim){0};
}

void simulated_rim_expect(struct simulated_rim *d, const struct tally_sim_rim_signer *s,
                          uint64_t now_s, enum tally_reason reason, struct tally_rim *out)
{
    enum tally_status status = simulated_rim_verify(d, s, now_s, out);

    if (reason == TALLY_R_NONE) {
        ck_assert_msg(status == TALLY_OK, "%s: %s", tally_reason_name(tally_reason()), tally_why());
    } else {
        ck_assert_msg(status != TALLY_OK, "was taken");
        ck_assert_msg(tally_reason() == reason, "%s: %s", tally_reason_name(tally_reason()),
                      tally_why());
    }
    simulated_rim_free(d);
}
