/* hcl.h - the blob that Azure's paravisor (HCL) leaves in the vTPM, NV index 0x01400001: a report
 * of the hardware, and the JSON whose hash that report carries (C4.1). The JSON names the vTPM's
 * attestation key, so the hardware vouches for what the key signs.
 *
 *   0     "HCLA" | version 1 or 2 | size of all that follows up to the JSON's end, from 0 |
 *         request type 2 | status 0 | zeros[12]                              (32 bits each, LE)
 *   32    the report: SNP report[1184], or TDREPORT[1024] and zeros
 *   1216  size of this and the JSON | version 1 | report type 2 (SNP) or 4 (TDX) |
 *         hash type 1, 2, 3 (SHA-256, 384, 512) | size of the JSON
 *   1236  the JSON, then zeros to the end of the NV index
 *
 * Decoding checks form alone. Nothing is true before the hardware's report was judged and carries
 * tally_hcl_report_data. The JSON is strict: keys that are not known here are refused, because what
 * they allow is not known either. */
#pragma once

#include "common/bytes.h"
#include "common/hash.h"

enum {
    TALLY_HCL_BYTES_MAX = 8 * 1024,
    TALLY_HCL_REPORT_BYTES = 1184,
    TALLY_TDREPORT_BYTES = 1024,
    TALLY_TDREPORT_DATA_AT = 128, /* REPORTDATA in a TDREPORT */
    TALLY_HCL_USER_DATA_BYTES = 64,
    TALLY_HCL_KEY_BYTES_MAX = 512,
    TALLY_HCL_TEXT_SIZE = 65,
};

enum tally_hcl_report { TALLY_HCL_SNP = 2, TALLY_HCL_TDX = 4 };

/* What may be said or not. */
enum tally_hcl_fact { TALLY_HCL_UNSAID, TALLY_HCL_NO, TALLY_HCL_YES };

struct tally_hcl_config {
    enum tally_hcl_fact secure_boot, console, interactive_console, ipmi;
    enum tally_hcl_fact tpm, tpm_persisted, filtered_vpci;
    uint64_t current_time_s;         /* 0: not said */
    char vm_id[TALLY_HCL_TEXT_SIZE]; /* "" where not said, as the others */
    char root_thumbprint[TALLY_HCL_TEXT_SIZE], tpm_version[TALLY_HCL_TEXT_SIZE];
    char sealing_policy[TALLY_HCL_TEXT_SIZE];
};

struct tally_hcl {
    uint32_t version;
    enum tally_hcl_report type;
    enum tally_hash_alg hash;
    /* Slices of the blob. */
    struct tally_slice hardware;    /* an SNP report or a TDREPORT */
    struct tally_slice report_data; /* 64 bytes of it */
    struct tally_slice json;        /* exactly what was hashed */
    /* Read from the JSON. */
    uint8_t ak_n[TALLY_HCL_KEY_BYTES_MAX], ak_e[3]; /* HCLAkPub; e is 65537 */
    size_t ak_n_len;
    bool ak_signs; /* its key_ops are ["sign"]; early paravisors wrote "encrypt" */
    bool has_user_data;
    uint8_t user_data[TALLY_HCL_USER_DATA_BYTES];
    struct tally_hcl_config config;
};

/* E_OVERSIZE, E_TRUNCATED, E_TRAILING (after the JSON); E_VERSION; E_TEE_TYPE for another report
 * type, or a TDX type over bytes that are no TDREPORT; E_ALGORITHM (hash type); E_RESERVED_NONZERO;
 * E_FORMAT for sizes that disagree, another request, a bad status, TDREPORT hashes that are not of
 * its parts, and JSON that is another; E_KEY unless there is exactly one HCLAkPub, RSA of 2048 bits
 * or more with exponent 65537. */
TALLY_RESULT tally_hcl_decode(struct tally_slice in, struct tally_hcl *out);

/* The JSON alone, into what is read from it, which has to be zeros before; for tally_hcl_decode. */
TALLY_RESULT tally_hcl_json_read(struct tally_slice json, struct tally_hcl *out);

/* What the hardware's report has to carry: the JSON's hash, then zeros. */
void tally_hcl_report_data(const struct tally_hcl *h, uint8_t out[64]);
