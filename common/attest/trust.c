/* trust.c - see trust.h: the policy object and chip names. */
#include "common/attest/trust.h"

#include <stddef.h>
#include <string.h>

#include "common/hash.h"

enum { FAMILY_TURIN = 26 };

/* The knobs that are yes or no, and the numbers, by the place of their value. */
static const struct {
    const char *key;
    size_t at;
} flags[] = {
    {"smt",               offsetof(struct tally_snp_policy, allow_smt)                },
    {"provisional",       offsetof(struct tally_snp_policy, allow_provisional)        },
    {"vlek",              offsetof(struct tally_snp_policy, allow_vlek)               },
    {"masked_chip_id",    offsetof(struct tally_snp_policy, allow_masked_chip_id)     },
    {"v2",                offsetof(struct tally_snp_policy, allow_v2)                 },
    {"cxl",               offsetof(struct tally_snp_policy, allow_cxl)                },
    {"alias_check",       offsetof(struct tally_snp_policy, require_alias_check)      },
    {"ciphertext_hiding", offsetof(struct tally_snp_policy, require_ciphertext_hiding)},
    {"single_socket",     offsetof(struct tally_snp_policy, require_single_socket)    },
    {"page_swap_disable", offsetof(struct tally_snp_policy, require_page_swap_disable)},
    {"aes_256_xts",       offsetof(struct tally_snp_policy, require_aes_256_xts)      },
    {"rapl_disable",      offsetof(struct tally_snp_policy, require_rapl_disable)     },
};
enum { FLAGS = sizeof flags / sizeof flags[0] };

const char *tally_trust_class_name(enum tally_trust_class c)
{
    static const char *const names[] = {"", "hardware", "test", "given"};
    return names[c];
}

static enum tally_status read_number(const json_t *v, const char *key, uint64_t max, uint64_t *out)
{
    json_int_t n = json_integer_value(v);

    TALLY_ENSURE(json_is_integer(v) && n >= 0 && (uint64_t)n <= max, TALLY_E_CONFIG,
                 "snp policy: \"%s\" is not an integer from 0 to %llu", key,
                 (unsigned long long)max);
    *out = (uint64_t)n;
    return TALLY_OK;
}

static enum tally_status read_byte(const json_t *object, const char *key, uint8_t *out)
{
    uint64_t n = 0;

    TALLY_TRY(read_number(json_object_get(object, key), key, UINT8_MAX, &n));
    *out = (uint8_t)n;
    return TALLY_OK;
}

static enum tally_status read_models(const json_t *list, struct tally_tcb_floor *f)
{
    uint64_t first = 0, last = 0;

    TALLY_ENSURE(json_is_array(list) && json_array_size(list) == 2, TALLY_E_CONFIG,
                 "snp policy: \"models\" is not [first, last]");
    TALLY_TRY(read_number(json_array_get(list, 0), "models", UINT8_MAX, &first));
    TALLY_TRY(read_number(json_array_get(list, 1), "models", UINT8_MAX, &last));
    TALLY_ENSURE(first <= last, TALLY_E_CONFIG, "snp policy: \"models\" is not [first, last]");
    f->model_first = (uint8_t)first;
    f->model_last = (uint8_t)last;
    return TALLY_OK;
}

static enum tally_status read_floor(const json_t *o, struct tally_tcb_floor *f)
{
    enum { KEYS = 6 };

    TALLY_ENSURE(json_is_object(o), TALLY_E_CONFIG, "snp policy: \"tcb\" holds no object");
    TALLY_TRY(read_byte(o, "family", &f->family));
    TALLY_TRY(read_models(json_object_get(o, "models"), f));
    TALLY_TRY(read_byte(o, "boot_loader", &f->boot_loader));
    TALLY_TRY(read_byte(o, "tee", &f->tee));
    TALLY_TRY(read_byte(o, "snp", &f->snp));
    TALLY_TRY(read_byte(o, "microcode", &f->microcode));
    if (f->family >= FAMILY_TURIN) TALLY_TRY(read_byte(o, "fmc", &f->fmc));
    TALLY_ENSURE(json_object_size(o) == KEYS + (f->family >= FAMILY_TURIN ? 1U : 0U),
                 TALLY_E_CONFIG, "snp policy: a \"tcb\" of family %u with an unknown key",
                 f->family);
    return TALLY_OK;
}

static enum tally_status read_floors(const json_t *list, struct tally_snp_policy *p)
{
    size_t n = json_array_size(list);

    TALLY_ENSURE(n >= 1 && n <= TALLY_FLOORS_MAX, TALLY_E_CONFIG,
                 "snp policy: \"tcb\" is not a list of 1 to %d", TALLY_FLOORS_MAX);
    for (size_t i = 0; i < n; i++) TALLY_TRY(read_floor(json_array_get(list, i), &p->floors[i]));
    p->floors_n = (uint32_t)n;
    return TALLY_OK;
}

static enum tally_status read_crl(const json_t *v, struct tally_snp_policy *p)
{
    const char *s = json_string_value(v);

    TALLY_ENSURE(s != NULL && (strcmp(s, "required") == 0 || strcmp(s, "optional") == 0),
                 TALLY_E_CONFIG, "snp policy: \"crl\" is not \"required\" or \"optional\"");
    p->allow_missing_crl = strcmp(s, "optional") == 0;
    return TALLY_OK;
}

static enum tally_status read_rest(const char *key, const json_t *v, struct tally_snp_policy *p)
{
    enum { VMPL_MAX = 3 };
    uint64_t n = 0;

    if (strcmp(key, "tcb") == 0) return read_floors(v, p);
    if (strcmp(key, "crl") == 0) return read_crl(v, p);
    if (strcmp(key, "vmpl_max") == 0) {
        TALLY_TRY(read_number(v, key, VMPL_MAX, &n));
        p->vmpl_max = (uint8_t)n;
    } else if (strcmp(key, "abi_min") == 0) {
        TALLY_TRY(read_number(v, key, UINT16_MAX, &n));
        p->abi_min = (uint16_t)n;
    } else if (strcmp(key, "guest_svn_min") == 0) {
        TALLY_TRY(read_number(v, key, UINT32_MAX, &n));
        p->guest_svn_min = (uint32_t)n;
    } else if (strcmp(key, "platform_required") == 0) {
        return read_number(v, key, INT64_MAX, &p->platform_required);
    } else if (strcmp(key, "platform_forbidden") == 0) {
        return read_number(v, key, INT64_MAX, &p->platform_forbidden);
    } else if (strcmp(key, "mit_vector") == 0) {
        return read_number(v, key, INT64_MAX, &p->mit_vector);
    } else {
        return TALLY_FAIL(TALLY_E_CONFIG, "snp policy: unknown key \"%s\"", key);
    }
    return TALLY_OK;
}

static bool *flag(struct tally_snp_policy *p, size_t i)
{
    return (bool *)((char *)p + flags[i].at);
}

enum tally_status tally_snp_policy_from_json(const json_t *object, struct tally_snp_policy *policy)
{
    struct tally_snp_policy p = {.require_alias_check = true};
    json_t *o = json_deep_copy(object); /* jansson iterates over objects it may change */
    const char *key;
    json_t *v;
    enum tally_status s = TALLY_OK;

    json_object_foreach(o, key, v)
    {
        size_t i = 0;
        while (i < FLAGS && strcmp(key, flags[i].key) != 0) i++;
        if (i == FLAGS)
            s = read_rest(key, v, &p);
        else if (json_is_boolean(v))
            *flag(&p, i) = json_is_true(v);
        else
            s = TALLY_FAIL(TALLY_E_CONFIG, "snp policy: \"%s\" is not true or false", key);
        if (s != TALLY_OK) break;
    }
    json_decref(o);
    TALLY_TRY(s);
    TALLY_ENSURE(p.floors_n > 0, TALLY_E_CONFIG, "snp policy: not an object with \"tcb\"");
    *policy = p;
    return TALLY_OK;
}

static json_t *floor_json(const struct tally_tcb_floor *f)
{
    json_t *o = json_pack("{s:i, s:[i,i], s:i, s:i, s:i, s:i}", "family", f->family, "models",
                          f->model_first, f->model_last, "boot_loader", f->boot_loader, "tee",
                          f->tee, "snp", f->snp, "microcode", f->microcode);

    if (o != NULL && f->family >= FAMILY_TURIN)
        (void)json_object_set_new(o, "fmc", json_integer(f->fmc));
    return o;
}

json_t *tally_snp_policy_to_json(const struct tally_snp_policy *policy)
{
    struct tally_snp_policy p = *policy;
    json_t *tcb = json_array();
    json_t *o =
        json_pack("{s:o, s:s, s:i, s:i, s:I, s:I, s:I, s:I}", "tcb", tcb, "crl",
                  p.allow_missing_crl ? "optional" : "required", "vmpl_max", (int)p.vmpl_max,
                  "abi_min", (int)p.abi_min, "guest_svn_min", (json_int_t)p.guest_svn_min,
                  "platform_required", (json_int_t)p.platform_required, "platform_forbidden",
                  (json_int_t)p.platform_forbidden, "mit_vector", (json_int_t)p.mit_vector);

    if (o == NULL) return NULL;
    for (size_t i = 0; i < p.floors_n; i++)
        (void)json_array_append_new(tcb, floor_json(&p.floors[i]));
    for (size_t i = 0; i < FLAGS; i++)
        (void)json_object_set_new(o, flags[i].key, json_boolean(*flag(&p, i)));
    return o;
}

void tally_snp_policy_strict(struct tally_snp_policy *policy)
{
    static const struct tally_tcb_floor seen[] = {
        {.family = 25,
         .model_first = 16,
         .model_last = 31,
         .boot_loader = 10,
         .snp = 23,
         .microcode = 0x54},
        {.family = 25,
         .model_first = 160,
         .model_last = 175,
         .boot_loader = 10,
         .snp = 23,
         .microcode = 0x19},
        {.family = 26,
         .model_first = 0,
         .model_last = 17,
         .boot_loader = 1,
         .snp = 2,
         .microcode = 0x47}
    };

    *policy = (struct tally_snp_policy){.allow_smt = true, .require_alias_check = true};
    memcpy(policy->floors, seen, sizeof seen);
    policy->floors_n = sizeof seen / sizeof seen[0];
}

void tally_snp_policy_integrity(struct tally_snp_policy *policy)
{
    *policy = (struct tally_snp_policy){.integrity_only = true};
}

void tally_chip_digest(const char *product, struct tally_slice chip_id,
                       uint8_t out[TALLY_CHIP_DIGEST_BYTES])
{
    uint8_t buf[128];
    struct tally_wr w = tally_wr_to(buf, sizeof buf);

    tally_wr_vec(&w, tally_slice_str(product));
    tally_wr_vec(&w, chip_id);
    TALLY_ASSERT(!w.full);
    TALLY_SHA256_OF(out, tally_slice_of(buf, w.used));
}
