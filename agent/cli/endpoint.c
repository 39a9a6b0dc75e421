// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How an endpoint reads, for the subcommands that print one: its name, addresses and counters.
 */
#include "cli/cli.h"
#include "common/record.h"

const char *cli_endpoint_name(const json_t *endpoint, char *buf, size_t size)
{
	const json_t *pod = json_object_get(endpoint, "pod");
	const char *id = cli_str(endpoint, "containerId");

	if (cli_str(pod, "name")[0])
		snprintf(buf, size, "%s%s%s", cli_str(pod, "namespace"),
			 cli_str(pod, "namespace")[0] ? "/" : "", cli_str(pod, "name"));
	else
		snprintf(buf, size, "%.*s",
			 pl_container_is_hash(id) ? PL_HASH_SHOWN : (int)(size - 1), id);
	return buf;
}

const char *cli_endpoint_addresses(const json_t *endpoint, char *buf, size_t size)
{
	const json_t *item;
	size_t used = 0, i;

	buf[0] = '\0';
	json_array_foreach (json_object_get(endpoint, "addresses"), i, item) {
		const char *text = cli_str(item, "address");
		const char *slash = strchr(text, '/');
		size_t len = strlen(text);

		if (slash && !strcmp(slash, strchr(text, ':') ? "/128" : "/32"))
			len = (size_t)(slash - text);
		if (used < size)
			used += (size_t)snprintf(buf + used, size - used, "%s%.*s",
						 used ? ", " : "", (int)len, text);
	}
	return buf;
}

const char *cli_attached(const json_t *obj, const char *key)
{
	const char *kind = cli_str(obj, key);

	return strcmp(kind, "none") ? kind : "";
}

/* In before out, as in stats; the most first. */
static int by_place(const void *a, const void *b)
{
	const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
	int rc = strcmp(cli_str(x, "direction"), cli_str(y, "direction"));
	uint64_t n = cli_u64(x, "packets"), m = cli_u64(y, "packets");

	if (rc || n != m)
		return rc ? rc : (n < m) - (n > m);
	return strcmp(cli_str(x, "reason"), cli_str(y, "reason"));
}

enum cli_exit cli_print_reasons(struct cli *cli, const json_t *reasons, FILE *out)
{
	static const struct cli_column columns[] = {
		{"DIR"},
		{"REASON"},
		{"PACKETS", .right = true},
		{"BYTES", .right = true},
		{"MEANING", .wrap = true},
	};
	pl_cleanup(cli_table_freep) struct cli_table *table =
		cli_table_new(columns, PL_ARRAY_SIZE(columns));
	char packets[CLI_NUMBER_MAX], bytes[CLI_NUMBER_MAX];
	size_t n = json_array_size(reasons);
	pl_autofree const json_t **rows = calloc(n + 1, sizeof(*rows));

	if (!table || !rows)
		return cli_out_of_memory(cli);
	for (size_t i = 0; i < n; i++)
		rows[i] = json_array_get(reasons, i);
	qsort(rows, n, sizeof(*rows), by_place);
	for (size_t i = 0; i < n; i++) {
		const json_t *row = rows[i];
		const char *reason = cli_str(row, "reason");
		const char *text = cli_reason_text(reason);

		cli_cell(table, CLI_PLAIN, "%s", cli_str(row, "direction"));
		cli_cell(table, cli_reason_style(reason), "%s", reason);
		cli_cell(table, CLI_PLAIN, "%s",
			 cli_format_count((double)cli_u64(row, "packets"), packets));
		cli_cell(table, CLI_PLAIN, "%s",
			 cli_format_bytes((double)cli_u64(row, "bytes"), bytes));
		cli_cell(table, CLI_FAINT, "%s", text ? text : "(unknown to this podlane)");
	}
	return cli_table_print(table, out, &cli->look) ? cli_out_of_memory(cli) : CLI_OK;
}
