/* tee_kernel.h - a Linux kernel in a confidential VM, played: configfs-tsm and /dev/sev-guest with
 * the semantics of the real ones, over a simulated chip's evidence or over bytes that were
 * captured, and with every error that the interfaces can give on request. Unit tests use it as a
 * table of system calls; tests/shim puts it under a whole program.
 *
 * As in Linux: binary files take what was written when they are closed and tell nobody if that
 * fails; each change of a request counts its generation up; reading evidence anew asks the TEE
 * anew when the request changed; a table of certificates that is too small is told apart. */
#pragma once

#include "common/attest/quote_sys.h"
#include "common/attest/sim_chip.h"

enum { TEE_FAULTS_MAX = 16, TEE_CERTS_MAX = 16 * 1024 };

/* The step fails with this errno so many times (-1: always). Steps: "base" and "dev" (open),
 * "mkdir", "rmdir", an attribute's name (its read or write) or name + ".open", "inblob.close" (what
 * was written is lost), "report", "ext", "key" (an ioctl). */
struct tee_fault {
    char step[24];
    int number, times;
};

struct tee_kernel {
    bool tsm, sev_guest; /* which interfaces there are */
    char provider[64];   /* as the kernel writes it, without the line's end */
    int privlevel_floor; /* -1: a kernel without levels */
    /* Evidence: of this chip for this guest, or captured. */
    const struct tally_sim_chip *chip;
    struct tally_snp_report guest;
    struct tally_slice captured;
    size_t report_data_at;    /* where captured evidence takes the caller's bytes; 0: it does not */
    struct tally_slice certs; /* the host's certificate table */
    bool no_auxblob;          /* the file is missing */
    /* Firmware: does it know VLEKs, and is one loaded? */
    bool knows_vlek, has_vlek;
    uint32_t status; /* of every answer; 0: good */
    /* What goes wrong. */
    struct tee_fault faults[TEE_FAULTS_MAX];
    uint32_t vmm_error, fw_error; /* with a failing ioctl */
    uint32_t wants_certs_len;     /* what the host says it needs; 0: the table's size */
    size_t read_max;              /* most bytes that one read gives; 0: any */
    size_t padded;                /* zeros after the evidence */
    bool endless;                 /* outblob never ends */
    char odd_number[64];          /* what generation says; "": the number */
    int other_writers;            /* how many requests somebody else writes to; -1: all */
    /* What was seen. */
    unsigned files_open, folders, requests, reports, slept_ms;
};

/* The one that is played; all zero after tee_kernel_reset, which closes what was left open. */
struct tee_kernel *tee_kernel(void);
void tee_kernel_reset(void);
void tee_kernel_fault(const char *step, int number, int times);

extern const struct tally_quote_sys tee_kernel_sys;

/* Is this path, or this open file, the played kernel's? */
bool tee_kernel_path(const char *path);
bool tee_kernel_fd(int fd);

/* A certificate table with this chip's VCEK, ASK and ARK; the number of bytes. */
size_t tee_kernel_certs(const struct tally_sim_chip *c, uint8_t out[TEE_CERTS_MAX]);
