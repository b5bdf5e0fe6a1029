/* main.c - tally-aggregator: the model owner's program. */
#include "aggregator/commands.h"
#include "common/cli.h"
#include "common/secret.h"

#define CMD TALLY_CLI_COMMAND
static const struct tally_cli_command federation[] = {
    CMD("add", tally_cmd_federation_add, "a bank's file, a measurement, or collected signatures"),
    CMD("sign", tally_cmd_federation_sign, "make the draft the document and sign it"),
    CMD("show", tally_cmd_federation_show, "what a document says and who signed it"),
    CMD("revoke", tally_cmd_federation_revoke, "take a measurement, chip, node or key out of use"),
};
static const struct tally_cli_command job[] = {
    CMD("submit", tally_cmd_job_submit, "check and sign a job for the banks to sign"),
    CMD("show", tally_cmd_job_show, "the jobs that are kept and who signed them"),
};
static const struct tally_cli_command commands[] = {
    CMD("init", tally_cmd_init, "make keys, configuration and a draft of the federation"),
    TALLY_CLI_GROUP("federation", federation, "the document that says who takes part"),
    TALLY_CLI_GROUP("job", job, "what is trained"),
    CMD("serve", tally_cmd_serve, "serve the agents until stopped"),
    CMD("status", tally_cmd_status, "who is connected and what each round is at"),
    CMD("watch", tally_cmd_watch, "the status again and again until every job is over"),
    CMD("models", tally_cmd_models, "list the published versions"),
    CMD("export", tally_cmd_export, "write a version and its lineage to files"),
};
static const struct tally_cli_program program = {
    .name = "tally-aggregator",
    .about = "runs federated training among parties that prove themselves",
    .commands = commands,
    .commands_n = sizeof commands / sizeof commands[0]};

int main(int argc, char **argv)
{
    enum tally_status s = tally_secret_setup();

    if (s != TALLY_OK) return tally_cli_fail(s, false, "start", NULL);
    return tally_cli_main(&program, argc, argv);
}
