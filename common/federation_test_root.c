/* federation_test_root.c - the fields that only a test document has. */
#include <stdio.h>

#include "common/anchors.h"
#include "common/federation_parts.h"

static enum tally_status read_root(const struct tally_json_at *at, struct tally_federation *f)
{
    uint8_t *to = f->test_roots[f->anchors_n];
    struct tally_anchor *a = &f->anchors[f->anchors_n];
    size_t len = 0;

    TALLY_TRY(tally_json_blob(at, to, sizeof f->test_roots[0], &len));
    *a = (struct tally_anchor){.trust = TALLY_TRUST_TEST, .root = tally_slice_of(to, len)};
    if (tally_anchor_is_vendor(a->root)) return tally_json_refuse(at, "is a vendor's root");
    (void)snprintf(a->name, sizeof a->name, f->anchors_n == 0 ? "test" : "test-%u", f->anchors_n);
    f->anchors_n++;
    return TALLY_OK;
}

enum tally_status tally_federation_read_test_root(const struct tally_json_at *root,
                                                  struct tally_federation *f)
{
    struct tally_json_at first = tally_json_member(root, "test_root");
    struct tally_json_at more = tally_json_member(root, "test_roots");
    size_t n = 0;

    f->anchors_n = 0;
    TALLY_TRY(read_root(&first, f));
    if (more.value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_array(&more, 1, TALLY_TEST_ROOTS - 1, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(&more, i);
        TALLY_TRY(read_root(&item, f));
    }
    return TALLY_OK;
}
