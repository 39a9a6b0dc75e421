/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses as values: what is taken as text and what is not, and arithmetic at the edges of
 * bytes and of the address space, where IPAM lives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/addr.h"
#include "common/util.h"

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

static void test_ip_round_trip(void **state)
{
	static const char *const rows[][2] = {
		{"10.0.0.1", "10.0.0.1"},
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "255.255.255.255"},
		{"::", "::"},
		{"FD00:0:0::1", "fd00::1"},
		{"::ffff:10.0.0.1", "::ffff:10.0.0.1"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};
	char buf[PL_IP_STRLEN];

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		struct pl_ip a = ip(rows[i][0]), b;

		assert_string_equal(pl_ip_format(&a, buf), rows[i][1]);
		b = ip(buf);
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

static void test_ip_refuses(void **state)
{
	static const char *const rows[] = {"",		 "10.0.0",	 "10.0.0.256", "010.0.0.1",
					   "10.0.0.1/8", " 10.0.0.1",	 "10.0.0.1 ",  "0x0a.0.0.1",
					   "1.2.3.4.5",	 "fe80::1%eth0", ":::",	       "1::2::3",
					   "12345::",	 "localhost",	 "[::1]",      "::1/64"};
	struct pl_ip out = {.family = 77};

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++)
		assert_int_equal(pl_ip_parse(rows[i], &out), -EINVAL);
	assert_int_equal(out.family, 77);
}

static void test_ip_without_family_prints(void **state)
{
	char buf[PL_IP_STRLEN];

	assert_string_equal(pl_ip_format(&(struct pl_ip){0}, buf), "none");
}

static void test_prefix_round_trip(void **state)
{
	static const char *const rows[][2] = {
		{"10.1.2.3/8", "10.1.2.3/8"}, /* host bits are the caller's matter */
		{"10.1.2.3", "10.1.2.3/32"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"fd00::/64", "fd00::/64"},
		{"fd00::5", "fd00::5/128"},
		{"::/0", "::/0"},
		{"fd00::1/128", "fd00::1/128"},
	};
	char buf[PL_PREFIX_STRLEN];

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		struct pl_prefix p = prefix(rows[i][0]);

		assert_string_equal(pl_prefix_format(&p, buf), rows[i][1]);
	}
}

static void test_prefix_refuses(void **state)
{
	static const char *const rows[] = {"",
					   "/8",
					   "10.0.0.0/",
					   "10.0.0.0/33",
					   "fd00::/129",
					   "10.0.0.0/-1",
					   "10.0.0.0/8/8",
					   "10.0.0.0/ 8",
					   "10.0.0.0/8x",
					   "10/8"};
	struct pl_prefix out = {.len = 77};

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++)
		assert_int_equal(pl_prefix_parse(rows[i], &out), -EINVAL);
	assert_int_equal(
		pl_prefix_parse("1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111", &out),
		-EINVAL);
	assert_int_equal(out.len, 77);
}

static void test_mac(void **state)
{
	static const char *const bad[] = {"",
					  "02:00:00:00:00",
					  "02:00:00:00:00:001",
					  "02:00:00:00:00:0g",
					  "02:00-00:00:00:00",
					  "2:0:0:0:0:0",
					  "0200.0000.0001xxx",
					  "02:00:00:00:00:01:02"};
	struct pl_mac mac = {{0}};
	char buf[PL_MAC_STRLEN];

	assert_int_equal(pl_mac_parse("02:aB:CD:00:ff:09", &mac), 0);
	assert_string_equal(pl_mac_format(&mac, buf), "02:ab:cd:00:ff:09");
	assert_int_equal(pl_mac_parse("02-ab-cd-00-ff-10", &mac), 0);
	assert_string_equal(pl_mac_format(&mac, buf), "02:ab:cd:00:ff:10");
	for (size_t i = 0; i < PL_ARRAY_SIZE(bad); i++)
		assert_int_equal(pl_mac_parse(bad[i], &mac), -EINVAL);
	assert_string_equal(pl_mac_format(&mac, buf), "02:ab:cd:00:ff:10");
}

static void test_mac_random(void **state)
{
	struct pl_mac a, b;

	pl_mac_random(&a);
	pl_mac_random(&b);
	assert_int_equal(a.bytes[0] & 3, 2); /* local, unicast */
	assert_int_equal(b.bytes[0] & 3, 2);
	assert_memory_not_equal(&a, &b, sizeof(a));
}

static void test_cmp(void **state)
{
	struct pl_ip a = ip("10.0.0.255"), b = ip("10.0.1.0"), v6 = ip("::");

	assert_true(pl_ip_cmp(&a, &b) < 0);
	assert_true(pl_ip_cmp(&b, &a) > 0);
	assert_int_equal(pl_ip_cmp(&a, &a), 0);
	assert_true(pl_ip_cmp(&b, &v6) < 0);
	assert_true(pl_ip_cmp(&v6, &b) > 0);
}

static void test_contains(void **state)
{
	static const struct {
		const char *prefix, *ip;
		bool in;
	} rows[] = {
		{"10.0.0.0/8", "10.255.255.255", true},
		{"10.0.0.0/8", "11.0.0.0", false},
		{"10.0.0.77/24", "10.0.0.3", true},
		{"10.0.0.0/25", "10.0.0.127", true},
		{"10.0.0.0/25", "10.0.0.128", false},
		{"0.0.0.0/0", "1.2.3.4", true},
		{"0.0.0.0/0", "::", false},
		{"::/0", "ffff::", true},
		{"::/0", "1.2.3.4", false},
		{"fd00::/63", "fd00:0:0:1::", true},
		{"fd00::/63", "fd00:0:0:2::", false},
		{"10.0.0.1/32", "10.0.0.1", true},
		{"10.0.0.1/32", "10.0.0.2", false},
		{"fd00::1/128", "fd00::1", true},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		struct pl_prefix p = prefix(rows[i].prefix);
		struct pl_ip a = ip(rows[i].ip);

		assert_int_equal(pl_prefix_contains(&p, &a), rows[i].in);
	}
}

static void test_range(void **state)
{
	static const char *const rows[][3] = {
		{"10.1.2.3/24", "10.1.2.0", "10.1.2.255"},
		{"10.1.2.3/31", "10.1.2.2", "10.1.2.3"},
		{"10.1.2.3/32", "10.1.2.3", "10.1.2.3"},
		{"0.0.0.0/0", "0.0.0.0", "255.255.255.255"},
		{"fd00::/121", "fd00::", "fd00::7f"},
		{"::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		struct pl_prefix p = prefix(rows[i][0]);
		struct pl_ip first, last, want;

		pl_prefix_range(&p, &first, &last);
		want = ip(rows[i][1]);
		assert_memory_equal(&first, &want, sizeof(want));
		want = ip(rows[i][2]);
		assert_memory_equal(&last, &want, sizeof(want));
		pl_prefix_range(&p, &p.ip, &last); /* in place */
		assert_memory_equal(&p.ip, &first, sizeof(first));
		assert_memory_equal(&last, &want, sizeof(want));
	}
}

static void test_add_and_distance(void **state)
{
	static const struct {
		const char *a;
		uint64_t n;
		const char *b;
	} rows[] = {
		{"10.0.0.0", 0, "10.0.0.0"},
		{"10.0.0.255", 1, "10.0.1.0"},
		{"9.255.255.255", 1, "10.0.0.0"},
		{"0.0.0.0", UINT32_MAX, "255.255.255.255"},
		{"fd00::", UINT64_MAX, "fd00::ffff:ffff:ffff:ffff"},
		{"fd00::ffff:ffff:ffff:ffff", 1, "fd00:0:0:1::"},
		{"::ffff:ffff:ffff:ffff", UINT64_MAX, "0:0:0:1:ffff:ffff:ffff:fffe"},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		struct pl_ip a = ip(rows[i].a), b = ip(rows[i].b), sum;
		uint64_t n;

		assert_int_equal(pl_ip_add(&a, rows[i].n, &sum), 0);
		assert_memory_equal(&sum, &b, sizeof(b));
		assert_int_equal(pl_ip_distance(&a, &b, &n), 0);
		assert_true(n == rows[i].n);
	}
}

static void test_add_does_not_wrap(void **state)
{
	struct pl_ip a = ip("255.255.255.255"), b = ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
	struct pl_ip out = {.family = 77};

	assert_int_equal(pl_ip_add(&a, 1, &out), -ERANGE);
	assert_int_equal(pl_ip_add(&a, UINT64_MAX, &out), -ERANGE);
	assert_int_equal(pl_ip_add(&b, 2, &out), -ERANGE);
	assert_int_equal(out.family, 77);
	assert_int_equal(pl_ip_add(&b, 1, &out), 0);
}

static void test_distance_is_capped(void **state)
{
	struct pl_ip a = ip("::"), b = ip("0:0:0:1::"), c = ip("ffff::"), v4 = ip("1.2.3.4");
	uint64_t n = 7;

	assert_int_equal(pl_ip_distance(&a, &b, &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(pl_ip_distance(&a, &c, &n), 0);
	assert_true(n == UINT64_MAX);
	n = 7;
	assert_int_equal(pl_ip_distance(&b, &a, &n), -EINVAL);
	assert_int_equal(pl_ip_distance(&v4, &a, &n), -EINVAL);
	assert_int_equal(n, 7);
}

static void test_pod_usable(void **state)
{
	static const char *const good[] = {"10.0.0.1",	  "8.8.8.8",   "192.168.0.0", "172.16.0.5",
					   "169.253.0.1", "223.0.0.1", "100.64.0.1",  "fd00::1",
					   "2001:db8::1", "::2"};
	static const char *const bad[] = {"0.0.0.0",   "0.1.2.3",	  "127.0.0.1",
					  "127.9.9.9", "169.254.1.1",	  "224.0.0.1",
					  "239.1.1.1", "255.255.255.255", "::",
					  "::1",       "fe80::1",	  "febf::1",
					  "ff02::1",   "::ffff:10.0.0.1"};

	for (size_t i = 0; i < PL_ARRAY_SIZE(good); i++) {
		struct pl_ip a = ip(good[i]);

		assert_true(pl_ip_is_pod_usable(&a));
	}
	for (size_t i = 0; i < PL_ARRAY_SIZE(bad); i++) {
		struct pl_ip a = ip(bad[i]);

		assert_false(pl_ip_is_pod_usable(&a));
	}
	assert_false(pl_ip_is_pod_usable(&(struct pl_ip){0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip_round_trip),
		cmocka_unit_test(test_ip_refuses),
		cmocka_unit_test(test_ip_without_family_prints),
		cmocka_unit_test(test_prefix_round_trip),
		cmocka_unit_test(test_prefix_refuses),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_mac_random),
		cmocka_unit_test(test_cmp),
		cmocka_unit_test(test_contains),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_add_and_distance),
		cmocka_unit_test(test_add_does_not_wrap),
		cmocka_unit_test(test_distance_is_capped),
		cmocka_unit_test(test_pod_usable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
