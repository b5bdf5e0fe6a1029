/* sim_file.h - the files that hold simulated hardware's secrets. */
#pragma once

#include "common/secret.h"

enum { TALLY_SIM_FILE_MAX = 32 * 1024 };

/* A new file, mode 0600, synced; TALLY_E_IO if there is one already. */
TALLY_RESULT tally_sim_file_write(const char *path, struct tally_slice bytes);
/* The whole file in guarded memory; the caller frees it. */
TALLY_RESULT tally_sim_file_read(const char *path, struct tally_secret *out);
