/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What somebody outside forges does not touch the connections of pods: SYNs and datagrams with the
 * very tuple of a masqueraded connection as the pod has it, one and a sweep over all ports, and
 * with the tuple of a connection through a service, as its hidden backend has it. Nor those that a
 * pod is about to open.
 * time limit: 120
 * kernels: no
 */
#include "flow_held.h"

enum {
	SWEEP_FIRST = 32768, /* the ports that Linux gives to clients */
	SWEEP_LAST = 60999,
	SWEPT = 12, /* connections that are open meanwhile */
};

static void forge(struct held *h, struct raw *raw, int protocol, uint16_t port, uint8_t flags)
{
	const struct forged f = {
		.family = h->family,
		.protocol = protocol,
		.source = places[h->server].address[h->family],
		.destination = places[h->client].address[h->family],
		.source_port = protocol == IPPROTO_TCP ? TCP_PORT : UDP_PORT,
		.destination_port = port,
		.tcp_flags = flags,
	};

	raw_send(raw, &f);
}

static void try_one(const struct rules *rules, int to, uint16_t port)
{
	static const uint8_t kinds[] = {TH_SYN, TH_SYN | TH_ACK, TH_ACK, TH_RST, TH_FIN | TH_ACK};
	struct held h[N_FAMILIES];
	struct raw raw;

	set_up_rules(rules);
	for (int family = V4; family <= V6; family++) {
		hold(&h[family], POD_A, family, 41000, address_to(to, family), port);
		raw_open(&raw, h[family].server, family);
		for (size_t i = 0; i < sizeof(kinds); i++) {
			char after[64];

			snprintf(after, sizeof(after), "a forged segment with flags 0x%x",
				 kinds[i]);
			forge(&h[family], &raw, IPPROTO_TCP, 41000, kinds[i]);
			check_held(&h[family], after);
			forge(&h[family], &raw, IPPROTO_TCP, 41000, kinds[i]);
			forge(&h[family], &raw, IPPROTO_TCP, 41000, TH_SYN);
			check_held(&h[family], after);
		}
		close(raw.fd);
	}
	for (int family = V4; family <= V6; family++) {
		check_held(&h[family], "all of them");
		close(h[family].fd);
	}
}

static void test_masqueraded(void **state)
{
	try_one(&rules_iptables_masquerade, OUTSIDE, TCP_PORT);
}

static void test_masqueraded_by_iptables(void **state)
{
	try_one(&rules_masquerade, REMOTE, TCP_PORT);
}

static void test_through_service(void **state)
{
	try_one(&rules_iptables, -2 /* remote */, SERVICE_TCP);
}

/* Through a service whose address is one of the node's own. */
static void test_through_service_on_host(void **state)
{
	try_one(&rules_host_address, -2 /* remote */, TCP_PORT);
}

static void sweep(const struct rules *rules, int to, uint16_t port)
{
	struct held h[SWEPT];
	struct raw raw;

	set_up_rules(rules);
	for (int i = 0; i < SWEPT; i++)
		hold(&h[i], POD_A, i % 2, (uint16_t)(SWEEP_FIRST + 7 + i * 2311),
		     address_to(to, i % 2), port);
	for (int family = V4; family <= V6; family++) {
		raw_open(&raw, h[family].server, family);
		for (int p = SWEEP_FIRST; p <= SWEEP_LAST; p++) {
			forge(&h[family], &raw, IPPROTO_TCP, (uint16_t)p, TH_SYN);
			if (p % 64 == 0)
				servers_work();
		}
		close(raw.fd);
	}
	for (int i = 0; i < SWEPT; i++) {
		check_held(&h[i], "a sweep of SYNs");
		close(h[i].fd);
	}
}

static void test_sweep_masqueraded(void **state)
{
	sweep(&rules_iptables_masquerade, OUTSIDE, TCP_PORT);
}

static void test_sweep_through_service(void **state)
{
	sweep(&rules_iptables, -2 /* remote */, SERVICE_TCP);
}

/* A masqueraded exchange of datagrams goes on being masqueraded, and answered. */
static void test_datagrams(void **state)
{
	struct sockaddr_storage to, from;
	struct message answer;
	struct held h = {.client = POD_A, .server = OUTSIDE};
	char text[INET6_ADDRSTRLEN];
	struct raw raw;
	int r, fd;

	set_up_rules(&rules_iptables_masquerade);
	for (h.family = V4; h.family <= V6; h.family++) {
		fd = bound_at(POD_A, h.family, SOCK_DGRAM, 0, 41000);
		to_sockaddr(places[OUTSIDE].address[h.family], UDP_PORT, &to);
		raw_open(&raw, OUTSIDE, h.family);
		for (int i = 0; i < 6; i++) {
			r = udp_exchange(fd, &to, ++ids, 1, 100, PATIENCE_MS, &answer, &from);
			if (r)
				fail_msg("exchange %d: %s", i, strerror(-r));
			assert_string_equal(address_of(&from, text),
					    places[OUTSIDE].address[h.family]);
			if (!strcmp(answer.seen, places[POD_A].address[h.family]))
				fail_msg("exchange %d: the pod's own address went outside", i);
			for (int n = 0; n <= i; n++)
				forge(&h, &raw, IPPROTO_UDP, 41000, 0);
		}
		close(raw.fd);
		close(fd);
	}
}

/* A rule in a place of its own: in the table "guard", which guard_gone() takes away again. */
static void guard(const char *netns, const char *hook, const char *match)
{
	char command[256], text[512];

	snprintf(command, sizeof(command), "ip netns exec %s nft -f -", netns);
	snprintf(text, sizeof(text),
		 "table inet guard_%s {\ncounter dropped {}\nchain %s {\n"
		 "type filter hook %s priority 0;\n%s counter name dropped drop\n}\n}\n",
		 hook, hook, hook, match);
	feed(command, text);
}

static void guard_gone(const char *netns, const char *hook)
{
	run("ip netns exec %s nft delete table inet guard_%s", netns, hook);
}

static void wait_for_drop(const char *netns, const char *hook)
{
	double end = now() + 10;
	char command[256];

	snprintf(command, sizeof(command),
		 "ip netns exec %s nft -j list counter inet guard_%s dropped | "
		 "jq '[.nftables[].counter?.packets] | add'",
		 netns, hook);
	while (number_of(command) < 1) {
		if (now() > end)
			fail_msg("nothing came to %s's %s", netns, hook);
		pause_ms(5);
	}
}

/*
 * Between a pod's SYN and the answer to it, which takes its time here: somebody outside sends a SYN
 * in the name of who answers. The pod's firewall drops that, as it does any SYN, and the pod sends
 * no second one. (What the plain stack's conntrack makes of the forged one's numbers is its own.)
 */
static void test_opening(void **state)
{
	static const char syn[] = "tcp flags & (syn | ack) == syn";
	static const char syn_ack[] = "tcp flags & (syn | ack) == (syn | ack)";
	struct held h = {.client = POD_A, .server = REMOTE};
	struct sockaddr_storage to;
	struct message answer;
	struct raw raw;
	int error, r;

	set_up_rules(&rules_iptables);
	for (h.family = V4; h.family <= V6; h.family++) {
		socklen_t len = sizeof(error);

		guard("a", "input", syn);
		guard("remote", "output", syn_ack);
		h.fd = bound_at(POD_A, h.family, SOCK_STREAM, 0, 41000);
		assert_true(h.fd >= 0);
		to_sockaddr(places[REMOTE].address[h.family], TCP_PORT, &to);
		assert_int_equal(connect(h.fd, (struct sockaddr *)&to, size_of(&to)), -1);
		assert_int_equal(errno, EINPROGRESS);
		wait_for_drop("remote", "output");
		guard("a", "output", syn);
		raw_open(&raw, OUTSIDE, h.family);
		forge(&h, &raw, IPPROTO_TCP, 41000, TH_SYN);
		close(raw.fd);
		wait_for_drop("a", "input");
		guard_gone("remote", "output");
		r = client_wait(h.fd, POLLOUT, 2 * PATIENCE_MS) ? 0 : -ETIMEDOUT;
		if (!r && !getsockopt(h.fd, SOL_SOCKET, SO_ERROR, &error, &len))
			r = -error;
		if (r)
			fail_msg("IPv%d: a forged SYN ends what a pod opens: %s", h.family ? 6 : 4,
				 strerror(-r));
		r = tcp_exchange(h.fd, ++ids, 1, 100, PATIENCE_MS, &answer);
		if (r)
			fail_msg("IPv%d: after a forged SYN: %s", h.family ? 6 : 4, strerror(-r));
		close(h.fd);
		guard_gone("a", "input");
		guard_gone("a", "output");
	}
}

int main(void)
{
#define T(test) cmocka_unit_test_teardown(test, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_masqueraded),	   T(test_masqueraded_by_iptables),
		T(test_through_service),   T(test_through_service_on_host),
		T(test_sweep_masqueraded), T(test_sweep_through_service),
		T(test_datagrams),	   T(test_opening),
	};
#undef T

	return run_flow_tests(tests);
}
