/* tdx_policy.c - see tdx_policy.h. */
#include "common/attest/tdx_policy.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/attest/tdx_quote.h"
#include "common/jsonread.h"
#include "common/text.h"

/* What of a TD's attributes is no risk; all else is forbidden, unknown bits too. */
#define HARMLESS                                                                   \
    (TALLY_TDX_ATTR_ICSSD | TALLY_TDX_ATTR_LASS | TALLY_TDX_ATTR_SEPT_VE_DISABLE | \
     TALLY_TDX_ATTR_PKS | TALLY_TDX_ATTR_KL | TALLY_TDX_ATTR_TPA)
/* x87, SSE, AVX, AVX-512, PT, PKRU, PASID, CET, HDC, UINTR, LBR, AMX. */
#define XFAM_KNOWN UINT64_C(0x6dbe7)

enum { DAYS_MAX = 36500 };

#define AT(field) offsetof(struct tally_tdx_policy, field)

static const struct {
    const char *key;
    size_t at;
} flags[] = {
    {"service_td",       AT(allow_service_td)      },
    {"smt",              AT(allow_smt)             },
    {"dynamic_platform", AT(allow_dynamic_platform)},
};

static const struct {
    const char *key;
    size_t at;
} masks[] = {
    {"attributes_required",  AT(attributes_required) },
    {"attributes_forbidden", AT(attributes_forbidden)},
    {"xfam",                 AT(xfam)                },
};

/* Lists of hex of one length, each with its count beside it; and single values, each with its
 * flag. */
static const struct {
    const char *key;
    size_t at, n_at, bytes, max;
} lists[] = {
    {"mr_seam", AT(seams),  AT(seams_n),  TALLY_MEASUREMENT_BYTES, TALLY_TDX_SEAMS_MAX },
    {"fmspc",   AT(fmspcs), AT(fmspcs_n), TALLY_TDX_FMSPC_BYTES,   TALLY_TDX_FMSPCS_MAX},
    {"denied",  AT(denied), AT(denied_n), TALLY_CHIP_DIGEST_BYTES, TALLY_TDX_DENIED_MAX},
};
static const struct {
    const char *key;
    size_t at, has_at;
} values[] = {
    {"mr_config_id",    AT(config_id),    AT(has_config_id)   },
    {"mr_owner",        AT(owner),        AT(has_owner)       },
    {"mr_owner_config", AT(owner_config), AT(has_owner_config)},
};
#define N(table) (sizeof(table) / sizeof(table)[0])

static void *field(struct tally_tdx_policy *p, size_t at)
{
    return (char *)p + at;
}

static const char *const keys[] = {"status?",
                                   "advisories?",
                                   "grace_days?",
                                   "evaluation_min?",
                                   "crl?",
                                   "attributes_required?",
                                   "attributes_forbidden?",
                                   "xfam?",
                                   "mr_seam?",
                                   "mr_config_id?",
                                   "mr_owner?",
                                   "mr_owner_config?",
                                   "service_td?",
                                   "smt?",
                                   "dynamic_platform?",
                                   "fmspc?",
                                   "denied?",
                                   NULL};

static enum tally_status read_status(const struct tally_json_at *at, struct tally_tdx_policy *p)
{
    size_t n = 0;

    if (at->value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_array(at, 1, TALLY_TDX_STATUSES, &n));
    p->accepted = 0;
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(at, i);
        const char *word = json_string_value(item.value);
        enum tally_tdx_status s = TALLY_TDX_NOT_SUPPORTED;
        if (word == NULL || !tally_tdx_status_named(tally_slice_str(word), &s))
            return tally_json_refuse(&item, "expected a TCB status as Intel writes it");
        if (s == TALLY_TDX_REVOKED || s == TALLY_TDX_NOT_SUPPORTED)
            return tally_json_refuse(&item, "\"%s\" can be accepted by no document", word);
        p->accepted |= 1U << s;
    }
    return TALLY_OK;
}

static enum tally_status read_advisories(const struct tally_json_at *at, struct tally_tdx_policy *p)
{
    size_t n = 0;

    if (at->value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_array(at, 0, TALLY_TDX_ADVISORIES_MAX, &n));
    p->has_advisories = true;
    p->advisories_n = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(at, i);
        TALLY_TRY(tally_json_text(&item, p->advisories[i], TALLY_TDX_ADVISORY_SIZE));
    }
    return TALLY_OK;
}

static enum tally_status read_numbers(const struct tally_json_at *root, struct tally_tdx_policy *p)
{
    struct tally_json_at days = tally_json_member(root, "grace_days");
    struct tally_json_at least = tally_json_member(root, "evaluation_min");
    struct tally_json_at crl = tally_json_member(root, "crl");
    static const char *const words[] = {"required", "optional"};
    uint64_t n = 0;
    size_t which = 0;

    if (days.value != NULL) {
        TALLY_TRY(tally_json_uint(&days, 0, DAYS_MAX, &n));
        p->grace_days = (uint32_t)n;
    }
    if (least.value != NULL) {
        TALLY_TRY(tally_json_uint(&least, 0, UINT32_MAX, &n));
        p->evaluation_min = (uint32_t)n;
    }
    if (crl.value != NULL) {
        TALLY_TRY(tally_json_choice(&crl, words, 2, &which));
        p->allow_missing_crl = which == 1;
    }
    return TALLY_OK;
}

/* "0x" and 1 to 16 lower-case hex digits. */
static enum tally_status read_mask(const struct tally_json_at *at, uint64_t *out)
{
    const char *s = json_string_value(at->value);
    uint64_t v = 0;
    size_t n = s == NULL ? 0 : strlen(s);

    if (n < 3 || n > 18 || s[0] != '0' || s[1] != 'x' || strspn(s + 2, "0123456789abcdef") != n - 2)
        return tally_json_refuse(at, "expected a mask like \"0x10000000\"");
    for (size_t i = 2; i < n; i++)
        v = v << 4 | (uint64_t)(s[i] <= '9' ? s[i] - '0' : s[i] - 'a' + 10);
    *out = v;
    return TALLY_OK;
}

static enum tally_status read_tables(const struct tally_json_at *root, struct tally_tdx_policy *p)
{
    for (size_t i = 0; i < N(flags); i++) {
        struct tally_json_at at = tally_json_member(root, flags[i].key);
        if (at.value != NULL) TALLY_TRY(tally_json_bool(&at, field(p, flags[i].at)));
    }
    for (size_t i = 0; i < N(masks); i++) {
        struct tally_json_at at = tally_json_member(root, masks[i].key);
        if (at.value != NULL) TALLY_TRY(read_mask(&at, field(p, masks[i].at)));
    }
    for (size_t i = 0; i < N(values); i++) {
        struct tally_json_at at = tally_json_member(root, values[i].key);
        if (at.value == NULL) continue;
        TALLY_TRY(tally_json_hex(&at, field(p, values[i].at), TALLY_MEASUREMENT_BYTES));
        *(bool *)field(p, values[i].has_at) = true;
    }
    return TALLY_OK;
}

static enum tally_status read_list(const struct tally_json_at *at, size_t which,
                                   struct tally_tdx_policy *p)
{
    uint8_t *to = field(p, lists[which].at);
    size_t n = 0;

    if (at->value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_array(at, 1, lists[which].max, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(at, i);
        TALLY_TRY(tally_json_hex(&item, to + i * lists[which].bytes, lists[which].bytes));
    }
    *(uint32_t *)field(p, lists[which].n_at) = (uint32_t)n;
    return TALLY_OK;
}

enum tally_status tally_tdx_policy_change(const json_t *object, struct tally_tdx_policy *policy)
{
    struct tally_tdx_policy p = *policy;
    struct tally_json_at document = tally_json_root(object);
    struct tally_json_at root = {.value = object, .parent = &document, .key = "tdx policy"};

    TALLY_TRY(tally_json_keys(&root, keys));
    struct tally_json_at status = tally_json_member(&root, "status");
    struct tally_json_at advisories = tally_json_member(&root, "advisories");
    TALLY_TRY(read_status(&status, &p));
    TALLY_TRY(read_advisories(&advisories, &p));
    TALLY_TRY(read_numbers(&root, &p));
    TALLY_TRY(read_tables(&root, &p));
    for (size_t i = 0; i < N(lists); i++) {
        struct tally_json_at at = tally_json_member(&root, lists[i].key);
        TALLY_TRY(read_list(&at, i, &p));
    }
    *policy = p;
    return TALLY_OK;
}

enum tally_status tally_tdx_policy_from_json(const json_t *object, struct tally_tdx_policy *policy)
{
    struct tally_tdx_policy p;

    tally_tdx_policy_strict(&p);
    TALLY_TRY(tally_tdx_policy_change(object, &p));
    *policy = p;
    return TALLY_OK;
}

static json_t *hex_json(const uint8_t *bytes, size_t n)
{
    char text[2 * TALLY_MEASUREMENT_BYTES + 1];

    TALLY_ASSERT(2 * n < sizeof text);
    tally_hex(tally_slice_of(bytes, n), text);
    return json_string(text);
}

static void put_words(json_t *o, const struct tally_tdx_policy *p)
{
    json_t *status = json_array(), *advisories = json_array();

    for (int s = 0; s < TALLY_TDX_STATUSES; s++) {
        if (p->accepted & 1U << s)
            (void)json_array_append_new(
                status, json_string(tally_tdx_status_word((enum tally_tdx_status)s)));
    }
    (void)json_object_set_new(o, "status", status);
    for (uint32_t i = 0; i < p->advisories_n; i++)
        (void)json_array_append_new(advisories, json_string(p->advisories[i]));
    if (p->has_advisories)
        (void)json_object_set_new(o, "advisories", advisories);
    else
        json_decref(advisories);
}

static void put_hex(json_t *o, struct tally_tdx_policy *p)
{
    for (size_t i = 0; i < N(lists); i++) {
        uint32_t n = *(uint32_t *)field(p, lists[i].n_at);
        const uint8_t *at = field(p, lists[i].at);
        json_t *list = n == 0 ? NULL : json_array();
        for (uint32_t k = 0; k < n; k++)
            (void)json_array_append_new(list, hex_json(at + k * lists[i].bytes, lists[i].bytes));
        if (list != NULL) (void)json_object_set_new(o, lists[i].key, list);
    }
    for (size_t i = 0; i < N(values); i++) {
        if (*(bool *)field(p, values[i].has_at))
            (void)json_object_set_new(o, values[i].key,
                                      hex_json(field(p, values[i].at), TALLY_MEASUREMENT_BYTES));
    }
}

json_t *tally_tdx_policy_to_json(const struct tally_tdx_policy *policy)
{
    struct tally_tdx_policy p = *policy;
    char mask[24];
    json_t *o = json_pack("{s:I, s:I, s:s}", "grace_days", (json_int_t)p.grace_days,
                          "evaluation_min", (json_int_t)p.evaluation_min, "crl",
                          p.allow_missing_crl ? "optional" : "required");

    if (o == NULL) return NULL;
    put_words(o, &p);
    for (size_t i = 0; i < N(flags); i++)
        (void)json_object_set_new(o, flags[i].key, json_boolean(*(bool *)field(&p, flags[i].at)));
    for (size_t i = 0; i < N(masks); i++) {
        (void)snprintf(mask, sizeof mask, "0x%" PRIx64, *(uint64_t *)field(&p, masks[i].at));
        (void)json_object_set_new(o, masks[i].key, json_string(mask));
    }
    put_hex(o, &p);
    return o;
}

void tally_tdx_policy_strict(struct tally_tdx_policy *policy)
{
    *policy = (struct tally_tdx_policy){
        .accepted = 1U << TALLY_TDX_UP_TO_DATE,
        .evaluation_min = TALLY_TDX_EVALUATION_MIN,
        .allow_smt = true,
        .allow_dynamic_platform = true,
        .attributes_required = TALLY_TDX_ATTR_SEPT_VE_DISABLE,
        .attributes_forbidden = ~HARMLESS,
        .xfam = XFAM_KNOWN,
    };
}

void tally_tdx_policy_integrity(struct tally_tdx_policy *policy)
{
    *policy = (struct tally_tdx_policy){.integrity_only = true};
}
