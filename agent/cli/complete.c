// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane complete WORD...: what the last word could become, one candidate a line: commands and
 * options from the table, names from the daemon and the node. The shell's completion calls it,
 * so it stays silent whatever fails, and waits for the daemon half a second at most. After
 * "--option=" the candidates are values alone, as bash splits words there.
 */
#include "cli/cli.h"

#include <ctype.h>
#include <dirent.h>

/* Prints @dashes and @text where they begin with @prefix, the word so far. A line is a word. */
static void offer(const char *prefix, const char *dashes, const char *text)
{
	char whole[1024];

	snprintf(whole, sizeof(whole), "%s%s", dashes, text);
	for (const char *c = text; *c; c++) {
		if (iscntrl((unsigned char)*c) || *c == ' ')
			return;
	}
	if (text[0] && !strncmp(whole, prefix, strlen(prefix)))
		puts(whole);
}

static void offer_choices(const char *prefix, const char *choices)
{
	while (*choices) {
		size_t len = strcspn(choices, "|");
		char text[64];

		snprintf(text, sizeof(text), "%.*s", (int)len, choices);
		offer(prefix, "", text);
		choices += len + (choices[len] == '|');
	}
}

static void offer_folder(const char *prefix, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			offer(prefix, "", entry->d_name);
	}
	closedir(dir);
}

static void offer_endpoint(const char *prefix, const json_t *e, bool pods)
{
	const json_t *pod = json_object_get(e, "pod");
	char name[600];

	offer(prefix, "", cli_str(e, "containerId"));
	if (!pods || !cli_str(pod, "name")[0])
		return;
	snprintf(name, sizeof(name), "%s/%s", cli_str(pod, "namespace"), cli_str(pod, "name"));
	offer(prefix, "", name);
}

static void offer_endpoints(struct cli *cli, const char *prefix, bool pods)
{
	pl_autojson json_t *reply = NULL;
	const json_t *e;
	size_t i;

	if (cli_call(cli, cli_request("endpoint.list"), -1, &reply))
		return;
	json_array_foreach (json_object_get(reply, "endpoints"), i, e)
		offer_endpoint(prefix, e, pods);
}

static void offer_mirrors(struct cli *cli, const char *prefix)
{
	pl_autojson json_t *reply = NULL;
	const json_t *m;
	size_t i;

	if (cli_call(cli, cli_request("mirror.list"), -1, &reply))
		return;
	json_array_foreach (json_object_get(reply, "mirrors"), i, m)
		offer(prefix, "", cli_str(m, "name"));
}

static void offer_commands(const char *prefix, const struct cli_command *command)
{
	for (const struct cli_command *const *sub = command->subs; sub && *sub; sub++)
		offer(prefix, "", (*sub)->name);
}

static void offer_word(struct cli *cli, const char *prefix, enum cli_word word)
{
	switch (word) {
	case CLI_WORD_ENDPOINT:
		offer_endpoints(cli, prefix, true);
		break;
	case CLI_WORD_CONTAINER:
		offer_endpoints(cli, prefix, false);
		break;
	case CLI_WORD_MIRROR:
		offer_mirrors(cli, prefix);
		break;
	case CLI_WORD_NETNS:
		offer_folder(prefix, "/run/netns");
		break;
	case CLI_WORD_DEVICE:
		offer_folder(prefix, "/sys/class/net");
		break;
	case CLI_WORD_LEVEL:
		offer_choices(prefix, "error|warn|info|debug");
		break;
	case CLI_WORD_COMMAND:
		offer_commands(prefix, &cli_root);
		break;
	case CLI_WORD_FILE: /* the shell knows files better */
	case CLI_WORD_OTHER:
		break;
	}
}

static void offer_options(const char *prefix, const struct cli_args *args)
{
	for (size_t i = args->depth; i-- > 0;) {
		const struct cli_option *option = args->chain[i]->options;

		for (; option && option->name; option++) {
			if (option->many || !cli_given(args, option->name))
				offer(prefix, "--", option->name);
		}
	}
}

static void offer_value(struct cli *cli, const char *prefix, const struct cli_option *option)
{
	if (!option)
		return;
	if (option->choices)
		offer_choices(prefix, option->choices);
	else
		offer_word(cli, prefix, option->word);
}

static void offer_next(struct cli *cli, const struct cli_args *args, const char *last)
{
	const struct cli_command *command = cli_command_of(args);
	const char *equals = strncmp(last, "--", 2) ? NULL : strchr(last, '=');

	if (args->pending && !args->pending->arg_optional)
		offer_value(cli, last, args->pending);
	else if (equals && !args->ended)
		offer_value(cli, equals + 1,
			    cli_find_option(args, last + 2, (size_t)(equals - last) - 2));
	else if (last[0] == '-' && !args->ended)
		offer_options(last, args);
	else if (command->subs)
		offer_commands(last, command);
	else if (args->n_words < command->max_words)
		offer_word(cli, last, command->word);
}

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	struct cli_args so_far;
	struct pl_error ignored;
	size_t n = args->n_words;
	const char *socket;

	if (!n)
		return CLI_OK;
	/* What cannot be parsed, such as an option without its value, is what is completed. */
	(void)cli_parse(&cli_root, (int)n - 1, (char *const *)args->words, &so_far, &ignored);
	socket = cli_value(&so_far, "socket");
	cli->socket = socket ? socket : cli->socket;
	cli->timeout_ms = CLI_TIMEOUT_COMPLETE_MS;
	offer_next(cli, &so_far, args->words[n - 1]);
	return CLI_OK;
}

const struct cli_command cli_complete = {
	.name = "complete",
	.args = "[WORD...]",
	.summary = "For the shell's completion: what the last word could become",
	.max_words = CLI_WORDS_MAX,
	.raw = true,
	.run = run,
};
