/* cmd_evidence.h - `tally-agent evidence`: judge and show TEE evidence offline.
 *
 *   evidence verify snp      --report F --vek F [--issuer F] [--crl F]...
 *   evidence verify tdx      --quote F [--collateral DIR] [--eventlog F]
 *   evidence verify nvgpu    --report F --chain F --nonce HEX [--rim F]... [--ocsp F]...
 *   evidence verify nvswitch (the same)
 *   evidence verify azure    --hcl F (--vek F | --quote F --collateral DIR)
 *                            [--attest F --sig F --pcrs F --nonce HEX] [--eventlog F]
 *   evidence verify tpm      --attest F --sig F --pcrs F --ak F --nonce HEX [--eventlog F]
 *                            [--ak-issuer F]...
 *   common options: --at T  --federation F | --anchor F...  --policy strict|integrity|FILE
 *                   --policy-key BASE64...  --set key=value...  --report-data HEX
 *                   --measurement HEX  --padded  --explain  --json
 *                   --ear F --ear-key F [--audience TEXT]
 *   evidence show snp|tdx|nvgpu|nvswitch|rim|tpm|azure|eventlog FILE [--json]
 *   evidence collect [--nonce HEX]        (cmd_collect.h)
 *   evidence policy new|sign|show         (cmd_evidence_policy.c)
 *   evidence result FILE --key F          a relying party's check of a token
 *
 * Certificates and CRLs are DER or PEM; --chain is PEM, leaf first; a quote or report has nothing
 * round it unless --padded allows zeros after it. Without --federation or --anchor the vendors'
 * built-in roots hold. --federation: its policy, roots, measurements and chips (those of all its
 * nodes, since no node is named). A policy FILE is a signed document (common/policydoc.h): every
 * --policy-key must have signed it. A federation judges by its own policy only.
 *
 * Exit codes: 0 trusted (show: done), 1 refused or failed, 2 wrong usage, 3 undecided.
 *
 * verify --json, on 0, 1 and 3:
 *   {"verdict":"trusted|refused|undecided","failed":[{"check":"E_...","why":"..."}],"claims":{...},
 *    "tcb":{"platform","module","qe","status"}|null,"valid":{"from":"2026-...Z"|null,"until":...}}
 * with "set" (a list) where --set was given and "rules" where --explain was, and {"error":"...",
 * "reason":"E_..."} where a file cannot be read. "failed" of an undecided verdict lists what was
 * missing. "claims" is empty unless the evidence is authentic; its names are listed in
 * docs/EVIDENCE.md. */
#pragma once

/* argv[0] is "evidence". */
int tally_cmd_evidence(int argc, char **argv);

/* The rest of the group, in files of their own. */
int tally_cmd_evidence_policy_new(int argc, char **argv);
int tally_cmd_evidence_policy_sign(int argc, char **argv);
int tally_cmd_evidence_policy_show(int argc, char **argv);
int tally_cmd_evidence_result(int argc, char **argv);
