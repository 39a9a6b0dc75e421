/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The shape of the command line: commands, their options, and what was given. One table of these
 * (commands.c) dispatches, prints every --help and feeds the shell's completion, so that the
 * three cannot disagree. Parsing is pure: it neither prints, nor talks to the daemon, nor exits.
 */
#ifndef PODLANE_CLI_COMMAND_H
#define PODLANE_CLI_COMMAND_H

#include "common/util.h"

#define CLI_WORDS_MAX 256
#define CLI_DEPTH_MAX 4

/* What a word stands for: the shell's completion offers such. */
enum cli_word {
	CLI_WORD_OTHER,
	CLI_WORD_ENDPOINT,
	CLI_WORD_MIRROR,
	CLI_WORD_NETNS,
	CLI_WORD_DEVICE,
	CLI_WORD_FILE,
	CLI_WORD_LEVEL,
	CLI_WORD_COMMAND,
};

struct cli_option {
	const char *name;    /* without the dashes; NULL ends a list */
	char letter;	     /* 0: none */
	bool many;	     /* may be given more than once */
	bool arg_optional;   /* may be left out: at the end of the line, before another option */
	const char *arg;     /* the value as --help names it; NULL: a switch */
	const char *choices; /* "a|b|c": no other value is taken; NULL: any */
	enum cli_word word;
	const char *help;
};

struct cli;
struct cli_args;

/* Exit codes, documented in podlane(8). */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NO_DAEMON = 3,
};

struct cli_command {
	const char *name;
	const char *alias;		       /* a shorter name; NULL: none */
	const char *args;		       /* of the usage line; NULL: none */
	const char *summary;		       /* one line, no full stop */
	const char *about;		       /* further text of its own --help; NULL: none */
	const struct cli_option *options;      /* NULL: none but the global ones */
	const struct cli_command *const *subs; /* NULL-terminated; NULL: a leaf */
	unsigned int min_words, max_words;
	enum cli_word word;
	bool raw; /* takes every word as it is, options too */
	enum cli_exit (*run)(struct cli *cli, const struct cli_args *args);
};

struct cli_args {
	const struct cli_command *chain[CLI_DEPTH_MAX]; /* root, ..., the command itself */
	size_t depth;
	const char *words[CLI_WORDS_MAX];
	size_t n_words;
	struct {
		const struct cli_option *option;
		const char *value; /* NULL: a switch, or an optional value left out */
	} given[CLI_WORDS_MAX];
	size_t n_given;
	const struct cli_option *pending; /* the last word, whose value may come next */
	bool ended;			  /* "--" was seen */
};

/*
 * Reads argv[0..argc-1] (without the program's name). 0 or -EINVAL with a sentence; *ret is
 * filled as far as it was understood, also on failure. Does not check the number of words:
 * --help must work without them.
 */
int cli_parse(const struct cli_command *root, int argc, char *const *argv, struct cli_args *ret,
	      struct pl_error *err);
/* Enough words, not too many, valid UTF-8, and no bare group of commands. 0 or -EINVAL. */
int cli_check_words(const struct cli_args *args, struct pl_error *err);

const struct cli_command *cli_command_of(const struct cli_args *args);
/* "endpoint add"; "" for the root. Returns @buf. */
const char *cli_command_path(const struct cli_args *args, char *buf, size_t size);

/* The option of the command, or one of every command, that has this name. NULL: none. */
const struct cli_option *cli_find_option(const struct cli_args *args, const char *name, size_t len);
bool cli_given(const struct cli_args *args, const char *option);
/* The option's value, NULL where it was not given or has none. */
const char *cli_value(const struct cli_args *args, const char *option);
/* Each value of an option that may come often; start with *cursor = 0. NULL: no more. */
const char *cli_next_value(const struct cli_args *args, const char *option, size_t *cursor);
/* A decimal value, or @fallback where it was not given. 0 or -EINVAL with a sentence. */
int cli_number(const struct cli_args *args, const char *option, uint64_t min, uint64_t max,
	       uint64_t fallback, uint64_t *ret, struct pl_error *err);

void cli_print_help(const struct cli_args *args, FILE *out);

#endif
