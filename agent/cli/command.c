// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Walks the words of a command line along the table of commands, and prints a command's help
 * from the same table. Knows no command by name. Never prints an error: callers do.
 */
#include "cli/command.h"

#include <inttypes.h>

enum { HELP_GAP = 2, HELP_COLUMN_MAX = 34, HELP_WIDTH = 80 };

const struct cli_command *cli_command_of(const struct cli_args *args)
{
	return args->chain[args->depth - 1];
}

const char *cli_command_path(const struct cli_args *args, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 1; i < args->depth && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i > 1 ? " " : "",
					 args->chain[i]->name);
	return buf;
}

static const struct cli_option *find_option(const struct cli_args *args, const char *name,
					    size_t len, char letter)
{
	for (size_t i = args->depth; i-- > 0;) {
		const struct cli_option *o = args->chain[i]->options;

		for (; o && o->name; o++) {
			if (letter ? o->letter == letter
				   : strlen(o->name) == len && !strncmp(o->name, name, len))
				return o;
		}
	}
	return NULL;
}

const struct cli_option *cli_find_option(const struct cli_args *args, const char *name, size_t len)
{
	return find_option(args, name, len, 0);
}

static int fail_unknown(struct pl_error *err, const char *what, const char *word,
			const char *dashes, const char *const *known)
{
	const char *near = pl_nearest(word, known);

	if (near)
		return pl_fail(err, -EINVAL, "unknown %s '%s%s': did you mean '%s%s'?", what,
			       dashes, word, dashes, near);
	return pl_fail(err, -EINVAL, "unknown %s '%s%s'", what, dashes, word);
}

static int fail_unknown_option(const struct cli_args *args, const char *name, size_t len,
			       struct pl_error *err)
{
	const char *known[CLI_WORDS_MAX];
	size_t n = 0;
	char word[64];

	for (size_t i = 0; i < args->depth; i++) {
		const struct cli_option *o = args->chain[i]->options;

		for (; o && o->name && n + 1 < PL_ARRAY_SIZE(known); o++)
			known[n++] = o->name;
	}
	known[n] = NULL;
	snprintf(word, sizeof(word), "%.*s", (int)(len < 60 ? len : 60), name);
	return fail_unknown(err, "option", word, "--", known);
}

static int fail_unknown_command(const struct cli_args *args, const char *word, struct pl_error *err)
{
	const struct cli_command *const *subs = cli_command_of(args)->subs;
	const char *known[CLI_WORDS_MAX];
	size_t n = 0;

	for (; subs[n] && n + 1 < PL_ARRAY_SIZE(known); n++)
		known[n] = subs[n]->name;
	known[n] = NULL;
	return fail_unknown(err, "command", word, "", known);
}

static bool is_choice(const char *choices, const char *value)
{
	size_t len = strlen(value);

	for (const char *c = choices; c; c = strchr(c, '|')) {
		if (*c == '|')
			c++;
		if (strcspn(c, "|") == len && !strncmp(c, value, len))
			return true;
	}
	return false;
}

static int give(struct cli_args *args, const struct cli_option *option, const char *value,
		struct pl_error *err)
{
	if (value && option->choices && !is_choice(option->choices, value))
		return pl_fail(err, -EINVAL, "--%s takes one of %s, not '%s'", option->name,
			       option->choices, value);
	if (!option->many && cli_given(args, option->name))
		return pl_fail(err, -EINVAL, "--%s is given twice", option->name);
	if (args->n_given == CLI_WORDS_MAX)
		return pl_fail(err, -EINVAL, "more than %d options", CLI_WORDS_MAX);
	args->given[args->n_given].option = option;
	args->given[args->n_given++].value = value;
	return 0;
}

/* As POSIX has it: letters may stand together, and what follows one that takes a value is its
 * value. */
static int take_letters(struct cli_args *args, const char *word, struct pl_error *err)
{
	for (const char *letter = word + 1; *letter; letter++) {
		const struct cli_option *option = find_option(args, NULL, 0, *letter);
		int rc;

		if (!option)
			return pl_fail(err, -EINVAL, "unknown option '-%c'", *letter);
		if (option->arg && letter[1])
			return give(args, option, letter + 1, err);
		if (option->arg) {
			args->pending = option;
			return 0;
		}
		rc = give(args, option, NULL, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int take_option(struct cli_args *args, const char *word, struct pl_error *err)
{
	size_t len = strcspn(word + 2, "=");
	const char *value = word[2 + len] == '=' ? word + 2 + len + 1 : NULL;
	const struct cli_option *option = cli_find_option(args, word + 2, len);

	if (!option)
		return fail_unknown_option(args, word + 2, len, err);
	if (value && !option->arg)
		return pl_fail(err, -EINVAL, "--%s takes no value", option->name);
	if (value || !option->arg)
		return give(args, option, value, err);
	args->pending = option;
	return 0;
}

static int take_word(struct cli_args *args, const char *word, struct pl_error *err)
{
	const struct cli_command *command = cli_command_of(args);

	if (command->subs) {
		for (const struct cli_command *const *sub = command->subs; *sub; sub++) {
			if (strcmp((*sub)->name, word) &&
			    (!(*sub)->alias || strcmp((*sub)->alias, word)))
				continue;
			if (args->depth == CLI_DEPTH_MAX)
				return pl_fail(err, -EINVAL, "commands nest too deep");
			args->chain[args->depth++] = *sub;
			return 0;
		}
		return fail_unknown_command(args, word, err);
	}
	if (args->n_words == CLI_WORDS_MAX)
		return pl_fail(err, -EINVAL, "more than %d words", CLI_WORDS_MAX);
	args->words[args->n_words++] = word;
	return 0;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

static bool settle_pending(struct cli_args *args, const char *word, int *rc, struct pl_error *err)
{
	const struct cli_option *option = args->pending;

	args->pending = NULL;
	if (option->arg_optional && (!word || is_option(word))) {
		*rc = give(args, option, NULL, err);
		return false;
	}
	*rc = give(args, option, word, err);
	return true;
}

static int take(struct cli_args *args, const char *word, struct pl_error *err)
{
	int rc = 0;

	if (args->pending) {
		bool used = settle_pending(args, word, &rc, err);

		if (used || rc)
			return rc;
	}
	if (args->ended || cli_command_of(args)->raw)
		return take_word(args, word, err);
	if (!strcmp(word, "--")) {
		args->ended = true;
		return 0;
	}
	if (is_option(word))
		return word[1] == '-' ? take_option(args, word, err)
				      : take_letters(args, word, err);
	return take_word(args, word, err);
}

int cli_parse(const struct cli_command *root, int argc, char *const *argv, struct cli_args *ret,
	      struct pl_error *err)
{
	int rc = 0;

	memset(ret, 0, sizeof(*ret));
	ret->chain[0] = root;
	ret->depth = 1;
	for (int i = 0; i < argc && !rc; i++)
		rc = take(ret, argv[i], err);
	if (rc)
		return rc;
	if (ret->pending && !ret->pending->arg_optional)
		return pl_fail(err, -EINVAL, "--%s needs a value: %s", ret->pending->name,
			       ret->pending->arg);
	if (ret->pending) {
		const struct cli_option *option = ret->pending;

		settle_pending(ret, NULL, &rc, err);
		ret->pending = option; /* the next word would still be its value */
	}
	return rc;
}

/* What is sent to the daemon, and printed as JSON, is text. */
static bool is_text(const char *word)
{
	size_t left = strlen(word);

	while (left) {
		size_t n = pl_utf8_char(word, left);

		if (!n)
			return false;
		word += n;
		left -= n;
	}
	return true;
}

static int check_text(const struct cli_args *args, struct pl_error *err)
{
	for (size_t i = 0; i < args->n_words; i++)
		if (!is_text(args->words[i]))
			return pl_fail(err, -EINVAL, "'%s' is not valid UTF-8", args->words[i]);
	for (size_t i = 0; i < args->n_given; i++)
		if (args->given[i].value && !is_text(args->given[i].value))
			return pl_fail(err, -EINVAL, "--%s: '%s' is not valid UTF-8",
				       args->given[i].option->name, args->given[i].value);
	return 0;
}

int cli_check_words(const struct cli_args *args, struct pl_error *err)
{
	const struct cli_command *command = cli_command_of(args);

	if (command->subs)
		return pl_fail(err, -EINVAL, "a command is missing");
	if (args->n_words < command->min_words)
		return pl_fail(err, -EINVAL, "%s is missing", command->args);
	if (args->n_words > command->max_words)
		return pl_fail(err, -EINVAL, "unexpected argument '%s'",
			       args->words[command->max_words]);
	return command->raw ? 0 : check_text(args, err);
}

const char *cli_next_value(const struct cli_args *args, const char *option, size_t *cursor)
{
	while (*cursor < args->n_given) {
		size_t i = (*cursor)++;

		if (!strcmp(args->given[i].option->name, option))
			return args->given[i].value;
	}
	return NULL;
}

const char *cli_value(const struct cli_args *args, const char *option)
{
	size_t cursor = 0;

	return cli_next_value(args, option, &cursor);
}

bool cli_given(const struct cli_args *args, const char *option)
{
	for (size_t i = 0; i < args->n_given; i++) {
		if (!strcmp(args->given[i].option->name, option))
			return true;
	}
	return false;
}

int cli_number(const struct cli_args *args, const char *option, uint64_t min, uint64_t max,
	       uint64_t fallback, uint64_t *ret, struct pl_error *err)
{
	const char *value = cli_value(args, option);

	if (!value) {
		*ret = fallback;
		return 0;
	}
	if (pl_parse_u64(value, min, max, ret))
		return pl_fail(err, -EINVAL,
			       "--%s takes a number from %" PRIu64 " to %" PRIu64 ", not '%s'",
			       option, min, max, value);
	return 0;
}

static void print_usage(const struct cli_args *args, FILE *out)
{
	const struct cli_command *command = cli_command_of(args);
	char path[128];

	cli_command_path(args, path, sizeof(path));
	fprintf(out, "usage: podlane%s%s", path[0] ? " " : "", path);
	if (command->options)
		fputs(" [OPTIONS]", out);
	if (command->subs)
		fputs(" COMMAND ...", out);
	if (command->args)
		fprintf(out, " %s", command->args);
	fputc('\n', out);
}

/*
 * Prints words from @column on, and on further lines that begin there, too. A blank line in @text
 * ends a paragraph.
 */
static void print_wrapped(const char *text, size_t column, FILE *out)
{
	size_t at = column;

	while (*text) {
		size_t len = strcspn(text, " \n"), gap = strspn(text + len, " \n");
		bool paragraph = gap > 1 && text[len] == '\n' && text[len + 1] == '\n';

		fprintf(out, "%.*s", (int)len, text);
		at += len;
		text += len + gap;
		if (paragraph) {
			fprintf(out, "\n\n%*s", (int)column, "");
			at = column;
		} else if (*text && at + 1 + strcspn(text, " \n") > HELP_WIDTH) {
			fprintf(out, "\n%*s", (int)column, "");
			at = column;
		} else if (*text) {
			fputc(' ', out);
			at++;
		}
	}
	fputc('\n', out);
}

static size_t leaf_width(const struct cli_command *command, size_t before)
{
	size_t widest = 0;

	for (const struct cli_command *const *sub = command->subs; *sub; sub++) {
		size_t len = before + strlen((*sub)->name);

		if ((*sub)->subs)
			len = leaf_width(*sub, len + 1);
		else if ((*sub)->args)
			len += 1 + strlen((*sub)->args);
		if (len > widest && len <= HELP_COLUMN_MAX)
			widest = len;
	}
	return widest;
}

/* The left column; what is too long for it has a line of its own. */
static void print_left(const char *text, size_t width, FILE *out)
{
	if (strlen(text) > width)
		fprintf(out, "  %s\n  %*s", text, (int)width + HELP_GAP, "");
	else
		fprintf(out, "  %-*s", (int)width + HELP_GAP, text);
}

static void print_leaves(const struct cli_command *command, const char *before, size_t width,
			 FILE *out)
{
	for (const struct cli_command *const *sub = command->subs; *sub; sub++) {
		char text[128];

		snprintf(text, sizeof(text), "%s%s%s", before, (*sub)->name,
			 (*sub)->subs ? " " : "");
		if ((*sub)->subs) {
			print_leaves(*sub, text, width, out);
			continue;
		}
		if ((*sub)->args)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s",
				 (*sub)->args);
		print_left(text, width, out);
		print_wrapped((*sub)->summary, 2 + width + HELP_GAP, out);
	}
}

static const char *option_text(const struct cli_option *o, char *buf, size_t size)
{
	char letter[5] = "    ";
	const char *arg = o->choices ? o->choices : o->arg;

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	if (!o->arg)
		snprintf(buf, size, "%s--%s", letter, o->name);
	else if (o->arg_optional)
		snprintf(buf, size, "%s--%s [%s]", letter, o->name, arg);
	else
		snprintf(buf, size, "%s--%s %s", letter, o->name, arg);
	return buf;
}

static void print_options(const struct cli_option *options, FILE *out)
{
	size_t width = 0;
	char text[128];

	for (const struct cli_option *o = options; o->name; o++) {
		size_t len = strlen(option_text(o, text, sizeof(text)));

		if (len > width && len <= HELP_COLUMN_MAX)
			width = len;
	}
	for (const struct cli_option *o = options; o->name; o++) {
		char help[256];

		print_left(option_text(o, text, sizeof(text)), width, out);
		snprintf(help, sizeof(help), "%s%s", o->help, o->many ? "; may be repeated" : "");
		print_wrapped(help, 2 + width + HELP_GAP, out);
	}
}

void cli_print_help(const struct cli_args *args, FILE *out)
{
	const struct cli_command *command = cli_command_of(args);
	char path[128];

	print_usage(args, out);
	fprintf(out, "\n%s.\n", command->summary);
	if (command->alias)
		fprintf(out, "Alias: %s.\n", command->alias);
	if (command->about) {
		fputc('\n', out);
		print_wrapped(command->about, 0, out);
	}
	if (command->subs) {
		cli_command_path(args, path, sizeof(path));
		if (path[0])
			strncat(path, " ", sizeof(path) - strlen(path) - 1);
		fputs("\nCommands:\n", out);
		print_leaves(command, path, leaf_width(command, strlen(path)), out);
	}
	if (command->options) {
		fputs("\nOptions:\n", out);
		print_options(command->options, out);
	}
	if (args->depth > 1) {
		fputs("\nOptions of every command:\n", out);
		print_options(args->chain[0]->options, out);
	}
}
