/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The link of a pod, of each kind, made in two network namespaces of the test's own: what the
 * record says is what both ends are. Also where the kernel has its own mind about netkit's MACs.
 */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <cmocka.h>
#include "endpoint/link.h"

struct world {
	int old_netns;
	int pod;
	struct pl_nl *nl; /* on the host */
};

static const struct pl_mac host_mac = {{0x02, 0, 0, 0, 0, 0x01}};
static const struct pl_mac pod_mac = {{0x02, 0, 0, 0, 0, 0x02}};
static const uint8_t as_l2[] = {8, 0, 5, 0, 0, 0, 0, 0}; /* IFLA_NETKIT_MODE of an L2 link */

static bool netkit_takes_no_mac;

/*
 * Takes the place of the C library's. A kernel before d6fe532b7499 answers a netkit link with a MAC
 * by EOPNOTSUPP; so does every kernel where the mode is L3.
 */
ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
	       socklen_t to_len)
{
	uint8_t *mode = netkit_takes_no_mac ? memmem(buf, len, as_l2, sizeof(as_l2)) : NULL;

	if (mode && memmem(buf, len, &pod_mac, sizeof(pod_mac)))
		mode[4] = 1;
	return syscall(SYS_sendto, fd, buf, len, flags, to, to_len);
}

static int own_netns(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->old_netns = own_netns();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	w->pod = own_netns();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(pl_nl_open(-1, &w->nl, NULL), 0);
	netkit_takes_no_mac = false;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	pl_nl_close(w->nl);
	assert_int_equal(setns(w->old_netns, CLONE_NEWNET), 0);
	close(w->old_netns);
	close(w->pod);
	free(w);
	return 0;
}

static struct pl_record record(uint8_t kind)
{
	struct pl_record rec = {
		.host_ifname = "host0",
		.ifname = "eth0",
		.link_kind = kind,
		.mtu = 1400,
		.host_mac = host_mac,
		.pod_mac = pod_mac,
		.n_addrs = 2,
	};

	assert_int_equal(pl_prefix_parse("10.1.0.2/32", &rec.addrs[0].ip), 0);
	assert_int_equal(pl_prefix_parse("fd00::2/128", &rec.addrs[1].ip), 0);
	return rec;
}

/* Asked for nothing that a kernel with netkit may refuse. */
static bool has_netkit(struct world *w)
{
	const struct pl_nl_pair pair = {
		.name = "probe", .peer_name = "probed", .peer_netns_fd = w->pod, .mtu = 1400};
	struct pl_nl_batch *b;
	struct pl_nl_link link;
	int r;

	assert_int_equal(pl_nl_batch_new(w->nl, &b), 0);
	pl_nl_add_netkit(b, &pair, false);
	pl_nl_read_link(b, pair.name, 0, &link);
	r = pl_nl_batch_commit(b, NULL);
	if (!r) {
		pl_nl_del_link(b, pair.name, link.ifindex);
		assert_int_equal(pl_nl_batch_commit(b, NULL), 0);
	}
	pl_nl_batch_freep(&b);
	return !r;
}

/* *ret_pod_end as the pod sees it. Skips where the kernel lacks the kind. */
static struct pl_record make(struct world *w, uint8_t kind, struct pl_nl_link *ret_host_end,
			     struct pl_nl_link *ret_pod_end)
{
	struct pl_record rec = record(kind);
	struct pl_podlink_routes routes;
	struct pl_error err = {0};
	json_t *differences = json_array();
	struct pl_nl *pod;
	int r;

	if (kind != PL_LINK_VETH && !has_netkit(w)) {
		json_decref(differences);
		print_message("# skip: this kernel has no netkit\n");
		skip();
	}
	assert_int_equal(pl_podlink_routes(&rec, NULL, &routes, &err), 0);
	r = pl_podlink_create(w->nl, w->pod, &rec, &routes, ret_host_end, &err);
	if (r < 0)
		fail_msg("%s", err.text);
	/* Neighbours, too: they bear the MACs of the record. */
	assert_int_equal(pl_podlink_check(w->nl, w->pod, &rec, &routes, differences, &err), 0);
	if (json_array_size(differences))
		fail_msg("%s", json_string_value(json_array_get(differences, 0)));
	json_decref(differences);
	assert_int_equal(pl_nl_open(w->pod, &pod, &err), 0);
	assert_int_equal(pl_nl_link_get(pod, "eth0", 0, ret_pod_end), 0);
	pl_nl_close(pod);
	assert_int_equal(rec.ifindex, ret_host_end->ifindex);
	assert_int_equal(rec.pod_ifindex, ret_pod_end->ifindex);
	return rec;
}

static void assert_mac(const struct pl_mac *a, const struct pl_mac *b)
{
	assert_memory_equal(a, b, sizeof(*a));
}

static void test_veth(void **state)
{
	struct pl_nl_link host_end, pod_end;

	make(*state, PL_LINK_VETH, &host_end, &pod_end);
	assert_mac(&host_end.mac, &host_mac);
	assert_mac(&pod_end.mac, &pod_mac);
}

static void test_netkit_l2(void **state)
{
	struct pl_nl_link host_end, pod_end;

	make(*state, PL_LINK_NETKIT_L2, &host_end, &pod_end);
	assert_mac(&host_end.mac, &host_mac);
	assert_mac(&pod_end.mac, &pod_mac);
}

static void test_netkit_l2_takes_no_mac(void **state)
{
	struct pl_nl_link host_end, pod_end;
	struct pl_record rec;

	netkit_takes_no_mac = true;
	rec = make(*state, PL_LINK_NETKIT_L2, &host_end, &pod_end);
	assert_int_equal(host_end.netkit_mode, 1);
	assert_memory_not_equal(&pod_end.mac, &pod_mac, sizeof(pod_mac));
	assert_mac(&rec.host_mac, &host_end.mac);
	assert_mac(&rec.pod_mac, &pod_end.mac);
}

static void test_netkit_l3(void **state)
{
	static const struct pl_mac none;
	struct pl_nl_link host_end, pod_end;
	struct pl_record rec = make(*state, PL_LINK_NETKIT_L3, &host_end, &pod_end);

	assert_int_equal(host_end.netkit_mode, 2);
	assert_mac(&rec.pod_mac, &none);
}

static void test_nothing_is_left(void **state)
{
	struct world *w = *state;
	struct pl_nl_link link;
	struct pl_record rec = record(PL_LINK_VETH);
	struct pl_podlink_routes routes;
	struct pl_error err = {0};

	assert_int_equal(pl_podlink_routes(&rec, NULL, &routes, &err), 0);
	assert_int_equal(pl_prefix_parse("10.2.0.1/32", &routes.v[0].dst), 0);
	routes.v[1] = routes.v[0]; /* the second of these cannot be added */
	assert_int_equal(pl_podlink_create(w->nl, w->pod, &rec, &routes, &link, &err), -EEXIST);
	assert_int_equal(rec.ifindex, 0);
	assert_int_equal(pl_nl_link_get(w->nl, "host0", 0, &link), -ENODEV);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_veth),	   T(test_netkit_l2),	    T(test_netkit_l2_takes_no_mac),
		T(test_netkit_l3), T(test_nothing_is_left),
	};
#undef T

	if (getuid()) {
		printf("1..0 # SKIP needs root: network namespaces\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
