/* snp_report.h - the SEV-SNP attestation report, 1184 bytes (AMD 56860, ATTESTATION.md C1.1).
 *
 * One struct, one decoder, one encoder; decode then encode gives the same bytes. The decoder
 * checks structure alone (length, version, algorithm, every must-be-zero field of that version)
 * and is as strict as the format allows. Nothing decoded is true before the signature verified. */
#pragma once

#include "common/bytes.h"

enum {
    TALLY_SNP_REPORT_BYTES = 1184,
    TALLY_SNP_SIGNED_BYTES = 0x2a0,
    TALLY_SNP_TCB_BYTES = 8,
    TALLY_SNP_CHIP_ID_BYTES = 64,
    TALLY_SNP_TURIN_ID_BYTES = 8,
    TALLY_SNP_NUMBER_BYTES = 72, /* r and s as stored: little-endian */
};

/* Bits of POLICY. */
#define TALLY_SNP_POLICY_SMT           (UINT64_C(1) << 16)
#define TALLY_SNP_POLICY_ONE           (UINT64_C(1) << 17)
#define TALLY_SNP_POLICY_MIGRATE_MA    (UINT64_C(1) << 18)
#define TALLY_SNP_POLICY_DEBUG         (UINT64_C(1) << 19)
#define TALLY_SNP_POLICY_SINGLE_SOCKET (UINT64_C(1) << 20)
#define TALLY_SNP_POLICY_CXL           (UINT64_C(1) << 21)
#define TALLY_SNP_POLICY_AES_256_XTS   (UINT64_C(1) << 22)
#define TALLY_SNP_POLICY_RAPL_DISABLE  (UINT64_C(1) << 23)
#define TALLY_SNP_POLICY_CIPHERTEXT    (UINT64_C(1) << 24)
#define TALLY_SNP_POLICY_SWAP_DISABLE  (UINT64_C(1) << 25)
/* Bits of PLATFORM_INFO. */
#define TALLY_SNP_PLATFORM_SMT        (UINT64_C(1) << 0)
#define TALLY_SNP_PLATFORM_CIPHERTEXT (UINT64_C(1) << 4)
#define TALLY_SNP_PLATFORM_ALIAS      (UINT64_C(1) << 5)
/* Fields of the word at 0x48. */
#define TALLY_SNP_AUTHOR_KEY_EN(flags) (((flags)&1U) != 0)
#define TALLY_SNP_MASK_CHIP_KEY(flags) (((flags)&2U) != 0)
#define TALLY_SNP_SIGNING_KEY(flags)   (((flags) >> 2) & 7U)
enum { TALLY_SNP_KEY_VCEK = 0, TALLY_SNP_KEY_VLEK = 1, TALLY_SNP_KEY_NONE = 7 };

enum tally_snp_product { TALLY_SNP_UNKNOWN, TALLY_SNP_MILAN, TALLY_SNP_GENOA, TALLY_SNP_TURIN };
const char *tally_snp_product_name(enum tally_snp_product p); /* "Genoa": the line, as in names */
enum tally_snp_product tally_snp_product_of(uint8_t family, uint8_t model);
/* First and last model of the line's range i (0, 1) in *family; false past the last. */
bool tally_snp_product_models(enum tally_snp_product p, int i, uint8_t *family, uint8_t range[2]);

/* TCB_VERSION: 8 raw bytes whose places depend on the product. */
struct tally_snp_tcb {
    uint8_t raw[TALLY_SNP_TCB_BYTES];
};
struct tally_snp_tcb_parts {
    uint8_t fmc, boot_loader, tee, snp, microcode; /* fmc: 0 before Turin */
    bool reserved_zero;
};
struct tally_snp_tcb_parts tally_snp_tcb_parts(enum tally_snp_product p,
                                               const struct tally_snp_tcb *tcb);
/* Every component of a at most b's. */
bool tally_snp_tcb_at_most(enum tally_snp_product p, const struct tally_snp_tcb *a,
                           const struct tally_snp_tcb *b);

struct tally_snp_firmware {
    uint8_t build, minor, major;
};

struct tally_snp_report {
    uint32_t version, guest_svn;
    uint64_t policy;
    uint8_t family_id[16], image_id[16];
    uint32_t vmpl, signature_algo;
    struct tally_snp_tcb current;
    uint64_t platform_info;
    uint32_t key_flags;
    uint8_t report_data[64], measurement[48], host_data[32];
    uint8_t id_key_digest[48], author_key_digest[48];
    uint8_t report_id[32], report_id_ma[32];
    struct tally_snp_tcb reported;
    uint8_t cpuid_family, cpuid_model, cpuid_step; /* version 3 and later */
    uint8_t chip_id[TALLY_SNP_CHIP_ID_BYTES];
    struct tally_snp_tcb committed;
    struct tally_snp_firmware current_fw, committed_fw;
    struct tally_snp_tcb launch;
    uint64_t launch_mit, current_mit; /* version 5 */
    uint8_t r[TALLY_SNP_NUMBER_BYTES], s[TALLY_SNP_NUMBER_BYTES];
};

/* E_TRUNCATED, E_TRAILING, E_VERSION (not 2 to 5), E_ALGORITHM, E_RESERVED_NONZERO; E_FORMAT for
 * POLICY bit 17 clear or an author key digest without author key; E_VMPL above 3; E_CERT_TYPE for
 * a signing key that is neither VCEK nor VLEK. */
TALLY_RESULT tally_snp_report_decode(struct tally_slice in, struct tally_snp_report *out);
/* The bytes of any values, right or wrong. */
void tally_snp_report_encode(const struct tally_snp_report *r, uint8_t out[TALLY_SNP_REPORT_BYTES]);
