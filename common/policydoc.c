/* policydoc.c - see policydoc.h. */
#include "common/policydoc.h"

#include <string.h>

#include "common/dsse.h"
#include "common/hash.h"
#include "common/secret.h"

static const char payload_type[] = "application/vnd.tally.policy+json";
enum { RTMRS = 4 };

static enum tally_status read_times(const struct tally_json_at *root, struct tally_policydoc *d)
{
    static const uint64_t last = UINT64_C(253402300799); /* the end of the year 9999 */
    struct tally_json_at issued = tally_json_member(root, "issued");
    struct tally_json_at expires = tally_json_member(root, "expires");

    TALLY_TRY(tally_json_uint(&issued, 1, last, &d->issued_s));
    TALLY_TRY(tally_json_uint(&expires, 1, last, &d->expires_s));
    if (d->expires_s <= d->issued_s) return tally_json_refuse(&expires, "is not after \"issued\"");
    return TALLY_OK;
}

enum tally_status tally_td_measurement_read(const struct tally_json_at *at,
                                            struct tally_td_measurement *out)
{
    struct tally_json_at mrtd = tally_json_member(at, "mrtd");
    struct tally_json_at rtmr = tally_json_member(at, "rtmr");
    size_t n = 0;

    *out = (struct tally_td_measurement){0};
    TALLY_TRY(tally_json_hex(&mrtd, out->mrtd, sizeof out->mrtd));
    if (rtmr.value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_array(&rtmr, 1, RTMRS, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(&rtmr, i);
        TALLY_TRY(tally_json_hex(&item, out->rtmr[i], sizeof out->rtmr[i]));
    }
    out->rtmr_n = (uint8_t)n;
    return TALLY_OK;
}

static enum tally_status read_measurement(const struct tally_json_at *at, struct tally_policydoc *d)
{
    static const char *const tees[] = {"snp", "tdx"};
    struct tally_json_at tee = tally_json_member(at, "tee");
    size_t which = 0;

    TALLY_TRY(tally_json_choice(&tee, tees, 2, &which));
    if (which == 1) {
        TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("tee", "mrtd", "rtmr?")));
        return tally_td_measurement_read(at, &d->tdx[d->tdx_n++]);
    }
    TALLY_TRY(tally_json_keys(at, TALLY_JSON_KEYS("tee", "digest")));
    struct tally_json_at digest = tally_json_member(at, "digest");
    return tally_json_hex(&digest, d->snp[d->snp_n++], TALLY_MEASUREMENT_BYTES);
}

static enum tally_status read_all(const json_t *document, struct tally_policydoc *d)
{
    struct tally_json_at root = tally_json_root(document);
    size_t n = 0;

    TALLY_TRY(tally_json_keys(
        &root, TALLY_JSON_KEYS("type", "name", "issued", "expires", "policy", "measurements")));
    struct tally_json_at type = tally_json_member(&root, "type");
    struct tally_json_at name = tally_json_member(&root, "name");
    struct tally_json_at list = tally_json_member(&root, "measurements");
    TALLY_TRY(tally_json_exact(&type, "policy"));
    TALLY_TRY(tally_json_name(&name, d->name));
    TALLY_TRY(read_times(&root, d));
    TALLY_TRY(tally_policy_from_json(json_object_get(document, "policy"), &d->policy));
    TALLY_TRY(tally_json_array(&list, 0, TALLY_POLICY_MEASUREMENTS_MAX, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(&list, i);
        TALLY_TRY(read_measurement(&item, d));
    }
    return TALLY_OK;
}

enum tally_status tally_policydoc_decode(struct tally_slice payload, struct tally_policydoc *out)
{
    TALLY_CLEANUP(tally_json_free) json_t *document = NULL;

    *out = (struct tally_policydoc){0};
    TALLY_TRY(tally_json_parse(payload, TALLY_POLICY_BYTES_MAX, "policy", &document));
    TALLY_SHA256_OF(out->digest, payload);
    enum tally_status s = read_all(document, out);
    if (s != TALLY_OK) *out = (struct tally_policydoc){0};
    return s;
}

static enum tally_status in_force(const struct tally_policydoc *d, uint64_t now_s)
{
    TALLY_REFUSE_UNLESS(now_s >= d->issued_s, TALLY_R_E_CERT_NOT_YET_VALID,
                        "the policy begins later");
    TALLY_REFUSE_UNLESS(now_s <= d->expires_s, TALLY_R_E_CERT_EXPIRED, "the policy has expired");
    return TALLY_OK;
}

enum tally_status tally_policydoc_open(struct tally_slice envelope,
                                       const uint8_t (*keys)[TALLY_SIGN_PUBLIC_BYTES],
                                       size_t keys_n, uint64_t now_s, struct tally_policydoc *out)
{
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};

    *out = (struct tally_policydoc){0};
    TALLY_TRY(tally_dsse_parse(envelope, TALLY_POLICY_BYTES_MAX, &d));
    TALLY_ENSURE(strcmp(d.payload_type, payload_type) == 0, TALLY_E_CONFIG,
                 "a document of type \"%s\", not a policy", d.payload_type);
    TALLY_REFUSE_UNLESS(keys_n > 0, TALLY_R_E_AUTH, "no key says whose policy this is");
    for (size_t i = 0; i < keys_n; i++)
        TALLY_REFUSE_UNLESS(tally_dsse_signed_by(&d, keys[i]), TALLY_R_E_AUTH,
                            "the policy lacks the signature of key %zu", i + 1);
    TALLY_TRY(tally_policydoc_decode(tally_slice_of(d.payload, d.payload_len), out));
    enum tally_status s = in_force(out, now_s);
    if (s != TALLY_OK) *out = (struct tally_policydoc){0};
    return s;
}

json_t *tally_policydoc_strict(const char *name, uint64_t issued_s, uint64_t expires_s)
{
    struct tally_policy p;

    tally_policy_strict(&p);
    return json_pack("{s:s, s:s, s:I, s:I, s:o, s:[]}", "type", "policy", "name", name, "issued",
                     (json_int_t)issued_s, "expires", (json_int_t)expires_s, "policy",
                     tally_policy_to_json(&p), "measurements");
}
