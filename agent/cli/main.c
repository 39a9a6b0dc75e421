// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane: reads the command line, runs one subcommand, prints its error if there is one. The
 * only file of the program that decides how output looks.
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

/* Looked for in words alone: also a line that cannot be parsed may ask for JSON. */
static bool want_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "-j") || !strcmp(argv[i], "--json") ||
		    !strcmp(argv[i], "-ojson") || !strcmp(argv[i], "--output=json") ||
		    (i + 1 < argc && (!strcmp(argv[i], "-o") || !strcmp(argv[i], "--output")) &&
		     !strcmp(argv[i + 1], "json")))
			return true;
	}
	return false;
}

static int print_error(const struct cli *cli, const struct cli_args *args, enum cli_exit rc)
{
	char path[128];

	cli_print_error(&cli->err, cli_command_path(args, path, sizeof(path)), cli->json, rc);
	return rc;
}

static enum cli_exit choose_output(struct cli *cli, const struct cli_args *args)
{
	const char *output = cli_value(args, "output");

	cli->json = cli_given(args, "json");
	if (cli->json && output && strcmp(output, "json"))
		return cli_usage_error(cli, "--json and --output %s exclude each other", output);
	cli->json |= output && !strcmp(output, "json");
	cli->look.wide = output && !strcmp(output, "wide");
	cli->look.width = cli->look.wide ? 0 : cli_terminal_width();
	cli->look.colour = want_colour(args);
	return CLI_OK;
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
		if (cli_command_of(args)->subs && !cli->json)
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

	cli.json = want_json(argc, argv);
	if (cli_parse(&cli_root, argc > 0 ? argc - 1 : 0, argv + 1, &args, &cli.err))
		return print_error(&cli, &args, CLI_USAGE);
	cli.socket = socket_path(&args);
	rc = choose_output(&cli, &args);
	if (!rc)
		rc = run(&cli, &args);
	if (!rc && (fflush(stdout) || ferror(stdout)))
		rc = cli_fail(&cli, -EIO, "cannot write to the standard output");
	return rc ? print_error(&cli, &args, rc) : CLI_OK;
}
