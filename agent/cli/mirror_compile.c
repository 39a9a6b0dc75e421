// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane mirror compile: from a filter's words to the program that the daemon takes. The daemon
 * runs it for the filters of its configuration.
 */
#include "cli/mirror_text.h"

#include "filter/filter.h"

enum cli_exit cli_mirror_program(struct cli *cli, const char *expr, char **ret)
{
	pl_cleanup(pl_filter_freep) struct pl_filter *f = NULL;

	if (pl_filter_compile(expr, &f, &cli->err) < 0)
		return CLI_FAILED;
	*ret = pl_filter_format(f);
	return *ret ? CLI_OK : cli_out_of_memory(cli);
}

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	pl_autofree char *program = NULL;
	enum cli_exit rc = cli_mirror_program(cli, args->words[0], &program);

	if (rc)
		return rc;
	if (cli->json) {
		pl_autojson json_t *j =
			json_pack("{s:s, s:s}", "filter", args->words[0], "program", program);

		return j ? cli_print_json(cli, j) : cli_out_of_memory(cli);
	}
	puts(program);
	return CLI_OK;
}

const struct cli_command cli_mirror_compile = {
	.name = "compile",
	.args = "EXPRESSION",
	.summary = "Compile a tcpdump filter expression",
	.about =
		"Prints classic BPF as numbers, as tcpdump -ddd does, with commas instead of newlines.\n"
		"Needs no daemon.",
	.min_words = 1,
	.max_words = 1,
	.run = run,
};
