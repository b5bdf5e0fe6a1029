/* vtpm_relay.h - between vtpm.c and vtpm_relay.c alone. */
#pragma once

#include "tests/lib/vtpm.h"

struct vtpm_ends {
    int data, control;                    /* listening, for the caller */
    const char *data_path, *control_path; /* the software TPM's */
};

/* Relays until the process is ended. */
__attribute__((noreturn)) void vtpm_relay(const struct vtpm_ends *e, struct vtpm_play *p);

/* -1 if nobody listens there. */
int vtpm_connect(const char *path);

/* These run before there is a test, so they end the program. */
__attribute__((noreturn)) void vtpm_die(const char *what, int line);
#define VTPM_NEED(cond) ((cond) ? (void)0 : vtpm_die(#cond, __LINE__))
