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
#include <fcntl.h>
#include <jansson.h>

#include "daemon/settings.h"
#include "scratch.h"

/* All that was said, a line each. */
struct said {
	char text[4096];
	int n;
};

static void note(void *arg, const struct pl_error *problem)
{
	struct said *said = arg;
	size_t used = strlen(said->text);

	assert_true(problem->code < 0);
	snprintf(said->text + used, sizeof(said->text) - used, "%s\n", problem->text);
	said->n++;
}

static int load(struct pl_settings *s, const char *text, struct said *said)
{
	json_t *j = json_loads(text, 0, NULL);
	int r;

	assert_non_null(j);
	r = pl_settings_from_json(s, j, note, said);
	json_decref(j);
	return r;
}

static int option(struct pl_settings *s, const char *name, const char *value, struct said *said)
{
	*said = (struct said){0};
	return pl_settings_option(s, name, value, note, said);
}

static void refused(const char *text, int code, const char *says)
{
	struct pl_settings s;
	struct said said = {0};

	pl_settings_init(&s);
	assert_int_equal(load(&s, text, &said), code);
	if (!strstr(said.text, says))
		fail_msg("\"%s\" does not say \"%s\"", said.text, says);
	assert_int_equal(said.n, 1);
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
	struct said said = {0};
	int r;

	pl_settings_init(&s);
	r = load(
		&s,
		"{\"runDir\": \"/run/p2\", \"bpffs\": \"/sys/fs/bpf/p2\", \"logLevel\": \"warn\","
		"\"maxEndpoints\": 10, \"maxFlows\": 2048, \"attach\": \"clsact\","
		"\"uplinks\": [\"eth*\", \"bond0\"], \"native\": [\"10.0.0.0/8\", \"fd00::/8\", \"!10.96.0.0/12\"],"
		"\"forwarding\": false, \"expedite\": false, \"network\": {\"mtu\": 1400},"
		"\"mirrors\": [{\"name\": \"ids\", \"endpoints\": \"all\", \"target\": {\"device\": \"tap0\"}}]}",
		&said);
	assert_string_equal(said.text, "");
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
	refused("{\"maxEndpoints\": 0}", -EINVAL, "maxEndpoints: 0 is not between 1 and 65535");
	refused("{\"maxEndpoints\": \"many\"}", -EINVAL,
		"maxEndpoints: must be a whole number, and is \"many\"");
	refused("{\"runDir\": \"relative\"}", -EINVAL,
		"runDir: \"relative\" is not an absolute path");
	refused("{\"runDir\": \"\"}", -EINVAL, "runDir: must not be empty");
	refused("{\"attach\": \"xdp\"}", -EINVAL,
		"attach: \"xdp\" is not one of \"auto\", \"tcx\", \"clsact\"");
	refused("{\"native\": [\"10.0.0.0/8\", \"10.0.0/8\"]}", -EINVAL, "native[1]");
	refused("{\"native\": [\"!\"]}", -EINVAL, "is not a prefix like");
	refused("{\"native\": [\"!!10.0.0.0/8\"]}", -EINVAL, "is not a prefix like");
	refused("{\"native\": [\"10.0.0.5/8\"]}", -EINVAL,
		"native[0]: \"10.0.0.5/8\" has bits beyond the prefix length: write 10.0.0.0/8,");
	refused("{\"native\": [\"10.0.0.0/8\", \"!10.97.0.0/12\"]}", -EINVAL,
		"native[1]: \"!10.97.0.0/12\" has bits beyond the prefix length: write !10.96.0.0/12,");
	refused("{\"native\": [\"fd00::1/64\"]}", -EINVAL, "write fd00::/64");
	refused("{\"native\": [\"10.0.0.0/8\", \"!10.0.0.0/8\"]}", -EINVAL,
		"cannot be native and excepted");
	refused("{\"native\": [\"10.0.0.0/8\", \"10.0.0.0/8\"]}", -EINVAL, "already");
	refused("{\"uplinks\": \"eth0\"}", -EINVAL, "uplinks: must be an array");
	refused("{\"forwarding\": 1}", -EINVAL, "must be true or false, and is 1");
	refused("{\"logLevel\": \"loud\"}", -EINVAL, "logLevel: \"loud\" is not one of \"error\"");
	refused("{\"network\": {\"mtuu\": 3}}", -ENOTSUP, "mtu");
	refused("{\"network\": {\"ipam\": {\"type\": \"host-local\"}}}", -EINVAL, "built-in");
	refused("[]", -EINVAL, "JSON object");
	refused("{\"uplinks\": [\"eth0\", \"a-name-that-is-too-long\"]}", -EINVAL,
		"uplinks[1]: \"a-name-that-is-too-long\" is longer than 15 bytes");
	refused("{\"network\": {\"netkitMode\": \"l2\"}}", -EINVAL,
		"network: netkitMode: \"l2\" is of no use to a veth");
	refused("{\"network\": {\"mtu\": 1000}}", -EINVAL, "network: mtu: 1000 is less");
	refused("{\"network\": {\"dns\": {\"nameservers\": [\"10.0.0.53\", \"ns1\"]}}}", -EINVAL,
		"network: dns.nameservers[1]: \"ns1\" is not a valid IP address");
	refused("{\"network\": {\"dns\": {\"nameservers\": [\"10.0.0.53%eth0\"]}}}", -EINVAL,
		"is not a valid IP address");
}

/* Not the first alone. */
static void test_all_that_is_wrong(void **state)
{
	static const char *const wrong[] = {
		"maxFlows: 5 is not between",
		"unknown key \"colour\"",
		"native[0]: \"10.0.0.5/8\"",
		"native[2]: \"none\"",
		"uplinks[1]: must be a string, and is 7",
		"network: mtu: 5 is not between",
		"network: unknown key \"zap\"",
		"network: ipam.subnet",
		"mirrors[0]:",
		"mirrors[2]: name: \"b\" is that of an earlier session",
		"logLevel: must be a string, and is null",
	};
	struct pl_settings s;
	struct said said = {0};

	pl_settings_init(&s);
	load(&s,
	     "{\"maxFlows\": 5, \"colour\": 1, \"native\": [\"10.0.0.5/8\", \"fd00::/8\", \"none\"],"
	     "\"uplinks\": [\"eth0\", 7], \"network\": {\"mtu\": 5, \"zap\": 1, \"ipMasq\": true,"
	     "\"ipam\": {\"subnet\": \"x\"}},"
	     "\"mirrors\": [{\"name\": \"a\"},"
	     "{\"name\": \"b\", \"endpoints\": \"all\", \"target\": {\"device\": \"tap0\"}},"
	     "{\"name\": \"b\", \"endpoints\": \"all\", \"target\": {\"device\": \"tap0\"}}],"
	     "\"logLevel\": null}",
	     &said);
	for (size_t i = 0; i < PL_ARRAY_SIZE(wrong); i++)
		if (!strstr(said.text, wrong[i]))
			fail_msg("%s\ndoes not say \"%s\"", said.text, wrong[i]);
	assert_int_equal(said.n, PL_ARRAY_SIZE(wrong));
	pl_settings_clear(&s);
}

/* What a setting is shown as gives the same setting. */
static void test_values_go_back(void **state)
{
	struct pl_settings s, again;
	struct said said = {0};

	pl_settings_init(&s);
	pl_settings_init(&again);
	assert_int_equal(
		load(&s,
		     "{\"logLevel\": \"warning\", \"maxFlows\": 4096, \"attach\": \"clsact\","
		     "\"uplinks\": [\"a*\"], \"native\": [\"10.0.0.0/8\", \"!10.96.0.0/12\"],"
		     "\"forwarding\": false, \"network\": {\"ipMasq\": true},"
		     "\"mirrors\": [{\"name\": \"b\", \"endpoints\": \"all\", \"target\": {\"device\": \"tap0\"}}]}",
		     &said),
		0);
	assert_int_equal(s.log_level, PL_LOG_WARN);
	for (enum pl_setting i = 0; i < PL_SETTINGS_N; i++) {
		json_t *was = pl_settings_value(&s, i), *is, *file = json_object();

		json_object_set_new(file, pl_setting_key(i), was);
		assert_int_equal(pl_settings_from_json(&again, file, note, &said), 0);
		is = pl_settings_value(&again, i);
		assert_true(json_equal(was, is));
		json_decref(is);
		json_decref(file);
	}
	pl_settings_clear(&s);
	pl_settings_clear(&again);
}

static void test_options(void **state)
{
	struct pl_settings s;
	struct said said = {0};

	pl_settings_init(&s);
	assert_int_equal(option(&s, "uplinks", "eth0,wlan*", &said), 0);
	assert_int_equal(s.n_uplinks, 2);
	assert_string_equal(s.uplinks[1], "wlan*");
	assert_int_equal(option(&s, "native", "10.0.0.0/8,!10.96.0.0/12", &said), 0);
	assert_int_equal(s.n_native, 2);
	assert_true(s.native[1].except);
	assert_int_equal(option(&s, "native", "fd00::/8", &said), 0); /* instead */
	assert_int_equal(s.n_native, 1);
	assert_int_equal(option(&s, "max-endpoints", "77", &said), 0);
	assert_int_equal(s.max_endpoints, 77);
	assert_int_equal(option(&s, "forwarding", "false", &said), 0);
	assert_false(s.forwarding);
	assert_int_equal(option(&s, "max-endpoints", "7x", &said), -EINVAL);
	assert_non_null(strstr(said.text, "--max-endpoints"));
	assert_int_equal(s.max_endpoints, 77);
	assert_int_equal(option(&s, "log-level", "warning", &said), 0);
	assert_int_equal(s.log_level, PL_LOG_WARN);
	assert_int_equal(option(&s, "no-such", "1", &said), -ENOENT);
	pl_settings_clear(&s);
}

static void test_file(void **state)
{
	char path[200];
	int fd = mkstemp(scratch_template(path, sizeof(path), "settings"));
	struct pl_settings s;
	struct said said = {0};
	ssize_t up_to;
	static const char text[] =
		"// a comment\n{\n  \"maxFlows\": 4096,\n\t// \"zap\": 1,\n  \"attach\"\n}\n";

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	pl_settings_init(&s);
	assert_int_equal(pl_settings_load(&s, path, note, &said), -EINVAL);
	assert_non_null(strstr(said.text, ":6:")); /* the line where JSON breaks */
	up_to = strstr(text, "\"attach\"") - text;
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, text, up_to), up_to);
	assert_int_equal(write(fd, "\"runDir\": \"//x\"}\n", 17), 17);
	close(fd);
	said = (struct said){0};
	assert_int_equal(pl_settings_load(&s, path, note, &said), 0);
	assert_string_equal(s.run_dir, "//x"); /* within a line it is none */
	assert_int_equal(s.max_flows, 4096);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(pl_settings_load(&s, path, note, &said), -ENOENT);
	pl_settings_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),       cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_bad_values),     cmocka_unit_test(test_options),
		cmocka_unit_test(test_file),	       cmocka_unit_test(test_all_that_is_wrong),
		cmocka_unit_test(test_values_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
