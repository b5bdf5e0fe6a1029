/* anchors.c - see anchors.h. */
#include "common/anchors.h"

#include <stdio.h>
#include <string.h>

/* A root of length 0 is known by name and not built in. */
static const struct {
    const char *name;
    struct tally_slice root;
} vendors[] = {
    {"amd-genoa", {NULL, 0}},
    {"amd-turin", {NULL, 0}},
    {"amd-milan", {NULL, 0}},
};
enum { VENDORS = sizeof vendors / sizeof vendors[0] };

enum tally_status tally_anchor_named(const char *name, struct tally_anchor *out)
{
    size_t i = 0;

    while (i < VENDORS && strcmp(vendors[i].name, name) != 0) i++;
    TALLY_ENSURE(i < VENDORS, TALLY_E_CONFIG, "\"%.40s\" names no vendor's root", name);
    TALLY_ENSURE(vendors[i].root.len > 0, TALLY_E_UNDECIDED,
                 "\"%s\" is a vendor's root that this build does not hold", name);
    *out = (struct tally_anchor){.trust = TALLY_TRUST_HARDWARE, .root = vendors[i].root};
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    return TALLY_OK;
}

bool tally_anchor_is_vendor(struct tally_slice der)
{
    for (size_t i = 0; i < VENDORS; i++) {
        if (vendors[i].root.len > 0 && tally_slice_equal(der, vendors[i].root)) return true;
    }
    return false;
}
