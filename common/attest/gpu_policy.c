/* gpu_policy.c - see gpu_policy.h. */
#include "common/attest/gpu_policy.h"

#include <stdio.h>
#include <string.h>

#include "common/jsonread.h"
#include "common/text.h"

static const char *const keys[] = {
    "architectures?", "modes?",      "fwid?", "rim?",  "rim_expired?", "ocsp?",   "drivers?",
    "vbioses?",       "driver_min?", "skus?", "gpus?", "switches?",    "denied?", NULL};
static const char *const architectures[] = {"HOPPER", "BLACKWELL"};
static const char *const modes[] = {"single", "multi", "ppcie"};
static const char *const needs[] = {"optional", "required"};

/* A list of words as a set. */
static enum tally_status read_set(const struct tally_json_at *root, const char *key,
                                  const char *const *words, size_t words_n, bool *set)
{
    struct tally_json_at list = tally_json_member(root, key);
    size_t n = 0, which = 0;

    if (list.value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_array(&list, 1, words_n, &n));
    memset(set, 0, words_n * sizeof *set);
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(&list, i);
        TALLY_TRY(tally_json_choice(&item, words, words_n, &which));
        set[which] = true;
    }
    return TALLY_OK;
}

static enum tally_status read_names(const struct tally_json_at *root, const char *key,
                                    struct tally_gpu_names *out)
{
    struct tally_json_at list = tally_json_member(root, key);
    size_t n = 0;

    if (list.value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_array(&list, 1, TALLY_GPU_LIST_MAX, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(&list, i);
        TALLY_TRY(tally_json_text(&item, out->items[i], sizeof out->items[i]));
    }
    out->n = (uint32_t)n;
    return TALLY_OK;
}

static enum tally_status read_bool(const struct tally_json_at *root, const char *key, bool *out)
{
    struct tally_json_at at = tally_json_member(root, key);

    return at.value == NULL ? TALLY_OK : tally_json_bool(&at, out);
}

static enum tally_status read_need(const struct tally_json_at *root, const char *key, bool *out)
{
    struct tally_json_at at = tally_json_member(root, key);
    size_t which = 0;

    if (at.value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_choice(&at, needs, 2, &which));
    *out = which == 1;
    return TALLY_OK;
}

static enum tally_status read_count(const struct tally_json_at *root, const char *key, uint64_t min,
                                    bool *is_set, uint32_t *out)
{
    struct tally_json_at at = tally_json_member(root, key);
    uint64_t n = 0;

    if (at.value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_uint(&at, min, TALLY_GPU_SET_MAX - 1, &n));
    *out = (uint32_t)n;
    *is_set = true;
    return TALLY_OK;
}

static enum tally_status read_driver_min(const struct tally_json_at *root,
                                         struct tally_gpu_policy *p)
{
    struct tally_json_at at = tally_json_member(root, "driver_min");

    if (at.value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_text(&at, p->driver_min, sizeof p->driver_min));
    if (!tally_gpu_version_at_least(tally_slice_str(p->driver_min), "0"))
        return tally_json_refuse(&at, "expected a version such as \"550.90.07\"");
    return TALLY_OK;
}

static enum tally_status read_denied(const struct tally_json_at *root, struct tally_gpu_policy *p)
{
    struct tally_json_at list = tally_json_member(root, "denied");
    size_t n = 0;

    if (list.value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_array(&list, 0, TALLY_GPU_DENIED_MAX, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at item = tally_json_item(&list, i);
        TALLY_TRY(tally_json_hex(&item, p->denied[i], sizeof p->denied[i]));
    }
    p->denied_n = (uint32_t)n;
    return TALLY_OK;
}

enum tally_status tally_gpu_policy_change(const json_t *object, struct tally_gpu_policy *policy)
{
    struct tally_json_at root = tally_json_root(object);
    struct tally_gpu_policy p = *policy;

    TALLY_TRY(tally_json_keys(&root, keys));
    TALLY_TRY(read_set(&root, "architectures", architectures, 2, p.architectures));
    TALLY_TRY(read_set(&root, "modes", modes, TALLY_GPU_MODES, p.modes));
    TALLY_TRY(read_bool(&root, "fwid", &p.require_fwid));
    TALLY_TRY(read_need(&root, "rim", &p.require_rim));
    TALLY_TRY(read_bool(&root, "rim_expired", &p.allow_expired_rim));
    TALLY_TRY(read_need(&root, "ocsp", &p.require_ocsp));
    TALLY_TRY(read_names(&root, "drivers", &p.drivers));
    TALLY_TRY(read_names(&root, "vbioses", &p.vbioses));
    TALLY_TRY(read_names(&root, "skus", &p.skus));
    TALLY_TRY(read_driver_min(&root, &p));
    TALLY_TRY(read_count(&root, "gpus", 1, &p.count_gpus, &p.gpus));
    TALLY_TRY(read_count(&root, "switches", 0, &p.count_switches, &p.switches));
    TALLY_TRY(read_denied(&root, &p));
    *policy = p;
    return TALLY_OK;
}

enum tally_status tally_gpu_policy_from_json(const json_t *object, struct tally_gpu_policy *policy)
{
    struct tally_gpu_policy p;

    tally_gpu_policy_strict(&p);
    TALLY_TRY(tally_gpu_policy_change(object, &p));
    *policy = p;
    return TALLY_OK;
}

static json_t *set_json(const char *const *words, size_t n, const bool *set)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        if (set[i]) (void)json_array_append_new(list, json_string(words[i]));
    }
    return list;
}

static void put_names(json_t *o, const char *key, const struct tally_gpu_names *names)
{
    if (names->n == 0) return;
    json_t *list = json_array();
    for (uint32_t i = 0; i < names->n; i++)
        (void)json_array_append_new(list, json_string(names->items[i]));
    (void)json_object_set_new(o, key, list);
}

static json_t *denied_json(const struct tally_gpu_policy *p)
{
    char hex[2 * TALLY_CHIP_DIGEST_BYTES + 1];
    json_t *list = json_array();

    for (uint32_t i = 0; i < p->denied_n; i++) {
        tally_hex(TALLY_SLICE(p->denied[i]), hex);
        (void)json_array_append_new(list, json_string(hex));
    }
    return list;
}

json_t *tally_gpu_policy_to_json(const struct tally_gpu_policy *policy)
{
    const struct tally_gpu_policy *p = policy;
    json_t *o = json_pack("{s:o, s:o, s:b, s:s, s:b, s:s, s:o}", "architectures",
                          set_json(architectures, 2, p->architectures), "modes",
                          set_json(modes, TALLY_GPU_MODES, p->modes), "fwid", p->require_fwid,
                          "rim", needs[p->require_rim], "rim_expired", p->allow_expired_rim, "ocsp",
                          needs[p->require_ocsp], "denied", denied_json(p));

    if (o == NULL) return NULL;
    put_names(o, "drivers", &p->drivers);
    put_names(o, "vbioses", &p->vbioses);
    put_names(o, "skus", &p->skus);
    if (p->driver_min[0] != '\0')
        (void)json_object_set_new(o, "driver_min", json_string(p->driver_min));
    if (p->count_gpus) (void)json_object_set_new(o, "gpus", json_integer(p->gpus));
    if (p->count_switches) (void)json_object_set_new(o, "switches", json_integer(p->switches));
    return o;
}

void tally_gpu_policy_strict(struct tally_gpu_policy *policy)
{
    *policy = (struct tally_gpu_policy){
        .architectures = {true, true, true},
        .modes = {true, true, true},
        .require_fwid = true,
        .require_rim = true
    };
}

void tally_gpu_policy_integrity(struct tally_gpu_policy *policy)
{
    *policy = (struct tally_gpu_policy){.integrity_only = true};
}

bool tally_gpu_named(const struct tally_gpu_names *list, struct tally_slice name)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (tally_slice_equal(tally_slice_str(list->items[i]), name)) return true;
    }
    return list->n == 0;
}

/* The next number of 1 to 8 digits, and the dot after it; false where there is none. */
static bool number(struct tally_slice *s, uint32_t *out)
{
    enum { DIGITS_MAX = 8 };
    size_t n = 0;

    *out = 0;
    for (; n < s->len && n <= DIGITS_MAX && s->at[n] >= '0' && s->at[n] <= '9'; n++)
        *out = *out * 10 + (uint32_t)(s->at[n] - '0');
    if (n == 0 || n > DIGITS_MAX) return false;
    bool dot = n < s->len && s->at[n] == '.' && n + 1 < s->len;
    if (n < s->len && !dot) return false;
    *s = tally_slice_of(s->at + n + dot, s->len - n - dot);
    return true;
}

bool tally_gpu_version_at_least(struct tally_slice version, const char *min)
{
    struct tally_slice least = tally_slice_str(min);
    int order = 0; /* of the first parts that differ */

    while (version.len > 0 || least.len > 0) {
        uint32_t a = 0, b = 0;
        if (version.len > 0 && !number(&version, &a)) return false;
        if (least.len > 0 && !number(&least, &b)) return false;
        if (order == 0 && a != b) order = a > b ? 1 : -1;
    }
    return order >= 0;
}
