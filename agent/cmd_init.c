/* cmd_init.c - `tally-agent init`: a bank's keys, its configuration and the file for the owner. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/commands.h"
#include "agent/conf.h"
#include "common/cmd_init.h"

struct values {
    bool json, test, any_chip;
    const char *dir, *org, *node, *data, *grants;
    struct tally_cli_list chips, id_keys;
    int64_t threads;
};

#define AT(member) offsetof(struct values, member)
static const struct tally_cli_option options[] = {
    TALLY_CLI_OPT_NEED("dir", "DIR", AT(dir), "the folder to set up"),
    TALLY_CLI_OPT_NEED("org", "NAME", AT(org), "this bank's name in the federation"),
    TALLY_CLI_OPT_TEXT("node", "NAME", AT(node), "this agent's name (default: agent-1)"),
    TALLY_CLI_OPT_FLAG("test", AT(test), "for a test federation, with a simulated chip"),
    TALLY_CLI_OPT_LIST("chip", "HEX", AT(chips),
                       "digest of product and CHIP_ID of a machine it may run on"),
    TALLY_CLI_OPT_LIST("id-key", "HEX", AT(id_keys),
                       "or ID_KEY_DIGEST of its image, on shared hosts"),
    TALLY_CLI_OPT_FLAG("any-chip", AT(any_chip),
                       "or any machine: whoever gets the session key can then be this agent"),
    TALLY_CLI_OPT_TEXT("data", "FILE", AT(data), "the bank's rows (default: data.csv in DIR)"),
    TALLY_CLI_OPT_TEXT("grants", "HOW", AT(grants), "manual (default), or auto with --test"),
    TALLY_CLI_OPT_INT("threads", "N", AT(threads), 1, 256, "threads for training (default: 2)"),
    TALLY_CLI_OPT_FLAG("json", AT(json), "one JSON object on stdout"),
};
static const struct tally_cli_spec spec = {
    .about = "Sets up an agent: keys, agent.yaml, and agent.pub.json for the owner.",
    .options = options,
    .options_n = sizeof options / sizeof options[0]};

static enum tally_status check(const struct values *v)
{
    int machines = (v->chips.n > 0) + (v->id_keys.n > 0) + v->any_chip;

    TALLY_ENSURE(machines <= 1, TALLY_E_CONFIG, "give only one of --chip, --id-key and --any-chip");
    TALLY_ENSURE(v->test || machines == 1, TALLY_E_CONFIG,
                 "say which machine it runs on: --chip, --id-key or --any-chip");
    TALLY_ENSURE(v->grants == NULL || v->test || strcmp(v->grants, "auto") != 0, TALLY_E_CONFIG,
                 "--grants auto is allowed with --test only");
    return TALLY_OK;
}

/* A path on the command line starts where the user stands, one in the file at the file. */
static void set_data(const char *data, struct tally_agent_conf *c)
{
    char here[TALLY_CONF_PATH_SIZE / 2];

    if (data == NULL) return;
    if (*data == '/' || getcwd(here, sizeof here) == NULL)
        (void)snprintf(c->data, sizeof c->data, "%s", data);
    else
        (void)snprintf(c->data, sizeof c->data, "%s/%s", here, data);
}

static void fill(const struct values *v, struct tally_agent_conf *c)
{
    tally_conf_defaults(&tally_agent_conf_table, c);
    (void)snprintf(c->mode, sizeof c->mode, "%s", v->test ? "test" : "production");
    (void)snprintf(c->device.kind, sizeof c->device.kind, "%s", v->test ? "simulated" : "hardware");
    (void)snprintf(c->org, sizeof c->org, "%s", v->org);
    (void)snprintf(c->node, sizeof c->node, "%s", v->node);
    set_data(v->data, c);
    if (v->grants != NULL) (void)snprintf(c->grants, sizeof c->grants, "%s", v->grants);
    c->threads = v->threads;
}

static enum tally_status make(const struct values *v)
{
    struct tally_agent_conf c;
    struct tally_nodefile n = {.mode = v->test ? TALLY_MODE_TEST : TALLY_MODE_PRODUCTION,
                               .org = v->org,
                               .node = v->node,
                               .role = TALLY_ROLE_AGENT,
                               .chips = v->chips.items,
                               .chips_n = v->chips.n,
                               .id_keys = v->id_keys.items,
                               .id_keys_n = v->id_keys.n,
                               .any_chip = v->any_chip};
    struct tally_init in = {.dir = v->dir,
                            .conf_file = TALLY_AGENT_CONF_FILE,
                            .node_file = "agent.pub.json",
                            .table = &tally_agent_conf_table,
                            .values = &c,
                            .node = &n};

    TALLY_TRY(check(v));
    fill(v, &c);
    TALLY_TRY(tally_init_keys(v->dir, in.conf_file, &n));
    return tally_init_files(&in);
}

int tally_cmd_init(int argc, char **argv)
{
    struct values v = {.node = "agent-1", .threads = 2};

    int code = tally_cli_options(argc, argv, &spec, &v, NULL);
    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = make(&v);
    if (s != TALLY_OK) return tally_cli_fail(s, v.json, "init", NULL);
    if (v.any_chip) tally_cli_warn("%s/%s may run on any machine", v.org, v.node);
    if (v.json)
        return tally_cli_json(json_pack("{s:s, s:s, s:s}", "organisation", v.org, "node", v.node,
                                        "file", "agent.pub.json"));
    tally_cli_say(false,
                  "%s/%s is set up in %s. Next:\n"
                  "  give %s/agent.pub.json to the federation's owner\n"
                  "  move %s/document.key to where you keep such keys; signing commands need it\n"
                  "  read %s/" TALLY_AGENT_CONF_FILE,
                  v.org, v.node, v.dir, v.dir, v.dir, v.dir);
    return TALLY_EXIT_DONE;
}
