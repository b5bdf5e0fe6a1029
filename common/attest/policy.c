/* policy.c - see policy.h. */
#include "common/attest/policy.h"

#include <stdio.h>
#include <string.h>

#include "common/jsonread.h"
#include "common/secret.h"

static const struct {
    enum tally_policy_part part;
    const char *key;
} parts[] = {
    {TALLY_POLICY_SNP, "snp"  },
    {TALLY_POLICY_TDX, "tdx"  },
    {TALLY_POLICY_GPU, "nvgpu"},
    {TALLY_POLICY_TPM, "tpm"  },
};
enum { PARTS = sizeof parts / sizeof parts[0], SETTING_MAX = 4096 };

static const unsigned every_part =
    TALLY_POLICY_SNP | TALLY_POLICY_TDX | TALLY_POLICY_GPU | TALLY_POLICY_TPM;

void tally_policy_strict(struct tally_policy *p)
{
    *p = (struct tally_policy){.parts = every_part};
    tally_snp_policy_strict(&p->snp);
    tally_tdx_policy_strict(&p->tdx);
    tally_gpu_policy_strict(&p->gpu);
    tally_tpm_policy_strict(&p->tpm);
}

void tally_policy_integrity(struct tally_policy *p)
{
    *p = (struct tally_policy){.parts = every_part, .integrity = true};
    tally_snp_policy_integrity(&p->snp);
    tally_tdx_policy_integrity(&p->tdx);
    tally_gpu_policy_integrity(&p->gpu);
    tally_tpm_policy_integrity(&p->tpm);
}

static enum tally_status read_part(const json_t *o, enum tally_policy_part part,
                                   struct tally_policy *p)
{
    switch (part) {
    case TALLY_POLICY_SNP: return tally_snp_policy_from_json(o, &p->snp);
    case TALLY_POLICY_TDX: return tally_tdx_policy_from_json(o, &p->tdx);
    case TALLY_POLICY_GPU: return tally_gpu_policy_from_json(o, &p->gpu);
    case TALLY_POLICY_TPM: return tally_tpm_policy_from_json(o, &p->tpm);
    }
    return TALLY_E_CONFIG;
}

enum tally_status tally_policy_from_json(const json_t *object, struct tally_policy *p)
{
    struct tally_policy got = {0};
    size_t known = 0;

    TALLY_ENSURE(json_is_object(object), TALLY_E_CONFIG, "policy: not an object");
    for (size_t i = 0; i < PARTS; i++) {
        const json_t *o = json_object_get(object, parts[i].key);
        if (o == NULL) continue;
        TALLY_TRY(read_part(o, parts[i].part, &got));
        got.parts |= parts[i].part;
        known++;
    }
    TALLY_ENSURE(known == json_object_size(object), TALLY_E_CONFIG,
                 "policy: a key that is none of \"snp\", \"tdx\", \"nvgpu\", \"tpm\"");
    TALLY_ENSURE((got.parts & (TALLY_POLICY_SNP | TALLY_POLICY_TDX)) != 0, TALLY_E_CONFIG,
                 "policy: neither \"snp\" nor \"tdx\"");
    *p = got;
    return TALLY_OK;
}

json_t *tally_policy_part_to_json(const struct tally_policy *p, enum tally_policy_part part)
{
    switch (part) {
    case TALLY_POLICY_SNP: return tally_snp_policy_to_json(&p->snp);
    case TALLY_POLICY_TDX: return tally_tdx_policy_to_json(&p->tdx);
    case TALLY_POLICY_GPU: return tally_gpu_policy_to_json(&p->gpu);
    case TALLY_POLICY_TPM: return tally_tpm_policy_to_json(&p->tpm);
    }
    return NULL;
}

json_t *tally_policy_to_json(const struct tally_policy *p)
{
    json_t *o = json_object();

    for (size_t i = 0; i < PARTS; i++) {
        if (p->parts & parts[i].part)
            (void)json_object_set_new(o, parts[i].key, tally_policy_part_to_json(p, parts[i].part));
    }
    return o;
}

static enum tally_status change_part(const json_t *o, enum tally_policy_part part,
                                     struct tally_policy *p)
{
    switch (part) {
    case TALLY_POLICY_SNP: return tally_snp_policy_change(o, &p->snp);
    case TALLY_POLICY_TDX: return tally_tdx_policy_change(o, &p->tdx);
    case TALLY_POLICY_GPU: return tally_gpu_policy_change(o, &p->gpu);
    case TALLY_POLICY_TPM: return tally_tpm_policy_change(o, &p->tpm);
    }
    return TALLY_E_CONFIG;
}

/* Integrity asks these, where they are set, and leaves the others of its part alone; of SNP it asks
 * every rule that is set. */
static bool integrity_asks(enum tally_policy_part part, const char *key)
{
    static const struct {
        enum tally_policy_part part;
        const char *key;
    } rules[] = {
        {TALLY_POLICY_TDX, "denied"          },
        {TALLY_POLICY_GPU, "denied"          },
        {TALLY_POLICY_GPU, "fwid"            },
        {TALLY_POLICY_GPU, "rim"             },
        {TALLY_POLICY_GPU, "rim_expired"     },
        {TALLY_POLICY_GPU, "ocsp"            },
        {TALLY_POLICY_TPM, "pcrs"            },
        {TALLY_POLICY_TPM, "values"          },
        {TALLY_POLICY_TPM, "quote"           },
        {TALLY_POLICY_TPM, "eventlog"        },
        {TALLY_POLICY_TPM, "eventlog_pcrs"   },
        {TALLY_POLICY_TPM, "unrestricted_key"},
    };

    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].part == part && strcmp(rules[i].key, key) == 0) return true;
    }
    return part == TALLY_POLICY_SNP;
}

/* {key: value} of "key=value"; what is no JSON is text. */
static enum tally_status read_setting(const char *setting, char key[TALLY_JSON_KEY_MAX + 1],
                                      json_t **out)
{
    const char *equals = strchr(setting, '=');

    TALLY_ENSURE(equals != NULL && equals != setting && equals - setting <= TALLY_JSON_KEY_MAX &&
                     strlen(equals) < SETTING_MAX,
                 TALLY_E_CONFIG, "\"%.60s\" is not key=value", setting);
    (void)snprintf(key, TALLY_JSON_KEY_MAX + 1, "%.*s", (int)(equals - setting), setting);
    json_t *value = json_loads(equals + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (value == NULL) value = json_string(equals + 1);
    *out = json_object();
    TALLY_ENSURE(value != NULL && json_object_set_new(*out, key, value) == 0, TALLY_E_CONFIG,
                 "\"%.60s\" is no value", setting);
    return TALLY_OK;
}

enum tally_status tally_policy_set(struct tally_policy *p, enum tally_policy_part part,
                                   const char *setting)
{
    char key[TALLY_JSON_KEY_MAX + 1];
    TALLY_CLEANUP(tally_json_free) json_t *o = NULL;

    TALLY_TRY(read_setting(setting, key, &o));
    enum tally_status s = change_part(o, part, p);
    if (s != TALLY_OK && json_is_number(json_object_get(o, key))) { /* a version: 550.90 */
        (void)json_object_set_new(o, key, json_string(strchr(setting, '=') + 1));
        s = change_part(o, part, p);
    }
    TALLY_TRY(s);
    TALLY_ENSURE(!p->integrity || integrity_asks(part, key), TALLY_E_CONFIG,
                 "integrity has no opinion on \"%s\", whatever it is set to", key);
    return TALLY_OK;
}
