/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Network configurations: what host-local's users write is taken, what is wrong is named by its
 * path, and what was parsed comes out of to_json() and back unchanged, for any configuration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/netconf.h"
#include "podlane/abi.h"

static json_t *load(const char *text)
{
	struct pl_error err = {0};
	json_t *j = NULL;

	if (pl_json_load(text, strlen(text), &j, &err) < 0)
		fail_msg("%s in %s", err.text, text);
	return j;
}

static int parse(const char *text, struct pl_netconf *ret, struct pl_error *err)
{
	pl_autojson json_t *j = load(text);

	return pl_netconf_parse(j, ret, err);
}

/* The configuration that is {"name": "n", ...}; the caller clears it. */
static struct pl_netconf good(const char *members)
{
	pl_autofree char *text = NULL;
	struct pl_error err = {0};
	struct pl_netconf conf;

	assert_true(asprintf(&text, "{\"name\":\"n\"%s%s}", *members ? "," : "", members) > 0);
	if (parse(text, &conf, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return conf;
}

static void refused(const char *members, int code, const char *message)
{
	pl_autofree char *text = NULL;
	struct pl_error err = {0};
	struct pl_netconf conf;
	int r;

	assert_true(asprintf(&text, "{\"name\":\"n\",%s}", members) > 0);
	r = parse(text, &conf, &err);
	if (r != code)
		fail_msg("%s: %d (%s) instead of %d", text, r, err.text, code);
	assert_string_equal(err.text, message);
	assert_int_equal(err.code, code);
	pl_netconf_clear(&conf);
}

static void assert_ip(const struct pl_ip *ip, const char *want)
{
	char text[PL_IP_STRLEN];

	assert_string_equal(pl_ip_format(ip, text), want);
}

static void assert_range(const struct pl_range *range, unsigned int set, const char *subnet,
			 const char *start, const char *end, const char *gateway)
{
	char text[PL_PREFIX_STRLEN];

	assert_int_equal(range->set, set);
	assert_string_equal(pl_prefix_format(&range->subnet, text), subnet);
	assert_ip(&range->start, start);
	assert_ip(&range->end, end);
	assert_ip(&range->gateway, gateway);
}

static void test_defaults(void **state)
{
	struct pl_netconf conf = good("");

	assert_string_equal(conf.name, "n");
	assert_int_equal(conf.mode, PL_MODE_POD);
	assert_int_equal(conf.link, PL_CHOOSE_VETH);
	assert_false(conf.netkit_l2);
	assert_false(conf.ip_masq);
	assert_true(conf.antispoof);
	assert_int_equal(conf.allow, 0);
	assert_int_equal(conf.mtu, 0);
	assert_string_equal(conf.ipam_type, "podlane");
	assert_int_equal(conf.n_ranges, 0);
	assert_null(conf.routes);
	assert_null(conf.dns);
	assert_false(conf.disable_check || conf.disable_gc);
	pl_netconf_clear(&conf);
}

static void test_every_key(void **state)
{
	struct pl_netconf conf = good(
		"\"cniVersion\":\"1.1.0\",\"cniVersions\":[\"1.0.0\"],\"type\":\"podlane\","
		"\"mode\":\"accelerate\",\"link\":\"auto\",\"netkitMode\":\"l2\",\"ipMasq\":true,"
		"\"antispoof\":false,\"allow\":[\"vlan\",\"link-local\"],\"mtu\":1450,\"dns\":{\"nameservers\":[\"10.0.0.2\"],"
		"\"domain\":\"d\",\"search\":[],\"options\":[\"ndots:5\"]},"
		"\"capabilities\":{\"ips\":true},\"runtimeConfig\":{\"x\":1},\"args\":{\"cni\":{}},"
		"\"prevResult\":{\"interfaces\":[]},\"disableCheck\":true,\"disableGC\":\"true\","
		"\"loadOnlyInlinedPlugins\":false,\"cni.dev/valid-attachments\":null,"
		"\"cni.dev/attachments\":[{}]");

	assert_int_equal(conf.mode, PL_MODE_ACCELERATE);
	assert_int_equal(conf.link, PL_CHOOSE_AUTO);
	assert_true(conf.netkit_l2 && conf.ip_masq && !conf.antispoof);
	assert_int_equal(conf.allow, PL_EP_ALLOW_VLAN | PL_EP_ALLOW_LINK_LOCAL);
	assert_int_equal(conf.mtu, 1450);
	assert_true(conf.disable_check && conf.disable_gc);
	assert_int_equal(json_array_size(json_object_get(conf.dns, "options")), 1);
	pl_netconf_clear(&conf);
	assert_null(conf.dns);
}

static void test_null_is_absent_for_foreign_objects(void **state)
{
	struct pl_netconf conf = good("\"prevResult\":null,\"runtimeConfig\":null,\"dns\":null,"
				      "\"args\":null,\"capabilities\":null");

	assert_null(conf.dns);
	pl_netconf_clear(&conf);
}

static void test_range_defaults_as_host_local(void **state)
{
	static const struct {
		const char *subnet, *start, *end, *gateway;
	} rows[] = {
		{"10.0.0.0/24", "10.0.0.1", "10.0.0.254", "10.0.0.1"},
		{"10.0.0.0/30", "10.0.0.1", "10.0.0.2", "10.0.0.1"},
		{"10.0.0.0/31", "10.0.0.0", "10.0.0.1", "none"},
		{"10.0.0.7/32", "10.0.0.7", "10.0.0.7", "none"},
		{"10.0.0.0/8", "10.0.0.1", "10.255.255.254", "10.0.0.1"},
		{"fd00::/64", "fd00::1", "fd00::ffff:ffff:ffff:ffff", "fd00::1"},
		{"fd00::/126", "fd00::1", "fd00::3", "fd00::1"},
		{"fd00::/127", "fd00::", "fd00::1", "none"},
		{"fd00::7/128", "fd00::7", "fd00::7", "none"},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		char members[200];
		struct pl_netconf conf;

		snprintf(members, sizeof(members), "\"ipam\":{\"ranges\":[[{\"subnet\":\"%s\"}]]}",
			 rows[i].subnet);
		conf = good(members);
		assert_int_equal(conf.n_ranges, 1);
		assert_range(&conf.ranges[0], 0, rows[i].subnet, rows[i].start, rows[i].end,
			     rows[i].gateway);
		pl_netconf_clear(&conf);
	}
}

static void test_range_sets(void **state)
{
	struct pl_netconf conf =
		good("\"ipam\":{\"type\":\"podlane\",\"ranges\":[[{\"subnet\":\"10.0.0.0/24\","
		     "\"rangeStart\":\"10.0.0.10\",\"rangeEnd\":\"10.0.0.20\",\"gateway\":"
		     "\"10.0.0.254\"},{\"subnet\":\"10.0.0.0/24\",\"rangeStart\":\"10.0.0.30\"}],"
		     "[{\"subnet\":\"fd00::/64\",\"gateway\":\"fe80::1\"}]],"
		     "\"exclude\":[\"10.0.0.32/28\",\"10.0.0.50\"]}");

	assert_int_equal(conf.n_ranges, 3);
	assert_range(&conf.ranges[0], 0, "10.0.0.0/24", "10.0.0.10", "10.0.0.20", "10.0.0.254");
	assert_range(&conf.ranges[1], 0, "10.0.0.0/24", "10.0.0.30", "10.0.0.254", "10.0.0.1");
	assert_range(&conf.ranges[2], 1, "fd00::/64", "fd00::1", "fd00::ffff:ffff:ffff:ffff",
		     "fe80::1");
	assert_int_equal(conf.n_exclude, 2);
	assert_int_equal(conf.exclude[1].len, 32);
	pl_netconf_clear(&conf);
}

static void test_shorthand_comes_first(void **state)
{
	struct pl_netconf conf = good("\"ipam\":{\"subnet\":\"10.0.0.0/24\",\"rangeStart\":"
				      "\"10.0.0.5\",\"rangeEnd\":\"10.0.0.9\",\"gateway\":"
				      "\"10.0.0.3\",\"ranges\":[[{\"subnet\":\"fd00::/64\"}]]}");

	assert_int_equal(conf.n_ranges, 2);
	assert_range(&conf.ranges[0], 0, "10.0.0.0/24", "10.0.0.5", "10.0.0.9", "10.0.0.3");
	assert_int_equal(conf.ranges[1].set, 1);
	pl_netconf_clear(&conf);
}

static void test_routes_are_kept(void **state)
{
	struct pl_netconf conf =
		good("\"ipam\":{\"routes\":[{\"dst\":\"0.0.0.0/0\"},{\"dst\":\"10.9.0.0/16\","
		     "\"gw\":\"10.0.0.9\",\"mtu\":1400,\"advmss\":1300,\"priority\":7,"
		     "\"table\":100,\"scope\":253}]}");

	assert_int_equal(json_array_size(conf.routes), 2);
	pl_netconf_clear(&conf);
	assert_null(conf.routes);
	conf = good("\"ipam\":{\"routes\":[]}"); /* not the same as none named */
	assert_non_null(conf.routes);
	pl_netconf_clear(&conf);
}

static void test_delegated_ipam_is_not_judged(void **state)
{
	struct pl_netconf conf =
		good("\"ipam\":{\"type\":\"host-local\",\"subnet\":\"nonsense\",\"zap\":[1],"
		     "\"routes\":7}");

	assert_string_equal(conf.ipam_type, "host-local");
	assert_int_equal(conf.n_ranges, 0);
	assert_null(conf.routes);
	pl_netconf_clear(&conf);
}

static void test_unknown_keys(void **state)
{
	refused("\"ipmasq\":true", -ENOTSUP,
		"unknown key \"ipmasq\" (value true); did you mean \"ipMasq\"?");
	refused("\"frobnicate\":1", -ENOTSUP, "unknown key \"frobnicate\" (value 1)");
	refused("\"cni.dev\":1", -ENOTSUP, "unknown key \"cni.dev\" (value 1)");
	refused("\"ipam\":{\"rangestart\":\"10.0.0.1\"}", -ENOTSUP,
		"ipam: unknown key \"rangestart\" (value \"10.0.0.1\"); did you mean \"rangeStart\"?");
	refused("\"ipam\":{\"dataDir\":\"/x\"}", -ENOTSUP,
		"ipam: unknown key \"dataDir\" (value \"/x\")");
	refused("\"ipam\":{\"ranges\":[[{\"subnet\":\"10.0.0.0/24\",\"gatway\":\"10.0.0.1\"}]]}",
		-ENOTSUP,
		"ipam.ranges[0][0]: unknown key \"gatway\" (value \"10.0.0.1\"); did you mean \"gateway\"?");
	refused("\"ipam\":{\"routes\":[{\"dest\":\"10.0.0.0/24\"}]}", -ENOTSUP,
		"ipam.routes[0]: unknown key \"dest\" (value \"10.0.0.0/24\"); did you mean \"dst\"?");
	refused("\"dns\":{\"nameserver\":[]}", -ENOTSUP,
		"dns: unknown key \"nameserver\" (value []); did you mean \"nameservers\"?");
}

static void test_types_are_strict(void **state)
{
	refused("\"ipMasq\":1", -EINVAL, "ipMasq: must be true or false, and is 1");
	refused("\"ipMasq\":\"true\"", -EINVAL, "ipMasq: must be true or false, and is \"true\"");
	refused("\"antispoof\":null", -EINVAL, "antispoof: must be true or false, and is null");
	refused("\"allow\":\"vlan\"", -EINVAL, "allow: must be an array, and is \"vlan\"");
	refused("\"allow\":[\"vlan\",7]", -EINVAL, "allow[1]: must be a string, and is 7");
	refused("\"allow\":[\"non-ip\",\"vlans\"]", -EINVAL,
		"allow[1]: \"vlans\" is not one of \"vlan\", \"non-ip\", \"link-local\"; did you mean "
		"\"vlan\"?");
	refused("\"mtu\":\"1500\"", -EINVAL, "mtu: must be a whole number, and is \"1500\"");
	refused("\"mtu\":1500.0", -EINVAL, "mtu: must be a whole number, and is 1500.0");
	refused("\"mtu\":-1", -EINVAL, "mtu: -1 is not between 68 and 65535");
	refused("\"mtu\":67", -EINVAL, "mtu: 67 is not between 68 and 65535");
	refused("\"mtu\":65536", -EINVAL, "mtu: 65536 is not between 68 and 65535");
	refused("\"mtu\":9223372036854775807", -EINVAL,
		"mtu: 9223372036854775807 is not between 68 and 65535");
	refused("\"mode\":\"Pod\"", -EINVAL,
		"mode: \"Pod\" is not one of \"pod\", \"accelerate\"; did you mean \"pod\"?");
	refused("\"link\":\"tun\"", -EINVAL,
		"link: \"tun\" is not one of \"veth\", \"netkit\", \"auto\"");
	refused("\"netkitMode\":3", -EINVAL, "netkitMode: must be a string, and is 3");
	refused("\"ipam\":[]", -EINVAL, "ipam: must be an object, and is []");
	refused("\"ipam\":{\"ranges\":{}}", -EINVAL, "ipam.ranges: must be an array, and is {}");
	refused("\"ipam\":{\"ranges\":[{}]}", -EINVAL,
		"ipam.ranges[0]: must be an array, and is {}");
	refused("\"ipam\":{\"ranges\":[[7]]}", -EINVAL,
		"ipam.ranges[0][0]: must be an object, and is 7");
	refused("\"ipam\":{\"exclude\":\"10.0.0.1\"}", -EINVAL,
		"ipam.exclude: must be an array, and is \"10.0.0.1\"");
	refused("\"ipam\":{\"type\":7}", -EINVAL, "ipam.type: must be a string, and is 7");
	refused("\"prevResult\":[]", -EINVAL, "prevResult: must be an object, and is []");
	refused("\"cniVersions\":[1]", -EINVAL, "cniVersions[0]: must be a string, and is 1");
	refused("\"dns\":{\"search\":\"x\"}", -EINVAL,
		"dns.search: must be an array, and is \"x\"");
	refused("\"dns\":{\"domain\":[]}", -EINVAL, "dns.domain: must be a string, and is []");
	refused("\"disableGC\":\"yes\"", -EINVAL,
		"disableGC: \"yes\" is not one of \"false\", \"true\"");
}

static void test_bad_ranges(void **state)
{
	refused("\"ipam\":{\"ranges\":[[{\"subnet\":\"10.0.0.0/24\",\"rangeStart\":\"10.0.0.1\","
		"\"rangeEnd\":\"10.0.0.9\"},{\"subnet\":\"10.0.0.0/24\",\"rangeStart\":"
		"\"10.0.1.5\"}]]}",
		-EINVAL, "ipam.ranges[0][1].rangeStart: 10.0.1.5 is outside of 10.0.0.0/24");
	refused("\"ipam\":{\"subnet\":\"10.0.0.0/24\",\"rangeEnd\":\"10.0.1.5\"}", -EINVAL,
		"ipam.rangeEnd: 10.0.1.5 is outside of 10.0.0.0/24");
	refused("\"ipam\":{\"subnet\":\"10.0.0.0/24\",\"rangeEnd\":\"fd00::1\"}", -EINVAL,
		"ipam.rangeEnd: fd00::1 is outside of 10.0.0.0/24");
	refused("\"ipam\":{\"subnet\":\"10.0.0.5/24\"}", -EINVAL,
		"ipam.subnet: 10.0.0.5/24 has host bits set; its network is 10.0.0.0/24");
	refused("\"ipam\":{\"subnet\":\"10.0.0.0\\/33\"}", -EINVAL,
		"ipam.subnet: \"10.0.0.0/33\" is not a valid network (ADDRESS/BITS)");
	refused("\"ipam\":{\"rangeStart\":\"10.0.0.5\"}", -EINVAL,
		"ipam.subnet: is missing; a range needs one");
	refused("\"ipam\":{\"ranges\":[[{}]]}", -EINVAL,
		"ipam.ranges[0][0].subnet: is missing; a range needs one");
	refused("\"ipam\":{\"ranges\":[]}", -EINVAL,
		"ipam.ranges: is empty; leave it out to use the daemon's ranges");
	refused("\"ipam\":{\"ranges\":[[]]}", -EINVAL,
		"ipam.ranges[0]: is empty; a range set needs a range");
	refused("\"ipam\":{\"subnet\":\"10.0.0.0/24\",\"rangeStart\":\"10.0.0.9\",\"rangeEnd\":"
		"\"10.0.0.8\"}",
		-EINVAL, "ipam: 10.0.0.9 to 10.0.0.8: the range ends before it starts");
	refused("\"ipam\":{\"subnet\":\"127.0.0.0/8\"}", -EINVAL,
		"ipam: 127.0.0.1 to 127.255.255.254: these are no unicast addresses that a pod can "
		"have");
	refused("\"ipam\":{\"ranges\":[[{\"subnet\":\"10.0.0.0/24\"},{\"subnet\":\"fd00::/64\"}]]}",
		-EINVAL,
		"ipam.ranges[0][1]: IPv4 and IPv6 in one range set, which gives one address; make "
		"them two sets");
	refused("\"ipam\":{\"subnet\":\"10.0.0.0/24\",\"gateway\":\"fd00::1\"}", -EINVAL,
		"ipam.gateway: fd00::1 is not of the subnet's address family");
	refused("\"ipam\":{\"subnet\":\"10.0.0.0/24\",\"gateway\":\"0.0.0.0\"}", -EINVAL,
		"ipam.gateway: 0.0.0.0 is not the address of a host");
	refused("\"ipam\":{\"subnet\":\"10.0.0.0/24\",\"gateway\":\"\"}", -EINVAL,
		"ipam.gateway: \"\" is not a valid IP address");
	refused("\"ipam\":{\"exclude\":[\"10.0.0.0/24\",\"10.0.0.9/24\"]}", -EINVAL,
		"ipam.exclude[1]: 10.0.0.9/24 has host bits set; its network is 10.0.0.0/24");
	refused("\"mtu\":1279,\"ipam\":{\"subnet\":\"fd00::/64\"}", -EINVAL,
		"mtu: 1279 is less than the 1280 that IPv6 needs");
}

static void test_overlaps(void **state)
{
	/* In one set, across sets, and of the shorthand. Touching ends are an overlap. */
	refused("\"ipam\":{\"ranges\":[[{\"subnet\":\"10.0.0.0/24\",\"rangeEnd\":\"10.0.0.9\"},"
		"{\"subnet\":\"10.0.0.0/24\",\"rangeStart\":\"10.0.0.9\"}]]}",
		-EINVAL,
		"ipam.ranges[0][1]: 10.0.0.9 to 10.0.0.254 overlaps with the range 10.0.0.1 to "
		"10.0.0.9");
	refused("\"ipam\":{\"ranges\":[[{\"subnet\":\"10.0.0.0/24\"}],[{\"subnet\":"
		"\"10.0.0.0/16\"}]]}",
		-EINVAL,
		"ipam.ranges[1][0]: 10.0.0.1 to 10.0.255.254 overlaps with the range 10.0.0.1 to "
		"10.0.0.254");
	refused("\"ipam\":{\"subnet\":\"fd00::/64\",\"ranges\":[[{\"subnet\":\"fd00::/96\"}]]}",
		-EINVAL,
		"ipam.ranges[0][0]: fd00::1 to fd00::ffff:ffff overlaps with the range fd00::1 to "
		"fd00::ffff:ffff:ffff:ffff");
	struct pl_netconf conf =
		good("\"ipam\":{\"ranges\":[[{\"subnet\":\"10.0.0.0/24\",\"rangeEnd\":\"10.0.0.9\"}"
		     ",{\"subnet\":\"10.0.0.0/24\",\"rangeStart\":\"10.0.0.10\"}]]}");

	assert_int_equal(conf.n_ranges, 2);
	pl_netconf_clear(&conf);
}

static void test_bad_routes(void **state)
{
	refused("\"ipam\":{\"routes\":[{\"gw\":\"10.0.0.1\"}]}", -EINVAL,
		"ipam.routes[0].dst: is missing; a route needs one");
	refused("\"ipam\":{\"routes\":[{\"dst\":\"default\"}]}", -EINVAL,
		"ipam.routes[0].dst: \"default\" is not a valid network (ADDRESS/BITS)");
	refused("\"ipam\":{\"routes\":[{\"dst\":\"10.0.0.0/8\",\"gw\":\"fd00::1\"}]}", -EINVAL,
		"ipam.routes[0].gw: is not of the address family of 10.0.0.0/8");
	refused("\"ipam\":{\"routes\":[{\"dst\":\"10.0.0.0/8\",\"mtu\":70000}]}", -EINVAL,
		"ipam.routes[0].mtu: 70000 is not between 0 and 65535");
	refused("\"ipam\":{\"routes\":[{\"dst\":\"10.0.0.0/8\",\"scope\":256}]}", -EINVAL,
		"ipam.routes[0].scope: 256 is not between 0 and 255");
	refused("\"ipam\":{\"routes\":[7]}", -EINVAL,
		"ipam.routes[0]: must be an object, and is 7");
}

static void test_too_many(void **state)
{
	char members[8192] = "\"ipam\":{\"ranges\":[[";
	size_t base = strlen(members);

	for (int i = 0; i < PL_RANGES_MAX + 1; i++)
		sprintf(members + strlen(members), "%s{\"subnet\":\"10.0.%d.0/24\"}", i ? "," : "",
			i);
	strcat(members, "]]}");
	refused(members, -EINVAL, "ipam.ranges[0][32]: more than 32 ranges in one network");

	members[base - 1] = '\0';
	for (int i = 0; i < PL_SETS_MAX + 1; i++)
		sprintf(members + strlen(members), "%s[{\"subnet\":\"10.0.%d.0/24\"}]",
			i ? "," : "", i);
	strcat(members, "]}");
	refused(members, -EINVAL, "ipam.ranges[16]: more than 16 range sets in one network");

	strcpy(members, "\"ipam\":{\"exclude\":[");
	for (int i = 0; i < PL_RANGES_MAX + 1; i++)
		sprintf(members + strlen(members), "%s\"10.0.%d.0/24\"", i ? "," : "", i);
	strcat(members, "]}");
	refused(members, -EINVAL, "ipam.exclude: more than 32 networks");
}

static void test_ipam_type_cannot_leave_the_plugin_folder(void **state)
{
	refused("\"ipam\":{\"type\":\"../sh\"}", -EINVAL,
		"ipam.type: \"../sh\" cannot be the name of a plugin");
	refused("\"ipam\":{\"type\":\"/bin/sh\"}", -EINVAL,
		"ipam.type: \"/bin/sh\" cannot be the name of a plugin");
	refused("\"ipam\":{\"type\":\"\"}", -EINVAL,
		"ipam.type: \"\" cannot be the name of a plugin");
	refused("\"ipam\":{\"type\":"
		"\"x123456789012345678901234567890123456789012345678901234567890123\"}",
		-EINVAL,
		"ipam.type: \"x123456789012345678901234567890123456789012345678901234567890123\" "
		"cannot be the name of a plugin");
}

static void test_name(void **state)
{
	struct pl_error err = {0};
	struct pl_netconf conf;

	assert_int_equal(parse("{}", &conf, &err), -EINVAL);
	assert_string_equal(err.text, "name: is missing; a network needs one");
	assert_int_equal(parse("{\"name\":\"a b\"}", &conf, &err), -EINVAL);
	assert_memory_equal(err.text, "name: \"a b\" is not a valid network name", 39);
	assert_int_equal(parse("{\"name\":7}", &conf, &err), -EINVAL);
	assert_int_equal(parse("[]", &conf, &err), -EINVAL);
	assert_int_equal(parse("{}", &conf, NULL), -EINVAL);
}

static void test_clear_after_failure(void **state)
{
	struct pl_netconf conf;

	memset(&conf, 0xa5, sizeof(conf));
	assert_int_equal(parse("{\"dns\":{},\"ipam\":{\"routes\":[]},\"zap\":1}", &conf, NULL),
			 -ENOTSUP);
	pl_netconf_clear(&conf); /* LeakSanitizer sees what is left */
	memset(&conf, 0xa5, sizeof(conf));
	assert_int_equal(pl_netconf_parse(NULL, &conf, NULL), -EINVAL);
	pl_netconf_clear(&conf);
}

static void test_inherit_ranges(void **state)
{
	struct pl_netconf from = good("\"ipam\":{\"subnet\":\"10.0.0.0/24\",\"exclude\":"
				      "[\"10.0.0.9\"]}");
	struct pl_netconf bare = good("\"ipam\":{\"exclude\":[\"10.0.0.7\"]}");
	struct pl_netconf own = good("\"ipam\":{\"subnet\":\"10.5.0.0/24\"}");
	struct pl_netconf delegated = good("\"ipam\":{\"type\":\"dhcp\"}");
	struct pl_error err = {0};

	assert_int_equal(pl_netconf_inherit_ranges(&bare, &from, &err), 0);
	assert_int_equal(bare.n_ranges, 1);
	assert_range(&bare.ranges[0], 0, "10.0.0.0/24", "10.0.0.1", "10.0.0.254", "10.0.0.1");
	assert_int_equal(bare.n_exclude, 2);
	assert_ip(&bare.exclude[0].ip, "10.0.0.7");
	assert_ip(&bare.exclude[1].ip, "10.0.0.9");
	assert_int_equal(pl_netconf_inherit_ranges(&own, &from, &err), 0);
	assert_int_equal(own.n_ranges, 1);
	assert_ip(&own.ranges[0].start, "10.5.0.1");
	assert_int_equal(own.n_exclude, 0);
	assert_int_equal(pl_netconf_inherit_ranges(&delegated, &from, &err), 0);
	assert_int_equal(delegated.n_ranges, 0);
	bare.n_ranges = 0;
	bare.n_exclude = PL_RANGES_MAX;
	assert_int_equal(pl_netconf_inherit_ranges(&bare, &from, &err), -EINVAL);
	assert_int_equal(bare.n_ranges, 0);
	pl_netconf_clear(&from);
	pl_netconf_clear(&bare);
	pl_netconf_clear(&own);
	pl_netconf_clear(&delegated);
}

static void test_name_valid(void **state)
{
	char longest[PL_NAME_MAX + 2];

	memset(longest, 'n', sizeof(longest));
	longest[PL_NAME_MAX + 1] = '\0';
	assert_false(pl_name_valid(longest));
	longest[PL_NAME_MAX] = '\0';
	assert_true(pl_name_valid(longest));
	assert_true(pl_name_valid("a"));
	assert_true(pl_name_valid("0.a_B-c"));
	for (const char *const *s = (const char *const[]){"", ".", "..", "-a", "_a", "a/b", "a:b",
							  "a b", "a\n", "\xc3\xa9", NULL};
	     *s; s++)
		assert_false(pl_name_valid(*s));
}

static void test_ifname_valid(void **state)
{
	assert_true(pl_ifname_valid("eth0"));
	assert_true(pl_ifname_valid("123456789012345"));
	assert_true(pl_ifname_valid("..."));
	assert_true(pl_ifname_valid("\xc3\xa9th"));
	for (const char *const *s =
		     (const char *const[]){"", ".", "..", "1234567890123456", "a/b", "a:b", "a b",
					   "a\tb", "a\x7f", "eth%d", "a\xff", NULL};
	     *s; s++)
		assert_false(pl_ifname_valid(*s));
}

/* --- the property --- */

static uint64_t seed = 0x706f646c616e65;

static unsigned int any(unsigned int n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)(seed % n);
}

/* Prefix lengths at the edges come as often as the others. */
static json_t *any_range(unsigned int number)
{
	static const uint8_t lens4[] = {16, 17, 24, 29, 30, 31, 32};
	static const uint8_t lens6[] = {48, 64, 65, 120, 126, 127, 128};
	bool v6 = number & 1;
	struct pl_prefix p;
	struct pl_ip first, last, start, end;
	char text[PL_PREFIX_STRLEN];
	json_t *j = json_object();

	snprintf(text, sizeof(text), v6 ? "fd00:%x::" : "10.%u.0.0", number);
	pl_ip_parse(text, &p.ip);
	p.len = v6 ? lens6[any(PL_ARRAY_SIZE(lens6))] : lens4[any(PL_ARRAY_SIZE(lens4))];
	pl_prefix_range(&p, &first, &last);
	json_object_set_new(j, "subnet", json_string(pl_prefix_format(&p, text)));
	if (pl_ip_add(&first, any(3), &start) < 0 || pl_ip_cmp(&start, &last) > 0)
		start = first;
	if (pl_ip_add(&start, any(3), &end) < 0 || pl_ip_cmp(&end, &last) > 0)
		end = start;
	if (any(2))
		json_object_set_new(j, "rangeEnd", json_string(pl_ip_format(&end, text)));
	if (any(2) || json_object_get(j, "rangeEnd"))
		json_object_set_new(j, "rangeStart", json_string(pl_ip_format(&start, text)));
	if (any(2))
		json_object_set_new(j, "gateway",
				    json_string(any(2) ? pl_ip_format(&last, text)
						       : (v6 ? "fe80::1" : "169.254.1.1")));
	return j;
}

static json_t *any_ipam(void)
{
	json_t *j = json_object(), *sets = json_array();
	unsigned int number = any(100) * 2, n_sets = any(4);

	for (unsigned int s = 0; s < n_sets; s++) {
		json_t *set = json_array();
		unsigned int family = any(2);

		for (unsigned int n = 1 + any(3); n; n--, number += 2)
			json_array_append_new(set, any_range((number & ~1U) | family));
		json_array_append_new(sets, set);
	}
	if (n_sets)
		json_object_set(j, "ranges", sets);
	json_decref(sets);
	if (any(2))
		json_object_set_new(j, "type", json_string("podlane"));
	if (any(2))
		json_object_set_new(j, "exclude",
				    json_pack("[s, s]", "10.7.0.0/30", "fd00:7::/64"));
	if (any(2))
		json_object_set_new(j, "routes",
				    any(2) ? json_array()
					   : json_pack("[{s:s, s:i}]", "dst", "::/0", "mtu", 1400));
	return j;
}

static json_t *any_conf(void)
{
	static const char *const links[] = {"veth", "netkit", "auto"};
	json_t *j = json_pack("{s:s}", "name", any(2) ? "a" : "net.1_x-Y");

	if (any(2))
		json_object_set_new(j, "mode", json_string(any(2) ? "pod" : "accelerate"));
	if (any(2))
		json_object_set_new(j, "link", json_string(links[any(3)]));
	if (any(2))
		json_object_set_new(j, "netkitMode", json_string(any(2) ? "l3" : "l2"));
	if (any(2))
		json_object_set_new(j, "ipMasq", json_boolean(any(2)));
	if (any(2))
		json_object_set_new(j, "antispoof", json_boolean(any(2)));
	if (any(2))
		json_object_set_new(j, "allow",
				    any(2) ? json_array()
					   : json_pack("[s, s]", "link-local", "non-ip"));
	if (any(2))
		json_object_set_new(j, "mtu", json_integer(any(2) ? 0 : 1280 + any(60000)));
	if (any(2))
		json_object_set_new(j, "disableCheck", json_boolean(any(2)));
	if (any(2))
		json_object_set_new(j, "disableGC", json_string(any(2) ? "true" : "false"));
	if (any(2))
		json_object_set_new(j, "dns", json_pack("{s:[s]}", "search", "example.org"));
	switch (any(4)) {
	case 0:
		break;
	case 1:
		json_object_set_new(j, "ipam", json_pack("{s:s, s:i}", "type", "static", "x", 1));
		break;
	default:
		json_object_set_new(j, "ipam", any_ipam());
	}
	return j;
}

static void assert_same_json(const json_t *a, const json_t *b)
{
	assert_int_equal(!a, !b);
	assert_true(!a || json_equal(a, b));
}

/* By members: the padding of a struct may hold anything. */
static void assert_same(const struct pl_netconf *a, const struct pl_netconf *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->link, b->link);
	assert_int_equal(a->netkit_l2, b->netkit_l2);
	assert_int_equal(a->ip_masq, b->ip_masq);
	assert_int_equal(a->antispoof, b->antispoof);
	assert_int_equal(a->allow, b->allow);
	assert_int_equal(a->mtu, b->mtu);
	assert_string_equal(a->ipam_type, b->ipam_type);
	assert_int_equal(a->n_ranges, b->n_ranges);
	for (size_t i = 0; i < a->n_ranges; i++) {
		const struct pl_range *ra = &a->ranges[i], *rb = &b->ranges[i];

		assert_int_equal(ra->set, rb->set);
		assert_memory_equal(&ra->subnet, &rb->subnet, sizeof(ra->subnet));
		assert_memory_equal(&ra->start, &rb->start, sizeof(ra->start));
		assert_memory_equal(&ra->end, &rb->end, sizeof(ra->end));
		assert_memory_equal(&ra->gateway, &rb->gateway, sizeof(ra->gateway));
	}
	assert_int_equal(a->n_exclude, b->n_exclude);
	assert_memory_equal(a->exclude, b->exclude, sizeof(a->exclude));
	assert_same_json(a->routes, b->routes);
	assert_same_json(a->dns, b->dns);
	assert_int_equal(a->disable_gc, b->disable_gc);
	assert_int_equal(a->disable_check, b->disable_check);
}

static void test_to_json_and_back_is_the_identity(void **state)
{
	unsigned int with_ranges = 0;

	for (int i = 0; i < 3000; i++) {
		pl_autojson json_t *in = any_conf();
		pl_autojson json_t *out = NULL, *again = NULL;
		struct pl_netconf conf, back;
		struct pl_error err = {0};

		if (pl_netconf_parse(in, &conf, &err) < 0) {
			pl_autofree char *text = json_dumps(in, 0);

			fail_msg("%s: %s", text, err.text);
		}
		with_ranges += conf.n_ranges > 0;
		out = pl_netconf_to_json(&conf);
		assert_non_null(out);
		if (pl_netconf_parse(out, &back, &err) < 0) {
			pl_autofree char *text = json_dumps(out, 0);

			fail_msg("%s: %s", text, err.text);
		}
		assert_same(&conf, &back);
		again = pl_netconf_to_json(&back);
		assert_true(json_equal(out, again));
		pl_netconf_clear(&conf);
		pl_netconf_clear(&back);
	}
	assert_true(with_ranges > 500); /* the generator makes what this is about */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_null_is_absent_for_foreign_objects),
		cmocka_unit_test(test_range_defaults_as_host_local),
		cmocka_unit_test(test_range_sets),
		cmocka_unit_test(test_shorthand_comes_first),
		cmocka_unit_test(test_routes_are_kept),
		cmocka_unit_test(test_delegated_ipam_is_not_judged),
		cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test(test_types_are_strict),
		cmocka_unit_test(test_bad_ranges),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_bad_routes),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_ipam_type_cannot_leave_the_plugin_folder),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_clear_after_failure),
		cmocka_unit_test(test_inherit_ranges),
		cmocka_unit_test(test_name_valid),
		cmocka_unit_test(test_ifname_valid),
		cmocka_unit_test(test_to_json_and_back_is_the_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
