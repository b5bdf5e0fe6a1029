/* ear.c - see ear.h: what a verdict means in AR4SI's words. */
#include "common/attest/ear.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/hash.h"
#include "common/text.h"

enum dimension { INSTANCE, CONFIGURATION, EXECUTABLES, FILES, HARDWARE, RUNTIME, STORAGE, SOURCED };
enum { DIMENSIONS = SOURCED + 1, AFFIRMING = 2, WARNING = 32, UNRECOGNISED = 33, BAD = 96 };
enum { UNTRUSTED = 97, FORGED = 99 };

static const char *const names[DIMENSIONS] = {
    "instance-identity", "configuration",  "executables",    "file-system",
    "hardware",          "runtime-opaque", "storage-opaque", "sourced-data"};

/* What a failed check says; every reason not listed speaks of forgery or a broken format. */
static const struct {
    enum tally_reason reason;
    enum dimension of;
    int value;
} meanings[] = {
    {TALLY_R_E_ROOT_UNTRUSTED,      HARDWARE,      UNTRUSTED},
    {TALLY_R_E_REVOKED,             HARDWARE,      UNTRUSTED},
    {TALLY_R_E_TRUST_CLASS,         HARDWARE,      UNTRUSTED},
    {TALLY_R_E_OCSP_STATUS,         HARDWARE,      UNTRUSTED},
    {TALLY_R_E_PRODUCT,             HARDWARE,      BAD      },
    {TALLY_R_E_VERSION,             HARDWARE,      BAD      },
    {TALLY_R_E_TCB_ORDER,           HARDWARE,      BAD      },
    {TALLY_R_E_TCB_MIN,             HARDWARE,      BAD      },
    {TALLY_R_E_TCB_STATUS,          HARDWARE,      BAD      },
    {TALLY_R_E_TCB_NOT_SUPPORTED,   HARDWARE,      BAD      },
    {TALLY_R_E_MODULE_IDENTITY,     HARDWARE,      BAD      },
    {TALLY_R_E_MIT_VECTOR,          HARDWARE,      BAD      },
    {TALLY_R_E_CERT_EXPIRED,        HARDWARE,      BAD      },
    {TALLY_R_E_CERT_NOT_YET_VALID,  HARDWARE,      BAD      },
    {TALLY_R_E_CRL_EXPIRED,         HARDWARE,      BAD      },
    {TALLY_R_E_COLLATERAL_EXPIRED,  HARDWARE,      BAD      },
    {TALLY_R_E_COLLATERAL_FUTURE,   HARDWARE,      BAD      },
    {TALLY_R_E_COLLATERAL_ROLLBACK, HARDWARE,      BAD      },
    {TALLY_R_E_OCSP_EXPIRED,        HARDWARE,      BAD      },
    {TALLY_R_E_DENYLIST,            INSTANCE,      UNTRUSTED},
    {TALLY_R_E_CHIP,                INSTANCE,      BAD      },
    {TALLY_R_E_REPORT_DATA,         INSTANCE,      BAD      },
    {TALLY_R_E_CHANNEL_BINDING,     INSTANCE,      BAD      },
    {TALLY_R_E_POLICY_DEBUG,        CONFIGURATION, BAD      },
    {TALLY_R_E_POLICY_MIGRATION,    CONFIGURATION, BAD      },
    {TALLY_R_E_POLICY_SMT,          CONFIGURATION, BAD      },
    {TALLY_R_E_POLICY_FLAG,         CONFIGURATION, BAD      },
    {TALLY_R_E_PLATFORM_FLAG,       CONFIGURATION, BAD      },
    {TALLY_R_E_VMPL,                CONFIGURATION, BAD      },
    {TALLY_R_E_CERT_TYPE,           CONFIGURATION, BAD      },
    {TALLY_R_E_GPU_TOPOLOGY,        CONFIGURATION, BAD      },
    {TALLY_R_E_GPU_COUNT,           CONFIGURATION, BAD      },
    {TALLY_R_E_PCR_SELECTION,       CONFIGURATION, BAD      },
    {TALLY_R_E_MEASUREMENT,         EXECUTABLES,   BAD      },
    {TALLY_R_E_HOST_DATA,           EXECUTABLES,   BAD      },
    {TALLY_R_E_ID_BLOCK,            EXECUTABLES,   BAD      },
    {TALLY_R_E_SVN,                 EXECUTABLES,   BAD      },
    {TALLY_R_E_RIM_EXPIRED,         EXECUTABLES,   BAD      },
    {TALLY_R_E_RIM_VERSION,         EXECUTABLES,   BAD      },
    {TALLY_R_E_RIM_CONFLICT,        EXECUTABLES,   BAD      },
    {TALLY_R_E_RIM_EMPTY,           EXECUTABLES,   BAD      },
    {TALLY_R_E_EVENTLOG,            FILES,         BAD      },
    {TALLY_R_E_PCR_DIGEST,          FILES,         BAD      },
};
enum { MEANINGS = sizeof meanings / sizeof meanings[0] };

static void put(int vector[DIMENSIONS], enum tally_reason reason)
{
    enum dimension of = INSTANCE;
    int value = FORGED;

    for (size_t i = 0; i < MEANINGS; i++) {
        if (meanings[i].reason != reason) continue;
        of = meanings[i].of;
        value = meanings[i].value;
    }
    if (vector[of] < value) vector[of] = value;
}

static bool claims_word(const struct tally_verdict *v, const char *name)
{
    for (uint32_t i = 0; i < v->claims_n; i++) {
        if (strcmp(v->claims[i].name, name) == 0) return true;
    }
    return false;
}

static void judge(const struct tally_ear_part *p, int vector[DIMENSIONS])
{
    const struct tally_verdict *v = p->verdict;

    memset(vector, 0, DIMENSIONS * sizeof vector[0]);
    if (v->authentic && !v->undecided) {
        vector[INSTANCE] = vector[CONFIGURATION] = vector[HARDWARE] = vector[RUNTIME] = AFFIRMING;
        vector[EXECUTABLES] = p->measured ? AFFIRMING : UNRECOGNISED;
        bool aged = v->tcb.status != NULL && strcmp(v->tcb.status, "UpToDate") != 0;
        if (p->integrity) vector[CONFIGURATION] = vector[HARDWARE] = vector[RUNTIME] = 0;
        if (aged || claims_word(v, "warning") || v->trust != TALLY_TRUST_HARDWARE)
            vector[HARDWARE] = WARNING;
    }
    for (uint32_t i = 0; i < v->failed_n; i++) put(vector, v->failed[i].reason);
}

static const char *tier(int worst)
{
    if (worst >= BAD) return "contraindicated";
    if (worst >= WARNING) return "warning";
    return worst >= AFFIRMING ? "affirming" : "none";
}

static json_t *claim_json(const struct tally_claim *c)
{
    char text[2 * TALLY_CLAIM_BYTES_MAX + 1];

    switch (c->kind) {
    case TALLY_CLAIM_BOOL: return json_boolean(c->number);
    case TALLY_CLAIM_NUMBER: return json_integer((json_int_t)c->number);
    case TALLY_CLAIM_MASK:
        (void)snprintf(text, sizeof text, "0x%" PRIx64, c->number);
        return json_string(text);
    case TALLY_CLAIM_HEX:
        tally_hex(tally_slice_of(c->bytes, c->len), text);
        return json_string(text);
    case TALLY_CLAIM_TEXT: return json_stringn(c->text, c->len);
    }
    return NULL;
}

json_t *tally_claims_json(const struct tally_verdict *v)
{
    json_t *o = json_object();

    for (uint32_t i = 0; i < v->claims_n; i++) {
        const char *name = v->claims[i].name;
        json_t *have = json_object_get(o, name), *now = claim_json(&v->claims[i]);
        if (have == NULL)
            (void)json_object_set_new(o, name, now);
        else if (json_is_array(have))
            (void)json_array_append_new(have, now);
        else
            (void)json_object_set_new(o, name, json_pack("[O, o]", have, now));
    }
    return o;
}

static json_t *own_claims(const struct tally_verdict *v)
{
    json_t *failed = json_array();
    const char *word = v->failed_n > 0 ? "refused" : v->undecided ? "undecided" : "trusted";

    for (uint32_t i = 0; i < v->failed_n; i++)
        (void)json_array_append_new(failed, json_string(tally_reason_name(v->failed[i].reason)));
    for (uint32_t i = 0; v->undecided && i < v->missing_n; i++)
        (void)json_array_append_new(failed, json_string(tally_reason_name(v->missing[i].reason)));
    return json_pack("{s:s, s:o, s:o}", "verdict", word, "failed", failed, "claims",
                     tally_claims_json(v));
}

static json_t *part_json(const struct tally_ear_part *p)
{
    int vector[DIMENSIONS], worst = 0;
    json_t *o = json_object();

    judge(p, vector);
    for (size_t i = 0; i < DIMENSIONS; i++) {
        if (vector[i] > worst) worst = vector[i];
        (void)json_object_set_new(o, names[i], json_integer(vector[i]));
    }
    return json_pack("{s:s, s:o, s:[s], s:o}", "ear_status", tier(worst),
                     "ear_trustworthiness_vector", o, "ear_appraisal_policy_ids", p->policy,
                     "ear_verifier_claims", own_claims(p->verdict));
}

static uint64_t expiry(const struct tally_ear_request *r)
{
    uint64_t until = r->now_s + TALLY_EAR_TTL_S;

    for (uint32_t i = 0; i < r->parts_n; i++) {
        uint64_t end = r->parts[i].verdict->not_after_s;
        if (end != 0 && end < until) until = end;
    }
    return until;
}

json_t *tally_ear_claims(const struct tally_ear_request *r)
{
    uint8_t digest[TALLY_SHA256_BYTES];
    char hex[2 * TALLY_SHA256_BYTES + 1], nonce[2 * TALLY_CLAIM_BYTES_MAX];
    json_t *submods = json_object();

    TALLY_SHA256_OF(digest, r->evidence);
    tally_hex(TALLY_SLICE(digest), hex);
    for (uint32_t i = 0; i < r->parts_n; i++)
        (void)json_object_set_new(submods, r->parts[i].name, part_json(&r->parts[i]));
    json_t *o = json_pack("{s:s, s:I, s:I, s:{s:s, s:s}, s:s, s:o}", "eat_profile",
                          "tag:ietf.org,2026:rats/ear#04", "iat", (json_int_t)r->now_s, "exp",
                          (json_int_t)expiry(r), "ear_verifier_id", "developer", "Tallystick",
                          "build", r->build, "ear_raw_evidence_digest", hex, "submods", submods);
    if (r->audience != NULL) (void)json_object_set_new(o, "aud", json_string(r->audience));
    if (r->nonce.at != NULL && r->nonce.len <= TALLY_CLAIM_BYTES_MAX) {
        (void)sodium_bin2base64(nonce, sizeof nonce, r->nonce.at, r->nonce.len,
                                sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        (void)json_object_set_new(o, "eat_nonce", json_string(nonce));
    }
    return o;
}
