/* device_hardware.c - which TEE this machine is: tally_device_open_hardware (device.h). */
#include <stdio.h>
#include <string.h>

#include "common/attest/device_ops.h"
#include "common/attest/quote_sev_guest.h"
#include "common/attest/quote_tsm.h"

enum { WHY_SIZE = 256 };

static enum tally_status keep(const char *from, char to[TALLY_DEVICE_PATH_SIZE])
{
    int n = snprintf(to, TALLY_DEVICE_PATH_SIZE, "%s", from != NULL ? from : "");

    TALLY_ENSURE(n >= 0 && n < TALLY_DEVICE_PATH_SIZE, TALLY_E_CONFIG, "%.60s...: too long a path",
                 from);
    return TALLY_OK;
}

static enum tally_status keep_all(const struct tally_device_files *f, struct tally_device_paths *p)
{
    TALLY_TRY(keep(f->vek, p->vek));
    TALLY_TRY(keep(f->issuer, p->issuer));
    TALLY_TRY(keep(f->crl, p->crl));
    return keep(f->collateral, p->collateral);
}

enum tally_status tally_device_open_on(const struct tally_quote_sys *sys,
                                       const struct tally_device_files *files,
                                       struct tally_device **out)
{
    struct tally_device_paths paths;
    enum tally_tsm_provider provider = TALLY_TSM_SEV_GUEST;
    char why[WHY_SIZE];

    TALLY_TRY(keep_all(files, &paths));
    enum tally_status s = tally_tsm_provider(sys, &provider);
    if (s == TALLY_OK && provider == TALLY_TSM_TDX_GUEST)
        return tally_device_tdx_open(sys, &paths, out);
    if (s == TALLY_OK) return tally_device_snp_open(sys, true, &paths, out);
    if (s != TALLY_E_STATE) return s;
    (void)snprintf(why, sizeof why, "%s", tally_why_text());
    s = tally_sev_guest_there(sys);
    if (s == TALLY_OK) return tally_device_snp_open(sys, false, &paths, out);
    if (s != TALLY_E_STATE) return s;
    return TALLY_FAIL(TALLY_E_STATE, "no TEE on this machine: %s; and %s", why, tally_why_text());
}

enum tally_status tally_device_open_hardware(const struct tally_device_files *files,
                                             struct tally_device **out)
{
    return tally_device_open_on(&tally_quote_sys_kernel, files, out);
}
