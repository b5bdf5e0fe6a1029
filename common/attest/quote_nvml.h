/* quote_nvml.h - evidence of this machine's NVIDIA GPUs, through the driver's own library
 * (nvml_abi.h; ATTESTATION.md C6.4).
 *
 * Only device_*.c includes this header: a GPU report over a nonce of somebody else's choice would
 * let his machine borrow our GPUs (ATTESTATION.md C5.1), so the nonce is always the one that the
 * device derived. What a program may ask is in describe.h.
 *
 * Evidence takes the GPU hundreds of milliseconds. GPUs are asked one at a time, and one thread at
 * a time uses a handle. NVSwitch evidence needs another, closed interface: switches are verified
 * as input (TALLY_DEVICE_NVSWITCH in evidence.h), never collected here.
 *
 * Codes: TALLY_E_STATE where this machine has no such thing (library, symbol, support, GPU);
 * TALLY_E_IO where the driver failed (its number and meaning in the text); TALLY_E_LIB where its
 * answer makes no sense; a refusal by name where the GPUs are not in the one state in which their
 * evidence means anything (struct tally_nvml_trouble), or their chain is no PEM (E_CERT_PARSE). */
#pragma once

#include "common/attest/evidence.h"

enum {
    TALLY_NVML_NONCE_BYTES = 32,
    TALLY_NVML_CERTS_MAX = 8, /* in an attestation chain; real ones have 5 */
    TALLY_NVML_TEXT_SIZE = 96,
};

/* One GPU's evidence, as EV carries it; `device` borrows the bytes that `owned` holds. */
struct tally_gpu_evidence {
    struct tally_device_evidence device;
    uint8_t *owned;
};
void tally_gpu_evidence_free(struct tally_gpu_evidence *list, uint32_t n); /* idempotent */

/* What the driver says of itself. */
struct tally_nvml_state {
    char driver[TALLY_NVML_TEXT_SIZE];
    uint32_t gpus;        /* 0..TALLY_DEVICES_MAX */
    uint32_t environment; /* NVML_ENVIRONMENT_* */
    uint32_t multi_gpu;   /* NVML_MULTI_GPU_* */
    bool cc_on, dev_tools, ready;
};

struct tally_nvml;

/* Loads and starts the library. TALLY_E_STATE if it is not installed. */
TALLY_RESULT tally_nvml_open(struct tally_nvml **out);
void tally_nvml_close(struct tally_nvml **n); /* idempotent */

TALLY_RESULT tally_nvml_state(struct tally_nvml *n, struct tally_nvml_state *out);

/* NONE if GPUs in this state can prove anything; else E_GPU_COUNT (there are none), E_POLICY_FLAG
 * (confidential computing is off), E_POLICY_DEBUG (developer tools are on) or E_TRUST_CLASS (a
 * simulated or unknown environment), and what to do about it. */
struct tally_nvml_trouble {
    enum tally_reason reason;
    const char *what, *fix;
};
struct tally_nvml_trouble tally_nvml_trouble(const struct tally_nvml_state *s);

/* Text about one GPU, for people. */
struct tally_nvml_gpu {
    char uuid[TALLY_NVML_TEXT_SIZE], vbios[TALLY_NVML_TEXT_SIZE];
    const char *architecture; /* "Hopper", "Blackwell", "unknown" */
};
TALLY_RESULT tally_nvml_gpu(struct tally_nvml *n, uint32_t i, struct tally_nvml_gpu *out);

/* Evidence of every GPU over this nonce, in the driver's order: all of them or an error. Refuses a
 * state with a trouble, by its reason. out: max places; *n how many were filled; free with
 * tally_gpu_evidence_free. TALLY_E_LIMIT for more GPUs than places. The driver's answer must hold
 * the nonce asked for; nothing else in it is judged here. */
TALLY_RESULT tally_nvml_collect(struct tally_nvml *nvml,
                                const uint8_t nonce[TALLY_NVML_NONCE_BYTES],
                                struct tally_gpu_evidence *out, uint32_t max, uint32_t *n);

/* Lets the GPUs take work. To be called after our own verification of what tally_nvml_collect gave
 * succeeded, and not before; TALLY_E_STATE unless this handle collected all GPUs' evidence since it
 * was opened. Reads the state back. Needs root. */
TALLY_RESULT tally_nvml_set_ready(struct tally_nvml *n);
