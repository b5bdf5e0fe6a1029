/* hcl_json.c - see hcl.h: the runtime data. */
#include <sodium.h>
#include <string.h>

#include "common/attest/hcl.h"
#include "common/jsonread.h"
#include "common/text.h"

#define R_(x) TALLY_R_E_##x

enum { KEYS_MAX = 8 };

/* Refusals of the JSON reader name no class; here all are E_FORMAT. */
static enum tally_status formed(enum tally_status s)
{
    if (s == TALLY_OK || tally_reason() != TALLY_R_NONE || s == TALLY_E_NOMEM) return s;
    return TALLY_REFUSE(R_(FORMAT), "runtime data: %s", tally_why_text());
}

/* base64url without padding (RFC 7515). */
static enum tally_status read_number(const struct tally_json_at *key, const char *name,
                                     uint8_t *out, size_t cap, size_t *len)
{
    struct tally_json_at at = tally_json_member(key, name);
    const char *s = json_string_value(at.value), *end = NULL;
    size_t n = s == NULL ? 0 : json_string_length(at.value);

    if (n == 0 ||
        sodium_base642bin(out, cap, s, n, NULL, len, &end,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        end != s + n)
        return tally_json_refuse(&at, "expected base64url of 1 to %zu bytes", cap);
    return TALLY_OK;
}

static enum tally_status read_ops(const struct tally_json_at *key, bool *sign)
{
    static const char *const words[] = {"sign", "encrypt"};
    struct tally_json_at ops = tally_json_member(key, "key_ops");
    size_t n = 0, which = 0;

    TALLY_TRY(tally_json_array(&ops, 1, 1, &n));
    struct tally_json_at op = tally_json_item(&ops, 0);
    TALLY_TRY(tally_json_choice(&op, words, 2, &which));
    *sign = which == 0;
    return TALLY_OK;
}

static enum tally_status read_ak(const struct tally_json_at *key, struct tally_hcl *h)
{
    static const uint8_t exponent[] = {1, 0, 1};
    enum { BYTES_MIN = 256 };
    size_t e = 0;

    TALLY_TRY(read_ops(key, &h->ak_signs));
    TALLY_TRY(read_number(key, "n", h->ak_n, sizeof h->ak_n, &h->ak_n_len));
    TALLY_TRY(read_number(key, "e", h->ak_e, sizeof h->ak_e, &e));
    TALLY_REFUSE_UNLESS(h->ak_n_len >= BYTES_MIN && (h->ak_n[0] & 0x80) != 0 &&
                            (h->ak_n[h->ak_n_len - 1] & 1) != 0 && e == sizeof exponent &&
                            memcmp(h->ak_e, exponent, sizeof exponent) == 0,
                        R_(KEY), "HCLAkPub: no RSA key of 2048 bits or more with exponent 65537");
    return TALLY_OK;
}

static enum tally_status read_keys(const struct tally_json_at *root, struct tally_hcl *h)
{
    static const char *const kids[] = {"HCLAkPub", "HCLEkPub", "HCLTransferKey"};
    struct tally_json_at keys = tally_json_member(root, "keys");
    size_t n = 0, which = 0, aks = 0;

    TALLY_TRY(tally_json_array(&keys, 1, KEYS_MAX, &n));
    for (size_t i = 0; i < n; i++) {
        struct tally_json_at key = tally_json_item(&keys, i);
        TALLY_TRY(tally_json_keys(&key, TALLY_JSON_KEYS("kid", "kty", "key_ops", "n", "e")));
        struct tally_json_at kty = tally_json_member(&key, "kty");
        struct tally_json_at kid = tally_json_member(&key, "kid");
        TALLY_TRY(tally_json_exact(&kty, "RSA"));
        TALLY_TRY(tally_json_choice(&kid, kids, sizeof kids / sizeof kids[0], &which));
        if (which != 0) continue;
        TALLY_REFUSE_UNLESS(aks++ == 0, R_(KEY), "two keys are called HCLAkPub");
        TALLY_TRY(read_ak(&key, h));
    }
    TALLY_REFUSE_UNLESS(aks == 1, R_(KEY), "no key is called HCLAkPub");
    return TALLY_OK;
}

static enum tally_status read_fact(const struct tally_json_at *at, enum tally_hcl_fact *fact)
{
    bool yes = false;

    if (at->value == NULL) return TALLY_OK;
    TALLY_TRY(tally_json_bool(at, &yes));
    *fact = yes ? TALLY_HCL_YES : TALLY_HCL_NO;
    return TALLY_OK;
}

/* May be absent, or "". */
static enum tally_status read_text(const struct tally_json_at *at, char out[TALLY_HCL_TEXT_SIZE])
{
    if (at->value == NULL || (json_is_string(at->value) && json_string_length(at->value) == 0))
        return TALLY_OK;
    return tally_json_text(at, out, TALLY_HCL_TEXT_SIZE);
}

static enum tally_status read_config(const struct tally_json_at *root, struct tally_hcl_config *c)
{
    const struct {
        const char *key;
        enum tally_hcl_fact *fact;
        char *text;
    } fields[] = {
        {"secure-boot",                   &c->secure_boot,         NULL              },
        {"console-enabled",               &c->console,             NULL              },
        {"interactive-console-enabled",   &c->interactive_console, NULL              },
        {"ipmi-enabled",                  &c->ipmi,                NULL              },
        {"tpm-enabled",                   &c->tpm,                 NULL              },
        {"tpm-persisted",                 &c->tpm_persisted,       NULL              },
        {"filtered-vpci-devices-allowed", &c->filtered_vpci,       NULL              },
        {"vmUniqueId",                    NULL,                    c->vm_id          },
        {"root-cert-thumbprint",          NULL,                    c->root_thumbprint},
        {"tpm-version",                   NULL,                    c->tpm_version    },
        {"hardware-sealing-policy",       NULL,                    c->sealing_policy }
    };
    struct tally_json_at config = tally_json_member(root, "vm-configuration");

    TALLY_TRY(tally_json_keys(
        &config,
        TALLY_JSON_KEYS("secure-boot", "console-enabled", "interactive-console-enabled?",
                        "ipmi-enabled?", "tpm-enabled", "tpm-persisted?",
                        "filtered-vpci-devices-allowed?", "vmUniqueId", "root-cert-thumbprint?",
                        "tpm-version?", "hardware-sealing-policy?", "current-time?")));
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct tally_json_at at = tally_json_member(&config, fields[i].key);
        if (fields[i].fact != NULL) TALLY_TRY(read_fact(&at, fields[i].fact));
        if (fields[i].text != NULL) TALLY_TRY(read_text(&at, fields[i].text));
    }
    struct tally_json_at time = tally_json_member(&config, "current-time");
    if (time.value == NULL) return TALLY_OK;
    return tally_json_uint(&time, 0, INT64_MAX, &c->current_time_s);
}

static enum tally_status read_user_data(const struct tally_json_at *root, struct tally_hcl *h)
{
    struct tally_json_at at = tally_json_member(root, "user-data");
    const char *s = json_string_value(at.value);

    if (at.value == NULL || (s != NULL && *s == '\0')) return TALLY_OK;
    if (s == NULL || json_string_length(at.value) != 2 * sizeof h->user_data ||
        tally_unhex(s, h->user_data, sizeof h->user_data) != TALLY_OK)
        return tally_json_refuse(&at, "expected %zu hex digits", 2 * sizeof h->user_data);
    h->has_user_data = true;
    return TALLY_OK;
}

static enum tally_status read_all(struct tally_slice json, struct tally_hcl *out)
{
    TALLY_CLEANUP(tally_json_free) json_t *j = NULL;

    TALLY_TRY(tally_json_parse(json, TALLY_HCL_BYTES_MAX, "runtime data", &j));
    struct tally_json_at root = tally_json_root(j);
    TALLY_TRY(tally_json_keys(&root, TALLY_JSON_KEYS("keys", "vm-configuration", "user-data?")));
    TALLY_TRY(read_keys(&root, out));
    TALLY_TRY(read_config(&root, &out->config));
    return read_user_data(&root, out);
}

enum tally_status tally_hcl_json_read(struct tally_slice json, struct tally_hcl *out)
{
    return formed(read_all(json, out));
}
