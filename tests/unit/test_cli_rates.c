// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Rates out of two answers of the daemon, with all that may happen between them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "cli/rates.h"

#define SECOND 1000000000ull

static const struct cli_rate *row(const struct cli_sample *s, const char *name, const char *reason)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!strcmp(s->rows[i].name, name) && !strcmp(s->rows[i].reason, reason))
			return &s->rows[i];
	}
	fail_msg("no row %s %s", name, reason);
	return NULL;
}

static struct cli_sample sample(const char *text, uint64_t at_ns, enum cli_fold fold)
{
	struct cli_sample s = {0};
	json_t *reply = json_loads(text, 0, NULL);

	assert_non_null(reply);
	assert_int_equal(cli_sample_new(reply, at_ns, fold, &s), 0);
	return s;
}

#define COUNTER(reason, direction, packets, bytes)                                                 \
	"{\"reason\":\"" reason "\",\"direction\":\"" direction "\",\"packets\":" #packets         \
	",\"bytes\":" #bytes "}"
#define ENDPOINT(id, container, counters)                                                          \
	"{\"endpoint\":" #id ",\"containerId\":\"" container "\",\"ifname\":\"eth0\",\"reasons\":" \
	"[" counters "]}"
#define STATS(endpoints) "{\"stats\":[" endpoints "]}"

static void test_rates_per_second(void **state)
{
	struct cli_sample a = sample(STATS(ENDPOINT(1, "a", COUNTER("PASS_ARP", "in", 10, 100))),
				     5 * SECOND, CLI_FOLD_NONE);
	struct cli_sample b = sample(STATS(ENDPOINT(1, "a", COUNTER("PASS_ARP", "in", 30, 1100))),
				     7 * SECOND, CLI_FOLD_NONE);
	const struct cli_rate *r;

	cli_sample_compare(&a, &b);
	r = row(&b, "a", "PASS_ARP");
	assert_true(r->packets_per_second == 10 && r->bytes_per_second == 500);
	assert_true(json_real_value(json_object_get(r->json, "packetsPerSecond")) == 10);
	cli_sample_clear(&a);
	cli_sample_clear(&b);
}

/* Slot 1 now belongs to another pod, another's counter went back: neither may give 2^64. */
static void test_new_and_reset_rows(void **state)
{
	struct cli_sample a =
		sample(STATS(ENDPOINT(1, "old", COUNTER("PASS_ARP", "in", 900, 9)) "," ENDPOINT(
			       2, "b", COUNTER("PASS_ND", "in", 50, 50))),
		       0, CLI_FOLD_NONE);
	struct cli_sample b =
		sample(STATS(ENDPOINT(1, "new", COUNTER("PASS_ARP", "in", 4, 4)) "," ENDPOINT(
			       2, "b", COUNTER("PASS_ND", "in", 7, 7))),
		       SECOND, CLI_FOLD_NONE);

	cli_sample_compare(&a, &b);
	assert_true(row(&b, "new", "PASS_ARP")->packets_per_second == 4);
	assert_true(row(&b, "b", "PASS_ND")->packets_per_second == 7);
	cli_sample_clear(&a);
	cli_sample_clear(&b);
}

static const char two[] = STATS(ENDPOINT(
	1, "a",
	COUNTER("PASS_ARP", "in", 1, 10) "," COUNTER(
		"PASS_ND", "in", 2, 20)) "," ENDPOINT(2, "b",
						      COUNTER("PASS_ARP", "in", 4, 40) "," COUNTER(
							      "PASS_ARP", "out", 8, 80)));

static void test_folds(void **state)
{
	struct cli_sample by_endpoint = sample(two, 0, CLI_FOLD_ENDPOINT);
	struct cli_sample by_reason = sample(two, 0, CLI_FOLD_REASON);
	pl_autojson json_t *json = NULL;

	assert_int_equal(by_endpoint.n, 3);
	assert_int_equal(row(&by_endpoint, "a", "")->packets, 3);
	assert_int_equal(by_reason.n, 3);
	cli_sample_sort(&by_reason, false);
	assert_string_equal(by_reason.rows[0].reason, "PASS_ARP");
	assert_int_equal(by_reason.rows[0].packets, 5);
	assert_int_equal(by_reason.rows[0].bytes, 50);
	json = cli_sample_to_json(&by_reason, false);
	assert_int_equal(json_array_size(json_object_get(json, "stats")), 3);
	assert_null(json_object_get(json_array_get(json_object_get(json, "stats"), 0), "name"));
	cli_sample_clear(&by_endpoint);
	cli_sample_clear(&by_reason);
}

static void test_busiest_first(void **state)
{
	struct cli_sample none = {0};
	struct cli_sample s = sample(two, SECOND, CLI_FOLD_NONE);

	cli_sample_compare(&none, &s);
	cli_sample_sort(&s, true);
	for (size_t i = 1; i < s.n; i++)
		assert_true(s.rows[i - 1].packets_per_second >= s.rows[i].packets_per_second);
	cli_sample_sort(&s, false);
	assert_string_equal(s.rows[0].name, "a");
	assert_string_equal(s.rows[0].reason, "PASS_ND"); /* most packets of its direction */
	assert_string_equal(s.rows[3].direction, "out");
	cli_sample_clear(&s);
}

static void test_unknown_reason_and_missing_keys(void **state)
{
	struct cli_sample s = sample("{\"stats\":[{\"endpoint\":0,\"reasons\":[{\"reason\":"
				     "\"PASS_NEWER\",\"direction\":\"in\",\"packets\":1},{}]},{}]}",
				     0, CLI_FOLD_NONE);

	assert_int_equal(s.n, 2);
	assert_int_equal(row(&s, "(node)", "PASS_NEWER")->packets, 1);
	assert_null(cli_reason_text("PASS_NEWER"));
	assert_non_null(cli_reason_text("PASS_ARP"));
	cli_sample_clear(&s);
}

static void test_no_stats_is_refused(void **state)
{
	struct cli_sample s = {0};

	assert_int_equal(cli_sample_new(json_object(), 0, CLI_FOLD_NONE, &s), -EBADMSG);
	assert_int_equal(s.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates_per_second),
		cmocka_unit_test(test_new_and_reset_rows),
		cmocka_unit_test(test_folds),
		cmocka_unit_test(test_busiest_first),
		cmocka_unit_test(test_unknown_reason_and_missing_keys),
		cmocka_unit_test(test_no_stats_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
