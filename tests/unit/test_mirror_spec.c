/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Mirror sessions as JSON, there and back; what is refused; which endpoints a session means.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mirror/spec.h"

static json_t *parse_text(const char *text)
{
	json_error_t error;
	json_t *j = json_loads(text, 0, &error);

	if (!j)
		fail_msg("%s: %s", text, error.text);
	return j;
}

static void test_round_trip(void **state)
{
	static const char *const canonical[] = {
		"{\"name\":\"a\",\"endpoints\":[\"all\"],\"direction\":\"both\","
		"\"target\":{\"device\":\"tap0\"},\"includeDrops\":false}",
		"{\"name\":\"b.1-x_\",\"endpoints\":[\"shop/web\",\"10.0.0.5\"],\"direction\":\"in\","
		"\"filter\":\"tcp port 443\",\"target\":{\"endpoint\":\"ids/suricata\"},"
		"\"sample\":{\"flows\":10},\"rate\":{\"pps\":100},\"snaplen\":128,"
		"\"expire\":{\"packets\":9},\"includeDrops\":true}",
		"{\"name\":\"c\",\"endpoints\":[\"all\"],\"direction\":\"out\",\"target\":{\"vxlan\":"
		"{\"remote\":\"192.0.2.9\",\"local\":\"192.0.2.1\",\"vni\":0,\"port\":4789}},"
		"\"sample\":{\"packets\":2},\"rate\":{\"pps\":1,\"bps\":2},"
		"\"expire\":{\"seconds\":3,\"packets\":4},\"includeDrops\":false}",
		"{\"name\":\"d\",\"endpoints\":[\"x\"],\"direction\":\"both\",\"target\":{\"gre\":"
		"{\"remote\":\"2001:db8::9\",\"key\":4294967295}},\"includeDrops\":false}",
		"{\"name\":\"e\",\"endpoints\":[\"x\"],\"direction\":\"both\",\"target\":{\"erspan\":"
		"{\"remote\":\"192.0.2.9\"}},\"includeDrops\":false}",
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(canonical); i++) {
		pl_cleanup(pl_mirror_spec_clear) struct pl_mirror_spec spec = {0};
		pl_autojson json_t *j = parse_text(canonical[i]);
		pl_autojson json_t *back = NULL;
		struct pl_error err = {0};

		if (pl_mirror_spec_parse(j, &spec, &err) < 0)
			fail_msg("%s: %s", canonical[i], err.text);
		back = pl_mirror_spec_to_json(&spec);
		if (!json_equal(j, back))
			fail_msg("%s became %s", canonical[i], json_dumps(back, 0));
	}
}

static void test_defaults(void **state)
{
	pl_cleanup(pl_mirror_spec_clear) struct pl_mirror_spec spec = {0};
	pl_autojson json_t *j = parse_text("{\"op\":\"mirror.add\",\"v\":1,\"name\":\"a\","
					   "\"endpoints\":\"all\",\"target\":{\"vxlan\":"
					   "{\"remote\":\"2001:db8::9\",\"vni\":7}}}");

	assert_int_equal(pl_mirror_spec_parse(j, &spec, NULL), 0);
	assert_true(spec.all && spec.in && spec.out && !spec.drops);
	assert_int_equal(spec.sample, 1);
	assert_int_equal(spec.target.port, 4789);
	assert_int_equal(spec.target.id, 7);
	assert_int_equal(spec.snaplen, 0);
}

/* @part takes the place of what a good session has under its key; @says must be in the message. */
static void test_refused(void **state)
{
	static const struct {
		const char *part, *says;
		int code;
	} bad[] = {
		{"{\"name\":\"\"}", "name", -EINVAL},
		{"{\"name\":\"../x\"}", "../x", -EINVAL},
		{"{\"name\":\"0123456789012345678901234567890123456789012345678901234567890123\"}",
		 "at most 63", -EINVAL},
		{"{\"endpoints\":[]}", "endpoints", -EINVAL},
		{"{\"endpoints\":\"web\"}", "endpoints", -EINVAL},
		{"{\"endpoints\":[\"a\",\"all\"]}", "all", -EINVAL},
		{"{\"endpoints\":[\"a\",7]}", "endpoints[1]", -EINVAL},
		{"{\"direction\":\"up\"}", "up", -EINVAL},
		{"{\"target\":{}}", "target", -EINVAL},
		{"{\"target\":{\"device\":\"a\",\"endpoint\":\"b\"}}", "one of", -EINVAL},
		{"{\"target\":{\"device\":\"a/b\"}}", "a/b", -EINVAL},
		{"{\"target\":{\"divice\":\"a\"}}", "\"device\" meant", -ENOTSUP},
		{"{\"target\":{\"vxlan\":{\"remote\":\"192.0.2.9\"}}}", "vni", -EINVAL},
		{"{\"target\":{\"vxlan\":{\"vni\":1}}}", "remote", -EINVAL},
		{"{\"target\":{\"vxlan\":{\"remote\":\"x\",\"vni\":1}}}", "remote", -EINVAL},
		{"{\"target\":{\"vxlan\":{\"remote\":\"::1\",\"local\":\"10.0.0.1\",\"vni\":1}}}",
		 "families", -EINVAL},
		{"{\"target\":{\"vxlan\":{\"remote\":\"::1\",\"vni\":16777216}}}", "16777215",
		 -EINVAL},
		{"{\"target\":{\"gre\":{\"remote\":\"::1\",\"vni\":1}}}", "vni", -ENOTSUP},
		{"{\"target\":{\"erspan\":{\"remote\":\"::1\",\"key\":1024}}}", "1023", -EINVAL},
		{"{\"sample\":{\"packets\":2,\"flows\":2}}", "not both", -EINVAL},
		{"{\"sample\":{\"packets\":0}}", "sample.packets", -EINVAL},
		{"{\"sample\":{\"packets\":-1}}", "sample.packets", -EINVAL},
		{"{\"sample\":{\"packets\":4294967296}}", "sample.packets", -EINVAL},
		{"{\"rate\":{\"pps\":0}}", "rate.pps", -EINVAL},
		{"{\"rate\":7}", "rate", -EINVAL},
		{"{\"snaplen\":13}", "from 14", -EINVAL},
		{"{\"expire\":{\"second\":1}}", "\"seconds\" meant", -ENOTSUP},
		{"{\"expire\":{\"seconds\":4294967296}}", "expire.seconds", -EINVAL},
		{"{\"includeDrops\":1}", "includeDrops", -EINVAL},
		{"{\"filter\":\"\"}", "filter", -EINVAL},
		{"{\"fitler\":\"tcp\"}", "\"filter\" meant", -ENOTSUP},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(bad); i++) {
		pl_cleanup(pl_mirror_spec_clear) struct pl_mirror_spec spec = {0};
		pl_autojson json_t *j = parse_text("{\"name\":\"a\",\"endpoints\":[\"x\"],"
						   "\"target\":{\"device\":\"tap0\"}}");
		pl_autojson json_t *part = parse_text(bad[i].part);
		struct pl_error err = {0};
		int r;

		json_object_update(j, part);
		r = pl_mirror_spec_parse(j, &spec, &err);
		if (r != bad[i].code || !strstr(err.text, bad[i].says))
			fail_msg("%s: %d, %s", bad[i].part, r, err.text);
	}
}

static void fill(struct pl_record *rec, const char *id, const char *pod, const char *ip,
		 uint32_t ifindex)
{
	*rec = (struct pl_record){.ifindex = ifindex, .n_addrs = 1};
	snprintf(rec->container_id, sizeof(rec->container_id), "%s", id);
	snprintf(rec->ifname, sizeof(rec->ifname), "eth0");
	snprintf(rec->host_ifname, sizeof(rec->host_ifname), "pl%s", id);
	snprintf(rec->pod_namespace, sizeof(rec->pod_namespace), "%s", pod ? "shop" : "");
	snprintf(rec->pod_name, sizeof(rec->pod_name), "%s", pod ? pod : "");
	assert_int_equal(pl_prefix_parse(ip, &rec->addrs[0].ip), 0);
}

static void test_selects(void **state)
{
	struct pl_record web, bare;

	fill(&web, "abcdef", "web", "10.0.0.5/32", 5);
	fill(&bare, "fedcba", NULL, "2001:db8::5/128", 6);
	assert_true(pl_record_is_called(&web, "abcdef"));
	assert_true(pl_record_is_called(&web, "abcdef:eth0"));
	assert_true(pl_record_is_called(&web, "web"));
	assert_true(pl_record_is_called(&web, "shop/web"));
	assert_true(pl_record_is_called(&web, "10.0.0.5"));
	assert_true(pl_record_is_called(&web, "plabcdef"));
	assert_true(pl_record_is_called(&bare, "2001:DB8:0::5"));

	assert_true(pl_record_is_called(&web, "web:eth0"));
	assert_true(pl_record_is_called(&web, "shop/web:eth0"));

	assert_false(pl_record_is_called(&web, "web:eth1"));
	assert_false(pl_record_is_called(&web, ":eth0"));
	assert_false(pl_record_is_called(&bare, ":eth0"));
	assert_false(pl_record_is_called(&web, "abcde"));
	assert_false(pl_record_is_called(&web, "abcdef:eth1"));
	assert_false(pl_record_is_called(&web, "other/web"));
	assert_false(pl_record_is_called(&web, "shop/"));
	assert_false(pl_record_is_called(&web, "10.0.0.6"));
	assert_false(pl_record_is_called(&bare, ""));
	assert_false(pl_record_is_called(&bare, "/"));
}

/* Digits of a hash are enough; any other id counts whole: "web" is not "web2". */
static void test_shortened(void **state)
{
	struct pl_record hash, name;

	fill(&hash, "4f1e2d3c5b6a798807162534435261708f9eadbccbdae9f80716253443526170", NULL,
	     "10.0.0.5/32", 5);
	fill(&name, "web2", NULL, "10.0.0.6/32", 6);
	assert_true(pl_record_begins_with(&hash, "4f1e"));
	assert_true(pl_record_begins_with(&hash, "4f1e2d3c5b6a:eth0"));
	assert_false(pl_record_begins_with(&hash, "4f1"));
	assert_false(pl_record_begins_with(&hash, "4f1e2d3c5b6a:eth1"));
	assert_false(pl_record_begins_with(&hash, "4f1f"));
	assert_false(pl_record_begins_with(&name, "web2"));
	fill(&name, "default-web2", NULL, "10.0.0.6/32", 6);
	assert_false(pl_record_begins_with(&name, "default-web"));
}

static void test_masks(void **state)
{
	char *web_name[] = {(char *)"shop/web"}, *two[] = {(char *)"fedcba", (char *)"web"};
	const struct pl_mirror_spec all = {.all = true, .in = true, .out = true};
	const struct pl_mirror_spec web_in = {.endpoints = web_name, .n_endpoints = 1, .in = true};
	const struct pl_mirror_spec both_out = {.endpoints = two, .n_endpoints = 2, .out = true};
	struct pl_mirror_view views[PL_MIRRORS_MAX] = {
		[0] = {&all, true, 100},
		[5] = {&web_in, true, 101},
		[40] = {&both_out, true, 102},
		[63] = {&all, true, 103},
	};
	struct pl_record web, bare, target;
	uint64_t out, in;

	fill(&web, "abcdef", "web", "10.0.0.5/32", 5);
	fill(&bare, "fedcba", NULL, "2001:db8::5/128", 6);
	fill(&target, "ids", "ids", "10.0.0.9/32", 102);

	pl_mirror_masks(views, &web, &out, &in);
	assert_int_equal(out, 1ULL | 1ULL << 40 | 1ULL << 63);
	assert_int_equal(in, 1ULL | 1ULL << 5 | 1ULL << 63);
	pl_mirror_masks(views, &bare, &out, &in);
	assert_int_equal(out, 1ULL | 1ULL << 40 | 1ULL << 63);
	assert_int_equal(in, 1ULL | 1ULL << 63);
	/* A target has none, not even of "all". */
	pl_mirror_masks(views, &target, &out, &in);
	assert_int_equal(out | in, 0);
	/* Neither has anyone of a session that does not run, and its target is one no more. */
	views[40].running = false;
	pl_mirror_masks(views, &web, &out, &in);
	assert_int_equal(out, 1ULL | 1ULL << 63);
	pl_mirror_masks(views, &target, &out, &in);
	assert_int_equal(out, 1ULL | 1ULL << 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_refused),	   cmocka_unit_test(test_selects),
		cmocka_unit_test(test_shortened),  cmocka_unit_test(test_masks),
	};

	return cmocka_run_group_tests_name("mirror_spec", tests, NULL, NULL);
}
