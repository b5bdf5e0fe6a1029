/* federation_parts.h - the pieces that federation.c decodes a document from; not for others. */
#pragma once

#include "common/federation.h"
#include "common/jsonread.h"

/* "parties", into parties and nodes. */
TALLY_RESULT tally_federation_read_parties(const struct tally_json_at *at,
                                           struct tally_federation *f);
/* "measurements". */
TALLY_RESULT tally_federation_read_measurements(const struct tally_json_at *at,
                                                struct tally_federation *f);
/* "test_root" and "test_roots" of a test document. In a file of its own: a production image is
 * built without it, which removes the parser of test documents and relaxes nothing. */
TALLY_RESULT tally_federation_read_test_root(const struct tally_json_at *root,
                                             struct tally_federation *f);
/* What the fields say of each other: keys, owner, quorum, changes.needs. */
TALLY_RESULT tally_federation_check(const struct tally_federation *f);
