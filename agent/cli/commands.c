// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The table of commands: what podlane understands, in the order in which --help prints it. Each
 * entry stands in the file of its subcommand, with its options and its text.
 */
#include "cli/cli.h"

static const struct cli_command *const endpoint_commands[] = {
	&cli_endpoint_list, &cli_endpoint_show, &cli_endpoint_add, &cli_endpoint_del, NULL,
};

static const struct cli_command endpoint = {
	.name = "endpoint",
	.summary = "The pods of this node",
	.subs = endpoint_commands,
};

static const struct cli_command *const mirror_commands[] = {
	&cli_mirror_list, &cli_mirror_show,  &cli_mirror_add,
	&cli_mirror_del,  &cli_mirror_watch, NULL,
};

static const struct cli_command mirror = {
	.name = "mirror",
	.summary = "Copies of packets for those who watch",
	.subs = mirror_commands,
};

static const struct cli_command *const commands[] = {
	&cli_status, &endpoint, &cli_stats, &mirror, &cli_log_level, &cli_help, &cli_complete, NULL,
};

static const struct cli_option options[] = {
	{.name = "json", .letter = 'j', .help = "print JSON, with raw numbers"},
	{.name = "socket",
	 .arg = "PATH",
	 .word = CLI_WORD_FILE,
	 .help = "podlaned's, instead of $PODLANE_SOCKET or /run/podlane/podlane.sock"},
	{.name = "color",
	 .arg = "WHEN",
	 .choices = "auto|always|never",
	 .help = "auto: on a terminal without NO_COLOR"},
	{.name = "help", .letter = 'h', .help = "this text; also after a command"},
	{.name = "version", .letter = 'V', .help = "the version of this program"},
	{0},
};

const struct cli_command cli_root = {
	.name = "podlane",
	.summary = "Drive and inspect podlane, the pod networking of this node",
	.options = options,
	.subs = commands,
};
