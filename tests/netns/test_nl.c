/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rtnetlink against the running kernel. Each test has two network namespaces of its own:
 *
 *   host (the thread sits here) ---- pod (an fd)
 *
 * They vanish with the test, and all links in them.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "netlink/netlink.h"

struct world {
	int old_netns;
	int pod;
	struct pl_nl *nl;      /* in host */
	struct pl_nl_batch *b; /* on nl */
	struct pl_error err;
};

/* Takes the place of the C library's, so that a test can bar the way back. */
static int setns_calls_to_go = -1;

int setns(int fd, int type)
{
	if (setns_calls_to_go > 0 && --setns_calls_to_go == 0) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_setns, fd, type);
}

static int own_netns(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static ino_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->old_netns = own_netns();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	w->pod = own_netns();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(pl_nl_open(-1, &w->nl, &w->err), 0);
	assert_int_equal(pl_nl_batch_new(w->nl, &w->b), 0);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	pl_nl_batch_freep(&w->b);
	pl_nl_close(w->nl);
	assert_int_equal(setns(w->old_netns, CLONE_NEWNET), 0);
	close(w->old_netns);
	close(w->pod);
	free(w);
	return 0;
}

static struct pl_nl *open_pod(struct world *w)
{
	struct pl_nl *nl;

	assert_int_equal(pl_nl_open(w->pod, &nl, &w->err), 0);
	return nl;
}

static void commit(struct world *w, struct pl_nl_batch *b)
{
	if (pl_nl_batch_commit(b, &w->err) < 0)
		fail_msg("%s", w->err.text);
}

static struct pl_prefix prefix(const char *text)
{
	struct pl_prefix p;

	assert_int_equal(pl_prefix_parse(text, &p), 0);
	return p;
}

static struct pl_ip ip(const char *text)
{
	struct pl_ip a;

	assert_int_equal(pl_ip_parse(text, &a), 0);
	return a;
}

static const struct pl_mac host_mac = {{0x02, 0, 0, 0, 0, 0x01}};
static const struct pl_mac pod_mac = {{0x02, 0, 0, 0, 0, 0x02}};

/* veth "host0" here, "eth0" in the pod. */
static struct pl_nl_link make_pair(struct world *w)
{
	struct pl_nl_pair pair = {
		.name = "host0",
		.peer_name = "eth0",
		.peer_netns_fd = w->pod,
		.mac = host_mac,
		.peer_mac = pod_mac,
		.mtu = 1400,
	};
	struct pl_nl_link link = {0};

	pl_nl_add_veth(w->b, &pair);
	pl_nl_read_link(w->b, "host0", 0, &link);
	commit(w, w->b);
	return link;
}

/* A veth pair here, both up. */
static struct pl_nl_link make_local_pair(struct world *w, const char *name, const char *peer)
{
	struct pl_nl_pair pair = {.name = name, .peer_name = peer, .peer_netns_fd = -1};
	struct pl_nl_link link = {0};

	pl_nl_add_veth(w->b, &pair);
	pl_nl_read_link(w->b, name, 0, &link);
	commit(w, w->b);
	pl_nl_set_up(w->b, link.ifindex, true);
	pl_nl_set_up(w->b, link.peer_ifindex, true);
	commit(w, w->b);
	return link;
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" has no \"%s\"", text, part);
}

static void run(const char *command)
{
	/* NOLINTNEXTLINE(cert-env33-c): the command is the test's own. */
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

/* Sockets in other namespaces. */

static void test_open_refuses_what_is_no_netns(void **state)
{
	struct world *w = *state;
	struct pl_nl *nl = NULL;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(pl_nl_open(null, &nl, &w->err), -EINVAL);
	assert_null(nl);
	assert_contains(w->err.text, "is not a network namespace");
	close(null);
}

static int count_link(const struct pl_nl_link *link, void *arg)
{
	(*(unsigned int *)arg)++;
	return 0;
}

static void test_open_comes_back(void **state)
{
	struct world *w = *state;
	int before = own_netns();
	struct pl_nl *pod = open_pod(w);
	int after = own_netns();
	unsigned int n = 0;
	struct pl_nl_link link;

	assert_int_equal(inode_of(before), inode_of(after));
	close(before);
	close(after);
	make_pair(w);
	/* lo, eth0, and whatever tunnels the kernel puts into each netns: not host0. */
	assert_int_equal(pl_nl_link_dump(pod, count_link, &n), 0);
	assert_true(n >= 2);
	assert_int_equal(pl_nl_link_get(pod, "host0", 0, &link), -ENODEV);
	assert_int_equal(pl_nl_link_get(pod, "eth0", 0, &link), 0);
	pl_nl_close(pod);
}

static void test_never_stays_in_a_pod(void **state)
{
	struct world *w = *state;
	struct pl_nl *nl;
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		/* The sentence on stderr is for people, not for the report. */
		close(STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		setns_calls_to_go = 2;
		pl_nl_open(w->pod, &nl, &w->err);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* Pairs. */

static void test_pair_into_a_netns(void **state)
{
	struct world *w = *state;
	struct pl_nl_link host = make_pair(w);
	struct pl_nl *pod = open_pod(w);
	struct pl_nl_link eth;
	int32_t nsid = -7;

	assert_true(host.ifindex > 0);
	assert_string_equal(host.name, "host0");
	assert_string_equal(host.kind, "veth");
	assert_int_equal(host.mtu, 1400);
	assert_memory_equal(&host.mac, &host_mac, sizeof(host_mac));
	assert_int_equal(host.flags & IFF_UP, 0);
	assert_true(host.peer_ifindex > 0);

	assert_int_equal(pl_nl_nsid_get(w->nl, w->pod, &nsid), 0);
	assert_int_equal(host.peer_nsid, nsid);

	assert_int_equal(pl_nl_link_get_in(w->nl, nsid, NULL, host.peer_ifindex, &eth), 0);
	assert_string_equal(eth.name, "eth0");
	assert_int_equal(pl_nl_link_get(pod, "eth0", 0, &eth), 0);
	assert_int_equal(eth.ifindex, host.peer_ifindex);
	assert_int_equal(eth.peer_ifindex, host.ifindex);
	assert_int_not_equal(eth.peer_nsid, PL_NL_NSID_HERE);
	assert_int_equal(eth.mtu, 1400);
	assert_memory_equal(&eth.mac, &pod_mac, sizeof(pod_mac));
	pl_nl_close(pod);
}

static void test_pair_in_one_netns(void **state)
{
	struct world *w = *state;
	struct pl_nl_link a = make_local_pair(w, "a0", "b0");
	struct pl_nl_link b;
	int32_t nsid = -7;

	assert_int_equal(pl_nl_link_get(w->nl, NULL, a.peer_ifindex, &b), 0);
	assert_string_equal(b.name, "b0");
	assert_int_equal(a.peer_nsid, PL_NL_NSID_HERE);
	assert_int_equal(b.peer_nsid, PL_NL_NSID_HERE);
	assert_true(b.flags & IFF_UP);
	assert_true(b.flags & IFF_LOWER_UP);
	/* Nothing leads to the pod: it has no number. */
	assert_int_equal(pl_nl_nsid_get(w->nl, w->pod, &nsid), -ENOENT);
	assert_int_equal(nsid, -7);
}

static void test_pair_with_chosen_indexes(void **state)
{
	struct world *w = *state;
	struct pl_nl_pair pair = {
		.name = "host0",
		.peer_name = "eth0",
		.peer_netns_fd = w->pod,
		.ifindex = 70001,
		.peer_ifindex = 70002,
	};
	struct pl_nl_link link;

	pl_nl_add_veth(w->b, &pair);
	pl_nl_read_link(w->b, NULL, 70001, &link);
	commit(w, w->b);
	assert_string_equal(link.name, "host0");
	assert_int_equal(link.peer_ifindex, 70002);
	pair.ifindex = 0;
	assert_int_equal(pl_nl_add_veth(w->b, &pair), -EINVAL);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -EINVAL);
}

static void test_stranger_of_the_same_name_is_left_alone(void **state)
{
	struct world *w = *state;
	struct pl_nl_pair pair = {
		.name = "host0",
		.peer_name = "other",
		.peer_netns_fd = -1,
		.ifindex = 70001,
	};
	struct pl_nl_link stranger = make_pair(w);
	struct pl_nl_link read = {0};
	struct pl_nl_link now;

	pl_nl_add_veth(w->b, &pair);
	pl_nl_read_link(w->b, "host0", 0, &read);
	pl_nl_set_up(w->b, stranger.ifindex, true);
	pl_nl_del_link(w->b, "host0", 0);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -EEXIST);
	assert_contains(w->err.text, "create veth link host0: File exists");
	assert_int_equal(read.ifindex, 0);
	assert_int_equal(pl_nl_link_get(w->nl, "host0", 0, &now), 0);
	assert_int_equal(now.ifindex, stranger.ifindex);
	assert_int_equal(now.flags & IFF_UP, 0);
}

static void test_made_link_is_told_though_the_rest_fails(void **state)
{
	struct world *w = *state;
	struct pl_nl_pair pair = {.name = "host0", .peer_name = "eth0", .peer_netns_fd = w->pod};
	struct pl_nl_link made = {0};

	pl_nl_add_veth(w->b, &pair);
	pl_nl_read_link(w->b, "host0", 0, &made);
	pl_nl_set_up(w->b, 99999, true);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -ENODEV);
	assert_contains(w->err.text, "change device 99999: No such device");
	assert_true(made.ifindex > 0);
	/* The batch is empty again, and of use. */
	pl_nl_del_link(w->b, NULL, made.ifindex);
	commit(w, w->b);
}

/* Addresses, routes, neighbours. */

struct found {
	const char *text; /* what is looked for */
	unsigned int n;
	struct pl_nl_addr addr;
	struct pl_nl_route route;
	struct pl_nl_neigh neigh;
};

static int find_addr(const struct pl_nl_addr *addr, void *arg)
{
	struct found *f = arg;
	char text[PL_PREFIX_STRLEN];

	if (strcmp(pl_prefix_format(&addr->ip, text), f->text) == 0) {
		f->addr = *addr;
		f->n++;
	}
	return 0;
}

static int find_route(const struct pl_nl_route *route, void *arg)
{
	struct found *f = arg;
	char text[PL_PREFIX_STRLEN];

	if (route->table == RT_TABLE_MAIN &&
	    strcmp(pl_prefix_format(&route->dst, text), f->text) == 0) {
		f->route = *route;
		f->n++;
	}
	return 0;
}

static int find_neigh(const struct pl_nl_neigh *neigh, void *arg)
{
	struct found *f = arg;
	char text[PL_IP_STRLEN];

	if (strcmp(pl_ip_format(&neigh->ip, text), f->text) == 0) {
		f->neigh = *neigh;
		f->n++;
	}
	return 0;
}

static struct found addr_of(struct pl_nl *nl, const char *text)
{
	struct found f = {.text = text};

	assert_int_equal(pl_nl_addr_dump(nl, find_addr, &f), 0);
	return f;
}

static struct found route_of(struct pl_nl *nl, const char *text)
{
	struct found f = {.text = text};

	assert_int_equal(pl_nl_route_dump(nl, 0, find_route, &f), 0);
	return f;
}

static void queue_family(struct pl_nl_batch *b, uint32_t ifindex, const char *addr,
			 const char *gateway, const char *any)
{
	struct pl_prefix p = prefix(addr);
	struct pl_prefix gw = prefix(gateway);
	struct pl_nl_route link_route = {.dst = gw, .oif = ifindex, .scope = RT_SCOPE_LINK};
	struct pl_nl_route default_route = {
		.dst = prefix(any),
		.gateway = gw.ip,
		.oif = ifindex,
		.onlink = true,
		.mtu = 1380,
		.advmss = 1300,
	};

	pl_nl_add_addr(b, ifindex, &p, RT_SCOPE_UNIVERSE, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
	pl_nl_add_neigh(b, ifindex, &gw.ip, &host_mac);
	pl_nl_add_route(b, &link_route);
	pl_nl_add_route(b, &default_route);
}

static void assert_family(struct pl_nl *pod, uint32_t ifindex, const char *addr,
			  const char *gateway, const char *gateway_ip, const char *any)
{
	struct found neigh = {.text = gateway_ip};
	struct found f = addr_of(pod, addr);
	struct pl_ip gw = ip(gateway_ip);

	assert_int_equal(f.n, 1);
	assert_int_equal(f.addr.ifindex, ifindex);
	assert_true(f.addr.flags & IFA_F_PERMANENT);
	/* IPv4 knows no DAD and forgets the wish. */
	if (gw.family == AF_INET6)
		assert_true(f.addr.flags & IFA_F_NODAD);
	assert_true(f.addr.flags & IFA_F_NOPREFIXROUTE);
	f = route_of(pod, gateway);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.route.gateway.family, 0);
	f = route_of(pod, any);
	assert_int_equal(f.n, 1);
	assert_int_equal(pl_ip_cmp(&f.route.gateway, &gw), 0);
	assert_int_equal(f.route.oif, ifindex);
	assert_int_equal(f.route.mtu, 1380);
	assert_int_equal(f.route.advmss, 1300);
	assert_int_equal(f.route.type, RTN_UNICAST);
	assert_int_equal(pl_nl_neigh_dump(pod, ifindex, find_neigh, &neigh), 0);
	assert_int_equal(neigh.n, 1);
	assert_int_equal(neigh.neigh.state, NUD_PERMANENT);
	assert_memory_equal(&neigh.neigh.mac, &host_mac, sizeof(host_mac));
}

static void test_a_pod(void **state)
{
	struct world *w = *state;
	struct pl_nl_link host = make_pair(w);
	struct pl_nl *pod = open_pod(w);
	struct pl_nl_batch *b;

	assert_int_equal(pl_nl_batch_new(pod, &b), 0);
	pl_nl_set_up(b, host.peer_ifindex, true);
	queue_family(b, host.peer_ifindex, "10.1.0.5/32", "10.1.0.1/32", "0.0.0.0/0");
	queue_family(b, host.peer_ifindex, "fd00::5/128", "fe80::1/128", "::/0");
	commit(w, b);
	assert_family(pod, host.peer_ifindex, "10.1.0.5/32", "10.1.0.1/32", "10.1.0.1",
		      "0.0.0.0/0");
	assert_family(pod, host.peer_ifindex, "fd00::5/128", "fe80::1/128", "fe80::1", "::/0");
	pl_nl_batch_freep(&b);
	pl_nl_close(pod);
}

static void test_address_takes_new_flags(void **state)
{
	struct world *w = *state;
	struct pl_nl_link a = make_local_pair(w, "a0", "b0");
	struct pl_prefix p = prefix("fd00::1/128");

	pl_nl_add_addr(w->b, a.ifindex, &p, 0, IFA_F_NODAD);
	commit(w, w->b);
	pl_nl_add_addr(w->b, a.ifindex, &p, 0, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
	commit(w, w->b);
	assert_true(addr_of(w->nl, "fd00::1/128").addr.flags & IFA_F_NOPREFIXROUTE);
	pl_nl_del_addr(w->b, a.ifindex, &p);
	commit(w, w->b);
	assert_int_equal(addr_of(w->nl, "fd00::1/128").n, 0);
	pl_nl_del_addr(w->b, a.ifindex, &p);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -EADDRNOTAVAIL);
}

static void test_ipv4_by_an_ipv6_gateway(void **state)
{
	struct world *w = *state;
	struct pl_nl_link a = make_local_pair(w, "a0", "b0");
	struct pl_nl_route route = {
		.dst = prefix("192.0.2.0/24"),
		.gateway = ip("fe80::1"),
		.oif = a.ifindex,
		.onlink = true,
	};
	struct found f;

	pl_nl_add_route(w->b, &route);
	commit(w, w->b);
	f = route_of(w->nl, "192.0.2.0/24");
	assert_int_equal(f.n, 1);
	assert_int_equal(pl_ip_cmp(&f.route.gateway, &route.gateway), 0);

	route.dst = prefix("fd00::/64");
	route.gateway = ip("192.0.2.1");
	assert_int_equal(pl_nl_add_route(w->b, &route), -EINVAL);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -EINVAL);
}

static void test_route_add_and_replace(void **state)
{
	struct world *w = *state;
	struct pl_nl_link a = make_local_pair(w, "a0", "b0");
	struct pl_nl_route route = {
		.dst = prefix("10.1.0.5/32"),
		.oif = a.ifindex,
		.scope = RT_SCOPE_LINK,
	};

	pl_nl_add_route(w->b, &route);
	commit(w, w->b);
	pl_nl_add_route(w->b, &route);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -EEXIST);
	assert_contains(w->err.text, "add route 10.1.0.5/32 on device ");
	route.oif = a.peer_ifindex;
	pl_nl_replace_route(w->b, &route);
	commit(w, w->b);
	assert_int_equal(route_of(w->nl, "10.1.0.5/32").n, 1);
	assert_int_equal(route_of(w->nl, "10.1.0.5/32").route.oif, a.peer_ifindex);
	pl_nl_del_route(w->b, &route);
	commit(w, w->b);
	pl_nl_del_route(w->b, &route);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -ESRCH);
}

static void test_the_kernels_own_words(void **state)
{
	struct world *w = *state;
	struct pl_nl_link a = make_local_pair(w, "a0", "b0");
	struct pl_nl_route route = {
		.dst = prefix("0.0.0.0/0"),
		.gateway = ip("10.9.9.9"),
		.oif = a.ifindex,
	};

	pl_nl_add_route(w->b, &route);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -ENETUNREACH);
	assert_contains(w->err.text, "add route default via 10.9.9.9 on device ");
	assert_contains(w->err.text, ": Network is unreachable (Nexthop has invalid gateway)");
}

static void test_first_failure_is_told_and_later_messages_are_done(void **state)
{
	struct world *w = *state;
	struct pl_nl_link a = make_local_pair(w, "a0", "b0");
	struct pl_prefix p = prefix("10.0.0.1/32");

	pl_nl_add_addr(w->b, 99998, &p, 0, 0);
	pl_nl_set_up(w->b, 99999, true);
	pl_nl_add_addr(w->b, a.ifindex, &p, 0, 0);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -ENODEV);
	assert_contains(w->err.text, "add address 10.0.0.1/32 on device 99998");
	assert_int_equal(addr_of(w->nl, "10.0.0.1/32").n, 1);
}

static void test_missing_is_a_failure_unless_allowed(void **state)
{
	struct world *w = *state;
	struct pl_nl_link a = make_local_pair(w, "a0", "b0");
	struct pl_nl_link gone;

	pl_nl_del_link(w->b, "nothing", 0);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -ENODEV);
	assert_contains(w->err.text, "delete link nothing: No such device");
	pl_nl_del_link(w->b, "nothing", 0);
	pl_nl_allow_missing(w->b);
	pl_nl_del_link(w->b, NULL, a.ifindex);
	pl_nl_del_link(w->b, NULL, a.ifindex);
	pl_nl_allow_missing(w->b);
	commit(w, w->b);
	assert_int_equal(pl_nl_link_get(w->nl, "b0", 0, &gone), -ENODEV);
	assert_int_equal(pl_nl_link_get(w->nl, "a-name-that-is-too-long", 0, &gone), -ENODEV);
	assert_int_equal(pl_nl_del_link(w->b, "a-name-that-is-too-long", 0), -EINVAL);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -EINVAL);
}

static void test_a_large_batch(void **state)
{
	struct world *w = *state;
	struct pl_nl_link a = make_local_pair(w, "a0", "b0");
	struct pl_prefix p = prefix("10.0.0.0/32");

	for (unsigned int i = 0; i < 500; i++) {
		p.ip.bytes[2] = (uint8_t)(i / 250);
		p.ip.bytes[3] = (uint8_t)(i % 250);
		pl_nl_add_addr(w->b, a.ifindex, &p, 0, 0);
	}
	commit(w, w->b);
	assert_int_equal(addr_of(w->nl, "10.0.0.0/32").n, 1);
	assert_int_equal(addr_of(w->nl, "10.0.1.249/32").n, 1);
}

static int stop_at_second(const struct pl_nl_link *link, void *arg)
{
	return ++*(unsigned int *)arg == 2 ? 77 : 0;
}

static void test_a_dump_that_is_cut_short_leaves_the_socket_usable(void **state)
{
	struct world *w = *state;
	unsigned int n = 0;
	struct pl_nl_link link;

	make_local_pair(w, "a0", "b0");
	assert_int_equal(pl_nl_link_dump(w->nl, stop_at_second, &n), 77);
	assert_int_equal(n, 2);
	assert_int_equal(pl_nl_link_get(w->nl, "a0", 0, &link), 0);
}

static void test_a_dump_of_many_links(void **state)
{
	struct world *w = *state;
	unsigned int before = 0;
	unsigned int n = 0;
	char a[IFNAMSIZ], b[IFNAMSIZ];

	assert_int_equal(pl_nl_link_dump(w->nl, count_link, &before), 0);
	for (int i = 0; i < 60; i++) {
		struct pl_nl_pair pair = {.name = a, .peer_name = b, .peer_netns_fd = -1};

		snprintf(a, sizeof(a), "a%d", i);
		snprintf(b, sizeof(b), "b%d", i);
		pl_nl_add_veth(w->b, &pair);
	}
	commit(w, w->b);
	assert_int_equal(pl_nl_link_dump(w->nl, count_link, &n), 0);
	assert_int_equal(n, before + 120);
}

static int note_default(const struct pl_nl_route *route, void *arg)
{
	struct found *f = arg;

	f->n++;
	f->route = *route;
	return 0;
}

static unsigned int defaults(struct world *w, uint8_t family)
{
	struct found f = {0};

	assert_int_equal(pl_nl_default_dump(w->nl, family, note_default, &f), 0);
	return f.n;
}

static void test_default_routes(void **state)
{
	struct world *w = *state;

	assert_int_equal(defaults(w, 0), 0);
	assert_int_equal(defaults(w, AF_INET), 0);
	make_local_pair(w, "a0", "b0");
	/* Without any IPv4 address the kernel takes no gateway for one. */
	run("ip link set lo up");
	run("ip route add default via 10.0.0.1 dev a0 onlink metric 5 && "
	    "ip route add default via 10.0.0.1 dev a0 onlink table 7 && "
	    "ip route add 10.5.0.0/16 dev a0 && ip route add blackhole default metric 90 && "
	    "ip -6 route add default nexthop via fe80::1 dev a0 nexthop via fe80::2 dev b0");
	assert_int_equal(defaults(w, AF_INET), 1);
	assert_int_equal(defaults(w, AF_INET6), 2);
	assert_int_equal(defaults(w, 0), 3);
	run("ip route replace default metric 5 nexthop via 10.0.0.1 dev a0 onlink "
	    "nexthop via 10.0.0.2 dev b0 onlink");
	assert_int_equal(defaults(w, AF_INET), 2);
}

static int find_link_local(const struct pl_nl_addr *addr, void *arg)
{
	struct found *f = arg;

	f->n += addr->ip.ip.family == AF_INET6 && addr->ip.ip.bytes[0] == 0xfe;
	return 0;
}

static void test_no_link_local_address(void **state)
{
	struct world *w = *state;
	struct pl_nl_link host = make_pair(w);
	struct pl_nl *pod = open_pod(w);
	struct found here = {0}, there = {0};
	struct pl_nl_batch *b;

	pl_nl_set_no_ll(w->b, host.ifindex);
	pl_nl_set_up(w->b, host.ifindex, true);
	commit(w, w->b);
	assert_int_equal(pl_nl_batch_new(pod, &b), 0);
	pl_nl_set_up(b, host.peer_ifindex, true);
	commit(w, b);
	/* The kernel gives the address once it has noted that the pair has a carrier. */
	for (int i = 0; i < 500 && !there.n; i++) {
		usleep(10000);
		assert_int_equal(pl_nl_addr_dump(pod, find_link_local, &there), 0);
	}
	assert_int_equal(there.n, 1);
	assert_int_equal(pl_nl_addr_dump(w->nl, find_link_local, &here), 0);
	assert_int_equal(here.n, 0);
	/* A device too small for IPv6 has no such settings. */
	pl_nl_set_mtu(w->b, host.ifindex, 1000);
	pl_nl_set_no_ll(w->b, host.ifindex);
	commit(w, w->b);
	pl_nl_batch_freep(&b);
	pl_nl_close(pod);
}

/* Tunnels and netkit, where the kernel has them. */

static void skip_without(struct world *w, int r, const char *what)
{
	if (r != -EOPNOTSUPP)
		return;
	print_message("# skip: this kernel has no %s\n", what);
	skip();
}

static void test_vxlan(void **state)
{
	struct world *w = *state;
	struct pl_ip remote = ip("192.0.2.1"), remote6 = ip("fd00::9"), local6 = ip("fd00::8");
	struct pl_nl_link link;
	int r;

	pl_nl_add_vxlan(w->b, "mirror0", 77, &remote, NULL, 4789, 0);
	pl_nl_add_vxlan(w->b, "mirror1", 78, &remote6, &local6, 4790, 0);
	r = pl_nl_batch_commit(w->b, &w->err);
	skip_without(w, r, "vxlan");
	if (r < 0)
		fail_msg("%s", w->err.text);
	assert_int_equal(pl_nl_link_get(w->nl, "mirror0", 0, &link), 0);
	assert_string_equal(link.kind, "vxlan");
	run("ip -d link show mirror0 | grep -q 'vxlan id 77 remote 192.0.2.1 .*dstport 4789 .*nolearning'");
	run("ip -d link show mirror1 | grep -q 'id 78 remote fd00::9 local fd00::8 .*dstport 4790'");
	pl_nl_add_vxlan(w->b, "mirror2", 79, &remote, &local6, 4789, 0);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -EINVAL);
}

static void make_gre(struct world *w, const char *name, const char *kind, const char *remote,
		     const char *local, uint32_t key)
{
	struct pl_ip remote_ip = ip(remote), local_ip = ip(local);
	struct pl_nl_link link;
	int r;

	pl_nl_add_gre(w->b, name, kind, &remote_ip, &local_ip, key, 0);
	pl_nl_read_link(w->b, name, 0, &link);
	r = pl_nl_batch_commit(w->b, &w->err);
	skip_without(w, r, kind);
	if (r < 0)
		fail_msg("%s", w->err.text);
	assert_string_equal(link.kind, kind);
}

static void test_gretap(void **state)
{
	struct world *w = *state;

	make_gre(w, "mirror0", "gretap", "192.0.2.1", "192.0.2.2", 5);
	run("ip -d link show mirror0 | grep -q 'remote 192.0.2.1 local 192.0.2.2 ttl 64 nopmtudisc "
	    "ignore-df ikey 0.0.0.5 okey 0.0.0.5'");
}

static void test_erspan(void **state)
{
	struct world *w = *state;

	make_gre(w, "mirror0", "erspan", "192.0.2.1", "192.0.2.2", 5);
	run("ip -d link show mirror0 | grep -q 'okey 0.0.0.5 iseq oseq .*erspan_ver 1'");
}

static void test_ip6gretap(void **state)
{
	struct world *w = *state;

	make_gre(w, "mirror0", "ip6gretap", "fd00::1", "fd00::2", 0);
	run("ip -d link show mirror0 | grep -q 'remote fd00::1 local fd00::2 hoplimit 64 "
	    "encaplimit none'");
}

static void test_ip6erspan(void **state)
{
	struct world *w = *state;

	make_gre(w, "mirror0", "ip6erspan", "fd00::1", "fd00::2", 6);
	run("ip -d link show mirror0 | grep -q 'okey 0.0.0.6 iseq oseq'");
}

static void test_gre_family_must_fit_the_kind(void **state)
{
	struct world *w = *state;
	struct pl_ip v4 = ip("192.0.2.1"), v6 = ip("fd00::1");

	assert_int_equal(pl_nl_add_gre(w->b, "m0", "gretap", &v6, NULL, 0, 0), -EINVAL);
	assert_int_equal(pl_nl_add_gre(w->b, "m0", "ip6gretap", &v4, NULL, 0, 0), -EINVAL);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -EINVAL);
}

static struct pl_nl_link make_netkit(struct world *w, bool l2)
{
	struct pl_nl_pair pair = {
		.name = "host0",
		.peer_name = "eth0",
		.peer_netns_fd = w->pod,
		.mac = host_mac,
		.peer_mac = pod_mac,
		.mtu = 1400,
	};
	struct pl_nl_link link = {0};
	int r;

	pl_nl_add_netkit(w->b, &pair, l2);
	pl_nl_read_link(w->b, "host0", 0, &link);
	r = pl_nl_batch_commit(w->b, &w->err);
	skip_without(w, r, "netkit");
	if (r < 0)
		fail_msg("%s", w->err.text);
	return link;
}

/* IFLA_NETKIT_POLICY forward, IFLA_NETKIT_PEER_POLICY blackhole; ip(8) of Debian 12 is blind to
 * them. */
static void assert_policies(uint32_t ifindex)
{
	static const uint8_t forward[] = {8, 0, 3, 0, 0, 0, 0, 0};
	static const uint8_t peer_blackhole[] = {8, 0, 4, 0, 2, 0, 0, 0};
	struct {
		struct nlmsghdr nlh;
		struct ifinfomsg ifi;
	} request = {
		.nlh.nlmsg_len = sizeof(request),
		.nlh.nlmsg_type = RTM_GETLINK,
		.nlh.nlmsg_flags = NLM_F_REQUEST,
		.ifi.ifi_index = (int)ifindex,
	};
	static uint8_t answer[16384];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t n;

	assert_int_equal(send(fd, &request, sizeof(request), 0), sizeof(request));
	n = recv(fd, answer, sizeof(answer), 0);
	close(fd);
	assert_true(n > 0);
	assert_non_null(memmem(answer, (size_t)n, forward, sizeof(forward)));
	assert_non_null(memmem(answer, (size_t)n, peer_blackhole, sizeof(peer_blackhole)));
}

static void assert_netkit(struct world *w, const struct pl_nl_link *host, uint8_t mode)
{
	struct pl_nl *pod = open_pod(w);
	struct pl_nl_link eth;

	assert_string_equal(host->kind, "netkit");
	assert_int_equal(host->netkit_mode, mode);
	assert_true(host->netkit_primary);
	assert_int_equal(host->mtu, 1400);
	assert_true(host->peer_nsid >= 0);
	assert_int_equal(pl_nl_link_get(pod, "eth0", 0, &eth), 0);
	assert_int_equal(eth.ifindex, host->peer_ifindex);
	assert_int_equal(eth.netkit_mode, mode);
	assert_false(eth.netkit_primary);
	assert_int_equal(eth.mtu, 1400);
	if (mode == 1)
		assert_memory_equal(&eth.mac, &pod_mac, sizeof(pod_mac));
	pl_nl_close(pod);
	assert_policies(host->ifindex);
}

static void test_netkit_l3(void **state)
{
	struct world *w = *state;
	struct pl_nl_link link = make_netkit(w, false);

	assert_netkit(w, &link, 2);
}

static void test_netkit_l2(void **state)
{
	struct world *w = *state;
	struct pl_nl_link link = make_netkit(w, true);

	assert_memory_equal(&link.mac, &host_mac, sizeof(host_mac));
	assert_netkit(w, &link, 1);
}

/* Events. */

struct seen {
	uint32_t ifindex; /* 0: of all links */
	unsigned int n[PL_NL_LOST + 1];
	struct pl_nl_event last[PL_NL_LOST + 1];
};

static void note_event(const struct pl_nl_event *event, void *arg)
{
	struct seen *seen = arg;

	if (seen->ifindex && event->type != PL_NL_LOST && event->link.ifindex != seen->ifindex)
		return;
	seen->n[event->type]++;
	seen->last[event->type] = *event;
}

static struct seen read_events_of(struct pl_nl_monitor *mon, uint32_t ifindex)
{
	struct seen seen = {.ifindex = ifindex};

	assert_int_equal(pl_nl_monitor_read(mon, 100000, note_event, &seen), 0);
	return seen;
}

static struct seen read_events(struct pl_nl_monitor *mon)
{
	return read_events_of(mon, 0);
}

static struct pl_nl_monitor *watch(struct world *w)
{
	struct pl_nl_monitor *mon;

	assert_int_equal(pl_nl_monitor_open(&mon, &w->err), 0);
	return mon;
}

static void test_events_of_a_link(void **state)
{
	struct world *w = *state;
	struct pl_nl_monitor *mon = watch(w);
	struct pl_nl_link host = make_pair(w);
	struct pl_prefix p = prefix("10.1.0.5/32");
	struct seen seen = read_events(mon);

	assert_true(seen.n[PL_NL_LINK_NEW] >= 1);
	assert_int_equal(seen.last[PL_NL_LINK_NEW].link.ifindex, host.ifindex);
	assert_true(seen.last[PL_NL_LINK_NEW].link.peer_nsid >= 0);

	pl_nl_set_up(w->b, host.ifindex, true);
	pl_nl_add_addr(w->b, host.ifindex, &p, 0, 0);
	commit(w, w->b);
	seen = read_events(mon);
	assert_true(seen.last[PL_NL_LINK_NEW].link.flags & IFF_UP);
	assert_int_equal(seen.last[PL_NL_LINK_NEW].link.flags & IFF_LOWER_UP, 0);
	assert_int_equal(seen.n[PL_NL_ADDR_NEW], 1);
	assert_int_equal(pl_ip_cmp(&seen.last[PL_NL_ADDR_NEW].addr.ip.ip, &p.ip), 0);

	pl_nl_del_link(w->b, "host0", 0);
	commit(w, w->b);
	seen = read_events(mon);
	assert_int_equal(seen.n[PL_NL_LINK_DEL], 1);
	assert_int_equal(seen.last[PL_NL_LINK_DEL].link.ifindex, host.ifindex);
	assert_int_equal(seen.last[PL_NL_LINK_DEL].link.new_nsid, PL_NL_NSID_HERE);
	assert_int_equal(seen.n[PL_NL_ADDR_DEL], 1);
	pl_nl_monitor_closep(&mon);
}

static void test_a_move_is_no_deletion(void **state)
{
	struct world *w = *state;
	struct pl_nl_link a = make_local_pair(w, "a0", "b0");
	struct pl_nl_monitor *mon = watch(w);
	char command[80];
	struct seen seen;

	/* ip(8) inherits the fd. */
	assert_int_equal(fcntl(w->pod, F_SETFD, 0), 0);
	snprintf(command, sizeof(command), "ip link set a0 netns /proc/self/fd/%d", w->pod);
	run(command);
	seen = read_events(mon);
	assert_int_equal(seen.n[PL_NL_LINK_DEL], 1);
	assert_int_equal(seen.last[PL_NL_LINK_DEL].link.ifindex, a.ifindex);
	assert_true(seen.last[PL_NL_LINK_DEL].link.new_nsid >= 0);
	pl_nl_monitor_closep(&mon);
}

static void test_a_port_that_leaves_a_bridge_is_no_deletion(void **state)
{
	struct world *w = *state;
	struct pl_nl_link a = make_local_pair(w, "a0", "b0");
	struct pl_nl_monitor *mon;
	struct pl_nl_link bridge;
	struct seen seen;

	run("ip link add br0 up type bridge");
	assert_int_equal(pl_nl_link_get(w->nl, "br0", 0, &bridge), 0);
	mon = watch(w);
	run("ip link set a0 master br0");
	seen = read_events_of(mon, a.ifindex);
	assert_int_equal(seen.last[PL_NL_LINK_NEW].link.master, bridge.ifindex);
	run("ip link set a0 nomaster");
	seen = read_events_of(mon, a.ifindex);
	assert_true(seen.n[PL_NL_LINK_NEW] >= 1);
	assert_int_equal(seen.n[PL_NL_LINK_DEL], 0);
	pl_nl_monitor_closep(&mon);
}

static bool is_readable(const struct pl_nl_monitor *mon)
{
	struct pollfd p = {.fd = pl_nl_monitor_fd(mon), .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static void test_default_route_events(void **state)
{
	struct world *w = *state;
	struct pl_nl_monitor *mon;

	make_local_pair(w, "a0", "b0");
	/* The link-local addresses' routes and DAD are not waited for. */
	run("ip link set a0 addrgenmode none && ip link set b0 addrgenmode none && "
	    "ip -6 addr flush dev a0 && ip -6 addr flush dev b0");
	mon = watch(w);
	run("ip route add 10.5.0.0/16 dev a0 && ip route add default dev a0 table 7 && "
	    "ip -6 route add fd05::/16 dev a0");
	/* Such as these do not even wake the reader. */
	assert_false(is_readable(mon));
	assert_int_equal(read_events(mon).n[PL_NL_ROUTE_CHANGED], 0);
	run("ip route add default dev a0");
	assert_int_equal(read_events(mon).n[PL_NL_ROUTE_CHANGED], 1);
	run("ip -6 route add default dev a0");
	assert_int_equal(read_events(mon).n[PL_NL_ROUTE_CHANGED], 1);
	run("ip route del default dev a0 && ip -6 route del default dev a0");
	assert_int_equal(read_events(mon).n[PL_NL_ROUTE_CHANGED], 2);
	pl_nl_monitor_closep(&mon);
}

static int count_route(const struct pl_nl_route *route, void *arg)
{
	assert_int_equal(route->protocol, PL_NL_PROTOCOL);
	assert_int_equal(route->type, RTN_UNREACHABLE);
	assert_int_equal(route->priority, UINT32_MAX);
	++*(size_t *)arg;
	return 0;
}

static size_t own_routes(struct pl_nl *nl)
{
	size_t n = 0;

	assert_int_equal(pl_nl_own_route_dump(nl, count_route, &n), 0);
	return n;
}

/* Told apart from others' by their protocol, in dumps, deletions and events. */
static void test_own_routes(void **state)
{
	struct world *w = *state;
	struct pl_nl_monitor *mon = watch(w);
	struct pl_nl_route v4 = {
		.dst = prefix("10.1.0.0/24"),
		.type = RTN_UNREACHABLE,
		.protocol = PL_NL_PROTOCOL,
		.priority = UINT32_MAX,
	};
	struct pl_nl_route v6 = v4;

	v6.dst = prefix("fd00:1::/64");
	run("ip link set lo up");
	assert_int_equal(own_routes(w->nl), 0);
	read_events(mon);
	pl_nl_add_route(w->b, &v4);
	pl_nl_add_route(w->b, &v6);
	commit(w, w->b);
	run("ip route add unreachable 10.1.0.0/24 metric 77");
	run("ip -6 route add unreachable fd00:1::/64 metric 77");
	run("ip route add unreachable 10.1.0.0/24 metric 77 table 7 proto 112");
	assert_int_equal(own_routes(w->nl), 2);
	assert_int_equal(read_events(mon).n[PL_NL_OWN_ROUTE_GONE], 0);

	pl_nl_del_route(w->b, &v4);
	pl_nl_del_route(w->b, &v6);
	commit(w, w->b);
	assert_int_equal(own_routes(w->nl), 0);
	assert_int_equal(read_events(mon).n[PL_NL_OWN_ROUTE_GONE], 2);
	/* Somebody else's of the same destination is neither deleted nor told of. */
	v4.priority = v6.priority = 77;
	pl_nl_del_route(w->b, &v4);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -ESRCH);
	assert_non_null(strstr(w->err.text, "delete unreachable route 10.1.0.0/24"));
	pl_nl_del_route(w->b, &v6);
	assert_int_equal(pl_nl_batch_commit(w->b, &w->err), -ESRCH);
	run("ip route del unreachable 10.1.0.0/24 metric 77");
	run("ip -6 route del unreachable fd00:1::/64 metric 77");
	assert_int_equal(read_events(mon).n[PL_NL_OWN_ROUTE_GONE], 0);
	pl_nl_monitor_closep(&mon);
}

static void test_qdisc_events(void **state)
{
	struct world *w = *state;
	struct pl_nl_link a = make_local_pair(w, "a0", "b0");
	struct pl_nl_monitor *mon = watch(w);
	struct pl_nl_link link;
	struct seen seen;

	run("tc qdisc add dev a0 root tbf rate 1mbit burst 10k latency 10ms");
	seen = read_events(mon);
	assert_true(seen.n[PL_NL_QDISC_CHANGED] >= 1);
	assert_int_equal(seen.last[PL_NL_QDISC_CHANGED].link.ifindex, a.ifindex);
	assert_int_equal(pl_nl_link_get(w->nl, "a0", 0, &link), 0);
	assert_string_equal(link.qdisc, "tbf");
	run("tc qdisc del dev a0 root");
	seen = read_events(mon);
	assert_true(seen.n[PL_NL_QDISC_CHANGED] >= 1);
	pl_nl_monitor_closep(&mon);
}

static void churn(struct world *w, uint32_t ifindex, unsigned int times)
{
	for (unsigned int i = 0; i < times; i++) {
		pl_nl_set_up(w->b, ifindex, i & 1);
		commit(w, w->b);
	}
}

static void test_lost_events_are_told_once(void **state)
{
	struct world *w = *state;
	struct pl_nl_link a = make_local_pair(w, "a0", "b0");
	struct pl_nl_monitor *mon;
	struct seen seen;

	assert_int_equal(pl_nl_monitor_open_sized(4096, &mon, &w->err), 0);
	churn(w, a.ifindex, 100);
	seen = read_events(mon);
	assert_int_equal(seen.n[PL_NL_LOST], 1);
	/* The queue takes events again: what comes now is told. */
	pl_nl_set_mtu(w->b, a.ifindex, 1400);
	commit(w, w->b);
	seen = read_events_of(mon, a.ifindex); /* of b0 the kernel may tell late */
	assert_int_equal(seen.n[PL_NL_LOST], 0);
	assert_true(seen.n[PL_NL_LINK_NEW] >= 1);
	assert_int_equal(seen.last[PL_NL_LINK_NEW].link.mtu, 1400);
	pl_nl_monitor_closep(&mon);
}

static void test_a_loss_is_told_with_the_queue_empty(void **state)
{
	struct world *w = *state;
	struct pl_nl_link a = make_local_pair(w, "a0", "b0");
	struct pl_nl_monitor *mon;
	struct seen seen = {0};

	assert_int_equal(pl_nl_monitor_open_sized(4096, &mon, &w->err), 0);
	churn(w, a.ifindex, 100);
	/* However small the budget: a loss told with events left over would hide later ones. */
	assert_int_equal(pl_nl_monitor_read(mon, 1, note_event, &seen), 0);
	assert_int_equal(seen.n[PL_NL_LOST], 1);
	pl_nl_set_mtu(w->b, a.ifindex, 1400);
	commit(w, w->b);
	seen = read_events(mon);
	assert_true(seen.n[PL_NL_LINK_NEW] >= 1);
	assert_int_equal(seen.last[PL_NL_LINK_NEW].link.mtu, 1400);
	pl_nl_monitor_closep(&mon);
}

static void test_budget(void **state)
{
	struct world *w = *state;
	struct pl_nl_link a = make_local_pair(w, "a0", "b0");
	struct pl_nl_monitor *mon = watch(w);
	struct seen seen = {0};

	churn(w, a.ifindex, 10);
	assert_int_equal(pl_nl_monitor_read(mon, 3, note_event, &seen), 0);
	assert_true(seen.n[PL_NL_LINK_NEW] <= 3);
	seen = read_events(mon);
	assert_true(seen.n[PL_NL_LINK_NEW] > 3);
	pl_nl_monitor_closep(&mon);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_open_refuses_what_is_no_netns),
		T(test_open_comes_back),
		T(test_never_stays_in_a_pod),
		T(test_pair_into_a_netns),
		T(test_pair_in_one_netns),
		T(test_pair_with_chosen_indexes),
		T(test_stranger_of_the_same_name_is_left_alone),
		T(test_made_link_is_told_though_the_rest_fails),
		T(test_a_pod),
		T(test_address_takes_new_flags),
		T(test_ipv4_by_an_ipv6_gateway),
		T(test_route_add_and_replace),
		T(test_the_kernels_own_words),
		T(test_first_failure_is_told_and_later_messages_are_done),
		T(test_missing_is_a_failure_unless_allowed),
		T(test_a_large_batch),
		T(test_a_dump_that_is_cut_short_leaves_the_socket_usable),
		T(test_a_dump_of_many_links),
		T(test_default_routes),
		T(test_no_link_local_address),
		T(test_vxlan),
		T(test_gretap),
		T(test_erspan),
		T(test_ip6gretap),
		T(test_ip6erspan),
		T(test_gre_family_must_fit_the_kind),
		T(test_netkit_l3),
		T(test_netkit_l2),
		T(test_events_of_a_link),
		T(test_a_move_is_no_deletion),
		T(test_a_port_that_leaves_a_bridge_is_no_deletion),
		T(test_default_route_events),
		T(test_own_routes),
		T(test_qdisc_events),
		T(test_lost_events_are_told_once),
		T(test_a_loss_is_told_with_the_queue_empty),
		T(test_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
