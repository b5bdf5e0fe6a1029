/* verify_tdx.h - judges one TDX quote, in the order of ATTESTATION.md C2.3:
 *
 *   structure   version, kinds, vendor, reserved bytes, what follows the quote
 *   chain       PCK <- Platform or Processor CA <- Intel SGX Root CA (an anchor, byte for byte);
 *               the chain is the quote's own. Dates of each.
 *   collateral  TCB signing certificate <- the same root; the signatures over the exact bytes of
 *               TCB info and QE identity; CRLs, dates, evaluation number, FMSPC and PCE id
 *   quote       QE report by the PCK, its binding to the attestation key, its identity; the quote
 *               by the attestation key
 *   content     module, platform and QE matched and converged as Intel does; the policy; expected
 *               values; the event log
 *
 * A signature, structure or chain that fails ends it; dates, revocation, identities and everything
 * in the content are collected. Pure: no clock, no file, no network.
 *
 * Refusals beyond those of the parsers: E_TRAILING; E_CERT_SHAPE (not three certificates, another
 * common name or order), E_ROOT_UNTRUSTED; E_CRL_ISSUER, E_CRL_EXPIRED, E_REVOKED;
 * E_COLLATERAL_SIG, _FUTURE, _EXPIRED, _ROLLBACK, _MISMATCH (id, FMSPC, PCE id); E_QE_BINDING,
 * E_QE_IDENTITY, E_KEY (attestation key), E_SIG_RANGE, E_SIGNATURE; E_MODULE_IDENTITY,
 * E_TCB_NOT_SUPPORTED, E_TCB_STATUS; what content may say is with the policy (tdx_policy.h).
 * Undecided: E_COLLATERAL_MISSING, E_CRL_MISSING, and expected values that are not there.
 *
 * v->tcb has Intel's words once the quote is authentic and its collateral is for this platform;
 * v->tcb.status is the converged word, "NotSupported" (and no others) where no level matches. It
 * is there too when the policy then refuses it. v->product is "tdx"; v->measurement is MRTD. */
#pragma once

#include "common/attest/appraise.h"
#include "common/attest/tdx_collateral.h"
#include "common/attest/tdx_policy.h"

struct tally_tdx_input {
    struct tally_slice quote;
    struct tally_tdx_collateral collateral; /* slices with at == NULL: not given */
    struct tally_slice eventlog;            /* CCEL; at == NULL: not given */
};

/* As tally_appraise, for the pieces one by one. expect: report_data, td_measurements, chips (the
 * digest of "tdx" and the PPID), revoked_chips, any_chip, trust, padded and cache are used.
 * Under any policy but integrity what is not there to compare leaves the verdict undecided. */
TALLY_RESULT tally_verify_tdx(const struct tally_tdx_input *in, const struct tally_anchor *anchors,
                              uint32_t anchors_n, const struct tally_tdx_policy *policy,
                              const struct tally_expect *expect, struct tally_verdict *v);

/* The last step alone, over a quote whose signatures verified; for tally_verify_tdx. */
struct tally_tdx_content {
    const struct tally_tdx_quote *quote;
    const struct tally_tdx_pck *pck;
    const struct tally_tdx_tcb_info *info; /* NULL: no collateral for this platform */
    struct tally_tdx_evaluation tcb;       /* with info alone */
    struct tally_slice eventlog;
};
void tally_verify_tdx_claims(const struct tally_tdx_content *c, struct tally_verdict *v);
void tally_verify_tdx_content(const struct tally_tdx_content *c,
                              const struct tally_tdx_policy *policy,
                              const struct tally_expect *expect, struct tally_verdict *v);
