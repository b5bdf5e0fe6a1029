/* documents.h - a small test federation for the tests of documents: an owner with an aggregator
 * and n banks with an agent each, all keys fixed. Tests change the JSON and sign it. */
#pragma once

#include <jansson.h>

#include "common/dsse.h"
#include "common/federation.h"
#include "common/sign.h"

enum { TALLY_TEST_ISSUED = 1795000000, TALLY_TEST_EXPIRES = 1826536000 };

/* Party 0 is "owner", party i is "bank-i". */
struct tally_sign_key tally_test_document_key(unsigned party);

/* Version 1 of mode test with `banks` banks, quorum the majority, tolerated 0, all sign changes. */
json_t *tally_test_federation(unsigned banks);

/* The text of j as payload bytes; the caller frees. */
char *tally_test_payload(const json_t *j);

/* An envelope round j of "federation" or "revocation" in `mode`, signed by the parties whose bits
 * are set; tally_dsse_free it. */
struct tally_dsse tally_test_envelope(const char *type, enum tally_mode mode, const json_t *j,
                                      unsigned signers);
/* The same as text; the caller frees. */
char *tally_test_envelope_text(const char *type, enum tally_mode mode, const json_t *j,
                               unsigned signers);

/* j as the next version of the payload `prev` (of version 1 if id is NULL). */
void tally_test_next(json_t *j, const uint8_t id[32], const uint8_t prev[32]);

/* parties[party].nodes[0] of j, and a fresh directory for a test (removed by the caller's OS). */
json_t *tally_test_node(json_t *j, unsigned party);
const char *tally_test_dir(void);
