// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane mirror list: one row for each session.
 */
#include "cli/mirror_text.h"

static void add_row(struct cli_table *table, const json_t *m)
{
	char text[1024], number[CLI_NUMBER_MAX];
	uint64_t lost = cli_mirror_counter(m, "congested") + cli_mirror_counter(m, "failed");
	uint64_t sent = cli_mirror_counter(m, "sent");
	const char *filter = cli_str(m, "filter");

	cli_cell(table, CLI_PLAIN, "%s", cli_str(m, "name"));
	cli_cell(table, cli_mirror_style(m), "%s", cli_str(m, "state"));
	cli_cell(table, CLI_PLAIN, "%s", cli_mirror_endpoints(m, text, sizeof(text)));
	cli_cell(table, CLI_PLAIN, "%s", cli_str(m, "direction"));
	cli_cell(table, CLI_PLAIN, "%s", cli_mirror_target(m, text, sizeof(text)));
	cli_cell(table, CLI_PLAIN, "%s", cli_format_count((double)sent, number));
	cli_cell(table, lost ? CLI_WARN : CLI_PLAIN, "%s", cli_format_count((double)lost, number));
	cli_cell(table, CLI_PLAIN, "%s", filter[0] ? filter : "-");
}

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	static const struct cli_column columns[] = {
		{"NAME", .wrap = true},	     {"STATE"},
		{"ENDPOINTS", .wrap = true}, {"DIR"},
		{"TARGET", .wrap = true},    {"SENT", .right = true},
		{"LOST", .right = true},     {"FILTER", .wrap = true},
	};
	pl_cleanup(cli_table_freep) struct cli_table *table =
		cli_table_new(columns, PL_ARRAY_SIZE(columns));
	pl_autojson json_t *reply = NULL;
	enum cli_exit rc = cli_call(cli, cli_request("mirror.list"), -1, &reply);
	const json_t *mirror;
	size_t i;

	if (rc)
		return rc;
	if (cli->json)
		return cli_print_json(cli, reply);
	if (!table)
		return cli_out_of_memory(cli);
	json_array_foreach (json_object_get(reply, "mirrors"), i, mirror)
		add_row(table, mirror);
	return cli_table_print(table, stdout, &cli->look) ? cli_out_of_memory(cli) : CLI_OK;
}

const struct cli_command cli_mirror_list = {
	.name = "list",
	.alias = "ls",
	.summary = "List the mirror sessions",
	.run = run,
};
