/* conf.c - see conf.h. */
#include "agent/conf.h"

#include <stdio.h>
#include <string.h>

#define AT(member) offsetof(struct tally_agent_conf, member)

static const char *const modes[] = {"production", "test", NULL};
static const char *const grants[] = {"manual", "auto", NULL};
static const char *const computes[] = {"cpu", "auto", NULL};
static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const formats[] = {"text", "json", NULL};

static const struct tally_conf_key keys[] = {
    TALLY_CONF_KEY(
        "mode", TALLY_CONF_CHOICE, AT(mode), 0, 0, modes, "production",
        "Which federation documents this agent accepts; a test federation's chips are simulated."),
    TALLY_CONF_KEY("org", TALLY_CONF_NAME, AT(org), 0, 0, NULL, NULL,
                   "This bank, as the federation document names it."),
    TALLY_CONF_KEY("node", TALLY_CONF_NAME, AT(node), 0, 0, NULL, "agent-1",
                   "This agent, as the federation document names it."),
    TALLY_CONF_KEY("state_dir", TALLY_CONF_PATH, AT(state_dir), 0, 0, NULL, "state",
                   "What must survive a restart: documents, jobs, sealed keys, versions."),
    TALLY_CONF_KEY("keys_dir", TALLY_CONF_PATH, AT(keys_dir), 0, 0, NULL, "keys",
                   "The session key and the CURVE key."),
    TALLY_CONF_KEY("document_key", TALLY_CONF_PATH, AT(document_key), 0, 0, NULL, "document.key",
                   "The key that signs documents. Keep it offline; only signing commands read it."),
    TALLY_CONF_KEY("data", TALLY_CONF_PATH, AT(data), 0, 0, NULL, "data.csv",
                   "This bank's rows: a CSV file with a header. It never leaves this machine."),
    TALLY_DEVICE_CONF_KEYS(AT(device)),
    TALLY_CONF_KEY(
        "grants", TALLY_CONF_CHOICE, AT(grants), 0, 0, grants, "manual",
        "manual: the bank signs each job (grant sign). auto, in test mode only: this agent does."),
    TALLY_CONF_KEY("threads", TALLY_CONF_INT, AT(threads), 1, 256, NULL, "2",
                   "Threads for training."),
    TALLY_CONF_KEY(
        "compute", TALLY_CONF_CHOICE, AT(compute), 0, 0, computes, "cpu",
        "auto: train on a GPU if one is there. The rows then leave this machine's memory "
        "for the GPU's."),
    TALLY_CONF_KEY("log.level", TALLY_CONF_CHOICE, AT(log_level), 0, 0, levels, "info",
                   "The least urgent lines that are logged."),
    TALLY_CONF_KEY("log.format", TALLY_CONF_CHOICE, AT(log_format), 0, 0, formats, "text",
                   "Lines for people or JSON lines, on standard error."),
};

const struct tally_conf_table tally_agent_conf_table = {
    .about = "Configuration of tally-agent. Paths start at this file's folder.",
    .keys = keys,
    .keys_n = sizeof keys / sizeof keys[0],
    .values_bytes = sizeof(struct tally_agent_conf),
};

enum tally_status tally_agent_conf_load(const char *dir, struct tally_agent_conf *out)
{
    char file[TALLY_CONF_PATH_SIZE];
    struct tally_agent_conf c;

    (void)snprintf(file, sizeof file, "%s/%s", dir, TALLY_AGENT_CONF_FILE);
    TALLY_TRY(tally_conf_load(&tally_agent_conf_table, file, &c));
    TALLY_ENSURE(strcmp(c.grants, "auto") != 0 || strcmp(c.mode, "test") == 0, TALLY_E_CONFIG,
                 "%s: grants: expected manual, for auto is allowed in test mode only", file);
    TALLY_TRY(tally_device_conf_check(&c.device, c.mode, file));
    *out = c;
    return TALLY_OK;
}

void tally_agent_place_of(const struct tally_agent_conf *c, struct tally_place *out)
{
    *out = (struct tally_place){.store.mode = strcmp(c->mode, "test") == 0 ? TALLY_MODE_TEST
                                                                           : TALLY_MODE_PRODUCTION};
    (void)snprintf(out->store.dir, sizeof out->store.dir, "%s", c->state_dir);
    (void)snprintf(out->store.org, sizeof out->store.org, "%.*s", TALLY_NAME_MAX, c->org);
    (void)snprintf(out->node, sizeof out->node, "%.*s", TALLY_NAME_MAX, c->node);
    (void)snprintf(out->keys_dir, sizeof out->keys_dir, "%s", c->keys_dir);
    (void)snprintf(out->document_key, sizeof out->document_key, "%s", c->document_key);
}

enum tally_status tally_agent_place(const char *dir, struct tally_place *out)
{
    struct tally_agent_conf c;

    TALLY_TRY(tally_agent_conf_load(dir, &c));
    tally_agent_place_of(&c, out);
    return TALLY_OK;
}
