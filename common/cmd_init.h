/* cmd_init.h - what `init` of every program makes: keys, configuration, the file for the owner. */
#pragma once

#include "common/conf.h"
#include "common/nodefile.h"

struct tally_init {
    const char *dir;       /* made if it is missing */
    const char *conf_file; /* "agent.yaml" */
    const char *node_file; /* "agent.pub.json" */
    const struct tally_conf_table *table;
    const void *values; /* of the configuration */
    const struct tally_nodefile *node;
};

/* Makes document.key, keys/ and the key parts of *node. TALLY_E_STATE if dir was set up before. */
TALLY_RESULT tally_init_keys(const char *dir, const char *conf_file, struct tally_nodefile *node);

/* Writes the configuration (checked by reading it) and the node file. The configuration comes
 * last: where it is, init was completed. */
TALLY_RESULT tally_init_files(const struct tally_init *in);
