// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane help COMMAND: the same text as COMMAND --help.
 */
#include "cli/cli.h"

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	struct cli_args about;

	if (cli_parse(&cli_root, (int)args->n_words, (char *const *)args->words, &about, &cli->err))
		return CLI_USAGE;
	cli_print_help(&about, stdout);
	return CLI_OK;
}

const struct cli_command cli_help = {
	.name = "help",
	.args = "[COMMAND]",
	.summary = "Show the help of a command, as COMMAND --help does",
	.max_words = CLI_DEPTH_MAX,
	.word = CLI_WORD_COMMAND,
	.run = run,
};
