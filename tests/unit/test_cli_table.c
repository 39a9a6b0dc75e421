// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tables and numbers as the command line prints them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/table.h"

static char *looking(const struct cli_table *table, struct cli_look look)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(cli_table_print(table, out, &look), 0);
	fclose(out);
	return text;
}

static char *printed(const struct cli_table *table, bool colour)
{
	return looking(table, (struct cli_look){.colour = colour});
}

static const struct cli_column columns[] = {{"NAME"}, {"N", .right = true}, {"WHY"}};

static void test_columns_align(void **state)
{
	pl_cleanup(cli_table_freep) struct cli_table *table = cli_table_new(columns, 3);
	pl_autofree char *text = NULL;

	cli_cell(table, CLI_PLAIN, "a");
	cli_cell(table, CLI_PLAIN, "%d", 12345);
	cli_cell(table, CLI_PLAIN, "long enough");
	cli_cell(table, CLI_PLAIN, "grün"); /* five bytes, four characters */
	cli_cell(table, CLI_PLAIN, "%d", 7);
	cli_cell(table, CLI_PLAIN, "x");
	text = printed(table, false);
	assert_string_equal(text, "NAME      N  WHY\n"
				  "a     12345  long enough\n"
				  "grün      7  x\n");
	assert_int_equal(cli_table_rows(table), 2);
}

static void test_control_bytes_are_masked(void **state)
{
	pl_cleanup(cli_table_freep) struct cli_table *table = cli_table_new(columns, 1);
	pl_autofree char *text = NULL;

	cli_cell(table, CLI_PLAIN, "a\033[2Jb\nc");
	text = printed(table, false);
	assert_string_equal(text, "NAME\na?[2Jb?c\n");
}

static void test_colour_adds_no_width(void **state)
{
	pl_cleanup(cli_table_freep) struct cli_table *table = cli_table_new(columns, 2);
	pl_autofree char *text = NULL;

	cli_cell(table, CLI_BAD, "no");
	cli_cell(table, CLI_PLAIN, "1");
	text = printed(table, true);
	assert_string_equal(text, "\033[1mNAME\033[0m  \033[1mN\033[0m\n"
				  "\033[31mno\033[0m    1\n");
}

static void test_empty_table_has_its_head(void **state)
{
	pl_cleanup(cli_table_freep) struct cli_table *table = cli_table_new(columns, 3);
	pl_autofree char *text = printed(table, false);

	assert_string_equal(text, "NAME  N  WHY\n");
}

static const struct cli_column broken[] = {{"NAME", .wrap = true},
					   {"N", .right = true},
					   {"MORE", .wide = true},
					   {"WHY", .wrap = true}};

static void fill(struct cli_table *table)
{
	cli_cell(table, CLI_PLAIN, "kube-system/coredns-5d78c9869d-zx81k");
	cli_cell(table, CLI_PLAIN, "12");
	cli_cell(table, CLI_PLAIN, "hidden");
	cli_cell(table, CLI_PLAIN, "an address, another one");
	cli_cell(table, CLI_PLAIN, "short");
	cli_cell(table, CLI_PLAIN, "3");
	cli_cell(table, CLI_PLAIN, "x");
	cli_cell(table, CLI_PLAIN, "grün");
}

static void test_wide_tables_are_broken(void **state)
{
	pl_cleanup(cli_table_freep) struct cli_table *table = cli_table_new(broken, 4);
	pl_autofree char *text = NULL, *whole = NULL, *narrow = NULL;
	unsigned int longest = 0;

	fill(table);
	text = looking(table, (struct cli_look){.width = 40});
	assert_string_equal(text, "NAME                N  WHY\n"
				  "kube-system/       12  an address,\n"
				  "coredns-               another one\n"
				  "5d78c9869d-zx81k\n"
				  "short               3  grün\n");
	/* Nothing is broken where nobody says how wide a line may be. */
	whole = looking(table, (struct cli_look){.wide = true});
	assert_string_equal(
		whole, "NAME                                   N  MORE    WHY\n"
		       "kube-system/coredns-5d78c9869d-zx81k  12  hidden  an address, another one\n"
		       "short                                  3  x       grün\n");
	/* Words that are longer than their column are cut anywhere; no column shrinks to nothing.
	 */
	narrow = looking(table, (struct cli_look){.width = 5});
	for (const char *line = narrow; *line; line += strcspn(line, "\n") + 1)
		longest =
			strcspn(line, "\n") > longest ? (unsigned int)strcspn(line, "\n") : longest;
	assert_int_equal(longest, 22);
}

static void test_numbers_for_people(void **state)
{
	char buf[CLI_NUMBER_MAX];

	assert_string_equal(cli_format_count(0, buf), "0");
	assert_string_equal(cli_format_count(9999, buf), "9999");
	assert_string_equal(cli_format_count(10000, buf), "10.0k");
	assert_string_equal(cli_format_count(999999, buf), "1.00M");
	assert_string_equal(cli_format_count(1e19, buf), "10.0E");
	assert_string_equal(cli_format_bytes(1023, buf), "1023 B");
	assert_string_equal(cli_format_bytes(1536, buf), "1.50 KiB");
	assert_string_equal(cli_format_bytes(18446744073709551615.0, buf), "16.0 EiB");
	assert_string_equal(cli_format_bits(125, buf), "1.00 kbit/s");
	assert_string_equal(cli_format_bits(1.25e8, buf), "1.00 Gbit/s");
	assert_string_equal(cli_format_seconds(0, buf), "0s");
	assert_string_equal(cli_format_seconds(59, buf), "59s");
	assert_string_equal(cli_format_seconds(3600, buf), "1h");
	assert_string_equal(cli_format_seconds(93784, buf), "1d 2h");
	assert_string_equal(cli_format_seconds(86400 + 59, buf), "1d");
}

static void test_scaled_numbers(void **state)
{
	uint64_t n = 5;

	assert_int_equal(cli_parse_scaled("10", &n), 0);
	assert_int_equal(n, 10);
	assert_int_equal(cli_parse_scaled("2.5M", &n), 0);
	assert_int_equal(n, 2500000);
	assert_int_equal(cli_parse_scaled("1k", &n), 0);
	assert_int_equal(n, 1000);
	for (const char *const *bad = (const char *const[]){"", "k", "-1", "1x", "1kk", " 1", "nan",
							    "inf", "1e400", "99999999999G", NULL};
	     *bad; bad++) {
		n = 5;
		assert_true(cli_parse_scaled(*bad, &n) < 0);
		assert_int_equal(n, 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_align),
		cmocka_unit_test(test_control_bytes_are_masked),
		cmocka_unit_test(test_colour_adds_no_width),
		cmocka_unit_test(test_empty_table_has_its_head),
		cmocka_unit_test(test_wide_tables_are_broken),
		cmocka_unit_test(test_numbers_for_people),
		cmocka_unit_test(test_scaled_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
