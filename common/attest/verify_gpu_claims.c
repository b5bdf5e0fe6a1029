/* verify_gpu_claims.c - what an authentic report of a GPU or switch says:
 *
 *   tee                text    "nvgpu" or "nvswitch"
 *   trust              text    "hardware", "test", "given"
 *   product            text    "GH100", "GB100", "LS10"
 *   architecture       text    "HOPPER", "BLACKWELL", "LS10"
 *   chip               hex     SHA-256 of the BROM's public key: the chip, as deny-lists name it
 *   chip_id            hex     8 bytes by which GPUs and switches name each other
 *   device_id          hex     8 bytes of the leaf's alternative name
 *   nonce              hex     of the request
 *   driver_version     text    GPU
 *   vbios_version      text    "96.00.5E.00.01"; of a switch its firmware's
 *   sku                text    "1010_0200_882", GPU; absent where the report lacks a part of it
 *   mode               text    "single", "multi", "ppcie" or "unknown" (older drivers); GPU
 *   protected_pcie     bool    GPU; absent where the report does not say
 *   nvdec0             bool    GPU; absent where the report does not say
 *   fwid               hex     of the report; absent where it has none
 *   switches           hex     GPU: 8 bytes for every switch it is linked to, once each; a list
 *   gpus               hex     switch: 8 bytes for every GPU it is linked to; a list
 *   measurements       number  of blocks */
#include "common/attest/gpu_links.h"
#include "common/attest/verdict.h"
#include "common/attest/verify_gpu.h"

static void claim_one_bit(const struct tally_gpu_report *r, enum tally_gpu_field field,
                          const char *name, struct tally_verdict *v)
{
    if (tally_gpu_field(r, field).at != NULL) tally_claim_bool(v, name, tally_gpu_is_on(r, field));
}

static void claim_gpu(const struct tally_gpu_report *r, struct tally_verdict *v)
{
    char sku[TALLY_GPU_TEXT_SIZE];

    tally_gpu_sku(r, sku);
    tally_claim_text(v, "driver_version", tally_gpu_text(r, TALLY_GPU_DRIVER));
    if (sku[0] != '\0') tally_claim_word(v, "sku", sku);
    tally_claim_word(v, "mode", tally_gpu_mode_name(tally_gpu_mode(r)));
    claim_one_bit(r, TALLY_GPU_PPCIE, "protected_pcie", v);
    claim_one_bit(r, TALLY_GPU_NVDEC0, "nvdec0", v);
}

void tally_verify_gpu_claims(const struct tally_gpu_report *r, const struct tally_gpu_chain *c,
                             struct tally_verdict *v)
{
    bool nvswitch = tally_gpu_is_switch(r);
    char vbios[TALLY_GPU_TEXT_SIZE];
    struct tally_gpu_links links;
    struct tally_slice fwid = tally_gpu_field(r, TALLY_GPU_FWID);

    tally_gpu_vbios(r, vbios);
    tally_gpu_links(r, &links);
    tally_claim_word(v, "tee", nvswitch ? "nvswitch" : "nvgpu");
    tally_claim_word(v, "trust", tally_trust_class_name(v->trust));
    tally_claim_word(v, "product", v->product);
    tally_claim_word(v, "architecture", tally_gpu_architecture(c->chip));
    tally_claim_hex(v, "chip", TALLY_SLICE(c->brom));
    tally_claim_hex(v, "chip_id", TALLY_SLICE(c->chip_id));
    tally_claim_hex(v, "device_id", TALLY_SLICE(c->device_id));
    tally_claim_hex(v, "nonce", TALLY_SLICE(r->request.nonce));
    if (!nvswitch) claim_gpu(r, v);
    tally_claim_word(v, "vbios_version", vbios);
    if (fwid.at != NULL) tally_claim_hex(v, "fwid", fwid);
    for (uint32_t i = 0; i < links.n; i++)
        tally_claim_hex(v, nvswitch ? "gpus" : "switches", TALLY_SLICE(links.ids[i]));
    tally_claim_number(v, "measurements", r->blocks_n);
}
