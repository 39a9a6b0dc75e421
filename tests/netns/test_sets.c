/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A start beside the set of another ABI version, which here is our own under another number: what
 * is shared, copied, moved and removed, up and down. kernels: no (upgrade.bats goes there)
 */
#include <bpf/btf.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/log.h"
#include "datapath/internal.h"

#define BPFFS	      "/sys/fs/bpf"
#define ROOT	      BPFFS "/podlane"
#define NAME_OF(abi)  NAME_OF_(abi)
#define NAME_OF_(abi) ROOT "/v" #abi
#define SET	      NAME_OF(PL_ABI)
#define LOWER	      ROOT "/v0"
#define HIGHER	      ROOT "/v99"

enum { ENDPOINTS = 16, FLOWS = 64 };

static bool have_tcx;
static struct pl_datapath *opened; /* closed by the teardown where a test failed */

static void run(const char *cmd)
{
	int r = system(cmd);

	if (r)
		fail_msg("%s: status %d", cmd, r);
}

static struct pl_datapath *open_with(enum pl_attach_choice choice, uint32_t max_endpoints)
{
	const struct pl_datapath_opts opts = {
		.bpffs_dir = ROOT,
		.max_endpoints = max_endpoints,
		.max_flows = FLOWS,
		.flow_budget = FLOWS,
		.flow_rate = 1000,
		.attach = choice,
		.expedite = true,
	};
	struct pl_error err = {0};

	if (pl_datapath_open(&opts, &opened, &err))
		fail_msg("open: %s", err.text);
	return opened;
}

static void attach(enum pl_hook hook)
{
	struct pl_error err = {0};

	if (pl_datapath_attach(opened, hook, if_nametoindex("plv0"), &err))
		fail_msg("attach: %s", err.text);
}

static void close_it(void)
{
	pl_datapath_closep(&opened);
}

static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static uint32_t map_id(enum pl_map_index map)
{
	struct bpf_map_info info;

	assert_int_equal(dp_map_info(opened->maps[map], &info), 0);
	return info.id;
}

struct found {
	struct pl_attachment v[16];
	size_t n;
};

static int find(const struct pl_attachment *a, void *arg)
{
	struct found *found = arg;

	if (found->n < PL_ARRAY_SIZE(found->v))
		found->v[found->n++] = *a;
	return 0;
}

static struct found attachments(void)
{
	struct found found = {0};

	assert_int_equal(pl_datapath_each_attachment(opened, find, &found), 0);
	return found;
}

/* Nothing holds the program; the kernel frees those of filters a little later. */
static bool is_freed_soon(uint32_t prog_id)
{
	for (int i = 0; i < 200; i++) {
		pl_autoclose int fd = bpf_prog_get_fd_by_id(prog_id);

		if (fd == -ENOENT)
			return true;
		usleep(10000);
	}
	return false;
}

static unsigned int links_at(int type)
{
	__u32 ids[64], n = PL_ARRAY_SIZE(ids), flags;

	return bpf_prog_query((int)if_nametoindex("plv0"), type, 0, &flags, ids, &n) ? 0 : n;
}

static unsigned int filters_at(enum bpf_tc_attach_point point)
{
	const struct bpf_tc_hook hook = {
		.sz = sizeof(hook), .ifindex = (int)if_nametoindex("plv0"), .attach_point = point};
	unsigned int n = 0;

	for (uint32_t i = 1; i <= 16; i++) {
		struct bpf_tc_opts o = {
			.sz = sizeof(o), .handle = 0x504c0000 + i, .priority = 0x504c};

		n += !bpf_tc_query(&hook, &o);
	}
	return n;
}

/* What the device runs, by either way. */
static unsigned int programs(void)
{
	return links_at(PL_BPF_TCX_INGRESS) + links_at(PL_BPF_TCX_EGRESS) +
	       filters_at(BPF_TC_INGRESS) + filters_at(BPF_TC_EGRESS);
}

static int setup(void **state)
{
	run("ip link add plv0 type veth peer name plv1 && ip link set plv0 up && "
	    "ip link set plv1 up");
	return 0;
}

static int teardown(void **state)
{
	struct pl_error err = {0};
	int r;

	close_it();
	r = pl_datapath_remove(ROOT, &err);
	run("ip link del plv0");
	if (r < 0)
		fail_msg("remove: %s", err.text);
	assert_false(exists(ROOT));
	return 0;
}

static const struct pl_ip ip = {AF_INET, {10, 1, 0, 5}};

static void put_contents(void)
{
	const struct pl_addr addr = {.endpoint = 3, .kind = PL_ADDR_POD};

	pl_datapath_endpoints(opened)[3].ifindex = 77;
	pl_datapath_endpoints(opened)[3].generation = 5;
	assert_int_equal(pl_datapath_addr_set(opened, &ip, &addr), 0);
}

static void check_contents(void)
{
	struct pl_addr got;

	assert_true(pl_datapath_adopted(opened));
	assert_int_equal(pl_datapath_endpoints(opened)[3].ifindex, 77);
	assert_int_equal(pl_datapath_endpoints(opened)[3].generation, 5);
	assert_int_equal(pl_datapath_addr_get(opened, &ip, &got), 0);
	assert_int_equal(got.endpoint, 3);
}

/* As an open of another version left it. */
static void become(const char *set)
{
	close_it();
	assert_int_equal(rename(SET, set), 0);
}

static void put_reason(int fd, uint32_t endpoint)
{
	const struct pl_reason_key key = {.endpoint = endpoint, .reason = PL_PASS_ARP};
	const int cpus = libbpf_num_possible_cpus();
	pl_autofree struct pl_count *v = calloc((size_t)cpus, sizeof(*v));

	assert_non_null(v);
	for (int cpu = 0; cpu < cpus; cpu++)
		v[cpu].packets = endpoint;
	assert_int_equal(bpf_map_update_elem(fd, &key, v, BPF_ANY), 0);
}

static uint64_t get_reason(uint32_t endpoint)
{
	const struct pl_reason_key key = {.endpoint = endpoint, .reason = PL_PASS_ARP};
	pl_autofree struct pl_count *v = calloc((size_t)opened->cpus, sizeof(*v));

	assert_non_null(v);
	return bpf_map_lookup_elem(opened->maps[MAP_pl_reasons], &key, v)
		       ? 0
		       : v[opened->cpus - 1].packets;
}

static void take_over(enum pl_attach_choice choice, const char *other)
{
	struct found found;
	uint32_t prog, reasons;

	open_with(choice, ENDPOINTS);
	put_contents();
	prog = opened->prog_ids[PROG_pl_from_pod];
	reasons = map_id(MAP_pl_reasons);
	attach(PL_HOOK_FROM_POD);
	attach(PL_HOOK_TO_POD);
	become(other);

	open_with(choice, ENDPOINTS);
	check_contents();
	assert_int_equal(map_id(MAP_pl_reasons), reasons);
	found = attachments();
	assert_int_equal(found.n, 2);
	for (size_t i = 0; i < found.n; i++)
		assert_int_not_equal(found.v[i].abi, PL_ABI);
	assert_int_equal(found.v[0].hook == PL_HOOK_FROM_POD ? found.v[0].program
							     : found.v[1].program,
			 prog);
	assert_int_equal(pl_datapath_settle(opened), -EBUSY);

	attach(PL_HOOK_FROM_POD);
	assert_int_equal(pl_datapath_settle(opened), -EBUSY);
	assert_true(exists(other));
	attach(PL_HOOK_TO_POD);
	assert_int_equal(pl_datapath_settle(opened), 0);
	assert_false(exists(other));
	found = attachments();
	assert_int_equal(found.n, 2);
	for (size_t i = 0; i < found.n; i++) {
		struct pl_attachment wanted;

		pl_datapath_wanted(opened, found.v[i].hook, found.v[i].ifindex, &wanted);
		assert_memory_equal(&found.v[i], &wanted, sizeof(wanted));
	}
	assert_int_equal(programs(), 2);
	assert_true(is_freed_soon(prog));
	check_contents();
}

static void test_up_and_down(void **state)
{
	take_over(PL_ATTACH_AUTO, LOWER);
	close_it();
	take_over(PL_ATTACH_AUTO, HIGHER);
	close_it();
	take_over(PL_ATTACH_CLSACT, LOWER);
	close_it();
	take_over(PL_ATTACH_CLSACT, HIGHER);
}

/* Another version and another way to attach at once. */
static void test_other_kind(void **state)
{
	static const enum pl_attach_choice choices[] = {PL_ATTACH_CLSACT, PL_ATTACH_AUTO,
							PL_ATTACH_CLSACT};

	for (size_t i = 0; i < PL_ARRAY_SIZE(choices); i++) {
		open_with(choices[i], ENDPOINTS);
		attach(PL_HOOK_FROM_POD);
		assert_int_equal(pl_datapath_settle(opened), 0);
		assert_int_equal(programs(), 1);
		if (i + 1 < PL_ARRAY_SIZE(choices))
			become(LOWER);
	}
	assert_int_equal(attachments().n, 1);
}

/* A detach, and a device that is gone, concern every set. */
static void test_detach_and_forget(void **state)
{
	const uint32_t ifindex = if_nametoindex("plv0");
	struct pl_error err;

	open_with(PL_ATTACH_AUTO, ENDPOINTS);
	attach(PL_HOOK_FROM_POD);
	attach(PL_HOOK_TO_POD);
	become(LOWER);
	open_with(PL_ATTACH_AUTO, ENDPOINTS);
	assert_int_equal(pl_datapath_detach(opened, PL_HOOK_TO_POD, ifindex, &err), 0);
	assert_int_equal(programs(), 1);
	pl_datapath_forget(opened, PL_HOOK_FROM_POD, ifindex);
	assert_int_equal(attachments().n, 0);
	assert_int_equal(pl_datapath_settle(opened), 0);
	assert_false(exists(LOWER));
}

/* What the former programs count while devices are swapped comes along: they have another map. */
static void test_entries_made_meanwhile(void **state)
{
	pl_autoclose int former = -1;

	open_with(PL_ATTACH_AUTO, ENDPOINTS);
	put_contents();
	put_reason(opened->maps[MAP_pl_reasons], 3);
	attach(PL_HOOK_FROM_POD);
	become(LOWER);
	former = dp_pin_get(LOWER, "maps", "pl_reasons");
	assert_true(former >= 0);

	open_with(PL_ATTACH_AUTO, 2 * ENDPOINTS);
	check_contents();
	assert_int_equal(get_reason(3), 3);
	put_reason(former, 4);
	assert_int_equal(get_reason(4), 0);
	/* What has gone is not brought back but where programs made it. */
	assert_int_equal(pl_datapath_addr_del(opened, &ip), 0);
	attach(PL_HOOK_FROM_POD);
	assert_int_equal(pl_datapath_settle(opened), 0);
	assert_int_equal(get_reason(3), 3);
	assert_int_equal(get_reason(4), 4);
	assert_int_equal(pl_datapath_addr_get(opened, &ip, &(struct pl_addr){0}), -ENOENT);
}

/* Died between two devices: the next start goes on with the same maps. */
static void test_cut_short(void **state)
{
	pl_autoclose int former = -1;
	uint32_t reasons;

	open_with(PL_ATTACH_AUTO, ENDPOINTS);
	attach(PL_HOOK_FROM_POD);
	attach(PL_HOOK_TO_POD);
	become(LOWER);
	former = dp_pin_get(LOWER, "maps", "pl_reasons");
	open_with(PL_ATTACH_AUTO, 2 * ENDPOINTS);
	put_contents();
	attach(PL_HOOK_FROM_POD);
	reasons = map_id(MAP_pl_reasons);
	close_it();

	put_reason(former, 4);
	open_with(PL_ATTACH_AUTO, 2 * ENDPOINTS);
	check_contents();
	assert_int_equal(map_id(MAP_pl_reasons), reasons);
	assert_int_equal(attachments().n, 2);
	attach(PL_HOOK_FROM_POD);
	attach(PL_HOOK_TO_POD);
	assert_int_equal(pl_datapath_settle(opened), 0);
	assert_int_equal(get_reason(4), 4);
	assert_int_equal(programs(), 2);
}

static void pin_twin(void)
{
	pl_autoclose int fd = -1;
	char name[64];

	fd = bpf_link_create(opened->progs[PROG_pl_from_pod], (int)if_nametoindex("plv0"),
			     (enum bpf_attach_type)PL_BPF_TCX_INGRESS, NULL);
	assert_true(fd >= 0);
	snprintf(name, sizeof(name), "from_pod-%u", if_nametoindex("plv0"));
	assert_int_equal(dp_pin(fd, SET, "links", name), 0);
}

/* Both sets hold a link at one hook: one is left. */
static void test_twins(void **state)
{
	if (!have_tcx)
		skip();
	open_with(PL_ATTACH_AUTO, ENDPOINTS);
	attach(PL_HOOK_FROM_POD);
	become(LOWER);
	open_with(PL_ATTACH_AUTO, ENDPOINTS);
	pin_twin();
	assert_int_equal(programs(), 2);
	assert_int_equal(attachments().n, 2);
	attach(PL_HOOK_FROM_POD);
	assert_int_equal(programs(), 1);
	assert_int_equal(pl_datapath_settle(opened), 0);
}

static void rename_hook(const char *suffix)
{
	char from[128], to[128];

	snprintf(from, sizeof(from), LOWER "/links/from_pod-%u%s", if_nametoindex("plv0"), suffix);
	snprintf(to, sizeof(to), LOWER "/links/from_moon-%u%s", if_nametoindex("plv0"), suffix);
	assert_int_equal(rename(from, to), 0);
}

/* A hook that this version does not have is detached, when all else is done. */
static void test_unknown_hook(void **state)
{
	static const enum pl_attach_choice choices[] = {PL_ATTACH_AUTO, PL_ATTACH_CLSACT};

	for (size_t i = 0; i < PL_ARRAY_SIZE(choices); i++) {
		open_with(choices[i], ENDPOINTS);
		attach(PL_HOOK_FROM_POD);
		attach(PL_HOOK_TO_POD);
		become(LOWER);
		rename_hook(have_tcx && choices[i] == PL_ATTACH_AUTO ? "" : "-clsact");
		open_with(choices[i], ENDPOINTS);
		assert_int_equal(attachments().n, 1);
		assert_int_equal(pl_datapath_settle(opened), -EBUSY);
		assert_int_equal(programs(), 2);
		attach(PL_HOOK_TO_POD);
		assert_int_equal(pl_datapath_settle(opened), 0);
		assert_int_equal(programs(), 1);
		assert_false(exists(LOWER));
		close_it();
	}
}

/* Hooks had other numbers, and so filters other handles: the former one goes all the same. */
static void test_other_handle(void **state)
{
	const struct bpf_tc_hook hook = {.sz = sizeof(hook),
					 .ifindex = (int)if_nametoindex("plv0"),
					 .attach_point = BPF_TC_EGRESS};
	struct bpf_tc_opts former = {
		.sz = sizeof(former), .handle = 0x504c000a, .priority = 0x504c};
	struct bpf_tc_opts ours = {
		.sz = sizeof(ours), .handle = 0x504c0001 + PL_HOOK_TO_POD, .priority = 0x504c};

	open_with(PL_ATTACH_CLSACT, ENDPOINTS);
	attach(PL_HOOK_TO_POD);
	former.prog_fd = opened->progs[PROG_pl_to_pod];
	assert_int_equal(bpf_tc_attach(&hook, &former), 0);
	assert_int_equal(bpf_tc_detach(&hook, &ours), 0);
	become(LOWER);
	open_with(PL_ATTACH_CLSACT, ENDPOINTS);
	assert_int_equal(attachments().n, 1);
	attach(PL_HOOK_TO_POD);
	assert_int_equal(pl_datapath_settle(opened), 0);
	assert_int_equal(programs(), 1);
	assert_int_equal(attachments().n, 1);
}

/* Removed for good, with sets of every version. */
static void test_remove_all_versions(void **state)
{
	open_with(PL_ATTACH_AUTO, ENDPOINTS);
	attach(PL_HOOK_FROM_POD);
	attach(PL_HOOK_TO_POD);
	become(LOWER);
	rename_hook(have_tcx ? "" : "-clsact");
	close_it();
	assert_int_equal(pl_datapath_remove(ROOT, NULL), 0);
	assert_int_equal(programs(), 0);
	assert_false(exists(ROOT));
}

static int enter_namespaces(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	return mount("bpf", BPFFS, "bpf", 0, NULL) ? -errno : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		ROW(test_up_and_down),	       ROW(test_other_kind),
		ROW(test_detach_and_forget),   ROW(test_entries_made_meanwhile),
		ROW(test_cut_short),	       ROW(test_twins),
		ROW(test_unknown_hook),	       ROW(test_other_handle),
		ROW(test_remove_all_versions),
#undef ROW
	};
	struct pl_features features = {0};
	struct pl_error err = {0};
	int r;

	if (getuid()) {
		printf("1..0 # SKIP needs root: BPF and network namespaces\n");
		return 0;
	}
	r = enter_namespaces();
	if (!r)
		r = dp_probe(&features, &err);
	if (r < 0) {
		fprintf(stderr, "cannot set the test up: %s %s\n", strerror(-r), err.text);
		return 1;
	}
	have_tcx = features.tcx;
	pl_log_set_level(PL_LOG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
