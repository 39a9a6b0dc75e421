// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane complete WORD...: completions of the last word, one per line: commands and options from
 * the table, names from the daemon and the node. The shell's completion calls it,
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

/* Loopback devices and podlane's own are refused as targets of a mirror session. */
static bool is_target(const char *device)
{
	return strcmp(device, "lo") && strncmp(device, "plm-", 4);
}

static void offer_folder(const char *prefix, const char *path, bool (*is_wanted)(const char *name))
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && (!is_wanted || is_wanted(entry->d_name)))
			offer(prefix, "", entry->d_name);
	}
	closedir(dir);
}

/* The daemon chooses: a node may have thousands. */
static void offer_endpoints(struct cli *cli, const char *prefix)
{
	json_t *request = cli_request("endpoint.names");
	pl_autojson json_t *reply = NULL;
	const json_t *name;
	size_t i;

	json_object_set_new(request, "prefix", json_string(prefix));
	if (cli_call(cli, request, -1, &reply))
		return;
	json_array_foreach (json_object_get(reply, "names"), i, name)
		offer(prefix, "", json_string_value(name) ?: "");
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
		offer_endpoints(cli, prefix);
		break;
	case CLI_WORD_MIRROR:
		offer_mirrors(cli, prefix);
		break;
	case CLI_WORD_NETNS:
		offer_folder(prefix, "/run/netns", NULL);
		break;
	case CLI_WORD_DEVICE:
		offer_folder(prefix, "/sys/class/net", is_target);
		break;
	case CLI_WORD_LEVEL:
		offer_choices(prefix, "error|warn|info|debug");
		break;
	case CLI_WORD_COMMAND:
		break;	    /* by offer_next(), which knows the words before */
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

/* "help endpoint s" completes as "endpoint s" does. */
static void offer_help(const struct cli_args *args, const char *last)
{
	struct cli_args topic;
	struct pl_error ignored;

	if (!cli_parse(&cli_root, (int)args->n_words, (char *const *)args->words, &topic, &ignored))
		offer_commands(last, cli_command_of(&topic));
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
	else if (args->pending)
		; /* a number that may be left out */
	else if (command->subs)
		offer_commands(last, command);
	else if (command->word == CLI_WORD_COMMAND)
		offer_help(args, last);
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
	.summary = "Print completions for the last word, one per line",
	.max_words = CLI_WORDS_MAX,
	.raw = true,
	.run = run,
};
