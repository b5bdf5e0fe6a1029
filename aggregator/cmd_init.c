/* cmd_init.c - `tally-aggregator init`: the owner's keys, configuration and draft of the federation
 * document; in test mode also the federation's own root of trust and a simulated chip. */
#include <stdio.h>
#include <string.h>

#include "aggregator/commands.h"
#include "aggregator/conf.h"
#include "aggregator/draft.h"
#include "aggregator/testchips.h"
#include "common/cmd_init.h"
#include "common/jsonread.h"

struct values {
    bool json, test, any_chip;
    const char *dir, *org, *node, *endpoint, *bind, *name, *tee;
    struct tally_cli_list chips, id_keys;
};

#define AT(member) offsetof(struct values, member)
static const struct tally_cli_option options[] = {
    TALLY_CLI_OPT_NEED("dir", "DIR", AT(dir), "the folder to set up"),
    TALLY_CLI_OPT_NEED("endpoint", "tcp://HOST:PORT", AT(endpoint), "where the agents find it"),
    TALLY_CLI_OPT_TEXT("bind", "tcp://ADDRESS:PORT", AT(bind),
                       "where it listens (default: tcp://*:PORT)"),
    TALLY_CLI_OPT_TEXT("name", "NAME", AT(name), "the federation's name (default: federation)"),
    TALLY_CLI_OPT_TEXT("org", "NAME", AT(org), "the owner's name in it (default: owner)"),
    TALLY_CLI_OPT_TEXT("node", "NAME", AT(node), "this node's name (default: aggregator)"),
    TALLY_CLI_OPT_FLAG("test", AT(test), "a test federation: its own root and simulated chips"),
    TALLY_CLI_OPT_TEXT("tee", "snp|tdx", AT(tee),
                       "with --test: which machine is simulated here (default: snp)"),
    TALLY_CLI_OPT_LIST("chip", "HEX", AT(chips),
                       "digest of product and CHIP_ID of a machine it may run on"),
    TALLY_CLI_OPT_LIST("id-key", "HEX", AT(id_keys),
                       "or ID_KEY_DIGEST of its image, on shared hosts"),
    TALLY_CLI_OPT_FLAG("any-chip", AT(any_chip),
                       "or any machine: whoever gets the session key can then be the aggregator"),
    TALLY_CLI_OPT_FLAG("json", AT(json), "one JSON object on stdout"),
};
static const struct tally_cli_spec spec = {
    .about = "Sets up an aggregator: keys, aggregator.yaml, and a draft of the federation.",
    .options = options,
    .options_n = sizeof options / sizeof options[0]};

static enum tally_status check(const struct values *v)
{
    int machines = (v->chips.n > 0) + (v->id_keys.n > 0) + v->any_chip;

    TALLY_ENSURE(v->test ? machines == 0 : machines == 1, TALLY_E_CONFIG, "%s",
                 v->test ? "a test federation makes its own chip: no --chip, --id-key, --any-chip"
                         : "say which machine it runs on: --chip, --id-key or --any-chip");
    TALLY_ENSURE(v->tee == NULL || v->test, TALLY_E_CONFIG, "--tee is with --test only");
    TALLY_ENSURE(tally_name_ok(tally_slice_str(v->name)), TALLY_E_CONFIG,
                 "\"%.70s\" is no name for a federation: 1 to %d of a-z 0-9 . _ -", v->name,
                 TALLY_NAME_MAX);
    TALLY_ENSURE(strrchr(v->endpoint, ':') != NULL, TALLY_E_CONFIG,
                 "\"%.70s\": expected tcp://HOST:PORT", v->endpoint);
    return TALLY_OK;
}

static void fill(const struct values *v, struct tally_aggregator_conf *c)
{
    tally_conf_defaults(&tally_aggregator_conf_table, c);
    (void)snprintf(c->mode, sizeof c->mode, "%s", v->test ? "test" : "production");
    (void)snprintf(c->device.kind, sizeof c->device.kind, "%s", v->test ? "simulated" : "hardware");
    (void)snprintf(c->org, sizeof c->org, "%s", v->org);
    (void)snprintf(c->node, sizeof c->node, "%s", v->node);
    if (v->bind != NULL)
        (void)snprintf(c->bind, sizeof c->bind, "%s", v->bind);
    else
        (void)snprintf(c->bind, sizeof c->bind, "tcp://*%s", strrchr(v->endpoint, ':'));
}

/* The draft with the owner alone in it; snp, own: empty in production. */
static enum tally_status make_draft(const struct values *v, const struct tally_nodefile *n,
                                    const struct tally_testroot *snp,
                                    const struct tally_testchip *own)
{
    TALLY_CLEANUP(tally_json_free) json_t *file = tally_nodefile_json(n);
    TALLY_CLEANUP(tally_json_free) json_t *party = NULL;
    TALLY_CLEANUP(tally_json_free) json_t *draft = NULL;
    char *text = file != NULL ? json_dumps(file, 0) : NULL;

    TALLY_ENSURE(text != NULL, TALLY_E_NOMEM, "no memory for the draft");
    enum tally_status s = tally_nodefile_read(tally_slice_str(text), "the node", n->mode, &party);
    free(text);
    TALLY_TRY(s);
    TALLY_TRY(tally_federation_check_party(party));
    TALLY_TRY(tally_draft_new(n->mode, v->name, party, tally_slice_of(snp->at, snp->len), &draft));
    if (own->tee == TALLY_EVIDENCE_TDX)
        TALLY_TRY(tally_draft_add_tdx(draft, n->mode, tally_slice_of(own->root.at, own->root.len)));
    return tally_draft_save(v->dir, draft);
}

static enum tally_status make(const struct values *v)
{
    struct tally_aggregator_conf c;
    struct tally_testroot snp = {.len = 0};
    struct tally_testchip chip = {0};
    enum tally_evidence_kind tee;
    const char *chip_hex = chip.digest;
    struct tally_nodefile n = {.mode = v->test ? TALLY_MODE_TEST : TALLY_MODE_PRODUCTION,
                               .org = v->org,
                               .node = v->node,
                               .endpoint = v->endpoint,
                               .role = TALLY_ROLE_AGGREGATOR,
                               .chips = v->chips.items,
                               .chips_n = v->chips.n,
                               .id_keys = v->id_keys.items,
                               .id_keys_n = v->id_keys.n,
                               .any_chip = v->any_chip};
    struct tally_init in = {.dir = v->dir,
                            .conf_file = TALLY_AGGREGATOR_CONF_FILE,
                            .node_file = "aggregator.pub.json",
                            .table = &tally_aggregator_conf_table,
                            .values = &c,
                            .node = &n};

    TALLY_TRY(check(v));
    TALLY_TRY(tally_draft_tee(v->tee, &tee));
    fill(v, &c);
    TALLY_TRY(tally_init_keys(v->dir, in.conf_file, &n));
    if (v->test) {
        TALLY_TRY(tally_testchips_found(v->dir, tally_now_s(), &snp));
        TALLY_TRY(tally_testchips_own(v->dir, tee, tally_now_s(), &chip));
        n.chips = &chip_hex;
        n.chips_n = 1;
    }
    TALLY_TRY(make_draft(v, &n, &snp, &chip));
    return tally_init_files(&in);
}

int tally_cmd_init(int argc, char **argv)
{
    struct values v = {.org = "owner", .node = "aggregator", .name = "federation"};

    int code = tally_cli_options(argc, argv, &spec, &v, NULL);
    if (code != TALLY_CLI_GO) return code;
    enum tally_status s = make(&v);
    if (s != TALLY_OK) return tally_cli_fail(s, v.json, "init", NULL);
    if (v.json)
        return tally_cli_json(json_pack("{s:s, s:s, s:s}", "organisation", v.org, "node", v.node,
                                        "draft", TALLY_DRAFT_FILE));
    tally_cli_say(false,
                  "%s/%s is set up in %s. Next, in that folder:\n"
                  "  tally-aggregator federation add BANK/agent.pub.json     for every bank\n"
                  "  tally-aggregator federation add --measurement agent:FILE --measurement "
                  "aggregator:FILE\n"
                  "  read " TALLY_DRAFT_FILE " and change what should be otherwise\n"
                  "  tally-aggregator federation sign",
                  v.org, v.node, v.dir);
    return TALLY_EXIT_DONE;
}
