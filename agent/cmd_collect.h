/* cmd_collect.h - `tally-agent evidence collect`: this machine's evidence, as files to be verified
 * by anybody.
 *
 *   evidence collect [--nonce HEX] [--out DIR] [--dir DIR] [--json]
 *
 * Opens the device that the agent's configuration names and has it quote over the nonce (32 bytes
 * that whoever will verify has chosen; fresh random ones otherwise, and printed) under the label
 * tally/ev/v1, with no key block. So no verifier takes this for a session's or an update's
 * evidence, and it names no key (CHANNEL.md, "No raw REPORT_DATA"). REPORT_DATA itself is never
 * taken, only said: --report-data wants it when verifying. Files: collect_files.h; the folder is
 * "evidence" unless --out names another.
 *
 * Exit codes: 0 written, 1 failed, 2 wrong usage. With --json:
 *   {"out":"...","tee":"snp|tdx","nonce":"<64 hex>","report_data":"<128 hex>",
 *    "files":["report.bin",...],"verify":["tally-agent evidence verify snp ...",...]} */
#pragma once

/* argv[0] is the whole way to it. */
int tally_cmd_evidence_collect(int argc, char **argv);
