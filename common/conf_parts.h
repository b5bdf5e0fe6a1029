/* conf_parts.h - what conf.c (reading) and conf_value.c (values of the table's types) share. */
#pragma once

#include "common/conf.h"

/* One scalar into its key's place. `plain`: written without quotes, as numbers and booleans are.
 * TALLY_E_CONFIG with only "expected ..." as reason. */
TALLY_RESULT tally_conf_store(const struct tally_conf_key *k, const char *folder, const char *text,
                              bool plain, void *values);
/* "expected an integer from 1 to 64" for messages and comments. */
enum { TALLY_CONF_EXPECTED_SIZE = 256 };
void tally_conf_expected(const struct tally_conf_key *k, char out[TALLY_CONF_EXPECTED_SIZE]);
