/* verify_tpm.c - see verify_tpm.h: structure, key, signature. */
#include "common/attest/verify_tpm.h"

#include "common/attest/verdict.h"
#include "common/secret.h"

#define R_(x) TALLY_R_E_##x

bool tally_verify_tpm_key(const struct tally_tpm_input *in, const struct tally_anchor *anchors,
                          uint32_t anchors_n, const struct tally_expect *expect,
                          struct tally_tpm_key *k, struct tally_verdict *v)
{
    TALLY_CLEANUP(tally_cert_free) struct tally_cert cert = {0};

    if (in->ak.at == NULL) {
        tally_verdict_miss(v, R_(KEY), "no attestation key was given");
        return false;
    }
    if (!tally_verdict_note(v, tally_tpm_key_read(in->ak, k, &cert))) return false;
    if (cert.x509 == NULL) return true;
    k->vouched = tally_tpm_cert_chain(&cert, in->ak_issuers, anchors, anchors_n, expect->now_s, v);
    return k->vouched;
}

void tally_verify_tpm_attributes(const struct tally_tpm_key *k,
                                 const struct tally_tpm_policy *policy, struct tally_verdict *v)
{
    if (!k->described || policy->allow_unrestricted_key) return;
    if ((k->attributes & TALLY_TPM_AK_ATTRIBUTES) != TALLY_TPM_AK_ATTRIBUTES ||
        (k->attributes & TALLY_TPM_DECRYPT) != 0)
        tally_verdict_fail(v, R_(KEY),
                           "attributes %08x: not a key that its TPM made, keeps and lets sign "
                           "nothing but its own words",
                           k->attributes);
}

void tally_verify_tpm_quote(const struct tally_tpm_quoted *q, const struct tally_tpm_policy *policy,
                            const struct tally_expect *expect, struct tally_verdict *v)
{
    struct tally_tpm_signature s;

    if (q->in->sig.at == NULL) {
        tally_verdict_miss(v, R_(SIGNATURE), "no signature of the quote was given");
        return;
    }
    if (!tally_verdict_note(v, tally_tpm_key_signature(q->key, q->in->sig, &s)) ||
        !tally_verdict_note(v, tally_tpm_key_verify(q->key, &s, q->in->attest)))
        return;
    v->authentic = q->authentic;
    const struct tally_tpm_content c = {q->in, q->key, q->quote, s.hash};
    uint32_t pcrs = tally_verify_tpm_content(&c, policy, expect, v);
    if (v->authentic) tally_verify_tpm_claims(&c, pcrs, v);
}

/* A bare key is believed for this moment, by whoever gave it; no certificate says for how long. */
static void take_as_given(const struct tally_expect *expect, bool strict, struct tally_verdict *v)
{
    uint64_t now_s = expect->now_s > 0 ? expect->now_s : 1;

    v->trust = TALLY_TRUST_GIVEN;
    tally_verdict_window(v, now_s, now_s);
    if (strict) tally_verdict_miss(v, R_(ROOT_UNTRUSTED), "nothing vouches for this key");
}

static void check_trust(const struct tally_expect *e, bool needed, struct tally_verdict *v)
{
    if (e->trust == 0) {
        if (needed) tally_verdict_miss(v, R_(TRUST_CLASS), "no class of trust was asked for");
    } else if (e->trust != v->trust) {
        tally_verdict_fail(v, R_(TRUST_CLASS), "the root is of another class of trust");
    }
}

static void judge(const struct tally_tpm_input *in, const struct tally_anchor *anchors,
                  uint32_t anchors_n, const struct tally_tpm_policy *policy,
                  const struct tally_expect *expect, struct tally_verdict *v)
{
    TALLY_CLEANUP(tally_tpm_key_free) struct tally_tpm_key key = {0};
    bool strict = !policy->integrity_only;
    struct tally_tpm_quote quote;

    if (in->attest.at == NULL) {
        tally_verdict_miss(v, R_(MEASUREMENT), "no quote was given");
        return;
    }
    if (!tally_verdict_note(v, tally_tpm_quote_decode(in->attest, &quote)) ||
        !tally_verify_tpm_key(in, anchors, anchors_n, expect, &key, v))
        return;
    tally_verify_tpm_attributes(&key, policy, v);
    if (!key.vouched) take_as_given(expect, strict, v);
    /* Where nothing vouches, there is no root whose class could be the wrong one. */
    if (key.vouched || !strict || expect->trust == 0) check_trust(expect, strict, v);
    const struct tally_tpm_quoted q = {in, &key, &quote, key.vouched || !strict};
    tally_verify_tpm_quote(&q, policy, expect, v);
    if (!v->authentic) return;
    tally_claim_word(v, "tee", "tpm");
    tally_claim_word(v, "trust", tally_trust_class_name(v->trust));
}

enum tally_status tally_verify_tpm(const struct tally_tpm_input *in,
                                   const struct tally_anchor *anchors, uint32_t anchors_n,
                                   const struct tally_tpm_policy *policy,
                                   const struct tally_expect *expect, struct tally_verdict *v)
{
    tally_verdict_init(v);
    judge(in, anchors, anchors_n, policy, expect, v);
    return tally_verdict_end(v);
}
