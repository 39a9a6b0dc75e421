/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From environment and standard input to a request: what is refused, with which code and which
 * words; what the runtime may ask for one pod; podman's networks as podlane's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <sys/stat.h>
#include <cmocka.h>

#include "cni/cni.h"
#include "scratch.h"

static int init_code(const char *conf, enum cni_version min, struct cni_error *err)
{
	struct cni_env env = {.command = "GC"};
	struct cni_request r;
	int code = cni_request_init(&env, conf, strlen(conf), min, &r, err);

	cni_request_clear(&r);
	return code;
}

static void bad_input_has_its_code(void **state)
{
	static const struct {
		const char *conf;
		int code;
	} rows[] = {
		{"", 6},
		{"{", 6},
		{"[]", 6},
		{"{\"cniVersion\":1}", 6},
		{"{\"name\":\"a\"}", 1},
		{"{\"cniVersion\":\"0.2.0\",\"name\":\"a\"}", 1},
		{"{\"cniVersion\":\"1.2.0\",\"name\":\"a\"}", 1},
		{"{\"cniVersion\":\"1.0.0\"}", 7},
		{"{\"cniVersion\":\"1.0.0\",\"name\":\"\"}", 7},
		{"{\"cniVersion\":\"1.0.0\",\"name\":\"a b\"}", 7},
		{"{\"cniVersion\":\"1.0.0\",\"name\":7}", 7},
		{"{\"cniVersion\":\"1.0.0\",\"name\":\"a\",\"prevResult\":[]}", 6},
		{"{\"cniVersion\":\"1.0.0\",\"name\":\"a\"}", 0},
		{"{\"cniVersion\":\"1.0.0\",\"name\":\"a\",\"prevResult\":null}", 0},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		struct cni_error err = {0};

		assert_int_equal(init_code(rows[i].conf, CNI_0_3_0, &err), rows[i].code);
	}
}

static void an_accelerator_has_no_ipam_of_its_own(void **state)
{
	static const char conf[] = "{\"cniVersion\":\"1.0.0\",\"name\":\"a\",\"mode\":"
				   "\"accelerate\",\"ipam\":{\"type\":\"host-local\"}}";
	struct cni_env env = {.command = "DEL"};
	struct cni_error err = {0};
	struct cni_request r;

	assert_int_equal(cni_request_init(&env, conf, strlen(conf), CNI_0_3_0, &r, &err), 0);
	assert_null(r.ipam);
	cni_request_clear(&r);
}

static void a_verb_newer_than_the_configuration_is_refused(void **state)
{
	struct cni_error err = {0};

	assert_int_equal(init_code("{\"cniVersion\":\"1.0.0\",\"name\":\"a\"}", CNI_1_1_0, &err),
			 CNI_BAD_VERSION);
	assert_non_null(strstr(err.msg, "1.1.0"));
}

static void every_bad_variable_is_named(void **state)
{
	static const struct cni_env bad = {
		.container_id = "-x", .ifname = "a/b", .netns = "", .path = NULL};
	static const struct cni_env good = {
		.container_id = "x", .ifname = "eth0", .netns = "/n", .path = "/p"};
	unsigned int all = CNI_NEED_CONTAINER | CNI_NEED_NETNS | CNI_NEED_IFNAME | CNI_NEED_PATH;
	struct cni_error err = {0};

	assert_int_equal(cni_env_check(&bad, all, &err), CNI_BAD_ENV);
	assert_non_null(strstr(err.msg, "CNI_CONTAINERID"));
	assert_non_null(strstr(err.msg, "CNI_IFNAME"));
	assert_non_null(strstr(err.msg, "CNI_NETNS"));
	assert_non_null(strstr(err.msg, "CNI_PATH"));
	assert_int_equal(cni_env_check(&bad, 0, &err), 0);
	assert_int_equal(cni_env_check(&good, all, &err), 0);
}

static void interface_names_follow_the_specification(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", "a:b", "a b", "a\tb", "0123456789abcdef", "a\xff"};
	struct cni_error err = {0};

	for (size_t i = 0; i < PL_ARRAY_SIZE(bad); i++) {
		struct cni_env env = {.ifname = bad[i]};

		assert_int_equal(cni_env_check(&env, CNI_NEED_IFNAME, &err), CNI_BAD_ENV);
	}
}

/* The pod_args as one line, or the code of the failure. */
static const char *pod_args(const char *args, const char *conf, int *ret_code)
{
	static char line[512];
	struct cni_env env = {.command = "ADD", .args = args};
	struct cni_error err = {0};
	struct cni_request r;
	struct cni_pod_args w;
	pl_autofree char *ips = NULL;
	pl_autofree char *pod = NULL;

	assert_int_equal(cni_request_init(&env, conf, strlen(conf), CNI_0_3_0, &r, &err), 0);
	*ret_code = cni_pod_args_parse(&r, &w, &err);
	ips = w.ips ? json_dumps(w.ips, JSON_COMPACT) : NULL;
	pod = w.pod ? json_dumps(w.pod, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	snprintf(line, sizeof(line), "%s %s %s", ips ? ips : "-", *w.mac ? w.mac : "-",
		 pod ? pod : "-");
	cni_pod_args_clear(&w);
	cni_request_clear(&r);
	return line;
}

#define CONF "{\"cniVersion\":\"1.0.0\",\"name\":\"a\""

static void pod_args_come_from_three_places(void **state)
{
	int code;

	assert_string_equal(pod_args(NULL, CONF "}", &code), "- - -");
	assert_string_equal(
		pod_args("IP=10.0.0.5/24,fd00::5;MAC=02:00:00:00:00:01", CONF "}", &code),
		"[\"10.0.0.5\",\"fd00::5\"] 02:00:00:00:00:01 -");
	assert_int_equal(code, 0);
	assert_string_equal(
		pod_args("MAC=02:00:00:00:00:01",
			 CONF ",\"args\":{\"cni\":{\"ips\":[\"10.0.0.5\"],\"mac\":"
			      "\"02:00:00:00:00:02\"}},\"runtimeConfig\":{\"ips\":[\"10.0.0.5/24\","
			      "\"10.0.0.6\"],\"mac\":\"02:00:00:00:00:03\"}}",
			 &code),
		"[\"10.0.0.5\",\"10.0.0.6\"] 02:00:00:00:00:03 -");
	assert_int_equal(code, 0);
	assert_string_equal(pod_args("K8S_POD_NAME=web;K8S_POD_NAMESPACE=shop;K8S_POD_UID=7;"
				     "K8S_POD_INFRA_CONTAINER_ID=x",
				     CONF "}", &code),
			    "- - {\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"7\"}");
	assert_int_equal(code, 0);
}

static void unknown_arguments_follow_ignore_unknown(void **state)
{
	int code;

	pod_args("FOO=1", CONF "}", &code);
	assert_int_equal(code, CNI_BAD_ENV);
	pod_args("FOO=1;IgnoreUnknown=1", CONF "}", &code);
	assert_int_equal(code, 0);
	pod_args("IgnoreUnknown=true;FOO=1", CONF "}", &code);
	assert_int_equal(code, 0);
	pod_args("IgnoreUnknown=0;FOO=1", CONF "}", &code);
	assert_int_equal(code, CNI_BAD_ENV);
	pod_args("FOO", CONF "}", &code);
	assert_int_equal(code, CNI_BAD_ENV);
	/* They may be the delegated plugin's. */
	pod_args("GATEWAY=10.0.0.1", CONF ",\"ipam\":{\"type\":\"static\"}}", &code);
	assert_int_equal(code, 0);
}

static void a_bad_pod_arg_is_an_error(void **state)
{
	int code;

	pod_args("IP=10.0.0", CONF "}", &code);
	assert_int_equal(code, CNI_BAD_ENV);
	pod_args(NULL, CONF ",\"runtimeConfig\":{\"ips\":[\"x\"]}}", &code);
	assert_int_equal(code, CNI_BAD_CONFIG);
	pod_args(NULL, CONF ",\"runtimeConfig\":{\"ips\":\"10.0.0.5\"}}", &code);
	assert_int_equal(code, CNI_BAD_CONFIG);
	pod_args(NULL, CONF ",\"runtimeConfig\":{\"mac\":\"x\"}}", &code);
	assert_int_equal(code, CNI_BAD_CONFIG);
	pod_args(NULL, CONF ",\"args\":{\"cni\":{\"ips\":[7]}}}", &code);
	assert_int_equal(code, CNI_BAD_CONFIG);
}

static void plugins_are_found_in_the_path_alone(void **state)
{
	char dir[200], file[256], path[512], found[256];
	FILE *f;

	assert_non_null(mkdtemp(scratch_template(dir, sizeof(dir), "cni")));
	snprintf(file, sizeof(file), "%s/ipam", dir);
	f = fopen(file, "w");
	assert_non_null(f);
	fclose(f);
	snprintf(path, sizeof(path), "/nonexistent::%s", dir);
	assert_int_equal(cni_find_plugin(path, "ipam", found, sizeof(found)), -ENOENT);
	assert_int_equal(chmod(file, 0755), 0);
	assert_int_equal(cni_find_plugin(path, "ipam", found, sizeof(found)), 0);
	assert_string_equal(found, file);
	assert_int_equal(cni_find_plugin(path, "../ipam", found, sizeof(found)), -EINVAL);
	assert_int_equal(cni_find_plugin(path, "", found, sizeof(found)), -EINVAL);
	assert_int_equal(cni_find_plugin(NULL, "ipam", found, sizeof(found)), -ENOENT);
	assert_int_equal(cni_find_plugin(path, "ipam", found, 8), -ENOENT);
	unlink(file);
	rmdir(dir);
}

static json_t *conf_of(const char *network, int want_code)
{
	pl_autojson json_t *n = json_loads(network, 0, NULL);
	struct cni_error err = {0};
	json_t *conf;

	assert_non_null(n);
	conf = cni_netavark_conf(n, &err);
	assert_int_equal(err.code, want_code);
	assert_int_equal(conf == NULL, want_code != 0);
	return conf;
}

static void a_podman_network_becomes_a_podlane_network(void **state)
{
	pl_autojson json_t *conf = conf_of(
		"{\"name\":\"n\",\"driver\":\"podlane\",\"subnets\":[{\"subnet\":\"10.90.0.0/24\","
		"\"gateway\":\"10.90.0.1\",\"lease_range\":{\"start_ip\":\"10.90.0.10\",\"end_ip\":"
		"\"10.90.0.20\"}},{\"subnet\":\"fd90::/64\"}],\"options\":{\"mtu\":\"1400\","
		"\"antispoof\":\"false\",\"link\":\"auto\"},\"routes\":[{\"destination\":"
		"\"10.1.0.0/16\",\"gateway\":\"10.90.0.1\",\"metric\":5}]}",
		0);
	pl_autojson json_t *want = json_loads(
		"{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"type\":\"podlane\",\"ipMasq\":true,"
		"\"mtu\":1400,\"antispoof\":false,\"link\":\"auto\",\"ipam\":{\"type\":\"podlane\","
		"\"ranges\":[[{\"subnet\":\"10.90.0.0/24\",\"gateway\":\"10.90.0.1\",\"rangeStart\""
		":\"10.90.0.10\",\"rangeEnd\":\"10.90.0.20\"}],[{\"subnet\":\"fd90::/64\"}]],"
		"\"routes\":[{\"dst\":\"0.0.0.0/0\"},{\"dst\":\"::/0\"},{\"dst\":\"10.1.0.0/16\","
		"\"gw\":\"10.90.0.1\",\"priority\":5}]}}",
		0, NULL);

	assert_true(json_equal(conf, want));
}

static void an_internal_network_has_no_way_out(void **state)
{
	pl_autojson json_t *conf = conf_of(
		"{\"name\":\"n\",\"internal\":true,\"subnets\":[{\"subnet\":\"10.90.0.0/24\"}]}",
		0);
	const json_t *routes = json_object_get(json_object_get(conf, "ipam"), "routes");

	assert_true(json_is_false(json_object_get(conf, "ipMasq")));
	assert_int_equal(json_array_size(routes), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(routes, 0), "dst")),
			    "10.90.0.0/24");
}

static void a_bad_podman_network_is_refused(void **state)
{
	conf_of("{\"name\":\"n\"}", CNI_BAD_CONFIG);
	conf_of("{\"name\":\"n\",\"subnets\":[{}]}", CNI_BAD_CONFIG);
	conf_of("{\"name\":\"n\",\"subnets\":[{\"subnet\":\"10.0.0.0/24\"}],\"options\":{\"mut\":"
		"\"1\"}}",
		CNI_BAD_FIELD);
	conf_of("{\"name\":\"n\",\"subnets\":[{\"subnet\":\"10.0.0.0/24\"}],\"options\":{\"mtu\":"
		"\"big\"}}",
		CNI_BAD_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_input_has_its_code),
		cmocka_unit_test(an_accelerator_has_no_ipam_of_its_own),
		cmocka_unit_test(a_verb_newer_than_the_configuration_is_refused),
		cmocka_unit_test(every_bad_variable_is_named),
		cmocka_unit_test(interface_names_follow_the_specification),
		cmocka_unit_test(pod_args_come_from_three_places),
		cmocka_unit_test(unknown_arguments_follow_ignore_unknown),
		cmocka_unit_test(a_bad_pod_arg_is_an_error),
		cmocka_unit_test(plugins_are_found_in_the_path_alone),
		cmocka_unit_test(a_podman_network_becomes_a_podlane_network),
		cmocka_unit_test(an_internal_network_has_no_way_out),
		cmocka_unit_test(a_bad_podman_network_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
