/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Defaults, the configuration file and options: one meaning whichever way a value came, and errors
 * that name the key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "daemon/settings.h"
#include "scratch.h"

static int load(struct pl_settings *s, const char *text, struct pl_error *err)
{
	json_t *j = json_loads(text, 0, NULL);
	int r;

	assert_non_null(j);
	r = pl_settings_from_json(s, j, err);
	json_decref(j);
	return r;
}

static void refused(const char *text, int code, const char *says)
{
	struct pl_settings s;
	struct pl_error err = {0};

	pl_settings_init(&s);
	assert_int_equal(load(&s, text, &err), code);
	if (!strstr(err.text, says))
		fail_msg("\"%s\" does not say \"%s\"", err.text, says);
	pl_settings_clear(&s);
}

static void test_defaults(void **state)
{
	struct pl_settings s;

	pl_settings_init(&s);
	assert_string_equal(s.run_dir, "/run/podlane");
	assert_string_equal(s.bpffs, "/sys/fs/bpf/podlane");
	assert_true(s.forwarding);
	assert_string_equal(s.network.name, "default");
	assert_int_equal(s.network.n_ranges, 2);
	assert_true(s.network.antispoof);
	pl_settings_clear(&s);
}

static void test_every_key(void **state)
{
	struct pl_settings s;
	struct pl_error err = {0};
	int r;

	pl_settings_init(&s);
	r = load(
		&s,
		"{\"runDir\": \"/run/p2\", \"bpffs\": \"/sys/fs/bpf/p2\", \"logLevel\": \"warn\","
		"\"maxEndpoints\": 10, \"maxFlows\": 2048, \"attach\": \"clsact\","
		"\"uplinks\": [\"eth*\", \"bond0\"], \"native\": [\"10.0.0.0/8\", \"fd00::/8\", \"!10.96.0.0/12\"],"
		"\"forwarding\": false, \"expedite\": false, \"network\": {\"mtu\": 1400},"
		"\"mirrors\": [{\"name\": \"ids\", \"endpoints\": \"all\", \"target\": {\"device\": \"tap0\"}}]}",
		&err);
	assert_string_equal(err.text, "");
	assert_int_equal(r, 0);
	assert_string_equal(s.run_dir, "/run/p2");
	assert_int_equal(s.log_level, PL_LOG_WARN);
	assert_int_equal(s.max_endpoints, 10);
	assert_int_equal(s.max_flows, 2048);
	assert_int_equal(s.attach, PL_ATTACH_CLSACT);
	assert_int_equal(s.n_uplinks, 2);
	assert_string_equal(s.uplinks[1], "bond0");
	assert_int_equal(s.n_native, 3);
	assert_int_equal(s.native[1].net.ip.family, AF_INET6);
	assert_false(s.native[1].except);
	assert_int_equal(s.native[2].net.len, 12);
	assert_true(s.native[2].except);
	assert_false(s.forwarding);
	assert_false(s.expedite);
	assert_int_equal(s.network.mtu, 1400);
	assert_int_equal(s.network.n_ranges, 2); /* what the file leaves out stays */
	assert_int_equal(json_array_size(s.mirrors), 1);
	pl_settings_clear(&s);
}

static void test_bad_values(void **state)
{
	refused("{\"maxEndpoint\": 3}", -ENOTSUP, "did you mean \"maxEndpoints\"?");
	refused("{\"colour\": 3}", -ENOTSUP, "unknown key \"colour\"");
	refused("{\"maxEndpoints\": 0}", -EINVAL, "maxEndpoints: expected a whole number from 1");
	refused("{\"maxEndpoints\": \"many\"}", -EINVAL, "maxEndpoints");
	refused("{\"runDir\": \"relative\"}", -EINVAL, "no absolute path");
	refused("{\"attach\": \"xdp\"}", -EINVAL, "auto, tcx or clsact");
	refused("{\"native\": [\"10.0.0.0/8\", \"10.0.0/8\"]}", -EINVAL, "native[1]");
	refused("{\"native\": [\"!\"]}", -EINVAL, "native[0]: expected a prefix");
	refused("{\"native\": [\"!!10.0.0.0/8\"]}", -EINVAL, "native[0]: expected a prefix");
	refused("{\"native\": [\"10.0.0.5/8\"]}", -EINVAL,
		"native[0]: \"10.0.0.5/8\" has bits beyond the prefix length: write 10.0.0.0/8,");
	refused("{\"native\": [\"10.0.0.0/8\", \"!10.97.0.0/12\"]}", -EINVAL,
		"native[1]: \"!10.97.0.0/12\" has bits beyond the prefix length: write !10.96.0.0/12,");
	refused("{\"native\": [\"fd00::1/64\"]}", -EINVAL, "write fd00::/64");
	refused("{\"native\": [\"10.0.0.0/8\", \"!10.0.0.0/8\"]}", -EINVAL,
		"cannot be native and excepted");
	refused("{\"native\": [\"10.0.0.0/8\", \"10.0.0.0/8\"]}", -EINVAL, "already");
	refused("{\"uplinks\": \"eth0\"}", -EINVAL, "uplinks: expected an array");
	refused("{\"forwarding\": 1}", -EINVAL, "true or false");
	refused("{\"logLevel\": \"loud\"}", -EINVAL, "error, warn, info or debug");
	refused("{\"network\": {\"mtuu\": 3}}", -ENOTSUP, "mtu");
	refused("{\"network\": {\"ipam\": {\"type\": \"host-local\"}}}", -EINVAL, "built-in");
	refused("[]", -EINVAL, "JSON object");
}

static void test_options(void **state)
{
	struct pl_settings s;
	struct pl_error err = {0};

	pl_settings_init(&s);
	assert_int_equal(pl_settings_option(&s, "uplinks", "eth0,wlan*", &err), 0);
	assert_int_equal(s.n_uplinks, 2);
	assert_string_equal(s.uplinks[1], "wlan*");
	assert_int_equal(pl_settings_option(&s, "native", "10.0.0.0/8,!10.96.0.0/12", &err), 0);
	assert_int_equal(s.n_native, 2);
	assert_true(s.native[1].except);
	assert_int_equal(pl_settings_option(&s, "native", "fd00::/8", &err), 0); /* instead */
	assert_int_equal(s.n_native, 1);
	assert_int_equal(pl_settings_option(&s, "max-endpoints", "77", &err), 0);
	assert_int_equal(s.max_endpoints, 77);
	assert_int_equal(pl_settings_option(&s, "forwarding", "false", &err), 0);
	assert_false(s.forwarding);
	assert_int_equal(pl_settings_option(&s, "max-endpoints", "7x", &err), -EINVAL);
	assert_non_null(strstr(err.text, "--max-endpoints"));
	assert_int_equal(s.max_endpoints, 77);
	assert_int_equal(pl_settings_option(&s, "no-such", "1", &err), -ENOENT);
	pl_settings_clear(&s);
}

static void test_file(void **state)
{
	char path[200];
	int fd = mkstemp(scratch_template(path, sizeof(path), "settings"));
	struct pl_settings s;
	struct pl_error err = {0};
	static const char text[] = "{\n  \"maxFlows\": 4096,\n  \"attach\"\n}\n";

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	pl_settings_init(&s);
	assert_int_equal(pl_settings_load(&s, path, &err), -EINVAL);
	assert_non_null(strstr(err.text, ":4:")); /* the line where JSON breaks */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(pl_settings_load(&s, path, &err), -ENOENT);
	pl_settings_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),   cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_bad_values), cmocka_unit_test(test_options),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
