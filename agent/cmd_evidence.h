/* cmd_evidence.h - `tally-agent evidence`: judge and show TEE evidence offline.
 *
 *   evidence verify snp --report F --vek F [--issuer F] [--crl F]...
 *                       (--federation F | --anchor F) [--at T] [--policy strict|integrity]
 *                       [--measurement HEX] [--report-data HEX] [--json]
 *   evidence show snp FILE [--json]
 *
 * Certificates and CRLs are DER or PEM; the report is its 1184 bytes and nothing round them.
 * --federation: its policy, roots, measurements and chips (those of all its nodes, since no node
 * is named); REPORT_DATA is compared where --report-data gives it, --measurement narrows the list
 * to one. --anchor: this ARK and no opinion on its name; "strict" then needs a CRL, --measurement
 * and --report-data, and is undecided without; "integrity" compares what is given. An absent --at
 * is now. A federation judges strictly only.
 *
 * Exit codes: 0 trusted (show: done), 1 refused or failed, 2 wrong usage, 3 undecided.
 *
 * verify --json, on 0, 1 and 3:
 *   {"verdict":"trusted|refused|undecided","failed":[{"check":"E_...","why":"..."}],
 *    "claims":{...},"tcb":{...}|null,"valid":{"from":"2026-...Z"|null,"until":...}}
 * and {"error":"...","check":"E_..." or ""} where a file cannot be read.
 * "failed" of an undecided verdict lists what was missing. "claims" is empty unless
 * a chip under the root signed the report; otherwise the claims are, all strings in hex but where
 * said: tee ("snp"), trust ("hardware", "test", "given"), product, version (number), signer
 * ("VCEK", "VLEK"), family, model, stepping (numbers, 0 in version 2), vmpl, guest_svn (numbers),
 * policy, debug, migration, smt (booleans, of the guest's policy), platform_info, measurement,
 * report_data, host_data, family_id, image_id, id_key_digest, author_key_digest, report_id,
 * chip (the digest that federation documents list, "" without a chip id), current_firmware,
 * committed_firmware ("1.55.40"), launch_mit_vector, current_mit_vector. "tcb" has reported,
 * committed, current and launch: each {fmc, boot_loader, tee, snp, microcode}. */
#pragma once

/* argv[0] is "evidence". */
int tally_cmd_evidence(int argc, char **argv);
