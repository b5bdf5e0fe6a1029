/* gpu_set.c - see gpu_set.h. */
#include "common/attest/gpu_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/gpu_links.h"
#include "common/attest/verdict.h"
#include "common/cert.h"
#include "common/hash.h"
#include "common/secret.h"

#define R_(x) TALLY_R_E_##x

/* One appraisal of a set; on the heap, some 150 KB with TALLY_GPU_SET_MAX devices. */
struct set {
    const struct tally_gpu_input *in;
    uint32_t n, gpus, switches;
    struct tally_gpu_device_state devices[TALLY_GPU_SET_MAX];
    struct tally_verdict one; /* of the device at hand */
    struct tally_verdict *v;
    bool first;
};

static void free_set(struct set **s)
{
    if (*s == NULL) return;
    for (uint32_t i = 0; i < (*s)->n; i++) tally_gpu_chain_free(&(*s)->devices[i].chain);
    free(*s);
}

enum { OWN_FAILURES = 8 }; /* room kept for the set's own */

static void merge_failures(struct set *s, const char *who)
{
    for (uint32_t i = 0; i < s->one.failed_n; i++) {
        if (s->v->failed_n + OWN_FAILURES >= TALLY_FAILURES_MAX) return;
        tally_verdict_fail(s->v, s->one.failed[i].reason, "%s: %s", who, s->one.failed[i].why);
    }
    for (uint32_t i = 0; i < s->one.missing_n; i++) {
        if (s->v->missing_n >= TALLY_MISSING_MAX) return;
        tally_verdict_miss(s->v, s->one.missing[i].reason, "%s: %s", who, s->one.missing[i].why);
    }
}

static void merge_trust(struct set *s)
{
    if (!s->one.authentic) {
        s->v->authentic = false;
        return;
    }
    if (s->first) {
        s->v->trust = s->one.trust;
        s->v->product = s->one.product;
    } else if (s->v->trust != s->one.trust) {
        s->v->trust = 0;
    }
    s->first = false;
}

/* Judges device i into the set's verdict. What cannot be compared is not failed, but an end that
 * no device has leaves the window open. */
static void judge_device(struct set *s, uint32_t i, const struct tally_gpu_terms *terms)
{
    char who[32];
    bool nvswitch = s->in[i].nvswitch;
    uint32_t *number = nvswitch ? &s->switches : &s->gpus;

    (void)snprintf(who, sizeof who, "%s %u", nvswitch ? "switch" : "gpu", (*number)++);
    enum tally_status result = tally_verify_gpu_device(&s->in[i], terms, &s->devices[i], &s->one);
    (void)result; /* every reason of it is in s->one */
    merge_failures(s, who);
    merge_trust(s);
    if (s->one.not_after_s != 0)
        tally_verdict_window(s->v, s->one.not_before_s, s->one.not_after_s);
}

static bool is_switch(const struct set *s, uint32_t i)
{
    return s->in[i].nvswitch;
}

static void check_counts(struct set *s, const struct tally_gpu_policy *p)
{
    if (s->gpus == 0) tally_verdict_fail(s->v, R_(GPU_COUNT), "switches without a GPU");
    if (p->count_gpus && s->gpus != p->gpus)
        tally_verdict_fail(s->v, R_(GPU_COUNT), "%u GPUs, and the policy wants %u", s->gpus,
                           p->gpus);
    if (p->count_switches && s->switches != p->switches)
        tally_verdict_fail(s->v, R_(GPU_COUNT), "%u switches, and the policy wants %u", s->switches,
                           p->switches);
}

/* Keys pairwise different, one nonce, one class of trust. */
static void check_together(struct set *s)
{
    bool twice = false, nonces = false;

    for (uint32_t i = 1; i < s->n; i++) {
        const struct tally_gpu_device_state *d = &s->devices[i];
        for (uint32_t k = 0; k < i; k++)
            twice =
                twice || memcmp(d->chain.brom, s->devices[k].chain.brom, sizeof d->chain.brom) == 0;
        nonces = nonces || !tally_secret_equal(TALLY_SLICE(d->report.request.nonce),
                                               TALLY_SLICE(s->devices[0].report.request.nonce));
    }
    if (twice) tally_verdict_fail(s->v, R_(GPU_TOPOLOGY), "one device stands in the set twice");
    if (nonces) tally_verdict_fail(s->v, R_(REPORT_DATA), "the reports answer different nonces");
    if (s->v->trust == 0)
        tally_verdict_fail(s->v, R_(TRUST_CLASS), "the devices' roots are of different classes");
}

/* True where the links can be compared: every GPU is in PPCIE mode. By the flag, or by protected
 * PCIe alone in reports of drivers without the flag. */
static bool check_modes(struct set *s)
{
    uint32_t on = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        const struct tally_gpu_report *r = &s->devices[i].report;
        if (is_switch(s, i)) continue;
        if (tally_gpu_mode(r) == TALLY_GPU_PPCIE_MODE || tally_gpu_is_on(r, TALLY_GPU_PPCIE)) on++;
    }
    if (on != 0 && on != s->gpus) {
        tally_verdict_fail(s->v, R_(GPU_TOPOLOGY), "%u of %u GPUs are in PPCIE mode", on, s->gpus);
        return false;
    }
    if (on == 0 && s->switches != 0)
        tally_verdict_fail(s->v, R_(GPU_TOPOLOGY), "switches, and no GPU is in PPCIE mode");
    return on != 0;
}

/* Does this device name exactly the others of the other kind? At most one failure per call. */
static bool check_links(struct set *s, uint32_t i)
{
    struct tally_gpu_links links;
    bool nvswitch = is_switch(s, i);
    uint32_t want = nvswitch ? s->gpus : s->switches;

    tally_gpu_links(&s->devices[i].report, &links);
    if (links.n != want) {
        tally_verdict_fail(s->v, R_(GPU_COUNT), "a %s names %u %s, and %u are here",
                           nvswitch ? "switch" : "GPU", links.n, nvswitch ? "GPUs" : "switches",
                           want);
        return false;
    }
    for (uint32_t k = 0; k < s->n; k++) {
        if (is_switch(s, k) == nvswitch || tally_gpu_links_has(&links, s->devices[k].chain.chip_id))
            continue;
        tally_verdict_fail(s->v, R_(GPU_TOPOLOGY), "a %s does not name one of these %s",
                           nvswitch ? "switch" : "GPU", nvswitch ? "GPUs" : "switches");
        return false;
    }
    return true;
}

/* One failure of the GPUs and one of the switches say enough. */
static void check_topology(struct set *s)
{
    bool good[2] = {true, true};

    for (uint32_t i = 0; i < s->n; i++) {
        bool nvswitch = is_switch(s, i);
        const struct tally_gpu_device_state *d = &s->devices[i];
        struct tally_slice own = tally_gpu_field(&d->report, TALLY_GPU_SWITCHES);
        if (!good[nvswitch]) continue;
        good[nvswitch] = check_links(s, i);
        if (!nvswitch || !good[1] || tally_slice_equal(own, TALLY_SLICE(d->chain.chip_id)))
            continue;
        tally_verdict_fail(s->v, R_(GPU_TOPOLOGY), "a switch's id is not its chip's");
        good[1] = false;
    }
}

static void claim_set(struct set *s)
{
    struct tally_gpu_device list[TALLY_GPU_SET_MAX];
    uint8_t hash[TALLY_SHA384_BYTES];
    char vbios[TALLY_GPU_TEXT_SIZE];

    for (uint32_t i = 0; i < s->n; i++) {
        list[i].report = s->devices[i].report.signed_part;
        list[i].report.len += TALLY_GPU_SIG_BYTES; /* padding, if any, is no part of it */
        memcpy(list[i].chain, s->in[i].chain, sizeof list[i].chain);
    }
    tally_claim_word(s->v, "tee", "nvgpu");
    tally_claim_word(s->v, "trust", tally_trust_class_name(s->v->trust));
    tally_claim_number(s->v, "gpus", s->gpus);
    tally_claim_number(s->v, "switches", s->switches);
    if (tally_gpu_set_hash(list, s->n, hash) == TALLY_OK)
        tally_claim_hex(s->v, "gpu_set_hash", TALLY_SLICE(hash));
    for (uint32_t i = 0; i < s->n; i++) {
        const struct tally_gpu_device_state *d = &s->devices[i];
        tally_gpu_vbios(&d->report, vbios);
        tally_claim_hex(s->v, "chip", TALLY_SLICE(d->chain.brom));
        tally_claim_word(s->v, "product", tally_gpu_chip_name(d->chain.chip));
        tally_claim_word(s->v, "vbios_version", vbios);
        if (!is_switch(s, i))
            tally_claim_text(s->v, "driver_version", tally_gpu_text(&d->report, TALLY_GPU_DRIVER));
    }
}

enum tally_status tally_verify_gpu_set(const struct tally_gpu_input *devices, uint32_t n,
                                       const struct tally_anchor *anchors, uint32_t anchors_n,
                                       const struct tally_gpu_policy *policy,
                                       const struct tally_expect *expect, struct tally_verdict *v)
{
    const struct tally_gpu_terms terms = {anchors, anchors_n, policy, expect};
    TALLY_CLEANUP(free_set) struct set *s = NULL;

    tally_verdict_init(v);
    if (n == 0 || n > TALLY_GPU_SET_MAX) {
        tally_verdict_fail(v, R_(GPU_COUNT), "%u devices, not 1 to %d", n, TALLY_GPU_SET_MAX);
        return tally_verdict_end(v);
    }
    s = calloc(1, sizeof *s);
    TALLY_ENSURE(s != NULL, TALLY_E_NOMEM, "a set of GPUs");
    s->in = devices;
    s->n = n;
    s->v = v;
    s->first = true;
    v->authentic = true;
    for (uint32_t i = 0; i < n; i++) judge_device(s, i, &terms);
    if (v->authentic) {
        claim_set(s);
        check_counts(s, policy);
        check_together(s);
        if (check_modes(s)) check_topology(s);
    }
    return tally_verdict_end(v);
}

void tally_gpu_nonce(const uint8_t verifier_nonce[32], struct tally_slice key_block,
                     uint8_t out[32])
{
    static const char label[] = "tally/v1/gpu"; /* with its zero */
    uint8_t block[TALLY_SHA512_BYTES];

    tally_hash(TALLY_SHA512, &key_block, 1, block);
    TALLY_SHA256_OF(out, tally_slice_of(label, sizeof label), tally_slice_of(verifier_nonce, 32),
                    TALLY_SLICE(block));
}

/* What a device adds, and by what it is sorted. */
enum { SPKI_MAX = 256 };
struct part {
    uint8_t spki[SPKI_MAX];
    size_t spki_len;
    struct tally_slice report;
    uint8_t chain[TALLY_SHA256_BYTES];
};

static enum tally_status read_part(const struct tally_gpu_device *d, struct part *p)
{
    TALLY_CLEANUP(tally_cert_free) struct tally_cert brom = {0};
    struct tally_wr w = tally_wr_to(p->spki, sizeof p->spki);

    TALLY_TRY(tally_cert_parse(d->chain[1], &brom));
    TALLY_TRY(tally_gpu_spki(&brom, &w));
    p->spki_len = w.used;
    p->report = d->report;
    tally_hash(TALLY_SHA256, d->chain, TALLY_GPU_CERTS, p->chain);
    return TALLY_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct part *p = a, *q = b;
    size_t n = p->spki_len < q->spki_len ? p->spki_len : q->spki_len;
    int order = memcmp(p->spki, q->spki, n);

    return order != 0 ? order : (p->spki_len > q->spki_len) - (p->spki_len < q->spki_len);
}

enum tally_status tally_gpu_set_hash(const struct tally_gpu_device *devices, uint32_t n,
                                     uint8_t out[48])
{
    struct part parts[TALLY_GPU_SET_MAX];
    struct tally_hasher h;

    TALLY_REFUSE_UNLESS(n >= 1 && n <= TALLY_GPU_SET_MAX, TALLY_R_E_GPU_COUNT,
                        "%u devices, not 1 to %d", n, TALLY_GPU_SET_MAX);
    for (uint32_t i = 0; i < n; i++) TALLY_TRY(read_part(&devices[i], &parts[i]));
    qsort(parts, n, sizeof parts[0], by_key);
    for (uint32_t i = 1; i < n; i++)
        TALLY_REFUSE_UNLESS(by_key(&parts[i - 1], &parts[i]) != 0, TALLY_R_E_GPU_TOPOLOGY,
                            "one device stands in the set twice");
    tally_hasher_init(&h, TALLY_SHA384);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t length[4];
        struct tally_wr w = tally_wr_to(length, sizeof length);
        tally_wr_be32(&w, (uint32_t)(parts[i].report.len + TALLY_SHA256_BYTES));
        tally_hasher_add(&h, TALLY_SLICE(length));
        tally_hasher_add(&h, parts[i].report);
        tally_hasher_add(&h, TALLY_SLICE(parts[i].chain));
    }
    tally_hasher_end(&h, out);
    return TALLY_OK;
}
