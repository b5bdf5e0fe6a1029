/* trust_json.c - see trust.h: the policy object. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/attest/trust.h"
#include "common/text.h"

enum { FAMILY_TURIN = 26 };

/* The knobs that are yes or no, by the place of their value. */
static const struct {
    const char *key;
    size_t at;
} flags[] = {
    {"smt",               offsetof(struct tally_snp_policy, allow_smt)                },
    {"provisional",       offsetof(struct tally_snp_policy, allow_provisional)        },
    {"vcek",              offsetof(struct tally_snp_policy, allow_vcek)               },
    {"vlek",              offsetof(struct tally_snp_policy, allow_vlek)               },
    {"masked_chip_id",    offsetof(struct tally_snp_policy, allow_masked_chip_id)     },
    {"cxl",               offsetof(struct tally_snp_policy, allow_cxl)                },
    {"alias_check",       offsetof(struct tally_snp_policy, require_alias_check)      },
    {"ciphertext_hiding", offsetof(struct tally_snp_policy, require_ciphertext_hiding)},
    {"single_socket",     offsetof(struct tally_snp_policy, require_single_socket)    },
    {"page_swap_disable", offsetof(struct tally_snp_policy, require_page_swap_disable)},
    {"aes_256_xts",       offsetof(struct tally_snp_policy, require_aes_256_xts)      },
    {"rapl_disable",      offsetof(struct tally_snp_policy, require_rapl_disable)     },
    {"launch_tcb",        offsetof(struct tally_snp_policy, require_launch_tcb)       },
};
enum { FLAGS = sizeof flags / sizeof flags[0] };

/* The lists; bytes 0: texts. */
static const struct {
    const char *key;
    size_t at, bytes;
} lists[] = {
    {"family_ids",  offsetof(struct tally_snp_policy, family_ids),  16                     },
    {"image_ids",   offsetof(struct tally_snp_policy, image_ids),   16                     },
    {"id_keys",     offsetof(struct tally_snp_policy, id_keys),     TALLY_ID_KEY_BYTES     },
    {"author_keys", offsetof(struct tally_snp_policy, author_keys), TALLY_ID_KEY_BYTES     },
    {"host_data",   offsetof(struct tally_snp_policy, host_data),   32                     },
    {"csp",         offsetof(struct tally_snp_policy, csp),         0                      },
    {"deny_keys",   offsetof(struct tally_snp_policy, deny_keys),   32                     },
    {"deny_chips",  offsetof(struct tally_snp_policy, deny_chips),  TALLY_CHIP_DIGEST_BYTES},
};
enum { LISTS = sizeof lists / sizeof lists[0] };

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

    *f = (struct tally_tcb_floor){0};
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

static enum tally_status read_item(const json_t *v, const char *key, size_t bytes, uint8_t *out)
{
    const char *s = json_string_value(v);
    size_t len = s == NULL ? 0 : json_string_length(v);

    TALLY_ENSURE(s != NULL && strlen(s) == len, TALLY_E_CONFIG, "snp policy: \"%s\" holds no text",
                 key);
    if (bytes > 0) {
        TALLY_ENSURE(tally_unhex(s, out, bytes) == TALLY_OK, TALLY_E_CONFIG,
                     "snp policy: \"%s\" holds something else than %zu hex digits", key, 2 * bytes);
        return TALLY_OK;
    }
    TALLY_ENSURE(len > 0 && len < TALLY_SNP_ITEM_BYTES, TALLY_E_CONFIG,
                 "snp policy: \"%s\" holds a text of %zu bytes", key, len);
    memcpy(out, s, len);
    return TALLY_OK;
}

static enum tally_status read_list(const json_t *v, size_t which, struct tally_snp_policy *p)
{
    struct tally_snp_list *list = (struct tally_snp_list *)(void *)((char *)p + lists[which].at);
    size_t n = json_array_size(v);

    TALLY_ENSURE(n >= 1 && n <= TALLY_SNP_LIST_MAX, TALLY_E_CONFIG,
                 "snp policy: \"%s\" is not a list of 1 to %d", lists[which].key,
                 TALLY_SNP_LIST_MAX);
    *list = (struct tally_snp_list){0};
    for (size_t i = 0; i < n; i++)
        TALLY_TRY(
            read_item(json_array_get(v, i), lists[which].key, lists[which].bytes, list->items[i]));
    list->n = (uint32_t)n;
    return TALLY_OK;
}

/* "genoa": as in document keys, the product's name in small letters. */
static void small_name(enum tally_snp_product p, char out[16])
{
    (void)snprintf(out, 16, "%s", tally_snp_product_name(p));
    out[0] = (char)(out[0] - 'A' + 'a');
}

static enum tally_status read_products(const json_t *v, uint8_t *out)
{
    uint8_t bits = 0;
    char name[16];

    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *s = json_string_value(json_array_get(v, i));
        int p = TALLY_SNP_MILAN;
        for (; p <= TALLY_SNP_TURIN; p++) {
            small_name((enum tally_snp_product)p, name);
            if (s != NULL && strcmp(s, name) == 0) break;
        }
        bits |= (uint8_t)(1U << p);
    }
    TALLY_ENSURE(bits != 0 && (bits & ~TALLY_SNP_PRODUCTS_ALL) == 0, TALLY_E_CONFIG,
                 "snp policy: \"products\" is not a list of \"milan\", \"genoa\" and \"turin\"");
    *out = bits;
    return TALLY_OK;
}

static enum tally_status read_versions(const json_t *v, uint8_t *out)
{
    uint8_t bits = 0;
    uint64_t n = 0;

    for (size_t i = 0; i < json_array_size(v); i++) {
        TALLY_TRY(read_number(json_array_get(v, i), "versions", 7, &n));
        bits |= (uint8_t)(1U << n);
    }
    TALLY_ENSURE(bits != 0 && (bits & ~TALLY_SNP_VERSIONS_ALL) == 0, TALLY_E_CONFIG,
                 "snp policy: \"versions\" is not a list of numbers from 2 to 5");
    *out = bits;
    return TALLY_OK;
}

static enum tally_status read_numbers(const char *key, const json_t *v, struct tally_snp_policy *p)
{
    enum { DAYS_MAX = 3650 };
    uint64_t n = 0;

    if (strcmp(key, "vmpl_max") == 0) {
        TALLY_TRY(read_number(v, key, TALLY_SNP_VMPL_MAX, &n));
        p->vmpl_max = (uint8_t)n;
    } else if (strcmp(key, "abi_min") == 0) {
        TALLY_TRY(read_number(v, key, UINT16_MAX, &n));
        p->abi_min = (uint16_t)n;
    } else if (strcmp(key, "guest_svn_min") == 0) {
        TALLY_TRY(read_number(v, key, UINT32_MAX, &n));
        p->guest_svn_min = (uint32_t)n;
    } else if (strcmp(key, "crl_max_age_days") == 0) {
        TALLY_TRY(read_number(v, key, DAYS_MAX, &n));
        p->crl_max_age_days = (uint32_t)n;
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

static enum tally_status read_key(const char *key, const json_t *v, struct tally_snp_policy *p)
{
    for (size_t i = 0; i < FLAGS; i++) {
        if (strcmp(key, flags[i].key) != 0) continue;
        TALLY_ENSURE(json_is_boolean(v), TALLY_E_CONFIG, "snp policy: \"%s\" is not true or false",
                     key);
        *flag(p, i) = json_is_true(v);
        return TALLY_OK;
    }
    for (size_t i = 0; i < LISTS; i++) {
        if (strcmp(key, lists[i].key) == 0) return read_list(v, i, p);
    }
    if (strcmp(key, "tcb") == 0) return read_floors(v, p);
    if (strcmp(key, "crl") == 0) return read_crl(v, p);
    if (strcmp(key, "products") == 0) return read_products(v, &p->products);
    if (strcmp(key, "versions") == 0) return read_versions(v, &p->versions);
    return read_numbers(key, v, p);
}

enum tally_status tally_snp_policy_change(const json_t *object, struct tally_snp_policy *policy)
{
    struct tally_snp_policy p = *policy;
    json_t *o = json_deep_copy(object); /* jansson iterates over objects it may change */
    const char *key;
    json_t *v;
    enum tally_status s = TALLY_OK;

    json_object_foreach(o, key, v)
    {
        s = read_key(key, v, &p);
        if (s != TALLY_OK) break;
    }
    json_decref(o);
    TALLY_TRY(s);
    *policy = p;
    return TALLY_OK;
}

enum tally_status tally_snp_policy_from_json(const json_t *object, struct tally_snp_policy *policy)
{
    struct tally_snp_policy p = {.allow_vcek = true,
                                 .require_alias_check = true,
                                 .products = TALLY_SNP_PRODUCTS_STRICT,
                                 .versions = TALLY_SNP_VERSIONS_STRICT};

    TALLY_TRY(tally_snp_policy_change(object, &p));
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

static json_t *list_json(const struct tally_snp_list *list, size_t bytes)
{
    char hex[2 * TALLY_SNP_ITEM_BYTES + 1];
    json_t *a = json_array();

    for (uint32_t i = 0; i < list->n; i++) {
        tally_hex(tally_slice_of(list->items[i], bytes), hex);
        (void)json_array_append_new(a,
                                    json_string(bytes == 0 ? (const char *)list->items[i] : hex));
    }
    return a;
}

static json_t *products_json(uint8_t bits)
{
    json_t *a = json_array();
    char name[16];

    for (int p = TALLY_SNP_MILAN; p <= TALLY_SNP_TURIN; p++) {
        small_name((enum tally_snp_product)p, name);
        if (bits & 1U << p) (void)json_array_append_new(a, json_string(name));
    }
    return a;
}

static json_t *versions_json(uint8_t bits)
{
    json_t *a = json_array();

    for (int i = 0; i < 8; i++) {
        if (bits & 1U << i) (void)json_array_append_new(a, json_integer(i));
    }
    return a;
}

json_t *tally_snp_policy_to_json(const struct tally_snp_policy *policy)
{
    struct tally_snp_policy p = *policy;
    json_t *tcb = json_array();
    json_t *o =
        json_pack("{s:o, s:o, s:o, s:s, s:I, s:i, s:i, s:I, s:I, s:I, s:I}", "tcb", tcb, "products",
                  products_json(p.products), "versions", versions_json(p.versions), "crl",
                  p.allow_missing_crl ? "optional" : "required", "crl_max_age_days",
                  (json_int_t)p.crl_max_age_days, "vmpl_max", (int)p.vmpl_max, "abi_min",
                  (int)p.abi_min, "guest_svn_min", (json_int_t)p.guest_svn_min, "platform_required",
                  (json_int_t)p.platform_required, "platform_forbidden",
                  (json_int_t)p.platform_forbidden, "mit_vector", (json_int_t)p.mit_vector);

    if (o == NULL) return NULL;
    for (size_t i = 0; i < p.floors_n; i++)
        (void)json_array_append_new(tcb, floor_json(&p.floors[i]));
    for (size_t i = 0; i < FLAGS; i++)
        (void)json_object_set_new(o, flags[i].key, json_boolean(*flag(&p, i)));
    for (size_t i = 0; i < LISTS; i++) {
        const struct tally_snp_list *list =
            (const struct tally_snp_list *)(const void *)((const char *)&p + lists[i].at);
        if (list->n > 0)
            (void)json_object_set_new(o, lists[i].key, list_json(list, lists[i].bytes));
    }
    return o;
}
