// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane endpoint list: one row for each endpoint, in the order of their ids.
 */
#include "cli/cli.h"

#include <inttypes.h>

static int by_id(const void *a, const void *b)
{
	uint64_t x = cli_u64(*(const json_t *const *)a, "id");
	uint64_t y = cli_u64(*(const json_t *const *)b, "id");

	return x < y ? -1 : x > y;
}

static const char *attached_text(const json_t *endpoint, char *buf, size_t size)
{
	const json_t *attached = json_object_get(endpoint, "attached");
	const char *from = cli_attached(attached, "fromPod");
	const char *to = cli_attached(attached, "toPod");

	if (!from[0] && !to[0])
		snprintf(buf, size, "-");
	else if (!strcmp(from, to))
		snprintf(buf, size, "%s", from);
	else
		snprintf(buf, size, "%s/%s", from[0] ? from : "-", to[0] ? to : "-");
	return buf;
}

static void add_row(struct cli_table *table, const json_t *e)
{
	bool ready = cli_bool(e, "ready"), shaped = cli_bool(e, "shaped");
	bool degraded = cli_bool(e, "degraded");
	char text[4096];

	cli_cell(table, CLI_PLAIN, "%" PRIu64, cli_u64(e, "id"));
	cli_cell(table, CLI_PLAIN, "%s", cli_endpoint_name(e, text, sizeof(text)));
	cli_cell(table, CLI_PLAIN, "%s", cli_str(e, "ifname"));
	cli_cell(table, CLI_PLAIN, "%s", cli_endpoint_addresses(e, text, sizeof(text)));
	cli_cell(table, CLI_PLAIN, "%s", cli_str(e, "hostIfname"));
	cli_cell(table, CLI_PLAIN, "%s", cli_str(e, "link"));
	cli_cell(table,
		 !ready	  ? CLI_BAD
		 : shaped ? CLI_WARN
			  : CLI_GOOD,
		 "%s",
		 degraded ? "degraded"
		 : !ready ? "no"
		 : shaped ? "shaped"
			  : "yes");
	cli_cell(table, CLI_PLAIN, "%s", attached_text(e, text, sizeof(text)));
	cli_cell(table, CLI_PLAIN, "%s", cli_str(e, "network"));
	cli_cell(table, CLI_PLAIN, "%s", cli_str(e, "containerId"));
}

static enum cli_exit print_table(struct cli *cli, const json_t *endpoints)
{
	static const struct cli_column columns[] = {
		{"ID", .right = true},
		{"NAME", .wrap = true},
		{"IFNAME"},
		{"ADDRESSES", .wrap = true},
		{"HOST END", .wide = true},
		{"LINK"},
		{"READY"},
		{"ATTACH", .wide = true},
		{"NETWORK", .wide = true},
		{"CONTAINER", .wide = true},
	};
	pl_cleanup(cli_table_freep) struct cli_table *table =
		cli_table_new(columns, PL_ARRAY_SIZE(columns));
	size_t n = json_array_size(endpoints);
	pl_autofree const json_t **sorted = calloc(n + 1, sizeof(*sorted));

	if (!table || !sorted)
		return cli_out_of_memory(cli);
	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(endpoints, i);
	qsort(sorted, n, sizeof(*sorted), by_id);
	for (size_t i = 0; i < n; i++)
		add_row(table, sorted[i]);
	return cli_table_print(table, stdout, &cli->look) ? cli_out_of_memory(cli) : CLI_OK;
}

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	pl_autojson json_t *reply = NULL;
	enum cli_exit rc = cli_call(cli, cli_request("endpoint.list"), -1, &reply);

	if (rc)
		return rc;
	if (cli->json)
		return cli_print_json(cli, reply);
	return print_table(cli, json_object_get(reply, "endpoints"));
}

const struct cli_command cli_endpoint_list = {
	.name = "list",
	.alias = "ls",
	.summary = "List the pods on this node",
	.about =
		"NAME is what every other command takes. READY is \"no\" where the fast path leaves the pod\n"
		"to the stack, \"shaped\" where a queueing discipline on the host end does, and\n"
		"\"degraded\" where the kernel refuses the daemon a part of the datapath, such as a program\n"
		"on the host end; endpoint show says why.",
	.run = run,
};
