// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The command line's parser on the real table: what is understood, what is refused and how.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/cli.h"

static struct cli_args args;
static struct pl_error err;

#define PARSE(...)                                                                                 \
	({                                                                                         \
		char *argv_[] = {__VA_ARGS__};                                                     \
		memset(&err, 0, sizeof(err));                                                      \
		cli_parse(&cli_root, (int)PL_ARRAY_SIZE(argv_), argv_, &args, &err);               \
	})

#define REFUSED(says, ...)                                                                         \
	do {                                                                                       \
		assert_int_equal(PARSE(__VA_ARGS__), -EINVAL);                                     \
		if (!strstr(err.text, says))                                                       \
			fail_msg("'%s' does not say '%s'", err.text, says);                        \
	} while (0)

static void test_path_and_words(void **state)
{
	char path[64];

	assert_int_equal(PARSE("endpoint", "show", "web"), 0);
	assert_ptr_equal(cli_command_of(&args), &cli_endpoint_show);
	assert_string_equal(cli_command_path(&args, path, sizeof(path)), "endpoint show");
	assert_int_equal(args.n_words, 1);
	assert_string_equal(args.words[0], "web");
	assert_int_equal(cli_check_words(&args, &err), 0);
}

static void test_global_options_anywhere(void **state)
{
	assert_int_equal(PARSE("-j", "endpoint", "--color", "never", "list", "--socket=/x"), 0);
	assert_true(cli_given(&args, "json"));
	assert_string_equal(cli_value(&args, "color"), "never");
	assert_string_equal(cli_value(&args, "socket"), "/x");
	assert_ptr_equal(cli_command_of(&args), &cli_endpoint_list);
}

static void test_repeated_values(void **state)
{
	size_t cursor = 0;

	assert_int_equal(PARSE("endpoint", "add", "--ip", "10.0.0.1", "ns", "--ip=fd00::1"), 0);
	assert_string_equal(cli_next_value(&args, "ip", &cursor), "10.0.0.1");
	assert_string_equal(cli_next_value(&args, "ip", &cursor), "fd00::1");
	assert_null(cli_next_value(&args, "ip", &cursor));
	REFUSED("--mtu is given twice", "endpoint", "add", "ns", "--mtu", "1", "--mtu", "2");
}

static void test_optional_value(void **state)
{
	assert_int_equal(PARSE("stats", "--watch"), 0);
	assert_true(cli_given(&args, "watch"));
	assert_null(cli_value(&args, "watch"));

	assert_int_equal(PARSE("stats", "--watch", "2.5", "web"), 0);
	assert_string_equal(cli_value(&args, "watch"), "2.5");
	assert_string_equal(args.words[0], "web");

	/* What follows is the value, whatever it is: the command judges it. */
	assert_int_equal(PARSE("stats", "-w", "web"), 0);
	assert_string_equal(cli_value(&args, "watch"), "web");
	assert_int_equal(args.n_words, 0);

	assert_int_equal(PARSE("stats", "web", "-w"), 0);
	assert_null(cli_value(&args, "watch"));
	assert_string_equal(args.words[0], "web");

	assert_int_equal(PARSE("stats", "--watch=3"), 0);
	assert_string_equal(cli_value(&args, "watch"), "3");

	assert_int_equal(PARSE("stats", "--watch", "--json"), 0);
	assert_true(cli_given(&args, "json"));
}

static void test_short_names(void **state)
{
	assert_int_equal(PARSE("endpoint", "ls"), 0);
	assert_string_equal(cli_command_of(&args)->name, "list");
	assert_int_equal(PARSE("mirror", "rm", "m"), 0);
	assert_string_equal(cli_command_of(&args)->name, "del");
	REFUSED("unknown command 'rm'", "rm");
}

static void test_letters_stand_together(void **state)
{
	assert_int_equal(PARSE("stats", "-jw2", "-n3", "web"), 0);
	assert_true(cli_given(&args, "json"));
	assert_string_equal(cli_value(&args, "watch"), "2");
	assert_string_equal(cli_value(&args, "count"), "3");
	assert_string_equal(args.words[0], "web");

	assert_int_equal(PARSE("stats", "-jn", "4"), 0);
	assert_string_equal(cli_value(&args, "count"), "4");
}

static void test_dashes_end_options(void **state)
{
	assert_int_equal(PARSE("endpoint", "show", "--", "--json"), 0);
	assert_false(cli_given(&args, "json"));
	assert_string_equal(args.words[0], "--json");
}

static void test_raw_command_takes_all(void **state)
{
	assert_int_equal(PARSE("complete", "stats", "--", "--by"), 0);
	assert_int_equal(args.n_words, 3);
	assert_string_equal(args.words[2], "--by");
}

static void test_refusals_name_the_way_out(void **state)
{
	REFUSED("did you mean 'endpoint'", "endpiont");
	REFUSED("did you mean 'list'", "mirror", "lst");
	REFUSED("did you mean '--ifname'", "endpoint", "add", "ns", "--ifnam", "x");
	REFUSED("unknown option '-x'", "status", "-x");
	REFUSED("--json is given twice", "status", "-jj");
	REFUSED("unknown option '-x'", "status", "-jx");
	REFUSED("--count needs a value: N", "stats", "-jn");
	REFUSED("--by takes one of endpoint|reason, not 'end'", "stats", "--by", "end");
	REFUSED("--json takes no value", "status", "--json=yes");
	REFUSED("--mtu needs a value: BYTES", "endpoint", "add", "ns", "--mtu");
	REFUSED("unknown option", "status", "--watch"); /* of another command */
}

static void test_number_of_words(void **state)
{
	assert_int_equal(PARSE("endpoint"), 0);
	assert_int_equal(cli_check_words(&args, &err), -EINVAL);
	assert_int_equal(PARSE("endpoint", "show"), 0);
	assert_int_equal(cli_check_words(&args, &err), -EINVAL);
	assert_string_equal(err.text, "ENDPOINT is missing");
	assert_int_equal(PARSE("status", "now"), 0);
	assert_int_equal(cli_check_words(&args, &err), -EINVAL);
	assert_string_equal(err.text, "unexpected argument 'now'");
}

static void test_numbers(void **state)
{
	uint64_t n = 0;

	assert_int_equal(PARSE("endpoint", "add", "ns", "--mtu", "9000"), 0);
	assert_int_equal(cli_number(&args, "mtu", 68, 65535, 0, &n, &err), 0);
	assert_int_equal(n, 9000);
	assert_int_equal(cli_number(&args, "mtu", 68, 1500, 0, &n, &err), -EINVAL);
	assert_int_equal(cli_number(&args, "name", 1, 2, 77, &n, &err), 0);
	assert_int_equal(n, 77);
}

/* Every command says what it is; every option that takes choices offers its documented ones. */
static void check_table(const struct cli_command *command)
{
	assert_non_null(command->summary);
	assert_true(command->run || command->subs);
	assert_true(command->max_words >= command->min_words);
	assert_true(!command->max_words || command->args);
	for (const struct cli_option *o = command->options; o && o->name; o++) {
		assert_non_null(o->help);
		assert_true(!o->choices || o->arg);
	}
	for (const struct cli_command *const *sub = command->subs; sub && *sub; sub++)
		check_table(*sub);
}

static void test_table_is_whole(void **state)
{
	check_table(&cli_root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_and_words),
		cmocka_unit_test(test_global_options_anywhere),
		cmocka_unit_test(test_repeated_values),
		cmocka_unit_test(test_optional_value),
		cmocka_unit_test(test_short_names),
		cmocka_unit_test(test_letters_stand_together),
		cmocka_unit_test(test_dashes_end_options),
		cmocka_unit_test(test_raw_command_takes_all),
		cmocka_unit_test(test_refusals_name_the_way_out),
		cmocka_unit_test(test_number_of_words),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_table_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
