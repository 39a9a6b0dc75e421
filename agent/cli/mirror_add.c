// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane mirror add: starts a session that copies packets of some endpoints to a target.
 */
#include "cli/mirror_text.h"

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	pl_autojson json_t *reply = NULL;
	json_t *request = NULL;
	const json_t *mirror;
	char target[512];
	enum cli_exit rc = cli_mirror_request(cli, args, &request);

	if (!rc)
		rc = cli_call(cli, request, -1, &reply);
	if (rc)
		return rc;
	if (cli->json)
		return cli_print_json(cli, reply);
	mirror = json_object_get(reply, "mirror");
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
	 .help = "whose packets, named as in endpoint show"},
	{.name = "all", .help = "the packets of every endpoint, also of later ones"},
	{.name = "direction",
	 .arg = "WAY",
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
	{.name = "sample-flows", .arg = "N", .help = "one in N flows, both directions alike"},
	{.name = "pps", .arg = "N", .help = "at most so many copies per second (500, 10k)"},
	{.name = "bps", .arg = "N", .help = "at most so many bytes per second (500k, 2M)"},
	{.name = "snaplen", .arg = "BYTES", .help = "cut the copies to this length"},
	{.name = "seconds", .arg = "N", .help = "end after this time"},
	{.name = "packets", .arg = "N", .help = "end after so many copies"},
	{.name = "include-drops", .help = "also the packets that podlane drops"},
	{0},
};

const struct cli_command cli_mirror_add = {
	.name = "add",
	.args = "NAME",
	.summary = "Copy packets of pods to a device, a pod or a remote collector",
	.about =
		"Forwarding of the originals never depends on the copies. podlane-mirror(8) has examples.",
	.options = options,
	.min_words = 1,
	.max_words = 1,
	.run = run,
};
