/* tee_firmware.h - what is behind the played kernel: the chip's answers, in the firmware's and
 * Linux's exact bytes, written down here a second time and by numbers alone. */
#pragma once

#include "tests/lib/tee_kernel.h"

#define TEE_GET_REPORT 0xc0205300UL /* then the derived key, then the report with certificates */

/* The evidence's bytes over report_data; 0: refused. */
size_t tee_firmware_evidence(const struct tee_kernel *k, const uint8_t report_data[64],
                             uint32_t vmpl, uint8_t *out, size_t cap);
/* ioctls over the caller's structure: 0, or -1 with errno. */
int tee_firmware_report(const struct tee_kernel *k, void *arg, bool with_certs);
int tee_firmware_key(const struct tee_kernel *k, void *arg);
void tee_firmware_host_error(void *arg, uint32_t fw_error, uint32_t vmm_error);
