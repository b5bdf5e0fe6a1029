/* attack_gpus.c - a node whose CPU is genuine and whose GPUs are not what its document asks for:
 * evidence that somebody else's GPU gave for another question, none, one of another root, and one
 * whose firmware is not the manifests'. */
#include <stdlib.h>
#include <string.h>

#include "common/attest/device_ops.h"
#include "common/attest/sim_gpu.h"
#include "common/file.h"
#include "tests/attack/cases.h"
#include "tests/attack/duel.h"

enum { PIECE = 16 * 1024 };

/* What stands in the node's slots, and how it lies. */
struct slots {
    struct tally_sim_gpu *gpus[2];
    uint32_t n;
    bool other_nonce; /* the report answers another verifier's question */
    uint8_t measured; /* is XORed to one measurement */
};

static const char *gpu_folder(void)
{
    const char *dir = getenv("TALLY_ARENA_GPUS");

    EXPECT(dir != NULL, "TALLY_ARENA_GPUS is not set");
    return dir;
}

static enum tally_status answer(const struct slots *s, uint32_t i, const uint8_t nonce[32],
                                struct tally_wr *w, struct tally_device_evidence *out)
{
    static struct tally_sim_gpu_report r;
    uint8_t asked[32];
    size_t from = w->used;

    memcpy(asked, nonce, sizeof asked);
    asked[31] ^= s->other_nonce;
    tally_sim_gpu_report_init(s->gpus[i], asked, &r);
    r.report.digests[2][0] ^= s->measured;
    TALLY_TRY(tally_sim_gpu_report_sign(s->gpus[i], &r, w));
    *out = (struct tally_device_evidence){.kind = TALLY_DEVICE_GPU,
                                          .report = tally_slice_of(w->to + from, w->used - from)};
    from = w->used;
    for (size_t k = 0; k < TALLY_GPU_CERTS; k++)
        tally_wr_bytes(w, tally_sim_gpu_der(s->gpus[i], k));
    out->chain = tally_slice_of(w->to + from, w->used - from);
    return TALLY_OK;
}

static enum tally_status collect(void *ctx, const uint8_t nonce[32], struct tally_gpu_list *out)
{
    const struct slots *s = ctx;
    uint8_t *room = malloc(2 * PIECE);

    EXPECT(room != NULL, "memory");
    struct tally_wr w = tally_wr_to(room, 2 * PIECE);
    out->owned = room;
    for (out->n = 0; out->n < s->n; out->n++)
        TALLY_TRY(answer(s, out->n, nonce, &w, &out->devices[out->n]));
    return TALLY_OK;
}

static void add_manifest(const char *name, struct tally_wr *w)
{
    char path[1024];
    uint8_t *bytes = NULL;
    size_t len = 0;

    (void)snprintf(path, sizeof path, "%s/rims/%s", gpu_folder(), name);
    EXPECT_OK(tally_file_read(path, TALLY_ENDORSEMENTS_MAX, &bytes, &len));
    tally_endorsement_encode(w, &(struct tally_endorsement){.kind = TALLY_ENDORSEMENT_MANIFEST,
                                                            .name = tally_slice_str(name),
                                                            .bytes = tally_slice_of(bytes, len)});
    free(bytes);
}

static enum tally_status manifests(void *ctx, struct tally_wr *w)
{
    (void)ctx;
    add_manifest("driver.xml", w);
    add_manifest("vbios.xml", w);
    return TALLY_OK;
}

/* The attacker's own genuine TEE with these slots; the caller closes it. NULL: no GPUs. */
static struct tally_device *machine(const struct attacker *a, struct slots *s)
{
    struct tally_device *d;
    char program[1024];

    (void)snprintf(program, sizeof program, "%s/tally-agent", arena_bin());
    EXPECT_OK(tally_device_open_simulated(a->chip_file, program, a->federation->id, &d));
    if (s != NULL)
        tally_device_add_gpus(d, &(struct tally_gpu_source){collect, manifests, NULL, s});
    return d;
}

static void plug(struct slots *s, const char *name)
{
    char path[1024];

    (void)snprintf(path, sizeof path, "%s/%s", gpu_folder(), name);
    EXPECT_OK(tally_sim_gpu_load(path, &s->gpus[s->n++]));
}

static void unplug(struct slots *s)
{
    for (uint32_t i = 0; i < 2; i++) tally_sim_gpu_free(&s->gpus[i]);
}

/* bank-1 with `evil` in its slots is refused for this reason, and served with its own GPUs. */
static void wrong(struct slots *evil, const char *reason)
{
    struct stage s;
    struct slots own = {.n = 0}, others = {.n = 0};

    plug(&own, "gpu-3");
    plug(&others, "gpu-4");
    plug(&others, "gpu-5");
    begin(&s);
    tally_device_close(&s.evil.machine);
    tally_device_close(&s.good.machine);
    s.evil.machine = machine(&s.evil, &own);
    s.good.machine = machine(&s.good, &others);
    struct tally_device *d = machine(&s.evil, evil);
    s.evil.tricks.device = d;
    refused(&s, reason);
    end(&s);
    tally_device_close(&d);
    unplug(&own);
    unplug(&others);
    if (evil != NULL) unplug(evil);
}

static void gpus_evidence_for_another_question(void)
{
    struct slots s = {.other_nonce = true};

    plug(&s, "gpu-4");
    wrong(&s, "E_REPORT_DATA");
}

static void gpus_missing(void)
{
    wrong(NULL, "E_GPU_COUNT");
}

static void gpus_of_another_root(void)
{
    struct slots s = {.n = 0};

    plug(&s, "foreign");
    wrong(&s, "E_ROOT_UNTRUSTED");
}

static void gpus_firmware_of_another_version(void)
{
    struct slots s = {.measured = 1};

    plug(&s, "gpu-3");
    wrong(&s, "E_MEASUREMENT");
}

int main(int argc, char **argv)
{
    static const struct attack_case cases[] = {CASE(gpus_evidence_for_another_question),
                                               CASE(gpus_missing), CASE(gpus_of_another_root),
                                               CASE(gpus_firmware_of_another_version)};

    return attack_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
