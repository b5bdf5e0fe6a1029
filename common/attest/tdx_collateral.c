/* tdx_collateral.c - see tdx_collateral.h: files to parts. */
#include "common/attest/tdx_collateral.h"

#include <string.h>

#include "common/attest/tdx_json.h"

/* Names of the two keys of a response. */
struct response {
    const char *object;
    struct tally_slice *value, *signature;
};

static enum tally_status set(struct tally_slice *to, struct tally_slice from, const char *what)
{
    TALLY_REFUSE_UNLESS(to->at == NULL || tally_slice_equal(*to, from), TALLY_R_E_FORMAT,
                        "two different files with %s", what);
    *to = from;
    return TALLY_OK;
}

/* {"tcbInfo":{...},"signature":"..."}: where the object begins and ends, and its signature. */
static enum tally_status split(struct tally_slice text, const struct response *to)
{
    struct tally_tdx_json j = tally_tdx_json_from(text);
    struct tally_tdx_json_object o;
    struct tally_slice key, value = {0}, signature = {0};

    tally_tdx_json_open(&j, &o);
    while (tally_tdx_json_next(&j, &o, &key)) {
        if (tally_tdx_json_is(key, to->object)) {
            value = tally_tdx_json_skip(&j);
        } else if (tally_tdx_json_is(key, "signature")) {
            signature = tally_tdx_json_text(&j);
        } else {
            tally_tdx_json_fail(&j, "a key that does not belong there");
        }
    }
    TALLY_TRY(tally_tdx_json_end(&j, to->object));
    TALLY_REFUSE_UNLESS(value.len > 0 && value.at[0] == '{' && signature.at != NULL,
                        TALLY_R_E_FORMAT, "a response without %s and its signature", to->object);
    TALLY_TRY(set(to->value, value, to->object));
    return set(to->signature, signature, "its signature");
}

static struct tally_slice without_newline(struct tally_slice s)
{
    return s.len > 0 && s.at[s.len - 1] == '\n' ? tally_slice_of(s.at, s.len - 1) : s;
}

static struct tally_slice file_name(struct tally_slice path)
{
    size_t at = path.len;

    while (at > 0 && path.at[at - 1] != '/') at--;
    return tally_slice_of(path.at + at, path.len - at);
}

enum tally_status tally_tdx_collateral_put(struct tally_tdx_collateral *c, struct tally_slice name,
                                           struct tally_slice bytes)
{
    enum { CRL_MAX = 64 * 1024 };
    const struct response info = {"tcbInfo", &c->tcb_info, &c->tcb_info_sig};
    const struct response qe = {"enclaveIdentity", &c->qe_identity, &c->qe_identity_sig};
    const struct {
        const char *name;
        const struct response *response;
        struct tally_slice *part;
        size_t max;
        bool newline;
    } files[] = {
        {"tcb_info_response.json",    &info, NULL,                TALLY_TDX_JSON_BYTES_MAX, false},
        {"qe_identity_response.json", &qe,   NULL,                TALLY_TDX_JSON_BYTES_MAX, false},
        {"tcb_info.json",             NULL,  &c->tcb_info,        TALLY_TDX_JSON_BYTES_MAX, false},
        {"qe_identity.json",          NULL,  &c->qe_identity,     TALLY_TDX_JSON_BYTES_MAX, false},
        {"tcb_info.sig.hex",          NULL,  &c->tcb_info_sig,    TALLY_TDX_SIG_HEX + 1,    true },
        {"qe_identity.sig.hex",       NULL,  &c->qe_identity_sig, TALLY_TDX_SIG_HEX + 1,    true },
        {"tcb_sign_chain.pem",        NULL,  &c->tcb_sign_chain,  TALLY_TDX_PEM_BYTES_MAX,  false},
        {"root_ca_crl.der",           NULL,  &c->root_crl,        CRL_MAX,                  false},
        {"pck_crl.der",               NULL,  &c->pck_crl,         CRL_MAX,                  false},
    };
    struct tally_slice file = file_name(name);

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (!tally_slice_equal(file, tally_slice_str(files[i].name))) continue;
        TALLY_REFUSE_UNLESS(bytes.len <= files[i].max, TALLY_R_E_OVERSIZE, "%s of %zu bytes",
                            files[i].name, bytes.len);
        TALLY_REFUSE_UNLESS(bytes.len > 0, TALLY_R_E_FORMAT, "%s is empty", files[i].name);
        if (files[i].response != NULL) return split(bytes, files[i].response);
        return set(files[i].part, files[i].newline ? without_newline(bytes) : bytes, files[i].name);
    }
    return TALLY_OK;
}
