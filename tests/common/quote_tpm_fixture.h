/* quote_tpm_fixture.h - for the tests of common/attest/quote_tpm.c: a handle on the vTPM of vtpm.h,
 * what was collected, and a node's verdict over it. One file of a test program includes it. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/attest/quote_tpm.h"
#include "common/attest/verify_azure.h"
#include "common/hash.h"
#include "common/text.h"
#include "tests/lib/simulated.h"
#include "tests/lib/suite.h"
#include "tests/lib/vtpm.h"

static int slept;

/* In place of libc's: waiting for the paravisor takes no time, and is counted. */
int nanosleep(const struct timespec *t, struct timespec *left)
{
    (void)left;
    slept += t->tv_nsec > 0;
    return 0;
}

static struct tally_vtpm_evidence e;
static const uint8_t data[TALLY_VTPM_REPORT_DATA_BYTES] = {0xab, 0xcd, 1, 2, 3, [63] = 0xef};

static inline struct tally_vtpm *opened(void)
{
    struct tally_vtpm *t = NULL;

    ck_assert_msg(tally_vtpm_open(vtpm_tcti(), &t) == TALLY_OK, "%s", tally_why());
    return t;
}

/* The verdict of a node over what was collected: the chip, the paravisor, the key, the PCRs. */
static inline enum tally_status judge(const uint8_t want[TALLY_VTPM_REPORT_DATA_BYTES],
                                      struct tally_verdict *v)
{
    static struct simulated s;
    struct tally_azure_input in = {.hcl = tally_slice_of(e.hcl, e.hcl_len)};
    struct tally_tpm_policy tpm;
    uint8_t nonce[32], none[1][TALLY_MEASUREMENT_BYTES] = {{0}}; /* as sim_chip.h has it */
    char pcr[65], json[160];

    simulated_init(&s);
    in.snp = s.in;
    in.tpm = (struct tally_tpm_input){.attest = tally_slice_of(e.attest, e.attest_len),
                                      .sig = tally_slice_of(e.signature, e.signature_len),
                                      .pcrs = tally_slice_of(e.pcrs, sizeof e.pcrs)};
    tally_hex(TALLY_SLICE(e.pcrs[4]), pcr);
    (void)snprintf(json, sizeof json, "{\"values\":{\"4\":[\"%s\"]}}", pcr);
    json_t *o = json_loads(json, 0, NULL);
    ck_assert_msg(tally_tpm_policy_from_json(o, &tpm) == TALLY_OK, "%s", tally_why());
    json_decref(o);
    TALLY_SHA256_OF(nonce, tally_slice_of(want, 64));
    s.expect.report_data = want;
    s.expect.nonce = TALLY_SLICE(nonce);
    s.expect.measurements = (const uint8_t(*)[TALLY_MEASUREMENT_BYTES])none;
    const struct tally_azure_snp_policy policy = {&s.policy, &tpm};
    return tally_verify_azure_snp(&in, simulated_anchor(), 1, &policy, &s.expect, v);
}
