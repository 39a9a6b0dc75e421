/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the CNI plugin prints, in each version of the specification: results, errors, versions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cni/cni.h"

static const char endpoint_text[] =
	"{\"hostIfname\":\"pl0123456789ab\",\"hostMac\":\"02:00:00:00:00:01\","
	"\"ifname\":\"eth0\",\"podMac\":\"02:00:00:00:00:02\",\"mtu\":1450,\"addresses\":["
	"{\"address\":\"10.0.0.5/32\",\"gateway\":\"10.0.0.1\"},"
	"{\"address\":\"fd00::5/128\"}]}";
static const char routes_text[] =
	"[{\"dst\":\"0.0.0.0/0\",\"gw\":\"10.0.0.1\"},"
	"{\"dst\":\"fd01::/64\",\"gw\":\"\",\"mtu\":1400,\"priority\":7,\"x\":1}]";

static json_t *parse(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	return j;
}

static json_t *result_in(enum cni_version v)
{
	pl_autojson json_t *endpoint = parse(endpoint_text);
	pl_autojson json_t *routes = parse(routes_text);
	json_t *result = cni_result_new(v, "/run/netns/a", endpoint, routes, NULL);

	assert_non_null(result);
	return result;
}

static void assert_json(const json_t *got, const char *want_text)
{
	pl_autojson json_t *want = parse(want_text);

	if (!json_equal(got, want)) {
		pl_autofree char *text = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);

		print_error("got  %s\nwant %s\n", text, want_text);
		fail();
	}
}

static void results_up_to_0_4_name_the_family(void **state)
{
	static const enum cni_version old[] = {CNI_0_3_0, CNI_0_3_1, CNI_0_4_0};

	for (size_t i = 0; i < PL_ARRAY_SIZE(old); i++) {
		pl_autojson json_t *r = result_in(old[i]);

		assert_string_equal(json_string_value(json_object_get(r, "cniVersion")),
				    cni_version_name(old[i]));
		assert_json(json_object_get(r, "ips"),
			    "[{\"version\":\"4\",\"address\":\"10.0.0.5/32\",\"gateway\":\"10.0.0."
			    "1\",\"interface\":1},{\"version\":\"6\",\"address\":\"fd00::5/"
			    "128\",\"interface\":1}]");
	}
}

static void result_1_0_is_exactly_this(void **state)
{
	pl_autojson json_t *r = result_in(CNI_1_0_0);

	assert_json(
		r,
		"{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"pl0123456789ab\",\"mac\":"
		"\"02:00:00:00:00:01\"},{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:02\","
		"\"sandbox\":\"/run/netns/a\"}],\"ips\":[{\"address\":\"10.0.0.5/32\",\"gateway\":"
		"\"10.0.0.1\",\"interface\":1},{\"address\":\"fd00::5/128\",\"interface\":1}],"
		"\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"10.0.0.1\"},{\"dst\":\"fd01::/64\"}],"
		"\"dns\":{}}");
}

static void result_1_1_adds_mtu_and_route_attributes(void **state)
{
	pl_autojson json_t *r = result_in(CNI_1_1_0);

	assert_json(json_object_get(r, "interfaces"),
		    "[{\"name\":\"pl0123456789ab\",\"mac\":\"02:00:00:00:00:01\",\"mtu\":1450},"
		    "{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:02\",\"mtu\":1450,\"sandbox\":"
		    "\"/run/netns/a\"}]");
	assert_json(json_object_get(r, "routes"),
		    "[{\"dst\":\"0.0.0.0/0\",\"gw\":\"10.0.0.1\"},{\"dst\":\"fd01::/64\",\"mtu\":"
		    "1400,\"priority\":7}]");
}

static void a_zero_mac_is_left_out(void **state)
{
	pl_autojson json_t *endpoint = parse(
		"{\"hostIfname\":\"pl1\",\"hostMac\":\"00:00:00:00:00:00\",\"ifname\":\"eth0\","
		"\"podMac\":\"00:00:00:00:00:00\",\"addresses\":[]}");
	pl_autojson json_t *r = cni_result_new(CNI_1_0_0, "/n", endpoint, NULL, NULL);

	assert_json(json_object_get(r, "interfaces"),
		    "[{\"name\":\"pl1\"},{\"name\":\"eth0\",\"sandbox\":\"/n\"}]");
}

static void empty_lists_of_dns_are_left_out(void **state)
{
	pl_autojson json_t *endpoint = parse(endpoint_text);
	pl_autojson json_t *dns =
		parse("{\"nameservers\":[],\"domain\":\"\",\"search\":[\"a\"],\"options\":[]}");
	pl_autojson json_t *r = cni_result_new(CNI_1_0_0, "/n", endpoint, NULL, dns);

	assert_json(json_object_get(r, "dns"), "{\"search\":[\"a\"]}");
}

static void an_incomplete_endpoint_gives_no_result(void **state)
{
	pl_autojson json_t *empty = json_object();
	pl_autojson json_t *bad_address =
		parse("{\"hostIfname\":\"a\",\"ifname\":\"b\",\"addresses\":[{}]}");

	assert_null(cni_result_new(CNI_1_0_0, "/n", empty, NULL, NULL));
	assert_null(cni_result_new(CNI_1_0_0, "/n", bad_address, NULL, NULL));
}

static void later_in_a_chain_the_earlier_result_is_kept(void **state)
{
	pl_autojson json_t *prev =
		parse("{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"br0\"}],\"ips\":[{"
		      "\"address\":\"1.2.3.4/24\",\"interface\":0}],\"dns\":{\"domain\":\"x\"}}");
	pl_autojson json_t *ours = result_in(CNI_1_0_0);
	pl_autojson json_t *r = cni_result_append(prev, ours);
	const json_t *ips = json_object_get(r, "ips");

	assert_int_equal(json_array_size(json_object_get(r, "interfaces")), 3);
	assert_int_equal(json_array_size(ips), 3);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(ips, 0), "interface")),
			 0);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(ips, 1), "interface")),
			 2);
	assert_json(json_object_get(r, "dns"), "{\"domain\":\"x\"}");
}

static void a_passed_result_changes_in_version_alone(void **state)
{
	pl_autojson json_t *prev = parse("{\"cniVersion\":\"0.4.0\",\"ips\":[],\"odd\":{\"a\":1}}");
	pl_autojson json_t *r = cni_result_pass(CNI_1_0_0, prev);

	assert_json(r, "{\"cniVersion\":\"1.0.0\",\"ips\":[],\"odd\":{\"a\":1}}");
}

static void errors_have_the_keys_of_the_specification(void **state)
{
	struct cni_error err = {0};
	pl_autojson json_t *plain = NULL;
	pl_autojson json_t *detailed = NULL;

	assert_int_equal(cni_fail(&err, CNI_BAD_CONFIG, "no %s", "name"), 7);
	plain = cni_error_to_json(CNI_0_4_0, &err);
	assert_json(plain, "{\"cniVersion\":\"0.4.0\",\"code\":7,\"msg\":\"no name\"}");
	strcpy(err.details, "more");
	detailed = cni_error_to_json(CNI_1_1_0, &err);
	assert_json(
		detailed,
		"{\"cniVersion\":\"1.1.0\",\"code\":7,\"msg\":\"no name\",\"details\":\"more\"}");
}

static void an_error_about_foreign_bytes_is_still_json(void **state)
{
	struct cni_error err = {0};
	pl_autojson json_t *j = NULL;
	pl_autojson json_t *n = NULL;

	cni_fail(&err, CNI_BAD_ENV, "a\xff\xc3 b\xc3\xa9 \xe2\x82");
	j = cni_error_to_json(CNI_1_0_0, &err);
	n = cni_error_to_netavark(&err);
	assert_string_equal(json_string_value(json_object_get(j, "msg")), "a?? b\xc3\xa9 ??");
	assert_string_equal(json_string_value(json_object_get(n, "error")), "a?? b\xc3\xa9 ??");
}

static void each_errno_of_the_daemon_has_its_code(void **state)
{
	static const struct {
		int errno_code;
		int cni_code;
	} rows[] = {
		{EAGAIN, 11}, {ETIMEDOUT, 11},	 {ESHUTDOWN, 11},   {EPIPE, 11},   {ENOENT, 3},
		{EINVAL, 7},  {ENOSPC, 101},	 {EADDRINUSE, 102}, {EEXIST, 103}, {ESTALE, 104},
		{EPERM, 105}, {EOPNOTSUPP, 106}, {ENOMEM, 100},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		struct pl_error why = {.code = -rows[i].errno_code, .text = "why"};
		struct cni_error err = {0};

		assert_int_equal(cni_fail_from(&err, &why), rows[i].cni_code);
		assert_string_equal(err.msg, "why");
	}
}

static void versions_are_listed_in_order(void **state)
{
	pl_autojson json_t *asked = cni_versions_to_json("0.4.0");
	pl_autojson json_t *unasked = cni_versions_to_json(NULL);

	assert_json(asked, "{\"cniVersion\":\"0.4.0\",\"supportedVersions\":[\"0.3.0\",\"0.3.1\","
			   "\"0.4.0\",\"1.0.0\",\"1.1.0\"]}");
	assert_string_equal(json_string_value(json_object_get(unasked, "cniVersion")), "1.1.0");
}

static void addresses_are_those_of_the_pod_alone(void **state)
{
	pl_autojson json_t *prev = parse(
		"{\"interfaces\":[{\"name\":\"eth0\"},{\"name\":\"eth0\",\"sandbox\":\"/n\"}],"
		"\"ips\":[{\"address\":\"10.0.0.1/24\",\"interface\":0},{\"address\":"
		"\"10.0.0.2/24\",\"gateway\":\"10.0.0.1\",\"interface\":1},{\"address\":"
		"\"10.0.0.3/24\"}]}");
	pl_autojson json_t *got = cni_prev_addresses(prev, "eth0");

	assert_int_equal(cni_prev_interface(prev, "eth0"), 1);
	assert_int_equal(cni_prev_interface(prev, "eth1"), -ENOENT);
	assert_json(got, "[{\"address\":\"10.0.0.2/24\",\"gateway\":\"10.0.0.1\"},"
			 "{\"address\":\"10.0.0.3/24\"}]");
}

static void an_ipam_result_needs_usable_addresses(void **state)
{
	pl_autojson json_t *good =
		parse("{\"ips\":[{\"version\":\"4\",\"address\":\"10.1.0.5/24\",\"gateway\":"
		      "\"10.1.0.1\"},{\"address\":\"fd00::2/64\"}]}");
	pl_autojson json_t *none = parse("{\"ips\":[]}");
	pl_autojson json_t *bad = parse("{\"ips\":[{\"address\":\"10.1.0/24\"}]}");
	pl_autojson json_t *got = cni_ipam_addresses(good);

	assert_json(got, "[{\"address\":\"10.1.0.5/24\",\"gateway\":\"10.1.0.1\"},"
			 "{\"address\":\"fd00::2/64\"}]");
	assert_null(cni_ipam_addresses(none));
	assert_null(cni_ipam_addresses(bad));
	assert_null(cni_ipam_addresses(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_up_to_0_4_name_the_family),
		cmocka_unit_test(result_1_0_is_exactly_this),
		cmocka_unit_test(result_1_1_adds_mtu_and_route_attributes),
		cmocka_unit_test(a_zero_mac_is_left_out),
		cmocka_unit_test(empty_lists_of_dns_are_left_out),
		cmocka_unit_test(an_incomplete_endpoint_gives_no_result),
		cmocka_unit_test(later_in_a_chain_the_earlier_result_is_kept),
		cmocka_unit_test(a_passed_result_changes_in_version_alone),
		cmocka_unit_test(errors_have_the_keys_of_the_specification),
		cmocka_unit_test(an_error_about_foreign_bytes_is_still_json),
		cmocka_unit_test(each_errno_of_the_daemon_has_its_code),
		cmocka_unit_test(versions_are_listed_in_order),
		cmocka_unit_test(addresses_are_those_of_the_pod_alone),
		cmocka_unit_test(an_ipam_result_needs_usable_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
