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
	.summary = "Manage the pods of this node",
	.subs = endpoint_commands,
};

static const struct cli_command *const mirror_commands[] = {
	&cli_mirror_list,
	&cli_mirror_show,
	&cli_mirror_add,
	&cli_mirror_del,
	&cli_mirror_stats,
	&cli_mirror_compile,
	NULL,
};

static const struct cli_command mirror = {
	.name = "mirror",
	.summary = "Mirror packets to an analyser",
	.subs = mirror_commands,
};

static const struct cli_command *const commands[] = {
	&cli_status,  &endpoint, &cli_stats,	&mirror, &cli_log_level,
	&cli_version, &cli_help, &cli_complete, NULL,
};

static const struct cli_option options[] = {
	{.name = "json", .letter = 'j', .help = "print JSON, with raw numbers; errors, too"},
	{.name = "output",
	 .letter = 'o',
	 .arg = "FORMAT",
	 .choices = "json|table|wide",
	 .help = "json: as -j; wide: all columns, nothing broken"},
	{.name = "socket",
	 .arg = "PATH",
	 .word = CLI_WORD_FILE,
	 .help = "default /run/podlane/podlane.sock"},
	{.name = "color",
	 .arg = "WHEN",
	 .choices = "auto|always|never",
	 .help = "auto: on a terminal, unless NO_COLOR is set"},
	{.name = "help", .letter = 'h', .help = "print help and exit"},
	{.name = "version", .letter = 'V', .help = "print the version and exit"},
	{0},
};

const struct cli_command cli_root = {
	.name = "podlane",
	.summary = "Manage and inspect podlane, the pod networking of this node",
	.options = options,
	.subs = commands,
};
