/* snp_device_fixture.h - a device over a played SEV-SNP kernel with the simulated chip, what it
 * quotes, and the files that a configuration may name: shared by the tests of device_snp*.c. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/attest/device_ops.h"
#include "common/attest/policy.h"
#include "common/attest/quote_sys.h"
#include "common/file.h"
#include "tests/lib/session_ask.h"
#include "tests/lib/simulated.h"
#include "tests/lib/snp_vectors.h"
#include "tests/lib/suite.h"
#include "tests/lib/tee_kernel.h"
#include "tests/lib/vectors.h"

static uint8_t table[TEE_CERTS_MAX];
static struct tally_device_files files;
static struct tally_verdict verdict;
static uint8_t ev[TALLY_EV_MAX], endorsements[TALLY_ENDORSEMENTS_MAX];
static struct tally_endorsements list;
static char vek_file[64], issuer_file[64], crl_file[64];

static inline void set_up(void)
{
    struct tee_kernel *k = tee_kernel();

    tee_kernel_reset();
    k->tsm = k->sev_guest = k->knows_vlek = true;
    (void)snprintf(k->provider, sizeof k->provider, "sev_guest");
    k->chip = simulated_chip();
    tally_sim_report_init(k->chip, &k->guest);
    memset(k->guest.measurement, 0x21, sizeof k->guest.measurement);
    k->certs = tally_slice_of(table, tee_kernel_certs(k->chip, table));
    files = (struct tally_device_files){.crl = crl_file};
}

static inline enum tally_status boot(struct tally_device **d)
{
    enum tally_status s = tally_device_open_on(&tee_kernel_sys, &files, d);

    ck_assert_uint_eq(tee_kernel()->files_open, 0);
    ck_assert_uint_eq(tee_kernel()->folders, 0);
    return s;
}

static inline struct tally_device *booted(void)
{
    struct tally_device *d = NULL;

    ck_assert_msg(boot(&d) == TALLY_OK, "%s", tally_why());
    return d;
}

static inline void refused(enum tally_status status, const char *words)
{
    struct tally_device *d = NULL;

    ck_assert_int_eq(boot(&d), status);
    ck_assert_ptr_null(d);
    ck_assert_msg(strstr(tally_why_text(), words) != NULL, "\"%s\" lacks \"%s\"", tally_why_text(),
                  words);
}

static inline enum tally_status quote(struct tally_device *d, const char *nonce, size_t *ev_len,
                                      size_t *end_len)
{
    uint8_t body[SESSION_ASK_BYTES];
    const struct tally_quote_ask ask = session_ask(nonce, body);
    struct tally_wr w = tally_wr_to(ev, sizeof ev),
                    e = tally_wr_to(endorsements, sizeof endorsements);

    TALLY_TRY(tally_device_quote(d, &ask, &w, &e));
    *ev_len = w.used;
    *end_len = e.used;
    return tally_endorsements_decode(tally_slice_of(endorsements, e.used), &list);
}

/* Evidence of d over `nonce`, appraised as a node would. */
static inline enum tally_status appraise(struct tally_device *d, const char *nonce)
{
    uint8_t chip[1][TALLY_CHIP_DIGEST_BYTES], program[1][TALLY_MEASUREMENT_BYTES];
    uint8_t report_data[TALLY_REPORT_DATA_BYTES], gpu_nonce[32], body[SESSION_ASK_BYTES];
    const struct tally_quote_ask want = session_ask(nonce, body);
    struct tally_policy policy;
    size_t ev_len = 0, end_len = 0;

    ck_assert_msg(quote(d, nonce, &ev_len, &end_len) == TALLY_OK, "%s", tally_why());
    ck_assert_int_eq(tally_device_identity(d, chip[0], program[0]), TALLY_OK);
    ck_assert_int_eq(
        tally_quote_expected(&want, tally_slice_of(ev, ev_len), report_data, gpu_nonce), TALLY_OK);
    tally_policy_strict(&policy);
    policy.parts = TALLY_POLICY_SNP;
    const struct tally_expect x = {.now_s = SIM_NOW_S,
                                   .trust = TALLY_TRUST_TEST,
                                   .report_data = report_data,
                                   .measurements = (const uint8_t(*)[48])program,
                                   .measurements_n = 1,
                                   .chips = (const uint8_t(*)[32])chip,
                                   .chips_n = 1};
    return tally_appraise(tally_slice_of(ev, ev_len), tally_slice_of(endorsements, end_len),
                          simulated_anchor(), 1, &policy, &x, &verdict);
}

static inline struct tally_slice endorsed(enum tally_endorsement_kind kind)
{
    struct tally_slice found = {0};

    for (uint32_t i = 0; i < list.n; i++) {
        if (list.items[i].kind != kind) continue;
        ck_assert_ptr_null(found.at); /* one at most */
        found = list.items[i].bytes;
    }
    return found;
}

static inline bool is(struct tally_slice a, const struct tally_sim_bytes *b)
{
    return tally_slice_equal(a, tally_slice_of(b->at, b->len));
}

static inline void write_file(char name[64], const char *what, const struct tally_sim_bytes *b)
{
    (void)snprintf(name, 64, "snp_test_%s_%d", what, (int)getpid());
    if (tally_file_write(name, tally_slice_of(b->at, b->len), 0644) != TALLY_OK) {
        (void)fprintf(stderr, "%s\n", tally_why());
        exit(1);
    }
}

/* First in main: the files that a configuration may name. */
static inline void write_files(void)
{
    write_file(vek_file, "vek", &simulated_chip()->vcek);
    write_file(issuer_file, "issuer", &simulated_chip()->ask);
    write_file(crl_file, "crl", &simulated_chip()->crl);
}

/* Last. */
static inline void remove_files(void)
{
    (void)unlink(vek_file);
    (void)unlink(issuer_file);
    (void)unlink(crl_file);
}
