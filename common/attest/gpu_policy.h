/* gpu_policy.h - rules for NVIDIA GPUs and switches. Plain values, as trust.h has for SNP.
 *
 * The policy object of a federation document, "gpu": {...}; every key may be absent, unknown keys
 * are refused:
 *
 *   "architectures"  list of "HOPPER", "BLACKWELL" (default both); a switch (LS10) is always one
 *   "modes"          list of "single", "multi", "ppcie" (default all): the feature flag. With fewer
 *                    than all, a report without the flag (older drivers) is refused
 *   "fwid"           must a GPU's report hold its firmware's digest (default true; drivers from 550
 *                    on do, switches never). Where it does it is always compared
 *   "rim"            "required" (default) or "optional": reference manifests for driver and VBIOS.
 *                    One that is given is always judged
 *   "rim_expired"    may a manifest's signing certificate have expired (false)
 *   "ocsp"           "required" or "optional" (default): stapled responses for every certificate
 *                    that NVIDIA issued. One that is given is always judged
 *   "drivers", "vbioses"   lists of the versions that are accepted (absent: any)
 *   "driver_min"     least driver version, "550.90.07" (absent: any)
 *   "skus"           list of "1010_0200_882", project, project SKU and chip SKU (absent: any)
 *   "gpus", "switches"   how many a node has, 1 to 15 and 0 to 15 (absent: any)
 *   "denied"         list of chips by the digest of their BROM key, 32 bytes in hex */
#pragma once

#include <jansson.h>

#include "common/attest/gpu_chain.h"
#include "common/attest/gpu_report.h"

enum { TALLY_GPU_LIST_MAX = 16, TALLY_GPU_DENIED_MAX = 32, TALLY_GPU_SET_MAX = 16 };

struct tally_gpu_names {
    char items[TALLY_GPU_LIST_MAX][TALLY_GPU_TEXT_SIZE];
    uint32_t n; /* 0: any */
};

/* Filled by the three functions below, never by hand. */
struct tally_gpu_policy {
    bool architectures[TALLY_GPU_CHIPS], modes[TALLY_GPU_MODES];
    bool require_fwid, require_rim, allow_expired_rim, require_ocsp;
    bool integrity_only; /* signatures, chain, FWID where both are there, what is given; never in a
                            federation */
    struct tally_gpu_names drivers, vbioses, skus;
    char driver_min[TALLY_GPU_TEXT_SIZE]; /* "": any */
    bool count_gpus, count_switches;      /* are these two compared? */
    uint32_t gpus, switches;
    uint8_t denied[TALLY_GPU_DENIED_MAX][TALLY_CHIP_DIGEST_BYTES];
    uint32_t denied_n;
};

/* The policy object of a federation document. TALLY_E_CONFIG says which key is wrong. */
TALLY_RESULT tally_gpu_policy_from_json(const json_t *object, struct tally_gpu_policy *policy);
/* The rules that the object names, and no others; what fails changes nothing. */
TALLY_RESULT tally_gpu_policy_change(const json_t *object, struct tally_gpu_policy *policy);
/* The same object with every key spelled out that is set; the caller owns it, NULL when out of
 * memory. */
json_t *tally_gpu_policy_to_json(const struct tally_gpu_policy *policy);
/* What an empty object says. */
void tally_gpu_policy_strict(struct tally_gpu_policy *policy);
void tally_gpu_policy_integrity(struct tally_gpu_policy *policy);

bool tally_gpu_named(const struct tally_gpu_names *list, struct tally_slice name); /* n 0: true */
/* Compares versions of numbers between dots: "550.90.07" with "550.144". False for other text. */
bool tally_gpu_version_at_least(struct tally_slice version, const char *min);
