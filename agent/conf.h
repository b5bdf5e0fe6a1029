/* conf.h - the agent's configuration, agent.yaml (common/conf.h). The aggregator's address and keys
 * are not in it: they come from the federation document. */
#pragma once

#include "common/cmd_documents.h"
#include "common/conf.h"
#include "common/device_conf.h"

#define TALLY_AGENT_CONF_FILE "agent.yaml"

struct tally_agent_conf {
    char mode[TALLY_CONF_TEXT_SIZE]; /* "production" or "test" */
    char org[TALLY_CONF_TEXT_SIZE], node[TALLY_CONF_TEXT_SIZE];
    char state_dir[TALLY_CONF_PATH_SIZE], keys_dir[TALLY_CONF_PATH_SIZE];
    char document_key[TALLY_CONF_PATH_SIZE];
    char data[TALLY_CONF_PATH_SIZE];        /* the bank's rows, CSV */
    struct tally_device_conf device;
    char grants[TALLY_CONF_TEXT_SIZE]; /* "manual", in test mode also "auto" */
    int64_t threads;
    char compute[TALLY_CONF_TEXT_SIZE]; /* "cpu" or "auto" */
    char log_level[TALLY_CONF_TEXT_SIZE], log_format[TALLY_CONF_TEXT_SIZE];
};

extern const struct tally_conf_table tally_agent_conf_table;

/* <dir>/agent.yaml, with paths from there. Besides its own table's checks, `grants: auto` and
 * a simulated device are refused outside test mode. */
TALLY_RESULT tally_agent_conf_load(const char *dir, struct tally_agent_conf *out);

/* What the document commands need of it. */
void tally_agent_place_of(const struct tally_agent_conf *c, struct tally_place *out);
TALLY_RESULT tally_agent_place(const char *dir, struct tally_place *out);
