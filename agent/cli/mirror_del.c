// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane mirror del: ends a session.
 */
#include "cli/mirror_text.h"

#include <inttypes.h>

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	json_t *request = cli_request("mirror.del");
	pl_autojson json_t *reply = NULL;
	const json_t *mirror;
	enum cli_exit rc;

	json_object_set_new(request, "name", json_string(args->words[0]));
	rc = cli_call(cli, request, -1, &reply);
	if (rc)
		return rc;
	if (cli->json)
		return cli_print_json(cli, reply);
	mirror = json_object_get(reply, "mirror");
	printf("deleted %s; it sent %" PRIu64 " copies\n", args->words[0],
	       cli_mirror_counter(mirror, "sent"));
	return CLI_OK;
}

const struct cli_command cli_mirror_del = {
	.name = "del",
	.alias = "rm",
	.args = "NAME",
	.summary = "Delete a mirror session",
	.min_words = 1,
	.max_words = 1,
	.word = CLI_WORD_MIRROR,
	.run = run,
};
