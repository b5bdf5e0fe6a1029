/* main.c - tally-agent: a bank's program. */
#include "agent/cmd_evidence.h"
#include "agent/commands.h"
#include "common/cli.h"
#include "common/secret.h"

#define CMD TALLY_CLI_COMMAND
static const struct tally_cli_command federation[] = {
    CMD("sign", tally_cmd_federation_sign, "sign the owner's document, take it into use"),
    CMD("show", tally_cmd_federation_show, "what a document says and who signed it"),
    CMD("revoke", tally_cmd_federation_revoke, "take a measurement, chip, node or key out of use"),
};
static const struct tally_cli_command grant[] = {
    CMD("show", tally_cmd_grant_show, "the jobs that wait for this bank's signature"),
    CMD("sign", tally_cmd_grant_sign, "let a job use this bank's rows"),
};
static const struct tally_cli_command commands[] = {
    CMD("init", tally_cmd_init, "make keys, configuration and the file for the owner"),
    TALLY_CLI_GROUP("federation", federation, "the document that says who takes part"),
    TALLY_CLI_GROUP("grant", grant, "this bank's permission for a job"),
    CMD("check", tally_cmd_check, "everything short of training, each problem with its fix"),
    CMD("run", tally_cmd_run, "take part in the federation's jobs until stopped"),
    CMD("evidence", tally_cmd_evidence, "verify, show or collect attestation evidence"),
};
static const struct tally_cli_program program = {
    .name = "tally-agent",
    .about = "trains on a bank's rows where they are, and proves what it is",
    .commands = commands,
    .commands_n = sizeof commands / sizeof commands[0]};

int main(int argc, char **argv)
{
    enum tally_status s = tally_secret_setup();

    if (s != TALLY_OK) return tally_cli_fail(s, false, "start", NULL);
    return tally_cli_main(&program, argc, argv);
}
