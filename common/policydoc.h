/* policydoc.h - a policy as a signed document: rules and reference values that somebody answers
 * for, for judging evidence outside a federation (a federation document has its own).
 *
 * DSSE, payloadType "application/vnd.tally.policy+json":
 *
 *   { "type": "policy", "name": "...", "issued": s, "expires": s,
 *     "policy": { "snp"?: {...}, "tdx"?: {...}, "nvgpu"?: {...}, "tpm"?: {...} },
 *     "measurements": [ {"tee":"snp","digest":"<96 hex>"}, {"tee":"tdx","mrtd":"<96
 * hex>","rtmr":[...]} ] }
 */
#pragma once

#include "common/attest/appraise.h"
#include "common/attest/policy.h"
#include "common/jsonread.h"
#include "common/sign.h"
#include "common/text.h"

enum { TALLY_POLICY_BYTES_MAX = 256 * 1024, TALLY_POLICY_MEASUREMENTS_MAX = 64 };

struct tally_policydoc {
    char name[TALLY_NAME_MAX + 1];
    uint8_t digest[32]; /* of the payload as signed: the policy's name */
    uint64_t issued_s, expires_s;
    struct tally_policy policy;
    uint8_t snp[TALLY_POLICY_MEASUREMENTS_MAX][TALLY_MEASUREMENT_BYTES];
    uint32_t snp_n;
    struct tally_td_measurement tdx[TALLY_POLICY_MEASUREMENTS_MAX];
    uint32_t tdx_n;
};

/* The payload alone, whoever signed it. TALLY_E_CONFIG says which key is wrong; *out is then zero,
 * as after any failure. */
TALLY_RESULT tally_policydoc_decode(struct tally_slice payload, struct tally_policydoc *out);

/* The envelope: every one of the keys must have signed (E_AUTH), at least one key must be given,
 * and now lies between "issued" and "expires", both inclusive (E_CERT_NOT_YET_VALID,
 * E_CERT_EXPIRED). */
TALLY_RESULT tally_policydoc_open(struct tally_slice envelope,
                                  const uint8_t (*keys)[TALLY_SIGN_PUBLIC_BYTES], size_t keys_n,
                                  uint64_t now_s, struct tally_policydoc *out);

/* {"mrtd", "rtmr"?} of a TDX measurement, for this and for federation documents. */
TALLY_RESULT tally_td_measurement_read(const struct tally_json_at *at,
                                       struct tally_td_measurement *out);

/* The built-in strict policy as a payload to begin from; the caller owns it. */
json_t *tally_policydoc_strict(const char *name, uint64_t issued_s, uint64_t expires_s);
