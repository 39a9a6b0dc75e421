// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane log-level: reads or changes how much the running daemon writes, until its next start.
 */
#include "cli/cli.h"
#include "common/log.h"

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	json_t *request = cli_request("log.level");
	pl_autojson json_t *reply = NULL;
	enum pl_log_level level;
	enum cli_exit rc;

	if (args->n_words && pl_log_level_parse(args->words[0], &level)) {
		json_decref(request);
		return cli_usage_error(cli, "'%s' is not a valid level: error, warn, info or debug",
				       args->words[0]);
	}
	if (args->n_words)
		json_object_set_new(request, "level", json_string(args->words[0]));
	rc = cli_call(cli, request, -1, &reply);
	if (rc)
		return rc;
	if (cli->json)
		return cli_print_json(cli, reply);
	puts(cli_str(reply, "level"));
	return CLI_OK;
}

const struct cli_command cli_log_level = {
	.name = "log-level",
	.args = "[LEVEL]",
	.summary = "Show or set the daemon's log level",
	.about =
		"The level holds until the daemon's next start; logLevel in podlaned.json(5) lasts.",
	.max_words = 1,
	.word = CLI_WORD_LEVEL,
	.run = run,
};
