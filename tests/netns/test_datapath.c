// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The datapath against the running kernel, in a network and a mount namespace of this process:
 * what is pinned survives a restart, attachments move to the new programs without a gap, and what
 * belongs to others stays. Needs root; tcx rows skip where the kernel has none. time limit: 600
 *
 *   plv0 <-> plv1 : the devices that programs are attached to
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "common/log.h"
#include "datapath/internal.h"
#include "netlink/netlink.h"

#define BPFFS "/sys/fs/bpf"
#define ROOT  BPFFS "/podlane"
#define SET   ROOT "/v3"

enum {
	ENDPOINTS = 16,
	FLOWS = 64,
	/* Ours, as documented. */
	PRIORITY = 0x504c,
	HANDLE_FROM_POD = 0x504c0001,
};

static bool have_tcx;
static struct pl_datapath *opened; /* closed by the teardown where a test failed */

static void run(const char *cmd)
{
	int r = system(cmd);

	if (r)
		fail_msg("%s: status %d", cmd, r);
}

static struct pl_datapath_opts options(enum pl_attach_choice attach)
{
	return (struct pl_datapath_opts){
		.bpffs_dir = ROOT,
		.max_endpoints = ENDPOINTS,
		.max_flows = FLOWS,
		.flow_budget = 64,
		.flow_rate = 1000,
		.attach = attach,
		.expedite = true,
	};
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

/* As the daemon does after a start: every attachment to our programs, then the end. */
static int bring_all(struct pl_datapath *dp, struct pl_error *err)
{
	struct found found = {0};
	int r = pl_datapath_each_attachment(dp, find, &found);

	for (size_t i = 0; i < found.n && !r; i++)
		r = pl_datapath_attach(dp, found.v[i].hook, found.v[i].ifindex, err);
	return r ?: pl_datapath_settle(dp);
}

static struct pl_datapath *open_with(const struct pl_datapath_opts *opts)
{
	struct pl_datapath *dp = NULL;
	struct pl_error err = {0};

	if (pl_datapath_open(opts, &dp, &err) || bring_all(dp, &err))
		fail_msg("open: %s", err.text);
	opened = dp;
	return dp;
}

static void close_it(struct pl_datapath **dp)
{
	pl_datapath_closep(dp);
	opened = NULL;
}

static struct pl_datapath *open_as(enum pl_attach_choice attach)
{
	struct pl_datapath_opts opts = options(attach);

	return open_with(&opts);
}

static void attach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex)
{
	struct pl_error err = {0};

	if (pl_datapath_attach(dp, hook, ifindex, &err))
		fail_msg("attach: %s", err.text);
}

static void detach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex)
{
	struct pl_error err = {0};

	if (pl_datapath_detach(dp, hook, ifindex, &err))
		fail_msg("detach: %s", err.text);
}

static uint32_t device(void)
{
	uint32_t ifindex = if_nametoindex("plv0");

	assert_int_not_equal(ifindex, 0);
	return ifindex;
}

static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static const char *link_path(const char *set, const char *hook, const char *suffix)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/links/%s-%u%s", set, hook, device(), suffix);
	return path;
}

static struct bpf_link_info pinned_link(const char *hook)
{
	pl_autoclose int fd = bpf_obj_get(link_path(SET, hook, ""));
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	return info;
}

static struct bpf_tc_hook tc_hook(uint32_t ifindex, enum bpf_tc_attach_point point)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook), .ifindex = (int)ifindex, .attach_point = point};
}

/* 0: no filter there. */
static uint32_t filter_prog(uint32_t ifindex, enum bpf_tc_attach_point point, uint32_t prio,
			    uint32_t handle)
{
	struct bpf_tc_hook h = tc_hook(ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, o, .priority = prio, .handle = handle);

	return bpf_tc_query(&h, &o) ? 0 : o.prog_id;
}

static unsigned int count_tcx(uint32_t ifindex, int type)
{
	__u32 ids[64], n = PL_ARRAY_SIZE(ids), flags;

	assert_int_equal(bpf_prog_query((int)ifindex, type, 0, &flags, ids, &n), 0);
	return n;
}

static int load_foreign(enum bpf_prog_type type)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(type, "foreign", "GPL", insns, PL_ARRAY_SIZE(insns), NULL);

	assert_true(fd >= 0);
	return fd;
}

static void add_foreign_filter(uint32_t ifindex, enum bpf_tc_attach_point point, uint32_t prio,
			       uint32_t handle)
{
	struct bpf_tc_hook h = tc_hook(ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, o, .priority = prio, .handle = handle);
	pl_autoclose int fd = load_foreign(BPF_PROG_TYPE_SCHED_CLS);
	int r;

	r = bpf_tc_hook_create(&h);
	assert_true(!r || r == -EEXIST);
	o.prog_fd = fd;
	assert_int_equal(bpf_tc_attach(&h, &o), 0);
}

struct seen {
	unsigned int n;
	enum pl_hook hook;
	uint32_t ifindex;
	enum pl_attach_kind kind;
};

static int see(const struct pl_attachment *a, void *arg)
{
	struct seen *seen = arg;

	*seen = (struct seen){seen->n + 1, a->hook, a->ifindex, a->kind};
	return 0;
}

static struct seen list(struct pl_datapath *dp)
{
	struct seen seen = {0};

	assert_int_equal(pl_datapath_each_attachment(dp, see, &seen), 0);
	return seen;
}

/* The expected kind where the daemon chooses. */
static enum pl_attach_kind automatic(void)
{
	return have_tcx ? PL_ATTACHED_TCX : PL_ATTACHED_CLSACT;
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

	if (opened)
		close_it(&opened);
	r = pl_datapath_remove(ROOT, &err);
	run("ip link del plv1 2>/dev/null || ip netns del pltest 2>/dev/null || true");
	if (r < 0)
		fail_msg("remove: %s", err.text);
	assert_false(exists(ROOT));
	return 0;
}

static void test_open_makes_readable_pins(void **state)
{
	pl_cleanup(close_it) struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);

	assert_false(pl_datapath_adopted(dp));
	assert_int_equal(pl_datapath_max_endpoints(dp), ENDPOINTS);
	assert_int_equal(pl_datapath_features(dp)->tcx, have_tcx);
	assert_true(exists(SET "/maps/pl_endpoints"));
	assert_true(exists(SET "/maps/pl_mirror_stats"));
	assert_true(exists(SET "/progs/pl_from_pod"));
	assert_true(exists(SET "/progs/pl_mirror"));
	assert_int_equal(list(dp).n, 0);
}

static void test_second_daemon_is_refused(void **state)
{
	pl_cleanup(close_it) struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	struct pl_datapath_opts opts = options(PL_ATTACH_AUTO);
	struct pl_datapath *second = NULL;
	struct pl_error err = {0};

	assert_non_null(dp);
	assert_int_equal(pl_datapath_open(&opts, &second, &err), -EEXIST);
	assert_non_null(strstr(err.text, "in use"));
	assert_null(second);
	assert_int_equal(pl_datapath_remove(ROOT, &err), -EEXIST);
	assert_true(exists(SET "/maps/pl_endpoints"));
}

static void test_contents_survive(void **state)
{
	const struct pl_ip ip4 = {AF_INET, {10, 1, 0, 5}}, ip6 = {AF_INET6, {0xfd, [15] = 5}};
	const struct pl_addr addr = {.endpoint = 3, .kind = PL_ADDR_POD};
	const struct pl_device link = {.endpoint = 3, .role = PL_ROLE_ENDPOINT};
	struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	struct pl_addr got;
	struct pl_device got_link;

	pl_datapath_endpoints(dp)[3].ifindex = 77;
	assert_int_equal(pl_datapath_addr_set(dp, &ip4, &addr), 0);
	assert_int_equal(pl_datapath_addr_set(dp, &ip6, &addr), 0);
	assert_int_equal(pl_datapath_link_set(dp, 77, &link), 0);
	close_it(&dp);

	dp = open_as(PL_ATTACH_AUTO);
	assert_true(pl_datapath_adopted(dp));
	assert_int_equal(pl_datapath_endpoints(dp)[3].ifindex, 77);
	assert_int_equal(pl_datapath_addr_get(dp, &ip4, &got), 0);
	assert_memory_equal(&got, &addr, sizeof(got));
	assert_int_equal(pl_datapath_addr_get(dp, &ip6, &got), 0);
	assert_int_equal(pl_datapath_link_get(dp, 77, &got_link), 0);
	assert_int_equal(pl_datapath_addr_del(dp, &ip4), 0);
	assert_int_equal(pl_datapath_addr_del(dp, &ip4), 0);
	assert_int_equal(pl_datapath_addr_get(dp, &ip4, &got), -ENOENT);
	close_it(&dp);
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

/* Each attachment kind: idempotent, listed, and on the new program after a restart. */
static void attach_and_reopen(enum pl_attach_choice choice, enum pl_attach_kind kind)
{
	struct pl_datapath *dp = open_as(choice);
	const uint32_t ifindex = device();
	uint32_t old_prog;
	struct seen seen;

	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex), PL_ATTACHED_NONE);
	attach(dp, PL_HOOK_FROM_POD, ifindex);
	attach(dp, PL_HOOK_FROM_POD, ifindex);
	seen = list(dp);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.hook, PL_HOOK_FROM_POD);
	assert_int_equal(seen.ifindex, ifindex);
	assert_int_equal(seen.kind, kind);
	attach(dp, PL_HOOK_TO_POD, ifindex);
	assert_int_equal(list(dp).n, 2);
	old_prog = dp->prog_ids[PROG_pl_from_pod];
	close_it(&dp);

	dp = open_as(choice);
	assert_int_not_equal(dp->prog_ids[PROG_pl_from_pod], old_prog);
	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex), kind);
	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_TO_POD, ifindex), kind);
	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_UPLINK, ifindex), PL_ATTACHED_NONE);
	assert_true(is_freed_soon(old_prog));
	assert_int_equal(list(dp).n, 2);

	detach(dp, PL_HOOK_FROM_POD, ifindex);
	detach(dp, PL_HOOK_FROM_POD, ifindex);
	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex), PL_ATTACHED_NONE);
	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_TO_POD, ifindex), kind);
	assert_int_equal(list(dp).n, 1);
	close_it(&dp);
}

static void skip_without_tcx(void)
{
	if (have_tcx)
		return;
	print_message("# skip: this kernel has no tcx\n");
	skip();
}

static void test_tcx(void **state)
{
	skip_without_tcx();
	attach_and_reopen(PL_ATTACH_TCX, PL_ATTACHED_TCX);
}

static void test_clsact(void **state)
{
	attach_and_reopen(PL_ATTACH_CLSACT, PL_ATTACHED_CLSACT);
}

static void test_restart_keeps_the_link(void **state)
{
	struct pl_datapath *dp;
	struct bpf_link_info before, after;

	skip_without_tcx();
	dp = open_as(PL_ATTACH_AUTO);
	attach(dp, PL_HOOK_FROM_UPLINK, device());
	before = pinned_link("from_uplink");
	close_it(&dp);
	dp = open_as(PL_ATTACH_AUTO);
	after = pinned_link("from_uplink");
	assert_int_equal(after.id, before.id);
	assert_int_not_equal(after.prog_id, before.prog_id);
	assert_int_equal(after.prog_id, dp->prog_ids[PROG_pl_from_uplink]);
	close_it(&dp);
}

static void test_changed_choice(void **state)
{
	static const enum pl_attach_choice steps[] = {PL_ATTACH_TCX, PL_ATTACH_CLSACT,
						      PL_ATTACH_AUTO, PL_ATTACH_CLSACT};
	const uint32_t ifindex = device();

	skip_without_tcx();
	for (size_t i = 0; i < PL_ARRAY_SIZE(steps); i++) {
		const bool clsact = steps[i] == PL_ATTACH_CLSACT;
		struct pl_datapath *dp = open_as(steps[i]);

		if (!i)
			attach(dp, PL_HOOK_FROM_POD, ifindex);
		assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex),
				 clsact ? PL_ATTACHED_CLSACT : PL_ATTACHED_TCX);
		assert_int_equal(list(dp).n, 1);
		assert_int_equal(count_tcx(ifindex, PL_BPF_TCX_INGRESS), !clsact);
		assert_int_equal(filter_prog(ifindex, BPF_TC_INGRESS, PRIORITY, HANDLE_FROM_POD) !=
					 0,
				 clsact);
		assert_int_equal(exists(link_path(SET, "from_pod", "")), !clsact);
		assert_int_equal(exists(link_path(SET, "from_pod", "-clsact")), clsact);
		close_it(&dp);
	}
}

static int count_reason(const struct pl_reason_key *key, const struct pl_count *sum, void *arg)
{
	struct pl_count *total = arg;

	/* The host's own packets on the device are the node's. */
	if (key->endpoint != PL_NODE) {
		total->packets += sum->packets;
		total->bytes += sum->bytes;
	}
	return 0;
}

/* As the programs would: one value on each CPU. */
static void put_reason(struct pl_datapath *dp, uint32_t endpoint, uint16_t reason, uint64_t packets)
{
	const struct pl_reason_key key = {endpoint, reason, PL_OUT};
	pl_autofree struct pl_count *counts = calloc((size_t)dp->cpus, sizeof(*counts));

	for (int cpu = 0; cpu < dp->cpus; cpu++)
		counts[cpu] = (struct pl_count){packets, 100 * packets};
	assert_int_equal(bpf_map_update_elem(dp->maps[MAP_pl_reasons], &key, counts, BPF_ANY), 0);
}

static void put_traffic(struct pl_datapath *dp, uint32_t endpoint, uint64_t packets)
{
	pl_autofree struct pl_traffic *traffic = calloc((size_t)dp->cpus, sizeof(*traffic));

	for (int cpu = 0; cpu < dp->cpus; cpu++)
		traffic[cpu].forwarded[PL_IN] = (struct pl_count){packets, 100 * packets};
	assert_int_equal(bpf_map_update_elem(dp->maps[MAP_pl_traffic], &endpoint, traffic, BPF_ANY),
			 0);
}

static uint32_t jiffies(const struct pl_datapath *dp)
{
	uint8_t frame[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame));

	assert_int_equal(bpf_prog_test_run_opts(dp->progs[PROG_pl_clock], &opts), 0);
	return opts.retval;
}

/* A connection of the endpoint with an uplink's, in both tables, paid for by the endpoint. */
static void put_flow(struct pl_datapath *dp, uint32_t endpoint, uint16_t port)
{
	const struct pl_flow4_key key4 = {.port = {port}, .protocol = 6};
	const struct pl_flow6_key key6 = {.port = {port}, .protocol = 6};
	const struct pl_flow flow = {
		.seen = jiffies(dp),
		.state = PL_FLOW_FAST,
		.end = {{endpoint, pl_datapath_endpoints(dp)[endpoint].generation}},
	};

	assert_int_equal(bpf_map_update_elem(dp->maps[MAP_pl_flows4], &key4, &flow, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(dp->maps[MAP_pl_flows6], &key6, &flow, BPF_ANY), 0);
}

/* In both tables, or in none. */
static bool flow_exists(struct pl_datapath *dp, uint16_t port)
{
	const struct pl_flow4_key key4 = {.port = {port}, .protocol = 6};
	const struct pl_flow6_key key6 = {.port = {port}, .protocol = 6};
	struct pl_flow flow;
	bool found = !bpf_map_lookup_elem(dp->maps[MAP_pl_flows4], &key4, &flow);

	assert_int_equal(found, !bpf_map_lookup_elem(dp->maps[MAP_pl_flows6], &key6, &flow));
	return found;
}

static void test_other_size_swaps(void **state)
{
	static const uint32_t sizes[] = {4 * ENDPOINTS, ENDPOINTS / 2};
	const struct pl_ip ip = {AF_INET, {10, 1, 0, 5}};
	const struct pl_addr addr = {.endpoint = 3, .kind = PL_ADDR_POD};
	const uint32_t ifindex = device();
	struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	struct bpf_link_info before = {0};

	attach(dp, PL_HOOK_FROM_POD, ifindex);
	pl_datapath_endpoints(dp)[3].ifindex = 77;
	assert_int_equal(pl_datapath_addr_set(dp, &ip, &addr), 0);
	put_traffic(dp, 3, 5);
	put_reason(dp, 3, PL_PASS_ARP, 7);
	put_flow(dp, 3, 1);
	if (have_tcx)
		before = pinned_link("from_pod");
	close_it(&dp);

	for (size_t i = 0; i < PL_ARRAY_SIZE(sizes); i++) {
		struct pl_datapath_opts opts = options(PL_ATTACH_AUTO);
		struct pl_count total = {0};
		struct pl_traffic traffic;
		struct pl_addr got;

		opts.max_endpoints = sizes[i];
		opts.max_flows = 2 * sizes[i];
		dp = open_with(&opts);
		assert_true(pl_datapath_adopted(dp));
		assert_int_equal(pl_datapath_max_endpoints(dp), sizes[i]);
		assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex), automatic());
		if (have_tcx)
			assert_int_equal(pinned_link("from_pod").id, before.id);
		assert_int_equal(pl_datapath_endpoints(dp)[3].ifindex, 77);
		/* Both tables' entries are paid for, as they were before. */
		assert_int_equal(dp->budgets[3].budget[0].used, 2);
		assert_int_equal(pl_datapath_addr_get(dp, &ip, &got), 0);
		assert_int_equal(pl_datapath_traffic(dp, 3, &traffic), 0);
		assert_int_equal(traffic.forwarded[PL_IN].packets, 5 * dp->cpus);
		assert_int_equal(pl_datapath_reasons_each(dp, count_reason, &total), 0);
		assert_int_equal(total.packets, 12 * dp->cpus);
		assert_true(flow_exists(dp, 1));
		close_it(&dp);
	}
}

static void test_device_gone(void **state)
{
	pl_cleanup(close_it) struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	const uint32_t ifindex = device();
	struct pl_error err = {0};
	char path[256];

	attach(dp, PL_HOOK_FROM_POD, ifindex);
	attach(dp, PL_HOOK_TO_POD, ifindex);
	snprintf(path, sizeof(path), "%s", link_path(SET, "from_pod", have_tcx ? "" : "-clsact"));
	assert_true(exists(path));
	run("ip link del plv0");
	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex), PL_ATTACHED_NONE);
	assert_int_equal(pl_datapath_attach(dp, PL_HOOK_FROM_POD, ifindex, &err), -ENODEV);
	detach(dp, PL_HOOK_FROM_POD, ifindex);
	assert_false(exists(path));
	assert_int_equal(list(dp).n, 0);
	assert_int_equal(pl_datapath_attach(dp, PL_HOOK_FROM_POD, 0, &err), -ENODEV);
}

static void test_device_gone_while_away(void **state)
{
	struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	const uint32_t ifindex = device();
	char path[256], cmd[128];

	attach(dp, PL_HOOK_FROM_POD, ifindex);
	snprintf(path, sizeof(path), "%s", link_path(SET, "from_pod", have_tcx ? "" : "-clsact"));
	close_it(&dp);
	/* Another device under the same number must not inherit the program. */
	snprintf(cmd, sizeof(cmd),
		 "ip link del plv0 && ip link add plv0 index %u type veth peer name plv1", ifindex);
	run(cmd);
	dp = open_as(PL_ATTACH_AUTO);
	assert_false(exists(path));
	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex), PL_ATTACHED_NONE);
	attach(dp, PL_HOOK_FROM_POD, ifindex);
	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex), automatic());
	close_it(&dp);
}

static void test_device_moved(void **state)
{
	pl_cleanup(close_it) struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	const uint32_t ifindex = device();
	struct pl_error err = {0};
	pl_autoclose int fd = -1;
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);

	skip_without_tcx();
	attach(dp, PL_HOOK_FROM_POD, ifindex);
	fd = bpf_obj_get(link_path(SET, "from_pod", ""));
	assert_true(fd >= 0);
	run("ip netns add pltest && ip link set plv0 netns pltest");
	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex), PL_ATTACHED_NONE);
	assert_int_equal(pl_datapath_attach(dp, PL_HOOK_FROM_POD, ifindex, &err), -ENODEV);
	assert_int_equal(list(dp).n, 0);
	/* Off the device over there too. */
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	assert_int_equal(info.xdp.ifindex, 0);
	run("ip netns del pltest");
}

static void test_someone_detached_us(void **state)
{
	static const enum pl_attach_choice choices[] = {PL_ATTACH_AUTO, PL_ATTACH_CLSACT};
	const uint32_t ifindex = device();

	for (size_t i = 0; i < PL_ARRAY_SIZE(choices); i++) {
		struct pl_datapath *dp = open_as(choices[i]);
		enum pl_attach_kind kind;

		attach(dp, PL_HOOK_FROM_POD, ifindex);
		kind = pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex);
		if (kind == PL_ATTACHED_TCX) {
			pl_autoclose int fd = bpf_obj_get(link_path(SET, "from_pod", ""));

			assert_int_equal(bpf_link_detach(fd), 0);
		} else {
			run("tc qdisc del dev plv0 clsact");
		}
		assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex),
				 PL_ATTACHED_NONE);
		attach(dp, PL_HOOK_FROM_POD, ifindex);
		assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex), kind);
		close_it(&dp);
	}
}

static void test_others_stay(void **state)
{
	static const enum pl_attach_choice choices[] = {PL_ATTACH_AUTO, PL_ATTACH_CLSACT};
	const uint32_t ifindex = device();
	pl_autoclose int prog = load_foreign(BPF_PROG_TYPE_SCHED_CLS);
	pl_autoclose int link =
		have_tcx ? bpf_link_create(prog, (int)ifindex, (int)PL_BPF_TCX_INGRESS, NULL) : -1;
	struct pl_error err = {0};

	assert_int_equal(link >= 0, have_tcx);
	add_foreign_filter(ifindex, BPF_TC_INGRESS, 1, 1);
	add_foreign_filter(ifindex, BPF_TC_INGRESS, PRIORITY, 1);
	add_foreign_filter(ifindex, BPF_TC_EGRESS, 1, 1);
	for (size_t i = 0; i < PL_ARRAY_SIZE(choices); i++) {
		struct pl_datapath *dp = open_as(choices[i]);

		attach(dp, PL_HOOK_FROM_POD, ifindex);
		attach(dp, PL_HOOK_TO_POD, ifindex);
		detach(dp, PL_HOOK_FROM_POD, ifindex);
		close_it(&dp);
		assert_int_equal(pl_datapath_remove(ROOT, &err), 0);
		assert_int_not_equal(filter_prog(ifindex, BPF_TC_INGRESS, 1, 1), 0);
		assert_int_not_equal(filter_prog(ifindex, BPF_TC_INGRESS, PRIORITY, 1), 0);
		assert_int_not_equal(filter_prog(ifindex, BPF_TC_EGRESS, 1, 1), 0);
		assert_int_equal(filter_prog(ifindex, BPF_TC_INGRESS, PRIORITY, HANDLE_FROM_POD),
				 0);
		if (have_tcx)
			assert_int_equal(count_tcx(ifindex, PL_BPF_TCX_INGRESS), 1);
	}
}

static void test_our_place_taken(void **state)
{
	pl_cleanup(close_it) struct pl_datapath *dp = open_as(PL_ATTACH_CLSACT);
	const uint32_t ifindex = device();
	struct pl_error err = {0};
	uint32_t theirs;

	add_foreign_filter(ifindex, BPF_TC_INGRESS, PRIORITY, HANDLE_FROM_POD);
	theirs = filter_prog(ifindex, BPF_TC_INGRESS, PRIORITY, HANDLE_FROM_POD);
	assert_int_equal(pl_datapath_attach(dp, PL_HOOK_FROM_POD, ifindex, &err), -EEXIST);
	assert_non_null(strstr(err.text, "plv0"));
	detach(dp, PL_HOOK_FROM_POD, ifindex);
	assert_int_equal(filter_prog(ifindex, BPF_TC_INGRESS, PRIORITY, HANDLE_FROM_POD), theirs);
	assert_int_equal(list(dp).n, 0);
	assert_false(exists(link_path(SET, "from_pod", "-clsact")));
}

/* The kernel takes an egress filter into an ingress qdisc, and runs it on ingress. */
static void test_plain_ingress_qdisc(void **state)
{
	pl_cleanup(close_it) struct pl_datapath *dp = open_as(PL_ATTACH_CLSACT);
	struct pl_error err = {0};

	run("tc qdisc add dev plv0 ingress");
	attach(dp, PL_HOOK_FROM_POD, device());
	assert_int_equal(pl_datapath_attach(dp, PL_HOOK_TO_POD, device(), &err), -EBUSY);
	assert_non_null(strstr(err.text, "clsact"));
	assert_int_equal(list(dp).n, 1);
}

static void test_no_bpffs(void **state)
{
	struct pl_datapath_opts opts = options(PL_ATTACH_AUTO);
	struct pl_datapath *dp = NULL;
	struct pl_error err = {0};

	opts.bpffs_dir = "/proc/podlane";
	assert_int_equal(pl_datapath_open(&opts, &dp, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "mount -t bpf"));
	opts.bpffs_dir = "podlane";
	assert_int_equal(pl_datapath_open(&opts, &dp, &err), -EINVAL);
	opts = options(PL_ATTACH_AUTO);
	opts.max_endpoints = 1;
	assert_int_equal(pl_datapath_open(&opts, &dp, &err), -EINVAL);
	opts = options(PL_ATTACH_AUTO);
	opts.max_endpoints = UINT32_MAX;
	assert_int_equal(pl_datapath_open(&opts, &dp, &err), -ERANGE);
	assert_null(dp);
	assert_int_equal(pl_datapath_remove("/proc", &err), -ENOTSUP);
	assert_int_equal(pl_datapath_remove("/nowhere/podlane", &err), 0);
}

static void test_netkit_is_refused_by_name(void **state)
{
	pl_cleanup(close_it) struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	struct pl_error err = {0};
	int r = pl_datapath_attach(dp, PL_HOOK_FROM_NETKIT, device(), &err);

	/* A veth is none, whatever the kernel knows. */
	assert_int_equal(r, pl_datapath_features(dp)->netkit ? -ENXIO : -ENOTSUP);
	assert_non_null(strstr(err.text, "netkit"));
	detach(dp, PL_HOOK_FROM_NETKIT, device());
}

/* This host's ip may be older than netkit. */
static void add_netkit(void)
{
	const struct pl_nl_pair pair = {.name = "plk0", .peer_name = "plk1", .peer_netns_fd = -1};
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *batch = NULL;
	pl_cleanup(pl_nl_closep) struct pl_nl *nl = NULL;
	struct pl_error err = {0};

	assert_int_equal(pl_nl_open(-1, &nl, &err), 0);
	assert_int_equal(pl_nl_batch_new(nl, &batch), 0);
	assert_int_equal(pl_nl_add_netkit(batch, &pair, false), 0);
	if (pl_nl_batch_commit(batch, &err))
		fail_msg("add a netkit pair: %s", err.text);
}

static void attach_netkit(struct pl_datapath *dp)
{
	const uint32_t ifindex = if_nametoindex("plk0");
	struct pl_error err = {0};

	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_NETKIT, ifindex), PL_ATTACHED_NONE);
	attach(dp, PL_HOOK_FROM_NETKIT, ifindex);
	attach(dp, PL_HOOK_FROM_NETKIT, ifindex);
	/* Only the primary device takes programs. */
	assert_int_equal(pl_datapath_attach(dp, PL_HOOK_FROM_NETKIT, if_nametoindex("plk1"), &err),
			 -EACCES);
}

static int see_all(const struct pl_attachment *a, void *arg)
{
	enum pl_attach_kind *kinds = arg;

	kinds[a->hook] = a->kind;
	return 0;
}

/* Every way to attach that this kernel has, over a restart that changes the choice. */
static void test_every_kind_over_a_restart(void **state)
{
	const struct pl_ip ip = {AF_INET, {10, 1, 0, 5}};
	const struct pl_addr addr = {.endpoint = 3, .kind = PL_ADDR_POD};
	enum pl_attach_kind kinds[PL_HOOK_COUNT] = {0};
	struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	const bool netkit = pl_datapath_features(dp)->netkit;
	const uint32_t ifindex = device();
	struct pl_addr got;
	uint32_t old_prog;

	attach(dp, PL_HOOK_FROM_POD, ifindex);
	attach(dp, PL_HOOK_TO_POD, ifindex);
	if (netkit) {
		add_netkit();
		attach_netkit(dp);
	}
	assert_int_equal(pl_datapath_each_attachment(dp, see_all, kinds), 0);
	assert_int_equal(kinds[PL_HOOK_FROM_POD], automatic());
	assert_int_equal(kinds[PL_HOOK_TO_POD], automatic());
	assert_int_equal(kinds[PL_HOOK_FROM_NETKIT], netkit ? PL_ATTACHED_NETKIT : 0);
	assert_int_equal(pl_datapath_addr_set(dp, &ip, &addr), 0);
	old_prog = dp->prog_ids[netkit ? PROG_pl_from_netkit : PROG_pl_from_pod];
	close_it(&dp);

	dp = open_as(PL_ATTACH_CLSACT);
	assert_int_equal(pl_datapath_addr_get(dp, &ip, &got), 0);
	assert_int_equal(pl_datapath_each_attachment(dp, see_all, kinds), 0);
	assert_int_equal(kinds[PL_HOOK_FROM_POD], PL_ATTACHED_CLSACT);
	assert_int_equal(kinds[PL_HOOK_TO_POD], PL_ATTACHED_CLSACT);
	assert_int_equal(kinds[PL_HOOK_FROM_NETKIT], netkit ? PL_ATTACHED_NETKIT : 0);
	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex), PL_ATTACHED_CLSACT);
	assert_true(is_freed_soon(old_prog));
	detach(dp, PL_HOOK_FROM_POD, ifindex);
	detach(dp, PL_HOOK_TO_POD, ifindex);
	if (netkit) {
		const uint32_t primary = if_nametoindex("plk0");

		assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_NETKIT, primary),
				 PL_ATTACHED_NETKIT);
		detach(dp, PL_HOOK_FROM_NETKIT, primary);
		assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_NETKIT, primary),
				 PL_ATTACHED_NONE);
	}
	assert_int_equal(list(dp).n, 0);
	close_it(&dp);
	if (netkit)
		run("ip link del plk0");
}

/* A crash between a pin and its rename. */
static void test_half_way_pins(void **state)
{
	struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	pl_autoclose int fd = -1;
	char from[256], to[300];

	attach(dp, PL_HOOK_FROM_POD, device());
	fd = fcntl(dp->maps[MAP_pl_config], F_DUPFD_CLOEXEC, 3);
	close_it(&dp);
	assert_int_equal(bpf_obj_pin(fd, SET "/maps/pl_config-new"), 0);
	snprintf(from, sizeof(from), "%s", link_path(SET, "from_pod", have_tcx ? "" : "-clsact"));
	snprintf(to, sizeof(to), "%s-new", from);
	assert_int_equal(rename(from, to), 0);

	dp = open_as(PL_ATTACH_AUTO);
	assert_false(exists(SET "/maps/pl_config-new"));
	assert_false(exists(to));
	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, device()), automatic());
	assert_int_equal(list(dp).n, 1);
	close_it(&dp);
}

/* A crash before all maps were pinned. */
static void test_incomplete_set(void **state)
{
	struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	const uint32_t ifindex = device();

	attach(dp, PL_HOOK_FROM_POD, ifindex);
	close_it(&dp);
	assert_int_equal(unlink(SET "/maps/pl_devices"), 0);
	assert_int_equal(unlink(SET "/progs/pl_from_pod"), 0);
	dp = open_as(PL_ATTACH_AUTO);
	assert_true(exists(SET "/maps/pl_devices"));
	assert_true(exists(SET "/progs/pl_from_pod"));
	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex), automatic());
	close_it(&dp);
}

/*
 * Places to die at: whatever changes a pin or an attachment. These stand before libbpf's and
 * libc's functions of the same names.
 */
static unsigned int steps, die_at;

static void step(void)
{
	if (++steps == die_at)
		kill(getpid(), SIGKILL);
}

int bpf_obj_pin(int fd, const char *path)
{
	union bpf_attr attr = {.pathname = (uint64_t)(uintptr_t)path, .bpf_fd = (uint32_t)fd};

	step();
	return (int)syscall(SYS_bpf, BPF_OBJ_PIN, &attr, sizeof(attr));
}

int bpf_link_update(int link_fd, int new_prog_fd, const struct bpf_link_update_opts *opts)
{
	union bpf_attr attr = {.link_update.link_fd = (uint32_t)link_fd,
			       .link_update.new_prog_fd = (uint32_t)new_prog_fd};

	step();
	return (int)syscall(SYS_bpf, BPF_LINK_UPDATE, &attr, sizeof(attr));
}

int rename(const char *from, const char *to)
{
	step();
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* Opens with that size in a process that dies at the step; 0: it lives. Returns the steps made. */
static int open_and_die(uint32_t max_endpoints, unsigned int at)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		struct pl_datapath_opts opts = options(PL_ATTACH_AUTO);
		struct pl_datapath *dp = NULL;

		opts.max_endpoints = max_endpoints;
		opts.max_flows = max_endpoints;
		steps = 0;
		die_at = at;
		_exit(pl_datapath_open(&opts, &dp, NULL) || bring_all(dp, NULL) ? 0 : (int)steps);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(at ? WIFSIGNALED(status) : WIFEXITED(status));
	return at ? 0 : WEXITSTATUS(status);
}

/* Dead anywhere in a start that changes all sizes: attached always, contents kept. */
static void test_death_in_a_start(void **state)
{
	const uint64_t until = pl_now_ns() + 8ULL * 1000000000;
	const struct pl_ip ip = {AF_INET, {10, 1, 0, 5}};
	const struct pl_addr addr = {.endpoint = 3, .kind = PL_ADDR_POD};
	struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	const uint32_t ifindex = device();
	unsigned int points, died = 0;
	struct pl_addr got;

	attach(dp, PL_HOOK_FROM_POD, ifindex);
	pl_datapath_endpoints(dp)[3].ifindex = 77;
	assert_int_equal(pl_datapath_addr_set(dp, &ip, &addr), 0);
	close_it(&dp);
	points = (unsigned int)open_and_die(2 * ENDPOINTS, 0);
	assert_true(points > 20);
	/* From the last back, in strides: all of them where there is time. */
	for (unsigned int stride = 0; stride < 5; stride++)
		for (unsigned int at = points - stride; at > 0 && at <= points; at -= 5) {
			if (died > 5 && pl_now_ns() > until)
				break;
			open_and_die((died % 3 + 1) * ENDPOINTS + at, at);
			died++;
			if (have_tcx)
				assert_int_equal(count_tcx(ifindex, PL_BPF_TCX_INGRESS), 1);
			else
				assert_int_not_equal(filter_prog(ifindex, BPF_TC_INGRESS, PRIORITY,
								 HANDLE_FROM_POD),
						     0);
		}
	dp = open_as(PL_ATTACH_AUTO);
	assert_true(pl_datapath_adopted(dp));
	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex), automatic());
	assert_int_equal(list(dp).n, 1);
	assert_int_equal(pl_datapath_endpoints(dp)[3].ifindex, 77);
	assert_int_equal(pl_datapath_addr_get(dp, &ip, &got), 0);
	close_it(&dp);
	assert_int_equal(system("ls " SET "/* | grep -e -new"), 1 << 8);
}

/* A prog array that programs of another kind own: the kernel refuses to load ours with it. */
static void test_refused_map_is_rebuilt(void **state)
{
	struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	pl_autoclose int prog = load_foreign(BPF_PROG_TYPE_SOCKET_FILTER);
	const uint32_t ifindex = device(), slot = PL_PROG_MATCH;
	pl_autoclose int map = -1;

	attach(dp, PL_HOOK_FROM_POD, ifindex);
	pl_datapath_endpoints(dp)[3].ifindex = 77;
	close_it(&dp);
	map = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "pl_programs", 4, 4, PL_PROG_SLOTS, NULL);
	assert_true(map >= 0);
	assert_int_equal(bpf_map_update_elem(map, &slot, &prog, BPF_ANY), 0);
	assert_int_equal(unlink(SET "/maps/pl_programs"), 0);
	assert_int_equal(bpf_obj_pin(map, SET "/maps/pl_programs"), 0);

	dp = open_as(PL_ATTACH_AUTO);
	assert_int_equal(pl_datapath_endpoints(dp)[3].ifindex, 77);
	assert_int_equal(pl_datapath_attached(dp, PL_HOOK_FROM_POD, ifindex), automatic());
	close_it(&dp);
}

static int count_addr(const struct pl_ip *ip, const struct pl_addr *v, void *arg)
{
	uint64_t *sum = arg;

	*sum += v->endpoint + (ip->family == AF_INET6 ? 1000000 : 0);
	return 0;
}

static int stop_at_once(const struct pl_ip *ip, const struct pl_addr *v, void *arg)
{
	++*(unsigned int *)arg;
	return -ECANCELED;
}

static void test_walks(void **state)
{
	enum { N = 10000 };
	struct pl_datapath_opts opts = options(PL_ATTACH_AUTO);
	pl_cleanup(close_it) struct pl_datapath *dp = NULL;
	unsigned int calls = 0;
	uint64_t sum = 0;

	opts.max_endpoints = N / 4;
	dp = open_with(&opts);
	for (uint32_t i = 1; i <= N; i++) {
		struct pl_ip ip = {AF_INET,
				   {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
		struct pl_addr v = {.endpoint = i};

		assert_int_equal(pl_datapath_addr_set(dp, &ip, &v), 0);
		if (i > 2)
			continue;
		ip.family = AF_INET6;
		assert_int_equal(pl_datapath_addr_set(dp, &ip, &v), 0);
	}
	assert_int_equal(pl_datapath_addr_each(dp, count_addr, &sum), 0);
	assert_int_equal(sum, (uint64_t)N * (N + 1) / 2 + 2000003);
	assert_int_equal(pl_datapath_addr_each(dp, stop_at_once, &calls), -ECANCELED);
	assert_int_equal(calls, 1);
	assert_int_equal(pl_datapath_addr_set(dp, &(struct pl_ip){0}, &(struct pl_addr){0}),
			 -EAFNOSUPPORT);
}

static int count_one(const void *key, const void *value, void *arg)
{
	++*(uint32_t *)arg;
	return 0;
}

/* Maps without batch operations are walked key by key. */
static void test_walk_without_batches(void **state)
{
	enum { N = 100 };
	struct bpf_devmap_val v = {.ifindex = device()};
	pl_autoclose int fd = bpf_map_create(BPF_MAP_TYPE_DEVMAP_HASH, "walked", 4, 4, N, NULL);
	uint32_t n = 0;

	assert_true(fd >= 0);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(bpf_map_update_elem(fd, &i, &v.ifindex, BPF_ANY), 0);
	assert_int_equal(dp_map_walk(fd, count_one, &n), 0);
	assert_int_equal(n, N);
}

static int count_rows(const struct pl_reason_key *key, const struct pl_count *sum, void *arg)
{
	unsigned int *rows = arg;

	rows[key->endpoint]++;
	return 0;
}

static void test_reset_of_an_endpoint(void **state)
{
	pl_cleanup(close_it) struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	unsigned int rows[ENDPOINTS] = {0};
	struct pl_traffic traffic;

	for (uint32_t id = 1; id <= 2; id++) {
		pl_datapath_endpoints(dp)[id].ifindex = 70 + id;
		put_traffic(dp, id, 5);
		put_reason(dp, id, PL_PASS_ARP, 7);
		put_reason(dp, id, PL_DROP_SPOOFED_ND, 1);
		put_flow(dp, id, (uint16_t)id);
	}
	put_traffic(dp, PL_NODE, 1);
	put_traffic(dp, 4, 1); /* not in use: not shown */
	assert_int_equal(pl_datapath_reasons_each(dp, count_rows, rows), 0);
	assert_int_equal(rows[PL_NODE], 1);
	assert_int_equal(rows[1], 3);
	assert_int_equal(rows[2], 3);
	assert_int_equal(rows[4], 0);

	assert_int_equal(pl_datapath_endpoint_reset(dp, 1), 0);
	memset(rows, 0, sizeof(rows));
	assert_int_equal(pl_datapath_reasons_each(dp, count_rows, rows), 0);
	assert_int_equal(rows[1], 0);
	assert_int_equal(rows[2], 3);
	assert_int_equal(pl_datapath_traffic(dp, 1, &traffic), 0);
	assert_int_equal(traffic.forwarded[PL_IN].packets, 0);
	/* The slot's flows are void with its generation, and the next sweep takes them away. */
	pl_datapath_endpoints(dp)[1].generation++;
	assert_int_equal(pl_datapath_flows_sweep(dp), 0);
	assert_false(flow_exists(dp, 1));
	assert_true(flow_exists(dp, 2));
	assert_int_equal(pl_datapath_endpoint_reset(dp, ENDPOINTS), -ERANGE);
}

static bool network_exists(struct pl_datapath *dp, const char *text)
{
	struct pl_prefix p;
	struct pl_net6 key = {0};
	struct pl_network v;

	assert_int_equal(pl_prefix_parse(text, &p), 0);
	key.prefixlen = p.len;
	memcpy(key.addr, p.ip.bytes, sizeof(key.addr));
	return !bpf_map_lookup_elem(
		dp->maps[p.ip.family == AF_INET ? MAP_pl_networks4 : MAP_pl_networks6], &key, &v);
}

static struct pl_network_rule network_rule(const char *text)
{
	struct pl_network_rule rule = {.except = *text == '!'};

	assert_int_equal(pl_prefix_parse(text + rule.except, &rule.net), 0);
	return rule;
}

static void test_networks(void **state)
{
	pl_cleanup(close_it) struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	const struct pl_network_rule nets[] = {
		network_rule("10.1.2.3/16"),
		network_rule("192.168.0.0/24"),
		network_rule("fd00::1/64"),
	};
	struct pl_error err = {0};

	assert_int_equal(pl_datapath_networks_set(dp, nets, 3, &err), 0);
	assert_int_equal(pl_datapath_config(dp)->native4, 2);
	assert_int_equal(pl_datapath_config(dp)->native6, 1);
	assert_true(network_exists(dp, "10.1.255.255"));
	assert_true(network_exists(dp, "192.168.0.1"));
	assert_true(network_exists(dp, "fd00::2"));

	assert_int_equal(pl_datapath_networks_set(dp, nets, 1, &err), 0);
	assert_int_equal(pl_datapath_config(dp)->native4, 1);
	assert_int_equal(pl_datapath_config(dp)->native6, 0);
	assert_true(network_exists(dp, "10.1.255.255"));
	assert_false(network_exists(dp, "192.168.0.1"));
	assert_false(network_exists(dp, "fd00::2"));
}

static bool is_native(struct pl_datapath *dp, const char *text)
{
	struct pl_prefix p;
	struct pl_net6 key = {0};
	struct pl_network v = {0};

	assert_int_equal(pl_prefix_parse(text, &p), 0);
	key.prefixlen = p.len;
	memcpy(key.addr, p.ip.bytes, sizeof(key.addr));
	(void)bpf_map_lookup_elem(
		dp->maps[p.ip.family == AF_INET ? MAP_pl_networks4 : MAP_pl_networks6], &key, &v);
	return v.native;
}

static void test_excepted_networks(void **state)
{
	pl_cleanup(close_it) struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	const struct pl_network_rule rules[] = {
		network_rule("10.0.0.0/8"),    network_rule("!10.96.0.0/12"),
		network_rule("10.96.5.0/24"),  network_rule("fd00::/16"),
		network_rule("!fd00:1::/108"), network_rule("!192.0.2.0/24"),
	};
	struct pl_error err = {0};

	assert_int_equal(pl_datapath_networks_set(dp, rules, PL_ARRAY_SIZE(rules), &err), 0);
	assert_int_equal(pl_datapath_config(dp)->native4, 2);
	assert_int_equal(pl_datapath_config(dp)->native6, 1);
	assert_true(is_native(dp, "10.95.255.255"));
	assert_false(is_native(dp, "10.96.0.1"));
	assert_false(is_native(dp, "10.111.255.255"));
	assert_true(is_native(dp, "10.96.5.1"));
	assert_true(is_native(dp, "10.112.0.0"));
	assert_false(is_native(dp, "192.0.2.1"));
	assert_true(is_native(dp, "fd00:1::10:0"));
	assert_false(is_native(dp, "fd00:1::f:0"));

	/* What was excepted may become native, and native ones holes. */
	assert_int_equal(pl_datapath_networks_set(dp, rules, 1, &err), 0);
	assert_true(is_native(dp, "10.96.0.1"));
	assert_int_equal(pl_datapath_networks_set(dp, rules, 2, &err), 0);
	assert_false(is_native(dp, "10.96.5.1"));
	/* Exceptions alone: nothing is native, and nothing is looked up. */
	assert_int_equal(pl_datapath_networks_set(dp, rules + 5, 1, &err), 0);
	assert_int_equal(pl_datapath_config(dp)->native4, 0);
	assert_false(is_native(dp, "10.1.1.1"));
}

/* Whatever decides about a way out of the node voids what the programs remember of it. */
static void test_routes_are_forgotten(void **state)
{
	const struct pl_addr pod = {.endpoint = 1, .kind = PL_ADDR_POD};
	const struct pl_device uplink = {.role = PL_ROLE_UPLINK};
	pl_cleanup(close_it) struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	const struct pl_config *config = pl_datapath_config(dp);
	uint32_t epoch = config->epoch;
	struct pl_error err = {0};
	const struct pl_network_rule net = network_rule("10.1.0.0/16");
	struct pl_ip ip;

	assert_int_equal(pl_ip_parse("10.1.2.3", &ip), 0);
	assert_int_equal(pl_datapath_addr_set(dp, &ip, &pod), 0);
	assert_int_not_equal(config->epoch, epoch);
	epoch = config->epoch;
	assert_int_equal(pl_datapath_addr_del(dp, &ip), 0);
	assert_int_not_equal(config->epoch, epoch);
	epoch = config->epoch;
	assert_int_equal(pl_datapath_link_set(dp, 77, &uplink), 0);
	assert_int_not_equal(config->epoch, epoch);
	epoch = config->epoch;
	assert_int_equal(pl_datapath_link_del(dp, 77), 0);
	assert_int_not_equal(config->epoch, epoch);
	epoch = config->epoch;
	assert_int_equal(pl_datapath_networks_set(dp, &net, 1, &err), 0);
	assert_int_not_equal(config->epoch, epoch);
}

static void test_mirrors(void **state)
{
	const struct pl_mirror m = {
		.target = 5, .flags = PL_MIRROR_ACTIVE | PL_MIRROR_DROPS, .id = 9};
	pl_cleanup(close_it) struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	pl_autofree struct pl_mirror_stats *per_cpu = calloc((size_t)dp->cpus, sizeof(*per_cpu));
	const struct pl_mirror_state used = {.sent = 3};
	const uint32_t slot = 7;
	struct pl_mirror_stats stats;
	struct pl_mirror_state mstate;
	struct pl_mirror got;

	assert_int_equal(pl_datapath_mirror_set(dp, slot, &m), 0);
	assert_int_equal(pl_datapath_mirror_set(dp, slot, &m), 0);
	assert_int_equal(pl_datapath_mirror_get(dp, slot, &got), 0);
	assert_memory_equal(&got, &m, sizeof(m));
	assert_int_equal(pl_datapath_mirror_set(dp, PL_MIRRORS_MAX, &m), -ENOENT);

	for (int cpu = 0; cpu < dp->cpus; cpu++)
		per_cpu[cpu].sent = 2;
	per_cpu[0].last_error = -19;
	assert_int_equal(
		bpf_map_update_elem(dp->maps[MAP_pl_mirror_stats], &slot, per_cpu, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(dp->maps[MAP_pl_mirror_state], &slot, &used, BPF_ANY),
			 0);
	assert_int_equal(pl_datapath_mirror_stats(dp, slot, &stats), 0);
	assert_int_equal(stats.sent, 2 * dp->cpus);
	assert_int_equal(stats.last_error, -19);
	assert_int_equal(pl_datapath_mirror_reset(dp, slot), 0);
	assert_int_equal(pl_datapath_mirror_stats(dp, slot, &stats), 0);
	assert_int_equal(stats.sent, 0);
	assert_int_equal(stats.last_error, 0);
	assert_int_equal(pl_datapath_mirror_state(dp, slot, &mstate), 0);
	assert_int_equal(mstate.sent, 0);
}

static void test_program_slots(void **state)
{
	struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	pl_autoclose int prog = load_foreign(BPF_PROG_TYPE_SCHED_CLS);
	const uint32_t mirror = PL_PROG_MIRROR, match = PL_PROG_MATCH;
	uint32_t id;

	assert_int_equal(bpf_map_lookup_elem(pl_datapath_programs_fd(dp), &mirror, &id), 0);
	assert_int_equal(id, dp->prog_ids[PROG_pl_mirror]);
	assert_int_equal(pl_datapath_program_set(dp, PL_PROG_MATCH, prog), 0);
	close_it(&dp);

	/* The array is pinned, so the program outlives us. */
	dp = open_as(PL_ATTACH_AUTO);
	assert_int_equal(bpf_map_lookup_elem(pl_datapath_programs_fd(dp), &match, &id), 0);
	assert_int_equal(bpf_map_lookup_elem(pl_datapath_programs_fd(dp), &mirror, &id), 0);
	assert_int_equal(id, dp->prog_ids[PROG_pl_mirror]);
	assert_int_equal(pl_datapath_program_set(dp, PL_PROG_MATCH, -1), 0);
	assert_int_equal(pl_datapath_program_set(dp, PL_PROG_MATCH, -1), 0);
	assert_int_equal(bpf_map_lookup_elem(pl_datapath_programs_fd(dp), &match, &id), -ENOENT);
	close_it(&dp);
}

static char read_char(const char *path)
{
	pl_autoclose int fd = open(path, O_RDONLY);
	char c = 0;

	return fd >= 0 && read(fd, &c, 1) == 1 ? c : 0;
}

/* On a file that stands for the kernel's: others on this machine may be using that. */
static void test_expedite(void **state)
{
	struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	char knob[] = "/run/knob-XXXXXX";
	pl_autoclose int fd = mkstemp(knob);
	struct dp_expedite expedite, next;

	assert_int_equal(write(fd, "0\n", 2), 2);
	dp_expedite_open(&expedite, ROOT, knob);
	dp_expedite_begin(&expedite);
	assert_int_equal(read_char(knob), '1');
	dp_expedite_end(&expedite);
	assert_int_equal(read_char(knob), '0');

	/* Died meanwhile: the next start puts it back. */
	dp_expedite_begin(&expedite);
	dp_expedite_open(&next, ROOT, knob);
	assert_int_equal(read_char(knob), '0');
	dp_expedite_close(&expedite);

	/* Set by the administrator: left alone. */
	assert_int_equal(pwrite(fd, "1\n", 2, 0), 2);
	dp_expedite_begin(&next);
	dp_expedite_end(&next);
	assert_int_equal(read_char(knob), '1');
	dp_expedite_close(&next);
	dp_expedite_open(&next, ROOT, "/nowhere/knob");
	dp_expedite_begin(&next);
	dp_expedite_end(&next);
	unlink(knob);
	close_it(&dp);
}

/* Also after attachments that failed. */
static void test_rcu_is_left_as_it_was(void **state)
{
	struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	struct pl_error err = {0};

	if (read_char(DP_RCU_EXPEDITED) != '0') {
		close_it(&dp);
		print_message("# skip: grace periods are expedited here in any case\n");
		skip();
	}
	attach(dp, PL_HOOK_FROM_POD, device());
	assert_int_not_equal(pl_datapath_attach(dp, PL_HOOK_FROM_POD, 123456, &err), 0);
	detach(dp, PL_HOOK_FROM_POD, device());
	assert_false(exists(ROOT "/rcu_expedited"));
	/* Another podlane on this machine may be attaching just now. */
	for (int i = 0; i < 200 && read_char(DP_RCU_EXPEDITED) != '0'; i++)
		usleep(10000);
	assert_int_equal(read_char(DP_RCU_EXPEDITED), '0');
	close_it(&dp);
}

static void test_remove_leaves_nothing(void **state)
{
	struct pl_datapath *dp = open_as(PL_ATTACH_AUTO);
	const uint32_t ifindex = device();
	struct pl_error err = {0};

	attach(dp, PL_HOOK_FROM_POD, ifindex);
	close_it(&dp);
	dp = open_as(PL_ATTACH_CLSACT);
	attach(dp, PL_HOOK_TO_POD, ifindex);
	close_it(&dp);
	assert_int_equal(pl_datapath_remove(ROOT, &err), 0);
	assert_int_equal(pl_datapath_remove(ROOT, &err), 0);
	assert_false(exists(ROOT));
	assert_int_equal(filter_prog(ifindex, BPF_TC_INGRESS, PRIORITY, HANDLE_FROM_POD), 0);
	assert_int_equal(filter_prog(ifindex, BPF_TC_EGRESS, PRIORITY, HANDLE_FROM_POD + 1), 0);
	if (have_tcx)
		assert_int_equal(count_tcx(ifindex, PL_BPF_TCX_INGRESS), 0);
}

/* Own namespaces even where the runner has made some: a run by hand must be harmless too. */
static int enter_namespaces(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=755") || mkdir("/run/netns", 0755) ||
	    mount("bpf", BPFFS, "bpf", 0, NULL))
		return -errno;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		ROW(test_open_makes_readable_pins),
		ROW(test_second_daemon_is_refused),
		ROW(test_contents_survive),
		ROW(test_every_kind_over_a_restart),
		ROW(test_tcx),
		ROW(test_clsact),
		ROW(test_restart_keeps_the_link),
		ROW(test_changed_choice),
		ROW(test_other_size_swaps),
		ROW(test_device_gone),
		ROW(test_device_gone_while_away),
		ROW(test_device_moved),
		ROW(test_someone_detached_us),
		ROW(test_others_stay),
		ROW(test_our_place_taken),
		ROW(test_plain_ingress_qdisc),
		ROW(test_no_bpffs),
		ROW(test_netkit_is_refused_by_name),
		ROW(test_half_way_pins),
		ROW(test_incomplete_set),
		ROW(test_death_in_a_start),
		ROW(test_refused_map_is_rebuilt),
		ROW(test_walks),
		ROW(test_walk_without_batches),
		ROW(test_reset_of_an_endpoint),
		ROW(test_networks),
		ROW(test_excepted_networks),
		ROW(test_routes_are_forgotten),
		ROW(test_mirrors),
		ROW(test_program_slots),
		ROW(test_expedite),
		ROW(test_rcu_is_left_as_it_was),
		ROW(test_remove_leaves_nothing),
	};
	/* Elsewhere a load takes seconds: no more than what another kernel can change. */
	const struct CMUnitTest other_kernel_tests[] = {
		ROW(test_every_kind_over_a_restart),
		ROW(test_no_bpffs),
		ROW(test_walk_without_batches),
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
	if (getenv("PODLANE_KERNEL_TEST"))
		return cmocka_run_group_tests(other_kernel_tests, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
