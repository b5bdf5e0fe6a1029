/* status.h - the status socket seen from a command: where it is, what it says, how people see it.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <sys/un.h>

#include "common/status.h"

enum { TALLY_STATUS_BYTES_MAX = 64 << 20, TALLY_STATUS_WAIT_MS = 5000 };

/* The address of a socket however long its path is: through its folder's descriptor, which the
 * caller closes after bind or connect. */
TALLY_RESULT tally_status_address(const char *path, struct sockaddr_un *a, int *dir);

/* Asks the running aggregator; TALLY_E_IO if there is none. The caller decrefs *out. */
TALLY_RESULT tally_status_ask(const char *path, json_t **out);

/* The same for people, on stdout: nodes, jobs, the last rounds. */
void tally_status_print(const json_t *status);
