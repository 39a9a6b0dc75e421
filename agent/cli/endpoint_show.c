// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane endpoint show: everything about one endpoint, its counters with what each means.
 */
#include "cli/cli.h"

#include <inttypes.h>
#include <time.h>

static void print_pod(const json_t *e, FILE *out)
{
	const json_t *pod = json_object_get(e, "pod");

	cli_field(out, "id", "%" PRIu64, cli_u64(e, "id"));
	cli_field(out, "container", "%s", cli_str(e, "containerId"));
	if (cli_str(pod, "name")[0])
		cli_field(out, "pod", "%s/%s%s%s", cli_str(pod, "namespace"), cli_str(pod, "name"),
			  cli_str(pod, "uid")[0] ? ", uid " : "", cli_str(pod, "uid"));
	cli_field(out, "network", "%s (addresses by %s)", cli_str(e, "network"),
		  cli_str(e, "ipam")[0] ? cli_str(e, "ipam") : "an earlier plugin");
	cli_field(out, "netns", "%s (inode %" PRIu64 ")",
		  cli_str(e, "netns")[0] ? cli_str(e, "netns") : "passed as a descriptor",
		  cli_u64(e, "netnsInode"));
}

static void print_link(const json_t *e, FILE *out)
{
	cli_field(out, "link", "%s, mtu %" PRIu64 "%s", cli_str(e, "link"), cli_u64(e, "mtu"),
		  strcmp(cli_str(e, "mode"), "accelerate")
			  ? ""
			  : ", made by another plugin: accelerated");
	cli_field(out, "pod end", "%s, index %" PRIu64 ", %s", cli_str(e, "ifname"),
		  cli_u64(e, "podIfindex"), cli_str(e, "podMac"));
	cli_field(out, "host end", "%s, index %" PRIu64 ", %s", cli_str(e, "hostIfname"),
		  cli_u64(e, "ifindex"), cli_str(e, "hostMac"));
}

static void print_addresses(const json_t *e, FILE *out)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(e, "addresses"), i, item) {
		const char *gateway = cli_str(item, "gateway");

		cli_field(out, i ? "" : "addresses", "%s%s%s", cli_str(item, "address"),
			  gateway[0] ? " via " : "", gateway);
	}
}

static void print_state(const struct cli *cli, const json_t *e, FILE *out)
{
	const json_t *attached = json_object_get(e, "attached");
	const char *from = cli_attached(attached, "fromPod");
	const char *to = cli_attached(attached, "toPod");
	bool ready = cli_bool(e, "ready");
	char allow[128];

	fprintf(out, "%-12s ", "ready");
	cli_styled(out, cli->look.colour, ready ? CLI_GOOD : CLI_BAD,
		   ready		     ? "yes"
		   : cli_bool(e, "degraded") ? "degraded"
					     : "no");
	if (!ready && cli_str(e, "notReady")[0])
		fprintf(out, ": %s", cli_str(e, "notReady"));
	fputc('\n', out);
	if (cli_bool(e, "shaped"))
		cli_field(out, "shaped",
			  "yes: a queueing discipline on the host end; everything "
			  "to this pod goes through the stack");
	cli_field(out, "attached", "from-pod: %s, to-pod: %s", from[0] ? from : "not attached",
		  to[0] ? to : "not attached");
	cli_field(out, "antispoof", "%s", cli_bool(e, "antispoof") ? "on" : "OFF");
	cli_join(json_object_get(e, "allow"), allow, sizeof(allow));
	if (allow[0])
		cli_field(out, "allowed", "%s", allow);
	cli_field(out, "masquerade", "%s", cli_bool(e, "ipMasq") ? "on" : "off");
}

static void print_origin(const json_t *e, FILE *out)
{
	time_t created = (time_t)(cli_u64(e, "createdNs") / 1000000000);
	char text[2048];
	struct tm tm;

	cli_join(json_object_get(e, "mirrors"), text, sizeof(text));
	cli_field(out, "mirrors", "%s", text[0] ? text : "none");
	if (created && localtime_r(&created, &tm) && strftime(text, sizeof(text), "%F %T %z", &tm))
		cli_field(out, "created", "%s", text);
}

static enum cli_exit print_endpoint(struct cli *cli, const json_t *reply)
{
	const json_t *e = json_object_get(reply, "endpoint");
	const json_t *reasons = json_object_get(reply, "reasons");

	print_pod(e, stdout);
	print_link(e, stdout);
	print_addresses(e, stdout);
	print_state(cli, e, stdout);
	print_origin(e, stdout);
	if (!json_array_size(reasons)) {
		puts("\nNo packets yet.");
		return CLI_OK;
	}
	puts("\nPackets so far (in and out as the pod sees them):");
	return cli_print_reasons(cli, reasons, stdout);
}

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	json_t *request = cli_request("endpoint.show");
	pl_autojson json_t *reply = NULL;
	enum cli_exit rc;

	json_object_set_new(request, "query", json_string(args->words[0]));
	rc = cli_call(cli, request, -1, &reply);
	if (rc)
		return rc;
	if (cli->json)
		return cli_print_json(cli, reply);
	return print_endpoint(cli, reply);
}

const struct cli_command cli_endpoint_show = {
	.name = "show",
	.args = "ENDPOINT",
	.summary = "Show a pod in detail, with its counters",
	.about = CLI_ENDPOINT_NAMES,
	.min_words = 1,
	.max_words = 1,
	.word = CLI_WORD_ENDPOINT,
	.run = run,
};
