// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane endpoint del: removes an endpoint by any name that endpoint show takes. The daemon is
 * asked first which endpoint that is, then told to remove this one by its container id.
 */
#include "cli/cli.h"

/* "red:eth1" for red and --ifname eth1. */
static const char *full_name(const struct cli_args *args, char *buf, size_t size)
{
	const char *ifname = cli_value(args, "ifname");

	snprintf(buf, size, "%s%s%s", args->words[0], ifname ? ":" : "", ifname ?: "");
	return buf;
}

/*
 * No endpoint has this name. There may be a link of a container whose record was lost; the daemon
 * knows such a link by the container id and the interface alone.
 */
static enum cli_exit delete_unrecorded(struct cli *cli, const char *name)
{
	const struct pl_error absent = cli->err;
	const char *colon = strrchr(name, ':');
	json_t *request = cli_request("endpoint.del");
	pl_autojson json_t *reply = NULL;
	enum cli_exit rc;

	json_object_set_new(request, "containerId",
			    json_stringn(name, colon ? (size_t)(colon - name) : strlen(name)));
	json_object_set_new(request, "ifname", json_string(colon ? colon + 1 : "eth0"));
	rc = cli_call(cli, request, -1, &reply);
	if (!rc) {
		cli->err = absent;
		return CLI_FAILED;
	}
	return rc;
}

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	json_t *request = cli_request("endpoint.show");
	pl_autojson json_t *found = NULL;
	pl_autojson json_t *reply = NULL;
	const json_t *e;
	char name[512];
	enum cli_exit rc;

	full_name(args, name, sizeof(name));
	json_object_set_new(request, "query", json_string(name));
	rc = cli_call(cli, request, -1, &found);
	if (rc == CLI_FAILED && cli->err.code == -ENOENT)
		return delete_unrecorded(cli, name);
	if (rc)
		return rc;
	e = json_object_get(found, "endpoint");
	request = cli_request("endpoint.del");
	json_object_set(request, "containerId", json_object_get(e, "containerId"));
	json_object_set(request, "ifname", json_object_get(e, "ifname"));
	rc = cli_call(cli, request, -1, &reply);
	if (rc)
		return rc;
	if (!cli_bool(reply, "existed"))
		return cli_fail(cli, -ENOENT, "%s was deleted meanwhile", name);
	if (cli->json)
		return cli_print_json(cli, reply);
	printf("deleted %s:%s\n", cli_endpoint_name(e, name, sizeof(name)), cli_str(e, "ifname"));
	return CLI_OK;
}

static const struct cli_option options[] = {
	{.name = "ifname", .arg = "NAME", .help = "of a pod with several: this interface"},
	{0},
};

const struct cli_command cli_endpoint_del = {
	.name = "del",
	.alias = "rm",
	.args = "ENDPOINT",
	.summary = "Delete a pod's link and release its addresses",
	.about = CLI_ENDPOINT_NAMES
	"\n\nContainer runtimes delete the endpoints that they made: this is for those added by hand.",
	.options = options,
	.min_words = 1,
	.max_words = 1,
	.word = CLI_WORD_ENDPOINT,
	.run = run,
};
