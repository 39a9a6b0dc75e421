// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane mirror add: starts a session that copies packets of some endpoints to a target.
 */
#include "cli/mirror_text.h"

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	pl_autojson json_t *reply = NULL;
	json_t *request = NULL;
	const json_t *mirror, *name;
	char target[512];
	size_t i;
	enum cli_exit rc = cli_mirror_request(cli, args, &request);

	if (!rc)
		rc = cli_call(cli, request, -1, &reply);
	if (rc)
		return rc;
	mirror = json_object_get(reply, "mirror");
	json_array_foreach (json_object_get(mirror, "unmatched"), i, name)
		cli_warn(
			cli,
			"no endpoint is named %s: the session copies its packets once there is one",
			json_string_value(name));
	if (cli->json)
		return cli_print_json(cli, reply);
	printf("%s: %s, to %s%s%s\n", cli_str(mirror, "name"), cli_str(mirror, "state"),
	       cli_mirror_target(mirror, target, sizeof(target)),
	       cli_str(mirror, "why")[0] ? "; " : "", cli_str(mirror, "why"));
	return CLI_OK;
}

static const struct cli_option options[] = {
	{.name = "endpoint",
	 .arg = "ENDPOINT",
	 .many = true,
	 .word = CLI_WORD_ENDPOINT,
	 .help = "the packets of this endpoint"},
	{.name = "all", .help = "the packets of every endpoint, also of future ones"},
	{.name = "direction",
	 .arg = "DIRECTION",
	 .choices = "in|out|both",
	 .help = "as the pod sees it; default both"},
	{.name = "filter", .arg = "EXPRESSION", .help = "which packets, as in tcpdump"},
	{.name = "to-device",
	 .arg = "DEVICE",
	 .word = CLI_WORD_DEVICE,
	 .help = "copy to a device of this node"},
	{.name = "to-endpoint",
	 .arg = "ENDPOINT",
	 .word = CLI_WORD_ENDPOINT,
	 .help = "copy to another pod"},
	{.name = "to-vxlan", .arg = "REMOTE", .help = "copy to this address by VXLAN"},
	{.name = "to-gre", .arg = "REMOTE", .help = "copy to this address by GRE"},
	{.name = "to-erspan", .arg = "REMOTE", .help = "copy to this address by ERSPAN"},
	{.name = "vni", .arg = "N", .help = "VXLAN network identifier"},
	{.name = "port", .arg = "N", .help = "UDP port of VXLAN; default 4789"},
	{.name = "key", .arg = "N", .help = "GRE key or ERSPAN session"},
	{.name = "local", .arg = "ADDRESS", .help = "source address of the tunnel"},
	{.name = "sample-packets", .arg = "N", .help = "one in N packets"},
	{.name = "sample-flows",
	 .arg = "N",
	 .help = "one in N flows, every packet, both directions"},
	{.name = "pps", .arg = "N", .help = "at most N copies per second (500, 10k)"},
	{.name = "bps", .arg = "N", .help = "at most N bytes per second (500k, 2M)"},
	{.name = "snaplen", .arg = "BYTES", .help = "truncate copies to this length"},
	{.name = "seconds", .arg = "N", .help = "end after N seconds"},
	{.name = "packets", .arg = "N", .help = "end after N copies"},
	{.name = "include-drops", .help = "include packets that podlane drops"},
	{0},
};

const struct cli_command cli_mirror_add = {
	.name = "add",
	.args = "NAME",
	.summary = "Mirror packets to a device, a pod or a collector",
	.about = "Mirroring never affects the original packets. podlane-mirror(8) has examples.",
	.options = options,
	.min_words = 1,
	.max_words = 1,
	.run = run,
};
