// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane endpoint del: removes an endpoint by its exact container id. Never by a prefix or a
 * pod's name: what is typed is what goes.
 */
#include "cli/cli.h"

static enum cli_exit fail_absent(struct cli *cli, const char *id, const char *ifname)
{
	json_t *request = cli_request("endpoint.show");
	pl_autojson json_t *reply = NULL;
	const json_t *other;

	json_object_set_new(request, "query", json_string(id));
	if (cli_call(cli, request, -1, &reply))
		return cli_fail(cli, -ENOENT, "there is no endpoint %s:%s (podlane endpoint list)",
				id, ifname);
	other = json_object_get(reply, "endpoint");
	return cli_fail(
		cli, -ENOENT,
		"there is no endpoint %s:%s: for the nearest one say podlane endpoint del %s "
		"--ifname %s",
		id, ifname, cli_str(other, "containerId"), cli_str(other, "ifname"));
}

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	const char *id = args->words[0];
	const char *ifname = cli_value(args, "ifname") ?: "eth0";
	json_t *request = cli_request("endpoint.del");
	pl_autojson json_t *reply = NULL;
	enum cli_exit rc;

	json_object_set_new(request, "containerId", json_string(id));
	json_object_set_new(request, "ifname", json_string(ifname));
	rc = cli_call(cli, request, -1, &reply);
	if (rc)
		return rc;
	if (!cli_bool(reply, "existed"))
		return fail_absent(cli, id, ifname);
	if (cli->json)
		return cli_print_json(cli, reply);
	printf("%s:%s is gone\n", id, ifname);
	return CLI_OK;
}

static const struct cli_option options[] = {
	{.name = "ifname", .arg = "NAME", .help = "its interface in the pod; default eth0"},
	{0},
};

const struct cli_command cli_endpoint_del = {
	.name = "del",
	.args = "CONTAINER",
	.summary = "Remove a pod's link and release its addresses",
	.about =
		"CONTAINER is the exact container id. What a container runtime made, it also removes:\n"
		"this is for endpoints that were added by hand.",
	.options = options,
	.min_words = 1,
	.max_words = 1,
	.word = CLI_WORD_CONTAINER,
	.run = run,
};
