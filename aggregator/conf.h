/* conf.h - the aggregator's configuration, aggregator.yaml (common/conf.h). */
#pragma once

#include "common/cmd_documents.h"
#include "common/conf.h"
#include "common/device_conf.h"

#define TALLY_AGGREGATOR_CONF_FILE "aggregator.yaml"

struct tally_aggregator_conf {
    char mode[TALLY_CONF_TEXT_SIZE]; /* "production" or "test" */
    char org[TALLY_CONF_TEXT_SIZE], node[TALLY_CONF_TEXT_SIZE];
    char bind[TALLY_CONF_TEXT_SIZE]; /* a ZeroMQ endpoint */
    char state_dir[TALLY_CONF_PATH_SIZE], keys_dir[TALLY_CONF_PATH_SIZE];
    char document_key[TALLY_CONF_PATH_SIZE];
    struct tally_device_conf device;
    char status_socket[TALLY_CONF_PATH_SIZE];
    int64_t threads;
    char log_level[TALLY_CONF_TEXT_SIZE], log_format[TALLY_CONF_TEXT_SIZE];
};

extern const struct tally_conf_table tally_aggregator_conf_table;

/* <dir>/aggregator.yaml, with paths from there. Besides its own table's checks, a simulated device
 * is refused outside test mode. */
TALLY_RESULT tally_aggregator_conf_load(const char *dir, struct tally_aggregator_conf *out);

/* What the document commands need of it. */
void tally_aggregator_place_of(const struct tally_aggregator_conf *c, struct tally_place *out);
TALLY_RESULT tally_aggregator_place(const char *dir, struct tally_place *out);
