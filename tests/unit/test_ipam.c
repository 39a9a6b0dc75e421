/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Address management against what it promises: no address twice on the node, none that is
 * reserved, released ones last, all or nothing, and a cost that does not grow with use. A model
 * that knows nothing of chunks checks random histories.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ipam/ipam.h"

struct fixture {
	struct pl_ipam *ipam;
	struct pl_netconf conf;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return f ? pl_ipam_new(&f->ipam) : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pl_netconf_clear(&f->conf);
	pl_ipam_freep(&f->ipam);
	assert_null(f->ipam);
	pl_ipam_freep(&f->ipam); /* twice is nothing */
	free(f);
	return 0;
}

static void configure(struct pl_netconf *conf, const char *name, const char *ipam)
{
	pl_autofree char *text = NULL;
	pl_autojson json_t *j = NULL;
	struct pl_error err = {0};

	assert_true(asprintf(&text, "{\"name\":\"%s\",\"ipam\":%s}", name, ipam) > 0);
	if (pl_json_load(text, strlen(text), &j, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	pl_netconf_clear(conf);
	if (pl_netconf_parse(j, conf, &err) < 0)
		fail_msg("%s: %s", text, err.text);
}

static struct pl_ip ip(const char *s)
{
	struct pl_ip out;

	assert_int_equal(pl_ip_parse(s, &out), 0);
	return out;
}

static int try(struct fixture *f, struct pl_ip *ret, struct pl_error *err)
{
	struct pl_record_addr addrs[PL_RECORD_ADDRS_MAX];
	size_t n = 0;
	int r = pl_ipam_allocate(f->ipam, &f->conf, NULL, 0, addrs, PL_RECORD_ADDRS_MAX, &n, err);

	if (r < 0)
		return r;
	assert_int_equal(n, 1);
	*ret = addrs[0].ip.ip;
	return 0;
}

/* The next address is @want. */
static void next_is(struct fixture *f, const char *want)
{
	char text[PL_IP_STRLEN];
	struct pl_error err = {0};
	struct pl_ip got = {0};

	if (try(f, &got, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(pl_ip_format(&got, text), want);
	assert_true(pl_ipam_in_use(f->ipam, &got));
}

static void exhausted(struct fixture *f)
{
	struct pl_ip got = {0};

	assert_int_equal(try(f, &got, NULL), -ENOSPC);
	assert_true(pl_ipam_available(f->ipam, &f->conf) == 0);
}

static void release(struct fixture *f, const char *s)
{
	struct pl_ip a = ip(s);

	pl_ipam_release(f->ipam, &a);
	assert_false(pl_ipam_in_use(f->ipam, &a));
}

static void request(struct fixture *f, const char *const *want, int code, const char *message)
{
	struct pl_record_addr addrs[PL_RECORD_ADDRS_MAX];
	struct pl_ip wanted[4] = {0};
	struct pl_error err = {0};
	size_t n_wanted = 0, n = 77;

	for (; want[n_wanted]; n_wanted++)
		wanted[n_wanted] = ip(want[n_wanted]);
	assert_int_equal(pl_ipam_allocate(f->ipam, &f->conf, wanted, n_wanted, addrs,
					  PL_RECORD_ADDRS_MAX, &n, &err),
			 code);
	assert_string_equal(err.text, message);
	if (code < 0)
		assert_int_equal(n, 77);
	for (size_t i = 0; code == 0 && i < n_wanted; i++)
		assert_true(pl_ipam_in_use(f->ipam, &wanted[i]));
}

#define WANT(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_edges_are_not_handed_out(void **state)
{
	static const struct {
		const char *ipam;
		const char *addrs[5];
	} rows[] = {
		{"{\"subnet\":\"10.0.0.0/29\"}",
		 {"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"}},
		{"{\"subnet\":\"10.0.0.0/30\"}", {"10.0.0.2"}},
		{"{\"subnet\":\"10.0.0.0/30\",\"rangeStart\":\"10.0.0.0\",\"rangeEnd\":"
		 "\"10.0.0.3\",\"gateway\":\"10.9.9.9\"}",
		 {"10.0.0.1", "10.0.0.2"}},
		{"{\"subnet\":\"10.0.0.0/31\"}", {"10.0.0.0", "10.0.0.1"}},
		{"{\"subnet\":\"10.0.0.0/31\",\"gateway\":\"10.0.0.0\"}", {"10.0.0.1"}},
		{"{\"subnet\":\"10.0.0.7/32\"}", {"10.0.0.7"}},
		{"{\"subnet\":\"255.255.255.252/30\",\"rangeEnd\":\"255.255.255.254\"}",
		 {"255.255.255.254"}},
		{"{\"subnet\":\"fd00::/126\"}", {"fd00::2", "fd00::3"}},
		{"{\"subnet\":\"fd00::/126\",\"rangeStart\":\"fd00::\",\"gateway\":\"fe80::1\"}",
		 {"fd00::1", "fd00::2", "fd00::3"}},
		{"{\"subnet\":\"fd00::/127\"}", {"fd00::", "fd00::1"}},
		{"{\"subnet\":\"fd00::7/128\"}", {"fd00::7"}},
		{"{\"subnet\":\"feff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126\"}",
		 {"feff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
		  "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}},
		{"{\"subnet\":\"10.0.0.0/29\",\"exclude\":[\"10.0.0.2/31\",\"10.0.0.5\"]}",
		 {"10.0.0.4", "10.0.0.6"}},
		{"{\"subnet\":\"10.0.0.0/29\",\"exclude\":[\"10.0.0.4/30\",\"10.0.0.0/30\","
		 "\"10.0.0.0/28\",\"fd00::/8\"]}",
		 {NULL}},
		/* The gateway of one range lies in another. */
		{"{\"ranges\":[[{\"subnet\":\"10.0.0.0/24\",\"rangeStart\":\"10.0.0.10\","
		 "\"rangeEnd\":\"10.0.0.12\"},{\"subnet\":\"10.0.0.0/24\",\"rangeStart\":"
		 "\"10.0.0.20\",\"rangeEnd\":\"10.0.0.20\",\"gateway\":\"10.0.0.11\"}]]}",
		 {"10.0.0.10", "10.0.0.12", "10.0.0.20"}},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		uint64_t n = 0;

		pl_ipam_freep(&f->ipam);
		assert_int_equal(pl_ipam_new(&f->ipam), 0);
		configure(&f->conf, "n", rows[i].ipam);
		while (n < 5 && rows[i].addrs[n])
			n++;
		assert_true(pl_ipam_available(f->ipam, &f->conf) == n);
		for (uint64_t k = 0; k < n; k++) {
			next_is(f, rows[i].addrs[k]);
			assert_true(pl_ipam_available(f->ipam, &f->conf) == n - k - 1);
		}
		exhausted(f);
	}
}

static void test_what_is_handed_out(void **state)
{
	struct fixture *f = *state;
	struct pl_record_addr addrs[PL_RECORD_ADDRS_MAX];
	char text[PL_PREFIX_STRLEN];
	size_t n;

	configure(&f->conf, "n",
		  "{\"ranges\":[[{\"subnet\":\"10.0.0.0/24\"}],[{\"subnet\":\"fd00::/64\"}],"
		  "[{\"subnet\":\"10.9.0.4/31\"}]]}");
	assert_int_equal(
		pl_ipam_allocate(f->ipam, &f->conf, NULL, 0, addrs, PL_RECORD_ADDRS_MAX, &n, NULL),
		0);
	assert_int_equal(n, 3);
	assert_string_equal(pl_prefix_format(&addrs[0].ip, text), "10.0.0.2/32");
	assert_string_equal(pl_ip_format(&addrs[0].gateway, text), "10.0.0.1");
	assert_string_equal(pl_prefix_format(&addrs[1].ip, text), "fd00::2/128");
	assert_string_equal(pl_ip_format(&addrs[1].gateway, text), "fd00::1");
	assert_string_equal(pl_prefix_format(&addrs[2].ip, text), "10.9.0.4/32");
	assert_int_equal(addrs[2].gateway.family, 0);
	/* Of three sets the smallest counts. */
	assert_true(pl_ipam_available(f->ipam, &f->conf) == 1);
	assert_int_equal(pl_ipam_allocate(f->ipam, &f->conf, NULL, 0, addrs, 2, &n, NULL), -E2BIG);
}

static void test_released_ones_come_last(void **state)
{
	struct fixture *f = *state;

	configure(&f->conf, "n", "{\"subnet\":\"10.0.0.0/29\"}"); /* .2 to .6 */
	next_is(f, "10.0.0.2");
	release(f, "10.0.0.2");
	next_is(f, "10.0.0.3");
	next_is(f, "10.0.0.4");
	next_is(f, "10.0.0.5");
	next_is(f, "10.0.0.6");
	next_is(f, "10.0.0.2");
	exhausted(f);
	/* Released while the cursor stands before it: .5 still rests until .3 was handed out. */
	release(f, "10.0.0.3");
	release(f, "10.0.0.5");
	next_is(f, "10.0.0.3");
	release(f, "10.0.0.4");
	next_is(f, "10.0.0.5");
	next_is(f, "10.0.0.4");
	exhausted(f);
}

static void test_round_goes_over_all_ranges_of_a_set(void **state)
{
	struct fixture *f = *state;

	configure(&f->conf, "n",
		  "{\"ranges\":[[{\"subnet\":\"10.0.0.0/30\"},{\"subnet\":\"10.0.1.0/30\"},"
		  "{\"subnet\":\"10.0.2.0/30\"}]]}");
	next_is(f, "10.0.0.2");
	next_is(f, "10.0.1.2");
	release(f, "10.0.0.2");
	release(f, "10.0.1.2");
	next_is(f, "10.0.2.2");
	next_is(f, "10.0.0.2");
	next_is(f, "10.0.1.2");
	exhausted(f);
}

static void test_rounds_of_neighbouring_ranges_are_apart(void **state)
{
	struct fixture *f = *state;
	struct pl_netconf other = {0};
	struct pl_record_addr addrs[1];
	size_t n;

	configure(&f->conf, "a", "{\"subnet\":\"10.0.0.0/29\"}");
	configure(&other, "b", "{\"subnet\":\"10.0.0.8/30\"}");
	next_is(f, "10.0.0.2");
	next_is(f, "10.0.0.3");
	next_is(f, "10.0.0.4");
	next_is(f, "10.0.0.5");
	release(f, "10.0.0.5");
	/* Network b goes round its one address, twice. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pl_ipam_allocate(f->ipam, &other, NULL, 0, addrs, 1, &n, NULL), 0);
		release(f, "10.0.0.10");
	}
	next_is(f, "10.0.0.6");
	release(f, "10.0.0.3");
	next_is(f, "10.0.0.3"); /* a new round: both had rested, it comes first */
	next_is(f, "10.0.0.5");
	exhausted(f);
	pl_netconf_clear(&other);
}

static void test_two_networks_share_no_address(void **state)
{
	struct fixture *f = *state;
	struct pl_netconf other = {0};
	struct pl_record_addr addrs[1];
	char text[PL_IP_STRLEN];
	size_t n;

	configure(&f->conf, "a", "{\"subnet\":\"10.0.0.0/29\"}");
	configure(&other, "b", "{\"subnet\":\"10.0.0.0/24\",\"rangeEnd\":\"10.0.0.5\"}");
	next_is(f, "10.0.0.2");
	assert_int_equal(pl_ipam_allocate(f->ipam, &other, NULL, 0, addrs, 1, &n, NULL), 0);
	assert_string_equal(pl_ip_format(&addrs[0].ip.ip, text), "10.0.0.3");
	next_is(f, "10.0.0.4");
	assert_int_equal(pl_ipam_allocate(f->ipam, &other, NULL, 0, addrs, 1, &n, NULL), 0);
	assert_int_equal(pl_ipam_allocate(f->ipam, &other, NULL, 0, addrs, 1, &n, NULL), -ENOSPC);
	next_is(f, "10.0.0.6");
	exhausted(f);
	pl_netconf_clear(&other);
}

static void test_take_and_release(void **state)
{
	struct fixture *f = *state;
	struct pl_ip a = ip("10.0.0.2"), none = {0};

	configure(&f->conf, "n", "{\"subnet\":\"10.0.0.0/29\"}");
	assert_false(pl_ipam_in_use(f->ipam, &a));
	pl_ipam_release(f->ipam, &a); /* unknown */
	assert_int_equal(pl_ipam_take(f->ipam, &a), 0);
	assert_int_equal(pl_ipam_take(f->ipam, &a), -EEXIST);
	assert_true(pl_ipam_available(f->ipam, &f->conf) == 4);
	next_is(f, "10.0.0.3");
	pl_ipam_release(f->ipam, &a);
	pl_ipam_release(f->ipam, &a);
	assert_int_equal(pl_ipam_take(f->ipam, &a), 0);
	assert_int_equal(pl_ipam_take(f->ipam, &none), -EINVAL);
	pl_ipam_release(f->ipam, &none);
	assert_false(pl_ipam_in_use(f->ipam, &none));
}

static void test_cursor_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct pl_ip used[] = {ip("10.0.0.2"), ip("fd00::9"), ip("10.0.0.4"), ip("10.0.7.7")};
	struct pl_record_addr addrs[2];
	char text[PL_IP_STRLEN];
	size_t n;

	configure(&f->conf, "n",
		  "{\"ranges\":[[{\"subnet\":\"10.0.0.0/29\"}],[{\"subnet\":\"fd00::/64\"}]]}");
	for (size_t i = 0; i < PL_ARRAY_SIZE(used); i++) {
		assert_int_equal(pl_ipam_take(f->ipam, &used[i]), 0);
		pl_ipam_note_last(f->ipam, "n", &used[i]);
	}
	pl_ipam_note_last(f->ipam, "another", &(struct pl_ip){AF_INET, {10, 0, 0, 5}});
	assert_int_equal(pl_ipam_allocate(f->ipam, &f->conf, NULL, 0, addrs, 2, &n, NULL), 0);
	assert_string_equal(pl_ip_format(&addrs[0].ip.ip, text), "10.0.0.5");
	assert_string_equal(pl_ip_format(&addrs[1].ip.ip, text), "fd00::a");
	assert_int_equal(pl_ipam_allocate(f->ipam, &f->conf, NULL, 0, addrs, 2, &n, NULL), 0);
	assert_string_equal(pl_ip_format(&addrs[0].ip.ip, text), "10.0.0.6");
	assert_string_equal(pl_ip_format(&addrs[1].ip.ip, text), "fd00::b");
	assert_int_equal(pl_ipam_allocate(f->ipam, &f->conf, NULL, 0, addrs, 2, &n, NULL), 0);
	assert_string_equal(pl_ip_format(&addrs[0].ip.ip, text), "10.0.0.3");
}

static void test_cursor_survives_many_notes(void **state)
{
	struct fixture *f = *state;
	struct pl_ip at = ip("10.0.0.0");

	configure(&f->conf, "n", "{\"subnet\":\"10.0.0.0/16\"}");
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(pl_ip_add(&at, 1, &at), 0);
		assert_int_equal(pl_ipam_take(f->ipam, &at), 0);
		pl_ipam_note_last(f->ipam, "n", &at);
	}
	assert_int_equal(pl_ip_add(&at, 5, &at), 0);
	pl_ipam_note_last(f->ipam, "n", &at);
	next_is(f, "10.0.3.238");
}

static void test_cursor_outside_of_changed_ranges(void **state)
{
	struct fixture *f = *state;

	configure(&f->conf, "n", "{\"subnet\":\"10.0.0.0/24\"}");
	next_is(f, "10.0.0.2");
	configure(&f->conf, "n", "{\"subnet\":\"10.7.0.0/24\"}");
	next_is(f, "10.7.0.2");
	next_is(f, "10.7.0.3");
	configure(&f->conf, "n", "{\"subnet\":\"10.0.0.0/24\"}");
	next_is(f, "10.0.0.3");
}

static void test_requests(void **state)
{
	struct fixture *f = *state;

	configure(&f->conf, "n",
		  "{\"ranges\":[[{\"subnet\":\"10.0.0.0/24\",\"rangeEnd\":\"10.0.0.99\"},"
		  "{\"subnet\":\"10.0.1.0/24\"}],[{\"subnet\":\"fd00::/64\"}]],"
		  "\"exclude\":[\"10.0.0.16/28\"]}");
	request(f, WANT("10.0.0.50", "fd00::5"), 0, "");
	request(f, WANT("fd00::6"), 0, ""); /* the other set gives its next one */
	request(f, WANT("10.0.0.50"), -EADDRINUSE,
		"requested address 10.0.0.50 of network n is in use by another pod");
	request(f, WANT("10.0.0.100"), -EINVAL,
		"requested address 10.0.0.100 is not in any range of network n");
	request(f, WANT("10.0.0.1"), -EINVAL,
		"requested address 10.0.0.1 is the gateway in network n (10.0.0.0/24)");
	request(f, WANT("10.0.0.20"), -EINVAL,
		"requested address 10.0.0.20 is excluded in network n (10.0.0.0/24)");
	request(f, WANT("10.0.0.60", "10.0.1.60"), -EINVAL,
		"requested addresses 10.0.0.60 and 10.0.1.60 lie in one range set of network n, "
		"which gives one address");
	request(f, WANT("10.0.0.60", "10.0.0.60"), -EINVAL,
		"requested addresses 10.0.0.60 and 10.0.0.60 lie in one range set of network n, "
		"which gives one address");
	assert_false(pl_ipam_in_use(f->ipam, &(struct pl_ip){AF_INET, {10, 0, 0, 60}}));

	configure(&f->conf, "m",
		  "{\"subnet\":\"10.5.0.0/24\",\"rangeStart\":\"10.5.0.0\",\"rangeEnd\":"
		  "\"10.5.0.255\"}");
	request(f, WANT("10.5.0.0"), -EINVAL,
		"requested address 10.5.0.0 is the address of the network itself in network m "
		"(10.5.0.0/24)");
	request(f, WANT("10.5.0.255"), -EINVAL,
		"requested address 10.5.0.255 is the broadcast address in network m (10.5.0.0/24)");
}

static void test_request_does_not_move_the_cursor(void **state)
{
	struct fixture *f = *state;

	configure(&f->conf, "n", "{\"subnet\":\"10.0.0.0/24\"}");
	next_is(f, "10.0.0.2");
	request(f, WANT("10.0.0.200"), 0, "");
	next_is(f, "10.0.0.3");
}

static void test_all_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct pl_record_addr addrs[3];
	struct pl_ip taken = ip("10.9.0.1"), first = ip("10.0.0.2"), wanted = ip("fd00::5");
	struct pl_error err = {0};
	size_t n = 77;

	configure(&f->conf, "n",
		  "{\"ranges\":[[{\"subnet\":\"10.0.0.0/24\"}],[{\"subnet\":\"fd00::/64\"}],"
		  "[{\"subnet\":\"10.9.0.1/32\"}]]}");
	assert_int_equal(pl_ipam_take(f->ipam, &taken), 0);
	assert_int_equal(pl_ipam_allocate(f->ipam, &f->conf, &wanted, 1, addrs, 3, &n, &err),
			 -ENOSPC);
	assert_string_equal(err.text, "no address is left in 10.9.0.1/32 (10.9.0.1 to 10.9.0.1) of "
				      "network n; remove pods or widen the range");
	assert_int_equal(n, 77);
	assert_false(pl_ipam_in_use(f->ipam, &first));
	assert_false(pl_ipam_in_use(f->ipam, &wanted));
	pl_ipam_release(f->ipam, &taken);
	assert_int_equal(pl_ipam_allocate(f->ipam, &f->conf, &wanted, 1, addrs, 3, &n, &err), 0);
	assert_true(pl_ipam_in_use(f->ipam, &first)); /* nor did the cursor move */
}

static void test_no_ranges(void **state)
{
	struct fixture *f = *state;
	struct pl_error err = {0};
	struct pl_ip got = {0};

	configure(&f->conf, "n", "{}");
	assert_int_equal(try(f, &got, &err), -EINVAL);
	assert_string_equal(err.text, "network n has no address ranges");
	assert_true(pl_ipam_available(f->ipam, &f->conf) == 0);
}

static void test_available_in_huge_ranges(void **state)
{
	struct fixture *f = *state;

	configure(&f->conf, "n", "{\"subnet\":\"fd00::/64\"}");
	assert_true(pl_ipam_available(f->ipam, &f->conf) == INT64_MAX);
	next_is(f, "fd00::2");
	configure(&f->conf, "n", "{\"subnet\":\"fd00::/66\"}"); /* less ::0, ::1 and ::2 */
	assert_true(pl_ipam_available(f->ipam, &f->conf) == ((uint64_t)1 << 62) - 3);
	configure(&f->conf, "n",
		  "{\"subnet\":\"fd00::/64\",\"exclude\":[\"fd00::/65\",\"fd00::8000:0:0:0/66\"]}");
	assert_true(pl_ipam_available(f->ipam, &f->conf) == (uint64_t)1 << 62);
	next_is(f, "fd00::c000:0:0:0");
	configure(&f->conf, "n", "{\"subnet\":\"fd00::/8\"}");
	assert_true(pl_ipam_available(f->ipam, &f->conf) == INT64_MAX);
}

/* Steps of one allocation. */
static uint64_t cost(struct fixture *f)
{
	uint64_t before = pl_ipam_steps(f->ipam);
	struct pl_ip got = {0};

	assert_int_equal(try(f, &got, NULL), 0);
	return pl_ipam_steps(f->ipam) - before;
}

static void fill(struct fixture *f, unsigned int n, uint64_t limit)
{
	for (unsigned int i = 0; i < n; i++)
		assert_in_range(cost(f), 1, limit);
}

static void test_10000_addresses_cost_the_same_each(void **state)
{
	struct fixture *f = *state;
	struct pl_ip at;

	configure(&f->conf, "n", "{\"subnet\":\"10.0.0.0/16\"}");
	fill(f, 10000, 4);
	/* And once round: all the taken ones lie between the cursor and the next free one. */
	fill(f, 65533 - 10000, 4);
	exhausted(f);
	at = ip("10.0.39.17");
	pl_ipam_release(f->ipam, &at);
	/* 65,536 addresses are 128 stretches; twice round, for what rests, and its end. */
	assert_in_range(cost(f), 1, 3 * 130);
}

static void test_huge_range_is_flat_in_steps_and_memory(void **state)
{
	struct fixture *f = *state;
	uint64_t before;

	configure(&f->conf, "n", "{\"subnet\":\"fd00::/48\"}");
	fill(f, 10000, 4);
	/* Pods that come and go for long: what they leave behind is forgotten in time. */
	for (unsigned int i = 0; i < 3000000; i++) {
		struct pl_ip got;

		if (try(f, &got, NULL) < 0)
			fail_msg("pod %u got no address", i);
		pl_ipam_release(f->ipam, &got);
	}
	/* Counting looks at each chunk that is there. */
	configure(&f->conf, "n", "{\"subnet\":\"fd00::/66\"}");
	before = pl_ipam_steps(f->ipam);
	assert_true(pl_ipam_available(f->ipam, &f->conf) == ((uint64_t)1 << 62) - 10002);
	assert_in_range(pl_ipam_steps(f->ipam) - before, 10000 / 512, 4096 + 1000);
}

/* --- against a model --- */

#define MODEL_SIZE 1024 /* 10.0.0.0/22 */

struct model {
	bool used[MODEL_SIZE];
	bool resting[MODEL_SIZE];
	unsigned int n_used;
};

static uint64_t seed = 0x6970616d;

static unsigned int any(unsigned int n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)(seed % n);
}

static bool model_reserved(unsigned int i)
{
	return i == 0 || i == 1 || i == MODEL_SIZE - 1 || (i >= 512 && i < 576);
}

static struct pl_ip model_ip(unsigned int i)
{
	return (struct pl_ip){AF_INET, {10, 0, (uint8_t)(i >> 8), (uint8_t)i}};
}

static unsigned int model_index(const struct pl_ip *a)
{
	return (unsigned int)(a->bytes[2] << 8 | a->bytes[3]);
}

static unsigned int model_fresh(const struct model *m)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < MODEL_SIZE; i++)
		n += !model_reserved(i) && !m->used[i] && !m->resting[i];
	return n;
}

static void model_allocate(struct fixture *f, struct model *m, unsigned int total)
{
	struct pl_ip got = {0};
	unsigned int i;
	int r = try(f, &got, NULL);

	if (m->n_used == total) {
		assert_int_equal(r, -ENOSPC);
		return;
	}
	assert_int_equal(r, 0);
	i = model_index(&got);
	assert_false(model_reserved(i) || m->used[i]);
	if (model_fresh(m) == 0)
		memset(m->resting, 0, sizeof(m->resting));
	assert_false(m->resting[i]);
	m->used[i] = true;
	m->n_used++;
}

static void model_release(struct fixture *f, struct model *m)
{
	unsigned int i = any(MODEL_SIZE);
	struct pl_ip a;

	while (m->n_used && !m->used[i])
		i = (i + 1) % MODEL_SIZE;
	a = model_ip(i);
	pl_ipam_release(f->ipam, &a);
	if (!m->used[i])
		return;
	m->used[i] = false;
	m->resting[i] = true;
	m->n_used--;
}

static void test_random_histories(void **state)
{
	struct fixture *f = *state;
	struct model m = {0};
	unsigned int total;

	configure(&f->conf, "n", "{\"subnet\":\"10.0.0.0/22\",\"exclude\":[\"10.0.2.0/26\"]}");
	total = model_fresh(&m);
	for (unsigned int i = 0; i < 20000; i++) {
		/* Tides: towards full for a while, then towards empty. */
		bool rising = (i / 2500) % 2 == 0;

		if (any(10) < (rising ? 8U : 2U))
			model_allocate(f, &m, total);
		else
			model_release(f, &m);
		if (i % 50 == 0)
			assert_true(pl_ipam_available(f->ipam, &f->conf) == total - m.n_used);
	}
	for (unsigned int i = 0; i < MODEL_SIZE; i++) {
		struct pl_ip a = model_ip(i);

		assert_int_equal(pl_ipam_in_use(f->ipam, &a), m.used[i]);
	}
}

#define WITH_IPAM(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_IPAM(test_edges_are_not_handed_out),
		WITH_IPAM(test_what_is_handed_out),
		WITH_IPAM(test_released_ones_come_last),
		WITH_IPAM(test_round_goes_over_all_ranges_of_a_set),
		WITH_IPAM(test_rounds_of_neighbouring_ranges_are_apart),
		WITH_IPAM(test_two_networks_share_no_address),
		WITH_IPAM(test_take_and_release),
		WITH_IPAM(test_cursor_after_a_restart),
		WITH_IPAM(test_cursor_survives_many_notes),
		WITH_IPAM(test_cursor_outside_of_changed_ranges),
		WITH_IPAM(test_requests),
		WITH_IPAM(test_request_does_not_move_the_cursor),
		WITH_IPAM(test_all_or_nothing),
		WITH_IPAM(test_no_ranges),
		WITH_IPAM(test_available_in_huge_ranges),
		WITH_IPAM(test_10000_addresses_cost_the_same_each),
		WITH_IPAM(test_huge_range_is_flat_in_steps_and_memory),
		WITH_IPAM(test_random_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
