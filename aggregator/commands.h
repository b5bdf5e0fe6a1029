/* commands.h - the aggregator's commands: each takes the words behind its name and returns an exit
 * code (common/cli.h). */
#pragma once

int tally_cmd_init(int argc, char **argv);
int tally_cmd_federation_add(int argc, char **argv);
int tally_cmd_federation_sign(int argc, char **argv);
int tally_cmd_federation_show(int argc, char **argv);
int tally_cmd_federation_revoke(int argc, char **argv);
int tally_cmd_job_submit(int argc, char **argv);
int tally_cmd_job_show(int argc, char **argv);
int tally_cmd_serve(int argc, char **argv);
int tally_cmd_status(int argc, char **argv);
int tally_cmd_watch(int argc, char **argv);
int tally_cmd_models(int argc, char **argv);
int tally_cmd_export(int argc, char **argv);
