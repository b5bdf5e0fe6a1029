/* simulated_rim.h - reference manifests of our own for tests: one signer under a test root, made
 * once per program, and documents that are changed as text and signed again. */
#pragma once

#include "common/attest/rim.h"
#include "common/attest/sim_rim.h"

enum { SIM_RIM_NOW_S = 1795000000 };

/* First line of main(). */
void simulated_rim_setup(void);
struct tally_sim_rim_signer *simulated_rim_signer(void);
struct tally_anchor simulated_rim_anchor(const struct tally_sim_rim_signer *s);

/* A driver's manifest (or a VBIOS's, by the version) of GH100: measurements 0 to 63 present, those
 * of the mask active; hash k of measurement i is simulated_rim_hash(i, k). */
void simulated_rim_init(struct tally_rim *r, const char *version, uint64_t active,
                        uint8_t alternatives);
void simulated_rim_hash(uint32_t i, uint32_t k, uint8_t out[TALLY_RIM_HASH_BYTES]);

/* A document as text, zero-terminated; the caller frees at. */
struct simulated_rim {
    char *at;
    size_t len, cap;
};
void simulated_rim_write(const struct tally_rim *r, const struct tally_sim_rim_signer *s,
                         struct simulated_rim *out);
/* Replaces the only, or the first, place where `find` stands; aborts the test if there is none. */
void simulated_rim_replace(struct simulated_rim *d, const char *find, const char *with);
void simulated_rim_sign(struct simulated_rim *d, const struct tally_sim_rim_signer *s);
/* Verifies an exact-size copy under the signer's root. */
TALLY_RESULT simulated_rim_verify(const struct simulated_rim *d,
                                  const struct tally_sim_rim_signer *s, uint64_t now_s,
                                  struct tally_rim *out);
/* Verifies to this reason (NONE: well) or fails the test, and frees d. */
void simulated_rim_expect(struct simulated_rim *d, const struct tally_sim_rim_signer *s,
                          uint64_t now_s, enum tally_reason reason, struct tally_rim *out);
void simulated_rim_free(struct simulated_rim *d);
