/* anchors.c - see anchors.h. */
#include "common/anchors.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/attest/builtin.h"

/* The name in documents, and the file in common/attest/roots. */
static const struct {
    const char *name, *file;
} vendors[] = {
    {"amd-milan",     "milan_ark"         },
    {"amd-genoa",     "genoa_ark"         },
    {"amd-turin",     "turin_ark"         },
    {"intel-sgx",     "intel_sgx_root"    },
    {"nvidia-device", "nvidia_device_root"},
    {"nvidia-rim",    "nvidia_rim_root"   },
    {"azure-vtpm",    "azure_tpm_root"    },
    {"gce-vtpm",      "gce_tpm_root"      },
};
enum { VENDORS = sizeof vendors / sizeof vendors[0] };
static_assert((int)VENDORS <= (int)TALLY_ANCHORS_MAX, "all of them fit a list");

static void set(struct tally_anchor *a, size_t i)
{
    *a = (struct tally_anchor){.trust = TALLY_TRUST_HARDWARE,
                               .root = tally_builtin(vendors[i].file)};
    TALLY_ASSERT(a->root.len > 0);
    (void)snprintf(a->name, sizeof a->name, "%s", vendors[i].name);
}

enum tally_status tally_anchor_named(const char *name, struct tally_anchor *out)
{
    for (size_t i = 0; i < VENDORS; i++) {
        if (strcmp(vendors[i].name, name) != 0) continue;
        set(out, i);
        return TALLY_OK;
    }
    return TALLY_FAIL(TALLY_E_CONFIG, "\"%.40s\" names no vendor's root", name);
}

uint32_t tally_anchors_all(struct tally_anchor out[TALLY_ANCHORS_MAX])
{
    for (size_t i = 0; i < VENDORS; i++) set(&out[i], i);
    return VENDORS;
}

bool tally_anchor_is_vendor(struct tally_slice der)
{
    for (size_t i = 0; i < VENDORS; i++) {
        if (tally_slice_equal(der, tally_builtin(vendors[i].file))) return true;
    }
    return false;
}
