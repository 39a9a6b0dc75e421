/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sets of addresses as prefixes. Each result is held against a model that asks of every address of
 * a small space whether it is in, and must be as short as can be where that is promised.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/prefixes.h"
#include "ipam/cover.h"

static struct pl_ip ip(const char *s)
{
	struct pl_ip out;

	assert_int_equal(pl_ip_parse(s, &out), 0);
	return out;
}

static struct pl_prefix prefix(const char *s)
{
	struct pl_prefix out;

	assert_int_equal(pl_prefix_parse(s, &out), 0);
	return out;
}

/* "10.0.0.0/8 10.96.0.0/12": in the order of the set. */
static void assert_set(const struct pl_prefixes *set, const char *want)
{
	char got[4096] = "", text[PL_PREFIX_STRLEN];

	for (size_t i = 0; i < set->n; i++) {
		strcat(got, i ? " " : "");
		strcat(got, pl_prefix_format(&set->v[i], text));
	}
	assert_string_equal(got, want);
}

static void assert_range(const char *first, const char *last, const char *want)
{
	struct pl_prefixes set = {0};
	struct pl_ip a = ip(first), b = ip(last);

	assert_int_equal(pl_prefixes_add_range(&set, &a, &b), 0);
	assert_set(&set, want);
	pl_prefixes_clear(&set);
}

static void test_ranges(void **state)
{
	assert_range("10.0.0.0", "10.0.0.255", "10.0.0.0/24");
	assert_range("10.0.0.7", "10.0.0.7", "10.0.0.7/32");
	assert_range("10.0.0.10", "10.0.0.20",
		     "10.0.0.10/31 10.0.0.12/30 10.0.0.16/30 10.0.0.20/32");
	assert_range("10.0.255.255", "10.1.0.0", "10.0.255.255/32 10.1.0.0/32");
	assert_range("0.0.0.0", "255.255.255.255", "0.0.0.0/0");
	assert_range("255.255.255.254", "255.255.255.255", "255.255.255.254/31");
	assert_range("fd00::", "fd00::ffff:ffff:ffff:ffff", "fd00::/64");
	assert_range("fd00::1", "fd00::4", "fd00::1/128 fd00::2/127 fd00::4/128");
	assert_range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0");
	assert_range("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
	assert_range("10.0.0.2", "10.0.0.1", "");
}

static void test_ranges_without(void **state)
{
	struct pl_prefixes set = {0};
	const struct pl_prefix except[] = {
		prefix("10.0.0.64/26"), prefix("10.0.0.0/28"),	prefix("fd00::/16"),
		prefix("10.9.0.0/16"),	prefix("10.0.0.70/31"),
	};
	const struct pl_prefix all = prefix("10.0.0.0/8");
	struct pl_ip a = ip("10.0.0.0"), b = ip("10.0.0.255");

	assert_int_equal(pl_prefixes_add_range_without(&set, &a, &b, except, 5), 0);
	assert_set(&set, "10.0.0.16/28 10.0.0.32/27 10.0.0.128/25");
	pl_prefixes_clear(&set);
	assert_int_equal(pl_prefixes_add_range_without(&set, &a, &b, &all, 1), 0);
	assert_set(&set, "");
	a = ip("0.0.0.0");
	b = ip("255.255.255.255");
	assert_int_equal(pl_prefixes_add_range_without(&set, &a, &b,
						       &(struct pl_prefix){ip("128.0.0.0"), 1}, 1),
			 0);
	assert_set(&set, "0.0.0.0/1");
	pl_prefixes_clear(&set);
}

static void test_members(void **state)
{
	struct pl_prefixes set = {0};
	struct pl_prefix p = prefix("10.1.2.3/16"), wider = prefix("10.0.0.0/8");
	struct pl_prefix narrower = prefix("10.1.0.0/17"), v6 = prefix("a01::/16");

	assert_int_equal(pl_prefixes_add(&set, &p), 0);
	assert_set(&set, "10.1.0.0/16");
	assert_true(pl_prefixes_has(&set, &p));
	assert_false(pl_prefixes_has(&set, &wider));
	assert_false(pl_prefixes_has(&set, &narrower));
	assert_false(pl_prefixes_has(&set, &v6));
	pl_prefixes_clear(&set);
	assert_int_equal(set.n, 0);
}

static struct pl_network_rule rule(const char *s)
{
	return (struct pl_network_rule){prefix(s + (*s == '!')), *s == '!'};
}

static void assert_rules(uint8_t family, const char *const *texts, const char *want)
{
	struct pl_network_rule rules[16];
	struct pl_prefixes set = {0};
	size_t n = 0;

	for (; texts[n]; n++)
		rules[n] = rule(texts[n]);
	assert_int_equal(pl_prefixes_add_rules(&set, family, rules, n), 0);
	assert_set(&set, want);
	pl_prefixes_clear(&set);
}

#define RULES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_rules(void **state)
{
	assert_rules(AF_INET, RULES("10.0.0.0/8"), "10.0.0.0/8");
	assert_rules(AF_INET, RULES("10.0.0.0/8", "!10.96.0.0/12"),
		     "10.0.0.0/10 10.64.0.0/11 10.112.0.0/12 10.128.0.0/9");
	assert_rules(AF_INET, RULES("!10.128.0.0/9", "10.0.0.0/8", "10.192.0.0/10"),
		     "10.0.0.0/9 10.192.0.0/10");
	assert_rules(AF_INET, RULES("10.0.0.0/8", "10.1.0.0/16"), "10.0.0.0/8");
	assert_rules(AF_INET, RULES("!10.0.0.0/8", "192.0.2.0/24"), "192.0.2.0/24");
	assert_rules(AF_INET, RULES("0.0.0.0/0", "!0.0.0.0/1"), "128.0.0.0/1");
	assert_rules(AF_INET, RULES("10.0.0.0/31", "!10.0.0.1/32"), "10.0.0.0/32");
	assert_rules(AF_INET, RULES("fd00::/8"), "");
	assert_rules(AF_INET6, RULES("10.0.0.0/8", "fd00::/8", "!fd00::/9"), "fd80::/9");
	assert_rules(AF_INET6, RULES("fd00::/127", "!fd00::1/128"), "fd00::/128");
}

/* The longest rule that holds @at. */
static bool is_in(const struct pl_network_rule *rules, size_t n, const struct pl_ip *at)
{
	int best = -1;
	bool in = false;

	for (size_t i = 0; i < n; i++) {
		if (rules[i].net.len <= best || !pl_prefix_contains(&rules[i].net, at))
			continue;
		best = rules[i].net.len;
		in = !rules[i].except;
	}
	return in;
}

static size_t count(const struct pl_prefixes *set, const struct pl_ip *at)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += pl_prefix_contains(&set->v[i], at);
	return n;
}

static void test_random_rules(void **state)
{
	unsigned int seed = 20261124;

	for (int round = 0; round < 300; round++) {
		struct pl_network_rule rules[8];
		struct pl_prefixes set = {0};
		size_t n = 0;

		while (n < 1 + (size_t)round % 8) {
			struct pl_network_rule r = {
				.net = {{AF_INET, {10, 0, 0, (uint8_t)rand_r(&seed)}},
					(uint8_t)(23 + rand_r(&seed) % 10)},
				.except = rand_r(&seed) % 2,
			};
			bool again = false;

			pl_prefix_range(&r.net, &r.net.ip, &(struct pl_ip){0});
			for (size_t i = 0; i < n; i++)
				again |= pl_prefix_same(&rules[i].net, &r.net);
			if (!again)
				rules[n++] = r;
		}
		assert_int_equal(pl_prefixes_add_rules(&set, AF_INET, rules, n), 0);
		for (unsigned int i = 0; i < 1024; i++) {
			const struct pl_ip at = {AF_INET, {10, 0, (uint8_t)(i >> 8), (uint8_t)i}};

			assert_int_equal(count(&set, &at), is_in(rules, n, &at));
		}
		pl_prefixes_clear(&set);
	}
}

static void test_random_ranges(void **state)
{
	unsigned int seed = 7;

	for (int round = 0; round < 300; round++) {
		struct pl_ip first = {AF_INET, {10, 0, 0, (uint8_t)rand_r(&seed)}}, last = first;
		struct pl_prefix except[3];
		struct pl_prefixes set = {0};
		size_t n = (size_t)round % 4;

		assert_int_equal(pl_ip_add(&first, rand_r(&seed) % 700, &last), 0);
		for (size_t i = 0; i < n; i++)
			except[i] = (struct pl_prefix){
				{AF_INET,
				 {10, 0, (uint8_t)(rand_r(&seed) % 4), (uint8_t)rand_r(&seed)}},
				(uint8_t)(24 + rand_r(&seed) % 9)};
		assert_int_equal(pl_prefixes_add_range_without(&set, &first, &last, except, n), 0);
		for (unsigned int i = 0; i < 1024; i++) {
			const struct pl_ip at = {AF_INET, {10, 0, (uint8_t)(i >> 8), (uint8_t)i}};
			bool in = pl_ip_cmp(&at, &first) >= 0 && pl_ip_cmp(&at, &last) <= 0;

			for (size_t k = 0; k < n; k++)
				in = in && !pl_prefix_contains(&except[k], &at);
			assert_int_equal(count(&set, &at), in);
		}
		pl_prefixes_clear(&set);
	}
}

/* ---- the ranges of a network ---- */

static void assert_cover(const char *ipam, const char *want)
{
	pl_cleanup(pl_netconf_clear) struct pl_netconf conf = {0};
	pl_autofree char *text = NULL;
	pl_autojson json_t *j = NULL;
	struct pl_prefixes set = {0};
	struct pl_error err = {0};

	assert_true(asprintf(&text, "{\"name\":\"n\",\"ipam\":%s}", ipam) > 0);
	assert_int_equal(pl_json_load(text, strlen(text), &j, &err), 0);
	if (pl_netconf_parse(j, &conf, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	assert_int_equal(pl_ipam_cover(&conf, &set), 0);
	assert_set(&set, want);
	pl_prefixes_clear(&set);
}

static void test_cover(void **state)
{
	/* A whole subnet is one route, whatever of it is never given out. */
	assert_cover("{\"ranges\":[[{\"subnet\":\"10.1.0.0/24\"}],[{\"subnet\":\"fd00::/64\"}]]}",
		     "10.1.0.0/24 fd00::/64");
	assert_cover(
		"{\"subnet\":\"10.1.0.0/24\",\"rangeStart\":\"10.1.0.1\",\"rangeEnd\":\"10.1.0.254\"}",
		"10.1.0.0/24");
	/* The rest of a subnet that nodes share is not ours. */
	assert_cover(
		"{\"subnet\":\"10.1.0.0/16\",\"rangeStart\":\"10.1.3.0\",\"rangeEnd\":\"10.1.3.255\"}",
		"10.1.3.0/24");
	assert_cover("{\"subnet\":\"10.1.0.0/24\",\"rangeStart\":\"10.1.0.128\"}", "10.1.0.128/25");
	assert_cover("{\"subnet\":\"fd00::/64\",\"rangeEnd\":\"fd00::ff\"}", "fd00::/120");
	assert_cover("{\"subnet\":\"10.1.0.0/24\",\"exclude\":[\"10.1.0.0/25\"]}", "10.1.0.128/25");
	assert_cover("{\"subnet\":\"10.1.0.0/31\"}", "10.1.0.0/31");
	assert_cover("{\"subnet\":\"10.1.0.7/32\"}", "10.1.0.7/32");
	/* Another plugin's addresses are its own affair. */
	assert_cover("{\"type\":\"host-local\",\"subnet\":\"10.1.0.0/24\"}", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),	     cmocka_unit_test(test_ranges_without),
		cmocka_unit_test(test_members),	     cmocka_unit_test(test_rules),
		cmocka_unit_test(test_random_rules), cmocka_unit_test(test_random_ranges),
		cmocka_unit_test(test_cover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
