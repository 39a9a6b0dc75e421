/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Endpoint records: what is written is read, a broken file costs nobody but itself, no name leads
 * out of the folder, and a reader beside a writer never sees a part. Files lie in a folder of the
 * test's own.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "common/record.h"
#include "scratch.h"

static char dir[64];

static int make_dir(void **state)
{
	return mkdtemp(scratch_template(dir, sizeof(dir), "record")) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static struct pl_record_addr addr(const char *ip, const char *gateway)
{
	struct pl_record_addr a = {0};

	assert_int_equal(pl_prefix_parse(ip, &a.ip), 0);
	if (gateway)
		assert_int_equal(pl_ip_parse(gateway, &a.gateway), 0);
	return a;
}

static struct pl_record sample(const char *id)
{
	struct pl_record r = {
		.ifname = "eth0",
		.network = "pods",
		.netns = "/run/netns/x",
		.netns_inode = 4026532000,
		.pod_name = "web-\xc3\xa9",
		.pod_namespace = "default",
		.pod_uid = "0-1-2",
		.mode = PL_MODE_POD,
		.link_kind = PL_LINK_NETKIT_L2,
		.host_ifname = "pl0123456789ab",
		.ifindex = UINT32_MAX,
		.pod_ifindex = 2,
		.host_mac = {{2, 0, 0, 0, 0, 1}},
		.pod_mac = {{2, 0, 0, 0, 0, 2}},
		.mtu = 1500,
		.n_addrs = 2,
		.antispoof = true,
		.allow = PL_EP_ALLOW_NON_IP,
		.ipam_type = "podlane",
		.created_ns = 1700000000123456789,
	};

	strcpy(r.container_id, id);
	r.addrs[0] = addr("10.0.0.5/32", "10.0.0.1");
	r.addrs[1] = addr("fd00::5/128", NULL);
	return r;
}

/* By members: the padding of a struct may hold anything. */
static void assert_same(const struct pl_record *a, const struct pl_record *b)
{
	assert_string_equal(a->container_id, b->container_id);
	assert_string_equal(a->ifname, b->ifname);
	assert_string_equal(a->network, b->network);
	assert_string_equal(a->netns, b->netns);
	assert_true(a->netns_inode == b->netns_inode);
	assert_string_equal(a->pod_name, b->pod_name);
	assert_string_equal(a->pod_namespace, b->pod_namespace);
	assert_string_equal(a->pod_uid, b->pod_uid);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->link_kind, b->link_kind);
	assert_string_equal(a->host_ifname, b->host_ifname);
	assert_true(a->ifindex == b->ifindex && a->pod_ifindex == b->pod_ifindex);
	assert_memory_equal(&a->host_mac, &b->host_mac, sizeof(a->host_mac));
	assert_memory_equal(&a->pod_mac, &b->pod_mac, sizeof(a->pod_mac));
	assert_int_equal(a->mtu, b->mtu);
	assert_int_equal(a->n_addrs, b->n_addrs);
	assert_memory_equal(a->addrs, b->addrs, sizeof(a->addrs));
	assert_int_equal(a->allow, b->allow);
	assert_true(a->antispoof == b->antispoof && a->ip_masq == b->ip_masq);
	assert_string_equal(a->ipam_type, b->ipam_type);
	assert_true(a->created_ns == b->created_ns);
}

static const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/endpoints/%s", dir, name);
	return path;
}

static void test_json_round_trip(void **state)
{
	struct pl_record r = sample("abc"), back;
	pl_autojson json_t *j = pl_record_to_json(&r);

	assert_non_null(j);
	assert_int_equal(pl_record_from_json(j, &back, NULL), 0);
	assert_same(&r, &back);

	r.mode = PL_MODE_ACCELERATE;
	r.link_kind = PL_LINK_VETH;
	r.n_addrs = 0;
	memset(r.addrs, 0, sizeof(r.addrs));
	r.antispoof = false;
	r.ip_masq = true;
	r.netns[0] = r.pod_name[0] = '\0';
	json_decref(j);
	j = pl_record_to_json(&r);
	assert_int_equal(pl_record_from_json(j, &back, NULL), 0);
	assert_same(&r, &back);
}

static void test_full_record_round_trip(void **state)
{
	struct pl_record r = sample("abc"), back;
	pl_autojson json_t *j = NULL;

	memset(r.container_id, 'i', PL_NAME_MAX);
	memset(r.network, 'n', PL_NAME_MAX);
	memset(r.netns, 'p', sizeof(r.netns) - 1);
	memset(r.pod_name, 'q', sizeof(r.pod_name) - 1);
	r.n_addrs = PL_RECORD_ADDRS_MAX;
	for (size_t i = 0; i < r.n_addrs; i++)
		r.addrs[i] = addr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "fe80::1");
	j = pl_record_to_json(&r);
	assert_int_equal(pl_record_from_json(j, &back, NULL), 0);
	assert_same(&r, &back);
}

static void test_unknown_keys_are_let_pass(void **state)
{
	struct pl_record r = sample("abc"), back;
	pl_autojson json_t *j = pl_record_to_json(&r);

	json_object_set_new(j, "fromTheFuture", json_true());
	assert_int_equal(pl_record_from_json(j, &back, NULL), 0);
}

static void test_each_key_is_needed_and_checked(void **state)
{
	struct pl_record r = sample("abc"), back;
	pl_autojson json_t *whole = pl_record_to_json(&r);
	const char *key;
	json_t *value;

	memset(&back, 0x5a, sizeof(back));
	json_object_foreach (whole, key, value) {
		pl_autojson json_t *without = json_deep_copy(whole);
		pl_autojson json_t *wrong = json_deep_copy(whole);
		struct pl_error err = {0};

		json_object_del(without, key);
		if (!strcmp(key, "allow")) { /* records of before have none */
			struct pl_record older;

			assert_int_equal(pl_record_from_json(without, &older, &err), 0);
			assert_int_equal(older.allow, 0);
		} else {
			assert_int_equal(pl_record_from_json(without, &back, &err), -EINVAL);
			assert_memory_equal(err.text, key, strlen(key));
		}
		json_object_set_new(wrong, key, json_real(1.5));
		err.text[0] = '\0';
		assert_int_equal(pl_record_from_json(wrong, &back, &err), -EINVAL);
		/* Where the object has parts, the message may name one: "pod.name: is missing". */
		assert_memory_equal(err.text, key, strlen(key));
	}
	for (size_t i = 0; i < sizeof(back); i++)
		assert_int_equal(((unsigned char *)&back)[i], 0x5a);
}

static void bad_value(const char *key, json_t *value, const char *message)
{
	struct pl_record r = sample("abc"), back;
	pl_autojson json_t *j = pl_record_to_json(&r);
	struct pl_error err = {0};

	json_object_set_new(j, key, value);
	assert_int_equal(pl_record_from_json(j, &back, &err), -EINVAL);
	assert_string_equal(err.text, message);
}

static void test_bad_values(void **state)
{
	char long_id[PL_NAME_MAX + 2];

	memset(long_id, 'i', sizeof(long_id) - 1);
	long_id[sizeof(long_id) - 1] = '\0';
	bad_value("containerId", json_string("../x"), "containerId: is not a valid container id");
	bad_value("containerId", json_string(long_id), "containerId: is too long");
	bad_value("ifname", json_string("a/b"), "ifname: is not a valid interface name");
	bad_value("ifname", json_string("1234567890123456"), "ifname: is too long");
	bad_value("network", json_string(""), "network: is not a valid network name");
	bad_value("hostIfname", json_string(""), "hostIfname: is not a valid interface name");
	bad_value("ifindex", json_integer(-1), "ifindex: is out of range");
	bad_value("ifindex", json_integer(1LL << 32), "ifindex: is out of range");
	bad_value("hostMac", json_string("02:00:00:00:00"), "hostMac: is not a valid MAC address");
	bad_value("mode", json_string("Pod"), "mode: is not a known value");
	bad_value("link", json_string("netkit"), "link: is not a known value");
	bad_value("allow", json_string("vlan"), "allow: must be an array, and is \"vlan\"");
	bad_value("antispoof", json_integer(1), "antispoof: must be true or false");
	bad_value("createdNs", json_integer(-5), "createdNs: is out of range");
	bad_value("pod", json_pack("{s:s, s:s, s:i}", "name", "n", "namespace", "s", "uid", 7),
		  "pod.uid: must be a string");
	bad_value("addresses",
		  json_pack("[{s:s}, {s:s}]", "address", "10.0.0.1/32", "address", "x"),
		  "addresses[1].address: is not a valid IP address");
	bad_value("addresses",
		  json_pack("[{s:s, s:s}]", "address", "10.0.0.1/32", "gateway", "10.0.0.1/8"),
		  "addresses[0].gateway: is not a valid IP address");
	bad_value("addresses", json_pack("[i]", 7), "addresses[0].address: is missing");
	bad_value("addresses",
		  json_pack("[i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i,i]", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
			    11, 12, 13, 14, 15, 16, 17),
		  "addresses: are too many");
}

static void test_path(void **state)
{
	char path[512], small[8], long_id[PL_NAME_MAX + 1], other[PL_NAME_MAX + 1], second[512];

	assert_int_equal(pl_record_path("/r", "abc", "eth0", path, sizeof(path)), 0);
	assert_string_equal(path, "/r/endpoints/abc:eth0.json");
	assert_int_equal(pl_record_path("/r", "abc", "eth0", small, sizeof(small)), -ENAMETOOLONG);
	assert_int_equal(pl_record_path("/r", "..", "eth0", path, sizeof(path)), -EINVAL);
	assert_int_equal(pl_record_path("/r", "a/b", "eth0", path, sizeof(path)), -EINVAL);
	assert_int_equal(pl_record_path("/r", "abc", "a/b", path, sizeof(path)), -EINVAL);
	assert_int_equal(pl_record_path("/r", "", "eth0", path, sizeof(path)), -EINVAL);
	memset(long_id, 'i', PL_NAME_MAX);
	long_id[PL_NAME_MAX] = '\0';
	strcpy(other, long_id);
	other[PL_NAME_MAX - 1] = 'j';
	assert_int_equal(pl_record_path("/r", long_id, "123456789012345", path, sizeof(path)), 0);
	assert_true(strlen(strrchr(path, '/') + 1) <= 255 - strlen(".bad"));
	assert_int_equal(pl_record_path("/r", other, "123456789012345", second, sizeof(second)), 0);
	assert_string_not_equal(path, second);
}

static void test_save_load_remove(void **state)
{
	struct pl_record r = sample("abc"), back;
	struct stat st;

	assert_int_equal(pl_record_load(dir, "abc", "eth0", &back, NULL), -ENOENT);
	assert_int_equal(pl_record_save(dir, &r), 0); /* makes the folder */
	assert_int_equal(stat(path_of("abc:eth0.json"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(pl_record_load(dir, "abc", "eth0", &back, NULL), 0);
	assert_same(&r, &back);
	r.mtu = 9000;
	assert_int_equal(pl_record_save(dir, &r), 0);
	assert_int_equal(pl_record_load(dir, "abc", "eth0", &back, NULL), 0);
	assert_int_equal(back.mtu, 9000);
	assert_int_equal(pl_record_remove(dir, "abc", "eth0"), 0);
	assert_int_equal(pl_record_remove(dir, "abc", "eth0"), 0);
	assert_int_equal(pl_record_load(dir, "abc", "eth0", &back, NULL), -ENOENT);
}

static void test_longest_id_is_saved(void **state)
{
	struct pl_record r = sample("abc"), back;

	memset(r.container_id, 'i', PL_NAME_MAX);
	strcpy(r.ifname, "123456789012345");
	assert_int_equal(pl_record_save(dir, &r), 0);
	assert_int_equal(pl_record_load(dir, r.container_id, r.ifname, &back, NULL), 0);
	assert_same(&r, &back);
	assert_int_equal(pl_record_remove(dir, r.container_id, r.ifname), 0);
}

static void test_bad_names_touch_nothing(void **state)
{
	struct pl_record r = sample("abc"), back;

	strcpy(r.ifname, "../x");
	assert_int_equal(pl_record_save(dir, &r), -EINVAL);
	assert_int_equal(pl_record_remove(dir, "../..", "eth0"), -EINVAL);
	assert_int_equal(pl_record_load(dir, "a/../b", "eth0", &back, NULL), -EINVAL);
	strcpy(r.ifname, "eth0");
	strcpy(r.pod_name, "\xff");
	assert_int_equal(pl_record_save(dir, &r), -EINVAL);
	assert_int_equal(access(path_of(""), F_OK), -1);
}

struct seen {
	char ids[8][64];
	size_t n;
	char bad[8][512];
	char why[8][512];
	size_t n_bad;
	int answer; /* of @fn */
	bool remove;
};

static int see(const struct pl_record *r, void *arg)
{
	struct seen *s = arg;

	assert_true(s->n < 8);
	strcpy(s->ids[s->n++], r->container_id);
	if (s->remove)
		assert_int_equal(pl_record_remove(dir, r->container_id, r->ifname), 0);
	return s->answer;
}

static void see_bad(const char *path, const struct pl_error *err, void *arg)
{
	struct seen *s = arg;

	assert_true(s->n_bad < 8);
	strcpy(s->bad[s->n_bad], path);
	strcpy(s->why[s->n_bad++], err->text);
}

static void put(const char *name, const char *text)
{
	assert_int_equal(pl_write_atomic(path_of(name), text, strlen(text), 0600), 0);
}

static void test_each(void **state)
{
	struct pl_record a = sample("aaa"), b = sample("bbb"), c = sample("ccc");
	struct seen s = {0};

	assert_int_equal(pl_record_each(dir, see, see_bad, &s), 0); /* no folder yet */
	assert_int_equal(pl_record_save(dir, &b), 0);
	assert_int_equal(pl_record_save(dir, &c), 0);
	assert_int_equal(pl_record_save(dir, &a), 0);
	put(".tmp.abcdef", "{"); /* somebody is writing */
	put("README", "no record");
	assert_int_equal(pl_record_each(dir, see, see_bad, &s), 0);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.ids[0], "aaa");
	assert_string_equal(s.ids[2], "ccc");
	assert_int_equal(s.n_bad, 0);
	assert_int_equal(access(path_of("README"), F_OK), 0);

	s = (struct seen){.answer = -EDOM};
	assert_int_equal(pl_record_each(dir, see, see_bad, &s), -EDOM);
	assert_int_equal(s.n, 1);

	s = (struct seen){.remove = true};
	assert_int_equal(pl_record_each(dir, see, NULL, &s), 0);
	assert_int_equal(s.n, 3);
	s = (struct seen){0};
	assert_int_equal(pl_record_each(dir, see, see_bad, &s), 0);
	assert_int_equal(s.n, 0);
}

static void test_broken_files_are_set_aside(void **state)
{
	struct pl_record good = sample("good");
	pl_autojson json_t *j = pl_record_to_json(&good);
	pl_autofree char *text = json_dumps(j, 0);
	pl_autofree char *large = malloc(70000);
	struct seen s = {0};

	assert_int_equal(pl_record_save(dir, &good), 0);
	memset(large, ' ', 69999);
	large[69999] = '\0';
	put("a.json", "{\"version\":1");
	put("b.json", "");
	put("c.json", text); /* a copy, under another's name */
	put("d.json", large);
	assert_int_equal(mkdir(path_of("e.json"), 0700), 0);
	assert_int_equal(pl_record_each(dir, see, see_bad, &s), 0);
	assert_int_equal(s.n, 1);
	assert_string_equal(s.ids[0], "good");
	assert_int_equal(s.n_bad, 5);
	assert_string_equal(s.bad[0], path_of("a.json"));
	assert_memory_equal(s.why[0], "read record /", 13);
	assert_non_null(strstr(s.why[0], "a.json: line 1, column 12: "));
	assert_non_null(strstr(s.why[2], "it is the record of good:eth0"));
	for (const char *const *name = (const char *const[]){"a", "b", "c", "d", "e", NULL}; *name;
	     name++) {
		char aside[16];

		snprintf(aside, sizeof(aside), "%s.json.bad", *name);
		assert_int_equal(access(path_of(aside), F_OK), 0);
	}
	s = (struct seen){0};
	assert_int_equal(pl_record_each(dir, see, see_bad, &s), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.n_bad, 0); /* told once */
}

/* What is no file is neither waited for nor followed, what is too large is not read, DEL clears it.
 */
static void test_no_regular_file(void **state)
{
	static const char *const ids[] = {"fifo", "folder", "link", "socket", "large"};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	pl_autoclose int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct pl_record r = sample("precious");
	struct seen s = {0};
	struct pl_record got;

	assert_int_equal(pl_record_save(dir, &r), 0);
	assert_int_equal(mkfifo(path_of("fifo:eth0.json"), 0600), 0);
	assert_int_equal(mkdir(path_of("folder:eth0.json"), 0700), 0);
	assert_int_equal(symlink("precious:eth0.json", path_of("link:eth0.json")), 0);
	assert_true(strlen(path_of("socket:eth0.json")) < sizeof(addr.sun_path));
	strcpy(addr.sun_path, path_of("socket:eth0.json"));
	assert_int_equal(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(close(creat(path_of("large:eth0.json"), 0600)), 0);
	assert_int_equal(truncate(path_of("large:eth0.json"), 1LL << 30), 0);
	for (size_t i = 0; i < PL_ARRAY_SIZE(ids); i++) {
		struct pl_error err = {0};
		int code = pl_record_load(dir, ids[i], "eth0", &got, &err);

		assert_int_equal(code, strcmp(ids[i], "large") ? -EINVAL : -EFBIG);
		assert_string_not_equal(err.text, "");
		assert_int_equal(pl_record_remove(dir, ids[i], "eth0"), 0);
		assert_int_equal(pl_record_load(dir, ids[i], "eth0", &got, NULL), -ENOENT);
	}
	assert_int_equal(pl_record_each(dir, see, see_bad, &s), 0);
	assert_int_equal(s.n, 1);
}

/* It may be that of a pod that lives: whoever wrote it can read it again. */
static void test_other_version_is_left(void **state)
{
	struct pl_record r = sample("later");
	pl_autojson json_t *j = pl_record_to_json(&r);
	pl_autofree char *text = NULL;
	struct pl_record got;
	struct pl_error err = {0};
	struct seen s = {0};

	json_object_set_new(j, "version", json_integer(PL_RECORD_VERSION + 1));
	json_object_del(j, "network"); /* it knows other keys, too */
	text = json_dumps(j, 0);
	assert_int_equal(pl_record_save(dir, &r), 0); /* makes the folder */
	put("later:eth0.json", text);
	assert_int_equal(pl_record_each(dir, see, see_bad, &s), 0);
	assert_int_equal(s.n, 0);
	assert_int_equal(s.n_bad, 1);
	assert_non_null(strstr(s.why[0], "version 2 is not known here, 1 is"));
	assert_int_equal(access(path_of("later:eth0.json"), F_OK), 0);
	assert_int_equal(pl_record_load(dir, "later", "eth0", &got, &err), -EPROTONOSUPPORT);
}

static void test_load_says_what_is_wrong(void **state)
{
	struct pl_record back;
	struct pl_error err = {0};

	assert_int_equal(pl_mkdir_p(path_of(""), 0700), 0);
	put("x:eth0.json", "{}");
	assert_int_equal(pl_record_load(dir, "x", "eth0", &back, &err), -EINVAL);
	assert_non_null(strstr(err.text, "x:eth0.json: version: is missing"));
	assert_int_equal(pl_record_load(dir, "x", "eth0", &back, NULL), -EINVAL);
	assert_int_equal(access(path_of("x:eth0.json"), F_OK), 0); /* only each() sets aside */
}

/* A writer that keeps replacing a record with a longer and a shorter one. */
static void write_for_ever(void)
{
	struct pl_record r = sample("abc");

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (bool wide = false;; wide = !wide) {
		memset(r.netns, wide ? 'w' : 's', sizeof(r.netns) - 1);
		r.netns[wide ? sizeof(r.netns) - 1 : 1] = '\0';
		if (pl_record_save(dir, &r) < 0)
			_exit(1);
	}
}

static void test_reader_never_sees_a_part(void **state)
{
	struct pl_record r = sample("abc");
	unsigned int wide = 0, small = 0;
	int status;
	pid_t writer;

	assert_int_equal(pl_record_save(dir, &r), 0);
	writer = fork();
	if (writer == 0)
		write_for_ever();
	assert_true(writer > 0);
	for (int i = 0; i < 100000 && (i < 500 || !wide || !small); i++) {
		struct pl_record back = {0};
		struct pl_error err = {0};

		if (pl_record_load(dir, "abc", "eth0", &back, &err) < 0) {
			kill(writer, SIGKILL);
			waitpid(writer, &status, 0);
			fail_msg("%s", err.text);
		}
		wide += back.netns[0] == 'w';
		small += back.netns[0] == 's';
	}
	kill(writer, SIGKILL);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_true(WIFSIGNALED(status)); /* it wrote all the time */
	assert_true(wide && small);
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_round_trip),
		cmocka_unit_test(test_full_record_round_trip),
		cmocka_unit_test(test_unknown_keys_are_let_pass),
		cmocka_unit_test(test_each_key_is_needed_and_checked),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_path),
		IN_DIR(test_save_load_remove),
		IN_DIR(test_longest_id_is_saved),
		IN_DIR(test_bad_names_touch_nothing),
		IN_DIR(test_each),
		IN_DIR(test_broken_files_are_set_aside),
		IN_DIR(test_no_regular_file),
		IN_DIR(test_other_version_is_left),
		IN_DIR(test_load_says_what_is_wrong),
		IN_DIR(test_reader_never_sees_a_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
