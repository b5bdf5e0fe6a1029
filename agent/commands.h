/* commands.h - the agent's commands: each takes the words behind its name and returns an exit code
 * (common/cli.h). */
#pragma once

int tally_cmd_init(int argc, char **argv);
int tally_cmd_federation_sign(int argc, char **argv);
int tally_cmd_federation_show(int argc, char **argv);
int tally_cmd_federation_revoke(int argc, char **argv);
int tally_cmd_grant_show(int argc, char **argv);
int tally_cmd_grant_sign(int argc, char **argv);
int tally_cmd_run(int argc, char **argv);
int tally_cmd_check(int argc, char **argv);
