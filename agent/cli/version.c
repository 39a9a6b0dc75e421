// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane version: of this program and of the daemon, which may be another after an upgrade.
 */
#include "cli/cli.h"

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	pl_autojson json_t *versions = json_pack("{s:s}", "podlane", PL_VERSION);
	pl_autojson json_t *status = NULL;
	enum cli_exit rc = cli_call(cli, cli_request("status"), -1, &status), printed = CLI_OK;

	if (!rc)
		json_object_set(versions, "podlaned", json_object_get(status, "version"));
	if (cli->json) {
		printed = cli_print_json(cli, versions);
	} else {
		puts("podlane   " PL_VERSION);
		if (!rc)
			printf("podlaned  %s\n", cli_str(status, "version"));
	}
	return rc ? rc : printed;
}

const struct cli_command cli_version = {
	.name = "version",
	.summary = "Show the versions of command and daemon",
	.run = run,
};
