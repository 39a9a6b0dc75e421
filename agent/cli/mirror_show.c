// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane mirror show: one session, its state with the reason, and every counter explained.
 */
#include "cli/mirror_text.h"

#include <inttypes.h>

static void print_limits(const json_t *m, FILE *out)
{
	const json_t *sample = json_object_get(m, "sample"), *rate = json_object_get(m, "rate");
	const json_t *expire = json_object_get(m, "expire");

	if (cli_u64(sample, "packets") > 1)
		cli_field(out, "sample", "1 in %" PRIu64 " packets", cli_u64(sample, "packets"));
	if (cli_u64(sample, "flows") > 1)
		cli_field(out, "sample", "1 in %" PRIu64 " flows", cli_u64(sample, "flows"));
	if (cli_u64(rate, "pps"))
		cli_field(out, "at most", "%" PRIu64 " copies per second", cli_u64(rate, "pps"));
	if (cli_u64(rate, "bps"))
		cli_field(out, "at most", "%" PRIu64 " bytes per second", cli_u64(rate, "bps"));
	if (cli_u64(m, "snaplen"))
		cli_field(out, "cut to", "%" PRIu64 " bytes", cli_u64(m, "snaplen"));
	if (cli_u64(expire, "seconds"))
		cli_field(out, "ends after", "%" PRIu64 " s (%" PRIu64 " s left)",
			  cli_u64(expire, "seconds"), cli_u64(m, "secondsLeft"));
	if (cli_u64(expire, "packets"))
		cli_field(out, "ends after", "%" PRIu64 " copies", cli_u64(expire, "packets"));
}

static void print_target(const json_t *m, FILE *out)
{
	const char *device = cli_str(m, "targetDevice");
	char text[512];

	cli_mirror_target(m, text, sizeof(text));
	if (device[0] && strcmp(device, cli_str(json_object_get(m, "target"), "device")))
		cli_field(out, "target", "%s (by device %s)", text, device);
	else
		cli_field(out, "target", "%s", text);
}

static void print_selection(const json_t *m, FILE *out)
{
	const char *filter = cli_str(m, "filter");
	char text[2048];

	cli_mirror_endpoints(m, text, sizeof(text));
	if (json_object_get(m, "selected"))
		cli_field(out, "endpoints", "%s (%" PRIu64 " now)", text, cli_u64(m, "selected"));
	else
		cli_field(out, "endpoints", "%s", text);
	cli_join(json_object_get(m, "unmatched"), text, sizeof(text));
	if (text[0])
		cli_field(out, "unmatched", "%s: no endpoint has this name yet", text);
	cli_field(out, "direction", "%s", cli_str(m, "direction"));
	cli_field(out, "filter", "%s", filter[0] ? filter : "none: every packet");
	cli_field(out, "drops", "%s", cli_bool(m, "includeDrops") ? "included" : "not included");
}

static void print_session(const struct cli *cli, const json_t *m, FILE *out)
{
	cli_field(out, "name", "%s%s", cli_str(m, "name"),
		  cli_bool(m, "declared") ? ", of the daemon's configuration" : "");
	fprintf(out, "%-12s ", "state");
	cli_styled(out, cli->look.colour, cli_mirror_style(m), cli_str(m, "state"));
	fprintf(out, "%s%s\n", cli_str(m, "why")[0] ? ": " : "", cli_str(m, "why"));
	print_selection(m, out);
	print_target(m, out);
	print_limits(m, out);
}

static enum cli_exit print_counters(struct cli *cli, const json_t *m, FILE *out)
{
	static const struct cli_column columns[] = {
		{"COUNTER"}, {"VALUE", .right = true}, {"MEANING", .wrap = true}};
	pl_cleanup(cli_table_freep) struct cli_table *table =
		cli_table_new(columns, PL_ARRAY_SIZE(columns));
	json_t *counters = json_object_get(m, "counters"), *value;
	const char *key;

	if (!table)
		return cli_out_of_memory(cli);
	json_object_foreach (counters, key, value) {
		const char *text = cli_mirror_counter_text(key);
		bool bad = !strcmp(key, "failed") || !strcmp(key, "congested");

		if (!json_is_integer(value))
			continue;
		cli_cell(table, CLI_PLAIN, "%s", key);
		cli_cell(table, bad && json_integer_value(value) ? CLI_WARN : CLI_PLAIN,
			 "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		cli_cell(table, CLI_FAINT, "%s", text ? text : "(unknown to this podlane)");
	}
	fputc('\n', out);
	if (cli_table_print(table, out, &cli->look))
		return cli_out_of_memory(cli);
	if (cli_str(counters, "lastError")[0])
		fprintf(out, "\nThe last copy that failed: %s\n", cli_str(counters, "lastError"));
	return CLI_OK;
}

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	json_t *request = cli_request("mirror.show");
	pl_autojson json_t *reply = NULL;
	enum cli_exit rc;

	json_object_set_new(request, "name", json_string(args->words[0]));
	rc = cli_call(cli, request, -1, &reply);
	if (rc)
		return rc;
	if (cli->json)
		return cli_print_json(cli, reply);
	print_session(cli, json_object_get(reply, "mirror"), stdout);
	return print_counters(cli, json_object_get(reply, "mirror"), stdout);
}

const struct cli_command cli_mirror_show = {
	.name = "show",
	.args = "NAME",
	.summary = "Show a session in detail, with its counters",
	.min_words = 1,
	.max_words = 1,
	.word = CLI_WORD_MIRROR,
	.run = run,
};
