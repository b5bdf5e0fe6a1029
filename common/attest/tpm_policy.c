/* tpm_policy.c - see tpm_policy.h. */
#include "common/attest/tpm_policy.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/jsonread.h"
#include "common/text.h"

enum { ALL_PCRS = 0xffffff, BOOT_PCRS = 0x3ff, PER_PCR_MAX = 16 };

static const char *const needed[] = {"required", "optional"};

/* Keys that are true or false, by the place of their value. */
static const struct {
    const char *key;
    size_t at;
} flags[] = {
    {"secure_boot",      offsetof(struct tally_tpm_policy, require_secure_boot)   },
    {"console",          offsetof(struct tally_tpm_policy, allow_console)         },
    {"unrestricted_key", offsetof(struct tally_tpm_policy, allow_unrestricted_key)},
    {"unsafe_clock",     offsetof(struct tally_tpm_policy, allow_unsafe_clock)    },
};
enum { FLAGS = sizeof flags / sizeof flags[0] };

static bool *flag(struct tally_tpm_policy *p, size_t i)
{
    return (bool *)((char *)p + flags[i].at);
}

void tally_tpm_policy_strict(struct tally_tpm_policy *policy)
{
    *policy = (struct tally_tpm_policy){
        .pcrs = ALL_PCRS, .eventlog_pcrs = BOOT_PCRS, .require_secure_boot = true};
}

void tally_tpm_policy_integrity(struct tally_tpm_policy *policy)
{
    *policy = (struct tally_tpm_policy){
        .eventlog_pcrs = BOOT_PCRS, .allow_missing_quote = true, .integrity_only = true};
}

static enum tally_status read_pcrs(const struct tally_json_at *root, const char *key,
                                   uint32_t *mask)
{
    struct tally_json_at list = tally_json_member(root, key);
    uint32_t m = 0;
    size_t n = 0;

    if (list.value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_array(&list, 1, TALLY_PCRS, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(&list, i);
        uint64_t pcr = 0;
        TALLY_TRY(tally_json_uint(&item, 0, TALLY_PCRS - 1, &pcr));
        if (m & 1U << pcr) return tally_json_refuse(&item, "stands twice");
        m |= 1U << pcr;
    }
    *mask = m;
    return TALLY_OK;
}

static enum tally_status read_value(const struct tally_json_at *item, uint8_t pcr,
                                    struct tally_tpm_policy *p)
{
    if (p->values_n == TALLY_PCR_VALUES_MAX)
        return tally_json_refuse(item, "more than %d values", TALLY_PCR_VALUES_MAX);
    struct tally_pcr_value *v = &p->values[p->values_n++];
    v->pcr = pcr;
    return tally_json_hex(item, v->value, sizeof v->value);
}

static enum tally_status read_list(const struct tally_json_at *list, uint8_t pcr,
                                   struct tally_tpm_policy *p)
{
    size_t n = 0;

    TALLY_TRY(tally_json_array(list, 1, PER_PCR_MAX, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(list, i);
        TALLY_TRY(read_value(&item, pcr, p));
    }
    return TALLY_OK;
}

/* Keys are the PCRs by number, so they are asked for one by one. */
static enum tally_status read_values(const struct tally_json_at *root, struct tally_tpm_policy *p)
{
    struct tally_json_at values = tally_json_member(root, "values");
    size_t known = 0;

    if (values.value == NULL) return TALLY_OK;
    if (!json_is_object(values.value)) return tally_json_refuse(&values, "expected an object");
    p->values_n = 0;
    for (unsigned pcr = 0; pcr < TALLY_PCRS; pcr++) {
        char key[4];
        (void)snprintf(key, sizeof key, "%u", pcr);
        struct tally_json_at list = tally_json_member(&values, key);
        if (list.value == NULL) continue;
        known++;
        TALLY_TRY(read_list(&list, (uint8_t)pcr, p));
    }
    if (known != json_object_size(values.value))
        return tally_json_refuse(&values, "has a key that is no PCR: 0 to %d", TALLY_PCRS - 1);
    return TALLY_OK;
}

/* A value of a PCR that no quote may select could never be met. */
static enum tally_status check_values(const struct tally_json_at *root,
                                      const struct tally_tpm_policy *p)
{
    for (uint32_t i = 0; i < p->values_n; i++) {
        if (p->pcrs != 0 && !(p->pcrs & 1U << p->values[i].pcr))
            return tally_json_refuse(root, "has a value of PCR %u, which is not among \"pcrs\"",
                                     p->values[i].pcr);
    }
    return TALLY_OK;
}

static enum tally_status read_choice(const struct tally_json_at *root, const char *key,
                                     bool *optional)
{
    struct tally_json_at at = tally_json_member(root, key);
    size_t which = *optional;

    if (at.value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_choice(&at, needed, 2, &which));
    *optional = which == 1;
    return TALLY_OK;
}

enum tally_status tally_tpm_policy_change(const json_t *object, struct tally_tpm_policy *policy)
{
    const struct tally_json_at tpm = {.value = object, .key = "tpm"};
    struct tally_tpm_policy p = *policy;
    bool optional_log = !p.require_eventlog;

    TALLY_TRY(tally_json_keys(&tpm, TALLY_JSON_KEYS("pcrs?", "values?", "quote?", "eventlog?",
                                                    "eventlog_pcrs?", "secure_boot?", "console?",
                                                    "unrestricted_key?", "unsafe_clock?")));
    TALLY_TRY(read_pcrs(&tpm, "pcrs", &p.pcrs));
    TALLY_TRY(read_pcrs(&tpm, "eventlog_pcrs", &p.eventlog_pcrs));
    TALLY_TRY(read_values(&tpm, &p));
    TALLY_TRY(check_values(&tpm, &p));
    TALLY_TRY(read_choice(&tpm, "quote", &p.allow_missing_quote));
    TALLY_TRY(read_choice(&tpm, "eventlog", &optional_log));
    p.require_eventlog = !optional_log;
    for (size_t i = 0; i < FLAGS; i++) {
        struct tally_json_at at = tally_json_member(&tpm, flags[i].key);
        if (at.value != NULL) TALLY_TRY(tally_json_bool(&at, flag(&p, i)));
    }
    *policy = p;
    return TALLY_OK;
}

enum tally_status tally_tpm_policy_from_json(const json_t *object, struct tally_tpm_policy *policy)
{
    struct tally_tpm_policy p;

    tally_tpm_policy_strict(&p);
    TALLY_TRY(tally_tpm_policy_change(object, &p));
    *policy = p;
    return TALLY_OK;
}

static json_t *mask_json(uint32_t mask)
{
    json_t *list = json_array();

    for (int i = 0; i < TALLY_PCRS; i++) {
        if (mask & 1U << i) (void)json_array_append_new(list, json_integer(i));
    }
    return list;
}

static json_t *values_json(const struct tally_tpm_policy *p)
{
    json_t *o = json_object();

    for (uint32_t i = 0; i < p->values_n; i++) {
        char key[4], hex[2 * TALLY_PCR_BYTES + 1];
        (void)snprintf(key, sizeof key, "%u", p->values[i].pcr);
        tally_hex(TALLY_SLICE(p->values[i].value), hex);
        json_t *list = json_object_get(o, key);
        if (list == NULL) (void)json_object_set_new(o, key, list = json_array());
        (void)json_array_append_new(list, json_string(hex));
    }
    return o;
}

json_t *tally_tpm_policy_to_json(const struct tally_tpm_policy *policy)
{
    struct tally_tpm_policy p = *policy;
    json_t *o = json_pack("{s:o, s:o, s:s, s:s, s:o}", "pcrs", mask_json(p.pcrs), "values",
                          values_json(&p), "quote", needed[p.allow_missing_quote], "eventlog",
                          needed[!p.require_eventlog], "eventlog_pcrs", mask_json(p.eventlog_pcrs));

    for (size_t i = 0; o != NULL && i < FLAGS; i++)
        (void)json_object_set_new(o, flags[i].key, json_boolean(*flag(&p, i)));
    return o;
}
