// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane status: what the daemon is, what it found on this kernel, and how much of everything
 * it holds. One screen; the rest is in the other subcommands.
 */
#include "cli/cli.h"

#include <inttypes.h>

static void print_daemon(const json_t *s, FILE *out)
{
	char up[CLI_NUMBER_MAX], rss[CLI_NUMBER_MAX];

	cli_format_seconds(cli_u64(s, "uptimeSeconds"), up);
	cli_format_bytes((double)cli_u64(s, "rssBytes"), rss);
	cli_field(out, "podlaned", "%s, pid %" PRIu64 ", up %s, %s of memory, log level %s",
		  cli_str(s, "version"), cli_u64(s, "pid"), up, rss, cli_str(s, "logLevel"));
	cli_field(out, "datapath", "ABI %" PRIu64 ", %s", cli_u64(s, "abi"),
		  cli_bool(s, "adopted") ? "taken over from an earlier run"
					 : "built at this start");
	cli_field(out, "kernel", "%s", cli_str(s, "kernel"));
}

static void print_features(const json_t *s, FILE *out)
{
	json_t *features = json_object_get(s, "features");
	char yes[512] = "", no[512] = "";
	const char *name;
	json_t *value;

	json_object_foreach (features, name, value) {
		char *list = json_is_true(value) ? yes : no;
		size_t used = strlen(list);

		snprintf(list + used, sizeof(yes) - used, "%s%s", used ? ", " : "", name);
	}
	cli_field(out, "features", "%s%s%s", yes[0] ? yes : "none", no[0] ? "; unavailable: " : "",
		  no);
}

static void print_flows(const json_t *s, FILE *out)
{
	const json_t *flows = json_object_get(s, "flows");
	const char *mode = cli_str(flows, "conntrack");

	cli_field(
		out, "flows", "%" PRIu64 " on the fast path; conntrack is %s",
		cli_u64(flows, "entries"),
		!strcmp(mode, "asked") ? "asked before each new one"
		: !strcmp(mode, "absent")
			? "not loaded"
			: "not to be asked on this kernel: what the stack delivers is remembered");
}

static void print_attachments(const json_t *s, FILE *out)
{
	json_t *attachments = json_object_get(s, "attachments");
	char text[512] = "";
	const char *kind;
	json_t *value;

	json_object_foreach (attachments, kind, value) {
		size_t used = strlen(text);

		if (json_integer_value(value) > 0)
			snprintf(text + used, sizeof(text) - used,
				 "%s%" JSON_INTEGER_FORMAT " by %s", used ? ", " : "",
				 json_integer_value(value), kind);
	}
	cli_field(out, "programs", "%s%s", text[0] ? "attached: " : "attached nowhere yet", text);
}

static void print_uplinks(const struct cli *cli, const json_t *s, FILE *out)
{
	json_t *uplinks = json_object_get(s, "uplinks");
	const char *attached;
	const json_t *uplink;
	size_t i;

	if (!json_array_size(uplinks))
		cli_field(out, "uplinks",
			  "none: no device carries a default route or matches the "
			  "patterns of the configuration");
	json_array_foreach (uplinks, i, uplink) {
		fprintf(out, "%-12s %s, index %" PRIu64 ", ", i ? "" : "uplinks",
			cli_str(uplink, "name"), cli_u64(uplink, "ifindex"));
		attached = cli_attached(uplink, "attached");
		cli_styled(out, cli->look.colour, attached[0] ? CLI_GOOD : CLI_BAD,
			   attached[0] ? "attached" : "NOT ATTACHED");
		fprintf(out, "%s%s\n", attached[0] ? " by " : "", attached);
	}
}

static void print_endpoints(const struct cli *cli, const json_t *s, FILE *out)
{
	uint64_t all = cli_u64(s, "endpoints"), ready = cli_u64(s, "ready");
	char text[64];

	if (ready == all)
		snprintf(text, sizeof(text), "%" PRIu64 " ready", ready);
	else
		snprintf(text, sizeof(text), "%" PRIu64 " of %" PRIu64 " ready", ready, all);
	fprintf(out, "%-12s %" PRIu64 " of at most %" PRIu64 ", ", "endpoints", all,
		cli_u64(s, "maxEndpoints"));
	cli_styled(out, cli->look.colour, ready == all ? CLI_GOOD : CLI_BAD, text);
	fputs(ready == all ? "\n" : " (podlane endpoint list shows which are not)\n", out);
}

static void print_list(const json_t *s, const char *key, const char *none, FILE *out)
{
	char text[2048];

	cli_join(json_object_get(s, key), text, sizeof(text));
	cli_field(out, key, "%s", text[0] ? text : none);
}

static void print_warnings(const struct cli *cli, const json_t *s, FILE *out)
{
	const json_t *list = json_object_get(s, "warnings"), *sentence;
	size_t i;

	json_array_foreach (list, i, sentence) {
		fprintf(out, "%-12s ", "warning");
		cli_styled(out, cli->look.colour, CLI_BAD, json_string_value(sentence));
		fputc('\n', out);
	}
}

static void print_loop(const json_t *s, FILE *out)
{
	const json_t *loop = json_object_get(s, "loop");
	const char *in = cli_str(loop, "longestIn");

	if (!loop) /* of an older podlaned */
		return;
	cli_field(out, "loop", "longest turn %.1f ms%s%s%s, %.1f ms in the last minute",
		  (double)cli_u64(loop, "longestUs") / 1000, in[0] ? " (" : "", in,
		  in[0] ? ")" : "", (double)cli_u64(loop, "recentUs") / 1000);
}

static void print_status(const struct cli *cli, const json_t *s, FILE *out)
{
	print_daemon(s, out);
	print_features(s, out);
	print_flows(s, out);
	print_attachments(s, out);
	print_uplinks(cli, s, out);
	print_endpoints(cli, s, out);
	cli_field(out, "mirrors", "%" PRIu64, cli_u64(s, "mirrors"));
	print_list(s, "networks", "none in use", out);
	print_list(s, "native", "none: other networks are reached through the stack", out);
	print_loop(s, out);
	cli_field(out, "resyncs", "%" PRIu64, cli_u64(s, "resyncs"));
	cli_field(out, "run dir", "%s", cli_str(s, "runDir"));
	cli_field(out, "bpffs", "%s", cli_str(s, "bpffs"));
	print_warnings(cli, s, out);
}

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	pl_autojson json_t *status = NULL;
	enum cli_exit rc = cli_call(cli, cli_request("status"), -1, &status);

	if (rc)
		return rc;
	if (cli->json)
		return cli_print_json(cli, status);
	print_status(cli, status, stdout);
	return CLI_OK;
}

const struct cli_command cli_status = {
	.name = "status",
	.summary = "Show daemon, kernel and datapath status",
	.run = run,
};
