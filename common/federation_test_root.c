/* federation_test_root.c - the one field that only a test document has. */
#include <stdio.h>

#include "common/anchors.h"
#include "common/federation_parts.h"

enum tally_status tally_federation_read_test_root(const struct tally_json_at *root,
                                                  struct tally_federation *f)
{
    struct tally_json_at at = tally_json_member(root, "test_root");
    size_t len = 0;

    TALLY_TRY(tally_json_blob(&at, f->test_root, sizeof f->test_root, &len));
    f->test_root_bytes = (uint32_t)len;
    struct tally_anchor *a = &f->anchors[0];
    *a =
        (struct tally_anchor){.trust = TALLY_TRUST_TEST, .root = tally_slice_of(f->test_root, len)};
    if (tally_anchor_is_vendor(a->root)) return tally_json_refuse(&at, "is a vendor's root");
    (void)snprintf(a->name, sizeof a->name, "test");
    f->anchors_n = 1;
    return TALLY_OK;
}
