// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane: reads the command line, runs one subcommand, prints its error if there is one. The
 * only file of the program that writes errors to stderr or decides on colours.
 */
#include "cli/cli.h"
#include "common/proto.h"

static const char *socket_path(const struct cli_args *args)
{
	const char *option = cli_value(args, "socket"), *env = getenv("PODLANE_SOCKET");

	if (option)
		return option;
	return env && *env ? env : PL_RUN_DIR "/" PL_SOCKET_NAME;
}

static bool want_colour(const struct cli_args *args)
{
	const char *when = cli_value(args, "color"), *term = getenv("TERM");
	const char *no = getenv("NO_COLOR");

	if (when && strcmp(when, "auto"))
		return !strcmp(when, "always");
	return isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb");
}

static int print_error(const struct cli *cli, const struct cli_args *args, enum cli_exit rc)
{
	char path[128];

	cli_command_path(args, path, sizeof(path));
	fprintf(stderr, "podlane%s%s: %s\n", path[0] ? " " : "", path, cli->err.text);
	if (rc == CLI_USAGE)
		fprintf(stderr, "See podlane%s%s --help.\n", path[0] ? " " : "", path);
	return rc;
}

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	enum cli_exit rc;

	if (cli_given(args, "version")) {
		puts("podlane " PL_VERSION);
		return CLI_OK;
	}
	if (cli_given(args, "help")) {
		cli_print_help(args, stdout);
		return CLI_OK;
	}
	if (cli_check_words(args, &cli->err)) {
		if (cli_command_of(args)->subs)
			cli_print_help(args, stderr);
		return CLI_USAGE;
	}
	rc = cli_command_of(args)->run(cli, args);
	cli_disconnect(cli);
	return rc;
}

int main(int argc, char **argv)
{
	struct cli cli = {.timeout_ms = CLI_TIMEOUT_MS, .sock = -1};
	struct cli_args args;
	enum cli_exit rc;

	if (cli_parse(&cli_root, argc > 0 ? argc - 1 : 0, argv + 1, &args, &cli.err))
		return print_error(&cli, &args, CLI_USAGE);
	cli.socket = socket_path(&args);
	cli.json = cli_given(&args, "json");
	cli.colour = want_colour(&args);
	rc = run(&cli, &args);
	if (!rc && (fflush(stdout) || ferror(stdout)))
		rc = cli_fail(&cli, -EIO, "cannot write to the standard output");
	return rc ? print_error(&cli, &args, rc) : CLI_OK;
}
