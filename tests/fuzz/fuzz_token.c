/* fuzz_token.c - what other people sign and we read: attestation results, and the policy inside a
 * policy document, which is written again to the same rules. */
#include <stdlib.h>
#include <string.h>

#include "common/attest/ear.h"
#include "common/jsonread.h"
#include "common/policydoc.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_token(struct tally_slice in)
{
    static const char key[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
                              "-----END PUBLIC KEY-----\n";
    const struct tally_ear_expect expect = {.now_s = 1795000000, .key_pem = tally_slice_str(key)};
    json_t *claims = NULL;
    const char *status = NULL;

    TALLY_ASSERT(tally_ear_check(in, &expect, &claims, &status) != TALLY_OK);
    TALLY_ASSERT(claims == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct tally_policydoc d;
    static struct tally_policy again;
    struct tally_slice in = tally_slice_of(p, n);

    check_token(in);
    if (tally_policydoc_decode(in, &d) != TALLY_OK) return 0;
    TALLY_ASSERT(d.snp_n + d.tdx_n <= TALLY_POLICY_MEASUREMENTS_MAX && !d.policy.integrity);
    json_t *o = tally_policy_to_json(&d.policy);
    TALLY_ASSERT(tally_policy_from_json(o, &again) == TALLY_OK);
    TALLY_ASSERT(again.parts == d.policy.parts);
    json_decref(o);
    return 0;
}
