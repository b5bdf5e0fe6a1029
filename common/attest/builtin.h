/* builtin.h - the vendors' public certificates that the programs are built with:
 * common/attest/roots/, DER files turned into arrays by the build. Roots are trusted through
 * anchors.h alone; issuers and CRLs stand in where a caller gives none and are verified like any
 * given ones. */
#pragma once

#include "common/bytes.h"

/* By file name without ".der": "genoa_ark", "turin_asvk", "milan_crl", "intel_sgx_root",
 * "nvidia_device_root"; an empty slice (at == NULL) where there is none. */
struct tally_slice tally_builtin(const char *name);
