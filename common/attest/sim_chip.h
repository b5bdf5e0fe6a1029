/* sim_chip.h - the simulated SEV-SNP chip: byte-exact Genoa reports under a test root
 * (ATTESTATION.md C7). What hardware does inside is done here; what a program may ask for is
 * device.h. A verifier treats it as any chip: only the anchor is another.
 *
 * The owner of a test federation makes one root (two RSA-4096 keys: seconds), keeps its file, and
 * issues a chip file per node:
 *
 *   root file   "tally-sim-root/1 test\n" | LP ARK key | LP ASK key (PKCS 1) | LP ARK | LP ASK | LP
 * CRL chip file   "tally-sim-chip/1 test\n" | LP product | chip id[64] | seed[32] | tcb[8] | LP
 * VCEK | LP ASK | LP CRL | LP ARK
 *
 * Both are secret (mode 0600) and never overwritten. */
#pragma once

#include "common/attest/device.h"
#include "common/attest/snp_report.h"
#include "common/secret.h"

struct evp_pkey_st;

struct tally_sim_bytes {
    uint8_t at[2048];
    size_t len;
};

struct tally_sim_root {
    struct evp_pkey_st *ark_key, *ask_key;
    struct tally_sim_bytes ark, ask, crl; /* DER; ark is the federation's test_root */
};

/* New keys; certificates for 25 years from a day before now_s, the CRL for one year. */
TALLY_RESULT tally_sim_root_new(uint64_t now_s, struct tally_sim_root **out);
/* A fresh CRL that lists these serial numbers. */
TALLY_RESULT tally_sim_root_renew_crl(struct tally_sim_root *r, uint64_t now_s,
                                      const uint32_t *revoked, size_t revoked_n);
TALLY_RESULT tally_sim_root_save(const struct tally_sim_root *r, const char *path);
TALLY_RESULT tally_sim_root_load(const char *path, struct tally_sim_root **out);
void tally_sim_root_free(struct tally_sim_root **r);

struct tally_sim_chip {
    enum tally_snp_product product;
    uint8_t chip_id[TALLY_SNP_CHIP_ID_BYTES];
    struct tally_secret seed; /* 32 bytes: all its keys follow from it */
    struct tally_snp_tcb tcb;
    struct evp_pkey_st *vcek_key; /* of seed, product, chip id and tcb */
    struct tally_sim_bytes vcek, ask, crl, ark;
};

/* A Genoa chip with a random id and seed and today's TCB; its VCEK holds for 7 years. */
TALLY_RESULT tally_sim_chip_new(const struct tally_sim_root *r, uint64_t now_s,
                                struct tally_sim_chip **out);
/* The same chip at another TCB: another VCEK key and certificate, as on hardware. */
TALLY_RESULT tally_sim_chip_set_tcb(struct tally_sim_chip *c, const struct tally_sim_root *r,
                                    const struct tally_snp_tcb *tcb, uint64_t now_s);
TALLY_RESULT tally_sim_chip_save(const struct tally_sim_chip *c, const char *path);
TALLY_RESULT tally_sim_chip_load(const char *path, struct tally_sim_chip **out);
void tally_sim_chip_free(struct tally_sim_chip **c);
/* As a federation document lists it. */
void tally_sim_chip_digest(const struct tally_sim_chip *c, uint8_t out[TALLY_CHIP_DIGEST_BYTES]);

/* A report that any policy accepts but for MEASUREMENT, HOST_DATA and REPORT_DATA, which are
 * zero; every field may be changed before it is signed. */
void tally_sim_report_init(const struct tally_sim_chip *c, struct tally_snp_report *r);
/* Signs r as it is and encodes it. */
TALLY_RESULT tally_sim_report_sign(const struct tally_sim_chip *c, const struct tally_snp_report *r,
                                   uint8_t out[TALLY_SNP_REPORT_BYTES]);
/* The endorsements that go with it: VCEK, ASK, CRL. */
void tally_sim_endorsements(const struct tally_sim_chip *c, struct tally_wr *w);

/* A guest as the host launched it. */
struct tally_sim_guest {
    uint64_t policy;
    uint32_t vmpl;
    uint8_t measurement[TALLY_MEASUREMENT_BYTES], host_data[32];
};
enum { TALLY_SIM_GUEST_POLICY = 0x30000 };

/* As tally_device_open_simulated, with a guest of one's own making: what a host can do to a
 * program (debug, another image), for attack tests. */
TALLY_RESULT tally_device_sim_boot(const char *chip_file, const struct tally_sim_guest *guest,
                                   struct tally_device **out);
